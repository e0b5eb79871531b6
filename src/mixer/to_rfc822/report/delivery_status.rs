//! The machine's part of a report: per-message and per-recipient fields of the delivery status.
//!
//! RFC 2156 section 5.3.8.1. Address forms follow it to the letter: what the sender wrote stands in
//! Internet form, its X.400 form beside it.
//!
//! Original-Recipient stands there though the sender may have given no ORCPT. RFC 3461 section 6.3 (d)
//! forbids it to the MTA that reports on mail it had from SMTP (our own notifications obey). Here an
//! X.400 MTA reports, whose envelope names the recipient as first specified; RFC 3464 section 3 and
//! appendix B want that kept, and it is the one field in which Internet software finds its recipient.

use super::{
    NOTARY_ENVID, Outcome, REPORTING_MTA_NAME, Reported, Reporter, TRACE, Work, mailbox, printable,
    supplementary, x400,
};
use crate::asn1::mta::Report;
use crate::asn1::mts::{
    ExtensionField, NonDeliveryReport, ORName, OriginatorAndDLExpansionHistory, RedirectionHistory,
    RedirectionReason, ReportingDLName, extension,
};
use crate::mixer::address::envelope as names;
use crate::mixer::address::identifier::mts_msg_id;
use crate::mixer::basic::labelled_integer_2;
use crate::mixer::basic::time::Time;
use crate::mixer::encoded_types::EncodedTypes;
use crate::mixer::status;
use crate::mixer::to_rfc822::envelope::{content_type, correlator};
use crate::mixer::to_rfc822::extensions::extension_text;
use crate::mixer::to_rfc822::trace::{self, date_time};
use crate::rfc822::date;
use crate::rfc822::dsn::{Action, DeliveryStatus, RecipientStatus, Typed};

/// The numbers of extensions of reports.
const CONTENT_CORRELATOR: i64 = 23;
const REDIRECTION_HISTORY: i64 = 25;
const PHYSICAL_FORWARDING_ADDRESS: i64 = 27;
const ORIGINATOR_AND_DL_EXPANSION_HISTORY: i64 = 30;
const REPORTING_DL_NAME: i64 = 31;

/// The delivery status.
pub(super) fn map(
    work: &mut Work<'_>,
    report: &Report,
    reported: &[Reported<'_>],
    reporter: &Reporter,
) -> DeliveryStatus {
    let context = work.context;
    let content = &report.content;
    let mut status = DeliveryStatus::new(Typed::new("x400", reporter.point.as_str()));
    status.dsn_gateway = Some(Typed::new("dns", context.gateway.name.as_str()));
    let arrival = reported
        .first()
        .map(|first| &first.fields.last_trace_information.arrival_time);
    status.arrival_date = arrival.and_then(|at| date::parse(date_time(context, at).as_bytes()));
    let mut say = |name: &str, value: String| status.extensions.push((name.to_owned(), value));
    say(
        "X400-Conversion-Date",
        Time::from(&context.now).to_date_time(),
    );
    say(
        "X400-Subject-Submision-Identifier",
        mts_msg_id(&content.subject_identifier),
    );
    if let Some(identifier) = &content.content_identifier {
        say(
            "X400-Content-Identifier",
            String::from_utf8_lossy(identifier.as_bytes()).into_owned(),
        );
    }
    if let Some(of_content) = &content.content_type {
        say("X400-Content-Type", content_type(of_content));
    }
    if let Some(types) = &content.original_encoded_information_types {
        say(
            "X400-Original-Encoded-Information-Types",
            EncodedTypes::of_element(types).text(),
        );
    }
    let history: Option<OriginatorAndDLExpansionHistory> =
        extension(&content.extensions, ORIGINATOR_AND_DL_EXPANSION_HISTORY)
            .and_then(|field| field.decode().ok());
    for expansion in history.iter().flatten().rev() {
        let name = mailbox(work, &expansion.originator_or_dl_name);
        let at = date_time(context, &expansion.origination_or_expansion_time);
        say(
            "X400-Originator-and-DL-Expansion-History",
            format!("{name}; {at};"),
        );
    }
    let list: Option<ReportingDLName> =
        extension(&content.extensions, REPORTING_DL_NAME).and_then(|field| field.decode().ok());
    if let Some(list) = list {
        say("X400-Reporting-DL-Name", mailbox(work, &list));
    }
    // Without an ENVID none may be made up (RFC 3461 section 6.3 (a)).
    let mut envelope_id = None;
    if let Some(text) = correlator(&content.extensions) {
        match text.strip_prefix(NOTARY_ENVID) {
            Some(envid) => envelope_id = Some(envid.to_owned()),
            None => say("X400-Content-Correlator", printable(&text)),
        }
    }
    if let Some(trace) = &content.subject_intermediate_trace_information {
        for text in trace::texts(context, trace) {
            say("X400-Subject-Intermediate-Trace-Information", text);
        }
    }
    let known = [
        CONTENT_CORRELATOR,
        ORIGINATOR_AND_DL_EXPANSION_HISTORY,
        REPORTING_DL_NAME,
    ];
    let of_envelope = [TRACE.as_slice(), &[REPORTING_MTA_NAME]].concat();
    let mut unmapped = discarded(work, &content.extensions, &known);
    unmapped.extend(discarded(work, &report.envelope.extensions, &of_envelope));
    if !unmapped.is_empty() {
        say("X400-Discarded-DR-Extensions", unmapped.join(", "));
    }
    status.original_envelope_id = envelope_id;
    status.recipients = reported
        .iter()
        .map(|recipient| recipient_status(work, recipient))
        .collect();
    status
}

/// The extensions besides those known, as text.
fn discarded(work: &mut Work<'_>, extensions: &[ExtensionField], known: &[i64]) -> Vec<String> {
    let others = extensions
        .iter()
        .filter(|field| !field.number().is_some_and(|number| known.contains(&number)));
    let texts: Vec<_> = others.map(extension_text).collect();
    for text in &texts {
        work.ledger
            .note(text, "X400-Discarded-DR-Extensions", "5.3.8.1", true);
    }
    texts
}

/// The fields of one recipient.
fn recipient_status(work: &mut Work<'_>, reported: &Reported<'_>) -> RecipientStatus {
    let context = work.context;
    let fields = reported.fields;
    let mut extensions: Vec<(String, String)> = Vec::new();
    let mut say = |name: &str, value: String| extensions.push((name.to_owned(), value));
    let in_mail = Typed::new("rfc822", reported.mailbox.as_str());
    let (original, last) = match &fields.originally_intended_recipient_name {
        None => (in_mail, x400(&fields.actual_recipient_name)),
        Some(intended) => {
            let actual = mailbox(work, &fields.actual_recipient_name);
            say(
                "X400-Redirect-Recipient",
                x400(&fields.actual_recipient_name).to_string(),
            );
            say(
                "X400-Mapped-Redirect-Recipient",
                Typed::new("rfc822", actual).to_string(),
            );
            (x400(intended), in_mail)
        }
    };
    let (action, status) = match &reported.outcome {
        Outcome::Delivered(_) => (Action::Delivered, status::DELIVERED),
        Outcome::Failed {
            reason, diagnostic, ..
        } => (Action::Failed, status::status_of(*reason, *diagnostic)),
    };
    let last_trace = &fields.last_trace_information;
    let converted = last_trace
        .converted_encoded_information_types
        .as_ref()
        .map(|types| EncodedTypes::of_element(types).text());
    if let Some(types) = &converted {
        say("X400-Converted-EITs", format!("{types};"));
    }
    if let Outcome::Delivered(delivered) = &reported.outcome {
        say(
            "X400-Delivery-Time",
            date_time(context, &delivered.message_delivery_time),
        );
        let user = delivered.type_of_mts_user;
        say(
            "X400-Type-of-MTS-User",
            format!("{}({})", user.name().unwrap_or("other"), user.0),
        );
    }
    let arrival = date_time(context, &last_trace.arrival_time);
    say(
        "X400-Last-Trace",
        [converted.as_deref().unwrap_or_default(), &arrival]
            .join(" ")
            .trim()
            .to_owned(),
    );
    if let Some(information) = supplementary(fields) {
        say("X400-Supplementary-Info", format!("\"{information}\";"));
    }
    let history: Option<RedirectionHistory> =
        extension(&fields.extensions, REDIRECTION_HISTORY).and_then(|field| field.decode().ok());
    // An ORCPT went into the history (appendix A section 3.1); it is the original (RFC 3461 6.3 (d)).
    let given = history.as_ref().and_then(|history| history.first());
    let given = given.filter(|first| first.redirection_reason == RedirectionReason::ALIAS);
    let given = given.map(|first| {
        let name = &first.intended_recipient_name.intended_recipient;
        Typed::new("rfc822", mailbox(work, name))
    });
    for redirection in history.iter().flatten() {
        let intended = &redirection.intended_recipient_name;
        let name = mailbox(work, &intended.intended_recipient);
        let reason = names::reason(redirection.redirection_reason);
        let at = date_time(context, &intended.redirection_time);
        say(
            "X400-Redirection-History",
            format!("intended recipient {name} redirected to {reason} on {at}"),
        );
    }
    let forwarding: Option<ORName> = extension(&fields.extensions, PHYSICAL_FORWARDING_ADDRESS)
        .and_then(|field| field.decode().ok());
    if let Some(address) = forwarding {
        say("X400-Physical-Forwarding-Address", mailbox(work, &address));
    }
    say(
        "X400-Originally-Specified-Recipient-Number",
        fields.originally_specified_recipient_number.to_string(),
    );
    let unmapped = discarded(
        work,
        &fields.extensions,
        &[REDIRECTION_HISTORY, PHYSICAL_FORWARDING_ADDRESS],
    );
    if !unmapped.is_empty() {
        say("X400-Discarded-DR-Extensions", unmapped.join(", "));
    }
    let mut mapped = RecipientStatus::new(last, action, status);
    mapped.original_recipient = Some(given.unwrap_or(original));
    mapped.extensions = extensions;
    if let Outcome::Failed {
        report,
        reason,
        diagnostic,
    } = &reported.outcome
    {
        mapped.diagnostic_code = Some(Typed::new(
            "x400",
            diagnostic_code(report, *reason, *diagnostic),
        ));
    }
    mapped
}

/// `dr-diagnostic`.
fn diagnostic_code(report: &NonDeliveryReport, reason: u32, diagnostic: Option<u32>) -> String {
    let code =
        |code: u32, name: Option<&'static str>| labelled_integer_2(code, name.unwrap_or("unknown"));
    let mut text = match u32::try_from(report.non_delivery_reason_code.0) {
        Ok(_) => format!("Reason {}", code(reason, status::reason_name(reason))),
        Err(_) => format!("Reason {}(unknown)", report.non_delivery_reason_code.0),
    };
    if let Some(diagnostic) = diagnostic {
        text.push_str(&format!(
            "; Diagnostic {}",
            code(diagnostic, status::diagnostic_name(diagnostic))
        ));
    }
    text
}
