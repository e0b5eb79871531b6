//! What is kept, and what is told to peers that come back; then a link lost at every octet.

mod drops;

use super::*;
use crate::osi::spdu::ConnectionIdentifier;

fn activity(connection: u8, number: u8) -> Activity {
    Activity {
        connection: ConnectionIdentifier {
            ss_user_reference: Bytes::from_static(b"\x04\x02vm"),
            common_reference: format!("\u{17}\u{d}2611220456{connection:02}Z").into(),
            additional_reference: Bytes::new(),
        },
        identifier: Bytes::from(vec![2, 1, number]),
    }
}

fn recovery(timeout: u64) -> Arc<Recovery<&'static str>> {
    Recovery::new(Limits {
        timeout: Duration::from_millis(timeout),
        transfers: 2,
        octets: 1000,
    })
}

const LONG: u64 = 3_600_000;
const SOON: Duration = Duration::from_millis(20);

/// What a peer finds: the transfer kept, or the state.
async fn resume(
    home: &Arc<Recovery<&'static str>>,
    peer: &str,
    old: &Activity,
    new: &Activity,
) -> Result<(&'static str, Ticket<&'static str>), &'static str> {
    match home.resume(peer, old, new, SOON).await {
        Found::Kept(transfer, ticket) => Ok((transfer, ticket)),
        Found::Completed => Err("completed"),
        Found::Unknown => Err("unknown"),
    }
}

#[test]
fn octets_repeated_after_a_point_are_not_taken_twice() {
    let mut progress = Progress::default();
    let all = Bytes::from_static(b"0123456789");
    assert_eq!(progress.push(all.slice(..4)), all.slice(..4));
    progress.point(1);
    assert_eq!(progress.push(all.slice(4..6)), all.slice(4..6));
    progress.point(2);
    assert_eq!(progress.push(all.slice(6..7)), all.slice(6..7));
    assert_eq!(progress.resume(9), None);
    assert_eq!(progress.resume(1), Some(4));
    assert_eq!(progress.push(all.slice(4..5)), Bytes::new());
    // Points on the new association lie elsewhere.
    progress.point(2);
    assert_eq!(progress.push(all.slice(5..8)), all.slice(7..8));
    assert_eq!((progress.octets(), progress.resume(2)), (8, Some(5)));
    assert_eq!(progress.push(all.slice(5..)), all.slice(8..));
}

#[test]
fn more_points_than_a_window_are_forgotten() {
    let mut progress = Progress::default();
    for point in 1..=1000 {
        progress.push(Bytes::from_static(b"x"));
        progress.point(point);
    }
    assert_eq!(progress.points.len(), POINTS);
    assert_eq!(progress.resume(1), None);
    assert_eq!(progress.resume(1000 - 255), Some(745));
}

#[tokio::test]
async fn x228_7_8_1_a_peer_finds_its_own_transfer_by_both_its_names() {
    let home = recovery(LONG);
    let (first, second, third) = (activity(1, 1), activity(2, 1), activity(3, 1));
    home.begin("hub", first.clone()).keep("half", 10);
    assert!(resume(&home, "other", &first, &second).await.is_err());
    assert!(resume(&home, "hub", &second, &third).await.is_err());
    let (kept, ticket) = resume(&home, "hub", &first, &second).await.unwrap();
    assert_eq!(kept, "half");
    ticket.keep("more", 20);
    let (_, ticket) = resume(&home, "hub", &second, &third).await.unwrap();
    ticket.keep("most", 30);
    let (_, mut ticket) = resume(&home, "hub", &first, &second).await.unwrap();
    ticket.complete();
    drop(ticket);
    for name in [&first, &second] {
        assert_eq!(
            resume(&home, "hub", name, &third).await.err(),
            Some("completed")
        );
    }
}

#[tokio::test]
async fn what_was_heard_discarded_or_began_anew_is_unknown() {
    let home = recovery(LONG);
    let (name, new) = (activity(1, 1), activity(2, 1));
    drop(home.begin("hub", name.clone()));
    assert_eq!(
        resume(&home, "hub", &name, &new).await.err(),
        Some("unknown")
    );
    let mut ticket = home.begin("hub", name.clone());
    ticket.complete();
    assert_eq!(
        resume(&home, "hub", &name, &new).await.err(),
        Some("completed")
    );
    ticket.forget();
    assert_eq!(
        resume(&home, "hub", &name, &new).await.err(),
        Some("unknown")
    );
    home.begin("hub", name.clone()).keep("old", 10);
    home.begin("hub", name.clone()).keep("young", 10);
    assert_eq!(resume(&home, "hub", &name, &new).await.unwrap().0, "young");
    // Of two under way at the same time nobody knows which is meant.
    let (one, other) = (
        home.begin("hub", name.clone()),
        home.begin("hub", name.clone()),
    );
    one.keep("one", 1);
    other.keep("other", 1);
    assert_eq!(
        resume(&home, "hub", &name, &new).await.err(),
        Some("unknown")
    );
}

#[tokio::test]
async fn an_association_not_known_to_be_lost_is_asked_for_its_transfer() {
    let home = recovery(LONG);
    let (name, new) = (activity(1, 1), activity(2, 1));
    let ticket = home.begin("hub", name.clone());
    assert_eq!(
        resume(&home, "hub", &name, &new).await.err(),
        Some("unknown"),
        "in time"
    );
    let old = tokio::spawn(async move {
        ticket.wanted().await;
        ticket.keep("half", 10);
    });
    assert_eq!(resume(&home, "hub", &name, &new).await.unwrap().0, "half");
    old.await.unwrap();
}

#[tokio::test]
async fn what_is_kept_is_bounded_in_number_octets_and_time() {
    let home = recovery(LONG);
    let new = activity(9, 9);
    for (number, octets) in [(1, 10), (2, 10), (3, 10), (4, 995), (5, 2000)] {
        home.begin("hub", activity(1, number)).keep("half", octets);
    }
    home.begin("other", activity(1, 1)).keep("half", 10);
    // The fifth is more than all may be; the fourth and third would be, and the second is one too many.
    for number in 1..=5 {
        assert!(
            resume(&home, "hub", &activity(1, number), &new)
                .await
                .is_err(),
            "{number}"
        );
    }
    assert!(resume(&home, "other", &activity(1, 1), &new).await.is_ok());
    let home = recovery(5);
    home.begin("hub", activity(1, 1)).keep("half", 10);
    sleep(Duration::from_millis(100)).await;
    assert!(home.lock().is_empty(), "forgotten without being asked for");
}

#[tokio::test]
async fn transfers_broken_off_without_end_cost_one_task() {
    let home = recovery(20);
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    for _ in 0..10_000 {
        home.begin("hub", activity(1, 1)).keep("half", 10);
    }
    assert_eq!(tasks(), 1);
    sleep(Duration::from_millis(200)).await;
    assert_eq!((tasks(), home.lock().len()), (0, 0));
    home.begin("hub", activity(1, 1)).keep("half", 10);
    assert_eq!(tasks(), 1, "it begins again");
}
