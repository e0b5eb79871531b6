//! Captured binds and transfers with the members of SETs in other orders (X.690 section 8.11: they
//! may come in any), changed octet by octet.

use std::path::Path;

use bytes::Bytes;
use libtest_mimic::{Failed, Trial};
use mixgate::asn1::mta::MtsApdu;
use mixgate::asn1::{self, ipms};
use mixgate::mixer::address::mcgam::Tables;
use mixgate::mixer::context::{Context, Gateway, PeerProfile};
use mixgate::mixer::to_rfc822;
use mixgate::rfc822::date;
use mixgate::x400::transfer::{SUFFIX, prefix};

use crate::ber::{Lengths, Node, Value};
use crate::corpus::Corpus;
use crate::double::{Double, Pace, Script};
use crate::end::Terms;
use crate::p1;

/// The order in which the members of a SET are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Reversed,
    /// So many members that were first are last.
    Rotated(usize),
    /// By their octets: the same for all orders.
    Sorted,
}

const ORDERS: [Order; 4] = [
    Order::Reversed,
    Order::Rotated(1),
    Order::Rotated(2),
    Order::Rotated(3),
];

/// SETs with another tag than SET: the way to each from the outermost value, by identifier octets; `0`
/// is any. In the opening, RTORQ or RTOAC in its EXTERNAL, and the bind in that.
const OPENING: &[&[u8]] = &[
    &[0x31, 0xa2, 0x61, 0x30, 0xa0, 0, 0xbe, 0x28, 0xa0, 0],
    &[
        0x31, 0xa2, 0x61, 0x30, 0xa0, 0, 0xbe, 0x28, 0xa0, 0, 0, 0xa0, 0, 0xa1,
    ],
];
/// In an MTS-APDU: the probe; encoded information types; personal names of originator and
/// recipients; the last trace of a report, its encoded information types, and the report type.
const APDU: &[&[u8]] = &[
    &[0xa2],
    &[0xa0, 0x31, 0x65],
    &[0xa2, 0x65],
    &[0xa1, 0x31, 0x65],
    &[0xa0, 0x31, 0x60, 0x30, 0xa5],
    &[0xa2, 0x60, 0x30, 0xa5],
    &[0xa1, 0x31, 0x60, 0x30, 0xa5],
    &[0xa0, 0x31, 0xa2, 0x31, 0x60, 0x30, 0xa5],
    &[0xa2, 0xa2, 0x31, 0x60, 0x30, 0xa5],
    &[0xa1, 0x31, 0xa0, 0x31, 0xa0, 0x30, 0xa5],
    &[0xa1, 0x31, 0xa0, 0x31, 0xa3],
    &[0xa1, 0x31, 0xa0, 0x31, 0xa3, 0xa1, 0],
];
/// In an IPM: its identifier; originator, and recipients, with their personal names.
const IPM: &[&[u8]] = &[
    &[0xa0, 0x31, 0x6b],
    &[0xa0, 0x31, 0xa0],
    &[0xa0, 0x31, 0xa0, 0x60, 0x30, 0xa5],
    &[0xa0, 0x31, 0xa2, 0x31, 0xa0],
    &[0xa0, 0x31, 0xa2, 0x31, 0xa0, 0x60, 0x30, 0xa5],
];
/// SETs OF: extensions of messages, probes, reports and their recipients. Our values keep the order
/// in which such elements came, and the octets of what is in them, so only what is written of them
/// can be compared.
const SETS_OF: &[&[u8]] = &[
    &[0xa0, 0x31, 0xa3],
    &[0xa2, 0xa3],
    &[0xa1, 0x31, 0xa1],
    &[0xa1, 0x31, 0xa3],
    &[0xa0, 0x31, 0xa2, 0x31, 0xa3],
    &[0xa1, 0x31, 0xa0, 0x31, 0xa6],
];

/// The way to the content of a message, an OCTET STRING in pieces.
const CONTENT: [u8; 1] = [0x24];

pub fn trials(corpus: &Corpus) -> Vec<Trial> {
    let mut trials = Vec::new();
    for &(capture, apdus) in p1::PLAYED {
        let name = format!("order::x690_8_11 sets of {capture} in any order");
        trials.push(corpus.trial(&name, move |root| play(root, capture, apdus)));
    }
    trials
}

/// Which tags are SETs, and which values are left as they are.
struct Sets {
    tagged: Vec<&'static [u8]>,
    left: &'static [&'static [u8]],
}

/// Whether one of these ways is the path.
fn leads(ways: &[&[u8]], path: &[u8]) -> bool {
    let same = |way: &&[u8]| {
        way.len() == path.len() && way.iter().zip(path).all(|(a, b)| *a == 0 || a == b)
    };
    ways.iter().any(same)
}

/// Brings the SETs within a value into an order; says how many have another than before.
fn reorder(node: &mut Node, sets: &Sets, order: Order) -> usize {
    reorder_at(node, sets, order, &mut Vec::new())
}

fn reorder_at(node: &mut Node, sets: &Sets, order: Order, path: &mut Vec<u8>) -> usize {
    path.push(node.identifier[0]);
    let mut changed = 0;
    if let Value::Constructed(nodes) = &mut node.value
        && !leads(sets.left, path)
    {
        for node in &mut *nodes {
            changed += reorder_at(node, sets, order, path);
        }
        if node.identifier == [0x31] || leads(&sets.tagged, path) {
            let before = nodes.clone();
            match order {
                Order::Reversed => nodes.reverse(),
                Order::Rotated(by) => nodes.rotate_left(by % before.len().max(1)),
                Order::Sorted => nodes.sort_by_key(|node| node.write(Lengths::Shortest)),
            }
            changed += usize::from(*nodes != before);
        }
    }
    path.pop();
    changed
}

fn tagged(ways: &[&'static [u8]]) -> Sets {
    Sets {
        tagged: ways.to_vec(),
        left: &[],
    }
}

/// All SETs and SETs OF of an APDU.
fn apdu_sets() -> Sets {
    tagged(&[APDU, SETS_OF].concat())
}

/// An APDU, and the IPM in it if it is a message, in another order; and how many SETs changed.
fn reordered(apdu: &Bytes, order: Order, sets_of: bool) -> Result<(Bytes, usize), String> {
    let sets = match sets_of {
        true => apdu_sets(),
        false => Sets {
            tagged: APDU.to_vec(),
            left: SETS_OF,
        },
    };
    let mut node = Node::read(apdu)?;
    let mut changed = reorder(&mut node, &sets, order);
    if apdu.first() == Some(&0xa0) {
        let content = node.at(&CONTENT)?;
        let mut ipm = Node::read(&content.string())?;
        changed += reorder(&mut ipm, &tagged(IPM), order);
        let piece = |octets: &[u8]| Node {
            identifier: vec![4],
            indefinite: false,
            value: Value::Primitive(octets.to_vec()),
        };
        let octets = ipm.write(Lengths::AsTheyCame);
        content.value = Value::Constructed(octets.chunks(300).map(piece).collect());
    }
    Ok((node.write(Lengths::AsTheyCame).into(), changed))
}

/// A decoded APDU written again, with every SET in one order.
fn sorted(apdu: &MtsApdu) -> Result<Vec<u8>, String> {
    let mut node = Node::read(&asn1::encode(apdu))?;
    reorder(&mut node, &apdu_sets(), Order::Sorted);
    Ok(node.write(Lengths::Shortest))
}

/// The opening and the APDU of a capture in every order, to our responder, and the opening to our
/// initiator. A reader that wants any SET in the order of its definition refuses the opening, stops
/// within the APDU, or finds another value than in the captured order.
fn play(root: &Path, capture: &str, apdus: &[&str]) -> Result<(), Failed> {
    for (conversation, apdu) in p1::conversations(root, capture, apdus)? {
        let script = Script::of(conversation)?;
        for order in ORDERS {
            for sets_of in [false, true] {
                one(&script, &apdu, order, sets_of)
                    .map_err(|fault| format!("{capture}: {order:?}, {sets_of}: {fault}"))?;
            }
        }
    }
    Ok(())
}

fn one(script: &Script, apdu: &Bytes, order: Order, sets_of: bool) -> Result<(), String> {
    // CP or CPA and the bind have two members, RTORQ three or four, RTOAC three.
    let least = match order {
        Order::Rotated(2) => 1,
        _ => 2,
    };
    let reword = |ppdu: &mut Node| match reorder(ppdu, &tagged(OPENING), order) {
        changed if changed >= least => Ok(()),
        changed => Err(format!("{changed} SETs of the opening changed")),
    };
    let mut double = Double::new(script, (1, Some(3)), Pace::Oldest);
    double.reword = &reword;
    let terms = Terms::default();
    let (other, payload) = if apdu.is_empty() {
        (Bytes::new(), Vec::new())
    } else {
        let (other, changed) = reordered(apdu, order, sets_of)?;
        // Envelope, trace, recipients: as many turns as there are members change nothing.
        if changed < 2 {
            return Err(format!("{changed} SETs of the APDU changed"));
        }
        let payload = [&prefix(5)[..], &other, &SUFFIX].concat();
        (other, payload)
    };
    let (_, arrived) = double.send(&payload, &terms)?;
    if arrived != other {
        return Err("other octets arrived".into());
    }
    let (_, came) = double.take(&other, &terms)?;
    if came != payload {
        return Err("other octets came".into());
    }
    if !apdu.is_empty() {
        same(apdu, &arrived, sets_of)?;
    }
    Ok(())
}

/// Two APDUs are the same value, and the same mail.
fn same(captured: &Bytes, other: &Bytes, sets_of: bool) -> Result<(), String> {
    let values = [captured, other].map(value);
    let [(apdu, ipm), (other_apdu, other_ipm)] = match values {
        [Ok(a), Ok(b)] => [a, b],
        [a, b] => return Err(format!("{:?} {:?}", a.err(), b.err())),
    };
    let written = sorted(&apdu)? == sorted(&other_apdu)?;
    if ipm != other_ipm || !written || !sets_of && apdu != other_apdu {
        return Err("another value".into());
    }
    match mail(captured)? == mail(other)? {
        true => Ok(()),
        false => Err("another mail".into()),
    }
}

/// An APDU without its content, and the content as an IPM.
fn value(octets: &Bytes) -> Result<(MtsApdu, Option<ipms::InformationObject>), String> {
    let mut apdu: MtsApdu = asn1::decode(octets).map_err(|fault| fault.to_string())?;
    let MtsApdu::Message(message) = &mut apdu else {
        return Ok((apdu, None));
    };
    let content = std::mem::take(&mut message.content.0);
    let ipm = asn1::decode(&content).map_err(|fault| fault.to_string())?;
    Ok((apdu, Some(ipm)))
}

/// What an APDU becomes: envelope and octets; a probe becomes nothing.
fn mail(apdu: &Bytes) -> Result<Option<(String, Bytes)>, String> {
    if apdu.first() == Some(&0xa2) {
        return Ok(None);
    }
    let gateway = Gateway {
        name: "gw.example".into(),
        ..Gateway::default()
    };
    let (tables, peer) = (Tables::default(), PeerProfile::default());
    let context = Context {
        id: "01K0".into(),
        now: date::parse(b"Sun, 22 Nov 2026 07:00:00 +0000").ok_or("a date")?,
        gateway: &gateway,
        tables: &tables,
        peer: &peer,
    };
    let done = to_rfc822::message(&context, apdu).map_err(|fault| fault.to_string())?;
    Ok(Some((format!("{:?}", done.envelope), done.mail.to_bytes())))
}
