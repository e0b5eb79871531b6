//! The state table of the session protocol machine, as data (X.225 annex A).
//!
//! X.225 gives requests of the user and SPDUs of the peer rows of their own; but every SPDU has
//! its request, and what must hold to send one (a token held, an activity in progress) must hold
//! of the peer when one comes. So one row tells for both. What an event then does is code, in
//! `connection` and `transfer`; docs/osi.md has all cells, with what comes of them.

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
    /// STA 19: an exception was reported here, waiting for the peer to recover.
    AwaitRecovery,
    /// STA 20: an exception was indicated here, waiting for the user to recover.
    AwaitRecoveryRequest,
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
            Self::AwaitRecovery => "STA 19 (waiting for recovery by the peer)",
            Self::AwaitRecoveryRequest => "STA 20 (waiting for recovery by the user)",
            Self::DataTransfer => "STA 713 (data transfer)",
            Self::Closed => "gone",
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
    /// What must hold of who sends, too.
    pub conditions: &'static [Condition],
    /// What must hold besides of who asks here; of the peer it may have ceased to hold meanwhile.
    pub asking: &'static [Condition],
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
/// The same while an exception is to be recovered from.
const PURGING_OR_RECOVERING: &[State] = &[
    AwaitActivityInterruptAck,
    AwaitActivityDiscardAck,
    AwaitRecovery,
    AwaitRecoveryRequest,
];
/// The states in which the peer may report an exception.
const EXCEPTED: &[State] = &[
    DataTransfer,
    AwaitActivityEndAck,
    AwaitDisconnect,
    AwaitRecovery,
];
/// The states in which the peer may interrupt or discard the activity.
const STOPPED: &[State] = &[
    DataTransfer,
    AwaitActivityEndResponse,
    AwaitRecovery,
    AwaitRecoveryRequest,
];
/// The states in which there is something to abort: a session connection, or one being made.
const CONNECTED: &[State] = &[
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
];

/// A row that allows nothing.
const fn row_of(event: Event, primitive: &'static str) -> Row {
    Row {
        event,
        primitive,
        request: &[],
        spdu: &[],
        discarded: &[],
        conditions: &[],
        asking: &[],
    }
}

/// The table. In `AwaitTransportDisconnect` everything is void.
pub const TABLE: &[Row] = &[
    Row {
        request: &[Idle, IdleConnected],
        spdu: &[IdleConnected],
        ..row_of(Event::Connect, "S-CONNECT request")
    },
    Row {
        request: &[AwaitConnectResponse],
        spdu: &[AwaitAccept],
        ..row_of(Event::Accept, "S-CONNECT response")
    },
    Row {
        request: &[AwaitConnectResponse],
        spdu: &[AwaitAccept],
        ..row_of(Event::Refuse, "S-CONNECT response")
    },
    Row {
        request: &[DataTransfer],
        spdu: &[DataTransfer, AwaitDisconnect],
        discarded: &[AwaitRecovery, AwaitRecoveryRequest],
        conditions: &[HoldsAll, NotInActivity],
        ..row_of(Event::Finish, "S-RELEASE request")
    },
    Row {
        request: &[AwaitReleaseResponse],
        spdu: &[AwaitDisconnect, AwaitReleaseResponse],
        ..row_of(Event::Disconnect, "S-RELEASE response")
    },
    Row {
        request: CONNECTED,
        spdu: CONNECTED,
        ..row_of(Event::Abort, "S-U-ABORT request")
    },
    // An answer to an ABORT that wants the transport connection kept, which is never sent here.
    row_of(Event::AbortAccept, "ABORT ACCEPT"),
    Row {
        request: &[DataTransfer, AwaitActivityEndResponse, AwaitReleaseResponse],
        spdu: &[
            DataTransfer,
            AwaitActivityEndAck,
            AwaitGiveTokensAck,
            AwaitDisconnect,
        ],
        discarded: PURGING_OR_RECOVERING,
        conditions: &[DATA],
        ..row_of(Event::DataTransfer, "S-DATA request")
    },
    Row {
        request: &[
            DataTransfer,
            AwaitActivityEndAck,
            AwaitActivityEndResponse,
            AwaitRecoveryRequest,
        ],
        spdu: &[
            DataTransfer,
            AwaitActivityEndAck,
            AwaitActivityEndResponse,
            AwaitRecovery,
            AwaitRecoveryRequest,
        ],
        discarded: PURGING,
        ..row_of(Event::GiveTokens, "S-TOKEN-GIVE request")
    },
    Row {
        request: &[DataTransfer, AwaitActivityEndResponse, AwaitReleaseResponse],
        spdu: &[
            DataTransfer,
            AwaitActivityEndAck,
            AwaitDisconnect,
            AwaitGiveTokensAck,
        ],
        discarded: PURGING_OR_RECOVERING,
        ..row_of(Event::PleaseTokens, "S-TOKEN-PLEASE request")
    },
    Row {
        request: &[DataTransfer],
        spdu: &[DataTransfer],
        conditions: &[ACTIVITY, HoldsAll, NotInActivity],
        ..row_of(Event::GiveTokensConfirm, "S-CONTROL-GIVE request")
    },
    Row {
        spdu: &[AwaitGiveTokensAck],
        ..row_of(Event::GiveTokensAck, "GIVE TOKENS ACK")
    },
    Row {
        request: &[DataTransfer],
        spdu: &[DataTransfer],
        discarded: PURGING_OR_RECOVERING,
        conditions: &[MINOR, DATA_MINOR, InActivityIfManaged],
        ..row_of(Event::MinorSyncPoint, "S-SYNC-MINOR request")
    },
    Row {
        request: &[DataTransfer, AwaitActivityEndResponse, AwaitReleaseResponse],
        spdu: &[DataTransfer, AwaitActivityEndAck, AwaitDisconnect],
        discarded: PURGING_OR_RECOVERING,
        conditions: &[MINOR, InActivityIfManaged],
        ..row_of(Event::MinorSyncAck, "S-SYNC-MINOR response")
    },
    Row {
        request: &[DataTransfer, AwaitActivityEndResponse, AwaitReleaseResponse],
        spdu: EXCEPTED,
        discarded: PURGING,
        conditions: &[EXCEPTIONS, InActivityIfManaged],
        asking: &[LacksData],
        ..row_of(Event::ExceptionData, "S-U-EXCEPTION-REPORT request")
    },
    Row {
        spdu: EXCEPTED,
        discarded: PURGING,
        conditions: &[EXCEPTIONS, InActivityIfManaged],
        ..row_of(Event::ExceptionReport, "EXCEPTION REPORT")
    },
    Row {
        request: &[DataTransfer],
        spdu: &[DataTransfer],
        conditions: &[ACTIVITY, DATA_MINOR_ACTIVITY, NotInActivity],
        ..row_of(Event::ActivityStart, "S-ACTIVITY-START request")
    },
    Row {
        request: &[DataTransfer],
        spdu: &[DataTransfer],
        conditions: &[ACTIVITY, DATA_MINOR_ACTIVITY, NotInActivity],
        ..row_of(Event::ActivityResume, "S-ACTIVITY-RESUME request")
    },
    // The end of the activity may have been confirmed while it was on its way.
    Row {
        request: &[DataTransfer, AwaitActivityEndAck, AwaitRecoveryRequest],
        spdu: STOPPED,
        conditions: &[ACTIVITY, Holds(Tokens::MAJOR_ACTIVITY)],
        asking: &[InActivity],
        ..row_of(Event::ActivityInterrupt, "S-ACTIVITY-INTERRUPT request")
    },
    Row {
        request: &[AwaitActivityInterruptResponse],
        spdu: &[AwaitActivityInterruptAck],
        ..row_of(Event::ActivityInterruptAck, "S-ACTIVITY-INTERRUPT response")
    },
    Row {
        request: &[DataTransfer, AwaitActivityEndAck, AwaitRecoveryRequest],
        spdu: STOPPED,
        conditions: &[ACTIVITY, Holds(Tokens::MAJOR_ACTIVITY)],
        asking: &[InActivity],
        ..row_of(Event::ActivityDiscard, "S-ACTIVITY-DISCARD request")
    },
    Row {
        request: &[AwaitActivityDiscardResponse],
        spdu: &[AwaitActivityDiscardAck],
        ..row_of(Event::ActivityDiscardAck, "S-ACTIVITY-DISCARD response")
    },
    Row {
        request: &[DataTransfer],
        spdu: &[DataTransfer],
        discarded: &[AwaitRecovery, AwaitRecoveryRequest],
        conditions: &[ACTIVITY, DATA_MINOR_ACTIVITY, InActivity],
        ..row_of(Event::ActivityEnd, "S-ACTIVITY-END request")
    },
    Row {
        request: &[AwaitActivityEndResponse],
        spdu: &[AwaitActivityEndAck],
        discarded: &[
            AwaitActivityInterruptAck,
            AwaitActivityDiscardAck,
            AwaitRecoveryRequest,
        ],
        ..row_of(Event::ActivityEndAck, "S-ACTIVITY-END response")
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
