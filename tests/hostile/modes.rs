//! Connect data and binds of X.410 mode that lie, and peers that speak another mode than they say
//! (X.226 clause 8.2, X.228 clause 8, X.419 clause 11).

use mixgate::x400::config::Mode;

use crate::lies::connect;
use crate::octets::octets;
use crate::raw::Raw;
use crate::world::World;

/// CP of X.410 mode with this RTORQ.
fn cp(rtorq: &str) -> Vec<u8> {
    octets(&format!("31( a0(800100) a1({rtorq}) )"))
}

/// RTORQ with this user data and application protocol.
fn rtorq(bind: &str, protocol: &str) -> String {
    format!("80013f 820100 a3(a0({bind})) 84({protocol})")
}

const BIND: &str = "a1( 80('BAD-1984') a1(1600) )";

#[tokio::test]
async fn x226_8_2_connect_data_of_x410_mode_that_lie() {
    let world = World::new().await;
    // Definite lengths that reach beyond everything, then elements without end.
    let endless = |head: &str, element: &str, times: usize| {
        octets(&format!("{head} {}", element.repeat(times)))
    };
    let cp_head = "3180 a0(800100)";
    let bind_head = "3180 a0(800100) a180 80013f a380 a080";
    let cases = [
        (endless(cp_head, "a180", 2_000), "CP: "),
        (endless(cp_head, "0500", 4_096), "CP: "),
        (endless("3180 a0(800100) a1847fffffff", "00", 9), "CP: "),
        (endless(bind_head, "3180", 2_000), "CP: "),
        (endless(&format!("{bind_head} 3180"), "0500", 4_096), "CP: "),
        (
            endless(&format!("{bind_head} 31847fffffff"), "05", 9),
            "CP: ",
        ),
        (endless(&format!("{bind_head} 3f"), "ff", 300), "CP: "),
        // A bind that is an element, and none; one that is too much of one.
        (cp(&rtorq("0500", "01")), "no peer has the MTA name"),
        (cp(&rtorq("30(0500)", "01")), "MTA bind: "),
        (
            cp(&rtorq("a1( 80('\u{1b}[2J') a1(1600) )", "01")),
            "no peer has the MTA name",
        ),
        // It says one mode and speaks another.
        (octets("31( a0(800100) a2(0500) )"), "without RTORQ"),
        (octets("31( a0(800100) )"), "without RTORQ"),
        (
            octets(&format!("31( a0(800101) a1({}) )", rtorq(BIND, "01"))),
            "no ACSE APDU where there must be one",
        ),
        (
            octets("31( a0(800107) )"),
            "no ACSE APDU where there must be one",
        ),
        // Another protocol; that of 1988 by whom it is not expected, also with its octets swapped.
        (cp(&rtorq(BIND, "0b")), "not P1"),
        (cp(&rtorq(BIND, "0c")), "calls in mode x410"),
        (cp(&rtorq(BIND, "0c00")), "calls in mode x410"),
        (cp(&rtorq(BIND, "7fffffffffffffff")), "not P1"),
        // An association that is to be gone on with.
        (
            cp("a3(a1( 1403414243 170d3236313132323034353632385a ))"),
            "a call to recover an association, which is not offered",
        ),
    ];
    let world = &world;
    world
        .besides_each(cases.map(|(user_data, words)| async move {
            let mut raw = Raw::on_transport(world).await;
            raw.tsdu(&connect(&user_data)).await;
            raw.closed().await;
            world.log.reason(raw.from, words).await;
        }))
        .await;
}

#[tokio::test]
async fn x226_5_8_data_of_another_mode_than_agreed_on() {
    let world = &World::new().await;
    let cases = [
        // Presentation data values where segments are bare: no APDU begins so.
        (
            Mode::X410,
            "61(30( 020103 a0(04(a080)) ))",
            "an MTS-APDU",
            1,
        ),
        (
            Mode::Of1984,
            "61(30( 020103 a0(04(a080)) ))",
            "an MTS-APDU",
            1,
        ),
        // And the other way round.
        (Mode::Normal, "a0803180", "user data: ", 0),
        (Mode::Normal, "61(30( 020107 a0(0400) ))", "in context 7", 0),
    ];
    world
        .besides_each(cases.map(|(mode, data, words, refused)| async move {
            let mut raw = Raw::transferring(world, mode).await;
            raw.tsdu(&octets(&format!("0100 0100 {data}"))).await;
            if refused == 0 {
                raw.closed().await;
            }
            world.log.reason(raw.from, words).await;
        }))
        .await;
}
