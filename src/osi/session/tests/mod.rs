//! Two session machines over two transport machines, in memory, with a clock of their own.

mod connection;
mod hostile;
mod transfer;

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
