//! Real mail (`MIXGATE_CORPUS`) to X.400 and back by two gateways: nothing is lost.
//!
//! Each step is a process of the program itself; the second gateway has another name, and gets from
//! the first nothing but the `.ber` files it left. What the mails hold says our own reader, with which
//! Python's email package agrees (`tests/mail`), and Python once more of what went and what came back.

// Helpers of trials; clippy knows only functions marked as tests.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod between;
mod compare;
#[path = "../mail/differences.rs"]
mod differences;
mod program;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use libtest_mimic::{Arguments, Failed, Trial};
use mixgate::rfc822::Mail;

use between::Between;

/// At most one mail in this many may be refused.
const REFUSED_ONE_IN: usize = 100;
/// The mails that are refused, each with its reason: `file: reason`, one a line.
const REFUSED: &str = include_str!("refused.txt");

/// Ends of the names of mails whose subject Python reads otherwise than it is read here, and how.
const SUBJECTS: &[(&str, &str)] = &[
    (
        "intl.eml",
        "it sets a blank between encoded words of different character sets",
    ),
    (
        "issue116.eml",
        "it knows no Cyrillic letters in ISO-2022-JP",
    ),
];

fn main() {
    let arguments = Arguments::from_args();
    let corpus = std::env::var_os("MIXGATE_CORPUS").map(PathBuf::from);
    let required = std::env::var_os("MIXGATE_REQUIRE_PEERS").is_some();
    let mail = corpus
        .map(|corpus| corpus.join("mail"))
        .filter(|mail| mail.is_dir());
    let absent = mail.is_none() && !required;
    let only = std::env::var("MIXGATE_ONLY").ok();
    let mut folders: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for file in mail.as_deref().map(files).unwrap_or_default() {
        let folder = file
            .parent()
            .and_then(Path::file_name)
            .map(|name| name.to_string_lossy().into_owned());
        if only
            .as_ref()
            .is_none_or(|only| file.to_string_lossy().contains(only.as_str()))
        {
            folders
                .entry(folder.unwrap_or_default())
                .or_default()
                .push(file);
        }
    }
    let all: usize = folders.values().map(Vec::len).sum();
    let mut trials: Vec<Trial> = folders
        .into_iter()
        .map(|(folder, files)| {
            Trial::test(format!("there_and_back::{folder}"), move || {
                there_and_back(&files)
            })
        })
        .collect();
    trials.push(
        Trial::test(
            "few_are_refused_and_each_is_listed (MIXGATE_CORPUS)",
            move || few_are_refused(all),
        )
        .with_ignored_flag(absent),
    );
    libtest_mimic::run(&arguments, trials).exit();
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut waiting = vec![folder.to_owned()];
    let mut files = Vec::new();
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(folder).expect("a readable folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.file_name().is_some_and(|name| name != "MANIFEST.tsv") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// The name of a file as the list of refusals has it.
fn name(file: &Path) -> String {
    let mut names: Vec<_> = file
        .iter()
        .rev()
        .take(2)
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    names.reverse();
    names.join("/")
}

fn refusals() -> BTreeMap<&'static str, &'static str> {
    let lines = REFUSED
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.filter_map(|line| line.split_once(": ")).collect()
}

fn few_are_refused(all: usize) -> Result<(), Failed> {
    if all == 0 {
        return Err("no mail under MIXGATE_CORPUS".into());
    }
    let refused = refusals().len();
    if refused * REFUSED_ONE_IN > all {
        return Err(format!("{refused} of {all} are refused").into());
    }
    Ok(())
}

/// Takes mails to X.400 in one process, looks at them in another, and takes them back in a third.
fn there_and_back(sent: &[PathBuf]) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let there = program::gateway(folder.path(), "there", "AA")?;
    let refused = program::convert(&there, "x400", sent)?;
    let mut faults = Vec::new();
    let mut crossed = Vec::new();
    for file in sent {
        let name = name(file);
        match (refused.get(file), refusals().get(name.as_str())) {
            (None, None) => crossed.push(file),
            (Some(reason), Some(listed)) if reason == listed => {}
            (None, Some(_)) => faults.push(format!("{name}: is listed as refused and is not")),
            (Some(reason), _) => faults.push(format!("{name}: refused: {reason}")),
        }
    }

    let left = files(&there.results);
    let between: BTreeMap<String, Between> = program::decode(&left)?;
    let back = program::gateway(folder.path(), "back", "BB")?;
    let lost = program::convert(&back, "smtp", &left)?;
    faults.extend(
        lost.iter()
            .map(|(file, reason)| format!("{}: does not come back: {reason}", name(file))),
    );

    let result = |folder: &Path, file: &Path, ending: &str| {
        let stem = file.file_stem().expect("a name").to_string_lossy();
        folder.join(format!("{stem}.{ending}"))
    };
    let mut whole = Vec::new();
    for file in crossed {
        let mut found = Vec::new();
        let stem = file.file_stem().expect("a name").to_string_lossy();
        let came_back = result(&back.results, file, "eml");
        match (read(file), between.get(&*stem), read(&came_back)) {
            (Ok(mail), Some(between), Ok(returned)) => {
                between.shows(&mail, &mut found);
                compare::mails(&mail, &returned, between.is_report, &mut found);
                if !between.is_report {
                    whole.push((file.clone(), came_back));
                }
            }
            (mail, _, returned) => found.push(format!("{:?}, {:?}", mail.err(), returned.err())),
        }
        faults.extend(found.iter().map(|fault| format!("{}: {fault}", name(file))));
    }
    faults.extend(python_finds_the_same(&whole)?);
    if faults.is_empty() {
        Ok(())
    } else {
        Err(format!("{} faults\n{}", faults.len(), faults.join("\n")).into())
    }
}

fn read(file: &Path) -> Result<Mail, String> {
    let octets = std::fs::read(file).map_err(|fault| format!("{}: {fault}", file.display()))?;
    Mail::parse(Bytes::from(octets)).map_err(|fault| fault.to_string())
}

/// That Python finds the same attachments and the same subject in a mail and in what came back.
fn python_finds_the_same(pairs: &[(PathBuf, PathBuf)]) -> Result<Vec<String>, Failed> {
    let Some(said) = program::witness(pairs.iter().flat_map(|(sent, back)| [sent, back]))? else {
        return Ok(Vec::new());
    };
    assert_eq!(said.len(), 2 * pairs.len(), "a line for each mail");
    let differs = |(pair, said): (&(PathBuf, PathBuf), &[program::Witnessed])| {
        let name = name(&pair.0);
        let otherwise =
            differences::is_known(&name) || SUBJECTS.iter().any(|(end, _)| name.ends_with(end));
        (said[0] != said[1] && !otherwise)
            .then(|| format!("{name}: Python reads {:?}, then {:?}", said[0], said[1]))
    };
    Ok(pairs
        .iter()
        .zip(said.chunks(2))
        .filter_map(differs)
        .collect())
}
