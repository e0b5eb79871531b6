//! Where results of `convert` go: standard output, a file, or new files in a folder.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use mixgate::octets::Octets;

use super::Side;
use crate::cli::exit::{Failure, Outcome};

/// Takes the results of one input, one after another.
pub enum Output {
    /// Standard output.
    Standard,
    /// One file, made with the first result so that nothing is left of an input that has none.
    File {
        /// Its name.
        path: PathBuf,
        /// The file, once it is made.
        file: Option<File>,
    },
    /// A new file for each.
    NewFiles {
        /// Folder and name, but for the ending.
        stem: PathBuf,
        /// The ending, without its dot.
        ending: &'static str,
        /// How many there are so far.
        made: usize,
    },
}

impl Output {
    /// One file, which may be there already.
    pub fn file(path: &Path) -> Self {
        Self::File {
            path: path.to_owned(),
            file: None,
        }
    }

    /// New files in `folder`, called as `input` is.
    pub fn new_files(folder: &Path, input: &Path, to: Side) -> Self {
        let known = input
            .extension()
            .is_some_and(|ending| ending == "eml" || ending == "ber");
        let name = if known {
            input.file_stem()
        } else {
            input.file_name()
        };
        Self::NewFiles {
            stem: folder.join(name.unwrap_or_default()),
            ending: match to {
                Side::X400 => "ber",
                Side::Smtp => "eml",
            },
            made: 0,
        }
    }

    /// Takes the next result.
    ///
    /// # Errors
    /// A file that cannot be made, or that is there and should be new; a fault of writing, of which
    /// no new file is left.
    pub fn give(&mut self, result: &Octets) -> Outcome {
        match self {
            Self::Standard => write(result, &mut io::stdout().lock())?,
            Self::File { path, file } => {
                let open = match file.take() {
                    Some(file) => file,
                    None => File::create(&*path).map_err(|error| not_made(path, &error))?,
                };
                write(result, file.insert(open))?;
            }
            Self::NewFiles { stem, ending, made } => {
                *made += 1;
                let mut name = stem.clone().into_os_string();
                if *made > 1 {
                    name.push(format!("-{made}"));
                }
                name.push(".");
                name.push(*ending);
                let path = PathBuf::from(name);
                let mut file = File::create_new(&path).map_err(|error| not_made(&path, &error))?;
                if let Err(error) = write(result, &mut file) {
                    // What stays is half a result at worst, and the error says that it failed.
                    let _ = fs::remove_file(&path);
                    return Err(Failure::Io(format!("{}: {error}", path.display())));
                }
            }
        }
        Ok(())
    }
}

fn not_made(path: &Path, error: &io::Error) -> Failure {
    Failure::CannotCreate(format!("{}: {error}", path.display()))
}

fn write(octets: &Octets, to: &mut dyn Write) -> io::Result<()> {
    for chunk in octets.chunks() {
        to.write_all(&chunk)?;
    }
    to.flush()
}
