//! The server: takes associations from peers and hands their transfers to a [`Handler`].

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{Instrument as _, debug, error, info, info_span, warn};

use super::association::{self, Directory};
use super::config::Mode;
use super::dialogue::{self, Association};
use super::handler::{Caller, Handler};
use super::link::Link;
use super::receive::{Receiver, Takes};
use super::standing::{Counted, Standing};
use super::stream::Stream;
use crate::asn1::mta::MTABindError;
use crate::network::{Count, Counts, Listeners};
use crate::osi::rtse::{Dialogue, Indication, Open, OpenResponse, Request};
use crate::osi::transport::DisconnectReason;

/// How many connections too many are told so at the same time; more are closed without a word.
const TURNED_AWAY: usize = 32;
/// How long one of them may take to call.
const TURN_AWAY: Duration = Duration::from_secs(5);
/// How long associations may take to end when the server stops.
const GRACE: Duration = Duration::from_secs(30);

/// A server that listens.
pub struct Server<H: Handler> {
    listeners: Listeners,
    /// Those for calls over TLS.
    secure: Listeners,
    shared: Arc<Shared<H>>,
}

/// What all associations of a server share.
struct Shared<H: Handler> {
    receiver: Arc<Receiver<H>>,
    directory: Arc<Directory>,
    handler: Arc<H>,
    /// For associations.
    room: Arc<Semaphore>,
    /// For connections of strangers without an association yet.
    half_open: Arc<Semaphore>,
    /// For such connections from where peers may call.
    neighbours: Arc<Semaphore>,
    /// For connections that are being refused.
    turned_away: Arc<Semaphore>,
    addresses: Counts,
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
            neighbours: permits(config.max_half_open.max(config.max_associations)),
            turned_away: permits(TURNED_AWAY),
            addresses: Counts::default(),
            receiver: Arc::new(Receiver::new(Arc::clone(&directory), Arc::clone(&handler))),
            directory,
            handler,
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

    /// Who takes what comes on its associations.
    pub(super) fn receiver(&self) -> Arc<dyn Takes> {
        Arc::clone(&self.shared.receiver) as Arc<dyn Takes>
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
            // An error is a server that is gone.
            let stop = async move { drop(stopped.wait_for(|stopped| *stopped).await) };
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
        let number = shared.directory.number();
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
            true => &self.neighbours,
            false => &self.half_open,
        };
        let half_open = Arc::clone(half_open)
            .try_acquire_owned()
            .map_err(|_| "too many connections have no association yet")?;
        Ok(Entry {
            _count: count,
            half_open: Some(half_open),
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
    let mut config = directory.stack(None);
    config.transport.refuse = Some(DisconnectReason::CONGESTION_AT_TSAP);
    config.transport.connect_timeout = config.transport.connect_timeout.min(TURN_AWAY);
    if let Ok(link) = Link::new(stream, config) {
        link.finish().await;
    }
}

/// Serves one association from its first octet to its last, or until it serves somebody else.
async fn serve<H: Handler>(
    shared: &Shared<H>,
    stream: Stream,
    from: SocketAddr,
    association: u64,
    mut entry: Entry,
    stopped: watch::Receiver<bool>,
) {
    let directory = &shared.directory;
    let patience = Duration::from_secs(directory.config().open_timeout);
    let half_open = sleep(patience);
    tokio::pin!(half_open);
    let mut link = match Link::new(stream, directory.stack(None)) {
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
    let mut stopped = Some(stopped);
    // Whether the log says why there is no association.
    let mut is_told = false;
    let (two_way, sends) = loop {
        let told = tokio::select! {
            told = link.next() => told,
            () = dialogue::stop(&mut stopped) => {
                let explanation = "the server stops".to_owned();
                if let Err(misuse) = link.request(Request::Abort { explanation }) {
                    debug!(%misuse, "not aborted");
                }
                return link.finish().await;
            }
            () = &mut half_open => {
                if !is_told {
                    warn!("closed: no association within {patience:?}");
                }
                return;
            }
        };
        match told {
            None => return,
            Some(Indication::Open(open)) => {
                let shown = link.stream().certificates();
                let (answer, sends) = welcome(shared, &open, shown, &mut caller, &mut entry).await;
                if let Err(misuse) = link.request(Request::OpenResponse(answer)) {
                    return error!(%misuse, "a request out of place");
                }
                if entry.room.is_some() {
                    break (open.dialogue == Dialogue::TwoWayAlternate, sends);
                }
                is_told = true;
            }
            Some(Indication::UAbort { explanation } | Indication::PAbort { explanation }) => {
                info!(mta = caller.mta, explanation, "no association");
                is_told = true;
            }
            Some(_) => {}
        }
    };
    let peer = caller.peer.as_deref();
    let (peer, standing) = (
        peer.and_then(|name| directory.peer(name)),
        peer.and_then(|name| directory.standing(name)),
    );
    link.set_transfer_timeout(directory.config().rts(peer).transfer_timeout);
    if let Some(peer) = peer {
        link.set_idle_timeout(directory.config().incoming_idle_timeout(peer));
    }
    let disabled = standing.map(|standing| standing.disabling());
    let standing = standing.filter(|_| sends);
    let counted = standing.map(Standing::count_caller);
    if counted.is_some() {
        shared.handler.opened(&caller).await;
    }
    let association = Association {
        link,
        caller,
        ours: false,
        two_way,
        standing: standing.cloned(),
        receiver: Some(Arc::clone(&shared.receiver) as Arc<dyn Takes>),
        patience: None,
        permanent: 0,
        stopped,
        disabled,
        _holds: Box::new((entry, counted)),
        state: dialogue::State::default(),
    };
    association.stand().await;
}

/// The answer to a caller, and whether we send to it on its association; one that is accepted has its
/// `entry` in the room for associations.
async fn welcome<H: Handler>(
    shared: &Shared<H>,
    open: &Open,
    shown: &[CertificateDer<'static>],
    caller: &mut Caller,
    entry: &mut Entry,
) -> (OpenResponse, bool) {
    let refuse = |explanation: &str, response: OpenResponse| {
        warn!(explanation, "association refused");
        (response, false)
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
    (welcome.response, welcome.sends)
}
