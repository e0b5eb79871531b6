//! P1 in: where the X.400 server puts the octets of a transfer, and what their envelope says.
//!
//! The activity is confirmed only after the queue has committed. A recipient that cannot be reached
//! is taken all the same, without a route: it fails at once, and its report goes back. A transfer
//! that makes us responsible for nobody is confirmed and not kept: nothing is to be done for it, and
//! nothing to be told (X.411 clause 12.2.1.1.1.6: the bit alone makes us act). One whose envelope
//! cannot be read is confirmed and goes to quarantine: refused, it would come again and again. So does
//! one that breaks, or is too long, behind an envelope that says whom to tell.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

use crate::asn1::mta::{
    MessageTransferEnvelope, PerRecipientIndicators, ReportTransferEnvelope, TraceInformation,
};
use crate::asn1::mts::{
    self, BuiltInContentType, ContentType, Extensions, MTSIdentifier, ORName, Priority as Urgency,
};
use crate::asn1::{self, DecodeError};
use crate::failpoint::Failpoint;
use crate::gateway::accept::poison::Poison;
use crate::gateway::log::shown;
use crate::gateway::quarantine::{
    Broke, CONTENT_SYNTAX_ERROR, CONTENT_TOO_LONG, PROTOCOL_VIOLATION, caught,
};
use crate::gateway::route::{Side, UNREACHABLE};
use crate::gateway::rules::Rules;
use crate::gateway::subject::{Addressee, Subject};
use crate::gateway::{Gateway, clock, wire};
use crate::mixer::basic::time::Time;
use crate::queue::{
    Accepted, Body, Change, DuplicateKey, Filter, Identifier, IdentifierKind, Item, ItemId,
    NewItem, Origin, Priority, Recipient, Spool, StoreError, Transfer, TransferKind,
};
use crate::rfc822::Status;
use crate::x400::transfer::Fault;
use crate::x400::{self, ApduKind, Arrived, Caller, Handler, Refusal, RefusalReason};

/// The owner of the X.400 server.
#[derive(Debug, Clone)]
pub struct TransferIn(pub Arc<Gateway>);

impl x400::Spool for Spool {
    async fn write(&mut self, octets: Bytes) -> io::Result<()> {
        Spool::write(self, &octets).await
    }
}

impl Handler for TransferIn {
    type Spool = Spool;

    async fn opened(&self, to: &Caller) {
        let Some(caller) = &to.peer else {
            return;
        };
        let rules = self.0.rules();
        for peer in &rules.config.x400.peer {
            if !rules
                .routes()
                .sharers_of(&peer.name)
                .any(|name| name == caller)
            {
                continue;
            }
            let filter = Filter {
                route: Some(peer.name.clone()),
                ..Filter::default()
            };
            let store = self.0.store();
            if let Err(error) = store.change(filter, Change::Retry, clock::now()).await {
                tracing::error!(%error, route = peer.name, "what waits is not tried at once");
            }
        }
    }

    async fn begin(&self, _from: &Caller) -> Result<Spool, Refusal> {
        Ok(self.0.store().spool(ItemId::generate()))
    }

    async fn commit(&self, from: &Caller, spool: Spool, arrived: Arrived) -> Result<(), Refusal> {
        let envelope = match Envelope::read_of(&arrived) {
            Ok(envelope) => envelope,
            Err(fault) => return self.quarantine(from, spool, arrived, fault).await,
        };
        let peer = neighbour(from);
        let id = spool.id();
        let identifier = wire::identifier_text(&envelope.identifier);
        if envelope.recipients.is_empty() {
            tracing::info!(
                peer = %shown(&peer), association = from.association,
                mts_identifier = %shown(&identifier), "discarded"
            );
            return Ok(());
        }
        let size = arrived.octets;
        let body = spool.end().await.map_err(|error| failed(&error.into()))?;
        let association = from.association.to_string();
        let rules = self.0.rules();
        let duplicate = envelope.duplicate_key(&rules, &peer);
        let item = envelope.item(&rules, id, &peer, association, clock::now());
        let count = item.recipients.len();
        let new = NewItem {
            item,
            body,
            duplicate: Some(duplicate),
        };
        let taken = self
            .0
            .store()
            .enqueue(vec![new])
            .await
            .map_err(|error| failed(&error))?;
        Failpoint::ActivityEndNoConfirm.pass();
        match taken.first() {
            Some(Accepted::Duplicate(first)) => tracing::info!(
                id = %first, peer = %shown(&peer), association = from.association,
                mts_identifier = %shown(&identifier), "duplicated"
            ),
            _ => tracing::info!(
                %id, direction = "from_x400", peer = %shown(&peer), association = from.association,
                mts_identifier = %shown(&identifier), size, recipients = count, "accepted"
            ),
        }
        Ok(())
    }

    async fn spoilt(
        &self,
        from: &Caller,
        spool: Spool,
        arrived: Arrived,
        fault: Fault,
    ) -> Result<(), Refusal> {
        self.quarantine(from, spool, arrived, fault.into()).await
    }
}

impl TransferIn {
    async fn quarantine(
        &self,
        from: &Caller,
        spool: Spool,
        arrived: Arrived,
        fault: Unacceptable,
    ) -> Result<(), Refusal> {
        let id = spool.id();
        // Of what is too long only the start has come: its envelope tells all that can be known.
        let body = match fault.is_too_long() {
            true => Body::inline(arrived.envelope.clone()),
            false => spool.end().await.map_err(|error| failed(&error.into()))?,
        };
        let poison = Poison {
            arrived,
            fault,
            from,
            peer: neighbour(from),
        };
        poison.keep(&self.0, id, body).await
    }
}

fn neighbour(from: &Caller) -> String {
    from.peer.clone().unwrap_or_else(|| from.mta.clone())
}

/// For how long delivery may be deferred at most: a year and a day.
const LONGEST_DEFERRAL: SignedDuration = SignedDuration::from_hours(366 * 24);

/// ub-recipients (X.411 annex B), and so the highest originally-specified-recipient-number.
pub(super) const MOST_RECIPIENTS: u32 = 32_767;

/// Why a transfer is of no use.
#[derive(Debug, thiserror::Error)]
pub(in crate::gateway) enum Unacceptable {
    /// It is not of its type.
    #[error("the transfer envelope cannot be read: {0}")]
    Unreadable(#[from] DecodeError),
    /// A recipient cannot be told from the others.
    #[error(
        "originally-specified-recipient-number {0} is outside 1..{MOST_RECIPIENTS} or stands twice \
         (X.411 clause 12.2.1.1.1.6)"
    )]
    Number(i64),
    /// Our own code broke on it.
    #[error("the transfer envelope cannot be read: {0}")]
    Broke(#[from] Broke),
    /// What follows the envelope is no content, or too much of it.
    #[error("{0}")]
    Spoilt(#[from] Fault),
}

impl Unacceptable {
    fn is_too_long(&self) -> bool {
        matches!(self, Self::Spoilt(fault) if fault.is_too_long)
    }

    /// What is told of it: RFC 3463 status, X.411 diagnostic of unable-to-transfer.
    pub fn codes(&self) -> (Status, u32) {
        match self {
            Self::Spoilt(_) if self.is_too_long() => (Status(5, 2, 3), CONTENT_TOO_LONG),
            Self::Spoilt(_) => (Status(5, 6, 0), CONTENT_SYNTAX_ERROR),
            _ => (Status(5, 5, 0), PROTOCOL_VIOLATION),
        }
    }
}

/// What the gateway needs of the three transfer envelopes.
#[derive(Debug)]
pub(in crate::gateway) struct Envelope {
    kind: TransferKind,
    identifier: MTSIdentifier,
    originator: Option<ORName>,
    content_type: String,
    priority: Priority,
    /// When it shall be delivered at the earliest.
    deferred: Option<Timestamp>,
    /// And at the latest.
    latest: Option<Timestamp>,
    /// The domains it passed, and its extensions.
    passed: (TraceInformation, Extensions),
    /// The recipients we are responsible for, by number.
    recipients: Vec<(u32, ORName)>,
}

impl Envelope {
    /// The envelope of what has come.
    pub fn read_of(arrived: &Arrived) -> Result<Self, Unacceptable> {
        caught(|| Self::read(arrived.kind, &arrived.envelope))?
    }

    fn read(kind: ApduKind, octets: &Bytes) -> Result<Self, Unacceptable> {
        let (mut deferred, mut latest) = (None, None);
        let (kind, subject) = match kind {
            ApduKind::Message => {
                let envelope: MessageTransferEnvelope = asn1::decode(octets)?;
                deferred = envelope.deferred_delivery_time.as_ref().and_then(moment);
                latest = mts::extension(&envelope.extensions, LATEST_DELIVERY_TIME)
                    .and_then(|field| moment(&field.decode().ok()?));
                (TransferKind::Message, Subject::from(envelope))
            }
            ApduKind::Probe => (TransferKind::Probe, Subject::of_probe(octets)?),
            ApduKind::Report => {
                let envelope: ReportTransferEnvelope = asn1::decode(octets)?;
                return Ok(Self {
                    kind: TransferKind::Report,
                    identifier: envelope.report_identifier,
                    originator: None,
                    content_type: String::new(),
                    priority: Priority::default(),
                    deferred: None,
                    latest: None,
                    passed: (envelope.trace_information, envelope.extensions),
                    recipients: vec![(0, envelope.report_destination_name)],
                });
            }
        };
        Ok(Self {
            kind,
            identifier: subject.identifier,
            originator: Some(subject.originator),
            content_type: content_type(&subject.content_type),
            priority: priority(subject.priority),
            deferred,
            latest,
            passed: (subject.trace, subject.extensions),
            recipients: responsible(subject.recipients)?,
        })
    }

    /// By what it is known if it comes again: its recipients by number and whole name, since the text
    /// of a name does not say all of it; and how often it passed us, since one that comes back is no
    /// copy of the one that came first, but a loop.
    fn duplicate_key(&self, rules: &Rules, peer: &str) -> DuplicateKey {
        let (trace, extensions) = &self.passed;
        let here = rules.here(peer);
        let passages = here.map_or(0, |here| here.passages(trace, extensions));
        let identifier = wire::identifier_text(&self.identifier);
        let recipients = self.recipients.iter();
        DuplicateKey {
            peer: peer.to_owned(),
            mts_identifier: format!("{passages} {identifier}"),
            recipients: recipients
                .map(|(number, name)| format!("{number} {}", STANDARD.encode(asn1::encode(name))))
                .collect(),
        }
    }

    /// The item of the queue it makes.
    pub fn item(
        self,
        rules: &Rules,
        id: ItemId,
        peer: &str,
        association: String,
        now: Timestamp,
    ) -> Item {
        let mut recipients = Vec::new();
        let longest = now.checked_add(LONGEST_DEFERRAL).unwrap_or(Timestamp::MAX);
        let due = self.deferred.map_or(now, |until| until.clamp(now, longest));
        for (number, name) in &self.recipients {
            let address = wire::attributes(name);
            let (route, content_type) = match rules.place_or_address(&address, Side::X400) {
                Ok(place) => (place.route, place.content_type),
                Err(_) => (UNREACHABLE.to_owned(), ""),
            };
            // There is no use in waiting to fail.
            let due = if route == UNREACHABLE { now } else { due };
            recipients.push(Recipient {
                not_before: (due > now).then_some(due),
                ..Recipient::new(*number, address.to_string(), route, content_type, due)
            });
        }
        Item {
            id,
            arrived: now,
            expires: rules
                .expires(due, self.priority)
                .min(self.latest.unwrap_or(Timestamp::MAX)),
            priority: self.priority,
            size: 0,
            peer: peer.to_owned(),
            cause: None,
            identifiers: vec![Identifier::new(
                IdentifierKind::MtsIdentifier,
                wire::identifier_text(&self.identifier),
            )],
            origin: Origin::Transfer(Transfer {
                kind: self.kind,
                association,
                originator: self
                    .originator
                    .as_ref()
                    .map(|name| wire::attributes(name).to_string())
                    .unwrap_or_default(),
                content_type: self.content_type,
                latest: self.latest,
            }),
            recipients,
        }
    }
}

/// Extension 5 (X.411 figure 2).
const LATEST_DELIVERY_TIME: i64 = 5;

/// A time of an envelope: before which nothing is delivered (X.411 clause 8.2.1.1.1.12; where the first
/// MTA did not wait, we do, RFC 2156 section 5.3.7), or after which nothing is.
fn moment(time: &mts::Time) -> Option<Timestamp> {
    Time::from_utc_time(time.as_str()?)?.moment()
}

/// The recipients whose responsibility bit is one (X.411 clause 12.2.1.1.1.6).
///
/// Their numbers tell them apart in reports: one that is none, or that stands twice, is a fault of
/// the whole envelope.
fn responsible(addressees: Vec<Addressee>) -> Result<Vec<(u32, ORName)>, Unacceptable> {
    let mut numbers = HashSet::new();
    let mut recipients = Vec::new();
    for Addressee {
        number,
        name,
        indicators,
    } in addressees
    {
        if !indicators.contains(PerRecipientIndicators::RESPONSIBILITY) {
            continue;
        }
        match u32::try_from(number) {
            Ok(known) if (1..=MOST_RECIPIENTS).contains(&known) && numbers.insert(known) => {
                recipients.push((known, name));
            }
            _ => return Err(Unacceptable::Number(number)),
        }
    }
    Ok(recipients)
}

pub(super) fn content_type(content_type: &ContentType) -> String {
    match content_type {
        ContentType::BuiltIn(BuiltInContentType(number)) => format!("p{number}"),
        ContentType::Extended(oid) => oid.to_string(),
    }
}

fn priority(urgency: Urgency) -> Priority {
    match urgency {
        Urgency::NON_URGENT => Priority::Routine,
        Urgency::URGENT => Priority::Flash,
        _ => Priority::Priority,
    }
}

/// The refusal when the queue cannot take a transfer: the peer is to try again.
pub(super) fn failed(error: &StoreError) -> Refusal {
    tracing::error!(%error, "the queue did not take a transfer");
    let reason = match error {
        StoreError::Full(_) => RefusalReason::ReceivingAbilityJeopardized,
        _ => RefusalReason::LocalError,
    };
    Refusal {
        reason,
        explanation: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::asn1::mta::PerRecipientMessageTransferFields;
    use crate::asn1::mts::{ExtensionAttribute, ExtensionField};
    use crate::asn1::types::{Any, SetOf};
    use crate::config::Config;

    const CONFIG: &str = "[gateway]\nname = \"gw.example.org\"\n[[x400.peer]]\nname = \"hub\"\n";

    fn rules() -> Rules {
        let path = Path::new("m.toml");
        Rules::of(Config::parse(path, CONFIG).unwrap(), path, CONFIG).unwrap()
    }

    fn recipient(address: &str, number: i64) -> PerRecipientMessageTransferFields {
        PerRecipientMessageTransferFields {
            recipient_name: wire::name(&address.parse().unwrap()),
            originally_specified_recipient_number: number,
            per_recipient_indicators: PerRecipientIndicators::of(&[
                PerRecipientIndicators::RESPONSIBILITY,
            ]),
            ..PerRecipientMessageTransferFields::default()
        }
    }

    fn read(envelope: &MessageTransferEnvelope) -> Envelope {
        Envelope::read(ApduKind::Message, &asn1::encode(envelope)).unwrap()
    }

    fn item(envelope: &MessageTransferEnvelope, now: Timestamp) -> Item {
        read(envelope).item(&rules(), ItemId::generate(), "hub", "1".to_owned(), now)
    }

    const ADA: &str = "/RFC-822=a(a)b.example/ADMD= /C=XX/";

    #[test]
    fn s5_3_7_a_message_waits_until_the_time_its_originator_set() {
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let item = |until: Option<&str>| {
            let envelope = MessageTransferEnvelope {
                deferred_delivery_time: until.map(Into::into),
                per_recipient_fields: vec![
                    recipient(ADA, 1),
                    recipient("/S=Nobody/ADMD= /C=XX/", 2),
                ],
                ..MessageTransferEnvelope::default()
            };
            item(&envelope, now)
        };
        for (until, due) in [
            (None, "2026-11-22T12:00:00Z"),
            (Some("261122120000Z"), "2026-11-22T12:00:00Z"),
            (Some("200101000000Z"), "2026-11-22T12:00:00Z"),
            (Some("261124093000+0100"), "2026-11-24T08:30:00Z"),
            (Some("soon"), "2026-11-22T12:00:00Z"),
            (Some("791231000000Z"), "2027-11-23T12:00:00Z"),
        ] {
            let item = item(until);
            let due: Timestamp = due.parse().unwrap();
            assert_eq!(item.recipients[0].next_due, due, "{until:?}");
            let not_before = (due > now).then_some(due);
            assert_eq!(item.recipients[0].not_before, not_before, "{until:?}");
            assert_eq!(
                item.expires,
                rules().expires(due, item.priority),
                "{until:?}"
            );
            let unreachable = &item.recipients[1];
            assert_eq!(
                (unreachable.route.as_str(), unreachable.next_due),
                (UNREACHABLE, now)
            );
        }
    }

    #[test]
    fn s2_3_1_2_a_message_is_given_up_when_its_latest_time_of_delivery_has_passed() {
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        for (latest, expires) in [
            ("261122130000Z", "2026-11-22T13:00:00Z"),
            ("261122110000Z", "2026-11-22T11:00:00Z"),
            ("371122110000Z", "2026-11-27T12:00:00Z"),
            ("soon", "2026-11-27T12:00:00Z"),
        ] {
            let field = ExtensionField::new(LATEST_DELIVERY_TIME, &mts::Time::from(latest));
            let envelope = MessageTransferEnvelope {
                extensions: [field].into_iter().collect(),
                per_recipient_fields: vec![recipient(ADA, 1)],
                ..MessageTransferEnvelope::default()
            };
            let item = item(&envelope, now);
            assert_eq!(item.expires, expires.parse().unwrap(), "{latest}");
        }
    }

    #[test]
    fn x411_12_2_1_1_1_6_recipients_are_told_apart_by_number_and_whole_name() {
        let envelope = |named: &[&PerRecipientMessageTransferFields]| MessageTransferEnvelope {
            per_recipient_fields: named.iter().map(|fields| (*fields).clone()).collect(),
            ..MessageTransferEnvelope::default()
        };
        let (first, second) = (recipient(ADA, 1), recipient(ADA, 2));
        // Of an attribute that no text has.
        let mut strange = recipient(ADA, 1);
        let mut address = strange.recipient_name.address();
        address.extension_attributes = Some(SetOf(vec![ExtensionAttribute {
            extension_attribute_type: 200,
            extension_attribute_value: Any::of(&7_i64),
            unknown: Vec::new(),
        }]));
        strange.recipient_name = address.into();
        assert_eq!(
            wire::attributes(&strange.recipient_name),
            wire::attributes(&first.recipient_name)
        );
        let both = item(&envelope(&[&first, &second]), Timestamp::UNIX_EPOCH);
        assert_eq!(both.recipients.len(), 2, "one mailbox, two outcomes");
        let key = |named: &[_]| read(&envelope(named)).duplicate_key(&rules(), "hub");
        assert_eq!(key(&[&first]), key(&[&first]));
        let different = [
            key(&[&first]),
            key(&[&second]),
            key(&[&strange]),
            key(&[&first, &second]),
        ];
        for (place, one) in different.iter().enumerate() {
            assert!(!different[..place].contains(one), "{place}");
        }
    }
}
