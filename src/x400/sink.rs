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

use super::config::{self, Config, Mode};
use super::handler::{ApduKind, Arrived, Caller, Handler, Refusal, RefusalReason, Spool};
use super::{Directory, Server};
use crate::asn1::mta::MTABindError;

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
    /// The protocol variant that callers must speak; `None`: any.
    pub mode: Option<Mode>,
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
    /// Refuse an association with this error.
    Bind(MTABindError),
    /// End a transfer that would be taken: refused, or broken off; after so many octets of the APDU,
    /// or in place of its confirmation.
    Transfer(RefusalReason, Option<u64>),
    /// Confirm a transfer only after so long.
    Delay(Duration),
}

/// What ends a transfer, by name.
const ENDS: [(&str, RefusalReason); 5] = [
    ("later", RefusalReason::LocalError),
    ("full", RefusalReason::ReceivingAbilityJeopardized),
    ("never", RefusalReason::Unrecoverable),
    ("drop", RefusalReason::Abort),
    ("cut", RefusalReason::Cut),
];

impl FromStr for Fail {
    type Err = String;

    /// `busy`, `bind=REASON`, `delay=SECONDS`, or one of `later`, `full`, `never`, `drop` and `cut`,
    /// which may have `=OCTETS`; each with `/N` for every N-th only.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} is not busy, bind=REASON, later, full, never, drop or cut (these also with \
                 =OCTETS), or delay=SECONDS; each may end in /N"
            )
        };
        let (how, every) = match text.split_once('/') {
            Some((how, every)) => (how, every.parse().ok().filter(|&n| n > 0)),
            None => (text, Some(1)),
        };
        let (how, value) = match how.split_once('=') {
            Some((how, value)) => (how, Some(value)),
            None => (how, None),
        };
        let how = match (how, value) {
            ("busy", None) => Some(How::Bind(MTABindError::BUSY)),
            ("bind", Some(reason)) => (0..=9)
                .map(MTABindError)
                .find(|error| error.name() == Some(reason))
                .map(How::Bind),
            ("delay", Some(seconds)) => {
                let time = seconds.parse().ok().map(Duration::try_from_secs_f64);
                time.and_then(Result::ok).map(How::Delay)
            }
            (how, octets) => {
                let end = ENDS.iter().find(|(name, _)| *name == how);
                let octets = octets.map(str::parse).transpose().map_err(|_| wrong())?;
                end.map(|(_, reason)| How::Transfer(*reason, octets))
            }
        };
        Ok(Self {
            how: how.ok_or_else(wrong)?,
            every: every.ok_or_else(wrong)?,
        })
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
    /// Counts a transfer that is refused because that was asked for.
    fn refuse(&self, reason: RefusalReason) -> Refusal {
        self.refused.fetch_add(1, Ordering::Relaxed);
        Refusal {
            reason,
            explanation: "told to fail".to_owned(),
        }
    }

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
            mode: options.mode,
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
    mode: Option<Mode>,
    counts: Arc<Counts>,
}

impl Takes {
    /// What to do wrong with the n-th.
    fn wrong(&self, number: u64) -> impl Iterator<Item = How> {
        let due = self.fail.iter();
        let due = due.filter(move |fail| number.is_multiple_of(fail.every));
        due.map(|fail| fail.how)
    }
}

impl Handler for Takes {
    type Spool = Dump;

    async fn welcome(&self, from: &Caller) -> Result<(), MTABindError> {
        if self.mode.is_some_and(|mode| mode != from.mode) {
            return Err(MTABindError::AUTHENTICATION_ERROR);
        }
        let number = self.counts.associations.fetch_add(1, Ordering::Relaxed) + 1;
        let mut errors = self.wrong(number).filter_map(|how| match how {
            How::Bind(error) => Some(error),
            _ => None,
        });
        errors.next().map_or(Ok(()), Err)
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
        let mut ends = self.wrong(number).filter_map(|how| match how {
            How::Transfer(reason, Some(octets)) => Some((octets, reason)),
            _ => None,
        });
        Ok(Dump {
            number,
            file,
            ends: ends.next(),
            counts: Arc::clone(&self.counts),
        })
    }

    async fn commit(&self, _: &Caller, dump: Dump, arrived: Arrived) -> Result<(), Refusal> {
        for how in self.wrong(dump.number) {
            match how {
                How::Delay(time) => tokio::time::sleep(time).await,
                How::Transfer(reason, None) => return Err(self.counts.refuse(reason)),
                _ => {}
            }
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

/// Where the octets of a transfer go.
struct Dump {
    /// The number of the transfer, from 1.
    number: u64,
    file: Option<Dumped>,
    /// After how many octets it is to end otherwise, and how.
    ends: Option<(u64, RefusalReason)>,
    counts: Arc<Counts>,
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
        if let Some((left, reason)) = &mut self.ends {
            match left.checked_sub(octets.len() as u64) {
                Some(less) => *left = less,
                None => return Err(io::Error::other(self.counts.refuse(*reason))),
            }
        }
        match &mut self.file {
            Some(dumped) => dumped.file.write_all(&octets).await,
            None => Ok(()),
        }
    }
}
