//! Mapping tables as people write, exchange and check them: text in, text out.
//!
//! RFC 2156 appendix F has the syntax and the four tables. Others number them the other way round:
//! table 1 and gate 1 of RFC 2163 and of the RARE registry (`map1`, `or2rfc`) lead from O/R
//! addresses to domains, which is table 2 and table 4 here.

pub mod export;
pub mod import;
pub mod lint;

use super::mcgam::{Row, TableError, TableKind, Tables};

/// The line that says of what table the lines after it are, in a file that holds several. To other
/// readers it is a comment.
pub const HEADING: &str = "#!";

/// The rows in canonical order, each once: by table, domains by their labels from the right, points
/// from the country down.
///
/// # Errors
/// Rows that contradict one before them; the others are kept.
pub fn canonical(rows: &[Row]) -> (Vec<Row>, Vec<TableError>) {
    let mut tables = Tables::default();
    let mut faults = Vec::new();
    let mut kept: Vec<(usize, String, Row)> = Vec::with_capacity(rows.len());
    for row in rows {
        match tables.add(row) {
            Ok(()) => kept.push((order(row.kind), sort_key(row), row.clone())),
            Err(fault) => faults.push(fault),
        }
    }
    // The sort is stable: of rows with one key the first is kept.
    kept.sort_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
    kept.dedup_by(|one, other| (one.0, &one.1) == (other.0, &other.1));
    (kept.into_iter().map(|(_, _, row)| row).collect(), faults)
}

fn order(kind: TableKind) -> usize {
    TableKind::ALL
        .into_iter()
        .take_while(|other| *other != kind)
        .count()
}

fn sort_key(row: &Row) -> String {
    let key = row.key();
    if !row.kind.is_by_domain() {
        return key;
    }
    let labels: Vec<&str> = key.rsplit('.').collect();
    labels.join("\n")
}

/// The rows that lead back: for each of table 1 and table 2 the one that reverses it, where no row
/// has its key yet. Of several with one key the first counts.
#[must_use]
pub fn mirrored(rows: &[Row]) -> Vec<Row> {
    let mut known: std::collections::HashSet<(TableKind, String)> =
        rows.iter().map(|row| (row.kind, row.key())).collect();
    let mut added = Vec::new();
    for row in rows.iter().filter(|row| !row.kind.is_of_gateways()) {
        let back = Row {
            kind: match row.kind {
                TableKind::Table1 => TableKind::Table2,
                _ => TableKind::Table1,
            },
            ..row.clone()
        };
        if back.fault().is_none() && known.insert((back.kind, back.key())) {
            added.push(back);
        }
    }
    added
}
