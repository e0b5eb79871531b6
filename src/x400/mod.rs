//! The X.400 endpoint: MTA bind, association, transfer (X.411, X.419), and its sockets.
//!
//! ```text
//! config       the [x400] table: where to listen, the peer MTAs
//! handler      what the owner of a server provides
//! ```

pub mod association;
pub mod bind;
pub mod config;
mod handler;
pub mod transfer;

pub use config::{Config, Peer};
pub use handler::{ApduKind, Arrived, Caller, Handler, Refusal, RefusalReason, Spool};
