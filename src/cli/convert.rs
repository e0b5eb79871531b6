//! `convert`: the conversion the service runs, on one message.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

use bytes::Bytes;
use clap::ValueEnum;
use jiff::Timestamp;
use mixgate::asn1::mta::MtsApdu;
use mixgate::asn1::mts::Priority;
use mixgate::asn1::{self, Limits};
use mixgate::gateway::rules::{Rules, refusal};
use mixgate::mixer::address::explain::{self, Written};
use mixgate::mixer::outcome::{Ledger, Refusal, Unconverted};
use mixgate::mixer::{to_rfc822, to_x400};
use mixgate::octets::Octets;
use mixgate::queue::{ItemId, Origin, form};
use mixgate::rfc822::address::AddressList;
use mixgate::rfc822::{AddrSpec, Envelope, Header, Recipient};
use serde::Serialize;

use super::exit::{Failure, Outcome};

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
    /// The X.400 peer whose profile is used
    #[arg(long, value_name = "NAME", default_value = "")]
    peer: String,
    /// The time of conversion, RFC 3339; makes octets repeatable together with --id
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// The identifier of the message, a ULID
    #[arg(long, value_name = "ULID")]
    id: Option<ItemId>,
    /// Write what went where to standard error, as one JSON object
    #[arg(long)]
    explain: bool,
    /// Where the result goes; standard output otherwise
    #[arg(short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// An RFC 5322 message, a P1 APDU, or a folder written by `queue export`; else standard input
    #[arg(value_name = "INPUT")]
    input: Option<PathBuf>,
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

/// Converts one message.
pub fn run(arguments: Arguments) -> Outcome {
    let rules = super::check::rules(arguments.config.as_deref())?;
    let input = Input::read(&arguments)?;
    let mut output: Box<dyn Write> = match &arguments.output {
        Some(path) => Box::new(
            File::create(path)
                .map_err(|error| Failure::CannotCreate(format!("{}: {error}", path.display())))?,
        ),
        None => Box::new(io::stdout().lock()),
    };
    match arguments.to {
        Side::X400 => to_x400_side(&arguments, &rules, input, &mut output)?,
        Side::Smtp => to_smtp_side(&arguments, &rules, input, &mut output)?,
    }
    output.flush()?;
    Ok(())
}

/// A message to be converted, and what came with it.
struct Input {
    octets: Bytes,
    envelope: Option<Envelope>,
    id: ItemId,
    at: Timestamp,
}

impl Input {
    fn read(arguments: &Arguments) -> Result<Self, Failure> {
        let path = arguments.input.as_deref();
        let id = arguments.id.unwrap_or_else(ItemId::generate);
        let at = arguments.at.unwrap_or_else(Timestamp::now);
        let Some(folder) = path.filter(|path| path.is_dir()) else {
            return Ok(Self {
                octets: super::input::read(path)?,
                envelope: None,
                id,
                at,
            });
        };
        let (item, octets) =
            form::read(folder).map_err(|error| Failure::Data(error.to_string()))?;
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

fn to_x400_side(
    arguments: &Arguments,
    rules: &Rules,
    input: Input,
    output: &mut dyn Write,
) -> Outcome {
    let envelope = envelope(arguments, rules, &input)?;
    let context = rules.context(input.id, input.at, &arguments.peer);
    let message = to_x400::message(&context, &envelope, &input.octets).map_err(refused)?;
    write(&message.apdu, output)?;
    if arguments.explain {
        explain(&Explanation {
            id: input.id.to_string(),
            direction: "to_x400",
            envelope: shown(&envelope, priority(&message.apdu.to_bytes())),
            ledger: &message.ledger,
        })?;
    }
    Ok(())
}

fn to_smtp_side(
    arguments: &Arguments,
    rules: &Rules,
    input: Input,
    output: &mut dyn Write,
) -> Outcome {
    let context = rules.context(input.id, input.at, &arguments.peer);
    let mut rest = input.octets;
    let mut at = 0;
    if rest.is_empty() {
        return Err(Failure::Data(
            "octet 0: expected an MTS-APDU (X.419), found nothing".to_owned(),
        ));
    }
    while !rest.is_empty() {
        let (apdu, after) = first_apdu(&rest, at)?;
        let message = to_rfc822::message(&context, &apdu).map_err(refused)?;
        write(&message.mail, output)?;
        if arguments.explain {
            explain(&Explanation {
                id: input.id.to_string(),
                direction: "to_rfc822",
                envelope: shown(&message.envelope, priority(&apdu)),
                ledger: &message.ledger,
            })?;
        }
        at += apdu.len();
        rest = after;
    }
    Ok(())
}

/// The first of several APDUs that follow each other, and the rest, which begins `at` in the input.
fn first_apdu(octets: &Bytes, at: usize) -> Result<(Bytes, Bytes), Failure> {
    let (_, rest) = asn1::decode_first::<MtsApdu>(octets, &Limits::DEFAULT)
        .map_err(|error| Failure::Data(error.moved(at).to_string()))?;
    Ok((octets.slice(..octets.len() - rest.len()), rest))
}

/// The envelope of a mail: what the arguments say, else what came with it, else its own header.
fn envelope(arguments: &Arguments, rules: &Rules, input: &Input) -> Result<Envelope, Failure> {
    let mut envelope = match &input.envelope {
        Some(envelope) => envelope.clone(),
        None => of_header(&input.octets)?,
    };
    if let Some(from) = &arguments.from {
        envelope.reverse_path = match from.as_str() {
            "" | "<>" => None,
            from => Some(mailbox(from, rules)?),
        };
    }
    if !arguments.rcpt.is_empty() {
        let recipients = arguments
            .rcpt
            .iter()
            .map(|to| Ok(Recipient::new(mailbox(to, rules)?)));
        envelope.recipients = recipients.collect::<Result<_, Failure>>()?;
    }
    if envelope.recipients.is_empty() {
        envelope.recipients.push(Recipient::new(mailbox(
            &rules.config.gateway.postmaster,
            rules,
        )?));
    }
    Ok(envelope)
}

/// A mailbox, or an O/R address as one of ours.
fn mailbox(text: &str, rules: &Rules) -> Result<AddrSpec, Failure> {
    match explain::read(text).map_err(Failure::Data)? {
        Written::Mailbox(mailbox) => Ok(mailbox),
        Written::OrAddress(address) => {
            AddrSpec::new(address.to_string(), rules.config.gateway.name.clone())
                .map_err(|error| Failure::Data(format!("{text}: {error}")))
        }
    }
}

/// The envelope a header suggests: Return-Path, Sender or From; To, Cc and Bcc.
fn of_header(message: &Bytes) -> Result<Envelope, Failure> {
    let (header, _) = Header::split(message).map_err(|error| Failure::Data(error.to_string()))?;
    if header.fields.is_empty()
        && let Some(found) = no_mail(message)
    {
        return Err(Failure::Data(found));
    }
    let list = |name: &str| header.merged(name).map(|value| AddressList::parse(&value));
    let first = |name: &str| {
        list(name)?
            .mailboxes()
            .next()
            .map(|mailbox| mailbox.address.clone())
    };
    let mut recipients: Vec<Recipient> = Vec::new();
    for name in ["Resent-To", "Resent-Cc", "To", "Cc", "Bcc"] {
        for mailbox in list(name).iter().flat_map(AddressList::mailboxes) {
            if !recipients
                .iter()
                .any(|known| known.forward_path.is_same_mailbox(&mailbox.address))
            {
                recipients.push(Recipient::new(mailbox.address.clone()));
            }
        }
        if name == "Resent-Cc" && !recipients.is_empty() {
            break;
        }
    }
    Ok(Envelope {
        reverse_path: first("Return-Path")
            .or_else(|| first("Sender"))
            .or_else(|| first("From")),
        recipients,
        ..Envelope::default()
    })
}

/// What tells that a file without a header field is no mail: nothing in it, or controls that text
/// has not.
fn no_mail(message: &Bytes) -> Option<String> {
    let in_text =
        |octet: &u8| !octet.is_ascii_control() || b"\t\n\x0c\r\x0e\x0f\x1b".contains(octet);
    match message
        .iter()
        .enumerate()
        .find(|(_, octet)| !in_text(octet))
    {
        Some((at, octet)) => Some(format!(
            "octet {at}: expected a mail (RFC 5322), found the control {octet:#04x}, and no header field"
        )),
        None if message.is_empty() => {
            Some("octet 0: expected a mail (RFC 5322), found nothing".to_owned())
        }
        None => None,
    }
}

fn refused(unconverted: Unconverted) -> Failure {
    let Refusal {
        text,
        section,
        status,
        reason,
        diagnostic,
    } = refusal(unconverted);
    let diagnostic = diagnostic.map_or(String::new(), |code| format!(", diagnostic {code}"));
    Failure::Data(format!(
        "{text} (section {section}; status {status}; reason {reason}{diagnostic})"
    ))
}

fn write(octets: &Octets, output: &mut dyn Write) -> Outcome {
    for chunk in octets.chunks() {
        output.write_all(&chunk)?;
    }
    Ok(())
}

fn explain(explanation: &Explanation<'_>) -> Outcome {
    let line =
        serde_json::to_string(explanation).map_err(|error| Failure::Internal(error.to_string()))?;
    writeln!(io::stderr(), "{line}")?;
    Ok(())
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
