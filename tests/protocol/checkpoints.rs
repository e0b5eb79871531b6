//! Captured transfers with every checkpoint and window size, in both directions (X.228 clauses 7.3
//! and 8.2): the captured octets, cut anew.

use std::path::Path;

use bytes::Bytes;
use libtest_mimic::{Failed, Trial};
use mixgate::x400::transfer::{SUFFIX, prefix};

use crate::ber::{Lengths, Node};
use crate::capture::Side;
use crate::corpus::Corpus;
use crate::double::{Double, Pace, Script, Seen, Sizes};
use crate::end::Terms;
use crate::p1;

/// The captured transfers, and whether they are played with all checkpoint sizes or with a few.
const PLAYED: [(&str, bool); 4] = [
    ("01-plain88", true),
    ("02-dr88", false),
    ("05-probe88", false),
    ("06-large88", true),
];

/// The checkpoint size our responder chooses for a caller that leaves it to us.
const OURS: u8 = 7;

/// Which pairs of sizes are played: each window in its turn, and every one with some.
fn is_played(all: bool, checkpoint: u8, window: u8) -> bool {
    let turn = checkpoint % 5 == window - 1;
    match all {
        true => turn || matches!(checkpoint, 0..=2 | 63),
        false => turn && checkpoint % 7 < 2,
    }
}

pub fn trials(corpus: &Corpus) -> Vec<Trial> {
    let mut trials = Vec::new();
    for (name, all) in PLAYED {
        for ours in [Side::Responder, Side::Initiator] {
            let title = match ours {
                Side::Responder => "initiator_of {} sends points as proposed and answered",
                Side::Initiator => "responder_of {} is sent points as it answers",
            };
            let title = format!("checkpoints::{}", title.replace("{}", name));
            trials.push(corpus.trial(&title, move |root| play(root, name, all, ours)));
        }
    }
    trials
}

fn play(root: &Path, name: &str, all: bool, ours: Side) -> Result<(), Failed> {
    let capture = format!("x400/mta/{name}.pcap");
    let found = p1::PLAYED.iter().find(|(known, _)| *known == capture);
    let (_, apdus) = found.ok_or("no such capture")?;
    for (conversation, apdu) in p1::conversations(root, &capture, apdus)? {
        let script = Script::of(conversation)?;
        for checkpoint in 0..=63 {
            for window in 1..=5 {
                if !is_played(all, checkpoint, window) {
                    continue;
                }
                // What the real systems sent is long enough, or is made so by repetition.
                let segment = if checkpoint == 0 { OURS } else { checkpoint };
                let size = usize::from(segment) * 1024 * usize::from(window + 1);
                let apdu = match apdu.len() > size {
                    true => apdu.clone(),
                    false => repeated(&apdu, size)?,
                };
                let pace = match (checkpoint + window) % 2 {
                    0 => Pace::Oldest,
                    _ => Pace::Newest,
                };
                let played = match ours {
                    Side::Responder => sent(&script, &apdu, (checkpoint, window), pace),
                    Side::Initiator => taken(&script, &apdu, (checkpoint, window), pace),
                };
                played.map_err(|fault| {
                    let name = &script.conversation.name;
                    format!("{name}: checkpoint {checkpoint}, window {window}: {fault}")
                })?;
            }
        }
    }
    Ok(())
}

/// Sizes proposed, ours, and agreed.
type Row = (Sizes, (u8, u8), (u8, u8));

/// The sizes may be what the caller proposes to a responder with wider ones, or what the responder
/// has for a caller that proposes what the captured one does: 63, and no window, which is 3.
fn sent(script: &Script, apdu: &Bytes, sizes: (u8, u8), pace: Pace) -> Result<(), String> {
    let (checkpoint, window) = sizes;
    // A caller that proposes 0 leaves it to the responder.
    let wide = (63, 5);
    let mut rows: Vec<Row> = Vec::new();
    if checkpoint == 0 {
        rows.push(((0, Some(window)), (OURS, 5), (OURS, window)));
    } else {
        rows.push(((checkpoint, Some(window)), wide, sizes));
        if checkpoint % 5 == window - 1 {
            rows.push(((63, None), sizes, (checkpoint, window.min(3))));
        }
    }
    let payload = [&prefix(5)[..], apdu, &SUFFIX].concat();
    for (proposed, ours, agreed) in rows {
        let terms = Terms {
            points: Some(ours),
            ..Terms::default()
        };
        let double = Double::new(script, proposed, pace);
        let (seen, arrived) = double.send(&payload, &terms)?;
        check(&seen, agreed, payload.len(), pace)?;
        if arrived != apdu {
            return Err(format!(
                "{} octets arrived of {}",
                arrived.len(),
                apdu.len()
            ));
        }
    }
    Ok(())
}

/// Our initiator proposes the widest sizes; the responder answers others.
fn taken(script: &Script, apdu: &Bytes, sizes: (u8, u8), pace: Pace) -> Result<(), String> {
    let (checkpoint, window) = sizes;
    let payload = [&prefix(5)[..], apdu, &SUFFIX].concat();
    let terms = Terms {
        points: Some((63, 5)),
        ..Terms::default()
    };
    let mut answers = vec![(checkpoint, Some(window))];
    if window == 3 {
        answers.push((checkpoint, None));
    }
    for answer in answers {
        let (seen, came) = Double::new(script, answer, pace).take(apdu, &terms)?;
        check(&seen, sizes, payload.len(), pace)?;
        if came != payload {
            return Err(format!("{} octets came of {}", came.len(), payload.len()));
        }
    }
    Ok(())
}

/// A point stands between two segments, and each is confirmed, alone or with those before it: a
/// segment too long, a point too many, too few or after the last segment, a confirmation left out
/// or given twice, a size agreed on that nobody said: each makes other numbers.
fn check(seen: &Seen, agreed: (u8, u8), length: usize, pace: Pace) -> Result<(), String> {
    let agreed = (usize::from(agreed.0), usize::from(agreed.1));
    let points = match agreed.0 {
        0 => 0,
        units => (length - 1) / (units * 1024),
    };
    let acknowledgements = match pace {
        Pace::Oldest => points,
        Pace::Newest => points.div_ceil(agreed.1),
    };
    if agreed.0 > 0 && points <= agreed.1 {
        return Err(format!("{points} points never fill the window: no trial"));
    }
    let expected = Seen {
        agreed,
        points,
        acknowledgements,
        longest: seen.longest,
    };
    match *seen == expected {
        true => Ok(()),
        false => Err(format!("{seen:?} for {expected:?}")),
    }
}

/// A captured APDU made longer than `size` by repetition: of the content's octets, or, where there is
/// no content, of the element of the recipient.
pub fn repeated(apdu: &Bytes, size: usize) -> Result<Bytes, String> {
    let mut node = Node::read(apdu)?;
    let path: &[u8] = match apdu.first() {
        Some(0xa0) => &[0x24],
        Some(0xa2) => &[0xa2],
        // The report's envelope and content are both SETs; recipients are of the second.
        _ => &[],
    };
    let growing = match path {
        [] => node
            .nodes_mut()?
            .last_mut()
            .ok_or("no content")?
            .at(&[0xa0])?,
        path => node.at(path)?,
    };
    let once = growing.nodes().to_vec();
    let length: usize = once
        .iter()
        .map(|node| node.write(Lengths::AsTheyCame).len())
        .sum();
    let nodes = growing.nodes_mut()?;
    for _ in 0..size / length.max(1) {
        nodes.extend_from_slice(&once);
    }
    Ok(node.write(Lengths::AsTheyCame).into())
}
