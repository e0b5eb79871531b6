//! By what a peer is known: passwords, certificates and where it calls from (X.411 clause 12.1.1).

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use super::config::{Mode, Peer};
use super::{strong, tls};
use crate::network::Network;

/// A fault in the configuration of a peer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of `[x400.tls]` or `[x400.strong]` cannot be used.
    #[error(transparent)]
    Tls(#[from] tls::Error),
    /// A peer is known by a certificate that cannot be judged.
    #[error("peer {peer}: {fault}")]
    Certificate {
        /// The peer's name.
        peer: String,
        /// Why it cannot.
        fault: &'static str,
    },
    /// The password to be expected is empty: anyone would know it.
    #[error("peer {peer}: the peer-password-file is empty")]
    NoPassword {
        /// The peer's name.
        peer: String,
    },
    /// A password file cannot be read.
    #[error("peer {peer}: {key} {}: {source}", path.display())]
    Password {
        /// The peer's name.
        peer: String,
        /// Which key names the file.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

/// The two passwords of a peer; `Debug` shows neither.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Passwords {
    /// What we say.
    pub ours: Vec<u8>,
    /// What we expect; `None` takes any.
    pub theirs: Option<Vec<u8>>,
}

impl std::fmt::Debug for Passwords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passwords(..)")
    }
}

impl Peer {
    /// Whether its certificate can be judged.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn check_tls(&self, ours: Option<&tls::Config>) -> Result<(), Error> {
        let fault = match (&self.tls, ours) {
            (None, _) => return Ok(()),
            (Some(_), None) => "tls needs [x400.tls] with our own certificate and key",
            (Some(tls), _) if tls.name.is_none() && tls.fingerprints.is_empty() => {
                "tls needs a name or fingerprints, by which its certificate is known"
            }
            (Some(tls), Some(ours)) if tls.name.is_some() && ours.authorities.is_none() => {
                "tls name needs [x400.tls] authorities, who vouch for it"
            }
            _ => return Ok(()),
        };
        Err(Error::Certificate {
            peer: self.name.clone(),
            fault,
        })
    }

    /// Whether its strong credentials can be judged, and ours be made.
    ///
    /// # Errors
    /// Why they cannot.
    pub fn check_strong(&self, ours: Option<&strong::Config>) -> Result<(), Error> {
        let fault = match (&self.strong, ours) {
            (None, _) => return Ok(()),
            (Some(_), None) => "strong needs [x400.strong] with our own certificate and key",
            (Some(_), _) if self.mode != Mode::Normal => {
                "strong needs mode normal: a bind of another mode has no room for it"
            }
            (Some(_), _) if self.mta.is_empty() => "strong needs mta, whom our tokens are for",
            (Some(strong), Some(ours))
                if strong.needs_authorities() && ours.authorities.is_none() =>
            {
                "strong needs fingerprints, or [x400.strong] authorities who vouch for a name"
            }
            _ => return Ok(()),
        };
        Err(Error::Certificate {
            peer: self.name.clone(),
            fault,
        })
    }

    /// Whether it proves in each call who it is: by a password, a certificate or strong credentials.
    fn proves(&self) -> bool {
        let strong = self.strong.as_ref().is_some_and(|strong| strong.demand);
        strong || self.tls.is_some() || self.peer_password_file.is_some()
    }

    /// Reads the peer's passwords; a line end after one does not count.
    ///
    /// # Errors
    /// A file that cannot be read, or an empty one for the password to be expected.
    pub fn passwords(&self) -> Result<Passwords, Error> {
        let read = |key, path: &Option<PathBuf>| match path {
            None => Ok(None),
            Some(path) => match fs::read(path) {
                Ok(mut password) => {
                    let end = password.iter().rposition(|o| !matches!(o, b'\r' | b'\n'));
                    password.truncate(end.map_or(0, |at| at + 1));
                    Ok(Some(password))
                }
                Err(source) => Err(Error::Password {
                    peer: self.name.clone(),
                    key,
                    path: path.clone(),
                    source,
                }),
            },
        };
        let ours = read("password-file", &self.password_file)?.unwrap_or_default();
        let theirs = read("peer-password-file", &self.peer_password_file)?;
        if theirs.as_ref().is_some_and(Vec::is_empty) {
            return Err(Error::NoPassword {
                peer: self.name.clone(),
            });
        }
        Ok(Passwords { ours, theirs })
    }

    /// Whether it may call from this address.
    #[must_use]
    pub fn accepts_from(&self, address: IpAddr) -> bool {
        let any = self.accept_from.is_empty() && self.proves();
        any || self.is_at(address)
    }

    /// Whether the configuration says that this address is the peer's.
    #[must_use]
    pub fn is_at(&self, address: IpAddr) -> bool {
        if self.accept_from.is_empty() {
            let connect = self.connect.iter().filter_map(|to| to.parse().ok());
            let mut addresses = connect.map(|to: SocketAddr| to.ip().to_canonical());
            return addresses.any(|ours| ours == address.to_canonical());
        }
        self.accept_from
            .iter()
            .any(|network| network.contains(address))
    }

    /// Whether there is anything by which it is known when it calls.
    #[must_use]
    pub fn may_call(&self) -> bool {
        let by_address = self
            .connect
            .iter()
            .any(|to| to.parse::<SocketAddr>().is_ok());
        let known = self.proves() || !self.accept_from.is_empty() || by_address;
        known && !self.mta.is_empty()
    }

    /// Whether anyone who knows its MTA name is taken for it.
    #[must_use]
    pub fn is_anyone(&self) -> bool {
        !self.proves() && self.accept_from.iter().any(Network::is_everything)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_identified_by_password_or_by_where_it_calls_from() {
        let here = "192.0.2.9".parse().unwrap();
        let elsewhere = "198.51.100.1".parse().unwrap();
        let accepts = |peer: &Peer| [here, elsewhere].map(|from| peer.accepts_from(from));
        let mut peer = Peer::default();
        assert_eq!(accepts(&peer), [false, false], "nothing identifies it");
        peer.connect = vec!["hub.example.org:102".to_owned()];
        assert_eq!(
            accepts(&peer),
            [false, false],
            "a name in DNS identifies nobody"
        );
        peer.connect.push("192.0.2.9:102".to_owned());
        assert_eq!(
            accepts(&peer),
            [true, false],
            "it calls from where we call it"
        );
        peer.peer_password_file = Some("theirs".into());
        assert_eq!(accepts(&peer), [true, true], "its password is enough");
        peer.accept_from = vec!["198.51.100.0/24".parse().unwrap()];
        assert_eq!(accepts(&peer), [false, true], "both are asked for");
        peer.accept_from.push("0.0.0.0/0".parse().unwrap());
        assert!(!peer.is_anyone(), "it has a password");
        let empty = tempfile::NamedTempFile::new().unwrap();
        peer.peer_password_file = Some(empty.path().to_owned());
        assert!(matches!(peer.passwords(), Err(Error::NoPassword { .. })));
        peer.peer_password_file = None;
        assert!(peer.is_anyone());
        peer.tls = Some(tls::PeerTls::default());
        assert!(!peer.is_anyone(), "it has a certificate");
        peer.accept_from.clear();
        peer.connect = vec!["hub.example.org:102".to_owned()];
        assert_eq!(accepts(&peer), [true, true], "its certificate is enough");
    }
}
