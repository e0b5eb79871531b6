//! O/R addresses as text: `/G=John/S=Smith/O=Org/…/` and `G=John; S=Smith; O=Org; …`.
//!
//! RFC 2156 section 4.1.3 (`std-or-address`, `std-or-address-input`), the ordered keywords of
//! section 4.1.1, the order of section 4.3.3, and the form of F.401 annex B.

use std::fmt;
use std::str::FromStr;

use super::attributes::{Attribute, Attributes, Key};
use super::personal_name;
use crate::mixer::basic::printable::{self, is_ps_char};

/// What is wrong with an address, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text} at offset {offset}")]
pub struct SyntaxError {
    /// Octets before the fault.
    pub offset: usize,
    /// What was found and what was expected.
    pub text: String,
}

impl SyntaxError {
    /// A fault at `offset`.
    #[must_use]
    pub fn new(offset: usize, text: impl Into<String>) -> Self {
        Self {
            offset,
            text: text.into(),
        }
    }
}

/// The longest text read as an address; a maximal O/R address with every character quoted fits.
pub const LONGEST: usize = 16 * 1024;

/// The most attributes one address may have: each key once, four units, four domain-defined ones.
const MOST_ATTRIBUTES: usize = 64;

/// How strictly a text is read.
#[derive(Clone, Copy)]
struct Style {
    /// `/` separates, and `=` stands in no value.
    slash_separates: bool,
    /// An Internet address may stand as it is in an RFC-822 attribute.
    bare_rfc822: bool,
}

/// Reads `std-or-address-input`: `/` and `;` both separate, either may be missing at the ends.
///
/// # Errors
/// Says where the text leaves the syntax: an unknown keyword, a key given twice, a character that
/// has no place there. Values are not yet checked against their encoding.
pub fn parse(text: &str) -> Result<Attributes, SyntaxError> {
    read(
        text,
        Style {
            slash_separates: true,
            bare_rfc822: false,
        },
    )
}

/// Reads what a person writes: as [`parse`], and also `X400:` before it, quotes around it, bare `/`
/// and `=` in values where `;` separates, and `DDA:RFC-822=user@example.org`.
///
/// # Errors
/// As [`parse`].
pub fn parse_input(text: &str) -> Result<Attributes, SyntaxError> {
    let start = text.trim_start();
    let prefixes = ["X400:", "x400;", "X.400:"];
    let prefix = prefixes.into_iter().find(|prefix| {
        let head = start.get(..prefix.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(prefix))
    });
    let bare = start.get(prefix.map_or(0, str::len)..).unwrap_or(start);
    let bare = bare.trim();
    let bare = bare
        .strip_prefix('"')
        .and_then(|inside| inside.strip_suffix('"'))
        .unwrap_or(bare);
    let style = |slash_separates| Style {
        slash_separates,
        bare_rfc822: true,
    };
    read(bare, style(true)).or_else(|error| {
        if bare.starts_with('/') {
            return Err(error);
        }
        read(bare, style(false)).map_err(|_| error)
    })
}

/// Reads attributes.
fn read(text: &str, style: Style) -> Result<Attributes, SyntaxError> {
    if text.len() > LONGEST {
        return Err(SyntaxError::new(LONGEST, "the address is too long"));
    }
    let mut gathered = Gathered::default();
    let mut pair = Pair::default();
    let mut characters = text.char_indices();
    while let Some((offset, c)) = characters.next() {
        if c == ';' || (c == '/' && style.slash_separates) {
            std::mem::take(&mut pair).end(&mut gathered)?;
        } else if c == '$' {
            match characters.next() {
                Some((_, quoted)) if is_ps_char(quoted) => pair.push(offset, quoted),
                _ => return Err(SyntaxError::new(offset, "`$` quotes nothing")),
            }
        } else if c == '=' && pair.start.is_none() {
            return Err(SyntaxError::new(offset, "`=` without a keyword"));
        } else if c == '=' && !pair.in_value {
            pair.in_value = true;
        } else if c == '=' && style.slash_separates {
            return Err(SyntaxError::new(
                offset,
                "a second `=`; in a value write `$=`",
            ));
        } else if is_ps_char(c) || matches!(c, '{' | '}' | '*' | '|') {
            pair.push(offset, c);
        } else if style.bare_rfc822 && c.is_ascii_graphic() && pair.is_rfc822() {
            pair.bare = true;
            pair.push(offset, c);
        } else {
            return Err(SyntaxError::new(
                offset,
                format!("the character {c:?} cannot stand in an O/R address"),
            ));
        }
    }
    pair.end(&mut gathered)?;
    gathered.attributes(text.len())
}

/// A `key=value` being read.
#[derive(Default)]
struct Pair {
    keyword: String,
    value: String,
    start: Option<usize>,
    in_value: bool,
    /// The value holds characters that only an Internet address has.
    bare: bool,
}

impl Pair {
    /// Whether the value is that of an RFC-822 attribute, or of its kin in other gateways.
    fn is_rfc822(&self) -> bool {
        let dd_type = self.keyword.rsplit(['.', ':']).next().unwrap_or_default();
        let types = ["RFC-822", "RFC822", "SMTP"];
        self.in_value
            && types
                .iter()
                .any(|of_type| of_type.eq_ignore_ascii_case(dd_type))
    }

    fn push(&mut self, offset: usize, c: char) {
        // Space before a keyword is layout: `C=GB; A= `.
        if self.start.is_none() && c == ' ' {
            return;
        }
        self.start.get_or_insert(offset);
        if self.in_value {
            self.value.push(c);
        } else {
            self.keyword.push(c);
        }
    }

    fn end(self, gathered: &mut Gathered) -> Result<(), SyntaxError> {
        match (self.start, self.in_value) {
            (None, _) => Ok(()),
            (Some(start), false) => Err(SyntaxError::new(
                start,
                format!("`{}` has no `=`", self.keyword),
            )),
            (Some(start), true) => {
                let value = Some(&self.value).filter(|_| self.bare);
                let value = value
                    .and_then(|bare| printable::encode(bare))
                    .unwrap_or(self.value);
                gathered.take(start, self.keyword.trim_end(), value)
            }
        }
    }
}

/// What has been read, before the order is known.
#[derive(Default)]
struct Gathered {
    /// In the order of the text, where the least significant comes first.
    plain: Vec<Attribute>,
    /// `OU1` … `OU4`.
    units: [Option<String>; 4],
    /// `PD-A1` … `PD-A6`.
    lines: [Option<String>; 6],
    /// `DD1` … `DD4`.
    domain_defined: [Option<(String, String)>; 4],
}

impl Gathered {
    fn take(&mut self, start: usize, keyword: &str, value: String) -> Result<(), SyntaxError> {
        let twice = || SyntaxError::new(start, format!("`{keyword}` is given twice"));
        if self.plain.len() >= MOST_ATTRIBUTES {
            return Err(SyntaxError::new(start, "too many attributes"));
        }
        if let Some(key) = Key::of_keyword(keyword).filter(|key| *key != Key::Dd) {
            if !key.repeats() && self.plain.iter().any(|other| other.key == key) {
                return Err(twice());
            }
            self.plain.push(Attribute::new(key, value));
            return Ok(());
        }
        let upper = keyword.to_ascii_uppercase();
        if let Some(slot) = upper
            .strip_prefix("OU")
            .and_then(|number| slot(number, &mut self.units))
        {
            return slot.replace(value).map_or(Ok(()), |_| Err(twice()));
        }
        if let Some(slot) = upper
            .strip_prefix("PD-A")
            .and_then(|number| slot(number, &mut self.lines))
        {
            return slot.replace(value).map_or(Ok(()), |_| Err(twice()));
        }
        if upper == "PN" {
            for part in
                personal_name::parse_value(&value).map_err(|text| SyntaxError::new(start, text))?
            {
                if self.plain.iter().any(|other| other.key == part.key) {
                    return Err(twice());
                }
                self.plain.push(part);
            }
            return Ok(());
        }
        if upper == "ISDN" {
            let number: String = value.chars().filter(char::is_ascii_digit).collect();
            if number.is_empty() || self.plain.iter().any(|other| other.key == Key::NetNum) {
                return Err(SyntaxError::new(
                    start,
                    "`ISDN` gives no number, or a second one",
                ));
            }
            self.plain.push(Attribute::new(Key::NetNum, number));
            return Ok(());
        }
        if upper == "RFC-822" {
            self.plain.push(Attribute::domain_defined("RFC-822", value));
            return Ok(());
        }
        let unknown = || SyntaxError::new(start, format!("`{keyword}` is no keyword"));
        let (key, dd_type) = keyword.split_once(['.', ':']).ok_or_else(unknown)?;
        let dd_type = dd_type.to_owned();
        if Key::of_keyword(key) == Some(Key::Dd) {
            self.plain.push(Attribute::domain_defined(dd_type, value));
            return Ok(());
        }
        let upper = key.to_ascii_uppercase();
        let number = upper
            .strip_prefix("DDA")
            .or_else(|| upper.strip_prefix("DD"));
        let slot = number
            .and_then(|number| slot(number, &mut self.domain_defined))
            .ok_or_else(unknown)?;
        slot.replace((dd_type, value))
            .map_or(Ok(()), |_| Err(twice()))
    }

    fn attributes(self, end: usize) -> Result<Attributes, SyntaxError> {
        let mixed = |what: &str| SyntaxError::new(end, format!("`{what}` with and without number"));
        // The text runs from the least to the most significant.
        let mut attributes: Attributes = self.plain.into_iter().rev().collect();
        let has = |key| attributes_has(&attributes, key);
        if has(Key::Ou) && self.units.iter().any(Option::is_some) {
            return Err(mixed("OU"));
        }
        if has(Key::PdAddress) && self.lines.iter().any(Option::is_some) {
            return Err(mixed("PD-A"));
        }
        if has(Key::Dd) && self.domain_defined.iter().any(Option::is_some) {
            return Err(mixed("DD"));
        }
        for unit in self.units.into_iter().flatten() {
            attributes.push(Key::Ou, unit);
        }
        let lines: Vec<String> = self.lines.into_iter().flatten().collect();
        if !lines.is_empty() {
            attributes.push(Key::PdAddress, lines.join("|"));
        }
        for (dd_type, value) in self.domain_defined.into_iter().flatten() {
            attributes.push_domain_defined(dd_type, value);
        }
        if attributes.is_empty() {
            return Err(SyntaxError::new(0, "no attribute; expected `/KEY=value/`"));
        }
        // Section 4.1.3: a country without an ADMD means the ADMD of a single space.
        if attributes.has(Key::C) && !attributes.has(Key::Admd) {
            attributes.push(Key::Admd, " ");
        }
        Ok(attributes)
    }
}

/// Whether `attributes` has `key`.
fn attributes_has(attributes: &Attributes, key: Key) -> bool {
    attributes.has(key)
}

/// The slot that `number`, counted from 1, names.
fn slot<'a, T>(number: &str, slots: &'a mut [Option<T>]) -> Option<&'a mut Option<T>> {
    let number: usize = number.parse().ok()?;
    slots.get_mut(number.checked_sub(1)?)
}

impl FromStr for Attributes {
    type Err = SyntaxError;

    fn from_str(text: &str) -> Result<Self, SyntaxError> {
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
    pairs.join("; ")
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
