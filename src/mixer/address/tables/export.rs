//! Tables as text: appendix F, CSV, TOML, and the files `or2rfc` and `rfc2or` of PP.
//!
//! RFC 2156 appendix F.5 to F.8.

use std::collections::HashSet;

use super::HEADING;
use crate::mixer::address::mcgam::{Row, TableKind};

/// What tables are written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Lines `key#value#`; a line `#! table1` before those of each table if there are several.
    Rfc2156,
    /// Comma-separated values: `table,domain,address`.
    Csv,
    /// Lists `[[pair]]`, `[[table1]]` … of `domain` and `address`.
    Toml,
    /// Table 2 as PP has it: `O/R address:domain`.
    Or2rfc,
    /// Table 1 as PP has it: `domain:O/R address`.
    Rfc2or,
}

/// The rows as text. Of the files of PP each holds one table; what is of others stays out.
#[must_use]
pub fn export(format: Format, rows: &[Row]) -> String {
    match format {
        Format::Rfc2156 => rfc2156(rows),
        Format::Csv => csv(rows),
        Format::Toml => toml(rows),
        Format::Or2rfc => of(rows, TableKind::Table2)
            .map(|row| format!("{}:{}\n", row.point, row.domain))
            .collect(),
        Format::Rfc2or => of(rows, TableKind::Table1)
            .map(|row| format!("{}:{}\n", row.domain, row.point))
            .collect(),
    }
}

fn of(rows: &[Row], kind: TableKind) -> impl Iterator<Item = &Row> {
    rows.iter().filter(move |row| row.kind == kind)
}

fn rfc2156(rows: &[Row]) -> String {
    let one = rows
        .iter()
        .all(|row| Some(row.kind) == rows.first().map(|first| first.kind));
    let mut text = String::new();
    for kind in TableKind::ALL {
        let mut rows = of(rows, kind).peekable();
        if rows.peek().is_some() && !one {
            text.push_str(&format!("{HEADING} {}\n", kind.name()));
        }
        rows.for_each(|row| text.push_str(&format!("{row}\n")));
    }
    text
}

/// The rows with the name of their table; two that mirror each other exactly are one `pair`.
fn named(rows: &[Row]) -> impl Iterator<Item = (&'static str, &Row)> {
    let texts = |kind| -> HashSet<(&str, String)> {
        of(rows, kind)
            .map(|row| (row.domain.as_str(), row.point.to_string()))
            .collect()
    };
    let (one, two) = (texts(TableKind::Table1), texts(TableKind::Table2));
    rows.iter().filter_map(move |row| {
        let text = (row.domain.as_str(), row.point.to_string());
        match row.kind {
            TableKind::Table1 if two.contains(&text) => Some(("pair", row)),
            TableKind::Table2 if one.contains(&text) => None,
            kind => Some((kind.name(), row)),
        }
    })
}

fn csv(rows: &[Row]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    // Memory takes all that is written.
    let _ = writer.write_record(["table", "domain", "address"]);
    for (table, row) in named(rows) {
        let _ = writer.write_record([table, &row.domain, &row.point.to_string()]);
    }
    let octets = writer.into_inner().unwrap_or_default();
    String::from_utf8_lossy(&octets).into_owned()
}

fn toml(rows: &[Row]) -> String {
    let mut text = String::new();
    for (table, row) in named(rows) {
        let address = toml::Value::String(row.point.to_string());
        let domain = &row.domain;
        text.push_str(&format!(
            "[[{table}]]\ndomain = \"{domain}\"\naddress = {address}\n\n"
        ));
    }
    text
}
