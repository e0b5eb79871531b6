//! T.61 strings: for people, as Unicode; in addresses, as ASCII with the other octets in braces.
//!
//! RFC 2156 section 3.3.4. Text for people is T.61 as RFC 2157 appendix C describes it; what T.61
//! cannot say is approximated, and the caller is told so.

use super::iso2022::{self, Encoder, Start};
use super::printable::{is_printable, is_ps_char};

/// The sets on the right that TeletexString may use, in order of preference: T.61 itself, Cyrillic,
/// Greek.
const RIGHT: &[u16] = &[103, 144, 126];
/// The same with Japanese, for text that holds kana: its punctuation would serve any text, but few
/// systems outside Japan read it.
const RIGHT_JAPANESE: &[u16] = &[103, 144, 126, 87];

/// Text for people as T.61 octets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Human {
    /// The octets, no more than the bound.
    pub octets: Vec<u8>,
    /// Whether the text comes back from them as it was: nothing approximated, nothing cut off.
    pub exact: bool,
}

/// Text for people as T.61, cut to `bound` octets between characters.
///
/// Control characters become blanks.
#[must_use]
pub fn from_human(text: &str, bound: usize) -> Human {
    let japanese = text.chars().any(|c| ('\u{3041}'..='\u{30FE}').contains(&c));
    let mut encoder = Encoder::new(if japanese { RIGHT_JAPANESE } else { RIGHT }, false);
    let mut exact = true;
    let mut fitting = 0;
    for character in text.chars() {
        let plain = if character.is_control() {
            ' '
        } else {
            character
        };
        exact &= plain == character;
        if encoder.push(plain).is_none() {
            exact = false;
            let instead = deunicode::deunicode_char(plain).unwrap_or("?");
            for ascii in instead.chars().filter(|c| !c.is_control()) {
                // ASCII can always be written.
                let _ = encoder.push(ascii);
            }
        }
        if encoder.len() > bound {
            exact = false;
            break;
        }
        fitting = encoder.len();
    }
    let mut octets = encoder.into_octets();
    octets.truncate(fitting);
    Human { octets, exact }
}

/// T.61 octets as text for people.
#[must_use]
pub fn to_human(octets: &[u8]) -> String {
    iso2022::decode(octets, Start::Teletex).text
}

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

    #[test]
    fn s3_3_4_text_for_people_comes_back_or_is_said_not_to() {
        let human = from_human("Grüße, Жук", 128);
        assert!(human.exact);
        assert_eq!(to_human(&human.octets), "Grüße, Жук");
        let human = from_human("你好 “x”", 128);
        assert_eq!(
            (to_human(&human.octets).as_str(), human.exact),
            ("Ni Hao  \"x\"", false)
        );
        assert_eq!(
            to_human(&from_human("日本のメール", 128).octets),
            "日本のメール"
        );
        let human = from_human("abcé", 7);
        assert_eq!(
            (human.octets.as_slice(), human.exact),
            (&b"abc"[..], false),
            "é needs five octets"
        );
        assert_eq!(from_human("a\r\nb", 9).octets, b"a  b");
    }

    proptest! {
        #[test]
        fn s3_3_4_exact_means_exact(text in "\\PC{0,40}", bound in 0_usize..80) {
            let human = from_human(&text, bound);
            prop_assert!(human.octets.len() <= bound);
            if human.exact {
                prop_assert_eq!(to_human(&human.octets), text);
            }
        }

        #[test]
        fn s3_3_4_octets_come_back(octets in proptest::collection::vec(any::<u8>(), 0..60)) {
            prop_assert_eq!(from_text(&to_text(&octets)), Some(octets));
        }
    }
}
