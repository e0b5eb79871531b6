//! `reload`: have the running gateway take its configuration again.

use std::io::Write as _;

use mixgate::gateway::control::ControlError;
use mixgate::gateway::reload::Reloaded;
use mixgate::gateway::service::Asked;

use super::control::{Options, failure, line};
use super::exit::{Failure, Outcome};

/// `mixgate reload`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    options: Options,
}

/// Asks, and says what came of it.
pub fn run(arguments: Arguments) -> Outcome {
    let json = arguments.options.json;
    let (gateway, runtime) = arguments.options.load()?;
    let reloaded = runtime.block_on(gateway.call(&Asked::Reload))?;
    let mut out = std::io::stdout();
    match reloaded {
        None => {
            let not = ControlError::NotRunning(gateway.socket().to_owned());
            Err(Failure::Unavailable(not.to_string()))
        }
        Some(Reloaded::Refused(refused)) => Err(failure(refused)),
        Some(taken @ Reloaded::Taken { .. }) if json => Ok(writeln!(out, "{}", line(&taken)?)?),
        Some(Reloaded::Taken { tables, routes }) => Ok(writeln!(
            out,
            "reloaded: {tables} tables, {routes} routes beside those of peers"
        )?),
    }
}
