//! What an operator asks of the queue, as requests and answers, and the look of a list.
//!
//! The command line (with none running), the control socket and the HTTP API hand a [`Request`] to
//! [`handle`]; all of it is serde, so that it may go over a wire.

use std::fmt::Write as _;
use std::path::PathBuf;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::form::{self, FormError};
use super::item::{Item, ItemId, Priority, Recipient, State};
use super::schedule::Schedule;
use super::store::{Change, Event, Filter, RouteStats, Store, StoreError};

/// Items in one answer at most; [`Filter::after`] asks for the next.
pub const PAGE: u32 = 500;

/// What an operator asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// Items in brief.
    List(Filter),
    /// One item with its life.
    Show(ItemId),
    /// What waits, by route.
    Stats,
    /// A change to recipients.
    Change {
        /// Which change.
        change: Change,
        /// Of which items.
        filter: Filter,
        /// Says that a filter that lets everything pass is meant.
        #[serde(default)]
        all: bool,
    },
    /// Items as folders in a folder, given by its whole path.
    Export {
        /// Which items.
        ids: Vec<ItemId>,
        /// Where to.
        folder: PathBuf,
    },
    /// A folder, given by its whole path, into the queue.
    Import {
        /// Where from.
        folder: PathBuf,
    },
}

/// What the queue answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Response {
    /// To [`Request::List`], oldest first; a whole [`PAGE`] may not be all.
    Items(Vec<Listed>),
    /// To [`Request::Show`].
    Item(Box<Shown>),
    /// To [`Request::Stats`].
    Stats(Vec<RouteStats>),
    /// To [`Request::Change`]: the items touched.
    Changed(Vec<ItemId>),
    /// To [`Request::Export`]: the folders written.
    Exported(Vec<PathBuf>),
    /// To [`Request::Import`].
    Imported(ItemId),
    /// It was not done.
    Refused(Refused),
}

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
#[error("{message}")]
pub struct Refused {
    /// An exit code of `sysexits.h`: 64 usage, 65 data, 66 no input, 74 input/output, 75 later.
    pub code: u8,
    /// In words.
    pub message: String,
}

/// An item in brief.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Listed {
    /// Its id.
    pub id: ItemId,
    /// When it came.
    pub arrived: Timestamp,
    /// When it expires.
    pub expires: Timestamp,
    /// Its precedence.
    pub priority: Priority,
    /// Octets of its body.
    pub size: u64,
    /// The neighbour it came from.
    pub peer: String,
    /// Its sender; empty for a report.
    pub sender: String,
    /// Its recipients.
    pub recipients: Vec<Recipient>,
}

impl From<Item> for Listed {
    fn from(item: Item) -> Self {
        Self {
            sender: item.origin.sender(),
            id: item.id,
            arrived: item.arrived,
            expires: item.expires,
            priority: item.priority,
            size: item.size,
            peer: item.peer,
            recipients: item.recipients,
        }
    }
}

/// An item and its life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Shown {
    /// The item.
    pub item: Item,
    /// Its life.
    pub events: Vec<Event>,
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::Unknown(_) => 66,
            StoreError::Exists(_) => 65,
            StoreError::Fenced(_) | StoreError::Locked(_) | StoreError::Closed => 75,
            StoreError::Unusable { .. } => 78,
            StoreError::Full(_) | StoreError::Failed(_) | StoreError::InDoubt(_) => 74,
        };
        Self {
            code,
            message: error.to_string(),
        }
    }
}

impl From<FormError> for Refused {
    fn from(error: FormError) -> Self {
        let code = match error {
            FormError::Store(error) => return error.into(),
            FormError::Envelope { .. } => 65,
            FormError::Io { ref error, .. } if error.kind() == std::io::ErrorKind::NotFound => 66,
            FormError::Io { .. } => 74,
        };
        Self {
            code,
            message: error.to_string(),
        }
    }
}

fn usage(message: &str) -> Refused {
    Refused {
        code: 64,
        message: message.to_owned(),
    }
}

/// Does what is asked.
pub async fn handle(
    store: &dyn Store,
    schedule: &Schedule,
    request: Request,
    now: Timestamp,
) -> Response {
    answer(store, schedule, request, now)
        .await
        .unwrap_or_else(Response::Refused)
}

async fn answer(
    store: &dyn Store,
    schedule: &Schedule,
    request: Request,
    now: Timestamp,
) -> Result<Response, Refused> {
    Ok(match request {
        Request::List(mut filter) => {
            filter.limit = match filter.limit {
                0 => PAGE,
                limit => limit.min(PAGE),
            };
            let items = store.list(filter).await?;
            Response::Items(items.into_iter().map(Listed::from).collect())
        }
        Request::Show(id) => {
            let (item, events) = (store.get(id).await?, store.events(id).await?);
            Response::Item(Box::new(Shown { item, events }))
        }
        Request::Stats => Response::Stats(store.stats().await?),
        Request::Change {
            change,
            filter,
            all,
        } => {
            if filter == Filter::default() && !all {
                return Err(usage("no item is named: say so if all are meant"));
            }
            let unknown = unknown(store, &filter.ids).await?;
            let touched = store.change(filter, change, now).await?;
            if let Some(id) = unknown {
                return Err(StoreError::Unknown(id).into());
            }
            Response::Changed(touched)
        }
        Request::Export { ids, folder } => {
            absolute(&folder)?;
            let mut written = Vec::new();
            for id in ids {
                written.push(form::export(store, id, &folder).await?);
            }
            Response::Exported(written)
        }
        Request::Import { folder } => {
            absolute(&folder)?;
            Response::Imported(form::import(store, &folder, schedule, now).await?)
        }
    })
}

/// The first of some ids that is not in the queue.
async fn unknown(store: &dyn Store, ids: &[ItemId]) -> Result<Option<ItemId>, Refused> {
    for id in ids {
        match store.get(*id).await {
            Err(StoreError::Unknown(id)) => return Ok(Some(id)),
            found => drop(found?),
        }
    }
    Ok(None)
}

fn absolute(folder: &std::path::Path) -> Result<(), Refused> {
    if folder.is_absolute() {
        Ok(())
    } else {
        Err(usage(
            "a folder is given by its whole path here: another process looks for it",
        ))
    }
}

/// Text of strangers, fit for a terminal.
fn plain(text: &str) -> String {
    let shown = |c: char| {
        if c.is_control() {
            c.escape_default().to_string()
        } else {
            c.to_string()
        }
    };
    text.chars().map(shown).collect()
}

fn local(time: Timestamp, zone: &TimeZone) -> String {
    time.to_zoned(zone.clone())
        .strftime("%Y-%m-%d %H:%M:%S")
        .to_string()
}

/// A list in the look of `mailq`, times in `zone`.
///
/// `*` after an id: it is being delivered or due now; `!`: every waiting recipient is held.
#[must_use]
pub fn render(items: &[Listed], zone: &TimeZone, now: Timestamp) -> String {
    if items.is_empty() {
        return "The queue is empty\n".to_owned();
    }
    let mut table = String::from(
        "-----------Queue ID-----------  --Size-- ------Arrived------ -Sender/Recipient---\n",
    );
    let (mut octets, mut waiting) = (0_u64, 0_usize);
    for item in items {
        octets = octets.saturating_add(item.size);
        let open: Vec<&Recipient> = item
            .recipients
            .iter()
            .filter(|recipient| !recipient.state.is_final())
            .collect();
        waiting += open.len();
        let due =
            |recipient: &&Recipient| recipient.state == State::Queued && recipient.next_due <= now;
        let mark = match open.as_slice() {
            [] => ' ',
            open if open.iter().all(|recipient| recipient.state == State::Held) => '!',
            open if open.iter().any(due) => '*',
            _ => ' ',
        };
        let sender = if item.sender.is_empty() {
            "<>".to_owned()
        } else {
            plain(&item.sender)
        };
        let arrived = local(item.arrived, zone);
        let id = item.id.to_string();
        // Writing to a String does not fail.
        let _ = writeln!(
            table,
            "{id:<26}{mark}    {:>9} {arrived} {sender}",
            item.size
        );
        for recipient in &item.recipients {
            line(&mut table, recipient, zone);
        }
    }
    let items_word = if items.len() == 1 { "item" } else { "items" };
    let _ = writeln!(
        table,
        "-- {} KiB in {} {items_word}, {waiting} recipients waiting",
        octets.div_ceil(1024),
        items.len(),
    );
    table
}

fn line(table: &mut String, recipient: &Recipient, zone: &TimeZone) {
    const INDENT: usize = 61;
    let reason = [
        recipient.relay.as_deref(),
        recipient.status.as_deref(),
        Some(&recipient.text),
    ];
    let reason: Vec<String> = reason
        .into_iter()
        .flatten()
        .filter(|word| !word.is_empty())
        .map(plain)
        .collect();
    if !reason.is_empty() && !matches!(recipient.state, State::Delivered) {
        let _ = writeln!(table, "    ({})", reason.join(" "));
    }
    let address = plain(&recipient.address);
    let state = match recipient.state {
        State::Queued if recipient.attempts == 0 => recipient
            .not_before
            .map(|at| format!("  [not before {}]", local(at, zone)))
            .unwrap_or_default(),
        State::Queued => format!(
            "  [attempt {} failed, next {}]",
            recipient.attempts,
            local(recipient.next_due, zone)
        ),
        state => format!("  [{state}]"),
    };
    let route = plain(&recipient.route);
    let _ = writeln!(table, "{:INDENT$}{address} via {route}{state}", "");
}

/// One item with its life.
#[must_use]
pub fn render_shown(shown: &Shown, zone: &TimeZone, now: Timestamp) -> String {
    let Shown { item, events } = shown;
    let mut text = render(std::slice::from_ref(&Listed::from(item.clone())), zone, now);
    let _ = writeln!(
        text,
        "from {}, expires {}",
        plain(&item.peer),
        local(item.expires, zone)
    );
    if let Some(cause) = item.cause {
        let _ = writeln!(text, "reports on {cause}");
    }
    for identifier in &item.identifiers {
        let _ = writeln!(
            text,
            "{} {}",
            identifier.kind.name(),
            plain(&identifier.value)
        );
    }
    for event in events {
        let whom = event
            .recipient
            .map(|number| format!(" #{number}"))
            .unwrap_or_default();
        let _ = writeln!(
            text,
            "{} {}{whom} {}",
            local(event.at, zone),
            event.what.name(),
            plain(&event.text)
        );
    }
    text
}
