//! The tables of equivalent name spaces: domains and O/R addresses (MCGAMs), preferred gateways.
//!
//! RFC 2156 section 4.2 and appendix F. A lookup tries the deepest name first and cuts one level at
//! a time, so it costs one hash per level whatever the size of the table.

use std::collections::HashMap;

use super::attributes::Attributes;
use super::prefix::{Level, Prefix, lookup_key};
use super::syntax;

/// The four tables a gateway maps by (RFC 2156 appendix F.1).
#[derive(Debug, Clone, Default)]
pub struct Tables {
    /// Table 1: domain to O/R address.
    pub table1: DomainTable,
    /// Table 2: O/R address to domain.
    pub table2: AddressTable,
    /// Table 3: domain to the O/R address of the preferred gateway.
    pub gate1: DomainTable,
    /// Table 4: O/R address to the domain of the preferred gateway.
    pub gate2: AddressTable,
}

/// Which table a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TableKind {
    /// Domain to O/R address.
    Table1,
    /// O/R address to domain.
    Table2,
    /// Domain to the O/R address of the preferred gateway.
    Gate1,
    /// O/R address to the domain of the preferred gateway.
    Gate2,
}

impl TableKind {
    /// The kind a file name tells: its stem begins with or ends in `table1`, `table2`, `gate1` or
    /// `gate2`, e.g. `table1`, `table1.local`, `uk-gate2.txt`.
    #[must_use]
    pub fn of_file_name(name: &str) -> Option<Self> {
        let name = name.rsplit(['/', '\\']).next()?.to_ascii_lowercase();
        let kinds = [
            ("table1", Self::Table1),
            ("table2", Self::Table2),
            ("gate1", Self::Gate1),
            ("gate2", Self::Gate2),
        ];
        let mut found = kinds.into_iter().filter(|(word, _)| name.contains(word));
        match (found.next(), found.next()) {
            (Some((_, kind)), None) => Some(kind),
            _ => None,
        }
    }
}

/// A fault in a table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {text}")]
pub struct TableError {
    /// The file.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// The octet in the line, counted from 1.
    pub column: usize,
    /// What is wrong.
    pub text: String,
}

/// A table looked up by domain.
#[derive(Debug, Clone, Default)]
pub struct DomainTable(HashMap<String, Entry<Prefix>>);

/// A table looked up by O/R address.
#[derive(Debug, Clone, Default)]
pub struct AddressTable(HashMap<String, Entry<String>>);

/// What stands in a line.
#[derive(Debug, Clone)]
struct Entry<T> {
    target: T,
    /// The line as rules name it: `table1:12`.
    place: String,
}

/// The longest match of a domain.
#[derive(Debug, Clone, Copy)]
pub struct DomainMatch<'a, 'd> {
    /// The equivalent point, or the gateway.
    pub prefix: &'a Prefix,
    /// The labels of the domain before the match, leftmost first, without the dot; may be empty.
    pub rest: &'d str,
    /// The line: `table1:12`.
    pub place: &'a str,
}

/// The longest match of an O/R address.
#[derive(Debug, Clone, Copy)]
pub struct AddressMatch<'a> {
    /// The equivalent domain, or that of the gateway.
    pub domain: &'a str,
    /// How many levels of the hierarchy it stands for.
    pub depth: usize,
    /// The line: `table2:12`.
    pub place: &'a str,
}

impl DomainTable {
    /// The longest match of `domain`, whatever its case.
    #[must_use]
    pub fn lookup<'d>(&self, domain: &'d str) -> Option<DomainMatch<'_, 'd>> {
        if self.0.is_empty() {
            return None;
        }
        let lower = domain.to_ascii_lowercase();
        let mut key = lower.as_str();
        loop {
            if let Some(entry) = self.0.get(key) {
                let rest = domain.get(..domain.len() - key.len())?;
                return Some(DomainMatch {
                    prefix: &entry.target,
                    rest: rest.strip_suffix('.').unwrap_or(rest),
                    place: &entry.place,
                });
            }
            key = key.split_once('.')?.1;
        }
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl AddressTable {
    /// The longest match of the hierarchy in `address`.
    #[must_use]
    pub fn lookup(&self, address: &Attributes) -> Option<AddressMatch<'_>> {
        if self.0.is_empty() {
            return None;
        }
        self.lookup_levels(Prefix::of(address).levels())
    }

    /// The longest match of `levels`.
    fn lookup_levels(&self, levels: &[Level]) -> Option<AddressMatch<'_>> {
        (1..=levels.len()).rev().find_map(|depth| {
            let entry = self.0.get(&lookup_key(levels.get(..depth)?))?;
            Some(AddressMatch {
                domain: &entry.target,
                depth,
                place: &entry.place,
            })
        })
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Whether `label` is a label that mappings may use (`domain-syntax` of section 4.2).
#[must_use]
pub fn is_domain_syntax(label: &str) -> bool {
    let hyphens_inside = !label.starts_with('-') && !label.ends_with('-');
    let characters = label
        .bytes()
        .all(|octet| octet.is_ascii_alphanumeric() || octet == b'-');
    !label.is_empty() && label.len() <= 63 && hyphens_inside && characters
}

/// One line, split.
struct Line<'t> {
    number: usize,
    key: &'t str,
    target: &'t str,
    target_column: usize,
}

/// The entries of a table file; lines that begin with `#` are comments.
fn lines(text: &str) -> impl Iterator<Item = Result<Line<'_>, (usize, usize, String)>> {
    let numbered = text
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line));
    numbered
        .filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'))
        .map(|(number, line)| {
            let (key, rest) = line
                .split_once('#')
                .ok_or_else(|| (number, line.len() + 1, "expected `key#value#`".to_owned()))?;
            let (target, after) = rest.split_once('#').ok_or_else(|| {
                (
                    number,
                    line.len() + 1,
                    "expected `#` after the value".to_owned(),
                )
            })?;
            if !after.trim().is_empty() && !after.trim_start().starts_with('#') {
                let column = line.len() - after.len() + 1;
                return Err((number, column, "text after the last `#`".to_owned()));
            }
            Ok(Line {
                number,
                key,
                target,
                target_column: key.len() + 2,
            })
        })
}

impl Tables {
    /// Adds the entries of the file `file`, whose content is `text`, to the table of `kind`.
    ///
    /// # Errors
    /// All faults; lines without one are kept all the same.
    pub fn load(&mut self, kind: TableKind, file: &str, text: &str) -> Result<(), Vec<TableError>> {
        let mut faults = Vec::new();
        let mut fault = |(line, column, text): (usize, usize, String)| {
            faults.push(TableError {
                file: file.to_owned(),
                line,
                column,
                text,
            });
        };
        for line in lines(text) {
            let added = line.and_then(|line| match kind {
                TableKind::Table1 => add_domain(&mut self.table1, &self.gate1, &line, file, true),
                TableKind::Gate1 => add_domain(&mut self.gate1, &self.table1, &line, file, false),
                TableKind::Table2 => add_address(&mut self.table2, &self.gate2, &line, file),
                TableKind::Gate2 => add_address(&mut self.gate2, &self.table2, &line, file),
            });
            if let Err(error) = added {
                fault(error);
            }
        }
        if faults.is_empty() {
            Ok(())
        } else {
            Err(faults)
        }
    }
}

/// Reads a domain of a table, at `column` of its line.
fn read_domain(text: &str, number: usize, column: usize) -> Result<String, (usize, usize, String)> {
    let domain = text.trim();
    let mut offset = column;
    for label in domain.split('.') {
        if !is_domain_syntax(label) {
            let text = format!("`{label}` is no label of letters, digits and hyphens");
            return Err((number, offset, text));
        }
        offset += label.len() + 1;
    }
    Ok(domain.to_owned())
}

/// Reads an O/R address of a table, at `column` of its line.
fn read_prefix(
    text: &str,
    number: usize,
    column: usize,
    hierarchy_only: bool,
) -> Result<Prefix, (usize, usize, String)> {
    let prefix: Prefix = text
        .parse()
        .map_err(|fault: super::Fault| (number, column + fault.offset(), fault.text))?;
    match prefix.fault() {
        Some(fault) if hierarchy_only => Err((number, column, fault)),
        _ => Ok(prefix),
    }
}

/// Adds a line to a table by domain, unless its counterpart `other` has the domain.
fn add_domain(
    table: &mut DomainTable,
    other: &DomainTable,
    line: &Line<'_>,
    file: &str,
    hierarchy_only: bool,
) -> Result<(), (usize, usize, String)> {
    let key = read_domain(line.key, line.number, 1)?.to_ascii_lowercase();
    let target = read_prefix(line.target, line.number, line.target_column, hierarchy_only)?;
    // What stands here is put into addresses, so that it must be fit for one.
    let attributes = target.attributes();
    let fault = attributes.iter().find_map(syntax::fault);
    if let Some(fault) = fault.or_else(|| syntax::out_of_bounds(&attributes)) {
        return Err((line.number, line.target_column, fault.text));
    }
    refuse_second(table.0.get(&key), other.0.get(&key), &target, line.number)?;
    let place = format!("{file}:{}", line.number);
    table.0.entry(key).or_insert(Entry { target, place });
    Ok(())
}

/// Adds a line to a table by O/R address, unless its counterpart `other` has the address.
fn add_address(
    table: &mut AddressTable,
    other: &AddressTable,
    line: &Line<'_>,
    file: &str,
) -> Result<(), (usize, usize, String)> {
    let prefix = read_prefix(line.key, line.number, 1, true)?;
    let target = read_domain(line.target, line.number, line.target_column)?;
    let key = lookup_key(prefix.levels());
    refuse_second(table.0.get(&key), other.0.get(&key), &target, line.number)?;
    let place = format!("{file}:{}", line.number);
    table.0.entry(key).or_insert(Entry { target, place });
    Ok(())
}

/// A key may stand once in a table, and not in both tables of one direction (appendix F.7, F.8).
fn refuse_second<T: PartialEq>(
    same: Option<&Entry<T>>,
    counterpart: Option<&Entry<T>>,
    target: &T,
    number: usize,
) -> Result<(), (usize, usize, String)> {
    if let Some(first) = same.filter(|first| first.target != *target) {
        return Err((number, 1, format!("mapped otherwise at {}", first.place)));
    }
    match counterpart {
        Some(first) => {
            let text = format!(
                "also at {}: a name stands in the mapping table or in the gateway table, not in both",
                first.place
            );
            Err((number, 1, text))
        }
        None => Ok(()),
    }
}
