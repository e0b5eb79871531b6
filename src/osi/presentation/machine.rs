//! The presentation protocol machine (X.226 clause 6).

use bytes::Bytes;

use super::pdu::{self, AbortPdu, Outcome, Proposal};
use super::{
    Accept, Address, BASIC_ENCODING, Config, Connect, Context, Indication, Misuse, Mode,
    NO_CONTEXT, Oid, Outgoing, Pdv, ProviderAbort, ProviderReason, Refused, Request,
};
use crate::osi::session;
use crate::osi::spdu::{ConnectionIdentifier, RefuseReason, TokenSetting, Tokens, Versions};

/// User data of S-U-ABORT in session version 1 (X.225 8.3.9).
const ABORT_DATA_VERSION_1: usize = 9;

/// One presentation connection at either end of it.
#[derive(Debug)]
pub struct Presentation {
    config: Config,
    mode: Mode,
    phase: Phase,
    /// The contexts proposed, then the defined context set.
    contexts: Vec<Context>,
    /// Whether the session connection is of version 1.
    version_1: bool,
}

/// Where the life of a connection stands.
#[derive(Debug)]
enum Phase {
    /// Nothing has happened.
    Idle,
    /// P-CONNECT was requested.
    Connecting,
    /// P-CONNECT was indicated: what an answer must repeat.
    Answering(Box<Asked>),
    /// The connection is open, or being released by so many of its ends.
    Open { releases: u8 },
    /// The connection is gone.
    Gone,
}

const OPEN: Phase = Phase::Open { releases: 0 };

/// What was asked in a P-CONNECT indication, as far as the answer needs it.
#[derive(Debug)]
struct Asked {
    /// The verdict on each context proposed, in order.
    outcomes: Vec<Outcome>,
    /// Who was called.
    called: Address,
    identifier: Option<ConnectionIdentifier>,
    token_setting: TokenSetting,
}

impl Presentation {
    /// A machine without a connection: the first event makes it initiator or responder.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config,
            mode: Mode::Normal,
            phase: Phase::Idle,
            contexts: Vec::new(),
            version_1: false,
        }
    }

    /// A request or response of the user. After the connection is gone requests are void.
    ///
    /// # Errors
    /// The service does not allow it now; nothing changed.
    pub fn request(&mut self, request: Request) -> Result<Vec<Outgoing>, Misuse> {
        let misuse = |request, condition| Err(Misuse { request, condition });
        let mode = self.mode;
        let down = match (request, &self.phase) {
            (_, Phase::Gone) => return Ok(Vec::new()),
            (Request::Connect(connect), Phase::Idle) => self.connect(*connect),
            (Request::Connect(_), _) => {
                return misuse("P-CONNECT request", "there is a connection already");
            }
            (Request::Accept(accept), Phase::Answering(asked)) => {
                let request = session::Request::Accept(Box::new(session::Accept {
                    identifier: asked.identifier.clone(),
                    responding: asked.called.s.clone(),
                    functional_units: accept.functional_units,
                    initial_serial: None,
                    token_setting: settled(asked.token_setting),
                    tokens_wanted: Tokens::NONE,
                    user_data: pdu::cpa(mode, &asked.called.p, &asked.outcomes, &accept.user_data),
                }));
                self.phase = OPEN;
                request
            }
            (Request::Refuse(user_data), Phase::Answering(asked)) => {
                let cpr = pdu::cpr(mode, &asked.called.p, &asked.outcomes, None, &user_data);
                let identifier = asked.identifier.clone();
                self.phase = Phase::Gone;
                refuse(identifier, cpr)
            }
            (Request::Accept(_) | Request::Refuse(_), _) => {
                return misuse("P-CONNECT response", "no P-CONNECT was indicated");
            }
            (Request::Abort(user_data), _) => {
                self.phase = Phase::Gone;
                self.abort_request(pdu::aru(mode, &user_data))
            }
            (_, Phase::Idle | Phase::Connecting | Phase::Answering(_)) => {
                return misuse("a request", "the connection is not open");
            }
            (Request::Data(pdv), Phase::Open { .. }) => {
                session::Request::Data(pdu::data(mode, pdv))
            }
            (Request::TokenPlease { tokens, user_data }, Phase::Open { .. }) => {
                session::Request::TokenPlease {
                    tokens,
                    user_data: pdu::user_data(mode, &user_data),
                }
            }
            (Request::Session(request), Phase::Open { .. }) => request,
            (Request::Release(user_data), Phase::Open { .. }) => {
                self.release_begins();
                session::Request::Release(pdu::user_data(mode, &user_data))
            }
            (Request::ReleaseAck(user_data), Phase::Open { .. }) => {
                self.release_is_answered();
                session::Request::ReleaseAck(pdu::user_data(mode, &user_data))
            }
        };
        Ok(vec![Outgoing::Session(down)])
    }

    /// P-CONNECT request.
    fn connect(&mut self, connect: Connect) -> session::Request {
        self.phase = Phase::Connecting;
        self.mode = connect.mode;
        let cp = pdu::cp(&connect);
        self.contexts = connect.contexts;
        session::Request::Connect(Box::new(session::Connect {
            identifier: connect.identifier,
            calling: session_address(connect.calling),
            called: session_address(connect.called),
            functional_units: connect.functional_units,
            initial_serial: None,
            token_setting: connect.token_setting,
            user_data: cp,
        }))
    }

    /// S-U-ABORT with an Abort-type value, left out where the version has no room for it.
    fn abort_request(&self, user_data: Bytes) -> session::Request {
        let room = !self.version_1 || user_data.len() <= ABORT_DATA_VERSION_1;
        session::Request::Abort(if room { user_data } else { Bytes::new() })
    }

    /// One of the ends asks to release.
    fn release_begins(&mut self) {
        if let Phase::Open { releases } = &mut self.phase {
            *releases = 2.min(*releases + 1);
        }
    }

    /// A release is answered; where both ends asked, the answer to the other is still to come.
    fn release_is_answered(&mut self) {
        self.phase = match self.phase {
            Phase::Open { releases: 2 } => OPEN,
            _ => Phase::Gone,
        };
    }

    /// The state, named as X.226 does; with `rl` or `cr` where one end or both asked to release,
    /// and `gone` when the connection is.
    #[must_use]
    pub fn state(&self) -> &'static str {
        match self.phase {
            Phase::Idle => "STAI0",
            Phase::Connecting => "STAI1",
            Phase::Answering(_) => "STAI2",
            Phase::Open { releases: 0 } => "STAt0",
            Phase::Open { releases: 1 } => "STAt0 rl",
            Phase::Open { .. } => "STAt0 cr",
            Phase::Gone => "gone",
        }
    }

    /// What the session layer tells.
    #[must_use]
    pub fn indication(&mut self, indication: session::Indication) -> Vec<Outgoing> {
        if matches!(self.phase, Phase::Gone) {
            return Vec::new();
        }
        match self.session_indication(indication) {
            Ok(out) => out,
            // A fault of the peer: abort both ways (X.226 6.4.3).
            Err(fault) => {
                self.phase = Phase::Gone;
                let arp = self.abort_request(pdu::arp(fault.reason));
                let abort = ProviderAbort::Protocol(fault.explanation);
                vec![
                    Outgoing::Session(arp),
                    Outgoing::Indication(Indication::ProviderAbort(abort)),
                ]
            }
        }
    }

    fn session_indication(
        &mut self,
        indication: session::Indication,
    ) -> Result<Vec<Outgoing>, pdu::Fault> {
        use session::Indication as Session;
        let up = match (indication, &self.phase) {
            (Session::Connect { connect, version }, Phase::Idle) => {
                self.version_1 = !version.contains(Versions::V2);
                return Ok(self.called(*connect));
            }
            (Session::Accepted { accept, version }, Phase::Connecting) => {
                self.version_1 = !version.contains(Versions::V2);
                let (outcomes, user_data) = pdu::read_cpa(self.mode, &accept.user_data)?;
                // Whoever calls proposes no more than it needs.
                if let Some(refused) = self.refused(&outcomes) {
                    self.phase = Phase::Gone;
                    let aru = self.abort_request(pdu::aru(self.mode, &[]));
                    let told = Indication::Refused(Refused::Contexts(refused));
                    return Ok(vec![Outgoing::Session(aru), Outgoing::Indication(told)]);
                }
                self.check(&user_data)?;
                self.phase = OPEN;
                let functional_units = accept.functional_units;
                Indication::Accepted(Accept {
                    functional_units,
                    user_data,
                })
            }
            (Session::Refused(refuse), Phase::Connecting) => {
                self.phase = Phase::Gone;
                Indication::Refused(match refuse.reason {
                    RefuseReason::User(cpr) => match pdu::read_cpr(&cpr) {
                        Ok((Some(reason), ..)) => Refused::Provider(reason),
                        Ok((None, outcomes, user_data)) => {
                            match self.refused(&outcomes).filter(|_| user_data.is_empty()) {
                                Some(refused) if !outcomes.is_empty() => Refused::Contexts(refused),
                                _ => Refused::User(user_data),
                            }
                        }
                        Err(fault) => Refused::Session(fault.explanation),
                    },
                    other => Refused::Session(other.to_string()),
                })
            }
            (Session::Abort(user_data), _) => {
                self.phase = Phase::Gone;
                match pdu::read_abort(&user_data) {
                    Ok(AbortPdu::User(user_data)) => Indication::Abort(user_data),
                    Ok(AbortPdu::Provider(reason)) => {
                        Indication::ProviderAbort(ProviderAbort::ByPeer(reason))
                    }
                    Err(_) => Indication::Abort(Vec::new()),
                }
            }
            (Session::ProviderAbort(abort), _) => {
                self.phase = Phase::Gone;
                Indication::ProviderAbort(ProviderAbort::Session(abort))
            }
            (Session::Data(user_data), Phase::Open { .. }) => {
                Indication::Data(self.values(&user_data)?)
            }
            (Session::TokenPlease { tokens, user_data }, Phase::Open { .. }) => {
                let user_data = self.optional_values(&user_data)?;
                Indication::TokenPlease { tokens, user_data }
            }
            (Session::Release(user_data), Phase::Open { .. }) => {
                let user_data = self.optional_values(&user_data)?;
                self.release_begins();
                Indication::Release(user_data)
            }
            (Session::Released(user_data), Phase::Open { .. }) => {
                let user_data = self.optional_values(&user_data).unwrap_or_default();
                self.release_is_answered();
                Indication::Released(user_data)
            }
            (Session::Connect { .. } | Session::Accepted { .. } | Session::Refused(_), _)
            | (_, Phase::Idle | Phase::Connecting | Phase::Answering(_) | Phase::Gone) => {
                let fault = format!("out of place in {}", self.state());
                return Err(pdu::Fault::unexpected(&fault));
            }
            (other, Phase::Open { .. }) => Indication::Session(other),
        };
        Ok(vec![Outgoing::Indication(up)])
    }

    /// S-CONNECT indication: judges the contexts proposed (X.226 6.2.5).
    fn called(&mut self, connect: session::Connect) -> Vec<Outgoing> {
        let cp = match pdu::read_cp(&connect.user_data) {
            Ok(cp) => cp,
            Err(fault) => {
                return self.refuse_called(
                    connect.identifier,
                    ProviderReason::USER_DATA_NOT_READABLE,
                    &fault.explanation,
                );
            }
        };
        self.mode = cp.mode;
        let selectors = &self.config.selectors;
        // In X.410 mode there are no P-selectors.
        if cp.mode == Mode::Normal && !selectors.is_empty() && !selectors.contains(&cp.called) {
            let explanation = format!("called P-selector {:?} is not known here", cp.called);
            return self.refuse_called(
                connect.identifier,
                ProviderReason::CALLED_PRESENTATION_ADDRESS_UNKNOWN,
                &explanation,
            );
        }
        let outcomes: Vec<Outcome> = cp.proposals.iter().map(|p| self.judge(p)).collect();
        self.contexts = cp
            .proposals
            .into_iter()
            .zip(&outcomes)
            .filter(|(_, outcome)| **outcome == Outcome::Acceptance)
            .map(|(proposal, _)| proposal.context)
            .collect();
        if self.check(&cp.user_data).is_err() {
            let explanation = "user data in a context that is not accepted here";
            return self.refuse_called(
                connect.identifier,
                ProviderReason::USER_DATA_NOT_READABLE,
                explanation,
            );
        }
        let called = Address {
            p: cp.called,
            s: connect.called.selector,
            t: connect.called.transport_selector,
        };
        let calling = Address {
            p: cp.calling,
            s: connect.calling.selector,
            t: connect.calling.transport_selector,
        };
        self.phase = Phase::Answering(Box::new(Asked {
            outcomes,
            called: called.clone(),
            identifier: connect.identifier.clone(),
            token_setting: connect.token_setting,
        }));
        vec![Outgoing::Indication(Indication::Connect(Box::new(
            Connect {
                mode: self.mode,
                calling,
                called,
                contexts: self.contexts.clone(),
                identifier: connect.identifier,
                functional_units: connect.functional_units,
                token_setting: connect.token_setting,
                user_data: cp.user_data,
            },
        )))]
    }

    /// Refuses a connection on the part of this layer.
    fn refuse_called(
        &mut self,
        identifier: Option<ConnectionIdentifier>,
        provider_reason: ProviderReason,
        explanation: &str,
    ) -> Vec<Outgoing> {
        self.phase = Phase::Gone;
        let cpr = pdu::cpr(self.mode, &Bytes::new(), &[], Some(provider_reason), &[]);
        let abort = ProviderAbort::Protocol(format!("connection refused: {explanation}"));
        vec![
            Outgoing::Session(refuse(identifier, cpr)),
            Outgoing::Indication(Indication::ProviderAbort(abort)),
        ]
    }

    /// The verdict on a context proposed.
    fn judge(&self, proposal: &Proposal) -> Outcome {
        let known = |syntax: &Oid| self.config.abstract_syntaxes.contains(syntax);
        if !known(&proposal.context.abstract_syntax) {
            Outcome::AbstractSyntaxNotSupported
        } else if !proposal.transfer_syntaxes.contains(&BASIC_ENCODING) {
            Outcome::TransferSyntaxesNotSupported
        } else {
            Outcome::Acceptance
        }
    }

    /// Those of the contexts proposed that these outcomes do not accept, in words.
    fn refused(&self, outcomes: &[Outcome]) -> Option<String> {
        let mut outcomes = outcomes.iter();
        let refused = self.contexts.iter().filter_map(|context| {
            let outcome = outcomes.next().unwrap_or(&Outcome::Rejection);
            let (number, syntax) = (context.identifier, &context.abstract_syntax);
            (*outcome != Outcome::Acceptance)
                .then(|| format!("context {number} ({syntax}): {}", outcome.words()))
        });
        let refused: Vec<String> = refused.collect();
        (!refused.is_empty()).then(|| refused.join(", "))
    }

    /// The presentation data values of a User-data value.
    fn values(&self, user_data: &Bytes) -> Result<Vec<Pdv>, pdu::Fault> {
        let mut values = pdu::read_user_data(self.mode, user_data)?;
        // Simply encoded data name no context: there is only one then (X.226 8.4.1).
        for value in &mut values {
            if value.context == NO_CONTEXT
                && let [only] = self.contexts.as_slice()
            {
                value.context = only.identifier;
            }
        }
        self.check(&values)?;
        Ok(values)
    }

    /// As [`Self::values`], where there need be none.
    fn optional_values(&self, user_data: &Bytes) -> Result<Vec<Pdv>, pdu::Fault> {
        if user_data.is_empty() {
            Ok(Vec::new())
        } else {
            self.values(user_data)
        }
    }

    /// Checks that every value belongs to the defined context set, which X.410 mode does without.
    fn check(&self, values: &[Pdv]) -> Result<(), pdu::Fault> {
        if self.mode == Mode::X410 {
            return Ok(());
        }
        let defined = |pdv: &&Pdv| self.contexts.iter().any(|c| c.identifier == pdv.context);
        match values.iter().find(|pdv| !defined(pdv)) {
            None => Ok(()),
            Some(pdv) => Err(pdu::Fault::invalid(format!(
                "a value in context {}, which is not of the defined context set",
                pdv.context
            ))),
        }
    }
}

/// S-CONNECT response, refusing with a CPR PPDU.
fn refuse(identifier: Option<ConnectionIdentifier>, cpr: Bytes) -> session::Request {
    session::Request::Refuse(session::Refuse {
        identifier,
        reason: RefuseReason::User(cpr),
    })
}

fn session_address(address: Address) -> session::Address {
    session::Address {
        transport_selector: address.t,
        selector: address.s,
    }
}

/// The token setting of an answer: what was left to us stays with the initiator.
fn settled(asked: TokenSetting) -> TokenSetting {
    let mut setting = asked.0;
    for shift in [0, 2, 4, 6] {
        if setting >> shift & 3 >= 2 {
            setting &= !(3 << shift);
        }
    }
    TokenSetting(setting)
}
