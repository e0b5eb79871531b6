//! How many transfers to one peer may be under way, and the associations they take.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::JoinSet;

use super::super::config::{Peer, Urgency};
use super::super::dialogue::Association;
use super::super::standing::Standing;

/// What transfers to one peer share.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) peer: Peer,
    pub(super) standing: Arc<Standing>,
    /// One permit for each transfer that may always be under way.
    first: Semaphore,
    /// One permit for each transfer that may be besides, while many wait.
    further: Semaphore,
    /// How many calls there were, to begin each at another address.
    pub(super) calls: AtomicUsize,
}

impl Pool {
    pub(super) fn new(peer: Peer, standing: Arc<Standing>) -> Self {
        let most = peer.most_associations();
        let first = peer.permanent.clamp(1, most);
        Self {
            first: Semaphore::new(first),
            further: Semaphore::new(most - first),
            calls: AtomicUsize::new(0),
            standing,
            peer,
        }
    }

    /// Waits until one more transfer may be under way.
    pub(super) async fn permit(&self, urgency: Urgency) -> Option<SemaphorePermit<'_>> {
        let offers = self.standing.offers();
        let _wanted = offers.want(urgency);
        let crowd = offers.wanted().max(self.standing.waiting());
        let crowded = crowd > self.peer.association_threshold;
        // The semaphores are never closed; if they were, one more association would do no harm.
        tokio::select! {
            biased;
            permit = self.first.acquire() => permit.ok(),
            permit = self.further.acquire(), if crowded => permit.ok(),
        }
    }

    /// An association that waits; the first that will, if none may be opened: the peer only calls, or
    /// there are all there may be, or as many as it grants now.
    pub(super) async fn claim(&self, urgency: Urgency, patience: Duration) -> Option<Association> {
        let offers = self.standing.offers();
        let _wanted = offers.want(urgency);
        let will_wait = || match self.peer.connect.is_empty() {
            true => self.standing.callers() > 0,
            false => {
                let held_off = || {
                    self.standing
                        .held_off(&self.peer, Timestamp::now())
                        .is_some()
                };
                let outgoing = self.standing.outgoing();
                outgoing >= self.peer.most_associations() || outgoing > 0 && held_off()
            }
        };
        offers.await_one(will_wait, patience).await
    }

    /// Lets an association wait for the next transfer, unless there may be none now.
    pub(super) fn keep(&self, association: Association) {
        if association.ours && self.standing.closed(&self.peer, Timestamp::now()).is_some() {
            tokio::spawn(association.release());
        } else {
            tokio::spawn(association.stand());
        }
    }

    /// Releases every association of ours that waits.
    pub(super) async fn release(&self) {
        let mut releases = JoinSet::new();
        while let Some(association) = self.standing.offers().claim_ours().await {
            releases.spawn(association.release());
        }
        while releases.join_next().await.is_some() {}
    }
}
