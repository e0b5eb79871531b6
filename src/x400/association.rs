//! Who may have an association with us, and what is said when one is opened (X.411 clause 12.1.1,
//! X.419 clauses 9 and 10); no I/O.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use tokio::sync::watch;

use super::bind::{self, Bind};
use super::config::{self, Config, Passwords, Peer};
use super::failure::{Failure, Step};
use super::standing::Standing;
use super::strong::{Fault, Strong, Us};
use super::tls::{Side, Tls};
use crate::asn1;
use crate::asn1::mta::MTABindError;
use crate::asn1::mts::{GlobalDomainIdentifier, StrongCredentials};
use crate::asn1::oids::{ID_AC_MTS_TRANSFER, ID_AS_MTA_RTSE, ID_AS_MTSE};
use crate::asn1::types::{OctetString, TeletexString, UTCTime};
use crate::network::Network;
use crate::osi::presentation::Address;
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
    /// Our domains, as far as they are known.
    domains: Vec<GlobalDomainIdentifier>,
    config: Config,
    /// The passwords of each peer, in the order of the configuration.
    passwords: Vec<Passwords>,
    /// How we stand with each peer, in the same order.
    standings: Vec<Arc<Standing>>,
    /// That one of them may be called before its time.
    mended: watch::Sender<()>,
    tls: Option<Tls>,
    /// How many associations there were, to number them.
    associations: AtomicU64,
    strong: Option<Strong>,
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
    /// Reads the passwords of every peer, our keys and certificates.
    ///
    /// # Errors
    /// A file that cannot be read, or is not what it should be.
    pub fn new(config: Config, mta: &str) -> Result<Self, config::Error> {
        let passwords = config
            .peer
            .iter()
            .map(Peer::passwords)
            .collect::<Result<_, _>>()?;
        let mended = watch::Sender::default();
        let standings = config.peer.iter();
        let standings = standings.map(|_| Arc::new(Standing::new(mended.clone())));
        Ok(Self {
            mta: mta.to_owned(),
            domains: Vec::new(),
            strong: config.strong.as_ref().map(Strong::new).transpose()?,
            tls: config.tls.as_ref().map(Tls::new).transpose()?,
            standings: standings.collect(),
            mended,
            config,
            passwords,
            associations: AtomicU64::new(0),
        })
    }

    /// The number of a new association.
    pub(super) fn number(&self) -> u64 {
        self.associations.fetch_add(1, Ordering::Relaxed)
    }

    /// The same, of an MTA in these domains: tokens for one of its name elsewhere are not for us.
    #[must_use]
    pub fn in_domains(self, domains: impl IntoIterator<Item = GlobalDomainIdentifier>) -> Self {
        let domains = domains.into_iter().collect();
        Self { domains, ..self }
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

    /// Our MTA name towards a peer.
    fn our_mta<'d>(&'d self, peer: &'d Peer) -> &'d str {
        peer.our_mta.as_deref().unwrap_or(&self.mta)
    }

    /// Our strong credentials for a peer, if it is to have any.
    fn strong_credentials(&self, peer: &Peer) -> Result<Option<StrongCredentials>, rustls::Error> {
        match (&peer.strong, &self.strong) {
            (Some(wanted), Some(strong)) if wanted.offer => {
                strong.credentials(peer, Timestamp::now()).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Judges what a peer gave to prove who it is, by which it is known: strong credentials, or else
    /// the password.
    fn judge_credentials(
        &self,
        peer: &Peer,
        passwords: &Passwords,
        said: &Bind,
    ) -> Result<(), Unproven> {
        match (&peer.strong, &self.strong, &said.strong) {
            (Some(known_by), Some(strong), Some(given)) => {
                let us = Us {
                    mta: self.our_mta(peer),
                    domains: &self.domains,
                };
                Ok(strong.judge(peer, known_by, &us, given, Timestamp::now())?)
            }
            (Some(known_by), ..) if known_by.demand => Err(Fault::Simple.into()),
            _ => match &passwords.theirs {
                Some(expected) if !same(expected, &said.password) => Err(Unproven::Password),
                _ => Ok(()),
            },
        }
    }

    /// How we stand with the configured peer of this name.
    #[must_use]
    pub fn standing(&self, name: &str) -> Option<&Arc<Standing>> {
        let mut peers = self.config.peer.iter().zip(&self.standings);
        peers.find(|(peer, _)| peer.name == name).map(|(_, it)| it)
    }

    /// Changes whenever a peer may be called before it would have been.
    #[must_use]
    pub fn mended(&self) -> watch::Receiver<()> {
        self.mended.subscribe()
    }

    /// Until when no transfer to the configured peer of this name can begin; `None`: one can.
    #[must_use]
    pub fn shut(&self, name: &str, now: Timestamp) -> Option<Timestamp> {
        self.standing(name)?.shut(self.peer(name)?, now)
    }

    /// What came for the peer of this name before this time is to be given up.
    #[must_use]
    pub fn given_up(&self, name: &str, now: Timestamp) -> Option<Timestamp> {
        self.standing(name)?.given_up(self.peer(name)?, now)
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
        stack.min_rate = self.config.min_rate;
        if peer.is_none() {
            stack.idle_timeout = Some(seconds(self.config.incoming_idle_timeout));
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
    ///
    /// # Errors
    /// The strong credentials cannot be made.
    pub fn open(&self, peer: &Peer, at: &str) -> Result<Open, Failure> {
        let passwords = self.peers().find(|(known, _)| known.name == peer.name);
        let strong = self.strong_credentials(peer).map_err(|fault| {
            let advice = "See the key in [x400.strong]; with a good one this is a fault of ours: \
                please report it.";
            let what = format!("no token can be made: {fault}");
            Failure::new(Step::Configuration, what, advice)
        })?;
        let bind = Bind {
            mta: self.our_mta(peer).to_owned(),
            password: passwords
                .map(|(_, passwords)| passwords.ours.clone())
                .unwrap_or_default(),
            strong,
        };
        // The reference is at most 64 octets with its header (X.225 8.3.1).
        let reference: String = bind.mta.chars().take(60).filter(char::is_ascii).collect();
        let rts = self.config.rts(Some(peer));
        Ok(Open {
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
        })
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
        let call = Call {
            mode,
            from: from.ip(),
            calling: &open.calling,
            shown,
            said: &said,
        };
        let named = self
            .peers()
            .filter(|(peer, _)| !peer.mta.is_empty() && peer.mta == said.mta);
        let mut known = None;
        let mut unknown = (
            MTABindError::AUTHENTICATION_ERROR,
            format!("no peer has the MTA name {:?}", said.mta),
        );
        for (peer, passwords) in named {
            match self.recognise(peer, passwords, &call) {
                Ok(()) => {
                    known = Some((peer, passwords));
                    break;
                }
                Err(why) => unknown = why,
            }
        }
        let answer = match known {
            Some((peer, passwords)) => Bind {
                mta: self.our_mta(peer).to_owned(),
                password: passwords.ours.clone(),
                // Like is answered with like (X.411 clause 12.1.1.1.2).
                strong: match said.strong.and(self.strong_credentials(peer).transpose()) {
                    Some(Err(fault)) => {
                        let explanation = format!("no token can be made: {fault}");
                        return refuse(MTABindError::BUSY, explanation);
                    }
                    Some(Ok(strong)) => Some(strong),
                    None => None,
                },
            },
            None if self.config.lenient => Bind {
                mta: self.mta.clone(),
                ..Bind::default()
            },
            None => return refuse(unknown.0, unknown.1),
        };
        let peer = known.map(|(peer, _)| peer);
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

    /// Whether a caller that says the MTA name of a peer is that peer.
    ///
    /// # Errors
    /// What it is told, and why it is not.
    fn recognise(
        &self,
        peer: &Peer,
        passwords: &Passwords,
        call: &Call<'_>,
    ) -> Result<(), (MTABindError, String)> {
        let said = call.said;
        let no = |why: String| Err((MTABindError::AUTHENTICATION_ERROR, why));
        if peer.mode != call.mode && !self.config.lenient {
            return no(format!(
                "{:?} calls in mode {}, for which no peer is configured",
                said.mta,
                call.mode.name()
            ));
        }
        if !peer.accepts_from(call.from) {
            return no(format!("{:?} does not call from {}", said.mta, call.from));
        }
        if !peer.accepts_selectors(call.calling) {
            return no(format!(
                "{:?} does not call from {:?}",
                said.mta, call.calling
            ));
        }
        if let Err(why) = self.judge_certificate(peer, call.shown) {
            return no(format!("{:?}: {why}", said.mta));
        }
        self.judge_credentials(peer, passwords, said)
            .map_err(|unproven| {
                let error = match unproven {
                    // This passes.
                    Unproven::Strong(Fault::Many) => MTABindError::BUSY,
                    _ => MTABindError::AUTHENTICATION_ERROR,
                };
                (error, format!("{:?}: {unproven}", said.mta))
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
        if self.config.lenient {
            return Ok(said.mta);
        }
        if !peer.mta.is_empty() && said.mta != peer.mta {
            let advice = "Another MTA answers at this address, or mta of this peer is not what it \
                calls itself (capitals count). Ask its postmaster; then correct mta or connect.";
            let what = format!("{:?} answered, not {:?}", said.mta, peer.mta);
            return Err(Failure::new(Step::Responder, what, advice));
        }
        let known = self.peers().find(|(known, _)| known.name == peer.name);
        known
            .map_or(Ok(()), |(_, passwords)| {
                self.judge_credentials(peer, passwords, &said)
            })
            .map_err(|unproven| Failure::of_responder(&said.mta, &unproven))?;
        Ok(said.mta)
    }
}

/// What is known of a caller.
struct Call<'c> {
    mode: config::Mode,
    from: IpAddr,
    calling: &'c Address,
    shown: &'c [CertificateDer<'c>],
    said: &'c Bind,
}

/// Why a side did not prove who it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// By its password.
    #[error("another password was given than expected")]
    Password,
    /// By strong credentials.
    #[error(transparent)]
    Strong(#[from] Fault),
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
mod tests;
