//! Aborts, lost connections, silence, and peers that lie.

use proptest::prelude::*;

use super::*;

#[test]
fn x228_7_6_an_abort_at_each_stage_ends_everything_once() {
    for mode in modes() {
        // After so many steps of a life, either end aborts.
        for stage in 0..5 {
            for end in [A, B] {
                let mut pair = Pair::new();
                pair.ask(A, Request::Open(Box::new(open_in(&mode, 1, 3))));
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
}

#[test]
fn a_lost_connection_confirms_nothing() {
    for mode in modes() {
        let mut pair = Pair::opened_in(&mode, (1, 3), (1, 3));
        pair.transfer(A, &octets(3000));
        let now = pair.now;
        let out = pair.ends[A].network(Network::Closed, now);
        pair.take(A, out);
        let told: Vec<_> = pair.told[A].drain(..).collect();
        assert!(
            matches!(
                told.as_slice(),
                [Indication::TransferConfirm(Err(not)), Indication::PAbort { .. }]
                    if not.transient && not.in_doubt
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
                    Indication::TransferInterrupted { .. },
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
}

#[test]
fn x228_7_4_a_transfer_is_in_doubt_only_between_its_end_and_the_answer() {
    let lost = |pair: &mut Pair| {
        let out = pair.ends[A].network(Network::Closed, pair.now);
        pair.take(A, out);
        match pair.told[A].drain(..).next() {
            Some(Indication::TransferConfirm(Err(not))) => not.in_doubt,
            other => panic!("{other:?}"),
        }
    };
    for (sent_all, refused) in [(false, false), (true, false), (true, true)] {
        let mut pair = Pair::opened((1, 3), (1, 3));
        pair.ask(A, Request::Transfer);
        pair.told = Default::default();
        pair.ask(
            A,
            Request::Octets {
                octets: octets(1500).into(),
                last: sent_all,
            },
        );
        pair.told = Default::default();
        if refused {
            // The refusal arrives; the connection is lost before the activity is discarded.
            let refuse = Request::TransferRefuse(Refusal::LocalError);
            let out = pair.ends[B].request(refuse, pair.now).unwrap();
            pair.take(B, out);
            while let Some(octets) = pair.wire[A].pop_front() {
                let out = pair.ends[A].network(Network::Octets(octets), pair.now);
                pair.take(A, out);
            }
        }
        assert_eq!(
            lost(&mut pair),
            sent_all && !refused,
            "{sent_all}, {refused}"
        );
    }
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
    for mode in modes() {
        let mut pair = Pair::opened_in(&mode, (1, 3), (1, 3));
        let now = pair.now;
        for request in [
            Request::Open(Box::new(open_in(&mode, 1, 1))),
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
}

/// A life in requests: open, one transfer, close.
fn life(mode: &Mode) -> Vec<(usize, Request)> {
    vec![
        (A, Request::Open(Box::new(open_in(mode, 1, 3)))),
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
        x410 in any::<bool>(),
        step in 0..8_usize,
        end in 0..2_usize,
        at in any::<prop::sample::Index>(),
        flip in any::<u8>(),
        insert in proptest::collection::vec(any::<u8>(), 0..4),
        cut in any::<bool>(),
    ) {
        let mut pair = Pair::new();
        let mut taken = false;
        for (index, (by, request)) in life(&modes()[usize::from(x410)]).into_iter().enumerate() {
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
