//! What an operator asks of the neighbours, as requests and answers, and how the answers look.
//!
//! Which peers are disabled outlives the gateway: their names stand in the file `disabled-peers`
//! beside the queue.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::rules::Rules;
use super::{Gateway, clock};
use crate::mixer::domain;
use crate::queue::commands::{self, Refused};
use crate::queue::{Change, Filter, RouteStats, Store};
use crate::x400::client::Pinged;
use crate::x400::config::Mode;
use crate::x400::failure::Failure;
use crate::x400::schedule::Schedule;
use crate::x400::standing::Status;
use crate::x400::{self, Directory};

/// What an operator asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// Every peer.
    List,
    /// One peer.
    Show(String),
    /// Open an association at each of its addresses, and release it.
    Ping(String),
    /// Call it again, and take its calls.
    Enable(String),
    /// Neither call it nor take its calls; messages for it wait.
    Disable(String),
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Response {
    /// To [`Request::List`].
    Peers(Vec<Shown>),
    /// To [`Request::Show`], [`Request::Enable`] and [`Request::Disable`].
    Peer(Box<Shown>),
    /// To [`Request::Ping`]: each address with what came of it.
    Pinged(Vec<Pinged>),
    /// It was not done.
    Refused(Refused),
}

/// A peer, and how we stand with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Shown {
    /// Its name.
    pub name: String,
    /// Its MTA name.
    pub mta: String,
    /// Which variant of P1 it speaks.
    pub mode: Mode,
    /// Where it is called.
    pub connect: Vec<String>,
    /// When it is called; empty: always.
    pub schedule: Schedule,
    /// Why it is not called now.
    pub closed: Option<Failure>,
    /// Its associations and calls; of this process alone.
    pub status: Status,
    /// Recipients that wait for it; `None` if the queue cannot be asked.
    pub queued: Option<u64>,
    /// Recipients held.
    pub held: Option<u64>,
    /// When the oldest of them came.
    pub oldest: Option<Timestamp>,
}

/// The neighbours of a gateway, running or not.
pub struct Peers {
    rules: Arc<Rules>,
    client: Arc<x400::Client>,
    /// `None` if it cannot be had.
    store: Option<Arc<dyn Store>>,
}

impl std::fmt::Debug for Peers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Peers").finish_non_exhaustive()
    }
}

impl Peers {
    /// Those of a running gateway, called by its client.
    #[must_use]
    pub fn new(gateway: &Gateway, client: Arc<x400::Client>) -> Self {
        Self {
            rules: gateway.rules(),
            client,
            store: Some(Arc::clone(gateway.store())),
        }
    }

    /// Those of a configuration, with no gateway running.
    ///
    /// # Errors
    /// The passwords of a peer, or the file of those that are disabled, cannot be read.
    pub fn alone(rules: Rules, request: &Request) -> io::Result<Self> {
        let config = &rules.config;
        let directory = Directory::new(config.x400.clone(), &config.gateway.mta);
        let directory = directory.map_err(io::Error::other)?;
        let ours = config.gateway.global_domains();
        let directory = directory.in_domains(ours.filter_map(domain::of_address));
        let peers = Self {
            client: Arc::new(x400::Client::new(Arc::new(directory))),
            // A call may take minutes, in which the gateway must be able to start; and a queue that
            // is not there is not to be made by whoever looks at peers.
            store: match request {
                Request::Ping(_) => None,
                _ if config.queue.exists() => config.queue.open().ok(),
                _ => None,
            },
            rules: Arc::new(rules),
        };
        peers.restore()?;
        Ok(peers)
    }

    /// Disables the peers that were disabled before.
    ///
    /// # Errors
    /// Their file cannot be read.
    pub fn restore(&self) -> io::Result<()> {
        for name in self.disabled()? {
            match self.client.directory().standing(&name) {
                Some(standing) => standing.disable(true),
                None => tracing::warn!(name, "a peer that is disabled is not configured"),
            }
        }
        Ok(())
    }

    fn file(&self) -> PathBuf {
        self.rules.config.queue.folder().join("disabled-peers")
    }

    fn disabled(&self) -> io::Result<BTreeSet<String>> {
        match fs::read_to_string(self.file()) {
            Ok(names) => Ok(names.lines().map(str::to_owned).collect()),
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(BTreeSet::new()),
            Err(fault) => Err(fault),
        }
    }

    /// Disables or enables a peer, now and after the next start.
    fn disable(&self, name: &str, disable: bool) -> io::Result<()> {
        let mut names = self.disabled()?;
        let changed = match disable {
            true => names.insert(name.to_owned()),
            false => names.remove(name),
        };
        if changed {
            let lines: String = names.iter().map(|name| format!("{name}\n")).collect();
            let whole = self.file();
            let unfinished = whole.with_extension("part");
            fs::write(&unfinished, lines)?;
            fs::rename(unfinished, whole)?;
        }
        if let Some(standing) = self.client.directory().standing(name) {
            standing.disable(disable);
        }
        Ok(())
    }

    /// Does what is asked.
    pub async fn handle(&self, request: Request) -> Response {
        self.answer(request).await.unwrap_or_else(Response::Refused)
    }

    async fn answer(&self, request: Request) -> Result<Response, Refused> {
        let failed = |fault: io::Error| Refused {
            code: 74,
            message: format!("{}: {fault}", self.file().display()),
        };
        let name = match &request {
            Request::List => {
                let waiting = self.waiting().await?;
                let peers = self.rules.config.x400.peer.iter();
                let shown = peers.filter_map(|peer| self.shown(&peer.name, &waiting));
                return Ok(Response::Peers(shown.collect()));
            }
            Request::Show(name)
            | Request::Ping(name)
            | Request::Enable(name)
            | Request::Disable(name) => name,
        };
        let unknown = || Refused {
            code: 64,
            message: format!("no X.400 peer is called {name:?}"),
        };
        if self.client.directory().peer(name).is_none() {
            return Err(unknown());
        }
        match &request {
            Request::Ping(_) => {
                let standing = self.client.directory().standing(name);
                let is_failing = || standing.is_some_and(|it| it.status().failed.is_some());
                let was_failing = is_failing();
                let pinged = self.client.ping(name).await.ok_or_else(unknown)?;
                if was_failing && !is_failing() {
                    self.retry(name).await?;
                }
                return Ok(Response::Pinged(pinged));
            }
            Request::Enable(_) => {
                self.disable(name, false).map_err(failed)?;
                self.retry(name).await?;
            }
            Request::Disable(_) => self.disable(name, true).map_err(failed)?,
            Request::Show(_) | Request::List => {}
        }
        let shown = self.shown(name, &self.waiting().await?);
        shown.map(Box::new).map(Response::Peer).ok_or_else(unknown)
    }

    /// Tries at once what waits for a peer.
    async fn retry(&self, name: &str) -> Result<(), Refused> {
        if let Some(store) = &self.store {
            let filter = Filter {
                route: Some(name.to_owned()),
                ..Filter::default()
            };
            store.change(filter, Change::Retry, clock::now()).await?;
        }
        Ok(())
    }

    /// Lets the peers be called at once for which an operator wants to have something tried.
    pub async fn forgive(&self, asked: &commands::Request) {
        let commands::Request::Change {
            change: Change::Retry | Change::Release,
            filter,
            all,
        } = asked
        else {
            return;
        };
        let is_refused = *filter == Filter::default() && !all;
        let Some(store) = self.store.as_ref().filter(|_| !is_refused) else {
            return;
        };
        // What is wrong with the queue is told to whoever asked by the change itself.
        let items = store.list(filter.clone()).await.unwrap_or_default();
        let mut routes = BTreeSet::new();
        for recipient in items.into_iter().flat_map(|item| item.recipients) {
            let named = filter.route.as_ref();
            if !recipient.state.is_final() && named.is_none_or(|it| *it == recipient.route) {
                routes.insert(recipient.route);
            }
        }
        for route in &routes {
            for peer in self.rules.routes().alternates_of(route) {
                if let Some(standing) = self.client.directory().standing(peer) {
                    standing.forgive();
                }
            }
        }
    }

    /// What waits, by route.
    async fn waiting(&self) -> Result<Option<Vec<RouteStats>>, Refused> {
        Ok(match &self.store {
            Some(store) => Some(store.stats().await?),
            None => None,
        })
    }

    fn shown(&self, name: &str, waiting: &Option<Vec<RouteStats>>) -> Option<Shown> {
        let directory = self.client.directory();
        let (peer, standing) = (directory.peer(name)?, directory.standing(name)?);
        let route = waiting
            .as_ref()
            .map(|routes| routes.iter().find(|route| route.route == name));
        Some(Shown {
            name: peer.name.clone(),
            mta: peer.mta.clone(),
            mode: peer.mode,
            connect: peer.connect.clone(),
            schedule: peer.schedule.clone(),
            closed: standing
                .closed(peer, clock::now())
                .map(|closed| closed.failure),
            status: standing.status(),
            queued: route.map(|route| route.map_or(0, |route| route.queued)),
            held: route.map(|route| route.map_or(0, |route| route.held)),
            oldest: route.flatten().map(|route| route.oldest),
        })
    }
}

impl Shown {
    /// How we stand with it, in a word or two.
    fn state(&self) -> String {
        match (&self.closed, &self.status.failed) {
            _ if self.status.disabled => "disabled".to_owned(),
            (Some(_), _) => "by schedule".to_owned(),
            (None, Some(failed)) => format!("failing ({})", failed.times),
            (None, None) if self.connect.is_empty() => "only calls".to_owned(),
            (None, None) if self.status.opened.is_some() => "well".to_owned(),
            (None, None) => "not called yet".to_owned(),
        }
    }
}

fn time(at: Timestamp, zone: &TimeZone) -> String {
    let local = at.to_zoned(zone.clone());
    local.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn count(number: Option<u64>) -> String {
    number.map_or_else(|| "?".to_owned(), |number| number.to_string())
}

/// A line for each peer.
#[must_use]
pub fn render_list(peers: &[Shown]) -> String {
    let mut table = format!(
        "{:<16} {:<7} {:<15} {:>4} {:>4} {:>7} {:>6}  {}\n",
        "PEER", "MODE", "STATE", "OUT", "IN", "WAITING", "HELD", "ADDRESS"
    );
    for peer in peers {
        // Writing to a String does not fail.
        let _ = writeln!(
            table,
            "{:<16} {:<7} {:<15} {:>4} {:>4} {:>7} {:>6}  {}",
            peer.name,
            peer.mode.name(),
            peer.state(),
            peer.status.outgoing,
            peer.status.incoming,
            count(peer.queued),
            count(peer.held),
            peer.connect.join(" "),
        );
    }
    table
}

/// All that is known of a peer, times in `zone`.
#[must_use]
pub fn render(peer: &Shown, zone: &TimeZone) -> String {
    let windows: Vec<String> = peer.schedule.0.iter().map(ToString::to_string).collect();
    let schedule = match windows.as_slice() {
        [] => "always".to_owned(),
        windows => windows.join("; "),
    };
    let mut rows = vec![
        ("peer", peer.name.clone()),
        ("state", peer.state()),
        ("MTA name", peer.mta.clone()),
        ("addresses", peer.connect.join(" ")),
        ("called", schedule),
        (
            "associations",
            format!(
                "{} opened by us, {} by the peer",
                peer.status.outgoing, peer.status.incoming
            ),
        ),
        (
            "waiting",
            format!(
                "{} recipients, {} held",
                count(peer.queued),
                count(peer.held)
            ),
        ),
    ];
    if let Some(oldest) = peer.oldest {
        rows.push(("oldest", time(oldest, zone)));
    }
    if let Some(opened) = peer.status.opened {
        rows.push(("last opened", time(opened, zone)));
    }
    let mut text = String::new();
    for (name, value) in rows {
        let _ = writeln!(text, "{name:<13} {value}");
    }
    let failed = peer.status.failed.as_ref();
    for (name, failure) in [
        ("not called", peer.closed.as_ref()),
        ("last failure", failed.map(|failed| &failed.failure)),
    ] {
        if let Some(failure) = failure {
            let _ = write!(text, "{name:<13} {}", explained(failure));
        }
    }
    text
}

/// What happened, and on the lines below it what to do.
fn explained(failure: &Failure) -> String {
    let what: String = failure.what.chars().flat_map(plain).collect();
    let mut text = format!("{what}\n");
    let mut line = String::new();
    for word in failure.advice.split_whitespace() {
        if !line.is_empty() && line.chars().count() + word.chars().count() > 76 {
            let _ = writeln!(text, "   {line}");
            line.clear();
        }
        line.push(' ');
        line.push_str(word);
    }
    if !line.is_empty() {
        let _ = writeln!(text, "   {line}");
    }
    text
}

/// A character of a stranger, fit for a terminal.
fn plain(c: char) -> Vec<char> {
    match c.is_control() {
        true => c.escape_default().collect(),
        false => vec![c],
    }
}

/// What came of a ping, address by address.
#[must_use]
pub fn render_pinged(name: &str, pinged: &[Pinged]) -> String {
    let mut text = String::new();
    for ping in pinged {
        let relay = ping.relay.map(|relay| format!(" [{relay}]"));
        let place = format!("{name} at {}{}", ping.address, relay.unwrap_or_default());
        if let Some(greeting) = &ping.greeting {
            let mta: String = greeting.mta.chars().flat_map(plain).collect();
            let _ = writeln!(
                text,
                "{place}: well, {mta:?} answered in {} ms (checkpoint size {}, window {})",
                greeting.milliseconds, greeting.checkpoint_size, greeting.window_size,
            );
        }
        if let Some(failure) = &ping.failure {
            let step = failure.step;
            let _ = write!(text, "{place}: FAILED at {step}: {}", explained(failure));
        }
    }
    text
}
