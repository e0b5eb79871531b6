//! Addresses: O/R addresses in text, and the mapping between them and mailboxes.
//!
//! The files stand in the order of RFC 2156 chapter 4; the index is in [`super`].

pub mod attributes;
pub mod mcgam;
pub mod or_address;
pub mod personal_name;
pub mod prefix;
pub mod psap;
pub mod syntax;

pub use attributes::{Attribute, Attributes, Key};
