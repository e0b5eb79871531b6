//! The traffic: accept, route, deliver, report. The only room that knows both sides.

pub mod accept;
pub mod clock;
pub mod control;
pub mod deliver;
pub mod log;
pub mod peers;
mod quarantine;
pub mod reload;
pub mod report;
pub mod route;
pub mod rules;
pub mod service;
pub mod subject;
pub mod wire;

use std::sync::{Arc, PoisonError, RwLock};

use crate::queue::Store;

use rules::Rules;

/// What every part of a running gateway shares.
pub struct Gateway {
    rules: RwLock<Arc<Rules>>,
    store: Arc<dyn Store>,
}

impl Gateway {
    /// A gateway of these rules over this store.
    #[must_use]
    pub fn new(rules: Rules, store: Arc<dyn Store>) -> Self {
        Self {
            rules: RwLock::new(Arc::new(rules)),
            store,
        }
    }

    /// The rules of this moment.
    #[must_use]
    pub fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The queue.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").finish_non_exhaustive()
    }
}
