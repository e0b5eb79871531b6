//! When a peer may be called: weekly windows, `mon-fri 08:00-18:00`.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};
use serde::{Deserialize, Serialize};

use crate::network::serde_as_text;

/// Minutes of a day.
const DAY: u16 = 24 * 60;
/// The days of a week, Monday first.
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// The windows in which a peer may be called; without any it may be called always.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Schedule(pub Vec<Window>);

/// A part of each week: days, and the time from which and until which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// A bit for each day on which it begins, Monday the lowest.
    days: u8,
    /// The minute of the day at which it begins.
    from: u16,
    /// The minute before which it ends; on the next day if it is not after `from`.
    to: u16,
}

/// The text is no window.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no window of a schedule: days and times are expected, as in mon-fri 08:00-18:00, \
     sat,sun 09:30-12:00, or 22:00-06:00 for every night"
)]
pub struct NoWindow(String);

impl FromStr for Window {
    type Err = NoWindow;

    fn from_str(text: &str) -> Result<Self, NoWindow> {
        let lower = text.trim().to_ascii_lowercase();
        let window = || {
            let (days, times) = match lower.split_once(char::is_whitespace) {
                Some((days, times)) => (read_days(days)?, times.trim()),
                None => (0x7f, lower.as_str()),
            };
            let (from, to) = times.split_once('-')?;
            let (from, to) = (read_minute(from)?, read_minute(to)?);
            (from < DAY && from != to).then_some(Self { days, from, to })
        };
        window().ok_or_else(|| NoWindow(text.chars().take(60).collect()))
    }
}

fn read_days(text: &str) -> Option<u8> {
    let day = |name: &str| DAYS.iter().position(|day| *day == name);
    let mut days = 0;
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (mut at, last) = (day(first)?, day(last)?);
        days |= 1 << at;
        while at != last {
            at = (at + 1) % 7;
            days |= 1 << at;
        }
    }
    Some(days)
}

fn read_minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    if hour.len() > 2 || minute.len() != 2 {
        return None;
    }
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    let all = hour.checked_mul(60)?.checked_add(minute)?;
    (minute < 60 && all <= DAY).then_some(all)
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.days != 0x7f {
            let days = (0..7).filter(|day| self.days & 1 << day != 0);
            let names: Vec<&str> = days.filter_map(|day| DAYS.get(day).copied()).collect();
            write!(f, "{} ", names.join(","))?;
        }
        let (from, to) = (self.from, self.to);
        write!(
            f,
            "{:02}:{:02}-{:02}:{:02}",
            from / 60,
            from % 60,
            to / 60,
            to % 60
        )
    }
}

serde_as_text!(Window);

impl Window {
    /// The times between which it is open when it begins on this date, if it does.
    fn on(&self, date: Date, zone: &TimeZone) -> Option<(Timestamp, Timestamp)> {
        let day = match date.weekday() {
            Weekday::Monday => 0,
            Weekday::Tuesday => 1,
            Weekday::Wednesday => 2,
            Weekday::Thursday => 3,
            Weekday::Friday => 4,
            Weekday::Saturday => 5,
            Weekday::Sunday => 6,
        };
        if self.days & 1 << day == 0 {
            return None;
        }
        let at = |date: Date, minute: u16| {
            let date = match minute {
                DAY => date.tomorrow().ok()?,
                _ => date,
            };
            let minute = i8::try_from(minute % DAY / 60)
                .ok()
                .zip(i8::try_from(minute % 60).ok());
            let (hour, minute) = minute?;
            // A time that a change of the clock skips is the one after the change.
            let zoned: Zoned = date.at(hour, minute, 0, 0).to_zoned(zone.clone()).ok()?;
            Some(zoned.timestamp())
        };
        let last = match self.to > self.from {
            true => date,
            false => date.tomorrow().ok()?,
        };
        Some((at(date, self.from)?, at(last, self.to)?))
    }
}

impl Schedule {
    /// Whether a peer may be called at this time.
    #[must_use]
    pub fn is_open(&self, now: Timestamp, zone: &TimeZone) -> bool {
        let open = |(from, to): (Timestamp, Timestamp)| from <= now && now < to;
        self.0.is_empty() || self.around(now, zone).into_iter().any(open)
    }

    /// When that changes next; `None` if it never does.
    #[must_use]
    pub fn changes(&self, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let open = self.is_open(now, zone);
        let mut ends: Vec<Timestamp> = self
            .around(now, zone)
            .into_iter()
            .flat_map(|(from, to)| [from, to])
            .filter(|end| *end > now)
            .collect();
        ends.sort_unstable();
        ends.into_iter()
            .find(|end| self.is_open(*end, zone) != open)
    }

    /// The windows that begin from the day before this time to a week after it.
    fn around(&self, now: Timestamp, zone: &TimeZone) -> Vec<(Timestamp, Timestamp)> {
        let today = now.to_zoned(zone.clone()).date();
        let days = (-1..=8).filter_map(|days: i64| today.checked_add(days.days()).ok());
        days.flat_map(|date| {
            self.0
                .iter()
                .filter_map(move |window| window.on(date, zone))
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone() -> TimeZone {
        // Central European time, with its changes of the clock.
        TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
    }

    fn at(text: &str) -> Timestamp {
        let civil: jiff::civil::DateTime = text.parse().unwrap();
        civil.to_zoned(zone()).unwrap().timestamp()
    }

    fn schedule(windows: &[&str]) -> Schedule {
        Schedule(windows.iter().map(|text| text.parse().unwrap()).collect())
    }

    #[test]
    fn windows_are_read_and_shown() {
        for (text, shown) in [
            ("Mon-Fri 08:00-18:00", "mon,tue,wed,thu,fri 08:00-18:00"),
            ("sat,sun  9:30-12:00", "sat,sun 09:30-12:00"),
            ("fri-mon 22:00-06:00", "mon,fri,sat,sun 22:00-06:00"),
            ("00:00-24:00", "00:00-24:00"),
            ("mon 22:00-00:00", "mon 22:00-00:00"),
        ] {
            let window: Window = text.parse().unwrap();
            assert_eq!(window.to_string(), shown);
            assert_eq!(shown.parse(), Ok(window));
        }
        for wrong in [
            "",
            "mon",
            "mon 08:00",
            "08:00-08:00",
            "8-18",
            "mon 24:00-02:00",
            "mon 08:60-09:00",
            "moon 08:00-09:00",
            "mon 08:00-25:00",
            "mon -1:00-02:00",
        ] {
            assert!(wrong.parse::<Window>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_schedule_is_open_in_its_windows_and_knows_when_that_changes() {
        let office = schedule(&[
            "mon-fri 08:00-12:00",
            "mon-fri 12:00-18:00",
            "sat 22:00-02:00",
        ]);
        // 2026-11-22 is a Sunday.
        for (now, open, changes) in [
            ("2026-11-22T01:59", true, "2026-11-22T02:00"),
            ("2026-11-22T02:00", false, "2026-11-23T08:00"),
            ("2026-11-23T08:00", true, "2026-11-23T18:00"),
            ("2026-11-23T18:00", false, "2026-11-24T08:00"),
            ("2026-11-27T18:00", false, "2026-11-28T22:00"),
        ] {
            assert_eq!(office.is_open(at(now), &zone()), open, "{now}");
            assert_eq!(office.changes(at(now), &zone()), Some(at(changes)), "{now}");
        }
        let once = schedule(&["sun 03:00-04:00"]);
        assert_eq!(
            once.changes(at("2026-11-22T04:00"), &zone()),
            Some(at("2026-11-29T03:00"))
        );
        for always in [schedule(&[]), schedule(&["00:00-24:00"])] {
            assert!(always.is_open(at("2026-11-22T12:00"), &zone()));
        }
        assert_eq!(schedule(&[]).changes(at("2026-11-22T12:00"), &zone()), None);
    }

    #[test]
    fn windows_keep_to_the_clock_on_the_wall() {
        let night = schedule(&["02:30-05:00"]);
        // On 2026-03-29 there is no 02:30: it becomes 03:30.
        assert!(!night.is_open(at("2026-03-29T01:59"), &zone()));
        assert!(night.is_open(at("2026-03-29T03:30"), &zone()));
        let day = schedule(&["08:00-09:00"]);
        for date in ["2026-03-28", "2026-03-29", "2026-10-25"] {
            assert!(day.is_open(at(&format!("{date}T08:00")), &zone()));
            assert!(!day.is_open(at(&format!("{date}T07:59")), &zone()));
        }
    }
}
