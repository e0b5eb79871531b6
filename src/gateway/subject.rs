//! What the transfer envelopes of messages and probes have in common (X.411 clauses 12.2.1.1 and
//! 12.2.1.2): what the queue keeps of them, and what reports are about.

use bytes::Bytes;

use crate::asn1::codec::{Element, Source, Tagging};
use crate::asn1::mta::{
    MessageTransferEnvelope, MtsApdu, PerRecipientIndicators, ProbeTransferEnvelope,
    TraceInformation,
};
use crate::asn1::mts::{
    Content, ContentIdentifier, ContentType, EncodedInformationTypes, Extensions, MTSIdentifier,
    ORName, PerMessageIndicators, Priority,
};
use crate::asn1::tlv::Tag;
use crate::asn1::{self, DecodeError, Limits, tlv};

/// The envelope of a message or a probe.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Its MTS identifier.
    pub identifier: MTSIdentifier,
    /// Who sent it.
    pub originator: ORName,
    /// The types of its content.
    pub encoded_information_types: Option<EncodedInformationTypes>,
    /// The type of its content.
    pub content_type: ContentType,
    /// What its originator knows the content by.
    pub content_identifier: Option<ContentIdentifier>,
    /// Its priority; of a probe, the default.
    pub priority: Priority,
    /// What is asked for all recipients.
    pub indicators: PerMessageIndicators,
    /// The domains it passed.
    pub trace: TraceInformation,
    /// Its extensions.
    pub extensions: Extensions,
    /// Its recipients, also those others are responsible for.
    pub recipients: Vec<Addressee>,
}

/// One recipient of a message or a probe.
#[derive(Debug, Clone)]
pub struct Addressee {
    /// Its originally-specified-recipient-number.
    pub number: i64,
    /// Its name.
    pub name: ORName,
    /// What is asked for it, and whether the MTA that has this copy is responsible.
    pub indicators: PerRecipientIndicators,
}

/// The two types of envelopes have the same members, but for the name of the identifier.
macro_rules! subject {
    ($envelope:expr, $identifier:ident, $priority:expr) => {
        Self {
            identifier: $envelope.$identifier,
            originator: $envelope.originator_name,
            encoded_information_types: $envelope.original_encoded_information_types,
            content_type: $envelope.content_type,
            content_identifier: $envelope.content_identifier,
            priority: $priority,
            indicators: $envelope.per_message_indicators,
            trace: $envelope.trace_information,
            extensions: $envelope.extensions,
            recipients: $envelope
                .per_recipient_fields
                .into_iter()
                .map(|fields| Addressee {
                    number: fields.originally_specified_recipient_number,
                    name: fields.recipient_name,
                    indicators: fields.per_recipient_indicators,
                })
                .collect(),
        }
    };
}

impl From<MessageTransferEnvelope> for Subject {
    fn from(envelope: MessageTransferEnvelope) -> Self {
        subject!(envelope, message_identifier, envelope.priority)
    }
}

impl From<ProbeTransferEnvelope> for Subject {
    fn from(envelope: ProbeTransferEnvelope) -> Self {
        subject!(envelope, probe_identifier, Priority::default())
    }
}

impl Subject {
    /// The envelope of an APDU that is a message; what follows it is the content.
    ///
    /// # Errors
    /// It is no such APDU.
    pub fn of_message(apdu: &Bytes) -> Result<(Self, Bytes), DecodeError> {
        let header = tlv::read_header(apdu).map_or(0, |header| header.size);
        let inside = apdu.slice(header.min(apdu.len())..);
        let (envelope, content) =
            asn1::decode_first::<MessageTransferEnvelope>(&inside, &Limits::DEFAULT)?;
        Ok((envelope.into(), content))
    }

    /// The envelope of an APDU that is a probe: all of it.
    ///
    /// # Errors
    /// It is no such APDU.
    pub fn of_probe(apdu: &Bytes) -> Result<Self, DecodeError> {
        match asn1::decode(apdu)? {
            MtsApdu::Probe(probe) => Ok(probe.into()),
            _ => Err(DecodeError::new(0, "a probe", "another APDU")),
        }
    }

    /// What can be read of a message's or probe's envelope that cannot be read as a whole: `None` if
    /// it names no originator, or not what it sent.
    #[must_use]
    pub fn salvaged(envelope: &Bytes) -> Option<Self> {
        let source = Source::new(envelope.clone(), &Limits::DEFAULT).ok()?;
        let mut members = source.element().ok()?.members("an envelope").ok()?;
        let (mut identifier, mut originator, mut content_type) = (None, None, None);
        let (mut content_identifier, mut indicators, mut extensions) = (None, None, None);
        let mut recipients = Vec::new();
        // A member that cannot be read is as if it were not there.
        while let Ok(Some(member)) = members.next() {
            let _ = member.fill(Tagging::Own, "identifier", &mut identifier);
            let _ = member.fill(Tagging::Own, "originator-name", &mut originator);
            let _ = member.fill(Tagging::Own, "content-type", &mut content_type);
            let _ = member.fill(Tagging::Own, "content-identifier", &mut content_identifier);
            let _ = member.fill(Tagging::Own, "per-message-indicators", &mut indicators);
            let _ = member.fill(EXTENSIONS, "extensions", &mut extensions);
            if member.tag == PER_RECIPIENT_FIELDS
                && let Ok(mut fields) = member.members("per-recipient-fields")
            {
                while let Ok(Some(fields)) = fields.next() {
                    recipients.extend(Addressee::salvaged(&fields));
                }
            }
        }
        Some(Self {
            identifier: identifier?,
            originator: originator?,
            encoded_information_types: None,
            content_type: content_type.unwrap_or_default(),
            content_identifier,
            priority: Priority::default(),
            indicators: indicators.unwrap_or_default(),
            trace: TraceInformation::default(),
            extensions: extensions.unwrap_or_default(),
            recipients,
        })
    }
}

/// Members of an envelope, and of the fields of one recipient, by their tags.
const PER_RECIPIENT_FIELDS: Tag = Tag::context(2);
const EXTENSIONS: Tagging = Tagging::Implicit(Tag::context(3));
const NUMBER: Tagging = Tagging::Implicit(Tag::context(0));
const INDICATORS: Tagging = Tagging::Implicit(Tag::context(1));

impl Addressee {
    /// What can be read of the fields of one recipient, if that is all by which a report names it.
    fn salvaged(fields: &Element<'_>) -> Option<Self> {
        let mut members = fields.members("a recipient").ok()?;
        let (mut name, mut number, mut indicators) = (None, None, None);
        while let Ok(Some(member)) = members.next() {
            let _ = member.fill(Tagging::Own, "recipient-name", &mut name);
            let _ = member.fill(NUMBER, "number", &mut number);
            let _ = member.fill(INDICATORS, "per-recipient-indicators", &mut indicators);
        }
        Some(Self {
            number: number?,
            name: name?,
            indicators: indicators?,
        })
    }
}

/// The content at the start of what [`Subject::of_message`] left.
#[must_use]
pub fn content(octets: &Bytes) -> Option<Content> {
    let (content, _) = asn1::decode_first(octets, &Limits::DEFAULT).ok()?;
    Some(content)
}
