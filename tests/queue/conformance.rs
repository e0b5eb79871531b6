//! What every store must do with items, bodies, filters and names.

use mixgate::queue::{
    Accepted, Body, Change, DuplicateKey, Filter, Finished, Identifier, IdentifierKind, Item,
    ItemId, NewItem, Origin, Outcome, Priority, Recipient, Settled, State, StoreError, Transfer,
    TransferKind, What,
};

use super::{Place, at, claim, enqueue, mail, octets, settled, small};

/// Runs each function of a module on a place of each store.
#[macro_export]
macro_rules! on_every_store {
    ($($name:ident)*) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&$crate::Folder::new()).await;
            })*
        }
    };
}

on_every_store! {
    an_item_comes_back_as_it_went_in
    a_crash_after_enqueue_loses_nothing
    large_bodies_stream_in_and_go_with_their_item
    a_dropped_body_leaves_nothing
    enqueue_is_all_or_nothing
    an_id_is_taken_once
    a_failure_and_its_report_do_not_part
    the_same_transfer_is_taken_once
    what_ended_with_nothing_delivered_may_come_again
    what_was_deleted_meanwhile_is_not_reported
    a_name_learned_at_each_attempt_stands_once
    names_find_items_until_they_are_forgotten
    what_an_attempt_pins_is_there_for_the_next_and_no_longer
    filters_find_by_everything_that_is_set
}

async fn an_item_comes_back_as_it_went_in(place: &impl Place) {
    let store = place.open();
    let mut item = mail(&[("a@example.org", "hub"), ("b@example.org", "mail")]);
    item.cause = Some(ItemId::generate());
    item.priority = Priority::Override;
    item.recipients[1].state = State::Held;
    item.recipients[1].status = Some("4.4.1".to_owned());
    item.recipients[1].last_attempt = Some(at(-5));
    item.recipients[0].not_before = Some(at(5));
    enqueue(store.as_ref(), item.clone()).await;
    item.size = 17;
    assert_eq!(store.get(item.id).await.unwrap(), item);

    let mut transfer = mail(&[]);
    let recipient = Recipient::new(7, "/S=One/C=GB/", "relay", "p22", at(0));
    transfer.recipients.push(recipient);
    transfer.origin = Origin::Transfer(Transfer {
        kind: TransferKind::Probe,
        association: "hub#7".to_owned(),
        originator: "/S=Two/C=GB/".to_owned(),
        content_type: "p22".to_owned(),
        latest: Some(at(9)),
    });
    enqueue(store.as_ref(), transfer.clone()).await;
    transfer.size = 17;
    assert_eq!(store.get(transfer.id).await.unwrap(), transfer);
    assert_eq!(store.list(Filter::default()).await.unwrap().len(), 2);
    let missing = ItemId::generate();
    assert!(matches!(store.get(missing).await, Err(StoreError::Unknown(id)) if id == missing));
}

async fn a_crash_after_enqueue_loses_nothing(place: &impl Place) {
    let store = place.open();
    let mut ids = Vec::new();
    for size in [0, 10, 300_000] {
        let item = mail(&[("a@example.org", "hub")]);
        let mut spool = store.spool(item.id);
        spool.write(&octets(size)).await.unwrap();
        let body = spool.end().await.unwrap();
        ids.push((item.id, size));
        store
            .enqueue(vec![NewItem {
                item,
                body,
                duplicate: None,
            }])
            .await
            .unwrap();
    }
    place.crash();
    let reopened = place.open();
    for (id, size) in ids {
        assert_eq!(reopened.open(id).await.unwrap(), octets(size));
        assert_eq!(reopened.get(id).await.unwrap().size, size as u64);
    }
    assert_eq!(claim(reopened.as_ref(), at(0), 9).await.len(), 3);
}

async fn large_bodies_stream_in_and_go_with_their_item(place: &impl Place) {
    let store = place.open();
    let item = mail(&[("a@example.org", "hub")]);
    let whole = octets(3_000_000);
    let mut spool = store.spool(item.id);
    for piece in whole.chunks(70_001) {
        spool.write(piece).await.unwrap();
    }
    assert_eq!((spool.id(), spool.size()), (item.id, 3_000_000));
    let body = spool.end().await.unwrap();
    let id = item.id;
    store
        .enqueue(vec![NewItem {
            item,
            body,
            duplicate: None,
        }])
        .await
        .unwrap();
    assert_eq!(store.open(id).await.unwrap(), whole);
    let claims = claim(store.as_ref(), at(0), 1).await;
    let done = Finished::new(at(1), vec![settled(0, Outcome::Delivered)]);
    store.finish(&claims[0], done).await.unwrap();
    assert!(matches!(store.open(id).await, Err(StoreError::Unknown(_))));
    assert_eq!(
        store.get(id).await.unwrap().recipients[0].state,
        State::Delivered
    );
}

async fn a_dropped_body_leaves_nothing(place: &impl Place) {
    let store = place.open();
    let item = mail(&[("a@example.org", "hub")]);
    let mut spool = store.spool(item.id);
    spool.write(&octets(600_000)).await.unwrap();
    drop(spool);
    let mut spool = store.spool(item.id);
    spool.write(&octets(600_000)).await.unwrap();
    drop(spool.end().await.unwrap());
    assert!(
        store
            .list(Filter {
                finished: true,
                ..Filter::default()
            })
            .await
            .unwrap()
            .is_empty()
    );
    enqueue(store.as_ref(), item).await;
}

async fn enqueue_is_all_or_nothing(place: &impl Place) {
    let store = place.open();
    let (one, two) = (
        mail(&[("a@example.org", "hub")]),
        mail(&[("a@example.org", "hub")]),
    );
    enqueue(store.as_ref(), two.clone()).await;
    let both = vec![small(one.clone()), small(two.clone())];
    assert!(matches!(store.enqueue(both).await, Err(StoreError::Exists(id)) if id == two.id));
    assert!(matches!(
        store.get(one.id).await,
        Err(StoreError::Unknown(_))
    ));
}

async fn an_id_is_taken_once(place: &impl Place) {
    let store = place.open();
    let item = mail(&[("a@example.org", "hub")]);
    let id = item.id;
    for expected in [true, false] {
        let mut spool = store.spool(id);
        spool.write(&octets(500_000)).await.unwrap();
        let body = spool.end().await.unwrap();
        let taken = store
            .enqueue(vec![NewItem {
                item: item.clone(),
                body,
                duplicate: None,
            }])
            .await;
        assert_eq!(taken.is_ok(), expected);
    }
    // The body of the first is not harmed by the second.
    assert_eq!(store.open(id).await.unwrap(), octets(500_000));
}

async fn a_failure_and_its_report_do_not_part(place: &impl Place) {
    let store = place.open();
    let id = enqueue(store.as_ref(), mail(&[("a@example.org", "hub")])).await;
    let taken = mail(&[("b@example.org", "hub")]);
    enqueue(store.as_ref(), taken.clone()).await;
    let claims = claim(store.as_ref(), at(0), 1).await;
    assert_eq!(claims[0].item.id, id);

    // The report cannot be taken: then the failure is not recorded either.
    let mut finished = Finished::new(at(1), vec![settled(0, Outcome::Failed)]);
    finished.new_items.push(small(taken));
    assert!(matches!(
        store.finish(&claims[0], finished).await,
        Err(StoreError::Exists(_))
    ));
    assert_eq!(
        store.get(id).await.unwrap().recipients[0].state,
        State::Queued
    );

    // The claim is still held, so the worker can mend it.
    let mut report = mail(&[("sender@example.org", "mail")]);
    report.cause = Some(id);
    let mut finished = Finished::new(at(2), vec![settled(0, Outcome::Failed)]);
    finished.new_items.push(small(report.clone()));
    let accepted = store.finish(&claims[0], finished).await.unwrap();
    assert_eq!(accepted, [Accepted::New(report.id)]);
    place.crash();
    let reopened = place.open();
    assert_eq!(
        reopened.get(id).await.unwrap().recipients[0].state,
        State::Failed
    );
    assert_eq!(reopened.get(report.id).await.unwrap().cause, Some(id));
}

async fn the_same_transfer_is_taken_once(place: &impl Place) {
    let key = |peer: &str, recipients: &[&str]| DuplicateKey {
        peer: peer.to_owned(),
        mts_identifier: "[/PRMD=A/C=GB/;1]".to_owned(),
        recipients: recipients.iter().map(|text| (*text).to_owned()).collect(),
    };
    let new = |key: DuplicateKey| {
        let body = Body::inline(octets(10).into());
        NewItem {
            item: mail(&[("a@example.org", "hub")]),
            body,
            duplicate: Some(key),
        }
    };
    let store = place.open();
    let first = new(key("hub", &["/S=A/", "/S=B/"]));
    let id = first.item.id;
    assert_eq!(
        store.enqueue(vec![first]).await.unwrap(),
        [Accepted::New(id)]
    );
    let claims = claim(store.as_ref(), at(0), 1).await;
    let done = Finished::new(at(1), vec![settled(0, Outcome::Delivered)]);
    store.finish(&claims[0], done).await.unwrap();
    place.crash();

    let store = place.open();
    let again = new(key("hub", &["/S=B/", "/S=A/"]));
    assert_eq!(
        store.enqueue(vec![again]).await.unwrap(),
        [Accepted::Duplicate(id)]
    );
    assert_eq!(
        store
            .remembered(key("hub", &["/S=A/", "/S=B/"]))
            .await
            .unwrap(),
        Some(id)
    );
    assert_eq!(
        store.events(id).await.unwrap().last().unwrap().what,
        What::Duplicated
    );
    // A copy split upstream has other recipients; another peer is another transfer.
    for other in [key("hub", &["/S=C/"]), key("other", &["/S=A/", "/S=B/"])] {
        assert_eq!(store.remembered(other.clone()).await.unwrap(), None);
        let other = new(other);
        let other_id = other.item.id;
        assert_eq!(
            store.enqueue(vec![other]).await.unwrap(),
            [Accepted::New(other_id)]
        );
    }
    assert_eq!(store.forget(at(100)).await.unwrap(), 1);
    assert_eq!(
        store
            .remembered(key("hub", &["/S=A/", "/S=B/"]))
            .await
            .unwrap(),
        None
    );
}

async fn what_ended_with_nothing_delivered_may_come_again(place: &impl Place) {
    let key = DuplicateKey {
        peer: "hub".to_owned(),
        mts_identifier: "[/PRMD=A/C=GB/;1]".to_owned(),
        recipients: vec!["/S=A/".to_owned(), "/S=B/".to_owned()],
    };
    let store = place.open();
    let come = async || {
        let item = mail(&[("a@example.org", "hub"), ("b@example.org", "hub")]);
        let id = item.id;
        let mut new = small(item);
        new.duplicate = Some(key.clone());
        (id, store.enqueue(vec![new]).await.unwrap())
    };
    let ends = async |outcomes: [Outcome; 2]| {
        let claims = claim(store.as_ref(), at(0), 1).await;
        let settled = vec![settled(0, outcomes[0]), settled(1, outcomes[1])];
        let done = Finished::new(at(1), settled);
        store.finish(&claims[0], done).await.unwrap();
    };
    // Given up and reported: whoever sends it again means it.
    let (first, taken) = come().await;
    assert_eq!(taken, [Accepted::New(first)]);
    assert_eq!(come().await.1, [Accepted::Duplicate(first)]);
    ends([Outcome::Failed, Outcome::Expired]).await;
    assert_eq!(store.remembered(key.clone()).await.unwrap(), None);
    // Deleted by an operator.
    let (second, taken) = come().await;
    assert_eq!(taken, [Accepted::New(second)]);
    let deleted = store.change(Filter::id(second), Change::Delete, at(2));
    assert_eq!(deleted.await.unwrap(), [second]);
    // Delivered, if only to one.
    let (third, taken) = come().await;
    assert_eq!(taken, [Accepted::New(third)]);
    ends([Outcome::Failed, Outcome::Delivered]).await;
    assert_eq!(come().await.1, [Accepted::Duplicate(third)]);
}

async fn what_was_deleted_meanwhile_is_not_reported(place: &impl Place) {
    let store = place.open();
    let id = enqueue(store.as_ref(), mail(&[("a@example.org", "hub")])).await;
    let claims = claim(store.as_ref(), at(0), 1).await;
    store
        .change(Filter::id(id), Change::Delete, at(1))
        .await
        .unwrap();
    let mut finished = Finished::new(at(2), vec![settled(0, Outcome::Failed)]);
    finished
        .new_items
        .push(small(mail(&[("sender@example.org", "mail")])));
    assert_eq!(store.finish(&claims[0], finished).await.unwrap(), []);
    assert_eq!(store.list(Filter::default()).await.unwrap(), []);
    let recipient = &store.get(id).await.unwrap().recipients[0];
    assert_eq!((recipient.state, recipient.attempts), (State::Deleted, 1));
}

async fn a_name_learned_at_each_attempt_stands_once(place: &impl Place) {
    let store = place.open();
    let id = enqueue(store.as_ref(), mail(&[("a@example.org", "hub")])).await;
    let name = Identifier::new(IdentifierKind::MtsIdentifier, "[/PRMD=A/C=GB/;1]");
    let before = store.get(id).await.unwrap().identifiers;
    for second in 0..3 {
        let claims = claim(store.as_ref(), at(second), 1).await;
        let next_due = at(second + 1);
        let later = Outcome::Deferred {
            next_due,
            delay_reported: false,
        };
        let mut finished = Finished::new(at(second), vec![settled(0, later)]);
        finished.identifiers = vec![name.clone()];
        store.finish(&claims[0], finished).await.unwrap();
    }
    let after = store.get(id).await.unwrap().identifiers;
    assert_eq!(after, [before, vec![name.clone()]].concat());
    assert_eq!(store.correlate(name).await.unwrap(), [id]);
}

async fn what_an_attempt_pins_is_there_for_the_next_and_no_longer(place: &impl Place) {
    let id = {
        let store = place.open();
        let id = enqueue(store.as_ref(), mail(&[("a@example.org", "hub")])).await;
        for (second, pinned) in [(0, Some("first")), (1, None), (2, Some("third"))] {
            let claims = claim(store.as_ref(), at(second), 1).await;
            let later = Outcome::Deferred {
                next_due: at(second + 1),
                delay_reported: false,
            };
            let pinned = pinned.map(str::to_owned);
            let settled = Settled {
                pinned: pinned.clone(),
                ..settled(0, later)
            };
            let finished = Finished::new(at(second), vec![settled]);
            store.finish(&claims[0], finished).await.unwrap();
            assert_eq!(store.get(id).await.unwrap().recipients[0].pinned, pinned);
        }
        id
    };
    {
        let store = place.open();
        let claims = claim(store.as_ref(), at(9), 1).await;
        let pinned = claims[0].item.recipients[0].pinned.as_deref();
        assert_eq!((claims[0].item.id, pinned), (id, Some("third")));
        // What an attempt notes as it goes is there though it records no outcome.
        store.pin(&claims[0], "fourth".to_owned()).await.unwrap();
    }
    let store = place.open();
    let claims = claim(store.as_ref(), at(10), 1).await;
    let recipient = &claims[0].item.recipients[0];
    assert_eq!(
        (recipient.pinned.as_deref(), recipient.attempts),
        (Some("fourth"), 3)
    );
    let finished = Finished::new(at(11), vec![settled(0, Outcome::Delivered)]);
    store.finish(&claims[0], finished).await.unwrap();
    assert_eq!(store.get(id).await.unwrap().recipients[0].pinned, None);
    // It holds the claim no longer.
    let late = store.pin(&claims[0], "fifth".to_owned()).await;
    assert!(matches!(late, Err(StoreError::Fenced(_))), "{late:?}");
}

async fn names_find_items_until_they_are_forgotten(place: &impl Place) {
    let store = place.open();
    let mut item = mail(&[("a@example.org", "hub")]);
    item.identifiers
        .push(Identifier::new(IdentifierKind::Envid, "QQ1"));
    let id = enqueue(store.as_ref(), item).await;
    let other = enqueue(store.as_ref(), mail(&[("b@example.org", "mail")])).await;
    let message_id = Identifier::new(IdentifierKind::MessageId, "<1@example.org>");
    let envid = Identifier::new(IdentifierKind::Envid, "QQ1");
    let mts = Identifier::new(IdentifierKind::MtsIdentifier, "[/C=GB/;7]");
    assert_eq!(store.correlate(message_id.clone()).await.unwrap().len(), 2);
    assert_eq!(store.correlate(envid.clone()).await.unwrap(), [id]);
    assert!(store.correlate(mts.clone()).await.unwrap().is_empty());
    // Of the same value, but another kind.
    let other_kind = Identifier::new(IdentifierKind::ContentCorrelator, "QQ1");
    assert!(store.correlate(other_kind).await.unwrap().is_empty());

    let claims = claim(store.as_ref(), at(0), 1).await;
    let mut finished = Finished::new(at(1), vec![settled(0, Outcome::Delivered)]);
    finished.identifiers.push(mts.clone());
    store.finish(&claims[0], finished).await.unwrap();
    assert_eq!(store.correlate(mts.clone()).await.unwrap(), [id]);
    assert_eq!(
        store
            .get(id)
            .await
            .unwrap()
            .identifier(IdentifierKind::MtsIdentifier),
        Some("[/C=GB/;7]")
    );
    assert_eq!(store.forget(at(1)).await.unwrap(), 0);
    assert_eq!(store.forget(at(2)).await.unwrap(), 1);
    assert!(store.correlate(mts).await.unwrap().is_empty());
    assert_eq!(store.correlate(message_id).await.unwrap(), [other]);
    assert!(matches!(store.get(id).await, Err(StoreError::Unknown(_))));
}

async fn filters_find_by_everything_that_is_set(place: &impl Place) {
    let store = place.open();
    let mut ids = Vec::new();
    for (seconds, address, route) in [
        (0, "Ann@example.org", "hub"),
        (10, "bob@example.org", "hub"),
        (20, "cy@example.net", "mail"),
    ] {
        let mut item = mail(&[(address, route)]);
        item.arrived = at(seconds);
        item.peer = format!("192.0.2.{seconds}");
        item.identifiers = vec![Identifier::new(
            IdentifierKind::MessageId,
            format!("<{seconds}>"),
        )];
        ids.push(item.id);
        enqueue(store.as_ref(), item).await;
    }
    ids.sort();
    let all = Filter::default;
    let find = async |filter: Filter| -> Vec<String> {
        let found: Vec<Item> = store.list(filter).await.unwrap();
        found
            .into_iter()
            .map(|item| item.peer.replace("192.0.2.", ""))
            .collect()
    };
    let mut everything = find(all()).await;
    everything.sort();
    assert_eq!(everything, ["0", "10", "20"]);
    assert_eq!(
        find(Filter {
            recipient: Some("aNN@".into()),
            ..all()
        })
        .await,
        ["0"]
    );
    assert_eq!(
        find(Filter {
            recipient: Some("%".into()),
            ..all()
        })
        .await
        .len(),
        0
    );
    assert_eq!(
        find(Filter {
            route: Some("mail".into()),
            ..all()
        })
        .await,
        ["20"]
    );
    assert_eq!(
        find(Filter {
            peer: Some("192.0.2.10".into()),
            ..all()
        })
        .await,
        ["10"]
    );
    assert_eq!(
        find(Filter {
            identifier: Some("<10>".into()),
            ..all()
        })
        .await,
        ["10"]
    );
    assert_eq!(
        find(Filter {
            before: Some(at(10)),
            ..all()
        })
        .await,
        ["0"]
    );
    assert_eq!(
        find(Filter {
            since: Some(at(20)),
            ..all()
        })
        .await,
        ["20"]
    );
    assert_eq!(
        find(Filter {
            sender: Some("SENDER@".into()),
            ..all()
        })
        .await
        .len(),
        3
    );
    assert_eq!(
        find(Filter {
            state: Some(State::Held),
            ..all()
        })
        .await
        .len(),
        0
    );
    let both = Filter {
        route: Some("hub".into()),
        recipient: Some("cy@".into()),
        ..all()
    };
    assert_eq!(find(both).await.len(), 0);
    // Page by page, in order of the ids.
    let page = store.list(Filter { limit: 2, ..all() }).await.unwrap();
    assert_eq!(
        page.iter().map(|item| item.id).collect::<Vec<_>>(),
        ids[..2]
    );
    let rest = store
        .list(Filter {
            limit: 2,
            after: Some(ids[1]),
            ..all()
        })
        .await
        .unwrap();
    assert_eq!(
        rest.iter().map(|item| item.id).collect::<Vec<_>>(),
        ids[2..]
    );
}
