//! Opening an association: the name, the connection, the layers on it, and the bind.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tracing::info;

use super::super::config::Peer;
use super::super::dialogue::{self, Association};
use super::super::failure::{Failure, Step};
use super::super::handler::Caller;
use super::super::link::Link;
use super::super::stream::Stream;
use super::super::tls::Side;
use super::pool::Pool;
use super::{Client, Greeting, Pinged};
use crate::osi::rtse::{Dialogue, Indication, Request};

/// A call that came to nothing.
#[derive(Debug)]
pub(super) struct Unopened {
    /// The address at which it failed, if it came so far.
    pub(super) relay: Option<SocketAddr>,
    pub(super) failure: Failure,
    /// When it is worth while to call again, if that is known.
    pub(super) again: Option<Timestamp>,
    /// Whether the peer was called at all.
    pub(super) tried: bool,
}

impl Client {
    /// Opens an association at the first of the peer's addresses that grants one.
    pub(super) async fn associate(&self, pool: &Pool) -> Result<Association, Unopened> {
        let (peer, standing) = (&pool.peer, &pool.standing);
        let begun = Timestamp::now();
        let closed = standing.closed(peer, begun);
        if let Some(closed) = closed.or_else(|| standing.held_off(peer, begun)) {
            return Err(Unopened {
                relay: None,
                failure: closed.failure,
                again: closed.until,
                tried: false,
            });
        }
        if peer.connect.is_empty() {
            return Err(Unopened {
                relay: None,
                failure: nowhere(peer),
                again: None,
                tried: false,
            });
        }
        let mut failed = (None, nowhere(peer));
        for address in self.addresses(pool) {
            let found = match self.find(&address).await {
                Ok(found) => found,
                Err(failure) => {
                    failed = (None, at(&address, failure));
                    continue;
                }
            };
            for relay in found {
                match self.call(pool, relay).await {
                    Ok((association, _)) => {
                        standing.opened(Timestamp::now());
                        return Ok(association);
                    }
                    Err(failure) => {
                        let reached = failure.step != Step::Connection;
                        failed = (reached.then_some(relay), at(&address, failure));
                    }
                }
            }
        }
        let now = Timestamp::now();
        let (relay, failure) = failed;
        standing.failed(peer, &failure, begun, now);
        let again = peer
            .open_interval()
            .and_then(|interval| now.checked_add(interval).ok());
        Err(Unopened {
            relay,
            failure,
            again,
            tried: true,
        })
    }

    /// Calls every address of a peer, each with what came of it.
    pub(super) async fn ping_all(&self, pool: &Pool) -> Vec<Pinged> {
        let mut pinged = Vec::new();
        if pool.peer.connect.is_empty() {
            pinged.push(Pinged::failed("", None, nowhere(&pool.peer)));
        }
        for address in &pool.peer.connect {
            let found = match self.find(address).await {
                Ok(found) => found,
                Err(failure) => {
                    pinged.push(Pinged::failed(address, None, failure));
                    continue;
                }
            };
            for relay in found {
                let begun = Instant::now();
                let (association, greeting) = match self.call(pool, relay).await {
                    Ok(opened) => opened,
                    Err(failure) => {
                        pinged.push(Pinged::failed(address, Some(relay), failure));
                        continue;
                    }
                };
                pool.standing.opened(Timestamp::now());
                let greeting = Greeting {
                    milliseconds: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
                    ..greeting
                };
                pinged.push(if association.release().await {
                    Pinged::answered(address, relay, greeting)
                } else {
                    let advice = "The association was opened, so messages will pass; the peer \
                        did not answer its release. If it does so always, tell its postmaster.";
                    let failure = Failure::new(Step::Release, "not released in order", advice);
                    Pinged::failed(address, Some(relay), failure)
                });
            }
        }
        pinged
    }

    /// The addresses of a peer in the order in which they are tried now.
    fn addresses(&self, pool: &Pool) -> Vec<String> {
        let mut addresses = pool.peer.connect.clone();
        let call = pool.calls.fetch_add(1, Ordering::Relaxed);
        if let (true, Some(first)) = (pool.peer.share_load, call.checked_rem(addresses.len())) {
            addresses.rotate_left(first);
        }
        addresses
    }

    /// How long each step of a call may take.
    fn patience(&self) -> Duration {
        Duration::from_secs(self.directory.config().open_timeout)
    }

    /// What a configured address stands for; each once.
    async fn find(&self, address: &str) -> Result<Vec<SocketAddr>, Failure> {
        let found = match timeout(self.patience(), lookup_host(address)).await {
            Ok(found) => found,
            Err(elapsed) => Err(elapsed.into()),
        };
        let mut relays: Vec<SocketAddr> = Vec::new();
        for relay in found.map_err(|fault| Failure::of_name(&fault))? {
            if !relays.contains(&relay) {
                relays.push(relay);
            }
        }
        Ok(relays)
    }

    /// Opens an association at one address.
    async fn call(
        &self,
        pool: &Pool,
        relay: SocketAddr,
    ) -> Result<(Association, Greeting), Failure> {
        let patience = self.patience();
        let stream = match timeout(patience, TcpStream::connect(relay)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(fault)) => return Err(Failure::of_connection(&fault)),
            Err(_) => return Err(Failure::of_silence(patience)),
        };
        let Some(wanted) = &pool.peer.tls else {
            return self.open(pool, stream.into(), relay).await;
        };
        // That a peer with tls has [x400.tls] was found when the configuration was read.
        let tls = self.directory.tls().ok_or_else(|| {
            let advice = "Set certificate and key in [x400.tls].";
            Failure::new(Step::Tls, "there is no [x400.tls]", advice)
        })?;
        let stream: Stream = match timeout(patience, tls.connect(stream, wanted)).await {
            Ok(Ok(stream)) => stream.into(),
            Ok(Err(fault)) => return Err(Failure::of_tls(&fault)),
            Err(elapsed) => return Err(Failure::of_tls(&elapsed.into())),
        };
        tls.judge(wanted, stream.certificates(), Side::Responder)
            .map_err(Failure::of_certificate)?;
        self.open(pool, stream, relay).await
    }

    /// Opens an association on a connection.
    async fn open(
        &self,
        pool: &Pool,
        stream: Stream,
        relay: SocketAddr,
    ) -> Result<(Association, Greeting), Failure> {
        let peer = &pool.peer;
        let internal = |fault: &dyn ToString| {
            let advice = "This is a fault of ours: please report it.";
            Failure::new(Step::Transport, fault.to_string(), advice)
        };
        let mut link = Link::new(stream, self.directory.stack(Some(peer)))
            .map_err(|fault| Failure::of_connection(&fault))?;
        let now = self.moment().strftime("%y%m%d%H%M%SZ").to_string();
        let mut open = self.directory.open(peer, &now)?;
        open.identifier.additional_reference = self.process.clone();
        // Without a server there is nobody to take what the peer would send.
        if self.receiver.is_none() {
            open.dialogue = Dialogue::Monologue;
        }
        let two_way = open.dialogue == Dialogue::TwoWayAlternate;
        link.request(Request::Open(Box::new(open)))
            .map_err(|misuse| internal(&misuse))?;
        while let Some(told) = link.next().await {
            match told {
                Indication::OpenConfirm(Ok(opened)) => {
                    let judged = self.directory.judge_responder(peer, &opened.user_data);
                    let mta = match judged {
                        Ok(mta) => mta,
                        Err(failure) => {
                            let explanation = failure.what.clone();
                            link.request(Request::Abort { explanation })
                                .map_err(|misuse| internal(&misuse))?;
                            tokio::spawn(link.finish());
                            return Err(failure);
                        }
                    };
                    info!(peer = peer.name, %relay, two_way, "association opened");
                    let greeting = Greeting {
                        mta: mta.clone(),
                        checkpoint_size: opened.checkpoint_size,
                        window_size: opened.window_size,
                        milliseconds: 0,
                    };
                    let association = Association {
                        link,
                        caller: Caller {
                            peer: Some(peer.name.clone()),
                            mta,
                            mode: peer.mode,
                            address: relay,
                            association: self.directory.number(),
                        },
                        ours: true,
                        two_way,
                        standing: Some(Arc::clone(&pool.standing)),
                        receiver: self.receiver.clone(),
                        patience: peer.idle_timeout(self.directory.config().idle_timeout),
                        permanent: peer.permanent,
                        stopped: None,
                        // Those of ours are released when it is.
                        disabled: None,
                        _holds: Box::new(pool.standing.count_outgoing()),
                        state: dialogue::State::default(),
                    };
                    return Ok((association, greeting));
                }
                Indication::OpenConfirm(Err(refused)) => {
                    let failure = match link.fault() {
                        // A certificate of ours is refused after the handshake.
                        Some(fault) if peer.tls.is_some() => Failure::of_tls(fault),
                        _ => Failure::of_layers(peer, &refused, link.cause()),
                    };
                    tokio::spawn(link.finish());
                    return Err(failure);
                }
                _ => {}
            }
        }
        Err(internal(&"the connection was lost"))
    }

    /// Now, to the second; later if an association was opened in this second: no two are to have the
    /// same name, by which their activities are resumed.
    fn moment(&self) -> Timestamp {
        let mut last = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Timestamp::now();
        let next = Timestamp::from_second(last.as_second() + 1).unwrap_or(now);
        *last = now.max(next);
        *last
    }
}

/// A peer that cannot be called.
fn nowhere(peer: &Peer) -> Failure {
    Failure::new(
        Step::Configuration,
        format!("peer {:?} has no address to connect to", peer.name),
        "It only calls us. To call it, set connect to its host and port; or let what waits leave \
         when it calls: set two-way-alternate, if it proposes that.",
    )
}

/// The failure with the address at which it happened.
fn at(address: &str, failure: Failure) -> Failure {
    Failure {
        what: format!("{address}: {}", failure.what),
        ..failure
    }
}
