//! Tags, identifier and length octets, and values framed around large contents: X.690 section 8.1.

use std::fmt;

use crate::octets::Octets;

/// The class of a tag (X.690 section 8.1.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Types defined by X.680 itself.
    Universal,
    /// Types defined by one application, such as X.411.
    Application,
    /// Members of the type at hand.
    Context,
    /// Types of an enterprise.
    Private,
}

/// A tag: a class and a number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag {
    /// The class.
    pub class: Class,
    /// The number.
    pub number: u32,
}

impl Tag {
    /// The tag of end-of-contents octets, which no value has: stands for "the value brings its own".
    pub const NONE: Self = Self::universal(0);
    /// BOOLEAN.
    pub const BOOLEAN: Self = Self::universal(1);
    /// INTEGER.
    pub const INTEGER: Self = Self::universal(2);
    /// BIT STRING.
    pub const BIT_STRING: Self = Self::universal(3);
    /// OCTET STRING.
    pub const OCTET_STRING: Self = Self::universal(4);
    /// NULL.
    pub const NULL: Self = Self::universal(5);
    /// OBJECT IDENTIFIER.
    pub const OBJECT_IDENTIFIER: Self = Self::universal(6);
    /// EXTERNAL and INSTANCE OF.
    pub const EXTERNAL: Self = Self::universal(8);
    /// ENUMERATED.
    pub const ENUMERATED: Self = Self::universal(10);
    /// SEQUENCE and SEQUENCE OF.
    pub const SEQUENCE: Self = Self::universal(16);
    /// SET and SET OF.
    pub const SET: Self = Self::universal(17);

    /// The tag of universal class with this number.
    #[must_use]
    pub const fn universal(number: u32) -> Self {
        Self {
            class: Class::Universal,
            number,
        }
    }

    /// The tag of application class with this number.
    #[must_use]
    pub const fn application(number: u32) -> Self {
        Self {
            class: Class::Application,
            number,
        }
    }

    /// The context-specific tag with this number.
    #[must_use]
    pub const fn context(number: u32) -> Self {
        Self {
            class: Class::Context,
            number,
        }
    }

    /// The tag of private class with this number.
    #[must_use]
    pub const fn private(number: u32) -> Self {
        Self {
            class: Class::Private,
            number,
        }
    }
}

/// The names of the universal types, by number (X.680 table 1).
const UNIVERSAL: [&str; 31] = [
    "end-of-contents",
    "BOOLEAN",
    "INTEGER",
    "BIT STRING",
    "OCTET STRING",
    "NULL",
    "OBJECT IDENTIFIER",
    "ObjectDescriptor",
    "EXTERNAL",
    "REAL",
    "ENUMERATED",
    "EMBEDDED PDV",
    "UTF8String",
    "RELATIVE-OID",
    "TIME",
    "[UNIVERSAL 15]",
    "SEQUENCE",
    "SET",
    "NumericString",
    "PrintableString",
    "TeletexString",
    "VideotexString",
    "IA5String",
    "UTCTime",
    "GeneralizedTime",
    "GraphicString",
    "VisibleString",
    "GeneralString",
    "UniversalString",
    "CHARACTER STRING",
    "BMPString",
];

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = usize::try_from(self.number)
            .ok()
            .and_then(|number| UNIVERSAL.get(number));
        match (self.class, name) {
            (Class::Universal, Some(name)) => f.write_str(name),
            (Class::Universal, None) => write!(f, "[UNIVERSAL {}]", self.number),
            (Class::Application, _) => write!(f, "[APPLICATION {}]", self.number),
            (Class::Context, _) => write!(f, "[{}]", self.number),
            (Class::Private, _) => write!(f, "[PRIVATE {}]", self.number),
        }
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The identifier and length octets of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The tag.
    pub tag: Tag,
    /// Whether the contents are values themselves.
    pub constructed: bool,
    /// How many contents octets follow; `None` is the indefinite form, closed by `00 00`.
    pub length: Option<usize>,
    /// How many octets the header itself takes.
    pub size: usize,
}

/// Why octets are not a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The octets end before the header does.
    #[error("more octets of a tag and length")]
    Truncated,
    /// A tag number above 2^32 - 1.
    #[error("a tag number of at most 32 bits")]
    TagNumber,
    /// A length above the address space, or the reserved first octet `ff`.
    #[error("a length of at most eight octets")]
    Length,
    /// The indefinite form on a primitive value (X.690 section 8.1.3.2).
    #[error("a definite length, as the value is primitive")]
    Indefinite,
}

/// Reads the header at the start of `octets`.
///
/// # Errors
/// Says what was expected instead; [`HeaderError::Truncated`] may be cured by more octets.
pub fn read_header(octets: &[u8]) -> Result<Header, HeaderError> {
    let mut rest = octets.iter().copied();
    let mut next = || rest.next().ok_or(HeaderError::Truncated);
    let first = next()?;
    let class = match first >> 6 {
        0 => Class::Universal,
        1 => Class::Application,
        2 => Class::Context,
        _ => Class::Private,
    };
    let constructed = first & 0x20 != 0;
    let mut size = 1;
    let mut number = u32::from(first & 0x1f);
    if number == 0x1f {
        number = 0;
        loop {
            let octet = next()?;
            size += 1;
            if number > u32::MAX >> 7 {
                return Err(HeaderError::TagNumber);
            }
            number = number << 7 | u32::from(octet & 0x7f);
            if octet & 0x80 == 0 {
                break;
            }
        }
    }
    let first = next()?;
    size += 1;
    let length = match first {
        0..=0x7f => Some(usize::from(first)),
        0x80 if constructed => None,
        0x80 => return Err(HeaderError::Indefinite),
        0xff => return Err(HeaderError::Length),
        _ => {
            let mut length = 0_usize;
            for _ in 0..first & 0x7f {
                let octet = next()?;
                size += 1;
                if length > usize::MAX >> 8 {
                    return Err(HeaderError::Length);
                }
                length = length << 8 | usize::from(octet);
            }
            Some(length)
        }
    };
    Ok(Header {
        tag: Tag { class, number },
        constructed,
        length,
        size,
    })
}

/// The identifier octets of a tag, and the length octets of the definite form in the fewest octets.
#[must_use]
pub fn header(tag: Tag, constructed: bool, length: u64) -> Vec<u8> {
    let mut octets = Vec::with_capacity(12);
    write_identifier(tag, constructed, &mut octets);
    let [.., low] = length.to_be_bytes();
    if length < 0x80 {
        octets.push(low);
    } else {
        let significant = length
            .to_be_bytes()
            .into_iter()
            .skip_while(|&octet| octet == 0);
        let count = significant.clone().fold(0_u8, |count, _| count + 1);
        octets.push(0x80 | count);
        octets.extend(significant);
    }
    octets
}

/// The identifier octets of a constructed value of indefinite length, to be closed by `00 00`.
#[must_use]
pub fn open_header(tag: Tag) -> Vec<u8> {
    let mut octets = Vec::with_capacity(7);
    write_identifier(tag, true, &mut octets);
    octets.push(0x80);
    octets
}

/// Appends identifier octets (X.690 section 8.1.2).
fn write_identifier(tag: Tag, constructed: bool, octets: &mut Vec<u8>) {
    let class: u8 = match tag.class {
        Class::Universal => 0,
        Class::Application => 0x40,
        Class::Context => 0x80,
        Class::Private => 0xc0,
    };
    let first = class | if constructed { 0x20 } else { 0 };
    match u8::try_from(tag.number) {
        Ok(number) if number < 0x1f => octets.push(first | number),
        _ => {
            octets.push(first | 0x1f);
            octets.extend(base128(u64::from(tag.number)));
        }
    }
}

/// `number` in groups of seven bits, all but the last marked as continued.
pub(super) fn base128(number: u64) -> impl Iterator<Item = u8> {
    let groups = (64 - number.leading_zeros()).div_ceil(7).max(1);
    (0..groups).rev().map(move |group| {
        let [.., low] = (number >> (7 * group)).to_be_bytes();
        low & 0x7f | if group > 0 { 0x80 } else { 0 }
    })
}

/// A constructed value of definite length around `contents`, which are not copied.
#[must_use]
pub fn wrap(tag: Tag, contents: Octets) -> Octets {
    frame(tag, true, contents)
}

/// A primitive value of definite length with `contents`, which are not copied.
#[must_use]
pub fn primitive(tag: Tag, contents: Octets) -> Octets {
    frame(tag, false, contents)
}

/// A header and `contents`.
fn frame(tag: Tag, constructed: bool, contents: Octets) -> Octets {
    let mut value = Octets::from(header(tag, constructed, contents.len()));
    value.append(contents);
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn x690_8_1_2_and_3_headers() {
        // The examples are those of X.690 8.1.2.4, 8.1.3.4 and 8.1.3.5, worked by hand.
        assert_eq!(header(Tag::INTEGER, false, 1), [2, 1]);
        assert_eq!(header(Tag::application(0), true, 38), [0x60, 38]);
        assert_eq!(
            header(Tag::SEQUENCE, true, 201),
            [0x30, 0x81, 201],
            "the example of 8.1.3.5 in the fewest octets"
        );
        assert_eq!(
            header(Tag::context(201), false, 0x1_0000),
            [0x9f, 0x81, 0x49, 0x83, 1, 0, 0]
        );
        assert_eq!(open_header(Tag::SET), [0x31, 0x80]);
    }

    #[test]
    fn x690_8_1_3_what_is_no_header() {
        assert_eq!(read_header(&[]), Err(HeaderError::Truncated));
        assert_eq!(read_header(&[0x30]), Err(HeaderError::Truncated));
        assert_eq!(read_header(&[0x30, 0x82, 1]), Err(HeaderError::Truncated));
        assert_eq!(read_header(&[0x30, 0xff]), Err(HeaderError::Length));
        assert_eq!(read_header(&[0x04, 0x80]), Err(HeaderError::Indefinite));
        assert_eq!(
            read_header(&[0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0]),
            Err(HeaderError::TagNumber)
        );
        let mut long = vec![0x30, 0x89, 1];
        long.extend([0; 8]);
        assert_eq!(read_header(&long), Err(HeaderError::Length));
    }

    #[test]
    fn contents_are_wrapped_without_a_copy() {
        let value = wrap(
            Tag::context(1),
            primitive(Tag::OCTET_STRING, Octets::from(&b"hello"[..])),
        );
        assert_eq!(value.to_bytes(), &b"\xa1\x07\x04\x05hello"[..]);
    }

    proptest! {
        #[test]
        fn a_header_written_is_read_back(number in any::<u32>(), constructed: bool, length in 0..u64::from(u32::MAX)) {
            let octets = header(Tag::application(number), constructed, length);
            let read = read_header(&octets).expect("a header");
            prop_assert_eq!(read.tag, Tag::application(number));
            prop_assert_eq!(read.constructed, constructed);
            prop_assert_eq!(read.length, usize::try_from(length).ok());
            prop_assert_eq!(read.size, octets.len());
        }
    }
}
