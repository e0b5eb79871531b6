//! Two session machines over two transport machines, in memory, with a clock of their own.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::super::spdu::{
    ConnectionIdentifier, ExceptionReason, FunctionalUnits, LinkingInformation, RefuseReason,
    Serial, Spdu, TokenSetting, Tokens, TransportDisconnect, Versions, encode,
};
use super::super::transport::{self, Network, Transport};
use super::table::{State, TABLE};
use super::{
    Accept, ActivityResume, Address, Config, Connect, Indication, Misuse, Outgoing, ProviderAbort,
    Refuse, Request, Session,
};

struct End {
    session: Session,
    transport: Transport,
    told: Vec<Indication>,
    /// Octets on their way to the other end.
    wire: Vec<Bytes>,
    /// TSDUs sent, to look at.
    sent: Vec<Bytes>,
    closed: bool,
}

impl End {
    fn new(session: Config, transport: transport::Config, now: Instant) -> Self {
        let transport = Transport::new(transport, now);
        Self {
            session: Session::new(session),
            transport,
            told: vec![],
            wire: vec![],
            sent: vec![],
            closed: false,
        }
    }

    fn down(&mut self, outgoing: Vec<Outgoing>, now: Instant) {
        for event in outgoing {
            match event {
                Outgoing::Indication(indication) => self.told.push(indication),
                Outgoing::Transport(request) => {
                    if let transport::Request::Data(tsdu) = &request {
                        self.sent.push(tsdu.clone());
                    }
                    let out = self.transport.request(request, now);
                    self.up(out, now);
                }
            }
        }
    }

    fn up(&mut self, outgoing: Vec<transport::Outgoing>, now: Instant) {
        for event in outgoing {
            match event {
                transport::Outgoing::Octets(octets) => self.wire.push(octets),
                transport::Outgoing::Close => self.closed = true,
                transport::Outgoing::Indication(indication) => {
                    let out = self.session.indication(indication, now);
                    self.down(out, now);
                }
            }
        }
    }
}

struct Pair {
    now: Instant,
    a: End,
    b: End,
}

impl Pair {
    fn new(a: Config, b: Config) -> Self {
        let now = Instant::now();
        let transport = transport::Config::default();
        Self {
            now,
            a: End::new(a, transport.clone(), now),
            b: End::new(b, transport, now),
        }
    }

    /// Octets cross until nothing is on its way.
    fn settle(&mut self) {
        while !self.a.wire.is_empty() || !self.b.wire.is_empty() {
            for octets in std::mem::take(&mut self.a.wire) {
                let out = self.b.transport.network(Network::Octets(octets), self.now);
                self.b.up(out, self.now);
            }
            for octets in std::mem::take(&mut self.b.wire) {
                let out = self.a.transport.network(Network::Octets(octets), self.now);
                self.a.up(out, self.now);
            }
        }
        let (a_closed, b_closed) = (self.a.closed, self.b.closed);
        for (closed, other) in [(a_closed, &mut self.b), (b_closed, &mut self.a)] {
            if closed {
                let out = other.transport.network(Network::Closed, self.now);
                other.up(out, self.now);
            }
        }
    }

    fn a(&mut self, request: Request) {
        let out = self.a.session.request(request, self.now).unwrap();
        self.a.down(out, self.now);
    }

    fn b(&mut self, request: Request) {
        let out = self.b.session.request(request, self.now).unwrap();
        self.b.down(out, self.now);
    }

    /// Octets cross; then what each user was told.
    fn told(&mut self) -> (Vec<Indication>, Vec<Indication>) {
        self.settle();
        (
            std::mem::take(&mut self.a.told),
            std::mem::take(&mut self.b.told),
        )
    }

    fn later(&mut self, by: Duration) {
        self.now += by;
        for end in [&mut self.a, &mut self.b] {
            let out = end.transport.tick(self.now);
            end.up(out, self.now);
            let out = end.session.tick(self.now);
            end.down(out, self.now);
        }
    }

    /// A connection with the units of RTSE, every token at the initiator.
    fn connected(a: Config, b: Config) -> Self {
        let mut pair = Self::new(a, b);
        pair.a(Request::Connect(Box::new(connect())));
        let (_, b) = pair.told();
        assert!(matches!(&b[..], [Indication::Connect { .. }]), "{b:?}");
        pair.b(Request::Accept(Box::new(accept())));
        let (a, _) = pair.told();
        assert!(matches!(&a[..], [Indication::Accepted { .. }]), "{a:?}");
        pair.a.sent.clear();
        pair.b.sent.clear();
        pair
    }
}

fn octets(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

fn serial(number: u32) -> Serial {
    Serial::new(number).unwrap()
}

fn connect() -> Connect {
    Connect {
        identifier: Some(ConnectionIdentifier {
            ss_user_reference: octets("\u{14}\u{2}vm"),
            common_reference: octets("\u{17}\u{d}261122045628Z"),
            additional_reference: Bytes::new(),
        }),
        calling: Address {
            transport_selector: octets("TA"),
            selector: octets("SA"),
        },
        called: Address {
            transport_selector: octets("x400in88"),
            selector: octets("SB"),
        },
        functional_units: FunctionalUnits::RTSE,
        initial_serial: None,
        token_setting: TokenSetting::INITIATOR,
        user_data: octets("CP"),
    }
}

fn accept() -> Accept {
    Accept {
        identifier: connect().identifier,
        responding: Bytes::new(),
        functional_units: FunctionalUnits::RTSE,
        initial_serial: None,
        token_setting: TokenSetting::INITIATOR,
        tokens_wanted: Tokens::NONE,
        user_data: octets("CPA"),
    }
}

fn activity_start() -> Request {
    Request::ActivityStart {
        identifier: octets("\u{2}\u{1}\u{1}"),
        user_data: Bytes::new(),
    }
}

fn minor_sync() -> Request {
    Request::MinorSync {
        explicit: true,
        user_data: Bytes::new(),
    }
}

fn minor_sync_ack(number: u32) -> Request {
    Request::MinorSyncAck {
        serial: serial(number),
        user_data: Bytes::new(),
    }
}

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
    let outside = pair
        .a
        .session
        .request(Request::Data(octets("no activity")), now);
    assert!(
        matches!(outside, Err(Misuse::Condition { .. })),
        "{outside:?}"
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
    let now = pair.now;
    let refused = pair
        .a
        .session
        .request(Request::TokenGive(Tokens::MINOR), now);
    assert!(
        matches!(refused, Err(Misuse::Condition { .. })),
        "{refused:?}"
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
fn s7_33_a_discard_that_crosses_the_end_confirmation_is_answered() {
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
    let (a, b) = pair.told();
    assert_eq!(a, [Indication::ActivityDiscardAck(Bytes::new())]);
    assert_eq!(b, []);
    pair.a(activity_start());
    let (_, b) = pair.told();
    assert_eq!(b.len(), 1);
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
