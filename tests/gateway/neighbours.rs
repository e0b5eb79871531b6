//! The gateway's neighbours: a mail server and an X.400 MTA that tell the auditor what arrives, and
//! users on both sides who tell it what was acknowledged.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use mixgate::asn1;
use mixgate::asn1::mta::{
    MtsApdu, PerRecipientIndicators, PerRecipientMessageTransferFields,
    PerRecipientProbeTransferFields, Probe,
};
use mixgate::asn1::mts::ORName;
use mixgate::gateway::subject::Subject;
use mixgate::mixer::address::{Attributes, wire};
use mixgate::octets::Octets;
use mixgate::rfc822::address::Mailbox;
use mixgate::rfc822::{AddrSpec, Entity, Envelope, Fields, MediaType, Recipient, Status};
use mixgate::smtp::{self, Accepted, Receiver, Reply, SessionInfo, Sink};
use mixgate::x400::{
    self, Apdu, ApduKind, Arrived, Caller, Directory, Handler, Refusal, RefusalReason, Spool,
};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::audit::{Auditor, Message, Place, To, Way};
use crate::ipm::Letter;

/// An Internet user.
const ADA: &str = "ada@internet.example";
/// A user of the X.400 organisation.
pub const JO: &str = "/G=Jo/S=Smith/O=Sales/PRMD=ORG/ADMD=HUB/C=GB/";

/// The neighbours, listening.
pub struct Neighbours {
    /// Where the mail server listens.
    pub mail: SocketAddr,
    /// Where the MTAs listen: the hub, the spoke.
    pub mtas: [SocketAddr; 2],
    /// Milliseconds each takes to answer for a message that has arrived.
    pub delay: Arc<AtomicU64>,
    /// How the hub refuses its next transfers, the last first.
    pub refusals: Arc<Mutex<Vec<RefusalReason>>>,
    /// How many APDUs have begun to arrive, and neither arrived nor were given up.
    pub parcels: Arc<AtomicUsize>,
    servers: [JoinHandle<()>; 3],
}

impl Neighbours {
    /// Listens on ports the system chooses.
    pub async fn start(auditor: &Arc<Auditor>) -> Self {
        Self::at(auditor, [Place::Hub, Place::Spoke]).await
    }

    /// The same, the MTAs at these places.
    pub async fn at(auditor: &Arc<Auditor>, places: [Place; 2]) -> Self {
        let delay = Arc::new(AtomicU64::new(0));
        let (refusals, parcels) = (Arc::default(), Arc::default());
        let desk = Desk {
            auditor: Arc::clone(auditor),
            delay: Arc::clone(&delay),
            refusals: Arc::clone(&refusals),
            parcels: Arc::clone(&parcels),
            place: Place::Mail,
        };
        let config = smtp::Config {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
            ..smtp::Config::default()
        };
        let name = "mail.internet.example";
        let mail_server = smtp::Server::bind(name, config, Arc::new(desk.clone()));
        let mail_server = mail_server.await.unwrap();
        let hub = mta("HUB", desk.at(places[0])).await;
        let spoke = mta("SPOKE", desk.at(places[1])).await;
        Self {
            mail: mail_server.addresses()[0],
            mtas: [hub.addresses()[0], spoke.addresses()[0]],
            delay,
            refusals,
            parcels,
            servers: [
                tokio::spawn(mail_server.run(std::future::pending())),
                tokio::spawn(hub.run(std::future::pending())),
                tokio::spawn(spoke.run(std::future::pending())),
            ],
        }
    }
}

/// An MTA of this name.
async fn mta(name: &str, desk: Desk) -> x400::Server<Desk> {
    let config = x400::Config {
        listen: vec!["127.0.0.1:0".to_owned()],
        lenient: true,
        ..x400::Config::default()
    };
    let directory = Arc::new(Directory::new(config, name).unwrap());
    x400::Server::bind(directory, Arc::new(desk)).await.unwrap()
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
    refusals: Arc<Mutex<Vec<RefusalReason>>>,
    parcels: Arc<AtomicUsize>,
    place: Place,
}

impl Desk {
    /// One like it, elsewhere.
    fn at(&self, place: Place) -> Self {
        Self {
            place,
            ..self.clone()
        }
    }

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
    envelope: Envelope,
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
            envelope,
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
            envelope,
            octets,
        } = self;
        desk.auditor.mail(octets.freeze(), &envelope);
        desk.hesitate().await;
        Ok(Accepted {
            id: "arrived".to_owned(),
        })
    }
}

/// An APDU that is arriving.
struct Parcel {
    octets: BytesMut,
    /// How many there are.
    parcels: Arc<AtomicUsize>,
}

impl Drop for Parcel {
    fn drop(&mut self) {
        self.parcels.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Spool for Parcel {
    async fn write(&mut self, octets: Bytes) -> io::Result<()> {
        self.octets.extend_from_slice(&octets);
        Ok(())
    }
}

impl Handler for Desk {
    type Spool = Parcel;

    async fn begin(&self, _: &Caller) -> Result<Parcel, Refusal> {
        self.parcels.fetch_add(1, Ordering::Relaxed);
        Ok(Parcel {
            octets: BytesMut::new(),
            parcels: Arc::clone(&self.parcels),
        })
    }

    async fn commit(
        &self,
        _: &Caller,
        mut parcel: Parcel,
        arrived: Arrived,
    ) -> Result<(), Refusal> {
        let octets = parcel.octets.split().freeze();
        if self.place == Place::Hub
            && let Some(reason) = self.refusals.lock().unwrap().pop()
        {
            let explanation = "as it was told".to_owned();
            return Err(Refusal {
                reason,
                explanation,
            });
        }
        if arrived.kind == ApduKind::Message {
            let (subject, _) = Subject::of_message(&octets).unwrap();
            let refused = subject.recipients.iter().any(|recipient| {
                let bit = PerRecipientIndicators::RESPONSIBILITY;
                recipient.indicators.contains(bit)
                    && format!("{:?}", recipient.name.address()).contains("nobody")
            });
            if refused {
                return Err(Refusal {
                    reason: RefusalReason::Unrecoverable,
                    explanation: "no such user".to_owned(),
                });
            }
        }
        self.auditor.apdu(&octets, self.place);
        self.hesitate().await;
        Ok(())
    }
}

/// The hub as an MTA that only calls, and keeps an association open on which both sides send.
pub struct CallingHub {
    /// Its users.
    pub users: MtaUser,
    /// Milliseconds it takes to answer for a message that has arrived.
    pub delay: Arc<AtomicU64>,
    tasks: [JoinHandle<()>; 2],
    _tending: watch::Sender<bool>,
}

impl CallingHub {
    /// Calls `gateway`.
    pub async fn start(gateway: SocketAddr, auditor: &Arc<Auditor>) -> Self {
        let desk = Desk {
            auditor: Arc::clone(auditor),
            delay: Arc::default(),
            refusals: Arc::default(),
            parcels: Arc::default(),
            place: Place::Hub,
        };
        let delay = Arc::clone(&desk.delay);
        let gateway = x400::Peer {
            two_way_alternate: true,
            permanent: 1,
            open_interval: Some(1),
            max_associations: Some(1),
            ..MtaUser::peer(gateway)
        };
        let config = x400::Config {
            listen: Vec::new(),
            checkpoint_size: 1,
            peer: vec![gateway],
            ..x400::Config::default()
        };
        let directory = Arc::new(Directory::new(config, "HUB").unwrap());
        let server = x400::Server::bind(Arc::clone(&directory), Arc::new(desk));
        let server = server.await.unwrap();
        let client = Arc::new(x400::Client::new(directory).with(&server));
        let (tending, stopped) = watch::channel(false);
        let tended = tokio::spawn(Arc::clone(&client).tend(stopped));
        Self {
            users: MtaUser {
                client,
                auditor: Arc::clone(auditor),
            },
            delay,
            tasks: [tended, tokio::spawn(server.run(std::future::pending()))],
            _tending: tending,
        }
    }
}

impl Drop for CallingHub {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
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
        let mut outcomes = outcomes.iter();
        let acknowledged = outcomes.all(|outcome| matches!(outcome, smtp::Outcome::Delivered(_)));
        self.auditor.ends(message, acknowledged);
        acknowledged
    }
}

/// The mail of a message.
pub fn mail(message: &Message) -> (Envelope, Octets) {
    let mailbox = |text: &str| AddrSpec::from_path(&format!("<{text}>")).unwrap().unwrap();
    let ada = mailbox(ADA);
    let to: Vec<AddrSpec> = message.to.iter().map(|to| mailbox(to.mailbox())).collect();
    let token = &message.token;
    let mut header = Fields::new();
    header.mailboxes("From", &[Mailbox::new(ada.clone())]);
    header.mailboxes("To", &[Mailbox::new(to[0].clone())]);
    header.text("Subject", token);
    header.structured("Message-ID", &format!("<{token}@internet.example>"));
    let text = Entity::unicode("What is attached must arrive.\r\n");
    let kind = MediaType::new("application", "octet-stream").with("name", "payload");
    let file = Entity::binary(kind, Octets::from(message.payload.clone()));
    let content = Entity::multipart(MediaType::new("multipart", "mixed"), vec![text, file]);
    let envelope = Envelope {
        reverse_path: Some(ada),
        recipients: to.into_iter().map(Recipient::new).collect(),
        ..Envelope::default()
    };
    (envelope, content.write(&header))
}

/// The MTA of users who hand in interpersonal messages.
#[derive(Clone)]
pub struct MtaUser {
    /// Its associations, to a peer called gateway.
    pub client: Arc<x400::Client>,
    auditor: Arc<Auditor>,
}

impl MtaUser {
    /// Transfers to `gateway`.
    pub fn new(gateway: SocketAddr, auditor: &Arc<Auditor>) -> Self {
        let config = x400::Config {
            peer: vec![Self::peer(gateway)],
            ..x400::Config::default()
        };
        let directory = Directory::new(config, "HUB").unwrap();
        Self {
            client: Arc::new(x400::Client::new(Arc::new(directory))),
            auditor: Arc::clone(auditor),
        }
    }

    /// The gateway, as its neighbours know it.
    fn peer(gateway: SocketAddr) -> x400::Peer {
        x400::Peer {
            name: "gateway".to_owned(),
            connect: vec![gateway.to_string()],
            mta: "GW".to_owned(),
            ..x400::Peer::default()
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
pub fn apdu(message: &Message) -> Octets {
    let address = |text: &str| text.parse::<Attributes>().unwrap();
    let letter = Letter {
        from: &address(JO),
        name: "Jo Smith",
        to: &address(&message.to[0].or_address()),
        subject: &message.token,
        text: "What is attached must arrive.\r\n",
        file: ("payload", &message.payload),
    };
    let letter = letter.apdu(&message.token, Timestamp::now());
    let Ok(MtsApdu::Message(mut letter)) = asn1::decode(&letter.to_bytes()) else {
        panic!("no message");
    };
    let name = |to: &To| ORName::from(wire::or_address(&address(&to.or_address())));
    let numbered = (1..).zip(&message.to);
    if message.way != Way::Probe {
        let asks = letter.envelope.per_recipient_fields.remove(0);
        letter.envelope.per_recipient_fields = numbered
            .map(|(number, to)| PerRecipientMessageTransferFields {
                recipient_name: name(to),
                originally_specified_recipient_number: number,
                ..asks.clone()
            })
            .collect();
        return asn1::encode_octets(&MtsApdu::Message(letter));
    }
    let envelope = letter.envelope;
    let asks = PerRecipientIndicators::of(&[
        PerRecipientIndicators::RESPONSIBILITY,
        PerRecipientIndicators::ORIGINATING_MTA_REPORT,
        PerRecipientIndicators::ORIGINATOR_REPORT,
    ]);
    let fields = numbered.map(|(number, to)| PerRecipientProbeTransferFields {
        recipient_name: name(to),
        originally_specified_recipient_number: number,
        per_recipient_indicators: asks.clone(),
        ..PerRecipientProbeTransferFields::default()
    });
    asn1::encode_octets(&MtsApdu::Probe(Probe {
        probe_identifier: envelope.message_identifier,
        originator_name: envelope.originator_name,
        content_type: envelope.content_type,
        trace_information: envelope.trace_information,
        per_recipient_fields: fields.collect(),
        ..Probe::default()
    }))
}
