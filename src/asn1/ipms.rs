//! Interpersonal messages and notifications: P2 and P22 (X.420).

include!(concat!(env!("OUT_DIR"), "/ipms.rs"));
