//! The object identifiers of message handling, and their names.

include!(concat!(env!("OUT_DIR"), "/oids.rs"));
