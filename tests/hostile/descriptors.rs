//! A server that has no descriptor left: it does not spin, says so once, and serves again when there
//! is one.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::world::PATIENCE;

/// A process that goes when it is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    /// The processor time it has used.
    fn used(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        let ticks = |field: usize| -> u64 {
            let field = fields.split(' ').nth(field).unwrap();
            field.parse().unwrap()
        };
        // User and system time, in hundredths of a second.
        Duration::from_millis((ticks(11) + ticks(12)) * 10)
    }
}

/// Waits until the log has this many lines with these words.
async fn logged(log: &Path, words: &str, times: usize) {
    let begun = Instant::now();
    loop {
        let text = std::fs::read_to_string(log).unwrap();
        let found = text.lines().filter(|line| line.contains(words)).count();
        if found == times {
            return;
        }
        assert!(begun.elapsed() < PATIENCE && found < times, "{text}");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_server_out_of_descriptors_waits_until_there_are_some() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address: SocketAddr = free.local_addr().unwrap();
    drop(free);
    let sink = Command::new("sh")
        .args(["-c", "ulimit -n 32 && exec \"$0\" \"$@\""])
        .arg(env!("CARGO_BIN_EXE_mixgate"))
        .args(["p1-sink", "--listen", &address.to_string()])
        .env("RUST_LOG", "info")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let sink = Running(sink);
    let mut held = Vec::new();
    let begun = Instant::now();
    while held.len() < 64 {
        match TcpStream::connect(address).await {
            Ok(stream) => held.push(stream),
            Err(_) => sleep(Duration::from_millis(20)).await,
        }
        assert!(begun.elapsed() < PATIENCE, "nobody listens");
    }
    logged(&log, "no connection could be accepted", 1).await;
    let before = sink.used();
    sleep(Duration::from_secs(1)).await;
    assert!(sink.used() - before < Duration::from_millis(300));
    logged(&log, "no connection could be accepted", 1).await;
    drop(held);
    logged(&log, "connections are accepted again", 1).await;
}
