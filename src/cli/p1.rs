//! `p1-sink` and `p1-source`: the X.400 endpoint as test MTAs.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mixgate::asn1::mts::ORName;
use mixgate::gateway::wire;
use mixgate::mixer::address::or_address;
use mixgate::x400::config::{Mode, Selector};
use mixgate::x400::sink::{self, Counted, Fail};
use mixgate::x400::transfer::Encoding;
use mixgate::x400::{Outcome as Transferred, source};
use tokio::signal::unix::{SignalKind, signal};

use super::exit::{Failure, Outcome};

/// `mixgate p1-sink`.
#[derive(Debug, clap::Args)]
pub struct SinkArguments {
    /// Where to listen, host:port; several may be given
    #[arg(long, value_name = "ADDR", required = true)]
    listen: Vec<String>,
    /// Keep each bare MTS-APDU in this folder, as 000001.ber and so on
    #[arg(long, value_name = "DIR")]
    dump: Option<PathBuf>,
    /// Do wrong: busy or bind=REASON to associations; later, full, never, drop, cut (each also
    /// =OCTETS) or delay=SECONDS to transfers; with /N to every Nth only
    #[arg(long, value_name = "HOW[/N]")]
    fail: Vec<Fail>,
    /// The MTA name to say
    #[arg(long, value_name = "NAME", default_value = "SINK")]
    mta: String,
    /// Refuse callers that do not speak this variant of P1: normal, x410 or 1984
    #[arg(long, value_name = "MODE")]
    mode: Option<Mode>,
    /// End once so many messages have been taken
    #[arg(long, value_name = "N")]
    messages: Option<u64>,
    /// The most octets between two checkpoints, in units of 1024: 1 to 63
    #[arg(long, value_name = "N")]
    checkpoint_size: Option<u8>,
    /// The most checkpoints without confirmation: 1 to 5
    #[arg(long, value_name = "N")]
    window_size: Option<u8>,
}

/// `mixgate p1-source`.
#[derive(Debug, clap::Args)]
pub struct SourceArguments {
    /// Whom to call, host:port
    #[arg(long, value_name = "ADDR")]
    to: String,
    /// How many messages; 1, or each input once, unless it is given
    #[arg(long, value_name = "N")]
    messages: Option<u64>,
    /// Octets of text in a message
    #[arg(long, value_name = "S", default_value_t = 4096)]
    size: usize,
    /// Associations at the same time
    #[arg(long, value_name = "C", default_value_t = 1)]
    sessions: usize,
    /// Send these files, one bare MTS-APDU each, in place of messages made here
    #[arg(long, value_name = "FILE", num_args = 1..)]
    input: Vec<PathBuf>,
    /// The O/R address of the originator
    #[arg(long, value_name = "ADDRESS", value_parser = or_name)]
    from: Option<ORName>,
    /// The O/R address of a recipient
    #[arg(long, value_name = "ADDRESS", value_parser = or_name)]
    rcpt: Vec<ORName>,
    /// The MTA name to say
    #[arg(long, value_name = "NAME", default_value = "SOURCE")]
    mta: String,
    /// The variant of P1 to speak: normal, x410 or 1984
    #[arg(long, value_name = "MODE", default_value = "normal")]
    mode: Mode,
    /// The file of the password to say
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// The transport selector to call: text, or 0x and hexadecimal digits
    #[arg(long, value_name = "SELECTOR", default_value = "", value_parser = selector)]
    t_selector: Selector,
    /// The session selector to call
    #[arg(long, value_name = "SELECTOR", default_value = "", value_parser = selector)]
    s_selector: Selector,
    /// The presentation selector to call
    #[arg(long, value_name = "SELECTOR", default_value = "", value_parser = selector)]
    p_selector: Selector,
    /// Octets between two checkpoints, in units of 1024: 1 to 63
    #[arg(long, value_name = "N", default_value_t = 63)]
    checkpoint_size: u8,
    /// Checkpoints without confirmation: 1 to 5
    #[arg(long, value_name = "N", default_value_t = 3)]
    window_size: u8,
    /// Wrap each APDU in an EXTERNAL as octets, not as a single ASN.1 type
    #[arg(long)]
    octet_aligned: bool,
}

fn or_name(text: &str) -> Result<ORName, String> {
    let address = or_address::parse_input(text).map_err(|error| error.to_string())?;
    Ok(wire::name(&address))
}

fn selector(text: &str) -> Result<Selector, String> {
    Selector::try_from(text.to_owned())
}

/// Takes transfers until it is told to end, or has enough.
pub fn sink(arguments: SinkArguments) -> Outcome {
    super::serve::log_to_stderr("warn");
    let enough = arguments.messages;
    let options = sink::Options {
        listen: arguments.listen,
        mta: arguments.mta,
        dump: arguments.dump,
        fail: arguments.fail,
        mode: arguments.mode,
        checkpoint_size: arguments.checkpoint_size,
        window_size: arguments.window_size,
    };
    tokio::runtime::Runtime::new()?.block_on(async {
        let sink = sink::Sink::bind(options)
            .await
            .map_err(|error| Failure::Unavailable(error.to_string()))?;
        let addresses: Vec<String> = sink.addresses().iter().map(ToString::to_string).collect();
        writeln!(io::stderr(), "listening on {}", addresses.join(", "))?;
        let counts = sink.counts();
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let counted = sink
            .run(async move {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                    () = has_taken(&counts, enough) => {}
                }
            })
            .await;
        let Counted {
            associations,
            messages,
            probes,
            reports,
            octets,
            refused,
        } = counted;
        writeln!(
            io::stdout(),
            "{messages} messages, {reports} reports, {probes} probes, {octets} octets over \
             {associations} associations; {refused} refused"
        )?;
        Ok(())
    })
}

/// Ready once `enough` messages were taken; shows the count on a terminal meanwhile.
async fn has_taken(counts: &Arc<sink::Counts>, enough: Option<u64>) {
    let shown = io::stderr().is_terminal();
    let mut last = 0;
    loop {
        let messages = counts.now().messages;
        if shown && messages != last {
            let _ = write!(io::stderr(), "\r{messages} messages ");
            last = messages;
        }
        if enough.is_some_and(|enough| messages >= enough) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Sends transfers, and fails unless all were confirmed.
pub fn source(arguments: SourceArguments) -> Outcome {
    super::serve::log_to_stderr("warn");
    let defaults = source::Options::default();
    let options = source::Options {
        to: arguments.to,
        selectors: [
            arguments.t_selector,
            arguments.s_selector,
            arguments.p_selector,
        ],
        mode: arguments.mode,
        mta: arguments.mta,
        password_file: arguments.password_file,
        messages: arguments.messages,
        size: arguments.size,
        sessions: arguments.sessions,
        input: arguments.input,
        originator: arguments.from.unwrap_or(defaults.originator),
        recipients: if arguments.rcpt.is_empty() {
            defaults.recipients
        } else {
            arguments.rcpt
        },
        checkpoint_size: arguments.checkpoint_size,
        window_size: arguments.window_size,
        external: match arguments.octet_aligned {
            true => Encoding::OctetAligned,
            false => Encoding::SingleAsn1Type,
        },
    };
    let begun = Instant::now();
    let shown = io::stderr().is_terminal();
    let progress = move |outcome: &Transferred| {
        if shown && !matches!(outcome, Transferred::Delivered { .. }) {
            let _ = writeln!(
                io::stderr(),
                "{:>8.3} s  {outcome:?}",
                begun.elapsed().as_secs_f64()
            );
        }
    };
    let summary = tokio::runtime::Runtime::new()?
        .block_on(source::run(options, progress))
        .map_err(|error| Failure::Config(error.to_string()))?;
    let seconds = summary.took.as_secs_f64();
    writeln!(
        io::stdout(),
        "{} transferred in {seconds:.3} s, {} octets; {} to be tried again, {} in doubt, {} refused",
        summary.delivered,
        summary.octets,
        summary.later,
        summary.in_doubt,
        summary.never,
    )?;
    let why = summary.first_failure.unwrap_or_default();
    match (summary.later + summary.in_doubt, summary.never) {
        (0, 0) => Ok(()),
        (_, 0) => Err(Failure::TryAgain(why)),
        _ => Err(Failure::Unavailable(why)),
    }
}
