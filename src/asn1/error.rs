//! What a decoding says when octets are not what a type wants: where, and what was expected.

use std::borrow::Cow;
use std::fmt;

/// Octets that are not an encoding of the type wanted. It is always the sender's fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeError {
    /// Where, in octets from the start of the input.
    pub offset: usize,
    /// What the type, or X.690, wants there.
    pub expected: Cow<'static, str>,
    /// What is there instead; empty if the octets end.
    pub found: String,
    /// The members that lead there, innermost first, as the ASN.1 names them.
    pub path: Vec<&'static str>,
    /// The clause that wants it, of which standard; empty if that is not known.
    pub clause: &'static str,
}

impl DecodeError {
    /// An error at `offset`.
    #[must_use]
    pub fn new(
        offset: usize,
        expected: impl Into<Cow<'static, str>>,
        found: impl Into<String>,
    ) -> Self {
        Self {
            offset,
            expected: expected.into(),
            found: found.into(),
            path: Vec::new(),
            clause: "",
        }
    }

    /// Says that the error lies within the member or type of this name.
    #[must_use]
    pub fn within(mut self, name: &'static str) -> Self {
        self.path.push(name);
        self
    }

    /// Says which clause wants it, unless one closer to the octets was named.
    #[must_use]
    pub fn by(mut self, clause: &'static str) -> Self {
        if self.clause.is_empty() {
            self.clause = clause;
        }
        self
    }

    /// The error as seen from an input in which this one begins at `offset`.
    #[must_use]
    pub fn moved(mut self, offset: usize) -> Self {
        self.offset = self.offset.saturating_add(offset);
        self
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "octet {}", self.offset)?;
        for (index, name) in self.path.iter().rev().enumerate() {
            write!(f, "{}{name}", if index == 0 { " (" } else { "." })?;
        }
        if !self.path.is_empty() {
            f.write_str(")")?;
        }
        write!(f, ": expected {}", self.expected)?;
        if self.found.is_empty() {
            f.write_str(", found the end")?;
        } else {
            write!(f, ", found {}", self.found)?;
        }
        if self.clause.is_empty() {
            return Ok(());
        }
        write!(f, " ({})", self.clause)
    }
}

impl std::error::Error for DecodeError {}
