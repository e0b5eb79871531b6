//! Groups, one job that fails among them, no room, a journal that fails, a sync that fails.

use std::path::Path;
use std::sync::mpsc;

use bytes::Bytes;
use tokio::sync::{Semaphore, oneshot, watch};

use super::super::claim::Lend;
use super::super::journal::Journal;
use super::super::lease::Leases;
use super::super::schema;
use super::super::write::{Finish, Loan};
use super::super::writer::work;
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
        journal: Journal::open(&folder.join("queue.db"), 0, Vec::new())
            .unwrap()
            .0,
        leases: Leases::new(1),
        folder: folder.into(),
        unlinked: Vec::new(),
        doubtful: Vec::new(),
        synced: Synced::Tables,
        owed: Vec::new(),
        unsound: false,
        logged: 0,
        entering: Arc::default(),
        changed: watch::channel(0).0,
    }
}

fn waiting(job: impl Job + 'static) -> Waiting {
    let job = Box::new(job);
    Waiting { job, _room: None }
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

/// Room in the file for so many pages.
fn room(desk: &Desk, pages: i64) {
    desk.db
        .pragma_update(None, "max_page_count", pages)
        .unwrap();
}

#[test]
fn what_the_journal_took_and_the_tables_cannot_is_entered_before_anything_else_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = desk(folder.path());
    enqueue(&mut desk, 10).unwrap();
    room(&desk, 1);
    enqueue(&mut desk, 30_000).unwrap();
    assert_eq!((items(&desk), desk.owed.len()), (1, 1));
    assert!(desk.entering.load(Ordering::Acquire));
    // It is not voided, and nothing is taken after it; what makes room may pass.
    assert!(settle(&mut desk).is_err());
    assert!(matches!(enqueue(&mut desk, 10), Err(StoreError::Full(_))));
    let now = jiff::Timestamp::UNIX_EPOCH;
    let (reply, mut answer) = oneshot::channel();
    let request = ClaimRequest::new(now);
    commit(&mut desk, vec![waiting(Lend { request, reply })]);
    let claim = answer.try_recv().unwrap().unwrap().remove(0);
    let (reply, mut answer) = oneshot::channel();
    let finish = Finish::new(Loan::of(&claim), Finished::new(now, Vec::new()), reply);
    commit(&mut desk, vec![waiting(finish)]);
    answer.try_recv().unwrap().unwrap();
    assert_eq!(desk.owed.len(), 1);
    assert!(desk.journal.unsettled().is_some());

    room(&desk, 1_000_000);
    enqueue(&mut desk, 10).unwrap();
    assert_eq!((items(&desk), desk.owed.len()), (3, 0));
    assert!(!desk.entering.load(Ordering::Acquire));
    settle(&mut desk).unwrap();
    assert_eq!(desk.journal.unsettled(), None);
}

#[test]
fn of_a_group_without_room_none_that_was_acknowledged_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = desk(folder.path());
    room(&desk, 1);
    let (jobs, mut answers): (Vec<_>, Vec<_>) = [10_000, 10_000, 100_000]
        .into_iter()
        .map(|size| {
            let (reply, answer) = oneshot::channel();
            (waiting(Enqueue::new(vec![item(size)], reply)), answer)
        })
        .unzip();
    commit(&mut desk, jobs);
    let acknowledged = answers
        .iter_mut()
        .filter_map(|answer| answer.try_recv().unwrap().ok())
        .count();
    assert_eq!(acknowledged, desk.owed.len());
    room(&desk, 1_000_000);
    enqueue(&mut desk, 10).unwrap();
    assert_eq!(usize::try_from(items(&desk)).unwrap(), 1 + acknowledged);
}

#[test]
fn what_could_not_be_looked_up_is_still_owed() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = desk(folder.path());
    room(&desk, 1);
    enqueue(&mut desk, 30_000).unwrap();
    room(&desk, 1_000_000);
    desk.db
        .execute_batch("ALTER TABLE item RENAME TO elsewhere")
        .unwrap();
    assert!(settle(&mut desk).is_err());
    desk.db
        .execute_batch("ALTER TABLE elsewhere RENAME TO item")
        .unwrap();
    settle(&mut desk).unwrap();
    assert_eq!(items(&desk), 1);
}

#[test]
fn after_a_failed_sync_the_log_is_folded_in_before_anything_counts_as_synced() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = desk(folder.path());
    enqueue(&mut desk, 10).unwrap();
    let error = StoreError::Failed(Arc::new(io::Error::other("fsync")));
    let failed = made(&mut desk, Err(error), true);
    assert!(matches!(failed, Err(StoreError::InDoubt(_))));
    assert!(desk.unsound);
    // The journal may not count on the number in the tables.
    let number = desk.journal.last();
    enqueue(&mut desk, 10).unwrap();
    assert_eq!((desk.journal.last(), desk.unsound), (number, false));
    let log = folder.path().join("queue.db-wal");
    let commits = std::fs::metadata(log).unwrap().len();
    assert!(commits < 30 * 4120, "{commits} octets: the log began anew");
    enqueue(&mut desk, 10).unwrap();
    assert_eq!(desk.journal.last(), number + 1);
    assert_eq!(items(&desk), 3);
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
        let _room = Some(Arc::clone(&room).try_acquire_owned().unwrap());
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
