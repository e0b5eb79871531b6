//! Reports: X.400 delivery and non-delivery as a delivery status notification.
//!
//! RFC 2156 sections 5.3.8.1 and 5.3.8.3; statuses are those of 5.3.8.2. Address forms follow section
//! 5.3.8.1 to the letter: what the sender wrote stands in Internet form, its X.400 form beside it.

mod delivery_status;

use super::envelope::correlator;
use super::trace::{self, date_time, word};
use super::{Identifiers, Kind, ToRfc822, Work, addresses, finish};
use crate::asn1;
use crate::asn1::ipms::InformationObject;
use crate::asn1::mta::{InternalTraceInformation, PerRecipientReportTransferFields, Report};
use crate::asn1::mts::{
    DeliveryReport, NonDeliveryReport, ORName, ReportType, ReportingMTAName, extension,
};
use crate::mixer::address::identifier::mts_msg_id;
use crate::mixer::address::{Role, envelope as names};
use crate::mixer::basic::time::Time;
use crate::mixer::context::Context;
use crate::mixer::outcome::{Ledger, Refusal, Status, Unconverted};
use crate::mixer::{domain, status};
use crate::octets::Octets;
use crate::rfc822::dsn::{self, Returned, Typed};
use crate::rfc822::envelope::Notify;
use crate::rfc822::{Entity, Envelope, Fields, Mailbox, MediaType, Recipient};

/// What begins a content correlator that holds an ENVID (appendix A section 3.1).
pub const NOTARY_ENVID: &str = "SMTP/NOTARY ENVID: ";

/// The numbers of extensions that say who reports.
const TRACE: [i64; 2] = [37, 38];
const REPORTING_MTA_NAME: i64 = 39;

/// Converts a report.
///
/// # Errors
/// If its destination has no mailbox, or stands for the null reverse-path, which wants no reports.
pub(super) fn map(context: &Context<'_>, report: &Report) -> Result<ToRfc822, Unconverted> {
    let mut ledger = Ledger::default();
    let missing = std::cell::RefCell::default();
    let mut work = Work {
        context,
        ledger: &mut ledger,
        missing: &missing,
    };
    let destination = destination(&mut work, &report.envelope.report_destination_name)?;
    let mut header = trace::fields(
        context,
        &report.envelope.trace_information,
        &report.envelope.extensions,
        work.ledger,
    )?;
    let reported: Vec<_> = report
        .content
        .per_recipient_fields
        .iter()
        .map(|fields| Reported::of(&mut work, fields))
        .collect();
    let reporter = reporter(report);
    let message_id = fields(
        &mut work,
        &mut header,
        report,
        &destination,
        &reported,
        reporter.mta.as_deref(),
    );
    let text = text(&mut work, report, &reported);
    let status = delivery_status::map(&mut work, report, &reported, &reporter);
    let returned = returned(&mut work, report, &reported);
    let missing = missing.into_inner();
    if !missing.is_empty() {
        return Err(Unconverted::Missing(missing));
    }
    let mut recipient = Recipient::new(destination.address);
    // A notification about a notification helps nobody (RFC 3461 section 6.1).
    recipient.notify = Some(Notify::Never);
    let envelope = Envelope {
        recipients: vec![recipient],
        ..Envelope::default()
    };
    let identifiers = Identifiers {
        mts: mts_msg_id(&report.envelope.report_identifier),
        message_id: Some(message_id),
        content_correlator: correlator(&report.content.extensions),
        subject: Some(mts_msg_id(&report.content.subject_identifier)),
    };
    let content = dsn::report(text, &status, returned);
    Ok(finish(
        envelope,
        // A report has one destination, which has no number.
        vec![0],
        &header,
        &content,
        ledger,
        Kind::Report,
        identifiers,
    ))
}

/// The mailbox that gets the report.
fn destination(work: &mut Work<'_>, name: &ORName) -> Result<Mailbox, Unconverted> {
    let address = addresses::text(name);
    let Some(mapped) = names::reverse_path(work.context, name)? else {
        return Err(Refusal {
            section: "5.3.8.3",
            status: Status(5, 1, 1),
            reason: 1,
            diagnostic: Some(0),
            text: format!("the report goes to {address}, which stands for the null reverse-path"),
        }
        .into());
    };
    let mailbox = mapped.value.to_string();
    let entry = mapped.recipient(address, mailbox);
    work.ledger.recipients.push(entry);
    Ok(Mailbox::new(work.noted(mapped)))
}

/// One recipient reported on.
struct Reported<'a> {
    fields: &'a PerRecipientReportTransferFields,
    /// The mailbox of the recipient as originally specified, or its O/R address as text.
    mailbox: String,
    outcome: Outcome<'a>,
}

enum Outcome<'a> {
    Delivered(&'a DeliveryReport),
    Failed {
        report: &'a NonDeliveryReport,
        reason: u32,
        diagnostic: Option<u32>,
    },
}

impl<'a> Reported<'a> {
    fn of(work: &mut Work<'_>, fields: &'a PerRecipientReportTransferFields) -> Self {
        let specified = fields
            .originally_intended_recipient_name
            .as_ref()
            .unwrap_or(&fields.actual_recipient_name);
        let outcome = match &fields.last_trace_information.report_type {
            ReportType::Delivery(report) => Outcome::Delivered(report),
            ReportType::NonDelivery(report) => Outcome::Failed {
                report,
                reason: u32::try_from(report.non_delivery_reason_code.0).unwrap_or(1),
                diagnostic: report
                    .non_delivery_diagnostic_code
                    .and_then(|code| u32::try_from(code.0).ok()),
            },
        };
        Self {
            fields,
            mailbox: mailbox(work, specified),
            outcome,
        }
    }

    fn is_delivered(&self) -> bool {
        matches!(self.outcome, Outcome::Delivered(_))
    }
}

/// A name in Internet form; where it has none, its O/R address.
fn mailbox(work: &mut Work<'_>, name: &ORName) -> String {
    let mapped = names::shown(work.context, name, Role::Heading);
    match work.or_noted("ORName", mapped) {
        Some(mailbox) => mailbox.address.to_string(),
        None => addresses::text(name),
    }
}

/// A name in X.400 form, its directory name as a comment.
fn x400(name: &ORName) -> Typed {
    let mut text = addresses::text(name);
    let directory_name = name
        .directory_name
        .as_ref()
        .and_then(crate::mixer::address::directory_name::text);
    if let Some(directory_name) = directory_name {
        let escaped = directory_name
            .replace('\\', "\\\\")
            .replace('(', "\\(")
            .replace(')', "\\)");
        text.push_str(&format!(" ({escaped})"));
    }
    Typed::new("x400", text)
}

/// Who made the report: `report-point`, and the name of the MTA if there is one.
struct Reporter {
    point: String,
    mta: Option<String>,
}

fn reporter(report: &Report) -> Reporter {
    let named: Option<ReportingMTAName> =
        extension(&report.envelope.extensions, REPORTING_MTA_NAME)
            .and_then(|field| field.decode().ok());
    let internal = TRACE.iter().find_map(|number| {
        let trace: InternalTraceInformation = extension(&report.envelope.extensions, *number)?
            .decode()
            .ok()?;
        trace.into_iter().next()
    });
    let (domain, mta) = match (named, internal) {
        (Some(named), _) => (Some(named.domain), Some(trace::mta_text(&named.mta_name))),
        (None, Some(first)) => (
            Some(first.global_domain_identifier),
            Some(trace::mta_text(&first.mta_name)),
        ),
        (None, None) => {
            let first = report.envelope.trace_information.first();
            (
                first.map(|first| first.global_domain_identifier.clone()),
                None,
            )
        }
    };
    let domain = domain.unwrap_or_else(|| {
        report
            .envelope
            .report_identifier
            .global_domain_identifier
            .clone()
    });
    let domain = domain::text(&domain);
    let point = match &mta {
        Some(mta) => format!("mta {} in {domain}", word(mta)),
        None => domain,
    };
    Reporter { point, mta }
}

/// The fields of the outer header; the Message-ID is returned.
fn fields(
    work: &mut Work<'_>,
    header: &mut Fields,
    report: &Report,
    destination: &Mailbox,
    reported: &[Reported<'_>],
    mta: Option<&str>,
) -> String {
    let context = work.context;
    let first = report.envelope.trace_information.first();
    let date = first.map_or_else(
        || Time::from(&context.now).to_date_time(),
        |first| date_time(context, &first.domain_supplied_information.arrival_time),
    );
    header.structured("Date", &date);
    let administrator = super::administrator(context).unwrap_or_else(|| destination.clone());
    header.mailboxes("From", [&administrator]);
    header.mailboxes("To", [destination]);
    let successes = reported
        .iter()
        .filter(|recipient| recipient.is_delivered())
        .count();
    let outcome = match successes {
        0 => "failure",
        all if all == reported.len() => "success",
        _ => "success and failures",
    };
    let about = match (reported, mta) {
        ([only], _) => format!(" for {}", only.mailbox),
        (_, Some(mta)) => format!(" for MTA {}", word(mta)),
        (_, None) => String::new(),
    };
    header.text("Subject", &format!("Delivery-Report ({outcome}){about}"));
    let message_id = super::own_message_id(context);
    header.structured("Message-ID", &message_id);
    header.structured(
        "X400-MTS-Identifier",
        &mts_msg_id(&report.envelope.report_identifier),
    );
    header.structured("Message-Type", "Delivery Report");
    header.structured("Auto-Submitted", "auto-replied");
    work.ledger
        .field("report-destination-name", "To", "5.3.8.3");
    work.ledger
        .field("report-identifier", "X400-MTS-Identifier", "5.3.8.3");
    work.ledger.field("trace-information", "Date", "5.3.8.3");
    message_id
}

/// `dr-user-info`: the part for people.
fn text(work: &mut Work<'_>, report: &Report, reported: &[Reported<'_>]) -> Entity {
    let context = work.context;
    let content = &report.content;
    let correlator = correlator(&content.extensions).filter(|text| !text.starts_with(NOTARY_ENVID));
    let identifier = content
        .content_identifier
        .as_ref()
        .map(|identifier| String::from_utf8_lossy(identifier.as_bytes()).into_owned());
    let about = correlator
        .or(identifier)
        .unwrap_or_else(|| mts_msg_id(&content.subject_identifier));
    let mut text = String::from("This report relates to your message:\r\n");
    for line in about.lines() {
        text.push_str(&format!("   {}\r\n", printable(line)));
    }
    let subject_trace = content
        .subject_intermediate_trace_information
        .as_ref()
        .and_then(|trace| trace.first());
    if let Some(first) = subject_trace.or_else(|| report.envelope.trace_information.first()) {
        let date = date_time(context, &first.domain_supplied_information.arrival_time);
        text.push_str(&format!("\r\nof {date}\r\n"));
    }
    text.push_str("\r\n");
    for recipient in reported {
        let mailbox = &recipient.mailbox;
        match &recipient.outcome {
            Outcome::Delivered(delivered) => {
                let at = date_time(context, &delivered.message_delivery_time);
                text.push_str(&format!(
                    "Your message was successfully delivered to:\r\n   {mailbox} at {at}\r\n\r\n"
                ));
            }
            Outcome::Failed {
                reason, diagnostic, ..
            } => {
                text.push_str(&format!("Your message was not delivered to:\r\n   {mailbox}\r\nfor the following reason:\r\n"));
                let reason = status::reason_name(*reason).unwrap_or("unknown reason");
                text.push_str(&format!("   {}", plain(reason)));
                if let Some(diagnostic) = diagnostic.and_then(status::diagnostic_name) {
                    text.push_str(&format!(": {}", plain(diagnostic)));
                }
                text.push_str("\r\n");
                if let Some(information) = supplementary(recipient.fields) {
                    text.push_str(&format!("   {information}\r\n"));
                }
                text.push_str("\r\n");
            }
        }
    }
    text.push_str(match content.returned_content {
        Some(_) => "The Original Message follows:\r\n",
        None => "The Original Message is not available\r\n",
    });
    Entity::unicode(&text)
}

/// The name of a code as words.
fn plain(name: &str) -> String {
    name.replace('-', " ")
}

/// A line of a stranger without control characters.
fn printable(line: &str) -> String {
    line.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

fn supplementary(fields: &PerRecipientReportTransferFields) -> Option<String> {
    let information = fields.supplementary_information.as_ref()?;
    let text = printable(&String::from_utf8_lossy(information.as_bytes()));
    (!text.is_empty()).then_some(text)
}

/// What comes back of the message: all of it if somebody did not get it, else its header; as it came
/// where it is no legal message.
fn returned(work: &mut Work<'_>, report: &Report, reported: &[Reported<'_>]) -> Returned {
    let Some(content) = &report.content.returned_content else {
        return Returned::Nothing;
    };
    work.ledger
        .field("returned-content", "message/rfc822", "5.3.8.1");
    match asn1::decode::<InformationObject>(&content.0) {
        Ok(InformationObject::Ipm(ipm)) => {
            let (header, message) = work.message(&ipm);
            if reported.iter().all(Reported::is_delivered) {
                return Returned::Header(Octets::from(header.as_str().to_owned()));
            }
            Returned::Entity(Box::new(Entity::message(header, message)))
        }
        Ok(InformationObject::Ipn(_)) | Err(_) => {
            work.ledger.note(
                "returned-content",
                "application/octet-stream: no legal message",
                "5.3.8.1",
                false,
            );
            let dump = Entity::binary(
                MediaType::new("application", "octet-stream"),
                Octets::from(content.0.clone()),
            );
            Returned::Entity(Box::new(dump))
        }
    }
}
