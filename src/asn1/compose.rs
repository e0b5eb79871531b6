//! Values written around large contents that stay where they are: P1 APDUs, P22 contents and their
//! body parts as [`Octets`].

use super::Ber;
use super::ftbp::FileTransferParameters;
use super::ipms::{GeneralTextParameters, Heading, IA5TextParameters, MessageParameters};
use super::mta::MessageTransferEnvelope;
use super::rfc2156::MimeParameters;
use super::tlv::{Tag, primitive, wrap};
use super::types::{GeneralString, GraphicString, IA5String, ObjectIdentifier};
use super::{encode_octets, oids};
use crate::octets::Octets;

/// The pieces one after another.
fn concatenate(pieces: impl IntoIterator<Item = Octets>) -> Octets {
    let mut whole = Octets::new();
    for piece in pieces {
        whole.append(piece);
    }
    whole
}

/// A message as one RTSE transfer carries it: `MTS-APDU.message` (X.419 clause 9.2).
#[must_use]
pub fn message(envelope: &MessageTransferEnvelope, content: Octets) -> Octets {
    let content = primitive(Tag::OCTET_STRING, content);
    wrap(
        Tag::context(0),
        concatenate([encode_octets(envelope), content]),
    )
}

/// An interpersonal message: `InformationObject.ipm` (X.420 clause 7), of body parts made here or
/// by [`super::encode_octets`].
#[must_use]
pub fn ipm(heading: &Heading, body: impl IntoIterator<Item = Octets>) -> Octets {
    wrap(Tag::context(0), ipm_members(heading, body))
}

/// A message within a message: what [`message_body_part`] wants (X.420 clause 7.3.8).
#[must_use]
pub fn forwarded_ipm(heading: &Heading, body: impl IntoIterator<Item = Octets>) -> Octets {
    wrap(Tag::SEQUENCE, ipm_members(heading, body))
}

/// The heading and the body of an IPM.
fn ipm_members(heading: &Heading, body: impl IntoIterator<Item = Octets>) -> Octets {
    let body = wrap(Tag::SEQUENCE, concatenate(body));
    concatenate([encode_octets(heading), body])
}

/// A body part of IA5 text (X.420 clause 7.3.1); the octets are not looked at.
#[must_use]
pub fn ia5_text_body_part(text: Octets) -> Octets {
    let parameters = encode_octets(&IA5TextParameters::default());
    let text = primitive(IA5String::TAG, text);
    wrap(Tag::context(0), concatenate([parameters, text]))
}

/// A body part that holds a message made by [`forwarded_ipm`] (X.420 clause 7.3.8).
#[must_use]
pub fn message_body_part(parameters: &MessageParameters, ipm: Octets) -> Octets {
    wrap(
        Tag::context(9),
        concatenate([encode_octets(parameters), ipm]),
    )
}

/// An extended body part (X.420 clause 7.3.12): the encodings of its parameters, if any, and its
/// data, each with its name.
#[must_use]
pub fn extended_body_part(
    parameters: Option<(&ObjectIdentifier, Octets)>,
    data: (&ObjectIdentifier, Octets),
) -> Octets {
    let mut members = Octets::new();
    if let Some((name, value)) = parameters {
        members.append(wrap(Tag::context(0), external(Some(name), value)));
    }
    let (name, value) = data;
    members.append(wrap(Tag::EXTERNAL, external(Some(name), value)));
    wrap(Tag::context(15), members)
}

/// The members of an EXTERNAL that holds the encoding `value`.
fn external(name: Option<&ObjectIdentifier>, value: Octets) -> Octets {
    let name = name.map(encode_octets).unwrap_or_default();
    concatenate([name, wrap(Tag::context(0), value)])
}

/// A body part of general text (X.420 clause B.2): the character sets and the text.
#[must_use]
pub fn general_text_body_part(sets: &GeneralTextParameters, text: Octets) -> Octets {
    extended_body_part(
        Some((&oids::ID_EP_GENERAL_TEXT, encode_octets(sets))),
        (
            &oids::ID_ET_GENERAL_TEXT,
            primitive(GeneralString::TAG, text),
        ),
    )
}

/// A file transfer body part (X.420 clause B.3) of one EXTERNAL, octet-aligned; `syntax` names what
/// is in it and `description` describes it.
#[must_use]
pub fn file_transfer_body_part(
    parameters: &FileTransferParameters,
    syntax: Option<&ObjectIdentifier>,
    description: Option<&GraphicString>,
    file: Octets,
) -> Octets {
    let syntax = syntax.map(encode_octets).unwrap_or_default();
    let description = description
        .map(|text| primitive(Tag::universal(7), Octets::from(text.0.clone())))
        .unwrap_or_default();
    let file = primitive(Tag::context(1), file);
    let data = wrap(Tag::EXTERNAL, concatenate([syntax, description, file]));
    extended_body_part(
        Some((&oids::ID_EP_FILE_TRANSFER, encode_octets(parameters))),
        (&oids::ID_ET_FILE_TRANSFER, wrap(Tag::SEQUENCE, data)),
    )
}

/// A body part of any MIME type (RFC 2157 section 3.1.2).
#[must_use]
pub fn mime_body_part(parameters: &MimeParameters, data: Octets) -> Octets {
    extended_body_part(
        Some((&oids::ID_MIME_BP_PARAMETERS, encode_octets(parameters))),
        (&oids::ID_MIME_BP_DATA, primitive(Tag::OCTET_STRING, data)),
    )
}

/// What RTSE carries in normal mode: an APDU as an EXTERNAL of the presentation context
/// `context` (X.228 clause 8, X.419 clause 9).
#[must_use]
pub fn transfer_external(context: i64, apdu: Octets) -> Octets {
    wrap(
        Tag::EXTERNAL,
        concatenate([encode_octets(&context), wrap(Tag::context(0), apdu)]),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asn1::external::{Encoding, ExternalValue};
    use crate::asn1::ftbp::FileTransferData;
    use crate::asn1::ipms::{BodyPart, IA5TextBodyPart, IPM, InformationObject, MessageBodyPart};
    use crate::asn1::mta::{Message, MtsApdu};
    use crate::asn1::{decode, encode, types::Any};
    use bytes::Bytes;

    /// Every composition must be what the type itself encodes.
    fn same<T: Ber + PartialEq + std::fmt::Debug>(composed: &Octets, whole: &T) {
        let octets = composed.to_bytes();
        assert_eq!(octets, encode(whole));
        assert_eq!(&decode::<T>(&octets).expect("what was composed"), whole);
    }

    #[test]
    fn x419_9_2_a_message_around_its_content() {
        let envelope = MessageTransferEnvelope::default();
        let whole = MtsApdu::Message(Message {
            envelope: envelope.clone(),
            content: Bytes::from_static(b"content").into(),
        });
        same(&message(&envelope, Octets::from(&b"content"[..])), &whole);
    }

    #[test]
    fn x420_7_a_message_of_text_a_message_and_a_file() {
        let inner = IPM::default();
        let parts = vec![
            BodyPart::Ia5Text(IA5TextBodyPart {
                data: "hello".into(),
                ..Default::default()
            }),
            BodyPart::Message(MessageBodyPart {
                data: Any::of(&inner),
                ..Default::default()
            }),
        ];
        let composed = [
            ia5_text_body_part(Octets::from(&b"hello"[..])),
            message_body_part(
                &MessageParameters::default(),
                forwarded_ipm(&inner.heading, []),
            ),
        ];
        let heading = Heading::default();
        let whole = InformationObject::Ipm(IPM {
            heading: heading.clone(),
            body: parts,
        });
        same(&ipm(&heading, composed), &whole);
    }

    #[test]
    fn x420_b_3_a_file() {
        let parameters = FileTransferParameters::default();
        let composed = file_transfer_body_part(&parameters, None, None, Octets::from(&b"file"[..]));
        let file = ExternalValue {
            encoding: Encoding::OctetAligned(Bytes::from_static(b"file").into()),
            ..Default::default()
        };
        let data: FileTransferData = vec![file];
        let part = |name: &ObjectIdentifier, value: Any| ExternalValue {
            direct_reference: Some(name.clone()),
            encoding: Encoding::SingleASN1Type(value),
            ..Default::default()
        };
        let whole = BodyPart::Extended(crate::asn1::ipms::ExtendedBodyPart {
            parameters: Some(part(&oids::ID_EP_FILE_TRANSFER, Any::of(&parameters))),
            data: part(&oids::ID_ET_FILE_TRANSFER, Any::of(&data)),
        });
        same(&composed, &whole);
    }

    #[test]
    fn rfc2157_3_1_2_any_mime_type() {
        let parameters = MimeParameters {
            content_type: "image/png".into(),
            ..Default::default()
        };
        let octets = mime_body_part(&parameters, Octets::from(&b"png"[..])).to_bytes();
        let part: BodyPart = decode(&octets).expect("a body part");
        let BodyPart::Extended(part) = part else {
            panic!("an extended body part");
        };
        assert_eq!(part.kind(), Some(&oids::ID_MIME_BP_DATA));
        assert_eq!(part.parameters::<MimeParameters>(), Some(Ok(parameters)));
        let data: crate::asn1::types::OctetString = part.data().expect("the data");
        assert_eq!(data.as_bytes(), b"png");
    }
}
