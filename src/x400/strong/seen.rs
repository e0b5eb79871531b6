//! The random numbers of tokens that were taken, as long as their tokens would be taken again.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::Fault;

/// How many are remembered of one peer: 4096 binds within the window are more than any has.
pub(super) const MOST: usize = 4096;

/// The digests of random numbers, and until when each is remembered, by peer.
#[derive(Debug, Default)]
pub(super) struct Seen(HashMap<String, BTreeMap<[u8; 32], Timestamp>>);

impl Seen {
    /// Remembers a random number of a peer that is configured, whose token was found good in all
    /// else.
    ///
    /// # Errors
    /// It came before, or as many as can be remembered have come.
    pub(super) fn note(
        &mut self,
        peer: &str,
        random: &[u8],
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let seen = self.0.entry(peer.to_owned()).or_default();
        seen.retain(|_, until| *until >= now);
        let digest = Sha256::digest(random).into();
        if seen.contains_key(&digest) {
            return Err(Fault::Replayed);
        }
        if seen.len() >= MOST {
            return Err(Fault::Many);
        }
        seen.insert(digest, until);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x509_random_numbers_are_remembered_as_long_as_they_matter_and_no_more_than_fit() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut seen = Seen::default();
        assert!(seen.note("hub", b"once", at(100), at(0)).is_ok());
        let again = seen.note("hub", b"once", at(100), at(100));
        assert!(matches!(again, Err(Fault::Replayed)));
        assert!(seen.note("spoke", b"once", at(100), at(100)).is_ok());
        assert!(
            seen.note("hub", b"once", at(200), at(101)).is_ok(),
            "too old for its time"
        );
        for number in 1..MOST {
            assert!(
                seen.note("hub", &number.to_be_bytes(), at(150), at(101))
                    .is_ok()
            );
        }
        let more = |seen: &mut Seen, now| seen.note("hub", b"more", at(300), at(now));
        assert!(matches!(more(&mut seen, 150), Err(Fault::Many)));
        assert!(
            seen.note("spoke", b"more", at(300), at(150)).is_ok(),
            "others go on"
        );
        assert!(more(&mut seen, 151).is_ok());
    }
}
