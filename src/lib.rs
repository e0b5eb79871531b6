//! mixgate: an X.400 to SMTP gateway (MIXER, RFC 2156 and RFC 2157) over a durable queue.
//!
//! The map of the house. A room imports only rooms named before it in the table of
//! `tests/house`; the two sides of the gateway meet in [`mixer`] (content) and `gateway`
//! (traffic) and nowhere else.
//!
//! ```text
//!    Internet side              the middle               X.400 side
//!    smtp/     endpoint  ──┐                      ┌──  x400/   endpoint (P1)
//!                          ├──  gateway/ + queue/ ┤
//!    rfc822/   content   ──┤                      ├──  osi/    the layers under P1
//!                          └──      mixer/       ─┴──  asn1/   content and PDUs
//! ```

pub mod asn1;
pub mod config;
pub mod failpoint;
pub mod gateway;
pub mod lookup;
pub mod mixer;
pub mod network;
pub mod octets;
pub mod osi;
pub mod queue;
pub mod rfc822;
pub mod smtp;
pub mod x400;
