//! RFC 2156 section 4.1.1 in ASN.1: which octets each key stands for (X.411 figure 2), its types of
//! strings, its bounds. The octets are written out from the ASN.1 by hand.

use mixgate::asn1::{self, mts::ORAddress};
use mixgate::mixer::address::attributes::{DDA_VALUE, KEYS};
use mixgate::mixer::address::{Attribute, Attributes, Key, imcea, syntax, wire};
use proptest::prelude::*;

use crate::world::or;

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// The octets of `text`, which reads back from them.
fn octets(text: &str) -> String {
    let address = or(text);
    let octets = asn1::encode(&wire::or_address(&address));
    let decoded: ORAddress = asn1::decode(&octets).expect("what we encode");
    assert_eq!(wire::attributes(&decoded), (address, Vec::new()), "{text}");
    hex(&octets)
}

/// The number and the octets of the only extension attribute of `text`, which reads back.
fn extension(text: &str) -> (i64, String) {
    octets(text);
    let address = wire::or_address(&or(text));
    let all = address.extension_attributes.expect("an extension").0;
    assert_eq!(all.len(), 1, "{text}");
    (
        all[0].extension_attribute_type,
        hex(&all[0].extension_attribute_value.0),
    )
}

#[test]
fn s4_1_1_attributes_of_1984_in_their_octets() {
    for (text, expected) in [
        // country-name [APPLICATION 1], administration-domain-name [APPLICATION 2], network-address
        // [0], terminal-identifier [1], private-domain-name [2], organization-name [3],
        // numeric-user-identifier [4].
        (
            "/UA-ID=7/T-ID=tx/X121=234/O=o/PRMD=p/ADMD=x/C=GB/",
            "3021 301f 610413024742 6203130178 8003323334 81027478 a203130170 83016f 840137",
        ),
        // personal-name [5]: surname [0], given-name [1], initials [2], generation-qualifier [3];
        // organizational-unit-names [6], the most significant first; then type and value.
        (
            "/DD.t=v/G=Jo/I=Q/S=Doe/GQ=II/OU=b/OU=a/",
            "3026 301a a510 8003446f65 81024a6f 820151 83024949 a606 130161 130162 3008 3006 130174 130176",
        ),
    ] {
        assert_eq!(octets(text), expected.replace(' ', ""), "{text}");
    }
}

#[test]
fn s4_1_1_domains_of_digits_are_numeric_strings() {
    for (text, expected) in [
        (
            "/PRMD=99/ADMD=400/C=234/",
            "3016 3014 61051203323334 62051203343030 a20412023939",
        ),
        (
            "/PRMD=9a/ADMD= /C=GB/",
            "3013 3011 610413024742 6203130120 a20413023961",
        ),
        ("/ADMD=4 0/C=GB/", "300f 300d 610413024742 62051303342030"),
    ] {
        assert_eq!(octets(text), expected.replace(' ', ""), "{text}");
    }
}

#[test]
fn s4_1_1_attributes_of_1988_in_their_octets() {
    for (text, number, expected) in [
        ("/CN=cn/", 1, "1302636e"),
        ("/CN=*M{200}u/", 2, "14034dc875"),
        ("/O=*{200}u/", 3, "1402c875"),
        ("/S=*{200}u/G=*{201}/", 4, "31078002c8758101c9"),
        ("/OU=b/OU=*{200}a/", 5, "30071402c861140162"),
        ("/DD.t=*{165}/", 6, "3008300614017414 01a5"),
        ("/PD-SERVICE=Post/", 7, "1304506f7374"),
        ("/PD-C=FR/", 8, "13024652"),
        ("/PD-C=250/", 8, "1203323530"),
        ("/PD-CODE=BA2 7AY/", 9, "130742413220374159"),
        ("/PD-CODE=2000/", 9, "120432303030"),
        ("/PD-OFFICE=Bath/", 10, "3106130442617468"),
        ("/PD-OFFICE-NUM=7/", 11, "3103130137"),
        ("/PD-EXT-ADDRESS=2nd/", 12, "31051303326e64"),
        ("/PD-PN=Jo*J{200}o/", 13, "310913024a6f14034ac86f"),
        ("/PD-O=*{165}/", 14, "31031401a5"),
        ("/PD-EXT-DELIVERY=x/", 15, "3103130178"),
        ("/PD-ADDRESS=a|b*{165}/", 16, "310b300613016113016214 01a5"),
        ("/PD-STREET=s/", 17, "3103130173"),
        ("/PD-BOX=1/", 18, "3103130131"),
        ("/PD-RESTANTE=r/", 19, "3103130172"),
        ("/PD-UNIQUE=u/", 20, "3103130175"),
        ("/PD-LOCAL=l/", 21, "310313016c"),
        ("/NET-NUM=49/NET-SUB=1/", 22, "300780023439810131"),
        ("/NET-NUM=49/", 22, "300480023439"),
        (
            "/NET-PSAP='31'H$/NS+aa/",
            22,
            "a00ca203040131a305310304 01aa",
        ),
        (
            "/NET-PSAP='31'H$/'32'H$/$/NS+aa|NS+bb/",
            22,
            "a018a003040131a103040132a2020400a308310604 01aa0401bb",
        ),
        ("/T-TY=g3fax(5)/", 23, "020105"),
    ] {
        let (of_type, value) = extension(text);
        let expected = expected.replace(' ', "");
        assert_eq!(of_type, number, "{text}");
        assert_eq!(value, expected, "{text}");
    }
}

#[test]
fn s4_1_1_terminal_types_by_name_by_number_and_by_both() {
    for (name, number) in [
        ("tlx", 3),
        ("ttx", 4),
        ("g3fax", 5),
        ("g4fax", 6),
        ("ia5", 7),
        ("vtx", 8),
    ] {
        for text in [
            name.to_owned(),
            name.to_uppercase(),
            number.to_string(),
            format!("({number})"),
            format!("{name}({number})"),
        ] {
            let mut address = Attributes::new();
            address.push(Key::TTy, text.as_str());
            assert_eq!(syntax::terminal_type(&text), Some(number), "{text}");
            let (back, _) = wire::attributes(&wire::or_address(&address));
            assert_eq!(back.to_string(), format!("/T-TY={name}({number})/"));
        }
    }
    // Others are allowed, and the number decides.
    assert_eq!(extension("/T-TY=(9)/"), (23, "020109".to_owned()));
    assert_eq!(syntax::terminal_type("mine(1000)"), Some(1000));
    for wrong in ["", "fax", "(x)", "g3fax(5", "-1", "70000"] {
        assert_eq!(syntax::terminal_type(wrong), None, "{wrong}");
    }
}

#[test]
fn x411_annex_b_each_attribute_is_kept_to_its_bound() {
    let of_length =
        |row: &mixgate::mixer::address::attributes::KeyRow, printable: usize, teletex: usize| {
            let value = if teletex > 0 {
                format!(
                    "{}*{}{{165}}",
                    "1".repeat(printable),
                    "1".repeat(teletex - 1)
                )
            } else {
                "1".repeat(printable)
            };
            let mut attribute = Attribute::new(row.key, value);
            if row.key == Key::Dd {
                attribute.dd_type = "type".to_owned();
            }
            attribute
        };
    let fault = |attribute: &Attribute| {
        syntax::attribute_out_of_bounds(attribute).map(|fault| fault.clause)
    };
    for row in KEYS {
        let (printable, teletex) = row.bound;
        if printable == usize::MAX {
            continue;
        }
        assert_eq!(
            fault(&of_length(row, printable, teletex)),
            None,
            "{}",
            row.name
        );
        let longer = of_length(row, printable + 1, 0);
        assert_eq!(fault(&longer), Some("X.411 annex B"), "{}", row.name);
        if teletex > 0 {
            let longer = of_length(row, 1, teletex + 1);
            assert_eq!(
                fault(&longer),
                Some("X.411 annex B"),
                "{} in teletex",
                row.name
            );
        }
    }
    let dd = |dd_type: &str, length| fault(&Attribute::domain_defined(dd_type, "v".repeat(length)));
    assert_eq!(dd("eight888", DDA_VALUE), None);
    assert_eq!(dd("nine99999", 1), Some("X.411 annex B"));
    let lines = |count: usize| fault(&Attribute::new(Key::PdAddress, vec!["l"; count].join("|")));
    assert_eq!((lines(6), lines(7)), (None, Some("X.411 annex B")));
}

/// A value of a key, as its encoding has it.
fn value(key: Key) -> BoxedStrategy<String> {
    let pattern = match key {
        Key::X121 | Key::UaId | Key::NetNum => "[0-9]{1,15}",
        Key::NetSub => "[0-9]{1,40}",
        Key::TId | Key::PdService => "[A-Za-z0-9 '()+,./:=?-]{1,16}",
        Key::PdC => "[A-Z]{2}|[0-9]{3}",
        Key::PdCode => "[A-Z0-9 ]{1,16}",
        Key::PdAddress => "[a-zA-Z0-9 ]{1,30}(\\|[a-z/=]{1,30}){0,5}(\\*\\{165\\}x?)?",
        Key::NetPsap => "('([0-9a-f]{2}){1,4}'H/){0,3}NS\\+([0-9a-f]{2}){1,8}",
        Key::TTy => "tlx\\(3\\)|vtx\\(8\\)|\\(1?9\\)",
        _ => "[A-Za-z0-9 /=]{1,30}(\\*\\{165\\}[a-z]{0,9})?|\\*\\{200\\}[a-z]{1,9}",
    };
    proptest::string::string_regex(pattern)
        .expect("a pattern")
        .boxed()
}

/// Addresses of terminals and of postal delivery.
fn address() -> impl Strategy<Value = Attributes> {
    let keys = KEYS.iter().map(|row| row.key);
    let keys = keys.filter(|key| (Key::PdC..=Key::UaId).contains(key));
    let one = |key: Key| proptest::option::of(value(key)).prop_map(move |value| (key, value));
    let all: Vec<_> = keys.map(one).collect();
    all.prop_map(|values| {
        let mut address = Attributes::new();
        address.push(Key::C, "GB");
        address.push(Key::Admd, " ");
        for (key, value) in values {
            let number = address.has(Key::NetNum);
            let contradicts = (key == Key::NetSub && !number) || (key == Key::NetPsap && number);
            if let Some(value) = value.filter(|_| !contradicts) {
                address.push(key, value);
            }
        }
        address
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn s4_1_1_terminals_and_postal_addresses_come_back(address in address()) {
        prop_assert_eq!(address.iter().find_map(syntax::fault), None);
        let octets = asn1::encode(&wire::or_address(&address));
        let decoded: ORAddress = asn1::decode(&octets).expect("what we encode decodes");
        let (back, notes) = wire::attributes(&decoded);
        prop_assert!(notes.is_empty());
        prop_assert_eq!(&back, &address);
        prop_assert_eq!(or(&address.to_string()), address.clone());
        let exchange = imcea::write(&address, "gw.example").map(|mailbox| or(&mailbox.to_string()));
        prop_assert_eq!(exchange, Some(address));
    }
}
