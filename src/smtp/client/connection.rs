//! One connection to a peer: its opening, and mail transactions over it (RFC 5321 sections 3.1 to
//! 3.3, pipelined by RFC 2920).

use std::error::Error as _;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use lettre::transport::smtp::Error as LettreError;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::octets::Octets;
use crate::rfc822::envelope::BodyType;
use crate::rfc822::{Envelope, Status};

use super::stuffing::Stuffing;
use super::tap::Tap;
use super::{Answer, Capabilities, Outcome};
use crate::smtp::config::{Destination, Timeouts};
use crate::smtp::reply::Reply;

/// Commands sent before their replies are read, so that neither side's buffers fill up while both
/// write (RFC 2920 section 3.1).
const GROUP: usize = 100;
/// Octets of content written at a time.
const BLOCK: usize = 64 * 1024;

/// The connection is of no more use, or never was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub status: Status,
    pub text: String,
    pub reply: Option<Reply>,
    pub peer: String,
}

/// A connection between transactions.
pub(super) struct Connection {
    smtp: AsyncSmtpConnection,
    tap: Tap,
    timeouts: Timeouts,
    pub capabilities: Capabilities,
    pub peer: String,
    /// Whether another transaction may follow.
    pub usable: bool,
    /// Messages given over this connection.
    pub messages: u32,
}

/// A command of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Mail,
    Rcpt(usize),
    Data,
}

impl Connection {
    /// Connects, hears the greeting and says EHLO, or HELO to whom knows no better.
    pub async fn open(to: &Destination, name: &str, timeouts: &Timeouts) -> Result<Self, Fault> {
        match Self::open_with(to, name, timeouts, true).await {
            // Some very old servers hang up at EHLO (RFC 5321 section 3.2).
            Err((_, true)) => Self::open_with(to, name, timeouts, false)
                .await
                .map_err(|(f, _)| f),
            done => done.map_err(|(fault, _)| fault),
        }
    }

    /// As [`Connection::open`]; the flag of an error says that the peer hung up at EHLO.
    async fn open_with(
        to: &Destination,
        name: &str,
        timeouts: &Timeouts,
        extended: bool,
    ) -> Result<Self, (Fault, bool)> {
        let (stream, address) = connect(to, timeouts)
            .await
            .map_err(|fault| (fault, false))?;
        let peer = if to.host == address.ip().to_string() {
            to.to_string()
        } else {
            format!("{}[{}]:{}", to.host, address.ip(), to.port)
        };
        let fault = |status, text: &str, reply| Fault {
            status,
            text: text.to_owned(),
            reply,
            peer: peer.clone(),
        };
        let tap = Tap::new(stream, address);
        let id = ClientId::Domain("opening".to_owned());
        let smtp = AsyncSmtpConnection::connect_with_transport(Box::new(tap.clone()), &id).await;
        let smtp = smtp.map_err(|e| (fault(Status(4, 4, 2), &reason(&e), None), false))?;
        tap.go_live();
        let mut connection = Self {
            smtp,
            tap,
            timeouts: timeouts.clone(),
            capabilities: Capabilities::default(),
            peer: peer.clone(),
            usable: true,
            messages: 0,
        };
        let greeting = connection
            .hear(timeouts.greeting)
            .await
            .map_err(|f| (f, false))?;
        if greeting.code() != 220 {
            let status = if greeting.code() == 521 {
                Status(5, 3, 2)
            } else {
                Status(4, 3, 2)
            };
            return Err((
                fault(status, "turned us away at the greeting", Some(greeting)),
                false,
            ));
        }
        if extended {
            let reply = connection
                .say(format!("EHLO {name}\r\n"), timeouts.reply)
                .await;
            let hung_up = |fault: &Fault| fault.status == Status(4, 4, 2);
            let reply = reply.map_err(|fault| (fault.clone(), hung_up(&fault)))?;
            if reply.code() == 250 {
                connection.capabilities = Capabilities::read(&reply);
                return Ok(connection);
            }
            if !reply.is_permanent() {
                return Err((
                    fault(Status(4, 3, 2), "turned us away at EHLO", Some(reply)),
                    false,
                ));
            }
        }
        let reply = connection
            .say(format!("HELO {name}\r\n"), timeouts.reply)
            .await;
        let reply = reply.map_err(|fault| (fault, false))?;
        if reply.code() != 250 {
            return Err((
                fault(Status(4, 3, 2), "turned us away at HELO", Some(reply)),
                false,
            ));
        }
        Ok(connection)
    }

    /// Whether the peer is still there and waits for us.
    pub fn is_ready(&self) -> bool {
        self.usable && self.tap.is_quiet()
    }

    /// Says goodbye.
    pub async fn quit(mut self) {
        if self.usable {
            let _ = self.say("QUIT\r\n".to_owned(), 5).await;
        }
        let _ = timeout(Duration::from_secs(1), self.tap.shutdown()).await;
    }

    /// Gives the peer a message.
    ///
    /// # Errors
    /// If the connection broke, or the peer bade us farewell, before it answered MAIL: the same
    /// may be tried over a new connection.
    pub async fn transact(
        &mut self,
        envelope: &Envelope,
        content: &Octets,
    ) -> Result<Vec<Outcome>, Fault> {
        let mut progress = Progress {
            mail: None,
            accepted: Vec::new(),
            outcomes: vec![None; envelope.recipients.len()],
        };
        let mut steps = vec![(Step::Mail, self.capabilities.mail(envelope, content.len()))];
        if let Some(outcome) = self.unsayable(envelope, content) {
            progress.settle(&outcome);
        }
        for (at, recipient) in envelope.recipients.iter().enumerate() {
            if !recipient.forward_path.is_ascii() && !self.capabilities.smtputf8 {
                let text = "the peer takes no address beyond US-ASCII (RFC 6531)";
                progress.decide(at, Outcome::Never(self.answer(Status(5, 6, 7), text)));
            }
            if matches!(progress.outcomes.get(at), Some(None)) {
                steps.push((Step::Rcpt(at), self.capabilities.rcpt(recipient)));
            }
        }
        if steps.len() > 1 {
            steps.push((Step::Data, "DATA\r\n".to_owned()));
            self.messages += 1;
            if let Err(fault) = self.run(&steps, content, &mut progress).await {
                self.usable = false;
                if progress.mail.is_none() {
                    return Err(fault);
                }
                progress.settle(&Outcome::Later(self.failed(fault)));
            }
        }
        let text = "the transaction ended without an answer for this recipient";
        progress.settle(&Outcome::Later(self.answer(Status(4, 5, 0), text)));
        Ok(progress.outcomes.into_iter().flatten().collect())
    }

    /// Goes through the commands of a transaction and, if somebody is to receive it, the content.
    async fn run(
        &mut self,
        steps: &[(Step, String)],
        content: &Octets,
        progress: &mut Progress,
    ) -> Result<(), Fault> {
        let group = if self.capabilities.pipelining {
            GROUP
        } else {
            1
        };
        let mut data = None;
        for group in steps.chunks(group) {
            let refused = progress
                .mail
                .as_ref()
                .is_some_and(|mail| !mail.is_positive());
            let nobody = progress.accepted.is_empty();
            if refused || (nobody && matches!(group, [(Step::Data, _)])) {
                break;
            }
            let mut unsent: String = group.iter().map(|(_, command)| command.as_str()).collect();
            for (step, _) in group {
                let patience = match step {
                    Step::Data => self.timeouts.data_initiation,
                    _ => self.timeouts.reply,
                };
                let reply = if unsent.is_empty() {
                    self.hear(patience).await?
                } else {
                    self.say(std::mem::take(&mut unsent), patience).await?
                };
                if *step != Step::Data && reply.code() / 100 == 3 {
                    return Err(self.fault(Status(4, 5, 0), &format!("answered with {reply}")));
                }
                match step {
                    Step::Mail if reply.code() == 421 => return Err(self.farewell(reply)),
                    Step::Mail => progress.mail = Some(reply),
                    Step::Rcpt(at) => self.recipient(*at, reply, progress),
                    Step::Data => data = Some(reply),
                }
            }
        }
        if let Some(mail) = progress.mail.clone().filter(|mail| !mail.is_positive()) {
            progress.settle(&self.outcome(mail));
        }
        match data {
            Some(reply) if reply.code() == 354 => return self.content(content, progress).await,
            Some(reply) if reply.is_positive() => {
                let text = format!("answered DATA with {reply}");
                return Err(self.fault(Status(4, 5, 0), &text));
            }
            Some(reply) => progress.settle(&self.outcome(reply)),
            None => {}
        }
        // The peer may still hold the sender and recipients.
        let reply = self.say("RSET\r\n".to_owned(), self.timeouts.reply).await?;
        self.usable &= reply.code() == 250;
        Ok(())
    }

    /// What the reply to RCPT means.
    fn recipient(&mut self, at: usize, reply: Reply, progress: &mut Progress) {
        let mail_refused = progress
            .mail
            .as_ref()
            .is_some_and(|mail| !mail.is_positive());
        if mail_refused {
            // That reply is 503; the one to MAIL says why.
        } else if reply.is_positive() {
            progress.accepted.push(at);
        } else {
            // 552 is how older servers say "too many recipients" (RFC 5321 section 4.5.3.1.10).
            let too_many = reply.code() == 552
                && !progress.accepted.is_empty()
                && reply
                    .status()
                    .is_none_or(|status| status == Status(5, 5, 3));
            let outcome = if too_many {
                let mut answer = self.said(reply, 4);
                answer.status = Status(4, 5, 3);
                Outcome::Later(answer)
            } else {
                self.outcome(reply)
            };
            progress.decide(at, outcome);
        }
    }

    /// Sends the content after 354, and hears what became of it.
    async fn content(&mut self, content: &Octets, progress: &mut Progress) -> Result<(), Fault> {
        // RFC 2920 section 3.1: DATA was sent ahead and accepted though no recipient was.
        let empty = Octets::new();
        let content = if progress.accepted.is_empty() {
            &empty
        } else {
            content
        };
        if let Err(fault) = self.stream(content).await {
            // Who stops listening has often said why.
            match self.hear(5).await {
                Ok(reply) if !reply.is_positive() => progress.settle(&self.outcome(reply)),
                _ => {}
            }
            return Err(fault);
        }
        let reply = self.hear(self.timeouts.data_termination).await?;
        self.usable &= reply.code() != 421;
        if reply.code() / 100 == 3 {
            return Err(self.fault(Status(4, 5, 0), "answered the message with 3yz"));
        }
        progress.settle(&self.outcome(reply));
        Ok(())
    }

    /// Writes the content a block at a time.
    async fn stream(&mut self, content: &Octets) -> Result<(), Fault> {
        let (mut stuffing, mut wire) = (Stuffing::default(), Vec::with_capacity(2 * BLOCK));
        for chunk in content.chunks() {
            for block in chunk.chunks(BLOCK) {
                stuffing.push(block, &mut wire);
                if wire.len() >= BLOCK {
                    self.write(&wire).await?;
                    wire.clear();
                }
            }
        }
        stuffing.end(&mut wire);
        self.write(&wire).await
    }

    async fn write(&mut self, wire: &[u8]) -> Result<(), Fault> {
        let writing = async {
            self.tap.write_all(wire).await?;
            self.tap.flush().await
        };
        let done = timeout(Timeouts::span(self.timeouts.data_write), writing).await;
        done.unwrap_or_else(|_| Err(io::Error::other("took no more of the message in time")))
            .map_err(|fault| self.fault(Status(4, 4, 2), &fault.to_string()))
    }

    /// Why this message cannot be said to this peer at all, if so.
    fn unsayable(&self, envelope: &Envelope, content: &Octets) -> Option<Outcome> {
        let offers = &self.capabilities;
        let from = envelope.reverse_path.as_ref();
        let (status, text) = if envelope.body == BodyType::EightBitMime && !offers.eight_bit_mime {
            (
                Status(5, 6, 3),
                "the peer takes no 8-bit content (RFC 6152)".to_owned(),
            )
        } else if from.is_some_and(|from| !from.is_ascii()) && !offers.smtputf8 {
            (
                Status(5, 6, 7),
                "the peer takes no sender beyond US-ASCII (RFC 6531)".to_owned(),
            )
        } else {
            let most = offers
                .size
                .flatten()
                .filter(|most| *most > 0 && content.len() > *most)?;
            (
                Status(5, 3, 4),
                format!("the peer takes at most {most} octets (RFC 1870)"),
            )
        };
        Some(Outcome::Never(self.answer(status, &text)))
    }

    /// Sends commands and hears the reply to the first.
    async fn say(&mut self, commands: String, seconds: u64) -> Result<Reply, Fault> {
        let reply = timeout(Timeouts::span(seconds), self.smtp.command(commands)).await;
        self.reply(reply.ok())
    }

    /// Hears the next reply.
    async fn hear(&mut self, seconds: u64) -> Result<Reply, Fault> {
        let reply = timeout(Timeouts::span(seconds), self.smtp.read_response()).await;
        self.reply(reply.ok())
    }

    fn reply(&mut self, reply: Option<Result<Response, LettreError>>) -> Result<Reply, Fault> {
        let reply = match reply {
            Some(Ok(response)) => Reply::received(response.code().into(), response.message()),
            Some(Err(error)) => match error.status() {
                Some(code) => Reply::received(code.into(), [reason(&error).as_str()]),
                None => {
                    self.usable = false;
                    return Err(self.fault(Status(4, 4, 2), &reason(&error)));
                }
            },
            None => {
                self.usable = false;
                return Err(self.fault(Status(4, 4, 1), "said nothing in time"));
            }
        };
        self.usable &= reply.code() != 421;
        Ok(reply)
    }

    /// The outcome that a final reply means.
    fn outcome(&self, reply: Reply) -> Outcome {
        if reply.is_permanent() {
            Outcome::Never(self.said(reply, 5))
        } else if reply.is_positive() {
            Outcome::Delivered(self.said(reply, 2))
        } else {
            Outcome::Later(self.said(reply, 4))
        }
    }

    /// An answer by a reply; without a status of its own it has the general one of `class`.
    fn said(&self, reply: Reply, class: u8) -> Answer {
        let own = reply.status().filter(|status| status.0 == class);
        Answer {
            reply: Some(reply.clone()),
            ..self.answer(own.unwrap_or(Status(class, 0, 0)), &reply.to_string())
        }
    }

    /// An answer of our own.
    fn answer(&self, status: Status, text: &str) -> Answer {
        Answer {
            status,
            reply: None,
            text: text.to_owned(),
            peer: self.peer.clone(),
            dsn: self.capabilities.dsn,
        }
    }

    fn fault(&self, status: Status, text: &str) -> Fault {
        Fault {
            status,
            text: text.to_owned(),
            reply: None,
            peer: self.peer.clone(),
        }
    }

    fn farewell(&self, reply: Reply) -> Fault {
        Fault {
            reply: Some(reply.clone()),
            ..self.fault(
                reply.status().unwrap_or(Status(4, 3, 2)),
                &reply.to_string(),
            )
        }
    }

    fn failed(&self, fault: Fault) -> Answer {
        Answer {
            dsn: self.capabilities.dsn,
            ..Answer::from(fault)
        }
    }
}

/// How far a transaction has come.
struct Progress {
    /// The reply to MAIL.
    mail: Option<Reply>,
    /// The recipients the peer accepted, whose outcome is that of the content.
    accepted: Vec<usize>,
    outcomes: Vec<Option<Outcome>>,
}

impl Progress {
    fn decide(&mut self, at: usize, outcome: Outcome) {
        if let Some(place) = self.outcomes.get_mut(at) {
            place.get_or_insert(outcome);
        }
    }

    /// Decides for all that are not decided.
    fn settle(&mut self, outcome: &Outcome) {
        for place in &mut self.outcomes {
            place.get_or_insert_with(|| outcome.clone());
        }
    }
}

/// Connects to the first address of `to` that answers.
async fn connect(to: &Destination, timeouts: &Timeouts) -> Result<(TcpStream, SocketAddr), Fault> {
    let fault = |status, text: String| Fault {
        status,
        text,
        reply: None,
        peer: to.to_string(),
    };
    let found = tokio::net::lookup_host((to.host.as_str(), to.port));
    let found = within(timeouts.connect, found).await;
    let found = found.map_err(|f| fault(Status(4, 4, 3), format!("cannot be looked up: {f}")))?;
    let mut last = fault(Status(4, 4, 3), "has no address".to_owned());
    for address in found {
        match within(timeouts.connect, TcpStream::connect(address)).await {
            Ok(stream) => {
                let _ = stream.set_nodelay(true);
                return Ok((stream, address));
            }
            Err(f) => {
                last = fault(
                    Status(4, 4, 1),
                    format!("cannot be reached at {address}: {f}"),
                )
            }
        }
    }
    Err(last)
}

async fn within<T>(seconds: u64, action: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let done = timeout(Timeouts::span(seconds), action).await;
    done.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// What lies behind an error of lettre: the text of a reply, or of the system; in one short line,
/// for it may quote the peer.
fn reason(error: &LettreError) -> String {
    let text = match error.source() {
        Some(source) => source.to_string(),
        None => error.to_string(),
    };
    let line = text.chars().take(1000);
    line.map(|c| if c.is_control() { '?' } else { c }).collect()
}
