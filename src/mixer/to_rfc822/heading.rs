//! The heading of a message: From, To, Subject and their kind, and the fields that came from mail.
//!
//! RFC 2156 section 5.3.4, with the settings of 5.3.2. Fields that travelled in the rfc-822-field
//! extension come back last, and only where nothing else speaks: [`NOT_RESTORED`] lists the rest.

use super::Work;
use super::trace::date_time;
use crate::asn1::ipms::{
    AutoSubmitted, Heading, IPMIdentifier, IPMSExtension, ImportanceField, Languages, ORDescriptor,
    RecipientSpecifier,
};
use crate::asn1::mts::Time as UtcTime;
use crate::asn1::oids::{
    ID_HEX_AUTO_SUBMITTED, ID_HEX_INCOMPLETE_COPY, ID_HEX_LANGUAGES, ID_HEX_MULTIPART_MESSAGE,
    ID_HEX_MULTIPART_MESSAGE_V2, ID_RFC_822_FIELD_LIST, ID_RFC_822_FIELD_LIST_1327,
    ID_RFC_822_FIELD_LIST_TRUNCATED,
};
use crate::asn1::types::ObjectIdentifier;
use crate::mixer::address::descriptor;
use crate::mixer::basic::{self, teletex};
use crate::mixer::body::file;
use crate::mixer::body::to_rfc822::is_field_of_body;
use crate::mixer::to_x400::heading::agreeing;
use crate::rfc822::{Address, Field, Fields};

/// Fields that are never restored from the rfc-822-field extension, whoever put them there, and why.
///
/// A name that ends in `*` stands for all names that begin so. Besides, no field is restored whose
/// name the conversion itself has written: what the X.400 elements say always wins.
pub const NOT_RESTORED: &[(&str, &str)] = &[
    (
        "Received",
        "trace is made from trace elements, or a stranger could forge the road",
    ),
    (
        "X400-*",
        "these speak of the envelope, and only we read the envelope",
    ),
    ("Discarded-X400-*", "these say what we left behind"),
    (
        "Return-Path",
        "the last MTA writes it from the envelope (RFC 5321 section 4.4)",
    ),
    (
        "Bcc",
        "it would tell who shall not be seen; blind copies are an element of their own",
    ),
    ("Resent-Bcc", "as Bcc"),
    (
        "Authentication-Results",
        "only the receiving side may state what it checked (RFC 8601 section 5)",
    ),
    (
        "ARC-*",
        "a chain of such statements, broken by conversion (RFC 8617)",
    ),
    (
        "Received-SPF",
        "as Authentication-Results (RFC 7208 section 9.1)",
    ),
    (
        "From",
        "the originator and the authorizing users are elements",
    ),
    ("Sender", "the originator is an element"),
    ("Date", "the time of submission is an element"),
    ("Message-ID", "this-IPM is an element"),
    (
        "Message-Type",
        "it marks reports and notifications, which the APDU tells (section 5.1.7)",
    ),
    ("MIME-Version", "the body is converted anew"),
    ("Content-Type", "the body is converted anew"),
    ("Content-Transfer-Encoding", "the body is converted anew"),
    (
        "MT-Priority",
        "priority is of the envelope (RFC 6758 section 3.3)",
    ),
];

/// What of a heading other conversions need.
#[derive(Debug, Default)]
pub(super) struct MappedHeading {
    /// The fields made from elements.
    pub fields: Fields,
    /// The fields of the rfc-822-field extension, to be restored after all others.
    pub restored: Vec<Field>,
    /// The Message-ID, with its brackets.
    pub message_id: Option<String>,
}

/// Maps a heading.
pub(super) fn map(work: &mut Work<'_>, heading: &Heading) -> MappedHeading {
    let mut mapped = MappedHeading::default();
    let fields = &mut mapped.fields;
    let originator = heading
        .originator
        .as_ref()
        .and_then(|originator| work.descriptor(originator));
    let authorizing = work.descriptors(heading.authorizing_users.iter().flatten());
    if authorizing.is_empty() {
        addresses(work, fields, "From", "originator", originator.iter());
    } else {
        addresses(work, fields, "From", "authorizing-users", &authorizing);
        addresses(work, fields, "Sender", "originator", originator.iter());
    }
    let to = recipients(work, &heading.primary_recipients);
    addresses(work, fields, "To", "primary-recipients", &to);
    let cc = recipients(work, &heading.copy_recipients);
    addresses(work, fields, "Cc", "copy-recipients", &cc);
    if let Some(blind) = &heading.blind_copy_recipients {
        let bcc = recipients(work, blind);
        fields.addresses("Bcc", &bcc);
        work.ledger.field("blind-copy-recipients", "Bcc", "5.3.4");
    }
    let reply_to = work.descriptors(heading.reply_recipients.iter().flatten());
    addresses(work, fields, "Reply-To", "reply-recipients", &reply_to);
    // What an element holds cut or approximated, a field may say in full (section 5.1.3).
    let carried = file::fields_of(heading.extensions.iter());
    for field in agreeing(heading, &carried) {
        // A name that is none cannot have come from a field.
        let _ = fields.field(field);
        work.ledger
            .field("rfc-822-field extension", &field.name, "5.1.2");
        if field.is("Message-ID") {
            mapped.message_id = Some(field.text().trim().to_owned());
        }
    }
    if !fields.contains("Message-ID") {
        mapped.message_id = work.msg_id(&heading.this_ipm);
        if let Some(msg_id) = &mapped.message_id {
            fields.structured("Message-ID", msg_id);
            work.ledger.field("this-IPM", "Message-ID", "4.7.3.4");
        }
    }
    if !fields.contains("In-Reply-To") {
        let replied_to = heading.replied_to_ipm.iter();
        identifiers(work, fields, "In-Reply-To", "replied-to-IPM", replied_to);
    }
    if !fields.contains("References") {
        identifiers(
            work,
            fields,
            "References",
            "related-IPMs",
            &heading.related_ipms,
        );
    }
    supersedes(work, fields, heading);
    if let Some(subject) = heading
        .subject
        .as_ref()
        .filter(|_| !fields.contains("Subject"))
    {
        fields.text("Subject", &teletex::to_human(subject.as_bytes()));
        work.ledger.field("subject", "Subject", "5.3.4");
    }
    time(
        work,
        fields,
        "Expires",
        "expiry-time",
        heading.expiry_time.as_ref(),
    );
    time(
        work,
        fields,
        "Reply-By",
        "reply-time",
        heading.reply_time.as_ref(),
    );
    if heading.importance != ImportanceField::NORMAL {
        let importance = heading.importance.name().unwrap_or("normal");
        say(work, fields, "Importance", importance, "importance");
    }
    if let Some(sensitivity) = heading.sensitivity {
        let sensitivity = match sensitivity.0 {
            1 => "Personal",
            2 => "Private",
            _ => "Company-Confidential",
        };
        say(work, fields, "Sensitivity", sensitivity, "sensitivity");
    }
    if heading.auto_forwarded {
        say(
            work,
            fields,
            "Autoforwarded",
            basic::boolean(true),
            "auto-forwarded",
        );
    }
    extensions(work, &mut mapped, heading);
    mapped
}

/// Restores the fields of the rfc-822-field extension after all others (section 5.1.2).
pub(super) fn restore(work: &mut Work<'_>, fields: &mut Fields, restored: &[Field]) {
    let made = fields.clone();
    for field in restored {
        let why = match not_restored(&field.name) {
            Some(why) => Some(why),
            None if made.contains(&field.name) => Some("an element of X.400 says it"),
            None => fields.field(field).is_err().then_some("it is no field"),
        };
        match why {
            Some(why) => {
                let what = format!("rfc-822-field {}", field.name.escape_default());
                work.ledger
                    .note(what, format!("left behind: {why}"), "5.1.2", true);
            }
            None => work
                .ledger
                .field("rfc-822-field extension", &field.name, "5.1.2"),
        }
    }
}

/// Why a field of that name is never restored.
fn not_restored(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    let row = NOT_RESTORED.iter().find(|(listed, _)| {
        let listed = listed.to_ascii_lowercase();
        listed
            .strip_suffix('*')
            .map_or(name == listed, |start| name.starts_with(start))
    });
    row.map(|(_, why)| *why)
}

/// A field of addresses, unless there is none.
fn addresses<'a>(
    work: &mut Work<'_>,
    fields: &mut Fields,
    name: &'static str,
    element: &str,
    addresses: impl IntoIterator<Item = &'a Address>,
) {
    let addresses: Vec<_> = addresses.into_iter().collect();
    if !addresses.is_empty() {
        fields.addresses(name, addresses);
        work.ledger.field(element, name, "5.3.4");
    }
}

/// The addresses of recipients (section 4.7.2).
fn recipients(work: &mut Work<'_>, recipients: &[RecipientSpecifier]) -> Vec<Address> {
    let one = |recipient| {
        let mapped = descriptor::to_recipient(work.context, recipient);
        work.or_noted("RecipientSpecifier", mapped)
    };
    recipients.iter().filter_map(one).collect()
}

/// A field of message identifiers, or of phrases that stand for them (section 4.7.3.5).
fn identifiers<'a>(
    work: &mut Work<'_>,
    fields: &mut Fields,
    name: &'static str,
    element: &str,
    identifiers: impl IntoIterator<Item = &'a IPMIdentifier>,
) {
    let texts: Vec<_> = identifiers
        .into_iter()
        .filter_map(|identifier| work.msg_id_or_phrase(identifier))
        .collect();
    if !texts.is_empty() {
        say(work, fields, name, &texts.join(" "), element);
    }
}

/// `Supersedes`, which holds message identifiers only.
fn supersedes(work: &mut Work<'_>, fields: &mut Fields, heading: &Heading) {
    let texts: Vec<_> = heading
        .obsoleted_ipms
        .iter()
        .filter_map(|identifier| work.msg_id(identifier))
        .collect();
    if !texts.is_empty() {
        say(
            work,
            fields,
            "Supersedes",
            &texts.join(" "),
            "obsoleted-IPMs",
        );
    }
}

fn time(
    work: &mut Work<'_>,
    fields: &mut Fields,
    name: &'static str,
    element: &str,
    time: Option<&UtcTime>,
) {
    if let Some(time) = time {
        let text = date_time(work.context, time);
        say(work, fields, name, &text, element);
    }
}

fn say(work: &mut Work<'_>, fields: &mut Fields, name: &'static str, text: &str, element: &str) {
    fields.structured(name, text);
    work.ledger.field(element, name, "5.3.4");
}

/// The extensions of the heading; those we cannot map are listed.
fn extensions(work: &mut Work<'_>, mapped: &mut MappedHeading, heading: &Heading) {
    let mut discarded = Vec::new();
    for extension in heading.extensions.iter() {
        if self::extension(work, mapped, extension).is_none() {
            discarded.push(&extension.r#type);
        }
    }
    discarded_extensions(work, &mut mapped.fields, discarded);
}

/// `Discarded-X400-IPMS-Extensions`, unless there is none.
pub(super) fn discarded_extensions<'a>(
    work: &mut Work<'_>,
    fields: &mut Fields,
    discarded: impl IntoIterator<Item = &'a ObjectIdentifier>,
) {
    let texts: Vec<_> = discarded
        .into_iter()
        .map(super::addresses::object_identifier)
        .collect();
    if texts.is_empty() {
        return;
    }
    for text in &texts {
        work.ledger
            .note(text, "Discarded-X400-IPMS-Extensions", "5.3.4", true);
    }
    fields.structured("Discarded-X400-IPMS-Extensions", &texts.join(", "));
}

/// Maps one extension; `None` if it cannot be mapped.
fn extension(
    work: &mut Work<'_>,
    mapped: &mut MappedHeading,
    extension: &IPMSExtension,
) -> Option<()> {
    let fields = &mut mapped.fields;
    match &extension.r#type {
        id if *id == ID_HEX_INCOMPLETE_COPY => {
            say(work, fields, "Incomplete-Copy", "", "incomplete-copy")
        }
        id if *id == ID_HEX_LANGUAGES => {
            let languages: Languages = extension.value.as_ref()?.decode().ok()?;
            let texts: Vec<_> = languages
                .iter()
                .filter_map(|language| language.as_str())
                .collect();
            if !texts.is_empty() {
                say(
                    work,
                    fields,
                    "Content-Language",
                    &texts.join(", "),
                    "languages",
                );
            }
        }
        id if *id == ID_HEX_AUTO_SUBMITTED => {
            let auto: AutoSubmitted = extension.value.as_ref()?.decode().ok()?;
            let text = auto.name()?;
            say(work, fields, "Autosubmitted", text, "auto-submitted");
            // What is in use today (RFC 3834); "no" goes without saying.
            if auto != AutoSubmitted::NOT_AUTO_SUBMITTED {
                say(work, fields, "Auto-Submitted", text, "auto-submitted");
            }
        }
        id if [
            ID_RFC_822_FIELD_LIST,
            ID_RFC_822_FIELD_LIST_1327,
            ID_RFC_822_FIELD_LIST_TRUNCATED,
        ]
        .contains(id) =>
        {
            let fields = file::fields_of([extension]);
            mapped
                .restored
                .extend(fields.into_iter().filter(|field| !is_field_of_body(field)));
        }
        // The body says it (RFC 2157 section 6.6).
        id if [ID_HEX_MULTIPART_MESSAGE, ID_HEX_MULTIPART_MESSAGE_V2].contains(id) => {}
        _ => return None,
    }
    Some(())
}

impl Work<'_> {
    /// The addresses of descriptors; those that cannot be said are noted.
    pub(super) fn descriptors<'d>(
        &mut self,
        descriptors: impl IntoIterator<Item = &'d ORDescriptor>,
    ) -> Vec<Address> {
        descriptors
            .into_iter()
            .filter_map(|descriptor| self.descriptor(descriptor))
            .collect()
    }
}
