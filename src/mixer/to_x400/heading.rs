//! The heading of an IPM: the fields of a mail as elements, and those without a home as they are.
//!
//! RFC 2156 section 5.1.3, and of section 5.1.7 the fields of the heading. What an element cannot
//! hold exactly (a subject cut or approximated, a list with entries that are none) is also carried as
//! a field, so that the way back can restore it where it agrees with the element.

use super::fields;
use crate::asn1::ipms::{
    AutoSubmitted, Heading, IPMIdentifier, IPMSExtension, ImportanceField, Languages, ORDescriptor,
    RecipientSpecifier, SensitivityField,
};
use crate::asn1::mts::ORName;
use crate::asn1::oids;
use crate::asn1::types::Null;
use crate::mixer::address::{descriptor, identifier, wire};
use crate::mixer::basic::time::Time;
use crate::mixer::basic::{parse_boolean, teletex};
use crate::mixer::body::file;
use crate::mixer::body::to_x400::{Converted, Converter};
use crate::mixer::context::Edition;
use crate::mixer::outcome::Unconverted;
use crate::rfc822::address::AddressList;
use crate::rfc822::{Field, Header, date};

/// The longest subject (X.420).
pub const SUBJECT: usize = 128;

/// The fields that are never mapped (section 5.1.7): the far gateway made them of what it has.
const DISCARDED: [&str; 7] = [
    "Discarded-X400-MTS-Extensions",
    "Discarded-X400-IPMS-Extensions",
    "Message-Type",
    "X400-Content-Type",
    "X400-Originator",
    "X400-Recipients",
    "X400-MTS-Identifier",
];

/// The heading of a message whose body is converted already.
///
/// `taken` tells the fields that the envelope or the trace has taken.
///
/// # Errors
/// If an address needs answers of name services.
pub fn heading(
    converter: &mut Converter<'_, '_>,
    header: &Header,
    converted: &mut Converted,
    taken: &dyn Fn(&Field) -> bool,
) -> Result<Heading, Unconverted> {
    let mut building = Building {
        heading: Heading {
            extensions: std::mem::take(&mut converted.extensions).into(),
            ..Heading::default()
        },
        carried: std::mem::take(&mut converted.fields),
        seen: Vec::new(),
        identified: false,
    };
    for field in &header.fields {
        if !taken(field) {
            building.field(converter, header, field)?;
        }
    }
    for _ in &header.malformed {
        converter.ledger.note(
            "a line of the header that is no field",
            "left behind",
            "5.1.2",
            true,
        );
    }
    if !building.identified {
        let made = identifier::of_msg_id(&format!(
            "<{}@{}>",
            converter.context.id, converter.context.gateway.name
        ));
        building.heading.this_ipm = ipm_identifier(made.value);
    }
    if !building.carried.is_empty() && converter.context.peer.edition == Edition::Of1988 {
        building
            .heading
            .extensions
            .push(file::field_list(building.carried));
    } else {
        converted.fields = building.carried;
    }
    Ok(building.heading)
}

/// A heading under construction.
struct Building {
    heading: Heading,
    carried: Vec<String>,
    /// Names of fields whose first is mapped, or that were merged.
    seen: Vec<String>,
    /// Whether there is a Message-ID.
    identified: bool,
}

impl Building {
    fn field(
        &mut self,
        converter: &mut Converter<'_, '_>,
        header: &Header,
        field: &Field,
    ) -> Result<(), Unconverted> {
        let name = field.name.to_ascii_lowercase();
        if DISCARDED.iter().any(|discarded| field.is(discarded)) {
            converter
                .ledger
                .note(&field.name, "discarded", "5.1.7", true);
            return Ok(());
        }
        if (name.starts_with("content-") && name != "content-language") || name == "mime-version" {
            return Ok(());
        }
        let merged = matches!(
            name.as_str(),
            "from"
                | "sender"
                | "reply-to"
                | "to"
                | "cc"
                | "bcc"
                | "references"
                | "in-reply-to"
                | "supersedes"
                | "obsoletes"
        );
        if merged {
            if !self.seen.contains(&name) {
                let value = header.merged(&name).unwrap_or_default();
                self.merged(converter, header, field, &name, &value)?;
                self.seen.push(name);
            }
            return Ok(());
        }
        let first = !self.seen.contains(&name);
        let element = if first {
            self.single(converter, field, &name)
        } else {
            None
        };
        match element {
            Some(element) => {
                converter.ledger.field(&field.name, element, "5.1.3");
                self.seen.push(name);
            }
            None => self.carry(converter, field),
        }
        Ok(())
    }

    /// Carries a field as it is (section 5.1.2).
    fn carry(&mut self, converter: &mut Converter<'_, '_>, field: &Field) {
        let (text, complete) = fields::rfc822_field(field);
        self.carried.push(text);
        converter
            .ledger
            .note(&field.name, "rfc-822-field extension", "5.1.2", !complete);
    }

    /// Maps a field that counts once; `None` if it is not one of these, or cannot be read.
    fn single(
        &mut self,
        converter: &mut Converter<'_, '_>,
        field: &Field,
        name: &str,
    ) -> Option<&'static str> {
        let text = field.text();
        let value = text.trim();
        let lower = value.to_ascii_lowercase();
        let time = || date::parse(&field.raw).map(|zoned| Time::from(&zoned).to_utc_time().into());
        match name {
            "message-id" if !value.is_empty() => {
                let mapped = identifier::of_msg_id(value);
                if !mapped.notes.is_empty() {
                    self.carry(converter, field);
                }
                converter.ledger.notes.extend(mapped.notes);
                self.heading.this_ipm = ipm_identifier(mapped.value);
                self.identified = true;
                Some("this-IPM")
            }
            "subject" => {
                let human = subject(field);
                if !human.exact {
                    self.carry(converter, field);
                }
                self.heading.subject = Some(human.octets.into());
                Some("subject")
            }
            "content-language" => {
                let languages: Vec<String> =
                    value.split(',').map(|tag| tag.trim().to_owned()).collect();
                let plain = |tag: &String| {
                    tag.len() == 2 && tag.bytes().all(|octet| octet.is_ascii_alphabetic())
                };
                if !languages.iter().all(plain) {
                    self.carry(converter, field);
                }
                let two: Languages = languages
                    .iter()
                    .filter_map(|tag| tag.get(..2))
                    .filter(|tag| tag.bytes().all(|octet| octet.is_ascii_alphabetic()))
                    .map(|tag| tag.to_ascii_lowercase().as_str().into())
                    .collect();
                (!two.is_empty()).then(|| {
                    self.extend(IPMSExtension::new(oids::ID_HEX_LANGUAGES, &two));
                    "languages"
                })
            }
            "expires" | "expiry-date" => {
                self.heading.expiry_time = Some(time()?);
                Some("expiry-time")
            }
            "reply-by" => {
                self.heading.reply_time = Some(time()?);
                Some("reply-time")
            }
            "importance" => {
                self.heading.importance = match lower.as_str() {
                    "low" => ImportanceField::LOW,
                    "normal" => ImportanceField::NORMAL,
                    "high" => ImportanceField::HIGH,
                    _ => return None,
                };
                Some("importance")
            }
            "sensitivity" => {
                self.heading.sensitivity = Some(match lower.as_str() {
                    "personal" => SensitivityField::PERSONAL,
                    "private" => SensitivityField::PRIVATE,
                    "company-confidential" => SensitivityField::COMPANY_CONFIDENTIAL,
                    _ => return None,
                });
                Some("sensitivity")
            }
            "autoforwarded" | "auto-forwarded" => {
                self.heading.auto_forwarded = parse_boolean(value)?;
                Some("auto-forwarded")
            }
            "incomplete-copy" if value.is_empty() => {
                self.extend(IPMSExtension::new(oids::ID_HEX_INCOMPLETE_COPY, &Null));
                Some("incomplete-copy")
            }
            "autosubmitted" | "auto-submitted" => {
                let value = match lower.as_str() {
                    "not-auto-submitted" | "no" => AutoSubmitted::NOT_AUTO_SUBMITTED,
                    "auto-generated" => AutoSubmitted::AUTO_GENERATED,
                    "auto-replied" => AutoSubmitted::AUTO_REPLIED,
                    _ => {
                        self.heading.auto_forwarded |= lower == "auto-forwarded";
                        return None;
                    }
                };
                if self
                    .heading
                    .extensions
                    .iter()
                    .any(|known| known.r#type == oids::ID_HEX_AUTO_SUBMITTED)
                {
                    return None;
                }
                self.extend(IPMSExtension::new(oids::ID_HEX_AUTO_SUBMITTED, &value));
                Some("auto-submitted")
            }
            _ => None,
        }
    }

    /// Maps all fields of a name as one.
    fn merged(
        &mut self,
        converter: &mut Converter<'_, '_>,
        header: &Header,
        field: &Field,
        name: &str,
        value: &[u8],
    ) -> Result<(), Unconverted> {
        match name {
            "references" | "in-reply-to" | "supersedes" | "obsoletes" => {
                self.identifiers(converter, header, field, name);
                return Ok(());
            }
            _ => {}
        }
        let list = AddressList::parse(value);
        let mut descriptors = Vec::new();
        let exact = list.malformed.is_empty();
        for address in &list.addresses {
            for mapped in descriptor::of_address(converter.context, address)? {
                converter.ledger.notes.extend(mapped.notes);
                descriptors.push(mapped.value);
            }
        }
        let empty = descriptors.is_empty();
        if name == "bcc" && empty && exact {
            // A list without elements cannot be sent; this says the same (section 5.1.3).
            descriptors.push(ORDescriptor {
                free_form_name: Some(b"BCC".as_slice().into()),
                ..ORDescriptor::default()
            });
        }
        if !exact || (empty && name != "bcc") {
            for field in header.all(name) {
                self.carry(converter, field);
            }
        }
        if descriptors.is_empty() {
            return Ok(());
        }
        let recipients = |descriptors: Vec<ORDescriptor>| -> Vec<RecipientSpecifier> {
            let specifier = |recipient| RecipientSpecifier {
                recipient,
                ..RecipientSpecifier::default()
            };
            descriptors.into_iter().map(specifier).collect()
        };
        let sender = header
            .first("Sender")
            .is_some_and(|field| !field.value().is_empty());
        let element = match name {
            "from" if !sender && descriptors.len() == 1 => {
                self.heading.originator = descriptors.pop();
                "originator"
            }
            "from" => {
                if !sender {
                    self.heading.originator = descriptors.first().cloned();
                }
                self.heading.authorizing_users = Some(descriptors);
                "authorizing-users"
            }
            "sender" => {
                self.heading.originator = descriptors.into_iter().next();
                "originator"
            }
            "reply-to" => {
                self.heading.reply_recipients = Some(descriptors);
                "reply-recipients"
            }
            "to" => {
                self.heading.primary_recipients = recipients(descriptors);
                "primary-recipients"
            }
            "cc" => {
                self.heading.copy_recipients = recipients(descriptors);
                "copy-recipients"
            }
            _ => {
                self.heading.blind_copy_recipients = Some(recipients(descriptors));
                "blind-copy-recipients"
            }
        };
        converter.ledger.field(&field.name, element, "5.1.3");
        Ok(())
    }

    /// Maps fields of message identifiers; phrases beside identifiers travel in the field.
    fn identifiers(
        &mut self,
        converter: &mut Converter<'_, '_>,
        header: &Header,
        field: &Field,
        name: &str,
    ) {
        let value = header
            .all(name)
            .map(Field::text)
            .collect::<Vec<_>>()
            .join(" ");
        let (ids, phrase) = msg_ids(&value);
        let mut exact = phrase.is_empty() || ids.is_empty();
        let mut mapped = Vec::new();
        for id in &ids {
            let one = identifier::of_msg_id(id);
            exact &= one.notes.is_empty();
            converter.ledger.notes.extend(one.notes);
            mapped.push(ipm_identifier(one.value));
        }
        if ids.is_empty() && !phrase.is_empty() {
            let one = identifier::of_phrase(&phrase);
            exact &= one.notes.is_empty() && phrase.is_ascii();
            mapped.push(ipm_identifier(one.value));
        }
        if !exact || mapped.is_empty() {
            for field in header.all(name) {
                self.carry(converter, field);
            }
        }
        let element = match name {
            "in-reply-to" if mapped.len() == 1 => {
                self.heading.replied_to_ipm = mapped.pop();
                "replied-to-IPM"
            }
            "supersedes" | "obsoletes" => {
                self.heading.obsoleted_ipms.append(&mut mapped);
                "obsoleted-IPMs"
            }
            _ => {
                for one in mapped {
                    if !self.heading.related_ipms.contains(&one) {
                        self.heading.related_ipms.push(one);
                    }
                }
                "related-IPMs"
            }
        };
        converter.ledger.field(&field.name, element, "5.1.3");
    }

    fn extend(&mut self, extension: IPMSExtension) {
        self.heading.extensions.push(extension);
    }
}

/// The carried fields that say exactly what elements of the heading say cut or approximated: they
/// may stand for those on the way back, since mapping them gives the very elements.
///
/// A field that disagrees with its element is a stranger's and overrides nothing.
#[must_use]
pub fn agreeing<'a>(heading: &Heading, carried: &'a [Field]) -> Vec<&'a Field> {
    let identifiers = |field: &Field| -> Vec<IPMIdentifier> {
        let (ids, _) = msg_ids(&field.text());
        ids.iter()
            .map(|id| ipm_identifier(identifier::of_msg_id(id).value))
            .collect()
    };
    let agrees = |field: &&Field| {
        if field.is("Subject") {
            let mapped = subject(field);
            return heading
                .subject
                .as_ref()
                .is_some_and(|stated| stated.as_bytes() == mapped.octets);
        }
        if field.is("Message-ID") {
            return ipm_identifier(identifier::of_msg_id(&field.text()).value) == heading.this_ipm;
        }
        if field.is("In-Reply-To") {
            let mapped = identifiers(field);
            return match mapped.as_slice() {
                [only] => heading.replied_to_ipm.as_ref() == Some(only),
                [] => false,
                several => several.iter().all(|one| heading.related_ipms.contains(one)),
            };
        }
        if field.is("References") {
            let mapped = identifiers(field);
            return !mapped.is_empty()
                && mapped.iter().all(|one| heading.related_ipms.contains(one));
        }
        false
    };
    let mut found: Vec<&Field> = Vec::new();
    for field in carried.iter().filter(agrees) {
        if !found.iter().any(|known| known.is(&field.name)) {
            found.push(field);
        }
    }
    found
}

/// A subject as the heading has it; a tab, which folding leaves behind, is a blank.
fn subject(field: &Field) -> teletex::Human {
    teletex::from_human(&field.decoded().replace('\t', " "), SUBJECT)
}

/// The message identifiers in a value, and the text around them.
fn msg_ids(value: &str) -> (Vec<String>, String) {
    let (mut ids, mut phrase) = (Vec::new(), String::new());
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('<') {
        phrase.push_str(before);
        let Some((id, after)) = after.split_once('>') else {
            phrase.push_str(after);
            rest = "";
            break;
        };
        let id: String = id.split_whitespace().collect();
        if !id.is_empty() {
            ids.push(format!("<{id}>"));
        }
        rest = after;
    }
    phrase.push_str(rest);
    let words: Vec<&str> = phrase
        .split([' ', '\t', ','])
        .filter(|word| !word.is_empty())
        .collect();
    (ids, words.join(" "))
}

/// The identifier as the protocol carries it.
fn ipm_identifier(identifier: identifier::IpmIdentifier) -> IPMIdentifier {
    IPMIdentifier {
        user: identifier
            .user
            .as_ref()
            .map(|user| ORName::from(wire::or_address(user))),
        user_relative_identifier: identifier.relative.into(),
        ..IPMIdentifier::default()
    }
}
