//! X.400 to mail: the RFC's examples, what strangers may not do, and who gets what.

mod hostile;
mod reports;

use super::*;
use crate::asn1::ipms::{
    AcknowledgmentModeField, BodyPart, IA5TextBodyPart, IPMSExtension, IPN, NonReceiptFields,
    NonReceiptReasonField, NotificationFields, ReceiptFields, RecipientSpecifier,
};
use crate::asn1::mta::{
    Attempted, DomainSuppliedInformation, InternalTraceInformation,
    InternalTraceInformationElement, LastTraceInformation, MTASuppliedInformation,
    MessageTransferEnvelope, OtherActions, PerRecipientIndicators,
    PerRecipientMessageTransferFields, PerRecipientReportTransferFields, Report,
    ReportTransferContent, ReportTransferEnvelope, RoutingAction, TraceInformation,
    TraceInformationElement,
};
use crate::asn1::mts::{
    ContentCorrelator, Criticality, DeliveryReport, ExtensionField, IntendedRecipientName,
    MTSIdentifier, NonDeliveryDiagnosticCode, NonDeliveryReasonCode, NonDeliveryReport, ORName,
    PerMessageIndicators, Priority, Redirection, RedirectionReason, ReportType,
};
use crate::asn1::native::ExtensionType;
use crate::asn1::oids;
use crate::asn1::rfc2156::RFC822FieldList;
use crate::asn1::types::{Any, ObjectIdentifier, UTCTime};
use crate::mixer::address::mcgam::Tables;
use crate::mixer::address::wire;
use crate::mixer::context::{Gateway, PeerProfile};
use crate::mixer::domain;
use crate::mixer::encoded_types::EncodedTypes;
use crate::mixer::outcome::RecipientOutcome;
use crate::rfc822::envelope::{Notify, Ret};
use crate::rfc822::{Header, Mail, date, dsn};

fn with_context<T>(act: impl FnOnce(&Context<'_>) -> T) -> T {
    let gateway = Gateway {
        name: "gw.example".into(),
        mta: "GW".into(),
        postmaster: "postmaster@gw.example".into(),
        ..Gateway::default()
    };
    let tables = Tables::default();
    let peer = PeerProfile::default();
    act(&Context {
        id: "01K0QUEUEITEM".into(),
        now: date::parse(b"Thu, 2 Jan 1997 14:46:03 +0000").unwrap(),
        gateway: &gateway,
        tables: &tables,
        peer: &peer,
    })
}

fn name(text: &str) -> ORName {
    wire::or_address(&text.parse().unwrap()).into()
}

fn alice() -> ORName {
    name("/S=alice/O=A/PRMD=P/ADMD=N/C=GB/")
}

fn internet(mailbox: &str) -> ORName {
    name(&format!(
        "/DD.RFC-822={}/O=Gateway/PRMD=MIXGATE/ADMD= /C=XX/",
        mailbox.replace('@', "(a)")
    ))
}

fn descriptor(name: ORName) -> ORDescriptor {
    ORDescriptor {
        formal_name: Some(name),
        ..ORDescriptor::default()
    }
}

fn ipm_identifier(user: Option<ORName>, relative: &str) -> IPMIdentifier {
    IPMIdentifier {
        user,
        user_relative_identifier: relative.into(),
        ..IPMIdentifier::default()
    }
}

fn to(name: ORName) -> RecipientSpecifier {
    RecipientSpecifier {
        recipient: descriptor(name),
        ..RecipientSpecifier::default()
    }
}

fn recipient(number: i64, name: ORName, bits: &[u32]) -> PerRecipientMessageTransferFields {
    PerRecipientMessageTransferFields {
        recipient_name: name,
        originally_specified_recipient_number: number,
        per_recipient_indicators: PerRecipientIndicators::of(bits),
        ..PerRecipientMessageTransferFields::default()
    }
}

fn element(domain: &str, at: &str) -> TraceInformationElement {
    TraceInformationElement {
        global_domain_identifier: domain::parse(domain).unwrap(),
        domain_supplied_information: DomainSuppliedInformation {
            arrival_time: at.into(),
            ..DomainSuppliedInformation::default()
        },
        ..TraceInformationElement::default()
    }
}

fn identifier(local: &str) -> MTSIdentifier {
    MTSIdentifier {
        global_domain_identifier: domain::parse("/PRMD=HMG/ADMD=GOLD 400/C=GB/").unwrap(),
        local_identifier: local.into(),
    }
}

/// A message to one mailbox.
fn sample() -> (MessageTransferEnvelope, IPM) {
    let envelope = MessageTransferEnvelope {
        message_identifier: identifier("PC1000-910530172027-57D8"),
        originator_name: alice(),
        content_type: ContentType::BuiltIn(BuiltInContentType::INTERPERSONAL_MESSAGING_1988),
        trace_information: vec![element(
            "/PRMD=HMG/ADMD=GOLD 400/C=GB/",
            "910530182027+0100",
        )]
        .into_trace(),
        per_recipient_fields: vec![recipient(1, internet("bob@b.example"), &[0, 4])],
        ..MessageTransferEnvelope::default()
    };
    let heading = Heading {
        this_ipm: ipm_identifier(None, "PC1000-910530172027-57D8"),
        originator: Some(descriptor(alice())),
        primary_recipients: vec![to(internet("bob@b.example"))],
        subject: Some(b"Email Problems".as_slice().into()),
        ..Heading::default()
    };
    let text = IA5TextBodyPart {
        data: "Hope you gentlemen.......\r\n".into(),
        ..IA5TextBodyPart::default()
    };
    (
        envelope,
        IPM {
            heading,
            body: vec![BodyPart::Ia5Text(text)],
        },
    )
}

/// Trace as the generated type has it.
trait IntoTrace {
    fn into_trace(self) -> TraceInformation;
}

impl IntoTrace for Vec<TraceInformationElement> {
    fn into_trace(self) -> TraceInformation {
        TraceInformation(self)
    }
}

fn try_convert(
    envelope: MessageTransferEnvelope,
    content: &InformationObject,
) -> Result<ToRfc822, Unconverted> {
    let message = Message {
        envelope,
        content: crate::asn1::types::OctetString(asn1::encode(content)),
    };
    with_context(|context| super::message(context, &asn1::encode(&MtsApdu::Message(message))))
}

fn convert(envelope: MessageTransferEnvelope, ipm: IPM) -> ToRfc822 {
    try_convert(envelope, &InformationObject::Ipm(ipm)).expect("a mail")
}

fn mail(done: &ToRfc822) -> Mail {
    assert_eq!(done.envelope.size, Some(done.mail.len()));
    Mail::parse(done.mail.to_bytes()).unwrap()
}

fn field(header: &Header, name: &str) -> Option<String> {
    header.first(name).map(|field| field.decoded())
}

fn refusal_of(result: Result<ToRfc822, Unconverted>) -> Refusal {
    match result {
        Err(Unconverted::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

fn list_extension(fields: &[&str]) -> IPMSExtension {
    let list: RFC822FieldList = fields.iter().map(|field| (*field).into()).collect();
    IPMSExtension {
        r#type: oids::ID_RFC_822_FIELD_LIST,
        value: Some(Any::of(&list)),
    }
}

#[test]
fn s5_3_4_heading() {
    let (mut envelope, mut ipm) = sample();
    envelope.priority = Priority::URGENT;
    let heading = &mut ipm.heading;
    heading.authorizing_users = Some(vec![descriptor(name("/S=Boss/O=A/PRMD=P/ADMD=N/C=GB/"))]);
    heading.copy_recipients = vec![to(internet("carol@c.example"))];
    heading.reply_recipients = Some(vec![descriptor(internet("list@c.example"))]);
    heading.replied_to_ipm = Some(ipm_identifier(None, "one(a)b.example"));
    heading.related_ipms = vec![
        ipm_identifier(None, "two(a)b.example"),
        ipm_identifier(None, "Your letter, yesterday"),
    ];
    heading.obsoleted_ipms = vec![ipm_identifier(Some(alice()), "147")];
    heading.importance = crate::asn1::ipms::ImportanceField::HIGH;
    heading.sensitivity = Some(crate::asn1::ipms::SensitivityField(2));
    heading.auto_forwarded = true;
    heading.expiry_time = Some("970201000000Z".into());
    heading.extensions = vec![
        IPMSExtension {
            r#type: oids::ID_HEX_LANGUAGES,
            value: Some(Any::of(&crate::asn1::ipms::Languages::from(vec![
                "de".into(),
            ]))),
        },
        IPMSExtension {
            r#type: oids::ID_HEX_ORIGINATORS_REFERENCE,
            value: None,
        },
        IPMSExtension {
            r#type: oids::ID_HEX_INCOMPLETE_COPY,
            value: None,
        },
    ]
    .into();
    let done = convert(envelope, ipm);
    let read = mail(&done);
    let header = read.header();
    for (name, value) in [
        ("From", "/S=Boss/O=A/PRMD=P/ADMD=N/C=GB/@gw.example"),
        ("Sender", "/S=alice/O=A/PRMD=P/ADMD=N/C=GB/@gw.example"),
        ("To", "bob@b.example"),
        ("Cc", "carol@c.example"),
        ("Reply-To", "list@c.example"),
        ("Message-ID", "<PC1000-910530172027-57D8*@MHS>"),
        ("In-Reply-To", "<one@b.example>"),
        ("References", "<two@b.example> \"Your letter, yesterday\""),
        ("Supersedes", "<147*/S=alice/O=A/PRMD=P/ADMD=N/C=GB/@MHS>"),
        ("Subject", "Email Problems"),
        ("Importance", "high"),
        ("Sensitivity", "Private"),
        ("Autoforwarded", "TRUE"),
        ("Expires", "Sat, 1 Feb 1997 00:00:00 +0000"),
        ("Content-Language", "de"),
        ("Incomplete-Copy", ""),
        ("Discarded-X400-IPMS-Extensions", "(2) (6) (1) (5) (11)"),
        ("Date", "Thu, 30 May 1991 18:20:27 +0100"),
        (
            "X400-MTS-Identifier",
            "[/PRMD=HMG/ADMD=GOLD 400/C=GB/;PC1000-910530172027-57D8]",
        ),
        ("X400-Content-Type", "interpersonal-messaging-1988(22)"),
        ("Priority", "urgent"),
    ] {
        assert_eq!(field(header, name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(header.first("Bcc"), None);
    assert_eq!(done.envelope.priority, Some(4));
    assert_eq!(read.root.body, "Hope you gentlemen.......\r\n");
}

#[test]
fn s5_3_2_what_is_missing_is_made_up() {
    let (envelope, mut ipm) = sample();
    ipm.heading.originator = None;
    ipm.heading.primary_recipients = Vec::new();
    ipm.heading.blind_copy_recipients = None;
    let done = convert(envelope, ipm);
    let header = mail(&done).root.header;
    assert_eq!(field(&header, "To").as_deref(), Some("list:;"));
    assert_eq!(
        field(&header, "From").as_deref(),
        Some("\"X.400 Originator\" </S=alice/O=A/PRMD=P/ADMD=N/C=GB/@gw.example>")
    );
}

#[test]
fn s5_3_7_only_recipients_with_responsibility() {
    let (mut envelope, ipm) = sample();
    envelope.per_recipient_fields = vec![
        recipient(1, internet("a@b.example"), &[0, 3]),
        recipient(2, internet("not@ours.example"), &[4]),
        recipient(3, internet("c@b.example"), &[0]),
        recipient(
            4,
            name("/DD.RFC-822=nonsense/PRMD=MIXGATE/ADMD= /C=XX/"),
            &[0, 4],
        ),
    ];
    envelope.per_message_indicators =
        PerMessageIndicators::of(&[PerMessageIndicators::CONTENT_RETURN_REQUEST]);
    let done = convert(envelope, ipm);
    let recipients: Vec<_> = done
        .envelope
        .recipients
        .iter()
        .map(|one| (one.forward_path.to_string(), one.notify))
        .collect();
    assert_eq!(
        recipients,
        [
            ("a@b.example".to_owned(), Some(Notify::SUCCESS_AND_FAILURE)),
            ("c@b.example".to_owned(), Some(Notify::Never)),
        ]
    );
    assert_eq!(done.recipient_numbers, [1, 3]);
    assert_eq!(done.envelope.ret, None);
    let refused = &done.ledger.recipients[2];
    assert_eq!(
        (refused.outcome, refused.reason),
        (RecipientOutcome::Refused, Some(1))
    );
    assert_eq!(
        mail(&done).header().first("X400-Recipients"),
        None,
        "several, and none may be disclosed"
    );
}

#[test]
fn appendix_a_3_2_parameters() {
    let (mut envelope, ipm) = sample();
    let history = vec![Redirection {
        intended_recipient_name: IntendedRecipientName {
            intended_recipient: name("/S=Old/PRMD=P/ADMD=N/C=GB/"),
            redirection_time: "910530133940Z".into(),
            ..IntendedRecipientName::default()
        },
        redirection_reason: RedirectionReason::ALIAS,
        ..Redirection::default()
    }];
    envelope.per_recipient_fields[0].extensions = vec![ExtensionField::new(25, &history)].into();
    let done = convert(envelope.clone(), ipm.clone());
    let recipient = &done.envelope.recipients[0];
    assert_eq!(
        recipient.orcpt.as_ref().unwrap().to_string(),
        "x400;/S+3DOld/PRMD+3DP/ADMD+3DN/C+3DGB/"
    );
    assert_eq!(done.envelope.ret, Some(Ret::Hdrs));
    assert_eq!(
        done.envelope.envid.as_deref(),
        Some("X400-MTS-Identifier: [/PRMD=HMG/ADMD=GOLD 400/C=GB/;PC1000-910530172027-57D8]")
    );
    envelope.message_identifier.local_identifier = "=".repeat(32).into();
    assert_eq!(
        convert(envelope, ipm).envelope.envid.as_deref(),
        Some("01K0QUEUEITEM"),
        "too long for the parameter"
    );
}

#[test]
fn s4_6_2_2_redirections_are_told_in_a_comment() {
    let (mut envelope, ipm) = sample();
    let redirection = |mailbox: &str, time: &str, reason| Redirection {
        intended_recipient_name: IntendedRecipientName {
            intended_recipient: internet(mailbox),
            redirection_time: time.into(),
            ..IntendedRecipientName::default()
        },
        redirection_reason: reason,
        ..Redirection::default()
    };
    let history = vec![
        redirection(
            "sales-manager@sales.widget.com",
            "910530143940+0100",
            RedirectionReason::ORIGINATOR_REQUESTED_ALTERNATE_RECIPIENT,
        ),
        redirection(
            "postmaster@sales.widget.com",
            "910530144120+0100",
            RedirectionReason::RECIPIENT_MD_ASSIGNED_ALTERNATE_RECIPIENT,
        ),
    ];
    envelope.per_recipient_fields = vec![recipient(1, internet("postmaster@widget.com"), &[0])];
    envelope.per_recipient_fields[0].extensions = vec![ExtensionField::new(25, &history)].into();
    let done = convert(envelope, ipm);
    assert_eq!(
        field(mail(&done).header(), "X400-Recipients").as_deref(),
        Some(
            "postmaster@widget.com (Originally To: sales-manager@sales.widget.com Redirected on Thu, 30 May 1991 14:39:40 +0100 To: Originator Requested Alternate Recipient postmaster@sales.widget.com Redirected Again on Thu, 30 May 1991 14:41:20 +0100 To: Recipient MD Assigned Alternate Recipient)"
        )
    );
}

#[test]
fn s5_3_7_trace() {
    let (mut envelope, ipm) = sample();
    let domain = domain::parse("/PRMD=UK.AC/ADMD=Gold 400/C=GB/").unwrap();
    let mut types = EncodedTypes::default();
    types.add_built_in(0);
    types.add_built_in(3);
    let supplied = MTASuppliedInformation {
        arrival_time: "890620192511+0100".into(),
        routing_action: RoutingAction::RELAYED,
        attempted: Some(Attempted::Domain(domain::parse("/ADMD=Foo/C=GB/").unwrap())),
        deferred_time: Some("890620142422+0100".into()),
        converted_encoded_information_types: Some(types.element()),
        other_actions: OtherActions::of(&[0, 1]),
        ..MTASuppliedInformation::default()
    };
    let internal: InternalTraceInformation = vec![InternalTraceInformationElement {
        global_domain_identifier: domain,
        mta_name: "UK.AC.UCL CS".into(),
        mta_supplied_information: supplied.clone(),
        ..InternalTraceInformationElement::default()
    }];
    let mut same = element("/PRMD=UK.AC/ADMD=Gold 400/C=GB/", "890620192511+0100");
    same.domain_supplied_information = DomainSuppliedInformation {
        arrival_time: supplied.arrival_time,
        routing_action: supplied.routing_action,
        attempted_domain: Some(domain::parse("/ADMD=Foo/C=GB/").unwrap()),
        deferred_time: supplied.deferred_time,
        converted_encoded_information_types: supplied.converted_encoded_information_types,
        other_actions: supplied.other_actions,
        ..DomainSuppliedInformation::default()
    };
    envelope.trace_information.0.push(same);
    envelope.extensions = vec![ExtensionField::new(38, &internal)].into();
    let done = convert(envelope, ipm);
    let header = mail(&done).root.header;
    let trace: Vec<_> = header
        .fields
        .iter()
        .take(3)
        .map(|field| format!("{}: {}", field.name, field.text()))
        .collect();
    assert_eq!(
        trace,
        [
            "Received: by gw.example (MIXER Conversion following RFC 2156) id 01K0QUEUEITEM; Thu, 2 Jan 1997 14:46:03 +0000",
            "X400-Received: by mta \"UK.AC.UCL CS\" in /PRMD=UK.AC/ADMD=Gold 400/C=GB/; deferred until Tue, 20 Jun 1989 14:24:22 +0100; converted (Undefined, G3-Fax); attempted MD /ADMD=Foo/C=GB/; Relayed, Expanded, Redirected; Tue, 20 Jun 1989 19:25:11 +0100",
            "X400-Received: by /PRMD=HMG/ADMD=GOLD 400/C=GB/; Relayed; Thu, 30 May 1991 18:20:27 +0100",
        ]
    );
    assert_eq!(
        header.all("X400-Received").count(),
        2,
        "of two identical elements that with the MTA stands"
    );
}
