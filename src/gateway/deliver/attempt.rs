//! One attempt: how each recipient of a claim ended, and the commit that records it.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;

use super::lane::Lane;
use super::onward::Sent;
use super::{AFTER_FAILURE, Deliverer, LEASE};
use crate::failpoint::Failpoint;
use crate::gateway::quarantine::{self, Broke, CONTENT_SYNTAX_ERROR, caught_in};
use crate::gateway::report::{self, Fate, Told};
use crate::gateway::rules::Rules;
use crate::gateway::{clock, log};
use crate::mixer::outcome::Refusal;
use crate::queue::schedule::Next;
use crate::queue::{
    Accepted, Body, Claim, Finished, Item, NewItem, Outcome, Recipient, Settled, StoreError,
};
use crate::rfc822::Status;

/// How it ended for one recipient, before the queue's own rules of patience.
#[derive(Debug, Clone)]
pub(super) struct End {
    /// Its number in the item.
    pub number: u32,
    /// Whether the next hop took it, may take it later, or never will.
    pub kind: EndKind,
    /// RFC 3463 status.
    pub status: Status,
    /// X.411 reason and diagnostic, where they are known.
    pub codes: Option<(u32, Option<u32>)>,
    /// What was said.
    pub text: String,
    /// The next hop.
    pub relay: Option<String>,
    /// What the next attempt may go on from.
    pub pinned: Option<Box<str>>,
    /// When each of the next hops that may take it can be tried again; the earliest counts, and if
    /// there is none the schedule of the queue.
    pub again: Vec<Again>,
    /// All of them have been called as often as they are to be: it is not tried again.
    pub given_up: bool,
}

/// When a next hop can be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// When the schedule of the queue says.
    Scheduled,
    /// At this time.
    At(Timestamp),
    /// At this time, and so often in a row, before it is tried when the schedule says.
    Repeated(Timestamp, u32),
}

/// The three ways an attempt ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EndKind {
    /// The next hop is responsible; `told` if it will itself report success where asked.
    Delivered {
        /// Whether the next hop reports onwards.
        reports: bool,
    },
    /// To be tried again.
    Later,
    /// Given up.
    Never,
    /// No attempt does better: given up, and kept for an operator.
    Quarantined,
}

impl End {
    /// A refusal by the mapping.
    pub fn refused(number: u32, refusal: &Refusal) -> Self {
        let kind = match refusal.status.0 {
            4 => EndKind::Later,
            _ => EndKind::Never,
        };
        Self {
            number,
            codes: Some((refusal.reason, refusal.diagnostic)),
            ..Self::new(kind, refusal.status, refusal.text.clone())
        }
    }

    /// Given up for all; the number is to be set.
    pub fn never(status: Status, text: String) -> Self {
        Self::new(EndKind::Never, status, text)
    }

    /// The same for all; the number is to be set.
    pub fn new(kind: EndKind, status: Status, text: String) -> Self {
        Self {
            number: 0,
            kind,
            status,
            codes: None,
            text,
            relay: None,
            pinned: None,
            again: Vec::new(),
            given_up: false,
        }
    }

    /// A message that the mapping refuses as a whole: one that cannot be read is kept.
    pub fn unconverted(refusal: &Refusal) -> Self {
        let end = Self::refused(0, refusal);
        match refusal.diagnostic {
            Some(CONTENT_SYNTAX_ERROR) => Self {
                kind: EndKind::Quarantined,
                ..end
            },
            _ => end,
        }
    }

    /// A message that cannot be read; the number is to be set.
    pub fn unreadable(text: String) -> Self {
        Self {
            codes: Some((1, Some(CONTENT_SYNTAX_ERROR))),
            ..Self::new(EndKind::Quarantined, Status(5, 6, 0), text)
        }
    }

    /// A message on which our own code broke; the number is to be set.
    pub fn broke(broke: &Broke) -> Self {
        Self::new(EndKind::Quarantined, Status(5, 3, 0), broke.to_string())
    }

    /// The same end for all recipients of a claim.
    pub fn all(claim: &Claim, end: &Self) -> Vec<Self> {
        let recipients = claim.item.recipients.iter();
        end.each(recipients.map(|recipient| recipient.number))
            .collect()
    }

    /// The same end for each of these recipients.
    pub fn each(&self, numbers: impl IntoIterator<Item = u32>) -> impl Iterator<Item = Self> {
        let with_number = |number| Self {
            number,
            ..self.clone()
        };
        numbers.into_iter().map(with_number)
    }
}

impl Deliverer {
    /// Tries the recipients of a claim once, and records what became of them.
    pub(super) async fn attempt(&self, mut claim: Claim, lane: &Lane) {
        let _memory = lane.memory(claim.item.size).await;
        let rules = self.gateway.rules();
        let (body, sent) = match self.gateway.store().open(claim.item.id).await {
            Ok(body) => {
                let sent = tokio::select! {
                    sent = caught_in(self.send_on(&rules, &claim, &body)) => {
                        sent.unwrap_or_else(|broke| {
                            tracing::error!(id = %claim.item.id, %broke, "a delivery broke");
                            End::all(&claim, &End::broke(&broke)).into()
                        })
                    }
                    error = self.keep(&claim) => {
                        tracing::error!(id = %claim.item.id, %error, "a delivery lost its claim");
                        return;
                    }
                };
                (body, sent)
            }
            Err(error) => {
                tracing::error!(id = %claim.item.id, %error, "the body of an item cannot be read");
                let text = "the body of the message cannot be read from the queue".to_owned();
                let end = End::new(EndKind::Later, Status(4, 3, 0), text);
                (Bytes::new(), End::all(&claim, &end).into())
            }
        };
        if sent
            .ends
            .iter()
            .any(|end| matches!(end.kind, EndKind::Delivered { .. }))
        {
            Failpoint::DeliveredNotRecorded.pass();
        }
        claim
            .item
            .identifiers
            .extend(sent.identifiers.iter().cloned());
        self.record(&rules, &claim, &body, sent).await;
    }

    /// Renews the loan for as long as the delivery runs; returns only when it is lost.
    async fn keep(&self, claim: &Claim) -> StoreError {
        loop {
            tokio::time::sleep(LEASE / 2).await;
            match self.gateway.store().renew(claim, clock::now(), LEASE).await {
                Ok(()) => {}
                Err(error) if is_final(&error) => return error,
                Err(error) => {
                    tracing::error!(id = %claim.item.id, %error, "a loan was not renewed")
                }
            }
        }
    }

    /// Records the outcome, again and again while the queue cannot take it: what was sent must not
    /// be sent once more because a disk was full.
    async fn record(&self, rules: &Rules, claim: &Claim, body: &Bytes, sent: Sent) {
        loop {
            let now = clock::now();
            let (mut finished, settled) = conclude(rules, claim, body, &sent.ends, now);
            finished.identifiers.clone_from(&sent.identifiers);
            finished
                .new_items
                .extend(sent.queued.as_ref().map(|(item, body)| NewItem {
                    item: item.clone(),
                    body: Body::inline(body.clone()),
                    duplicate: None,
                }));
            match self.gateway.store().finish(claim, finished).await {
                Ok(accepted) => {
                    let delay = now.duration_since(claim.item.arrived).as_secs_f64();
                    for settled in &settled {
                        log::outcome(&claim.item, &claim.route, settled, delay);
                    }
                    for accepted in accepted {
                        if let Accepted::New(report) = accepted {
                            tracing::info!(id = %claim.item.id, %report, "reported");
                        }
                    }
                    return;
                }
                Err(error) => {
                    tracing::error!(id = %claim.item.id, %error, "an outcome was not recorded");
                    if is_final(&error) {
                        return;
                    }
                }
            }
            tokio::time::sleep(AFTER_FAILURE).await;
            if let Err(error) = self.gateway.store().renew(claim, clock::now(), LEASE).await {
                tracing::error!(id = %claim.item.id, %error, "a loan was not renewed");
            }
        }
    }
}

/// Whether trying again is of no use: the claim is another's, or the queue is closed.
fn is_final(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::Fenced(_) | StoreError::Unknown(_) | StoreError::Closed
    )
}

/// What the queue is to record: patience applied, reports made.
fn conclude(
    rules: &Rules,
    claim: &Claim,
    body: &Bytes,
    ends: &[End],
    now: Timestamp,
) -> (Finished, Vec<Settled>) {
    let item = &claim.item;
    let recipients = item.recipients.iter();
    let recipients: BTreeMap<u32, &Recipient> = recipients
        .map(|recipient| (recipient.number, recipient))
        .collect();
    let mut settled = Vec::new();
    let mut told = Vec::new();
    for end in ends {
        let Some(&recipient) = recipients.get(&end.number) else {
            continue;
        };
        let (outcome, fate) = patience(rules, item, recipient, end, now);
        settled.push(Settled {
            number: end.number,
            outcome,
            status: Some(end.status.to_string()),
            text: match outcome {
                Outcome::Held => quarantine::marked(&end.text),
                _ => end.text.clone(),
            },
            relay: end.relay.clone(),
            pinned: end.pinned.as_deref().map(str::to_owned),
        });
        // Of what was in quarantine the sender knows already that it failed.
        let is_told = fate == Some(Fate::Failed) && quarantine::is_marked(recipient);
        if let Some(fate) = fate.filter(|_| !is_told) {
            let expired = outcome == Outcome::Expired;
            told.push(Told {
                number: end.number,
                fate,
                status: if expired { Status(5, 4, 7) } else { end.status },
                // maximum-time-expired
                codes: if expired {
                    Some((1, Some(5)))
                } else {
                    end.codes
                },
                text: end.text.clone(),
                relay: end.relay.clone(),
            });
        }
    }
    let mut finished = Finished::new(now, settled.clone());
    match quarantine::caught(|| report::of(rules, item, body, &told, now)) {
        Ok(report) => finished.new_items.extend(report),
        Err(broke) => tracing::error!(id = %item.id, %broke, "no report could be made"),
    }
    (finished, settled)
}

/// What becomes of a recipient, and what its sender is to be told of it.
fn patience(
    rules: &Rules,
    item: &Item,
    recipient: &Recipient,
    end: &End,
    now: Timestamp,
) -> (Outcome, Option<Fate>) {
    match end.kind {
        EndKind::Delivered { reports } => (Outcome::Delivered, (!reports).then_some(Fate::Relayed)),
        EndKind::Never => (Outcome::Failed, Some(Fate::Failed)),
        EndKind::Quarantined => (Outcome::Held, Some(Fate::Failed)),
        EndKind::Later => {
            let attempts = recipient.attempts.saturating_add(1);
            if end.given_up {
                return (Outcome::Failed, Some(Fate::Failed));
            }
            let Next::Retry(scheduled) = rules.schedule().next(item, attempts, now) else {
                return (Outcome::Expired, Some(Fate::Failed));
            };
            let again = end.again.iter().map(|again| match *again {
                Again::At(at) => at,
                Again::Repeated(at, most) if !attempts.is_multiple_of(most.saturating_add(1)) => at,
                Again::Repeated(..) | Again::Scheduled => scheduled,
            });
            let mut next_due = again.min().unwrap_or(scheduled).min(item.expires);
            let delayed = !recipient.delay_reported && rules.schedule().delayed(item.arrived, now);
            let delay_reported = delayed || recipient.delay_reported;
            if !delay_reported {
                next_due = next_due.min(rules.schedule().delay_reported(item.arrived));
            }
            let outcome = Outcome::Deferred {
                next_due: next_due.max(now),
                delay_reported,
            };
            (outcome, delayed.then_some(Fate::Delayed))
        }
    }
}
