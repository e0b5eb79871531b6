//! The built-in types of ASN.1 as X.400 needs them: what came is kept octet for octet.
//!
//! Character strings and times are raw octets, because deployed systems put more into them than
//! X.680 allows and one `@` must not refuse an envelope. Object identifiers are raw as well, because
//! arcs above 32 bits are in use. Long contents share the octets they were read from.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use bytes::{Bytes, BytesMut};

use super::codec::{Ber, Element, Source, Writer};
use super::error::DecodeError;
use super::guard::Limits;
use super::strings::{segments, string_octets};
use super::tlv::{self, Tag};
use super::value::Value;

pub use super::strings::*;

/// A value of any type, kept as its whole encoding (ANY, an open type, an unknown element).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Any(pub Bytes);

impl Any {
    /// The value of a type at hand.
    #[must_use]
    pub fn of<T: Ber>(value: &T) -> Self {
        Self(super::encode(value))
    }

    /// The value read as a `T`.
    ///
    /// # Errors
    /// If it is none.
    pub fn decode<T: Ber>(&self) -> Result<T, DecodeError> {
        super::decode(&self.0)
    }

    /// The octets of the value, if it is an OCTET STRING or a character string.
    #[must_use]
    pub fn string_octets(&self) -> Option<Bytes> {
        let tag = self.tag();
        let is_string = tag.class == tlv::Class::Universal
            && matches!(tag.number, 4 | 7 | 12 | 18..=22 | 25..=28 | 30);
        let source = Source::new(self.0.clone(), &Limits::DEFAULT).ok()?;
        let element = source.element().ok().filter(|_| is_string)?;
        string_octets(&element, "OCTET STRING").ok()
    }

    /// The tag of the value.
    #[must_use]
    pub fn tag(&self) -> Tag {
        tlv::read_header(&self.0).map_or(Tag::NONE, |header| header.tag)
    }
}

impl Default for Any {
    /// NULL.
    fn default() -> Self {
        Self(Bytes::from_static(&[5, 0]))
    }
}

impl fmt::Debug for Any {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Any({})", Hex(&self.0))
    }
}

impl Ber for Any {
    const NAME: &'static str = "ANY";
    const TAG: Tag = Tag::NONE;

    fn accepts(_: Tag) -> bool {
        true
    }

    fn read(element: &Element<'_>) -> Result<Self, DecodeError> {
        Ok(Self(element.whole()))
    }

    fn write(&self, _: Tag, to: &mut Writer) {
        to.shared(&self.0);
    }

    fn show(&self) -> Value {
        Value::Any(self.0.clone())
    }
}

/// Octets as hexadecimal digits, at most sixty-four of them.
struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for octet in self.0.iter().take(64) {
            write!(f, "{octet:02x}")?;
        }
        if self.0.len() > 64 {
            write!(f, "... {} octets", self.0.len())?;
        }
        Ok(())
    }
}

/// NULL.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Null;

impl Ber for Null {
    const NAME: &'static str = "NULL";
    const TAG: Tag = Tag::NULL;

    fn read(element: &Element<'_>) -> Result<Self, DecodeError> {
        match element.primitive(Self::NAME)? {
            [] => Ok(Self),
            _ => Err(element.bad("no contents of NULL")),
        }
    }

    fn write(&self, tag: Tag, to: &mut Writer) {
        to.primitive(tag, &[]);
    }

    fn show(&self) -> Value {
        Value::Null
    }
}

impl Ber for bool {
    const NAME: &'static str = "BOOLEAN";
    const TAG: Tag = Tag::BOOLEAN;

    fn read(element: &Element<'_>) -> Result<Self, DecodeError> {
        match element.primitive(Self::NAME)? {
            [octet] => Ok(*octet != 0),
            _ => Err(element.bad("one octet of BOOLEAN")),
        }
    }

    fn write(&self, tag: Tag, to: &mut Writer) {
        to.primitive(tag, &[if *self { 0xff } else { 0 }]);
    }

    fn show(&self) -> Value {
        Value::Boolean(*self)
    }
}

/// INTEGER: no number of X.400 needs more than 64 bits.
impl Ber for i64 {
    const NAME: &'static str = "INTEGER";
    const TAG: Tag = Tag::INTEGER;

    fn read(element: &Element<'_>) -> Result<Self, DecodeError> {
        let octets = element.primitive(Self::NAME)?;
        let Some(&first) = octets.first() else {
            return Err(element.bad("at least one octet of INTEGER"));
        };
        let negative = first & 0x80 != 0;
        let padding = if negative { 0xff } else { 0 };
        // Leading octets that only repeat the sign are in use, although X.690 8.3.2 forbids them.
        let significant = octets.iter().skip_while(|&&octet| octet == padding);
        if significant.clone().count() > 8 {
            return Err(element.bad("an INTEGER of at most 64 bits"));
        }
        let start: i128 = if negative { -1 } else { 0 };
        let number = significant.fold(start, |number, &octet| number << 8 | i128::from(octet));
        Self::try_from(number).map_err(|_| element.bad("an INTEGER of at most 64 bits"))
    }

    fn write(&self, tag: Tag, to: &mut Writer) {
        let octets = self.to_be_bytes();
        let mut significant = octets.as_slice();
        while let [first, rest @ ..] = significant {
            let redundant = rest.first().is_some_and(|next| match first {
                0 => next & 0x80 == 0,
                0xff => next & 0x80 != 0,
                _ => false,
            });
            if !redundant {
                break;
            }
            significant = rest;
        }
        to.primitive(tag, significant);
    }

    fn show(&self) -> Value {
        Value::Integer(*self, None)
    }
}

/// BIT STRING.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct BitString {
    /// The octets; the first bit is the highest of the first octet.
    pub octets: Bytes,
    /// How many bits of the last octet do not count: 0 to 7.
    pub unused: u8,
}

impl BitString {
    /// Whole octets in which these bits are one and all others zero.
    #[must_use]
    pub fn of(ones: &[u32]) -> Self {
        let mut octets = Vec::new();
        for &bit in ones {
            let Ok(index) = usize::try_from(bit / 8) else {
                continue;
            };
            if octets.len() <= index {
                octets.resize(index + 1, 0_u8);
            }
            if let Some(octet) = octets.get_mut(index) {
                *octet |= 0x80 >> (bit % 8);
            }
        }
        Self {
            octets: octets.into(),
            unused: 0,
        }
    }

    /// Whether this bit is one; a bit beyond the end is zero.
    #[must_use]
    pub fn contains(&self, bit: u32) -> bool {
        let octet = usize::try_from(bit / 8)
            .ok()
            .and_then(|index| self.octets.get(index));
        octet.is_some_and(|octet| octet & 0x80 >> (bit % 8) != 0)
    }

    /// The bits that are one.
    pub fn ones(&self) -> impl Iterator<Item = u32> + '_ {
        let bits = u32::try_from(self.octets.len().saturating_mul(8)).unwrap_or(u32::MAX);
        (0..bits).filter(|&bit| self.contains(bit))
    }
}

impl fmt::Debug for BitString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BitString({} unused {})", Hex(&self.octets), self.unused)
    }
}

impl Ber for BitString {
    const NAME: &'static str = "BIT STRING";
    const TAG: Tag = Tag::BIT_STRING;

    fn read(element: &Element<'_>) -> Result<Self, DecodeError> {
        let one = |segment: &Element<'_>| {
            let contents = segment.contents();
            match contents.first() {
                Some(&unused) if unused < 8 && (unused == 0 || contents.len() > 1) => Ok(Self {
                    octets: contents.slice(1..),
                    unused,
                }),
                _ => Err(segment.bad("a count of unused bits and then the bits")),
            }
        };
        if !element.constructed {
            return one(element);
        }
        let mut whole: Option<(BytesMut, u8)> = None;
        segments(element, Self::NAME, &mut |segment| {
            let part = one(segment)?;
            let (octets, unused) = whole.get_or_insert_default();
            if *unused != 0 {
                return Err(segment.bad("unused bits in the last segment only"));
            }
            octets.extend_from_slice(&part.octets);
            *unused = part.unused;
            Ok(())
        })?;
        let (octets, unused) = whole.unwrap_or_default();
        Ok(Self {
            octets: octets.freeze(),
            unused,
        })
    }

    fn write(&self, tag: Tag, to: &mut Writer) {
        let length = self.octets.len() as u64 + 1;
        to.shared(&self.octets);
        to.octets(&[self.unused]);
        to.octets(&tlv::header(tag, false, length));
    }

    fn show(&self) -> Value {
        Value::Bits {
            octets: self.octets.clone(),
            unused: self.unused,
            names: None,
        }
    }
}

/// OBJECT IDENTIFIER, as its contents octets (X.690 section 8.19).
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectIdentifier(Cow<'static, [u8]>);

impl ObjectIdentifier {
    /// The identifier with these contents octets.
    #[must_use]
    pub const fn from_contents(contents: &'static [u8]) -> Self {
        Self(Cow::Borrowed(contents))
    }

    /// The contents octets.
    #[must_use]
    pub fn contents(&self) -> &[u8] {
        &self.0
    }

    /// Whether this is `root` or lies below it.
    #[must_use]
    pub fn starts_with(&self, root: &Self) -> bool {
        self.0.starts_with(&root.0)
    }

    /// The arcs; one above 2^128 - 1 is given as that.
    #[must_use]
    pub fn arcs(&self) -> Vec<u128> {
        let mut arcs = Vec::new();
        let mut arc = 0_u128;
        for &octet in self.0.iter() {
            arc = if arc > u128::MAX >> 7 {
                u128::MAX
            } else {
                arc << 7 | u128::from(octet & 0x7f)
            };
            if octet & 0x80 != 0 {
                continue;
            }
            if arcs.is_empty() {
                let root = (arc / 40).min(2);
                arcs.push(root);
                arcs.push(arc - 40 * root);
            } else {
                arcs.push(arc);
            }
            arc = 0;
        }
        arcs
    }

    /// The identifier of these arcs; `None` if no identifier has them.
    #[must_use]
    pub fn from_arcs(arcs: &[u64]) -> Option<Self> {
        let [first, second, rest @ ..] = arcs else {
            return None;
        };
        if *first > 2 || (*first < 2 && *second >= 40) {
            return None;
        }
        let root = (first * 40).checked_add(*second)?;
        let mut contents: Vec<u8> = tlv::base128(root).collect();
        for &arc in rest {
            contents.extend(tlv::base128(arc));
        }
        Some(Self(contents.into()))
    }
}

impl fmt::Display for ObjectIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, arc) in self.arcs().into_iter().enumerate() {
            if index > 0 {
                f.write_str(".")?;
            }
            write!(f, "{arc}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for ObjectIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectIdentifier({self})")
    }
}

/// Text that is not the dotted form of an object identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an object identifier in dotted form")]
pub struct NotAnIdentifier;

impl FromStr for ObjectIdentifier {
    type Err = NotAnIdentifier;

    fn from_str(text: &str) -> Result<Self, NotAnIdentifier> {
        let arcs: Result<Vec<u64>, _> = text.split('.').map(str::parse).collect();
        let arcs = arcs.map_err(|_| NotAnIdentifier)?;
        Self::from_arcs(&arcs).ok_or(NotAnIdentifier)
    }
}

impl Ber for ObjectIdentifier {
    const NAME: &'static str = "OBJECT IDENTIFIER";
    const TAG: Tag = Tag::OBJECT_IDENTIFIER;

    fn read(element: &Element<'_>) -> Result<Self, DecodeError> {
        let contents = element.primitive(Self::NAME)?;
        match contents.last() {
            Some(last) if last & 0x80 == 0 => Ok(Self(contents.to_vec().into())),
            _ => Err(element.bad("whole arcs of an OBJECT IDENTIFIER")),
        }
    }

    fn write(&self, tag: Tag, to: &mut Writer) {
        to.primitive(tag, &self.0);
    }

    fn show(&self) -> Value {
        Value::Identifier(self.to_string())
    }
}

/// Reads the elements of a SEQUENCE OF or SET OF.
fn read_list<T: Ber>(element: &Element<'_>, name: &'static str) -> Result<Vec<T>, DecodeError> {
    let mut members = element.members(name)?;
    let mut list = Vec::new();
    while let Some(member) = members.next()? {
        match member.alternative(super::codec::Tagging::Own, T::NAME)? {
            Some(value) => list.push(value),
            None => return Err(member.not(T::NAME).within(T::NAME)),
        }
    }
    Ok(list)
}

/// SEQUENCE OF.
impl<T: Ber> Ber for Vec<T> {
    const NAME: &'static str = "SEQUENCE OF";
    const TAG: Tag = Tag::SEQUENCE;

    fn read(element: &Element<'_>) -> Result<Self, DecodeError> {
        read_list(element, Self::NAME)
    }

    fn write(&self, tag: Tag, to: &mut Writer) {
        to.constructed(tag, |to| {
            for value in self.iter().rev() {
                value.write(T::TAG, to);
            }
        });
    }

    fn show(&self) -> Value {
        Value::List(self.iter().map(Ber::show).collect())
    }

    fn is_empty_list(&self) -> bool {
        self.is_empty()
    }
}

/// A member that is kept apart because it is large and mostly absent.
impl<T: Ber> Ber for Box<T> {
    const NAME: &'static str = T::NAME;
    const TAG: Tag = T::TAG;

    fn accepts(tag: Tag) -> bool {
        T::accepts(tag)
    }

    fn read(element: &Element<'_>) -> Result<Self, DecodeError> {
        T::read(element).map(Self::new)
    }

    fn write(&self, tag: Tag, to: &mut Writer) {
        T::write(self, tag, to);
    }

    fn show(&self) -> Value {
        T::show(self)
    }

    fn is_empty_list(&self) -> bool {
        T::is_empty_list(self)
    }
}

/// SET OF: the order of the elements means nothing and is kept all the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SetOf<T>(pub Vec<T>);

impl<T> Default for SetOf<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> std::ops::Deref for SetOf<T> {
    type Target = Vec<T>;

    fn deref(&self) -> &Vec<T> {
        &self.0
    }
}

impl<T> std::ops::DerefMut for SetOf<T> {
    fn deref_mut(&mut self) -> &mut Vec<T> {
        &mut self.0
    }
}

impl<T> From<Vec<T>> for SetOf<T> {
    fn from(elements: Vec<T>) -> Self {
        Self(elements)
    }
}

impl<T> FromIterator<T> for SetOf<T> {
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Self {
        Self(elements.into_iter().collect())
    }
}

impl<T> IntoIterator for SetOf<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, T> IntoIterator for &'a SetOf<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<T: Ber> Ber for SetOf<T> {
    const NAME: &'static str = "SET OF";
    const TAG: Tag = Tag::SET;

    fn read(element: &Element<'_>) -> Result<Self, DecodeError> {
        read_list(element, Self::NAME).map(Self)
    }

    fn write(&self, tag: Tag, to: &mut Writer) {
        self.0.write(tag, to);
    }

    fn show(&self) -> Value {
        self.0.show()
    }

    fn is_empty_list(&self) -> bool {
        self.0.is_empty()
    }
}
