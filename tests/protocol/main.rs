//! The layers of `osi` and `x400` against captured conversations of real systems (`MIXGATE_CORPUS`).
//!
//! `capture` reads a capture into conversations, `corpus` says where captures lie and makes trials
//! that are ignored without them; every other module holds the trials of some layers.

// A test is where a wrong value may end the program; clippy knows only functions marked as tests.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod apdus;
mod ber;
mod capture;
mod checkpoints;
mod corpus;
mod double;
mod end;
mod mms;
mod order;
mod p1;
mod refusals;
mod replay;
mod segments;
mod transport_session;
mod wire;

use libtest_mimic::Arguments;

fn main() {
    let arguments = Arguments::from_args();
    let corpus = corpus::Corpus::find();
    let mut trials = transport_session::trials(&corpus);
    trials.extend(replay::trials(&corpus));
    trials.extend(apdus::trials(&corpus));
    trials.extend(p1::trials(&corpus));
    trials.extend(checkpoints::trials(&corpus));
    trials.extend(order::trials(&corpus));
    trials.extend(segments::trials(&corpus));
    trials.extend(mms::trials(&corpus));
    trials.extend(refusals::trials(&corpus));
    libtest_mimic::run(&arguments, trials).exit();
}
