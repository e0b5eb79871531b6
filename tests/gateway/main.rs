//! The gateway as operators run it: `mixgate serve` in a process of its own, under load from both
//! sides, killed and started again on the same queue.

// A test is where a wrong value may end the program; clippy knows only functions marked as tests.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    clippy::print_stdout
)]

mod audit;
mod failpoints;
mod flow;
#[path = "../../src/cli/demo/ipm.rs"]
mod ipm;
mod kills;
mod neighbours;
mod peers;
mod pins;
mod quarantine;
mod reload;
mod serve;
mod taken;
mod transfers;
mod turns;
mod world;
