//! A mailbox as an O/R address: attributes in its local part, equivalent domains, or the RFC-822
//! domain-defined attribute.
//!
//! RFC 2156 section 4.3.4 (Stage I and Stage II), section 4.3.2 (length), appendix B (1984).

use super::attributes::{Attributes, DDA_VALUE, Key};
use super::mcgam::{DomainTable, is_domain_syntax};
use super::{Mapped, Role, or_address as text, personal_name, refusal, syntax, wire};
use crate::asn1::mts::ORAddress;
use crate::mixer::basic::printable;
use crate::mixer::context::{Context, Edition};
use crate::mixer::outcome::{Note, Unconverted};
use crate::rfc822::address::AddrSpec;

/// The clause implemented here.
const SECTION: &str = "4.3.4";

/// The type of an attribute that says of what type the Internet address beside it is, as Exchange
/// writes both.
const MSXENCAP: &str = "MSXENCAP";
/// That type.
pub const SMTP: &str = "SMTP";
/// The types of the attributes that continue an RFC-822 attribute (section 4.3.2).
pub const CONTINUATIONS: [&str; 3] = ["RFC822C1", "RFC822C2", "RFC822C3"];

/// What Stage I gives when it does not give an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Genuine {
    /// Why the mailbox is no O/R address.
    pub why: String,
    /// Attributes that the domain gave, and the table line they come from.
    pub derived: Option<(Attributes, String)>,
}

impl Genuine {
    fn new(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            derived: None,
        }
    }
}

/// Maps a mailbox.
///
/// # Errors
/// A recipient or return path that no O/R address can hold, or that claims to be one at our own
/// domain and is none.
pub fn map(
    context: &Context<'_>,
    address: &AddrSpec,
    role: Role,
) -> Result<Mapped<Attributes>, Unconverted> {
    match stage_1(context, address) {
        Ok(mapped) => Ok(mapped),
        Err(genuine) => {
            // At our own domain a local part like `/S=…/` can only have been meant as an O/R address.
            let claims =
                address.local().starts_with('/') && context.gateway.is_ours(address.domain());
            if claims && role == Role::Recipient {
                let fault = text::parse(address.local()).err();
                let why = fault.map_or(genuine.why, |fault| fault.to_string());
                return Err(refusal(role, SECTION, why).into());
            }
            stage_2(context, address, role, genuine)
        }
    }
}

/// Maps a mailbox, and gives the address in its ASN.1.
///
/// # Errors
/// As [`map`].
pub fn or_address(
    context: &Context<'_>,
    address: &AddrSpec,
    role: Role,
) -> Result<Mapped<ORAddress>, Unconverted> {
    Ok(map(context, address, role)?.map(|attributes| wire::or_address(&attributes)))
}

/// Stage I: the mailbox as an encoded O/R address.
///
/// # Errors
/// Why it is a genuine RFC 822 address, and what its domain gave all the same.
pub fn stage_1(context: &Context<'_>, address: &AddrSpec) -> Result<Mapped<Attributes>, Genuine> {
    let attributes = steps_2_to_5(address.local())?;
    let Some(fault) = syntax::incomplete(&attributes.value) else {
        return step_9(context, attributes);
    };
    if !syntax::may_be_mnemonic(&attributes.value) {
        return Err(Genuine::new(fault.to_string()));
    }
    let (derived, place) = step_8(&context.tables.table1, address.domain())?;
    let merged = merge(attributes.value, &derived);
    step_9(
        context,
        Mapped {
            value: merged,
            rule: format!("{place}, {}", attributes.rule),
            section: SECTION,
            notes: Vec::new(),
        },
    )
    .map_err(|genuine| Genuine {
        derived: Some((derived, place)),
        ..genuine
    })
}

/// Steps 2 to 5: the unquoted local part as attributes, each of its right encoding.
fn steps_2_to_5(local: &str) -> Result<Mapped<Attributes>, Genuine> {
    if local.starts_with(' ') || local.ends_with(' ') || local.contains("  ") {
        return Err(Genuine::new(
            "the local part has spaces that an O/R address cannot keep",
        ));
    }
    // `;` separates and `|` parts the lines of a postal address, so both belong to the set that the
    // RFC prints as PrintableString and `{ } * $`.
    let strange = |c: char| !printable::is_ps_char(c) && !"{}*$;|".contains(c);
    if let Some(c) = local.chars().find(|c| strange(*c)) {
        return Err(Genuine::new(format!(
            "{c:?} is no character of an O/R address"
        )));
    }
    let (attributes, rule) = match text::parse(local) {
        Ok(attributes) => (attributes, "std-or"),
        Err(error) => {
            let name = Some(local).filter(|local| printable::is_printable(local));
            let name = name.and_then(personal_name::parse);
            let name = name.ok_or_else(|| Genuine::new(error.to_string()))?;
            (name.attributes().into_iter().collect(), "encoded-pn")
        }
    };
    if let Some(fault) = attributes.iter().find_map(syntax::fault) {
        return Err(Genuine::new(fault.to_string()));
    }
    Ok(Mapped {
        value: attributes,
        rule: rule.to_owned(),
        section: SECTION,
        notes: Vec::new(),
    })
}

/// Step 8: the attributes that `domain` stands for by the longest match in `table`.
///
/// # Errors
/// There is no match, or the domain leaves the hierarchy: then with what was derived before.
pub fn step_8(table: &DomainTable, domain: &str) -> Result<(Attributes, String), Genuine> {
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    if !domain.split('.').all(is_domain_syntax) {
        return Err(Genuine::new(
            "the domain is not of letters, digits and hyphens",
        ));
    }
    let found = table
        .lookup(domain)
        .ok_or_else(|| Genuine::new(format!("no table has {domain} or a domain above it")))?;
    let mut attributes = found.prefix.attributes();
    let place = found.place.to_string();
    let labels = found.rest.rsplit('.').filter(|label| !label.is_empty());
    let below = [Key::C, Key::Admd, Key::Prmd, Key::O]
        .into_iter()
        .chain(std::iter::repeat_n(Key::Ou, 4))
        .skip(found.prefix.levels().len());
    let mut below = below;
    for label in labels {
        let fault = match below.next() {
            None => Some("the domain needs more than four organizational units".to_owned()),
            Some(key) if label.len() > key.row().bound.0 => Some(format!(
                "`{label}` is longer than {} may be",
                key.row().name
            )),
            Some(key) => {
                attributes.push(key, label);
                None
            }
        };
        if let Some(why) = fault {
            return Err(Genuine {
                why,
                derived: Some((attributes, place)),
            });
        }
    }
    Ok((attributes, place))
}

/// Puts the attributes of the local part under those of the domain that they leave room for.
fn merge(left: Attributes, right: &Attributes) -> Attributes {
    let highest = left.iter().map(|attribute| attribute.key).min();
    let taken = |key: Key| match highest {
        Some(highest @ (Key::C | Key::Admd | Key::Prmd | Key::O)) => key < highest,
        _ => true,
    };
    right
        .iter()
        .filter(|attribute| taken(attribute.key))
        .chain(left.iter())
        .cloned()
        .collect()
}

/// Step 9: the address is whole and within bounds, also under the rules of a 1984 neighbour.
fn step_9(
    context: &Context<'_>,
    mut mapped: Mapped<Attributes>,
) -> Result<Mapped<Attributes>, Genuine> {
    if context.peer.edition == Edition::Of1984 {
        mapped.value = of_1984(mapped.value)?;
    }
    let fault = syntax::incomplete(&mapped.value).or_else(|| syntax::out_of_bounds(&mapped.value));
    match fault {
        Some(fault) => Err(Genuine::new(fault.to_string())),
        None => Ok(mapped),
    }
}

/// Appendix B: only what X.400 (1984) has; a common name goes as the attribute `Common`.
///
/// # Errors
/// There is more than that in the address.
pub fn of_1984(attributes: Attributes) -> Result<Attributes, Genuine> {
    let mut old = Attributes::new();
    for attribute in &attributes {
        let teletex = attribute.value.contains('*') || attribute.dd_type.contains('*');
        if teletex || !(attribute.key.row().in_1984 || attribute.key == Key::Cn) {
            let name = attribute.key.row().name;
            return Err(Genuine::new(format!("X.400 (1984) has no such {name}")));
        }
        if attribute.key == Key::Cn {
            old.push_domain_defined("Common", attribute.value.as_str());
        } else {
            old.place(attribute.clone());
        }
    }
    Ok(old)
}

/// Stage II: a genuine RFC 822 address rides in domain-defined attributes.
fn stage_2(
    context: &Context<'_>,
    address: &AddrSpec,
    role: Role,
    genuine: Genuine,
) -> Result<Mapped<Attributes>, Unconverted> {
    let mut text = address.to_string();
    if address.domain().is_empty() {
        text = format!("{text}@{}", context.gateway.name);
    }
    let mut encoded = printable::encode(&text).ok_or_else(|| {
        let text = format!("{address} is not ASCII; no O/R address can hold it");
        refusal(role, SECTION, text)
    })?;
    let mut notes = Vec::new();
    let most = DDA_VALUE * (1 + CONTINUATIONS.len());
    if encoded.len() > most {
        if role != Role::Heading {
            let text = format!("an O/R address can hold {most} characters of {address}");
            return Err(refusal(role, "4.3.2", text).into());
        }
        encoded.truncate(most);
        notes.push(Note {
            what: address.to_string(),
            place: format!("cut to {most} characters"),
            section: "5.1.3",
            lost: true,
        });
    }
    if !address.domain().contains(['.', '[']) && !address.domain().is_empty() {
        notes.push(Note {
            what: address.to_string(),
            place: "the RFC-822 attribute as it is: its domain is not fully qualified".to_owned(),
            section: "4.3.2",
            lost: false,
        });
    }
    let (mut attributes, at) = rest_of_address(context, address.domain(), role, genuine.derived);
    let mut dda_type = context.dda_type();
    if dda_type.eq_ignore_ascii_case(MSXENCAP) {
        attributes.push_domain_defined(MSXENCAP, SMTP);
        dda_type = SMTP;
    }
    let types = std::iter::once(dda_type).chain(CONTINUATIONS);
    attributes.push_continued(types, &encoded);
    if let Some(fault) = syntax::out_of_bounds(&attributes) {
        return Err(refusal(role, SECTION, fault.to_string()).into());
    }
    Ok(Mapped {
        value: attributes,
        rule: format!("{dda_type} DDA at {at}"),
        section: SECTION,
        notes,
    })
}

/// The attributes beside the RFC-822 attribute, and where they come from: the equivalent of the
/// domain, else a gateway; errors always come back to this one.
fn rest_of_address(
    context: &Context<'_>,
    domain: &str,
    role: Role,
    derived: Option<(Attributes, String)>,
) -> (Attributes, String) {
    let derived = derived
        .filter(|(attributes, _)| attributes.has(Key::C))
        .or_else(|| of_domain(context, domain));
    let preferred = || match role {
        Role::ReturnPath => None,
        Role::Recipient | Role::Heading => context.tables.gate1.lookup(domain),
    };
    derived
        .or_else(|| preferred().map(|found| (found.prefix.attributes(), found.place.to_string())))
        .unwrap_or_else(|| (context.gateway.address.clone(), "this gateway".to_owned()))
}

/// The attributes that table 1 has for `domain`, as far down as step 8 gets, and their line.
#[must_use]
pub fn of_domain(context: &Context<'_>, domain: &str) -> Option<(Attributes, String)> {
    step_8(&context.tables.table1, domain)
        .or_else(|genuine| genuine.derived.ok_or(()))
        .ok()
        .filter(|(attributes, _)| attributes.has(Key::C))
}
