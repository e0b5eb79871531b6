//! What MTAs say to each other: P1 (X.411 figure 4, X.419 clause 9).

include!(concat!(env!("OUT_DIR"), "/mta.rs"));
