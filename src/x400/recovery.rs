//! What is kept of transfers that broke off, until their peers resume them (X.228 clause 7.8.1).
//!
//! A peer finds its transfer again by the session connection and the identifier under which the
//! activity was started. It may come back before the loss of its first association was noticed here:
//! then that one is given up for it. The last transfer completed on an association that was lost is
//! remembered too, since its confirmation may be lost with it. All this is bounded for each peer and
//! ends with the `recovery-timeout`; what is forgotten costs only a transmission from the start.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::osi::rtse::Activity;

/// Points of a transfer remembered: as many as the greatest window, and the one before.
const POINTS: usize = 256;
/// Completed transfers remembered of each peer.
const COMPLETED: usize = 256;

/// How far a transfer has come, and where its points lie.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// How many octets of it are here.
    taken: u64,
    /// How many come before the next that the peer will send; fewer if it repeats some.
    at: u64,
    /// The last points, each with how many octets come before it.
    points: VecDeque<(u32, u64)>,
}

impl Progress {
    /// Octets from the peer; gives those that are not here yet.
    pub(super) fn push(&mut self, mut octets: Bytes) -> Bytes {
        let repeated = usize::try_from(self.taken - self.at).unwrap_or(usize::MAX);
        self.at += octets.len() as u64;
        self.taken = self.taken.max(self.at);
        octets.split_off(repeated.min(octets.len()))
    }

    /// The peer sets a point.
    pub(super) fn point(&mut self, number: u32) {
        if self.points.len() == POINTS {
            self.points.pop_front();
        }
        self.points.push_back((number, self.at));
    }

    /// The peer goes on after a point; gives how many octets come before it, if that is known.
    pub(super) fn resume(&mut self, number: u32) -> Option<u64> {
        let place = self.points.iter().position(|(point, _)| *point == number)?;
        self.points.truncate(place + 1);
        let (_, at) = self.points.back()?;
        self.at = *at;
        Some(*at)
    }

    /// Whether there is a point to go on from.
    pub(super) fn is_resumable(&self) -> bool {
        !self.points.is_empty()
    }

    /// How many octets are here.
    pub(super) fn octets(&self) -> u64 {
        self.taken
    }
}

/// How much is kept, and how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// How long from the loss of its association.
    pub(super) timeout: Duration,
    /// How many transfers of a peer.
    pub(super) transfers: usize,
    /// How many octets of a peer's transfers together.
    pub(super) octets: u64,
}

/// The transfers of all peers; `T` is what was received of one.
#[derive(Debug)]
pub(super) struct Recovery<T> {
    limits: Limits,
    peers: Mutex<HashMap<String, Vec<Entry<T>>>>,
    /// Something was kept, completed or forgotten.
    changed: Notify,
    tickets: AtomicU64,
    /// Whether a task waits to forget what is too old.
    purging: AtomicBool,
}

#[derive(Debug)]
struct Entry<T> {
    ticket: u64,
    /// What its activity was called: at its start, and when it was last resumed.
    names: Vec<Activity>,
    state: State<T>,
}

#[derive(Debug)]
enum State<T> {
    /// On an association, which can be asked to give it up.
    Under(Arc<Notify>),
    /// It broke off.
    Kept {
        transfer: T,
        octets: u64,
        since: Instant,
    },
    /// The peer's last one on an association, taken and confirmed.
    Completed { since: Instant },
}

/// What a peer that resumes is told.
#[derive(Debug)]
pub(super) enum Found<T> {
    /// Here is what was received of it.
    Kept(T, Ticket<T>),
    /// It was taken.
    Completed,
    /// Nothing is known of it.
    Unknown,
}

/// A transfer under way. Dropped, it is forgotten, unless it was completed.
#[derive(Debug)]
pub(super) struct Ticket<T> {
    home: Arc<Recovery<T>>,
    peer: String,
    number: u64,
    wanted: Arc<Notify>,
    /// Whether what is known of it stays.
    stays: bool,
}

impl<T: Send + 'static> Recovery<T> {
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            peers: Mutex::default(),
            changed: Notify::new(),
            tickets: AtomicU64::new(0),
            purging: AtomicBool::new(false),
        })
    }

    /// A peer starts an activity. What was known under this name is another one: names may be used
    /// again on a new association.
    pub(super) fn begin(self: &Arc<Self>, peer: &str, activity: Activity) -> Ticket<T> {
        let named = |entry: &Entry<T>| entry.names.contains(&activity);
        let mut peers = self.lock();
        let entries = peers.entry(peer.to_owned()).or_default();
        // Two at the same time could not be told apart: neither is to be resumed.
        let ambiguous = entries
            .iter()
            .any(|entry| named(entry) && matches!(entry.state, State::Under(_)));
        entries.retain(|entry| !named(entry));
        let ticket = self.ticket(peer);
        if !ambiguous {
            entries.push(Entry {
                ticket: ticket.number,
                names: vec![activity],
                state: State::Under(Arc::clone(&ticket.wanted)),
            });
        }
        ticket
    }

    /// A peer resumes an activity under a new name. Waits while its association of before is still
    /// to be given up, or is taking the transfer.
    pub(super) async fn resume(
        self: &Arc<Self>,
        peer: &str,
        old: &Activity,
        new: &Activity,
        patience: Duration,
    ) -> Found<T> {
        let search = async {
            loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                // What changes from here on is not missed.
                changed.as_mut().enable();
                match self.find(peer, old, new) {
                    Ok(found) => return found,
                    Err(wanted) => wanted.notify_one(),
                }
                changed.await;
            }
        };
        timeout(patience, search).await.unwrap_or(Found::Unknown)
    }

    /// Looks for an activity; one that is still on another association is asked for.
    fn find(
        self: &Arc<Self>,
        peer: &str,
        old: &Activity,
        new: &Activity,
    ) -> Result<Found<T>, Arc<Notify>> {
        self.purge(Instant::now());
        let mut peers = self.lock();
        let Some(entries) = peers.get_mut(peer) else {
            return Ok(Found::Unknown);
        };
        let Some(place) = entries.iter().position(|entry| entry.names.contains(old)) else {
            return Ok(Found::Unknown);
        };
        match entries.get(place).map(|entry| &entry.state) {
            Some(State::Under(wanted)) => return Err(Arc::clone(wanted)),
            Some(State::Completed { .. }) => return Ok(Found::Completed),
            _ => {}
        }
        let Entry { names, state, .. } = entries.remove(place);
        let State::Kept { transfer, .. } = state else {
            return Ok(Found::Unknown);
        };
        let ticket = self.ticket(peer);
        entries.push(Entry {
            ticket: ticket.number,
            names: names.into_iter().take(1).chain([new.clone()]).collect(),
            state: State::Under(Arc::clone(&ticket.wanted)),
        });
        Ok(Found::Kept(transfer, ticket))
    }

    fn ticket(self: &Arc<Self>, peer: &str) -> Ticket<T> {
        Ticket {
            home: Arc::clone(self),
            peer: peer.to_owned(),
            number: self.tickets.fetch_add(1, Ordering::Relaxed),
            wanted: Arc::default(),
            stays: false,
        }
    }

    /// Forgets what is older than the timeout, when that has passed: one task, however many
    /// transfers break off.
    fn purge_later(self: &Arc<Self>) {
        if self.purging.swap(true, Ordering::AcqRel) {
            return;
        }
        let (home, timeout): (Weak<Self>, _) = (Arc::downgrade(self), self.limits.timeout);
        tokio::spawn(async move {
            loop {
                sleep(timeout).await;
                let Some(home) = home.upgrade() else { return };
                // Before it looks: who keeps something from here on begins another.
                home.purging.store(false, Ordering::Release);
                if !home.purge(Instant::now()) || home.purging.swap(true, Ordering::AcqRel) {
                    return;
                }
            }
        });
    }
}

impl<T> Recovery<T> {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Vec<Entry<T>>>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what is older than the timeout; whether something remains.
    fn purge(&self, now: Instant) -> bool {
        let mut peers = self.lock();
        for entries in peers.values_mut() {
            entries.retain(|entry| match entry.state {
                State::Under(_) => true,
                State::Kept { since, .. } | State::Completed { since } => {
                    now.saturating_duration_since(since) < self.limits.timeout
                }
            });
        }
        peers.retain(|_, entries| !entries.is_empty());
        !peers.is_empty()
    }

    /// Puts a transfer of a ticket in another state, or forgets it; then what is too much.
    fn change(&self, ticket: &Ticket<T>, state: Option<State<T>>) {
        let mut peers = self.lock();
        if let Some(entries) = peers.get_mut(&ticket.peer) {
            let place = entries
                .iter()
                .position(|entry| entry.ticket == ticket.number);
            if let Some(place) = place {
                // The latest stands last.
                let mut entry = entries.remove(place);
                if let Some(state) = state {
                    entry.state = state;
                    entries.push(entry);
                }
            }
            self.limit(entries);
        }
        drop(peers);
        self.changed.notify_waiters();
    }

    /// Keeps the latest of a peer, as many as the limits allow.
    fn limit(&self, entries: &mut Vec<Entry<T>>) {
        let (mut transfers, mut sum, mut completed) = (0, 0_u64, 0);
        let mut stays: Vec<bool> = entries
            .iter()
            .rev()
            .map(|entry| match entry.state {
                State::Under(_) => true,
                State::Kept { octets, .. } => {
                    transfers += 1;
                    sum = sum.saturating_add(octets);
                    transfers <= self.limits.transfers && sum <= self.limits.octets
                }
                State::Completed { .. } => {
                    completed += 1;
                    completed <= COMPLETED
                }
            })
            .collect();
        entries.retain(|_| stays.pop().unwrap_or(true));
    }
}

impl<T: Send + 'static> Ticket<T> {
    /// Ready when the peer wants to resume the transfer on another association.
    pub(super) async fn wanted(&self) {
        self.wanted.notified().await;
    }

    /// The transfer broke off; what was received of it is kept.
    pub(super) fn keep(mut self, transfer: T, octets: u64) {
        self.stays = true;
        let since = Instant::now();
        let kept = State::Kept {
            transfer,
            octets,
            since,
        };
        self.home.change(&self, Some(kept));
        self.home.purge_later();
    }

    /// The transfer is taken. That is remembered, until the peer is known to have heard of it.
    pub(super) fn complete(&mut self) {
        self.stays = true;
        let since = Instant::now();
        self.home.change(self, Some(State::Completed { since }));
    }

    /// The peer has heard how it ended.
    pub(super) fn forget(mut self) {
        self.stays = false;
    }
}

impl<T> Drop for Ticket<T> {
    fn drop(&mut self) {
        if !self.stays {
            self.home.change(self, None);
        }
    }
}

#[cfg(test)]
mod tests;
