//! The auditor: what was handed in and acknowledged, against what arrived.
//!
//! Every message has a token, recipients and a payload; the SHA-256 of the payload that arrives must
//! be that of the payload that was handed in. Of who was acknowledged, every recipient has one outcome:
//! it is delivered where it belongs, under its own number, or reported. More often than once only if
//! the queue held it at a kill.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use bytes::Bytes;
use mixgate::asn1;
use mixgate::asn1::mta::{MtsApdu, PerRecipientIndicators};
use mixgate::asn1::mts::ReportType;
use mixgate::gateway::subject::Subject;
use mixgate::queue::{Filter, Item, ItemId, Origin, State, Store};
use mixgate::rfc822::dsn::{self, Action};
use mixgate::rfc822::{Envelope, Mail};
use sha2::{Digest as _, Sha256};

/// As what it is handed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Way {
    /// As mail, by an Internet user.
    ToX400,
    /// As a message, by the hub.
    ToMail,
    /// As a probe, by the hub.
    Probe,
}

/// Where something arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// At the mail server.
    Mail,
    /// At the MTA that also hands in.
    Hub,
    /// At another MTA.
    Spoke,
    /// Nowhere: no route leads there.
    Nowhere,
}

/// Who there is to write to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// A user of mail.
    Ada,
    /// Another.
    Bob,
    /// Whom the mail server does not know.
    NobodyInMail,
    /// A user at the hub.
    Jo,
    /// Whom the hub does not know: it refuses the whole copy.
    NobodyAtHub,
    /// A user at the spoke.
    Kim,
    /// Whom no route leads to.
    Stray,
}

impl To {
    /// Where it belongs.
    pub fn place(self) -> Place {
        match self {
            Self::Ada | Self::Bob | Self::NobodyInMail => Place::Mail,
            Self::Jo | Self::NobodyAtHub => Place::Hub,
            Self::Kim => Place::Spoke,
            Self::Stray => Place::Nowhere,
        }
    }

    /// The mailbox, as Internet users know it.
    pub fn mailbox(self) -> &'static str {
        match self {
            Self::Ada => "ada@internet.example",
            Self::Bob => "bob@internet.example",
            Self::NobodyInMail => "nobody@internet.example",
            Self::Jo => "Jo.Smith@sales.example.org",
            Self::NobodyAtHub => "nobody@sales.example.org",
            Self::Kim => "Kim.Lee@works.example.org",
            Self::Stray => "",
        }
    }

    /// The O/R address, as users of X.400 know it.
    pub fn or_address(self) -> String {
        match self {
            Self::Ada | Self::Bob | Self::NobodyInMail => {
                let mailbox = self.mailbox().replace('@', "(a)");
                format!("/DD.RFC-822={mailbox}/O=Gateway/PRMD=EXAMPLE/ADMD= /C=GB/")
            }
            Self::Jo => "/G=Jo/S=Smith/O=Sales/PRMD=ORG/ADMD=HUB/C=GB/".to_owned(),
            Self::NobodyAtHub => "/S=nobody/O=Sales/PRMD=ORG/ADMD=HUB/C=GB/".to_owned(),
            Self::Kim => "/G=Kim/S=Lee/O=Works/PRMD=ORG/ADMD=HUB/C=GB/".to_owned(),
            Self::Stray => "/S=Stray/ADMD=NONE/C=GB/".to_owned(),
        }
    }

    /// Whether its outcome is a report.
    fn is_reported(self, way: Way) -> bool {
        match way {
            Way::Probe => self.place() != Place::Spoke,
            _ => matches!(self, Self::NobodyInMail | Self::NobodyAtHub | Self::Stray),
        }
    }
}

/// How far the sender of a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sender {
    /// It is handing the message in.
    HandingIn,
    /// It was told that the gateway is responsible.
    Acknowledged,
    /// It was not told so, and does not know.
    InDoubt,
}

/// One message.
#[derive(Debug)]
struct Entry {
    way: Way,
    hash: [u8; 32],
    sender: Sender,
    recipients: Vec<Addressee>,
    /// How often its sender was left in doubt.
    doubts: u32,
    /// At how many kills the queue held a report on it.
    report_held: u32,
}

/// One recipient of a message.
#[derive(Debug)]
struct Addressee {
    to: To,
    /// How often it arrived, and was reported.
    arrivals: u32,
    reports: u32,
    /// At how many kills the queue held it.
    held: u32,
}

impl Entry {
    /// Every recipient has its outcome.
    fn is_done(&self) -> bool {
        self.recipients
            .iter()
            .all(|addressee| self.has_outcome(addressee))
    }

    fn has_outcome(&self, addressee: &Addressee) -> bool {
        match addressee.to.is_reported(self.way) {
            true => addressee.reports > 0,
            false => addressee.arrivals > 0,
        }
    }

    /// Reports a recipient may have. A transfer of which nothing was delivered is no duplicate when it
    /// comes again.
    fn most_reports(&self) -> u32 {
        let delivered = |addressee: &Addressee| match self.way {
            Way::Probe => addressee.to != To::Stray,
            _ => !addressee.to.is_reported(self.way),
        };
        match self.recipients.iter().any(delivered) {
            true => 1 + self.report_held,
            false => 1 + self.report_held + self.doubts,
        }
    }

    /// How often it arrived, and was reported.
    fn counts(&self) -> (u32, u32) {
        let of = |count: fn(&Addressee) -> u32| self.recipients.iter().map(count).sum();
        (
            of(|addressee| addressee.arrivals),
            of(|addressee| addressee.reports),
        )
    }

    /// What is wrong with it.
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let known = self.sender == Sender::Acknowledged;
        let begun = self.recipients.iter().any(|a| a.arrivals + a.reports > 0);
        for addressee in &self.recipients {
            let Addressee {
                to,
                arrivals,
                reports,
                held,
            } = *addressee;
            let is_reported = to.is_reported(self.way);
            for (wrong, what) in [
                (known && !self.has_outcome(addressee), "LOST"),
                (
                    !known && begun && !self.has_outcome(addressee),
                    "lost, though others have their outcome",
                ),
                (arrivals > 1 + held, "DUPLICATE not in flight"),
                (
                    reports > held + self.most_reports(),
                    "REPORT TWICE, not in flight",
                ),
                (is_reported && arrivals > 0, "arrived where it is reported"),
                (!is_reported && reports > 0, "reported though it arrived"),
            ] {
                if wrong {
                    faults.push(format!("{to:?}: {what}"));
                }
            }
        }
        faults
    }
}

/// Whom a message or a report names.
#[derive(Debug)]
enum Who {
    /// By originally-specified-recipient-number.
    Number(i64),
    Mailbox(String),
}

/// What an arrival says of a recipient.
#[derive(Debug)]
enum Fate {
    /// This is its copy.
    Arrived,
    /// It was, or would be, delivered.
    Delivered,
    /// It was not, or would not be.
    Failed,
}

/// A message to be handed in.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its place in the books.
    pub number: usize,
    /// What it is recognised by.
    pub token: String,
    /// What it carries.
    pub payload: Bytes,
    /// As what it is handed in.
    pub way: Way,
    /// Its recipients, in order.
    pub to: Vec<To>,
}

/// What was in flight at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InFlight {
    /// Being handed in.
    pub handing_in: usize,
    /// Acknowledged and not arrived.
    pub acknowledged: usize,
}

#[derive(Debug, Default)]
struct Books {
    entries: Vec<Entry>,
    faults: Vec<String>,
    items: HashMap<ItemId, usize>,
}

/// Keeps the books.
#[derive(Debug, Default)]
pub struct Auditor(Mutex<Books>);

/// What the books say at the end.
#[derive(Debug, Default, Clone, Copy)]
pub struct Sum {
    /// Messages acknowledged.
    pub acknowledged: usize,
    /// Messages whose sender does not know.
    pub in_doubt: usize,
    /// Of them, those that arrived.
    pub in_doubt_arrived: usize,
    /// Arrivals and reports beyond the first.
    pub duplicates: u32,
    /// Reports.
    pub reports: u32,
}

impl Auditor {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap()
    }

    /// A new message of so many octets to somebody on the other side, who is known there or not.
    pub fn message(&self, way: Way, refused: bool, size: usize) -> Message {
        let to = match (way, refused) {
            (Way::ToX400, false) => To::Jo,
            (Way::ToX400, true) => To::NobodyAtHub,
            (_, false) => To::Ada,
            (_, true) => To::NobodyInMail,
        };
        self.message_to(way, &[to], size)
    }

    /// A new message of so many octets.
    pub fn message_to(&self, way: Way, to: &[To], size: usize) -> Message {
        let mut books = self.books();
        let number = books.entries.len();
        let token = format!("tok-{number:06}");
        let mut payload = format!("{token} {size}\r\n").into_bytes();
        let mut state = (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        while payload.len() < size {
            let letters = state.to_le_bytes().map(|octet| b'a' + octet % 26);
            payload.extend_from_slice(&letters);
            if payload.len() % 72 < 8 {
                payload.extend_from_slice(b"\r\n");
            }
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
        }
        payload.truncate(size);
        books.entries.push(Entry {
            way,
            hash: Sha256::digest(&payload).into(),
            sender: Sender::InDoubt,
            recipients: to
                .iter()
                .map(|to| Addressee {
                    to: *to,
                    arrivals: 0,
                    reports: 0,
                    held: 0,
                })
                .collect(),
            doubts: 0,
            report_held: 0,
        });
        Message {
            number,
            token,
            payload: payload.into(),
            way,
            to: to.to_vec(),
        }
    }

    /// Its sender begins to hand it in.
    pub fn begins(&self, message: &Message) {
        self.books().entries[message.number].sender = Sender::HandingIn;
    }

    /// Its sender was told that the gateway has it, or was told nothing.
    pub fn ends(&self, message: &Message, acknowledged: bool) {
        let entry = &mut self.books().entries[message.number];
        entry.doubts += u32::from(!acknowledged);
        entry.sender = match acknowledged {
            true => Sender::Acknowledged,
            false => Sender::InDoubt,
        };
    }

    /// Something arrived at the mail server.
    pub fn mail(&self, octets: Bytes, envelope: &Envelope) {
        let text = String::from_utf8_lossy(&octets);
        let mail = Mail::parse(octets.clone()).unwrap();
        if envelope.reverse_path.is_none() {
            let status = dsn::read(&mail).expect("a notification").status;
            let told = status.recipients.into_iter().map(|told| {
                assert_eq!(told.action, Action::Failed, "{text}");
                (Who::Mailbox(told.final_recipient.value), Fate::Failed)
            });
            return self.arrived(Place::Mail, &text, None, told.collect());
        }
        let mut files = mail.root.leaves().map(|leaf| leaf.decoded().to_bytes());
        let file = files.find(|file| file.starts_with(b"tok-"));
        let recipients = envelope.recipients.iter();
        let told = recipients.map(|recipient| {
            let mailbox = recipient.forward_path.to_string();
            (Who::Mailbox(mailbox), Fate::Arrived)
        });
        self.arrived(Place::Mail, &text, file.as_deref(), told.collect());
    }

    /// Something arrived at an MTA.
    pub fn apdu(&self, octets: &Bytes, place: Place) {
        let text = String::from_utf8_lossy(octets);
        let subject = match asn1::decode::<MtsApdu>(octets).unwrap() {
            MtsApdu::Message(message) => Subject::from(message.envelope),
            MtsApdu::Probe(probe) => Subject::from(probe),
            MtsApdu::Report(report) => {
                let fields = report.content.per_recipient_fields.into_iter();
                let told = fields.map(|fields| {
                    let fate = match fields.last_trace_information.report_type {
                        ReportType::Delivery(_) => Fate::Delivered,
                        ReportType::NonDelivery(_) => Fate::Failed,
                    };
                    let number = fields.originally_specified_recipient_number;
                    (Who::Number(number), fate)
                });
                return self.arrived(place, &text, None, told.collect());
            }
        };
        // The file of a body part is one primitive string: its octets stand together.
        let file = token(&text).and_then(|(_, token)| {
            let file = &text[text.find(&format!("{token} "))?..];
            let size = file[token.len() + 1..].split("\r\n").next()?;
            file.as_bytes().get(..size.parse().ok()?)
        });
        let recipients = subject.recipients.iter();
        let told = recipients
            .filter(|recipient| {
                let bit = PerRecipientIndicators::RESPONSIBILITY;
                recipient.indicators.contains(bit)
            })
            .map(|recipient| (Who::Number(recipient.number), Fate::Arrived));
        self.arrived(place, &text, file, told.collect());
    }

    fn arrived(&self, place: Place, text: &str, file: Option<&[u8]>, told: Vec<(Who, Fate)>) {
        let hash: Option<[u8; 32]> = file.map(|file| Sha256::digest(file).into());
        let mut books = self.books();
        let Books {
            entries, faults, ..
        } = &mut *books;
        let Some((number, token)) = token(text) else {
            return faults.push(format!("{place:?}: what arrived is no message of ours"));
        };
        let Some(entry) = entries.get_mut(number) else {
            return faults.push(format!("{token} was never handed in"));
        };
        for (who, fate) in told {
            let addressee = match &who {
                Who::Number(number) => usize::try_from(number - 1)
                    .ok()
                    .and_then(|place| entry.recipients.get_mut(place)),
                Who::Mailbox(mailbox) => entry
                    .recipients
                    .iter_mut()
                    .find(|addressee| addressee.to.mailbox() == mailbox),
            };
            let Some(addressee) = addressee else {
                faults.push(format!("{token} tells {place:?} of {who:?}"));
                continue;
            };
            let sender = match entry.way {
                Way::ToX400 => Place::Mail,
                Way::ToMail | Way::Probe => Place::Hub,
            };
            let of_probe = entry.way == Way::Probe;
            let expected = match fate {
                Fate::Arrived => {
                    let is_whole = of_probe || hash == Some(entry.hash);
                    addressee.to.place() == place && is_whole
                }
                Fate::Delivered => place == sender && of_probe && addressee.to != To::Stray,
                Fate::Failed => place == sender && (!of_probe || addressee.to == To::Stray),
            };
            match fate {
                _ if !expected => faults.push(format!(
                    "{token}: {fate:?} at {place:?}, changed or out of place: {addressee:?}"
                )),
                Fate::Arrived => addressee.arrivals += 1,
                Fate::Delivered | Fate::Failed => addressee.reports += 1,
            }
        }
    }

    /// What is in flight, as senders and receivers see it.
    pub fn in_flight(&self) -> InFlight {
        let books = self.books();
        let count = |of: &dyn Fn(&Entry) -> bool| books.entries.iter().filter(|e| of(e)).count();
        InFlight {
            handing_in: count(&|entry| entry.sender == Sender::HandingIn),
            acknowledged: count(&|entry| entry.sender == Sender::Acknowledged && !entry.is_done()),
        }
    }

    /// Notes what the queue holds after a kill; says how many messages went which way, and how many
    /// of all are reports.
    pub async fn killed(&self, store: &dyn Store) -> HashMap<Way, usize> {
        let mut held = HashMap::new();
        for item in store.list(Filter::default()).await.unwrap() {
            if let Some(cause) = item.cause {
                let known = self.books().items.get(&cause).copied();
                let number = match known {
                    Some(number) => number,
                    None => {
                        let found = store.list(Filter::id(cause)).await.unwrap();
                        number_of(found.first().expect("the subject of a report"))
                    }
                };
                self.books().entries[number].report_held += 1;
            } else {
                let number = number_of(&item);
                let mut books = self.books();
                books.items.insert(item.id, number);
                let entry = &mut books.entries[number];
                // Recipients of mail count from 0, of transfers from 1.
                let first = u32::from(matches!(item.origin, Origin::Transfer(_)));
                for recipient in &item.recipients {
                    let place = usize::try_from(recipient.number - first).unwrap();
                    let held = recipient.state == State::Queued;
                    entry.recipients[place].held += u32::from(held);
                }
                *held.entry(entry.way).or_default() += 1;
            }
        }
        held
    }

    /// How often a message arrived, and its report.
    pub fn arrivals(&self, message: &Message) -> (u32, u32) {
        let books = self.books();
        books.entries[message.number].counts()
    }

    /// Closes the books: what is wrong in them, one line each.
    pub fn close(&self) -> (Sum, Vec<String>) {
        let books = self.books();
        let mut faults = books.faults.clone();
        let mut sum = Sum::default();
        for (number, entry) in books.entries.iter().enumerate() {
            let (arrivals, reports) = entry.counts();
            match entry.sender {
                Sender::Acknowledged => sum.acknowledged += 1,
                _ => {
                    sum.in_doubt += 1;
                    sum.in_doubt_arrived += usize::from(arrivals + reports > 0);
                }
            }
            for addressee in &entry.recipients {
                let (arrivals, reports) = (addressee.arrivals, addressee.reports);
                sum.duplicates += arrivals.saturating_sub(1) + reports.saturating_sub(1);
            }
            sum.reports += reports;
            for fault in entry.faults() {
                faults.push(format!("tok-{number:06}: {fault}: {entry:?}"));
            }
        }
        (sum, faults)
    }
}

/// The first token in a text.
fn token(text: &str) -> Option<(usize, &str)> {
    let token = text.get(text.find("tok-")?..)?.get(..10)?;
    Some((token.get(4..)?.parse().ok()?, token))
}

/// The message an item of the queue is.
fn number_of(item: &Item) -> usize {
    let mut identifiers = item.identifiers.iter();
    let number = identifiers.find_map(|identifier| token(&identifier.value));
    number.expect("an item of ours").0
}
