//! Transfers, windows, refusals and turns.

use super::*;

#[test]
fn x228_7_3_transfers_of_many_sizes_arrive_whole() {
    for mode in modes() {
        for checkpoint in [1, 2, 7, 63, 0] {
            for window in 1..=5 {
                let mut pair = Pair::opened_in(&mode, (checkpoint, window), (checkpoint, window));
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
}

#[test]
fn octets_may_come_one_at_a_time() {
    for mode in modes() {
        let mut pair = Pair::new();
        pair.piece = 1;
        pair.ask(A, Request::Open(Box::new(open_in(&mode, 1, 3))));
        pair.next(B);
        pair.ask(B, accept(1, 3));
        pair.next(A);
        let apdu = octets(5000);
        assert_eq!(pair.transfer(A, &apdu), apdu);
        pair.ask(B, Request::TransferResponse);
        assert_eq!(pair.next(A), Some(Indication::TransferConfirm(Ok(()))));
        pair.close();
    }
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
    for mode in modes() {
        for (reason, transient) in [
            (Refusal::ReceivingAbilityJeopardized, true),
            (Refusal::LocalError, true),
            (Refusal::Unrecoverable, false),
        ] {
            let mut pair = Pair::opened_in(&mode, (1, 3), (1, 3));
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
    for mode in modes() {
        let mut pair = Pair::new();
        let alternate = Open {
            dialogue: Dialogue::TwoWayAlternate,
            ..open_in(&mode, 4, 3)
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
        let given = pair.ends[A].request(Request::TurnGive, pair.now).unwrap();
        let please = Request::TurnPlease { priority: 0 };
        let refused = pair.ends[A].request(please, pair.now).unwrap_err();
        assert!(refused.to_string().contains("on its way"), "{refused}");
        pair.take(A, given);
        pair.flow();
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
}

#[test]
fn x218_8_1_the_responder_may_have_the_turn_first() {
    for mode in modes() {
        let mut pair = Pair::new();
        pair.ask(
            A,
            Request::Open(Box::new(Open {
                initiator_has_turn: false,
                ..open_in(&mode, 4, 3)
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
}
