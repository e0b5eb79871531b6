//! T.61 strings as ASCII text: octets beyond PrintableString in braces, `printable*teletex`.
//!
//! RFC 2156 section 3.3.4, the part that addresses use.

use super::printable::{is_printable, is_ps_char};

/// T.61 octets as `teletex-string`: `a{165}b`; one pair of braces holds a run of octets.
#[must_use]
pub fn to_text(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len());
    let mut in_braces = false;
    for &octet in octets {
        let plain = is_ps_char(char::from(octet));
        if plain == in_braces {
            text.push(if plain { '}' } else { '{' });
            in_braces = !plain;
        }
        if plain {
            text.push(char::from(octet));
        } else {
            text.push_str(&format!("{octet:03}"));
        }
    }
    if in_braces {
        text.push('}');
    }
    text
}

/// The T.61 octets a `teletex-string` stands for; `None` if it is not one.
#[must_use]
pub fn from_text(text: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text;
    loop {
        let (plain, from_brace) = rest.split_once('{').unwrap_or((rest, ""));
        is_printable(plain).then(|| octets.extend_from_slice(plain.as_bytes()))?;
        if plain.len() == rest.len() {
            return Some(octets);
        }
        let (codes, after) = from_brace.split_once('}')?;
        (!codes.is_empty() && codes.len() % 3 == 0).then_some(())?;
        for code in codes.as_bytes().chunks(3) {
            let digits = std::str::from_utf8(code).ok()?;
            digits
                .bytes()
                .all(|octet| octet.is_ascii_digit())
                .then_some(())?;
            octets.push(digits.parse().ok()?);
        }
        rest = after;
    }
}

/// `teletex-and-or-ps`: a value that may have a printable form, a teletex form or both.
///
/// The teletex form is left out when it says no more than the printable one, and stands as the
/// printable one when it is PrintableString and there is no other.
#[must_use]
pub fn and_or_printable(printable: Option<&str>, teletex: Option<&[u8]>) -> String {
    let teletex = teletex.map(to_text);
    match (printable, teletex) {
        (Some(printable), Some(teletex)) if printable != teletex => {
            format!("{printable}*{teletex}")
        }
        (None, Some(teletex)) if teletex.contains('{') || teletex.is_empty() => {
            format!("*{teletex}")
        }
        (None, Some(teletex)) => teletex,
        (printable, _) => printable.unwrap_or_default().to_owned(),
    }
}

/// The printable and teletex forms of a `teletex-and-or-ps`; `None` if it is not one.
#[must_use]
pub fn parse_and_or_printable(text: &str) -> Option<(Option<String>, Option<Vec<u8>>)> {
    let (printable, teletex) = match text.split_once('*') {
        Some((printable, teletex)) => (printable, Some(from_text(teletex)?)),
        None => (text, None),
    };
    is_printable(printable).then_some(())?;
    let stands = teletex.is_none() || !printable.is_empty();
    Some((stands.then(|| printable.to_owned()), teletex))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn s3_3_4_the_yen_example() {
        assert_eq!(to_text(b"a\xA5b"), "a{165}b");
        assert_eq!(from_text("a{165}b").as_deref(), Some(&b"a\xA5b"[..]));
        assert_eq!(
            from_text("{165165}").as_deref(),
            Some(&b"\xA5\xA5"[..]),
            "a run in one pair"
        );
        let both = parse_and_or_printable("yen*{165}");
        assert_eq!(both, Some((Some("yen".to_owned()), Some(vec![0xA5]))));
        assert_eq!(and_or_printable(Some("yen"), Some(b"\xA5")), "yen*{165}");
    }

    #[test]
    fn s3_3_4_a_teletex_form_that_adds_nothing_is_left_out() {
        assert_eq!(and_or_printable(Some("abc"), Some(b"abc")), "abc");
        assert_eq!(and_or_printable(None, Some(b"abc")), "abc");
        assert_eq!(and_or_printable(None, Some(b"\xC8u")), "*{200}u");
        assert_eq!(and_or_printable(Some("abc"), None), "abc");
        assert_eq!(
            parse_and_or_printable("*{200}u"),
            Some((None, Some(vec![0xC8, b'u'])))
        );
    }

    #[test]
    fn s3_3_4_what_is_no_teletex_string_is_refused() {
        for wrong in [
            "{", "}", "{}", "{12}", "{256}", "{1651}", "{+12}", "a_b", "é",
        ] {
            assert_eq!(from_text(wrong), None, "{wrong}");
        }
        assert_eq!(parse_and_or_printable("a@b"), None);
    }

    proptest! {
        #[test]
        fn s3_3_4_octets_come_back(octets in proptest::collection::vec(any::<u8>(), 0..60)) {
            prop_assert_eq!(from_text(&to_text(&octets)), Some(octets));
        }
    }
}
