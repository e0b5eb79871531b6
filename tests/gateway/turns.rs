//! A neighbour that only calls: what waits for it goes on the association it has opened.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::sleep;

use crate::audit::{Auditor, Way};
use crate::kills::drained;
use crate::neighbours::{CallingHub, MailUser, Neighbours};
use crate::world::World;

/// A gateway that cannot call the hub.
async fn world(neighbours: &Neighbours) -> World {
    let world = World::new(neighbours.mail, neighbours.mtas);
    let path = world.path("mixgate.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let connect = format!("connect = [\"{}\"]", neighbours.mtas[0]);
    assert!(text.contains(&connect), "{text}");
    let accept = "accept-from = [\"127.0.0.1\"]\ntwo-way-alternate = true";
    // Nothing is tried again by itself before the test is over.
    let text = text
        .replace(&connect, accept)
        .replace("retry = [\"1s\"]", "retry = [\"10m\"]");
    std::fs::write(&path, text).unwrap();
    world
}

#[tokio::test]
async fn x218_8_1_a_peer_that_only_calls_gets_its_mail() {
    let auditor = Arc::new(Auditor::default());
    let neighbours = Neighbours::start(&auditor).await;
    let world = world(&neighbours).await;
    let serve = world.serve(None).await;
    let ada = MailUser::new(world.smtp, &auditor);
    for size in [400, 40_000, 400_000] {
        let message = auditor.message(Way::ToX400, false, size);
        assert!(ada.hand_in(&message).await);
    }
    sleep(Duration::from_millis(500)).await;
    assert_eq!(auditor.in_flight().acknowledged, 3, "it cannot call");

    let hub = CallingHub::start(world.x400, &auditor).await;
    drained(&auditor).await;
    assert_eq!(auditor.in_flight().acknowledged, 0, "{}", world.log());

    // Both ways at once, and killed while something goes to the hub.
    hub.delay.store(100, Ordering::Relaxed);
    for number in 0..6 {
        let up = auditor.message(Way::ToMail, false, 100 + 3_000 * number);
        let down = auditor.message(Way::ToX400, false, 100 + 30_000 * number);
        let (up, down) = tokio::join!(hub.users.hand_in(&up), ada.hand_in(&down));
        assert!(up && down, "{}", world.log());
    }
    hub.delay.store(2_000, Ordering::Relaxed);
    let last = auditor.message(Way::ToX400, false, 100_000);
    assert!(ada.hand_in(&last).await);
    serve.kill();
    let held = auditor.killed(&*world.open_queue()).await;
    assert!(held.contains_key(&Way::ToX400), "{held:?}");
    hub.delay.store(0, Ordering::Relaxed);
    let mut serve = world.serve(None).await;
    let begun = std::time::Instant::now();
    // The hub calls again by itself.
    drained(&auditor).await;
    assert!(begun.elapsed() < Duration::from_secs(20), "{}", world.log());
    serve.terminate();
    assert!(serve.ended().await.success(), "{}", world.log());
    let waiting = world.waiting().await;
    assert!(waiting.is_empty(), "{waiting:?}\n{}", world.log());
    let (sum, faults) = auditor.close();
    assert!(faults.is_empty(), "{sum:?} {faults:?}\n{}", world.log());
}
