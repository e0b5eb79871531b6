//! What reaches a neighbour of 1984.

use super::*;
use crate::asn1::mta::{
    LastTraceInformation, Message, PrivateBilateralDomain, ReportTransferContent,
    TraceInformationElement,
};
use crate::asn1::mts::{AdministrationDomainName, ExtensionField, Name, NonDeliveryReport};
use crate::asn1::types::Null;
use crate::asn1::{self};

fn relay() -> Attributes {
    "/PRMD=GW/ADMD= /C=GB/O=MHS-Relay/".parse().unwrap()
}

fn named(address: &str) -> ORName {
    wire::or_address(&address.parse().unwrap()).into()
}

fn text(name: &ORName) -> String {
    wire::attributes(&name.address()).0.to_string()
}

fn to(recipients: &[(&str, Vec<ExtensionField>)]) -> MessageTransferEnvelope {
    let fields = (1..).zip(recipients);
    MessageTransferEnvelope {
        originator_name: named("/S=from/ADMD=A/C=GB/"),
        content_type: ContentType::BuiltIn(
            asn1::mts::BuiltInContentType::INTERPERSONAL_MESSAGING_1984,
        ),
        per_recipient_fields: fields
            .map(
                |(number, (address, extensions))| PerRecipientMessageTransferFields {
                    recipient_name: named(address),
                    originally_specified_recipient_number: number,
                    extensions: extensions.iter().cloned().collect(),
                    ..Default::default()
                },
            )
            .collect(),
        ..Default::default()
    }
}

fn of(
    envelope: MessageTransferEnvelope,
) -> Result<(MessageTransferEnvelope, Vec<Unable>), Refusal> {
    let mut apdu = MtsApdu::Message(Message {
        envelope,
        ..Default::default()
    });
    let unable = downgrade(&mut apdu, &relay())?;
    match apdu {
        MtsApdu::Message(message) => Ok((message.envelope, unable)),
        _ => panic!(),
    }
}

fn field(number: i64) -> ExtensionField {
    ExtensionField::new(number, &Null)
}

#[test]
fn x419_annex_b_extensions_go_and_a_critical_one_refuses_the_message() {
    let mut envelope = to(&[("/S=a/ADMD=A/C=GB/", vec![field(6)])]);
    envelope.extensions = vec![field(23), field(1).critical(Criticality::FOR_SUBMISSION)].into();
    let (downgraded, unable) = of(envelope.clone()).unwrap();
    assert_eq!(unable, []);
    assert!(downgraded.extensions.is_empty());
    assert!(downgraded.per_recipient_fields[0].extensions.is_empty());
    for who in [Criticality::FOR_TRANSFER, Criticality::FOR_DELIVERY] {
        envelope.extensions = vec![field(99).critical(who)].into();
        let refusal = of(envelope.clone()).unwrap_err();
        assert_eq!((refusal.reason, refusal.diagnostic), (2, Some(47)));
        assert!(refusal.text.contains("99"), "{refusal}");
    }
}

#[test]
fn x419_annex_b_a_critical_extension_of_a_recipient_costs_only_that() {
    let critical = || vec![field(16).critical(Criticality::FOR_DELIVERY)];
    let a = ("/S=a/ADMD=A/C=GB/", critical());
    let b = ("/S=b/ADMD=A/C=GB/", Vec::new());
    let (downgraded, unable) = of(to(&[a.clone(), b])).unwrap();
    let numbers: Vec<i64> = unable.iter().map(|unable| unable.recipient).collect();
    assert_eq!(numbers, [1]);
    let [left] = downgraded.per_recipient_fields.as_slice() else {
        panic!()
    };
    assert_eq!(left.originally_specified_recipient_number, 2);
    assert!(of(to(&[a])).is_err(), "nobody is left");
}

#[test]
fn rfc1328_3_addresses_find_a_place_in_1984() {
    let long = format!(
        "/PD-ADDRESS={}/PRMD=XX/ADMD=ZZ/C=US/",
        "Empire State Building ".repeat(8)
    );
    let (downgraded, unable) = of(to(&[
        ("/S=plain/DD.RFC-822=x(a)y/PRMD=P/ADMD=A/C=GB/", Vec::new()),
        ("/CN=Postmaster/O=A/ADMD=B/C=GB/", Vec::new()),
        (
            "/PD-ADDRESS=Empire State Building/PRMD=XX/ADMD=ZZ/C=US/",
            Vec::new(),
        ),
        (long.as_str(), Vec::new()),
        ("/S=*M{252}ller/ADMD=A/C=DE/", Vec::new()),
    ]))
    .unwrap();
    assert_eq!(unable, []);
    let fields = &downgraded.per_recipient_fields;
    let texts: Vec<String> = fields.iter().map(|of| text(&of.recipient_name)).collect();
    let [plain, common, postal, continued, teletex] = texts.as_slice() else {
        panic!()
    };
    assert_eq!(
        plain,
        &text(&named("/S=plain/DD.RFC-822=x(a)y/PRMD=P/ADMD=A/C=GB/"))
    );
    assert_eq!(
        common,
        &text(&named("/DD.Common=Postmaster/O=A/ADMD=B/C=GB/"))
    );
    for carried in [postal, continued, teletex] {
        assert!(
            carried.contains("DD.X400-88=") && carried.contains("O=MHS-Relay"),
            "{carried}"
        );
    }
    // What is carried is the address, and it can be read again.
    let carrier: Attributes = postal.parse().unwrap();
    let within = printable::decode(carrier.domain_defined("X400-88").unwrap()).unwrap();
    assert_eq!(
        text(&named(&within)),
        text(&named(
            "/PD-ADDRESS=Empire State Building/PRMD=XX/ADMD=ZZ/C=US/"
        ))
    );
    assert!(continued.contains("DD.X400-C1="), "{continued}");
    assert!(
        fields
            .iter()
            .all(|of| of.recipient_name.extension_attributes.is_none())
    );
}

#[test]
fn rfc1328_3_an_address_too_long_for_its_carrier_is_refused() {
    let line = "0123456789".repeat(17);
    let address = format!("/PD-ADDRESS={line}|{line}|{line}/CN=x/ADMD=A/C=GB/");
    let envelope = to(&[(address.as_str(), Vec::new())]);
    assert!(of(envelope).is_err());
}

#[test]
fn x419_annex_b_a_directory_name_goes() {
    let mut envelope = to(&[("/S=a/ADMD=A/C=GB/", Vec::new())]);
    envelope.originator_name.directory_name = Some(Name::of(&Null));
    let (downgraded, _) = of(envelope).unwrap();
    assert_eq!(downgraded.originator_name, named("/S=from/ADMD=A/C=GB/"));
}

#[test]
fn x419_annex_b_types_domains_and_trace_of_1984() {
    let types = || EncodedInformationTypes {
        built_in_encoded_information_types: BuiltInEncodedInformationTypes::of(&[
            BuiltInEncodedInformationTypes::IA5_TEXT,
        ]),
        extended_encoded_information_types: Some(vec![Default::default()].into()),
        ..Default::default()
    };
    let mut envelope = to(&[("/S=a/ADMD=A/C=GB/", Vec::new())]);
    envelope.original_encoded_information_types = Some(types());
    let agreed = |domain| PerDomainBilateralInformation {
        domain,
        ..Default::default()
    };
    let of_admd = agreed(BilateralDomain::AdministrationDomainName(
        AdministrationDomainName::Printable("A".into()),
    ));
    let of_prmd = agreed(BilateralDomain::PrivateDomain(
        PrivateBilateralDomain::default(),
    ));
    envelope.per_domain_bilateral_information = Some(vec![of_prmd, of_admd.clone()]);
    envelope.trace_information = TraceInformation(vec![TraceInformationElement {
        domain_supplied_information: DomainSuppliedInformation {
            converted_encoded_information_types: Some(types()),
            other_actions: OtherActions::of(&[OtherActions::REDIRECTED]),
            ..Default::default()
        },
        ..Default::default()
    }]);
    let (downgraded, _) = of(envelope.clone()).unwrap();
    let shown = |types: &EncodedInformationTypes| {
        assert_eq!(types.extended_encoded_information_types, None);
        types
            .built_in_encoded_information_types
            .0
            .ones()
            .collect::<Vec<_>>()
    };
    assert_eq!(
        shown(&downgraded.original_encoded_information_types.unwrap()),
        [0, 2]
    );
    assert_eq!(
        downgraded.per_domain_bilateral_information,
        Some(vec![of_admd])
    );
    let element = &downgraded.trace_information.0[0].domain_supplied_information;
    assert_eq!(
        shown(
            element
                .converted_encoded_information_types
                .as_ref()
                .unwrap()
        ),
        [0, 2]
    );
    assert_eq!(element.other_actions, OtherActions::default());
    // Only numbers name contents in 1984.
    envelope.content_type = ContentType::Extended(Default::default());
    assert_eq!(of(envelope).unwrap_err().diagnostic, Some(47));
}

#[test]
fn x419_annex_b_a_report_in_the_codes_of_1984() {
    let not = |reason, diagnostic| PerRecipientReportTransferFields {
        actual_recipient_name: named("/CN=x/ADMD=A/C=GB/"),
        last_trace_information: LastTraceInformation {
            report_type: ReportType::NonDelivery(NonDeliveryReport {
                non_delivery_reason_code: NonDeliveryReasonCode(reason),
                non_delivery_diagnostic_code: Some(NonDeliveryDiagnosticCode(diagnostic)),
                ..Default::default()
            }),
            ..Default::default()
        },
        extensions: vec![field(12)].into(),
        ..Default::default()
    };
    let mut apdu = MtsApdu::Report(Report {
        content: ReportTransferContent {
            content_type: Some(ContentType::default()),
            original_encoded_information_types: Some(Default::default()),
            extensions: vec![field(23)].into(),
            per_recipient_fields: vec![not(1, 0), not(5, 29), not(2, 13)],
            ..Default::default()
        },
        ..Default::default()
    });
    assert_eq!(downgrade(&mut apdu, &relay()), Ok(Vec::new()));
    let MtsApdu::Report(report) = apdu else {
        panic!()
    };
    let content = &report.content;
    assert_eq!(
        (
            &content.content_type,
            &content.original_encoded_information_types
        ),
        (&None, &None)
    );
    assert!(content.extensions.is_empty());
    let codes: Vec<_> = content
        .per_recipient_fields
        .iter()
        .map(|of| match &of.last_trace_information.report_type {
            ReportType::NonDelivery(not) => (
                not.non_delivery_reason_code.0,
                not.non_delivery_diagnostic_code.map(|code| code.0),
            ),
            ReportType::Delivery(_) => panic!(),
        })
        .collect();
    assert_eq!(codes, [(1, Some(0)), (1, None), (2, Some(13))]);
    assert_eq!(
        text(&content.per_recipient_fields[0].actual_recipient_name),
        text(&named("/DD.Common=x/ADMD=A/C=GB/"))
    );
}
