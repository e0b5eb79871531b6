//! The folder of a queue: who may use it, and what a crash left in it.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::schema::unusable;
use crate::queue::spool::{BODY, PART};
use crate::queue::store::StoreError;

/// File systems on which locks and shared memory of SQLite cannot be trusted.
const NETWORK: &[&str] = &[
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "9p",
    "afs",
    "ceph",
    "fuse.sshfs",
];

/// Where the bodies of the queue at `path` lie.
pub(super) fn spool(path: &Path) -> PathBuf {
    path.with_file_name("spool")
}

/// Makes the folders and the file, readable by their owner only, and locks them.
pub(super) fn prepare(path: &Path) -> Result<File, StoreError> {
    let spool = spool(path);
    let fault = |error: std::io::Error| unusable(path, error.to_string());
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&spool)
        .map_err(fault)?;
    if let Some(kind) = file_system(&spool)
        && NETWORK.contains(&kind.as_str())
    {
        return Err(unusable(
            path,
            format!("a queue cannot lie on a network file system ({kind})"),
        ));
    }
    let open = |path: &Path| {
        OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)
    };
    let lock = open(&path.with_added_extension("lock")).map_err(fault)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(StoreError::Locked(path.display().to_string()));
        }
        Err(TryLockError::Error(error)) => return Err(fault(error)),
    }
    open(path).map_err(fault)?;
    Ok(lock)
}

/// The type of the file system a folder lies on, as far as the system tells.
fn file_system(folder: &Path) -> Option<String> {
    let folder = fs::canonicalize(folder).ok()?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    mounts
        .lines()
        .filter_map(|line| {
            let (mount, kind) = line.split_once(" - ")?;
            let point = mount.split(' ').nth(4)?;
            folder
                .starts_with(point)
                .then_some((point, kind.split(' ').next()?))
        })
        .max_by_key(|(point, _)| point.len())
        .map(|(_, kind)| kind.to_owned())
}

/// Removes the bodies that belong to no unfinished item: their row was never committed, or is
/// done. Nobody else writes here: the lock is held.
pub(super) fn sweep(db: &Connection, spool: &Path) -> Result<(), StoreError> {
    let mut wanted: HashSet<String> = db
        .prepare("SELECT file FROM item WHERE done IS NULL AND file IS NOT NULL")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut removed = 0_u64;
    for entry in fs::read_dir(spool)? {
        let path = entry?.path();
        let ours = path
            .extension()
            .is_some_and(|ending| ending == PART || ending == BODY);
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if ours && !wanted.remove(name) {
            fs::remove_file(&path)?;
            removed += 1;
        }
    }
    if removed > 0 {
        tracing::info!(
            removed,
            "removed bodies that were never acknowledged or are done"
        );
    }
    for file in wanted {
        tracing::error!(file, "a body of the queue is missing");
    }
    Ok(())
}
