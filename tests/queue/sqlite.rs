//! What the SQLite store adds: its lock, its schema, its files, one sync for many.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use mixgate::failpoint::{self, Failpoint};
use mixgate::queue::sqlite::{INLINE_LIMIT, SqliteStore};
use mixgate::queue::{
    Accepted, Body, DuplicateKey, Filter, Finished, Item, NewItem, Outcome, Priority, Store,
    StoreError,
};
use rusqlite::Connection;
use tokio::task::JoinSet;

use super::{Folder, Place, at, claim, enqueue, mail, octets, settled, small};

#[tokio::test]
async fn a_second_process_is_kept_out() {
    let folder = Folder::new();
    let store = folder.open();
    let second = SqliteStore::open(&folder.path(), INLINE_LIMIT);
    assert!(matches!(second, Err(StoreError::Locked(path)) if path.ends_with("queue.db")));
    drop(store);
    folder.open();
}

#[tokio::test]
async fn only_the_owner_reads_the_queue() {
    let folder = Folder::new();
    let store = folder.open();
    let item = mail(&[("a@example.org", "hub")]);
    let mut spool = store.spool(item.id);
    spool.write(&octets(300_000)).await.unwrap();
    let body = spool.end().await.unwrap();
    store
        .enqueue(vec![NewItem {
            item,
            body,
            duplicate: None,
        }])
        .await
        .unwrap();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(folder.path().parent().unwrap()), 0o700);
    for path in [
        folder.path(),
        folder.path().with_extension("db-wal"),
        folder.spool().remove(0),
    ] {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[test]
fn what_is_no_queue_of_ours_is_refused() {
    let refusal = |make: &dyn Fn(&std::path::Path)| {
        let folder = Folder::new();
        fs::create_dir_all(folder.path().parent().unwrap()).unwrap();
        make(&folder.path());
        match SqliteStore::open(&folder.path(), INLINE_LIMIT) {
            Err(StoreError::Unusable { reason, .. }) => reason,
            other => panic!("{other:?}"),
        }
    };
    let text = refusal(&|path| {
        fs::write(path, "From: somebody, no database at all\n".repeat(99)).unwrap()
    });
    assert_eq!(text, "this file is no SQLite database");
    let foreign = refusal(&|path| {
        Connection::open(path)
            .unwrap()
            .execute_batch("CREATE TABLE mail (x)")
            .unwrap();
    });
    assert_eq!(foreign, "this database is of another program");
    let later = refusal(&|path| {
        drop(SqliteStore::open(path, INLINE_LIMIT).unwrap());
        Connection::open(path)
            .unwrap()
            .pragma_update(None, "user_version", 99)
            .unwrap();
    });
    assert_eq!(
        later,
        "written by a later mixgate: schema 99, this one knows up to 4"
    );
}

#[tokio::test]
async fn the_file_has_a_log_and_our_version() {
    let folder = Folder::new();
    let store = folder.open();
    enqueue(store.as_ref(), mail(&[("a@example.org", "hub")])).await;
    let beside = Connection::open(folder.path()).unwrap();
    let mode: String = beside
        .pragma_query_value(None, "journal_mode", |row| row.get(0))
        .unwrap();
    assert_eq!(mode, "wal");
    let version: i64 = beside
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap();
    assert_eq!(version, 4);
}

#[tokio::test]
async fn a_queue_of_an_earlier_schema_is_brought_forward() {
    let folder = Folder::new();
    let store = folder.open();
    let mut deferred = mail(&[("a@example.org", "hub"), ("b@example.org", "mail")]);
    let until = at(1_000_000_000);
    deferred.recipients[1].next_due = until;
    deferred.recipients[1].not_before = Some(until);
    let id = enqueue(store.as_ref(), deferred).await;
    let item = store.get(id).await.unwrap();
    drop(store);
    Connection::open(folder.path())
        .unwrap()
        .execute_batch(
            "ALTER TABLE recipient DROP COLUMN pinned;
             ALTER TABLE recipient DROP COLUMN not_before;
             ALTER TABLE epoch DROP COLUMN journaled;
             ALTER TABLE epoch DROP COLUMN salt;
             PRAGMA user_version = 1;",
        )
        .unwrap();
    let store = folder.open();
    assert_eq!(store.get(id).await.unwrap(), item);
    assert_eq!(claim(store.as_ref(), at(0), 9).await.len(), 1);
}

/// What a power cut may leave: the log of the tables as it was synced last, and the journal.
struct Cut {
    wal: PathBuf,
    synced: Vec<u8>,
}

impl Cut {
    /// All that was committed so far was synced.
    fn from(folder: &Folder) -> Self {
        let wal = folder.path().with_extension("db-wal");
        let synced = fs::read(&wal).unwrap();
        Self { wal, synced }
    }

    /// The power goes: nothing written to the tables since is there.
    fn now(self, folder: &Folder) {
        folder.crash();
        let name = self.wal.file_name().unwrap();
        fs::write(folder.path().with_file_name(name), self.synced).unwrap();
    }
}

#[tokio::test]
async fn what_was_acknowledged_by_the_journal_outlives_a_power_cut() {
    let folder = Folder::new();
    let store = folder.open();
    let cut = Cut::from(&folder);
    let mut items = Vec::new();
    for n in 0..20 {
        let mut item = mail(&[("a@example.org", "hub"), ("b@example.org", "mail")]);
        item.priority = Priority::DESCENDING[n % 6];
        let mut new = small(item.clone());
        new.body = Body::inline(octets(n * 1000).into());
        new.duplicate = Some(key(n));
        item.size = new.body.size();
        store.enqueue(vec![new]).await.unwrap();
        items.push(item);
    }
    cut.now(&folder);
    drop(store);
    let store = folder.open();
    for (n, item) in items.iter().enumerate() {
        assert_eq!(&store.get(item.id).await.unwrap(), item);
        assert_eq!(store.open(item.id).await.unwrap(), octets(n * 1000));
        assert_eq!(store.remembered(key(n)).await.unwrap(), Some(item.id));
    }
    assert_eq!(store.list(Filter::default()).await.unwrap().len(), 20);
    // They are entered once, whatever happens next.
    drop(store);
    let store = folder.open();
    assert_eq!(store.list(Filter::default()).await.unwrap().len(), 20);
}

fn key(n: usize) -> DuplicateKey {
    DuplicateKey {
        peer: "hub".to_owned(),
        mts_identifier: n.to_string(),
        recipients: Vec::new(),
    }
}

#[tokio::test]
async fn the_journal_brings_nothing_back_that_was_done_with() {
    let folder = Folder::new();
    let store = folder.open();
    let id = enqueue(store.as_ref(), mail(&[("a@example.org", "hub")])).await;
    let claim = claim(store.as_ref(), at(0), 1).await.remove(0);
    let finished = Finished::new(at(1), vec![settled(0, Outcome::Delivered)]);
    store.finish(&claim, finished).await.unwrap();
    assert_eq!(store.forget(at(2)).await.unwrap(), 1);
    // Its record was not written over, and the tables know nothing of it.
    Cut::from(&folder).now(&folder);
    drop(store);
    let store = folder.open();
    assert!(matches!(store.get(id).await, Err(StoreError::Unknown(_))));
}

#[tokio::test]
async fn a_duplicate_is_known_within_one_commit_and_across_the_journal() {
    let folder = Folder::new();
    let store = folder.open();
    let new = |n| NewItem {
        duplicate: Some(key(n)),
        ..small(mail(&[("a@example.org", "hub")]))
    };
    let accepted = together(&store, (0..40).map(|n| new(n % 4))).await;
    let accepted: Vec<Accepted> = accepted.into_iter().flat_map(Result::unwrap).collect();
    let first = accepted
        .iter()
        .filter(|accepted| matches!(accepted, Accepted::New(_)));
    assert_eq!(first.count(), 4);
    assert_eq!(store.list(Filter::default()).await.unwrap().len(), 4);
}

#[tokio::test]
async fn what_comes_twice_is_refused_as_such_whatever_the_journal_has() {
    let folder = Folder::new();
    let store = folder.open();
    let item = mail(&[("a@example.org", "hub")]);
    let twice = [small(item.clone()), small(item)];
    let mut outcomes = together(&store, twice.into_iter()).await;
    outcomes.sort_by_key(Result::is_err);
    assert!(matches!(
        outcomes.as_slice(),
        [Ok(_), Err(StoreError::Exists(_))]
    ));
}

/// Takes each for itself, all at one time.
async fn together(
    store: &Arc<dyn Store>,
    items: impl Iterator<Item = NewItem>,
) -> Vec<Result<Vec<Accepted>, StoreError>> {
    let mut tasks = JoinSet::new();
    for item in items {
        let store = Arc::clone(store);
        tasks.spawn(async move { store.enqueue(vec![item]).await });
    }
    tasks.join_all().await
}

#[tokio::test]
async fn what_a_crash_left_is_swept_and_what_is_queued_stays() {
    let folder = Folder::new();
    let store = folder.open();
    let queued = mail(&[("a@example.org", "hub")]);
    let id = queued.id;
    let mut spool = store.spool(id);
    spool.write(&octets(400_000)).await.unwrap();
    let body = spool.end().await.unwrap();
    store
        .enqueue(vec![NewItem {
            item: queued,
            body,
            duplicate: None,
        }])
        .await
        .unwrap();
    // One whole but not committed, one half written; they are kept alive over the crash.
    let mut whole = store.spool(mail(&[]).id);
    whole.write(&octets(500_000)).await.unwrap();
    let _whole = whole.end().await.unwrap();
    let mut half = store.spool(mail(&[]).id);
    half.write(&octets(600_000)).await.unwrap();
    assert_eq!(folder.spool().len(), 3);
    folder.crash();
    assert_eq!(folder.spool().len(), 3);
    let store = folder.open_sqlite();
    assert_eq!(folder.spool().len(), 1);
    assert_eq!(store.open(id).await.unwrap(), octets(400_000));
    assert!(store.quick_check().await.unwrap().is_empty());
}

#[tokio::test]
async fn files_go_with_the_commit_that_ends_their_item() {
    let folder = Folder::new();
    let store = folder.open();
    let item = mail(&[("a@example.org", "hub")]);
    let mut spool = store.spool(item.id);
    spool.write(&octets(400_000)).await.unwrap();
    let body = spool.end().await.unwrap();
    let id = item.id;
    store
        .enqueue(vec![NewItem {
            item,
            body,
            duplicate: None,
        }])
        .await
        .unwrap();
    assert_eq!(folder.spool().len(), 1);
    store
        .change(Filter::id(id), mixgate::queue::Change::Delete, at(1))
        .await
        .unwrap();
    drop(store);
    assert!(folder.spool().is_empty());
}

#[tokio::test]
async fn a_body_whose_commit_failed_goes_once_that_is_certain() {
    let folder = Folder::new();
    let store = folder.open_sqlite();
    // A constraint that is looked at when everything is written: the commit itself fails.
    let beside = rusqlite::Connection::open(folder.path()).unwrap();
    beside
        .execute_batch(
            "CREATE TABLE parent (n INTEGER PRIMARY KEY);
             CREATE TABLE child (n REFERENCES parent (n) DEFERRABLE INITIALLY DEFERRED);
             CREATE TRIGGER spoil AFTER INSERT ON item BEGIN INSERT INTO child VALUES (1); END;
             CREATE TRIGGER spoil_too BEFORE UPDATE ON epoch
                 BEGIN INSERT INTO child VALUES (1); END;",
        )
        .unwrap();
    let large = async || {
        let item = mail(&[("a@example.org", "hub")]);
        let mut spool = store.spool(item.id);
        spool.write(&octets(400_000)).await.unwrap();
        NewItem {
            item,
            body: spool.end().await.unwrap(),
            duplicate: None,
        }
    };
    let failed = store.enqueue(vec![large().await]).await;
    assert!(matches!(failed, Err(StoreError::InDoubt(_))), "{failed:?}");
    // Nothing has been committed since: it may yet be there after a crash.
    assert_eq!(folder.spool().len(), 1);
    beside
        .execute_batch("DROP TRIGGER spoil; DROP TRIGGER spoil_too;")
        .unwrap();
    // One that is still arriving is left alone.
    let arriving = large().await;
    let id = arriving.item.id;
    for _ in 0..500 {
        if folder.spool().len() == 1 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(folder.spool().len(), 1);
    store.enqueue(vec![arriving]).await.unwrap();
    assert_eq!(store.open(id).await.unwrap(), octets(400_000));
    assert!(store.quick_check().await.unwrap().is_empty());
}

#[tokio::test]
async fn damage_is_found() {
    let folder = Folder::new();
    let store = folder.open_sqlite();
    let mut ids = Vec::new();
    for _ in 0..2 {
        let item = mail(&[("a@example.org", "hub")]);
        ids.push(item.id);
        let mut spool = store.spool(item.id);
        spool.write(&octets(400_000)).await.unwrap();
        let body = spool.end().await.unwrap();
        store
            .enqueue(vec![NewItem {
                item,
                body,
                duplicate: None,
            }])
            .await
            .unwrap();
    }
    assert!(store.quick_check().await.unwrap().is_empty());
    for path in folder.spool() {
        if path.to_str().unwrap().contains(&ids[0].to_string()) {
            fs::remove_file(path).unwrap();
        } else {
            fs::write(path, "short").unwrap();
        }
    }
    let mut faults = store.quick_check().await.unwrap();
    faults.sort_by_key(|fault| fault.contains("octets"));
    assert!(faults[0].starts_with(&ids[0].to_string()) && faults[0].ends_with("is missing"));
    assert!(
        faults[1].ends_with("has 5 octets, its row says 400000"),
        "{}",
        faults[1]
    );
    assert!(matches!(
        store.open(ids[1]).await,
        Err(StoreError::Failed(_))
    ));
}

/// The child of the next two tests: takes one item, large or small, fails it and reports on it;
/// dies on the way if it is told to.
#[tokio::test]
#[ignore = "run by tests of failpoints in a process of its own"]
async fn child_that_fails_a_message() {
    let path = std::env::var("MIXGATE_TEST_QUEUE").unwrap();
    let store = SqliteStore::open(path.as_ref(), INLINE_LIMIT).unwrap();
    let size = std::env::var("MIXGATE_TEST_SIZE").unwrap().parse().unwrap();
    let item = mail(&[("a@example.org", "hub")]);
    let mut spool = store.spool(item.id);
    spool.write(&octets(size)).await.unwrap();
    let body = spool.end().await.unwrap();
    let cause = Some(item.id);
    store
        .enqueue(vec![NewItem {
            item,
            body,
            duplicate: None,
        }])
        .await
        .unwrap();
    let lent = claim(&store, at(0), 1).await.remove(0);
    let mut finished = Finished::new(at(1), vec![settled(0, Outcome::Failed)]);
    let report = Item {
        cause,
        ..mail(&[("sender@example.org", "mail")])
    };
    finished.new_items.push(super::small(report));
    store.finish(&lent, finished).await.unwrap();
}

/// Runs the child on `folder`, to die at `armed`.
fn run_child(folder: &Folder, size: usize, armed: Option<Failpoint>) {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args(["--ignored", "--exact", "sqlite::child_that_fails_a_message"])
        .env("MIXGATE_TEST_QUEUE", folder.path())
        .env("MIXGATE_TEST_SIZE", size.to_string());
    if let Some(place) = armed {
        child.env(failpoint::VARIABLE, place.name());
    }
    let output = child.output().unwrap();
    assert_eq!(output.status.success(), armed.is_none(), "{output:?}");
}

#[tokio::test]
async fn outcome_no_report_leaves_neither() {
    for armed in [Some(Failpoint::OutcomeNoReport), None] {
        let folder = Folder::new();
        run_child(&folder, 900_000, armed);
        let store = folder.open_sqlite();
        let waiting = store.list(Filter::default()).await.unwrap();
        assert_eq!(waiting.len(), 1);
        // The failed message waits as if nothing had been tried, or its report waits instead.
        let report = waiting[0].cause.is_some();
        assert_eq!(report, armed.is_none());
        let size = if report { 17 } else { 900_000 };
        assert_eq!(store.open(waiting[0].id).await.unwrap().len(), size);
        assert_eq!(claim(store.as_ref(), at(2), 9).await.len(), 1);
        assert!(store.quick_check().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn body_synced_no_row_leaves_nothing_acknowledged() {
    for size in [10, 900_000] {
        let folder = Folder::new();
        run_child(&folder, size, Some(Failpoint::BodySyncedNoRow));
        let left = folder.spool();
        assert_eq!(left.len(), usize::from(size > INLINE_LIMIT));
        assert!(
            left.iter()
                .all(|path| path.extension().is_some_and(|ending| ending == "body"))
        );
        let store = folder.open_sqlite();
        assert!(store.list(Filter::default()).await.unwrap().is_empty());
        assert!(folder.spool().is_empty());
        assert!(claim(store.as_ref(), at(0), 9).await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_bad_job_costs_only_itself() {
    let folder = Folder::new();
    let store = folder.open();
    let taken = mail(&[("a@example.org", "hub")]);
    enqueue(store.as_ref(), taken.clone()).await;
    let jobs: Vec<_> = (0..64)
        .map(|n| {
            let item = if n % 2 == 0 {
                taken.clone()
            } else {
                mail(&[("b@example.org", "hub")])
            };
            let store = store.clone();
            tokio::spawn(async move { store.enqueue(vec![super::small(item)]).await.is_ok() })
        })
        .collect();
    let mut taken = 0;
    for job in jobs {
        taken += usize::from(job.await.unwrap());
    }
    assert_eq!(taken, 32);
    assert_eq!(store.list(Filter::default()).await.unwrap().len(), 33);
}
