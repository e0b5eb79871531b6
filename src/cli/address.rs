//! `address`: what an address becomes on the other side, and by which rule.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Subcommand;
use jiff::Timestamp;
use mixgate::mixer::address::explain::{self, Answer};

use super::exit::{Failure, Outcome};

/// `mixgate address`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The configuration; without it, the defaults
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One JSON object for each address, one a line
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    which: Which,
}

#[derive(Debug, Subcommand)]
enum Which {
    /// The O/R address of a mailbox
    ToX400(Addresses),
    /// The mailbox of an O/R address
    ToSmtp(Addresses),
    /// Normal form, rule, evidence, and the way back
    Explain(Addresses),
}

#[derive(Debug, clap::Args)]
struct Addresses {
    /// Addresses in any textual form: `a@b.example`, `/S=Smith/C=GB/`, `S=Smith; C=GB`
    #[arg(required = true, value_name = "ADDRESS")]
    addresses: Vec<String>,
}

/// Maps addresses.
pub fn run(arguments: Arguments) -> Outcome {
    let rules = super::check::rules(arguments.config.as_deref())?;
    let context = rules.context("", Timestamp::now(), "");
    type Ask = fn(&mixgate::mixer::context::Context<'_>, &str) -> Answer;
    let (ask, addresses): (Ask, _) = match arguments.which {
        Which::ToX400(Addresses { addresses }) => (explain::to_x400, addresses),
        Which::ToSmtp(Addresses { addresses }) => (explain::to_smtp, addresses),
        Which::Explain(Addresses { addresses }) => (explain::explain, addresses),
    };
    let mut out = std::io::stdout().lock();
    let mut refused = 0;
    for address in &addresses {
        let answer = ask(&context, address);
        refused += usize::from(answer.refused.is_some());
        if arguments.json {
            let line = serde_json::to_string(&answer)
                .map_err(|error| Failure::Internal(error.to_string()))?;
            writeln!(out, "{line}")?;
        } else {
            writeln!(out, "{answer}")?;
        }
    }
    match refused {
        0 => Ok(()),
        1 => Err(Failure::Data("an address could not be mapped".to_owned())),
        count => Err(Failure::Data(format!(
            "{count} addresses could not be mapped"
        ))),
    }
}
