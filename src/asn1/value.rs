//! A value of any ASN.1 type as a tree, and that tree as value notation (X.680) and as JSON.
//!
//! Both are for people and programs to look at: octets of strangers are escaped, and long ones cut
//! and given by their length and SHA-256.

use std::fmt::Write as _;

use bytes::Bytes;
use serde_json::{Map, json};
use sha2::{Digest, Sha256};

use super::oids;

/// How many octets of an OCTET STRING or unexplained encoding are shown.
const OCTETS_SHOWN: usize = 256;
/// How many octets of a character string are shown.
const TEXT_SHOWN: usize = 1 << 20;

/// A value of any type, with the names the ASN.1 gives its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// NULL.
    Null,
    /// BOOLEAN.
    Boolean(bool),
    /// INTEGER or ENUMERATED, with the name of the number if it has one.
    Integer(i64, Option<&'static str>),
    /// BIT STRING: its octets, how many bits of the last are unused, the names of its ones.
    Bits {
        /// The octets.
        octets: Bytes,
        /// How many bits of the last octet do not count.
        unused: u8,
        /// The names of the bits that are one, if all of them have names.
        names: Option<Vec<&'static str>>,
    },
    /// OCTET STRING.
    Octets(Bytes),
    /// OBJECT IDENTIFIER in dotted form.
    Identifier(String),
    /// A character string or a time: its type, its octets.
    Text(&'static str, Bytes),
    /// SEQUENCE or SET: the members that are there.
    Members(Vec<(&'static str, Value)>),
    /// SEQUENCE OF or SET OF.
    List(Vec<Value>),
    /// The alternative of a CHOICE.
    Choice(&'static str, Box<Value>),
    /// An encoding that no type at hand explains.
    Any(Bytes),
    /// An encoding or octets understood: the type, and the value in them.
    Explained(&'static str, Box<Value>),
}

impl Value {
    /// The member of this name.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&Value> {
        match self {
            Self::Members(members) => members
                .iter()
                .find(|(member, _)| *member == name)
                .map(|(_, value)| value),
            Self::Choice(_, value) | Self::Explained(_, value) => value.member(name),
            _ => None,
        }
    }

    /// How many unknown elements there are within.
    #[must_use]
    pub fn unknowns(&self) -> usize {
        match self {
            Self::Members(members) => members
                .iter()
                .map(|(name, value)| usize::from(*name == "unknown") + value.unknowns())
                .sum(),
            Self::List(values) => values.iter().map(Self::unknowns).sum(),
            Self::Choice(name, value) => usize::from(*name == "unknown") + value.unknowns(),
            Self::Explained(_, value) => value.unknowns(),
            _ => 0,
        }
    }

    /// The value as JSON. A SEQUENCE or SET is an object, a CHOICE and an explained encoding an
    /// object of one member, a number with a name that name, and what is no text an object that
    /// says its length and its octets in hexadecimal.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Boolean(value) => json!(value),
            Self::Integer(_, Some(name)) => json!(name),
            Self::Integer(number, None) => json!(number),
            Self::Bits {
                names: Some(names), ..
            } => json!(names),
            Self::Bits { octets, unused, .. } => {
                let mut object = octets_json(octets);
                if let Some(object) = object.as_object_mut() {
                    object.insert("unused-bits".into(), json!(unused));
                }
                object
            }
            Self::Octets(octets) | Self::Any(octets) => octets_json(octets),
            Self::Identifier(text) => json!(text),
            Self::Text(kind, octets) => text_json(kind, octets),
            Self::Members(members) => {
                let mut object = Map::new();
                let mut unknown = Vec::new();
                for (name, value) in members {
                    if *name == "unknown" {
                        unknown.push(value.to_json());
                    } else {
                        object.insert((*name).into(), value.to_json());
                    }
                }
                if !unknown.is_empty() {
                    object.insert("unknown".into(), unknown.into());
                }
                object.into()
            }
            Self::List(values) => values.iter().map(Self::to_json).collect(),
            Self::Choice(name, value) | Self::Explained(name, value) => {
                json!({ *name: value.to_json() })
            }
        }
    }

    /// The value in value notation, indented from `level` on.
    pub fn write_notation(&self, level: usize, to: &mut String) {
        match self {
            Self::Null => to.push_str("NULL"),
            Self::Boolean(true) => to.push_str("TRUE"),
            Self::Boolean(false) => to.push_str("FALSE"),
            Self::Integer(_, Some(name)) => to.push_str(name),
            Self::Integer(number, None) => to.push_str(&number.to_string()),
            Self::Bits {
                names: Some(names), ..
            } if names.is_empty() => to.push_str("{}"),
            Self::Bits {
                names: Some(names), ..
            } => {
                let _ = write!(to, "{{ {} }}", names.join(", "));
            }
            Self::Bits { octets, unused, .. } => {
                write_octets(octets, to);
                if *unused > 0 {
                    let _ = write!(to, " -- {unused} bits unused --");
                }
            }
            Self::Octets(octets) | Self::Any(octets) => write_octets(octets, to),
            Self::Identifier(text) => {
                let _ = write!(to, "{{ {} }}", text.replace('.', " "));
                if let Some(name) = identifier_name(text) {
                    let _ = write!(to, " -- {name} --");
                }
            }
            Self::Text(kind, octets) => write_text(kind, octets, to),
            Self::Members(members) => {
                let items = members.iter().map(|(name, value)| (Some(*name), value));
                write_braced(items, level, to);
            }
            Self::List(values) => {
                write_braced(values.iter().map(|value| (None, value)), level, to);
            }
            Self::Choice(name, value) | Self::Explained(name, value) => {
                let _ = write!(to, "{name} : ");
                value.write_notation(level, to);
            }
        }
    }
}

/// The name of an object identifier in dotted form.
#[must_use]
pub fn identifier_name(dotted: &str) -> Option<&'static str> {
    let identifier = dotted.parse().ok()?;
    oids::ALL
        .iter()
        .find(|(_, known)| *known == identifier)
        .map(|(name, _)| *name)
}

/// `{ … }`, one item to a line.
fn write_braced<'v>(
    items: impl Iterator<Item = (Option<&'v str>, &'v Value)>,
    level: usize,
    to: &mut String,
) {
    let mut first = true;
    for (name, value) in items {
        to.push_str(if first { "{\n" } else { ",\n" });
        first = false;
        to.push_str(&"  ".repeat(level + 1));
        if let Some(name) = name {
            to.push_str(name);
            to.push(' ');
        }
        value.write_notation(level + 1, to);
    }
    if first {
        to.push_str("{}");
    } else {
        to.push('\n');
        to.push_str(&"  ".repeat(level));
        to.push('}');
    }
}

/// Octets in hexadecimal.
fn hex(octets: &[u8]) -> String {
    let mut text = String::with_capacity(2 * octets.len());
    for octet in octets {
        let _ = write!(text, "{octet:02X}");
    }
    text
}

/// The SHA-256 of octets, in hexadecimal.
pub(super) fn sha256(octets: &[u8]) -> String {
    hex(&Sha256::digest(octets)).to_lowercase()
}

/// Octets as JSON.
fn octets_json(octets: &Bytes) -> serde_json::Value {
    let readable = |octet: &u8| matches!(octet, b' '..=b'~' | b'\t' | b'\r' | b'\n');
    match octets.get(..OCTETS_SHOWN) {
        None if !octets.is_empty() && octets.iter().all(readable) => json!({
            "length": octets.len(), "hex": hex(octets), "text": String::from_utf8_lossy(octets),
        }),
        None => json!({ "length": octets.len(), "hex": hex(octets) }),
        Some(shown) => json!({
            "length": octets.len(), "hex": hex(shown), "cut": true, "sha256": sha256(octets),
        }),
    }
}

/// Octets in value notation.
fn write_octets(octets: &Bytes, to: &mut String) {
    let shown = octets.get(..OCTETS_SHOWN).unwrap_or(octets);
    let _ = write!(to, "'{}'H", hex(shown));
    let graphic = |octet: &u8| matches!(octet, b' '..=b'~' | b'\r' | b'\n');
    if shown.len() > 3 && shown.iter().all(graphic) {
        write_comment(shown, to);
    }
    if shown.len() < octets.len() {
        let (length, sum) = (octets.len(), sha256(octets));
        let _ = write!(to, " -- cut: {length} octets, SHA-256 {sum} --");
    }
}

/// Octets escaped in a comment, which they cannot end.
fn write_comment(octets: &[u8], to: &mut String) {
    let escaped = octets.escape_ascii().to_string().replace("--", "-\\x2d");
    let _ = write!(to, " -- \"{escaped}\" --");
}

/// The characters of a string of this type, unless its octets are not such characters.
#[must_use]
pub fn characters(kind: &str, octets: &[u8]) -> Option<String> {
    match kind {
        "BMPString" => {
            let (units, rest) = octets.as_chunks::<2>();
            let units: Vec<u16> = units.iter().map(|unit| u16::from_be_bytes(*unit)).collect();
            String::from_utf16(&units).ok().filter(|_| rest.is_empty())
        }
        "UniversalString" => {
            let (units, rest) = octets.as_chunks::<4>();
            let character = |unit: &[u8; 4]| char::from_u32(u32::from_be_bytes(*unit));
            let text: Option<String> = units.iter().map(character).collect();
            text.filter(|_| rest.is_empty())
        }
        "UTF8String" => String::from_utf8(octets.to_vec()).ok(),
        _ if octets.is_ascii() => String::from_utf8(octets.to_vec()).ok(),
        _ => None,
    }
}

/// A character string as JSON: text if it is text, else its octets escaped and in hexadecimal.
fn text_json(kind: &str, octets: &Bytes) -> serde_json::Value {
    if let Some(shown) = octets.get(..TEXT_SHOWN) {
        return json!({
            "length": octets.len(), "text": shown.escape_ascii().to_string(), "cut": true,
            "sha256": sha256(octets),
        });
    }
    match characters(kind, octets) {
        Some(text) => json!(text),
        None => json!({
            "length": octets.len(), "text": octets.escape_ascii().to_string(), "hex": hex(octets),
        }),
    }
}

/// A character string in value notation: quotes doubled, and what is not printable as octets with
/// an escaped comment.
fn write_text(kind: &str, octets: &Bytes, to: &mut String) {
    let shown = octets.get(..TEXT_SHOWN).unwrap_or(octets);
    let text = characters(kind, shown);
    let plain = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
    match text.filter(|text| text.chars().all(plain)) {
        Some(text) => {
            let _ = write!(to, "\"{}\"", text.replace('\r', "").replace('"', "\"\""));
        }
        None => {
            let _ = write!(to, "'{}'H", hex(shown));
            write_comment(shown, to);
        }
    }
    if shown.len() < octets.len() {
        let (length, sum) = (octets.len(), sha256(octets));
        let _ = write!(to, " -- cut: {length} octets, SHA-256 {sum} --");
    }
}
