//! The SMTP endpoint (RFC 5321): commands, replies, session, server and client.
//!
//! | what | file |
//! | --- | --- |
//! | what an operator may set | [`config`] |
//! | replies and their enhanced status (RFC 5321 4.2, RFC 2034) | [`reply`] |
//! //! //! //! | who decides about what a server is told | [`receive`] |
//! //! | the client: one outcome for each recipient | [`client`] |
//!
//! Nothing here knows X.400 or the queue: a [`Receiver`] decides and keeps, and whoever calls
//! the client records the outcomes.

pub mod client;
pub mod command;
pub mod config;
pub mod receive;
pub mod reply;

pub use client::{Answer, Capabilities, Outcome};
pub use config::{Config, Destination, Limits, Network, Timeouts};
pub use receive::{Accepted, Protocol, Receiver, SessionInfo, Sink};
pub use reply::Reply;
