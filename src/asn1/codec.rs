//! Reading and writing values of ASN.1 types in BER (X.690): what generated code is made of.
//!
//! A [`Source`] is octets the guard has passed. An [`Element`] is one value in it, found but not
//! understood; [`Ber::read`] understands it. A [`Writer`] is filled from the last octet to the
//! first, so that every length is known when it is written, and keeps large contents by reference.

use bytes::Bytes;

use super::error::DecodeError;
use super::guard::{self, Limits, Outline};
use super::tlv::{self, Tag};
use super::value::Value;
use crate::octets::Octets;

/// A type of ASN.1 that can be read from and written in BER.
pub trait Ber: Sized {
    /// The name the ASN.1 gives the type.
    const NAME: &'static str;
    /// The tag; [`Tag::NONE`] for a type whose values bring their own (an untagged CHOICE, ANY).
    const TAG: Tag;

    /// Whether a value of this type may begin with `tag`.
    #[must_use]
    fn accepts(tag: Tag) -> bool {
        tag == Self::TAG
    }

    /// Reads a value. The tag was looked at before and may have been replaced by an implicit one.
    ///
    /// # Errors
    /// Says where the contents are not those of this type.
    fn read(element: &Element<'_>) -> Result<Self, DecodeError>;

    /// Writes a value under `tag`, which is [`Self::TAG`] unless an implicit tag replaces it.
    fn write(&self, tag: Tag, to: &mut Writer);

    /// The value as value notation and JSON show it.
    #[must_use]
    fn show(&self) -> Value;

    /// Whether this is a SEQUENCE OF or SET OF without elements, which an optional member leaves out.
    #[must_use]
    fn is_empty_list(&self) -> bool {
        false
    }
}

/// Fails the build if a type whose values bring their own tags is tagged implicitly.
pub const fn implicit<T: Ber>() {
    assert!(
        T::TAG.number != 0 || !matches!(T::TAG.class, tlv::Class::Universal),
        "an untagged CHOICE or ANY can only be tagged EXPLICIT"
    );
}

/// How a member is tagged within its SEQUENCE, SET or CHOICE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tagging {
    /// By the tag of its own type.
    Own,
    /// By this tag in place of its own.
    Implicit(Tag),
    /// By this tag around its own.
    Explicit(Tag),
}

impl Tagging {
    /// Whether `tag` begins a member of type `T` tagged so.
    #[must_use]
    pub fn accepts<T: Ber>(self, tag: Tag) -> bool {
        match self {
            Self::Own => T::accepts(tag),
            Self::Implicit(own) | Self::Explicit(own) => tag == own,
        }
    }

    /// Reads a member of type `T` tagged so, whose tag is accepted.
    fn read<T: Ber>(self, element: &Element<'_>) -> Result<T, DecodeError> {
        match self {
            Self::Explicit(_) => {
                let inner = element.only(T::NAME)?;
                if T::accepts(inner.tag) {
                    T::read(&inner)
                } else {
                    Err(inner.not(describe::<T>(Self::Own)))
                }
            }
            Self::Own | Self::Implicit(_) => T::read(element),
        }
    }

    /// Writes `value` tagged so.
    pub fn write<T: Ber>(self, value: &T, to: &mut Writer) {
        match self {
            Self::Own => value.write(T::TAG, to),
            Self::Implicit(tag) => value.write(tag, to),
            Self::Explicit(tag) => to.constructed(tag, |to| value.write(T::TAG, to)),
        }
    }
}

/// What an error says a member should have been.
fn describe<T: Ber>(tagging: Tagging) -> String {
    match tagging {
        Tagging::Implicit(tag) | Tagging::Explicit(tag) => format!("{tag} {}", T::NAME),
        Tagging::Own if T::TAG == Tag::NONE || T::TAG.to_string() == T::NAME => T::NAME.to_owned(),
        Tagging::Own => format!("{} {}", T::TAG, T::NAME),
    }
}

/// Octets that the guard has passed.
#[derive(Debug, Clone)]
pub struct Source {
    octets: Bytes,
    outline: Outline,
}

impl Source {
    /// Lets the guard look at the first value of `octets`.
    ///
    /// # Errors
    /// Those of [`guard::check`].
    pub fn new(octets: Bytes, limits: &Limits) -> Result<Self, DecodeError> {
        let outline = guard::check(&octets, limits)?;
        Ok(Self { octets, outline })
    }

    /// How many octets the first value takes.
    #[must_use]
    pub fn length(&self) -> usize {
        self.outline.length
    }

    /// The first value.
    ///
    /// # Errors
    /// None in practice, as the guard has found a value.
    pub fn element(&self) -> Result<Element<'_>, DecodeError> {
        self.element_at(0, self.outline.length)
    }

    /// The value at `at`, in contents that end at `bound`.
    fn element_at(&self, at: usize, bound: usize) -> Result<Element<'_>, DecodeError> {
        let rest = self.octets.get(at..bound).unwrap_or_default();
        let header = tlv::read_header(rest)
            .map_err(|error| DecodeError::new(at, error.to_string(), String::new()))?;
        let start = at.saturating_add(header.size);
        let (contents_end, end) = match header.length {
            Some(length) => {
                let end = start.saturating_add(length);
                (end, end)
            }
            None => {
                let end = self.outline.end_of(start).unwrap_or(bound);
                (end, end.saturating_add(2))
            }
        };
        if end > bound {
            return Err(DecodeError::new(at, "a value that ends here", "more"));
        }
        Ok(Element {
            source: self,
            tag: header.tag,
            constructed: header.constructed,
            at,
            start,
            contents_end,
            end,
        })
    }
}

/// One value in a [`Source`].
#[derive(Debug, Clone, Copy)]
pub struct Element<'s> {
    source: &'s Source,
    /// Its tag.
    pub tag: Tag,
    /// Whether its contents are values themselves.
    pub constructed: bool,
    /// Where it begins.
    pub at: usize,
    /// Where its contents begin.
    start: usize,
    /// Where its contents end.
    contents_end: usize,
    /// Where it ends.
    end: usize,
}

impl<'s> Element<'s> {
    /// The whole value, its header included, shared with the input.
    #[must_use]
    pub fn whole(&self) -> Bytes {
        self.slice(self.at, self.end)
    }

    /// The contents octets, shared with the input.
    #[must_use]
    pub fn contents(&self) -> Bytes {
        self.slice(self.start, self.contents_end)
    }

    fn slice(&self, start: usize, end: usize) -> Bytes {
        if start <= end && end <= self.source.octets.len() {
            self.source.octets.slice(start..end)
        } else {
            Bytes::new()
        }
    }

    /// The contents of a primitive value.
    ///
    /// # Errors
    /// If the value is constructed.
    pub fn primitive(&self, name: &'static str) -> Result<&'s [u8], DecodeError> {
        if self.constructed {
            return Err(self.not(format!("a primitive {name}")));
        }
        let octets = &self.source.octets;
        Ok(octets
            .get(self.start..self.contents_end)
            .unwrap_or_default())
    }

    /// The values within a constructed value.
    ///
    /// # Errors
    /// If the value is primitive.
    pub fn members(&self, name: &'static str) -> Result<Members<'s>, DecodeError> {
        if !self.constructed {
            return Err(self.not(format!("a constructed {name}")));
        }
        Ok(Members {
            source: self.source,
            at: self.start,
            end: self.contents_end,
        })
    }

    /// The one value within an explicit tag.
    ///
    /// # Errors
    /// If there is none, or more than one.
    pub fn only(&self, name: &'static str) -> Result<Element<'s>, DecodeError> {
        let mut members = self.members(name)?;
        let inner = members
            .next()?
            .ok_or_else(|| DecodeError::new(self.at, name, format!("an empty {}", self.tag)))?;
        members.finish(name)?;
        Ok(inner)
    }

    /// Reads the value as a member of a SET, unless it is another member's.
    ///
    /// # Errors
    /// If the member is there already, or its contents are not those of `T`.
    pub fn fill<T: Ber>(
        &self,
        tagging: Tagging,
        name: &'static str,
        slot: &mut Option<T>,
    ) -> Result<bool, DecodeError> {
        if !tagging.accepts::<T>(self.tag) {
            return Ok(false);
        }
        if slot.is_some() {
            return Err(self.not("each member of a SET once").within(name));
        }
        let value = tagging.read(self).map_err(|error| error.within(name))?;
        *slot = Some(value);
        Ok(true)
    }

    /// Reads the value as an alternative of a CHOICE, unless it is another.
    ///
    /// # Errors
    /// If its contents are not those of `T`.
    pub fn alternative<T: Ber>(
        &self,
        tagging: Tagging,
        name: &'static str,
    ) -> Result<Option<T>, DecodeError> {
        if !tagging.accepts::<T>(self.tag) {
            return Ok(None);
        }
        let value = tagging.read(self).map_err(|error| error.within(name))?;
        Ok(Some(value))
    }

    /// The error that this value is not what was `expected`.
    #[must_use]
    pub fn not(&self, expected: impl Into<std::borrow::Cow<'static, str>>) -> DecodeError {
        let form = if self.constructed {
            "a constructed"
        } else {
            "a primitive"
        };
        DecodeError::new(self.at, expected, format!("{form} {}", self.tag))
    }

    /// The error that the contents of this value are not what was `expected`.
    #[must_use]
    pub fn bad(&self, expected: &'static str) -> DecodeError {
        let octets = &self.source.octets;
        let contents = octets
            .get(self.start..self.contents_end)
            .unwrap_or_default();
        let mut found = String::new();
        for octet in contents.iter().take(8) {
            found.push_str(&format!("{octet:02x}"));
        }
        if contents.len() > 8 {
            found.push_str("...");
        }
        if found.is_empty() {
            found.push_str("no octets");
        }
        DecodeError::new(self.start, expected, found)
    }
}

/// The values within a constructed value, one after another.
#[derive(Debug, Clone)]
pub struct Members<'s> {
    source: &'s Source,
    at: usize,
    end: usize,
}

impl<'s> Members<'s> {
    /// The next value, whatever it is.
    ///
    /// # Errors
    /// None in practice, as the guard has walked the values.
    #[allow(clippy::should_implement_trait)] // an iterator of results would be ended by hand at every use
    pub fn next(&mut self) -> Result<Option<Element<'s>>, DecodeError> {
        let next = self.peek()?;
        if let Some(element) = &next {
            self.at = element.end;
        }
        Ok(next)
    }

    /// The next value, left in its place.
    fn peek(&self) -> Result<Option<Element<'s>>, DecodeError> {
        if self.at >= self.end {
            return Ok(None);
        }
        self.source.element_at(self.at, self.end).map(Some)
    }

    /// Reads the next value if it is the member of this name.
    ///
    /// # Errors
    /// If it is, and its contents are not those of `T`.
    pub fn optional<T: Ber>(
        &mut self,
        tagging: Tagging,
        name: &'static str,
    ) -> Result<Option<T>, DecodeError> {
        let Some(element) = self.peek()? else {
            return Ok(None);
        };
        let value = element.alternative(tagging, name)?;
        if value.is_some() {
            self.at = element.end;
        }
        Ok(value)
    }

    /// Reads the next value, which must be the member of this name.
    ///
    /// # Errors
    /// If it is not, or its contents are not those of `T`.
    pub fn required<T: Ber>(
        &mut self,
        tagging: Tagging,
        name: &'static str,
    ) -> Result<T, DecodeError> {
        match self.optional(tagging, name)? {
            Some(value) => Ok(value),
            None => Err(self.missing::<T>(tagging, name)),
        }
    }

    /// A member of a SET that must have been there.
    ///
    /// # Errors
    /// If it was not.
    pub fn needed<T: Ber>(
        &self,
        slot: Option<T>,
        tagging: Tagging,
        name: &'static str,
    ) -> Result<T, DecodeError> {
        slot.ok_or_else(|| self.missing::<T>(tagging, name))
    }

    /// The error that a member is missing here.
    fn missing<T: Ber>(&self, tagging: Tagging, name: &'static str) -> DecodeError {
        let expected = describe::<T>(tagging);
        match self.peek() {
            Ok(Some(element)) => element.not(expected),
            _ => DecodeError::new(self.at, expected, "the end of the value"),
        }
        .within(name)
    }

    /// The values that are left: extension additions (X.680 section 25).
    ///
    /// # Errors
    /// None in practice, as the guard has walked the values.
    pub fn rest(&mut self) -> Result<Vec<super::types::Any>, DecodeError> {
        let mut rest = Vec::new();
        while let Some(element) = self.next()? {
            rest.push(super::types::Any(element.whole()));
        }
        Ok(rest)
    }

    /// Checks that nothing is left.
    ///
    /// # Errors
    /// If something is.
    pub fn finish(&self, name: &'static str) -> Result<(), DecodeError> {
        match self.peek()? {
            Some(element) => Err(element.not(format!("the end of {name}"))),
            None => Ok(()),
        }
    }
}

/// From how many octets on contents are kept by reference.
const SHARED: usize = 2048;

/// Values being written, from the last octet to the first.
#[derive(Debug, Default)]
pub struct Writer {
    /// The octets written since the last shared piece, last first.
    reversed: Vec<u8>,
    /// The pieces behind them, last first.
    pieces: Vec<Bytes>,
    /// How many octets all pieces hold.
    length: usize,
}

impl Writer {
    /// Puts `octets` before what is written.
    pub fn octets(&mut self, octets: &[u8]) {
        self.reversed.extend(octets.iter().rev());
    }

    /// Puts `octets` before what is written, by reference if there are many.
    pub fn shared(&mut self, octets: &Bytes) {
        if octets.len() < SHARED {
            return self.octets(octets);
        }
        self.flush();
        self.length += octets.len();
        self.pieces.push(octets.clone());
    }

    /// Turns what was written last into a piece.
    fn flush(&mut self) {
        if !self.reversed.is_empty() {
            let mut octets = std::mem::take(&mut self.reversed);
            octets.reverse();
            self.length += octets.len();
            self.pieces.push(octets.into());
        }
    }

    /// How many octets are written.
    fn len(&self) -> usize {
        self.length + self.reversed.len()
    }

    /// Puts a primitive value before what is written.
    pub fn primitive(&mut self, tag: Tag, contents: &[u8]) {
        self.octets(contents);
        self.octets(&tlv::header(tag, false, contents.len() as u64));
    }

    /// Puts a primitive value before what is written, its contents by reference if they are many.
    pub fn primitive_shared(&mut self, tag: Tag, contents: &Bytes) {
        self.shared(contents);
        self.octets(&tlv::header(tag, false, contents.len() as u64));
    }

    /// Puts a constructed value before what is written; `members` writes them, last first.
    pub fn constructed(&mut self, tag: Tag, members: impl FnOnce(&mut Self)) {
        let before = self.len();
        members(self);
        let length = self.len() - before;
        self.octets(&tlv::header(tag, true, length as u64));
    }

    /// Puts an optional member before what is written, unless it is absent or, but for `empty`, an
    /// empty list.
    pub fn optional<T: Ber>(&mut self, tagging: Tagging, value: Option<&T>, empty: bool) {
        if let Some(value) = value.filter(|value| empty || !value.is_empty_list()) {
            tagging.write(value, self);
        }
    }

    /// What is written, in order.
    #[must_use]
    pub fn into_octets(mut self) -> Octets {
        self.flush();
        let mut octets = Octets::new();
        for piece in self.pieces.into_iter().rev() {
            octets.push(piece);
        }
        octets
    }
}
