//! What an operator may set about SMTP: the `[smtp]` table of the configuration.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::network::{Network, serde_as_text};

/// The `[smtp]` table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// Where mail is taken in; empty: nowhere.
    pub listen: Vec<SocketAddr>,
    /// The MTA that all mail for the Internet is given to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relay: Option<Destination>,
    /// Whether mail goes to the exchangers of its domain instead (RFC 5321 section 5).
    pub mx: bool,
    /// Who may relay through us.
    pub trusted: Vec<Network>,
    /// Bounds on what a peer may ask for.
    pub limits: Limits,
    /// How long we wait for a peer.
    pub timeouts: Timeouts,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 25))],
            relay: None,
            mx: false,
            trusted: vec![
                Network::new([127, 0, 0, 0].into(), 8),
                Network::new(IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]), 128),
            ],
            limits: Limits::default(),
            timeouts: Timeouts::default(),
        }
    }
}

/// What in a [`Config`] contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Both ways out are set.
    #[error("[smtp] relay and mx = true exclude each other: mail leaves by one of them")]
    RelayAndMx,
    /// There is no resolver.
    #[error("[smtp] mx = true needs a DNS resolver, which this version has not: name a relay")]
    MxWithoutResolver,
    /// A limit of nothing.
    #[error("[smtp.limits] {0} must not be 0")]
    Zero(&'static str),
}

impl Config {
    /// Whether `peer` may relay through us.
    #[must_use]
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(peer))
    }

    /// Finds what the types cannot say.
    ///
    /// # Errors
    /// The first contradiction.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.mx {
            return Err(match self.relay {
                Some(_) => ConfigError::RelayAndMx,
                None => ConfigError::MxWithoutResolver,
            });
        }
        let limits = &self.limits;
        for (name, is_zero) in [
            ("message-size", limits.message_size == 0),
            ("recipients", limits.recipients == 0),
            ("line", limits.line == 0),
            ("connections", limits.connections == 0),
            (
                "connections-per-address",
                limits.connections_per_address == 0,
            ),
            ("errors", limits.errors == 0),
            ("outgoing", limits.outgoing == 0),
        ] {
            if is_zero {
                return Err(ConfigError::Zero(name));
            }
        }
        Ok(())
    }
}

/// The `[smtp.limits]` table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Limits {
    /// The largest message taken in, in octets; announced by SIZE (RFC 1870).
    pub message_size: u64,
    /// Recipients of one message; RFC 5321 section 4.5.3.1.8 asks for 100 at least.
    pub recipients: usize,
    /// Octets of a command line, its CRLF included; RFC 5321 section 4.5.3.1.4 asks for 512 at
    /// least, and the paths and ORCPT of a MIXER gateway are longer.
    pub line: usize,
    /// Connections at one time.
    pub connections: usize,
    /// Connections at one time from one address that is not trusted.
    pub connections_per_address: usize,
    /// Commands a peer may get wrong before it is shown the door.
    pub errors: u32,
    /// Connections to one destination at one time.
    pub outgoing: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_size: 100 * 1024 * 1024,
            recipients: 1000,
            line: 8192,
            connections: 500,
            connections_per_address: 20,
            errors: 20,
            outgoing: 20,
        }
    }
}

/// The `[smtp.timeouts]` table, in seconds; the defaults are those of RFC 5321 section 4.5.3.2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Timeouts {
    /// Server: the next command (4.5.3.2.7).
    pub command: u64,
    /// Server: more of a message that is being sent (4.5.3.2.5).
    pub data_block: u64,
    /// Server: all of a message.
    pub data: u64,
    /// Server: the sessions that still run when the service stops.
    pub shutdown: u64,
    /// Client: a connection.
    pub connect: u64,
    /// Client: the greeting (4.5.3.2.1).
    pub greeting: u64,
    /// Client: the reply to MAIL and RCPT (4.5.3.2.2, 4.5.3.2.3).
    pub reply: u64,
    /// Client: the 354 (4.5.3.2.4).
    pub data_initiation: u64,
    /// Client: a block of a message to be taken (4.5.3.2.5).
    pub data_write: u64,
    /// Client: the reply to a message (4.5.3.2.6).
    pub data_termination: u64,
    /// Client: how long an idle connection is kept for the next message.
    pub idle: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            command: 300,
            data_block: 180,
            data: 3600,
            shutdown: 30,
            connect: 30,
            greeting: 300,
            reply: 300,
            data_initiation: 120,
            data_write: 180,
            data_termination: 600,
            idle: 10,
        }
    }
}

impl Timeouts {
    /// `seconds` of this table as a span of time.
    #[must_use]
    pub fn span(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }
}

serde_as_text!(Destination);

/// A host and port to send to: `mail.example.org:25`, `192.0.2.1`, `[2001:db8::1]:25`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Destination {
    /// A domain name or an address.
    pub host: String,
    /// The port; 25 when not said.
    pub port: u16,
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl From<SocketAddr> for Destination {
    fn from(address: SocketAddr) -> Self {
        Self {
            host: address.ip().to_string(),
            port: address.port(),
        }
    }
}

/// A text is no [`Destination`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no host:port (host.example:25, 192.0.2.1:25, [2001:db8::1]:25)")]
pub struct NotADestination(String);

impl FromStr for Destination {
    type Err = NotADestination;

    fn from_str(text: &str) -> Result<Self, NotADestination> {
        let fault = || NotADestination(text.to_owned());
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(address.into());
        }
        let bare = text
            .strip_prefix('[')
            .and_then(|t| t.strip_suffix(']'))
            .unwrap_or(text);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Ok(SocketAddr::new(address, 25).into());
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().map_err(|_| fault())?),
            None => (text, 25),
        };
        let of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        if host.is_empty() || host.len() > 255 || !host.chars().all(of_name) || port == 0 {
            return Err(fault());
        }
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_reads_and_refuses_unknown_keys() {
        let config: Config = toml::from_str(
            "listen = [\"0.0.0.0:25\"]\nrelay = \"mail.example.org:25\"\ntrusted = [\"10.0.0.0/8\"]\n\
             [limits]\nmessage-size = 1000\n[timeouts]\ncommand = 5\n",
        )
        .unwrap();
        assert_eq!(
            config.relay.as_ref().unwrap().to_string(),
            "mail.example.org:25"
        );
        assert_eq!(
            (config.limits.message_size, config.timeouts.command),
            (1000, 5)
        );
        assert!(config.trusts([10, 1, 2, 3].into()) && !config.trusts([127, 0, 0, 1].into()));
        assert!(toml::from_str::<Config>("listne = []").is_err());
        let written = toml::to_string(&config).unwrap();
        assert_eq!(
            toml::from_str::<Config>(&written).unwrap(),
            config,
            "{written}"
        );
    }

    #[test]
    fn trust_is_loopback_unless_said_otherwise() {
        let config = Config::default();
        assert!(config.trusts([127, 3, 2, 1].into()));
        assert!(config.trusts("::1".parse().unwrap()));
        assert!(config.trusts("::ffff:127.0.0.1".parse().unwrap()));
        assert!(!config.trusts("::2".parse().unwrap()) && !config.trusts([10, 0, 0, 1].into()));
    }

    #[test]
    fn contradictions_are_found() {
        let relay = Some("a.example".parse().unwrap());
        let both = Config {
            relay,
            mx: true,
            ..Config::default()
        };
        assert_eq!(both.check(), Err(ConfigError::RelayAndMx));
        let mx = Config {
            mx: true,
            ..Config::default()
        };
        assert_eq!(mx.check(), Err(ConfigError::MxWithoutResolver));
        let mut none = Config::default();
        none.limits.errors = 0;
        assert_eq!(none.check(), Err(ConfigError::Zero("errors")));
        assert_eq!(Config::default().check(), Ok(()));
    }

    #[test]
    fn destinations() {
        for (text, shown) in [
            ("a.example", "a.example:25"),
            ("127.0.0.1:2525", "127.0.0.1:2525"),
            ("[2001:db8::1]:26", "[2001:db8::1]:26"),
            ("2001:db8::1", "[2001:db8::1]:25"),
            ("[2001:db8::1]", "[2001:db8::1]:25"),
        ] {
            assert_eq!(text.parse::<Destination>().unwrap().to_string(), shown);
        }
        for text in ["", ":25", "a b:25", "a:x", "a:0", "a:70000"] {
            assert!(text.parse::<Destination>().is_err(), "{text}");
        }
    }
}
