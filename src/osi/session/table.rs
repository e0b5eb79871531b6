//! The state table of the session protocol machine, as data (X.225 annex A).
//!
//! X.225 gives requests of the user and SPDUs of the peer rows of their own; but every SPDU has
//! its request, and what must hold to send one (a token held, an activity in progress) must hold
//! of the peer when one comes. So one row tells for both. What an event then does is code, in
//! `connection` and `transfer`.

use std::fmt;

use super::super::spdu::{FunctionalUnits, Spdu, Tokens};
use super::Request;

/// The states of X.225 that these functional units can reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// STA 01: no transport connection yet.
    Idle,
    /// STA 01B: waiting for the T-CONNECT confirmation.
    AwaitTransportConfirm,
    /// STA 01C: idle, with a transport connection.
    IdleConnected,
    /// STA 02A: waiting for ACCEPT or REFUSE.
    AwaitAccept,
    /// STA 03: waiting for DISCONNECT.
    AwaitDisconnect,
    /// STA 04B: waiting for ACTIVITY END ACK.
    AwaitActivityEndAck,
    /// STA 05B: waiting for ACTIVITY INTERRUPT ACK.
    AwaitActivityInterruptAck,
    /// STA 05C: waiting for ACTIVITY DISCARD ACK.
    AwaitActivityDiscardAck,
    /// STA 08: waiting for the user's S-CONNECT response.
    AwaitConnectResponse,
    /// STA 09: waiting for the user's S-RELEASE response.
    AwaitReleaseResponse,
    /// STA 10B: waiting for the user's S-ACTIVITY-END response.
    AwaitActivityEndResponse,
    /// STA 11B: waiting for the user's S-ACTIVITY-INTERRUPT response.
    AwaitActivityInterruptResponse,
    /// STA 11C: waiting for the user's S-ACTIVITY-DISCARD response.
    AwaitActivityDiscardResponse,
    /// STA 16: the session connection is over, waiting for the T-DISCONNECT indication.
    AwaitTransportDisconnect,
    /// STA 18: waiting for GIVE TOKENS ACK.
    AwaitGiveTokensAck,
    /// STA 19: an exception was indicated, waiting for the user to recover.
    AwaitRecoveryRequest,
    /// STA 20: an exception was reported, waiting for the peer to recover.
    AwaitRecovery,
    /// STA 713: data transfer.
    DataTransfer,
    /// The transport connection is gone, for good.
    Closed,
}

impl State {
    /// What X.225 calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "STA 01 (idle)",
            Self::AwaitTransportConfirm => "STA 01B (waiting for T-CONNECT confirmation)",
            Self::IdleConnected => "STA 01C (idle, transport connected)",
            Self::AwaitAccept => "STA 02A (waiting for ACCEPT)",
            Self::AwaitDisconnect => "STA 03 (waiting for DISCONNECT)",
            Self::AwaitActivityEndAck => "STA 04B (waiting for ACTIVITY END ACK)",
            Self::AwaitActivityInterruptAck => "STA 05B (waiting for ACTIVITY INTERRUPT ACK)",
            Self::AwaitActivityDiscardAck => "STA 05C (waiting for ACTIVITY DISCARD ACK)",
            Self::AwaitConnectResponse => "STA 08 (waiting for S-CONNECT response)",
            Self::AwaitReleaseResponse => "STA 09 (waiting for S-RELEASE response)",
            Self::AwaitActivityEndResponse => "STA 10B (waiting for S-ACTIVITY-END response)",
            Self::AwaitActivityInterruptResponse => {
                "STA 11B (waiting for S-ACTIVITY-INTERRUPT response)"
            }
            Self::AwaitActivityDiscardResponse => {
                "STA 11C (waiting for S-ACTIVITY-DISCARD response)"
            }
            Self::AwaitTransportDisconnect => "STA 16 (waiting for T-DISCONNECT indication)",
            Self::AwaitGiveTokensAck => "STA 18 (waiting for GIVE TOKENS ACK)",
            Self::AwaitRecoveryRequest => "STA 19 (waiting for recovery by the user)",
            Self::AwaitRecovery => "STA 20 (waiting for recovery by the peer)",
            Self::DataTransfer => "STA 713 (data transfer)",
            Self::Closed => "closed",
        }
    }
}

/// A request of the user, or the SPDU that carries it from the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // named as the SPDUs are
pub enum Event {
    Connect,
    Accept,
    Refuse,
    Finish,
    Disconnect,
    Abort,
    AbortAccept,
    DataTransfer,
    GiveTokens,
    PleaseTokens,
    GiveTokensConfirm,
    GiveTokensAck,
    MinorSyncPoint,
    MinorSyncAck,
    ExceptionData,
    ExceptionReport,
    ActivityStart,
    ActivityResume,
    ActivityInterrupt,
    ActivityInterruptAck,
    ActivityDiscard,
    ActivityDiscardAck,
    ActivityEnd,
    ActivityEndAck,
}

/// What must hold of who sends; a token that does not exist in this connection hinders nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// These functional units are in use.
    Unit(FunctionalUnits),
    /// The sender holds these tokens.
    Holds(Tokens),
    /// The sender holds every token.
    HoldsAll,
    /// There is a data token, and the sender does not hold it.
    LacksData,
    /// An activity is in progress.
    InActivity,
    /// No activity is in progress.
    NotInActivity,
    /// An activity is in progress, if there are activities.
    InActivityIfManaged,
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unit(units) => write!(f, "functional unit {units:?} in use"),
            Self::Holds(tokens) => write!(f, "sender holds tokens {tokens:?}"),
            Self::LacksData => f.write_str("sender lacks the data token"),
            Self::HoldsAll => f.write_str("sender holds every token"),
            Self::InActivity | Self::InActivityIfManaged => f.write_str("activity in progress"),
            Self::NotInActivity => f.write_str("no activity in progress"),
        }
    }
}

/// A row of the table.
#[derive(Debug)]
pub struct Row {
    /// The event.
    pub event: Event,
    /// The service primitive that asks for it.
    pub primitive: &'static str,
    /// The states in which the user may.
    pub request: &'static [State],
    /// The states in which the peer may.
    pub spdu: &'static [State],
    /// The states in which the peer's is on its way still, and without meaning.
    pub discarded: &'static [State],
    /// What must hold, too.
    pub conditions: &'static [Condition],
}

use Condition::{Holds, HoldsAll, InActivity, InActivityIfManaged, LacksData, NotInActivity, Unit};
use State::{
    AwaitAccept, AwaitActivityDiscardAck, AwaitActivityDiscardResponse, AwaitActivityEndAck,
    AwaitActivityEndResponse, AwaitActivityInterruptAck, AwaitActivityInterruptResponse,
    AwaitConnectResponse, AwaitDisconnect, AwaitGiveTokensAck, AwaitRecovery, AwaitRecoveryRequest,
    AwaitReleaseResponse, AwaitTransportConfirm, DataTransfer, Idle, IdleConnected,
};

const ACTIVITY: Condition = Unit(FunctionalUnits::ACTIVITY_MANAGEMENT);
const MINOR: Condition = Unit(FunctionalUnits::MINOR_SYNCHRONIZE);
const EXCEPTIONS: Condition = Unit(FunctionalUnits::EXCEPTIONS);
const DATA: Condition = Holds(Tokens::DATA);
const DATA_MINOR: Condition = Holds(Tokens(Tokens::DATA.0 | Tokens::MINOR.0));
const DATA_MINOR_ACTIVITY: Condition = Holds(Tokens(
    Tokens::DATA.0 | Tokens::MINOR.0 | Tokens::MAJOR_ACTIVITY.0,
));
/// After an interrupt or discard was asked for, what the peer sent before it knew is void.
const PURGING: &[State] = &[AwaitActivityInterruptAck, AwaitActivityDiscardAck];
/// The same while the peer has to recover from an exception.
const PURGING_OR_RECOVERING: &[State] = &[
    AwaitActivityInterruptAck,
    AwaitActivityDiscardAck,
    AwaitRecovery,
];

/// The table. ABORT is possible in every state; in `AwaitTransportDisconnect` everything is void.
pub const TABLE: &[Row] = &[
    Row {
        event: Event::Connect,
        primitive: "S-CONNECT request",
        request: &[Idle, IdleConnected],
        spdu: &[IdleConnected],
        discarded: &[],
        conditions: &[],
    },
    Row {
        event: Event::Accept,
        primitive: "S-CONNECT response",
        request: &[AwaitConnectResponse],
        spdu: &[AwaitAccept],
        discarded: &[],
        conditions: &[],
    },
    Row {
        event: Event::Refuse,
        primitive: "S-CONNECT response",
        request: &[AwaitConnectResponse],
        spdu: &[AwaitAccept],
        discarded: &[],
        conditions: &[],
    },
    Row {
        event: Event::Finish,
        primitive: "S-RELEASE request",
        request: &[DataTransfer],
        spdu: &[DataTransfer, AwaitDisconnect],
        discarded: &[],
        conditions: &[HoldsAll, NotInActivity],
    },
    Row {
        event: Event::Disconnect,
        primitive: "S-RELEASE response",
        request: &[AwaitReleaseResponse],
        spdu: &[AwaitDisconnect, AwaitReleaseResponse],
        discarded: &[],
        conditions: &[],
    },
    Row {
        event: Event::Abort,
        primitive: "S-U-ABORT request",
        request: &[
            AwaitTransportConfirm,
            IdleConnected,
            AwaitAccept,
            AwaitDisconnect,
            AwaitActivityEndAck,
            AwaitActivityInterruptAck,
            AwaitActivityDiscardAck,
            AwaitConnectResponse,
            AwaitReleaseResponse,
            AwaitActivityEndResponse,
            AwaitActivityInterruptResponse,
            AwaitActivityDiscardResponse,
            AwaitGiveTokensAck,
            AwaitRecoveryRequest,
            AwaitRecovery,
            DataTransfer,
        ],
        spdu: &[
            IdleConnected,
            AwaitAccept,
            AwaitDisconnect,
            AwaitActivityEndAck,
            AwaitActivityInterruptAck,
            AwaitActivityDiscardAck,
            AwaitConnectResponse,
            AwaitReleaseResponse,
            AwaitActivityEndResponse,
            AwaitActivityInterruptResponse,
            AwaitActivityDiscardResponse,
            AwaitGiveTokensAck,
            AwaitRecoveryRequest,
            AwaitRecovery,
            DataTransfer,
        ],
        discarded: &[],
        conditions: &[],
    },
    // An answer to an ABORT that wants the transport connection kept, which is never sent here.
    Row {
        event: Event::AbortAccept,
        primitive: "ABORT ACCEPT",
        request: &[],
        spdu: &[],
        discarded: &[],
        conditions: &[],
    },
    Row {
        event: Event::DataTransfer,
        primitive: "S-DATA request",
        request: &[DataTransfer, AwaitActivityEndResponse, AwaitReleaseResponse],
        spdu: &[
            DataTransfer,
            AwaitActivityEndAck,
            AwaitGiveTokensAck,
            AwaitDisconnect,
        ],
        discarded: PURGING_OR_RECOVERING,
        conditions: &[DATA, InActivityIfManaged],
    },
    Row {
        event: Event::GiveTokens,
        primitive: "S-TOKEN-GIVE request",
        request: &[DataTransfer, AwaitActivityEndResponse, AwaitRecoveryRequest],
        spdu: &[
            DataTransfer,
            AwaitActivityEndAck,
            AwaitDisconnect,
            AwaitRecovery,
        ],
        discarded: PURGING,
        conditions: &[],
    },
    Row {
        event: Event::PleaseTokens,
        primitive: "S-TOKEN-PLEASE request",
        request: &[
            DataTransfer,
            AwaitActivityEndAck,
            AwaitActivityEndResponse,
            AwaitReleaseResponse,
        ],
        spdu: &[
            DataTransfer,
            AwaitActivityEndAck,
            AwaitActivityEndResponse,
            AwaitDisconnect,
            AwaitRecoveryRequest,
        ],
        discarded: &[
            AwaitActivityInterruptAck,
            AwaitActivityDiscardAck,
            AwaitRecovery,
            AwaitGiveTokensAck,
        ],
        conditions: &[],
    },
    Row {
        event: Event::GiveTokensConfirm,
        primitive: "S-CONTROL-GIVE request",
        request: &[DataTransfer],
        spdu: &[DataTransfer],
        discarded: &[],
        conditions: &[ACTIVITY, HoldsAll, NotInActivity],
    },
    Row {
        event: Event::GiveTokensAck,
        primitive: "GIVE TOKENS ACK",
        request: &[],
        spdu: &[AwaitGiveTokensAck],
        discarded: &[],
        conditions: &[],
    },
    Row {
        event: Event::MinorSyncPoint,
        primitive: "S-SYNC-MINOR request",
        request: &[DataTransfer],
        spdu: &[DataTransfer],
        discarded: PURGING_OR_RECOVERING,
        conditions: &[MINOR, DATA_MINOR, InActivityIfManaged],
    },
    Row {
        event: Event::MinorSyncAck,
        primitive: "S-SYNC-MINOR response",
        request: &[DataTransfer, AwaitActivityEndResponse],
        spdu: &[DataTransfer, AwaitActivityEndAck],
        discarded: PURGING_OR_RECOVERING,
        conditions: &[MINOR, InActivityIfManaged],
    },
    Row {
        event: Event::ExceptionData,
        primitive: "S-U-EXCEPTION-REPORT request",
        request: &[DataTransfer, AwaitActivityEndResponse],
        spdu: &[DataTransfer, AwaitActivityEndAck],
        discarded: PURGING_OR_RECOVERING,
        conditions: &[EXCEPTIONS, LacksData, InActivityIfManaged],
    },
    Row {
        event: Event::ExceptionReport,
        primitive: "EXCEPTION REPORT",
        request: &[],
        spdu: &[DataTransfer, AwaitActivityEndAck],
        discarded: PURGING_OR_RECOVERING,
        conditions: &[EXCEPTIONS],
    },
    Row {
        event: Event::ActivityStart,
        primitive: "S-ACTIVITY-START request",
        request: &[DataTransfer],
        spdu: &[DataTransfer],
        discarded: &[],
        conditions: &[ACTIVITY, DATA_MINOR_ACTIVITY, NotInActivity],
    },
    Row {
        event: Event::ActivityResume,
        primitive: "S-ACTIVITY-RESUME request",
        request: &[DataTransfer],
        spdu: &[DataTransfer],
        discarded: &[],
        conditions: &[ACTIVITY, DATA_MINOR_ACTIVITY, NotInActivity],
    },
    Row {
        event: Event::ActivityInterrupt,
        primitive: "S-ACTIVITY-INTERRUPT request",
        request: &[DataTransfer, AwaitActivityEndAck, AwaitRecoveryRequest],
        spdu: &[DataTransfer, AwaitActivityEndResponse, AwaitRecovery],
        discarded: &[],
        conditions: &[ACTIVITY, Holds(Tokens::MAJOR_ACTIVITY), InActivity],
    },
    Row {
        event: Event::ActivityInterruptAck,
        primitive: "S-ACTIVITY-INTERRUPT response",
        request: &[AwaitActivityInterruptResponse],
        spdu: &[AwaitActivityInterruptAck],
        discarded: &[],
        conditions: &[],
    },
    Row {
        event: Event::ActivityDiscard,
        primitive: "S-ACTIVITY-DISCARD request",
        request: &[DataTransfer, AwaitActivityEndAck, AwaitRecoveryRequest],
        spdu: &[DataTransfer, AwaitActivityEndResponse, AwaitRecovery],
        discarded: &[],
        conditions: &[ACTIVITY, Holds(Tokens::MAJOR_ACTIVITY), InActivity],
    },
    Row {
        event: Event::ActivityDiscardAck,
        primitive: "S-ACTIVITY-DISCARD response",
        request: &[AwaitActivityDiscardResponse],
        spdu: &[AwaitActivityDiscardAck],
        discarded: &[],
        conditions: &[],
    },
    Row {
        event: Event::ActivityEnd,
        primitive: "S-ACTIVITY-END request",
        request: &[DataTransfer],
        spdu: &[DataTransfer],
        discarded: &[AwaitRecovery],
        conditions: &[ACTIVITY, DATA_MINOR_ACTIVITY, InActivity],
    },
    Row {
        event: Event::ActivityEndAck,
        primitive: "S-ACTIVITY-END response",
        request: &[AwaitActivityEndResponse],
        spdu: &[AwaitActivityEndAck],
        discarded: PURGING,
        conditions: &[],
    },
];

/// The row of an event.
#[must_use]
pub fn row(event: Event) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.event == event)
}

impl Event {
    /// The event a request is.
    #[must_use]
    pub const fn of_request(request: &Request) -> Self {
        match request {
            Request::Connect(_) => Self::Connect,
            Request::Accept(_) => Self::Accept,
            Request::Refuse(_) => Self::Refuse,
            Request::Data(_) => Self::DataTransfer,
            Request::TokenGive(_) => Self::GiveTokens,
            Request::TokenPlease { .. } => Self::PleaseTokens,
            Request::ControlGive => Self::GiveTokensConfirm,
            Request::MinorSync { .. } => Self::MinorSyncPoint,
            Request::MinorSyncAck { .. } => Self::MinorSyncAck,
            Request::UserException { .. } => Self::ExceptionData,
            Request::ActivityStart { .. } => Self::ActivityStart,
            Request::ActivityResume(_) => Self::ActivityResume,
            Request::ActivityInterrupt { .. } => Self::ActivityInterrupt,
            Request::ActivityInterruptAck(_) => Self::ActivityInterruptAck,
            Request::ActivityDiscard { .. } => Self::ActivityDiscard,
            Request::ActivityDiscardAck(_) => Self::ActivityDiscardAck,
            Request::ActivityEnd(_) => Self::ActivityEnd,
            Request::ActivityEndAck(_) => Self::ActivityEndAck,
            Request::Release(_) => Self::Finish,
            Request::ReleaseAck(_) => Self::Disconnect,
            Request::Abort(_) => Self::Abort,
        }
    }

    /// The event an SPDU is.
    #[must_use]
    pub const fn of_spdu(spdu: &Spdu) -> Self {
        match spdu {
            Spdu::Connect(_) => Self::Connect,
            Spdu::Accept(_) => Self::Accept,
            Spdu::Refuse(_) => Self::Refuse,
            Spdu::Finish { .. } => Self::Finish,
            Spdu::Disconnect(_) => Self::Disconnect,
            Spdu::Abort { .. } => Self::Abort,
            Spdu::AbortAccept => Self::AbortAccept,
            Spdu::GiveTokens { .. } => Self::GiveTokens,
            Spdu::PleaseTokens { .. } => Self::PleaseTokens,
            Spdu::GiveTokensConfirm(_) => Self::GiveTokensConfirm,
            Spdu::GiveTokensAck(_) => Self::GiveTokensAck,
            Spdu::DataTransfer { .. } => Self::DataTransfer,
            Spdu::ExceptionReport(_) => Self::ExceptionReport,
            Spdu::ExceptionData { .. } => Self::ExceptionData,
            Spdu::MinorSyncPoint { .. } => Self::MinorSyncPoint,
            Spdu::MinorSyncAck { .. } => Self::MinorSyncAck,
            Spdu::ActivityStart { .. } => Self::ActivityStart,
            Spdu::ActivityResume(_) => Self::ActivityResume,
            Spdu::ActivityInterrupt { .. } => Self::ActivityInterrupt,
            Spdu::ActivityInterruptAck(_) => Self::ActivityInterruptAck,
            Spdu::ActivityDiscard { .. } => Self::ActivityDiscard,
            Spdu::ActivityDiscardAck(_) => Self::ActivityDiscardAck,
            Spdu::ActivityEnd { .. } => Self::ActivityEnd,
            Spdu::ActivityEndAck { .. } => Self::ActivityEndAck,
        }
    }
}
