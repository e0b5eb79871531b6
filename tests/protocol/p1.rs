//! Either side of captured P1 conversations in normal mode, played against our whole stack.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use bytes::Bytes;
use libtest_mimic::{Failed, Trial};
use mixgate::asn1;
use mixgate::asn1::acse::AcseApdu;
use mixgate::asn1::external::{Encoding, ExternalValue};
use mixgate::asn1::presentation::{CpType, CpaPpdu, PresentationDataValues, UserData};
use mixgate::asn1::rtse::{ConnectionData, RtseApdus};
use mixgate::osi::rtse::{Indication, Open, Request};
use mixgate::osi::spdu::{self, FunctionalUnits, Spdu};
use mixgate::osi::stack::{Network, Outgoing, Stack};
use mixgate::osi::transport::tpdu::Tpdu;
use mixgate::x400::bind::{self, Bind};
use mixgate::x400::transfer::{Bounds, Reader, SUFFIX, prefix};
use mixgate::x400::{Config, Directory, Peer};

use crate::capture::{self, Conversation, Side};
use crate::corpus::Corpus;

/// The captures, and the bare APDU that each conversation of theirs transfers.
const PLAYED: &[(&str, &[&str])] = &[
    ("x400/x400-ping-success.pcap", &[""]),
    (
        "x400/mta/01-plain88.pcap",
        &["x400/mta/01-plain88-1.p1-message.ber"],
    ),
    (
        "x400/mta/02-dr88.pcap",
        &[
            "x400/mta/02-dr88-1.p1-message.ber",
            "x400/mta/02-dr88-2.p1-report.ber",
        ],
    ),
    (
        "x400/mta/05-probe88.pcap",
        &["x400/mta/05-probe88-1.p1-probe.ber"],
    ),
    (
        "x400/mta/06-large88.pcap",
        &["x400/mta/06-large88-1.p1-message.ber"],
    ),
    ("x400/mta/12-selectors88.pcap", &[""]),
];

pub fn trials(corpus: &Corpus) -> Vec<Trial> {
    let mut trials = Vec::new();
    for &(capture, apdus) in PLAYED {
        let name = format!("p1::initiator_of {capture} delivers to our responder");
        trials.push(corpus.trial(&name, move |root| {
            play(root, capture, apdus, Side::Responder)
        }));
        let name = format!("p1::responder_of {capture} takes what our initiator sends");
        trials.push(corpus.trial(&name, move |root| {
            play(root, capture, apdus, Side::Initiator)
        }));
    }
    let name = "p1::responder_of x400/mta/10-badauth88.pcap refuses our initiator";
    trials.push(corpus.trial(name, refused));
    trials
}

/// Plays one side of every P1 conversation of a capture.
fn play(root: &Path, name: &str, apdus: &[&str], ours: Side) -> Result<(), Failed> {
    let conversations: Vec<_> = capture::conversations(root, name)?
        .into_iter()
        .filter(is_p1)
        .collect();
    if conversations.len() != apdus.len() {
        return Err(format!("{} P1 conversations", conversations.len()).into());
    }
    // The order of conversations in a capture need not be that of the files.
    let mut left = Vec::new();
    for apdu in apdus {
        left.push(match *apdu {
            "" => Bytes::new(),
            path => std::fs::read(root.join(path))?.into(),
        });
    }
    for conversation in &conversations {
        let carried = transferred(conversation)?;
        let at = left.iter().position(|apdu| *apdu == carried);
        left.remove(at.ok_or("an APDU that is in no file")?);
        for cut in [usize::MAX, 1, 700] {
            let fault = |fault: String| format!("{}, cut at {cut}: {fault}", conversation.name);
            play_one(conversation, &carried, ours, cut).map_err(fault)?;
        }
    }
    Ok(())
}

/// The CONNECT SPDU of a conversation.
fn connect(conversation: &Conversation) -> Result<spdu::Connect, String> {
    let tsdus = conversation.tsdus()?;
    let (_, first) = tsdus.first().ok_or("no TSDU")?;
    match spdu::decode(first)
        .map_err(|fault| fault.to_string())?
        .pop()
    {
        Some(Spdu::Connect(connect)) => Ok(*connect),
        other => Err(format!("{other:?} for a CONNECT")),
    }
}

fn is_p1(conversation: &Conversation) -> bool {
    let Ok(connect) = connect(conversation) else {
        return false;
    };
    connect.functional_units == Some(FunctionalUnits::RTSE)
        && asn1::decode::<CpType>(&connect.user_data)
            .is_ok_and(|cp| cp.normal_mode_parameters.is_some())
}

fn reader() -> Reader {
    Reader::new(Bounds {
        apdu: 1 << 30,
        envelope: 1 << 20,
        depth: 64,
    })
}

/// The bare APDU in the data of a conversation, read by hand: RTTRs of indefinite-length PDV lists.
fn transferred(conversation: &Conversation) -> Result<Bytes, String> {
    let mut whole = Vec::new();
    for (side, tsdu) in conversation.tsdus()? {
        let spdus = spdu::decode(&tsdu).map_err(|fault| fault.to_string())?;
        for spdu in spdus {
            if let (Spdu::DataTransfer { data, .. }, Side::Initiator) = (spdu, side) {
                let start = [0x61, 0x80, 0x30, 0x80, 2, 1, 3, 0xa0, 0x80, 4];
                let rttr = data.strip_prefix(&start).ok_or("another form of data")?;
                let rttr = match rttr {
                    [0x82, high, low, rest @ ..] => {
                        &rest[..usize::from(*high) << 8 | usize::from(*low)]
                    }
                    _ => return Err("another form of length".into()),
                };
                whole.extend_from_slice(rttr);
            }
        }
    }
    let apdu = whole.strip_prefix(&prefix(5)[..]).unwrap_or_default();
    Ok(Bytes::copy_from_slice(
        apdu.strip_suffix(&SUFFIX[..]).unwrap_or_default(),
    ))
}

/// One of our ends, with a user that does what P1 wants.
struct End {
    stack: Stack,
    now: Instant,
    directory: Directory,
    told: VecDeque<Indication>,
    written: Vec<Bytes>,
    /// What is to be sent, wrapped.
    sending: Bytes,
    reader: Option<Reader>,
    arrived: Vec<u8>,
    /// Transfers confirmed or taken.
    transfers: usize,
    closed: bool,
    faults: Vec<String>,
}

impl End {
    fn take(&mut self, out: Vec<Outgoing>) {
        for event in out {
            match event {
                Outgoing::Octets(octets) => self.written.push(octets),
                Outgoing::Indication(indication) => self.told.push_back(indication),
                Outgoing::Close => {}
            }
        }
    }

    fn ask(&mut self, request: Request) {
        match self.stack.request(request, self.now) {
            Ok(out) => self.take(out),
            Err(misuse) => self.faults.push(misuse.to_string()),
        }
    }

    fn network(&mut self, event: Network) {
        let out = self.stack.network(event, self.now);
        self.take(out);
        while let Some(told) = self.told.pop_front() {
            self.answer(told);
        }
    }

    /// What a user of P1 does next.
    fn answer(&mut self, told: Indication) {
        match told {
            Indication::Open(open) => {
                let from: SocketAddr = ([127, 0, 0, 1], 1024).into();
                match self.directory.judge(&open, from) {
                    Ok(welcome) => self.ask(Request::OpenResponse(welcome.response)),
                    Err(unwelcome) => self.faults.push(unwelcome.explanation),
                }
            }
            Indication::OpenConfirm(Ok(opened)) => {
                let peer = &self.directory.config().peer[0];
                if let Err(fault) = self.directory.judge_responder(peer, &opened.user_data) {
                    self.faults.push(fault);
                }
                if self.sending.is_empty() {
                    self.ask(Request::Close);
                } else {
                    self.ask(Request::Transfer);
                }
            }
            Indication::Pull { octets } => {
                let octets = self.sending.split_to(octets.min(self.sending.len()));
                let last = self.sending.is_empty();
                self.ask(Request::Octets { octets, last });
            }
            Indication::TransferConfirm(Ok(())) => {
                self.transfers += 1;
                self.ask(Request::Close);
            }
            Indication::TransferBegin { .. } => self.reader = Some(reader()),
            Indication::Octets(octets) => match self.reader.as_mut().map(|r| r.push(octets)) {
                Some(Ok(octets)) => self.arrived.extend(octets.concat()),
                other => self.faults.push(format!("{other:?}")),
            },
            Indication::Checkpoint { point } => self.ask(Request::Secured { point }),
            Indication::Transfer => match self.reader.take().map(Reader::finish) {
                Some(Ok(_)) => {
                    self.transfers += 1;
                    self.ask(Request::TransferResponse);
                }
                other => self.faults.push(format!("{other:?}")),
            },
            Indication::Close => {
                self.closed = true;
                self.ask(Request::CloseResponse);
            }
            Indication::CloseConfirm => self.closed = true,
            other => self.faults.push(format!("{other:?}")),
        }
    }
}

/// What a side says of itself in its bind.
fn bind_of(octets: &Bytes) -> Result<Bind, String> {
    let bind = bind::read_argument(octets).or_else(|_| bind::read_result(octets));
    bind.map_err(|fault| fault.to_string())
}

/// The words and the layers of an opening TSDU; what nests is taken out of what it nests in.
struct Opening {
    presentation: String,
    acse: String,
    rtse: String,
    bind: Bind,
}

fn opening(tsdu: &Bytes) -> Result<Opening, String> {
    let spdu = spdu::decode(tsdu).map_err(|fault| fault.to_string())?.pop();
    let shown = |fault: asn1::DecodeError| fault.to_string();
    let (presentation, user_data) = match spdu {
        Some(Spdu::Connect(connect)) => {
            let mut cp: CpType = asn1::decode(&connect.user_data).map_err(shown)?;
            let parameters = cp.normal_mode_parameters.as_mut().ok_or("no normal mode")?;
            let user_data = parameters.user_data.take();
            (format!("{cp:?}"), user_data)
        }
        Some(Spdu::Accept(accept)) => {
            let mut cpa: CpaPpdu = asn1::decode(&accept.user_data).map_err(shown)?;
            let parameters = cpa
                .normal_mode_parameters
                .as_mut()
                .ok_or("no normal mode")?;
            let user_data = parameters.user_data.take();
            (format!("{cpa:?}"), user_data)
        }
        other => return Err(format!("{other:?} opens nothing")),
    };
    let Some(UserData::FullyEncodedData(lists)) = user_data else {
        return Err("no data".into());
    };
    let [list] = lists.as_slice() else {
        return Err("not one value".into());
    };
    let PresentationDataValues::SingleASN1Type(value) = &list.presentation_data_values else {
        return Err("another form of value".into());
    };
    let mut acse: AcseApdu = value.decode().map_err(shown)?;
    let information = match &mut acse {
        AcseApdu::Aarq(aarq) => aarq.user_information.take(),
        AcseApdu::Aare(aare) => aare.user_information.take(),
        _ => None,
    };
    let Some([external]) = information.as_deref() else {
        return Err("no information".into());
    };
    let ExternalValue {
        encoding: Encoding::SingleASN1Type(value),
        ..
    } = external
    else {
        return Err("another form of information".into());
    };
    let references = (&external.direct_reference, &external.indirect_reference);
    let acse = format!("{acse:?} {references:?}");
    let mut rtse: RtseApdus = value.decode().map_err(shown)?;
    let data = match &mut rtse {
        RtseApdus::RtorqApdu(rtorq) => &mut rtorq.connectiondatarq,
        RtseApdus::RtoacApdu(rtoac) => {
            // What the responder chose is its own affair.
            (rtoac.checkpointsize, rtoac.windowsize) = (0, 0);
            &mut rtoac.connectiondataac
        }
        other => return Err(format!("{other:?} opens nothing")),
    };
    let ConnectionData::Open(data) = std::mem::take(data) else {
        return Err("recovery".into());
    };
    let bind = bind_of(&data.0.ok_or("no bind")?.0)?;
    Ok(Opening {
        presentation,
        acse,
        rtse: format!("{rtse:?}"),
        bind,
    })
}

/// Our end for a conversation: with the names, passwords and selectors of its double.
fn end(conversation: &Conversation, apdu: &Bytes, ours: Side) -> Result<(End, Open), String> {
    let connect = connect(conversation)?;
    let tsdus = conversation.tsdus()?;
    let said = |side| {
        let tsdu = tsdus
            .iter()
            .find(|(by, _)| *by == side)
            .map(|(_, tsdu)| tsdu);
        opening(tsdu.ok_or("nothing said")?).map(|opening| opening.bind)
    };
    let us = said(ours)?;
    let them = said(match ours {
        Side::Initiator => Side::Responder,
        Side::Responder => Side::Initiator,
    })?;
    let tpdus = conversation.tpdus()?;
    let Some((_, Tpdu::ConnectionRequest(cr))) = tpdus.first() else {
        return Err("no CR".into());
    };
    let folder = tempfile::tempdir().map_err(|fault| fault.to_string())?;
    let file = |name: &str, password: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, password).map_err(|fault| fault.to_string())?;
        Ok::<_, String>(Some(path))
    };
    let peer = Peer {
        name: "double".to_owned(),
        mta: them.mta,
        password_file: file("ours", &us.password)?,
        peer_password_file: file("theirs", &them.password)?,
        ..Peer::default()
    };
    let config = Config {
        peer: vec![peer],
        ..Config::default()
    };
    let directory = Directory::new(config, &us.mta).map_err(|fault| fault.to_string())?;
    let mut stack = directory.stack(ours == Side::Responder);
    stack.transport.tpdu_size = cr.tpdu_size;
    if ours == Side::Initiator {
        stack.transport.reference = cr.source_reference;
    }
    let cp: CpType = asn1::decode(&connect.user_data).map_err(|fault| fault.to_string())?;
    let parameters = cp.normal_mode_parameters.unwrap_or_default();
    let mut open = directory.open(&directory.config().peer[0], "051001144852Z");
    open.called.p = parameters
        .called_presentation_selector
        .unwrap_or_default()
        .0;
    open.called.s = connect.called_selector.clone().unwrap_or_default();
    open.called.t = cr.called.clone().unwrap_or_default();
    open.calling.p = parameters
        .calling_presentation_selector
        .unwrap_or_default()
        .0;
    open.calling.s = connect.calling_selector.clone().unwrap_or_default();
    open.calling.t = cr.calling.clone().unwrap_or_default();
    let sending = match apdu.is_empty() {
        true => Bytes::new(),
        false => [&prefix(5)[..], apdu, &SUFFIX].concat().into(),
    };
    let now = Instant::now();
    let end = End {
        stack: Stack::new(stack, now),
        now,
        directory,
        told: VecDeque::new(),
        written: Vec::new(),
        sending,
        reader: None,
        arrived: Vec::new(),
        transfers: 0,
        closed: false,
        faults: Vec::new(),
    };
    Ok((end, open))
}

fn play_one(
    conversation: &Conversation,
    apdu: &Bytes,
    ours: Side,
    cut: usize,
) -> Result<(), String> {
    let (mut end, open) = end(conversation, apdu, ours)?;
    if ours == Side::Initiator {
        end.ask(Request::Open(Box::new(open)));
    }
    for (side, octets) in &conversation.flow {
        if *side != ours {
            for piece in octets.chunks(cut.min(octets.len()).max(1)) {
                end.network(Network::Octets(Bytes::copy_from_slice(piece)));
            }
        }
    }
    if !end.faults.is_empty() {
        return Err(format!("{:?}", end.faults));
    }
    if ours == Side::Responder && end.arrived != **apdu {
        return Err(format!(
            "{} octets arrived of {}",
            end.arrived.len(),
            apdu.len()
        ));
    }
    if (end.transfers, end.closed) != (usize::from(!apdu.is_empty()), true) {
        return Err(format!(
            "{} transfers, closed: {}",
            end.transfers, end.closed
        ));
    }
    compare(conversation, ours, &end.written)
}

/// What our end wrote is what its double in the capture wrote, but for names, references, times and
/// what was negotiated.
fn compare(conversation: &Conversation, ours: Side, written: &[Bytes]) -> Result<(), String> {
    let flow = written
        .iter()
        .map(|octets| (ours, octets.clone()))
        .collect();
    let said = Conversation {
        name: "ours".into(),
        flow,
    }
    .tsdus()?;
    let double: Vec<_> = conversation
        .tsdus()?
        .into_iter()
        .filter(|(side, _)| *side == ours)
        .collect();
    if said.len() != double.len() {
        return Err(format!("{} TSDUs for {}", said.len(), double.len()));
    }
    for (at, ((_, our), (_, their))) in said.iter().zip(&double).enumerate() {
        if at > 0 {
            if our != their {
                return Err(format!("TSDU {at}: {our:?} for {their:?}"));
            }
            continue;
        }
        let (our, their) = (opening(our)?, opening(their)?);
        for (our, their) in [
            (our.presentation, their.presentation),
            (our.acse, their.acse),
            (our.rtse, their.rtse),
            (our.bind.mta, their.bind.mta),
        ] {
            if our != their {
                return Err(format!("{our} for {their}"));
            }
        }
        if our.bind.password != their.bind.password {
            return Err("another password".into());
        }
    }
    Ok(())
}

/// A real responder refuses a password: our initiator says so, in its words.
fn refused(root: &Path) -> Result<(), Failed> {
    let conversations = capture::conversations(root, "x400/mta/10-badauth88.pcap")?;
    let conversation = conversations
        .iter()
        .find(|c| is_p1(c))
        .ok_or("no P1 conversation")?;
    let connect = connect(conversation)?;
    let tpdus = conversation.tpdus()?;
    let Some((_, Tpdu::ConnectionRequest(cr))) = tpdus.first() else {
        return Err("no CR".into());
    };
    let peer = Peer {
        name: "double".to_owned(),
        ..Peer::default()
    };
    let config = Config {
        peer: vec![peer],
        ..Config::default()
    };
    let directory = Directory::new(config, "MTA-A")?;
    let mut stack = directory.stack(false);
    stack.transport.reference = cr.source_reference;
    let now = Instant::now();
    let mut stack = Stack::new(stack, now);
    let mut open = directory.open(&directory.config().peer[0], "261122050138Z");
    open.called.t = cr.called.clone().unwrap_or_default();
    open.identifier = connect.identifier.unwrap_or_default();
    stack.request(Request::Open(Box::new(open)), now)?;
    let mut told = Vec::new();
    for (side, octets) in &conversation.flow {
        if *side == Side::Responder {
            for out in stack.network(Network::Octets(octets.clone()), now) {
                if let Outgoing::Indication(indication) = out {
                    told.push(indication);
                }
            }
        }
    }
    let [Indication::OpenConfirm(Err(refused))] = told.as_slice() else {
        return Err(format!("{told:?}").into());
    };
    let words = mixgate::x400::association::refusal(refused);
    if refused.transient || !words.contains("authentication-error") {
        return Err(words.into());
    }
    Ok(())
}
