//! The sending side of a transfer: segments, points and the window (X.228 clauses 7.3 and 7.4).

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::machine::Agreed;
use super::{Indication, NotTransferred, Outgoing, apdu};
use crate::osi::presentation::{self, Mode, Pdv};
use crate::osi::session;
use crate::osi::spdu::ExceptionReason;

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
    stage: Stage,
}

/// Where a transfer stands.
#[derive(Debug)]
enum Stage {
    /// Segments are being sent.
    Sending,
    /// The activity has ended; the peer's confirmation is awaited.
    Ending,
    /// The activity is being discarded, because of this.
    Discarding(NotTransferred),
}

impl Sending {
    /// RT-TRANSFER request: starts the activity and asks for octets.
    pub(super) fn start(
        agreed: &Agreed,
        max_unsegmented: usize,
        number: u32,
        out: &mut Vec<Outgoing>,
    ) -> Self {
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
            set: 0,
            confirmed: 0,
            stage: Stage::Sending,
        };
        out.push(Outgoing::session(session::Request::ActivityStart {
            identifier: apdu::activity_identifier(number),
            user_data: Bytes::new(),
        }));
        sending.go_on(out);
        sending
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
                    let not = self.not_transferred(false, explanation);
                    return self.discard(ExceptionReason::LOCAL_USER_ERROR, not, out);
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
        let transient = reason != Some(ExceptionReason::UNRECOVERABLE_PROCEDURAL_ERROR);
        let explanation = match reason {
            Some(reason) => format!("refused by the peer: {reason}"),
            None => "refused by the session layer".to_owned(),
        };
        let mut not = self.not_transferred(transient, explanation);
        // A peer that refuses has not taken what was sent to it whole.
        not.in_doubt &= reason.is_none();
        self.discard(ExceptionReason::NON_SPECIFIC, not, out);
    }

    /// The user cannot go on.
    pub(super) fn stop(&mut self, out: &mut Vec<Outgoing>) {
        let explanation = "given up on this side".to_owned();
        let not = self.not_transferred(true, explanation);
        self.discard(ExceptionReason::LOCAL_USER_ERROR, not, out);
    }

    /// What RT-TRANSFER confirm is to say if the transfer ends now.
    pub(super) fn not_transferred(&self, transient: bool, explanation: String) -> NotTransferred {
        NotTransferred {
            transient,
            in_doubt: match &self.stage {
                Stage::Sending => false,
                Stage::Ending => true,
                Stage::Discarding(not) => not.in_doubt,
            },
            explanation,
        }
    }

    /// Discards the activity.
    fn discard(
        &mut self,
        reason: ExceptionReason,
        not_transferred: NotTransferred,
        out: &mut Vec<Outgoing>,
    ) {
        if matches!(self.stage, Stage::Discarding(_)) {
            return;
        }
        self.stage = Stage::Discarding(not_transferred);
        self.waiting.clear();
        self.length = 0;
        out.push(Outgoing::session(session::Request::ActivityDiscard {
            reason: Some(reason),
            user_data: Bytes::new(),
        }));
    }

    /// What RT-TRANSFER confirm says, now that the activity is over.
    pub(super) fn outcome(self) -> Result<(), NotTransferred> {
        match self.stage {
            Stage::Discarding(not_transferred) => Err(not_transferred),
            Stage::Sending | Stage::Ending => Ok(()),
        }
    }
}
