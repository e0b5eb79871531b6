//! The gateway's neighbours: a mail server and an X.400 MTA that tell the auditor what arrives, and
//! users on both sides who tell it what was acknowledged.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use mixgate::mixer::address::Attributes;
use mixgate::octets::Octets;
use mixgate::rfc822::address::Mailbox;
use mixgate::rfc822::{AddrSpec, Entity, Envelope, Fields, MediaType, Recipient, Status};
use mixgate::smtp::{self, Accepted, Receiver, Reply, SessionInfo, Sink};
use mixgate::x400::{
    self, Apdu, ApduKind, Arrived, Caller, Directory, Handler, Refusal, RefusalReason, Spool,
};
use tokio::task::JoinHandle;

use crate::audit::{Auditor, Message};
use crate::ipm::Letter;

/// An Internet user.
const ADA: &str = "ada@internet.example";
/// A user of the X.400 organisation.
const JO: &str = "/G=Jo/S=Smith/O=Sales/PRMD=ORG/ADMD=HUB/C=GB/";

/// Both neighbours, listening.
pub struct Neighbours {
    /// Where the mail server listens.
    pub mail: SocketAddr,
    /// Where the MTA listens.
    pub mta: SocketAddr,
    /// Milliseconds each takes to answer for a message that has arrived.
    pub delay: Arc<AtomicU64>,
    servers: [JoinHandle<()>; 2],
}

impl Neighbours {
    /// Listens on ports the system chooses.
    pub async fn start(auditor: &Arc<Auditor>) -> Self {
        let delay = Arc::new(AtomicU64::new(0));
        let desk = Desk {
            auditor: Arc::clone(auditor),
            delay: Arc::clone(&delay),
        };
        let config = smtp::Config {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
            ..smtp::Config::default()
        };
        let name = "mail.internet.example";
        let mail_server = smtp::Server::bind(name, config, Arc::new(desk.clone()));
        let mail_server = mail_server.await.unwrap();
        let config = x400::Config {
            listen: vec!["127.0.0.1:0".to_owned()],
            lenient: true,
            ..x400::Config::default()
        };
        let directory = Arc::new(Directory::new(config, "HUB").unwrap());
        let mta_server = x400::Server::bind(directory, Arc::new(desk)).await.unwrap();
        Self {
            mail: mail_server.addresses()[0],
            mta: mta_server.addresses()[0],
            delay,
            servers: [
                tokio::spawn(mail_server.run(std::future::pending())),
                tokio::spawn(mta_server.run(std::future::pending())),
            ],
        }
    }
}

impl Drop for Neighbours {
    fn drop(&mut self) {
        for server in &self.servers {
            server.abort();
        }
    }
}

/// Where everything arrives.
#[derive(Clone)]
struct Desk {
    auditor: Arc<Auditor>,
    delay: Arc<AtomicU64>,
}

impl Desk {
    /// From here on the gateway does not know whether it arrived.
    async fn hesitate(&self) {
        let delay = self.delay.load(Ordering::Relaxed);
        if delay > 0 {
            tokio::time::sleep(Duration::from_millis(delay)).await;
        }
    }
}

/// A mail that is arriving.
struct Arriving {
    desk: Desk,
    is_report: bool,
    octets: BytesMut,
}

impl Receiver for Desk {
    type Sink = Arriving;

    async fn recipient(
        &self,
        _: &SessionInfo,
        _: &Envelope,
        recipient: &Recipient,
    ) -> Result<(), Reply> {
        match recipient.forward_path.to_string().contains("nobody") {
            true => Err(Reply::new(550, Status(5, 1, 1), "No such user")),
            false => Ok(()),
        }
    }

    async fn data(&self, _: &SessionInfo, envelope: Envelope) -> Result<Arriving, Reply> {
        Ok(Arriving {
            desk: self.clone(),
            is_report: envelope.reverse_path.is_none(),
            octets: BytesMut::new(),
        })
    }
}

impl Sink for Arriving {
    async fn write(&mut self, octets: Bytes) -> Result<(), Reply> {
        self.octets.extend_from_slice(&octets);
        Ok(())
    }

    async fn end(self) -> Result<Accepted, Reply> {
        let Self {
            desk,
            is_report,
            octets,
        } = self;
        desk.auditor.mail(octets.freeze(), is_report);
        desk.hesitate().await;
        Ok(Accepted {
            id: "arrived".to_owned(),
        })
    }
}

/// An APDU that is arriving.
struct Parcel(BytesMut);

impl Spool for Parcel {
    async fn write(&mut self, octets: Bytes) -> io::Result<()> {
        self.0.extend_from_slice(&octets);
        Ok(())
    }
}

impl Handler for Desk {
    type Spool = Parcel;

    async fn begin(&self, _: &Caller) -> Result<Parcel, Refusal> {
        Ok(Parcel(BytesMut::new()))
    }

    async fn commit(&self, _: &Caller, parcel: Parcel, arrived: Arrived) -> Result<(), Refusal> {
        let is_report = arrived.kind == ApduKind::Report;
        let envelope = String::from_utf8_lossy(&arrived.envelope).to_lowercase();
        if !is_report && envelope.contains("nobody") {
            return Err(Refusal {
                reason: RefusalReason::Unrecoverable,
                explanation: "no such user".to_owned(),
            });
        }
        self.auditor.apdu(&parcel.0.freeze(), is_report);
        self.hesitate().await;
        Ok(())
    }
}

/// An Internet user who hands in mail, one after another.
pub struct MailUser {
    gateway: smtp::Destination,
    client: smtp::Client,
    auditor: Arc<Auditor>,
}

impl MailUser {
    /// Hands in at `gateway`.
    pub fn new(gateway: SocketAddr, auditor: &Arc<Auditor>) -> Self {
        Self {
            gateway: gateway.into(),
            client: smtp::Client::new("mail.internet.example", &smtp::Config::default()),
            auditor: Arc::clone(auditor),
        }
    }

    /// Hands it in once; whether that was acknowledged.
    pub async fn hand_in(&self, message: &Message) -> bool {
        let (envelope, mail) = mail(message);
        self.auditor.begins(message);
        let outcomes = self.client.send(&self.gateway, &envelope, &mail).await;
        let acknowledged = matches!(outcomes.as_slice(), [smtp::Outcome::Delivered(_)]);
        self.auditor.ends(message, acknowledged);
        acknowledged
    }
}

/// The mail of a message.
pub fn mail(message: &Message) -> (Envelope, Octets) {
    let mailbox = |text: &str| AddrSpec::from_path(&format!("<{text}>")).unwrap().unwrap();
    let (ada, to) = match message.refused {
        true => (ADA, "nobody@sales.example.org"),
        false => (ADA, "Jo.Smith@sales.example.org"),
    };
    let (ada, to) = (mailbox(ada), mailbox(to));
    let token = &message.token;
    let mut header = Fields::new();
    header.mailboxes("From", &[Mailbox::new(ada.clone())]);
    header.mailboxes("To", &[Mailbox::new(to.clone())]);
    header.text("Subject", token);
    header.structured("Message-ID", &format!("<{token}@internet.example>"));
    let text = Entity::unicode("What is attached must arrive.\r\n");
    let kind = MediaType::new("application", "octet-stream").with("name", "payload");
    let file = Entity::binary(kind, Octets::from(message.payload.clone()));
    let content = Entity::multipart(MediaType::new("multipart", "mixed"), vec![text, file]);
    let envelope = Envelope {
        reverse_path: Some(ada),
        recipients: vec![Recipient::new(to)],
        ..Envelope::default()
    };
    (envelope, content.write(&header))
}

/// The MTA of users who hand in interpersonal messages.
#[derive(Clone)]
pub struct MtaUser {
    client: Arc<x400::Client>,
    auditor: Arc<Auditor>,
}

impl MtaUser {
    /// Transfers to `gateway`.
    pub fn new(gateway: SocketAddr, auditor: &Arc<Auditor>) -> Self {
        let gateway = x400::Peer {
            name: "gateway".to_owned(),
            connect: vec![gateway.to_string()],
            mta: "GW".to_owned(),
            ..x400::Peer::default()
        };
        let config = x400::Config {
            peer: vec![gateway],
            ..x400::Config::default()
        };
        let directory = Directory::new(config, "HUB").unwrap();
        Self {
            client: Arc::new(x400::Client::new(Arc::new(directory))),
            auditor: Arc::clone(auditor),
        }
    }

    /// Transfers it once; whether that was confirmed.
    pub async fn hand_in(&self, message: &Message) -> bool {
        let apdu = apdu(message);
        self.auditor.begins(message);
        let outcome = self.client.transfer("gateway", Apdu::Octets(apdu)).await;
        let acknowledged = matches!(outcome, x400::Outcome::Delivered { .. });
        self.auditor.ends(message, acknowledged);
        acknowledged
    }
}

/// The APDU of a message; the same whenever it is asked for, but for its time.
fn apdu(message: &Message) -> Octets {
    let to = match message.refused {
        true => "nobody(a)internet.example",
        false => "ada(a)internet.example",
    };
    let to = format!("/DD.RFC-822={to}/O=Gateway/PRMD=EXAMPLE/ADMD= /C=GB/");
    let address = |text: &str| text.parse::<Attributes>().unwrap();
    let letter = Letter {
        from: &address(JO),
        name: "Jo Smith",
        to: &address(&to),
        subject: &message.token,
        text: "What is attached must arrive.\r\n",
        file: ("payload", &message.payload),
    };
    letter.apdu(&message.token, Timestamp::now())
}
