//! What is known for a while: values by name until they expire, bounded in number. Time is an argument.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

/// Values by name.
#[derive(Debug)]
pub struct Cache<V> {
    values: HashMap<String, (V, Instant)>,
    /// The names by when they expire.
    expiry: BTreeSet<(Instant, String)>,
    most: usize,
}

impl<V: Clone> Cache<V> {
    /// One that holds `most` values.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            values: HashMap::new(),
            expiry: BTreeSet::new(),
            most,
        }
    }

    /// The value of `name`, unless it has expired at `now`.
    pub fn get(&self, name: &str, now: Instant) -> Option<V> {
        let (value, until) = self.values.get(name)?;
        (now < *until).then(|| value.clone())
    }

    /// Keeps `value` of `name` until then. Where there is no place, what expires first goes.
    pub fn keep(&mut self, name: &str, value: V, until: Instant) {
        let old = self.values.insert(name.to_owned(), (value, until));
        if let Some((_, until)) = old {
            self.expiry.remove(&(until, name.to_owned()));
        }
        self.expiry.insert((until, name.to_owned()));
        while self.values.len() > self.most
            && let Some((_, name)) = self.expiry.pop_first()
        {
            self.values.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn values_are_known_until_they_expire_and_the_last_one_holds() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut cache = Cache::new(10);
        assert_eq!(cache.get("a", start), None);
        cache.keep("a", 1, at(5));
        assert_eq!(cache.get("a", at(4)), Some(1));
        assert_eq!(cache.get("a", at(5)), None);
        cache.keep("a", 2, at(3));
        assert_eq!(cache.get("a", at(2)), Some(2));
        assert_eq!(cache.get("a", at(4)), None);
        assert_eq!(cache.expiry.len(), 1);
    }

    #[test]
    fn what_expires_first_makes_place() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut cache = Cache::new(3);
        for (name, until) in [("late", 90), ("soon", 10), ("next", 20), ("new", 50)] {
            cache.keep(name, until, at(until));
        }
        assert_eq!(cache.get("soon", start), None);
        for name in ["late", "next", "new"] {
            assert!(cache.get(name, start).is_some(), "{name}");
        }
        for number in 0..100 {
            cache.keep(&number.to_string(), number, at(number));
            assert!(cache.values.len() <= 3 && cache.expiry.len() == cache.values.len());
        }
        assert_eq!(cache.get("99", start), Some(99));
        assert_eq!(cache.get("late", start), None);
    }
}
