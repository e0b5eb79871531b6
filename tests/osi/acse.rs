//! ACSE, normal mode: the events of X.227 annex A.

use mixgate::osi::acse::{Accept, Acse, Associate, Config, Indication, Outgoing, Refuse, Request};
use mixgate::osi::presentation::{self, Address, Mode, Oid};
use mixgate::osi::spdu::{FunctionalUnits, TokenSetting};

use crate::table::{self, Machine, Way};

struct End(Acse);

const REQUESTED: &[&str] = &["A-ASCreq", "AARE+"];
const ACCEPTED: &[&str] = &["AARQ", "A-ASCrsp+"];

const WAYS: &[Way] = &[
    ("STA0", &[]),
    ("STA1", &[&["A-ASCreq"]]),
    ("STA2", &[&["AARQ"]]),
    ("STA5", &[REQUESTED]),
    ("STA3 requestor", &[REQUESTED, &["A-RLSreq"]]),
    ("STA3 acceptor", &[ACCEPTED, &["A-RLSreq"]]),
    ("STA4", &[REQUESTED, &["RLRQ"]]),
    ("STA6", &[REQUESTED, &["A-RLSreq", "RLRQ"]]),
    ("STA7", &[ACCEPTED, &["A-RLSreq", "RLRQ"]]),
    ("gone", &[REQUESTED, &["P-PABind"]]),
];

#[rustfmt::skip]
const EVENTS: &[&str] = &[
    "A-ASCreq", "A-ASCrsp+", "A-ASCrsp-", "A-RLSreq", "A-RLSrsp+", "A-ABRreq",
    "AARQ", "AARQ with an unknown application context", "AARE+", "AARE-", "P-CONcnf-",
    "RLRQ", "RLRE+", "ABRT", "ABRT of the provider", "P-PABind",
    "P-CONind without AARQ", "P-CONcnf+ without AARE+", "P-RELind without RLRQ",
];

const CONTEXT: Oid = Oid::from_contents(&[0x56, 0, 1, 6]);

fn associate(application_context: Oid) -> Request {
    Request::Associate(Box::new(Associate {
        mode: Mode::Normal,
        calling: Address::default(),
        called: Address::default(),
        application_context,
        contexts: Vec::new(),
        identifier: None,
        functional_units: FunctionalUnits::RTSE,
        token_setting: TokenSetting::INITIATOR,
        user_information: Vec::new(),
    }))
}

fn request(event: &str) -> Option<Request> {
    Some(match event {
        "A-ASCreq" => associate(CONTEXT),
        "A-ASCrsp+" => Request::Accept(Accept {
            functional_units: FunctionalUnits::RTSE,
            user_information: Vec::new(),
        }),
        "A-ASCrsp-" => Request::Refuse(Refuse {
            transient: false,
            user_information: Vec::new(),
        }),
        "A-RLSreq" => Request::Release,
        "A-RLSrsp+" => Request::ReleaseAck,
        "A-ABRreq" => Request::Abort(Vec::new()),
        _ => return None,
    })
}

/// What the presentation layer tells when a peer of ours, after scripts, requests this.
fn sent(scripts: &[&[&str]], request: Request) -> presentation::Indication {
    let out = End::new(scripts).0.request(request).unwrap();
    carried(out)
}

fn carried(out: Vec<Outgoing>) -> presentation::Indication {
    use presentation::Indication as Told;
    use presentation::Request as Asked;
    match out.into_iter().next() {
        Some(Outgoing::Presentation(request)) => match request {
            Asked::Connect(connect) => Told::Connect(connect),
            Asked::Accept(accept) => Told::Accepted(accept),
            Asked::Refuse(user_data) => Told::Refused(presentation::Refused::User(user_data)),
            Asked::Release(user_data) => Told::Release(user_data),
            Asked::ReleaseAck(user_data) => Told::Released(user_data),
            Asked::Abort(user_data) => Told::Abort(user_data),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

fn incoming(event: &str) -> presentation::Indication {
    use presentation::Indication as Told;
    let ours = |scripts, event| sent(scripts, request(event).unwrap());
    match event {
        "AARQ" => ours(&[], "A-ASCreq"),
        "AARQ with an unknown application context" => {
            sent(&[], associate(Oid::from_contents(&[0x56, 9])))
        }
        "AARE+" => ours(&[&["AARQ"]], "A-ASCrsp+"),
        "AARE-" => ours(&[&["AARQ"]], "A-ASCrsp-"),
        "P-CONcnf-" => Told::Refused(presentation::Refused::Session("busy".to_owned())),
        "RLRQ" => ours(&[REQUESTED], "A-RLSreq"),
        "RLRE+" => ours(&[REQUESTED, &["RLRQ"]], "A-RLSrsp+"),
        "ABRT" => ours(&[REQUESTED], "A-ABRreq"),
        "ABRT of the provider" => carried(
            End::new(&[REQUESTED])
                .0
                .indication(incoming("P-RELind without RLRQ")),
        ),
        "P-PABind" => Told::ProviderAbort(presentation::ProviderAbort::ByPeer(None)),
        "P-CONind without AARQ" => match incoming("AARQ") {
            Told::Connect(mut connect) => {
                connect.user_data.clear();
                Told::Connect(connect)
            }
            other => other,
        },
        "P-CONcnf+ without AARE+" => Told::Accepted(presentation::Accept {
            functional_units: FunctionalUnits::RTSE,
            user_data: Vec::new(),
        }),
        "P-RELind without RLRQ" => Told::Release(Vec::new()),
        event => panic!("{event} is no event of ACSE"),
    }
}

fn name(out: Outgoing) -> String {
    use presentation::Request as Asked;
    match out {
        Outgoing::Presentation(request) => match request {
            Asked::Connect(_) => "AARQ",
            Asked::Accept(_) => "AARE+",
            Asked::Refuse(_) => "AARE-",
            Asked::Release(_) => "RLRQ",
            Asked::ReleaseAck(_) => "RLRE+",
            Asked::Abort(_) => "ABRT",
            other => panic!("{other:?}"),
        },
        Outgoing::Indication(indication) => match indication {
            Indication::Associate(_) => "A-ASCind",
            Indication::Accepted(_) => "A-ASCcnf+",
            Indication::Refused(_) => "A-ASCcnf-",
            Indication::Release => "A-RLSind",
            Indication::Released => "A-RLScnf+",
            Indication::Abort(_) => "A-ABRind",
            Indication::ProviderAbort(_) => "A-PABind",
        },
    }
    .to_owned()
}

impl End {
    fn new(scripts: &[&[&str]]) -> Self {
        let mut end = Self(Acse::new(Config {
            application_contexts: vec![CONTEXT],
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
        let out = match request(event) {
            Some(request) => self.0.request(request).ok()?,
            None => self.0.indication(incoming(event)),
        };
        Some(out.into_iter().map(name).collect())
    }
}

#[test]
fn x227_annex_a_every_event_in_every_state() {
    table::check("ACSE", WAYS, EVENTS, |_| End::new(&[]));
}
