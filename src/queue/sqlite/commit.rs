//! How a group of jobs is made durable: arrivals alone by the journal, anything else by a sync of the
//! tables.
//!
//! Where a job fails halfway, the group is undone and each is committed for itself: a job costs only
//! itself. What the journal acknowledged and the tables could not take (no room) is owed: until it is
//! entered, the journal is not voided, and only jobs that take nothing in and forget nothing may pass.
//!
//! A sync that fails leaves pages that count as written and may not be; until the log was folded into the
//! database whole, nothing counts as synced ([`Desk::unsound`]).

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::arrive::Enqueue;
use super::write::Reply;
use super::writer::{Desk, Job, Seen, Waiting, remove, run};
use crate::failpoint::Failpoint;
use crate::queue::store::StoreError;

/// Pages of the log after which it is folded into the database.
const LOG: usize = 4000;
/// Pages a job puts into the log, but for the octets of its bodies; about.
const PAGES: usize = 16;

/// What is synced when a transaction is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Synced {
    /// The tables, with all that was committed before.
    Tables,
    /// The journal was, before; here it is all or nothing.
    Journal,
}

/// Answers when all that was acknowledged before is in the tables, as far as it can be.
pub(super) struct Entered(pub(super) Reply<()>);

impl Job for Entered {
    fn writes(&self) -> bool {
        false
    }

    fn write(&mut self, _: &mut Desk) -> Result<(), StoreError> {
        Ok(())
    }

    fn end(self: Box<Self>, _: &mut Desk, _: Result<(), StoreError>) {
        let _ = self.0.send(Ok(()));
    }
}

/// What records of the journal say that the process or the system did not live to enter.
pub(super) fn owed(records: &[Vec<u8>]) -> Result<Vec<Waiting>, StoreError> {
    let owed = |record: &Vec<u8>| {
        let job = Box::new(Enqueue::of_record(record)?);
        Ok(Waiting { job, _room: None })
    };
    records.iter().map(owed).collect()
}

/// Enters at the start what is owed; what cannot be is tried again later.
pub(super) fn recover(desk: &mut Desk) {
    let records = desk.owed.len();
    if records == 0 {
        return;
    }
    match settle(desk) {
        Ok(()) => tracing::info!(records, "looked through the journal of the queue"),
        Err(error) => owes(&error),
    }
}

fn owes(error: &StoreError) {
    tracing::error!(%error, "the queue could not enter what its journal has: to be tried again");
}

/// Does what a group asks; says whether it wrote.
pub(super) fn commit(desk: &mut Desk, group: Vec<Waiting>) -> bool {
    let (writers, readers): (Vec<_>, Vec<_>) =
        group.into_iter().partition(|waiting| waiting.job.writes());
    let wrote = !writers.is_empty();
    let admitted = admit(desk, writers);
    write(desk, admitted, false);
    // After the writers: what is lent now must not be what they have just finished.
    for waiting in readers {
        waiting.job.end(desk, Ok(()));
    }
    if desk.logged >= LOG
        && let Err(error) = checkpoint(desk)
    {
        tracing::error!(%error, "could not fold the log of the queue");
    }
    wrote
}

/// Has what is owed go first; if that cannot be, refuses what must wait for it.
fn admit(desk: &mut Desk, writers: Vec<Waiting>) -> Vec<Waiting> {
    match enter(desk) {
        Ok(()) => writers,
        Err(error) => {
            let (admitted, refused) = writers
                .into_iter()
                .partition(|waiting| waiting.job.passes());
            refuse(desk, refused, &error);
            admitted
        }
    }
}

/// Makes a group durable and answers it. Where the journal may have it all the same, what is refused is
/// in doubt.
fn write(desk: &mut Desk, mut writers: Vec<Waiting>, mut in_doubt: bool) {
    if writers.is_empty() {
        return;
    }
    match journaled(desk, &mut writers) {
        Ok(true) => {
            desk.owed.extend(writers);
            if let Err(error) = enter(desk) {
                owes(&error);
            }
            return;
        }
        Ok(false) => {}
        Err(error) => {
            tracing::error!(%error, "the journal of the queue could not be written");
            in_doubt = true;
        }
    }
    let doubted = |error: StoreError| match error {
        StoreError::Full(_) | StoreError::Failed(_) if in_doubt => {
            StoreError::InDoubt(Arc::new(error))
        }
        error => error,
    };
    match transaction(desk, &mut writers, Synced::Tables) {
        Ok(outcomes) => {
            for (waiting, outcome) in writers.into_iter().zip(outcomes) {
                waiting.job.end(desk, outcome.map_err(doubted));
            }
            std::mem::take(&mut desk.unlinked)
                .iter()
                .for_each(|path| remove(path));
        }
        Err(error) => {
            undo(desk);
            if writers.len() == 1 {
                tracing::error!(%error, "the queue could not commit");
                refuse(desk, writers, &doubted(error));
            } else {
                // One job may have spoiled it for all (no room for its body): each for itself.
                for waiting in writers {
                    let admitted = admit(desk, vec![waiting]);
                    write(desk, admitted, in_doubt);
                }
            }
        }
    }
}

/// What was done in a transaction is undone; if even that fails, the next BEGIN says so.
fn undo(desk: &mut Desk) {
    desk.unlinked.clear();
    if !desk.db.is_autocommit() {
        let _ = run(desk, "ROLLBACK");
    }
}

fn refuse(desk: &mut Desk, writers: Vec<Waiting>, error: &StoreError) {
    for waiting in writers {
        waiting.job.end(desk, Err(error.clone()));
    }
}

/// Whether a group is in the journal now, and each of its jobs acknowledged.
fn journaled(desk: &mut Desk, writers: &mut [Waiting]) -> io::Result<bool> {
    let mut seen = Seen::default();
    let record: Option<Vec<&[u8]>> = writers
        .iter()
        .map(|waiting| waiting.job.record(desk, &mut seen))
        .collect();
    let Some(record) = record else {
        return Ok(false);
    };
    if !desk.journal.write(record.into_iter())? {
        return Ok(false);
    }
    desk.entering.store(true, Ordering::Release);
    for waiting in writers {
        waiting.job.acknowledge();
    }
    Failpoint::JournaledNotEntered.pass();
    Ok(true)
}

/// Enters into the tables what was acknowledged and is in the journal alone.
fn enter(desk: &mut Desk) -> Result<(), StoreError> {
    if desk.owed.is_empty() {
        return Ok(());
    }
    let mut owed = std::mem::take(&mut desk.owed);
    match transaction(desk, &mut owed, Synced::Journal) {
        Ok(_) => {
            for waiting in owed {
                waiting.job.end(desk, Ok(()));
            }
            desk.entering.store(false, Ordering::Release);
            Ok(())
        }
        Err(error) => {
            undo(desk);
            desk.owed = owed;
            Err(error)
        }
    }
}

/// Runs every job and commits; an error here is of the whole group.
fn transaction(
    desk: &mut Desk,
    writers: &mut [Waiting],
    synced: Synced,
) -> Result<Vec<Result<(), StoreError>>, StoreError> {
    if synced == Synced::Tables {
        mend(desk)?;
    }
    synchronous(desk, synced)?;
    let mut outcomes = Vec::with_capacity(writers.len());
    let octets: usize = writers.iter().map(|waiting| waiting.job.octets()).sum();
    let pages = PAGES * writers.len() + octets / 4096;
    run(desk, "BEGIN IMMEDIATE")?;
    let is_alone = writers.len() == 1 && synced == Synced::Tables;
    for waiting in writers {
        let (changes, unlinked) = (desk.db.total_changes(), desk.unlinked.len());
        let outcome = waiting.job.write(desk);
        if let Err(error) = &outcome {
            desk.unlinked.truncate(unlinked);
            // What changed nothing, as most that fail, needs no undoing.
            let is_clean = desk.db.total_changes() == changes && !desk.db.is_autocommit();
            if is_alone {
                undo(desk);
                return Ok(vec![outcome]);
            }
            if !is_clean || synced == Synced::Journal {
                return Err(error.clone());
            }
        }
        outcomes.push(outcome);
    }
    let settles = (synced == Synced::Tables && desk.owed.is_empty())
        .then(|| desk.journal.unsettled())
        .flatten();
    if let Some(journaled) = settles {
        desk.db
            .prepare_cached("UPDATE epoch SET journaled = ?")?
            .execute([journaled])?;
    }
    let committed = run(desk, "COMMIT");
    made(desk, committed, settles.is_some())?;
    desk.logged += pages;
    Ok(outcomes)
}

/// Draws the conclusions of a commit, which has voided the journal if it is `settling`.
fn made(
    desk: &mut Desk,
    committed: Result<(), StoreError>,
    settling: bool,
) -> Result<(), StoreError> {
    match committed {
        Ok(()) => {
            if settling {
                desk.journal.settled();
            }
            Ok(())
        }
        Err(error) => {
            if settling {
                desk.journal.doubt();
            }
            Err(match error {
                // The record that makes a commit is written last: for that there was no room.
                StoreError::Failed(cause) => {
                    desk.unsound = true;
                    StoreError::InDoubt(cause)
                }
                certain => certain,
            })
        }
    }
}

/// Has SQLite sync its log at each commit, or not.
fn synchronous(desk: &mut Desk, synced: Synced) -> Result<(), StoreError> {
    if desk.synced != synced {
        let mode = match synced {
            Synced::Tables => "FULL",
            Synced::Journal => "NORMAL",
        };
        desk.db.pragma_update(None, "synchronous", mode)?;
        desk.synced = synced;
    }
    Ok(())
}

/// Enters what is owed, syncs the tables with all that was committed, and voids the journal.
pub(super) fn settle(desk: &mut Desk) -> Result<(), StoreError> {
    enter(desk)?;
    mend(desk)?;
    synchronous(desk, Synced::Tables)?;
    run(desk, "BEGIN IMMEDIATE")?;
    // The count changes with every commit, so that there is one to be synced.
    let counted = desk
        .db
        .prepare_cached("UPDATE epoch SET opened = opened + 1, journaled = ?")?
        .execute([desk.journal.last()]);
    if let Err(error) = counted {
        undo(desk);
        return Err(error.into());
    }
    let committed = run(desk, "COMMIT");
    let settled = made(desk, committed, true);
    if settled.is_err() {
        undo(desk);
    }
    settled
}

/// After a sync that failed: folds the whole log into the database, from where its pages are synced anew.
fn mend(desk: &mut Desk) -> Result<(), StoreError> {
    if desk.unsound {
        let fold = "PRAGMA wal_checkpoint(TRUNCATE)";
        let busy: bool = desk.db.query_row(fold, [], |row| row.get(0))?;
        if busy {
            let busy = io::Error::other(
                "after a failed sync its log cannot be folded in: it is being read",
            );
            return Err(StoreError::Failed(Arc::new(busy)));
        }
        tracing::info!("the queue is sound again after a failed sync");
        desk.unsound = false;
    }
    Ok(())
}

/// Folds the log into the database, as far as nobody reads it.
pub(super) fn checkpoint(desk: &mut Desk) -> Result<(), StoreError> {
    desk.logged = 0;
    desk.db
        .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
        .inspect_err(|_| desk.unsound = true)?;
    Ok(())
}

#[cfg(test)]
mod tests;
