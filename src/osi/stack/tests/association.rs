//! Opening, refusing and releasing associations.

use super::*;
use crate::osi::rtse::RefuseReason;

#[test]
fn x218_8_1_open_carries_everything_both_ways() {
    for mode in modes() {
        let mut pair = Pair::new();
        pair.ask(A, Request::Open(Box::new(open_in(&mode, 63, 3))));
        let Some(Indication::Open(indicated)) = pair.next(B) else {
            panic!()
        };
        assert_eq!(*indicated, open_in(&mode, 63, 3));
        pair.ask(B, accept(1, 2));
        let Some(Indication::OpenConfirm(Ok(opened))) = pair.next(A) else {
            panic!()
        };
        assert_eq!((opened.checkpoint_size, opened.window_size), (1, 2));
        assert_eq!(opened.user_data, &b"\x04\x07welcome"[..]);
        pair.close();
    }
}

#[test]
fn x228_7_1_sizes_are_negotiated_downwards_and_zero_leaves_the_choice() {
    for (proposed, taken, agreed) in [
        ((63, 3), (1, 3), (1, 3)),
        ((1, 1), (63, 5), (1, 1)),
        ((0, 3), (16, 2), (16, 2)),
        ((63, 5), (63, 5), (63, 5)),
        ((63, 3), (0, 3), (0, 3)),
    ] {
        let mut pair = Pair::new();
        pair.ask(A, Request::Open(Box::new(open(proposed.0, proposed.1))));
        pair.next(B);
        pair.ask(B, accept(taken.0, taken.1));
        let Some(Indication::OpenConfirm(Ok(opened))) = pair.next(A) else {
            panic!()
        };
        assert_eq!((opened.checkpoint_size, opened.window_size), agreed);
    }
}

#[test]
fn x228_7_1_a_refusal_brings_the_users_words() {
    for (reason, transient) in [
        (RefuseReason::RTSBUSY, true),
        (RefuseReason::VALIDATIONFAILURE, false),
    ] {
        let mut pair = Pair::new();
        pair.ask(A, Request::Open(Box::new(open(63, 3))));
        pair.next(B);
        let user_data = Bytes::from_static(b"\x02\x01\x02");
        let refuse = OpenResponse::Refuse {
            reason,
            user_data: user_data.clone(),
        };
        pair.ask(B, Request::OpenResponse(refuse));
        let Some(Indication::OpenConfirm(Err(refused))) = pair.next(A) else {
            panic!()
        };
        assert_eq!(refused.user_data, Some(user_data));
        assert_eq!(refused.transient, transient);
        assert!(pair.closed[A] || pair.closed[B]);
        assert_eq!(pair.next(B), None);
    }
}

#[test]
fn x228_8_in_x410_mode_a_refusal_brings_a_reason() {
    let [_, x410] = modes();
    for (reason, transient, name) in [
        (RefuseReason::RTSBUSY, true, "rtsBusy"),
        (RefuseReason::VALIDATIONFAILURE, false, "validationFailure"),
        (
            RefuseReason::UNACCEPTABLEDIALOGUEMODE,
            false,
            "unacceptableDialogueMode",
        ),
    ] {
        let mut pair = Pair::new();
        pair.ask(A, Request::Open(Box::new(open_in(&x410, 63, 3))));
        pair.next(B);
        let refuse = OpenResponse::Refuse {
            reason,
            user_data: Bytes::from_static(b"\x02\x01\x02"),
        };
        pair.ask(B, Request::OpenResponse(refuse));
        let Some(Indication::OpenConfirm(Err(refused))) = pair.next(A) else {
            panic!()
        };
        assert_eq!((refused.transient, refused.user_data), (transient, None));
        assert!(
            refused.explanation.contains(name),
            "{}",
            refused.explanation
        );
    }
}

/// What stands in the TSDUs, as independent MTAs write it.
#[test]
fn x226_8_2_x410_mode_on_the_wire() {
    let hex = |octets: &[u8]| -> String { octets.iter().map(|o| format!("{o:02x}")).collect() };
    let [_, x410] = modes();
    let mut wire = [String::new(), String::new()];
    let mut pair = Pair::new();
    // The answers of the other end are taken from the wire by hand, before they are delivered.
    let said = |pair: &mut Pair, wire: &mut [String; 2], by: usize, request| {
        let out = pair.ends[by].request(request, pair.now).unwrap();
        pair.take(by, out);
        while let Some(end) = (0..2).find(|&end| !pair.wire[end].is_empty()) {
            let octets = pair.wire[end].pop_front().unwrap();
            wire[1 - end] += &hex(&octets);
            let out = pair.ends[end].network(Network::Octets(octets), pair.now);
            pair.take(end, out);
        }
    };
    let open = Open {
        user_data: Bytes::from_static(b"\xa1\x00"),
        dialogue: Dialogue::TwoWayAlternate,
        ..open_in(&x410, 63, 3)
    };
    said(&mut pair, &mut wire, A, Request::Open(Box::new(open)));
    said(&mut pair, &mut wire, B, accept(1, 3));
    said(&mut pair, &mut wire, A, Request::Transfer);
    let octets = Bytes::from_static(b"\xa0\x00");
    said(
        &mut pair,
        &mut wire,
        A,
        Request::Octets { octets, last: true },
    );
    said(&mut pair, &mut wire, B, Request::TransferResponse);
    said(&mut pair, &mut wire, B, Request::TurnPlease { priority: 4 });
    let explanation = String::new();
    said(&mut pair, &mut wire, A, Request::Abort { explanation });
    let [initiator, responder] = wire;
    for expected in [
        "c118 3116 a003800100 a10f 80013f 820101 a304a002a100 84010c",
        "01000100 a000",
        "3103800106",
    ] {
        let expected = expected.replace(' ', "");
        assert!(initiator.contains(&expected), "{expected} in {initiator}");
    }
    for expected in [
        "3117 a003800100 a110 800101 a20ba009 040777656c636f6d65",
        "c103 020104",
    ] {
        let expected = expected.replace(' ', "");
        assert!(responder.contains(&expected), "{expected} in {responder}");
    }
}

/// Opens against a responder of another configuration; gives the refusal in words.
fn refused_by(responder: Config) -> String {
    let mut pair = Pair::of(Config::new(contexts()), responder);
    pair.ask(A, Request::Open(Box::new(open(63, 3))));
    assert!(
        !matches!(pair.next(B), Some(Indication::Open(_))),
        "no user hears of it"
    );
    let Some(Indication::OpenConfirm(Err(refused))) = pair.next(A) else {
        panic!()
    };
    refused.explanation
}

#[test]
fn every_layer_says_why_it_refuses() {
    let mut responder = Config::new(contexts());
    responder.transport.selectors = vec!["elsewhere".into()];
    let why = refused_by(responder);
    assert!(why.contains("disconnected"), "{why}");

    let mut responder = Config::new(contexts());
    responder.session.selectors = vec!["elsewhere".into()];
    let why = refused_by(responder);
    assert!(why.contains("session"), "{why}");

    let mut responder = Config::new(contexts());
    responder.presentation.selectors = vec!["elsewhere".into()];
    let why = refused_by(responder);
    assert!(why.contains("called-presentation-address-unknown"), "{why}");

    let mut responder = Config::new(contexts());
    responder.presentation.abstract_syntaxes = vec![contexts().rtse, contexts().user];
    let why = refused_by(responder);
    assert!(why.contains("user-data-not-readable"), "{why}");

    let mut responder = Config::new(contexts());
    responder.acse.application_contexts = vec![contexts().user];
    let why = refused_by(responder);
    assert!(
        why.contains("application-context-name-not-supported"),
        "{why}"
    );
}
