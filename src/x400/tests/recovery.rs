//! Transfers that break off and go on, over connections that are cut.

use super::*;

/// Passes connections on to a server: the n-th until so many octets have passed from the client, or to
/// it if `back`; then it is cut, on the client's side alone if `half`.
pub(super) async fn cutting(to: String, cuts: Vec<usize>, half: bool, back: bool) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let mut cuts = cuts.into_iter();
        let mut open = Vec::new();
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&to).await.unwrap();
            let left = cuts.next().unwrap_or(usize::MAX);
            let ends = match back {
                false => (client.into_split(), server.into_split()),
                true => (server.into_split(), client.into_split()),
            };
            let ((mut from_client, mut to_client), (mut from_server, mut to_server)) = ends;
            let (hold, held) = oneshot::channel::<()>();
            open.push(hold);
            tokio::spawn(async move {
                let mut left = left;
                let mut octets = vec![0; 1000];
                let up = async {
                    while left > 0 {
                        let most = left.min(octets.len());
                        let Ok(read @ 1..) = from_client.read(&mut octets[..most]).await else {
                            return true;
                        };
                        left -= read;
                        if to_server.write_all(&octets[..read]).await.is_err() {
                            return true;
                        }
                    }
                    false
                };
                let down = tokio::io::copy(&mut from_server, &mut to_client);
                let cut = tokio::select! { ended = up => !ended, _ = down => false };
                drop((from_client, to_client));
                if cut && half {
                    // The server's side stands as if nothing had happened.
                    let _ = held.await;
                }
            });
        }
    });
    address
}

/// A server behind connections that are cut, and a client of it, with small segments.
async fn cut(cuts: Vec<usize>, half: bool) -> Running {
    let mut running = running(|server, client| {
        server.checkpoint_size = 1;
        server.window_size = 2;
        client.idle_timeout = 60;
    })
    .await;
    let mut config = running.client.directory().config().clone();
    let to = config.peer[0].connect[1].clone();
    config.peer[0].connect = vec![cutting(to, cuts, half, false).await];
    running.client = Arc::new(Client::new(Arc::new(Directory::new(config, "GW").unwrap())));
    running
}

/// A transfer that broke off twice, and what is known of it.
async fn broken_off() -> (Running, Pinned) {
    let running = cut(vec![6_000, 1_500], false).await;
    let apdu = Apdu::Octets(apdu(9_000));
    match running.client.transfer("hub", apdu).await {
        Outcome::Later {
            pinned: Some(pinned),
            ..
        } => (running, pinned),
        outcome => panic!("{outcome:?}"),
    }
}

fn arrived(running: &Running) -> Vec<Bytes> {
    let arrived = running.keeper.arrived.lock().unwrap();
    arrived
        .iter()
        .map(|(_, octets, _)| octets.clone())
        .collect()
}

pub(super) fn octets_of(apdu: &Octets) -> Bytes {
    let mut all = bytes::BytesMut::new();
    for chunk in apdu.chunks() {
        all.extend_from_slice(&chunk);
    }
    all.freeze()
}

#[tokio::test]
async fn x228_7_8_1_a_transfer_cut_anywhere_is_resumed_at_once() {
    for half in [false, true] {
        for at in (0..9).map(|n| 220 + n * 1_303) {
            let running = cut(vec![at], half).await;
            let apdu = apdu(9_000);
            let mut outcome = running
                .client
                .transfer("hub", Apdu::Octets(apdu.clone()))
                .await;
            if !matches!(outcome, Outcome::Delivered { .. }) {
                // Nothing was confirmed: it is tried again from its start.
                assert!(at < 5_000, "{at}: {outcome:?}");
                assert!(
                    matches!(outcome, Outcome::Later { pinned: None, .. }),
                    "{outcome:?}"
                );
                outcome = running
                    .client
                    .transfer("hub", Apdu::Octets(apdu.clone()))
                    .await;
            } else if at < 10_000 {
                assert_eq!(running.keeper.begun.load(Ordering::Relaxed), 1, "{at}");
            }
            assert!(
                matches!(outcome, Outcome::Delivered { .. }),
                "{at}: {outcome:?}"
            );
            assert_eq!(arrived(&running), [octets_of(&apdu)], "{at}");
        }
    }
}

#[tokio::test]
async fn house_2_pinned_octets_go_on_after_a_restart_and_others_begin_anew() {
    for same in [true, false] {
        let (running, pinned) = broken_off().await;
        assert!(
            pinned.octets() >= 2048 && pinned.octets() < 6_000,
            "{pinned:?}"
        );
        // All that is left of the first client is a text.
        let text = pinned.to_string();
        let config = running.client.directory().config().clone();
        let client = Client::new(Arc::new(Directory::new(config, "GW").unwrap()));
        let apdu = if same { apdu(9_000) } else { apdu(9_001) };
        let transfer = Transfer {
            urgency: config::Urgency::Urgent,
            pinned: Some(text.parse().unwrap()),
            ..Apdu::Octets(apdu.clone()).into()
        };
        let outcome = client.transfer("hub", transfer).await;
        assert!(matches!(outcome, Outcome::Delivered { .. }), "{outcome:?}");
        assert_eq!(arrived(&running), [octets_of(&apdu)]);
        let begun = || running.keeper.begun.load(Ordering::Relaxed);
        assert_eq!(begun(), if same { 1 } else { 2 });
        if !same {
            // The activity was discarded: who would resume it now begins anew.
            let transfer = Transfer {
                pinned: Some(text.parse().unwrap()),
                ..Apdu::Octets(super::apdu(9_000)).into()
            };
            let outcome = client.transfer("hub", transfer).await;
            assert!(matches!(outcome, Outcome::Delivered { .. }), "{outcome:?}");
            assert_eq!(begun(), 3);
        }
    }
}

#[tokio::test]
async fn house_2_octets_in_doubt_that_changed_are_discarded_and_sent_later() {
    let (running, pinned) = broken_off().await;
    let pinned = pinned.to_string();
    let ended = pinned.replace("\"ended\":false", "\"ended\":true");
    let mut transfer = Transfer {
        pinned: Some(ended.parse().unwrap()),
        ..Apdu::Octets(apdu(9_001)).into()
    };
    let outcome = running.client.transfer("hub", transfer.clone()).await;
    let Outcome::InDoubt { pinned: None, .. } = outcome else {
        panic!("{outcome:?}")
    };
    assert!(arrived(&running).is_empty());
    transfer.pinned = None;
    let outcome = running.client.transfer("hub", transfer).await;
    assert!(matches!(outcome, Outcome::Delivered { .. }), "{outcome:?}");
    assert_eq!(arrived(&running), [octets_of(&apdu(9_001))]);
}

/// What is kept of a transfer, or that nothing can be.
#[derive(Debug)]
struct Kept(Mutex<Vec<Pinned>>, bool);

impl client::Keep for Kept {
    fn keep(&self, pinned: Pinned) -> client::Keeping<'_> {
        self.0.lock().unwrap().push(pinned);
        let full = "the disk is full".to_owned();
        Box::pin(std::future::ready(self.1.then_some(()).ok_or(full)))
    }
}

#[tokio::test]
async fn house_2_a_transfer_is_pinned_after_each_mebibyte_and_before_its_last_octets() {
    for (length, octets) in [
        (2_600_000, vec![1, 2, 2]),
        (300_000, vec![0]),
        // No longer than the window: nothing of it is confirmed before its last octets leave.
        (100_000, vec![]),
    ] {
        let running = running(|server, client| {
            (server.checkpoint_size, server.window_size) = (63, 3);
            (client.checkpoint_size, client.window_size) = (63, 3);
        })
        .await;
        let kept = Arc::new(Kept(Mutex::default(), true));
        let transfer = Transfer {
            keep: Some(Arc::clone(&kept) as Arc<dyn client::Keep>),
            ..Apdu::Octets(apdu(length)).into()
        };
        let outcome = running.client.transfer("hub", transfer).await;
        assert!(matches!(outcome, Outcome::Delivered { .. }), "{outcome:?}");
        let kept = kept.0.lock().unwrap();
        let mebibytes: Vec<u64> = kept.iter().map(|kept| kept.octets() >> 20).collect();
        assert_eq!(mebibytes, octets, "{kept:?}");
        for (place, pinned) in (1..).zip(kept.iter()) {
            assert_eq!(pinned.is_in_doubt(), place == kept.len(), "{kept:?}");
        }
    }
}

#[tokio::test]
async fn house_2_what_cannot_be_pinned_is_not_sent_to_its_end() {
    let running = running(|_, _| {}).await;
    let transfer = Transfer {
        keep: Some(Arc::new(Kept(Mutex::default(), false))),
        ..Apdu::Octets(apdu(300_000)).into()
    };
    let outcome = running.client.transfer("hub", transfer).await;
    let Outcome::Later {
        explanation,
        pinned: None,
        ..
    } = outcome
    else {
        panic!("{outcome:?}")
    };
    assert_eq!(explanation, "not pinned: the disk is full");
    assert!(arrived(&running).is_empty());
}

#[tokio::test]
async fn x208_32_5_an_apdu_in_octets_by_key_arrives_and_is_resumed() {
    let mut running = cut(vec![6_000], false).await;
    let mut config = running.client.directory().config().clone();
    config.peer[0].external = crate::x400::transfer::Encoding::OctetAligned;
    running.client = Arc::new(Client::new(Arc::new(Directory::new(config, "GW").unwrap())));
    let apdus = [apdu(9_000), apdu(10)];
    for apdu in &apdus {
        let outcome = running
            .client
            .transfer("hub", Apdu::Octets(apdu.clone()))
            .await;
        assert!(matches!(outcome, Outcome::Delivered { .. }), "{outcome:?}");
    }
    assert_eq!(arrived(&running), apdus.map(|apdu| octets_of(&apdu)));
    assert_eq!(running.keeper.begun.load(Ordering::Relaxed), 2);
}

/// Passes connections on to a server as from a peer that calls every activity 1; the first until so
/// many octets have passed. Counts those that had another number.
async fn renumbering(to: String, mut left: usize) -> (String, Arc<AtomicUsize>) {
    let renumbered = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&renumbered);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut server = TcpStream::connect(&to).await.unwrap();
            let until = std::mem::replace(&mut left, usize::MAX);
            let count = Arc::clone(&count);
            tokio::spawn(async move {
                let (mut from_client, mut to_client) = client.split();
                let (mut from_server, mut to_server) = server.split();
                let up = async {
                    let (mut passed, mut octets) = (0, vec![0; 64 * 1024]);
                    while passed < until
                        && let Ok(read @ 1..) = from_client.read(&mut octets).await
                    {
                        for at in 0..read {
                            // Activity identifier (41) or old activity identifier (42): INTEGER.
                            if let [41 | 42, 3, 2, 1, number] = &mut octets[at..read.min(at + 5)] {
                                count.fetch_add(usize::from(*number > 1), Ordering::Relaxed);
                                *number = 1;
                            }
                        }
                        passed += read;
                        to_server.write_all(&octets[..read]).await.unwrap();
                    }
                };
                let down = tokio::io::copy(&mut from_server, &mut to_client);
                tokio::select! { () = up => {}, _ = down => {} }
            });
        }
    });
    (address, renumbered)
}

#[tokio::test]
async fn x228_7_8_1_an_activity_identifier_used_again_names_another_activity() {
    let mut running = cut(Vec::new(), false).await;
    let mut config = running.client.directory().config().clone();
    let to = config.peer[0].connect[0].clone();
    let (there, renumbered) = renumbering(to, 20_000).await;
    config.peer[0].connect = vec![there];
    let client = || Client::new(Arc::new(Directory::new(config.clone(), "GW").unwrap()));
    running.client = Arc::new(client());
    // Three on one association; it breaks within the third, which is resumed on another.
    let mut apdus = [5_000, 6_000, 30_000, 7_000, 8_000].map(apdu).to_vec();
    for apdu in &apdus[..4] {
        let outcome = running
            .client
            .transfer("hub", Apdu::Octets(apdu.clone()))
            .await;
        assert!(matches!(outcome, Outcome::Delivered { .. }), "{outcome:?}");
    }
    // From another process, on an association of its own.
    let outcome = client()
        .transfer("hub", Apdu::Octets(apdus[4].clone()))
        .await;
    assert!(matches!(outcome, Outcome::Delivered { .. }), "{outcome:?}");
    // The second, the third, what it was called when it was resumed, and the fourth.
    assert_eq!(renumbered.load(Ordering::Relaxed), 4);
    assert_eq!(running.keeper.begun.load(Ordering::Relaxed), apdus.len());
    let apdus: Vec<Bytes> = apdus.drain(..).map(|apdu| octets_of(&apdu)).collect();
    assert_eq!(arrived(&running), apdus);
}

#[tokio::test]
async fn what_the_server_has_forgotten_is_sent_from_its_start() {
    let (_running, pinned) = broken_off().await;
    // Another server, which knows nothing of it.
    let other = cut(Vec::new(), false).await;
    let transfer = Transfer {
        pinned: Some(pinned),
        ..Apdu::Octets(apdu(9_000)).into()
    };
    let outcome = other.client.transfer("hub", transfer).await;
    assert!(matches!(outcome, Outcome::Delivered { .. }), "{outcome:?}");
    assert_eq!(arrived(&other), [octets_of(&apdu(9_000))]);
}

#[tokio::test]
async fn x218_8_3_a_transfer_that_takes_too_long_is_interrupted_and_gone_on_with() {
    let running = running(|server, client| {
        server.checkpoint_size = 1;
        client.transfer_time.normal = 0;
    })
    .await;
    // So long that it is not over when the time is, which is at once.
    let mut transfer: Transfer = Apdu::Octets(apdu(2_000_000)).into();
    let outcome = running.client.transfer("hub", transfer.clone()).await;
    let (Outcome::Later {
        explanation,
        pinned,
        ..
    }
    | Outcome::InDoubt {
        explanation,
        pinned,
        ..
    }) = outcome
    else {
        panic!("{outcome:?}")
    };
    assert_eq!(explanation, "not transferred within 0ns");
    assert!(running.keeper.arrived.lock().unwrap().is_empty());
    transfer.pinned = pinned;
    transfer.urgency = config::Urgency::Urgent;
    let outcome = running.client.transfer("hub", transfer).await;
    assert!(matches!(outcome, Outcome::Delivered { .. }), "{outcome:?}");
    let arrived = running.keeper.arrived.lock().unwrap();
    assert!(
        arrived.iter().all(|(from, ..)| from.association == 0),
        "the same association"
    );
}

/// A source against a sink that fails as told, one message of 100,000 octets.
async fn failing(fail: &str) -> (source::Summary, sink::Counted) {
    let sink = sink::Sink::bind(sink::Options {
        listen: vec!["127.0.0.1:0".to_owned()],
        mta: "SINK".to_owned(),
        fail: vec![fail.parse().unwrap()],
        ..sink::Options::default()
    })
    .await
    .unwrap();
    let options = source::Options {
        to: sink.addresses()[0].to_string(),
        size: 100_000,
        // So that the source cannot run ahead of the sink.
        checkpoint_size: 1,
        window_size: 1,
        ..source::Options::default()
    };
    let (stop, stopped) = oneshot::channel::<()>();
    let ended = tokio::spawn(sink.run(async { drop(stopped.await) }));
    let summary = source::run(options, |_| {}).await.unwrap();
    drop(stop);
    (summary, ended.await.unwrap())
}

#[tokio::test]
async fn a_sink_fails_as_it_is_told() {
    for (fail, later, in_doubt, never, refused) in [
        ("later", 1, 0, 0, 1),
        ("full=50000", 1, 0, 0, 1),
        ("never=50000", 0, 0, 1, 1),
        ("drop=50000", 1, 0, 0, 1),
        // It is resumed at once, in vain, and begun anew.
        ("cut=50000", 1, 0, 0, 2),
        ("drop", 0, 1, 0, 1),
        ("cut", 0, 1, 0, 1),
        ("bind=inadequate-association-confidentiality", 1, 0, 0, 0),
    ] {
        let (summary, counted) = failing(fail).await;
        assert_eq!(
            (
                summary.later,
                summary.in_doubt,
                summary.never,
                counted.refused
            ),
            (later, in_doubt, never, refused),
            "{fail}: {summary:?}"
        );
        if let Some((_, reason)) = fail.split_once("bind=") {
            let why = summary.first_failure.unwrap();
            assert!(why.contains(reason), "{why}");
        }
    }
}
