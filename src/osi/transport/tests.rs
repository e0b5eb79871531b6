//! Golden TPDUs of deployed systems, and two machines in memory.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::tpdu::{Connect, Error, Tpdu};
use super::*;
use crate::octets::hex;

fn encoded(tpdu: &Tpdu) -> Bytes {
    let (header, user_data) = tpdu.encode();
    [header.freeze(), user_data].concat().into()
}

fn connect(
    source: u16,
    calling: Option<&'static str>,
    called: Option<&'static str>,
    tpdu_size: TpduSize,
) -> Connect {
    let selector = |text: &'static str| Bytes::from_static(text.as_bytes());
    Connect {
        destination_reference: 0,
        source_reference: source,
        class: 0,
        alternative_classes: vec![],
        calling: calling.map(selector),
        called: called.map(selector),
        tpdu_size,
    }
}

#[test]
fn s13_3_cr_of_two_deployed_systems() {
    // The bind of a commercial MTA, 2005, and of PP 6.0.
    for (octets, expected) in [
        (
            "18e0000017c400c107583430302d3838c207583430302d3838",
            connect(
                0x17c4,
                Some("X400-88"),
                Some("X400-88"),
                TpduSize::Octets65531,
            ),
        ),
        (
            "13e00000001100c20878343030696e3838c0010b",
            connect(0x11, None, Some("x400in88"), TpduSize::Octets2048),
        ),
    ] {
        let tpdu = Tpdu::ConnectionRequest(expected);
        assert_eq!(Tpdu::decode(hex(octets)), Ok(tpdu.clone()));
        assert_eq!(encoded(&tpdu), hex(octets));
    }
}

#[test]
fn s13_4_cc_of_two_deployed_systems() {
    for (octets, destination, source, size) in [
        ("06d017c4034c00", 0x17c4, 0x34c, TpduSize::Octets65531),
        ("09d00011000b00c0010b", 0x11, 0x0b, TpduSize::Octets2048),
    ] {
        let tpdu = Tpdu::ConnectionConfirm(Connect {
            destination_reference: destination,
            ..connect(source, None, None, size)
        });
        assert_eq!(Tpdu::decode(hex(octets)), Ok(tpdu.clone()));
        assert_eq!(encoded(&tpdu), hex(octets));
    }
}

#[test]
fn s13_5_dr_with_text_where_class_0_has_no_user_data() {
    // PP 6.0 refuses an unknown T-selector.
    let octets = hex("06806ec200188050502053657276696365206e6f73756368206e6f7420666f756e6400");
    let Ok(Tpdu::DisconnectRequest {
        destination_reference,
        source_reference,
        reason,
        additional,
    }) = Tpdu::decode(octets)
    else {
        panic!()
    };
    assert_eq!(
        (destination_reference, source_reference, reason),
        (0x6ec2, 0x18, DisconnectReason::NORMAL)
    );
    let why = Disconnect::Peer { reason, additional };
    assert_eq!(
        why.to_string(),
        "the peer disconnected: normal disconnect (PP Service nosuch not found)"
    );
}

#[test]
fn s13_7_dt() {
    for (octets, end_of_tsdu) in [
        ("02f0800100", true),
        ("02f0000100", false),
        ("02f0810100", true),
    ] {
        assert_eq!(
            Tpdu::decode(hex(octets)),
            Ok(Tpdu::Data {
                end_of_tsdu,
                data: hex("0100")
            })
        );
    }
}

#[test]
fn s13_12_er() {
    let tpdu = Tpdu::Error {
        destination_reference: 7,
        cause: 2,
        invalid: hex("02c000"),
    };
    assert_eq!(encoded(&tpdu), hex("09 70 0007 02 c1 03 02c000"));
    assert_eq!(Tpdu::decode(encoded(&tpdu)), Ok(tpdu));
}

#[test]
fn s13_2_lying_lengths_and_unknown_codes_are_errors() {
    for (octets, expected) in [
        ("", Error::Truncated("the length indicator")),
        ("00", Error::Truncated("the TPDU code")),
        (
            "ff",
            Error::Length {
                indicator: 255,
                octets: 1,
            },
        ),
        (
            "07d017c4034c00",
            Error::Length {
                indicator: 7,
                octets: 7,
            },
        ),
        (
            "03f08000",
            Error::Length {
                indicator: 3,
                octets: 4,
            },
        ),
        ("03e00000", Error::Truncated("a reference")),
        ("05e000000001", Error::Truncated("the class")),
        ("09e0000000010 0c1ff41", Error::Truncated("a parameter")),
        (
            "07e00000000100c1",
            Error::Truncated("the length of a parameter"),
        ),
        ("09e00000000100c00103", Error::Parameter(0xc0)),
        ("0410010203", Error::Code(0x10)),
    ] {
        assert_eq!(Tpdu::decode(hex(octets)), Err(expected), "{octets}");
    }
}

struct Pair {
    now: Instant,
    initiator: Transport,
    responder: Transport,
}

impl Pair {
    fn new(initiator: Config, responder: Config) -> Self {
        let now = Instant::now();
        Self {
            now,
            initiator: Transport::new(initiator, now),
            responder: Transport::new(responder, now),
        }
    }

    fn call(&mut self) -> Vec<Outgoing> {
        let call = Request::Connect {
            called: Bytes::from_static(b"called"),
            calling: Bytes::new(),
        };
        let out = self.initiator.request(call, self.now);
        self.hand_to_responder(out)
    }

    fn open(initiator: Config, responder: Config) -> Self {
        let mut pair = Self::new(initiator, responder);
        pair.call();
        let out = pair.responder.request(Request::Accept, pair.now);
        let told = pair.hand_to_initiator(out);
        assert_eq!(
            told,
            [Outgoing::Indication(Indication::Confirm {
                responding: Bytes::new()
            })]
        );
        pair
    }

    fn hand_to_responder(&mut self, out: Vec<Outgoing>) -> Vec<Outgoing> {
        out.into_iter()
            .flat_map(|event| carry(&mut self.responder, event, self.now))
            .collect()
    }

    fn hand_to_initiator(&mut self, out: Vec<Outgoing>) -> Vec<Outgoing> {
        out.into_iter()
            .flat_map(|event| carry(&mut self.initiator, event, self.now))
            .collect()
    }
}

fn carry(to: &mut Transport, event: Outgoing, now: Instant) -> Vec<Outgoing> {
    match event {
        Outgoing::Octets(octets) => to.network(Network::Octets(octets), now),
        Outgoing::Close => to.network(Network::Closed, now),
        Outgoing::Indication(_) => Vec::new(),
    }
}

fn size(tpdu_size: TpduSize) -> Config {
    Config {
        tpdu_size,
        ..Config::default()
    }
}

#[test]
fn s6_5_the_smaller_tpdu_size_is_agreed() {
    use TpduSize::{Octets128, Octets1024, Octets2048, Octets65531};
    for (a, b, agreed) in [
        (Octets65531, Octets65531, Octets65531),
        (Octets2048, Octets65531, Octets2048),
        (Octets65531, Octets1024, Octets1024),
        (Octets2048, Octets128, Octets128),
    ] {
        let pair = Pair::open(size(a), size(b));
        assert_eq!(
            (pair.initiator.tpdu_size(), pair.responder.tpdu_size()),
            (agreed, agreed)
        );
        assert_eq!(
            (pair.initiator.deadline(), pair.responder.deadline()),
            (None, None)
        );
    }
}

#[test]
fn s6_3_tsdus_are_segmented_in_one_run_of_octets_and_put_together_again() {
    for tpdu_size in [
        TpduSize::Octets128,
        TpduSize::Octets2048,
        TpduSize::Octets65531,
    ] {
        let mut pair = Pair::open(size(tpdu_size), Config::default());
        for length in [
            1, 124, 125, 126, 250, 251, 2045, 2046, 65_527, 65_528, 65_529, 200_000,
        ] {
            let tsdu = Bytes::from(
                (0..length)
                    .map(|n: u32| n.to_be_bytes()[3])
                    .collect::<Vec<_>>(),
            );
            let out = pair
                .initiator
                .request(Request::Data(tsdu.clone()), pair.now);
            assert_eq!(out.len(), 1, "one write");
            assert_eq!(
                pair.hand_to_responder(out),
                [Outgoing::Indication(Indication::Data(tsdu))],
                "{length} {tpdu_size:?}"
            );
        }
    }
}

#[test]
fn octets_may_come_one_by_one() {
    let mut pair = Pair::open(size(TpduSize::Octets128), Config::default());
    let tsdu = Bytes::from(vec![9; 300]);
    let [Outgoing::Octets(octets)] = &pair
        .initiator
        .request(Request::Data(tsdu.clone()), pair.now)[..]
    else {
        panic!()
    };
    let one_by_one = octets
        .chunks(1)
        .map(|octet| Outgoing::Octets(Bytes::copy_from_slice(octet)))
        .collect();
    assert_eq!(
        pair.hand_to_responder(one_by_one),
        [Outgoing::Indication(Indication::Data(tsdu))]
    );
}

#[test]
fn a_tsdu_that_is_too_large_ends_the_connection() {
    let mut pair = Pair::open(
        size(TpduSize::Octets128),
        Config {
            max_tsdu: 1000,
            ..Config::default()
        },
    );
    let fits = pair
        .initiator
        .request(Request::Data(Bytes::from(vec![0; 1000])), pair.now);
    assert_eq!(pair.hand_to_responder(fits).len(), 1);
    let out = pair
        .initiator
        .request(Request::Data(Bytes::from(vec![0; 1001])), pair.now);
    let told = pair.hand_to_responder(out);
    assert_eq!(
        told,
        [
            Outgoing::Indication(Indication::Disconnect(Disconnect::Protocol(
                "a TSDU of more than 1000 octets".into()
            ))),
            Outgoing::Close
        ]
    );
}

#[test]
fn s6_6_an_unknown_selector_is_refused_with_dr() {
    let known = Config {
        selectors: vec![Bytes::from_static(b"x400in88")],
        ..Config::default()
    };
    let mut pair = Pair::new(Config::default(), known);
    let out = pair.call();
    assert_eq!(
        out[1],
        Outgoing::Indication(Indication::Disconnect(Disconnect::UnknownSelector(
            Bytes::from_static(b"called")
        )))
    );
    let told = pair.hand_to_initiator(out);
    let why = Disconnect::Peer {
        reason: DisconnectReason::ADDRESS_UNKNOWN,
        additional: Bytes::new(),
    };
    assert_eq!(
        told,
        [
            Outgoing::Indication(Indication::Disconnect(why)),
            Outgoing::Close
        ]
    );
}

#[test]
fn s6_5_4_a_higher_class_is_taken_if_class_0_will_do() {
    for (octets, taken) in [
        ("03000015 10e00000000140 c20161 c7020020 c0010a", true),
        ("0300000e 09e00000000140 c7 01 00", true),
        ("0300000b 06e00000000140", false),
    ] {
        let mut responder = Transport::new(Config::default(), Instant::now());
        let out = responder.network(Network::Octets(hex(octets)), Instant::now());
        let connect = matches!(&out[..], [Outgoing::Indication(Indication::Connect { .. })]);
        assert_eq!(connect, taken, "{octets}: {out:?}");
    }
}

#[test]
fn s6_22_a_tpdu_in_error_is_answered_with_er() {
    let mut pair = Pair::open(Config::default(), Config::default());
    let out = pair
        .responder
        .network(Network::Octets(hex("03000008 03c00000")), pair.now);
    let told = pair.hand_to_initiator(out);
    let [
        Outgoing::Indication(Indication::Disconnect(Disconnect::Rejected { cause: 2, invalid })),
        Outgoing::Close,
    ] = &told[..]
    else {
        panic!("{told:?}")
    };
    assert_eq!(*invalid, hex("03c00000"));
}

#[test]
fn data_before_the_connection_is_open_are_an_error() {
    let mut responder = Transport::new(Config::default(), Instant::now());
    let out = responder.network(Network::Octets(hex("03000009 02f0800100")), Instant::now());
    assert!(
        matches!(
            &out[1],
            Outgoing::Indication(Indication::Disconnect(Disconnect::Protocol(_)))
        ),
        "{out:?}"
    );
    assert_eq!(out[2], Outgoing::Close);
}

#[test]
fn octets_of_another_protocol_get_no_answer() {
    for octets in [
        &b"GET / HTTP/1.0\r\n"[..],
        b"\x16\x03\x01",
        b"\x03\x00\x00\x06",
        b"\x03\x00\xff\xff",
        b"\x03\x00\x02\x01",
    ] {
        let mut responder = Transport::new(Config::default(), Instant::now());
        let out = responder.network(Network::Octets(Bytes::from_static(octets)), Instant::now());
        assert!(
            matches!(
                &out[..],
                [
                    Outgoing::Indication(Indication::Disconnect(Disconnect::NoPacket(_))),
                    Outgoing::Close
                ]
            ),
            "{out:?}"
        );
        assert!(
            responder
                .network(Network::Closed, Instant::now())
                .is_empty()
        );
    }
}

#[test]
fn a_silent_peer_is_given_up() {
    let config = Config {
        connect_timeout: Duration::from_secs(9),
        ..Config::default()
    };
    let mut pair = Pair::new(config.clone(), config);
    let _ = pair.initiator.request(
        Request::Connect {
            called: Bytes::new(),
            calling: Bytes::new(),
        },
        pair.now,
    );
    for end in [&mut pair.initiator, &mut pair.responder] {
        assert_eq!(end.tick(pair.now + Duration::from_secs(8)), []);
        assert_eq!(end.deadline(), Some(pair.now + Duration::from_secs(9)));
        let why = Disconnect::Timeout(Duration::from_secs(9));
        assert_eq!(
            end.tick(pair.now + Duration::from_secs(9)),
            [
                Outgoing::Indication(Indication::Disconnect(why)),
                Outgoing::Close
            ]
        );
        assert_eq!(end.deadline(), None);
    }
}

#[test]
fn s6_7_release_is_the_end_of_the_network_connection() {
    let mut pair = Pair::open(Config::default(), Config::default());
    let out = pair
        .initiator
        .request(Request::Disconnect(DisconnectReason::NORMAL), pair.now);
    assert_eq!(out, [Outgoing::Close]);
    let told = pair.hand_to_responder(out);
    assert_eq!(
        told,
        [
            Outgoing::Indication(Indication::Disconnect(Disconnect::Closed)),
            Outgoing::Close
        ]
    );
    // Deployed systems say DR first.
    let mut pair = Pair::open(Config::default(), Config::default());
    let out = pair
        .responder
        .network(Network::Octets(hex("0300000b 0680000b001180")), pair.now);
    assert!(matches!(
        &out[0],
        Outgoing::Indication(Indication::Disconnect(Disconnect::Peer {
            reason: DisconnectReason::NORMAL,
            ..
        }))
    ));
}
