//! Fifty kills under load from both sides, and one at each failpoint: nothing acknowledged is lost.
//!
//! Messages part ways to a mail server and two MTAs; some of their recipients are refused, others lead
//! nowhere, so that reports are owed; some are probes.
//!
//! `MIXGATE_KILLS` says how many kills, `MIXGATE_SEED` repeats the moments of a run.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mixgate::failpoint::Failpoint;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::audit::{Auditor, InFlight, Message, To, Way};
use crate::neighbours::{MailUser, MtaUser, Neighbours};
use crate::world::{PATIENCE, Serve, World};

/// Users of each side who hand in at the same time.
const USERS: u32 = 3;
/// Messages acknowledged and not arrived at which users wait.
const BACKLOG: usize = 30;
/// Octets of a message whose body is a file of the spool.
const LARGE: usize = 300 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_by_kills_under_load() {
    let kills = variable("MIXGATE_KILLS").unwrap_or(50);
    let mut chance = Chance::new();
    let auditor = Arc::new(Auditor::default());
    let neighbours = Neighbours::start(&auditor).await;
    let world = World::new(neighbours.mail, neighbours.mtas);
    let stop = Arc::new(AtomicBool::new(false));
    let mut users = users(&world, &auditor, &stop);

    let begun = Instant::now();
    let mut seen = Seen::default();
    let (mut counted, mut idle) = (0, 0);
    while counted < kills {
        let serve = world.serve(None).await;
        // The longer nothing was found in flight, the sooner.
        sleep(Duration::from_millis(chance.between(20, 300) / (1 + idle))).await;
        let found = seen.kill(serve, &world, &auditor).await;
        match found {
            true => (counted, idle) = (counted + 1, 0),
            false => idle += 1,
        }
        assert!(idle < 20, "nothing is in flight any more:\n{}", world.log());
    }
    for place in Failpoint::ALL {
        let count = chance.between(1, 5);
        let mut serve = world.spawn(Some(format!("{place}:{count}")));
        let status = serve.ended().await;
        assert_eq!(status.code(), None, "{place}: {status}\n{}", world.log());
        assert!(
            seen.note(&world, &auditor).await,
            "{place}: nothing was in flight"
        );
    }
    println!("{counted} kills in {:?}: {seen:?}", begun.elapsed());

    let mut serve = world.serve(None).await;
    stop.store(true, Ordering::Relaxed);
    while users.join_next().await.is_some() {}
    drained(&auditor).await;
    sleep(Duration::from_millis(500)).await;
    serve.terminate();
    assert!(serve.ended().await.success(), "{}", world.log());
    let waiting = world.waiting().await;
    let (sum, faults) = auditor.close();
    println!("{sum:?} in {:?}", begun.elapsed());
    assert!(faults.is_empty(), "{}\n{}", faults.join("\n"), world.log());
    assert!(waiting.is_empty(), "{waiting:?}");
    assert!(world.spooled().is_empty(), "{:?}", world.spooled());
    assert!(sum.reports > 0, "no report was ever made");
    for way in [Way::ToX400, Way::ToMail, Way::Probe] {
        assert!(
            seen.queued.contains_key(&way),
            "no kill met a message {way:?} in the queue"
        );
    }
}

/// What the kills met.
#[derive(Debug, Default)]
struct Seen {
    handing_in: usize,
    acknowledged: usize,
    /// Bodies that are files, whole or not.
    spooled: usize,
    /// Messages in the queue.
    queued: HashMap<Way, usize>,
}

impl Seen {
    /// Kills; whether something was in flight.
    async fn kill(&mut self, serve: Serve, world: &World, auditor: &Auditor) -> bool {
        let InFlight {
            handing_in,
            acknowledged,
        } = auditor.in_flight();
        serve.kill();
        self.handing_in += handing_in;
        self.acknowledged += acknowledged;
        self.note(world, auditor).await || handing_in + acknowledged > 0
    }

    /// Whether the queue of a killed gateway holds anything.
    async fn note(&mut self, world: &World, auditor: &Auditor) -> bool {
        self.spooled += world.spooled().len();
        let held = auditor.killed(&*world.open_queue()).await;
        for (way, count) in &held {
            *self.queued.entry(*way).or_default() += count;
        }
        !held.is_empty()
    }
}

/// Lets users of both sides hand in until they are to stop.
fn users(world: &World, auditor: &Arc<Auditor>, stop: &Arc<AtomicBool>) -> JoinSet<()> {
    let mut users = JoinSet::new();
    let mta = MtaUser::new(world.x400, auditor);
    for user in 0..USERS {
        let ada = MailUser::new(world.smtp, auditor);
        let (auditor, stop) = (Arc::clone(auditor), Arc::clone(stop));
        users.spawn({
            let (auditor, stop) = (Arc::clone(&auditor), Arc::clone(&stop));
            async move {
                for round in user.. {
                    let Some(message) = next(&auditor, &stop, Way::ToX400, round).await else {
                        return;
                    };
                    // Who is in doubt would hand in a second mail: these users leave it.
                    if !ada.hand_in(&message).await {
                        sleep(Duration::from_millis(20)).await;
                    }
                }
            }
        });
        let mta = mta.clone();
        users.spawn(async move {
            for round in user.. {
                let Some(message) = next(&auditor, &stop, Way::ToMail, round).await else {
                    return;
                };
                // An MTA transfers again until it is confirmed, and is not taken twice.
                while !mta.hand_in(&message).await {
                    sleep(Duration::from_millis(20)).await;
                }
            }
        });
    }
    users
}

/// The next message of a user, once the gateway keeps up.
async fn next(auditor: &Auditor, stop: &AtomicBool, way: Way, round: u32) -> Option<Message> {
    while !stop.load(Ordering::Relaxed) && auditor.in_flight().acknowledged > BACKLOG {
        sleep(Duration::from_millis(10)).await;
    }
    if stop.load(Ordering::Relaxed) {
        return None;
    }
    sleep(Duration::from_millis(10)).await;
    let size = if round % 6 == 4 { LARGE } else { 400 };
    let to: &[To] = match (way, round % 5) {
        (Way::ToX400, 0) => &[To::Jo],
        (Way::ToX400, 1) => &[To::Kim, To::Ada, To::Jo],
        (Way::ToX400, 2) => &[To::Jo, To::NobodyInMail, To::Bob],
        (Way::ToX400, 3) => &[To::NobodyAtHub],
        (Way::ToX400, _) => &[To::Ada, To::NobodyAtHub, To::Kim],
        (_, 0) => &[To::Ada],
        (_, 1) => &[To::Stray, To::Ada, To::Kim, To::Bob],
        (_, 2) => &[To::Kim, To::NobodyInMail, To::Ada],
        (_, 3) => &[To::NobodyInMail, To::Stray],
        (_, _) => {
            let to = &[To::Bob, To::Stray, To::Kim];
            return Some(auditor.message_to(Way::Probe, to, 400));
        }
    };
    Some(auditor.message_to(way, to, size))
}

/// Waits until all that was acknowledged has arrived; what has not is the auditor's to tell.
pub async fn drained(auditor: &Auditor) {
    let begun = Instant::now();
    while auditor.in_flight().acknowledged > 0 && begun.elapsed() < PATIENCE {
        sleep(Duration::from_millis(20)).await;
    }
}

fn variable<T: FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

/// Numbers by chance that come again with the same seed (splitmix64).
struct Chance(u64);

impl Chance {
    fn new() -> Self {
        let now = jiff::Timestamp::now().as_microsecond().unsigned_abs();
        let seed = variable("MIXGATE_SEED").unwrap_or(now);
        println!("MIXGATE_SEED={seed}");
        Self(seed)
    }

    fn between(&mut self, least: u64, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        least + (mixed ^ (mixed >> 31)) % (most - least + 1)
    }
}
