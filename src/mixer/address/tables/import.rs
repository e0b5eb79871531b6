//! Mappings of other gateways and registries as rows of our tables, whatever their format.
//!
//! RFC 2156 appendix F.3 to F.8; RFC 2163 appendix A and RFC 1327 appendix F (the same lines, the tables
//! numbered the other way round); the `key:value` files `or2rfc` and `rfc2or` of PP; CSV; TOML. What a
//! file says against the syntax is mended where only one thing can be meant, and told as a warning;
//! all else is a fault and costs its line.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;

use super::HEADING;
use crate::mixer::address::mcgam::{Place, Row, TableError, TableKind, read_domain};
use crate::mixer::address::prefix::{Level, Prefix};
use crate::mixer::address::{Attributes, Fault, Key, or_address};

/// How a file of mappings is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Lines `key#value#`, the tables numbered as in RFC 2156.
    Rfc2156,
    /// Lines `key#value#`, the tables numbered as in RFC 2163 and by RARE: table 1 is by O/R address.
    Rfc2163,
    /// Lines `key:value`, as PP has them.
    Pp,
    /// Comma-separated values with a head: `table,domain,address`.
    Csv,
    /// Lists `[[pair]]`, `[[table1]]` … of `domain` and `address`.
    Toml,
}

/// What a file gave.
#[derive(Debug, Clone, Default)]
pub struct Imported {
    /// The rows, in the order of the file.
    pub rows: Vec<Row>,
    /// What was mended, and what may not be meant.
    pub warnings: Vec<TableError>,
    /// What could not be read.
    pub faults: Vec<TableError>,
}

/// Reads the mappings of `text`, the content of `file`. Without a `format` the name and the content
/// tell; without a `table` the name does, and each line says by itself which way it leads.
#[must_use]
pub fn import(
    format: Option<Format>,
    table: Option<TableKind>,
    file: &str,
    text: &str,
) -> Imported {
    let ending = file.rsplit_once('.').map_or("", |(_, ending)| ending);
    let format = format.or_else(|| match ending.to_ascii_lowercase().as_str() {
        "csv" => Some(Format::Csv),
        "toml" => Some(Format::Toml),
        _ => None,
    });
    let mut reader = Reader {
        file: file.into(),
        named: table.or_else(|| TableKind::of_file_name(file)),
        certain: table.is_some(),
        format,
        found: Imported::default(),
    };
    match format {
        Some(Format::Csv) => reader.csv(text),
        Some(Format::Toml) => reader.toml(text),
        _ => reader.lines(text),
    }
    reader.found
}

/// A file being read.
struct Reader {
    file: Arc<str>,
    /// The table that the file is said to be.
    named: Option<TableKind>,
    /// Whether somebody said so, rather than its name.
    certain: bool,
    format: Option<Format>,
    found: Imported,
}

/// The words of PP's routing table `or`, which has lines like those of `or2rfc`.
const PP_ROUTING: [&str; 4] = ["valid", "mta", "synonym", "alias"];

impl Reader {
    fn place(&self, line: usize) -> Place {
        Place {
            file: self.file.clone(),
            line,
        }
    }

    fn warn(&mut self, place: &Place, column: usize, section: &'static str, text: String) {
        self.found.warnings.push(place.fault(column, section, text));
    }

    /// Lines `key#value#` or `key:value`.
    fn lines(&mut self, text: &str) {
        for (line, number) in text.lines().zip(1..) {
            let place = self.place(number);
            if let Some(name) = line.strip_prefix(HEADING) {
                let kinds = TableKind::ALL.into_iter();
                match kinds.clone().find(|kind| kind.name() == name.trim()) {
                    Some(kind) => (self.named, self.certain) = (Some(kind), true),
                    None => {
                        let text = format!("`{}` is no table", name.trim());
                        self.found.faults.push(place.fault(1, "RFC 2156 F.1", text));
                    }
                }
            } else if !line.trim().is_empty()
                && !line.starts_with('#')
                && let Err(fault) = self.line(line, &place)
            {
                self.found.faults.push(fault);
            }
        }
    }

    fn line(&mut self, line: &str, place: &Place) -> Result<(), TableError> {
        let hash = line
            .split_once('#')
            .filter(|_| self.format != Some(Format::Pp));
        // A colon may stand in a value, never in a domain.
        let colon = || match line.split_once(':') {
            Some((key, _)) if key.contains('$') => line.rsplit_once(':'),
            split => split,
        };
        let (key, rest) = hash.or_else(colon).ok_or_else(|| {
            let text = "expected `key#value#` or `key:value`".to_owned();
            place.fault(line.len() + 1, "RFC 2156 F.5", text)
        })?;
        let target = match rest.split_once('#').filter(|_| hash.is_some()) {
            Some((target, _)) => target,
            None => {
                if hash.is_some() {
                    let text = "`#` added after the value".to_owned();
                    self.warn(place, line.len() + 1, "RFC 2156 F.5", text);
                }
                rest
            }
        };
        let of_target = key.len() + 1;
        if PP_ROUTING.contains(&target.split_whitespace().next().unwrap_or_default()) {
            let text = "a line of PP's routing table `or`, which maps nothing".to_owned();
            return Err(place.fault(of_target + 1, "RFC 2156 F.6", text));
        }
        let by_domain = match (key.contains('$'), target.contains('$')) {
            (false, true) => true,
            (true, false) => false,
            _ => {
                let text = "expected a domain and an O/R address like `PRMD$x.ADMD$y.C$GB`";
                return Err(place.fault(1, "RFC 2156 F.5", text.to_owned()));
            }
        };
        let kind = self.kind(by_domain, place)?;
        let ((domain, of_domain), (point, of_point)) = if by_domain {
            ((key, 0), (target, of_target))
        } else {
            ((target, of_target), (key, 0))
        };
        let domain = read_domain(domain)
            .map_err(|(at, text)| place.fault(of_domain + at + 1, "RFC 2156 4.2", text))?;
        let point = self.point(point, kind, place, of_point + 1)?;
        self.row(kind, domain, point, place, of_point + 1)
    }

    /// The table of a line that leads from a domain, or from an O/R address.
    fn kind(&mut self, by_domain: bool, place: &Place) -> Result<TableKind, TableError> {
        let gateways = self.named.is_some_and(TableKind::is_of_gateways);
        let kind = match (by_domain, gateways) {
            (true, false) => TableKind::Table1,
            (false, false) => TableKind::Table2,
            (true, true) => TableKind::Gate1,
            (false, true) => TableKind::Gate2,
        };
        let Some(named) = self.named.filter(|named| *named != kind) else {
            if self.format == Some(Format::Rfc2163) && self.named == Some(kind) && !self.certain {
                let text = format!("RFC 2163 has no such line in {}", kind.name());
                return Err(place.fault(1, "RFC 2163 A", text));
            }
            return Ok(kind);
        };
        if self.certain || self.format == Some(Format::Rfc2156) {
            let text = format!(
                "a line of {} in {}; RFC 2163 and RARE number the tables so",
                kind.name(),
                named.name()
            );
            return Err(place.fault(1, "RFC 2156 F.1", text));
        }
        if self.format.is_none() {
            let text = format!(
                "taken as {}: the file is numbered as RFC 2163 and RARE do, not as RFC 2156",
                kind.name()
            );
            self.warn(place, 1, "RFC 2156 F.1", text);
            self.format = Some(Format::Rfc2163);
        }
        Ok(kind)
    }

    /// Reads a point, mending what can only be meant in one way.
    fn point(
        &mut self,
        text: &str,
        kind: TableKind,
        place: &Place,
        column: usize,
    ) -> Result<Prefix, TableError> {
        let strict = text.parse::<Prefix>();
        let hierarchy = kind != TableKind::Gate1;
        if let Ok(point) = &strict
            && (!hierarchy || point.fault().is_none())
        {
            return Ok(point.clone());
        }
        let (mended, mut said) = respelt(text, hierarchy);
        let mut point: Prefix = mended.parse().map_err(|error: Fault| {
            // The offset is told in what stands in the file.
            let error = strict.err().unwrap_or(error);
            place.fault(column + error.offset(), "RFC 2156 F.3", error.text)
        })?;
        if hierarchy {
            point = filled(point, &mut said);
        }
        for text in said {
            self.warn(place, column, "RFC 2156 F.3", text);
        }
        Ok(point)
    }

    fn row(
        &mut self,
        kind: TableKind,
        domain: String,
        point: Prefix,
        place: &Place,
        column: usize,
    ) -> Result<(), TableError> {
        let row = Row {
            kind,
            domain,
            point,
            place: place.clone(),
        };
        if let Some((section, text)) = row.fault() {
            return Err(place.fault(column, section, text));
        }
        self.found.rows.push(row);
        Ok(())
    }

    /// A row that CSV or TOML has, for one table, or as `pair` for tables 1 and 2; the places are
    /// columns.
    fn record(
        &mut self,
        (table, of_table): (&str, usize),
        (domain, of_domain): (&str, usize),
        (address, of_address): (&str, usize),
        place: &Place,
    ) -> Result<(), TableError> {
        let kinds: Vec<TableKind> = match table.trim() {
            "" => self.named.map_or_else(
                || vec![TableKind::Table1, TableKind::Table2],
                |named| vec![named],
            ),
            "pair" => vec![TableKind::Table1, TableKind::Table2],
            name => TableKind::ALL
                .into_iter()
                .filter(|kind| kind.name() == name)
                .collect(),
        };
        if kinds.is_empty() {
            let text = format!("`{table}` is none of pair, table1, table2, gate1, gate2");
            return Err(place.fault(of_table, "RFC 2156 F.1", text));
        }
        let domain = read_domain(domain)
            .map_err(|(at, text)| place.fault(of_domain + at, "RFC 2156 4.2", text))?;
        for kind in kinds {
            let point = if address.contains('$') && !address.contains(['=', '/']) {
                self.point(address, kind, place, of_address)?
            } else {
                let attributes = or_address::parse_input(address).map_err(|error| {
                    place.fault(of_address + error.offset(), "RFC 2156 4.1.3", error.text)
                })?;
                whole(&attributes)
            };
            self.row(kind, domain.clone(), point, place, of_address)?;
        }
        Ok(())
    }

    fn csv(&mut self, text: &str) {
        let mut reader = csv::ReaderBuilder::new()
            .flexible(true)
            .comment(Some(b'#'))
            .trim(csv::Trim::Headers)
            .from_reader(text.as_bytes());
        let lines: Vec<&str> = text.lines().collect();
        let headers = reader.headers().cloned().unwrap_or_default();
        let of_name = |name: &str| {
            headers
                .iter()
                .position(|header| header.eq_ignore_ascii_case(name))
        };
        let (Some(domain), Some(address)) = (of_name("domain"), of_name("address")) else {
            let text = "expected a head with `domain`, `address` and perhaps `table`".to_owned();
            let fault = self.place(1).fault(1, "RFC 4180 2", text);
            self.found.faults.push(fault);
            return;
        };
        let table = of_name("table");
        for record in reader.records() {
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    let line = error.position().map_or(1, csv::Position::line);
                    let place = self.place(usize::try_from(line).unwrap_or(usize::MAX));
                    let fault = place.fault(1, "RFC 4180 2", error.to_string());
                    self.found.faults.push(fault);
                    continue;
                }
            };
            let line = record.position().map_or(1, csv::Position::line);
            let place = self.place(usize::try_from(line).unwrap_or(usize::MAX));
            let source = lines.get(place.line.saturating_sub(1)).unwrap_or(&"");
            let field = |index: Option<usize>| {
                let value = index.and_then(|index| record.get(index)).unwrap_or("");
                (value, source.find(value).map_or(1, |offset| offset + 1))
            };
            let read = self.record(
                field(table),
                field(Some(domain)),
                field(Some(address)),
                &place,
            );
            self.found.faults.extend(read.err());
        }
    }

    fn toml(&mut self, text: &str) {
        type Lists = BTreeMap<String, Vec<Entry>>;
        let starts: Vec<usize> = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(offset, _)| offset + 1))
            .collect();
        let at = |offset: usize| {
            let line = starts.partition_point(|start| *start <= offset);
            let start = starts.get(line.saturating_sub(1)).unwrap_or(&0);
            (line, offset - start + 1)
        };
        let lists = match toml::from_str::<Lists>(text) {
            Ok(lists) => lists,
            Err(error) => {
                let (line, column) = at(error.span().map_or(0, |span| span.start));
                let text = error.message().to_owned();
                let fault = self.place(line).fault(column, "TOML 1.0", text);
                self.found.faults.push(fault);
                return;
            }
        };
        for (table, entries) in &lists {
            for Entry { domain, address } in entries {
                let (line, of_domain) = at(domain.span().start);
                let (of_line, of_address) = at(address.span().start);
                let place = self.place(line);
                let of_address = if of_line == line { of_address + 1 } else { 1 };
                let read = self.record(
                    (table, 1),
                    (domain.get_ref(), of_domain + 1),
                    (address.get_ref(), of_address),
                    &place,
                );
                self.found.faults.extend(read.err());
            }
        }
    }
}

/// An entry of a list in TOML.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    domain: Spanned<String>,
    address: Spanned<String>,
}

/// The parts of a point between full stops that are not quoted.
fn parts(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut quoted) = (0, false);
    for (offset, c) in text.char_indices() {
        if c == '.' && !quoted {
            parts.extend(text.get(start..offset));
            start = offset + 1;
        }
        quoted = c == '\\' && !quoted;
    }
    parts.extend(text.get(start..));
    parts
}

/// A point as appendix F.3 spells it, and what was mended.
fn respelt(text: &str, hierarchy: bool) -> (String, Vec<String>) {
    let is_keyword = |part: &str| Key::of_keyword(part.trim()).is_some_and(|key| key != Key::Dd);
    let mut said = Vec::new();
    let mut spelt: Vec<String> = Vec::new();
    let mut parts = parts(text).into_iter().peekable();
    while let Some(part) = parts.next() {
        let (keyword, value) = match part.split_once('$') {
            Some((keyword, value)) => (keyword, Some(value)),
            None => (part, None),
        };
        if value.is_some() {
            let plain = is_keyword(keyword) || keyword.starts_with('~') || hierarchy;
            if plain {
                spelt.push(part.to_owned());
            } else {
                said.push(format!("`{keyword}` is written `~{keyword}`"));
                spelt.push(format!("~{part}"));
            }
        } else if is_keyword(part) {
            match parts.next_if(|next| !next.contains('$') && !is_keyword(next)) {
                Some(next) => {
                    said.push(format!("`{part}.{next}` is written `{part}${next}`"));
                    spelt.push(format!("{part}${next}"));
                }
                None => {
                    said.push(format!("`{part}` without a value is written `{part}$@`"));
                    spelt.push(format!("{part}$@"));
                }
            }
        } else if let Some(last) = spelt.last_mut() {
            said.push(format!("the full stop before `{part}` is written `\\.`"));
            last.push_str("\\.");
            last.push_str(part);
        } else {
            spelt.push(part.to_owned());
        }
    }
    let country = |part: Option<&String>| {
        part.and_then(|part| part.split_once('$'))
            .is_some_and(|(keyword, _)| Key::of_keyword(keyword.trim()) == Some(Key::C))
    };
    if country(spelt.first()) && !country(spelt.last()) {
        said.push("the most significant component stands on the right".to_owned());
        spelt.reverse();
    }
    (spelt.join("."), said)
}

/// A point in which no level below the country is skipped.
fn filled(point: Prefix, said: &mut Vec<String>) -> Prefix {
    let mut expected = [Key::C, Key::Admd, Key::Prmd, Key::O]
        .into_iter()
        .peekable();
    let mut levels = Vec::with_capacity(point.levels().len() + 1);
    for level in point.levels() {
        if level.key.in_hierarchy() {
            while let Some(key) = expected.next_if(|key| *key < level.key) {
                // Nothing stands above the country, so that a point without one stays wrong.
                if key != Key::C {
                    said.push(format!(
                        "`{}$@` added for the level skipped",
                        key.row().name
                    ));
                    levels.push(omitted(key));
                }
            }
            expected.next_if(|key| *key == level.key);
        }
        levels.push(level.clone());
    }
    Prefix::new(levels)
}

fn omitted(key: Key) -> Level {
    Level {
        key,
        dd_type: String::new(),
        value: None,
    }
}

/// The point that an address in any textual form names, with all its attributes.
fn whole(address: &Attributes) -> Prefix {
    let levels = address.iter().map(|attribute| Level {
        key: attribute.key,
        dd_type: attribute.dd_type.clone(),
        value: Some(attribute.value.clone()),
    });
    // Such forms name no omitted level, so that there is nothing to tell.
    filled(Prefix::new(levels.collect()), &mut Vec::new())
}
