//! The durable queue: what came in, for whom, and what became of it.
//!
//! [`Store`] is the seam, [`sqlite`] the store behind it. An [`Item`] is one message as it came,
//! octet for octet, with one row per recipient; [`Store::claim`] lends recipients that are due to a
//! worker, [`Store::finish`] records what became of them and takes the reports this asks for, as
//! one commit. Bodies stream in through a [`Spool`]. Nothing here knows how a message is converted
//! or sent.

pub mod commands;
pub mod config;
pub mod form;
pub mod item;
pub mod schedule;
pub mod spool;
pub mod sqlite;
pub mod store;

pub use config::Config;
pub use item::{
    Identifier, IdentifierKind, Item, ItemId, Mail, Origin, Priority, Recipient, State, Transfer,
    TransferKind,
};
pub use spool::{Body, Spool};
pub use store::{
    Accepted, Change, Claim, ClaimRequest, DuplicateKey, Event, Filter, Finished, NewItem, Outcome,
    Overdue, Pending, RouteStats, Settled, Store, StoreError, What,
};
