//! Standard types between ASN.1 and text: booleans, integers with labels, object identifiers.
//!
//! RFC 2156 chapter 3: 3.3.1 here, 3.3.6 and 3.3.7 here, 3.3.3 and 3.4 in [`printable`], 3.3.4 in
//! [`teletex`], 3.3.5 in [`time`]. Section 3.2 (a gateway
//! reads IA5 as ASCII) holds everywhere.

pub mod iso2022;
pub mod printable;
pub mod teletex;
pub mod time;

/// `boolean`: `TRUE` or `FALSE` (RFC 2156 section 3.3.1).
#[must_use]
pub fn boolean(value: bool) -> &'static str {
    if value { "TRUE" } else { "FALSE" }
}

/// The value of a `boolean`, its case ignored.
#[must_use]
pub fn parse_boolean(text: &str) -> Option<bool> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("TRUE") {
        Some(true)
    } else if text.eq_ignore_ascii_case("FALSE") {
        Some(false)
    } else {
        None
    }
}

/// `labelled-integer`: `label(value)` (RFC 2156 section 3.3.6).
#[must_use]
pub fn labelled_integer(label: &str, value: u32) -> String {
    format!("{}({value})", key_string(label))
}

/// The value of a `labelled-integer`; the label and white space around the parts are ignored.
///
/// ```
/// # use mixgate::mixer::basic::parse_labelled_integer;
/// assert_eq!(parse_labelled_integer("interpersonal-messaging-1988 (22)"), Some(22));
/// ```
#[must_use]
pub fn parse_labelled_integer(text: &str) -> Option<u32> {
    let (label, rest) = text.trim().split_once('(')?;
    let number = rest.strip_suffix(')')?.trim();
    is_key_string(label.trim()).then_some(())?;
    parse_number(number)
}

/// `labelled-integer-2`: `value(label)`, the form of DSN fields (RFC 2156 section 3.3.6).
#[must_use]
pub fn labelled_integer_2(value: u32, label: &str) -> String {
    format!("{value}({})", key_string(label))
}

/// The value of a `labelled-integer-2`; the label may be missing.
#[must_use]
pub fn parse_labelled_integer_2(text: &str) -> Option<u32> {
    let number = text.split('(').next()?;
    parse_number(number.trim())
}

/// `object-identifier` from pairs of a label, which may be empty, and a number (RFC 2156 section
/// 3.3.7).
#[must_use]
pub fn object_identifier<'a>(components: impl IntoIterator<Item = (&'a str, u32)>) -> String {
    let parts: Vec<String> = components
        .into_iter()
        .map(|(label, number)| labelled_integer(label, number))
        .collect();
    parts.join(" ")
}

/// The numbers of an `object-identifier`, e.g. of `joint-iso-ccitt(2) mhs (6) (1)`.
///
/// The dotted form is read too: RFC 2157 section 3.2 prints `bp-type=2.6.1.4.5`.
#[must_use]
pub fn parse_object_identifier(text: &str) -> Option<Vec<u32>> {
    let text = text.trim();
    let arcs: Vec<u32> = if text.contains('(') {
        let (components, last) = text.rsplit_once(')')?;
        last.is_empty().then_some(())?;
        components
            .split(')')
            .map(|component| {
                let (label, number) = component.split_once('(')?;
                is_key_string(label.trim()).then_some(())?;
                parse_number(number.trim())
            })
            .collect::<Option<_>>()?
    } else {
        text.split('.').map(parse_number).collect::<Option<_>>()?
    };
    let root_is_right = match arcs.as_slice() {
        [0 | 1, second, ..] => *second < 40,
        [2, _, ..] => true,
        _ => false,
    };
    root_is_right.then_some(arcs)
}

/// The dotted form of an object identifier.
#[must_use]
pub fn dotted(arcs: &[u32]) -> String {
    let parts: Vec<String> = arcs.iter().map(u32::to_string).collect();
    parts.join(".")
}

/// A label as `key-string`: blanks become hyphens, other strangers vanish.
fn key_string(label: &str) -> String {
    label
        .chars()
        .map(|c| if c == ' ' || c == '_' { '-' } else { c })
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .collect()
}

/// Whether `text` may stand for a label: `key-char`s, and blanks as older gateways wrote them.
fn is_key_string(text: &str) -> bool {
    text.chars()
        .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == ' ')
}

/// A `numericstring` that is one number.
fn parse_number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s3_3_1_booleans() {
        assert_eq!(parse_boolean(boolean(true)), Some(true));
        assert_eq!(parse_boolean(" false"), Some(false));
        assert_eq!(parse_boolean("yes"), None);
    }

    #[test]
    fn s3_3_6_only_the_number_of_a_labelled_integer_counts() {
        assert_eq!(labelled_integer("edi messages", 35), "edi-messages(35)");
        assert_eq!(parse_labelled_integer("anything-at-all(35)"), Some(35));
        assert_eq!(parse_labelled_integer("(35)"), Some(35));
        assert_eq!(parse_labelled_integer("label ( 35 )"), Some(35));
        assert_eq!(
            parse_labelled_integer("35"),
            None,
            "the brackets are not optional"
        );
        assert_eq!(parse_labelled_integer("a(99999999999)"), None);
        assert_eq!(
            labelled_integer_2(1, "unable-to-transfer"),
            "1(unable-to-transfer)"
        );
        assert_eq!(parse_labelled_integer_2("1 (Unable-To-Transfer)"), Some(1));
        assert_eq!(parse_labelled_integer_2("1"), Some(1));
        assert_eq!(parse_labelled_integer_2("(one)"), None);
    }

    #[test]
    fn s3_3_7_the_numbers_of_an_object_identifier_are_mandatory() {
        let arcs = [2, 6, 1, 11, 0];
        for text in [
            "joint-iso-ccitt(2) mhs (6) ipms (1) ep (11) ia5-text (0)",
            "(2) (6) (1)(11)(0)",
            "2.6.1.11.0",
        ] {
            assert_eq!(
                parse_object_identifier(text).as_deref(),
                Some(&arcs[..]),
                "{text}"
            );
        }
        let labels = ["joint-iso-ccitt", "mhs", "ipms", "", "ia5-text"];
        assert_eq!(
            object_identifier(labels.into_iter().zip(arcs)),
            "joint-iso-ccitt(2) mhs(6) ipms(1) (11) ia5-text(0)"
        );
        for wrong in [
            "",
            "mhs",
            "joint-iso-ccitt mhs (6)",
            "3.1",
            "1.40",
            "2",
            "2.6.",
            "(2) (6) x",
        ] {
            assert_eq!(parse_object_identifier(wrong), None, "{wrong}");
        }
        assert_eq!(dotted(&arcs), "2.6.1.11.0");
    }
}
