//! The client: transfers APDUs to peers over associations that are kept warm.
//!
//! For each peer there are at most so many associations; one that has nothing to do waits for the
//! next transfer, and is released when it has waited long enough or its peer ends it.

mod open;
mod pool;
mod transfer;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tracing::debug;

use super::apdu::Apdu;
use super::association::Directory;
use pool::{Association, Pool};
use transfer::Failure;

/// How many associations there are to a peer at the same time, unless it is configured.
pub const ASSOCIATIONS: usize = 4;

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
    },
    /// Every octet was sent and the activity ended, and then neither a confirmation nor a refusal
    /// came: the peer may have taken it. To be sent again later and to this peer alone, which can
    /// tell a duplicate; at once, or by another way, it would arrive twice.
    InDoubt {
        /// The peer's address.
        relay: SocketAddr,
        /// Why, in words.
        explanation: String,
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
    pools: Mutex<HashMap<String, Arc<Pool>>>,
}
impl Client {
    /// A client without associations yet.
    #[must_use]
    pub fn new(directory: Arc<Directory>) -> Self {
        Self {
            directory,
            pools: Mutex::default(),
        }
    }

    /// Transfers an APDU to the configured peer of this name.
    ///
    /// An association that turns out to be stale is replaced by a new one, once, unless the
    /// transfer came to be in doubt on it.
    pub async fn transfer(&self, peer: &str, apdu: Apdu) -> Outcome {
        let Some(pool) = self.pool(peer) else {
            let explanation = format!("no peer is called {peer:?}");
            return Outcome::Later {
                relay: None,
                explanation,
            };
        };
        // The semaphore is never closed; if it were, one more association would do no harm.
        let _permit = pool.permits.acquire().await.ok();
        // A warm association may have gone stale unnoticed: then a new one gets the transfer.
        if let Some(association) = pool.claim().await {
            match self.over(&pool, association, apdu.clone()).await {
                Ok(outcome) => return outcome,
                Err(explanation) => debug!(peer, explanation, "a warm association had gone stale"),
            }
        }
        let association = match self.associate(&pool.peer).await {
            Ok(association) => association,
            Err((relay, explanation)) => return Outcome::Later { relay, explanation },
        };
        let relay = Some(association.relay);
        match self.over(&pool, association, apdu).await {
            Ok(outcome) => outcome,
            Err(explanation) => Outcome::Later { relay, explanation },
        }
    }

    /// Opens an association and releases it.
    ///
    /// # Errors
    /// Why that was not possible, in words.
    pub async fn ping(&self, peer: &str) -> Result<SocketAddr, String> {
        let peer = self
            .directory
            .peer(peer)
            .ok_or_else(|| format!("no peer is called {peer:?}"))?;
        let association = self
            .associate(peer)
            .await
            .map_err(|(_, explanation)| explanation)?;
        let relay = association.relay;
        if association.release().await {
            Ok(relay)
        } else {
            Err("not released in order".to_owned())
        }
    }

    /// Releases every association that waits.
    pub async fn close(&self) {
        let pools: Vec<_> = {
            let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
            pools.drain().map(|(_, pool)| pool).collect()
        };
        for pool in pools {
            while let Some(association) = pool.claim().await {
                association.release().await;
            }
        }
    }

    fn pool(&self, name: &str) -> Option<Arc<Pool>> {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = pools.get(name) {
            return Some(Arc::clone(pool));
        }
        let peer = self.directory.peer(name)?.clone();
        let pool = Arc::new(Pool {
            permits: Semaphore::new(peer.max_associations.unwrap_or(ASSOCIATIONS).max(1)),
            idle: Mutex::default(),
            peer,
        });
        pools.insert(name.to_owned(), Arc::clone(&pool));
        Some(pool)
    }

    /// Transfers over an association and keeps it warm; an error if it broke before all was sent.
    async fn over(
        &self,
        pool: &Arc<Pool>,
        mut association: Association,
        apdu: Apdu,
    ) -> Result<Outcome, String> {
        let relay = association.relay;
        let outcome = match association.transfer(apdu).await {
            Ok(()) => Outcome::Delivered { relay },
            Err(Failure::Broken(explanation)) => return Err(explanation),
            Err(Failure::InDoubt(explanation)) => Outcome::InDoubt { relay, explanation },
            Err(Failure::NotTransferred {
                transient: true,
                explanation,
            }) => Outcome::Later {
                relay: Some(relay),
                explanation,
            },
            Err(Failure::NotTransferred {
                transient: false,
                explanation,
            }) => Outcome::Never {
                relay: Some(relay),
                explanation,
            },
        };
        if !association.link.is_over() {
            let wait = Duration::from_secs(self.directory.config().idle_timeout);
            pool.keep(association, wait);
        }
        Ok(outcome)
    }
}
