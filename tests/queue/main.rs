//! What every store must do (`conformance`), run on each store there is, and what SQLite adds.

// A test is where a wrong value may end the program; clippy knows only functions marked as tests.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

mod commands;
mod conformance;
mod life;
mod loans;
mod sqlite;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use mixgate::queue::sqlite::{INLINE_LIMIT, SqliteStore};
use mixgate::queue::{
    Accepted, Body, Claim, ClaimRequest, Identifier, IdentifierKind, Item, ItemId, Mail, NewItem,
    Origin, Outcome, Priority, Recipient, Settled, Store,
};
use mixgate::rfc822::{self, Envelope};

/// A place for a queue of one kind of store.
pub(crate) trait Place {
    /// Opens the queue that is there; it must not be open.
    fn open(&self) -> Arc<dyn Store>;
    /// From now on the place holds what a process killed at this moment would have left.
    fn crash(&self);
}

/// A folder of a SQLite store.
pub(crate) struct Folder {
    root: tempfile::TempDir,
    now: Mutex<PathBuf>,
}

impl Folder {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let now = Mutex::new(root.path().join("0"));
        Self { root, now }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.now.lock().unwrap().join("queue.db")
    }

    pub(crate) fn spool(&self) -> Vec<PathBuf> {
        let mut found: Vec<PathBuf> = fs::read_dir(self.now.lock().unwrap().join("spool"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        found.sort();
        found
    }

    pub(crate) fn open_sqlite(&self) -> Arc<SqliteStore> {
        Arc::new(SqliteStore::open(&self.path(), INLINE_LIMIT).unwrap())
    }
}

impl Place for Folder {
    fn open(&self) -> Arc<dyn Store> {
        self.open_sqlite()
    }

    fn crash(&self) {
        fn copy(from: &Path, to: &Path) {
            fs::create_dir_all(to).unwrap();
            for entry in fs::read_dir(from).unwrap() {
                let path = entry.unwrap().path();
                let copied = to.join(path.file_name().unwrap());
                if path.is_dir() {
                    copy(&path, &copied);
                } else {
                    fs::copy(&path, copied).unwrap();
                }
            }
        }
        let mut now = self.now.lock().unwrap();
        let next = self.root.path().join(ItemId::generate().to_string());
        copy(&now, &next);
        *now = next;
    }
}

/// So many seconds after some moment.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + seconds).unwrap()
}

/// Mail for recipients given as (address, route), due at once.
pub(crate) fn mail(recipients: &[(&str, &str)]) -> Item {
    let envelope = Envelope {
        reverse_path: Some("sender@example.org".parse().unwrap()),
        recipients: recipients
            .iter()
            .map(|(address, _)| rfc822::envelope::Recipient::new(address.parse().unwrap()))
            .collect(),
        ..Envelope::default()
    };
    let rows = (0..).zip(recipients);
    Item {
        id: ItemId::generate(),
        arrived: at(0),
        expires: at(0) + SignedDuration::from_hours(120),
        priority: Priority::Priority,
        size: 0,
        peer: "192.0.2.1".to_owned(),
        cause: None,
        identifiers: vec![Identifier::new(
            IdentifierKind::MessageId,
            "<1@example.org>",
        )],
        origin: Origin::Mail(Mail {
            helo: "mail.example.org".to_owned(),
            protocol: "ESMTP".to_owned(),
            envelope,
        }),
        recipients: rows
            .map(|(number, (address, route))| {
                Recipient::new(number, *address, *route, "p22", at(0))
            })
            .collect(),
    }
}

/// An item with a small body.
pub(crate) fn small(item: Item) -> NewItem {
    NewItem {
        item,
        body: Body::inline(Bytes::from_static(b"Subject: x\r\n\r\nx\r\n")),
        duplicate: None,
    }
}

/// Takes one item.
pub(crate) async fn enqueue(store: &dyn Store, item: Item) -> ItemId {
    let id = item.id;
    assert_eq!(
        store.enqueue(vec![small(item)]).await.unwrap(),
        [Accepted::New(id)]
    );
    id
}

/// Up to `claims` claims at a time.
pub(crate) async fn claim(store: &dyn Store, now: Timestamp, claims: usize) -> Vec<Claim> {
    store
        .claim(ClaimRequest {
            claims,
            ..ClaimRequest::new(now)
        })
        .await
        .unwrap()
}

/// An outcome with some words.
pub(crate) fn settled(number: u32, outcome: Outcome) -> Settled {
    Settled {
        number,
        outcome,
        status: Some("2.0.0".to_owned()),
        text: "ok".to_owned(),
        relay: Some("hub".to_owned()),
        pinned: None,
    }
}

/// A body of `size` octets that do not repeat soon.
pub(crate) fn octets(size: usize) -> Vec<u8> {
    (0..size)
        .map(|n| n.wrapping_mul(31).to_le_bytes()[1])
        .collect()
}
