//! An open association, whoever opened it: what comes on it, whose turn it is, and when it ends
//! (X.218 clauses 9.2, 9.4 and 9.5, X.419 clause 13).
//!
//! In a monologue the turn stays where it was at first. On a two-way alternate association either
//! side transfers while it has the turn. Who has something to send and not the turn asks for it, with
//! a priority; who is asked gives it as soon as nothing of that priority waits here any more. The
//! turn comes back to the initiator when nobody uses it, since only the initiator releases the
//! association.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{debug, error, info};

use super::handler::Caller;
use super::link::Link;
use super::offers::{Asked, Offers};
use super::receive::{Begun, Taken, Takes};
use super::standing::Standing;
use crate::osi::rtse::{Indication, Refusal, Request};

/// The priority with which the turn is asked for to release the association (X.218 clause 9.4.1.1).
const RELEASE: u8 = 0;
/// How long a turn that the peer wants, or that is the initiator's, waits here for a transfer.
const LINGER: Duration = Duration::from_millis(250);
/// How long to wait for the turn in order to release an association; else it is aborted.
const FOR_RELEASE: Duration = Duration::from_secs(5);
/// How long to wait before asking for the turn when it cannot be asked for.
const MOMENT: Duration = Duration::from_millis(20);
/// How long transfers that are only as pressing as the peer's go first.
const FIRST: Duration = Duration::from_secs(10);

/// An open association.
pub(super) struct Association {
    pub(super) link: Link,
    /// Who is at the other end.
    pub(super) caller: Caller,
    /// Whether we have opened it.
    pub(super) ours: bool,
    /// Whether the turn changes hands.
    pub(super) two_way: bool,
    /// How we stand with its peer, if transfers may be sent on it.
    pub(super) standing: Option<Arc<Standing>>,
    /// Who takes what comes on it.
    pub(super) receiver: Option<Arc<dyn Takes>>,
    /// How long it may wait for a transfer before it is released; `None`: for ever, or as long as its
    /// peer likes.
    pub(super) patience: Option<Duration>,
    /// How many associations with its peer are not released for that.
    pub(super) permanent: usize,
    /// Whether its server stops.
    pub(super) stopped: Option<watch::Receiver<bool>>,
    /// Whether an operator disables its peer, if that is to end it.
    pub(super) disabled: Option<watch::Receiver<bool>>,
    /// What it holds of the bounds of others while it lives.
    pub(super) _holds: Box<dyn Any + Send>,
    pub(super) state: State,
}

/// What is known of an association besides.
#[derive(Default)]
pub(super) struct State {
    /// With which priority the peer has asked for the turn that is here, and when.
    asked: Option<(u8, Instant)>,
    /// The last transfer taken.
    taken: Taken,
    /// Why it ends, if it does.
    ended: Option<String>,
}

impl fmt::Debug for Association {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Association");
        shown.field("caller", &self.caller);
        shown.finish_non_exhaustive()
    }
}

/// Why there is no turn.
#[derive(Debug)]
pub(super) enum NoTurn {
    /// It did not come in time.
    Late,
    /// The association has ended.
    Ended(String),
}

impl Association {
    /// Lets it wait for transfers to its peer, and takes those that come, until it is claimed or
    /// ends.
    pub(super) fn stand(mut self) -> impl Future<Output = ()> + Send {
        // Who wants it next finds it, even before it is first polled.
        let mut offer = self.offer();
        async move {
            loop {
                let linger = self.is_turn_idle().then_some(LINGER);
                let told = tokio::select! {
                    biased;
                    () = stop(&mut self.stopped) => {
                        return self.abort("the server stops".to_owned()).await;
                    }
                    () = stop(&mut self.disabled) => {
                        let explanation = "an operator has disabled the peer";
                        info!(mta = self.caller.mta, explanation, "association ended");
                        return self.abort(explanation.to_owned()).await;
                    }
                    told = self.link.next() => told,
                    claimed = claimed(&mut offer) => {
                        if let Some(give) = claimed {
                            match give.send(self) {
                                Ok(()) => return,
                                // Who has asked is gone.
                                Err(back) => self = back,
                            }
                        }
                        offer = self.offer();
                        continue;
                    }
                    () = after(linger) => {
                        self.give_turn();
                        continue;
                    }
                    () = after(self.patience) => {
                        if self.is_releasable() {
                            drop(offer);
                            self.release().await;
                            return;
                        }
                        continue;
                    }
                };
                // While something comes on it, it does not wait.
                drop(offer.take());
                if !self.hear(told).await {
                    return;
                }
                offer = self.offer();
            }
        }
    }

    /// Asks for the turn if it is not here, and takes what comes until it is.
    ///
    /// # Errors
    /// There is none within this time, or the association ends.
    pub(super) async fn turn(&mut self, priority: u8, time: Duration) -> Result<(), NoTurn> {
        let late = sleep(time);
        tokio::pin!(late);
        let mut asked = false;
        while !self.link.has_turn() {
            // It cannot be asked for while it is on its way to the peer, or an activity is ended, but
            // a moment later.
            asked = asked || self.link.request(Request::TurnPlease { priority }).is_ok();
            let told = tokio::select! {
                told = self.link.next() => told,
                () = sleep(MOMENT), if !asked => continue,
                () = stop(&mut self.stopped) => {
                    return Err(NoTurn::Ended("the server stops".to_owned()));
                }
                () = &mut late => return Err(NoTurn::Late),
            };
            if !self.hear(told).await {
                let why = self.state.ended.take();
                let lost = || "the connection was lost".to_owned();
                return Err(NoTurn::Ended(why.unwrap_or_else(lost)));
            }
        }
        Ok(())
    }

    /// Remembers that the peer asks for the turn.
    pub(super) fn please(&mut self, priority: u8) {
        debug!(
            mta = self.caller.mta,
            priority, "the peer asks for the turn"
        );
        let (before, since) = self.state.asked.unwrap_or((priority, Instant::now()));
        self.state.asked = Some((before.min(priority), since));
    }

    /// Releases the association, which we have opened; whether that was in order.
    pub(super) async fn release(mut self) -> bool {
        if let Err(why) = self.turn(RELEASE, FOR_RELEASE).await {
            self.abort(format!("no turn to release it: {why:?}")).await;
            return false;
        }
        if self.link.request(Request::Close).is_err() {
            return false;
        }
        let mut confirmed = false;
        while let Some(told) = self.link.next().await {
            confirmed |= told == Indication::CloseConfirm;
        }
        confirmed
    }

    /// Ends the association at once.
    async fn abort(mut self, explanation: String) {
        if let Err(misuse) = self.link.request(Request::Abort { explanation }) {
            debug!(%misuse, "not aborted");
        }
        self.link.finish().await;
    }

    /// Hears what the peer says between transfers of ours; whether the association goes on.
    async fn hear(&mut self, told: Option<Indication>) -> bool {
        let Some(told) = told else {
            return false;
        };
        let answer = match told {
            Indication::TransferBegin { activity } => {
                self.state.taken.heard();
                self.receive(Begun::Start(activity)).await
            }
            Indication::TransferResume {
                old,
                activity,
                point,
            } => self.receive(Begun::Resume(old, activity, point)).await,
            Indication::TurnPlease { priority } => {
                self.please(priority);
                None
            }
            Indication::Close => {
                self.state.taken.heard();
                self.state.ended = Some("the peer released the association".to_owned());
                Some(Request::CloseResponse)
            }
            Indication::UAbort { explanation } | Indication::PAbort { explanation } => {
                info!(mta = self.caller.mta, explanation, "association ended");
                self.state.ended = Some(explanation);
                None
            }
            _ => None,
        };
        if let Some(Err(misuse)) = answer.map(|answer| self.link.request(answer)) {
            error!(%misuse, "a request out of place");
            return false;
        }
        true
    }

    async fn receive(&mut self, begun: Begun) -> Option<Request> {
        let Some(receiver) = &self.receiver else {
            return Some(Request::TransferRefuse(Refusal::LocalError));
        };
        let (link, taken) = (&mut self.link, &mut self.state.taken);
        receiver.receive(link, &self.caller, begun, taken).await
    }

    /// Offers it for transfers to its peer, if there may be any; before that a turn that has waited
    /// long enough goes to the peer.
    fn offer(&mut self) -> Option<Asked> {
        if self.state.ended.is_some() {
            return None;
        }
        let offers = self.standing.as_deref().map(Standing::offers);
        let is_due = match (self.state.asked, offers) {
            (Some((priority, since)), Some(offers)) => {
                let is_first = since.elapsed() < FIRST;
                !offers.is_wanted(priority.saturating_sub(u8::from(!is_first)))
            }
            (Some(_), None) => true,
            // Nothing is ever sent here.
            (None, None) => !self.ours,
            (None, Some(_)) => false,
        };
        let offer = offers.map(|offers: &Offers| offers.offer(self.ours));
        if is_due && self.two_way && self.link.has_turn() {
            self.give_turn();
        }
        offer
    }

    /// Whether the turn is here, of no use, and of some at the other side.
    fn is_turn_idle(&self) -> bool {
        let is_wanted = self.state.asked.is_some() || !self.ours;
        self.two_way && self.link.has_turn() && is_wanted && self.state.ended.is_none()
    }

    fn give_turn(&mut self) {
        self.state.asked = None;
        if let Err(misuse) = self.link.request(Request::TurnGive) {
            debug!(%misuse, "the turn was not given");
        }
    }

    /// Whether it is one too many to be kept open.
    fn is_releasable(&self) -> bool {
        let outgoing = self.standing.as_deref().map_or(0, Standing::outgoing);
        self.ours && outgoing > self.permanent
    }
}

/// Until that is so; for ever where nobody would say it.
pub(super) async fn stop(stopped: &mut Option<watch::Receiver<bool>>) {
    match stopped {
        // An error is somebody who is gone.
        Some(stopped) => drop(stopped.wait_for(|stopped| *stopped).await),
        None => std::future::pending().await,
    }
}

/// Until somebody wants the association that is offered.
async fn claimed(offer: &mut Option<Asked>) -> Option<tokio::sync::oneshot::Sender<Association>> {
    match offer {
        Some(asked) => asked.await.ok(),
        None => std::future::pending().await,
    }
}

async fn after(time: Option<Duration>) {
    match time {
        Some(time) => sleep(time).await,
        None => std::future::pending().await,
    }
}
