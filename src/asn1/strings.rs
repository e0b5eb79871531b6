//! The character strings, times and OCTET STRING: raw octets, shared with what they were read from.

use std::fmt;

use bytes::{Bytes, BytesMut};

use super::codec::{Ber, Element, Members, Writer};
use super::error::DecodeError;
use super::tlv::{self, Tag};
use super::value::Value;

/// The octets of a string, whose segments are put together if it is constructed
/// (X.690 section 8.7.3). A single segment is shared with the input.
pub(super) fn string_octets(
    element: &Element<'_>,
    name: &'static str,
) -> Result<Bytes, DecodeError> {
    if !element.constructed {
        return Ok(element.contents());
    }
    let mut whole = BytesMut::new();
    let mut single = Bytes::new();
    segments(element, name, &mut |segment| {
        if whole.is_empty() && single.is_empty() {
            single = segment.contents();
        } else {
            if whole.is_empty() {
                whole.extend_from_slice(&single);
            }
            whole.extend_from_slice(&segment.contents());
        }
        Ok(())
    })?;
    Ok(if whole.is_empty() {
        single
    } else {
        whole.freeze()
    })
}

/// Hands each primitive segment of a constructed string to `take`, in order.
pub(super) fn segments(
    element: &Element<'_>,
    name: &'static str,
    take: &mut dyn FnMut(&Element<'_>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let mut open: Vec<Members<'_>> = vec![element.members(name)?];
    while let Some(inner) = open.last_mut() {
        match inner.next()? {
            None => {
                open.pop();
            }
            Some(segment) if segment.tag.class != tlv::Class::Universal => {
                return Err(segment.not(format!("a segment of {name}")));
            }
            Some(segment) if segment.constructed => open.push(segment.members(name)?),
            Some(segment) => take(&segment)?,
        }
    }
    Ok(())
}

/// Defines the string types: name, tag number, what it is.
macro_rules! strings {
    ($($name:ident, $notation:literal, $tag:expr, $what:literal;)*) => {$(
        #[doc = concat!($what, ": raw octets.")]
        #[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Bytes);

        impl $name {
            /// The octets.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8] {
                &self.0
            }

            /// The text, if every octet is ASCII.
            #[must_use]
            pub fn as_str(&self) -> Option<&str> {
                std::str::from_utf8(&self.0).ok().filter(|text| text.is_ascii())
            }

            /// How many octets there are.
            #[must_use]
            pub fn len(&self) -> usize {
                self.0.len()
            }

            /// Whether there are no octets.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.0.is_empty()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let shown = self.0.get(..200).unwrap_or(&self.0);
                write!(f, "{}(\"{}\"", stringify!($name), shown.escape_ascii())?;
                if shown.len() < self.0.len() {
                    write!(f, "... {} octets", self.0.len())?;
                }
                f.write_str(")")
            }
        }

        impl From<Bytes> for $name {
            fn from(octets: Bytes) -> Self {
                Self(octets)
            }
        }

        impl From<Vec<u8>> for $name {
            fn from(octets: Vec<u8>) -> Self {
                Self(octets.into())
            }
        }

        impl From<&[u8]> for $name {
            fn from(octets: &[u8]) -> Self {
                Self(Bytes::copy_from_slice(octets))
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }
    )*};
}

/// Defines the coding of the character string and time types.
macro_rules! characters {
    ($($name:ident, $notation:literal, $tag:expr, $what:literal;)*) => {
        strings! { $($name, $notation, $tag, $what;)* }
        $(
        impl Ber for $name {
            const NAME: &'static str = $notation;
            const TAG: Tag = Tag::universal($tag);

            fn read(element: &Element<'_>) -> Result<Self, DecodeError> {
                string_octets(element, Self::NAME).map(Self)
            }

            fn write(&self, tag: Tag, to: &mut Writer) {
                to.primitive_shared(tag, &self.0);
            }

            fn show(&self) -> Value {
                Value::Text(Self::NAME, self.0.clone())
            }
        }
        )*
    };
}

characters! {
    ObjectDescriptor, "ObjectDescriptor", 7, "A description for people";
    UTF8String, "UTF8String", 12, "Characters in UTF-8";
    NumericString, "NumericString", 18, "Digits and spaces";
    PrintableString, "PrintableString", 19, "Letters, digits and the punctuation of telegraphy";
    TeletexString, "TeletexString", 20, "Characters of T.61 and ISO 2022";
    VideotexString, "VideotexString", 21, "Characters of T.100 and T.101";
    IA5String, "IA5String", 22, "Characters of IA5, that is ASCII with its controls";
    UTCTime, "UTCTime", 23, "A time with a year of two digits";
    GeneralizedTime, "GeneralizedTime", 24, "A time with a year of four digits";
    GraphicString, "GraphicString", 25, "Graphic characters of ISO 2022";
    VisibleString, "VisibleString", 26, "The graphic characters of ASCII";
    GeneralString, "GeneralString", 27, "Graphic and control characters of ISO 2022";
    UniversalString, "UniversalString", 28, "Characters of ISO 10646 in four octets each";
    BMPString, "BMPString", 30, "Characters of ISO 10646 in two octets each";
}

/// Defines construction from Rust text for the types whose octets are that text.
macro_rules! from_text {
    ($($name:ident)*) => {$(
        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(Bytes::copy_from_slice(text.as_bytes()))
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }
    )*};
}

from_text! { ObjectDescriptor UTF8String NumericString PrintableString IA5String UTCTime GeneralizedTime VisibleString }

strings! {
    OctetString, "OCTET STRING", 4, "OCTET STRING";
}

impl Ber for OctetString {
    const NAME: &'static str = "OCTET STRING";
    const TAG: Tag = Tag::OCTET_STRING;

    fn read(element: &Element<'_>) -> Result<Self, DecodeError> {
        string_octets(element, Self::NAME).map(Self)
    }

    fn write(&self, tag: Tag, to: &mut Writer) {
        to.primitive_shared(tag, &self.0);
    }

    fn show(&self) -> Value {
        Value::Octets(self.0.clone())
    }
}
