//! The envelope: SMTP originator and recipients with their DSN parameters, and the fields that say
//! what SMTP cannot.
//!
//! RFC 2156 sections 4.6.2.1, 4.6.2.2, 5.3.3, 5.3.6, the fields of 5.3.7 other than trace, and appendix
//! A section 3.2.

use super::extensions::{self, PER_MESSAGE, PER_RECIPIENT, labelled};
use super::services::comments;
use super::trace::date_time;
use super::{Work, addresses};
use crate::asn1::mta::{
    MessageTransferEnvelope, PerRecipientIndicators, PerRecipientMessageTransferFields,
};
use crate::asn1::mts::{
    BuiltInContentType, ContentCorrelator, ContentType, ConversionWithLossProhibited,
    DLExpansionHistory, DeliveredContentType, ExtensionField, LatestDeliveryTime, MTSIdentifier,
    ORName, OtherMessageDeliveryFields, PerMessageIndicators, Priority, RedirectionHistory,
    extension,
};
use crate::mixer::address::identifier::mts_msg_id;
use crate::mixer::address::{Role, envelope as names, to_rfc822};
use crate::mixer::encoded_types::EncodedTypes;
use crate::mixer::outcome::{RecipientMapping, Unconverted};
use crate::rfc822::envelope::{MAX_ENVID, MAX_ORCPT, Notify, OriginalRecipient, Ret, xtext};
use crate::rfc822::{Envelope, Fields, Mailbox, Recipient};

/// The number of a per-message extension.
const CONVERSION_WITH_LOSS_PROHIBITED: i64 = 4;
const LATEST_DELIVERY_TIME: i64 = 5;
const ORIGINATOR_RETURN_ADDRESS: i64 = 13;
const CONTENT_CORRELATOR: i64 = 23;
const DL_EXPANSION_HISTORY: i64 = 26;
/// The number of a per-recipient extension.
const REDIRECTION_HISTORY: i64 = 25;

/// The envelope of a message, mapped.
#[derive(Debug)]
pub(super) struct MappedEnvelope {
    /// The SMTP envelope; body type and size are for the caller.
    pub envelope: Envelope,
    /// originally-specified-recipient-number of each recipient of the envelope.
    pub numbers: Vec<i64>,
    /// The extended fields of section 5.3.6, and those of 5.3.7 that are no trace.
    pub fields: Fields,
    /// The mailbox of the originator.
    pub originator: Mailbox,
}

/// Maps the envelope of a message; only recipients whose responsibility bit is set count.
///
/// # Errors
/// If the originator cannot be mapped, or an extension of the message that cannot be handled is
/// critical. A recipient that cannot be mapped is refused in the ledger.
pub(super) fn map(
    work: &mut Work<'_>,
    envelope: &MessageTransferEnvelope,
) -> Result<MappedEnvelope, Unconverted> {
    let discarded = extensions::check(work, &envelope.extensions, PER_MESSAGE, "message")?;
    let reverse_path = names::reverse_path(work.context, &envelope.originator_name)?;
    let originator = addresses::name(work, &envelope.originator_name, Role::ReturnPath)?;
    let mut smtp = Envelope {
        reverse_path: reverse_path.map(|path| path.value),
        ..Envelope::default()
    };
    smtp.envid = Some(envid(work, &envelope.message_identifier));
    if !envelope
        .per_message_indicators
        .contains(PerMessageIndicators::CONTENT_RETURN_REQUEST)
    {
        smtp.ret = Some(Ret::Hdrs);
    }
    smtp.priority = match envelope.priority {
        Priority::URGENT => Some(4),
        Priority::NON_URGENT => Some(-4),
        _ => None,
    };
    let mut numbers = Vec::new();
    let responsible = |fields: &&PerRecipientMessageTransferFields| {
        fields
            .per_recipient_indicators
            .contains(PerRecipientIndicators::RESPONSIBILITY)
    };
    for recipient in envelope.per_recipient_fields.iter().filter(responsible) {
        if let Some(mapped) = self::recipient(work, recipient)? {
            smtp.recipients.push(mapped);
            numbers.push(recipient.originally_specified_recipient_number);
        }
    }
    let fields = fields(work, envelope, &originator, &discarded);
    Ok(MappedEnvelope {
        envelope: smtp,
        numbers,
        fields,
        originator,
    })
}

/// Maps one recipient; `None` if it is refused, which the ledger then says.
fn recipient(
    work: &mut Work<'_>,
    fields: &PerRecipientMessageTransferFields,
) -> Result<Option<Recipient>, Unconverted> {
    let address = addresses::text(&fields.recipient_name);
    let checked = extensions::check(work, &fields.extensions, PER_RECIPIENT, "recipient")
        .map_err(Unconverted::from);
    let mapped = checked.and_then(|_| {
        to_rfc822::mailbox(
            work.context,
            &fields.recipient_name.address(),
            Role::Recipient,
        )
    });
    match mapped {
        Ok(mapped) => {
            let mailbox = mapped.value.to_string();
            let entry = mapped.recipient(address, mailbox);
            work.ledger.recipients.push(entry);
            let mut recipient = Recipient::new(work.noted(mapped));
            recipient.notify = Some(notify(&fields.per_recipient_indicators));
            recipient.orcpt = original_recipient(fields);
            Ok(Some(recipient))
        }
        Err(Unconverted::Refused(refusal)) => {
            let entry = RecipientMapping::refused(address, &refusal);
            work.ledger.recipients.push(entry);
            Ok(None)
        }
        Err(missing) => Err(missing),
    }
}

/// `NOTIFY` of the bits of the originator: `report` asks for both outcomes.
fn notify(indicators: &PerRecipientIndicators) -> Notify {
    if indicators.contains(PerRecipientIndicators::ORIGINATOR_REPORT) {
        Notify::SUCCESS_AND_FAILURE
    } else if indicators.contains(PerRecipientIndicators::ORIGINATOR_NON_DELIVERY_REPORT) {
        Notify::FAILURE
    } else {
        Notify::Never
    }
}

/// `ORCPT`: for whom the message was meant before its first redirection.
fn original_recipient(fields: &PerRecipientMessageTransferFields) -> Option<OriginalRecipient> {
    let history: RedirectionHistory = extension(&fields.extensions, REDIRECTION_HISTORY)?
        .decode()
        .ok()?;
    let intended = &history.first()?.intended_recipient_name.intended_recipient;
    let orcpt = OriginalRecipient {
        address_type: "x400".to_owned(),
        address: addresses::text(intended),
    };
    (orcpt.to_string().len() <= MAX_ORCPT).then_some(orcpt)
}

/// `ENVID`: the MTS identifier, or our own identifier where that is too long for the parameter.
fn envid(work: &Work<'_>, identifier: &MTSIdentifier) -> String {
    let envid = format!("X400-MTS-Identifier: {}", mts_msg_id(identifier));
    if xtext(&envid).len() <= MAX_ENVID {
        envid
    } else {
        work.context.id.clone()
    }
}

/// `mts-content-type`: a labelled integer or an object identifier, never `P2`.
pub(super) fn content_type(content: &ContentType) -> String {
    match content {
        ContentType::BuiltIn(number) => {
            let label = match *number {
                BuiltInContentType::UNIDENTIFIED => "unidentified",
                BuiltInContentType::EXTERNAL => "external",
                BuiltInContentType::INTERPERSONAL_MESSAGING_1984 => "interpersonal-messaging-1984",
                BuiltInContentType::INTERPERSONAL_MESSAGING_1988 => "interpersonal-messaging-1988",
                BuiltInContentType::EDI_MESSAGING => "edi-messaging",
                BuiltInContentType::VOICE_MESSAGING => "voice-messaging",
                _ => "unknown",
            };
            labelled(label, number.0)
        }
        ContentType::Extended(identifier) => addresses::object_identifier(identifier),
    }
}

/// The extended fields of the envelope.
fn fields(
    work: &mut Work<'_>,
    envelope: &MessageTransferEnvelope,
    originator: &Mailbox,
    discarded: &[String],
) -> Fields {
    let context = work.context;
    let mut fields = Fields::new();
    let mut say = |name: &'static str, text: &str, element: &str, section: &'static str| {
        fields.structured(name, text);
        work.ledger.field(element, name, section);
    };
    say(
        "X400-MTS-Identifier",
        &mts_msg_id(&envelope.message_identifier),
        "message-identifier",
        "5.3.6",
    );
    say(
        "X400-Originator",
        &originator.to_string(),
        "originator-name",
        "4.6.2.2",
    );
    say(
        "X400-Content-Type",
        &content_type(&envelope.content_type),
        "content-type",
        "5.3.6",
    );
    if let Some(identifier) = &envelope.content_identifier {
        let text = String::from_utf8_lossy(identifier.as_bytes()).into_owned();
        say(
            "X400-Content-Identifier",
            &text,
            "content-identifier",
            "5.3.6",
        );
    }
    if let Some(types) = &envelope.original_encoded_information_types {
        let types = EncodedTypes::of_element(types).text();
        if !types.is_empty() {
            say(
                "Original-Encoded-Information-Types",
                &types,
                "original-encoded-information-types",
                "5.3.6",
            );
        }
    }
    if let Some(priority) = priority(envelope.priority) {
        say("Priority", priority, "priority", "5.3.6");
    }
    if envelope
        .per_message_indicators
        .contains(PerMessageIndicators::IMPLICIT_CONVERSION_PROHIBITED)
    {
        say(
            "Conversion",
            "Prohibited",
            "implicit-conversion-prohibited",
            "5.3.6",
        );
    }
    let extension_of = |number| extension(&envelope.extensions, number);
    let with_loss =
        extension_of(CONVERSION_WITH_LOSS_PROHIBITED).and_then(|field| field.decode().ok());
    if with_loss == Some(ConversionWithLossProhibited::CONVERSION_WITH_LOSS_PROHIBITED) {
        say(
            "Conversion-With-Loss",
            "Prohibited",
            "conversion-with-loss-prohibited",
            "5.3.6",
        );
    }
    if let Some(at) = &envelope.deferred_delivery_time {
        say(
            "Deferred-Delivery",
            &date_time(context, at),
            "deferred-delivery-time",
            "5.3.7",
        );
    }
    let latest: Option<LatestDeliveryTime> =
        extension_of(LATEST_DELIVERY_TIME).and_then(|field| field.decode().ok());
    if let Some(at) = latest {
        say(
            "Latest-Delivery-Time",
            &date_time(context, &at),
            "latest-delivery-time",
            "5.3.7",
        );
    }
    if !discarded.is_empty() {
        fields.structured("Discarded-X400-MTS-Extensions", &discarded.join(", "));
    }
    let return_address: Option<ORName> =
        extension_of(ORIGINATOR_RETURN_ADDRESS).and_then(|field| field.decode().ok());
    if let Some(name) = return_address
        && let Ok(mailbox) = addresses::name(work, &name, Role::Heading)
    {
        fields.mailboxes("Originator-Return-Address", [&mailbox]);
        work.ledger.field(
            "originator-return-address",
            "Originator-Return-Address",
            "5.3.6",
        );
    }
    let history: Option<DLExpansionHistory> =
        extension_of(DL_EXPANSION_HISTORY).and_then(|field| field.decode().ok());
    for expansion in history.iter().flatten().rev() {
        if let Ok(list) = addresses::name(work, &expansion.dl, Role::Heading) {
            fields.structured(
                "DL-Expansion-History",
                &format!(
                    "{list}; {};",
                    date_time(context, &expansion.dl_expansion_time)
                ),
            );
            work.ledger
                .field("dl-expansion-history", "DL-Expansion-History", "5.3.6");
        }
    }
    recipients_field(work, envelope, &mut fields);
    fields
}

/// `X400-Recipients` (section 4.6.2.2): all recipients if they may be disclosed, else the one there
/// is, else none.
fn recipients_field(work: &mut Work<'_>, envelope: &MessageTransferEnvelope, fields: &mut Fields) {
    let disclosed = envelope
        .per_message_indicators
        .contains(PerMessageIndicators::DISCLOSURE_OF_OTHER_RECIPIENTS);
    let ours: Vec<_> = envelope
        .per_recipient_fields
        .iter()
        .filter(|fields| {
            disclosed
                || fields
                    .per_recipient_indicators
                    .contains(PerRecipientIndicators::RESPONSIBILITY)
        })
        .collect();
    if !disclosed && ours.len() > 1 {
        work.ledger.note(
            "per-recipient information",
            "left behind: recipients may not be disclosed",
            "4.6.2.2",
            true,
        );
        return;
    }
    let mut mailboxes = Vec::new();
    for recipient in ours {
        if let Ok(mut mailbox) = addresses::name(work, &recipient.recipient_name, Role::Heading) {
            mailbox.comments.extend(comments(work, recipient));
            mailboxes.push(mailbox);
        }
    }
    if !mailboxes.is_empty() {
        fields.mailboxes("X400-Recipients", &mailboxes);
        work.ledger
            .field("per-recipient-fields", "X400-Recipients", "4.6.2.2");
    }
}

/// The fields of the envelope under which a message within a message was delivered (RFC 2157 section
/// 6.5).
pub(super) fn delivered(
    work: &mut Work<'_>,
    envelope: &OtherMessageDeliveryFields,
    fields: &mut Fields,
) {
    if let Ok(originator) = addresses::name(work, &envelope.originator_name, Role::Heading) {
        fields.mailboxes("X400-Originator", [&originator]);
    }
    if let Ok(recipient) = addresses::name(work, &envelope.this_recipient_name, Role::Heading) {
        fields.mailboxes("X400-Recipients", [&recipient]);
    }
    let content = match &envelope.content_type {
        DeliveredContentType::BuiltIn(number) => ContentType::BuiltIn(*number),
        DeliveredContentType::Extended(identifier) => ContentType::Extended(identifier.clone()),
    };
    fields.structured("X400-Content-Type", &content_type(&content));
    if let Some(identifier) = &envelope.content_identifier {
        fields.structured(
            "X400-Content-Identifier",
            &String::from_utf8_lossy(identifier.as_bytes()),
        );
    }
    let types = envelope.original_encoded_information_types.as_ref();
    let types = types
        .map(|types| EncodedTypes::of_element(types).text())
        .filter(|types| !types.is_empty());
    if let Some(types) = types {
        fields.structured("Original-Encoded-Information-Types", &types);
    }
    if let Some(priority) = priority(envelope.priority) {
        fields.structured("Priority", priority);
    }
    fields.structured(
        "Date",
        &date_time(work.context, &envelope.message_submission_time),
    );
}

/// `priority`, unless it is normal.
fn priority(priority: Priority) -> Option<&'static str> {
    match priority {
        Priority::URGENT => Some("urgent"),
        Priority::NON_URGENT => Some("non-urgent"),
        _ => None,
    }
}

/// The content correlator as text, if it is IA5.
pub(super) fn correlator(extensions: &[ExtensionField]) -> Option<String> {
    let field = extensions
        .iter()
        .find(|field| field.number() == Some(CONTENT_CORRELATOR))?;
    match field.decode().ok()? {
        ContentCorrelator::Ia5text(text) => text.as_str().map(str::to_owned),
        ContentCorrelator::Octets(octets) => std::str::from_utf8(octets.as_bytes())
            .ok()
            .map(str::to_owned),
    }
}
