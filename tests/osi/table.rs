//! The tables of docs/osi.md, and the comparison of each cell with what a machine does.
//!
//! The document says how a cell is written; this file reads and writes cells that way.

use std::collections::BTreeMap;
use std::fmt::Write as _;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/osi.md");

/// A protocol machine in the hands of the comparison.
pub trait Machine {
    /// The name of its state, as the columns have it.
    fn state(&self) -> String;

    /// Lets an event happen; what goes out, or nothing where the service refuses a request.
    fn happen(&mut self, event: &str) -> Option<Vec<String>>;
}

/// A state by the name of its column, and the way into it: scripts of events, one after the other.
pub type Way = (&'static str, &'static [&'static [&'static str]]);

/// Lets the events of scripts happen.
pub fn play(machine: &mut impl Machine, scripts: &[&[&str]]) {
    for event in scripts.concat() {
        assert!(
            machine.happen(event).is_some(),
            "{event} in {}",
            machine.state()
        );
    }
}

/// The cells of the tables under a heading by event and state, and what `!` stands for there: by
/// state, or under no name in all others.
struct Section {
    cells: BTreeMap<(String, String), String>,
    protocol_errors: BTreeMap<String, String>,
}

fn read(heading: &str) -> Section {
    let mut section = Section {
        cells: BTreeMap::new(),
        protocol_errors: BTreeMap::new(),
    };
    let document = std::fs::read_to_string(DOCUMENT).expect("the document");
    let lines = document
        .lines()
        .skip_while(|line| line.strip_prefix("## ") != Some(heading))
        .skip(1)
        .take_while(|line| !line.starts_with("## "));
    let mut states = Vec::new();
    for line in lines {
        if line.trim_start_matches("- ").starts_with("`!` ") {
            let quoted: Vec<&str> = line.split('`').skip(3).step_by(2).collect();
            let (meaning, states) = quoted.split_last().expect("what ! stands for");
            for state in if states.is_empty() { &[""] } else { states } {
                let protocol_error = (*meaning).to_owned();
                let state = (*state).to_owned();
                section.protocol_errors.insert(state, protocol_error);
            }
        }
        let Some(row) = line.strip_prefix('|') else {
            states.clear();
            continue;
        };
        let mut row = row.trim_end_matches('|').split('|').map(str::trim);
        let first = row.next().unwrap_or_default();
        if first == "event" {
            states = row.map(str::to_owned).collect();
        } else if !first.starts_with('-') && !states.is_empty() {
            let row: Vec<&str> = row.collect();
            assert_eq!(row.len(), states.len(), "the cells of {first}");
            for event in first.split(", ") {
                for (state, cell) in states.iter().zip(&row) {
                    let place = (event.to_owned(), state.clone());
                    let twice = section.cells.insert(place, (*cell).to_owned());
                    assert_eq!(twice, None, "{event} in {state} stands there twice");
                }
            }
        }
    }
    assert!(!section.cells.is_empty(), "no table under {heading}");
    section
}

/// A cell as the document writes it.
fn cell(before: &str, out: Option<Vec<String>>, after: &str, error: Option<&String>) -> String {
    let out = match out {
        // A request refused changes nothing.
        None if before == after => return "x".to_owned(),
        None => vec!["refused".to_owned()],
        Some(out) => out,
    };
    let out = out.join(", ");
    let cell = match (out.is_empty(), before == after) {
        (true, true) => "-".to_owned(),
        (true, false) => format!("→ {after}"),
        (false, true) => out,
        (false, false) => format!("{out} → {after}"),
    };
    if Some(&cell) == error {
        "!".to_owned()
    } else {
        cell
    }
}

/// Compares every cell under a heading with what a machine does, and demands a cell for every
/// event in every state. `fresh` makes the machine that goes the way of a column.
pub fn check<M: Machine>(heading: &str, ways: &[Way], events: &[&str], fresh: impl Fn(&str) -> M) {
    let mut section = read(heading);
    let mut faults = String::new();
    for (column, way) in ways {
        for event in events {
            let mut machine = fresh(column);
            play(&mut machine, way);
            let before = machine.state();
            // A column may say more than the name of the state, after a space.
            let more = column.strip_prefix(before.as_str());
            assert!(
                more.is_some_and(|more| more.is_empty() || more.starts_with(' ')),
                "the way into {column} ends in {before}"
            );
            let out = machine.happen(event);
            let errors = &section.protocol_errors;
            let error = errors.get(*column).or(errors.get(""));
            let done = cell(&before, out, &machine.state(), error);
            let place = ((*event).to_owned(), (*column).to_owned());
            match section.cells.remove(&place) {
                Some(said) if said == done => {}
                Some(said) => {
                    let _ = writeln!(faults, "{event} in {column}: {done}, the table says {said}");
                }
                None => {
                    let _ = writeln!(
                        faults,
                        "{event} in {column}: {done}, the table says nothing"
                    );
                }
            }
        }
    }
    for ((event, state), _) in section.cells {
        let _ = writeln!(faults, "{event} in {state} is a cell that nothing tries");
    }
    assert!(faults.is_empty(), "{heading}:\n{faults}");
}
