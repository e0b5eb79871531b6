//! The neighbours as operators see, call and steer them.

use std::process::Output;
use std::sync::Arc;

use serde_json::Value;
use tokio::time::sleep;

use crate::audit::{Auditor, Way};
use crate::kills::drained;
use crate::neighbours::{MailUser, Neighbours};
use crate::world::{PATIENCE, World, free_address};

/// What a command prints, if it ended with this code.
fn said(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Its one line of JSON.
fn object(output: &Output) -> Value {
    serde_json::from_str(&said(output, 0)).unwrap()
}

#[tokio::test]
async fn a_peer_is_disabled_until_it_is_enabled_whatever_happens_between() {
    let auditor = Arc::new(Auditor::default());
    let neighbours = Neighbours::start(&auditor).await;
    let world = World::new(neighbours.mail, neighbours.mtas);
    let serve = world.serve(None).await;
    let disabled = object(&world.run(&["peer", "disable", "hub", "--json"]).await);
    assert_eq!(disabled["status"]["disabled"], true, "{disabled}");

    let message = auditor.message(Way::ToX400, false, 400);
    assert!(MailUser::new(world.smtp, &auditor).hand_in(&message).await);
    let mut shown = disabled;
    for _ in 0..500 {
        shown = object(&world.run(&["peer", "show", "hub", "--json"]).await);
        if shown["queued"] == 1 {
            break;
        }
    }
    assert_eq!(shown["queued"], 1, "{shown}");
    let list = said(&world.run(&["peer", "list"]).await, 0);
    let hub = list.lines().find(|line| line.starts_with("hub ")).unwrap();
    assert!(hub.contains("disabled"), "{list}");
    serve.kill();
    let alone = object(&world.run(&["peer", "show", "hub", "--json"]).await);
    assert_eq!(alone["status"]["disabled"], true, "{alone}");
    assert_eq!(alone["queued"], 1, "{alone}");

    let _serve = world.serve(None).await;
    let shown = said(&world.run(&["peer", "show", "hub"]).await, 0);
    assert!(shown.contains("mixgate peer enable hub"), "{shown}");
    assert_eq!(auditor.arrivals(&message), (0, 0));
    said(&world.run(&["peer", "enable", "hub"]).await, 0);
    drained(&auditor).await;
    assert_eq!(auditor.arrivals(&message), (1, 0));
}

#[tokio::test]
async fn ping_says_what_is_wrong_and_what_to_do() {
    let auditor = Arc::new(Auditor::default());
    let neighbours = Neighbours::start(&auditor).await;
    let [hub, _] = neighbours.mtas;
    let dead = free_address();
    let world = World::new(neighbours.mail, [hub, dead]);
    // From a gateway that runs, and from none.
    for _serve in [Some(world.serve(None).await), None] {
        let well = said(&world.run(&["peer", "ping", "hub"]).await, 0);
        assert!(well.contains(&format!("hub at {hub}")), "{well}");
        assert!(well.contains("\"HUB\" answered"), "{well}");
        let ill = said(&world.run(&["peer", "ping", "spoke"]).await, 69);
        assert!(ill.contains("FAILED at TCP connection"), "{ill}");
        assert!(ill.contains("nothing listens on this port"), "{ill}");
        let json = said(&world.run(&["peer", "ping", "spoke", "--json"]).await, 69);
        let json: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["failure"]["step"], "connection", "{json}");
        let unknown = world.run(&["peer", "ping", "nobody"]).await;
        assert_eq!(said(&unknown, 64), "");
    }
    assert!(world.path("queue.db").exists());
}

#[tokio::test]
async fn open_retries_return_what_no_association_can_be_opened_for() {
    let auditor = Arc::new(Auditor::default());
    let neighbours = Neighbours::start(&auditor).await;
    let world = World::new(neighbours.mail, [free_address(), free_address()]);
    let file = world.path("mixgate.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    let impatient = "name = \"hub\"\nopen-retries = 2\nopen-interval = 1\n";
    std::fs::write(&file, config.replace("name = \"hub\"\n", impatient)).unwrap();
    let _serve = world.serve(None).await;
    let message = auditor.message(Way::ToX400, false, 400);
    assert!(MailUser::new(world.smtp, &auditor).hand_in(&message).await);
    let begun = std::time::Instant::now();
    let (recipient, took) = loop {
        assert!(begun.elapsed() < PATIENCE, "{}", world.log());
        let list = world.run(&["queue", "list", "--finished", "--json"]).await;
        let list = said(&list, 0);
        let items = list.lines().map(serde_json::from_str::<Value>);
        let recipients = items.map(|item| item.unwrap()["recipients"][0].clone());
        let failed = recipients.into_iter().find(|one| one["state"] == "failed");
        if let Some(failed) = failed {
            break (failed, begun.elapsed());
        }
        sleep(std::time::Duration::from_millis(100)).await;
    };
    assert_eq!(recipient["attempts"], 3, "{recipient}");
    assert!(took.as_millis() >= 1900, "{took:?}");
    assert!(recipient.to_string().contains("refused"), "{recipient}");
}
