//! Golden SPDUs of deployed systems, and what is none.

use bytes::Bytes;

use super::*;
use crate::octets::hex;

fn octets(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

/// Decodes to what is expected and encodes to the same octets.
fn golden(tsdu: &str, expected: &[Spdu]) {
    let tsdu = hex(tsdu);
    assert_eq!(decode(&tsdu).as_deref(), Ok(expected));
    assert_eq!(encode(expected), tsdu, "{expected:?}");
}

fn give() -> Spdu {
    Spdu::GiveTokens {
        tokens: None,
        user_data: Bytes::new(),
    }
}

fn please() -> Spdu {
    Spdu::PleaseTokens {
        tokens: None,
        user_data: Bytes::new(),
    }
}

fn identifier(user: &'static str, common: &'static str) -> Option<ConnectionIdentifier> {
    Some(ConnectionIdentifier {
        ss_user_reference: octets(user),
        common_reference: octets(common),
        additional_reference: Bytes::new(),
    })
}

#[test]
fn s8_3_1_cn_of_a_commercial_mta() {
    // x400-ping-success, 2005; the user data cut after two octets.
    golden(
        "0d32 011d0a0a0408506572636976616c0b0f170d3035313030313134343835325a 05091301001601021a0100 14020249 c1023180",
        &[Spdu::Connect(Box::new(Connect {
            identifier: identifier("\u{4}\u{8}Percival", "\u{17}\u{d}051001144852Z"),
            item: ConnectAcceptItem {
                protocol_options: Some(0),
                versions: Some(Versions::V2),
                token_setting: Some(TokenSetting::INITIATOR),
                ..ConnectAcceptItem::default()
            },
            functional_units: Some(FunctionalUnits::RTSE),
            user_data: hex("3180"),
            ..Connect::default()
        }))],
    );
}

#[test]
fn s8_3_1_cn_of_pp_with_selectors_and_a_tsdu_maximum() {
    // PP 6.0, capture 12; the user data cut after two octets.
    golden(
        "0d3a 01170a041402766d0b0f170d3236313132323035313230375a 050f130100150407f907f91601031a0100 14020249 33025341 34025342 c1023180",
        &[Spdu::Connect(Box::new(Connect {
            identifier: identifier("\u{14}\u{2}vm", "\u{17}\u{d}261122051207Z"),
            item: ConnectAcceptItem {
                protocol_options: Some(0),
                tsdu_maximum: Some((2041, 2041)),
                versions: Some(Versions::BOTH),
                token_setting: Some(TokenSetting::INITIATOR),
                ..ConnectAcceptItem::default()
            },
            functional_units: Some(FunctionalUnits::RTSE),
            calling_selector: Some(octets("SA")),
            called_selector: Some(octets("SB")),
            user_data: hex("3180"),
            ..Connect::default()
        }))],
    );
}

#[test]
fn s8_3_4_ac_with_an_empty_called_selector() {
    golden(
        "0e34 011d090a0408506572636976616c0b0f170d3035313030313134343835325a 05091301001601021a0100 14020249 3400 c1023180",
        &[Spdu::Accept(Box::new(Accept {
            identifier: identifier("\u{4}\u{8}Percival", "\u{17}\u{d}051001144852Z"),
            item: ConnectAcceptItem {
                protocol_options: Some(0),
                versions: Some(Versions::V2),
                token_setting: Some(TokenSetting::INITIATOR),
                ..ConnectAcceptItem::default()
            },
            functional_units: Some(FunctionalUnits::RTSE),
            called_selector: Some(Bytes::new()),
            user_data: hex("3180"),
            ..Accept::default()
        }))],
    );
}

#[test]
fn s8_3_5_rf_with_the_users_data() {
    // PP 6.0 refuses a password, capture 10; the data cut after four octets.
    golden(
        "0c27 011709041402766d0b0f170d3236313132323035303133385a 110101 14020249 32050230 50a51b",
        &[Spdu::Refuse(Box::new(Refuse {
            identifier: identifier("\u{14}\u{2}vm", "\u{17}\u{d}261122050138Z"),
            transport_disconnect: Some(TransportDisconnect::RELEASE),
            functional_units: Some(FunctionalUnits::RTSE),
            versions: None,
            reason: RefuseReason::User(hex("3050a51b")),
        }))],
    );
}

#[test]
fn s8_3_the_spdus_of_a_transfer_and_a_release() {
    // PP 6.0, captures 01 and 06.
    golden(
        "0100 2d05 2903020101",
        &[
            give(),
            Spdu::ActivityStart {
                identifier: hex("020101"),
                user_data: Bytes::new(),
            },
        ],
    );
    golden(
        "0100 0100 6180",
        &[
            give(),
            Spdu::DataTransfer {
                enclosure: None,
                data: hex("6180"),
            },
        ],
    );
    let serial = |number| Serial::new(number).unwrap();
    golden(
        "0100 3103 2a0131",
        &[
            give(),
            Spdu::MinorSyncPoint {
                explicit: true,
                serial: serial(1),
                user_data: Bytes::new(),
            },
        ],
    );
    golden(
        "0200 3204 2a023130",
        &[
            please(),
            Spdu::MinorSyncAck {
                serial: serial(10),
                user_data: Bytes::new(),
            },
        ],
    );
    golden(
        "0100 2905 2a03333136",
        &[
            give(),
            Spdu::ActivityEnd {
                serial: serial(316),
                user_data: Bytes::new(),
            },
        ],
    );
    golden(
        "0200 2a03 2a0131",
        &[
            please(),
            Spdu::ActivityEndAck {
                serial: serial(1),
                user_data: Bytes::new(),
            },
        ],
    );
    golden(
        "0903 110101",
        &[Spdu::Finish {
            transport_disconnect: Some(TransportDisconnect::RELEASE),
            user_data: Bytes::new(),
        }],
    );
    golden("0a00", &[Spdu::Disconnect(Bytes::new())]);
    golden("0a04 c1026100", &[Spdu::Disconnect(hex("6100"))]);
}

#[test]
fn s8_3_every_other_spdu_is_read_as_it_is_written() {
    let serial = Serial::new(999_999).unwrap();
    let data = octets("data");
    let none = Bytes::new;
    let tokens = Some(Tokens::DATA.or(Tokens::MAJOR_ACTIVITY));
    let linking = LinkingInformation {
        called_ss_user_reference: Some(octets("called")),
        calling_ss_user_reference: Some(Bytes::from(vec![7; 64])),
        common_reference: Some(octets("common")),
        additional_reference: Some(octets("more")),
        activity_identifier: octets("old"),
    };
    let resume = ActivityResume {
        linking,
        serial,
        identifier: octets("new"),
        user_data: data.clone(),
    };
    for spdus in [
        vec![Spdu::Abort {
            transport_disconnect: TransportDisconnect(3),
            reflect: octets("r"),
            user_data: Bytes::from(vec![1; 60_000]),
        }],
        vec![Spdu::AbortAccept],
        vec![Spdu::GiveTokens {
            tokens,
            user_data: none(),
        }],
        vec![Spdu::PleaseTokens {
            tokens,
            user_data: data.clone(),
        }],
        vec![Spdu::GiveTokensConfirm(none())],
        vec![Spdu::GiveTokensAck(data.clone())],
        vec![
            give(),
            Spdu::DataTransfer {
                enclosure: Some(Enclosure {
                    begin: true,
                    end: false,
                }),
                data: data.clone(),
            },
        ],
        vec![please(), Spdu::ExceptionReport(data.clone())],
        vec![
            please(),
            Spdu::ExceptionData {
                reason: ExceptionReason::DEMAND_DATA_TOKEN,
                user_data: none(),
            },
        ],
        vec![
            give(),
            Spdu::MinorSyncPoint {
                explicit: false,
                serial,
                user_data: data.clone(),
            },
        ],
        vec![give(), Spdu::ActivityResume(Box::new(resume))],
        vec![
            give(),
            Spdu::ActivityInterrupt {
                reason: Some(ExceptionReason::LOCAL_USER_ERROR),
                user_data: none(),
            },
        ],
        vec![please(), Spdu::ActivityInterruptAck(none())],
        vec![
            give(),
            Spdu::ActivityDiscard {
                reason: None,
                user_data: data.clone(),
            },
        ],
        vec![please(), Spdu::ActivityDiscardAck(data)],
        vec![Spdu::Connect(Box::new(Connect {
            user_data: Bytes::from(vec![2; 513]),
            ..Connect::default()
        }))],
    ] {
        assert_eq!(decode(&encode(&spdus)).as_deref(), Ok(&spdus[..]));
    }
}

#[test]
fn s8_2_parameters_out_of_order_unknown_or_without_their_group_are_read() {
    let expected = Spdu::Connect(Box::new(Connect {
        item: ConnectAcceptItem {
            versions: Some(Versions::V2),
            ..ConnectAcceptItem::default()
        },
        functional_units: Some(FunctionalUnits::DUPLEX),
        called_selector: Some(hex("0001")),
        user_data: hex("3180"),
        ..Connect::default()
    }));
    for tsdu in [
        "0d11 c1023180 34020001 14020002 0503160102",
        "0d0f c1023180 34020001 160102 14020002",
        "0d15 7f027878 c1023180 34020001 0503160102 14020002",
        "0dff0011 c1023180 34020001 14020002 0503160102",
    ] {
        assert_eq!(
            decode(&hex(tsdu)).as_deref(),
            Ok(&[expected.clone()][..]),
            "{tsdu}"
        );
    }
}

#[test]
fn s8_2_what_is_no_spdu_is_told_with_its_octet() {
    for (tsdu, offset, fault) in [
        ("", 0, Fault::Empty),
        ("0d", 1, Fault::Truncated),
        ("0d05", 1, Fault::Truncated),
        ("0dff00", 1, Fault::Truncated),
        ("0d03 c10231", 2, Fault::Truncated),
        ("0d05 0503 160231", 4, Fault::Truncated),
        ("0d03 160103 00", 5, Fault::Trailing),
        ("0d06 160103 160103", 5, Fault::Duplicate(22)),
        (
            "0d04 16020303",
            2,
            Fault::Length {
                code: 22,
                length: 2,
            },
        ),
        ("0100 3100", 4, Fault::Missing(42)),
        ("0100 3103 2a0141", 4, Fault::Value(42)),
        (
            "0100 3102 2a00",
            4,
            Fault::Length {
                code: 42,
                length: 0,
            },
        ),
        (
            "0100 3109 2a0731323334353637",
            4,
            Fault::Length {
                code: 42,
                length: 7,
            },
        ),
        (
            "0100 2d09 290731323334353637",
            4,
            Fault::Length {
                code: 41,
                length: 7,
            },
        ),
        ("0100 3a00 3a00", 4, Fault::Concatenation),
        ("0100 0200", 2, Fault::Concatenation),
        ("0100 0903110101", 2, Fault::Concatenation),
        ("3103 2a0131", 0, Fault::Concatenation),
        ("0100 2906 0f0101 2a0131", 2, Fault::NotImplemented),
        ("0500", 0, Fault::NotImplemented),
        ("4100", 0, Fault::Unknown(65)),
        ("0903 190101", 2, Fault::Segmented),
    ] {
        let error = decode(&hex(tsdu)).unwrap_err();
        assert_eq!(
            (error.offset, error.fault),
            (offset, fault),
            "{tsdu}: {error}"
        );
    }
    // Groups within groups are no way to exhaust the stack.
    assert!(decode(&Bytes::from(vec![0x05; 60_000])).is_err());
    let nested = [
        vec![0x0d, 0xff, 0xea, 0x60],
        [0x05, 0xff, 0xea, 0x50].repeat(15_000),
    ]
    .concat();
    assert!(decode(&Bytes::from(nested)).is_err());
}

#[test]
fn the_seeds_of_the_fuzzer_are_spdus() {
    let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/seeds/spdu");
    let mut count = 0;
    for seed in std::fs::read_dir(seeds).unwrap() {
        let path = seed.unwrap().path();
        let spdus = decode(&std::fs::read(&path).unwrap().into()).unwrap();
        assert_eq!(decode(&encode(&spdus)), Ok(spdus), "{}", path.display());
        count += 1;
    }
    assert!(count > 20, "{count} seeds");
}
