//! The server's side of a dialogue (RFC 5321 section 4.1.4), without I/O.
//!
//! [`Session::handle`] takes what happened and gives what to do, in order. It asks its owner about
//! senders, recipients and messages, and goes on with what the client pipelined (RFC 2920) when the
//! answer has come: one question is open at a time.

use bytes::{Bytes, BytesMut};

use crate::rfc822::{Envelope, Recipient, Status};

use super::command::{self, Command};
use super::config::Limits;
use super::lines::{CommandLines, DataLines};
use super::receive::{Accepted, Protocol, SessionInfo};
use super::reply::Reply;

/// Commands without a message, such as NOOP, before each further one counts as an error.
const IDLE_COMMANDS: u32 = 100;

/// What happened.
#[derive(Debug)]
pub enum Incoming {
    /// The client has connected.
    Connected,
    /// The client sent octets.
    Octets(BytesMut),
    /// The owner's answer to [`Outgoing::Mail`], [`Outgoing::Recipient`] or [`Outgoing::Data`].
    Decided(Result<(), Reply>),
    /// The owner will take no more of the message: [`Outgoing::Content`] is over for this one.
    ContentRefused(Reply),
    /// The owner's answer to [`Outgoing::End`].
    Ended(Result<Accepted, Reply>),
    /// The client was silent for too long.
    TimedOut,
    /// The service stops.
    ShuttingDown,
}

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// Send this.
    Reply(Reply),
    /// Ask whether this sender's mail may begin; answer with [`Incoming::Decided`].
    Mail(Envelope),
    /// Ask whether this recipient is accepted, beside those of [`Session::envelope`]; answer with
    /// [`Incoming::Decided`].
    Recipient(Recipient),
    /// A message begins; answer with [`Incoming::Decided`].
    Data(Envelope),
    /// More of the message.
    Content(Bytes),
    /// The message is whole; answer with [`Incoming::Ended`] once it is durable.
    End,
    /// Forget the message.
    Abandon,
    /// Close the connection after what is to be sent.
    Close,
}

/// What the owner waits for, and so which time-out of RFC 5321 section 4.5.3.2 runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// A command.
    Command,
    /// More of a message.
    Data,
    /// The owner's own answer.
    Answer,
    /// Nothing: it is over.
    Nothing,
}

/// A message on its way in.
#[derive(Debug, Default)]
struct Message {
    lines: DataLines,
    octets: u64,
    refused: Option<Reply>,
}

#[derive(Debug)]
enum State {
    /// Between commands.
    Commands,
    /// The owner is asked about the sender.
    AskingMail(Envelope),
    /// The owner is asked about a recipient.
    AskingRecipient(Recipient),
    /// The owner is asked to take a message.
    AskingData,
    /// The message comes.
    Data(Message),
    /// The owner makes the message durable.
    Ending,
    /// Over.
    Closed,
}

/// One client's session.
#[derive(Debug)]
pub struct Session {
    name: String,
    limits: Limits,
    info: SessionInfo,
    state: State,
    /// The mail transaction, from MAIL to DATA.
    envelope: Option<Envelope>,
    /// Recipients asked about in this transaction.
    asked: usize,
    input: BytesMut,
    lines: CommandLines,
    errors: u32,
    idle_commands: u32,
    shutting_down: bool,
}

impl Session {
    /// A session of the server called `name` with a client at `info`.
    #[must_use]
    pub fn new(name: impl Into<String>, limits: Limits, info: SessionInfo) -> Self {
        Self {
            name: name.into(),
            lines: CommandLines::new(limits.line),
            limits,
            info,
            state: State::Commands,
            envelope: None,
            asked: 0,
            input: BytesMut::new(),
            errors: 0,
            idle_commands: 0,
            shutting_down: false,
        }
    }

    /// What is known of the client.
    #[must_use]
    pub fn info(&self) -> &SessionInfo {
        &self.info
    }

    /// The mail transaction: its sender and the recipients accepted so far.
    #[must_use]
    pub fn envelope(&self) -> Option<&Envelope> {
        self.envelope.as_ref()
    }

    /// What the session waits for.
    #[must_use]
    pub fn waiting(&self) -> Waiting {
        match self.state {
            State::Commands => Waiting::Command,
            State::Data(_) => Waiting::Data,
            State::AskingMail(_) | State::AskingRecipient(_) | State::AskingData => Waiting::Answer,
            State::Ending => Waiting::Answer,
            State::Closed => Waiting::Nothing,
        }
    }

    /// Takes what happened; gives what to do.
    #[must_use]
    pub fn handle(&mut self, incoming: Incoming) -> Vec<Outgoing> {
        let mut out = Vec::new();
        match incoming {
            Incoming::Connected => {
                let text = format!("{} ESMTP mixgate, the X.400 gateway", self.name);
                out.push(Outgoing::Reply(Reply::plain(220, &text)));
            }
            Incoming::Octets(octets) => {
                if self.input.is_empty() {
                    self.input = octets;
                } else {
                    self.input.extend_from_slice(&octets);
                }
            }
            Incoming::Decided(answer) => self.decided(answer, &mut out),
            Incoming::ContentRefused(reply) => {
                if let State::Data(message) = &mut self.state {
                    message.refused.get_or_insert(reply);
                }
            }
            Incoming::Ended(answer) => self.ended(answer, &mut out),
            Incoming::TimedOut => {
                let text = "Nothing came for too long; closing";
                self.close(Reply::new(421, Status(4, 4, 2), text), &mut out);
            }
            Incoming::ShuttingDown => self.shutting_down = true,
        }
        self.turn(&mut out);
        out
    }

    /// Goes through the input until it is used up or an answer is needed.
    fn turn(&mut self, out: &mut Vec<Outgoing>) {
        loop {
            match &mut self.state {
                State::Commands if self.shutting_down => {
                    let text = format!("{} is going down; come back soon", self.name);
                    self.close(Reply::new(421, Status(4, 3, 2), &text), out);
                }
                State::Commands => match self.lines.next(&mut self.input) {
                    Some(Ok(line)) => match command::parse(&line) {
                        Ok(command) => self.command(command, out),
                        Err(reply) => self.refuse(reply, out),
                    },
                    Some(Err(fault)) => {
                        self.refuse(Reply::new(500, Status(5, 5, 2), &fault.to_string()), out);
                    }
                    None => return,
                },
                State::Data(message) => {
                    if self.input.is_empty() {
                        return;
                    }
                    let content = message.lines.next(&mut self.input);
                    message.octets += content.len() as u64;
                    self.content(content, out);
                }
                _ => return,
            }
        }
    }

    fn command(&mut self, command: Command, out: &mut Vec<Outgoing>) {
        if matches!(
            command,
            Command::Noop
                | Command::Rset
                | Command::Vrfy(_)
                | Command::Help
                | Command::Helo(_)
                | Command::Ehlo(_)
        ) && !self.may_idle()
        {
            let text = "Commands without mail are limited";
            return self.refuse(Reply::new(450, Status(4, 7, 1), text), out);
        }
        let reply = match command {
            Command::Helo(name) => {
                self.begin(name, Protocol::Smtp);
                Reply::plain(
                    250,
                    &format!("{} greets {}", self.name, self.info.peer.ip()),
                )
            }
            Command::Ehlo(name) => {
                self.begin(name, Protocol::Esmtp);
                let size = self.limits.message_size;
                let text = format!(
                    "{} greets {}\nPIPELINING\nSIZE {size}\n8BITMIME\nENHANCEDSTATUSCODES\nDSN\nHELP",
                    self.name,
                    self.info.peer.ip(),
                );
                Reply::plain(250, &text)
            }
            Command::Mail(envelope) => return self.mail(*envelope, out),
            Command::Rcpt(recipient) => return self.recipient(*recipient, out),
            Command::Data => return self.data(out),
            Command::Rset => {
                self.envelope = None;
                Reply::new(250, Status(2, 0, 0), "Forgotten")
            }
            Command::Noop => Reply::new(250, Status(2, 0, 0), "Still here"),
            Command::Vrfy(_) => Reply::new(
                252,
                Status(2, 0, 0),
                "Only RCPT tells whether mail for an address is taken",
            ),
            Command::Help => Reply::new(
                214,
                Status(2, 0, 0),
                "A message is sent so, each line answered before the next:\n\
                 EHLO your.name\n\
                 MAIL FROM:<you@your.name>\n\
                 RCPT TO:<\"/S=Surname/O=Company/ADMD=x/C=GB/\"@gateway>   (once or more)\n\
                 DATA   (the message follows, then a line with a single dot)\n\
                 QUIT\n\
                 Also: HELO RSET NOOP VRFY HELP. See RFC 5321 and RFC 2156.",
            ),
            Command::Quit => {
                let text = format!("{} says goodbye", self.name);
                return self.close(Reply::new(221, Status(2, 0, 0), &text), out);
            }
            Command::Http => {
                let text = "This is SMTP, not HTTP";
                return self.close(Reply::new(554, Status(5, 5, 1), text), out);
            }
        };
        out.push(Outgoing::Reply(reply));
    }

    /// HELO or EHLO: the session begins anew (4.1.4).
    fn begin(&mut self, name: String, protocol: Protocol) {
        self.envelope = None;
        self.info.helo = name;
        self.info.protocol = protocol;
    }

    fn mail(&mut self, envelope: Envelope, out: &mut Vec<Outgoing>) {
        let sequence = |text: &str| Reply::new(503, Status(5, 5, 1), text);
        if self.info.helo.is_empty() {
            return self.refuse(sequence("Say EHLO first"), out);
        }
        if self.envelope.is_some() {
            return self.refuse(sequence("A sender is already given; RSET forgets it"), out);
        }
        let limit = self.limits.message_size;
        if envelope.size.is_some_and(|size| size > limit) {
            return out.push(Outgoing::Reply(too_large(limit)));
        }
        self.state = State::AskingMail(envelope.clone());
        out.push(Outgoing::Mail(envelope));
    }

    fn recipient(&mut self, recipient: Recipient, out: &mut Vec<Outgoing>) {
        if self.envelope.is_none() {
            let reply = Reply::new(503, Status(5, 5, 1), "Say MAIL first");
            return self.refuse(reply, out);
        }
        if self.asked >= self.limits.recipients {
            let text = format!(
                "{} recipients at once; send the rest again",
                self.limits.recipients
            );
            return out.push(Outgoing::Reply(Reply::new(452, Status(4, 5, 3), &text)));
        }
        self.asked += 1;
        out.push(Outgoing::Recipient(recipient.clone()));
        self.state = State::AskingRecipient(recipient);
    }

    fn data(&mut self, out: &mut Vec<Outgoing>) {
        let sequence = |code, text: &str| Reply::new(code, Status(5, 5, 1), text);
        match self.envelope.take() {
            None => self.refuse(sequence(503, "Say MAIL and RCPT first"), out),
            Some(envelope) if envelope.recipients.is_empty() => {
                let reply = match self.asked {
                    0 => sequence(503, "Say RCPT first"),
                    _ => sequence(554, "No recipient was accepted"),
                };
                self.envelope = Some(envelope);
                self.refuse(reply, out);
            }
            // RFC 2920 section 3.1: DATA is the last of a group, for its answer decides what the
            // following octets are. Whoever does not wait may be smuggling.
            Some(_) if !self.input.is_empty() => {
                let text = "Octets came between DATA and its reply (RFC 2920 section 3.1)";
                self.close(Reply::new(554, Status(5, 5, 0), text), out);
            }
            Some(envelope) => {
                out.push(Outgoing::Data(envelope));
                self.state = State::AskingData;
            }
        }
    }

    fn decided(&mut self, answer: Result<(), Reply>, out: &mut Vec<Outgoing>) {
        let refusal = answer.as_ref().err().cloned().map(refusing);
        match std::mem::replace(&mut self.state, State::Commands) {
            State::AskingMail(envelope) => {
                out.push(Outgoing::Reply(refusal.clone().unwrap_or_else(|| {
                    let from = path(envelope.reverse_path.as_ref());
                    Reply::new(250, Status(2, 1, 0), &format!("{from} may send"))
                })));
                if refusal.is_none() {
                    self.asked = 0;
                    self.envelope = Some(envelope);
                }
            }
            State::AskingRecipient(recipient) => {
                out.push(Outgoing::Reply(refusal.clone().unwrap_or_else(|| {
                    let to = path(Some(&recipient.forward_path));
                    Reply::new(250, Status(2, 1, 5), &format!("{to} will have it"))
                })));
                if refusal.is_some() {
                    if !self.may_idle() {
                        self.count_error(out);
                    }
                } else if let Some(envelope) = &mut self.envelope {
                    envelope.recipients.push(recipient);
                }
            }
            State::AskingData => match refusal {
                None => {
                    let text = "Send the message; a line with a single dot ends it";
                    out.push(Outgoing::Reply(Reply::plain(354, text)));
                    self.state = State::Data(Message::default());
                }
                Some(reply) => out.push(Outgoing::Reply(reply)),
            },
            other => self.state = other,
        }
    }

    /// More of a message came; perhaps its end.
    fn content(&mut self, content: Bytes, out: &mut Vec<Outgoing>) {
        let limit = self.limits.message_size;
        let State::Data(message) = &mut self.state else {
            return;
        };
        let fault = message.lines.fault();
        if message.refused.is_none() {
            if let Some(fault) = fault {
                let text = format!("The message holds a {fault}");
                message.refused = Some(Reply::new(554, Status(5, 5, 2), &text));
            } else if message.octets > limit {
                message.refused = Some(too_large(limit));
            } else if !content.is_empty() {
                out.push(Outgoing::Content(content));
            }
            if message.refused.is_some() {
                out.push(Outgoing::Abandon);
            }
        }
        if !message.lines.ended() {
            return;
        }
        match message.refused.clone() {
            None => {
                self.state = State::Ending;
                out.push(Outgoing::End);
            }
            // Whoever relays bare line ends may see the end of the message elsewhere than we do:
            // what follows is not to be taken for commands.
            Some(reply) if fault.is_some() => self.close(reply, out),
            Some(reply) => {
                self.state = State::Commands;
                out.push(Outgoing::Reply(reply));
            }
        }
    }

    fn ended(&mut self, answer: Result<Accepted, Reply>, out: &mut Vec<Outgoing>) {
        if !matches!(self.state, State::Ending) {
            return;
        }
        self.state = State::Commands;
        out.push(Outgoing::Reply(match answer {
            Ok(Accepted { id }) => {
                (self.errors, self.idle_commands) = (0, 0);
                Reply::new(250, Status(2, 0, 0), &format!("{id} is safe with us"))
            }
            Err(reply) => refusing(reply),
        }));
    }

    /// Counts a command that brings no mail; false when there were too many of a stranger.
    fn may_idle(&mut self) -> bool {
        self.idle_commands = self.idle_commands.saturating_add(1);
        self.info.trusted || self.idle_commands <= IDLE_COMMANDS
    }

    /// Replies to a command that is wrong.
    fn refuse(&mut self, reply: Reply, out: &mut Vec<Outgoing>) {
        out.push(Outgoing::Reply(reply));
        self.count_error(out);
    }

    fn count_error(&mut self, out: &mut Vec<Outgoing>) {
        self.errors = self.errors.saturating_add(1);
        if self.errors >= self.limits.errors {
            let text = "Too many errors; closing";
            self.close(Reply::new(421, Status(4, 7, 0), text), out);
        }
    }

    fn close(&mut self, reply: Reply, out: &mut Vec<Outgoing>) {
        if matches!(self.state, State::Closed) {
            return;
        }
        if matches!(&self.state, State::Data(message) if message.refused.is_none()) {
            out.push(Outgoing::Abandon);
        }
        self.state = State::Closed;
        self.input.clear();
        self.envelope = None;
        out.push(Outgoing::Reply(reply));
        out.push(Outgoing::Close);
    }
}

/// An owner's refusal, which must not read as consent.
fn refusing(reply: Reply) -> Reply {
    if reply.is_positive() {
        return Reply::new(451, Status(4, 3, 0), "The service could not decide");
    }
    reply
}

fn too_large(limit: u64) -> Reply {
    let text = format!("At most {limit} octets are taken (RFC 1870)");
    Reply::new(552, Status(5, 3, 4), &text)
}

fn path(address: Option<&crate::rfc822::AddrSpec>) -> String {
    address.map_or_else(|| "<>".to_owned(), |address| format!("<{address}>"))
}

#[cfg(test)]
mod tests;
