//! Lying lengths, and PDUs where none is due: RFC 1006 section 6, X.224 section 13, X.225 section 8.

use bytes::Bytes;
use mixgate::osi::rtse::Request;
use mixgate::osi::spdu::{Connect, Serial, Spdu, TransportDisconnect, encode};
use mixgate::x400::config::Mode;

use crate::raw::{CR, Raw, data};
use crate::world::{MODES, World};

#[tokio::test]
async fn rfc1006_6_lies_before_a_transport_connection() {
    let world = World::new().await;
    let cases = [
        (&b"GET / HTTP/1.1\r\n\x1b[2J\r\n"[..], "TPKT version is 71"),
        (b"\x03\0\0\x04", "TPKT length 4 is below"),
        (b"\x03\0\xff\xff\x06\xe0", "TPKT length 65535 exceeds"),
        (b"\x03\0\0\x0b\x20\xe0\0\0\0\x01\0", "TPDU"),
        (b"\x03\0\0\x07\x02\xf0\x80", "TPDU not expected in state"),
    ];
    let world = &world;
    world
        .besides_each(cases.map(|(octets, words)| async move {
            let mut raw = Raw::connected(world).await;
            raw.say(octets).await;
            raw.closed().await;
            world.log.reason(raw.from, words).await;
        }))
        .await;
}

/// A CN whose user data are these octets.
pub fn connect(user_data: &[u8]) -> Vec<u8> {
    let connect = Connect {
        user_data: Bytes::copy_from_slice(user_data),
        ..Connect::default()
    };
    encode(&[Spdu::Connect(Box::new(connect))]).to_vec()
}

#[tokio::test]
async fn x225_8_lies_before_an_association() {
    let world = World::new().await;
    let deep = [0x31, 0x80].repeat(2_000);
    let many = [&[0x31, 0x82, 0x20, 0x00][..], &[0x05, 0x00].repeat(4_096)].concat();
    let long = [0x31, 0x84, 0x7f, 0xff, 0xff, 0xff];
    let cases = [
        (b"\x0d\xff\xff\xff".to_vec(), "a length goes beyond"),
        (b"\x0d\x05\xc1\x7f\0\0\0".to_vec(), "a length goes beyond"),
        (b"\x01\0\x01\0data before connect".to_vec(), "DATA TRANSFER"),
        (b"\x32\x03\x2a\x01\x37".to_vec(), "MINOR SYNC ACK"),
        (b"\x77\0".to_vec(), "SPDU identifier 119 is not known"),
        (connect(&deep), "expected"),
        (connect(&many), "expected"),
        (connect(&long), "expected"),
        (connect(b"\x1b[2J\xe2\x80\xae"), "expected"),
    ];
    let world = &world;
    world
        .besides_each(cases.map(|(tsdu, words)| async move {
            let mut raw = Raw::on_transport(world).await;
            raw.tsdu(&tsdu).await;
            raw.closed().await;
            world.log.reason(raw.from, words).await;
        }))
        .await;
    world
        .besides(async {
            let mut raw = Raw::on_transport(world).await;
            raw.say(CR).await;
            raw.closed().await;
            world
                .log
                .reason(raw.from, "TPDU not expected in state")
                .await;
            let mut raw = Raw::on_transport(world).await;
            // A TSDU that never ends.
            for _ in 0..40 {
                raw.say(&data(&[0x31; 60_000], false)).await;
            }
            raw.closed().await;
            world.log.reason(raw.from, "a TSDU of more than").await;
        })
        .await;
}

/// Each of these TSDUs, in each mode from a peer that has come so far, ends its association for the
/// reason named.
async fn each_ends(
    world: &World,
    cases: &[(Vec<u8>, &str)],
    so_far: impl AsyncFn(&World, Mode) -> Raw,
) {
    let so_far = &so_far;
    let in_all = MODES
        .into_iter()
        .flat_map(|mode| cases.iter().map(move |case| (mode, case)));
    world
        .besides_each(in_all.map(|(mode, (tsdu, words))| async move {
            let mut raw = so_far(world, mode).await;
            raw.tsdu(tsdu).await;
            raw.closed().await;
            world.log.reason(raw.from, words).await;
        }))
        .await;
}

#[tokio::test]
async fn x225_a_4_spdus_where_none_of_them_is_due() {
    let world = World::new().await;
    let none = Bytes::new;
    let serial = |number: &[u8]| {
        let length = u8::try_from(number.len()).unwrap();
        [&[0x31, 2 + length, 0x2a, length], number].concat()
    };
    let point = |number: &[u8]| [&[1, 0][..], &serial(number)].concat();
    let acknowledged = |number: u8| vec![0x32, 3, 0x2a, 1, number];
    let one = Serial::ONE;
    let ended = encode(&[
        Spdu::GiveTokens {
            tokens: None,
            user_data: none(),
        },
        Spdu::ActivityEnd {
            serial: one,
            user_data: none(),
        },
    ]);
    let connected = connect(b"again");
    // In no activity.
    let cases = [
        (connected.clone(), "CONNECT"),
        (acknowledged(b'7'), "MINOR SYNC ACK"),
        (ended.to_vec(), "ACTIVITY END"),
        (point(b"1"), "MINOR SYNC POINT"),
        (
            encode(&[Spdu::ActivityDiscardAck(none())]).to_vec(),
            "ACTIVITY DISCARD ACK",
        ),
        (
            encode(&[Spdu::GiveTokensAck(none())]).to_vec(),
            "GIVE TOKENS ACK",
        ),
    ];
    each_ends(&world, &cases, Raw::associated).await;
    // In an activity.
    let cases = [
        (connected, "CONNECT"),
        (acknowledged(b'1'), "MINOR SYNC ACK"),
        (point(b"9"), "MINOR SYNC POINT"),
        (point(b"999999"), "MINOR SYNC POINT"),
        (b"\x09\0".to_vec(), "FINISH"),
    ];
    each_ends(&world, &cases, Raw::transferring).await;
}

#[tokio::test]
async fn x225_7_20_an_abort_ends_every_stage() {
    let world = World::new().await;
    let abort = || Spdu::Abort {
        transport_disconnect: TransportDisconnect::RELEASE,
        reflect: Bytes::new(),
        user_data: Bytes::new(),
    };
    world
        .besides(async {
            for mode in MODES {
                let mut open = Raw::associated(&world, mode).await;
                open.spdus(&[abort()]).await;
                open.closed().await;
                world.log.reason(open.from, "ended").await;
                let mut busy = Raw::transferring(&world, mode).await;
                busy.spdus(&[abort()]).await;
                busy.closed().await;
                world.log.reason(busy.from, "ended").await;
                let mut closing = Raw::associated(&world, mode).await;
                closing.ask(Request::Close).await;
                closing.spdus(&[abort()]).await;
                closing.closed().await;
            }
            let early = &mut Raw::on_transport(&world).await;
            early.spdus(&[abort()]).await;
            early.closed().await;
            world.log.reason(early.from, "gave up").await;
        })
        .await;
}
