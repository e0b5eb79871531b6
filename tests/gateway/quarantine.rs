//! Poison: transfers that nobody can read wait for an operator, are told of, and stop nobody else.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use mixgate::asn1;
use mixgate::asn1::mta::{Message, MtsApdu, Report, ReportTransferEnvelope};
use mixgate::gateway::route::SMTP;
use mixgate::gateway::rules::Rules;
use mixgate::gateway::service::Service;
use mixgate::queue::commands::{Listed, render};
use mixgate::queue::{Change, Filter, Item, ItemId, NewItem, State, Store, TransferKind};
use tokio::time::sleep;

use crate::transfers::{ADA, Scene, message, probe};
use crate::world::PATIENCE;

/// A message to Ada.
fn to_ada(local: &str) -> Message {
    message(local, &probe(local, &[(ADA, None)]))
}

/// An APDU, the tag of this element in it made one that nobody knows.
fn spoilt(apdu: &MtsApdu, element: &Bytes) -> Bytes {
    let mut octets = BytesMut::from(&asn1::encode(apdu)[..]);
    let mut windows = octets.windows(element.len());
    let at = windows.position(|octets| octets == element).unwrap();
    octets[at] = octets[at] & 0xe0 | 0x1e;
    octets.freeze()
}

/// A message whose envelope has no trace.
fn unreadable(local: &str) -> Bytes {
    let message = to_ada(local);
    let trace = asn1::encode(&message.envelope.trace_information);
    spoilt(&MtsApdu::Message(message), &trace)
}

impl Scene {
    /// The one item whose recipients are all in this state, once there is one.
    async fn the(&self, state: State, wanted: impl Fn(&Item) -> bool) -> Item {
        let begun = Instant::now();
        loop {
            let filter = Filter {
                finished: true,
                state: Some(state),
                ..Filter::default()
            };
            let mut items = self.store.list(filter).await.unwrap();
            items.retain(|item| wanted(item) && item.cause.is_none());
            assert!(items.len() < 2, "{items:?}");
            if let Some(item) = items.pop() {
                return item;
            }
            assert!(begun.elapsed() < PATIENCE, "nothing is {state}");
            sleep(Duration::from_millis(10)).await;
        }
    }

    async fn held(&self, reason: &str) -> Item {
        let item = self.the(State::Held, |_| true).await;
        let zone = TimeZone::UTC;
        let list = render(&[Listed::from(item.clone())], &zone, Timestamp::now());
        assert!(list.contains(&format!("quarantined: {reason}")), "{list}");
        assert!(list.contains("[held]"), "{list}");
        item
    }

    /// Lets an item out of quarantine; it comes back.
    async fn release(&self, id: ItemId) -> Item {
        let before = self.store.get(id).await.unwrap().recipients[0].attempts;
        let released = self
            .store
            .change(Filter::id(id), Change::Release, Timestamp::now());
        assert_eq!(released.await.unwrap(), [id]);
        self.the(State::Held, |item| {
            item.recipients[0].attempts == before + 1
        })
        .await
    }

    /// How many items there are, finished or not.
    async fn count(&self) -> usize {
        let all = Filter {
            finished: true,
            ..Filter::default()
        };
        self.store.list(all).await.unwrap().len()
    }
}

#[tokio::test]
async fn an_envelope_that_cannot_be_read_is_quarantined_and_told_of_as_far_as_it_goes() {
    let scene = Scene::new().await;
    let poison = unreadable("poison");
    scene.transfer_octets(poison.clone()).await.unwrap();
    scene
        .transfer(&MtsApdu::Message(to_ada("good")))
        .await
        .unwrap();
    scene.the(State::Delivered, |_| true).await;
    let held = scene
        .held("the transfer envelope cannot be read: octet ")
        .await;
    assert_eq!(held.recipients[0].number, 1);
    assert!(
        held.recipients[0]
            .address
            .contains("ada(a)internet.example"),
        "{held:?}"
    );
    assert_eq!(scene.store.open(held.id).await.unwrap(), poison);
    // protocol-violation (14)
    let told = scene.told(TransferKind::Message, 1).await;
    assert_eq!(told[&1].0, Some((1, Some(14))), "{told:?}");
    // It comes again, an operator tries it again: the same, and nothing more is told.
    let count = scene.count().await;
    scene.transfer_octets(poison).await.unwrap();
    let again = scene.release(held.id).await;
    assert_eq!(again.id, held.id);
    scene.told(TransferKind::Message, 1).await;
    assert_eq!(scene.count().await, count);
    scene.service.stop().await;
}

#[tokio::test]
async fn x411_12_2_1_1_1_6_recipients_of_one_number_are_quarantined() {
    let scene = Scene::new().await;
    let twice = probe("twice", &[(ADA, None), (&ADA.replace("ada", "bob"), None)]);
    let mut message = message("twice", &twice);
    for fields in &mut message.envelope.per_recipient_fields {
        fields.originally_specified_recipient_number = 7;
    }
    scene.transfer(&MtsApdu::Message(message)).await.unwrap();
    let held = scene.held("originally-specified-recipient-number 7 ").await;
    assert_eq!(held.recipients.len(), 1);
    let told = scene.told(TransferKind::Message, 1).await;
    assert_eq!(told[&7].0, Some((1, Some(14))), "{told:?}");
    scene.service.stop().await;
}

#[tokio::test]
async fn a_content_that_cannot_be_read_is_quarantined_and_told_of() {
    let scene = Scene::new().await;
    let mut poison = to_ada("poison");
    poison.content.0 = Bytes::from_static(b"\xa0\x03\x31\x01\x00");
    scene.transfer(&MtsApdu::Message(poison)).await.unwrap();
    scene
        .transfer(&MtsApdu::Message(to_ada("good")))
        .await
        .unwrap();
    scene.the(State::Delivered, |_| true).await;
    let held = scene.held("the content cannot be read: octet ").await;
    // content-syntax-error (12)
    let told = scene.told(TransferKind::Message, 1).await;
    assert_eq!(told[&1].0, Some((1, Some(12))), "{told:?}");
    assert!(!told[&1].1.contains("quarantined"), "{told:?}");
    let count = scene.count().await;
    scene.release(held.id).await;
    scene.told(TransferKind::Message, 1).await;
    assert_eq!(scene.count().await, count);
    scene.service.stop().await;
}

#[tokio::test]
async fn x411_14_3_3_a_report_that_cannot_be_read_is_kept_and_not_reported_on() {
    let scene = Scene::new().await;
    let report = Report {
        envelope: ReportTransferEnvelope {
            trace_information: to_ada("any").envelope.trace_information,
            ..ReportTransferEnvelope::default()
        },
        ..Report::default()
    };
    let trace = asn1::encode(&report.envelope.trace_information);
    let octets = spoilt(&MtsApdu::Report(report), &trace);
    scene.transfer_octets(octets).await.unwrap();
    let held = scene
        .held("the transfer envelope cannot be read: octet ")
        .await;
    assert_eq!((scene.count().await, held.recipients[0].number), (1, 0));
    // It goes when what has ended is forgotten.
    scene.service.stop().await;
    let path = scene.world.path("mixgate.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    let config = config.replace("[queue]\n", "[queue]\nremember-days = 0\n");
    std::fs::write(&path, config).unwrap();
    let rules = Rules::load(&path).unwrap();
    let store: Arc<dyn Store> = Arc::clone(&scene.store);
    let service = Service::start(rules, Arc::clone(&store)).await.unwrap();
    let begun = Instant::now();
    while !store.list(Filter::default()).await.unwrap().is_empty() {
        assert!(begun.elapsed() < PATIENCE);
        sleep(Duration::from_millis(10)).await;
    }
    service.stop().await;
}

#[tokio::test]
async fn what_can_be_read_when_it_is_released_goes_its_way() {
    let scene = Scene::new().await;
    scene.transfer_octets(unreadable("mended")).await.unwrap();
    let held = scene.held("the transfer envelope").await;
    // As if a later version of the gateway could read it.
    let changed = scene
        .store
        .change(Filter::id(held.id), Change::Delete, Timestamp::now());
    changed.await.unwrap();
    let id = ItemId::generate();
    let mut spool = scene.store.spool(id);
    let readable = asn1::encode(&MtsApdu::Message(to_ada("mended")));
    spool.write(&readable).await.unwrap();
    let mended = NewItem {
        item: Item { id, ..held },
        body: spool.end().await.unwrap(),
        duplicate: None,
    };
    scene.store.enqueue(vec![mended]).await.unwrap();
    let released = scene
        .store
        .change(Filter::id(id), Change::Release, Timestamp::now());
    released.await.unwrap();
    let is_new = |item: &Item| item.id != id;
    let delivered = scene.the(State::Delivered, is_new).await;
    assert_eq!(delivered.recipients[0].route, SMTP);
    assert_eq!(
        scene.store.get(id).await.unwrap().recipients[0].state,
        State::Delivered
    );
    scene.service.stop().await;
}
