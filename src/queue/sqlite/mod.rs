//! The store in one SQLite file, large bodies as files beside it.
//!
//! A lock on the folder keeps a second process out. One thread writes (`writer`: WAL, group commit,
//! synced by SQLite or by the `journal`); readers have connections of their own. Loans live in memory.

mod arrive;
mod claim;
mod commit;
mod filter;
mod folder;
mod journal;
mod lease;
mod read;
mod rows;
mod schema;
mod write;
mod writer;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use rusqlite::Connection;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::spawn_blocking;

use self::commit::Synced;
use self::journal::Journal;
use self::write::{Loan, Reply};
use self::writer::{Desk, Job, Waiting};
use super::item::{Identifier, Item, ItemId};
use super::spool::Spool;
use super::store::{
    Accepted, Change, Claim, ClaimRequest, DuplicateKey, Event, Filter, Finished, NewItem, Pending,
    RouteStats, Store, StoreError,
};
use crate::failpoint::Failpoint;

/// Bodies up to this size are kept in their row unless it is said otherwise.
pub const INLINE_LIMIT: usize = 256 * 1024;

/// Units of [`UNIT`] octets that may wait before the writer.
const ROOM: u32 = 65_536;
/// Octets for which one unit of room is taken.
const UNIT: usize = 1024;
/// Reads at a time.
const READERS: usize = 8;

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => Self::Full(error.to_string()),
            _ => Self::Failed(Arc::new(error)),
        }
    }
}

/// A queue in a folder: the database, its lock (`…db.lock`) and `spool/`.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    folder: Arc<Path>,
    inline_limit: usize,
    line: Option<mpsc::Sender<Waiting>>,
    room: Arc<Semaphore>,
    changed: watch::Receiver<u64>,
    /// Whether anything is acknowledged and not yet in the tables.
    entering: Arc<AtomicBool>,
    idle_readers: Arc<Mutex<Vec<Connection>>>,
    reading: Arc<Semaphore>,
    writer: Option<thread::JoinHandle<()>>,
    _lock: File,
}

impl SqliteStore {
    /// Opens the queue at `path`, making it if there is none; blocks while it does.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when another process has it, [`StoreError::Unusable`] when what is
    /// there is of another program or a later version, or lies on a network file system.
    pub fn open(path: &Path, inline_limit: usize) -> Result<Self, StoreError> {
        let lock = folder::prepare(path)?;
        let spool: Arc<Path> = folder::spool(path).into();
        let db = schema::open_writer(path)?;
        let opening = db.unchecked_transaction()?;
        let (epoch, void, salt) = opening.query_row(
            "UPDATE epoch SET opened = opened + 1 RETURNING opened, journaled, salt",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?;
        opening.commit()?;
        let (journal, records) = Journal::open(path, void, salt)?;
        let owed = commit::owed(&records).map_err(|error| {
            schema::unusable(path, format!("its journal cannot be read: {error}"))
        })?;
        folder::sweep(&db, &spool)?;
        let (changed, watcher) = watch::channel(0);
        let entering = Arc::new(AtomicBool::new(!owed.is_empty()));
        let mut desk = Desk {
            db,
            journal,
            entering: Arc::clone(&entering),
            leases: lease::Leases::new(epoch),
            folder: Arc::clone(&spool),
            unlinked: Vec::new(),
            doubtful: Vec::new(),
            synced: Synced::Tables,
            owed,
            unsound: false,
            logged: 0,
            changed,
        };
        commit::recover(&mut desk);
        let (line, jobs) = mpsc::channel();
        let writer = thread::Builder::new()
            .name("queue".to_owned())
            .spawn(move || writer::work(desk, &jobs))?;
        Ok(Self {
            path: path.to_owned(),
            folder: spool,
            inline_limit,
            line: Some(line),
            room: Arc::new(Semaphore::new(ROOM as usize)),
            changed: watcher,
            entering,
            idle_readers: Arc::default(),
            reading: Arc::new(Semaphore::new(READERS)),
            writer: Some(writer),
            _lock: lock,
        })
    }

    /// Looks for damage: what SQLite finds, and bodies that are missing or of another size.
    ///
    /// # Errors
    /// When the check itself cannot be made.
    pub async fn quick_check(&self) -> Result<Vec<String>, StoreError> {
        let spool = Arc::clone(&self.folder);
        self.read(move |db| read::quick_check(db, &spool)).await
    }

    /// Hands a job to the writer and waits for its answer.
    fn submit<T: Send + 'static>(
        &self,
        job: impl FnOnce(Reply<T>) -> Box<dyn Job>,
    ) -> Pending<'_, T> {
        let (reply, answer) = oneshot::channel();
        let job = job(reply);
        Box::pin(async move {
            let units = u32::try_from(job.octets() / UNIT)
                .unwrap_or(ROOM)
                .clamp(1, ROOM);
            let room = Arc::clone(&self.room)
                .acquire_many_owned(units)
                .await
                .map_err(|_| StoreError::Closed)?;
            self.line
                .as_ref()
                .and_then(|line| {
                    line.send(Waiting {
                        job,
                        _room: Some(room),
                    })
                    .ok()
                })
                .ok_or(StoreError::Closed)?;
            answer.await.map_err(|_| StoreError::Closed)?
        })
    }

    /// Reads on a connection of its own, in one snapshot that has all that was acknowledged.
    fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Pending<'_, T> {
        let (path, idle) = (self.path.clone(), Arc::clone(&self.idle_readers));
        Box::pin(async move {
            if self.entering.load(Ordering::Acquire) {
                self.submit(|reply| Box::new(commit::Entered(reply)))
                    .await?;
            }
            let turn = Arc::clone(&self.reading)
                .acquire_owned()
                .await
                .map_err(|_| StoreError::Closed)?;
            let work = move || {
                let _turn = turn;
                let reader = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
                let db = match reader {
                    Some(db) => db,
                    None => schema::open_reader(&path)?,
                };
                let answer = db
                    .unchecked_transaction()
                    .map_err(StoreError::from)
                    .and_then(|snapshot| {
                        let answer = read(&snapshot)?;
                        snapshot.finish()?;
                        Ok(answer)
                    })?;
                idle.lock().unwrap_or_else(PoisonError::into_inner).push(db);
                Ok(answer)
            };
            spawn_blocking(work)
                .await
                .map_err(|error| StoreError::Failed(Arc::new(error)))?
        })
    }
}

impl Drop for SqliteStore {
    /// Lets the writer end what is in its line; only then the lock goes.
    fn drop(&mut self) {
        self.line = None;
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the writer of the queue panicked");
        }
    }
}

impl Store for SqliteStore {
    fn spool(&self, id: ItemId) -> Spool {
        Spool::new(id, Arc::clone(&self.folder), self.inline_limit)
    }

    fn enqueue(&self, items: Vec<NewItem>) -> Pending<'_, Vec<Accepted>> {
        Failpoint::BodySyncedNoRow.pass();
        self.submit(|reply| Box::new(arrive::Enqueue::new(items, reply)))
    }

    fn claim(&self, request: ClaimRequest) -> Pending<'_, Vec<Claim>> {
        self.submit(|reply| Box::new(claim::Lend { request, reply }))
    }

    fn renew(&self, claim: &Claim, now: Timestamp, lease: Duration) -> Pending<'_, ()> {
        let loan = Loan::of(claim);
        self.submit(move |reply| Box::new(claim::Renew::new(loan, now, lease, reply)))
    }

    fn pin(&self, claim: &Claim, pinned: String) -> Pending<'_, ()> {
        let loan = Loan::of(claim);
        self.submit(move |reply| {
            Box::new(write::Note {
                loan,
                pinned,
                reply,
            })
        })
    }

    fn finish(&self, claim: &Claim, finished: Finished) -> Pending<'_, Vec<Accepted>> {
        let loan = Loan::of(claim);
        self.submit(move |reply| Box::new(write::Finish::new(loan, finished, reply)))
    }

    fn open(&self, id: ItemId) -> Pending<'_, Bytes> {
        let spool = Arc::clone(&self.folder);
        self.read(move |db| read::body(db, &spool, id))
    }

    fn get(&self, id: ItemId) -> Pending<'_, Item> {
        self.read(move |db| {
            read::list(db, &Filter::id(id))?
                .pop()
                .ok_or(StoreError::Unknown(id))
        })
    }

    fn list(&self, filter: Filter) -> Pending<'_, Vec<Item>> {
        self.read(move |db| read::list(db, &filter))
    }

    fn change(&self, filter: Filter, change: Change, now: Timestamp) -> Pending<'_, Vec<ItemId>> {
        self.submit(move |reply| {
            Box::new(write::Alter {
                filter,
                change,
                now,
                touched: Vec::new(),
                reply,
            })
        })
    }

    fn correlate(&self, identifier: Identifier) -> Pending<'_, Vec<ItemId>> {
        self.read(move |db| read::correlate(db, &identifier))
    }

    fn remembered(&self, key: DuplicateKey) -> Pending<'_, Option<ItemId>> {
        self.read(move |db| read::remembered(db, &key))
    }

    fn record(&self, events: Vec<Event>) -> Pending<'_, ()> {
        self.submit(move |reply| Box::new(write::Record { events, reply }))
    }

    fn events(&self, id: ItemId) -> Pending<'_, Vec<Event>> {
        self.read(move |db| read::events(db, id))
    }

    fn next_due(&self, routes: Vec<String>, now: Timestamp) -> Pending<'_, Option<Timestamp>> {
        self.submit(move |reply| Box::new(claim::NextDue { routes, now, reply }))
    }

    fn stats(&self) -> Pending<'_, Vec<RouteStats>> {
        self.read(read::stats)
    }

    fn forget(&self, before: Timestamp) -> Pending<'_, u64> {
        Box::pin(async move {
            let mut total = 0;
            loop {
                let some = self.submit(move |reply| {
                    Box::new(write::Forget {
                        before,
                        forgotten: 0,
                        reply,
                    })
                });
                match some.await? {
                    0 => return Ok(total),
                    forgotten => total += forgotten,
                }
            }
        })
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.changed.clone()
    }
}
