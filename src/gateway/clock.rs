//! The one place that reads the clock.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// Now.
#[must_use]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// `at` in the time zone of the place: conversions keep the offset (RFC 2156 section 3.3.5).
#[must_use]
pub fn in_place(at: Timestamp) -> Zoned {
    at.to_zoned(TimeZone::system())
}
