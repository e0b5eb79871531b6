//! Peers that lie, dawdle and flood, at every layer under P1: each costs bounded memory and time and
//! one line of the log, and a neighbour that behaves is served all the while.

// A test is where a wrong value may end the program; clippy knows only functions marked as tests.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod descriptors;
mod lies;
mod modes;
mod octets;
mod raw;
mod refusals;
mod slow;
mod tokens;
mod transfers;
mod world;
