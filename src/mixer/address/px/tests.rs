//! RFC 2163 clause by clause, with every example it prints.

use super::*;

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

fn domain(text: &str) -> String {
    to_domain(prefix(text).levels()).unwrap()
}

/// A record of what zone files say after `IN PX`, as it comes out of octets again.
fn record(text: &str) -> Record {
    let record: Record = text.parse().unwrap();
    assert_eq!(Record::decode(&record.encode()), Ok(record.clone()));
    assert_eq!(record.to_string().parse(), Ok(record.clone()));
    record
}

#[test]
fn s4_rdata_is_a_preference_and_two_names() {
    let rdata = b"\x00\x32\x02ab\x02fr\x00\x07PRMD-ab\x07ADMD-ac\x04C-fr\x00";
    let record = Record::decode(rdata).unwrap();
    assert_eq!(record.to_string(), "50 ab.fr. PRMD-ab.ADMD-ac.C-fr.");
    assert_eq!(record.encode(), rdata);
    let gateway = b"\x00\x0a\x02my\x02it\x00\x04C-it\x01G\x00";
    let record = Record::decode(gateway).unwrap();
    assert_eq!(record.to_string(), "10 my.it. C-it.G.");
    assert_eq!(record.encode(), gateway);
}

#[test]
fn s4_rdata_of_strangers_costs_a_fault_and_no_more() {
    let long = [
        b"\0\0".as_slice(),
        &b"\x3faaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".repeat(5),
    ]
    .concat();
    for (rdata, said) in [
        (b"\x00".as_slice(), "ends in the preference"),
        (b"\0\0", "ends in MAP822"),
        (b"\0\0\x02a", "ends in MAP822"),
        (b"\0\0\x01a\0", "ends in MAPX400"),
        (b"\0\0\xc0\x0c\x04C-it\0", "MAP822 is compressed"),
        (b"\0\0\x01a\x02it\0\xc0\x0c", "MAPX400 is compressed"),
        (b"\0\0\x41a\0", "unknown kind"),
        (b"\0\0\x03a.b\0\x04C-it\0", "octet 0x2e"),
        (b"\0\0\0\x04C-it\0", "is no domain"),
        (b"\0\0\x01a\0\0", "names no attribute"),
        (b"\0\0\x01a\0\x04C-it\0x", "1 octets after"),
        (b"\0\0\x01a\0\x05O-top\0", "O where C"),
        (&long, "more than 253"),
    ] {
        let fault = Record::decode(rdata).unwrap_err();
        assert!(fault.text.contains(said), "{rdata:?}: {fault}");
    }
}

#[test]
fn s4_1_wildcard_and_exact_records_read() {
    let wild = record("10 net2.it. PRMD-net2.ADMD-p400.C-it.");
    assert_eq!(wild.address(), &prefix("PRMD$net2.ADMD$p400.C$it"));
    assert_eq!((wild.domain(), wild.preference), ("net2.it", 10));
    let exact = record("10 ab.net2.it. O-ab.PRMD-net2.ADMDb.C-it.");
    assert_eq!(exact.address(), &prefix("O$ab.PRMD$net2.ADMD$ .C$it"));
}

#[test]
fn s4_2_1_the_examples_translate_there_and_back() {
    for (level_text, label_text) in [
        ("PRMD$@", "PRMD"),
        ("ADMD$ ", "ADMDb"),
        ("ADMD$400-net", "ADMD-400-h-net"),
        (r"PRMD$UK\.BD", "PRMD-UK-d-BD"),
        (r"O$ACME Inc\.", "O-ACME-b-Inc-d"),
        ("PRMD$main-400-a", "PRMD-main-h-400-h-a"),
        ("O$-123-b", "O--h-123-h-b"),
        ("OU$123-x", "OU-123-h-x"),
        ("PRMD$Adis+co", "PRMD-Adis-043-co"),
    ] {
        assert_eq!(domain(level_text), label_text);
        assert_eq!(level(label_text).unwrap(), level_text);
    }
    for (address, name) in [
        (
            r"OU$uuu.O$@.PRMD$ppp\.rrr.ADMD$aaa ddd-mmm.C$cc",
            "OU-uuu.O.PRMD-ppp-d-rrr.ADMD-aaa-b-ddd-h-mmm.C-cc",
        ),
        (
            r"OU$sales dept\..O$@.PRMD$ACME.ADMD$ .C$GB",
            "OU-sales-b-dept-d.O.PRMD-ACME.ADMDb.C-GB",
        ),
    ] {
        assert_eq!(domain(address), name);
        assert_eq!(from_domain(name), Ok(prefix(address)));
    }
}

#[test]
fn s4_2_2_labels_are_read_from_left_to_right() {
    // Values that look like escapes, end in what is escaped, or hold nothing else.
    for value in [
        "h-x",
        "a-h",
        "a-",
        "--",
        "b b-b.b",
        "x-043-y",
        "+",
        "h",
        " x",
        "x ",
        "a.-+",
        "'()+,-./:=?",
    ] {
        let text = format!("O${}.PRMD$@.ADMD$ .C$GB", value.replace('.', "\\."));
        assert_eq!(from_domain(&domain(&text)), Ok(prefix(&text)), "{text}");
        assert!(domain(&text).split('.').all(is_domain_syntax), "{text}");
    }
}

#[test]
fn s4_2_2_labels_have_no_case() {
    let read = from_domain("ou-A-B-c.O.prmd-uk-D-ac.admdB.c-GB.");
    assert_eq!(read, Ok(prefix(r"OU$A c.O$@.PRMD$uk\.ac.ADMD$ .C$GB")));
}

#[test]
fn s4_2_labels_that_name_no_attribute_are_refused() {
    for (name, said) in [
        ("X-a.C-it", "`X-a` names no attribute"),
        ("O-.PRMD.ADMD-a.C-it", "no value in `O-`"),
        ("PRMD-a-x-y.ADMDb.C-it", "`-x-`"),
        ("PRMD-a-064-y.ADMDb.C-it", "`-064-`"),
        ("PRMD-a-43-y.ADMDb.C-it", "`-43-`"),
        ("PRMD-a_y.ADMDb.C-it", "'_'"),
        ("O-skipped.ADMDb.C-it", "`PRMD$@`"),
        ("OU.O.PRMD.ADMDb.C-it", "OU cannot be omitted"),
        ("", "names no attribute"),
    ] {
        let fault = from_domain(name).unwrap_err();
        assert!(fault.text.contains(said), "{name}: {fault}");
    }
    let fault = |text: &str| to_domain(prefix(text).levels()).unwrap_err().text;
    assert!(fault("~ROLE$Chief.C$US").contains("no label"));
    assert!(fault("O$.C$US").contains("no value"));
    assert!(fault(&format!("O${}.C$US", "+".repeat(20))).contains("63 octets"));
}

#[test]
fn s4_2_3_the_country_ends_the_name_and_is_not_repeated() {
    for (address, name) in [
        ("ADMD$acme.C$fr", "ADMD-acme.X42D.fr"),
        (r"PRMD$ux\.av.ADMD$ .C$gb", "PRMD-ux-d-av.ADMDb.X42D.gb"),
        (
            "PRMD$ppb.ADMD$Dat 400.C$de",
            "PRMD-ppb.ADMD-Dat-b-400.X42D.de",
        ),
        ("C$de", "X42D.de"),
    ] {
        assert_eq!(owner(prefix(address).levels()).unwrap(), name);
        assert_eq!(from_owner(&format!("{name}.")), Ok(prefix(address)));
    }
    assert!(owner(prefix("ADMD$a.C$208").levels()).is_err());
    assert!(from_owner("ADMD-acme.C-fr").is_err());
}

#[test]
fn s4_3_lines_of_tables_become_lines_of_zones() {
    use TableKind::{Gate1, Gate2, Table1, Table2};
    for (kind, address, domain, line) in [
        (
            Table2,
            "PRMD$ab.ADMD$ac.C$fr",
            "ab.fr",
            "*.PRMD-ab.ADMD-ac.X42D.fr. IN PX 50 ab.fr. PRMD-ab.ADMD-ac.C-fr.",
        ),
        (
            Table1,
            "PRMD$ab.ADMD$ac.C$fr",
            "ab.fr",
            "*.ab.fr. IN PX 50 ab.fr. PRMD-ab.ADMD-ac.C-fr.",
        ),
        (
            Table2,
            "ADMD$acme.C$it",
            "it",
            "*.ADMD-acme.X42D.it. IN PX 50 it. ADMD-acme.C-it.",
        ),
        (
            Table2,
            "PRMD$accred.ADMD$tx400.C$it",
            "accred.it",
            "*.PRMD-accred.ADMD-tx400.X42D.it. IN PX 50 accred.it. PRMD-accred.ADMD-tx400.C-it.",
        ),
        (
            Table2,
            "O$u-newcity.PRMD$x4net.ADMD$ .C$it",
            "cs.ncty.it",
            "*.O-u-h-newcity.PRMD-x4net.ADMDb.X42D.it. IN PX 50 cs.ncty.it. O-u-h-newcity.PRMD-x4net.ADMDb.C-it.",
        ),
        (
            Table1,
            "PRMD$nrc.ADMD$acme.C$it",
            "nrc.it",
            "*.nrc.it. IN PX 50 nrc.it. PRMD-nrc.ADMD-acme.C-it.",
        ),
        (
            Table1,
            "O$@.PRMD$ninp.ADMD$acme.C$it",
            "ninp.it",
            "*.ninp.it. IN PX 50 ninp.it. O.PRMD-ninp.ADMD-acme.C-it.",
        ),
        (
            Table1,
            r"PRMD$uk\.bd.ADMD$ .C$it",
            "bd.it",
            "*.bd.it. IN PX 50 bd.it. PRMD-uk-d-bd.ADMDb.C-it.",
        ),
        (
            Gate2,
            "ADMD$XKW-Mail.C$it",
            "XKW-gateway.it",
            "*.ADMD-XKW-h-Mail.X42D.it. IN PX 50 XKW-gateway.it. ADMD-XKW-h-Mail.C-it.G.",
        ),
        (
            Gate2,
            "PRMD$Super Inc.ADMD$ .C$it",
            "GlobalGw.it",
            "*.PRMD-Super-b-Inc.ADMDb.X42D.it. IN PX 50 GlobalGw.it. PRMD-Super-b-Inc.ADMDb.C-it.G.",
        ),
        // These two stand without a wildcard in the RFC, which section 4.1 advises against.
        (
            Gate1,
            "OU$int-gw.O$@.PRMD$ninp.ADMD$acme.C$it",
            "my.it",
            "*.my.it. IN PX 50 my.it. OU-int-h-gw.O.PRMD-ninp.ADMD-acme.C-it.G.",
        ),
        (
            Gate1,
            "O$mhs-relay.PRMD$x4net.ADMD$ .C$it",
            "co.it",
            "*.co.it. IN PX 50 co.it. O-mhs-h-relay.PRMD-x4net.ADMDb.C-it.G.",
        ),
    ] {
        assert_eq!(zone_line(kind, domain, prefix(address)).unwrap(), line);
        let (_, rdata) = line.split_once(" IN PX ").unwrap();
        let read = record(rdata);
        assert_eq!((read.domain(), read.address()), (domain, &prefix(address)));
        assert_eq!(read.gateway(), matches!(kind, Gate1 | Gate2));
    }
}

#[test]
fn s4_4_the_flag_marks_gateways() {
    assert!(record("50 intGw.com. ADMD-PWT400.C-us.G.").gateway());
    assert!(record("50 mw. O-cce.PRMD-nrc.ADMD-acme.C-it.g.").gateway());
    assert!(!record("50 cce.nrc.it. O-cce.PRMD-nrc.ADMD-acme.C-it.").gateway());
}

#[test]
fn s5_1_the_examples_are_asked_for_by_these_names() {
    let names = names_of_domain("SUN.CCE.NRC.IT");
    assert_eq!(
        names,
        [
            "SUN.CCE.NRC.IT",
            "*.SUN.CCE.NRC.IT",
            "*.CCE.NRC.IT",
            "*.NRC.IT",
            "*.IT"
        ]
    );
    let names = names_of_address(prefix("O$top.PRMD$nfc.ADMD$pkz.C$de").levels());
    assert_eq!(
        names,
        [
            "O-top.PRMD-nfc.ADMD-pkz.X42D.de",
            "*.O-top.PRMD-nfc.ADMD-pkz.X42D.de",
            "*.PRMD-nfc.ADMD-pkz.X42D.de",
            "*.ADMD-pkz.X42D.de",
            "*.X42D.de",
        ]
    );
}

#[test]
fn s5_names_to_ask_are_bounded() {
    let deep = "a.".repeat(100) + "it";
    let names = names_of_domain(&deep);
    assert_eq!(names.len(), MOST_NAMES);
    assert_eq!((&names[0], names.last().unwrap().as_str()), (&deep, "*.it"));
    assert_eq!(names_of_domain("it"), ["it", "*.it"]);
    // What no mapping may name is left away, and with it the name itself.
    assert_eq!(names_of_domain("x.a_b.net.it"), ["*.net.it", "*.it"]);
    assert_eq!(names_of_domain("a_b.it"), ["*.it"]);
    for none in ["a_b", "[192.0.2.1]", "", "a..", "a.b_"] {
        assert!(names_of_domain(none).is_empty(), "{none}");
    }
    // A level that grows too long is left away, and the name of the address above is not its own.
    let long = format!("O${}.PRMD$p.ADMD$ .C$de", "+".repeat(20));
    let names = names_of_address(prefix(&long).levels());
    assert_eq!(
        names,
        ["*.PRMD-p.ADMDb.X42D.de", "*.ADMDb.X42D.de", "*.X42D.de"]
    );
    assert!(names_of_address(prefix("ADMD$a.C$208").levels()).is_empty());
}
