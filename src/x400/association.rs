//! Who may have an association with us, and what is said when one is opened (X.411 clause 12.1.1,
//! X.419 clauses 9 and 10); no I/O.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use rustls::pki_types::CertificateDer;

use super::bind::{self, Bind};
use super::config::{self, Config, Passwords, Peer};
use super::failure::{Failure, Step};
use super::standing::Standing;
use super::tls::{Side, Tls};
use crate::asn1;
use crate::asn1::mta::MTABindError;
use crate::asn1::oids::{ID_AC_MTS_TRANSFER, ID_AS_MTA_RTSE, ID_AS_MTSE};
use crate::asn1::types::{OctetString, TeletexString, UTCTime};
use crate::network::Network;
use crate::osi::rtse::{Contexts, Dialogue, Mode, Open, OpenResponse, RefuseReason};
use crate::osi::spdu::ConnectionIdentifier;
use crate::osi::stack;

/// What is spoken on an association for P1 in normal mode (X.419 clause 9).
#[must_use]
pub fn contexts() -> Contexts {
    Contexts {
        application_context: ID_AC_MTS_TRANSFER,
        rtse: ID_AS_MTA_RTSE,
        user: ID_AS_MTSE,
    }
}

/// The application protocols of X.410 mode (X.419 clause 11).
const MTS_TRANSFER_PROTOCOL: i64 = 12;
const MTS_TRANSFER_PROTOCOL_1984: i64 = 1;

/// How the layers below speak a variant of P1.
fn below(variant: config::Mode) -> Mode {
    let application_protocol = match variant {
        config::Mode::Normal => return Mode::Normal(contexts()),
        config::Mode::X410 => MTS_TRANSFER_PROTOCOL,
        config::Mode::Of1984 => MTS_TRANSFER_PROTOCOL_1984,
    };
    Mode::X410 {
        application_protocol,
    }
}

/// The variant of P1 that a caller speaks; one known system swaps the octets of the number.
fn variant(below: &Mode) -> Result<config::Mode, String> {
    let Mode::X410 {
        application_protocol,
    } = *below
    else {
        return Ok(config::Mode::Normal);
    };
    let is = |number: i64| [number, number << 8].contains(&application_protocol);
    if is(MTS_TRANSFER_PROTOCOL) {
        Ok(config::Mode::X410)
    } else if is(MTS_TRANSFER_PROTOCOL_1984) {
        Ok(config::Mode::Of1984)
    } else {
        Err(format!(
            "application protocol {application_protocol} is not P1"
        ))
    }
}

/// Ourselves and the MTAs we know.
#[derive(Debug)]
pub struct Directory {
    /// Our MTA name.
    mta: String,
    config: Config,
    /// The passwords of each peer, in the order of the configuration.
    passwords: Vec<Passwords>,
    /// How we stand with each peer, in the same order.
    standings: Vec<Arc<Standing>>,
    tls: Option<Tls>,
    /// How many associations there were, to number them.
    associations: AtomicU64,
}

/// A caller that is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Welcome {
    /// The name of the configured peer; `None` for a stranger that lenience lets in.
    pub peer: Option<String>,
    /// The MTA name it said.
    pub mta: String,
    /// The protocol variant it speaks.
    pub mode: config::Mode,
    /// Whether we send, too, on what it opens.
    pub sends: bool,
    /// What is to be answered.
    pub response: OpenResponse,
}

/// A caller that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unwelcome {
    /// What is to be answered.
    pub response: OpenResponse,
    /// Why, in words for the log.
    pub explanation: String,
}

impl Directory {
    /// Reads the passwords of every peer.
    ///
    /// # Errors
    /// A password file that cannot be read.
    pub fn new(config: Config, mta: &str) -> Result<Self, config::Error> {
        let passwords = config
            .peer
            .iter()
            .map(Peer::passwords)
            .collect::<Result<_, _>>()?;
        Ok(Self {
            mta: mta.to_owned(),
            tls: config.tls.as_ref().map(Tls::new).transpose()?,
            standings: config.peer.iter().map(|_| Arc::default()).collect(),
            config,
            passwords,
            associations: AtomicU64::new(0),
        })
    }

    /// The number of a new association.
    pub(super) fn number(&self) -> u64 {
        self.associations.fetch_add(1, Ordering::Relaxed)
    }

    /// TLS, if it is configured.
    #[must_use]
    pub fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    /// Whether the certificates shown on a connection are the peer's, if it is known by one.
    fn judge_certificate(&self, peer: &Peer, shown: &[CertificateDer<'_>]) -> Result<(), String> {
        match (&peer.tls, &self.tls) {
            (None, _) => Ok(()),
            (Some(wanted), Some(tls)) => tls.judge(wanted, shown, Side::Caller),
            (Some(_), None) => Err("there is no [x400.tls]".to_owned()),
        }
    }

    /// How we stand with the configured peer of this name.
    #[must_use]
    pub fn standing(&self, name: &str) -> Option<&Arc<Standing>> {
        let mut peers = self.config.peer.iter().zip(&self.standings);
        peers.find(|(peer, _)| peer.name == name).map(|(_, it)| it)
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The configured peer of this name.
    #[must_use]
    pub fn peer(&self, name: &str) -> Option<&Peer> {
        self.config.peer.iter().find(|peer| peer.name == name)
    }

    /// The peers and their passwords.
    fn peers(&self) -> impl Iterator<Item = (&Peer, &Passwords)> {
        self.config.peer.iter().zip(&self.passwords)
    }

    /// Whether a peer's configuration says that this address is its own.
    #[must_use]
    pub fn knows(&self, address: IpAddr) -> bool {
        self.config.peer.iter().any(|peer| {
            let everywhere = peer.accept_from.iter().any(Network::is_everything);
            !everywhere && peer.is_at(address)
        })
    }

    /// How every layer of an association is configured on which we call this peer; without one, we
    /// are the one called, and do not know yet by whom.
    #[must_use]
    pub fn stack(&self, peer: Option<&Peer>) -> stack::Config {
        let seconds = Duration::from_secs;
        let mut stack = stack::Config::new(contexts());
        let open = seconds(self.config.open_timeout);
        stack.transport.connect_timeout = open;
        stack.session.connect_timeout = open;
        stack.transfer_timeout = self.config.rts(peer).transfer_timeout;
        if peer.is_none() {
            stack.idle_timeout = Some(seconds(self.config.idle_timeout.saturating_mul(2)));
            let only = |selector: &config::Selector| match selector.0.is_empty() {
                true => Vec::new(),
                false => vec![selector.0.clone()],
            };
            stack.transport.selectors = only(&self.config.t_selector);
            stack.session.selectors = only(&self.config.s_selector);
            stack.presentation.selectors = only(&self.config.p_selector);
        }
        stack
    }

    /// The parameters of RT-OPEN towards a peer; `at` is UTCTime, `YYMMDDhhmmssZ`.
    #[must_use]
    pub fn open(&self, peer: &Peer, at: &str) -> Open {
        let passwords = self.peers().find(|(known, _)| known.name == peer.name);
        let bind = Bind {
            mta: peer.our_mta.clone().unwrap_or_else(|| self.mta.clone()),
            password: passwords
                .map(|(_, passwords)| passwords.ours.clone())
                .unwrap_or_default(),
        };
        // The reference is at most 64 octets with its header (X.225 8.3.1).
        let reference: String = bind.mta.chars().take(60).filter(char::is_ascii).collect();
        let rts = self.config.rts(Some(peer));
        Open {
            mode: below(peer.mode),
            called: peer.address(),
            calling: peer.our_address(),
            checkpoint_size: rts.checkpoint_size,
            window_size: rts.window_size,
            dialogue: match peer.two_way_alternate {
                true => Dialogue::TwoWayAlternate,
                false => Dialogue::Monologue,
            },
            initiator_has_turn: true,
            identifier: ConnectionIdentifier {
                // T.61 in X.410 mode, octets in normal mode (X.228 clause 8).
                ss_user_reference: match peer.mode {
                    config::Mode::Normal => asn1::encode(&OctetString::from(reference.as_bytes())),
                    config::Mode::X410 | config::Mode::Of1984 => {
                        asn1::encode(&TeletexString::from(reference.as_bytes()))
                    }
                },
                common_reference: asn1::encode(&UTCTime::from(at)),
                additional_reference: Bytes::new(),
            },
            user_data: bind::argument(peer.mode, &bind),
        }
    }

    /// Judges a caller by its bind and where it calls from.
    ///
    /// # Errors
    /// It is refused.
    pub fn judge(
        &self,
        open: &Open,
        from: SocketAddr,
        shown: &[CertificateDer<'_>],
    ) -> Result<Welcome, Box<Unwelcome>> {
        let refuse = |error, explanation: String| {
            Err(Box::new(Unwelcome {
                response: refuse(error),
                explanation,
            }))
        };
        let mode = match variant(&open.mode) {
            Ok(mode) => mode,
            Err(explanation) => return refuse(MTABindError::AUTHENTICATION_ERROR, explanation),
        };
        let said = match bind::read_argument(&open.user_data) {
            Ok(said) => said,
            // A tool that accepts anything accepts this as nobody in particular.
            Err(_) if self.config.lenient => Bind::default(),
            Err(error) => {
                return refuse(MTABindError::AUTHENTICATION_ERROR, error.to_string());
            }
        };
        let named: Vec<_> = self
            .peers()
            .filter(|(peer, _)| !peer.mta.is_empty() && peer.mta == said.mta)
            .collect();
        let known = named.iter().find(|(peer, passwords)| {
            let expected = passwords.theirs.as_ref();
            (peer.mode == mode || self.config.lenient)
                && peer.accepts_from(from.ip())
                && peer.accepts_selectors(&open.calling)
                && self.judge_certificate(peer, shown).is_ok()
                && expected.is_none_or(|expected| same(expected, &said.password))
        });
        let answer = match known {
            Some((peer, passwords)) => Bind {
                mta: peer.our_mta.clone().unwrap_or_else(|| self.mta.clone()),
                password: passwords.ours.clone(),
            },
            None if self.config.lenient => Bind {
                mta: self.mta.clone(),
                password: Vec::new(),
            },
            None => {
                let explanation = match named.first() {
                    None => format!("no peer has the MTA name {:?}", said.mta),
                    Some(_) if named.iter().all(|(peer, _)| peer.mode != mode) => {
                        let mode = mode.name();
                        format!(
                            "{:?} calls in mode {mode}, for which no peer is configured",
                            said.mta
                        )
                    }
                    Some((peer, _)) if !peer.accepts_from(from.ip()) => {
                        format!("{:?} does not call from {}", said.mta, from.ip())
                    }
                    Some((peer, _)) if !peer.accepts_selectors(&open.calling) => {
                        format!("{:?} does not call from {:?}", said.mta, open.calling)
                    }
                    Some((peer, _)) if let Err(why) = self.judge_certificate(peer, shown) => {
                        format!("{:?}: {why}", said.mta)
                    }
                    Some(_) => format!("{:?} gave another password than expected", said.mta),
                };
                return refuse(MTABindError::AUTHENTICATION_ERROR, explanation);
            }
        };
        let peer = known.map(|(peer, _)| *peer);
        let sends = match open.dialogue {
            Dialogue::TwoWayAlternate => peer.is_some_and(|peer| peer.two_way_alternate),
            Dialogue::Monologue => peer.is_some() && !open.initiator_has_turn,
        };
        // RTOAC cannot say that a monologue would do: there is yes and no (X.228 clause 7.1).
        if open.dialogue == Dialogue::TwoWayAlternate && !sends && !self.config.lenient {
            let explanation = format!(
                "{:?} proposes two-way alternate, which this peer is not configured for",
                said.mta
            );
            return refuse(MTABindError::UNACCEPTABLE_DIALOGUE_MODE, explanation);
        }
        let rts = self.config.rts(peer);
        Ok(Welcome {
            peer: peer.map(|peer| peer.name.clone()),
            mta: said.mta,
            mode,
            sends,
            response: OpenResponse::Accept {
                checkpoint_size: rts.checkpoint_size,
                window_size: rts.window_size,
                user_data: bind::result(mode, &answer),
            },
        })
    }

    /// Judges who answered our call by its bind result; its MTA name.
    ///
    /// # Errors
    /// It is not the peer we called.
    pub fn judge_responder(&self, peer: &Peer, user_data: &Bytes) -> Result<String, Failure> {
        let said = match bind::read_result(user_data) {
            Ok(said) => said,
            Err(_) if self.config.lenient => return Ok(String::new()),
            Err(error) => {
                let advice = "What answers there does not bind as an MTA does. Ask the peer's \
                    postmaster for the address and mode of its MTA.";
                return Err(Failure::new(Step::Responder, error.to_string(), advice));
            }
        };
        let passwords = self.peers().find(|(known, _)| known.name == peer.name);
        let expected = passwords.and_then(|(_, passwords)| passwords.theirs.as_ref());
        if self.config.lenient {
            Ok(said.mta)
        } else if !peer.mta.is_empty() && said.mta != peer.mta {
            let advice = "Another MTA answers at this address, or mta of this peer is not what it \
                calls itself (capitals count). Ask its postmaster; then correct mta or connect.";
            let what = format!("{:?} answered, not {:?}", said.mta, peer.mta);
            Err(Failure::new(Step::Responder, what, advice))
        } else if expected.is_some_and(|expected| !same(expected, &said.password)) {
            let advice = "The peer accepted us, but does not prove to be who it is: agree with \
                its postmaster on the password in peer-password-file.";
            let what = format!("{:?} gave another password than expected", said.mta);
            Err(Failure::new(Step::Responder, what, advice))
        } else {
            Ok(said.mta)
        }
    }
}

/// The answer to a caller who is refused; one who is told that we are busy may come again.
#[must_use]
pub fn refuse(error: MTABindError) -> OpenResponse {
    OpenResponse::Refuse {
        reason: match error {
            MTABindError::BUSY => RefuseReason::RTSBUSY,
            MTABindError::UNACCEPTABLE_DIALOGUE_MODE => RefuseReason::UNACCEPTABLEDIALOGUEMODE,
            _ => RefuseReason::VALIDATIONFAILURE,
        },
        user_data: bind::error(error),
    }
}

/// Compares passwords in a time that does not tell where they differ.
fn same(expected: &[u8], given: &[u8]) -> bool {
    let differences = expected
        .iter()
        .zip(given)
        .fold(0, |all, (a, b)| all | (a ^ b));
    expected.len() == given.len() && differences == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(lenient: bool) -> Directory {
        let peer = |name: &str, accept_from: &str| Peer {
            name: name.to_owned(),
            mta: name.to_uppercase(),
            accept_from: vec![accept_from.parse().unwrap()],
            ..Peer::default()
        };
        let config = Config {
            lenient,
            peer: vec![peer("hub", "192.0.2.0/24"), peer("spoke", "0.0.0.0/0")],
            ..Config::default()
        };
        let mut directory = Directory::new(config, "GW").unwrap();
        directory.passwords[0] = Passwords {
            ours: b"ours".to_vec(),
            theirs: Some(b"theirs".to_vec()),
        };
        directory
    }

    fn call(
        directory: &Directory,
        mta: &str,
        password: &[u8],
        from: &str,
    ) -> Result<Welcome, String> {
        let bind = Bind {
            mta: mta.to_owned(),
            password: password.to_vec(),
        };
        let mut open = directory.open(&directory.config.peer[0], "261122045628Z");
        open.user_data = bind::argument(directory.config.peer[0].mode, &bind);
        let from: SocketAddr = format!("{from}:999").parse().unwrap();
        directory.judge(&open, from, &[]).map_err(|unwelcome| {
            let OpenResponse::Refuse { reason, user_data } = unwelcome.response else {
                panic!()
            };
            assert_eq!(
                bind::read_error(&user_data).unwrap(),
                MTABindError::AUTHENTICATION_ERROR
            );
            assert_eq!(reason, RefuseReason::VALIDATIONFAILURE);
            unwelcome.explanation
        })
    }

    #[test]
    fn x411_12_1_1_a_bind_must_match_a_peer() {
        let directory = directory(false);
        let welcome = call(&directory, "HUB", b"theirs", "192.0.2.7").unwrap();
        assert_eq!(welcome.peer.as_deref(), Some("hub"));
        let OpenResponse::Accept { user_data, .. } = welcome.response else {
            panic!()
        };
        let said = bind::read_result(&user_data).unwrap();
        assert_eq!(
            (said.mta.as_str(), said.password.as_slice()),
            ("GW", &b"ours"[..])
        );
        // A peer without a password file may give any.
        assert!(call(&directory, "SPOKE", b"whatever", "198.51.100.1").is_ok());
        for (mta, password, from, says) in [
            ("HUB", &b"wrong"[..], "192.0.2.7", "password"),
            ("HUB", b"theirs2", "192.0.2.7", "password"),
            ("HUB", b"", "192.0.2.7", "password"),
            ("HUB", b"theirs", "198.51.100.1", "call from"),
            ("NOBODY", b"theirs", "192.0.2.7", "no peer"),
            ("", b"", "192.0.2.7", "no peer"),
        ] {
            let why = call(&directory, mta, password, from).unwrap_err();
            assert!(why.contains(says), "{why}");
            assert!(!why.contains("theirs"), "a password does not reach the log");
        }
    }

    #[test]
    fn lenience_takes_strangers_but_gives_them_no_password() {
        let directory = directory(true);
        let welcome = call(&directory, "NOBODY", b"x", "192.0.2.7").unwrap();
        assert_eq!((welcome.peer, welcome.mta.as_str()), (None, "NOBODY"));
        let OpenResponse::Accept { user_data, .. } = welcome.response else {
            panic!()
        };
        assert!(bind::read_result(&user_data).unwrap().password.is_empty());
        assert_eq!(
            call(&directory, "HUB", b"wrong", "192.0.2.7").unwrap().peer,
            None
        );
    }

    #[test]
    fn x419_11_a_peer_speaks_the_variant_it_is_configured_for() {
        use config::Mode::{Normal, Of1984, X410};
        let from: SocketAddr = "192.0.2.7:999".parse().unwrap();
        for (configured, called, lenient, welcome) in [
            (X410, X410, false, true),
            (Of1984, Of1984, false, true),
            (Normal, X410, false, false),
            (X410, Of1984, false, false),
            (Of1984, Normal, false, false),
            (Of1984, X410, true, true),
        ] {
            let mut directory = directory(lenient);
            let mut caller = directory.config.peer[0].clone();
            directory.config.peer[0].mode = configured;
            caller.mode = called;
            let mut open = directory.open(&caller, "261122045628Z");
            let bind = Bind {
                mta: "HUB".to_owned(),
                password: b"theirs".to_vec(),
            };
            open.user_data = bind::argument(called, &bind);
            let judged = directory.judge(&open, from, &[]);
            let named = judged.as_ref().map(|w| (w.peer.as_deref(), w.mode));
            assert_eq!(judged.is_ok(), welcome, "{judged:?}");
            if welcome {
                assert_eq!(named, Ok((Some("hub"), called)));
            }
        }
    }

    #[test]
    fn x419_11_application_protocols() {
        use config::Mode;
        let of = |application_protocol| {
            variant(&super::Mode::X410 {
                application_protocol,
            })
        };
        assert_eq!(of(12), Ok(Mode::X410));
        assert_eq!(of(1), Ok(Mode::Of1984));
        assert_eq!(of(0x0c00), Ok(Mode::X410), "as captured");
        for other in [0, 3, 13, -1, i64::MAX] {
            assert!(of(other).unwrap_err().contains("not P1"), "{other}");
        }
    }

    #[test]
    fn the_responder_must_be_the_peer_called() {
        let directory = directory(false);
        let hub = directory.peer("hub").unwrap();
        let judge = |mta: &str, password: &[u8]| {
            let bind = Bind {
                mta: mta.to_owned(),
                password: password.to_vec(),
            };
            directory.judge_responder(hub, &bind::result(hub.mode, &bind))
        };
        assert_eq!(judge("HUB", b"theirs"), Ok("HUB".to_owned()));
        assert!(
            judge("SPOKE", b"theirs")
                .unwrap_err()
                .what
                .contains("answered")
        );
        assert!(judge("HUB", b"").unwrap_err().what.contains("password"));
    }
}
