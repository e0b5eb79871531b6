//! Opening and ending of an association: RTSE over ACSE (X.228 clauses 7.1, 7.2 and 7.7).

use bytes::Bytes;

use super::apdu::{self, Apdu};
use super::machine::{Phase, Rtse, broken};
use super::{Indication, Mode, Open, OpenResponse, Opened, Outgoing, Refused};
use crate::asn1::rtse::AbortReason;
use crate::osi::acse;
use crate::osi::presentation::{self, Context};
use crate::osi::spdu::{FunctionalUnits, TokenSetting, TokenSide, Tokens};

impl Rtse {
    /// RT-OPEN request (X.228 7.1.1).
    pub(super) fn open(&mut self, open: Open, out: &mut Vec<Outgoing>) {
        let Mode::Normal(contexts) = &open.mode;
        self.phase = Phase::Opening {
            checkpoint_size: open.checkpoint_size,
            window_size: open.window_size,
        };
        self.agreed.dialogue = open.dialogue;
        self.turn = open.initiator_has_turn;
        let rtorq = apdu::rtorq(&open);
        let context = |identifier, abstract_syntax: &presentation::Oid| Context {
            identifier,
            abstract_syntax: abstract_syntax.clone(),
        };
        out.push(Outgoing::Acse(acse::Request::Associate(Box::new(
            acse::Associate {
                application_context: contexts.application_context.clone(),
                contexts: vec![
                    context(super::RTSE_CONTEXT, &contexts.rtse),
                    context(super::USER_CONTEXT, &contexts.user),
                ],
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
            OpenResponse::Refuse {
                transient,
                user_data,
            } => {
                self.refuse(transient, Some(&user_data), out);
            }
        }
    }

    /// Refuses the association proposed.
    fn refuse(&mut self, transient: bool, user_data: Option<&Bytes>, out: &mut Vec<Outgoing>) {
        self.phase = Phase::Gone;
        out.push(Outgoing::Acse(acse::Request::Refuse(acse::Refuse {
            transient,
            user_information: vec![self.pdv(apdu::rtorj(user_data))],
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

    pub(super) fn acse_indication(
        &mut self,
        indication: acse::Indication,
        out: &mut Vec<Outgoing>,
    ) {
        match indication {
            acse::Indication::Associate(associate) => match self.associate(*associate) {
                Ok(open) => out.push(Outgoing::Indication(Indication::Open(Box::new(open)))),
                Err(explanation) => {
                    self.refuse(false, None, out);
                    out.push(Outgoing::Indication(Indication::PAbort { explanation }));
                }
            },
            acse::Indication::Accepted(accept) => match self.accepted(&accept) {
                Ok(opened) => out.push(Outgoing::Indication(Indication::OpenConfirm(Ok(opened)))),
                Err(fault) => {
                    let explanation = format!("RTSE protocol error of the peer: {fault}");
                    self.give_up(AbortReason::PROTOCOLERROR, &explanation, out);
                    let refused = Refused {
                        transient: true,
                        user_data: None,
                        explanation,
                    };
                    out.push(Outgoing::Indication(Indication::OpenConfirm(Err(refused))));
                }
            },
            acse::Indication::Refused(refused) => {
                self.phase = Phase::Gone;
                let rtorj = refused
                    .user_information
                    .first()
                    .map(|pdv| apdu::read(&pdv.value));
                let refused = Refused {
                    transient: refused.transient,
                    user_data: match rtorj {
                        Some(Ok(Apdu::Refuse { user_data })) => user_data,
                        _ => None,
                    },
                    explanation: refused.explanation,
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
                self.gone(&explanation, out);
                out.push(Outgoing::Indication(match reason {
                    Some(AbortReason::USERERROR) if !opening => Indication::UAbort { explanation },
                    _ => broken(opening, explanation),
                }));
            }
            acse::Indication::ProviderAbort(explanation) => {
                let opening = matches!(self.phase, Phase::Opening { .. });
                self.gone(&explanation, out);
                out.push(Outgoing::Indication(broken(opening, explanation)));
            }
        }
    }

    /// A-ASSOCIATE indication: the parameters of the RT-OPEN indication.
    fn associate(&mut self, associate: acse::Associate) -> Result<Open, String> {
        let pdv = associate
            .user_information
            .first()
            .ok_or("an AARQ without RTORQ")?;
        self.agreed.rtse_context = pdv.context;
        let Apdu::Open {
            checkpoint_size,
            window_size,
            dialogue,
            user_data,
        } = apdu::read(&pdv.value)?
        else {
            return Err("an AARQ without RTORQ".to_owned());
        };
        let user_data = user_data.ok_or("recovery of an association not known here")?;
        if !associate.functional_units.contains(FunctionalUnits::RTSE) {
            return Err(format!("functional units {:?}", associate.functional_units));
        }
        self.phase = Phase::Answering {
            checkpoint_size,
            window_size,
        };
        self.agreed.dialogue = dialogue;
        let contexts = self.config.contexts.clone();
        if let Some(user) = associate
            .contexts
            .iter()
            .find(|c| c.abstract_syntax == contexts.user)
        {
            self.agreed.user_context = user.identifier;
        }
        let initiator_has_turn =
            associate.token_setting.side(Tokens::DATA) != Some(TokenSide::Responder);
        self.turn = !initiator_has_turn;
        Ok(Open {
            mode: Mode::Normal(contexts),
            called: associate.called,
            calling: associate.calling,
            checkpoint_size,
            window_size,
            dialogue,
            initiator_has_turn,
            identifier: associate.identifier.unwrap_or_default(),
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
            .ok_or("an AARE without RTOAC")?;
        let Apdu::Accept {
            checkpoint_size,
            window_size,
            user_data,
        } = apdu::read(&pdv.value)?
        else {
            return Err("an AARE without RTOAC".to_owned());
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
