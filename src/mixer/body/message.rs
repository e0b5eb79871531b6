//! Messages within messages: message/rfc822 and nested multiparts to and from message body parts.
//!
//! RFC 2157 sections 6.5 and 6.6. A multipart within a message has no body part of its own: it
//! becomes a message whose heading says, by the extension multipart-message, that it is none.

use super::equivalence::MULTIPART_MESSAGE_V1;
use super::{equivalence, file};
use crate::asn1::ipms::{Heading, IPMIdentifier, IPMSExtension};
use crate::asn1::oids;
use crate::asn1::rfc2156::MultipartType;
use crate::mixer::basic::teletex;
use crate::mixer::to_x400::fields;
use crate::rfc822::{Field, MediaType, Part};

/// The longest subject (X.420).
const SUBJECT: usize = 128;

/// What a heading says of the multipart its body was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Multipart {
    /// The subtype, in lower case.
    pub subtype: String,
    /// Whether the body belongs to a message; otherwise there never was one.
    pub is_a_message: bool,
}

/// The extension that tells a multipart (section 6.6).
#[must_use]
pub fn extension(subtype: &str, is_a_message: bool) -> IPMSExtension {
    let value = MultipartType {
        subtype: subtype.into(),
        isamessage: is_a_message,
    };
    IPMSExtension::new(oids::ID_HEX_MULTIPART_MESSAGE_V2, &value)
}

/// What the extensions of a heading say: the new extension wins over the old one.
#[must_use]
pub fn multipart(heading: &Heading) -> Option<Multipart> {
    let find = |is: &dyn Fn(&IPMSExtension) -> bool| {
        heading.extensions.iter().find(|extension| is(extension))
    };
    if let Some(new) = find(&|extension| extension.r#type == oids::ID_HEX_MULTIPART_MESSAGE_V2) {
        let value: MultipartType = new.value.as_ref()?.decode().ok()?;
        let subtype = value.subtype.as_str()?.to_ascii_lowercase();
        return is_token(&subtype).then_some(Multipart {
            subtype,
            is_a_message: value.isamessage,
        });
    }
    let old = find(&|extension| equivalence::is(&extension.r#type, MULTIPART_MESSAGE_V1))?;
    let number = old.value.as_ref()?.decode::<Enumerated>().ok()?;
    let subtype = match number.0 {
        1 => "mixed",
        2 => "alternative",
        3 => "digest",
        4 => "parallel",
        _ => return None,
    };
    Some(Multipart {
        subtype: subtype.to_owned(),
        is_a_message: true,
    })
}

/// The value of the extension of RFC 1495.
type Enumerated = crate::asn1::ipms::ImportanceField;

fn is_token(text: &str) -> bool {
    let plain = |octet: u8| octet.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&octet);
    !text.is_empty() && text.len() <= 64 && text.bytes().all(plain)
}

/// The heading of a message that stands for a nested multipart.
#[must_use]
pub fn heading(part: &Part, identifier: String) -> Heading {
    let subtype = part.media_type.subtype.as_str();
    let subject = match subtype {
        "mixed" => "Multipart Message".to_owned(),
        "alternative" => "Alternative Body Parts containing the same information".to_owned(),
        "digest" => "Message Digest".to_owned(),
        "parallel" => "Body Parts interpreted in parallel".to_owned(),
        other => format!("Multipart Message ({other})"),
    };
    let mut extensions = vec![extension(subtype, false)];
    let carried = carried_fields(part);
    if !carried.is_empty() {
        extensions.push(file::field_list(carried));
    }
    Heading {
        this_ipm: IPMIdentifier {
            user_relative_identifier: identifier.into(),
            ..IPMIdentifier::default()
        },
        subject: Some(teletex::from_human(&subject, SUBJECT).octets.into()),
        extensions: extensions.into(),
        ..Heading::default()
    }
}

/// The fields of a multipart that the extension does not say: its type only if it has parameters
/// besides its boundary.
#[must_use]
pub fn carried_fields(part: &Part) -> Vec<String> {
    let fields = part.header.fields.iter().filter(|field| {
        is_of_content(field)
            && !field.is("Content-Transfer-Encoding")
            && !field.is("Content-Language")
            && !field.is("Content-Type")
    });
    let mut carried: Vec<String> = fields.map(|field| fields::rfc822_field(field).0).collect();
    let parameters = part
        .media_type
        .parameters
        .iter()
        .filter(|(name, _)| name != "boundary");
    let mut media_type = MediaType::new(&part.media_type.kind, &part.media_type.subtype);
    media_type.parameters = parameters.cloned().collect();
    if !media_type.parameters.is_empty() {
        carried.push(media_field("Content-Type", &media_type));
    }
    carried
}

/// A media type or disposition as a field on one line.
#[must_use]
pub fn media_field(name: &'static str, media_type: &MediaType) -> String {
    let mut written = crate::rfc822::write::Fields::new();
    written.media(name, media_type);
    written.as_str().replace("\r\n", "")
}

/// Whether a field describes the content of a part.
#[must_use]
pub fn is_of_content(field: &Field) -> bool {
    let start = field.name.get(..8).unwrap_or_default();
    start.eq_ignore_ascii_case("content-")
}

/// The media type of a multipart that comes back: the stated one if it is of that subtype.
#[must_use]
pub fn media_type(subtype: &str, carried: &[Field]) -> MediaType {
    let stated = carried.iter().find(|field| field.is("Content-Type"));
    stated
        .and_then(|field| MediaType::parse(&field.raw))
        .filter(|media| media.is("multipart", subtype))
        .unwrap_or_else(|| MediaType::new("multipart", subtype))
}
