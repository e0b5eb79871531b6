//! The small fields of SPDUs: functional units, tokens, versions, serial numbers, reasons (X.225 section 8).

use std::fmt;

use bytes::Bytes;

/// What can be asked of a set whose members are the bits of a number.
macro_rules! bit_sets {
    ($($set:ty),*) => {
        $(impl $set {
            /// Whether all of `other` is in this set.
            #[must_use]
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// What is in both sets.
            #[must_use]
            pub const fn and(self, other: Self) -> Self {
                Self(self.0 & other.0)
            }

            /// What is in either set.
            #[must_use]
            pub const fn or(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }
        })*
    };
}
bit_sets!(FunctionalUnits, Tokens, Versions, TransportDisconnect);

/// A set of functional units: the session user requirements (X.225 section 8.3.1, PI 20).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct FunctionalUnits(pub u16);

impl FunctionalUnits {
    /// Half-duplex: there is a data token.
    pub const HALF_DUPLEX: Self = Self(0x0001);
    /// Duplex.
    pub const DUPLEX: Self = Self(0x0002);
    /// Expedited data.
    pub const EXPEDITED: Self = Self(0x0004);
    /// Minor synchronize.
    pub const MINOR_SYNCHRONIZE: Self = Self(0x0008);
    /// Major synchronize.
    pub const MAJOR_SYNCHRONIZE: Self = Self(0x0010);
    /// Resynchronize.
    pub const RESYNCHRONIZE: Self = Self(0x0020);
    /// Activity management.
    pub const ACTIVITY_MANAGEMENT: Self = Self(0x0040);
    /// Negotiated release.
    pub const NEGOTIATED_RELEASE: Self = Self(0x0080);
    /// Capability data exchange.
    pub const CAPABILITY_DATA: Self = Self(0x0100);
    /// Exceptions.
    pub const EXCEPTIONS: Self = Self(0x0200);
    /// Typed data.
    pub const TYPED_DATA: Self = Self(0x0400);
    /// Symmetric synchronize.
    pub const SYMMETRIC_SYNCHRONIZE: Self = Self(0x0800);
    /// Data separation.
    pub const DATA_SEPARATION: Self = Self(0x1000);
    /// What RTSE asks for: half-duplex, minor synchronize, activity management, exceptions (X.228 section 8.2).
    pub const RTSE: Self = Self(0x0249);
    /// What a CONNECT SPDU without the parameter asks for (X.225 section 8.3.1).
    pub const DEFAULT: Self = Self(0x0349);
    /// What this implementation can do.
    pub const SUPPORTED: Self = Self(0x024b);

    /// The tokens that exist when these units are in use (X.215 section 8).
    #[must_use]
    pub const fn tokens(self) -> Tokens {
        let mut tokens = 0;
        if self.contains(Self::HALF_DUPLEX) {
            tokens |= Tokens::DATA.0;
        }
        if self.contains(Self::MINOR_SYNCHRONIZE) {
            tokens |= Tokens::MINOR.0;
        }
        if self.contains(Self::MAJOR_SYNCHRONIZE) || self.contains(Self::ACTIVITY_MANAGEMENT) {
            tokens |= Tokens::MAJOR_ACTIVITY.0;
        }
        if self.contains(Self::NEGOTIATED_RELEASE) {
            tokens |= Tokens::RELEASE.0;
        }
        Tokens(tokens)
    }
}

impl fmt::Debug for FunctionalUnits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 13] = [
            "half-duplex",
            "duplex",
            "expedited",
            "minor-synchronize",
            "major-synchronize",
            "resynchronize",
            "activity-management",
            "negotiated-release",
            "capability-data",
            "exceptions",
            "typed-data",
            "symmetric-synchronize",
            "data-separation",
        ];
        write!(f, "{:#06x}", self.0)?;
        f.debug_set()
            .entries(
                NAMES
                    .iter()
                    .enumerate()
                    .filter(|(bit, _)| self.0 >> bit & 1 == 1)
                    .map(|(_, n)| n),
            )
            .finish()
    }
}

/// A set of tokens: the token item (X.225 section 8.3.4, PI 16).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Tokens(pub u8);

impl Tokens {
    /// No token.
    pub const NONE: Self = Self(0);
    /// The data token.
    pub const DATA: Self = Self(0x01);
    /// The synchronize-minor token.
    pub const MINOR: Self = Self(0x04);
    /// The major/activity token.
    pub const MAJOR_ACTIVITY: Self = Self(0x10);
    /// The release token.
    pub const RELEASE: Self = Self(0x40);

    /// Whether the set is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// This set without `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (Self::DATA, "data"),
            (Self::MINOR, "minor"),
            (Self::MAJOR_ACTIVITY, "major/activity"),
            (Self::RELEASE, "release"),
        ];
        f.debug_set()
            .entries(
                names
                    .iter()
                    .filter(|(token, _)| self.contains(*token))
                    .map(|(_, name)| name),
            )
            .finish()
    }
}

/// Who holds a token at first (X.225 section 8.3.1, PI 26).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenSide {
    /// The initiator.
    Initiator,
    /// The responder.
    Responder,
    /// Whom the responder names (in CONNECT only).
    AcceptorChooses,
}

/// Where each token is at first: two bits a token (X.225 section 8.3.1, PI 26).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TokenSetting(pub u8);

impl TokenSetting {
    /// Every token at the initiator.
    pub const INITIATOR: Self = Self(0x00);
    /// Every token at the responder.
    pub const RESPONDER: Self = Self(0x55);
    /// Every token where the responder says.
    pub const ACCEPTOR_CHOOSES: Self = Self(0xaa);

    /// Who is to hold `token` (one token); `None` for the reserved value or more than one token.
    #[must_use]
    pub const fn side(self, token: Tokens) -> Option<TokenSide> {
        let shift = match token {
            Tokens::DATA => 0,
            Tokens::MINOR => 2,
            Tokens::MAJOR_ACTIVITY => 4,
            Tokens::RELEASE => 6,
            _ => return None,
        };
        match self.0 >> shift & 3 {
            0 => Some(TokenSide::Initiator),
            1 => Some(TokenSide::Responder),
            2 => Some(TokenSide::AcceptorChooses),
            _ => None,
        }
    }
}

/// A set of protocol versions (X.225 section 8.3.1, PI 22).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Versions(pub u8);

impl Versions {
    /// Version 1.
    pub const V1: Self = Self(0x01);
    /// Version 2: unlimited user data.
    pub const V2: Self = Self(0x02);
    /// Both versions.
    pub const BOTH: Self = Self(0x03);
}

/// A synchronization point serial number, 0 to 999 999, on the wire up to six digits (X.225 section 8.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Serial(u32);

impl Serial {
    /// The first number of an activity.
    pub const ONE: Self = Self(1);
    /// The largest number.
    pub const MAX: Self = Self(999_999);

    /// A serial number; `None` above 999 999.
    #[must_use]
    pub const fn new(number: u32) -> Option<Self> {
        if number <= Self::MAX.0 {
            Some(Self(number))
        } else {
            None
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The number after this one; `None` after the largest.
    #[must_use]
    pub const fn next(self) -> Option<Self> {
        Self::new(self.0 + 1)
    }

    /// The number before this one; `None` before zero.
    #[must_use]
    pub const fn previous(self) -> Option<Self> {
        match self.0.checked_sub(1) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Names a session connection; in CONNECT with the calling SS-user's reference, in ACCEPT and
/// REFUSE with the called one's (X.225 section 8.3.1, PGI 1).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct ConnectionIdentifier {
    /// The SS-user's reference, up to 64 octets; with RTSE an encoded T.61 or graphic string.
    pub ss_user_reference: Bytes,
    /// The common reference, up to 64 octets; with RTSE an encoded UTCTime.
    pub common_reference: Bytes,
    /// Additional reference information, up to 4 octets.
    pub additional_reference: Bytes,
}

/// Which activity a resumed one continues (X.225 section 8.3.20, PGI 33, apart from its serial number).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LinkingInformation {
    /// The called SS-user's reference of the old connection, if it is not this one.
    pub called_ss_user_reference: Option<Bytes>,
    /// The calling SS-user's reference of the old connection, if it is not this one.
    pub calling_ss_user_reference: Option<Bytes>,
    /// The common reference of the old connection.
    pub common_reference: Option<Bytes>,
    /// Additional reference information of the old connection.
    pub additional_reference: Option<Bytes>,
    /// The old activity identifier, up to 6 octets.
    pub activity_identifier: Bytes,
}

/// The reason of an exception, interrupt or discard (X.225 section 8.3.18, PI 50).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExceptionReason(pub u8);

impl ExceptionReason {
    /// No specific reason.
    pub const NON_SPECIFIC: Self = Self(0);
    /// The user's ability to receive is jeopardized.
    pub const RECEIVING_ABILITY_JEOPARDIZED: Self = Self(1);
    /// User sequence error.
    pub const USER_SEQUENCE_ERROR: Self = Self(3);
    /// Local SS-user error.
    pub const LOCAL_USER_ERROR: Self = Self(5);
    /// Unrecoverable procedural error.
    pub const UNRECOVERABLE_PROCEDURAL_ERROR: Self = Self(6);
    /// Demand data token.
    pub const DEMAND_DATA_TOKEN: Self = Self(128);
}

impl fmt::Display for ExceptionReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.0 {
            0 => "no specific reason",
            1 => "receiving ability jeopardized",
            3 => "user sequence error",
            5 => "local user error",
            6 => "unrecoverable procedural error",
            128 => "demand data token",
            _ => return write!(f, "unknown reason {}", self.0),
        };
        f.write_str(text)
    }
}

/// Why a session connection was refused (X.225 section 8.3.5, PI 50).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefuseReason {
    /// 0: the called SS-user gave no reason.
    UserUnspecified,
    /// 1: the called SS-user is congested for now.
    UserCongestion,
    /// 2: the called SS-user says why in its data.
    User(Bytes),
    /// 129: the called session selector is unknown.
    SelectorUnknown,
    /// 130: no SS-user is attached to the session selector.
    NotAttached,
    /// 131: the session layer is congested.
    Congestion,
    /// 132: none of the proposed versions is supported.
    VersionNotSupported,
    /// 133: the session layer gave no reason.
    ProviderUnspecified,
    /// 134: a stated restriction of the implementation.
    ImplementationRestriction,
    /// A reason X.225 does not list.
    Other(u8),
}

impl RefuseReason {
    /// The reason code.
    #[must_use]
    pub const fn code(&self) -> u8 {
        match self {
            Self::UserUnspecified => 0,
            Self::UserCongestion => 1,
            Self::User(_) => 2,
            Self::SelectorUnknown => 129,
            Self::NotAttached => 130,
            Self::Congestion => 131,
            Self::VersionNotSupported => 132,
            Self::ProviderUnspecified => 133,
            Self::ImplementationRestriction => 134,
            Self::Other(code) => *code,
        }
    }

    /// The reason for a code and the data after it, which only code 2 has.
    #[must_use]
    pub fn from_code(code: u8, data: Bytes) -> Self {
        match code {
            0 => Self::UserUnspecified,
            1 => Self::UserCongestion,
            2 => Self::User(data),
            129 => Self::SelectorUnknown,
            130 => Self::NotAttached,
            131 => Self::Congestion,
            132 => Self::VersionNotSupported,
            133 => Self::ProviderUnspecified,
            134 => Self::ImplementationRestriction,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for RefuseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UserUnspecified => "refused by the called user, no reason given",
            Self::UserCongestion => "the called user is congested for now",
            Self::User(_) => "refused by the called user, who says why",
            Self::SelectorUnknown => "session selector unknown",
            Self::NotAttached => "no user attached to the session selector",
            Self::Congestion => "session layer congested",
            Self::VersionNotSupported => "session protocol version not supported",
            Self::ProviderUnspecified => "refused by the session layer, no reason given",
            Self::ImplementationRestriction => "restriction of the session implementation",
            Self::Other(code) => return write!(f, "refused for unknown reason {code}"),
        })
    }
}

/// What an ABORT or FINISH says of the transport connection and the cause (X.225 section 8.3.9, PI 17).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransportDisconnect(pub u8);

impl TransportDisconnect {
    /// The transport connection is to be released; without it, to be kept.
    pub const RELEASE: Self = Self(0x01);
    /// User abort.
    pub const USER_ABORT: Self = Self(0x02);
    /// Protocol error.
    pub const PROTOCOL_ERROR: Self = Self(0x04);
    /// No reason.
    pub const NO_REASON: Self = Self(0x08);
    /// A stated restriction of the implementation.
    pub const IMPLEMENTATION_RESTRICTION: Self = Self(0x10);
}

/// Which part of an SSDU a segment is: the enclosure item (X.225 section 8.3.11, PI 25).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enclosure {
    /// The SSDU begins here.
    pub begin: bool,
    /// The SSDU ends here.
    pub end: bool,
}
