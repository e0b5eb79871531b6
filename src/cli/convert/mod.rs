//! `convert`: the conversion the service runs, on one message or many.

mod envelope;
mod output;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use clap::ValueEnum;
use jiff::Timestamp;
use mixgate::asn1::mta::MtsApdu;
use mixgate::asn1::mts::Priority;
use mixgate::asn1::{self, Limits};
use mixgate::gateway::rules::{Rules, refusal};
use mixgate::mixer::context::Context;
use mixgate::mixer::outcome::{Ledger, Refusal};
use mixgate::mixer::{to_rfc822, to_x400};
use mixgate::queue::{ItemId, Origin, form};
use mixgate::rfc822::Envelope;
use serde::Serialize;

use super::exit::{Failure, Outcome};
use super::input;
use output::Output;

/// `mixgate convert`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The side to convert to
    #[arg(long, value_enum)]
    to: Side,
    /// The configuration; without it, what `config show --defaults` prints
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The envelope sender, in place of what the message says
    #[arg(long, value_name = "ADDRESS")]
    from: Option<String>,
    /// An envelope recipient, in place of those the message names
    #[arg(long, value_name = "ADDRESS")]
    rcpt: Vec<String>,
    /// The X.400 peer whose profile is used, or a profile that comes with the gateway
    #[arg(long, value_name = "NAME")]
    peer: Option<String>,
    /// The time of conversion, RFC 3339; makes octets repeatable together with --id
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// The identifier of the message, a ULID
    #[arg(long, value_name = "ULID", conflicts_with = "output_dir")]
    id: Option<ItemId>,
    /// Write what went where to standard error, as one JSON object a line
    #[arg(long)]
    explain: bool,
    /// Where the result goes; standard output otherwise
    #[arg(short, value_name = "FILE", conflicts_with = "output_dir")]
    output: Option<PathBuf>,
    /// Where the results of many inputs go: each in a new file of its own, called as its input but
    /// for `.ber` or `.eml`; what cannot be converted is said, and the rest goes on
    #[arg(long, value_name = "DIR", requires = "inputs")]
    output_dir: Option<PathBuf>,
    /// RFC 5322 messages, P1 APDUs, or folders written by `queue export`; else standard input
    #[arg(value_name = "INPUT")]
    inputs: Vec<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Side {
    /// Internet mail in, P1 out
    X400,
    /// P1 in, Internet mail out
    Smtp,
}

/// What `--explain` writes.
#[derive(Debug, Serialize)]
struct Explanation<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    id: String,
    direction: &'static str,
    envelope: EnvelopeShown,
    #[serde(flatten)]
    ledger: &'a Ledger,
}

#[derive(Debug, Serialize)]
struct EnvelopeShown {
    from: String,
    recipients: Vec<String>,
    priority: String,
}

/// Converts each message.
pub fn run(arguments: Arguments) -> Outcome {
    if arguments.inputs.len() > 1 && arguments.output_dir.is_none() {
        let text = "the results of several inputs need --output-dir".to_owned();
        return Err(Failure::Usage(text));
    }
    let rules = super::check::rules(arguments.config.as_deref())?;
    if let Some(peer) = &arguments.peer
        && rules.profile(peer).is_none()
    {
        let text = format!("there is neither a peer nor a profile called {peer}");
        return Err(Failure::Usage(text));
    }
    let stated = envelope::Stated::of(&arguments.from, &arguments.rcpt, &rules)?;
    input::each(&arguments.inputs, |path| {
        let mut output = match (&arguments.output_dir, path, &arguments.output) {
            (Some(folder), Some(path), _) => Output::new_files(folder, path, arguments.to),
            (_, _, Some(file)) => Output::file(file),
            _ => Output::Standard,
        };
        let message = Input::read(&arguments, path)?;
        let conversion = Conversion {
            arguments: &arguments,
            rules: &rules,
            file: path.filter(|_| arguments.output_dir.is_some()),
        };
        match arguments.to {
            Side::X400 => conversion.to_x400(&stated, message, &mut output),
            Side::Smtp => conversion.to_smtp(message, &mut output),
        }
    })
}

/// A message to be converted, and what came with it.
struct Input {
    octets: Bytes,
    envelope: Option<Envelope>,
    id: ItemId,
    at: Timestamp,
}

impl Input {
    fn read(arguments: &Arguments, path: Option<&Path>) -> Result<Self, Failure> {
        let id = arguments.id.unwrap_or_else(ItemId::generate);
        let at = arguments.at.unwrap_or_else(Timestamp::now);
        let Some(folder) = path.filter(|path| path.is_dir()) else {
            return Ok(Self {
                octets: input::read(path)?,
                envelope: None,
                id,
                at,
            });
        };
        let (item, octets) = form::read(folder).map_err(|error| match error {
            form::FormError::Io { .. } => Failure::NoInput(error.to_string()),
            _ => Failure::Data(error.to_string()),
        })?;
        let envelope = match item.origin {
            Origin::Mail(mail) => Some(mail.envelope),
            Origin::Transfer(_) => None,
        };
        Ok(Self {
            octets,
            envelope,
            id: arguments.id.unwrap_or(item.id),
            at: arguments.at.unwrap_or(item.arrived),
        })
    }
}

/// How one input is converted.
struct Conversion<'a> {
    arguments: &'a Arguments,
    rules: &'a Rules,
    /// The input, where it is one of many.
    file: Option<&'a Path>,
}

impl Conversion<'_> {
    fn context(&self, input: &Input) -> Context<'_> {
        let peer = self.arguments.peer.as_deref().unwrap_or_default();
        self.rules.context(input.id, input.at, peer)
    }

    fn to_x400(&self, stated: &envelope::Stated, input: Input, output: &mut Output) -> Outcome {
        let context = self.context(&input);
        let envelope = stated.complete(&input.octets, input.envelope)?;
        let message =
            to_x400::message(&context, &envelope, &input.octets).map_err(|unconverted| {
                let refusal = refusal(unconverted);
                let at = envelope::place(&input.octets, &refusal.text);
                refused(at.map(|at| format!("octet {at}: ")).as_deref(), refusal)
            })?;
        output.give(&message.apdu)?;
        if let Some(further) = &message.further {
            output.give(further)?;
        }
        let priority = priority(&message.apdu.to_bytes());
        self.explain(input.id, "to_x400", &envelope, priority, &message.ledger)
    }

    fn to_smtp(&self, input: Input, output: &mut Output) -> Outcome {
        let context = self.context(&input);
        let mut rest = input.octets;
        let mut at = 0;
        while at == 0 || !rest.is_empty() {
            let (apdu, after) = first_apdu(&rest, at)?;
            let message = to_rfc822::message(&context, &apdu).map_err(|unconverted| {
                let place = (at > 0).then(|| format!("the APDU at octet {at}: "));
                refused(place.as_deref(), refusal(unconverted))
            })?;
            output.give(&message.mail)?;
            let (envelope, priority) = (&message.envelope, priority(&apdu));
            self.explain(input.id, "to_rfc822", envelope, priority, &message.ledger)?;
            at += apdu.len();
            rest = after;
        }
        Ok(())
    }

    /// Writes what went where, if that is asked for.
    fn explain(
        &self,
        id: ItemId,
        direction: &'static str,
        envelope: &Envelope,
        priority: &str,
        ledger: &Ledger,
    ) -> Outcome {
        if !self.arguments.explain {
            return Ok(());
        }
        let explanation = Explanation {
            file: self.file.map(|file| file.to_string_lossy().into_owned()),
            id: id.to_string(),
            direction,
            envelope: shown(envelope, priority),
            ledger,
        };
        let line = serde_json::to_string(&explanation)
            .map_err(|error| Failure::Internal(error.to_string()))?;
        writeln!(io::stderr(), "{line}")?;
        Ok(())
    }
}

/// The first of several APDUs that follow each other, and the rest, which begins `at` in the input.
fn first_apdu(octets: &Bytes, at: usize) -> Result<(Bytes, Bytes), Failure> {
    let (_, rest) = asn1::decode_first::<MtsApdu>(octets, &Limits::DEFAULT)
        .map_err(|error| Failure::Data(error.moved(at).by("X.411 clause 12").to_string()))?;
    Ok((octets.slice(..octets.len() - rest.len()), rest))
}

/// A refusal in the words of both worlds, and where in the input it arises.
fn refused(place: Option<&str>, refusal: Refusal) -> Failure {
    let Refusal {
        text,
        section,
        status,
        reason,
        diagnostic,
    } = refusal;
    let place = place.unwrap_or_default();
    let rfc = if section.starts_with("RFC") {
        ""
    } else {
        "RFC 2156 section "
    };
    let diagnostic = diagnostic.map_or(String::new(), |code| format!(", diagnostic {code}"));
    Failure::Data(format!(
        "{place}{text} ({rfc}{section}; status {status}; reason {reason}{diagnostic})"
    ))
}

fn shown(envelope: &Envelope, priority: &str) -> EnvelopeShown {
    EnvelopeShown {
        from: envelope
            .reverse_path
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        recipients: envelope
            .recipients
            .iter()
            .map(|to| to.forward_path.to_string())
            .collect(),
        priority: priority.to_owned(),
    }
}

/// The priority of a P1 message, in its own words; probes and reports have none but normal.
fn priority(apdu: &Bytes) -> &'static str {
    match asn1::decode::<MtsApdu>(apdu) {
        Ok(MtsApdu::Message(message)) => match message.envelope.priority {
            Priority::URGENT => "urgent",
            Priority::NON_URGENT => "non-urgent",
            _ => "normal",
        },
        _ => "normal",
    }
}
