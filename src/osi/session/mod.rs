//! The session layer: versions 1 and 2 with the functional units of RTSE (X.215 service, X.225 protocol).

mod connection;
mod machine;
mod primitive;
pub mod table;
#[cfg(test)]
mod tests;
mod transfer;

use std::time::Duration;

use bytes::Bytes;

use super::spdu::{FunctionalUnits, RefuseReason, Versions};
use super::transport;

pub use machine::Session;
pub use primitive::{Accept, ActivityResume, Address, Connect, Indication, Refuse, Request};

/// What an end is willing to do.
#[derive(Debug, Clone)]
pub struct Config {
    /// The versions proposed, or as responder agreed to, the higher one preferred.
    pub versions: Versions,
    /// The functional units that may be used.
    pub functional_units: FunctionalUnits,
    /// The called S-selectors that are known here; empty: every one is.
    pub selectors: Vec<Bytes>,
    /// The TSDU sizes (initiator to responder, responder to initiator; 0: any) proposed, or as
    /// responder the largest agreed to; `None`: data are not segmented.
    pub tsdu_maximum: Option<(u16, u16)>,
    /// The largest SSDU put together from segments, in octets; a larger one aborts.
    pub max_ssdu: usize,
    /// Whether the transport connection is kept for the next session connection after a release.
    pub keep_transport: bool,
    /// How long an S-CONNECT may take, at either end.
    pub connect_timeout: Duration,
    /// How long the peer may take to answer a release.
    pub release_timeout: Duration,
    /// How long the peer may take to close after an abort.
    pub abort_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            versions: Versions::BOTH,
            functional_units: FunctionalUnits::SUPPORTED,
            selectors: Vec::new(),
            tsdu_maximum: None,
            max_ssdu: 1 << 20,
            keep_transport: false,
            connect_timeout: Duration::from_secs(60),
            release_timeout: Duration::from_secs(60),
            abort_timeout: Duration::from_secs(5),
        }
    }
}

/// Why the session layer gave a connection up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderAbort {
    /// The transport connection is gone.
    #[error("transport connection lost: {0}")]
    Transport(#[from] transport::Disconnect),
    /// The peer broke the protocol; it was told so.
    #[error("session protocol error of the peer: {0}")]
    Protocol(String),
    /// The peer's call was refused here, before the user was told of it.
    #[error("a call was refused: {0}")]
    Refused(RefuseReason),
    /// The peer's session layer reports a protocol error of this end, with the octets at fault.
    #[error("the peer reports a session protocol error of this end")]
    ReportedByPeer(Bytes),
    /// The peer's session layer gave up without a reason, or for a restriction it has.
    #[error("the peer's session layer gave up (transport disconnect {0:#04x})")]
    ByPeer(u8),
    /// The peer let too much time pass.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
}

/// A request the service does not allow now; nothing was sent and nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Misuse {
    /// Not in this state of the connection (X.225 annex A).
    #[error("{request} is not allowed in state {state}")]
    State {
        /// The primitive.
        request: &'static str,
        /// The state, named as X.225 does.
        state: &'static str,
    },
    /// A condition on tokens or activities does not hold (X.215 section 8).
    #[error("{request} is not allowed: {condition}")]
    Condition {
        /// The primitive.
        request: &'static str,
        /// What does not hold.
        condition: table::Condition,
    },
    /// A parameter is too long for the version in use (X.225 section 8).
    #[error("{request}: {parameter} of {length} octets, {limit} are allowed")]
    TooLong {
        /// The primitive.
        request: &'static str,
        /// The parameter.
        parameter: &'static str,
        /// Its length.
        length: usize,
        /// The most it may have.
        limit: usize,
    },
    /// The serial numbers are used up (X.225 section 8.3.1: 999 999 is the last).
    #[error("no serial number is left")]
    Serial,
    /// A functional unit was asked for that is not implemented, configured or proposed.
    #[error("functional units {0:?} cannot be used")]
    FunctionalUnits(FunctionalUnits),
}

/// What the machine wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outgoing {
    /// Tell the user above.
    Indication(Indication),
    /// Ask this of the transport layer.
    Transport(transport::Request),
}
