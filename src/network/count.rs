//! How many connections each address has at this moment.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// The connections of every address; an IPv6 host is its /64.
#[derive(Debug, Clone, Default)]
pub struct Counts(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One connection of an address, counted while it lives.
#[derive(Debug)]
pub struct Count {
    counts: Counts,
    address: IpAddr,
    number: usize,
}

impl Counts {
    /// Counts one more connection of `address`.
    #[must_use]
    pub fn count(&self, address: IpAddr) -> Count {
        let address = match address.to_canonical() {
            IpAddr::V6(address) => {
                IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)))
            }
            address => address,
        };
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = counts.entry(address).or_insert(0);
        *number += 1;
        Count {
            counts: self.clone(),
            address,
            number: *number,
        }
    }
}

impl Count {
    /// How many connections the address had when this one came, this one included.
    #[must_use]
    pub fn number(&self) -> usize {
        self.number
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        let counts = &self.counts.0;
        let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = counts.entry(self.address) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_count_while_they_live() {
        let counts = Counts::default();
        let number = |address: &str| counts.count(address.parse().unwrap());
        let held = [number("192.0.2.1"), number("::ffff:192.0.2.1")];
        assert_eq!(held.each_ref().map(Count::number), [1, 2]);
        let held_6 = [
            number("2001:db8::1"),
            number("2001:db8::2"),
            number("2001:db8:0:1::1"),
        ];
        assert_eq!(
            held_6.each_ref().map(Count::number),
            [1, 2, 1],
            "a host is its /64"
        );
        drop((held, held_6));
        assert_eq!(number("192.0.2.1").number(), 1);
        assert!(
            counts.0.lock().unwrap().is_empty(),
            "nothing is kept of who is gone"
        );
    }
}
