//! TPDUs of class 0: CR, CC, DR, DT and ER (X.224 section 13, RFC 905 section 13).

use std::fmt;

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Octets of the header of a DT TPDU.
pub const DATA_HEADER: usize = 3;

// TPDU codes (section 13.2) and parameter codes (13.3.4, 13.5.4, 13.12.4).
const CR: u8 = 0xe0;
const CC: u8 = 0xd0;
const DR: u8 = 0x80;
const DT: u8 = 0xf0;
const ER: u8 = 0x70;
const SIZE: u8 = 0xc0;
const CALLING: u8 = 0xc1;
const CALLED: u8 = 0xc2;
const INVALID_TPDU: u8 = 0xc1;
const ALTERNATIVE_CLASSES: u8 = 0xc7;
const ADDITIONAL: u8 = 0xe0;
const END_OF_TSDU: u8 = 0x80;

/// A TPDU that is none of class 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The length indicator is 255, which is reserved, or goes beyond the TPDU.
    #[error("length indicator {indicator} in a TPDU of {octets} octets (X.224 section 13.2.1)")]
    Length {
        /// The length indicator.
        indicator: u8,
        /// The octets there are, the indicator included.
        octets: usize,
    },
    /// The header ends before its last field.
    #[error("the header ends within {0}")]
    Truncated(&'static str),
    /// A TPDU code that class 0 does not have.
    #[error("TPDU code {0:#04x} is none of class 0 (X.224 section 13.2.2)")]
    Code(u8),
    /// A parameter has an impossible value.
    #[error("parameter {0:#04x} has an impossible value")]
    Parameter(u8),
}

impl Error {
    /// The reject cause that tells the peer (X.224 section 13.12.3).
    #[must_use]
    pub const fn reject_cause(self) -> u8 {
        match self {
            Self::Length { .. } | Self::Truncated(_) => 0,
            Self::Code(_) => 2,
            Self::Parameter(_) => 3,
        }
    }
}

/// What CR and CC say (X.224 sections 13.3 and 13.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connect {
    /// The reference of whom it goes to; 0 in CR.
    pub destination_reference: u16,
    /// The reference of whom it comes from.
    pub source_reference: u16,
    /// The (preferred) class, 0 to 4.
    pub class: u8,
    /// The classes that would do as well.
    pub alternative_classes: Vec<u8>,
    /// The T-selector called from.
    pub calling: Option<Bytes>,
    /// The T-selector called.
    pub called: Option<Bytes>,
    /// The TPDU size; absent: what fits (RFC 1006 section 5).
    pub tpdu_size: TpduSize,
}

/// A transport protocol data unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tpdu {
    /// CR, connection request.
    ConnectionRequest(Connect),
    /// CC, connection confirm.
    ConnectionConfirm(Connect),
    /// DR, disconnect request.
    DisconnectRequest {
        /// The reference of whom it goes to.
        destination_reference: u16,
        /// The reference of whom it comes from.
        source_reference: u16,
        /// Why.
        reason: DisconnectReason,
        /// More about it: the parameter of that name, or the user data some put there instead.
        additional: Bytes,
    },
    /// DT, data.
    Data {
        /// Whether a TSDU ends here.
        end_of_tsdu: bool,
        /// The user data.
        data: Bytes,
    },
    /// ER, TPDU error.
    Error {
        /// The reference of whom it goes to.
        destination_reference: u16,
        /// Why a TPDU was rejected (section 13.12.3).
        cause: u8,
        /// The rejected TPDU, as far as it was understood.
        invalid: Bytes,
    },
}

impl Tpdu {
    /// Reads one TPDU.
    ///
    /// # Errors
    /// It is no TPDU of class 0.
    pub fn decode(mut tpdu: Bytes) -> Result<Self, Error> {
        let octets = tpdu.len();
        let indicator = tpdu
            .try_get_u8()
            .map_err(|_| Error::Truncated("the length indicator"))?;
        if indicator == u8::MAX || usize::from(indicator) > tpdu.len() {
            return Err(Error::Length { indicator, octets });
        }
        let mut header = tpdu.split_to(usize::from(indicator));
        let user_data = tpdu;
        let code = header
            .try_get_u8()
            .map_err(|_| Error::Truncated("the TPDU code"))?;
        // The low four bits are the credit, without meaning in class 0.
        match code & 0xf0 {
            CR => Ok(Self::ConnectionRequest(Connect::decode(header)?)),
            CC => Ok(Self::ConnectionConfirm(Connect::decode(header)?)),
            DR => {
                let destination_reference = reference(&mut header)?;
                let source_reference = reference(&mut header)?;
                let reason = DisconnectReason(
                    header
                        .try_get_u8()
                        .map_err(|_| Error::Truncated("the reason"))?,
                );
                let mut additional = user_data;
                parameters(header, |code, value| {
                    if code == ADDITIONAL {
                        additional = value;
                    }
                    Ok(())
                })?;
                Ok(Self::DisconnectRequest {
                    destination_reference,
                    source_reference,
                    reason,
                    additional,
                })
            }
            DT => match header.as_ref() {
                [number] => Ok(Self::Data {
                    end_of_tsdu: number & END_OF_TSDU != 0,
                    data: user_data,
                }),
                _ => Err(Error::Length { indicator, octets }),
            },
            ER => {
                let destination_reference = reference(&mut header)?;
                let cause = header
                    .try_get_u8()
                    .map_err(|_| Error::Truncated("the reject cause"))?;
                let mut invalid = Bytes::new();
                parameters(header, |code, value| {
                    if code == INVALID_TPDU {
                        invalid = value;
                    }
                    Ok(())
                })?;
                Ok(Self::Error {
                    destination_reference,
                    cause,
                    invalid,
                })
            }
            _ => Err(Error::Code(code)),
        }
    }

    /// The octets of this TPDU: the header, and the user data that follow it.
    #[must_use]
    pub fn encode(&self) -> (BytesMut, Bytes) {
        let mut header = BytesMut::with_capacity(32);
        header.put_u8(0);
        let mut user_data = Bytes::new();
        match self {
            Self::ConnectionRequest(connect) => connect.encode(CR, &mut header),
            Self::ConnectionConfirm(connect) => connect.encode(CC, &mut header),
            Self::DisconnectRequest {
                destination_reference,
                source_reference,
                reason,
                additional,
            } => {
                header.put_u8(DR);
                header.put_u16(*destination_reference);
                header.put_u16(*source_reference);
                header.put_u8(reason.0);
                if !additional.is_empty() {
                    parameter(&mut header, ADDITIONAL, additional);
                }
            }
            Self::Data { end_of_tsdu, data } => {
                let [_, code, number] = data_header(*end_of_tsdu);
                header.put_slice(&[code, number]);
                user_data = data.clone();
            }
            Self::Error {
                destination_reference,
                cause,
                invalid,
            } => {
                header.put_u8(ER);
                header.put_u16(*destination_reference);
                header.put_u8(*cause);
                parameter(&mut header, INVALID_TPDU, invalid);
            }
        }
        // `parameter` keeps the header within one octet of length.
        let indicator = u8::try_from(header.len() - 1).unwrap_or(u8::MAX - 1);
        if let Some(first) = header.first_mut() {
            *first = indicator;
        }
        (header, user_data)
    }
}

/// The header of a DT TPDU.
#[must_use]
pub const fn data_header(end_of_tsdu: bool) -> [u8; DATA_HEADER] {
    [2, DT, if end_of_tsdu { END_OF_TSDU } else { 0 }]
}

impl Connect {
    fn decode(mut header: Bytes) -> Result<Self, Error> {
        let destination_reference = reference(&mut header)?;
        let source_reference = reference(&mut header)?;
        let class = header
            .try_get_u8()
            .map_err(|_| Error::Truncated("the class"))?
            >> 4;
        let mut connect = Self {
            destination_reference,
            source_reference,
            class,
            alternative_classes: Vec::new(),
            calling: None,
            called: None,
            tpdu_size: TpduSize::Octets65531,
        };
        // Parameters of other classes and unknown ones are ignored (section 13.2.3).
        parameters(header, |code, value| {
            match code {
                SIZE => {
                    connect.tpdu_size = TpduSize::from_code(&value).ok_or(Error::Parameter(code))?
                }
                CALLING => connect.calling = Some(value),
                CALLED => connect.called = Some(value),
                ALTERNATIVE_CLASSES => {
                    connect.alternative_classes = value.iter().map(|octet| octet >> 4).collect()
                }
                _ => {}
            }
            Ok(())
        })?;
        Ok(connect)
    }

    fn encode(&self, code: u8, header: &mut BytesMut) {
        header.put_u8(code);
        header.put_u16(self.destination_reference);
        header.put_u16(self.source_reference);
        header.put_u8(self.class << 4);
        if let Some(calling) = &self.calling {
            parameter(header, CALLING, calling);
        }
        if let Some(called) = &self.called {
            parameter(header, CALLED, called);
        }
        if let Some(code) = self.tpdu_size.code() {
            parameter(header, SIZE, &[code]);
        }
    }

    /// Whether class 0 can be agreed to (X.224 section 6.5.4).
    #[must_use]
    pub fn allows_class_0(&self) -> bool {
        self.class == 0 || self.alternative_classes.contains(&0)
    }
}

fn reference(header: &mut Bytes) -> Result<u16, Error> {
    header
        .try_get_u16()
        .map_err(|_| Error::Truncated("a reference"))
}

/// Walks the variable part of a header (section 13.2.3).
fn parameters(
    mut part: Bytes,
    mut each: impl FnMut(u8, Bytes) -> Result<(), Error>,
) -> Result<(), Error> {
    while part.has_remaining() {
        let code = part.get_u8();
        let length = part
            .try_get_u8()
            .map_err(|_| Error::Truncated("the length of a parameter"))?;
        if usize::from(length) > part.len() {
            return Err(Error::Truncated("a parameter"));
        }
        each(code, part.split_to(usize::from(length)))?;
    }
    Ok(())
}

/// Appends a parameter, cut to what the length indicator of the header can still count.
fn parameter(header: &mut BytesMut, code: u8, value: &[u8]) {
    let room = usize::from(u8::MAX).saturating_sub(header.len() + 2);
    let value = value.get(..room).unwrap_or(value);
    if let Ok(length) = u8::try_from(value.len()) {
        header.put_u8(code);
        header.put_u8(length);
        header.put_slice(value);
    }
}

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
    fn from_code(value: &[u8]) -> Option<Self> {
        Some(match value {
            [0x07] => Self::Octets128,
            [0x08] => Self::Octets256,
            [0x09] => Self::Octets512,
            [0x0a] => Self::Octets1024,
            [0x0b] => Self::Octets2048,
            [0x0c] => Self::Octets4096,
            [0x0d] => Self::Octets8192,
            _ => return None,
        })
    }

    const fn code(self) -> Option<u8> {
        Some(match self {
            Self::Octets128 => 0x07,
            Self::Octets256 => 0x08,
            Self::Octets512 => 0x09,
            Self::Octets1024 => 0x0a,
            Self::Octets2048 => 0x0b,
            Self::Octets4096 => 0x0c,
            Self::Octets8192 => 0x0d,
            Self::Octets65531 => return None,
        })
    }

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
