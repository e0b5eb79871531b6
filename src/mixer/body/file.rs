//! Files: any MIME part to and from a file-transfer body part.
//!
//! RFC 2157 sections 2.3 (parameters), 3.1.1 (encapsulation), 3.3 (application/x-ftbp) and 6.4
//! (application/octet-stream). The octets are those of the file, its transfer encoding undone; what
//! the parameters cannot say travels as RFC822Fields in their extensions.

use super::{equivalence, message};
use crate::asn1::ftbp::{
    CrossReference, DateAndTimeAttribute, EnvironmentParameter, FileAttributes, FileIdentifier,
    FileTransferData, FileTransferParameters, GeneralIdentifier, MessageReference,
    ObjectSizeAttribute, PathnameAttribute, RelatedFile, Relationship, file_octets,
};
use crate::asn1::ipms::{ExtendedBodyPart, IPMSExtension};
use crate::asn1::rfc2156::RFC822FieldList;
use crate::asn1::types::GraphicString;
use crate::asn1::{compose, oids};
use crate::mixer::basic::iso2022::{self, Start};
use crate::mixer::basic::time::Time;
use crate::mixer::basic::{dotted, printable};
use crate::mixer::to_x400::fields;
use crate::octets::Octets;
use crate::rfc822::entity::Entity;
use crate::rfc822::write::Fields;
use crate::rfc822::{Field, Header, MediaType, Part};

/// What marks a related file as a Content-ID (section 2.3.2).
const MARKER: &str = "Internet MIME Body Part";
/// The longest user-relative identifier (X.420).
const LONGEST_IDENTIFIER: usize = 64;

/// A file-transfer body part of a MIME part that holds `data`, and the section it is made by; `sole`
/// if the part is all there is in its message.
#[must_use]
pub fn to_x400(part: &Part, data: Octets, sole: bool) -> (Octets, &'static str) {
    let media = &part.media_type;
    let (reference, section) = equivalence::file_of(&media.kind, &media.subtype);
    let disposition = part.disposition();
    let date = |name: &str| {
        let text = disposition.as_ref()?.parameter(name)?;
        let time = Time::from_date_time(text)?;
        Some(DateAndTimeAttribute::ActualValues(
            time.to_generalized_time().into(),
        ))
    };
    let cross_reference = part.content_id().and_then(|id| cross_reference(&id));
    let description = part.description();
    let strings = description.as_deref().map(|text| vec![graphic(text)]);
    let carried = carried_fields(part, sole, cross_reference.is_some(), strings.is_some());
    let parameters = FileTransferParameters {
        related_stored_file: cross_reference.map(|related| vec![related].into()),
        environment: Some(EnvironmentParameter {
            application_reference: Some(GeneralIdentifier::RegisteredIdentifier(
                equivalence::identifier(reference),
            )),
            user_visible_string: strings,
            ..EnvironmentParameter::default()
        }),
        file_attributes: Some(FileAttributes {
            pathname: part
                .file_name()
                .map(|name| PathnameAttribute::IncompletePathname(vec![graphic(&name)])),
            date_and_time_of_creation: date("creation-date"),
            date_and_time_of_last_modification: date("modification-date"),
            date_and_time_of_last_read_access: date("read-date"),
            object_size: i64::try_from(data.len())
                .ok()
                .map(ObjectSizeAttribute::ActualValues),
            ..FileAttributes::default()
        }),
        extensions: (!carried.is_empty()).then(|| vec![field_list(carried)].into()),
        ..FileTransferParameters::default()
    };
    let syntax = oids::UNSTRUCTURED_BINARY;
    let composed = compose::file_transfer_body_part(&parameters, Some(&syntax), None, data);
    (composed, section)
}

/// The extension that carries fields (RFC 2156 section 5.1.2).
#[must_use]
pub fn field_list(fields: Vec<String>) -> IPMSExtension {
    let list: RFC822FieldList = fields.into_iter().map(Into::into).collect();
    IPMSExtension::new(oids::ID_RFC_822_FIELD_LIST, &list)
}

/// The fields in the extensions of a heading or a file, whichever identifier they bear.
#[must_use]
pub fn fields_of<'a>(extensions: impl IntoIterator<Item = &'a IPMSExtension>) -> Vec<Field> {
    let known = [
        oids::ID_RFC_822_FIELD_LIST,
        oids::ID_RFC_822_FIELD_LIST_1327,
        oids::ID_RFC_822_FIELD_LIST_TRUNCATED,
    ];
    let lists = extensions
        .into_iter()
        .filter(|extension| known.contains(&extension.r#type));
    let lists =
        lists.filter_map(|extension| extension.value.as_ref()?.decode::<RFC822FieldList>().ok());
    lists
        .flatten()
        .filter_map(|text| {
            let (header, rest) = Header::split(&text.0).ok()?;
            let [field] = header.fields.as_slice() else {
                return None;
            };
            (rest.is_empty() && header.malformed.is_empty()).then(|| field.clone())
        })
        .collect()
}

/// The fields of a part that its parameters do not say (section 2.3.2): all of a part of a
/// multipart, of a sole part those of its content.
fn carried_fields(part: &Part, sole: bool, identified: bool, described: bool) -> Vec<String> {
    let mut carried = vec![message::media_field("Content-Type", &part.media_type)];
    if let Some(disposition) = part.disposition() {
        carried.push(message::media_field("Content-Disposition", &disposition));
    }
    for field in &part.header.fields {
        let said = [
            "Content-Type",
            "Content-Disposition",
            "Content-Transfer-Encoding",
            "MIME-Version",
        ]
        .iter()
        .any(|name| field.is(name))
            || (field.is("Content-ID") && identified)
            || (field.is("Content-Description") && described);
        let of_content = message::is_of_content(field);
        if !said && (of_content || !sole) {
            carried.push(fields::rfc822_field(field).0);
        }
    }
    carried
}

/// A Content-ID, without its brackets, as a related file; `None` if it is too long for one.
fn cross_reference(id: &str) -> Option<RelatedFile> {
    let identifier = printable::encode(id)?;
    (identifier.len() <= LONGEST_IDENTIFIER).then_some(())?;
    Some(RelatedFile {
        file_identifier: FileIdentifier::CrossReference(CrossReference {
            message_reference: Some(MessageReference {
                user_relative_identifier: identifier.into(),
                ..MessageReference::default()
            }),
            ..CrossReference::default()
        }),
        relationship: Some(Relationship::DescriptiveRelationship(
            MARKER.as_bytes().into(),
        )),
        ..RelatedFile::default()
    })
}

/// Text as GraphicString: the sets of ISO 8859, else UTF-8; control characters become blanks.
fn graphic(text: &str) -> GraphicString {
    let plain = plain(text);
    let latin = [100, 101, 144, 126, 109, 110, 148, 127, 138];
    let encoded =
        iso2022::encode(&plain, &latin, true).unwrap_or_else(|| iso2022::encode_utf8(&plain));
    encoded.octets.into()
}

/// Text as a GraphicString can hold it: control characters become blanks.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// GraphicString as text (section 2.3.1).
fn text(string: &GraphicString) -> String {
    iso2022::decode(string.as_bytes(), Start::Declared(100)).text
}

/// The MIME part of a file-transfer body part; `None` if it is more than one run of octets, or
/// compressed, or no such body part at all: it is then encapsulated whole (section 3.3).
#[must_use]
pub fn to_rfc822(part: &ExtendedBodyPart) -> Option<Entity> {
    let data: FileTransferData = part.data().ok()?;
    if data.len() != 1 {
        return None;
    }
    let parameters: FileTransferParameters = match part.parameters() {
        Some(parameters) => parameters.ok()?,
        None => FileTransferParameters::default(),
    };
    if parameters.compression.is_some()
        || parameters.contents_type.as_ref().is_some_and(is_structured)
    {
        return None;
    }
    let carried = fields_of(parameters.extensions.iter().flatten());
    let stated = carried.iter().find(|field| field.is("Content-Type"));
    let stated = stated.and_then(|field| MediaType::parse(&field.raw));
    let media_type = stated.clone().unwrap_or_else(|| media_type(&parameters));
    let mut entity = entity(media_type, file_octets(&data));
    described(&mut entity.fields, &parameters, &carried, stated.as_ref());
    for field in carried.iter().filter(|field| !is_made_here(field)) {
        // A name that is none cannot have come from a field.
        let _ = entity.fields.field(field);
    }
    Some(entity)
}

/// Octets under a media type: text as text if that changes no octet, all else as base64.
///
/// A multipart or a message cannot be written so; it becomes application/octet-stream.
#[must_use]
pub fn entity(media_type: MediaType, octets: Octets) -> Entity {
    if media_type.kind == "message" && matches!(media_type.subtype.as_str(), "rfc822" | "global") {
        let whole = octets.to_bytes();
        let canonical = !bare_line_ends(&whole);
        if let Some(entity) = canonical
            .then(|| Entity::verbatim(media_type, octets.clone()).ok())
            .flatten()
        {
            return entity;
        }
        return Entity::binary(MediaType::new("application", "octet-stream"), octets);
    }
    match media_type.kind.as_str() {
        "multipart" => Entity::binary(MediaType::new("application", "octet-stream"), octets),
        "text" => {
            let whole = octets.to_bytes();
            if bare_line_ends(&whole) {
                Entity::binary(media_type, octets)
            } else {
                Entity::text(media_type, whole)
            }
        }
        _ => Entity::binary(media_type, octets),
    }
}

/// Whether there is a CR or an LF without the other.
fn bare_line_ends(octets: &[u8]) -> bool {
    let mut before = 0;
    for &octet in octets {
        if (octet == b'\n') != (before == b'\r') {
            return true;
        }
        before = octet;
    }
    before == b'\r'
}

/// Whether the contents are something else than unstructured octets.
fn is_structured(contents: &crate::asn1::ftbp::ContentsTypeParameter) -> bool {
    use crate::asn1::ftbp::{ContentsTypeParameter, DocumentTypeName};
    match contents {
        ContentsTypeParameter::DocumentType(document) => {
            let name = match &document.document_type_name {
                DocumentTypeName::Identifier(name) | DocumentTypeName::Ftam(name) => name,
            };
            *name != oids::UNSTRUCTURED_BINARY
        }
        ContentsTypeParameter::ConstraintSetAndAbstractSyntax(_) => true,
    }
}

/// The media type that the application reference stands for.
fn media_type(parameters: &FileTransferParameters) -> MediaType {
    let reference = parameters
        .environment
        .as_ref()
        .and_then(|env| env.application_reference.as_ref());
    match reference {
        Some(GeneralIdentifier::RegisteredIdentifier(reference)) => {
            if let Some(row) = equivalence::of_file(reference) {
                return MediaType::new(row.media.0, row.media.1);
            }
            let arcs: Option<Vec<u32>> = reference
                .arcs()
                .into_iter()
                .map(|arc| u32::try_from(arc).ok())
                .collect();
            match arcs {
                Some(arcs) if *reference != oids::ID_MIME_FTBP_DATA => {
                    MediaType::new("application", &format!("x-ftbp.{}", dotted(&arcs)))
                }
                _ => MediaType::new("application", "octet-stream"),
            }
        }
        _ => MediaType::new("application", "octet-stream"),
    }
}

/// Whether [`described`] makes the field, or the entity when it is written.
fn is_made_here(field: &Field) -> bool {
    [
        "Content-Type",
        "Content-Transfer-Encoding",
        "Content-Disposition",
        "MIME-Version",
        "Content-ID",
        "Content-Description",
    ]
    .iter()
    .any(|name| field.is(name))
}

/// Content-Disposition, Content-Description and Content-ID of the parameters (section 2.3.2).
fn described(
    fields: &mut Fields,
    parameters: &FileTransferParameters,
    carried: &[Field],
    stated: Option<&MediaType>,
) {
    let field = |name: &str| carried.iter().find(|field| field.is(name));
    let name = file_name(parameters);
    let disposition = field("Content-Disposition").and_then(|field| MediaType::parse(&field.raw));
    let named_alike = |disposition: &MediaType| {
        let in_type = stated.and_then(|media| media.parameter("name"));
        let said = disposition.parameter("filename").or(in_type);
        said.filter(|said| !said.is_empty()).map(plain) == name
    };
    match disposition {
        Some(disposition) if named_alike(&disposition) => {
            fields.media("Content-Disposition", &disposition);
        }
        // The part had a type and no disposition: its type names it, if anything does.
        None if stated.is_some_and(|media| media.parameter("name").map(plain) == name) => {}
        _ => fields.media("Content-Disposition", &attachment(parameters, name)),
    }
    let strings = parameters
        .environment
        .as_ref()
        .and_then(|env| env.user_visible_string.as_ref());
    if let Some(description) = strings.and_then(|strings| strings.first()) {
        fields.text("Content-Description", &text(description));
    } else if let Some(description) = field("Content-Description") {
        fields.text("Content-Description", &description.decoded());
    }
    let identifier = parameters
        .related_stored_file
        .iter()
        .flatten()
        .find_map(content_id);
    let carried_identifier = || field("Content-ID").map(Field::text);
    if let Some(identifier) = identifier.or_else(carried_identifier) {
        fields.structured("Content-ID", &identifier);
    }
}

/// The Content-ID that a related file stands for.
fn content_id(related: &RelatedFile) -> Option<String> {
    let marked = match &related.relationship {
        Some(Relationship::DescriptiveRelationship(marker)) => text(marker) == MARKER,
        _ => false,
    };
    let FileIdentifier::CrossReference(reference) = &related.file_identifier else {
        return None;
    };
    let identifier = reference
        .message_reference
        .as_ref()?
        .user_relative_identifier
        .as_str()?;
    let id = printable::decode(identifier)?;
    let plain = id
        .bytes()
        .all(|octet| octet.is_ascii_graphic() || octet == b' ');
    (marked && plain).then(|| format!("<{}>", id.trim_start_matches('<').trim_end_matches('>')))
}

/// The file name: the last string of the path, without what a directory would be.
fn file_name(parameters: &FileTransferParameters) -> Option<String> {
    let attributes = parameters.file_attributes.as_ref()?;
    let path = match attributes.pathname.as_ref()? {
        PathnameAttribute::IncompletePathname(path)
        | PathnameAttribute::CompletePathname(path)
        | PathnameAttribute::FtamCompletePathname(path) => path,
    };
    Some(text(path.last()?)).filter(|name| !name.is_empty())
}

/// `attachment` with what the file attributes say.
fn attachment(parameters: &FileTransferParameters, name: Option<String>) -> MediaType {
    let mut disposition = MediaType::new("attachment", "");
    if let Some(name) = name {
        disposition = disposition.with("filename", name);
    }
    let Some(attributes) = &parameters.file_attributes else {
        return disposition;
    };
    for (parameter, date) in [
        ("creation-date", &attributes.date_and_time_of_creation),
        (
            "modification-date",
            &attributes.date_and_time_of_last_modification,
        ),
        ("read-date", &attributes.date_and_time_of_last_read_access),
    ] {
        let time = match date {
            Some(DateAndTimeAttribute::ActualValues(time)) => {
                time.as_str().and_then(Time::from_generalized_time)
            }
            _ => None,
        };
        if let Some(time) = time {
            disposition = disposition.with(parameter, time.to_date_time());
        }
    }
    if let Some(ObjectSizeAttribute::ActualValues(size)) = attributes.object_size {
        disposition = disposition.with("size", size.to_string());
    }
    disposition
}
