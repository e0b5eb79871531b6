//! The server: sockets, limits and time-outs (RFC 5321 section 4.5.3.2) around sessions.
//!
//! Messages stream from the socket to the receiver's sink in constant memory. 250 is said only
//! after the sink has ended durably.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::{Instrument as _, debug, info, info_span};

use crate::network::{Counts, Listeners};
use crate::rfc822::Status;

use super::config::{Config, Timeouts};
use super::receive::{Protocol, Receiver, SessionInfo, Sink};
use super::reply::Reply;
use super::session::{Incoming, Outgoing, Session, Waiting};

/// Octets read at a time while commands come.
const COMMAND_BLOCK: usize = 4 * 1024;
/// Octets read at a time while a message comes.
const DATA_BLOCK: usize = 64 * 1024;
/// How long, and for how many octets, a client that is shown the door may go on talking, so that
/// its own noise does not destroy the reply on the way.
const LINGER: (Duration, usize) = (Duration::from_secs(1), 1024 * 1024);

/// A server that listens.
pub struct Server<R> {
    listeners: Listeners,
    shared: Arc<Shared<R>>,
}

/// What all sessions of a server share.
struct Shared<R> {
    name: String,
    config: Config,
    receiver: Arc<R>,
    connections: Arc<Semaphore>,
    addresses: Counts,
}

impl<R: Receiver> Server<R> {
    /// Listens on every address of `config`, as the host called `name`.
    ///
    /// # Errors
    /// If one of the addresses cannot be listened on.
    pub async fn bind(
        name: impl Into<String>,
        config: Config,
        receiver: Arc<R>,
    ) -> io::Result<Self> {
        Ok(Self {
            listeners: Listeners::bind("[smtp] listen", &config.listen).await?,
            shared: Arc::new(Shared {
                name: name.into(),
                connections: Arc::new(Semaphore::new(config.limits.connections)),
                config,
                receiver,
                addresses: Counts::default(),
            }),
        })
    }

    /// The addresses listened on, ports chosen by the system included.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.addresses()
    }

    /// Serves until `stop` is ready, then lets each session finish the message that comes, for as
    /// long as `[smtp.timeouts] shutdown` says.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) {
        let Self { listeners, shared } = self;
        let grace = Timeouts::span(shared.config.timeouts.shutdown);
        listeners
            .serve(stop, grace, |stream, peer, sessions, stopped| {
                shared.admit(stream, peer, sessions, stopped);
            })
            .await;
    }
}

impl<R: Receiver> Shared<R> {
    /// Begins a session, or refuses one too many.
    fn admit(
        self: &Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        sessions: &mut JoinSet<()>,
        stopped: watch::Receiver<bool>,
    ) {
        let shared = Arc::clone(self);
        let trusted = shared.config.trusts(peer.ip());
        let Ok(permit) = Arc::clone(&shared.connections).try_acquire_owned() else {
            return turn_away(&stream, peer, "Too many connections; come back soon");
        };
        let limit = shared.config.limits.connections_per_address;
        let of_peer = shared.addresses.count(peer.ip());
        if !trusted && of_peer.number() > limit {
            return turn_away(&stream, peer, "Too many connections from your address");
        }
        let info = SessionInfo {
            peer,
            local: stream.local_addr().unwrap_or(peer),
            trusted,
            helo: String::new(),
            protocol: Protocol::Smtp,
        };
        let span = info_span!("smtp", %peer);
        let session = async move {
            let _held = (permit, of_peer);
            let _ = stream.set_nodelay(true);
            match converse(stream, info, &shared, stopped).await {
                Ok(()) => debug!("closed"),
                Err(fault) => info!(%fault, "lost"),
            }
        };
        sessions.spawn(session.instrument(span));
    }
}

/// Tells a client why it cannot be served now, without waiting for it.
fn turn_away(stream: &TcpStream, peer: SocketAddr, text: &str) {
    info!(%peer, text, "refused");
    let _ = stream.try_write(&Reply::new(421, Status(4, 7, 0), text).to_wire());
}

/// One session from greeting to end.
async fn converse<R: Receiver, S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    info: SessionInfo,
    shared: &Shared<R>,
    mut stopped: watch::Receiver<bool>,
) -> io::Result<()> {
    let timeouts = &shared.config.timeouts;
    let session = Session::new(&shared.name, shared.config.limits.clone(), info);
    let mut owner = Owner {
        session,
        receiver: shared.receiver.as_ref(),
        sink: None,
        refusal: None,
    };
    let mut incoming = Incoming::Connected;
    let mut waiting = Waiting::Nothing;
    let mut deadline = Instant::now();
    let mut told = false;
    loop {
        let (wire, close) = owner.drive(incoming).await;
        if !wire.is_empty() {
            let patience = Timeouts::span(timeouts.command);
            timeout(patience, async {
                stream.write_all(&wire).await?;
                stream.flush().await
            })
            .await??;
        }
        if close {
            return linger(stream).await;
        }
        // An answer, or the beginning of a message, opens a new span; single octets do not.
        let now = owner.session.waiting();
        if !wire.is_empty() || now != waiting {
            waiting = now;
            deadline = Instant::now()
                + Timeouts::span(match now {
                    Waiting::Data => timeouts.data,
                    _ => timeouts.command,
                });
        }
        let (block, until) = match waiting {
            Waiting::Data => {
                let next = Instant::now() + Timeouts::span(timeouts.data_block);
                (DATA_BLOCK, next.min(deadline))
            }
            _ => (COMMAND_BLOCK, deadline),
        };
        let mut octets = BytesMut::with_capacity(block);
        incoming = tokio::select! {
            read = timeout_at(until, stream.read_buf(&mut octets)) => match read {
                Err(_) => Incoming::TimedOut,
                Ok(Ok(0)) => return Ok(()),
                Ok(Ok(_)) => Incoming::Octets(octets),
                Ok(Err(fault)) => return Err(fault),
            },
            _ = stopped.wait_for(|stopped| *stopped), if !told => {
                told = true;
                Incoming::ShuttingDown
            }
        };
    }
}

/// A session and those who answer its questions.
struct Owner<'a, R: Receiver> {
    session: Session,
    receiver: &'a R,
    /// Where the message goes that comes now.
    sink: Option<R::Sink>,
    /// Why the sink is no more.
    refusal: Option<Reply>,
}

impl<R: Receiver> Owner<'_, R> {
    /// Does what `incoming` brings about; gives what is to be sent and whether to close then.
    async fn drive(&mut self, incoming: Incoming) -> (Vec<u8>, bool) {
        let (mut wire, mut close) = (Vec::new(), false);
        let mut next = Some(incoming);
        while let Some(incoming) = next.take() {
            for outgoing in self.session.handle(incoming) {
                match outgoing {
                    Outgoing::Reply(reply) => {
                        if reply.is_positive() {
                            debug!(%reply, "replied");
                        } else {
                            info!(%reply, "refused");
                        }
                        wire.extend_from_slice(&reply.to_wire());
                    }
                    Outgoing::Close => close = true,
                    question => next = self.answer(question).await.or(next),
                }
            }
        }
        (wire, close)
    }

    /// Answers a question of the session, or does what it says about the message.
    async fn answer(&mut self, question: Outgoing) -> Option<Incoming> {
        let (session, receiver) = (&self.session, self.receiver);
        match question {
            Outgoing::Mail(envelope) => Some(Incoming::Decided(
                receiver.mail(session.info(), &envelope).await,
            )),
            Outgoing::Recipient(recipient) => {
                let none = Default::default();
                let envelope = session.envelope().unwrap_or(&none);
                let decided = receiver
                    .recipient(session.info(), envelope, &recipient)
                    .await;
                Some(Incoming::Decided(decided))
            }
            Outgoing::Data(envelope) => {
                let sink = receiver.data(session.info(), envelope).await;
                Some(Incoming::Decided(sink.map(|sink| self.sink = Some(sink))))
            }
            Outgoing::Content(octets) => {
                let refusal = self.sink.as_mut()?.write(octets).await.err()?;
                self.sink = None;
                self.refusal = Some(refusal.clone());
                Some(Incoming::ContentRefused(refusal))
            }
            Outgoing::End => Some(Incoming::Ended(match self.sink.take() {
                Some(sink) => sink.end().await,
                None => Err(self.refusal.take().unwrap_or_else(|| {
                    Reply::new(451, Status(4, 3, 0), "The message was lost on the way in")
                })),
            })),
            Outgoing::Abandon => {
                self.sink = None;
                None
            }
            Outgoing::Reply(_) | Outgoing::Close => None,
        }
    }
}

/// Ends the connection so that the last reply arrives.
async fn linger<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) -> io::Result<()> {
    stream.shutdown().await?;
    let (span, octets) = LINGER;
    let mut scratch = vec![0; COMMAND_BLOCK];
    let mut left = octets;
    let drain = async {
        while left > 0 {
            match stream.read(&mut scratch).await {
                Ok(0) | Err(_) => break,
                Ok(read) => left = left.saturating_sub(read),
            }
        }
    };
    let _ = timeout(span, drain).await;
    Ok(())
}

#[cfg(test)]
mod tests;
