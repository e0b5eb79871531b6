//! Associations: which are opened when, where, by whom, and what is seen of them.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::super::config::Zone;
use super::super::schedule::Schedule;
use super::*;

/// Until the server has so many associations.
async fn until_incoming(running: &Running, expected: usize) {
    let standing = running.directory.standing("gw").unwrap();
    for _ in 0..500 {
        if standing.status().incoming == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{:?}, not {expected}", standing.status());
}

#[tokio::test]
async fn permanent_associations_are_opened_unasked_and_again_when_they_end() {
    let running = running(|_, client| {
        client.peer[0].permanent = 2;
        client.idle_timeout = 1;
    })
    .await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let tended = tokio::spawn(Arc::clone(&running.client).tend(stopped));
    until_incoming(&running, 2).await;
    tokio::time::sleep(Duration::from_millis(1200)).await;
    until_incoming(&running, 2).await;
    let outcome = running.client.transfer("hub", Apdu::Octets(apdu(1))).await;
    assert!(matches!(outcome, Outcome::Delivered { .. }), "{outcome:?}");
    let number = running.keeper.arrived.lock().unwrap()[0].0.association;
    assert!(number < 2, "it went over one that was open");

    let ours = running.client.directory().standing("hub").unwrap();
    ours.disable(true);
    until_incoming(&running, 0).await;
    let why = explanation(running.client.transfer("hub", Apdu::Octets(apdu(1))).await);
    assert!(why.contains("disabled"), "{why}");
    ours.disable(false);
    until_incoming(&running, 2).await;
    // The one who is called knows it first.
    while ours.status().outgoing < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    stop.send(true).unwrap();
    tended.await.unwrap();
    running.client.close().await;
    until_incoming(&running, 0).await;
}

#[tokio::test]
async fn a_caller_too_many_is_told_busy() {
    let running = running(|server, _| server.max_associations = 0).await;
    let why = explanation(running.client.transfer("hub", Apdu::Octets(apdu(1))).await);
    assert!(why.contains("busy"), "{why}");
}

#[tokio::test]
async fn a_disabled_peer_that_calls_is_told_busy() {
    let running = running(|_, _| {}).await;
    running.directory.standing("gw").unwrap().disable(true);
    let why = explanation(running.client.transfer("hub", Apdu::Octets(apdu(1))).await);
    assert!(why.contains("busy"), "{why}");
    running.directory.standing("gw").unwrap().disable(false);
    let outcome = running.client.transfer("hub", Apdu::Octets(apdu(1))).await;
    assert!(matches!(outcome, Outcome::Delivered { .. }), "{outcome:?}");
    until_incoming(&running, 1).await;
    running.directory.standing("gw").unwrap().disable(true);
    until_incoming(&running, 0).await;
}

#[tokio::test]
async fn a_peer_is_called_in_its_windows_only() {
    // Open for two hours, twelve hours from now.
    let now = Timestamp::now().to_zoned(TimeZone::UTC);
    let hour = |later: i8| (now.hour() + later) % 24;
    let window = format!("{:02}:00-{:02}:00", hour(12), hour(14));
    let (closed, open) = (
        window.clone(),
        format!("{:02}:00-{:02}:00", hour(23), hour(2)),
    );
    for (window, is_open) in [(closed, false), (open, true)] {
        let running = running(|_, client| {
            client.peer[0].schedule = Schedule(vec![window.parse().unwrap()]);
            client.peer[0].time_zone = Some(Zone::try_from("UTC".to_owned()).unwrap());
        })
        .await;
        let outcome = running.client.transfer("hub", Apdu::Octets(apdu(1))).await;
        match outcome {
            Outcome::Delivered { .. } => assert!(is_open),
            Outcome::NoAssociation {
                again: Some(again),
                tried,
                explanation,
                ..
            } => {
                assert!(!is_open && !tried, "{explanation}");
                assert!(explanation.contains("schedule"), "{explanation}");
                let hours = again.duration_since(now.timestamp()).as_hours();
                assert!((11..=12).contains(&hours), "{again}");
            }
            other => panic!("{other:?}"),
        }
        // An operator may call at any time.
        assert!(running.ping().await.is_ok());
    }
}

#[tokio::test]
async fn after_a_call_that_failed_the_next_waits_for_the_open_interval() {
    let running = running(|server, client| {
        server.peer.clear();
        client.peer[0].open_interval = Some(600);
    })
    .await;
    let begun = Timestamp::now();
    for tries in [true, false, false] {
        let outcome = running.client.transfer("hub", Apdu::Octets(apdu(1))).await;
        let Outcome::NoAssociation { again, tried, .. } = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(tried, tries);
        let wait = again.unwrap().duration_since(begun).as_secs();
        assert!((600..660).contains(&wait), "{wait}");
    }
    let status = running.client.directory().standing("hub").unwrap().status();
    let failed = status.failed.unwrap();
    assert_eq!(
        (failed.times, failed.failure.step),
        (1, failure::Step::Bind)
    );
}

#[tokio::test]
async fn a_further_association_is_opened_only_past_the_threshold() {
    for (queued, threshold, most) in [(0, 100, 1), (101, 100, 3), (0, 0, 3)] {
        let running = running(|_, client| {
            client.peer[0].max_associations = Some(3);
            client.peer[0].association_threshold = threshold;
        })
        .await;
        let standing = running.client.directory().standing("hub").unwrap();
        standing.queued(queued);
        let transfers: Vec<_> = (0..12)
            .map(|_| {
                let client = Arc::clone(&running.client);
                tokio::spawn(async move { client.transfer("hub", Apdu::Octets(apdu(2000))).await })
            })
            .collect();
        for transfer in transfers {
            let outcome = transfer.await.unwrap();
            assert!(matches!(outcome, Outcome::Delivered { .. }), "{outcome:?}");
        }
        let arrived = running.keeper.arrived.lock().unwrap();
        let used: std::collections::BTreeSet<u64> =
            arrived.iter().map(|(from, ..)| from.association).collect();
        assert_eq!(used.len(), most, "threshold {threshold}, {queued} queued");
    }
}

#[tokio::test]
async fn addresses_are_tried_in_order_or_share_the_load() {
    for (share, relays) in [(false, 1), (true, 2)] {
        let other = running(|_, _| {}).await;
        let second = other.ping().await.unwrap();
        let running = running(|_, _| {}).await;
        let first = running.ping().await.unwrap();
        let mut config = running.client.directory().config().clone();
        config.lenient = true;
        config.peer[0].share_load = share;
        config.peer[0].connect = vec![first.to_string(), second.to_string()];
        config.peer[0].peer_password_file = None;
        let client = Client::new(Arc::new(Directory::new(config, "GW").unwrap()));
        let [one, two] = [apdu(1), apdu(2)].map(Apdu::Octets);
        let (one, two) = tokio::join!(client.transfer("hub", one), client.transfer("hub", two));
        let used: std::collections::BTreeSet<_> = [one, two]
            .into_iter()
            .map(|outcome| match outcome {
                Outcome::Delivered { relay } => relay,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(used.len(), relays, "{used:?}");
        assert!(used.contains(&first));
        drop(other);
    }
}

#[tokio::test]
async fn peers_call_and_are_called_over_ipv6() {
    for network in ["::1/128", "2001:db8::/32"] {
        let running = running(|server, _| {
            server.listen = vec!["127.0.0.1:0".to_owned(), "[::1]:0".to_owned()];
            server.peer[0].accept_from = vec![network.parse().unwrap()];
        })
        .await;
        let addresses = running.addresses.clone();
        let sixth = addresses.iter().find(|address| address.is_ipv6()).unwrap();
        let mut config = running.client.directory().config().clone();
        config.peer[0].connect = vec![sixth.to_string()];
        let client = Client::new(Arc::new(Directory::new(config, "GW").unwrap()));
        let outcome = client.transfer("hub", Apdu::Octets(apdu(1))).await;
        match network {
            "::1/128" => {
                assert_eq!(outcome, Outcome::Delivered { relay: *sixth });
                let from = running.keeper.arrived.lock().unwrap()[0].0.address;
                assert!(from.is_ipv6(), "{from}");
            }
            _ => assert!(explanation(outcome).contains("authentication-error")),
        }
    }
}

#[tokio::test]
async fn a_caller_may_be_known_by_the_selectors_it_calls_from() {
    for (selectors, welcome) in [
        (["T", "S", "P"], true),
        (["T", "S", ""], false),
        (["", "", ""], false),
    ] {
        let running = running(|server, client| {
            let gw = &mut server.peer[0];
            gw.check_selectors = true;
            [gw.t_selector, gw.s_selector, gw.p_selector] =
                ["T", "S", "P"].map(|text| Selector(text.into()));
            let hub = &mut client.peer[0];
            [hub.our_t_selector, hub.our_s_selector, hub.our_p_selector] =
                selectors.map(|text| Selector(text.into()));
        })
        .await;
        assert_eq!(running.ping().await.is_ok(), welcome, "{selectors:?}");
    }
}

#[tokio::test]
async fn lenience_takes_anybody() {
    let running = running(|server, client| {
        server.lenient = true;
        server.peer.clear();
        client.lenient = true;
    })
    .await;
    let relay = running.ping().await.unwrap();
    assert_eq!(relay.ip().to_string(), "127.0.0.1");
    let outcome = running.client.transfer("hub", Apdu::Octets(apdu(1))).await;
    assert!(matches!(outcome, Outcome::Delivered { .. }), "{outcome:?}");
}

#[tokio::test]
async fn each_peer_hears_its_own_name_and_password() {
    let running = running(|server, client| {
        server.peer[0].mta = "GATE".to_owned();
        server.peer[0].our_mta = Some("CENTRE".to_owned());
        client.peer[0].our_mta = Some("GATE".to_owned());
        client.peer[0].mta = "CENTRE".to_owned();
    })
    .await;
    let pinged = running.client.ping("hub").await.unwrap().pop().unwrap();
    assert_eq!(pinged.greeting.unwrap().mta, "CENTRE");
}
