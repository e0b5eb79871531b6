//! Profiles as files, and what each of their keys does.

use bytes::Bytes;

use super::*;
use crate::asn1::mta::{
    InternalTraceInformation, InternalTraceInformationElement, Message, MessageTransferEnvelope,
    MtsApdu, TraceInformation, TraceInformationElement,
};
use crate::asn1::mts::{
    Criticality, ExtensionField, Extensions, GlobalDomainIdentifier, extension,
};
use crate::asn1::types::{Null, OctetString};
use crate::asn1::{self};
use crate::mixer::address::mcgam::Tables;
use crate::mixer::address::{Role, to_rfc822, to_x400, wire};
use crate::mixer::context::{Context, Gateway};
use crate::mixer::domain;
use crate::rfc822::AddrSpec;

fn profile(text: &str) -> PeerProfile {
    PeerProfile::of(&[Layer::parse(text).unwrap()]).unwrap()
}

fn in_domain(prmd: &str) -> GlobalDomainIdentifier {
    domain::of_address(&format!("/PRMD={prmd}/ADMD= /C=GB/").parse().unwrap()).unwrap()
}

/// A message of a user of THEM, that came by way of OTHER to two MTAs of ours.
fn message() -> MtsApdu {
    let passed = |prmd| TraceInformationElement {
        global_domain_identifier: in_domain(prmd),
        ..TraceInformationElement::default()
    };
    let internal = |prmd: &str, mta: &str| InternalTraceInformationElement {
        global_domain_identifier: in_domain(prmd),
        mta_name: mta.into(),
        ..InternalTraceInformationElement::default()
    };
    let trace = vec![
        internal("THEM", "A"),
        internal("US", "B"),
        internal("US", "C"),
    ];
    let correlator = ExtensionField::new(23, &OctetString(Bytes::from_static(b"x")));
    MtsApdu::Message(Message {
        envelope: MessageTransferEnvelope {
            originator_name: name("/S=Jo/PRMD=THEM/ADMD= /C=GB/"),
            trace_information: TraceInformation(["THEM", "OTHER", "US"].map(passed).to_vec()),
            extensions: [correlator, ExtensionField::new(38, &trace)]
                .into_iter()
                .collect(),
            ..MessageTransferEnvelope::default()
        },
        content: OctetString(Bytes::from_static(b"the content")),
    })
}

fn name(address: &str) -> crate::asn1::mts::ORName {
    wire::or_address(&address.parse().unwrap()).into()
}

/// What a neighbour of this profile gets, as it reads it.
fn fitted(profile: &PeerProfile, mut apdu: MtsApdu) -> MessageTransferEnvelope {
    profile.fit(&in_domain("US"), &mut apdu);
    let MtsApdu::Message(message) = asn1::decode(&asn1::encode(&apdu)).unwrap() else {
        panic!()
    };
    assert_eq!(message.content.0, &b"the content"[..]);
    message.envelope
}

/// The domains and the MTAs of a trace.
fn traces(envelope: &MessageTransferEnvelope) -> (Vec<String>, Vec<String>) {
    let domains = envelope.trace_information.0.iter().map(|element| {
        let attributes = domain::attributes(&element.global_domain_identifier);
        attributes
            .get(super::super::address::Key::Prmd)
            .unwrap()
            .to_owned()
    });
    let internal = extension(&envelope.extensions, 38);
    let internal: InternalTraceInformation =
        internal.map_or(Vec::new(), |field| field.decode().unwrap());
    let mtas = internal
        .iter()
        .map(|e| String::from_utf8_lossy(e.mta_name.as_bytes()).into_owned());
    (domains.collect(), mtas.collect())
}

#[test]
fn profiles_that_come_with_the_gateway_are_read_and_give_their_sources() {
    for (name, text) in SHIPPED {
        let layer = Layer::shipped(name).unwrap();
        PeerProfile::of(&[layer.unwrap()]).unwrap();
        let mut above = "";
        for line in text.lines() {
            if !line.starts_with('#') && !line.is_empty() {
                assert!(above.starts_with("# Source: "), "{name}: {line}");
            }
            above = line;
        }
    }
    assert!(Layer::shipped("nobody").is_none());
}

#[test]
fn a_key_of_a_later_layer_stands_and_the_others_stay() {
    let shipped = Layer::shipped("pp").unwrap().unwrap();
    let own = Layer::parse("attachments = \"bp14\"\ncontent = \"p2\"\n").unwrap();
    let profile = PeerProfile::of(&[shipped, own]).unwrap();
    assert_eq!(profile.extension_type, ExtensionType::Explicit);
    assert_eq!(profile.attachments, Attachments::Bp14);
    assert_eq!(profile.content, ContentType::P2);
    assert_eq!(PeerProfile::of([]).unwrap(), PeerProfile::default());
    let error = Layer::parse("content = \"p2\"\nattachment = \"bp14\"\n").unwrap_err();
    assert_eq!(error.span().unwrap().start, 15);
}

#[test]
fn x411_extension_types_go_in_the_form_the_neighbour_reads_whatever_they_came_in() {
    // Number 23, by a neighbour of 1988 and by a later one.
    for (key, octets) in [("1988", "a003020117"), ("1992", "800117")] {
        let profile = profile(&format!("extension-type = \"{key}\""));
        for came in ["1988", "1992"] {
            let mut apdu = message();
            let MtsApdu::Message(inner) = &mut apdu else {
                panic!()
            };
            let form = self::profile(&format!("extension-type = \"{came}\"")).form();
            crate::asn1::mts::tag_extensions(&mut inner.envelope.extensions, form);
            profile.fit(&in_domain("US"), &mut apdu);
            let sent = asn1::encode(&apdu);
            let hex: String = sent.iter().map(|octet| format!("{octet:02x}")).collect();
            assert_eq!(hex.matches(octets).count(), 1, "{key} of {came}: {hex}");
            let other = if key == "1988" {
                "800117"
            } else {
                "a003020117"
            };
            assert!(!hex.contains(other), "{key} of {came}: {hex}");
        }
    }
}

#[test]
fn a_neighbour_that_takes_no_extensions_gets_only_those_it_must_refuse() {
    let profile = profile("extensions = false");
    assert!(fitted(&profile, message()).extensions.is_empty());
    let mut critical = message();
    let MtsApdu::Message(inner) = &mut critical else {
        panic!()
    };
    let field = ExtensionField::new(99, &Null).critical(Criticality::FOR_DELIVERY);
    inner.envelope.extensions.push(field);
    let kept: Extensions = fitted(&profile, critical).extensions;
    assert_eq!(
        kept.iter().map(ExtensionField::number).collect::<Vec<_>>(),
        [Some(99)]
    );
    // What we made ourselves loses them all, and says so.
    let MtsApdu::Message(mut own) = message() else {
        panic!()
    };
    assert!(profile.fit_message(&in_domain("US"), &mut own.envelope));
    assert!(own.envelope.extensions.is_empty());
}

#[test]
fn s5_1_6_trace_is_stripped_as_the_neighbour_wants_and_our_domain_stays() {
    let (all, three) = (["THEM", "OTHER", "US"], ["A", "B", "C"]);
    for (tracing, domains, mtas) in [
        ("all", &all[..], &three[..]),
        ("local-internal", &all, &["B", "C"]),
        ("nointernal", &all, &[]),
        ("admd", &["US"], &[]),
    ] {
        let profile = profile(&format!("tracing = \"{tracing}\""));
        let envelope = fitted(&profile, message());
        let (left_domains, left_mtas) = traces(&envelope);
        assert_eq!(left_domains, domains, "{tracing}");
        assert_eq!(left_mtas, mtas, "{tracing}");
        let fields = usize::from(!mtas.is_empty()) + 1;
        assert_eq!(
            envelope.extensions.len(),
            fields,
            "{tracing}: no empty trace"
        );
    }
    // A trace of MTAs that nobody can read is none of ours.
    let mut odd = message();
    let MtsApdu::Message(inner) = &mut odd else {
        panic!()
    };
    inner.envelope.extensions = [ExtensionField::new(38, &Null)].into_iter().collect();
    let profile = profile("tracing = \"local-internal\"");
    assert!(fitted(&profile, odd).extensions.is_empty());
}

#[test]
fn an_originator_gets_the_domain_the_neighbour_wants() {
    let profile = profile(
        "[[originator]]\nfrom = \"/PRMD=NONE/C=GB/\"\nto = \"/PRMD=X/C=GB/\"\n\
         [[originator]]\nfrom = \"/ADMD= /C=gb/\"\nto = \"/ADMD=GOLD 400/C=GB/\"\n\
         [[originator]]\nfrom = \"/C=GB/\"\nto = \"/C=FR/\"\n",
    );
    let envelope = fitted(&profile, message());
    assert_eq!(
        wire::attributes(&envelope.originator_name.address())
            .0
            .to_string(),
        "/S=Jo/PRMD=THEM/ADMD=GOLD 400/C=GB/"
    );
    let fix = |from: &str, to: &str, address: &str| {
        let substitution = Substitution {
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
        };
        let fixed = substitution.apply(&address.parse().unwrap());
        fixed.map(|fixed| fixed.to_string())
    };
    let units = "/S=Jo/OU=Old/OU=Big/O=Org/ADMD= /C=GB/";
    assert_eq!(
        fix(
            "/OU=Old/O=Org/ADMD= /C=GB/",
            "/O=New/PRMD=P/ADMD= /C=GB/",
            units
        )
        .unwrap(),
        "/S=Jo/OU=Big/O=New/PRMD=P/ADMD= /C=GB/"
    );
    assert_eq!(fix("/O=Other/ADMD= /C=GB/", "/ADMD= /C=GB/", units), None);
}

#[test]
fn q255024_internet_addresses_in_the_attributes_the_neighbour_knows_and_back() {
    let (gateway, tables) = (Gateway::default(), Tables::default());
    let mailbox: AddrSpec = "jo@internet.example".parse().unwrap();
    let rest = "/O=Gateway/PRMD=MIXGATE/ADMD= /C=XX/";
    for (key, attributes) in [
        ("RFC-822", "/RFC-822=jo(a)internet.example"),
        ("SMTP", "/DD.SMTP=jo(a)internet.example"),
        (
            "MSXENCAP",
            "/DD.SMTP=jo(a)internet.example/DD.MSXENCAP=SMTP",
        ),
    ] {
        let context = |peer| Context {
            id: String::new(),
            now: jiff::Timestamp::UNIX_EPOCH.to_zoned(jiff::tz::TimeZone::UTC),
            gateway: &gateway,
            tables: &tables,
            peer,
        };
        let (wanting, any) = (
            profile(&format!("dda-type = \"{key}\"")),
            PeerProfile::default(),
        );
        let there = to_x400::map(&context(&wanting), &mailbox, Role::Recipient).unwrap();
        assert_eq!(there.value.to_string(), format!("{attributes}{rest}"));
        // It is read whoever sends it.
        let back = to_rfc822::map(&context(&any), &there.value, Role::Recipient).unwrap();
        assert_eq!(back.value, mailbox, "{key}");
    }
    // An attribute of that type that holds no mailbox is one like others.
    let context = Context {
        id: String::new(),
        now: jiff::Timestamp::UNIX_EPOCH.to_zoned(jiff::tz::TimeZone::UTC),
        gateway: &gateway,
        tables: &tables,
        peer: &PeerProfile::default(),
    };
    let other = "/DD.SMTP=yes/S=Jo/ADMD= /C=GB/".parse().unwrap();
    let back = to_rfc822::map(&context, &other, Role::Recipient).unwrap();
    assert_eq!(back.value.domain(), gateway.name);
}
