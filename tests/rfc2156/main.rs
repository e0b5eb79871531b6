//! The worked examples of RFC 2156, filed by section.

mod s4_addresses;
