//! What the association control service element sends (X.227).

include!(concat!(env!("OUT_DIR"), "/acse.rs"));
