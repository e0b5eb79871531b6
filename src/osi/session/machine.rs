//! The session protocol machine: its variables, its timers, what it lets pass (X.225 sections 5 to 7, annex A).

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use super::super::spdu::{
    self, CONNECT_USER_DATA, ConnectionIdentifier, FunctionalUnits, LONG_USER_DATA,
    SHORT_USER_DATA, Serial, Spdu, Tokens, TransportDisconnect, Versions,
};
use super::super::transport::{self, DisconnectReason};
use super::table::{self, Condition, Event, State};
use super::{Config, Connect, Indication, Misuse, Outgoing, ProviderAbort, Request};

/// What handling an SPDU gives; the error is what the peer did wrong.
pub(super) type Handled = Result<Vec<Outgoing>, String>;

/// One session connection at a time, at either end of it.
#[derive(Debug)]
pub struct Session {
    pub(super) config: Config,
    pub(super) state: State,
    /// Whether this end opened the transport connection; it then is the one to open sessions on it.
    pub(super) initiator: bool,
    pub(super) deadline: Option<(Instant, Duration)>,
    pub(super) connection: Connection,
}

/// The variables of a connection (X.225 section 5.8).
#[derive(Debug)]
pub(super) struct Connection {
    /// As initiator: what the user asked.
    pub(super) asked: Option<Box<Connect>>,
    /// As responder: what the peer asked.
    pub(super) called: Option<Box<spdu::Connect>>,
    /// The selectors of the transport connection.
    pub(super) transport: (Bytes, Bytes),
    pub(super) version: Versions,
    pub(super) units: FunctionalUnits,
    /// The tokens held here.
    pub(super) tokens: Tokens,
    /// Vact.
    pub(super) activity: bool,
    /// V(M), which may be one beyond the last serial number.
    pub(super) next: u32,
    /// V(A).
    pub(super) unconfirmed: u32,
    /// Vsc.
    pub(super) may_confirm: bool,
    /// The TSDU size SSDUs are segmented to.
    pub(super) tsdu_limit: Option<u16>,
    /// An SSDU of which segments came.
    pub(super) ssdu: Option<BytesMut>,
    /// Vcoll: both ends asked to release, this one's DISCONNECT is owed.
    pub(super) collision: bool,
    /// The peer, or as asker this end, wants the transport connection kept after the release.
    pub(super) keep: bool,
}

impl Connection {
    pub(super) fn new() -> Self {
        Self {
            asked: None,
            called: None,
            transport: (Bytes::new(), Bytes::new()),
            version: Versions::V1,
            units: FunctionalUnits(0),
            tokens: Tokens::NONE,
            activity: false,
            next: 1,
            unconfirmed: 1,
            may_confirm: false,
            tsdu_limit: None,
            ssdu: None,
            collision: false,
            keep: false,
        }
    }
}

impl Session {
    /// A machine with no connection: the first event makes it initiator or responder.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config,
            state: State::Idle,
            initiator: false,
            deadline: None,
            connection: Connection::new(),
        }
    }

    /// A request or response of the user. After the connection is gone requests are void.
    ///
    /// # Errors
    /// The service does not allow it now; nothing changed.
    pub fn request(&mut self, request: Request, now: Instant) -> Result<Vec<Outgoing>, Misuse> {
        if matches!(self.state, State::Closed | State::AwaitTransportDisconnect) {
            return Ok(Vec::new());
        }
        self.may_request(Event::of_request(&request))?;
        self.check_lengths(&request)?;
        self.do_request(request, now)
    }

    fn do_request(&mut self, request: Request, now: Instant) -> Result<Vec<Outgoing>, Misuse> {
        match request {
            Request::Connect(connect) => self.request_connect(connect, now),
            Request::Accept(accept) => self.respond_accept(*accept, now),
            Request::Refuse(refuse) => Ok(self.respond_refuse(refuse, now)),
            Request::Release(user_data) => Ok(self.request_release(user_data, now)),
            Request::ReleaseAck(user_data) => Ok(self.respond_release(user_data, now)),
            Request::Abort(user_data) => Ok(self.request_abort(user_data, now)),
            other => self.request_transfer(other),
        }
    }

    /// What the transport layer tells.
    #[must_use]
    pub fn indication(&mut self, indication: transport::Indication, now: Instant) -> Vec<Outgoing> {
        match (self.state, indication) {
            (State::Closed, _) => Vec::new(),
            (State::AwaitTransportDisconnect, transport::Indication::Disconnect(_)) => {
                self.close();
                Vec::new()
            }
            (_, transport::Indication::Disconnect(why)) => {
                self.close();
                vec![Outgoing::Indication(Indication::ProviderAbort(why.into()))]
            }
            (State::Idle, transport::Indication::Connect { called, calling }) => {
                self.connection.transport = (called, calling);
                self.wait(State::IdleConnected, self.config.connect_timeout, now);
                vec![Outgoing::Transport(transport::Request::Accept)]
            }
            (State::AwaitTransportConfirm, transport::Indication::Confirm { .. }) => {
                self.send_connect()
            }
            // Nothing comes where there is no transport connection.
            (State::Idle | State::AwaitTransportConfirm, _) => Vec::new(),
            (_, transport::Indication::Data(tsdu)) => self.tsdu(&tsdu, now),
            _ => Vec::new(),
        }
    }

    /// When [`Session::tick`] wants to be called, if nothing happens before.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline.map(|(at, _)| at)
    }

    /// Time has passed.
    #[must_use]
    pub fn tick(&mut self, now: Instant) -> Vec<Outgoing> {
        let Some((_, waited)) = self.deadline.filter(|(at, _)| *at <= now) else {
            return Vec::new();
        };
        let state = self.state;
        let told = Outgoing::Indication(Indication::ProviderAbort(ProviderAbort::Timeout(waited)));
        match state {
            State::AwaitTransportDisconnect => vec![self.disconnect(DisconnectReason::NORMAL)],
            State::AwaitTransportConfirm | State::IdleConnected => {
                vec![self.disconnect(DisconnectReason::NORMAL), told]
            }
            _ => vec![
                self.abort(
                    TransportDisconnect::NO_REASON,
                    Bytes::new(),
                    Bytes::new(),
                    now,
                ),
                told,
            ],
        }
    }

    /// The state of the machine.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Whether all tokens are on their way to the peer, which has not confirmed that it has them.
    #[must_use]
    pub fn is_giving(&self) -> bool {
        self.state == State::AwaitGiveTokensAck
    }

    /// The tokens held here.
    #[must_use]
    pub fn tokens(&self) -> Tokens {
        self.connection.tokens
    }

    /// The functional units in use.
    #[must_use]
    pub fn functional_units(&self) -> FunctionalUnits {
        self.connection.units
    }

    /// The version in use.
    #[must_use]
    pub fn version(&self) -> Versions {
        self.connection.version
    }

    /// Whether an activity is in progress.
    #[must_use]
    pub fn in_activity(&self) -> bool {
        self.connection.activity
    }

    /// The number the next synchronization point will get, V(M); `None` after the largest.
    #[must_use]
    pub fn next_serial(&self) -> Option<Serial> {
        Serial::new(self.connection.next)
    }

    // ---- one TSDU

    fn tsdu(&mut self, tsdu: &Bytes, now: Instant) -> Vec<Outgoing> {
        let decoded = spdu::decode(tsdu);
        if self.state == State::AwaitTransportDisconnect {
            // The session connection is over; only its end matters still.
            return match decoded.as_deref() {
                Ok([Spdu::Abort { .. } | Spdu::AbortAccept | Spdu::Connect(_)]) => {
                    vec![self.disconnect(DisconnectReason::NORMAL)]
                }
                _ => Vec::new(),
            };
        }
        let spdus = match decoded {
            Ok(spdus) => spdus,
            Err(error) => return self.protocol_error(error.to_string(), tsdu, now),
        };
        let mut out = Vec::new();
        // The one of category 2 first: tokens given together with data are given after them (section 6.3.7).
        for spdu in spdus.into_iter().rev() {
            let name = spdu.name();
            match self.spdu(spdu, now) {
                Ok(outgoing) => out.extend(outgoing),
                Err(fault) => {
                    out.extend(self.protocol_error(format!("{name} SPDU: {fault}"), tsdu, now))
                }
            }
            if matches!(self.state, State::Closed | State::AwaitTransportDisconnect) {
                break;
            }
        }
        out
    }

    fn spdu(&mut self, spdu: Spdu, now: Instant) -> Handled {
        // One of category 0 before one of category 2 says nothing, whether it names no tokens or none.
        if let Spdu::GiveTokens { tokens, user_data } | Spdu::PleaseTokens { tokens, user_data } =
            &spdu
            && (tokens.is_none() || *tokens == Some(Tokens::NONE) && user_data.is_empty())
        {
            return Ok(Vec::new());
        }
        let taken = self.may_come(&spdu)?;
        self.check_values(&spdu)?;
        if !taken {
            self.discard(&spdu);
            return Ok(Vec::new());
        }
        match spdu {
            Spdu::Connect(connect) => self.connect_came(connect, now),
            Spdu::Accept(accept) => self.accept_came(*accept),
            Spdu::Refuse(refuse) => Ok(self.refuse_came(*refuse)),
            Spdu::Finish {
                transport_disconnect,
                user_data,
            } => Ok(self.finish_came(transport_disconnect, user_data)),
            Spdu::Disconnect(user_data) => self.disconnect_came(user_data, now),
            Spdu::Abort {
                transport_disconnect,
                reflect,
                user_data,
            } => Ok(self.abort_came(transport_disconnect, reflect, user_data)),
            other => self.transfer_came(other),
        }
    }

    // ---- the table

    /// Whether a condition holds of this end (`here`) or of the peer.
    fn holds(&self, condition: Condition, here: bool) -> bool {
        let exist = self.connection.units.tokens();
        let held = if here {
            self.connection.tokens
        } else {
            exist.without(self.connection.tokens)
        };
        match condition {
            Condition::Unit(units) => self.connection.units.contains(units),
            Condition::Holds(tokens) => held.contains(tokens.and(exist)),
            Condition::HoldsAll => held == exist,
            Condition::LacksData => exist.contains(Tokens::DATA) && !held.contains(Tokens::DATA),
            Condition::InActivity => self.connection.activity,
            Condition::NotInActivity => !self.connection.activity,
            Condition::InActivityIfManaged => {
                self.connection.activity
                    || !self
                        .connection
                        .units
                        .contains(FunctionalUnits::ACTIVITY_MANAGEMENT)
            }
        }
    }

    fn may_request(&self, event: Event) -> Result<(), Misuse> {
        let Some(row) = table::row(event) else {
            return Ok(());
        };
        if !row.request.contains(&self.state) {
            return Err(Misuse::State {
                request: row.primitive,
                state: self.state.name(),
            });
        }
        match row
            .conditions
            .iter()
            .chain(row.asking)
            .find(|condition| !self.holds(**condition, true))
        {
            Some(&condition) => Err(Misuse::Condition {
                request: row.primitive,
                condition,
            }),
            None => Ok(()),
        }
    }

    /// Whether an SPDU is to be acted upon (`true`) or is void (`false`).
    fn may_come(&self, spdu: &Spdu) -> Result<bool, String> {
        let Some(row) = table::row(Event::of_spdu(spdu)) else {
            return Ok(true);
        };
        let taken = row.spdu.contains(&self.state);
        if !taken && !row.discarded.contains(&self.state) {
            return Err(format!("not expected in {}", self.state.name()));
        }
        match row
            .conditions
            .iter()
            .find(|condition| !self.holds(**condition, false))
        {
            None => Ok(taken),
            Some(condition) => Err(format!("does not hold: {condition}")),
        }
    }

    /// Checks the lengths of parameters against what the version in use allows (section 8.3).
    fn check_lengths(&self, request: &Request) -> Result<(), Misuse> {
        let name = table::row(Event::of_request(request)).map_or("", |row| row.primitive);
        let check = |parameter, length: usize, limit| match length > limit {
            true => Err(Misuse::TooLong {
                request: name,
                parameter,
                length,
                limit,
            }),
            false => Ok(()),
        };
        let version_2 = self.connection.version == Versions::V2;
        let (limit, only_2) = if version_2 {
            (LONG_USER_DATA, LONG_USER_DATA)
        } else {
            (SHORT_USER_DATA, 0)
        };
        let reference = |identifier: &Option<ConnectionIdentifier>| match identifier {
            Some(id) => check("SS-user reference", id.ss_user_reference.len(), 64)
                .and(check("common reference", id.common_reference.len(), 64))
                .and(check(
                    "additional reference information",
                    id.additional_reference.len(),
                    4,
                )),
            None => Ok(()),
        };
        match request {
            Request::Connect(connect) => {
                reference(&connect.identifier)?;
                check("calling selector", connect.calling.selector.len(), 16)?;
                check("called selector", connect.called.selector.len(), 16)?;
                let limit = if self.config.versions.contains(Versions::V2) {
                    CONNECT_USER_DATA
                } else {
                    SHORT_USER_DATA
                };
                check("user data", connect.user_data.len(), limit)
            }
            Request::Accept(accept) => {
                reference(&accept.identifier)?;
                check("responding selector", accept.responding.len(), 16)?;
                check("user data", accept.user_data.len(), limit)
            }
            Request::Refuse(refuse) => {
                reference(&refuse.identifier)?;
                let data = if let spdu::RefuseReason::User(data) = &refuse.reason {
                    data.len()
                } else {
                    0
                };
                check("user data", data, limit)
            }
            Request::ActivityStart {
                identifier,
                user_data,
            } => {
                check("activity identifier", identifier.len(), 6)?;
                check("user data", user_data.len(), limit)
            }
            Request::ActivityResume(resume) => {
                let long = |reference: &Option<Bytes>| reference.as_ref().map_or(0, Bytes::len);
                check("activity identifier", resume.identifier.len(), 6)?;
                check(
                    "old activity identifier",
                    resume.old.activity_identifier.len(),
                    6,
                )?;
                check(
                    "called SS-user reference",
                    long(&resume.old.called_ss_user_reference),
                    64,
                )?;
                check(
                    "calling SS-user reference",
                    long(&resume.old.calling_ss_user_reference),
                    64,
                )?;
                check("common reference", long(&resume.old.common_reference), 64)?;
                check(
                    "additional reference information",
                    long(&resume.old.additional_reference),
                    4,
                )?;
                check("user data", resume.user_data.len(), limit)
            }
            Request::ActivityInterrupt { user_data, .. }
            | Request::ActivityDiscard { user_data, .. }
            | Request::ActivityInterruptAck(user_data)
            | Request::ActivityDiscardAck(user_data) => check("user data", user_data.len(), only_2),
            Request::TokenPlease { user_data, .. }
            | Request::MinorSync { user_data, .. }
            | Request::MinorSyncAck { user_data, .. }
            | Request::UserException { user_data, .. }
            | Request::ActivityEnd(user_data)
            | Request::ActivityEndAck(user_data)
            | Request::Release(user_data)
            | Request::ReleaseAck(user_data) => check("user data", user_data.len(), limit),
            Request::Data(_) | Request::TokenGive(_) | Request::ControlGive | Request::Abort(_) => {
                Ok(())
            }
        }
    }

    // ---- small steps

    /// One SPDU on its way down, with one of category 0 before it where it is of category 2.
    pub(super) fn send(spdu: Spdu) -> Outgoing {
        // Either of the two would do; deployed systems put PLEASE TOKENS before what who holds no token sends.
        let give = Spdu::GiveTokens {
            tokens: None,
            user_data: Bytes::new(),
        };
        let please = Spdu::PleaseTokens {
            tokens: None,
            user_data: Bytes::new(),
        };
        let tsdu = match &spdu {
            Spdu::MinorSyncAck { .. }
            | Spdu::ActivityEndAck { .. }
            | Spdu::ActivityInterruptAck(_)
            | Spdu::ActivityDiscardAck(_)
            | Spdu::ExceptionReport(_)
            | Spdu::ExceptionData { .. } => spdu::encode(&[please, spdu]),
            Spdu::DataTransfer { .. }
            | Spdu::MinorSyncPoint { .. }
            | Spdu::ActivityStart { .. }
            | Spdu::ActivityResume(_)
            | Spdu::ActivityInterrupt { .. }
            | Spdu::ActivityDiscard { .. }
            | Spdu::ActivityEnd { .. } => spdu::encode(&[give, spdu]),
            _ => spdu::encode(&[spdu]),
        };
        Outgoing::Transport(transport::Request::Data(tsdu))
    }

    /// Enters a state that lasts so long at most.
    pub(super) fn wait(&mut self, state: State, at_most: Duration, now: Instant) {
        self.state = state;
        self.deadline = now.checked_add(at_most).map(|at| (at, at_most));
    }

    /// Enters a state without a time limit of this layer.
    pub(super) fn enter(&mut self, state: State) {
        self.state = state;
        self.deadline = None;
    }

    pub(super) fn close(&mut self) {
        self.enter(State::Closed);
        self.connection = Connection::new();
    }

    /// Ends the transport connection.
    pub(super) fn disconnect(&mut self, reason: DisconnectReason) -> Outgoing {
        self.close();
        Outgoing::Transport(transport::Request::Disconnect(reason))
    }

    /// Sends ABORT and waits for the peer to end the transport connection.
    pub(super) fn abort(
        &mut self,
        cause: TransportDisconnect,
        reflect: Bytes,
        user_data: Bytes,
        now: Instant,
    ) -> Outgoing {
        self.connection = Connection::new();
        self.wait(
            State::AwaitTransportDisconnect,
            self.config.abort_timeout,
            now,
        );
        Self::send(Spdu::Abort {
            transport_disconnect: TransportDisconnect::RELEASE.or(cause),
            reflect,
            user_data,
        })
    }

    /// The peer broke the protocol: it is told, and so is the user (section 7.9 and annex A.4).
    fn protocol_error(&mut self, fault: String, tsdu: &Bytes, now: Instant) -> Vec<Outgoing> {
        let told = Outgoing::Indication(Indication::ProviderAbort(ProviderAbort::Protocol(fault)));
        if self.state == State::IdleConnected {
            return vec![self.disconnect(DisconnectReason::NORMAL), told];
        }
        let reflect = tsdu.slice(..tsdu.len().min(9));
        vec![
            self.abort(
                TransportDisconnect::PROTOCOL_ERROR,
                reflect,
                Bytes::new(),
                now,
            ),
            told,
        ]
    }
}
