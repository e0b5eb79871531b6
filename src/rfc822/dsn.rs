//! Delivery status notifications, written and read (RFC 3464; the report of RFC 6522).

use bytes::Bytes;
use jiff::Zoned;

use super::entity::Entity;
use super::field::Header;
use super::mail::{Content, Mail, Part};
use super::media::MediaType;
use super::status::Status;
use super::write::Fields;
use super::{Field, date};
use crate::octets::Octets;

/// A value with its type, `type; value`: `dns; gw.example`, `rfc822; a@b.example`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Typed {
    /// The address type, MTA name type or diagnostic type.
    pub kind: String,
    /// The value.
    pub value: String,
}

impl Typed {
    /// A value with its type.
    #[must_use]
    pub fn new(kind: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            value: value.into(),
        }
    }

    fn read(text: &str) -> Option<Self> {
        let (kind, value) = text.split_once(';')?;
        Some(Self::new(kind.trim(), value.trim()))
    }
}

impl std::fmt::Display for Typed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}; {}", self.kind, self.value)
    }
}

/// The content of `message/delivery-status`.
#[derive(Debug, Clone, PartialEq)]
pub struct DeliveryStatus {
    /// `Original-Envelope-Id` (section 2.2.1).
    pub original_envelope_id: Option<String>,
    /// `Reporting-MTA` (section 2.2.2).
    pub reporting_mta: Typed,
    /// `DSN-Gateway` (section 2.2.3).
    pub dsn_gateway: Option<Typed>,
    /// `Received-From-MTA` (section 2.2.4).
    pub received_from_mta: Option<Typed>,
    /// `Arrival-Date` (section 2.2.5).
    pub arrival_date: Option<Zoned>,
    /// Further per-message fields.
    pub extensions: Vec<(String, String)>,
    /// One group for each recipient.
    pub recipients: Vec<RecipientStatus>,
}

impl DeliveryStatus {
    /// The status of no recipient yet.
    #[must_use]
    pub fn new(reporting_mta: Typed) -> Self {
        Self {
            original_envelope_id: None,
            reporting_mta,
            dsn_gateway: None,
            received_from_mta: None,
            arrival_date: None,
            extensions: Vec::new(),
            recipients: Vec::new(),
        }
    }
}

/// The fields of one recipient (section 2.3).
#[derive(Debug, Clone, PartialEq)]
pub struct RecipientStatus {
    /// `Original-Recipient`: only if the sender gave one (RFC 3461 section 6.3 (d)).
    pub original_recipient: Option<Typed>,
    /// `Final-Recipient`.
    pub final_recipient: Typed,
    /// `Action`.
    pub action: Action,
    /// `Status`.
    pub status: Status,
    /// `Remote-MTA`.
    pub remote_mta: Option<Typed>,
    /// `Diagnostic-Code`.
    pub diagnostic_code: Option<Typed>,
    /// `Last-Attempt-Date`.
    pub last_attempt_date: Option<Zoned>,
    /// `Final-Log-ID`.
    pub final_log_id: Option<String>,
    /// `Will-Retry-Until`.
    pub will_retry_until: Option<Zoned>,
    /// Further fields.
    pub extensions: Vec<(String, String)>,
}

impl RecipientStatus {
    /// What became of a recipient.
    #[must_use]
    pub fn new(final_recipient: Typed, action: Action, status: Status) -> Self {
        Self {
            original_recipient: None,
            final_recipient,
            action,
            status,
            remote_mta: None,
            diagnostic_code: None,
            last_attempt_date: None,
            final_log_id: None,
            will_retry_until: None,
            extensions: Vec::new(),
        }
    }
}

/// The values of `Action` (section 2.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// It could not be delivered.
    Failed,
    /// It is not delivered yet.
    Delayed,
    /// It was delivered.
    Delivered,
    /// It went on to where no notifications are made.
    Relayed,
    /// It was delivered to a list, which sent it on.
    Expanded,
}

impl Action {
    const WORDS: [(Self, &str); 5] = [
        (Self::Failed, "failed"),
        (Self::Delayed, "delayed"),
        (Self::Delivered, "delivered"),
        (Self::Relayed, "relayed"),
        (Self::Expanded, "expanded"),
    ];

    /// The word of the field.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::WORDS
            .iter()
            .find(|(action, _)| *action == self)
            .map_or("failed", |(_, word)| word)
    }

    /// Reads the word, with the comments some writers add; `failure` is RFC 2156's own slip.
    fn read(text: &str) -> Option<Self> {
        let word = text
            .split(|c: char| !c.is_ascii_alphabetic())
            .next()?
            .to_ascii_lowercase();
        let word = if word == "failure" { "failed" } else { &word };
        Self::WORDS
            .iter()
            .find(|(_, known)| *known == word)
            .map(|(action, _)| *action)
    }

    /// The status to assume if none is given.
    fn status(self) -> Status {
        match self {
            Self::Failed => Status(5, 0, 0),
            Self::Delayed => Status(4, 0, 0),
            Self::Delivered | Self::Relayed | Self::Expanded => Status(2, 0, 0),
        }
    }
}

/// What is returned of the message the notification is about.
#[derive(Debug, Clone)]
pub enum Returned {
    /// Nothing.
    Nothing,
    /// Its header, as `text/rfc822-headers`.
    Header(Octets),
    /// All of it, as `message/rfc822`.
    Message(Octets),
    /// Something composed elsewhere.
    Entity(Box<Entity>),
}

/// The notification as a `multipart/report`: `text` for people, the status, what is returned.
#[must_use]
pub fn report(text: Entity, status: &DeliveryStatus, returned: Returned) -> Entity {
    let mut parts = vec![text, status_entity(status)];
    let verbatim = |media: MediaType, octets: Octets| {
        // What cannot travel as it stands is returned all the same.
        Entity::verbatim(media, octets.clone()).unwrap_or_else(|_| {
            Entity::binary(MediaType::new("application", "octet-stream"), octets)
        })
    };
    match returned {
        Returned::Nothing => {}
        Returned::Header(header) => {
            parts.push(verbatim(MediaType::new("text", "rfc822-headers"), header))
        }
        Returned::Message(message) => {
            parts.push(verbatim(MediaType::new("message", "rfc822"), message))
        }
        Returned::Entity(entity) => parts.push(*entity),
    }
    Entity::multipart(
        MediaType::new("multipart", "report").with("report-type", "delivery-status"),
        parts,
    )
}

/// The `message/delivery-status` part.
fn status_entity(status: &DeliveryStatus) -> Entity {
    let mut fields = Fields::new();
    let mut groups = String::new();
    optional(
        &mut fields,
        "Original-Envelope-Id",
        status.original_envelope_id.as_ref(),
    );
    fields.structured("Reporting-MTA", &status.reporting_mta.to_string());
    optional(&mut fields, "DSN-Gateway", status.dsn_gateway.as_ref());
    optional(
        &mut fields,
        "Received-From-MTA",
        status.received_from_mta.as_ref(),
    );
    if let Some(at) = &status.arrival_date {
        fields.date("Arrival-Date", at);
    }
    extensions(&mut fields, &status.extensions);
    groups.push_str(fields.as_str());
    for recipient in &status.recipients {
        let mut fields = Fields::new();
        optional(
            &mut fields,
            "Original-Recipient",
            recipient.original_recipient.as_ref(),
        );
        fields.structured("Final-Recipient", &recipient.final_recipient.to_string());
        fields.structured("Action", recipient.action.as_str());
        fields.structured("Status", &recipient.status.to_string());
        optional(&mut fields, "Remote-MTA", recipient.remote_mta.as_ref());
        optional(
            &mut fields,
            "Diagnostic-Code",
            recipient.diagnostic_code.as_ref(),
        );
        if let Some(at) = &recipient.last_attempt_date {
            fields.date("Last-Attempt-Date", at);
        }
        optional(&mut fields, "Final-Log-ID", recipient.final_log_id.as_ref());
        if let Some(at) = &recipient.will_retry_until {
            fields.date("Will-Retry-Until", at);
        }
        extensions(&mut fields, &recipient.extensions);
        groups.push_str("\r\n");
        groups.push_str(fields.as_str());
    }
    Entity::text(MediaType::new("message", "delivery-status"), groups)
}

fn optional(fields: &mut Fields, name: &'static str, value: Option<&impl ToString>) {
    if let Some(value) = value {
        fields.structured(name, &value.to_string());
    }
}

fn extensions(fields: &mut Fields, extensions: &[(String, String)]) {
    for (name, value) in extensions {
        // A field whose name is none cannot be said.
        let _ = fields.foreign(name, value.as_bytes());
    }
}

/// What is wrong with a notification.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DsnError {
    /// The message is no `multipart/report` with a `message/delivery-status` (section 2).
    #[error("no multipart/report with a message/delivery-status part (RFC 3464 section 2)")]
    NotADsn,
    /// `Reporting-MTA` is missing (section 2.2.2).
    #[error("no Reporting-MTA field (RFC 3464 section 2.2.2)")]
    NoReportingMta,
    /// No group says who the recipient is and what became of it (section 2.3).
    #[error("no group of fields with Final-Recipient and Action (RFC 3464 section 2.3)")]
    NoRecipient,
}

/// A notification that was read.
#[derive(Debug, Clone)]
pub struct Dsn<'a> {
    /// What it says.
    pub status: DeliveryStatus,
    /// The part for people, if there is one.
    pub text: Option<&'a Part>,
    /// What it returns, if anything.
    pub returned: Option<&'a Part>,
}

/// Reads a message that is a delivery status notification.
///
/// A group without recipient or action is passed over; a status that is none is taken from the
/// action.
///
/// # Errors
/// If the message is none, or says of nobody what became of him.
pub fn read(mail: &Mail) -> Result<Dsn<'_>, DsnError> {
    let root = &mail.root;
    let Content::Multipart { parts, .. } = &root.content else {
        return Err(DsnError::NotADsn);
    };
    let is_status = |part: &Part| {
        part.media_type.is("message", "delivery-status")
            || part.media_type.is("message", "global-delivery-status")
    };
    if !root.media_type.is("multipart", "report") {
        return Err(DsnError::NotADsn);
    }
    let at = parts.iter().position(is_status).ok_or(DsnError::NotADsn)?;
    let octets = parts.get(at).ok_or(DsnError::NotADsn)?.decoded().to_bytes();
    let mut groups = groups(&octets).into_iter();
    let message = groups.next().ok_or(DsnError::NoReportingMta)?;
    let mut status =
        DeliveryStatus::new(typed(&message, "Reporting-MTA").ok_or(DsnError::NoReportingMta)?);
    status.original_envelope_id = text(&message, "Original-Envelope-Id");
    status.dsn_gateway = typed(&message, "DSN-Gateway");
    status.received_from_mta = typed(&message, "Received-From-MTA");
    status.arrival_date = at_date(&message, "Arrival-Date");
    status.extensions = others(
        &message,
        &[
            "Reporting-MTA",
            "Original-Envelope-Id",
            "DSN-Gateway",
            "Received-From-MTA",
            "Arrival-Date",
        ],
    );
    status.recipients = groups.filter_map(|group| recipient(&group)).collect();
    if status.recipients.is_empty() {
        return Err(DsnError::NoRecipient);
    }
    let text = at.checked_sub(1).and_then(|before| parts.get(before));
    Ok(Dsn {
        status,
        text,
        returned: parts.get(at + 1),
    })
}

/// The groups of fields, set apart by empty lines.
fn groups(octets: &Bytes) -> Vec<Header> {
    let mut groups = Vec::new();
    let mut rest = octets.clone();
    while !rest.is_empty() {
        let Ok((header, after)) = Header::split(&rest) else {
            break;
        };
        if !header.fields.is_empty() {
            groups.push(header);
        } else if after.len() == rest.len() {
            // Text that is no field: nothing more can be read.
            break;
        }
        rest = after;
    }
    groups
}

fn recipient(group: &Header) -> Option<RecipientStatus> {
    let action = Action::read(&text(group, "Action")?)?;
    let status =
        text(group, "Status").and_then(|text| text.split_ascii_whitespace().next()?.parse().ok());
    let mut recipient = RecipientStatus::new(
        typed(group, "Final-Recipient")?,
        action,
        status.unwrap_or(action.status()),
    );
    recipient.original_recipient = typed(group, "Original-Recipient");
    recipient.remote_mta = typed(group, "Remote-MTA");
    recipient.diagnostic_code = typed(group, "Diagnostic-Code");
    recipient.last_attempt_date = at_date(group, "Last-Attempt-Date");
    recipient.final_log_id = text(group, "Final-Log-ID");
    recipient.will_retry_until = at_date(group, "Will-Retry-Until");
    let known = [
        "Action",
        "Status",
        "Final-Recipient",
        "Original-Recipient",
        "Remote-MTA",
        "Diagnostic-Code",
        "Last-Attempt-Date",
        "Final-Log-ID",
        "Will-Retry-Until",
    ];
    recipient.extensions = others(group, &known);
    Some(recipient)
}

fn text(group: &Header, name: &str) -> Option<String> {
    group
        .first(name)
        .map(Field::text)
        .filter(|text| !text.is_empty())
}

fn typed(group: &Header, name: &str) -> Option<Typed> {
    Typed::read(&text(group, name)?)
}

fn at_date(group: &Header, name: &str) -> Option<Zoned> {
    date::parse(&group.first(name)?.raw)
}

fn others(group: &Header, known: &[&str]) -> Vec<(String, String)> {
    let others = group
        .fields
        .iter()
        .filter(|field| !known.iter().any(|known| field.is(known)));
    others
        .map(|field| (field.name.clone(), field.text()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> DeliveryStatus {
        let mut failed = RecipientStatus::new(
            Typed::new("x400", "/S=One/ADMD= /C=GB/"),
            Action::Failed,
            Status(5, 1, 1),
        );
        failed.original_recipient = Some(Typed::new("rfc822", "\"a b\"@c.example"));
        failed.diagnostic_code = Some(Typed::new(
            "x400",
            "Reason 1(unable-to-transfer); Diagnostic 0(unrecognised-OR-name)",
        ));
        failed.extensions = vec![(
            "X400-Last-Trace".into(),
            "Mon, 14 Jul 1997 11:25:00 +0200".into(),
        )];
        let mut delayed = RecipientStatus::new(
            Typed::new("rfc822", "d@e.example"),
            Action::Delayed,
            Status(4, 4, 1),
        );
        delayed.will_retry_until = date::parse(b"Mon, 14 Jul 1997 11:25:00 +0200");
        DeliveryStatus {
            original_envelope_id: Some("X400-MTS-Identifier: [/ADMD= /C=GB/;1]".into()),
            dsn_gateway: Some(Typed::new("dns", "gw.example")),
            arrival_date: date::parse(b"Mon, 14 Jul 1997 11:25:00 +0200"),
            extensions: vec![(
                "X400-Conversion-Date".into(),
                "Mon, 14 Jul 1997 11:25:00 +0200".into(),
            )],
            recipients: vec![failed, delayed],
            ..DeliveryStatus::new(Typed::new("x400", "mta GW in /ADMD= /C=GB/"))
        }
    }

    fn written(status: &DeliveryStatus, returned: Returned) -> Mail {
        let mut header = Fields::new();
        header.text("Subject", "Delivery-Report (failure)");
        let octets = report(Entity::unicode("It failed.\r\n"), status, returned).write(&header);
        Mail::parse(octets.to_bytes()).unwrap()
    }

    #[test]
    fn rfc3464_2_what_is_written_is_read() {
        let status = sample();
        let mail = written(
            &status,
            Returned::Message(Octets::from("Subject: x\r\n\r\nbody\r\n")),
        );
        let dsn = read(&mail).unwrap();
        assert_eq!(dsn.status, status);
        assert_eq!(dsn.text.unwrap().body, "It failed.\r\n");
        assert_eq!(dsn.returned.unwrap().body, "Subject: x\r\n\r\nbody\r\n");
    }

    #[test]
    fn rfc3464_2_3_no_value_makes_a_group() {
        let mut status = sample();
        status.recipients.truncate(1);
        status.recipients[0].extensions = vec![
            (
                "X-Text".into(),
                "x\r\n\r\nFinal-Recipient: rfc822; y@z\r\nAction: delivered".into(),
            ),
            ("X: Bad\r\n".into(), "x".into()),
        ];
        let mail = written(&status, Returned::Nothing);
        let dsn = read(&mail).unwrap();
        assert_eq!(dsn.status.recipients.len(), 1);
        assert_eq!(dsn.status.recipients[0].extensions.len(), 1);
    }

    #[test]
    fn what_cannot_travel_is_returned_encoded() {
        let mail = written(
            &sample(),
            Returned::Message(Octets::from(&b"a: b\r\n\r\n\0"[..])),
        );
        let dsn = read(&mail).unwrap();
        let returned = dsn.returned.unwrap();
        assert!(returned.media_type.is("application", "octet-stream"));
        assert_eq!(returned.decoded().to_bytes(), &b"a: b\r\n\r\n\0"[..]);
    }

    #[test]
    fn what_is_no_notification_is_said_to_be_none() {
        let fault = |text: &'static str| {
            read(&Mail::parse(Bytes::from_static(text.as_bytes())).unwrap()).err()
        };
        assert_eq!(fault("Subject: x\n\nhello"), Some(DsnError::NotADsn));
        let head = "Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\n";
        let of = |groups: &str| {
            read(&Mail::parse(Bytes::from(format!("{head}{groups}\n--b--\n"))).unwrap()).err()
        };
        assert_eq!(of(""), Some(DsnError::NoReportingMta));
        assert_eq!(
            of("Reporting-MTA: dns; x\n\nAction: failed\n"),
            Some(DsnError::NoRecipient)
        );
        assert_eq!(
            of("Reporting-MTA: dns; x\n\nFinal-Recipient: rfc822; a@b\nAction: failure (x)\n"),
            None
        );
    }
}
