//! Character sets of mail text (IANA names), decoded to Unicode and never guessed silently.
//!
//! encoding_rs follows browsers, not mail: its `us-ascii`, `iso-8859-1` and `iso-8859-9` are code
//! pages of Windows, and UTF-7 is missing. mail-parser has more tables, the same two of Windows, a
//! UTF-7 that loses characters, and does not say what it could not decode. Here ISO 8859 is what the
//! standard says and UTF-7 (RFC 2152) is read.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use mail_parser::decoders::charsets::map::charset_decoder;

/// Decodes the base64 of UTF-7: unpadded, left-over bits ignored.
const UTF_7: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Text decoded from a character set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The text; U+FFFD stands for what could not be decoded.
    pub text: String,
    /// Whether every octet was legal in the character set.
    pub lossless: bool,
}

/// Decodes `octets` of the character set of that IANA name or alias; `None` if it is not known.
#[must_use]
pub fn decode(charset: &str, octets: &[u8]) -> Option<Decoded> {
    let name = charset.trim().trim_matches('"').to_ascii_lowercase();
    match name.as_str() {
        "us-ascii" | "ascii" | "ansi_x3.4-1968" | "ansi_x3.4-1986" | "iso646-us"
        | "iso_646.irv:1991" | "iso-ir-6" | "us" | "cp367" | "ibm367" => {
            let text = octets.iter().map(|&octet| {
                if octet.is_ascii() {
                    char::from(octet)
                } else {
                    '\u{FFFD}'
                }
            });
            Some(Decoded {
                text: text.collect(),
                lossless: octets.is_ascii(),
            })
        }
        "iso-8859-1" | "iso_8859-1" | "iso_8859-1:1987" | "iso8859-1" | "iso88591" | "latin1"
        | "l1" | "iso-ir-100" | "cp819" | "ibm819" => Some(Decoded {
            text: octets.iter().copied().map(char::from).collect(),
            lossless: true,
        }),
        "utf-7" | "utf7" | "unicode-1-1-utf-7" | "csutf7" => Some(utf_7(octets)),
        _ => match encoding_rs::Encoding::for_label(name.as_bytes()) {
            Some(encoding) if encoding == encoding_rs::REPLACEMENT => None,
            // A browser's ISO 8859-9 is windows-1254.
            Some(encoding) if encoding.name() != "windows-1254" || name.contains("125") => {
                let (text, malformed) = encoding.decode_without_bom_handling(octets);
                let text = match encoding.name() {
                    "UTF-16LE" | "UTF-16BE" | "UTF-8" => {
                        text.strip_prefix('\u{FEFF}').unwrap_or(&text).to_owned()
                    }
                    _ => text.into_owned(),
                };
                Some(Decoded {
                    text,
                    lossless: !malformed,
                })
            }
            _ => by_mail_parser(&name, octets),
        },
    }
}

/// The tables of mail-parser, for what browsers lack: ISO 8859-9, IBM 850 and more names.
fn by_mail_parser(name: &str, octets: &[u8]) -> Option<Decoded> {
    let text = charset_decoder(name.as_bytes())?(octets);
    // What it knows by name only becomes this.
    (text != "\u{FFFD}").then(|| Decoded {
        lossless: !text.contains('\u{FFFD}'),
        text,
    })
}

/// Octets of a header field as characters: UTF-8 (RFC 6532), else ISO 8859-1.
#[must_use]
pub fn of_header(octets: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(octets) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(octets.iter().copied().map(char::from).collect()),
    }
}

/// UTF-7 (RFC 2152).
fn utf_7(octets: &[u8]) -> Decoded {
    let mut decoded = Decoded {
        text: String::new(),
        lossless: octets.is_ascii(),
    };
    let mut rest = octets;
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'+' {
            decoded.text.push(if first.is_ascii() {
                char::from(*first)
            } else {
                '\u{FFFD}'
            });
            continue;
        }
        if let Some(after) = rest.strip_prefix(b"-") {
            decoded.text.push('+');
            rest = after;
            continue;
        }
        let in_base64 =
            |octet: &u8| octet.is_ascii_alphanumeric() || *octet == b'+' || *octet == b'/';
        let length = rest
            .iter()
            .position(|octet| !in_base64(octet))
            .unwrap_or(rest.len());
        let (shifted, after) = rest.split_at(length);
        rest = after.strip_prefix(b"-").unwrap_or(after);
        let units = UTF_7.decode(shifted).unwrap_or_default();
        let units: Vec<u16> = units
            .as_chunks()
            .0
            .iter()
            .map(|unit| u16::from_be_bytes(*unit))
            .collect();
        decoded.lossless &= !units.is_empty();
        for unit in char::decode_utf16(units) {
            decoded.lossless &= unit.is_ok();
            decoded.text.push(unit.unwrap_or('\u{FFFD}'));
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(charset: &str, octets: &[u8]) -> (String, bool) {
        let decoded = decode(charset, octets).expect(charset);
        (decoded.text, decoded.lossless)
    }

    #[test]
    fn iso_8859_1_is_iso_8859_1() {
        assert_eq!(text("ISO-8859-1", b"\x80\xE9"), ("\u{80}é".into(), true));
        assert_eq!(text("windows-1252", b"\x80\xE9"), ("€é".into(), true));
        assert_eq!(text("iso-8859-9", b"\x80\xFD"), ("\u{80}ı".into(), true));
    }

    #[test]
    fn us_ascii_is_seven_bits() {
        assert_eq!(text("us-ascii", b"a\xE9"), ("a\u{FFFD}".into(), false));
    }

    #[test]
    fn unknown_sets_are_said_to_be_unknown() {
        for charset in ["t.61", "x-unknown", "", "iso-2022-kr", "iso_2022_kr"] {
            assert_eq!(decode(charset, b"a"), None, "{charset}");
        }
    }

    #[test]
    fn rfc2152_examples() {
        assert_eq!(
            text("utf-7", b"A+ImIDkQ."),
            ("A\u{2262}\u{391}.".into(), true)
        );
        assert_eq!(
            text("utf-7", b"Hi Mom -+Jjo--!"),
            ("Hi Mom -\u{263A}-!".into(), true)
        );
        assert_eq!(text("utf-7", b"+ZeVnLIqe-"), ("日本語".into(), true));
        assert_eq!(
            text("utf-7", b"Item 3 is +AKM-1."),
            ("Item 3 is £1.".into(), true)
        );
        assert_eq!(text("utf-7", b"1 +- 1 +"), ("1 + 1 ".into(), false));
    }

    #[test]
    fn others_come_from_their_tables() {
        assert_eq!(text("iso-2022-jp", b"\x1b$B$\"\x1b(B"), ("あ".into(), true));
        assert_eq!(text("koi8-r", b"\xC1"), ("а".into(), true));
        assert_eq!(text("IBM850", b"\x9B\x82"), ("øé".into(), true));
        assert_eq!(text("windows-1254", b"\x80\xFD"), ("€ı".into(), true));
        assert_eq!(text("utf-8", b"\xFF"), ("\u{FFFD}".into(), false));
    }
}
