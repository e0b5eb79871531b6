//! The associations to one peer, and those of them that wait for the next transfer.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};
use tokio::time::sleep;
use tracing::debug;

use super::super::config::Peer;
use super::super::link::Link;
use crate::osi::rtse::{Indication, Request};

/// The associations to one peer.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) peer: Peer,
    /// One permit for each transfer under way.
    pub(super) permits: Semaphore,
    /// Asks each waiting association to come; the last to wait is the first to come, so that those
    /// too many are released.
    pub(super) idle: Mutex<Vec<oneshot::Sender<oneshot::Sender<Association>>>>,
}
/// An open association to a peer.
#[derive(Debug)]
pub(super) struct Association {
    pub(super) link: Link,
    pub(super) relay: SocketAddr,
}
impl Pool {
    /// An association that waits, if there is one.
    pub(super) async fn claim(&self) -> Option<Association> {
        loop {
            let waiting = self
                .idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop()?;
            let (give, given) = oneshot::channel();
            if waiting.send(give).is_ok()
                && let Ok(association) = given.await
            {
                return Some(association);
            }
        }
    }

    /// Lets an association wait for the next transfer.
    pub(super) fn keep(&self, association: Association, wait: Duration) {
        let (ask, asked) = oneshot::channel();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|waiting| !waiting.is_closed());
        idle.push(ask);
        tokio::spawn(association.wait(asked, wait));
    }
}
impl Association {
    /// Waits to be claimed, not for ever, watching the peer meanwhile.
    async fn wait(
        mut self,
        asked: oneshot::Receiver<oneshot::Sender<Association>>,
        patience: Duration,
    ) {
        tokio::select! {
            biased;
            told = self.link.next() => {
                debug!(relay = %self.relay, ?told, "an association that waited was ended");
                if told == Some(Indication::Close) && self.link.request(Request::CloseResponse).is_ok() {
                    self.link.finish().await;
                }
            }
            asked = asked => {
                if let Ok(give) = asked {
                    // Whoever asked may be gone: then so is the association.
                    let _ = give.send(self);
                } else {
                    self.release().await;
                }
            }
            () = sleep(patience) => {
                self.release().await;
            }
        }
    }

    /// Releases the association; whether that was in order.
    pub(super) async fn release(mut self) -> bool {
        if self.link.request(Request::Close).is_err() {
            return false;
        }
        let mut confirmed = false;
        while let Some(told) = self.link.next().await {
            confirmed |= told == Indication::CloseConfirm;
        }
        confirmed
    }
}
