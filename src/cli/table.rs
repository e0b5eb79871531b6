//! `table`: check, ask, import and export mapping tables.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueEnum};
use jiff::Timestamp;
use mixgate::gateway::route::SMTP;
use mixgate::gateway::rules::Rules;
use mixgate::mixer::address::explain::{self, Answer};
use mixgate::mixer::address::mcgam::{self, Row, TableError, TableKind, Tables};
use mixgate::mixer::address::prefix::Prefix;
use mixgate::mixer::address::tables::export::{self, export};
use mixgate::mixer::address::tables::import::{self, import};
use mixgate::mixer::address::tables::lint::{self, lint};
use mixgate::mixer::address::tables::{canonical, mirrored};
use mixgate::mixer::address::{Attributes, Key};
use serde::Serialize;

use super::exit::{Failure, Outcome, one_line};

/// `mixgate table`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The configuration; without it, the defaults
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    which: Which,
}

#[derive(Debug, Subcommand)]
enum Which {
    /// Load tables and show what is wrong with them, and what may not be meant
    Check {
        #[command(flatten)]
        files: Files,
        /// Fail when there is anything to remark
        #[arg(long)]
        strict: bool,
        /// Remarks to leave out
        #[arg(long, value_name = "KIND", value_delimiter = ',')]
        without: Vec<Remark>,
    },
    /// Show which line answers for a domain, a point or an address, and what comes out both ways
    Query {
        /// A domain, a point such as `PRMD$x.ADMD$y.C$GB`, or an address in any textual form
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
        /// A table, known by its name or written `table1=FILE`; without any, those of the configuration
        #[arg(long = "file", value_name = "FILE")]
        files: Vec<String>,
        /// One JSON object for each name, one a line
        #[arg(long)]
        json: bool,
    },
    /// Read the mappings of others, mend what old files skip, and write them in one of our formats
    Import {
        /// How the files are written; without it, their names and contents tell
        #[arg(long, value_name = "FORMAT")]
        format: Option<Input>,
        /// The table that the files are; without it, their names and lines tell
        #[arg(long)]
        table: Option<Table>,
        /// Add the lines of table 1 and table 2 that lead back
        #[arg(long)]
        mirror: bool,
        /// How they are written out
        #[arg(long, value_name = "FORMAT", default_value = "rfc2156")]
        to: Output,
        /// Write each table as a file of its name into this folder, in the text of appendix F
        #[arg(long, value_name = "FOLDER", conflicts_with = "to")]
        into: Option<PathBuf>,
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Write tables in another format
    Export {
        #[command(flatten)]
        files: Files,
        /// How they are written out
        #[arg(long, value_name = "FORMAT", default_value = "rfc2156")]
        to: Output,
    },
}

#[derive(Debug, clap::Args)]
struct Files {
    /// Tables, known by their names or written `table1=FILE`; without any, those of the configuration
    #[arg(value_name = "FILE")]
    files: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Table {
    /// Domain to O/R address
    Table1,
    /// O/R address to domain
    Table2,
    /// Domain to the O/R address of a gateway
    Gate1,
    /// O/R address to the domain of a gateway
    Gate2,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Input {
    /// `key#value#`, the tables numbered as here
    Rfc2156,
    /// `key#value#`, the tables numbered the other way round: map1 and table1 are by O/R address
    #[value(alias = "rare", alias = "rfc1327")]
    Rfc2163,
    /// `key:value`, the files or2rfc and rfc2or of PP
    Pp,
    /// `table,domain,address`, with a head
    Csv,
    /// Lists `[[pair]]`, `[[table1]]` ... of `domain` and `address`
    Toml,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// `key#value#`; a line `#! table1` before the lines of each table if there are several
    Rfc2156,
    /// `table,domain,address`
    Csv,
    /// Lists `[[pair]]`, `[[table1]]` ...
    Toml,
    /// Table 2 for PP
    Or2rfc,
    /// Table 1 for PP
    Rfc2or,
}

/// The name of a kind of remark.
#[derive(Debug, Clone, Copy)]
struct Remark(lint::Kind);

impl std::str::FromStr for Remark {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = lint::Kind::ALL.into_iter().find(|kind| kind.name() == name);
        found.map(Self).ok_or_else(|| {
            let names = lint::Kind::ALL.map(lint::Kind::name);
            format!("expected one of {}", names.join(", "))
        })
    }
}

/// Works on tables.
pub fn run(arguments: Arguments) -> Outcome {
    let config = arguments.config.as_deref();
    match arguments.which {
        Which::Check {
            files,
            strict,
            without,
        } => check(config, &files.files, strict, &without),
        Which::Query { names, files, json } => query(config, &files, &names, json),
        Which::Import {
            format,
            table,
            mirror,
            to,
            into,
            files,
        } => import_all(format, table, mirror, to, into.as_deref(), &files),
        Which::Export { files, to } => {
            let (_, rows) = load(config, &files.files)?;
            let (rows, _) = canonical(&rows);
            write(to, &rows)
        }
    }
}

/// The rules of a configuration, and the lines of its tables or of those named instead.
fn load(config: Option<&Path>, named: &[String]) -> Result<(Rules, Vec<Row>), Failure> {
    let mut rules = super::check::rules(config)?;
    let files: Vec<(Option<TableKind>, PathBuf)> = if named.is_empty() {
        if config.is_none() {
            let text = "name tables, or a configuration with --config";
            return Err(Failure::Usage(text.to_owned()));
        }
        let files = rules.config.mapping.tables.iter();
        files.map(|file| (None, file.clone())).collect()
    } else {
        named.iter().map(|file| kind_and_file(file)).collect()
    };
    let mut rows = Vec::new();
    let mut tables = Tables::default();
    let mut faults = Vec::new();
    for (kind, file) in files {
        let shown = file.display().to_string();
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let Some(kind) = kind.or_else(|| TableKind::of_file_name(&name)) else {
            let text = format!(
                "{shown}: a table is called table1, table2, gate1 or gate2, or written table1={shown}"
            );
            return Err(Failure::Usage(text));
        };
        let text = read(&file)?;
        for row in mcgam::rows(kind, &shown, &text) {
            match row.and_then(|row| tables.add(&row).map(|()| row)) {
                Ok(row) => rows.push(row),
                Err(fault) => faults.push(fault),
            }
        }
    }
    tell(&faults)?;
    rules.tables = tables;
    match faults.len() {
        0 => Ok((rules, rows)),
        count => Err(Failure::Data(counted(count, "fault"))),
    }
}

/// `table1=FILE`, or a file whose name tells.
fn kind_and_file(named: &str) -> (Option<TableKind>, PathBuf) {
    let split = named.split_once('=').and_then(|(kind, file)| {
        let kind = TableKind::ALL
            .into_iter()
            .find(|known| known.name() == kind);
        Some((Some(kind?), file.into()))
    });
    split.unwrap_or_else(|| (None, named.into()))
}

fn read(file: &Path) -> Result<String, Failure> {
    let octets = super::input::read(Some(file))
        .map_err(|failure| failure.of(&file.display().to_string()))?;
    String::from_utf8(octets.into()).map_err(|error| {
        let (before, _) = error
            .as_bytes()
            .split_at_checked(error.utf8_error().valid_up_to())
            .unwrap_or_default();
        let line = before.iter().filter(|octet| **octet == b'\n').count() + 1;
        Failure::Data(format!("{}:{line}:1: expected UTF-8", file.display()))
    })
}

/// Says faults or remarks on standard error, one a line.
fn tell(told: &[TableError]) -> Outcome {
    let mut out = std::io::stderr().lock();
    for error in told {
        writeln!(out, "{}", one_line(&error.to_string()))?;
    }
    Ok(())
}

fn counted(count: usize, what: &str) -> String {
    match count {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    }
}

fn check(config: Option<&Path>, named: &[String], strict: bool, without: &[Remark]) -> Outcome {
    let (rules, rows) = load(config, named)?;
    let context = rules.context("", Timestamp::now(), "");
    let is_routed = |address: &Attributes| {
        let routes = rules.routes().destinations(address);
        routes.first().is_some_and(|route| *route != SMTP)
    };
    // Without a configuration no route is known.
    let is_routed: Option<&dyn Fn(&Attributes) -> bool> = match config {
        Some(_) => Some(&is_routed),
        None => None,
    };
    let mut remarks = lint(&context, &rows, is_routed);
    remarks.retain(|remark| without.iter().all(|Remark(kind)| *kind != remark.kind));
    let mut out = std::io::stdout().lock();
    for remark in &remarks {
        let told = one_line(&remark.told.to_string());
        writeln!(out, "{told} [{}]", remark.kind.name())?;
    }
    let judged = counted(remarks.len(), "remark");
    writeln!(out, "{}: no faults, {judged}", counted(rows.len(), "line"))?;
    if strict && !remarks.is_empty() {
        return Err(Failure::Data(judged));
    }
    Ok(())
}

/// What tables say of a name.
#[derive(Debug, Serialize)]
struct Found<'a> {
    /// The name as it was given.
    name: &'a str,
    /// The lines that answer for it, of mapping tables and gateway tables.
    lines: Vec<Line>,
    /// The address mapped, and back.
    #[serde(flatten)]
    answer: Answer,
}

#[derive(Debug, Serialize)]
struct Line {
    table: &'static str,
    place: String,
    text: String,
}

/// What a query names.
enum Name {
    Domain(String),
    Point(Prefix),
    Address(String),
}

fn name_of(text: &str) -> Result<Name, Failure> {
    let text = text.trim();
    if let Ok(domain) = mcgam::read_domain(text) {
        return Ok(Name::Domain(domain));
    }
    let fault = match text.parse::<Prefix>() {
        Ok(point) => match point.fault() {
            None => return Ok(Name::Point(point)),
            Some(fault) => (0, fault),
        },
        Err(error) => (error.offset(), error.text),
    };
    if text.contains('$') && !text.contains('=') {
        let (offset, fault) = fault;
        let text = format!("{text}:{}: {fault} (RFC 2156 F.3)", offset + 1);
        return Err(Failure::Data(text));
    }
    Ok(Name::Address(text.to_owned()))
}

fn query(config: Option<&Path>, files: &[String], names: &[String], json: bool) -> Outcome {
    let (rules, rows) = load(config, files)?;
    let context = rules.context("", Timestamp::now(), "");
    let tables = &rules.tables;
    let mut out = std::io::stdout().lock();
    let mut unread = 0_usize;
    for text in names {
        let mut by_domain = None;
        let mut by_point = None;
        let name = match name_of(text) {
            Ok(name) => name,
            Err(mut failure) => {
                failure.say();
                unread += 1;
                continue;
            }
        };
        let answer = match name {
            Name::Domain(domain) => {
                let answer = explain::to_x400(&context, &format!("somebody@{domain}"));
                by_domain = Some(domain);
                answer
            }
            Name::Point(point) => {
                let mut address = point.attributes();
                by_point = Some(address.clone());
                address.push(Key::S, "somebody");
                explain::to_smtp(&context, &address.to_string())
            }
            Name::Address(text) => match explain::read(&text) {
                Ok(explain::Written::Mailbox(mailbox)) => {
                    by_domain = Some(mailbox.domain().to_owned());
                    explain::to_x400(&context, &text)
                }
                Ok(explain::Written::OrAddress(reading)) => {
                    by_point = Some(reading.attributes);
                    explain::to_smtp(&context, &text)
                }
                Err(_) => explain::to_smtp(&context, &text),
            },
        };
        let places = [
            (
                TableKind::Table1,
                by_domain
                    .as_deref()
                    .and_then(|domain| Some(tables.table1.lookup(domain)?.place)),
            ),
            (
                TableKind::Gate1,
                by_domain
                    .as_deref()
                    .and_then(|domain| Some(tables.gate1.lookup(domain)?.place)),
            ),
            (
                TableKind::Table2,
                by_point
                    .as_ref()
                    .and_then(|point| Some(tables.table2.lookup(point)?.place)),
            ),
            (
                TableKind::Gate2,
                by_point
                    .as_ref()
                    .and_then(|point| Some(tables.gate2.lookup(point)?.place)),
            ),
        ];
        let lines = places.into_iter().filter_map(|(kind, place)| {
            let place = place?;
            let row = rows
                .iter()
                .find(|row| row.kind == kind && row.place == *place)?;
            Some(Line {
                table: kind.name(),
                place: place.to_string(),
                text: row.to_string(),
            })
        });
        let found = Found {
            name: text,
            lines: lines.collect(),
            answer,
        };
        unread += usize::from(found.answer.refused.is_some());
        if json {
            let line = serde_json::to_string(&found)
                .map_err(|error| Failure::Internal(error.to_string()))?;
            writeln!(out, "{line}")?;
            continue;
        }
        writeln!(out, "{}", one_line(text))?;
        if found.lines.is_empty() {
            writeln!(out, "  no table has it")?;
        }
        for line in &found.lines {
            writeln!(out, "  {}  {}  {}", line.table, line.place, line.text)?;
        }
        writeln!(out, "{}", found.answer)?;
    }
    match unread {
        0 => Ok(()),
        count => Err(Failure::Data(format!(
            "{} could not be mapped",
            counted(count, "name")
        ))),
    }
}

fn import_all(
    format: Option<Input>,
    table: Option<Table>,
    mirror: bool,
    to: Output,
    into: Option<&Path>,
    files: &[PathBuf],
) -> Outcome {
    let format = format.map(|format| match format {
        Input::Rfc2156 => import::Format::Rfc2156,
        Input::Rfc2163 => import::Format::Rfc2163,
        Input::Pp => import::Format::Pp,
        Input::Csv => import::Format::Csv,
        Input::Toml => import::Format::Toml,
    });
    let table = table.map(|table| match table {
        Table::Table1 => TableKind::Table1,
        Table::Table2 => TableKind::Table2,
        Table::Gate1 => TableKind::Gate1,
        Table::Gate2 => TableKind::Gate2,
    });
    let mut rows = Vec::new();
    let mut faults = Vec::new();
    for file in files {
        let text = read(file)?;
        let found = import(format, table, &file.display().to_string(), &text);
        let warnings = found.warnings.into_iter().map(|mut warning| {
            warning.text.insert_str(0, "WARNING ");
            warning
        });
        tell(&warnings.collect::<Vec<_>>())?;
        rows.extend(found.rows);
        faults.extend(found.faults);
    }
    if mirror {
        rows.extend(mirrored(&rows));
    }
    let (kept, contradictions) = canonical(&rows);
    faults.extend(contradictions);
    tell(&faults)?;
    match into {
        None => write(to, &kept)?,
        Some(folder) => write_files(folder, &kept)?,
    }
    match faults.len() {
        0 => Ok(()),
        count => Err(Failure::Data(format!(
            "{} left out",
            counted(count, "line")
        ))),
    }
}

fn write(to: Output, rows: &[Row]) -> Outcome {
    let format = match to {
        Output::Rfc2156 => export::Format::Rfc2156,
        Output::Csv => export::Format::Csv,
        Output::Toml => export::Format::Toml,
        Output::Or2rfc => export::Format::Or2rfc,
        Output::Rfc2or => export::Format::Rfc2or,
    };
    std::io::stdout().write_all(export(format, rows).as_bytes())?;
    Ok(())
}

/// Writes each table as a file of its name; one that is there already is left as it is.
fn write_files(folder: &Path, rows: &[Row]) -> Outcome {
    fs::create_dir_all(folder)
        .map_err(|error| Failure::CannotCreate(format!("{}: {error}", folder.display())))?;
    for kind in TableKind::ALL {
        let of_kind: Vec<Row> = rows
            .iter()
            .filter(|row| row.kind == kind)
            .cloned()
            .collect();
        if of_kind.is_empty() {
            continue;
        }
        let path = folder.join(kind.name());
        let failed = |error| Failure::CannotCreate(format!("{}: {error}", path.display()));
        let mut file = File::create_new(&path).map_err(failed)?;
        file.write_all(export(export::Format::Rfc2156, &of_kind).as_bytes())
            .map_err(failed)?;
        let count = counted(of_kind.len(), "line");
        writeln!(std::io::stdout(), "{}: {count}", path.display())?;
    }
    Ok(())
}
