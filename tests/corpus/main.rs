//! Real mail (`MIXGATE_CORPUS`) to X.400 and back by a gateway of another name: nothing is lost.

// Helpers of trials; clippy knows only functions marked as tests.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod back;
mod compare;

use std::collections::BTreeMap;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use libtest_mimic::{Arguments, Failed, Trial};
use mixgate::mixer::address::mcgam::Tables;
use mixgate::mixer::context::{Context, Gateway, PeerProfile};
use mixgate::mixer::to_x400;
use mixgate::rfc822::{AddressList, Envelope, Mail, Recipient};

/// The longest a mail may take both ways, in a debug build on a busy machine.
const LONGEST: Duration = Duration::from_secs(20);
/// At most one mail in this many may be refused.
const REFUSED_ONE_IN: usize = 100;
/// The mails that are refused, each with its reason: `file: reason`, one a line.
const REFUSED: &str = include_str!("refused.txt");

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

fn there_and_back(files: &[PathBuf]) -> Result<(), Failed> {
    let listed = refusals();
    let mut faults: Vec<String> = Vec::new();
    for file in files {
        let octets = Bytes::from(std::fs::read(file).map_err(|fault| fault.to_string())?);
        let began = Instant::now();
        let outcome =
            catch_unwind(|| one(&octets)).unwrap_or_else(|_| Err(vec!["panic".to_owned()]));
        let took = began.elapsed();
        let name = name(file);
        match (outcome, listed.get(name.as_str())) {
            (Ok(None), None) => {}
            (Ok(None), Some(_)) => faults.push(format!("{name}: is listed as refused and is not")),
            (Ok(Some(reason)), Some(said)) if reason == **said => {}
            (Ok(Some(reason)), _) => faults.push(format!("{name}: refused: {reason}")),
            (Err(found), _) => {
                faults.extend(found.into_iter().map(|fault| format!("{name}: {fault}")))
            }
        }
        if took > LONGEST {
            faults.push(format!("{name}: took {took:?}"));
        }
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(format!("{} faults\n{}", faults.len(), faults.join("\n")).into())
    }
}

/// Takes a mail there and back: `Some` reason if it is refused.
fn one(octets: &Bytes) -> Result<Option<String>, Vec<String>> {
    let (tables, peer) = (Tables::default(), PeerProfile::default());
    let there = gateway("there.example", "AA");
    let context = |gateway, id: &str| Context {
        id: id.to_owned(),
        now: "2026-11-22T12:00:00+01:00[+01:00]".parse().expect("a time"),
        gateway,
        tables: &tables,
        peer: &peer,
    };
    let envelope = envelope(octets);
    let converted = match to_x400::message(
        &context(&there, "01JABCDEFGHJKMNPQRSTVWXYZ0"),
        &envelope,
        octets,
    ) {
        Ok(converted) => converted,
        Err(fault) => return Ok(Some(fault.to_string())),
    };
    let apdu = converted.apdu.to_bytes();
    let mut faults = Vec::new();
    if converted.apdu.len() != apdu.len() as u64 {
        faults.push("the length said is not the length written".to_owned());
    }
    let mail = Mail::parse(octets.clone()).map_err(|fault| vec![fault.to_string()])?;
    let between = match compare::Between::read(&apdu) {
        Ok(between) => between,
        Err(fault) => return Err(vec![format!("what was written cannot be read: {fault}")]),
    };
    compare::in_between(&mail, &between, &mut faults);
    let back = gateway("back.example", "BB");
    match back::mail(
        &context(&back, "01JZYXWVTSRQPNMKJHGFEDCBA0"),
        &apdu,
        &between,
    ) {
        Ok(returned) => match Mail::parse(returned) {
            Ok(returned) => compare::mails(&mail, &returned, &between, &mut faults),
            Err(fault) => faults.push(format!("what came back cannot be read: {fault}")),
        },
        Err(fault) => faults.push(format!("does not come back: {fault}")),
    }
    if faults.is_empty() {
        Ok(None)
    } else {
        Err(faults)
    }
}

fn gateway(name: &str, country: &str) -> Gateway {
    let address = |text: String| serde_json::from_value(text.into()).expect("an address");
    Gateway {
        name: name.to_owned(),
        mta: country.to_owned(),
        domain: address(format!("/PRMD=P/ADMD= /C={country}/")),
        address: address(format!("/O=Gateway/PRMD=P/ADMD= /C={country}/")),
        postmaster: format!("postmaster@{name}"),
        ..Gateway::default()
    }
}

/// The envelope that `convert` makes of a message's own fields.
fn envelope(octets: &Bytes) -> Envelope {
    let mail = Mail::parse(octets.clone()).ok();
    let of = |names: &[&str]| -> Vec<mixgate::rfc822::AddrSpec> {
        let header = mail.as_ref().map(Mail::header);
        let values = names.iter().filter_map(|name| header?.merged(name));
        let lists: Vec<AddressList> = values.map(|value| AddressList::parse(&value)).collect();
        lists
            .iter()
            .flat_map(AddressList::mailboxes)
            .map(|mailbox| mailbox.address.clone())
            .collect()
    };
    let stranger = || "recipient@example.org".parse().expect("an address");
    let mut recipients: Vec<Recipient> =
        of(&["To", "Cc"]).into_iter().map(Recipient::new).collect();
    if recipients.is_empty() {
        recipients.push(Recipient::new(stranger()));
    }
    Envelope {
        reverse_path: of(&["From"])
            .into_iter()
            .next()
            .or_else(|| Some(stranger())),
        recipients,
        ..Envelope::default()
    }
}
