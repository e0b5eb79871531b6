//! UTCTime and GeneralizedTime to and from the date-time of mail, the offset kept.
//!
//! RFC 2156 section 3.3.5. Times are never moved to another zone: a time is what its clock showed
//! together with the offset of that clock.

use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, Zoned};

use crate::rfc822::date;

/// What a clock showed, and how far that clock was from UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time {
    /// Date and time of day as shown.
    pub civil: DateTime,
    /// Offset of the clock from UTC.
    pub offset: Offset,
}

impl Time {
    /// A moment as a clock at UTC shows it.
    #[must_use]
    pub fn utc(moment: Timestamp) -> Self {
        Self {
            civil: Offset::UTC.to_datetime(moment),
            offset: Offset::UTC,
        }
    }

    /// The moment, if it lies within what can be counted.
    #[must_use]
    pub fn moment(&self) -> Option<Timestamp> {
        self.offset.to_timestamp(self.civil).ok()
    }

    /// Reads the date-time of a mail, with the obsolete zone names and two-digit years.
    #[must_use]
    pub fn from_date_time(text: &str) -> Option<Self> {
        date::parse(text.as_bytes()).map(|zoned| Self::from(&zoned))
    }

    /// The date-time of a mail: four-digit year, numeric zone, day of the week.
    #[must_use]
    pub fn to_date_time(&self) -> String {
        format!(
            "{} {}",
            self.civil.strftime("%a, %-d %b %Y %H:%M:%S"),
            self.zone()
        )
    }

    /// Reads a UTCTime: `YYMMDDhhmm[ss]` and `Z` or `+hhmm`, the year between 1980 and 2079.
    ///
    /// A four-digit year is tolerated, as is a missing zone (UTC).
    #[must_use]
    pub fn from_utc_time(text: &str) -> Option<Self> {
        let (digits, offset) = split_zone(text)?;
        let two_digit_year = || {
            let (year, rest) = number(digits, 2)?;
            let century = if year >= 80 { 1900 } else { 2000 };
            civil(century + year, rest)
        };
        let civil = match digits.len() {
            10 => two_digit_year()?,
            12 => two_digit_year().or_else(|| four_digit_year(digits))?,
            14 => four_digit_year(digits)?,
            _ => return None,
        };
        Some(Self { civil, offset })
    }

    /// The UTCTime, in the form that says the offset: `YYMMDDhhmmss+hhmm`.
    #[must_use]
    pub fn to_utc_time(&self) -> String {
        format!("{}{}", self.civil.strftime("%y%m%d%H%M%S"), self.zone())
    }

    /// Reads a GeneralizedTime, `YYYYMMDDhh[mm[ss]][.f]` and its zone if any (else UTC); a fraction
    /// of a second is dropped.
    #[must_use]
    pub fn from_generalized_time(text: &str) -> Option<Self> {
        let (stated, offset) = split_zone(text)?;
        let digits = stated.split(['.', ',']).next()?;
        let civil = match digits.len() {
            10 => four_digit_year(&format!("{digits}00"))?,
            12 | 14 => four_digit_year(digits)?,
            _ => return None,
        };
        Some(Self { civil, offset })
    }

    /// The GeneralizedTime, with the offset.
    #[must_use]
    pub fn to_generalized_time(&self) -> String {
        format!("{}{}", self.civil.strftime("%Y%m%d%H%M%S"), self.zone())
    }

    /// `+hhmm` or `-hhmm`.
    fn zone(&self) -> String {
        let minutes = self.offset.seconds() / 60;
        let sign = if minutes < 0 { '-' } else { '+' };
        let minutes = minutes.abs();
        format!("{sign}{:02}{:02}", minutes / 60, minutes % 60)
    }
}

impl From<&Zoned> for Time {
    fn from(zoned: &Zoned) -> Self {
        let second = zoned.datetime().with().subsec_nanosecond(0).build();
        Self {
            civil: second.unwrap_or_else(|_| zoned.datetime()),
            offset: zoned.offset(),
        }
    }
}

impl From<Time> for Option<Zoned> {
    fn from(time: Time) -> Self {
        TimeZone::fixed(time.offset).to_zoned(time.civil).ok()
    }
}

/// The text before the zone, and the zone.
fn split_zone(text: &str) -> Option<(&str, Offset)> {
    let text = text.trim();
    if let Some(before) = text.strip_suffix(['Z', 'z']) {
        return Some((before, Offset::UTC));
    }
    let Some(at) = text.find(['+', '-']) else {
        return Some((text, Offset::UTC));
    };
    let (before, zone) = text.split_at_checked(at)?;
    let (sign, zone) = match zone.split_at_checked(1)? {
        ("-", zone) => (-1, zone),
        (_, zone) => (1, zone),
    };
    let (hours, rest) = number(zone, 2)?;
    let minutes = match rest.len() {
        0 => 0,
        2 => number(rest, 2)?.0,
        _ => return None,
    };
    (minutes < 60).then_some(())?;
    let offset = Offset::from_seconds(sign * (i32::from(hours) * 3600 + i32::from(minutes) * 60));
    Some((before, offset.ok()?))
}

/// `YYYYMMDDhhmm[ss]`.
fn four_digit_year(digits: &str) -> Option<DateTime> {
    let (year, rest) = number(digits, 4)?;
    civil(year, rest)
}

/// `MMDDhhmm[ss]` of a year; a leap second counts as the second before it.
fn civil(year: i16, rest: &str) -> Option<DateTime> {
    let (month, rest) = number(rest, 2)?;
    let (day, rest) = number(rest, 2)?;
    let (hour, rest) = number(rest, 2)?;
    let (minute, rest) = number(rest, 2)?;
    let second = if rest.is_empty() {
        0
    } else {
        number(rest, 2)?.0
    };
    let small = |value: i16| i8::try_from(value).ok();
    let date = Date::new(year, small(month)?, small(day)?).ok()?;
    let time = jiff::civil::Time::new(small(hour)?, small(minute)?, small(second.min(59))?, 0);
    (second <= 60).then_some(DateTime::from_parts(date, time.ok()?))
}

/// The first `length` digits as a number, and the rest.
fn number(text: &str, length: usize) -> Option<(i16, &str)> {
    let (digits, rest) = text.split_at_checked(length)?;
    let all_digits = digits.bytes().all(|octet| octet.is_ascii_digit());
    all_digits
        .then(|| digits.parse().ok())
        .flatten()
        .map(|value| (value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn from_utc(text: &str) -> String {
        Time::from_utc_time(text).map_or_else(|| "none".to_owned(), |time| time.to_date_time())
    }

    #[test]
    fn s3_3_5_the_zone_is_kept_as_it_was_said() {
        let time = Time::from_date_time("Fri, 21 Nov 1997 09:55:06 -0600").expect("a date");
        assert_eq!(time.to_utc_time(), "971121095506-0600");
        assert_eq!(time.to_date_time(), "Fri, 21 Nov 1997 09:55:06 -0600");
        assert_eq!(time.to_generalized_time(), "19971121095506-0600");
        assert_eq!(
            from_utc("9711210955-0600"),
            "Fri, 21 Nov 1997 09:55:00 -0600"
        );
        assert_eq!(from_utc("970601120000Z"), "Sun, 1 Jun 1997 12:00:00 +0000");
    }

    #[test]
    fn s3_3_5_two_digit_years_lie_between_1980_and_2079() {
        assert_eq!(from_utc("800101000000Z"), "Tue, 1 Jan 1980 00:00:00 +0000");
        assert_eq!(from_utc("791231235959Z"), "Sun, 31 Dec 2079 23:59:59 +0000");
    }

    #[test]
    fn s3_3_5_illegal_variants_are_tolerated() {
        assert_eq!(
            from_utc("19980315120000Z"),
            "Sun, 15 Mar 1998 12:00:00 +0000",
            "four digits"
        );
        assert_eq!(from_utc("199803151200Z"), "Sun, 15 Mar 1998 12:00:00 +0000");
        assert_eq!(
            from_utc("980315120000"),
            "Sun, 15 Mar 1998 12:00:00 +0000",
            "no zone"
        );
        assert_eq!(
            from_utc("981231235960Z"),
            "Thu, 31 Dec 1998 23:59:59 +0000",
            "leap second"
        );
        for wrong in [
            "",
            "Z",
            "98",
            "981332000000Z",
            "980315120000+99999",
            "98é315120000Z",
            "980229000000Z",
        ] {
            assert_eq!(from_utc(wrong), "none", "{wrong}");
        }
    }

    #[test]
    fn s3_3_5_old_dates_of_mail_are_read() {
        let read = |text| Time::from_date_time(text).map(|time| time.to_utc_time());
        assert_eq!(
            read("1 Jan 98 12:00 EST").as_deref(),
            Some("980101120000-0500")
        );
        assert_eq!(
            read("Mon, 1 Jan 1998 12:00:00 GMT").as_deref(),
            Some("980101120000+0000")
        );
        assert_eq!(read("yesterday"), None);
    }

    #[test]
    fn generalized_times_of_file_attributes() {
        let read = |text| Time::from_generalized_time(text).map(|time| time.to_date_time());
        assert_eq!(
            read("19970213153045.5+0100").as_deref(),
            Some("Thu, 13 Feb 1997 15:30:45 +0100")
        );
        assert_eq!(
            read("1997021315Z").as_deref(),
            Some("Thu, 13 Feb 1997 15:00:00 +0000")
        );
        assert_eq!(read("1997"), None);
    }

    proptest! {
        #[test]
        fn s3_3_5_times_come_back(
            second in 315_532_800_i64..3_471_292_800,
            minutes in -840_i32..=840,
        ) {
            let offset = Offset::from_seconds(minutes * 60).expect("an offset");
            let moment = Timestamp::from_second(second).expect("a moment");
            let time = Time { civil: offset.to_datetime(moment), offset };
            prop_assume!((1980..2080).contains(&time.civil.year()));
            prop_assert_eq!(Time::from_utc_time(&time.to_utc_time()), Some(time));
            prop_assert_eq!(Time::from_generalized_time(&time.to_generalized_time()), Some(time));
            prop_assert_eq!(Time::from_date_time(&time.to_date_time()), Some(time));
            prop_assert_eq!(time.moment(), Some(moment));
        }

        #[test]
        fn no_text_breaks_the_reader(text in "\\PC{0,30}") {
            let _ = Time::from_utc_time(&text);
            let _ = Time::from_generalized_time(&text);
            let _ = Time::from_date_time(&text);
        }
    }
}
