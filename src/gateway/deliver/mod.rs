//! The way out: claims what is due, converts it anew, sends it, and records what became of it.
//!
//! Every attempt converts from the octets that came in, with the identifier and time they came with,
//! so every attempt sends the same. Outcomes and the reports they call for are one commit.

mod attempt;
mod onward;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinSet;

use super::route::{SMTP, UNREACHABLE};
use super::{Gateway, clock};
use crate::queue::ClaimRequest;
use crate::{smtp, x400};

/// Deliveries at one time on a route that needs no connection.
const LOCAL: usize = 4;
/// Associations to a peer at one time, unless its configuration says.
const ASSOCIATIONS: usize = 2;
/// Claims taken from the store at once.
const CLAIMS: usize = 32;
/// How long a claim is lent; a delivery that takes longer renews it.
const LEASE: Duration = Duration::from_secs(600);
/// How long to wait after the store failed.
const AFTER_FAILURE: Duration = Duration::from_secs(5);
/// How long to wait at most before looking again.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Sends what the queue holds.
pub struct Deliverer {
    gateway: Arc<Gateway>,
    smtp: smtp::client::Client,
    x400: x400::client::Client,
    /// How many deliveries may run at one time, by route.
    lanes: BTreeMap<String, Arc<Semaphore>>,
    /// A delivery has ended.
    ended: Notify,
}

impl Deliverer {
    /// A deliverer for the queue of `gateway`.
    #[must_use]
    pub fn new(gateway: Arc<Gateway>, x400: x400::client::Client) -> Self {
        let rules = gateway.rules();
        let config = &rules.config;
        let mut lanes: BTreeMap<String, usize> = BTreeMap::new();
        lanes.insert(SMTP.to_owned(), config.smtp.limits.outgoing);
        lanes.insert(UNREACHABLE.to_owned(), LOCAL);
        for peer in &config.x400.peer {
            lanes.insert(
                peer.name.clone(),
                peer.max_associations.unwrap_or(ASSOCIATIONS),
            );
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
        }
    }

    /// Delivers until `stop` turns true, then finishes what is under way.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut changed = self.gateway.store().changed();
        let mut running = JoinSet::new();
        while !*stop.borrow() {
            changed.borrow_and_update();
            let next = self.start_due(&mut running).await;
            tokio::select! {
                _ = changed.changed() => {}
                () = self.ended.notified() => {}
                () = tokio::time::sleep(next) => {}
                _ = stop.changed() => {}
            }
            while running.try_join_next().is_some() {}
        }
        while running.join_next().await.is_some() {}
        self.smtp.close().await;
        self.x400.close().await;
    }

    /// Starts what is due on each lane that has room; says how long nothing more will be due.
    async fn start_due(self: &Arc<Self>, running: &mut JoinSet<()>) -> Duration {
        let store = self.gateway.store();
        for (route, lane) in &self.lanes {
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
        match store.next_due(Vec::new(), clock::now()).await {
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
