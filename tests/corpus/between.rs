//! What stands in X.400, as `decode --json` shows it: a body part for each leaf, and nothing twice.

use mixgate::mixer::body::encapsulate;
use mixgate::rfc822::mail::Content;
use mixgate::rfc822::{AddressList, Mail, Part};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The heading extension that carries fields (RFC 2156 appendix D).
const FIELD_LIST: &str = "1.3.6.1.7.1.3.2";
/// The fields that elements hold, so that no second copy of them travels.
const MAPPED: [&str; 4] = ["To", "Cc", "From", "Received"];

/// One PDU and what is in it.
pub struct Between {
    pdu: Value,
    /// Whether it is a report, the mail its returned content.
    pub is_report: bool,
}

impl Between {
    /// The one PDU of a file.
    pub fn of(pdus: &Value) -> Result<Self, String> {
        let pdus = pdus.as_array().ok_or("no PDUs")?;
        let [pdu] = pdus.as_slice() else {
            return Err(format!("{} PDUs", pdus.len()));
        };
        Ok(Self {
            is_report: pdu["value"].get("report").is_some(),
            pdu: pdu.clone(),
        })
    }

    /// One body part for each leaf; text as text, files with name and size; nothing twice.
    pub fn shows(&self, mail: &Mail, faults: &mut Vec<String>) {
        let mut leaves = Vec::new();
        collect_leaves(&mail.root, &mut leaves);
        let mut parts = Vec::new();
        collect_parts(&self.pdu["summary"], &mut parts);
        if leaves.len() != parts.len() {
            let (leaves, parts) = (leaves.len(), parts.len());
            faults.push(format!("{leaves} leaves are {parts} body parts"));
            return;
        }
        for (leaf, part) in leaves.iter().zip(&parts) {
            check_part(leaf, part, self.is_report, faults);
        }
        self.has_no_second_copy(mail, &leaves, &parts, faults);
        if mail.header().first("Subject").is_some() && self.pdu["summary"].get("subject").is_none()
        {
            faults.push("the subject is not in the heading".to_owned());
        }
    }

    /// No field travels beside the element that holds it, and no body beside its body part.
    fn has_no_second_copy(
        &self,
        mail: &Mail,
        leaves: &[&Part],
        parts: &[&Value],
        faults: &mut Vec<String>,
    ) {
        let heading = find(&self.pdu["value"], "heading").unwrap_or(&Value::Null);
        let extensions = heading["extensions"].as_array().into_iter().flatten();
        let carried: Vec<&str> = extensions
            .filter(|extension| extension["type"] == FIELD_LIST)
            .filter_map(|extension| extension["value"]["RFC822FieldList"].as_array())
            .flatten()
            .filter_map(|field| field.as_str()?.split(':').next())
            .collect();
        for name in MAPPED {
            let malformed = mail.header().merged(name).is_some_and(|value| {
                let list = AddressList::parse(&value);
                !list.malformed.is_empty() || list.addresses.is_empty()
            });
            if carried.iter().any(|field| field.eq_ignore_ascii_case(name)) && !malformed {
                faults.push(format!("{name} travels twice"));
            }
        }
        let length = |part: &&Value| part["length"].as_u64().unwrap_or_default();
        let bodies: u64 = parts.iter().map(length).sum();
        let fields = mail.root.raw.len() - leaves.iter().map(|leaf| leaf.body.len()).sum::<usize>();
        // An address may stand in heading, envelope and correlator, each with the gateway's own.
        let most = bodies + 8 * fields as u64 + 1024 * parts.len() as u64 + 4096;
        let whole = self.pdu["length"].as_u64().unwrap_or(u64::MAX);
        if whole > most {
            faults.push(format!(
                "{whole} octets for bodies of {bodies} and fields of {fields}"
            ));
        }
    }
}

/// The member of this name nearest to the root.
fn find<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let members = value.as_object()?;
    let inner = || members.values().find_map(|value| find(value, name));
    members.get(name).or_else(inner)
}

/// A part that travels as it stands is one leaf, whatever it holds.
pub fn is_whole(part: &Part) -> bool {
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

fn collect_parts<'a>(summary: &'a Value, parts: &mut Vec<&'a Value>) {
    for part in summary["body-parts"].as_array().into_iter().flatten() {
        match part.get("message") {
            Some(message) => collect_parts(message, parts),
            None => parts.push(part),
        }
    }
}

fn check_part(leaf: &Part, part: &Value, is_report: bool, faults: &mut Vec<String>) {
    let attached =
        leaf.file_name().is_some() || leaf.disposition().is_some_and(|d| d.kind == "attachment");
    let known = leaf.text().is_some_and(|text| text.lossless);
    let is_text = leaf.media_type.is("text", "plain") && !attached && known;
    match part["type"].as_str().unwrap_or_default() {
        "ia5-text" | "general-text" => {}
        other if is_text => faults.push(format!("text is {other}")),
        "id-mime-bp-data" => {}
        "file-transfer" => {
            let octets = leaf.decoded().to_bytes();
            if part["size"] != octets.len() || part["length"] != octets.len() {
                let (size, length) = (&part["size"], &part["length"]);
                faults.push(format!("a file of {length} octets says {size}"));
            }
            let hash: String = Sha256::digest(&octets)
                .iter()
                .map(|octet| format!("{octet:02x}"))
                .collect();
            if part["sha256"] != hash {
                faults.push("the octets of a file are others".to_owned());
            }
            if part.get("file-name").is_some() != leaf.file_name().is_some() {
                faults.push("the name of a file is not in its parameters".to_owned());
            }
        }
        _ if leaf.media_type.is("application", "x400-bp") || is_report => {}
        other => faults.push(format!("an unexpected body part {other}")),
    }
}
