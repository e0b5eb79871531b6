//! What every store must do with the life of an item: operators, events, stats.

use mixgate::queue::{Change, Event, Filter, Finished, Outcome, State, StoreError, What};

use super::{Place, at, claim, enqueue, mail, settled, small};
use crate::on_every_store;

on_every_store! {
    operators_hold_release_retry_and_delete
    x411_8_2_1_1_1_12_no_operator_makes_due_what_is_deferred
    the_life_of_an_item_is_told
    stats_count_by_route
}

async fn operators_hold_release_retry_and_delete(place: &impl Place) {
    let store = place.open();
    let item = mail(&[("a@example.org", "hub"), ("b@example.org", "mail")]);
    let id = enqueue(store.as_ref(), item).await;
    let hub = || Filter {
        route: Some("hub".into()),
        ..Filter::default()
    };
    let states = async || -> Vec<State> {
        let item = store.get(id).await.unwrap();
        item.recipients
            .iter()
            .map(|recipient| recipient.state)
            .collect()
    };
    // Only the recipient the filter finds.
    assert_eq!(
        store.change(hub(), Change::Hold, at(1)).await.unwrap(),
        [id]
    );
    assert_eq!(states().await, [State::Held, State::Queued]);
    assert!(
        store
            .change(hub(), Change::Retry, at(1))
            .await
            .unwrap()
            .is_empty()
    );
    let claims = claim(store.as_ref(), at(1), 9).await;
    assert_eq!(
        claims
            .iter()
            .map(|claim| claim.route.as_str())
            .collect::<Vec<_>>(),
        ["mail"]
    );
    let later = Outcome::Deferred {
        next_due: at(1000),
        delay_reported: true,
    };
    store
        .finish(&claims[0], Finished::new(at(2), vec![settled(1, later)]))
        .await
        .unwrap();
    assert!(claim(store.as_ref(), at(2), 9).await.is_empty());
    let both = Filter::id(id);
    assert_eq!(
        store
            .change(both.clone(), Change::Release, at(3))
            .await
            .unwrap(),
        [id]
    );
    assert_eq!(store.next_due(vec![], at(3)).await.unwrap(), Some(at(3)));
    assert_eq!(
        store.next_due(vec!["mail".into()], at(3)).await.unwrap(),
        Some(at(1000))
    );
    assert_eq!(
        store
            .change(both.clone(), Change::Retry, at(4))
            .await
            .unwrap(),
        [id]
    );
    assert_eq!(
        store.next_due(vec!["mail".into()], at(4)).await.unwrap(),
        Some(at(4))
    );
    assert!(store.get(id).await.unwrap().recipients[1].delay_reported);

    // A loan survives: what its worker reports counts, even for what was held or deleted.
    let claims = claim(store.as_ref(), at(5), 9).await;
    store.change(hub(), Change::Delete, at(6)).await.unwrap();
    store
        .change(both.clone(), Change::Hold, at(6))
        .await
        .unwrap();
    for claim in &claims {
        let outcome = settled(claim.item.recipients[0].number, later);
        store
            .finish(claim, Finished::new(at(7), vec![outcome]))
            .await
            .unwrap();
    }
    assert_eq!(states().await, [State::Deleted, State::Held]);
    assert!(store.open(id).await.is_ok());
    store
        .change(both.clone(), Change::Delete, at(8))
        .await
        .unwrap();
    assert_eq!(states().await, [State::Deleted, State::Deleted]);
    assert!(matches!(store.open(id).await, Err(StoreError::Unknown(_))));
    assert!(
        store
            .change(both, Change::Release, at(9))
            .await
            .unwrap()
            .is_empty()
    );
}

async fn x411_8_2_1_1_1_12_no_operator_makes_due_what_is_deferred(place: &impl Place) {
    let store = place.open();
    let mut item = mail(&[("a@example.org", "hub"), ("b@example.org", "mail")]);
    item.recipients[0].next_due = at(1000);
    item.recipients[0].not_before = Some(at(1000));
    let id = enqueue(store.as_ref(), item).await;
    let change = async |change, now| {
        let changed = store.change(Filter::id(id), change, at(now)).await.unwrap();
        assert_eq!(changed, [id]);
        let item = store.get(id).await.unwrap();
        let recipients = item.recipients.iter();
        recipients
            .map(|recipient| recipient.next_due)
            .collect::<Vec<_>>()
    };
    assert_eq!(change(Change::Retry, 5).await, [at(1000), at(5)]);
    change(Change::Hold, 6).await;
    assert_eq!(change(Change::Release, 7).await, [at(1000), at(7)]);
    assert_eq!(change(Change::Retry, 2000).await, [at(2000), at(2000)]);
}

async fn the_life_of_an_item_is_told(place: &impl Place) {
    let store = place.open();
    let id = enqueue(store.as_ref(), mail(&[("a@example.org", "hub")])).await;
    let converted = Event {
        at: at(1),
        item: id,
        recipient: None,
        what: What::Converted,
        text: "p22".to_owned(),
    };
    store.record(vec![converted.clone()]).await.unwrap();
    let claims = claim(store.as_ref(), at(1), 1).await;
    let mut finished = Finished::new(at(2), vec![settled(0, Outcome::Failed)]);
    let report = mail(&[("sender@example.org", "mail")]);
    let report_id = report.id;
    finished.new_items.push(small(report));
    store.finish(&claims[0], finished).await.unwrap();
    place.crash();
    let life = place.open().events(id).await.unwrap();
    let words: Vec<What> = life.iter().map(|event| event.what).collect();
    assert_eq!(
        words,
        [
            What::Accepted,
            What::Converted,
            What::Refused,
            What::Reported
        ]
    );
    assert_eq!(life[1], converted);
    assert_eq!(
        (life[2].recipient, life[2].text.as_str()),
        (Some(0), "hub 2.0.0 ok")
    );
    assert_eq!(life[3].text, report_id.to_string());
}

async fn stats_count_by_route(place: &impl Place) {
    let store = place.open();
    assert!(store.stats().await.unwrap().is_empty());
    let mut item = mail(&[("a@example.org", "hub"), ("b@example.org", "hub")]);
    item.recipients[1].state = State::Held;
    item.recipients[0].next_due = at(50);
    enqueue(store.as_ref(), item).await;
    enqueue(store.as_ref(), mail(&[("a@example.org", "mail")])).await;
    let stats = store.stats().await.unwrap();
    assert_eq!(stats.len(), 2);
    assert_eq!(
        (stats[0].route.as_str(), stats[0].queued, stats[0].held),
        ("hub", 1, 1)
    );
    assert_eq!((stats[0].oldest, stats[0].next_due), (at(0), Some(at(50))));
    assert_eq!(
        (stats[1].route.as_str(), stats[1].queued, stats[1].held),
        ("mail", 1, 0)
    );
}
