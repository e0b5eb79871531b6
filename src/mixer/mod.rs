//! MIXER (RFC 2156, RFC 2157) as pure functions: same input, same octets, for ever.
//!
//! No sockets, disk, clock, randomness or logging here: time, identifiers, tables and the
//! answers of directories are arguments.
//!
//! | RFC section | file |
//! | --- | --- |
//! | 1.4 | outcome.rs |

pub mod context;
pub mod outcome;
