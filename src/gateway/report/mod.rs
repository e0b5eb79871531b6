//! Reports: what the gateway tells a sender of what it could not do, or did.
//!
//! A report is an item of the queue like any other, committed together with the outcome it tells
//! of ([`crate::queue::Store::finish`]): a failure and its report cannot part. A report is never
//! reported on.

pub mod mail;
pub mod transfer;

use bytes::Bytes;
use jiff::Timestamp;

use super::rules::Rules;
use crate::queue::{Item, NewItem, Origin};
use crate::rfc822::Status;

/// What became of one recipient, to be told.
#[derive(Debug, Clone)]
pub struct Told {
    /// The number of the recipient in its item.
    pub number: u32,
    /// What became of it.
    pub fate: Fate,
    /// RFC 3463 status.
    pub status: Status,
    /// X.411 non-delivery reason and diagnostic codes, where they are known better than `status`
    /// says them.
    pub codes: Option<(u32, Option<u32>)>,
    /// What the next hop, or we, said.
    pub text: String,
    /// The next hop.
    pub relay: Option<String>,
}

/// What a report says of a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Given up.
    Failed,
    /// Not delivered yet.
    Delayed,
    /// Given to a next hop that will not tell of success.
    Relayed,
}

/// The report that `told` calls for, in the form the sender of `item` understands, if it is owed.
#[must_use]
pub fn of(
    rules: &Rules,
    item: &Item,
    body: &Bytes,
    told: &[Told],
    now: Timestamp,
) -> Option<NewItem> {
    if told.is_empty() {
        return None;
    }
    match &item.origin {
        Origin::Mail(mail) => mail::notification(rules, item, mail, body, told, now),
        Origin::Transfer(transfer) => transfer::report(rules, item, transfer.kind, body, told, now),
    }
}
