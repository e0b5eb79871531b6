//! The OSI layers under P1: RFC 1006, transport class 0, session, presentation, ACSE, RTSE; no I/O.
//!
//! Every layer is a machine of one shape, and none of them performs I/O or reads a clock:
//!
//! ```text
//! request(Request, now)     what the user above asks    -> Vec<Outgoing>, or Misuse
//! indication(below, now)    what the layer below tells  -> Vec<Outgoing>
//! deadline() / tick(now)    the next timer, and its end -> Vec<Outgoing>
//! ```
//!
//! `Request` holds the requests and responses of the layer's service definition, `Indication` its
//! indications and confirmations, `Outgoing` either goes up (an indication) or down (a request of
//! the layer below, at the bottom octets for the network). A fault of the peer shows as an abort
//! going both ways; only a call that the service definition forbids is an error ([`session::Misuse`]).
//! Hand the outgoing events of one call on, in order, before the next call.

pub mod acse;
pub mod presentation;
pub mod rtse;
pub mod session;
pub mod spdu;
pub mod stack;
pub mod tpkt;
pub mod transport;
