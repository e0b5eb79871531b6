//! A value of a type that is named beside it: EXTERNAL (X.680 clause 37, X.690 clause 8.18).

include!(concat!(env!("OUT_DIR"), "/external.rs"));
