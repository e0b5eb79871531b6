//! MIXER (RFC 2156, RFC 2157) as pure functions: same input, same octets, for ever.
//!
//! No sockets, disk, clock, randomness or logging here: time, identifiers, tables and the
//! answers of directories are arguments.
//!
//! | RFC section | file |
//! | --- | --- |
//! | 1.4 | outcome.rs |
//! | 3.2, 3.3.1, 3.3.6, 3.3.7 | basic/mod.rs |
//! | 3.3.2, 3.3.3, 3.4 | basic/printable.rs |
//! | 3.3.4 | basic/teletex.rs |
//! | 3.3.5 | basic/time.rs |
//! | 4.1.1 | address/attributes.rs |
//! | 4.1.2 | address/personal_name.rs |
//! | 4.1.3, 4.3.3, 4.3.4.1 | address/or_address.rs |
//! | 4.2, App. F | address/mcgam.rs |
//! | 4.3.2, 4.3.4 | address/to_x400.rs |
//! | 4.3.1, 4.3.5 | address/to_rfc822.rs |
//! | 4.4 | address/repeated.rs |
//! | 4.5 | address/directory_name.rs |
//! | 4.6.1, 4.6.2 | address/envelope.rs |
//! | 4.7.1, 4.7.2 | address/descriptor.rs |
//! | 4.6.3, 4.7.3 | address/identifier.rs |
//! | 5.1, 5.1.1 | to_x400/mod.rs |
//! | 5.1.2 | to_x400/fields.rs |
//! | 5.1.3, 5.1.7 | to_x400/heading.rs |
//! | 5.1.4 | body/to_x400.rs |
//! | 5.1.5, 5.2, App. C | to_x400/envelope.rs |
//! | 5.1.6 | to_x400/trace.rs |
//! | 5.3.3.1 | encoded_types.rs |
//! | 5.3.3.2 | domain.rs |
//! | 5.3, 5.3.1, 5.3.2 | to_rfc822/mod.rs |
//! | 5.3.4 | to_rfc822/heading.rs |
//! | 5.3.5 | to_rfc822/notification.rs |
//! | 5.3.6 | to_rfc822/envelope.rs |
//! | 5.3.7 | to_rfc822/trace.rs |
//! | 5.3.8.1, 5.3.8.3 | to_rfc822/report/mod.rs |
//! | 5.3.9 | to_rfc822/probe.rs |
//! | 5.1.8.1, 5.1.8.2, 5.1.8.3 | to_x400/report.rs |
//! | 5.1.8.4, 5.3.8.2 | status.rs |
//! | App. B | x400_1984.rs |
//! | RFC 2163 | address/px.rs |

pub mod address;
pub mod basic;
pub mod body;
pub mod context;
pub mod domain;
pub mod encoded_types;
pub mod outcome;
pub mod profile;
pub mod status;
pub mod to_rfc822;
pub mod to_x400;
pub mod x400_1984;
