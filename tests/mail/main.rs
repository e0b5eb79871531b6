//! Real mail (`MIXGATE_CORPUS`): every file is read, and Python's email package agrees on its leaves.

// A trial is a test: what it finds wrong may panic.
#![allow(clippy::expect_used)]

mod captures;
mod differences;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use bytes::Bytes;
use libtest_mimic::{Arguments, Failed, Trial};
use mixgate::rfc822::mail::{Content, TransferEncoding};
use mixgate::rfc822::{AddressList, Fields, Mail, Part, date};
use sha2::{Digest, Sha256};

/// The longest a single mail may take to read, in a debug build on a busy machine.
const LONGEST: Duration = Duration::from_secs(5);

fn main() {
    let arguments = Arguments::from_args();
    let corpus = std::env::var_os("MIXGATE_CORPUS").map(PathBuf::from);
    let required = std::env::var_os("MIXGATE_REQUIRE_PEERS").is_some();
    let folder = |name: &str| {
        let folder = corpus.as_ref().map(|corpus| corpus.join(name));
        folder.filter(|folder| folder.is_dir())
    };
    let mail = folder("mail");
    let captures = folder("x400/mta").unwrap_or_default();
    let reports = captures.clone();
    let python = Command::new("python3").arg("--version").output().is_ok();
    let present = mail.is_some() || required;
    let files = mail.as_deref().map(files).unwrap_or_default();
    let for_witness = files.clone();
    let trials = vec![
        Trial::test("every_mail_is_read (MIXGATE_CORPUS)", move || {
            every_mail_is_read(&files)
        })
        .with_ignored_flag(!present),
        Trial::test(
            "python_agrees_on_the_leaves (MIXGATE_CORPUS, python3)",
            move || python_agrees(&for_witness),
        )
        .with_ignored_flag(!(present && (python || required))),
        Trial::test(
            "captured_messages_become_mail (MIXGATE_CORPUS)",
            move || captures::captured_messages_become_mail(&captures),
        )
        .with_ignored_flag(!present),
        Trial::test(
            "captured_reports_become_notifications (MIXGATE_CORPUS)",
            move || captures::captured_reports_become_notifications(&reports),
        )
        .with_ignored_flag(!present),
    ];
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

fn read(file: &Path) -> Result<Mail, String> {
    let octets = Bytes::from(std::fs::read(file).map_err(|fault| fault.to_string())?);
    Mail::parse(octets).map_err(|fault| fault.to_string())
}

fn every_mail_is_read(files: &[PathBuf]) -> Result<(), Failed> {
    if files.is_empty() {
        return Err("no mail under MIXGATE_CORPUS".into());
    }
    let mut faults = Vec::new();
    for file in files {
        let began = Instant::now();
        match read(file) {
            Ok(mail) => check(&mail.root, file, &mut faults),
            Err(fault) => faults.push(format!("{}: {fault}", file.display())),
        }
        if began.elapsed() > LONGEST {
            faults.push(format!("{}: took {:?}", file.display(), began.elapsed()));
        }
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults.join("\n").into())
    }
}

/// What must hold of every part, whatever it is.
fn check(part: &Part, file: &Path, faults: &mut Vec<String>) {
    let mut fault = |text: String| faults.push(format!("{}: {text}", file.display()));
    let decoded = part.decoded();
    if decoded.len() != decoded.to_bytes().len() as u64 {
        fault("the length said is not the length decoded".into());
    }
    if part.media_type.kind == "text" {
        let _ = part.text();
    }
    let mut fields = Fields::new();
    for field in &part.header.fields {
        if fields.field(field).is_err() {
            fault(format!("the field {} cannot be written", field.name));
        }
        let _ = (field.decoded(), date::parse(&field.raw));
        for mailbox in AddressList::parse(&field.raw).mailboxes() {
            let again = AddressList::parse(mailbox.to_string().as_bytes());
            let address = again
                .mailboxes()
                .map(|mailbox| mailbox.address.clone())
                .collect::<Vec<_>>();
            if address != [mailbox.address.clone()] {
                fault(format!("{mailbox} reads back as {address:?}"));
            }
        }
    }
    let written = Bytes::from(fields.as_str().to_owned());
    match Mail::parse(written) {
        Ok(mail)
            if mail.header().fields.len() == part.header.fields.len()
                && mail.header().malformed.is_empty() => {}
        other => fault(format!("the fields read back as {other:?}")),
    }
    if let Content::Multipart { parts, .. } = &part.content {
        let inside = |inner: &Part| {
            part.body.as_ptr_range().contains(&inner.raw.as_ptr()) || inner.raw.is_empty()
        };
        if !parts.iter().all(inside) {
            fault("a part is a copy".into());
        }
    }
    for child in part.children() {
        check(child, file, faults);
    }
}

/// `type:length:sha256` of each leaf.
fn leaves(mail: &Mail) -> Vec<String> {
    let leaf = |part: &Part| {
        if part.media_type.kind == "message" {
            return "message".to_owned();
        }
        let mut octets = part.decoded().to_bytes();
        let as_text = ["text", "multipart"].contains(&part.media_type.kind.as_str());
        if as_text && part.transfer_encoding != TransferEncoding::Base64 {
            octets = trimmed(&octets);
        }
        let hash: String = Sha256::digest(&octets)
            .iter()
            .map(|octet| format!("{octet:02x}"))
            .collect();
        format!("{}:{}:{hash}", part.media_type, octets.len())
    };
    mail.root.leaves().map(leaf).collect()
}

/// Without blanks at line ends and line ends at the end, which the witness treats otherwise.
fn trimmed(octets: &[u8]) -> Bytes {
    let lines: Vec<&[u8]> = octets
        .split(|&octet| octet == b'\n')
        .map(<[u8]>::trim_ascii_end)
        .collect();
    Bytes::copy_from_slice(lines.join(&b'\n').trim_ascii_end())
}

fn python_agrees(files: &[PathBuf]) -> Result<(), Failed> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mail/witness.py");
    let output = Command::new("python3").arg(script).args(files).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let said = String::from_utf8(output.stdout)?;
    let mut differ = BTreeMap::new();
    for line in said.lines() {
        let mut cells = line.split('\t');
        let file = cells.next().unwrap_or_default();
        let theirs: Vec<String> = cells.map(str::to_owned).collect();
        let ours = leaves(&read(Path::new(file))?);
        if ours != theirs && !differences::is_known(file) {
            differ.insert(file.to_owned(), (ours, theirs));
        }
    }
    if differ.is_empty() {
        return Ok(());
    }
    let differ = differ
        .iter()
        .map(|(file, (ours, theirs))| format!("{file}\n  ours   {ours:?}\n  theirs {theirs:?}"));
    Err(differ.collect::<Vec<_>>().join("\n").into())
}
