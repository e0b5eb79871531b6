//! Calls that our own servers refuse, and what no peer at hand can do to one. What any other may answer:
//! `tests/hostile/refusals`.

use super::super::failure::{Failure, Step};
use super::*;
use crate::asn1::mta::MTABindError;

/// Calls an address as a peer with the selectors T, S and P.
async fn call(address: &str) -> Failure {
    let hub = Peer {
        name: "hub".to_owned(),
        connect: vec![address.to_owned()],
        t_selector: Selector("T".into()),
        s_selector: Selector("S".into()),
        p_selector: Selector("P".into()),
        ..Peer::default()
    };
    let config = Config {
        peer: vec![hub],
        open_timeout: 1,
        ..Config::default()
    };
    let client = Client::new(Arc::new(Directory::new(config, "GW").unwrap()));
    let pinged = client.ping("hub").await.unwrap().pop().unwrap();
    assert_eq!(pinged.greeting, None);
    pinged.failure.unwrap()
}

fn is(failure: &Failure, step: Step, what: &str, advice: &str) {
    assert_eq!(failure.step, step, "{failure:?}");
    assert!(failure.what.contains(what), "{failure:?}");
    assert!(failure.advice.contains(advice), "{failure:?}");
}

#[tokio::test]
async fn below_transport() {
    for (kind, advice) in [
        (io::ErrorKind::HostUnreachable, "no way"),
        (io::ErrorKind::NetworkUnreachable, "no way"),
        (io::ErrorKind::TimedOut, "Nobody answers"),
        (io::ErrorKind::ConnectionReset, "let"),
    ] {
        is(
            &Failure::of_connection(&kind.into()),
            Step::Connection,
            "",
            advice,
        );
    }
    let mut config = Config::default();
    config.peer.push(Peer {
        name: "hub".to_owned(),
        ..Peer::default()
    });
    let client = Client::new(Arc::new(Directory::new(config, "GW").unwrap()));
    let pinged = client.ping("hub").await.unwrap().pop().unwrap();
    is(
        &pinged.failure.unwrap(),
        Step::Configuration,
        "no address",
        "connect",
    );
    assert_eq!(client.ping("nobody").await, None);
}

#[tokio::test]
async fn x226_presentation_selectors_of_each_layer() {
    for (layer, step, advice) in [
        (0, Step::Transport, "transport selector"),
        (1, Step::Session, "session selector"),
        (2, Step::Presentation, "presentation selector"),
    ] {
        let running = running(|server, _| {
            let other = Selector("OTHER".into());
            match layer {
                0 => server.t_selector = other,
                1 => server.s_selector = other,
                _ => server.p_selector = other,
            }
        })
        .await;
        let failure = call(&running.addresses[0].to_string()).await;
        is(&failure, step, "", advice);
        assert!(failure.advice.contains("-selector = \""), "{failure:?}");
    }
}

#[tokio::test]
async fn x411_12_1_1_3_bind_errors() {
    for (error, advice) in [
        (MTABindError::BUSY, "no room"),
        (MTABindError::AUTHENTICATION_ERROR, "our-mta"),
        (MTABindError::UNACCEPTABLE_DIALOGUE_MODE, "monologue"),
        (MTABindError::UNACCEPTABLE_SECURITY_CONTEXT, "security"),
        (MTABindError::INADEQUATE_ASSOCIATION_CONFIDENTIALITY, "TLS"),
    ] {
        let options = sink::Options {
            listen: vec!["127.0.0.1:0".to_owned()],
            mta: "SINK".to_owned(),
            fail: vec![format!("bind={}", error.name().unwrap()).parse().unwrap()],
            ..sink::Options::default()
        };
        let sink = sink::Sink::bind(options).await.unwrap();
        let address = sink.addresses()[0].to_string();
        let (stop, stopped) = oneshot::channel::<()>();
        let ended = tokio::spawn(sink.run(async { drop(stopped.await) }));
        let failure = call(&address).await;
        is(&failure, Step::Bind, error.name().unwrap(), advice);
        stop.send(()).unwrap();
        ended.await.unwrap();
    }
}

#[tokio::test]
async fn x228_7_1_rtorj_of_x410_mode() {
    for (busy, advice) in [(false, "our-mta"), (true, "no room")] {
        let running = running(|server, client| {
            for config in [&mut *server, &mut *client] {
                config.peer[0].mode = config::Mode::X410;
            }
            match busy {
                true => server.max_associations = 0,
                false => client.peer[0].password_file = None,
            }
        })
        .await;
        let failure = running.ping().await.unwrap_err();
        is(&failure, Step::ReliableTransfer, "", advice);
    }
}
