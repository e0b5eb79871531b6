//! Transport and session against the captures: every unit decodes and re-encodes, and an
//! independent trace agrees.

use std::path::Path;
use std::time::Instant;

use bytes::Bytes;
use libtest_mimic::{Failed, Trial};
use mixgate::osi::spdu::{self, Fault, Spdu};
use mixgate::osi::transport::tpdu::Tpdu;
use mixgate::osi::transport::{self, Disconnect, Network, Transport};

use crate::capture::{self, Side};
use crate::corpus::Corpus;

/// Captures whose responder breaks X.225: its ACCEPT counts one octet more than it has, and has
/// user data of no octets before octets that are no parameter.
const BROKEN_ACCEPT: &str = "osi/iti-iec61850_";

pub fn trials(corpus: &Corpus) -> Vec<Trial> {
    vec![
        corpus.trial(
            "transport::every_tpdu_of_every_capture_decodes",
            every_tpdu_decodes,
        ),
        corpus.trial(
            "transport::unknown_t_selector_is_told_with_its_text",
            unknown_selector,
        ),
        corpus.trial(
            "session::every_spdu_of_every_capture_re_encodes_equal",
            every_spdu_re_encodes_equal,
        ),
        corpus.trial(
            "session::an_independent_trace_lists_the_same_spdus",
            traces_agree,
        ),
        corpus.trial("session::tsdus_are_those_cut_out_by_hand", tsdus_by_hand),
    ]
}

fn every_tpdu_decodes(root: &Path) -> Result<(), Failed> {
    let mut count = 0;
    for (name, conversations) in capture::all(root)? {
        for conversation in conversations {
            let tpdus = conversation.tpdus()?;
            let opens = matches!(tpdus.first(), Some((Side::Initiator, Tpdu::ConnectionRequest(connect))) if connect.class == 0);
            if !opens {
                return Err(format!("{name}: begins with {:?}", tpdus.first()).into());
            }
            count += tpdus.len();
        }
    }
    if count < 1000 {
        Err(format!("only {count} TPDUs").into())
    } else {
        Ok(())
    }
}

fn every_spdu_re_encodes_equal(root: &Path) -> Result<(), Failed> {
    let mut broken = 0;
    for (name, conversations) in capture::all(root)? {
        for conversation in conversations {
            for (index, (side, tsdu)) in conversation.tsdus()?.into_iter().enumerate() {
                let place = format!("{} TSDU {index} of {side:?}", conversation.name);
                match spdu::decode(&tsdu) {
                    Ok(spdus) if spdu::encode(&spdus) == tsdu => {}
                    Ok(spdus) => {
                        return Err(format!(
                            "{place}: {tsdu:02x?} is {spdus:?}, which is {:02x?}",
                            spdu::encode(&spdus)
                        )
                        .into());
                    }
                    Err(fault)
                        if name.starts_with(BROKEN_ACCEPT)
                            && index == 1
                            && fault.fault == Fault::Truncated =>
                    {
                        broken += 1
                    }
                    Err(fault) => return Err(format!("{place}: {fault}: {tsdu:02x?}").into()),
                }
            }
        }
    }
    if broken == 4 {
        Ok(())
    } else {
        Err(format!("{broken} broken ACCEPT SPDUs, not 4").into())
    }
}

fn tsdus_by_hand(root: &Path) -> Result<(), Failed> {
    let conversations = capture::conversations(root, "x400/x400-ping-success.pcap")?;
    let [conversation] = &conversations[..] else {
        return Err("not one conversation".into());
    };
    let tsdus = conversation.tsdus()?;
    let files = [
        "03.frame6.i2r",
        "04.frame7.r2i",
        "05.frame8.i2r",
        "06.frame9.r2i",
    ];
    if tsdus.len() != files.len() {
        return Err(format!("{} TSDUs", tsdus.len()).into());
    }
    for ((_, tsdu), file) in tsdus.iter().zip(files) {
        let expected = std::fs::read(root.join(format!("x400/x400-ping-success.{file}.tsdu")))?;
        if *tsdu != expected {
            return Err(format!("{file}: {tsdu:02x?}").into());
        }
    }
    Ok(())
}

/// A line of the trace: who sent, the SPDU identifier, and its serial number or user information.
fn traced(side: Side, spdu: &Spdu) -> String {
    let (code, more) = match spdu {
        Spdu::Connect(_) => (13, String::new()),
        Spdu::Accept(_) => (14, String::new()),
        Spdu::Refuse(_) => (12, String::new()),
        Spdu::Finish { .. } => (9, String::new()),
        Spdu::Disconnect(_) => (10, String::new()),
        Spdu::GiveTokens { .. } => (1, String::new()),
        Spdu::PleaseTokens { .. } => (2, String::new()),
        Spdu::DataTransfer { data, .. } => {
            (1, format!("{} {:02x}{:02x}", data.len(), data[0], data[1]))
        }
        Spdu::ActivityStart { .. } => (45, String::new()),
        Spdu::MinorSyncPoint { serial, .. } => (49, serial.to_string()),
        Spdu::MinorSyncAck { serial, .. } => (50, serial.to_string()),
        Spdu::ActivityEnd { serial, .. } => (41, serial.to_string()),
        Spdu::ActivityEndAck { serial, .. } => (42, serial.to_string()),
        other => return format!("unexpected {}", other.name()),
    };
    let sign = if side == Side::Initiator { '>' } else { '<' };
    format!("{sign} {code} {more}").trim_end().to_owned()
}

/// The same of a line like `> DT(1)  UD[28]=611a..` or `< MIA(50) SSN(42)=31`.
fn trace_line(line: &str) -> Option<String> {
    let (sign, rest) = line.split_at_checked(2)?;
    if rest.starts_with("COTP") || !matches!(sign, "> " | "< ") {
        return None;
    }
    let (code, rest) = rest.split_once('(')?.1.split_once(')')?;
    let (code, rest) = match code.parse::<u8>() {
        Ok(code) => (code, rest),
        // `AE(MAJ)/AE(41)` has a second pair of brackets.
        Err(_) => rest
            .split_once('(')?
            .1
            .split_once(')')
            .map(|(code, rest)| (code.parse().unwrap_or_default(), rest))?,
    };
    let more = if let Some((length, data)) = rest
        .split_once("UD[")
        .and_then(|(_, rest)| rest.split_once("]="))
    {
        format!("{length} {}", data.get(..4)?)
    } else if let Some((_, serial)) = rest.split_once("SSN(42)=") {
        serial
            .split(' ')
            .next()?
            .as_bytes()
            .chunks(2)
            .map(|digit| char::from(digit[1]))
            .collect()
    } else {
        String::new()
    };
    Some(format!("{sign}{code} {more}").trim_end().to_owned())
}

fn traces_agree(root: &Path) -> Result<(), Failed> {
    for name in [
        "01-plain88",
        "02-dr88",
        "03-plain84",
        "04-plain-x410",
        "05-probe88",
        "06-large88",
    ] {
        let trace = std::fs::read_to_string(root.join(format!("x400/mta/{name}.spdu-trace.txt")))?;
        let theirs: Vec<Vec<String>> = trace
            .split("=== conn")
            .skip(1)
            .map(|conn| conn.lines().filter_map(trace_line).collect())
            .collect();
        let conversations = capture::conversations(root, &format!("x400/mta/{name}.pcap"))?;
        let mut ours = Vec::new();
        for conversation in &conversations {
            let mut lines = Vec::new();
            for (side, tsdu) in conversation.tsdus()? {
                lines.extend(spdu::decode(&tsdu)?.iter().map(|spdu| traced(side, spdu)));
            }
            ours.push(lines);
        }
        // Only the conversations that carry mail are traced.
        if theirs.is_empty() || ours.len() < theirs.len() {
            return Err(format!(
                "{name}: {} conversations, {} traced",
                ours.len(),
                theirs.len()
            )
            .into());
        }
        for theirs in theirs {
            if !ours.iter().any(|ours| ours == &theirs) {
                return Err(
                    format!("{name}: no conversation reads {theirs:?}, but {ours:?}").into(),
                );
            }
        }
    }
    Ok(())
}

fn unknown_selector(root: &Path) -> Result<(), Failed> {
    let conversations = capture::conversations(root, "x400/mta/14-badtsel.pcap")?;
    let [conversation] = &conversations[..] else {
        return Err("not one conversation".into());
    };
    // Their initiator at our responder.
    let now = Instant::now();
    let config = transport::Config {
        selectors: vec![Bytes::from_static(b"x400in88")],
        ..transport::Config::default()
    };
    let mut responder = Transport::new(config, now);
    let out = responder.network(Network::Octets(conversation.flow[0].1.clone()), now);
    let [
        transport::Outgoing::Octets(answer),
        told,
        transport::Outgoing::Close,
    ] = &out[..]
    else {
        return Err(format!("{out:?}").into());
    };
    let unknown = Disconnect::UnknownSelector(Bytes::from_static(b"nosuch"));
    assert_eq!(
        *told,
        transport::Outgoing::Indication(transport::Indication::Disconnect(unknown))
    );
    let Tpdu::DisconnectRequest {
        destination_reference,
        ..
    } = Tpdu::decode(answer.slice(4..))?
    else {
        return Err("no DR".into());
    };
    assert_eq!(destination_reference, 0x6ec2);
    // Our initiator at their responder.
    let mut initiator = Transport::new(
        transport::Config {
            reference: 0x6ec2,
            ..transport::Config::default()
        },
        now,
    );
    let _ = initiator.request(
        transport::Request::Connect {
            called: Bytes::from_static(b"nosuch"),
            calling: Bytes::new(),
        },
        now,
    );
    let out = initiator.network(Network::Octets(conversation.flow[1].1.clone()), now);
    let [
        transport::Outgoing::Indication(transport::Indication::Disconnect(why)),
        transport::Outgoing::Close,
    ] = &out[..]
    else {
        return Err(format!("{out:?}").into());
    };
    assert_eq!(
        why.to_string(),
        "the peer disconnected: normal disconnect (PP Service nosuch not found)"
    );
    Ok(())
}
