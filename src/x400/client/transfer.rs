//! A transfer over an open association, from its start or from where it broke off.

use std::io;
use std::time::Duration;

use tokio::time::sleep;
use tracing::{debug, info};

use super::super::apdu::{Apdu, Wrapped};
use super::super::config::Urgency;
use super::pinned::{self, Pinned};
use super::pool::Association;
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
}

impl From<Apdu> for Transfer {
    fn from(apdu: Apdu) -> Self {
        Self {
            apdu,
            urgency: Urgency::default(),
            pinned: None,
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
    /// Transfers one APDU to this peer. What cannot be resumed is sent from its start, unless the
    /// peer may have it already.
    pub(super) async fn transfer(
        &mut self,
        peer: &str,
        transfer: &Transfer,
        time: Duration,
    ) -> Result<(), Failure> {
        let apdu = &transfer.apdu;
        let mut from = transfer.pinned.clone().filter(|from| from.peer == peer);
        if let Some(pinned) = &from {
            let hash = pinned::hash(apdu.clone(), self.link.user_context()).await;
            if hash.map_err(|fault| Failure::unread(&fault))? != pinned.hash {
                info!(peer, "not resumed: it converts to other octets now");
                from = None;
            }
        }
        match self.attempt(peer, apdu, from.clone(), time).await {
            Err(failure) if failure.not_resumed && !failure.in_doubt => {
                debug!(peer, failure.explanation, "sent from its start");
                self.attempt(peer, apdu, None, time).await
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

    /// Transfers an APDU, or what is missing of it.
    async fn attempt(
        &mut self,
        peer: &str,
        apdu: &Apdu,
        from: Option<Pinned>,
        time: Duration,
    ) -> Result<(), Failure> {
        let user_context = self.link.user_context();
        let opened = Wrapped::open(apdu.clone(), user_context).await;
        let mut wrapped = opened.map_err(|fault| Failure::unread(&fault))?;
        let hash = from.as_ref().map(|from| from.hash);
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
        let mut unreadable = None;
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
                    Ok((octets, last)) => Request::Octets { octets, last },
                    Err(fault) => {
                        unreadable = Some(Failure::unread(&fault));
                        Request::TransferStop
                    }
                },
                Indication::TransferConfirm(Ok(())) => return Ok(()),
                Indication::TransferConfirm(Err(not)) => {
                    let mut failure = unreadable.unwrap_or_else(|| Failure {
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
                        let hash = match hash {
                            Some(hash) => Ok(hash),
                            None => pinned::hash(apdu.clone(), user_context).await,
                        };
                        failure.pinned = hash.ok().map(|hash| Pinned {
                            peer: peer.to_owned(),
                            hash,
                            resumption,
                        });
                    }
                    return Err(failure);
                }
                Indication::PAbort { explanation } | Indication::UAbort { explanation } => {
                    return Err(Failure::broken(explanation));
                }
                _ => continue,
            };
            self.link.request(request).map_err(misused)?;
        }
    }
}
