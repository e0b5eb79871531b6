//! Quirks of deployed systems from end to end: what a profile makes us send, and what is read whoever
//! sends it.

use bytes::Bytes;

use super::{Layer, PeerProfile};
use crate::asn1::ipms::{
    BodyPart, GeneralTextParameters, Heading, IPM, IPMSExtension, InformationObject,
};
use crate::asn1::mta::{
    InternalTraceInformation, InternalTraceInformationElement, MTASuppliedInformation,
    MessageTransferEnvelope, MtsApdu, PerRecipientIndicators, PerRecipientMessageTransferFields,
};
use crate::asn1::mts::{BuiltInContentType, ContentType, ExtensionField, extension};
use crate::asn1::rfc2156::RFC822FieldList;
use crate::asn1::{self, compose, oids};
use crate::mixer::address::mcgam::Tables;
use crate::mixer::address::wire;
use crate::mixer::context::{Context, Gateway};
use crate::mixer::{domain, to_rfc822, to_x400};
use crate::octets::Octets;
use crate::rfc822::{Envelope, Recipient};

fn with_context<T>(profile: &str, act: impl FnOnce(&Context<'_>) -> T) -> T {
    let (gateway, tables) = (Gateway::default(), Tables::default());
    act(&Context {
        id: "01JABCDEFGHJKMNPQRSTVWXYZ0".into(),
        now: "2026-11-22T12:00:00+00:00[+00:00]".parse().unwrap(),
        gateway: &gateway,
        tables: &tables,
        peer: &PeerProfile::of(&[Layer::parse(profile).unwrap()]).unwrap(),
    })
}

/// What a neighbour of this profile gets of a mail.
fn sent(profile: &str, mail: &str) -> (MessageTransferEnvelope, IPM) {
    let envelope = Envelope {
        reverse_path: Some("jo@example.org".parse().unwrap()),
        recipients: vec![Recipient::new("a@example.net".parse().unwrap())],
        ..Envelope::default()
    };
    let mail = Bytes::from(format!("From: jo@example.org\n{mail}").replace('\n', "\r\n"));
    let made = with_context(profile, |context| {
        to_x400::message(context, &envelope, &mail)
    });
    let MtsApdu::Message(message) = asn1::decode(&made.unwrap().apdu.to_bytes()).unwrap() else {
        panic!()
    };
    let InformationObject::Ipm(ipm) = asn1::decode(&message.content.0).unwrap() else {
        panic!()
    };
    (message.envelope, ipm)
}

/// The mail, unfolded, that a message of this envelope, heading and body becomes, whoever sent it.
fn read(envelope: MessageTransferEnvelope, heading: &Heading, body: Vec<Octets>) -> String {
    let name = |text: &str| wire::or_address(&text.parse().unwrap()).into();
    let recipient = PerRecipientMessageTransferFields {
        recipient_name: name("/RFC-822=a(a)example.net/O=Gateway/ADMD= /C=XX/"),
        originally_specified_recipient_number: 1,
        per_recipient_indicators: PerRecipientIndicators::of(&[
            PerRecipientIndicators::RESPONSIBILITY,
        ]),
        ..PerRecipientMessageTransferFields::default()
    };
    let envelope = MessageTransferEnvelope {
        originator_name: name("/S=Jo/ADMD= /C=GB/"),
        content_type: ContentType::BuiltIn(BuiltInContentType::INTERPERSONAL_MESSAGING_1988),
        per_recipient_fields: vec![recipient],
        ..envelope
    };
    let apdu = compose::message(&envelope, compose::ipm(heading, body)).to_bytes();
    let made = with_context("", |context| to_rfc822::message(context, &apdu)).unwrap();
    let mail = String::from_utf8(made.mail.to_bytes().to_vec()).unwrap();
    mail.replace("\r\n ", " ")
}

#[test]
fn attachments_go_in_the_body_part_the_neighbour_wants_and_their_types_are_declared() {
    let mail = "Content-Type: application/x-new; name=a.new\nContent-Transfer-Encoding: base64\n\nAAEC/w==\n";
    for (key, extended, declared) in [
        ("ftbp", Some("2.6.1.4.12"), Some("2.6.1.12.0")),
        ("bp15", Some("1.3.6.1.7.1.2.1.1"), Some("1.3.6.1.7.1.2.1.1")),
        ("bp14", None, None),
        ("ia5", None, None),
    ] {
        let (envelope, ipm) = sent(&format!("attachments = \"{key}\""), mail);
        match (key, &ipm.body[0]) {
            ("bp14", BodyPart::BilaterallyDefined(octets)) => {
                assert_eq!(octets.0, &[0, 1, 2, 255][..]);
            }
            ("ia5", BodyPart::Ia5Text(text)) => {
                let text = text.data.as_str().unwrap();
                assert!(text.contains("\r\n\r\nAAEC/w=="), "{text}");
            }
            (_, BodyPart::Extended(part)) => {
                assert_eq!(part.kind().map(ToString::to_string).as_deref(), extended);
            }
            (_, other) => panic!("{key}: {other:?}"),
        }
        // PP answers a body part of a type that the envelope does not declare with
        // conversion-not-performed, content-syntax-error.
        let types = envelope.original_encoded_information_types.unwrap();
        let types = types.extended_encoded_information_types.unwrap();
        let types: Vec<String> = types.iter().map(ToString::to_string).collect();
        assert!(
            declared.is_none_or(|declared| types.contains(&declared.to_owned())),
            "{types:?}"
        );
    }
}

#[test]
fn q151417_general_text_designates_g0_and_is_read_without_it() {
    let mail = "Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\nGr=FC=DFe\n";
    let (_, ipm) = sent("", mail);
    let BodyPart::Extended(part) = &ipm.body[0] else {
        panic!()
    };
    let data: crate::asn1::ipms::GeneralTextData = part.data().unwrap();
    assert!(data.0.starts_with(b"\x1b(B\x1b-A"), "{:02x?}", &data.0[..]);
    let (_, ipm) = sent("general-text = false", mail);
    let BodyPart::Extended(part) = &ipm.body[0] else {
        panic!()
    };
    assert_eq!(part.kind().unwrap().to_string(), "2.6.1.4.12", "a file");
    let sets: GeneralTextParameters = [6, 100].into_iter().collect();
    for octets in [
        &b"\x1b(B\x1b-A\x1b~Gr\xfc\xdfe"[..],
        b"\x1b-A\x1b~Gr\xfc\xdfe",
        b"\x1b(B\x0fGr\xfc\xdfe",
        b"Gr\xfc\xdfe",
    ] {
        let part = compose::general_text_body_part(&sets, Octets::from(octets.to_vec()));
        let mail = read(
            MessageTransferEnvelope::default(),
            &Heading::default(),
            vec![part],
        );
        assert!(mail.contains("charset=iso-8859-1"), "{mail}");
        assert!(
            mail.contains("\r\n\r\nR3L832U=\r\n"),
            "{octets:02x?}: {mail}"
        );
    }
}

#[test]
fn q329595_a_year_of_four_digits_in_the_trace_is_read() {
    let trace: InternalTraceInformation = vec![InternalTraceInformationElement {
        global_domain_identifier: domain::parse("/ADMD= /C=GB/").unwrap(),
        mta_name: "A".into(),
        mta_supplied_information: MTASuppliedInformation {
            arrival_time: "20040315120000Z".into(),
            ..MTASuppliedInformation::default()
        },
        ..InternalTraceInformationElement::default()
    }];
    let envelope = MessageTransferEnvelope {
        extensions: [ExtensionField::new(38, &trace)].into_iter().collect(),
        ..MessageTransferEnvelope::default()
    };
    let mail = read(envelope, &Heading::default(), Vec::new());
    let received = mail.split("X400-Received:").nth(1).unwrap();
    assert!(received.contains("15 Mar 2004 12:00:00 +0000"), "{mail}");
}

#[test]
fn fields_under_each_of_the_three_identifiers_of_their_list_come_back() {
    for identifier in [
        oids::ID_RFC_822_FIELD_LIST,
        oids::ID_RFC_822_FIELD_LIST_1327,
        oids::ID_RFC_822_FIELD_LIST_TRUNCATED,
    ] {
        let list: RFC822FieldList = std::iter::once("X-Fruit: Kiwi".into()).collect();
        let heading = Heading {
            extensions: [IPMSExtension::new(identifier.clone(), &list)]
                .into_iter()
                .collect(),
            ..Heading::default()
        };
        let mail = read(MessageTransferEnvelope::default(), &heading, Vec::new());
        assert!(
            mail.contains("\r\nX-Fruit: Kiwi\r\n"),
            "{identifier}: {mail}"
        );
    }
}

#[test]
fn x411_8_3_1_a_neighbour_is_spoken_to_by_the_domain_it_knows() {
    let mail = "Subject: One\n\nText.\n";
    for (profile, ours) in [
        ("", "/PRMD=MIXGATE/ADMD= /C=XX/"),
        (
            "domain = \"/PRMD=OLD/ADMD=HUB/C=GB/\"",
            "/PRMD=OLD/ADMD=HUB/C=GB/",
        ),
    ] {
        let (envelope, _) = sent(profile, mail);
        let identifier = &envelope.message_identifier.global_domain_identifier;
        let trace = &envelope.trace_information.0.last().unwrap();
        let internal = extension(&envelope.extensions, 38).unwrap();
        let internal: InternalTraceInformation = internal.decode().unwrap();
        let internal = &internal.last().unwrap().global_domain_identifier;
        for named in [identifier, &trace.global_domain_identifier, internal] {
            assert_eq!(domain::text(named), ours);
        }
    }
}
