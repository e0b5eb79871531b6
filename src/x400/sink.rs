//! `p1-sink`: a test MTA that takes every transfer, counts it, and can keep, refuse, delay or drop it.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::fs::{self, File};
use tokio::io::{AsyncWriteExt, BufWriter};

use super::config::{self, Config};
use super::handler::{ApduKind, Arrived, Caller, Handler, Refusal, RefusalReason, Spool};
use super::{Directory, Server};

/// What a sink does.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Where to listen, `host:port`.
    pub listen: Vec<String>,
    /// The MTA name to say.
    pub mta: String,
    /// The folder that gets each bare MTS-APDU as one file, `000001.ber` and so on.
    pub dump: Option<PathBuf>,
    /// What to do wrong.
    pub fail: Vec<Fail>,
    /// The most octets between two checkpoints, in units of 1024; `None`: as configured by default.
    pub checkpoint_size: Option<u8>,
    /// The most checkpoints without confirmation.
    pub window_size: Option<u8>,
}

/// Something to do wrong, to every so-manieth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fail {
    /// What.
    pub how: How,
    /// To which: 1 is every one, 2 every second, and so on.
    pub every: u64,
}

/// A way to do wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// Refuse an association as busy.
    Busy,
    /// Refuse a transfer as one to try again.
    Later,
    /// Refuse a transfer for good.
    Never,
    /// Abort the association at the end of a transfer, before its confirmation.
    Drop,
    /// Confirm a transfer only after so long.
    Delay(Duration),
}

impl FromStr for Fail {
    type Err = String;

    /// `busy`, `later`, `never`, `drop` or `delay=SECONDS`, each with `/N` for every N-th only.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{text:?} is not busy, later, never, drop or delay=SECONDS, with /N");
        let (how, every) = match text.split_once('/') {
            Some((how, every)) => (
                how,
                every.parse().ok().filter(|&n| n > 0).ok_or_else(wrong)?,
            ),
            None => (text, 1),
        };
        let how = match how.split_once('=') {
            Some(("delay", seconds)) => {
                let seconds = seconds.parse().map_err(|_| wrong())?;
                How::Delay(Duration::try_from_secs_f64(seconds).map_err(|_| wrong())?)
            }
            Some(_) => return Err(wrong()),
            None => match how {
                "busy" => How::Busy,
                "later" => How::Later,
                "never" => How::Never,
                "drop" => How::Drop,
                _ => return Err(wrong()),
            },
        };
        Ok(Self { how, every })
    }
}

/// What a sink has seen.
#[derive(Debug, Default)]
pub struct Counts {
    associations: AtomicU64,
    messages: AtomicU64,
    probes: AtomicU64,
    reports: AtomicU64,
    octets: AtomicU64,
    refused: AtomicU64,
    transfers: AtomicU64,
}

/// What a sink has seen up to a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    /// Associations opened.
    pub associations: u64,
    /// Messages taken.
    pub messages: u64,
    /// Probes taken.
    pub probes: u64,
    /// Reports taken.
    pub reports: u64,
    /// Octets of all the APDUs taken.
    pub octets: u64,
    /// Transfers refused or dropped, as told to.
    pub refused: u64,
}

impl Counts {
    /// What was seen so far.
    #[must_use]
    pub fn now(&self) -> Counted {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counted {
            associations: read(&self.associations),
            messages: read(&self.messages),
            probes: read(&self.probes),
            reports: read(&self.reports),
            octets: read(&self.octets),
            refused: read(&self.refused),
        }
    }
}

/// A sink that listens.
pub struct Sink {
    server: Server<Takes>,
    counts: Arc<Counts>,
}

/// Why there is no sink.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address cannot be listened on, or the folder cannot be made.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The configuration is at fault.
    #[error(transparent)]
    Config(#[from] config::Error),
}

impl Sink {
    /// Listens.
    ///
    /// # Errors
    /// An address cannot be listened on, or the folder cannot be made.
    pub async fn bind(options: Options) -> Result<Self, Error> {
        if let Some(folder) = &options.dump {
            fs::create_dir_all(folder).await?;
        }
        let default = Config::default();
        let config = Config {
            listen: options.listen,
            lenient: true,
            max_apdu: u64::MAX,
            checkpoint_size: options.checkpoint_size.unwrap_or(default.checkpoint_size),
            window_size: options.window_size.unwrap_or(default.window_size),
            max_associations: 2_000,
            max_connections_per_address: usize::MAX,
            max_half_open: 2_000,
            ..default
        };
        let counts = Arc::new(Counts::default());
        let takes = Takes {
            dump: options.dump,
            fail: options.fail,
            counts: Arc::clone(&counts),
        };
        let directory = Arc::new(Directory::new(config, &options.mta)?);
        let server = Server::bind(directory, Arc::new(takes)).await?;
        Ok(Self { server, counts })
    }

    /// The addresses listened on, ports chosen by the system included.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.server.addresses()
    }

    /// The counters, to look at while it runs.
    #[must_use]
    pub fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }

    /// Takes transfers until `stop` is ready.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) -> Counted {
        self.server.run(stop).await;
        self.counts.now()
    }
}

/// The handler that takes everything.
struct Takes {
    dump: Option<PathBuf>,
    fail: Vec<Fail>,
    counts: Arc<Counts>,
}

impl Takes {
    /// What to do wrong with the n-th, of the ways wanted here.
    fn wrong(&self, number: u64, wanted: impl Fn(How) -> bool) -> Vec<How> {
        let due = |fail: &&Fail| wanted(fail.how) && number.is_multiple_of(fail.every);
        self.fail.iter().filter(due).map(|fail| fail.how).collect()
    }
}

impl Handler for Takes {
    type Spool = Dump;

    async fn welcome(&self, _: &Caller) -> Result<(), Refusal> {
        let number = self.counts.associations.fetch_add(1, Ordering::Relaxed) + 1;
        match self.wrong(number, |how| how == How::Busy).as_slice() {
            [] => Ok(()),
            _ => Err(told(RefusalReason::LocalError)),
        }
    }

    async fn begin(&self, _: &Caller) -> Result<Dump, Refusal> {
        let number = self.counts.transfers.fetch_add(1, Ordering::Relaxed) + 1;
        let file = match &self.dump {
            None => None,
            Some(folder) => {
                Some(
                    Dumped::create(folder, number)
                        .await
                        .map_err(|fault| Refusal {
                            reason: RefusalReason::ReceivingAbilityJeopardized,
                            explanation: format!("{}: {fault}", folder.display()),
                        })?,
                )
            }
        };
        Ok(Dump { number, file })
    }

    async fn commit(&self, _: &Caller, dump: Dump, arrived: Arrived) -> Result<(), Refusal> {
        for how in self.wrong(dump.number, |how| how != How::Busy) {
            let reason = match how {
                How::Delay(time) => {
                    tokio::time::sleep(time).await;
                    continue;
                }
                How::Never => RefusalReason::Unrecoverable,
                How::Drop => RefusalReason::Abort,
                How::Later | How::Busy => RefusalReason::LocalError,
            };
            self.counts.refused.fetch_add(1, Ordering::Relaxed);
            return Err(told(reason));
        }
        if let Some(file) = dump.file {
            file.keep().await.map_err(|fault| Refusal {
                reason: RefusalReason::ReceivingAbilityJeopardized,
                explanation: fault.to_string(),
            })?;
        }
        let counter = match arrived.kind {
            ApduKind::Message => &self.counts.messages,
            ApduKind::Probe => &self.counts.probes,
            ApduKind::Report => &self.counts.reports,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        self.counts
            .octets
            .fetch_add(arrived.octets, Ordering::Relaxed);
        Ok(())
    }
}

fn told(reason: RefusalReason) -> Refusal {
    Refusal {
        reason,
        explanation: "told to fail".to_owned(),
    }
}

/// Where the octets of a transfer go.
struct Dump {
    /// The number of the transfer, from 1.
    number: u64,
    file: Option<Dumped>,
}

/// A file that has its name only once it is whole.
struct Dumped {
    /// `None` once it is kept.
    unfinished: Option<PathBuf>,
    path: PathBuf,
    file: BufWriter<File>,
}

impl Dumped {
    async fn create(folder: &Path, number: u64) -> io::Result<Self> {
        let path = folder.join(format!("{number:06}.ber"));
        let unfinished = path.with_extension("part");
        let file = BufWriter::new(File::create(&unfinished).await?);
        Ok(Self {
            unfinished: Some(unfinished),
            path,
            file,
        })
    }

    async fn keep(mut self) -> io::Result<()> {
        self.file.flush().await?;
        if let Some(unfinished) = self.unfinished.take() {
            fs::rename(unfinished, &self.path).await?;
        }
        Ok(())
    }
}

impl Drop for Dumped {
    fn drop(&mut self) {
        if let Some(unfinished) = self.unfinished.take() {
            // What stays behind has a name nobody takes for an APDU.
            let _ = std::fs::remove_file(unfinished);
        }
    }
}

impl Spool for Dump {
    async fn write(&mut self, octets: Bytes) -> io::Result<()> {
        match &mut self.file {
            Some(dumped) => dumped.file.write_all(&octets).await,
            None => Ok(()),
        }
    }
}
