//! `decode`: any PDU in ASN.1 value notation, or as JSON.

use std::io::Write as _;
use std::path::PathBuf;

use mixgate::asn1::show;

use super::exit::{Failure, Outcome};

/// `mixgate decode`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// One JSON object
    #[arg(long)]
    json: bool,
    /// What the input is, where that cannot be seen from it
    #[arg(long = "as", value_name = "TYPE")]
    as_type: Option<String>,
    /// The input; standard input otherwise
    #[arg(value_name = "INPUT")]
    input: Option<PathBuf>,
}

/// Shows a PDU.
pub fn run(arguments: Arguments) -> Outcome {
    let input = super::input::read(arguments.input.as_deref())?;
    let shown = show::decode_any(&input, arguments.as_type.as_deref())
        .map_err(|error| Failure::Data(error.to_string()))?;
    let mut out = std::io::stdout().lock();
    if arguments.json {
        writeln!(out, "{}", shown.to_json())?;
    } else {
        writeln!(out, "{}", shown.to_notation())?;
    }
    Ok(())
}
