//! The one thread that writes: it collects jobs, commits them together, then answers them.
//!
//! Jobs that wait while a commit is being synced share the next one (up to [`GROUP_JOBS`] jobs or
//! [`GROUP_OCTETS`] of bodies), so that a sync is paid once for many messages. Where one fails halfway,
//! the group is undone and each is committed for itself: a job costs only itself.
//!
//! A group of arrivals alone is made durable by the journal, acknowledged, and only then entered into
//! the tables; any other by a sync of the tables.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::journal::Journal;
use super::lease::Leases;
use super::rows;
use super::write::Reply;
use crate::failpoint::Failpoint;
use crate::queue::item::ItemId;
use crate::queue::store::StoreError;

/// Jobs committed together at most.
const GROUP_JOBS: usize = 256;
/// Octets of bodies committed together, about.
const GROUP_OCTETS: usize = 8 * 1024 * 1024;
/// How long nothing must come before the log is folded into the database.
const IDLE: Duration = Duration::from_millis(500);
/// Pages given back to the file system in one idle moment.
const VACUUM: u32 = 2000;

/// What a job may use.
pub(super) struct Desk {
    pub(super) db: Connection,
    pub(super) journal: Journal,
    pub(super) leases: Leases,
    /// Whether anything is acknowledged and not yet in the tables.
    pub(super) entering: Arc<AtomicBool>,
    /// What is acknowledged and in the journal, and could not be entered into the tables.
    pub(super) owed: Vec<Waiting>,
    /// Where bodies lie.
    pub(super) folder: Arc<Path>,
    /// Bodies whose row goes with this commit.
    pub(super) unlinked: Vec<PathBuf>,
    /// Bodies whose commit failed and may yet have been done.
    pub(super) doubtful: Vec<PathBuf>,
    /// What a commit syncs now.
    pub(super) synced: Synced,
    /// Told after every commit that may have made something due.
    pub(super) changed: watch::Sender<u64>,
}

/// What the arrivals of a group are known by.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) ids: HashSet<ItemId>,
    pub(super) duplicates: HashSet<[u8; 32]>,
}

/// One thing to be done by the writer.
pub(super) trait Job: Send {
    /// Octets it adds to a group.
    fn octets(&self) -> usize {
        0
    }

    /// Whether [`Job::write`] has anything to do.
    fn writes(&self) -> bool {
        true
    }

    /// What the journal is to say of it, if it may be acknowledged by that: its answer is certain, and
    /// it has nothing in common with what was seen of the jobs before it.
    fn record(&self, _: &Desk, _: &mut Seen) -> Option<&[u8]> {
        None
    }

    /// It is in the journal: answers. [`Job::write`] and [`Job::end`] are still to come.
    fn acknowledge(&mut self) {}

    /// Does it, inside a transaction; done again from its beginning if that is undone.
    fn write(&mut self, desk: &mut Desk) -> Result<(), StoreError>;

    /// The transaction is durable, or failed: brings what is in memory up to it, and answers.
    fn end(self: Box<Self>, desk: &mut Desk, outcome: Result<(), StoreError>);
}

/// A job and the room it takes in the line before the writer.
pub(super) struct Waiting {
    pub(super) job: Box<dyn Job>,
    pub(super) _room: OwnedSemaphorePermit,
}

/// Works until every sender is gone and the line is empty.
pub(super) fn work(mut desk: Desk, line: &Receiver<Waiting>) {
    let mut dirty = true;
    loop {
        let next = if dirty {
            line.recv_timeout(IDLE)
        } else {
            line.recv().map_err(|_| RecvTimeoutError::Disconnected)
        };
        let first = match next {
            Ok(first) => first,
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                fold(&mut desk);
                resolve(&mut desk);
                dirty = !desk.doubtful.is_empty();
                continue;
            }
        };
        let mut octets = first.job.octets();
        let mut group = vec![first];
        while group.len() < GROUP_JOBS
            && octets < GROUP_OCTETS
            && let Ok(next) = line.try_recv()
        {
            octets += next.job.octets();
            group.push(next);
        }
        dirty |= commit(&mut desk, group);
        resolve(&mut desk);
    }
    fold(&mut desk);
}

/// Does what a group asks; says whether it wrote.
fn commit(desk: &mut Desk, group: Vec<Waiting>) -> bool {
    let (writers, readers): (Vec<_>, Vec<_>) =
        group.into_iter().partition(|waiting| waiting.job.writes());
    let wrote = !writers.is_empty();
    if wrote {
        match enter(desk) {
            Ok(()) => write(desk, writers),
            Err(error) => refuse(desk, writers, &error),
        }
    }
    // After the writers: what is lent now must not be what they have just finished.
    for waiting in readers {
        waiting.job.end(desk, Ok(()));
    }
    wrote
}

/// Makes a group durable and answers it.
fn write(desk: &mut Desk, mut writers: Vec<Waiting>) {
    if journaled(desk, &mut writers) {
        desk.owed = writers;
        if let Err(error) = enter(desk) {
            tracing::error!(%error, "the queue could not enter what its journal has: to be tried again");
        }
        return;
    }
    match transaction(desk, &mut writers, Synced::Tables) {
        Ok(outcomes) => {
            for (waiting, outcome) in writers.into_iter().zip(outcomes) {
                waiting.job.end(desk, outcome);
            }
            std::mem::take(&mut desk.unlinked)
                .iter()
                .for_each(|path| remove(path));
        }
        Err(error) => {
            undo(desk);
            if writers.len() == 1 {
                tracing::error!(%error, "the queue could not commit");
                refuse(desk, writers, &error);
            } else {
                // One job may have spoiled it for all (no room for its body): each for itself.
                for waiting in writers {
                    write(desk, vec![waiting]);
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
fn journaled(desk: &mut Desk, writers: &mut [Waiting]) -> bool {
    let mut seen = Seen::default();
    let record: Option<Vec<&[u8]>> = writers
        .iter()
        .map(|waiting| waiting.job.record(desk, &mut seen))
        .collect();
    match record.map(|record| desk.journal.write(record.into_iter())) {
        Some(Ok(true)) => {}
        // What may yet stand there of this is void when the tables are synced.
        Some(Err(error)) => {
            tracing::error!(%error, "the journal of the queue could not be written");
            return false;
        }
        Some(Ok(false)) | None => return false,
    }
    desk.entering.store(true, Ordering::Release);
    for waiting in writers {
        waiting.job.acknowledge();
    }
    Failpoint::JournaledNotEntered.pass();
    true
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

/// What is synced when a transaction is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Synced {
    /// The tables, with all that was committed before.
    Tables,
    /// The journal was, before; here it is all or nothing.
    Journal,
}

/// Runs every job and commits; an error here is of the whole group.
fn transaction(
    desk: &mut Desk,
    writers: &mut [Waiting],
    synced: Synced,
) -> Result<Vec<Result<(), StoreError>>, StoreError> {
    synchronous(desk, synced)?;
    let mut outcomes = Vec::with_capacity(writers.len());
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
    let settles = (synced == Synced::Tables)
        .then(|| desk.journal.unsettled())
        .flatten();
    if let Some(journaled) = settles {
        desk.db
            .prepare_cached("UPDATE epoch SET journaled = ?")?
            .execute([journaled])?;
    }
    run(desk, "COMMIT").map_err(|error| match error {
        // The record that makes a commit is written last: for that there was no room.
        StoreError::Failed(cause) => StoreError::InDoubt(cause),
        certain => certain,
    })?;
    if settles.is_some() {
        desk.journal.settled();
    }
    Ok(outcomes)
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

/// Syncs the tables with all that was committed, and voids the journal.
fn settle(desk: &mut Desk) -> Result<(), StoreError> {
    enter(desk)?;
    synchronous(desk, Synced::Tables)?;
    // The count changes with every commit, so that there is one to be synced.
    desk.db
        .prepare_cached("UPDATE epoch SET opened = opened + 1, journaled = ?")?
        .execute([desk.journal.last()])?;
    desk.journal.settled();
    Ok(())
}

/// Removes the bodies of commits that failed, once it is certain that they were not done: a later
/// commit has taken their place in the log, and no row names them.
fn resolve(desk: &mut Desk) {
    if desk.doubtful.is_empty() || settle(desk).is_err() {
        return;
    }
    for path in std::mem::take(&mut desk.doubtful) {
        match rows::is_named(&desk.db, &path) {
            Ok(true) => {}
            Ok(false) => remove(&path),
            Err(_) => desk.doubtful.push(path),
        }
    }
}

fn remove(body: &Path) {
    if let Err(error) = std::fs::remove_file(body) {
        tracing::warn!(path = %body.display(), %error, "could not remove a body");
    }
}

fn run(desk: &Desk, statement: &str) -> Result<(), StoreError> {
    desk.db.prepare_cached(statement)?.execute([])?;
    Ok(())
}

/// Empties the journal, folds the log into the database and gives freed pages back.
fn fold(desk: &mut Desk) {
    let mut fold = || -> Result<(), StoreError> {
        if desk.journal.unsettled().is_some() {
            settle(desk)?;
        }
        let vacuum = format!("PRAGMA incremental_vacuum({VACUUM})");
        desk.db.execute_batch(&vacuum)?;
        desk.db
            .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
        Ok(())
    };
    if let Err(error) = fold() {
        tracing::warn!(%error, "could not fold the log of the queue");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use bytes::Bytes;
    use tokio::sync::{Semaphore, oneshot};

    use super::super::arrive::Enqueue;
    use super::super::claim::Lend;
    use super::super::schema;
    use super::super::write::{Finish, Loan};
    use super::*;
    use crate::queue::item::{Item, Mail, Origin, Priority, Recipient};
    use crate::queue::spool::Body;
    use crate::queue::store::{ClaimRequest, Finished, NewItem, Outcome, Settled};

    fn item(size: usize) -> NewItem {
        let now = jiff::Timestamp::UNIX_EPOCH;
        let item = Item {
            id: ItemId::generate(),
            arrived: now,
            expires: now,
            priority: Priority::default(),
            size: 0,
            peer: String::new(),
            cause: None,
            identifiers: Vec::new(),
            origin: Origin::Mail(Mail::default()),
            recipients: vec![Recipient::new(0, "a@example.org", "hub", "p22", now)],
        };
        let body = Body::inline(Bytes::from(vec![0; size]));
        NewItem {
            item,
            body,
            duplicate: None,
        }
    }

    fn desk(folder: &Path) -> Desk {
        Desk {
            db: schema::open_writer(&folder.join("queue.db")).unwrap(),
            journal: Journal::open(&folder.join("queue.db"), 0).unwrap().0,
            leases: Leases::new(1),
            folder: folder.into(),
            unlinked: Vec::new(),
            doubtful: Vec::new(),
            synced: Synced::Tables,
            owed: Vec::new(),
            entering: Arc::default(),
            changed: watch::channel(0).0,
        }
    }

    fn waiting(job: impl Job + 'static) -> Waiting {
        let _room = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let job = Box::new(job);
        Waiting { job, _room }
    }

    #[test]
    fn an_outcome_recorded_again_after_a_commit_in_doubt_brings_no_second_report() {
        let folder = tempfile::tempdir().unwrap();
        let mut desk = desk(folder.path());
        let now = jiff::Timestamp::UNIX_EPOCH;
        let (reply, _) = oneshot::channel();
        commit(&mut desk, vec![waiting(Enqueue::new(vec![item(1)], reply))]);
        for outcome in [
            Outcome::Deferred {
                next_due: now,
                delay_reported: true,
            },
            Outcome::Failed,
        ] {
            let (reply, mut answer) = oneshot::channel();
            let request = ClaimRequest::new(now);
            commit(&mut desk, vec![waiting(Lend { request, reply })]);
            let claim = answer.try_recv().unwrap().unwrap().remove(0);
            let finish = |reply| {
                let settled = vec![Settled {
                    number: 0,
                    outcome,
                    status: None,
                    text: String::new(),
                    relay: None,
                    pinned: None,
                }];
                let mut finished = Finished::new(now, settled);
                let mut report = item(1);
                report.item.recipients[0].route = "elsewhere".to_owned();
                report.item.priority = Priority::Deferred;
                finished.new_items.push(report);
                waiting(Finish::new(Loan::of(&claim), finished, reply))
            };
            // It was committed, and said that it failed.
            let (reply, _) = oneshot::channel();
            let mut first = [finish(reply)];
            transaction(&mut desk, &mut first, Synced::Tables).unwrap();
            let [first] = first;
            let error = StoreError::InDoubt(Arc::new(std::io::Error::other("?")));
            first.job.end(&mut desk, Err(error));
            let (reply, mut answer) = oneshot::channel();
            commit(&mut desk, vec![finish(reply)]);
            assert_eq!(answer.try_recv().unwrap().unwrap(), []);
        }
        let count = |sql: &str| -> i64 { desk.db.query_row(sql, [], |row| row.get(0)).unwrap() };
        assert_eq!(count("SELECT count(*) FROM item"), 3, "one report of each");
        assert_eq!(count("SELECT max(attempts) FROM recipient"), 2);
        assert_eq!(count("SELECT count(*) FROM event WHERE recipient = 0"), 2);
    }

    fn enqueue(desk: &mut Desk, size: usize) -> Result<(), StoreError> {
        let (reply, mut answer) = oneshot::channel();
        commit(desk, vec![waiting(Enqueue::new(vec![item(size)], reply))]);
        answer.try_recv().unwrap().map(|_| ())
    }

    fn items(desk: &Desk) -> i64 {
        let count = "SELECT count(*) FROM item";
        desk.db.query_row(count, [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn what_the_journal_took_and_the_tables_cannot_is_entered_before_anything_else() {
        let folder = tempfile::tempdir().unwrap();
        let mut desk = desk(folder.path());
        let room = |desk: &Desk, pages: i64| {
            desk.db
                .pragma_update(None, "max_page_count", pages)
                .unwrap();
        };
        enqueue(&mut desk, 10).unwrap();
        room(&desk, 1);
        enqueue(&mut desk, 30_000).unwrap();
        assert_eq!((items(&desk), desk.owed.len()), (1, 1));
        assert!(desk.entering.load(Ordering::Acquire));
        // It is not voided, and nothing passes it.
        assert!(settle(&mut desk).is_err());
        assert!(desk.journal.unsettled().is_some());
        assert!(matches!(enqueue(&mut desk, 10), Err(StoreError::Full(_))));
        room(&desk, 1_000_000);
        enqueue(&mut desk, 10).unwrap();
        assert_eq!((items(&desk), desk.owed.len()), (3, 0));
        assert!(!desk.entering.load(Ordering::Acquire));
        settle(&mut desk).unwrap();
        assert_eq!(desk.journal.unsettled(), None);
    }

    #[test]
    fn without_a_journal_the_tables_are_synced() {
        let folder = tempfile::tempdir().unwrap();
        let mut desk = desk(folder.path());
        desk.journal.spoil();
        enqueue(&mut desk, 10).unwrap();
        assert_eq!((items(&desk), desk.owed.len()), (1, 0));
        assert_eq!(desk.synced, Synced::Tables);
        assert_eq!(
            desk.journal.unsettled(),
            None,
            "what may stand there is void"
        );
    }

    #[test]
    fn without_room_a_job_fails_and_the_next_smaller_one_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let desk = desk(folder.path());
        desk.db.pragma_update(None, "max_page_count", 60).unwrap();
        let (line, jobs) = mpsc::channel();
        let room = Arc::new(Semaphore::new(9));
        let mut answers = Vec::new();
        for size in [10, 1_000_000, 20] {
            let (reply, answer) = oneshot::channel();
            let job = Box::new(Enqueue::new(vec![item(size)], reply));
            let _room = Arc::clone(&room).try_acquire_owned().unwrap();
            line.send(Waiting { job, _room }).ok().unwrap();
            answers.push(answer);
        }
        drop(line);
        work(desk, &jobs);
        let mut answers = answers
            .into_iter()
            .map(|mut answer| answer.try_recv().unwrap());
        assert!(answers.next().unwrap().is_ok());
        assert!(matches!(answers.next().unwrap(), Err(StoreError::Full(_))));
        assert!(answers.next().unwrap().is_ok());
        assert_eq!(room.available_permits(), 9);
    }
}
