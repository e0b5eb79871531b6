//! Upper bounds of X.411 annex B and X.420, for those who make values.

include!(concat!(env!("OUT_DIR"), "/bounds.rs"));
