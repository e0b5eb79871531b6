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

/// The types that octets can be read as, by name. Those that octets are recognised as come first,
/// in the order in which they are tried.
const TYPES: &[(&str, Reader)] = &[
    ("MTS-APDU", read::<mta::MtsApdu>),
    ("InformationObject", read::<ipms::InformationObject>),
    ("EXTERNAL", read::<ExternalValue>),
    ("CP-type", read::<presentation::CpType>),
    ("CPA-PPDU", read::<presentation::CpaPpdu>),
    ("ACSE-apdu", read::<acse::AcseApdu>),
    ("User-data", read::<presentation::UserData>),
    ("RTSE-apdus", read::<rtse::RtseApdus>),
    ("MTABind-APDU", read::<mta::MTABindApdu>),
    ("MTABindArgument", read::<mta::MTABindArgument>),
    ("MTABindResult", read::<mta::MTABindResult>),
    ("RTORQapdu", read::<rtse::RTORQapdu>),
    ("RTOACapdu", read::<rtse::RTOACapdu>),
    ("CPR-PPDU", read::<presentation::CprPpdu>),
    ("Abort-type", read::<presentation::AbortType>),
    ("IPM", read::<ipms::IPM>),
    ("BodyPart", read::<ipms::BodyPart>),
    ("ORName", read::<mts::ORName>),
    ("MTABindError", read::<mta::MTABindError>),
    ("Message", read::<mta::Message>),
    ("Report", read::<mta::Report>),
    ("Probe", read::<mta::Probe>),
    (
        "MessageTransferEnvelope",
        read::<mta::MessageTransferEnvelope>,
    ),
    ("ProbeTransferEnvelope", read::<mta::ProbeTransferEnvelope>),
    (
        "ReportTransferEnvelope",
        read::<mta::ReportTransferEnvelope>,
    ),
    ("ReportTransferContent", read::<mta::ReportTransferContent>),
    ("IPN", read::<ipms::IPN>),
    ("Heading", read::<ipms::Heading>),
    ("ORAddress", read::<mts::ORAddress>),
    ("RTORJapdu", read::<rtse::RTORJapdu>),
    ("RTABapdu", read::<rtse::RTABapdu>),
    (
        "FileTransferParameters",
        read::<ftbp::FileTransferParameters>,
    ),
    ("FileTransferData", read::<ftbp::FileTransferData>),
    ("MimeParameters", read::<rfc2156::MimeParameters>),
    ("RFC822FieldList", read::<rfc2156::RFC822FieldList>),
    (
        "ReportDeliveryArgument",
        read::<mts::ReportDeliveryArgument>,
    ),
    ("ANY", read::<Any>),
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
    TYPES.iter().map(|(name, _)| *name)
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
            Some((kind, reader)) => reader(&element).map(|value| (kind, value)),
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
fn find_type(name: &str) -> Option<(&'static str, Reader)> {
    let alias = ALIASES
        .iter()
        .find(|(alias, _)| alias.eq_ignore_ascii_case(name));
    let name = alias.map_or(name, |(_, name)| name);
    TYPES
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .copied()
}

/// Decodes an element as what it looks like: the type that leaves least unknown, else the error
/// that lies furthest on.
fn recognise(element: &Element<'_>) -> Result<(&'static str, Value), DecodeError> {
    let mut best: Option<(&'static str, Value)> = None;
    let mut furthest: Option<DecodeError> = None;
    for (kind, reader) in TYPES.iter().take(RECOGNISED) {
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
                    furthest = Some(error);
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
        _ => Err(element.not("a PDU of X.400 or of the layers below it")),
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
