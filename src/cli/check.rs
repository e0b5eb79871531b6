//! `check` and `config show`: load everything a configuration names, and show what is wrong.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use mixgate::config::{Config, DEFAULT_PATH, Problem};
use mixgate::gateway::rules::Rules;

use super::exit::{Failure, Outcome};

/// `mixgate check`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = DEFAULT_PATH)]
    config: PathBuf,
}

/// `mixgate config`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Show the configuration in effect, as TOML
    Show {
        /// The configuration
        #[arg(long, value_name = "FILE", default_value = DEFAULT_PATH)]
        config: PathBuf,
        /// What holds where nothing is configured
        #[arg(long)]
        defaults: bool,
    },
}

/// Loads everything, and says that it is right or shows each fault.
pub fn run(arguments: Arguments) -> Outcome {
    let rules = load(&arguments.config)?;
    let config = &rules.config;
    let warnings = warnings(&arguments.config, config)?;
    for warning in &warnings {
        writeln!(std::io::stderr(), "WARNING {warning}")?;
    }
    let judged = match warnings.len() {
        0 => "no problems".to_owned(),
        1 => "no problems, 1 WARNING".to_owned(),
        count => format!("no problems, {count} WARNINGS"),
    };
    writeln!(
        std::io::stdout(),
        "{}: {judged} ({} X.400 peers, {} tables)",
        arguments.config.display(),
        config.x400.peer.len(),
        config.mapping.tables.len(),
    )?;
    Ok(())
}

/// Prints the configuration.
pub fn show(command: ConfigCommand) -> Outcome {
    let ConfigCommand::Show { config, defaults } = command;
    let config = if defaults {
        Config::default()
    } else {
        load(&config)?.config
    };
    let shown = toml::to_string(&config).map_err(|error| Failure::Internal(error.to_string()))?;
    write!(std::io::stdout(), "{shown}")?;
    Ok(())
}

/// Loads a configuration and all it names.
pub fn load(path: &Path) -> Result<Rules, Failure> {
    Rules::load(path).map_err(|problems| faulty(&problems))
}

/// Each fault of a configuration.
pub fn faulty(problems: &[Problem]) -> Failure {
    let shown: Vec<String> = problems.iter().map(Problem::to_string).collect();
    let count = match problems.len() {
        1 => "one problem".to_owned(),
        count => format!("{count} problems"),
    };
    Failure::Config(format!("{count}\n{}", shown.join("\n")))
}

/// What a configuration allows and may not mean.
pub fn warnings(path: &Path, config: &Config) -> Result<Vec<Problem>, Failure> {
    let contents = std::fs::read_to_string(path)?;
    Ok(config.warnings(path, &contents))
}

/// The rules a one-shot command works by: those of a configuration, or the defaults.
pub fn rules(config: Option<&Path>) -> Result<Rules, Failure> {
    match config {
        Some(path) => load(path),
        None => Rules::of(Config::default(), Path::new(""), "")
            .map_err(|_| Failure::Internal("the defaults are no configuration".to_owned())),
    }
}
