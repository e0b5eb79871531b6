//! Graphic character sets by ISO registration number, with the octets that designate them.
//!
//! ISO International Register of Coded Character Sets; the sets that RFC 2157 section 6.2 and
//! X.680 (TeletexString, GeneralString) name, and national variants seen in old mail.

use encoding_rs::Encoding;

/// How many characters a set has and how many octets each takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// 94 characters of one octet: 2/1 to 7/14.
    C94,
    /// 96 characters of one octet: 2/0 to 7/15.
    C96,
    /// 94 by 94 characters of two octets.
    C94x94,
}

/// Where the characters of a set come from.
#[derive(Debug, Clone, Copy)]
enum Characters {
    /// ASCII but for the twelve places that ISO 646 leaves to nations.
    Iso646(&'static str),
    /// The upper half of ISO 8859-1.
    Latin1,
    /// The upper half of an eight-bit code, or the two-octet characters of an EUC.
    Of(&'static Encoding),
    /// The supplementary set of T.61 and ISO 6937: non-spacing accents before their letters.
    Accents,
}

/// A registered graphic character set.
#[derive(Debug)]
pub struct Set {
    /// ISO registration number.
    pub number: u16,
    /// Size.
    pub class: Class,
    /// The last octet of the sequences that designate it.
    pub last: u8,
    characters: Characters,
}

/// The places where national variants of ISO 646 differ.
const NATIONAL: &[u8; 12] = b"#$@[\\]^`{|}~";

const fn set(number: u16, class: Class, last: u8, characters: Characters) -> Set {
    Set {
        number,
        class,
        last,
        characters,
    }
}

/// Every set this gateway knows.
pub const SETS: &[Set] = &[
    set(6, Class::C94, b'B', Characters::Iso646("#$@[\\]^`{|}~")),
    set(2, Class::C94, b'@', Characters::Iso646("#$@[\\]^`{|}~")),
    set(102, Class::C94, b'u', Characters::Iso646("#$@[\\]^`{|}~")),
    set(4, Class::C94, b'A', Characters::Iso646("£$@[\\]^`{|}~")),
    set(10, Class::C94, b'G', Characters::Iso646("#¤@ÄÖÅ^`äöå~")),
    set(11, Class::C94, b'H', Characters::Iso646("#¤ÉÄÖÅÜéäöåü")),
    set(14, Class::C94, b'J', Characters::Iso646("#$@[¥]^`{|}‾")),
    set(15, Class::C94, b'Y', Characters::Iso646("£$§°çé^ùàòèì")),
    set(16, Class::C94, b'L', Characters::Iso646("#$§ÃÇÕ^`ãçõ°")),
    set(17, Class::C94, b'Z', Characters::Iso646("£$§¡Ñ¿^`°ñç~")),
    set(21, Class::C94, b'K', Characters::Iso646("#$§ÄÖÜ^`äöüß")),
    set(25, Class::C94, b'R', Characters::Iso646("£$à°ç§^`éùè¨")),
    set(60, Class::C94, b'`', Characters::Iso646("#$@ÆØÅ^`æøå‾")),
    set(69, Class::C94, b'f', Characters::Iso646("£$à°ç§^µéùè¨")),
    set(103, Class::C94, b'v', Characters::Accents),
    set(156, Class::C96, b'R', Characters::Accents),
    set(100, Class::C96, b'A', Characters::Latin1),
    set(
        101,
        Class::C96,
        b'B',
        Characters::Of(encoding_rs::ISO_8859_2),
    ),
    set(
        109,
        Class::C96,
        b'C',
        Characters::Of(encoding_rs::ISO_8859_3),
    ),
    set(
        110,
        Class::C96,
        b'D',
        Characters::Of(encoding_rs::ISO_8859_4),
    ),
    set(
        144,
        Class::C96,
        b'L',
        Characters::Of(encoding_rs::ISO_8859_5),
    ),
    set(
        127,
        Class::C96,
        b'G',
        Characters::Of(encoding_rs::ISO_8859_6),
    ),
    set(
        126,
        Class::C96,
        b'F',
        Characters::Of(encoding_rs::ISO_8859_7),
    ),
    set(
        138,
        Class::C96,
        b'H',
        Characters::Of(encoding_rs::ISO_8859_8),
    ),
    set(
        148,
        Class::C96,
        b'M',
        Characters::Of(encoding_rs::WINDOWS_1254),
    ),
    set(
        157,
        Class::C96,
        b'V',
        Characters::Of(encoding_rs::ISO_8859_10),
    ),
    set(
        179,
        Class::C96,
        b'Y',
        Characters::Of(encoding_rs::ISO_8859_13),
    ),
    set(
        199,
        Class::C96,
        b'_',
        Characters::Of(encoding_rs::ISO_8859_14),
    ),
    set(
        203,
        Class::C96,
        b'b',
        Characters::Of(encoding_rs::ISO_8859_15),
    ),
    set(
        226,
        Class::C96,
        b'f',
        Characters::Of(encoding_rs::ISO_8859_16),
    ),
    set(42, Class::C94x94, b'@', Characters::Of(encoding_rs::EUC_JP)),
    set(87, Class::C94x94, b'B', Characters::Of(encoding_rs::EUC_JP)),
    set(58, Class::C94x94, b'A', Characters::Of(encoding_rs::GBK)),
    set(
        149,
        Class::C94x94,
        b'C',
        Characters::Of(encoding_rs::EUC_KR),
    ),
];

/// The place in [`SETS`] of the set with this registration number.
#[must_use]
pub fn by_number(number: u16) -> Option<usize> {
    SETS.iter().position(|set| set.number == number)
}

/// The place in [`SETS`] of the set that `class` and the last octet of a sequence designate.
#[must_use]
pub fn by_designation(class: Class, last: u8) -> Option<usize> {
    SETS.iter()
        .position(|set| set.class == class && set.last == last)
}

impl Set {
    /// The octets of the sequence that designates this set as G0 or G1.
    #[must_use]
    pub fn designate(&self, g1: bool) -> Vec<u8> {
        const ESC: u8 = 0x1B;
        let single = |for_g0, for_g1| if g1 { for_g1 } else { for_g0 };
        match self.class {
            Class::C94 => vec![ESC, single(0x28, 0x29), self.last],
            Class::C96 => vec![ESC, 0x2D, self.last],
            Class::C94x94 => vec![ESC, 0x24, single(0x28, 0x29), self.last],
        }
    }

    /// The characters of a one-octet set, at places 0 (2/0) to 95 (7/15).
    #[must_use]
    pub fn table(&self) -> [Option<char>; 96] {
        let mut table = [None; 96];
        for (code, place) in (0x20..0x80_u8).zip(table.iter_mut()) {
            let edge = code == 0x20 || code == 0x7F;
            if !(edge && self.class == Class::C94) {
                *place = self.one_octet(code);
            }
        }
        table
    }

    /// The character at `code`, 2/0 to 7/15.
    fn one_octet(&self, code: u8) -> Option<char> {
        match self.characters {
            Characters::Iso646(national) => {
                match NATIONAL.iter().position(|octet| *octet == code) {
                    Some(place) => national.chars().nth(place),
                    None => Some(char::from(code)),
                }
            }
            Characters::Latin1 => Some(char::from(code | 0x80)),
            Characters::Of(encoding) => decode_one(encoding, &[code | 0x80]),
            Characters::Accents => accent_set(code | 0x80),
        }
    }

    /// The character of a two-octet set at `first` and `second`, each 2/1 to 7/14.
    #[must_use]
    pub fn two_octets(&self, first: u8, second: u8) -> Option<char> {
        match (self.class, self.characters) {
            (Class::C94x94, Characters::Of(encoding)) => {
                decode_one(encoding, &[first | 0x80, second | 0x80])
            }
            _ => None,
        }
    }

    /// The octets of `character` in a two-octet set invoked on the right (both above 10/0).
    #[must_use]
    pub fn encode_two_octets(&self, character: char) -> Option<[u8; 2]> {
        let Characters::Of(encoding) = self.characters else {
            return None;
        };
        let mut buffer = [0; 4];
        let text: &str = character.encode_utf8(&mut buffer);
        let (octets, _, errors) = encoding.encode(text);
        match *octets {
            [first @ 0xA1..=0xFE, second @ 0xA1..=0xFE] if !errors => Some([first, second]),
            _ => None,
        }
        .filter(|[first, second]| self.two_octets(first & 0x7F, second & 0x7F) == Some(character))
    }

    /// Whether accents stand before the letters they belong to.
    #[must_use]
    pub fn has_accents(&self) -> bool {
        matches!(self.characters, Characters::Accents)
    }
}

fn decode_one(encoding: &'static Encoding, octets: &[u8]) -> Option<char> {
    let text = encoding.decode_without_bom_handling_and_without_replacement(octets)?;
    let mut characters = text.chars();
    let character = characters.next()?;
    (characters.next().is_none() && !character.is_control()).then_some(character)
}

/// The supplementary set of T.61 (registration 103), with the additions of ISO 6937 (156).
/// Accents are given as combining characters.
fn accent_set(octet: u8) -> Option<char> {
    const FROM_A0: [&str; 6] = [
        "\u{A0}¡¢£$¥#§¤‘“«←↑→↓",
        "°±²³×µ¶·÷’”»¼½¾¿",
        "\u{0}\u{300}\u{301}\u{302}\u{303}\u{304}\u{306}\u{307}\u{308}\u{308}\u{30A}\u{327}\u{332}\u{30B}\u{328}\u{30C}",
        "―¹®©™♪¬¦\u{0}\u{0}\u{0}\u{0}⅛⅜⅝⅞",
        "ΩÆĐªĦ\u{0}ĲĿŁØŒºÞŦŊŉ",
        "ĸæđðħıĳŀłøœßþŧŋ\u{AD}",
    ];
    let offset = usize::from(octet.checked_sub(0xA0)?);
    let character = FROM_A0.get(offset / 16)?.chars().nth(offset % 16)?;
    (character != '\0').then_some(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_found_by_number_and_by_designation() {
        for (place, set) in SETS.iter().enumerate() {
            assert_eq!(by_number(set.number), Some(place));
            assert_eq!(
                by_designation(set.class, set.last),
                Some(place),
                "{}",
                set.number
            );
        }
    }

    #[test]
    fn s2157_6_2_designations() {
        let designation = |number, g1| by_number(number).map(|place| SETS[place].designate(g1));
        assert_eq!(designation(6, false), Some(vec![0x1B, 0x28, 0x42]));
        assert_eq!(designation(100, true), Some(vec![0x1B, 0x2D, 0x41]));
        assert_eq!(designation(103, true), Some(vec![0x1B, 0x29, 0x76]));
        assert_eq!(designation(87, true), Some(vec![0x1B, 0x24, 0x29, 0x42]));
    }

    #[test]
    fn national_variants_differ_in_twelve_places() {
        for set in SETS {
            if let Characters::Iso646(national) = set.characters {
                assert_eq!(national.chars().count(), 12, "{}", set.number);
            }
        }
        let german = &SETS[by_number(21).expect("a set")];
        assert_eq!(german.one_octet(b'['), Some('Ä'));
        assert_eq!(german.one_octet(b'a'), Some('a'));
    }

    #[test]
    fn characters_of_the_tables() {
        let at =
            |number, octet: u8| SETS[by_number(number).expect("a set")].one_octet(octet & 0x7F);
        assert_eq!(at(103, 0xA4), Some('$'));
        assert_eq!(at(103, 0xC8), Some('\u{308}'));
        assert_eq!(at(103, 0xFB), Some('ß'));
        assert_eq!(at(103, 0xE5), None);
        assert_eq!(at(144, 0xB0), Some('А'));
        assert_eq!(at(148, 0xD0), Some('Ğ'));
        assert_eq!(at(138, 0xA1), None);
        let japanese = &SETS[by_number(87).expect("a set")];
        assert_eq!(japanese.two_octets(0x46, 0x7C), Some('日'));
        assert_eq!(japanese.encode_two_octets('日'), Some([0xC6, 0xFC]));
        assert_eq!(
            japanese.encode_two_octets('é'),
            None,
            "it is in another set of EUC-JP"
        );
    }
}
