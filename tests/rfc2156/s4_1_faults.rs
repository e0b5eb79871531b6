//! RFC 2156 section 4.1: what is wrong with an address, and where in the text of who wrote it.

use std::ops::Range;

use mixgate::mixer::address::{Fault, explain, fault, or_address, syntax};

use crate::world::{World, or};

/// The octets, the clause and the text of the fault that the whole of `text` has.
fn fault_of(text: &str) -> Fault {
    let attributes = match or_address::parse_input(text) {
        Ok(attributes) => attributes,
        Err(fault) => return fault,
    };
    let faults = attributes.iter().find_map(syntax::fault);
    faults
        .or_else(|| syntax::incomplete(&attributes))
        .or_else(|| syntax::out_of_bounds(&attributes))
        .unwrap_or_else(|| panic!("{text} has no fault"))
}

fn holds(cases: &[(&str, Range<usize>, &str, &str)]) {
    for (text, span, clause, words) in cases {
        let fault = fault_of(text);
        assert_eq!(fault.span.as_ref(), Some(span), "{text}: {fault}");
        assert_eq!(fault.clause, *clause, "{text}: {fault}");
        assert!(fault.text.contains(words), "{text}: {fault}");
    }
}

#[test]
fn s4_1_3_faults_count_octets_of_the_text_as_it_was_given() {
    holds(&[
        ("X400:C=GB;XX=b", 10..14, "4.1.1", "`XX` is no keyword"),
        ("  \"/C=GB/XX=b/\"", 9..13, "4.1.1", "`XX` is no keyword"),
        ("x400; /C=GB/O=a/O=b/", 16..19, "4.1.1", "a second O"),
        (r"C=GB\;O=a\;XX=b", 11..15, "4.1.1", "`XX` is no keyword"),
        ("C=GB;O=é", 7..9, "4.1.3", "cannot stand"),
        (
            "IMCEAX400-c=GB+3BXX=b@h",
            17..21,
            "4.1.1",
            "`XX` is no keyword",
        ),
        ("IMCEAX400-c=GB+3@h", 14..15, "IMCEAX400", "hexadecimal"),
        ("(C:gb, SITE:x)", 7..13, "4.1.1", "`SITE` is no keyword"),
        (
            "[RFC-822=\"a(a)b\"]US",
            17..19,
            "4.1.3",
            "PRMD/ADMD/country",
        ),
        ("X400:O$a.XX$b.C$GB", 9..10, "appendix F.3", "XX"),
    ]);
}

#[test]
fn s4_1_1_a_value_of_another_encoding_is_shown() {
    holds(&[
        ("C=GB;A=x;N-ID=12a", 9..17, "4.1.1", "digits"),
        ("C=GB;A=x;O=a{1}b;S=s", 9..16, "4.1.1", "printable"),
        ("/T-TY=fax/A=x/C=GB/", 1..9, "4.1.1", "ia5(7)"),
        ("C=GB;A=x;PSAP=ISDN", 9..18, "4.1.1", "RFC 1278"),
        ("C=GB;A=x;DDA:=y", 9..15, "4.1.3", "without a type"),
        ("C=GB;A=x;DDA:*{200}u=a*b", 9..24, "4.1.3", "one encoding"),
    ]);
}

#[test]
fn x402_18_5_and_annex_b_point_at_the_attribute() {
    holds(&[
        ("C=GB;A=x;G=Jo", 9..13, "X.402 18.3.12", "surname"),
        (
            "C=GB;A=x;P=seventeen letters.",
            9..29,
            "X.411 annex B",
            "PRMD is longer",
        ),
        (
            "C=GB;A=x;OU=5;OU=4;OU=3;OU=2;OU=1",
            9..13,
            "X.411 annex B",
            "four",
        ),
    ]);
    let fault = fault_of("O=a;S=b");
    assert_eq!((fault.span, fault.clause), (None, "X.402 18.5"));
}

#[test]
fn s4_1_3_a_comma_typed_for_a_semicolon_is_told() {
    holds(&[
        ("c=co; a=admd, p=Org", 12..13, "4.1.3", "before `p=`"),
        ("/S=a,OU1=b/C=GB/", 4..5, "4.1.3", "before `OU1=`"),
        ("C=GB;A=x;S=a, DDA:b=c", 12..13, "4.1.3", "before `DDA:b=`"),
        (
            "C=GB;A=x;O=Smith, Jones, S=a",
            23..24,
            "4.1.3",
            "before `S=`",
        ),
    ]);
    // A comma is a character of PrintableString as any other.
    assert_eq!(
        or("C=GB;O=Smith, Jones").to_string(),
        "/O=Smith, Jones/ADMD= /C=GB/"
    );
    assert_eq!(
        or("C=GB;A=x;DDA:k=a,b$=c").domain_defined("k"),
        Some("a,b=c")
    );
}

#[test]
fn s4_1_1_a_numbered_keyword_needs_the_one_before_it() {
    for (text, span, words) in [
        ("/PD-A1=x/PD-A3=y/C=GB/", 9..16, "`PD-A3` without `PD-A2`"),
        ("/OU2=b/O=o/C=GB/", 1..6, "`OU2` without `OU1`"),
        ("/DD3.k=c/DD1.i=a/C=GB/", 1..8, "`DD3` without `DD2`"),
        ("/OU1=a/OU=b/C=GB/", 1..6, "with and without"),
    ] {
        let strict = or_address::parse(text).expect_err(text);
        assert_eq!((strict.span.clone(), strict.clause), (Some(span), "4.1.1"));
        assert!(strict.text.contains(words), "{text}: {strict}");
    }
    assert_eq!(
        or("/OU2=b/OU1=/O=o/").to_string(),
        "/OU=b/OU=/O=o/",
        "empty is there"
    );
}

#[test]
fn x402_18_3_7_a_network_address_is_a_number_or_a_psap() {
    for (text, span) in [
        ("/NET-SUB=12/C=GB/", 1..11),
        ("/NET-NUM=49/NET-PSAP='31'H$/NS+aa/", 12..33),
        ("/PSAP=NS+aa/NET-SUB=1/", 12..21),
    ] {
        let strict = or_address::parse(text).expect_err(text);
        assert_eq!((strict.span, strict.clause), (Some(span), "X.402 18.3.7"));
    }
    let mut merged = or("/NET-NUM=49/");
    merged.push(mixgate::mixer::address::Key::NetPsap, "NS+aa");
    assert_eq!(
        syntax::incomplete(&merged).map(|f| f.clause),
        Some("X.402 18.3.7")
    );
}

#[test]
fn s4_1_3_carets_stand_below_the_place() {
    let carets = |text: &str| fault::carets(text, fault_of(text).span.unwrap());
    assert_eq!(carets("C=GB; XX=b").as_deref(), Some("      ^^^^"));
    assert_eq!(carets("O=é").as_deref(), Some("  ^"));
    assert_eq!(carets(" ").as_deref(), Some("^"));
}

#[test]
fn the_address_command_shows_the_place() {
    let world = World::new("/O=Gateway/PRMD=EXAMPLE/ADMD= /C=GB/", &[]);
    let told = |text: &str| explain::explain(&world.context(), text).to_string();
    assert_eq!(
        told("X400:C=GB; O=Eé; S=b"),
        "X400:C=GB; O=Eé; S=b\n              ^\n  refused: the character 'é' cannot stand in an O/R address (4.1.3)\n"
    );
    let whole = told("C=GB;A=x;OU1=a;N-ID=12a");
    assert!(
        whole.contains(
            "fault: `12a` is not a value of UA-ID: a string of digits at offset 15 (4.1.1)"
        ),
        "{whole}"
    );
    assert!(
        whole.contains("written as labels and semicolons"),
        "{whole}"
    );
    let exchange = told("IMCEAX400-c=US+3Ba=x+3Bs=Doe@gw.example.net");
    assert!(
        exchange.contains("IMCEAX400 of Exchange: S=Doe; A=x; C=US"),
        "{exchange}"
    );
    let inverted = told("C=zz;A=ade;O=o;OU=owe;OU=you;S=s");
    assert!(
        inverted.contains("note:  organizational units: read from the left"),
        "{inverted}"
    );
    let words = told("jane.example.org@");
    assert!(
        words.contains("refused: no mailbox: expected local-part@domain (RFC 5322 3.4.1)"),
        "{words}"
    );
}
