//! Transfers that break off: interrupted, discarded, resumed (X.228 clauses 7.7 and 7.8).

use super::*;

/// An APDU of five segments and a bit, at a checkpoint size of 1.
fn long() -> Vec<u8> {
    octets(5 * 1024 + 7)
}

/// What became of the transfer of A.
fn confirm(pair: &mut Pair) -> Result<(), NotTransferred> {
    let confirm = std::iter::from_fn(|| pair.next(A)).find_map(|told| match told {
        Indication::TransferConfirm(outcome) => Some(outcome),
        _ => None,
    });
    confirm.expect("RT-TRANSFER confirm")
}

/// Sends all of an APDU from A but what `from` says is confirmed; B secures points up to one. Gives
/// what B was told of its octets.
fn send(pair: &mut Pair, apdu: &[u8], from: Option<Box<Resumption>>, secure: u32) -> Vec<u8> {
    let at = from.as_ref().map_or(0, |from| from.octets);
    let rest = apdu[usize::try_from(at).unwrap()..].to_vec();
    pair.ask(A, from.map_or(Request::Transfer, Request::Resume));
    assert!(matches!(pair.next(A), Some(Indication::Pull { .. })));
    let octets = Bytes::from(rest);
    pair.ask(A, Request::Octets { octets, last: true });
    let (mut arrived, mut kept) = (Vec::new(), VecDeque::new());
    while let Some(told) = pair.next(B) {
        match told {
            Indication::Octets(octets) => arrived.extend_from_slice(&octets),
            Indication::Checkpoint { point } if point <= secure => {
                pair.ask(B, Request::Secured { point });
            }
            told => kept.push_back(told),
        }
    }
    pair.told[B] = kept;
    arrived
}

/// Loses the connection at both ends, and opens another association.
fn lose(pair: &mut Pair, mode: &Mode) {
    for end in [A, B] {
        let out = pair.ends[end].network(Network::Closed, pair.now);
        pair.take(end, out);
    }
    let lost = std::mem::replace(pair, Pair::new());
    pair.told = lost.told;
    let mut open = open_in(mode, 1, 3);
    open.identifier.common_reference = Bytes::from_static(b"\x17\x0d261122045629Z");
    pair.ask(A, Request::Open(Box::new(open)));
    pair.told[B].retain(|told| !matches!(told, Indication::Open(_)));
    pair.ask(B, accept(1, 3));
}

fn count(told: &VecDeque<Indication>, what: fn(&Indication) -> bool) -> usize {
    told.iter().filter(|told| what(told)).count()
}

#[test]
fn x228_7_8_1_a_transfer_goes_on_after_the_last_point_confirmed() {
    for mode in modes() {
        for secured in 1..=5 {
            let mut pair = Pair::opened_in(&mode, (1, 3), (1, 3));
            let apdu = long();
            send(&mut pair, &apdu, None, secured);
            let Some(Indication::TransferBegin { activity }) = pair.next(B) else {
                panic!()
            };
            lose(&mut pair, &mode);
            let interrupted =
                |told: &Indication| matches!(told, Indication::TransferInterrupted { .. });
            assert_eq!(count(&pair.told[B], interrupted), 1);
            pair.told[B].clear();
            let not = confirm(&mut pair).unwrap_err();
            assert_eq!(not.in_doubt, secured > 2, "whether all was sent: {not:?}");
            let expected = Box::new(Resumption {
                activity: activity.clone(),
                point: secured,
                octets: u64::from(secured) * 1024,
                ended: not.in_doubt,
            });
            assert_eq!(not.resumption, Some(expected.clone()));
            pair.told[A].clear();
            let rest = send(&mut pair, &apdu, Some(expected), 9);
            assert_eq!(rest, &apdu[usize::try_from(secured).unwrap() * 1024..]);
            let Some(Indication::TransferResume {
                old,
                activity: new,
                point,
            }) = pair.next(B)
            else {
                panic!()
            };
            assert_eq!((&*old, point), (&activity, secured));
            assert_ne!(old.connection, new.connection);
            assert_eq!(pair.next(B), Some(Indication::Transfer));
            pair.ask(B, Request::TransferResponse);
            assert_eq!(confirm(&mut pair), Ok(()));
            pair.close();
        }
    }
}

#[test]
fn x228_7_8_1_what_was_completed_is_confirmed_by_a_sequence_error() {
    for mode in modes() {
        for refusal in [Refusal::Completed, Refusal::Unknown, Refusal::LocalError] {
            let mut pair = Pair::opened_in(&mode, (1, 3), (1, 3));
            send(&mut pair, &long(), None, 9);
            lose(&mut pair, &mode);
            let resumption = confirm(&mut pair).unwrap_err().resumption.unwrap();
            assert_eq!((resumption.point, resumption.ended), (5, true));
            pair.told = Default::default();
            send(&mut pair, &long(), Some(resumption), 0);
            pair.ask(B, Request::TransferRefuse(refusal));
            match confirm(&mut pair) {
                Ok(()) => assert_eq!(refusal, Refusal::Completed),
                Err(not) => {
                    assert_ne!(refusal, Refusal::Completed);
                    assert!(not.not_resumed && not.transient && not.in_doubt, "{not:?}");
                    assert_eq!(not.resumption, None);
                }
            }
            // The association is as good as before.
            pair.told[B].clear();
            assert_eq!(pair.transfer(A, &long()), long());
            pair.ask(B, Request::TransferResponse);
            assert_eq!(confirm(&mut pair), Ok(()));
            pair.close();
        }
    }
}

#[test]
fn x228_7_8_1_a_sequence_error_confirms_nothing_that_was_not_ended() {
    let mode = Mode::Normal(contexts());
    let mut pair = Pair::opened_in(&mode, (1, 3), (1, 3));
    send(&mut pair, &long(), None, 1);
    lose(&mut pair, &mode);
    let resumption = confirm(&mut pair).unwrap_err().resumption.unwrap();
    pair.told = Default::default();
    send(&mut pair, &long(), Some(resumption), 0);
    pair.ask(B, Request::TransferRefuse(Refusal::Completed));
    let not = confirm(&mut pair).unwrap_err();
    assert!(not.not_resumed && !not.in_doubt, "{not:?}");
}

#[test]
fn x228_7_7_1_an_interrupted_transfer_goes_on_on_the_same_association() {
    for mode in modes() {
        let mut pair = Pair::opened_in(&mode, (1, 3), (1, 3));
        let apdu = long();
        // Without a point confirmed there is nothing to go on from.
        send(&mut pair, &apdu, None, 0);
        pair.ask(A, Request::TransferInterrupt);
        assert_eq!(confirm(&mut pair).unwrap_err().resumption, None);
        let discarded = |told: &Indication| matches!(told, Indication::TransferDiscarded { .. });
        assert_eq!(count(&pair.told[B], discarded), 1);
        pair.told[B].clear();
        send(&mut pair, &apdu, None, 2);
        let Some(Indication::TransferBegin { activity }) = pair.next(B) else {
            panic!()
        };
        pair.ask(A, Request::TransferInterrupt);
        let resumption = confirm(&mut pair).unwrap_err().resumption.unwrap();
        pair.told[B].clear();
        let rest = send(&mut pair, &apdu, Some(resumption), 9);
        assert_eq!(rest, &apdu[2048..]);
        let resumed = pair.next(B);
        assert!(
            matches!(&resumed, Some(Indication::TransferResume { old, point: 2, .. }) if **old == activity),
            "{resumed:?}"
        );
        pair.ask(B, Request::TransferResponse);
        assert_eq!(confirm(&mut pair), Ok(()));
    }
}

#[test]
fn x228_7_7_2_what_is_given_up_when_it_was_complete_counts_as_transferred() {
    let mode = Mode::Normal(contexts());
    for (give_up, refused) in [
        (Request::TransferStop, false),
        (Request::TransferStop, true),
        (Request::TransferInterrupt, false),
        (Request::TransferInterrupt, true),
    ] {
        let discard = give_up == Request::TransferStop;
        let mut pair = Pair::opened_in(&mode, (1, 3), (1, 3));
        send(&mut pair, &long(), None, 9);
        pair.told = Default::default();
        pair.ask(A, give_up);
        assert_eq!(
            pair.told,
            [VecDeque::new(), VecDeque::new()],
            "it waits for B"
        );
        let answer = match refused {
            true => Request::TransferRefuse(Refusal::LocalError),
            false => Request::TransferResponse,
        };
        pair.ask(B, answer);
        let outcome = confirm(&mut pair);
        match (discard, refused) {
            // RTAB transfer-completed.
            (true, false) => assert_eq!(outcome, Ok(())),
            (true, true) => assert_eq!(outcome.unwrap_err().resumption, None),
            (false, _) => assert!(outcome.unwrap_err().resumption.unwrap().ended),
        }
    }
}

#[test]
fn x225_8_3_20_what_a_resumed_activity_was_called_is_said_only_of_another_connection() {
    let activity = Activity {
        connection: open(1, 3).identifier,
        identifier: Bytes::from_static(b"\x02\x01\x07"),
    };
    let mut pair = Pair::opened((1, 3), (1, 3));
    for common in [&b"\x17\x0d261122045628Z"[..], b"\x17\x0d251122045628Z"] {
        let mut activity = activity.clone();
        activity.connection.common_reference = Bytes::copy_from_slice(common);
        let resumption = Box::new(Resumption {
            activity: activity.clone(),
            point: 4,
            octets: 4096,
            ended: false,
        });
        send(&mut pair, &long(), Some(resumption), 0);
        let told = pair.next(B);
        assert!(
            matches!(&told, Some(Indication::TransferResume { old, point: 4, .. }) if **old == activity),
            "{told:?}"
        );
        pair.ask(B, Request::TransferRefuse(Refusal::Unknown));
        pair.told = Default::default();
    }
    let nowhere = Box::new(Resumption {
        activity,
        point: 0,
        octets: 0,
        ended: false,
    });
    assert!(
        pair.ends[A]
            .request(Request::Resume(nowhere), pair.now)
            .is_err()
    );
}
