//! The one thread that writes: it collects jobs, commits them together, then answers them.
//!
//! Jobs that wait while a commit is being synced share the next one (up to [`GROUP_JOBS`] jobs or
//! [`GROUP_OCTETS`] of bodies), so that a sync is paid once for many messages. Each of several has
//! a savepoint of its own: one that fails costs only itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::lease::Leases;
use super::rows;
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
    pub(super) leases: Leases,
    /// Where bodies lie.
    pub(super) folder: Arc<Path>,
    /// Bodies whose row goes with this commit.
    pub(super) unlinked: Vec<PathBuf>,
    /// Bodies whose commit failed and may yet have been done.
    pub(super) doubtful: Vec<PathBuf>,
    /// Told after every commit that may have made something due.
    pub(super) changed: watch::Sender<u64>,
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

    /// Does it, inside a transaction.
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
                fold(&desk.db);
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
    fold(&desk.db);
}

/// Runs a group as one transaction; says whether it wrote.
fn commit(desk: &mut Desk, group: Vec<Waiting>) -> bool {
    let (mut writers, readers): (Vec<_>, Vec<_>) =
        group.into_iter().partition(|waiting| waiting.job.writes());
    let wrote = !writers.is_empty();
    match transaction(desk, &mut writers) {
        Ok(outcomes) => {
            for (waiting, outcome) in writers.into_iter().zip(outcomes) {
                waiting.job.end(desk, outcome);
            }
            std::mem::take(&mut desk.unlinked)
                .iter()
                .for_each(|path| remove(path));
        }
        Err(error) => {
            desk.unlinked.clear();
            // What was done in it is undone; if even that fails, the next BEGIN says so.
            if !desk.db.is_autocommit() {
                let _ = run(desk, "ROLLBACK");
            }
            if writers.len() == 1 {
                tracing::error!(%error, "the queue could not commit");
                for waiting in writers {
                    waiting.job.end(desk, Err(error.clone()));
                }
            } else {
                // One job may have spoiled it for all (no room for its body): each for itself.
                for waiting in writers {
                    commit(desk, vec![waiting]);
                }
            }
        }
    }
    // After the writers: what is lent now must not be what they have just finished.
    for waiting in readers {
        waiting.job.end(desk, Ok(()));
    }
    wrote
}

/// Runs every job, each of several under its savepoint, and commits; an error here is of the whole
/// group.
fn transaction(
    desk: &mut Desk,
    writers: &mut [Waiting],
) -> Result<Vec<Result<(), StoreError>>, StoreError> {
    let mut outcomes = Vec::with_capacity(writers.len());
    if writers.is_empty() {
        return Ok(outcomes);
    }
    run(desk, "BEGIN IMMEDIATE")?;
    // One alone needs no savepoint, nor the copies of pages that it costs.
    if let [alone] = writers {
        if let Err(error) = alone.job.write(desk) {
            desk.unlinked.clear();
            if !desk.db.is_autocommit() {
                run(desk, "ROLLBACK")?;
            }
            return Ok(vec![Err(error)]);
        }
        outcomes.push(Ok(()));
    } else {
        for waiting in writers {
            run(desk, "SAVEPOINT job")?;
            let unlinked = desk.unlinked.len();
            let outcome = waiting.job.write(desk);
            if let Err(error) = &outcome {
                desk.unlinked.truncate(unlinked);
                // Some errors end the whole transaction, and the savepoint with it.
                if run(desk, "ROLLBACK TO job").is_err() {
                    return Err(error.clone());
                }
            }
            run(desk, "RELEASE job")?;
            outcomes.push(outcome);
        }
    }
    run(desk, "COMMIT").map_err(|error| match error {
        // The record that makes a commit is written last: for that there was no room.
        StoreError::Failed(cause) => StoreError::InDoubt(cause),
        certain => certain,
    })?;
    Ok(outcomes)
}

/// Removes the bodies of commits that failed, once it is certain that they were not done: a later
/// commit has taken their place in the log, and no row names them.
fn resolve(desk: &mut Desk) {
    if desk.doubtful.is_empty() || run(desk, "UPDATE epoch SET opened = opened + 1").is_err() {
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

/// Folds the log into the database and gives freed pages back.
fn fold(db: &Connection) {
    let fold = || -> rusqlite::Result<()> {
        db.execute_batch(&format!("PRAGMA incremental_vacuum({VACUUM})"))?;
        db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
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

    use super::super::claim::Lend;
    use super::super::schema;
    use super::super::write::{Enqueue, Finish, Loan};
    use super::*;
    use crate::queue::item::{Item, ItemId, Mail, Origin, Priority, Recipient};
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
            leases: Leases::new(1),
            folder: folder.into(),
            unlinked: Vec::new(),
            doubtful: Vec::new(),
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
            transaction(&mut desk, &mut first).unwrap();
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
