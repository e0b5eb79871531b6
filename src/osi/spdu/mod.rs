//! Session protocol data units and their encoding (X.225 / ISO 8327-1 section 8).
//!
//! A TSDU holds one SPDU of category 1, or one of category 0 (GIVE or PLEASE TOKENS, here often
//! with nothing to say) followed by at most one of category 2: basic concatenation (section
//! 6.3.7). Extended concatenation is never agreed to.
//!
//! ```text
//! SPDU       SI  LI  parameter field              user information (DATA TRANSFER only)
//! parameter  PI  LI  value              or        PGI LI { parameter }
//! LI         one octet up to 254, else 255 and two octets
//! ```

mod decode;
mod encode;
mod field;
#[cfg(test)]
mod tests;

use bytes::Bytes;

pub use decode::{Error, Fault, decode};
pub use encode::encode;
pub use field::{
    ConnectionIdentifier, Enclosure, ExceptionReason, FunctionalUnits, LinkingInformation,
    RefuseReason, Serial, TokenSetting, TokenSide, Tokens, TransportDisconnect, Versions,
};

// SPDU identifiers (section 8.3); a pair shares one where category or a parameter tells them apart.
pub(crate) mod si {
    pub const EXCEPTION_REPORT: u8 = 0;
    pub const GIVE_TOKENS: u8 = 1;
    pub const DATA_TRANSFER: u8 = 1;
    pub const PLEASE_TOKENS: u8 = 2;
    pub const FINISH: u8 = 9;
    pub const DISCONNECT: u8 = 10;
    pub const REFUSE: u8 = 12;
    pub const CONNECT: u8 = 13;
    pub const ACCEPT: u8 = 14;
    pub const GIVE_TOKENS_CONFIRM: u8 = 21;
    pub const GIVE_TOKENS_ACK: u8 = 22;
    pub const ABORT: u8 = 25;
    pub const ACTIVITY_INTERRUPT: u8 = 25;
    pub const ABORT_ACCEPT: u8 = 26;
    pub const ACTIVITY_INTERRUPT_ACK: u8 = 26;
    pub const ACTIVITY_RESUME: u8 = 29;
    pub const ACTIVITY_END: u8 = 41;
    pub const ACTIVITY_END_ACK: u8 = 42;
    pub const ACTIVITY_START: u8 = 45;
    pub const EXCEPTION_DATA: u8 = 48;
    pub const MINOR_SYNC_POINT: u8 = 49;
    pub const MINOR_SYNC_ACK: u8 = 50;
    pub const ACTIVITY_DISCARD: u8 = 57;
    pub const ACTIVITY_DISCARD_ACK: u8 = 58;
}

// Parameter and parameter group identifiers (section 8.3).
pub(crate) mod pi {
    pub const CONNECTION_IDENTIFIER: u8 = 1;
    pub const CONNECT_ACCEPT_ITEM: u8 = 5;
    pub const CALLED_SS_USER_REFERENCE: u8 = 9;
    pub const CALLING_SS_USER_REFERENCE: u8 = 10;
    pub const COMMON_REFERENCE: u8 = 11;
    pub const ADDITIONAL_REFERENCE: u8 = 12;
    pub const SYNC_TYPE: u8 = 15;
    pub const TOKEN_ITEM: u8 = 16;
    pub const TRANSPORT_DISCONNECT: u8 = 17;
    pub const PROTOCOL_OPTIONS: u8 = 19;
    pub const SESSION_REQUIREMENTS: u8 = 20;
    pub const TSDU_MAXIMUM_SIZE: u8 = 21;
    pub const VERSION_NUMBER: u8 = 22;
    pub const INITIAL_SERIAL_NUMBER: u8 = 23;
    pub const ENCLOSURE: u8 = 25;
    pub const TOKEN_SETTING: u8 = 26;
    pub const LINKING_INFORMATION: u8 = 33;
    pub const ACTIVITY_IDENTIFIER: u8 = 41;
    pub const SERIAL_NUMBER: u8 = 42;
    pub const REFLECT: u8 = 49;
    pub const REASON_CODE: u8 = 50;
    pub const CALLING_SELECTOR: u8 = 51;
    pub const CALLED_SELECTOR: u8 = 52;
    pub const DATA_OVERFLOW: u8 = 60;
    pub const USER_DATA: u8 = 193;
    pub const EXTENDED_USER_DATA: u8 = 194;
}

/// The most user data a CONNECT can carry (section 8.3.1, PGI 194; more would need overflow SPDUs).
pub const CONNECT_USER_DATA: usize = 10_240;
/// The most user data of any SPDU in version 1, and what PGI 193 of CONNECT holds.
pub const SHORT_USER_DATA: usize = 512;
/// The most user data of an ABORT in version 1.
pub const SHORT_ABORT_DATA: usize = 9;
/// The most user data an unsegmented SPDU other than DATA TRANSFER carries in version 2: leaves
/// the other parameters room in the 65 535 octets of a parameter field.
pub const LONG_USER_DATA: usize = 65_400;

/// The connect/accept item (PGI 5).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConnectAcceptItem {
    /// Protocol options: bit 1, extended concatenated SPDUs can be received.
    pub protocol_options: Option<u8>,
    /// The largest TSDUs: from initiator to responder, and back; 0 is no limit.
    pub tsdu_maximum: Option<(u16, u16)>,
    /// In CONNECT the versions proposed, in ACCEPT the one chosen; absent: version 1.
    pub versions: Option<Versions>,
    /// The first serial number.
    pub initial_serial: Option<Serial>,
    /// Where the tokens are; absent: at the initiator.
    pub token_setting: Option<TokenSetting>,
}

/// CONNECT (CN), section 8.3.1.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Connect {
    /// The names of the connection, with the calling SS-user's reference.
    pub identifier: Option<ConnectionIdentifier>,
    /// The connect/accept item.
    pub item: ConnectAcceptItem,
    /// The session user requirements; absent: [`FunctionalUnits::DEFAULT`].
    pub functional_units: Option<FunctionalUnits>,
    /// The calling session selector.
    pub calling_selector: Option<Bytes>,
    /// The called session selector.
    pub called_selector: Option<Bytes>,
    /// Whether user data are to follow in CONNECT DATA OVERFLOW SPDUs.
    pub data_overflow: bool,
    /// User data.
    pub user_data: Bytes,
}

/// ACCEPT (AC), section 8.3.4.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Accept {
    /// The names of the connection, with the called SS-user's reference.
    pub identifier: Option<ConnectionIdentifier>,
    /// The connect/accept item.
    pub item: ConnectAcceptItem,
    /// Tokens the responder asks for.
    pub tokens: Option<Tokens>,
    /// The session user requirements; absent: [`FunctionalUnits::DEFAULT`].
    pub functional_units: Option<FunctionalUnits>,
    /// The calling session selector.
    pub calling_selector: Option<Bytes>,
    /// The responding session selector.
    pub called_selector: Option<Bytes>,
    /// User data.
    pub user_data: Bytes,
}

/// REFUSE (RF), section 8.3.5.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refuse {
    /// The names of the connection, with the called SS-user's reference.
    pub identifier: Option<ConnectionIdentifier>,
    /// Whether the transport connection goes; absent: it does.
    pub transport_disconnect: Option<TransportDisconnect>,
    /// What the responder requires.
    pub functional_units: Option<FunctionalUnits>,
    /// The versions the responder has.
    pub versions: Option<Versions>,
    /// Why.
    pub reason: RefuseReason,
}

/// ACTIVITY RESUME (AR), section 8.3.30.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivityResume {
    /// The activity that is continued.
    pub linking: LinkingInformation,
    /// Its last confirmed synchronization point.
    pub serial: Serial,
    /// Its identifier from now on.
    pub identifier: Bytes,
    /// User data.
    pub user_data: Bytes,
}

/// A session protocol data unit of the kernel, half-duplex, minor synchronize, exceptions or
/// activity management functional units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spdu {
    /// CONNECT (CN).
    Connect(Box<Connect>),
    /// ACCEPT (AC).
    Accept(Box<Accept>),
    /// REFUSE (RF).
    Refuse(Box<Refuse>),
    /// FINISH (FN).
    Finish {
        /// Whether the transport connection goes; absent: it does.
        transport_disconnect: Option<TransportDisconnect>,
        /// User data.
        user_data: Bytes,
    },
    /// DISCONNECT (DN), with user data.
    Disconnect(Bytes),
    /// ABORT (AB).
    Abort {
        /// Why, and whether the transport connection goes.
        transport_disconnect: TransportDisconnect,
        /// Octets at fault, for a provider's abort.
        reflect: Bytes,
        /// User data, for a user's abort.
        user_data: Bytes,
    },
    /// ABORT ACCEPT (AA).
    AbortAccept,
    /// GIVE TOKENS (GT).
    GiveTokens {
        /// The tokens given.
        tokens: Option<Tokens>,
        /// User data (version 2).
        user_data: Bytes,
    },
    /// PLEASE TOKENS (PT).
    PleaseTokens {
        /// The tokens asked for.
        tokens: Option<Tokens>,
        /// User data.
        user_data: Bytes,
    },
    /// GIVE TOKENS CONFIRM (GTC), with user data (version 2).
    GiveTokensConfirm(Bytes),
    /// GIVE TOKENS ACK (GTA), with user data (version 2).
    GiveTokensAck(Bytes),
    /// DATA TRANSFER (DT).
    DataTransfer {
        /// Which part of an SSDU this is, where SSDUs are segmented.
        enclosure: Option<Enclosure>,
        /// The user information.
        data: Bytes,
    },
    /// EXCEPTION REPORT (ER), with the SPDU at fault.
    ExceptionReport(Bytes),
    /// EXCEPTION DATA (ED).
    ExceptionData {
        /// Why.
        reason: ExceptionReason,
        /// User data.
        user_data: Bytes,
    },
    /// MINOR SYNC POINT (MIP).
    MinorSyncPoint {
        /// Whether a confirmation is wanted.
        explicit: bool,
        /// The number of the point.
        serial: Serial,
        /// User data.
        user_data: Bytes,
    },
    /// MINOR SYNC ACK (MIA).
    MinorSyncAck {
        /// The number of the point.
        serial: Serial,
        /// User data.
        user_data: Bytes,
    },
    /// ACTIVITY START (AS).
    ActivityStart {
        /// The activity identifier.
        identifier: Bytes,
        /// User data.
        user_data: Bytes,
    },
    /// ACTIVITY RESUME (AR).
    ActivityResume(Box<ActivityResume>),
    /// ACTIVITY INTERRUPT (AI).
    ActivityInterrupt {
        /// Why.
        reason: Option<ExceptionReason>,
        /// User data (version 2).
        user_data: Bytes,
    },
    /// ACTIVITY INTERRUPT ACK (AIA), with user data (version 2).
    ActivityInterruptAck(Bytes),
    /// ACTIVITY DISCARD (AD).
    ActivityDiscard {
        /// Why.
        reason: Option<ExceptionReason>,
        /// User data (version 2).
        user_data: Bytes,
    },
    /// ACTIVITY DISCARD ACK (ADA), with user data (version 2).
    ActivityDiscardAck(Bytes),
    /// ACTIVITY END (AE).
    ActivityEnd {
        /// The number of the major point it sets.
        serial: Serial,
        /// User data.
        user_data: Bytes,
    },
    /// ACTIVITY END ACK (AEA).
    ActivityEndAck {
        /// The number of the major point.
        serial: Serial,
        /// User data.
        user_data: Bytes,
    },
}

impl Spdu {
    /// The name X.225 gives it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Connect(_) => "CONNECT",
            Self::Accept(_) => "ACCEPT",
            Self::Refuse(_) => "REFUSE",
            Self::Finish { .. } => "FINISH",
            Self::Disconnect(_) => "DISCONNECT",
            Self::Abort { .. } => "ABORT",
            Self::AbortAccept => "ABORT ACCEPT",
            Self::GiveTokens { .. } => "GIVE TOKENS",
            Self::PleaseTokens { .. } => "PLEASE TOKENS",
            Self::GiveTokensConfirm(_) => "GIVE TOKENS CONFIRM",
            Self::GiveTokensAck(_) => "GIVE TOKENS ACK",
            Self::DataTransfer { .. } => "DATA TRANSFER",
            Self::ExceptionReport(_) => "EXCEPTION REPORT",
            Self::ExceptionData { .. } => "EXCEPTION DATA",
            Self::MinorSyncPoint { .. } => "MINOR SYNC POINT",
            Self::MinorSyncAck { .. } => "MINOR SYNC ACK",
            Self::ActivityStart { .. } => "ACTIVITY START",
            Self::ActivityResume(_) => "ACTIVITY RESUME",
            Self::ActivityInterrupt { .. } => "ACTIVITY INTERRUPT",
            Self::ActivityInterruptAck(_) => "ACTIVITY INTERRUPT ACK",
            Self::ActivityDiscard { .. } => "ACTIVITY DISCARD",
            Self::ActivityDiscardAck(_) => "ACTIVITY DISCARD ACK",
            Self::ActivityEnd { .. } => "ACTIVITY END",
            Self::ActivityEndAck { .. } => "ACTIVITY END ACK",
        }
    }
}
