//! What must be equal of a mail and of what came back: subject, structure and every leaf.

use mixgate::mixer::body::encapsulate;
use mixgate::rfc822::mail::Content;
use mixgate::rfc822::{Mail, Part};

use crate::between::is_whole;

/// Subject, structure and every leaf; of a notification that went as a report, the subject of what
/// that returns.
pub fn mails(sent: &Mail, returned: &Mail, is_report: bool, faults: &mut Vec<String>) {
    let unpacked = is_report.then(|| in_report(returned)).flatten();
    let returned = unpacked.as_ref().unwrap_or(returned);
    let subject = |mail: &Mail| {
        let text = mail.header().first("Subject").map(|field| field.decoded());
        text.map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "))
            .unwrap_or_default()
    };
    if subject(sent) != subject(returned) {
        faults.push(format!(
            "the subject {:?} comes back as {:?}",
            subject(sent),
            subject(returned)
        ));
    }
    if is_report {
        // The status of a notification comes back as text, by RFC 2156 section 5.1.8.3.
        return;
    }
    parts(&sent.root, &returned.root, "", faults);
}

/// The mail in the last part of a notification, or its header.
fn in_report(notification: &Mail) -> Option<Mail> {
    let part = notification.root.children().get(2)?;
    let octets = match &part.content {
        Content::Message(message) => message.raw.clone(),
        _ => part.decoded().to_bytes(),
    };
    Mail::parse(octets).ok()
}

fn parts(sent: &Part, returned: &Part, path: &str, faults: &mut Vec<String>) {
    let broken = sent.media_type.kind == "multipart" && matches!(sent.content, Content::Leaf);
    let of = |part: &Part| {
        part.media_type
            .to_string()
            .replace("message/global", "message/rfc822")
    };
    if of(sent) != of(returned) && !broken {
        faults.push(format!(
            "{path}: {} comes back as {}",
            of(sent),
            of(returned)
        ));
        return;
    }
    if is_whole(sent) {
        leaves(sent, returned, path, broken, faults);
        return;
    }
    for (name, value) in &sent.media_type.parameters {
        let carried = name != "boundary" && sent.media_type.kind == "multipart";
        if carried && returned.media_type.parameter(name) != Some(value) {
            faults.push(format!(
                "{path}: the parameter {name} of {} does not come back",
                of(sent)
            ));
        }
    }
    let (before, after) = (sent.children(), returned.children());
    if before.len() != after.len() {
        faults.push(format!(
            "{path}: {} parts come back as {}",
            before.len(),
            after.len()
        ));
        return;
    }
    for (number, (one, other)) in before.iter().zip(after).enumerate() {
        parts(one, other, &format!("{path}/{number}"), faults);
    }
}

fn leaves(sent: &Part, returned: &Part, path: &str, broken: bool, faults: &mut Vec<String>) {
    if encapsulate::is_opaque(&sent.media_type) {
        let lines = |body: &[u8]| {
            String::from_utf8_lossy(body)
                .replace("\r\n", "\n")
                .trim_end()
                .to_owned()
        };
        if lines(&sent.body) != lines(&returned.body) {
            faults.push(format!(
                "{path}: {} does not come back as it stands",
                sent.media_type
            ));
        }
        return;
    }
    let attached =
        sent.file_name().is_some() || sent.disposition().is_some_and(|d| d.kind == "attachment");
    if broken || (sent.media_type.is("text", "plain") && !attached) {
        let text = |part: &Part| {
            let text = part.text().map(|text| text.text);
            let text = text.unwrap_or_else(|| {
                String::from_utf8_lossy(&part.decoded().to_bytes()).into_owned()
            });
            text.replace("\r\n", "\n").trim_end_matches('\n').to_owned()
        };
        let (before, after) = (text(sent), text(returned));
        if before != after {
            let at = before
                .chars()
                .zip(after.chars())
                .position(|(one, other)| one != other);
            faults.push(format!(
                "{path}: text differs at {at:?} ({} and {})",
                before.chars().count(),
                after.chars().count()
            ));
        }
        return;
    }
    if sent.decoded().to_bytes() != returned.decoded().to_bytes() {
        let lengths = (sent.decoded().len(), returned.decoded().len());
        faults.push(format!(
            "{path}: the octets of {} differ: {lengths:?}",
            sent.media_type
        ));
    }
    if sent.file_name() != returned.file_name() {
        faults.push(format!(
            "{path}: the name {:?} comes back as {:?}",
            sent.file_name(),
            returned.file_name()
        ));
    }
    for (name, value) in &sent.media_type.parameters {
        if returned.media_type.parameter(name) != Some(value) {
            faults.push(format!(
                "{path}: the parameter {name}={value:?} comes back as {:?}",
                returned.media_type.parameter(name)
            ));
        }
    }
    let disposition = |part: &Part| {
        part.disposition().map(|mut disposition| {
            disposition.parameters.sort();
            disposition
        })
    };
    if disposition(sent) != disposition(returned) {
        faults.push(format!(
            "{path}: {:?} comes back as {:?}",
            disposition(sent),
            disposition(returned)
        ));
    }
    if sent.content_id() != returned.content_id() {
        faults.push(format!(
            "{path}: the Content-ID {:?} comes back as {:?}",
            sent.content_id(),
            returned.content_id()
        ));
    }
}
