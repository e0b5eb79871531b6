//! The server: takes associations from peers and hands their transfers to a [`Handler`].
//!
//! Each transfer streams from the socket to the handler's spool in constant memory. The end of a
//! transfer is confirmed only after the handler says that it is durable.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{Instrument as _, debug, error, info, info_span, warn};

use super::association::{self, Directory};
use super::config::Mode;
use super::handler::{Caller, Handler, Refusal, RefusalReason, Spool as _};
use super::link::Link;
use super::recovery::{Found, Limits, Progress, Recovery, Ticket};
use super::standing::{Counted, Standing};
use super::stream::Stream;
use super::transfer::{Bounds, Fault, Reader};
use crate::asn1::mta::MTABindError;
use crate::failpoint::Failpoint;
use crate::network::{Count, Counts, Listeners};
use crate::osi::rtse::{self, Activity, Indication, Open, OpenResponse, Request};
use crate::osi::transport::DisconnectReason;

/// How many connections too many are told so at the same time; more are closed without a word.
const TURNED_AWAY: usize = 32;
/// How long one of them may take to call.
const TURN_AWAY: Duration = Duration::from_secs(5);
/// How long associations may take to end when the server stops.
const GRACE: Duration = Duration::from_secs(30);
/// How many elements of an APDU may lie within one another.
const DEPTH: usize = 64;

/// A server that listens.
pub struct Server<H: Handler> {
    listeners: Listeners,
    /// Those for calls over TLS.
    secure: Listeners,
    shared: Arc<Shared<H>>,
}

/// What all associations of a server share.
struct Shared<H: Handler> {
    /// What was received of transfers that broke off.
    recovery: Arc<Recovery<Received<H::Spool>>>,
    directory: Arc<Directory>,
    handler: Arc<H>,
    /// For associations.
    room: Arc<Semaphore>,
    /// For connections without an association yet.
    half_open: Arc<Semaphore>,
    /// For connections that are being refused.
    turned_away: Arc<Semaphore>,
    addresses: Counts,
    associations: AtomicU64,
}

impl<H: Handler> Server<H> {
    /// Listens on every address of the configuration.
    ///
    /// # Errors
    /// If one of the addresses cannot be listened on.
    pub async fn bind(directory: Arc<Directory>, handler: Arc<H>) -> io::Result<Self> {
        let config = directory.config();
        let listeners = Listeners::bind("[x400] listen", &config.listen).await?;
        let tls = config.tls.as_ref();
        let secure = tls.map_or(&[][..], |tls| tls.listen.as_slice());
        let secure = Listeners::bind("[x400.tls] listen", secure).await?;
        let shared = Shared {
            room: permits(config.max_associations),
            half_open: permits(config.max_half_open),
            turned_away: permits(TURNED_AWAY),
            addresses: Counts::default(),
            recovery: Recovery::new(Limits {
                timeout: Duration::from_secs(config.recovery_timeout),
                transfers: config.max_recoverable,
                octets: config.max_apdu,
            }),
            directory,
            handler,
            associations: AtomicU64::new(0),
        };
        Ok(Self {
            listeners,
            secure,
            shared: Arc::new(shared),
        })
    }

    /// The addresses listened on, ports chosen by the system included.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.addresses()
    }

    /// The addresses listened on for TLS.
    #[must_use]
    pub fn tls_addresses(&self) -> Vec<SocketAddr> {
        self.secure.addresses()
    }

    /// Serves until `stop` is ready, then lets transfers under way end.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) {
        let Self {
            listeners,
            secure,
            shared,
        } = self;
        let (stopping, stopped) = watch::channel(false);
        let serve = |listeners: Listeners, over_tls: bool| {
            let (shared, mut stopped) = (Arc::clone(&shared), stopped.clone());
            let stop = async move { self::stop(&mut stopped).await };
            listeners.serve(stop, GRACE, move |stream, from, associations, stopped| {
                shared.admit(stream, from, over_tls, associations, stopped);
            })
        };
        let stop = async {
            stop.await;
            stopping.send_replace(true);
        };
        tokio::join!(serve(listeners, false), serve(secure, true), stop);
    }
}

impl<H: Handler> Shared<H> {
    /// Begins to serve a connection, or refuses one too many.
    fn admit(
        self: &Arc<Self>,
        stream: TcpStream,
        from: SocketAddr,
        over_tls: bool,
        associations: &mut JoinSet<()>,
        stopped: watch::Receiver<bool>,
    ) {
        let shared = Arc::clone(self);
        let number = shared.associations.fetch_add(1, Ordering::Relaxed);
        let span = info_span!("x400", peer = %from, association = number);
        match shared.entry(from.ip()) {
            Ok(entry) => {
                let served = async move {
                    if let Some(stream) = shared.secured(stream, over_tls).await {
                        serve(&shared, stream, from, number, entry, stopped).await;
                    }
                };
                associations.spawn(served.instrument(span));
            }
            Err(explanation) => {
                let Ok(permit) = Arc::clone(&shared.turned_away).try_acquire_owned() else {
                    return debug!(parent: span, explanation, "connection closed");
                };
                let told = async move {
                    warn!(explanation, "connection refused");
                    if !over_tls {
                        turn_away(&shared.directory, stream).await;
                    }
                    drop(permit);
                };
                associations.spawn(told.instrument(span));
            }
        }
    }

    /// The connection as it is, or once TLS stands on it.
    async fn secured(&self, stream: TcpStream, over_tls: bool) -> Option<Stream> {
        let tls = match self.directory.tls() {
            Some(tls) if over_tls => tls,
            _ => return Some(stream.into()),
        };
        let patience = Duration::from_secs(self.directory.config().open_timeout);
        let fault = match timeout(patience, tls.accept(stream)).await {
            Ok(Ok(stream)) => return Some(stream.into()),
            Ok(Err(fault)) => fault,
            Err(elapsed) => elapsed.into(),
        };
        warn!(%fault, "no TLS");
        None
    }

    /// Lets a connection in, unless it is one too many: then why not.
    fn entry(&self, address: IpAddr) -> Result<Entry, String> {
        let config = self.directory.config();
        let count = self.addresses.count(address);
        let most = config.max_connections_per_address;
        if count.number() > most {
            return Err(format!("{address} has {most} connections already"));
        }
        // The neighbours are not to stand in one queue with whoever finds the port.
        let half_open = match self.directory.knows(address) {
            true => None,
            false => Some(
                Arc::clone(&self.half_open)
                    .try_acquire_owned()
                    .map_err(|_| {
                        let most = config.max_half_open;
                        format!("{most} connections have no association yet")
                    })?,
            ),
        };
        Ok(Entry {
            _count: count,
            half_open,
            room: None,
            counted: None,
        })
    }
}

/// What a connection holds of the bounds of its server.
struct Entry {
    _count: Count,
    /// Until it has an association.
    half_open: Option<OwnedSemaphorePermit>,
    /// While it has an association.
    room: Option<OwnedSemaphorePermit>,
    /// Likewise, among those of its peer.
    counted: Option<Counted>,
}

/// So many permits, or as many as there can be.
fn permits(count: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS)))
}

/// Refuses the transport connection of a caller too many.
async fn turn_away(directory: &Directory, stream: TcpStream) {
    let mut config = directory.stack(true);
    config.transport.refuse = Some(DisconnectReason::CONGESTION_AT_TSAP);
    config.transport.connect_timeout = config.transport.connect_timeout.min(TURN_AWAY);
    if let Ok(link) = Link::new(stream, config) {
        link.finish().await;
    }
}

/// Until the server stops.
async fn stop(stopped: &mut watch::Receiver<bool>) {
    // An error is a server that is gone.
    drop(stopped.wait_for(|stopped| *stopped).await);
}

/// Serves one association from its first octet to its last.
async fn serve<H: Handler>(
    shared: &Shared<H>,
    stream: Stream,
    from: SocketAddr,
    association: u64,
    mut entry: Entry,
    mut stopped: watch::Receiver<bool>,
) {
    let patience = Duration::from_secs(shared.directory.config().open_timeout);
    let half_open = sleep(patience);
    tokio::pin!(half_open);
    let mut link = match Link::new(stream, shared.directory.stack(true)) {
        Ok(link) => link,
        Err(fault) => return debug!(%fault, "the connection was lost"),
    };
    let mut caller = Caller {
        peer: None,
        mta: String::new(),
        mode: Mode::Normal,
        address: from,
        association,
    };
    // Whether the log says why there is no association.
    let mut is_told = false;
    // The last transfer taken, as long as its confirmation may not have arrived.
    let mut taken = None;
    loop {
        let told = tokio::select! {
            told = link.next() => told,
            () = stop(&mut stopped) => {
                let explanation = "the server stops".to_owned();
                if let Err(misuse) = link.request(Request::Abort { explanation }) {
                    debug!(%misuse, "not aborted");
                }
                return link.finish().await;
            }
            () = &mut half_open, if entry.room.is_none() => {
                if !is_told {
                    warn!("closed: no association within {patience:?}");
                }
                return;
            }
        };
        let answer = match told {
            None => return,
            Some(Indication::Open(open)) => {
                let shown = link.stream().certificates();
                let answer = welcome(shared, &open, shown, &mut caller, &mut entry).await;
                let config = shared.directory.config();
                let peer = caller.peer.as_deref();
                if let Some(peer) = peer.and_then(|name| shared.directory.peer(name)) {
                    let idle = peer.idle_timeout(config.idle_timeout);
                    link.set_idle_timeout(idle.map(|idle| idle.saturating_mul(2)));
                }
                is_told |= entry.room.is_none();
                Some(answer)
            }
            Some(Indication::TransferBegin { activity }) => {
                heard(&mut taken);
                receive(
                    shared,
                    &mut link,
                    &caller,
                    Begun::Start(activity),
                    &mut taken,
                )
                .await
            }
            Some(Indication::TransferResume {
                old,
                activity,
                point,
            }) => {
                let begun = Begun::Resume(old, activity, point);
                receive(shared, &mut link, &caller, begun, &mut taken).await
            }
            Some(Indication::Close) => {
                heard(&mut taken);
                Some(Request::CloseResponse)
            }
            // We have nothing to send on it.
            Some(Indication::TurnGive) => Some(Request::TurnGive),
            Some(Indication::UAbort { explanation } | Indication::PAbort { explanation }) => {
                info!(mta = caller.mta, explanation, "association ended");
                is_told = true;
                None
            }
            Some(_) => None,
        };
        if let Some(Err(misuse)) = answer.map(|answer| link.request(answer)) {
            error!(%misuse, "a request out of place");
            return;
        }
    }
}

/// The answer to a caller; one that is accepted has its `entry` in the room for associations.
async fn welcome<H: Handler>(
    shared: &Shared<H>,
    open: &Open,
    shown: &[CertificateDer<'static>],
    caller: &mut Caller,
    entry: &mut Entry,
) -> Request {
    let refuse = |explanation: &str, response: OpenResponse| {
        warn!(explanation, "association refused");
        Request::OpenResponse(response)
    };
    let welcome = match shared.directory.judge(open, caller.address, shown) {
        Ok(welcome) => welcome,
        Err(unwelcome) => return refuse(&unwelcome.explanation, unwelcome.response),
    };
    caller.peer = welcome.peer;
    caller.mta = welcome.mta;
    caller.mode = welcome.mode;
    let peer = caller.peer.as_deref();
    let standing = peer.and_then(|name| shared.directory.standing(name));
    if standing.is_some_and(|standing| standing.is_disabled()) {
        let busy = association::refuse(MTABindError::BUSY);
        return refuse("an operator has disabled the peer", busy);
    }
    let Ok(room) = Arc::clone(&shared.room).try_acquire_owned() else {
        let busy = association::refuse(MTABindError::BUSY);
        return refuse("too many associations", busy);
    };
    if let Err(error) = shared.handler.welcome(caller).await {
        let explanation = format!("told {}", error.name().unwrap_or("a bind error"));
        return refuse(&explanation, association::refuse(error));
    }
    entry.room = Some(room);
    entry.half_open = None;
    entry.counted = standing.map(Standing::count_incoming);
    let mode = caller.mode.name();
    info!(
        mta = caller.mta,
        name = caller.peer,
        mode,
        "association accepted"
    );
    Request::OpenResponse(welcome.response)
}

/// The peer knows how the last transfer ended.
fn heard<S: Send + 'static>(taken: &mut Option<Ticket<Received<S>>>) {
    if let Some(ticket) = taken.take() {
        ticket.forget();
    }
}

/// How a peer begins to send.
enum Begun {
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

/// Receives one transfer; gives the request that ends it, if the peer still wants one.
async fn receive<H: Handler>(
    shared: &Shared<H>,
    link: &mut Link,
    caller: &Caller,
    begun: Begun,
    taken: &mut Option<Ticket<Received<H::Spool>>>,
) -> Option<Request> {
    let (received, mut ticket) = match take_up(shared, link, caller, begun).await {
        Ok(taken_up) => taken_up,
        Err(answer) => return answer,
    };
    match transfer(shared, link, caller, received, &ticket).await {
        Ok(Ended::Complete) => {
            ticket.complete();
            *taken = Some(ticket);
            Failpoint::ActivityEndNoConfirm.pass();
            Some(Request::TransferResponse)
        }
        Ok(Ended::Interrupted(received)) => {
            let octets = received.progress.octets();
            ticket.keep(*received, octets);
            None
        }
        Ok(Ended::Discarded) => None,
        Err(refusal) => refuse(link, caller, refusal),
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

/// What is there of a transfer, and its place among those that can be resumed.
type TakenUp<S> = (Received<S>, Ticket<Received<S>>);

/// A transfer that begins, or what was received of it before; or what the peer is answered.
async fn take_up<H: Handler>(
    shared: &Shared<H>,
    link: &mut Link,
    caller: &Caller,
    begun: Begun,
) -> Result<TakenUp<H::Spool>, Option<Request>> {
    // Strangers share what is kept of all of them.
    let peer = caller.peer.as_deref().unwrap_or_default();
    let config = shared.directory.config();
    let (old, activity, point) = match begun {
        Begun::Start(activity) => {
            let bounds = Bounds {
                apdu: config.max_apdu,
                envelope: config.max_envelope,
                depth: DEPTH,
            };
            let spool = shared.handler.begin(caller).await;
            let received = Received {
                reader: Reader::new(bounds),
                spool: spool.map_err(|refusal| refuse(link, caller, refusal))?,
                progress: Progress::default(),
            };
            return Ok((received, shared.recovery.begin(peer, activity)));
        }
        Begun::Resume(old, activity, point) => (old, activity, point),
    };
    let patience = Duration::from_secs(config.transfer_timeout);
    let found = shared.recovery.resume(peer, &old, &activity, patience);
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
async fn transfer<H: Handler>(
    shared: &Shared<H>,
    link: &mut Link,
    caller: &Caller,
    mut received: Received<H::Spool>,
    ticket: &Ticket<Received<H::Spool>>,
) -> Result<Ended<H::Spool>, Refusal> {
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
                let octets = received.progress.push(octets);
                for octets in received.reader.push(octets).map_err(never)? {
                    received.spool.write(octets).await.map_err(unwritten)?;
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
                let Received { reader, spool, .. } = received;
                let arrived = reader.finish().map_err(never)?;
                shared.handler.commit(caller, spool, arrived).await?;
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

/// A transfer whose octets the spool did not take.
fn unwritten(fault: io::Error) -> Refusal {
    fault.downcast().unwrap_or_else(|fault| Refusal {
        reason: RefusalReason::ReceivingAbilityJeopardized,
        explanation: format!("spool: {fault}"),
    })
}

/// A transfer that will not become better by being repeated.
fn never(fault: Fault) -> Refusal {
    Refusal {
        reason: RefusalReason::Unrecoverable,
        explanation: fault.to_string(),
    }
}
