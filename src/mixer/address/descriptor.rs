//! O/R descriptors of the heading, and the mailboxes and groups of address fields.
//!
//! RFC 2156 section 4.7.1 and section 4.7.2. An address of the heading never costs the message:
//! where it cannot be mapped, its text is kept for people and the loss is noted.

use super::{Mapped, Role, directory_name, to_rfc822, to_x400};
use crate::asn1::ipms::{ORDescriptor, RecipientSpecifier};
use crate::asn1::mts::{ORAddress, ORName};
use crate::mixer::basic::teletex;
use crate::mixer::context::Context;
use crate::mixer::outcome::{Note, Unconverted};
use crate::rfc822::address::{AddrSpec, Address, Mailbox};

/// The most octets of a free-form-name.
const FREE_FORM_NAME: usize = 64;

/// The descriptors of an entry of an address field: one for each mailbox, and for a group one more
/// before them that holds its name.
///
/// # Errors
/// Answers of name services are missing.
pub fn of_address(
    context: &Context<'_>,
    address: &Address,
) -> Result<Vec<Mapped<ORDescriptor>>, Unconverted> {
    match address {
        Address::Mailbox(mailbox) => Ok(vec![of_mailbox(context, mailbox)?]),
        Address::Group { name, members } => {
            let mut notes = Vec::new();
            let descriptor = ORDescriptor {
                free_form_name: free_form_name(Some(name), &[], &mut notes).map(Into::into),
                ..ORDescriptor::default()
            };
            let group = mapped(descriptor, "group", notes);
            let members = members.iter().map(|member| of_mailbox(context, member));
            std::iter::once(Ok(group)).chain(members).collect()
        }
    }
}

/// The descriptor of a mailbox.
///
/// # Errors
/// Answers of name services are missing.
pub fn of_mailbox(
    context: &Context<'_>,
    mailbox: &Mailbox,
) -> Result<Mapped<ORDescriptor>, Unconverted> {
    let address = match to_x400::or_address(context, &mailbox.address, Role::Heading) {
        Ok(address) => address,
        Err(Unconverted::Refused(refusal)) => {
            let mut notes = vec![Note {
                what: mailbox.to_string(),
                place: format!("free-form-name alone: {}", refusal.text),
                section: "4.7.1",
                lost: true,
            }];
            let text = match &mailbox.name {
                Some(name) => format!("{name} <{}>", mailbox.address),
                None => mailbox.address.to_string(),
            };
            let descriptor = ORDescriptor {
                free_form_name: free_form_name(Some(&text), &[], &mut notes).map(Into::into),
                ..ORDescriptor::default()
            };
            return Ok(mapped(descriptor, "free-form-name", notes));
        }
        Err(missing @ Unconverted::Missing(_)) => return Err(missing),
    };
    let mut notes = Vec::new();
    let name = free_form_name(mailbox.name.as_deref(), &mailbox.comments, &mut notes);
    let mut descriptor = address.map(|address| ORDescriptor {
        formal_name: Some(ORName::from(address)),
        free_form_name: name.map(Into::into),
        ..ORDescriptor::default()
    });
    descriptor.notes.append(&mut notes);
    Ok(descriptor)
}

/// The recipient of a mailbox; no notification and no reply is asked for.
///
/// # Errors
/// Answers of name services are missing.
pub fn recipient(
    context: &Context<'_>,
    address: &Address,
) -> Result<Vec<Mapped<RecipientSpecifier>>, Unconverted> {
    let descriptors = of_address(context, address)?;
    let specifier = |recipient| RecipientSpecifier {
        recipient,
        ..RecipientSpecifier::default()
    };
    Ok(descriptors
        .into_iter()
        .map(|descriptor| descriptor.map(specifier))
        .collect())
}

fn mapped<T>(value: T, rule: &str, notes: Vec<Note>) -> Mapped<T> {
    Mapped {
        value,
        rule: rule.to_owned(),
        section: "4.7.1",
        notes,
    }
}

/// Phrase and comments as a free-form-name; a comment that does not fit whole is left out.
fn free_form_name(
    phrase: Option<&str>,
    comments: &[String],
    notes: &mut Vec<Note>,
) -> Option<Vec<u8>> {
    let mut text = phrase.unwrap_or_default().trim().to_owned();
    let mut name = teletex::from_human(&text, FREE_FORM_NAME);
    let mut exact = name.exact;
    for comment in comments {
        let blank = if text.is_empty() { "" } else { " " };
        let longer = format!("{text}{blank}({comment})");
        let candidate = teletex::from_human(&longer, FREE_FORM_NAME);
        exact &= candidate.exact;
        // What is approximated still counts; what is cut does not.
        if teletex::from_human(&longer, usize::MAX).octets.len() <= FREE_FORM_NAME {
            (text, name) = (longer, candidate);
        }
    }
    if !exact {
        notes.push(Note {
            what: format!("{} {}", phrase.unwrap_or_default(), comments.join(" "))
                .trim()
                .to_owned(),
            place: "free-form-name, approximated or cut".to_owned(),
            section: "5.1.3",
            lost: true,
        });
    }
    Some(name.octets).filter(|octets| !octets.is_empty())
}

/// The entry of an address field for a recipient.
///
/// # Errors
/// Answers of name services are missing.
pub fn to_recipient(
    context: &Context<'_>,
    recipient: &RecipientSpecifier,
) -> Result<Mapped<Address>, Unconverted> {
    let reply = recipient
        .reply_requested
        .then(|| "Reply requested".to_owned());
    build(context, &recipient.recipient, reply)
}

/// The entry of an address field for a descriptor.
///
/// # Errors
/// Answers of name services are missing.
pub fn to_address(
    context: &Context<'_>,
    descriptor: &ORDescriptor,
) -> Result<Mapped<Address>, Unconverted> {
    build(context, descriptor, None)
}

/// Steps 1 to 6 of section 4.7.2.
fn build(
    context: &Context<'_>,
    descriptor: &ORDescriptor,
    last_comment: Option<String>,
) -> Result<Mapped<Address>, Unconverted> {
    let name = descriptor.free_form_name.as_ref();
    let name = name
        .map(|name| teletex::to_human(name.as_ref()))
        .filter(|name| !name.trim().is_empty());
    let telephone = descriptor.telephone_number.as_ref();
    let telephone =
        telephone.map(|number| format!("Tel {}", String::from_utf8_lossy(number.as_ref())));
    let formal = descriptor.formal_name.as_ref();
    let directory = formal.and_then(|formal| formal.directory_name.as_ref());
    let directory = directory.and_then(directory_name::text);
    let mut comments: Vec<String> = telephone
        .into_iter()
        .chain(directory)
        .chain(last_comment)
        .collect();
    let address = match formal
        .map(ORName::address)
        .filter(|address| *address != ORAddress::default())
    {
        Some(address) => to_rfc822::mailbox(context, &address, Role::Heading),
        None => {
            let group = group(name, comments);
            return Ok(mapped(group, "group without members", Vec::new()));
        }
    };
    match address {
        Ok(mapped) => Ok(mapped.map(|address: AddrSpec| {
            let mut mailbox = Mailbox::named(name.unwrap_or_default(), address);
            mailbox.comments.append(&mut comments);
            Address::Mailbox(mailbox)
        })),
        Err(Unconverted::Refused(refusal)) => {
            let note = Note {
                what: name.clone().unwrap_or_else(|| "O/R descriptor".to_owned()),
                place: format!("its name alone: {}", refusal.text),
                section: "4.7.2",
                lost: true,
            };
            Ok(mapped(group(name, comments), "name alone", vec![note]))
        }
        Err(missing @ Unconverted::Missing(_)) => Err(missing),
    }
}

/// `Name:;` for a descriptor without an address. The comments stand within the name, where every
/// reader of mail shows them.
fn group(name: Option<String>, comments: Vec<String>) -> Address {
    let comments = comments.into_iter().map(|comment| format!("({comment})"));
    let words: Vec<String> = name.into_iter().chain(comments).collect();
    let name = if words.is_empty() {
        "unnamed".to_owned()
    } else {
        words.join(" ")
    };
    Address::Group {
        name,
        members: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mixer::address::mcgam::Tables;
    use crate::mixer::address::wire;
    use crate::mixer::context::{Gateway, PeerProfile};
    use crate::rfc822::address::AddressList;

    fn with_context<T>(check: impl FnOnce(&Context<'_>) -> T) -> T {
        let (gateway, tables, peer) = (
            Gateway::default(),
            Tables::default(),
            PeerProfile::default(),
        );
        check(&Context {
            id: "01J00000000000000000000000".into(),
            now: "2026-01-02T03:04:05+01:00[+01:00]".parse().unwrap(),
            gateway: &gateway,
            tables: &tables,
            peer: &peer,
        })
    }

    fn to_x400(field: &str) -> Vec<Mapped<ORDescriptor>> {
        with_context(|context| {
            let list = AddressList::parse(field.as_bytes());
            let entries = list.addresses.iter();
            entries
                .flat_map(|entry| of_address(context, entry).unwrap())
                .collect()
        })
    }

    fn back(descriptor: &ORDescriptor) -> String {
        with_context(|context| to_address(context, descriptor).unwrap().value.to_string())
    }

    fn name(descriptor: &ORDescriptor) -> &str {
        let name = descriptor.free_form_name.as_ref().map(AsRef::as_ref);
        std::str::from_utf8(name.unwrap_or_default()).unwrap()
    }

    #[test]
    fn s4_7_1_phrase_and_comments_become_the_free_form_name() {
        let all = to_x400("Jane Doe (Sales) <jane@example.org> (night shift), bare@example.org");
        assert_eq!(name(&all[0].value), "Jane Doe (Sales) (night shift)");
        assert!(all[1].value.free_form_name.is_none());
        assert!(
            all.iter()
                .all(|one| one.value.formal_name.is_some() && one.value.telephone_number.is_none())
        );
        assert_eq!(
            back(&all[0].value),
            "\"Jane Doe (Sales) (night shift)\" <jane@example.org>"
        );
        assert_eq!(back(&all[1].value), "bare@example.org");
    }

    #[test]
    fn s4_7_1_a_group_is_its_name_and_its_members() {
        let all = to_x400("Friends: a@example.org, b@example.org;, Nobody:;");
        let names: Vec<&str> = all.iter().map(|one| name(&one.value)).collect();
        assert_eq!(names, ["Friends", "", "", "Nobody"]);
        assert!(all[0].value.formal_name.is_none() && all[1].value.formal_name.is_some());
        assert_eq!(back(&all[3].value), "Nobody:;");
    }

    #[test]
    fn s5_1_3_a_comment_is_not_cut_in_its_middle() {
        let long = format!(
            "{} (first) ({}) <a@example.org>",
            "n".repeat(50),
            "c".repeat(20)
        );
        let one = &to_x400(&long)[0];
        assert_eq!(name(&one.value), format!("{} (first)", "n".repeat(50)));
        assert!(
            one.notes
                .iter()
                .any(|note| note.lost && note.section == "5.1.3")
        );
    }

    #[test]
    fn s4_7_2_telephone_and_reply_request_stand_in_comments() {
        let address: crate::mixer::address::Attributes =
            "/RFC-822=j(a)example.org/ADMD= /C=GB/".parse().unwrap();
        let descriptor = ORDescriptor {
            formal_name: Some(ORName::from(wire::or_address(&address))),
            free_form_name: Some(b"Jane".to_vec().into()),
            telephone_number: Some("+44-181-333-7777".into()),
            ..ORDescriptor::default()
        };
        assert_eq!(
            back(&descriptor),
            "Jane <j@example.org> (Tel +44-181-333-7777)"
        );
        let recipient = RecipientSpecifier {
            recipient: descriptor,
            reply_requested: true,
            ..RecipientSpecifier::default()
        };
        let text =
            with_context(|context| to_recipient(context, &recipient).unwrap().value.to_string());
        assert_eq!(
            text,
            "Jane <j@example.org> (Tel +44-181-333-7777) (Reply requested)"
        );
    }

    #[test]
    fn s4_7_2_without_formal_name_a_group_holds_the_name() {
        let descriptor = ORDescriptor {
            free_form_name: Some(b"The Committee".to_vec().into()),
            ..ORDescriptor::default()
        };
        assert_eq!(back(&descriptor), "The Committee:;");
        assert_eq!(back(&ORDescriptor::default()), "unnamed:;");
    }

    #[test]
    fn s4_7_1_an_address_x400_cannot_hold_keeps_its_text() {
        let one = &to_x400("J\u{fc}rgen <j\u{fc}rgen@example.org>")[0];
        assert!(one.value.formal_name.is_none() && one.notes[0].lost);
        assert!(back(&one.value).ends_with(":;"));
    }

    #[test]
    fn no_name_breaks_a_line() {
        let descriptor = ORDescriptor {
            free_form_name: Some(b"a\r\nBcc: b@c.d\0".to_vec().into()),
            telephone_number: Some("1)\r\nX: y (".into()),
            ..ORDescriptor::default()
        };
        assert!(
            !back(&descriptor).contains(['\r', '\n', '\0']),
            "{:?}",
            back(&descriptor)
        );
    }
}
