//! Who has which recipient on loan: in memory, since a restart ends every loan.
//!
//! A token carries the count of openings in its upper half, so that a claim made before a restart
//! fits no loan made after it.

use std::collections::HashMap;

use jiff::Timestamp;

/// A recipient: the row of its item, and its number.
pub(super) type Key = (i64, u32);

#[derive(Debug, Clone, Copy)]
struct Lease {
    token: u64,
    until: Timestamp,
}

/// The loans.
#[derive(Debug)]
pub(super) struct Leases {
    last: u64,
    held: HashMap<Key, Lease>,
}

impl Leases {
    /// No loans, after the store was opened `epoch` times.
    pub(super) fn new(epoch: u32) -> Self {
        Self {
            last: u64::from(epoch) << 32,
            held: HashMap::new(),
        }
    }

    /// The next token.
    pub(super) fn token(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// When the loan of a recipient ends, if it is on loan.
    pub(super) fn until(&self, key: Key, now: Timestamp) -> Option<Timestamp> {
        self.held
            .get(&key)
            .map(|lease| lease.until)
            .filter(|until| *until > now)
    }

    /// Lends a recipient, or lends it for longer.
    pub(super) fn lend(&mut self, key: Key, token: u64, until: Timestamp) {
        self.held.insert(key, Lease { token, until });
    }

    /// Whether all are lent under this token and none was lent again since.
    pub(super) fn hold(&self, keys: &[Key], token: u64) -> bool {
        keys.iter()
            .all(|key| self.held.get(key).is_some_and(|lease| lease.token == token))
    }

    /// Ends loans.
    pub(super) fn give_back(&mut self, keys: &[Key]) {
        for key in keys {
            self.held.remove(key);
        }
    }
}
