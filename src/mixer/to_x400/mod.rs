//! From Internet mail to X.400 (RFC 2156 sections 5.1 and 5.2).
//!
//! [`message`] is the whole procedure in the order of the RFC: envelope, trace, body, heading. A
//! delivery status notification becomes a report instead ([`report`]).

pub mod envelope;
pub mod fields;
pub mod heading;
pub mod received;
pub mod report;
pub mod trace;

#[cfg(test)]
mod tests;

use bytes::Bytes;

use super::address::{self, identifier, wire};
use super::body::equivalence;
use super::body::to_x400::Converter;
use super::context::{ContentType as WantedType, Context, Edition};
use super::encoded_types::EncodedTypes;
use super::outcome::{Ledger, Refusal, Status, Unconverted};
use super::profile::INTERNAL_TRACE_INFORMATION;
use super::x400_1984;
use crate::asn1::compose;
use crate::asn1::ipms::Heading;
use crate::asn1::mta::MessageTransferEnvelope;
use crate::asn1::mts::{
    self, BuiltInContentType, ContentType, ExtensionField, MTSIdentifier, ORName,
};
use crate::octets::Octets;
use crate::rfc822::{Envelope, Field, Mail, Part, Recipient};

/// A mail in X.400.
#[derive(Debug)]
pub struct ToX400 {
    /// The bare `MTS-APDU`.
    pub apdu: Octets,
    /// A second APDU, where a notification tells of failures and of delays: both a report and a
    /// message (section 5.1.8.3).
    pub further: Option<Octets>,
    /// What a report, a receipt or a duplicate will name it by.
    pub identifiers: Identifiers,
    /// What went where; its recipients are those the copy is for, in order, refused ones among them.
    pub ledger: Ledger,
}

/// The names of a message on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identifiers {
    /// The MTS identifier.
    pub mts: MTSIdentifier,
    /// The Message-ID, as the mail bears it.
    pub message_id: Option<String>,
    /// The ENVID, if there was one.
    pub envid: Option<String>,
}

/// For whom a copy of a mail is: those recipients of its envelope whose places, from 0, are `ours`.
pub struct Addressed<'a> {
    /// The envelope as it came.
    pub envelope: &'a Envelope,
    /// Whether the copy is for the recipient at this place.
    pub ours: &'a dyn Fn(usize) -> bool,
}

impl Addressed<'_> {
    /// The recipients the copy is for.
    fn recipients(&self) -> impl Iterator<Item = &Recipient> {
        let all = self.envelope.recipients.iter().enumerate();
        all.filter(|(place, _)| (self.ours)(*place))
            .map(|(_, recipient)| recipient)
    }
}

/// Converts a mail for all its recipients.
///
/// # Errors
/// As [`copy`].
pub fn message(
    context: &Context<'_>,
    envelope: &Envelope,
    mail: &Bytes,
) -> Result<ToX400, Unconverted> {
    let ours = &|_| true;
    copy(context, &Addressed { envelope, ours }, mail)
}

/// Converts a mail for some of its recipients.
///
/// A recipient that no O/R address can name is refused in the ledger, and the message goes on for
/// the others. The MTS identifier is our own rather than the Message-ID's (section 5.1.6 leaves the
/// choice): copies of a mail for different recipients may take different roads and meet again.
///
/// # Errors
/// If answers of name services are missing; if the mail cannot be read within its bounds, is in a
/// loop, or no recipient is left.
pub fn copy(
    context: &Context<'_>,
    addressed: &Addressed<'_>,
    mail: &Bytes,
) -> Result<ToX400, Unconverted> {
    let mail = Mail::parse(mail.clone()).map_err(|error| Refusal {
        section: "5.1",
        status: Status(5, 6, 0),
        reason: 1,
        diagnostic: Some(12),
        text: error.to_string(),
    })?;
    let identifiers = Identifiers {
        mts: identifier::of_mail(context, mail.header())?,
        message_id: mail
            .header()
            .first("Message-ID")
            .map(|field| field.text().trim().to_owned()),
        envid: addressed.envelope.envid.clone(),
    };
    if let Some(notification) = report::Notification::of(&mail) {
        return report::convert(context, addressed, &mail, &notification, identifiers);
    }
    let mut ledger = Ledger::default();
    let apdu = interpersonal(context, addressed, &mail, &identifiers.mts, &mut ledger)?;
    Ok(ToX400 {
        apdu,
        further: None,
        identifiers,
        ledger,
    })
}

/// The mail as an interpersonal message in its transfer envelope.
fn interpersonal(
    context: &Context<'_>,
    addressed: &Addressed<'_>,
    mail: &Mail,
    mts_identifier: &MTSIdentifier,
    ledger: &mut Ledger,
) -> Result<Octets, Unconverted> {
    let envelope = addressed.envelope;
    let header = mail.header();
    let originator = address::envelope::originator(context, envelope.reverse_path.as_ref())?;
    let requests = envelope::requests(context, header, ledger)?;
    let recipients = envelope::recipients(context, addressed, &requests, ledger)?;
    let mut traced = traced(context, envelope, mail, &originator.value, ledger)?;
    let content = content(context, mail, ledger, false, &|field| {
        requests.has_taken(field)
            || field.is("Received")
            || field.is("X400-Received")
            || (field.is("Date") && traced.date_is_carried)
    })?;
    let mut types = content.types;
    trace::add_conversion(&mut traced, context, &types);
    if let Some(original) = &requests.types {
        types.extend(original.clone());
    }
    let mut transfer = MessageTransferEnvelope {
        message_identifier: mts_identifier.clone(),
        originator_name: originator.value,
        original_encoded_information_types: Some(types.element()),
        content_type: content.content_type,
        trace_information: traced.external,
        per_recipient_fields: recipients,
        ..requests.envelope
    };
    if envelope.reverse_path.is_none() {
        // Nobody is there to whom content could be returned.
        transfer.per_message_indicators = mts::PerMessageIndicators::of(&[
            mts::PerMessageIndicators::ALTERNATE_RECIPIENT_ALLOWED,
        ]);
    }
    if let Some(priority) = envelope::priority(envelope.priority) {
        transfer.priority = priority;
    }
    if transfer.content_identifier.is_none() {
        let subject = header
            .first("Subject")
            .map(Field::decoded)
            .unwrap_or_default();
        transfer.content_identifier = envelope::content_identifier(&subject).map(Into::into);
    }
    transfer
        .extensions
        .extend(envelope::correlator(envelope, header));
    transfer.extensions.push(ExtensionField::new(
        INTERNAL_TRACE_INFORMATION,
        &traced.internal,
    ));
    let here = context.domain().unwrap_or_default();
    if context.peer.fit_message(&here, &mut transfer) {
        ledger.note(
            "extension fields",
            "left out: the neighbour takes none",
            "App. B",
            true,
        );
    }
    if context.peer.edition == Edition::Of1984 {
        let unable = x400_1984::message(&mut transfer, &context.gateway.address)?;
        // The names were made for 1984, and the extensions are gone.
        if let Some(first) = unable.into_iter().next() {
            return Err(first.refusal.into());
        }
    }
    Ok(compose::message(&transfer, content.octets))
}

/// The trace so far of a mail (section 5.1.6).
fn traced(
    context: &Context<'_>,
    envelope: &Envelope,
    mail: &Mail,
    originator: &ORName,
    ledger: &mut Ledger,
) -> Result<trace::Trace, Unconverted> {
    let attributes = wire::attributes(&originator.address()).0;
    let from = envelope.reverse_path.as_ref();
    let from = trace::Originator {
        address: from.map(|_| &attributes),
        domain: from
            .map(|path| path.domain())
            .filter(|domain| !domain.is_empty()),
    };
    Ok(trace::trace(context, mail.header(), from, ledger)?)
}

/// A content, its types and the number of its protocol.
struct ConvertedContent {
    octets: Octets,
    types: EncodedTypes,
    content_type: ContentType,
}

/// The content of a mail: P2 where nothing of 1988 is in it, else P22 (section 5.1.3).
///
/// `status_as_text` makes text of the status part of a notification (section 5.1.8.3).
fn content(
    context: &Context<'_>,
    mail: &Mail,
    ledger: &mut Ledger,
    status_as_text: bool,
    taken: &dyn Fn(&Field) -> bool,
) -> Result<ConvertedContent, Unconverted> {
    let mut converter = Converter::new(context, ledger);
    converter.status_as_text = status_as_text;
    let mut converted = converter.body(&mail.root)?;
    let heading = heading::heading(&mut converter, mail.header(), &mut converted, taken)?;
    let mut types = converter.types;
    if context.peer.edition == Edition::Of1988 {
        types.add(equivalence::EIT_MIXER);
    }
    let features_of_1988 = !heading.extensions.is_empty() || types.has_extended_parts();
    let number = match context.peer.content {
        WantedType::P2 => BuiltInContentType::INTERPERSONAL_MESSAGING_1984,
        WantedType::P22 => BuiltInContentType::INTERPERSONAL_MESSAGING_1988,
        WantedType::Auto if features_of_1988 && context.peer.edition == Edition::Of1988 => {
            BuiltInContentType::INTERPERSONAL_MESSAGING_1988
        }
        WantedType::Auto => BuiltInContentType::INTERPERSONAL_MESSAGING_1984,
    };
    let mut body = Vec::new();
    if !converted.fields.is_empty() {
        // Appendix B: a neighbour of 1984 knows no extensions of headings.
        let text = format!("RFC-822-Headers:\r\n{}\r\n", converted.fields.join("\r\n"));
        body.push(compose::ia5_text_body_part(Octets::from(text)));
        types.add_built_in(mts::BuiltInEncodedInformationTypes::IA5_TEXT);
    }
    body.append(&mut converted.body);
    Ok(ConvertedContent {
        octets: compose::ipm(&heading, body),
        types,
        content_type: ContentType::BuiltIn(number),
    })
}

/// Heading and body of a message within a message (RFC 2157 section 6.5).
///
/// # Errors
/// If an address needs answers of name services.
pub fn heading_and_body(
    converter: &mut Converter<'_, '_>,
    part: &Part,
) -> Result<(Heading, Vec<Octets>), Unconverted> {
    let mut converted = converter.body(part)?;
    let heading = heading::heading(converter, &part.header, &mut converted, &|_| false)?;
    Ok((heading, converted.body))
}
