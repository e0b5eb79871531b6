//! The three variants of P1 over sockets: chosen by the caller, found by the one called.

use super::config::Mode;
use super::*;

const MODES: [Mode; 3] = [Mode::Normal, Mode::X410, Mode::Of1984];

#[tokio::test]
async fn x419_8_each_variant_carries_transfers() {
    for mode in MODES {
        let running = running(|server, client| {
            server.peer[0].mode = mode;
            client.peer[0].mode = mode;
        })
        .await;
        // The first association is opened for the first; the others find it warm.
        for length in [0, 2048, 100_000] {
            let octets = apdu(length);
            let outcome = running
                .client
                .transfer("hub", Apdu::Octets(octets.clone()))
                .await;
            assert!(matches!(outcome, Outcome::Delivered { .. }), "{outcome:?}");
            let (from, arrived, what) = running.keeper.arrived.lock().unwrap().pop().unwrap();
            assert_eq!((from.peer.as_deref(), from.mode), (Some("gw"), mode));
            assert_eq!(arrived, octets.to_bytes());
            assert_eq!(what.octets, octets.len());
        }
        assert_eq!(running.keeper.begun.load(Ordering::Relaxed), 3);
        running.client.close().await;
        drop(running.stop);
        running.ended.await.unwrap();
    }
}

#[tokio::test]
async fn x228_8_what_is_refused_in_x410_mode_says_validation_failure() {
    for mode in [Mode::X410, Mode::Of1984] {
        // A wrong password, and a variant the peer is not configured for.
        for wrong_password in [true, false] {
            let running = running(|server, client| {
                client.peer[0].mode = mode;
                if wrong_password {
                    server.peer[0].mode = mode;
                    client.peer[0].password_file = None;
                }
            })
            .await;
            let why = explanation(running.client.transfer("hub", Apdu::Octets(apdu(1))).await);
            assert!(why.contains("validationFailure"), "{why}");
            assert_eq!(running.keeper.begun.load(Ordering::Relaxed), 0);
        }
    }
}

#[tokio::test]
async fn x228_8_a_responder_of_x410_mode_must_be_the_peer_called() {
    for mode in [Mode::X410, Mode::Of1984] {
        let running = running(|server, client| {
            server.peer[0].mode = mode;
            server.peer[0].password_file = None;
            client.peer[0].mode = mode;
        })
        .await;
        let why = explanation(running.client.transfer("hub", Apdu::Octets(apdu(1))).await);
        assert!(why.contains("password"), "{why}");
    }
}

#[tokio::test]
async fn a_source_of_each_variant_finds_a_sink_of_any() {
    for of_sink in [None, Some(Mode::X410)] {
        for mode in MODES {
            let options = sink::Options {
                listen: vec!["127.0.0.1:0".to_owned()],
                mta: "SINK".to_owned(),
                mode: of_sink,
                ..sink::Options::default()
            };
            let sink = sink::Sink::bind(options).await.unwrap();
            let to = sink.addresses()[0].to_string();
            let (stop, stopped) = oneshot::channel::<()>();
            let ended = tokio::spawn(sink.run(async { drop(stopped.await) }));
            let options = source::Options {
                to,
                mode,
                messages: Some(2),
                size: 5000,
                ..source::Options::default()
            };
            let summary = source::run(options, |_| {}).await.unwrap();
            let taken = of_sink.is_none_or(|of_sink| of_sink == mode);
            assert_eq!(summary.delivered, if taken { 2 } else { 0 }, "{summary:?}");
            drop(stop);
            assert_eq!(ended.await.unwrap().messages, summary.delivered);
        }
    }
}
