//! The stream under lettre's connection, with a second handle for ourselves.
//!
//! Through the second handle content streams in constant memory. In between, the stream answers
//! lettre's own opening, so that we can do ours, and makes every reply one that lettre reads: lines
//! that end in CRLF, are bounded, hold US-ASCII, and have a blank after a code that stands alone
//! (RFC 5321 section 4.2 lets a server leave it out).

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// How much of a line of a reply is kept; RFC 5321 section 4.5.3.1.5 has 512.
const KEPT_OF_LINE: usize = 900;
/// The longest line of a reply that is read at all.
const MAX_LINE: usize = 64 * 1024;
/// What lettre reads before we speak: a greeting, and a reply to its EHLO.
const OPENING: &[u8] = b"220 opening\r\n250 opening\r\n";

/// A handle to the stream; clones are the same stream.
#[derive(Debug, Clone)]
pub struct Tap {
    peer: SocketAddr,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    stream: TcpStream,
    /// Whether the peer hears what is written.
    live: bool,
    /// Octets to be read next.
    ready: Vec<u8>,
    /// How many octets of a line have come.
    column: usize,
    /// The octet before.
    last: u8,
}

impl Tap {
    /// A stream that answers the opening itself until [`Tap::go_live`].
    pub fn new(stream: TcpStream, peer: SocketAddr) -> Self {
        let inner = Inner {
            stream,
            live: false,
            ready: OPENING.to_vec(),
            column: 0,
            last: 0,
        };
        Self {
            peer,
            inner: Arc::new(Mutex::new(inner)),
        }
    }

    /// From now on the peer is heard and spoken to.
    pub fn go_live(&self) {
        self.with(|inner| inner.live = true);
    }

    /// Whether an idle peer is there and has said nothing: an idle server that speaks says 421.
    pub fn is_quiet(&self) -> bool {
        self.with(|inner| {
            let nothing = inner.stream.try_read(&mut [0]);
            inner.ready.is_empty()
                && nothing.is_err_and(|fault| fault.kind() == io::ErrorKind::WouldBlock)
        })
    }

    fn with<T>(&self, f: impl FnOnce(&mut Inner) -> T) -> T {
        f(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl AsyncTokioStream for Tap {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}

impl Inner {
    /// Takes octets of replies, made readable.
    fn take(&mut self, octets: &[u8]) -> io::Result<()> {
        for &octet in octets {
            if matches!(octet, b'\r' | b'\n') && self.column == 3 {
                self.ready.push(b' ');
                self.column = 4;
            }
            match octet {
                b'\n' => {
                    if self.last != b'\r' {
                        self.ready.push(b'\r');
                    }
                    self.ready.push(b'\n');
                    self.column = 0;
                }
                b'\r' => self.ready.push(octet),
                b' '..=b'~' if self.column < KEPT_OF_LINE => self.ready.push(octet),
                _ if self.column < KEPT_OF_LINE => self.ready.push(b'?'),
                _ => {}
            }
            if octet != b'\n' {
                self.column += 1;
            }
            self.last = octet;
            if self.column > MAX_LINE {
                let text = format!("a line of a reply is longer than {MAX_LINE} octets");
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
        }
        Ok(())
    }
}

impl AsyncRead for Tap {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.with(|inner| {
            // What is read may all be cut off, which must not look like the end.
            while inner.ready.is_empty() {
                let mut octets = [0; 4096];
                let mut read = ReadBuf::new(&mut octets);
                ready!(Pin::new(&mut inner.stream).poll_read(context, &mut read))?;
                if read.filled().is_empty() {
                    break;
                }
                inner.take(read.filled())?;
            }
            let count = into.remaining().min(inner.ready.len());
            let rest = inner.ready.split_off(count);
            into.put_slice(&inner.ready);
            inner.ready = rest;
            Poll::Ready(Ok(()))
        })
    }
}

impl AsyncWrite for Tap {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.with(|inner| {
            if inner.live {
                Pin::new(&mut inner.stream).poll_write(context, octets)
            } else {
                Poll::Ready(Ok(octets.len()))
            }
        })
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|inner| Pin::new(&mut inner.stream).poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|inner| Pin::new(&mut inner.stream).poll_shutdown(context))
    }
}
