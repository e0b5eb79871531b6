//! Association control: opening, releasing and aborting associations (X.217 service, X.227 protocol);
//! no I/O.
//!
//! An *association* is a presentation connection on which both ends speak the rules named by an
//! *application context*. Once it is open ACSE has nothing to do until it ends. In X.410 (1984) mode it
//! has no APDUs: what its user says is handed on as it is.

mod machine;
mod pdu;

use super::presentation::{self, Address, Context, Mode, Oid, Pdv};
use super::spdu::{ConnectionIdentifier, FunctionalUnits, TokenSetting};

pub use crate::asn1::acse::AssociateSourceDiagnostic;
pub use machine::Acse;

/// The abstract syntax of ACSE (X.227 clause 9).
pub const ABSTRACT_SYNTAX: Oid = Oid::from_contents(&[0x52, 1, 0, 1]);

/// What an end is willing to do.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// The application contexts accepted from a requestor; empty: any.
    pub application_contexts: Vec<Oid>,
}

/// A-ASSOCIATE request and indication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Associate {
    /// The mode of the association.
    pub mode: Mode,
    /// Where the caller calls from.
    pub calling: Address,
    /// Whom it calls.
    pub called: Address,
    /// The application context; X.410 mode does without.
    pub application_context: Oid,
    /// The presentation contexts besides that of ACSE; in an indication those accepted.
    pub contexts: Vec<Context>,
    /// The session connection identifier.
    pub identifier: Option<ConnectionIdentifier>,
    /// The session functional units wanted.
    pub functional_units: FunctionalUnits,
    /// Where the tokens are to be.
    pub token_setting: TokenSetting,
    /// The user information.
    pub user_information: Vec<Pdv>,
}

/// A-ASSOCIATE response and confirm, accepting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accept {
    /// The session functional units agreed on.
    pub functional_units: FunctionalUnits,
    /// The user information.
    pub user_information: Vec<Pdv>,
}

/// A-ASSOCIATE response, refusing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refuse {
    /// Whether the caller may be accepted at another time.
    pub transient: bool,
    /// The user information.
    pub user_information: Vec<Pdv>,
}

/// A-ASSOCIATE confirm, refusing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Whether it may be accepted at another time.
    pub transient: bool,
    /// The user information.
    pub user_information: Vec<Pdv>,
    /// What its AARE says of why; `None` without one.
    pub diagnostic: Option<AssociateSourceDiagnostic>,
    /// Who refused and why, in words.
    pub explanation: String,
}

/// A request or response of the ACSE user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// A-ASSOCIATE request.
    Associate(Box<Associate>),
    /// A-ASSOCIATE response, accepting.
    Accept(Accept),
    /// A-ASSOCIATE response, refusing.
    Refuse(Refuse),
    /// A-RELEASE request, with reason normal.
    Release,
    /// A-RELEASE response, with reason normal.
    ReleaseAck,
    /// A-ABORT request, with the user information.
    Abort(Vec<Pdv>),
}

/// An indication or confirm to the ACSE user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Indication {
    /// A-ASSOCIATE indication.
    Associate(Box<Associate>),
    /// A-ASSOCIATE confirm, accepting.
    Accepted(Accept),
    /// A-ASSOCIATE confirm, refusing; the association is gone.
    Refused(Refused),
    /// A-RELEASE indication.
    Release,
    /// A-RELEASE confirm; the association is gone.
    Released,
    /// A-ABORT indication, with the user information; the association is gone.
    Abort(Vec<Pdv>),
    /// A-P-ABORT indication; the association is gone.
    ProviderAbort(String),
}

/// What the machine wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outgoing {
    /// Tell the user above.
    Indication(Indication),
    /// Ask this of the presentation layer.
    Presentation(presentation::Request),
}
