//! An O/R address as a mailbox: the RFC-822 domain-defined attribute, an equivalent domain, or the
//! whole address in the local part.
//!
//! RFC 2156 section 4.3.5 (mappings A and B), section 4.3.1, section 4.3.2 (teletex attributes).
//! Each mailbox made by mapping B is mapped back before it is used; one that would not lead to the
//! same O/R address gives way to the whole address at our own domain.

use super::attributes::{Attribute, Attributes, Key};
use super::mcgam::is_domain_syntax;
use super::prefix::Prefix;
use super::{Mapped, Role, personal_name, refusal, syntax, to_x400, wire};
use crate::asn1::mts::ORAddress;
use crate::mixer::basic::printable;
use crate::mixer::context::Context;
use crate::mixer::outcome::{Note, Unconverted};
use crate::rfc822::address::{AddrSpec, AddressList};

/// The clause implemented here.
const SECTION: &str = "4.3.5";

/// Maps an O/R address.
///
/// # Errors
/// A recipient whose RFC-822 attribute holds no address, or an address too long for a mailbox.
pub fn map(
    context: &Context<'_>,
    address: &Attributes,
    role: Role,
) -> Result<Mapped<AddrSpec>, Unconverted> {
    let mut notes = Vec::new();
    match mapping_a(context, address) {
        Some(Ok(mailbox)) => {
            return Ok(Mapped {
                value: mailbox,
                rule: format!("{} DDA", context.dda_type()),
                section: SECTION,
                notes,
            });
        }
        Some(Err(why)) if role == Role::Recipient => {
            return Err(refusal(role, SECTION, why).into());
        }
        Some(Err(why)) => notes.push(Note {
            what: address.to_string(),
            place: format!("the local part as a whole: {why}"),
            section: SECTION,
            lost: false,
        }),
        None => {}
    }
    if role == Role::Recipient
        && let Some(mapped) = postmaster(context, address)
    {
        return Ok(mapped);
    }
    let mut mapped = mapping_b(context, address).ok_or_else(|| {
        refusal(
            role,
            SECTION,
            format!("{address} is too long for a mailbox"),
        )
    })?;
    mapped.notes.append(&mut notes);
    Ok(mapped)
}

/// Maps an O/R address from its ASN.1.
///
/// # Errors
/// As [`map`].
pub fn mailbox(
    context: &Context<'_>,
    address: &ORAddress,
    role: Role,
) -> Result<Mapped<AddrSpec>, Unconverted> {
    let (attributes, mut notes) = wire::attributes(address);
    let mut mapped = map(context, &attributes, role)?;
    mapped.notes.append(&mut notes);
    Ok(mapped)
}

/// Whether `dda_type` marks an Internet address.
fn is_rfc822(context: &Context<'_>, dda_type: &str) -> bool {
    let plain = dda_type.split('*').find(|form| !form.is_empty());
    plain.is_some_and(|plain| {
        plain.eq_ignore_ascii_case("RFC-822")
            || plain.eq_ignore_ascii_case(&context.gateway.dda_type)
            || plain.eq_ignore_ascii_case(context.dda_type())
    })
}

/// Mapping A: the mailbox that a single RFC-822 attribute holds; `None` where there is none, or
/// more than one.
///
/// Where there is none, one of type SMTP that holds a mailbox does as well: so Exchange writes it.
pub fn mapping_a(context: &Context<'_>, address: &Attributes) -> Option<Result<AddrSpec, String>> {
    let attributes = || address.iter().filter(|attribute| attribute.key == Key::Dd);
    let mut heads = attributes().filter(|attribute| is_rfc822(context, &attribute.dd_type));
    let Some(head) = heads.next() else {
        let of_exchange =
            |attribute: &&Attribute| attribute.dd_type.eq_ignore_ascii_case(to_x400::SMTP);
        let read = read_parts(&[attributes().find(of_exchange)?]);
        return read.is_ok().then_some(read);
    };
    if heads.next().is_some() {
        return None;
    }
    let continued = to_x400::CONTINUATIONS.iter().map_while(|dda_type| {
        attributes().find(|attribute| attribute.dd_type.eq_ignore_ascii_case(dda_type))
    });
    let parts: Vec<&Attribute> = std::iter::once(head).chain(continued).collect();
    Some(read_parts(&parts))
}

/// The attributes beside the RFC-822 attribute: by them X.400 routes, and never by that one (section
/// 4.3.4).
#[must_use]
pub fn beside_rfc_822(context: &Context<'_>, address: &Attributes) -> Attributes {
    let mut beside = address.clone();
    beside.remove(|attribute| {
        attribute.key == Key::Dd
            && (is_rfc822(context, &attribute.dd_type)
                || to_x400::CONTINUATIONS
                    .iter()
                    .any(|dda_type| attribute.dd_type.eq_ignore_ascii_case(dda_type)))
    });
    beside
}

/// The address that the parts hold together, in printable or teletex form.
fn read_parts(parts: &[&Attribute]) -> Result<AddrSpec, String> {
    let pairs: Vec<syntax::DomainDefined> = parts
        .iter()
        .map(|part| syntax::domain_defined(part))
        .collect::<Option<_>>()
        .ok_or("the RFC-822 attribute is malformed")?;
    let joined = |of: fn(&syntax::DomainDefined) -> Option<&syntax::TypeAndValue>| {
        let values: Option<Vec<&[u8]>> = pairs
            .iter()
            .map(|pair| of(pair).map(|(_, value)| value.as_slice()))
            .collect();
        values.map(|values| values.concat())
    };
    let printable = joined(|pair| pair.printable.as_ref()).map(|octets| read_text(&octets, true));
    let teletex = joined(|pair| pair.teletex.as_ref()).map(|octets| {
        let plain = octets
            .iter()
            .all(|octet| printable::is_ps_char(char::from(*octet)));
        read_text(&octets, plain)
    });
    match (printable, teletex) {
        (Some(printable), Some(teletex)) if printable != teletex => {
            Err("the printable and the teletex RFC-822 attributes differ".to_owned())
        }
        (Some(address), _) | (None, Some(address)) => address,
        (None, None) => {
            Err("the parts of the RFC-822 attribute are of different encodings".to_owned())
        }
    }
}

/// The address in the value of an RFC-822 attribute; what is not `ps-encoded` is read as it stands.
fn read_text(octets: &[u8], encoded: bool) -> Result<AddrSpec, String> {
    let text = std::str::from_utf8(octets)
        .ok()
        .filter(|text| text.is_ascii())
        .ok_or("the RFC-822 attribute holds octets beyond ASCII")?;
    let decoded = Some(text).filter(|_| encoded).and_then(printable::decode);
    let text = decoded.as_deref().unwrap_or(text);
    let fault = || format!("the RFC-822 attribute holds no mailbox: {text:?}");
    if text.chars().any(char::is_control) {
        return Err(fault());
    }
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    // A source route, or a mailbox as a header field has it.
    if let Ok(Some(address)) = AddrSpec::from_path(&format!("<{text}>")) {
        return Ok(address);
    }
    let list = AddressList::parse(text.as_bytes());
    let mut mailboxes = list.mailboxes();
    match (mailboxes.next(), mailboxes.next()) {
        (Some(mailbox), None) if list.malformed.is_empty() => Ok(mailbox.address.clone()),
        _ => Err(fault()),
    }
}

/// The postmaster, where an address names one (RFC 1648 section 3): of this gateway if it stands at our
/// domain or at the address of the gateway, else of the domain that a table has for the rest.
fn postmaster(context: &Context<'_>, address: &Attributes) -> Option<Mapped<AddrSpec>> {
    let in_place = |attribute: &&Attribute| attribute.key.in_hierarchy();
    let here: Attributes = address.iter().filter(in_place).cloned().collect();
    let mut names = address.iter().filter(|attribute| !in_place(attribute));
    let is_one = |name: &Attribute| {
        matches!(name.key, Key::S | Key::Cn) && name.value.eq_ignore_ascii_case("postmaster")
    };
    (here.len() < address.len() && names.all(is_one)).then_some(())?;
    let within = |inner: &Attributes, outer: &Attributes| {
        inner.iter().all(|wanted| {
            outer
                .all(wanted.key)
                .any(|known| known.trim().eq_ignore_ascii_case(wanted.value.trim()))
        })
    };
    let gateway = context.gateway;
    let ours = std::iter::once(&gateway.address)
        .chain(gateway.global_domains())
        .any(|known| {
            let as_deep = within(&gateway.domain, &here) || within(known, &here);
            as_deep && within(&here, known)
        });
    if ours {
        let mailbox = AddrSpec::new("postmaster", gateway.name.as_str()).ok()?;
        let rule = "the postmaster of this gateway (RFC 1648)".to_owned();
        return Some(mapped(mailbox, rule));
    }
    let mut named = here;
    named.push(Key::S, "Postmaster");
    let found = mapping_b(context, &named)?;
    (!gateway.is_ours(found.value.domain())).then_some(found)
}

/// Mapping B: the most natural mailbox that leads back to `address`.
fn mapping_b(context: &Context<'_>, address: &Attributes) -> Option<Mapped<AddrSpec>> {
    for (left, domain, place) in candidates(context, address) {
        let name = personal_name::encode(&left).map(|name| (name, "encoded-pn"));
        for (local, form) in name.into_iter().chain([(local_part(&left), "std-or")]) {
            let Ok(mailbox) = AddrSpec::new(local, domain.as_str()) else {
                continue;
            };
            if leads_back(context, &mailbox, address) {
                return Some(mapped(mailbox, format!("{place}, {form}")));
            }
        }
    }
    let mailbox = AddrSpec::new(local_part(address), context.gateway.name.as_str()).ok()?;
    let rule = if leads_back(context, &mailbox, address) {
        "encapsulation".to_owned()
    } else {
        let why = to_x400::stage_1(context, &mailbox)
            .err()
            .map(|genuine| genuine.why);
        format!(
            "encapsulation, no exact way back: {}",
            why.unwrap_or_else(|| "the text says less".to_owned())
        )
    };
    Some(mapped(mailbox, rule))
}

fn mapped(value: AddrSpec, rule: String) -> Mapped<AddrSpec> {
    Mapped {
        value,
        rule,
        section: SECTION,
        notes: Vec::new(),
    }
}

/// Whether a reply to `mailbox` meets `address`.
fn leads_back(context: &Context<'_>, mailbox: &AddrSpec, address: &Attributes) -> bool {
    to_x400::stage_1(context, mailbox).is_ok_and(|back| syntax::equivalent(&back.value, address))
}

/// The local part that holds `left`: `std-or-address` without adjacent spaces, which Stage I would
/// not read.
fn local_part(left: &Attributes) -> String {
    let mut local = String::new();
    for c in left.to_string().chars() {
        if c == ' ' && local.ends_with(' ') {
            local.push('$');
        }
        local.push(c);
    }
    local
}

/// What the tables offer, best first: the attributes left for the local part, the domain, the line.
///
/// What table 2 has and does not lead back is as good as no match (step 3): then table 4 is asked.
fn candidates(context: &Context<'_>, address: &Attributes) -> Vec<(Attributes, String, String)> {
    let mut found = Vec::new();
    // A domain of one label does not route to a gateway.
    let routes = |domain: &str| domain.contains('.');
    if let Some(matched) = context.tables.table2.lookup(address) {
        let (left, domain) = step_4(address, matched.domain, matched.depth);
        let mnemonic = address
            .iter()
            .all(|attribute| syntax::is_mnemonic(attribute.key));
        if routes(&domain) {
            let left = if mnemonic {
                left
            } else {
                Some(address.clone())
            };
            found.extend(left.map(|left| (left, domain, matched.place.to_string())));
        }
    }
    if let Some(matched) = context.tables.gate2.lookup(address)
        && routes(matched.domain)
    {
        found.push((
            address.clone(),
            matched.domain.to_owned(),
            matched.place.to_string(),
        ));
    }
    found
}

/// Step 4: the levels below the match become subdomains as far as they can; the rest stays for the
/// local part. `None` if nothing would stay.
fn step_4(address: &Attributes, domain: &str, depth: usize) -> (Option<Attributes>, String) {
    let prefix = Prefix::of(address);
    let mut labels = Vec::new();
    let levels = prefix.levels().get(depth..).unwrap_or_default();
    for level in levels {
        match &level.value {
            Some(value) if is_domain_syntax(value) => labels.push(value.as_str()),
            // All below an omitted level, or one that is no label, stays in the local part.
            _ => break,
        }
    }
    let present = |depth: usize| {
        let levels = prefix.cut(depth);
        levels.iter().filter(|level| level.value.is_some()).count()
    };
    if present(depth + labels.len()) == address.len() {
        labels.pop();
    }
    // Attributes are in the order of the hierarchy, so the mapped ones come first.
    let mapped = present(depth + labels.len());
    let left: Attributes = address.iter().skip(mapped).cloned().collect();
    let mut name = String::new();
    for label in labels.iter().rev() {
        name.push_str(label);
        name.push('.');
    }
    name.push_str(domain);
    (Some(left).filter(|left| !left.is_empty()), name)
}
