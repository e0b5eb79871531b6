//! Our end of a P1 conversation: the whole stack, with a user that does what P1 wants.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use mixgate::asn1;
use mixgate::asn1::acse::AcseApdu;
use mixgate::asn1::external::{Encoding, ExternalValue};
use mixgate::asn1::presentation::{CpType, CpaPpdu, PresentationDataValues, UserData};
use mixgate::asn1::rtse::{ConnectionData, RtseApdus};
use mixgate::osi::rtse::{Indication, Open, Request};
use mixgate::osi::spdu::{self, Spdu};
use mixgate::osi::stack::{Network, Outgoing, Stack};
use mixgate::osi::transport::TpduSize;
use mixgate::osi::transport::tpdu::Tpdu;
use mixgate::x400::bind::{self, Bind};
use mixgate::x400::config::Mode;
use mixgate::x400::transfer::{Bounds, Reader, SUFFIX, prefix};
use mixgate::x400::{Config, Directory, Peer};

use crate::capture::{Conversation, Side};

/// What our end is willing to do, where that is not what its double did.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// The checkpoint and window sizes, else those of a configuration that says nothing.
    pub points: Option<(u8, u8)>,
    /// The TPDU size, else the one proposed in the conversation.
    pub tpdu_size: Option<TpduSize>,
    /// The TSDU sizes, else none.
    pub tsdu_maximum: Option<(u16, u16)>,
    /// Whether the user keeps what it is to secure or take until [`End::secure`].
    pub slow: bool,
}

/// One of our ends.
pub struct End {
    stack: Stack,
    now: Instant,
    directory: Directory,
    told: VecDeque<Indication>,
    pub written: Vec<Bytes>,
    /// What is to be sent, wrapped.
    sending: Bytes,
    reader: Option<Reader>,
    slow: bool,
    /// The points a slow user has not secured.
    pub points: VecDeque<u32>,
    /// Whether a slow user has an APDU to take.
    complete: bool,
    pub arrived: Vec<u8>,
    /// Transfers confirmed or taken.
    pub transfers: usize,
    pub closed: bool,
    pub faults: Vec<String>,
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

    pub fn ask(&mut self, request: Request) {
        match self.stack.request(request, self.now) {
            Ok(out) => self.take(out),
            Err(misuse) => self.faults.push(misuse.to_string()),
        }
    }

    pub fn network(&mut self, event: Network) {
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
                match self.directory.judge(&open, from, &[]) {
                    Ok(welcome) => self.ask(Request::OpenResponse(welcome.response)),
                    Err(unwelcome) => self.faults.push(unwelcome.explanation),
                }
            }
            Indication::OpenConfirm(Ok(opened)) => {
                let peer = &self.directory.config().peer[0];
                if let Err(fault) = self.directory.judge_responder(peer, &opened.user_data) {
                    self.faults.push(fault.to_string());
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
            Indication::Checkpoint { point } => {
                self.points.push_back(point);
                if !self.slow {
                    self.secure(usize::MAX);
                }
            }
            Indication::Transfer => match self.reader.take().map(Reader::finish) {
                Some(Ok(_)) => {
                    self.complete = true;
                    if !self.slow {
                        self.take_apdu();
                    }
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

impl End {
    /// A slow user secures so many points, each for itself.
    pub fn secure(&mut self, points: usize) {
        for _ in 0..points.min(self.points.len()) {
            if let Some(point) = self.points.pop_front() {
                self.ask(Request::Secured { point });
            }
        }
    }

    /// A slow user secures everything at once, and says so of the last point.
    pub fn secure_newest(&mut self) {
        if let Some(point) = self.points.pop_back() {
            self.points.clear();
            self.ask(Request::Secured { point });
        }
    }

    /// A slow user takes the APDU, if it is complete.
    pub fn take_apdu(&mut self) {
        if std::mem::take(&mut self.complete) {
            self.transfers += 1;
            self.ask(Request::TransferResponse);
        }
    }
}

fn reader() -> Reader {
    Reader::new(Bounds {
        apdu: 1 << 30,
        envelope: 1 << 20,
        depth: 64,
    })
}

/// What a side says of itself in its bind.
fn bind_of(octets: &Bytes) -> Result<Bind, String> {
    let bind = bind::read_argument(octets).or_else(|_| bind::read_result(octets));
    bind.map_err(|fault| fault.to_string())
}

/// The words and the layers of an opening TSDU; what nests is taken out of what it nests in. X.410
/// mode has no ACSE.
pub struct Opening {
    pub presentation: String,
    pub acse: String,
    pub rtse: String,
    pub bind: Bind,
}

pub fn opening(tsdu: &Bytes) -> Result<Opening, String> {
    let spdu = spdu::decode(tsdu).map_err(|fault| fault.to_string())?.pop();
    let shown = |fault: asn1::DecodeError| fault.to_string();
    let (presentation, user_data) = match spdu {
        Some(Spdu::Connect(connect)) => {
            let mut cp: CpType = asn1::decode(&connect.user_data).map_err(shown)?;
            if let Some(mut rtorq) = cp.x410_mode_parameters.take() {
                // One known system swaps the octets of the number.
                rtorq.applicationprotocol = rtorq
                    .applicationprotocol
                    .map(|number| if number == 0x0c00 { 12 } else { number });
                return of_rtse(
                    format!("{cp:?}"),
                    String::new(),
                    RtseApdus::RtorqApdu(rtorq),
                );
            }
            let parameters = cp.normal_mode_parameters.as_mut().ok_or("no normal mode")?;
            let user_data = parameters.user_data.take();
            (format!("{cp:?}"), user_data)
        }
        Some(Spdu::Accept(accept)) => {
            let mut cpa: CpaPpdu = asn1::decode(&accept.user_data).map_err(shown)?;
            if let Some(rtoac) = cpa.x410_mode_parameters.take() {
                return of_rtse(
                    format!("{cpa:?}"),
                    String::new(),
                    RtseApdus::RtoacApdu(rtoac),
                );
            }
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
    of_rtse(presentation, acse, value.decode().map_err(shown)?)
}

/// The rest of an opening, from the APDU of RTSE in it.
fn of_rtse(presentation: String, acse: String, mut rtse: RtseApdus) -> Result<Opening, String> {
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

/// The CONNECT SPDU of a conversation.
pub fn connect(conversation: &Conversation) -> Result<spdu::Connect, String> {
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

/// The variant of P1 that a caller speaks; `None`: it is not P1.
pub fn variant(connect: &spdu::Connect) -> Option<Mode> {
    let cp: CpType = asn1::decode(&connect.user_data).ok()?;
    match cp.x410_mode_parameters {
        None => cp.normal_mode_parameters.map(|_| Mode::Normal),
        Some(rtorq) => match rtorq.applicationprotocol {
            Some(1) => Some(Mode::Of1984),
            Some(12 | 0x0c00) => Some(Mode::X410),
            _ => None,
        },
    }
}

/// Our end for a conversation: with the names, passwords and selectors of its double.
pub fn end(
    conversation: &Conversation,
    apdu: &Bytes,
    ours: Side,
    terms: &Terms,
) -> Result<(End, Open), String> {
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
    let mode = variant(&connect).ok_or("no P1")?;
    let peer = Peer {
        name: "double".to_owned(),
        mode,
        mta: them.mta,
        password_file: file("ours", &us.password)?,
        peer_password_file: file("theirs", &them.password)?,
        ..Peer::default()
    };
    let mut config = Config {
        peer: vec![peer],
        ..Config::default()
    };
    if let Some(points) = terms.points {
        (config.checkpoint_size, config.window_size) = points;
    }
    let directory = Directory::new(config, &us.mta).map_err(|fault| fault.to_string())?;
    let called = (ours == Side::Initiator).then(|| &directory.config().peer[0]);
    let mut stack = directory.stack(called);
    stack.transport.tpdu_size = terms.tpdu_size.unwrap_or(cr.tpdu_size);
    stack.session.tsdu_maximum = terms.tsdu_maximum;
    if ours == Side::Initiator {
        stack.transport.reference = cr.source_reference;
    }
    let cp: CpType = asn1::decode(&connect.user_data).map_err(|fault| fault.to_string())?;
    let parameters = cp.normal_mode_parameters.unwrap_or_default();
    let mut open = directory
        .open(&directory.config().peer[0], "051001144852Z")
        .map_err(|failure| failure.what)?;
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
    let sending = match (apdu.is_empty(), mode) {
        (false, Mode::Normal) => [&prefix(5)[..], apdu, &SUFFIX].concat().into(),
        _ => apdu.clone(),
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
        slow: terms.slow,
        points: VecDeque::new(),
        complete: false,
        arrived: Vec::new(),
        transfers: 0,
        closed: false,
        faults: Vec::new(),
    };
    Ok((end, open))
}
