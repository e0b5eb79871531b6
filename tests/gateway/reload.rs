//! A running gateway takes changed tables and routes, whole or not at all.

use std::time::Instant;

use serde_json::Value;
use tokio::time::{Duration, sleep};

use crate::serve::Telnet;
use crate::world::{PATIENCE, World, free_address};

const TABLE: &str = "sales.example.org#O$Sales.PRMD$ORG.ADMD$HUB.C$GB#\n";
const NEW: &str = "new.example.org#O$New.PRMD$ORG.ADMD$HUB.C$GB#\n";

/// The route by which mail for a domain of no table, or of a new one, is taken now.
async fn route(world: &World) -> String {
    let known = ids(world).await;
    let mut person = Telnet::connect(world).await;
    person.ask("EHLO person.example", "250").await;
    person.ask("MAIL FROM:<ada@internet.example>", "250").await;
    person.ask("RCPT TO:<jo@new.example.org>", "250").await;
    person.ask("DATA", "354").await;
    person.ask("Subject: x\r\n\r\nx\r\n.", "250").await;
    let items = listed(world).await;
    let new = items
        .iter()
        .find(|item| !known.contains(&item["id"]))
        .expect("nothing new in the queue");
    let route = new["recipients"][0]["route"].as_str();
    route
        .unwrap_or_else(|| panic!("{new:#}\n{}", world.log()))
        .to_owned()
}

async fn listed(world: &World) -> Vec<Value> {
    let listed = world.run(&["queue", "list", "--json"]).await;
    assert!(listed.status.success());
    let lines = String::from_utf8(listed.stdout).unwrap();
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

async fn ids(world: &World) -> Vec<Value> {
    let items = listed(world).await;
    items.into_iter().map(|item| item["id"].clone()).collect()
}

/// `mixgate reload`: its exit status, and what it prints.
async fn reload(world: &World) -> (Option<i32>, String) {
    let done = world.run(&["reload"]).await;
    let said = [done.stdout, done.stderr].concat();
    (done.status.code(), String::from_utf8(said).unwrap())
}

#[tokio::test]
async fn tables_and_routes_are_taken_and_what_is_wrong_changes_nothing() {
    // Nobody is there, so that all stays in the queue.
    let world = World::new(free_address(), [free_address(), free_address()]);
    let table = world.path("table1");
    let config = world.path("mixgate.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let (status, said) = reload(&world).await;
    assert_eq!(status, Some(69), "{said}");
    assert!(said.contains("no gateway is running"), "{said}");

    let mut serve = world.serve(None).await;
    assert_eq!(route(&world).await, "smtp");
    std::fs::write(&table, format!("{TABLE}{NEW}")).unwrap();
    assert_eq!(route(&world).await, "smtp", "before it was told");
    let (status, said) = reload(&world).await;
    assert_eq!(
        (status, said.as_str()),
        (
            Some(0),
            "reloaded: 2 tables, 0 routes beside those of peers\n"
        )
    );
    assert_eq!(route(&world).await, "hub");

    // A fault in a table: said with its place; the old tables stay.
    std::fs::write(&table, format!("{TABLE}nonsense\n")).unwrap();
    let (status, said) = reload(&world).await;
    assert_eq!(status, Some(78), "{said}");
    assert!(said.contains("table1:2"), "{said}");
    assert_eq!(route(&world).await, "hub");

    // What the servers were started with.
    std::fs::write(&table, TABLE).unwrap();
    let other = text.replace("mta = \"SPOKE\"", "mta = \"WHEEL\"");
    std::fs::write(&config, other).unwrap();
    let (status, said) = reload(&world).await;
    assert_eq!(status, Some(78), "{said}");
    assert!(
        said.contains("a change of [x400] needs a restart"),
        "{said}"
    );
    assert_eq!(route(&world).await, "hub");

    // A route, by SIGHUP.
    let routed = text.replace(
        "[smtp]",
        "[[routing.route]]\naddress = \"/O=New/PRMD=ORG/ADMD=HUB/C=GB/\"\nto = \"spoke\"\n\n[smtp]",
    );
    std::fs::write(&config, routed).unwrap();
    std::fs::write(&table, format!("{TABLE}{NEW}")).unwrap();
    serve.signal("-HUP");
    let begun = Instant::now();
    while world.log().matches("reloaded").count() < 4 {
        assert!(begun.elapsed() < PATIENCE, "{}", world.log());
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(route(&world).await, "spoke");
    serve.terminate();
    assert!(serve.ended().await.success(), "{}", world.log());
}
