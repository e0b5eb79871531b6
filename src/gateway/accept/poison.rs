//! A transfer that cannot be read, its envelope or what follows it: kept in quarantine, and reported as far as its envelope
//! says on whom and to whom (X.411 clauses 12.2.1 and 14.3.3).

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::transfer::{MOST_RECIPIENTS, Unacceptable, content_type, failed};
use crate::asn1::mta::PerRecipientIndicators;
use crate::gateway::log::shown;
use crate::gateway::quarantine::{caught, marked};
use crate::gateway::report::{self, Fate, Told};
use crate::gateway::route::QUARANTINE;
use crate::gateway::subject::Subject;
use crate::gateway::{Gateway, clock, wire};
use crate::queue::{
    Accepted, Body, DuplicateKey, Identifier, IdentifierKind, Item, ItemId, NewItem, Origin,
    Priority, Recipient, State, Transfer, TransferKind,
};
use crate::x400::{ApduKind, Arrived, Caller, Refusal};

/// A transfer that came, and why it is of no use.
#[derive(Debug)]
pub(super) struct Poison<'a> {
    pub arrived: Arrived,
    pub fault: Unacceptable,
    pub from: &'a Caller,
    /// The neighbour it came from.
    pub peer: String,
}

impl Poison<'_> {
    /// Keeps it, durably when this returns, and the report on it.
    pub async fn keep(self, gateway: &Gateway, id: ItemId, body: Body) -> Result<(), Refusal> {
        let now = clock::now();
        // The same octets again are not kept, or told of, again.
        let key = DuplicateKey {
            peer: self.peer.clone(),
            mts_identifier: String::new(),
            recipients: vec![STANDARD.encode(&self.arrived.envelope)],
        };
        let known = gateway.store().remembered(key.clone()).await;
        let known = known.map_err(|error| failed(&error))?;
        let (peer, association) = (&self.peer, self.from.association);
        if let Some(first) = known {
            tracing::info!(id = %first, peer = %shown(peer), association, "duplicated");
            return Ok(());
        }
        let kind = match self.arrived.kind {
            ApduKind::Message => TransferKind::Message,
            ApduKind::Report => TransferKind::Report,
            ApduKind::Probe => TransferKind::Probe,
        };
        // A report is never reported on (X.411 clause 14.3.3).
        let subject = match kind {
            TransferKind::Report => None,
            _ => caught(|| Subject::salvaged(&self.arrived.envelope))
                .ok()
                .flatten(),
        };
        let reason = self.fault.to_string();
        let (status, diagnostic) = self.fault.codes();
        let rules = gateway.rules();
        let item = Item {
            id,
            arrived: now,
            expires: rules.expires(now, Priority::default()),
            priority: Priority::default(),
            size: 0,
            peer: peer.clone(),
            cause: None,
            identifiers: subject
                .iter()
                .map(|subject| wire::identifier_text(&subject.identifier))
                .map(|text| Identifier::new(IdentifierKind::MtsIdentifier, text))
                .collect(),
            origin: Origin::Transfer(Transfer {
                kind,
                association: association.to_string(),
                originator: subject
                    .as_ref()
                    .map(|subject| wire::attributes(&subject.originator).to_string())
                    .unwrap_or_default(),
                content_type: subject
                    .as_ref()
                    .map(|subject| content_type(&subject.content_type))
                    .unwrap_or_default(),
                latest: None,
            }),
            recipients: recipients(subject.as_ref())
                .into_iter()
                .map(|(number, address)| Recipient {
                    state: State::Held,
                    status: Some(status.to_string()),
                    text: marked(&reason),
                    ..Recipient::new(number, address, QUARANTINE, "", now)
                })
                .collect(),
        };
        let told = item.recipients.iter().map(|recipient| Told {
            number: recipient.number,
            fate: Fate::Failed,
            status,
            codes: Some((1, Some(diagnostic))),
            text: reason.clone(),
            relay: None,
        });
        let told: Vec<Told> = told.collect();
        let report = caught(|| {
            let subject = (subject.as_ref()?, &Bytes::new());
            report::transfer::on(&rules, &item, kind, subject, &told, now)
        });
        let report = report.ok().flatten();
        let reported = report.as_ref().map(|report| report.item.id);
        let poison = NewItem {
            item,
            body,
            duplicate: Some(key),
        };
        let items = std::iter::once(poison).chain(report).collect();
        let taken = gateway.store().enqueue(items).await;
        let taken = taken.map_err(|error| failed(&error))?;
        if let Some(Accepted::New(id)) = taken.first() {
            tracing::warn!(
                %id, peer = %shown(peer), association, text = %shown(&reason), "quarantined"
            );
        }
        if let Some(report) = reported {
            tracing::info!(%id, %report, "reported");
        }
        Ok(())
    }
}

/// The recipients that are known and ours, by number; if there are none, one without an address.
fn recipients(subject: Option<&Subject>) -> Vec<(u32, String)> {
    let (mut numbers, mut recipients) = (HashSet::new(), Vec::new());
    for addressee in subject.iter().flat_map(|subject| &subject.recipients) {
        let responsible = PerRecipientIndicators::RESPONSIBILITY;
        let number = u32::try_from(addressee.number).ok();
        let number = number.filter(|number| (1..=MOST_RECIPIENTS).contains(number));
        if let Some(number) = number
            && addressee.indicators.contains(responsible)
            && numbers.insert(number)
        {
            recipients.push((number, wire::attributes(&addressee.name).to_string()));
        }
    }
    if recipients.is_empty() {
        recipients.push((0, String::new()));
    }
    recipients
}
