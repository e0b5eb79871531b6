//! Code extension: strings in which sequences switch between registered character sets.
//!
//! ISO 2022 as ASN.1 uses it (X.690) for TeletexString, GraphicString and GeneralString: the
//! normalization of RFC 2157 appendix A, with its errors mended (SI is LS0 and SO is LS1; a G0
//! designation sets the left half only), two-octet sets, single shifts and UTF-8 added.

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::compose;

pub mod sets;
#[cfg(test)]
mod tests;

use sets::{Class, SETS, Set};

const ESC: u8 = 0x1B;
const SHIFT_OUT: u8 = 0x0E;
const SHIFT_IN: u8 = 0x0F;
/// Designates and invokes UTF-8 until ESC 2/5 4/0 (registration 196).
const TO_UTF8: &[u8] = b"\x1B%G";
/// Leaves UTF-8 again.
const FROM_UTF8: &[u8] = b"\x1B%@";
/// Locking shift one right: G1 on the right.
const LS1R: &[u8] = b"\x1B~";
/// The registration number of UTF-8.
pub const UTF8: u16 = 196;

/// What is designated before the first octet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// GeneralString and GraphicString: ASCII on the left, nothing on the right.
    General,
    /// The same, for a sender that left out the designation of this set on the right.
    Declared(u16),
    /// TeletexString: registration 102 on the left, 103 on the right.
    Teletex,
}

/// A string as Unicode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The text; U+FFFD stands where nothing is known.
    pub text: String,
    /// Whether every octet was understood.
    pub exact: bool,
}

/// A string with its sequences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// The octets.
    pub octets: Vec<u8>,
    /// Registration numbers of the sets that occur, ASCII (6) among them.
    pub sets: BTreeSet<u16>,
}

/// Reads a string with code extension.
#[must_use]
pub fn decode(octets: &[u8], start: Start) -> Decoded {
    let (g0, g1) = match start {
        Start::General => (6, None),
        Start::Declared(right) => (6, Some(right)),
        Start::Teletex => (102, Some(103)),
    };
    let mut decoder = Decoder {
        rest: octets,
        designated: [
            sets::by_number(g0),
            g1.and_then(sets::by_number),
            None,
            None,
        ],
        left: 0,
        right: 1,
        single: None,
        accent: None,
        text: String::with_capacity(octets.len()),
        exact: true,
    };
    while decoder.step().is_some() {}
    decoder.end_accent();
    Decoded {
        text: decoder.text,
        exact: decoder.exact,
    }
}

/// The state of ISO 2022: what is designated as G0 to G3, what is invoked left and right.
struct Decoder<'a> {
    rest: &'a [u8],
    designated: [Option<usize>; 4],
    left: usize,
    right: usize,
    single: Option<usize>,
    accent: Option<char>,
    text: String,
    exact: bool,
}

impl Decoder<'_> {
    fn take(&mut self) -> Option<u8> {
        let (octet, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*octet)
    }

    fn step(&mut self) -> Option<()> {
        match self.take()? {
            ESC => self.escape(),
            SHIFT_IN => self.left = 0,
            SHIFT_OUT => self.left = 1,
            0x8E => self.shift_once(2, '\u{8E}'),
            0x8F => self.shift_once(3, '\u{8F}'),
            control @ (0x00..=0x1F | 0x80..=0x9F) => self.push(char::from(control)),
            octet if octet < 0x80 => self.graphic(octet, self.left),
            octet => self.graphic(octet & 0x7F, self.right),
        }
        Some(())
    }

    /// A single shift, or the C1 control itself where there is nothing to shift to.
    fn shift_once(&mut self, to: usize, control: char) {
        if self.designated.get(to).is_some_and(Option::is_some) {
            self.single = Some(to);
        } else {
            self.push(control);
        }
    }

    /// A graphic character at `code` (seven bits) of what is invoked from `half`.
    fn graphic(&mut self, code: u8, half: usize) {
        let half = self.single.take().unwrap_or(half);
        let place = self.designated.get(half).copied().flatten();
        let set = place.and_then(|place| SETS.get(place));
        let character = match (set, place) {
            (Some(set), _) if set.class == Class::C94x94 => match self.rest.split_first() {
                Some((&second, rest)) if second & 0x7F > 0x20 => {
                    self.rest = rest;
                    set.two_octets(code, second & 0x7F)
                }
                _ => None,
            },
            (Some(_), Some(place)) => {
                let table = TABLES.get(place);
                table.and_then(|table| *table.get(usize::from(code) - 0x20)?)
            }
            _ => None,
        };
        match (code, character) {
            (_, Some(accent @ '\u{300}'..='\u{36F}'))
                if set.is_some_and(sets::Set::has_accents) =>
            {
                self.end_accent();
                self.accent = Some(accent);
            }
            (_, Some(character)) => self.push(character),
            (0x20, None) => self.push(' '),
            (0x7F, None) => self.push('\u{7F}'),
            (_, None) => self.unknown(),
        }
    }

    /// Adds a character, under the accent that came before it.
    fn push(&mut self, character: char) {
        match self.accent.take() {
            None => self.text.push(character),
            Some(accent) if character == ' ' => self.text.push(spacing(accent)),
            Some(accent) => match compose(character, accent) {
                Some(composed) => self.text.push(composed),
                None => self.text.extend([character, accent]),
            },
        }
    }

    fn end_accent(&mut self) {
        if let Some(accent) = self.accent.take() {
            self.text.push(spacing(accent));
        }
    }

    fn unknown(&mut self) {
        self.exact = false;
        self.push(char::REPLACEMENT_CHARACTER);
    }

    /// An escape sequence, its ESC taken.
    fn escape(&mut self) {
        let intermediates = self
            .rest
            .iter()
            .take_while(|o| (0x20..0x30).contains(*o))
            .count();
        let (between, after) = self.rest.split_at(intermediates);
        let Some((&last, after)) = after.split_first() else {
            self.rest = &[];
            return self.unknown();
        };
        if !(0x30..0x7F).contains(&last) {
            return self.unknown();
        }
        self.rest = after;
        match (between, last) {
            ([], b'n') => self.left = 2,
            ([], b'o') => self.left = 3,
            ([], b'~') => self.right = 1,
            ([], b'}') => self.right = 2,
            ([], b'|') => self.right = 3,
            ([], b'N') => self.shift_once(2, '\u{8E}'),
            ([], b'O') => self.shift_once(3, '\u{8F}'),
            // Control sets and announcers say nothing about graphic characters; &@ announces a
            // revision of the set designated next.
            ([b'!' | b'"' | b' ' | b'&', ..], _) | ([b'%'], b'@') => {}
            ([b'%'], b'G') | ([b'%', b'/'], b'G' | b'H' | b'I') => self.utf8(),
            ([register @ b'('..=b'+'], last) => self.designate(*register - b'(', Class::C94, last),
            ([register @ b'-'..=b'/'], last) => self.designate(*register - b',', Class::C96, last),
            ([b'$'], last) => self.designate(0, Class::C94x94, last),
            ([b'$', register @ b'('..=b'+'], last) => {
                self.designate(*register - b'(', Class::C94x94, last);
            }
            _ => self.unknown(),
        }
    }

    fn designate(&mut self, register: u8, class: Class, last: u8) {
        let set = sets::by_designation(class, last);
        if set.is_none() {
            self.unknown();
        }
        if let Some(place) = self.designated.get_mut(usize::from(register)) {
            *place = set;
        }
    }

    /// UTF-8 up to the sequence that leaves it.
    fn utf8(&mut self) {
        self.end_accent();
        let length = memchr::memmem::find(self.rest, FROM_UTF8).unwrap_or(self.rest.len());
        let (utf8, after) = self.rest.split_at(length);
        let text = String::from_utf8_lossy(utf8);
        self.exact &= matches!(text, std::borrow::Cow::Borrowed(_));
        self.text.push_str(&text);
        self.rest = after.get(FROM_UTF8.len()..).unwrap_or_default();
    }
}

/// An accent that stands by itself.
fn spacing(accent: char) -> char {
    match accent {
        '\u{300}' => '`',
        '\u{301}' => '´',
        '\u{302}' => '^',
        '\u{303}' => '~',
        '\u{304}' => '¯',
        '\u{306}' => '˘',
        '\u{307}' => '˙',
        '\u{308}' => '¨',
        '\u{30A}' => '˚',
        '\u{327}' => '¸',
        '\u{30B}' => '˝',
        '\u{328}' => '˛',
        '\u{30C}' => 'ˇ',
        other => other,
    }
}

/// Writes a string with ASCII on the left and, on the right, the first of `numbers` that has the
/// character; `None` if none has, or if the text holds a character that code extension uses.
///
/// `invoke` says whether G1 has to be invoked (GeneralString) or is from the start (T.61).
#[must_use]
pub fn encode(text: &str, numbers: &[u16], invoke: bool) -> Option<Encoded> {
    let mut encoder = Encoder::new(numbers, invoke);
    for character in text.chars() {
        encoder.push(character)?;
    }
    Some(Encoded {
        octets: encoder.octets,
        sets: encoder.sets,
    })
}

/// Writes a string as UTF-8 after the sequence that announces it.
#[must_use]
pub fn encode_utf8(text: &str) -> Encoded {
    let mut octets = Vec::with_capacity(text.len() + TO_UTF8.len());
    octets.extend_from_slice(TO_UTF8);
    octets.extend_from_slice(text.as_bytes());
    Encoded {
        octets,
        sets: BTreeSet::from([UTF8]),
    }
}

/// A string being written, character by character.
#[derive(Debug)]
pub struct Encoder {
    octets: Vec<u8>,
    sets: BTreeSet<u16>,
    candidates: Vec<usize>,
    current: Option<usize>,
    invoke: bool,
}

impl Encoder {
    /// A writer that may use these sets on the right, in this order of preference.
    #[must_use]
    pub fn new(numbers: &[u16], invoke: bool) -> Self {
        Self {
            octets: Vec::new(),
            sets: BTreeSet::from([6]),
            candidates: numbers
                .iter()
                .filter_map(|number| sets::by_number(*number))
                .collect(),
            current: None,
            invoke,
        }
    }

    /// A writer for which this set is on the right already; it writes no sequence.
    #[must_use]
    pub fn designated(number: u16) -> Self {
        let mut encoder = Self::new(&[number], true);
        encoder.current = sets::by_number(number);
        encoder
    }

    /// How many octets are written.
    #[must_use]
    pub fn len(&self) -> usize {
        self.octets.len()
    }

    /// Whether nothing is written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    /// The octets written.
    #[must_use]
    pub fn into_octets(self) -> Vec<u8> {
        self.octets
    }

    /// Adds a character; `None`, and nothing added, if no set has it.
    pub fn push(&mut self, character: char) -> Option<()> {
        match character {
            '\u{1B}' | '\u{E}' | '\u{F}' | '\u{8E}' | '\u{8F}' => None,
            '\0'..='\u{9F}' => {
                self.octets.push(u8::try_from(u32::from(character)).ok()?);
                Some(())
            }
            _ => {
                let current = self.current.filter(|place| self.candidates.contains(place));
                let mut places = current.into_iter().chain(self.candidates.iter().copied());
                let (number, octets) = places.find_map(|place| octets_in(place, character))?;
                if sets::by_number(number) != self.current {
                    self.current = sets::by_number(number);
                    let set = self.current.and_then(|place| SETS.get(place))?;
                    self.octets.extend(set.designate(true));
                    if self.invoke && self.sets.len() == 1 {
                        self.octets.extend_from_slice(LS1R);
                    }
                    self.sets.insert(number);
                }
                self.octets.extend(octets);
                Some(())
            }
        }
    }
}

/// What ISO 6937 added to the supplementary set of T.61: read, but not written as registration 103.
fn later_than_103(octet: u8) -> bool {
    matches!(octet, 0xA9 | 0xAA | 0xAC..=0xAF | 0xB9 | 0xBA | 0xD0..=0xDF | 0xFF)
}

/// The characters of each set of one octet, by its place among [`SETS`].
static TABLES: LazyLock<Vec<[Option<char>; 96]>> = LazyLock::new(|| {
    let table = |set: &Set| match set.class {
        Class::C94x94 => [None; 96],
        _ => set.table(),
    };
    SETS.iter().map(table).collect()
});

/// The octets on the right of the characters of each set of one octet, by its place among [`SETS`].
static CODES: LazyLock<Vec<HashMap<char, u8>>> = LazyLock::new(|| {
    let codes = |(set, table): (&Set, &[Option<char>; 96])| -> HashMap<char, u8> {
        let upper = (0xA0..=0xFF_u8).zip(*table);
        let known = upper.filter(|(octet, _)| set.number != 103 || !later_than_103(*octet));
        known
            .rev()
            .filter_map(|(octet, character)| Some((character?, octet)))
            .collect()
    };
    SETS.iter().zip(TABLES.iter()).map(codes).collect()
});

/// The octets of a character in a set on the right, and the set's number.
fn octets_in(place: usize, character: char) -> Option<(u16, Vec<u8>)> {
    let set = SETS.get(place)?;
    if set.class == Class::C94x94 {
        let octets = set.encode_two_octets(character)?;
        return Some((set.number, octets.to_vec()));
    }
    let codes = CODES.get(place)?;
    if let Some(octet) = codes.get(&character) {
        return Some((set.number, vec![*octet]));
    }
    if !set.has_accents() {
        return None;
    }
    let mut parts = character.nfd();
    let (letter, accent) = (parts.next()?, parts.next()?);
    if parts.next().is_some() || !letter.is_ascii() {
        return None;
    }
    let octet = codes.get(&accent)?;
    Some((
        set.number,
        vec![*octet, u8::try_from(u32::from(letter)).ok()?],
    ))
}
