//! A transfer to a peer of its route: to be resumed, or in doubt, at the same one only.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use super::Deliverer;
use super::attempt::{Again, End, EndKind};
use crate::gateway::clock;
use crate::gateway::rules::Rules;
use crate::octets::Octets;
use crate::queue::{Claim, Priority, Store};
use crate::rfc822::Status;
use crate::x400::Apdu;
use crate::x400::client::{Keep, Keeping, Outcome as Transferred, Pinned, Transfer};
use crate::x400::config::Urgency;

/// The status of a transfer that may have been made (RFC 3463 section 3.5: not completed), by which the
/// queue remembers it.
const IN_DOUBT: Status = Status(4, 4, 2);

impl Deliverer {
    /// Gives an APDU to the peer of the route, or to the first of its alternates that takes it; one
    /// that a peer may have already, only to that peer, which would know it again.
    ///
    /// `apdu` is told which MTA stands before the one it is for, and so was attempted.
    pub(super) async fn transfer(
        &self,
        rules: &Rules,
        claim: &Claim,
        apdu: &(dyn Fn(Option<&str>) -> Octets + Sync),
    ) -> End {
        let turns = rules.routes().in_turn(&claim.route, claim.item.id.seed());
        let attempted = |peer: &str| {
            let place = turns.iter().position(|name| *name == peer)?;
            let before = turns.get(place.checked_sub(1)?)?;
            let mut peers = rules.config.x400.peer.iter();
            peers
                .find(|peer| peer.name == *before)
                .map(|peer| peer.mta.as_str())
        };
        let mut peers = turns.clone();
        let mut kept = pinned(claim);
        let mut in_turn = peers.iter().copied();
        let doubted = in_turn.find(|peer| is_in_doubt(claim, kept.as_ref(), peer));
        if let Some(doubted) = doubted {
            peers = vec![doubted];
        }
        let keep: Arc<dyn Keep> = Arc::new(Record {
            store: Arc::clone(self.gateway.store()),
            claim: claim.clone(),
        });
        let (mut end, mut later, mut given_up) = (None, Vec::new(), true);
        for peer in peers {
            let pinned = kept.clone().filter(|kept| kept.peer() == peer);
            let note = || pinned.clone().unwrap_or_else(|| Pinned::in_doubt_at(peer));
            // The next attempt begins with the first again, which would not know what this one has.
            if end.is_some()
                && let Err(fault) = keep.keep(note()).await
            {
                tracing::error!(id = %claim.item.id, peer, fault, "not tried: it was not pinned");
                given_up = false;
                break;
            }
            let transfer = Transfer {
                keep: Some(Arc::clone(&keep)),
                apdu: Apdu::Octets(apdu(attempted(peer))),
                urgency: match claim.item.priority {
                    Priority::Deferred | Priority::Routine => Urgency::NonUrgent,
                    Priority::Priority | Priority::Immediate => Urgency::Normal,
                    Priority::Flash | Priority::Override => Urgency::Urgent,
                },
                pinned,
            };
            let outcome = self.x400.transfer(peer, transfer).await;
            let in_doubt = doubted.is_some() || matches!(outcome, Transferred::InDoubt { .. });
            let status = if in_doubt { IN_DOUBT } else { Status(4, 4, 1) };
            let now = clock::now();
            given_up &= !in_doubt
                && matches!(outcome, Transferred::NoAssociation { .. })
                && self.is_given_up(peer, claim, now);
            later.extend(self.again(peer, &outcome, in_doubt, now));
            let (kind, status, text, relay) = match outcome {
                Transferred::Delivered { relay } => {
                    let kind = EndKind::Delivered { reports: true };
                    (kind, Status(2, 0, 0), "transferred".to_owned(), Some(relay))
                }
                Transferred::Later {
                    relay,
                    explanation,
                    pinned,
                }
                | Transferred::NoAssociation {
                    relay,
                    explanation,
                    pinned,
                    ..
                }
                | Transferred::InDoubt {
                    relay,
                    explanation,
                    pinned,
                } => {
                    kept = pinned.or_else(|| kept.filter(|kept| kept.peer() != peer));
                    (EndKind::Later, status, explanation, relay)
                }
                Transferred::Never { relay, explanation } => {
                    (EndKind::Never, Status(5, 3, 0), explanation, relay)
                }
            };
            let relay = match relay {
                Some(address) => format!("{peer}[{address}]"),
                None => peer.to_owned(),
            };
            let this = End {
                relay: Some(relay),
                ..End::new(kind, status, text)
            };
            if kind != EndKind::Later {
                return this;
            }
            if in_doubt {
                end = Some(this);
                break;
            }
            end.get_or_insert(this);
        }
        let end = end.unwrap_or_else(|| {
            End::never(Status(5, 3, 5), format!("there is no peer {}", claim.route))
        });
        End {
            pinned: kept.map(|kept| kept.to_string().into()),
            again: later,
            given_up,
            ..end
        }
    }

    /// When a peer that has not taken a transfer can be tried again; `None`: nobody knows.
    fn again(
        &self,
        peer: &str,
        outcome: &Transferred,
        in_doubt: bool,
        now: Timestamp,
    ) -> Option<Again> {
        match outcome {
            // An operator has disabled it, or it is to call us.
            Transferred::NoAssociation {
                again: None,
                tried: false,
                ..
            } => None,
            Transferred::NoAssociation {
                again: Some(at), ..
            } => Some(Again::At(*at)),
            Transferred::Later { .. } if !in_doubt => {
                let peer = self.x400.directory().peer(peer)?;
                let at = now.checked_add(peer.transfer_interval()).ok()?;
                Some(Again::Repeated(at, peer.transfer_retries))
            }
            _ => Some(Again::Scheduled),
        }
    }

    /// Whether the peer has been called as often as it is to be since the message came. Whatever a peer
    /// may have already must not be said not to have been delivered.
    fn is_given_up(&self, peer: &str, claim: &Claim, now: Timestamp) -> bool {
        let before = self.x400.directory().given_up(peer, now);
        before.is_some_and(|before| claim.item.arrived < before)
    }
}

/// The queue, where it keeps what an attempt may go on from.
struct Record {
    store: Arc<dyn Store>,
    claim: Claim,
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the record of {}", self.claim.item.id)
    }
}

impl Keep for Record {
    fn keep(&self, pinned: Pinned) -> Keeping<'_> {
        let pinned = self.store.pin(&self.claim, pinned.to_string());
        Box::pin(async { pinned.await.map_err(|error| error.to_string()) })
    }
}

/// What the last transfer left for this one to go on from.
fn pinned(claim: &Claim) -> Option<Pinned> {
    let mut recipients = claim.item.recipients.iter();
    recipients.find_map(|recipient| recipient.pinned.as_deref()?.parse().ok())
}

/// Whether the last transfer may have been made to `peer`: by what it pinned, if it did not come to an
/// outcome, and by its outcome.
fn is_in_doubt(claim: &Claim, pinned: Option<&Pinned>, peer: &str) -> bool {
    let was_ended = |pinned: &Pinned| pinned.peer() == peer && pinned.is_in_doubt();
    pinned.is_some_and(was_ended)
        || claim.item.recipients.iter().any(|recipient| {
            let relay = recipient.relay.as_deref().unwrap_or_default();
            let at_peer = relay.strip_prefix(peer);
            recipient.status == Some(IN_DOUBT.to_string())
                && at_peer.is_some_and(|rest| rest.is_empty() || rest.starts_with('['))
        })
}
