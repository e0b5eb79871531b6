//! The rules of the house, held as data: who may import whom, where each package lives, how files
//! open, how long they are, and which file owns which section of RFC 2156.
//!
//! One crate has no compiler for its rooms; these tests stand in for it.

// Helpers of tests; clippy knows only functions marked as tests.
#![allow(clippy::expect_used, clippy::string_slice)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Each room and the rooms it may import, besides itself.
///
/// The order is the order of the house: no room names one that stands after it.
const ROOMS: &[(&str, &[&str])] = &[
    ("octets", &[]),
    ("failpoint", &[]),
    ("network", &[]),
    ("asn1", &["octets"]),
    ("rfc822", &["octets"]),
    ("osi", &["octets", "asn1"]),
    ("mixer", &["octets", "asn1", "rfc822"]),
    ("x400", &["octets", "failpoint", "network", "asn1", "osi"]),
    ("smtp", &["octets", "failpoint", "network", "rfc822"]),
    ("queue", &["octets", "failpoint", "rfc822"]),
    ("lookup", &["mixer"]),
    (
        "config",
        &["asn1", "rfc822", "mixer", "x400", "smtp", "queue", "lookup"],
    ),
    (
        "gateway",
        &[
            "octets",
            "failpoint",
            "asn1",
            "rfc822",
            "mixer",
            "x400",
            "smtp",
            "queue",
            "lookup",
            "config",
        ],
    ),
    (
        "cli",
        &[
            "octets", "asn1", "rfc822", "osi", "mixer", "x400", "smtp", "queue", "lookup",
            "config", "gateway",
        ],
    ),
];

/// Files of a room that may import less than their room: `osi` reads ASN.1 only above session.
const NARROWER: &[(&str, &str)] = &[
    ("src/osi/tpkt", "asn1"),
    ("src/osi/transport", "asn1"),
    ("src/osi/spdu", "asn1"),
    ("src/osi/session", "asn1"),
];

/// Each package and the only places that may name it.
const HOMES: &[(&str, &[&str])] = &[
    // A witness of tests; nothing of ours is built on it.
    ("rasn", &[]),
    ("mail_parser", &["src/rfc822"]),
    ("lettre", &["src/smtp/client"]),
    ("rusqlite", &["src/queue"]),
    ("clap", &["src/main.rs", "src/cli"]),
    ("webpki", &["src/x400/strong"]),
    ("hickory_resolver", &["src/lookup/dns"]),
    (
        "tokio",
        &[
            "src/main.rs",
            "src/cli",
            "src/network",
            "src/smtp",
            "src/x400",
            "src/queue",
            "src/lookup",
            "src/gateway",
        ],
    ),
];

/// What `mixer` must not touch: it is a function of its arguments.
const NOT_IN_MIXER: &[&str] = &[
    "tokio",
    "std::net",
    "std::fs",
    "tracing::",
    "SystemTime",
    "Instant",
    "Timestamp::now",
    "Zoned::now",
    "Ulid::",
];

/// Lines a file may have, tests included.
const LONGEST: usize = 600;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &str) -> Vec<(String, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        let Ok(entries) = fs::read_dir(folder) else {
            return;
        };
        for entry in entries {
            let path = entry.expect("a readable folder").path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join(folder), &mut found);
    found.sort();
    found
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(root()).expect("a file of the house");
            let text = fs::read_to_string(&path).expect("a file of UTF-8");
            (name.to_string_lossy().replace('\\', "/"), text)
        })
        .collect()
}

/// The code of a file: without comments and without its unit tests.
fn code(text: &str) -> String {
    let mut lines = Vec::new();
    for line in text.lines() {
        if line.starts_with("#[cfg(test)]") {
            break;
        }
        lines.push(line.split("//").next().unwrap_or_default());
    }
    lines.join("\n")
}

fn room_of(file: &str) -> Option<&str> {
    let rest = file.strip_prefix("src/")?;
    let room = rest.split('/').next()?;
    Some(room.strip_suffix(".rs").unwrap_or(room))
}

/// The rooms that `code` names as `crate::room`, also inside `use crate::{…}`.
fn imports(code: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for after in code.split("crate::").skip(1) {
        let mut names = vec![after];
        if let Some(group) = after.strip_prefix('{') {
            names = top_level_names(group);
        }
        for name in names {
            let name: String = name
                .trim()
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            rooms.push(name);
        }
    }
    rooms
}

fn top_level_names(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut names) = (0, 0, Vec::new());
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => {
                names.push(&group[start..at]);
                return names;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                names.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    names
}

#[test]
fn rooms_stand_in_order() {
    for (index, (room, allowed)) in ROOMS.iter().enumerate() {
        for other in *allowed {
            let place = ROOMS.iter().position(|(name, _)| name == other);
            assert!(
                place.is_some_and(|place| place < index),
                "{room} may import {other}, which does not stand before it"
            );
        }
    }
}

#[test]
fn a_room_imports_only_rooms_before_it() {
    let mut faults = Vec::new();
    for (file, text) in rust_files("src") {
        let room = room_of(&file).expect("a file of a room");
        if matches!(room, "lib" | "main") {
            continue;
        }
        let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == room) else {
            faults.push(format!("{file}: the room {room} is not in the table"));
            continue;
        };
        for import in imports(&code(&text)) {
            let known = ROOMS.iter().any(|(name, _)| *name == import);
            if known && import != room && !allowed.contains(&import.as_str()) {
                faults.push(format!("{file}: {room} imports {import}"));
            }
            if NARROWER
                .iter()
                .any(|(start, never)| file.starts_with(start) && *never == import)
            {
                faults.push(format!("{file}: this layer imports {import}"));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn each_package_has_one_home() {
    let mut faults = Vec::new();
    for (file, text) in rust_files("src") {
        let code = code(&text);
        for (package, homes) in HOMES {
            let named =
                code.contains(&format!("{package}::")) || code.contains(&format!("use {package};"));
            if named && !homes.iter().any(|home| file.starts_with(home)) {
                let homes = if homes.is_empty() {
                    "tests alone".to_owned()
                } else {
                    homes.join(", ")
                };
                faults.push(format!("{file}: {package} lives in {homes}"));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn mixer_is_a_function_of_its_arguments() {
    let mut faults = Vec::new();
    for (file, text) in rust_files("src/mixer") {
        let code = code(&text);
        for word in NOT_IN_MIXER {
            if code.contains(word) {
                faults.push(format!("{file}: names {word}"));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn files_open_with_their_job_and_end_in_time() {
    let mut faults = Vec::new();
    for folder in ["src", "build", "tests", "benches", "fuzz/fuzz_targets"] {
        for (file, text) in rust_files(folder) {
            if !text.starts_with("//! ") {
                faults.push(format!(
                    "{file}: does not open with a //! line that says its job"
                ));
            }
            let lines = text.lines().count();
            if lines > LONGEST {
                faults.push(format!("{file}: {lines} lines, {LONGEST} are allowed"));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// The rows `| section | file |` of the index in `src/mixer/mod.rs`.
fn mixer_index() -> Vec<(String, String)> {
    let text = fs::read_to_string(root().join("src/mixer/mod.rs")).expect("the index of mixer");
    text.lines()
        .filter_map(|line| line.strip_prefix("//! | "))
        .filter_map(|row| {
            let mut cells = row
                .split('|')
                .map(|cell| cell.trim().trim_matches(['`', '[', ']']));
            Some((cells.next()?.to_owned(), cells.next()?.to_owned()))
        })
        .filter(|(section, _)| {
            section.starts_with(|c: char| c.is_ascii_digit()) || section.starts_with("App")
        })
        .collect()
}

#[test]
fn each_section_of_rfc_2156_has_one_owner() {
    let mut owners: BTreeMap<String, String> = BTreeMap::new();
    for (sections, file) in mixer_index() {
        assert!(
            root().join("src/mixer").join(&file).is_file(),
            "the index of mixer names {file}, which is not there"
        );
        for section in sections.split(',').map(str::trim) {
            if let Some(other) = owners.insert(section.to_owned(), file.clone()) {
                panic!("section {section} is owned by {other} and {file}");
            }
        }
    }
    assert!(
        !owners.is_empty(),
        "src/mixer/mod.rs holds the index section -> file"
    );
}
