//! What comes in: mail over SMTP, APDUs over P1. Both end in one durable item of the queue.

pub mod mail;
mod poison;
pub mod transfer;
