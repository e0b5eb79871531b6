//! The SMTP endpoint (RFC 5321): commands, replies, session, server and client.
//!
//! | what | file |
//! | --- | --- |
//! | what an operator may set | [`config`] |
//! | replies and their enhanced status (RFC 5321 4.2, RFC 2034) | [`reply`] |
//! | command lines (RFC 5321 4.1.1, RFC 3461, RFC 1870, RFC 6152) | [`command`] |
//! | lines and message data out of octets (RFC 5321 2.3.8, 4.5.2) | [`lines`] |
//! | the server's side of a dialogue, without I/O (RFC 5321 4.1.4) | [`session`] |
//! | who decides about what a server is told | [`receive`] |
//! | the server: sockets, limits, time-outs (RFC 5321 4.5.3.2) | [`server`] |
//! | the client: one outcome for each recipient | [`client`] |
//!
//! Nothing here knows X.400 or the queue: a [`Receiver`] decides and keeps, and whoever calls
//! [`Client::send`] records the outcomes.

pub mod client;
pub mod command;
pub mod config;
pub mod lines;
pub mod receive;
pub mod reply;
pub mod server;
pub mod session;

pub use client::{Answer, Capabilities, Client, Outcome};
pub use config::{Config, Destination, Limits, Timeouts};
pub use receive::{Accepted, Protocol, Receiver, SessionInfo, Sink};
pub use reply::Reply;
pub use server::Server;
