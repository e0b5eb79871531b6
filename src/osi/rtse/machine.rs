//! The reliable transfer protocol machine: associations, turns and aborts (X.228 clause 7).

use bytes::Bytes;

use super::apdu::{self, Apdu};
use super::receiving::{Receiving, Withdrawal, linked};
use super::sending::Sending;
use super::{
    Activity, Below, Config, Dialogue, Indication, Misuse, Outgoing, Refused, Request, Waiting,
};
use crate::asn1::rtse::AbortReason;
use crate::osi::presentation::{self, Pdv};
use crate::osi::spdu::{ConnectionIdentifier, ExceptionReason, Tokens};
use crate::osi::{acse, session};

/// One association at either end of it.
#[derive(Debug)]
pub struct Rtse {
    pub(super) config: Config,
    pub(super) phase: Phase,
    pub(super) agreed: Agreed,
    /// Whether the turn is here.
    pub(super) turn: bool,
    /// Whether we have asked for the turn, and it has not come.
    asked: bool,
    sending: Option<Sending>,
    receiving: Option<Receiving>,
    /// How many activities were started here.
    activities: u32,
}

/// Where the life of an association stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing has happened.
    Idle,
    /// RT-OPEN was requested; what was proposed.
    Opening {
        checkpoint_size: u8,
        window_size: u8,
    },
    /// RT-OPEN was indicated; what the peer proposed.
    Answering {
        checkpoint_size: u8,
        window_size: u8,
    },
    /// The association is open.
    Open,
    /// RT-CLOSE was requested.
    Closing,
    /// RT-CLOSE was indicated.
    Closed,
    /// The association is gone.
    Gone,
}

/// What the two ends agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Agreed {
    /// What the session connection is called.
    pub connection: ConnectionIdentifier,
    /// The mode of the layers below.
    pub mode: presentation::Mode,
    /// The most octets between two points; `None`: no points.
    pub segment: Option<usize>,
    /// The most points without confirmation.
    pub window: u32,
    /// Whether the turn can change hands.
    pub dialogue: Dialogue,
    /// The presentation context of RTSE APDUs.
    pub rtse_context: u32,
    /// The presentation context of the user's APDUs.
    pub user_context: u32,
}

impl Rtse {
    /// A machine without an association: the first event makes it initiator or responder.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let agreed = Agreed {
            connection: ConnectionIdentifier::default(),
            mode: presentation::Mode::Normal,
            segment: None,
            window: 1,
            dialogue: Dialogue::Monologue,
            rtse_context: super::RTSE_CONTEXT,
            user_context: super::USER_CONTEXT,
        };
        Self {
            config,
            phase: Phase::Idle,
            agreed,
            turn: false,
            asked: false,
            sending: None,
            receiving: None,
            activities: 0,
        }
    }

    /// Whether the turn is here.
    #[must_use]
    pub fn has_turn(&self) -> bool {
        self.turn
    }

    /// The presentation context of the user's APDUs; X.410 mode has none.
    #[must_use]
    pub fn user_context(&self) -> Option<u32> {
        (self.agreed.mode == presentation::Mode::Normal).then_some(self.agreed.user_context)
    }

    /// Whether a transfer is under way, in either direction.
    #[must_use]
    pub fn is_transferring(&self) -> bool {
        self.sending.is_some() || self.receiving.is_some()
    }

    /// Whether an APDU is being received, or is there to be answered for. What is told may be behind
    /// this: a peer can give up what the user still hears of.
    #[must_use]
    pub fn is_receiving(&self) -> bool {
        self.receiving.is_some()
    }

    /// From where what is being sent could be resumed if it broke off now.
    #[must_use]
    pub fn resumption(&self) -> Option<Box<super::Resumption>> {
        self.sending.as_ref()?.resumption()
    }

    /// Whose move it is.
    #[must_use]
    pub fn waiting(&self) -> Waiting {
        match (&self.phase, &self.sending, &self.receiving) {
            // The layers below have timers of their own while an association is opened.
            (Phase::Opening { .. } | Phase::Answering { .. }, ..) => Waiting::ForNobody,
            (Phase::Idle | Phase::Closed | Phase::Gone, ..) => Waiting::ForNobody,
            (Phase::Closing, ..) => Waiting::ForPeer,
            (Phase::Open, Some(sending), _) if sending.is_pulling() => Waiting::ForNobody,
            (Phase::Open, _, Some(receiving)) if receiving.is_owed() => Waiting::ForNobody,
            (Phase::Open, None, None) if !self.asked => Waiting::ForWork,
            (Phase::Open, ..) => Waiting::ForPeer,
        }
    }

    /// The peer has let too much time pass: aborts, and tells the user.
    #[must_use]
    pub fn time_out(&mut self, explanation: String) -> Vec<Outgoing> {
        let mut out = Vec::new();
        if self.phase != Phase::Gone {
            let opening = matches!(self.phase, Phase::Opening { .. });
            self.give_up(AbortReason::TEMPORARYPROBLEM, &explanation, &mut out);
            out.push(Outgoing::Indication(broken(opening, explanation)));
        }
        out
    }

    /// The association cannot go on for a reason on this side: tells the user.
    #[must_use]
    pub fn fail(&mut self, explanation: String) -> Vec<Outgoing> {
        let mut out = Vec::new();
        if self.phase != Phase::Gone {
            let opening = matches!(self.phase, Phase::Opening { .. });
            self.gone(&explanation, &mut out);
            out.push(Outgoing::Indication(broken(opening, explanation)));
        }
        out
    }

    /// A request or response of the user. After the association is gone requests are void.
    ///
    /// # Errors
    /// The service does not allow it now; nothing changed.
    pub fn request(&mut self, request: Request) -> Result<Vec<Outgoing>, Misuse> {
        let misuse = |request, condition| Err(Misuse { request, condition });
        let mut out = Vec::new();
        if self.phase == Phase::Gone {
            return Ok(out);
        }
        let idle_turn = self.phase == Phase::Open && self.turn && self.sending.is_none();
        match request {
            Request::Open(open) => {
                if self.phase != Phase::Idle {
                    return misuse("RT-OPEN request", "there is an association already");
                }
                self.open(*open, &mut out);
            }
            Request::OpenResponse(response) => {
                let Phase::Answering {
                    checkpoint_size,
                    window_size,
                } = self.phase
                else {
                    return misuse("RT-OPEN response", "no RT-OPEN was indicated");
                };
                self.answer(response, checkpoint_size, window_size, &mut out);
            }
            request @ (Request::Transfer | Request::Resume(_)) => {
                if !idle_turn {
                    return misuse("RT-TRANSFER request", "the turn is not here, or in use");
                }
                let resumption = match request {
                    Request::Resume(resumption) => Some(*resumption),
                    _ => None,
                };
                let limit = self.config.max_unsegmented;
                let (agreed, number) = (&self.agreed, self.activities + 1);
                let sending = Sending::start(agreed, limit, number, resumption, &mut out);
                if sending.is_none() {
                    return misuse("RT-TRANSFER request", "there is no such point");
                }
                self.activities = number;
                self.sending = sending;
            }
            Request::Octets { octets, last } => match &mut self.sending {
                Some(sending) => sending.octets(octets, last, &mut out),
                None => return misuse("octets", "no transfer is under way"),
            },
            Request::TransferStop => match &mut self.sending {
                Some(sending) => sending.stop(&mut out),
                None => return misuse("stop", "no transfer is under way"),
            },
            Request::TransferInterrupt => match &mut self.sending {
                Some(sending) => sending.interrupt(&mut out),
                None => return misuse("interrupt", "no transfer is under way"),
            },
            Request::Secured { point } => match &mut self.receiving {
                Some(receiving) => receiving.secured(point, &mut out)?,
                None => return misuse("secured", "no transfer is under way"),
            },
            Request::TransferResponse => {
                let complete = self.receiving.take_if(|receiving| receiving.is_complete());
                let Some(receiving) = complete else {
                    return misuse("RT-TRANSFER response", "no RT-TRANSFER was indicated");
                };
                match receiving.withdrawn() {
                    None => out.push(Outgoing::session(session::Request::ActivityEndAck(
                        Bytes::new(),
                    ))),
                    // When the peer resumes it, it will hear that this is done.
                    Some(Withdrawal::Interrupt) => out.push(Withdrawal::Interrupt.response()),
                    Some(Withdrawal::Discard) => {
                        let explanation = "the transfer discarded was completed";
                        self.give_up(AbortReason::TRANSFERCOMPLETED, explanation, &mut out);
                        let explanation = explanation.to_owned();
                        out.push(Outgoing::Indication(Indication::PAbort { explanation }));
                    }
                }
            }
            Request::TransferRefuse(reason) => match &mut self.receiving {
                None => return misuse("refuse", "no transfer is under way"),
                Some(receiving) => match receiving.withdrawn() {
                    None => receiving.refuse(reason, &mut out),
                    Some(how) => {
                        self.receiving = None;
                        out.push(how.response());
                    }
                },
            },
            Request::TurnPlease { priority } => {
                if self.phase != Phase::Open || self.turn {
                    return misuse("RT-TURN-PLEASE request", "the turn is here, or nowhere");
                }
                let refused = self.receiving.as_ref().is_some_and(Receiving::is_refused);
                if refused || self.is_withdrawn() {
                    return misuse("RT-TURN-PLEASE request", "an activity is being ended");
                }
                self.asked = true;
                out.push(Outgoing::Presentation(presentation::Request::TokenPlease {
                    tokens: Tokens::DATA,
                    user_data: vec![self.pdv(apdu::rttp(priority))],
                }));
            }
            Request::TurnGive => {
                if !idle_turn {
                    return misuse("RT-TURN-GIVE request", "the turn is not here, or in use");
                }
                if self.agreed.dialogue == Dialogue::Monologue {
                    return misuse("RT-TURN-GIVE request", "a monologue was agreed on");
                }
                self.turn = false;
                out.push(Outgoing::session(session::Request::ControlGive));
            }
            Request::Close => {
                if !idle_turn {
                    return misuse("RT-CLOSE request", "the turn is not here, or in use");
                }
                self.phase = Phase::Closing;
                out.push(Outgoing::Acse(acse::Request::Release));
            }
            Request::CloseResponse => {
                if self.phase != Phase::Closed {
                    return misuse("RT-CLOSE response", "no RT-CLOSE was indicated");
                }
                self.phase = Phase::Gone;
                out.push(Outgoing::Acse(acse::Request::ReleaseAck));
            }
            Request::Abort { explanation } => {
                self.give_up(AbortReason::USERERROR, &explanation, &mut out);
            }
        }
        Ok(out)
    }

    /// What a layer below tells.
    #[must_use]
    pub fn indication(&mut self, below: Below) -> Vec<Outgoing> {
        let mut out = Vec::new();
        if self.phase == Phase::Gone {
            return out;
        }
        let opening = matches!(self.phase, Phase::Opening { .. });
        let handled = match below {
            below if !self.in_place(&below) => {
                Err(format!("out of place in state {}: {below:?}", self.state()))
            }
            Below::Acse(indication) => self.acse_indication(indication, &mut out),
            Below::Presentation(indication) => self.presentation_indication(indication, &mut out),
        };
        if let Err(fault) = handled {
            let explanation = format!("RTSE protocol error of the peer: {fault}");
            self.give_up(AbortReason::PROTOCOLERROR, &explanation, &mut out);
            out.push(Outgoing::Indication(broken(opening, explanation)));
        }
        out
    }

    /// The state of the association and of its transfer: `+` where the next move is ours, or was.
    #[must_use]
    pub fn state(&self) -> &'static str {
        match (&self.phase, &self.sending, &self.receiving) {
            (Phase::Idle, ..) => "idle",
            (Phase::Opening { .. }, ..) => "opening+",
            (Phase::Answering { .. }, ..) => "opening-",
            (Phase::Open, Some(sending), _) => sending.state(),
            (Phase::Open, None, Some(receiving)) => receiving.state(),
            (Phase::Open, None, None) if self.turn => "open+",
            (Phase::Open, None, None) => "open-",
            (Phase::Closing, ..) => "closing+",
            (Phase::Closed, ..) => "closing-",
            (Phase::Gone, ..) => "gone",
        }
    }

    /// Whether what a layer below tells can come in this phase of the association.
    fn in_place(&self, below: &Below) -> bool {
        use acse::Indication as Acse;
        match below {
            Below::Acse(Acse::Abort(_) | Acse::ProviderAbort(_)) => true,
            Below::Acse(Acse::Associate(_)) => self.phase == Phase::Idle,
            Below::Acse(Acse::Accepted(_) | Acse::Refused(_)) => {
                matches!(self.phase, Phase::Opening { .. })
            }
            Below::Acse(Acse::Release) => self.is_idle() && !self.turn,
            Below::Acse(Acse::Released) => self.phase == Phase::Closing,
            Below::Presentation(presentation::Indication::TokenPlease { .. }) => {
                matches!(self.phase, Phase::Open | Phase::Closing)
            }
            Below::Presentation(_) => self.phase == Phase::Open,
        }
    }

    /// Whether the association is open, and no transfer under way.
    fn is_idle(&self) -> bool {
        self.phase == Phase::Open && !self.is_transferring()
    }

    /// An indication of the presentation layer; an error is the peer's fault.
    fn presentation_indication(
        &mut self,
        indication: presentation::Indication,
        out: &mut Vec<Outgoing>,
    ) -> Result<(), String> {
        match indication {
            presentation::Indication::Data(pdvs) => {
                let receiving = self.receiving.as_mut().ok_or("data outside an activity")?;
                for pdv in pdvs {
                    receiving.data(self.agreed.mode, pdv.value, out)?;
                }
            }
            // The turn was given, or the association is closed, while the peer asked.
            presentation::Indication::TokenPlease { .. }
                if !self.turn || self.phase != Phase::Open => {}
            presentation::Indication::TokenPlease { user_data, .. } => {
                let priority = match user_data.first().map(|pdv| apdu::read(&pdv.value)) {
                    Some(Ok(Apdu::TurnPlease { priority })) => priority,
                    Some(_) => u8::MAX,
                    None => 0,
                };
                out.push(Outgoing::Indication(Indication::TurnPlease { priority }));
            }
            presentation::Indication::Session(indication) => {
                self.session_indication(indication, out)?
            }
            other => return Err(format!("{other:?} is not for RTSE")),
        }
        Ok(())
    }

    /// An indication that passed from the session layer unchanged; an error is the peer's fault.
    fn session_indication(
        &mut self,
        indication: session::Indication,
        out: &mut Vec<Outgoing>,
    ) -> Result<(), String> {
        use session::Indication as Session;
        match indication {
            Session::ActivityStart { .. } | Session::ActivityResume(_) | Session::ControlGive
                if self.turn || self.receiving.is_some() =>
            {
                return Err(format!("{indication:?} in state {}", self.state()));
            }
            Session::ActivityInterrupt { .. } | Session::ActivityDiscard { .. }
                if self.turn || self.is_withdrawn() =>
            {
                return Err(format!("{indication:?} in state {}", self.state()));
            }
            Session::ActivityStart { identifier, .. } => {
                let activity = self.begin(0, identifier);
                out.push(Outgoing::Indication(Indication::TransferBegin { activity }));
            }
            Session::ActivityResume(resume) => {
                let point = resume.serial.get();
                let activity = self.begin(point, resume.identifier);
                let old = Box::new(linked(resume.old, &self.agreed.connection));
                out.push(Outgoing::Indication(Indication::TransferResume {
                    old,
                    activity,
                    point,
                }));
            }
            Session::MinorSync {
                serial, explicit, ..
            } => {
                let receiving = self
                    .receiving
                    .as_mut()
                    .ok_or("a point outside an activity")?;
                receiving.point(serial, explicit, out);
            }
            Session::ActivityEnd { .. } => {
                let receiving = self
                    .receiving
                    .as_mut()
                    .ok_or("an end outside an activity")?;
                receiving.end(out)?;
            }
            Session::ActivityInterrupt { reason, .. } => {
                self.withdrawn(Withdrawal::Interrupt, reason, out);
            }
            Session::ActivityDiscard { reason, .. } => {
                self.withdrawn(Withdrawal::Discard, reason, out);
            }
            Session::MinorSyncAck { serial, .. } => {
                let sending = self.sending.as_mut().ok_or("a confirmation of no point")?;
                sending.confirmed(serial.get(), out)?;
            }
            Session::UserException { reason, .. } => {
                let sending = self
                    .sending
                    .as_mut()
                    .ok_or("an exception outside an activity")?;
                sending.exception(Some(reason), out);
            }
            Session::ProviderException(_) => {
                let sending = self
                    .sending
                    .as_mut()
                    .ok_or("an exception of the session layer")?;
                sending.exception(None, out);
            }
            Session::ActivityEndAck { .. }
            | Session::ActivityInterruptAck(_)
            | Session::ActivityDiscardAck(_) => {
                let ended = matches!(indication, Session::ActivityEndAck { .. });
                let sending = self
                    .sending
                    .take_if(|sending| sending.awaits_confirmation(ended))
                    .ok_or("a confirmation of no transfer")?;
                out.push(Outgoing::Indication(Indication::TransferConfirm(
                    sending.outcome(),
                )));
            }
            Session::ControlGive => {
                self.turn = true;
                self.asked = false;
                out.push(Outgoing::Indication(Indication::TurnGive));
            }
            // RTSE gives tokens all together; a single one changes nothing.
            Session::TokenGive(_) => {}
            other => return Err(format!("{other:?} is not for RTSE")),
        }
        Ok(())
    }

    /// The peer starts an activity, or resumes it after a point.
    fn begin(&mut self, point: u32, identifier: Bytes) -> Activity {
        self.receiving = Some(Receiving::start(point));
        Activity {
            connection: self.agreed.connection.clone(),
            identifier,
        }
    }

    /// Whether the peer has ended the activity while the user is to answer for the APDU.
    fn is_withdrawn(&self) -> bool {
        let receiving = self.receiving.as_ref();
        receiving.is_some_and(|receiving| receiving.withdrawn().is_some())
    }

    /// The peer ends the activity without completing it.
    fn withdrawn(
        &mut self,
        how: Withdrawal,
        reason: Option<ExceptionReason>,
        out: &mut Vec<Outgoing>,
    ) {
        let why = reason.map_or_else(|| "no reason".to_owned(), |reason| reason.to_string());
        let receiving = self.receiving.as_mut();
        if !receiving.is_some_and(|receiving| receiving.withdraw(how)) {
            self.left(how, format!("the peer gave it up: {why}"), out);
            out.push(how.response());
        }
    }

    /// What is being received will not be completed here: tells a user who does not know.
    fn left(&mut self, how: Withdrawal, explanation: String, out: &mut Vec<Outgoing>) {
        let receiving = self.receiving.take();
        if receiving.is_some_and(|receiving| !receiving.is_refused()) {
            out.push(Outgoing::Indication(match how {
                Withdrawal::Interrupt => Indication::TransferInterrupted { explanation },
                Withdrawal::Discard => Indication::TransferDiscarded { explanation },
            }));
        }
    }

    /// The peer says that the transfer which is being discarded was completed.
    pub(super) fn completed(&mut self) {
        if let Some(sending) = &mut self.sending {
            sending.completed();
        }
    }

    /// The association is gone: tells the user what becomes of its transfers.
    pub(super) fn gone(&mut self, explanation: &str, out: &mut Vec<Outgoing>) {
        self.phase = Phase::Gone;
        if let Some(sending) = self.sending.take() {
            let outcome = sending.broken(explanation.to_owned());
            out.push(Outgoing::Indication(Indication::TransferConfirm(outcome)));
        }
        self.left(Withdrawal::Interrupt, explanation.to_owned(), out);
    }

    /// Aborts the association, telling the peer the reason.
    pub(super) fn give_up(
        &mut self,
        reason: AbortReason,
        explanation: &str,
        out: &mut Vec<Outgoing>,
    ) {
        let rtab = self.pdv(apdu::rtab(reason));
        out.push(Outgoing::Acse(acse::Request::Abort(vec![rtab])));
        self.gone(explanation, out);
    }

    /// An RTSE APDU in its presentation context.
    pub(super) fn pdv(&self, value: Bytes) -> Pdv {
        Pdv {
            context: self.agreed.rtse_context,
            value,
        }
    }
}

/// How the user hears of a broken association: as the answer to RT-OPEN, if it still awaits one.
pub(super) fn broken(opening: bool, explanation: String) -> Indication {
    if opening {
        let refused = Refused {
            transient: true,
            user_data: None,
            reason: None,
            aborted: None,
            explanation,
        };
        Indication::OpenConfirm(Err(refused))
    } else {
        Indication::PAbort { explanation }
    }
}
