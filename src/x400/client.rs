//! The client: transfers APDUs to peers over associations that are kept warm.
//!
//! For each peer there are at most so many associations; one that has nothing to do waits for the
//! next transfer, and is released when it has waited long enough or its peer ends it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{sleep, timeout};
use tracing::{debug, info};

use super::apdu::{Apdu, Wrapped};
use super::association::{self, Directory};
use super::config::Peer;
use super::link::Link;
use crate::osi::rtse::{Indication, Request};

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

/// The associations to one peer.
#[derive(Debug)]
struct Pool {
    peer: Peer,
    /// One permit for each transfer under way.
    permits: Semaphore,
    /// Asks each waiting association to come; the last to wait is the first to come, so that those
    /// too many are released.
    idle: Mutex<Vec<oneshot::Sender<oneshot::Sender<Association>>>>,
}

/// An open association to a peer.
#[derive(Debug)]
struct Association {
    link: Link,
    relay: SocketAddr,
}

/// Why a transfer over an association failed.
enum Failure {
    /// The peer, or this side, did not carry the transfer through.
    NotTransferred {
        transient: bool,
        explanation: String,
    },
    /// The association broke when all was sent, before the peer answered.
    InDoubt(String),
    /// The association broke before that.
    Broken(String),
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

    /// Opens an association at the first of the peer's addresses that grants one.
    async fn associate(&self, peer: &Peer) -> Result<Association, (Option<SocketAddr>, String)> {
        let mut failed = (
            None,
            format!("peer {:?} has no address to connect to", peer.name),
        );
        let patience = Duration::from_secs(self.directory.config().open_timeout);
        for address in &peer.connect {
            let stream = match timeout(patience, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => stream,
                Ok(Err(fault)) => {
                    failed = (None, format!("{address}: {fault}"));
                    continue;
                }
                Err(_) => {
                    failed = (
                        None,
                        format!("{address}: no connection within {patience:?}"),
                    );
                    continue;
                }
            };
            let relay = stream.peer_addr().ok();
            match self.open(peer, stream).await {
                Ok(association) => return Ok(association),
                Err(explanation) => failed = (relay, format!("{address}: {explanation}")),
            }
        }
        Err(failed)
    }

    /// Opens an association on a connection.
    async fn open(&self, peer: &Peer, stream: TcpStream) -> Result<Association, String> {
        let relay = stream.peer_addr().map_err(|fault| fault.to_string())?;
        let mut link =
            Link::new(stream, self.directory.stack(false)).map_err(|fault| fault.to_string())?;
        let now = Timestamp::now().strftime("%y%m%d%H%M%SZ").to_string();
        let open = self.directory.open(peer, &now);
        link.request(Request::Open(Box::new(open)))
            .map_err(|misuse| misuse.to_string())?;
        while let Some(told) = link.next().await {
            match told {
                Indication::OpenConfirm(Ok(opened)) => {
                    let judged = self.directory.judge_responder(peer, &opened.user_data);
                    if let Err(explanation) = judged {
                        let abort = Request::Abort {
                            explanation: explanation.clone(),
                        };
                        link.request(abort).map_err(|misuse| misuse.to_string())?;
                        tokio::spawn(link.finish());
                        return Err(explanation);
                    }
                    info!(peer = peer.name, %relay, "association opened");
                    return Ok(Association { link, relay });
                }
                Indication::OpenConfirm(Err(refused)) => {
                    tokio::spawn(link.finish());
                    return Err(association::refusal(&refused));
                }
                _ => {}
            }
        }
        Err("the connection was lost".to_owned())
    }
}

impl Pool {
    /// An association that waits, if there is one.
    async fn claim(&self) -> Option<Association> {
        loop {
            let waiting = self
                .idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop()?;
            let (give, given) = oneshot::channel();
            if waiting.send(give).is_ok()
                && let Ok(association) = given.await
            {
                return Some(association);
            }
        }
    }

    /// Lets an association wait for the next transfer.
    fn keep(&self, association: Association, wait: Duration) {
        let (ask, asked) = oneshot::channel();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|waiting| !waiting.is_closed());
        idle.push(ask);
        tokio::spawn(association.wait(asked, wait));
    }
}

impl Association {
    /// Waits to be claimed, not for ever, watching the peer meanwhile.
    async fn wait(
        mut self,
        asked: oneshot::Receiver<oneshot::Sender<Association>>,
        patience: Duration,
    ) {
        tokio::select! {
            biased;
            told = self.link.next() => {
                debug!(relay = %self.relay, ?told, "an association that waited was ended");
                if told == Some(Indication::Close) && self.link.request(Request::CloseResponse).is_ok() {
                    self.link.finish().await;
                }
            }
            asked = asked => {
                if let Ok(give) = asked {
                    // Whoever asked may be gone: then so is the association.
                    let _ = give.send(self);
                } else {
                    self.release().await;
                }
            }
            () = sleep(patience) => {
                self.release().await;
            }
        }
    }

    /// Releases the association; whether that was in order.
    async fn release(mut self) -> bool {
        if self.link.request(Request::Close).is_err() {
            return false;
        }
        let mut confirmed = false;
        while let Some(told) = self.link.next().await {
            confirmed |= told == Indication::CloseConfirm;
        }
        confirmed
    }

    /// Transfers one APDU.
    async fn transfer(&mut self, apdu: Apdu) -> Result<(), Failure> {
        let local = |explanation: String| Failure::NotTransferred {
            transient: true,
            explanation,
        };
        let mut wrapped = Wrapped::open(apdu, self.link.user_context())
            .await
            .map_err(|fault| local(format!("the APDU cannot be read: {fault}")))?;
        self.link
            .request(Request::Transfer)
            .map_err(|misuse| Failure::Broken(misuse.to_string()))?;
        let mut unreadable = None;
        while let Some(told) = self.link.next().await {
            let request = match told {
                Indication::Pull { octets } => match wrapped.next(octets).await {
                    Ok((octets, last)) => Request::Octets { octets, last },
                    Err(fault) => {
                        unreadable = Some(format!("the APDU cannot be read: {fault}"));
                        Request::TransferStop
                    }
                },
                Indication::TransferConfirm(Ok(())) => return Ok(()),
                Indication::TransferConfirm(Err(not)) if not.in_doubt => {
                    return Err(Failure::InDoubt(not.explanation));
                }
                Indication::TransferConfirm(Err(not)) if self.link.is_over() => {
                    return Err(Failure::Broken(not.explanation));
                }
                Indication::TransferConfirm(Err(not)) => {
                    return Err(match unreadable {
                        Some(explanation) => local(explanation),
                        None => Failure::NotTransferred {
                            transient: not.transient,
                            explanation: not.explanation,
                        },
                    });
                }
                Indication::PAbort { explanation } | Indication::UAbort { explanation } => {
                    return Err(Failure::Broken(explanation));
                }
                _ => continue,
            };
            self.link
                .request(request)
                .map_err(|misuse| Failure::Broken(misuse.to_string()))?;
        }
        Err(Failure::Broken("the connection was lost".to_owned()))
    }
}
