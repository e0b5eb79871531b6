//! Writing SPDUs: parameters in the order of their identifiers, lengths in the shortest form (X.225 section 8.2).

use bytes::{BufMut, Bytes, BytesMut};

use super::{
    ConnectAcceptItem, ConnectionIdentifier, ExceptionReason, RefuseReason, SHORT_USER_DATA,
    Serial, Spdu, pi, si,
};

/// Writes SPDUs one after the other into a TSDU; a DATA TRANSFER must be the last.
///
/// Parameters must be within the bounds that X.225 gives them: [`super::LONG_USER_DATA`] and the others.
#[must_use]
pub fn encode(spdus: &[Spdu]) -> Bytes {
    let data: usize = spdus
        .iter()
        .map(|spdu| {
            if let Spdu::DataTransfer { data, .. } = spdu {
                data.len()
            } else {
                64
            }
        })
        .sum();
    let mut out = BytesMut::with_capacity(data + 16);
    for spdu in spdus {
        spdu.write(&mut out);
    }
    out.freeze()
}

impl Spdu {
    fn write(&self, out: &mut BytesMut) {
        let mut p = Parameters(BytesMut::new());
        let mut information = &Bytes::new();
        let identifier = match self {
            Self::Connect(connect) => {
                p.identifier(pi::CALLING_SS_USER_REFERENCE, connect.identifier.as_ref());
                p.item(&connect.item);
                p.optional(
                    pi::SESSION_REQUIREMENTS,
                    connect.functional_units.map(|units| units.0.to_be_bytes()),
                );
                p.optional(pi::CALLING_SELECTOR, connect.calling_selector.as_ref());
                p.optional(pi::CALLED_SELECTOR, connect.called_selector.as_ref());
                if connect.data_overflow {
                    p.put(pi::DATA_OVERFLOW, &[1]);
                }
                let code = if connect.user_data.len() > SHORT_USER_DATA {
                    pi::EXTENDED_USER_DATA
                } else {
                    pi::USER_DATA
                };
                p.present(code, &connect.user_data);
                si::CONNECT
            }
            Self::Accept(accept) => {
                p.identifier(pi::CALLED_SS_USER_REFERENCE, accept.identifier.as_ref());
                p.item(&accept.item);
                p.optional(pi::TOKEN_ITEM, accept.tokens.map(|tokens| [tokens.0]));
                p.optional(
                    pi::SESSION_REQUIREMENTS,
                    accept.functional_units.map(|units| units.0.to_be_bytes()),
                );
                p.optional(pi::CALLING_SELECTOR, accept.calling_selector.as_ref());
                p.optional(pi::CALLED_SELECTOR, accept.called_selector.as_ref());
                p.present(pi::USER_DATA, &accept.user_data);
                si::ACCEPT
            }
            Self::Refuse(refuse) => {
                p.identifier(pi::CALLED_SS_USER_REFERENCE, refuse.identifier.as_ref());
                p.optional(
                    pi::TRANSPORT_DISCONNECT,
                    refuse.transport_disconnect.map(|bits| [bits.0]),
                );
                p.optional(
                    pi::SESSION_REQUIREMENTS,
                    refuse.functional_units.map(|units| units.0.to_be_bytes()),
                );
                p.optional(
                    pi::VERSION_NUMBER,
                    refuse.versions.map(|versions| [versions.0]),
                );
                let data: &[u8] = if let RefuseReason::User(data) = &refuse.reason {
                    data
                } else {
                    &[]
                };
                p.put(pi::REASON_CODE, &[&[refuse.reason.code()], data].concat());
                si::REFUSE
            }
            Self::Finish {
                transport_disconnect,
                user_data,
            } => {
                p.optional(
                    pi::TRANSPORT_DISCONNECT,
                    transport_disconnect.map(|bits| [bits.0]),
                );
                p.present(pi::USER_DATA, user_data);
                si::FINISH
            }
            Self::Disconnect(user_data) => p.only_data(user_data, si::DISCONNECT),
            Self::Abort {
                transport_disconnect,
                reflect,
                user_data,
            } => {
                p.put(pi::TRANSPORT_DISCONNECT, &[transport_disconnect.0]);
                p.present(pi::REFLECT, reflect);
                p.present(pi::USER_DATA, user_data);
                si::ABORT
            }
            Self::AbortAccept => si::ABORT_ACCEPT,
            Self::GiveTokens { tokens, user_data } => {
                p.optional(pi::TOKEN_ITEM, tokens.map(|tokens| [tokens.0]));
                p.only_data(user_data, si::GIVE_TOKENS)
            }
            Self::PleaseTokens { tokens, user_data } => {
                p.optional(pi::TOKEN_ITEM, tokens.map(|tokens| [tokens.0]));
                p.only_data(user_data, si::PLEASE_TOKENS)
            }
            Self::GiveTokensConfirm(user_data) => p.only_data(user_data, si::GIVE_TOKENS_CONFIRM),
            Self::GiveTokensAck(user_data) => p.only_data(user_data, si::GIVE_TOKENS_ACK),
            Self::DataTransfer { enclosure, data } => {
                p.optional(
                    pi::ENCLOSURE,
                    enclosure.map(|part| [u8::from(part.begin) | u8::from(part.end) << 1]),
                );
                information = data;
                si::DATA_TRANSFER
            }
            Self::ExceptionReport(reflect) => {
                p.present(pi::REFLECT, reflect);
                si::EXCEPTION_REPORT
            }
            Self::ExceptionData { reason, user_data } => {
                p.reason(Some(*reason), user_data, si::EXCEPTION_DATA)
            }
            Self::MinorSyncPoint {
                explicit,
                serial,
                user_data,
            } => {
                if !explicit {
                    p.put(pi::SYNC_TYPE, &[1]);
                }
                p.serial(*serial, user_data, si::MINOR_SYNC_POINT)
            }
            Self::MinorSyncAck { serial, user_data } => {
                p.serial(*serial, user_data, si::MINOR_SYNC_ACK)
            }
            Self::ActivityStart {
                identifier,
                user_data,
            } => {
                p.put(pi::ACTIVITY_IDENTIFIER, identifier);
                p.only_data(user_data, si::ACTIVITY_START)
            }
            Self::ActivityResume(resume) => {
                p.group(pi::LINKING_INFORMATION, |p| {
                    let old = &resume.linking;
                    p.optional(
                        pi::CALLED_SS_USER_REFERENCE,
                        old.called_ss_user_reference.as_ref(),
                    );
                    p.optional(
                        pi::CALLING_SS_USER_REFERENCE,
                        old.calling_ss_user_reference.as_ref(),
                    );
                    p.optional(pi::COMMON_REFERENCE, old.common_reference.as_ref());
                    p.optional(pi::ADDITIONAL_REFERENCE, old.additional_reference.as_ref());
                    p.put(pi::ACTIVITY_IDENTIFIER, &old.activity_identifier);
                    p.put(pi::SERIAL_NUMBER, resume.serial.to_string().as_bytes());
                });
                p.put(pi::ACTIVITY_IDENTIFIER, &resume.identifier);
                p.only_data(&resume.user_data, si::ACTIVITY_RESUME)
            }
            Self::ActivityInterrupt { reason, user_data } => {
                p.reason(*reason, user_data, si::ACTIVITY_INTERRUPT)
            }
            Self::ActivityInterruptAck(user_data) => {
                p.only_data(user_data, si::ACTIVITY_INTERRUPT_ACK)
            }
            Self::ActivityDiscard { reason, user_data } => {
                p.reason(*reason, user_data, si::ACTIVITY_DISCARD)
            }
            Self::ActivityDiscardAck(user_data) => p.only_data(user_data, si::ACTIVITY_DISCARD_ACK),
            Self::ActivityEnd { serial, user_data } => {
                p.serial(*serial, user_data, si::ACTIVITY_END)
            }
            Self::ActivityEndAck { serial, user_data } => {
                p.serial(*serial, user_data, si::ACTIVITY_END_ACK)
            }
        };
        counted(out, identifier, &p.0);
        out.put_slice(information);
    }
}

/// An identifier, a length and as many octets; a value beyond the longest length is cut.
fn counted(out: &mut BytesMut, identifier: u8, value: &[u8]) {
    debug_assert!(
        value.len() <= usize::from(u16::MAX),
        "callers bound what they give"
    );
    out.put_u8(identifier);
    match u8::try_from(value.len()) {
        Ok(length) if length < u8::MAX => out.put_u8(length),
        _ => {
            out.put_u8(u8::MAX);
            out.put_u16(u16::try_from(value.len()).unwrap_or(u16::MAX));
        }
    }
    out.put_slice(value.get(..usize::from(u16::MAX)).unwrap_or(value));
}

/// A parameter field in the making.
struct Parameters(BytesMut);

impl Parameters {
    fn put(&mut self, code: u8, value: &[u8]) {
        counted(&mut self.0, code, value);
    }

    fn optional(&mut self, code: u8, value: Option<impl AsRef<[u8]>>) {
        if let Some(value) = value {
            self.put(code, value.as_ref());
        }
    }

    fn present(&mut self, code: u8, value: &Bytes) {
        if !value.is_empty() {
            self.put(code, value);
        }
    }

    fn group(&mut self, code: u8, fill: impl FnOnce(&mut Self)) {
        let mut inner = Self(BytesMut::new());
        fill(&mut inner);
        if !inner.0.is_empty() {
            self.put(code, &inner.0);
        }
    }

    fn identifier(&mut self, reference: u8, identifier: Option<&ConnectionIdentifier>) {
        self.group(pi::CONNECTION_IDENTIFIER, |p| {
            if let Some(identifier) = identifier {
                p.present(reference, &identifier.ss_user_reference);
                p.present(pi::COMMON_REFERENCE, &identifier.common_reference);
                p.present(pi::ADDITIONAL_REFERENCE, &identifier.additional_reference);
            }
        });
    }

    fn item(&mut self, item: &ConnectAcceptItem) {
        self.group(pi::CONNECT_ACCEPT_ITEM, |p| {
            p.optional(
                pi::PROTOCOL_OPTIONS,
                item.protocol_options.map(|bits| [bits]),
            );
            p.optional(
                pi::TSDU_MAXIMUM_SIZE,
                item.tsdu_maximum
                    .map(|(there, back)| [there.to_be_bytes(), back.to_be_bytes()].concat()),
            );
            p.optional(
                pi::VERSION_NUMBER,
                item.versions.map(|versions| [versions.0]),
            );
            p.optional(
                pi::INITIAL_SERIAL_NUMBER,
                item.initial_serial.map(|serial| serial.to_string()),
            );
            p.optional(
                pi::TOKEN_SETTING,
                item.token_setting.map(|setting| [setting.0]),
            );
        });
    }

    fn only_data(&mut self, user_data: &Bytes, identifier: u8) -> u8 {
        self.present(pi::USER_DATA, user_data);
        identifier
    }

    fn serial(&mut self, serial: Serial, user_data: &Bytes, identifier: u8) -> u8 {
        self.put(pi::SERIAL_NUMBER, serial.to_string().as_bytes());
        self.only_data(user_data, identifier)
    }

    fn reason(&mut self, reason: Option<ExceptionReason>, user_data: &Bytes, identifier: u8) -> u8 {
        self.optional(pi::REASON_CODE, reason.map(|reason| [reason.0]));
        self.only_data(user_data, identifier)
    }
}
