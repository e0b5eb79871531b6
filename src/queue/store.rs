//! The seam: what the gateway asks of whatever keeps its queue.
//!
//! Time is always an argument. Every method that changes something returns when the change is
//! durable. The conformance suite in `tests/queue` says what an implementation must do.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::item::{Identifier, Item, ItemId, State};
use super::spool::{Body, Spool};

/// What a method of [`Store`] returns.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A durable queue.
pub trait Store: Send + Sync {
    /// Begins the body of the item `id`.
    fn spool(&self, id: ItemId) -> Spool;

    /// Takes items, durably when it returns, all of them or none. An item whose
    /// [`NewItem::duplicate`] key is remembered is not taken again.
    fn enqueue(&self, items: Vec<NewItem>) -> Pending<'_, Vec<Accepted>>;

    /// Lends recipients that are due, grouped by item, route and content type; higher priorities
    /// first, then those due longest.
    fn claim(&self, request: ClaimRequest) -> Pending<'_, Vec<Claim>>;

    /// Lends the recipients of `claim` for longer.
    fn renew(&self, claim: &Claim, now: Timestamp, lease: Duration) -> Pending<'_, ()>;

    /// Notes for all recipients of a claim what the next attempt may go on from, should this one not
    /// come to record its outcome.
    fn pin(&self, claim: &Claim, pinned: String) -> Pending<'_, ()>;

    /// Records what became of recipients of a claim and takes new items (reports), as one commit,
    /// and gives the claim back. Recipients of the claim without outcome stay queued as they were.
    /// Outcomes that are on record already, or of recipients deleted meanwhile, bring no new items.
    fn finish(&self, claim: &Claim, finished: Finished) -> Pending<'_, Vec<Accepted>>;

    /// The body of an item, as long as any recipient is not in a final state.
    fn open(&self, id: ItemId) -> Pending<'_, Bytes>;

    /// One item.
    fn get(&self, id: ItemId) -> Pending<'_, Item>;

    /// The items that pass a filter, oldest first.
    fn list(&self, filter: Filter) -> Pending<'_, Vec<Item>>;

    /// Changes the unfinished recipients a filter finds (of the items found, those that pass its
    /// route, recipient and state); returns the items touched. A recipient on loan keeps its loan:
    /// what its worker reports counts.
    fn change(&self, filter: Filter, change: Change, now: Timestamp) -> Pending<'_, Vec<ItemId>>;

    /// The items an identifier names, oldest first; finished ones too, until they are forgotten.
    fn correlate(&self, identifier: Identifier) -> Pending<'_, Vec<ItemId>>;

    /// The item that was taken under a key.
    fn remembered(&self, key: DuplicateKey) -> Pending<'_, Option<ItemId>>;

    /// Adds to the life of items.
    fn record(&self, events: Vec<Event>) -> Pending<'_, ()>;

    /// The life of an item, in order.
    fn events(&self, id: ItemId) -> Pending<'_, Vec<Event>>;

    /// When to claim next: the earliest time at which a recipient of one of `routes` (of any, if
    /// empty) is due, and its loan, if it is on loan at `now`, has run out.
    fn next_due(&self, routes: Vec<String>, now: Timestamp) -> Pending<'_, Option<Timestamp>>;

    /// What waits, by route.
    fn stats(&self) -> Pending<'_, Vec<RouteStats>>;

    /// Forgets items finished before a time, with their events, identifiers and duplicate keys;
    /// returns how many.
    fn forget(&self, before: Timestamp) -> Pending<'_, u64>;

    /// Changes whenever something may have become due: new items, released or retried recipients,
    /// claims given back.
    fn changed(&self) -> watch::Receiver<u64>;
}

/// An item to be taken.
#[derive(Debug)]
pub struct NewItem {
    /// The item; its size is taken from the body.
    pub item: Item,
    /// Its body.
    pub body: Body,
    /// By what a second coming of the same transfer is known, unless it was closed with nothing
    /// delivered.
    pub duplicate: Option<DuplicateKey>,
}

/// What became of a [`NewItem`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// It is in the queue.
    New(ItemId),
    /// The same came before, as this item; nothing was added.
    Duplicate(ItemId),
}

/// What makes two transfers the same: the peer, the MTS identifier, and the recipients the
/// gateway is asked to be responsible for, since copies split upstream share an identifier.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DuplicateKey {
    /// The neighbour.
    pub peer: String,
    /// The MTS identifier, in text, and whatever else tells transfers of one identifier apart.
    pub mts_identifier: String,
    /// The responsible recipients, by all that tells them apart; their order does not matter.
    pub recipients: Vec<String>,
}

/// What a worker wants to be lent.
#[derive(Debug, Clone)]
pub struct ClaimRequest {
    /// The time it is.
    pub now: Timestamp,
    /// How long the loan lasts.
    pub lease: Duration,
    /// Only recipients of these routes; empty: of any.
    pub routes: Vec<String>,
    /// Only recipients of this item, due or not.
    pub item: Option<ItemId>,
    /// How many claims at most.
    pub claims: usize,
    /// How many recipients in one claim at most.
    pub recipients: usize,
    /// Of what is due only what has waited too long.
    pub overdue: Option<Overdue>,
}

/// What has waited too long: of items that have expired, and of those that came before these times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overdue {
    /// Whoever sent it is to hear of the delay, if that was not reported yet.
    pub delayed: Timestamp,
    /// It is to be given up.
    pub given_up: Timestamp,
}

impl ClaimRequest {
    /// One claim of any route, with up to 1000 recipients, for ten minutes.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self {
            now,
            lease: Duration::from_secs(600),
            routes: Vec::new(),
            item: None,
            claims: 1,
            recipients: 1000,
            overdue: None,
        }
    }
}

/// Recipients of one item, route and content type, on loan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The item; its recipients are those on loan.
    pub item: Item,
    /// The route they share.
    pub route: String,
    /// The content type they share.
    pub content_type: String,
    /// The fencing token: greater than that of every loan before, also across restarts.
    pub token: u64,
    /// When the loan ends unless it is renewed.
    pub until: Timestamp,
}

/// What [`Store::finish`] records.
#[derive(Debug)]
pub struct Finished {
    /// The time it is.
    pub now: Timestamp,
    /// What became of recipients of the claim.
    pub settled: Vec<Settled>,
    /// Items this asks for, reports above all.
    pub new_items: Vec<NewItem>,
    /// More names by which the item will be found.
    pub identifiers: Vec<Identifier>,
}

impl Finished {
    /// Nothing but outcomes.
    #[must_use]
    pub fn new(now: Timestamp, settled: Vec<Settled>) -> Self {
        Self {
            now,
            settled,
            new_items: Vec::new(),
            identifiers: Vec::new(),
        }
    }
}

/// What became of one recipient in an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// Which recipient.
    pub number: u32,
    /// What became of it.
    pub outcome: Outcome,
    /// The enhanced status (RFC 3463).
    pub status: Option<String>,
    /// What was said.
    pub text: String,
    /// The next hop.
    pub relay: Option<String>,
    /// What the next attempt may go on from; what an earlier one left is forgotten.
    pub pinned: Option<String>,
}

/// The outcome of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The next hop is responsible for it now.
    Delivered,
    /// To be tried again.
    Deferred {
        /// When.
        next_due: Timestamp,
        /// A report of delay goes with this outcome.
        delay_reported: bool,
    },
    /// Given up.
    Failed,
    /// Given up because its time ran out.
    Expired,
    /// Left to an operator.
    Held,
}

/// Which items, by everything that is set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Filter {
    /// These items.
    pub ids: Vec<ItemId>,
    /// With a recipient in this state.
    pub state: Option<State>,
    /// With a recipient on this route.
    pub route: Option<String>,
    /// With this text in the address of a recipient, in any case.
    pub recipient: Option<String>,
    /// With this text in the sender, in any case.
    pub sender: Option<String>,
    /// From this neighbour.
    pub peer: Option<String>,
    /// With this identifier.
    pub identifier: Option<String>,
    /// That came before.
    pub before: Option<Timestamp>,
    /// That came at or after.
    pub since: Option<Timestamp>,
    /// Finished items too.
    pub finished: bool,
    /// Only items after this one in order: for the next page.
    pub after: Option<ItemId>,
    /// At most so many; 0: no bound.
    pub limit: u32,
}

impl Filter {
    /// One item, finished or not.
    #[must_use]
    pub fn id(id: ItemId) -> Self {
        Self {
            ids: vec![id],
            finished: true,
            ..Self::default()
        }
    }
}

/// What an operator may do to unfinished recipients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Queued ones wait for an operator.
    Hold,
    /// Held ones are due now, or when their deferral ends.
    Release,
    /// Queued ones are due now, or when their deferral ends.
    Retry,
    /// Removed without a report, the body too.
    Delete,
}

/// One step in the life of an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// Of which item.
    pub item: ItemId,
    /// Of which recipient, if not of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<u32>,
    /// What happened.
    pub what: What,
    /// With which words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

/// The closed vocabulary of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// Durable in the queue; responsibility is ours.
    Accepted,
    /// The same came again and was not taken again.
    Duplicated,
    /// Converted to the other side's form.
    Converted,
    /// Taken by the next hop.
    Delivered,
    /// To be tried again.
    Deferred,
    /// Given up: refused for good.
    Refused,
    /// A report was queued.
    Reported,
    /// Given up: its time ran out.
    Expired,
    /// Left to an operator.
    Held,
    /// Released by an operator.
    Released,
    /// Made due by an operator.
    Retried,
    /// Removed by an operator.
    Deleted,
}

impl What {
    /// Every word.
    pub const ALL: [Self; 12] = [
        Self::Accepted,
        Self::Duplicated,
        Self::Converted,
        Self::Delivered,
        Self::Deferred,
        Self::Refused,
        Self::Reported,
        Self::Expired,
        Self::Held,
        Self::Released,
        Self::Retried,
        Self::Deleted,
    ];

    /// The word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Duplicated => "duplicated",
            Self::Converted => "converted",
            Self::Delivered => "delivered",
            Self::Deferred => "deferred",
            Self::Refused => "refused",
            Self::Reported => "reported",
            Self::Expired => "expired",
            Self::Held => "held",
            Self::Released => "released",
            Self::Retried => "retried",
            Self::Deleted => "deleted",
        }
    }
}

/// What waits on one route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RouteStats {
    /// The route.
    pub route: String,
    /// Recipients queued.
    pub queued: u64,
    /// Recipients held.
    pub held: u64,
    /// Arrival of the oldest item that waits.
    pub oldest: Timestamp,
    /// The earliest next attempt.
    pub next_due: Option<Timestamp>,
}

/// Why a store did not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The caller's: there is no such item, or its body is gone because it is finished.
    #[error("there is no {0} in the queue")]
    Unknown(ItemId),
    /// The caller's: an item of this id is there already.
    #[error("{0} is in the queue already")]
    Exists(ItemId),
    /// The caller's: the loan ran out and the recipients were lent again.
    #[error("the claim on {0} is no longer held")]
    Fenced(ItemId),
    /// The operator's: another process has the queue.
    #[error("the queue {0} is in use by another process")]
    Locked(String),
    /// The operator's: what is there is not a queue this program can use.
    #[error("{path}: {reason}")]
    Unusable {
        /// Which file.
        path: String,
        /// Why not.
        reason: String,
    },
    /// The machine's: there is no room.
    #[error("no room for the queue: {0}")]
    Full(String),
    /// The machine's: disk or database failed.
    #[error("the queue failed: {0}")]
    Failed(Arc<dyn std::error::Error + Send + Sync>),
    /// The machine's: the commit failed, and may yet turn out to have been done.
    #[error("the queue failed at the commit: {0}")]
    InDoubt(Arc<dyn std::error::Error + Send + Sync>),
    /// The store was closed.
    #[error("the queue is closed")]
    Closed,
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::Full(error.to_string())
            }
            _ => Self::Failed(Arc::new(error)),
        }
    }
}
