//! `decode`: any PDU in ASN.1 value notation, or as JSON.

use std::io::Write as _;
use std::path::PathBuf;

use mixgate::asn1::show;
use serde_json::json;

use super::exit::{Failure, Outcome, one_line};
use super::input;

/// `mixgate decode`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// JSON: an object, or an array of the PDUs that follow each other; of several inputs a line
    /// each, `{"file": …, "pdus": […]}`
    #[arg(long)]
    json: bool,
    /// What the input is, where that cannot be seen from it
    #[arg(long = "as", value_name = "TYPE")]
    as_type: Option<String>,
    /// The inputs; standard input otherwise
    #[arg(value_name = "INPUT")]
    inputs: Vec<PathBuf>,
}

/// Shows the PDUs of each input.
pub fn run(arguments: Arguments) -> Outcome {
    let several = arguments.inputs.len() > 1;
    let mut out = std::io::stdout().lock();
    input::each(&arguments.inputs, |path| {
        let octets = input::read(path)?;
        let shown = show::decode_any(&octets, arguments.as_type.as_deref())
            .map_err(|error| Failure::Data(error.to_string()))?;
        let file = path.filter(|_| several).map(|path| path.to_string_lossy());
        match (file, arguments.json) {
            (None, true) => writeln!(out, "{}", shown.to_json())?,
            (Some(file), true) => {
                let pdus: Vec<_> = shown.pdus.iter().map(show::Pdu::to_json).collect();
                writeln!(out, "{}", json!({ "file": file, "pdus": pdus }))?;
            }
            (None, false) => writeln!(out, "{}", shown.to_notation())?,
            (Some(file), false) => {
                // Two hyphens would end the comment.
                let file = one_line(&file).replace("--", "-\\x2d");
                writeln!(out, "-- {file} --\n{}", shown.to_notation())?;
            }
        }
        Ok(())
    })
}
