//! Delivery status notifications as reports; what is no outcome yet travels as a message.
//!
//! RFC 2156 section 5.1.8.1, section 5.1.8.2 and section 5.1.8.3. The whole notification is also the
//! returned content, so that a person can read it.

use super::{Addressed, ConvertedContent, Identifiers, ToX400, fields, trace, traced};
use crate::asn1::mta::{
    LastTraceInformation, MtsApdu, PerRecipientIndicators, PerRecipientReportTransferFields,
    Report, ReportTransferContent, ReportTransferEnvelope,
};
use crate::asn1::mts::{
    DeliveryReport, ExtensionField, Extensions, MTSIdentifier, NonDeliveryDiagnosticCode,
    NonDeliveryReasonCode, NonDeliveryReport, ORName, ReportType, TypeOfMTSUser,
};
use crate::asn1::native::ExtensionType;
use crate::asn1::rfc2156::RFC822FieldList;
use crate::asn1::types::{Any, ObjectIdentifier, OctetString};
use crate::asn1::{encode_octets, oids};
use crate::mixer::address::{Role, envelope as names, identifier, or_address, to_x400, wire};
use crate::mixer::basic::time::Time;
use crate::mixer::basic::{parse_labelled_integer_2, printable};
use crate::mixer::context::{Context, Edition};
use crate::mixer::outcome::{Ledger, RecipientMapping, Refusal, Status, Unconverted};
use crate::mixer::profile::INTERNAL_TRACE_INFORMATION;
use crate::mixer::{status, x400_1984};
use crate::octets::Octets;
use crate::rfc822::dsn::{self, Action, DeliveryStatus, RecipientStatus, Typed};
use crate::rfc822::{AddrSpec, Envelope, Mail};

/// What an Original-Envelope-Id from X.400 begins with (appendix A 3.2).
const MTS_IDENTIFIER_PREFIX: &str = "X400-MTS-Identifier:";
/// The longest supplementary-information.
const SUPPLEMENTARY_INFORMATION: usize = 256;

/// A delivery status notification that tells an outcome.
#[derive(Debug)]
pub struct Notification {
    status: DeliveryStatus,
}

impl Notification {
    /// The notification a mail is, if it is one and tells of a delivery or a failure.
    #[must_use]
    pub fn of(mail: &Mail) -> Option<Self> {
        let status = dsn::read(mail).ok()?.status;
        status
            .recipients
            .iter()
            .any(is_outcome)
            .then_some(Self { status })
    }
}

/// Whether the action is an outcome; the others become a message (section 5.1.8.3).
fn is_outcome(recipient: &RecipientStatus) -> bool {
    matches!(recipient.action, Action::Failed | Action::Delivered)
}

/// Converts a notification: a report, and a message too if it tells of more than outcomes.
///
/// # Errors
/// As for a message; and if there is nobody to report to.
pub fn convert(
    context: &Context<'_>,
    addressed: &Addressed<'_>,
    mail: &Mail,
    notification: &Notification,
    identifiers: Identifiers,
) -> Result<ToX400, Unconverted> {
    let mut ledger = Ledger::default();
    let destination = destination(context, addressed, &mut ledger)?;
    let report = report(
        context,
        addressed.envelope,
        mail,
        notification,
        destination,
        &mut ledger,
    )?;
    let mixed = !notification.status.recipients.iter().all(is_outcome);
    let further = if mixed {
        let mut other = Ledger::default();
        let message = super::interpersonal(context, addressed, mail, &identifiers.mts, &mut other)?;
        ledger.note(
            "recipients without an outcome",
            "a message beside the report",
            "5.1.8.3",
            false,
        );
        Some(message)
    } else {
        None
    };
    Ok(ToX400 {
        apdu: encode_octets(&MtsApdu::Report(report)),
        further,
        identifiers,
        ledger,
    })
}

/// Whom to report to: a notification has one recipient.
fn destination(
    context: &Context<'_>,
    addressed: &Addressed<'_>,
    ledger: &mut Ledger,
) -> Result<ORName, Unconverted> {
    let mut recipients = addressed.recipients();
    let Some(recipient) = recipients.next() else {
        return Err(Refusal {
            section: "5.1.8.3",
            status: Status(5, 5, 4),
            reason: 1,
            diagnostic: Some(11),
            text: "a delivery status notification without a recipient".into(),
        }
        .into());
    };
    let mapped = names::recipient(context, &recipient.forward_path)?;
    let address = recipient.forward_path.to_string();
    let name = wire::attributes(&mapped.value.address()).0.to_string();
    let entry = mapped.recipient(address, name);
    ledger.recipients.push(entry);
    let refusal = Refusal {
        section: "5.1.8.3",
        status: Status(5, 5, 3),
        reason: 1,
        diagnostic: Some(16),
        text: "a report has one destination".into(),
    };
    ledger.recipients.extend(
        recipients.map(|other| RecipientMapping::refused(other.forward_path.to_string(), &refusal)),
    );
    Ok(mapped.value)
}

fn report(
    context: &Context<'_>,
    envelope: &Envelope,
    mail: &Mail,
    notification: &Notification,
    destination: ORName,
    ledger: &mut Ledger,
) -> Result<Report, Unconverted> {
    let status = &notification.status;
    let message_id = mail.header().first("Message-ID").map(|field| field.text());
    let report_identifier = match &message_id {
        Some(id) => identifier::mts_identifier(context, id)?,
        None => identifier::own_mts_identifier(context),
    };
    let originator = names::originator(context, envelope.reverse_path.as_ref())?;
    let mut traced = traced(context, envelope, mail, &originator.value, ledger)?;
    let ConvertedContent {
        octets,
        types,
        content_type,
    } = returned(context, mail, ledger)?;
    trace::add_conversion(&mut traced, context, &types);

    let headers = mail
        .header()
        .fields
        .iter()
        .filter(|field| !field.is("Received") && !field.is("X400-Received"));
    let headers = headers.map(|field| fields::rfc822_field(field).0).collect();
    let mut content_extensions = Extensions::default();
    content_extensions.push(list(oids::ID_DSN_HEADER_LIST, headers));
    content_extensions.push(list(oids::ID_DSN_FIELD_LIST, message_fields(status)));

    let mut recipients = Vec::new();
    for (recipient, number) in status
        .recipients
        .iter()
        .filter(|one| is_outcome(one))
        .zip(1_i64..)
    {
        recipients.push(of_recipient(context, mail, status, recipient, number)?);
    }
    let mut envelope_extensions = Extensions::default();
    envelope_extensions.push(ExtensionField::new(
        INTERNAL_TRACE_INFORMATION,
        &traced.internal,
    ));
    let mut report = Report {
        envelope: ReportTransferEnvelope {
            report_identifier,
            report_destination_name: destination,
            trace_information: traced.external,
            extensions: envelope_extensions,
            ..ReportTransferEnvelope::default()
        },
        content: ReportTransferContent {
            subject_identifier: subject(context, status),
            content_type: Some(content_type),
            returned_content: Some(OctetString(octets.to_bytes())),
            extensions: content_extensions,
            per_recipient_fields: recipients,
            ..ReportTransferContent::default()
        },
    };
    let here = context.domain().unwrap_or_default();
    context.peer.fit_report(&here, &mut report);
    if context.peer.edition == Edition::Of1984 {
        x400_1984::report(&mut report, &context.gateway.address)?;
    }
    ledger.field("message/delivery-status", "report", "5.1.8.3");
    Ok(report)
}

/// The whole notification as a content, its status as text (section 5.1.8.1).
fn returned(
    context: &Context<'_>,
    mail: &Mail,
    ledger: &mut Ledger,
) -> Result<ConvertedContent, Unconverted> {
    super::content(context, mail, ledger, true, &|_| false)
}

/// The identifier of the message that is reported on: from the Original-Envelope-Id if that came
/// from X.400, with or without its prefix; else one of our own.
fn subject(context: &Context<'_>, status: &DeliveryStatus) -> MTSIdentifier {
    let stated = status.original_envelope_id.as_deref().map(str::trim);
    let bare = stated.map(|text| match text.get(..MTS_IDENTIFIER_PREFIX.len()) {
        Some(prefix) if prefix.eq_ignore_ascii_case(MTS_IDENTIFIER_PREFIX) => text
            .get(MTS_IDENTIFIER_PREFIX.len()..)
            .unwrap_or_default()
            .trim(),
        _ => text,
    });
    bare.and_then(identifier::of_mts_msg_id)
        .unwrap_or_else(|| identifier::own_mts_identifier(context))
}

fn of_recipient(
    context: &Context<'_>,
    mail: &Mail,
    status: &DeliveryStatus,
    recipient: &RecipientStatus,
    number: i64,
) -> Result<PerRecipientReportTransferFields, Unconverted> {
    let arrival = status.arrival_date.as_ref().map(Time::from);
    let arrival = arrival.or_else(|| trace::sent(mail.header()).map(|(time, _)| time));
    let arrival = trace::utc(&arrival.unwrap_or_else(|| Time::from(&context.now)));
    let failed = recipient.action == Action::Failed;
    let report_type = if failed {
        let (reason, diagnostic) = codes(recipient);
        ReportType::NonDelivery(NonDeliveryReport {
            non_delivery_reason_code: NonDeliveryReasonCode(i64::from(reason)),
            non_delivery_diagnostic_code: diagnostic
                .map(|code| NonDeliveryDiagnosticCode(i64::from(code))),
            ..NonDeliveryReport::default()
        })
    } else {
        ReportType::Delivery(DeliveryReport {
            message_delivery_time: arrival.clone(),
            type_of_mts_user: TypeOfMTSUser::PUBLIC,
            ..DeliveryReport::default()
        })
    };
    let bits = if failed {
        [
            PerRecipientIndicators::ORIGINATING_MTA_NON_DELIVERY_REPORT,
            PerRecipientIndicators::ORIGINATOR_NON_DELIVERY_REPORT,
        ]
    } else {
        [
            PerRecipientIndicators::ORIGINATING_MTA_REPORT,
            PerRecipientIndicators::ORIGINATOR_REPORT,
        ]
    };
    let original = match &recipient.original_recipient {
        Some(original) => name(context, original)?,
        None => None,
    };
    let mut extensions = Extensions::default();
    extensions.push(list(oids::ID_DSN_FIELD_LIST, recipient_fields(recipient)));
    Ok(PerRecipientReportTransferFields {
        actual_recipient_name: name(context, &recipient.final_recipient)?.unwrap_or_default(),
        originally_specified_recipient_number: number,
        per_recipient_indicators: PerRecipientIndicators::of(&bits),
        last_trace_information: LastTraceInformation {
            arrival_time: arrival,
            report_type,
            ..LastTraceInformation::default()
        },
        originally_intended_recipient_name: original,
        supplementary_information: supplementary(recipient).map(Into::into),
        extensions,
        ..PerRecipientReportTransferFields::default()
    })
}

/// Reason and diagnostic: those of a Diagnostic-Code from X.400 (RFC 3464 appendix B prefers it),
/// else those that the status stands for.
fn codes(recipient: &RecipientStatus) -> (u32, Option<u32>) {
    let stated = recipient
        .diagnostic_code
        .as_ref()
        .filter(|code| code.kind.eq_ignore_ascii_case("x400"));
    stated
        .and_then(|code| x400_codes(&code.value))
        .unwrap_or_else(|| status::codes_of(recipient.status))
}

/// Reads `Reason 1(unable-to-transfer); Diagnostic 0(unrecognised-OR-name)`.
fn x400_codes(text: &str) -> Option<(u32, Option<u32>)> {
    let mut reason = None;
    let mut diagnostic = None;
    for part in text.split(';') {
        let (word, code) = part.trim().split_once(' ')?;
        let code = parse_labelled_integer_2(code)?;
        match word.to_ascii_lowercase().as_str() {
            "reason" => reason = Some(code),
            "diagnostic" => diagnostic = Some(code),
            _ => return None,
        }
    }
    Some((reason?, diagnostic))
}

/// The O/R name of an address of a notification; `None` if it is of neither world.
fn name(context: &Context<'_>, address: &Typed) -> Result<Option<ORName>, Unconverted> {
    let of_mailbox = |text: &str| -> Result<Option<ORName>, Unconverted> {
        let Ok(address) = text.trim().parse::<AddrSpec>() else {
            return Ok(None);
        };
        match to_x400::or_address(context, &address, Role::Heading) {
            Ok(mapped) => Ok(Some(ORName::from(mapped.value))),
            Err(Unconverted::Refused(_)) => Ok(None),
            Err(missing) => Err(missing),
        }
    };
    match address.kind.to_ascii_lowercase().as_str() {
        "x400" => match or_address::parse_input(&address.value) {
            Ok(attributes) => Ok(Some(ORName::from(wire::or_address(&attributes)))),
            Err(_) => of_mailbox(&address.value),
        },
        _ => of_mailbox(&address.value),
    }
}

/// The diagnostic of the far system, for people who see no extensions.
fn supplementary(recipient: &RecipientStatus) -> Option<String> {
    let code = recipient
        .diagnostic_code
        .as_ref()
        .filter(|code| !code.kind.eq_ignore_ascii_case("x400"))?;
    let text: String = printable::approximate(&code.value)
        .chars()
        .take(SUPPLEMENTARY_INFORMATION)
        .collect();
    let text = text.trim().to_owned();
    (!text.is_empty()).then_some(text)
}

/// The fields of the message, as a list (section 5.1.8.3).
fn message_fields(status: &DeliveryStatus) -> Vec<String> {
    let mut list = Vec::new();
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            list.push(fields::rfc822_field_of(name, &value).0);
        }
    };
    let date = |zoned: &jiff::Zoned| Time::from(zoned).to_date_time();
    add("Original-Envelope-Id", status.original_envelope_id.clone());
    add("Reporting-MTA", Some(status.reporting_mta.to_string()));
    add(
        "DSN-Gateway",
        status.dsn_gateway.as_ref().map(ToString::to_string),
    );
    add(
        "Received-From-MTA",
        status.received_from_mta.as_ref().map(ToString::to_string),
    );
    add("Arrival-Date", status.arrival_date.as_ref().map(date));
    for (name, value) in &status.extensions {
        add(name, Some(value.clone()));
    }
    list
}

/// The fields of a recipient, as a list.
fn recipient_fields(recipient: &RecipientStatus) -> Vec<String> {
    let mut list = Vec::new();
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            list.push(fields::rfc822_field_of(name, &value).0);
        }
    };
    let date = |zoned: &jiff::Zoned| Time::from(zoned).to_date_time();
    add("Status", Some(recipient.status.to_string()));
    add(
        "Remote-MTA",
        recipient.remote_mta.as_ref().map(ToString::to_string),
    );
    add(
        "Diagnostic-Code",
        recipient.diagnostic_code.as_ref().map(ToString::to_string),
    );
    add(
        "Last-Attempt-Date",
        recipient.last_attempt_date.as_ref().map(date),
    );
    add("Final-Log-ID", recipient.final_log_id.clone());
    add(
        "Will-Retry-Until",
        recipient.will_retry_until.as_ref().map(date),
    );
    for (name, value) in &recipient.extensions {
        add(name, Some(value.clone()));
    }
    list
}

/// An extension of our own that holds fields (section 5.1.8.2).
fn list(identifier: ObjectIdentifier, fields: Vec<String>) -> ExtensionField {
    let list: RFC822FieldList = fields.into_iter().map(Into::into).collect();
    ExtensionField {
        r#type: ExtensionType::private(identifier),
        value: Some(Any::of(&list)),
        ..ExtensionField::default()
    }
}

/// The octets of a report made elsewhere, for a caller that has one.
#[must_use]
pub fn encode(report: Report) -> Octets {
    encode_octets(&MtsApdu::Report(report))
}
