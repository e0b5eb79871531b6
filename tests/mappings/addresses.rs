//! Addresses and identifiers that others printed or sent (`or-addresses.tsv`): each is read, or
//! refused with the clause and the offset that `refused.tsv` has.

use std::collections::BTreeMap;
use std::path::Path;

use libtest_mimic::Failed;
use mixgate::mixer::address::{Attributes, Fault, identifier, or_address, styles, syntax, wire};
use mixgate::mixer::domain;

/// Offset, clause and text of each row that is refused, in the order of the rows.
const REFUSED: &str = include_str!("refused.tsv");

/// What a row is, by the form that its first column names; `None` where it is no address.
fn local_part<'a>(form: &str, text: &'a str) -> Option<&'a str> {
    match form {
        "slash(std-or,RFC2156)+domain" => text.rsplit_once('@').map(|(local, _)| local),
        "P1-on-wire" if text.contains(" $ ") => None,
        "slash(std-or,RFC2156)"
        | "semicolon(RFC1685/F.401)"
        | "x400-prefixed(proxyAddress/one-off)"
        | "telemail-paren"
        | "other"
        | "IMCEA-encapsulated"
        | "P1-on-wire"
        | "DSN-Final-Recipient" => Some(text),
        _ => None,
    }
}

pub fn hold(folder: &Path) -> Result<(), Failed> {
    let mut read: BTreeMap<String, usize> = BTreeMap::new();
    let mut refused = Vec::new();
    for row in super::rows(&folder.join("or-addresses.tsv"))? {
        let [form, text, ..] = row.as_slice() else {
            continue;
        };
        let Some(text) = local_part(form, text) else {
            continue;
        };
        match address(text) {
            Ok(address) => {
                comes_back(&address).map_err(|fault| format!("{text}: {fault}"))?;
                *read.entry(form.clone()).or_default() += 1;
            }
            Err(fault) => {
                let offset = fault.span.map_or(-1, |span| span.start.cast_signed());
                refused.push(format!("{offset}\t{}\t{text}", fault.clause));
            }
        }
    }
    let good: usize = read.values().sum();
    let all = good + refused.len();
    super::say(&format!("{good} of {all} addresses are read: {read:?}"));
    let expected: Vec<&str> = REFUSED
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect();
    if refused != expected {
        let refused = refused.join("\n");
        return Err(format!("refused.tsv should have these lines:\n{refused}").into());
    }
    if all < 200 || good * 100 < all * 95 {
        return Err(format!("{good} of {all} is less than 95 of 100").into());
    }
    Ok(())
}

/// The address that `text` is, with no value of another encoding.
fn address(text: &str) -> Result<Attributes, Fault> {
    let address = styles::read(text)?.attributes;
    match address.iter().find_map(syntax::fault) {
        Some(fault) => Err(fault),
        None => Ok(address),
    }
}

/// Both forms we write read again strictly, and so does what stands in ASN.1.
fn comes_back(address: &Attributes) -> Result<(), String> {
    let text = or_address::parse(&address.to_string());
    let labels = or_address::parse(&or_address::f401(address));
    let (decoded, notes) = wire::attributes(&wire::or_address(address));
    // A personal name has no ASN.1 without a surname: such an address is told to be incomplete.
    let partial = syntax::incomplete(address).is_some_and(|fault| fault.clause == "X.402 18.3.12");
    let back = partial || (notes.is_empty() && &decoded == address);
    if back && text.as_ref() == Ok(address) && labels.as_ref() == Ok(address) {
        return Ok(());
    }
    Err(format!("{address} becomes {text:?}, {labels:?}, {decoded}"))
}

/// The identifiers: global domain and local identifier of messages, and Message-IDs from X.400.
pub fn identifiers(folder: &Path) -> Result<(), Failed> {
    let (mut of_messages, mut of_mails) = (0, 0);
    for row in super::rows(&folder.join("or-addresses.tsv"))? {
        let [form, text, ..] = row.as_slice() else {
            continue;
        };
        let halves = match form.as_str() {
            "MTS-identifier(GDI;local-id)" => {
                text.split_once(";L=").or_else(|| text.split_once(";l="))
            }
            "MTS-identifier(X400-MTS-Identifier)" => {
                let inside = text
                    .strip_prefix('[')
                    .and_then(|rest| rest.strip_suffix(']'));
                inside.and_then(|inside| inside.rsplit_once(';'))
            }
            "P1-on-wire" => text.split_once(" $ "),
            "Message-ID(IPM-identifier)" => {
                let identifier = identifier::of_msg_id(text);
                // `PN` is read and never written.
                let text_again = identifier::msg_id(&identifier.value);
                let again = text_again.as_deref().map(identifier::of_msg_id);
                if identifier.rule != "X.400 generated" || again.as_ref() != Some(&identifier) {
                    return Err(format!("{text} becomes {identifier:?} and {again:?}").into());
                }
                of_mails += 1;
                continue;
            }
            _ => continue,
        };
        match halves {
            Some((global, local)) => {
                let global_domain =
                    domain::of_address(&address(global).map_err(|f| f.to_string())?);
                if global_domain.is_none() || local.is_empty() || local.len() > 32 {
                    return Err(format!("{text} is no MTS identifier: {global_domain:?}").into());
                }
                of_messages += 1;
            }
            None if form == "P1-on-wire" => {}
            None => return Err(format!("{text} has no local identifier").into()),
        }
    }
    super::say(&format!(
        "{of_messages} MTS identifiers, {of_mails} Message-IDs"
    ));
    if (of_messages, of_mails) == (32, 5) {
        Ok(())
    } else {
        Err(format!("{of_messages} MTS identifiers, {of_mails} Message-IDs").into())
    }
}
