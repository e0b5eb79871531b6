//! Bodies on their way to mail: body parts become MIME parts, and the multipart they make up.
//!
//! RFC 2157 sections 2.2 and 5.4. What has no equivalence is encapsulated whole; nothing is dropped.

use bytes::Bytes;

use super::{encapsulate, file, message, text};
use crate::asn1::ipms::{
    BodyPart, ExtendedBodyPart, GeneralTextData, GeneralTextParameters, Heading, IPM,
    MessageBodyPart, MessageParameters,
};
use crate::asn1::oids;
use crate::mixer::outcome::{Ledger, PartMapping};
use crate::octets::Octets;
use crate::rfc822::entity::Entity;
use crate::rfc822::write::Fields;
use crate::rfc822::{Field, Header, MediaType};

/// Messages nested deeper than this stay whole.
const DEEPEST: usize = 30;
/// The first line of a body part that holds fields (RFC 2156 appendix B); older gateways left out
/// the colon.
const RFC_822_HEADERS: &[u8] = b"rfc-822-headers";

/// Writes the header of a message within a message: heading and delivery information to fields.
pub type WriteHeader<'a> = &'a dyn Fn(&Heading, &MessageParameters, &mut Ledger) -> Fields;

/// A body as mail.
#[derive(Debug)]
pub struct Converted {
    /// The content of the message.
    pub entity: Entity,
    /// Fields that the body held for the header (RFC 2156 appendix B), as a stranger wrote them.
    pub fields: Vec<Field>,
}

/// Whether a field of the extension rfc-822-field belongs to the body, which restores it itself.
#[must_use]
pub fn is_field_of_body(field: &Field) -> bool {
    let start = field.name.get(..8).unwrap_or_default();
    (start.eq_ignore_ascii_case("content-") && !field.is("Content-Language"))
        || field.is("MIME-Version")
}

/// The body of a message.
pub fn body(ipm: &IPM, header: WriteHeader<'_>, ledger: &mut Ledger) -> Converted {
    body_at(ipm, header, ledger, 0)
}

fn body_at(ipm: &IPM, header: WriteHeader<'_>, ledger: &mut Ledger, depth: usize) -> Converted {
    let carried: Vec<Field> = file::fields_of(ipm.heading.extensions.iter())
        .into_iter()
        .filter(is_field_of_body)
        .collect();
    let (fields, parts) = match ipm.body.split_first() {
        Some((first, rest)) if !rest.is_empty() => match fields_in(first) {
            Some(fields) => (fields, rest),
            None => (Vec::new(), ipm.body.as_slice()),
        },
        _ => (Vec::new(), ipm.body.as_slice()),
    };
    let told = message::multipart(&ipm.heading);
    let mut entities: Vec<Entity> = Vec::with_capacity(parts.len());
    for part in parts {
        entities.push(part_at(part, header, ledger, depth));
    }
    let all_messages = parts
        .iter()
        .all(|part| matches!(part, BodyPart::Message(_)));
    let subtype = match (&told, entities.len()) {
        (Some(multipart), _) => Some(multipart.subtype.as_str()),
        (None, 0 | 1) => None,
        (None, _) if all_messages => Some("digest"),
        (None, _) => Some("mixed"),
    };
    let mut entity = match (subtype, entities.pop()) {
        (Some(subtype), last) => {
            entities.extend(last);
            Entity::multipart(message::media_type(subtype, &carried), entities)
        }
        (None, Some(only)) => with_parameters(only, &carried),
        (None, None) => Entity::unicode(""),
    };
    for field in &carried {
        if !is_written(field, &entity) {
            // A name that is none cannot have come from a field.
            let _ = entity.fields.field(field);
        }
    }
    Converted { entity, fields }
}

/// Whether the entity writes the field itself.
fn is_written(field: &Field, entity: &Entity) -> bool {
    ["Content-Type", "Content-Transfer-Encoding", "MIME-Version"]
        .iter()
        .any(|name| field.is(name))
        || entity.fields.contains(&field.name)
}

/// A sole part with the parameters that its Content-Type had (section 2.4 (3)).
fn with_parameters(entity: Entity, carried: &[Field]) -> Entity {
    let stated = carried.iter().find(|field| field.is("Content-Type"));
    let Some(stated) = stated.and_then(|field| MediaType::parse(&field.raw)) else {
        return entity;
    };
    let media = entity.media_type();
    if !media.is("text", "plain") || !stated.is("text", "plain") {
        return entity;
    }
    let mut media_type = media.clone();
    for (name, value) in stated.parameters {
        if media_type.parameter(&name).is_none() {
            media_type = media_type.with(&name, value);
        }
    }
    entity.with_media_type(media_type)
}

/// The fields in a first body part that is there for them (RFC 2156 appendix B); `None` if it is
/// not, or is more than fields.
fn fields_in(part: &BodyPart) -> Option<Vec<Field>> {
    let BodyPart::Ia5Text(text) = part else {
        return None;
    };
    let octets = &text.data.0;
    let start = octets.get(..RFC_822_HEADERS.len())?;
    start.eq_ignore_ascii_case(RFC_822_HEADERS).then_some(())?;
    let line_end = octets.iter().position(|octet| *octet == b'\n')?;
    let first_line = octets.get(RFC_822_HEADERS.len()..line_end)?.trim_ascii();
    matches!(first_line, b"" | b":").then_some(())?;
    let (header, rest) = Header::split(&octets.slice(line_end + 1..)).ok()?;
    (rest.trim_ascii().is_empty() && header.malformed.is_empty()).then_some(header.fields)
}

/// The MIME part of a body part.
fn part_at(part: &BodyPart, header: WriteHeader<'_>, ledger: &mut Ledger, depth: usize) -> Entity {
    let (entity, name, section) = match part {
        BodyPart::Ia5Text(ia5) => match encapsulate::unharpoon(&ia5.data.0) {
            Some(entity) => (entity, "ia5-text (MIME encapsulated)", "RFC 2157 3.1.3"),
            None => (
                of_text(text::of_ia5(Octets::from(ia5.data.0.clone())), ledger),
                "ia5-text",
                "RFC 2157 6.1",
            ),
        },
        BodyPart::Teletex(teletex) => {
            let pages = teletex.data.iter().map(|page| page.as_bytes());
            (
                of_text(text::of_teletex(pages), ledger),
                "teletex",
                "RFC 2157 6.7",
            )
        }
        BodyPart::BilaterallyDefined(octets) => (
            Entity::binary(
                MediaType::new("application", "octet-stream"),
                Octets::from(octets.0.clone()),
            ),
            "bilaterally-defined",
            "RFC 2157 6.3",
        ),
        BodyPart::Message(message) => match of_message(message, header, ledger, depth) {
            Some(entity) => (entity, "message", "RFC 2157 6.5"),
            None => (encapsulate::x400_bp(part), "message", "RFC 2157 3.2"),
        },
        BodyPart::Extended(extended) => match of_extended(extended, ledger) {
            Some(known) => known,
            None => (encapsulate::x400_bp(part), "extended", "RFC 2157 3.2"),
        },
        other => (
            encapsulate::x400_bp(other),
            "basic body part",
            "RFC 2157 3.2",
        ),
    };
    ledger.parts.push(PartMapping {
        from: name.to_owned(),
        to: entity.media_type().to_string(),
        section,
        octets: octets_of(part),
        sha256: None,
    });
    entity
}

/// How many octets of content a body part holds, where that is plain to see.
fn octets_of(part: &BodyPart) -> u64 {
    let length = match part {
        BodyPart::Ia5Text(text) => text.data.len(),
        BodyPart::BilaterallyDefined(octets) => octets.len(),
        BodyPart::Message(message) => message.data.0.len(),
        other => return crate::asn1::encode_octets(other).len(),
    };
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn of_text(mail: text::MailText, ledger: &mut Ledger) -> Entity {
    if !mail.lossless {
        ledger.note(
            "characters that no known set has",
            "U+FFFD",
            "RFC 2157 6.2",
            true,
        );
    }
    let media_type = MediaType::new("text", "plain").with("charset", mail.charset);
    Entity::text(media_type, mail.octets.to_bytes())
}

/// The part of an extended body part that has an equivalence.
fn of_extended(
    extended: &ExtendedBodyPart,
    ledger: &mut Ledger,
) -> Option<(Entity, &'static str, &'static str)> {
    let data_type = extended.kind()?;
    if *data_type == oids::ID_ET_GENERAL_TEXT {
        let data: GeneralTextData = extended.data().ok().or_else(|| octets_aligned(extended))?;
        let sets: Option<GeneralTextParameters> = extended.parameters().and_then(Result::ok);
        let sets = sets.unwrap_or_default();
        let sets: Vec<u32> = sets
            .iter()
            .filter_map(|set| u32::try_from(*set).ok())
            .collect();
        let mail = text::of_general(Octets::from(data.0.clone()), &sets);
        return Some((of_text(mail, ledger), "general-text", "RFC 2157 6.2"));
    }
    if *data_type == oids::ID_ET_FILE_TRANSFER {
        return Some((file::to_rfc822(extended)?, "file-transfer", "RFC 2157 2.3"));
    }
    Some((
        encapsulate::of_extended(extended)?,
        "extended",
        "RFC 2157 5.4",
    ))
}

/// The octets of an EXTERNAL that holds the characters themselves (trap: octet-aligned is in use).
fn octets_aligned(extended: &ExtendedBodyPart) -> Option<GeneralTextData> {
    match &extended.data.encoding {
        crate::asn1::external::Encoding::OctetAligned(octets) => Some(octets.0.clone().into()),
        _ => None,
    }
}

/// A message within a message, or the multipart it stands for; `None` if it cannot be read.
fn of_message(
    part: &MessageBodyPart,
    header: WriteHeader<'_>,
    ledger: &mut Ledger,
    depth: usize,
) -> Option<Entity> {
    (depth < DEEPEST).then_some(())?;
    let ipm = part.ipm().ok()?;
    let Converted { entity, fields } = body_at(&ipm, header, ledger, depth + 1);
    if message::multipart(&ipm.heading).is_some_and(|multipart| !multipart.is_a_message) {
        return Some(entity);
    }
    let mut written = header(&ipm.heading, &part.parameters, ledger);
    for field in fields.iter().filter(|field| !is_field_of_body(field)) {
        if !written.contains(&field.name) {
            // A name that is none cannot have come from a field.
            let _ = written.field(field);
        }
    }
    Some(Entity::message(written, entity))
}

/// Octets of a mail that were returned whole.
#[must_use]
pub fn whole_message(octets: Bytes) -> Entity {
    file::entity(MediaType::new("message", "rfc822"), Octets::from(octets))
}
