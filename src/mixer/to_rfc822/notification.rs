//! Interpersonal notifications: receipt and non-receipt as a message that people read.
//!
//! RFC 2156 section 5.3.5.

use super::trace::date_time;
use super::{Work, heading};
use crate::asn1::ipms::{
    AcknowledgmentModeField, DiscardReasonField, IPN, NonReceiptFields, NonReceiptReasonField,
    NotificationFields, ReceiptFields,
};
use crate::mixer::encoded_types::EncodedTypes;
use crate::rfc822::{AddrSpec, Address, Entity, Fields, Mailbox, MediaType};

/// A notification as a message: the fields of its heading, and its content.
pub(super) fn map(
    work: &mut Work<'_>,
    ipn: &IPN,
    recipient: Option<&AddrSpec>,
) -> (Fields, Entity) {
    let mut fields = Fields::new();
    let originator = ipn
        .ipn_originator
        .as_ref()
        .and_then(|originator| work.descriptor(originator));
    if let Some(from) = &originator {
        fields.addresses("From", [from]);
        work.ledger.field("ipn-originator", "From", "5.3.5");
    }
    if let Some(recipient) = recipient {
        fields.mailboxes("To", [&Mailbox::new(recipient.clone())]);
    }
    let failure = !matches!(ipn.choice, NotificationFields::ReceiptFields(_));
    fields.text(
        "Subject",
        match failure {
            true => "X.400 Inter-Personal Notification (failure)",
            false => "X.400 Inter-Personal Notification",
        },
    );
    fields.structured("Message-Type", "InterPersonal Notification");
    fields.structured("Auto-Submitted", "auto-replied");
    if let Some(subject) = work.msg_id_or_phrase(&ipn.subject_ipm) {
        fields.structured("References", &subject);
        work.ledger.field("subject-ipm", "References", "5.3.5");
    }
    let mut discarded: Vec<_> = ipn
        .notification_extensions
        .iter()
        .flatten()
        .map(|extension| &extension.r#type)
        .collect();
    let preferred = ipn
        .ipm_intended_recipient
        .as_ref()
        .and_then(|recipient| work.descriptor(recipient));
    let to = preferred
        .or(originator)
        .as_ref()
        .map(Address::to_string)
        .unwrap_or_default();
    let mut text = format!("Your message to: {to}\r\n");
    let mut returned = None;
    match &ipn.choice {
        NotificationFields::ReceiptFields(receipt) => {
            receipt_text(work, receipt, &mut text);
            discarded.extend(
                receipt
                    .rn_extensions
                    .iter()
                    .flatten()
                    .map(|extension| &extension.r#type),
            );
        }
        NotificationFields::NonReceiptFields(non_receipt) => {
            non_receipt_text(non_receipt, &mut text);
            returned = non_receipt.returned_ipm.as_ref();
            discarded.extend(
                non_receipt
                    .nrn_extensions
                    .iter()
                    .flatten()
                    .map(|extension| &extension.r#type),
            );
        }
        NotificationFields::OtherNotificationTypeFields(others) => {
            text.push_str("caused a notification of a type that has no equivalent in mail.\r\n");
            discarded.extend(others.iter().map(|extension| &extension.r#type));
        }
    }
    if let Some(types) = &ipn.conversion_eits {
        let types = EncodedTypes::of_element(types).text();
        text.push_str(&format!(
            "\r\nThe following information types were converted: {types}\r\n"
        ));
        work.ledger.field("conversion-eits", "text", "5.3.5");
    }
    if failure {
        text.push_str(match returned {
            Some(_) => "\r\nThe Original Message follows:\r\n",
            None => "\r\nThe Original Message is not available\r\n",
        });
    }
    heading::discarded_extensions(work, &mut fields, discarded);
    let text = Entity::unicode(&text);
    let content = match returned {
        Some(ipm) => {
            let (header, content) = work.message(ipm);
            work.ledger.field("returned-ipm", "message/rfc822", "5.3.5");
            Entity::multipart(
                MediaType::new("multipart", "mixed"),
                vec![text, Entity::message(header, content)],
            )
        }
        None => text,
    };
    (fields, content)
}

/// `ipn-receipt`.
fn receipt_text(work: &mut Work<'_>, receipt: &ReceiptFields, text: &mut String) {
    let mode = match receipt.acknowledgment_mode {
        AcknowledgmentModeField::AUTOMATIC => "Automatically",
        _ => "Manually",
    };
    let at = date_time(work.context, &receipt.receipt_time);
    text.push_str(&format!(
        "was received at {at}\r\n\r\nThis notification was generated {mode}\r\n"
    ));
    text.push_str("The following extra information was given:\r\n");
    if let Some(information) = &receipt.suppl_receipt_info {
        text.push_str(&format!("   {}\r\n", one_line(information.as_bytes())));
    }
    work.ledger.field("receipt-fields", "text", "5.3.5");
}

/// `ipn-reason`.
fn non_receipt_text(non_receipt: &NonReceiptFields, text: &mut String) {
    if non_receipt.non_receipt_reason == NonReceiptReasonField::IPM_AUTO_FORWARDED {
        text.push_str("was automatically forwarded.\r\n");
        if let Some(comment) = &non_receipt.auto_forward_comment {
            text.push_str(&format!(
                "The following comment was made:\r\n   {}\r\n",
                one_line(comment.as_bytes())
            ));
        }
        return;
    }
    let reason = match non_receipt.discard_reason {
        Some(DiscardReasonField::IPM_EXPIRED) => "Expired",
        Some(DiscardReasonField::IPM_OBSOLETED) => "Obsoleted",
        Some(DiscardReasonField::USER_SUBSCRIPTION_TERMINATED) => "User Subscription Terminated",
        _ => "IPM Deleted",
    };
    text.push_str(&format!(
        "was discarded for the following reason: {reason}\r\n"
    ));
}

/// Text of a stranger as one line.
fn one_line(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets)
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
