//! The values of reliable transfer, of each peer and of all.

use super::super::link::Link;
use super::super::rts::Rts;
use super::*;
use crate::osi::rtse::{Indication, Request};

#[test]
fn x218_8_1_a_peer_has_its_own_values_or_those_of_all() {
    let config: Config = toml::from_str(
        r#"
        checkpoint-size = 8
        window-size = 2
        transfer-timeout = 60
        [[peer]]
        name = "own"
        checkpoint-size = 1
        window-size = 5
        transfer-timeout = 7
        [[peer]]
        name = "some"
        window-size = 4
        "#,
    )
    .unwrap();
    let rts = |checkpoint_size, window_size, seconds| Rts {
        checkpoint_size,
        window_size,
        transfer_timeout: Duration::from_secs(seconds),
    };
    assert_eq!(config.rts(None), rts(8, 2, 60));
    assert_eq!(config.rts(config.peer.first()), rts(1, 5, 7));
    assert_eq!(config.rts(config.peer.last()), rts(8, 4, 60));
}

#[tokio::test]
async fn x228_7_1_both_ends_say_what_holds_towards_each_other() {
    for (ours, theirs, agreed) in [
        // (checkpoint size, window) of the peer, at the initiator and at the responder.
        ((None, None), (None, None), (2, 3)),
        ((Some(1), Some(2)), (None, None), (1, 2)),
        ((Some(20), Some(5)), (Some(10), Some(4)), (10, 4)),
        ((Some(20), Some(1)), (Some(30), None), (20, 1)),
    ] {
        let running = running(|server, client| {
            (client.peer[0].checkpoint_size, client.peer[0].window_size) = ours;
            (server.peer[0].checkpoint_size, server.peer[0].window_size) = theirs;
        })
        .await;
        let pinged = running.client.ping("hub").await.unwrap().pop().unwrap();
        let greeting = pinged.greeting.unwrap();
        assert_eq!((greeting.checkpoint_size, greeting.window_size), agreed);
    }
}

#[tokio::test]
async fn x218_8_1_a_peer_has_its_own_patience_calling_and_called() {
    // It calls, begins a transfer and says no more.
    let running = running(|server, _| server.peer[0].transfer_timeout = Some(1)).await;
    let directory = running.client.directory();
    let peer = directory.peer("hub").unwrap();
    let stream = TcpStream::connect(running.addresses[0]).await.unwrap();
    let mut link = Link::new(stream, directory.stack(Some(peer))).unwrap();
    let open = directory.open(peer, "261122045628Z").unwrap();
    link.request(Request::Open(Box::new(open))).unwrap();
    assert!(matches!(
        link.next().await,
        Some(Indication::OpenConfirm(Ok(_)))
    ));
    link.request(Request::Transfer).unwrap();
    let begun = std::time::Instant::now();
    while link.next().await.is_some() {}
    let took = begun.elapsed();
    assert!((Duration::from_millis(900)..Duration::from_secs(10)).contains(&took));

    // It is called, and does not confirm.
    let running = super::running(|_, client| client.peer[0].transfer_timeout = Some(1)).await;
    running.keeper.delay.store(60_000, Ordering::Relaxed);
    let begun = std::time::Instant::now();
    let outcome = running.client.transfer("hub", Apdu::Octets(apdu(1))).await;
    assert!(matches!(outcome, Outcome::InDoubt { .. }), "{outcome:?}");
    let took = begun.elapsed();
    assert!((Duration::from_millis(900)..Duration::from_secs(10)).contains(&took));
}
