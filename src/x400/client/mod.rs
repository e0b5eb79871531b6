//! The client: transfers APDUs to peers over associations that are kept warm.
//!
//! For each peer there are at most so many associations, all but the first only while many messages
//! wait. One that has nothing to do waits for the next transfer, and is released when it has waited
//! long enough, its peer ends it, or its peer's schedule does. Permanent ones are opened anew. One that
//! the peer has opened is as good, if it is two-way alternate. A transfer that breaks off when its
//! peer had confirmed a part is resumed on another association (X.228 clause 7.8.1), at once if it can
//! be, else when it is tried again.

mod open;
mod pinned;
mod pool;
mod transfer;

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

use super::association::Directory;
use super::dialogue::Association;
use super::failure::Failure;
use super::handler::Handler;
use super::receive::Takes;
use super::server::Server;
use super::standing::Standing;
use crate::asn1;
use crate::asn1::types::TeletexString;
use pool::Pool;

pub use pinned::{Keep, Keeping, Pinned};
pub use transfer::Transfer;

/// How long to wait at most before looking after permanent associations again.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// How long the releases of all associations may take when the client ends.
const FOR_CLOSE: Duration = Duration::from_secs(10);
/// How long to wait at least between two associations that are opened to be permanent.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);

/// How a transfer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The peer has confirmed: it has the APDU and the responsibility.
    Delivered {
        /// The peer's address.
        relay: SocketAddr,
    },
    /// It was not transferred, and may be at another time.
    Later {
        /// The peer's address, if there was a connection.
        relay: Option<SocketAddr>,
        /// Why, in words.
        explanation: String,
        /// From where it can be resumed.
        pinned: Option<Pinned>,
    },
    /// There is no association to transfer it on: none could be opened, or none may be now.
    NoAssociation {
        /// The peer's address, if there was a connection.
        relay: Option<SocketAddr>,
        /// Why, in words.
        explanation: String,
        /// When it is worth while to try again, if that is known.
        again: Option<Timestamp>,
        /// Whether the peer was called.
        tried: bool,
        /// From where it can be resumed.
        pinned: Option<Pinned>,
    },
    /// Every octet was sent and the activity ended, and then neither a confirmation nor a refusal
    /// came: the peer may have taken it. To be sent again later and to this peer alone, which can
    /// tell a duplicate; at once, or by another way, it would arrive twice.
    InDoubt {
        /// The peer's address, if there was a connection.
        relay: Option<SocketAddr>,
        /// Why, in words.
        explanation: String,
        /// From where it can be resumed: then its peer says whether it has it.
        pinned: Option<Pinned>,
    },
    /// It was not transferred, and never will be.
    Never {
        /// The peer's address, if there was a connection.
        relay: Option<SocketAddr>,
        /// Why, in words.
        explanation: String,
    },
}

/// Transfers APDUs to the peers of a [`Directory`].
#[derive(Debug)]
pub struct Client {
    directory: Arc<Directory>,
    /// Who takes what peers send on the associations we open.
    receiver: Option<Arc<dyn Takes>>,
    pools: Mutex<HashMap<String, Arc<Pool>>>,
    /// When the last association was opened.
    opened: Mutex<Timestamp>,
    /// The additional reference of our session connections (X.225 section 8.3.1, at most 4 octets): it
    /// tells them from those that another process of ours opened in the same second.
    process: Bytes,
}

/// What a peer says of itself when it answers, and what is agreed on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Greeting {
    /// Its MTA name.
    pub mta: String,
    /// Octets between two checkpoints, in units of 1024; 0: none are set.
    pub checkpoint_size: u8,
    /// Checkpoints that may be unconfirmed.
    pub window_size: u8,
    /// How long it took to open the association.
    pub milliseconds: u64,
}

/// What came of a call to one address of a peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Pinged {
    /// The address, as it is configured.
    pub address: String,
    /// What it stands for, if that was found.
    pub relay: Option<SocketAddr>,
    /// What the peer says; `None` if the call failed.
    pub greeting: Option<Greeting>,
    /// Why the call failed.
    pub failure: Option<Failure>,
}

impl Pinged {
    fn answered(address: &str, relay: SocketAddr, greeting: Greeting) -> Self {
        Self {
            address: address.to_owned(),
            relay: Some(relay),
            greeting: Some(greeting),
            failure: None,
        }
    }

    fn failed(address: &str, relay: Option<SocketAddr>, failure: Failure) -> Self {
        Self {
            address: address.to_owned(),
            relay,
            greeting: None,
            failure: Some(failure),
        }
    }
}

impl Client {
    /// A client without associations yet.
    #[must_use]
    pub fn new(directory: Arc<Directory>) -> Self {
        Self {
            directory,
            receiver: None,
            pools: Mutex::default(),
            opened: Mutex::new(Timestamp::UNIX_EPOCH),
            process: asn1::encode(&TeletexString::from(&by_chance()[..])),
        }
    }

    /// The same with a server that takes what peers send on two-way alternate associations; without
    /// one none is proposed.
    #[must_use]
    pub fn with<H: Handler>(self, server: &Server<H>) -> Self {
        Self {
            receiver: Some(server.receiver()),
            ..self
        }
    }

    /// Transfers an APDU to the configured peer of this name.
    ///
    /// An association that turns out to be stale is replaced by a new one, once, and so is one that
    /// breaks when the peer has confirmed a part: there the transfer is resumed. One that came to be
    /// in doubt is not begun again.
    pub async fn transfer(&self, peer: &str, transfer: impl Into<Transfer>) -> Outcome {
        let mut transfer = transfer.into();
        let Some(pool) = self.pool(peer) else {
            let explanation = format!("no peer is called {peer:?}");
            return failed(None, false, transfer.pinned, explanation);
        };
        let _permit = pool.permit(transfer.urgency).await;
        self.transfer_once(&pool, &mut transfer).await
    }

    async fn transfer_once(&self, pool: &Arc<Pool>, transfer: &mut Transfer) -> Outcome {
        let peer = &pool.peer;
        let claimed = match pool.standing.closed(peer, Timestamp::now()) {
            None => pool.claim(transfer.urgency, self.time(transfer)).await,
            Some(_) => {
                pool.release().await;
                None
            }
        };
        let (mut relay, mut in_doubt) = (None, false);
        // A warm association may have gone stale unnoticed: then a new one gets the transfer.
        if let Some(association) = claimed {
            relay = Some(association.caller.address);
            match self.over(pool, association, transfer).await {
                Err(failure) if failure.may_go_on() => {
                    let explanation = failure.explanation;
                    debug!(
                        peer = peer.name,
                        explanation, "a warm association had gone stale"
                    );
                    in_doubt = failure.in_doubt;
                    transfer.pinned = failure.pinned.or(transfer.pinned.take());
                }
                ended => return outcome(relay, ended),
            }
        }
        let mut again = true;
        loop {
            let association = match self.associate(pool).await {
                Ok(association) => association,
                Err(unopened) => {
                    let pinned = transfer.pinned.take();
                    let relay = unopened.relay.or(relay);
                    let explanation = unopened.failure.what;
                    if in_doubt || was_ended(pinned.as_ref()) {
                        return failed(relay, true, pinned, explanation);
                    }
                    return Outcome::NoAssociation {
                        relay,
                        explanation,
                        again: unopened.again,
                        tried: unopened.tried,
                        pinned,
                    };
                }
            };
            relay = Some(association.caller.address);
            match self.over(pool, association, transfer).await {
                Err(failure) if again && failure.may_go_on() && failure.pinned.is_some() => {
                    again = false;
                    let explanation = failure.explanation;
                    info!(
                        peer = peer.name,
                        explanation, "association lost, its transfer is resumed"
                    );
                    in_doubt = failure.in_doubt;
                    transfer.pinned = failure.pinned;
                }
                ended => return outcome(relay, ended),
            }
        }
    }

    /// Opens an association at each address of a peer and releases it, disabled or not and at any
    /// time; `None` if no peer has this name.
    pub async fn ping(&self, peer: &str) -> Option<Vec<Pinged>> {
        let pool = self.pool(peer)?;
        Some(self.ping_all(&pool).await)
    }

    /// Who we are, and whom we know.
    #[must_use]
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Keeps permanent associations open, and releases what waits when a schedule ends or a peer is
    /// disabled, until `stopped` turns true.
    pub async fn tend(self: Arc<Self>, mut stopped: watch::Receiver<bool>) {
        let mut tasks = JoinSet::new();
        for peer in &self.directory.config().peer {
            if let Some(pool) = self.pool(&peer.name) {
                let client = Arc::clone(&self);
                tasks.spawn(async move { client.tend_peer(&pool).await });
            }
        }
        // An error is a gateway that is gone.
        drop(stopped.wait_for(|stopped| *stopped).await);
    }

    async fn tend_peer(&self, pool: &Arc<Pool>) {
        let Pool { peer, standing, .. } = &**pool;
        loop {
            let mut wait = LONGEST_WAIT;
            if standing.closed(peer, Timestamp::now()).is_some() {
                pool.release().await;
            } else if standing.outgoing() < peer.permanent {
                wait = SHORTEST_WAIT;
                match self.associate(pool).await {
                    Ok(association) => pool.keep(association),
                    Err(unopened) => {
                        if unopened.tried {
                            let why = unopened.failure.what;
                            warn!(peer = peer.name, why, "no permanent association");
                        }
                        wait = peer.open_interval().unwrap_or(LONGEST_WAIT);
                    }
                }
            }
            let now = Timestamp::now();
            if let Some(change) = peer.schedule.changes(now, &peer.zone()) {
                let until = Duration::try_from(change.duration_since(now)).unwrap_or_default();
                wait = wait.min(until.max(Duration::from_millis(1)));
            }
            if wait <= SHORTEST_WAIT {
                sleep(wait).await;
            } else {
                standing.changed(wait).await;
            }
        }
    }

    /// Releases every association that waits.
    pub async fn close(&self) {
        let pools: Vec<_> = {
            let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
            pools.drain().map(|(_, pool)| pool).collect()
        };
        let mut releases: JoinSet<()> = pools
            .into_iter()
            .map(|pool| async move { pool.release().await })
            .collect();
        let released = async { while releases.join_next().await.is_some() {} };
        if timeout(FOR_CLOSE, released).await.is_err() {
            info!("associations whose release nobody confirmed are cut off");
        }
    }

    fn pool(&self, name: &str) -> Option<Arc<Pool>> {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = pools.get(name) {
            return Some(Arc::clone(pool));
        }
        let peer = self.directory.peer(name)?.clone();
        let standing: Arc<Standing> = Arc::clone(self.directory.standing(name)?);
        let pool = Arc::new(Pool::new(peer, standing));
        pools.insert(name.to_owned(), Arc::clone(&pool));
        Some(pool)
    }

    /// Transfers over an association and keeps it warm, if it is not broken.
    async fn over(
        &self,
        pool: &Arc<Pool>,
        mut association: Association,
        transfer: &Transfer,
    ) -> Result<SocketAddr, transfer::Failure> {
        let time = self.time(transfer);
        let ended = association.transfer(&pool.peer, transfer, time).await;
        let relay = association.caller.address;
        if !association.link.is_over() {
            pool.keep(association);
        }
        ended.map(|()| relay)
    }

    /// How long a transfer may take.
    fn time(&self, transfer: &Transfer) -> Duration {
        self.directory.config().transfer_time.of(transfer.urgency)
    }
}

/// Two printable characters by chance.
fn by_chance() -> [u8; 2] {
    let chance = RandomState::new().build_hasher().finish().to_be_bytes();
    let [a, b, ..] = chance.map(|octet| b'!' + octet % 94);
    [a, b]
}

impl transfer::Failure {
    /// Whether another association may be tried at once: nothing can come of it twice.
    fn may_go_on(&self) -> bool {
        self.broken && (!self.in_doubt || self.pinned.is_some())
    }
}

/// What became of a transfer on an association.
fn outcome(relay: Option<SocketAddr>, ended: Result<SocketAddr, transfer::Failure>) -> Outcome {
    match ended {
        Ok(relay) => Outcome::Delivered { relay },
        Err(failure) if failure.transient || failure.in_doubt => {
            failed(relay, failure.in_doubt, failure.pinned, failure.explanation)
        }
        Err(transfer::Failure { explanation, .. }) => Outcome::Never { relay, explanation },
    }
}

/// Whether the activity of what can be resumed had been ended, so that its peer may have it.
fn was_ended(pinned: Option<&Pinned>) -> bool {
    pinned.is_some_and(|pinned| pinned.resumption.ended)
}

/// A transfer that is to be tried again.
fn failed(
    relay: Option<SocketAddr>,
    in_doubt: bool,
    pinned: Option<Pinned>,
    explanation: String,
) -> Outcome {
    match in_doubt || was_ended(pinned.as_ref()) {
        true => Outcome::InDoubt {
            relay,
            explanation,
            pinned,
        },
        false => Outcome::Later {
            relay,
            explanation,
            pinned,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    #[test]
    fn x228_7_8_1_processes_that_call_in_the_same_second_are_told_apart() {
        let names = (0..20).map(|_| {
            let directory = Directory::new(Config::default(), "GW").unwrap();
            let name = Client::new(Arc::new(directory)).process;
            // A T.61 string in no more than the four octets there is room for.
            assert!(
                matches!(&name[..], [20, 2, b'!'..=b'~', b'!'..=b'~']),
                "{name:?}"
            );
            name
        });
        let names: std::collections::HashSet<Bytes> = names.collect();
        assert!(names.len() > 1, "{names:?}");
    }
}
