//! The commands: each reads its arguments, calls the library and prints what came of it.

pub mod address;
pub mod check;
pub mod control;
pub mod convert;
pub mod decode;
pub mod demo;
pub mod exit;
pub mod input;
pub mod p1;
pub mod peer;
pub mod queue;
pub mod reload;
pub mod serve;
pub mod table;
