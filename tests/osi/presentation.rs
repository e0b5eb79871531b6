//! Presentation, normal mode without context management: the events of X.226 annex A.

use bytes::Bytes;
use mixgate::osi::presentation::{
    Accept, Address, Config, Connect, Context, Indication, Mode, Oid, Outgoing, Pdv, Presentation,
    Request,
};
use mixgate::osi::session;
use mixgate::osi::spdu::{FunctionalUnits, RefuseReason, TokenSetting, Tokens};

use crate::session as below;
use crate::table::{self, Machine, Way};

struct End(Presentation);

const OPENED: &[&str] = &["P-CONreq", "CPA"];

const WAYS: &[Way] = &[
    ("STAI0", &[]),
    ("STAI1", &[&["P-CONreq"]]),
    ("STAI2", &[&["CP"]]),
    ("STAt0", &[OPENED]),
    ("STAt0 rl", &[OPENED, &["P-RELreq"]]),
    ("STAt0 cr", &[OPENED, &["P-RELreq", "S-RELind"]]),
    ("gone", &[OPENED, &["S-PABind"]]),
];

#[rustfmt::skip]
const EVENTS: &[&str] = &[
    "P-CONreq", "P-CONrsp+", "P-CONrsp-", "P-DTreq", "P-PTreq", "P-RELreq", "P-RELrsp+", "P-UABreq",
    "P-GTreq", "P-CGreq", "P-SYNmreq", "P-SYNmrsp", "P-UERreq", "P-ACTSreq", "P-ACTRreq",
    "P-ACTIreq", "P-ACTIrsp", "P-ACTDreq", "P-ACTDrsp", "P-ACTEreq", "P-ACTErsp",
    "CP", "CP that is none", "CP for an unknown selector", "CPA", "CPA that is none", "CPR",
    "S-CONcnf-", "TD", "TD that is none", "TD in an unknown context",
    "S-PTind", "S-RELind", "S-RELcnf+", "ARU", "ARP", "S-UABind without data", "S-PABind",
    "S-GTind", "S-CGind", "S-SYNmind", "S-SYNmcnf", "S-UERind", "S-PERind", "S-ACTSind",
    "S-ACTRind", "S-ACTIind", "S-ACTIcnf", "S-ACTDind", "S-ACTDcnf", "S-ACTEind", "S-ACTEcnf",
];

const SYNTAX: Oid = Oid::from_contents(&[0x52, 1, 0, 1]);

fn user_data(context: u32) -> Pdv {
    Pdv {
        context,
        value: Bytes::from_static(&[4, 1, b'a']),
    }
}

/// P-CONNECT request for a P-selector.
fn connect(p: &'static [u8]) -> Request {
    Request::Connect(Box::new(Connect {
        mode: Mode::Normal,
        calling: Address::default(),
        called: Address {
            p: Bytes::from_static(p),
            ..Address::default()
        },
        contexts: vec![Context {
            identifier: 1,
            abstract_syntax: SYNTAX,
        }],
        identifier: None,
        functional_units: FunctionalUnits::RTSE,
        token_setting: TokenSetting::INITIATOR,
        user_data: vec![user_data(1)],
    }))
}

fn request(event: &str) -> Option<Request> {
    Some(match event {
        "P-CONreq" => connect(b"known"),
        "P-CONrsp+" => Request::Accept(Accept {
            functional_units: FunctionalUnits::RTSE,
            user_data: vec![user_data(1)],
        }),
        "P-CONrsp-" => Request::Refuse(vec![user_data(1)]),
        "P-DTreq" => Request::Data(user_data(1)),
        "P-PTreq" => Request::TokenPlease {
            tokens: Tokens::DATA,
            user_data: vec![user_data(1)],
        },
        "P-RELreq" => Request::Release(vec![user_data(1)]),
        "P-RELrsp+" => Request::ReleaseAck(vec![user_data(1)]),
        "P-UABreq" => Request::Abort(vec![user_data(1)]),
        _ => Request::Session(below::request(&event.replacen("P-", "S", 1))?),
    })
}

/// What the session layer tells when a peer of ours, after a script, requests this.
fn sent(script: &[&str], request: Request) -> session::Indication {
    let out = End::new(&[script]).0.request(request).unwrap();
    carried(out)
}

fn carried(out: Vec<Outgoing>) -> session::Indication {
    match out.into_iter().next() {
        Some(Outgoing::Session(request)) => below::indicated(request),
        other => panic!("{other:?}"),
    }
}

fn incoming(event: &str) -> session::Indication {
    let none = || Bytes::from_static(&[0xff, 0xff]);
    let ours = |script, event| sent(script, request(event).unwrap());
    match event {
        "CP" => ours(&[], "P-CONreq"),
        "CP for an unknown selector" => sent(&[], connect(b"?")),
        "CPA" => ours(&["CP"], "P-CONrsp+"),
        "CPR" => ours(&["CP"], "P-CONrsp-"),
        "S-CONcnf-" => session::Indication::Refused(session::Refuse {
            identifier: None,
            reason: RefuseReason::UserUnspecified,
        }),
        "TD" => ours(OPENED, "P-DTreq"),
        "TD that is none" => session::Indication::Data(none()),
        "TD in an unknown context" => sent(OPENED, Request::Data(user_data(9))),
        "S-PTind" => ours(OPENED, "P-PTreq"),
        "S-RELind" => ours(OPENED, "P-RELreq"),
        "S-RELcnf+" => ours(OPENED, "P-RELrsp+"),
        "ARU" => ours(OPENED, "P-UABreq"),
        "ARP" => carried(
            End::new(&[OPENED])
                .0
                .indication(incoming("TD that is none")),
        ),
        "S-UABind without data" => session::Indication::Abort(Bytes::new()),
        "S-PABind" => session::Indication::ProviderAbort(session::ProviderAbort::ByPeer(0)),
        "CP that is none" => match incoming("CP") {
            session::Indication::Connect {
                mut connect,
                version,
            } => {
                connect.user_data = none();
                session::Indication::Connect { connect, version }
            }
            other => other,
        },
        "CPA that is none" => match incoming("CPA") {
            session::Indication::Accepted {
                mut accept,
                version,
            } => {
                accept.user_data = none();
                session::Indication::Accepted { accept, version }
            }
            other => other,
        },
        "S-PERind" => session::Indication::ProviderException(Bytes::new()),
        event => {
            let request = event.replacen("S-", "S", 1);
            let request = request.replace("ind", "req").replace("cnf", "rsp");
            below::indicated(below::request(&request).unwrap())
        }
    }
}

fn name(out: Outgoing) -> String {
    match out {
        Outgoing::Session(request) => match request {
            session::Request::Connect(_) => "CP".to_owned(),
            session::Request::Accept(_) => "CPA".to_owned(),
            session::Request::Refuse(_) => "CPR".to_owned(),
            session::Request::Data(_) => "TD".to_owned(),
            session::Request::Abort(_) => {
                // A peer tells which of the two it is.
                let told = End::new(&[OPENED]).0.indication(below::indicated(request));
                match told[..] {
                    [Outgoing::Indication(Indication::Abort(_))] => "ARU".to_owned(),
                    _ => "ARP".to_owned(),
                }
            }
            request => below::request_name(&request).replacen('S', "S-", 1),
        },
        Outgoing::Indication(indication) => match indication {
            Indication::Connect(_) => "P-CONind".to_owned(),
            Indication::Accepted(_) => "P-CONcnf+".to_owned(),
            Indication::Refused(_) => "P-CONcnf-".to_owned(),
            Indication::Data(_) => "P-DTind".to_owned(),
            Indication::TokenPlease { .. } => "P-PTind".to_owned(),
            Indication::Release(_) => "P-RELind".to_owned(),
            Indication::Released(_) => "P-RELcnf+".to_owned(),
            Indication::Abort(_) => "P-UABind".to_owned(),
            Indication::ProviderAbort(_) => "P-PABind".to_owned(),
            Indication::Session(indication) => {
                below::indication_name(&indication).replacen('S', "P-", 1)
            }
        },
    }
}

impl End {
    fn new(scripts: &[&[&str]]) -> Self {
        let mut end = Self(Presentation::new(Config {
            abstract_syntaxes: vec![SYNTAX],
            selectors: vec![Bytes::from_static(b"known")],
        }));
        table::play(&mut end, scripts);
        end
    }
}

impl Machine for End {
    fn state(&self) -> String {
        self.0.state().to_owned()
    }

    fn happen(&mut self, event: &str) -> Option<Vec<String>> {
        let before = self.0.state();
        let out = match request(event) {
            Some(request) => self.0.request(request).ok()?,
            None => self.0.indication(incoming(event)),
        };
        let out: Vec<String> = out.into_iter().map(name).collect();
        // The same primitive one layer below or above.
        match &out[..] {
            [only] if only.get(1..) == event.get(1..) && self.0.state() == before => {
                Some(vec!["=".to_owned()])
            }
            _ => Some(out),
        }
    }
}

#[test]
fn x226_annex_a_every_event_in_every_state() {
    table::check("Presentation", WAYS, EVENTS, |_| End::new(&[]));
}
