//! `serve`: the gateway, until it is told to end.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use mixgate::config::DEFAULT_PATH;
use mixgate::failpoint;
use mixgate::gateway::service::Service;
use mixgate::queue::StoreError;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::exit::{Failure, Outcome};

/// `mixgate serve`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = DEFAULT_PATH)]
    config: PathBuf,
}

/// Runs the gateway.
pub fn run(arguments: Arguments) -> Outcome {
    failpoint::check().map_err(|error| Failure::Config(error.to_string()))?;
    let rules = super::check::load(&arguments.config)?;
    if rules.config.smtp.relay.is_none() {
        return Err(Failure::Config(format!(
            "{}: [smtp] relay is not set: mail for the Internet has no way out",
            arguments.config.display()
        )));
    }
    log_to_stderr("info");
    for warning in super::check::warnings(&arguments.config, &rules.config)? {
        let place = warning.place.map_or(0, |(line, _)| line);
        tracing::warn!(file = %warning.file.display(), line = place, "{}", warning.text);
    }
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let store = rules
            .config
            .queue
            .open()
            .map_err(|error| unopened(&error))?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let service = Service::start(rules, store)
            .await
            .map_err(|error| Failure::Unavailable(format!("cannot listen: {error}")))?;
        let Service {
            smtp,
            x400,
            x400_tls,
            ..
        } = &service;
        tracing::info!(?smtp, ?x400, ?x400_tls, "started");
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                // What comes of it stands in the log.
                _ = hangup.recv() => drop(service.gateway().reload().await),
            }
        }
        tracing::info!("stopping; another signal ends it at once");
        tokio::select! {
            () = service.stop() => {}
            // What is under way is as after a power cut: the next start goes on with it.
            _ = terminate.recv() => tracing::warn!("ended at once"),
            _ = interrupt.recv() => tracing::warn!("ended at once"),
        }
        tracing::info!("stopped");
        Ok(())
    })
}

/// Logs to standard error; `RUST_LOG` overrides `level`.
pub fn log_to_stderr(level: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
}

/// A queue that cannot be opened.
pub fn unopened(error: &StoreError) -> Failure {
    match error {
        StoreError::Locked(_) => Failure::TryAgain(error.to_string()),
        _ => Failure::CannotCreate(error.to_string()),
    }
}
