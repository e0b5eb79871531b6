//! What is agreed on with each peer for the transfers on an association (X.218 clause 8.1); no I/O.

use std::time::Duration;

use super::config::{Config, Peer};

/// The values of reliable transfer that hold towards a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rts {
    /// Octets between two checkpoints, in units of 1024: what we propose and at most accept.
    pub(super) checkpoint_size: u8,
    /// Checkpoints that may be unconfirmed: what we propose and at most accept.
    pub(super) window_size: u8,
    /// How long the peer may take over its next step of a transfer.
    pub(super) transfer_timeout: Duration,
}

impl Config {
    /// What holds towards a peer: its own values, else those of all; the latter for a stranger.
    pub(super) fn rts(&self, peer: Option<&Peer>) -> Rts {
        let checkpoint_size = peer.and_then(|peer| peer.checkpoint_size);
        let window_size = peer.and_then(|peer| peer.window_size);
        let transfer_timeout = peer.and_then(|peer| peer.transfer_timeout);
        Rts {
            checkpoint_size: checkpoint_size.unwrap_or(self.checkpoint_size).clamp(1, 63),
            window_size: window_size.unwrap_or(self.window_size).max(1),
            transfer_timeout: Duration::from_secs(
                transfer_timeout.unwrap_or(self.transfer_timeout),
            ),
        }
    }
}
