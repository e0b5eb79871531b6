//! Floods of units that carry no message: tokens, points, empty data, exceptions, and activities that
//! come to nothing (X.225 clauses 7.11 to 7.34, X.228 clause 7).

use bytes::Bytes;
use mixgate::osi::rtse::{Activity, Indication, Request, Resumption};
use mixgate::osi::spdu::{ConnectionIdentifier, ExceptionReason, Serial, Spdu, Tokens};

use crate::raw::{Raw, data};
use crate::world::{MODES, World};

/// What the log says of most of them.
const FLOOD: &str = "a flood: more than 1000 units of session without a message";

/// More than any of them is let send.
const MANY: u32 = 3_000;

fn none() -> Bytes {
    Bytes::new()
}

fn give(tokens: Option<Tokens>) -> Spdu {
    let user_data = none();
    Spdu::GiveTokens { tokens, user_data }
}

fn please(tokens: Tokens) -> Spdu {
    let (tokens, user_data) = (Some(tokens), none());
    Spdu::PleaseTokens { tokens, user_data }
}

fn exception() -> Spdu {
    let (reason, user_data) = (ExceptionReason::LOCAL_USER_ERROR, none());
    Spdu::ExceptionData { reason, user_data }
}

/// The n-th of some units.
type Unit = fn(u32) -> Vec<Spdu>;

#[tokio::test]
async fn x225_units_without_a_message_are_a_flood() {
    let world = &World::new().await;
    let idle: [(Unit, &str); 5] = [
        (|_| vec![please(Tokens::DATA)], FLOOD),
        (|_| vec![please(Tokens::MINOR.or(Tokens::DATA))], FLOOD),
        // A token given is gone: who gives it again does not have it.
        (
            |_| vec![give(Some(Tokens::DATA))],
            "GIVE TOKENS SPDU: gives",
        ),
        (|_| vec![exception()], "EXCEPTION DATA"),
        (|_| vec![Spdu::ExceptionReport(none())], "EXCEPTION REPORT"),
    ];
    let busy: [(Unit, &str); 5] = [
        (|_| vec![please(Tokens::DATA)], FLOOD),
        (
            |number| {
                let (explicit, user_data) = (true, none());
                let serial = Serial::new(number + 1).unwrap();
                let point = Spdu::MinorSyncPoint {
                    explicit,
                    serial,
                    user_data,
                };
                vec![give(None), point]
            },
            FLOOD,
        ),
        (
            |_| vec![give(Some(Tokens::MINOR))],
            "GIVE TOKENS SPDU: gives",
        ),
        (|_| vec![exception()], "EXCEPTION DATA"),
        (|_| vec![Spdu::ExceptionReport(none())], "EXCEPTION REPORT"),
    ];
    let all = [(false, idle), (true, busy)];
    let cases = MODES.into_iter().flat_map(|mode| {
        all.into_iter().flat_map(move |(is_busy, cases)| {
            cases.map(move |(unit, words)| (mode, is_busy, unit, words))
        })
    });
    world
        .besides_each(cases.map(|(mode, is_busy, unit, words)| async move {
            let mut raw = match is_busy {
                true => Raw::transferring(world, mode).await,
                false => Raw::associated(world, mode).await,
            };
            for number in 0..MANY {
                raw.spdus(&unit(number)).await;
            }
            raw.closed().await;
            world.log.reason(raw.from, words).await;
        }))
        .await;
}

#[tokio::test]
async fn data_without_octets_are_a_flood() {
    let world = &World::new().await;
    world
        .besides_each(MODES.map(|mode| async move {
            // Segments of RTSE.
            let mut raw = Raw::transferring(world, mode).await;
            for _ in 0..MANY {
                raw.segment(&[]).await;
            }
            raw.closed().await;
            world.log.reason(raw.from, FLOOD).await;
            // TPDUs of a TSDU that never ends.
            let mut raw = Raw::transferring(world, mode).await;
            for _ in 0..MANY {
                raw.say(&data(&[], false)).await;
            }
            raw.closed().await;
            let words = "a TSDU in more TPDUs than it has octets";
            world.log.reason(raw.from, words).await;
        }))
        .await;
}

#[tokio::test]
async fn x228_7_activities_that_come_to_nothing_are_a_flood() {
    let world = &World::new().await;
    let resumption = |number: u8| {
        let name = |octets: &'static [u8]| Bytes::from_static(octets);
        let connection = ConnectionIdentifier {
            ss_user_reference: name(b"\x04\x07foreign"),
            common_reference: name(b"\x17\x0d261122045628Z"),
            additional_reference: none(),
        };
        let identifier = Bytes::copy_from_slice(&[2, 1, number]);
        let activity = Activity {
            connection,
            identifier,
        };
        Box::new(Resumption {
            activity,
            point: 1,
            octets: 1024,
            ended: false,
        })
    };
    let cases = MODES
        .into_iter()
        .flat_map(|mode| [(mode, false), (mode, true)]);
    world
        .besides_each(cases.map(|(mode, resumes)| async move {
            let mut raw = Raw::associated(world, mode).await;
            let mut begun = 0;
            'flood: loop {
                begun += 1;
                assert!(begun < 30, "there is no end of it");
                match resumes {
                    true => raw.ask(Request::Resume(resumption(begun))).await,
                    false => {
                        raw.ask(Request::Transfer).await;
                        raw.ask(Request::TransferStop).await;
                    }
                }
                loop {
                    match raw.next().await {
                        Indication::Pull { .. } => {}
                        Indication::TransferConfirm(Err(_)) => break,
                        Indication::PAbort { .. } => break 'flood,
                        other => panic!("{other:?}"),
                    }
                }
            }
            world.log.last_reason(raw.from, FLOOD, 20).await;
        }))
        .await;
}

#[tokio::test]
async fn x225_7_27_who_goes_on_with_what_is_refused_is_cut_off() {
    let world = &World::new().await;
    world
        .besides_each(MODES.map(|mode| async move {
            let mut raw = Raw::transferring(world, mode).await;
            for _ in 0..MANY {
                raw.segment(b"\x04\x01x").await;
            }
            raw.closed().await;
            // That it is refused, and how it ends.
            world.log.last_reason(raw.from, FLOOD, 1).await;
        }))
        .await;
}

#[tokio::test]
async fn x228_7_5_a_turn_given_where_there_is_one_only_is_told() {
    let world = &World::new().await;
    world
        .besides_each(MODES.map(|mode| async move {
            let mut raw = Raw::associated(world, mode).await;
            for _ in 0..10 {
                raw.spdus(&[Spdu::GiveTokensConfirm(none())]).await;
            }
            raw.closed().await;
            world.log.reason(raw.from, "").await;
        }))
        .await;
}
