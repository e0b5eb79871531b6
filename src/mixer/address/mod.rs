//! Addresses: O/R addresses in text, and the mapping between them and mailboxes.
//!
//! The files stand in the order of RFC 2156 chapter 4; the index is in [`super`].

pub mod attributes;
pub mod descriptor;
pub mod directory_name;
pub mod envelope;
pub mod explain;
pub mod fault;
pub mod identifier;
pub mod imcea;
pub mod mcgam;
pub mod or_address;
pub mod personal_name;
pub mod prefix;
pub mod psap;
pub mod px;
pub mod repeated;
pub mod styles;
pub mod syntax;
pub mod tables;
pub mod to_rfc822;
pub mod to_x400;
pub mod wire;

pub use attributes::{Attribute, Attributes, Key};
pub use fault::Fault;

use super::outcome::{Note, RecipientMapping, RecipientOutcome, Refusal, Status};

/// An address of the other side, and how it came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapped<T> {
    /// The address.
    pub value: T,
    /// The rule that decided: a table line (`table1:12`), `std-or`, `RFC-822 DDA`, `encapsulation` …
    pub rule: String,
    /// The clause of RFC 2156.
    pub section: &'static str,
    /// What was carried aside or left behind.
    pub notes: Vec<Note>,
}

impl<T> Mapped<T> {
    /// What the ledger says of a recipient at `address`, for whom this address, in text, was found.
    #[must_use]
    pub fn recipient(&self, address: String, mapped: String) -> RecipientMapping {
        RecipientMapping {
            address,
            mapped: Some(mapped),
            rule: self.rule.clone(),
            outcome: RecipientOutcome::Mapped,
            section: self.section,
            status: None,
            reason: None,
            diagnostic: None,
        }
    }

    /// The same mapping with the address in another form.
    #[must_use]
    pub fn map<U>(self, form: impl FnOnce(T) -> U) -> Mapped<U> {
        Mapped {
            value: form(self.value),
            rule: self.rule,
            section: self.section,
            notes: self.notes,
        }
    }
}

/// What an address is for; it decides how the rest of an O/R address is made (section 4.3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Where errors go: the SMTP reverse-path, the MTS originator.
    ReturnPath,
    /// An envelope recipient.
    Recipient,
    /// An address of the heading.
    Heading,
}

/// An address that cannot be mapped: X.411 unable-to-transfer, unrecognised-OR-name.
fn refusal(role: Role, section: &'static str, text: String) -> Refusal {
    Refusal {
        section,
        status: if role == Role::ReturnPath {
            Status(5, 1, 7)
        } else {
            Status(5, 1, 3)
        },
        reason: 1,
        diagnostic: Some(0),
        text,
    }
}
