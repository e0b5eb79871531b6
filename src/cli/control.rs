//! What the commands share that ask a running gateway over its control socket.

use std::path::{Path, PathBuf};

use mixgate::config::{Config, DEFAULT_PATH};
use mixgate::gateway::control::{Client, ControlError};
use mixgate::gateway::rules::Rules;
use mixgate::queue::commands::Refused;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::{Builder, Runtime};

use super::exit::Failure;

/// Which gateway is asked, and how the answer is printed.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = DEFAULT_PATH, global = true)]
    config: PathBuf,
    /// One JSON object a line
    #[arg(long, global = true)]
    pub json: bool,
}

impl Options {
    /// The gateway, and a runtime to ask on.
    pub fn load(&self) -> Result<(Gateway, Runtime), Failure> {
        let path = self.config.clone();
        let (config, _) =
            Config::load(&path).map_err(|problems| super::check::faulty(&problems))?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok((Gateway { path, config }, runtime))
    }
}

/// A gateway that may be running. What its configuration names is not looked at to ask it: a table with a
/// fault must not keep the queue from being seen.
pub struct Gateway {
    path: PathBuf,
    config: Config,
}

impl Gateway {
    /// Its answer; `None` if it does not run.
    pub async fn call<Q: Serialize, A: DeserializeOwned>(
        &self,
        request: &Q,
    ) -> Result<Option<A>, Failure> {
        match Client::connect(self.socket()).await {
            Ok(mut gateway) => gateway.call(request).await.map(Some).map_err(unanswered),
            Err(ControlError::NotRunning(_)) => Ok(None),
            Err(error) => Err(unanswered(error)),
        }
    }

    /// Where it listens for commands.
    pub fn socket(&self) -> &Path {
        &self.config.control.socket
    }

    /// All it works by, for what is done without it.
    pub fn rules(&self) -> Result<Rules, Failure> {
        super::check::load(&self.path)
    }
}

fn unanswered(error: ControlError) -> Failure {
    match error {
        ControlError::Io(error) => error.into(),
        error => Failure::Unavailable(error.to_string()),
    }
}

pub(super) fn failure(Refused { code, message }: Refused) -> Failure {
    match code {
        64 => Failure::Usage(message),
        65 => Failure::Data(message),
        66 => Failure::NoInput(message),
        75 => Failure::TryAgain(message),
        77 => Failure::Permission(message),
        78 => Failure::Config(message),
        _ => Failure::Io(message),
    }
}

/// A value as one line of JSON.
pub(super) fn line(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(|error| Failure::Internal(error.to_string()))
}
