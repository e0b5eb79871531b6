//! What the queue keeps: an item, where it came from, and one row for each recipient.
//!
//! The serialised form is the one of `envelope.toml` and of `queue show --json`.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use ulid::Ulid;

use crate::rfc822::Envelope;

/// The one id of an item: a ULID, sortable by time of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ItemId(Ulid);

/// The text is no ULID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no queue id: 26 letters and digits (a ULID) are expected")]
pub struct NoItemId(String);

impl ItemId {
    /// A new id, of this moment and random.
    #[must_use]
    pub fn generate() -> Self {
        Self(Ulid::generate())
    }

    /// Some of its random bits.
    #[must_use]
    pub fn seed(self) -> u32 {
        let [.., a, b, c, d] = self.0.to_bytes();
        u32::from_be_bytes([a, b, c, d])
    }
}

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for ItemId {
    type Err = NoItemId;

    fn from_str(text: &str) -> Result<Self, NoItemId> {
        text.parse()
            .map(Self)
            .map_err(|_| NoItemId(text.chars().take(40).collect()))
    }
}

impl From<ItemId> for String {
    fn from(id: ItemId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for ItemId {
    type Error = NoItemId;

    fn try_from(text: String) -> Result<Self, NoItemId> {
        text.parse()
    }
}

/// The six levels of precedence, lowest first.
///
/// X.411 knows three: non-urgent is the lower of the first pair, normal of the second, urgent of
/// the third.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Non-urgent, the lower.
    Deferred,
    /// Non-urgent.
    Routine,
    /// Normal; what mail is that says nothing.
    #[default]
    Priority,
    /// Normal, the higher.
    Immediate,
    /// Urgent.
    Flash,
    /// Urgent, the higher.
    Override,
}

impl Priority {
    /// Every level, highest first.
    pub const DESCENDING: [Self; 6] = [
        Self::Override,
        Self::Flash,
        Self::Immediate,
        Self::Priority,
        Self::Routine,
        Self::Deferred,
    ];

    /// 0 (deferred) to 5 (override).
    #[must_use]
    pub fn level(self) -> u8 {
        match self {
            Self::Deferred => 0,
            Self::Routine => 1,
            Self::Priority => 2,
            Self::Immediate => 3,
            Self::Flash => 4,
            Self::Override => 5,
        }
    }

    /// The level of a number, if it is one.
    #[must_use]
    pub fn from_level(level: u8) -> Option<Self> {
        Self::DESCENDING
            .into_iter()
            .find(|priority| priority.level() == level)
    }
}

/// One message as it came in, and what became of it for each recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Item {
    /// Its id, in log, queue, trace and reports.
    #[serde(default = "ItemId::generate")]
    pub id: ItemId,
    /// When it came, to the millisecond.
    #[serde(default)]
    pub arrived: Timestamp,
    /// When its recipients expire.
    #[serde(default)]
    pub expires: Timestamp,
    /// Its precedence in the queue.
    #[serde(default)]
    pub priority: Priority,
    /// How many octets its body has; set by the store.
    #[serde(default)]
    pub size: u64,
    /// The neighbour it came from: an address, the name of a configured peer, or our own name.
    #[serde(default)]
    pub peer: String,
    /// The item this one reports on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<ItemId>,
    /// By which names reports, receipts and duplicates find it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identifiers: Vec<Identifier>,
    /// What came, and with which envelope.
    #[serde(flatten)]
    pub origin: Origin,
    /// The recipients this gateway is responsible for.
    #[serde(default, rename = "recipient")]
    pub recipients: Vec<Recipient>,
}

impl Item {
    /// The first identifier of a kind.
    #[must_use]
    pub fn identifier(&self, kind: IdentifierKind) -> Option<&str> {
        self.identifiers
            .iter()
            .find(|identifier| identifier.kind == kind)
            .map(|identifier| identifier.value.as_str())
    }

    /// Whether nothing is left to do for any recipient.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.recipients
            .iter()
            .all(|recipient| recipient.state.is_final())
    }
}

/// What form the body has, and the envelope that came with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// An Internet message; the body is RFC 5322 octets.
    Mail(Mail),
    /// An X.400 transfer; the body is one `MTS-APDU` (X.411), in BER.
    Transfer(Transfer),
}

impl Origin {
    /// The sender in text: the reverse-path, or the O/R address of the originator.
    #[must_use]
    pub fn sender(&self) -> String {
        match self {
            Self::Mail(mail) => mail
                .envelope
                .reverse_path
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            Self::Transfer(transfer) => transfer.originator.clone(),
        }
    }
}

/// How an Internet message came.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Mail {
    /// What the client called itself in HELO or EHLO.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub helo: String,
    /// The protocol as `with` of Received says it (RFC 3848): `SMTP`, `ESMTP`, `ESMTPS` …
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub protocol: String,
    /// What MAIL FROM and RCPT TO said.
    pub envelope: Envelope,
}

/// How an X.400 transfer came, and what its envelope says in brief: the whole is in the body.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Transfer {
    /// Which of the three APDUs it is.
    #[serde(default)]
    pub kind: TransferKind,
    /// The association it came by, as the log names it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub association: String,
    /// The O/R address of the originator (of a report: empty).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub originator: String,
    /// The content type of the envelope: `p2`, `p22`, `p772`, or dotted.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub content_type: String,
    /// After when it shall not be delivered any more (X.411 clause 8.2.1.1.1.13).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest: Option<Timestamp>,
}

/// The choices of `MTS-APDU` (X.411).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TransferKind {
    /// A message.
    #[default]
    Message,
    /// A report.
    Report,
    /// A probe.
    Probe,
}

/// A name by which an item is found again.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Identifier {
    /// What kind of name.
    pub kind: IdentifierKind,
    /// The name in its text form.
    pub value: String,
}

impl Identifier {
    /// An identifier of a kind.
    pub fn new(kind: IdentifierKind, value: impl Into<String>) -> Self {
        Self {
            kind,
            value: value.into(),
        }
    }
}

/// The kinds of names an item has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IdentifierKind {
    /// `Message-ID` (RFC 5322 section 3.6.4), angle brackets included.
    MessageId,
    /// `MTSIdentifier` (X.411), in the text form of RFC 2156 section 4.7.3.
    MtsIdentifier,
    /// `IPMIdentifier` (X.420), in text.
    IpmIdentifier,
    /// `ENVID` (RFC 3461 section 4.4), decoded.
    Envid,
    /// `ContentCorrelator` (X.411), in text.
    ContentCorrelator,
}

impl IdentifierKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::MessageId,
        Self::MtsIdentifier,
        Self::IpmIdentifier,
        Self::Envid,
        Self::ContentCorrelator,
    ];

    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::MessageId => "message-id",
            Self::MtsIdentifier => "mts-identifier",
            Self::IpmIdentifier => "ipm-identifier",
            Self::Envid => "envid",
            Self::ContentCorrelator => "content-correlator",
        }
    }
}

/// One recipient of an item, and how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Recipient {
    /// Which one: its place in the envelope of mail (from 0), or the
    /// originally-specified-recipient-number of a transfer.
    pub number: u32,
    /// Its address, as the envelope has it.
    pub address: String,
    /// The route, by the name of its destination.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub route: String,
    /// What the destination is given: `mail`, `p2`, `p22`, `report` …
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub content_type: String,
    /// How far it is.
    #[serde(default)]
    pub state: State,
    /// How often delivery was tried.
    #[serde(default)]
    pub attempts: u32,
    /// When the next attempt is due.
    #[serde(default)]
    pub next_due: Timestamp,
    /// Before when nothing is tried, whoever asks (X.411 clause 8.2.1.1.1.12).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// When the last attempt ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_attempt: Option<Timestamp>,
    /// The enhanced status of the last attempt (RFC 3463), `2.1.5`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// What the next hop, or we, said about the last attempt.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// The next hop of the last attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relay: Option<String>,
    /// What the last attempt left for the next to go on from, in the words of whoever sends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<String>,
    /// A report of delay was made (RFC 3461 section 4.1).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub delay_reported: bool,
}

impl Recipient {
    /// A recipient to be tried at `due`.
    pub fn new(
        number: u32,
        address: impl Into<String>,
        route: impl Into<String>,
        content_type: impl Into<String>,
        due: Timestamp,
    ) -> Self {
        Self {
            number,
            address: address.into(),
            route: route.into(),
            content_type: content_type.into(),
            state: State::Queued,
            attempts: 0,
            next_due: due,
            not_before: None,
            last_attempt: None,
            status: None,
            text: String::new(),
            relay: None,
            pinned: None,
            delay_reported: false,
        }
    }
}

/// How far a recipient is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Waiting for its next attempt, or being tried.
    #[default]
    Queued,
    /// Waiting for an operator.
    Held,
    /// The next hop is responsible for it now.
    Delivered,
    /// Given up; a report was made if one was asked for.
    Failed,
    /// Given up because its time ran out.
    Expired,
    /// Removed by an operator, without a report.
    Deleted,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 6] = [
        Self::Queued,
        Self::Held,
        Self::Delivered,
        Self::Failed,
        Self::Expired,
        Self::Deleted,
    ];

    /// Whether nothing more will happen.
    #[must_use]
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Held)
    }

    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Held => "held",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Deleted => "deleted",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
