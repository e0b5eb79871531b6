//! PPDUs as deployed systems write them, and octets that are none.

use super::*;
use crate::octets::hex;

#[test]
fn x226_8_4_2_data_in_every_form() {
    let value = Pdv {
        context: 3,
        value: hex("0403616263"),
    };
    // As an independent implementation sends it, and so do we.
    let captured = hex("6180 3080 020103 a080 0403616263 0000 0000 0000");
    assert_eq!(data(Mode::Normal, value.clone()), captured);
    assert_eq!(
        read_user_data(Mode::Normal, &captured),
        Ok(vec![value.clone()])
    );
    assert_eq!(
        read_user_data(Mode::Normal, &hex("610c 300a 020103 a005 0403616263")),
        Ok(vec![value.clone()])
    );
    assert_eq!(
        read_user_data(
            Mode::Normal,
            &hex("6110 300e 06025101 020103 a005 0403616263")
        ),
        Ok(vec![value.clone()]),
        "with its transfer syntax"
    );
    assert_eq!(
        read_user_data(Mode::Normal, &hex("610c 300a 020103 8105 0403616263")),
        Ok(vec![value.clone()]),
        "octet-aligned"
    );
    let two = hex("6180 300a 020103 a005 0403616263 3007 020105 a002 0500 0000");
    let null = Pdv {
        context: 5,
        value: hex("0500"),
    };
    assert_eq!(
        read_user_data(Mode::Normal, &two),
        Ok(vec![value.clone(), null])
    );
    let simple = Pdv {
        context: NO_CONTEXT,
        ..value
    };
    assert_eq!(
        read_user_data(Mode::Normal, &hex("4005 0403616263")),
        Ok(vec![simple])
    );
}

#[test]
fn x226_8_2_what_is_no_ppdu_is_told() {
    for octets in [
        "",
        "61",
        "6100",
        "0500",
        "6180 3080 020103",
        "610a 3008 0201ff a003020100",
    ] {
        let read = read_user_data(Mode::Normal, &hex(octets));
        // An empty list of values is one.
        assert!(
            read.is_err() || read == Ok(Vec::new()),
            "{octets}: {read:?}"
        );
    }
    assert_eq!(
        read_cp(&hex("3180 a003 800100 0000")).unwrap_err().reason,
        AbortReason::UNEXPECTED_PPDU
    );
}

#[test]
fn x226_8_2_aborts_fit_session_version_1() {
    let arp = arp(AbortReason::INVALID_PPDU_PARAMETER_VALUE);
    assert_eq!(arp, hex("3003 800106"), "at most nine octets");
    let reason = Some(AbortReason::INVALID_PPDU_PARAMETER_VALUE);
    assert_eq!(read_abort(&arp), Ok(AbortPdu::Provider(reason)));
    let value = Pdv {
        context: 1,
        value: hex("6403800100"),
    };
    assert_eq!(
        read_abort(&aru(Mode::Normal, std::slice::from_ref(&value))),
        Ok(AbortPdu::User(vec![value]))
    );
    assert_eq!(
        read_abort(&aru(Mode::Normal, &[])),
        Ok(AbortPdu::User(Vec::new()))
    );
}

#[test]
fn x226_8_2_x410_mode_holds_apdus_of_rtse() {
    // As an independent implementation refuses: validation failure.
    let captured = hex("3103800102");
    let (reason, _, user_data) = read_cpr(&captured).unwrap();
    assert_eq!(reason, None);
    let context = NO_CONTEXT;
    let rtorj = hex("b203800102");
    assert_eq!(
        user_data,
        [Pdv {
            context,
            value: rtorj
        }]
    );
    let nobody = Bytes::new();
    assert_eq!(cpr(Mode::X410, &nobody, &[], None, &user_data), captured);
    // RTAB is an ARU without more, and data stand bare.
    let rtab = hex("b603800106");
    let aborted = Pdv {
        context,
        value: rtab,
    };
    assert_eq!(
        aru(Mode::X410, std::slice::from_ref(&aborted)),
        hex("3103800106")
    );
    assert_eq!(
        read_abort(&hex("3103800106")),
        Ok(AbortPdu::User(vec![aborted]))
    );
    let value = hex("a080");
    let bare = Pdv {
        context,
        value: value.clone(),
    };
    assert_eq!(data(Mode::X410, bare.clone()), value);
    assert_eq!(read_user_data(Mode::X410, &value), Ok(vec![bare]));
    // A CP says its mode, and has the parameters of that mode.
    let cp = read_cp(&hex("310f a003800100 a108 a306 a004 a1028000")).unwrap();
    assert_eq!((cp.mode, cp.proposals.len()), (Mode::X410, 0));
    assert!(read_cp(&hex("3105 a003800100")).is_err());
    for mode in [Mode::Normal, Mode::X410] {
        let other = match mode {
            Mode::Normal => "310f a003800100 a108 a206 a004 a1028000",
            Mode::X410 => "3107 a003800101 a200",
        };
        assert!(read_cpa(mode, &hex(other)).is_err(), "{other}");
    }
}

#[test]
fn x226_8_2_a_cpr_of_a_real_responder() {
    let captured = hex(
        "3050 a51b 3007800100810251013007800100810251013007800100810251016131302f020101a02a6128
         a106060456000106a203020101a305a103020101be12281006025101020103a007b205a103020102",
    );
    let (reason, outcomes, user_data) = read_cpr(&captured).unwrap();
    assert_eq!((reason, user_data.len()), (None, 1));
    assert_eq!(outcomes, [Outcome::Acceptance; 3]);
    assert_eq!(
        cpr(Mode::Normal, &Bytes::new(), &outcomes, None, &user_data),
        captured
    );
}
