//! TPDUs of class 0: CR, CC, DR, DT and ER (X.224 section 13, RFC 905 section 13).

use std::fmt;

/// A TPDU size that class 0 may negotiate (X.224 section 13.3.4), in octets, header included.
///
/// RFC 1006 section 5 adds the size that fills a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // the variants say it
pub enum TpduSize {
    Octets128,
    Octets256,
    Octets512,
    Octets1024,
    Octets2048,
    Octets4096,
    Octets8192,
    /// What a TPKT can hold; said by proposing nothing (RFC 1006 section 5).
    Octets65531,
}

impl TpduSize {
    /// The size in octets.
    #[must_use]
    pub const fn octets(self) -> usize {
        match self {
            Self::Octets128 => 128,
            Self::Octets256 => 256,
            Self::Octets512 => 512,
            Self::Octets1024 => 1024,
            Self::Octets2048 => 2048,
            Self::Octets4096 => 4096,
            Self::Octets8192 => 8192,
            Self::Octets65531 => 65_531,
        }
    }
}

/// The reason of a DR TPDU (X.224 section 13.5.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DisconnectReason(pub u8);

impl DisconnectReason {
    /// Reason not specified.
    pub const UNSPECIFIED: Self = Self(0);
    /// Congestion at the TSAP.
    pub const CONGESTION_AT_TSAP: Self = Self(1);
    /// The session entity is not attached to the TSAP.
    pub const NOT_ATTACHED: Self = Self(2);
    /// Address unknown.
    pub const ADDRESS_UNKNOWN: Self = Self(3);
    /// Normal disconnect, initiated by the session entity.
    pub const NORMAL: Self = Self(128);
    /// Remote transport entity congestion at connect time.
    pub const CONGESTION: Self = Self(129);
    /// Connection negotiation failed.
    pub const NEGOTIATION_FAILED: Self = Self(130);
    /// Duplicate source reference.
    pub const DUPLICATE_REFERENCE: Self = Self(131);
    /// Mismatched references.
    pub const MISMATCHED_REFERENCES: Self = Self(132);
    /// Protocol error.
    pub const PROTOCOL_ERROR: Self = Self(133);
    /// Reference overflow.
    pub const REFERENCE_OVERFLOW: Self = Self(135);
    /// Connection request refused on this network connection.
    pub const REFUSED: Self = Self(136);
    /// Header or parameter length invalid.
    pub const LENGTH_INVALID: Self = Self(138);
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.0 {
            0 => "reason not specified",
            1 => "congestion at the TSAP",
            2 => "session entity not attached to the TSAP",
            3 => "address unknown",
            128 => "normal disconnect",
            129 => "congestion at connect time",
            130 => "connection negotiation failed",
            131 => "duplicate source reference",
            132 => "mismatched references",
            133 => "protocol error",
            135 => "reference overflow",
            136 => "connection refused on this network connection",
            138 => "header or parameter length invalid",
            _ => return write!(f, "unknown reason {}", self.0),
        };
        f.write_str(text)
    }
}
