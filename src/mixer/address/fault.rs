//! What is wrong with an O/R address: where in its text, by which clause, and what.
//!
//! RFC 2156 sections 4.1 and 4.3.4: the one error of reading an address and of judging it.

use std::ops::Range;

use super::attributes::Attribute;

/// What is wrong with an address, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}{}", .span.as_ref().map(|span| format!(" at offset {}", span.start)).unwrap_or_default())]
pub struct Fault {
    /// The octets at fault, of the text as its writer gave it; `None` if the address was no text.
    pub span: Option<Range<usize>>,
    /// The clause it offends; one without the name of a text is a section of RFC 2156.
    pub clause: &'static str,
    /// What was found and what was expected.
    pub text: String,
}

impl Fault {
    /// A fault without a place.
    #[must_use]
    pub fn new(clause: &'static str, text: impl Into<String>) -> Self {
        Self {
            span: None,
            clause,
            text: text.into(),
        }
    }

    /// A fault of these octets of the text.
    #[must_use]
    pub fn at(span: Range<usize>, clause: &'static str, text: impl Into<String>) -> Self {
        Self {
            span: Some(span),
            ..Self::new(clause, text)
        }
    }

    /// A fault of an attribute.
    #[must_use]
    pub fn of(attribute: &Attribute, clause: &'static str, text: impl Into<String>) -> Self {
        Self {
            span: attribute.span.clone(),
            ..Self::new(clause, text)
        }
    }

    /// The same fault of a text that begins `offset` octets further on.
    #[must_use]
    pub fn further(mut self, offset: usize) -> Self {
        self.span = self.span.map(|span| span.start + offset..span.end + offset);
        self
    }

    /// Octets before the fault; 0 if it has no place.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.span.as_ref().map_or(0, |span| span.start)
    }
}

/// A line of carets to stand below `text`, under these octets of it.
#[must_use]
pub fn carets(text: &str, span: Range<usize>) -> Option<String> {
    let columns = |range: Range<usize>| Some(text.get(range)?.chars().count());
    let end = span.end.min(text.len());
    let blank = " ".repeat(columns(0..span.start)?);
    Some(blank + &"^".repeat(columns(span.start..end.max(span.start))?.max(1)))
}
