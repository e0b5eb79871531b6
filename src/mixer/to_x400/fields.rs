//! Fields without a home: the RFC822Fields that carry them through X.400.
//!
//! RFC 2156 section 5.1.2: name, colon, value; unfolded; IA5 only, so that octets above 127 become
//! encoded words first.

use crate::rfc822::{Field, words};

/// The longest field that is carried; what is longer is cut between words, and noted.
const LONGEST: usize = 1 << 20;

/// A field as an RFC822Field, and whether all of it is there.
#[must_use]
pub fn rfc822_field(field: &Field) -> (String, bool) {
    rfc822_field_of(&field.name, &field.text())
}

/// The same of a name and an unfolded value.
#[must_use]
pub fn rfc822_field_of(name: &str, value: &str) -> (String, bool) {
    let value = ascii(value);
    let complete = value.len() <= LONGEST;
    let kept = if complete {
        value.as_str()
    } else {
        let cut = value.get(..LONGEST).unwrap_or_default();
        cut.rsplit_once(' ').map_or(cut, |(before, _)| before)
    };
    let mut text = format!("{name}: {kept}");
    if kept.is_empty() {
        text.truncate(text.trim_end().len());
    }
    (text, complete)
}

/// Runs of words beyond ASCII, or with control characters, as encoded words.
fn ascii(value: &str) -> String {
    let strange = |word: &str| {
        word.chars()
            .any(|c| !c.is_ascii() || (c.is_ascii_control() && c != '\t'))
    };
    if !strange(value) {
        return value.to_owned();
    }
    let mut written: Vec<String> = Vec::new();
    let mut run: Vec<&str> = Vec::new();
    let close = |run: &mut Vec<&str>, written: &mut Vec<String>| {
        if !run.is_empty() {
            written.push(words::encode_phrase(&run.join(" ")));
            run.clear();
        }
    };
    for word in value.split(' ') {
        if strange(word) {
            run.push(word);
        } else {
            close(&mut run, &mut written);
            written.push(word.to_owned());
        }
    }
    close(&mut run, &mut written);
    written.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rfc822::Header;
    use bytes::Bytes;
    use proptest::prelude::*;

    fn carried(line: &'static str) -> String {
        let (header, _) = Header::split(&Bytes::from(line)).expect("a header");
        rfc822_field(&header.fields[0]).0
    }

    #[test]
    fn s5_1_2_unfolded_and_without_a_blank_before_the_colon() {
        assert_eq!(
            carried("Fruit-Of-The-Day : Kiwi Fruit\r\n"),
            "Fruit-Of-The-Day: Kiwi Fruit"
        );
        assert_eq!(
            carried("X-Folded: one\r\n\ttwo\r\n three\r\n"),
            "X-Folded: one\ttwo three"
        );
        assert_eq!(carried("X-Empty:\r\n"), "X-Empty:");
    }

    #[test]
    fn s5_1_2_eight_bits_become_encoded_words() {
        assert_eq!(
            carried("X-Name: J\u{fc}rgen <j@example.org>\r\n"),
            "X-Name: =?ISO-8859-1?Q?J=FCrgen?= <j@example.org>"
        );
        assert_eq!(words::decode(&carried("X-Y: é à b\r\n")), "X-Y: é à b");
    }

    #[test]
    fn a_field_is_cut_between_words() {
        let (text, complete) = rfc822_field_of("X", &"word ".repeat(300_000));
        assert!(!complete && text.len() <= LONGEST + 3 && text.ends_with("word"));
    }

    proptest! {
        #[test]
        fn a_field_is_one_line_of_ascii(name in "[!-9;-~]{1,20}", value in "\\PC{0,200}") {
            let (text, _) = rfc822_field_of(&name, &value);
            prop_assert!(text.bytes().all(|octet| octet.is_ascii() && octet >= b' ' || octet == b'\t'));
        }
    }
}
