//! The transport protocol machine of class 0 (X.224 sections 6 and 8, RFC 1006 section 5).

use std::time::Instant;

use super::{Config, Network, Outgoing, Request};

/// One transport connection, at either end of it.
#[derive(Debug)]
pub struct Transport {
    _config: Config,
}

impl Transport {
    /// A machine on a freshly opened TCP connection: the first event makes it initiator or responder.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { _config: config }
    }
    /// A request or response of the user; void in a state that does not allow it.
    #[must_use]
    pub fn request(&mut self, _request: Request, _now: Instant) -> Vec<Outgoing> {
        Vec::new()
    }
    /// What the network tells.
    #[must_use]
    pub fn network(&mut self, _event: Network, _now: Instant) -> Vec<Outgoing> {
        Vec::new()
    }
    /// When [`Transport::tick`] wants to be called, if nothing happens before.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        None
    }
    /// Time has passed.
    #[must_use]
    pub fn tick(&mut self, _now: Instant) -> Vec<Outgoing> {
        Vec::new()
    }
}
