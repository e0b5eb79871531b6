//! What is read beside the writer, each in one snapshot.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension as _, params, params_from_iter};

use super::filter;
use super::rows::{self, ITEM};
use crate::queue::item::{Identifier, Item, ItemId};
use crate::queue::store::{DuplicateKey, Event, Filter, RouteStats, StoreError, What};

/// A body that is not what its row says.
#[derive(Debug, thiserror::Error)]
#[error("the body of {id} has {found} octets, its row says {expected}")]
struct OtherSize {
    id: ItemId,
    found: usize,
    expected: u64,
}

/// The items a filter finds, with all their recipients.
pub(super) fn list(db: &Connection, filter: &Filter) -> Result<Vec<Item>, StoreError> {
    let condition = filter::of_item(filter);
    let sql = format!(
        "SELECT {ITEM} FROM item WHERE {} {}",
        condition.sql(),
        filter::page(filter)
    );
    let mut statement = db.prepare_cached(&sql)?;
    let found = statement.query_map(params_from_iter(&condition.values), rows::item)?;
    found
        .map(|row| {
            let (n, mut item) = row?;
            item.recipients = rows::recipients(db, n)?;
            Ok(item)
        })
        .collect()
}

/// The body of an unfinished item.
pub(super) fn body(db: &Connection, spool: &Path, id: ItemId) -> Result<Bytes, StoreError> {
    let (n, size, file): (i64, i64, Option<String>) = db
        .prepare_cached("SELECT n, size, file FROM item WHERE id = ? AND done IS NULL")?
        .query_row([id.to_string()], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?
        .ok_or(StoreError::Unknown(id))?;
    let octets: Vec<u8> = match file {
        Some(file) => fs::read(spool.join(file))?,
        None => db
            .prepare_cached("SELECT octets FROM body WHERE item = ?")?
            .query_row([n], |row| row.get(0))?,
    };
    let expected = u64::try_from(size).unwrap_or_default();
    if octets.len() as u64 != expected {
        let found = octets.len();
        return Err(StoreError::Failed(Arc::new(OtherSize {
            id,
            found,
            expected,
        })));
    }
    Ok(octets.into())
}

/// The items an identifier names.
pub(super) fn correlate(
    db: &Connection,
    identifier: &Identifier,
) -> Result<Vec<ItemId>, StoreError> {
    let found = db
        .prepare_cached(
            "SELECT id FROM identifier JOIN item ON n = identifier.item
             WHERE value = ? AND kind = ? ORDER BY id",
        )?
        .query_map(params![identifier.value, identifier.kind.name()], |row| {
            rows::id(row, 0)
        })?
        .collect::<Result<_, _>>()?;
    Ok(found)
}

/// The item taken under a key.
pub(super) fn remembered(
    db: &Connection,
    key: &DuplicateKey,
) -> Result<Option<ItemId>, StoreError> {
    let found = db
        .prepare_cached("SELECT id FROM item WHERE duplicate = ?")?
        .query_row([rows::digest(key)], |row| rows::id(row, 0))
        .optional()?;
    Ok(found)
}

/// The life of an item; that it was accepted stands in its own row.
pub(super) fn events(db: &Connection, id: ItemId) -> Result<Vec<Event>, StoreError> {
    let (n, item) = db
        .prepare_cached(&format!("SELECT {ITEM} FROM item WHERE id = ?"))?
        .query_row([id.to_string()], rows::item)
        .optional()?
        .ok_or(StoreError::Unknown(id))?;
    let accepted = Event {
        at: item.arrived,
        item: id,
        recipient: None,
        what: What::Accepted,
        text: item.peer,
    };
    let mut life = vec![accepted];
    let mut statement = db.prepare_cached(
        "SELECT at, recipient, what, text FROM event WHERE item = ? ORDER BY rowid",
    )?;
    for event in statement.query_map([n], |row| rows::event(id, row))? {
        life.push(event?);
    }
    Ok(life)
}

/// What waits, by route.
pub(super) fn stats(db: &Connection) -> Result<Vec<RouteStats>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT route, count(*), 0, min(arrived), min(next_due)
             FROM recipient JOIN item ON n = item WHERE state = 'queued' GROUP BY route
         UNION ALL
         SELECT route, 0, count(*), min(arrived), NULL
             FROM recipient JOIN item ON n = item WHERE state = 'held' GROUP BY route",
    )?;
    let mut routes: BTreeMap<String, RouteStats> = BTreeMap::new();
    let mut found = statement.query([])?;
    while let Some(row) = found.next()? {
        let count = |column| -> rusqlite::Result<u64> {
            Ok(u64::try_from(row.get::<_, i64>(column)?).unwrap_or_default())
        };
        let part = RouteStats {
            route: row.get(0)?,
            queued: count(1)?,
            held: count(2)?,
            oldest: rows::time(row, 3)?,
            next_due: match row.get::<_, Option<i64>>(4)? {
                Some(_) => Some(rows::time(row, 4)?),
                None => None,
            },
        };
        match routes.get_mut(&part.route) {
            None => {
                routes.insert(part.route.clone(), part);
            }
            Some(whole) => {
                whole.queued += part.queued;
                whole.held += part.held;
                whole.oldest = whole.oldest.min(part.oldest);
                whole.next_due = whole.next_due.or(part.next_due);
            }
        }
    }
    Ok(routes.into_values().collect())
}

/// What is damaged, in words.
pub(super) fn quick_check(db: &Connection, spool: &Path) -> Result<Vec<String>, StoreError> {
    let mut faults: Vec<String> = db
        .prepare("PRAGMA quick_check")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    faults.retain(|fault| fault != "ok");
    let mut statement =
        db.prepare("SELECT id, size, file FROM item WHERE done IS NULL AND file IS NOT NULL")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (id, size, file): (String, i64, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        match fs::metadata(spool.join(&file)) {
            Ok(found) if i64::try_from(found.len()) == Ok(size) => {}
            Ok(found) => faults.push(format!(
                "{id}: {file} has {} octets, its row says {size}",
                found.len()
            )),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                faults.push(format!("{id}: {file} is missing"));
            }
            Err(error) => faults.push(format!("{id}: {file}: {error}")),
        }
    }
    let mut statement = db.prepare(
        "SELECT id FROM item LEFT JOIN body ON body.item = n
         WHERE done IS NULL AND file IS NULL AND body.item IS NULL",
    )?;
    for id in statement.query_map([], |row| row.get::<_, String>(0))? {
        faults.push(format!("{}: the body is missing", id?));
    }
    Ok(faults)
}
