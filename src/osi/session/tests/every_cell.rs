//! Every cell of the state table: each event in each state, with the tokens here and there.

use super::super::super::spdu::{self, Tokens, decode};
use super::super::table::{Condition, Event, Row};
use super::*;

/// A machine in a state, the tokens all here or all at the peer.
struct Cell {
    session: Session,
    now: Instant,
    here: bool,
}

impl Cell {
    fn new() -> Self {
        Self {
            session: Session::new(Config::default()),
            now: Instant::now(),
            here: true,
        }
    }

    fn ask(mut self, request: Request) -> Self {
        self.session.request(request, self.now).unwrap();
        self
    }

    fn transport(mut self, indication: transport::Indication) -> Self {
        drop(self.session.indication(indication, self.now));
        self
    }

    fn comes(self, spdu: Spdu) -> Self {
        let Outgoing::Transport(transport::Request::Data(tsdu)) = Session::send(spdu) else {
            panic!()
        };
        self.transport(transport::Indication::Data(tsdu))
    }

    fn called() -> Self {
        let call = transport::Indication::Connect {
            called: Bytes::new(),
            calling: Bytes::new(),
        };
        Self {
            here: false,
            ..Self::new()
        }
        .transport(call)
    }

    fn calling() -> Self {
        let confirm = transport::Indication::Confirm {
            responding: Bytes::new(),
        };
        Self::new()
            .ask(Request::Connect(Box::new(connect())))
            .transport(confirm)
    }

    fn open(here: bool) -> Self {
        if here {
            Self::calling().comes(sample_spdu(Event::Accept, 1))
        } else {
            Self::called()
                .comes(sample_spdu(Event::Connect, 1))
                .ask(Request::Accept(Box::new(accept())))
        }
    }

    /// In an activity with two points to be confirmed.
    fn active(here: bool) -> Self {
        let open = Self::open(here);
        match here {
            true => open
                .ask(activity_start())
                .ask(minor_sync())
                .ask(minor_sync()),
            false => open
                .comes(sample_spdu(Event::ActivityStart, 1))
                .comes(sample_spdu(Event::MinorSyncPoint, 1))
                .comes(sample_spdu(Event::MinorSyncPoint, 2)),
        }
    }

    fn holds(&self, condition: Condition, sender_here: bool) -> bool {
        let units = self.session.functional_units();
        match condition {
            Condition::Unit(unit) => units.contains(unit),
            Condition::Holds(_) | Condition::HoldsAll => {
                units.tokens().is_empty() || self.here == sender_here
            }
            Condition::LacksData => !units.tokens().is_empty() && self.here != sender_here,
            Condition::InActivity | Condition::InActivityIfManaged => self.session.in_activity(),
            Condition::NotInActivity => !self.session.in_activity(),
        }
    }
}

/// A way into every state; data transfer with tokens here and there, in an activity and out of it.
fn cells() -> Vec<(State, Cell)> {
    let interrupt = Request::ActivityInterrupt {
        reason: None,
        user_data: Bytes::new(),
    };
    let discard = Request::ActivityDiscard {
        reason: None,
        user_data: Bytes::new(),
    };
    let exception = Request::UserException {
        reason: ExceptionReason::NON_SPECIFIC,
        user_data: Bytes::new(),
    };
    vec![
        (State::Idle, Cell::new()),
        (
            State::AwaitTransportConfirm,
            Cell::new().ask(Request::Connect(Box::new(connect()))),
        ),
        (State::IdleConnected, Cell::called()),
        (State::AwaitAccept, Cell::calling()),
        (
            State::AwaitConnectResponse,
            Cell::called().comes(sample_spdu(Event::Connect, 1)),
        ),
        (State::DataTransfer, Cell::open(true)),
        (State::DataTransfer, Cell::open(false)),
        (State::DataTransfer, Cell::active(true)),
        (State::DataTransfer, Cell::active(false)),
        (
            State::AwaitDisconnect,
            Cell::open(true).ask(Request::Release(Bytes::new())),
        ),
        (
            State::AwaitReleaseResponse,
            Cell::open(false).comes(sample_spdu(Event::Finish, 1)),
        ),
        (
            State::AwaitGiveTokensAck,
            Cell::open(true).ask(Request::ControlGive),
        ),
        (
            State::AwaitActivityEndAck,
            Cell::active(true).ask(Request::ActivityEnd(Bytes::new())),
        ),
        (
            State::AwaitActivityEndResponse,
            Cell::active(false).comes(sample_spdu(Event::ActivityEnd, 3)),
        ),
        (
            State::AwaitActivityInterruptAck,
            Cell::active(true).ask(interrupt),
        ),
        (
            State::AwaitActivityInterruptResponse,
            Cell::active(false).comes(sample_spdu(Event::ActivityInterrupt, 1)),
        ),
        (
            State::AwaitActivityDiscardAck,
            Cell::active(true).ask(discard),
        ),
        (
            State::AwaitActivityDiscardResponse,
            Cell::active(false).comes(sample_spdu(Event::ActivityDiscard, 1)),
        ),
        (
            State::AwaitRecoveryRequest,
            Cell::active(true).comes(sample_spdu(Event::ExceptionData, 1)),
        ),
        (State::AwaitRecovery, Cell::active(false).ask(exception)),
        (
            State::AwaitTransportDisconnect,
            Cell::open(true).ask(Request::Abort(Bytes::new())),
        ),
        (
            State::Closed,
            Cell::open(true).transport(transport::Indication::Disconnect(
                transport::Disconnect::Closed,
            )),
        ),
    ]
}

fn sample_spdu(event: Event, number: u32) -> Spdu {
    let none = Bytes::new;
    let serial = serial(number);
    let item = spdu::ConnectAcceptItem {
        versions: Some(Versions::V2),
        ..Default::default()
    };
    let functional_units = Some(FunctionalUnits::RTSE);
    match event {
        Event::Connect => Spdu::Connect(Box::new(spdu::Connect {
            item,
            functional_units,
            ..Default::default()
        })),
        Event::Accept => Spdu::Accept(Box::new(spdu::Accept {
            item,
            functional_units,
            ..Default::default()
        })),
        Event::Refuse => Spdu::Refuse(Box::new(spdu::Refuse {
            identifier: None,
            transport_disconnect: None,
            functional_units: None,
            versions: None,
            reason: RefuseReason::UserUnspecified,
        })),
        Event::Finish => Spdu::Finish {
            transport_disconnect: None,
            user_data: none(),
        },
        Event::Disconnect => Spdu::Disconnect(none()),
        Event::Abort => Spdu::Abort {
            transport_disconnect: TransportDisconnect(3),
            reflect: none(),
            user_data: none(),
        },
        Event::AbortAccept => Spdu::AbortAccept,
        Event::DataTransfer => Spdu::DataTransfer {
            enclosure: None,
            data: octets("data"),
        },
        Event::GiveTokens => Spdu::GiveTokens {
            tokens: Some(Tokens::DATA),
            user_data: none(),
        },
        Event::PleaseTokens => Spdu::PleaseTokens {
            tokens: Some(Tokens::DATA),
            user_data: none(),
        },
        Event::GiveTokensConfirm => Spdu::GiveTokensConfirm(none()),
        Event::GiveTokensAck => Spdu::GiveTokensAck(none()),
        Event::MinorSyncPoint => Spdu::MinorSyncPoint {
            explicit: true,
            serial,
            user_data: none(),
        },
        Event::MinorSyncAck => Spdu::MinorSyncAck {
            serial,
            user_data: none(),
        },
        Event::ExceptionData => Spdu::ExceptionData {
            reason: ExceptionReason::NON_SPECIFIC,
            user_data: none(),
        },
        Event::ExceptionReport => Spdu::ExceptionReport(none()),
        Event::ActivityStart => Spdu::ActivityStart {
            identifier: octets("1"),
            user_data: none(),
        },
        Event::ActivityResume => Spdu::ActivityResume(Box::new(spdu::ActivityResume {
            linking: LinkingInformation::default(),
            serial,
            identifier: octets("2"),
            user_data: none(),
        })),
        Event::ActivityInterrupt => Spdu::ActivityInterrupt {
            reason: None,
            user_data: none(),
        },
        Event::ActivityInterruptAck => Spdu::ActivityInterruptAck(none()),
        Event::ActivityDiscard => Spdu::ActivityDiscard {
            reason: None,
            user_data: none(),
        },
        Event::ActivityDiscardAck => Spdu::ActivityDiscardAck(none()),
        Event::ActivityEnd => Spdu::ActivityEnd {
            serial,
            user_data: none(),
        },
        Event::ActivityEndAck => Spdu::ActivityEndAck {
            serial,
            user_data: none(),
        },
    }
}

fn sample_request(event: Event) -> Option<Request> {
    let none = Bytes::new;
    Some(match event {
        Event::Connect => Request::Connect(Box::new(connect())),
        Event::Accept => Request::Accept(Box::new(accept())),
        Event::Refuse => Request::Refuse(Refuse {
            identifier: None,
            reason: RefuseReason::UserUnspecified,
        }),
        Event::Finish => Request::Release(none()),
        Event::Disconnect => Request::ReleaseAck(none()),
        Event::Abort => Request::Abort(none()),
        Event::DataTransfer => Request::Data(octets("data")),
        Event::GiveTokens => Request::TokenGive(Tokens::DATA),
        Event::PleaseTokens => Request::TokenPlease {
            tokens: Tokens::DATA,
            user_data: none(),
        },
        Event::GiveTokensConfirm => Request::ControlGive,
        Event::MinorSyncPoint => minor_sync(),
        Event::MinorSyncAck => minor_sync_ack(1),
        Event::ExceptionData => Request::UserException {
            reason: ExceptionReason::NON_SPECIFIC,
            user_data: none(),
        },
        Event::ActivityStart => activity_start(),
        Event::ActivityResume => Request::ActivityResume(Box::new(ActivityResume {
            identifier: octets("2"),
            old: LinkingInformation::default(),
            serial: serial(1),
            user_data: none(),
        })),
        Event::ActivityInterrupt => Request::ActivityInterrupt {
            reason: None,
            user_data: none(),
        },
        Event::ActivityInterruptAck => Request::ActivityInterruptAck(none()),
        Event::ActivityDiscard => Request::ActivityDiscard {
            reason: None,
            user_data: none(),
        },
        Event::ActivityDiscardAck => Request::ActivityDiscardAck(none()),
        Event::ActivityEnd => Request::ActivityEnd(none()),
        Event::ActivityEndAck => Request::ActivityEndAck(none()),
        Event::AbortAccept | Event::GiveTokensAck | Event::ExceptionReport => return None,
    })
}

/// Conditions that are in the values: only who does not hold the minor token confirms, a token is
/// given by who holds it and asked for by who does not.
fn values_allow(event: Event, sender_here: bool, here: bool) -> bool {
    match event {
        Event::MinorSyncAck => sender_here != here,
        Event::GiveTokens => sender_here == here,
        Event::PleaseTokens => !sender_here || !here,
        _ => true,
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Taken,
    Void,
    Fault,
}

fn fate_of_spdu(row: &Row, state: State, cell: &Cell) -> Fate {
    if matches!(state, State::AwaitTransportDisconnect | State::Closed)
        || row.discarded.contains(&state)
    {
        return Fate::Void;
    }
    if !row.spdu.contains(&state) {
        return Fate::Fault;
    }
    match row
        .conditions
        .iter()
        .find(|condition| !cell.holds(**condition, false))
    {
        Some(Condition::LacksData) => Fate::Void,
        Some(Condition::InActivity)
            if matches!(row.event, Event::ActivityInterrupt | Event::ActivityDiscard) =>
        {
            Fate::Taken
        }
        Some(_) => Fate::Fault,
        // Only where two releases collide, which has a test of its own.
        None if row.event == Event::Disconnect && state == State::AwaitReleaseResponse => {
            Fate::Fault
        }
        None if values_allow(row.event, false, cell.here) => Fate::Taken,
        None => Fate::Fault,
    }
}

#[test]
fn annex_a_every_spdu_in_every_state() {
    let mut taken = 0;
    for row in TABLE {
        for (state, mut cell) in cells() {
            assert_eq!(cell.session.state(), state);
            if matches!(state, State::Idle | State::AwaitTransportConfirm) {
                // No transport connection, no SPDU.
                continue;
            }
            let expected = fate_of_spdu(row, state, &cell);
            let next = cell.session.next_serial().map_or(1, Serial::get);
            let number = match row.event {
                Event::MinorSyncPoint | Event::ActivityEnd => next,
                Event::ActivityEndAck => next.max(2) - 1,
                _ => 1,
            };
            let Outgoing::Transport(transport::Request::Data(tsdu)) =
                Session::send(sample_spdu(row.event, number))
            else {
                panic!()
            };
            let out = cell
                .session
                .indication(transport::Indication::Data(tsdu), cell.now);
            let place = format!(
                "{:?} in {state:?}, tokens here: {}, activity: {}",
                row.event,
                cell.here,
                cell.session.in_activity()
            );
            let fault = out.iter().any(|event| {
                matches!(
                    event,
                    Outgoing::Indication(Indication::ProviderAbort(ProviderAbort::Protocol(_)))
                )
            });
            let told = out
                .iter()
                .any(|event| matches!(event, Outgoing::Indication(_)));
            match expected {
                Fate::Fault => assert!(fault, "{place}: {out:?}"),
                Fate::Void => assert!(!told, "{place}: {out:?}"),
                Fate::Taken => {
                    taken += 1;
                    assert!(!fault, "{place}: {out:?}");
                    assert!(
                        !out.is_empty() || row.event == Event::GiveTokensAck,
                        "{place}"
                    );
                }
            }
        }
    }
    assert!(taken >= 50, "{taken} cells take an SPDU");
}

#[test]
fn annex_a_every_request_in_every_state() {
    let mut taken = 0;
    for row in TABLE {
        for (state, mut cell) in cells() {
            let Some(request) = sample_request(row.event) else {
                continue;
            };
            let void = matches!(state, State::AwaitTransportDisconnect | State::Closed);
            let allowed = row.request.contains(&state)
                && row
                    .conditions
                    .iter()
                    .all(|condition| cell.holds(*condition, true))
                && values_allow(row.event, true, cell.here)
                && !(row.event == Event::Connect && state == State::IdleConnected);
            let before = cell.session.tokens();
            let out = cell.session.request(request, cell.now);
            let place = format!("{:?} in {state:?}, tokens here: {}", row.event, cell.here);
            match out {
                Ok(out) if void => assert_eq!(out, [], "{place}"),
                Ok(out) => {
                    assert!(allowed && !out.is_empty(), "{place}");
                    taken += 1;
                    let Some(Outgoing::Transport(transport::Request::Data(tsdu))) = out.first()
                    else {
                        continue;
                    };
                    assert!(decode(tsdu).is_ok(), "{place}");
                }
                Err(misuse) => {
                    assert!(!allowed, "{place}: {misuse}");
                    assert_eq!(
                        (cell.session.state(), cell.session.tokens()),
                        (state, before),
                        "{place}: nothing changes"
                    );
                }
            }
        }
    }
    assert!(taken >= 50, "{taken} cells take a request");
}
