//! How connections begin and end (X.225 sections 6.2 and 7.1 to 7.10).

use super::*;

#[test]
fn s7_1_connect_tells_the_responder_what_was_asked_and_accept_settles_it() {
    let mut pair = Pair::new(Config::default(), Config::default());
    pair.a(Request::Connect(Box::new(connect())));
    let (_, b) = pair.told();
    assert_eq!(
        b,
        [Indication::Connect {
            connect: Box::new(connect()),
            version: Versions::V2
        }]
    );
    pair.b(Request::Accept(Box::new(accept())));
    let (a, _) = pair.told();
    assert_eq!(
        a,
        [Indication::Accepted {
            accept: Box::new(accept()),
            version: Versions::V2
        }]
    );
    assert_eq!(pair.a.session.tokens(), FunctionalUnits::RTSE.tokens());
    assert_eq!(pair.b.session.tokens(), Tokens::NONE);
    assert_eq!(
        (pair.a.session.state(), pair.b.session.state()),
        (State::DataTransfer, State::DataTransfer)
    );
    assert_eq!(
        (pair.a.session.deadline(), pair.b.session.deadline()),
        (None, None)
    );
}

#[test]
fn s8_3_1_versions_settle_on_the_highest_both_have() {
    let only = |versions| Config {
        versions,
        ..Config::default()
    };
    for (a, b, settled) in [
        (Versions::BOTH, Versions::V1, Versions::V1),
        (Versions::V1, Versions::BOTH, Versions::V1),
        (Versions::V2, Versions::BOTH, Versions::V2),
    ] {
        let pair = Pair::connected(only(a), only(b));
        assert_eq!(
            (pair.a.session.version(), pair.b.session.version()),
            (settled, settled)
        );
    }
    let mut pair = Pair::new(only(Versions::V1), only(Versions::V2));
    pair.a(Request::Connect(Box::new(connect())));
    let (a, b) = pair.told();
    assert!(
        matches!(
            &a[..],
            [Indication::Refused(Refuse {
                reason: RefuseReason::VersionNotSupported,
                ..
            })]
        ),
        "{a:?}"
    );
    assert_eq!(
        b,
        [Indication::ProviderAbort(ProviderAbort::Refused(
            RefuseReason::VersionNotSupported
        ))]
    );
    assert!(pair.a.closed);
}

#[test]
fn s7_5_refuse_tells_the_reason_and_ends_the_transport_connection() {
    let mut pair = Pair::new(Config::default(), Config::default());
    pair.a(Request::Connect(Box::new(connect())));
    pair.settle();
    let refuse = Refuse {
        identifier: connect().identifier,
        reason: RefuseReason::User(octets("CPR")),
    };
    pair.b(Request::Refuse(refuse.clone()));
    let (a, _) = pair.told();
    assert_eq!(a, [Indication::Refused(refuse)]);
    assert!(pair.a.closed);
    assert_eq!(pair.b.session.state(), State::Closed);
}

#[test]
fn s7_5_an_unknown_session_selector_is_refused() {
    let b = Config {
        selectors: vec![octets("SC")],
        ..Config::default()
    };
    let mut pair = Pair::new(Config::default(), b);
    pair.a(Request::Connect(Box::new(connect())));
    let (a, _) = pair.told();
    assert!(
        matches!(
            &a[..],
            [Indication::Refused(Refuse {
                reason: RefuseReason::SelectorUnknown,
                ..
            })]
        ),
        "{a:?}"
    );
}

#[test]
fn s7_1_functional_units_that_were_not_proposed_cannot_be_accepted() {
    let mut pair = Pair::new(Config::default(), Config::default());
    pair.a(Request::Connect(Box::new(Connect {
        functional_units: FunctionalUnits::HALF_DUPLEX,
        ..connect()
    })));
    pair.settle();
    let refused = pair
        .b
        .session
        .request(Request::Accept(Box::new(accept())), pair.now);
    assert_eq!(refused, Err(Misuse::FunctionalUnits(FunctionalUnits::RTSE)));
    pair.b(Request::Accept(Box::new(Accept {
        functional_units: FunctionalUnits::HALF_DUPLEX,
        ..accept()
    })));
    assert_eq!(
        pair.b.session.functional_units(),
        FunctionalUnits::HALF_DUPLEX
    );
}

#[test]
fn s8_3_1_tokens_begin_where_the_settings_say() {
    let all = FunctionalUnits::RTSE.tokens();
    for (asked, answered, at_responder) in [
        (
            TokenSetting::INITIATOR,
            TokenSetting::RESPONDER,
            Tokens::NONE,
        ),
        (TokenSetting::RESPONDER, TokenSetting::INITIATOR, all),
        (TokenSetting::ACCEPTOR_CHOOSES, TokenSetting::RESPONDER, all),
        (
            TokenSetting::ACCEPTOR_CHOOSES,
            TokenSetting::INITIATOR,
            Tokens::NONE,
        ),
        (TokenSetting(0x02), TokenSetting(0x01), Tokens::DATA),
    ] {
        let mut pair = Pair::new(Config::default(), Config::default());
        pair.a(Request::Connect(Box::new(Connect {
            token_setting: asked,
            ..connect()
        })));
        pair.settle();
        pair.b(Request::Accept(Box::new(Accept {
            token_setting: answered,
            ..accept()
        })));
        pair.settle();
        assert_eq!(
            pair.b.session.tokens(),
            at_responder,
            "{asked:?} {answered:?}"
        );
        assert_eq!(pair.a.session.tokens(), all.without(at_responder));
    }
}

#[test]
fn s7_6_release_ends_both_sides() {
    let mut pair = Pair::connected(Config::default(), Config::default());
    pair.a(activity_start());
    let now = pair.now;
    let refused = pair.a.session.request(Request::Release(Bytes::new()), now);
    assert!(
        matches!(refused, Err(Misuse::Condition { .. })),
        "an activity is in progress: {refused:?}"
    );
    pair.a(Request::ActivityEnd(Bytes::new()));
    pair.settle();
    pair.b(Request::ActivityEndAck(Bytes::new()));
    pair.settle();
    pair.a(Request::Release(octets("RLRQ")));
    let (_, b) = pair.told();
    assert_eq!(b.last(), Some(&Indication::Release(octets("RLRQ"))));
    pair.b(Request::ReleaseAck(octets("RLRE")));
    let (a, b) = pair.told();
    assert_eq!(a.last(), Some(&Indication::Released(octets("RLRE"))));
    assert_eq!(
        b,
        [],
        "the end of the transport connection is no news after a release"
    );
    assert!(pair.a.closed);
    assert_eq!(
        (pair.a.session.state(), pair.b.session.state()),
        (State::Closed, State::Closed)
    );
}

#[test]
fn s6_2_a_kept_transport_connection_serves_the_next_session() {
    let keep = Config {
        keep_transport: true,
        ..Config::default()
    };
    let mut pair = Pair::connected(keep, Config::default());
    pair.a(Request::Release(Bytes::new()));
    pair.settle();
    pair.b(Request::ReleaseAck(Bytes::new()));
    pair.told();
    assert!(!pair.a.closed && !pair.b.closed);
    pair.a(Request::Connect(Box::new(connect())));
    let (_, b) = pair.told();
    assert_eq!(
        b,
        [Indication::Connect {
            connect: Box::new(connect()),
            version: Versions::V2
        }]
    );
    pair.b(Request::Accept(Box::new(accept())));
    let (a, _) = pair.told();
    assert!(matches!(&a[..], [Indication::Accepted { .. }]), "{a:?}");
    // Kept, but not for ever.
    pair.a(Request::Release(Bytes::new()));
    pair.settle();
    pair.b(Request::ReleaseAck(Bytes::new()));
    pair.told();
    pair.later(Config::default().connect_timeout);
    let (_, b) = pair.told();
    assert_eq!(
        b,
        [Indication::ProviderAbort(ProviderAbort::Timeout(
            Config::default().connect_timeout
        ))]
    );
    assert!(pair.b.closed);
}

#[test]
fn s7_6_releases_that_collide_both_end() {
    let duplex = Connect {
        functional_units: FunctionalUnits::DUPLEX,
        ..connect()
    };
    let mut pair = Pair::new(Config::default(), Config::default());
    pair.a(Request::Connect(Box::new(duplex)));
    pair.settle();
    pair.b(Request::Accept(Box::new(Accept {
        functional_units: FunctionalUnits::DUPLEX,
        ..accept()
    })));
    pair.told();
    pair.a(Request::Release(octets("a")));
    pair.b(Request::Release(octets("b")));
    let (a, b) = pair.told();
    assert_eq!(
        (a, b),
        (
            vec![Indication::Release(octets("b"))],
            vec![Indication::Release(octets("a"))]
        )
    );
    pair.a(Request::ReleaseAck(octets("to b")));
    let (_, b) = pair.told();
    assert_eq!(b, [Indication::Released(octets("to b"))]);
    pair.b(Request::ReleaseAck(octets("to a")));
    let (a, _) = pair.told();
    assert_eq!(a, [Indication::Released(octets("to a"))]);
    assert_eq!(
        (pair.a.session.state(), pair.b.session.state()),
        (State::Closed, State::Closed)
    );
}

#[test]
fn s7_9_a_users_abort_carries_its_data() {
    let mut pair = Pair::connected(Config::default(), Config::default());
    pair.a(activity_start());
    pair.a(Request::Abort(octets("ABRT, more than nine octets")));
    let (a, b) = pair.told();
    assert_eq!(a, []);
    assert_eq!(
        b.last(),
        Some(&Indication::Abort(octets("ABRT, more than nine octets")))
    );
    assert!(pair.b.closed);
    assert_eq!(pair.a.session.state(), State::Closed);
    // A closed machine takes requests as void.
    assert_eq!(
        pair.a
            .session
            .request(Request::Data(octets("late")), pair.now),
        Ok(vec![])
    );
}

#[test]
fn s7_9_in_version_1_an_abort_leaves_long_data_out() {
    let v1 = Config {
        versions: Versions::V1,
        ..Config::default()
    };
    let mut pair = Pair::connected(v1.clone(), v1);
    let long = Request::ActivityStart {
        identifier: octets("1"),
        user_data: Bytes::from(vec![0; 513]),
    };
    let now = pair.now;
    assert!(matches!(
        pair.a.session.request(long, now),
        Err(Misuse::TooLong { limit: 512, .. })
    ));
    pair.a(Request::Abort(octets("ten octets")));
    let (_, b) = pair.told();
    assert_eq!(b, [Indication::Abort(Bytes::new())]);
}

#[test]
fn s7_9_after_an_abort_a_silent_peer_is_not_waited_for_long() {
    let mut pair = Pair::connected(Config::default(), Config::default());
    pair.a(Request::Abort(Bytes::new()));
    pair.a.wire.clear();
    assert!(!pair.a.closed);
    pair.later(Config::default().abort_timeout);
    assert!(pair.a.closed);
    assert_eq!(pair.a.told, []);
}

#[test]
fn a_call_that_nobody_answers_times_out_at_both_ends() {
    let timeout = Config::default().connect_timeout;
    let mut pair = Pair::new(Config::default(), Config::default());
    pair.a(Request::Connect(Box::new(connect())));
    pair.settle();
    pair.b.told.clear();
    pair.later(timeout);
    let (a, b) = pair.told();
    assert_eq!(
        a,
        [Indication::ProviderAbort(ProviderAbort::Timeout(timeout))]
    );
    assert_eq!(
        b,
        [Indication::ProviderAbort(ProviderAbort::Timeout(timeout))]
    );
}

#[test]
fn a_lost_link_is_told_once() {
    let mut pair = Pair::connected(Config::default(), Config::default());
    let out = pair.a.transport.network(Network::Closed, pair.now);
    pair.a.up(out, pair.now);
    assert_eq!(
        pair.a.told,
        [Indication::ProviderAbort(ProviderAbort::Transport(
            transport::Disconnect::Closed
        ))]
    );
    let out = pair.a.transport.network(Network::Closed, pair.now);
    pair.a.up(out, pair.now);
    assert_eq!(pair.a.told.len(), 1);
}
