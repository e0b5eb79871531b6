//! Either side of a captured conversation, played against our transport and session machines.

use std::path::Path;
use std::time::Instant;

use bytes::Bytes;
use libtest_mimic::{Failed, Trial};
use mixgate::osi::session::{
    self, Accept, ActivityResume, Address, Connect, Indication, ProviderAbort, Refuse, Request,
    Session,
};
use mixgate::osi::spdu::{self, FunctionalUnits, Spdu};
use mixgate::osi::tpkt;
use mixgate::osi::transport::tpdu::{self, Tpdu};
use mixgate::osi::transport::{self, Disconnect, Network, Transport};

use crate::capture::{self, Conversation, Side};
use crate::corpus::Corpus;

/// Conversations of X.400, played from both sides.
const PLAYED: &[&str] = &[
    "x400/x400-ping-success.pcap",
    "x400/mta/01-plain88.pcap",
    "x400/mta/02-dr88.pcap",
    "x400/mta/03-plain84.pcap",
    "x400/mta/04-plain-x410.pcap",
    "x400/mta/05-probe88.pcap",
    "x400/mta/06-large88.pcap",
    "x400/mta/10-badauth88.pcap",
    "x400/mta/12-selectors88.pcap",
];

pub fn trials(corpus: &Corpus) -> Vec<Trial> {
    let mut trials = Vec::new();
    for capture in PLAYED {
        let name = format!("session::initiator_of {capture} meets our responder");
        trials.push(corpus.trial(&name, |root| play(root, capture, Side::Responder)));
        let name = format!("session::responder_of {capture} meets our initiator");
        trials.push(corpus.trial(&name, |root| play(root, capture, Side::Initiator)));
    }
    trials
}

/// One of our ends, and what it wrote and was told.
struct End {
    session: Session,
    transport: Transport,
    now: Instant,
    told: Vec<Indication>,
    written: Vec<Bytes>,
}

impl End {
    fn new(session: session::Config, transport: transport::Config) -> Self {
        let now = Instant::now();
        Self {
            session: Session::new(session),
            transport: Transport::new(transport, now),
            now,
            told: vec![],
            written: vec![],
        }
    }

    fn request(&mut self, request: Request) -> Result<(), String> {
        let text = format!("{request:?}");
        let out = self
            .session
            .request(request, self.now)
            .map_err(|fault| format!("{fault}: {text}"))?;
        self.down(out);
        Ok(())
    }

    fn network(&mut self, event: Network) {
        let out = self.transport.network(event, self.now);
        self.up(out);
    }

    fn down(&mut self, outgoing: Vec<session::Outgoing>) {
        for event in outgoing {
            match event {
                session::Outgoing::Indication(indication) => self.told.push(indication),
                session::Outgoing::Transport(request) => {
                    let out = self.transport.request(request, self.now);
                    self.up(out);
                }
            }
        }
    }

    fn up(&mut self, outgoing: Vec<transport::Outgoing>) {
        for event in outgoing {
            match event {
                transport::Outgoing::Octets(octets) => self.written.push(octets),
                transport::Outgoing::Close => {}
                transport::Outgoing::Indication(indication) => {
                    let out = self.session.indication(indication, self.now);
                    self.down(out);
                }
            }
        }
    }
}

/// How the captured octets are cut before they reach our end: it must not matter.
const CUTS: [usize; 3] = [usize::MAX, 1, 700];

/// Plays one side of every conversation of a capture against our machines at the other side.
fn play(root: &Path, name: &str, ours: Side) -> Result<(), Failed> {
    for conversation in capture::conversations(root, name)? {
        for cut in CUTS {
            play_one(&conversation, ours, cut)
                .map_err(|fault| format!("{}, cut at {cut}: {fault}", conversation.name))?;
        }
    }
    Ok(())
}

fn play_one(conversation: &Conversation, ours: Side, cut: usize) -> Result<(), String> {
    let tpdus = conversation.tpdus()?;
    let tsdus = conversation.tsdus()?;
    let Some((_, Tpdu::ConnectionRequest(cr))) = tpdus.first() else {
        return Err("no CR".into());
    };
    let first = tsdus
        .first()
        .and_then(|(_, tsdu)| spdu::decode(tsdu).ok()?.pop());
    let Some(Spdu::Connect(cn)) = &first else {
        return Err("no CONNECT".into());
    };
    let mut session = session::Config::default();
    let mut transport = transport::Config {
        tpdu_size: cr.tpdu_size,
        ..transport::Config::default()
    };
    if ours == Side::Initiator {
        transport.reference = cr.source_reference;
        session.versions = cn.item.versions.unwrap_or(spdu::Versions::V1);
        session.tsdu_maximum = cn.item.tsdu_maximum;
    } else {
        transport.selectors = vec![cr.called.clone().unwrap_or_default()];
        session.selectors = vec![cn.called_selector.clone().unwrap_or_default()];
    }
    let mut end = End::new(session, transport);
    if ours == Side::Initiator {
        end.request(Request::Connect(Box::new(connect(cr, cn))))?;
    }
    // What they wrote goes in; what our side wrote, in their capture, tells what our user asks.
    let mut reader = tpkt::Reader::new(tpkt::LONGEST);
    for (side, octets) in &conversation.flow {
        if *side != ours {
            octets
                .chunks(cut.min(octets.len()))
                .for_each(|chunk| end.network(Network::Octets(Bytes::copy_from_slice(chunk))));
            continue;
        }
        reader.feed(octets);
        while let Some(tpdu) = reader.next_tpdu().map_err(|fault| fault.to_string())? {
            if let Tpdu::Data {
                data,
                end_of_tsdu: true,
            } = Tpdu::decode(tpdu).map_err(|fault| fault.to_string())?
            {
                for request in spdu::decode(&data)
                    .map_err(|fault| fault.to_string())?
                    .into_iter()
                    .filter_map(request)
                {
                    end.request(request)?;
                }
            }
        }
    }
    end.network(Network::Closed);
    check_told(&end.told, &tsdus, ours)?;
    compare(conversation, ours, &end.written)
}

fn connect(cr: &tpdu::Connect, cn: &spdu::Connect) -> Connect {
    let address = |transport: &Option<Bytes>, selector: &Option<Bytes>| Address {
        transport_selector: transport.clone().unwrap_or_default(),
        selector: selector.clone().unwrap_or_default(),
    };
    Connect {
        identifier: cn.identifier.clone(),
        calling: address(&cr.calling, &cn.calling_selector),
        called: address(&cr.called, &cn.called_selector),
        functional_units: cn.functional_units.unwrap_or(FunctionalUnits::DEFAULT),
        initial_serial: cn.item.initial_serial,
        token_setting: cn.item.token_setting.unwrap_or_default(),
        user_data: cn.user_data.clone(),
    }
}

/// The request that makes our machine send an SPDU; CONNECT was asked for before.
fn request(spdu: Spdu) -> Option<Request> {
    Some(match spdu {
        Spdu::Connect(_) => return None,
        Spdu::Accept(ac) => Request::Accept(Box::new(Accept {
            identifier: ac.identifier,
            responding: ac.called_selector.unwrap_or_default(),
            functional_units: ac.functional_units.unwrap_or(FunctionalUnits::DEFAULT),
            initial_serial: ac.item.initial_serial,
            token_setting: ac.item.token_setting.unwrap_or_default(),
            tokens_wanted: ac.tokens.unwrap_or_default(),
            user_data: ac.user_data,
        })),
        Spdu::Refuse(rf) => Request::Refuse(Refuse {
            identifier: rf.identifier,
            reason: rf.reason,
        }),
        Spdu::Finish { user_data, .. } => Request::Release(user_data),
        Spdu::Disconnect(user_data) => Request::ReleaseAck(user_data),
        Spdu::DataTransfer { data, .. } => Request::Data(data),
        Spdu::MinorSyncPoint {
            explicit,
            user_data,
            ..
        } => Request::MinorSync {
            explicit,
            user_data,
        },
        Spdu::MinorSyncAck { serial, user_data } => Request::MinorSyncAck { serial, user_data },
        Spdu::ActivityStart {
            identifier,
            user_data,
        } => Request::ActivityStart {
            identifier,
            user_data,
        },
        Spdu::ActivityResume(ar) => Request::ActivityResume(Box::new(ActivityResume {
            identifier: ar.identifier,
            old: ar.linking,
            serial: ar.serial,
            user_data: ar.user_data,
        })),
        Spdu::ActivityEnd { user_data, .. } => Request::ActivityEnd(user_data),
        Spdu::ActivityEndAck { user_data, .. } => Request::ActivityEndAck(user_data),
        _ => return None,
    })
}

/// Our user was told one thing for every SPDU they sent, and nothing went wrong; of a connection
/// that was not released, its loss besides.
fn check_told(told: &[Indication], tsdus: &[(Side, Bytes)], ours: Side) -> Result<(), String> {
    let sent = tsdus.iter().filter(|(side, _)| *side != ours).count();
    let last = tsdus
        .last()
        .and_then(|(_, tsdu)| spdu::decode(tsdu).ok()?.pop());
    let released = matches!(last, Some(Spdu::Disconnect(_) | Spdu::Refuse(_)));
    let lost = Indication::ProviderAbort(ProviderAbort::Transport(Disconnect::Closed));
    let (told, lost) = match told {
        [told @ .., last] if *last == lost => (told, true),
        told => (told, false),
    };
    if told.len() != sent || lost == released {
        return Err(format!(
            "{sent} SPDUs, {} indications, lost: {lost}, the last {:?}",
            told.len(),
            told.last()
        ));
    }
    match told.iter().find(|indication| {
        matches!(
            indication,
            Indication::ProviderAbort(_) | Indication::Abort(_)
        )
    }) {
        Some(fault) => Err(format!("{fault:?}")),
        None => Ok(()),
    }
}

/// What our end wrote is what its double in the capture wrote, but for references and what was negotiated.
fn compare(conversation: &Conversation, ours: Side, written: &[Bytes]) -> Result<(), String> {
    let flow = written
        .iter()
        .map(|octets| (ours, octets.clone()))
        .collect();
    let ourselves = Conversation {
        name: "ours".into(),
        flow,
    };
    let theirs = conversation
        .tpdus()?
        .into_iter()
        .find(|(side, _)| *side == ours);
    match (ourselves.tpdus()?.into_iter().next(), theirs) {
        (Some((_, Tpdu::ConnectionRequest(our))), Some((_, Tpdu::ConnectionRequest(their))))
            if our == their => {}
        (Some((_, Tpdu::ConnectionConfirm(our))), Some((_, Tpdu::ConnectionConfirm(their))))
            if (our.destination_reference, our.class, our.tpdu_size)
                == (their.destination_reference, their.class, their.tpdu_size) => {}
        (our, their) => return Err(format!("{our:?} for {their:?}")),
    }
    let theirs: Vec<Bytes> = conversation
        .tsdus()?
        .into_iter()
        .filter(|(side, _)| *side == ours)
        .map(|(_, tsdu)| tsdu)
        .collect();
    let ours: Vec<Bytes> = ourselves
        .tsdus()?
        .into_iter()
        .map(|(_, tsdu)| tsdu)
        .collect();
    if ours.len() != theirs.len() {
        return Err(format!("{} TSDUs for {}", ours.len(), theirs.len()));
    }
    for (our, their) in ours.iter().zip(&theirs) {
        if our == their {
            continue;
        }
        let (our, mut their) = (
            spdu::decode(our).map_err(|fault| fault.to_string())?,
            spdu::decode(their).map_err(|fault| fault.to_string())?,
        );
        // An empty selector says as much as none.
        if let [Spdu::Accept(accept)] = &mut their[..] {
            accept.called_selector = accept
                .called_selector
                .take()
                .filter(|selector| !selector.is_empty());
        }
        if our != their {
            return Err(format!("{our:?} for {their:?}"));
        }
    }
    Ok(())
}
