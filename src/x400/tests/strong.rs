//! Strong credentials on both sides, and how it is told that they do not do.

use super::super::failure::Step;
use super::super::strong::{self, PeerStrong};
use super::tls::Certificates;
use super::*;

/// Our certificate for the bind, of this name, vouched for or not.
fn ours(files: &Certificates, file: &str, name: &str, vouched: bool) -> Option<strong::Config> {
    let config = files.config(file, name, vouched);
    Some(strong::Config {
        certificate: config.certificate,
        key: config.key,
        authorities: config.authorities,
        ..strong::Config::default()
    })
}

fn named(name: &str) -> Option<PeerStrong> {
    Some(PeerStrong {
        name: Some(name.to_owned()),
        ..PeerStrong::default()
    })
}

/// A server and a client that know each other by certificates and no password, as changed.
async fn strongly(change: impl Fn(&Certificates, &mut Config, &mut Config)) -> Running {
    let files = Certificates::new();
    running(|server, client| {
        server.strong = ours(&files, "hub", "hub.example.org", true);
        client.strong = ours(&files, "gw", "gw.example.org", true);
        server.peer[0].strong = named("gw.example.org");
        client.peer[0].strong = named("hub.example.org");
        for peer in [&mut server.peer[0], &mut client.peer[0]] {
            (peer.password_file, peer.peer_password_file) = (None, None);
        }
        change(&files, server, client);
    })
    .await
}

#[tokio::test]
async fn x411_12_1_1_both_sides_prove_themselves_by_strong_credentials() {
    let running = strongly(|_, _, _| {}).await;
    assert!(running.ping().await.is_ok());
    let sent = apdu(5000);
    let outcome = running.client.transfer("hub", Apdu::Octets(sent.clone()));
    let outcome = outcome.await;
    assert!(matches!(outcome, Outcome::Delivered { .. }), "{outcome:?}");
    let (from, arrived, _) = running.keeper.arrived.lock().unwrap().pop().unwrap();
    assert_eq!(
        (from.peer.as_deref(), arrived),
        (Some("gw"), sent.to_bytes())
    );
}

#[tokio::test]
async fn x411_12_1_1_3_a_caller_without_the_right_credentials_hears_an_authentication_error() {
    for way in ["none", "password", "name", "authority", "recipient"] {
        let running = strongly(|files, server, client| match way {
            "none" => client.peer[0].strong = None,
            "password" => {
                let password = files.path("gw.password");
                std::fs::write(&password, "a password").unwrap();
                client.peer[0].password_file = Some(password.clone());
                client.peer[0].strong.as_mut().unwrap().offer = false;
                server.peer[0].peer_password_file = Some(password);
            }
            "name" => client.strong = ours(files, "gw", "else.example.org", true),
            "authority" => client.strong = ours(files, "gw", "gw.example.org", false),
            // The token is for an MTA of another name than the one called.
            _ => client.peer[0].mta = "RELAY".to_owned(),
        })
        .await;
        let failure = running.ping().await.unwrap_err();
        assert_eq!(failure.step, Step::Bind, "{way}: {failure:?}");
        assert!(failure.what.contains("authentication-error"), "{failure:?}");
        let offered = !matches!(way, "none" | "password");
        let advice = if offered {
            "strong credentials"
        } else {
            "password-file"
        };
        assert!(failure.advice.contains(advice), "{way}: {failure:?}");
    }
}

#[tokio::test]
async fn a_responder_without_the_right_credentials_is_told_by_the_check_that_failed() {
    for (way, what, advice) in [
        ("none", "a password was given", "demand = false"),
        ("name", "not of \"hub.example.org\"", "do not trust it"),
        ("authority", "nobody vouches", "authorities"),
    ] {
        let running = strongly(|files, server, _| match way {
            "none" => server.peer[0].strong.as_mut().unwrap().offer = false,
            "name" => server.strong = ours(files, "hub", "else.example.org", true),
            _ => server.strong = ours(files, "hub", "hub.example.org", false),
        })
        .await;
        let failure = running.ping().await.unwrap_err();
        assert_eq!(failure.step, Step::Responder, "{way}: {failure:?}");
        assert!(failure.what.contains(what), "{way}: {failure:?}");
        assert!(failure.advice.contains(advice), "{way}: {failure:?}");
    }
}

#[tokio::test]
async fn a_peer_that_changes_over_may_use_its_password_or_its_certificate() {
    for strong in [true, false] {
        let running = strongly(|files, server, client| {
            let password = files.path("password");
            std::fs::write(&password, "a password").unwrap();
            for peer in [&mut server.peer[0], &mut client.peer[0]] {
                peer.password_file = Some(password.clone());
                peer.peer_password_file = Some(password.clone());
                peer.strong.as_mut().unwrap().demand = false;
            }
            client.peer[0].strong.as_mut().unwrap().offer = strong;
        })
        .await;
        assert!(running.ping().await.is_ok(), "strong: {strong}");
    }
    // One of both must be right.
    let running = strongly(|files, server, client| {
        let password = files.path("password");
        std::fs::write(&password, "a password").unwrap();
        server.peer[0].peer_password_file = Some(password);
        server.peer[0].strong.as_mut().unwrap().demand = false;
        client.peer[0].strong = None;
    })
    .await;
    assert_eq!(running.ping().await.unwrap_err().step, Step::Bind);
}
