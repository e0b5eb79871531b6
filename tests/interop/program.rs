//! mixgate itself, as a child process: its servers, and its commands.

use std::io::{self, BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use super::postfix::{PATIENCE, command, wait_for};

/// The O/R address below which those gateways have the Internet addresses.
pub const GATEWAY_ADDRESS: &str = "/O=Gateway/PRMD=EXAMPLE/ADMD= /C=GB/";
/// The name of the X.400 MTA beside a gateway.
pub const MTA: &str = "HUB";

/// A command of the mixgate of this build.
pub fn mixgate(arguments: &[&str]) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_mixgate"));
    program
        .args(arguments)
        .env_remove("RUST_LOG")
        .stdin(Stdio::null());
    program
}

/// Runs a command to its end, which must come in time.
pub fn output(mut program: Command) -> io::Result<Output> {
    let mut child = program
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let stdout = collect(child.stdout.take().expect("a pipe"));
    let stderr = collect(child.stderr.take().expect("a pipe"));
    let status = end(&mut child, &format!("{program:?}"));
    Ok(Output {
        status,
        stdout: stdout.join().expect("no panic"),
        stderr: stderr.join().expect("no panic"),
    })
}

fn collect(mut from: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut octets = Vec::new();
        // What was read before a fault is what there is to say.
        let _ = from.read_to_end(&mut octets);
        octets
    })
}

/// Waits for the end of a child; kills it when that is late.
fn end(child: &mut Child, what: &str) -> ExitStatus {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("a child") {
            return status;
        }
        if began.elapsed() > PATIENCE {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{what} did not end");
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

/// A server that runs; it is killed when it is dropped.
pub struct Running {
    child: Child,
    said: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Running {
    /// Starts a command of mixgate.
    pub fn start(arguments: &[&str]) -> io::Result<Self> {
        let mut child = mixgate(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let said = Arc::new(Mutex::new(String::new()));
        let stderr = child.stderr.take().expect("a pipe");
        let reader = std::thread::spawn({
            let said = Arc::clone(&said);
            move || keep(stderr, &said)
        });
        Ok(Self {
            child,
            said,
            reader: Some(reader),
        })
    }

    /// What it said on standard error.
    pub fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// The first address it says after `key`.
    pub fn address(&mut self, key: &str) -> SocketAddr {
        wait_for(&format!("{key} of mixgate"), || {
            let gone = self.child.try_wait().expect("a child");
            let said = self.said();
            assert!(gone.is_none(), "mixgate ended: {gone:?}: {said}");
            let (_, after) = said.split_once(key)?;
            let end = after.find(|c: char| !(c.is_ascii_digit() || ".:".contains(c)))?;
            after.get(..end)?.parse().ok()
        })
    }

    /// Asks it to end; it must, in order and without a word of an error.
    pub fn stop(mut self) {
        let asked = command("kill").arg(self.child.id().to_string()).status();
        assert!(asked.is_ok_and(|status| status.success()));
        let status = end(&mut self.child, "mixgate");
        let reader = self.reader.take().expect("not yet joined");
        reader.join().expect("no panic");
        let said = self.said();
        assert!(status.success(), "{status}: {said}");
        assert!(!said.contains("ERROR"), "{said}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Already gone if the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn keep(stderr: ChildStderr, said: &Mutex<String>) {
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        let mut said = said.lock().unwrap();
        said.push_str(&line);
        said.push('\n');
    }
}

/// Starts an X.400 MTA that keeps each APDU in `folder`; says where it listens.
pub fn sink(folder: &Path) -> io::Result<(Running, SocketAddr)> {
    let folder = folder.display().to_string();
    let mut sink = Running::start(&[
        "p1-sink",
        "--listen=127.0.0.1:0",
        "--mta",
        MTA,
        "--dump",
        &folder,
    ])?;
    let address = sink.address("listening on ");
    Ok((sink, address))
}

/// A gateway between a mail server and an X.400 MTA.
pub struct Gateway {
    pub running: Running,
    /// Where it takes mail.
    pub smtp: SocketAddr,
    /// Where it takes P1.
    pub x400: SocketAddr,
}

impl Gateway {
    /// Starts one with the configuration of the demo, its queue in `folder` too.
    pub fn start(folder: &Path, relay: SocketAddr, hub: SocketAddr) -> io::Result<Self> {
        let configuration = format!(
            include_str!("../../src/cli/demo/mixgate.toml"),
            store = format_args!("sqlite://{}/queue.db", folder.display()),
            socket = folder.join("control.sock").display(),
            smtp = "127.0.0.1:0",
            relay = relay,
            x400 = "127.0.0.1:0",
            hub = hub,
        );
        let file = folder.join("mixgate.toml");
        std::fs::write(&file, configuration)?;
        for (name, lines) in [
            ("table1", include_str!("../../src/cli/demo/table1")),
            ("table2", include_str!("../../src/cli/demo/table2")),
        ] {
            std::fs::write(folder.join(name), lines)?;
        }
        let mut running = Running::start(&["serve", "--config", &file.display().to_string()])?;
        let smtp = running.address("smtp=[");
        let x400 = running.address("x400=[");
        Ok(Self {
            running,
            smtp,
            x400,
        })
    }
}
