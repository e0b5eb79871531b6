//! The transport layer: class 0 over RFC 1006 (X.214 service, X.224 / RFC 905 class 0 protocol).

mod machine;
#[cfg(test)]
mod tests;
pub mod tpdu;

use std::time::Duration;

use bytes::Bytes;

pub use machine::Transport;
pub use tpdu::{DisconnectReason, TpduSize};

/// What an end is willing to do.
#[derive(Debug, Clone)]
pub struct Config {
    /// The TPDU size proposed or, as responder, the largest agreed to.
    pub tpdu_size: TpduSize,
    /// The largest TSDU taken from the peer, in octets; a larger one ends the connection.
    pub max_tsdu: usize,
    /// The called T-selectors that are known here; empty: every one is.
    pub selectors: Vec<Bytes>,
    /// Refuse whoever calls, for this reason.
    pub refuse: Option<DisconnectReason>,
    /// The reference this end gives its connection; one number does for all, for class 0 never mixes
    /// connections.
    pub reference: u16,
    /// How long a connection may take to open, at either end.
    pub connect_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            tpdu_size: TpduSize::Octets65531,
            max_tsdu: 1 << 20,
            selectors: Vec::new(),
            refuse: None,
            reference: 1,
            connect_timeout: Duration::from_secs(30),
        }
    }
}

/// The requests and responses of the transport service (X.214).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// T-CONNECT request; the TCP connection is open already.
    Connect {
        /// The T-selector of the peer; empty: none.
        called: Bytes,
        /// The own T-selector; empty: none.
        calling: Bytes,
    },
    /// T-CONNECT response.
    Accept,
    /// T-DATA request: one whole TSDU. It leaves as one run of octets, to be written at once.
    Data(Bytes),
    /// T-DISCONNECT request.
    Disconnect(DisconnectReason),
}

/// The indications and confirmations of the transport service (X.214).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Indication {
    /// T-CONNECT indication: a peer calls a selector known here; answer with [`Request::Accept`]
    /// or [`Request::Disconnect`].
    Connect {
        /// The T-selector the peer calls; empty: none.
        called: Bytes,
        /// The T-selector the peer calls from; empty: none.
        calling: Bytes,
    },
    /// T-CONNECT confirmation.
    Confirm {
        /// The T-selector the responder names; empty: none.
        responding: Bytes,
    },
    /// T-DATA indication: one whole TSDU.
    Data(Bytes),
    /// T-DISCONNECT indication; the connection is gone.
    Disconnect(Disconnect),
}

/// Why a transport connection ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Disconnect {
    /// The peer sent DR.
    #[error("the peer disconnected: {reason}{}", text(.additional))]
    Peer {
        /// Its reason (X.224 section 13.5).
        reason: DisconnectReason,
        /// Its additional information, in most implementations text.
        additional: Bytes,
    },
    /// The peer sent ER: it found a TPDU of this end in error.
    #[error("the peer rejected a TPDU of this end, cause {cause}")]
    Rejected {
        /// The reject cause (X.224 section 13.12.3).
        cause: u8,
        /// The rejected TPDU, as far as the peer returns it.
        invalid: Bytes,
    },
    /// The network connection was closed.
    #[error("the network connection was closed")]
    Closed,
    /// What came is no packet of RFC 1006.
    #[error("protocol error of the peer: {0}")]
    NoPacket(#[from] super::tpkt::Error),
    /// The peer broke the protocol; it was told so where the class allows.
    #[error("protocol error of the peer: {0}")]
    Protocol(String),
    /// The peer let too much time pass.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The called T-selector is not known here; the peer was refused.
    #[error("called T-selector {0:?} is not known here")]
    UnknownSelector(Bytes),
    /// The peer was refused, as the configuration says.
    #[error("refused: {0}")]
    Refused(DisconnectReason),
}

fn text(additional: &Bytes) -> String {
    match String::from_utf8_lossy(additional).trim_end_matches('\0') {
        "" => String::new(),
        text => format!(" ({})", text.escape_debug()),
    }
}

/// What the network below tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Network {
    /// Octets came in.
    Octets(Bytes),
    /// The connection is closed, for whatever reason.
    Closed,
}

/// What the machine wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outgoing {
    /// Tell the user above.
    Indication(Indication),
    /// Write these octets, in one go.
    Octets(Bytes),
    /// Close the network connection once everything before is written.
    Close,
}
