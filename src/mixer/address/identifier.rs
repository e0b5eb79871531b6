//! Message identifiers: Message-IDs, MTS identifiers, and what IPM identifiers hold.
//!
//! RFC 2156 section 4.6.3 (MTSIdentifier) and section 4.7.3 (IPMIdentifier), purely algorithmic: no
//! table is consulted, so that all gateways give one message one identifier.

use super::attributes::Attributes;
use super::{Mapped, Role, or_address, syntax, to_x400, wire};
use crate::asn1::ipms::IPMIdentifier;
use crate::asn1::mts::{MTSIdentifier, ORName};
use crate::mixer::basic::printable;
use crate::mixer::context::Context;
use crate::mixer::domain;
use crate::mixer::outcome::{Note, Unconverted};
use crate::rfc822::Header;
use crate::rfc822::address::AddrSpec;

/// The most characters of MTSIdentifier.local-identifier.
const LOCAL_IDENTIFIER: usize = 32;
/// The most characters of IPMIdentifier.user-relative-identifier.
const USER_RELATIVE_IDENTIFIER: usize = 64;
/// The domain of Message-IDs that stand for identifiers from X.400.
const MHS: &str = "MHS";

/// The MTS identifier of a Message-ID: the global domain its domain maps to, and the identifier with
/// its brackets, cut to what fits (section 4.6.3).
///
/// # Errors
/// Answers of name services are missing.
pub fn mts_identifier(context: &Context<'_>, msg_id: &str) -> Result<MTSIdentifier, Unconverted> {
    let mapped = addr_spec(msg_id)
        .map(|address| to_x400::map(context, &address, Role::ReturnPath))
        .transpose();
    let of_id = match mapped {
        Ok(mapped) => mapped.and_then(|mapped| domain::of_address(&mapped.value)),
        Err(Unconverted::Refused(_)) => None,
        Err(missing @ Unconverted::Missing(_)) => return Err(missing),
    };
    let mut local: String = msg_id
        .trim()
        .chars()
        .filter(char::is_ascii_graphic)
        .collect();
    local.truncate(LOCAL_IDENTIFIER);
    if local.is_empty() {
        return Ok(own_mts_identifier(context));
    }
    Ok(MTSIdentifier {
        global_domain_identifier: of_id.or_else(|| context.domain()).unwrap_or_default(),
        local_identifier: local.into(),
    })
}

/// The MTS identifier of a mail: of its Message-ID where that is configured and the mail was not sent
/// again by another (section 5.1.6), else our own.
///
/// # Errors
/// Answers of name services are missing.
pub fn of_mail(context: &Context<'_>, header: &Header) -> Result<MTSIdentifier, Unconverted> {
    let mut fields = header.fields.iter();
    let is_resent = fields.any(|field| {
        let start = field.name.get(.."Resent-".len());
        start.is_some_and(|start| start.eq_ignore_ascii_case("Resent-"))
    });
    match header.first("Message-ID") {
        Some(id) if context.gateway.message_id_as_mts_identifier && !is_resent => {
            mts_identifier(context, &id.text())
        }
        _ => Ok(own_mts_identifier(context)),
    }
}

/// The MTS identifier that we give a message ourselves: our domain and the identifier of the item.
#[must_use]
pub fn own_mts_identifier(context: &Context<'_>) -> MTSIdentifier {
    let mut local = context.id.clone();
    local.truncate(LOCAL_IDENTIFIER);
    MTSIdentifier {
        global_domain_identifier: context.domain().unwrap_or_default(),
        local_identifier: local.into(),
    }
}

/// `mts-msg-id`, as fields have it: `[/PRMD=HMG/ADMD=GOLD 400/C=GB/;PC1000]` (section 5.3.3.2).
#[must_use]
pub fn mts_msg_id(identifier: &MTSIdentifier) -> String {
    let local = String::from_utf8_lossy(identifier.local_identifier.as_bytes()).into_owned();
    format!(
        "[{};{local}]",
        domain::text(&identifier.global_domain_identifier)
    )
}

/// Reads `mts-msg-id`; what is longer than a local identifier may be is cut.
#[must_use]
pub fn of_mts_msg_id(text: &str) -> Option<MTSIdentifier> {
    let (domain, local) = text.strip_prefix('[')?.strip_suffix(']')?.split_once(';')?;
    let local: String = local
        .trim()
        .chars()
        .filter(char::is_ascii)
        .take(LOCAL_IDENTIFIER)
        .collect();
    Some(MTSIdentifier {
        global_domain_identifier: domain::parse(domain)?,
        local_identifier: (!local.is_empty()).then_some(local)?.into(),
    })
}

/// The address a Message-ID has the form of.
fn addr_spec(msg_id: &str) -> Option<AddrSpec> {
    let inside = msg_id.trim().strip_prefix('<')?.strip_suffix('>')?;
    inside
        .parse()
        .ok()
        .filter(|address: &AddrSpec| !address.domain().is_empty())
}

/// What an IPM identifier holds, in text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct IpmIdentifier {
    /// user, if present.
    pub user: Option<Attributes>,
    /// user-relative-identifier: octets of a PrintableString.
    pub relative: Vec<u8>,
}

impl From<&IPMIdentifier> for IpmIdentifier {
    fn from(identifier: &IPMIdentifier) -> Self {
        let user = identifier
            .user
            .as_ref()
            .map(|user| wire::attributes(&user.address()).0);
        Self {
            user: user.filter(|user| !user.is_empty()),
            relative: identifier.user_relative_identifier.as_bytes().to_vec(),
        }
    }
}

impl From<&IpmIdentifier> for IPMIdentifier {
    fn from(identifier: &IpmIdentifier) -> Self {
        let user = identifier.user.as_ref();
        Self {
            user: user.map(|user| ORName::from(wire::or_address(user))),
            user_relative_identifier: identifier.relative.clone().into(),
            ..Self::default()
        }
    }
}

/// The IPM identifier of a Message-ID (section 4.7.3.3).
///
/// One longer than a user-relative-identifier may be is cut (section 5.1.3) and noted.
#[must_use]
pub fn of_msg_id(msg_id: &str) -> Mapped<IpmIdentifier> {
    if let Some(identifier) = addr_spec(msg_id).as_ref().and_then(x400_generated) {
        return mapped(identifier, "X.400 generated");
    }
    let text = msg_id.trim();
    let inside = text
        .strip_prefix('<')
        .and_then(|text| text.strip_suffix('>'));
    let inside: String = inside
        .unwrap_or(text)
        .chars()
        .filter(char::is_ascii)
        .collect();
    relative(msg_id, &inside, "RFC 822 generated")
}

/// The IPM identifier of a phrase in In-Reply-To or References (section 4.7.3.5).
#[must_use]
pub fn of_phrase(phrase: &str) -> Mapped<IpmIdentifier> {
    let ascii: String = phrase.chars().filter(char::is_ascii).collect();
    relative(phrase, &ascii, "phrase")
}

fn mapped(value: IpmIdentifier, rule: &str) -> Mapped<IpmIdentifier> {
    Mapped {
        value,
        rule: rule.to_owned(),
        section: "4.7.3",
        notes: Vec::new(),
    }
}

/// An identifier of ASCII text alone.
fn relative(what: &str, ascii: &str, rule: &str) -> Mapped<IpmIdentifier> {
    let mut encoded = printable::encode(ascii).unwrap_or_default();
    let mut notes = Vec::new();
    if encoded.len() > USER_RELATIVE_IDENTIFIER {
        encoded.truncate(USER_RELATIVE_IDENTIFIER);
        // Half an escape would be no encoding.
        if let Some(open) = encoded
            .rfind('(')
            .filter(|open| encoded.rfind(')') < Some(*open))
        {
            encoded.truncate(open);
        }
        notes.push(Note {
            what: what.to_owned(),
            place: format!(
                "user-relative-identifier, cut to {} characters",
                encoded.len()
            ),
            section: "5.1.3",
            lost: true,
        });
    }
    let identifier = IpmIdentifier {
        user: None,
        relative: encoded.into_bytes(),
    };
    Mapped {
        notes,
        ..mapped(identifier, rule)
    }
}

/// The identifier in a Message-ID of the form `<relative*std-or@MHS>`.
fn x400_generated(address: &AddrSpec) -> Option<IpmIdentifier> {
    if !address.domain().eq_ignore_ascii_case(MHS) {
        return None;
    }
    let (relative, user) = address.local().split_once('*')?;
    let user = match user {
        "" => None,
        user => Some(or_address::parse(user).ok()?),
    };
    if user.iter().flatten().find_map(syntax::fault).is_some() {
        return None;
    }
    Some(IpmIdentifier {
        user,
        relative: syntax::printable_octets(relative)?,
    })
}

/// The Message-ID of an IPM identifier, with its brackets (section 4.7.3.4).
///
/// `None` if it has no text that a Message-ID can hold.
#[must_use]
pub fn msg_id(identifier: &IpmIdentifier) -> Option<String> {
    if let Some(msg_id) = rfc822_generated(identifier) {
        return Some(msg_id);
    }
    let user = identifier.user.as_ref().map(Attributes::to_string);
    let relative = syntax::printable_text(&identifier.relative)
        .unwrap_or_else(|| crate::mixer::basic::teletex::to_text(&identifier.relative));
    let local = format!("{relative}*{}", user.unwrap_or_default());
    AddrSpec::new(local, MHS)
        .ok()
        .map(|address| format!("<{address}>"))
}

/// For In-Reply-To and References: the Message-ID, or the phrase that an identifier stands for which
/// names no user and is no Message-ID (section 4.7.3.5).
#[must_use]
pub fn msg_id_or_phrase(identifier: &IpmIdentifier) -> Option<MsgIdOrPhrase> {
    if identifier.user.is_some() || rfc822_generated(identifier).is_some() {
        return msg_id(identifier).map(MsgIdOrPhrase::MsgId);
    }
    let text = std::str::from_utf8(&identifier.relative)
        .ok()
        .filter(|text| text.is_ascii())?;
    let phrase = printable::decode(text).unwrap_or_else(|| text.to_owned());
    let phrase: String = phrase
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    Some(MsgIdOrPhrase::Phrase(phrase))
}

/// What In-Reply-To and References may name a message by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MsgIdOrPhrase {
    /// A Message-ID with its brackets.
    MsgId(String),
    /// A phrase, not yet quoted.
    Phrase(String),
}

/// The Message-ID that an identifier without user spells out, as it was.
fn rfc822_generated(identifier: &IpmIdentifier) -> Option<String> {
    if identifier.user.is_some() {
        return None;
    }
    let text = std::str::from_utf8(&identifier.relative).ok()?;
    let msg_id = format!("<{}>", printable::decode(text)?);
    let address = addr_spec(&msg_id)?;
    // An identifier that reads as one from X.400 would not come back as it is.
    x400_generated(&address).is_none().then_some(msg_id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn identifier(user: &str, relative: &str) -> IpmIdentifier {
        IpmIdentifier {
            user: (!user.is_empty()).then(|| user.parse().unwrap()),
            relative: relative.as_bytes().to_vec(),
        }
    }

    #[test]
    fn s4_7_3_the_examples_map_both_ways() {
        for (msg_id_text, identifier) in [
            (
                "<\"147*/S=Dietrich/O=Siemens/ADMD=DBP/C=DE/\"@MHS>",
                identifier("/S=Dietrich/O=Siemens/ADMD=DBP/C=DE/", "147"),
            ),
            (
                "<PC1000-910530172027-57D8*@MHS>",
                identifier("", "PC1000-910530172027-57D8"),
            ),
            (
                "<562*/S=Eppenberger/OU=verw/O=switch/PRMD=SWITCH/ADMD=ARCOM/C=CH/@MHS>",
                identifier(
                    "/S=Eppenberger/OU=verw/O=switch/PRMD=SWITCH/ADMD=ARCOM/C=CH/",
                    "562",
                ),
            ),
            (
                "<\"02 WT24519.  6*/S=Hill/O=BAe MAA/PRMD=BAE/ADMD=GOLD 400/C=GB/\"@MHS>",
                identifier(
                    "/S=Hill/O=BAe MAA/PRMD=BAE/ADMD=GOLD 400/C=GB/",
                    "02 WT24519.  6",
                ),
            ),
            (
                "<abc_1@example.org>",
                identifier("", "abc(u)1(a)example.org"),
            ),
            // No star: an Internet identifier, whatever its domain.
            (
                "<H0650001a074.097@MHS>",
                identifier("", "H0650001a074.097(a)MHS"),
            ),
        ] {
            assert_eq!(of_msg_id(msg_id_text).value, identifier, "{msg_id_text}");
            // Quotes are written where needed only.
            let back = msg_id(&identifier).unwrap();
            assert_eq!(back.replace('"', ""), msg_id_text.replace('"', ""));
            assert_eq!(of_msg_id(&back).value, identifier);
        }
    }

    #[test]
    fn s4_7_3_1_a_long_identifier_is_cut_between_escapes() {
        let long = format!("<{}__________@example.org>", "a".repeat(58));
        let cut = of_msg_id(&long);
        assert_eq!(cut.value.relative.len(), 64);
        assert!(cut.notes[0].lost);
        let long = format!("<{}__________@example.org>", "a".repeat(60));
        assert!(
            of_msg_id(&long).value.relative.ends_with(b"a(u)"),
            "{:?}",
            of_msg_id(&long)
        );
    }

    #[test]
    fn s4_7_3_5_phrases() {
        let phrase = of_phrase("Your letter of yesterday");
        assert_eq!(phrase.value.relative, b"Your letter of yesterday");
        assert_eq!(
            msg_id_or_phrase(&phrase.value),
            Some(MsgIdOrPhrase::Phrase("Your letter of yesterday".into()))
        );
        assert_eq!(
            msg_id_or_phrase(&identifier("", "a(a)b.c")),
            Some(MsgIdOrPhrase::MsgId("<a@b.c>".into()))
        );
    }

    #[test]
    fn no_identifier_breaks_a_line() {
        for relative in ["(013)(010)X(a)y.z", "a\r\nBcc: x", "\u{0}"] {
            let identifier = identifier("", relative);
            for text in [
                msg_id(&identifier),
                msg_id_or_phrase(&identifier).map(|either| match either {
                    MsgIdOrPhrase::MsgId(text) | MsgIdOrPhrase::Phrase(text) => text,
                }),
            ] {
                assert!(
                    !text.unwrap_or_default().chars().any(char::is_control),
                    "{relative:?}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn s4_7_3_identifiers_come_back(relative in proptest::collection::vec(0x20..0x7f_u8, 0..64), user in any::<bool>()) {
            let identifier = IpmIdentifier {
                user: user.then(|| "/S=x/ADMD= /C=GB/".parse().unwrap()),
                relative,
            };
            let text = msg_id(&identifier).expect("a Message-ID");
            prop_assert_eq!(of_msg_id(&text).value, identifier, "{}", text);
        }
    }
}
