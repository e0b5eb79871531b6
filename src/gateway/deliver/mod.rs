//! The way out: claims what is due, converts it anew, sends it, and records what became of it.
//!
//! Every attempt converts from the octets that came in, with the identifier and time they came with,
//! so every attempt sends the same. Outcomes and the reports they call for are one commit.

mod attempt;
mod onward;
mod relayed;
mod transfer;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinSet;

use super::route::{QUARANTINE, SMTP, UNREACHABLE};
use super::{Gateway, clock};
use crate::queue::ClaimRequest;
use crate::{smtp, x400};

/// Deliveries at one time on a route that needs no connection.
const LOCAL: usize = 4;
/// Deliveries at one time for each association to a peer: while one is transferred, another is
/// converted or recorded.
const FOR_EACH_ASSOCIATION: usize = 2;
/// Claims taken from the store at once.
const CLAIMS: usize = 32;
/// How long a claim is lent; a delivery that takes longer renews it.
const LEASE: Duration = Duration::from_secs(600);
/// How long to wait after the store failed.
const AFTER_FAILURE: Duration = Duration::from_secs(5);
/// How long deliveries under way may take when the gateway stops.
const GRACE: Duration = Duration::from_secs(60);
/// Bodies held in memory by deliveries at one time, in KiB; the next large one waits.
const MEMORY: u32 = 512 * 1024;
/// How long to wait at most before looking again.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Sends what the queue holds.
pub struct Deliverer {
    gateway: Arc<Gateway>,
    smtp: smtp::client::Client,
    x400: Arc<x400::Client>,
    /// How many deliveries may run at one time, by route.
    lanes: BTreeMap<String, Arc<Semaphore>>,
    /// A delivery has ended.
    ended: Notify,
    /// KiB of memory for bodies.
    memory: Semaphore,
}

impl Deliverer {
    /// A deliverer for the queue of `gateway`.
    #[must_use]
    pub fn new(gateway: Arc<Gateway>, x400: Arc<x400::Client>) -> Self {
        let rules = gateway.rules();
        let config = &rules.config;
        let mut lanes: BTreeMap<String, usize> = BTreeMap::new();
        lanes.insert(SMTP.to_owned(), config.smtp.limits.outgoing);
        lanes.insert(UNREACHABLE.to_owned(), LOCAL);
        lanes.insert(QUARANTINE.to_owned(), LOCAL);
        let peers = &config.x400.peer;
        for peer in peers {
            // What goes to one may be shared by others, at the same time.
            let sharers = rules.sharers_of(&peer.name);
            let sharers = sharers.filter_map(|name| peers.iter().find(|peer| peer.name == name));
            let width = sharers
                .map(x400::config::Peer::most_associations)
                .fold(0, usize::saturating_add)
                .saturating_mul(FOR_EACH_ASSOCIATION);
            lanes.insert(peer.name.clone(), width);
        }
        let lanes = lanes
            .into_iter()
            .map(|(route, width)| (route, Arc::new(Semaphore::new(width.max(1)))))
            .collect();
        let smtp = smtp::client::Client::new(config.gateway.name.clone(), &config.smtp);
        Self {
            gateway,
            smtp,
            x400,
            lanes,
            ended: Notify::new(),
            memory: Semaphore::new(MEMORY as usize),
        }
    }

    /// Delivers until `stop` turns true, then finishes what is under way.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut changed = self.gateway.store().changed();
        let mut running = JoinSet::new();
        let tended = tokio::spawn(Arc::clone(&self.x400).tend(stop.clone()));
        let mut lanes = self.lanes.clone();
        let mut kept_house: Option<Instant> = None;
        while !*stop.borrow() {
            changed.borrow_and_update();
            if kept_house.is_none_or(|last| last.elapsed() >= LONGEST_WAIT) {
                self.keep_house(&mut lanes).await;
                kept_house = Some(Instant::now());
            }
            let next = self.start_due(&lanes, &mut running).await;
            tokio::select! {
                _ = changed.changed() => {}
                () = self.ended.notified() => {}
                () = tokio::time::sleep(next) => {}
                _ = stop.changed() => {}
            }
            while let Some(ended) = running.try_join_next() {
                if let Err(error) = ended {
                    tracing::error!(%error, "a delivery broke; it is tried again when its loan ends");
                }
            }
        }
        let ending = async { while running.join_next().await.is_some() {} };
        if tokio::time::timeout(GRACE, ending).await.is_err() {
            tracing::warn!("deliveries under way were cut off; they are tried again");
        }
        self.smtp.close().await;
        // It ends as this does, and leaves associations to be closed here.
        let _ = tended.await;
        self.x400.close().await;
    }

    /// Gives every route that something waits on a lane, also one the configuration no longer has,
    /// so that it ends in time; forgets what ended long ago.
    async fn keep_house(&self, lanes: &mut BTreeMap<String, Arc<Semaphore>>) {
        let store = self.gateway.store();
        match store.stats().await {
            Ok(stats) => {
                for route in stats {
                    if let Some(standing) = self.x400.directory().standing(&route.route) {
                        standing.queued(usize::try_from(route.queued).unwrap_or(usize::MAX));
                    }
                    lanes
                        .entry(route.route)
                        .or_insert_with(|| Arc::new(Semaphore::new(LOCAL)));
                }
            }
            Err(error) => tracing::error!(%error, "the queue did not say what waits"),
        }
        let days = i64::from(self.gateway.rules().config.queue.remember_days);
        let before = clock::now().checked_sub(SignedDuration::from_hours(days * 24));
        if let Err(error) = store.forget(before.unwrap_or(Timestamp::MIN)).await {
            tracing::error!(%error, "the queue did not forget what ended long ago");
        }
        if let Err(error) = self.gateway.empty_quarantine(clock::now()).await {
            tracing::error!(%error, "the queue did not forget what was quarantined long ago");
        }
    }

    /// Starts what is due on each lane that has room; says how long nothing more will be due.
    async fn start_due(
        self: &Arc<Self>,
        lanes: &BTreeMap<String, Arc<Semaphore>>,
        running: &mut JoinSet<()>,
    ) -> Duration {
        let store = self.gateway.store();
        for (route, lane) in lanes {
            loop {
                let claims = lane.available_permits().min(CLAIMS);
                if claims == 0 {
                    break;
                }
                let request = ClaimRequest {
                    lease: LEASE,
                    routes: vec![route.clone()],
                    claims,
                    ..ClaimRequest::new(clock::now())
                };
                let claimed = match store.claim(request).await {
                    Ok(claimed) => claimed,
                    Err(error) => {
                        tracing::error!(%error, "the queue did not say what is due");
                        return AFTER_FAILURE;
                    }
                };
                let all = claimed.len() < claims;
                for claim in claimed {
                    // There is room: only this task takes permits.
                    let Ok(permit) = Arc::clone(lane).try_acquire_owned() else {
                        break;
                    };
                    let deliverer = Arc::clone(self);
                    running.spawn(async move {
                        deliverer.attempt(claim).await;
                        drop(permit);
                        deliverer.ended.notify_one();
                    });
                }
                if all {
                    break;
                }
            }
        }
        // Full lanes wait for a delivery to end, which wakes us.
        let open = lanes
            .iter()
            .filter(|(_, lane)| lane.available_permits() > 0);
        let open: Vec<String> = open.map(|(route, _)| route.clone()).collect();
        if open.is_empty() {
            return LONGEST_WAIT;
        }
        match store.next_due(open, clock::now()).await {
            Ok(Some(due)) => {
                let wait = due.duration_since(clock::now());
                Duration::try_from(wait)
                    .unwrap_or_default()
                    .clamp(Duration::from_millis(10), LONGEST_WAIT)
            }
            Ok(None) => LONGEST_WAIT,
            Err(error) => {
                tracing::error!(%error, "the queue did not say what is due next");
                AFTER_FAILURE
            }
        }
    }
}
