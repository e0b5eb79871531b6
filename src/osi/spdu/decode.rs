//! Reading the SPDUs of a TSDU: strict on lengths and structure, lenient on order and unknown parameters (X.225 section 8.2).

use bytes::{Buf, Bytes};

use super::{
    Accept, ActivityResume, Connect, ConnectAcceptItem, ConnectionIdentifier, Enclosure,
    ExceptionReason, FunctionalUnits, LinkingInformation, Refuse, RefuseReason, Serial, Spdu,
    TokenSetting, Tokens, TransportDisconnect, Versions, pi, si,
};

/// A TSDU that holds no SPDU of this implementation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{spdu} SPDU, octet {offset}: {fault}")]
pub struct Error {
    /// The SPDU, as far as it could be told.
    pub spdu: &'static str,
    /// Where in the TSDU, counted from 0.
    pub offset: usize,
    /// What is wrong there.
    pub fault: Fault,
}

/// What can be wrong with an SPDU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A length indicator or what it counts ends beyond the enclosing field.
    #[error("a length goes beyond the enclosing field")]
    Truncated,
    /// The TSDU is empty.
    #[error("the TSDU is empty")]
    Empty,
    /// An SPDU identifier that X.225 does not have here.
    #[error("SPDU identifier {0} is not known here")]
    Unknown(u8),
    /// An SPDU of a functional unit that is not implemented.
    #[error("its functional unit is not implemented")]
    NotImplemented,
    /// An SPDU of category 2 without one of category 0 before it, or more than one.
    #[error("concatenation other than one of category 0 and one of category 2")]
    Concatenation,
    /// Octets after the end of an SPDU that has no user information.
    #[error("octets after its end")]
    Trailing,
    /// A parameter occurs twice.
    #[error("parameter {0} occurs twice")]
    Duplicate(u8),
    /// A mandatory parameter is missing.
    #[error("mandatory parameter {0} is missing")]
    Missing(u8),
    /// A parameter has a wrong length.
    #[error("parameter {code} has {length} octets")]
    Length {
        /// The parameter identifier.
        code: u8,
        /// Its length.
        length: usize,
    },
    /// A parameter has an impossible value.
    #[error("parameter {0} has an impossible value")]
    Value(u8),
    /// A segment of user data, which only DATA TRANSFER may have here.
    #[error("segmented user data")]
    Segmented,
}

/// Reads the SPDUs of a TSDU: one, or one of category 0 and one of category 2.
///
/// # Errors
/// Says where and what is wrong; nothing of the TSDU is to be acted upon.
pub fn decode(tsdu: &Bytes) -> Result<Vec<Spdu>, Error> {
    let mut reader = Reader {
        octets: tsdu.clone(),
        offset: 0,
    };
    let first = reader.spdu(Position::First)?;
    if !matches!(first, Spdu::GiveTokens { .. } | Spdu::PleaseTokens { .. }) {
        return match reader.octets.is_empty() {
            true => Ok(vec![first]),
            false => Err(Error {
                spdu: first.name(),
                offset: reader.offset,
                fault: Fault::Trailing,
            }),
        };
    }
    if reader.octets.is_empty() {
        return Ok(vec![first]);
    }
    let second = reader.spdu(Position::Second)?;
    if !reader.octets.is_empty() {
        return Err(Error {
            spdu: second.name(),
            offset: reader.offset,
            fault: Fault::Concatenation,
        });
    }
    Ok(vec![first, second])
}

/// Where in a TSDU an SPDU stands: identifiers 1, 25 and 26 mean different things.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Position {
    First,
    Second,
}

/// What is left of an SPDU or a parameter group, and where in the TSDU that begins.
struct Reader {
    octets: Bytes,
    offset: usize,
}

impl Reader {
    fn octet(&mut self) -> Option<u8> {
        let octet = self.octets.try_get_u8().ok()?;
        self.offset += 1;
        Some(octet)
    }

    /// A length indicator and as many octets.
    fn counted(&mut self) -> Option<Self> {
        let mut length = usize::from(self.octet()?);
        if length == 255 {
            length = usize::from(self.octets.try_get_u16().ok()?);
            self.offset += 2;
        }
        if length > self.octets.len() {
            return None;
        }
        let part = Self {
            octets: self.octets.split_to(length),
            offset: self.offset,
        };
        self.offset += length;
        Some(part)
    }

    fn spdu(&mut self, position: Position) -> Result<Spdu, Error> {
        let at = self.offset;
        let identifier = self.octet().ok_or(Error {
            spdu: "unknown",
            offset: at,
            fault: Fault::Empty,
        })?;
        let name = name(identifier, position).ok_or(Error {
            spdu: "unknown",
            offset: at,
            fault: Fault::Unknown(identifier),
        })?;
        let fail = |offset, fault| Error {
            spdu: name,
            offset,
            fault,
        };
        let body = self.counted().ok_or(fail(at + 1, Fault::Truncated))?;
        let mut p = Parameters {
            spdu: name,
            end: self.offset,
            fields: Vec::new(),
        };
        p.read(body, true)?;
        if let Some(field) = p.take(pi::ENCLOSURE) {
            let [bits] = field.array(&p)?;
            let enclosure = Enclosure {
                begin: bits & 1 != 0,
                end: bits & 2 != 0,
            };
            if position == Position::Second && identifier == si::DATA_TRANSFER {
                return Ok(Spdu::DataTransfer {
                    enclosure: Some(enclosure),
                    data: self.rest(),
                });
            }
            if !(enclosure.begin && enclosure.end) {
                return Err(fail(field.offset, Fault::Segmented));
            }
        }
        match (position, identifier) {
            (Position::First, _) => p.first(identifier, at),
            (Position::Second, si::DATA_TRANSFER) => Ok(Spdu::DataTransfer {
                enclosure: None,
                data: self.rest(),
            }),
            (Position::Second, _) => p.second(identifier, at),
        }
    }

    fn rest(&mut self) -> Bytes {
        self.offset += self.octets.len();
        self.octets.split_to(self.octets.len())
    }
}

struct Field {
    code: u8,
    offset: usize,
    value: Bytes,
}

impl Field {
    fn array<const N: usize>(&self, p: &Parameters) -> Result<[u8; N], Error> {
        <[u8; N]>::try_from(self.value.as_ref()).map_err(|_| self.length(p))
    }

    fn length(&self, p: &Parameters) -> Error {
        p.error(
            self.offset,
            Fault::Length {
                code: self.code,
                length: self.value.len(),
            },
        )
    }

    fn at_most(self, p: &Parameters, limit: usize) -> Result<Bytes, Error> {
        if self.value.len() > limit {
            Err(self.length(p))
        } else {
            Ok(self.value)
        }
    }
}

/// The parameters of an SPDU; those of the groups 1 and 5 are no different from others.
struct Parameters {
    spdu: &'static str,
    end: usize,
    fields: Vec<Field>,
}

impl Parameters {
    fn error(&self, offset: usize, fault: Fault) -> Error {
        Error {
            spdu: self.spdu,
            offset,
            fault,
        }
    }

    fn read(&mut self, mut body: Reader, groups: bool) -> Result<(), Error> {
        while let offset = body.offset
            && let Some(code) = body.octet()
        {
            let value = body.counted().ok_or(self.error(offset, Fault::Truncated))?;
            if self.fields.iter().any(|field| field.code == code) {
                return Err(self.error(offset, Fault::Duplicate(code)));
            }
            match code {
                pi::CONNECTION_IDENTIFIER | pi::CONNECT_ACCEPT_ITEM if groups => {
                    self.read(value, false)?
                }
                _ => self.fields.push(Field {
                    code,
                    offset,
                    value: value.octets,
                }),
            }
        }
        Ok(())
    }

    fn take(&mut self, code: u8) -> Option<Field> {
        let index = self.fields.iter().position(|field| field.code == code)?;
        Some(self.fields.swap_remove(index))
    }

    fn must(&mut self, code: u8) -> Result<Field, Error> {
        self.take(code)
            .ok_or(self.error(self.end, Fault::Missing(code)))
    }

    fn octet(&mut self, code: u8) -> Result<Option<u8>, Error> {
        self.take(code)
            .map(|field| field.array(self).map(|[octet]| octet))
            .transpose()
    }

    fn octets(&mut self, code: u8, limit: usize) -> Result<Option<Bytes>, Error> {
        self.take(code)
            .map(|field| field.at_most(self, limit))
            .transpose()
    }

    fn user_data(&mut self) -> Bytes {
        self.take(pi::USER_DATA)
            .map(|field| field.value)
            .unwrap_or_default()
    }

    fn serial(&mut self, code: u8) -> Result<Option<Serial>, Error> {
        let Some(field) = self.take(code) else {
            return Ok(None);
        };
        if field.value.is_empty() || field.value.len() > 6 {
            return Err(field.length(self));
        }
        let number = field.value.iter().try_fold(0, |number, &digit| {
            digit
                .is_ascii_digit()
                .then(|| number * 10 + u32::from(digit - b'0'))
        });
        number
            .and_then(Serial::new)
            .map(Some)
            .ok_or(self.error(field.offset, Fault::Value(code)))
    }

    fn must_serial(&mut self) -> Result<Serial, Error> {
        let missing = self.error(self.end, Fault::Missing(pi::SERIAL_NUMBER));
        self.serial(pi::SERIAL_NUMBER)?.ok_or(missing)
    }

    fn reason(&mut self) -> Result<Option<ExceptionReason>, Error> {
        Ok(self.octet(pi::REASON_CODE)?.map(ExceptionReason))
    }

    fn identifier(&mut self, reference: u8) -> Result<Option<ConnectionIdentifier>, Error> {
        let identifier = ConnectionIdentifier {
            ss_user_reference: self.octets(reference, 64)?.unwrap_or_default(),
            common_reference: self.octets(pi::COMMON_REFERENCE, 64)?.unwrap_or_default(),
            additional_reference: self
                .octets(pi::ADDITIONAL_REFERENCE, 4)?
                .unwrap_or_default(),
        };
        Ok((identifier != ConnectionIdentifier::default()).then_some(identifier))
    }

    fn item(&mut self) -> Result<ConnectAcceptItem, Error> {
        let tsdu_maximum = match self.take(pi::TSDU_MAXIMUM_SIZE) {
            Some(field) => {
                let [a, b, c, d] = field.array(self)?;
                Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
            }
            None => None,
        };
        Ok(ConnectAcceptItem {
            protocol_options: self.octet(pi::PROTOCOL_OPTIONS)?,
            tsdu_maximum,
            versions: self.octet(pi::VERSION_NUMBER)?.map(Versions),
            initial_serial: self.serial(pi::INITIAL_SERIAL_NUMBER)?,
            token_setting: self.octet(pi::TOKEN_SETTING)?.map(TokenSetting),
        })
    }

    fn functional_units(&mut self) -> Result<Option<FunctionalUnits>, Error> {
        let field = self.take(pi::SESSION_REQUIREMENTS);
        field
            .map(|field| {
                field
                    .array(self)
                    .map(|octets| FunctionalUnits(u16::from_be_bytes(octets)))
            })
            .transpose()
    }

    /// SPDUs of categories 0 and 1.
    fn first(mut self, identifier: u8, at: usize) -> Result<Spdu, Error> {
        Ok(match identifier {
            si::CONNECT => Spdu::Connect(Box::new(Connect {
                identifier: self.identifier(pi::CALLING_SS_USER_REFERENCE)?,
                item: self.item()?,
                functional_units: self.functional_units()?,
                calling_selector: self.octets(pi::CALLING_SELECTOR, 16)?,
                called_selector: self.octets(pi::CALLED_SELECTOR, 16)?,
                data_overflow: self.take(pi::DATA_OVERFLOW).is_some(),
                user_data: match self.take(pi::EXTENDED_USER_DATA) {
                    Some(field) => field.value,
                    None => self.user_data(),
                },
            })),
            si::ACCEPT => Spdu::Accept(Box::new(Accept {
                identifier: self.identifier(pi::CALLED_SS_USER_REFERENCE)?,
                item: self.item()?,
                tokens: self.octet(pi::TOKEN_ITEM)?.map(Tokens),
                functional_units: self.functional_units()?,
                calling_selector: self.octets(pi::CALLING_SELECTOR, 16)?,
                called_selector: self.octets(pi::CALLED_SELECTOR, 16)?,
                user_data: self.user_data(),
            })),
            si::REFUSE => {
                let mut reason = match self.take(pi::REASON_CODE) {
                    Some(field) if field.value.is_empty() => return Err(field.length(&self)),
                    Some(field) => field.value,
                    None => Bytes::from_static(&[0]),
                };
                let code = reason.get_u8();
                Spdu::Refuse(Box::new(Refuse {
                    identifier: self.identifier(pi::CALLED_SS_USER_REFERENCE)?,
                    transport_disconnect: self
                        .octet(pi::TRANSPORT_DISCONNECT)?
                        .map(TransportDisconnect),
                    functional_units: self.functional_units()?,
                    versions: self.octet(pi::VERSION_NUMBER)?.map(Versions),
                    reason: RefuseReason::from_code(code, reason),
                }))
            }
            si::FINISH => Spdu::Finish {
                transport_disconnect: self
                    .octet(pi::TRANSPORT_DISCONNECT)?
                    .map(TransportDisconnect),
                user_data: self.user_data(),
            },
            si::DISCONNECT => Spdu::Disconnect(self.user_data()),
            si::ABORT => Spdu::Abort {
                // Mandatory; without it the transport connection is not to be trusted any more.
                transport_disconnect: self
                    .octet(pi::TRANSPORT_DISCONNECT)?
                    .map_or(TransportDisconnect::RELEASE, TransportDisconnect),
                reflect: self
                    .take(pi::REFLECT)
                    .map(|field| field.value)
                    .unwrap_or_default(),
                user_data: self.user_data(),
            },
            si::ABORT_ACCEPT => Spdu::AbortAccept,
            si::GIVE_TOKENS => Spdu::GiveTokens {
                tokens: self.octet(pi::TOKEN_ITEM)?.map(Tokens),
                user_data: self.user_data(),
            },
            si::PLEASE_TOKENS => Spdu::PleaseTokens {
                tokens: self.octet(pi::TOKEN_ITEM)?.map(Tokens),
                user_data: self.user_data(),
            },
            si::GIVE_TOKENS_CONFIRM => Spdu::GiveTokensConfirm(self.user_data()),
            si::GIVE_TOKENS_ACK => Spdu::GiveTokensAck(self.user_data()),
            _ if category_2(identifier) => return Err(self.error(at, Fault::Concatenation)),
            _ => return Err(self.error(at, Fault::NotImplemented)),
        })
    }

    /// SPDUs of category 2 but for DATA TRANSFER.
    fn second(mut self, identifier: u8, at: usize) -> Result<Spdu, Error> {
        Ok(match identifier {
            si::EXCEPTION_REPORT => Spdu::ExceptionReport(
                self.take(pi::REFLECT)
                    .map(|field| field.value)
                    .unwrap_or_default(),
            ),
            si::EXCEPTION_DATA => {
                let reason = self.reason()?.unwrap_or(ExceptionReason::NON_SPECIFIC);
                Spdu::ExceptionData {
                    reason,
                    user_data: self.user_data(),
                }
            }
            si::MINOR_SYNC_POINT => Spdu::MinorSyncPoint {
                explicit: self.octet(pi::SYNC_TYPE)?.is_none_or(|bits| bits & 1 == 0),
                serial: self.must_serial()?,
                user_data: self.user_data(),
            },
            si::MINOR_SYNC_ACK => Spdu::MinorSyncAck {
                serial: self.must_serial()?,
                user_data: self.user_data(),
            },
            // Bit 1 of the sync type item makes it a MAJOR SYNC POINT.
            si::ACTIVITY_END if self.octet(pi::SYNC_TYPE)?.is_some_and(|bits| bits & 1 == 1) => {
                return Err(self.error(at, Fault::NotImplemented));
            }
            si::ACTIVITY_END => Spdu::ActivityEnd {
                serial: self.must_serial()?,
                user_data: self.user_data(),
            },
            si::ACTIVITY_END_ACK => Spdu::ActivityEndAck {
                serial: self.must_serial()?,
                user_data: self.user_data(),
            },
            si::ACTIVITY_START => {
                let identifier = self.must(pi::ACTIVITY_IDENTIFIER)?.at_most(&self, 6)?;
                Spdu::ActivityStart {
                    identifier,
                    user_data: self.user_data(),
                }
            }
            si::ACTIVITY_RESUME => Spdu::ActivityResume(Box::new(self.activity_resume()?)),
            si::ACTIVITY_INTERRUPT => Spdu::ActivityInterrupt {
                reason: self.reason()?,
                user_data: self.user_data(),
            },
            si::ACTIVITY_INTERRUPT_ACK => Spdu::ActivityInterruptAck(self.user_data()),
            si::ACTIVITY_DISCARD => Spdu::ActivityDiscard {
                reason: self.reason()?,
                user_data: self.user_data(),
            },
            si::ACTIVITY_DISCARD_ACK => Spdu::ActivityDiscardAck(self.user_data()),
            _ if category_2(identifier) => return Err(self.error(at, Fault::NotImplemented)),
            _ => return Err(self.error(at, Fault::Concatenation)),
        })
    }

    fn activity_resume(&mut self) -> Result<ActivityResume, Error> {
        let linking = self.must(pi::LINKING_INFORMATION)?;
        let mut old = Self {
            spdu: self.spdu,
            end: linking.offset,
            fields: Vec::new(),
        };
        // Its parameters begin after the group identifier and a length of one or three octets.
        let header = if linking.value.len() > 254 { 4 } else { 2 };
        old.read(
            Reader {
                offset: linking.offset + header,
                octets: linking.value,
            },
            false,
        )?;
        Ok(ActivityResume {
            linking: LinkingInformation {
                called_ss_user_reference: old.octets(pi::CALLED_SS_USER_REFERENCE, 64)?,
                calling_ss_user_reference: old.octets(pi::CALLING_SS_USER_REFERENCE, 64)?,
                common_reference: old.octets(pi::COMMON_REFERENCE, 64)?,
                additional_reference: old.octets(pi::ADDITIONAL_REFERENCE, 4)?,
                activity_identifier: old.must(pi::ACTIVITY_IDENTIFIER)?.at_most(&old, 6)?,
            },
            serial: old.must_serial()?,
            identifier: self.must(pi::ACTIVITY_IDENTIFIER)?.at_most(self, 6)?,
            user_data: self.user_data(),
        })
    }
}

/// Whether an identifier is of category 2 (the shared ones apart).
const fn category_2(identifier: u8) -> bool {
    matches!(
        identifier,
        0 | 29 | 34 | 41 | 42 | 45 | 48 | 49 | 50 | 53 | 57 | 58 | 61 | 62
    )
}

/// The name of an SPDU, also of one that is not implemented.
const fn name(identifier: u8, position: Position) -> Option<&'static str> {
    let second = matches!(position, Position::Second);
    Some(match identifier {
        0 => "EXCEPTION REPORT",
        1 if second => "DATA TRANSFER",
        1 => "GIVE TOKENS",
        2 => "PLEASE TOKENS",
        5 => "EXPEDITED",
        7 => "PREPARE",
        8 => "NOT FINISHED",
        9 => "FINISH",
        10 => "DISCONNECT",
        12 => "REFUSE",
        13 => "CONNECT",
        14 => "ACCEPT",
        15 => "CONNECT DATA OVERFLOW",
        16 => "OVERFLOW ACCEPT",
        21 => "GIVE TOKENS CONFIRM",
        22 => "GIVE TOKENS ACK",
        25 if second => "ACTIVITY INTERRUPT",
        25 => "ABORT",
        26 if second => "ACTIVITY INTERRUPT ACK",
        26 => "ABORT ACCEPT",
        29 => "ACTIVITY RESUME",
        33 => "TYPED DATA",
        34 => "RESYNCHRONIZE ACK",
        41 => "ACTIVITY END",
        42 => "ACTIVITY END ACK",
        45 => "ACTIVITY START",
        48 => "EXCEPTION DATA",
        49 => "MINOR SYNC POINT",
        50 => "MINOR SYNC ACK",
        53 => "RESYNCHRONIZE",
        57 => "ACTIVITY DISCARD",
        58 => "ACTIVITY DISCARD ACK",
        61 => "CAPABILITY DATA",
        62 => "CAPABILITY DATA ACK",
        _ => return None,
    })
}
