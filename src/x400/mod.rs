//! The X.400 endpoint: MTA bind, association, transfer (X.411, X.419), and its sockets.

pub mod config;

pub use config::{Config, Peer};
