//! The whole stack, both ends in memory, with a virtual clock.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::super::presentation::{Address, Oid};
use super::super::rtse::{
    Contexts, Dialogue, Indication, Mode, Open, OpenResponse, Refusal, Request,
};
use super::super::spdu::ConnectionIdentifier;
use super::*;

const A: usize = 0;
const B: usize = 1;

/// Two stacks and what lies between them.
struct Pair {
    ends: [Stack; 2],
    /// Octets on their way to an end.
    wire: [VecDeque<Bytes>; 2],
    /// What an end has told its user.
    told: [VecDeque<Indication>; 2],
    closed: [bool; 2],
    now: Instant,
    /// How many octets are delivered at a time.
    piece: usize,
}

fn contexts() -> Contexts {
    Contexts {
        application_context: Oid::from_contents(&[0x56, 0, 1, 6]),
        rtse: Oid::from_contents(&[0x56, 0, 2, 12]),
        user: Oid::from_contents(&[0x56, 0, 2, 7]),
    }
}

fn open(checkpoint_size: u8, window_size: u8) -> Open {
    Open {
        mode: Mode::Normal(contexts()),
        called: Address {
            t: "there".into(),
            ..Address::default()
        },
        calling: Address::default(),
        checkpoint_size,
        window_size,
        dialogue: Dialogue::Monologue,
        initiator_has_turn: true,
        identifier: ConnectionIdentifier {
            ss_user_reference: Bytes::from_static(b"\x04\x02vm"),
            common_reference: Bytes::from_static(b"\x17\x0d261122045628Z"),
            additional_reference: Bytes::new(),
        },
        user_data: Bytes::from_static(b"\x04\x05hello"),
    }
}

fn accept(checkpoint_size: u8, window_size: u8) -> Request {
    let user_data = Bytes::from_static(b"\x04\x07welcome");
    Request::OpenResponse(OpenResponse::Accept {
        checkpoint_size,
        window_size,
        user_data,
    })
}

impl Pair {
    fn new() -> Self {
        Self::of(Config::new(contexts()), Config::new(contexts()))
    }

    fn of(a: Config, b: Config) -> Self {
        let now = Instant::now();
        Self {
            ends: [Stack::new(a, now), Stack::new(b, now)],
            wire: Default::default(),
            told: Default::default(),
            closed: [false; 2],
            now,
            piece: usize::MAX,
        }
    }

    /// A pair with an open association.
    fn opened(proposed: (u8, u8), taken: (u8, u8)) -> Self {
        let mut pair = Self::new();
        pair.ask(A, Request::Open(Box::new(open(proposed.0, proposed.1))));
        assert!(matches!(pair.next(B), Some(Indication::Open(_))));
        pair.ask(B, accept(taken.0, taken.1));
        assert!(matches!(pair.next(A), Some(Indication::OpenConfirm(Ok(_)))));
        pair
    }

    fn ask(&mut self, end: usize, request: Request) {
        let out = self.ends[end]
            .request(request, self.now)
            .expect("a request that is allowed");
        self.take(end, out);
        self.flow();
    }

    fn take(&mut self, end: usize, out: Vec<Outgoing>) {
        for event in out {
            match event {
                Outgoing::Indication(indication) => self.told[end].push_back(indication),
                Outgoing::Octets(octets) => self.wire[1 - end].push_back(octets),
                Outgoing::Close => self.closed[end] = true,
            }
        }
    }

    /// Delivers octets until nothing moves.
    fn flow(&mut self) {
        while let Some(end) = (0..2).find(|&end| !self.wire[end].is_empty()) {
            let mut octets = self.wire[end].pop_front().unwrap();
            let rest = octets.split_off(self.piece.min(octets.len()));
            if !rest.is_empty() {
                self.wire[end].push_front(rest);
            }
            let out = self.ends[end].network(Network::Octets(octets), self.now);
            self.take(end, out);
        }
        for end in [A, B] {
            if self.closed[end] {
                let out = self.ends[1 - end].network(Network::Closed, self.now);
                self.take(1 - end, out);
            }
        }
    }

    /// Lets time pass up to the next deadline; false if there is none.
    fn wait(&mut self) -> bool {
        let Some(deadline) = self.ends.iter().filter_map(Stack::deadline).min() else {
            return false;
        };
        self.now = self.now.max(deadline);
        for end in [A, B] {
            let out = self.ends[end].tick(self.now);
            self.take(end, out);
        }
        self.flow();
        true
    }

    fn next(&mut self, end: usize) -> Option<Indication> {
        self.told[end].pop_front()
    }

    /// Transfers an APDU from one end; gives what arrived when the receiver is to answer.
    fn transfer(&mut self, from: usize, apdu: &[u8]) -> Vec<u8> {
        let (mut sent, mut arrived) = (0, Vec::new());
        self.ask(from, Request::Transfer);
        loop {
            let mut moved = false;
            if let Some(indication) = self.next(from) {
                let Indication::Pull { octets } = indication else {
                    panic!("{indication:?}")
                };
                let end = apdu.len().min(sent + octets);
                let octets = Bytes::copy_from_slice(&apdu[sent..end]);
                sent = end;
                self.ask(
                    from,
                    Request::Octets {
                        octets,
                        last: sent == apdu.len(),
                    },
                );
                moved = true;
            }
            while let Some(indication) = self.next(1 - from) {
                moved = true;
                match indication {
                    Indication::TransferBegin { .. } => {}
                    Indication::Octets(octets) => arrived.extend_from_slice(&octets),
                    Indication::Checkpoint { point } => {
                        self.ask(1 - from, Request::Secured { point });
                    }
                    Indication::Transfer => return arrived,
                    other => panic!("{other:?}"),
                }
            }
            assert!(
                moved,
                "the transfer stands still at {sent} of {}",
                apdu.len()
            );
        }
    }

    fn close(&mut self) {
        self.ask(A, Request::Close);
        assert_eq!(self.next(B), Some(Indication::Close));
        self.ask(B, Request::CloseResponse);
        assert_eq!(self.next(A), Some(Indication::CloseConfirm));
        assert_eq!(self.told, [VecDeque::new(), VecDeque::new()]);
        assert!(
            self.closed[A] || self.closed[B],
            "somebody closes the connection"
        );
    }
}

fn octets(length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| u8::try_from(at * 7 % 251).unwrap())
        .collect()
}

#[test]
fn x218_8_1_open_carries_everything_both_ways() {
    let mut pair = Pair::new();
    pair.ask(A, Request::Open(Box::new(open(63, 3))));
    let Some(Indication::Open(indicated)) = pair.next(B) else {
        panic!()
    };
    assert_eq!(*indicated, open(63, 3));
    pair.ask(B, accept(1, 2));
    let Some(Indication::OpenConfirm(Ok(opened))) = pair.next(A) else {
        panic!()
    };
    assert_eq!((opened.checkpoint_size, opened.window_size), (1, 2));
    assert_eq!(opened.user_data, &b"\x04\x07welcome"[..]);
    pair.close();
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
fn x228_7_3_transfers_of_many_sizes_arrive_whole() {
    for checkpoint in [1, 2, 7, 63, 0] {
        for window in 1..=5 {
            let mut pair = Pair::opened((checkpoint, window), (checkpoint, window));
            let unit = usize::from(checkpoint.max(1)) * 1024;
            for length in [0, 1, unit - 1, unit, unit + 1, 3 * unit, 100_000] {
                let apdu = octets(length);
                assert_eq!(
                    pair.transfer(A, &apdu),
                    apdu,
                    "{length} octets, {checkpoint}, {window}"
                );
                assert_eq!(
                    pair.next(A),
                    None,
                    "no confirm before the user has responded"
                );
                pair.ask(B, Request::TransferResponse);
                assert_eq!(pair.next(A), Some(Indication::TransferConfirm(Ok(()))));
            }
            pair.close();
        }
    }
}

#[test]
fn octets_may_come_one_at_a_time() {
    let mut pair = Pair::new();
    pair.piece = 1;
    pair.ask(A, Request::Open(Box::new(open(1, 3))));
    pair.next(B);
    pair.ask(B, accept(1, 3));
    pair.next(A);
    let apdu = octets(5000);
    assert_eq!(pair.transfer(A, &apdu), apdu);
    pair.ask(B, Request::TransferResponse);
    assert_eq!(pair.next(A), Some(Indication::TransferConfirm(Ok(()))));
    pair.close();
}

#[test]
fn x228_7_3_the_window_holds_the_sender() {
    let mut pair = Pair::opened((1, 3), (1, 3));
    pair.ask(A, Request::Transfer);
    let Some(Indication::Pull { octets: wanted }) = pair.next(A) else {
        panic!()
    };
    let apdu = octets(wanted.min(20 * 1024));
    pair.ask(
        A,
        Request::Octets {
            octets: apdu.into(),
            last: true,
        },
    );
    let points = |pair: &mut Pair| -> Vec<u32> {
        std::iter::from_fn(|| pair.next(B))
            .filter_map(|i| {
                if let Indication::Checkpoint { point } = i {
                    Some(point)
                } else {
                    None
                }
            })
            .collect()
    };
    assert_eq!(points(&mut pair), [1, 2, 3], "as many points as the window");
    pair.ask(B, Request::Secured { point: 2 });
    assert_eq!(
        points(&mut pair),
        [4, 5],
        "a confirmation covers the points before it"
    );
    assert!(
        pair.ends[B]
            .request(Request::Secured { point: 2 }, pair.now)
            .is_err()
    );
    pair.ask(B, Request::Secured { point: 5 });
    assert_eq!(points(&mut pair), [6, 7, 8]);
}

#[test]
fn x228_7_4_2_a_receiver_refuses_in_the_midst_or_at_the_end() {
    for (reason, transient) in [
        (Refusal::ReceivingAbilityJeopardized, true),
        (Refusal::LocalError, true),
        (Refusal::Unrecoverable, false),
    ] {
        let mut pair = Pair::opened((1, 3), (1, 3));
        // In the midst: two points are set, none is confirmed.
        pair.ask(A, Request::Transfer);
        pair.next(A);
        pair.ask(
            A,
            Request::Octets {
                octets: octets(3000).into(),
                last: false,
            },
        );
        pair.ask(B, Request::TransferRefuse(reason));
        let confirm = std::iter::from_fn(|| pair.next(A)).last();
        let Some(Indication::TransferConfirm(Err(not))) = confirm else {
            panic!("{confirm:?}")
        };
        assert_eq!(not.transient, transient, "{not:?}");
        pair.told[B].clear();
        // The association is as good as before; then at the end.
        pair.transfer(A, b"another");
        pair.ask(B, Request::TransferRefuse(reason));
        let Some(Indication::TransferConfirm(Err(not))) = pair.next(A) else {
            panic!()
        };
        assert_eq!(not.transient, transient);
        assert_eq!(pair.transfer(A, b"a third"), b"a third");
        pair.ask(B, Request::TransferResponse);
        assert_eq!(pair.next(A), Some(Indication::TransferConfirm(Ok(()))));
        pair.close();
    }
}

#[test]
fn x228_7_4_1_a_sender_stops_in_the_midst() {
    let mut pair = Pair::opened((1, 3), (1, 3));
    pair.ask(A, Request::Transfer);
    pair.next(A);
    pair.ask(
        A,
        Request::Octets {
            octets: octets(1500).into(),
            last: false,
        },
    );
    pair.ask(A, Request::TransferStop);
    let told: Vec<_> = pair.told[B].drain(..).collect();
    assert!(
        matches!(told.last(), Some(Indication::TransferDiscarded { .. })),
        "{told:?}"
    );
    let confirm = std::iter::from_fn(|| pair.next(A)).last();
    assert!(matches!(confirm, Some(Indication::TransferConfirm(Err(_)))));
    assert_eq!(pair.transfer(A, b"again"), b"again");
    pair.ask(B, Request::TransferResponse);
    pair.next(A);
    pair.close();
}

#[test]
fn x228_7_5_the_turn_goes_to_and_fro() {
    let mut pair = Pair::new();
    let alternate = Open {
        dialogue: Dialogue::TwoWayAlternate,
        ..open(4, 3)
    };
    pair.ask(A, Request::Open(Box::new(alternate)));
    pair.next(B);
    pair.ask(B, accept(4, 3));
    pair.next(A);
    assert!(
        pair.ends[B].request(Request::Transfer, pair.now).is_err(),
        "without the turn"
    );
    pair.ask(B, Request::TurnPlease { priority: 7 });
    assert_eq!(pair.next(A), Some(Indication::TurnPlease { priority: 7 }));
    pair.ask(A, Request::TurnGive);
    assert_eq!(pair.next(B), Some(Indication::TurnGive));
    assert!(
        pair.ends[A].request(Request::Transfer, pair.now).is_err(),
        "without the turn"
    );
    let apdu = octets(20_000);
    assert_eq!(pair.transfer(B, &apdu), apdu);
    pair.ask(A, Request::TransferResponse);
    assert_eq!(pair.next(B), Some(Indication::TransferConfirm(Ok(()))));
    pair.ask(B, Request::TurnGive);
    assert_eq!(pair.next(A), Some(Indication::TurnGive));
    pair.close();
}

#[test]
fn x218_8_1_the_responder_may_have_the_turn_first() {
    let mut pair = Pair::new();
    pair.ask(
        A,
        Request::Open(Box::new(Open {
            initiator_has_turn: false,
            ..open(4, 3)
        })),
    );
    let Some(Indication::Open(indicated)) = pair.next(B) else {
        panic!()
    };
    assert!(!indicated.initiator_has_turn);
    pair.ask(B, accept(4, 3));
    pair.next(A);
    assert_eq!(pair.transfer(B, b"down"), b"down");
    pair.ask(A, Request::TransferResponse);
    assert_eq!(pair.next(B), Some(Indication::TransferConfirm(Ok(()))));
}

#[test]
fn x228_7_1_a_refusal_brings_the_users_words() {
    for transient in [true, false] {
        let mut pair = Pair::new();
        pair.ask(A, Request::Open(Box::new(open(63, 3))));
        pair.next(B);
        let user_data = Bytes::from_static(b"\x02\x01\x02");
        let refuse = OpenResponse::Refuse {
            transient,
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

#[test]
fn x228_7_6_an_abort_at_each_stage_ends_everything_once() {
    // After so many steps of a life, either end aborts.
    for stage in 0..5 {
        for end in [A, B] {
            let mut pair = Pair::new();
            pair.ask(A, Request::Open(Box::new(open(1, 3))));
            if stage > 0 {
                pair.ask(B, accept(1, 3));
            }
            if stage > 1 {
                pair.ask(A, Request::Transfer);
            }
            if stage > 2 {
                pair.ask(
                    A,
                    Request::Octets {
                        octets: octets(1500).into(),
                        last: stage > 3,
                    },
                );
            }
            pair.told = Default::default();
            pair.ask(
                end,
                Request::Abort {
                    explanation: "enough".to_owned(),
                },
            );
            let told: Vec<_> = pair.told[1 - end].drain(..).collect();
            let ends = |i: &&Indication| {
                matches!(
                    i,
                    Indication::UAbort { .. }
                        | Indication::PAbort { .. }
                        | Indication::OpenConfirm(Err(_))
                )
            };
            assert_eq!(
                told.iter().filter(ends).count(),
                1,
                "stage {stage}, end {end}: {told:?}"
            );
            let lost = [&told, &pair.told[end].drain(..).collect::<Vec<_>>()]
                .into_iter()
                .flatten()
                .filter(|i| matches!(i, Indication::TransferConfirm(Err(_))))
                .count();
            assert_eq!(lost, usize::from(stage > 1), "stage {stage}, end {end}");
            while !pair.closed[A] && !pair.closed[B] {
                assert!(pair.wait(), "stage {stage}: nobody closes");
            }
        }
    }
}

#[test]
fn a_lost_connection_confirms_nothing() {
    let mut pair = Pair::opened((1, 3), (1, 3));
    pair.transfer(A, &octets(3000));
    let now = pair.now;
    let out = pair.ends[A].network(Network::Closed, now);
    pair.take(A, out);
    let told: Vec<_> = pair.told[A].drain(..).collect();
    assert!(
        matches!(
            told.as_slice(),
            [Indication::TransferConfirm(Err(not)), Indication::PAbort { .. }] if not.transient
        ),
        "{told:?}"
    );
    let out = pair.ends[B].network(Network::Closed, now);
    pair.take(B, out);
    let told: Vec<_> = pair.told[B].drain(..).collect();
    assert!(
        matches!(
            told.as_slice(),
            [
                Indication::TransferDiscarded { .. },
                Indication::PAbort { .. }
            ]
        ),
        "{told:?}"
    );
    // Whatever the users still ask is void.
    pair.ask(B, Request::TransferResponse);
    pair.ask(A, Request::Transfer);
    assert_eq!(pair.told, [VecDeque::new(), VecDeque::new()]);
}

#[test]
fn a_silent_peer_is_given_up() {
    let mut config = Config::new(contexts());
    config.transfer_timeout = Duration::from_secs(60);
    let mut pair = Pair::of(config, Config::new(contexts()));
    pair.ask(A, Request::Open(Box::new(open(1, 3))));
    pair.ask(B, accept(1, 3));
    pair.told = Default::default();
    pair.ask(A, Request::Transfer);
    assert!(
        pair.ends[A].deadline().is_none(),
        "we wait for our own user"
    );
    pair.ask(
        A,
        Request::Octets {
            octets: octets(10).into(),
            last: true,
        },
    );
    let deadline = pair.ends[A].deadline().expect("a confirmation is awaited");
    assert_eq!(deadline - pair.now, Duration::from_secs(60));
    pair.told = Default::default();
    pair.wait();
    let told: Vec<_> = pair.told[A].drain(..).collect();
    assert!(matches!(
        told.as_slice(),
        [Indication::TransferConfirm(Err(_)), Indication::PAbort { explanation }]
            if explanation.contains("60s")
    ));
    assert!(
        matches!(pair.told[B].back(), Some(Indication::PAbort { .. })),
        "the peer is told"
    );
}

#[test]
fn an_idle_association_is_given_up_if_so_configured() {
    let mut config = Config::new(contexts());
    config.idle_timeout = Some(Duration::from_secs(300));
    let mut pair = Pair::of(Config::new(contexts()), config);
    pair.ask(A, Request::Open(Box::new(open(1, 3))));
    pair.ask(B, accept(1, 3));
    assert_eq!(pair.transfer_after_open(), b"work");
    pair.wait();
    assert!(matches!(
        pair.told[B].back(),
        Some(Indication::PAbort { .. })
    ));
    assert!(matches!(
        pair.told[A].back(),
        Some(Indication::PAbort { .. })
    ));
}

impl Pair {
    fn transfer_after_open(&mut self) -> Vec<u8> {
        self.told = Default::default();
        let arrived = self.transfer(A, b"work");
        self.ask(B, Request::TransferResponse);
        arrived
    }
}

#[test]
fn requests_out_of_place_change_nothing() {
    let mut pair = Pair::opened((1, 3), (1, 3));
    let now = pair.now;
    for request in [
        Request::Open(Box::new(open(1, 1))),
        accept(1, 1),
        Request::TransferResponse,
        Request::TransferRefuse(Refusal::LocalError),
        Request::TransferStop,
        Request::Secured { point: 1 },
        Request::Octets {
            octets: Bytes::new(),
            last: true,
        },
        Request::TurnGive,
        Request::TurnPlease { priority: 0 },
        Request::CloseResponse,
    ] {
        assert!(
            pair.ends[A].request(request.clone(), now).is_err(),
            "{request:?}"
        );
    }
    assert_eq!(
        pair.transfer(A, b"as if nothing had been"),
        b"as if nothing had been"
    );
}

/// A life in requests: open, one transfer, close.
fn life() -> Vec<(usize, Request)> {
    vec![
        (A, Request::Open(Box::new(open(1, 3)))),
        (B, accept(1, 3)),
        (A, Request::Transfer),
        (
            A,
            Request::Octets {
                octets: octets(2500).into(),
                last: true,
            },
        ),
        (B, Request::Secured { point: 2 }),
        (B, Request::TransferResponse),
        (A, Request::Close),
        (B, Request::CloseResponse),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// A peer that lies costs the association and nothing else: no panic, the end is told once, and
    /// nothing is confirmed that the receiver's user did not take.
    #[test]
    fn octets_of_a_lying_peer(
        step in 0..8_usize,
        end in 0..2_usize,
        at in any::<prop::sample::Index>(),
        flip in any::<u8>(),
        insert in proptest::collection::vec(any::<u8>(), 0..4),
        cut in any::<bool>(),
    ) {
        let mut pair = Pair::new();
        let mut taken = false;
        for (index, (by, request)) in life().into_iter().enumerate() {
            taken |= request == Request::TransferResponse;
            let Ok(out) = pair.ends[by].request(request, pair.now) else { continue };
            pair.take(by, out);
            if index == step && let Some(said) = pair.wire[end].pop_front() {
                let mut octets = said.to_vec();
                let at = at.index(octets.len());
                octets[at] ^= flip;
                octets.splice(at..at, insert.iter().copied());
                if cut {
                    octets.truncate(at + 1);
                }
                pair.wire[end].push_front(octets.into());
            }
            pair.flow();
        }
        let ends = |i: &&Indication| matches!(
            i,
            Indication::UAbort { .. } | Indication::PAbort { .. } | Indication::CloseConfirm
                | Indication::OpenConfirm(Err(_))
        );
        for told in &pair.told {
            prop_assert!(told.iter().filter(ends).count() <= 1, "{:?}", told);
        }
        let confirmed = pair.told[A].contains(&Indication::TransferConfirm(Ok(())));
        prop_assert!(taken || !confirmed);
        while !pair.closed[A] && !pair.closed[B] {
            prop_assert!(pair.wait() || !pair.ends[A].rtse().is_transferring());
            if pair.ends.iter().all(|end| end.deadline().is_none()) {
                break;
            }
        }
    }
}
