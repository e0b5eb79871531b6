//! What the owner of a server provides: a place for the octets of each transfer, and a verdict.

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use bytes::Bytes;

use super::config::Mode;
use super::transfer::Fault;
use crate::asn1::mta::MTABindError;

/// Takes the transfers of a server.
///
/// For each transfer the server calls [`Handler::begin`], writes the bare MTS-APDU into the
/// [`Spool`] as it comes, and at its end calls [`Handler::commit`]. Only when that returns `Ok` is
/// the transfer confirmed to the peer. A spool dropped without `commit` was not transferred.
pub trait Handler: Send + Sync + 'static {
    /// Where octets are kept until the transfer ends.
    type Spool: Spool;

    /// A peer opens an association, and its bind is in order.
    ///
    /// # Errors
    /// The association is refused with this error.
    fn welcome(&self, from: &Caller) -> impl Future<Output = Result<(), MTABindError>> + Send {
        let _ = from;
        std::future::ready(Ok(()))
    }

    /// A peer has opened an association on which we send, too: what waits for it can go.
    fn opened(&self, to: &Caller) -> impl Future<Output = ()> + Send {
        let _ = to;
        std::future::ready(())
    }

    /// A peer begins a transfer.
    ///
    /// # Errors
    /// The transfer is refused; the association stays.
    fn begin(&self, from: &Caller) -> impl Future<Output = Result<Self::Spool, Refusal>> + Send;

    /// A transfer is complete: return `Ok` once it is durable.
    ///
    /// # Errors
    /// The transfer is refused; the association stays.
    fn commit(
        &self,
        from: &Caller,
        spool: Self::Spool,
        arrived: Arrived,
    ) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// A transfer is over, and behind its envelope it is no APDU, or a larger one than may be: return
    /// `Ok` once it is known that it came. The spool has its octets as they came from the fault on, and
    /// no more than an APDU may have.
    ///
    /// # Errors
    /// The transfer is refused, unless it was so already for going on for too long.
    fn spoilt(
        &self,
        from: &Caller,
        spool: Self::Spool,
        arrived: Arrived,
        fault: Fault,
    ) -> impl Future<Output = Result<(), Refusal>> + Send {
        let _ = (from, spool, arrived);
        std::future::ready(Err(fault.into()))
    }
}

/// A place for the octets of one transfer; dropping it forgets them.
pub trait Spool: Send + 'static {
    /// Appends octets of the APDU.
    ///
    /// # Errors
    /// What the system says; the transfer is refused as one to try again. An error that holds a
    /// [`Refusal`] refuses as that says.
    fn write(&mut self, octets: Bytes) -> impl Future<Output = io::Result<()>> + Send;
}

/// Who is at the other end of an association.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The name of the configured peer; `None` for a stranger that lenience let in.
    pub peer: Option<String>,
    /// The MTA name it said in its bind; empty if it said none.
    pub mta: String,
    /// The protocol variant it speaks.
    pub mode: Mode,
    /// Where it called from, or where we called it.
    pub address: SocketAddr,
    /// The number of the association, for logs.
    pub association: u64,
}

/// The three APDUs of P1 (X.419, MTS-APDU).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApduKind {
    /// A message.
    Message,
    /// A probe.
    Probe,
    /// A report.
    Report,
}

/// What is known of an APDU when the last of it has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrived {
    /// Which APDU it is.
    pub kind: ApduKind,
    /// Its transfer envelope, one element of BER; for a probe the whole APDU.
    pub envelope: Bytes,
    /// How many octets were written to the spool: the bare MTS-APDU.
    pub octets: u64,
}

/// What the peer of a refused transfer is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalReason {
    /// We cannot receive now: disk full, queue closed. It may try again.
    ReceivingAbilityJeopardized,
    /// Something on our side failed. It may try again.
    LocalError,
    /// The APDU can never be taken: too large, not an APDU.
    Unrecoverable,
    /// Nothing: the association is given up. It may try again.
    Abort,
    /// Nothing at all: the connection is closed, as if the network had failed.
    Cut,
}

/// A transfer, or an association, refused by its receiver.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{explanation}")]
pub struct Refusal {
    /// What the peer is told, which decides whether it tries again.
    pub reason: RefusalReason,
    /// Why, in words for the log.
    pub explanation: String,
}

/// A transfer that will not become better by being repeated.
impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self {
            reason: RefusalReason::Unrecoverable,
            explanation: fault.to_string(),
        }
    }
}
