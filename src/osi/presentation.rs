//! The presentation layer: contexts, and who may send what in which (X.216 service, X.226 protocol);
//! no I/O.
//!
//! In normal mode a connection carries *presentation data values*, each of one abstract syntax that
//! the two ends agreed on when connecting: the *defined context set*. In X.410 (1984) mode there are
//! no contexts: the octets of the user are those of the session layer, except that the APDUs of RTSE
//! which open, refuse and abort stand where the PPDUs would. Everything the session layer offers
//! besides (tokens, synchronization points, activities) passes through unchanged.

mod machine;
mod pdu;

use bytes::Bytes;

pub use crate::asn1::presentation::{AbortReason, ProviderReason};
pub use crate::asn1::types::ObjectIdentifier as Oid;

use super::session;
use super::spdu::{ConnectionIdentifier, FunctionalUnits, TokenSetting, Tokens};

pub use machine::Presentation;

/// ASN.1 basic encoding: the only transfer syntax spoken here.
pub const BASIC_ENCODING: Oid = Oid::from_contents(&[0x51, 1]);

/// A presentation address without its network part; an empty selector is an absent one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Address {
    /// The presentation selector.
    pub p: Bytes,
    /// The session selector.
    pub s: Bytes,
    /// The transport selector.
    pub t: Bytes,
}

/// How a connection is used (X.216 clause 7, X.226 clause 5.8).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// With presentation contexts, and ACSE above.
    #[default]
    Normal,
    /// As X.410 (1984) does without either: each user data is one value, of [`NO_CONTEXT`].
    X410,
}

/// The context of values that name none: of X.410 mode, and of simply encoded data.
pub const NO_CONTEXT: u32 = u32::MAX;

/// A presentation data value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pdv {
    /// The presentation context it belongs to.
    pub context: u32,
    /// Its encoding: one value of a single ASN.1 type.
    pub value: Bytes,
}

/// A presentation context proposed or agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// The presentation context identifier, odd for the initiator's.
    pub identifier: u32,
    /// What is spoken in it.
    pub abstract_syntax: Oid,
}

/// What an end is willing to do.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// The abstract syntaxes accepted from an initiator.
    pub abstract_syntaxes: Vec<Oid>,
    /// The called P-selectors that are known here; empty: every one is.
    pub selectors: Vec<Bytes>,
}

/// P-CONNECT request and indication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connect {
    /// The mode of the connection.
    pub mode: Mode,
    /// Where the caller calls from.
    pub calling: Address,
    /// Whom it calls.
    pub called: Address,
    /// The contexts proposed; in an indication those that were also accepted. None in X.410 mode.
    pub contexts: Vec<Context>,
    /// The session connection identifier.
    pub identifier: Option<ConnectionIdentifier>,
    /// The session functional units wanted.
    pub functional_units: FunctionalUnits,
    /// Where the tokens are to be.
    pub token_setting: TokenSetting,
    /// The user's data; in X.410 mode RTORQ.
    pub user_data: Vec<Pdv>,
}

/// P-CONNECT response and confirm, accepting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accept {
    /// The session functional units agreed on.
    pub functional_units: FunctionalUnits,
    /// The user's data; in X.410 mode RTOAC.
    pub user_data: Vec<Pdv>,
}

/// Who refused a connection, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The called presentation user refused and says why in its data.
    #[error("refused by the called user")]
    User(Vec<Pdv>),
    /// The peer's presentation layer refused (X.226 6.2.5.9), with the provider-reason.
    #[error("refused by the peer's presentation layer: {}", .0.name().unwrap_or("no known reason"))]
    Provider(ProviderReason),
    /// The peer does not take each of the contexts proposed; which, and why.
    #[error("the peer refused {0}")]
    Contexts(String),
    /// The peer's session or transport layer, or its user without a word, refused.
    #[error("refused by the peer's session layer: {0}")]
    Session(String),
}

/// A request or response of the presentation user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// P-CONNECT request.
    Connect(Box<Connect>),
    /// P-CONNECT response, accepting.
    Accept(Accept),
    /// P-CONNECT response, refusing, with the user's data; in X.410 mode RTORJ.
    Refuse(Vec<Pdv>),
    /// P-DATA request.
    Data(Pdv),
    /// P-TOKEN-PLEASE request.
    TokenPlease {
        /// The tokens wanted.
        tokens: Tokens,
        /// The user's data.
        user_data: Vec<Pdv>,
    },
    /// A request that passes to the session layer unchanged: P-CONTROL-GIVE, P-SYNC-MINOR,
    /// P-ACTIVITY-START and so on (X.226 clause 6.6 and after). Its user data are empty.
    Session(session::Request),
    /// P-RELEASE request.
    Release(Vec<Pdv>),
    /// P-RELEASE response.
    ReleaseAck(Vec<Pdv>),
    /// P-U-ABORT request; in X.410 mode with RTAB.
    Abort(Vec<Pdv>),
}

/// An indication or confirm to the presentation user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Indication {
    /// P-CONNECT indication.
    Connect(Box<Connect>),
    /// P-CONNECT confirm, accepting.
    Accepted(Accept),
    /// P-CONNECT confirm, refusing; the connection is gone.
    Refused(Refused),
    /// P-DATA indication.
    Data(Vec<Pdv>),
    /// P-TOKEN-PLEASE indication.
    TokenPlease {
        /// The tokens wanted.
        tokens: Tokens,
        /// The user's data.
        user_data: Vec<Pdv>,
    },
    /// An indication that passed from the session layer unchanged.
    Session(session::Indication),
    /// P-RELEASE indication.
    Release(Vec<Pdv>),
    /// P-RELEASE confirm; the connection is gone.
    Released(Vec<Pdv>),
    /// P-U-ABORT indication; the connection is gone.
    Abort(Vec<Pdv>),
    /// P-P-ABORT indication; the connection is gone.
    ProviderAbort(ProviderAbort),
}

/// Why the presentation layer gave a connection up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderAbort {
    /// The session connection is gone.
    #[error(transparent)]
    Session(#[from] session::ProviderAbort),
    /// The peer broke the protocol; it was told so.
    #[error("presentation protocol error of the peer: {0}")]
    Protocol(String),
    /// The peer's presentation layer gave up, with the abort-reason.
    #[error("the peer's presentation layer gave up: {}", .0.and_then(AbortReason::name).unwrap_or("no reason"))]
    ByPeer(Option<AbortReason>),
}

/// What the machine wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outgoing {
    /// Tell the user above.
    Indication(Indication),
    /// Ask this of the session layer.
    Session(session::Request),
}

/// A request that makes no sense now; nothing was sent and nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{request} is not allowed: {condition}")]
pub struct Misuse {
    /// The primitive.
    pub request: &'static str,
    /// What does not hold.
    pub condition: &'static str,
}
