//! A table of the RARE registry through the import: what the linter says of it, and each line both ways.

#![allow(
    clippy::expect_used,
    reason = "a fixture that cannot be made fails its test"
)]

use std::collections::BTreeMap;
use std::path::Path;

use libtest_mimic::Failed;
use mixgate::mixer::address::mcgam::{Row, TableKind, Tables};
use mixgate::mixer::address::tables::import::import;
use mixgate::mixer::address::tables::lint::lint;
use mixgate::mixer::address::tables::{canonical, mirrored};
use mixgate::mixer::address::{Key, Role, syntax, to_rfc822, to_x400};
use mixgate::mixer::context::{Context, Gateway, PeerProfile};

/// The rows of the table, and those that lead back.
fn read(folder: &Path) -> Result<Vec<Row>, Failed> {
    let text = std::fs::read_to_string(folder.join("rare1990.map1.rfc1327"))?;
    let found = import(None, None, "rare1990.map1", &text);
    if !found.faults.is_empty() || !found.warnings.is_empty() {
        return Err(format!("{:?} {:?}", found.faults, found.warnings).into());
    }
    let mut rows = found.rows;
    if rows.len() != 272 || rows.iter().any(|row| row.kind != TableKind::Table2) {
        return Err(format!("{} rows", rows.len()).into());
    }
    rows.extend(mirrored(&rows));
    let (rows, contradictions) = canonical(&rows);
    if contradictions.is_empty() {
        Ok(rows)
    } else {
        Err(format!("{contradictions:?}").into())
    }
}

/// Calls `work` with a gateway that has `rows`.
fn with<T>(rows: &[Row], work: impl FnOnce(&Context<'_>) -> T) -> T {
    let mut tables = Tables::default();
    rows.iter()
        .for_each(|row| tables.add(row).expect("no contradiction"));
    let (gateway, peer) = (Gateway::default(), PeerProfile::default());
    work(&Context {
        id: "01J00000000000000000000000".into(),
        now: "2026-01-02T03:04:05+01:00[+01:00]".parse().expect("a time"),
        gateway: &gateway,
        tables: &tables,
        peer: &peer,
    })
}

/// What the linter says, by kind.
const REMARKS: [(&str, usize); 6] = [
    ("authority", 3),
    ("doubtful", 72),
    ("one-label", 2),
    ("overflow", 1),
    ("shadowed", 6),
    ("two-keys", 6),
];

pub fn lints(folder: &Path) -> Result<(), Failed> {
    let rows = read(folder)?;
    let remarks = with(&rows, |context| lint(context, &rows, None));
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for remark in &remarks {
        *counts.entry(remark.kind.name()).or_default() += 1;
    }
    let twice = |text: &str| text.contains("xtel.co.uk");
    let xtel = remarks
        .iter()
        .find(|r| r.kind.name() == "two-keys" && twice(&r.told.text));
    if counts.into_iter().eq(REMARKS) && xtel.is_some() {
        Ok(())
    } else {
        let told: Vec<String> = remarks.iter().map(|r| r.told.to_string()).collect();
        Err(told.join("\n").into())
    }
}

/// Somebody at each point becomes a mailbox in its domain, and that leads to the point again; where two
/// points have one domain, the later one keeps its whole address in the local part, and leads back too.
pub fn both_ways(folder: &Path) -> Result<(), Failed> {
    let rows = read(folder)?;
    let (mut plain, mut whole, mut too_long) = (Vec::new(), Vec::new(), Vec::new());
    with(&rows, |context| {
        for row in rows.iter().filter(|row| row.kind == TableKind::Table2) {
            let mut address = row.point.attributes();
            address.push(Key::S, "somebody");
            let mailbox = to_rfc822::map(context, &address, Role::Recipient)
                .map_err(|error| format!("{row}: {error}"))?
                .value;
            let back = to_x400::map(context, &mailbox, Role::Recipient);
            if syntax::out_of_bounds(&address).is_some() {
                too_long.push(back.is_err());
                continue;
            }
            let back = back.map_err(|error| format!("{mailbox}: {error}"))?.value;
            if !syntax::equivalent(&back, &address) {
                return Err(format!("{address} becomes {mailbox}, and that {back}"));
            }
            if mailbox.domain().eq_ignore_ascii_case(&row.domain) {
                plain.push(mailbox.to_string());
            } else {
                whole.push(row.domain.clone());
            }
        }
        Ok(())
    })?;
    with(&rows, |context| {
        for row in rows.iter().filter(|row| row.kind == TableKind::Table1) {
            let mailbox = format!("somebody@{}", row.domain);
            let mailbox = mailbox.parse().map_err(|_| mailbox.clone())?;
            let address = to_x400::map(context, &mailbox, Role::Recipient)
                .map_err(|error| format!("{row}: {error}"))?
                .value;
            let at_the_point = row.point.attributes().iter().all(|wanted| {
                address
                    .all(wanted.key)
                    .any(|value| value.eq_ignore_ascii_case(&wanted.value))
            });
            if !at_the_point {
                return Err(format!("{mailbox} becomes {address}"));
            }
        }
        Ok(())
    })?;
    // The other keys of a domain, and the domain of one label; a PRMD of 19 characters is no address.
    if (plain.len(), whole.len()) == (266, 5) && too_long == [true] {
        Ok(())
    } else {
        Err(format!("{} plain; {too_long:?}; whole: {whole:?}", plain.len()).into())
    }
}
