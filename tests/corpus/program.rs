//! Processes of `mixgate` and of the witness, each ended in time.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::Failed;

use crate::between::Between;

/// The longest a process may take over the mails of one folder, in a debug build on a busy machine.
const LONGEST: Duration = Duration::from_secs(300);

/// A gateway: its configuration, and the folder its results go to.
pub struct Gateway {
    configuration: PathBuf,
    /// What it makes.
    pub results: PathBuf,
}

/// Writes the configuration of a gateway of this name, in this country.
pub fn gateway(folder: &Path, name: &str, country: &str) -> Result<Gateway, Failed> {
    let gateway = Gateway {
        configuration: folder.join(format!("{name}.toml")),
        results: folder.join(name),
    };
    let text = format!(
        r#"[gateway]
name = "{name}.example"
mta = "{country}"
domain = "/PRMD=P/ADMD= /C={country}/"
address = "/O=Gateway/PRMD=P/ADMD= /C={country}/"
postmaster = "postmaster@{name}.example"
"#
    );
    std::fs::write(&gateway.configuration, text)?;
    std::fs::create_dir(&gateway.results)?;
    Ok(gateway)
}

/// Converts files; says which were refused, and why.
pub fn convert(
    gateway: &Gateway,
    to: &str,
    files: &[PathBuf],
) -> Result<BTreeMap<PathBuf, String>, Failed> {
    if files.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_mixgate"));
    command
        .args(["convert", "--to", to, "--config"])
        .arg(&gateway.configuration)
        .arg("--output-dir")
        .arg(&gateway.results)
        .args(files);
    let done = run(command, &gateway.results)?;
    let said = String::from_utf8(done.stderr)?;
    let refused: BTreeMap<PathBuf, String> = said
        .lines()
        .filter_map(|line| line.strip_prefix("mixgate: ")?.split_once(": "))
        .map(|(file, reason)| (PathBuf::from(file), reason.to_owned()))
        .collect();
    // A line for each refused, one more that counts them if they are of several, and an exit code.
    let lines = refused.len() + usize::from(!refused.is_empty() && files.len() > 1);
    let code = if refused.is_empty() { 0 } else { 65 };
    if done.status.code() != Some(code) || said.lines().count() != lines {
        return Err(format!("convert ended with {}: {said}", done.status).into());
    }
    Ok(refused)
}

/// What `decode --json` shows of each file, by the name of the file without its ending.
pub fn decode(files: &[PathBuf]) -> Result<BTreeMap<String, Between>, Failed> {
    let mut shown = BTreeMap::new();
    let folder = files.first().and_then(|file| file.parent());
    let Some(folder) = folder else {
        return Ok(shown);
    };
    let mut command = Command::new(env!("CARGO_BIN_EXE_mixgate"));
    command.args(["decode", "--json"]).args(files);
    // Two files at least, so that each line says of which it is.
    command.args(files.first().filter(|_| files.len() == 1));
    let done = run(command, folder)?;
    if !done.status.success() || !done.stderr.is_empty() {
        let said = String::from_utf8_lossy(&done.stderr);
        return Err(format!("decode ended with {}: {said}", done.status).into());
    }
    for line in String::from_utf8(done.stdout)?.lines() {
        let line: serde_json::Value = serde_json::from_str(line)?;
        let file = Path::new(line["file"].as_str().ok_or("no file")?);
        let name = file.file_stem().ok_or("no name")?.to_string_lossy();
        shown.insert(name.into_owned(), Between::of(&line["pdus"])?);
    }
    Ok(shown)
}

/// What travels as text or lines, whose octets may change though the text does not.
const AS_LINES: [&str; 4] = [
    "text/",
    "multipart/",
    "message",
    "application/pgp-signature",
];

/// What Python finds in a mail: its subject, and what is octets.
#[derive(Debug, PartialEq, Eq)]
pub struct Witnessed {
    subject: String,
    attachments: Vec<String>,
}

/// What Python's email package finds in each mail; `None` where there is no Python.
pub fn witness<'a>(
    files: impl Iterator<Item = &'a PathBuf>,
) -> Result<Option<Vec<Witnessed>>, Failed> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mail/witness.py");
    let required = std::env::var_os("MIXGATE_REQUIRE_PEERS").is_some();
    if !required && Command::new("python3").arg("--version").output().is_err() {
        return Ok(None);
    }
    let folder = tempfile::tempdir()?;
    let mut command = Command::new("python3");
    command.arg(script).arg("--subject").args(files);
    let done = run(command, folder.path())?;
    if !done.status.success() {
        return Err(String::from_utf8_lossy(&done.stderr).into_owned().into());
    }
    let found = |line: &str| {
        let mut cells = line.split('\t').skip(1).map(str::to_owned);
        let subject = cells.next().unwrap_or_default();
        let as_octets = |leaf: &String| !AS_LINES.iter().any(|kind| leaf.starts_with(kind));
        Witnessed {
            subject,
            attachments: cells.filter(as_octets).collect(),
        }
    };
    Ok(Some(
        String::from_utf8(done.stdout)?.lines().map(found).collect(),
    ))
}

/// Runs a process to its end, which must come in time; what it says goes through files beside
/// `folder`, which never fill up.
fn run(mut command: Command, folder: &Path) -> Result<Output, Failed> {
    let (out, err) = (folder.with_extension("out"), folder.with_extension("err"));
    let mut child = command
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .stdout(File::create(&out)?)
        .stderr(File::create(&err)?)
        .spawn()?;
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if begun.elapsed() > LONGEST {
            child.kill()?;
            child.wait()?;
            return Err("a process did not end in time".into());
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    Ok(Output {
        status,
        stdout: std::fs::read(out)?,
        stderr: std::fs::read(err)?,
    })
}
