//! From X.400 to Internet mail (RFC 2156 section 5.3).
//!
//! One P1 APDU becomes one mail: an interpersonal message, an interpersonal notification or a
//! report. A probe has no mail; the gateway answers it by what [`probe()`] says.

mod addresses;
mod envelope;
mod extensions;
pub mod heading;
mod notification;
mod probe;
mod report;
mod services;
mod trace;

pub use probe::{Probed, probe};

use std::cell::RefCell;

use bytes::Bytes;

use super::address::identifier::{self, IpmIdentifier, MsgIdOrPhrase};
use super::address::{Mapped, descriptor};
use super::basic::time::Time;
use super::body;
use super::context::Context;
use super::outcome::{Ledger, Question, Refusal, Status, Unconverted};
use crate::asn1::ipms::{
    Heading, IPM, IPMIdentifier, InformationObject, MessageParameters, ORDescriptor,
};
use crate::asn1::mta::{Message, MtsApdu};
use crate::asn1::mts::{BuiltInContentType, ContentType};
use crate::asn1::{self, DecodeError};
use crate::octets::{self, Octets};
use crate::rfc822::envelope::BodyType;
use crate::rfc822::{AddrSpec, Address, Entity, Envelope, Field, Fields, Mailbox};

/// A mail made from an APDU.
#[derive(Debug)]
pub struct ToRfc822 {
    /// The SMTP envelope. Recipients that were refused stand in the ledger only.
    pub envelope: Envelope,
    /// The originally-specified-recipient-number of each recipient of the envelope; 0 for the
    /// destination of a report.
    pub recipient_numbers: Vec<i64>,
    /// The mail; lines end in CRLF.
    pub mail: Octets,
    /// What went where.
    pub ledger: Ledger,
    /// What the mail is.
    pub kind: Kind,
    /// By what others will name the message.
    pub identifiers: Identifiers,
}

/// What an APDU was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An interpersonal message.
    Message,
    /// An interpersonal notification.
    Notification,
    /// A report.
    Report,
}

/// The identifiers of a message on both sides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identifiers {
    /// The MTS identifier of the message or report, as text (`mts-msg-id` of section 5.3.6).
    pub mts: String,
    /// Message-ID, with its brackets.
    pub message_id: Option<String>,
    /// The content correlator, if it is text.
    pub content_correlator: Option<String>,
    /// The MTS identifier of the message that a report is about, as text.
    pub subject: Option<String>,
}

/// Converts a message, notification or report.
///
/// # Errors
/// What cannot be read or carried is refused as a whole; a recipient that cannot is refused in the
/// ledger. A probe is refused: it is for the gateway to answer (section 5.3.9).
pub fn message(context: &Context<'_>, apdu: &Bytes) -> Result<ToRfc822, Unconverted> {
    let decoded = asn1::decode::<MtsApdu>(apdu);
    match decoded.map_err(|fault| unreadable("the APDU", &fault.by("X.411 clause 12")))? {
        MtsApdu::Message(message) => of_message(context, apdu, &message),
        MtsApdu::Report(report) => report::map(context, &report),
        MtsApdu::Probe(_) => Err(refusal(
            "5.3.9",
            Status(5, 5, 0),
            Some(14),
            "a probe is answered, not converted",
        )
        .into()),
    }
}

/// A message or a notification.
fn of_message(
    context: &Context<'_>,
    apdu: &Bytes,
    message: &Message,
) -> Result<ToRfc822, Unconverted> {
    let mut ledger = Ledger::default();
    let missing = RefCell::default();
    let mut work = Work {
        context,
        ledger: &mut ledger,
        missing: &missing,
    };
    let envelope = &message.envelope;
    check_content_type(&envelope.content_type)?;
    let mut header = trace::fields(
        context,
        &envelope.trace_information,
        &envelope.extensions,
        work.ledger,
    )?;
    let mut mapped = envelope::map(&mut work, envelope)?;
    let content = &message.content.0;
    let content: InformationObject = asn1::decode(content).map_err(|fault| {
        let fault = fault.by("X.420 clauses 7 and 8");
        match octets::offset(apdu, content) {
            Some(at) => unreadable("the content", &fault.moved(at)),
            None => unreadable("the content, put together of its segments,", &fault),
        }
    })?;
    header.append(std::mem::take(&mut mapped.fields));
    let submitted = envelope.trace_information.first();
    let submitted = submitted.map(|element| &element.domain_supplied_information.arrival_time);
    header.structured(
        "Date",
        &submitted.map_or_else(
            || Time::from(&context.now).to_date_time(),
            |at| trace::date_time(context, at),
        ),
    );
    let (kind, message_id, entity) = match &content {
        InformationObject::Ipm(ipm) => {
            let heading = heading::map(&mut work, &ipm.heading);
            header.append(heading.fields);
            complete(context, &mut header, &mapped.originator, Kind::Message);
            let converted = work.body(ipm);
            let mut restored = heading.restored;
            let of_body = |field: &&Field| !body::to_rfc822::is_field_of_body(field);
            restored.extend(converted.fields.iter().filter(of_body).cloned());
            heading::restore(&mut work, &mut header, &restored);
            let message_id = heading.message_id.or_else(|| Some(own_message_id(context)));
            (Kind::Message, message_id, converted.entity)
        }
        InformationObject::Ipn(ipn) => {
            let recipient = mapped
                .envelope
                .recipients
                .first()
                .map(|recipient| &recipient.forward_path);
            let (fields, entity) = notification::map(&mut work, ipn, recipient);
            header.append(fields);
            complete(context, &mut header, &mapped.originator, Kind::Notification);
            (Kind::Notification, Some(own_message_id(context)), entity)
        }
    };
    let missing = missing.into_inner();
    if !missing.is_empty() {
        return Err(Unconverted::Missing(missing));
    }
    let identifiers = Identifiers {
        mts: identifier::mts_msg_id(&envelope.message_identifier),
        message_id,
        content_correlator: envelope::correlator(&envelope.extensions),
        subject: None,
    };
    Ok(finish(
        mapped.envelope,
        mapped.numbers,
        &header,
        &entity,
        ledger,
        kind,
        identifiers,
    ))
}

/// The mail of a header and a content, and what the envelope says of it.
fn finish(
    mut envelope: Envelope,
    recipient_numbers: Vec<i64>,
    header: &Fields,
    content: &Entity,
    ledger: Ledger,
    kind: Kind,
    identifiers: Identifiers,
) -> ToRfc822 {
    let mail = content.write(header);
    envelope.size = Some(mail.len());
    if content.is_eight_bit() {
        envelope.body = BodyType::EightBitMime;
    }
    ToRfc822 {
        envelope,
        recipient_numbers,
        mail,
        ledger,
        kind,
        identifiers,
    }
}

/// The fields that a mail must have (section 5.3.2).
fn complete(context: &Context<'_>, header: &mut Fields, originator: &Mailbox, kind: Kind) {
    if !header.contains("Message-ID") {
        header.structured("Message-ID", &own_message_id(context));
    }
    if !header.contains("From") {
        let mut from = originator.clone();
        let phrase = match kind {
            Kind::Report => "X.400 Gateway",
            Kind::Message | Kind::Notification => "X.400 Originator",
        };
        from.name.get_or_insert_with(|| phrase.to_owned());
        header.mailboxes("From", [&from]);
    }
    if !["To", "Cc", "Bcc"].iter().any(|name| header.contains(name)) {
        header.structured("To", "list:;");
    }
}

/// Content types other than P2 and P22 have no conversion (section 1.5.3).
fn check_content_type(content_type: &ContentType) -> Result<(), Refusal> {
    match content_type {
        ContentType::BuiltIn(
            BuiltInContentType::INTERPERSONAL_MESSAGING_1984
            | BuiltInContentType::INTERPERSONAL_MESSAGING_1988,
        ) => Ok(()),
        other => Err(refusal(
            "1.5.3",
            Status(5, 6, 1),
            Some(15),
            &format!(
                "content type {} has no conversion to mail",
                envelope::content_type(other)
            ),
        )),
    }
}

fn unreadable(what: &str, fault: &DecodeError) -> Refusal {
    refusal(
        "5.3.1",
        Status(5, 5, 2),
        Some(12),
        &format!("{what} cannot be read: {fault}"),
    )
}

fn refusal(section: &'static str, status: Status, diagnostic: Option<u32>, text: &str) -> Refusal {
    Refusal {
        section,
        status,
        reason: 1,
        diagnostic,
        text: text.to_owned(),
    }
}

/// A conversion under way.
struct Work<'a> {
    context: &'a Context<'a>,
    ledger: &'a mut Ledger,
    /// Answers that addresses of headings wait for.
    missing: &'a RefCell<Vec<Question>>,
}

impl Work<'_> {
    /// What was mapped; what it left behind is noted.
    fn noted<T>(&mut self, mapped: Mapped<T>) -> T {
        self.ledger.notes.extend(mapped.notes);
        mapped.value
    }

    /// What was mapped, if it was; else that is noted, or asked.
    fn or_noted<T>(&mut self, what: &str, mapped: Result<Mapped<T>, Unconverted>) -> Option<T> {
        match mapped {
            Ok(mapped) => Some(self.noted(mapped)),
            Err(Unconverted::Refused(refusal)) => {
                self.ledger.note(
                    what,
                    format!("left behind: {}", refusal.text),
                    refusal.section,
                    true,
                );
                None
            }
            Err(Unconverted::Missing(questions)) => {
                self.missing.borrow_mut().extend(questions);
                None
            }
        }
    }

    /// A descriptor as an address (section 4.7.2).
    fn descriptor(&mut self, of: &ORDescriptor) -> Option<Address> {
        let mapped = descriptor::to_address(self.context, of);
        self.or_noted("ORDescriptor", mapped)
    }

    /// A message identifier as Message-ID, with its brackets (section 4.7.3.4).
    fn msg_id(&mut self, of: &IPMIdentifier) -> Option<String> {
        identifier::msg_id(&IpmIdentifier::from(of))
    }

    /// A message identifier as Message-ID or as a quoted phrase (section 4.7.3.5).
    fn msg_id_or_phrase(&mut self, of: &IPMIdentifier) -> Option<String> {
        match identifier::msg_id_or_phrase(&IpmIdentifier::from(of))? {
            MsgIdOrPhrase::MsgId(msg_id) => Some(msg_id),
            MsgIdOrPhrase::Phrase(phrase) => Some(trace::word(&phrase)),
        }
    }

    /// A body, with the messages in it.
    fn body(&mut self, ipm: &IPM) -> body::to_rfc822::Converted {
        let (context, missing) = (self.context, self.missing);
        let header = |heading: &Heading, parameters: &MessageParameters, ledger: &mut Ledger| {
            let mut work = Work {
                context,
                ledger,
                missing,
            };
            work.header(heading, parameters)
        };
        body::to_rfc822::body(ipm, &header, self.ledger)
    }

    /// The header of a message within a message (RFC 2157 section 6.5).
    fn header(&mut self, heading: &Heading, parameters: &MessageParameters) -> Fields {
        let mapped = heading::map(self, heading);
        let mut fields = mapped.fields;
        if let Some(at) = &parameters.delivery_time {
            fields.structured("Delivery-Date", &trace::date_time(self.context, at));
        }
        if let Some(envelope) = &parameters.delivery_envelope {
            envelope::delivered(self, envelope, &mut fields);
        }
        heading::restore(self, &mut fields, &mapped.restored);
        fields
    }

    /// A message without envelope, as a notification returns it.
    fn message(&mut self, ipm: &IPM) -> (Fields, Entity) {
        let header = self.header(&ipm.heading, &MessageParameters::default());
        let converted = self.body(ipm);
        (header, converted.entity)
    }
}

/// The Message-ID of a mail that has none from X.400.
fn own_message_id(context: &Context<'_>) -> String {
    format!("<{}@{}>", context.id, context.gateway.name)
}

/// The mailbox of the person to ask at the gateway, as sender of what the gateway itself writes.
fn administrator(context: &Context<'_>) -> Option<Mailbox> {
    let address: AddrSpec = context.gateway.postmaster.parse().ok()?;
    Some(Mailbox::named("X.400 Gateway", address))
}

#[cfg(test)]
mod tests;
