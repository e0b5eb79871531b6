//! What commands read: a file, or standard input; bounded.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use bytes::Bytes;

use super::exit::Failure;

/// The largest input read, in octets.
const LARGEST: u64 = 1024 * 1024 * 1024;

/// Reads a file; `-` or nothing is standard input.
pub fn read(path: Option<&Path>) -> Result<Bytes, Failure> {
    match path.filter(|path| *path != Path::new("-")) {
        Some(path) => {
            let file = File::open(path)
                .map_err(|error| Failure::NoInput(format!("{}: {error}", path.display())))?;
            read_all(file)
        }
        None => read_all(io::stdin().lock()),
    }
}

fn read_all(from: impl Read) -> Result<Bytes, Failure> {
    let mut octets = Vec::new();
    from.take(LARGEST + 1).read_to_end(&mut octets)?;
    if octets.len() as u64 > LARGEST {
        return Err(Failure::Data(format!(
            "the input is larger than {LARGEST} octets"
        )));
    }
    Ok(octets.into())
}
