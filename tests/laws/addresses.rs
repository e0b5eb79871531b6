//! Addresses: text comes back as itself, and 4.3.4 after 4.3.5 is the identity.

use mixgate::asn1::{self, mts::ORAddress};
use mixgate::mixer::address::mcgam::{TableKind, Tables};
use mixgate::mixer::address::{
    Attribute, Attributes, Key, Role, or_address, syntax, to_rfc822, to_x400, wire,
};
use mixgate::mixer::context::{Context, Gateway, PeerProfile};
use mixgate::rfc822::address::AddrSpec;
use proptest::prelude::*;

const TABLES: &[(&str, &str)] = &[
    ("ac.uk", r"PRMD$UK\.AC.ADMD$GOLD 400.C$GB"),
    ("cs.example.net", r"O$UCL.PRMD$UK\.AC.ADMD$GOLD 400.C$GB"),
    ("example.de", "PRMD$@.ADMD$ .C$DE"),
    ("widget.com", "O$Widget.PRMD$@.ADMD$BTT.C$US"),
    ("fr", "ADMD$atlas.C$FR"),
];

fn tables() -> Tables {
    let mut tables = Tables::default();
    for (domain, point) in TABLES {
        let (one, two) = (format!("{domain}#{point}#"), format!("{point}#{domain}#"));
        tables
            .load(TableKind::Table1, "table1", &one)
            .expect("a line");
        tables
            .load(TableKind::Table2, "table2", &two)
            .expect("a line");
    }
    tables
}

fn with_context<T>(check: impl FnOnce(&Context<'_>) -> T) -> T {
    let (gateway, tables, peer) = (Gateway::default(), tables(), PeerProfile::default());
    check(&Context {
        id: "01J00000000000000000000000".into(),
        now: "2026-01-02T03:04:05+00:00[+00:00]".parse().expect("a time"),
        gateway: &gateway,
        tables: &tables,
        peer: &peer,
    })
}

/// A value as the key table encodes it.
fn value(most: usize) -> impl Strategy<Value = String> {
    let printable =
        proptest::string::string_regex("[A-Za-z0-9 '()+,./:=?-]{1,8}").expect("a pattern");
    let teletex = proptest::collection::vec(any::<u8>(), 1..4);
    (printable, teletex, 0..8u8).prop_map(move |(printable, teletex, kind)| {
        let forms = syntax::Forms {
            printable: (kind != 0).then(|| printable.bytes().take(most).collect()),
            teletex: (kind < 2).then(|| teletex.into_iter().take(most).collect()),
        };
        forms.text()
    })
}

/// Whole addresses, many of them at or below the points of the tables.
fn or_address() -> impl Strategy<Value = Attributes> {
    let top = prop_oneof![
        Just(("GB", "GOLD 400", Some("UK.AC"), None)),
        Just(("GB", "gold 400", Some("uk.ac"), Some("UCL"))),
        Just(("DE", " ", None, None)),
        Just(("DE", "", Some("p"), Some("o-o"))),
        Just(("US", "BTT", None, Some("widget"))),
        Just(("FR", "atlas", Some("x"), None)),
        Just(("IT", "MASTER400", None, None)),
    ];
    let rest = (
        proptest::option::of(value(64)),
        proptest::collection::vec(value(32), 0..4),
        proptest::option::of((
            value(40),
            proptest::option::of(value(16)),
            proptest::option::of(value(5)),
            proptest::option::of(value(3)),
        )),
        proptest::option::of(value(64)),
        proptest::collection::vec(("[A-Za-z.=/]{1,8}", value(128)), 0..4),
        proptest::option::of("[0-9]{1,15}"),
    );
    (top, rest).prop_map(|((c, admd, prmd, o), (o2, units, name, cn, dds, number))| {
        let mut address = Attributes::new();
        address.push(Key::C, c);
        address.push(Key::Admd, admd);
        prmd.into_iter()
            .for_each(|prmd| address.push(Key::Prmd, prmd));
        o.map(str::to_owned)
            .or(o2)
            .into_iter()
            .for_each(|o| address.push(Key::O, o));
        units
            .into_iter()
            .for_each(|unit| address.push(Key::Ou, unit));
        if let Some((surname, given, initials, qualifier)) = name {
            address.push(Key::S, surname);
            given.into_iter().for_each(|g| address.push(Key::G, g));
            initials.into_iter().for_each(|i| address.push(Key::I, i));
            qualifier.into_iter().for_each(|q| address.push(Key::Gq, q));
        } else {
            address.push(Key::S, "x");
        }
        cn.into_iter().for_each(|cn| address.push(Key::Cn, cn));
        dds.into_iter()
            .for_each(|(t, v)| address.push_domain_defined(t, v));
        number
            .into_iter()
            .for_each(|number| address.push(Key::UaId, number));
        address
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn s4_1_3_text_comes_back(address in or_address()) {
        prop_assert_eq!(or_address::parse(&address.to_string()), Ok(address.clone()));
        prop_assert_eq!(or_address::parse_input(&or_address::f401(&address)), Ok(address));
    }

    #[test]
    fn s4_1_1_asn_1_comes_back(address in or_address()) {
        let first = wire::or_address(&address);
        let octets = asn1::encode(&first);
        let decoded: ORAddress = asn1::decode(&octets).expect("what we encode decodes");
        prop_assert_eq!(&decoded, &first);
        let (back, notes) = wire::attributes(&decoded);
        prop_assert!(notes.is_empty());
        // Attributes of one domain-defined type may swap: printable ones come first.
        let sorted = |address: &Attributes| {
            let mut lines: Vec<String> = address.iter().map(|a| format!("{:?} {} {}", a.key, a.dd_type, a.value).to_lowercase()).collect();
            lines.sort();
            lines
        };
        // What ASN.1 cannot say: a sequence of units, or a name, of which one part has no printable
        // form and another both; two attributes of one type in different forms.
        let forms = |keys: &[Key]| {
            let all = address.iter().filter(|a| keys.contains(&a.key)).filter_map(|a| syntax::forms(&a.value));
            all.collect::<Vec<_>>()
        };
        let mixed = [forms(&[Key::Ou]), forms(&[Key::S, Key::G, Key::I, Key::Gq])].iter().any(|forms| {
            forms.iter().any(|f| f.printable.is_none()) && forms.iter().any(|f| f.printable.is_some() && f.teletex.is_some())
        });
        let mut types: Vec<String> = address.iter().map(|a| a.dd_type.to_lowercase()).filter(|t| !t.is_empty()).collect();
        types.sort();
        let types_repeat = types.windows(2).any(|pair| pair[0] == pair[1]);
        prop_assert!(mixed || types_repeat || sorted(&back) == sorted(&address), "{} gives {}", address, back);
        prop_assert_eq!(&wire::attributes(&wire::or_address(&back)).0, &back, "once in order, it stays");
    }

    #[test]
    fn s4_3_4_after_4_3_5_is_the_identity(address in or_address()) {
        with_context(|context| {
            let there = to_rfc822::map(context, &address, Role::Recipient).expect("every address has a mailbox");
            // The mailbox survives being written and read.
            let mailbox: AddrSpec = there.value.to_string().parse().expect("a mailbox");
            let back = to_x400::map(context, &mailbox, Role::Recipient).expect("and that one an address");
            prop_assert!(
                syntax::equivalent(&back.value, &address),
                "{} ({}) gives {}", there.value, there.rule, back.value
            );
            Ok(())
        })?;
    }

    #[test]
    fn s4_3_5_after_4_3_4_is_the_identity(local in "[A-Za-z0-9._%!#$&'*+/=?^`{|}~ ()@\\\\\"-]{1,30}", host in "[a-z]{1,3}(-[a-z]{1,3})?", domain in 0..TABLES.len() + 1) {
        with_context(|context| {
            let under = TABLES.get(domain).map_or("example.org", |(domain, _)| domain);
            let mailbox = AddrSpec::new(local, format!("{host}.{under}")).expect("a mailbox");
            let there = to_x400::map(context, &mailbox, Role::Heading).expect("every mailbox has an address");
            let back = to_rfc822::map(context, &there.value, Role::Heading).expect("and that one a mailbox");
            // An O/R address in the local part may come back in its plain form.
            let again = to_x400::map(context, &back.value, Role::Heading).expect("mapped");
            prop_assert!(
                back.value.is_same_mailbox(&mailbox) || syntax::equivalent(&again.value, &there.value),
                "{mailbox} gives {} ({}) gives {}", there.value, there.rule, back.value
            );
            Ok(())
        })?;
    }

    #[test]
    fn anything_may_be_read(text in "\\PC{0,60}|[/;=$A-Z0-9a-z .*{}|-]{0,60}") {
        let _ = or_address::parse_input(&text).map(|address| {
            let _ = address.iter().find_map(syntax::fault);
            let _ = syntax::out_of_bounds(&address);
            with_context(|context| to_rfc822::map(context, &address, Role::Heading).map(|mapped| {
                assert!(!mapped.value.to_string().chars().any(char::is_control));
            }))
        });
    }

    #[test]
    fn any_attributes_have_a_mailbox_without_control_characters(dd_type in any::<String>(), text in any::<String>()) {
        let mut address: Attributes = [Attribute::new(Key::C, text.clone()), Attribute::domain_defined(dd_type, text.clone())].into_iter().collect();
        address.push_domain_defined("RFC-822", text);
        with_context(|context| {
            if let Ok(mapped) = to_rfc822::map(context, &address, Role::Heading) {
                assert!(!mapped.value.to_string().chars().any(char::is_control));
            }
        });
    }
}
