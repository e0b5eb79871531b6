//! The sending side of a transfer: segments, points, the window, and how it goes on after a break
//! (X.228 clauses 7.3, 7.6, 7.7 and 7.8).

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::machine::Agreed;
use super::{Activity, Indication, NotTransferred, Outgoing, Resumption, apdu};
use crate::osi::presentation::{self, Mode, Pdv};
use crate::osi::session::{self, ActivityResume};
use crate::osi::spdu::{ConnectionIdentifier, ExceptionReason, LinkingInformation, Serial};

/// How many octets are asked for at a time at least, however small the segments are.
const PULL: usize = 32 * 1024;

/// An APDU being sent.
#[derive(Debug)]
pub(super) struct Sending {
    /// The most octets of a segment.
    segment: usize,
    /// Whether points stand between segments.
    points: bool,
    /// The most points without confirmation.
    window: u32,
    /// Whether segments go bare, as in X.410 mode.
    mode: Mode,
    /// The presentation context of the segments.
    context: u32,
    /// Octets of the user not sent yet.
    waiting: VecDeque<Bytes>,
    /// How many octets wait.
    length: usize,
    /// Whether the user was asked and has not answered.
    pulling: bool,
    /// Whether the octets waiting are the last.
    last: bool,
    /// The number of the last point set.
    set: u32,
    /// The number of the last point confirmed.
    confirmed: u32,
    /// From where the activity was started or resumed here.
    from: Resumption,
    stage: Stage,
}

/// Where a transfer stands.
#[derive(Debug)]
enum Stage {
    /// Segments are being sent.
    Sending,
    /// The activity has ended; the peer's confirmation is awaited.
    Ending,
    /// The activity is being discarded or interrupted; the transfer has ended like this.
    Stopping(Result<(), NotTransferred>),
}

impl Sending {
    /// RT-TRANSFER request: starts the n-th activity of a connection, or resumes one under that
    /// number, and asks for octets. An error if no session connection has such a point.
    pub(super) fn start(
        agreed: &Agreed,
        max_unsegmented: usize,
        number: u32,
        resumption: Option<Resumption>,
        out: &mut Vec<Outgoing>,
    ) -> Option<Self> {
        let identifier = apdu::activity_identifier(number);
        let user_data = Bytes::new();
        let (request, from) = match resumption {
            None => {
                let activity = Activity {
                    connection: agreed.connection.clone(),
                    identifier: identifier.clone(),
                };
                let from = Resumption {
                    activity,
                    point: 0,
                    octets: 0,
                    ended: false,
                };
                let start = session::Request::ActivityStart {
                    identifier,
                    user_data,
                };
                (start, from)
            }
            Some(from) => {
                let resume = ActivityResume {
                    identifier,
                    old: linking(&from.activity, &agreed.connection),
                    serial: Serial::new(from.point).filter(|_| from.point > 0)?,
                    user_data,
                };
                (session::Request::ActivityResume(Box::new(resume)), from)
            }
        };
        out.push(Outgoing::session(request));
        let mut sending = Self {
            segment: agreed.segment.unwrap_or(max_unsegmented),
            points: agreed.segment.is_some(),
            window: agreed.window,
            mode: agreed.mode,
            context: agreed.rtse_context,
            waiting: VecDeque::new(),
            length: 0,
            pulling: false,
            last: false,
            set: from.point,
            confirmed: from.point,
            from,
            stage: Stage::Sending,
        };
        sending.go_on(out);
        Some(sending)
    }

    /// The user's octets.
    pub(super) fn octets(&mut self, octets: Bytes, last: bool, out: &mut Vec<Outgoing>) {
        if !matches!(self.stage, Stage::Sending) || self.last {
            return;
        }
        self.pulling = false;
        self.last = last;
        self.length += octets.len();
        if !octets.is_empty() {
            self.waiting.push_back(octets);
        }
        self.go_on(out);
    }

    /// The state of the transfer, by name.
    pub(super) fn state(&self) -> &'static str {
        match self.stage {
            Stage::Sending => "sending",
            Stage::Ending => "ending",
            Stage::Stopping(_) => "stopping",
        }
    }

    /// Whether the peer is to confirm that the activity is ended, or what else becomes of it.
    pub(super) fn awaits_confirmation(&self, ended: bool) -> bool {
        match self.stage {
            Stage::Sending => false,
            Stage::Ending => ended,
            Stage::Stopping(_) => !ended,
        }
    }

    /// Whether the user's octets are awaited, and nothing else.
    pub(super) fn is_pulling(&self) -> bool {
        self.pulling && self.set == self.confirmed && matches!(self.stage, Stage::Sending)
    }

    /// Sends what may be sent, and asks for more if there is room.
    fn go_on(&mut self, out: &mut Vec<Outgoing>) {
        if !matches!(self.stage, Stage::Sending) {
            return;
        }
        // A point stands between two segments, never after the last one: so a segment leaves only
        // when it is known that more follows, or that nothing does.
        while self.set - self.confirmed < self.window {
            if self.length > self.segment {
                if !self.points {
                    let limit = self.segment;
                    let explanation = format!(
                        "the peer wants no checkpoints; such APDUs may have {limit} octets"
                    );
                    let not = self.given_up(false, explanation);
                    return self.discard(ExceptionReason::LOCAL_USER_ERROR, Err(not), out);
                }
                self.send(out);
                self.set += 1;
                out.push(Outgoing::session(session::Request::MinorSync {
                    explicit: true,
                    user_data: Bytes::new(),
                }));
            } else if self.last {
                self.send(out);
                out.push(Outgoing::session(session::Request::ActivityEnd(
                    Bytes::new(),
                )));
                self.stage = Stage::Ending;
                return;
            } else {
                break;
            }
        }
        if !self.last && !self.pulling && self.length <= self.segment {
            self.pulling = true;
            let octets = (self.segment - self.length + 1).max(PULL);
            out.push(Outgoing::Indication(Indication::Pull { octets }));
        }
    }

    /// Sends the next segment.
    fn send(&mut self, out: &mut Vec<Outgoing>) {
        let mut left = self.segment.min(self.length);
        self.length -= left;
        let mut rttr = BytesMut::with_capacity(left + 6);
        if self.mode == Mode::Normal {
            rttr.extend_from_slice(&apdu::rttr_header(left));
        }
        while left > 0
            && let Some(mut octets) = self.waiting.pop_front()
        {
            let taken = octets.split_to(left.min(octets.len()));
            rttr.extend_from_slice(&taken);
            left -= taken.len();
            if !octets.is_empty() {
                self.waiting.push_front(octets);
            }
        }
        let pdv = Pdv {
            context: self.context,
            value: rttr.freeze(),
        };
        out.push(Outgoing::Presentation(presentation::Request::Data(pdv)));
    }

    /// The peer confirms a point and all before it; an error is its fault.
    pub(super) fn confirmed(&mut self, point: u32, out: &mut Vec<Outgoing>) -> Result<(), String> {
        if point <= self.confirmed || point > self.set {
            return Err(format!(
                "confirmation of point {point}; {} points were set, {} are confirmed",
                self.set, self.confirmed
            ));
        }
        self.confirmed = point;
        self.go_on(out);
        Ok(())
    }

    /// The peer, or a session layer, reports that it cannot go on.
    pub(super) fn exception(&mut self, reason: Option<ExceptionReason>, out: &mut Vec<Outgoing>) {
        let outcome = match reason {
            None => Err(self.given_up(true, "refused by the session layer".to_owned())),
            // Nothing but the resumption can be meant: the peer has done nothing else.
            Some(reason) if self.is_resuming() => {
                if reason == ExceptionReason::USER_SEQUENCE_ERROR && self.from.ended {
                    Ok(())
                } else {
                    Err(NotTransferred {
                        in_doubt: self.from.ended,
                        not_resumed: true,
                        ..self.given_up(true, format!("not resumed by the peer: {reason}"))
                    })
                }
            }
            Some(reason) => {
                let transient = reason != ExceptionReason::UNRECOVERABLE_PROCEDURAL_ERROR;
                Err(NotTransferred {
                    // A peer that refuses has not taken what was sent to it whole.
                    in_doubt: false,
                    ..self.given_up(transient, format!("refused by the peer: {reason}"))
                })
            }
        };
        self.discard(ExceptionReason::NON_SPECIFIC, outcome, out);
    }

    /// The user cannot go on.
    pub(super) fn stop(&mut self, out: &mut Vec<Outgoing>) {
        let not = self.given_up(true, "given up on this side".to_owned());
        self.discard(ExceptionReason::LOCAL_USER_ERROR, Err(not), out);
    }

    /// The user does not go on now.
    pub(super) fn interrupt(&mut self, out: &mut Vec<Outgoing>) {
        if let Stage::Stopping(_) = self.stage {
            return;
        }
        let not = self.lost("interrupted on this side".to_owned());
        if not.resumption.is_none() {
            return self.discard(ExceptionReason::LOCAL_USER_ERROR, Err(not), out);
        }
        self.stopping(Err(not));
        out.push(Outgoing::session(session::Request::ActivityInterrupt {
            reason: Some(ExceptionReason::LOCAL_USER_ERROR),
            user_data: Bytes::new(),
        }));
    }

    /// The peer says that it had the APDU before the activity could be discarded.
    pub(super) fn completed(&mut self) {
        let in_doubt = |stage: &Stage| matches!(stage, Stage::Stopping(Err(not)) if not.in_doubt);
        if self.is_ended() || in_doubt(&self.stage) {
            self.stopping(Ok(()));
        }
    }

    /// Whether the peer has not shown yet that it goes on with an activity that was resumed.
    fn is_resuming(&self) -> bool {
        self.from.point > 0 && self.confirmed == self.from.point
    }

    /// Whether the activity was ended, and the peer may have the APDU.
    fn is_ended(&self) -> bool {
        matches!(self.stage, Stage::Ending) || self.is_resuming() && self.from.ended
    }

    /// A transfer that ends now, and not to be resumed.
    fn given_up(&self, transient: bool, explanation: String) -> NotTransferred {
        NotTransferred {
            transient,
            in_doubt: self.is_ended(),
            resumption: None,
            not_resumed: false,
            explanation,
        }
    }

    /// From where it could be resumed if it broke off now: the last point confirmed.
    pub(super) fn resumption(&self) -> Option<Box<Resumption>> {
        let since = u64::from(self.confirmed - self.from.point) * self.segment as u64;
        let resumption = || Resumption {
            activity: self.from.activity.clone(),
            point: self.confirmed,
            octets: self.from.octets + since,
            ended: self.is_ended(),
        };
        (self.confirmed > 0).then(|| Box::new(resumption()))
    }

    /// A transfer that ends now, to be resumed if a point was confirmed.
    fn lost(&self, explanation: String) -> NotTransferred {
        NotTransferred {
            resumption: self.resumption(),
            ..self.given_up(true, explanation)
        }
    }

    /// Discards the activity.
    fn discard(
        &mut self,
        reason: ExceptionReason,
        outcome: Result<(), NotTransferred>,
        out: &mut Vec<Outgoing>,
    ) {
        if let Stage::Stopping(_) = self.stage {
            return;
        }
        self.stopping(outcome);
        out.push(Outgoing::session(session::Request::ActivityDiscard {
            reason: Some(reason),
            user_data: Bytes::new(),
        }));
    }

    /// The transfer has ended like this; the activity is yet to.
    fn stopping(&mut self, outcome: Result<(), NotTransferred>) {
        self.stage = Stage::Stopping(outcome);
        self.waiting.clear();
        self.length = 0;
    }

    /// What RT-TRANSFER confirm says when the association is gone.
    pub(super) fn broken(self, explanation: String) -> Result<(), NotTransferred> {
        match self.stage {
            Stage::Stopping(outcome) => outcome,
            Stage::Sending | Stage::Ending => Err(self.lost(explanation)),
        }
    }

    /// What RT-TRANSFER confirm says, now that the activity is over.
    pub(super) fn outcome(self) -> Result<(), NotTransferred> {
        match self.stage {
            Stage::Stopping(outcome) => outcome,
            Stage::Sending | Stage::Ending => Ok(()),
        }
    }
}

/// How an activity is called on a connection: by the one it was started on, if that is another
/// (X.225 section 8.3.20).
fn linking(activity: &Activity, here: &ConnectionIdentifier) -> LinkingInformation {
    let there = Some(&activity.connection).filter(|there| *there != here);
    let stated = |part: &Bytes| Some(part.clone()).filter(|part| !part.is_empty());
    LinkingInformation {
        called_ss_user_reference: None,
        calling_ss_user_reference: there.map(|there| there.ss_user_reference.clone()),
        common_reference: there.map(|there| there.common_reference.clone()),
        additional_reference: there.and_then(|there| stated(&there.additional_reference)),
        activity_identifier: activity.identifier.clone(),
    }
}
