//! The associations with a peer that wait for a transfer, whoever opened them, and the transfers that
//! want one.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};
use tokio::time::{Duration, Instant, timeout};

use super::dialogue::Association;
use super::urgency::Urgency;

/// How long to wait at most before looking again whether there is any association.
const LOOK: Duration = Duration::from_secs(1);

/// What an association that waits is told where to go.
pub(super) type Asked = oneshot::Receiver<oneshot::Sender<Association>>;

/// The associations with one peer that wait, and what waits for them.
#[derive(Debug, Default)]
pub(super) struct Offers {
    /// The last to wait is the first to come, so that those too many are released.
    waiting: Mutex<Vec<Offer>>,
    /// A further one waits, or there is one less.
    offered: Notify,
    /// How many transfers want one, by urgency.
    wanted: [AtomicUsize; 3],
}

/// An association that waits, to be asked to come.
#[derive(Debug)]
struct Offer {
    /// Whether we have opened it.
    ours: bool,
    ask: oneshot::Sender<oneshot::Sender<Association>>,
}

impl Offers {
    /// An association waits from now on, until it is asked to come, or no longer waits for that.
    pub(super) fn offer(&self, ours: bool) -> Asked {
        let (ask, asked) = oneshot::channel();
        let mut waiting = self.lock();
        waiting.retain(|offer| !offer.ask.is_closed());
        waiting.push(Offer { ours, ask });
        drop(waiting);
        self.stir();
        asked
    }

    /// An association that waits, if there is one.
    pub(super) async fn claim(&self) -> Option<Association> {
        self.take(|_| true).await
    }

    /// The same, of those that we have opened.
    pub(super) async fn claim_ours(&self) -> Option<Association> {
        self.take(|offer| offer.ours).await
    }

    /// The first association that waits, as long as `any` says that one will; not for ever.
    pub(super) async fn await_one(
        &self,
        any: impl Fn() -> bool,
        patience: Duration,
    ) -> Option<Association> {
        let end = Instant::now() + patience;
        loop {
            let offered = self.offered.notified();
            tokio::pin!(offered);
            // What is offered from here on is not missed.
            offered.as_mut().enable();
            if let Some(association) = self.claim().await {
                return Some(association);
            }
            if !any() || Instant::now() >= end {
                return None;
            }
            // Either way it is looked at again.
            let _ = timeout(LOOK, offered).await;
        }
    }

    /// Has whoever waits look again.
    pub(super) fn stir(&self) {
        self.offered.notify_waiters();
    }

    /// Notes that a transfer wants an association, as long as the note is kept.
    pub(super) fn want(&self, urgency: Urgency) -> Wanted<'_> {
        let [urgent, normal, non_urgent] = &self.wanted;
        let count = match urgency {
            Urgency::Urgent => urgent,
            Urgency::Normal => normal,
            Urgency::NonUrgent => non_urgent,
        };
        count.fetch_add(1, Ordering::Relaxed);
        Wanted(count)
    }

    /// How many transfers want an association.
    pub(super) fn wanted(&self) -> usize {
        let counts = self.wanted.iter();
        counts.map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// Whether a transfer wants one that is at least as pressing as this priority.
    pub(super) fn is_wanted(&self, priority: u8) -> bool {
        let counts = self.wanted.iter().take(usize::from(priority));
        counts
            .into_iter()
            .any(|count| count.load(Ordering::Relaxed) > 0)
    }

    async fn take(&self, which: fn(&Offer) -> bool) -> Option<Association> {
        loop {
            let offer = {
                let mut waiting = self.lock();
                let place = waiting.iter().rposition(which)?;
                waiting.remove(place)
            };
            let (give, given) = oneshot::channel();
            if offer.ask.send(give).is_ok()
                && let Ok(association) = given.await
            {
                return Some(association);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Offer>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A transfer that wants an association.
pub(super) struct Wanted<'a>(&'a AtomicUsize);

impl Drop for Wanted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x218_9_4_what_waits_is_as_pressing_as_its_most_urgent() {
        let offers = Offers::default();
        let pressing = || [0, 1, 2, 3, u8::MAX].map(|priority| offers.is_wanted(priority));
        assert_eq!(pressing(), [false; 5]);
        let normal = offers.want(Urgency::Normal);
        assert_eq!(pressing(), [false, false, true, true, true]);
        let urgent = offers.want(Urgency::Urgent);
        let _non_urgent = offers.want(Urgency::NonUrgent);
        assert_eq!(pressing(), [false, true, true, true, true]);
        assert_eq!(offers.wanted(), 3);
        drop((normal, urgent));
        assert_eq!(pressing(), [false, false, false, true, true]);
    }
}
