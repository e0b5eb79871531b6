//! What strangers may not do, and what is refused.

use super::*;

#[test]
fn s5_1_2_fields_come_back_and_never_override() {
    let (envelope, mut ipm) = sample();
    let hostile = [
        "X-Mailer: PP 6.0",
        "Keywords: =?utf-8?Q?=C3=A9?=",
        "Subject: another",
        "From: president@example.com",
        "Sender: president@example.com",
        "Received: from nowhere by nobody; Thu, 30 May 1991 18:20:27 +0100",
        "X400-Received: by /ADMD= /C=GB/; Relayed; Thu, 30 May 1991 18:20:27 +0100",
        "x400-originator: forged@example.com",
        "Return-Path: <forged@example.com>",
        "Bcc: secret@example.com",
        "Resent-Bcc: secret@example.com",
        "Authentication-Results: gw.example; dkim=pass",
        "ARC-Seal: i=1; cv=none",
        "Message-Type: Delivery Report",
        "Content-Transfer-Encoding: x-strange",
        "X-Break: one\r\nBcc: two@example.com",
        "X-Control: a\0b\u{b}c",
        "no colon at all",
        ": no name",
    ];
    ipm.heading.extensions = vec![list_extension(&hostile)].into();
    let done = convert(envelope, ipm);
    let read = mail(&done);
    let header = read.header();
    assert_eq!(field(header, "X-Mailer").as_deref(), Some("PP 6.0"));
    assert_eq!(field(header, "Keywords").as_deref(), Some("é"));
    assert_eq!(field(header, "X-Control").as_deref(), Some("a b c"));
    let text = String::from_utf8(done.mail.to_bytes().to_vec()).unwrap();
    for word in [
        "another",
        "president",
        "nowhere",
        "forged",
        "secret",
        "dkim",
        "cv=none",
        "Delivery Report",
        "x-strange",
        "two@example",
        "\0",
    ] {
        assert!(!text.contains(word), "{word}\n{text}");
    }
    assert_eq!(
        header.all("From").count() + header.all("Subject").count(),
        2
    );
    let noted = done
        .ledger
        .notes
        .iter()
        .filter(|note| note.what.starts_with("rfc-822-field"))
        .count();
    assert_eq!(noted, 12, "{:#?}", done.ledger.notes);
}

#[test]
fn no_string_of_x400_makes_a_line_or_a_part() {
    let evil = "x\r\nBcc: victim@example.com\r\n\r\n--=_mixgate-1_\r\n\0\u{7f}";
    let (mut envelope, mut ipm) = sample();
    envelope.message_identifier.local_identifier = evil.into();
    envelope.content_identifier = Some(evil.into());
    envelope
        .originator_name
        .built_in_standard_attributes
        .organization_name = Some(evil.into());
    let mut foreign = internet("bob@b.example");
    foreign.built_in_domain_defined_attributes.as_mut().unwrap()[0].value =
        format!("{evil}(a)b.example").into();
    envelope
        .per_recipient_fields
        .push(recipient(2, foreign.clone(), &[0]));
    envelope.per_message_indicators = PerMessageIndicators::of(&[0]);
    let heading = &mut ipm.heading;
    heading.subject = Some(evil.as_bytes().into());
    heading.this_ipm.user_relative_identifier = evil.into();
    heading.related_ipms = vec![heading.this_ipm.clone()];
    heading.originator = Some(ORDescriptor {
        formal_name: Some(envelope.originator_name.clone()),
        free_form_name: Some(evil.as_bytes().into()),
        telephone_number: Some(evil.into()),
        ..ORDescriptor::default()
    });
    heading.primary_recipients = vec![to(foreign)];
    heading.copy_recipients = vec![RecipientSpecifier {
        recipient: ORDescriptor {
            free_form_name: Some(evil.as_bytes().into()),
            ..ORDescriptor::default()
        },
        ..RecipientSpecifier::default()
    }];
    let text = IA5TextBodyPart {
        data: evil.into(),
        ..IA5TextBodyPart::default()
    };
    ipm.body = vec![BodyPart::Ia5Text(text.clone()), BodyPart::Ia5Text(text)];
    let done = convert(envelope, ipm);
    let read = mail(&done);
    assert_eq!(read.header().first("Bcc"), None);
    assert!(read.header().malformed.is_empty());
    assert_eq!(
        read.root.children().len(),
        2,
        "{}",
        String::from_utf8_lossy(&done.mail.to_bytes())
    );
    let whole = done.mail.to_bytes();
    assert!(whole.is_ascii() && !whole.contains(&0));
    for recipient in &done.envelope.recipients {
        assert!(
            !recipient
                .forward_path
                .to_string()
                .contains(['\r', '\n', '\0'])
        );
    }
    assert!(
        !done
            .envelope
            .reverse_path
            .unwrap()
            .to_string()
            .contains(['\r', '\n', '\0'])
    );
}

#[test]
fn s5_3_3_what_is_no_interpersonal_message_is_refused() {
    let (mut envelope, ipm) = sample();
    let content = InformationObject::Ipm(ipm);
    envelope.content_type = ContentType::BuiltIn(BuiltInContentType::EDI_MESSAGING);
    let refusal = refusal_of(try_convert(envelope.clone(), &content));
    assert_eq!((refusal.reason, refusal.diagnostic), (1, Some(15)));
    envelope.content_type = ContentType::BuiltIn(BuiltInContentType::INTERPERSONAL_MESSAGING_1984);
    let message = Message {
        envelope,
        content: b"\xa0\x03\x02\x01".as_slice().into(),
    };
    let apdu = asn1::encode(&MtsApdu::Message(message));
    let refusal = refusal_of(with_context(|context| super::message(context, &apdu)));
    assert_eq!((refusal.reason, refusal.diagnostic), (1, Some(12)));
    for cut in [0, 1, 10, apdu.len() - 1] {
        let refusal = refusal_of(with_context(|context| {
            super::message(context, &apdu.slice(..cut))
        }));
        assert_eq!(refusal.diagnostic, Some(12), "{}", refusal.text);
    }
}

#[test]
fn s5_3_6_a_critical_extension_that_is_not_handled_refuses() {
    let unknown = |criticality: &[u32]| ExtensionField {
        r#type: ExtensionType::private(ObjectIdentifier::from_arcs(&[1, 2, 3]).unwrap()),
        criticality: Criticality::of(criticality),
        ..ExtensionField::default()
    };
    let (mut envelope, ipm) = sample();
    envelope.extensions = vec![
        unknown(&[Criticality::FOR_SUBMISSION]),
        ExtensionField::new(20, &crate::asn1::types::Null),
    ]
    .into();
    let done = convert(envelope.clone(), ipm.clone());
    assert_eq!(
        field(mail(&done).header(), "Discarded-X400-MTS-Extensions").as_deref(),
        Some("(1) (2) (3), message-security-label(20)")
    );
    for bit in [Criticality::FOR_TRANSFER, Criticality::FOR_DELIVERY] {
        envelope.extensions = vec![unknown(&[bit])].into();
        let refusal = refusal_of(try_convert(
            envelope.clone(),
            &InformationObject::Ipm(ipm.clone()),
        ));
        assert_eq!(
            (refusal.reason, refusal.diagnostic, refusal.status),
            (1, Some(18), Status(5, 3, 3))
        );
        envelope.extensions = Vec::new().into();
        envelope.per_recipient_fields[0].extensions = vec![unknown(&[bit])].into();
        let done = convert(envelope.clone(), ipm.clone());
        assert_eq!(
            done.envelope.recipients,
            [],
            "of a recipient: that recipient only"
        );
        envelope.per_recipient_fields[0].extensions = Vec::new().into();
    }
    // Handled ones may be critical.
    envelope.extensions = vec![
        ExtensionField::new(
            4,
            &crate::asn1::mts::ConversionWithLossProhibited::CONVERSION_WITH_LOSS_PROHIBITED,
        )
        .critical(Criticality::FOR_TRANSFER),
    ]
    .into();
    assert_eq!(
        field(
            mail(&convert(envelope, ipm)).header(),
            "Conversion-With-Loss"
        )
        .as_deref(),
        Some("Prohibited")
    );
}

#[test]
fn s5_1_5_too_many_conversions_are_a_loop() {
    let (mut envelope, ipm) = sample();
    let mut types = EncodedTypes::default();
    types.add(&[1, 3, 6, 1, 7, 1, 3, 5]);
    for minute in 10..16 {
        let mut step = element(
            "/PRMD=HMG/ADMD=GOLD 400/C=GB/",
            &format!("9105301821{minute}Z"),
        );
        step.domain_supplied_information
            .converted_encoded_information_types = Some(types.element());
        envelope.trace_information.0.push(step);
    }
    let refusal = refusal_of(try_convert(envelope, &InformationObject::Ipm(ipm)));
    assert_eq!((refusal.reason, refusal.diagnostic), (1, Some(3)));
}

#[test]
fn a_time_that_cannot_be_read_is_now() {
    let (mut envelope, ipm) = sample();
    envelope.trace_information.0[0]
        .domain_supplied_information
        .arrival_time = UTCTime::from("yesterday\r\n");
    assert_eq!(
        field(mail(&convert(envelope, ipm)).header(), "Date").as_deref(),
        Some("Thu, 2 Jan 1997 14:46:03 +0000")
    );
}
