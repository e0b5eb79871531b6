//! The association control protocol machine (X.227 clause 7).

use super::pdu::{self, Apdu, Diagnostic, Outcome, Source};
use super::{
    ABSTRACT_SYNTAX, Accept, Associate, AssociateSourceDiagnostic, Config, Indication, Outgoing,
    Refused, Request,
};
use crate::osi::presentation::{self, Context, Misuse, Mode, Pdv};
use crate::osi::rtse::ACSE_CONTEXT;

/// One association at either end of it.
#[derive(Debug)]
pub struct Acse {
    config: Config,
    mode: Mode,
    state: State,
    /// Whether this end asked for the association.
    requestor: bool,
    /// The presentation context of ACSE.
    context: u32,
    /// The application context of the association.
    application_context: presentation::Oid,
}

/// The states of X.227 annex A.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing has happened.
    Idle,
    /// A-ASSOCIATE was requested.
    Requested,
    /// A-ASSOCIATE was indicated.
    Indicated,
    /// The association is open.
    Open,
    /// A-RELEASE was requested.
    Releasing,
    /// A-RELEASE was indicated.
    ReleaseIndicated,
    /// Both ends asked to release: the requestor of the association answers first.
    CollisionAnswer,
    /// Both ends asked to release: the acceptor of the association awaits the answer.
    CollisionAwait,
    /// The association is gone.
    Gone,
}

impl State {
    /// What X.227 calls it.
    const fn name(self) -> &'static str {
        match self {
            Self::Idle => "STA0",
            Self::Requested => "STA1",
            Self::Indicated => "STA2",
            Self::Releasing => "STA3",
            Self::ReleaseIndicated => "STA4",
            Self::Open => "STA5",
            Self::CollisionAnswer => "STA6",
            Self::CollisionAwait => "STA7",
            Self::Gone => "gone",
        }
    }
}

impl Acse {
    /// A machine without an association: the first event makes it initiator or responder.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config,
            mode: Mode::Normal,
            state: State::Idle,
            requestor: false,
            context: ACSE_CONTEXT,
            application_context: presentation::Oid::default(),
        }
    }

    /// A request or response of the user. After the association is gone requests are void.
    ///
    /// # Errors
    /// The service does not allow it now; nothing changed.
    pub fn request(&mut self, request: Request) -> Result<Vec<Outgoing>, Misuse> {
        let misuse = |request, condition| Err(Misuse { request, condition });
        let down = match (request, self.state) {
            (_, State::Gone) => return Ok(Vec::new()),
            (Request::Associate(associate), State::Idle) => self.associate(*associate),
            (Request::Associate(_), _) => {
                return misuse("A-ASSOCIATE request", "there is an association already");
            }
            (Request::Accept(accept), State::Indicated) => {
                self.state = State::Open;
                let aare = pdu::response(
                    &self.application_context,
                    Outcome::ACCEPTED,
                    Diagnostic::NULL,
                    &accept.user_information,
                );
                presentation::Request::Accept(presentation::Accept {
                    functional_units: accept.functional_units,
                    user_data: self.says(aare, accept.user_information),
                })
            }
            (Request::Refuse(refuse), State::Indicated) => {
                self.state = State::Gone;
                let aare = pdu::response(
                    &self.application_context,
                    match refuse.transient {
                        true => Outcome::REJECTED_TRANSIENT,
                        false => Outcome::REJECTED_PERMANENT,
                    },
                    Diagnostic::NO_REASON_GIVEN,
                    &refuse.user_information,
                );
                presentation::Request::Refuse(self.says(aare, refuse.user_information))
            }
            (Request::Accept(_) | Request::Refuse(_), _) => {
                return misuse("A-ASSOCIATE response", "no A-ASSOCIATE was indicated");
            }
            (Request::Release, State::Open) => {
                self.state = State::Releasing;
                presentation::Request::Release(self.says(pdu::release_request(), Vec::new()))
            }
            (Request::ReleaseAck, State::ReleaseIndicated | State::CollisionAnswer) => {
                self.state = match self.state {
                    State::CollisionAnswer => State::Releasing,
                    _ => State::Gone,
                };
                presentation::Request::ReleaseAck(self.says(pdu::release_response(), Vec::new()))
            }
            (Request::Release, _) => {
                return misuse("A-RELEASE request", "the association is not open");
            }
            (Request::ReleaseAck, _) => {
                return misuse("A-RELEASE response", "no A-RELEASE was indicated");
            }
            (Request::Abort(user_information), _) => {
                self.state = State::Gone;
                let abrt = pdu::abort(Source::ACSE_SERVICE_USER, &user_information);
                presentation::Request::Abort(self.says(abrt, user_information))
            }
        };
        Ok(vec![Outgoing::Presentation(down)])
    }

    /// A-ASSOCIATE request (X.227 7.1).
    fn associate(&mut self, associate: Associate) -> presentation::Request {
        self.state = State::Requested;
        self.requestor = true;
        self.mode = associate.mode;
        let aarq = pdu::request(&associate.application_context, &associate.user_information);
        let own = (self.mode == Mode::Normal).then_some(Context {
            identifier: ACSE_CONTEXT,
            abstract_syntax: ABSTRACT_SYNTAX,
        });
        self.application_context = associate.application_context;
        presentation::Request::Connect(Box::new(presentation::Connect {
            mode: self.mode,
            calling: associate.calling,
            called: associate.called,
            contexts: own.into_iter().chain(associate.contexts).collect(),
            identifier: associate.identifier,
            functional_units: associate.functional_units,
            token_setting: associate.token_setting,
            user_data: self.says(aarq, associate.user_information),
        }))
    }

    /// The state, named as X.227 does; `gone` when the association is.
    #[must_use]
    pub fn state(&self) -> &'static str {
        self.state.name()
    }

    /// What the presentation layer tells about connecting, releasing and aborting.
    #[must_use]
    pub fn indication(&mut self, indication: presentation::Indication) -> Vec<Outgoing> {
        if self.state == State::Gone {
            return Vec::new();
        }
        match self.presentation_indication(indication) {
            Ok(out) => out,
            // A fault of the peer: abort both ways (X.227 7.3.3.4).
            Err(fault) => {
                self.state = State::Gone;
                let abrt = pdu::abort(Source::ACSE_SERVICE_PROVIDER, &[]);
                let explanation = format!("ACSE protocol error of the peer: {fault}");
                vec![
                    Outgoing::Presentation(presentation::Request::Abort(
                        self.says(abrt, Vec::new()),
                    )),
                    Outgoing::Indication(Indication::ProviderAbort(explanation)),
                ]
            }
        }
    }

    fn presentation_indication(
        &mut self,
        indication: presentation::Indication,
    ) -> Result<Vec<Outgoing>, String> {
        use presentation::Indication as Presentation;
        let up = match (indication, self.state) {
            (Presentation::Connect(connect), State::Idle) => return self.called(*connect),
            (Presentation::Accepted(accept), State::Requested) => {
                let user_information = match self.mode {
                    Mode::X410 => accept.user_data,
                    Mode::Normal => match pdu::read_first(&accept.user_data)? {
                        Apdu::Response {
                            result: Outcome::ACCEPTED,
                            user_information,
                            ..
                        } => user_information,
                        _ => return Err("a CPA without an accepting AARE".to_owned()),
                    },
                };
                self.state = State::Open;
                Indication::Accepted(Accept {
                    functional_units: accept.functional_units,
                    user_information,
                })
            }
            (Presentation::Refused(refused), State::Requested) => {
                self.state = State::Gone;
                Indication::Refused(refusal(self.mode, refused))
            }
            (Presentation::Release(user_data), State::Open | State::Releasing) => {
                if self.mode == Mode::Normal
                    && !matches!(pdu::read_first(&user_data), Ok(Apdu::ReleaseRequest))
                {
                    return Err("a release without RLRQ".to_owned());
                }
                self.state = match (self.state, self.requestor) {
                    (State::Releasing, true) => State::CollisionAnswer,
                    (State::Releasing, false) => State::CollisionAwait,
                    _ => State::ReleaseIndicated,
                };
                Indication::Release
            }
            // Whatever was said at the last.
            (Presentation::Released(_), State::Releasing | State::CollisionAwait) => {
                self.state = match self.state {
                    State::CollisionAwait => State::ReleaseIndicated,
                    _ => State::Gone,
                };
                Indication::Released
            }
            (Presentation::Abort(user_data), _) if self.mode == Mode::X410 => {
                self.state = State::Gone;
                Indication::Abort(user_data)
            }
            (Presentation::Abort(user_data), _) => {
                self.state = State::Gone;
                match pdu::read_first(&user_data) {
                    Ok(Apdu::Abort {
                        source: Source::ACSE_SERVICE_PROVIDER,
                        ..
                    }) => Indication::ProviderAbort(
                        "the peer's association control reports a protocol error".to_owned(),
                    ),
                    Ok(Apdu::Abort {
                        user_information, ..
                    }) => Indication::Abort(user_information),
                    _ => Indication::Abort(Vec::new()),
                }
            }
            (Presentation::ProviderAbort(abort), _) => {
                self.state = State::Gone;
                Indication::ProviderAbort(abort.to_string())
            }
            (other, state) => return Err(format!("{other:?} in {}", state.name())),
        };
        Ok(vec![Outgoing::Indication(up)])
    }

    /// P-CONNECT indication (X.227 7.1.4).
    fn called(&mut self, connect: presentation::Connect) -> Result<Vec<Outgoing>, String> {
        self.mode = connect.mode;
        if self.mode == Mode::X410 {
            let application_context = presentation::Oid::default();
            return Ok(self.indicate(connect, application_context, None));
        }
        if let Some(first) = connect.user_data.first() {
            self.context = first.context;
        }
        let Apdu::Request {
            application_context,
            user_information,
        } = pdu::read_first(&connect.user_data)?
        else {
            return Err("a CP without AARQ".to_owned());
        };
        let known = &self.config.application_contexts;
        if !known.is_empty() && !known.contains(&application_context) {
            self.state = State::Gone;
            let aare = pdu::response(
                &application_context,
                Outcome::REJECTED_PERMANENT,
                Diagnostic::APPLICATION_CONTEXT_NAME_NOT_SUPPORTED,
                &[],
            );
            let explanation =
                format!("application context {application_context} is not spoken here");
            return Ok(vec![
                Outgoing::Presentation(presentation::Request::Refuse(vec![self.pdv(aare)])),
                Outgoing::Indication(Indication::ProviderAbort(explanation)),
            ]);
        }
        Ok(self.indicate(connect, application_context, Some(user_information)))
    }

    /// A-ASSOCIATE indication; `user_information` is that of P-CONNECT if ACSE says nothing itself.
    fn indicate(
        &mut self,
        connect: presentation::Connect,
        application_context: presentation::Oid,
        user_information: Option<Vec<Pdv>>,
    ) -> Vec<Outgoing> {
        self.state = State::Indicated;
        self.application_context = application_context.clone();
        vec![Outgoing::Indication(Indication::Associate(Box::new(
            Associate {
                mode: connect.mode,
                calling: connect.calling,
                called: connect.called,
                application_context,
                contexts: connect.contexts,
                identifier: connect.identifier,
                functional_units: connect.functional_units,
                token_setting: connect.token_setting,
                user_information: user_information.unwrap_or(connect.user_data),
            },
        )))]
    }

    /// What goes to the peer: an APDU, which holds the user information; in X.410 mode that alone.
    fn says(&self, apdu: bytes::Bytes, user_information: Vec<Pdv>) -> Vec<Pdv> {
        match self.mode {
            Mode::Normal => vec![self.pdv(apdu)],
            Mode::X410 => user_information,
        }
    }

    fn pdv(&self, value: bytes::Bytes) -> Pdv {
        Pdv {
            context: self.context,
            value,
        }
    }
}

/// Who refused and why, in words.
fn said(diagnostic: &AssociateSourceDiagnostic) -> String {
    let (who, why) = match diagnostic {
        AssociateSourceDiagnostic::AcseServiceUser(why) => ("application", why.name()),
        AssociateSourceDiagnostic::AcseServiceProvider(why) => ("association control", why.name()),
    };
    format!("by the peer's {who}: {}", why.unwrap_or("no known reason"))
}

/// The A-ASSOCIATE confirm for a refused P-CONNECT.
fn refusal(mode: Mode, refused: presentation::Refused) -> Refused {
    let presentation::Refused::User(user_data) = refused else {
        return Refused {
            transient: true,
            user_information: Vec::new(),
            diagnostic: None,
            explanation: refused.to_string(),
        };
    };
    if mode == Mode::X410 {
        return Refused {
            transient: true,
            user_information: user_data,
            diagnostic: None,
            explanation: "association refused".to_owned(),
        };
    }
    match pdu::read_first(&user_data) {
        Ok(Apdu::Response {
            result,
            diagnostic,
            user_information,
        }) => Refused {
            transient: result == Outcome::REJECTED_TRANSIENT,
            user_information,
            explanation: match result {
                Outcome::REJECTED_TRANSIENT => {
                    format!("association refused for now {}", said(&diagnostic))
                }
                _ => format!("association refused {}", said(&diagnostic)),
            },
            diagnostic: Some(diagnostic),
        },
        _ => Refused {
            transient: true,
            user_information: Vec::new(),
            diagnostic: None,
            explanation: "refused without an AARE".to_owned(),
        },
    }
}
