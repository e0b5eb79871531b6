//! The server: takes associations from peers and hands their transfers to a [`Handler`].
//!
//! Each transfer streams from the socket to the handler's spool in constant memory. The end of a
//! transfer is confirmed only after the handler says that it is durable.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{Instrument as _, debug, error, info, info_span, warn};

use super::association::{self, Directory};
use super::handler::{Caller, Handler, Refusal, RefusalReason, Spool as _};
use super::link::Link;
use super::transfer::{Bounds, Fault, Reader};
use crate::failpoint::Failpoint;
use crate::osi::rtse::{self, Indication, Open, Request};

/// How many callers too many are told so at the same time; more are not even told.
const TOLD_BUSY: usize = 32;
/// How long associations may take to end when the server stops.
const GRACE: Duration = Duration::from_secs(30);
/// How many elements of an APDU may lie within one another.
const DEPTH: usize = 64;

/// A server that listens.
pub struct Server<H> {
    listeners: Vec<TcpListener>,
    shared: Arc<Shared<H>>,
}

/// What all associations of a server share.
struct Shared<H> {
    directory: Arc<Directory>,
    handler: Arc<H>,
    room: Arc<Semaphore>,
    told_busy: Arc<Semaphore>,
    associations: AtomicU64,
}

impl<H: Handler> Server<H> {
    /// Listens on every address of the configuration.
    ///
    /// # Errors
    /// If one of the addresses cannot be listened on.
    pub async fn bind(directory: Arc<Directory>, handler: Arc<H>) -> io::Result<Self> {
        let mut listeners = Vec::new();
        for address in &directory.config().listen {
            let listener = TcpListener::bind(address).await.map_err(|fault| {
                io::Error::new(fault.kind(), format!("[x400] listen {address}: {fault}"))
            })?;
            listeners.push(listener);
        }
        let shared = Shared {
            room: Arc::new(Semaphore::new(directory.config().max_associations)),
            told_busy: Arc::new(Semaphore::new(TOLD_BUSY)),
            directory,
            handler,
            associations: AtomicU64::new(0),
        };
        Ok(Self {
            listeners,
            shared: Arc::new(shared),
        })
    }

    /// The addresses listened on, ports chosen by the system included.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let addresses = self.listeners.iter().map(TcpListener::local_addr);
        addresses.filter_map(Result::ok).collect()
    }

    /// Serves until `stop` is ready, then lets transfers under way end.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) {
        let (stopping, stopped) = watch::channel(false);
        let mut associations = JoinSet::new();
        tokio::pin!(stop);
        loop {
            tokio::select! {
                accepted = accept(&self.listeners) => match accepted {
                    Ok((stream, from)) => {
                        self.admit(stream, from, &mut associations, stopped.clone());
                    }
                    Err(fault) => {
                        // Out of descriptors, or a connection that went away: neither lasts.
                        warn!(%fault, "no connection could be accepted");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                },
                Some(ended) = associations.join_next() => log_panic(ended),
                () = &mut stop => break,
            }
        }
        drop(self.listeners);
        stopping.send_replace(true);
        let finish = async {
            while let Some(ended) = associations.join_next().await {
                log_panic(ended);
            }
        };
        if timeout(GRACE, finish).await.is_err() {
            warn!(
                associations = associations.len(),
                "associations were cut off"
            );
        }
    }

    /// Begins an association, or refuses one too many.
    fn admit(
        &self,
        stream: TcpStream,
        from: SocketAddr,
        associations: &mut JoinSet<()>,
        stopped: watch::Receiver<bool>,
    ) {
        let shared = Arc::clone(&self.shared);
        let number = shared.associations.fetch_add(1, Ordering::Relaxed);
        let span = info_span!("x400", peer = %from, association = number);
        if let Ok(permit) = Arc::clone(&shared.room).try_acquire_owned() {
            let served = async move {
                serve(&shared, stream, from, number, stopped).await;
                drop(permit);
            };
            associations.spawn(served.instrument(span));
        } else if let Ok(permit) = Arc::clone(&shared.told_busy).try_acquire_owned() {
            let told = async move {
                warn!("refused: too many associations");
                turn_away(&shared.directory, stream).await;
                drop(permit);
            };
            associations.spawn(told.instrument(span));
        }
    }
}

/// The next connection on any listener.
async fn accept(listeners: &[TcpListener]) -> io::Result<(TcpStream, SocketAddr)> {
    std::future::poll_fn(|context| {
        for listener in listeners {
            if let ready @ std::task::Poll::Ready(_) = listener.poll_accept(context) {
                return ready;
            }
        }
        std::task::Poll::Pending
    })
    .await
}

fn log_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(fault) = ended
        && fault.is_panic()
    {
        error!(%fault, "an association ended in a fault of ours");
    }
}

/// Tells a caller too many to come back later.
async fn turn_away(directory: &Directory, stream: TcpStream) {
    let Ok(mut link) = Link::new(stream, directory.stack(true)) else {
        return;
    };
    while let Some(told) = link.next().await {
        if matches!(told, Indication::Open(_)) {
            // A misuse is impossible here, and would end in the same: the caller is not served.
            let _ = link.request(Request::OpenResponse(association::busy()));
        }
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
    stream: TcpStream,
    from: SocketAddr,
    association: u64,
    mut stopped: watch::Receiver<bool>,
) {
    let mut link = match Link::new(stream, shared.directory.stack(true)) {
        Ok(link) => link,
        Err(fault) => return debug!(%fault, "the connection was lost"),
    };
    let mut caller = Caller {
        peer: None,
        mta: String::new(),
        address: from,
        association,
    };
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
        };
        let answer = match told {
            None => return,
            Some(Indication::Open(open)) => Some(welcome(shared, &open, &mut caller).await),
            Some(Indication::TransferBegin { .. }) => receive(shared, &mut link, &caller).await,
            Some(Indication::Close) => Some(Request::CloseResponse),
            // We have nothing to send on it.
            Some(Indication::TurnGive) => Some(Request::TurnGive),
            Some(Indication::UAbort { explanation } | Indication::PAbort { explanation }) => {
                info!(mta = caller.mta, explanation, "association ended");
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

/// The answer to a caller.
async fn welcome<H: Handler>(shared: &Shared<H>, open: &Open, caller: &mut Caller) -> Request {
    let response = match shared.directory.judge(open, caller.address) {
        Ok(welcome) => {
            caller.peer = welcome.peer;
            caller.mta = welcome.mta;
            match shared.handler.welcome(caller).await {
                Ok(()) => {
                    info!(mta = caller.mta, name = caller.peer, "association accepted");
                    welcome.response
                }
                Err(refusal) => {
                    warn!(mta = caller.mta, explanation = %refusal, "association refused");
                    association::busy()
                }
            }
        }
        Err(unwelcome) => {
            warn!(explanation = unwelcome.explanation, "association refused");
            unwelcome.response
        }
    };
    Request::OpenResponse(response)
}

/// Receives one transfer; gives the request that ends it, if the peer still wants one.
async fn receive<H: Handler>(
    shared: &Shared<H>,
    link: &mut Link,
    caller: &Caller,
) -> Option<Request> {
    match transfer(shared, link, caller).await {
        Ok(true) => {
            Failpoint::ActivityEndNoConfirm.pass();
            Some(Request::TransferResponse)
        }
        Ok(false) => None,
        Err(refusal) => {
            warn!(mta = caller.mta, explanation = %refusal, "transfer refused");
            Some(match refusal.reason {
                RefusalReason::ReceivingAbilityJeopardized => {
                    Request::TransferRefuse(rtse::Refusal::ReceivingAbilityJeopardized)
                }
                RefusalReason::LocalError => Request::TransferRefuse(rtse::Refusal::LocalError),
                RefusalReason::Unrecoverable => {
                    Request::TransferRefuse(rtse::Refusal::Unrecoverable)
                }
                RefusalReason::Abort => Request::Abort {
                    explanation: refusal.explanation,
                },
            })
        }
    }
}

/// Receives one transfer; `false` if it broke off.
async fn transfer<H: Handler>(
    shared: &Shared<H>,
    link: &mut Link,
    caller: &Caller,
) -> Result<bool, Refusal> {
    let config = shared.directory.config();
    let mut reader = Reader::new(Bounds {
        apdu: config.max_apdu,
        envelope: config.max_envelope,
        depth: DEPTH,
    });
    let mut spool = shared.handler.begin(caller).await?;
    while let Some(told) = link.next().await {
        match told {
            Indication::Octets(octets) => {
                for octets in reader.push(octets).map_err(never)? {
                    spool.write(octets).await.map_err(|fault| Refusal {
                        reason: RefusalReason::ReceivingAbilityJeopardized,
                        explanation: format!("spool: {fault}"),
                    })?;
                }
            }
            Indication::Checkpoint { point } => {
                link.request(Request::Secured { point })
                    .map_err(|misuse| Refusal {
                        reason: RefusalReason::LocalError,
                        explanation: misuse.to_string(),
                    })?;
            }
            Indication::Transfer => {
                let arrived = reader.finish().map_err(never)?;
                shared.handler.commit(caller, spool, arrived).await?;
                return Ok(true);
            }
            Indication::TransferDiscarded { explanation } => {
                info!(mta = caller.mta, explanation, "transfer broken off");
                return Ok(false);
            }
            Indication::UAbort { explanation } | Indication::PAbort { explanation } => {
                info!(mta = caller.mta, explanation, "association ended");
                return Ok(false);
            }
            _ => {}
        }
    }
    Ok(false)
}

/// A transfer that will not become better by being repeated.
fn never(fault: Fault) -> Refusal {
    Refusal {
        reason: RefusalReason::Unrecoverable,
        explanation: fault.to_string(),
    }
}
