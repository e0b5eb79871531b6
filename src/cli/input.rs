//! What commands read: files one after another, or standard input; bounded.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::exit::{Failure, Outcome};

/// The largest input read, in octets.
const LARGEST: u64 = 1024 * 1024 * 1024;

/// Works on each input in turn, or on standard input if none is named. What fails is said of its
/// input, and of several the others still have their turn; only a fault of the output ends the work.
///
/// # Errors
/// The one failure; of several inputs how many failed, with the exit code of the first that did.
pub fn each(inputs: &[PathBuf], mut work: impl FnMut(Option<&Path>) -> Outcome) -> Outcome {
    let ([] | [_]) = inputs else {
        let mut failed = 0_usize;
        let mut first = None;
        for input in inputs {
            match work(Some(input)).map_err(|failure| failure.of(&name(Some(input)))) {
                Ok(()) => {}
                Err(failure @ Failure::Io(_)) => return Err(failure),
                Err(mut failure) => {
                    failure.say();
                    failed += 1;
                    first.get_or_insert(failure);
                }
            }
        }
        let all = inputs.len();
        return first.map_or(Ok(()), |first| {
            Err(first.saying(format!("{failed} of {all} inputs failed")))
        });
    };
    let input = inputs.first().map(PathBuf::as_path);
    work(input).map_err(|failure| failure.of(&name(input)))
}

/// What an input is called.
fn name(input: Option<&Path>) -> String {
    let named = input.filter(|path| !is_standard_input(path));
    named.map_or_else(
        || "standard input".to_owned(),
        |path| path.display().to_string(),
    )
}

fn is_standard_input(path: &Path) -> bool {
    path == Path::new("-")
}

/// Reads a file; `-` or nothing is standard input.
pub fn read(path: Option<&Path>) -> Result<Bytes, Failure> {
    let unreadable = |error: io::Error| Failure::NoInput(error.to_string());
    let mut octets = Vec::new();
    let mut read = |from: &mut dyn Read| from.take(LARGEST + 1).read_to_end(&mut octets);
    match path.filter(|path| !is_standard_input(path)) {
        Some(path) => {
            let mut file = File::open(path).map_err(unreadable)?;
            // A file that is too large is refused before it is read.
            bounded(file.metadata().map_err(unreadable)?.len())?;
            read(&mut file)
        }
        None => read(&mut io::stdin().lock()),
    }
    .map_err(unreadable)?;
    bounded(octets.len() as u64)?;
    Ok(octets.into())
}

fn bounded(length: u64) -> Outcome {
    if length <= LARGEST {
        return Ok(());
    }
    Err(Failure::Data(format!(
        "octet {LARGEST}: expected the end, as at most {LARGEST} octets are read; found more"
    )))
}
