//! An APDU on its way from one X.400 neighbour to another.

use std::path::Path;

use jiff::Timestamp;

use super::super::attempt::EndKind;
use super::*;
use crate::asn1::mta::{
    InternalTraceInformation, MessageTransferEnvelope, PerRecipientMessageTransferFields,
    TraceInformation, TraceInformationElement,
};
use crate::asn1::mts::{Criticality, ExtensionField, extension};
use crate::asn1::types::Null;
use crate::config::Config;
use crate::mixer::domain;
use crate::queue::{Item, ItemId, Origin, Priority, Recipient, Transfer};

const CONFIG: &str = r#"
    [gateway]
    name = "gw.example.org"
    mta = "GW"
    domain = "/PRMD=EXAMPLE/ADMD= /C=GB/"
    address = "/O=Gateway/PRMD=EXAMPLE/ADMD= /C=GB/"
    postmaster = "postmaster@example.org"
"#;

/// The claim of these recipients of a message.
fn claim(recipients: &[u32]) -> Claim {
    let now = Timestamp::UNIX_EPOCH;
    let recipient = |number: &u32| Recipient::new(*number, "", "hub", "p22", now);
    Claim {
        item: Item {
            id: ItemId::generate(),
            arrived: now,
            expires: now,
            priority: Priority::default(),
            size: 0,
            peer: "other".to_owned(),
            cause: None,
            identifiers: Vec::new(),
            origin: Origin::Transfer(Transfer::default()),
            recipients: recipients.iter().map(recipient).collect(),
        },
        route: "hub".to_owned(),
        content_type: "p22".to_owned(),
        token: 1,
        until: now,
    }
}

/// A message to recipients 1, 2 and 3, the second with an extension nobody knows.
fn envelope(criticality: u32) -> MessageTransferEnvelope {
    let recipient = |number| PerRecipientMessageTransferFields {
        originally_specified_recipient_number: number,
        per_recipient_indicators: PerRecipientIndicators::of(&[
            PerRecipientIndicators::RESPONSIBILITY,
            PerRecipientIndicators::ORIGINATOR_REPORT,
        ]),
        extensions: (number == 2)
            .then(|| ExtensionField::new(99, &Null).critical(criticality))
            .into_iter()
            .collect(),
        ..PerRecipientMessageTransferFields::default()
    };
    MessageTransferEnvelope {
        per_recipient_fields: (1..=3).map(recipient).collect(),
        ..MessageTransferEnvelope::default()
    }
}

fn pass_on(body: &Bytes, claim: &Claim) -> Result<(Bytes, Vec<End>), End> {
    pass_on_by(CONFIG, body, claim)
}

fn pass_on_by(config: &str, body: &Bytes, claim: &Claim) -> Result<(Bytes, Vec<End>), End> {
    let path = Path::new("m.toml");
    let rules = Rules::of(Config::parse(path, config).unwrap(), path, config).unwrap();
    relayed(&rules, claim, body).map(|(relayed, ends)| (relayed.octets(None).to_bytes(), ends))
}

#[test]
fn x411_14_3_1_the_content_is_relayed_octet_for_octet_and_the_trace_grows() {
    // Octets that are no BER, in segments as deployed systems send them.
    let content: Vec<u8> = (0..=255).cycle().take(5000).collect();
    let mut body = vec![0xa0, 0x80];
    body.extend_from_slice(&asn1::encode(&envelope(Criticality::FOR_DELIVERY)));
    body.extend_from_slice(&[0x24, 0x80]);
    for segment in content.chunks(100) {
        body.extend_from_slice(&[4, 100]);
        body.extend_from_slice(segment);
    }
    body.extend_from_slice(&[0; 4]);
    let (mut apdu, mut arrived) = (Bytes::from(body), 0);
    // Past two relays: the second sees a loop.
    while let Ok((passed, ends)) = pass_on(&apdu, &claim(&[1, 3])) {
        assert!(ends.is_empty());
        assert!(
            passed
                .windows(content.len())
                .any(|octets| octets == content)
        );
        let MtsApdu::Message(message) = asn1::decode(&passed).unwrap() else {
            panic!()
        };
        arrived += 1;
        assert_eq!(message.envelope.trace_information.0.len(), arrived);
        let trace = extension(&message.envelope.extensions, 38).unwrap();
        let trace: InternalTraceInformation = trace.decode().unwrap();
        assert_eq!(trace.last().unwrap().mta_name, "GW".into());
        let responsible = message.envelope.per_recipient_fields.iter().map(|fields| {
            let indicators = &fields.per_recipient_indicators;
            assert!(indicators.contains(PerRecipientIndicators::ORIGINATOR_REPORT));
            indicators.contains(PerRecipientIndicators::RESPONSIBILITY)
        });
        assert_eq!(responsible.collect::<Vec<_>>(), [true, false, true]);
        apdu = passed;
    }
    assert_eq!(arrived, 1);
    let end = pass_on(&apdu, &claim(&[1])).unwrap_err();
    assert_eq!(
        (end.status, end.codes),
        (Status(5, 4, 6), Some((1, Some(3))))
    );
}

#[test]
fn x419_annex_b_what_goes_to_a_peer_of_1984_has_no_extensions() {
    let config = format!("{CONFIG}\n[[x400.peer]]\nname = \"hub\"\nmode = \"1984\"\n");
    let body = |criticality| {
        asn1::encode(&MtsApdu::Message(crate::asn1::mta::Message {
            envelope: envelope(criticality),
            ..Default::default()
        }))
    };
    // For submission means nothing any more; for delivery it would be lost.
    for (criticality, failed) in [
        (Criticality::FOR_SUBMISSION, &[][..]),
        (Criticality::FOR_DELIVERY, &[2]),
    ] {
        let (apdu, ends) = pass_on_by(&config, &body(criticality), &claim(&[1, 2])).unwrap();
        let told: Vec<_> = ends.iter().map(|end| end.number).collect();
        assert_eq!(told, failed);
        assert!(ends.iter().all(|end| end.codes == Some((2, Some(47)))));
        let MtsApdu::Message(message) = asn1::decode(&apdu).unwrap() else {
            panic!()
        };
        let envelope = message.envelope;
        assert_eq!(envelope.trace_information.0.len(), 1, "our trace");
        assert!(envelope.extensions.is_empty(), "but not that of MTAs");
        assert_eq!(envelope.per_recipient_fields.len(), 3 - failed.len());
        let mut fields = envelope.per_recipient_fields.iter();
        assert!(fields.all(|fields| fields.extensions.is_empty()));
    }
    // What we made ourselves is fitted too, and gets no second trace.
    let mut ours = claim(&[1, 2, 3]);
    ours.item.cause = Some(ItemId::generate());
    let (apdu, ends) = pass_on_by(&config, &body(Criticality::FOR_SUBMISSION), &ours).unwrap();
    assert!(ends.is_empty());
    let MtsApdu::Message(message) = asn1::decode(&apdu).unwrap() else {
        panic!()
    };
    assert!(message.envelope.trace_information.0.is_empty());
    assert!(
        message.envelope.per_recipient_fields[1]
            .extensions
            .is_empty()
    );
}

#[test]
fn x411_9_1_an_unknown_function_critical_for_transfer_fails_whom_it_concerns() {
    let envelope = envelope(Criticality::FOR_TRANSFER);
    let body = |envelope| {
        asn1::encode(&MtsApdu::Message(crate::asn1::mta::Message {
            envelope,
            ..Default::default()
        }))
    };
    let (apdu, ends) = pass_on(&body(envelope.clone()), &claim(&[1, 2])).unwrap();
    let told: Vec<_> = ends
        .iter()
        .map(|end| (end.number, end.kind, end.codes))
        .collect();
    assert_eq!(told, [(2, EndKind::Never, Some((1, Some(18))))]);
    let MtsApdu::Message(message) = asn1::decode(&apdu).unwrap() else {
        panic!()
    };
    let fields = message.envelope.per_recipient_fields.iter();
    let responsible: Vec<i64> = fields
        .filter(|fields| {
            let indicators = &fields.per_recipient_indicators;
            indicators.contains(PerRecipientIndicators::RESPONSIBILITY)
        })
        .map(|fields| fields.originally_specified_recipient_number)
        .collect();
    assert_eq!(
        responsible,
        [1],
        "not the one that failed, not the one of another copy"
    );
    let mut all = envelope;
    let field = ExtensionField::new(99, &Null).critical(Criticality::FOR_TRANSFER);
    all.extensions.push(field);
    let end = pass_on(&body(all), &claim(&[1, 3])).unwrap_err();
    assert_eq!((end.kind, end.codes), (EndKind::Never, Some((1, Some(18)))));
}

#[test]
fn x411_14_3_1_what_passed_a_further_domain_of_ours_was_here() {
    let config = format!(
        "{CONFIG}other-global-domains = [\"/PRMD=OLD/ADMD= /C=GB/\"]\n\
         [[x400.peer]]\nname = \"hub\"\n\
         [mapping.profile.hub]\ndomain = \"/PRMD=OLD/ADMD= /C=GB/\"\n\
         tracing = \"admd\"\n"
    );
    let passed = |prmd: &str| TraceInformationElement {
        global_domain_identifier: domain::parse(&format!("/PRMD={prmd}/ADMD= /C=GB/")).unwrap(),
        ..TraceInformationElement::default()
    };
    let body = |prmds: &[&str]| {
        let trace = prmds.iter().map(|prmd| passed(prmd)).collect();
        let envelope = MessageTransferEnvelope {
            trace_information: TraceInformation(trace),
            ..envelope(Criticality::FOR_DELIVERY)
        };
        asn1::compose::message(&envelope, Octets::from(&b"content"[..])).to_bytes()
    };
    for looping in [["OLD", "THEM"], ["EXAMPLE", "THEM"]] {
        let end = pass_on_by(&config, &body(&looping), &claim(&[1])).unwrap_err();
        assert_eq!(end.status, Status(5, 4, 6), "{looping:?}");
    }
    // The neighbour is shown the name it knows, and by its wish no other.
    let (apdu, _) = pass_on_by(&config, &body(&["THEM", "EXAMPLE"]), &claim(&[1])).unwrap();
    let MtsApdu::Message(message) = asn1::decode(&apdu).unwrap() else {
        panic!()
    };
    let trace = message.envelope.trace_information.0;
    let trace = trace
        .iter()
        .map(|e| domain::text(&e.global_domain_identifier));
    assert_eq!(trace.collect::<Vec<_>>(), ["/PRMD=OLD/ADMD= /C=GB/"]);
}

#[test]
fn x411_12_2_1_1_1_4_the_trace_says_until_when_a_message_was_held() {
    let mut claim = claim(&[1]);
    let until: Timestamp = "2026-11-24T08:30:00Z".parse().unwrap();
    claim.item.recipients[0].not_before = Some(until);
    let envelope = envelope(Criticality::FOR_DELIVERY);
    let body = asn1::compose::message(&envelope, Octets::from(&b"content"[..])).to_bytes();
    let (apdu, _) = pass_on(&body, &claim).unwrap();
    let MtsApdu::Message(message) = asn1::decode(&apdu).unwrap() else {
        panic!()
    };
    let trace = &message.envelope.trace_information.0[0];
    let supplied = &trace.domain_supplied_information;
    assert_eq!(supplied.arrival_time, "700101000000+0000".into());
    assert_eq!(supplied.deferred_time, Some("261124083000+0000".into()));
}
