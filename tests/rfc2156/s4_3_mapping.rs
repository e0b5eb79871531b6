//! RFC 2156 sections 4.3 and 4.4 and appendix B: mailboxes and O/R addresses.

use mixgate::mixer::address::mcgam::TableKind;
use mixgate::mixer::address::repeated::{self, Unwrapped};
use mixgate::mixer::address::{Role, to_x400};
use mixgate::mixer::context::Edition;
use mixgate::mixer::outcome::Unconverted;

use crate::world::{UK_AC, WIDGET, World, addr, or};

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
fn s4_3_5_b_3_what_does_not_route_or_lead_back_is_no_match() {
    let whole = "/S=a/O=b/ADMD=atlas/C=fr/";
    for table2 in ["ADMD$atlas.C$fr#fr#", "ADMD$atlas.C$fr#atlas.fr#"] {
        let gate2 = (TableKind::Gate2, "C$fr#relay.example#");
        let world = World::new("/C=GB/O=g/", &[(TableKind::Table2, table2), gate2]);
        world.symmetrical("/S=a/O=b/ADMD=atlas/C=fr/@relay.example", whole);
    }
    // Nor is a gateway of one component: then it is this gateway.
    let table2 = (TableKind::Table2, "ADMD$atlas.C$fr#atlas.fr#");
    let gate2 = (TableKind::Gate2, "C$fr#relay#");
    let world = World::new("/C=GB/O=g/", &[table2, gate2]);
    world.symmetrical("/S=a/O=b/ADMD=atlas/C=fr/@gw.example.org", whole);
    // One that leads back goes before the gateway.
    let world = World::new(
        "/C=GB/O=g/",
        &[
            table2,
            (TableKind::Table1, "atlas.fr#ADMD$atlas.C$fr#"),
            (TableKind::Gate2, "C$fr#relay.example#"),
        ],
    );
    world.symmetrical("/S=a/O=b/@atlas.fr", whole);
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
fn s4_4_1_an_address_that_comes_back_is_not_converted() {
    let world = World::with_pairs(&[("ZZ.YY.XX", "O$ZZ.PRMD$@.ADMD$YY.C$XX")]);
    let unwrap = |text: &str| repeated::or_address(&world.context(), &or(text));
    assert_eq!(
        unwrap("/RFC-822=Smith(a)ZZ.YY.XX/O=ZZ/ADMD=YY/C=XX/"),
        Some(Unwrapped::SameWorld(or("/S=Smith/O=ZZ/ADMD=YY/C=XX/")))
    );
    assert_eq!(
        unwrap("/RFC-822=Smith(a)example.org/O=ZZ/ADMD=YY/C=XX/"),
        Some(Unwrapped::OtherWorld(addr("Smith@example.org")))
    );
    let mailbox = |text: &str| repeated::mailbox(&world.context(), &addr(text));
    assert_eq!(
        mailbox("\"/RFC-822=jj(a)example.org/O=Gateway/PRMD=EXAMPLE/ADMD= /C=GB/\"@gw.example.org"),
        Some(Unwrapped::SameWorld(addr("jj@example.org")))
    );
    assert_eq!(mailbox("jj@example.org"), None);
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
