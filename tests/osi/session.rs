//! Session, with the functional units of RTSE: the events of X.225 annex A.

use std::mem::discriminant;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mixgate::osi::session::{
    Accept, ActivityResume, Address, Config, Connect, Indication, Outgoing, Refuse, Request,
    Session,
};
use mixgate::osi::spdu::{
    self, ConnectAcceptItem, ExceptionReason, FunctionalUnits, LinkingInformation, RefuseReason,
    Serial, Spdu, TokenSetting, Tokens, TransportDisconnect, Versions,
};
use mixgate::osi::transport;

use crate::table::{self, Machine, Way};

struct End {
    session: Session,
    now: Instant,
}

const CALLED: &[&str] = &["TCONind", "CN"];
const OPENED: &[&str] = &["SCONreq", "TCONcnf", "AC"];
const ANSWERED: &[&str] = &["TCONind", "CN", "SCONrsp+"];
/// In an activity with two points to be confirmed.
const SENDING: &[&str] = &["SACTSreq", "SSYNmreq", "SSYNmreq"];
const RECEIVING: &[&str] = &["AS", "MIP", "MIP"];

const WAYS: &[Way] = &[
    ("01", &[]),
    ("01B", &[&["SCONreq"]]),
    ("01C", &[&["TCONind"]]),
    ("01C ours", &[OPENED, &["SRELreq", "DN"]]),
    ("02A", &[&["SCONreq", "TCONcnf"]]),
    ("08", &[CALLED]),
    ("03", &[OPENED, &["SRELreq"]]),
    ("09", &[ANSWERED, &["FN"]]),
    ("16", &[OPENED, &["SUABreq"]]),
    ("gone", &[OPENED, &["TDISind"]]),
    ("713+", &[OPENED]),
    ("713-", &[ANSWERED]),
    ("713+a", &[OPENED, SENDING]),
    ("713-a", &[ANSWERED, RECEIVING]),
    ("18", &[OPENED, &["SCGreq"]]),
    ("04B", &[OPENED, SENDING, &["SACTEreq"]]),
    ("10B", &[ANSWERED, RECEIVING, &["AE"]]),
    ("19", &[ANSWERED, RECEIVING, &["SUERreq"]]),
    ("20", &[OPENED, SENDING, &["ED"]]),
    ("05B", &[OPENED, SENDING, &["SACTIreq"]]),
    ("05C", &[OPENED, SENDING, &["SACTDreq"]]),
    ("11B", &[ANSWERED, RECEIVING, &["AI"]]),
    ("11C", &[ANSWERED, RECEIVING, &["AD"]]),
];

#[rustfmt::skip]
const EVENTS: &[&str] = &[
    "SCONreq", "SCONrsp+", "SCONrsp-", "SRELreq", "SRELrsp+", "SUABreq",
    "SDTreq", "SGTreq", "SPTreq", "SCGreq", "SSYNmreq", "SSYNmrsp", "SUERreq", "SACTSreq",
    "SACTRreq", "SACTIreq", "SACTIrsp", "SACTDreq", "SACTDrsp", "SACTEreq", "SACTErsp",
    "CN", "CN for an unknown selector", "AC", "RF", "FN", "DN", "AB", "AA",
    "DT", "GT", "PT", "GTC", "GTA", "MIP", "MIA", "ED", "ER", "AS", "AR", "AI", "AIA", "AD", "ADA",
    "AE", "AEA", "no SPDU",
    "TCONind", "TCONcnf", "TDISind", "TIM",
];

const ALL: Tokens = Tokens(Tokens::DATA.0 | Tokens::MINOR.0 | Tokens::MAJOR_ACTIVITY.0);

impl End {
    /// A machine that keeps the transport connection it opened, or lets it go, after a release.
    fn new(keep_transport: bool) -> Self {
        let config = Config {
            keep_transport,
            // Of who calls no selector, too.
            selectors: vec![Bytes::new()],
            ..Config::default()
        };
        Self {
            session: Session::new(config),
            now: Instant::now(),
        }
    }
}

pub fn request(event: &str) -> Option<Request> {
    let user_data = Bytes::new();
    let reason = None;
    Some(match event {
        "SCONreq" => Request::Connect(Box::new(Connect {
            identifier: None,
            calling: Address::default(),
            called: Address::default(),
            functional_units: FunctionalUnits::RTSE,
            initial_serial: None,
            token_setting: TokenSetting::INITIATOR,
            user_data,
        })),
        "SCONrsp+" => Request::Accept(Box::new(Accept {
            identifier: None,
            responding: Bytes::new(),
            functional_units: FunctionalUnits::RTSE,
            initial_serial: None,
            token_setting: TokenSetting::INITIATOR,
            tokens_wanted: Tokens::NONE,
            user_data,
        })),
        "SCONrsp-" => Request::Refuse(Refuse {
            identifier: None,
            reason: RefuseReason::UserUnspecified,
        }),
        "SRELreq" => Request::Release(user_data),
        "SRELrsp+" => Request::ReleaseAck(user_data),
        "SUABreq" => Request::Abort(user_data),
        "SDTreq" => Request::Data(Bytes::from_static(b"data")),
        "SGTreq" => Request::TokenGive(ALL),
        "SPTreq" => Request::TokenPlease {
            tokens: Tokens::DATA,
            user_data,
        },
        "SCGreq" => Request::ControlGive,
        "SSYNmreq" => Request::MinorSync {
            explicit: true,
            user_data,
        },
        "SSYNmrsp" => Request::MinorSyncAck {
            serial: Serial::ONE,
            user_data,
        },
        "SUERreq" => Request::UserException {
            reason: ExceptionReason::NON_SPECIFIC,
            user_data,
        },
        "SACTSreq" => Request::ActivityStart {
            identifier: Bytes::from_static(b"1"),
            user_data,
        },
        "SACTRreq" => Request::ActivityResume(Box::new(ActivityResume {
            identifier: Bytes::from_static(b"2"),
            old: LinkingInformation::default(),
            serial: Serial::ONE,
            user_data,
        })),
        "SACTIreq" => Request::ActivityInterrupt { reason, user_data },
        "SACTIrsp" => Request::ActivityInterruptAck(user_data),
        "SACTDreq" => Request::ActivityDiscard { reason, user_data },
        "SACTDrsp" => Request::ActivityDiscardAck(user_data),
        "SACTEreq" => Request::ActivityEnd(user_data),
        "SACTErsp" => Request::ActivityEndAck(user_data),
        _ => return None,
    })
}

/// The SPDU of a name; points bear the next serial number, ACTIVITY END ACK the last.
fn spdu(event: &str, next: Serial) -> Option<Spdu> {
    let user_data = Bytes::new();
    let reason = None;
    let item = ConnectAcceptItem {
        versions: Some(Versions::V2),
        ..Default::default()
    };
    let functional_units = Some(FunctionalUnits::RTSE);
    Some(match event {
        "CN" | "CN for an unknown selector" => Spdu::Connect(Box::new(spdu::Connect {
            item,
            functional_units,
            called_selector: (event != "CN").then(|| Bytes::from_static(b"?")),
            ..Default::default()
        })),
        "AC" => Spdu::Accept(Box::new(spdu::Accept {
            item,
            functional_units,
            ..Default::default()
        })),
        "RF" => Spdu::Refuse(Box::new(spdu::Refuse {
            identifier: None,
            transport_disconnect: None,
            functional_units: None,
            versions: None,
            reason: RefuseReason::UserUnspecified,
        })),
        "FN" => Spdu::Finish {
            transport_disconnect: None,
            user_data,
        },
        "DN" => Spdu::Disconnect(user_data),
        "AB" => Spdu::Abort {
            transport_disconnect: TransportDisconnect::RELEASE.or(TransportDisconnect::USER_ABORT),
            reflect: Bytes::new(),
            user_data,
        },
        "AA" => Spdu::AbortAccept,
        "DT" => Spdu::DataTransfer {
            enclosure: None,
            data: Bytes::from_static(b"data"),
        },
        "GT" => Spdu::GiveTokens {
            tokens: Some(ALL),
            user_data,
        },
        "PT" => Spdu::PleaseTokens {
            tokens: Some(Tokens::DATA),
            user_data,
        },
        "GTC" => Spdu::GiveTokensConfirm(user_data),
        "GTA" => Spdu::GiveTokensAck(user_data),
        "MIP" => Spdu::MinorSyncPoint {
            explicit: true,
            serial: next,
            user_data,
        },
        "MIA" => Spdu::MinorSyncAck {
            serial: Serial::ONE,
            user_data,
        },
        "ED" => Spdu::ExceptionData {
            reason: ExceptionReason::NON_SPECIFIC,
            user_data,
        },
        "ER" => Spdu::ExceptionReport(user_data),
        "AS" => Spdu::ActivityStart {
            identifier: Bytes::from_static(b"1"),
            user_data,
        },
        "AR" => Spdu::ActivityResume(Box::new(spdu::ActivityResume {
            linking: LinkingInformation::default(),
            serial: Serial::ONE,
            identifier: Bytes::from_static(b"2"),
            user_data,
        })),
        "AI" => Spdu::ActivityInterrupt { reason, user_data },
        "AIA" => Spdu::ActivityInterruptAck(user_data),
        "AD" => Spdu::ActivityDiscard { reason, user_data },
        "ADA" => Spdu::ActivityDiscardAck(user_data),
        "AE" => Spdu::ActivityEnd {
            serial: next,
            user_data,
        },
        "AEA" => Spdu::ActivityEndAck {
            serial: next.previous().unwrap_or(Serial::ONE),
            user_data,
        },
        _ => return None,
    })
}

/// A TSDU with one SPDU, before which one of category 0 stands where it needs one.
fn tsdu(spdu: Spdu) -> Bytes {
    let please = Spdu::PleaseTokens {
        tokens: None,
        user_data: Bytes::new(),
    };
    match spdu {
        Spdu::Connect(_)
        | Spdu::Accept(_)
        | Spdu::Refuse(_)
        | Spdu::Finish { .. }
        | Spdu::Disconnect(_)
        | Spdu::Abort { .. }
        | Spdu::AbortAccept
        | Spdu::GiveTokens { .. }
        | Spdu::PleaseTokens { .. }
        | Spdu::GiveTokensConfirm(_)
        | Spdu::GiveTokensAck(_) => spdu::encode(&[spdu]),
        _ => spdu::encode(&[please, spdu]),
    }
}

fn spdu_name(tsdu: &Bytes) -> &'static str {
    match spdu::decode(tsdu).unwrap().last().unwrap() {
        Spdu::Connect(_) => "CN",
        Spdu::Accept(_) => "AC",
        Spdu::Refuse(_) => "RF",
        Spdu::Finish { .. } => "FN",
        Spdu::Disconnect(_) => "DN",
        Spdu::Abort { .. } => "AB",
        Spdu::AbortAccept => "AA",
        Spdu::DataTransfer { .. } => "DT",
        Spdu::GiveTokens { .. } => "GT",
        Spdu::PleaseTokens { .. } => "PT",
        Spdu::GiveTokensConfirm(_) => "GTC",
        Spdu::GiveTokensAck(_) => "GTA",
        Spdu::MinorSyncPoint { .. } => "MIP",
        Spdu::MinorSyncAck { .. } => "MIA",
        Spdu::ExceptionData { .. } => "ED",
        Spdu::ExceptionReport(_) => "ER",
        Spdu::ActivityStart { .. } => "AS",
        Spdu::ActivityResume(_) => "AR",
        Spdu::ActivityInterrupt { .. } => "AI",
        Spdu::ActivityInterruptAck(_) => "AIA",
        Spdu::ActivityDiscard { .. } => "AD",
        Spdu::ActivityDiscardAck(_) => "ADA",
        Spdu::ActivityEnd { .. } => "AE",
        Spdu::ActivityEndAck { .. } => "AEA",
    }
}

/// The name of a request.
pub fn request_name(asked: &Request) -> &'static str {
    let same = |event: &&&str| {
        request(event).is_some_and(|other| discriminant(&other) == discriminant(asked))
    };
    EVENTS.iter().find(same).unwrap()
}

pub fn indication_name(indication: &Indication) -> &'static str {
    match indication {
        Indication::Connect { .. } => "SCONind",
        Indication::Accepted { .. } => "SCONcnf+",
        Indication::Refused(_) => "SCONcnf-",
        Indication::Data(_) => "SDTind",
        Indication::TokenGive(_) => "SGTind",
        Indication::TokenPlease { .. } => "SPTind",
        Indication::ControlGive => "SCGind",
        Indication::MinorSync { .. } => "SSYNmind",
        Indication::MinorSyncAck { .. } => "SSYNmcnf",
        Indication::UserException { .. } => "SUERind",
        Indication::ProviderException(_) => "SPERind",
        Indication::ActivityStart { .. } => "SACTSind",
        Indication::ActivityResume(_) => "SACTRind",
        Indication::ActivityInterrupt { .. } => "SACTIind",
        Indication::ActivityInterruptAck(_) => "SACTIcnf",
        Indication::ActivityDiscard { .. } => "SACTDind",
        Indication::ActivityDiscardAck(_) => "SACTDcnf",
        Indication::ActivityEnd { .. } => "SACTEind",
        Indication::ActivityEndAck { .. } => "SACTEcnf",
        Indication::Release(_) => "SRELind",
        Indication::Released(_) => "SRELcnf+",
        Indication::Abort(_) => "SUABind",
        Indication::ProviderAbort(_) => "SPABind",
    }
}

/// What the user at the other end is told when this is asked.
pub fn indicated(request: Request) -> Indication {
    let version = Versions::V2;
    let serial = Serial::ONE;
    match request {
        Request::Connect(connect) => Indication::Connect { connect, version },
        Request::Accept(accept) => Indication::Accepted { accept, version },
        Request::Refuse(refuse) => Indication::Refused(refuse),
        Request::Data(data) => Indication::Data(data),
        Request::TokenGive(tokens) => Indication::TokenGive(tokens),
        Request::TokenPlease { tokens, user_data } => Indication::TokenPlease { tokens, user_data },
        Request::ControlGive => Indication::ControlGive,
        Request::MinorSync {
            explicit,
            user_data,
        } => Indication::MinorSync {
            serial,
            explicit,
            user_data,
        },
        Request::MinorSyncAck { serial, user_data } => {
            Indication::MinorSyncAck { serial, user_data }
        }
        Request::UserException { reason, user_data } => {
            Indication::UserException { reason, user_data }
        }
        Request::ActivityStart {
            identifier,
            user_data,
        } => Indication::ActivityStart {
            identifier,
            user_data,
        },
        Request::ActivityResume(resume) => Indication::ActivityResume(resume),
        Request::ActivityInterrupt { reason, user_data } => {
            Indication::ActivityInterrupt { reason, user_data }
        }
        Request::ActivityInterruptAck(user_data) => Indication::ActivityInterruptAck(user_data),
        Request::ActivityDiscard { reason, user_data } => {
            Indication::ActivityDiscard { reason, user_data }
        }
        Request::ActivityDiscardAck(user_data) => Indication::ActivityDiscardAck(user_data),
        Request::ActivityEnd(user_data) => Indication::ActivityEnd { serial, user_data },
        Request::ActivityEndAck(user_data) => Indication::ActivityEndAck { serial, user_data },
        Request::Release(user_data) => Indication::Release(user_data),
        Request::ReleaseAck(user_data) => Indication::Released(user_data),
        Request::Abort(user_data) => Indication::Abort(user_data),
    }
}

fn name(out: &Outgoing) -> String {
    match out {
        Outgoing::Transport(request) => match request {
            transport::Request::Connect { .. } => "TCONreq",
            transport::Request::Accept => "TCONrsp",
            transport::Request::Data(tsdu) => spdu_name(tsdu),
            transport::Request::Disconnect(_) => "TDISreq",
        },
        Outgoing::Indication(indication) => indication_name(indication),
    }
    .to_owned()
}

impl Machine for End {
    /// The number of X.225; of STA 713 also where the tokens are, and whether an activity is in
    /// progress.
    fn state(&self) -> String {
        let name = self.session.state().name().trim_start_matches("STA ");
        let name = name.split(' ').next().unwrap().to_owned();
        if name != "713" {
            return name;
        }
        let tokens = match self.session.tokens() {
            ALL => "+",
            Tokens::NONE => "-",
            _ => "±",
        };
        let activity = if self.session.in_activity() { "a" } else { "" };
        name + tokens + activity
    }

    fn happen(&mut self, event: &str) -> Option<Vec<String>> {
        use transport::Indication as Below;
        let none = Bytes::new;
        let next = self.session.next_serial().unwrap();
        let below = match event {
            "TCONind" => Below::Connect {
                called: none(),
                calling: none(),
            },
            "TCONcnf" => Below::Confirm { responding: none() },
            "TDISind" => Below::Disconnect(transport::Disconnect::Closed),
            "no SPDU" => Below::Data(Bytes::from_static(&[0xff])),
            "TIM" => {
                let out = self.session.tick(self.now + Duration::from_secs(86_400));
                return Some(out.iter().map(name).collect());
            }
            event => match (request(event), spdu(event, next)) {
                (Some(request), _) => {
                    let out = self.session.request(request, self.now).ok()?;
                    return Some(out.iter().map(name).collect());
                }
                (None, Some(spdu)) => Below::Data(tsdu(spdu)),
                (None, None) => panic!("{event} is no event of the session layer"),
            },
        };
        let out = self.session.indication(below, self.now);
        Some(out.iter().map(name).collect())
    }
}

#[test]
fn x225_annex_a_every_event_in_every_state() {
    table::check("Session", WAYS, EVENTS, |column| {
        End::new(column == "01C ours")
    });
}
