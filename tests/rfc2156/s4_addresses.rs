//! RFC 2156 sections 4.1 to 4.4: addresses in text, tables, and the mapping both ways.

use mixgate::mixer::address::mcgam::{TableKind, Tables};
use mixgate::mixer::address::{Attributes, Role, or_address, syntax, to_rfc822, to_x400};
use mixgate::mixer::context::{Context, Edition, Gateway, PeerProfile};
use mixgate::mixer::outcome::Unconverted;
use mixgate::rfc822::address::AddrSpec;

/// A gateway with tables of its own.
struct World {
    gateway: Gateway,
    tables: Tables,
    peer: PeerProfile,
}

impl World {
    /// A gateway `gw.example.org` at `address`, with the lines of its tables.
    fn new(address: &str, tables: &[(TableKind, &str)]) -> Self {
        let mut loaded = Tables::default();
        for (kind, text) in tables {
            loaded
                .load(*kind, "t", text)
                .expect("a table without fault");
        }
        Self {
            gateway: Gateway {
                name: "gw.example.org".into(),
                address: address.parse().expect("an address"),
                ..Gateway::default()
            },
            tables: loaded,
            peer: PeerProfile::default(),
        }
    }

    /// A gateway with both tables for each pair of a domain and a point.
    fn with_pairs(pairs: &[(&str, &str)]) -> Self {
        let mut world = Self::new("/O=Gateway/PRMD=EXAMPLE/ADMD= /C=GB/", &[]);
        for (domain, point) in pairs {
            let (one, two) = (format!("{domain}#{point}#"), format!("{point}#{domain}#"));
            world
                .tables
                .load(TableKind::Table1, "table1", &one)
                .expect("a line");
            world
                .tables
                .load(TableKind::Table2, "table2", &two)
                .expect("a line");
        }
        world
    }

    fn context(&self) -> Context<'_> {
        Context {
            id: "01J00000000000000000000000".into(),
            now: "2026-01-02T03:04:05+01:00[+01:00]".parse().expect("a time"),
            gateway: &self.gateway,
            tables: &self.tables,
            peer: &self.peer,
        }
    }

    fn x400(&self, mailbox: &str, role: Role) -> String {
        let mapped = to_x400::map(&self.context(), &addr(mailbox), role);
        mapped.map_or_else(|error| error.to_string(), |mapped| mapped.value.to_string())
    }

    fn mailbox(&self, address: &str) -> String {
        let mapped = to_rfc822::map(&self.context(), &or(address), Role::Recipient);
        mapped.map_or_else(|error| error.to_string(), |mapped| mapped.value.to_string())
    }

    /// Both are each other's mapping.
    fn symmetrical(&self, mailbox: &str, address: &str) {
        assert_eq!(self.mailbox(address), mailbox);
        let back = to_x400::map(&self.context(), &addr(mailbox), Role::Recipient).expect("mapped");
        assert!(
            syntax::equivalent(&back.value, &or(address)),
            "{mailbox} gives {}",
            back.value
        );
    }
}

fn addr(text: &str) -> AddrSpec {
    text.parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn or(text: &str) -> Attributes {
    text.parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

const UK_AC: (&str, &str) = ("AC.UK", r"PRMD$UK\.AC.ADMD$GOLD 400.C$GB");
const WIDGET: (&str, &str) = ("Widget.COM", "O$Widget.PRMD$@.ADMD$BTT.C$TC");

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
            or_address::parse(text).expect_err(text).offset,
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
fn s4_3_1_an_equivalent_domain_takes_what_it_can() {
    let world = World::with_pairs(&[WIDGET]);
    world.symmetrical(
        "/I=J/S=Linnimouth/GQ=5/@Marketing.Widget.COM",
        "/I=J/S=Linnimouth/GQ=5/OU=Marketing/O=Widget/ADMD=BTT/C=TC/",
    );
    world.symmetrical(
        "J.Linnimouth@Marketing.Widget.COM",
        "/I=J/S=Linnimouth/OU=Marketing/O=Widget/ADMD=BTT/C=TC/",
    );
}

#[test]
fn s4_3_2_any_rfc_822_attribute_is_a_mailbox() {
    let world = World::with_pairs(&[]);
    for (address, mailbox) in [
        (
            "/RFC-822=Jimmy(a)WIDGET-LABS.CO.UK/OU=CS/O=UCL/PRMD=UK.AC/ADMD=GOLD 400/C=GB/",
            "Jimmy@WIDGET-LABS.CO.UK",
        ),
        (
            "/DD.rfc-822=postel(a)venera.isi.edu/PRMD=42/ADMD=Wizz.mail/C=TC/",
            "postel@venera.isi.edu",
        ),
        (
            "/DD.*rfc-822=*postel(a)isi.edu/PRMD=42/ADMD=W/C=TC/",
            "postel@isi.edu",
        ),
        ("/RFC-822=(a)relay.co.uk:userb(a)host2/C=GB/", "userb@host2"),
    ] {
        assert_eq!(world.mailbox(address), mailbox, "{address}");
    }
    assert!(
        world
            .mailbox("/DD.RFC-822*RFC-822=a(a)b.c*x{064}b.c/C=GB/")
            .contains("differ")
    );
    assert!(
        world
            .mailbox("/RFC-822=x(013)(010)RCPT(a)b.c/C=GB/")
            .contains("no mailbox")
    );
}

#[test]
fn s4_3_2_long_addresses_fill_one_attribute_after_the_other() {
    let world = World::with_pairs(&[]);
    let long = format!("{}@{}.org", "u_".repeat(60), "d".repeat(50));
    let mapped = world.x400(&long, Role::Recipient);
    let lengths: Vec<usize> = or(&mapped)
        .iter()
        .filter(|a| !a.dd_type.is_empty())
        .map(|a| a.value.len())
        .collect();
    assert_eq!(lengths, [128, 128, 41]);
    assert_eq!(world.mailbox(&mapped), long);
    let endless = format!("{}@x.org", "u".repeat(520));
    assert!(world.x400(&endless, Role::Recipient).contains("512"));
    let heading = to_x400::map(&world.context(), &addr(&endless), Role::Heading).expect("cut");
    assert!(
        heading
            .notes
            .iter()
            .any(|note| note.lost && note.section == "5.1.3")
    );
}

#[test]
fn s4_3_3_the_most_significant_stands_on_the_right() {
    let address = or("/DD.b=2/DD.a=1/G=g/S=s/OU=low/OU=high/O=o/C=GB/");
    assert_eq!(
        address
            .all(mixgate::mixer::address::Key::Ou)
            .collect::<Vec<_>>(),
        ["high", "low"]
    );
    assert_eq!(
        address
            .all(mixgate::mixer::address::Key::Dd)
            .collect::<Vec<_>>(),
        ["1", "2"]
    );
    assert_eq!(
        address.to_string(),
        "/DD.b=2/DD.a=1/G=g/S=s/OU=low/OU=high/O=o/ADMD= /C=GB/"
    );
}

#[test]
fn s4_3_4_stage_1_steps_2_and_3_send_strange_local_parts_to_stage_2() {
    let world = World::with_pairs(&[WIDGET]);
    for (mailbox, expected) in [
        (
            "Tom_Harris@Widget.COM",
            "/RFC-822=Tom(u)Harris(a)Widget.COM/O=Widget/ADMD=BTT/C=TC/",
        ),
        (
            "\"a  b\"@Widget.COM",
            "/RFC-822=(q)a  b(q)(a)Widget.COM/O=Widget/ADMD=BTT/C=TC/",
        ),
        (
            "100%user@Widget.COM",
            "/RFC-822=100(p)user(a)Widget.COM/O=Widget/ADMD=BTT/C=TC/",
        ),
    ] {
        assert_eq!(world.x400(mailbox, Role::Recipient), expected);
    }
    assert_eq!(
        world.x400("\"a b\"@Widget.COM", Role::Recipient),
        "/S=a b/O=Widget/ADMD=BTT/C=TC/"
    );
}

#[test]
fn s4_3_4_stage_1_step_3_semicolons_separate() {
    let world = World::with_pairs(&[]);
    assert_eq!(
        world.x400("\"C=GB;A=x;S=y\"@anywhere.org", Role::Recipient),
        "/S=y/ADMD=x/C=GB/"
    );
}

#[test]
fn s4_3_4_stage_1_step_6_a_whole_address_needs_no_domain() {
    let world = World::with_pairs(&[]);
    let text = "\"/S=a/O=b/PRMD=c/ADMD= /C=GB/\"@gw.example.org";
    assert_eq!(
        world.x400(text, Role::Recipient),
        "/S=a/O=b/PRMD=c/ADMD= /C=GB/"
    );
    assert_eq!(
        world.x400("/X121=2342/@gw.example.org", Role::Recipient),
        "/X121=2342/"
    );
}

#[test]
fn s4_3_4_stage_1_step_8_the_left_side_wins() {
    let world = World::with_pairs(&[UK_AC]);
    for (mailbox, expected) in [
        (
            "/S=a/O=Left/@Salford.AC.UK",
            "/S=a/O=Left/PRMD=UK.AC/ADMD=GOLD 400/C=GB/",
        ),
        (
            "/S=a/PRMD=Left/@Salford.AC.UK",
            "/S=a/PRMD=Left/ADMD=GOLD 400/C=GB/",
        ),
        ("/S=a/ADMD=Left/@Salford.AC.UK", "/S=a/ADMD=Left/C=GB/"),
        (
            "/S=a/OU=Left/@CS.Salford.AC.UK",
            "/S=a/OU=Left/OU=CS/O=Salford/PRMD=UK.AC/ADMD=GOLD 400/C=GB/",
        ),
    ] {
        assert_eq!(world.x400(mailbox, Role::Recipient), expected);
    }
}

#[test]
fn s4_3_4_stage_1_step_8_too_deep_a_domain_goes_to_stage_2_with_what_it_gave() {
    let world = World::with_pairs(&[UK_AC]);
    let mapped = world.x400("a@f.e.d.c.b.Salford.AC.UK", Role::Recipient);
    assert_eq!(
        mapped,
        "/RFC-822=a(a)f.e.d.c.b.Salford.AC.UK/OU=e/OU=d/OU=c/OU=b/O=Salford/PRMD=UK.AC/ADMD=GOLD 400/C=GB/"
    );
}

#[test]
fn s4_3_4_stage_2_example_2_no_tables() {
    let world = World::new("/PRMD=relay/ADMD=MCI/C=us/", &[]);
    assert_eq!(
        world.x400("Tom_Harris@cs.widget.com", Role::Heading),
        "/RFC-822=Tom(u)Harris(a)cs.widget.com/PRMD=relay/ADMD=MCI/C=us/"
    );
}

#[test]
fn s4_3_4_stage_2_example_3_a_preferred_gateway_serves_replies_not_errors() {
    let world = World::new(
        "/PRMD=local/ADMD= /C=GB/",
        &[(TableKind::Gate1, "alter.net#PRMD$relay.ADMD$BTglobal.C$gb#")],
    );
    let rfc822 = "/RFC-822=postmaster(a)UK.alter.net/";
    let at = |role| world.x400("postmaster@UK.alter.net", role);
    assert_eq!(
        at(Role::Heading),
        format!("{rfc822}PRMD=relay/ADMD=BTglobal/C=gb/")
    );
    assert_eq!(
        at(Role::Recipient),
        format!("{rfc822}PRMD=relay/ADMD=BTglobal/C=gb/")
    );
    assert_eq!(
        at(Role::ReturnPath),
        format!("{rfc822}PRMD=local/ADMD= /C=GB/")
    );
}

#[test]
fn s4_3_4_a_recipient_that_claims_to_be_x400_at_our_domain_is_refused() {
    let world = World::with_pairs(&[]);
    let refused = to_x400::map(
        &world.context(),
        &addr("/S=a/XX=b/@gw.example.org"),
        Role::Recipient,
    );
    let Err(Unconverted::Refused(refusal)) = refused else {
        panic!("{refused:?}");
    };
    assert!(
        refusal.text.contains("XX") && refusal.text.contains("offset 5"),
        "{refusal}"
    );
    assert_eq!(
        (
            refusal.status.to_string().as_str(),
            refusal.reason,
            refusal.diagnostic
        ),
        ("5.1.3", 1, Some(0))
    );
}

#[test]
fn s4_3_5_b_1_spaces_are_squeezed_for_lookup_only() {
    let world = World::with_pairs(&[("atlas.fr", "PRMD$@.ADMD$atlas.C$FR")]);
    assert_eq!(
        world.mailbox("/S=a/O= two  words /ADMD= ATLAS/C=fr/"),
        "\"/S=a/O= two $ words /\"@atlas.fr"
    );
    assert_eq!(
        world.x400("\"/S=a/O= two $ words /\"@atlas.fr", Role::Recipient),
        "/S=a/O= two  words /ADMD=atlas/C=FR/"
    );
}

#[test]
fn s4_3_5_b_examples() {
    let world = World::with_pairs(&[
        ("Master400.it", "ADMD$master400.C$it"),
        ("autoroutes.fr", "PRMD$autoroutes.ADMD$atlas.C$fr"),
        ("ptpostel.it", "ADMD$PtPostel.C$it"),
    ]);
    // Below a missing PRMD all stays in the local part.
    world.symmetrical(
        "/S=Support/O=sales/@Master400.it",
        "S=Support; O=sales; A=Master400; C=it;",
    );
    world.symmetrical(
        "\"/S=renseignements/O=Region Parisienne/\"@autoroutes.fr",
        "S=renseignements; O=Region Parisienne; P=autoroutes; A=atlas; C=fr;",
    );
    // The order of domain-defined attributes follows 4.3.3.
    world.symmetrical(
        "\"/DD.cap=20100/DD.ph1=Via Larga 11/DD.city=Milano/S=Rossi/\"@ptpostel.it",
        "DD.cap=20100; DD.ph1=Via Larga 11; DDA.city=Milano; S=Rossi; A=PtPostel; C=it;",
    );
}

#[test]
fn s4_3_5_b_3_example_4_a_preferred_gateway_gets_the_whole_address() {
    let world = World::new(
        "/C=GB/O=g/",
        &[(TableKind::Gate2, "ADMD$ATT.C$us#attmail.com#")],
    );
    world.symmetrical(
        "/G=Andy/S=Wharol/O=MMNY/ADMD=ATT/C=us/@attmail.com",
        "G=Andy; S=Wharol; O=MMNY; A=ATT; C=us;",
    );
}

#[test]
fn s4_3_5_b_3_without_match_the_whole_address_is_at_this_gateway() {
    let world = World::with_pairs(&[("fr", "ADMD$atlas.C$fr")]);
    world.symmetrical(
        "/G=John/S=Smith/O=Org/PRMD=P/ADMD=A/C=GB/@gw.example.org",
        "/G=John/S=Smith/O=Org/PRMD=P/ADMD=A/C=GB/",
    );
    world.symmetrical(
        "/S=Smith/ADMD=/C=GB/@gw.example.org",
        "/S=Smith/ADMD=/C=GB/",
    );
    // A domain of one component does not route.
    world.symmetrical(
        "/S=a/ADMD=atlas/C=fr/@gw.example.org",
        "/S=a/ADMD=atlas/C=fr/",
    );
}

#[test]
fn s4_3_5_b_4_at_least_one_attribute_stays_on_the_left() {
    let world = World::with_pairs(&[UK_AC]);
    world.symmetrical(
        "/OU=CS/@UCL.AC.UK",
        "/OU=CS/O=UCL/PRMD=UK.AC/ADMD=GOLD 400/C=GB/",
    );
    world.symmetrical("/O=UCL/@AC.UK", "/O=UCL/PRMD=UK.AC/ADMD=GOLD 400/C=GB/");
    world.symmetrical(
        "\"/PRMD=UK.AC/ADMD=GOLD 400/C=GB/\"@gw.example.org",
        "/PRMD=UK.AC/ADMD=GOLD 400/C=GB/",
    );
}

#[test]
fn s4_3_5_b_5_what_is_not_mnemonic_stays_whole() {
    let world = World::with_pairs(&[UK_AC]);
    world.symmetrical(
        "\"/UA-ID=12/O=UCL/PRMD=UK.AC/ADMD=GOLD 400/C=GB/\"@UCL.AC.UK",
        "/UA-ID=12/O=UCL/PRMD=UK.AC/ADMD=GOLD 400/C=GB/",
    );
}

#[test]
fn s4_3_5_an_asymmetrical_table_gives_way_to_the_whole_address() {
    let world = World::new(
        "/C=GB/O=g/",
        &[(TableKind::Table2, r"PRMD$UK\.AC.ADMD$GOLD 400.C$GB#AC.UK#")],
    );
    assert_eq!(
        world.mailbox("/S=a/O=b/PRMD=UK.AC/ADMD=GOLD 400/C=GB/"),
        "\"/S=a/O=b/PRMD=UK.AC/ADMD=GOLD 400/C=GB/\"@gw.example.org"
    );
    let pair = World::with_pairs(&[UK_AC]);
    // A surname that reads as something else is written out.
    pair.symmetrical(
        "/S=S$=y/@UCL.AC.UK",
        "/S=S$=y/O=UCL/PRMD=UK.AC/ADMD=GOLD 400/C=GB/",
    );
    pair.symmetrical(
        "/S=*{195}x/@UCL.AC.UK",
        "/S=*{195}x/O=UCL/PRMD=UK.AC/ADMD=GOLD 400/C=GB/",
    );
}

#[test]
fn s4_4_2_source_routes_are_read() {
    let world = World::with_pairs(&[("Inria.ATLAS.FR", "PRMD$Inria.ADMD$ATLAS.C$FR")]);
    let first = world.mailbox(
        "/RFC-822=$/PN$=Duval$/DD.Title$=Manager$/(a)Inria.ATLAS.FR/PRMD=UK.AC/ADMD=Gold 400/C=UK/",
    );
    assert_eq!(first, "/PN=Duval/DD.Title=Manager/@Inria.ATLAS.FR");
    assert_eq!(
        world.x400(&first, Role::Recipient),
        "/DD.Title=Manager/S=Duval/PRMD=Inria/ADMD=ATLAS/C=FR/"
    );
    let other = "\"/RFC-822=jj(a)seismo.css.gov/PRMD=AC/ADMD=BT/C=GB/\"@monet.berkeley.edu";
    assert_eq!(
        world.x400(other, Role::Recipient),
        "/RFC-822=jj(a)seismo.css.gov/PRMD=AC/ADMD=BT/C=GB/"
    );
}

#[test]
fn app_b_1984_has_neither_teletex_nor_common_names() {
    let mut world = World::with_pairs(&[]);
    world.peer.edition = Edition::Of1984;
    assert_eq!(
        world.x400("/CN=Sales/ADMD=x/C=GB/@a.org", Role::Recipient),
        "/DD.Common=Sales/ADMD=x/C=GB/"
    );
    let teletex = world.x400("/S=*{195}/ADMD=x/C=GB/@a.org", Role::Heading);
    assert!(
        teletex.starts_with("/RFC-822=$/S$=(042)(123)195(125)$/"),
        "{teletex}"
    );
    assert!(
        world
            .x400("\"/O=/S=a/ADMD= /C=GB/\"@a.org", Role::Recipient)
            .contains("/O=/"),
        "null is not omitted"
    );
}

#[test]
fn app_f_tables_tell_file_and_line() {
    let mut tables = Tables::default();
    let text = "# a comment\n\nAC.UK#PRMD$UK\\.AC.ADMD$GOLD 400.C$GB#\nxerox.com#O$Xerox.ADMD$ATT.C$US#\nbad_domain#C$GB#\nx.org#C$GB\nAC.UK#C$GB#\n";
    let faults = tables
        .load(TableKind::Table1, "table1", text)
        .expect_err("faults");
    let places: Vec<(usize, usize)> = faults
        .iter()
        .map(|fault| (fault.line, fault.column))
        .collect();
    assert_eq!(places, [(4, 11), (5, 1), (6, 11), (7, 1)]);
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
            .map(|found| (found.place.to_owned(), found.rest.to_owned()))
    };
    assert_eq!(lookup("A.B.C"), None);
    assert_eq!(lookup("i.j.k.l"), Some(("t:2".into(), "i".into())));
    assert_eq!(lookup("xk.l"), None);
    assert_eq!(lookup("k.l"), Some(("t:1".into(), String::new())));
}
