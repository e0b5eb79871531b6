//! The folder form of a message: `envelope.toml` beside `message.eml` or `transfer.ber`.
//!
//! What `queue export` writes, `queue import` and `convert` read, and golden cases are. Written by
//! hand it may be brief: an id, times and a size are supplied where they are missing.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use tokio::io::AsyncReadExt as _;
use tokio::task::spawn_blocking;

use super::item::{Item, ItemId, Origin, State};
use super::schedule::Schedule;
use super::spool::Spool;
use super::store::{Accepted, NewItem, Store, StoreError};

/// The file of the envelope.
pub const ENVELOPE: &str = "envelope.toml";
/// The body of an Internet message.
pub const MESSAGE: &str = "message.eml";
/// The body of an X.400 transfer.
pub const TRANSFER: &str = "transfer.ber";

/// Octets an envelope may have.
const LONGEST_ENVELOPE: u64 = 64 * 1024 * 1024;
/// Octets of a body read at a time.
const CHUNK: usize = 256 * 1024;

/// Why a folder was not written or read.
#[derive(Debug, thiserror::Error)]
pub enum FormError {
    /// A file or folder cannot be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        error: io::Error,
    },
    /// The envelope is not what it should be; the message has line, column and a caret.
    #[error("{}: {message}", path.display())]
    Envelope {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> FormError {
    let path = path.into();
    |error| FormError::Io { path, error }
}

/// The name of the file of the body.
#[must_use]
pub fn body_name(origin: &Origin) -> &'static str {
    match origin {
        Origin::Mail(_) => MESSAGE,
        Origin::Transfer(_) => TRANSFER,
    }
}

/// Writes an item as a new folder; blocks.
///
/// # Errors
/// [`FormError::Io`], also when the folder is there already.
pub fn write(folder: &Path, item: &Item, body: &[u8]) -> Result<(), FormError> {
    let envelope = toml::to_string(item).map_err(|error| FormError::Envelope {
        path: folder.join(ENVELOPE),
        message: error.to_string(),
    })?;
    DirBuilder::new()
        .mode(0o700)
        .create(folder)
        .map_err(io(folder))?;
    for (name, octets) in [
        (ENVELOPE, envelope.as_bytes()),
        (body_name(&item.origin), body),
    ] {
        let path = folder.join(name);
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)?;
            file.write_all(octets)?;
            file.sync_all()
        };
        write().map_err(io(&path))?;
    }
    let sync = || File::open(folder)?.sync_all();
    sync().map_err(io(folder))
}

/// Reads the envelope of a folder, and where its body lies; blocks.
///
/// # Errors
/// When a file is missing, or the envelope is not what it should be.
pub fn read_envelope(folder: &Path) -> Result<(Item, PathBuf), FormError> {
    let path = folder.join(ENVELOPE);
    let read = || -> io::Result<String> {
        let mut text = String::new();
        File::open(&path)?
            .take(LONGEST_ENVELOPE)
            .read_to_string(&mut text)?;
        Ok(text)
    };
    let text = read().map_err(io(&path))?;
    let item: Item = toml::from_str(&text).map_err(|error| FormError::Envelope {
        path: path.clone(),
        message: error.to_string(),
    })?;
    let body = folder.join(body_name(&item.origin));
    let size = fs::metadata(&body).map_err(io(&body))?.len();
    Ok((Item { size, ..item }, body))
}

/// Reads a folder; blocks.
///
/// # Errors
/// As [`read_envelope`].
pub fn read(folder: &Path) -> Result<(Item, Bytes), FormError> {
    let (item, path) = read_envelope(folder)?;
    let body = fs::read(&path).map_err(io(path))?;
    Ok((item, body.into()))
}

/// Writes an unfinished item of the queue as a folder of the name of its id in `parent`.
///
/// # Errors
/// [`StoreError::Unknown`] when there is no such item or its body is gone; [`FormError::Io`].
pub async fn export(store: &dyn Store, id: ItemId, parent: &Path) -> Result<PathBuf, FormError> {
    let item = store.get(id).await?;
    let body = store.open(id).await?;
    let folder = parent.join(id.to_string());
    let work = move || write(&folder, &item, &body).map(|()| folder);
    spawn_blocking(work)
        .await
        .map_err(|error| io(parent)(error.into()))?
}

/// Takes a folder into the queue: recipients that were not finished are due now, or when their
/// deferral ends; held ones stay held. The body streams in.
///
/// # Errors
/// [`StoreError::Exists`] when its id is in the queue; [`FormError`] when the folder is not in
/// order or leaves nothing to do.
pub async fn import(
    store: &dyn Store,
    folder: &Path,
    schedule: &Schedule,
    now: Timestamp,
) -> Result<ItemId, FormError> {
    let from = folder.to_owned();
    let (mut item, body) = spawn_blocking(move || read_envelope(&from))
        .await
        .map_err(|error| io(folder)(error.into()))??;
    if item.is_done() {
        return Err(FormError::Envelope {
            path: folder.join(ENVELOPE),
            message: "no recipient is queued or held: there is nothing to do".to_owned(),
        });
    }
    if item.arrived == Timestamp::default() {
        item.arrived = now;
    }
    if item.expires == Timestamp::default() {
        item.expires = schedule.expires(item.priority, item.arrived);
    }
    for recipient in &mut item.recipients {
        if recipient.state == State::Queued {
            recipient.next_due = recipient.not_before.map_or(now, |at| at.max(now));
        }
    }
    let mut spool = store.spool(item.id);
    stream(&body, &mut spool).await.map_err(io(&body))?;
    let body = spool.end().await.map_err(StoreError::from)?;
    let id = item.id;
    match store
        .enqueue(vec![NewItem {
            item,
            body,
            duplicate: None,
        }])
        .await?
        .first()
    {
        Some(Accepted::New(id) | Accepted::Duplicate(id)) => Ok(*id),
        None => Ok(id),
    }
}

async fn stream(from: &Path, spool: &mut Spool) -> io::Result<()> {
    let mut file = tokio::fs::File::open(from).await?;
    let mut chunk = BytesMut::with_capacity(CHUNK);
    while file.read_buf(&mut chunk).await? > 0 {
        spool.write(&chunk).await?;
        chunk.clear();
    }
    Ok(())
}
