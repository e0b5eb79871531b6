//! How many messages a second the queue takes durably, beside what the disk offers in the same run.
//!
//! `disk` writes 4 KiB and syncs; `enqueue` commits a 4 KiB message with one recipient, from one
//! client and from sixteen; `life` takes it, lends it, reads its body and records its delivery.

#![allow(clippy::unwrap_used, reason = "a benchmark that fails may end")]

use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use jiff::Timestamp;
use mixgate::queue::sqlite::{INLINE_LIMIT, SqliteStore};
use mixgate::queue::{
    Body, ClaimRequest, Finished, Identifier, IdentifierKind, Item, ItemId, Mail, NewItem, Origin,
    Outcome, Priority, Recipient, Settled, Store,
};
use mixgate::rfc822::{self, Envelope};
use tokio::runtime::Runtime;

const SIZE: usize = 4096;

fn new_item(now: Timestamp) -> NewItem {
    let id = ItemId::generate();
    let envelope = Envelope {
        reverse_path: Some("sender@example.org".parse().unwrap()),
        recipients: vec![rfc822::envelope::Recipient::new(
            "a@example.net".parse().unwrap(),
        )],
        ..Envelope::default()
    };
    let item = Item {
        id,
        arrived: now,
        expires: now,
        priority: Priority::default(),
        size: 0,
        peer: "192.0.2.1".to_owned(),
        cause: None,
        identifiers: vec![Identifier::new(
            IdentifierKind::MessageId,
            format!("<{id}@example.org>"),
        )],
        origin: Origin::Mail(Mail {
            envelope,
            ..Mail::default()
        }),
        recipients: vec![Recipient::new(0, "a@example.net", "hub", "p22", now)],
    };
    NewItem {
        item,
        body: Body::inline(Bytes::from(vec![b'x'; SIZE])),
        duplicate: None,
    }
}

/// One message from its arrival to its delivery.
async fn live(store: &SqliteStore, now: Timestamp) {
    store.enqueue(vec![new_item(now)]).await.unwrap();
    let mut claims = store.claim(ClaimRequest::new(now)).await.unwrap();
    let Some(claim) = claims.pop() else { return };
    store.open(claim.item.id).await.unwrap();
    let delivered = Settled {
        number: 0,
        outcome: Outcome::Delivered,
        status: Some("2.0.0".to_owned()),
        text: "ok".to_owned(),
        relay: Some("hub".to_owned()),
        pinned: None,
    };
    store
        .finish(&claim, Finished::new(now, vec![delivered]))
        .await
        .unwrap();
}

/// `count` messages from `clients` at a time; the time it took.
fn run(
    runtime: &Runtime,
    store: &Arc<SqliteStore>,
    count: u64,
    clients: u64,
    whole: bool,
) -> Duration {
    let now = Timestamp::now();
    let start = Instant::now();
    runtime.block_on(async {
        let workers: Vec<_> = (0..clients)
            .map(|client| {
                let store = Arc::clone(store);
                let share = count / clients + u64::from(client < count % clients);
                tokio::spawn(async move {
                    for _ in 0..share {
                        if whole {
                            live(&store, now).await;
                        } else {
                            store.enqueue(vec![new_item(now)]).await.unwrap();
                        }
                    }
                })
            })
            .collect();
        for worker in workers {
            worker.await.unwrap();
        }
    });
    start.elapsed()
}

fn queue(criterion: &mut Criterion) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let runtime = Runtime::new().unwrap();
    let mut group = criterion.benchmark_group("queue");
    group.throughput(Throughput::Elements(1));

    let mut file = File::create(folder.path().join("raw")).unwrap();
    group.bench_function("disk: write 4 KiB, fdatasync", |bencher| {
        bencher.iter(|| {
            file.write_all(&[b'x'; SIZE]).unwrap();
            file.sync_data().unwrap();
        });
    });
    for (name, clients, whole) in [
        ("enqueue 4 KiB, 1 client", 1, false),
        ("enqueue 4 KiB, 16 clients", 16, false),
        ("life 4 KiB, 1 client", 1, true),
        ("life 4 KiB, 16 clients", 16, true),
    ] {
        let path = folder
            .path()
            .join(ItemId::generate().to_string())
            .join("queue.db");
        let store = Arc::new(SqliteStore::open(&path, INLINE_LIMIT).unwrap());
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|count| run(&runtime, &store, count, clients, whole));
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(4))
        .sample_size(20);
    targets = queue
}
criterion_main!(benches);
