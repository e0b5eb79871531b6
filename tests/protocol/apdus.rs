//! PDUs of real MTAs (`MIXGATE_CORPUS`): every one decodes, and comes out again with nothing lost.
//!
//! The witness is the octets themselves: what we write is compared with what came, both brought to
//! one form (definite lengths, strings in one piece, members of SETs in order of their tags) by a
//! walk over tags and lengths that knows no type.

use std::path::Path;

use bytes::Bytes;
use libtest_mimic::{Failed, Trial};
use mixgate::asn1::mta::MtsApdu;
use mixgate::asn1::show::decode_any;
use mixgate::asn1::tlv::{Class, Header, Tag, header, read_header};
use mixgate::asn1::{Ber, decode, encode, external, ipms, presentation};
use mixgate::osi::spdu::{self, Spdu};

use crate::capture;
use crate::corpus::Corpus;

/// The trials of PDUs.
pub fn trials(corpus: &Corpus) -> Vec<Trial> {
    type Check = fn(&Path) -> Result<(), Failed>;
    let checks: [(&str, Check); 4] = [
        ("x411_12_every_apdu_comes_out_as_it_came", apdus),
        (
            "x228_every_rtse_payload_is_an_external_around_an_apdu",
            externals,
        ),
        ("x420_7_every_content_comes_out_as_it_came", contents),
        (
            "x411_12_every_change_of_an_apdu_is_refused_or_comes_out_again",
            mutations,
        ),
    ];
    checks
        .into_iter()
        .map(|(name, check)| corpus.trial(name, move |root| check(&root.join("x400/mta"))))
        .chain([corpus.trial("x226_x227_x228_every_layer_comes_out_as_it_came", layers)])
        .collect()
}

/// The files of the folder whose names hold `part`; never none.
fn files(folder: &Path, part: &str) -> Result<Vec<(String, Bytes)>, Failed> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.contains(part) {
            files.push((name.into_owned(), std::fs::read(&path)?.into()));
        }
    }
    if files.is_empty() {
        return Err(format!("no {part} in {}", folder.display()).into());
    }
    Ok(files)
}

/// Members that the captured systems write although they have the value of their DEFAULT: `normal`
/// importance, the `ia5` repertoire (X.420 clauses 7.2.13 and 7.3.1), `monologue` and a window of
/// 3 (X.228).
const DEFAULTS: [&[u8]; 4] = [&[0x8c, 1, 1], &[0x80, 1, 5], &[0x82, 1, 0], &[0x81, 1, 3]];

/// A value of any type in one form.
fn canonical(octets: &[u8]) -> Vec<u8> {
    let (value, rest) = canonical_first(octets);
    assert!(rest.is_empty(), "one value");
    value
}

/// The first value of `octets` in one form, and what follows it.
fn canonical_first(octets: &[u8]) -> (Vec<u8>, &[u8]) {
    let Header {
        tag,
        constructed,
        length,
        size,
    } = read_header(octets).expect("a header");
    let contents = &octets[size..];
    if !constructed {
        let (contents, rest) = contents.split_at(length.expect("a length"));
        return (framed(tag, false, contents), rest);
    }
    let (mut inside, mut rest) = match length {
        Some(length) => contents.split_at(length),
        None => (contents, &contents[contents.len()..]),
    };
    let mut members = Vec::new();
    while !inside.is_empty() && (length.is_some() || !inside.starts_with(&[0, 0])) {
        let (member, after) = canonical_first(inside);
        members.push(member);
        inside = after;
    }
    if length.is_none() {
        rest = &inside[2..];
    }
    let is_string = matches!(tag.number, 4 | 12 | 18..=30) && tag.class == Class::Universal;
    if is_string {
        let segments: Vec<u8> = members
            .iter()
            .flat_map(|segment| segment[read_header(segment).expect("a header").size..].to_vec())
            .collect();
        return (framed(tag, false, &segments), rest);
    }
    members.retain(|member| !DEFAULTS.contains(&member.as_slice()));
    if tag == Tag::SET {
        members.sort();
    }
    (framed(tag, true, &members.concat()), rest)
}

fn framed(tag: Tag, constructed: bool, contents: &[u8]) -> Vec<u8> {
    let mut value = header(tag, constructed, contents.len() as u64);
    value.extend_from_slice(contents);
    value
}

/// Decodes `input`, encodes it again, and wants the same octets in one form and nothing unknown.
fn comes_out<T: Ber + PartialEq + std::fmt::Debug>(name: &str, input: &Bytes) -> Result<T, Failed> {
    let value: T = decode(input).map_err(|error| format!("{name}: {error}"))?;
    let unknowns = value.show().unknowns();
    if unknowns > 0 {
        return Err(format!("{name}: {unknowns} unknown elements").into());
    }
    let output = encode(&value);
    let (came, went) = (canonical(input), canonical(&output));
    if came != went {
        let at = came.iter().zip(&went).position(|(came, went)| came != went);
        let at = at.unwrap_or(came.len().min(went.len())).saturating_sub(16);
        let (came, went) = (
            &came[at..came.len().min(at + 48)],
            &went[at..went.len().min(at + 48)],
        );
        return Err(format!("{name}: other octets come out: {came:02x?} and {went:02x?}").into());
    }
    if decode::<T>(&output).as_ref() != Ok(&value) {
        return Err(format!("{name}: another value comes out").into());
    }
    Ok(value)
}

fn apdus(folder: &Path) -> Result<(), Failed> {
    let (mut messages, mut reports, mut probes) = (0, 0, 0);
    for (name, input) in files(folder, ".p1-")? {
        match comes_out::<MtsApdu>(&name, &input)? {
            MtsApdu::Message(_) => messages += 1,
            MtsApdu::Report(_) => reports += 1,
            MtsApdu::Probe(_) => probes += 1,
        }
    }
    if messages < 6 || reports < 2 || probes < 1 {
        return Err(format!("{messages} messages, {reports} reports, {probes} probes").into());
    }
    Ok(())
}

fn externals(folder: &Path) -> Result<(), Failed> {
    for (name, input) in files(folder, ".rtse-external.")? {
        // 1984 mode carries the bare APDU in the same place.
        if input.first() != Some(&0x28) {
            comes_out::<MtsApdu>(&name, &input)?;
            continue;
        }
        let external = comes_out::<external::ExternalValue>(&name, &input)?;
        let apdu: MtsApdu = external.decode()?;
        let bare = name.replace(".rtse-external.", ".p1-message.");
        if let Ok(bare) = std::fs::read(folder.join(bare))
            && decode::<MtsApdu>(&bare.into())? != apdu
        {
            return Err(format!("{name}: another APDU than the bare one").into());
        }
    }
    Ok(())
}

fn contents(folder: &Path) -> Result<(), Failed> {
    for (name, input) in files(folder, ".p1-message.")? {
        let MtsApdu::Message(message) = decode(&input)? else {
            return Err(format!("{name}: no message").into());
        };
        let content = comes_out::<ipms::InformationObject>(&name, &message.content.0)?;
        let ipms::InformationObject::Ipm(ipm) = content else {
            return Err(format!("{name}: no IPM").into());
        };
        if ipm.heading.subject.is_none() || ipm.body.is_empty() {
            return Err(format!("{name}: no subject or no body").into());
        }
        // The same as people and programs see it.
        let shown = decode_any(&input, None)?.to_json();
        let subject = shown
            .pointer("/summary/subject")
            .and_then(|text| text.as_str());
        if subject.is_none()
            || subject != ipm.heading.subject.as_ref().and_then(|text| text.as_str())
        {
            return Err(format!("{name}: the subject shown is {subject:?}").into());
        }
    }
    Ok(())
}

/// Changes octets throughout every small APDU, and cuts it at every place.
fn mutations(folder: &Path) -> Result<(), Failed> {
    let mut refused = 0;
    for (name, input) in files(folder, ".p1-")? {
        if input.len() > 1000 {
            continue;
        }
        for at in (0..input.len()).step_by(5) {
            let mut octets = input.to_vec();
            octets[at] ^= [0x01, 0x20, 0x80, 0xff][at % 4];
            let octets = Bytes::from(octets);
            match decode::<MtsApdu>(&octets) {
                // What is accepted must come out again.
                Ok(apdu) => {
                    let again = decode::<MtsApdu>(&encode(&apdu));
                    if again.as_ref() != Ok(&apdu) {
                        return Err(format!("{name}: octet {at} changed").into());
                    }
                }
                Err(error) => {
                    refused += 1;
                    if error.offset > octets.len() {
                        return Err(format!("{name}: {error} is beyond the end").into());
                    }
                }
            }
            if let Ok(shown) = decode_any(&octets, None) {
                let _ = (shown.to_notation(), shown.to_json());
            }
        }
        for at in 0..input.len() {
            match decode::<MtsApdu>(&input.slice(..at)) {
                Ok(_) => return Err(format!("{name}: cut at {at} and accepted").into()),
                Err(error) if error.offset > at => {
                    return Err(format!("{name}: {error} is beyond the cut at {at}").into());
                }
                Err(_) => {}
            }
        }
    }
    if refused == 0 {
        return Err("no change was refused".into());
    }
    Ok(())
}

/// The presentation PDUs of every captured session, and what is within them.
fn layers(root: &Path) -> Result<(), Failed> {
    let mut kinds = std::collections::BTreeMap::<&str, usize>::new();
    for (name, conversations) in capture::all(root)? {
        if !name.starts_with("x400") {
            continue;
        }
        for (_, tsdu) in conversations
            .iter()
            .flat_map(|one| one.tsdus().unwrap_or_default())
        {
            for spdu in spdu::decode(&tsdu).unwrap_or_default() {
                let (octets, kind) = match spdu {
                    Spdu::Connect(connect) => (connect.user_data, "CP-type"),
                    Spdu::Accept(accept) => (accept.user_data, "CPA-PPDU"),
                    Spdu::Finish { user_data, .. } => (user_data, "User-data"),
                    Spdu::Disconnect(user_data) => (user_data, "User-data"),
                    _ => continue,
                };
                // X.410 mode releases without user data.
                if octets.is_empty() {
                    continue;
                }
                match kind {
                    "CP-type" => drop(comes_out::<presentation::CpType>(&name, &octets)?),
                    "CPA-PPDU" => drop(comes_out::<presentation::CpaPpdu>(&name, &octets)?),
                    _ => drop(comes_out::<presentation::UserData>(&name, &octets)?),
                }
                let shown = decode_any(&octets, None)?;
                let recognised = shown.pdus.first().map(|pdu| pdu.kind);
                if recognised != Some(kind) {
                    return Err(format!("{name}: a {kind} is taken for {recognised:?}").into());
                }
                // In normal mode the layers above show through; in X.410 mode the bind does.
                let text = shown.to_notation();
                let inner = ["aarq", "aare", "rlrq", "rlre", "x410-mode-parameters"];
                let Some(inner) = inner.into_iter().find(|inner| text.contains(inner)) else {
                    return Err(format!("{name}: nothing within {text}").into());
                };
                *kinds.entry(inner).or_default() += 1;
                if text.contains("rtorq-apdu") && !text.contains("MTABind-APDU") {
                    return Err(format!("{name}: no bind within {text}").into());
                }
            }
        }
    }
    if kinds.len() != 5 {
        return Err(format!("not every PDU was there: {kinds:?}").into());
    }
    Ok(())
}
