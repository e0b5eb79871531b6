//! The way out: claims what is due, converts it anew, sends it, and records what became of it.
//!
//! Every attempt converts from the octets that came in, with the identifier and time they came with,
//! so every attempt sends the same. Outcomes and the reports they call for are one commit.

mod attempt;
mod lane;
mod onward;
mod relayed;
mod transfer;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use self::lane::Lane;
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
/// How long to wait at most before looking again.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Sends what the queue holds.
pub struct Deliverer {
    gateway: Arc<Gateway>,
    smtp: smtp::client::Client,
    x400: Arc<x400::Client>,
    /// By route.
    lanes: BTreeMap<String, Arc<Lane>>,
    /// A delivery has ended.
    ended: Notify,
}

impl Deliverer {
    /// A deliverer for the queue of `gateway`.
    #[must_use]
    pub fn new(gateway: Arc<Gateway>, x400: Arc<x400::Client>) -> Self {
        let rules = gateway.rules();
        let config = &rules.config;
        let mut widths: BTreeMap<String, usize> = BTreeMap::new();
        widths.insert(SMTP.to_owned(), config.smtp.limits.outgoing);
        widths.insert(UNREACHABLE.to_owned(), LOCAL);
        widths.insert(QUARANTINE.to_owned(), LOCAL);
        let peers = &config.x400.peer;
        for peer in peers {
            // What goes to one may be shared by others, at the same time.
            let sharers = rules.routes().sharers_of(&peer.name);
            let sharers = sharers.filter_map(|name| peers.iter().find(|peer| peer.name == name));
            let width = sharers
                .map(x400::config::Peer::most_associations)
                .fold(0, usize::saturating_add)
                .saturating_mul(FOR_EACH_ASSOCIATION);
            widths.insert(peer.name.clone(), width);
        }
        let mut lanes = BTreeMap::new();
        let number = widths.len();
        for (route, width) in widths {
            let names = match peers.iter().any(|peer| peer.name == route) {
                true => rules.routes().alternates_of(&route),
                false => Vec::new(),
            };
            let names = names.into_iter().map(str::to_owned).collect();
            lanes.insert(route, Arc::new(Lane::new(number, width, names)));
        }
        let smtp = smtp::client::Client::new(config.gateway.name.clone(), &config.smtp);
        Self {
            gateway,
            smtp,
            x400,
            lanes,
            ended: Notify::new(),
        }
    }

    /// Delivers until `stop` turns true, then finishes what is under way.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut changed = self.gateway.store().changed();
        let mut mended = self.x400.directory().mended();
        let mut running = JoinSet::new();
        let tended = tokio::spawn(Arc::clone(&self.x400).tend(stop.clone()));
        let mut lanes = self.lanes.clone();
        let mut kept_house: Option<Instant> = None;
        while !*stop.borrow() {
            changed.borrow_and_update();
            mended.borrow_and_update();
            let keeps_house = kept_house.is_none_or(|last| last.elapsed() >= LONGEST_WAIT);
            if keeps_house {
                self.keep_house(&mut lanes).await;
                kept_house = Some(Instant::now());
            }
            let next = self.start_due(&lanes, keeps_house, &mut running).await;
            tokio::select! {
                _ = changed.changed() => {}
                _ = mended.changed() => {}
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
    async fn keep_house(&self, lanes: &mut BTreeMap<String, Arc<Lane>>) {
        let store = self.gateway.store();
        match store.stats().await {
            Ok(stats) => {
                for route in stats {
                    if let Some(standing) = self.x400.directory().standing(&route.route) {
                        standing.queued(usize::try_from(route.queued).unwrap_or(usize::MAX));
                    }
                    let number = lanes.len();
                    lanes
                        .entry(route.route)
                        .or_insert_with(|| Arc::new(Lane::new(number, LOCAL, Vec::new())));
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

    /// Starts what is due on each lane that has room, and on those that are shut only what is
    /// `overdue`, if that is asked for; says how long nothing more will be due.
    async fn start_due(
        self: &Arc<Self>,
        lanes: &BTreeMap<String, Arc<Lane>>,
        overdue: bool,
        running: &mut JoinSet<()>,
    ) -> Duration {
        let (store, directory) = (self.gateway.store(), self.x400.directory());
        let rules = self.gateway.rules();
        for (route, lane) in lanes {
            let now = clock::now();
            let is_shut = lane.shut(directory, now).is_some();
            if is_shut && !overdue {
                continue;
            }
            let overdue = is_shut.then(|| lane.overdue(directory, rules.schedule(), now));
            loop {
                let claims = lane.width.available_permits().min(CLAIMS);
                if claims == 0 {
                    break;
                }
                let request = ClaimRequest {
                    lease: LEASE,
                    routes: vec![route.clone()],
                    claims,
                    overdue,
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
                    let Ok(permit) = Arc::clone(&lane.width).try_acquire_owned() else {
                        break;
                    };
                    let (deliverer, lane) = (Arc::clone(self), Arc::clone(lane));
                    running.spawn(async move {
                        deliverer.attempt(claim, &lane).await;
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
        let (mut open, mut next) = (Vec::new(), Timestamp::MAX);
        for (route, lane) in lanes {
            match lane.shut(directory, clock::now()) {
                Some(until) => next = next.min(until),
                None if lane.width.available_permits() > 0 => open.push(route.clone()),
                None => {}
            }
        }
        if !open.is_empty() {
            match store.next_due(open, clock::now()).await {
                Ok(due) => next = next.min(due.unwrap_or(Timestamp::MAX)),
                Err(error) => {
                    tracing::error!(%error, "the queue did not say what is due next");
                    return AFTER_FAILURE;
                }
            }
        }
        let wait = Duration::try_from(next.duration_since(clock::now())).unwrap_or_default();
        wait.clamp(Duration::from_millis(10), LONGEST_WAIT)
    }
}
