//! Peers that are slow, or busy to no purpose, under a clock that the tests turn.

use super::super::super::spdu::{Spdu, Tokens, encode};
use super::*;

const MINUTE: Duration = Duration::from_secs(60);

/// A pair whose responder wants so many octets a second.
fn with_rate(mode: &Mode, min_rate: u64) -> Pair {
    let mut config = Config::new(contexts());
    config.transfer_timeout = 2 * MINUTE;
    config.idle_timeout = Some(5 * MINUTE);
    config.min_rate = min_rate;
    let mut pair = Pair::of(Config::new(contexts()), config);
    pair.ask(A, Request::Open(Box::new(open_in(mode, 63, 3))));
    pair.ask(B, accept(63, 3));
    pair.told = Default::default();
    pair
}

/// Time passes for the responder, as its own clock wakes it up.
fn pass(pair: &mut Pair, time: Duration) {
    let then = pair.now + time;
    while let Some(deadline) = pair.ends[B].deadline().filter(|at| *at <= then) {
        pair.now = pair.now.max(deadline);
        let out = pair.ends[B].tick(pair.now);
        pair.take(B, out);
    }
    pair.now = then;
}

/// What the responder says ended the association, if it is at an end.
fn end(pair: &Pair) -> Option<&str> {
    match pair.told[B].back()? {
        Indication::PAbort { explanation } => Some(explanation),
        _ => None,
    }
}

/// The initiator sends so many octets of a transfer, at so many a second, a piece each second; how
/// long the responder listens, and its reason to listen no more.
fn sent_slowly(mode: &Mode, min_rate: u64, length: usize, rate: usize) -> (Duration, String) {
    let mut pair = with_rate(mode, min_rate);
    let begun = pair.now;
    pair.ask(A, Request::Transfer);
    let mut sent = 0;
    while sent < length {
        let octets = octets(16 * 1024);
        sent += octets.len();
        let octets = octets.into();
        let last = sent >= length;
        let out = pair.ends[A].request(Request::Octets { octets, last }, pair.now);
        pair.take(A, out.unwrap());
        while let Some(said) = pair.wire[B].pop_front() {
            for piece in said.chunks(rate) {
                let piece = Bytes::copy_from_slice(piece);
                let out = pair.ends[B].network(Network::Octets(piece), pair.now);
                pair.take(B, out);
                pass(&mut pair, Duration::from_secs(1));
                if let Some(why) = end(&pair) {
                    return (pair.now - begun, why.to_owned());
                }
            }
        }
        let points: Vec<u32> = pair.told[B]
            .drain(..)
            .filter_map(|told| match told {
                Indication::Checkpoint { point } => Some(point),
                _ => None,
            })
            .collect();
        for point in points {
            pair.ask(B, Request::Secured { point });
        }
    }
    (pair.now - begun, String::new())
}

#[test]
fn the_whole_of_a_transfer_is_bounded_by_what_has_come_of_it() {
    for mode in modes() {
        // Fast enough, for ever: a megabyte in half an hour.
        let (_, ended) = sent_slowly(&mode, 500, 1 << 20, 600);
        assert_eq!(ended, "");
        // As many octets as are a step each time, and still too slow: after two minutes, and as long as
        // the octets earned.
        let (listened, ended) = sent_slowly(&mode, 500, 1 << 20, 60);
        assert_eq!(listened.as_secs(), 136);
        let words = "octets of a transfer in 136s, below 500 a second";
        assert!(ended.contains(words), "{ended}");
        // As slowly as it likes.
        let (_, ended) = sent_slowly(&mode, 0, 1 << 16, 60);
        assert_eq!(ended, "");
    }
}

#[test]
fn the_time_our_own_user_takes_is_not_the_peers() {
    let mut pair = with_rate(&modes()[0], 500);
    pair.ask(A, Request::Transfer);
    for last in [false, true] {
        let octets = octets(64 * 1024 * usize::from(!last)).into();
        pair.ask(A, Request::Octets { octets, last });
        pass(&mut pair, 100 * MINUTE);
        assert_eq!(end(&pair), None);
        if !last {
            pair.ask(B, Request::Secured { point: 1 });
        }
        pass(&mut pair, MINUTE);
        assert_eq!(end(&pair), None);
    }
    pair.ask(B, Request::TransferResponse);
    assert_eq!(
        pair.told[A].back(),
        Some(&Indication::TransferConfirm(Ok(())))
    );
}

/// The initiator says this of its own accord.
fn say(pair: &mut Pair, spdus: &[Spdu]) {
    let tsdu = encode(spdus);
    let length = u16::try_from(tsdu.len() + 7).unwrap();
    let head = [&[3, 0][..], &length.to_be_bytes(), &[2, 0xf0, 0x80]].concat();
    let said = Bytes::from([&head, tsdu.as_ref()].concat());
    let out = pair.ends[B].network(Network::Octets(said), pair.now);
    pair.take(B, out);
}

/// A turn that is asked for where it is not: allowed, and of no effect.
fn please() -> Spdu {
    Spdu::PleaseTokens {
        tokens: Some(Tokens::DATA),
        user_data: Bytes::new(),
    }
}

#[test]
fn units_to_no_purpose_do_not_prolong_an_idle_association() {
    let mut pair = with_rate(&modes()[0], 500);
    for minute in 0..5 {
        assert_eq!(end(&pair), None, "{minute}");
        say(&mut pair, &[please()]);
        pass(&mut pair, MINUTE);
    }
    assert_eq!(end(&pair), Some("nothing from the peer within 300s"));
}

#[test]
fn units_to_no_purpose_are_too_many_only_in_a_row() {
    let flood = "a flood: more than 1000 units of session without a message";
    for mode in modes() {
        let mut pair = with_rate(&mode, 500);
        for number in 0..1000 {
            say(&mut pair, &[please()]);
            assert_eq!(end(&pair), None, "{number}");
        }
        say(&mut pair, &[please()]);
        assert_eq!(end(&pair), Some(flood));
        // A message in between, or time, and they are forgiven.
        let mut pair = with_rate(&mode, 500);
        for round in 0..3 {
            (0..900).for_each(|_| say(&mut pair, &[please()]));
            assert_eq!(end(&pair), None, "{round}");
            pair.told = Default::default();
            match round {
                0 => {
                    pair.transfer(A, b"a message");
                    pair.ask(B, Request::TransferResponse);
                    pair.told = Default::default();
                }
                _ => pass(&mut pair, 2 * MINUTE),
            }
        }
    }
}

#[test]
fn x225_7_activities_begun_only_to_be_discarded_are_a_flood() {
    let mut pair = with_rate(&modes()[0], 500);
    for begun in 1.. {
        pair.ask(A, Request::Transfer);
        if end(&pair).is_some() {
            assert_eq!(begun, 20, "each counts for fifty");
            break;
        }
        pair.ask(A, Request::TransferStop);
        pair.told = Default::default();
    }
}
