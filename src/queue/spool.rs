//! A body on its way in: in memory while it is small, a file once it is not.
//!
//! A body that outgrows the limit goes to `NAME.part`; [`Spool::end`] writes it out, syncs it,
//! renames it to `NAME.body` and syncs the folder, so that the row which is committed after that
//! never names a file that is not there. Names begin with the id and never come again. What is
//! dropped on the way removes its file; what a crash leaves behind is removed when the store opens.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::task::spawn_blocking;
use ulid::Ulid;

use super::item::ItemId;

/// The ending of a file that is still being written.
pub(super) const PART: &str = "part";
/// The ending of a file that is whole.
pub(super) const BODY: &str = "body";

/// Octets of a larger body that are collected before they are written to its file.
const CHUNK: usize = 256 * 1024;

/// Takes the body of an item, in any number of pieces, in bounded memory.
#[derive(Debug)]
pub struct Spool {
    id: ItemId,
    folder: Arc<Path>,
    inline_limit: usize,
    pending: BytesMut,
    file: Option<Part>,
    size: u64,
    broken: bool,
}

/// The file being written, and its name, removed if it is dropped.
#[derive(Debug)]
struct Part {
    file: Option<File>,
    name: Doomed,
}

/// A file that goes when this goes, unless it is spared.
#[derive(Debug)]
pub(super) struct Doomed {
    path: PathBuf,
    spared: bool,
}

impl Doomed {
    fn new(path: PathBuf) -> Self {
        Self {
            path,
            spared: false,
        }
    }

    /// The name within its folder.
    pub(super) fn name(&self) -> Option<&str> {
        self.path.file_name()?.to_str()
    }
}

impl Drop for Doomed {
    fn drop(&mut self) {
        if !self.spared
            && let Err(error) = fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %self.path.display(), %error, "could not remove a spool file");
        }
    }
}

/// A whole body, not yet of any committed item.
#[derive(Debug)]
pub struct Body {
    form: Form,
    size: u64,
}

#[derive(Debug)]
pub(super) enum Form {
    /// To be kept in its row.
    Inline(Bytes),
    /// Synced and renamed to its last name.
    File(Doomed),
}

impl Body {
    /// A body that is in memory already and small: a report, a probe.
    #[must_use]
    pub fn inline(octets: Bytes) -> Self {
        Self {
            size: octets.len() as u64,
            form: Form::Inline(octets),
        }
    }

    /// How many octets it has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn form(&self) -> &Form {
        &self.form
    }

    /// Leaves the file, if there is one, where it is: a committed row names it, or may.
    pub(super) fn spare(&mut self) -> Option<PathBuf> {
        match &mut self.form {
            Form::File(name) => {
                name.spared = true;
                Some(name.path.clone())
            }
            Form::Inline(_) => None,
        }
    }
}

impl Spool {
    pub(super) fn new(id: ItemId, folder: Arc<Path>, inline_limit: usize) -> Self {
        Self {
            id,
            folder,
            inline_limit,
            pending: BytesMut::new(),
            file: None,
            size: 0,
            broken: false,
        }
    }

    /// The item this is the body of.
    #[must_use]
    pub fn id(&self) -> ItemId {
        self.id
    }

    /// How many octets came so far.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Takes more octets.
    ///
    /// # Errors
    /// When the file cannot be written; the spool is of no use after that.
    pub async fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        self.size += octets.len() as u64;
        self.pending.extend_from_slice(octets);
        let limit = if self.file.is_some() {
            CHUNK
        } else {
            self.inline_limit.max(1)
        };
        if self.pending.len() > limit {
            self.flush(false).await
        } else {
            Ok(())
        }
    }

    /// Ends the body: on return it is in memory, or synced to disk under its last name.
    ///
    /// # Errors
    /// When the file cannot be written or synced.
    pub async fn end(mut self) -> io::Result<Body> {
        if self.broken {
            return Err(io::Error::other("an earlier write of this body failed"));
        }
        if self.file.is_none() {
            return Ok(Body {
                form: Form::Inline(self.pending.freeze()),
                size: self.size,
            });
        }
        self.flush(true).await?;
        let size = self.size;
        let Some(Part { mut name, .. }) = self.file else {
            return Err(io::Error::other("the file of this body is gone"));
        };
        name.spared = true;
        let path = name.path.with_extension(BODY);
        Ok(Body {
            form: Form::File(Doomed::new(path)),
            size,
        })
    }

    /// Writes what is pending; at the last, syncs and renames too.
    async fn flush(&mut self, last: bool) -> io::Result<()> {
        if self.broken {
            return Err(io::Error::other("an earlier write of this body failed"));
        }
        // Stays so if this future is dropped in between, or the write fails.
        self.broken = true;
        let octets = self.pending.split().freeze();
        let folder = Arc::clone(&self.folder);
        let part = self.file.get_or_insert_with(|| Part {
            file: None,
            name: Doomed::new(folder.join(format!("{}-{}.{PART}", self.id, Ulid::generate()))),
        });
        let (file, from) = (part.file.take(), part.name.path.clone());
        let to = from.with_extension(BODY);
        let work = move || -> io::Result<File> {
            let mut file = match file {
                Some(file) => file,
                None => OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .mode(0o600)
                    .open(&from)?,
            };
            file.write_all(&octets)?;
            if last {
                file.sync_data()?;
                fs::rename(&from, to)?;
                File::open(folder)?.sync_all()?;
            }
            Ok(file)
        };
        part.file = Some(spawn_blocking(work).await.map_err(io::Error::other)??);
        self.broken = false;
        Ok(())
    }
}
