//! Data, tokens, synchronization points, exceptions and activities (X.225 sections 7.11 to 7.37).

use super::*;

#[test]
fn s7_20_a_transfer_with_checkpoints_is_numbered_and_confirmed() {
    let mut pair = Pair::connected(Config::default(), Config::default());
    pair.a(activity_start());
    assert_eq!(pair.a.session.next_serial(), Some(Serial::ONE));
    for number in 1..=3 {
        pair.a(Request::Data(octets("segment")));
        assert_eq!(pair.a.session.next_serial(), Some(serial(number)));
        pair.a(minor_sync());
    }
    pair.a(Request::Data(octets("last")));
    pair.a(Request::ActivityEnd(Bytes::new()));
    let (_, b) = pair.told();
    assert_eq!(b.len(), 9);
    assert_eq!(
        b[6],
        Indication::MinorSync {
            serial: serial(3),
            explicit: true,
            user_data: Bytes::new()
        }
    );
    assert_eq!(
        b[8],
        Indication::ActivityEnd {
            serial: serial(4),
            user_data: Bytes::new()
        }
    );
    // Confirmed late, and out of step: 2 stands for 1 as well.
    pair.b(minor_sync_ack(2));
    let now = pair.now;
    assert_eq!(
        pair.b.session.request(minor_sync_ack(2), now),
        Err(Misuse::Serial)
    );
    assert_eq!(
        pair.b.session.request(minor_sync_ack(4), now),
        Err(Misuse::Serial),
        "4 is the major point"
    );
    pair.b(minor_sync_ack(3));
    pair.b(Request::ActivityEndAck(Bytes::new()));
    let (a, _) = pair.told();
    let confirmed = |number| Indication::MinorSyncAck {
        serial: serial(number),
        user_data: Bytes::new(),
    };
    assert_eq!(
        a,
        [
            confirmed(2),
            confirmed(3),
            Indication::ActivityEndAck {
                serial: serial(4),
                user_data: Bytes::new()
            }
        ]
    );
    assert!(!pair.a.session.in_activity() && !pair.b.session.in_activity());
}

#[test]
fn s7_16_what_needs_a_token_needs_it_here() {
    let mut pair = Pair::connected(Config::default(), Config::default());
    let now = pair.now;
    for request in [
        activity_start(),
        Request::Release(Bytes::new()),
        Request::ControlGive,
    ] {
        let refused = pair.b.session.request(request.clone(), now);
        assert!(
            matches!(refused, Err(Misuse::Condition { .. })),
            "{request:?} {refused:?}"
        );
    }
    let refused = pair.b.session.request(Request::Data(octets("data")), now);
    assert!(
        matches!(refused, Err(Misuse::Condition { .. })),
        "{refused:?}"
    );
    pair.b(Request::TokenPlease {
        tokens: Tokens::DATA,
        user_data: octets("priority"),
    });
    let (a, _) = pair.told();
    assert_eq!(
        a,
        [Indication::TokenPlease {
            tokens: Tokens::DATA,
            user_data: octets("priority")
        }]
    );
    pair.a(Request::TokenGive(Tokens::DATA));
    let (_, b) = pair.told();
    assert_eq!(b, [Indication::TokenGive(Tokens::DATA)]);
    assert_eq!(pair.b.session.tokens(), Tokens::DATA);
    let refused = pair
        .a
        .session
        .request(Request::TokenGive(Tokens::DATA), now);
    assert!(
        matches!(refused, Err(Misuse::Condition { .. })),
        "{refused:?}"
    );
}

#[test]
fn s7_18_control_goes_over_with_every_token() {
    let mut pair = Pair::connected(Config::default(), Config::default());
    pair.a(Request::ControlGive);
    assert_eq!(pair.a.session.state(), State::AwaitGiveTokensAck);
    let (_, b) = pair.told();
    assert_eq!(b, [Indication::ControlGive]);
    assert_eq!(
        (pair.a.session.tokens(), pair.b.session.tokens()),
        (Tokens::NONE, FunctionalUnits::RTSE.tokens())
    );
    pair.b(activity_start());
    pair.b(Request::Data(octets("the other way")));
    let (a, _) = pair.told();
    assert_eq!(a.len(), 2);
}

#[test]
fn s7_28_an_exception_is_recovered_from_by_discard() {
    let mut pair = Pair::connected(Config::default(), Config::default());
    pair.a(activity_start());
    pair.a(Request::Data(octets("1")));
    pair.a(minor_sync());
    pair.settle();
    // The sender goes on while the exception is on its way.
    let exception = Request::UserException {
        reason: ExceptionReason::LOCAL_USER_ERROR,
        user_data: Bytes::new(),
    };
    pair.b(exception);
    pair.b.told.clear();
    pair.a(Request::Data(octets("2")));
    pair.a(minor_sync());
    let (a, b) = pair.told();
    assert_eq!(
        a,
        [Indication::UserException {
            reason: ExceptionReason::LOCAL_USER_ERROR,
            user_data: Bytes::new()
        }]
    );
    assert_eq!(b, [], "what came after is void");
    let now = pair.now;
    assert!(matches!(
        pair.a.session.request(Request::Data(octets("3")), now),
        Err(Misuse::State { .. })
    ));
    let discard = Request::ActivityDiscard {
        reason: Some(ExceptionReason::LOCAL_USER_ERROR),
        user_data: Bytes::new(),
    };
    pair.a(discard);
    let (_, b) = pair.told();
    assert!(
        matches!(&b[..], [Indication::ActivityDiscard { .. }]),
        "{b:?}"
    );
    pair.b(Request::ActivityDiscardAck(Bytes::new()));
    let (a, _) = pair.told();
    assert_eq!(a, [Indication::ActivityDiscardAck(Bytes::new())]);
    assert_eq!(pair.a.session.tokens(), FunctionalUnits::RTSE.tokens());
    pair.a(activity_start());
    assert_eq!(pair.a.session.next_serial(), Some(Serial::ONE));
}

#[test]
fn s7_28_an_exception_is_recovered_from_by_giving_the_data_token() {
    let mut pair = Pair::connected(Config::default(), Config::default());
    pair.a(activity_start());
    pair.settle();
    pair.b(Request::UserException {
        reason: ExceptionReason::DEMAND_DATA_TOKEN,
        user_data: Bytes::new(),
    });
    pair.settle();
    pair.a(Request::TokenGive(Tokens::MINOR));
    pair.settle();
    assert_eq!(
        (pair.a.session.state(), pair.b.session.state()),
        (State::AwaitRecoveryRequest, State::AwaitRecovery)
    );
    pair.a(Request::TokenGive(Tokens::DATA));
    pair.settle();
    pair.b(Request::Data(octets("mine now")));
    let (a, _) = pair.told();
    assert_eq!(a.last(), Some(&Indication::Data(octets("mine now"))));
}

#[test]
fn s7_31_interrupt_and_resume_go_on_after_the_last_confirmed_point() {
    let mut pair = Pair::connected(Config::default(), Config::default());
    pair.a(activity_start());
    for _ in 0..3 {
        pair.a(Request::Data(octets("segment")));
        pair.a(minor_sync());
    }
    pair.settle();
    pair.b(minor_sync_ack(2));
    pair.a(Request::ActivityInterrupt {
        reason: None,
        user_data: Bytes::new(),
    });
    let (a, b) = pair.told();
    assert!(
        a.is_empty(),
        "the confirmation crossed the interrupt: {a:?}"
    );
    assert!(
        matches!(
            b.last(),
            Some(Indication::ActivityInterrupt { reason: None, .. })
        ),
        "{b:?}"
    );
    pair.b(Request::ActivityInterruptAck(Bytes::new()));
    pair.settle();
    let resume = ActivityResume {
        identifier: octets("\u{2}\u{1}\u{2}"),
        old: LinkingInformation {
            activity_identifier: octets("\u{2}\u{1}\u{1}"),
            ..LinkingInformation::default()
        },
        serial: serial(2),
        user_data: Bytes::new(),
    };
    pair.a(Request::ActivityResume(Box::new(resume.clone())));
    assert_eq!(pair.a.session.next_serial(), Some(serial(3)));
    let (_, b) = pair.told();
    assert_eq!(b, [Indication::ActivityResume(Box::new(resume))]);
    pair.a(Request::Data(octets("segment 3")));
    pair.a(minor_sync());
    let (_, b) = pair.told();
    assert_eq!(
        b[1],
        Indication::MinorSync {
            serial: serial(3),
            explicit: true,
            user_data: Bytes::new()
        }
    );
}

#[test]
fn s7_33_a_discard_may_cross_the_end_confirmation() {
    let mut pair = Pair::connected(Config::default(), Config::default());
    pair.a(activity_start());
    pair.a(Request::ActivityEnd(Bytes::new()));
    pair.settle();
    pair.b(Request::ActivityEndAck(Bytes::new()));
    pair.b.told.clear();
    pair.a(Request::ActivityDiscard {
        reason: None,
        user_data: Bytes::new(),
    });
    let (_, b) = pair.told();
    assert!(
        matches!(&b[..], [Indication::ActivityDiscard { .. }]),
        "{b:?}"
    );
    pair.b(Request::ActivityDiscardAck(Bytes::new()));
    let (a, _) = pair.told();
    assert_eq!(a, [Indication::ActivityDiscardAck(Bytes::new())]);
    pair.a(activity_start());
    let (_, b) = pair.told();
    assert_eq!(b.len(), 1);
}

#[test]
fn s7_37_ssdus_are_segmented_when_a_tsdu_maximum_is_agreed() {
    let limited = Config {
        tsdu_maximum: Some((2041, 100)),
        ..Config::default()
    };
    let mut pair = Pair::connected(
        limited.clone(),
        Config {
            tsdu_maximum: Some((0, 50)),
            ..limited
        },
    );
    pair.a(activity_start());
    let data = Bytes::from(
        (0..10_000_u32)
            .map(|n| u8::try_from(n % 251).unwrap())
            .collect::<Vec<_>>(),
    );
    pair.a(Request::Data(data.clone()));
    assert_eq!(pair.a.sent.len(), 1 + 10_000_usize.div_ceil(2041 - 7));
    assert!(pair.a.sent.iter().all(|tsdu| tsdu.len() <= 2041));
    let (_, b) = pair.told();
    assert_eq!(b[1], Indication::Data(data));
    pair.a(Request::TokenGive(Tokens::DATA));
    pair.settle();
    pair.b(Request::Data(Bytes::from(vec![7; 43])));
    pair.b(Request::Data(Bytes::from(vec![7; 44])));
    assert_eq!(
        pair.b.sent.iter().map(Bytes::len).collect::<Vec<_>>(),
        [50, 50, 8]
    );
}

#[test]
fn s7_37_a_responder_that_does_not_segment_says_so() {
    let limited = Config {
        tsdu_maximum: Some((2041, 2041)),
        ..Config::default()
    };
    let mut pair = Pair::connected(limited, Config::default());
    pair.a(activity_start());
    pair.a(Request::Data(Bytes::from(vec![0; 5000])));
    assert_eq!(pair.a.sent.len(), 2);
}
