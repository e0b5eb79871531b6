//! How we stand with each peer at this moment: what server, client and operator share of it.

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
}

/// What is remembered of calls to a peer.
#[derive(Debug, Default)]
struct Past {
    opened: Option<Timestamp>,
    failed: Option<Failed>,
}

/// A call that came to nothing, and those of late before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Failed {
    /// When.
    pub at: Timestamp,
    /// How many have failed since one succeeded.
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
            // Whoever enables it has mended it: no call waits for an earlier one's sake.
            self.past().failed = None;
        }
        self.changed.notify_one();
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

    /// Notes how a call to the peer went.
    pub(super) fn called(&self, result: Result<(), &Failure>, now: Timestamp) {
        let mut past = self.past();
        match result {
            Ok(()) => {
                past.opened = Some(now);
                past.failed = None;
            }
            Err(failure) => {
                let times = past.failed.as_ref().map_or(0, |failed| failed.times);
                past.failed = Some(Failed {
                    at: now,
                    times: times.saturating_add(1),
                    failure: failure.clone(),
                });
            }
        }
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
        self.count(|standing| &standing.callers)
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
