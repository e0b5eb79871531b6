//! Any PDU of X.400 and the layers below, recognised, decoded and shown: `mixgate decode`.

use bytes::Bytes;
use serde_json::json;

use super::codec::{Ber, Element, Source, Tagging};
use super::error::DecodeError;
use super::explain;
use super::external::ExternalValue;
use super::guard::Limits;
use super::types::Any;
use super::value::Value;
use super::{acse, ftbp, ipms, mta, mts, presentation, rfc2156, rtse};

/// Reads an element as one type and shows it.
type Reader = fn(&Element<'_>) -> Result<Value, DecodeError>;

/// Shows `element` as a `T`.
fn read<T: Ber>(element: &Element<'_>) -> Result<Value, DecodeError> {
    let value: Option<T> = element.alternative(Tagging::Own, T::NAME)?;
    match value {
        Some(value) => Ok(value.show()),
        None => Err(element.not(T::NAME)),
    }
}

/// What states the message transfer system.
const X411: &str = "X.411 clause 12";
/// What states interpersonal messages.
const X420: &str = "X.420 clauses 7 and 8";

/// The types that octets can be read as: by name, with the clause that states each. Those that octets are recognised as come first,
/// in the order in which they are tried.
const TYPES: &[(&str, &str, Reader)] = &[
    ("MTS-APDU", X411, read::<mta::MtsApdu>),
    ("InformationObject", X420, read::<ipms::InformationObject>),
    ("EXTERNAL", "X.690 clause 8.18", read::<ExternalValue>),
    ("CP-type", "X.226 clause 8", read::<presentation::CpType>),
    ("CPA-PPDU", "X.226 clause 8", read::<presentation::CpaPpdu>),
    ("ACSE-apdu", "X.227 clause 9", read::<acse::AcseApdu>),
    (
        "User-data",
        "X.226 clause 8",
        read::<presentation::UserData>,
    ),
    ("RTSE-apdus", "X.228 clause 8", read::<rtse::RtseApdus>),
    ("MTABind-APDU", X411, read::<mta::MTABindApdu>),
    ("MTABindArgument", X411, read::<mta::MTABindArgument>),
    ("MTABindResult", X411, read::<mta::MTABindResult>),
    ("RTORQapdu", "X.228 clause 8", read::<rtse::RTORQapdu>),
    ("RTOACapdu", "X.228 clause 8", read::<rtse::RTOACapdu>),
    ("CPR-PPDU", "X.226 clause 8", read::<presentation::CprPpdu>),
    (
        "Abort-type",
        "X.226 clause 8",
        read::<presentation::AbortType>,
    ),
    ("IPM", X420, read::<ipms::IPM>),
    ("BodyPart", X420, read::<ipms::BodyPart>),
    ("ORName", X411, read::<mts::ORName>),
    ("MTABindError", X411, read::<mta::MTABindError>),
    ("Message", X411, read::<mta::Message>),
    ("Report", X411, read::<mta::Report>),
    ("Probe", X411, read::<mta::Probe>),
    (
        "MessageTransferEnvelope",
        X411,
        read::<mta::MessageTransferEnvelope>,
    ),
    (
        "ProbeTransferEnvelope",
        X411,
        read::<mta::ProbeTransferEnvelope>,
    ),
    (
        "ReportTransferEnvelope",
        X411,
        read::<mta::ReportTransferEnvelope>,
    ),
    (
        "ReportTransferContent",
        X411,
        read::<mta::ReportTransferContent>,
    ),
    ("IPN", X420, read::<ipms::IPN>),
    ("Heading", X420, read::<ipms::Heading>),
    ("ORAddress", X411, read::<mts::ORAddress>),
    ("RTORJapdu", "X.228 clause 8", read::<rtse::RTORJapdu>),
    ("RTABapdu", "X.228 clause 8", read::<rtse::RTABapdu>),
    (
        "FileTransferParameters",
        "X.420 annex B.3",
        read::<ftbp::FileTransferParameters>,
    ),
    (
        "FileTransferData",
        "X.420 annex B.3",
        read::<ftbp::FileTransferData>,
    ),
    (
        "MimeParameters",
        "RFC 2156 appendix L",
        read::<rfc2156::MimeParameters>,
    ),
    (
        "RFC822FieldList",
        "RFC 2156 appendix L",
        read::<rfc2156::RFC822FieldList>,
    ),
    (
        "ReportDeliveryArgument",
        X411,
        read::<mts::ReportDeliveryArgument>,
    ),
    ("ANY", "X.690 clause 8.1", read::<Any>),
];

/// How many of [`TYPES`] octets are recognised as.
const RECOGNISED: usize = 18;

/// Other names by which a user may ask for a type.
const ALIASES: &[(&str, &str)] = &[
    ("p1", "MTS-APDU"),
    ("p2", "InformationObject"),
    ("p22", "InformationObject"),
    ("rtse", "RTSE-apdus"),
    ("acse", "ACSE-apdu"),
    ("bind", "MTABind-APDU"),
    ("cp", "CP-type"),
    ("cpa", "CPA-PPDU"),
    ("cpr", "CPR-PPDU"),
];

/// The names of the types [`decode_any`] knows.
pub fn type_names() -> impl Iterator<Item = &'static str> {
    TYPES.iter().map(|(name, ..)| *name)
}

/// PDUs as they were recognised and decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The PDUs, in the order of the octets.
    pub pdus: Vec<Pdu>,
}

/// A PDU as it was recognised and decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pdu {
    /// Where it begins, in octets from the start of the input.
    pub offset: usize,
    /// How many octets it takes.
    pub length: usize,
    /// The name of its type.
    pub kind: &'static str,
    /// The value, with what its open types hold.
    pub value: Value,
}

/// Decodes the PDUs that `input` holds one after another: as the type named `as_type`, or as what
/// they look like.
///
/// # Errors
/// If `as_type` names no type known here, or `input` is empty or does not hold such PDUs and
/// nothing else: with the offset, and what was expected there.
pub fn decode_any(input: &Bytes, as_type: Option<&str>) -> Result<Shown, DecodeError> {
    let wanted = match as_type {
        None => None,
        Some(name) => Some(find_type(name).ok_or_else(|| {
            let known: Vec<&str> = type_names().collect();
            let expected = format!("one of the types {}", known.join(", "));
            DecodeError::new(0, expected, name.escape_default().to_string())
        })?),
    };
    let mut pdus = Vec::new();
    let mut offset = 0;
    while offset < input.len() || pdus.is_empty() {
        let rest = input.slice(offset..);
        let source = Source::new(rest, &Limits::DEFAULT).map_err(|error| error.moved(offset))?;
        let element = source.element().map_err(|error| error.moved(offset))?;
        let decoded = match wanted {
            Some((kind, clause, reader)) => reader(&element)
                .map(|value| (kind, value))
                .map_err(|error| error.by(clause)),
            None => recognise(&element),
        };
        let (kind, mut value) = decoded.map_err(|error| error.moved(offset))?;
        explain::explain(&mut value);
        let length = source.length();
        pdus.push(Pdu {
            offset,
            length,
            kind,
            value,
        });
        offset += length;
    }
    Ok(Shown { pdus })
}

/// The type of this name, in any case.
fn find_type(name: &str) -> Option<(&'static str, &'static str, Reader)> {
    let alias = ALIASES
        .iter()
        .find(|(alias, _)| alias.eq_ignore_ascii_case(name));
    let name = alias.map_or(name, |(_, name)| name);
    TYPES
        .iter()
        .find(|(known, ..)| known.eq_ignore_ascii_case(name))
        .copied()
}

/// Decodes an element as what it looks like: the type that leaves least unknown, else the error
/// that lies furthest on.
fn recognise(element: &Element<'_>) -> Result<(&'static str, Value), DecodeError> {
    let mut best: Option<(&'static str, Value)> = None;
    let mut furthest: Option<DecodeError> = None;
    for (kind, clause, reader) in TYPES.iter().take(RECOGNISED) {
        match reader(element) {
            Ok(value) => {
                let unknowns = value.unknowns();
                if best
                    .as_ref()
                    .is_none_or(|(_, best)| unknowns < best.unknowns())
                {
                    best = Some((kind, value));
                }
                if unknowns == 0 {
                    break;
                }
            }
            Err(error) => {
                if furthest
                    .as_ref()
                    .is_none_or(|known| known.offset < error.offset)
                {
                    furthest = Some(error.by(clause));
                }
            }
        }
    }
    if let Some(best) = best {
        return Ok(best);
    }
    let at_start = furthest
        .as_ref()
        .is_none_or(|error| error.offset == element.at);
    match furthest {
        Some(error) if !at_start => Err(error),
        _ => Err(element
            .not("a PDU of X.400 or of the layers below it")
            .by("X.411, X.420, X.226 to X.228")),
    }
}

impl Shown {
    /// The PDUs as JSON: an object for one, an array for several.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        match self.pdus.as_slice() {
            [pdu] => pdu.to_json(),
            pdus => pdus.iter().map(Pdu::to_json).collect(),
        }
    }

    /// The PDUs in value notation, each as a value assignment.
    #[must_use]
    pub fn to_notation(&self) -> String {
        let mut text = String::new();
        for pdu in &self.pdus {
            pdu.write_notation(&mut text);
        }
        text
    }
}

impl Pdu {
    /// The PDU as JSON: what and where it is, its value, and what a reader of mail would ask for.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let mut object = json!({
            "type": self.kind,
            "offset": self.offset,
            "length": self.length,
            "value": self.value.to_json(),
        });
        let summary = super::summary::of(&self.value);
        if let (Some(object), Some(summary)) = (object.as_object_mut(), summary) {
            object.insert("summary".into(), summary);
        }
        object
    }

    /// Appends the PDU as a value assignment.
    fn write_notation(&self, to: &mut String) {
        let Self {
            offset,
            length,
            kind,
            ..
        } = self;
        to.push_str(&format!(
            "-- octet {offset}, {length} octets --\npdu {kind} ::= "
        ));
        self.value.write_notation(0, to);
        to.push('\n');
    }
}
