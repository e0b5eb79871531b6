//! Notifications and reports: the examples of RFC 2156, and their variants.

use super::*;

fn notification(choice: NotificationFields) -> Mail {
    let (mut envelope, _) = sample();
    envelope.originator_name = internet("steve@cs.ucl.ac.uk");
    let ipn = IPN {
        subject_ipm: ipm_identifier(None, "1229.614418325(a)UK.AC.NOTT.CS"),
        ipn_originator: Some(ORDescriptor {
            free_form_name: Some(b"Steve Kille".as_slice().into()),
            ..descriptor(internet("steve@cs.ucl.ac.uk"))
        }),
        conversion_eits: {
            let mut types = EncodedTypes::default();
            types.add_built_in(3);
            Some(types.element())
        },
        choice,
        ..IPN::default()
    };
    let done = try_convert(envelope, &InformationObject::Ipn(ipn)).expect("a mail");
    assert_eq!(done.kind, Kind::Notification);
    mail(&done)
}

#[test]
fn s5_3_5_example_notification() {
    let read = notification(NotificationFields::NonReceiptFields(NonReceiptFields {
        non_receipt_reason: NonReceiptReasonField::IPM_AUTO_FORWARDED,
        auto_forward_comment: Some("Sent on to a random destination".into()),
        ..NonReceiptFields::default()
    }));
    let header = read.header();
    for (name, value) in [
        ("From", "Steve Kille <steve@cs.ucl.ac.uk>"),
        ("To", "bob@b.example"),
        ("Subject", "X.400 Inter-Personal Notification (failure)"),
        ("Message-Type", "InterPersonal Notification"),
        ("References", "<1229.614418325@UK.AC.NOTT.CS>"),
        ("Auto-Submitted", "auto-replied"),
    ] {
        assert_eq!(field(header, name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(
        read.root.body,
        "Your message to: Steve Kille <steve@cs.ucl.ac.uk>\r\nwas automatically forwarded.\r\nThe following comment was made:\r\n   Sent on to a random destination\r\n\r\nThe following information types were converted: G3-Fax\r\n\r\nThe Original Message is not available\r\n"
    );
}

#[test]
fn s5_3_5_receipts_and_returned_messages() {
    let read = notification(NotificationFields::ReceiptFields(ReceiptFields {
        receipt_time: "890621084525+0100".into(),
        acknowledgment_mode: AcknowledgmentModeField::AUTOMATIC,
        suppl_receipt_info: Some("read\r\n--x".into()),
        ..ReceiptFields::default()
    }));
    assert_eq!(
        field(read.header(), "Subject").as_deref(),
        Some("X.400 Inter-Personal Notification")
    );
    let body = String::from_utf8(read.root.body.to_vec()).unwrap();
    assert!(body.starts_with("Your message to: Steve Kille <steve@cs.ucl.ac.uk>\r\nwas received at Wed, 21 Jun 1989 08:45:25 +0100\r\n\r\nThis notification was generated Automatically\r\nThe following extra information was given:\r\n   read  --x\r\n"), "{body}");
    assert!(!body.contains("Original Message"));
    let read = notification(NotificationFields::NonReceiptFields(NonReceiptFields {
        discard_reason: Some(crate::asn1::ipms::DiscardReasonField::IPM_EXPIRED),
        returned_ipm: Some(Box::new(sample().1)),
        ..NonReceiptFields::default()
    }));
    let [text, returned] = read.root.children() else {
        panic!("{read:?}")
    };
    assert!(
        text.text()
            .unwrap()
            .text
            .contains("was discarded for the following reason: Expired\r\n")
    );
    assert_eq!(
        field(&returned.children()[0].header, "Subject").as_deref(),
        Some("Email Problems")
    );
}

fn reported(
    number: i64,
    name: ORName,
    report_type: ReportType,
) -> PerRecipientReportTransferFields {
    PerRecipientReportTransferFields {
        actual_recipient_name: name,
        originally_specified_recipient_number: number,
        last_trace_information: LastTraceInformation {
            arrival_time: "910207154834Z".into(),
            report_type,
            ..LastTraceInformation::default()
        },
        ..PerRecipientReportTransferFields::default()
    }
}

fn failure() -> ReportType {
    ReportType::NonDelivery(NonDeliveryReport {
        non_delivery_reason_code: NonDeliveryReasonCode::UNABLE_TO_TRANSFER,
        non_delivery_diagnostic_code: Some(NonDeliveryDiagnosticCode::UNRECOGNISED_OR_NAME),
        ..NonDeliveryReport::default()
    })
}

fn success() -> ReportType {
    ReportType::Delivery(DeliveryReport {
        message_delivery_time: "910207154835Z".into(),
        ..DeliveryReport::default()
    })
}

fn report(recipients: Vec<PerRecipientReportTransferFields>) -> Report {
    Report {
        envelope: ReportTransferEnvelope {
            report_identifier: identifier("DLE/910207154840Z/000"),
            report_destination_name: internet("S.Kille@cs.ucl.ac.uk"),
            trace_information: vec![element("/PRMD=DGC/ADMD=GOLD 400/C=GB/", "910207154840Z")]
                .into_trace(),
            ..ReportTransferEnvelope::default()
        },
        content: ReportTransferContent {
            subject_identifier: identifier("<1796.665941626@UK.AC.UCL.CS>"),
            content_identifier: Some("A useful mess...".into()),
            per_recipient_fields: recipients,
            ..ReportTransferContent::default()
        },
    }
}

fn convert_report(report: Report) -> (ToRfc822, Mail) {
    let apdu = asn1::encode(&MtsApdu::Report(report));
    let done = with_context(|context| super::message(context, &apdu)).expect("a mail");
    let read = mail(&done);
    (done, read)
}

#[test]
fn s5_3_8_4_example_delivery_report_2() {
    let mut fields = reported(
        1,
        name("/I=j/S=nosuchuser/OU=dle/O=cambridge/PRMD=DGC/ADMD=GOLD 400/C=GB/"),
        failure(),
    );
    fields.supplementary_information = Some("DG 21187: (CEO POA) Unknown addressee.".into());
    let (done, read) = convert_report(report(vec![fields]));
    assert_eq!(done.kind, Kind::Report);
    assert_eq!(
        done.envelope.reverse_path, None,
        "RFC 3461 6.1: a notification has no sender"
    );
    assert_eq!(
        done.envelope.recipients[0].forward_path.to_string(),
        "S.Kille@cs.ucl.ac.uk"
    );
    assert_eq!(
        done.identifiers.subject.as_deref(),
        Some("[/PRMD=HMG/ADMD=GOLD 400/C=GB/;<1796.665941626@UK.AC.UCL.CS>]")
    );
    let mailbox = "/I=j/S=nosuchuser/OU=dle/O=cambridge/PRMD=DGC/ADMD=GOLD 400/C=GB/";
    let mailbox = format!("\"{mailbox}\"@gw.example");
    for (name, value) in [
        ("To", "S.Kille@cs.ucl.ac.uk"),
        ("From", "\"X.400 Gateway\" <postmaster@gw.example>"),
        (
            "Subject",
            &format!("Delivery-Report (failure) for {mailbox}"),
        ),
        ("Message-Type", "Delivery Report"),
        ("Date", "Thu, 7 Feb 1991 15:48:40 +0000"),
        (
            "X400-MTS-Identifier",
            "[/PRMD=HMG/ADMD=GOLD 400/C=GB/;DLE/910207154840Z/000]",
        ),
    ] {
        assert_eq!(field(read.header(), name).as_deref(), Some(value), "{name}");
    }
    let read = dsn::read(&read).unwrap();
    let status = &read.status;
    assert_eq!(
        status.reporting_mta.to_string(),
        "x400; /PRMD=DGC/ADMD=GOLD 400/C=GB/"
    );
    assert_eq!(
        status.dsn_gateway.as_ref().unwrap().to_string(),
        "dns; gw.example"
    );
    assert_eq!(
        status.arrival_date,
        date::parse(b"Thu, 7 Feb 1991 15:48:34 +0000")
    );
    assert_eq!(
        status.original_envelope_id, None,
        "RFC 3461 6.3 (a): none was given"
    );
    assert!(
        status
            .extensions
            .contains(&("X400-Content-Identifier".into(), "A useful mess...".into()))
    );
    let [one] = status.recipients.as_slice() else {
        panic!("{status:?}")
    };
    assert_eq!(
        one.original_recipient.as_ref().unwrap().to_string(),
        format!("rfc822; {mailbox}")
    );
    assert_eq!(
        one.final_recipient.to_string(),
        "x400; /I=j/S=nosuchuser/OU=dle/O=cambridge/PRMD=DGC/ADMD=GOLD 400/C=GB/"
    );
    assert_eq!(
        (one.action, one.status),
        (dsn::Action::Failed, Status(5, 1, 1))
    );
    assert_eq!(
        one.diagnostic_code.as_ref().unwrap().to_string(),
        "x400; Reason 1(unable-to-transfer); Diagnostic 0(unrecognised-OR-name)"
    );
    assert!(one.extensions.contains(&(
        "X400-Supplementary-Info".into(),
        "\"DG 21187: (CEO POA) Unknown addressee.\";".into()
    )));
    assert!(one.extensions.contains(&(
        "X400-Originally-Specified-Recipient-Number".into(),
        "1".into()
    )));
    let text = read.text.unwrap().text().unwrap().text;
    assert!(text.starts_with("This report relates to your message:\r\n   A useful mess...\r\n\r\nof Thu, 7 Feb 1991 15:48:40 +0000\r\n"), "{text}");
    assert!(
        text.ends_with("The Original Message is not available\r\n"),
        "{text}"
    );
    assert!(read.returned.is_none());
}

#[test]
fn s5_3_8_1_mixed_outcomes_and_envelope_identifiers() {
    let mut redirected = reported(2, internet("new@b.example"), success());
    redirected.originally_intended_recipient_name = Some(internet("old@b.example"));
    let mut of = report(vec![
        reported(1, internet("x@b.example"), failure()),
        redirected,
    ]);
    let correlator = ContentCorrelator::Ia5text("SMTP/NOTARY ENVID: QQ314159".into());
    of.content.extensions = vec![
        ExtensionField::new(23, &correlator),
        ExtensionField::new(28, &crate::asn1::types::Null),
    ]
    .into();
    of.content.returned_content = Some(crate::asn1::types::OctetString(asn1::encode(
        &InformationObject::Ipm(sample().1),
    )));
    let (_, read) = convert_report(of.clone());
    assert_eq!(
        field(read.header(), "Subject").as_deref(),
        Some("Delivery-Report (success and failures)")
    );
    let of_mixed = dsn::read(&read).unwrap();
    assert_eq!(
        of_mixed.status.original_envelope_id.as_deref(),
        Some("QQ314159")
    );
    assert!(
        of_mixed
            .status
            .extensions
            .iter()
            .any(|(name, value)| name == "X400-Discarded-DR-Extensions" && value.contains("(28)"))
    );
    let returned = of_mixed.returned.unwrap();
    assert!(returned.media_type.is("message", "rfc822"));
    assert_eq!(
        field(&returned.children()[0].header, "Subject").as_deref(),
        Some("Email Problems")
    );
    let [failed, delivered] = of_mixed.status.recipients.as_slice() else {
        panic!("{:?}", of_mixed.status)
    };
    assert_eq!(
        (failed.status, delivered.status),
        (Status(5, 1, 1), Status(2, 0, 0))
    );
    assert_eq!(
        delivered.final_recipient.to_string(),
        "rfc822; old@b.example"
    );
    let redirect = (
        "X400-Mapped-Redirect-Recipient".to_owned(),
        "rfc822; new@b.example".to_owned(),
    );
    assert!(delivered.extensions.contains(&redirect), "{delivered:?}");
    // Of a success only the header comes back.
    of.content.per_recipient_fields.remove(0);
    let (_, read) = convert_report(of.clone());
    let of_success = dsn::read(&read).unwrap();
    assert!(
        of_success
            .returned
            .unwrap()
            .media_type
            .is("text", "rfc822-headers")
    );
    // What is no message comes back as it is.
    of.content.returned_content = Some(b"\x04\x02hi".as_slice().into());
    let (_, read) = convert_report(of);
    let of_dump = dsn::read(&read).unwrap();
    assert_eq!(
        of_dump.returned.unwrap().decoded().to_bytes(),
        &b"\x04\x02hi"[..]
    );
}

#[test]
fn s5_3_8_1_the_original_recipient_is_the_one_first_specified() {
    let plain = reported(1, internet("x@b.example"), failure());
    let mut redirected = reported(2, internet("new@b.example"), failure());
    redirected.originally_intended_recipient_name = Some(internet("old@b.example"));
    // As appendix A section 3.1 carries an ORCPT.
    let mut aliased = reported(3, internet("x@b.example"), failure());
    let history = vec![Redirection {
        intended_recipient_name: IntendedRecipientName {
            intended_recipient: internet("alias@a.example"),
            redirection_time: "910207154830Z".into(),
            ..IntendedRecipientName::default()
        },
        redirection_reason: RedirectionReason::ALIAS,
        ..Redirection::default()
    }];
    aliased.extensions = vec![ExtensionField::new(25, &history)].into();
    let (_, read) = convert_report(report(vec![plain, redirected, aliased]));
    let status = dsn::read(&read).unwrap().status;
    let forms = |one: &dsn::RecipientStatus| {
        let original = one.original_recipient.as_ref().map(|o| o.kind.clone());
        (original, one.final_recipient.kind.clone())
    };
    let types = |original: &str, last: &str| (Some(original.to_owned()), last.to_owned());
    let [plain, redirected, aliased] = status.recipients.as_slice() else {
        panic!("{status:?}")
    };
    assert_eq!(forms(plain), types("rfc822", "x400"));
    assert_eq!(forms(redirected), types("x400", "rfc822"));
    assert_eq!(
        aliased.original_recipient.as_ref().unwrap().to_string(),
        "rfc822; alias@a.example",
        "RFC 3461 6.3 (d): the ORCPT, if there was one"
    );
}

#[test]
fn s5_3_8_a_report_to_the_null_reverse_path_goes_nowhere() {
    let mut of = report(vec![reported(1, internet("x@b.example"), failure())]);
    of.envelope.report_destination_name = internet("MAILER-DAEMON@gw.example");
    let apdu = asn1::encode(&MtsApdu::Report(of));
    assert_eq!(
        refusal_of(with_context(|context| super::message(context, &apdu))).section,
        "5.3.8.3"
    );
}
