//! Addresses: text comes back as itself, and 4.3.4 after 4.3.5 is the identity.

use std::sync::LazyLock;

use mixgate::asn1::{self, mts::ORAddress};
use mixgate::mixer::address::attributes::{Encoding, KEYS};
use mixgate::mixer::address::mcgam::{TableKind, Tables};
use mixgate::mixer::address::{
    Attribute, Attributes, Key, Role, envelope, or_address, syntax, to_rfc822, to_x400, wire,
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

static TABLES_LOADED: LazyLock<Tables> = LazyLock::new(|| {
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
});
static GATEWAY: LazyLock<Gateway> = LazyLock::new(Gateway::default);
static PEER: LazyLock<PeerProfile> = LazyLock::new(PeerProfile::default);

fn with_context<T>(check: impl FnOnce(&Context<'_>) -> T) -> T {
    check(&Context {
        id: "01J00000000000000000000000".into(),
        now: jiff::Timestamp::UNIX_EPOCH.to_zoned(jiff::tz::TimeZone::UTC),
        gateway: &GATEWAY,
        tables: &TABLES_LOADED,
        peer: &PEER,
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

/// Some of the attributes beside the hierarchy, names, numbers of users and attributes defined by
/// domains: each of its encoding, those that exclude each other apart.
fn others() -> impl Strategy<Value = Vec<Attribute>> {
    let texts = |pattern: &str| {
        proptest::string::string_regex(pattern)
            .expect("a pattern")
            .boxed()
    };
    let one = |key: Key| {
        let value = match key.row().encoding {
            Encoding::Printable if key == Key::PdC => texts("[A-Z]{2}|[0-9]{3}"),
            Encoding::Printable => texts("[A-Za-z0-9 '()+,./:=?-]{1,16}"),
            Encoding::Numeric => texts("[0-9]{1,15}"),
            Encoding::TeletexAndOrPrintable => value(30).boxed(),
            Encoding::PostalAddress => {
                texts("[A-Za-z0-9 ,/=-]{1,9}([|][A-Za-z0-9 .-]{1,9}){0,5}([*][{]2[0-4][0-9][}]x)?")
            }
            Encoding::PresentationAddress => {
                texts("('([0-9a-f]{2}){1,3}'H/){0,3}NS[+]([0-9a-f]{2}){1,4}")
            }
            Encoding::LabelledInteger => proptest::sample::select(syntax::TERMINAL_TYPES)
                .prop_map(|(name, number)| format!("{name}({number})"))
                .boxed(),
        };
        value.prop_map(move |value| Attribute::new(key, value))
    };
    let keys = KEYS.iter().map(|row| row.key);
    let keys = keys.filter(|key| *key > Key::Ou && *key < Key::UaId);
    let any_of = proptest::strategy::Union::new(keys.map(one));
    proptest::collection::vec(any_of, 0..5).prop_map(|mut drawn| {
        drawn.sort_by_key(|attribute| attribute.key);
        drawn.dedup_by_key(|attribute| attribute.key);
        let has = |key: Key| drawn.iter().any(|attribute| attribute.key == key);
        let (number, sub) = (has(Key::NetNum), has(Key::NetSub));
        drawn.retain(|attribute| match attribute.key {
            Key::NetSub => number,
            Key::NetPsap => !number && !sub,
            _ => true,
        });
        drawn
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
        prop_oneof![Just(Vec::new()), others()],
    );
    (top, rest).prop_map(
        |((c, admd, prmd, o), (o2, units, name, cn, dds, number, others))| {
            let mut address: Attributes = others.into_iter().collect();
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
        },
    )
}

proptest! {
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
            // So in an envelope, as an originator.
            let originator = envelope::originator(context, Some(&mailbox)).expect("an originator").value;
            let path = envelope::reverse_path(context, &originator).expect("a path").expect("of someone").value;
            let again = envelope::originator(context, Some(&path)).expect("an originator").value;
            prop_assert!(path.is_same_mailbox(&mailbox) || again == originator, "{mailbox} gives {path}");
            Ok(())
        })?;
    }

    #[test]
    fn rfc1648_3_what_stands_for_a_postmaster_stands_still(level in 0..4usize, both in any::<bool>(), lower in any::<bool>(), top in or_address()) {
        with_context(|context| {
            let ours = level < 3;
            let place: Attributes = if ours {
                context.gateway.address.iter().take(level + 2).cloned().collect()
            } else {
                top.iter().filter(|attribute| attribute.key.in_hierarchy()).cloned().collect()
            };
            let mut address = place;
            let name = if lower { "postmaster" } else { "Postmaster" };
            if both {
                address.push(Key::S, name);
            }
            address.push(Key::Cn, name);
            let mailbox = to_rfc822::map(context, &address, Role::Recipient).expect("a mailbox");
            let back = to_x400::map(context, &mailbox.value, Role::Recipient).expect("an address");
            let again = to_rfc822::map(context, &back.value, Role::Recipient).expect("a mailbox");
            prop_assert_eq!(&again.value, &mailbox.value, "{} by {}", address, mailbox.rule);
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
