//! Transfers that are bombs, or never end: X.690 clause 8.1, X.419 clause 9, X.411 clause 12.2.1.

use std::sync::atomic::Ordering;

use mixgate::osi::rtse::{Indication, Request};

use crate::raw::Raw;
use crate::world::{MAX_APDU, MODES, World};

/// So many times the same octets after others.
fn after(head: &[u8], octets: &[u8], times: usize) -> Vec<u8> {
    [head, &octets.repeat(times)].concat()
}

#[tokio::test]
async fn x690_8_1_bombs_are_refused_where_they_pass_a_bound() {
    let world = World::new().await;
    let envelope = "an envelope of more than 8192 octets";
    // As APDUs, and one as it comes, without the EXTERNAL of P1.
    let cases = [
        (
            after(b"\xa0\x80", b"\x31\x80", 500),
            true,
            "more than 64 elements within one another",
        ),
        (
            after(b"\xa0\x80\x31\x80", b"\x05\x00", 9_000),
            true,
            envelope,
        ),
        (
            after(b"\xa0\x80\x31\x84\x7f\xff\xff\xff", b"\x05\x00", 9_000),
            true,
            envelope,
        ),
        (
            after(b"\xa0\x05\x31\x84\x7f\xff\xff\xff", b"", 0),
            true,
            "is longer than what it lies in",
        ),
        (
            after(b"\xa0\x80\x3f", b"\xff", 300),
            true,
            "a tag number of at most 32 bits",
        ),
        (
            after(b"\xa0\x80\x31\x89", b"\x01", 9),
            true,
            "a length of at most eight octets",
        ),
        (
            after(b"\xa0\x80\x31\x00", b"\x00", 9),
            true,
            "octets after the MTS-APDU",
        ),
        (after(b"\x1b[2J", b"\x01", 91), true, "an MTS-APDU"),
        (
            after(b"\xa0\x80\x31\x80", b"\x05\x00", 9),
            true,
            "the transfer ends within the MTS-APDU",
        ),
        (
            after(b"\x28\x80\x02\x84\x7f\xff\xff\xff", b"", 0),
            false,
            "expected the encoding of an EXTERNAL",
        ),
        (
            after(b"\xa0\x80\x31\x00\x24\x80", b"\x04\x03abc", 60_000),
            true,
            "an MTS-APDU of more than 200000 octets",
        ),
        (
            after(b"\xa0\x80\x31\x00\x24\x80", b"\x04\x03abc", 120_000),
            true,
            "an MTS-APDU of more than 200000 octets",
        ),
    ];
    let world = &world;
    let cases = &cases;
    let in_all = MODES
        .into_iter()
        .flat_map(|mode| cases.iter().map(move |case| (mode, case)));
    let peers = in_all.map(|(mode, (octets, is_wrapped, words))| async move {
        let mut raw = Raw::transferring(world, mode).await;
        let refused = raw.refused(octets, *is_wrapped).await;
        assert!(
            !refused.in_doubt && !refused.transient,
            "{words}: {refused:?}"
        );
        world.log.reason(raw.from, words).await;
        // Only the transfer was bad: the association stays, and is released.
        raw.ask(Request::Close).await;
        while raw.next().await != Indication::CloseConfirm {}
    });
    world.besides_each(peers).await;
    let held = world.keeper.most_held.load(Ordering::Relaxed);
    assert!(
        u64::try_from(held).unwrap() <= MAX_APDU,
        "{held} octets held"
    );
}
