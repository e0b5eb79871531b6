//! One kill at each place of `src/failpoint.rs`, between two steps that must not be taken for one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mixgate::failpoint::Failpoint;
use tokio::time::sleep;

use crate::audit::{Auditor, Message, Way};
use crate::neighbours::{MailUser, MtaUser, Neighbours};
use crate::world::{PATIENCE, Serve, World};

/// A gateway that dies at a place, and its neighbours.
struct Scene {
    auditor: Arc<Auditor>,
    world: World,
    ada: MailUser,
    mta: MtaUser,
    _neighbours: Neighbours,
}

impl Scene {
    async fn new() -> Self {
        let auditor = Arc::new(Auditor::default());
        let neighbours = Neighbours::start(&auditor).await;
        let world = World::new(neighbours.mail, neighbours.mtas);
        Self {
            ada: MailUser::new(world.smtp, &auditor),
            mta: MtaUser::new(world.x400, &auditor),
            auditor,
            world,
            _neighbours: neighbours,
        }
    }

    /// A running gateway that dies when it comes by `place` for the `count`th time.
    async fn armed(&self, place: Failpoint, count: u32) -> Serve {
        self.world.serve(Some(format!("{place}:{count}"))).await
    }

    /// A new message.
    fn message(&self, way: Way, refused: bool, size: usize) -> Message {
        self.auditor.message(way, refused, size)
    }

    /// Hands it in on its side.
    async fn hand_in(&self, way: Way, message: &Message) -> bool {
        match way {
            Way::ToX400 => self.ada.hand_in(message).await,
            Way::ToMail | Way::Probe => self.mta.hand_in(message).await,
        }
    }

    /// The gateway dies by itself, holding so many items.
    async fn dies(&self, mut serve: Serve, items: usize) {
        let status = serve.ended().await;
        assert_eq!(status.code(), None, "{status}\n{}", self.world.log());
        let store = self.world.open_queue();
        let held = self.auditor.killed(&*store).await;
        assert_eq!(held.values().sum::<usize>(), items, "{}", self.world.log());
    }

    /// The gateway comes back; then the message has come so often, and its report, and nothing
    /// is left.
    async fn comes_back(&self, message: &Message, expected: (u32, u32)) {
        let serve = self.world.serve(None).await;
        self.comes(serve, message, expected).await;
    }

    async fn comes(&self, mut serve: Serve, message: &Message, expected: (u32, u32)) {
        let begun = Instant::now();
        while self.auditor.arrivals(message) != expected {
            let arrived = self.auditor.arrivals(message);
            let log = || self.world.log();
            assert!(begun.elapsed() < PATIENCE, "{arrived:?}\n{}", log());
            sleep(Duration::from_millis(10)).await;
        }
        // Were there more to come, it would be tried at once.
        sleep(Duration::from_millis(300)).await;
        serve.terminate();
        assert!(serve.ended().await.success(), "{}", self.world.log());
        assert_eq!(self.auditor.arrivals(message), expected);
        assert!(self.world.waiting().await.is_empty());
        assert!(self.world.spooled().is_empty());
        let (_, faults) = self.auditor.close();
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }
}

#[tokio::test]
async fn body_synced_but_no_row_is_as_if_it_never_came() {
    for way in [Way::ToX400, Way::ToMail] {
        let scene = Scene::new().await;
        let mut serve = scene.armed(Failpoint::BodySyncedNoRow, 1).await;
        let message = scene.message(way, false, 300 * 1024);
        assert!(
            !scene.hand_in(way, &message).await,
            "acknowledged without a row"
        );
        // No row, but the whole body; it goes when the queue is next opened.
        serve.ended().await;
        let left = scene.world.spooled();
        assert!(
            matches!(left.as_slice(), [name] if name.ends_with(".body")),
            "{left:?}"
        );
        scene.dies(serve, 0).await;
        assert!(scene.world.spooled().is_empty());
        let serve = scene.world.serve(None).await;
        assert!(scene.hand_in(way, &message).await);
        scene.comes(serve, &message, (1, 0)).await;
    }
}

#[tokio::test]
async fn journaled_but_not_entered_is_delivered_all_the_same() {
    for way in [Way::ToX400, Way::ToMail] {
        let scene = Scene::new().await;
        let serve = scene.armed(Failpoint::JournaledNotEntered, 1).await;
        // What a start changes in the tables shares no commit with it: arrivals alone are journaled.
        sleep(Duration::from_millis(500)).await;
        let message = scene.message(way, false, 400);
        // Whether the answer was still sent is chance.
        scene.hand_in(way, &message).await;
        scene.dies(serve, 1).await;
        scene.comes_back(&message, (1, 0)).await;
    }
}

#[tokio::test]
async fn committed_but_no_250_is_delivered_all_the_same() {
    let scene = Scene::new().await;
    let serve = scene.armed(Failpoint::CommittedNoReply, 1).await;
    let message = scene.message(Way::ToX400, false, 400);
    assert!(!scene.ada.hand_in(&message).await);
    scene.dies(serve, 1).await;
    scene.comes_back(&message, (1, 0)).await;
}

#[tokio::test]
async fn delivered_but_not_recorded_is_delivered_again() {
    for way in [Way::ToX400, Way::ToMail] {
        let scene = Scene::new().await;
        let serve = scene.armed(Failpoint::DeliveredNotRecorded, 1).await;
        let message = scene.message(way, false, 400);
        scene.hand_in(way, &message).await;
        scene.dies(serve, 1).await;
        assert_eq!(scene.auditor.arrivals(&message), (1, 0));
        scene.comes_back(&message, (2, 0)).await;
    }
}

#[tokio::test]
async fn activity_end_without_confirmation_is_taken_once_though_transferred_twice() {
    // After the commit, and right before the confirmation.
    for count in [1, 2] {
        let scene = Scene::new().await;
        let serve = scene.armed(Failpoint::ActivityEndNoConfirm, count).await;
        let message = scene.message(Way::ToMail, false, 400);
        assert!(!scene.mta.hand_in(&message).await);
        scene.dies(serve, 1).await;
        let serve = scene.world.serve(None).await;
        assert!(
            scene.mta.hand_in(&message).await,
            "not confirmed the second time"
        );
        scene.comes(serve, &message, (1, 0)).await;
    }
}

#[tokio::test]
async fn outcome_without_report_is_no_outcome() {
    for way in [Way::ToX400, Way::ToMail] {
        let scene = Scene::new().await;
        let serve = scene.armed(Failpoint::OutcomeNoReport, 1).await;
        let message = scene.message(way, true, 400);
        scene.hand_in(way, &message).await;
        scene.dies(serve, 1).await;
        assert_eq!(scene.auditor.arrivals(&message), (0, 0));
        scene.comes_back(&message, (0, 1)).await;
    }
}
