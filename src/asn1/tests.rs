//! The codec against octets worked out by hand, captured ones, and those nobody should send.

use bytes::Bytes;
use proptest::prelude::*;

use super::codec::Ber;
use super::ipms::{BodyPart, Heading, IPM, InformationObject, MessageBodyPart, ORDescriptor};
use super::mta::{DomainSuppliedInformation, MTABindArgument, MtsApdu, TraceInformation};
use super::mts::*;
use super::native::{ExtensionForm, ExtensionType};
use super::profile::check;
use super::show::decode_any;
use super::types::*;
use super::*;

fn octets(hex: &str) -> Bytes {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let octet = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(octet).collect()
}

fn same<T: Ber + PartialEq + std::fmt::Debug>(hex: &str) -> T {
    let input = octets(hex);
    let value: T = decode(&input).unwrap();
    assert_eq!(encode(&value), input);
    value
}

#[test]
fn x411_8_2_1_1_1_1_an_identifier_as_captured() {
    // From the capture of a plain message; tshark shows GB, NET, PPTEST and <plain-1@a.test>.
    let identifier: MTSIdentifier = same(
        "6429 6315 6104 13024742 6205 13034e4554 1306505054455354 \
         1610 3c706c61696e2d3140612e746573743e",
    );
    assert_eq!(
        identifier.local_identifier.as_str(),
        Some("<plain-1@a.test>")
    );
    let domain = identifier.global_domain_identifier;
    assert_eq!(
        domain.country_name,
        CountryName::Iso3166Alpha2Code("GB".into())
    );
    assert_eq!(
        domain.private_domain_identifier,
        Some(PrivateDomainIdentifier::Printable("PPTEST".into()))
    );
}

#[test]
fn x411_8_5_5_an_or_name_as_captured() {
    // From the same capture; tshark shows organization A and surname alice.
    let name: ORName = same(
        "6025 3023 6104 13024742 6205 13034e4554 a208 1306505054455354 830141 a507 8005616c696365",
    );
    let attributes = name.address().built_in_standard_attributes;
    assert_eq!(attributes.organization_name, Some("A".into()));
    assert_eq!(attributes.personal_name.unwrap().surname, "alice".into());
}

#[test]
fn x411_figure_2_extension_types_of_1988_and_of_1992() {
    // 1988 as captured, where tshark misreads the number as 131366; 1992 as tshark reads it.
    let old: ExtensionField = same("300a a003020126 a2030401aa");
    let new: ExtensionField = same("3008 800126 a2030401aa");
    for field in [&old, &new] {
        assert_eq!(field.number(), Some(38));
        assert_eq!(field.decode::<OctetString>().unwrap().as_bytes(), [0xaa]);
    }
    assert_ne!(old, new, "the form is remembered");
    let mut fields: Extensions = vec![old, new.clone()].into();
    tag_extensions(&mut fields, ExtensionForm::Implicit);
    assert_eq!(fields.0, [new.clone(), new]);
    let private: ExtensionField = same("3006 a304 06022a03");
    assert!(matches!(
        private.r#type,
        ExtensionType::PrivateExtension(_, ExtensionForm::Explicit)
    ));
}

#[test]
fn x411_12_1_1_a_bind_as_captured() {
    // tshark: initiator-name MTA-A, simple, octet-string pass-a.
    let bind: MTABindArgument = same("a111 8005 4d54412d41 a108 0406 706173732d61");
    let MTABindArgument::Authenticated(bind) = bind else {
        panic!("authenticated");
    };
    assert_eq!(bind.initiator_name.as_str(), Some("MTA-A"));
    let password = Password::OctetString(Bytes::from_static(b"pass-a").into());
    assert_eq!(bind.initiator_credentials, Credentials::Simple(password));
    assert_eq!(
        same::<MTABindArgument>("0500"),
        MTABindArgument::Unauthenticated(Null)
    );
}

#[test]
fn x680_a_set_in_any_order_with_defaults_and_unknown_elements() {
    // Trace of a domain: [2] routing action before [0] time, an explicit default, and [9] of the future.
    let input = octets("3118 820100 800d 3236313132323034343030305a 83020700 8900");
    let value: DomainSuppliedInformation = decode(&input).unwrap();
    assert_eq!(value.arrival_time.as_str(), Some("261122044000Z"));
    assert_eq!(value.unknown, [Any(octets("8900"))]);
    let again: DomainSuppliedInformation = decode(&encode(&value)).unwrap();
    assert_eq!(again, value);
    assert!(encode(&value).ends_with(&[0x89, 0]));

    let twice = octets("3106 820100 820100");
    let error = decode::<DomainSuppliedInformation>(&twice).unwrap_err();
    assert_eq!(
        (error.offset, error.expected.as_ref()),
        (5, "each member of a SET once")
    );
    let missing = octets("3103 820100");
    let error = decode::<DomainSuppliedInformation>(&missing).unwrap_err();
    assert_eq!(
        error.to_string(),
        "octet 5 (DomainSuppliedInformation.arrival-time): expected [0] UTCTime, found the end of the value"
    );
}

#[test]
fn x680_25_additions_to_a_sequence_are_kept() {
    let attribute: ExtensionAttribute = same("300c 800101 a1051303 424f42 8900");
    assert_eq!(attribute.unknown, [Any(octets("8900"))]);
    assert_eq!(
        attribute.extension_attribute_value.decode::<CommonName>(),
        Ok("BOB".into())
    );
    let pair = octets("3009 1301 61 1301 62 8901 00");
    let error = decode::<BuiltInDomainDefinedAttribute>(&pair).unwrap_err();
    assert_eq!(error.offset, 8, "no addition is foreseen here");
}

#[test]
fn x420_7_later_body_parts_and_values_are_kept() {
    let part: BodyPart = same("ad03 020105");
    assert!(matches!(part, BodyPart::Unknown(_)));
    let priority: Priority = same("470109");
    assert_eq!((priority.0, priority.name()), (9, None));
}

#[test]
fn x690_8_7_constructed_strings_are_put_together_and_others_shared() {
    let segments = octets("2480 040161 2405 040162 0400 040163 0000");
    let text: OctetString = decode(&segments).unwrap();
    assert_eq!(text.as_bytes(), b"abc");
    let text: IA5String = decode(&octets("3606 160161 160162")).unwrap();
    assert_eq!(text, "ab".into());

    let large = Bytes::from([&[0x04, 0x82, 0x10, 0][..], &[7; 4096]].concat());
    let content: Content = decode(&large).unwrap();
    assert_eq!(content.0.as_ptr(), large[4..].as_ptr(), "no copy");
    let written = encode_octets(&content);
    let chunk = written.chunks().last().unwrap();
    assert_eq!(chunk.as_ptr(), content.0.as_ptr(), "nor when written");
}

#[test]
fn x690_8_19_arcs_of_any_width() {
    let identifier: ObjectIdentifier = "0.9.2342.234219200300.200.1".parse().unwrap();
    assert_eq!(identifier, oids::ID_RFC_822_FIELD_LIST_1327);
    assert_eq!(identifier.to_string(), "0.9.2342.234219200300.200.1");
    // The first example of X.690 8.19.5.
    let example: ObjectIdentifier = same("0603 883703");
    assert_eq!(example.to_string(), "2.999.3");
    assert_eq!(oids::ID_ET_FILE_TRANSFER.to_string(), "2.6.1.4.12");
    assert_eq!(oids::ID_RFC_822_FIELD_LIST.to_string(), "1.3.6.1.7.1.3.2");
    assert_eq!(oids::ID_AS_MTSE.to_string(), "2.6.0.2.7");
    assert!(decode::<ObjectIdentifier>(&octets("0602 88b7")).is_err());
    assert!("3.1".parse::<ObjectIdentifier>().is_err());
}

#[test]
fn x690_8_3_integers() {
    for (hex, number) in [
        ("020100", 0),
        ("02017f", 127),
        ("02020080", 128),
        ("020180", -128),
    ] {
        assert_eq!(same::<i64>(hex), number);
    }
    assert_eq!(
        decode::<i64>(&octets("0204ffffff80")),
        Ok(-128),
        "padding is read"
    );
    assert_eq!(same::<i64>("02087fffffffffffffff"), i64::MAX);
    assert!(decode::<i64>(&octets("0209008000000000000000")).is_err());
    assert!(decode::<i64>(&octets("0200")).is_err());
}

#[test]
fn errors_say_where_and_what() {
    let refused = |hex: &str| decode::<MtsApdu>(&octets(hex)).unwrap_err().to_string();
    assert_eq!(
        refused(""),
        "octet 0: expected more octets of a tag and length, found the end (X.690 clause 8.1)"
    );
    assert_eq!(
        refused("0500"),
        "octet 0: expected MTS-APDU, found a primitive NULL"
    );
    assert_eq!(
        refused("a004 3100 0400"),
        "octet 4 (MTS-APDU.message.envelope.message-identifier): \
         expected [APPLICATION 4] MTSIdentifier, found the end of the value"
    );
    let error = decode::<Null>(&octets("0500 00")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "octet 2: expected nothing after NULL, found 00"
    );
}

#[test]
fn hundred_messages_within_one_another_are_read_one_at_a_time_on_a_small_stack() {
    let mut ipm = Any::of(&IPM::default());
    for _ in 0..100 {
        let part = BodyPart::Message(MessageBodyPart {
            data: ipm,
            ..MessageBodyPart::default()
        });
        ipm = Any::of(&IPM {
            body: vec![part],
            ..IPM::default()
        });
    }
    let walk = move || {
        let mut levels = 0;
        let mut waiting = ipm;
        loop {
            let ipm: IPM = waiting.decode().unwrap();
            match ipm.body.into_iter().next() {
                Some(BodyPart::Message(part)) => waiting = part.data,
                _ => break levels,
            }
            levels += 1;
        }
    };
    let small = std::thread::Builder::new().stack_size(512 * 1024);
    assert_eq!(small.spawn(walk).unwrap().join().unwrap(), 100);
}

#[test]
fn decode_shows_thirty_messages_within_one_another_on_a_small_stack() {
    let mut ipm = IPM::default();
    for _ in 0..30 {
        let part = BodyPart::Message(MessageBodyPart {
            data: Any::of(&ipm),
            ..MessageBodyPart::default()
        });
        ipm = IPM {
            body: vec![part],
            ..IPM::default()
        };
    }
    let input = encode(&InformationObject::Ipm(ipm));
    let show = move || {
        let shown = decode_any(&input, None).unwrap();
        shown.to_json().to_string().matches("\"message\"").count()
    };
    let small = std::thread::Builder::new().stack_size(512 * 1024);
    assert!(small.spawn(show).unwrap().join().unwrap() >= 60);
}

#[test]
fn decode_recognises_names_and_escapes() {
    let heading = Heading {
        subject: Some(TeletexString::from(&b"caf\xc2e \x1b[2J--"[..])),
        ..Heading::default()
    };
    let ipm = IPM {
        heading,
        ..IPM::default()
    };
    let input = encode(&InformationObject::Ipm(ipm));
    let twice = Bytes::from([&input[..], &input[..]].concat());
    let shown = decode_any(&twice, None).unwrap();
    assert_eq!(shown.pdus.len(), 2);
    assert_eq!(shown.pdus[1].offset, input.len());
    assert!(shown.to_json().is_array());
    let notation = shown.to_notation();
    assert!(!notation.contains('\x1b'), "{notation}");
    assert!(
        notation.contains(r#"-- "caf\xc2e \x1b[2J-\x2d" --"#),
        "{notation}"
    );
    assert_eq!(
        decode_any(&input, Some("p22")).unwrap().pdus[0].kind,
        "InformationObject"
    );
    let error = decode_any(&input, Some("MTS-APDU")).unwrap_err();
    assert!(error.offset > 0, "{error}");
    assert!(decode_any(&input, Some("nonsense")).is_err());
    assert!(decode_any(&Bytes::new(), None).is_err());
    let broken = twice.slice(..twice.len() - 1);
    assert_eq!(decode_any(&broken, None).unwrap_err().offset, input.len());
}

#[test]
fn what_two_octets_can_claim_stays_small() {
    // An empty descriptor and an unknown body part: with the limit on elements, at most 200 MB.
    for size in [size_of::<ORDescriptor>(), size_of::<BodyPart>()] {
        assert!(size * Limits::DEFAULT.elements <= 200_000_000, "{size}");
    }
}

#[test]
fn profile_modules_say_nothing_banned() {
    assert_eq!(
        check("A ::= SEQUENCE { b INTEGER } -- COMPONENTS OF"),
        Ok(())
    );
    assert!(
        check("A ::= SET {\n  COMPONENTS OF B\n}")
            .unwrap_err()
            .starts_with("line 2")
    );
    assert!(check("A ::= EXTERNAL").is_err());
    assert!(
        check("A ::= NULL\n\nA ::= BOOLEAN")
            .unwrap_err()
            .contains("twice")
    );
}

#[test]
fn an_empty_optional_list_is_read_and_not_written() {
    let trace: TraceInformation = same("6900");
    assert!(trace.is_empty());
    let name = octets("6004 3000 3100");
    let value: ORName = decode(&name).unwrap();
    assert_eq!(value.extension_attributes, Some(SetOf(Vec::new())));
    assert_eq!(encode(&value), octets("6002 3000"));
}

#[test]
fn nothing_is_left_out_where_an_unknown_element_could_be_taken_for_it() {
    let name: ORName = same("6008 3000 3000 3002 0500");
    assert_eq!(name.built_in_domain_defined_attributes, Some(Vec::new()));
    assert_eq!(name.unknown.len(), 1);
}

proptest! {
    #[test]
    fn any_octets_decode_or_are_refused_within_their_length(input in proptest::collection::vec(any::<u8>(), 0..300)) {
        let input = Bytes::from(input);
        if let Err(error) = decode::<MtsApdu>(&input) {
            prop_assert!(error.offset <= input.len());
        }
        if let Ok(shown) = decode_any(&input, None) {
            let _ = (shown.to_json(), shown.to_notation());
        }
    }

    #[test]
    fn integers_and_bits_come_out_as_they_went_in(number: i64, bits in proptest::collection::vec(0_u32..40, 0..8)) {
        prop_assert_eq!(decode::<i64>(&encode(&number)), Ok(number));
        let string = BitString::of(&bits);
        prop_assert_eq!(decode::<BitString>(&encode(&string)), Ok(string.clone()));
        let mut sorted = bits;
        sorted.sort_unstable();
        sorted.dedup();
        prop_assert_eq!(string.ones().collect::<Vec<_>>(), sorted);
    }
}
