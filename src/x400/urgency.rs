//! How urgent a message is, and how long its transfer may take for that (X.411 clause 8.2.1.1.1.8,
//! X.218 clause 8.3).

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The priorities of X.411 (clause 8.2.1.1.1.8).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Urgency {
    /// Non-urgent.
    NonUrgent,
    /// Normal.
    #[default]
    Normal,
    /// Urgent.
    Urgent,
}

impl Urgency {
    /// The priority with which the turn is asked for to send a message; the less the more pressing.
    /// 0 is left for the release of the association (X.218 clause 9.4.1.1).
    #[must_use]
    pub fn priority(self) -> u8 {
        match self {
            Self::Urgent => 1,
            Self::Normal => 2,
            Self::NonUrgent => 3,
        }
    }
}

/// The transfer-time of X.218 (clause 8.3), by priority, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct TransferTime {
    /// Of urgent messages.
    pub urgent: u64,
    /// Of normal messages.
    pub normal: u64,
    /// Of non-urgent messages.
    pub non_urgent: u64,
}

impl Default for TransferTime {
    fn default() -> Self {
        Self {
            urgent: 900,
            normal: 1800,
            non_urgent: 3600,
        }
    }
}

impl TransferTime {
    /// How long a transfer of this priority may take.
    #[must_use]
    pub fn of(&self, urgency: Urgency) -> Duration {
        Duration::from_secs(match urgency {
            Urgency::NonUrgent => self.non_urgent,
            Urgency::Normal => self.normal,
            Urgency::Urgent => self.urgent,
        })
    }
}
