//! The session service: requests and responses, indications and confirmations (X.215 sections 12 to 18).

use bytes::Bytes;

use crate::osi::spdu::{
    ConnectionIdentifier, ExceptionReason, FunctionalUnits, LinkingInformation, RefuseReason,
    Serial, TokenSetting, Tokens, Versions,
};

/// A session address without its network part.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Address {
    /// The T-selector; empty: none.
    pub transport_selector: Bytes,
    /// The S-selector, up to 16 octets; empty: none.
    pub selector: Bytes,
}

/// S-CONNECT request and indication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connect {
    /// The names this connection is to bear; its reference is the calling SS-user's.
    pub identifier: Option<ConnectionIdentifier>,
    /// Where the caller calls from.
    pub calling: Address,
    /// Whom it calls.
    pub called: Address,
    /// What the caller would use; the responder chooses from it.
    pub functional_units: FunctionalUnits,
    /// The first serial number; only without activity management.
    pub initial_serial: Option<Serial>,
    /// Where the tokens are to be.
    pub token_setting: TokenSetting,
    /// The user's data: up to 10 240 octets, 512 in version 1.
    pub user_data: Bytes,
}

/// S-CONNECT response and confirmation, accepting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accept {
    /// The names this connection bears; its reference is the called SS-user's.
    pub identifier: Option<ConnectionIdentifier>,
    /// The S-selector of who answered; empty: none.
    pub responding: Bytes,
    /// What will be used.
    pub functional_units: FunctionalUnits,
    /// The first serial number; only without activity management.
    pub initial_serial: Option<Serial>,
    /// Where the tokens are, none left to choose.
    pub token_setting: TokenSetting,
    /// Tokens the responder would like to be given.
    pub tokens_wanted: Tokens,
    /// The user's data.
    pub user_data: Bytes,
}

/// S-CONNECT response and confirmation, refusing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refuse {
    /// The names the refused connection was to bear.
    pub identifier: Option<ConnectionIdentifier>,
    /// Why; a user's own data go in [`RefuseReason::User`].
    pub reason: RefuseReason,
}

/// S-ACTIVITY-RESUME request and indication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivityResume {
    /// The activity identifier from now on, up to 6 octets.
    pub identifier: Bytes,
    /// Which activity is continued.
    pub old: LinkingInformation,
    /// The last confirmed synchronization point; the next one set has the number after it.
    pub serial: Serial,
    /// The user's data.
    pub user_data: Bytes,
}

/// The requests and responses a session user may make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// S-CONNECT request.
    Connect(Box<Connect>),
    /// S-CONNECT response, accepting.
    Accept(Box<Accept>),
    /// S-CONNECT response, refusing.
    Refuse(Refuse),
    /// S-DATA request: one SSDU.
    Data(Bytes),
    /// S-TOKEN-GIVE request.
    TokenGive(Tokens),
    /// S-TOKEN-PLEASE request.
    TokenPlease {
        /// The tokens wanted.
        tokens: Tokens,
        /// The user's data.
        user_data: Bytes,
    },
    /// S-CONTROL-GIVE request: gives every token, outside an activity.
    ControlGive,
    /// S-SYNC-MINOR request; the point gets the number [`super::Session::next_serial`] tells beforehand.
    MinorSync {
        /// Whether a confirmation is wanted.
        explicit: bool,
        /// The user's data.
        user_data: Bytes,
    },
    /// S-SYNC-MINOR response: confirms this point and all before it.
    MinorSyncAck {
        /// The point.
        serial: Serial,
        /// The user's data.
        user_data: Bytes,
    },
    /// S-U-EXCEPTION-REPORT request.
    UserException {
        /// Why.
        reason: ExceptionReason,
        /// The user's data.
        user_data: Bytes,
    },
    /// S-ACTIVITY-START request.
    ActivityStart {
        /// The activity identifier, up to 6 octets.
        identifier: Bytes,
        /// The user's data.
        user_data: Bytes,
    },
    /// S-ACTIVITY-RESUME request.
    ActivityResume(Box<ActivityResume>),
    /// S-ACTIVITY-INTERRUPT request.
    ActivityInterrupt {
        /// Why.
        reason: Option<ExceptionReason>,
        /// The user's data (version 2).
        user_data: Bytes,
    },
    /// S-ACTIVITY-INTERRUPT response, with the user's data (version 2).
    ActivityInterruptAck(Bytes),
    /// S-ACTIVITY-DISCARD request.
    ActivityDiscard {
        /// Why.
        reason: Option<ExceptionReason>,
        /// The user's data (version 2).
        user_data: Bytes,
    },
    /// S-ACTIVITY-DISCARD response, with the user's data (version 2).
    ActivityDiscardAck(Bytes),
    /// S-ACTIVITY-END request, with the user's data; sets a major point with the next serial number.
    ActivityEnd(Bytes),
    /// S-ACTIVITY-END response, with the user's data.
    ActivityEndAck(Bytes),
    /// S-RELEASE request, with the user's data.
    Release(Bytes),
    /// S-RELEASE response, with the user's data.
    ReleaseAck(Bytes),
    /// S-U-ABORT request, with the user's data (version 1: up to 9 octets).
    Abort(Bytes),
}

/// The indications and confirmations a session user gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Indication {
    /// S-CONNECT indication: answer with [`Request::Accept`] or [`Request::Refuse`].
    Connect {
        /// What the caller asks; its functional units are those that both ends can do.
        connect: Box<Connect>,
        /// The protocol version that would be used.
        version: Versions,
    },
    /// S-CONNECT confirmation, accepting.
    Accepted {
        /// What the responder said.
        accept: Box<Accept>,
        /// The protocol version in use.
        version: Versions,
    },
    /// S-CONNECT confirmation, refusing; the connection is gone.
    Refused(Refuse),
    /// S-DATA indication: one SSDU.
    Data(Bytes),
    /// S-TOKEN-GIVE indication.
    TokenGive(Tokens),
    /// S-TOKEN-PLEASE indication.
    TokenPlease {
        /// The tokens the peer wants.
        tokens: Tokens,
        /// The user's data.
        user_data: Bytes,
    },
    /// S-CONTROL-GIVE indication: every token is here now.
    ControlGive,
    /// S-SYNC-MINOR indication.
    MinorSync {
        /// The number of the point.
        serial: Serial,
        /// Whether a confirmation is wanted.
        explicit: bool,
        /// The user's data.
        user_data: Bytes,
    },
    /// S-SYNC-MINOR confirmation of this point and all before it.
    MinorSyncAck {
        /// The point.
        serial: Serial,
        /// The user's data.
        user_data: Bytes,
    },
    /// S-U-EXCEPTION-REPORT indication: interrupt, discard, give the data token, or abort.
    UserException {
        /// Why.
        reason: ExceptionReason,
        /// The user's data.
        user_data: Bytes,
    },
    /// S-P-EXCEPTION-REPORT indication; as with a user's exception.
    ProviderException(Bytes),
    /// S-ACTIVITY-START indication.
    ActivityStart {
        /// The activity identifier.
        identifier: Bytes,
        /// The user's data.
        user_data: Bytes,
    },
    /// S-ACTIVITY-RESUME indication.
    ActivityResume(Box<ActivityResume>),
    /// S-ACTIVITY-INTERRUPT indication: answer with [`Request::ActivityInterruptAck`].
    ActivityInterrupt {
        /// Why.
        reason: Option<ExceptionReason>,
        /// The user's data.
        user_data: Bytes,
    },
    /// S-ACTIVITY-INTERRUPT confirmation; every token is here now.
    ActivityInterruptAck(Bytes),
    /// S-ACTIVITY-DISCARD indication: answer with [`Request::ActivityDiscardAck`].
    ActivityDiscard {
        /// Why.
        reason: Option<ExceptionReason>,
        /// The user's data.
        user_data: Bytes,
    },
    /// S-ACTIVITY-DISCARD confirmation; every token is here now.
    ActivityDiscardAck(Bytes),
    /// S-ACTIVITY-END indication: answer with [`Request::ActivityEndAck`].
    ActivityEnd {
        /// The number of the major point that ends the activity.
        serial: Serial,
        /// The user's data.
        user_data: Bytes,
    },
    /// S-ACTIVITY-END confirmation.
    ActivityEndAck {
        /// The number of the major point.
        serial: Serial,
        /// The user's data.
        user_data: Bytes,
    },
    /// S-RELEASE indication: answer with [`Request::ReleaseAck`].
    Release(Bytes),
    /// S-RELEASE confirmation; the connection is gone.
    Released(Bytes),
    /// S-U-ABORT indication; the connection is gone.
    Abort(Bytes),
    /// S-P-ABORT indication; the connection is gone.
    ProviderAbort(super::ProviderAbort),
}
