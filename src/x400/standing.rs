//! How we stand with each peer at this moment: what server, client and operator share of it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};

use super::config::Peer;
use super::failure::{Failure, Step};
use super::offers::Offers;

/// How we stand with one peer.
#[derive(Debug, Default)]
pub struct Standing {
    disabled: watch::Sender<bool>,
    outgoing: AtomicUsize,
    incoming: AtomicUsize,
    /// Of those incoming, the ones on which we send, too.
    callers: AtomicUsize,
    queued: AtomicUsize,
    offers: Offers,
    past: Mutex<Past>,
    /// An association has ended, or the peer was enabled or disabled.
    changed: Notify,
    /// The peer may be called again before it would have been; every peer's is the same.
    mended: watch::Sender<()>,
}

/// What is remembered of calls to a peer.
#[derive(Debug, Default)]
struct Past {
    opened: Option<Timestamp>,
    failed: Option<Failed>,
    /// When the last calls that failed began, the first of them first.
    failures: VecDeque<Timestamp>,
}

/// A call that came to nothing, and those of late before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Failed {
    /// When.
    pub at: Timestamp,
    /// How many have failed since one succeeded; those made at the same time are one.
    pub times: u32,
    /// Why.
    pub failure: Failure,
}

/// How we stand with a peer, to be shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Status {
    /// Whether an operator has disabled it.
    pub disabled: bool,
    /// Associations we have opened to it.
    pub outgoing: usize,
    /// Associations it has opened to us.
    pub incoming: usize,
    /// When a call to it last succeeded.
    pub opened: Option<Timestamp>,
    /// The last call to it, if that failed.
    pub failed: Option<Failed>,
}

/// Why a peer is not called now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// Why, in words.
    pub failure: Failure,
    /// Until when, if that is known.
    pub until: Option<Timestamp>,
}

/// An association, counted while it lives.
#[derive(Debug)]
pub(super) struct Counted {
    standing: Arc<Standing>,
    of: fn(&Standing) -> &AtomicUsize,
}

impl Drop for Counted {
    fn drop(&mut self) {
        (self.of)(&self.standing).fetch_sub(1, Ordering::Relaxed);
        self.standing.changed.notify_one();
        self.standing.offers.stir();
    }
}

impl Standing {
    /// How we stand with a peer at first; `mended` is told when it may be called before its time.
    pub(super) fn new(mended: watch::Sender<()>) -> Self {
        Self {
            mended,
            ..Self::default()
        }
    }

    /// Whether an operator has disabled the peer: it is not called, its calls are told busy, and the
    /// associations it has opened end, after the transfer under way.
    #[must_use]
    pub fn is_disabled(&self) -> bool {
        *self.disabled.borrow()
    }

    /// Disables or enables the peer.
    pub fn disable(&self, disabled: bool) {
        self.disabled.send_replace(disabled);
        if !disabled {
            self.forgive();
        }
        self.changed.notify_one();
    }

    /// Forgets the calls that failed, since somebody has mended what was wrong: the next waits for no
    /// interval, and calls are counted anew.
    pub fn forgive(&self) {
        let mut past = self.past();
        past.failed = None;
        past.failures.clear();
        drop(past);
        self.changed.notify_one();
        self.mended.send_replace(());
    }

    /// Turns true when an operator disables the peer.
    pub(super) fn disabling(&self) -> watch::Receiver<bool> {
        self.disabled.subscribe()
    }

    /// Notes how many messages wait for the peer.
    pub fn queued(&self, messages: usize) {
        self.queued.store(messages, Ordering::Relaxed);
    }

    /// How we stand, to be shown.
    #[must_use]
    pub fn status(&self) -> Status {
        let past = self.past();
        Status {
            disabled: self.is_disabled(),
            outgoing: self.outgoing.load(Ordering::Relaxed),
            incoming: self.incoming.load(Ordering::Relaxed),
            opened: past.opened,
            failed: past.failed.clone(),
        }
    }

    /// Why no association may be had with the peer now, open or not.
    #[must_use]
    pub fn closed(&self, peer: &Peer, now: Timestamp) -> Option<Closed> {
        let name = &peer.name;
        if self.is_disabled() {
            let advice = format!("An operator has disabled it: mixgate peer enable {name}.");
            return Some(Closed {
                failure: Failure::new(
                    Step::Configuration,
                    format!("peer {name} is disabled"),
                    advice,
                ),
                until: None,
            });
        }
        let zone = peer.zone();
        if peer.schedule.is_open(now, &zone) {
            return None;
        }
        let until = peer.schedule.changes(now, &zone);
        let opens = until.map_or("never".to_owned(), |until| {
            until.to_zoned(zone).strftime("%A %H:%M").to_string()
        });
        Some(Closed {
            failure: Failure::new(
                Step::Configuration,
                format!("peer {name} is called by a schedule, which opens {opens}"),
                "Nothing is wrong: messages wait until then. See schedule of this peer.",
            ),
            until,
        })
    }

    /// Why no association may be opened to the peer yet: the last call failed a moment ago.
    pub(super) fn held_off(&self, peer: &Peer, now: Timestamp) -> Option<Closed> {
        let failed = self.past().failed.clone()?;
        let until = failed
            .at
            .checked_add(SignedDuration::try_from(peer.open_interval()?).ok()?)
            .ok()?;
        let soon = || {
            let what = format!("{}; not called again before {until}", failed.failure.what);
            Failure {
                what,
                ..failed.failure.clone()
            }
        };
        (now < until).then(|| Closed {
            failure: soon(),
            until: Some(until),
        })
    }

    /// Until when no transfer to the peer can begin, for ever if nobody knows; `None`: one can.
    #[must_use]
    pub fn shut(&self, peer: &Peer, now: Timestamp) -> Option<Timestamp> {
        let closed = match self.closed(peer, now) {
            None if self.outgoing() + self.callers() > 0 => return None,
            None if peer.connect.is_empty() => return Some(Timestamp::MAX),
            closed => closed.or_else(|| self.held_off(peer, now))?,
        };
        Some(closed.until.unwrap_or(Timestamp::MAX))
    }

    /// What came for the peer before this time is to be given up: every call since has failed, and so
    /// often as it is configured.
    #[must_use]
    pub fn given_up(&self, peer: &Peer, now: Timestamp) -> Option<Timestamp> {
        let retries = usize::try_from(peer.open_retries?).ok()?;
        // Of what waits for a window, or for an operator, nothing is to be said yet.
        if self.closed(peer, now).is_some() {
            return None;
        }
        let past = self.past();
        let first = past.failures.len().checked_sub(retries)?.checked_sub(1)?;
        past.failures.get(first).copied()
    }

    /// Notes that a call to the peer succeeded.
    pub(super) fn opened(&self, now: Timestamp) {
        let mut past = self.past();
        past.opened = Some(now);
        let failed = past.failed.is_some();
        drop(past);
        if failed {
            self.forgive();
        }
    }

    /// Notes that a call to the peer which began at this time has failed.
    pub(super) fn failed(&self, peer: &Peer, failure: &Failure, begun: Timestamp, now: Timestamp) {
        let mut past = self.past();
        let before = past.failed.take();
        let mut times = before.as_ref().map_or(0, |failed| failed.times);
        // Calls that are made at the same time fail together.
        if before.is_none_or(|before| before.at <= begun) {
            times = times.saturating_add(1);
            past.failures.push_back(begun);
            let retries = peer.open_retries.unwrap_or_default();
            while u32::try_from(past.failures.len())
                .is_ok_and(|kept| kept > retries.saturating_add(1))
            {
                past.failures.pop_front();
            }
        }
        past.failed = Some(Failed {
            at: now,
            times,
            failure: failure.clone(),
        });
    }

    /// Counts an association that we have opened.
    pub(super) fn count_outgoing(self: &Arc<Self>) -> Counted {
        self.count(|standing| &standing.outgoing)
    }

    /// Counts an association that the peer has opened.
    pub(super) fn count_incoming(self: &Arc<Self>) -> Counted {
        self.count(|standing| &standing.incoming)
    }

    fn count(self: &Arc<Self>, of: fn(&Self) -> &AtomicUsize) -> Counted {
        of(self).fetch_add(1, Ordering::Relaxed);
        Counted {
            standing: Arc::clone(self),
            of,
        }
    }

    /// Counts an association that the peer has opened and on which we send, too.
    pub(super) fn count_caller(self: &Arc<Self>) -> Counted {
        let counted = self.count(|standing| &standing.callers);
        self.mended.send_replace(());
        counted
    }

    /// How many of these there are.
    pub(super) fn callers(&self) -> usize {
        self.callers.load(Ordering::Relaxed)
    }

    /// The associations with the peer that wait for transfers.
    pub(super) fn offers(&self) -> &Offers {
        &self.offers
    }

    /// How many associations we have opened to the peer.
    pub(super) fn outgoing(&self) -> usize {
        self.outgoing.load(Ordering::Relaxed)
    }

    /// How many messages were last known to wait for the peer.
    pub(super) fn waiting(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    /// Until something changes, or so much time has passed.
    pub(super) async fn changed(&self, patience: Duration) {
        // What has changed is looked at either way.
        let _ = tokio::time::timeout(patience, self.changed.notified()).await;
    }

    fn past(&self) -> std::sync::MutexGuard<'_, Past> {
        self.past.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + seconds).unwrap()
    }

    #[test]
    fn what_came_before_the_first_of_so_many_calls_that_failed_in_a_row_is_given_up() {
        let peer = Peer {
            open_retries: Some(2),
            ..Peer::default()
        };
        let standing = Standing::default();
        let failure = Failure::new(Step::Connection, "refused", "");
        let fails = |begun, now| standing.failed(&peer, &failure, at(begun), at(now));
        let given_up = || standing.given_up(&peer, at(9999));
        fails(0, 30);
        // These were made while the first was not answered.
        fails(10, 40);
        fails(29, 50);
        fails(600, 630);
        assert_eq!(given_up(), None, "one retry");
        fails(1200, 1230);
        assert_eq!(given_up(), Some(at(0)), "two retries");
        assert_eq!(standing.status().failed.unwrap().times, 3);
        fails(1800, 1830);
        assert_eq!(given_up(), Some(at(600)));
        standing.disable(true);
        assert_eq!(given_up(), None, "an operator has it wait");
        standing.disable(false);
        assert_eq!(given_up(), None, "counted anew");
        fails(2400, 2430);
        standing.opened(at(3000));
        fails(3000, 3010);
        fails(3600, 3610);
        assert_eq!(given_up(), None);
        assert_eq!(standing.given_up(&Peer::default(), at(9999)), None);
    }
}
