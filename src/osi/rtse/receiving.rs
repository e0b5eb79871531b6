//! The receiving side of a transfer: octets up, confirmations down (X.228 clauses 7.3, 7.6 and 7.7).

use bytes::Bytes;

use super::apdu::{self, Apdu};
use super::{Activity, Indication, Misuse, Outgoing, Refusal};
use crate::osi::presentation::Mode;
use crate::osi::session;
use crate::osi::spdu::{ConnectionIdentifier, ExceptionReason, LinkingInformation, Serial};

/// An APDU being received.
#[derive(Debug)]
pub(super) struct Receiving {
    stage: Stage,
    /// The last point set by the peer.
    set: u32,
    /// The last of them that asks to be confirmed, as all of RTSE's own do.
    owed: u32,
    /// The last point confirmed by us.
    confirmed: u32,
    /// How the peer has ended the activity before the user answered for the complete APDU.
    withdrawn: Option<Withdrawal>,
}

/// How a peer ends an activity that it does not complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Withdrawal {
    /// It may resume it.
    Interrupt,
    /// It will not.
    Discard,
}

impl Withdrawal {
    /// The response of the session service.
    pub(super) fn response(self) -> Outgoing {
        Outgoing::session(match self {
            Self::Interrupt => session::Request::ActivityInterruptAck(Bytes::new()),
            Self::Discard => session::Request::ActivityDiscardAck(Bytes::new()),
        })
    }
}

/// Where a transfer stands.
#[derive(Debug, PartialEq, Eq)]
enum Stage {
    /// Segments are coming.
    Receiving,
    /// The APDU is complete; the user has not taken responsibility for it.
    Complete,
    /// The user has refused it; the peer is to discard the activity.
    Refused,
}

impl Receiving {
    /// An activity that has just been started, or resumed after a point.
    pub(super) fn start(point: u32) -> Self {
        Self {
            stage: Stage::Receiving,
            set: point,
            owed: point,
            confirmed: point,
            withdrawn: None,
        }
    }

    /// The peer ends the activity without completing it: whether that waits for the user, who has
    /// the APDU and is to answer for it.
    pub(super) fn withdraw(&mut self, how: Withdrawal) -> bool {
        let waits = self.is_complete();
        self.withdrawn = waits.then_some(how);
        waits
    }

    /// How the peer has ended the activity meanwhile.
    pub(super) fn withdrawn(&self) -> Option<Withdrawal> {
        self.withdrawn
    }

    /// The state of the transfer, by name.
    pub(super) fn state(&self) -> &'static str {
        match self.stage {
            Stage::Receiving => "receiving",
            Stage::Complete if self.withdrawn.is_some() => "withdrawn",
            Stage::Complete => "received",
            Stage::Refused => "refused",
        }
    }

    /// Whether the user is to answer an RT-TRANSFER indication.
    pub(super) fn is_complete(&self) -> bool {
        self.stage == Stage::Complete
    }

    /// Whether the user has refused the APDU, and so knows what becomes of it.
    pub(super) fn is_refused(&self) -> bool {
        self.stage == Stage::Refused
    }

    /// Whether the user owes an answer: to the APDU, or to a point.
    pub(super) fn is_owed(&self) -> bool {
        self.stage == Stage::Complete
            || self.stage == Stage::Receiving && self.confirmed < self.owed
    }

    /// A segment, bare in X.410 mode; an error is the peer's fault.
    pub(super) fn data(
        &mut self,
        mode: Mode,
        value: Bytes,
        out: &mut Vec<Outgoing>,
    ) -> Result<(), String> {
        match self.stage {
            Stage::Receiving => {
                let octets = match mode {
                    Mode::X410 => value,
                    Mode::Normal => match apdu::read(&value)? {
                        Apdu::Segment(octets) => octets,
                        _ => return Err("data that are no RTTR".to_owned()),
                    },
                };
                if !octets.is_empty() {
                    out.push(Outgoing::Indication(Indication::Octets(octets)));
                }
                Ok(())
            }
            Stage::Complete => Err("data after the end of the activity".to_owned()),
            Stage::Refused => Ok(()),
        }
    }

    /// The peer sets a point.
    pub(super) fn point(&mut self, serial: Serial, explicit: bool, out: &mut Vec<Outgoing>) {
        self.set = serial.get();
        if explicit && self.stage == Stage::Receiving {
            self.owed = self.set;
            out.push(Outgoing::Indication(Indication::Checkpoint {
                point: self.set,
            }));
        }
    }

    /// The user has secured what came before a point.
    pub(super) fn secured(&mut self, point: u32, out: &mut Vec<Outgoing>) -> Result<(), Misuse> {
        // Nobody waits for it any more.
        if self.stage == Stage::Refused || self.withdrawn.is_some() {
            return Ok(());
        }
        let serial = Serial::new(point).filter(|_| self.confirmed < point && point <= self.set);
        let Some(serial) = serial else {
            return Err(Misuse {
                request: "secured",
                condition: "no such point is open",
            });
        };
        self.confirmed = point;
        out.push(Outgoing::session(session::Request::MinorSyncAck {
            serial,
            user_data: Bytes::new(),
        }));
        Ok(())
    }

    /// The peer ends the activity; an error is its fault.
    pub(super) fn end(&mut self, out: &mut Vec<Outgoing>) -> Result<(), String> {
        match self.stage {
            Stage::Receiving => {
                self.stage = Stage::Complete;
                out.push(Outgoing::Indication(Indication::Transfer));
                Ok(())
            }
            Stage::Complete => Err("a second end of the activity".to_owned()),
            Stage::Refused => Ok(()),
        }
    }

    /// The user refuses the APDU.
    pub(super) fn refuse(&mut self, reason: Refusal, out: &mut Vec<Outgoing>) {
        if self.stage == Stage::Refused {
            return;
        }
        self.stage = Stage::Refused;
        out.push(Outgoing::session(session::Request::UserException {
            reason: match reason {
                Refusal::ReceivingAbilityJeopardized => {
                    ExceptionReason::RECEIVING_ABILITY_JEOPARDIZED
                }
                Refusal::LocalError => ExceptionReason::LOCAL_USER_ERROR,
                Refusal::Unrecoverable | Refusal::Unknown => {
                    ExceptionReason::UNRECOVERABLE_PROCEDURAL_ERROR
                }
                Refusal::Completed => ExceptionReason::USER_SEQUENCE_ERROR,
            },
            user_data: Bytes::new(),
        }));
    }
}

/// What a resumed activity was called, read on a connection; what is not said is of this one.
pub(super) fn linked(old: LinkingInformation, here: &ConnectionIdentifier) -> Activity {
    let connection = match (old.calling_ss_user_reference, old.common_reference) {
        (None, None) => here.clone(),
        (reference, common) => ConnectionIdentifier {
            ss_user_reference: reference.unwrap_or_default(),
            common_reference: common.unwrap_or_default(),
            additional_reference: old.additional_reference.unwrap_or_default(),
        },
    };
    Activity {
        connection,
        identifier: old.activity_identifier,
    }
}
