//! What every store must do with claims: order, groups, loans, fencing, wake-ups.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::SignedDuration;
use mixgate::queue::{ClaimRequest, Finished, Outcome, Overdue, Priority, State, StoreError};

use super::{Place, at, claim, enqueue, mail, settled};
use crate::on_every_store;

on_every_store! {
    a_claim_groups_by_item_route_and_content_type
    higher_priorities_come_first_then_those_due_longest
    what_is_not_due_is_not_lent
    of_what_is_due_only_the_overdue_is_lent_if_asked_for
    a_recipient_is_lent_once_until_the_loan_ends
    an_old_claim_cannot_finish
    a_claim_from_before_a_crash_cannot_finish
    a_renewed_loan_lasts_longer
    recipients_without_outcome_stay_as_they_were
    an_outcome_of_somebody_elses_recipient_is_refused
    deferred_recipients_come_back_when_due
    next_due_knows_loans
    one_item_can_be_claimed_before_its_time
    many_workers_share_without_overlap
    whoever_waits_is_woken
}

async fn a_claim_groups_by_item_route_and_content_type(place: &impl Place) {
    let store = place.open();
    let mut item = mail(&[
        ("a@example.org", "hub"),
        ("b@example.org", "mail"),
        ("c@example.org", "hub"),
        ("d@example.org", "hub"),
    ]);
    item.recipients[3].content_type = "p2".to_owned();
    let id = enqueue(store.as_ref(), item).await;
    let mut claims = claim(store.as_ref(), at(0), 9).await;
    claims.sort_by_key(|claim| claim.item.recipients[0].number);
    let groups: Vec<(String, String, Vec<u32>)> = claims
        .iter()
        .map(|claim| {
            assert_eq!(claim.item.id, id);
            let numbers = claim
                .item
                .recipients
                .iter()
                .map(|recipient| recipient.number)
                .collect();
            (claim.route.clone(), claim.content_type.clone(), numbers)
        })
        .collect();
    let group = |route: &str, content_type: &str, numbers: &[u32]| {
        (route.to_owned(), content_type.to_owned(), numbers.to_vec())
    };
    assert_eq!(
        groups,
        [
            group("hub", "p22", &[0, 2]),
            group("mail", "p22", &[1]),
            group("hub", "p2", &[3])
        ]
    );

    // No more recipients than asked for: the rest are the next claim's.
    let item = mail(&[
        ("a@example.org", "x"),
        ("b@example.org", "x"),
        ("c@example.org", "x"),
    ]);
    enqueue(store.as_ref(), item).await;
    let request = ClaimRequest {
        recipients: 2,
        ..ClaimRequest::new(at(0))
    };
    let mut counts = Vec::new();
    for _ in 0..3 {
        counts.extend(
            store
                .claim(request.clone())
                .await
                .unwrap()
                .iter()
                .map(|c| c.item.recipients.len()),
        );
    }
    assert_eq!(counts, [2, 1]);
}

async fn higher_priorities_come_first_then_those_due_longest(place: &impl Place) {
    let store = place.open();
    let mut expected = Vec::new();
    for (priority, due, route) in [
        (Priority::Routine, -9, "a"),
        (Priority::Override, -1, "b"),
        (Priority::Priority, -2, "b"),
        (Priority::Priority, -3, "a"),
        (Priority::Flash, -1, "a"),
        (Priority::Deferred, -99, "b"),
        (Priority::Immediate, -1, "a"),
    ] {
        let mut item = mail(&[("a@example.org", route)]);
        item.priority = priority;
        item.recipients[0].next_due = at(due);
        enqueue(store.as_ref(), item).await;
        expected.push((priority, at(due)));
    }
    expected.sort_by_key(|(priority, due)| (std::cmp::Reverse(*priority), *due));
    let mut found = Vec::new();
    // Some one by one, the rest at once.
    for claims in [1, 1, 1, 9] {
        for claim in claim(store.as_ref(), at(0), claims).await {
            found.push((claim.item.priority, claim.item.recipients[0].next_due));
        }
    }
    assert_eq!(found, expected);
}

async fn what_is_not_due_is_not_lent(place: &impl Place) {
    let store = place.open();
    let mut item = mail(&[("a@example.org", "hub"), ("b@example.org", "hub")]);
    item.recipients[1].next_due = at(10);
    enqueue(store.as_ref(), item).await;
    let other_routes = ClaimRequest {
        routes: vec!["mail".into(), "x".into()],
        ..ClaimRequest::new(at(5))
    };
    assert!(store.claim(other_routes).await.unwrap().is_empty());
    let claims = claim(store.as_ref(), at(5), 9).await;
    assert_eq!(claims.len(), 1);
    assert_eq!(claims[0].item.recipients.len(), 1);
    assert_eq!(
        claim(store.as_ref(), at(10), 9).await[0].item.recipients[0].number,
        1
    );
}

async fn of_what_is_due_only_the_overdue_is_lent_if_asked_for(place: &impl Place) {
    let store = place.open();
    for (sender, arrived, expires, due, delay_reported) in [
        ("fresh", -10, 100, -10, false),
        ("expired", -10, 0, -10, true),
        ("late", -50, 100, -10, false),
        ("told", -50, 100, -10, true),
        ("given-up", -90, 100, -10, true),
        ("not-due", -90, 100, 10, true),
    ] {
        let mut item = mail(&[(&format!("{sender}@example.org"), "hub")]);
        (item.arrived, item.expires) = (at(arrived), at(expires));
        item.recipients[0].next_due = at(due);
        item.recipients[0].delay_reported = delay_reported;
        enqueue(store.as_ref(), item).await;
    }
    let request = ClaimRequest {
        claims: 9,
        overdue: Some(Overdue {
            delayed: at(-20),
            given_up: at(-60),
        }),
        ..ClaimRequest::new(at(0))
    };
    let claims = store.claim(request).await.unwrap();
    let addresses = claims
        .iter()
        .map(|claim| claim.item.recipients[0].address.as_str());
    let names: BTreeSet<&str> = addresses.map(|it| it.split('@').next().unwrap()).collect();
    assert_eq!(names, BTreeSet::from(["expired", "given-up", "late"]));
    assert_eq!(claim(store.as_ref(), at(0), 9).await.len(), 2, "the others");
}

async fn a_recipient_is_lent_once_until_the_loan_ends(place: &impl Place) {
    let store = place.open();
    enqueue(store.as_ref(), mail(&[("a@example.org", "hub")])).await;
    let request = ClaimRequest {
        lease: Duration::from_secs(60),
        ..ClaimRequest::new(at(0))
    };
    let first = store.claim(request).await.unwrap();
    assert_eq!(first[0].until, at(60));
    assert!(claim(store.as_ref(), at(59), 9).await.is_empty());
    let second = claim(store.as_ref(), at(60), 9).await;
    assert!(second[0].token > first[0].token);
}

async fn an_old_claim_cannot_finish(place: &impl Place) {
    let store = place.open();
    let id = enqueue(store.as_ref(), mail(&[("a@example.org", "hub")])).await;
    let request = ClaimRequest {
        lease: Duration::from_secs(60),
        ..ClaimRequest::new(at(0))
    };
    let old = store.claim(request.clone()).await.unwrap().remove(0);
    let new = store
        .claim(ClaimRequest {
            now: at(61),
            ..request
        })
        .await
        .unwrap()
        .remove(0);
    let failed = || Finished::new(at(62), vec![settled(0, Outcome::Failed)]);
    assert!(matches!(
        store.finish(&old, failed()).await,
        Err(StoreError::Fenced(_))
    ));
    let renewed = store.renew(&old, at(62), Duration::from_secs(1)).await;
    assert!(matches!(renewed, Err(StoreError::Fenced(_))));
    assert_eq!(
        store.get(id).await.unwrap().recipients[0].state,
        State::Queued
    );
    let delivered = || Finished::new(at(63), vec![settled(0, Outcome::Delivered)]);
    store.finish(&new, delivered()).await.unwrap();
    assert!(matches!(
        store.finish(&new, delivered()).await,
        Err(StoreError::Fenced(_))
    ));
    assert_eq!(
        store.get(id).await.unwrap().recipients[0].state,
        State::Delivered
    );

    // A loan that ran out counts still, while nobody else was lent the recipient.
    enqueue(store.as_ref(), mail(&[("b@example.org", "hub")])).await;
    let late = claim(store.as_ref(), at(100), 1).await.remove(0);
    let finished = Finished::new(at(100_000), vec![settled(0, Outcome::Delivered)]);
    store.finish(&late, finished).await.unwrap();
}

async fn a_claim_from_before_a_crash_cannot_finish(place: &impl Place) {
    let store = place.open();
    enqueue(store.as_ref(), mail(&[("a@example.org", "hub")])).await;
    let old = claim(store.as_ref(), at(0), 1).await.remove(0);
    place.crash();
    let store = place.open();
    let finished = || Finished::new(at(2), vec![settled(0, Outcome::Delivered)]);
    assert!(matches!(
        store.finish(&old, finished()).await,
        Err(StoreError::Fenced(_))
    ));
    // The crash ended the loan: the recipient is due.
    let new = claim(store.as_ref(), at(1), 1).await.remove(0);
    assert!(new.token > old.token);
    assert!(matches!(
        store.finish(&old, finished()).await,
        Err(StoreError::Fenced(_))
    ));
    store.finish(&new, finished()).await.unwrap();
}

async fn a_renewed_loan_lasts_longer(place: &impl Place) {
    let store = place.open();
    enqueue(store.as_ref(), mail(&[("a@example.org", "hub")])).await;
    let request = ClaimRequest {
        lease: Duration::from_secs(60),
        ..ClaimRequest::new(at(0))
    };
    let lent = store.claim(request).await.unwrap().remove(0);
    store
        .renew(&lent, at(50), Duration::from_secs(60))
        .await
        .unwrap();
    assert!(claim(store.as_ref(), at(109), 1).await.is_empty());
    assert_eq!(claim(store.as_ref(), at(110), 1).await.len(), 1);
}

async fn recipients_without_outcome_stay_as_they_were(place: &impl Place) {
    let store = place.open();
    let id = enqueue(
        store.as_ref(),
        mail(&[("a@example.org", "h"), ("b@example.org", "h")]),
    )
    .await;
    let lent = claim(store.as_ref(), at(0), 1).await.remove(0);
    let finished = Finished::new(at(1), vec![settled(1, Outcome::Delivered)]);
    store.finish(&lent, finished).await.unwrap();
    let item = store.get(id).await.unwrap();
    assert_eq!(
        (item.recipients[0].state, item.recipients[0].attempts),
        (State::Queued, 0)
    );
    assert_eq!(
        (item.recipients[1].state, item.recipients[1].attempts),
        (State::Delivered, 1)
    );
    assert_eq!(item.recipients[1].relay.as_deref(), Some("hub"));
    assert_eq!(item.recipients[1].last_attempt, Some(at(1)));
    // At once, without waiting for the loan to run out.
    assert_eq!(
        claim(store.as_ref(), at(1), 1).await[0]
            .item
            .recipients
            .len(),
        1
    );
}

async fn an_outcome_of_somebody_elses_recipient_is_refused(place: &impl Place) {
    let store = place.open();
    let id = enqueue(
        store.as_ref(),
        mail(&[("a@example.org", "h"), ("b@example.org", "i")]),
    )
    .await;
    let claims = claim(store.as_ref(), at(0), 1).await;
    let mine = claims[0].item.recipients[0].number;
    let both = vec![
        settled(mine, Outcome::Failed),
        settled(1 - mine, Outcome::Failed),
    ];
    assert!(
        store
            .finish(&claims[0], Finished::new(at(1), both))
            .await
            .is_err()
    );
    let item = store.get(id).await.unwrap();
    assert!(
        item.recipients
            .iter()
            .all(|recipient| recipient.state == State::Queued)
    );
}

async fn deferred_recipients_come_back_when_due(place: &impl Place) {
    let store = place.open();
    let id = enqueue(store.as_ref(), mail(&[("a@example.org", "hub")])).await;
    let lent = claim(store.as_ref(), at(0), 1).await.remove(0);
    let later = Outcome::Deferred {
        next_due: at(300),
        delay_reported: false,
    };
    store
        .finish(&lent, Finished::new(at(1), vec![settled(0, later)]))
        .await
        .unwrap();
    assert!(claim(store.as_ref(), at(299), 1).await.is_empty());
    place.crash();
    let store = place.open();
    let again = claim(store.as_ref(), at(300), 1).await.remove(0);
    let recipient = &again.item.recipients[0];
    assert_eq!((recipient.attempts, recipient.text.as_str()), (1, "ok"));
    assert!(!recipient.delay_reported);
    let held = Finished::new(at(301), vec![settled(0, Outcome::Held)]);
    store.finish(&again, held).await.unwrap();
    assert!(claim(store.as_ref(), at(9999), 1).await.is_empty());
    assert_eq!(
        store.get(id).await.unwrap().recipients[0].state,
        State::Held
    );
}

async fn next_due_knows_loans(place: &impl Place) {
    let store = place.open();
    assert_eq!(store.next_due(vec![], at(0)).await.unwrap(), None);
    for (due, route) in [(0, "hub"), (7, "hub"), (9, "mail")] {
        let mut item = mail(&[("a@example.org", route)]);
        item.recipients[0].next_due = at(due);
        enqueue(store.as_ref(), item).await;
    }
    assert_eq!(store.next_due(vec![], at(0)).await.unwrap(), Some(at(0)));
    let request = ClaimRequest {
        lease: Duration::from_secs(5),
        ..ClaimRequest::new(at(0))
    };
    store.claim(request).await.unwrap();
    // The loan may run out before anything else is due.
    assert_eq!(store.next_due(vec![], at(0)).await.unwrap(), Some(at(5)));
    let longer = ClaimRequest {
        lease: Duration::from_secs(600),
        claims: 9,
        ..ClaimRequest::new(at(5))
    };
    store.claim(longer).await.unwrap();
    assert_eq!(store.next_due(vec![], at(5)).await.unwrap(), Some(at(7)));
    assert_eq!(
        store.next_due(vec!["mail".into()], at(5)).await.unwrap(),
        Some(at(9))
    );
    assert_eq!(store.next_due(vec!["x".into()], at(5)).await.unwrap(), None);
}

async fn one_item_can_be_claimed_before_its_time(place: &impl Place) {
    let store = place.open();
    let mut item = mail(&[("a@example.org", "hub"), ("b@example.org", "mail")]);
    item.recipients[0].next_due = at(0) + SignedDuration::from_hours(1);
    let id = enqueue(store.as_ref(), item).await;
    enqueue(store.as_ref(), mail(&[("c@example.org", "hub")])).await;
    let request = ClaimRequest {
        item: Some(id),
        claims: 9,
        ..ClaimRequest::new(at(0))
    };
    let claims = store.claim(request.clone()).await.unwrap();
    assert!(claims.iter().all(|claim| claim.item.id == id));
    assert_eq!(claims.len(), 2);
    assert!(store.claim(request).await.unwrap().is_empty());
}

async fn many_workers_share_without_overlap(place: &impl Place) {
    let store = place.open();
    for n in 0..40 {
        let addresses = [
            (format!("a{n}@example.org"), "hub"),
            (format!("b{n}@example.org"), "hub"),
        ];
        let addresses: Vec<(&str, &str)> = addresses
            .iter()
            .map(|(address, route)| (address.as_str(), *route))
            .collect();
        enqueue(store.as_ref(), mail(&addresses)).await;
    }
    let workers: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut count = 0;
                loop {
                    let claims = claim(store.as_ref(), at(1), 2).await;
                    if claims.is_empty() {
                        return count;
                    }
                    for claim in claims {
                        let numbers = claim.item.recipients.iter().map(|r| r.number);
                        let all = numbers.map(|n| settled(n, Outcome::Delivered)).collect();
                        count += claim.item.recipients.len();
                        store
                            .finish(&claim, Finished::new(at(1), all))
                            .await
                            .unwrap();
                    }
                }
            })
        })
        .collect();
    let mut total = 0;
    for worker in workers {
        total += worker.await.unwrap();
    }
    assert_eq!(total, 80);
    assert!(store.stats().await.unwrap().is_empty());
}

async fn whoever_waits_is_woken(place: &impl Place) {
    let store = place.open();
    let mut changed = store.changed();
    changed.borrow_and_update();
    let id = enqueue(store.as_ref(), mail(&[("a@example.org", "hub")])).await;
    changed.changed().await.unwrap();
    store.get(id).await.unwrap();
    let lent = claim(store.as_ref(), at(0), 1).await.remove(0);
    assert!(!changed.has_changed().unwrap());
    store
        .finish(&lent, Finished::new(at(0), vec![]))
        .await
        .unwrap();
    assert!(changed.has_changed().unwrap());
}
