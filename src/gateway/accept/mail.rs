//! Mail in: what the SMTP server asks at RCPT, and where it puts what comes after DATA.
//!
//! At RCPT a recipient that cannot be reached, or cannot be said on the other side, is refused with
//! its own status. At the final dot the queue commits; only then is 250 sent.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::failpoint::Failpoint;
use crate::gateway::log::shown;
use crate::gateway::route::SMTP;
use crate::gateway::rules::Placed;
use crate::gateway::{Gateway, clock};
use crate::mixer::outcome::Refusal;
use crate::queue::{
    Accepted as Queued, Identifier, IdentifierKind, Item, ItemId, Mail, NewItem, Origin, Priority,
    Recipient, Spool, StoreError,
};
use crate::rfc822::{self, Envelope, Header, Status};
use crate::smtp::{Accepted, Receiver, Reply, SessionInfo, Sink};

/// Octets at the head of a message in which its Message-ID is looked for.
const HEAD: usize = 64 * 1024;

/// The owner of the SMTP server.
#[derive(Debug, Clone)]
pub struct MailIn(pub Arc<Gateway>);

impl Receiver for MailIn {
    type Sink = MailSink;

    async fn recipient(
        &self,
        session: &SessionInfo,
        _envelope: &Envelope,
        recipient: &rfc822::Recipient,
    ) -> Result<(), Reply> {
        match self
            .0
            .rules()
            .place_mail(&recipient.forward_path, session.trusted)
        {
            Ok(_) => Ok(()),
            Err(refusal) => {
                tracing::info!(
                    peer = %session.peer,
                    recipient = %shown(&recipient.forward_path.to_string()),
                    status = %refusal.status,
                    text = %shown(&refusal.text),
                    "refused"
                );
                Err(refused(&refusal))
            }
        }
    }

    async fn data(&self, session: &SessionInfo, envelope: Envelope) -> Result<MailSink, Reply> {
        let id = ItemId::generate();
        let rules = self.0.rules();
        let mut placed: Vec<Placed> = Vec::new();
        let mut recipients = Vec::new();
        let now = clock::now();
        for (number, recipient) in (0..).zip(&envelope.recipients) {
            let place = rules
                .place_mail(&recipient.forward_path, session.trusted)
                .map_err(|refusal| refused(&refusal))?;
            // Two spellings of one recipient are one recipient.
            if !placed.contains(&place) {
                recipients.push(Recipient::new(
                    number,
                    match place.route == SMTP {
                        // Where it was placed may not be what was typed: postmaster, an
                        // encapsulated address.
                        true => place.address.clone(),
                        false => recipient.forward_path.to_string(),
                    },
                    place.route.clone(),
                    place.content_type,
                    now,
                ));
                placed.push(place);
            }
        }
        let priority = priority(envelope.priority);
        let item = Item {
            id,
            arrived: now,
            expires: rules.expires(now, priority),
            priority,
            size: 0,
            peer: session.peer.ip().to_string(),
            cause: None,
            identifiers: envelope
                .envid
                .iter()
                .map(|envid| Identifier::new(IdentifierKind::Envid, envid.clone()))
                .collect(),
            origin: Origin::Mail(Mail {
                helo: session.helo.clone(),
                protocol: session.protocol.to_string(),
                envelope,
            }),
            recipients,
        };
        let spool = self.0.store().spool(id);
        Ok(MailSink {
            gateway: Arc::clone(&self.0),
            item,
            spool,
            head: BytesMut::new(),
        })
    }
}

/// Takes the octets of one message to the spool, and commits it.
#[derive(Debug)]
pub struct MailSink {
    gateway: Arc<Gateway>,
    item: Item,
    spool: Spool,
    head: BytesMut,
}

impl Sink for MailSink {
    async fn write(&mut self, octets: Bytes) -> Result<(), Reply> {
        let room = HEAD - self.head.len();
        self.head
            .extend_from_slice(octets.get(..room.min(octets.len())).unwrap_or_default());
        self.spool
            .write(&octets)
            .await
            .map_err(|error| failed(&error.into()))
    }

    async fn end(mut self) -> Result<Accepted, Reply> {
        let id = self.item.id;
        if let Some(message_id) = message_id(self.head.freeze()) {
            self.item
                .identifiers
                .push(Identifier::new(IdentifierKind::MessageId, message_id));
        }
        let body = self
            .spool
            .end()
            .await
            .map_err(|error| failed(&error.into()))?;
        let (size, peer, recipients) = (
            body.size(),
            self.item.peer.clone(),
            self.item.recipients.len(),
        );
        let new = NewItem {
            item: self.item,
            body,
            duplicate: None,
        };
        let taken = self
            .gateway
            .store()
            .enqueue(vec![new])
            .await
            .map_err(|error| failed(&error))?;
        Failpoint::CommittedNoReply.pass();
        if !matches!(taken.as_slice(), [Queued::New(_)]) {
            return Err(failed(&StoreError::Exists(id)));
        }
        tracing::info!(%id, direction = "from_smtp", %peer, size, recipients, "accepted");
        Ok(Accepted { id: id.to_string() })
    }
}

/// The Message-ID of a message, angle brackets included, if its header has a plausible one.
fn message_id(head: Bytes) -> Option<String> {
    let (header, _) = Header::split(&head).ok()?;
    let value = header.first("Message-ID")?.text();
    let value = value.trim();
    (value.starts_with('<') && value.len() <= 998).then(|| value.to_owned())
}

/// The precedence of an MT-PRIORITY (RFC 6710 appendix A, STANAG4406).
fn priority(level: Option<i8>) -> Priority {
    match level.unwrap_or(0) {
        ..=-4 => Priority::Deferred,
        -3..=-1 => Priority::Routine,
        0..=1 => Priority::Priority,
        2..=3 => Priority::Immediate,
        4..=5 => Priority::Flash,
        6.. => Priority::Override,
    }
}

/// The reply for a recipient that is refused.
fn refused(refusal: &Refusal) -> Reply {
    let code = if refusal.status.0 == 4 { 450 } else { 550 };
    let Refusal { status, text, .. } = refusal;
    Reply::new(code, *status, text)
}

/// The reply when the queue cannot take the message: try again.
fn failed(error: &StoreError) -> Reply {
    tracing::error!(%error, "the queue did not take a message");
    match error {
        StoreError::Full(_) => Reply::new(
            452,
            Status(4, 3, 1),
            "Insufficient system storage, try again",
        ),
        _ => Reply::new(451, Status(4, 3, 0), "Local error in processing, try again"),
    }
}
