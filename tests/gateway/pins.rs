//! Transfers cut by the death of either side: gone on with, discarded, in doubt, or made by another way;
//! each message arrives once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mixgate::x400::{Apdu, Outcome, Pinned, Transfer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::audit::{Auditor, Message, Place, To, Way};
use crate::kills::drained;
use crate::neighbours::{self, MailUser, MtaUser, Neighbours};
use crate::world::{PATIENCE, Serve, World};

const MIB: u64 = 1024 * 1024;
/// Octets of a message of some mebibytes.
const LARGE: usize = 3 * 1024 * 1024;

/// A wire to an MTA, on which octets are counted and held.
struct Wire {
    address: SocketAddr,
    /// How many octets may pass in all from the caller; `None`: nobody answers.
    limit: watch::Sender<Option<u64>>,
    passed: Arc<AtomicU64>,
}

impl Wire {
    async fn to(there: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (limit, limits) = watch::channel(Some(u64::MAX));
        let passed = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&passed);
        tokio::spawn(async move {
            while let Ok((here, _)) = listener.accept().await {
                let (mut limits, count) = (limits.clone(), Arc::clone(&count));
                if limits.borrow_and_update().is_none() {
                    continue;
                }
                let there = TcpStream::connect(there).await.unwrap();
                tokio::spawn(pass(here, there, limits, count));
            }
        });
        Self {
            address,
            limit,
            passed,
        }
    }

    /// How many octets have passed from callers.
    fn passed(&self) -> u64 {
        self.passed.load(Ordering::Relaxed)
    }

    /// Holds what comes after so many more octets.
    fn hold_after(&self, octets: u64) {
        self.limit.send_replace(Some(self.passed() + octets));
    }

    /// Until it holds what comes.
    async fn holds(&self) {
        let limit = self.limit.borrow().unwrap();
        let begun = Instant::now();
        while self.passed() < limit {
            assert!(begun.elapsed() < PATIENCE, "{} of {limit}", self.passed());
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Cuts every connection, and lets nobody in.
    fn dies(&self) {
        self.limit.send_replace(None);
    }

    /// Lets everything pass.
    fn lives(&self) {
        self.limit.send_replace(Some(u64::MAX));
    }
}

/// Passes octets on in both directions until either side ends, or the wire dies.
async fn pass(
    mut here: TcpStream,
    mut there: TcpStream,
    limits: watch::Receiver<Option<u64>>,
    passed: Arc<AtomicU64>,
) {
    let (mut from_here, mut to_here) = here.split();
    let (mut from_there, mut to_there) = there.split();
    let (mut open, mut dead) = (limits.clone(), limits);
    let up = async {
        let mut octets = vec![0; 4096];
        loop {
            let so_far = passed.load(Ordering::Relaxed);
            let is_open = |limit: &Option<u64>| limit.is_some_and(|limit| so_far < limit);
            if open.wait_for(is_open).await.is_err() {
                return;
            }
            let Ok(read @ 1..) = from_here.read(&mut octets).await else {
                return;
            };
            passed.fetch_add(read as u64, Ordering::Relaxed);
            if to_there.write_all(&octets[..read]).await.is_err() {
                return;
            }
        }
    };
    let down = tokio::io::copy(&mut from_there, &mut to_here);
    tokio::select! {
        () = up => {}
        _ = down => {}
        _ = dead.wait_for(Option::is_none) => {}
    }
}

/// A gateway whose wires to two MTAs can be cut.
struct Scene {
    auditor: Arc<Auditor>,
    neighbours: Neighbours,
    world: World,
    hub: Wire,
    spoke: Wire,
    ada: MailUser,
}

impl Scene {
    /// One that sends to the hub, and to the spoke if that has the same route at these terms.
    async fn new(places: [Place; 2], spoke: Option<&str>) -> Self {
        let auditor = Arc::new(Auditor::default());
        let neighbours = Neighbours::at(&auditor, places).await;
        let [to_hub, to_spoke] = neighbours.mtas;
        let (hub, to_spoke) = (Wire::to(to_hub).await, Wire::to(to_spoke).await);
        let world = World::new(neighbours.mail, [hub.address, to_spoke.address]);
        if let Some(terms) = spoke {
            let path = world.path("mixgate.toml");
            let config = std::fs::read_to_string(&path).unwrap();
            let own = "[\"/O=Works/PRMD=ORG/ADMD=HUB/C=GB/\"]";
            assert!(config.contains(own), "{config}");
            let shared = format!("[\"/PRMD=*/ADMD=HUB/C=GB/\"]\n{terms}");
            std::fs::write(&path, config.replace(own, &shared)).unwrap();
        }
        Self {
            ada: MailUser::new(world.smtp, &auditor),
            auditor,
            neighbours,
            world,
            hub,
            spoke: to_spoke,
        }
    }

    /// Hands in mail of this size.
    async fn mail(&self, to: To, size: usize) -> Message {
        let message = self.auditor.message_to(Way::ToX400, &[to], size);
        assert!(self.ada.hand_in(&message).await, "{}", self.world.log());
        message
    }

    /// What the one item in the queue of a killed gateway is to go on from.
    async fn pinned(&self) -> Option<Pinned> {
        let waiting = self.world.waiting().await;
        let [item] = waiting.as_slice() else {
            panic!("{waiting:?}")
        };
        let pinned = item.recipients[0].pinned.as_deref()?;
        Some(pinned.parse().unwrap())
    }

    /// Until a message has arrived.
    async fn arrived(&self, message: &Message) {
        let begun = Instant::now();
        while self.auditor.arrivals(message) == (0, 0) {
            assert!(begun.elapsed() < PATIENCE, "{}", self.world.log());
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Nothing is left, neither here nor of any transfer at an MTA; each message came so often.
    async fn ends(&self, mut serve: Serve, messages: &[&Message], times: u32) {
        drained(&self.auditor).await;
        // Were there more to come, it would come at once.
        sleep(Duration::from_millis(300)).await;
        serve.terminate();
        let status = serve.ended().await;
        let log = self.world.log();
        assert!(status.success(), "{log}");
        for message in messages {
            assert_eq!(self.auditor.arrivals(message), (times, 0), "{log}");
        }
        assert!(self.world.waiting().await.is_empty());
        assert!(self.world.spooled().is_empty());
        let (begun, kept) = (Instant::now(), &self.neighbours.parcels);
        while kept.load(Ordering::Relaxed) > 0 && begun.elapsed() < Duration::from_secs(5) {
            sleep(Duration::from_millis(10)).await;
        }
        let kept = kept.load(Ordering::Relaxed);
        assert_eq!(kept, 0, "what an MTA keeps will never be resumed: {log}");
        let (_, faults) = self.auditor.close();
        assert!(faults.is_empty(), "{}\n{log}", faults.join("\n"));
    }
}

/// A gateway that was killed in the midst of a transfer of this message, and its wire with it.
async fn killed_in_the_midst() -> (Scene, Message) {
    let scene = Scene::new([Place::Hub, Place::Spoke], None).await;
    let serve = scene.world.serve(None).await;
    scene.hub.hold_after(2 * MIB);
    let message = scene.mail(To::Jo, LARGE).await;
    scene.hub.holds().await;
    serve.kill();
    scene.hub.dies();
    (scene, message)
}

#[tokio::test]
async fn house_2_killed_in_the_midst_of_a_transfer_it_goes_on_where_that_was_pinned() {
    let (scene, message) = killed_in_the_midst().await;
    let pinned = scene.pinned().await.unwrap();
    assert_eq!(pinned.peer(), "hub");
    assert!((MIB..2 * MIB).contains(&pinned.octets()), "{pinned:?}");
    assert!(!pinned.is_in_doubt(), "it was never ended");

    scene.hub.lives();
    let before = scene.hub.passed();
    let serve = scene.world.serve(None).await;
    scene.ends(serve, &[&message], 1).await;
    let (all, crossed) = (LARGE as u64, scene.hub.passed() - before);
    let missing = all - pinned.octets();
    // And what stands around the content, of the message and of the layers.
    assert!(
        (missing..missing + MIB / 4).contains(&crossed),
        "{crossed} octets, {missing} were missing"
    );
}

#[tokio::test]
async fn house_2_what_converts_to_other_octets_is_discarded_and_begun_anew() {
    let (scene, message) = killed_in_the_midst().await;
    assert!(scene.pinned().await.unwrap().octets() >= MIB);
    // Its originator has another address now.
    let path = scene.world.path("table1");
    let table = std::fs::read_to_string(&path).unwrap();
    let more = "internet.example#O$Net.PRMD$NET.ADMD$HUB.C$GB#\n";
    std::fs::write(&path, table + more).unwrap();

    scene.hub.lives();
    let before = scene.hub.passed();
    let serve = scene.world.serve(None).await;
    scene.ends(serve, &[&message], 1).await;
    let crossed = scene.hub.passed() - before;
    assert!(crossed >= LARGE as u64, "{crossed} octets");
}

#[tokio::test]
async fn killed_before_the_confirmation_it_asks_the_same_peer_whether_it_has_the_transfer() {
    let scene = Scene::new([Place::Hub, Place::Spoke], Some("cost = 1")).await;
    scene.neighbours.delay.store(1500, Ordering::Relaxed);
    let serve = scene.world.serve(None).await;
    let message = scene.mail(To::Jo, 600 * 1024).await;
    scene.arrived(&message).await;
    serve.kill();
    scene.hub.dies();
    let pinned = scene.pinned().await.unwrap();
    assert!(pinned.is_in_doubt() && pinned.octets() > 0, "{pinned:?}");

    // As long as it does not answer, nobody else has it.
    let serve = scene.world.serve(None).await;
    sleep(Duration::from_millis(1500)).await;
    assert_eq!(scene.spoke.passed(), 0, "{}", scene.world.log());
    scene.hub.lives();
    let before = scene.hub.passed();
    let begun = Instant::now();
    while !scene.world.log().contains(" delivered ") && begun.elapsed() < PATIENCE {
        sleep(Duration::from_millis(10)).await;
    }
    scene.ends(serve, &[&message], 1).await;
    let crossed = scene.hub.passed() - before;
    // At most a window of them leaves before the answer comes.
    assert!(crossed < 300 * 1024, "{crossed} octets, though it had all");
}

#[tokio::test]
async fn killed_while_an_alternate_may_have_it_the_first_does_not_get_it_as_well() {
    let scene = Scene::new([Place::Hub, Place::Spoke], Some("cost = 1")).await;
    scene.neighbours.delay.store(1000, Ordering::Relaxed);
    scene.hub.dies();
    let serve = scene.world.serve(None).await;
    // Small, so that no point is ever confirmed.
    let message = scene.mail(To::Kim, 400).await;
    scene.arrived(&message).await;
    serve.kill();
    let pinned = scene.pinned().await.unwrap();
    assert_eq!((pinned.peer(), pinned.octets()), ("spoke", 0));
    scene.auditor.killed(&*scene.world.open_queue()).await;
    scene.hub.lives();
    scene.neighbours.delay.store(0, Ordering::Relaxed);
    let serve = scene.world.serve(None).await;
    let begun = Instant::now();
    while scene.auditor.arrivals(&message).0 < 2 && begun.elapsed() < PATIENCE {
        sleep(Duration::from_millis(10)).await;
    }
    // Twice to the spoke, which knows it again by its MTS identifier; at the hub it would be amiss.
    scene.ends(serve, &[&message], 2).await;
    assert_eq!(scene.hub.passed(), 0);
}

#[tokio::test]
async fn the_dearer_peer_gets_what_was_in_flight_to_the_cheaper_when_that_dies() {
    let scene = Scene::new([Place::Hub, Place::Hub], Some("cost = 1")).await;
    let serve = scene.world.serve(None).await;
    let small = scene.mail(To::Jo, 400).await;
    scene.arrived(&small).await;
    assert_eq!(scene.spoke.passed(), 0, "the cheaper peer is well");
    scene.hub.hold_after(2 * MIB);
    let large = scene.mail(To::Jo, LARGE).await;
    scene.hub.holds().await;
    scene.hub.dies();
    scene.arrived(&large).await;
    assert!(scene.spoke.passed() > LARGE as u64);
    // What the dead one has of it is not asked for again, and goes when its time is over.
    assert_eq!(scene.neighbours.parcels.swap(0, Ordering::Relaxed), 1);
    scene.hub.lives();
    scene.ends(serve, &[&small, &large], 1).await;
}

#[tokio::test]
async fn peers_of_equal_cost_share_what_comes_and_one_takes_all_when_the_other_dies() {
    let scene = Scene::new([Place::Hub, Place::Hub], Some("weight = 1")).await;
    let serve = scene.world.serve(None).await;
    let mut messages = Vec::new();
    for _ in 0..16 {
        messages.push(scene.mail(To::Jo, 400).await);
    }
    drained(&scene.auditor).await;
    // That one of them gets none by chance happens once in 32768 runs.
    let shares = [&scene.hub, &scene.spoke].map(Wire::passed);
    assert!(shares.iter().all(|share| *share > 0), "{shares:?}");
    scene.hub.hold_after(20 * 1024);
    for _ in 0..8 {
        messages.push(scene.mail(To::Jo, 400 * 1024).await);
    }
    scene.hub.dies();
    let all: Vec<&Message> = messages.iter().collect();
    drained(&scene.auditor).await;
    scene.neighbours.parcels.store(0, Ordering::Relaxed);
    scene.ends(serve, &all, 1).await;
}

#[tokio::test]
async fn x228_7_8_1_a_gateway_killed_while_it_receives_refuses_the_resume_and_gets_all_anew() {
    let scene = Scene::new([Place::Hub, Place::Spoke], None).await;
    let wire = Wire::to(scene.world.x400).await;
    let hub = MtaUser::new(wire.address, &scene.auditor);
    let message = scene.auditor.message(Way::ToMail, false, LARGE);
    let apdu = Apdu::Octets(neighbours::apdu(&message));
    scene.auditor.begins(&message);
    let serve = scene.world.serve(None).await;
    wire.hold_after(2 * MIB);
    let first = async {
        wire.holds().await;
        // Whatever has passed is to reach the spool.
        sleep(Duration::from_millis(300)).await;
        serve.kill();
        wire.dies();
    };
    let (outcome, ()) = tokio::join!(hub.client.transfer("gateway", apdu.clone()), first);
    let pinned = match outcome {
        Outcome::NoAssociation { pinned, .. } | Outcome::Later { pinned, .. } => pinned.unwrap(),
        other => panic!("{other:?}"),
    };
    assert!(pinned.octets() > MIB, "{pinned:?}");
    let spooled = scene.world.spooled();
    assert!(
        matches!(spooled.as_slice(), [part] if part.ends_with(".part")),
        "{spooled:?}"
    );

    let serve = scene.world.serve(None).await;
    assert!(scene.world.spooled().is_empty());
    wire.lives();
    let before = wire.passed();
    let resumed = Transfer {
        pinned: Some(pinned),
        ..apdu.into()
    };
    let outcome = hub.client.transfer("gateway", resumed).await;
    assert!(matches!(outcome, Outcome::Delivered { .. }), "{outcome:?}");
    scene.auditor.ends(&message, true);
    assert!(wire.passed() - before > LARGE as u64, "from its start");
    scene.ends(serve, &[&message], 1).await;
}
