//! An outsider reads what our codec writes, and writes what it reads: rasn, on the same notation.
//!
//! rasn's strictness about strings and its 32-bit object identifier arcs rule it out as the codec of
//! P1 (see asn1/README.md), and make it a good witness: what it accepts is BER by other hands.

// Helpers of tests; clippy knows only functions marked as tests.
#![allow(clippy::unwrap_used)]

mod mail;

use mixgate::asn1::{self, mts};
use rasn::prelude::*;

/// X.411 figure 2.
#[derive(Debug, Clone, PartialEq, AsnType, Encode, Decode)]
#[rasn(delegate, tag(explicit(application, 1)))]
struct Country(PrintableString);

/// X.411 figure 2.
#[derive(Debug, Clone, PartialEq, AsnType, Encode, Decode)]
#[rasn(delegate, tag(explicit(application, 2)))]
struct Admd(PrintableString);

/// X.411 figure 2: a global domain identifier with a printable private domain.
#[derive(Debug, Clone, PartialEq, AsnType, Encode, Decode)]
#[rasn(tag(application, 3))]
struct GlobalDomain {
    country: Country,
    admd: Admd,
    prmd: PrintableString,
}

/// X.411 figure 2: names a message within the whole MTS.
#[derive(Debug, Clone, PartialEq, AsnType, Encode, Decode)]
#[rasn(tag(application, 4))]
struct MtsIdentifier {
    domain: GlobalDomain,
    local: Ia5String,
}

/// X.411 figure 2: a person.
#[derive(Debug, Clone, PartialEq, AsnType, Encode, Decode)]
#[rasn(set)]
struct PersonalName {
    #[rasn(tag(0))]
    surname: PrintableString,
    #[rasn(tag(1))]
    given_name: Option<PrintableString>,
    #[rasn(tag(2))]
    initials: Option<PrintableString>,
    #[rasn(tag(3))]
    generation_qualifier: Option<PrintableString>,
}

fn printable(text: &str) -> PrintableString {
    PrintableString::from_bytes(text.as_bytes()).unwrap()
}

fn theirs() -> MtsIdentifier {
    MtsIdentifier {
        domain: GlobalDomain {
            country: Country(printable("GB")),
            admd: Admd(printable("GOLD 400")),
            prmd: printable("EXAMPLE"),
        },
        local: Ia5String::from_iso646_bytes(b"01J-message-1").unwrap(),
    }
}

fn ours() -> mts::MTSIdentifier {
    mts::MTSIdentifier {
        global_domain_identifier: mts::GlobalDomainIdentifier {
            country_name: mts::CountryName::Iso3166Alpha2Code("GB".into()),
            administration_domain_name: mts::AdministrationDomainName::Printable("GOLD 400".into()),
            private_domain_identifier: Some(mts::PrivateDomainIdentifier::Printable(
                "EXAMPLE".into(),
            )),
        },
        local_identifier: "01J-message-1".into(),
    }
}

#[test]
fn x411_mts_identifier_is_the_same_by_other_hands() {
    let octets = asn1::encode(&ours());
    assert_eq!(octets, rasn::ber::encode(&theirs()).unwrap());
    assert_eq!(
        rasn::ber::decode::<MtsIdentifier>(&octets).unwrap(),
        theirs()
    );
    assert_eq!(asn1::decode::<mts::MTSIdentifier>(&octets).unwrap(), ours());
}

#[test]
fn x411_personal_name_is_the_same_by_other_hands() {
    let name = mts::PersonalName {
        surname: "Smith".into(),
        given_name: Some("Jo".into()),
        initials: None,
        generation_qualifier: Some("II".into()),
        ..mts::PersonalName::default()
    };
    let octets = asn1::encode(&name);
    let read: PersonalName = rasn::ber::decode(&octets).unwrap();
    assert_eq!(read.surname, printable("Smith"));
    assert_eq!(read.given_name, Some(printable("Jo")));
    assert_eq!(read.initials, None);
    assert_eq!(read.generation_qualifier, Some(printable("II")));
    let written = rasn::ber::encode(&read).unwrap();
    assert_eq!(
        asn1::decode::<mts::PersonalName>(&written.into()).unwrap(),
        name
    );
}
