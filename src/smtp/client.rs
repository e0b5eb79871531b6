//! The client: gives a message to a peer and says for each recipient how it ended.

use std::fmt;

use crate::rfc822::Status;

use super::Reply;

/// How it ended for one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The peer has taken responsibility.
    Delivered(Answer),
    /// Not now: try again later.
    Later(Answer),
    /// Never: the originator is to be told.
    Never(Answer),
}

impl Outcome {
    /// What lies behind the outcome.
    #[must_use]
    pub fn answer(&self) -> &Answer {
        match self {
            Self::Delivered(answer) | Self::Later(answer) | Self::Never(answer) => answer,
        }
    }
}

/// What lies behind an [`Outcome`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The enhanced status, the peer's own where it gave one; its class agrees with the outcome.
    pub status: Status,
    /// What the peer replied, if it was a reply that decided.
    pub reply: Option<Reply>,
    /// What happened, in one line of printable US-ASCII.
    pub text: String,
    /// The peer: `mail.example.org:25`, with the address in brackets once connected.
    pub peer: String,
    /// Whether the peer took the DSN parameters (RFC 3461); if not, who delivers to it answers
    /// NOTIFY=SUCCESS with a "relayed" notification (section 5.2.2).
    pub dsn: bool,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} said: {}", self.peer, self.text)
    }
}

/// What a peer offered in its reply to EHLO.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// `PIPELINING` (RFC 2920).
    pub pipelining: bool,
    /// `8BITMIME` (RFC 6152).
    pub eight_bit_mime: bool,
    /// `DSN` (RFC 3461).
    pub dsn: bool,
    /// `ENHANCEDSTATUSCODES` (RFC 2034).
    pub enhanced_status_codes: bool,
    /// `SMTPUTF8` (RFC 6531).
    pub smtputf8: bool,
    /// `SIZE` (RFC 1870): offered, and the largest message if one was named.
    pub size: Option<Option<u64>>,
}
