//! A stack on a socket: reads, writes and the clock of one association.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep_until, timeout, timeout_at};

use super::stream::Stream;
use crate::osi::presentation::Misuse;
use crate::osi::rtse::{Indication, Request, Resumption};
use crate::osi::stack::{Cause, Config, Network, Outgoing, Stack};

/// How many octets are read at a time.
const READ: usize = 128 * 1024;
/// How little room is left for them before more is made.
const ROOM: usize = 16 * 1024;

/// After how much silence TCP asks whether the peer's host is still there, and how often it asks again
/// if there is no answer; the system counts how often (Linux: nine times).
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(15));

/// One association on its TCP connection.
#[derive(Debug)]
pub(super) struct Link {
    stream: Stream,
    stack: Stack,
    /// What the stack has told and nobody has heard.
    told: VecDeque<Indication>,
    /// What is to be written.
    unsent: BytesMut,
    /// Whether the connection is to be closed once everything is written.
    closing: bool,
    /// Whether the connection is gone.
    closed: bool,
    input: BytesMut,
    fault: Option<io::Error>,
    /// How long the peer may leave a write standing.
    patience: Duration,
    /// How many octets a second it must take after that.
    rate: u64,
}

impl Link {
    /// An association on a connection just made, as initiator or responder.
    ///
    /// # Errors
    /// What the system says of the socket.
    pub(super) fn new(stream: impl Into<Stream>, config: Config) -> io::Result<Self> {
        let stream = stream.into();
        // Small writes with delayed acknowledgements would cost 40 ms an activity.
        stream.tcp().set_nodelay(true)?;
        let (silence, again) = KEEPALIVE;
        let keepalive = TcpKeepalive::new().with_time(silence).with_interval(again);
        SockRef::from(stream.tcp()).set_tcp_keepalive(&keepalive)?;
        let (patience, rate) = (config.transfer_timeout, config.min_rate);
        Ok(Self {
            stream,
            stack: Stack::new(config, Instant::now()),
            told: VecDeque::new(),
            unsent: BytesMut::new(),
            closing: false,
            closed: false,
            input: BytesMut::with_capacity(READ),
            fault: None,
            patience,
            rate,
        })
    }

    /// The presentation context of P1 on this association; X.410 mode has none.
    pub(super) fn user_context(&self) -> Option<u32> {
        self.stack.rtse().user_context()
    }

    /// What ended the association, if it was neither its user here nor there.
    pub(super) fn cause(&self) -> Option<&Cause> {
        self.stack.cause()
    }

    /// The connection.
    pub(super) fn stream(&self) -> &Stream {
        &self.stream
    }

    /// What the system, or TLS, last said of a connection that was lost.
    pub(super) fn fault(&self) -> Option<&io::Error> {
        self.fault.as_ref()
    }

    /// How long the association may stand without a transfer from now on; `None`: for ever.
    pub(super) fn set_idle_timeout(&mut self, idle_timeout: Option<Duration>) {
        self.stack.set_idle_timeout(idle_timeout);
    }

    /// How long the peer may take over its next step of a transfer from now on.
    pub(super) fn set_transfer_timeout(&mut self, transfer_timeout: Duration) {
        self.stack.set_transfer_timeout(transfer_timeout);
        self.patience = transfer_timeout;
    }

    /// Whether the turn is here; what is told may be behind this.
    pub(super) fn has_turn(&self) -> bool {
        self.stack.rtse().has_turn()
    }

    /// Whether the association can no longer be used.
    pub(super) fn is_over(&self) -> bool {
        let over = |told: &Indication| {
            matches!(
                told,
                Indication::PAbort { .. } | Indication::UAbort { .. } | Indication::Close
            )
        };
        self.closed || self.closing || self.told.iter().any(over)
    }

    /// From where what is being sent could be resumed if it broke off now.
    pub(super) fn resumption(&self) -> Option<Box<Resumption>> {
        self.stack.rtse().resumption()
    }

    /// Whether the peer is still at the transfer we are told of.
    pub(super) fn is_receiving(&self) -> bool {
        self.stack.rtse().is_receiving()
    }

    /// Whether the peer's user gave the association up, and nobody has heard of it.
    pub(super) fn is_aborted(&self) -> bool {
        let aborted = |told: &Indication| matches!(told, Indication::UAbort { .. });
        self.told.iter().any(aborted)
    }

    /// Asks something of the stack; what it says goes out with the next [`Link::next`].
    pub(super) fn request(&mut self, request: Request) -> Result<(), Misuse> {
        let out = self.stack.request(request, Instant::now())?;
        self.take(out);
        Ok(())
    }

    fn take(&mut self, out: Vec<Outgoing>) {
        for event in out {
            match event {
                Outgoing::Indication(indication) => self.told.push_back(indication),
                // What one step says leaves in one write.
                Outgoing::Octets(octets) => self.unsent.extend_from_slice(&octets),
                Outgoing::Close => self.closing = true,
            }
        }
    }

    /// The next thing the stack tells; `None` when the connection is gone. May be dropped at any
    /// await and called again.
    pub(super) async fn next(&mut self) -> Option<Indication> {
        loop {
            // What is pulled leaves in one write with what was said before it.
            if matches!(self.told.front(), Some(Indication::Pull { .. }))
                && self.unsent.len() < READ
            {
                return self.told.pop_front();
            }
            // Write before anything else is told: the peer need not wait for what we do next.
            self.flush().await;
            if let Some(indication) = self.told.pop_front() {
                return Some(indication);
            }
            if self.closed {
                return None;
            }
            let deadline = self.stack.deadline();
            tokio::select! {
                read = self.stream.read_buf(&mut self.input) => {
                    let event = match read {
                        Ok(1..) => Network::Octets(self.input.split().freeze()),
                        Ok(0) => Network::Closed,
                        Err(fault) => {
                            self.fault = Some(fault);
                            Network::Closed
                        }
                    };
                    if self.input.capacity() < ROOM {
                        self.input.reserve(READ);
                    }
                    self.closed = event == Network::Closed;
                    let out = self.stack.network(event, Instant::now());
                    self.take(out);
                }
                () = sleep(deadline) => {
                    let out = self.stack.tick(Instant::now());
                    self.take(out);
                }
            }
        }
    }

    /// Writes what is to be written, and closes the connection if that is asked.
    async fn flush(&mut self) {
        let mut written = false;
        // Who takes an octet now and then is not waited for either.
        let earned = (self.unsent.len() as u64).checked_div(self.rate);
        let whole = earned.and_then(|earned| {
            let whole = self.patience.saturating_add(Duration::from_secs(earned));
            Instant::now().checked_add(whole)
        });
        while !self.unsent.is_empty() && !self.closed {
            let step = Instant::now().checked_add(self.patience);
            let until = [step, whole].into_iter().flatten().min();
            let until = until.unwrap_or_else(Instant::now);
            match timeout_at(until.into(), self.stream.write_buf(&mut self.unsent)).await {
                Ok(Ok(1..)) => written = true,
                _ => self.lost(),
            }
        }
        // TLS may keep something back.
        if written
            && !self.closed
            && !matches!(
                timeout(self.patience, self.stream.flush()).await,
                Ok(Ok(()))
            )
        {
            self.lost();
        }
        if self.closing && !self.closed {
            // Best effort: the connection is over whatever the system says of it.
            let _ = timeout(self.patience, self.stream.shutdown()).await;
            self.lost();
        }
    }

    /// Ends the connection at once, without a word to the peer.
    pub(super) fn cut(&mut self) {
        self.lost();
    }

    /// The connection is gone.
    fn lost(&mut self) {
        self.closed = true;
        self.unsent.advance(self.unsent.len());
        let out = self.stack.network(Network::Closed, Instant::now());
        self.take(out);
    }

    /// Writes what is left, and waits until the connection is gone.
    pub(super) async fn finish(mut self) {
        while self.next().await.is_some() {}
    }
}

/// Until a deadline; for ever if there is none.
async fn sleep(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
