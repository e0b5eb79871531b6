//! Quarantine: what no further attempt would make better is told as given up, and kept for an operator.
//!
//! An APDU or mail whose octets cannot be read, or on which our own code breaks, waits held in the
//! queue with the reason, out of the way of all others. Its sender is told as of any failure, as far
//! as the envelope says who that is. An operator may look at it (`queue show`, `queue export`), have
//! it tried once more (`queue release`) or remove it (`queue delete`); after as many days as what has
//! ended is remembered, it goes by itself.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinError;

use super::accept::transfer::Envelope;
use super::rules::Rules;
use super::{Gateway, clock};
use crate::queue::{Change, Filter, Item, ItemId, Origin, Recipient, State, StoreError};
use crate::x400::transfer::{Bounds, Reader};

/// The X.411 diagnostic content-too-long.
pub(super) const CONTENT_TOO_LONG: u32 = 7;
/// The X.411 diagnostic content-syntax-error.
pub(super) const CONTENT_SYNTAX_ERROR: u32 = 12;
/// The X.411 diagnostic protocol-violation.
pub(super) const PROTOCOL_VIOLATION: u32 = 14;

/// What the reason of a recipient in quarantine begins with.
const MARK: &str = "quarantined: ";
/// How many items leave the quarantine at one time.
const SOME: u32 = 500;

/// The reason as the queue keeps it.
pub(super) fn marked(reason: &str) -> String {
    format!("{MARK}{reason}")
}

/// Whether a recipient was in quarantine when it was last tried, and so its sender was told.
pub(super) fn is_marked(recipient: &Recipient) -> bool {
    recipient.text.starts_with(MARK)
}

/// Our own code broke: it panicked, with these words.
#[derive(Debug, thiserror::Error)]
#[error("it broke the gateway, whose fault that is: {0}")]
pub(super) struct Broke(String);

impl Broke {
    /// By the payload of a panic.
    pub fn of(panic: &(dyn Any + Send)) -> Self {
        let words = panic
            .downcast_ref::<&str>()
            .map(|words| (*words).to_owned());
        let words = words.or_else(|| panic.downcast_ref::<String>().cloned());
        Self(words.unwrap_or_else(|| "without a word".to_owned()))
    }
}

impl From<JoinError> for Broke {
    fn from(error: JoinError) -> Self {
        match error.try_into_panic() {
            Ok(panic) => Self::of(&*panic),
            Err(error) => Self(error.to_string()),
        }
    }
}

/// What `work` gives, unless it panics.
pub(super) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, Broke> {
    // What it was working on is dropped, or only read from then on.
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| Broke::of(&*panic))
}

/// What `work` gives, unless it panics on the way.
pub(super) async fn caught_in<F: Future>(work: F) -> Result<F::Output, Broke> {
    let mut work = pin!(work);
    poll_fn(
        move |context| match caught(|| work.as_mut().poll(context)) {
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(broke) => Poll::Ready(Err(broke)),
        },
    )
    .await
}

/// A transfer whose envelope could not be read when it came, as the item it is if now it can be.
pub(super) fn read_again(rules: &Rules, item: &Item, body: &Bytes) -> Result<Item, String> {
    let Origin::Transfer(transfer) = &item.origin else {
        return Err("it is no transfer".to_owned());
    };
    // It was within bounds when it came.
    let mut reader = Reader::new(Bounds {
        apdu: u64::MAX,
        envelope: usize::MAX,
        depth: usize::MAX,
    });
    let said = reader.push(body.clone()).and_then(|_| reader.finish());
    let arrived = said.map_err(|fault| fault.to_string())?;
    let envelope = Envelope::read_of(&arrived).map_err(|fault| fault.to_string())?;
    let id = ItemId::generate();
    let association = transfer.association.clone();
    Ok(envelope.item(rules, id, &item.peer, association, clock::now()))
}

impl Gateway {
    /// Removes what has been in quarantine for so long that nobody will ask for it.
    pub(super) async fn empty_quarantine(&self, now: Timestamp) -> Result<(), StoreError> {
        let days = i64::from(self.rules().config.queue.remember_days);
        let before = now.checked_sub(SignedDuration::from_hours(days * 24));
        let held = Filter {
            state: Some(State::Held),
            before: Some(before.unwrap_or(Timestamp::MIN)),
            limit: SOME,
            ..Filter::default()
        };
        let items = self.store().list(held.clone()).await?;
        let is_held = |recipient: &&Recipient| recipient.state == State::Held;
        let is_told = |item: &&Item| item.recipients.iter().filter(is_held).all(is_marked);
        let ids: Vec<ItemId> = items.iter().filter(is_told).map(|item| item.id).collect();
        if !ids.is_empty() {
            let told = Filter { ids, ..held };
            for id in self.store().change(told, Change::Delete, now).await? {
                tracing::info!(%id, "forgotten");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_costs_its_task_and_says_why() {
        let broke = caught_in(async {
            tokio::task::yield_now().await;
            let words = Vec::<&str>::new();
            words[0].to_owned()
        })
        .await
        .unwrap_err();
        let said = broke.to_string();
        assert!(said.contains("index out of bounds"), "{said}");
        assert_eq!(caught_in(async { 7 }).await.unwrap(), 7);
        assert_eq!(caught(|| 7).unwrap(), 7);
        let broke = caught(|| panic!("so it is")).unwrap_err();
        assert!(broke.to_string().ends_with("so it is"), "{broke}");
    }
}
