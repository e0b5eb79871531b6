//! Places where a test may kill the process: between two steps that must not be taken for one.
//!
//! `MIXGATE_FAILPOINT=committed-no-reply` in the environment aborts the process the first time it
//! comes by that place, `committed-no-reply:3` the third time. Unset, a place costs one load.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// The name of the environment variable.
pub const VARIABLE: &str = "MIXGATE_FAILPOINT";

/// The places, in the order a message comes by them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failpoint {
    /// The body is whole (and synced, where it is a file); its row is not committed.
    BodySyncedNoRow,
    /// What came is acknowledged by the journal of the queue; the tables do not have it.
    JournaledNotEntered,
    /// The row is committed; the SMTP client has not had its 250.
    CommittedNoReply,
    /// The next hop took the message; the outcome is not recorded.
    DeliveredNotRecorded,
    /// The activity end came; its confirmation is not sent.
    ActivityEndNoConfirm,
    /// The outcome is written; the report it asks for is not, and neither is committed.
    OutcomeNoReport,
}

impl Failpoint {
    /// Every place.
    pub const ALL: [Self; 6] = [
        Self::BodySyncedNoRow,
        Self::JournaledNotEntered,
        Self::CommittedNoReply,
        Self::DeliveredNotRecorded,
        Self::ActivityEndNoConfirm,
        Self::OutcomeNoReport,
    ];

    /// Its name in the environment.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::BodySyncedNoRow => "body-synced-no-row",
            Self::JournaledNotEntered => "journaled-not-entered",
            Self::CommittedNoReply => "committed-no-reply",
            Self::DeliveredNotRecorded => "delivered-not-recorded",
            Self::ActivityEndNoConfirm => "activity-end-no-confirm",
            Self::OutcomeNoReport => "outcome-no-report",
        }
    }

    /// Aborts the process if this place is armed and its count is reached.
    pub fn pass(self) {
        if let Some(armed) = ARMED.as_ref()
            && armed.place == self
            && armed.left.fetch_sub(1, Ordering::Relaxed) == 1
        {
            std::process::abort();
        }
    }
}

impl fmt::Display for Failpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The environment names no place of [`Failpoint::ALL`], or counts wrongly.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{VARIABLE}={0}: there is no such failpoint")]
pub struct Unknown(String);

/// A place and how often the process may still come by, the last time included.
#[derive(Debug)]
struct Armed {
    place: Failpoint,
    left: AtomicU32,
}

impl FromStr for Armed {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Self, Unknown> {
        let (name, count) = text.split_once(':').unwrap_or((text, "1"));
        let place = Failpoint::ALL
            .into_iter()
            .find(|place| place.name() == name);
        match (place, count.parse()) {
            (Some(place), Ok(count)) if count > 0 => Ok(Self {
                place,
                left: AtomicU32::new(count),
            }),
            _ => Err(Unknown(text.to_owned())),
        }
    }
}

static ARMED: LazyLock<Option<Armed>> = LazyLock::new(|| {
    std::env::var(VARIABLE)
        .ok()
        .and_then(|text| text.parse().ok())
});

/// Reads the environment.
///
/// # Errors
/// [`Unknown`] when it asks for a failpoint that does not exist: a test that waits for it would
/// wait for ever.
pub fn check() -> Result<(), Unknown> {
    match std::env::var(VARIABLE) {
        Ok(text) => text.parse::<Armed>().map(drop),
        Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_named_and_counted() {
        for place in Failpoint::ALL {
            let armed: Armed = format!("{place}:2").parse().unwrap();
            assert_eq!((armed.place, armed.left.into_inner()), (place, 2));
        }
        let once: Armed = "committed-no-reply".parse().unwrap();
        assert_eq!(once.left.into_inner(), 1);
        for text in [
            "",
            "committed",
            "committed-no-reply:0",
            "committed-no-reply:x",
        ] {
            assert_eq!(text.parse::<Armed>().err(), Some(Unknown(text.to_owned())));
        }
    }
}
