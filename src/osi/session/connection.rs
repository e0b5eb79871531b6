//! How a session connection begins and ends (X.225 sections 7.1 to 7.10).

use std::time::Instant;

use bytes::Bytes;

use super::super::spdu::{
    self, ConnectAcceptItem, ConnectionIdentifier, FunctionalUnits, RefuseReason, SHORT_ABORT_DATA,
    Spdu, TokenSetting, TokenSide, Tokens, TransportDisconnect, Versions,
};
use super::super::transport::{self, DisconnectReason};
use super::machine::{Connection, Handled, Session};
use super::table::State;
use super::{Accept, Address, Connect, Indication, Misuse, Outgoing, ProviderAbort, Refuse};

impl Session {
    // ---- as initiator

    pub(super) fn request_connect(
        &mut self,
        connect: Box<Connect>,
        now: Instant,
    ) -> Result<Vec<Outgoing>, Misuse> {
        let units = connect.functional_units;
        if !self.config.functional_units.contains(units) || !has_mode(units) {
            return Err(Misuse::FunctionalUnits(units));
        }
        if self.state == State::IdleConnected && !self.initiator {
            return Err(Misuse::State {
                request: "S-CONNECT request",
                state: "of a responder",
            });
        }
        let transport = transport::Request::Connect {
            called: connect.called.transport_selector.clone(),
            calling: connect.calling.transport_selector.clone(),
        };
        self.connection.asked = Some(connect);
        if self.state == State::IdleConnected {
            self.wait(State::AwaitAccept, self.config.connect_timeout, now);
            return Ok(self.send_connect());
        }
        self.initiator = true;
        self.wait(
            State::AwaitTransportConfirm,
            self.config.connect_timeout,
            now,
        );
        Ok(vec![Outgoing::Transport(transport)])
    }

    pub(super) fn send_connect(&mut self) -> Vec<Outgoing> {
        // The deadline of the request stays: it is for the whole S-CONNECT.
        self.state = State::AwaitAccept;
        let Some(connect) = &self.connection.asked else {
            return Vec::new();
        };
        let units = connect.functional_units;
        let cn = spdu::Connect {
            identifier: connect.identifier.clone(),
            item: ConnectAcceptItem {
                protocol_options: Some(0),
                tsdu_maximum: self.config.tsdu_maximum,
                versions: Some(self.config.versions),
                initial_serial: connect
                    .initial_serial
                    .filter(|_| numbered_at_connect(units)),
                token_setting: (!units.tokens().is_empty()).then_some(connect.token_setting),
            },
            functional_units: Some(units),
            calling_selector: some(&connect.calling.selector),
            called_selector: some(&connect.called.selector),
            data_overflow: false,
            user_data: connect.user_data.clone(),
        };
        vec![Self::send(Spdu::Connect(Box::new(cn)))]
    }

    pub(super) fn accept_came(&mut self, accept: spdu::Accept) -> Handled {
        let Some(asked) = self.connection.asked.take() else {
            return Err("nothing was asked".into());
        };
        let version = accept.item.versions.unwrap_or(Versions::V1);
        if !matches!(version, Versions::V1 | Versions::V2)
            || !self.config.versions.contains(version)
        {
            return Err(format!("version {:#04x} was not proposed", version.0));
        }
        // What both ends require is used (X.215 section 12.1).
        let units = accept
            .functional_units
            .unwrap_or(FunctionalUnits::DEFAULT)
            .and(asked.functional_units);
        if !has_one_mode(units) {
            return Err(format!(
                "functional units {units:?} have not one of half-duplex and duplex"
            ));
        }
        let answered = accept.item.token_setting.unwrap_or_default();
        let setting =
            settle(asked.token_setting, answered, units).ok_or("reserved token setting")?;
        self.connection.version = version;
        self.connection.units = units;
        self.connection.tokens = held(setting, units, TokenSide::Initiator);
        self.connection.tsdu_limit = accept
            .item
            .tsdu_maximum
            .map(|(there, _)| there)
            .filter(|limit| *limit > 0);
        self.number_from(accept.item.initial_serial.or(asked.initial_serial), units);
        self.enter(State::DataTransfer);
        Ok(vec![Outgoing::Indication(Indication::Accepted {
            accept: Box::new(Accept {
                identifier: accept.identifier,
                responding: accept.called_selector.unwrap_or_default(),
                functional_units: units,
                initial_serial: accept.item.initial_serial,
                token_setting: setting,
                tokens_wanted: accept.tokens.unwrap_or_default(),
                user_data: accept.user_data,
            }),
            version,
        })])
    }

    pub(super) fn refuse_came(&mut self, refuse: spdu::Refuse) -> Vec<Outgoing> {
        let told = Refuse {
            identifier: refuse.identifier,
            reason: refuse.reason,
        };
        vec![
            self.disconnect(DisconnectReason::NORMAL),
            Outgoing::Indication(Indication::Refused(told)),
        ]
    }

    // ---- as responder

    pub(super) fn connect_came(&mut self, connect: Box<spdu::Connect>, now: Instant) -> Handled {
        if self.initiator {
            return Err("who opened the transport connection is to open the session".into());
        }
        let versions =
            Versions(connect.item.versions.unwrap_or(Versions::V1).0 & self.config.versions.0);
        let units = connect
            .functional_units
            .unwrap_or(FunctionalUnits::DEFAULT)
            .and(self.config.functional_units);
        let called = connect.called_selector.clone().unwrap_or_default();
        let setting = connect.item.token_setting.unwrap_or_default();
        if settle(setting, TokenSetting::INITIATOR, units).is_none() {
            return Err("reserved token setting".into());
        }
        let reason = if versions.0 == 0 {
            Some(RefuseReason::VersionNotSupported)
        } else if !self.config.selectors.is_empty() && !self.config.selectors.contains(&called) {
            Some(RefuseReason::SelectorUnknown)
        } else if connect.data_overflow || !has_mode(units) {
            Some(RefuseReason::ImplementationRestriction)
        } else {
            None
        };
        if let Some(reason) = reason {
            let told = Indication::ProviderAbort(ProviderAbort::Refused(reason.clone()));
            let sent = self.send_refuse(connect.identifier.clone(), reason, now);
            return Ok(vec![sent, Outgoing::Indication(told)]);
        }
        let version = if versions.contains(Versions::V2) {
            Versions::V2
        } else {
            Versions::V1
        };
        let (called_transport, calling_transport) = self.connection.transport.clone();
        let told = Connect {
            identifier: connect.identifier.clone(),
            calling: Address {
                transport_selector: calling_transport,
                selector: connect.calling_selector.clone().unwrap_or_default(),
            },
            called: Address {
                transport_selector: called_transport,
                selector: called,
            },
            functional_units: units,
            initial_serial: connect.item.initial_serial,
            token_setting: setting,
            user_data: connect.user_data.clone(),
        };
        self.connection.version = version;
        self.connection.units = units;
        self.connection.called = Some(connect);
        self.wait(
            State::AwaitConnectResponse,
            self.config.connect_timeout,
            now,
        );
        Ok(vec![Outgoing::Indication(Indication::Connect {
            connect: Box::new(told),
            version,
        })])
    }

    pub(super) fn respond_accept(
        &mut self,
        accept: Accept,
        _now: Instant,
    ) -> Result<Vec<Outgoing>, Misuse> {
        let units = accept.functional_units;
        let Some(connect) = self
            .connection
            .called
            .take_if(|_| self.connection.units.contains(units) && has_one_mode(units))
        else {
            return Err(Misuse::FunctionalUnits(units));
        };
        let asked = connect.item.token_setting.unwrap_or_default();
        let exist = units.tokens();
        let tsdu_maximum =
            self.config
                .tsdu_maximum
                .zip(connect.item.tsdu_maximum)
                .map(|(own, asked)| {
                    let smaller = |own: u16, asked: u16| {
                        if own == 0 || asked == 0 {
                            own.max(asked)
                        } else {
                            own.min(asked)
                        }
                    };
                    (smaller(own.0, asked.0), smaller(own.1, asked.1))
                });
        self.connection.units = units;
        // Reserved values were refused when the call came.
        let setting = settle(asked, accept.token_setting, units).unwrap_or_default();
        self.connection.tokens = held(setting, units, TokenSide::Responder);
        self.connection.tsdu_limit = tsdu_maximum
            .map(|(_, back)| back)
            .filter(|limit| *limit > 0);
        let initial_serial = accept
            .initial_serial
            .or(connect.item.initial_serial)
            .filter(|_| numbered_at_connect(units));
        self.number_from(initial_serial, units);
        self.enter(State::DataTransfer);
        let ac = spdu::Accept {
            identifier: accept.identifier,
            item: ConnectAcceptItem {
                protocol_options: Some(0),
                tsdu_maximum,
                versions: Some(self.connection.version),
                initial_serial,
                token_setting: (!exist.is_empty()).then_some(setting),
            },
            tokens: (!accept.tokens_wanted.is_empty()).then_some(accept.tokens_wanted),
            functional_units: Some(units),
            calling_selector: None,
            called_selector: some(&accept.responding),
            user_data: accept.user_data,
        };
        Ok(vec![Self::send(Spdu::Accept(Box::new(ac)))])
    }

    pub(super) fn respond_refuse(&mut self, refuse: Refuse, now: Instant) -> Vec<Outgoing> {
        vec![self.send_refuse(refuse.identifier, refuse.reason, now)]
    }

    fn send_refuse(
        &mut self,
        identifier: Option<ConnectionIdentifier>,
        reason: RefuseReason,
        now: Instant,
    ) -> Outgoing {
        let versions =
            matches!(reason, RefuseReason::VersionNotSupported).then_some(self.config.versions);
        let user = matches!(
            reason,
            RefuseReason::User(_) | RefuseReason::UserUnspecified | RefuseReason::UserCongestion
        );
        let functional_units = user.then_some(self.connection.units);
        self.connection = Connection::new();
        self.wait(
            State::AwaitTransportDisconnect,
            self.config.abort_timeout,
            now,
        );
        Self::send(Spdu::Refuse(Box::new(spdu::Refuse {
            identifier,
            transport_disconnect: Some(TransportDisconnect::RELEASE),
            functional_units,
            versions,
            reason,
        })))
    }

    // ---- release

    pub(super) fn request_release(&mut self, user_data: Bytes, now: Instant) -> Vec<Outgoing> {
        // Only who owns the transport connection may want to keep it (section 6.2).
        self.connection.keep = self.config.keep_transport && self.initiator;
        let bits = if self.connection.keep {
            TransportDisconnect(0)
        } else {
            TransportDisconnect::RELEASE
        };
        self.wait(State::AwaitDisconnect, self.config.release_timeout, now);
        vec![Self::send(Spdu::Finish {
            transport_disconnect: Some(bits),
            user_data,
        })]
    }

    pub(super) fn finish_came(
        &mut self,
        bits: Option<TransportDisconnect>,
        user_data: Bytes,
    ) -> Vec<Outgoing> {
        if self.state == State::AwaitDisconnect {
            self.connection.collision = true;
        } else {
            self.connection.keep = bits
                .is_some_and(|bits| !bits.contains(TransportDisconnect::RELEASE))
                && !self.initiator;
        }
        self.enter(State::AwaitReleaseResponse);
        vec![Outgoing::Indication(Indication::Release(user_data))]
    }

    pub(super) fn respond_release(&mut self, user_data: Bytes, now: Instant) -> Vec<Outgoing> {
        let sent = Self::send(Spdu::Disconnect(user_data));
        if self.connection.collision {
            // The peer's DISCONNECT for the release asked here is still to come.
            self.connection.collision = false;
            self.wait(State::AwaitDisconnect, self.config.release_timeout, now);
        } else if self.connection.keep {
            self.idle_again(now);
        } else {
            self.connection = Connection::new();
            self.wait(
                State::AwaitTransportDisconnect,
                self.config.abort_timeout,
                now,
            );
        }
        vec![sent]
    }

    pub(super) fn disconnect_came(&mut self, user_data: Bytes, now: Instant) -> Handled {
        let told = Outgoing::Indication(Indication::Released(user_data));
        if self.state == State::AwaitReleaseResponse {
            if !self.connection.collision {
                return Err("no release was asked".into());
            }
            // The peer was quicker to answer; this user's answer is owed still, and ends it all.
            self.connection.collision = false;
            return Ok(vec![told]);
        }
        if self.connection.keep {
            self.idle_again(now);
            return Ok(vec![told]);
        }
        Ok(vec![self.disconnect(DisconnectReason::NORMAL), told])
    }

    /// The session connection is over, the transport connection waits for the next one.
    fn idle_again(&mut self, now: Instant) {
        let transport = self.connection.transport.clone();
        self.connection = Connection {
            transport,
            ..Connection::new()
        };
        self.wait(State::IdleConnected, self.config.connect_timeout, now);
    }

    // ---- abort

    pub(super) fn request_abort(&mut self, user_data: Bytes, now: Instant) -> Vec<Outgoing> {
        if matches!(
            self.state,
            State::AwaitTransportConfirm | State::IdleConnected
        ) {
            return vec![self.disconnect(DisconnectReason::NORMAL)];
        }
        // While the version is not settled the peer may have 2, if it was proposed.
        let version_2 = match self.state {
            State::AwaitAccept => self.config.versions.contains(Versions::V2),
            _ => self.connection.version == Versions::V2,
        };
        let limit = if version_2 {
            spdu::LONG_USER_DATA
        } else {
            SHORT_ABORT_DATA
        };
        // An abort must not fail: data that are too long are left out.
        let user_data = if user_data.len() > limit {
            Bytes::new()
        } else {
            user_data
        };
        vec![self.abort(
            TransportDisconnect::USER_ABORT,
            Bytes::new(),
            user_data,
            now,
        )]
    }

    pub(super) fn abort_came(
        &mut self,
        bits: TransportDisconnect,
        reflect: Bytes,
        user_data: Bytes,
    ) -> Vec<Outgoing> {
        let told = if bits.contains(TransportDisconnect::USER_ABORT) {
            Indication::Abort(user_data)
        } else if bits.contains(TransportDisconnect::PROTOCOL_ERROR) {
            Indication::ProviderAbort(ProviderAbort::ReportedByPeer(reflect))
        } else {
            Indication::ProviderAbort(ProviderAbort::ByPeer(bits.0))
        };
        // Whether or not the peer would keep the transport connection: this end will not.
        vec![
            self.disconnect(DisconnectReason::NORMAL),
            Outgoing::Indication(told),
        ]
    }

    /// Sets the numbers of synchronization points at the start (section 5.8).
    fn number_from(&mut self, serial: Option<spdu::Serial>, units: FunctionalUnits) {
        let first = serial
            .filter(|_| numbered_at_connect(units))
            .map_or(1, spdu::Serial::get);
        self.connection.next = first;
        self.connection.unconfirmed = first;
        self.connection.may_confirm = false;
    }
}

/// Whether half-duplex or duplex is there.
fn has_mode(units: FunctionalUnits) -> bool {
    units.contains(FunctionalUnits::HALF_DUPLEX) || units.contains(FunctionalUnits::DUPLEX)
}

/// Whether exactly one of half-duplex and duplex is there.
fn has_one_mode(units: FunctionalUnits) -> bool {
    units.contains(FunctionalUnits::HALF_DUPLEX) != units.contains(FunctionalUnits::DUPLEX)
}

/// Whether serial numbers begin with the connection, not with an activity.
fn numbered_at_connect(units: FunctionalUnits) -> bool {
    units.contains(FunctionalUnits::MINOR_SYNCHRONIZE)
        && !units.contains(FunctionalUnits::ACTIVITY_MANAGEMENT)
}

const TOKENS: [Tokens; 4] = [
    Tokens::DATA,
    Tokens::MINOR,
    Tokens::MAJOR_ACTIVITY,
    Tokens::RELEASE,
];

/// Where the tokens of these units are at first: where the initiator said, or where it left the
/// choice, where the responder says; `None` for a reserved value.
fn settle(
    asked: TokenSetting,
    answered: TokenSetting,
    units: FunctionalUnits,
) -> Option<TokenSetting> {
    let mut settled = TokenSetting::INITIATOR;
    for token in TOKENS
        .into_iter()
        .filter(|token| units.tokens().contains(*token))
    {
        let side = match asked.side(token)? {
            TokenSide::AcceptorChooses => answered.side(token)?,
            side => side,
        };
        // Two bits a token, of which the lower one is the token's own bit in a token item.
        if side == TokenSide::Responder {
            settled.0 |= token.0;
        }
    }
    Some(settled)
}

/// The tokens a side holds at first.
fn held(setting: TokenSetting, units: FunctionalUnits, side: TokenSide) -> Tokens {
    let there = TOKENS
        .into_iter()
        .filter(|token| units.tokens().contains(*token) && setting.side(*token) == Some(side));
    there.fold(Tokens::NONE, Tokens::or)
}

fn some(selector: &Bytes) -> Option<Bytes> {
    (!selector.is_empty()).then(|| selector.clone())
}
