//! Laws that hold for all inputs, mostly round trips.

// Helpers beside the tests fail the test as the tests do.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod addresses;
mod px;
