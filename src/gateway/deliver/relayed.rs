//! An APDU passed on from one X.400 neighbour to another (X.411 clauses 9.1 and 14.3.1), or made here for
//! one: the content untouched, the envelope as the neighbour wants it.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::attempt::End;
use super::onward::claimed;
use crate::asn1;
use crate::asn1::mta::{MtsApdu, PerRecipientIndicators};
use crate::gateway::rules::Rules;
use crate::mixer::basic::time::Time;
use crate::mixer::context::Edition;
use crate::mixer::x400_1984;
use crate::octets::Octets;
use crate::queue::Claim;
use crate::rfc822::Status;
use crate::x400::transfer::relay::{self, Here};

/// An APDU on its way out.
#[derive(Debug)]
pub(super) struct Relayed {
    apdu: MtsApdu,
    here: Here,
    /// For whom: those that are claimed and have no end here.
    pub recipients: BTreeSet<u32>,
}

impl Relayed {
    /// As it goes to the next MTA, after another was attempted if one is named.
    pub fn octets(&self, attempted: Option<&str>) -> Octets {
        let mut apdu = self.apdu.clone();
        if let Some(mta) = attempted {
            self.here.reroute(&mut apdu, mta);
        }
        asn1::encode_octets(&apdu)
    }
}

/// An APDU as it goes on to the next MTA: what came from another judged and our trace added, all of it
/// as the neighbour wants it; and the ends of recipients that cannot be served.
pub(super) fn relayed(
    rules: &Rules,
    claim: &Claim,
    body: &Bytes,
) -> Result<(Relayed, Vec<End>), End> {
    let context = rules.context(claim.item.id, claim.item.arrived, &claim.route);
    let faulty = |text: String| End::never(Status(5, 6, 0), text);
    let mut apdu: MtsApdu =
        asn1::decode(body).map_err(|error| End::unreadable(error.to_string()))?;
    let here = rules
        .here(&claim.route)
        .ok_or_else(|| faulty("our domain has no country".to_owned()))?;
    let mut ends = Vec::new();
    let mut ours = claimed(claim);
    // What we made ourselves bears our trace from its birth.
    if claim.item.cause.is_none() {
        ends = pass_on(&here, claim, &mut ours, &mut apdu)?;
    }
    context.peer.fit(&here.domain, &mut apdu);
    if context.peer.edition == Edition::Of1984 {
        let unable = x400_1984::downgrade(&mut apdu, &context.gateway.address)
            .map_err(|refusal| End::refused(0, &refusal))?;
        for x400_1984::Unable { recipient, refusal } in unable {
            let number = u32::try_from(recipient).unwrap_or_default();
            if ours.remove(&number) {
                ends.push(End::refused(number, &refusal));
            }
        }
    }
    let relayed = Relayed {
        apdu,
        here,
        recipients: ours,
    };
    Ok((relayed, ends))
}

/// Judges what came from another MTA, adds our trace, and leaves responsibility only for recipients
/// that are ours; those that have an end here no longer are.
fn pass_on(
    here: &Here,
    claim: &Claim,
    ours: &mut BTreeSet<u32>,
    apdu: &mut MtsApdu,
) -> Result<Vec<End>, End> {
    if here.is_looping(apdu) {
        return Err(End {
            codes: Some((1, Some(3))),
            ..End::never(
                Status(5, 4, 6),
                "its trace shows a loop (X.411 clause 14.3.1)".to_owned(),
            )
        });
    }
    let mut ends = Vec::new();
    for fault in relay::unsupported(apdu) {
        let end = End {
            codes: Some((1, Some(18))),
            ..End::never(Status(5, 3, 3), fault.to_string())
        };
        let Some(number) = fault.recipient else {
            return Err(end);
        };
        let number = u32::try_from(number).unwrap_or_default();
        if ours.remove(&number) {
            ends.push(End { number, ..end });
        }
    }
    let time = |at| Time::utc(at).to_utc_time().into();
    let held = claim
        .item
        .recipients
        .iter()
        .find_map(|recipient| recipient.not_before);
    here.add_trace(apdu, &time(claim.item.arrived), held.map(time).as_ref());
    let limit = |number: i64, indicators: &mut PerRecipientIndicators| {
        if !u32::try_from(number).is_ok_and(|number| ours.contains(&number)) {
            *indicators = without_responsibility(indicators);
        }
    };
    match apdu {
        MtsApdu::Message(message) => {
            for fields in &mut message.envelope.per_recipient_fields {
                let number = fields.originally_specified_recipient_number;
                limit(number, &mut fields.per_recipient_indicators);
            }
        }
        MtsApdu::Report(_) => {}
        MtsApdu::Probe(probe) => {
            for fields in &mut probe.per_recipient_fields {
                let number = fields.originally_specified_recipient_number;
                limit(number, &mut fields.per_recipient_indicators);
            }
        }
    }
    Ok(ends)
}

/// The same indicators, the responsibility bit zero.
fn without_responsibility(indicators: &PerRecipientIndicators) -> PerRecipientIndicators {
    let ones: Vec<u32> = indicators
        .0
        .ones()
        .filter(|bit| *bit != PerRecipientIndicators::RESPONSIBILITY)
        .collect();
    PerRecipientIndicators::of(&ones)
}

#[cfg(test)]
mod tests;
