//! RTSE, normal mode: the events of X.228.

use bytes::Bytes;
use mixgate::osi::presentation::{self, Address, Oid, Pdv};
use mixgate::osi::rtse::{
    Activity, Below, Config, Contexts, Dialogue, Indication, Mode, Open, OpenResponse, Outgoing,
    RTSE_CONTEXT, Refusal, RefuseReason, Request, Resumption, Rtse, Waiting,
};
use mixgate::osi::spdu::{ConnectionIdentifier, Serial};
use mixgate::osi::{acse, session};

use crate::session as sessions;
use crate::table::{self, Machine, Way};

struct End {
    rtse: Rtse,
    /// Points the peer has set.
    points: u32,
}

const OPENED: &[&str] = &["RT-OPreq", "RTOAC"];
const ANSWERED: &[&str] = &["RTORQ", "RT-OPrsp+"];
const SENDING: &[&str] = &["RT-OPreq", "RTOAC", "RT-TRreq"];
const RECEIVING: &[&str] = &["RTORQ", "RT-OPrsp+", "P-ACTSind"];

const WAYS: &[Way] = &[
    ("idle", &[]),
    ("opening+", &[&["RT-OPreq"]]),
    ("opening-", &[&["RTORQ"]]),
    ("open+", &[OPENED]),
    ("open-", &[ANSWERED]),
    ("closing+", &[OPENED, &["RT-CLreq"]]),
    ("closing-", &[ANSWERED, &["A-RLSind"]]),
    ("gone", &[OPENED, &["A-PABind"]]),
    ("sending", &[SENDING]),
    ("sending full", &[SENDING, &["many octets"]]),
    ("sending resumed", &[OPENED, &["RT-TRreq to resume"]]),
    ("ending", &[SENDING, &["last octets"]]),
    ("stopping", &[SENDING, &["stop"]]),
    ("stopping ended", &[SENDING, &["last octets", "stop"]]),
    ("receiving", &[RECEIVING]),
    ("receiving owed", &[RECEIVING, &["P-SYNmind"]]),
    ("received", &[RECEIVING, &["P-ACTEind"]]),
    (
        "withdrawn by interrupt",
        &[RECEIVING, &["P-ACTEind", "P-ACTIind"]],
    ),
    (
        "withdrawn by discard",
        &[RECEIVING, &["P-ACTEind", "P-ACTDind"]],
    ),
    ("refused", &[RECEIVING, &["RT-TRrsp-"]]),
];

#[rustfmt::skip]
const EVENTS: &[&str] = &[
    "RT-OPreq", "RT-OPrsp+", "RT-OPrsp-", "RT-TRreq", "RT-TRreq to resume", "octets", "many octets", "last octets",
    "stop", "interrupt", "secured", "RT-TRrsp+", "RT-TRrsp-", "RT-TPreq", "RT-TGreq", "RT-CLreq", "RT-CLrsp",
    "RT-UABreq",
    "RTORQ", "RTORQ to recover", "A-ASCind without RTORQ", "RTOAC", "A-ASCcnf+ without RTOAC", "RTORJ",
    "A-ASCcnf- without RTORJ", "RTTP", "RTTR", "P-DTind without RTTR", "P-ACTSind", "P-ACTRind",
    "P-SYNmind", "P-SYNmind implicit", "P-SYNmcnf", "P-ACTEind", "P-ACTEcnf", "P-ACTIind", "P-ACTIcnf", "P-ACTDind",
    "P-ACTDcnf", "P-UERind", "P-PERind", "P-CGind", "P-GTind", "A-RLSind", "A-RLScnf+",
    "RTAB of the user", "RTAB of the provider", "RTAB for a transfer completed", "A-ABRind without RTAB", "A-PABind", "TIM",
];

/// More than a segment of the checkpoint size agreed, of which the window is full at once.
const MANY: usize = 1025;

/// An RTORQ whose connection data name the session connection of an association to recover.
const RECOVER: &[u8] = b"\xb0\x17\xa3\x15\xa1\x13\x14\x02vm\x17\x0d261122045628Z";

fn contexts() -> Contexts {
    Contexts {
        application_context: Oid::from_contents(&[0x56, 0, 1, 6]),
        rtse: Oid::from_contents(&[0x56, 0, 2, 7]),
        user: Oid::from_contents(&[0x56, 0, 2, 12]),
    }
}

fn bind() -> Bytes {
    Bytes::from_static(&[5, 0])
}

fn request(event: &str) -> Option<Request> {
    let octets = |count, last| Request::Octets {
        octets: Bytes::from(vec![b'a'; count]),
        last,
    };
    Some(match event {
        "RT-OPreq" => Request::Open(Box::new(Open {
            mode: Mode::Normal(contexts()),
            called: Address::default(),
            calling: Address::default(),
            checkpoint_size: 1,
            window_size: 1,
            dialogue: Dialogue::TwoWayAlternate,
            initiator_has_turn: true,
            identifier: ConnectionIdentifier::default(),
            user_data: bind(),
        })),
        "RT-OPrsp+" => Request::OpenResponse(OpenResponse::Accept {
            checkpoint_size: 1,
            window_size: 1,
            user_data: bind(),
        }),
        "RT-OPrsp-" => Request::OpenResponse(OpenResponse::Refuse {
            reason: RefuseReason::VALIDATIONFAILURE,
            user_data: bind(),
        }),
        "RT-TRreq" => Request::Transfer,
        "RT-TRreq to resume" => Request::Resume(Box::new(Resumption {
            activity: Activity {
                connection: ConnectionIdentifier::default(),
                identifier: Bytes::from_static(b"1"),
            },
            point: 1,
            octets: 1024,
            ended: false,
        })),
        "octets" => octets(1, false),
        "many octets" => octets(MANY, false),
        "last octets" => octets(1, true),
        "stop" => Request::TransferStop,
        "interrupt" => Request::TransferInterrupt,
        "secured" => Request::Secured { point: 1 },
        "RT-TRrsp+" => Request::TransferResponse,
        "RT-TRrsp-" => Request::TransferRefuse(Refusal::LocalError),
        "RT-TPreq" => Request::TurnPlease { priority: 0 },
        "RT-TGreq" => Request::TurnGive,
        "RT-CLreq" => Request::Close,
        "RT-CLrsp" => Request::CloseResponse,
        "RT-UABreq" => Request::Abort {
            explanation: String::new(),
        },
        _ => return None,
    })
}

/// What the layers below tell when a peer of ours, after scripts, requests this.
fn sent(scripts: &[&[&str]], event: &str) -> Below {
    let mut peer = End::new();
    table::play(&mut peer, scripts);
    carried(peer.rtse.request(request(event).unwrap()).unwrap())
}

fn carried(out: Vec<Outgoing>) -> Below {
    use acse::Indication as Associated;
    use presentation::Indication as Presented;
    match out.into_iter().next() {
        Some(Outgoing::Acse(request)) => Below::Acse(match request {
            acse::Request::Associate(associate) => Associated::Associate(associate),
            acse::Request::Accept(accept) => Associated::Accepted(accept),
            acse::Request::Refuse(refuse) => Associated::Refused(acse::Refused {
                transient: refuse.transient,
                user_information: refuse.user_information,
                diagnostic: None,
                explanation: String::new(),
            }),
            acse::Request::Release => Associated::Release,
            acse::Request::ReleaseAck => Associated::Released,
            acse::Request::Abort(user_information) => Associated::Abort(user_information),
        }),
        Some(Outgoing::Presentation(request)) => Below::Presentation(match request {
            presentation::Request::Data(pdv) => Presented::Data(vec![pdv]),
            presentation::Request::TokenPlease { tokens, user_data } => {
                Presented::TokenPlease { tokens, user_data }
            }
            other => panic!("{other:?}"),
        }),
        other => panic!("{other:?}"),
    }
}

fn incoming(event: &str, points: u32) -> Below {
    use acse::Indication as Associated;
    let presented = |indication| Below::Presentation(presentation::Indication::Session(indication));
    match event {
        "RTORQ" => sent(&[], "RT-OPreq"),
        "RTORQ to recover" => match sent(&[], "RT-OPreq") {
            Below::Acse(Associated::Associate(mut associate)) => {
                associate.user_information[0].value = Bytes::from_static(RECOVER);
                Below::Acse(Associated::Associate(associate))
            }
            other => other,
        },
        "A-ASCind without RTORQ" => match sent(&[], "RT-OPreq") {
            Below::Acse(Associated::Associate(mut associate)) => {
                associate.user_information.clear();
                Below::Acse(Associated::Associate(associate))
            }
            other => other,
        },
        "RTOAC" => sent(&[&["RTORQ"]], "RT-OPrsp+"),
        "A-ASCcnf+ without RTOAC" => match sent(&[&["RTORQ"]], "RT-OPrsp+") {
            Below::Acse(Associated::Accepted(mut accept)) => {
                accept.user_information.clear();
                Below::Acse(Associated::Accepted(accept))
            }
            other => other,
        },
        "RTORJ" => sent(&[&["RTORQ"]], "RT-OPrsp-"),
        "A-ASCcnf- without RTORJ" => Below::Acse(Associated::Refused(acse::Refused {
            transient: true,
            user_information: Vec::new(),
            diagnostic: None,
            explanation: String::new(),
        })),
        "RTTP" => sent(&[ANSWERED], "RT-TPreq"),
        "RTTR" => sent(&[SENDING], "last octets"),
        "P-DTind without RTTR" => Below::Presentation(presentation::Indication::Data(vec![Pdv {
            context: RTSE_CONTEXT,
            value: bind(),
        }])),
        "A-RLSind" => sent(&[OPENED], "RT-CLreq"),
        "A-RLScnf+" => sent(&[ANSWERED, &["A-RLSind"]], "RT-CLrsp"),
        "RTAB of the user" => sent(&[OPENED], "RT-UABreq"),
        "RTAB of the provider" => {
            let mut peer = End::new();
            table::play(&mut peer, &[OPENED]);
            carried(peer.rtse.indication(incoming("A-RLScnf+", 0)))
        }
        "RTAB for a transfer completed" => {
            sent(&[RECEIVING, &["P-ACTEind", "P-ACTDind"]], "RT-TRrsp+")
        }
        "A-ABRind without RTAB" => Below::Acse(Associated::Abort(Vec::new())),
        "A-PABind" => Below::Acse(Associated::ProviderAbort(String::new())),
        "P-PERind" => presented(session::Indication::ProviderException(Bytes::new())),
        "P-SYNmind" | "P-SYNmind implicit" => presented(session::Indication::MinorSync {
            serial: Serial::new(points + 1).unwrap(),
            explicit: event == "P-SYNmind",
            user_data: Bytes::new(),
        }),
        event => {
            let request = event.replacen("P-", "S", 1);
            let request = request.replace("ind", "req").replace("cnf", "rsp");
            presented(sessions::indicated(sessions::request(&request).unwrap()))
        }
    }
}

fn name(out: Outgoing) -> String {
    match out {
        Outgoing::Acse(request) => match request {
            acse::Request::Associate(_) => "RTORQ",
            acse::Request::Accept(_) => "RTOAC",
            acse::Request::Refuse(_) => "RTORJ",
            acse::Request::Release => "A-RLSreq",
            acse::Request::ReleaseAck => "A-RLSrsp+",
            acse::Request::Abort(_) => "RTAB",
        },
        Outgoing::Presentation(request) => match request {
            presentation::Request::Data(_) => "RTTR",
            presentation::Request::TokenPlease { .. } => "RTTP",
            presentation::Request::Session(request) => {
                return sessions::request_name(&request).replacen('S', "P-", 1);
            }
            other => panic!("{other:?}"),
        },
        Outgoing::Indication(indication) => match indication {
            Indication::Open(_) => "RT-OPind",
            Indication::OpenConfirm(Ok(_)) => "RT-OPcnf+",
            Indication::OpenConfirm(Err(_)) => "RT-OPcnf-",
            Indication::Pull { .. } => "pull",
            Indication::TransferConfirm(Ok(())) => "RT-TRcnf+",
            Indication::TransferConfirm(Err(_)) => "RT-TRcnf-",
            Indication::TransferBegin { .. } => "begin",
            Indication::Octets(_) => "octets",
            Indication::Checkpoint { .. } => "point",
            Indication::Transfer => "RT-TRind",
            Indication::TransferResume { .. } => "resume",
            Indication::TransferInterrupted { .. } => "break",
            Indication::TransferDiscarded { .. } => "drop",
            Indication::TurnPlease { .. } => "RT-TPind",
            Indication::TurnGive => "RT-TGind",
            Indication::Close => "RT-CLind",
            Indication::CloseConfirm => "RT-CLcnf",
            Indication::UAbort { .. } => "RT-UABind",
            Indication::PAbort { .. } => "RT-PABind",
        },
    }
    .to_owned()
}

impl End {
    fn new() -> Self {
        Self {
            rtse: Rtse::new(Config {
                contexts: contexts(),
                max_unsegmented: 1 << 20,
            }),
            points: 0,
        }
    }
}

impl Machine for End {
    fn state(&self) -> String {
        self.rtse.state().to_owned()
    }

    fn happen(&mut self, event: &str) -> Option<Vec<String>> {
        let out = match request(event) {
            Some(request) => self.rtse.request(request).ok()?,
            None if event == "TIM" => self.rtse.time_out(String::new()),
            None => {
                let out = self.rtse.indication(incoming(event, self.points));
                self.points += u32::from(event.starts_with("P-SYNmind"));
                out
            }
        };
        Some(out.into_iter().map(name).collect())
    }
}

#[test]
fn x228_every_event_in_every_state() {
    table::check("RTSE", WAYS, EVENTS, |_| End::new());
}

#[test]
fn x225_7_11_nobody_waits_for_a_point_that_asks_for_no_confirmation() {
    let waiting = |events: &[&str]| {
        let mut end = End::new();
        table::play(&mut end, &[RECEIVING, events]);
        end.rtse.waiting()
    };
    assert_eq!(waiting(&[]), Waiting::ForPeer);
    assert_eq!(waiting(&["P-SYNmind"]), Waiting::ForNobody);
    assert_eq!(waiting(&["P-SYNmind implicit"]), Waiting::ForPeer);
    let both = ["P-SYNmind", "secured", "P-SYNmind implicit"];
    assert_eq!(waiting(&both), Waiting::ForPeer);
}
