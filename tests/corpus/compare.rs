//! What must be equal: leaves, structure and subject of two mails; and what must hold in between.

use bytes::Bytes;
use mixgate::asn1::ftbp::{FileTransferParameters, ObjectSizeAttribute};
use mixgate::asn1::ipms::{BodyPart, IPM, InformationObject};
use mixgate::asn1::mta::MtsApdu;
use mixgate::asn1::{self, oids};
use mixgate::mixer::body::encapsulate;
use mixgate::mixer::body::file::fields_of;
use mixgate::rfc822::mail::Content;
use mixgate::rfc822::{Mail, Part};

/// What stands in X.400.
pub struct Between {
    pub ipm: IPM,
    pub is_report: bool,
}

impl Between {
    /// Reads an APDU and the message in it.
    pub fn read(apdu: &Bytes) -> Result<Self, String> {
        let decoded: MtsApdu = asn1::decode(apdu).map_err(|fault| fault.to_string())?;
        let again = asn1::encode(&decoded);
        if again != apdu {
            return Err("it is not what its own value encodes".to_owned());
        }
        let (content, is_report) = match decoded {
            MtsApdu::Message(message) => (message.content.0, false),
            MtsApdu::Report(report) => {
                let content = report
                    .content
                    .returned_content
                    .ok_or("no returned content")?;
                (content.0, true)
            }
            MtsApdu::Probe(_) => return Err("a probe".to_owned()),
        };
        let content: InformationObject =
            asn1::decode(&content).map_err(|fault| fault.to_string())?;
        match content {
            InformationObject::Ipm(ipm) => Ok(Self { ipm, is_report }),
            InformationObject::Ipn(_) => Err("a notification".to_owned()),
        }
    }
}

/// The fields that elements hold, so that no second copy of them travels.
const MAPPED: [&str; 4] = ["To", "Cc", "From", "Received"];

/// One body part for each leaf; text as text, files with name and size; nothing twice.
pub fn in_between(mail: &Mail, between: &Between, faults: &mut Vec<String>) {
    let mut leaves = Vec::new();
    collect_leaves(&mail.root, &mut leaves);
    let mut parts = Vec::new();
    collect_parts(&between.ipm, &mut parts, faults);
    if leaves.len() != parts.len() {
        faults.push(format!(
            "{} leaves are {} body parts",
            leaves.len(),
            parts.len()
        ));
        return;
    }
    for (leaf, part) in leaves.iter().zip(&parts) {
        check_part(leaf, part, between.is_report, faults);
    }
    let carried = fields_of(between.ipm.heading.extensions.iter());
    for name in MAPPED {
        let malformed = mail.header().merged(name).is_some_and(|value| {
            let list = mixgate::rfc822::AddressList::parse(&value);
            !list.malformed.is_empty() || list.addresses.is_empty()
        });
        if carried.iter().any(|field| field.is(name)) && !malformed {
            faults.push(format!("{name} travels twice"));
        }
    }
    if mail.header().first("Subject").is_some() && between.ipm.heading.subject.is_none() {
        faults.push("the subject is not in the heading".to_owned());
    }
}

/// A part that travels as it stands is one leaf, whatever it holds.
fn is_whole(part: &Part) -> bool {
    matches!(part.content, Content::Leaf) || encapsulate::is_opaque(&part.media_type)
}

fn collect_leaves<'a>(part: &'a Part, leaves: &mut Vec<&'a Part>) {
    if is_whole(part) {
        leaves.push(part);
    } else {
        part.children()
            .iter()
            .for_each(|child| collect_leaves(child, leaves));
    }
}

fn collect_parts(ipm: &IPM, parts: &mut Vec<BodyPart>, faults: &mut Vec<String>) {
    for part in &ipm.body {
        match part {
            BodyPart::Message(message) => match message.ipm() {
                Ok(inner) => collect_parts(&inner, parts, faults),
                Err(fault) => faults.push(format!("a message that cannot be read: {fault}")),
            },
            other => parts.push(other.clone()),
        }
    }
}

fn check_part(leaf: &Part, part: &BodyPart, is_report: bool, faults: &mut Vec<String>) {
    let attached =
        leaf.file_name().is_some() || leaf.disposition().is_some_and(|d| d.kind == "attachment");
    let text = leaf.media_type.is("text", "plain") && !attached;
    match part {
        BodyPart::Ia5Text(_) => {}
        BodyPart::Extended(extended) if extended.kind() == Some(&oids::ID_ET_GENERAL_TEXT) => {}
        BodyPart::Extended(extended) if extended.kind() == Some(&oids::ID_ET_FILE_TRANSFER) => {
            let known = leaf.text().is_some_and(|text| text.lossless);
            if text && known {
                faults.push("text is no text".to_owned());
            }
            let parameters = extended
                .parameters::<FileTransferParameters>()
                .and_then(Result::ok);
            let attributes = parameters.and_then(|parameters| parameters.file_attributes);
            let Some(attributes) = attributes else {
                faults.push("a file without attributes".to_owned());
                return;
            };
            let size = i64::try_from(leaf.decoded().len())
                .ok()
                .map(ObjectSizeAttribute::ActualValues);
            if attributes.object_size != size {
                faults.push(format!(
                    "the size of a file is {:?}",
                    attributes.object_size
                ));
            }
            if attributes.pathname.is_some() != leaf.file_name().is_some() {
                faults.push("the name of a file is not in its attributes".to_owned());
            }
        }
        BodyPart::Extended(extended) if extended.kind() == Some(&oids::ID_MIME_BP_DATA) => {}
        _ if leaf.media_type.is("application", "x400-bp") || is_report => {}
        other => faults.push(
            format!("an unexpected body part {other:?}")
                .chars()
                .take(200)
                .collect(),
        ),
    }
}

/// Subject, structure and every leaf.
pub fn mails(sent: &Mail, returned: &Mail, between: &Between, faults: &mut Vec<String>) {
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
    if between.is_report {
        // The status of a notification comes back as text, by RFC 2156 section 5.1.8.3.
        return;
    }
    parts(&sent.root, &returned.root, "", faults);
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
