//! Transport, class 0: the events of X.224 annex A.

use std::time::{Duration, Instant};

use bytes::Bytes;
use mixgate::osi::tpkt;
use mixgate::osi::transport::tpdu::{Connect, Tpdu};
use mixgate::osi::transport::{
    Config, DisconnectReason, Indication, Network, Outgoing, Request, TpduSize, Transport,
};

use crate::table::{self, Machine, Way};

struct End {
    transport: Transport,
    now: Instant,
}

const WAYS: &[Way] = &[
    ("CLOSED", &[]),
    ("WFCC", &[&["TCONreq"]]),
    ("WFTRESP", &[&["CR"]]),
    ("OPEN", &[&["TCONreq", "CC"]]),
    ("gone", &[&["NDISind"]]),
];

const EVENTS: &[&str] = &[
    "TCONreq",
    "TCONresp",
    "TDTreq",
    "TDISreq",
    "CR",
    "CR without class 0",
    "CR for an unknown selector",
    "CC",
    "CC for another reference",
    "CC with class 2",
    "DR",
    "ER",
    "DT",
    "DT not the last",
    "no TPDU",
    "no packet",
    "NDISind",
    "TIM",
];

impl End {
    fn new() -> Self {
        let now = Instant::now();
        let config = Config {
            selectors: vec![Bytes::from_static(b"known")],
            ..Config::default()
        };
        Self {
            transport: Transport::new(config, now),
            now,
        }
    }
}

fn connect(class: u8, called: &'static [u8], destination_reference: u16) -> Connect {
    Connect {
        destination_reference,
        source_reference: 7,
        class,
        alternative_classes: Vec::new(),
        calling: None,
        called: Some(Bytes::from_static(called)),
        tpdu_size: TpduSize::Octets2048,
    }
}

fn tpdu(event: &str) -> Option<Tpdu> {
    let data = Bytes::from_static(b"data");
    Some(match event {
        "CR" => Tpdu::ConnectionRequest(connect(0, b"known", 0)),
        "CR without class 0" => Tpdu::ConnectionRequest(connect(2, b"known", 0)),
        "CR for an unknown selector" => Tpdu::ConnectionRequest(connect(0, b"?", 0)),
        "CC" => Tpdu::ConnectionConfirm(connect(0, b"", 1)),
        "CC for another reference" => Tpdu::ConnectionConfirm(connect(0, b"", 2)),
        "CC with class 2" => Tpdu::ConnectionConfirm(connect(2, b"", 1)),
        "DR" => Tpdu::DisconnectRequest {
            destination_reference: 1,
            source_reference: 7,
            reason: DisconnectReason::CONGESTION,
            additional: Bytes::new(),
        },
        "ER" => Tpdu::Error {
            destination_reference: 1,
            cause: 0,
            invalid: data,
        },
        "DT" | "DT not the last" => Tpdu::Data {
            end_of_tsdu: event == "DT",
            data,
        },
        _ => return None,
    })
}

fn packet(event: &str) -> Vec<u8> {
    let (header, data) = match tpdu(event) {
        Some(tpdu) => tpdu.encode(),
        // A TPDU code that class 0 does not have.
        None => (Bytes::from_static(&[2, 0x10, 0]).into(), Bytes::new()),
    };
    let mut packet = vec![3, 0, 0, 0];
    packet.extend([header.as_ref(), &data].concat());
    packet[3] = u8::try_from(packet.len()).unwrap();
    packet
}

fn name(out: Outgoing) -> String {
    match out {
        Outgoing::Octets(octets) => match Tpdu::decode(octets.slice(tpkt::HEADER..)).unwrap() {
            Tpdu::ConnectionRequest(_) => "CR",
            Tpdu::ConnectionConfirm(_) => "CC",
            Tpdu::DisconnectRequest { .. } => "DR",
            Tpdu::Data { .. } => "DT",
            Tpdu::Error { .. } => "ER",
        },
        Outgoing::Close => "NDISreq",
        Outgoing::Indication(indication) => match indication {
            Indication::Connect { .. } => "TCONind",
            Indication::Confirm { .. } => "TCONconf",
            Indication::Data(_) => "TDTind",
            Indication::Disconnect(_) => "TDISind",
        },
    }
    .to_owned()
}

impl Machine for End {
    fn state(&self) -> String {
        self.transport.state().to_owned()
    }

    fn happen(&mut self, event: &str) -> Option<Vec<String>> {
        let none = Bytes::new;
        let out = match event {
            "TCONreq" => self.transport.request(
                Request::Connect {
                    called: none(),
                    calling: none(),
                },
                self.now,
            ),
            "TCONresp" => self.transport.request(Request::Accept, self.now),
            "TDTreq" => {
                let data = Bytes::from_static(b"data");
                self.transport.request(Request::Data(data), self.now)
            }
            "TDISreq" => {
                let request = Request::Disconnect(DisconnectReason::NORMAL);
                self.transport.request(request, self.now)
            }
            "NDISind" => self.transport.network(Network::Closed, self.now),
            "TIM" => self.transport.tick(self.now + Duration::from_secs(86_400)),
            "no packet" => {
                let octets = Bytes::from_static(b"GET / HTTP/1.1\r\n");
                self.transport.network(Network::Octets(octets), self.now)
            }
            event => {
                let octets = Bytes::from(packet(event));
                self.transport.network(Network::Octets(octets), self.now)
            }
        };
        Some(out.into_iter().map(name).collect())
    }
}

#[test]
fn x224_annex_a_every_event_in_every_state_of_class_0() {
    table::check("Transport", WAYS, EVENTS, |_| End::new());
}
