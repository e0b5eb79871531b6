//! Reliable transfer: whole APDUs of any size over an association, each confirmed (X.218, X.228);
//! no I/O.
//!
//! # What it does
//!
//! An RTSE user opens an association ([`Open`]), and whoever holds the *turn* transfers one APDU
//! after another. Each transfer is a session *activity*: the APDU is cut into segments of at most
//! the negotiated *checkpoint size*, a minor synchronization point stands between two segments, and
//! at most *window size* points may be unconfirmed. The end of the activity is confirmed only when
//! the receiving user has taken responsibility for the APDU ([`Request::TransferResponse`]); the
//! confirmation is what the sending user waits for.
//!
//! A transfer that breaks off after a point was confirmed can be resumed, on the same association
//! or another: the sending user is told from where ([`NotTransferred::resumption`]) and asks for it
//! ([`Request::Resume`]); the receiving user keeps what it has ([`Indication::TransferInterrupted`])
//! and finds it again ([`Indication::TransferResume`]), or refuses: it knows nothing of the activity
//! ([`Refusal::Unknown`]), and the transfer starts again; or it has the APDU already
//! ([`Refusal::Completed`]), and the transfer is confirmed by that.
//!
//! # How it is driven
//!
//! As every layer of [`super`]; it has two layers below, ACSE for opening and closing and presentation
//! for the rest, and no timers of its own. Octets are pulled: the machine asks for them with
//! [`Indication::Pull`] and is answered by [`Request::Octets`]; received ones are handed up as they
//! come with [`Indication::Octets`]. Neither side ever holds more than a segment.

mod apdu;
mod machine;
mod opening;
mod receiving;
mod sending;

use bytes::Bytes;

use super::presentation::{self, Address, Oid};
use super::{acse, session, spdu};

pub use crate::asn1::rtse::{AbortReason, RefuseReason};

pub use machine::Rtse;

/// A user's request or response primitive (X.218 clause 8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// RT-OPEN request: open an association as its initiator.
    Open(Box<Open>),
    /// RT-OPEN response: answer an [`Indication::Open`].
    OpenResponse(OpenResponse),
    /// RT-TRANSFER request: send an APDU; its octets are then pulled. Needs the turn.
    Transfer,
    /// RT-TRANSFER request for the rest of an APDU: its activity is resumed, and the octets after
    /// the point confirmed are pulled. Needs the turn.
    Resume(Box<Resumption>),
    /// The answer to an [`Indication::Pull`]: the next octets of the APDU.
    Octets {
        /// At most as many as were asked for; fewer is allowed, none only with `last`.
        octets: Bytes,
        /// Whether the APDU ends with them.
        last: bool,
    },
    /// The user cannot go on with the APDU it is sending: the activity is discarded.
    TransferStop,
    /// The user does not go on now with the APDU it is sending: the activity is interrupted, to be
    /// resumed; discarded if no point is confirmed.
    TransferInterrupt,
    /// The octets up to the point of an [`Indication::Checkpoint`] are secured.
    Secured {
        /// The serial number of the point.
        point: u32,
    },
    /// RT-TRANSFER response: the user takes responsibility for the APDU indicated to it.
    TransferResponse,
    /// The user refuses the APDU it is receiving, or has received and not yet answered.
    TransferRefuse(Refusal),
    /// RT-TURN-PLEASE request: ask for the turn; the smaller the number the more urgent.
    TurnPlease {
        /// The priority, 0 to 255.
        priority: u8,
    },
    /// RT-TURN-GIVE request: hand over the turn.
    TurnGive,
    /// RT-CLOSE request: release the association. Needs the turn, and no transfer under way.
    Close,
    /// RT-CLOSE response.
    CloseResponse,
    /// RT-U-ABORT request.
    Abort {
        /// Why, in words for a log; it is not sent.
        explanation: String,
    },
}

/// An indication or confirm primitive to the user (X.218 clause 8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Indication {
    /// RT-OPEN indication: a peer wants an association.
    Open(Box<Open>),
    /// RT-OPEN confirm: the association is open, or refused.
    OpenConfirm(Result<Opened, Refused>),
    /// The machine wants the next octets of the APDU being sent.
    Pull {
        /// At most so many.
        octets: usize,
    },
    /// RT-TRANSFER confirm: the peer has the APDU and the responsibility, or it has not.
    TransferConfirm(Result<(), NotTransferred>),
    /// The peer begins to send an APDU.
    TransferBegin {
        /// The activity.
        activity: Activity,
    },
    /// The peer goes on with an APDU of which it sent a part before: what follows are the octets
    /// after a point. The user refuses if it has not kept what came before.
    TransferResume {
        /// What the activity was called.
        old: Box<Activity>,
        /// What it is called from now on.
        activity: Activity,
        /// The last point the peer knows to be confirmed.
        point: u32,
    },
    /// Octets of the APDU being received, in order.
    Octets(Bytes),
    /// The peer marks a point: answer with [`Request::Secured`] when what came before it is secured.
    Checkpoint {
        /// The serial number of the point.
        point: u32,
    },
    /// RT-TRANSFER indication: the APDU is complete; answer with [`Request::TransferResponse`] when it
    /// is durable, or refuse it.
    Transfer,
    /// The APDU being received breaks off here; the peer may resume it.
    TransferInterrupted {
        /// Why, in words for a log.
        explanation: String,
    },
    /// The APDU being received will not be completed; forget its octets.
    TransferDiscarded {
        /// Why, in words for a log.
        explanation: String,
    },
    /// RT-TURN-PLEASE indication: the peer would like the turn.
    TurnPlease {
        /// The priority the peer gave, 0 the most urgent.
        priority: u8,
    },
    /// RT-TURN-GIVE indication: the turn is ours.
    TurnGive,
    /// RT-CLOSE indication: the peer releases the association.
    Close,
    /// RT-CLOSE confirm: the association is gone, in order.
    CloseConfirm,
    /// RT-U-ABORT indication: the peer's user gave the association up.
    UAbort {
        /// What the peer said, in words for a log.
        explanation: String,
    },
    /// RT-P-ABORT indication: the association is broken; a transfer under way was answered before
    /// with its [`Indication::TransferConfirm`].
    PAbort {
        /// What went wrong, in words for a log.
        explanation: String,
    },
}

/// The parameters of RT-OPEN (X.218 8.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// Normal mode, or X.410 (1984) mode with its application protocol.
    pub mode: Mode,
    /// The address called; in an indication, the one the peer called.
    pub called: Address,
    /// The address calling.
    pub calling: Address,
    /// How much may be sent between two points, in units of 1024 octets; 0 leaves it to the responder.
    pub checkpoint_size: u8,
    /// How many points may be unconfirmed.
    pub window_size: u8,
    /// Whether the turn can change hands.
    pub dialogue: Dialogue,
    /// Whether the initiator has the turn first.
    pub initiator_has_turn: bool,
    /// What the two sides will call this connection if it must be recovered.
    pub identifier: spdu::ConnectionIdentifier,
    /// The user's data, one element of BER: for P1 the MTA bind.
    pub user_data: Bytes,
}

/// How ACSE and presentation are used (X.228 clause 5, X.226 clause 5.8), and what is spoken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// Normal mode: ACSE and presentation contexts.
    Normal(Contexts),
    /// X.410 (1984) mode: the layers between RTSE and session say nothing, and segments are bare.
    X410 {
        /// What is spoken, as a number.
        application_protocol: i64,
    },
}

impl Mode {
    /// The mode of the layers below.
    #[must_use]
    pub fn below(&self) -> presentation::Mode {
        match self {
            Self::Normal(_) => presentation::Mode::Normal,
            Self::X410 { .. } => presentation::Mode::X410,
        }
    }
}

/// The names of what is spoken on an association in normal mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contexts {
    /// The application context name.
    pub application_context: Oid,
    /// The abstract syntax of the RTSE with the user's bind.
    pub rtse: Oid,
    /// The abstract syntax of the user's APDUs.
    pub user: Oid,
}

/// The presentation context identifier of ACSE on every association we initiate.
pub const ACSE_CONTEXT: u32 = 1;
/// The presentation context identifier of the RTSE on every association we initiate.
pub const RTSE_CONTEXT: u32 = 3;
/// The presentation context identifier of the user's APDUs on every association we initiate.
pub const USER_CONTEXT: u32 = 5;

/// Whether the turn can change hands (X.218 8.1.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialogue {
    /// Only the side that first has the turn transfers.
    Monologue,
    /// Two-way alternate: the turn is passed to and fro.
    TwoWayAlternate,
}

/// The answer to RT-OPEN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenResponse {
    /// The association is accepted.
    Accept {
        /// The greatest checkpoint size we take, in units of 1024 octets; 0 is no checkpoints.
        checkpoint_size: u8,
        /// The greatest window we take.
        window_size: u8,
        /// The user's data, one element of BER: for P1 the MTA bind result.
        user_data: Bytes,
    },
    /// The association is refused.
    Refuse {
        /// Why, which only X.410 mode tells; one that hears *busy* may try again.
        reason: RefuseReason,
        /// The user's data, one element of BER: for P1 the MTA bind error. X.410 mode has none.
        user_data: Bytes,
    },
}

/// An open association.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The checkpoint size agreed, in units of 1024 octets; 0 is no checkpoints.
    pub checkpoint_size: u8,
    /// The window agreed.
    pub window_size: u8,
    /// The responder's user data, one element of BER.
    pub user_data: Bytes,
}

/// An association refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Whether it may succeed later.
    pub transient: bool,
    /// The responder's user data, one element of BER, if its user refused.
    pub user_data: Option<Bytes>,
    /// The reason of its RTORJ, which only X.410 mode has.
    pub reason: Option<RefuseReason>,
    /// The reason of its RTAB, if it aborted instead of an answer.
    pub aborted: Option<AbortReason>,
    /// Which layer refused and why, in words for a log.
    pub explanation: String,
}

/// An activity, as it is called on any association (X.228 clause 7.8.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Activity {
    /// The session connection on which it was started.
    pub connection: spdu::ConnectionIdentifier,
    /// Its identifier there, up to 6 octets.
    pub identifier: Bytes,
}

/// A transfer that broke off: from where it can be resumed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resumption {
    /// The activity, as it was started.
    pub activity: Activity,
    /// The last point confirmed.
    pub point: u32,
    /// How many octets of the APDU come before that.
    pub octets: u64,
    /// Whether the activity was ended, so that the peer may have the APDU.
    pub ended: bool,
}

/// Why a received APDU is refused; the reasons of S-U-EXCEPTION-REPORT (X.215 13.6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// We cannot receive now: disk full, queue closed. Worth trying again.
    ReceivingAbilityJeopardized,
    /// Something on our side failed. Worth trying again.
    LocalError,
    /// The APDU can never be taken: too large, not an APDU.
    Unrecoverable,
    /// Nothing is known of the activity resumed. To be sent from its start.
    Unknown,
    /// The APDU of the activity resumed was taken before.
    Completed,
}

/// Why an APDU was not transferred, or is not known to have been.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotTransferred {
    /// Whether the peer may take it at another time.
    pub transient: bool,
    /// Whether the peer may have it all the same: the activity was ended, and neither its
    /// confirmation nor a refusal came (X.228 clause 7.4).
    pub in_doubt: bool,
    /// From where it can be resumed, if a point was confirmed.
    pub resumption: Option<Box<Resumption>>,
    /// Whether the peer did not go on with an activity resumed: it may take the APDU from its start.
    pub not_resumed: bool,
    /// What happened, in words for a log.
    pub explanation: String,
}

/// What an end is willing to do.
#[derive(Debug, Clone)]
pub struct Config {
    /// What is spoken on associations that peers open to us.
    pub contexts: Contexts,
    /// The longest APDU, in octets, that is sent in one piece to a peer that wants no checkpoints.
    pub max_unsegmented: usize,
}

/// Whose move it is; the owner of the clock decides how long to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// The user's, or nobody's.
    ForNobody,
    /// The peer's: it is to answer, to send or to confirm.
    ForPeer,
    /// Either's: the association stands idle.
    ForWork,
}

/// What the machine wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outgoing {
    /// Tell the user above.
    Indication(Indication),
    /// Ask this of association control.
    Acse(acse::Request),
    /// Ask this of the presentation layer.
    Presentation(presentation::Request),
}

impl Outgoing {
    /// A session request, which passes through the presentation layer unchanged.
    fn session(request: session::Request) -> Self {
        Self::Presentation(presentation::Request::Session(request))
    }
}

/// A request the service does not allow now; nothing was sent and nothing changed.
pub use super::presentation::Misuse;

/// What a layer below tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Below {
    /// Association control.
    Acse(acse::Indication),
    /// The presentation layer.
    Presentation(presentation::Indication),
}
