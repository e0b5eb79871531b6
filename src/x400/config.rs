//! The `[x400]` table of the configuration: where to listen, and the peer MTAs.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::schedule::Schedule;
use super::strong::{self, PeerStrong};
use super::tls::{self, PeerTls};
use super::transfer::Encoding;
use crate::network::Network;
use crate::osi::presentation::Address;

pub use super::identity::{Error, Passwords};
pub use super::selector::Selector;
pub(super) use super::selector::hexadecimal;
pub use super::urgency::{TransferTime, Urgency};

/// How many associations we open to a peer at the same time, unless it is configured.
const ASSOCIATIONS: usize = 4;
/// Seconds between two calls to a peer with `open-retries`, unless it is configured.
const OPEN_INTERVAL: u64 = 600;

/// The `[x400]` table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// Addresses to listen on, `host:port`.
    pub listen: Vec<String>,
    /// Whether unknown callers, and binds that do not match a peer, are taken all the same.
    pub lenient: bool,
    /// The selectors callers must name; empty ones are not checked.
    pub t_selector: Selector,
    /// The session selector callers must name.
    pub s_selector: Selector,
    /// The presentation selector callers must name.
    pub p_selector: Selector,
    /// How many associations are accepted at the same time, from all peers together.
    pub max_associations: usize,
    /// How many connections one calling address may have at the same time (an IPv6 host is its /64).
    pub max_connections_per_address: usize,
    /// How many connections may stand at the same time on which no association is open yet, not
    /// counting those from addresses that a peer's `accept-from` or `connect` names.
    pub max_half_open: usize,
    /// How many octets an APDU may have.
    pub max_apdu: u64,
    /// How many octets the envelope of an APDU may have.
    pub max_envelope: usize,
    /// Octets between two checkpoints, in units of 1024, 1 to 63: what we propose and at most accept.
    pub checkpoint_size: u8,
    /// Checkpoints that may be unconfirmed, 1 to 5: what we propose and at most accept.
    pub window_size: u8,
    /// Seconds to open an association, from the TCP connection to the answered bind.
    pub open_timeout: u64,
    /// Seconds a peer may take over its next step of a transfer: 4096 octets, a checkpoint, the
    /// confirmation.
    pub transfer_timeout: u64,
    /// Octets a second a peer must send of each transfer, counted over the whole of it after the first
    /// `transfer-timeout`; one that is slower breaks off, to be resumed. 0: as few as it likes.
    pub min_rate: u64,
    /// Seconds a whole transfer may take; one that takes longer is interrupted, and gone on with when
    /// it is tried again.
    pub transfer_time: TransferTime,
    /// Seconds what was received of a transfer that broke off is kept for its peer to resume it.
    pub recovery_timeout: u64,
    /// How many such transfers are kept of one peer; together they may have `max-apdu` octets.
    pub max_recoverable: usize,
    /// Seconds an association of ours may stand idle before we release it.
    pub idle_timeout: u64,
    /// Seconds an association that a peer has opened may stand idle before we abort it: longer than
    /// any peer lets its own stand, since it is for the initiator to release what it has opened.
    pub incoming_idle_timeout: u64,
    /// Our certificate, and where calls over TLS are taken.
    pub tls: Option<tls::Config>,
    /// Our certificate in the bind, and who vouches for those of peers.
    pub strong: Option<strong::Config>,
    /// The peer MTAs.
    pub peer: Vec<Peer>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: vec!["127.0.0.1:102".to_owned()],
            lenient: false,
            t_selector: Selector::default(),
            s_selector: Selector::default(),
            p_selector: Selector::default(),
            max_associations: 200,
            max_connections_per_address: 50,
            max_half_open: 500,
            max_apdu: 100 * 1024 * 1024,
            max_envelope: 4 * 1024 * 1024,
            checkpoint_size: 63,
            window_size: 3,
            open_timeout: 30,
            transfer_timeout: 120,
            min_rate: 500,
            transfer_time: TransferTime::default(),
            recovery_timeout: 1800,
            max_recoverable: 10,
            idle_timeout: 60,
            incoming_idle_timeout: 900,
            tls: None,
            strong: None,
            peer: Vec::new(),
        }
    }
}

impl Config {
    /// How long an association that this peer has opened may stand idle; `None`: for ever.
    #[must_use]
    pub fn incoming_idle_timeout(&self, peer: &Peer) -> Option<Duration> {
        (peer.idle_timeout != Some(0)).then(|| Duration::from_secs(self.incoming_idle_timeout))
    }
}

/// One `[[x400.peer]]`: an MTA we call, or that calls us, or both.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Peer {
    /// The name the configuration and the logs use.
    pub name: String,
    /// Where it listens, `host:port`, tried in order; none: it only calls us.
    pub connect: Vec<String>,
    /// The transport selector we call.
    pub t_selector: Selector,
    /// The session selector we call.
    pub s_selector: Selector,
    /// The presentation selector we call.
    pub p_selector: Selector,
    /// Which of the three protocol variants it speaks.
    pub mode: Mode,
    /// Its MTA name, as it says it in a bind.
    pub mta: String,
    /// The MTA name we say to it, if it is not `[gateway] mta`.
    pub our_mta: Option<String>,
    /// The file that holds the password we say.
    pub password_file: Option<PathBuf>,
    /// The file that holds the password we expect.
    pub peer_password_file: Option<PathBuf>,
    /// The networks it calls from; none: with a `peer-password-file` or `strong` any, without them
    /// the addresses in `connect` alone.
    pub accept_from: Vec<Network>,
    /// What it can read, and wants: the name of a profile that comes with the gateway, or a file.
    pub profile: Option<String>,
    /// How the EXTERNAL around each APDU that it is sent in normal mode holds it.
    pub external: Encoding,
    /// The O/R addresses routed to it, as patterns.
    pub routes: Vec<String>,
    /// Among peers with the same route the lower cost is tried first.
    pub cost: u32,
    /// Its share of what goes to peers with the same route at the same cost; 1 if unset, 0 for none.
    pub weight: Option<u32>,
    /// How many associations we open to it at the same time; 4 unless it is given.
    pub max_associations: Option<usize>,
    /// A further association is opened only while more messages than this wait for the peer.
    pub association_threshold: usize,
    /// How many associations to it are kept open all the time, or as long as `schedule` lasts.
    pub permanent: usize,
    /// The weekly windows in which it is called, `mon-fri 08:00-18:00`; none: always.
    pub schedule: Schedule,
    /// The time zone of `schedule`, `Europe/London`; that of the machine unless it is given.
    pub time_zone: Option<Zone>,
    /// Whether each call begins at another address of `connect`, so that they share the load.
    pub share_load: bool,
    /// Seconds an association with it may stand idle, in place of `[x400] idle-timeout`; 0: for ever,
    /// whoever opened it.
    pub idle_timeout: Option<u64>,
    /// How often the peer is called again after a call that failed before what came before that call is
    /// returned. Unless it is given, `[queue.schedule]` alone says how long a message is tried.
    pub open_retries: Option<u32>,
    /// Seconds after a call that failed before the next is made, and the message tried again; unless
    /// it or `open-retries` is given, each message is tried as `[queue.schedule]` says.
    pub open_interval: Option<u64>,
    /// How often a transfer that failed over an open association is repeated before the message is
    /// tried again as `[queue.schedule]` says.
    pub transfer_retries: u32,
    /// Seconds before each of these repetitions; 120 unless it is given.
    pub transfer_interval: Option<u64>,
    /// Octets between two checkpoints, in units of 1024, in place of `[x400] checkpoint-size`.
    pub checkpoint_size: Option<u8>,
    /// Checkpoints that may be unconfirmed, in place of `[x400] window-size`.
    pub window_size: Option<u8>,
    /// Seconds it may take over its next step of a transfer, in place of `[x400] transfer-timeout`.
    pub transfer_timeout: Option<u64>,
    /// Whether both sides send on each association, in turn, whoever opened it. We propose that, and
    /// accept it; otherwise who opens one sends on it.
    pub two_way_alternate: bool,
    /// The selectors we say that we call from.
    pub our_t_selector: Selector,
    /// The session selector we say that we call from.
    pub our_s_selector: Selector,
    /// The presentation selector we say that we call from.
    pub our_p_selector: Selector,
    /// Whether it must call from the selectors at which we call it.
    pub check_selectors: bool,
    /// It is called over TLS, and calls over TLS only, with this certificate.
    pub tls: Option<PeerTls>,
    /// It binds, and we to it, with strong credentials in place of a password.
    pub strong: Option<PeerStrong>,
}

/// A time zone of the system's database, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Zone(TimeZone);

impl TryFrom<String> for Zone {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        TimeZone::get(&name)
            .map(Self)
            .map_err(|error| format!("{name:?} is no time zone, as Europe/London is: {error}"))
    }
}

impl From<Zone> for String {
    fn from(Zone(zone): Zone) -> Self {
        zone.iana_name().unwrap_or("UTC").to_owned()
    }
}

/// The protocol variants of P1 (X.419 clause 8).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// mts-transfer: P1 of 1988 and later in normal mode.
    #[default]
    Normal,
    /// mts-transfer-protocol: P1 of 1988 and later in X.410 mode.
    X410,
    /// mts-transfer-protocol-1984: P1 of 1984 in X.410 mode.
    #[serde(rename = "1984")]
    Of1984,
}

impl Mode {
    const ALL: [Self; 3] = [Self::Normal, Self::X410, Self::Of1984];

    /// The name the configuration uses.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::X410 => "x410",
            Self::Of1984 => "1984",
        }
    }
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = Self::ALL.into_iter().find(|mode| mode.name() == text);
        named.ok_or_else(|| format!("{text:?} is not normal, x410 or 1984"))
    }
}

impl Peer {
    /// The presentation address we call.
    #[must_use]
    pub fn address(&self) -> Address {
        Address {
            p: self.p_selector.0.clone(),
            s: self.s_selector.0.clone(),
            t: self.t_selector.0.clone(),
        }
    }

    /// The presentation address we say that we call from.
    #[must_use]
    pub fn our_address(&self) -> Address {
        Address {
            p: self.our_p_selector.0.clone(),
            s: self.our_s_selector.0.clone(),
            t: self.our_t_selector.0.clone(),
        }
    }

    /// Whether it may call from these selectors.
    #[must_use]
    pub fn accepts_selectors(&self, calling: &Address) -> bool {
        !self.check_selectors || *calling == self.address()
    }

    /// Whether there is any way to send to it.
    #[must_use]
    pub fn takes(&self) -> bool {
        !self.connect.is_empty() || self.two_way_alternate
    }

    /// How many associations we open to it at the same time.
    #[must_use]
    pub fn most_associations(&self) -> usize {
        let most = self.max_associations.unwrap_or(ASSOCIATIONS);
        most.max(self.permanent).max(1)
    }

    /// How long an association with it may stand idle; `None`: for ever. `usual`: where it has no
    /// time of its own, in seconds.
    #[must_use]
    pub fn idle_timeout(&self, usual: u64) -> Option<Duration> {
        let seconds = self.idle_timeout.unwrap_or(usual);
        (seconds > 0).then(|| Duration::from_secs(seconds))
    }

    /// How long after a call that failed the next is made. Calls are counted by it, so that there is
    /// one where there are `open-retries`.
    #[must_use]
    pub fn open_interval(&self) -> Option<Duration> {
        let usual = self.open_retries.map(|_| OPEN_INTERVAL);
        self.open_interval.or(usual).map(Duration::from_secs)
    }

    /// How long to wait before a transfer is repeated.
    #[must_use]
    pub fn transfer_interval(&self) -> Duration {
        Duration::from_secs(self.transfer_interval.unwrap_or(120))
    }

    /// The time zone of its schedule.
    #[must_use]
    pub fn zone(&self) -> TimeZone {
        match &self.time_zone {
            Some(Zone(zone)) => zone.clone(),
            None => TimeZone::system(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_peer_is_read() {
        let config: Config = toml::from_str(
            r#"
            listen = ["0.0.0.0:102"]
            [[peer]]
            name = "hub"
            connect = ["hub.example.org:102"]
            t-selector = "P1"
            s-selector = "0x0102"
            mode = "1984"
            mta = "HUB"
            accept-from = ["192.0.2.0/24"]
            routes = ["/PRMD=*/ADMD=HUB/C=GB/"]
            "#,
        )
        .unwrap();
        let hub = &config.peer[0];
        assert_eq!(hub.address().t, "P1");
        assert_eq!(hub.address().s, &[1, 2][..]);
        assert_eq!(hub.mode, Mode::Of1984);
        assert!(hub.accepts_from("192.0.2.9".parse().unwrap()));
        assert!(hub.accepts_from("::ffff:192.0.2.9".parse().unwrap()));
        assert!(!hub.accepts_from("192.0.3.9".parse().unwrap()));
        let shown = toml::to_string(&config).unwrap();
        assert_eq!(toml::from_str::<Config>(&shown).unwrap(), config);
    }

    #[test]
    fn a_key_or_value_that_means_nothing_is_refused() {
        assert!(toml::from_str::<Config>("listens = []").is_err());
        for wrong in [
            "t-selector = \"0x1\"",
            "t-selector = \"0xé1\"",
            "accept-from = [\"10/8\"]",
            "mode = \"1988\"",
        ] {
            assert!(
                toml::from_str::<Config>(&format!("[[peer]]\n{wrong}")).is_err(),
                "{wrong}"
            );
        }
    }

    #[test]
    fn nobody_else_reaches_a_listener_that_is_not_configured() {
        assert_eq!(Config::default().listen, ["127.0.0.1:102"]);
    }
}
