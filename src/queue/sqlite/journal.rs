//! The journal of arrivals: what was taken last, as one short write that is synced in the place of
//! the tables.
//!
//! A message changes a dozen pages of the tables. So that its sender need not wait until they are
//! changed and on the disk, arrivals are written here first, synced and acknowledged; then the tables are
//! changed, without a sync. Whatever else changes the tables syncs them, and with them all that came
//! before. What a kill or a power cut keeps from the tables is entered from here at the next start.
//!
//! A record is of one commit: the [`FORMAT`] of its contents; its number, one more than that of the record
//! before; the length of what follows; the arrivals; a SHA-256 of all that and of a salt that stands in the
//! tables alone, so that neither another queue's records nor octets of a body are taken for one. It begins
//! at a multiple of [`BLOCK`], so that writing it touches no other. The tables keep the number up to which
//! they hold everything themselves (`epoch.journaled`): records up to it are void, and the next one is
//! written over the first.
//!
//! When it is not certain what stands there, or which number the tables have, nothing is written until the
//! tables are synced with the last number used: behind a hole nothing would be found again.

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
/// What arrivals look like in a record: JSON and body, as `arrive` has them.
const FORMAT: u8 = 1;
/// Octets of the format, the number and the length before a record.
const HEAD: usize = 17;
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
    /// Whether the last record, or the number in the tables, is uncertain.
    doubtful: bool,
    /// What is hashed with each record.
    salt: Vec<u8>,
}

impl Journal {
    /// Opens the journal of the queue at `path`, or makes it; also gives the records that are not void,
    /// in order. Until [`Journal::settled`] says that the tables have them, nothing is written.
    pub(super) fn open(path: &Path, void: i64, salt: Vec<u8>) -> io::Result<(Self, Vec<Vec<u8>>)> {
        let path = beside(path);
        let octets = match std::fs::read(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            read => read.unwrap_or_default(),
        };
        let records = records(&octets, void, &salt)?;
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
            doubtful: !records.is_empty(),
            salt,
        };
        Ok((journal, records))
    }

    /// Writes a record of these parts and syncs it; whether there was room, and no doubt. After an error
    /// it may be there or not.
    pub(super) fn write<'a>(&mut self, parts: impl Iterator<Item = &'a [u8]>) -> io::Result<bool> {
        if self.doubtful {
            return Ok(false);
        }
        let number = self.last + 1;
        let mut octets = vec![FORMAT];
        octets.extend(number.to_be_bytes());
        octets.extend([0; 8]);
        parts.for_each(|part| octets.extend_from_slice(part));
        let length = (octets.len() - HEAD) as u64;
        let place = octets.iter_mut().skip(HEAD - 8);
        place
            .zip(length.to_be_bytes())
            .for_each(|(at, octet)| *at = octet);
        let hash = hash(&self.salt, &octets);
        octets.extend_from_slice(&hash);
        let end = (self.at + octets.len() as u64).next_multiple_of(BLOCK);
        if end > SIZE {
            return Ok(false);
        }
        // Whatever comes of it: the number is used.
        self.doubtful = true;
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
        self.doubtful = false;
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

    /// The tables may have been given [`Journal::last`], or not.
    pub(super) fn doubt(&mut self) {
        self.doubtful = true;
    }

    /// The tables were synced, with [`Journal::last`] in them.
    pub(super) fn settled(&mut self) {
        self.doubtful = false;
        self.void = self.last;
        self.at = 0;
    }
}

fn hash(salt: &[u8], record: &[u8]) -> [u8; HASH] {
    let hash = Sha256::new().chain_update(salt);
    hash.chain_update(record).finalize().into()
}

/// The records behind number `void`, in order, up to the first that is not whole or not the next.
fn records(mut octets: &[u8], void: i64, salt: &[u8]) -> io::Result<Vec<Vec<u8>>> {
    let mut records = Vec::new();
    let mut number = void;
    while let Some((format, record, rest)) = record(octets, number + 1, salt) {
        if format != FORMAT {
            let text = format!("the journal has format {format}, this version knows {FORMAT}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        records.push(record.to_vec());
        number += 1;
        octets = rest;
    }
    Ok(records)
}

/// The first record, if it is whole and has this number: its format, what it holds, and what is behind it.
fn record<'a>(octets: &'a [u8], number: i64, salt: &[u8]) -> Option<(u8, &'a [u8], &'a [u8])> {
    let (format, rest) = octets.split_first()?;
    let (found, rest) = rest.split_first_chunk::<8>()?;
    let (length, _) = rest.split_first_chunk::<8>()?;
    let length = usize::try_from(u64::from_be_bytes(*length)).ok()?;
    let end = length.checked_add(HEAD)?;
    let hashed = octets.get(..end)?;
    let written = octets.get(end..end.checked_add(HASH)?)?;
    if i64::from_be_bytes(*found) != number || hash(salt, hashed) != written {
        return None;
    }
    let next = (end + HASH).next_multiple_of(usize::try_from(BLOCK).ok()?);
    let rest = octets.get(next..).unwrap_or_default();
    Some((*format, hashed.get(HEAD..)?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: &[u8] = b"salt";

    fn open(path: &Path, void: i64) -> (Journal, Vec<Vec<u8>>) {
        Journal::open(path, void, SALT.to_vec()).unwrap()
    }

    fn records(octets: &[u8], void: i64) -> Vec<Vec<u8>> {
        super::records(octets, void, SALT).unwrap()
    }

    fn write(journal: &mut Journal, parts: &[&[u8]]) {
        assert!(journal.write(parts.iter().copied()).unwrap());
    }

    #[test]
    fn what_was_written_is_read_again_until_it_is_void() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("queue.db");
        let (mut journal, old) = open(&path, 7);
        assert!(old.is_empty());
        assert_eq!(journal.unsettled(), None);
        write(&mut journal, &[b"first"]);
        write(&mut journal, &[&[b'x'; 5000], b"second"]);
        assert_eq!(journal.unsettled(), Some(9));
        let second = [&[b'x'; 5000][..], b"second"].concat();
        let read = |void| open(&path, void).1;
        assert_eq!(read(7), [b"first".to_vec(), second]);
        assert!(read(8).is_empty(), "9 is not in the first place");
        assert!(read(9).is_empty());
        // The next is written over the first; what lies behind it is older.
        journal.settled();
        write(&mut journal, &[b"third"]);
        assert_eq!(read(9), [b"third"]);
        drop(journal);
        // What was read stays until the tables have it.
        let (mut journal, _) = open(&path, 9);
        assert!(!journal.write([&b"fourth"[..]].into_iter()).unwrap());
        journal.settled();
        write(&mut journal, &[b"fourth"]);
        drop(journal);
        assert_eq!(read(10), [b"fourth"]);
    }

    #[test]
    fn a_record_cut_short_or_spoilt_is_not_there_nor_any_behind_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("queue.db");
        let (mut journal, _) = open(&path, 0);
        for record in [&b"one"[..], b"two", b"three"] {
            write(&mut journal, &[record]);
        }
        let whole = std::fs::read(beside(&path)).unwrap();
        for at in [
            4096,
            4096 + HEAD - 1,
            4096 + HEAD + 2,
            4096 + HEAD + 3 + HASH - 1,
        ] {
            let mut spoilt = whole.clone();
            spoilt[at] ^= 1;
            assert_eq!(records(&spoilt, 0), [b"one"], "octet {at}");
            assert_eq!(records(&whole[..at], 0), [b"one"], "cut at {at}");
        }
        assert_eq!(records(&whole, 0).len(), 3);
        // A length that reaches past every end.
        let mut lying = whole;
        lying[9..17].fill(0xff);
        assert!(records(&lying, 0).is_empty());
    }

    #[test]
    fn what_another_queue_or_a_body_left_there_is_no_record() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("queue.db");
        let (mut journal, _) = open(&path, 0);
        write(&mut journal, &[b"one"]);
        let other = Journal::open(&path, 0, b"other".to_vec()).unwrap();
        assert!(other.1.is_empty());
        // A whole record for whoever does not know the salt, where the next one would be.
        let mut forged = [
            &[FORMAT][..],
            &2_i64.to_be_bytes(),
            &3_u64.to_be_bytes(),
            b"two",
        ]
        .concat();
        forged.extend(Sha256::digest(&forged));
        let mut body = vec![0; 4096 - HEAD];
        body.extend(forged);
        journal.settled();
        write(&mut journal, &[&body]);
        journal.settled();
        write(&mut journal, &[b"three"]);
        assert_eq!(open(&path, 2).1, [b"three"]);
        // One of a later version is refused rather than passed over.
        let mut later = std::fs::read(beside(&path)).unwrap();
        later[0] = FORMAT + 1;
        let hashed = HEAD + b"three".len();
        let hash = hash(SALT, &later[..hashed]);
        later[hashed..hashed + HASH].copy_from_slice(&hash);
        let refused = super::records(&later, 2, SALT).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the journal has format 2, this version knows 1"
        );
    }

    #[test]
    fn behind_a_record_in_doubt_nothing_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("queue.db");
        let (mut journal, _) = open(&path, 0);
        write(&mut journal, &[b"one"]);
        let sound = journal.file.try_clone().unwrap();
        journal.spoil();
        assert!(journal.write([&b"two"[..]].into_iter()).is_err());
        journal.file = sound;
        assert!(!journal.write([&b"three"[..]].into_iter()).unwrap());
        assert_eq!((journal.unsettled(), journal.last()), (Some(2), 2));
        journal.settled();
        write(&mut journal, &[b"three"]);
        assert_eq!(open(&path, 2).1, [b"three"]);
        journal.doubt();
        assert!(!journal.write([&b"four"[..]].into_iter()).unwrap());
    }

    #[test]
    fn a_full_journal_says_so_and_begins_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("queue.db");
        let (mut journal, _) = open(&path, 0);
        let half = vec![b'x'; usize::try_from(SIZE / 2).unwrap() - HEAD - HASH];
        write(&mut journal, &[&half]);
        write(&mut journal, &[&half]);
        assert!(!journal.write([&b"more"[..]].into_iter()).unwrap());
        assert_eq!(journal.unsettled(), Some(2));
        assert_eq!(open(&path, 0).1.len(), 2);
        journal.settled();
        write(&mut journal, &[b"more"]);
        assert_eq!(open(&path, 2).1, [b"more"]);
        assert_eq!(std::fs::metadata(beside(&path)).unwrap().len(), SIZE);
    }
}
