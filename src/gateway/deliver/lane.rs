//! A lane: the deliveries on one route, how many there may be, and whether any can be made now.
//!
//! What a lane has is its own, so that a route that is slow, or leads to nobody, holds up no other.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::queue::schedule::Schedule;
use crate::queue::store::Overdue;
use crate::x400::Directory;

/// Bodies held in memory by deliveries at one time, of all lanes, in KiB.
const MEMORY: u32 = 512 * 1024;
/// A lane's part of it at least.
const LEAST: u32 = 1024;
/// A body that is no larger, in KiB, waits for no memory.
const SMALL: u32 = 64;

/// The deliveries on one route.
#[derive(Debug)]
pub(super) struct Lane {
    /// How many more there may be at one time.
    pub(super) width: Arc<Semaphore>,
    /// KiB of memory for large bodies.
    memory: Semaphore,
    /// Of how much in all.
    share: u32,
    /// The peers that may take what goes there; none if it is no peer's.
    peers: Vec<String>,
}

impl Lane {
    /// One of so many lanes: for so many deliveries at a time, to one of these peers.
    pub(super) fn new(lanes: usize, width: usize, peers: Vec<String>) -> Self {
        let lanes = u32::try_from(lanes).unwrap_or(u32::MAX).max(1);
        let share = (MEMORY / lanes).max(LEAST);
        Self {
            width: Arc::new(Semaphore::new(width.max(1))),
            memory: Semaphore::new(usize::try_from(share).unwrap_or(usize::MAX)),
            share,
            peers,
        }
    }

    /// Waits until there is memory for a body of so many octets; one that is larger than all there is
    /// has it alone.
    pub(super) async fn memory(&self, size: u64) -> Option<SemaphorePermit<'_>> {
        let size = u32::try_from(size / 1024).unwrap_or(u32::MAX);
        match size <= SMALL {
            true => None,
            // The semaphore is never closed.
            false => self.memory.acquire_many(size.min(self.share)).await.ok(),
        }
    }

    /// Until when nothing can be sent to any of its peers; `None`: it can be tried now.
    pub(super) fn shut(&self, directory: &Directory, now: Timestamp) -> Option<Timestamp> {
        let mut until = None;
        for peer in &self.peers {
            let this = directory.shut(peer, now)?;
            until = Some(until.map_or(this, |until: Timestamp| until.min(this)));
        }
        until
    }

    /// What is to be tried although it is shut, so that whoever sent it hears of it.
    pub(super) fn overdue(
        &self,
        directory: &Directory,
        schedule: &Schedule,
        now: Timestamp,
    ) -> Overdue {
        let given_up = self.peers.iter().map(|peer| directory.given_up(peer, now));
        let given_up: Option<Vec<Timestamp>> = given_up.collect();
        let delayed = now.checked_sub(schedule.delay_report.duration());
        Overdue {
            delayed: delayed.unwrap_or(Timestamp::MIN),
            given_up: given_up
                .and_then(|times| times.into_iter().min())
                .unwrap_or(Timestamp::MIN),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    const MIB: u64 = 1024 * 1024;

    /// Whether there is memory for so many octets at once.
    async fn fits(lane: &Lane, size: u64) -> bool {
        let memory = lane.memory(size);
        timeout(Duration::from_millis(10), memory).await.is_ok()
    }

    #[tokio::test]
    async fn large_bodies_of_one_lane_hold_up_neither_small_ones_nor_other_lanes() {
        let [slow, other] = [(); 2].map(|()| Lane::new(4, 8, Vec::new()));
        let held = slow.memory(100 * MIB).await;
        assert!(held.is_some());
        assert!(!fits(&slow, 100 * MIB).await, "128 MiB are its part");
        assert!(fits(&slow, 64 * 1024).await);
        assert!(fits(&other, 100 * MIB).await);
        drop(held);
        assert!(fits(&slow, 100 * MIB).await);
    }

    #[tokio::test]
    async fn a_body_larger_than_all_there_is_passes_alone() {
        let lane = Lane::new(1000, 8, Vec::new());
        let held = lane.memory(u64::MAX).await;
        assert!(!fits(&lane, MIB).await);
        drop(held);
        assert!(fits(&lane, MIB).await);
    }
}
