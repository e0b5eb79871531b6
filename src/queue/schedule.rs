//! When to try again and when to give up: pure functions of the time that is handed in.
//!
//! Intervals grow (RFC 5321 section 4.5.4.1) and are the shorter the more urgent an item is: so
//! many attempts as `ATTEMPTS` says fit into the life of every priority. Each item has its own small
//! deviation, so that what failed together is not tried again together.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::item::{Item, ItemId, Priority};

/// Attempts that fit into the life of an item at least, whatever its priority.
const ATTEMPTS: i32 = 24;

/// A time to wait, longer than nothing; in text `30s`, `5m`, `1h 30m`, `5d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Wait(SignedDuration);

/// The text is no time to wait.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no time to wait: one longer than nothing is expected, as in 30s, 5m, 1h 30m, 5d")]
pub struct NoWait(String);

impl Wait {
    /// So many minutes.
    #[must_use]
    pub const fn minutes(minutes: u16) -> Self {
        Self(SignedDuration::from_secs(minutes as i64 * 60))
    }

    /// So many days.
    #[must_use]
    pub const fn days(days: u16) -> Self {
        Self(SignedDuration::from_hours(days as i64 * 24))
    }

    /// As a duration.
    #[must_use]
    pub fn duration(self) -> SignedDuration {
        self.0
    }
}

impl TryFrom<String> for Wait {
    type Error = NoWait;

    /// Days are of 24 hours here; jiff leaves them to calendars.
    fn try_from(text: String) -> Result<Self, NoWait> {
        let wait = || {
            let trimmed = text.trim();
            let (days, rest) = match trimmed.split_once('d') {
                Some((days, rest)) => (days.trim().parse::<u16>().ok()?, rest.trim()),
                None => (0, trimmed),
            };
            let rest = match rest {
                "" if days > 0 => SignedDuration::ZERO,
                rest => rest.parse().ok()?,
            };
            Self::days(days)
                .0
                .checked_add(rest)
                .filter(|wait| wait.is_positive())
                .map(Self)
        };
        wait().ok_or_else(|| NoWait(text.chars().take(40).collect()))
    }
}

impl From<Wait> for String {
    fn from(Wait(wait): Wait) -> Self {
        let days = wait.as_hours() / 24;
        let rest = wait - SignedDuration::from_hours(days * 24);
        match (days, rest.is_zero()) {
            (0, _) => format!("{rest:#}"),
            (days, true) => format!("{days}d"),
            (days, false) => format!("{days}d {rest:#}"),
        }
    }
}

/// The retry times of the queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Schedule {
    /// The interval after the first attempt, the second …; the last is that of all that follow.
    pub retry: Vec<Wait>,
    /// How long an item of each priority lives.
    pub expire: Expire,
    /// After which time a report of delay is due, where one is asked for.
    pub delay_report: Wait,
}

impl Default for Schedule {
    fn default() -> Self {
        let retry = [1, 2, 5, 10, 15, 30, 60, 120, 240];
        Self {
            retry: retry.into_iter().map(Wait::minutes).collect(),
            expire: Expire::default(),
            delay_report: Wait::minutes(240),
        }
    }
}

/// How long an item lives, by its priority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Expire {
    /// Non-urgent, the lower.
    pub deferred: Wait,
    /// Non-urgent.
    pub routine: Wait,
    /// Normal: four to five days at least, says RFC 5321 section 4.5.4.1.
    pub priority: Wait,
    /// Normal, the higher.
    pub immediate: Wait,
    /// Urgent: whoever sent it wants to know soon.
    pub flash: Wait,
    /// Urgent, the higher.
    pub r#override: Wait,
}

impl Default for Expire {
    fn default() -> Self {
        Self {
            deferred: Wait::days(5),
            routine: Wait::days(5),
            priority: Wait::days(5),
            immediate: Wait::days(5),
            flash: Wait::days(1),
            r#override: Wait::minutes(720),
        }
    }
}

/// What follows an attempt that failed for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Try again.
    Retry(Timestamp),
    /// Give up: its time has run out.
    Expire,
}

impl Schedule {
    /// How long an item of a priority lives.
    #[must_use]
    pub fn life(&self, priority: Priority) -> SignedDuration {
        let life = match priority {
            Priority::Deferred => self.expire.deferred,
            Priority::Routine => self.expire.routine,
            Priority::Priority => self.expire.priority,
            Priority::Immediate => self.expire.immediate,
            Priority::Flash => self.expire.flash,
            Priority::Override => self.expire.r#override,
        };
        life.0
    }

    /// When an item that came at `arrived` expires.
    #[must_use]
    pub fn expires(&self, priority: Priority, arrived: Timestamp) -> Timestamp {
        arrived
            .checked_add(self.life(priority))
            .unwrap_or(Timestamp::MAX)
    }

    /// What follows the `attempts`th attempt, which failed for now at `now`. The last attempt is
    /// made when the item expires.
    #[must_use]
    pub fn next(&self, item: &Item, attempts: u32, now: Timestamp) -> Next {
        if now >= item.expires {
            return Next::Expire;
        }
        let longest = self.life(item.priority) / ATTEMPTS;
        let place = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX);
        let interval = self
            .retry
            .get(place)
            .or(self.retry.last())
            .map_or(longest, |Wait(interval)| (*interval).min(longest));
        let interval = interval
            .mul_f64(deviation(item.id, attempts))
            .max(SignedDuration::from_secs(1));
        let due = now.checked_add(interval).unwrap_or(Timestamp::MAX);
        Next::Retry(due.min(item.expires))
    }

    /// Whether a report of delay is due.
    #[must_use]
    pub fn delayed(&self, arrived: Timestamp, now: Timestamp) -> bool {
        now >= self.delay_reported(arrived)
    }

    /// When a report of delay is due.
    #[must_use]
    pub fn delay_reported(&self, arrived: Timestamp) -> Timestamp {
        let due = arrived.checked_add(self.delay_report.0);
        due.unwrap_or(Timestamp::MAX)
    }
}

/// Between 0.9 and 1.1, the same for the same item and attempt.
fn deviation(id: ItemId, attempts: u32) -> f64 {
    let mixed = id.seed().wrapping_add(attempts).wrapping_mul(0x9e37_79b9);
    0.9 + 0.2 * f64::from(mixed >> 16) / f64::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::item::{Mail, Origin};

    fn item(priority: Priority, schedule: &Schedule) -> Item {
        let arrived = Timestamp::from_second(1_790_000_000).unwrap();
        Item {
            id: ItemId::generate(),
            arrived,
            expires: schedule.expires(priority, arrived),
            priority,
            size: 0,
            peer: String::new(),
            cause: None,
            identifiers: Vec::new(),
            origin: Origin::Mail(Mail::default()),
            recipients: Vec::new(),
        }
    }

    /// Fails every attempt until it expires; the intervals.
    fn live(item: &Item, schedule: &Schedule) -> Vec<SignedDuration> {
        let (mut now, mut intervals) = (item.arrived, Vec::new());
        for attempts in 1.. {
            let Next::Retry(due) = schedule.next(item, attempts, now) else {
                break;
            };
            assert!(due > now && due <= item.expires);
            intervals.push(due.duration_since(now));
            now = due;
        }
        assert_eq!(
            now, item.expires,
            "the last attempt is made when it expires"
        );
        intervals
    }

    #[test]
    fn rfc5321_4_5_4_1_intervals_grow_and_end_after_days() {
        let schedule = Schedule::default();
        let intervals = live(&item(Priority::Priority, &schedule), &schedule);
        let minutes: Vec<i64> = intervals.iter().map(|i| i.as_secs() / 60).collect();
        assert!((0..=1).contains(&minutes[0]), "{minutes:?}");
        assert!((216..=264).contains(&minutes[8]), "{minutes:?}");
        assert!((36..60).contains(&intervals.len()), "{minutes:?}");
    }

    #[test]
    fn the_more_urgent_the_sooner_tried_and_the_sooner_given_up() {
        let schedule = Schedule::default();
        for priority in [Priority::Flash, Priority::Override] {
            let intervals = live(&item(priority, &schedule), &schedule);
            let longest = intervals.iter().max().unwrap();
            assert!(intervals.len() >= 24);
            assert!(*longest <= schedule.life(priority) / 20, "{longest:?}");
        }
        assert!(schedule.life(Priority::Override) < schedule.life(Priority::Routine));
    }

    #[test]
    fn what_failed_together_is_not_tried_together_but_always_at_its_own_time() {
        let schedule = Schedule::default();
        let mut dues: Vec<Timestamp> = Vec::new();
        for _ in 0..50 {
            let item = item(Priority::Priority, &schedule);
            let next = schedule.next(&item, 9, item.arrived);
            assert_eq!(next, schedule.next(&item, 9, item.arrived));
            let Next::Retry(due) = next else {
                panic!("expired")
            };
            dues.push(due);
        }
        dues.sort();
        assert!(dues[49].duration_since(dues[0]) > SignedDuration::from_mins(10));
    }

    #[test]
    fn a_report_of_delay_is_due_after_hours() {
        let schedule = Schedule::default();
        let arrived = Timestamp::UNIX_EPOCH;
        let at = |minutes| arrived + SignedDuration::from_mins(minutes);
        assert!(!schedule.delayed(arrived, at(239)));
        assert!(schedule.delayed(arrived, at(240)));
    }

    #[test]
    fn the_schedule_is_what_its_toml_says() {
        let text = "retry = ['30s', '1h 30m']\ndelay-report = '1d 12h'\n[expire]\nflash = '2d'\n";
        let schedule: Schedule = toml::from_str(text).unwrap();
        assert_eq!(schedule.retry[1].duration(), SignedDuration::from_mins(90));
        assert_eq!(
            schedule.delay_report.duration(),
            SignedDuration::from_hours(36)
        );
        assert_eq!(
            schedule.life(Priority::Flash),
            SignedDuration::from_hours(48)
        );
        let written = toml::to_string(&schedule).unwrap();
        assert!(written.contains("delay-report = \"1d 12h\""), "{written}");
        assert_eq!(toml::from_str::<Schedule>(&written).unwrap(), schedule);
        for bad in [
            "retry = ['0s']",
            "retry = ['-5m']",
            "retry = ['soon']",
            "retries = []",
        ] {
            assert!(toml::from_str::<Schedule>(bad).is_err(), "{bad}");
        }
    }
}
