//! What `convert` and `decode` do with many inputs, and with inputs of any kind: what is bad is named,
//! by file, octet, expectation and clause; it costs neither the others nor much time or memory.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Output;

use libtest_mimic::{Failed, Trial};

use super::postfix;
use super::program::{mixgate, output};

/// The largest input that is read.
const LARGEST: u64 = 1 << 30;

pub fn trials() -> Vec<Trial> {
    let corpus = std::env::var_os("MIXGATE_CORPUS").map(PathBuf::from);
    let required = std::env::var_os("MIXGATE_REQUIRE_PEERS").is_some();
    let absent = corpus.is_none() && !required;
    let corpus = corpus.unwrap_or_default();
    let again = corpus.clone();
    vec![
        Trial::test(
            "many_inputs_are_converted_and_the_bad_ones_named",
            many_inputs_are_converted_and_the_bad_ones_named,
        ),
        Trial::test("results_replace_nothing", results_replace_nothing),
        Trial::test(
            "many_inputs_are_decoded_each_to_a_line",
            many_inputs_are_decoded_each_to_a_line,
        ),
        Trial::test(
            "inputs_that_are_no_files_or_too_large",
            inputs_that_are_no_files_or_too_large,
        ),
        Trial::test("an_endless_input_is_bounded", an_endless_input_is_bounded),
        Trial::test(
            "captures_that_are_no_mail_and_no_pdu (MIXGATE_CORPUS)",
            move || captures_that_are_no_mail_and_no_pdu(&corpus),
        )
        .with_ignored_flag(absent),
        Trial::test(
            "cut_and_damaged_files_of_real_systems (MIXGATE_CORPUS)",
            move || cut_and_damaged_files_of_real_systems(&again),
        )
        .with_ignored_flag(absent),
    ]
}

const MAIL: &str = "From: ada@internet.example\r\nTo: ben@internet.example\r\n\r\nText\r\n";

/// Runs a command on files, each result in a new folder if there are results.
fn run(arguments: &[&str], folder: Option<&Path>, files: &[PathBuf]) -> Result<Output, Failed> {
    let mut program = mixgate(arguments);
    if let Some(folder) = folder {
        program.arg("--output-dir").arg(folder);
    }
    program.args(files);
    Ok(output(program)?)
}

/// What was said of each of several inputs, one line each, and that they were counted.
fn said(done: &Output, all: usize) -> Result<BTreeMap<PathBuf, String>, Failed> {
    let text = String::from_utf8(done.stderr.clone())?;
    let mut said = BTreeMap::new();
    let mut lines: Vec<&str> = text.lines().collect();
    let count = lines.pop();
    for line in lines {
        let line = line
            .strip_prefix("mixgate: ")
            .and_then(|line| line.split_once(": "));
        let (file, what) = line.ok_or_else(|| text.clone())?;
        said.insert(PathBuf::from(file), what.to_owned());
    }
    let expected = format!("mixgate: {} of {all} inputs failed", said.len());
    assert_eq!(count.unwrap_or(&expected), expected, "{text}");
    Ok(said)
}

/// The files of a folder and those below it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> = paths
        .flat_map(|path| {
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .collect();
    files.sort();
    files
}

fn names(folder: &Path) -> Vec<String> {
    let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    files(folder).iter().map(name).collect()
}

fn many_inputs_are_converted_and_the_bad_ones_named() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let file = |name: &str| folder.path().join(name);
    fs::create_dir(file("x400"))?;
    fs::create_dir(file("mail"))?;
    fs::write(file("one.eml"), MAIL)?;
    fs::write(file("bad.eml"), [0; 9])?;
    fs::write(file("other"), MAIL)?;
    let inputs = ["one.eml", "bad.eml", "nothing", "other"].map(file);
    let done = run(&["convert", "--to", "x400"], Some(&file("x400")), &inputs)?;
    let found = said(&done, 4)?;
    assert_eq!(done.status.code(), Some(65), "of the first that failed");
    assert!(
        found[&inputs[1]].starts_with("octet 0: expected a mail (RFC 5322"),
        "{found:?}"
    );
    assert!(found[&inputs[2]].starts_with("No such file"), "{found:?}");
    assert_eq!(found.len(), 2);
    assert_eq!(names(&file("x400")), ["one.ber", "other.ber"]);

    let apdus = files(&file("x400"));
    let done = run(
        &["convert", "--to", "smtp", "--explain"],
        Some(&file("mail")),
        &apdus,
    )?;
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    assert_eq!(names(&file("mail")), ["one.eml", "other.eml"]);
    let explained = String::from_utf8(done.stderr)?;
    let explained: Vec<serde_json::Value> = explained
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    assert_eq!(explained.len(), 2);
    assert_eq!(explained[1]["file"], apdus[1].to_string_lossy().as_ref());

    // Several results want a folder, and a folder wants several inputs with an identifier each.
    let to_x400 = ["convert", "--to", "x400"];
    assert_eq!(run(&to_x400, None, &inputs)?.status.code(), Some(64));
    assert_eq!(
        run(&to_x400, Some(&file("x400")), &[])?.status.code(),
        Some(64)
    );
    let named = [&to_x400[..], &["--id", "01JABCDEFGHJKMNPQRSTVWXYZ0"]].concat();
    assert_eq!(
        run(&named, Some(&file("x400")), &inputs)?.status.code(),
        Some(64)
    );
    Ok(())
}

fn results_replace_nothing() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let file = |name: &str| folder.path().join(name);
    fs::create_dir(file("x400"))?;
    fs::create_dir(file("below"))?;
    fs::write(file("one.eml"), MAIL)?;
    fs::write(file("below/one.eml"), MAIL)?;
    let inputs = ["one.eml", "below/one.eml"].map(file);
    let done = run(&["convert", "--to", "x400"], Some(&file("x400")), &inputs)?;
    assert_eq!(done.status.code(), Some(73), "{done:?}");
    let found = said(&done, 2)?;
    assert!(
        found[&inputs[1]].contains("one.ber: File exists"),
        "{found:?}"
    );
    assert_eq!(names(&file("x400")), ["one.ber"]);
    // Where the input has no result, no file is made.
    fs::write(file("bad.eml"), "")?;
    let result = file("bad.ber").display().to_string();
    let done = run(
        &["convert", "--to", "x400", "-o", &result],
        None,
        &[file("bad.eml")],
    )?;
    assert_eq!(done.status.code(), Some(65), "{done:?}");
    assert!(!file("bad.ber").exists());
    Ok(())
}

fn many_inputs_are_decoded_each_to_a_line() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let file = |name: &str| folder.path().join(name);
    fs::write(file("null"), [5, 0])?;
    fs::write(file("bad"), [5, 1])?;
    fs::write(file("two"), [5, 0, 1, 1, 0xff])?;
    let inputs = ["null", "bad", "two"].map(file);
    let done = run(&["decode", "--json", "--as", "ANY"], None, &inputs)?;
    assert_eq!(done.status.code(), Some(65), "{done:?}");
    let found = said(&done, 3)?;
    assert_eq!(
        found[&inputs[1]],
        "octet 0: expected 1 octets of NULL, found 0 (X.690 clause 8.1)"
    );
    let shown = String::from_utf8(done.stdout.clone())?;
    let shown: Vec<serde_json::Value> = shown
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    let told: Vec<_> = shown
        .iter()
        .map(|line| (line["file"].as_str(), line["pdus"].as_array().map(Vec::len)))
        .collect();
    let path = |at: usize| inputs[at].to_str();
    assert_eq!(told, [(path(0), Some(1)), (path(2), Some(2))]);
    Ok(())
}

fn inputs_that_are_no_files_or_too_large() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let sparse = folder.path().join("sparse");
    File::create(&sparse)?.set_len(4 * LARGEST)?;
    let secret = folder.path().join("secret");
    fs::write(&secret, MAIL)?;
    let chmod = postfix::command("chmod").arg("000").arg(&secret).status()?;
    assert!(chmod.success());
    let large = format!("octet {LARGEST}: expected the end");
    let mut inputs = vec![
        (sparse, 65, large.as_str()),
        ("/dev/null".into(), 65, "octet 0: expected "),
        // What can be opened and not read.
        ("/proc/self/mem".into(), 66, "Input/output error"),
    ];
    if !postfix::am_root() {
        inputs.push((secret, 66, "Permission denied"));
    }
    for command in [
        &["decode"][..],
        &["convert", "--to", "smtp"],
        &["convert", "--to", "x400"],
    ] {
        let folder_said = if command.len() == 1 {
            "Is a directory"
        } else {
            "envelope.toml: No such file"
        };
        let directory = (folder.path().to_owned(), 66, folder_said);
        for (input, code, expected) in inputs.iter().chain([&directory]) {
            let done = run(command, None, std::slice::from_ref(input))?;
            let text = String::from_utf8(done.stderr)?;
            assert_eq!(done.status.code(), Some(*code), "{command:?}: {text}");
            let start = format!("mixgate: {}: ", input.display());
            let rest = text.strip_prefix(&start).unwrap_or_default();
            assert!(rest.contains(expected), "{command:?}, {expected}: {text}");
            assert_eq!(text.lines().count(), 1, "{text}");
        }
    }
    Ok(())
}

fn an_endless_input_is_bounded() -> Result<(), Failed> {
    // 3 GiB of addresses: the vector that is read into doubles once it is full.
    let mut shell = postfix::command("sh");
    let program = env!("CARGO_BIN_EXE_mixgate");
    shell.args(["-c", &format!("ulimit -v 3145728; exec '{program}' decode")]);
    shell.stdin(File::open("/dev/zero")?);
    let done = output(shell)?;
    let text = String::from_utf8(done.stderr)?;
    assert_eq!(done.status.code(), Some(65), "{text}");
    let expected = format!("mixgate: standard input: octet {LARGEST}: expected the end");
    assert!(text.starts_with(&expected), "{text}");
    Ok(())
}

/// That each file has a result or a line that says why not, in one process of each command; the
/// files that have none.
fn judge(files: &[PathBuf], command: &[&str]) -> Result<Vec<PathBuf>, Failed> {
    let folder = tempfile::tempdir()?;
    let results = (command[0] == "convert").then_some(folder.path());
    let done = run(command, results, files)?;
    let refused = said(&done, files.len())?;
    let code = if refused.is_empty() { 0 } else { 65 };
    assert_eq!(done.status.code(), Some(code), "{command:?}");
    for (file, what) in &refused {
        let size = fs::metadata(file)?.len();
        let octet = what.split_once("octet ").and_then(|(_, rest)| {
            let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
            digits.parse::<u64>().ok()
        });
        // Octets that cannot be read are named; what can be read may yet have no equivalent.
        let misread = what.contains("expected ") && octet.is_some_and(|octet| octet <= size);
        let clause = ["(RFC ", "(X."].iter().any(|word| what.contains(word));
        let refused = what.contains("(RFC 2156 section ");
        assert!(clause && (misread || refused), "{}: {what}", file.display());
        assert!(!what.contains("cannot be read") || misread, "{what}");
    }
    if let Some(results) = results {
        let whole = files.len() - refused.len();
        let made = names(results);
        assert!(made.len() >= whole, "{} results of {whole}", made.len());
    }
    Ok(refused.into_keys().collect())
}

const TO_SMTP: &[&str] = &["convert", "--to", "smtp"];
const TO_X400: &[&str] = &["convert", "--to", "x400"];

fn captures_that_are_no_mail_and_no_pdu(corpus: &Path) -> Result<(), Failed> {
    let mut all = files(&corpus.join("x400"));
    all.extend(files(&corpus.join("osi")));
    all.sort();
    assert!(!all.is_empty(), "nothing captured under MIXGATE_CORPUS");
    let ends = |file: &PathBuf, ends: &[&str]| {
        let name = file.to_string_lossy();
        ends.iter().any(|end| name.ends_with(end))
    };
    let without = |known: &[&str]| -> Vec<PathBuf> {
        let others = all.iter().filter(|file| !ends(file, known));
        others.cloned().collect()
    };
    // Text is a mail, if a poor one. Nothing but messages and reports is an APDU with a mail in it,
    // and a TSDU may begin like a value of some type.
    assert_eq!(judge(&all, TO_X400)?, without(&[".txt", ".md"]));
    let mails = ["p1-message.ber", "p1-report.ber"];
    assert_eq!(judge(&all, TO_SMTP)?, without(&mails));
    let bad = judge(&all, &["decode"])?;
    assert!(bad.iter().all(|file| !ends(file, &[".ber"])), "{bad:?}");
    assert!(
        all.iter()
            .all(|file| !ends(file, &["pcap"]) || bad.contains(file))
    );
    Ok(())
}

fn cut_and_damaged_files_of_real_systems(corpus: &Path) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let mut seed = 1_u64;
    let mut random = move |below: usize| {
        // Knuth's MMIX generator; any would do.
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % below
    };
    let mut cut_apdus = Vec::new();
    let mut damaged_apdus = Vec::new();
    let mut mails = Vec::new();
    let captures = corpus.join("x400/mta");
    let whole_mails = files(&corpus.join("mail/cpython"));
    let sources =
        ["01-plain88-1.p1-message.ber", "02-dr88-2.p1-report.ber"].map(|name| captures.join(name));
    for source in sources.iter().chain(whole_mails.iter().step_by(8)) {
        let octets = fs::read(source)?;
        let name = source.file_stem().ok_or("a name")?.to_string_lossy();
        let is_apdu = source.extension().is_some_and(|ending| ending == "ber");
        for number in 0..40 {
            let cut = folder.path().join(format!("{name}-cut-{number}"));
            fs::write(&cut, &octets[..random(octets.len())])?;
            let mut damaged = octets.clone();
            for _ in 0..=random(3) {
                damaged[random(octets.len())] = u8::try_from(random(256)).unwrap();
            }
            let flipped = folder.path().join(format!("{name}-damaged-{number}"));
            fs::write(&flipped, damaged)?;
            if is_apdu {
                cut_apdus.push(cut);
                damaged_apdus.push(flipped);
            } else {
                mails.extend([cut, flipped]);
            }
        }
    }
    assert!(!cut_apdus.is_empty() && !mails.is_empty());
    cut_apdus.sort();
    for command in [&["decode"][..], &["decode", "--json"], TO_SMTP] {
        assert_eq!(judge(&cut_apdus, command)?, cut_apdus, "{command:?}");
        judge(&damaged_apdus, command)?;
    }
    judge(&mails, TO_X400)?;
    Ok(())
}
