//! The state tables of docs/osi.md: every cell is tried on a machine brought into its state.

// Helpers of tests; clippy knows only functions marked as tests.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod acse;
mod presentation;
mod rtse;
mod session;
mod table;
mod transport;
