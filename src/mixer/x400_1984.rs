//! Neighbours of 1984: an envelope or report with nothing in it that X.400 (1984) has not.
//!
//! RFC 2156 appendix B as far as the MTS is concerned, which is RFC 1328 sections 3 (addresses) and 4,
//! and so X.419 annex B: extensions are left out unless they are critical, types without a number
//! become the type unknown, trace keeps what 1984 knows. The content is not looked at. Nothing
//! needs to be done in the other direction: what 1984 says, 1988 understands.

use super::address::{Attributes, syntax, to_x400, wire};
use super::basic::printable;
use super::outcome::{Refusal, Status};
use crate::asn1::mta::{
    BilateralDomain, DomainSuppliedInformation, MessageTransferEnvelope, MtsApdu, OtherActions,
    PerDomainBilateralInformation, PerRecipientMessageTransferFields,
    PerRecipientProbeTransferFields, PerRecipientReportTransferFields, ProbeTransferEnvelope,
    Report, TraceInformation,
};
use crate::asn1::mts::{
    BuiltInEncodedInformationTypes, ContentType, Criticality, EncodedInformationTypes, Extensions,
    NonDeliveryDiagnosticCode, NonDeliveryReasonCode, ORName, ReportType, TypeOfMTSUser,
};

/// A recipient whose fields 1984 cannot hold; they are no longer in the envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unable {
    /// Its originally-specified-recipient-number.
    pub recipient: i64,
    /// Why.
    pub refusal: Refusal,
}

/// Makes an APDU one of 1984; `relay` is the O/R address of the gateway, under which addresses that
/// 1984 has no attributes for are carried.
///
/// # Errors
/// It is refused as a whole, for every recipient; the APDU is then of no further use.
pub fn downgrade(apdu: &mut MtsApdu, relay: &Attributes) -> Result<Vec<Unable>, Refusal> {
    match apdu {
        MtsApdu::Message(of) => message(&mut of.envelope, relay),
        MtsApdu::Probe(of) => probe(of, relay),
        MtsApdu::Report(of) => report(of, relay).map(|()| Vec::new()),
    }
}

/// The same for the envelope of a message.
///
/// # Errors
/// As [`downgrade`].
pub fn message(
    envelope: &mut MessageTransferEnvelope,
    relay: &Attributes,
) -> Result<Vec<Unable>, Refusal> {
    content_type(&envelope.content_type)?;
    without_extensions(&mut envelope.extensions)?;
    name(&mut envelope.originator_name, relay)?;
    encoded_types(&mut envelope.original_encoded_information_types);
    bilateral(&mut envelope.per_domain_bilateral_information);
    trace(&mut envelope.trace_information);
    recipients(&mut envelope.per_recipient_fields, relay)
}

/// The same for a probe.
fn probe(probe: &mut ProbeTransferEnvelope, relay: &Attributes) -> Result<Vec<Unable>, Refusal> {
    content_type(&probe.content_type)?;
    without_extensions(&mut probe.extensions)?;
    name(&mut probe.originator_name, relay)?;
    encoded_types(&mut probe.original_encoded_information_types);
    bilateral(&mut probe.per_domain_bilateral_information);
    trace(&mut probe.trace_information);
    recipients(&mut probe.per_recipient_fields, relay)
}

/// Only numbers name contents in 1984.
fn content_type(content_type: &ContentType) -> Result<(), Refusal> {
    match content_type {
        ContentType::BuiltIn(_) => Ok(()),
        ContentType::Extended(identifier) => Err(unable(format!("the content type {identifier}"))),
    }
}

/// What is meant for private domains has no place.
fn bilateral(information: &mut Option<Vec<PerDomainBilateralInformation>>) {
    if let Some(information) = information {
        information.retain(|of| matches!(of.domain, BilateralDomain::AdministrationDomainName(_)));
    }
    *information = information.take().filter(|left| !left.is_empty());
}

/// The fields of one recipient of a message or a probe.
trait OfRecipient {
    /// Its number, its name and its extensions.
    fn parts(&mut self) -> (i64, &mut ORName, &mut Extensions);
}

impl OfRecipient for PerRecipientMessageTransferFields {
    fn parts(&mut self) -> (i64, &mut ORName, &mut Extensions) {
        let number = self.originally_specified_recipient_number;
        (number, &mut self.recipient_name, &mut self.extensions)
    }
}

impl OfRecipient for PerRecipientProbeTransferFields {
    fn parts(&mut self) -> (i64, &mut ORName, &mut Extensions) {
        let number = self.originally_specified_recipient_number;
        (number, &mut self.recipient_name, &mut self.extensions)
    }
}

/// The recipients that 1984 can serve; the others are told.
fn recipients<T: OfRecipient>(
    fields: &mut Vec<T>,
    relay: &Attributes,
) -> Result<Vec<Unable>, Refusal> {
    let mut left_out = Vec::new();
    fields.retain_mut(|fields| {
        let (recipient, recipient_name, extensions) = fields.parts();
        match without_extensions(extensions).and_then(|()| name(recipient_name, relay)) {
            Ok(()) => true,
            Err(refusal) => {
                left_out.push(Unable { recipient, refusal });
                false
            }
        }
    });
    match left_out.first() {
        Some(first) if fields.is_empty() => Err(first.refusal.clone()),
        _ => Ok(left_out),
    }
}

/// No extensions (X.419 annex B): a report of its own tells that a critical one was there.
fn without_extensions(extensions: &mut Extensions) -> Result<(), Refusal> {
    let critical = extensions.iter().find(|field| {
        [Criticality::FOR_TRANSFER, Criticality::FOR_DELIVERY]
            .iter()
            .any(|who| field.criticality.contains(*who))
    });
    if let Some(field) = critical {
        let which = match field.number() {
            Some(number) => format!("the critical extension {number}"),
            None => "a critical extension without a number".to_owned(),
        };
        return Err(unable(which));
    }
    extensions.clear();
    Ok(())
}

/// An address in the attributes of 1984 (RFC 1328 section 3); a directory name has no place.
fn name(name: &mut ORName, relay: &Attributes) -> Result<(), Refusal> {
    name.directory_name = None;
    if name
        .extension_attributes
        .as_ref()
        .is_none_or(|of| of.is_empty())
    {
        name.extension_attributes = None;
        return Ok(());
    }
    let (attributes, _) = wire::attributes(&name.address());
    let text = attributes.to_string();
    let fits = |attributes: &Attributes| syntax::out_of_bounds(attributes).is_none();
    let old = match to_x400::of_1984(attributes) {
        Ok(old) if fits(&old) => old,
        _ => carried(&text, relay)
            .filter(fits)
            .ok_or_else(|| unable(format!("the address {text}")))?,
    };
    *name = wire::or_address(&old).into();
    Ok(())
}

/// An address within one of ours: defined attributes hold its text (RFC 1328 section 3.1).
fn carried(text: &str, relay: &Attributes) -> Option<Attributes> {
    let mut carrier = relay.clone();
    let encoded = printable::encode(text)?;
    let types = ["X400-88", "X400-C1", "X400-C2", "X400-C3"];
    carrier.push_continued(types, &encoded).then_some(carrier)
}

/// Types that have no number in 1984 are unknown.
fn encoded_types(types: &mut Option<EncodedInformationTypes>) {
    let Some(types) = types else { return };
    let extended = types.extended_encoded_information_types.take();
    if extended.is_some_and(|extended| !extended.is_empty()) {
        let built_in = &mut types.built_in_encoded_information_types;
        let unknown = BuiltInEncodedInformationTypes::UNKNOWN;
        let known: Vec<u32> = built_in.0.ones().filter(|bit| *bit != unknown).collect();
        *built_in = BuiltInEncodedInformationTypes::of(&[&[unknown], &known[..]].concat());
    }
}

/// A trace of domains as 1984 writes it.
fn trace(TraceInformation(elements): &mut TraceInformation) {
    for element in elements {
        let DomainSuppliedInformation {
            converted_encoded_information_types,
            other_actions,
            ..
        } = &mut element.domain_supplied_information;
        encoded_types(converted_encoded_information_types);
        *other_actions = OtherActions::default();
    }
}

/// The same for a report: most of what it says of its subject is new in 1988.
///
/// # Errors
/// As [`downgrade`].
pub fn report(report: &mut Report, relay: &Attributes) -> Result<(), Refusal> {
    without_extensions(&mut report.envelope.extensions)?;
    name(&mut report.envelope.report_destination_name, relay)?;
    trace(&mut report.envelope.trace_information);
    let content = &mut report.content;
    without_extensions(&mut content.extensions)?;
    content.original_encoded_information_types = None;
    content.content_type = None;
    if let Some(passed) = &mut content.subject_intermediate_trace_information {
        trace(passed);
    }
    for fields in &mut content.per_recipient_fields {
        of_reported(fields, relay)?;
    }
    Ok(())
}

/// What became of the subject for one recipient, in the codes of 1984.
fn of_reported(
    fields: &mut PerRecipientReportTransferFields,
    relay: &Attributes,
) -> Result<(), Refusal> {
    without_extensions(&mut fields.extensions)?;
    name(&mut fields.actual_recipient_name, relay)?;
    if let Some(intended) = &mut fields.originally_intended_recipient_name {
        name(intended, relay)?;
    }
    let last = &mut fields.last_trace_information;
    encoded_types(&mut last.converted_encoded_information_types);
    match &mut last.report_type {
        ReportType::Delivery(delivery) => {
            if delivery.type_of_mts_user != TypeOfMTSUser::PUBLIC {
                delivery.type_of_mts_user = TypeOfMTSUser::PRIVATE;
            }
        }
        ReportType::NonDelivery(not) => {
            let reason = &mut not.non_delivery_reason_code;
            if reason.0 > NonDeliveryReasonCode::CONVERSION_NOT_PERFORMED.0 {
                *reason = NonDeliveryReasonCode::UNABLE_TO_TRANSFER;
            }
            // Those from 12 on came after 1984, those up to 17 with its implementors' guide.
            let most = NonDeliveryDiagnosticCode::NO_BILATERAL_AGREEMENT;
            let diagnostic = not.non_delivery_diagnostic_code.take();
            not.non_delivery_diagnostic_code = diagnostic.filter(|code| code.0 <= most.0);
        }
    }
    Ok(())
}

/// X.411 conversion-not-performed, unable-to-downgrade.
fn unable(what: String) -> Refusal {
    Refusal {
        section: "App. B",
        status: Status(5, 3, 3),
        reason: 2,
        diagnostic: Some(47),
        text: format!("X.400 (1984) has no place for {what} (X.419 annex B)"),
    }
}

#[cfg(test)]
mod tests;
