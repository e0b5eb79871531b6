//! The associations to one peer, and those of them that wait for the next transfer.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};
use tokio::time::sleep;
use tracing::debug;

use super::super::config::Peer;
use super::super::link::Link;
use super::super::standing::{Counted, Standing};
use crate::osi::rtse::{Indication, Request};

/// The associations to one peer.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) peer: Peer,
    pub(super) standing: Arc<Standing>,
    /// One permit for each transfer that may always be under way.
    first: Semaphore,
    /// One permit for each transfer that may be besides, while many wait.
    further: Semaphore,
    /// How many transfers want a permit.
    waiting: AtomicUsize,
    /// How many calls there were, to begin each at another address.
    pub(super) calls: AtomicUsize,
    /// Asks each waiting association to come; the last to wait is the first to come, so that those
    /// too many are released.
    idle: Mutex<Vec<oneshot::Sender<oneshot::Sender<Association>>>>,
}

/// An open association to a peer.
#[derive(Debug)]
pub(super) struct Association {
    pub(super) link: Link,
    pub(super) relay: SocketAddr,
    /// What the responder said of itself, and what was agreed on.
    pub(super) greeting: super::Greeting,
    pub(super) _counted: Counted,
}

impl Pool {
    pub(super) fn new(peer: Peer, standing: Arc<Standing>) -> Self {
        let most = peer.most_associations();
        let first = peer.permanent.clamp(1, most);
        Self {
            first: Semaphore::new(first),
            further: Semaphore::new(most - first),
            waiting: AtomicUsize::new(0),
            calls: AtomicUsize::new(0),
            idle: Mutex::default(),
            standing,
            peer,
        }
    }

    /// Waits until one more transfer may be under way.
    pub(super) async fn permit(&self) -> Option<SemaphorePermit<'_>> {
        let waiting = Waiting::new(&self.waiting);
        let crowd = waiting.number.max(self.standing.waiting());
        let crowded = crowd > self.peer.association_threshold;
        // The semaphores are never closed; if they were, one more association would do no harm.
        tokio::select! {
            biased;
            permit = self.first.acquire() => permit.ok(),
            permit = self.further.acquire(), if crowded => permit.ok(),
        }
    }

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

    /// Lets an association wait for the next transfer, unless there may be none now.
    pub(super) fn keep(self: &Arc<Self>, association: Association, wait: Option<Duration>) {
        if self.standing.closed(&self.peer, Timestamp::now()).is_some() {
            tokio::spawn(association.release());
            return;
        }
        let (ask, asked) = oneshot::channel();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|waiting| !waiting.is_closed());
        idle.push(ask);
        tokio::spawn(association.wait(Arc::clone(self), asked, wait));
    }

    /// Releases every association that waits.
    pub(super) async fn release(&self) {
        while let Some(association) = self.claim().await {
            association.release().await;
        }
    }
}

/// A transfer that wants a permit, counted while it does.
struct Waiting<'a> {
    count: &'a AtomicUsize,
    number: usize,
}

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        let number = count.fetch_add(1, Ordering::Relaxed) + 1;
        Self { count, number }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Association {
    /// Waits to be claimed, watching the peer meanwhile; not for ever, unless it is one of those
    /// that are permanent.
    async fn wait(
        mut self,
        pool: Arc<Pool>,
        mut asked: oneshot::Receiver<oneshot::Sender<Self>>,
        patience: Option<Duration>,
    ) {
        loop {
            tokio::select! {
                biased;
                told = self.link.next() => {
                    debug!(relay = %self.relay, ?told, "an association that waited was ended");
                    if told == Some(Indication::Close) && self.link.request(Request::CloseResponse).is_ok() {
                        self.link.finish().await;
                    }
                    return;
                }
                asked = &mut asked => {
                    if let Ok(give) = asked {
                        // Whoever asked may be gone: then so is the association.
                        let _ = give.send(self);
                    } else {
                        self.release().await;
                    }
                    return;
                }
                () = sleep(patience.unwrap_or_default()), if patience.is_some() => {
                    if pool.standing.outgoing() > pool.peer.permanent {
                        self.release().await;
                        return;
                    }
                }
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
