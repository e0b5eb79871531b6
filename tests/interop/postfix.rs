//! A Postfix of the test's own: configuration, queue, log and mailboxes in a temporary folder, one
//! port of loopback; and the programs that come with it.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The host name Postfix gives itself.
pub const NAME: &str = "postfix.example";
/// How long a peer may take to start, stop or deliver.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// The numbers of `nobody` and `nogroup`, who own the mailboxes.
const NOBODY: u32 = 65534;

/// Where `program` is, also where only root's PATH leads.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.extend([PathBuf::from("/usr/sbin"), PathBuf::from("/sbin")]);
    folders
        .iter()
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// A command of `program`, which must be there.
pub fn command(program: &str) -> Command {
    Command::new(find(program).unwrap_or_else(|| panic!("no {program}")))
}

/// Whether the test runs as root, as whom alone Postfix starts.
pub fn am_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// A port of loopback that is free now.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// Waits until `done` says something.
pub fn wait_for<T>(what: &str, mut done: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(done) = done() {
            return done;
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain for {what}");
        sleep(Duration::from_millis(20));
    }
}

/// Waits until an SMTP server greets.
fn wait_for_greeting(address: SocketAddr) {
    wait_for(&format!("a greeting at {address}"), || {
        let stream = TcpStream::connect(address).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).ok()?;
        line.starts_with("220").then_some(())
    });
}

/// What a [`Postfix`] is to do.
#[derive(Default)]
pub struct Setup<'a> {
    /// Where mail goes that is for nobody here.
    pub relay: Option<SocketAddr>,
    /// Addresses that have a mailbox here (`user@mail.example`), or domains all of whose addresses
    /// share one (`@mail.example`).
    pub mailboxes: &'a [&'a str],
    /// More lines for `main.cf`.
    pub more: &'a str,
}

/// A Postfix that runs; it stops when it is dropped.
pub struct Postfix {
    folder: TempDir,
    address: SocketAddr,
}

impl Postfix {
    /// Starts one.
    pub fn start(setup: &Setup<'_>) -> io::Result<Self> {
        let folder = TempDir::new()?;
        let root = folder.path();
        fs::set_permissions(root, fs::Permissions::from_mode(0o755))?;
        for name in ["etc", "queue", "data", "mail"] {
            fs::create_dir(root.join(name))?;
        }
        let owner = Command::new("id").args(["-u", "postfix"]).output()?;
        let owner = String::from_utf8_lossy(&owner.stdout)
            .trim()
            .parse()
            .map_err(io::Error::other)?;
        chown(root.join("data"), Some(owner), None)?;
        chown(root.join("mail"), Some(NOBODY), Some(NOBODY))?;
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        fs::write(root.join("etc/main.cf"), main_cf(root, setup))?;
        fs::write(root.join("etc/master.cf"), master_cf(address))?;
        let postfix = Self { folder, address };
        let started = postfix.control("start")?;
        if !started.status.success() {
            let said = String::from_utf8_lossy(&started.stderr).into_owned();
            return Err(io::Error::other(format!(
                "postfix start: {said}\n{}",
                postfix.log()
            )));
        }
        wait_for_greeting(address);
        Ok(postfix)
    }

    /// Where it takes mail.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// What has come into the mailbox `name` (an address or domain of [`Setup::mailboxes`]), in no
    /// order.
    pub fn mailbox(&self, name: &str) -> Vec<Vec<u8>> {
        let folder = self
            .folder
            .path()
            .join("mail")
            .join(folder_of(name))
            .join("new");
        let Ok(entries) = fs::read_dir(folder) else {
            return Vec::new();
        };
        entries
            .map(|entry| fs::read(entry.unwrap().path()).unwrap())
            .collect()
    }

    /// Waits until `count` messages are in the mailbox `name`.
    pub fn wait_for_mail(&self, name: &str, count: usize) -> Vec<Vec<u8>> {
        let began = Instant::now();
        loop {
            let mail = self.mailbox(name);
            if mail.len() >= count {
                return mail;
            }
            assert!(
                began.elapsed() < PATIENCE,
                "{} of {count} messages came for {name}; Postfix says:\n{}",
                mail.len(),
                self.log()
            );
            sleep(Duration::from_millis(20));
        }
    }

    fn control(&self, verb: &str) -> io::Result<std::process::Output> {
        let mut control = command("postfix");
        control
            .arg("-c")
            .arg(self.folder.path().join("etc"))
            .arg(verb);
        // Its daemons would hold on to pipes of ours.
        control
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .output()
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        let pid = fs::read_to_string(self.folder.path().join("queue/pid/master.pid"));
        let _ = self.control("stop");
        if let Ok(pid) = pid {
            let process = Path::new("/proc").join(pid.trim());
            let began = Instant::now();
            while process.exists() && began.elapsed() < PATIENCE {
                sleep(Duration::from_millis(20));
            }
        }
    }
}

/// The folder of a mailbox below `mail`.
fn folder_of(name: &str) -> String {
    name.replace('@', "_at_").replace('/', "_")
}

fn main_cf(root: &Path, setup: &Setup<'_>) -> String {
    let root = root.display();
    let relay = setup
        .relay
        .map_or(String::new(), |to| format!("[{}]:{}", to.ip(), to.port()));
    let entries = setup
        .mailboxes
        .iter()
        .map(|name| format!("{{ {name} = {}/ }}", folder_of(name)));
    let entries: Vec<String> = entries.collect();
    let maps = if entries.is_empty() {
        String::new()
    } else {
        format!("inline:{{ {} }}", entries.join(", "))
    };
    let mut domains: Vec<&str> = setup
        .mailboxes
        .iter()
        .filter_map(|name| Some(name.rsplit_once('@')?.1))
        .collect();
    domains.sort_unstable();
    domains.dedup();
    let daemons = ["/usr/lib/postfix/sbin", "/usr/libexec/postfix"];
    let daemons = daemons
        .iter()
        .find(|folder| Path::new(folder).is_dir())
        .unwrap_or(&daemons[0]);
    format!(
        "compatibility_level = 3.6\n\
         queue_directory = {root}/queue\n\
         data_directory = {root}/data\n\
         daemon_directory = {daemons}\n\
         maillog_file = {root}/log\n\
         maillog_file_prefixes = {root}\n\
         inet_interfaces = 127.0.0.1\n\
         inet_protocols = ipv4\n\
         myhostname = {NAME}\n\
         mydestination =\n\
         mynetworks = 127.0.0.0/8\n\
         smtpd_relay_restrictions = permit_mynetworks, reject\n\
         smtpd_peername_lookup = no\n\
         smtp_dns_support_level = disabled\n\
         alias_maps =\n\
         alias_database =\n\
         message_size_limit = 0\n\
         mailbox_size_limit = 0\n\
         virtual_mailbox_limit = 0\n\
         virtual_mailbox_base = {root}/mail\n\
         virtual_mailbox_domains = {}\n\
         virtual_mailbox_maps = {maps}\n\
         virtual_uid_maps = static:{NOBODY}\n\
         virtual_gid_maps = static:{NOBODY}\n\
         relayhost = {relay}\n\
         minimal_backoff_time = 1s\n\
         queue_run_delay = 1s\n\
         {}\n",
        domains.join(", "),
        setup.more,
    )
}

fn master_cf(address: SocketAddr) -> String {
    let mut services = format!("{address} inet n - n - - smtpd\n");
    for (name, kind, private, limit, program) in [
        ("cleanup", "unix", "n", "0", "cleanup"),
        ("qmgr", "unix", "n", "1", "qmgr"),
        ("rewrite", "unix", "-", "-", "trivial-rewrite"),
        ("bounce", "unix", "-", "0", "bounce"),
        ("defer", "unix", "-", "0", "bounce"),
        ("trace", "unix", "-", "0", "bounce"),
        ("verify", "unix", "-", "1", "verify"),
        ("proxymap", "unix", "-", "-", "proxymap"),
        ("smtp", "unix", "-", "-", "smtp"),
        ("relay", "unix", "-", "-", "smtp"),
        ("showq", "unix", "n", "-", "showq"),
        ("error", "unix", "-", "-", "error"),
        ("retry", "unix", "-", "-", "error"),
        ("discard", "unix", "-", "-", "discard"),
        ("virtual", "unix", "-", "-", "virtual"),
        ("anvil", "unix", "-", "1", "anvil"),
        ("scache", "unix", "-", "1", "scache"),
        ("postlog", "unix-dgram", "n", "1", "postlogd"),
    ] {
        let wakeup = if name == "qmgr" { "300" } else { "-" };
        let unprivileged = if name == "virtual" { "n" } else { "-" };
        services +=
            &format!("{name} {kind} {private} {unprivileged} n {wakeup} {limit} {program}\n");
    }
    services
}

/// A running smtp-sink, which takes all mail; it stops when it is dropped.
pub struct SmtpSink {
    child: Child,
    folder: TempDir,
    address: SocketAddr,
}

impl SmtpSink {
    /// Starts one, with more options for its command line.
    pub fn start(options: &[&str]) -> io::Result<Self> {
        let sink = Self::start_refusing(options)?;
        wait_for_greeting(sink.address);
        Ok(sink)
    }

    /// Starts one that may refuse connections.
    pub fn start_refusing(options: &[&str]) -> io::Result<Self> {
        let folder = TempDir::new()?;
        chown(folder.path(), Some(NOBODY), Some(NOBODY))?;
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let dump = folder.path().join("%M.");
        let child = command("smtp-sink")
            .args(["-u", "nobody", "-d"])
            .arg(dump)
            .args(options)
            .args([&address.to_string(), "100"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let sink = Self {
            child,
            folder,
            address,
        };
        wait_for("smtp-sink to listen", || TcpStream::connect(address).ok());
        Ok(sink)
    }

    /// Where it takes mail.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The messages it took, each with the lines `X-…-Args` of its dialogue before it.
    pub fn dumps(&self) -> Vec<String> {
        let files = fs::read_dir(self.folder.path()).expect("its folder");
        let dumps = files.map(|file| fs::read(file.unwrap().path()).unwrap());
        dumps
            .map(|dump| String::from_utf8_lossy(&dump).into_owned())
            .collect()
    }
}

impl Drop for SmtpSink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
