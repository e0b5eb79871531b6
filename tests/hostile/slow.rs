//! Peers that say little, and that slowly, at each layer.

use std::time::Duration;

use mixgate::x400::config::Mode;
use tokio::time::Instant;

use crate::raw::{CR, Raw, data};
use crate::world::{IDLE, MODES, STEP, World};

/// Between two octets of a peer that is slow.
const PAUSE: Duration = Duration::from_millis(150);

/// How many of them are sent to a server that takes them all.
const MANY: usize = 100;

/// How a transfer begins: EXTERNAL, APDU and envelope, of indefinite lengths.
const HEAD: &[u8] = b"\x28\x80\x02\x01\x05\xa0\x80\xa0\x80\x31\x80";
/// The same in X.410 mode.
const BARE: &[u8] = b"\xa0\x80\x31\x80";

/// Checks that the time from then to now is so many seconds, give or take the load of the machine.
fn took(begun: Instant, seconds: u64) {
    let took = begun.elapsed();
    let at_least = Duration::from_secs(seconds).mul_f32(0.9);
    let at_most = Duration::from_secs(seconds + 9);
    assert!(at_least <= took && took < at_most, "{took:?}");
}

#[tokio::test]
async fn silence_and_drops_before_an_association_end_when_it_should_be_open() {
    let world = World::new().await;
    let (silent, dripping, half, headed) = world
        .besides(async {
            let begun = Instant::now();
            let mut silent = Raw::connected(&world).await;
            let mut dripping = Raw::connected(&world).await;
            let mut half = Raw::on_transport(&world).await;
            let mut headed = Raw::on_transport(&world).await;
            // A CN, of which no more than its length comes.
            headed.say(b"\x03\0\x20\0\x02\xf0\x80\x0d").await;
            tokio::join!(
                silent.closed(),
                dripping.drip(CR.iter().copied().chain([3; MANY]), PAUSE),
                half.closed(),
                headed.closed(),
            );
            took(begun, STEP);
            (silent.from, dripping.from, half.from, headed.from)
        })
        .await;
    for from in [silent, dripping, half, headed] {
        world.log.reason(from, &format!("within {STEP}s")).await;
    }
}

#[tokio::test]
async fn an_association_that_does_nothing_ends_though_octets_of_a_packet_drip() {
    let world = World::new().await;
    let (silent, dripping) = world
        .besides(async {
            let mut silent = Raw::associated(&world, Mode::Normal).await;
            let mut dripping = Raw::associated(&world, Mode::X410).await;
            let begun = Instant::now();
            let endless = [3, 0, 0xff, 0xff].into_iter().chain([2; MANY]);
            tokio::join!(silent.closed(), dripping.drip(endless, PAUSE));
            took(begun, IDLE);
            (silent.from, dripping.from)
        })
        .await;
    for from in [silent, dripping] {
        world
            .log
            .reason(from, &format!("nothing from the peer within {IDLE}s"))
            .await;
    }
}

#[tokio::test]
async fn x218_a_transfer_of_drops_ends_when_its_next_step_should_have_come() {
    let world = &World::new().await;
    world
        .besides_each(MODES.map(|mode| drops(world, mode)))
        .await;
}

async fn drops(world: &World, mode: Mode) {
    let mut silent = Raw::transferring(world, mode).await;
    let mut packets = Raw::transferring(world, mode).await;
    let mut octets = Raw::transferring(world, mode).await;
    let begun = Instant::now();
    let drops = async {
        // Whole segments of RTSE, an element of the envelope in each.
        let head = if mode == Mode::Normal { HEAD } else { BARE };
        packets.segment(head).await;
        for _ in 0..MANY {
            packets.segment(&[5, 0]).await;
            tokio::time::sleep(PAUSE).await;
            if packets.is_given_up() {
                return;
            }
        }
        panic!("the server takes whatever comes");
    };
    let packet = data(&[1; 500], true);
    tokio::join!(silent.closed(), drops, octets.drip(packet, PAUSE));
    took(begun, STEP);
    for from in [silent.from, packets.from, octets.from] {
        world
            .log
            .reason(from, &format!("nothing from the peer within {STEP}s"))
            .await;
    }
}
