//! The receiving side of an association: takes the transfers of its peer, for a [`Handler`].
//!
//! Each transfer streams from the socket to the handler's spool in constant memory. The end of a
//! transfer is confirmed only after the handler says that it is durable.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tracing::{debug, info, warn};

use super::association::Directory;
use super::handler::{Caller, Handler, Refusal, RefusalReason, Spool};
use super::link::Link;
use super::recovery::{Found, Limits, Progress, Recovery, Ticket};
use super::transfer::{Bounds, Fault, Reader};
use crate::failpoint::Failpoint;
use crate::osi::rtse::{self, Activity, Indication, Request};

/// How many elements of an APDU may lie within one another.
const DEPTH: usize = 64;

/// Takes the transfers of peers, whatever becomes of them.
pub(super) trait Takes: fmt::Debug + Send + Sync {
    /// Receives one transfer; gives the request that ends it, if the peer still wants one.
    fn receive<'a>(
        &'a self,
        link: &'a mut Link,
        caller: &'a Caller,
        begun: Begun,
        taken: &'a mut Taken,
    ) -> Pin<Box<dyn Future<Output = Option<Request>> + Send + 'a>>;
}

/// Receives transfers for a handler, on all associations together.
pub(super) struct Receiver<H: Handler> {
    directory: Arc<Directory>,
    handler: Arc<H>,
    /// What was received of transfers that broke off.
    recovery: Arc<Recovery<Received<H::Spool>>>,
}

/// The last transfer taken on an association, as long as its confirmation may not have arrived.
#[derive(Default)]
pub(super) struct Taken(Option<Box<dyn FnOnce() + Send>>);

impl Taken {
    /// The peer knows how the last transfer ended.
    pub(super) fn heard(&mut self) {
        if let Some(forget) = self.0.take() {
            forget();
        }
    }
}

/// How a peer begins to send.
pub(super) enum Begun {
    /// From the start.
    Start(Activity),
    /// After a point of an activity, under a new name.
    Resume(Box<Activity>, Activity, u32),
}

/// What was received of a transfer.
struct Received<S> {
    reader: Reader,
    spool: S,
    progress: Progress,
    /// What is wrong with it behind its envelope.
    fault: Option<Fault>,
}

impl<S: Spool> Received<S> {
    /// Takes octets: those of the APDU into the spool, or, once there is a fault behind its envelope,
    /// all as they come; what is more than the `most` that an APDU may have goes nowhere.
    async fn take(&mut self, octets: Bytes, most: u64) -> Result<(), Refusal> {
        let octets = self.progress.push(octets);
        let mut taken = vec![octets.clone()];
        if self.fault.is_none() {
            match self.reader.push(octets) {
                Ok(apdu) => taken = apdu,
                Err(fault) if self.reader.has_envelope() => self.fault = Some(fault),
                Err(fault) => return Err(fault.into()),
            }
        }
        if self.fault.is_some() && self.progress.octets() > most {
            return Ok(());
        }
        for octets in taken {
            self.spool.write(octets).await.map_err(unwritten)?;
        }
        Ok(())
    }

    /// Why no more of it is taken, if it is far too long: twice the `most` that an APDU may have.
    fn beyond(&self, most: u64) -> Option<Refusal> {
        let fault = self.fault.clone()?;
        (self.progress.octets() > most.saturating_mul(2)).then(|| fault.into())
    }
}

/// How a transfer ended that was not refused.
enum Ended<S> {
    /// Taken.
    Complete,
    /// Given up by the peer for good.
    Discarded,
    /// Broken off; it may be resumed.
    Interrupted(Box<Received<S>>),
}

/// What is there of a transfer, and its place among those that can be resumed.
type TakenUp<S> = (Received<S>, Ticket<Received<S>>);

impl<H: Handler> fmt::Debug for Receiver<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}

impl<H: Handler> Takes for Receiver<H> {
    fn receive<'a>(
        &'a self,
        link: &'a mut Link,
        caller: &'a Caller,
        begun: Begun,
        taken: &'a mut Taken,
    ) -> Pin<Box<dyn Future<Output = Option<Request>> + Send + 'a>> {
        Box::pin(self.receive(link, caller, begun, taken))
    }
}

impl<H: Handler> Receiver<H> {
    pub(super) fn new(directory: Arc<Directory>, handler: Arc<H>) -> Self {
        let config = directory.config();
        Self {
            recovery: Recovery::new(Limits {
                timeout: Duration::from_secs(config.recovery_timeout),
                transfers: config.max_recoverable,
                octets: config.max_apdu,
            }),
            directory,
            handler,
        }
    }

    async fn receive(
        &self,
        link: &mut Link,
        caller: &Caller,
        begun: Begun,
        taken: &mut Taken,
    ) -> Option<Request> {
        let (received, mut ticket) = match self.take_up(link, caller, begun).await {
            Ok(taken_up) => taken_up,
            Err(answer) => return answer,
        };
        match self.transfer(link, caller, received, &ticket).await {
            Ok(Ended::Complete) => {
                ticket.complete();
                *taken = Taken(Some(Box::new(|| ticket.forget())));
                Failpoint::ActivityEndNoConfirm.pass();
                Some(Request::TransferResponse)
            }
            Ok(Ended::Interrupted(received)) if received.progress.is_resumable() => {
                let octets = received.progress.octets();
                ticket.keep(*received, octets);
                None
            }
            Ok(Ended::Interrupted(_) | Ended::Discarded) => None,
            Err(refusal) => refuse(link, caller, refusal),
        }
    }

    /// A transfer that begins, or what was received of it before; or what the peer is answered.
    async fn take_up(
        &self,
        link: &mut Link,
        caller: &Caller,
        begun: Begun,
    ) -> Result<TakenUp<H::Spool>, Option<Request>> {
        // Strangers share what is kept of all of them.
        let peer = caller.peer.as_deref().unwrap_or_default();
        let config = self.directory.config();
        let (old, activity, point) = match begun {
            Begun::Start(activity) => {
                let bounds = Bounds {
                    apdu: config.max_apdu,
                    envelope: config.max_envelope,
                    depth: DEPTH,
                };
                let spool = self.handler.begin(caller).await;
                let received = Received {
                    reader: Reader::new(bounds),
                    spool: spool.map_err(|refusal| refuse(link, caller, refusal))?,
                    progress: Progress::default(),
                    fault: None,
                };
                return Ok((received, self.recovery.begin(peer, activity)));
            }
            Begun::Resume(old, activity, point) => (old, activity, point),
        };
        let patience = config.rts(self.directory.peer(peer)).transfer_timeout;
        let found = self.recovery.resume(peer, &old, &activity, patience);
        let told = match found.await {
            Found::Kept(mut received, ticket) => {
                if let Some(octets) = received.progress.resume(point) {
                    info!(mta = caller.mta, point, octets, "transfer resumed");
                    return Ok((received, ticket));
                }
                debug!(mta = caller.mta, point, "no such point in what is kept");
                rtse::Refusal::Unknown
            }
            Found::Completed => {
                info!(mta = caller.mta, "a transfer resumed was taken before");
                rtse::Refusal::Completed
            }
            Found::Unknown => {
                info!(mta = caller.mta, "a transfer resumed is not known");
                rtse::Refusal::Unknown
            }
        };
        Err(Some(Request::TransferRefuse(told)).filter(|_| link.is_receiving()))
    }

    /// Receives a transfer, or the rest of one.
    async fn transfer(
        &self,
        link: &mut Link,
        caller: &Caller,
        mut received: Received<H::Spool>,
        ticket: &Ticket<Received<H::Spool>>,
    ) -> Result<Ended<H::Spool>, Refusal> {
        let most = self.directory.config().max_apdu;
        loop {
            let told = tokio::select! {
                told = link.next() => told,
                () = ticket.wanted() => {
                    info!(mta = caller.mta, "association given up: its transfer is resumed on another");
                    link.cut();
                    continue;
                }
            };
            match told {
                Some(Indication::Octets(octets)) => {
                    received.take(octets, most).await?;
                    if let Some(refusal) = received.beyond(most) {
                        self.end(caller, received).await?;
                        return Err(refusal);
                    }
                }
                Some(Indication::Checkpoint { point }) => {
                    received.progress.point(point);
                    if !link.is_receiving() {
                        continue;
                    }
                    link.request(Request::Secured { point })
                        .map_err(|misuse| Refusal {
                            reason: RefusalReason::LocalError,
                            explanation: misuse.to_string(),
                        })?;
                }
                Some(Indication::Transfer) => {
                    self.end(caller, received).await?;
                    return Ok(Ended::Complete);
                }
                Some(Indication::TransferDiscarded { explanation }) => {
                    info!(mta = caller.mta, explanation, "transfer given up");
                    return Ok(Ended::Discarded);
                }
                Some(Indication::TransferInterrupted { explanation }) => {
                    // With the association, for the reason it ends for: that is told next.
                    if !link.is_over() {
                        info!(mta = caller.mta, explanation, "transfer broken off");
                    }
                    return Ok(Ended::Interrupted(Box::new(received)));
                }
                None => return Ok(Ended::Interrupted(Box::new(received))),
                Some(_) => {}
            }
        }
    }

    /// Hands over what has come.
    async fn end(&self, caller: &Caller, received: Received<H::Spool>) -> Result<(), Refusal> {
        let Received {
            reader,
            spool,
            fault,
            ..
        } = received;
        let is_whole = fault.is_none() && reader.is_whole();
        let fault = fault.unwrap_or_else(|| reader.cut_short());
        match reader.arrived() {
            Some(arrived) if is_whole => self.handler.commit(caller, spool, arrived).await,
            Some(arrived) => self.handler.spoilt(caller, spool, arrived, fault).await,
            None => Err(fault.into()),
        }
    }
}

/// What a refusal asks of the association.
fn refuse(link: &mut Link, caller: &Caller, refusal: Refusal) -> Option<Request> {
    warn!(mta = caller.mta, explanation = %refusal, "transfer refused");
    if !link.is_receiving() {
        return None;
    }
    Some(match refusal.reason {
        RefusalReason::Cut => {
            link.cut();
            return None;
        }
        RefusalReason::ReceivingAbilityJeopardized => {
            Request::TransferRefuse(rtse::Refusal::ReceivingAbilityJeopardized)
        }
        RefusalReason::LocalError => Request::TransferRefuse(rtse::Refusal::LocalError),
        RefusalReason::Unrecoverable => Request::TransferRefuse(rtse::Refusal::Unrecoverable),
        RefusalReason::Abort => Request::Abort {
            explanation: refusal.explanation,
        },
    })
}

/// A transfer whose octets the spool did not take.
fn unwritten(fault: io::Error) -> Refusal {
    fault.downcast().unwrap_or_else(|fault| Refusal {
        reason: RefusalReason::ReceivingAbilityJeopardized,
        explanation: format!("spool: {fault}"),
    })
}
