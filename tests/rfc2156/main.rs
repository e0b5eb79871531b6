//! The worked examples of RFC 2156, filed by section.

// Helpers beside the tests fail the test as the tests do.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod app_f;
mod s4_1_faults;
mod s4_1_styles;
mod s4_1_text_and_tables;
mod s4_1_wire;
mod s4_3_4_stages;
mod s4_3_mapping;
mod s4_5_names_and_identifiers;
mod world;
