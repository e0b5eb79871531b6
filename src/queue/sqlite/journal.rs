//! The journal of arrivals: what was taken last, as one short write that is synced in the place of
//! the tables.
//!
//! A message changes a dozen pages of the tables. So that its sender need not wait until they are
//! changed and on the disk, arrivals are written here first, synced and acknowledged; then the tables are
//! changed, without a sync. Whatever else changes the tables syncs them, and with them all that came
//! before. What a kill or a power cut keeps from the tables is entered from here at the next start.
//!
//! A record is of one commit: its number, one more than that of the record before; the length of what
//! follows; the arrivals; a SHA-256 of all that. It begins at a multiple of [`BLOCK`], so that writing it
//! touches no other. The tables keep the number up to which they hold everything themselves
//! (`epoch.journaled`): records up to it are void, and the next one is written over the first.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// What a record is aligned to: octets that the disk and the system write as one.
const BLOCK: u64 = 4096;
/// Octets by which the file grows, and are zeroed: overwriting is quicker to sync than growing.
const STRIDE: u64 = 1024 * 1024;
/// How many octets the journal has at most; then the tables are synced, and it begins again.
const SIZE: u64 = 4 * STRIDE;
/// Octets of the number and the length before a record.
const HEAD: usize = 16;
/// Octets of the hash behind it.
const HASH: usize = 32;

/// Where the journal of the queue at `path` lies.
fn beside(path: &Path) -> PathBuf {
    path.with_added_extension("arrivals")
}

/// The journal, open for writing.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    /// Octets the file has.
    size: u64,
    /// Where the next record begins.
    at: u64,
    /// The number of the last record.
    last: i64,
    /// Up to which number the tables hold everything.
    void: i64,
}

impl Journal {
    /// Opens the journal of the queue at `path`, or makes it; also gives the records that are not void,
    /// in order. They count as written: [`Journal::settled`] says when the tables have them.
    pub(super) fn open(path: &Path, void: i64) -> io::Result<(Self, Vec<Vec<u8>>)> {
        let path = beside(path);
        let octets = match std::fs::read(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            read => read.unwrap_or_default(),
        };
        let records = records(&octets, void);
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)?;
        if let Some(folder) = path.parent().filter(|_| octets.is_empty()) {
            File::open(folder)?.sync_all()?;
        }
        let journal = Self {
            file,
            size: octets.len() as u64,
            at: 0,
            last: void.saturating_add_unsigned(records.len() as u64),
            void,
        };
        Ok((journal, records))
    }

    /// Writes a record of these parts and syncs it; whether there was room. After an error it may be
    /// there or not.
    pub(super) fn write<'a>(&mut self, parts: impl Iterator<Item = &'a [u8]>) -> io::Result<bool> {
        let number = self.last + 1;
        let mut octets = number.to_be_bytes().to_vec();
        octets.extend([0; 8]);
        parts.for_each(|part| octets.extend_from_slice(part));
        let length = (octets.len() - HEAD) as u64;
        let place = octets.iter_mut().skip(8);
        place
            .zip(length.to_be_bytes())
            .for_each(|(at, octet)| *at = octet);
        let hash = Sha256::digest(&octets);
        octets.extend_from_slice(&hash);
        let end = (self.at + octets.len() as u64).next_multiple_of(BLOCK);
        if end > SIZE {
            return Ok(false);
        }
        // Whatever comes of it: the number is used.
        let at = std::mem::replace(&mut self.at, end);
        self.last = number;
        if end > self.size {
            let zeroed = end.next_multiple_of(STRIDE);
            let zeros = vec![0; usize::try_from(zeroed - self.size).unwrap_or_default()];
            self.file.write_all_at(&zeros, self.size)?;
            self.size = zeroed;
        }
        self.file.write_all_at(&octets, at)?;
        self.file.sync_data()?;
        Ok(true)
    }

    /// Nothing can be written any more.
    #[cfg(test)]
    pub(super) fn spoil(&mut self) {
        self.file = File::open("/dev/null").unwrap();
    }

    /// The number of the last record, if the tables do not yet hold everything themselves.
    pub(super) fn unsettled(&self) -> Option<i64> {
        (self.last > self.void).then_some(self.last)
    }

    /// The number that voids every record.
    pub(super) fn last(&self) -> i64 {
        self.last
    }

    /// The tables were synced, with [`Journal::last`] in them.
    pub(super) fn settled(&mut self) {
        self.void = self.last;
        self.at = 0;
    }
}

/// The records behind number `void`, in order, up to the first that is not whole or not the next.
fn records(mut octets: &[u8], void: i64) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    let mut number = void;
    while let Some((record, rest)) = record(octets, number + 1) {
        records.push(record.to_vec());
        number += 1;
        octets = rest;
    }
    records
}

/// The first record, if it is whole and has this number, and what is behind it.
fn record(octets: &[u8], number: i64) -> Option<(&[u8], &[u8])> {
    let (head, rest) = octets.split_first_chunk::<8>()?;
    let (length, _) = rest.split_first_chunk::<8>()?;
    let end = usize::try_from(u64::from_be_bytes(*length))
        .ok()?
        .checked_add(HEAD)?;
    let hashed = octets.get(..end)?;
    let hash = octets.get(end..end.checked_add(HASH)?)?;
    if i64::from_be_bytes(*head) != number || Sha256::digest(hashed).as_slice() != hash {
        return None;
    }
    let next = (end + HASH).next_multiple_of(usize::try_from(BLOCK).ok()?);
    Some((hashed.get(HEAD..)?, octets.get(next..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(journal: &mut Journal, parts: &[&[u8]]) {
        assert!(journal.write(parts.iter().copied()).unwrap());
    }

    #[test]
    fn what_was_written_is_read_again_until_it_is_void() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("queue.db");
        let (mut journal, old) = Journal::open(&path, 7).unwrap();
        assert!(old.is_empty());
        assert_eq!(journal.unsettled(), None);
        write(&mut journal, &[b"first"]);
        write(&mut journal, &[&[b'x'; 5000], b"second"]);
        assert_eq!(journal.unsettled(), Some(9));
        let second = [&[b'x'; 5000][..], b"second"].concat();
        let read = |void| Journal::open(&path, void).unwrap().1;
        assert_eq!(read(7), [b"first".to_vec(), second]);
        assert!(read(8).is_empty(), "9 is not in the first place");
        assert!(read(9).is_empty());
        // The next is written over the first; what lies behind it is older.
        journal.settled();
        write(&mut journal, &[b"third"]);
        assert_eq!(read(9), [b"third"]);
        drop(journal);
        let (mut journal, _) = Journal::open(&path, 9).unwrap();
        write(&mut journal, &[b"fourth"]);
        drop(journal);
        assert_eq!(
            read(10),
            [b"fourth"],
            "what was read counts as written, and is settled before more is"
        );
    }

    #[test]
    fn a_record_cut_short_or_spoilt_is_not_there_nor_any_behind_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("queue.db");
        let (mut journal, _) = Journal::open(&path, 0).unwrap();
        for record in [&b"one"[..], b"two", b"three"] {
            write(&mut journal, &[record]);
        }
        let whole = std::fs::read(beside(&path)).unwrap();
        for at in [4096, 4096 + 15, 4096 + HEAD + 2, 4096 + HEAD + 3 + HASH - 1] {
            let mut spoilt = whole.clone();
            spoilt[at] ^= 1;
            assert_eq!(records(&spoilt, 0), [b"one"], "octet {at}");
            assert_eq!(records(&whole[..at], 0), [b"one"], "cut at {at}");
        }
        assert_eq!(records(&whole, 0).len(), 3);
        // A length that reaches past every end.
        let mut lying = whole;
        lying[8..16].fill(0xff);
        assert!(records(&lying, 0).is_empty());
    }

    #[test]
    fn a_full_journal_says_so_and_begins_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("queue.db");
        let (mut journal, _) = Journal::open(&path, 0).unwrap();
        let half = vec![b'x'; usize::try_from(SIZE / 2).unwrap() - HEAD - HASH];
        write(&mut journal, &[&half]);
        write(&mut journal, &[&half]);
        assert!(!journal.write([&b"more"[..]].into_iter()).unwrap());
        assert_eq!(journal.unsettled(), Some(2));
        assert_eq!(Journal::open(&path, 0).unwrap().1.len(), 2);
        journal.settled();
        write(&mut journal, &[b"more"]);
        assert_eq!(Journal::open(&path, 2).unwrap().1, [b"more"]);
        assert_eq!(std::fs::metadata(beside(&path)).unwrap().len(), SIZE);
    }
}
