//! Holds `docs/conformance.md` to the truth: its IDs are all there, once each, its tests exist (those
//! that `docs/peers.md` names, too), and its count is right.

// Helpers beside the tests fail the test as the tests do.
#![allow(clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Every ID: a group and the numbers in it, first and last.
const IDS: &[(&str, u32, u32)] = &[
    ("MOD", 1, 12),
    ("ENC", 1, 15),
    ("MIX", 1, 1),
    ("ADR", 1, 31),
    ("MID", 1, 7),
    ("HDR", 1, 7),
    ("FLD", 1, 17),
    ("ENV", 1, 22),
    ("TRC", 1, 9),
    ("DL", 1, 2),
    ("RED", 1, 2),
    ("DEF", 1, 1),
    ("LAT", 1, 1),
    ("PRI", 1, 3),
    ("PRB", 1, 2),
    ("RPT", 1, 11),
    ("NDR", 1, 13),
    ("IPN", 1, 8),
    ("BDY", 1, 35),
    ("MIL", 1, 10),
    ("SEC", 1, 6),
    ("TRK", 1, 4),
    ("DLB", 1, 1),
    ("MULE", 1, 1),
    ("MAIL11", 1, 1),
    ("T", 1, 39),
    ("A1", 1, 28),
];

/// How much of a behaviour its tests assert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    Whole,
    Partly,
    NotYet,
}

/// One row of the tables.
#[derive(Debug)]
struct Row {
    id: String,
    held: Held,
    tests: Vec<String>,
}

fn page() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/conformance.md");
    fs::read_to_string(file).expect("docs/conformance.md")
}

/// The rows of a page; what is no row as it should be panics.
fn rows(page: &str) -> Vec<Row> {
    let lines = page.lines().filter(|line| line.starts_with('|'));
    let rows = lines.filter(|line| !line.starts_with("| ID |") && !line.starts_with("| ---"));
    rows.map(row).collect()
}

fn row(line: &str) -> Row {
    let cells: Vec<&str> = line.split('|').map(str::trim).collect();
    let [_, id, behaviour, section, test, _] = cells.as_slice() else {
        panic!("four cells are asked for: {line}");
    };
    assert!(
        !behaviour.is_empty() && !section.is_empty(),
        "an empty cell: {line}"
    );
    let quoted = test.split('`').skip(1).step_by(2);
    let tests: Vec<String> = quoted.map(str::to_owned).collect();
    let held = if test.starts_with("not yet") {
        Held::NotYet
    } else if test.starts_with("partly: ") {
        Held::Partly
    } else {
        Held::Whole
    };
    assert_eq!(held == Held::NotYet, tests.is_empty(), "{line}");
    assert_eq!(
        held == Held::Partly,
        test.starts_with("partly: `") && test.ends_with(')'),
        "what is partly held is delimited in brackets: {line}"
    );
    Row {
        id: (*id).to_owned(),
        held,
        tests,
    }
}

/// The text of every Rust file below `folder`, but for this one.
fn sources(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.ends_with("tests/conformance") {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(fs::read_to_string(&path).expect("a file of UTF-8"));
        }
    }
}

/// The names of the tests in a file: functions marked as tests, and what opens a string in a file
/// that makes trials of its own.
fn tests_of(text: &str, found: &mut BTreeSet<String>) {
    let name = |text: &str| -> String {
        text.chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect()
    };
    let mut marked = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            marked = true;
        } else if let Some((before, after)) = line.split_once("fn ") {
            let declares = matches!(before, "" | "async ");
            if marked && declares {
                found.insert(name(after));
            }
            marked = marked && !declares;
        }
    }
    if text.contains("libtest_mimic") {
        found.extend(text.split('"').map(name).filter(|name| name.contains('_')));
    }
}

#[test]
fn every_id_is_there_and_stands_once() {
    let mut missing: BTreeSet<String> = IDS
        .iter()
        .flat_map(|(group, first, last)| {
            (*first..=*last).map(move |number| format!("{group}-{number}"))
        })
        .collect();
    let mut faults = Vec::new();
    for row in rows(&page()) {
        if !missing.remove(&row.id) {
            faults.push(format!("{} stands twice, or is no ID", row.id));
        }
    }
    faults.extend(missing.iter().map(|id| format!("{id} is missing")));
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn every_test_named_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts = Vec::new();
    sources(&root.join("src"), &mut texts);
    sources(&root.join("tests"), &mut texts);
    let mut known = BTreeSet::new();
    texts.iter().for_each(|text| tests_of(text, &mut known));
    let mut faults = String::new();
    for row in rows(&page()) {
        for test in row.tests.iter().filter(|test| !known.contains(*test)) {
            let _ = writeln!(faults, "{}: there is no test {test}", row.id);
        }
    }
    let peers = fs::read_to_string(root.join("docs/peers.md")).expect("docs/peers.md");
    let quoted = peers.split('`').skip(1).step_by(2);
    for test in quoted.filter(|quoted| quoted.matches('_').count() > 2) {
        if !known.contains(test) {
            let _ = writeln!(faults, "docs/peers.md: there is no test {test}");
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

#[test]
fn the_count_is_right() {
    let page = page();
    let rows = rows(&page);
    let of = |held| rows.iter().filter(|row| row.held == held).count();
    let count = format!(
        "Count: {} behaviours: {} held, {} partly, {} not yet.",
        rows.len(),
        of(Held::Whole),
        of(Held::Partly),
        of(Held::NotYet)
    );
    assert!(
        page.lines().any(|line| line == count),
        "the page should say: {count}"
    );
}

#[test]
fn a_test_is_a_marked_function_or_a_trial() {
    let mut found = BTreeSet::new();
    tests_of(
        "#[test]\nfn one() {}\nfn helper() {}\n#[tokio::test]\n#[ignore]\nasync fn two() {}\n",
        &mut found,
    );
    tests_of(
        "use libtest_mimic::Trial;\nTrial::test(\"three_of_it (WHY)\", f)\n",
        &mut found,
    );
    let found: Vec<&str> = found.iter().map(String::as_str).collect();
    assert_eq!(found, ["one", "three_of_it", "two"]);
}
