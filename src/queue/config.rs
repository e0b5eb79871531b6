//! The `[queue]` table of the configuration: where messages wait, and for how long.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::schedule::Schedule;
use super::sqlite::{INLINE_LIMIT, SqliteStore};
use super::store::{Store, StoreError};

/// The `[queue]` table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Config {
    /// Which store, and where.
    pub store: StoreUrl,
    /// Days that a finished item is remembered for `trace`, reports and duplicates.
    pub remember_days: u32,
    /// Bodies up to so many octets are kept in the database, larger ones as files in `spool`.
    pub inline_limit: usize,
    /// When to try again and when to give up.
    pub schedule: Schedule,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            store: StoreUrl::Sqlite("/var/lib/mixgate/queue.db".into()),
            remember_days: 10,
            inline_limit: INLINE_LIMIT,
            schedule: Schedule::default(),
        }
    }
}

impl Config {
    /// The folder of the store.
    #[must_use]
    pub fn folder(&self) -> &Path {
        let StoreUrl::Sqlite(path) = &self.store;
        path.parent().unwrap_or(Path::new("/"))
    }

    /// Whether there is a store already.
    #[must_use]
    pub fn exists(&self) -> bool {
        let StoreUrl::Sqlite(path) = &self.store;
        path.exists()
    }

    /// Opens the store, blocking while it does.
    ///
    /// # Errors
    /// As [`SqliteStore::open`].
    pub fn open(&self) -> Result<Arc<dyn Store>, StoreError> {
        let StoreUrl::Sqlite(path) = &self.store;
        Ok(Arc::new(SqliteStore::open(path, self.inline_limit)?))
    }
}

/// A store, in the text form `sqlite:///path/to/queue.db`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum StoreUrl {
    /// A SQLite database; large bodies lie in the folder `spool` beside it.
    Sqlite(PathBuf),
}

impl TryFrom<String> for StoreUrl {
    type Error = String;

    fn try_from(url: String) -> Result<Self, String> {
        match url.strip_prefix("sqlite://") {
            Some(path) if path.starts_with('/') => Ok(Self::Sqlite(path.into())),
            Some(_) => Err(format!(
                "{url:?}: the path must begin with `/`: sqlite:///path/queue.db"
            )),
            None => Err(format!(
                "{url:?} is no store this version knows: sqlite:///path/queue.db"
            )),
        }
    }
}

impl From<StoreUrl> for String {
    fn from(StoreUrl::Sqlite(path): StoreUrl) -> Self {
        format!("sqlite://{}", path.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_named_by_url() {
        let config: Config = toml::from_str("store = \"sqlite:///var/q.db\"").unwrap();
        assert_eq!(config.store, StoreUrl::Sqlite("/var/q.db".into()));
        assert!(
            toml::to_string(&config)
                .unwrap()
                .contains("\"sqlite:///var/q.db\"")
        );
        for wrong in ["sqlite://q.db", "postgres://x/y", "/var/q.db"] {
            assert!(StoreUrl::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }
}
