//! The rows about PX records: printed rules in domain syntax, and names that RFC 2163 prints.

use std::path::Path;

use libtest_mimic::Failed;
use mixgate::mixer::address::mcgam::TableKind;
use mixgate::mixer::address::prefix::Prefix;
use mixgate::mixer::address::px::{self, Record};

/// Rows of pairs.tsv and of or-addresses.tsv there are at least.
const PAIRS: usize = 9;
const NAMES: usize = 19;

pub fn hold(folder: &Path) -> Result<(), Failed> {
    let (mut pairs, mut names) = (0, 0);
    for row in super::rows(&folder.join("pairs.tsv"))? {
        let [id, kind, _, x400, rfc822, context, ..] = row.as_slice() else {
            continue;
        };
        let held = match kind.as_str() {
            "px-enc" => encoding(x400, rfc822),
            "px-rule" => rule(x400, rfc822, context),
            "px-query" => query(x400, rfc822),
            "px-gate1" => gateway(x400, rfc822),
            _ => continue,
        };
        held.map_err(|fault| format!("{id}: {fault}"))?;
        pairs += 1;
    }
    for row in super::rows(&folder.join("or-addresses.tsv"))? {
        let [form, text, ..] = row.as_slice() else {
            continue;
        };
        if form == "dns-PX-form" {
            name(text).map_err(|fault| format!("{text}: {fault}"))?;
            names += 1;
        }
    }
    super::say(&format!("{pairs} pairs and {names} names of PX"));
    if pairs < PAIRS || names < NAMES {
        return Err(format!("{pairs} of {PAIRS} pairs, {names} of {NAMES} names").into());
    }
    Ok(())
}

fn prefix(text: &str) -> Result<Prefix, String> {
    text.parse().map_err(|error| format!("{text}: {error}"))
}

fn same<T: PartialEq + std::fmt::Debug>(found: &T, expected: &T) -> Result<(), String> {
    (found == expected)
        .then_some(())
        .ok_or_else(|| format!("{found:?} found, {expected:?} expected"))
}

/// The owner and the record of a line of a zone.
fn line(text: &str) -> Result<(&str, Record), String> {
    let (owner, rdata) = text.split_once("IN PX").ok_or("no line of a zone")?;
    let record = rdata.parse().map_err(|fault| format!("{rdata}: {fault}"))?;
    Ok((owner.trim(), record))
}

/// A level or more there and back; what ends in a country also as octets of a record.
fn encoding(x400: &str, name: &str) -> Result<(), String> {
    let point = prefix(x400)?;
    let translated = px::to_domain(point.levels()).map_err(|fault| fault.to_string())?;
    same(&translated.as_str(), &name)?;
    // A level alone is no address; it is read below the levels that it lacks.
    let above = ["C-it", "ADMDb", "PRMD", "O"];
    let missing = match point.levels() {
        [level] => match level.key.row().name {
            "ADMD" => 1,
            "PRMD" => 2,
            "O" => 3,
            _ => 4,
        },
        _ => 0,
    };
    let mut whole = name.to_owned();
    for label in above.into_iter().take(missing).rev() {
        whole = format!("{whole}.{label}");
    }
    let read = px::from_domain(&whole).map_err(|fault| fault.to_string())?;
    let levels = read.levels().get(missing..).unwrap_or_default();
    same(&levels, &point.levels())
}

/// A rule, its domain, and the line of the zone it becomes but for the preference.
fn rule(x400: &str, domain: &str, printed: &str) -> Result<(), String> {
    let (_, record) = line(printed)?;
    same(&record.domain(), &domain)?;
    same(record.address(), &prefix(x400)?)?;
    let written = px::zone_line(TableKind::Table1, domain, prefix(x400)?)
        .map_err(|fault| fault.to_string())?;
    same(&written, &printed.replace("PX 10", "PX 50"))
}

/// `NAME ; LINE`: the line is found for the name, and says what it stands for.
fn query(x400: &str, printed: &str) -> Result<(), String> {
    let (asked, printed) = printed.split_once(';').ok_or("no `;`")?;
    let (owner, record) = line(printed)?;
    let names = px::names_of_domain(&asked.trim().to_ascii_lowercase());
    let owner = owner.trim_end_matches('.').to_owned();
    same(&names.contains(&owner), &true)?;
    same(record.address(), &prefix(x400)?)?;
    same(&record.gateway(), &false)
}

/// The line under which the gateway of an address is found.
fn gateway(x400: &str, printed: &str) -> Result<(), String> {
    let (owner, record) = line(printed)?;
    let address = prefix(x400)?;
    let names = px::names_of_address(address.levels());
    same(
        &names.contains(&owner.trim_end_matches('.').to_owned()),
        &true,
    )?;
    same(&record.gateway(), &true)?;
    let same_but_case = record
        .address()
        .to_string()
        .eq_ignore_ascii_case(&address.to_string());
    same(&same_but_case, &true)
}

/// A printed name is read, and written as it was printed.
fn name(text: &str) -> Result<(), String> {
    let plain = text.trim_end_matches('.');
    let written = if plain.to_ascii_uppercase().contains(".X42D.") {
        px::from_owner(text).and_then(|point| px::owner(point.levels()))
    } else {
        let plain = plain.strip_suffix(".G").unwrap_or(plain);
        px::from_domain(plain).and_then(|point| px::to_domain(point.levels()))
    };
    let written = written.map_err(|fault| fault.to_string())?;
    same(
        &written.as_str(),
        &plain.strip_suffix(".G").unwrap_or(plain),
    )
}
