//! The four roads out: mail to X.400, X.400 to mail, and each side to itself where that is allowed.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;

use super::Deliverer;
use super::attempt::{End, EndKind};
use super::relayed::relayed;
use crate::gateway::quarantine::{self, Broke};
use crate::gateway::route::{QUARANTINE, SMTP, Side, UNREACHABLE};
use crate::gateway::rules::{Placed, REPORT, Rules, refusal};
use crate::gateway::{clock, wire};
use crate::mixer::address::Attributes;
use crate::mixer::context::Context;
use crate::mixer::outcome::{RecipientMapping, RecipientOutcome, Refusal, Unconverted};
use crate::mixer::to_x400::Addressed;
use crate::mixer::{to_rfc822, to_x400};
use crate::octets::Octets;
use crate::queue::{
    Claim, Identifier, IdentifierKind, Item, ItemId, Mail, Origin, Recipient, Transfer,
    TransferKind,
};
use crate::rfc822::{AddrSpec, Envelope, Header, Status, date};
use crate::smtp::Outcome as SmtpOutcome;
use crate::smtp::client::Answer;

/// Hosts that mail may have passed (RFC 5321 section 6.3 asks for 100 at least).
const MOST_HOPS: usize = 100;

/// What came of sending: an end for each recipient, and by what names others know the message.
#[derive(Debug, Default)]
pub(super) struct Sent {
    pub ends: Vec<End>,
    pub identifiers: Vec<Identifier>,
    /// An item to be taken in the same commit, with its body: what takes the place of one out of
    /// quarantine, or a second APDU.
    pub queued: Option<(Item, Bytes)>,
}

impl From<Vec<End>> for Sent {
    fn from(ends: Vec<End>) -> Self {
        Self {
            ends,
            ..Self::default()
        }
    }
}

impl Deliverer {
    /// Converts and sends; says how it ended for every recipient of the claim.
    pub(super) async fn send_on(&self, rules: &Arc<Rules>, claim: &Claim, body: &Bytes) -> Sent {
        let to_smtp = claim.route == SMTP;
        match &claim.item.origin {
            _ if claim.route == UNREACHABLE => unreachable(rules, claim).into(),
            _ if claim.route == QUARANTINE => released(rules, claim, body),
            Origin::Transfer(transfer) if transfer.latest.is_some_and(|at| at < clock::now()) => {
                End::all(claim, &late()).into()
            }
            Origin::Transfer(transfer) if to_smtp && transfer.kind == TransferKind::Probe => {
                probe(rules, claim, body).await.into()
            }
            Origin::Mail(mail) if to_smtp => self.relay_mail(rules, claim, mail, body).await.into(),
            Origin::Mail(mail) => self.to_x400(rules, claim, mail, body).await,
            Origin::Transfer(_) if to_smtp => self.to_rfc822(rules, claim, body).await,
            Origin::Transfer(_) => self.relay_transfer(rules, claim, body).await.into(),
        }
    }

    /// Mail to X.400 (RFC 2156 section 5.1).
    async fn to_x400(&self, rules: &Arc<Rules>, claim: &Claim, mail: &Mail, body: &Bytes) -> Sent {
        // The places in the envelope are the numbers of the recipients: they never change.
        let places = claimed(claim);
        let numbers: Vec<u32> = (0..)
            .zip(&mail.envelope.recipients)
            .map(|(number, _)| number)
            .filter(|number| places.contains(number))
            .collect();
        let (envelope, octets) = (mail.envelope.clone(), body.clone());
        let converted = convert(rules, claim, move |context| {
            let ours = &|place| u32::try_from(place).is_ok_and(|place| places.contains(&place));
            let envelope = &envelope;
            to_x400::copy(context, &Addressed { envelope, ours }, &octets)
        });
        let message = match converted.await {
            Ok(message) => message,
            Err(end) => return End::all(claim, &end).into(),
        };
        let mut ends = Vec::new();
        let mut mapped = Vec::new();
        for (number, entry) in numbers.iter().zip(&message.ledger.recipients) {
            match entry.outcome {
                RecipientOutcome::Mapped => mapped.push(*number),
                RecipientOutcome::Refused => ends.push(not_mapped(*number, Some(entry))),
            }
        }
        let identifiers = vec![Identifier::new(
            IdentifierKind::MtsIdentifier,
            wire::identifier_text(&message.identifiers.mts),
        )];
        let mut queued = None;
        if !mapped.is_empty() {
            let end = self.transfer(rules, claim, &|_| message.apdu.clone()).await;
            if let (EndKind::Delivered { .. }, Some(apdu)) = (end.kind, message.further) {
                queued = Some((further(claim, &mapped), apdu.to_bytes()));
            }
            ends.extend(end.each(mapped));
        }
        Sent {
            ends,
            identifiers,
            queued,
        }
    }

    /// X.400 to mail (RFC 2156 section 5.3).
    async fn to_rfc822(&self, rules: &Arc<Rules>, claim: &Claim, body: &Bytes) -> Sent {
        let octets = body.clone();
        let converted = convert(rules, claim, move |context| {
            to_rfc822::message(context, &octets)
        });
        let message = match converted.await {
            Ok(message) => message,
            Err(end) => return End::all(claim, &end).into(),
        };
        let places = claimed(claim);
        let (recipients, numbers): (Vec<_>, Vec<u32>) = message
            .envelope
            .recipients
            .into_iter()
            .zip(&message.recipient_numbers)
            .filter_map(|(recipient, number)| Some((recipient, u32::try_from(*number).ok()?)))
            .filter(|(_, number)| places.contains(number))
            .unzip();
        let sent: BTreeSet<u32> = numbers.iter().copied().collect();
        let identifiers = message.identifiers.message_id.iter();
        let identifiers = identifiers
            .map(|id| Identifier::new(IdentifierKind::MessageId, id.clone()))
            .collect();
        let mut ends: Vec<End> = claim
            .item
            .recipients
            .iter()
            .filter(|recipient| !sent.contains(&recipient.number))
            .map(|recipient| {
                let mut entries = message.ledger.recipients.iter();
                let entry = entries.find(|entry| entry.address == recipient.address);
                not_mapped(recipient.number, entry)
            })
            .collect();
        if !numbers.is_empty() {
            let Some(relay) = &rules.config.smtp.relay else {
                return End::all(claim, &no_relay()).into();
            };
            let mut envelope = Envelope {
                recipients,
                ..message.envelope
            };
            for recipient in &mut envelope.recipients {
                let postmaster = rules.postmaster(&recipient.forward_path);
                if let Some(Ok(postmaster)) = postmaster.map(str::parse) {
                    recipient.forward_path = postmaster;
                }
            }
            ends.extend(outcomes(
                &numbers,
                self.smtp.send(relay, &envelope, &message.mail).await,
            ));
        }
        Sent {
            ends,
            identifiers,
            ..Sent::default()
        }
    }

    /// X.400 to X.400: the content untouched, our trace added (X.411 clause 14.3.1).
    async fn relay_transfer(&self, rules: &Arc<Rules>, claim: &Claim, body: &Bytes) -> Vec<End> {
        let (relayed, mut ends) = match relayed(rules, claim, body) {
            Ok(relayed) => relayed,
            Err(end) => return End::all(claim, &end),
        };
        if !relayed.recipients.is_empty() {
            let apdu = |attempted: Option<&str>| relayed.octets(attempted);
            let end = self.transfer(rules, claim, &apdu).await;
            ends.extend(end.each(relayed.recipients.iter().copied()));
        }
        ends
    }

    /// Mail to mail: our trace on top, the envelope as it came.
    async fn relay_mail(
        &self,
        rules: &Rules,
        claim: &Claim,
        mail: &Mail,
        body: &Bytes,
    ) -> Vec<End> {
        let Some(relay) = &rules.config.smtp.relay else {
            return End::all(claim, &no_relay());
        };
        if is_looping(body) {
            let text = format!("it has passed more than {MOST_HOPS} hosts: a loop");
            return End::all(
                claim,
                &End {
                    codes: Some((1, Some(3))),
                    ..End::never(Status(5, 4, 6), text)
                },
            );
        }
        let mut envelope = Envelope {
            recipients: Vec::new(),
            ..mail.envelope.clone()
        };
        let mut numbers = Vec::new();
        let mut ends = Vec::new();
        for claimed in &claim.item.recipients {
            let Ok(Some(address)) = AddrSpec::from_path(&format!("<{}>", claimed.address)) else {
                let text = format!("{} is no mailbox", claimed.address);
                ends.push(End {
                    number: claimed.number,
                    ..End::never(Status(5, 1, 3), text)
                });
                continue;
            };
            let original = usize::try_from(claimed.number).ok();
            let original = original.and_then(|number| mail.envelope.recipients.get(number));
            let mut recipient = crate::rfc822::Recipient::new(address);
            if let Some(original) = original {
                recipient.notify = original.notify;
                recipient.orcpt.clone_from(&original.orcpt);
            }
            envelope.recipients.push(recipient);
            numbers.push(claimed.number);
        }
        let mut content = Octets::from(received(rules, claim, mail));
        content.push(body.clone());
        ends.extend(outcomes(
            &numbers,
            self.smtp.send(relay, &envelope, &content).await,
        ));
        ends
    }
}

/// The item of the second APDU of a notification: once the first was taken, this is tried alone.
///
/// It is a report in all but its form: nobody is told if it fails.
fn further(claim: &Claim, mapped: &[u32]) -> Item {
    let recipients = claim.item.recipients.iter();
    let recipients = recipients.filter(|recipient| mapped.contains(&recipient.number));
    Item {
        id: ItemId::generate(),
        cause: Some(claim.item.id),
        origin: Origin::Transfer(Transfer {
            kind: TransferKind::Report,
            ..Transfer::default()
        }),
        recipients: recipients
            .map(|recipient| Recipient {
                // As the APDU numbers them, from 1.
                number: recipient.number.saturating_add(1),
                content_type: REPORT.to_owned(),
                ..Recipient::new(0, &*recipient.address, &*claim.route, "", clock::now())
            })
            .collect(),
        ..claim.item.clone()
    }
}

/// The `Received` field of mail that passes through (RFC 5321 section 4.4); none on mail of our own.
fn received(rules: &Rules, claim: &Claim, mail: &Mail) -> String {
    if mail.helo.is_empty() {
        return String::new();
    }
    // RFC 5321 section 4.1.3: an IPv6 address says that it is one.
    let tag = if claim.item.peer.contains(':') {
        "IPv6:"
    } else {
        ""
    };
    format!(
        "Received: from {} ([{tag}{}])\r\n\tby {} with {} id {};\r\n\t{}\r\n",
        mail.helo,
        claim.item.peer,
        rules.config.gateway.name,
        mail.protocol,
        claim.item.id,
        date::print(&clock::in_place(claim.item.arrived)).unwrap_or_default(),
    )
}

/// The ends of recipients, in the order they were sent.
fn outcomes(numbers: &[u32], outcomes: Vec<SmtpOutcome>) -> Vec<End> {
    let ended = numbers.iter().zip(outcomes);
    ended
        .map(|(number, outcome)| {
            let (
                kind,
                Answer {
                    status, text, peer, ..
                },
            ) = match outcome {
                SmtpOutcome::Delivered(answer) => (
                    EndKind::Delivered {
                        reports: answer.dsn,
                    },
                    answer,
                ),
                SmtpOutcome::Later(answer) => (EndKind::Later, answer),
                SmtpOutcome::Never(answer) => (EndKind::Never, answer),
            };
            End {
                number: *number,
                relay: Some(peer),
                ..End::new(kind, status, text)
            }
        })
        .collect()
}

/// A probe of recipients of mail is answered here, as its message would fare (RFC 2156 section 5.3.9);
/// one of recipients that another MTA serves is passed on to it.
async fn probe(rules: &Arc<Rules>, claim: &Claim, body: &Bytes) -> Vec<End> {
    let (octets, most) = (body.clone(), rules.config.x400.max_apdu);
    let converted = convert(rules, claim, move |context| {
        to_rfc822::probe(context, &octets, most)
    });
    let probed = match converted.await {
        Ok(probed) => probed,
        Err(end) => return End::all(claim, &end),
    };
    let recipients = claim.item.recipients.iter();
    recipients
        .map(|recipient| {
            if probed
                .recipient_numbers
                .contains(&i64::from(recipient.number))
            {
                let kind = EndKind::Delivered { reports: false };
                let text = "a message would be passed on".to_owned();
                return End {
                    number: recipient.number,
                    ..End::new(kind, Status(2, 1, 5), text)
                };
            }
            let mut entries = probed.ledger.recipients.iter();
            let entry = entries.find(|entry| entry.address == recipient.address);
            not_mapped(recipient.number, entry)
        })
        .collect()
}

/// Recipients that could not be placed when they came.
fn unreachable(rules: &Rules, claim: &Claim) -> Vec<End> {
    let recipients = claim.item.recipients.iter();
    recipients
        .map(|recipient| match placed(rules, &recipient.address) {
            Ok(_) => End {
                number: recipient.number,
                ..End::never(
                    Status(5, 1, 1),
                    "it could not be routed when it came".to_owned(),
                )
            },
            Err(refusal) => End::refused(recipient.number, &refusal),
        })
        .collect()
}

/// What an operator let out of quarantine: its envelope is read again.
fn released(rules: &Rules, claim: &Claim, body: &Bytes) -> Sent {
    match quarantine::read_again(rules, &claim.item, body) {
        Ok(item) => {
            let kind = EndKind::Delivered { reports: true };
            let text = format!("it could be read and is queued again as {}", item.id);
            Sent {
                ends: End::all(claim, &End::new(kind, Status(2, 0, 0), text)),
                queued: Some((item, body.clone())),
                ..Sent::default()
            }
        }
        Err(fault) => End::all(claim, &End::unreadable(fault)).into(),
    }
}

/// Where an O/R address in text goes.
fn placed(rules: &Rules, address: &str) -> Result<Placed, Refusal> {
    match address.parse::<Attributes>() {
        Ok(address) => rules.place_or_address(&address, Side::X400),
        Err(error) => Err(Refusal {
            section: "4.1.3",
            status: Status(5, 1, 3),
            reason: 1,
            diagnostic: Some(0),
            text: error.to_string(),
        }),
    }
}

/// Whether mail has passed more hosts than mail does (RFC 5321 section 6.3).
fn is_looping(message: &Bytes) -> bool {
    Header::split(message).is_ok_and(|(header, _)| header.all("Received").count() > MOST_HOPS)
}

/// The numbers of the recipients the claim is for.
pub(super) fn claimed(claim: &Claim) -> BTreeSet<u32> {
    let recipients = claim.item.recipients.iter();
    recipients.map(|recipient| recipient.number).collect()
}

/// Its item has expired by then.
fn late() -> End {
    let text = "its latest delivery time has passed".to_owned();
    End::new(EndKind::Later, Status(4, 4, 7), text)
}

fn no_relay() -> End {
    let text = "no [smtp] relay is configured".to_owned();
    End::new(EndKind::Later, Status(4, 3, 5), text)
}

/// How it ends for a recipient that the conversion left out, as the ledger has it.
fn not_mapped(number: u32, entry: Option<&RecipientMapping>) -> End {
    let status = entry
        .and_then(|entry| entry.status)
        .unwrap_or(Status(5, 1, 1));
    let text = entry.map_or("it has no address on the other side", |entry| {
        entry.rule.as_str()
    });
    End {
        number,
        codes: entry.and_then(|entry| Some((entry.reason?, entry.diagnostic))),
        ..End::never(status, text.to_owned())
    }
}

/// Runs a conversion off the threads that serve sockets; one that breaks costs only its message.
async fn convert<T: Send + 'static>(
    rules: &Arc<Rules>,
    claim: &Claim,
    conversion: impl FnOnce(&Context<'_>) -> Result<T, Unconverted> + Send + 'static,
) -> Result<T, End> {
    let (rules, id, arrived) = (Arc::clone(rules), claim.item.id, claim.item.arrived);
    let route = claim.route.clone();
    let task = tokio::task::spawn_blocking(move || conversion(&rules.context(id, arrived, &route)));
    match task.await {
        Ok(Ok(converted)) => Ok(converted),
        Ok(Err(unconverted)) => Err(End::unconverted(&refusal(unconverted))),
        Err(error) => {
            let broke = Broke::from(error);
            tracing::error!(%id, %broke, "a conversion broke");
            Err(End::broke(&broke))
        }
    }
}
