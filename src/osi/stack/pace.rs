//! How slow a peer may be, and how much it may say to no purpose.
//!
//! A step now and then keeps a transfer alive for ever, so the whole of one has a bound that grows
//! with what has come of it. And units of session that carry no message cost the peer next to
//! nothing: turns asked for, points without data, activities begun only to be given up.

use std::time::{Duration, Instant};

use super::Outgoing;
use crate::osi::rtse::Indication;

/// How many TSDUs to no purpose are too many.
const FLOOD: u64 = 1000;
/// As many of them as an activity counts for that comes to nothing: somebody works for it, and writes
/// it down.
const ACTIVITY: u64 = 50;
/// How many are forgiven each second.
const FORGIVEN: u64 = 10;
/// So many octets of transfers are a purpose: the smallest unit of checkpoints (X.228 clause 8.1).
const PURPOSE: usize = 1024;

/// The account of one peer.
#[derive(Debug)]
pub(super) struct Pace {
    /// How long any transfer may take.
    grace: Duration,
    /// How many octets more it must bring each second after that; 0: none.
    rate: u64,
    /// The transfer being received: since when, and how many octets came in it.
    transfer: Option<(Instant, u64)>,
    /// How many TSDUs were to no purpose.
    idle: u64,
    /// Until when they are forgiven.
    forgiven: Instant,
    /// Octets of transfers since the last purpose.
    octets: usize,
}

impl Pace {
    pub(super) fn new(grace: Duration, rate: u64, now: Instant) -> Self {
        Self {
            grace,
            rate,
            transfer: None,
            idle: 0,
            forgiven: now,
            octets: 0,
        }
    }

    /// How long any transfer may take from now on.
    pub(super) fn set_grace(&mut self, grace: Duration) {
        self.grace = grace;
    }

    /// So many octets came, with so many whole TSDUs, and `out` is what came of them.
    pub(super) fn came(&mut self, octets: usize, tsdus: usize, out: &[Outgoing], now: Instant) {
        self.idle += tsdus as u64;
        for told in out {
            match told {
                Outgoing::Indication(Indication::Octets(octets)) => self.octets += octets.len(),
                Outgoing::Indication(
                    Indication::TransferBegin { .. } | Indication::TransferResume { .. },
                ) => {
                    self.idle += ACTIVITY;
                    self.transfer = Some((now, 0));
                }
                _ => {}
            }
        }
        if let Some((_, came)) = &mut self.transfer {
            *came += octets as u64;
        }
        if self.octets >= PURPOSE {
            self.purpose();
        }
        let seconds = now.saturating_duration_since(self.forgiven).as_secs();
        self.forgiven += Duration::from_secs(seconds);
        self.idle = self.idle.saturating_sub(seconds.saturating_mul(FORGIVEN));
    }

    /// What was said served a purpose.
    pub(super) fn purpose(&mut self) {
        self.idle = 0;
        self.octets = 0;
    }

    /// The transfer waited so long for our own user.
    pub(super) fn waited(&mut self, pause: Duration) {
        if let Some((since, _)) = &mut self.transfer {
            *since += pause;
        }
    }

    /// The transfer is refused: it has to end, with what is still on its way.
    pub(super) fn refused(&mut self, now: Instant) {
        self.transfer = Some((now, 0));
    }

    /// What is wrong with what the peer sends; no more than one thing.
    pub(super) fn flood(&mut self) -> Option<String> {
        let is_flood = self.idle > FLOOD;
        if is_flood {
            self.idle = 0;
        }
        is_flood.then(|| format!("a flood: more than {FLOOD} units of session without a message"))
    }

    /// When the transfer is too slow, if nothing more comes.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let (since, came) = self.transfer?;
        let earned = came.checked_div(self.rate)?;
        since.checked_add(self.grace.saturating_add(Duration::from_secs(earned)))
    }

    /// Why the transfer is too slow, if it is.
    pub(super) fn delay(&self, now: Instant) -> Option<String> {
        let (since, came) = self.transfer?;
        (self.deadline()? <= now).then(|| {
            let seconds = now.saturating_duration_since(since).as_secs();
            let rate = self.rate;
            format!("too slow: {came} octets of a transfer in {seconds}s, below {rate} a second")
        })
    }
}
