//! Reports to senders of Internet mail: delivery status notifications (RFC 3464, RFC 3461).

use bytes::Bytes;
use jiff::Timestamp;

use super::{Fate, Told};
use crate::gateway::clock;
use crate::gateway::rules::{Placed, Rules};
use crate::octets::Octets;
use crate::queue::{
    Body, Identifier, IdentifierKind, Item, ItemId, Mail, NewItem, Origin, Priority, Recipient,
};
use crate::rfc822::address::Mailbox;
use crate::rfc822::dsn::{self, Action, DeliveryStatus, RecipientStatus, Returned, Typed};
use crate::rfc822::entity::Entity;
use crate::rfc822::envelope::{Notify, Ret};
use crate::rfc822::write::Fields;
use crate::rfc822::{AddrSpec, Envelope, Header};

/// The largest message that is returned whole, in octets; of a larger one, its header is.
const MOST_RETURNED: u64 = 1024 * 1024;

/// The notification `item` owes its sender, if it owes one.
///
/// None is owed where the reverse-path is null (RFC 5321 section 6.1), and of a recipient whose
/// `NOTIFY` does not ask for it (RFC 3461 section 4.1).
#[must_use]
pub fn notification(
    rules: &Rules,
    item: &Item,
    mail: &Mail,
    body: &Bytes,
    told: &[Told],
    now: Timestamp,
) -> Option<NewItem> {
    let sender = mail.envelope.reverse_path.clone()?;
    let told: Vec<&Told> = told.iter().filter(|told| is_wanted(mail, told)).collect();
    if told.is_empty() {
        return None;
    }
    let placed = match rules.place_report(&sender) {
        Ok(placed) => placed,
        Err(refusal) => {
            tracing::warn!(id = %item.id, %refusal, "a report has nowhere to go");
            return None;
        }
    };
    let id = ItemId::generate();
    let octets = write(rules, id, item, mail, body, &told, now);
    let message_id = message_id(rules, id);
    let envelope = Envelope {
        reverse_path: None,
        recipients: vec![crate::rfc822::Recipient {
            notify: Some(Notify::Never),
            ..crate::rfc822::Recipient::new(sender)
        }],
        ..Envelope::default()
    };
    Some(NewItem {
        item: own_item(rules, id, item, envelope, &placed, message_id, now),
        body: Body::inline(octets.to_bytes()),
        duplicate: None,
    })
}

fn own_item(
    rules: &Rules,
    id: ItemId,
    cause: &Item,
    envelope: Envelope,
    placed: &Placed,
    message_id: String,
    now: Timestamp,
) -> Item {
    Item {
        id,
        arrived: now,
        expires: rules.expires(now, Priority::default()),
        priority: Priority::default(),
        size: 0,
        peer: rules.config.gateway.name.clone(),
        cause: Some(cause.id),
        identifiers: vec![Identifier::new(IdentifierKind::MessageId, message_id)],
        origin: Origin::Mail(Mail {
            envelope,
            ..Mail::default()
        }),
        recipients: vec![Recipient::new(
            0,
            placed.address.clone(),
            placed.route.clone(),
            placed.content_type,
            now,
        )],
    }
}

fn message_id(rules: &Rules, id: ItemId) -> String {
    format!("<{id}@{}>", rules.config.gateway.name)
}

/// Whether the sender asked to be told this (RFC 3461 section 4.1).
fn is_wanted(mail: &Mail, told: &Told) -> bool {
    let notify = recipient(mail, told).and_then(|recipient| recipient.notify);
    match told.fate {
        Fate::Failed => notify.is_none_or(Notify::failure),
        Fate::Delayed => notify.is_none_or(Notify::delay),
        Fate::Relayed => notify.is_some_and(Notify::success),
    }
}

fn recipient<'a>(mail: &'a Mail, told: &Told) -> Option<&'a crate::rfc822::Recipient> {
    mail.envelope
        .recipients
        .get(usize::try_from(told.number).ok()?)
}

fn write(
    rules: &Rules,
    id: ItemId,
    item: &Item,
    mail: &Mail,
    body: &Bytes,
    told: &[&Told],
    now: Timestamp,
) -> Octets {
    let gateway = &rules.config.gateway;
    let mut header = Fields::new();
    header.date("Date", &clock::in_place(now));
    if let Ok(Some(postmaster)) = AddrSpec::from_path(&format!("<{}>", gateway.postmaster)) {
        header.mailboxes(
            "From",
            &[Mailbox::named("Mail Delivery System", postmaster)],
        );
    }
    if let Some(sender) = &mail.envelope.reverse_path {
        header.mailboxes("To", &[Mailbox::new(sender.clone())]);
    }
    header.text("Subject", subject(told));
    header.structured("Message-ID", &message_id(rules, id));
    if let Some(subject) = item.identifier(IdentifierKind::MessageId) {
        header.structured("References", subject);
    }
    header.structured("Auto-Submitted", "auto-replied");
    let text = Entity::unicode(&for_people(rules, item, told));
    dsn::report(
        text,
        &status(rules, item, mail, told, now),
        returned(mail, body, told),
    )
    .write(&header)
}

fn subject(told: &[&Told]) -> &'static str {
    if told.iter().any(|told| told.fate == Fate::Failed) {
        "Your message could not be delivered"
    } else if told.iter().any(|told| told.fate == Fate::Delayed) {
        "Your message is delayed"
    } else {
        "Your message was passed on"
    }
}

fn for_people(rules: &Rules, item: &Item, told: &[&Told]) -> String {
    let mut text = format!(
        "This is the mail gateway at {}.\r\n\r\nAbout your message of {}:\r\n",
        rules.config.gateway.name,
        crate::rfc822::date::print(&clock::in_place(item.arrived)).unwrap_or_default(),
    );
    for told in told {
        let address = item
            .recipients
            .iter()
            .find(|recipient| recipient.number == told.number)
            .map(|recipient| recipient.address.as_str())
            .unwrap_or_default();
        let fate = match told.fate {
            Fate::Failed => "could not be delivered; it will not be tried again",
            Fate::Delayed => {
                "is not delivered yet; it will be tried again, you need not send it again"
            }
            Fate::Relayed => "was passed on to a system that may not confirm its delivery",
        };
        text.push_str(&format!(
            "\r\n  {address}\r\n    {fate}.\r\n    Status {}: {}\r\n",
            told.status, told.text
        ));
        if let Some(relay) = &told.relay {
            text.push_str(&format!("    The next system is {relay}.\r\n"));
        }
    }
    text.push_str(&format!(
        "\r\nTo ask a person, write to {} and name {}.\r\n",
        rules.config.gateway.postmaster, item.id
    ));
    text
}

fn status(
    rules: &Rules,
    item: &Item,
    mail: &Mail,
    told: &[&Told],
    now: Timestamp,
) -> DeliveryStatus {
    let gateway = &rules.config.gateway;
    let mut status = DeliveryStatus::new(Typed::new("dns", gateway.name.as_str()));
    status.original_envelope_id.clone_from(&mail.envelope.envid);
    status.arrival_date = Some(clock::in_place(item.arrived));
    status.recipients = told
        .iter()
        .map(|told| {
            let recipient = recipient(mail, told);
            let address = recipient
                .map(|r| r.forward_path.to_string())
                .unwrap_or_default();
            let action = match told.fate {
                Fate::Failed => Action::Failed,
                Fate::Delayed => Action::Delayed,
                Fate::Relayed => Action::Relayed,
            };
            let mut fields =
                RecipientStatus::new(Typed::new("rfc822", address), action, told.status);
            fields.original_recipient = recipient
                .and_then(|recipient| recipient.orcpt.as_ref())
                .map(|original| {
                    Typed::new(original.address_type.as_str(), original.address.as_str())
                });
            fields.remote_mta = told
                .relay
                .as_ref()
                .map(|relay| Typed::new("dns", relay.as_str()));
            fields.diagnostic_code = match told.codes {
                Some((reason, diagnostic)) => {
                    let diagnostic =
                        diagnostic.map_or(String::new(), |code| format!("; Diagnostic {code}"));
                    Some(Typed::new("x400", format!("Reason {reason}{diagnostic}")))
                }
                // Only what an SMTP server replied is an SMTP diagnostic.
                None => is_reply(&told.text).then(|| Typed::new("smtp", told.text.as_str())),
            };
            fields.last_attempt_date = Some(clock::in_place(now));
            fields.final_log_id = Some(item.id.to_string());
            if told.fate == Fate::Delayed {
                fields.will_retry_until = Some(clock::in_place(item.expires));
            }
            fields
        })
        .collect();
    status
}

/// The message if a failure is told and it is not too large or unwanted, else its header.
fn returned(mail: &Mail, body: &Bytes, told: &[&Told]) -> Returned {
    let whole = told.iter().any(|told| told.fate == Fate::Failed)
        && mail.envelope.ret != Some(Ret::Hdrs)
        && body.len() as u64 <= MOST_RETURNED;
    if whole {
        return Returned::Message(Octets::from(body.clone()));
    }
    match Header::split(body) {
        Ok((_, rest)) => {
            let header = body.slice(..body.len() - rest.len());
            Returned::Header(Octets::from(header))
        }
        Err(_) => Returned::Nothing,
    }
}

/// Whether a text begins with the three digits of a reply (RFC 5321 section 4.2).
fn is_reply(text: &str) -> bool {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    digits == 3 && text.as_bytes().get(3) == Some(&b' ')
}
