//! A server with tight bounds, a neighbour that behaves, and what the server logs.

use std::future::{Future, poll_fn};
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use mixgate::asn1::compose;
use mixgate::asn1::mta::MessageTransferEnvelope;
use mixgate::x400::config::Mode;
use mixgate::x400::{
    self, Apdu, Arrived, Caller, Client, Directory, Handler, Outcome, Peer, Refusal, Server,
};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tracing::subscriber::DefaultGuard;

/// The variants of P1 in which hostile peers call.
pub const MODES: [Mode; 3] = [Mode::Normal, Mode::X410, Mode::Of1984];

/// The name of the hostile peer of a mode.
pub fn name(mode: Mode) -> &'static str {
    match mode {
        Mode::Normal => "BAD",
        Mode::X410 => "BAD-X410",
        Mode::Of1984 => "BAD-1984",
    }
}

/// Where the hostile peers call from: each connection from an address of its own.
const HOSTILE: &str = "127.1.0.0/16";
/// How many octets of an APDU the server takes.
pub const MAX_APDU: u64 = 200_000;
/// Seconds the server waits for an association, and for the next step of a transfer.
pub const STEP: u64 = 2;
/// Seconds an association may stand idle.
pub const IDLE: u64 = 4;
/// How long anything may take that the server bounds so.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Counts what arrives, and how many octets it holds of what has not.
#[derive(Debug, Default)]
pub struct Keeper {
    pub taken: AtomicUsize,
    pub most_held: Arc<AtomicUsize>,
}

/// The octets of one transfer, counted.
pub struct Held {
    octets: usize,
    most: Arc<AtomicUsize>,
}

impl x400::Spool for Held {
    async fn write(&mut self, octets: Bytes) -> io::Result<()> {
        self.octets += octets.len();
        self.most.fetch_max(self.octets, Ordering::Relaxed);
        Ok(())
    }
}

impl Handler for Keeper {
    type Spool = Held;

    async fn begin(&self, _: &Caller) -> Result<Held, Refusal> {
        Ok(Held {
            octets: 0,
            most: Arc::clone(&self.most_held),
        })
    }

    async fn commit(&self, _: &Caller, _: Held, _: Arrived) -> Result<(), Refusal> {
        self.taken.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// What was logged.
#[derive(Debug, Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// The lines about the connection from here, other than that it was accepted.
    fn of(&self, from: SocketAddr) -> Vec<String> {
        let log = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let peer = format!("peer={from} ");
        let lines = log.lines().filter(|line| line.contains(&peer));
        let lines = lines.filter(|line| !line.contains("association accepted"));
        lines.map(str::to_owned).collect()
    }

    /// The one reason that the connection from here came to its end; it has these words.
    pub async fn reason(&self, from: SocketAddr, words: &str) {
        self.last_reason(from, words, 0).await;
    }

    /// The same after so many lines, at most, about what it transferred.
    pub async fn last_reason(&self, from: SocketAddr, words: &str, before: usize) {
        let begun = Instant::now();
        let is_told = |lines: &[String]| lines.last().is_some_and(|line| line.contains(words));
        while !is_told(&self.of(from)) && begun.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let lines = self.of(from);
        assert!(is_told(&lines), "{words:?} is not the last of {lines:#?}");
        assert!(
            lines.len() <= before + 1,
            "{} lines: {lines:#?}",
            lines.len()
        );
        assert!(
            !lines.iter().any(|line| line.contains(char::is_control)),
            "{lines:?}"
        );
    }
}

/// A server, its log, and its neighbour.
pub struct World {
    pub keeper: Arc<Keeper>,
    /// How many hostile connections were made.
    callers: AtomicU16,
    pub address: SocketAddr,
    pub log: Log,
    /// What the hostile peers say of themselves, where it comes to that; one of each mode.
    pub hostile: [Directory; 3],
    neighbour: Client,
    server: JoinHandle<()>,
    _logging: DefaultGuard,
}

impl Drop for World {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl World {
    /// A server that waits for nothing for long.
    pub async fn new() -> Self {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .finish();
        let logging = tracing::subscriber::set_default(subscriber);
        let peer = |name: &str, from: &str, mode: Mode| Peer {
            name: name.to_owned(),
            mta: name.to_owned(),
            mode,
            accept_from: vec![from.parse().unwrap()],
            ..Peer::default()
        };
        let config = x400::Config {
            listen: vec!["127.0.0.1:0".to_owned()],
            peer: MODES
                .map(|mode| peer(name(mode), HOSTILE, mode))
                .into_iter()
                .chain([peer("GOOD", "127.0.0.1", Mode::Normal)])
                .collect(),
            max_apdu: MAX_APDU,
            max_envelope: 8_192,
            max_associations: 100,
            open_timeout: STEP,
            transfer_timeout: STEP,
            incoming_idle_timeout: IDLE,
            ..x400::Config::default()
        };
        let keeper = Arc::new(Keeper::default());
        let directory = Arc::new(Directory::new(config, "SERVER").unwrap());
        let server = Server::bind(directory, Arc::clone(&keeper)).await.unwrap();
        let address = server.addresses()[0];
        let calling = |our_mta: &str, mode: Mode| {
            let server = Peer {
                name: "server".to_owned(),
                connect: vec![address.to_string()],
                mta: "SERVER".to_owned(),
                mode,
                ..Peer::default()
            };
            let config = x400::Config {
                peer: vec![server],
                ..x400::Config::default()
            };
            Directory::new(config, our_mta).unwrap()
        };
        let neighbour = calling("GOOD", Mode::Normal);
        Self {
            keeper,
            callers: AtomicU16::new(0),
            address,
            log,
            hostile: MODES.map(|mode| calling(name(mode), mode)),
            neighbour: Client::new(Arc::new(neighbour)),
            server: tokio::spawn(server.run(std::future::pending())),
            _logging: logging,
        }
    }

    /// The address of the next hostile connection.
    pub fn caller(&self) -> IpAddr {
        let [high, low] = self.callers.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        [127, 1, high, low].into()
    }

    /// Lets a hostile peer do its worst while the neighbour transfers, and once more after it.
    pub async fn besides<T>(&self, hostile: impl Future<Output = T>) -> T {
        let over = AtomicBool::new(false);
        let before = self.keeper.taken.load(Ordering::Relaxed);
        let served = async {
            let mut count = 0;
            loop {
                let last = over.load(Ordering::Relaxed);
                let content = vec![0x55; 5_000];
                let apdu = compose::message(&MessageTransferEnvelope::default(), content.into());
                let transfer = self.neighbour.transfer("server", Apdu::Octets(apdu));
                let outcome = timeout(PATIENCE, transfer)
                    .await
                    .expect("the neighbour waits");
                assert!(matches!(outcome, Outcome::Delivered { .. }), "{outcome:?}");
                count += 1;
                if last {
                    return count;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let hostile = async {
            let outcome = hostile.await;
            over.store(true, Ordering::Relaxed);
            outcome
        };
        let (outcome, count) = tokio::join!(hostile, served);
        let taken = self.keeper.taken.load(Ordering::Relaxed) - before;
        assert!(taken >= count, "the neighbour's {count} transfers: {taken}");
        outcome
    }

    /// The same of many peers at the same time.
    pub async fn besides_each<F: Future<Output = ()>>(&self, peers: impl IntoIterator<Item = F>) {
        let mut peers: Vec<_> = peers.into_iter().map(Box::pin).collect();
        let all = poll_fn(|context| {
            peers.retain_mut(|peer| peer.as_mut().poll(context).is_pending());
            match peers.is_empty() {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        });
        self.besides(all).await;
    }
}
