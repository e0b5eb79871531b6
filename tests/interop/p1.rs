//! P1 on the wire, read by tshark: every message is dissected, nothing is malformed.

use libtest_mimic::{Failed, Trial};
use mixgate::x400::sink::{self, Sink};
use mixgate::x400::source;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use super::capture::Capture;
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
    trials
}

/// How many messages are sent, over how many associations.
const MESSAGES: u64 = 7;
const SESSIONS: usize = 2;

fn tshark_reads_p1(size: usize, checkpoint_size: u8, window_size: u8) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("p1.pcap");
    let runtime = Runtime::new()?;
    let (delivered, captured) = runtime.block_on(async {
        let sink = Sink::bind(sink::Options {
            listen: vec!["127.0.0.1:0".to_owned()],
            mta: "SINK".to_owned(),
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
            size,
            sessions: SESSIONS,
            checkpoint_size,
            window_size,
            ..source::Options::default()
        };
        let summary = source::run(options, |_| {}).await?;
        drop(stop);
        let counted = ended.await?;
        let captured = capture.stop(SESSIONS);
        if counted.messages != summary.delivered {
            return Err(Failed::from(format!("{counted:?} for {summary:?}")));
        }
        Ok((summary.delivered, captured))
    })?;
    if delivered != MESSAGES {
        return Err(format!("{delivered} of {MESSAGES} messages delivered").into());
    }
    captured.shows(usize::try_from(MESSAGES)?, SESSIONS)
}
