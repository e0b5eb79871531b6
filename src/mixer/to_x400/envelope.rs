//! The transfer envelope: the SMTP envelope and the fields that belong to the MTS.
//!
//! RFC 2156 sections 5.1.5 and 5.2, appendix A 3.1 and appendix C, and of section 5.1.7 the fields of
//! the MTS. Optional components are left out, defaults are defaults; alternate recipients are
//! allowed, and the return of content is asked for.
//!
//! A recipient's number is its place in the mail as it came, in every copy and retry, so that reports
//! agree (X.411 clause 12.2.1.1.1.5). A copy names the recipients of other copies, without the bit of
//! responsibility (12.2.1.1.1.6), only where the sender lets recipients be disclosed: disclosure is
//! prohibited by default (RFC 2156 section 4.6.1), blind copies are envelope recipients too (RFC 5321
//! section 7.2), and what is not in a copy no MTA on its way can show.

use super::{Addressed, fields};
use crate::asn1::mta::{
    MessageTransferEnvelope, PerRecipientIndicators, PerRecipientMessageTransferFields,
};
use crate::asn1::mts::{
    ContentCorrelator, ConversionWithLossProhibited, DLExpansion, DLExpansionHistory,
    ExtensionField, IntendedRecipientName, ORName, PerMessageIndicators, Priority, Redirection,
    RedirectionHistory, RedirectionReason,
};
use crate::mixer::address::{Role, envelope as names, or_address, to_x400, wire};
use crate::mixer::basic::printable;
use crate::mixer::basic::time::Time;
use crate::mixer::context::Context;
use crate::mixer::encoded_types::EncodedTypes;
use crate::mixer::outcome::{Ledger, RecipientMapping, Refusal, Unconverted};
use crate::rfc822::address::AddressList;
use crate::rfc822::envelope::{Envelope, Notify, Recipient};
use crate::rfc822::{Field, Header, date};

/// Numbers of extensions (X.411 figure 2 part 12 on).
mod extension {
    pub(super) const CONVERSION_WITH_LOSS_PROHIBITED: i64 = 4;
    pub(super) const LATEST_DELIVERY_TIME: i64 = 5;
    pub(super) const ORIGINATOR_RETURN_ADDRESS: i64 = 13;
    pub(super) const CONTENT_CORRELATOR: i64 = 23;
    pub(super) const REDIRECTION_HISTORY: i64 = 25;
    pub(super) const DL_EXPANSION_HISTORY: i64 = 26;
}

/// Bits of `for-delivery`.
const FOR_DELIVERY: u32 = 2;
/// The longest content-identifier.
const CONTENT_IDENTIFIER: usize = 16;
/// The longest content-correlator.
const CONTENT_CORRELATOR: usize = 512;
/// What a correlator with an ENVID begins with (appendix A 3.1).
pub const ENVID_PREFIX: &str = "SMTP/NOTARY ENVID: ";

/// What the fields of a mail say to the MTS.
#[derive(Debug, Clone, Default)]
pub struct Requests {
    /// The envelope so far: priority, indicators, extensions, times.
    pub envelope: MessageTransferEnvelope,
    /// Whether a field asks for reports of delivery (appendix C).
    generate_delivery_report: bool,
    /// Whether a field asks for no report at all.
    prevent_non_delivery_report: bool,
    /// Original-Encoded-Information-Types, to be declared as well.
    pub types: Option<EncodedTypes>,
    /// Names of the fields that were read.
    taken: Vec<String>,
}

impl Requests {
    /// Whether the field has become part of the envelope.
    #[must_use]
    pub fn has_taken(&self, field: &Field) -> bool {
        self.taken.iter().any(|name| field.is(name))
    }
}

/// Reads the fields that belong to the MTS.
///
/// # Errors
/// If an address needs answers of name services.
pub fn requests(
    context: &Context<'_>,
    header: &Header,
    ledger: &mut Ledger,
) -> Result<Requests, Unconverted> {
    let mut requests = Requests::default();
    let mut indicators = vec![
        PerMessageIndicators::ALTERNATE_RECIPIENT_ALLOWED,
        PerMessageIndicators::CONTENT_RETURN_REQUEST,
    ];
    for field in &header.fields {
        let first = !requests.has_taken(field);
        let Some((element, section)) = (if first {
            requests.field(context, header, field, &mut indicators)?
        } else {
            None
        }) else {
            continue;
        };
        ledger.field(&field.name, element, section);
        requests.taken.push(field.name.clone());
    }
    indicators.sort_unstable();
    indicators.dedup();
    requests.envelope.per_message_indicators = PerMessageIndicators::of(&indicators);
    Ok(requests)
}

impl Requests {
    /// Takes one field; `None` if it is another's, or cannot be read.
    fn field(
        &mut self,
        context: &Context<'_>,
        header: &Header,
        field: &Field,
        indicators: &mut Vec<u32>,
    ) -> Result<Option<(&'static str, &'static str)>, Unconverted> {
        let text = field.text();
        let value = text.trim();
        let time = || date::parse(&field.raw).map(|zoned| Time::from(&zoned).to_utc_time());
        // `prohibition`: whether the value prohibits; absent or strange values say nothing.
        let prohibited = match value.to_ascii_lowercase().as_str() {
            "prohibited" => Some(true),
            "allowed" => Some(false),
            _ => None,
        };
        let mut indicate = |bit: u32, set: bool| {
            indicators.retain(|known| *known != bit);
            if set {
                indicators.push(bit);
            }
        };
        let element = match field.name.to_ascii_lowercase().as_str() {
            "priority" => {
                let priority = match value.to_ascii_lowercase().as_str() {
                    "normal" => Priority::NORMAL,
                    "non-urgent" => Priority::NON_URGENT,
                    "urgent" => Priority::URGENT,
                    _ => return Ok(None),
                };
                self.envelope.priority = priority;
                "priority"
            }
            "deferred-delivery" => match time() {
                Some(time) => {
                    self.envelope.deferred_delivery_time = Some(time.into());
                    "deferred-delivery-time"
                }
                None => return Ok(None),
            },
            "latest-delivery-time" => match time() {
                Some(time) => {
                    let time = crate::asn1::mts::Time::from(time);
                    self.extend(
                        ExtensionField::new(extension::LATEST_DELIVERY_TIME, &time)
                            .critical(FOR_DELIVERY),
                    );
                    "latest-delivery-time"
                }
                None => return Ok(None),
            },
            "conversion" => match prohibited {
                Some(prohibited) => {
                    indicate(
                        PerMessageIndicators::IMPLICIT_CONVERSION_PROHIBITED,
                        prohibited,
                    );
                    "implicit-conversion-prohibited"
                }
                None => return Ok(None),
            },
            "conversion-with-loss" => match prohibited {
                Some(prohibited) => {
                    if prohibited {
                        let value = ConversionWithLossProhibited::CONVERSION_WITH_LOSS_PROHIBITED;
                        let field =
                            ExtensionField::new(extension::CONVERSION_WITH_LOSS_PROHIBITED, &value);
                        self.extend(field.critical(FOR_DELIVERY));
                    }
                    "conversion-with-loss-prohibited"
                }
                None => return Ok(None),
            },
            "originator-return-address" => {
                let list = AddressList::parse(&field.raw);
                let Some(mailbox) = list.mailboxes().next() else {
                    return Ok(None);
                };
                match to_x400::or_address(context, &mailbox.address, Role::Heading) {
                    Ok(mapped) => self.extend(ExtensionField::new(
                        extension::ORIGINATOR_RETURN_ADDRESS,
                        &mapped.value,
                    )),
                    Err(Unconverted::Refused(_)) => return Ok(None),
                    Err(missing) => return Err(missing),
                }
                "originator-return-address"
            }
            "original-encoded-information-types" => match EncodedTypes::parse(value) {
                Some(types) => {
                    self.types = Some(types);
                    "original-encoded-information-types"
                }
                None => return Ok(None),
            },
            "x400-content-identifier" | "content-identifier"
                if printable::is_printable(value) && !value.is_empty() =>
            {
                let identifier: String = value.chars().take(CONTENT_IDENTIFIER).collect();
                self.envelope.content_identifier = Some(identifier.into());
                "content-identifier"
            }
            "dl-expansion-history" => return self.expansions(context, header),
            "alternate-recipient" => match prohibited {
                Some(prohibited) => {
                    indicate(
                        PerMessageIndicators::ALTERNATE_RECIPIENT_ALLOWED,
                        !prohibited,
                    );
                    return Ok(Some(("alternate-recipient-allowed", "App. C")));
                }
                None => return Ok(None),
            },
            "disclose-recipients" => match prohibited {
                Some(prohibited) => {
                    indicate(
                        PerMessageIndicators::DISCLOSURE_OF_OTHER_RECIPIENTS,
                        !prohibited,
                    );
                    return Ok(Some(("disclosure-of-other-recipients", "App. C")));
                }
                None => return Ok(None),
            },
            "x400-content-return" => match prohibited {
                Some(prohibited) => {
                    indicate(PerMessageIndicators::CONTENT_RETURN_REQUEST, !prohibited);
                    return Ok(Some(("content-return-request", "App. C")));
                }
                None => return Ok(None),
            },
            "prevent-nondelivery-report" if value.is_empty() => {
                self.prevent_non_delivery_report = true;
                return Ok(Some(("per-recipient-indicators", "App. C")));
            }
            "generate-delivery-report" if value.is_empty() => {
                self.generate_delivery_report = true;
                return Ok(Some(("per-recipient-indicators", "App. C")));
            }
            _ => return Ok(None),
        };
        Ok(Some((element, "5.1.7")))
    }

    /// All DL-Expansion-History fields, the oldest (lowest) first.
    fn expansions(
        &mut self,
        context: &Context<'_>,
        header: &Header,
    ) -> Result<Option<(&'static str, &'static str)>, Unconverted> {
        let mut history = DLExpansionHistory::new();
        let fields: Vec<&Field> = header.all("DL-Expansion-History").collect();
        for field in fields.into_iter().rev() {
            let text = field.text();
            let Some((mailbox, at)) = text.trim().trim_end_matches(';').rsplit_once(';') else {
                return Ok(None);
            };
            let list = AddressList::parse(mailbox.as_bytes());
            let (Some(mailbox), Some(at)) = (list.mailboxes().next(), Time::from_date_time(at))
            else {
                return Ok(None);
            };
            match to_x400::or_address(context, &mailbox.address, Role::Heading) {
                Ok(mapped) => history.push(DLExpansion {
                    dl: ORName::from(mapped.value),
                    dl_expansion_time: at.to_utc_time().into(),
                    ..DLExpansion::default()
                }),
                Err(Unconverted::Refused(_)) => return Ok(None),
                Err(missing) => return Err(missing),
            }
        }
        self.extend(ExtensionField::new(
            extension::DL_EXPANSION_HISTORY,
            &history,
        ));
        Ok(Some(("dl-expansion-history", "5.1.7")))
    }

    fn extend(&mut self, field: ExtensionField) {
        self.envelope.extensions.push(field);
    }

    /// What one recipient asks for (appendix A 3.1, its table corrected: one bit at most).
    fn indicators(
        &self,
        notify: Option<Notify>,
        returnable: bool,
        responsible: bool,
    ) -> PerRecipientIndicators {
        let mut bits = Vec::new();
        bits.extend(responsible.then_some(PerRecipientIndicators::RESPONSIBILITY));
        let (report, non_delivery) = match notify {
            _ if !returnable => (false, false),
            Some(notify) if notify.success() => (true, false),
            Some(notify) => (false, notify.failure() || notify.delay()),
            None if self.generate_delivery_report => (true, false),
            None => (false, !self.prevent_non_delivery_report),
        };
        // X.411 wants one of the bits of the originating MTA whatever the originator asks for.
        if report {
            bits.extend([
                PerRecipientIndicators::ORIGINATING_MTA_REPORT,
                PerRecipientIndicators::ORIGINATOR_REPORT,
            ]);
        } else {
            bits.push(PerRecipientIndicators::ORIGINATING_MTA_NON_DELIVERY_REPORT);
        }
        if non_delivery {
            bits.push(PerRecipientIndicators::ORIGINATOR_NON_DELIVERY_REPORT);
        }
        PerRecipientIndicators::of(&bits)
    }
}

/// The recipients that can be said in X.400; of those the copy is for, the others are in the ledger
/// with their reasons.
///
/// # Errors
/// If an address needs answers of name services, or if no recipient is left.
pub fn recipients(
    context: &Context<'_>,
    addressed: &Addressed<'_>,
    requests: &Requests,
    ledger: &mut Ledger,
) -> Result<Vec<PerRecipientMessageTransferFields>, Unconverted> {
    let envelope = addressed.envelope;
    let disclosed = requests
        .envelope
        .per_message_indicators
        .contains(PerMessageIndicators::DISCLOSURE_OF_OTHER_RECIPIENTS);
    let mut named = Vec::new();
    let mut missing = Vec::new();
    let mut refused: Option<Refusal> = None;
    let mut is_for_somebody = false;
    for ((place, recipient), number) in envelope.recipients.iter().enumerate().zip(1_i64..) {
        let ours = (addressed.ours)(place);
        if !ours && !disclosed {
            continue;
        }
        match names::recipient(context, &recipient.forward_path) {
            Ok(name) => {
                let mut extensions = Vec::new();
                if ours {
                    is_for_somebody = true;
                    let address = recipient.forward_path.to_string();
                    let mapped = wire::attributes(&name.value.address()).0.to_string();
                    let entry = name.recipient(address, mapped);
                    ledger.recipients.push(entry);
                    ledger.notes.extend(name.notes);
                    extensions.extend(original_recipient(context, recipient)?);
                }
                let returnable = envelope.reverse_path.is_some();
                named.push(PerRecipientMessageTransferFields {
                    recipient_name: name.value,
                    originally_specified_recipient_number: number,
                    per_recipient_indicators: requests.indicators(
                        recipient.notify,
                        returnable,
                        ours,
                    ),
                    extensions: extensions.into(),
                    ..PerRecipientMessageTransferFields::default()
                });
            }
            Err(Unconverted::Missing(questions)) => missing.extend(questions),
            Err(Unconverted::Refused(refusal)) if ours => {
                let address = recipient.forward_path.to_string();
                let entry = RecipientMapping::refused(address, &refusal);
                ledger.recipients.push(entry);
                refused.get_or_insert(refusal);
            }
            Err(Unconverted::Refused(_)) => {}
        }
    }
    if !missing.is_empty() {
        return Err(Unconverted::Missing(missing));
    }
    match refused {
        Some(refusal) if !is_for_somebody => Err(refusal.into()),
        _ => Ok(named),
    }
}

/// ORCPT as an element of the redirection history (appendix A 3.1), unless it names the recipient.
fn original_recipient(
    context: &Context<'_>,
    recipient: &Recipient,
) -> Result<Option<ExtensionField>, Unconverted> {
    let Some(original) = &recipient.orcpt else {
        return Ok(None);
    };
    let name = match original.address_type.to_ascii_lowercase().as_str() {
        "x400" => or_address::parse(&original.address)
            .ok()
            .map(|address| wire::or_address(&address)),
        "rfc822" => match original.address.parse::<crate::rfc822::AddrSpec>() {
            Ok(address) if !address.is_same_mailbox(&recipient.forward_path) => {
                match to_x400::or_address(context, &address, Role::Heading) {
                    Ok(mapped) => Some(mapped.value),
                    Err(Unconverted::Refused(_)) => None,
                    Err(missing) => return Err(missing),
                }
            }
            _ => None,
        },
        _ => None,
    };
    Ok(name.map(|name| {
        let history: RedirectionHistory = vec![Redirection {
            intended_recipient_name: IntendedRecipientName {
                intended_recipient: ORName::from(name),
                redirection_time: Time::from(&context.now).to_utc_time().into(),
                ..IntendedRecipientName::default()
            },
            redirection_reason: RedirectionReason::ALIAS,
            ..Redirection::default()
        }];
        ExtensionField::new(extension::REDIRECTION_HISTORY, &history)
    }))
}

/// The priority that MT-PRIORITY asks for (RFC 6710 appendix B: -4, 0 and 4), if it was given.
#[must_use]
pub fn priority(mt_priority: Option<i8>) -> Option<Priority> {
    mt_priority.map(|level| match level {
        ..=-3 => Priority::NON_URGENT,
        -2..=2 => Priority::NORMAL,
        3.. => Priority::URGENT,
    })
}

/// The content-correlator: the ENVID, else Subject, Message-ID, Date and To, one a line.
#[must_use]
pub fn correlator(envelope: &Envelope, header: &Header) -> Option<ExtensionField> {
    let text = match &envelope.envid {
        Some(envid) => format!("{ENVID_PREFIX}{envid}"),
        None => {
            let fields = ["Subject", "Message-ID", "Date", "To"]
                .iter()
                .filter_map(|name| {
                    let field = header.first(name)?;
                    Some(fields::rfc822_field_of(name, &field.text()).0)
                });
            fields.collect::<Vec<_>>().join("\r\n")
        }
    };
    let ascii: String = text
        .chars()
        .filter(char::is_ascii)
        .take(CONTENT_CORRELATOR)
        .collect();
    (!ascii.is_empty()).then(|| {
        let correlator = ContentCorrelator::Ia5text(ascii.into());
        ExtensionField::new(extension::CONTENT_CORRELATOR, &correlator)
    })
}

/// The content-identifier of a subject: PrintableString, cut with three dots.
#[must_use]
pub fn content_identifier(subject: &str) -> Option<String> {
    let printable = printable::approximate(subject.trim());
    let printable = printable.trim();
    if printable.len() <= CONTENT_IDENTIFIER {
        return (!printable.is_empty()).then(|| printable.to_owned());
    }
    let start: String = printable.chars().take(CONTENT_IDENTIFIER - 3).collect();
    Some(format!("{start}..."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s5_1_5_the_content_identifier_is_cut_with_three_dots() {
        assert_eq!(
            content_identifier("Short subject").as_deref(),
            Some("Short subject")
        );
        assert_eq!(
            content_identifier("A subject that is too long").as_deref(),
            Some("A subject tha...")
        );
        assert_eq!(content_identifier("Grüße").as_deref(), Some("Grusse"));
        assert_eq!(content_identifier(" "), None);
    }

    #[test]
    fn app_a_3_1_one_report_bit_at_most() {
        let requests = Requests::default();
        let bits = |notify, returnable| {
            let indicators = requests.indicators(notify, returnable, true);
            (0..5)
                .filter(|bit| indicators.contains(*bit))
                .collect::<Vec<_>>()
        };
        assert_eq!(bits(None, true), [0, 2, 4]);
        assert_eq!(bits(Some(Notify::SUCCESS_AND_FAILURE), true), [0, 1, 3]);
        assert_eq!(bits(Some(Notify::FAILURE), true), [0, 2, 4]);
        assert_eq!(bits(Some(Notify::Never), true), [0, 2]);
        assert_eq!(bits(None, false), [0, 2], "nobody to report to");
    }

    #[test]
    fn rfc6710_app_b_three_levels() {
        assert_eq!(priority(Some(-4)), Some(Priority::NON_URGENT));
        assert_eq!(priority(Some(0)), Some(Priority::NORMAL));
        assert_eq!(priority(Some(4)), Some(Priority::URGENT));
        assert_eq!(priority(None), None);
    }
}
