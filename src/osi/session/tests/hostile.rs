//! What a peer must not do, and what it gets for it.

use super::*;

/// What a hostile initiator puts on an open connection, and the abort it gets.
fn hostile(tsdu: &[u8]) -> (String, Bytes) {
    let mut pair = Pair::connected(
        Config::default(),
        Config {
            max_ssdu: 100,
            ..Config::default()
        },
    );
    pair.a(activity_start());
    pair.told();
    let out = pair.b.session.indication(
        transport::Indication::Data(Bytes::copy_from_slice(tsdu)),
        pair.now,
    );
    pair.b.down(out, pair.now);
    let (_, b) = pair.told();
    let [Indication::ProviderAbort(ProviderAbort::Protocol(fault))] = &b[..] else {
        panic!("{tsdu:02x?}: {b:?}")
    };
    assert!(pair.a.closed);
    (fault.clone(), pair.b.sent.last().cloned().unwrap())
}

#[test]
fn a_4_a_protocol_error_is_answered_with_abort_and_the_octets_at_fault() {
    let (fault, abort) = hostile(&[0x01, 0x00, 0x31, 0x03, 0x2a, 0x01, 0x37]);
    assert_eq!(
        fault,
        "MINOR SYNC POINT SPDU: sets point 7, the next one is 1"
    );
    let bits = TransportDisconnect::RELEASE.or(TransportDisconnect::PROTOCOL_ERROR);
    let reflect = Bytes::from_static(&[0x01, 0x00, 0x31, 0x03, 0x2a, 0x01, 0x37]);
    assert_eq!(
        abort,
        encode(&[Spdu::Abort {
            transport_disconnect: bits,
            reflect,
            user_data: Bytes::new()
        }])
    );
}

#[test]
fn hostile_spdus_end_the_connection_with_a_reason() {
    for (tsdu, expected) in [
        (&b""[..], "the TSDU is empty"),
        (&[0x01], "a length goes beyond"),
        (&[0x01, 0xff, 0xff], "a length goes beyond"),
        (&[0x63, 0x00], "SPDU identifier 99 is not known"),
        (&[0x21, 0x00, 0x00], "functional unit is not implemented"),
        (&[0x2d, 0x03, 0x29, 0x01, 0x31], "concatenation"),
        (
            &[0x01, 0x00, 0x2d, 0x00],
            "mandatory parameter 41 is missing",
        ),
        (
            &[0x01, 0x00, 0x2d, 0x03, 0x29, 0x01, 0x31],
            "no activity in progress",
        ),
        (&[0x0d, 0x00], "not expected in STA 713"),
        (&[0x0e, 0x00], "not expected in STA 713"),
        (&[0x0a, 0x00], "not expected in STA 713"),
        (&[0x16, 0x00], "not expected in STA 713"),
        (&[0x09, 0x00], "no activity in progress"),
        (&[0x15, 0x00], "no activity in progress"),
        (&[0x01, 0x03, 0x10, 0x01, 0x40], "gives {\"release\"}"),
        (
            &[0x02, 0x00, 0x32, 0x03, 0x2a, 0x01, 0x31],
            "confirms point 1",
        ),
        (
            &[0x01, 0x00, 0x31, 0x03, 0x2a, 0x01, 0x41],
            "impossible value",
        ),
        (
            &[0x01, 0x00, 0x01, 0x03, 0x19, 0x01, 0x02, 0x00],
            "a segment of no SSDU",
        ),
    ] {
        let (fault, _) = hostile(tsdu);
        assert!(fault.contains(expected), "{tsdu:02x?}: {fault}");
    }
    let mut segment = vec![0x01, 0x00, 0x01, 0x03, 0x19, 0x01, 0x01];
    segment.extend([0; 101]);
    assert!(
        hostile(&segment)
            .0
            .contains("an SSDU of more than 100 octets")
    );
}

#[test]
fn an_spdu_of_a_token_the_peer_does_not_hold_is_a_protocol_error() {
    let mut pair = Pair::connected(Config::default(), Config::default());
    pair.a(activity_start());
    pair.settle();
    // The responder holds nothing.
    let data = Spdu::DataTransfer {
        enclosure: None,
        data: octets("stolen"),
    };
    let tsdu = encode(&[
        Spdu::GiveTokens {
            tokens: None,
            user_data: Bytes::new(),
        },
        data,
    ]);
    let out = pair
        .a
        .session
        .indication(transport::Indication::Data(tsdu), pair.now);
    pair.a.down(out, pair.now);
    let told = pair.a.told.last();
    assert!(
        matches!(told, Some(Indication::ProviderAbort(ProviderAbort::Protocol(fault))) if fault.contains("holds tokens")),
        "{told:?}"
    );
}

#[test]
fn octets_before_a_connect_end_the_transport_connection_without_an_abort() {
    let now = Instant::now();
    let mut b = End::new(Config::default(), transport::Config::default(), now);
    let connect = transport::Indication::Connect {
        called: Bytes::new(),
        calling: Bytes::new(),
    };
    assert_eq!(
        b.session.indication(connect, now),
        [Outgoing::Transport(transport::Request::Accept)]
    );
    let out = b
        .session
        .indication(transport::Indication::Data(octets("GET / HTTP/1.1")), now);
    assert!(matches!(
        &out[..],
        [
            Outgoing::Transport(transport::Request::Disconnect(_)),
            Outgoing::Indication(Indication::ProviderAbort(_))
        ]
    ));
}

#[test]
fn annex_a_every_event_has_one_row_and_discards_only_what_it_does_not_take() {
    for row in TABLE {
        assert_eq!(
            TABLE
                .iter()
                .filter(|other| other.event == row.event)
                .count(),
            1,
            "{:?}",
            row.event
        );
        assert!(
            row.discarded.iter().all(|state| !row.spdu.contains(state)),
            "{:?}",
            row.event
        );
    }
}
