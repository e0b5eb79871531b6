//! The lines of mapping tables that others printed or used, through the import.

use std::path::Path;

use libtest_mimic::Failed;
use mixgate::mixer::address::tables::import::import;

use crate::{rows, say};

/// Lines that map nothing: fragments without a key or a value, and one that is an address.
const FRAGMENTS: [&str; 6] = [
    "PRMD$DEC.ADMD$@.C$US",
    r"ROLE$Big\.Chief.ADMD$ATT.C$US",
    "P$@.A$ade.C$zz",
    "PRMD$tlec.ADMD$ade.C$nl",
    "PRMD$ninp.ADMD$acme.C$it#",
    "/C=us/a=MCI/p=microsoft/o=PSS/dda.type=ms/dda.value=net$/po$/mailbox",
];
/// Lines of PP's routing table `or`.
const ROUTING: usize = 47;

/// Each line becomes a row of the table it is of, or is known to map nothing.
pub fn table_rows(folder: &Path) -> Result<(), Failed> {
    let (mut read, mut mended, mut routing) = (0, 0, 0);
    let mut fragments = Vec::new();
    for row in rows(&folder.join("or-addresses.tsv"))? {
        let [form, text, note, ..] = row.as_slice() else {
            continue;
        };
        if !form.starts_with("mapping-table") {
            continue;
        }
        let found = import(None, None, "rows", text);
        if let [row] = found.rows.as_slice() {
            read += 1;
            mended += usize::from(!found.warnings.is_empty());
            let by_domain = text.find('$') > text.find(['#', ':']);
            let again = import(None, None, "rows", &row.to_string());
            let same = again.rows.first().map(ToString::to_string) == Some(row.to_string());
            if row.kind.is_by_domain() != by_domain || !same || !again.warnings.is_empty() {
                return Err(format!("{text} is read as {} {row}", row.kind.name()).into());
            }
        } else if note.contains("/or (") && found.faults.len() == 1 {
            routing += 1;
        } else {
            fragments.push(text.clone());
        }
    }
    say(&format!(
        "{read} lines of tables, {mended} mended; {routing} of routing, {} fragments",
        fragments.len()
    ));
    if (read, mended, routing) == (296, 1, ROUTING) && fragments == FRAGMENTS {
        Ok(())
    } else {
        Err(format!("{read} read, {mended} mended, {routing} of routing, {fragments:?}").into())
    }
}
