//! Opening and ending of an association: RTSE over ACSE (X.228 clauses 7.1, 7.2 and 7.7).

use bytes::Bytes;

use super::apdu::{self, Apdu};
use super::machine::{Phase, Rtse, broken};
use super::{Contexts, Indication, Mode, Open, OpenResponse, Opened, Outgoing, Refused};
use crate::asn1::rtse::{AbortReason, RefuseReason};
use crate::osi::acse;
use crate::osi::presentation::{self, Context};
use crate::osi::spdu::{FunctionalUnits, TokenSetting, TokenSide, Tokens};

/// The application protocol of callers that name none: X.410 (1984) has it as the default.
const PROTOCOL_OF_1984: i64 = 1;

impl Rtse {
    /// RT-OPEN request (X.228 7.1.1).
    pub(super) fn open(&mut self, open: Open, out: &mut Vec<Outgoing>) {
        self.phase = Phase::Opening {
            checkpoint_size: open.checkpoint_size,
            window_size: open.window_size,
        };
        self.agreed.mode = open.mode.below();
        self.agreed.connection = open.identifier.clone();
        self.agreed.dialogue = open.dialogue;
        self.turn = open.initiator_has_turn;
        let rtorq = apdu::rtorq(&open);
        let (application_context, contexts) = match open.mode {
            Mode::Normal(contexts) => proposed(contexts),
            Mode::X410 { .. } => Default::default(),
        };
        out.push(Outgoing::Acse(acse::Request::Associate(Box::new(
            acse::Associate {
                mode: self.agreed.mode,
                application_context,
                contexts,
                calling: open.calling,
                called: open.called,
                identifier: Some(open.identifier),
                functional_units: FunctionalUnits::RTSE,
                token_setting: match open.initiator_has_turn {
                    true => TokenSetting::INITIATOR,
                    false => TokenSetting::RESPONDER,
                },
                user_information: vec![self.pdv(rtorq)],
            },
        ))));
    }

    /// RT-OPEN response (X.228 7.1.1).
    pub(super) fn answer(
        &mut self,
        response: OpenResponse,
        proposed_checkpoint: u8,
        proposed_window: u8,
        out: &mut Vec<Outgoing>,
    ) {
        match response {
            OpenResponse::Accept {
                checkpoint_size,
                window_size,
                user_data,
            } => {
                // A checkpoint size of 0 leaves the choice to the responder.
                let checkpoint = match proposed_checkpoint {
                    0 => checkpoint_size,
                    proposed => checkpoint_size.min(proposed),
                };
                let window = window_size.min(proposed_window).max(1);
                self.agree(checkpoint, window);
                self.phase = Phase::Open;
                let rtoac = apdu::rtoac(checkpoint, window, &user_data);
                out.push(Outgoing::Acse(acse::Request::Accept(acse::Accept {
                    functional_units: FunctionalUnits::RTSE,
                    user_information: vec![self.pdv(rtoac)],
                })));
            }
            OpenResponse::Refuse { reason, user_data } => {
                self.refuse(reason, Some(&user_data), out);
            }
        }
    }

    /// Refuses the association proposed: only X.410 mode tells the reason, only normal mode the
    /// user's data.
    fn refuse(&mut self, reason: RefuseReason, user_data: Option<&Bytes>, out: &mut Vec<Outgoing>) {
        self.phase = Phase::Gone;
        let rtorj = match self.agreed.mode {
            presentation::Mode::Normal => apdu::rtorj(user_data),
            presentation::Mode::X410 => apdu::rtorj_reason(reason),
        };
        out.push(Outgoing::Acse(acse::Request::Refuse(acse::Refuse {
            // Whoever cannot recover an association may open another one.
            transient: reason != RefuseReason::VALIDATIONFAILURE,
            user_information: vec![self.pdv(rtorj)],
        })));
    }

    /// Notes the checkpoint and window sizes agreed on.
    fn agree(&mut self, checkpoint_size: u8, window_size: u8) {
        self.agreed.segment = match checkpoint_size {
            0 => None,
            units => Some(usize::from(units) * 1024),
        };
        self.agreed.window = window_size.into();
    }

    /// An indication of association control; an error is the peer's fault.
    pub(super) fn acse_indication(
        &mut self,
        indication: acse::Indication,
        out: &mut Vec<Outgoing>,
    ) -> Result<(), String> {
        match indication {
            acse::Indication::Associate(associate) => match self.associate(*associate) {
                Ok(open) => out.push(Outgoing::Indication(Indication::Open(Box::new(open)))),
                Err((reason, explanation)) => {
                    self.refuse(reason, None, out);
                    out.push(Outgoing::Indication(Indication::PAbort { explanation }));
                }
            },
            acse::Indication::Accepted(accept) => {
                let opened = self.accepted(&accept)?;
                out.push(Outgoing::Indication(Indication::OpenConfirm(Ok(opened))));
            }
            acse::Indication::Refused(refused) => {
                self.phase = Phase::Gone;
                let rtorj = refused
                    .user_information
                    .first()
                    .map(|pdv| apdu::read(&pdv.value));
                let (reason, user_data) = match rtorj {
                    Some(Ok(Apdu::Refuse { reason, user_data })) => (reason, user_data),
                    _ => (None, None),
                };
                let refused = Refused {
                    transient: reason.map_or(refused.transient, |r| r == RefuseReason::RTSBUSY),
                    user_data,
                    reason,
                    aborted: None,
                    explanation: match reason {
                        Some(reason) => {
                            let reason = reason.name().unwrap_or("no known reason");
                            format!("{}: {reason}", refused.explanation)
                        }
                        None => refused.explanation,
                    },
                };
                out.push(Outgoing::Indication(Indication::OpenConfirm(Err(refused))));
            }
            acse::Indication::Release => {
                self.phase = Phase::Closed;
                out.push(Outgoing::Indication(Indication::Close));
            }
            acse::Indication::Released => {
                self.phase = Phase::Gone;
                out.push(Outgoing::Indication(Indication::CloseConfirm));
            }
            acse::Indication::Abort(user_information) => {
                let rtab = user_information.first().map(|pdv| apdu::read(&pdv.value));
                let reason = match rtab {
                    Some(Ok(Apdu::Abort { reason })) => reason,
                    _ => None,
                };
                let opening = matches!(self.phase, Phase::Opening { .. });
                let why = apdu::abort_reason(reason);
                let explanation = format!("the peer aborted the association: {why}");
                if reason == Some(AbortReason::TRANSFERCOMPLETED) {
                    self.completed();
                }
                self.gone(&explanation, out);
                let mut told = match reason {
                    Some(AbortReason::USERERROR) if !opening => Indication::UAbort { explanation },
                    _ => broken(opening, explanation),
                };
                if let Indication::OpenConfirm(Err(refused)) = &mut told {
                    refused.aborted = reason;
                }
                out.push(Outgoing::Indication(told));
            }
            acse::Indication::ProviderAbort(explanation) => {
                let opening = matches!(self.phase, Phase::Opening { .. });
                self.gone(&explanation, out);
                out.push(Outgoing::Indication(broken(opening, explanation)));
            }
        }
        Ok(())
    }

    /// A-ASSOCIATE indication: the parameters of the RT-OPEN indication, or why it is refused.
    /// Activities go on over associations opened anew, so no association is ever recovered
    /// (X.228 7.8.2).
    fn associate(&mut self, associate: acse::Associate) -> Result<Open, (RefuseReason, String)> {
        let invalid = |explanation: String| (RefuseReason::VALIDATIONFAILURE, explanation);
        self.agreed.mode = associate.mode;
        let pdv = associate
            .user_information
            .first()
            .ok_or_else(|| invalid("a call without RTORQ".to_owned()))?;
        self.agreed.rtse_context = pdv.context;
        let Apdu::Open {
            checkpoint_size,
            window_size,
            dialogue,
            user_data,
            application_protocol,
        } = apdu::read(&pdv.value).map_err(|fault| invalid(fault.to_string()))?
        else {
            return Err(invalid("a call without RTORQ".to_owned()));
        };
        let user_data = user_data.ok_or_else(|| {
            let explanation = "a call to recover an association, which is not offered";
            (RefuseReason::CANNOTRECOVER, explanation.to_owned())
        })?;
        if !associate.functional_units.contains(FunctionalUnits::RTSE) {
            let explanation = format!("functional units {:?}", associate.functional_units);
            return Err(invalid(explanation));
        }
        self.phase = Phase::Answering {
            checkpoint_size,
            window_size,
        };
        self.agreed.dialogue = dialogue;
        let mode = match associate.mode {
            presentation::Mode::Normal => {
                let contexts = self.config.contexts.clone();
                let of_user = |c: &&Context| c.abstract_syntax == contexts.user;
                if let Some(user) = associate.contexts.iter().find(of_user) {
                    self.agreed.user_context = user.identifier;
                }
                Mode::Normal(contexts)
            }
            presentation::Mode::X410 => Mode::X410 {
                application_protocol: application_protocol.unwrap_or(PROTOCOL_OF_1984),
            },
        };
        let initiator_has_turn =
            associate.token_setting.side(Tokens::DATA) != Some(TokenSide::Responder);
        self.turn = !initiator_has_turn;
        let identifier = associate.identifier.unwrap_or_default();
        self.agreed.connection = identifier.clone();
        Ok(Open {
            mode,
            called: associate.called,
            calling: associate.calling,
            checkpoint_size,
            window_size,
            dialogue,
            initiator_has_turn,
            identifier,
            user_data,
        })
    }

    /// A-ASSOCIATE confirm: what the responder agreed to.
    fn accepted(&mut self, accept: &acse::Accept) -> Result<Opened, String> {
        let Phase::Opening {
            checkpoint_size: ours,
            window_size: our_window,
        } = self.phase
        else {
            return Err("an AARE out of place".to_owned());
        };
        if !accept.functional_units.contains(FunctionalUnits::RTSE) {
            return Err(format!("functional units {:?}", accept.functional_units));
        }
        let pdv = accept
            .user_information
            .first()
            .ok_or("an answer without RTOAC")?;
        let Apdu::Accept {
            checkpoint_size,
            window_size,
            user_data,
        } = apdu::read(&pdv.value)?
        else {
            return Err("an answer without RTOAC".to_owned());
        };
        // More than we proposed is not theirs to choose; less is always safe.
        let checkpoint_size = match ours {
            0 => checkpoint_size,
            ours => checkpoint_size.min(ours),
        };
        let window_size = window_size.min(our_window).max(1);
        self.agree(checkpoint_size, window_size);
        self.phase = Phase::Open;
        Ok(Opened {
            checkpoint_size,
            window_size,
            user_data: user_data.unwrap_or_default(),
        })
    }
}

/// The application context, and the presentation contexts proposed for what is spoken in it.
fn proposed(contexts: Contexts) -> (presentation::Oid, Vec<Context>) {
    let context = |identifier, abstract_syntax| Context {
        identifier,
        abstract_syntax,
    };
    let proposed = vec![
        context(super::RTSE_CONTEXT, contexts.rtse),
        context(super::USER_CONTEXT, contexts.user),
    ];
    (contexts.application_context, proposed)
}
