//! Probes: how a message of the same envelope would fare.
//!
//! RFC 2156 section 5.3.9. Internet mail has no probes: the gateway answers them itself, and learns here
//! what to answer, by the very rules that the envelope of a message goes through.

use std::cell::RefCell;

use bytes::Bytes;

use super::{Work, check_content_type, envelope, refusal, trace, unreadable};
use crate::asn1;
use crate::asn1::mta::{
    MessageTransferEnvelope, MtsApdu, PerRecipientMessageTransferFields, Probe,
};
use crate::mixer::context::Context;
use crate::mixer::outcome::{Ledger, Status, Unconverted};

/// What would become of a message.
#[derive(Debug)]
pub struct Probed {
    /// The originally-specified-recipient-numbers of those it would be passed on for.
    pub recipient_numbers: Vec<i64>,
    /// The recipients that are refused, and why.
    pub ledger: Ledger,
}

/// Judges a probe; a content of more than `longest` octets would not be taken.
///
/// # Errors
/// If a message would be refused as a whole, for the reason it would be; or it is no probe.
pub fn probe(context: &Context<'_>, apdu: &Bytes, longest: u64) -> Result<Probed, Unconverted> {
    let apdu = asn1::decode::<MtsApdu>(apdu).map_err(|fault| unreadable("the APDU", &fault))?;
    let MtsApdu::Probe(probe) = apdu else {
        return Err(refusal("5.3.9", Status(5, 5, 0), Some(14), "no probe").into());
    };
    let length = probe.content_length;
    if length.is_some_and(|length| u64::try_from(length).map_or(true, |length| length > longest)) {
        let text = format!("a message of more than {longest} octets is not taken");
        return Err(refusal("5.3.9", Status(5, 2, 3), Some(7), &text).into());
    }
    check_content_type(&probe.content_type)?;
    let mut ledger = Ledger::default();
    let missing = RefCell::default();
    let mut work = Work {
        context,
        ledger: &mut ledger,
        missing: &missing,
    };
    trace::fields(
        context,
        &probe.trace_information,
        &probe.extensions,
        work.ledger,
    )?;
    let recipient_numbers = envelope::map(&mut work, &of_message(probe))?.numbers;
    match missing.into_inner() {
        missing if missing.is_empty() => Ok(Probed {
            recipient_numbers,
            ledger,
        }),
        missing => Err(Unconverted::Missing(missing)),
    }
}

/// The envelope that the message would have.
fn of_message(probe: Probe) -> MessageTransferEnvelope {
    let fields = probe.per_recipient_fields.into_iter();
    MessageTransferEnvelope {
        message_identifier: probe.probe_identifier,
        originator_name: probe.originator_name,
        original_encoded_information_types: probe.original_encoded_information_types,
        content_type: probe.content_type,
        content_identifier: probe.content_identifier,
        per_message_indicators: probe.per_message_indicators,
        per_domain_bilateral_information: probe.per_domain_bilateral_information,
        trace_information: probe.trace_information,
        extensions: probe.extensions,
        per_recipient_fields: fields
            .map(|fields| PerRecipientMessageTransferFields {
                recipient_name: fields.recipient_name,
                originally_specified_recipient_number: fields.originally_specified_recipient_number,
                per_recipient_indicators: fields.per_recipient_indicators,
                explicit_conversion: fields.explicit_conversion,
                extensions: fields.extensions,
                ..PerRecipientMessageTransferFields::default()
            })
            .collect(),
        ..MessageTransferEnvelope::default()
    }
}
