//! A folder with a configuration and a queue, and `mixgate serve` as a process that may be killed.

use std::fs::{File, OpenOptions};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use mixgate::failpoint;
use mixgate::gateway::control;
use mixgate::queue::config::{Config, StoreUrl};
use mixgate::queue::{Filter, Item, Store};
use tempfile::TempDir;
use tokio::time::sleep;

/// How long anything may take that is a matter of moments.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Where a gateway lives, and what it is told of its neighbours.
pub struct World {
    folder: TempDir,
    /// Where the gateway listens for mail.
    pub smtp: SocketAddr,
    /// Where it listens for P1.
    pub x400: SocketAddr,
}

impl World {
    /// A gateway between the mail server at `mail` and two MTAs, the hub and the spoke.
    pub fn new(mail: SocketAddr, mtas: [SocketAddr; 2]) -> Self {
        let world = Self {
            folder: tempfile::tempdir().unwrap(),
            smtp: free_address(),
            x400: free_address(),
        };
        world.configure("mixgate.toml", "control.sock", mail, mtas);
        let write = |name, lines: [&str; 2]| {
            std::fs::write(world.path(name), lines.join("\n") + "\n").unwrap();
        };
        write(
            "table1",
            [
                "sales.example.org#O$Sales.PRMD$ORG.ADMD$HUB.C$GB#",
                "works.example.org#O$Works.PRMD$ORG.ADMD$HUB.C$GB#",
            ],
        );
        write(
            "table2",
            [
                "O$Sales.PRMD$ORG.ADMD$HUB.C$GB#sales.example.org#",
                "O$Works.PRMD$ORG.ADMD$HUB.C$GB#works.example.org#",
            ],
        );
        world
    }

    /// Writes a configuration over the one queue.
    pub fn configure(&self, name: &str, socket: &str, mail: SocketAddr, mtas: [SocketAddr; 2]) {
        let [hub, spoke] = mtas;
        let text = format!(
            r#"[gateway]
name = "gw.example.org"
mta = "GW"
domain = "/PRMD=EXAMPLE/ADMD= /C=GB/"
address = "/O=Gateway/PRMD=EXAMPLE/ADMD= /C=GB/"
postmaster = "postmaster@internet.example"

[queue]
store = "{store}"

[queue.schedule]
retry = ["1s"]

[control]
socket = "{socket}"

[routing]
smtp-to-smtp = true
x400-to-x400 = true

[smtp]
listen = ["{smtp}"]
relay = "{mail}"

[x400]
listen = ["{x400}"]

[[x400.peer]]
name = "hub"
connect = ["{hub}"]
mta = "HUB"
routes = ["/PRMD=*/ADMD=HUB/C=GB/"]

[[x400.peer]]
name = "spoke"
connect = ["{spoke}"]
mta = "SPOKE"
routes = ["/O=Works/PRMD=ORG/ADMD=HUB/C=GB/"]

[mapping]
tables = ["table1", "table2"]
"#,
            store = String::from(self.store()),
            socket = self.path(socket).display(),
            smtp = self.smtp,
            x400 = self.x400,
        );
        std::fs::write(self.path(name), text).unwrap();
    }

    /// A file of its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn store(&self) -> StoreUrl {
        StoreUrl::Sqlite(self.path("queue.db"))
    }

    /// Opens its queue; no gateway may be running.
    pub fn open_queue(&self) -> Arc<dyn Store> {
        let config = Config {
            store: self.store(),
            ..Config::default()
        };
        config.open().unwrap()
    }

    /// What waits in its queue; no gateway may be running.
    pub async fn waiting(&self) -> Vec<Item> {
        self.open_queue().list(Filter::default()).await.unwrap()
    }

    /// The large bodies that lie in its spool, whole or not.
    pub fn spooled(&self) -> Vec<String> {
        let Ok(folder) = std::fs::read_dir(self.path("spool")) else {
            return Vec::new();
        };
        let names = folder.map(|entry| entry.unwrap().file_name());
        names
            .map(|name| name.to_string_lossy().into_owned())
            .filter(|name| name.ends_with(".body") || name.ends_with(".part"))
            .collect()
    }

    /// A command of `mixgate` that reads its configuration.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mixgate"));
        command
            .args(arguments)
            .arg("--config")
            .arg(self.path("mixgate.toml"))
            .env("RUST_LOG", "info")
            .env_remove(failpoint::VARIABLE)
            .stdin(Stdio::null());
        command
    }

    /// Runs such a command to its end.
    pub async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        let running = tokio::task::spawn_blocking(move || command.output().unwrap());
        tokio::time::timeout(PATIENCE, running)
            .await
            .expect("the command does not end")
            .unwrap()
    }

    /// Starts the gateway, with this failpoint if any, and waits until it listens.
    pub async fn serve(&self, failpoint: Option<String>) -> Serve {
        let mut serve = self.spawn(failpoint);
        let begun = Instant::now();
        let socket = self.path("control.sock");
        while control::Client::connect(&socket).await.is_err() {
            if let Some(status) = serve.0.try_wait().unwrap() {
                panic!("serve ended with {status}:\n{}", self.log());
            }
            assert!(begun.elapsed() < PATIENCE, "serve does not listen");
            sleep(Duration::from_millis(5)).await;
        }
        serve
    }

    /// Starts the gateway with this failpoint, and does not wait.
    pub fn spawn(&self, failpoint: Option<String>) -> Serve {
        let mut command = self.command(&["serve"]);
        if let Some(failpoint) = failpoint {
            command.env(failpoint::VARIABLE, failpoint);
        }
        let log: File = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.path("serve.log"))
            .unwrap();
        let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        Serve(child)
    }

    /// The end of what the gateway logged.
    pub fn log(&self) -> String {
        let log = std::fs::read(self.path("serve.log")).unwrap_or_default();
        let from = log.len().saturating_sub(8000);
        String::from_utf8_lossy(&log[from..]).into_owned()
    }
}

/// A running `mixgate serve`; it is killed when this goes.
pub struct Serve(Child);

impl Serve {
    /// SIGKILL, and nothing before it.
    pub fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Sends it a signal, as `kill` spells it.
    pub fn signal(&self, signal: &str) {
        let pid = self.0.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits until it ends by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "serve does not end");
            sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A loopback address nobody listens at, below the ports the system gives to callers: it is still
/// free when the gateway comes back to it.
pub fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 100).unwrap() * 100;
    for _ in 0..10_000 {
        let port = 20_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
    panic!("no port is free");
}
