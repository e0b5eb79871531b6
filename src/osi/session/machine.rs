//! The session protocol machine (X.225 sections 6, 7 and annex A).

use std::time::Instant;

use super::super::{
    spdu::{Serial, Tokens},
    transport,
};
use super::{Config, Misuse, Outgoing, Request};

/// One session connection at a time, at either end of it.
#[derive(Debug)]
pub struct Session {
    _config: Config,
}

impl Session {
    /// A machine with no connection: the first event makes it initiator or responder.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { _config: config }
    }
    /// A request or response of the user. After the connection is gone requests are void.
    ///
    /// # Errors
    /// The service does not allow it now; nothing changed.
    pub fn request(&mut self, _request: Request, _now: Instant) -> Result<Vec<Outgoing>, Misuse> {
        Ok(Vec::new())
    }
    /// What the transport layer tells.
    #[must_use]
    pub fn indication(
        &mut self,
        _indication: transport::Indication,
        _now: Instant,
    ) -> Vec<Outgoing> {
        Vec::new()
    }
    /// When [`Session::tick`] wants to be called, if nothing happens before.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        None
    }
    /// Time has passed.
    #[must_use]
    pub fn tick(&mut self, _now: Instant) -> Vec<Outgoing> {
        Vec::new()
    }
    /// The tokens held here.
    #[must_use]
    pub fn tokens(&self) -> Tokens {
        Tokens::NONE
    }
    /// The number the next synchronization point will get, V(M); `None` after the largest.
    #[must_use]
    pub fn next_serial(&self) -> Option<Serial> {
        None
    }
}
