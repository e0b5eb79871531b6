//! What the transfer envelopes of messages and probes have in common (X.411 clauses 12.2.1.1 and
//! 12.2.1.2): what the queue keeps of them, and what reports are about.

use bytes::Bytes;

use crate::asn1::mta::{
    MessageTransferEnvelope, MtsApdu, PerRecipientIndicators, ProbeTransferEnvelope,
};
use crate::asn1::mts::{
    Content, ContentIdentifier, ContentType, EncodedInformationTypes, Extensions, MTSIdentifier,
    ORName, PerMessageIndicators, Priority,
};
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
}

/// The content at the start of what [`Subject::of_message`] left.
#[must_use]
pub fn content(octets: &Bytes) -> Option<Content> {
    let (content, _) = asn1::decode_first(octets, &Limits::DEFAULT).ok()?;
    Some(content)
}
