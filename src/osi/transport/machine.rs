//! The transport protocol machine of class 0 (X.224 sections 6 and 8, RFC 1006 section 5).

use std::time::Instant;

use bytes::{Bytes, BytesMut};

use super::super::tpkt;
use super::tpdu::{self, Connect, DATA_HEADER, DisconnectReason, Tpdu, TpduSize};
use super::{Config, Disconnect, Indication, Network, Outgoing, Request};

/// The longest packet taken before the connection is open: a CR TPDU has at most 128 octets
/// (X.224 section 13.3), and there is room for user data.
const OPENING_LIMIT: usize = 512;
/// How many TPDUs of a TSDU may be without data.
const EMPTY: usize = 64;

/// The states of X.224 annex A that class 0 has, on a network connection that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing was said.
    Idle,
    /// CR sent, waiting for CC.
    WaitConfirm,
    /// T-CONNECT indicated, waiting for the response.
    WaitResponse,
    Open,
    /// The network connection is gone.
    Closed,
}

impl State {
    /// What X.224 calls it.
    const fn name(self) -> &'static str {
        match self {
            Self::Idle => "CLOSED",
            Self::WaitConfirm => "WFCC",
            Self::WaitResponse => "WFTRESP",
            Self::Open => "OPEN",
            Self::Closed => "gone",
        }
    }
}

/// One transport connection, at either end of it.
#[derive(Debug)]
pub struct Transport {
    config: Config,
    state: State,
    reader: tpkt::Reader,
    deadline: Option<Instant>,
    peer_reference: u16,
    tpdu_size: TpduSize,
    tsdu: BytesMut,
    /// How many TPDUs it came in.
    pieces: usize,
}

impl Transport {
    /// A machine on a TCP connection opened at `now`: the first event makes it initiator or responder.
    #[must_use]
    pub fn new(config: Config, now: Instant) -> Self {
        Self {
            state: State::Idle,
            reader: tpkt::Reader::new(OPENING_LIMIT),
            deadline: Some(now + config.connect_timeout),
            peer_reference: 0,
            tpdu_size: config.tpdu_size,
            tsdu: BytesMut::new(),
            pieces: 0,
            config,
        }
    }

    /// A request or response of the user; void in a state that does not allow it.
    #[must_use]
    pub fn request(&mut self, request: Request, now: Instant) -> Vec<Outgoing> {
        match (self.state, request) {
            (State::Idle, Request::Connect { called, calling }) => {
                self.state = State::WaitConfirm;
                self.deadline = Some(now + self.config.connect_timeout);
                self.reader.set_limit(tpkt::LONGEST);
                let some = |selector: Bytes| (!selector.is_empty()).then_some(selector);
                vec![packet(&Tpdu::ConnectionRequest(Connect {
                    destination_reference: 0,
                    source_reference: self.config.reference,
                    class: 0,
                    alternative_classes: Vec::new(),
                    calling: some(calling),
                    called: some(called),
                    tpdu_size: self.config.tpdu_size,
                }))]
            }
            (State::WaitResponse, Request::Accept) => {
                self.open();
                vec![packet(&Tpdu::ConnectionConfirm(Connect {
                    destination_reference: self.peer_reference,
                    source_reference: self.config.reference,
                    class: 0,
                    alternative_classes: Vec::new(),
                    calling: None,
                    called: None,
                    tpdu_size: self.tpdu_size,
                }))]
            }
            (State::WaitResponse, Request::Disconnect(reason)) => self.refuse(reason),
            (State::Open, Request::Data(tsdu)) => vec![Outgoing::Octets(self.segment(&tsdu))],
            // Release is implicit in class 0: the network connection ends (section 6.7.2).
            (State::Idle | State::WaitConfirm | State::Open, Request::Disconnect(_)) => {
                self.close();
                vec![Outgoing::Close]
            }
            _ => Vec::new(),
        }
    }

    /// What the network tells.
    #[must_use]
    pub fn network(&mut self, event: Network, now: Instant) -> Vec<Outgoing> {
        match event {
            _ if self.state == State::Closed => Vec::new(),
            Network::Closed => self.end(Disconnect::Closed, None),
            Network::Octets(octets) => {
                self.reader.feed(&octets);
                let mut out = Vec::new();
                while self.state != State::Closed {
                    match self.reader.next_tpdu() {
                        Ok(Some(tpdu)) => out.extend(self.tpdu(tpdu, now)),
                        Ok(None) => break,
                        // Octets that are no packet get no TPDU in answer: who sent them speaks another protocol.
                        Err(error) => out.extend(self.end(error.into(), None)),
                    }
                }
                out
            }
        }
    }

    /// When [`Transport::tick`] wants to be called, if nothing happens before.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Time has passed.
    #[must_use]
    pub fn tick(&mut self, now: Instant) -> Vec<Outgoing> {
        match self.deadline {
            Some(deadline) if deadline <= now => {
                self.end(Disconnect::Timeout(self.config.connect_timeout), None)
            }
            _ => Vec::new(),
        }
    }

    /// The state, named as X.224 does; `gone` when the network connection is.
    #[must_use]
    pub fn state(&self) -> &'static str {
        self.state.name()
    }

    /// The TPDU size in use once the connection is open.
    #[must_use]
    pub fn tpdu_size(&self) -> TpduSize {
        self.tpdu_size
    }

    fn tpdu(&mut self, octets: Bytes, now: Instant) -> Vec<Outgoing> {
        let tpdu = match Tpdu::decode(octets.clone()) {
            Ok(tpdu) => tpdu,
            Err(error) => return self.reject(error.to_string(), error.reject_cause(), &octets),
        };
        match (self.state, tpdu) {
            (State::Idle, Tpdu::ConnectionRequest(connect)) => {
                self.connection_request(connect, now)
            }
            (State::WaitConfirm, Tpdu::ConnectionConfirm(connect)) => {
                if connect.destination_reference != self.config.reference {
                    return self.reject("CC for another reference".into(), 0, &octets);
                }
                if connect.class != 0 {
                    return self.reject(format!("CC selects class {}", connect.class), 3, &octets);
                }
                self.peer_reference = connect.source_reference;
                self.tpdu_size = self.config.tpdu_size.min(connect.tpdu_size);
                self.open();
                vec![Outgoing::Indication(Indication::Confirm {
                    responding: connect.called.unwrap_or_default(),
                })]
            }
            (State::Open, Tpdu::Data { end_of_tsdu, data }) => {
                if self.tsdu.len() + data.len() > self.config.max_tsdu {
                    let fault = format!("a TSDU of more than {} octets", self.config.max_tsdu);
                    return self.end(Disconnect::Protocol(fault), None);
                }
                if !end_of_tsdu {
                    self.tsdu.extend_from_slice(&data);
                    self.pieces += 1;
                    // X.224 does not forbid those without data, but they go on for ever.
                    if self.pieces > self.tsdu.len() + EMPTY {
                        let fault = "a TSDU in more TPDUs than it has octets".to_owned();
                        return self.end(Disconnect::Protocol(fault), None);
                    }
                    return Vec::new();
                }
                self.pieces = 0;
                let tsdu = if self.tsdu.is_empty() {
                    data
                } else {
                    self.tsdu.extend_from_slice(&data);
                    self.tsdu.split().freeze()
                };
                vec![Outgoing::Indication(Indication::Data(tsdu))]
            }
            // Section 6.7.2 knows DR only as a refusal; deployed systems send it before they close, too.
            (
                _,
                Tpdu::DisconnectRequest {
                    reason, additional, ..
                },
            ) => self.end(Disconnect::Peer { reason, additional }, None),
            (_, Tpdu::Error { cause, invalid, .. }) => {
                self.end(Disconnect::Rejected { cause, invalid }, None)
            }
            (state, _) => {
                let fault = format!("TPDU not expected in state {}", state.name());
                self.reject(fault, 2, &octets)
            }
        }
    }

    fn connection_request(&mut self, connect: Connect, now: Instant) -> Vec<Outgoing> {
        self.peer_reference = connect.source_reference;
        if !connect.allows_class_0() {
            let fault = Disconnect::Protocol(format!(
                "class {} without class 0 as alternative",
                connect.class
            ));
            let refusal = self.disconnect_request(DisconnectReason::NEGOTIATION_FAILED);
            return self.end(fault, Some(refusal));
        }
        if let Some(reason) = self.config.refuse {
            let refusal = self.disconnect_request(reason);
            return self.end(Disconnect::Refused(reason), Some(refusal));
        }
        let called = connect.called.unwrap_or_default();
        if !self.config.selectors.is_empty() && !self.config.selectors.contains(&called) {
            let refusal = self.disconnect_request(DisconnectReason::ADDRESS_UNKNOWN);
            return self.end(Disconnect::UnknownSelector(called), Some(refusal));
        }
        self.tpdu_size = self.config.tpdu_size.min(connect.tpdu_size);
        self.state = State::WaitResponse;
        self.deadline = Some(now + self.config.connect_timeout);
        vec![Outgoing::Indication(Indication::Connect {
            called,
            calling: connect.calling.unwrap_or_default(),
        })]
    }

    fn open(&mut self) {
        self.state = State::Open;
        self.deadline = None;
        self.reader.set_limit(tpkt::LONGEST);
    }

    fn close(&mut self) {
        self.state = State::Closed;
        self.deadline = None;
        self.tsdu = BytesMut::new();
    }

    fn disconnect_request(&self, reason: DisconnectReason) -> Tpdu {
        Tpdu::DisconnectRequest {
            destination_reference: self.peer_reference,
            source_reference: 0,
            reason,
            additional: Bytes::new(),
        }
    }

    /// Refuses a connection the user did not want.
    fn refuse(&mut self, reason: DisconnectReason) -> Vec<Outgoing> {
        self.close();
        vec![packet(&self.disconnect_request(reason)), Outgoing::Close]
    }

    /// Answers a TPDU in error with ER and ends the connection (section 6.22).
    fn reject(&mut self, fault: String, cause: u8, octets: &Bytes) -> Vec<Outgoing> {
        let invalid = octets.slice(..octets.len().min(64));
        let error = Tpdu::Error {
            destination_reference: self.peer_reference,
            cause,
            invalid,
        };
        self.end(Disconnect::Protocol(fault), Some(error))
    }

    /// Ends the connection: a last TPDU, the user is told, TCP closes.
    fn end(&mut self, why: Disconnect, last: Option<Tpdu>) -> Vec<Outgoing> {
        self.close();
        let last = last.as_ref().map(packet);
        last.into_iter()
            .chain([
                Outgoing::Indication(Indication::Disconnect(why)),
                Outgoing::Close,
            ])
            .collect()
    }

    /// A TSDU as DT TPDUs in their packets, to be written in one go.
    fn segment(&self, tsdu: &Bytes) -> Bytes {
        let room = self.tpdu_size.octets() - DATA_HEADER;
        let count = tsdu.len().div_ceil(room).max(1);
        let mut octets = BytesMut::with_capacity(tsdu.len() + count * (tpkt::HEADER + DATA_HEADER));
        let mut rest = tsdu.as_ref();
        loop {
            let (head, tail) = rest.split_at_checked(room).unwrap_or((rest, &[]));
            // A TPDU of the negotiated size always fits a packet.
            let fits = tpkt::write(&mut octets, &tpdu::data_header(tail.is_empty()), head);
            debug_assert!(fits);
            rest = tail;
            if rest.is_empty() {
                return octets.freeze();
            }
        }
    }
}

fn packet(tpdu: &Tpdu) -> Outgoing {
    let (header, user_data) = tpdu.encode();
    let mut octets = BytesMut::with_capacity(tpkt::HEADER + header.len() + user_data.len());
    let fits = tpkt::write(&mut octets, &header, &user_data);
    debug_assert!(
        fits,
        "only data TPDUs can be long, and these are cut before"
    );
    Outgoing::Octets(octets.freeze())
}
