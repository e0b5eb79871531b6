//! A value of any ASN.1 type as a tree, for people and programs to read.

use bytes::Bytes;

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
    /// Octets explained further: what they are, and the value in them.
    Explained(&'static str, Box<Value>),
}
