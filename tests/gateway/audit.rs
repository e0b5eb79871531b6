//! The auditor: what was handed in and acknowledged, against what arrived.
//!
//! Every message has a token and a payload; the SHA-256 of the payload that arrives must be that of
//! the payload that was handed in. Who was acknowledged must arrive, or be reported where the next
//! hop refuses it. More often than once it may arrive only if the queue held it at a kill.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use bytes::Bytes;
use mixgate::queue::{Filter, Item, ItemId, Store};
use mixgate::rfc822::Mail;
use sha2::{Digest as _, Sha256};

/// From which side to which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Way {
    /// Mail in, P1 out.
    ToX400,
    /// P1 in, mail out.
    ToMail,
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
    refused: bool,
    hash: [u8; 32],
    sender: Sender,
    /// How often it arrived, and its report.
    arrivals: u32,
    reports: u32,
    /// At how many kills the queue held it, and its report.
    held: u32,
    report_held: u32,
}

impl Entry {
    /// It has come where it should come.
    fn is_done(&self) -> bool {
        if self.refused {
            self.reports > 0
        } else {
            self.arrivals > 0
        }
    }
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
    /// Whether the next hop is to refuse it.
    pub refused: bool,
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

    /// A new message of so many octets.
    pub fn message(&self, way: Way, refused: bool, size: usize) -> Message {
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
            refused,
            hash: Sha256::digest(&payload).into(),
            sender: Sender::InDoubt,
            arrivals: 0,
            reports: 0,
            held: 0,
            report_held: 0,
        });
        Message {
            number,
            token,
            payload: payload.into(),
            refused,
        }
    }

    /// Its sender begins to hand it in.
    pub fn begins(&self, message: &Message) {
        self.books().entries[message.number].sender = Sender::HandingIn;
    }

    /// Its sender was told that the gateway has it, or was told nothing.
    pub fn ends(&self, message: &Message, acknowledged: bool) {
        self.books().entries[message.number].sender = match acknowledged {
            true => Sender::Acknowledged,
            false => Sender::InDoubt,
        };
    }

    /// Something arrived at the mail server.
    pub fn mail(&self, octets: Bytes, is_report: bool) {
        let text = String::from_utf8_lossy(&octets);
        let hash = || {
            let mail = Mail::parse(octets.clone()).ok()?;
            let token = token(&text)?.1;
            let mut files = mail.root.leaves().map(|leaf| leaf.decoded().to_bytes());
            let file = files.find(|file| file.starts_with(format!("{token} ").as_bytes()))?;
            Some(Sha256::digest(&file).into())
        };
        self.arrived(Way::ToMail, is_report, &text, hash);
    }

    /// Something arrived at the MTA.
    pub fn apdu(&self, octets: &Bytes, is_report: bool) {
        let text = String::from_utf8_lossy(octets);
        let hash = || {
            // The file of a body part is one primitive string: its octets stand together.
            let token = token(&text)?.1;
            let file = &text[text.find(&format!("{token} "))?..];
            let size = file[token.len() + 1..].split("\r\n").next()?;
            let whole = file.as_bytes().get(..size.parse().ok()?)?;
            Some(Sha256::digest(whole).into())
        };
        self.arrived(Way::ToX400, is_report, &text, hash);
    }

    fn arrived(
        &self,
        way: Way,
        is_report: bool,
        text: &str,
        hash: impl FnOnce() -> Option<[u8; 32]>,
    ) {
        let hash = if is_report { None } else { hash() };
        let mut books = self.books();
        let Some((number, token)) = token(text) else {
            books
                .faults
                .push(format!("{way:?}: what arrived is no message of ours"));
            return;
        };
        let Some(entry) = books.entries.get_mut(number) else {
            books.faults.push(format!("{token} was never handed in"));
            return;
        };
        // A report goes back where its subject came from.
        if (entry.way == way) == is_report {
            books.faults.push(format!("{token} went the wrong way"));
        } else if is_report {
            entry.reports += 1;
        } else if hash == Some(entry.hash) {
            entry.arrivals += 1;
        } else {
            books.faults.push(format!("{token} arrived changed"));
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
                entry.held += 1;
                *held.entry(entry.way).or_default() += 1;
            }
        }
        held
    }

    /// How often a message arrived, and its report.
    pub fn arrivals(&self, message: &Message) -> (u32, u32) {
        let books = self.books();
        let entry = &books.entries[message.number];
        (entry.arrivals, entry.reports)
    }

    /// Closes the books: what is wrong in them, one line each.
    pub fn close(&self) -> (Sum, Vec<String>) {
        let books = self.books();
        let mut faults = books.faults.clone();
        let mut sum = Sum::default();
        for (number, entry) in books.entries.iter().enumerate() {
            let arrived = entry.arrivals + entry.reports > 0;
            match entry.sender {
                Sender::Acknowledged => sum.acknowledged += 1,
                _ => {
                    sum.in_doubt += 1;
                    sum.in_doubt_arrived += usize::from(arrived);
                }
            }
            sum.duplicates += entry.arrivals.saturating_sub(1) + entry.reports.saturating_sub(1);
            sum.reports += entry.reports;
            let is_lost = entry.sender == Sender::Acknowledged && !entry.is_done();
            let is_refused_and_arrived = entry.refused && entry.arrivals > 0;
            let is_reported_wrongly = !entry.refused && entry.reports > 0;
            for (wrong, what) in [
                (is_lost, "LOST"),
                (entry.arrivals > 1 + entry.held, "DUPLICATE not in flight"),
                (
                    entry.reports > 1 + entry.report_held,
                    "REPORT TWICE, not in flight",
                ),
                (is_refused_and_arrived, "arrived where it is refused"),
                (is_reported_wrongly, "reported though nobody refuses it"),
            ] {
                if wrong {
                    faults.push(format!("tok-{number:06}: {what}: {entry:?}"));
                }
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
