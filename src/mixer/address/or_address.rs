//! O/R addresses as text: `/G=John/S=Smith/O=Org/…/` and `G=John; S=Smith; O=Org; …`.
//!
//! RFC 2156 section 4.1.3 (`std-or-address`, `std-or-address-input`), the ordered keywords of
//! section 4.1.1, the order of section 4.3.3 and when it is guessed to be the other (4.3.4.1), and
//! the form of F.401 annex B.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use super::attributes::{Attribute, Attributes, Key};
use super::fault::Fault;
use super::{personal_name, styles, syntax};
use crate::mixer::basic::printable::{self, is_ps_char};
use crate::mixer::outcome::Note;

/// The longest text read as an address; a maximal O/R address with every character quoted fits.
pub const LONGEST: usize = 16 * 1024;

/// The most attributes one address may have: each key once, four units, four domain-defined ones.
const MOST_ATTRIBUTES: usize = 64;

/// The clause of the syntax.
const SYNTAX: &str = "4.1.3";
/// The clause of the keywords.
const KEYWORDS: &str = "4.1.1";

/// How strictly a text is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// `/` separates, and `=` stands in no value.
    pub slash_separates: bool,
    /// What people and other systems write is understood, as [`styles`] says.
    pub tolerant: bool,
}

/// A character, and the octets it has in the text as its writer gave it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Letter {
    pub character: char,
    pub start: usize,
    pub end: usize,
}

/// The characters of `text`, which stands `offset` octets into what its writer gave.
pub(super) fn letters(text: &str, offset: usize) -> Vec<Letter> {
    let letter = |(start, character): (usize, char)| Letter {
        character,
        start: offset + start,
        end: offset + start + character.len_utf8(),
    };
    text.char_indices().map(letter).collect()
}

/// Reads `std-or-address-input`: `/` and `;` both separate, either may be missing at the ends.
///
/// # Errors
/// Says where the text leaves the syntax: an unknown keyword, a key given twice, a character that
/// has no place there. Values are not yet checked against their encoding.
pub fn parse(text: &str) -> Result<Attributes, Fault> {
    too_long(text)?;
    let strict = Rules {
        slash_separates: true,
        tolerant: false,
    };
    read(&letters(text, 0), strict).map(|reading| reading.0)
}

/// Reads what a person writes, in any of the [`styles`].
///
/// # Errors
/// As [`parse`].
pub fn parse_input(text: &str) -> Result<Attributes, Fault> {
    styles::read(text).map(|reading| reading.attributes)
}

/// Refuses a text beyond all bounds.
pub(super) fn too_long(text: &str) -> Result<(), Fault> {
    match text.len() {
        0..=LONGEST => Ok(()),
        length => Err(Fault::at(
            LONGEST..length,
            SYNTAX,
            "the address is too long",
        )),
    }
}

/// Reads attributes; with notes of what was understood beyond the syntax.
pub(super) fn read(letters: &[Letter], rules: Rules) -> Result<(Attributes, Vec<Note>), Fault> {
    let mut gathered = Gathered {
        tolerant: rules.tolerant,
        ..Gathered::default()
    };
    let mut pair = Pair::default();
    let mut rest = letters.iter();
    while let Some(letter) = rest.next() {
        let fault = |text: String| Err(Fault::at(letter.start..letter.end, SYNTAX, text));
        match letter.character {
            ';' => std::mem::take(&mut pair).end(&mut gathered)?,
            '/' if rules.slash_separates && !pair.goes_on(rest.as_slice(), rules) => {
                std::mem::take(&mut pair).end(&mut gathered)?
            }
            '$' => match rest.next() {
                Some(quoted) if is_ps_char(quoted.character) => pair.push(Letter {
                    start: letter.start,
                    ..*quoted
                }),
                _ => return fault("`$` quotes nothing".to_owned()),
            },
            '=' if pair.span.is_none() => return fault("`=` without a keyword".to_owned()),
            '=' if !pair.in_value => pair.in_value = true,
            '=' => {
                if let Some(fault) = pair.comma_for_semicolon() {
                    return Err(fault);
                }
                if rules.slash_separates {
                    return fault("a second `=`; in a value write `$=`".to_owned());
                }
                pair.push(*letter);
            }
            c if is_ps_char(c) || matches!(c, '{' | '}' | '*' | '|') => pair.push(*letter),
            c if rules.tolerant && c.is_ascii_graphic() && pair.is_internet(&gathered) => {
                pair.bare = true;
                pair.push(*letter);
            }
            '_' if rules.tolerant && pair.in_value => {
                gathered.note(
                    "`_`",
                    "goes as the octet 095, no character of PrintableString",
                );
                for character in "{095}".chars() {
                    pair.push(Letter {
                        character,
                        ..*letter
                    });
                }
            }
            c => {
                return fault(format!(
                    "the character {c:?} cannot stand in an O/R address"
                ));
            }
        }
    }
    pair.end(&mut gathered)?;
    gathered.attributes()
}

/// A `key=value` being read.
#[derive(Default)]
struct Pair {
    keyword: String,
    value: String,
    /// The octets of the text it takes; `None` as long as it has not begun.
    span: Option<Range<usize>>,
    in_value: bool,
    /// The value holds characters that only an Internet address has.
    bare: bool,
    /// The last comma of the value: where it stands in the text, and what of the value precedes it.
    comma: Option<(Range<usize>, usize)>,
}

impl Pair {
    /// Whether the value may hold an address of another world as it is there.
    fn is_internet(&self, gathered: &Gathered) -> bool {
        let dd_type = match gathered.dd_type.as_deref().filter(|_| self.is(DDA_VALUE)) {
            Some(dd_type) => dd_type,
            None if Key::of_keyword(&self.keyword) == Some(Key::Dd) => {
                self.value.split(':').next().unwrap_or_default()
            }
            None => self.keyword.rsplit(['.', ':']).next().unwrap_or_default(),
        };
        self.in_value
            && INTERNET
                .iter()
                .any(|other| other.eq_ignore_ascii_case(dd_type))
    }

    fn is(&self, keyword: &str) -> bool {
        self.keyword.trim_end().eq_ignore_ascii_case(keyword)
    }

    /// Whether a slash belongs to the value, since `rest` has no further attribute:
    /// `dda.value=fax(b)123(/Jo Doe`.
    fn goes_on(&self, rest: &[Letter], rules: Rules) -> bool {
        let mut rest = rest.iter().map(|letter| letter.character);
        let none = !rest.clone().any(|c| c == '=' || c == ';');
        rules.tolerant && self.is(DDA_VALUE) && none && rest.any(|c| c != '/')
    }

    fn push(&mut self, letter: Letter) {
        // Space before a keyword is layout: `C=GB; A= `.
        if self.span.is_none() && letter.character == ' ' {
            return;
        }
        let span = self.span.get_or_insert(letter.start..letter.end);
        span.end = letter.end;
        if !self.in_value {
            self.keyword.push(letter.character);
            return;
        }
        if letter.character == ',' {
            self.comma = Some((letter.start..letter.end, self.value.len()));
        }
        self.value.push(letter.character);
    }

    /// The fault of a comma typed for a semicolon, if the value up to here ends in a comma and a
    /// keyword: `A=x, P` before the second `=`.
    fn comma_for_semicolon(&self) -> Option<Fault> {
        let (place, before) = self.comma.clone()?;
        let keyword = self.value.get(before + 1..)?.trim();
        let dd_key = keyword.split(['.', ':']).next().unwrap_or_default();
        let known = ["PN", "ISDN", "RFC-822"]
            .iter()
            .any(|other| other.eq_ignore_ascii_case(keyword));
        let known = known
            || Key::of_keyword(keyword).is_some()
            || ordered(dd_key).is_some()
            || Key::of_keyword(dd_key) == Some(Key::Dd);
        known.then(|| {
            let text = format!("a comma before `{keyword}=`; attributes are separated by `;`");
            Fault::at(place, SYNTAX, text)
        })
    }

    fn end(self, gathered: &mut Gathered) -> Result<(), Fault> {
        match (self.span, self.in_value) {
            (None, _) => Ok(()),
            (Some(span), false) => Err(Fault::at(
                span,
                SYNTAX,
                format!("`{}` has no `=`", self.keyword),
            )),
            (Some(span), true) => {
                let value = match self.bare {
                    true => escaped(&self.value),
                    false => self.value,
                };
                gathered.take(span, self.keyword.trim_end(), value)
            }
        }
    }
}

/// The types of domain-defined attributes whose values are addresses of another world, encoded as
/// `ps-encoded` (RFC 2156 section 4.2, RFC 2162).
const INTERNET: &[&str] = &["RFC-822", "RFC822", "SMTP", "Mail-11"];

/// How some gateways name the type and the value of a domain-defined attribute.
const DDA_TYPE: &str = "dda.type";
/// The value that follows the type.
const DDA_VALUE: &str = "dda.value";

/// Encodes what PrintableString has not, and leaves the escapes that already stand there.
fn escaped(bare: &str) -> String {
    let mut text = String::with_capacity(bare.len());
    let mut rest = bare;
    while let Some(c) = rest.chars().next() {
        let escape = rest.find(')').and_then(|end| rest.get(..=end));
        let escape = escape.filter(|escape| c == '(' && printable::decode(escape).is_some());
        let (head, tail) = rest.split_at(escape.map_or(c.len_utf8(), str::len));
        match escape {
            Some(escape) => text.push_str(escape),
            None => text.push_str(&printable::encode(head).unwrap_or_default()),
        }
        rest = tail;
    }
    text
}

/// The key of a numbered keyword, and its number: `OU1` to `OU4`, `PD-A1` to `PD-A6`, `DD1` to `DD4`.
fn ordered(keyword: &str) -> Option<(Key, usize)> {
    let (name, number) = keyword.split_at_checked(keyword.len().checked_sub(1)?)?;
    let (key, most) = match name.to_ascii_uppercase().as_str() {
        "OU" => (Key::Ou, 4),
        "PD-A" => (Key::PdAddress, 6),
        "DD" | "DDA" => (Key::Dd, 4),
        _ => return None,
    };
    let number: usize = number.parse().ok()?;
    (1..=most).contains(&number).then_some((key, number))
}

/// What has been read, before the order is known.
#[derive(Default)]
struct Gathered {
    tolerant: bool,
    /// The value of `dda.type` that was read last: the type of the `dda.value` after it.
    dd_type: Option<String>,
    /// In the order of the text, where the least significant comes first.
    plain: Vec<Attribute>,
    /// Those with a number, in its order.
    numbered: BTreeMap<(Key, usize), Attribute>,
    notes: Vec<Note>,
}

impl Gathered {
    /// Notes something understood beyond the syntax, once.
    fn note(&mut self, what: &str, place: &str) {
        if self.notes.iter().all(|note| note.what != what) {
            self.notes.push(Note {
                what: what.to_owned(),
                place: place.to_owned(),
                section: SYNTAX,
                lost: false,
            });
        }
    }

    /// A domain-defined attribute as other systems write it: `dda.type=T;dda.value=V`, `dda=T:V`,
    /// and `ID=V` of Telemail.
    fn other_dda(&mut self, keyword: &str, value: &str) -> Option<Attribute> {
        let before = self.dd_type.take();
        let is = |name: &str| keyword.eq_ignore_ascii_case(name);
        if is(DDA_TYPE) {
            self.dd_type = Some(value.to_owned());
        }
        if let Some(dd_type) = before.filter(|_| is(DDA_VALUE)) {
            self.plain.pop();
            return Some(Attribute::domain_defined(dd_type, value));
        }
        if is("ID") {
            self.note("`ID`", "read as a domain-defined attribute of this type");
            return Some(Attribute::domain_defined("ID", value));
        }
        let (dd_type, value) = value.split_once(':').filter(|_| is("DDA") || is("DD"))?;
        Some(Attribute::domain_defined(dd_type, value))
    }

    fn take(&mut self, span: Range<usize>, keyword: &str, value: String) -> Result<(), Fault> {
        let fault = |text: String| Err(Fault::at(span.clone(), KEYWORDS, text));
        if self.tolerant
            && let Some(attribute) = self.other_dda(keyword, &value)
        {
            self.plain.push(attribute.written_at(span));
            return Ok(());
        }
        if self.plain.len() >= MOST_ATTRIBUTES {
            return fault("too many attributes".to_owned());
        }
        let (name, dd_type) = match keyword.split_once(['.', ':']) {
            Some((name, dd_type)) if Key::of_keyword(keyword).is_none() => (name, Some(dd_type)),
            _ => (keyword, None),
        };
        let key = Key::of_keyword(name);
        let is_dd = key == Some(Key::Dd) || ordered(name).is_some_and(|(key, _)| key == Key::Dd);
        if is_dd != dd_type.is_some() {
            return fault(format!("`{keyword}` is no keyword"));
        }
        let attribute = |key| Attribute {
            key,
            dd_type: dd_type.unwrap_or_default().to_owned(),
            value: value.clone(),
            span: Some(span.clone()),
        };
        if let Some((key, number)) = ordered(name) {
            return match self.numbered.insert((key, number), attribute(key)) {
                Some(_) => fault(format!("`{name}` is given twice")),
                None => Ok(()),
            };
        }
        let several = match (key, name.to_ascii_uppercase().as_str()) {
            (Some(key), _) => vec![attribute(key)],
            (None, "PN") => {
                personal_name::parse_value(&value).or_else(|text| fault(text).map(|()| vec![]))?
            }
            (None, "ISDN") => {
                let number: String = value.chars().filter(char::is_ascii_digit).collect();
                if number.is_empty() {
                    return fault("`ISDN` gives no number".to_owned());
                }
                vec![Attribute::new(Key::NetNum, number)]
            }
            (None, "RFC-822") => vec![Attribute::domain_defined("RFC-822", value)],
            _ => return fault(format!("`{keyword}` is no keyword")),
        };
        for part in several {
            if !part.key.repeats() && self.plain.iter().any(|other| other.key == part.key) {
                let name = part.key.row().name;
                return fault(format!("`{keyword}` gives a second {name}"));
            }
            self.plain.push(part.written_at(span.clone()));
        }
        Ok(())
    }

    fn attributes(mut self) -> Result<(Attributes, Vec<Note>), Fault> {
        let inverted = self.tolerant && self.is_inverted();
        if inverted {
            let place = "read from the left, since the organization stands before them";
            self.note("organizational units", place);
        }
        let (units, others): (Vec<_>, Vec<_>) = self
            .plain
            .into_iter()
            .partition(|attribute| inverted && attribute.key == Key::Ou);
        // The text runs from the least to the most significant.
        let mut attributes: Attributes = others.into_iter().rev().chain(units).collect();
        let mut lines: Option<Attribute> = None;
        let mut last: Option<(Key, usize)> = None;
        for ((key, number), attribute) in self.numbered {
            let name = match key {
                Key::Ou => "OU",
                Key::PdAddress => "PD-A",
                _ => "DD",
            };
            let expected = match last {
                Some((of_key, number)) if of_key == key => number + 1,
                _ if attributes.has(key) => {
                    let text = format!("`{name}` with and without number");
                    return Err(Fault::of(&attribute, KEYWORDS, text));
                }
                _ => 1,
            };
            if number != expected {
                let text = format!("`{name}{number}` without `{name}{expected}`");
                return Err(Fault::of(&attribute, KEYWORDS, text));
            }
            last = Some((key, number));
            match &mut lines {
                _ if key != Key::PdAddress => attributes.place(attribute),
                None => lines = Some(attribute),
                Some(lines) => lines.value = format!("{}|{}", lines.value, attribute.value),
            }
        }
        lines.into_iter().for_each(|lines| attributes.place(lines));
        if attributes.is_empty() {
            let text = "no attribute; expected `/KEY=value/`";
            return Err(Fault::at(0..0, SYNTAX, text));
        }
        if let Some(fault) = syntax::contradiction(&attributes) {
            return Err(fault);
        }
        // Section 4.1.3: a country without an ADMD means the ADMD of a single space.
        if attributes.has(Key::C) && !attributes.has(Key::Admd) {
            attributes.push(Key::Admd, " ");
        }
        Ok((attributes, self.notes))
    }

    /// Whether the hierarchy runs from left to right: several units without number, and the
    /// organization to the left of them (section 4.3.4.1).
    fn is_inverted(&self) -> bool {
        let mut keys = self.plain.iter().map(|attribute| attribute.key);
        let first = keys.find(|key| matches!(key, Key::O | Key::Ou));
        first == Some(Key::O) && keys.filter(|key| *key == Key::Ou).count() > 1
    }
}

impl FromStr for Attributes {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        parse_input(text)
    }
}

/// Writes `text` with `/` and `=` quoted.
fn quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    for c in text.chars() {
        if matches!(c, '/' | '=') {
            f.write_str("$")?;
        }
        write!(f, "{c}")?;
    }
    Ok(())
}

impl fmt::Display for Attributes {
    /// `std-or-address`: the most significant attribute on the right (section 4.3.3).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for attribute in self.iter().rev() {
            f.write_str("/")?;
            if attribute.key != Key::Dd {
                f.write_str(attribute.key.row().name)?;
            } else if attribute.dd_type == "RFC-822" {
                quoted(f, &attribute.dd_type)?;
            } else {
                f.write_str("DD.")?;
                quoted(f, &attribute.dd_type)?;
            }
            f.write_str("=")?;
            quoted(f, &attribute.value)?;
        }
        if !self.is_empty() {
            f.write_str("/")?;
        }
        Ok(())
    }
}

/// Writes the form of F.401 annex B: `G=John; S=Smith; O=Org; P=PRMD; A=ADMD; C=GB`.
#[must_use]
pub fn f401(attributes: &Attributes) -> String {
    f401_pairs(attributes).join("; ")
}

/// The attributes as F.401 annex B labels them, the most significant last.
pub(super) fn f401_pairs(attributes: &Attributes) -> Vec<String> {
    struct Quoted<'a>(&'a str);
    impl fmt::Display for Quoted<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            quoted(f, self.0)
        }
    }
    let mut unit = attributes.all(Key::Ou).count();
    let mut pairs = Vec::with_capacity(attributes.len());
    for attribute in attributes.iter().rev() {
        let keyword = match attribute.key {
            Key::Ou => {
                unit = unit.saturating_sub(1);
                format!("OU{}", unit + 1)
            }
            Key::Dd => format!("DDA:{}", Quoted(&attribute.dd_type)),
            Key::Admd => "A".to_owned(),
            Key::Prmd => "P".to_owned(),
            Key::Gq => "Q".to_owned(),
            Key::UaId => "N-ID".to_owned(),
            Key::X121 => "X.121".to_owned(),
            key => key.row().name.to_owned(),
        };
        pairs.push(format!("{keyword}={}", Quoted(&attribute.value)));
    }
    pairs
}

impl serde::Serialize for Attributes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Attributes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
