//! Items, recipients and events as rows, both ways.

use std::path::Path;

use jiff::Timestamp;
use rusqlite::types::{Type, ValueRef};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::queue::item::{Identifier, Item, ItemId, Origin, Priority, Recipient, State};
use crate::queue::store::{DuplicateKey, Event, StoreError, What};

/// The columns [`item`] reads.
pub(super) const ITEM: &str = "n, id, arrived, expires, priority, size, peer, details";
/// The columns [`recipient`] reads.
pub(super) const RECIPIENT: &str = "number, address, route, content_type, state, attempts, \
     next_due, last_attempt, status, text, relay, delay_reported, pinned, \
     not_before";

/// What of an item no query looks at; in JSON.
#[derive(Serialize, Deserialize)]
struct Details<O, I> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cause: Option<ItemId>,
    identifiers: I,
    origin: O,
}

fn broken(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}

#[derive(Debug, thiserror::Error)]
#[error("{0:?} has no meaning here")]
struct Meaningless(String);

/// A time as it stands in a row.
pub(super) fn millis(time: Timestamp) -> i64 {
    time.as_millisecond()
}

/// The time of a row.
pub(super) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    Timestamp::from_millisecond(row.get(column)?).map_err(|error| broken(column, error))
}

/// The time of a row that may have none.
fn time_if_any(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    match row.get_ref(column)? {
        ValueRef::Null => Ok(None),
        _ => time(row, column).map(Some),
    }
}

/// The id of a row.
pub(super) fn id(row: &Row<'_>, column: usize) -> rusqlite::Result<ItemId> {
    row.get::<_, String>(column)?
        .parse()
        .map_err(|error| broken(column, error))
}

/// The row number of an item.
pub(super) fn number_of(db: &Connection, id: ItemId) -> Result<i64, StoreError> {
    db.prepare_cached("SELECT n FROM item WHERE id = ?")?
        .query_row([id.to_string()], |row| row.get(0))
        .optional()?
        .ok_or(StoreError::Unknown(id))
}

/// Whether a body is of an unfinished item.
pub(super) fn is_named(db: &Connection, body: &Path) -> rusqlite::Result<bool> {
    let name = body.file_name().and_then(|name| name.to_str());
    db.prepare_cached("SELECT EXISTS (SELECT 1 FROM item WHERE file = ? AND done IS NULL)")?
        .query_row([name], |row| row.get(0))
}

/// What a [`DuplicateKey`] is kept as.
pub(super) fn digest(key: &DuplicateKey) -> [u8; 32] {
    let mut recipients: Vec<&str> = key.recipients.iter().map(String::as_str).collect();
    recipients.sort_unstable();
    recipients.dedup();
    let mut hash = Sha256::new();
    for part in [key.peer.as_str(), &key.mts_identifier]
        .into_iter()
        .chain(recipients)
    {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// An item, its recipients left out.
pub(super) fn item(row: &Row<'_>) -> rusqlite::Result<(i64, Item)> {
    let details: Details<Origin, Vec<Identifier>> =
        serde_json::from_str(row.get_ref(7)?.as_str()?).map_err(|error| broken(7, error))?;
    let priority: u8 = row.get(4)?;
    let item = Item {
        id: id(row, 1)?,
        arrived: time(row, 2)?,
        expires: time(row, 3)?,
        priority: Priority::from_level(priority)
            .ok_or_else(|| broken(4, Meaningless(priority.to_string())))?,
        size: u64::try_from(row.get::<_, i64>(5)?).map_err(|error| broken(5, error))?,
        peer: row.get(6)?,
        cause: details.cause,
        identifiers: details.identifiers,
        origin: details.origin,
        recipients: Vec::new(),
    };
    Ok((row.get(0)?, item))
}

/// A recipient.
pub(super) fn recipient(row: &Row<'_>) -> rusqlite::Result<Recipient> {
    let state = row.get_ref(4)?.as_str()?;
    Ok(Recipient {
        number: row.get(0)?,
        address: row.get(1)?,
        route: row.get(2)?,
        content_type: row.get(3)?,
        state: State::ALL
            .into_iter()
            .find(|known| known.name() == state)
            .ok_or_else(|| broken(4, Meaningless(state.to_owned())))?,
        attempts: row.get(5)?,
        next_due: time(row, 6)?,
        last_attempt: time_if_any(row, 7)?,
        status: row.get(8)?,
        text: row.get(9)?,
        relay: row.get(10)?,
        delay_reported: row.get(11)?,
        pinned: row.get(12)?,
        not_before: time_if_any(row, 13)?,
    })
}

/// Every recipient of an item.
pub(super) fn recipients(db: &Connection, n: i64) -> rusqlite::Result<Vec<Recipient>> {
    db.prepare_cached(&format!(
        "SELECT {RECIPIENT} FROM recipient WHERE item = ? ORDER BY number"
    ))?
    .query_map([n], recipient)?
    .collect()
}

/// Writes an item with its recipients and identifiers; returns its row.
pub(super) fn insert(
    db: &Connection,
    item: &Item,
    size: u64,
    file: Option<&str>,
    duplicate: Option<[u8; 32]>,
) -> Result<i64, StoreError> {
    let details = Details {
        cause: item.cause,
        identifiers: &item.identifiers,
        origin: &item.origin,
    };
    let details = serde_json::to_string(&details).map_err(|error| broken(7, error))?;
    let done = item.is_done().then(|| millis(item.arrived));
    let inserted = db
        .prepare_cached(
            "INSERT INTO item (id, arrived, expires, priority, size, file, peer, sender, details,
                 duplicate, done)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (id) DO NOTHING",
        )?
        .execute(params![
            item.id.to_string(),
            millis(item.arrived),
            millis(item.expires),
            item.priority.level(),
            i64::try_from(size).unwrap_or(i64::MAX),
            file,
            item.peer,
            item.origin.sender(),
            details,
            duplicate,
            done,
        ])?;
    if inserted == 0 {
        return Err(StoreError::Exists(item.id));
    }
    let n = db.last_insert_rowid();
    let mut statement = db.prepare_cached(
        "INSERT INTO recipient (item, number, address, route, content_type, priority, state,
             attempts, next_due, last_attempt, status, text, relay, delay_reported, pinned,
             not_before)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    for recipient in &item.recipients {
        statement.execute(params![
            n,
            recipient.number,
            recipient.address,
            recipient.route,
            recipient.content_type,
            item.priority.level(),
            recipient.state.name(),
            recipient.attempts,
            millis(recipient.next_due),
            recipient.last_attempt.map(millis),
            recipient.status,
            recipient.text,
            recipient.relay,
            recipient.delay_reported,
            recipient.pinned,
            recipient.not_before.map(millis),
        ])?;
    }
    index(db, n, &item.identifiers)?;
    Ok(n)
}

fn index(db: &Connection, n: i64, identifiers: &[Identifier]) -> Result<(), StoreError> {
    let mut statement = db.prepare_cached(
        "INSERT INTO identifier (value, kind, item) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
    )?;
    for Identifier { kind, value } in identifiers {
        statement.execute(params![value, kind.name(), n])?;
    }
    Ok(())
}

/// Adds to the names of an item those it does not have.
pub(super) fn learn(db: &Connection, n: i64, more: &[Identifier]) -> Result<(), StoreError> {
    let details: String = db
        .prepare_cached("SELECT details FROM item WHERE n = ?")?
        .query_row([n], |row| row.get(0))?;
    let mut details: Details<Origin, Vec<Identifier>> =
        serde_json::from_str(&details).map_err(|error| broken(0, error))?;
    let known = details.identifiers.len();
    for identifier in more {
        if !details.identifiers.contains(identifier) {
            details.identifiers.push(identifier.clone());
        }
    }
    if details.identifiers.len() == known {
        return Ok(());
    }
    let details = serde_json::to_string(&details).map_err(|error| broken(0, error))?;
    db.prepare_cached("UPDATE item SET details = ? WHERE n = ?")?
        .execute(params![details, n])?;
    index(db, n, more)
}

/// Writes an event.
pub(super) fn record(
    db: &Connection,
    n: i64,
    at: Timestamp,
    recipient: Option<u32>,
    what: What,
    text: &str,
) -> Result<(), StoreError> {
    db.prepare_cached(
        "INSERT INTO event (item, at, recipient, what, text) VALUES (?, ?, ?, ?, ?)",
    )?
    .execute(params![n, millis(at), recipient, what.name(), text])?;
    Ok(())
}

/// An event of `item`, from columns at, recipient, what, text.
pub(super) fn event(item: ItemId, row: &Row<'_>) -> rusqlite::Result<Event> {
    let what = row.get_ref(2)?.as_str()?;
    Ok(Event {
        at: time(row, 0)?,
        item,
        recipient: row.get(1)?,
        what: What::ALL
            .into_iter()
            .find(|known| known.name() == what)
            .ok_or_else(|| broken(2, Meaningless(what.to_owned())))?,
        text: row.get(3)?,
    })
}

/// Removes the names of an item from the index.
pub(super) fn unlearn(db: &Connection, n: i64, details: &str) -> Result<(), StoreError> {
    let details: Details<Origin, Vec<Identifier>> =
        serde_json::from_str(details).map_err(|error| broken(0, error))?;
    let mut statement =
        db.prepare_cached("DELETE FROM identifier WHERE value = ? AND kind = ? AND item = ?")?;
    for Identifier { kind, value } in details.identifiers {
        statement.execute(params![value, kind.name(), n])?;
    }
    Ok(())
}
