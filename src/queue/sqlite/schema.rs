//! The tables of the SQLite store, how they came to be, and how a connection is set up.
//!
//! `PRAGMA user_version` counts the migrations a file has had. A file with fewer is brought
//! forward, each step in its own transaction; a file with more, or of another program, is refused.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::queue::store::StoreError;

/// `PRAGMA application_id`: "MXGT".
const APPLICATION: i64 = 0x4d58_4754;

/// Each step from one version to the next; a released one is never edited.
const MIGRATIONS: &[&str] = &[
    // 1: the first.
    "
    -- One row for each message taken. Times are milliseconds since 1970.
    CREATE TABLE item (
        n         INTEGER PRIMARY KEY,
        id        TEXT NOT NULL UNIQUE,
        arrived   INTEGER NOT NULL,
        expires   INTEGER NOT NULL,
        priority  INTEGER NOT NULL,         -- 0 deferred … 5 override
        size      INTEGER NOT NULL,
        file      TEXT,                     -- the body is spool/FILE; null: in table body
        peer      TEXT NOT NULL,
        sender    TEXT NOT NULL,
        details   TEXT NOT NULL,            -- JSON: envelope, identifiers, cause
        duplicate BLOB,                     -- SHA-256 of peer, MTS identifier and recipients
        done      INTEGER                   -- when the last recipient came to its end
    ) STRICT;
    CREATE INDEX item_unfinished ON item (id) WHERE done IS NULL;
    CREATE INDEX item_done ON item (done) WHERE done IS NOT NULL;
    CREATE UNIQUE INDEX item_duplicate ON item (duplicate) WHERE duplicate IS NOT NULL;

    CREATE TABLE body (
        item   INTEGER PRIMARY KEY,
        octets BLOB NOT NULL
    ) STRICT;

    CREATE TABLE recipient (
        item           INTEGER NOT NULL,
        number         INTEGER NOT NULL,
        address        TEXT NOT NULL,
        route          TEXT NOT NULL,
        content_type   TEXT NOT NULL,
        priority       INTEGER NOT NULL,    -- as the item's, for the index
        state          TEXT NOT NULL,
        attempts       INTEGER NOT NULL,
        next_due       INTEGER NOT NULL,
        last_attempt   INTEGER,
        status         TEXT,
        text           TEXT NOT NULL,
        relay          TEXT,
        delay_reported INTEGER NOT NULL,
        PRIMARY KEY (item, number)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX recipient_due ON recipient (route, priority, next_due) WHERE state = 'queued';
    CREATE INDEX recipient_held ON recipient (route) WHERE state = 'held';

    CREATE TABLE identifier (
        value TEXT NOT NULL,
        kind  TEXT NOT NULL,
        item  INTEGER NOT NULL,
        PRIMARY KEY (value, kind, item)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE event (
        item      INTEGER NOT NULL,
        at        INTEGER NOT NULL,
        recipient INTEGER,
        what      TEXT NOT NULL,
        text      TEXT NOT NULL
    ) STRICT;
    CREATE INDEX event_item ON event (item);

    -- How often the store was opened: the upper half of every fencing token.
    CREATE TABLE epoch (opened INTEGER NOT NULL) STRICT;
    INSERT INTO epoch VALUES (0);
    ",
    // 2: attempts that can be gone on with.
    "
    ALTER TABLE recipient ADD COLUMN pinned TEXT;
    ",
    // 3: deferred delivery, which was known by the time of the first attempt alone.
    "
    ALTER TABLE recipient ADD COLUMN not_before INTEGER;
    UPDATE recipient SET not_before = next_due
        WHERE attempts = 0 AND next_due > 1000 * CAST(strftime('%s', 'now') AS INTEGER);
    ",
    // 4: up to which record of the journal the tables hold everything themselves, and what is hashed
    // with each record.
    "
    ALTER TABLE epoch ADD COLUMN journaled INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE epoch ADD COLUMN salt BLOB;
    UPDATE epoch SET salt = randomblob(16);
    ",
];

/// Opens the file for writing, sets the connection up and brings the schema forward.
pub(super) fn open_writer(path: &Path) -> Result<Connection, StoreError> {
    let mut db = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    db.busy_timeout(Duration::from_secs(10))?;
    db.set_prepared_statement_cache_capacity(64);
    refuse_foreign(&db, path)?;
    // Has an effect only before the first table; freed pages go back on idle.
    db.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    let mode: String = db.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if !mode.eq_ignore_ascii_case("wal") {
        return Err(unusable(
            path,
            format!("SQLite offers journal mode {mode} here, not WAL"),
        ));
    }
    // With NORMAL the last commits before a power cut may be lost: only for what the journal has.
    db.pragma_update(None, "synchronous", "FULL")?;
    let synchronous: i64 = db.pragma_query_value(None, "synchronous", |row| row.get(0))?;
    if synchronous != 2 {
        return Err(unusable(
            path,
            "SQLite does not offer synchronous=FULL here",
        ));
    }
    // The writer does it, where it learns of errors.
    db.pragma_update(None, "wal_autocheckpoint", 0)?;
    db.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
    db.pragma_update(None, "cache_size", -8_000)?;
    settle(&db)?;
    migrate(&mut db, path)?;
    Ok(db)
}

/// Opens the file for reading beside the writer.
pub(super) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let db = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    db.busy_timeout(Duration::from_secs(10))?;
    settle(&db)?;
    Ok(db)
}

/// What holds for readers and the writer.
fn settle(db: &Connection) -> Result<(), StoreError> {
    db.pragma_update(None, "trusted_schema", false)?;
    // Beside a partial index the planner wants to see the values bound, and for new ones it prepares a
    // statement anew: a sixth of all the computing of a gateway at work. No plan here depends on them.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

pub(super) fn unusable(path: &Path, reason: impl Into<String>) -> StoreError {
    StoreError::Unusable {
        path: path.display().to_string(),
        reason: reason.into(),
    }
}

/// Refuses a file that is no database, of another program, or of a later version of this one.
fn refuse_foreign(db: &Connection, path: &Path) -> Result<(), StoreError> {
    let read = || -> rusqlite::Result<(i64, i64, i64)> {
        Ok((
            db.pragma_query_value(None, "application_id", |row| row.get(0))?,
            db.pragma_query_value(None, "user_version", |row| row.get(0))?,
            db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?,
        ))
    };
    let (application, version, tables) =
        read().map_err(|error| match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::NotADatabase) => {
                unusable(path, "this file is no SQLite database")
            }
            _ => error.into(),
        })?;
    if application != APPLICATION && (application != 0 || tables != 0) {
        return Err(unusable(path, "this database is of another program"));
    }
    let known = MIGRATIONS.len();
    if usize::try_from(version).is_ok_and(|version| version > known) {
        return Err(unusable(
            path,
            format!("written by a later mixgate: schema {version}, this one knows up to {known}"),
        ));
    }
    Ok(())
}

fn migrate(db: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    for (step, migration) in (1_i64..).zip(MIGRATIONS) {
        if step <= version {
            continue;
        }
        let transaction = db.transaction()?;
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", step)?;
        transaction.commit()?;
        tracing::info!(path = %path.display(), schema = step, "migrated");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rusqlite::{StatementStatus, params};

    use super::*;

    #[test]
    fn a_statement_is_prepared_once_whatever_is_bound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("queue.db");
        let writer = open_writer(&path).unwrap();
        for db in [&writer, &open_reader(&path).unwrap()] {
            let mut statement = db
                .prepare(
                    "SELECT item FROM recipient
                     WHERE state = 'queued' AND route = ? AND priority = ? ORDER BY next_due",
                )
                .unwrap();
            for (route, priority) in [("smtp", 1), ("hub", 2), ("held", 3)] {
                assert!(!statement.exists(params![route, priority]).unwrap());
            }
            assert_eq!(statement.get_status(StatementStatus::RePrepare), 0);
        }
    }
}
