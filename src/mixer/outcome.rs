//! What a conversion says of itself: the ledger of what went where, and refusals.
//!
//! RFC 2156 section 1.4: information is never discarded silently. Whatever a conversion maps,
//! carries aside or leaves behind stands in its [`Ledger`], which `--explain` prints.

use serde::Serialize;

use super::address::prefix::Prefix;
pub use crate::rfc822::Status;

/// Why a message or a recipient cannot be converted, in the words of both worlds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize)]
#[error("{text} (RFC 2156 section {section}, status {status})")]
pub struct Refusal {
    /// The clause that decides, e.g. `4.3.4` (RFC 2156) or `RFC 2157 3.1.1`.
    pub section: &'static str,
    /// RFC 3463 status for SMTP replies and DSNs.
    pub status: Status,
    /// X.411 non-delivery-reason-code.
    pub reason: u32,
    /// X.411 non-delivery-diagnostic-code, if one applies.
    pub diagnostic: Option<u32>,
    /// What is wrong and where, for a person.
    pub text: String,
}

/// Why there is no result: answers are missing, or there can be none.
///
/// A conversion that needs a name service asks all it can ask at once; the gateway finds the
/// answers and calls again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unconverted {
    /// Answers to be found first.
    #[error("{} answers of name services are missing", .0.len())]
    Missing(Vec<Question>),
    /// It cannot be converted.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// What a conversion asks a name service (RFC 2156 section 4.2.1; RFC 2163, RFC 2164).
///
/// One question is for the mapping and for the preferred gateway: a name has one or the other.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum Question {
    /// The O/R address equivalent to the longest part of a domain, or the gateway preferred for it
    /// (tables 1 and 3).
    Domain(String),
    /// The domain equivalent to the deepest prefix of an O/R address, in the text of appendix F, or the
    /// gateway preferred for it (tables 2 and 4).
    Address(String),
}

/// What name services know of a [`Question`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The longest match: one, or several of which the first is to be preferred.
    Found(Vec<Match>),
    /// There is none, which is as certain as a table without a line.
    Nothing,
    /// It could not be found out, and why. Section 4.2.1: envelopes wait, headings wait for a while.
    Unanswered(String),
}

/// A point that is equivalent in both worlds, or the gateway preferred for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// Asked for a domain: this domain, or one it is in; else what was looked for.
    pub domain: String,
    /// Asked for an O/R address: this, or a prefix of it; else what was looked for.
    pub address: Prefix,
    /// Whether what was looked for is a gateway (tables 3 and 4), not an equivalent.
    pub gateway: bool,
    /// Where it stands, as rules name it: `PX *.net2.it TTL 300`.
    pub place: String,
}

/// Something carried aside or left behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// The field, element or value, e.g. `X-Mailer`.
    pub what: String,
    /// Where it went, e.g. `rfc-822-field extension`; or why it stays behind.
    #[serde(rename = "where")]
    pub place: String,
    /// The clause that says so.
    pub section: &'static str,
    /// Whether the other side can no longer see it.
    pub lost: bool,
}

/// A field of one side that became an element of the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldMapping {
    /// Name on the side it came from.
    pub from: String,
    /// Name on the side it went to.
    pub to: String,
    /// The clause that says so.
    pub section: &'static str,
}

/// A body part of one side that became one of the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PartMapping {
    /// Media type, or body part type.
    pub from: String,
    /// Body part type, or media type.
    pub to: String,
    /// The clause that says so.
    pub section: &'static str,
    /// Decoded octets of the content.
    pub octets: u64,
    /// SHA-256 of the decoded octets, lower-case hexadecimal; absent unless it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// What became of one envelope recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecipientMapping {
    /// The address as it came.
    pub address: String,
    /// The address on the other side; absent when refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mapped: Option<String>,
    /// The rule that decided: a table line, `std-or`, `RFC-822 DDA`, `encapsulation` …
    pub rule: String,
    /// Mapped or refused.
    pub outcome: RecipientOutcome,
    /// The clause of RFC 2156.
    pub section: &'static str,
    /// RFC 3463 status, of a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// X.411 reason code, of a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<u32>,
    /// X.411 diagnostic code, of a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diagnostic: Option<u32>,
}

impl RecipientMapping {
    /// A recipient that has none, for this reason.
    #[must_use]
    pub fn refused(address: String, refusal: &Refusal) -> Self {
        Self {
            address,
            mapped: None,
            rule: refusal.text.clone(),
            outcome: RecipientOutcome::Refused,
            section: refusal.section,
            status: Some(refusal.status),
            reason: Some(refusal.reason),
            diagnostic: refusal.diagnostic,
        }
    }
}

/// Whether a recipient goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RecipientOutcome {
    /// It has an address on the other side.
    Mapped,
    /// It has none; its status, reason and diagnostic say why.
    Refused,
}

/// Where everything went: the record a conversion keeps as it works.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Ledger {
    /// Envelope recipients.
    pub recipients: Vec<RecipientMapping>,
    /// Fields mapped to elements and back.
    pub fields: Vec<FieldMapping>,
    /// Things carried aside or left behind.
    pub notes: Vec<Note>,
    /// Body parts.
    pub parts: Vec<PartMapping>,
}

impl Ledger {
    /// Records a field or element that became an element or field.
    pub fn field(&mut self, from: impl Into<String>, to: impl Into<String>, section: &'static str) {
        self.fields.push(FieldMapping {
            from: from.into(),
            to: to.into(),
            section,
        });
    }

    /// Records something carried aside or left behind.
    pub fn note(
        &mut self,
        what: impl Into<String>,
        place: impl Into<String>,
        section: &'static str,
        lost: bool,
    ) {
        self.notes.push(Note {
            what: what.into(),
            place: place.into(),
            section,
            lost,
        });
    }
}
