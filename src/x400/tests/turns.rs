//! Two-way alternate associations: who sends when, and what becomes of it when they break.

use tokio::sync::watch;

use super::super::link::Link;
use super::config::{Mode, Urgency};
use super::recovery::{cutting, octets_of};
use super::*;
use crate::osi::rtse::{Dialogue, Indication, Request};

/// One of two MTAs.
struct End {
    keeper: Arc<Keeper>,
    directory: Arc<Directory>,
    client: Arc<Client>,
    address: std::net::SocketAddr,
    _tending: watch::Sender<bool>,
    _stop: oneshot::Sender<()>,
}

impl End {
    async fn new(config: Config, mta: &str) -> Self {
        let keeper = Arc::new(Keeper::default());
        let directory = Arc::new(Directory::new(config, mta).unwrap());
        let server = Server::bind(Arc::clone(&directory), Arc::clone(&keeper))
            .await
            .unwrap();
        let address = server.addresses()[0];
        let client = Arc::new(Client::new(Arc::clone(&directory)).with(&server));
        let (stop, stopped) = oneshot::channel();
        tokio::spawn(server.run(async { drop(stopped.await) }));
        let (tending, stopped) = watch::channel(false);
        tokio::spawn(Arc::clone(&client).tend(stopped));
        Self {
            keeper,
            directory,
            client,
            address,
            _tending: tending,
            _stop: stop,
        }
    }

    fn arrived(&self) -> usize {
        self.keeper.arrived.lock().unwrap().len()
    }

    /// Until it has something.
    async fn until_arrived(&self) {
        while self.arrived() == 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Sends to the other until it has it, as a queue does.
    async fn deliver(&self, to: &str, apdu: &Octets) {
        let mut transfer = Transfer::from(Apdu::Octets(apdu.clone()));
        for _ in 0..200 {
            match self.client.transfer(to, transfer.clone()).await {
                Outcome::Delivered { .. } => return,
                Outcome::Later { pinned, .. }
                | Outcome::NoAssociation { pinned, .. }
                | Outcome::InDoubt { pinned, .. } => transfer.pinned = pinned,
                never @ Outcome::Never { .. } => panic!("{never:?}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("not delivered to {to}");
    }
}

/// Two MTAs: one calls, perhaps over a connection that is cut when so many octets have come back; the
/// other only is called.
async fn pair(cut: Option<usize>, change: impl Fn(&mut Config, &mut Config)) -> [End; 2] {
    let config = |name: &str, mta: &str| Config {
        listen: vec!["127.0.0.1:0".to_owned()],
        checkpoint_size: 1,
        peer: vec![Peer {
            name: name.to_owned(),
            mta: mta.to_owned(),
            accept_from: vec!["127.0.0.1".parse().unwrap()],
            two_way_alternate: true,
            ..Peer::default()
        }],
        ..Config::default()
    };
    let (mut called, mut caller) = (config("gw", "GW"), config("hub", "HUB"));
    change(&mut caller, &mut called);
    let called = End::new(called, "HUB").await;
    let to = called.address.to_string();
    caller.peer[0].connect = vec![match cut {
        Some(at) => cutting(to, vec![at], false, true).await,
        None => to,
    }];
    [End::new(caller, "GW").await, called]
}

#[tokio::test]
async fn x218_8_1_both_sides_send_on_one_association() {
    for mode in [Mode::Normal, Mode::X410, Mode::Of1984] {
        let [gw, hub] = pair(None, |gw, hub| {
            gw.peer[0].mode = mode;
            hub.peer[0].mode = mode;
            gw.peer[0].max_associations = Some(1);
        })
        .await;
        gw.deliver("hub", &apdu(5_000)).await;
        let count = 12;
        let send = |end: &End, to: &'static str| -> Vec<_> {
            (0..count)
                .map(|number| {
                    let client = Arc::clone(&end.client);
                    let apdu = Apdu::Octets(apdu(number * 700));
                    tokio::spawn(async move { client.transfer(to, apdu).await })
                })
                .collect()
        };
        for sent in send(&gw, "hub").into_iter().chain(send(&hub, "gw")) {
            let outcome = sent.await.unwrap();
            assert!(matches!(outcome, Outcome::Delivered { .. }), "{outcome:?}");
        }
        assert_eq!((gw.arrived(), hub.arrived()), (count, count + 1));
        let status = |end: &End, of: &str| end.directory.standing(of).unwrap().status();
        assert_eq!(status(&gw, "hub").outgoing, 1);
        assert_eq!(status(&hub, "gw").outgoing, 0, "it has called nobody");
        assert_eq!(hub.keeper.opened.load(Ordering::Relaxed), 1);
        let arrived = gw.keeper.arrived.lock().unwrap();
        for (from, ..) in arrived.iter() {
            assert_eq!((from.peer.as_deref(), from.mode), (Some("hub"), mode));
            assert_eq!((from.mta.as_str(), from.association), ("HUB", 0));
        }
    }
}

#[tokio::test]
async fn what_waits_for_a_peer_that_only_calls_goes_when_it_calls() {
    let [gw, hub] = pair(None, |_, _| {}).await;
    let outcome = hub.client.transfer("gw", Apdu::Octets(apdu(1))).await;
    let Outcome::NoAssociation { tried: false, .. } = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(hub.keeper.opened.load(Ordering::Relaxed), 0);
    gw.deliver("hub", &apdu(1)).await;
    assert_eq!(hub.keeper.opened.load(Ordering::Relaxed), 1);
    // More at once than there are associations: the others wait for it.
    let outcomes = [1, 2, 3].map(|n| hub.client.transfer("gw", Apdu::Octets(apdu(n))));
    let [one, two, three] = outcomes;
    let (one, two, three) = tokio::join!(one, two, three);
    for outcome in [one, two, three] {
        assert!(matches!(outcome, Outcome::Delivered { .. }), "{outcome:?}");
    }
    assert_eq!(gw.arrived(), 3);
    gw.client.close().await;
    for _ in 0..500 {
        if hub.directory.standing("gw").unwrap().status().incoming == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not released");
}

#[tokio::test]
async fn x218_9_2_the_initiator_takes_the_turn_back_to_release_what_is_idle() {
    let [gw, hub] = pair(None, |gw, _| gw.idle_timeout = 1).await;
    gw.deliver("hub", &apdu(1)).await;
    hub.deliver("gw", &apdu(1)).await;
    tokio::time::sleep(Duration::from_millis(2_000)).await;
    let status = hub.directory.standing("gw").unwrap().status();
    assert_eq!(status.incoming, 0, "released");
    assert_eq!((gw.arrived(), hub.arrived()), (1, 1));
}

#[tokio::test]
async fn x218_9_4_the_turn_goes_to_who_has_something_more_pressing() {
    for (urgency, waits) in [(Urgency::Urgent, false), (Urgency::NonUrgent, true)] {
        let [gw, hub] = pair(None, |gw, _| gw.peer[0].max_associations = Some(1)).await;
        hub.keeper.delay.store(40, Ordering::Relaxed);
        let sent: Vec<_> = (0..10)
            .map(|number| {
                let client = Arc::clone(&gw.client);
                tokio::spawn(
                    async move { client.transfer("hub", Apdu::Octets(apdu(number))).await },
                )
            })
            .collect();
        hub.until_arrived().await;
        let transfer = Transfer {
            urgency,
            ..Apdu::Octets(apdu(1)).into()
        };
        let outcome = hub.client.transfer("gw", transfer).await;
        assert!(matches!(outcome, Outcome::Delivered { .. }), "{outcome:?}");
        assert_eq!(hub.arrived() == 10, waits, "{urgency:?}: {}", hub.arrived());
        for sent in sent {
            let outcome = sent.await.unwrap();
            assert!(matches!(outcome, Outcome::Delivered { .. }), "{outcome:?}");
        }
        assert_eq!((gw.arrived(), hub.arrived()), (1, 10));
    }
}

#[tokio::test]
async fn x228_7_8_1_what_is_cut_while_the_turn_is_at_the_responder_arrives_once() {
    let cuts = (0..9).map(|n| 400 + n * 1_303).map(|at| async move {
        let [gw, hub] = pair(Some(at), |gw, hub| {
            gw.peer[0].permanent = 1;
            hub.window_size = 2;
        })
        .await;
        let (down, up) = (apdu(9_000), apdu(3_000));
        // Each waits for the other's turn, and for the other association.
        tokio::join!(hub.deliver("gw", &down), gw.deliver("hub", &up));
        let arrived = |end: &End| -> Vec<Bytes> {
            let arrived = end.keeper.arrived.lock().unwrap();
            arrived
                .iter()
                .map(|(_, octets, _)| octets.clone())
                .collect()
        };
        assert_eq!(arrived(&gw), [octets_of(&down)], "{at}");
        assert_eq!(arrived(&hub), [octets_of(&up)], "{at}");
        gw.keeper.begun.load(Ordering::Relaxed)
    });
    let mut begun = Vec::new();
    for cut in cuts.map(tokio::spawn).collect::<Vec<_>>() {
        begun.push(cut.await.unwrap());
    }
    // What was confirmed before the cut does not come again.
    assert!(
        begun.iter().filter(|&&begun| begun == 1).count() >= 4,
        "{begun:?}"
    );
}

#[tokio::test]
async fn x228_7_1_two_way_alternate_is_refused_where_it_is_not_agreed_on() {
    for (mode, says) in [
        (Mode::Normal, "unacceptable-dialogue-mode"),
        (Mode::X410, "unacceptableDialogueMode"),
    ] {
        for (calls, called, welcome) in [
            (true, true, true),
            (true, false, false),
            (false, true, true),
            (false, false, true),
        ] {
            let [gw, hub] = pair(None, |gw, hub| {
                (gw.peer[0].mode, hub.peer[0].mode) = (mode, mode);
                gw.peer[0].two_way_alternate = calls;
                hub.peer[0].two_way_alternate = called;
            })
            .await;
            let outcome = gw.client.transfer("hub", Apdu::Octets(apdu(1))).await;
            match welcome {
                true => assert!(matches!(outcome, Outcome::Delivered { .. }), "{outcome:?}"),
                false => {
                    let why = explanation(outcome);
                    assert!(why.contains(says), "{why}");
                    continue;
                }
            }
            // In a monologue who is called has nothing to send on.
            let outcome = hub.client.transfer("gw", Apdu::Octets(apdu(1))).await;
            let sent = matches!(outcome, Outcome::Delivered { .. });
            assert_eq!(sent, calls && called, "{outcome:?}");
        }
    }
}

/// A caller of the hub that does what it likes.
async fn caller(gw: &End, change: impl FnOnce(&mut crate::osi::rtse::Open)) -> Link {
    let peer = gw.directory.peer("hub").unwrap();
    let stream = TcpStream::connect(&peer.connect[0]).await.unwrap();
    let mut link = Link::new(stream, gw.directory.stack(Some(peer))).unwrap();
    let mut open = gw.directory.open(peer, "261122045628Z").unwrap();
    change(&mut open);
    link.request(Request::Open(Box::new(open))).unwrap();
    let told = link.next().await;
    assert!(
        matches!(told, Some(Indication::OpenConfirm(Ok(_)))),
        "{told:?}"
    );
    link
}

#[tokio::test]
async fn a_turn_that_is_never_given_costs_the_association_in_time() {
    let [gw, hub] = pair(None, |_, hub| hub.peer[0].transfer_timeout = Some(1)).await;
    let mut link = caller(&gw, |_| {}).await;
    let client = Arc::clone(&hub.client);
    let sent = tokio::spawn(async move {
        let transfer = Transfer {
            urgency: Urgency::Urgent,
            ..Apdu::Octets(apdu(1)).into()
        };
        client.transfer("gw", transfer).await
    });
    assert_eq!(
        link.next().await,
        Some(Indication::TurnPlease { priority: 1 })
    );
    while link.next().await.is_some() {}
    let outcome = sent.await.unwrap();
    let Outcome::NoAssociation { tried: false, .. } = outcome else {
        panic!("{outcome:?}");
    };
}

#[tokio::test]
async fn a_turn_given_unasked_comes_back_to_the_initiator() {
    let [gw, hub] = pair(None, |_, _| {}).await;
    let mut link = caller(&gw, |_| {}).await;
    link.request(Request::TurnGive).unwrap();
    assert_eq!(link.next().await, Some(Indication::TurnGive));
    // Given with something waiting, it is used first.
    link.request(Request::TurnGive).unwrap();
    let outcome = {
        let client = Arc::clone(&hub.client);
        let sent = tokio::spawn(async move { client.transfer("gw", Apdu::Octets(apdu(1))).await });
        while let Some(told) = link.next().await {
            match told {
                Indication::Transfer => link.request(Request::TransferResponse).unwrap(),
                Indication::TurnGive => break,
                _ => {}
            }
        }
        sent.await.unwrap()
    };
    assert!(matches!(outcome, Outcome::Delivered { .. }), "{outcome:?}");
    link.request(Request::Close).unwrap();
    assert_eq!(link.next().await, Some(Indication::CloseConfirm));
}

#[tokio::test]
async fn x218_8_1_a_monologue_may_be_the_responders() {
    let [gw, hub] = pair(None, |_, hub| hub.peer[0].two_way_alternate = false).await;
    let mut link = caller(&gw, |open| {
        open.dialogue = Dialogue::Monologue;
        open.initiator_has_turn = false;
    })
    .await;
    let client = Arc::clone(&hub.client);
    let sent = tokio::spawn(async move { client.transfer("gw", Apdu::Octets(apdu(1))).await });
    while link.next().await.unwrap() != Indication::Transfer {}
    link.request(Request::TransferResponse).unwrap();
    // What it says goes out while it listens.
    let listening = tokio::spawn(link.finish());
    let outcome = sent.await.unwrap();
    assert!(matches!(outcome, Outcome::Delivered { .. }), "{outcome:?}");
    listening.abort();
}
