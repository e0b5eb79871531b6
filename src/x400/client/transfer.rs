//! A transfer over an open association, from its start or from where it broke off.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tracing::{debug, info};

use super::super::apdu::{Apdu, Wrapped, Wrapping};
use super::super::config::{Peer, Urgency};
use super::super::dialogue::{Association, NoTurn};
use super::super::transfer::Encoding;
use super::pinned::{self, Keep, Pinned, Pinning};
use crate::osi::presentation::Misuse;
use crate::osi::rtse::{Indication, Request};

/// An APDU to be transferred.
#[derive(Debug, Clone)]
pub struct Transfer {
    /// The APDU.
    pub apdu: Apdu,
    /// How urgent it is.
    pub urgency: Urgency,
    /// What an earlier attempt left, to be resumed if it is the same octets and the same peer.
    pub pinned: Option<Pinned>,
    /// Where it is pinned while it is under way.
    pub keep: Option<Arc<dyn Keep>>,
}

impl From<Apdu> for Transfer {
    fn from(apdu: Apdu) -> Self {
        Self {
            apdu,
            urgency: Urgency::default(),
            pinned: None,
            keep: None,
        }
    }
}

/// Why a transfer over an association failed.
#[derive(Debug)]
pub(super) struct Failure {
    /// Whether it may succeed at another time.
    pub(super) transient: bool,
    /// Whether the peer may have it all the same.
    pub(super) in_doubt: bool,
    /// Whether the association broke, and not by the will of the peer's user.
    pub(super) broken: bool,
    /// Whether anything was asked of the peer.
    begun: bool,
    /// Whether the peer did not go on with what was resumed.
    not_resumed: bool,
    /// From where it can be resumed.
    pub(super) pinned: Option<Pinned>,
    /// Why, in words.
    pub(super) explanation: String,
}

impl Failure {
    /// A failure on this side.
    fn local(explanation: String) -> Self {
        Self {
            transient: true,
            in_doubt: false,
            broken: false,
            begun: false,
            not_resumed: false,
            pinned: None,
            explanation,
        }
    }

    /// An association that broke when nothing was sent.
    fn broken(explanation: String) -> Self {
        Self {
            broken: true,
            ..Self::local(explanation)
        }
    }

    /// An APDU that cannot be read.
    fn unread(fault: &io::Error) -> Self {
        Self::local(format!("the APDU cannot be read: {fault}"))
    }
}

impl Association {
    /// What stands around an APDU here, for a peer that wants it encoded like this.
    fn wrapping(&self, encoding: Encoding) -> Option<Wrapping> {
        self.link.user_context().map(|user_context| Wrapping {
            user_context,
            encoding,
        })
    }

    /// Transfers one APDU to this peer, when the turn is here. What cannot be resumed is sent from its
    /// start, unless the peer may have it already.
    pub(super) async fn transfer(
        &mut self,
        peer: &Peer,
        transfer: &Transfer,
        time: Duration,
    ) -> Result<(), Failure> {
        let mut from = transfer.pinned.clone();
        from.take_if(|from| from.peer != peer.name || from.resumption.point == 0);
        if let Some(pinned) = &from {
            let hash = pinned::hash(transfer.apdu.clone(), self.wrapping(peer.external)).await;
            if hash.map_err(|fault| Failure::unread(&fault))? != pinned.hash {
                info!(
                    peer = peer.name,
                    "not resumed: it converts to other octets now"
                );
                if self.discard(pinned).await? {
                    return Ok(());
                }
                from = None;
            }
        }
        let turn = self.turn(transfer.urgency.priority(), time).await;
        let attempted = match turn {
            Ok(()) => self.attempt(peer, transfer, from.clone(), time).await,
            Err(NoTurn::Late) => Err(Failure::local(format!("no turn to send within {time:?}"))),
            Err(NoTurn::Ended(why)) => Err(Failure::broken(why)),
        };
        match attempted {
            Err(failure) if failure.not_resumed && !failure.in_doubt => {
                debug!(peer = peer.name, failure.explanation, "sent from its start");
                self.attempt(peer, transfer, None, time).await
            }
            // As long as nothing was tried, all is as it was.
            Err(failure) if !failure.begun => Err(Failure {
                in_doubt: from.as_ref().is_some_and(|from| from.resumption.ended),
                pinned: from,
                ..failure
            }),
            ended => ended,
        }
    }

    /// Resumes a transfer only to discard it: the peer need not keep what it has of octets that will
    /// not come again (X.228 clause 7.7.3). Whether it had taken the transfer whole.
    async fn discard(&mut self, pinned: &Pinned) -> Result<bool, Failure> {
        let failed = |explanation| Failure {
            in_doubt: pinned.is_in_doubt(),
            begun: true,
            ..Failure::local(explanation)
        };
        let lost = |explanation| Failure {
            broken: true,
            pinned: Some(pinned.clone()),
            ..failed(explanation)
        };
        let misused = |misuse: Misuse| Failure::broken(misuse.to_string());
        let resume = Request::Resume(pinned.resumption.clone());
        self.link.request(resume).map_err(misused)?;
        let stop = Request::TransferStop;
        self.link.request(stop).map_err(misused)?;
        loop {
            match self.link.next().await {
                Some(Indication::TransferConfirm(Ok(()))) => return Ok(true),
                Some(Indication::TransferConfirm(Err(not))) if self.link.is_over() => {
                    return Err(lost(not.explanation));
                }
                Some(Indication::TransferConfirm(Err(not))) if not.in_doubt => {
                    return Err(failed(
                        "the peer may have taken what it was sent before, of other octets"
                            .to_owned(),
                    ));
                }
                Some(Indication::TransferConfirm(Err(_))) => return Ok(false),
                Some(Indication::PAbort { explanation } | Indication::UAbort { explanation }) => {
                    return Err(lost(explanation));
                }
                Some(_) => {}
                None => return Err(lost("the connection was lost".to_owned())),
            }
        }
    }

    /// Transfers an APDU, or what is missing of it.
    async fn attempt(
        &mut self,
        peer: &Peer,
        transfer: &Transfer,
        from: Option<Pinned>,
        time: Duration,
    ) -> Result<(), Failure> {
        let wrapping = self.wrapping(peer.external);
        let opened = Wrapped::open(transfer.apdu.clone(), wrapping).await;
        let mut wrapped = opened.map_err(|fault| Failure::unread(&fault))?;
        let mut pinning = Pinning {
            peer: &peer.name,
            apdu: &transfer.apdu,
            wrapping,
            keep: transfer.keep.clone(),
            hash: from.as_ref().map(|from| from.hash),
            kept: from.as_ref().map_or(0, Pinned::octets),
        };
        let begin = match from {
            None => Request::Transfer,
            Some(Pinned { resumption, .. }) => {
                let skipped = wrapped.skip(resumption.octets).await;
                skipped.map_err(|fault| Failure::unread(&fault))?;
                Request::Resume(resumption)
            }
        };
        let misused = |misuse: Misuse| Failure::broken(misuse.to_string());
        self.link.request(begin).map_err(misused)?;
        let late = sleep(time);
        tokio::pin!(late);
        let mut is_late = false;
        let mut unsent = None;
        loop {
            let told = tokio::select! {
                told = self.link.next() => told,
                () = &mut late, if !is_late => {
                    is_late = true;
                    self.link.request(Request::TransferInterrupt).map_err(misused)?;
                    continue;
                }
            };
            let Some(told) = told else {
                return Err(Failure::broken("the connection was lost".to_owned()));
            };
            let request = match told {
                Indication::Pull { octets } => match wrapped.next(octets).await {
                    Ok((octets, last)) => match pinning.keep(self.link.resumption(), last).await {
                        Ok(()) => Request::Octets { octets, last },
                        Err(fault) => {
                            unsent = Some(Failure::local(format!("not pinned: {fault}")));
                            Request::TransferStop
                        }
                    },
                    Err(fault) => {
                        unsent = Some(Failure::unread(&fault));
                        Request::TransferStop
                    }
                },
                Indication::TransferConfirm(Ok(())) => return Ok(()),
                Indication::TransferConfirm(Err(not)) => {
                    let mut failure = unsent.unwrap_or_else(|| Failure {
                        transient: not.transient,
                        broken: self.link.is_over() && !self.link.is_aborted(),
                        ..Failure::local(not.explanation)
                    });
                    failure.in_doubt = not.in_doubt;
                    failure.not_resumed = not.not_resumed;
                    failure.begun = true;
                    if is_late {
                        failure.explanation = format!("not transferred within {time:?}");
                    }
                    if let Some(resumption) = not.resumption {
                        failure.pinned = pinning.pinned(resumption).await.ok();
                    }
                    return Err(failure);
                }
                Indication::PAbort { explanation } | Indication::UAbort { explanation } => {
                    return Err(Failure::broken(explanation));
                }
                Indication::TurnPlease { priority } => {
                    self.please(priority);
                    continue;
                }
                _ => continue,
            };
            self.link.request(request).map_err(misused)?;
        }
    }
}
