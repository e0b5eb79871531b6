//! The server's seam: who decides about what a client says, and keeps what it sends.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;

use bytes::Bytes;

use crate::rfc822::{Envelope, Recipient};

use super::Reply;

/// What a server knows of its client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionInfo {
    /// Where the client comes from.
    pub peer: SocketAddr,
    /// Where it came to.
    pub local: SocketAddr,
    /// Whether it may relay through us (`[smtp] trusted`).
    pub trusted: bool,
    /// The name it gave itself in HELO or EHLO, printable US-ASCII; empty before.
    pub helo: String,
    /// How it speaks.
    pub protocol: Protocol,
}

/// The protocol of a session, in the words of a `Received` field's `with` (RFC 3848).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HELO.
    Smtp,
    /// EHLO.
    Esmtp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Smtp => "SMTP",
            Self::Esmtp => "ESMTP",
        })
    }
}

/// A message is durable: whoever answers this has taken responsibility (RFC 5321 section 6.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The name of the item, told to the client.
    pub id: String,
}

/// Decides about senders, recipients and messages, and keeps what it accepts.
///
/// A refusal is a reply 4yz or 5yz. The server waits for each answer before it reads on.
pub trait Receiver: Send + Sync + 'static {
    /// Where the octets of one message go.
    type Sink: Sink;

    /// Whether mail of this sender may begin; `envelope` has no recipients yet.
    fn mail(
        &self,
        session: &SessionInfo,
        envelope: &Envelope,
    ) -> impl Future<Output = Result<(), Reply>> + Send {
        let _ = (session, envelope);
        async { Ok(()) }
    }

    /// Whether `recipient` is accepted; `envelope` has those accepted before.
    fn recipient(
        &self,
        session: &SessionInfo,
        envelope: &Envelope,
        recipient: &Recipient,
    ) -> impl Future<Output = Result<(), Reply>> + Send;

    /// A message begins, for all recipients of `envelope`; at least one.
    fn data(
        &self,
        session: &SessionInfo,
        envelope: Envelope,
    ) -> impl Future<Output = Result<Self::Sink, Reply>> + Send;
}

/// Takes the octets of one message.
///
/// Dropped before [`Sink::end`], it forgets the message: the client went away, sent too much or
/// broke the rules.
pub trait Sink: Send {
    /// More of the message: lines ended by CRLF, transparency undone (RFC 5321 section 4.5.2).
    ///
    /// After a refusal the sink is dropped, the rest of the message read and thrown away, and the
    /// refusal told to the client.
    fn write(&mut self, octets: Bytes) -> impl Future<Output = Result<(), Reply>> + Send;

    /// All octets came. `Ok` only once the message is durable: the client is told 250 next.
    fn end(self) -> impl Future<Output = Result<Accepted, Reply>> + Send;
}
