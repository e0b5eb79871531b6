//! The APDUs of RTSE, from and to octets (X.228 clause 8).

use bytes::Bytes;

use super::{Dialogue, Mode, Open};
use crate::asn1;
use crate::asn1::native::OpenData;
use crate::asn1::rtse::{
    AbortReason, ConnectionData, DialogueMode, RTABapdu, RTOACapdu, RTORJapdu, RTORQapdu,
    RefuseReason, RtseApdus,
};
use crate::asn1::tlv::{self, Tag};
use crate::asn1::types::Any;

/// An APDU that has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Apdu {
    /// RTORQ; without user data if it is to recover an association.
    Open {
        checkpoint_size: u8,
        window_size: u8,
        dialogue: Dialogue,
        user_data: Option<Bytes>,
        /// In X.410 mode.
        application_protocol: Option<i64>,
    },
    /// RTOAC.
    Accept {
        checkpoint_size: u8,
        window_size: u8,
        user_data: Option<Bytes>,
    },
    /// RTORJ: the reason in X.410 mode, the user's data in normal mode.
    Refuse {
        reason: Option<RefuseReason>,
        user_data: Option<Bytes>,
    },
    /// RTAB.
    Abort { reason: Option<AbortReason> },
    /// RTTP.
    TurnPlease { priority: u8 },
    /// RTTR.
    Segment(Bytes),
}

/// Reads an APDU.
///
/// # Errors
/// The octets are none; it is the peer's fault.
pub(super) fn read(octets: &Bytes) -> Result<Apdu, String> {
    Ok(
        match asn1::decode::<RtseApdus>(octets).map_err(|error| format!("RTSE APDU: {error}"))? {
            RtseApdus::RtorqApdu(rtorq) => Apdu::Open {
                checkpoint_size: clamp(rtorq.checkpointsize),
                window_size: clamp(rtorq.windowsize),
                dialogue: match rtorq.dialoguemode {
                    DialogueMode::TWA => Dialogue::TwoWayAlternate,
                    _ => Dialogue::Monologue,
                },
                user_data: user_data(rtorq.connectiondatarq),
                application_protocol: rtorq.applicationprotocol,
            },
            RtseApdus::RtoacApdu(rtoac) => Apdu::Accept {
                checkpoint_size: clamp(rtoac.checkpointsize),
                window_size: clamp(rtoac.windowsize),
                user_data: user_data(rtoac.connectiondataac),
            },
            RtseApdus::RtorjApdu(rtorj) => Apdu::Refuse {
                reason: rtorj.refusereason,
                user_data: rtorj.userdatarj.map(|any| any.0),
            },
            RtseApdus::RttpApdu(priority) => Apdu::TurnPlease {
                priority: clamp(priority),
            },
            RtseApdus::RttrApdu(segment) => Apdu::Segment(segment.0),
            RtseApdus::RtabApdu(rtab) => Apdu::Abort {
                reason: rtab.abortreason,
            },
        },
    )
}

/// A number of the peer's as near as an octet comes to it; none that matters is larger.
fn clamp(number: i64) -> u8 {
    u8::try_from(number.max(0)).unwrap_or(u8::MAX)
}

/// What the user said at RT-OPEN; `None` if the association is to be recovered.
fn user_data(data: ConnectionData) -> Option<Bytes> {
    match data {
        ConnectionData::Open(data) => Some(data.0.map(|any| any.0).unwrap_or_default()),
        ConnectionData::Recover(_) => None,
    }
}

/// The user's data at RT-OPEN; no octets are absent data.
fn connection_data(octets: &Bytes) -> ConnectionData {
    ConnectionData::Open(OpenData((!octets.is_empty()).then(|| Any(octets.clone()))))
}

/// RTORQ.
pub(super) fn rtorq(open: &Open) -> Bytes {
    asn1::encode(&RtseApdus::RtorqApdu(RTORQapdu {
        checkpointsize: open.checkpoint_size.into(),
        windowsize: open.window_size.into(),
        dialoguemode: match open.dialogue {
            Dialogue::Monologue => DialogueMode::MONOLOGUE,
            Dialogue::TwoWayAlternate => DialogueMode::TWA,
        },
        connectiondatarq: connection_data(&open.user_data),
        applicationprotocol: match open.mode {
            Mode::Normal(_) => None,
            Mode::X410 {
                application_protocol,
            } => Some(application_protocol),
        },
        ..RTORQapdu::default()
    }))
}

/// RTOAC.
pub(super) fn rtoac(checkpoint_size: u8, window_size: u8, user_data: &Bytes) -> Bytes {
    asn1::encode(&RtseApdus::RtoacApdu(RTOACapdu {
        checkpointsize: checkpoint_size.into(),
        windowsize: window_size.into(),
        connectiondataac: connection_data(user_data),
        ..RTOACapdu::default()
    }))
}

/// RTORJ of X.410 mode.
pub(super) fn rtorj_reason(reason: RefuseReason) -> Bytes {
    asn1::encode(&RtseApdus::RtorjApdu(RTORJapdu {
        refusereason: Some(reason),
        ..RTORJapdu::default()
    }))
}

/// RTORJ of normal mode, with the user's data if the user refuses.
pub(super) fn rtorj(user_data: Option<&Bytes>) -> Bytes {
    asn1::encode(&RtseApdus::RtorjApdu(RTORJapdu {
        userdatarj: user_data
            .filter(|data| !data.is_empty())
            .map(|data| Any(data.clone())),
        ..RTORJapdu::default()
    }))
}

/// RTAB.
pub(super) fn rtab(reason: AbortReason) -> Bytes {
    asn1::encode(&RtseApdus::RtabApdu(RTABapdu {
        abortreason: Some(reason),
        ..RTABapdu::default()
    }))
}

/// RTTP.
pub(super) fn rttp(priority: u8) -> Bytes {
    asn1::encode(&RtseApdus::RttpApdu(priority.into()))
}

/// The header of an RTTR with so many octets of the user.
pub(super) fn rttr_header(length: usize) -> Vec<u8> {
    tlv::header(Tag::OCTET_STRING, false, length as u64)
}

/// The identifier of the n-th activity: an INTEGER, as an octet string of the session layer.
pub(super) fn activity_identifier(number: u32) -> Bytes {
    asn1::encode(&i64::from(number))
}

/// The words for an abort-reason.
pub(super) fn abort_reason(reason: Option<AbortReason>) -> &'static str {
    reason.and_then(AbortReason::name).unwrap_or("no reason")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::octets::hex;

    fn open(checkpoint_size: u8, window_size: u8, dialogue: Dialogue) -> Apdu {
        let user_data = Some(hex("b0020500"));
        Apdu::Open {
            checkpoint_size,
            window_size,
            dialogue,
            user_data,
            application_protocol: None,
        }
    }

    #[test]
    fn x228_8_1_rtorq_with_defaults_and_in_any_order() {
        let monologue = Dialogue::Monologue;
        // The length octet is filled in below, unless the length is indefinite.
        for (octets, expected) in [
            // As two independent implementations send it.
            (
                "b000 80013f 820100 a306a004b0020500",
                open(63, 3, monologue),
            ),
            ("b000 a306a004b0020500", open(0, 3, monologue)),
            (
                "b000 a306a004b0020500 820101 810105 800101",
                open(1, 5, Dialogue::TwoWayAlternate),
            ),
            (
                "b080 810102 a380a080b0020500 0000 0000 0000",
                open(0, 2, monologue),
            ),
            (
                "b000 800203e8 8101ff a306a004b0020500",
                open(255, 0, monologue),
            ),
        ] {
            let mut octets = hex(octets).to_vec();
            if octets[1] != 0x80 {
                octets[1] = u8::try_from(octets.len() - 2).unwrap();
            }
            assert_eq!(read(&octets.into()), Ok(expected));
        }
        let nothing_said = hex("b004 a302 8000");
        let Ok(Apdu::Open { user_data, .. }) = read(&nothing_said) else {
            panic!()
        };
        assert_eq!(user_data, Some(Bytes::new()));
        let recovery = hex("b019 a317 a115 040441424344 170d3236313132323034353632385a");
        let Ok(Apdu::Open {
            user_data: None, ..
        }) = read(&recovery)
        else {
            panic!()
        };
    }

    #[test]
    fn x228_8_segments_and_the_rest() {
        assert_eq!(read(&hex("0403616263")), Ok(Apdu::Segment(hex("616263"))));
        assert_eq!(
            read(&hex("2480 0401 61 0402 6263 0000")),
            Ok(Apdu::Segment(hex("616263")))
        );
        assert_eq!(read(&rttp(9)), Ok(Apdu::TurnPlease { priority: 9 }));
        for reason in [AbortReason::PROTOCOLERROR, AbortReason::USERERROR] {
            assert_eq!(
                read(&rtab(reason)),
                Ok(Apdu::Abort {
                    reason: Some(reason)
                })
            );
        }
        assert_eq!(read(&hex("b600")), Ok(Apdu::Abort { reason: None }));
        let refused = Apdu::Refuse {
            reason: None,
            user_data: Some(hex("020102")),
        };
        assert_eq!(read(&hex("b205a103020102")), Ok(refused), "as captured");
        assert_eq!(rtorj(Some(&hex("020102"))), hex("b205a103020102"));
        let without = |reason| Apdu::Refuse {
            reason,
            user_data: None,
        };
        assert_eq!(read(&rtorj(None)), Ok(without(None)));
        let reason = RefuseReason::VALIDATIONFAILURE;
        assert_eq!(read(&rtorj_reason(reason)), Ok(without(Some(reason))));
        for octets in ["", "0500", "b000", "b100", "04", "b003800101"] {
            assert!(read(&hex(octets)).is_err(), "{octets}");
        }
        assert_eq!(activity_identifier(1), hex("020101"));
    }
}
