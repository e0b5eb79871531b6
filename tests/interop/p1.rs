//! P1 on the wire, read by tshark: every message is dissected, nothing is malformed.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use libtest_mimic::{Failed, Trial};
use mixgate::x400::sink::{self, Sink};
use mixgate::x400::source;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use super::postfix::{command, wait_for};
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
    let (delivered, port) = runtime.block_on(async {
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
        capture.stop(&file, to.port());
        if counted.messages != summary.delivered {
            return Err(Failed::from(format!("{counted:?} for {summary:?}")));
        }
        Ok((summary.delivered, to.port()))
    })?;
    if delivered != MESSAGES {
        return Err(format!("{delivered} of {MESSAGES} messages delivered").into());
    }
    let messages = usize::try_from(MESSAGES)?;
    for (filter, expected) in [
        // Binds are P1 as well, within ACSE.
        ("p1 && !acse", messages),
        ("p22", messages),
        ("p1 && acse", 2 * SESSIONS),
        ("_ws.malformed || _ws.expert.severity == error", 0),
    ] {
        let found = frames(&file, port, filter);
        if found.len() != expected {
            return Err(format!(
                "{filter}: {} frames, not {expected}: {found:#?}",
                found.len()
            )
            .into());
        }
    }
    Ok(())
}

/// The frames that match a filter, a line each.
fn frames(file: &Path, port: u16, filter: &str) -> Vec<String> {
    let output = command("tshark")
        .arg("-r")
        .arg(file)
        .args(["-d", &format!("tcp.port=={port},tpkt"), "-Y", filter])
        .output()
        .expect("tshark runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(str::to_owned)
        .collect()
}

/// A tshark that captures.
struct Capture(Child);

impl Capture {
    /// Starts it, and waits until it captures.
    fn start(file: &Path, port: u16) -> std::io::Result<Self> {
        let mut child = command("tshark")
            .args(["-i", "lo", "-f", &format!("tcp port {port}"), "-w"])
            .arg(file)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let begun = lines.any(|line| line.is_ok_and(|line| line.contains("Capture started")));
        assert!(begun, "tshark does not capture; it needs the right to");
        // Its further words are of no interest, but the pipe must not fill up.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Self(child))
    }

    /// Stops it once the last connection's end is in the file.
    fn stop(mut self, file: &Path, port: u16) {
        wait_for("the capture", || {
            let fins = frames(file, port, "tcp.flags.fin == 1 || tcp.flags.reset == 1").len();
            (fins >= SESSIONS).then_some(())
        });
        let interrupt = command("kill")
            .args(["-INT", &self.0.id().to_string()])
            .status();
        assert!(interrupt.is_ok_and(|status| status.success()));
        let _ = self.0.wait();
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        // Already gone if the test went well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
