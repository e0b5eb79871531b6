//! RFC 2156 section 4.3.4: the stages of the mapping to X.400, a test for each step.

use mixgate::asn1;
use mixgate::asn1::mts::ORAddress;
use mixgate::mixer::address::mcgam::TableKind;
use mixgate::mixer::address::syntax::{self, Form};
use mixgate::mixer::address::{Role, to_x400, wire};
use mixgate::mixer::context::Edition;
use mixgate::rfc822::address::AddrSpec;

use crate::world::{UK_AC, World, addr, or};

/// Why stage I takes a mailbox for a genuine one.
fn why(world: &World, mailbox: &str) -> String {
    let mapped = to_x400::stage_1(&world.context(), &addr(mailbox));
    let why = mapped.expect_err("a genuine mailbox").why;
    // Where in the text it is, is for others to ask.
    why.split(" at offset ")
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// What stage I makes of a mailbox.
fn stage_1(world: &World, mailbox: &str) -> String {
    let mapped = to_x400::stage_1(&world.context(), &addr(mailbox));
    mapped.expect("an O/R address").value.to_string()
}

#[test]
fn s4_3_4_stage_1_step_1_a_source_route_is_reduced_to_its_last_domain() {
    let world = World::with_pairs(&[UK_AC]);
    let path = "<@relay.co.uk,@gw.example.org:jo@Salford.AC.UK>";
    let path = AddrSpec::from_path(path)
        .expect("a path")
        .expect("of someone");
    let mapped = to_x400::map(&world.context(), &path, Role::Recipient).expect("mapped");
    assert_eq!(
        mapped.value.to_string(),
        "/S=jo/O=Salford/PRMD=UK.AC/ADMD=GOLD 400/C=GB/"
    );
    // A percent sign is no source route.
    assert!(
        world
            .x400("jo%other@Salford.AC.UK", Role::Recipient)
            .starts_with("/RFC-822=jo(p)other(a)Salford.AC.UK/")
    );
}

#[test]
fn s4_3_4_stage_1_step_2_spaces_that_x400_does_not_keep_go_to_stage_2() {
    let world = World::with_pairs(&[UK_AC]);
    for local in ["\" S=a\"", "\"S=a \"", "\"S=a  b\""] {
        let why = why(&world, &format!("{local}@Salford.AC.UK"));
        assert!(why.contains("spaces"), "{local}: {why}");
    }
    // The quotes themselves say nothing.
    assert_eq!(
        stage_1(&world, "\"jo\"@Salford.AC.UK"),
        stage_1(&world, "jo@Salford.AC.UK")
    );
}

#[test]
fn s4_3_4_stage_1_step_3_what_is_beyond_the_repertoire_goes_to_stage_2() {
    let world = World::with_pairs(&[UK_AC]);
    for c in ['_', '!', '%', '#', '&', '^', '`', '~', '"', '<', '@', '['] {
        let quoted = if c == '"' {
            "\\\"".to_owned()
        } else {
            c.to_string()
        };
        let why = why(&world, &format!("\"/S=a{quoted}b/\"@Salford.AC.UK"));
        assert!(why.contains("no character of an O/R address"), "{c}: {why}");
    }
    assert_eq!(
        stage_1(
            &world,
            "\"/S=a*{195}b$/\\c/\"@Salford.AC.UK"
                .replace("\\\\c", "c")
                .as_str()
        ),
        "/S=a*{195}b$/c/O=Salford/PRMD=UK.AC/ADMD=GOLD 400/C=GB/"
    );
}

#[test]
fn s4_3_4_stage_1_step_4_attributes_are_tried_before_a_name_and_bounds_wait() {
    let world = World::with_pairs(&[UK_AC]);
    assert_eq!(
        stage_1(&world, "/S=Marshall.Rose/@Salford.AC.UK"),
        "/S=Marshall.Rose/O=Salford/PRMD=UK.AC/ADMD=GOLD 400/C=GB/"
    );
    assert_eq!(
        stage_1(&world, "Marshall.Rose@Salford.AC.UK"),
        "/G=Marshall/S=Rose/O=Salford/PRMD=UK.AC/ADMD=GOLD 400/C=GB/"
    );
    // Neither: the fault is that of the attributes.
    assert!(why(&world, "\".Rose\"@Salford.AC.UK").contains("`.Rose` has no `=`"));
    // A surname of 41 characters parses here, and only step 9 sends it to stage II.
    let long = "s".repeat(41);
    for local in [long.clone(), format!("/S={long}/")] {
        let why = why(&world, &format!("{local}@Salford.AC.UK"));
        assert!(
            why.starts_with("the value of S is longer than X.411 allows"),
            "{local}: {why}"
        );
    }
}

#[test]
fn s4_3_4_stage_1_step_5_a_value_has_the_syntax_of_its_key() {
    let world = World::with_pairs(&[UK_AC]);
    for (attribute, what) in [
        ("X121=12a", "a string of digits"),
        ("T-TY=phone", "a terminal type"),
        ("NET-PSAP=x", "a presentation address"),
        ("ADMD=a*b", "a printable string"),
        ("O=a*{999}", "optionally with `*teletex`"),
    ] {
        let why = why(&world, &format!("/{attribute}/S=a/@Salford.AC.UK"));
        assert!(why.contains(what), "{attribute}: {why}");
    }
}

#[test]
fn s4_3_4_stage_1_step_6_an_address_of_any_form_needs_no_domain() {
    // No table has the domain: only a whole address maps.
    let world = World::with_pairs(&[]);
    for (address, form) in [
        ("/O=o/ADMD=a/C=GB/", Form::Mnemonic),
        ("/PRMD=p/ADMD=a/C=GB/", Form::Mnemonic),
        ("/CN=n/ADMD=a/C=GB/", Form::Mnemonic),
        ("/DD.t=v/ADMD=a/C=GB/", Form::Mnemonic),
        ("/UA-ID=12/PRMD=p/ADMD=a/C=GB/", Form::Numeric),
        ("/PD-CODE=TW1/PD-C=GB/ADMD=a/C=GB/", Form::Postal),
        (
            "/PD-ADDRESS=The Dome|Richmond/PD-CODE=TW1/PD-C=GB/ADMD=a/C=GB/",
            Form::Postal,
        ),
        ("/X121=2342/", Form::Terminal),
        ("/T-TY=g3fax(5)/NET-NUM=4420812345/", Form::Terminal),
        ("/NET-PSAP=NS+a4/PRMD=p/ADMD=a/C=GB/", Form::Terminal),
    ] {
        assert_eq!(syntax::form(&or(address)), Some(form), "{address}");
        assert_eq!(
            stage_1(&world, &format!("\"{address}\"@anywhere.example")),
            address
        );
    }
    for (address, fault) in [
        ("/S=a/C=GB/ADMD=/", ""),
        ("/ADMD=a/C=GB/", "nothing below"),
        ("/PRMD=p/ADMD=a/", "no country"),
        ("/PD-STREET=s/ADMD=a/C=GB/", "postal code"),
        ("/PD-CODE=TW1/ADMD=a/C=GB/", "postal code"),
        ("/PD-C=GB/ADMD=a/C=GB/", "postal code"),
        ("/T-ID=t/ADMD=a/C=GB/", "network address"),
        ("/G=g/O=o/ADMD=a/C=GB/", "surname"),
    ] {
        let found = syntax::incomplete(&or(address));
        let found = found.map(|fault| fault.to_string()).unwrap_or_default();
        assert!(found.contains(fault), "{address}: {found}");
        assert_eq!(found.is_empty(), fault.is_empty(), "{address}: {found}");
    }
    let mailbox = "\"/T-ID=t/ADMD=a/C=GB/\"@anywhere.example";
    assert!(why(&world, mailbox).contains("network address"));
}

#[test]
fn s4_3_4_stage_1_step_7_only_a_name_takes_the_rest_from_the_domain() {
    let world = World::with_pairs(&[UK_AC]);
    for (local, fault) in [
        ("/UA-ID=12/", "no country"),
        ("/PD-CODE=TW1/PD-C=GB/", "no country"),
        ("/S=a/T-ID=t/", "no country"),
        ("/G=g/", "surname"),
    ] {
        let why = why(&world, &format!("{local}@Salford.AC.UK"));
        assert!(why.contains(fault), "{local}: {why}");
    }
    // Stage II has the attributes of the domain all the same.
    assert_eq!(
        world.x400("/UA-ID=12/@Salford.AC.UK", Role::Recipient),
        "/RFC-822=$/UA-ID$=12$/(a)Salford.AC.UK/O=Salford/PRMD=UK.AC/ADMD=GOLD 400/C=GB/"
    );
}

#[test]
fn s4_3_4_stage_1_step_8_the_domain_is_of_labels_below_the_longest_match() {
    let below = (
        "CS.Salford.AC.UK",
        r"O$Computing.PRMD$UK\.AC.ADMD$GOLD 400.C$GB",
    );
    let world = World::with_pairs(&[UK_AC, below]);
    for (mailbox, address) in [
        (
            "jo@x.cs.salford.ac.uk",
            "/S=jo/OU=x/O=Computing/PRMD=UK.AC/ADMD=GOLD 400/C=GB/",
        ),
        (
            "jo@x.salford.ac.uk.",
            "/S=jo/OU=x/O=salford/PRMD=UK.AC/ADMD=GOLD 400/C=GB/",
        ),
    ] {
        let mapped = mailbox.trim_end_matches('.');
        assert_eq!(stage_1(&world, mapped), address);
    }
    assert!(why(&world, "jo@example.org").contains("no table has example.org"));
    assert!(why(&world, "jo@[192.0.2.1]").contains("letters, digits and hyphens"));
    // Bounds of the levels: an organizational unit of 33 characters, an organization of 64.
    let long = |n: usize| "d".repeat(n.min(63));
    let unit = format!("jo@{}.salford.ac.uk", long(33));
    assert!(why(&world, &unit).contains("longer than OU may be"));
    assert!(stage_1(&world, &format!("jo@{}.ac.uk", long(63))).contains("/O=ddd"));
    // A level that the table says is omitted stays so.
    let omitted = World::with_pairs(&[("atlas.fr", "PRMD$@.ADMD$atlas.C$FR")]);
    assert_eq!(
        stage_1(&omitted, "jo@inria.atlas.fr"),
        "/S=jo/O=inria/ADMD=atlas/C=FR/"
    );
}

#[test]
fn s4_3_4_stage_1_step_9_bounds_are_those_of_x411() {
    let world = World::with_pairs(&[UK_AC]);
    let unit = |n: usize| format!("/S=a/OU={}/O=o/ADMD=a/C=GB/", "u".repeat(n));
    assert_eq!(
        stage_1(
            &world,
            &format!("{}@x.example", unit(32))
                .replace("/S", "\"/S")
                .replace("GB/@", "GB/\"@")
        ),
        unit(32)
    );
    let why_of = |address: &str| why(&world, &format!("\"{address}\"@x.example"));
    assert_eq!(
        why_of(&unit(33)),
        "the value of OU is longer than X.411 allows"
    );
    assert_eq!(
        why_of("/S=a/OU=5/OU=4/OU=3/OU=2/OU=1/O=o/ADMD=a/C=GB/"),
        "more than four organizational units"
    );
    assert_eq!(
        why_of("/DD.a=5/DD.b=4/DD.c=3/DD.d=2/DD.e=1/ADMD=a/C=GB/"),
        "more than four domain-defined attributes"
    );
    assert!(why_of("/DD.ninechars=v/ADMD=a/C=GB/").contains("DD is longer"));
    let mut old = World::with_pairs(&[]);
    old.peer.edition = Edition::Of1984;
    assert!(why(&old, "\"/S=*{195}/ADMD=a/C=GB/\"@x.example").contains("1984"));
}

#[test]
fn s4_3_4_stage_1_step_10_the_address_is_built() {
    let world = World::with_pairs(&[UK_AC]);
    let mailbox = addr("\"/CN=Help*{200}elp/OU=Desk/\"@Salford.AC.UK");
    let built = to_x400::or_address(&world.context(), &mailbox, Role::Recipient).expect("built");
    let read: ORAddress = asn1::decode(&asn1::encode(&built.value)).expect("an address");
    assert_eq!(
        wire::attributes(&read).0.to_string(),
        "/CN=Help*{200}elp/OU=Desk/O=Salford/PRMD=UK.AC/ADMD=GOLD 400/C=GB/"
    );
}

#[test]
fn s4_3_4_stage_2_what_no_table_has_is_at_the_preferred_gateway_of_its_longest_domain() {
    let gate1 = "example#PRMD$far.ADMD$a.C$gb#\nisland.example#PRMD$near.ADMD$a.C$gb#\n";
    let world = World::new("/O=gw/ADMD= /C=GB/", &[(TableKind::Gate1, gate1)]);
    let at = |mailbox: &str| world.x400(mailbox, Role::Heading);
    assert_eq!(
        at("a@x.island.example"),
        "/RFC-822=a(a)x.island.example/PRMD=near/ADMD=a/C=gb/"
    );
    assert_eq!(
        at("a@x.example"),
        "/RFC-822=a(a)x.example/PRMD=far/ADMD=a/C=gb/"
    );
    assert_eq!(at("a@x.org"), "/RFC-822=a(a)x.org/O=gw/ADMD= /C=GB/");
}

#[test]
fn s4_3_2_a_domain_that_is_not_whole_is_noted() {
    let world = World::with_pairs(&[]);
    let notes = |mailbox: &str| {
        let mapped = to_x400::map(&world.context(), &addr(mailbox), Role::Heading).expect("mapped");
        mapped.notes
    };
    let noted = notes("jo@host");
    assert!(
        noted.len() == 1 && noted[0].section == "4.3.2" && !noted[0].lost,
        "{noted:?}"
    );
    assert!(notes("jo@host.example").is_empty());
    assert!(notes("jo@[192.0.2.1]").is_empty());
}
