//! What was to be done for one recipient and mail cannot do, told in comments of X400-Recipients.
//!
//! RFC 2156 section 4.6.2.2.

use super::{Work, addresses};
use crate::asn1::mta::{OriginatorRequestedAlternateRecipient, PerRecipientMessageTransferFields};
use crate::asn1::mts::{
    DeliveryMethod, ExtensionField, PhysicalDeliveryModes, PhysicalDeliveryReportRequest,
    PhysicalForwardingAddressRequest, PhysicalForwardingProhibited, PhysicalRenditionAttributes,
    ProofOfDeliveryRequest, RecipientNumberForAdvice, RedirectionHistory, RegisteredMailType,
    RequestedDeliveryMethod,
};
use crate::mixer::address::{Role, envelope as names};
use crate::mixer::basic::teletex;

/// The services a recipient was to have, as comments; none for a default.
pub(super) fn comments(
    work: &mut Work<'_>,
    recipient: &PerRecipientMessageTransferFields,
) -> Vec<String> {
    let mut comments = Vec::new();
    for field in recipient.extensions.iter() {
        let comment = match field.number() {
            Some(25) => {
                let history: Option<RedirectionHistory> = field.decode().ok();
                let comment =
                    history.map(|history| names::redirect_comment(work.context, &history));
                comment.and_then(|comment| comment.ok().flatten())
            }
            Some(2) => {
                let name = field.decode::<OriginatorRequestedAlternateRecipient>().ok();
                let mailbox =
                    name.and_then(|name| addresses::name(work, &name, Role::Heading).ok());
                mailbox
                    .map(|mailbox| format!("Originator Requested Alternate Recipient: {mailbox}"))
            }
            _ => service(field),
        };
        comments.extend(comment);
    }
    comments
}

/// A service of one recipient as a comment; the first four strings are those of section 4.6.2.2.
fn service(field: &ExtensionField) -> Option<String> {
    let fixed = |set: bool, text: &str| set.then(|| text.to_owned());
    match field.number()? {
        7 => fixed(
            field.decode() == Ok(PhysicalForwardingProhibited::PHYSICAL_FORWARDING_PROHIBITED),
            "Physical Forwarding Prohibited",
        ),
        8 => fixed(
            field.decode()
                == Ok(PhysicalForwardingAddressRequest::PHYSICAL_FORWARDING_ADDRESS_REQUESTED),
            "Physical Forwarding Address Requested",
        ),
        14 => fixed(
            field
                .decode::<PhysicalDeliveryReportRequest>()
                .is_ok_and(|request| request.0 != 0),
            "Physical Delivery Report Requested",
        ),
        22 => fixed(
            field.decode() == Ok(ProofOfDeliveryRequest::PROOF_OF_DELIVERY_REQUESTED),
            "Proof of Delivery Requested",
        ),
        6 => {
            const METHODS: [&str; 10] = [
                "Any",
                "MHS",
                "Physical",
                "Telex",
                "Teletex",
                "G3 Facsimile",
                "G4 Facsimile",
                "IA5 Terminal",
                "Videotex",
                "Telephone",
            ];
            let methods: RequestedDeliveryMethod = field.decode().ok()?;
            if matches!(
                methods.as_slice(),
                [] | [DeliveryMethod::ANY_DELIVERY_METHOD]
            ) {
                return None;
            }
            let name = |method: &DeliveryMethod| {
                usize::try_from(method.0)
                    .ok()
                    .and_then(|number| METHODS.get(number).copied())
                    .unwrap_or("Other")
            };
            let names: Vec<_> = methods.iter().map(name).collect();
            Some(format!("Requested Delivery Method: {}", names.join(", ")))
        }
        9 => {
            const MODES: [&str; 8] = [
                "Ordinary Mail",
                "Special Delivery",
                "Express Mail",
                "Counter Collection",
                "Counter Collection With Telephone Advice",
                "Counter Collection With Telex Advice",
                "Counter Collection With Teletex Advice",
                "Bureau Fax Delivery",
            ];
            let modes: PhysicalDeliveryModes = field.decode().ok()?;
            let names: Vec<_> = (0..)
                .zip(MODES)
                .filter(|(bit, _)| modes.contains(*bit))
                .map(|(_, name)| name)
                .collect();
            (!names.is_empty()).then(|| format!("Physical Delivery Modes: {}", names.join(", ")))
        }
        10 => match field.decode().ok()? {
            RegisteredMailType::REGISTERED_MAIL => Some("Registered Mail".to_owned()),
            RegisteredMailType::REGISTERED_MAIL_TO_ADDRESSEE_IN_PERSON => {
                Some("Registered Mail To Addressee In Person".to_owned())
            }
            _ => None,
        },
        11 => {
            let number: RecipientNumberForAdvice = field.decode().ok()?;
            Some(format!(
                "Recipient Number For Advice: {}",
                teletex::to_human(number.as_bytes())
            ))
        }
        12 => {
            let attributes: PhysicalRenditionAttributes = field.decode().ok()?;
            Some(format!(
                "Physical Rendition Attributes: {}",
                addresses::object_identifier(&attributes)
            ))
        }
        _ => None,
    }
}
