//! The one thread that writes: it collects jobs, has them committed together (`commit`), and keeps house
//! when nothing comes.
//!
//! Jobs that wait while a commit is being synced share the next one (up to [`GROUP_JOBS`] jobs or
//! [`GROUP_OCTETS`] of bodies), so that a sync is paid once for many messages.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::commit::{Synced, checkpoint, commit, settle};
use super::journal::Journal;
use super::lease::Leases;
use super::rows;
use crate::queue::item::ItemId;
use crate::queue::store::StoreError;

/// Jobs committed together at most.
const GROUP_JOBS: usize = 256;
/// Octets of bodies committed together, about.
const GROUP_OCTETS: usize = 8 * 1024 * 1024;
/// How long nothing must come before the log is folded into the database.
const IDLE: Duration = Duration::from_millis(500);
/// How long nothing must come before what could not be done when idle is tried again.
const AGAIN: Duration = Duration::from_secs(10);
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
    /// Whether a sync failed, after which earlier pages of the log may be lost and count as written.
    pub(super) unsound: bool,
    /// Pages in the log since it was folded in last, about.
    pub(super) logged: usize,
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

    /// Whether it may be done before what the journal has and the tables do not.
    fn passes(&self) -> bool {
        true
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
    pub(super) _room: Option<OwnedSemaphorePermit>,
}

/// Works until every sender is gone and the line is empty.
pub(super) fn work(mut desk: Desk, line: &Receiver<Waiting>) {
    let mut rest = Some(IDLE);
    loop {
        let next = match rest {
            Some(rest) => line.recv_timeout(rest),
            None => line.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        let first = match next {
            Ok(first) => first,
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                fold(&mut desk);
                resolve(&mut desk);
                let is_clean =
                    desk.doubtful.is_empty() && desk.journal.unsettled().is_none() && !desk.unsound;
                rest = (!is_clean).then_some(AGAIN);
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
        if commit(&mut desk, group) {
            rest = Some(IDLE);
        }
        resolve(&mut desk);
    }
    fold(&mut desk);
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

pub(super) fn remove(body: &Path) {
    if let Err(error) = std::fs::remove_file(body) {
        tracing::warn!(path = %body.display(), %error, "could not remove a body");
    }
}

pub(super) fn run(desk: &Desk, statement: &str) -> Result<(), StoreError> {
    desk.db.prepare_cached(statement)?.execute([])?;
    Ok(())
}

/// Empties the journal, folds the log into the database and gives freed pages back.
fn fold(desk: &mut Desk) {
    let empty = |desk: &mut Desk| match desk.journal.unsettled() {
        Some(_) => settle(desk),
        None => Ok(()),
    };
    // What cannot be entered for want of room may be when this has made some.
    let emptied = empty(desk);
    let vacuum = format!("PRAGMA incremental_vacuum({VACUUM})");
    let vacuumed = desk.db.execute_batch(&vacuum).map_err(StoreError::from);
    let folded = checkpoint(desk);
    let emptied = emptied.or_else(|_| empty(desk));
    if let Err(error) = emptied.and(vacuumed).and(folded) {
        tracing::warn!(%error, "could not fold the log of the queue");
    }
}
