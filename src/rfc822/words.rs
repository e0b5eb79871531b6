//! Encoded words: characters beyond US-ASCII in header fields (RFC 2047, RFC 2231 section 5).

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use mail_parser::parsers::MessageStream;

use super::charset;

/// The longest encoded word (RFC 2047 section 2).
const MAX_WORD: usize = 75;
/// The longest that is read; senders exceed the 75.
const LONGEST_READ: usize = 2048;

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The parts of one encoded word.
struct Word<'a> {
    charset: &'a str,
    octets: Vec<u8>,
    length: usize,
}

/// Encoded words of one character set that follow each other.
struct Run<'a> {
    charset: &'a str,
    words: Vec<Vec<u8>>,
    from: usize,
}

impl Run<'_> {
    /// What the words say; `source` if their character set is not known.
    ///
    /// Each begins anew (RFC 2047 section 3 says so of ISO-2022-JP), but many senders split a character
    /// between two: what is not whole by itself is decoded with its neighbours.
    fn text(&self, source: &str) -> String {
        let alone = self.words.iter();
        let alone = alone.map(|octets| charset::decode(self.charset, octets));
        match alone.collect::<Option<Vec<_>>>() {
            Some(all) if all.iter().all(|word| word.lossless) => {
                all.into_iter().map(|word| word.text).collect()
            }
            Some(_) => charset::decode(self.charset, &self.words.concat())
                .map_or_else(String::new, |together| together.text),
            None => source.to_owned(),
        }
    }
}

/// Whether `text` is exactly one or more encoded words.
#[must_use]
pub fn is_encoded_word(text: &str) -> bool {
    text.split_ascii_whitespace()
        .all(|word| leading_word(word).is_some_and(|found| found.length == word.len()))
        && !text.trim().is_empty()
}

/// `text` with its encoded words decoded; those of an unknown character set stand as they are, and
/// so does what is malformed. Blanks between two encoded words vanish (RFC 2047 section 6.2).
#[must_use]
pub fn decode(text: &str) -> String {
    let slice = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    let mut decoded = String::with_capacity(text.len());
    let mut run: Option<Run<'_>> = None;
    // Where the last word ended, and from where the next is looked for.
    let (mut end, mut look) = (0, 0);
    while let Some(found) = slice(look, text.len()).find("=?") {
        let start = look + found;
        let Some(word) = leading_word(slice(start, text.len())) else {
            look = start + 2;
            continue;
        };
        let between = slice(end, start);
        let blank = between.trim_ascii().is_empty();
        match &mut run {
            Some(run) if blank && run.charset.eq_ignore_ascii_case(word.charset) => {
                run.words.push(word.octets);
            }
            _ => {
                let after_word = run.take();
                if let Some(run) = &after_word {
                    decoded.push_str(&run.text(slice(run.from, end)));
                }
                if !(blank && after_word.is_some()) {
                    decoded.push_str(between);
                }
                run = Some(Run {
                    charset: word.charset,
                    words: vec![word.octets],
                    from: start,
                });
            }
        }
        end = start + word.length;
        look = end;
    }
    if let Some(run) = run {
        decoded.push_str(&run.text(slice(run.from, end)));
    }
    decoded.push_str(slice(end, text.len()));
    decoded
}

/// The encoded word `text` begins with.
fn leading_word(text: &str) -> Option<Word<'_>> {
    let text = text.get(..text.floor_char_boundary(LONGEST_READ))?;
    let inside = text.strip_prefix("=?")?;
    let (charset, after) = inside.split_once('?')?;
    let (encoding, encoded_on) = after.split_once('?')?;
    // "?=" may not stand in the encoded text, but "?" may in sloppy Q encoding.
    let (encoded, after) = encoded_on.split_once("?=")?;
    let token = |text: &str| !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_graphic());
    if !token(charset) || encoded.contains(['\r', '\n']) {
        return None;
    }
    let octets = match encoding {
        // What an incomplete quote at the end means nobody knows.
        "Q" | "q" if encoded.bytes().rev().take(2).any(|octet| octet == b'=') => return None,
        "Q" | "q" => MessageStream::new(&octets_of(encoded_on, encoded, charset))
            .decode_quoted_printable_word()?,
        "B" | "b" => {
            let characters: Vec<u8> = encoded
                .bytes()
                .filter(|octet| !octet.is_ascii_whitespace() && *octet != b'=')
                .collect();
            LENIENT.decode(characters).ok()?
        }
        _ => return None,
    };
    // A language may follow the character set (RFC 2231 section 5).
    let charset = charset
        .split_once('*')
        .map_or(charset, |(charset, _)| charset);
    Some(Word {
        charset,
        octets,
        length: text.len() - after.len(),
    })
}

/// The octets of a word and what follows it. Beyond US-ASCII there should be none in the word; but for
/// UTF-8 they were read one by one, as ISO 8859-1.
fn octets_of<'a>(from_word: &'a str, word: &str, charset: &str) -> Cow<'a, [u8]> {
    let octet = |c: char| u8::try_from(u32::from(c)).ok();
    let as_read = word.is_ascii() || charset.eq_ignore_ascii_case("utf-8");
    let octets: Option<Vec<u8>> = match as_read {
        true => None,
        false => word.chars().chain("?=".chars()).map(octet).collect(),
    };
    octets.map_or(Cow::Borrowed(from_word.as_bytes()), Cow::Owned)
}

/// Whether `text` cannot stand in a header field as it is: it holds control characters, characters
/// beyond US-ASCII, or what would be read as an encoded word.
#[must_use]
pub fn needs_encoding(text: &str) -> bool {
    text.contains("=?") || text.chars().any(|c| !c.is_ascii() || c.is_ascii_control())
}

/// `text` as encoded words of at most 75 characters, set apart by blanks, fit for a phrase, a
/// comment and unstructured text alike; ISO 8859-1 if that holds it (RFC 2156 section 3.3.4), else
/// UTF-8. Control characters become blanks.
#[must_use]
pub fn encode_phrase(text: &str) -> String {
    let characters = || text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let latin = characters().all(|c| u32::from(c) < 256);
    let charset = if latin { "ISO-8859-1" } else { "UTF-8" };
    let octets_of = |c: char| -> Vec<u8> {
        match u8::try_from(u32::from(c)) {
            Ok(octet) if latin => vec![octet],
            _ => c.to_string().into_bytes(),
        }
    };
    let (mut plain, mut special) = (0, 0);
    for octet in characters().flat_map(octets_of) {
        if is_plain_in_q(octet) {
            plain += 1
        } else {
            special += 1
        }
    }
    let q = special * 2 <= plain;
    let room = MAX_WORD - "=??Q??=".len() - charset.len();
    let mut written: Vec<String> = Vec::new();
    let (mut word, mut octets, mut used) = (String::new(), Vec::new(), 0);
    let mut close = |word: &mut String, octets: &mut Vec<u8>| {
        if q {
            written.push(format!("=?{charset}?Q?{word}?="));
        } else {
            written.push(format!("=?{charset}?B?{}?=", STANDARD.encode(&*octets)));
        }
        word.clear();
        octets.clear();
    };
    for c in characters() {
        let of_character = octets_of(c);
        let encoded: String = of_character.iter().map(|&octet| q_of(octet)).collect();
        let needed = if q {
            encoded.len()
        } else {
            (octets.len() + of_character.len()).div_ceil(3) * 4
        };
        let full = if q {
            used + needed > room
        } else {
            needed > room
        };
        if full {
            close(&mut word, &mut octets);
            used = 0;
        }
        used += encoded.len();
        word.push_str(&encoded);
        octets.extend(of_character);
    }
    if used > 0 {
        close(&mut word, &mut octets);
    }
    written.join(" ")
}

/// Whether an octet stands for itself in the Q encoding, even in a phrase (RFC 2047 section 5 (3)).
fn is_plain_in_q(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"!*+-/ ".contains(&octet)
}

fn q_of(octet: u8) -> String {
    match octet {
        b' ' => "_".to_owned(),
        _ if is_plain_in_q(octet) => char::from(octet).to_string(),
        _ => format!("={octet:02X}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rfc2047_8_examples() {
        for (text, decoded) in [
            ("=?ISO-8859-1?Q?a?=", "a"),
            ("=?ISO-8859-1?Q?a?= b", "a b"),
            ("=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"),
            ("=?ISO-8859-1?Q?a?=   =?ISO-8859-1?Q?b?=", "ab"),
            ("=?ISO-8859-1?Q?a_b?=", "a b"),
            ("=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=", "a b"),
            (
                "=?US-ASCII?Q?Keith_Moore?= <moore@cs.utk.edu>",
                "Keith Moore <moore@cs.utk.edu>",
            ),
            (
                "=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=\t=?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=",
                "If you can read this you understand the example.",
            ),
        ] {
            assert_eq!(decode(text), decoded);
        }
    }

    #[test]
    fn rfc2231_5_a_language_may_follow_the_character_set() {
        assert_eq!(decode("=?US-ASCII*EN?Q?Keith_Moore?="), "Keith Moore");
    }

    #[test]
    fn a_character_split_between_words_is_whole_again() {
        assert_eq!(decode("=?utf-8?Q?=C3?= =?utf-8?Q?=A9?="), "é");
    }

    #[test]
    fn rfc2047_3_each_word_begins_in_ascii() {
        let words = "=?iso-2022-jp?B?GyRCJUYlOSVIGyhC?=\r\n =?ISO-2022-JP?B?GyRCJUYlOSVIGyhC?=";
        assert_eq!(decode(words), "テストテスト");
    }

    #[test]
    fn hostile_text_costs_little() {
        let text = "=?x?Q?".repeat(100_000);
        assert_eq!(decode(&text), text);
    }

    #[test]
    fn octets_beyond_ascii_in_a_word_are_of_its_character_set() {
        assert_eq!(decode("=?iso-8859-1?Q?Fr\u{f6}sche?="), "Fr\u{f6}sche");
        assert_eq!(decode("=?koi8-r?Q?\u{ed}?="), "\u{41c}");
        assert_eq!(decode("=?utf-8?Q?Fr\u{f6}sche?="), "Fr\u{f6}sche");
    }

    #[test]
    fn what_is_no_word_stands() {
        for text in [
            "=?",
            "a =?x?Q?b",
            "=?t.61?Q?a?=",
            "=?utf-8?X?a?=",
            "=?utf-8?Q?100=?=",
            "=?utf-8?Q?100=4?=",
            "=?utf-8?Q?1=x1?=",
            "1 =? 2 ?= 3",
            " a  b ",
        ] {
            assert_eq!(decode(text), text);
        }
    }

    #[test]
    fn control_characters_are_not_encoded() {
        assert_eq!(encode_phrase("a\r\nBcc: b"), "=?ISO-8859-1?Q?a__Bcc=3A_b?=");
    }

    proptest! {
        #[test]
        fn words_return_and_are_short(text in "[^\\p{C}]{1,200}") {
            let encoded = encode_phrase(&text);
            prop_assert!(encoded.is_ascii());
            prop_assert!(encoded.split(' ').all(|word| word.len() <= MAX_WORD && is_encoded_word(word)), "{}", encoded);
            prop_assert_eq!(decode(&encoded), text);
        }

        #[test]
        fn any_text_decodes(text in "[=?Qqb \\PC]{0,60}") {
            let _ = decode(&text);
        }
    }
}
