//! The jobs that change rows: finish, change, record, forget.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params, params_from_iter};
use tokio::sync::oneshot;

use super::arrive::Arrivals;
use super::filter;
use super::lease::Key;
use super::rows::{self, millis};
use super::writer::{Desk, Job};
use crate::failpoint::Failpoint;
use crate::queue::item::{ItemId, State};
use crate::queue::store::{
    Accepted, Change, Claim, Event, Filter, Finished, Outcome, Settled, StoreError, What,
};

/// Where an answer goes; nobody may be waiting any more.
pub(super) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// Items finished in one job at most when old ones are forgotten.
const FORGET: u32 = 500;

pub(super) fn wake(desk: &Desk) {
    desk.changed
        .send_modify(|count| *count = count.wrapping_add(1));
}

/// What a worker gives back: which recipients of which item, under which token.
#[derive(Debug, Clone)]
pub(super) struct Loan {
    pub(super) id: ItemId,
    /// By number; after how many attempts each was lent.
    recipients: BTreeMap<u32, u32>,
    pub(super) token: u64,
}

impl Loan {
    pub(super) fn of(claim: &Claim) -> Self {
        Self {
            id: claim.item.id,
            recipients: claim
                .item
                .recipients
                .iter()
                .map(|recipient| (recipient.number, recipient.attempts))
                .collect(),
            token: claim.token,
        }
    }

    /// The row of the item and the keys of its recipients, if all are still lent to this worker.
    pub(super) fn check(&self, desk: &Desk) -> Result<(i64, Vec<Key>), StoreError> {
        let n = rows::number_of(&desk.db, self.id)?;
        let keys: Vec<Key> = self.recipients.keys().map(|number| (n, *number)).collect();
        if desk.leases.hold(&keys, self.token) {
            Ok((n, keys))
        } else {
            Err(StoreError::Fenced(self.id))
        }
    }
}

/// [`Store::pin`](crate::queue::Store::pin).
pub(super) struct Note {
    pub(super) loan: Loan,
    pub(super) pinned: String,
    pub(super) reply: Reply<()>,
}

impl Job for Note {
    fn write(&mut self, desk: &mut Desk) -> Result<(), StoreError> {
        let (_, keys) = self.loan.check(desk)?;
        let mut statement = desk
            .db
            .prepare_cached("UPDATE recipient SET pinned = ? WHERE item = ? AND number = ?")?;
        for (item, number) in keys {
            statement.execute(params![self.pinned, item, number])?;
        }
        Ok(())
    }

    fn end(self: Box<Self>, _: &mut Desk, outcome: Result<(), StoreError>) {
        let _ = self.reply.send(outcome);
    }
}

/// [`Store::finish`](crate::queue::Store::finish).
pub(super) struct Finish {
    loan: Loan,
    now: Timestamp,
    settled: Vec<Settled>,
    identifiers: Vec<crate::queue::item::Identifier>,
    arrivals: Arrivals,
    keys: Vec<Key>,
    reply: Reply<Vec<Accepted>>,
}

impl Finish {
    pub(super) fn new(loan: Loan, finished: Finished, reply: Reply<Vec<Accepted>>) -> Self {
        Self {
            loan,
            now: finished.now,
            settled: finished.settled,
            identifiers: finished.identifiers,
            arrivals: Arrivals::new(finished.new_items),
            keys: Vec::new(),
            reply,
        }
    }

    /// Records an outcome; whether it was not on record yet, of a recipient that still waits for one.
    ///
    /// The count of attempts fences it: after a commit that failed though it was done, the worker
    /// records the same outcome again.
    fn settle(&self, db: &Connection, n: i64, settled: &Settled) -> Result<bool, StoreError> {
        let attempts = self.loan.recipients.get(&settled.number);
        let attempts = attempts.ok_or(StoreError::Fenced(self.loan.id))?;
        let (state, what) = match settled.outcome {
            Outcome::Delivered => (State::Delivered, What::Delivered),
            Outcome::Deferred { .. } => (State::Queued, What::Deferred),
            Outcome::Failed => (State::Failed, What::Refused),
            Outcome::Expired => (State::Expired, What::Expired),
            Outcome::Held => (State::Held, What::Held),
        };
        let (next_due, delay_reported) = match settled.outcome {
            Outcome::Deferred {
                next_due,
                delay_reported,
            } => (Some(millis(next_due)), delay_reported),
            _ => (None, false),
        };
        // What an operator held meanwhile is only tried again when it is released; what was deleted
        // stays so.
        let waits: Option<bool> = db
            .prepare_cached(
                "UPDATE recipient SET
                     state = CASE WHEN ?1 = 'queued' OR state = 'deleted' THEN state ELSE ?1 END,
                     attempts = attempts + 1,
                     next_due = coalesce(?2, next_due),
                     last_attempt = ?3, status = ?4, text = ?5, relay = ?6,
                     delay_reported = delay_reported OR ?7, pinned = ?11
                 WHERE item = ?8 AND number = ?9 AND attempts = ?10
                     AND state IN ('queued', 'held', 'deleted')
                 RETURNING state <> 'deleted'",
            )?
            .query_row(
                params![
                    state.name(),
                    next_due,
                    millis(self.now),
                    settled.status,
                    settled.text,
                    settled.relay,
                    delay_reported,
                    n,
                    settled.number,
                    attempts,
                    settled.pinned,
                ],
                |row| row.get(0),
            )
            .optional()?;
        let Some(waits) = waits else {
            return Ok(false);
        };
        let mut words = Vec::new();
        words.extend(settled.relay.as_deref());
        words.extend(settled.status.as_deref());
        words.extend(Some(settled.text.as_str()).filter(|text| !text.is_empty()));
        rows::record(
            db,
            n,
            self.now,
            Some(settled.number),
            what,
            &words.join(" "),
        )?;
        Ok(waits)
    }
}

impl Job for Finish {
    fn octets(&self) -> usize {
        self.arrivals.octets()
    }

    fn write(&mut self, desk: &mut Desk) -> Result<(), StoreError> {
        let (n, keys) = self.loan.check(desk)?;
        let mut is_news = self.settled.is_empty();
        for settled in &self.settled {
            is_news |= self.settle(&desk.db, n, settled)?;
        }
        self.arrivals.accepted.clear();
        if is_news {
            if !self.arrivals.items.is_empty() {
                Failpoint::OutcomeNoReport.pass();
            }
            self.arrivals.write(&desk.db)?;
        }
        for accepted in &self.arrivals.accepted {
            if let Accepted::New(id) = accepted {
                rows::record(&desk.db, n, self.now, None, What::Reported, &id.to_string())?;
            }
        }
        if !self.identifiers.is_empty() {
            rows::learn(&desk.db, n, &self.identifiers)?;
        }
        self.keys = keys;
        close(desk, n, self.now)
    }

    fn end(self: Box<Self>, desk: &mut Desk, outcome: Result<(), StoreError>) {
        if outcome.is_ok() {
            desk.leases.give_back(&self.keys);
            wake(desk);
        }
        let accepted = self.arrivals.end(desk, &outcome);
        let _ = self.reply.send(outcome.map(|()| accepted));
    }
}

/// Marks an item done and drops its body, if no recipient waits any more.
///
/// If nothing of it was delivered, the same may come again: it is no duplicate then.
fn close(desk: &mut Desk, n: i64, now: Timestamp) -> Result<(), StoreError> {
    let closed = desk
        .db
        .prepare_cached(
            "UPDATE item SET done = ?2, duplicate = CASE WHEN EXISTS (
                 SELECT 1 FROM recipient WHERE item = ?1 AND state = 'delivered') THEN duplicate END
             WHERE n = ?1 AND done IS NULL AND NOT EXISTS (
                 SELECT 1 FROM recipient WHERE item = ?1 AND state IN ('queued', 'held'))
             RETURNING file",
        )?
        .query_row(params![n, millis(now)], |row| {
            row.get::<_, Option<String>>(0)
        })
        .optional()?;
    match closed {
        None => {}
        Some(Some(file)) => desk.unlinked.push(desk.folder.join(file)),
        Some(None) => {
            desk.db
                .prepare_cached("DELETE FROM body WHERE item = ?")?
                .execute([n])?;
        }
    }
    Ok(())
}

/// [`Store::change`](crate::queue::Store::change).
pub(super) struct Alter {
    pub(super) filter: Filter,
    pub(super) change: Change,
    pub(super) now: Timestamp,
    pub(super) touched: Vec<ItemId>,
    pub(super) reply: Reply<Vec<ItemId>>,
}

/// What is to be tried at once is so when it may be at the earliest.
const DUE: &str = "next_due = max(?1, coalesce(not_before, ?1))";
const RELEASE: &str = "state = 'queued', next_due = max(?1, coalesce(not_before, ?1))";

impl Job for Alter {
    fn write(&mut self, desk: &mut Desk) -> Result<(), StoreError> {
        self.touched.clear();
        let condition = filter::of_item(&self.filter);
        let sql = format!(
            "SELECT n, id FROM item WHERE done IS NULL AND {} {}",
            condition.sql(),
            filter::page(&self.filter)
        );
        let found: Vec<(i64, ItemId)> = desk
            .db
            .prepare(&sql)?
            .query_map(params_from_iter(&condition.values), |row| {
                Ok((row.get(0)?, rows::id(row, 1)?))
            })?
            .collect::<Result<_, _>>()?;
        let (set, state, what) = match self.change {
            Change::Hold => ("state = 'held'", "'queued'", What::Held),
            Change::Release => (RELEASE, "'held'", What::Released),
            Change::Retry => (DUE, "'queued'", What::Retried),
            Change::Delete => ("state = 'deleted'", "'queued', 'held'", What::Deleted),
        };
        let chosen = filter::of_recipient(&self.filter);
        let sql = format!(
            "UPDATE recipient SET {set} WHERE ?1 IS NOT NULL AND item = ?2 AND state IN ({state})
                 AND {}",
            chosen.sql()
        );
        for (n, id) in found {
            let mut values: Vec<rusqlite::types::Value> = vec![millis(self.now).into(), n.into()];
            values.extend(chosen.values.iter().cloned());
            if desk
                .db
                .prepare_cached(&sql)?
                .execute(params_from_iter(values))?
                > 0
            {
                rows::record(&desk.db, n, self.now, None, what, "")?;
                close(desk, n, self.now)?;
                self.touched.push(id);
            }
        }
        Ok(())
    }

    fn end(self: Box<Self>, desk: &mut Desk, outcome: Result<(), StoreError>) {
        if outcome.is_ok() {
            wake(desk);
        }
        let Self { touched, reply, .. } = *self;
        let _ = reply.send(outcome.map(|()| touched));
    }
}

/// [`Store::record`](crate::queue::Store::record).
pub(super) struct Record {
    pub(super) events: Vec<Event>,
    pub(super) reply: Reply<()>,
}

impl Job for Record {
    fn write(&mut self, desk: &mut Desk) -> Result<(), StoreError> {
        for Event {
            at,
            item,
            recipient,
            what,
            text,
        } in &self.events
        {
            let n = rows::number_of(&desk.db, *item)?;
            rows::record(&desk.db, n, *at, *recipient, *what, text)?;
        }
        Ok(())
    }

    fn end(self: Box<Self>, _: &mut Desk, outcome: Result<(), StoreError>) {
        let _ = self.reply.send(outcome);
    }
}

/// Some of [`Store::forget`](crate::queue::Store::forget): the answer is how many, 0 at the end.
pub(super) struct Forget {
    pub(super) before: Timestamp,
    pub(super) forgotten: u64,
    pub(super) reply: Reply<u64>,
}

impl Job for Forget {
    /// What is forgotten must not come back from the journal.
    fn passes(&self) -> bool {
        false
    }

    fn write(&mut self, desk: &mut Desk) -> Result<(), StoreError> {
        let old: Vec<(i64, Arc<str>)> = desk
            .db
            .prepare_cached(&format!(
                "SELECT n, details FROM item WHERE done < ? ORDER BY done LIMIT {FORGET}"
            ))?
            .query_map([millis(self.before)], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        for (n, details) in &old {
            rows::unlearn(&desk.db, *n, details)?;
            for statement in [
                "DELETE FROM event WHERE item = ?",
                "DELETE FROM recipient WHERE item = ?",
                "DELETE FROM body WHERE item = ?",
                "DELETE FROM item WHERE n = ?",
            ] {
                desk.db.prepare_cached(statement)?.execute([n])?;
            }
        }
        self.forgotten = old.len() as u64;
        Ok(())
    }

    fn end(self: Box<Self>, _: &mut Desk, outcome: Result<(), StoreError>) {
        let Self {
            forgotten, reply, ..
        } = *self;
        let _ = reply.send(outcome.map(|()| forgotten));
    }
}
