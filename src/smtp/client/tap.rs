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
    replies: Replies,
}

/// Replies on their way from the peer to lettre.
#[derive(Debug, Default)]
struct Replies {
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
            replies: Replies {
                ready: OPENING.to_vec(),
                ..Replies::default()
            },
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
            inner.replies.ready.is_empty()
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

impl Replies {
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
            while inner.replies.ready.is_empty() {
                let mut octets = [0; 4096];
                let mut read = ReadBuf::new(&mut octets);
                ready!(Pin::new(&mut inner.stream).poll_read(context, &mut read))?;
                if read.filled().is_empty() {
                    break;
                }
                inner.replies.take(read.filled())?;
            }
            let count = into.remaining().min(inner.replies.ready.len());
            let rest = inner.replies.ready.split_off(count);
            into.put_slice(&inner.replies.ready);
            inner.replies.ready = rest;
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn taken(octets: &[u8], step: usize) -> Vec<u8> {
        let mut replies = Replies::default();
        for piece in octets.chunks(step) {
            replies.take(piece).unwrap();
        }
        replies.ready
    }

    #[test]
    fn s4_2_a_reply_of_any_server_becomes_one_of_the_grammar() {
        assert_eq!(taken(b"250\r\n", 9), b"250 \r\n");
        assert_eq!(
            taken(b"250\n250-a\n250 b\r\n", 9),
            b"250 \r\n250-a\r\n250 b\r\n"
        );
        assert_eq!(
            taken(b"220 caf\xc3\xa9 \x1b[1m\0\r\n", 9),
            b"220 caf?? ?[1m?\r\n"
        );
        let long = [b"250 ", &[b'x'; 5000][..], b"\r\n"].concat();
        assert_eq!(taken(&long, 700).len(), KEPT_OF_LINE + 2);
    }

    proptest! {
        #[test]
        fn s4_2_in_any_pieces(octets in proptest::collection::vec(any::<u8>(), 0..80), step in 1_usize..9) {
            let whole = taken(&octets, 100);
            prop_assert_eq!(&taken(&octets, step), &whole);
            for line in whole.split_inclusive(|octet| *octet == b'\n') {
                prop_assert!(!line.ends_with(b"\n") || line.ends_with(b"\r\n"));
                prop_assert!(line.iter().all(|o| matches!(o, b'\r' | b'\n' | b' '..=b'~')));
            }
        }
    }
}
