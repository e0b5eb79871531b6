//! Taking a changed configuration into a running gateway.
//!
//! `[mapping]`, with the tables it names and the profiles of peers, and `[routing]` are taken as they now
//! stand, whole or not at all. What the servers, the neighbours and the queue were started with needs a
//! restart: a change there is refused with its name, so that nobody believes it taken. What was accepted
//! before keeps its route; it is converted by the rules that hold when it is delivered.

use std::sync::{Arc, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;

use super::Gateway;
use super::rules::Rules;
use crate::config::{Config, Problem};
use crate::queue::commands::Refused;

/// What became of a reload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reloaded {
    /// The gateway works by it.
    Taken {
        /// How many mapping tables there are.
        tables: usize,
        /// How many routes beside those of peers.
        routes: usize,
    },
    /// The gateway works by what it had.
    Refused(Refused),
}

impl Gateway {
    /// Reads the configuration again, with all it names, and works by it from now on.
    pub async fn reload(&self) -> Reloaded {
        let old = self.rules();
        let read = spawn_blocking(move || read(&old)).await;
        match read.unwrap_or_else(|error| Err(error.to_string())) {
            Ok(rules) => {
                let taken = Reloaded::Taken {
                    tables: rules.config.mapping.tables.len(),
                    routes: rules.config.routing.routes.len(),
                };
                *self.rules.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
                tracing::info!(?taken, "reloaded");
                taken
            }
            Err(message) => {
                tracing::error!("not reloaded: {message}");
                Reloaded::Refused(Refused { code: 78, message })
            }
        }
    }
}

/// The rules of a configuration that differs from the old one only in what can be taken.
fn read(old: &Rules) -> Result<Rules, String> {
    let rules = Rules::load(&old.file).map_err(|problems| {
        let shown: Vec<String> = problems.iter().map(Problem::to_string).collect();
        shown.join("\n")
    })?;
    match fixed(&old.config, &rules.config).as_slice() {
        [] => Ok(rules),
        names => Err(format!(
            "{}: a change of {} needs a restart",
            old.file.display(),
            names.join(", ")
        )),
    }
}

/// The tables that differ and cannot be taken while the gateway runs.
fn fixed(old: &Config, new: &Config) -> Vec<&'static str> {
    // A key more there must be sorted here.
    let Config {
        gateway,
        queue,
        smtp,
        x400,
        mapping: _,
        routing: _,
        control,
    } = new;
    [
        ("[gateway]", gateway == &old.gateway),
        ("[queue]", queue == &old.queue),
        ("[smtp]", smtp == &old.smtp),
        ("[x400]", x400 == &old.x400),
        ("[control]", control == &old.control),
    ]
    .into_iter()
    .filter_map(|(name, is_same)| (!is_same).then_some(name))
    .collect()
}
