//! Deliveries that hold each other up in nothing: what a neighbour that is away, hung, closed or out of
//! sorts costs those that are not meant for it, and what waits for it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use mixgate::gateway::rules::Rules;
use mixgate::gateway::service::Service;
use mixgate::queue::{Filter, Item, State, Store};
use mixgate::x400::RefusalReason;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::audit::{Auditor, Message, To, Way};
use crate::neighbours::{MailUser, Neighbours};
use crate::world::{PATIENCE, World};

/// A gate in front of an MTA.
struct Gate {
    address: SocketAddr,
    /// Whether calls are passed on, or hung up on.
    open: watch::Sender<bool>,
    /// How many calls were not passed on.
    failed: Arc<AtomicUsize>,
}

impl Gate {
    async fn before(there: SocketAddr, open: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (open, now) = watch::channel(open);
        let failed = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&failed);
        tokio::spawn(async move {
            while let Ok((mut here, _)) = listener.accept().await {
                if *now.borrow() {
                    let mut there = TcpStream::connect(there).await.unwrap();
                    tokio::spawn(async move { copy_bidirectional(&mut here, &mut there).await });
                } else {
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        Self {
            address,
            open,
            failed,
        }
    }

    fn failed(&self) -> usize {
        self.failed.load(Ordering::Relaxed)
    }
}

/// A gateway in this process, with a gate in front of the hub.
struct Scene {
    auditor: Arc<Auditor>,
    neighbours: Neighbours,
    gate: Gate,
    world: World,
    store: Arc<dyn Store>,
    service: Option<Service>,
}

impl Scene {
    /// With the gate so, these changes of its configuration, and these peers disabled.
    async fn new(open: bool, changes: &[(&str, &str)], disabled: &str) -> Self {
        let auditor = Arc::new(Auditor::default());
        let neighbours = Neighbours::start(&auditor).await;
        let gate = Gate::before(neighbours.mtas[0], open).await;
        let world = World::new(neighbours.mail, [gate.address, neighbours.mtas[1]]);
        let file = world.path("mixgate.toml");
        let mut config = std::fs::read_to_string(&file).unwrap();
        for (old, new) in changes {
            assert!(config.contains(old), "{old}");
            config = config.replacen(old, new, 1);
        }
        std::fs::write(file, config).unwrap();
        std::fs::write(world.path("disabled-peers"), disabled).unwrap();
        let store = world.open_queue();
        let mut scene = Self {
            auditor,
            neighbours,
            gate,
            world,
            store,
            service: None,
        };
        scene.start().await;
        scene
    }

    async fn start(&mut self) {
        let rules = Rules::load(&self.world.path("mixgate.toml")).unwrap();
        let service = Service::start(rules, Arc::clone(&self.store)).await;
        self.service = Some(service.unwrap());
    }

    /// Mail for Jo, at the hub.
    async fn mail(&self, size: usize) -> Message {
        self.mail_to(&[To::Jo], size).await
    }

    async fn mail_to(&self, to: &[To], size: usize) -> Message {
        let message = self.auditor.message_to(Way::ToX400, to, size);
        let user = MailUser::new(self.world.smtp, &self.auditor);
        assert!(user.hand_in(&message).await);
        message
    }

    /// All items, once they are so.
    async fn items(&self, are_so: impl Fn(&[Item]) -> bool) -> Vec<Item> {
        let begun = Instant::now();
        loop {
            let filter = Filter {
                finished: true,
                ..Filter::default()
            };
            let items = self.store.list(filter).await.unwrap();
            if are_so(&items) {
                return items;
            }
            assert!(begun.elapsed() < PATIENCE, "{items:#?}");
            sleep(Duration::from_millis(10)).await;
        }
    }

    async fn arrives(&self, message: &Message) {
        let begun = Instant::now();
        while self.auditor.arrivals(message).0 == 0 {
            assert!(begun.elapsed() < PATIENCE, "{:?}", message.token);
            sleep(Duration::from_millis(5)).await;
        }
    }

    async fn command(&self, arguments: &[&str]) {
        let output = self.world.run(arguments).await;
        assert!(output.status.success(), "{output:?}");
    }
}

const HUB: &str = "name = \"hub\"\n";

fn attempts(item: &Item) -> u32 {
    item.recipients[0].attempts
}

#[tokio::test]
async fn what_waits_for_a_peer_that_is_not_called_is_not_tried_until_it_is_mended() {
    for command in [["peer", "ping", "hub"], ["queue", "retry", "--all"]] {
        let patient = format!("{HUB}open-interval = 600\n");
        let scene = Scene::new(false, &[(HUB, &patient)], "").await;
        let mut messages = vec![scene.mail(400).await];
        scene
            .items(|items| items.iter().any(|item| attempts(item) == 1))
            .await;
        for _ in 0..5 {
            messages.push(scene.mail(400).await);
        }
        // What goes elsewhere passes meanwhile.
        scene.arrives(&scene.mail_to(&[To::Kim], 400).await).await;
        let items = scene.items(|_| true).await;
        let of_hub = items
            .iter()
            .filter(|item| item.recipients[0].route == "hub");
        let waiting = of_hub.filter(|item| attempts(item) == 0).count();
        assert_eq!((waiting, scene.gate.failed()), (5, 1), "{items:#?}");

        scene.gate.open.send(true).unwrap();
        scene.command(&command).await;
        for message in &messages {
            scene.arrives(message).await;
        }
    }
}

#[tokio::test]
async fn what_waits_for_a_disabled_peer_is_not_tried_but_expires_in_time() {
    let brief = "[queue.schedule]\nexpire = { priority = \"3s\" }\n";
    let changes = [("[queue.schedule]\n", brief)];
    let mut scene = Scene::new(true, &changes, "hub\n").await;
    scene.mail(400).await;
    sleep(Duration::from_millis(500)).await;
    let items = scene.items(|items| !items.is_empty()).await;
    assert_eq!(attempts(&items[0]), 0, "{items:?}");
    scene.service.take().unwrap().stop().await;
    sleep(Duration::from_secs(3)).await;
    scene.start().await;
    let items = scene
        .items(|items| items[0].recipients[0].state == State::Expired)
        .await;
    assert!(
        items[0].recipients[0].text.contains("disabled"),
        "{items:?}"
    );
    assert_eq!(items[1].cause, Some(items[0].id), "its sender is told");
}

#[tokio::test]
async fn open_retries_are_calls_that_failed_while_a_message_could_go() {
    let impatient = format!("{HUB}open-retries = 1\nopen-interval = 1\n");
    let scene = Scene::new(false, &[(HUB, &impatient)], "hub\n").await;
    for _ in 0..3 {
        scene.mail(400).await;
    }
    // Long enough for any number of attempts.
    sleep(Duration::from_secs(3)).await;
    let begun = Instant::now();
    scene.command(&["peer", "enable", "hub"]).await;
    let failed = |item: &Item| item.recipients[0].state == State::Failed;
    scene
        .items(|items| items.iter().filter(|item| failed(item)).count() == 3)
        .await;
    assert!(begun.elapsed() >= Duration::from_millis(900), "a retry");
    assert!(scene.gate.failed() >= 2);
}

#[tokio::test]
async fn a_transfer_that_failed_is_repeated_as_configured() {
    let steady = format!("{HUB}transfer-retries = 2\ntransfer-interval = 0\n");
    let changes = [
        (HUB, steady.as_str()),
        ("retry = [\"1s\"]", "retry = [\"1h\"]"),
    ];
    let scene = Scene::new(true, &changes, "").await;
    *scene.neighbours.refusals.lock().unwrap() = vec![RefusalReason::LocalError; 4];
    scene.mail(400).await;
    let later = |item: &Item| {
        let wait = item.recipients[0].next_due.duration_since(Timestamp::now());
        wait > SignedDuration::from_mins(50)
    };
    let items = scene.items(|items| items.iter().any(later)).await;
    assert_eq!(attempts(&items[0]), 3);
    assert_eq!(scene.neighbours.refusals.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_message_that_is_refused_for_now_lets_others_pass_before_it_is_repeated() {
    let steady =
        format!("{HUB}transfer-retries = 2\ntransfer-interval = 3\nmax-associations = 1\n");
    let scene = Scene::new(true, &[(HUB, &steady)], "").await;
    *scene.neighbours.refusals.lock().unwrap() = vec![RefusalReason::LocalError];
    let refused = scene.mail(400).await;
    scene
        .items(|_| scene.neighbours.refusals.lock().unwrap().is_empty())
        .await;
    let next = scene.mail(400).await;
    scene.arrives(&next).await;
    assert_eq!(scene.auditor.arrivals(&refused).0, 0, "not yet");
    scene.arrives(&refused).await;
}

#[tokio::test]
async fn the_schedule_of_one_peer_is_not_that_of_its_alternate() {
    let now = Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
    let hour = |later: i8| (now.hour() + later) % 24;
    let spoke = "routes = [\"/O=Works/PRMD=ORG/ADMD=HUB/C=GB/\"]";
    let cheaper = format!(
        "routes = [\"/PRMD=*/ADMD=HUB/C=GB/\"]\nschedule = [\"{:02}:00-{:02}:00\"]\n\
         time-zone = \"UTC\"",
        hour(12),
        hour(14)
    );
    let dearer = format!("{HUB}cost = 5\n");
    let scene = Scene::new(true, &[(spoke, &cheaper), (HUB, &dearer)], "").await;
    *scene.neighbours.refusals.lock().unwrap() = vec![RefusalReason::LocalError];
    let message = scene.mail(400).await;
    scene.arrives(&message).await;
    let items = scene.items(|_| true).await;
    assert!(attempts(&items[0]) <= 2, "{items:?}");
}
