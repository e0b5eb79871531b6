//! From Internet mail to X.400 (RFC 2156 sections 5.1 and 5.2).

pub mod fields;
pub mod received;
pub mod trace;
