//! RFC 2156 sections 4.1 and 4.2 and appendix F: addresses in text, and tables.

use mixgate::mixer::address::mcgam::{TableKind, Tables};
use mixgate::mixer::address::{or_address, syntax};

use crate::world::{UK_AC, World, or};

#[test]
fn s4_1_1_values_keep_their_encodings() {
    for text in [
        "/CN=yen*{165}/C=GB/",
        "/PD-ADDRESS=The Dome|The Square|Richmond|England/C=GB/",
    ] {
        let address = or(text);
        assert_eq!(address.iter().find_map(syntax::fault), None, "{text}");
        assert!(
            address
                .to_string()
                .starts_with(text.trim_end_matches("C=GB/"))
        );
    }
    let fault = |text: &str| or(text).iter().find_map(syntax::fault);
    assert!(fault("/UA-ID=12a/").is_some());
    assert!(fault("/O=a{1}b/").is_some());
    assert!(fault("/T-TY=g3fax(5)/").is_none() && fault("/T-TY=fax/").is_some());
}

#[test]
fn s4_1_1_alternative_keywords_are_read_and_never_written() {
    for (alternative, written) in [
        ("/A=x/P=y/Q=IV/S=s/", "/S=s/GQ=IV/PRMD=y/ADMD=x/"),
        (
            "/X.121=123/N-ID=4/E.164=49/",
            "/UA-ID=4/X121=123/NET-NUM=49/",
        ),
        (
            "/PD-OFFICE NUMBER=7/PD-OF=Bath/",
            "/PD-OFFICE-NUM=7/PD-OFFICE=Bath/",
        ),
        ("/DDA.a=b/DDA:c=d/DD:e=f/", "/DD.a=b/DD.c=d/DD.e=f/"),
        (
            "/PD-PC=1/PD-SN=x/PD-EA=1/PD-ED=2/",
            "/PD-EXT-DELIVERY=2/PD-EXT-ADDRESS=1/PD-SERVICE=x/PD-CODE=1/",
        ),
    ] {
        assert_eq!(or(alternative).to_string(), written);
    }
}

#[test]
fn s4_1_1_ordered_keywords_exclude_the_plain_ones() {
    assert_eq!(or("/OU2=b/OU1=a/O=o/").to_string(), "/OU=b/OU=a/O=o/");
    assert_eq!(or("/PD-A1=x/PD-A2=y/").to_string(), "/PD-ADDRESS=x|y/");
    assert_eq!(or("/DD2.k=2/DD1.j=1/").to_string(), "/DD.k=2/DD.j=1/");
    for wrong in [
        "/OU=a/OU1=b/",
        "/PD-A=a/PD-A1=b/",
        "/DD.a=1/DD1.b=2/",
        "/OU1=a/OU1=b/",
        "/OU5=a/",
    ] {
        assert!(or_address::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn s4_1_3_separators_and_quoting() {
    let expected = "/S=Kille/O=Isode/PRMD=x/ADMD= /C=GB/";
    for text in [
        "C=GB; A= ; P=x; O=Isode; S=Kille",
        "c=gb;prmd=x;o=Isode;s=Kille;",
        "/C=GB;A= /P=x;O=Isode/S=Kille",
        "S=Kille/O=Isode/P=x/C=GB",
    ] {
        assert!(
            syntax::equivalent(&or(text), &or(expected)),
            "{text} reads {}",
            or(text)
        );
    }
    let quoted = or("/DD.a$=b=c$/d/");
    assert_eq!(
        (quoted.domain_defined("a=b"), quoted.to_string().as_str()),
        (Some("c/d"), "/DD.a$=b=c$/d/")
    );
    assert_eq!(
        or_address::f401(&or("/G=Jo/S=B/OU=u2/OU=u1/O=o/PRMD=p/ADMD=a/C=GB/")),
        "G=Jo; S=B; OU2=u2; OU1=u1; O=o; P=p; A=a; C=GB"
    );
}

#[test]
fn s4_1_3_faults_say_where() {
    for (text, offset) in [
        ("/S=a/XX=b/", 5),
        ("/S=a/S=b/", 5),
        ("/S=a/O/", 5),
        ("/S=a=b/", 4),
        ("/S=a_b/", 4),
        ("/S=a$", 4),
        ("/=a/", 1),
        ("", 0),
    ] {
        assert_eq!(
            or_address::parse(text).expect_err(text).offset(),
            offset,
            "{text}"
        );
    }
}

#[test]
fn s4_1_3_a_country_without_admd_has_the_admd_of_one_space() {
    assert_eq!(or("/O=x/C=GB/").to_string(), "/O=x/ADMD= /C=GB/");
}

#[test]
fn s4_2_the_hierarchies_below_a_pair_are_one() {
    let world = World::with_pairs(&[UK_AC, ("HNE.EGM", "O$HNE.PRMD$@.ADMD$ECQ.C$TC")]);
    world.symmetrical(
        "x.y@R-D.Salford.AC.UK",
        "/I=x/S=y/OU=R-D/O=Salford/PRMD=UK.AC/ADMD=GOLD 400/C=GB/",
    );
    // An omitted level is skipped.
    world.symmetrical("s@ZI.HNE.EGM", "/S=s/OU=ZI/O=HNE/ADMD=ECQ/C=TC/");
}

#[test]
fn s4_2_a_lower_point_overrides() {
    let world = World::with_pairs(&[
        UK_AC,
        ("cs.example.net", r"O$UCL.PRMD$UK\.AC.ADMD$GOLD 400.C$GB"),
    ]);
    world.symmetrical(
        "a@cs.example.net",
        "/S=a/O=UCL/PRMD=UK.AC/ADMD=GOLD 400/C=GB/",
    );
    world.symmetrical("a@Bath.AC.UK", "/S=a/O=Bath/PRMD=UK.AC/ADMD=GOLD 400/C=GB/");
}

#[test]
fn app_f_tables_tell_file_and_line() {
    let mut tables = Tables::default();
    let text = "# a comment\n\nAC.UK#PRMD$UK\\.AC.ADMD$GOLD 400.C$GB#\nxerox.com#O$Xerox.ADMD$ATT.C$US#\nbad_domain#C$GB#\nx.org#C$GB\nAC.UK#C$GB#\ny.org#PRMD$seventeen letters.ADMD$h.C$US#\n";
    let faults = tables
        .load(TableKind::Table1, "table1", text)
        .expect_err("faults");
    let places: Vec<(usize, usize)> = faults
        .iter()
        .map(|fault| (fault.line, fault.column))
        .collect();
    assert_eq!(places, [(4, 11), (5, 1), (6, 11), (7, 1), (8, 7)]);
    assert!(faults[0].text.contains("PRMD$@"), "{}", faults[0]);
    assert!(faults[3].text.contains("table1:3"), "{}", faults[3]);
    assert_eq!(tables.table1.len(), 1, "good lines count all the same");
    let both = tables
        .load(TableKind::Gate1, "gate1", "ac.uk#C$GB#")
        .expect_err("in both tables");
    assert!(
        both[0].to_string().starts_with("gate1:1:1: "),
        "{}",
        both[0]
    );
}

#[test]
fn app_f_4_the_longest_match_counts() {
    let world = World::new(
        "/C=GB/O=g/",
        &[(
            TableKind::Table1,
            "K.L#ADMD$kl.C$XX#\nJ.K.L#ADMD$jkl.C$XX#\n",
        )],
    );
    let lookup = |domain: &str| {
        world
            .tables
            .table1
            .lookup(domain)
            .map(|found| (found.place.to_string(), found.rest.to_owned()))
    };
    assert_eq!(lookup("A.B.C"), None);
    assert_eq!(lookup("i.j.k.l"), Some(("t:2".into(), "i".into())));
    assert_eq!(lookup("xk.l"), None);
    assert_eq!(lookup("k.l"), Some(("t:1".into(), String::new())));
}

#[test]
fn app_f_the_starter_tables_load_and_so_do_their_examples() {
    let files = [
        (TableKind::Table1, include_str!("../../mappings/table1")),
        (TableKind::Table2, include_str!("../../mappings/table2")),
        (TableKind::Gate1, include_str!("../../mappings/gate1")),
        (TableKind::Gate2, include_str!("../../mappings/gate2")),
    ];
    let mut tables = Tables::default();
    for (kind, text) in files {
        assert_eq!(tables.load(kind, "starter", text), Ok(()));
        assert_eq!(tables.table1.len() + tables.gate1.len(), 0, "all commented");
    }
    for (kind, text) in files {
        let examples = text
            .lines()
            .filter_map(|line| line.strip_prefix('#'))
            .filter(|line| !line.starts_with(' '));
        let examples: Vec<&str> = examples.filter(|line| line.ends_with('#')).collect();
        assert!(!examples.is_empty());
        assert_eq!(tables.load(kind, "starter", &examples.join("\n")), Ok(()));
    }
    assert_eq!((tables.table1.len(), tables.table2.len()), (2, 2));
}
