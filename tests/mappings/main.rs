//! Mappings and addresses that others printed or used (`MIXGATE_CORPUS`): which of them hold here.

use std::io::Write;
use std::path::{Path, PathBuf};

use libtest_mimic::{Arguments, Failed, Trial};
use mixgate::mixer::address::mcgam::{TableKind, Tables};
use mixgate::mixer::address::prefix::Prefix;

mod addresses;
mod import;
mod pairs;
mod px;
mod rare1990;

fn main() {
    let arguments = Arguments::from_args();
    let corpus = std::env::var_os("MIXGATE_CORPUS").map(PathBuf::from);
    let required = std::env::var_os("MIXGATE_REQUIRE_PEERS").is_some();
    let folder = corpus.map(|corpus| corpus.join("mappings"));
    let present = folder.as_ref().is_some_and(|folder| folder.is_dir()) || required;
    let folder = folder.unwrap_or_default();
    let trial = |name: &str, test: fn(&Path) -> Result<(), Failed>| {
        let folder = folder.clone();
        Trial::test(format!("{name} (MIXGATE_CORPUS)"), move || test(&folder))
            .with_ignored_flag(!present)
    };
    let trials = vec![
        trial("a_registered_table_answers_line_by_line", registered_table),
        trial("addresses_in_the_wild_are_read", addresses::hold),
        trial("identifiers_in_the_wild_are_read", addresses::identifiers),
        trial("printed_pairs_hold", pairs::hold),
        trial("rfc_2163_printed_px_records_hold", px::hold),
        trial("tables_in_the_wild_are_imported", import::table_rows),
        trial("a_registered_table_is_looked_at_closely", rare1990::lints),
        trial("a_registered_table_maps_both_ways", rare1990::both_ways),
    ];
    libtest_mimic::run(&arguments, trials).exit();
}

/// The rows of a file of tab-separated values, without its head.
pub fn rows(file: &Path) -> Result<Vec<Vec<String>>, Failed> {
    let text =
        std::fs::read_to_string(file).map_err(|fault| format!("{}: {fault}", file.display()))?;
    let rows = text.lines().skip(1);
    Ok(rows
        .map(|row| row.split('\t').map(str::to_owned).collect())
        .collect())
}

/// Tells what was found.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// A table in the text of RFC 1327 loads whole, and answers as another reader of it says.
fn registered_table(folder: &Path) -> Result<(), Failed> {
    let text = std::fs::read_to_string(folder.join("rare1990.map1.rfc1327"))?;
    let mut tables = Tables::default();
    tables
        .load(TableKind::Table2, "rare1990", &text)
        .map_err(|faults| format!("{faults:?}"))?;
    let mut faults = Vec::new();
    let rows = rows(&folder.join("rare1990.map1.tsv"))?;
    for row in &rows {
        let [key, domain, ..] = row.as_slice() else {
            continue;
        };
        let prefix: Prefix = key.parse().map_err(|error| format!("{key}: {error}"))?;
        let mut below = prefix.attributes();
        below.push(mixgate::mixer::address::Key::S, "somebody");
        match tables.table2.lookup(&below) {
            Some(found) if found.domain.eq_ignore_ascii_case(domain) => {}
            // A longer match, such as one that says the PRMD is omitted.
            Some(found) if found.depth > prefix.levels().len() => {}
            other => faults.push(format!("{key}: {domain} expected, {other:?} found")),
        }
    }
    say(&format!(
        "{} registered points, {} faults",
        rows.len(),
        faults.len()
    ));
    if rows.len() > 200 && faults.is_empty() {
        Ok(())
    } else {
        Err(faults.join("\n").into())
    }
}
