//! The data transfer phase: data, tokens, synchronization points, exceptions, activities (X.225 sections 7.11 to 7.37).

use bytes::{Bytes, BytesMut};

use super::super::spdu::{self, Enclosure, Serial, Spdu, Tokens};
use super::machine::{Handled, Session};
use super::table::{Condition, State};
use super::{ActivityResume, Indication, Misuse, Outgoing, Request};

/// Octets before the data of a segment: GIVE TOKENS (2), identifier and length (2), enclosure item (3).
const SEGMENT_HEADER: usize = 7;

impl Session {
    // ---- requests and responses; state and conditions were checked

    pub(super) fn request_transfer(&mut self, request: Request) -> Result<Vec<Outgoing>, Misuse> {
        let sent = match request {
            Request::Data(data) => return Ok(self.send_data(&data)),
            Request::TokenGive(tokens) => return self.give(tokens),
            Request::TokenPlease { tokens, user_data } => {
                let exist = self.connection.units.tokens();
                if tokens.is_empty() || !exist.without(self.connection.tokens).contains(tokens) {
                    let condition = Condition::Holds(tokens);
                    return Err(Misuse::Condition {
                        request: "S-TOKEN-PLEASE request (of the peer)",
                        condition,
                    });
                }
                Spdu::PleaseTokens {
                    tokens: Some(tokens),
                    user_data,
                }
            }
            Request::ControlGive => {
                self.enter(State::AwaitGiveTokensAck);
                Spdu::GiveTokensConfirm(Bytes::new())
            }
            Request::MinorSync {
                explicit,
                user_data,
            } => {
                let serial = self.next_serial().ok_or(Misuse::Serial)?;
                self.set_point(true);
                Spdu::MinorSyncPoint {
                    explicit,
                    serial,
                    user_data,
                }
            }
            Request::MinorSyncAck { serial, user_data } => {
                if !self.connection.may_confirm || !self.is_unconfirmed(serial) {
                    return Err(Misuse::Serial);
                }
                self.connection.unconfirmed = serial.get() + 1;
                Spdu::MinorSyncAck { serial, user_data }
            }
            Request::UserException { reason, user_data } => {
                self.enter(State::AwaitRecovery);
                Spdu::ExceptionData { reason, user_data }
            }
            Request::ActivityStart {
                identifier,
                user_data,
            } => {
                self.begin_activity(1);
                Spdu::ActivityStart {
                    identifier,
                    user_data,
                }
            }
            Request::ActivityResume(resume) => {
                self.begin_activity(resume.serial.get() + 1);
                let ActivityResume {
                    identifier,
                    old,
                    serial,
                    user_data,
                } = *resume;
                Spdu::ActivityResume(Box::new(spdu::ActivityResume {
                    linking: old,
                    serial,
                    identifier,
                    user_data,
                }))
            }
            Request::ActivityInterrupt { reason, user_data } => {
                self.enter(State::AwaitActivityInterruptAck);
                Spdu::ActivityInterrupt { reason, user_data }
            }
            Request::ActivityDiscard { reason, user_data } => {
                self.enter(State::AwaitActivityDiscardAck);
                Spdu::ActivityDiscard { reason, user_data }
            }
            Request::ActivityInterruptAck(user_data) => {
                self.stop_activity(Tokens::NONE);
                Spdu::ActivityInterruptAck(user_data)
            }
            Request::ActivityDiscardAck(user_data) => {
                self.stop_activity(Tokens::NONE);
                Spdu::ActivityDiscardAck(user_data)
            }
            Request::ActivityEnd(user_data) => {
                let serial = self.next_serial().ok_or(Misuse::Serial)?;
                self.set_point(true);
                self.enter(State::AwaitActivityEndAck);
                Spdu::ActivityEnd { serial, user_data }
            }
            Request::ActivityEndAck(user_data) => {
                let serial =
                    Serial::new(self.connection.next.saturating_sub(1)).ok_or(Misuse::Serial)?;
                self.end_activity();
                Spdu::ActivityEndAck { serial, user_data }
            }
            // The others begin or end a connection.
            _ => return Ok(Vec::new()),
        };
        Ok(vec![Self::send(sent)])
    }

    fn give(&mut self, tokens: Tokens) -> Result<Vec<Outgoing>, Misuse> {
        if tokens.is_empty() || !self.connection.tokens.contains(tokens) {
            return Err(Misuse::Condition {
                request: "S-TOKEN-GIVE request",
                condition: Condition::Holds(tokens),
            });
        }
        if self.state == State::AwaitRecoveryRequest && tokens.contains(Tokens::DATA) {
            self.enter(State::DataTransfer);
        }
        self.connection.tokens = self.connection.tokens.without(tokens);
        Ok(vec![Self::send(Spdu::GiveTokens {
            tokens: Some(tokens),
            user_data: Bytes::new(),
        })])
    }

    /// One SSDU, in segments if TSDUs are limited; every segment is a TSDU.
    fn send_data(&self, data: &Bytes) -> Vec<Outgoing> {
        let Some(limit) = self.connection.tsdu_limit else {
            return vec![Self::send(Spdu::DataTransfer {
                enclosure: None,
                data: data.clone(),
            })];
        };
        let room = usize::from(limit).saturating_sub(SEGMENT_HEADER).max(1);
        let last = data.len().div_ceil(room).max(1) - 1;
        let segment = |index: usize| {
            let part = data.slice(index * room..data.len().min((index + 1) * room));
            let enclosure = Enclosure {
                begin: index == 0,
                end: index == last,
            };
            Self::send(Spdu::DataTransfer {
                enclosure: Some(enclosure),
                data: part,
            })
        };
        (0..=last).map(segment).collect()
    }

    // ---- what comes from the peer; state and conditions were checked

    pub(super) fn transfer_came(&mut self, spdu: Spdu) -> Handled {
        self.check_assembly(&spdu)?;
        let indication = match spdu {
            Spdu::DataTransfer { enclosure, data } => return self.data_came(enclosure, data),
            Spdu::GiveTokens {
                tokens: Some(tokens),
                ..
            } => {
                self.connection.tokens = self.connection.tokens.or(tokens);
                if self.state == State::AwaitRecovery && tokens.contains(Tokens::DATA) {
                    self.enter(State::DataTransfer);
                }
                Indication::TokenGive(tokens)
            }
            // Tokens asked for may have been given while this was on its way.
            Spdu::PleaseTokens {
                tokens: Some(tokens),
                user_data,
            } => {
                let tokens = tokens.and(self.connection.units.tokens());
                Indication::TokenPlease { tokens, user_data }
            }
            Spdu::GiveTokensConfirm(_) => {
                self.connection.tokens = self.connection.units.tokens();
                return Ok(vec![
                    Self::send(Spdu::GiveTokensAck(Bytes::new())),
                    Outgoing::Indication(Indication::ControlGive),
                ]);
            }
            Spdu::GiveTokensAck(_) => {
                self.connection.tokens = Tokens::NONE;
                self.enter(State::DataTransfer);
                return Ok(Vec::new());
            }
            Spdu::MinorSyncPoint {
                explicit,
                serial,
                user_data,
            } => {
                self.set_point(false);
                Indication::MinorSync {
                    serial,
                    explicit,
                    user_data,
                }
            }
            Spdu::MinorSyncAck { serial, user_data } => {
                self.connection.unconfirmed = serial.get() + 1;
                Indication::MinorSyncAck { serial, user_data }
            }
            Spdu::ExceptionData { reason, user_data } => {
                self.excepted();
                Indication::UserException { reason, user_data }
            }
            Spdu::ExceptionReport(reflect) => {
                self.excepted();
                Indication::ProviderException(reflect)
            }
            Spdu::ActivityStart {
                identifier,
                user_data,
            } => {
                self.begin_activity(1);
                Indication::ActivityStart {
                    identifier,
                    user_data,
                }
            }
            Spdu::ActivityResume(resume) => {
                self.begin_activity(resume.serial.get() + 1);
                let spdu::ActivityResume {
                    linking,
                    serial,
                    identifier,
                    user_data,
                } = *resume;
                Indication::ActivityResume(Box::new(ActivityResume {
                    identifier,
                    old: linking,
                    serial,
                    user_data,
                }))
            }
            Spdu::ActivityInterrupt { reason, user_data } => {
                self.enter(State::AwaitActivityInterruptResponse);
                Indication::ActivityInterrupt { reason, user_data }
            }
            Spdu::ActivityDiscard { reason, user_data } => {
                self.enter(State::AwaitActivityDiscardResponse);
                Indication::ActivityDiscard { reason, user_data }
            }
            Spdu::ActivityInterruptAck(user_data) => {
                self.stop_activity(self.connection.units.tokens());
                Indication::ActivityInterruptAck(user_data)
            }
            Spdu::ActivityDiscardAck(user_data) => {
                self.stop_activity(self.connection.units.tokens());
                Indication::ActivityDiscardAck(user_data)
            }
            Spdu::ActivityEnd { serial, user_data } => {
                self.set_point(false);
                self.enter(State::AwaitActivityEndResponse);
                Indication::ActivityEnd { serial, user_data }
            }
            Spdu::ActivityEndAck { serial, user_data } => {
                self.end_activity();
                Indication::ActivityEndAck { serial, user_data }
            }
            // The others begin or end a connection.
            _ => return Ok(Vec::new()),
        };
        Ok(vec![Outgoing::Indication(indication)])
    }

    /// Checks what the table cannot tell: the tokens given, and the numbers of points.
    ///
    /// After an interrupt or discard was asked for, the numbers do not matter any more.
    pub(super) fn check_values(&self, spdu: &Spdu) -> Result<(), String> {
        let purging = matches!(
            self.state,
            State::AwaitActivityInterruptAck | State::AwaitActivityDiscardAck
        );
        match spdu {
            Spdu::GiveTokens {
                tokens: Some(given),
                ..
            } => {
                let exist = self.connection.units.tokens();
                let theirs = exist.without(self.connection.tokens);
                match theirs.contains(*given) {
                    true => Ok(()),
                    false => Err(format!("gives {given:?} but holds {theirs:?}")),
                }
            }
            Spdu::MinorSyncAck { .. } if self.connection.may_confirm => {
                Err("confirms points it set itself".into())
            }
            _ if purging => Ok(()),
            Spdu::MinorSyncPoint { serial, .. } | Spdu::ActivityEnd { serial, .. }
                if serial.get() != self.connection.next =>
            {
                Err(format!(
                    "sets point {serial}, the next one is {}",
                    self.connection.next
                ))
            }
            Spdu::MinorSyncAck { serial, .. } if !self.is_unconfirmed(*serial) => Err(format!(
                "confirms point {serial}, which is not to be confirmed"
            )),
            Spdu::ActivityEndAck { serial, .. } if serial.get() + 1 != self.connection.next => {
                Err(format!(
                    "confirms point {serial}, the activity ended with {}",
                    self.connection.next.saturating_sub(1)
                ))
            }
            _ => Ok(()),
        }
    }

    /// Remembers of a void SPDU what it does to the numbers.
    pub(super) fn discard(&mut self, spdu: &Spdu) {
        match spdu {
            _ if self.state != State::AwaitRecovery => {}
            Spdu::MinorSyncPoint { .. } | Spdu::ActivityEnd { .. } => self.set_point(false),
            Spdu::MinorSyncAck { serial, .. } => self.connection.unconfirmed = serial.get() + 1,
            _ => {}
        }
    }

    /// The peer reports an exception: who holds the data token has to recover.
    fn excepted(&mut self) {
        if self.connection.tokens.contains(Tokens::DATA) {
            self.enter(State::AwaitRecoveryRequest);
        } else if self.state != State::AwaitRecovery {
            self.enter(State::DataTransfer);
        }
    }

    fn data_came(&mut self, enclosure: Option<Enclosure>, data: Bytes) -> Handled {
        let part = enclosure.unwrap_or(Enclosure {
            begin: true,
            end: true,
        });
        let so_far = match (self.connection.ssdu.take(), part.begin) {
            (None, true) => BytesMut::new(),
            (Some(so_far), false) => so_far,
            (None, false) => return Err("a segment of no SSDU".into()),
            (Some(_), true) => return Err("an SSDU begins within another".into()),
        };
        if so_far.len() + data.len() > self.config.max_ssdu && !(part.begin && part.end) {
            return Err(format!(
                "an SSDU of more than {} octets",
                self.config.max_ssdu
            ));
        }
        if part.begin && part.end {
            return Ok(vec![Outgoing::Indication(Indication::Data(data))]);
        }
        let mut so_far = so_far;
        so_far.extend_from_slice(&data);
        if part.end {
            return Ok(vec![Outgoing::Indication(Indication::Data(
                so_far.freeze(),
            ))]);
        }
        self.connection.ssdu = Some(so_far);
        Ok(Vec::new())
    }

    /// Between the segments of an SSDU only some SPDUs make sense (section 7.37).
    fn check_assembly(&mut self, spdu: &Spdu) -> Result<(), String> {
        match spdu {
            _ if self.connection.ssdu.is_none() => Ok(()),
            Spdu::DataTransfer { .. } | Spdu::PleaseTokens { .. } | Spdu::MinorSyncAck { .. } => {
                Ok(())
            }
            Spdu::ActivityInterrupt { .. }
            | Spdu::ActivityDiscard { .. }
            | Spdu::ExceptionData { .. }
            | Spdu::ExceptionReport(_) => {
                self.connection.ssdu = None;
                Ok(())
            }
            _ => Err("comes between the segments of an SSDU".into()),
        }
    }

    // ---- synchronization points and activities (section 5.8)

    /// A point is set, here or by the peer: V(M) grows; V(A) and Vsc follow who sets.
    fn set_point(&mut self, here: bool) {
        if self.connection.may_confirm == here {
            self.connection.unconfirmed = self.connection.next;
            self.connection.may_confirm = !here;
        }
        self.connection.next += 1;
    }

    fn is_unconfirmed(&self, serial: Serial) -> bool {
        // The last point is a major one while the end of the activity is to be confirmed.
        let ending = matches!(
            self.state,
            State::AwaitActivityEndAck | State::AwaitActivityEndResponse
        );
        let minor = self.connection.next.saturating_sub(u32::from(ending));
        (self.connection.unconfirmed..minor).contains(&serial.get())
    }

    fn begin_activity(&mut self, next: u32) {
        self.connection.activity = true;
        self.connection.next = next;
        self.connection.unconfirmed = next;
        self.connection.may_confirm = false;
    }

    fn end_activity(&mut self) {
        self.connection.activity = false;
        self.connection.unconfirmed = self.connection.next;
        self.enter(State::DataTransfer);
    }

    /// After an interrupt or discard every token is with who asked for it.
    fn stop_activity(&mut self, tokens: Tokens) {
        self.connection.activity = false;
        self.connection.tokens = tokens;
        self.connection.ssdu = None;
        self.enter(State::DataTransfer);
    }
}
