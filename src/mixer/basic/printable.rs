//! PrintableString, and ASCII carried in it by bracketed escapes.
//!
//! RFC 2156 sections 3.3.2, 3.3.3 and 3.4.

/// Whether `character` belongs to `ps-char`, the repertoire of PrintableString (section 3.3.3).
#[must_use]
pub fn is_ps_char(character: char) -> bool {
    is_ps_restricted_char(character) || matches!(character, '(' | ')')
}

/// Whether `character` belongs to `ps-restricted-char`: no brackets.
fn is_ps_restricted_char(character: char) -> bool {
    character.is_ascii_alphanumeric()
        || matches!(
            character,
            ' ' | '\'' | '+' | ',' | '-' | '.' | '/' | ':' | '=' | '?'
        )
}

/// Whether all of `text` is PrintableString.
#[must_use]
pub fn is_printable(text: &str) -> bool {
    text.chars().all(is_ps_char)
}

/// Whether all of `text` is NumericString (section 3.3.2).
#[must_use]
pub fn is_numeric(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_digit() || c == ' ')
}

/// ASCII as `ps-encoded` (section 3.4); `None` if there is a character beyond ASCII.
///
/// ```
/// # use mixgate::mixer::basic::printable::{encode, decode};
/// assert_eq!(encode("foo@bar").as_deref(), Some("foo(a)bar"));
/// assert_eq!(decode("foo(A)bar").as_deref(), Some("foo@bar"));
/// ```
#[must_use]
pub fn encode(ascii: &str) -> Option<String> {
    let mut encoded = String::with_capacity(ascii.len());
    for character in ascii.chars() {
        match character {
            '@' => encoded.push_str("(a)"),
            '%' => encoded.push_str("(p)"),
            '!' => encoded.push_str("(b)"),
            '"' => encoded.push_str("(q)"),
            '_' => encoded.push_str("(u)"),
            '(' => encoded.push_str("(l)"),
            ')' => encoded.push_str("(r)"),
            plain if is_ps_restricted_char(plain) => encoded.push(plain),
            other if other.is_ascii() => {
                encoded.push_str(&format!("({:03})", u32::from(other)));
            }
            _ => return None,
        }
    }
    Some(encoded)
}

/// What a `ps-encoded` stands for; `None` if it is not one: the caller then either refuses it or
/// lets the string through as it is (section 3.4).
#[must_use]
pub fn decode(printable: &str) -> Option<String> {
    let mut ascii = String::with_capacity(printable.len());
    let mut rest = printable;
    while let Some((plain, from_bracket)) = rest.split_once('(') {
        push_plain(plain, &mut ascii)?;
        let (code, after) = from_bracket.split_once(')')?;
        ascii.push(match code {
            "a" | "A" => '@',
            "p" | "P" => '%',
            "b" | "B" => '!',
            "q" | "Q" => '"',
            "u" | "U" => '_',
            "l" | "L" => '(',
            "r" | "R" => ')',
            digits if digits.len() == 3 && digits.bytes().all(|octet| octet.is_ascii_digit()) => {
                let value: u8 = digits.parse().ok()?;
                value.is_ascii().then_some(char::from(value))?
            }
            _ => return None,
        });
        rest = after;
    }
    push_plain(rest, &mut ascii)?;
    Some(ascii)
}

/// Adds a stretch without escapes, if all of it is `ps-restricted-char`.
fn push_plain(plain: &str, ascii: &mut String) -> Option<()> {
    plain
        .chars()
        .all(is_ps_restricted_char)
        .then(|| ascii.push_str(plain))
}

/// Any text made readable in PrintableString: escapes are not used, letters lose their accents,
/// what is left over becomes a blank or a question mark.
///
/// For text that only people read (content-identifier, supplementary information); not reversible.
#[must_use]
pub fn approximate(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for character in text.chars() {
        if is_ps_char(character) {
            printable.push(character);
            continue;
        }
        match character {
            '"' | '`' | '\u{2018}' | '\u{2019}' => printable.push('\''),
            '[' | '{' | '<' => printable.push('('),
            ']' | '}' | '>' => printable.push(')'),
            ';' => printable.push(','),
            '_' | '~' | '\u{2013}' | '\u{2014}' => printable.push('-'),
            '!' => printable.push('.'),
            '@' => printable.push_str("(a)"),
            c if c.is_ascii() => printable.push(' '),
            c => match deunicode::deunicode_char(c) {
                Some(ascii) => {
                    printable.extend(ascii.chars().map(|c| if is_ps_char(c) { c } else { ' ' }))
                }
                None => printable.push('?'),
            },
        }
    }
    printable
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn s3_4_the_examples() {
        for (printable, ascii) in [
            ("a demo.", "a demo."),
            ("foo(a)bar", "foo@bar"),
            ("(q)(u)(p)(q)", "\"_%\""),
            ("(a)", "@"),
            ("(l)a(r)", "(a)"),
            ("(126)", "~"),
            ("(l)", "("),
        ] {
            assert_eq!(encode(ascii).as_deref(), Some(printable));
            assert_eq!(decode(printable).as_deref(), Some(ascii));
        }
        assert_eq!(decode("(A)").as_deref(), Some("@"), "read in any case");
    }

    #[test]
    fn s3_4_what_is_not_an_encoding_is_an_error() {
        for wrong in [
            "(", ")", "(x)", "(12)", "(128)", "(1 2)", "(+12)", "a_b", "()", "a(a",
        ] {
            assert_eq!(decode(wrong), None, "{wrong}");
        }
        assert_eq!(encode("é"), None, "only ASCII can be carried");
        assert_eq!(encode("\u{0}\r\n").as_deref(), Some("(000)(013)(010)"));
    }

    #[test]
    fn s3_3_3_the_repertoire() {
        assert!(is_printable("Az09 '()+,-./:=?"));
        assert!(!is_printable("a@b") && !is_printable("a_b") && !is_printable("é"));
        assert!(is_numeric("012 3") && !is_numeric("12a"));
        assert_eq!(approximate("Grüße [1] – \u{4f60}\t!"), "Grusse (1) - Ni  .");
    }

    proptest! {
        #[test]
        fn s3_4_all_of_ascii_comes_back(text in "[\\x00-\\x7f]{0,60}") {
            let printable = encode(&text).expect("ASCII");
            prop_assert!(is_printable(&printable));
            prop_assert_eq!(decode(&printable), Some(text));
        }

        #[test]
        fn approximation_is_printable(text in "\\PC{0,40}") {
            prop_assert!(is_printable(&approximate(&text)));
        }
    }
}
