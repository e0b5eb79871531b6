//! The X.400 endpoint: MTA bind, association, transfer (X.411, X.419), and its sockets.
//!
//! ```text
//! config        the [x400] table: where to listen, the peer MTAs
//! identity      by what a peer is known
//! bind          what two MTAs say of themselves           no I/O
//! strong        credentials signed with a private key
//! association   who may have one                          no I/O
//! transfer      an MTS-APDU as RTSE carries it, and as a
//!               relay passes it on                        no I/O
//! schedule      when a peer may be called                 no I/O
//! standing      how we stand with each peer now           no I/O
//! failure       why a call failed, and what to do         no I/O
//! tls, stream   the connection below, plain or TLS
//! selector      selectors as they are written             no I/O
//! urgency       how long a transfer may take              no I/O
//! rts           what is agreed on for transfers           no I/O
//! link          the layers of `osi` on a socket
//! recovery      what is kept of transfers that broke off
//! dialogue      an open association, and whose turn it is
//! offers        associations that wait for transfers
//! receive       takes transfers on an association
//! server        takes associations from peers
//! client        sends transfers over warm associations
//! sink, source  test MTAs: one takes, the other sends
//! ```

mod apdu;
pub mod association;
pub mod bind;
pub mod client;
pub mod config;
mod dialogue;
pub mod failure;
mod handler;
mod identity;
mod link;
mod offers;
mod receive;
mod recovery;
mod rts;
pub mod schedule;
mod selector;
pub mod server;
pub mod sink;
pub mod source;
pub mod standing;
mod stream;
pub mod strong;
pub mod tls;
pub mod transfer;
mod urgency;

pub use apdu::Apdu;
pub use association::Directory;
pub use client::{Client, Outcome, Pinned, Transfer};
pub use config::{Config, Peer};
pub use handler::{ApduKind, Arrived, Caller, Handler, Refusal, RefusalReason, Spool};
pub use server::Server;

#[cfg(test)]
mod tests;
