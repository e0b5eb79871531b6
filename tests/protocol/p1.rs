//! Either side of captured P1 conversations, in each variant, played against our whole stack.

use std::path::Path;
use std::time::Instant;

use bytes::Bytes;
use libtest_mimic::{Failed, Trial};
use mixgate::osi::rtse::{Indication, Request};
use mixgate::osi::spdu::{self, FunctionalUnits, Spdu};
use mixgate::osi::stack::{Network, Outgoing, Stack};
use mixgate::osi::transport::tpdu::Tpdu;
use mixgate::x400::config::Mode;
use mixgate::x400::failure::Failure;
use mixgate::x400::transfer::{SUFFIX, prefix};
use mixgate::x400::{Config, Directory, Peer};

use crate::capture::{self, Conversation, Side};
use crate::corpus::Corpus;
use crate::end::{Terms, connect, end, opening, variant};

/// The captures, and the bare APDU that each conversation of theirs transfers.
pub const PLAYED: &[(&str, &[&str])] = &[
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

/// The same for the captures in which X.410 mode is spoken.
const PLAYED_IN_X410: &[(&str, &[&str])] = &[
    (
        "x400/mta/03-plain84.pcap",
        &["x400/mta/03-plain84-1.p1-message.ber"],
    ),
    (
        "x400/mta/04-plain-x410.pcap",
        &["x400/mta/04-plain-x410-1.p1-message.ber"],
    ),
];

pub fn trials(corpus: &Corpus) -> Vec<Trial> {
    let mut trials = Vec::new();
    let normal = PLAYED.iter().map(|played| (played, is_p1 as Wanted));
    let x410 = PLAYED_IN_X410
        .iter()
        .map(|played| (played, is_x410 as Wanted));
    for (&(capture, apdus), wanted) in normal.chain(x410) {
        let name = format!("p1::initiator_of {capture} delivers to our responder");
        trials.push(corpus.trial(&name, move |root| {
            play(root, capture, apdus, wanted, Side::Responder)
        }));
        let name = format!("p1::responder_of {capture} takes what our initiator sends");
        trials.push(corpus.trial(&name, move |root| {
            play(root, capture, apdus, wanted, Side::Initiator)
        }));
    }
    let name = "p1::responder_of x400/mta/10-badauth88.pcap refuses our initiator";
    trials.push(corpus.trial(name, refused));
    trials
}

/// The P1 conversations of a capture in normal mode, and the bare APDU each transfers.
pub fn conversations(
    root: &Path,
    name: &str,
    apdus: &[&str],
) -> Result<Vec<(Conversation, Bytes)>, Failed> {
    wanted(root, name, apdus, is_p1)
}

/// Which conversations of a capture are wanted.
type Wanted = fn(&Conversation) -> bool;

fn wanted(
    root: &Path,
    name: &str,
    apdus: &[&str],
    wanted: Wanted,
) -> Result<Vec<(Conversation, Bytes)>, Failed> {
    let conversations: Vec<_> = capture::conversations(root, name)?
        .into_iter()
        .filter(wanted)
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
    let mut found = Vec::new();
    for conversation in conversations {
        let carried = transferred(&conversation)?;
        let at = left.iter().position(|apdu| *apdu == carried);
        left.remove(at.ok_or("an APDU that is in no file")?);
        found.push((conversation, carried));
    }
    Ok(found)
}

/// Plays one side of every P1 conversation of a capture.
fn play(root: &Path, name: &str, apdus: &[&str], which: Wanted, ours: Side) -> Result<(), Failed> {
    for (conversation, apdu) in wanted(root, name, apdus, which)? {
        for cut in [usize::MAX, 1, 700] {
            let fault = |fault: String| format!("{}, cut at {cut}: {fault}", conversation.name);
            let (flow, terms) = (&conversation.flow, Terms::default());
            play_one(&conversation, flow, &apdu, ours, &terms, cut).map_err(fault)?;
        }
    }
    Ok(())
}

fn is_p1(conversation: &Conversation) -> bool {
    spoken(conversation) == Some(Mode::Normal)
}

fn is_x410(conversation: &Conversation) -> bool {
    spoken(conversation).is_some_and(|mode| mode != Mode::Normal)
}

fn spoken(conversation: &Conversation) -> Option<Mode> {
    let connect = connect(conversation).ok()?;
    let of_rtse = connect.functional_units == Some(FunctionalUnits::RTSE);
    variant(&connect).filter(|_| of_rtse)
}

/// The bare APDU in the data of a conversation, read by hand: RTTRs of indefinite-length PDV lists,
/// in X.410 mode the data as they are.
fn transferred(conversation: &Conversation) -> Result<Bytes, String> {
    let mut whole = Vec::new();
    for (side, tsdu) in conversation.tsdus()? {
        let spdus = spdu::decode(&tsdu).map_err(|fault| fault.to_string())?;
        for spdu in spdus {
            if let (Spdu::DataTransfer { data, .. }, Side::Initiator) = (spdu, side) {
                if is_x410(conversation) {
                    whole.extend_from_slice(&data);
                    continue;
                }
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
    if is_x410(conversation) {
        return Ok(whole.into());
    }
    let apdu = whole.strip_prefix(&prefix(5)[..]).unwrap_or_default();
    Ok(Bytes::copy_from_slice(
        apdu.strip_suffix(&SUFFIX[..]).unwrap_or_default(),
    ))
}

/// Plays one side of a conversation as said in `flow`, its octets cut into pieces.
pub fn play_one(
    conversation: &Conversation,
    flow: &[(Side, Bytes)],
    apdu: &Bytes,
    ours: Side,
    terms: &Terms,
    cut: usize,
) -> Result<(), String> {
    let (mut end, open) = end(conversation, apdu, ours, terms)?;
    if ours == Side::Initiator {
        end.ask(Request::Open(Box::new(open)));
    }
    for (side, octets) in flow {
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
    let mut stack = directory.stack(Some(&directory.config().peer[0]));
    stack.transport.reference = cr.source_reference;
    let now = Instant::now();
    let mut stack = Stack::new(stack, now);
    let mut open = directory
        .open(&directory.config().peer[0], "261122050138Z")
        .map_err(|failure| failure.what)?;
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
    let words = Failure::of_layers(&Peer::default(), refused, stack.cause()).what;
    if refused.transient || !words.contains("authentication-error") {
        return Err(words.into());
    }
    Ok(())
}
