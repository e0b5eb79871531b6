//! The gateway's neighbours in the demo: a mail server and an X.400 MTA that keep what they get.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use mixgate::octets::Octets;
use mixgate::rfc822::{Envelope, Recipient, Status};
use mixgate::smtp::{self, Accepted, Receiver, Reply, SessionInfo, Sink};
use mixgate::x400::{self, Apdu, Arrived, Caller, Directory, Handler, Outcome, Refusal, Spool};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::cli::exit::Failure;

/// A mail that arrived.
#[derive(Debug)]
pub struct Mail {
    /// Its envelope.
    pub envelope: Envelope,
    /// Its octets.
    pub octets: Bytes,
}

/// A server that is told to stop and waited for.
#[derive(Debug)]
struct Running {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Running {
    async fn stop(self) {
        let _ = self.stop.send(true);
        let _ = self.task.await;
    }
}

/// The mail server of the Internet.
#[derive(Debug)]
pub struct MailServer {
    /// Where it listens.
    pub address: SocketAddr,
    arrived: mpsc::Receiver<Mail>,
    running: Running,
}

impl MailServer {
    /// Listens on a port the system chooses.
    pub async fn start() -> io::Result<Self> {
        let (sender, arrived) = mpsc::channel(16);
        let config = smtp::Config {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
            ..smtp::Config::default()
        };
        let server =
            smtp::server::Server::bind("mail.internet.example", config, Arc::new(Mailbox(sender)))
                .await?;
        let address = *server
            .addresses()
            .first()
            .ok_or(io::ErrorKind::AddrNotAvailable)?;
        let (stop, mut stopped) = watch::channel(false);
        let task = tokio::spawn(server.run(async move {
            let _ = stopped.wait_for(|stopped| *stopped).await;
        }));
        Ok(Self {
            address,
            arrived,
            running: Running { stop, task },
        })
    }

    /// The next mail.
    pub async fn next(&mut self) -> Result<Mail, Failure> {
        in_time("a mail", self.arrived.recv()).await
    }

    /// Ends.
    pub async fn stop(self) {
        self.running.stop().await;
    }
}

/// Takes every mail.
struct Mailbox(mpsc::Sender<Mail>);

/// A mail that is arriving.
struct Letter {
    to: mpsc::Sender<Mail>,
    envelope: Envelope,
    octets: BytesMut,
}

impl Receiver for Mailbox {
    type Sink = Letter;

    async fn recipient(&self, _: &SessionInfo, _: &Envelope, _: &Recipient) -> Result<(), Reply> {
        Ok(())
    }

    async fn data(&self, _: &SessionInfo, envelope: Envelope) -> Result<Letter, Reply> {
        Ok(Letter {
            to: self.0.clone(),
            envelope,
            octets: BytesMut::new(),
        })
    }
}

impl Sink for Letter {
    async fn write(&mut self, octets: Bytes) -> Result<(), Reply> {
        self.octets.extend_from_slice(&octets);
        Ok(())
    }

    async fn end(self) -> Result<Accepted, Reply> {
        let mail = Mail {
            envelope: self.envelope,
            octets: self.octets.freeze(),
        };
        let gone = |_| Reply::new(451, Status(4, 3, 0), "The demo is over");
        self.to.send(mail).await.map_err(gone)?;
        Ok(Accepted {
            id: "demo".to_owned(),
        })
    }
}

/// The X.400 MTA.
#[derive(Debug)]
pub struct X400Mta {
    /// Where it listens.
    pub address: SocketAddr,
    arrived: mpsc::Receiver<Bytes>,
    running: Running,
    to_gateway: Option<x400::Client>,
}

impl X400Mta {
    /// Listens on a port the system chooses.
    pub async fn start() -> io::Result<Self> {
        let (sender, arrived) = mpsc::channel(16);
        let config = x400::Config {
            listen: vec!["127.0.0.1:0".to_owned()],
            lenient: true,
            ..x400::Config::default()
        };
        let directory = Directory::new(config, super::MTA).map_err(io::Error::other)?;
        let server = x400::Server::bind(Arc::new(directory), Arc::new(Inbox(sender))).await?;
        let address = *server
            .addresses()
            .first()
            .ok_or(io::ErrorKind::AddrNotAvailable)?;
        let (stop, mut stopped) = watch::channel(false);
        let task = tokio::spawn(server.run(async move {
            let _ = stopped.wait_for(|stopped| *stopped).await;
        }));
        Ok(Self {
            address,
            arrived,
            running: Running { stop, task },
            to_gateway: None,
        })
    }

    /// Learns where the gateway listens.
    pub fn knows_gateway(&mut self, address: SocketAddr) -> Result<(), Failure> {
        let gateway = x400::Peer {
            name: "gateway".to_owned(),
            connect: vec![address.to_string()],
            mta: "GW".to_owned(),
            ..x400::Peer::default()
        };
        let config = x400::Config {
            peer: vec![gateway],
            ..x400::Config::default()
        };
        let directory = Directory::new(config, super::MTA)
            .map_err(|error| Failure::Internal(error.to_string()))?;
        self.to_gateway = Some(x400::Client::new(Arc::new(directory)));
        Ok(())
    }

    /// Transfers an APDU to the gateway.
    pub async fn send(&self, apdu: impl Into<Octets>) -> Result<(), Failure> {
        let client = self
            .to_gateway
            .as_ref()
            .ok_or_else(|| Failure::Internal("the MTA does not know the gateway".to_owned()))?;
        match client.transfer("gateway", Apdu::Octets(apdu.into())).await {
            Outcome::Delivered { .. } => Ok(()),
            Outcome::Later { explanation, .. }
            | Outcome::NoAssociation { explanation, .. }
            | Outcome::InDoubt { explanation, .. }
            | Outcome::Never { explanation, .. } => Err(Failure::Unavailable(format!(
                "the gateway did not take an APDU: {explanation}"
            ))),
        }
    }

    /// The next APDU.
    pub async fn next(&mut self) -> Result<Bytes, Failure> {
        in_time("an APDU", self.arrived.recv()).await
    }

    /// Ends.
    pub async fn stop(self) {
        if let Some(client) = &self.to_gateway {
            client.close().await;
        }
        self.running.stop().await;
    }
}

/// Takes every APDU.
struct Inbox(mpsc::Sender<Bytes>);

/// An APDU that is arriving.
struct Parcel(BytesMut);

impl Spool for Parcel {
    async fn write(&mut self, octets: Bytes) -> io::Result<()> {
        self.0.extend_from_slice(&octets);
        Ok(())
    }
}

impl Handler for Inbox {
    type Spool = Parcel;

    async fn begin(&self, _: &Caller) -> Result<Parcel, Refusal> {
        Ok(Parcel(BytesMut::new()))
    }

    async fn commit(&self, _: &Caller, parcel: Parcel, _: Arrived) -> Result<(), Refusal> {
        self.0.send(parcel.0.freeze()).await.map_err(|_| Refusal {
            reason: x400::RefusalReason::LocalError,
            explanation: "the demo is over".to_owned(),
        })
    }
}

async fn in_time<T>(what: &str, arrival: impl Future<Output = Option<T>>) -> Result<T, Failure> {
    match tokio::time::timeout(super::PATIENCE, arrival).await {
        Ok(Some(arrived)) => Ok(arrived),
        _ => Err(Failure::Unavailable(format!(
            "{what} did not arrive within {} seconds",
            super::PATIENCE.as_secs()
        ))),
    }
}
