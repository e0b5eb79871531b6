//! Reports to X.400 originators: what an MTA owes for a message or probe it took (X.411 clauses
//! 12.2.1.3 and 14.3.3).

use bytes::Bytes;
use jiff::Timestamp;

use super::{Fate, Told};
use crate::asn1;
use crate::asn1::bounds::UB_SUPPLEMENTARY_INFO_LENGTH;
use crate::asn1::mta::{
    DomainSuppliedInformation, InternalTraceInformationElement, LastTraceInformation,
    MTASuppliedInformation, MtsApdu, PerRecipientIndicators, PerRecipientReportTransferFields,
    Report, ReportTransferContent, ReportTransferEnvelope, TraceInformation,
    TraceInformationElement,
};
use crate::asn1::mts::{
    self, Content, DeliveryReport, ExtensionField, Extensions, GlobalDomainIdentifier,
    MTSIdentifier, NonDeliveryDiagnosticCode, NonDeliveryReasonCode, NonDeliveryReport,
    PerMessageIndicators, ReportType,
};
use crate::asn1::native::ExtensionForm;
use crate::gateway::rules::Rules;
use crate::gateway::subject::{self, Addressee, Subject};
use crate::gateway::wire;
use crate::mixer::basic::printable;
use crate::mixer::basic::time::Time;
use crate::mixer::{domain, status};
use crate::queue::{
    Body, Identifier, IdentifierKind, Item, ItemId, NewItem, Origin, Priority, Recipient, Transfer,
    TransferKind,
};

/// The largest content that is returned, in octets.
const MOST_RETURNED: usize = 1024 * 1024;
/// Extension 23 (X.411 figure 2): what a report brings back to the originator.
const CONTENT_CORRELATOR: i64 = 23;
/// Extension 38 (X.411 figure 4): the MTAs passed.
const INTERNAL_TRACE: i64 = 38;

/// The report `item`, a message or probe that came over P1, owes its originator, if it owes one.
///
/// A report is never reported on (X.411 clause 14.3.3).
#[must_use]
pub fn report(
    rules: &Rules,
    item: &Item,
    kind: TransferKind,
    body: &Bytes,
    told: &[Told],
    now: Timestamp,
) -> Option<NewItem> {
    let (subject, content) = match kind {
        TransferKind::Message => Subject::of_message(body).ok()?,
        TransferKind::Probe => (Subject::of_probe(body).ok()?, Bytes::new()),
        TransferKind::Report => return None,
    };
    on(rules, item, kind, (&subject, &content), told, now)
}

/// The report on a message or probe of this envelope; of a message, also what follows it.
#[must_use]
pub fn on(
    rules: &Rules,
    item: &Item,
    kind: TransferKind,
    (subject, content): (&Subject, &Bytes),
    told: &[Told],
    now: Timestamp,
) -> Option<NewItem> {
    let originator = wire::attributes(&subject.originator);
    let placed = match rules.place_back(&originator, &item.peer) {
        Ok(placed) => placed,
        Err(refusal) => {
            tracing::warn!(id = %item.id, %refusal, "a report has nowhere to go");
            return None;
        }
    };
    let id = ItemId::generate();
    let reporter = Reporter {
        domain: domain::of_address(&rules.config.gateway.domain)?,
        mta: rules.config.gateway.mta.clone(),
        form: wire::extension_form(rules.context(id, now, &placed.route).peer.extension_type),
    };
    let told: Vec<Told> = told
        .iter()
        .map(|told| Told {
            text: supplement(&rules.config.gateway.name, kind, told),
            ..told.clone()
        })
        .collect();
    let returned = || {
        let small = content.len() <= MOST_RETURNED;
        small.then(|| subject::content(content)).flatten()
    };
    let apdu = about(
        subject,
        &reporter,
        &id.to_string(),
        &told,
        returned,
        item.arrived,
        now,
    )?;
    let identifier = MTSIdentifier {
        global_domain_identifier: reporter.domain,
        local_identifier: id.to_string().into(),
    };
    Some(NewItem {
        item: Item {
            id,
            arrived: now,
            expires: rules.expires(now, Priority::default()),
            priority: Priority::default(),
            size: 0,
            peer: rules.config.gateway.name.clone(),
            cause: Some(item.id),
            identifiers: vec![Identifier::new(
                IdentifierKind::MtsIdentifier,
                wire::identifier_text(&identifier),
            )],
            origin: Origin::Transfer(Transfer {
                kind: TransferKind::Report,
                ..Transfer::default()
            }),
            recipients: vec![Recipient::new(
                0,
                placed.address,
                placed.route,
                placed.content_type,
                now,
            )],
        },
        body: Body::inline(asn1::encode(&apdu)),
        duplicate: None,
    })
}

/// The MTA that reports.
#[derive(Debug, Clone)]
pub struct Reporter {
    /// Its domain.
    pub domain: GlobalDomainIdentifier,
    /// Its name.
    pub mta: String,
    /// How extension types are written for the neighbour the report goes to.
    pub form: ExtensionForm,
}

/// What stands in a report for people: who answers a probe (RFC 2156 section 5.3.9), who makes a
/// report of delivery (section 4.6.2.3), and what was said.
fn supplement(gateway: &str, kind: TransferKind, told: &Told) -> String {
    let answers = match (kind, told.fate) {
        (TransferKind::Probe, _) => "Probe serviced by the gateway",
        (_, Fate::Relayed) => "Report generated by the gateway",
        (_, Fate::Failed | Fate::Delayed) => return told.text.clone(),
    };
    format!("{answers} {gateway}: {}", told.text)
}

/// The report on those of `told` that the originator or its MTA wants to hear of, if any.
///
/// `returned` gives the content, returned with a non-delivery if the originator asked for it.
#[must_use]
pub fn about(
    subject: &Subject,
    reporter: &Reporter,
    identifier: &str,
    told: &[Told],
    returned: impl FnOnce() -> Option<Content>,
    arrived: Timestamp,
    now: Timestamp,
) -> Option<MtsApdu> {
    let fields: Vec<_> = told
        .iter()
        .filter_map(|told| recipient(subject, told, arrived, now))
        .collect();
    let failed = fields.iter().any(|fields| {
        matches!(
            fields.last_trace_information.report_type,
            ReportType::NonDelivery(_)
        )
    });
    if fields.is_empty() {
        return None;
    }
    let wants_content = subject
        .indicators
        .contains(PerMessageIndicators::CONTENT_RETURN_REQUEST)
        && failed;
    let envelope = ReportTransferEnvelope {
        report_identifier: MTSIdentifier {
            global_domain_identifier: reporter.domain.clone(),
            local_identifier: identifier.into(),
        },
        report_destination_name: subject.originator.clone(),
        trace_information: TraceInformation(vec![TraceInformationElement {
            global_domain_identifier: reporter.domain.clone(),
            domain_supplied_information: DomainSuppliedInformation {
                arrival_time: time(now),
                ..DomainSuppliedInformation::default()
            },
            ..TraceInformationElement::default()
        }]),
        extensions: internal_trace(reporter, now),
        ..ReportTransferEnvelope::default()
    };
    let content = ReportTransferContent {
        subject_identifier: subject.identifier.clone(),
        original_encoded_information_types: subject.encoded_information_types.clone(),
        content_type: Some(subject.content_type.clone()),
        content_identifier: subject.content_identifier.clone(),
        returned_content: if wants_content { returned() } else { None },
        extensions: correlator(subject, reporter),
        per_recipient_fields: fields,
        ..ReportTransferContent::default()
    };
    Some(MtsApdu::Report(Report { envelope, content }))
}

fn internal_trace(reporter: &Reporter, now: Timestamp) -> Extensions {
    let element = InternalTraceInformationElement {
        global_domain_identifier: reporter.domain.clone(),
        mta_name: reporter.mta.as_str().into(),
        mta_supplied_information: MTASuppliedInformation {
            arrival_time: time(now),
            ..MTASuppliedInformation::default()
        },
        ..InternalTraceInformationElement::default()
    };
    let mut extensions: Extensions =
        std::iter::once(ExtensionField::new(INTERNAL_TRACE, &vec![element])).collect();
    mts::tag_extensions(&mut extensions, reporter.form);
    extensions
}

fn correlator(subject: &Subject, reporter: &Reporter) -> Extensions {
    let correlator = mts::extension(&subject.extensions, CONTENT_CORRELATOR).cloned();
    let mut extensions: Extensions = correlator.into_iter().collect();
    mts::tag_extensions(&mut extensions, reporter.form);
    extensions
}

/// The fields of one recipient, if its indicators ask for them (X.411 clause 12.2.1.1.1.6).
fn recipient(
    subject: &Subject,
    told: &Told,
    arrived: Timestamp,
    now: Timestamp,
) -> Option<PerRecipientReportTransferFields> {
    let Addressee {
        number,
        name,
        indicators,
    } = subject
        .recipients
        .iter()
        .find(|addressee| addressee.number == i64::from(told.number))?;
    let asks = |bits: [u32; 2]| bits.iter().any(|bit| indicators.contains(*bit));
    let positive = asks([
        PerRecipientIndicators::ORIGINATING_MTA_REPORT,
        PerRecipientIndicators::ORIGINATOR_REPORT,
    ]);
    let negative = asks([
        PerRecipientIndicators::ORIGINATING_MTA_NON_DELIVERY_REPORT,
        PerRecipientIndicators::ORIGINATOR_NON_DELIVERY_REPORT,
    ]);
    let report_type = match told.fate {
        Fate::Failed if positive || negative => {
            let (reason, diagnostic) = told.codes.unwrap_or_else(|| status::codes_of(told.status));
            ReportType::NonDelivery(NonDeliveryReport {
                non_delivery_reason_code: NonDeliveryReasonCode(reason.into()),
                non_delivery_diagnostic_code: diagnostic
                    .map(|code| NonDeliveryDiagnosticCode(code.into())),
                ..NonDeliveryReport::default()
            })
        }
        Fate::Relayed if positive => ReportType::Delivery(DeliveryReport {
            message_delivery_time: time(now),
            ..DeliveryReport::default()
        }),
        Fate::Failed | Fate::Relayed | Fate::Delayed => return None,
    };
    let supplementary = printable::approximate(&told.text);
    let supplementary: String = supplementary
        .chars()
        .take(UB_SUPPLEMENTARY_INFO_LENGTH)
        .collect();
    Some(PerRecipientReportTransferFields {
        actual_recipient_name: name.clone(),
        originally_specified_recipient_number: *number,
        per_recipient_indicators: indicators.clone(),
        last_trace_information: LastTraceInformation {
            arrival_time: time(arrived),
            report_type,
            ..LastTraceInformation::default()
        },
        supplementary_information: (!supplementary.is_empty()).then(|| supplementary.into()),
        ..PerRecipientReportTransferFields::default()
    })
}

fn time(moment: Timestamp) -> mts::Time {
    Time::utc(moment).to_utc_time().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rfc822::Status;

    #[test]
    fn s4_6_2_3_a_report_of_delivery_says_which_gateway_made_it() {
        let told = |fate| Told {
            number: 1,
            fate,
            status: Status(2, 0, 0),
            codes: None,
            text: "250 taken".to_owned(),
            relay: None,
        };
        let said = |fate| supplement("gw.example.org", TransferKind::Message, &told(fate));
        assert_eq!(
            said(Fate::Relayed),
            "Report generated by the gateway gw.example.org: 250 taken"
        );
        assert_eq!(said(Fate::Failed), "250 taken");
    }
}
