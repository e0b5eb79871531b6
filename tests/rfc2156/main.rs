//! The worked examples of RFC 2156, filed by section.

mod s4_1_text_and_tables;
mod s4_3_mapping;
mod world;
