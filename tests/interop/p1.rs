//! P1 on the wire, read by tshark: every message is dissected, nothing is malformed.

use std::path::Path;

use libtest_mimic::{Failed, Trial};
use mixgate::x400::config::Mode;
use mixgate::x400::sink::{self, Sink};
use mixgate::x400::source;
use mixgate::x400::transfer::Encoding;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use super::capture::{Capture, Captured};
use super::trial;

pub fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for (name, size, checkpoint_size, window_size) in [
        ("small", 4096, 63, 3),
        ("empty", 0, 63, 3),
        ("checkpoint_1_window_1", 30_000, 1, 1),
        ("checkpoint_16_window_5", 300_000, 16, 5),
        ("checkpoint_63", 300_000, 63, 3),
    ] {
        trials.push(trial(
            &format!("tshark_reads_p1_{name}"),
            &["tshark"],
            move || tshark_reads_p1(size, checkpoint_size, window_size),
        ));
    }
    trials.push(trial(
        "tshark_reads_p1_octet_aligned",
        &["tshark"],
        tshark_reads_octet_aligned,
    ));
    trials.push(trial(
        "tshark_reads_p1_both_ways_on_one_association",
        &["tshark"],
        super::turns::tshark_reads_both_ways,
    ));
    for mode in [Mode::X410, Mode::Of1984] {
        trials.push(trial(
            &format!("tshark_reads_p1_in_mode_{}", mode.name()),
            &["tshark"],
            move || tshark_reads_x410(mode),
        ));
    }
    trials
}

/// How many messages are sent, over how many associations.
pub const MESSAGES: u64 = 7;
const SESSIONS: usize = 2;

fn tshark_reads_p1(size: usize, checkpoint_size: u8, window_size: u8) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let options = source::Options {
        size,
        checkpoint_size,
        window_size,
        ..source::Options::default()
    };
    exchange(folder.path(), None, options)?.shows(usize::try_from(MESSAGES)?, SESSIONS)
}

/// An APDU that lies in its EXTERNAL as octets is P1 to tshark as well.
fn tshark_reads_octet_aligned() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let options = source::Options {
        external: Encoding::OctetAligned,
        ..source::Options::default()
    };
    let captured = exchange(folder.path(), None, options)?;
    // EXTERNAL, presentation context 5, octet-aligned, a length of two octets.
    let found = captured.frames("frame contains 28:80:02:01:05:81:82");
    if u64::try_from(found.len())? != MESSAGES {
        return Err(format!("{found:#?}").into());
    }
    captured.shows(usize::try_from(MESSAGES)?, SESSIONS)
}

/// In X.410 mode tshark reads the binds, and no transfer of anybody; the same APDUs in normal mode
/// are all right.
fn tshark_reads_x410(mode: Mode) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let dump = folder.path().join("dump");
    let options = source::Options {
        mode,
        ..source::Options::default()
    };
    let captured = exchange(folder.path(), Some(&dump), options)?;
    captured.shows_x410(SESSIONS)?;
    let input = std::fs::read_dir(&dump)?.map(|entry| Ok(entry?.path()));
    let options = source::Options {
        input: input.collect::<std::io::Result<_>>()?,
        ..source::Options::default()
    };
    exchange(folder.path(), None, options)?.shows(usize::try_from(MESSAGES)?, SESSIONS)
}

/// What tshark captures of messages from a source to a sink, which may keep them.
pub fn exchange(
    folder: &Path,
    dump: Option<&Path>,
    options: source::Options,
) -> Result<Captured, Failed> {
    let file = folder.join("p1.pcap");
    let (summary, counted, captured) = Runtime::new()?.block_on(async {
        let sink = Sink::bind(sink::Options {
            listen: vec!["127.0.0.1:0".to_owned()],
            mta: "SINK".to_owned(),
            dump: dump.map(Path::to_owned),
            ..sink::Options::default()
        })
        .await?;
        let to = sink.addresses()[0];
        let capture = Capture::start(&file, to.port())?;
        let (stop, stopped) = oneshot::channel::<()>();
        let ended = tokio::spawn(sink.run(async { drop(stopped.await) }));
        let options = source::Options {
            to: to.to_string(),
            messages: Some(MESSAGES),
            sessions: SESSIONS,
            ..options
        };
        let summary = source::run(options, |_| {}).await?;
        drop(stop);
        Ok::<_, Failed>((summary, ended.await?, capture.stop(SESSIONS)))
    })?;
    if (summary.delivered, counted.messages) != (MESSAGES, MESSAGES) {
        return Err(format!("{counted:?} for {summary:?}").into());
    }
    Ok(captured)
}
