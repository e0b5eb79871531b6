//! Captured conversations in other segments and forms: TPDU sizes, TSDUs cut anywhere, concatenations,
//! and long and indefinite lengths, from both sides (RFC 1006, X.224 section 6.3, X.225 sections 6.3.7
//! and 8.2, X.690 section 8.1.3).

use std::path::Path;

use libtest_mimic::{Failed, Trial};
use mixgate::osi::transport::TpduSize;
use mixgate::x400::transfer::{SUFFIX, prefix};

use crate::ber::{Lengths, Node, Value};
use crate::capture::Side;
use crate::corpus::Corpus;
use crate::double::{ACCEPT, ACTIVITY_START, CONNECT, DATA_TRANSFER, Double, Pace, Script};
use crate::end::{Terms, end};
use crate::p1;
use crate::wire::{self, Indicators, Packets, Said, Spdu};

/// The captured ping, the smallest conversation.
const PING: &str = "x400/x400-ping-success.pcap";
/// 300 KB in 316 segments.
const LARGE: &str = "x400/mta/06-large88.pcap";

pub fn trials(corpus: &Corpus) -> Vec<Trial> {
    type Check = fn(&Path) -> Result<(), Failed>;
    let checks: [(&str, Check); 8] = [
        (
            "rfc1006_5 every TPDU size, stated by either side",
            tpdu_sizes,
        ),
        ("x224_6_3 TSDUs of the ping cut at each octet", tsdus_cut),
        ("rfc1006 octets of the ping cut at each octet", octets_cut),
        ("x225_6_3_7 basic concatenation in its forms", basic),
        (
            "x225_6_3_7 extended concatenation is not agreed to",
            extended,
        ),
        ("x225_8_2_3 length indicators of three octets", indicators),
        ("x690_8_1_3 lengths of PPDUs in every form", lengths),
        (
            "x690_8_7_3 segments as constructed octet strings",
            constructed,
        ),
    ];
    checks
        .into_iter()
        .map(|(name, check)| corpus.trial(&format!("segments::{name}"), check))
        .collect()
}

const SIDES: [Side; 2] = [Side::Initiator, Side::Responder];

/// Every conversation of some captures, each side in its turn said in other words. The answers must be
/// the captured ones all the same; what is misread makes others, or a fault.
fn play(
    root: &Path,
    captures: &[&str],
    words: impl Fn(&Said) -> Result<Vec<u8>, String>,
) -> Result<(), Failed> {
    for (capture, apdus) in p1::PLAYED {
        if !captures.is_empty() && !captures.contains(capture) {
            continue;
        }
        for (conversation, apdu) in p1::conversations(root, capture, apdus)? {
            for (theirs, ours) in [SIDES, [Side::Responder, Side::Initiator]].map(|[a, b]| (a, b)) {
                let flow = conversation.reworded(theirs, &words)?;
                let terms = Terms::default();
                p1::play_one(&conversation, &flow, &apdu, ours, &terms, usize::MAX)
                    .map_err(|fault| format!("{}, {theirs:?}: {fault}", conversation.name))?;
            }
        }
    }
    Ok(())
}

/// Other words for SPDUs; packets that are no DT TPDU stay.
fn spdus(
    indicators: Indicators,
    change: impl Fn(&mut Vec<Spdu>) -> Result<(), String>,
) -> impl Fn(&Said) -> Result<Vec<u8>, String> {
    move |said| match said {
        Said::Packet(packet) => Ok(packet.clone()),
        Said::Tsdu(tsdu) => {
            let mut spdus = Spdu::read(tsdu)?;
            change(&mut spdus)?;
            Ok(wire::sized(&wire::tsdu(&spdus, indicators), 2048))
        }
    }
}

/// Other words for what the presentation layer says.
fn ppdus(
    change: impl Fn(&mut Node) -> Result<(), String>,
    lengths: Lengths,
) -> impl Fn(&Said) -> Result<Vec<u8>, String> {
    spdus(Indicators::Short, move |spdus| {
        for spdu in spdus {
            if !spdu.user_data().is_empty() {
                let mut ppdu = Node::read(spdu.user_data())?;
                change(&mut ppdu)?;
                spdu.set_user_data(ppdu.write(lengths));
            }
        }
        Ok(())
    })
}

/// Breaks if a TPDU of ours is longer than agreed, or a size is not agreed to, or a TSDU of more TPDUs
/// is put together in another way than it was cut.
fn tpdu_sizes(root: &Path) -> Result<(), Failed> {
    let found = p1::PLAYED.iter().find(|(known, _)| *known == LARGE);
    let (_, apdus) = found.ok_or("no such capture")?;
    for (conversation, apdu) in p1::conversations(root, LARGE, apdus)? {
        let script = Script::of(conversation)?;
        let payload = [&prefix(5)[..], &apdu, &SUFFIX].concat();
        for power in [
            Some(7),
            Some(8),
            Some(9),
            Some(10),
            Some(11),
            Some(12),
            Some(13),
            None,
        ] {
            let size = power.map_or(65531, |power| 1_usize << power);
            let fault = |fault: String| format!("TPDUs of {size} octets: {fault}");
            let terms = Terms {
                tpdu_size: Some(TpduSize::Octets65531),
                ..Terms::default()
            };
            let mut double = Double::new(&script, (63, Some(5)), Pace::Newest);
            double.tpdu_size = power;
            let (seen, arrived) = double.send(&payload, &terms).map_err(fault)?;
            if arrived != apdu || seen.longest > size + 4 {
                return Err(fault(format!("{} octets, {seen:?}", arrived.len())).into());
            }
            // No checkpoints: one TSDU, and so TPDUs as long as may be.
            double.sizes = (0, None);
            let (seen, came) = double.take(&apdu, &terms).map_err(fault)?;
            if came != payload || seen.longest != size + 4 {
                return Err(fault(format!("{} octets, {seen:?}", came.len())).into());
            }
        }
    }
    Ok(())
}

/// Breaks if an end of TSDU is seen where there is none, or a segment is lost or doubled.
fn tsdus_cut(root: &Path) -> Result<(), Failed> {
    for at in 1..200 {
        play(root, &[PING], |said| match said {
            Said::Packet(packet) => Ok(packet.clone()),
            Said::Tsdu(tsdu) => {
                let (head, tail) = tsdu.split_at(at.min(tsdu.len()));
                // An empty last TPDU says as well that the TSDU ends.
                Ok(wire::packets([head, tail]))
            }
        })?;
    }
    // Each octet in a TPDU for itself.
    play(root, &[PING], |said| match said {
        Said::Packet(packet) => Ok(packet.clone()),
        Said::Tsdu(tsdu) => Ok(wire::packets(tsdu.chunks(1))),
    })
}

/// Breaks if a packet is read before it is there, or its header is read from what is not.
fn octets_cut(root: &Path) -> Result<(), Failed> {
    let found = p1::PLAYED.iter().find(|(known, _)| *known == PING);
    let (_, apdus) = found.ok_or("no such capture")?;
    for (conversation, apdu) in p1::conversations(root, PING, apdus)? {
        for (theirs, ours) in [SIDES, [Side::Responder, Side::Initiator]].map(|[a, b]| (a, b)) {
            for at in 1..300 {
                let mut flow = Vec::new();
                for (_, octets) in conversation.flow.iter().filter(|(side, _)| *side == theirs) {
                    let at = at.min(octets.len());
                    flow.extend(
                        [octets.slice(..at), octets.slice(at..)].map(|part| (theirs, part)),
                    );
                }
                let terms = Terms::default();
                p1::play_one(&conversation, &flow, &apdu, ours, &terms, usize::MAX)
                    .map_err(|fault| format!("{theirs:?}, cut at {at}: {fault}"))?;
            }
        }
    }
    Ok(())
}

/// Breaks if GIVE TOKENS or PLEASE TOKENS before another SPDU does more than stand there.
fn basic(root: &Path) -> Result<(), Failed> {
    for (identifier, tokens) in [(1, None), (2, None), (1, Some(0)), (2, Some(0))] {
        let words = spdus(Indicators::Short, |spdus| {
            if let [first, _] = &mut spdus[..] {
                *first = Spdu::new(identifier);
                if let Some(tokens) = tokens {
                    first.set(16, vec![tokens]);
                }
            }
            Ok(())
        });
        play(root, &[], words)
            .map_err(|fault| format!("{identifier}, tokens {tokens:?}: {fault:?}"))?;
    }
    Ok(())
}

/// Breaks if our responder says it takes extended concatenation, or takes it unsaid: two SPDUs of
/// category 2 in one TSDU.
fn extended(root: &Path) -> Result<(), Failed> {
    let found = p1::PLAYED.iter().find(|(known, _)| *known == LARGE);
    let (_, apdus) = found.ok_or("no such capture")?;
    for (conversation, apdu) in p1::conversations(root, LARGE, apdus)? {
        let terms = Terms::default();
        let (mut end, _) = end(&conversation, &apdu, Side::Responder, &terms)?;
        let mut packets = Packets::default();
        let mut start = Vec::new();
        let mut answers = Vec::new();
        for said in conversation.said(Side::Initiator) {
            let octets = match said {
                Said::Packet(packet) => packet,
                Said::Tsdu(tsdu) => {
                    let mut spdus = Spdu::read(&tsdu)?;
                    match spdus.last().map(|spdu| spdu.identifier) {
                        Some(CONNECT) => {
                            // Connect/accept item, protocol options: extended concatenation.
                            let item = spdus[0].parameter(5).ok_or("no item")?.to_vec();
                            let [19, 1, 0, rest @ ..] = &item[..] else {
                                return Err(format!("{item:02x?}").into());
                            };
                            spdus[0].set(5, [&[19, 1, 1], rest].concat());
                        }
                        Some(ACTIVITY_START) => {
                            start = spdus;
                            continue;
                        }
                        Some(DATA_TRANSFER) if !start.is_empty() => {
                            let data = spdus.pop();
                            spdus = std::mem::take(&mut start);
                            spdus.extend(data);
                        }
                        _ => {}
                    }
                    wire::sized(&wire::tsdu(&spdus, Indicators::Short), 2048)
                }
            };
            end.network(mixgate::osi::stack::Network::Octets(octets.into()));
            for octets in end.written.drain(..) {
                for said in packets.push(&octets) {
                    if let Said::Tsdu(tsdu) = said {
                        answers.extend(Spdu::read(&tsdu)?.pop());
                    }
                }
            }
        }
        // ACCEPT without the option, and ABORT for the TSDU.
        let [accept, abort] = &answers[..] else {
            return Err(format!("{answers:02x?}").into());
        };
        let item = accept.parameter(5).ok_or("no item")?;
        if accept.identifier != ACCEPT || item.windows(3).any(|option| option == [19, 1, 1]) {
            return Err(format!("{accept:02x?}").into());
        }
        if abort.identifier != 25 || !end.arrived.is_empty() || end.transfers > 0 {
            return Err(format!("{abort:02x?}, {} octets", end.arrived.len()).into());
        }
    }
    Ok(())
}

/// Breaks if the long form of a length indicator is read in some SPDU, parameter or group alone.
fn indicators(root: &Path) -> Result<(), Failed> {
    play(root, &[], spdus(Indicators::Long, |_| Ok(())))
}

/// Breaks if a form of length is not read in one of the PDUs of presentation, ACSE, RTSE or bind.
fn lengths(root: &Path) -> Result<(), Failed> {
    for form in [Lengths::Shortest, Lengths::Long, Lengths::Indefinite] {
        play(root, &[], ppdus(|_| Ok(()), form)).map_err(|fault| format!("{form:?}: {fault:?}"))?;
    }
    Ok(())
}

/// Breaks if a segment of an APDU is lost, doubled or misplaced that is a string in pieces of pieces.
fn constructed(root: &Path) -> Result<(), Failed> {
    let string = |octets: &[u8]| Node {
        identifier: vec![4],
        indefinite: false,
        value: Value::Primitive(octets.to_vec()),
    };
    let pieces = |nodes, indefinite| Node {
        identifier: vec![0x24],
        indefinite,
        value: Value::Constructed(nodes),
    };
    let change = |ppdu: &mut Node| {
        if let Ok(rttr) = ppdu.at(&[0x30, 0xa0, 0x04]) {
            let octets = rttr.string();
            let (head, tail) = octets.split_at(octets.len() / 3);
            let inner = pieces(tail.chunks(100).map(string).collect(), false);
            *rttr = pieces(vec![string(head), string(&[]), inner], true);
        }
        Ok(())
    };
    play(root, &[], ppdus(change, Lengths::AsTheyCame))
}
