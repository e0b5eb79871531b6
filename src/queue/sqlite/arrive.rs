//! New items on their way into the tables: the job that enqueues them, and what the journal says of
//! them.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension as _, params};
use serde::{Deserialize, Serialize};

use super::rows;
use super::write::{Reply, wake};
use super::writer::{Desk, Job, Seen};
use crate::queue::item::{Item, ItemId};
use crate::queue::spool::{Body, Form};
use crate::queue::store::{Accepted, NewItem, StoreError, What};

/// Octets of an arrival that are written twice, to the journal and to the tables, at most.
const JOURNALED: usize = 64 * 1024;

/// An item on its way into the tables.
pub(super) struct Arrival {
    item: Item,
    body: Body,
    /// What its [`DuplicateKey`](crate::queue::store::DuplicateKey) is kept as.
    duplicate: Option<[u8; 32]>,
}

/// What of an [`Arrival`] stands before its body in the journal; in JSON.
#[derive(Serialize, Deserialize)]
struct Journaled<I> {
    item: I,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    duplicate: Option<[u8; 32]>,
}

/// New items on their way into the tables.
pub(super) struct Arrivals {
    pub(super) items: Vec<Arrival>,
    pub(super) accepted: Vec<Accepted>,
}

impl Arrivals {
    pub(super) fn new(items: Vec<NewItem>) -> Self {
        let arrival = |new: NewItem| Arrival {
            duplicate: new.duplicate.as_ref().map(rows::digest),
            item: new.item,
            body: new.body,
        };
        Self {
            items: items.into_iter().map(arrival).collect(),
            accepted: Vec::new(),
        }
    }

    pub(super) fn octets(&self) -> usize {
        self.items
            .iter()
            .map(|new| match new.body.form() {
                Form::Inline(octets) => octets.len(),
                Form::File(_) => 0,
            })
            .sum()
    }

    /// What the journal is to say of them, if they are few and short enough for it.
    fn record(&self) -> Option<Vec<u8>> {
        let mut record = Vec::new();
        for Arrival {
            item,
            body,
            duplicate,
        } in &self.items
        {
            let Form::Inline(octets) = body.form() else {
                return None;
            };
            let journaled = Journaled {
                item,
                duplicate: *duplicate,
            };
            let head = serde_json::to_vec(&journaled).ok()?;
            for part in [&head, octets.as_ref()] {
                record.extend((part.len() as u64).to_be_bytes());
                record.extend_from_slice(part);
            }
            if record.len() > JOURNALED {
                return None;
            }
        }
        Some(record)
    }

    /// What a record of the journal says.
    fn of_record(mut record: &[u8]) -> Result<Self, StoreError> {
        let mut part = || {
            let (length, rest) = record.split_first_chunk::<8>()?;
            let length = usize::try_from(u64::from_be_bytes(*length)).ok()?;
            let (part, rest) = rest.split_at_checked(length)?;
            record = rest;
            Some(part)
        };
        let mut items = Vec::new();
        while let Some(head) = part() {
            let short = || std::io::Error::other("an arrival without a body");
            let octets = part().ok_or_else(short)?;
            let Journaled { item, duplicate } =
                serde_json::from_slice::<Journaled<Item>>(head).map_err(std::io::Error::other)?;
            items.push(Arrival {
                item,
                body: Body::inline(Bytes::copy_from_slice(octets)),
                duplicate,
            });
        }
        Ok(Self {
            items,
            accepted: Vec::new(),
        })
    }

    /// Leaves out what is in the tables already.
    fn forget_taken(&mut self, db: &Connection) -> Result<(), StoreError> {
        let mut taken = Vec::new();
        for Arrival {
            item, duplicate, ..
        } in &self.items
        {
            taken.push(is_taken(db, item.id, *duplicate)?);
        }
        let mut taken = taken.into_iter();
        self.items.retain(|_| !taken.next().unwrap_or_default());
        Ok(())
    }

    pub(super) fn write(&mut self, db: &Connection) -> Result<(), StoreError> {
        self.accepted.clear();
        for Arrival {
            item,
            body,
            duplicate,
        } in &self.items
        {
            if let Some((n, id)) = twin(db, *duplicate)? {
                rows::record(db, n, item.arrived, None, What::Duplicated, &item.peer)?;
                self.accepted.push(Accepted::Duplicate(id));
                continue;
            }
            let file = match body.form() {
                Form::File(name) => name.name(),
                Form::Inline(_) => None,
            };
            let n = rows::insert(db, item, body.size(), file, *duplicate)?;
            if let Form::Inline(octets) = body.form() {
                db.prepare_cached("INSERT INTO body (item, octets) VALUES (?, ?)")?
                    .execute(params![n, octets.as_ref()])?;
            }
            self.accepted.push(Accepted::New(item.id));
        }
        Ok(())
    }

    /// Settles whose the files are now; those of no row go.
    pub(super) fn end(
        mut self,
        desk: &mut Desk,
        outcome: &Result<(), StoreError>,
    ) -> Vec<Accepted> {
        match outcome {
            Ok(()) => {
                for (new, accepted) in self.items.iter_mut().zip(&self.accepted) {
                    if matches!(accepted, Accepted::New(_)) {
                        new.body.spare();
                    }
                }
            }
            Err(StoreError::InDoubt(_)) => {
                let files = self.items.iter_mut().filter_map(|new| new.body.spare());
                desk.doubtful.extend(files);
            }
            Err(_) => {}
        }
        self.accepted
    }
}

/// The item that was taken under the same key.
fn twin(db: &Connection, duplicate: Option<[u8; 32]>) -> rusqlite::Result<Option<(i64, ItemId)>> {
    db.prepare_cached("SELECT n, id FROM item WHERE duplicate = ?")?
        .query_row([duplicate], |row| Ok((row.get(0)?, rows::id(row, 1)?)))
        .optional()
}

/// Whether an item of this id, or one taken under this key, is in the tables.
fn is_taken(db: &Connection, id: ItemId, duplicate: Option<[u8; 32]>) -> rusqlite::Result<bool> {
    db.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM item WHERE id = ?)
             OR EXISTS (SELECT 1 FROM item WHERE duplicate = ?)",
    )?
    .query_row(params![id.to_string(), duplicate], |row| row.get(0))
}

/// [`Store::enqueue`](crate::queue::Store::enqueue).
pub(super) struct Enqueue {
    arrivals: Arrivals,
    record: Option<Vec<u8>>,
    /// Whether they may be in the tables from a try before this.
    tried: bool,
    /// Gone once it is acknowledged.
    reply: Option<Reply<Vec<Accepted>>>,
}

impl Enqueue {
    pub(super) fn new(items: Vec<NewItem>, reply: Reply<Vec<Accepted>>) -> Self {
        let arrivals = Arrivals::new(items);
        Self {
            record: arrivals.record(),
            arrivals,
            tried: false,
            reply: Some(reply),
        }
    }

    /// What was acknowledged by this record of the journal, before the process or the system went down.
    pub(super) fn of_record(record: &[u8]) -> Result<Self, StoreError> {
        Ok(Self {
            arrivals: Arrivals::of_record(record)?,
            record: None,
            tried: true,
            reply: None,
        })
    }
}

impl Job for Enqueue {
    fn octets(&self) -> usize {
        self.arrivals.octets()
    }

    fn passes(&self) -> bool {
        false
    }

    fn record(&self, desk: &Desk, seen: &mut Seen) -> Option<&[u8]> {
        let is_new = |new: &Arrival| {
            let (id, duplicate) = (new.item.id, new.duplicate);
            seen.ids.insert(id)
                && duplicate.is_none_or(|duplicate| seen.duplicates.insert(duplicate))
                && matches!(is_taken(&desk.db, id, duplicate), Ok(false))
        };
        let record = self.record.as_deref()?;
        self.arrivals.items.iter().all(is_new).then_some(record)
    }

    fn acknowledge(&mut self) {
        if let Some(reply) = self.reply.take() {
            let accepted = |new: &Arrival| Accepted::New(new.item.id);
            let _ = reply.send(Ok(self.arrivals.items.iter().map(accepted).collect()));
        }
    }

    fn write(&mut self, desk: &mut Desk) -> Result<(), StoreError> {
        // A commit in doubt may have been done.
        if self.reply.is_none() && std::mem::replace(&mut self.tried, true) {
            self.arrivals.forget_taken(&desk.db)?;
        }
        self.arrivals.write(&desk.db)
    }

    fn end(self: Box<Self>, desk: &mut Desk, outcome: Result<(), StoreError>) {
        let accepted = self.arrivals.end(desk, &outcome);
        if outcome.is_ok() {
            wake(desk);
        }
        if let Some(reply) = self.reply {
            let _ = reply.send(outcome.map(|()| accepted));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::item::{Origin, Priority, State};

    /// What a journal has that an earlier version left when it was killed: it must be read for ever, or
    /// the format of the journal counted up.
    #[test]
    fn format_1_of_the_journal_is_read() {
        let head = br#"{"item":{
            "id":"01KAP3Z0000000000000000000",
            "arrived":"2026-11-22T17:26:44.743Z","expires":"2026-11-27T17:26:44.743Z",
            "priority":"flash","size":0,"peer":"hub",
            "identifiers":[{"kind":"mts-identifier","value":"[/PRMD=P/ADMD=A/C=GB/;1]"}],
            "transfer":{"kind":"message","association":"0","originator":"/S=S/C=GB/",
                "content-type":"p22"},
            "recipient":[{"number":1,"address":"/S=R/C=GB/","route":"smtp","content-type":"mail",
                "state":"queued","attempts":0,"next-due":"2026-11-22T17:26:44.743Z"}]},
            "duplicate":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,
                30,31,32]}"#;
        let mut record = Vec::new();
        for part in [&head[..], b"octets"] {
            record.extend((part.len() as u64).to_be_bytes());
            record.extend_from_slice(part);
        }
        let arrivals = Arrivals::of_record(&record).unwrap();
        let [arrival] = arrivals.items.as_slice() else {
            panic!("one arrival")
        };
        assert_eq!(arrival.item.priority, Priority::Flash);
        assert!(
            matches!(&arrival.item.origin, Origin::Transfer(transfer) if transfer.association == "0")
        );
        assert_eq!(arrival.item.recipients[0].state, State::Queued);
        assert_eq!(arrival.duplicate.map(|key| key[31]), Some(32));
        assert!(matches!(arrival.body.form(), Form::Inline(octets) if octets == "octets"));
        assert!(Arrivals::of_record(&record[..record.len() - 1]).is_err());
    }
}
