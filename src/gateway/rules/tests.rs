//! Rules, and where they send whom.

use super::*;
use crate::mixer::profile::{Attachments, ExtensionType, Tracing};

const CONFIG: &str = r#"
    [gateway]
    name = "gw.example.org"
    mta = "GW"
    domain = "/PRMD=EXAMPLE/ADMD= /C=GB/"
    address = "/O=Gateway/PRMD=EXAMPLE/ADMD= /C=GB/"
    postmaster = "postmaster@example.org"
    [routing]
    smtp-to-smtp = true
    [[x400.peer]]
    name = "hub"
    connect = ["127.0.0.1:1"]
    routes = ["/PRMD=*/ADMD=HUB/C=GB/"]
"#;

fn rules() -> Rules {
    let path = Path::new("m.toml");
    let mut rules = Rules::of(Config::parse(path, CONFIG).unwrap(), path, CONFIG).unwrap();
    let table1 = "org.example#PRMD$ORG.ADMD$HUB.C$GB#\nlone.example#PRMD$LONE.ADMD$OTHER.C$FR#\n";
    rules
        .tables
        .load(TableKind::Table1, "table1", table1)
        .unwrap();
    let table2 = "PRMD$ORG.ADMD$HUB.C$GB#org.example#\nPRMD$LONE.ADMD$OTHER.C$FR#lone.example#\n";
    rules
        .tables
        .load(TableKind::Table2, "table2", table2)
        .unwrap();
    rules
}

fn mail(address: &str) -> Result<(String, String), String> {
    let address = AddrSpec::from_path(address).unwrap().unwrap();
    let placed = rules().place_mail(&address, true);
    placed
        .map(|placed| (placed.route, placed.address))
        .map_err(|refusal| refusal.status.to_string())
}

fn or(address: &str) -> Result<(String, String), String> {
    let placed = rules().place_or_address(&address.parse().unwrap(), Side::X400);
    placed
        .map(|placed| (placed.route, placed.address))
        .map_err(|refusal| refusal.status.to_string())
}

fn placed(route: &str, address: &str) -> Result<(String, String), String> {
    Ok((route.into(), address.into()))
}

#[test]
fn mail_for_a_mapped_domain_goes_to_the_neighbour_that_routes_it() {
    assert_eq!(
        mail("<john.smith@org.example>"),
        placed("hub", "/G=john/S=smith/PRMD=ORG/ADMD=HUB/C=GB/")
    );
}

#[test]
fn mail_for_our_domain_carries_its_address_in_the_local_part() {
    let address = "/S=Smith/PRMD=X/ADMD=HUB/C=GB/";
    assert_eq!(
        mail(&format!("<\"{address}\"@gw.example.org>")),
        placed("hub", address)
    );
    assert_eq!(
        mail("<\"/S=Smith/ADMD=NONE/C=GB/\"@gw.example.org>"),
        Err("5.1.1".into())
    );
    assert!(mail("<nobody@gw.example.org>").is_err());
}

#[test]
fn s4_5_1_postmaster_is_always_reachable() {
    assert_eq!(
        mail("<Postmaster@GW.example.org>"),
        placed(SMTP, "postmaster@example.org")
    );
    assert_eq!(mail("<postmaster>"), placed(SMTP, "postmaster@example.org"));
}

#[test]
fn rfc1648_3_postmaster_by_either_name_is_reachable_at_every_level_of_ours() {
    let home = placed(SMTP, "postmaster@example.org");
    for address in [
        "/S=Postmaster/O=Gateway/PRMD=EXAMPLE/ADMD= /C=GB/",
        "/CN=postmaster/PRMD=EXAMPLE/ADMD= /C=GB/",
        "/CN=Postmaster/S=POSTMASTER/PRMD=EXAMPLE/ADMD= /C=GB/",
    ] {
        assert_eq!(or(address), home, "{address}");
    }
    // Of a domain that is an Internet domain: its own.
    let theirs = placed(SMTP, "Postmaster@lone.example");
    assert_eq!(or("/CN=Postmaster/PRMD=LONE/ADMD=OTHER/C=FR/"), theirs);
    assert_eq!(or("/S=Postmaster/PRMD=LONE/ADMD=OTHER/C=FR/"), theirs);
    // Nobody else's, and no one who is called so besides.
    for other in [
        "/S=Postmaster/PRMD=ELSE/ADMD= /C=GB/",
        "/S=Postmaster/O=Other/PRMD=EXAMPLE/ADMD= /C=GB/",
        "/G=Jo/S=Postmaster/PRMD=EXAMPLE/ADMD= /C=GB/",
    ] {
        assert!(or(other).is_err(), "{other}");
    }
}

#[test]
fn a_peer_reads_what_its_profile_says_but_for_what_it_has_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ours.toml"), "tracing = \"admd\"\n").unwrap();
    let path = folder.path().join("m.toml");
    let load = |config: &str| {
        let config = format!("{CONFIG}{config}");
        let parsed = Config::parse(&path, &config).unwrap();
        Rules::of(parsed, &path, &config)
    };
    let rules = load(
        "profile = \"pp\"\n[[x400.peer]]\nname = \"other\"\nprofile = \"ours.toml\"\n\
         [mapping.profile.hub]\nattachments = \"bp14\"\n",
    )
    .unwrap();
    let shipped = rules.profile("pp").unwrap();
    assert_eq!(shipped.extension_type, ExtensionType::Explicit);
    let expected = PeerProfile {
        attachments: Attachments::Bp14,
        ..shipped.clone()
    };
    let context = rules.context("", Timestamp::UNIX_EPOCH, "hub");
    assert_eq!(*context.peer, expected);
    assert_eq!(rules.profile("other").unwrap().tracing, Tracing::Admd);
    assert_eq!(rules.profile("nobody"), None);
    let problem = |config: &str| load(config).unwrap_err().remove(0).to_string();
    assert!(problem("profile = \"sendmail\"\n").contains("exchange-5.5, m-switch, pp"));
    assert!(problem("profile = \"none.toml\"\n").contains("none.toml"));
    let stranger = "[mapping.profile.hub]\ndomain = \"/ADMD= /C=FR/\"\n";
    assert!(problem(stranger).contains("other-global-domains"));
    std::fs::write(folder.path().join("ours.toml"), "\ntraces = 1\n").unwrap();
    let unknown = problem("profile = \"ours.toml\"\n");
    assert!(
        unknown.contains("ours.toml:2:1: unknown field"),
        "{unknown}"
    );
}

#[test]
fn a_mapped_domain_without_x400_route_is_an_internet_domain() {
    assert_eq!(mail("<a@lone.example>"), placed(SMTP, "a@lone.example"));
    assert_eq!(
        or("/S=a/PRMD=LONE/ADMD=OTHER/C=FR/"),
        placed(SMTP, "a@lone.example")
    );
}

#[test]
fn only_trusted_clients_relay_and_only_where_it_is_configured() {
    assert_eq!(
        mail("<a@internet.example>"),
        placed(SMTP, "a@internet.example")
    );
    let address = AddrSpec::from_path("<a@internet.example>")
        .unwrap()
        .unwrap();
    assert_eq!(
        rules().place_mail(&address, false).unwrap_err().status,
        Status(5, 7, 1)
    );
    let mut strict = rules();
    strict.routes = Routes::new(
        crate::config::Routing::default(),
        &strict.config.gateway.address,
        [],
    );
    assert_eq!(
        strict.place_mail(&address, true).unwrap_err().status,
        Status(5, 7, 1)
    );
}

#[test]
fn an_encapsulated_internet_address_leaves_over_smtp() {
    let address = "/DD.RFC-822=jo(a)internet.example/O=Gateway/PRMD=EXAMPLE/ADMD= /C=GB/";
    assert_eq!(or(address), placed(SMTP, "jo@internet.example"));
    let home = "/DD.RFC-822=jo(a)gw.example.org/O=Gateway/PRMD=EXAMPLE/ADMD= /C=GB/";
    assert!(
        or(home).is_err(),
        "an address that leads back to us leads nowhere"
    );
}

/// Rules with this table 3 beside the others.
fn with_gate1(gate1: &str, islands: &[&str]) -> Rules {
    let mut rules = rules();
    rules.tables.load(TableKind::Gate1, "gate1", gate1).unwrap();
    rules.config.routing.islands = islands.iter().map(|island| (*island).to_owned()).collect();
    rules
}

#[test]
fn s4_3_4_stage_2_routes_are_asked_beside_the_rfc_822_attribute() {
    // The domain belongs to X.400 by table 1, whatever the local part.
    assert_eq!(
        mail("<john_smith@org.example>"),
        placed(
            "hub",
            "/RFC-822=john(u)smith(a)org.example/PRMD=ORG/ADMD=HUB/C=GB/"
        )
    );
    // One that leads to no neighbour stays in the Internet.
    assert_eq!(mail("<a_b@lone.example>"), placed(SMTP, "a_b@lone.example"));
    // Routes that name the attribute do not count.
    let mut rules = rules();
    let by_attribute = crate::config::Route {
        address: "/DD.RFC-822=*/ADMD= /C=GB/".parse().unwrap(),
        to: "hub".into(),
        cost: 0,
        weight: 1,
    };
    let own = rules.config.gateway.address.clone();
    rules.routes = Routes::new(rules.config.routing.clone(), &own, [by_attribute]);
    let address: AddrSpec = "a@internet.example".parse().unwrap();
    assert_eq!(rules.place_mail(&address, true).unwrap().route, SMTP);
}

#[test]
fn s4_3_4_stage_2_an_island_of_the_internet_is_reached_through_x400() {
    let gate1 = "island.example#PRMD$RELAY.ADMD$HUB.C$GB#\nfar.example#PRMD$FAR.ADMD$NONE.C$FR#\n";
    let place = |rules: &Rules, address: &str| {
        let placed = rules.place_mail(&address.parse().unwrap(), false);
        placed
            .map(|placed| (placed.route, placed.address))
            .map_err(|r| r.status.to_string())
    };
    // A preferred gateway is no reason to convert.
    let plain = with_gate1(gate1, &[]);
    assert_eq!(place(&plain, "a@sub.island.example"), Err("5.7.1".into()));
    let rules = with_gate1(gate1, &["Island.Example", "far.example"]);
    assert_eq!(
        place(&rules, "a@sub.island.example"),
        placed(
            "hub",
            "/RFC-822=a(a)sub.island.example/PRMD=RELAY/ADMD=HUB/C=GB/"
        )
    );
    assert_eq!(place(&rules, "a@myisland.example"), Err("5.7.1".into()));
    assert_eq!(place(&rules, "a@far.example"), Err("5.1.1".into()));
}

#[test]
fn s4_4_2_a_source_route_goes_by_x400_where_relaying_is_allowed() {
    let address = "/RFC-822=jj(a)seismo.example/PRMD=AC/ADMD=HUB/C=GB/";
    let through = format!("\"{address}\"@gw.example.org");
    assert_eq!(mail(&format!("<{through}>")), placed("hub", address));
    let refused = rules().place_mail(&through.parse().unwrap(), false);
    assert_eq!(refused.unwrap_err().status, Status(5, 7, 1));
}

#[test]
fn x400_neighbours_are_not_relayed_between_unless_configured() {
    let address = "/S=Smith/PRMD=X/ADMD=HUB/C=GB/".parse().unwrap();
    let refusal = rules().place_or_address(&address, Side::X400).unwrap_err();
    // no-bilateral-agreement (17): the name is well known.
    assert_eq!(
        (refusal.status, refusal.diagnostic),
        (Status(5, 7, 1), Some(17))
    );
    assert_eq!(or("/S=Smith/ADMD=NONE/C=GB/"), Err("5.1.1".into()));
}
