//! Tests of whole conversions to X.400: what stands in the envelope, the heading and the report.

use super::*;
use crate::asn1;
use crate::asn1::ipms::{BodyPart, IPM, ImportanceField, InformationObject, SensitivityField};
use crate::asn1::mta::{MtsApdu, PerRecipientIndicators, Report};
use crate::asn1::mts::{PerMessageIndicators, ReportType};
use crate::mixer::address::mcgam::Tables;
use crate::mixer::basic::teletex;
use crate::mixer::body::file;
use crate::mixer::context::{Gateway, PeerProfile};
use crate::rfc822::Recipient;

fn envelope(recipients: &[&str]) -> Envelope {
    let recipients = recipients
        .iter()
        .map(|address| Recipient::new(address.parse().expect("an address")));
    Envelope {
        reverse_path: Some("sender@example.org".parse().expect("an address")),
        recipients: recipients.collect(),
        ..Envelope::default()
    }
}

fn converted(envelope: &Envelope, mail: &str) -> Result<ToX400, Unconverted> {
    copied(envelope, &|_| true, mail)
}

fn copied(
    envelope: &Envelope,
    ours: &dyn Fn(usize) -> bool,
    mail: &str,
) -> Result<ToX400, Unconverted> {
    copied_for(PeerProfile::default(), envelope, ours, mail)
}

fn copied_for(
    peer: PeerProfile,
    envelope: &Envelope,
    ours: &dyn Fn(usize) -> bool,
    mail: &str,
) -> Result<ToX400, Unconverted> {
    let (gateway, tables) = (Gateway::default(), Tables::default());
    let context = Context {
        id: "01JABCDEFGHJKMNPQRSTVWXYZ0".into(),
        now: "2026-11-22T12:00:00+01:00[+01:00]".parse().expect("a time"),
        gateway: &gateway,
        tables: &tables,
        peer: &peer,
    };
    let mail = Bytes::from(mail.replace('\n', "\r\n"));
    copy(&context, &Addressed { envelope, ours }, &mail)
}

fn apdu(converted: &ToX400) -> MtsApdu {
    asn1::decode(&converted.apdu.to_bytes()).expect("an APDU")
}

fn message_of(converted: &ToX400) -> (MessageTransferEnvelope, IPM) {
    let MtsApdu::Message(message) = apdu(converted) else {
        panic!("no message");
    };
    let InformationObject::Ipm(ipm) = asn1::decode(&message.content.0).expect("a content") else {
        panic!("no IPM");
    };
    (message.envelope, ipm)
}

fn simple(mail: &str) -> (MessageTransferEnvelope, IPM) {
    message_of(&converted(&envelope(&["a@example.net"]), mail).expect("a message"))
}

/// The numbers of the recipients a copy names, and whether it is for them.
fn numbers(envelope: &MessageTransferEnvelope) -> Vec<(i64, bool)> {
    let fields = envelope.per_recipient_fields.iter();
    fields
        .map(|fields| {
            let indicators = &fields.per_recipient_indicators;
            (
                fields.originally_specified_recipient_number,
                indicators.contains(PerRecipientIndicators::RESPONSIBILITY),
            )
        })
        .collect()
}

#[test]
fn x411_12_2_1_1_1_5_a_recipient_has_its_number_in_every_copy() {
    let envelope = envelope(&["a@a.example", "b@b.example", "c@c.example", "d@d.example"]);
    let numbered = |ours: &dyn Fn(usize) -> bool| {
        let copy = copied(&envelope, ours, "Subject: hi\n\n").expect("a message");
        assert_eq!(
            copy.ledger.recipients.len(),
            numbers(&message_of(&copy).0).len()
        );
        numbers(&message_of(&copy).0)
    };
    assert_eq!(numbered(&|_| true).len(), 4);
    assert_eq!(numbered(&|place| place % 2 == 1), [(2, true), (4, true)]);
    // A retry of the one that is left.
    assert_eq!(numbered(&|place| place == 3), [(4, true)]);
}

#[test]
fn s4_6_1_a_copy_names_the_recipients_of_others_only_if_they_may_be_disclosed() {
    let envelope = envelope(&["a@a.example", "b@b.example", "c@c.example"]);
    let named = |mail: &str| {
        let copy = copied(&envelope, &|place| place == 1, mail).expect("a message");
        assert_eq!(copy.ledger.recipients.len(), 1);
        let (envelope, _) = message_of(&copy);
        let disclosed = PerMessageIndicators::DISCLOSURE_OF_OTHER_RECIPIENTS;
        let disclosed = envelope.per_message_indicators.contains(disclosed);
        (disclosed, numbers(&envelope))
    };
    assert_eq!(named("Subject: hi\n\n"), (false, vec![(2, true)]));
    assert_eq!(
        named("Disclose-Recipients: Allowed\n\n"),
        (true, vec![(1, false), (2, true), (3, false)])
    );
}

#[test]
fn s5_1_3_without_a_feature_of_1988_the_content_is_p2() {
    let (envelope, ipm) = simple(
        "From: a@b.example\nTo: c@d.example\nSubject: hi\nDate: Fri, 2 Jan 1998 09:00:00 -0500\nMessage-ID: <1@b.example>\n\nText\n",
    );
    assert_eq!(
        envelope.content_type,
        ContentType::BuiltIn(BuiltInContentType::INTERPERSONAL_MESSAGING_1984)
    );
    assert!(ipm.heading.extensions.is_empty());
    assert_eq!(
        ipm.heading.this_ipm.user_relative_identifier.as_str(),
        Some("1(a)b.example")
    );
    assert_eq!(ipm.heading.primary_recipients.len(), 1);
    let [BodyPart::Ia5Text(text)] = ipm.body.as_slice() else {
        panic!("{:?}", ipm.body);
    };
    assert_eq!(text.data.as_str(), Some("Text\r\n"));
}

#[test]
fn s5_1_2_fields_without_a_home_make_it_p22() {
    let (envelope, ipm) = simple("From: a@b.example\nX-Fruit : Kiwi\n Fruit\nKeywords: k\n\n");
    assert_eq!(
        envelope.content_type,
        ContentType::BuiltIn(BuiltInContentType::INTERPERSONAL_MESSAGING_1988)
    );
    let fields = file::fields_of(ipm.heading.extensions.iter());
    let fields: Vec<String> = fields
        .iter()
        .map(|field| format!("{}: {}", field.name, field.text()))
        .collect();
    assert_eq!(fields, ["X-Fruit: Kiwi Fruit", "Keywords: k"]);
}

fn of_1984() -> PeerProfile {
    PeerProfile {
        edition: Edition::Of1984,
        ..PeerProfile::default()
    }
}

#[test]
fn app_b_for_1984_fields_are_text_and_every_part_finds_a_form() {
    let mail = "From: a@b.example\nX-Fruit: Kiwi\nLatest-Delivery-Time: Fri, 2 Jan 2098 09:00:00 +0100\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\nText\n--x\nContent-Type: text/plain; charset=iso-8859-1\n\nGr\u{fc}\u{df}e\n--x\nContent-Type: image/png; name=a.png\nContent-Transfer-Encoding: base64\n\nAAEC\n--x\nContent-Type: application/x-raw\nContent-Transfer-Encoding: 8bit\n\n\u{e9}\n--x\nContent-Type: multipart/signed; boundary=y\nContent-Transfer-Encoding: 8bit\n\n--y\n\n\u{e9}\n--y\nContent-Type: application/pgp-signature\n\n\n--y--\n--x--\n";
    let made =
        copied_for(of_1984(), &envelope(&["a@example.net"]), &|_| true, mail).expect("a message");
    let (envelope, ipm) = message_of(&made);
    assert_eq!(
        envelope.content_type,
        ContentType::BuiltIn(BuiltInContentType::INTERPERSONAL_MESSAGING_1984)
    );
    assert!(envelope.extensions.is_empty() && ipm.heading.extensions.is_empty());
    let types = envelope.original_encoded_information_types.expect("types");
    assert_eq!(types.extended_encoded_information_types, None);
    for element in &envelope.trace_information.0 {
        let of_domain = &element.domain_supplied_information;
        let converted = of_domain.converted_encoded_information_types.as_ref();
        assert!(converted.is_none_or(|types| types.extended_encoded_information_types.is_none()));
    }
    let text = |part: &BodyPart| match part {
        BodyPart::Ia5Text(text) => text.data.as_str().unwrap_or_default().to_owned(),
        other => format!("{other:?}"),
    };
    let [fields, body, accents, png, raw, signed] = ipm.body.as_slice() else {
        panic!("{:?}", ipm.body);
    };
    assert!(
        text(fields).starts_with("RFC-822-Headers:\r\n"),
        "{fields:?}"
    );
    assert!(text(fields).contains("\r\nX-Fruit: Kiwi\r\n"), "{fields:?}");
    assert_eq!(text(body), "Text");
    for (part, says) in [
        (
            accents,
            [
                "charset=iso-8859-1\r\n",
                "Content-Transfer-Encoding: base64\r\n",
            ],
        ),
        (
            png,
            ["Content-Type: image/png; name=a.png\r\n", "\r\n\r\nAAEC"],
        ),
        (
            raw,
            ["Content-Type: application/x-raw\r\n", "\r\n\r\nw6k=\r\n"],
        ),
    ] {
        let text = text(part);
        assert!(text.starts_with("MIME-Version: 1.0"), "{text}");
        assert!(says.iter().all(|says| text.contains(says)), "{text}");
    }
    assert!(
        matches!(signed, BodyPart::BilaterallyDefined(_)),
        "{signed:?}"
    );
}

#[test]
fn app_b_what_was_made_for_1984_comes_back_whatever_its_first_line_is_called() {
    let mail = "From: a@b.example\nX-Fruit: Kiwi\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\nText\n--x\nContent-Type: image/png; name=a.png\nContent-Transfer-Encoding: base64\n\nAAEC\n--x--\n";
    let made =
        copied_for(of_1984(), &envelope(&["a@example.net"]), &|_| true, mail).expect("a message");
    let apdu = made.apdu.to_bytes();
    let (gateway, tables) = (Gateway::default(), Tables::default());
    let peer = PeerProfile::default();
    let context = Context {
        id: "01JABCDEFGHJKMNPQRSTVWXYZ0".into(),
        now: "2026-11-22T12:00:00+01:00[+01:00]".parse().expect("a time"),
        gateway: &gateway,
        tables: &tables,
        peer: &peer,
    };
    // Older gateways write the name in capitals and without its colon.
    for name in [
        &b"RFC-822-Headers:"[..],
        b"RFC-822-HEADERS ",
        b"rfc-822-headers:",
    ] {
        let mut octets = apdu.to_vec();
        let at = octets
            .windows(name.len())
            .position(|octets| octets == b"RFC-822-Headers:")
            .expect("the first line");
        octets[at..at + name.len()].copy_from_slice(name);
        let back = crate::mixer::to_rfc822::message(&context, &octets.into()).expect("a mail");
        let back = Mail::parse(back.mail.to_bytes()).expect("a mail");
        let fruit = back.header().first("X-Fruit").expect("the field");
        assert_eq!(fruit.text().trim(), "Kiwi");
        let [text, png] = back.root.children() else {
            panic!("{:?}", back.root)
        };
        assert_eq!(text.decoded().to_bytes(), "Text");
        assert!(png.media_type.is("image", "png"));
        assert_eq!(png.media_type.parameter("name"), Some("a.png"));
        assert_eq!(png.decoded().to_bytes(), &[0, 1, 2][..]);
    }
}

#[test]
fn s5_1_7_the_new_fields_become_elements() {
    let (envelope, ipm) = simple(
        "From: a@b.example\nSender: s@b.example\nImportance: High\nSensitivity: private\nAutoforwarded: TRUE\nPriority: urgent\nConversion: Prohibited\nX400-Content-Identifier: ABC\nReply-By: Fri, 2 Jan 1998 09:00:00 +0100\nX400-Originator: x@y.example\nMessage-Type: Delivery Report\n\n",
    );
    assert_eq!(ipm.heading.importance, ImportanceField::HIGH);
    assert_eq!(ipm.heading.sensitivity, Some(SensitivityField::PRIVATE));
    assert!(ipm.heading.auto_forwarded);
    assert_eq!(ipm.heading.reply_time, Some("980102090000+0100".into()));
    assert!(ipm.heading.originator.is_some() && ipm.heading.authorizing_users.is_some());
    assert_eq!(envelope.priority, mts::Priority::URGENT);
    assert!(
        envelope
            .per_message_indicators
            .contains(PerMessageIndicators::IMPLICIT_CONVERSION_PROHIBITED)
    );
    assert_eq!(envelope.content_identifier, Some("ABC".into()));
    assert!(
        file::fields_of(ipm.heading.extensions.iter()).is_empty(),
        "discarded, not carried"
    );
}

#[test]
fn s5_1_7_an_mts_identifier_never_comes_back() {
    let field = "X400-MTS-Identifier: [/PRMD=P/ADMD=A/C=GB/;theirs]";
    let (envelope, ipm) = simple(&format!("From: a@b.example\n{field}\n\n"));
    let identifier = &envelope.message_identifier;
    assert_eq!(
        identifier.local_identifier,
        "01JABCDEFGHJKMNPQRSTVWXYZ0".into()
    );
    assert!(file::fields_of(ipm.heading.extensions.iter()).is_empty());
}

#[test]
fn s5_1_5_types_of_all_parts_and_eit_mixer() {
    let (envelope, _) = simple(
        "From: a@b.example\nContent-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: message/rfc822\n\nSubject: in\nContent-Type: text/plain; charset=iso-8859-1\n\nGr\u{fc}\u{df}e\n--x\nContent-Type: image/png\n\n\n--x--\n",
    );
    let types =
        EncodedTypes::of_element(&envelope.original_encoded_information_types.expect("types"));
    assert!(types.is_mixer());
    assert!(
        types.text().contains("(2) (6) (1) (12) (0)"),
        "{}",
        types.text()
    );
    let last = envelope.trace_information.last().expect("trace");
    let converted = last
        .domain_supplied_information
        .converted_encoded_information_types
        .as_ref();
    assert!(converted.is_some_and(|types| EncodedTypes::of_element(types).is_mixer()));
}

#[test]
fn a_subject_beyond_t61_is_approximated_and_its_field_agrees() {
    let (_, ipm) = simple("From: a@b.example\nSubject: =?utf-8?B?5L2g5aW9?=\n\n");
    let stated = ipm.heading.subject.as_ref().expect("a subject");
    assert_eq!(teletex::to_human(stated.as_bytes()), "Ni Hao ");
    let mut carried = file::fields_of(ipm.heading.extensions.iter());
    let agreeing = heading::agreeing(&ipm.heading, &carried);
    assert_eq!(
        agreeing.first().map(|field| field.decoded()).as_deref(),
        Some("你好")
    );
    let (other, _) = crate::rfc822::Header::split(&Bytes::from_static(b"Subject: forged\r\n"))
        .expect("a header");
    carried = other.fields;
    assert!(
        heading::agreeing(&ipm.heading, &carried).is_empty(),
        "a stranger's field overrides nothing"
    );
}

#[test]
fn a_refused_recipient_costs_only_itself() {
    let both = envelope(&["a@example.net", "\u{f1}@example.net"]);
    let result = converted(&both, "From: a@b.example\n\n").expect("a message");
    let (transfer, _) = message_of(&result);
    assert_eq!(transfer.per_recipient_fields.len(), 1);
    let outcomes: Vec<_> = result
        .ledger
        .recipients
        .iter()
        .map(|recipient| recipient.status)
        .collect();
    assert_eq!(outcomes, [None, Some(Status(5, 1, 3))]);
    let none = converted(&envelope(&["\u{f1}@example.net"]), "From: a@b.example\n\n");
    assert!(matches!(none, Err(Unconverted::Refused(_))));
}

#[test]
fn the_null_reverse_path_asks_for_nothing_back() {
    let mut null = envelope(&["a@example.net"]);
    null.reverse_path = None;
    let (transfer, _) = message_of(&converted(&null, "From: a@b.example\n\n").expect("a message"));
    assert!(
        !transfer
            .per_message_indicators
            .contains(PerMessageIndicators::CONTENT_RETURN_REQUEST)
    );
    let bits = &transfer.per_recipient_fields[0].per_recipient_indicators;
    assert!(!bits.contains(PerRecipientIndicators::ORIGINATOR_NON_DELIVERY_REPORT));
}

const NOTIFICATION: &str = "From: MAILER-DAEMON@far.example\nTo: sender@example.org\nMessage-ID: <dsn@far.example>\nSubject: Undelivered\nContent-Type: multipart/report; report-type=delivery-status; boundary=x\n\n--x\n\nIt failed.\n--x\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; far.example\nArrival-Date: Fri, 2 Jan 1998 09:00:00 +0100\nOriginal-Envelope-Id: X400-MTS-Identifier: [/PRMD=P/ADMD= /C=GB/;ab12]\n\nFinal-Recipient: rfc822; nobody@far.example\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 no such user\n\nFinal-Recipient: rfc822; some@far.example\nAction: ACTION\nStatus: 2.0.0\n--x--\n";

fn report_of(converted: &ToX400) -> Report {
    match apdu(converted) {
        MtsApdu::Report(report) => report,
        other => panic!("{other:?}"),
    }
}

#[test]
fn s5_1_8_3_a_notification_becomes_a_report() {
    let result = converted(
        &envelope(&["s@example.org"]),
        &NOTIFICATION.replace("ACTION", "delivered"),
    )
    .expect("a report");
    assert!(result.further.is_none());
    let report = report_of(&result);
    let content = report.content;
    assert_eq!(
        content.subject_identifier.local_identifier.as_str(),
        Some("ab12")
    );
    let types: Vec<_> = content
        .per_recipient_fields
        .iter()
        .map(|fields| &fields.last_trace_information.report_type)
        .collect();
    let [
        ReportType::NonDelivery(failed),
        ReportType::Delivery(delivered),
    ] = types.as_slice()
    else {
        panic!("{types:?}");
    };
    assert_eq!(failed.non_delivery_reason_code.0, 1);
    assert_eq!(
        failed.non_delivery_diagnostic_code.map(|code| code.0),
        Some(0)
    );
    assert_eq!(delivered.message_delivery_time, "980102090000+0100".into());
    let returned = content.returned_content.expect("the notification itself");
    let InformationObject::Ipm(ipm) = asn1::decode(&returned.0).expect("a content") else {
        panic!("no IPM");
    };
    assert!(
        ipm.body
            .iter()
            .all(|part| matches!(part, BodyPart::Ia5Text(_))),
        "the status as text"
    );
}

#[test]
fn s5_1_8_3_other_actions_make_a_message_too() {
    let result = converted(
        &envelope(&["s@example.org"]),
        &NOTIFICATION.replace("ACTION", "relayed"),
    )
    .expect("a report");
    assert_eq!(report_of(&result).content.per_recipient_fields.len(), 1);
    let further = result.further.expect("a message").to_bytes();
    assert!(matches!(asn1::decode(&further), Ok(MtsApdu::Message(_))));
}
