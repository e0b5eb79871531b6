//! The tables of equivalent name spaces: domains and O/R addresses (MCGAMs), preferred gateways.
//!
//! RFC 2156 section 4.2 and appendix F. A lookup tries the deepest name first and cuts one level at
//! a time, so it costs one hash per level whatever the size of the table.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

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
    /// All four, in the order of appendix F.1.
    pub const ALL: [Self; 4] = [Self::Table1, Self::Table2, Self::Gate1, Self::Gate2];

    /// The name of its file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Table1 => "table1",
            Self::Table2 => "table2",
            Self::Gate1 => "gate1",
            Self::Gate2 => "gate2",
        }
    }

    /// Whether its keys are domains.
    #[must_use]
    pub fn is_by_domain(self) -> bool {
        matches!(self, Self::Table1 | Self::Gate1)
    }

    /// Whether it names gateways.
    #[must_use]
    pub fn is_of_gateways(self) -> bool {
        matches!(self, Self::Gate1 | Self::Gate2)
    }

    /// The section of RFC 2156 that defines it.
    #[must_use]
    pub fn section(self) -> &'static str {
        match self {
            Self::Table1 => "RFC 2156 F.5",
            Self::Table2 => "RFC 2156 F.6",
            Self::Gate1 => "RFC 2156 F.7",
            Self::Gate2 => "RFC 2156 F.8",
        }
    }

    /// The kind a file name tells: its stem begins with or ends in `table1`, `table2`, `gate1` or
    /// `gate2`, e.g. `table1`, `table1.local`, `uk-gate2.txt`.
    #[must_use]
    pub fn of_file_name(name: &str) -> Option<Self> {
        let name = name.rsplit(['/', '\\']).next()?.to_ascii_lowercase();
        let mut found = Self::ALL
            .into_iter()
            .filter(|kind| name.contains(kind.name()));
        match (found.next(), found.next()) {
            (Some(kind), None) => Some(kind),
            _ => None,
        }
    }
}

/// A fault in a table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {text} ({section})")]
pub struct TableError {
    /// The file.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// The octet in the line, counted from 1.
    pub column: usize,
    /// What is wrong.
    pub text: String,
    /// The clause that says so.
    pub section: &'static str,
}

/// Where a line stands; as text `table1:12`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// The file; one name for all its lines.
    pub file: Arc<str>,
    /// The line, counted from 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

impl Place {
    /// A fault of this line, at its octet `column`.
    #[must_use]
    pub fn fault(&self, column: usize, section: &'static str, text: String) -> TableError {
        TableError {
            file: self.file.to_string(),
            line: self.line,
            column,
            text,
            section,
        }
    }
}

/// What a line of a table says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The table; it says which of the two is the key.
    pub kind: TableKind,
    /// The domain.
    pub domain: String,
    /// The point of the O/R address hierarchy, or the address of a gateway.
    pub point: Prefix,
    /// The line.
    pub place: Place,
}

impl Row {
    /// What is wrong with the point, and by which clause.
    #[must_use]
    pub fn fault(&self) -> Option<(&'static str, String)> {
        if self.kind != TableKind::Gate1
            && let Some(fault) = self.point.fault()
        {
            return Some(("RFC 2156 F.3", fault));
        }
        if !self.kind.is_by_domain() {
            return None;
        }
        // What stands here is put into addresses, so that it must be fit for one.
        let attributes = self.point.attributes();
        if let Some(fault) = attributes.iter().find_map(syntax::fault) {
            return Some(("RFC 2156 4.1.1", fault.text));
        }
        syntax::out_of_bounds(&attributes).map(|fault| ("X.411 annex B", fault.text))
    }

    /// What lookups find the line by.
    #[must_use]
    pub fn key(&self) -> String {
        if self.kind.is_by_domain() {
            self.domain.to_ascii_lowercase()
        } else {
            lookup_key(self.point.levels())
        }
    }
}

/// The line in the text of appendix F.
impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind.is_by_domain() {
            write!(f, "{}#{}#", self.domain, self.point)
        } else {
            write!(f, "{}#{}#", self.point, self.domain)
        }
    }
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
    place: Place,
}

/// The longest match of a domain.
#[derive(Debug, Clone, Copy)]
pub struct DomainMatch<'a, 'd> {
    /// The equivalent point, or the gateway.
    pub prefix: &'a Prefix,
    /// The labels of the domain before the match, leftmost first, without the dot; may be empty.
    pub rest: &'d str,
    /// The line: `table1:12`.
    pub place: &'a Place,
}

/// The longest match of an O/R address.
#[derive(Debug, Clone, Copy)]
pub struct AddressMatch<'a> {
    /// The equivalent domain, or that of the gateway.
    pub domain: &'a str,
    /// How many levels of the hierarchy it stands for.
    pub depth: usize,
    /// The line: `table2:12`.
    pub place: &'a Place,
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
    #[must_use]
    pub fn lookup_levels(&self, levels: &[Level]) -> Option<AddressMatch<'_>> {
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

/// The lines of the table file `file` with what they say; those that begin with `#` are comments.
pub fn rows(
    kind: TableKind,
    file: &str,
    text: &str,
) -> impl Iterator<Item = Result<Row, TableError>> {
    let file: Arc<str> = file.into();
    let numbered = text.lines().zip(1..);
    numbered
        .filter(|(line, _)| !line.trim().is_empty() && !line.starts_with('#'))
        .map(move |(text, line)| {
            let file = file.clone();
            row(kind, text, Place { file, line })
        })
}

/// What the line `line` says, which stands at `place`.
fn row(kind: TableKind, line: &str, place: Place) -> Result<Row, TableError> {
    let unended = |text: &str| place.fault(line.len() + 1, kind.section(), text.to_owned());
    let (key, rest) = line
        .split_once('#')
        .ok_or_else(|| unended("expected `key#value#`"))?;
    let (target, after) = rest
        .split_once('#')
        .ok_or_else(|| unended("expected `#` after the value"))?;
    if !after.trim().is_empty() && !after.trim_start().starts_with('#') {
        let column = line.len() - after.len() + 1;
        let text = "text after the last `#`".to_owned();
        return Err(place.fault(column, kind.section(), text));
    }
    let target = (target, key.len() + 2);
    let ((domain, of_domain), (point, of_point)) = if kind.is_by_domain() {
        ((key, 1), target)
    } else {
        (target, (key, 1))
    };
    let domain = read_domain(domain).map_err(|(offset, text)| {
        let column = of_domain + offset;
        place.fault(column, "RFC 2156 4.2", text)
    })?;
    let point = point.parse().map_err(|error: super::Fault| {
        place.fault(of_point + error.offset(), "RFC 2156 F.3", error.text)
    })?;
    let row = Row {
        kind,
        domain,
        point,
        place,
    };
    match row.fault() {
        Some((section, text)) => Err(row.place.fault(of_point, section, text)),
        None => Ok(row),
    }
}

/// Reads a domain of a table.
///
/// # Errors
/// It is none: what is wrong, at which octet.
pub fn read_domain(text: &str) -> Result<String, (usize, String)> {
    let domain = text.trim();
    let mut offset = 0;
    for label in domain.split('.') {
        if !is_domain_syntax(label) {
            let text = format!("`{label}` is no label of letters, digits and hyphens");
            return Err((offset, text));
        }
        offset += label.len() + 1;
    }
    Ok(domain.to_owned())
}

impl Tables {
    /// Adds the entries of the file `file`, whose content is `text`, to the table of `kind`.
    ///
    /// # Errors
    /// All faults; lines without one are kept all the same.
    pub fn load(&mut self, kind: TableKind, file: &str, text: &str) -> Result<(), Vec<TableError>> {
        let added = rows(kind, file, text).map(|row| row.and_then(|row| self.add(&row)));
        let faults: Vec<TableError> = added.filter_map(Result::err).collect();
        if faults.is_empty() {
            Ok(())
        } else {
            Err(faults)
        }
    }

    /// Adds a line, unless its key stands in the table for something else, or in the counterpart.
    ///
    /// # Errors
    /// Where the key stands already.
    pub fn add(&mut self, row: &Row) -> Result<(), TableError> {
        match row.kind {
            TableKind::Table1 => add(&mut self.table1.0, &self.gate1.0, row, &row.point),
            TableKind::Gate1 => add(&mut self.gate1.0, &self.table1.0, row, &row.point),
            TableKind::Table2 => add(&mut self.table2.0, &self.gate2.0, row, &row.domain),
            TableKind::Gate2 => add(&mut self.gate2.0, &self.table2.0, row, &row.domain),
        }
    }
}

/// A key may stand once in a table, and not in both tables of one direction (appendix F.7, F.8).
fn add<T: PartialEq + Clone>(
    table: &mut HashMap<String, Entry<T>>,
    counterpart: &HashMap<String, Entry<T>>,
    row: &Row,
    target: &T,
) -> Result<(), TableError> {
    let key = row.key();
    if let Some(first) = table.get(&key).filter(|first| first.target != *target) {
        let text = format!("mapped otherwise at {}", first.place);
        return Err(row.place.fault(1, "RFC 2156 F.4", text));
    }
    if let Some(first) = counterpart.get(&key) {
        let text = format!(
            "also at {}: a name stands in the mapping table or in the gateway table, not in both",
            first.place
        );
        let section = if row.kind.is_by_domain() {
            TableKind::Gate1.section()
        } else {
            TableKind::Gate2.section()
        };
        return Err(row.place.fault(1, section, text));
    }
    table.entry(key).or_insert_with(|| Entry {
        target: target.clone(),
        place: row.place.clone(),
    });
    Ok(())
}
