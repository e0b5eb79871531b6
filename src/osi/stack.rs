//! All layers under P1 as one machine: octets in, octets out, and the primitives of RTSE; no I/O.
//!
//! ```text
//!        Request ↓          ↑ Indication
//!     rtse      ┌───────────┴──┐
//!     acse      │ opens, closes│
//!     presentation ─ session ─ transport
//!        Octets ↓          ↑ Network
//! ```
//!
//! One [`Stack`] serves one TCP connection, as initiator if its first event is
//! [`rtse::Request::Open`], else as responder. Time is an argument: call [`Stack::tick`] when
//! [`Stack::deadline`] has come.

use std::time::{Duration, Instant};

use bytes::Bytes;

mod pace;

use super::presentation::Misuse;
use super::{acse, presentation, rtse, session, spdu, transport};
use pace::Pace;

pub use transport::Network;

/// What an end is willing to do, layer by layer.
#[derive(Debug, Clone)]
pub struct Config {
    /// The transport layer.
    pub transport: transport::Config,
    /// The session layer.
    pub session: session::Config,
    /// The presentation layer.
    pub presentation: presentation::Config,
    /// Association control.
    pub acse: acse::Config,
    /// Reliable transfer.
    pub rtse: rtse::Config,
    /// How long the peer may take over its next step of a transfer: 4096 octets, a point, an answer.
    pub transfer_timeout: Duration,
    /// How long an association may stand without a transfer before it is aborted; `None`: for ever.
    pub idle_timeout: Option<Duration>,
    /// How many octets a second the peer must send of each transfer, after the first
    /// `transfer_timeout`; 0: as few as it likes.
    pub min_rate: u64,
}

impl Config {
    /// The usual configuration for associations on which these contexts are spoken.
    #[must_use]
    pub fn new(contexts: rtse::Contexts) -> Self {
        Self {
            transport: transport::Config::default(),
            session: session::Config::default(),
            presentation: presentation::Config {
                abstract_syntaxes: vec![
                    acse::ABSTRACT_SYNTAX,
                    contexts.rtse.clone(),
                    contexts.user.clone(),
                ],
                selectors: Vec::new(),
            },
            acse: acse::Config {
                application_contexts: vec![contexts.application_context.clone()],
            },
            rtse: rtse::Config {
                contexts,
                max_unsegmented: 64 << 20,
            },
            transfer_timeout: Duration::from_secs(120),
            idle_timeout: None,
            min_rate: 0,
        }
    }
}

/// What the machine wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outgoing {
    /// Tell the RTSE user.
    Indication(rtse::Indication),
    /// Write these octets, in one go.
    Octets(Bytes),
    /// Close the network connection once everything before is written.
    Close,
}

/// What ended an association, as the lowest layer that knows says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The transport connection was refused or lost.
    Transport(transport::Disconnect),
    /// The peer's session layer refused (X.225 section 8.3.5).
    Session(spdu::RefuseReason),
    /// A session layer gave up.
    SessionAbort(session::ProviderAbort),
    /// The peer's presentation layer refused (X.226 section 6.2.5.9).
    Presentation(presentation::ProviderReason),
    /// The peer's presentation layer does not take the contexts proposed.
    Contexts,
    /// A presentation layer gave up.
    PresentationAbort(presentation::ProviderAbort),
    /// The peer's association control, or its user, refused (X.227 section 7.1).
    Association(acse::AssociateSourceDiagnostic),
    /// The peer's user refused or gave up, and association control does not know why.
    Unexplained,
}

/// Octets that are a step, whatever they say: whoever sends fewer makes no progress.
const STEP: usize = 4096;

/// All layers of one connection.
#[derive(Debug)]
pub struct Stack {
    transport: transport::Transport,
    session: session::Session,
    presentation: presentation::Presentation,
    acse: acse::Acse,
    rtse: rtse::Rtse,
    transfer_timeout: Duration,
    idle_timeout: Option<Duration>,
    /// When the last step was done.
    last: Instant,
    /// Octets that came since.
    came: usize,
    pace: Pace,
    cause: Option<Cause>,
}

impl Stack {
    /// A machine on a TCP connection opened at `now`.
    #[must_use]
    pub fn new(config: Config, now: Instant) -> Self {
        Self {
            transport: transport::Transport::new(config.transport, now),
            session: session::Session::new(config.session),
            presentation: presentation::Presentation::new(config.presentation),
            acse: acse::Acse::new(config.acse),
            rtse: rtse::Rtse::new(config.rtse),
            transfer_timeout: config.transfer_timeout,
            idle_timeout: config.idle_timeout,
            last: now,
            cause: None,
            came: 0,
            pace: Pace::new(config.transfer_timeout, config.min_rate, now),
        }
    }

    /// What ended the association, if it was neither its user here nor there.
    #[must_use]
    pub fn cause(&self) -> Option<&Cause> {
        self.cause.as_ref()
    }

    /// How long the association may stand without a transfer from now on; `None`: for ever.
    pub fn set_idle_timeout(&mut self, idle_timeout: Option<Duration>) {
        self.idle_timeout = idle_timeout;
    }

    /// How long the peer may take over its next step of a transfer from now on.
    pub fn set_transfer_timeout(&mut self, transfer_timeout: Duration) {
        self.transfer_timeout = transfer_timeout;
        self.pace.set_grace(transfer_timeout);
    }

    /// A request or response of the user. After the association is gone requests are void.
    ///
    /// # Errors
    /// The service does not allow it now; nothing changed.
    pub fn request(
        &mut self,
        request: rtse::Request,
        now: Instant,
    ) -> Result<Vec<Outgoing>, Misuse> {
        // RTSE does not hear when they have arrived (X.225 section A.2, STA 18).
        let is_please = matches!(request, rtse::Request::TurnPlease { .. });
        if is_please && self.session.is_giving() {
            return Err(Misuse {
                request: "RT-TURN-PLEASE request",
                condition: "the turn is on its way to the peer",
            });
        }
        if self.rtse.waiting() == rtse::Waiting::ForNobody {
            self.pace.waited(now.saturating_duration_since(self.last));
        }
        self.last = now;
        match request {
            rtse::Request::OpenResponse(_)
            | rtse::Request::Octets { .. }
            | rtse::Request::TransferResponse => self.pace.purpose(),
            rtse::Request::TransferRefuse(_) => self.pace.refused(now),
            _ => {}
        }
        let mut out = Vec::new();
        let events = self.rtse.request(request)?;
        self.rtse_out(events, now, &mut out);
        Ok(out)
    }

    /// What the network tells.
    #[must_use]
    pub fn network(&mut self, event: Network, now: Instant) -> Vec<Outgoing> {
        let mut out = Vec::new();
        let octets = match &event {
            Network::Octets(octets) => octets.len(),
            Network::Closed => 0,
        };
        self.came += octets;
        let was_idle = self.rtse.waiting() == rtse::Waiting::ForWork;
        let events = self.transport.network(event, now);
        let is_tsdu = |event: &&_| matches!(event, transport::Outgoing::Indication(_));
        let tsdus = events.iter().filter(is_tsdu).count();
        self.transport_out(events, now, &mut out);
        self.pace.came(octets, tsdus, &out, now);
        // What leaves an association idle does not prolong its stay.
        if was_idle && self.rtse.waiting() == rtse::Waiting::ForWork {
            self.came = 0;
        } else if self.came >= STEP || tsdus > 0 && self.is_step(&out) {
            self.last = now;
            self.came = 0;
        }
        if let Some(flood) = self.pace.flood() {
            let events = self.rtse.time_out(flood);
            self.rtse_out(events, now, &mut out);
        }
        out
    }

    /// Whether it is a step of the peer's that whole TSDUs came, to which this is the answer. A few
    /// octets of an APDU are none, nor is what is of no effect.
    fn is_step(&self, out: &[Outgoing]) -> bool {
        let is_data =
            |event: &Outgoing| matches!(event, Outgoing::Indication(rtse::Indication::Octets(_)));
        !self.rtse.is_receiving() || !out.iter().all(is_data)
    }

    /// When [`Stack::tick`] wants to be called, if nothing happens before.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let own = self.patience().map(|patience| self.last + patience);
        let whole = self.pace.deadline().filter(|_| self.is_served());
        [
            self.transport.deadline(),
            self.session.deadline(),
            own,
            whole,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Time has passed.
    #[must_use]
    pub fn tick(&mut self, now: Instant) -> Vec<Outgoing> {
        let mut out = Vec::new();
        let silence = self
            .patience()
            .filter(|patience| now >= self.last + *patience);
        let late = match silence {
            Some(patience) => Some(format!("nothing from the peer within {patience:?}")),
            None => self.pace.delay(now).filter(|_| self.is_served()),
        };
        if let Some(explanation) = late {
            self.last = now;
            let events = self.rtse.time_out(explanation);
            self.rtse_out(events, now, &mut out);
        }
        let events = self.transport.tick(now);
        self.transport_out(events, now, &mut out);
        let events = self.session.tick(now);
        self.session_out(events, now, &mut out);
        out
    }

    /// Reliable transfer, to look at.
    #[must_use]
    pub fn rtse(&self) -> &rtse::Rtse {
        &self.rtse
    }

    /// How long the peer may stay silent now.
    fn patience(&self) -> Option<Duration> {
        match self.rtse.waiting() {
            rtse::Waiting::ForNobody => None,
            rtse::Waiting::ForPeer => Some(self.transfer_timeout),
            rtse::Waiting::ForWork => self.idle_timeout,
        }
    }

    /// Whether a transfer is being received, and the next of it is for the peer to send.
    fn is_served(&self) -> bool {
        self.rtse.is_receiving() && self.rtse.waiting() == rtse::Waiting::ForPeer
    }

    fn transport_out(
        &mut self,
        events: Vec<transport::Outgoing>,
        now: Instant,
        out: &mut Vec<Outgoing>,
    ) {
        for event in events {
            match event {
                transport::Outgoing::Octets(octets) => out.push(Outgoing::Octets(octets)),
                transport::Outgoing::Close => out.push(Outgoing::Close),
                transport::Outgoing::Indication(indication) => {
                    let events = self.session.indication(indication, now);
                    self.session_out(events, now, out);
                }
            }
        }
    }

    fn session_out(
        &mut self,
        events: Vec<session::Outgoing>,
        now: Instant,
        out: &mut Vec<Outgoing>,
    ) {
        for event in events {
            match event {
                session::Outgoing::Transport(request) => {
                    let events = self.transport.request(request, now);
                    self.transport_out(events, now, out);
                }
                session::Outgoing::Indication(indication) => {
                    let cause = match &indication {
                        session::Indication::Refused(refuse) => match &refuse.reason {
                            spdu::RefuseReason::User(_) => None,
                            reason => Some(Cause::Session(reason.clone())),
                        },
                        session::Indication::ProviderAbort(abort) => Some(match abort {
                            session::ProviderAbort::Transport(why) => Cause::Transport(why.clone()),
                            abort => Cause::SessionAbort(abort.clone()),
                        }),
                        _ => None,
                    };
                    self.cause = self.cause.take().or(cause);
                    let events = self.presentation.indication(indication);
                    self.presentation_out(events, now, out);
                }
            }
        }
    }

    fn presentation_out(
        &mut self,
        events: Vec<presentation::Outgoing>,
        now: Instant,
        out: &mut Vec<Outgoing>,
    ) {
        for event in events {
            match event {
                presentation::Outgoing::Session(request) => {
                    match self.session.request(request, now) {
                        Ok(events) => self.session_out(events, now, out),
                        Err(misuse) => self.fail(&misuse.to_string(), now, out),
                    }
                }
                presentation::Outgoing::Indication(
                    indication @ (presentation::Indication::Data(_)
                    | presentation::Indication::TokenPlease { .. }
                    | presentation::Indication::Session(_)),
                ) => {
                    let events = self.rtse.indication(rtse::Below::Presentation(indication));
                    self.rtse_out(events, now, out);
                }
                presentation::Outgoing::Indication(indication) => {
                    let cause = match &indication {
                        presentation::Indication::Refused(presentation::Refused::Provider(why)) => {
                            Some(Cause::Presentation(*why))
                        }
                        presentation::Indication::Refused(presentation::Refused::Contexts(_)) => {
                            Some(Cause::Contexts)
                        }
                        presentation::Indication::Refused(presentation::Refused::Session(why)) => {
                            let abort = presentation::ProviderAbort::Protocol(why.clone());
                            Some(Cause::PresentationAbort(abort))
                        }
                        presentation::Indication::ProviderAbort(abort) => {
                            Some(Cause::PresentationAbort(abort.clone()))
                        }
                        _ => None,
                    };
                    self.cause = self.cause.take().or(cause);
                    let events = self.acse.indication(indication);
                    self.acse_out(events, now, out);
                }
            }
        }
    }

    fn acse_out(&mut self, events: Vec<acse::Outgoing>, now: Instant, out: &mut Vec<Outgoing>) {
        for event in events {
            match event {
                acse::Outgoing::Presentation(request) => self.presentation(request, now, out),
                acse::Outgoing::Indication(indication) => {
                    let cause = match &indication {
                        acse::Indication::Refused(refused) => Some(match &refused.diagnostic {
                            Some(diagnostic) => Cause::Association(diagnostic.clone()),
                            None => Cause::Unexplained,
                        }),
                        acse::Indication::Abort(_) => Some(Cause::Unexplained),
                        _ => None,
                    };
                    self.cause = self.cause.take().or(cause);
                    let events = self.rtse.indication(rtse::Below::Acse(indication));
                    self.rtse_out(events, now, out);
                }
            }
        }
    }

    fn rtse_out(&mut self, events: Vec<rtse::Outgoing>, now: Instant, out: &mut Vec<Outgoing>) {
        for event in events {
            match event {
                rtse::Outgoing::Indication(indication) => {
                    out.push(Outgoing::Indication(indication))
                }
                rtse::Outgoing::Presentation(request) => self.presentation(request, now, out),
                rtse::Outgoing::Acse(request) => match self.acse.request(request) {
                    Ok(events) => self.acse_out(events, now, out),
                    Err(misuse) => self.fail(&misuse.to_string(), now, out),
                },
            }
        }
    }

    fn presentation(
        &mut self,
        request: presentation::Request,
        now: Instant,
        out: &mut Vec<Outgoing>,
    ) {
        match self.presentation.request(request) {
            Ok(events) => self.presentation_out(events, now, out),
            Err(misuse) => self.fail(&misuse.to_string(), now, out),
        }
    }

    /// A layer asked the one below for what it does not allow: the fault is here, and costs the
    /// connection.
    fn fail(&mut self, fault: &str, now: Instant, out: &mut Vec<Outgoing>) {
        let explanation = format!("internal error: {fault}");
        for event in self.rtse.fail(explanation) {
            if let rtse::Outgoing::Indication(indication) = event {
                out.push(Outgoing::Indication(indication));
            }
        }
        if let Ok(events) = self
            .session
            .request(session::Request::Abort(Bytes::new()), now)
        {
            self.session_out(events, now, out);
        }
    }
}

#[cfg(test)]
mod tests;
