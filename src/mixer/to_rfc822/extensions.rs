//! Extensions of the envelope: which are handled, and what becomes of the others.
//!
//! RFC 2156 section 5.3.6 (criticality) and the lists of 5.3.6, 5.3.7 and 4.6.2.2.

use super::{Work, addresses};
use crate::asn1::mts::{Criticality, ExtensionField};
use crate::asn1::native::ExtensionType;
use crate::mixer::basic;
use crate::mixer::outcome::{Refusal, Status};

/// What becomes of an extension of the envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is mapped, or it asks for nothing that mail does not do.
    Handled,
    /// It cannot be done; the message is refused if it is critical.
    Dropped,
}

/// The extensions of X.411 on a message, by number, and their fate (sections 5.3.6 and 5.3.7).
pub(super) const PER_MESSAGE: &[(i64, &str, Fate)] = &[
    // The gateway may reject these; it passes the message, as section 2.3.1.2 has it.
    (1, "recipient-reassignment-prohibited", Fate::Handled),
    (3, "dl-expansion-prohibited", Fate::Handled),
    (4, "conversion-with-loss-prohibited", Fate::Handled),
    (5, "latest-delivery-time", Fate::Handled),
    (13, "originator-return-address", Fate::Handled),
    (15, "originator-certificate", Fate::Dropped),
    (
        17,
        "content-confidentiality-algorithm-identifier",
        Fate::Dropped,
    ),
    (18, "content-integrity-check", Fate::Dropped),
    (19, "message-origin-authentication-check", Fate::Dropped),
    (20, "message-security-label", Fate::Dropped),
    (21, "proof-of-submission-request", Fate::Handled),
    (23, "content-correlator", Fate::Handled),
    (26, "dl-expansion-history", Fate::Handled),
    (37, "trace-information", Fate::Handled),
    (38, "internal-trace-information", Fate::Handled),
    (40, "multiple-originator-certificates", Fate::Dropped),
    (42, "dl-exempted-recipients", Fate::Dropped),
    (45, "certificate-selectors", Fate::Dropped),
];

/// The extensions of X.411 on a recipient, by number, and their fate (section 4.6.2.2).
pub(super) const PER_RECIPIENT: &[(i64, &str, Fate)] = &[
    (2, "originator-requested-alternate-recipient", Fate::Handled),
    (6, "requested-delivery-method", Fate::Handled),
    (7, "physical-forwarding-prohibited", Fate::Handled),
    (8, "physical-forwarding-address-request", Fate::Handled),
    (9, "physical-delivery-modes", Fate::Handled),
    (10, "registered-mail-type", Fate::Handled),
    (11, "recipient-number-for-advice", Fate::Handled),
    (12, "physical-rendition-attributes", Fate::Handled),
    (14, "physical-delivery-report-request", Fate::Handled),
    (16, "message-token", Fate::Dropped),
    (18, "content-integrity-check", Fate::Dropped),
    (22, "proof-of-delivery-request", Fate::Dropped),
    (25, "redirection-history", Fate::Handled),
    (46, "certificate-selectors-override", Fate::Dropped),
];

pub(super) fn labelled(label: &str, number: i64) -> String {
    u32::try_from(number).map_or_else(
        |_| format!("{label}({number})"),
        |number| basic::labelled_integer(label, number),
    )
}

/// The extension that a field is, as text: `labelled-integer` or `object-identifier`.
pub(super) fn extension_text(field: &ExtensionField) -> String {
    match &field.r#type {
        ExtensionType::StandardExtension(number, _) => {
            let known = PER_MESSAGE
                .iter()
                .chain(PER_RECIPIENT)
                .find(|(known, ..)| known == number);
            labelled(known.map_or("extension", |(_, name, _)| name), *number)
        }
        ExtensionType::PrivateExtension(identifier, _) => addresses::object_identifier(identifier),
    }
}

/// The extensions that are dropped, as text.
///
/// # Errors
/// If one of them is critical for transfer or delivery (section 5.3.6).
pub(super) fn check(
    work: &mut Work<'_>,
    extensions: &[ExtensionField],
    fates: &[(i64, &str, Fate)],
    of: &str,
) -> Result<Vec<String>, Refusal> {
    let mut discarded = Vec::new();
    for field in extensions {
        let fate = field
            .number()
            .and_then(|number| fates.iter().find(|(known, ..)| *known == number));
        if fate.is_some_and(|(.., fate)| *fate == Fate::Handled) {
            continue;
        }
        let text = extension_text(field);
        if field.criticality.contains(Criticality::FOR_TRANSFER)
            || field.criticality.contains(Criticality::FOR_DELIVERY)
        {
            return Err(Refusal {
                section: "5.3.6",
                status: Status(5, 3, 3),
                reason: 1,
                diagnostic: Some(18),
                text: format!("the critical extension {text} of the {of} cannot be handled"),
            });
        }
        work.ledger
            .note(&text, "Discarded-X400-MTS-Extensions", "5.3.6", true);
        discarded.push(text);
    }
    Ok(discarded)
}
