//! What open types hold: extension values, attributes, EXTERNALs, contents, forwarded messages and
//! user data of the layers below, understood by the number or name that stands beside them.

use bytes::Bytes;

use super::codec::{Ber, Source, Tagging};
use super::guard::Limits;
use super::types::{self, ObjectIdentifier};
use super::value::Value;
use super::{acse, ftbp, ipms, mta, mts, oids, rfc2156, rtse, x509};

/// How many encodings may be explained within one another.
const LEVELS: usize = 64;

/// A type that octets may be read as.
#[derive(Clone, Copy)]
struct Reader {
    /// Its name in Rust.
    name: &'static str,
    /// The name of the type it is, which may be another for a type that is only a name.
    of: &'static str,
    /// Shows octets as a value of the type; `None` if they are none.
    read: fn(&Bytes) -> Option<Value>,
}

/// Shows `octets` as a `T`, if they are one and nothing else.
fn read<T: Ber>(octets: &Bytes) -> Option<Value> {
    let source = Source::new(octets.clone(), &Limits::DEFAULT).ok()?;
    if source.length() != octets.len() {
        return None;
    }
    let element = source.element().ok()?;
    let value: T = element.alternative(Tagging::Own, T::NAME).ok()??;
    Some(value.show())
}

/// The reader of a type.
macro_rules! reader {
    ($module:ident :: $name:ident) => {
        Reader {
            name: stringify!($name),
            of: <$module::$name as Ber>::NAME,
            read: read::<$module::$name>,
        }
    };
}

/// The value of the extension field of this number (X.411 figure 2 part 12 and figure 4).
fn extension(number: i64) -> Option<Reader> {
    Some(match number {
        1 => reader!(mts::RecipientReassignmentProhibited),
        2 | 27 | 31 => reader!(mts::ORName),
        3 => reader!(mts::DLExpansionProhibited),
        4 => reader!(mts::ConversionWithLossProhibited),
        5 => reader!(mts::LatestDeliveryTime),
        6 => reader!(mts::RequestedDeliveryMethod),
        7 => reader!(mts::PhysicalForwardingProhibited),
        8 => reader!(mts::PhysicalForwardingAddressRequest),
        9 => reader!(mts::PhysicalDeliveryModes),
        10 => reader!(mts::RegisteredMailType),
        11 => reader!(mts::RecipientNumberForAdvice),
        12 => reader!(mts::PhysicalRenditionAttributes),
        13 => reader!(mts::ORAddress),
        14 => reader!(mts::PhysicalDeliveryReportRequest),
        16 => reader!(mts::Token),
        20 => reader!(mts::MessageSecurityLabel),
        21 => reader!(mts::ProofOfSubmissionRequest),
        22 => reader!(mts::ProofOfDeliveryRequest),
        23 => reader!(mts::ContentCorrelator),
        25 => reader!(mts::RedirectionHistory),
        26 => reader!(mts::DLExpansionHistory),
        30 => reader!(mts::OriginatorAndDLExpansionHistory),
        37 => reader!(mta::TraceInformation),
        38 => reader!(mta::InternalTraceInformation),
        39 => reader!(mts::ReportingMTAName),
        41 => reader!(ipms::BlindCopyRecipientsField),
        42 => reader!(mts::DLExemptedRecipients),
        _ => return None,
    })
}

/// The value of the extension attribute of this number (X.411 figure 2 part 23).
fn attribute(number: i64) -> Option<Reader> {
    Some(match number {
        1 | 7 => reader!(types::PrintableString),
        2 | 3 => reader!(types::TeletexString),
        4 => reader!(mts::TeletexPersonalName),
        5 => reader!(mts::TeletexOrganizationalUnitNames),
        6 => reader!(mts::TeletexDomainDefinedAttributes),
        8 => reader!(mts::PhysicalDeliveryCountryName),
        9 => reader!(mts::PostalCode),
        10..=15 | 17..=21 => reader!(mts::PDSParameter),
        16 => reader!(mts::UnformattedPostalAddress),
        22 => reader!(mts::ExtendedNetworkAddress),
        23 => reader!(mts::TerminalType),
        26 => reader!(mts::UniversalPersonalName),
        27 => reader!(mts::UniversalOrganizationalUnitNames),
        28 => reader!(mts::UniversalDomainDefinedAttributes),
        24 | 25 | 29..=40 => reader!(mts::UniversalOrBMPString),
        _ => return None,
    })
}

/// What the name beside a value says it is: heading extensions, body parts and their parameters,
/// tokens.
const NAMED: &[(ObjectIdentifier, Reader)] = &[
    (oids::ID_EP_IA5_TEXT, reader!(ipms::IA5TextParameters)),
    (
        oids::ID_EP_G3_FACSIMILE,
        reader!(ipms::G3FacsimileParameters),
    ),
    (oids::ID_EP_TELETEX, reader!(ipms::TeletexParameters)),
    (oids::ID_EP_VIDEOTEX, reader!(ipms::VideotexParameters)),
    (oids::ID_EP_MESSAGE, reader!(ipms::MessageParameters)),
    (oids::ID_EP_NOTIFICATION, reader!(ipms::MessageParameters)),
    (
        oids::ID_EP_GENERAL_TEXT,
        reader!(ipms::GeneralTextParameters),
    ),
    (
        oids::ID_EP_FILE_TRANSFER,
        reader!(ftbp::FileTransferParameters),
    ),
    (oids::ID_EP_VOICE, reader!(ipms::VoiceParameters)),
    (
        oids::ID_EP_CONTENT,
        reader!(ipms::ForwardedContentParameters),
    ),
    (
        oids::ID_MIME_BP_PARAMETERS,
        reader!(rfc2156::MimeParameters),
    ),
    (oids::ID_ET_IA5_TEXT, reader!(types::IA5String)),
    (oids::ID_ET_TELETEX, reader!(ipms::TeletexData)),
    (oids::ID_ET_MESSAGE, reader!(ipms::IPM)),
    (oids::ID_ET_GENERAL_TEXT, reader!(types::GeneralString)),
    (oids::ID_ET_FILE_TRANSFER, reader!(ftbp::FileTransferData)),
    (oids::ID_ET_REPORT, reader!(mts::ReportDeliveryArgument)),
    (oids::ID_ET_NOTIFICATION, reader!(ipms::IPN)),
    (oids::ID_ET_BILATERALLY_DEFINED, reader!(types::OctetString)),
    (oids::ID_MIME_BP_DATA, reader!(types::OctetString)),
    (oids::ID_HEX_INCOMPLETE_COPY, reader!(types::Null)),
    (oids::ID_HEX_LANGUAGES, reader!(ipms::Languages)),
    (oids::ID_HEX_AUTO_SUBMITTED, reader!(ipms::AutoSubmitted)),
    (
        oids::ID_HEX_IPM_SECURITY_LABEL,
        reader!(ipms::IPMSecurityLabel),
    ),
    (
        oids::ID_HEX_AUTHORIZATION_TIME,
        reader!(types::GeneralizedTime),
    ),
    (
        oids::ID_HEX_DISTRIBUTION_CODES,
        reader!(ipms::DistributionCodes),
    ),
    (
        oids::ID_HEX_EXTENDED_SUBJECT,
        reader!(ipms::ExtendedSubject),
    ),
    (
        oids::ID_HEX_INFORMATION_CATEGORY,
        reader!(ipms::InformationCategories),
    ),
    (
        oids::ID_HEX_MANUAL_HANDLING_INSTRUCTIONS,
        reader!(ipms::ManualHandlingInstructions),
    ),
    (
        oids::ID_HEX_ORIGINATORS_REFERENCE,
        reader!(ipms::OriginatorsReference),
    ),
    (oids::ID_REX_PRECEDENCE, reader!(ipms::Precedence)),
    (
        oids::ID_RFC_822_FIELD_LIST,
        reader!(rfc2156::RFC822FieldList),
    ),
    (
        oids::ID_RFC_822_FIELD_LIST_1327,
        reader!(rfc2156::RFC822FieldList),
    ),
    (
        oids::ID_RFC_822_FIELD_LIST_TRUNCATED,
        reader!(rfc2156::RFC822FieldList),
    ),
    (oids::ID_DSN_HEADER_LIST, reader!(rfc2156::RFC822FieldList)),
    (oids::ID_DSN_FIELD_LIST, reader!(rfc2156::RFC822FieldList)),
    (
        oids::ID_HEX_MULTIPART_MESSAGE_V2,
        reader!(rfc2156::MultipartType),
    ),
    (oids::ID_TOK_ASYMMETRICTOKEN, reader!(mts::AsymmetricToken)),
];

/// What data of a presentation context may be, the most particular first.
const USER_DATA: &[Reader] = &[
    reader!(acse::AcseApdu),
    reader!(rtse::RtseApdus),
    reader!(mta::MtsApdu),
];

/// Explains every open type within `value` that a number or name beside it explains.
pub(super) fn explain(value: &mut Value) {
    within(value, LEVELS);
}

/// Explains what is within `value`.
fn within(value: &mut Value, levels: usize) {
    match value {
        Value::Members(members) => {
            for (target, readers) in targets(members) {
                let found = members.iter_mut().find(|(name, _)| *name == target);
                if let Some((_, value)) = found {
                    open(value, &readers);
                }
            }
            members
                .iter_mut()
                .for_each(|(_, value)| within(value, levels));
        }
        Value::List(values) => values.iter_mut().for_each(|value| within(value, levels)),
        Value::Choice(name, value) => {
            match (*name, value.as_mut()) {
                ("message", Value::Members(members)) => {
                    if let Some((_, data)) = members.iter_mut().find(|(name, _)| *name == "data") {
                        open(data, &[reader!(ipms::IPM)]);
                    }
                }
                ("open", data) => open(data, &[reader!(mta::MTABindApdu)]),
                ("simply-encoded-data", data) => open(data, USER_DATA),
                _ => {}
            }
            within(value, levels);
        }
        Value::Explained(_, value) => {
            if let Some(levels) = levels.checked_sub(1) {
                within(value, levels);
            }
        }
        _ => {}
    }
}

/// Which members of a SEQUENCE or SET are open, and what its other members say they may be.
fn targets(members: &[(&'static str, Value)]) -> Vec<(&'static str, Vec<Reader>)> {
    let member = |wanted: &str| {
        let found = members.iter().find(|(name, _)| *name == wanted);
        found.map(|(_, value)| value)
    };
    let mut targets = Vec::new();
    let mut target = |name, readers: Vec<Reader>| targets.push((name, readers));
    match member("type") {
        Some(Value::Choice("standard-extension", number)) => {
            if let Value::Integer(number, _) = number.as_ref() {
                target("value", extension(*number).into_iter().collect());
            }
        }
        Some(Value::Choice("private-extension", name)) => target("value", named(name)),
        Some(name @ Value::Identifier(_)) => target("value", named(name)),
        _ => {}
    }
    if let Some(name) = member("token-type-identifier") {
        target("token", named(name));
    }
    if let Some(Value::Integer(number, _)) = member("extension-attribute-type") {
        let readers = attribute(*number).into_iter().collect();
        target("extension-attribute-value", readers);
    }
    match (member("direct-reference"), member("indirect-reference")) {
        (Some(name), _) => target("encoding", named(name)),
        (None, Some(_)) => target("encoding", USER_DATA.to_vec()),
        (None, None) => {}
    }
    if member("presentation-context-identifier").is_some() {
        target("presentation-data-values", USER_DATA.to_vec());
    }
    let content_type = member("envelope").or(Some(&Value::Null));
    let content_type = content_type.and_then(|envelope| envelope.member("content-type"));
    if content_type.is_some_and(is_interpersonal) {
        target("content", vec![reader!(ipms::InformationObject)]);
    }
    if member("content-type").is_some_and(is_interpersonal) {
        target("returned-content", vec![reader!(ipms::InformationObject)]);
    }
    for name in ["userDataRJ", "userdataAB"] {
        target(name, vec![reader!(mta::MTABindApdu)]);
    }
    target("toBeSigned", vec![reader!(mts::AsymmetricTokenData)]);
    target("userCertificate", vec![reader!(x509::Certificate)]);
    targets
}

/// What a value is by the object identifier `name`.
fn named(name: &Value) -> Vec<Reader> {
    let Value::Identifier(text) = name else {
        return Vec::new();
    };
    let name: Option<ObjectIdentifier> = text.parse().ok();
    NAMED
        .iter()
        .filter(|(known, _)| Some(known) == name.as_ref())
        .map(|(_, reader)| *reader)
        .collect()
}

/// Whether a content of this type is P2 or P22 (X.420 clause 20.2).
fn is_interpersonal(content_type: &Value) -> bool {
    match content_type {
        Value::Choice("built-in", number) => is_interpersonal(number),
        Value::Integer(number, _) => matches!(number, 2 | 22),
        _ => false,
    }
}

/// Explains `value` if it is open and one of `readers` understands it.
fn open(value: &mut Value, readers: &[Reader]) {
    match value {
        Value::Any(octets) | Value::Octets(octets) => {
            let explained = readers.iter().find_map(|reader| {
                let inner = (reader.read)(octets)?;
                let hyphenated = reader.of.contains('-');
                let name = if hyphenated { reader.of } else { reader.name };
                Some(Value::Explained(name, Box::new(inner)))
            });
            if let Some(explained) = explained {
                *value = explained;
            }
        }
        Value::Choice("single-ASN1-type" | "octet-aligned", inner) => open(inner, readers),
        _ => {}
    }
}
