//! What the reliable transfer service element sends (X.228).

include!(concat!(env!("OUT_DIR"), "/rtse.rs"));
