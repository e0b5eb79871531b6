//! Strong credentials in the MTA bind: a token signed with a private key for this peer and moment, and
//! the certificates that say whose key it is (X.411 clauses 8.5.9 and 12.1.1, X.509).
//!
//! ```text
//! token        makes and reads bind tokens                 no I/O
//! certificate  whose key it is, and who vouches for that   no I/O
//! seen         tokens are taken once
//! ```
//!
//! The token of a responder has a random number of its own: X.411 clause 12.1.1 allows it to be
//! related to that of the initiator, but does not ask for it.

mod certificate;
mod seen;
mod token;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use rustls::crypto::{SecureRandom, ring};
use rustls::pki_types::{CertificateDer, TrustAnchor};
use rustls::sign::{CertifiedKey, Signer};
use serde::{Deserialize, Serialize};
use webpki::EndEntityCert;

use super::config::Peer;
use super::tls::{self, Fingerprint};
use crate::asn1::mts::{
    AdministrationDomainName, CountryName, GlobalDomainIdentifier, PrivateDomainIdentifier,
    StrongCredentials, TokenMTA,
};
use crate::asn1::types::{Any, SetOf};
use crate::asn1::x509::Certificates;

use certificate::Subject;
use seen::Seen;

/// How many certificates may come with a token, and how many octets they may have together; ours
/// must leave room for the token in the 10 240 octets of a session connection.
const CERTIFICATES: usize = 10;
const OCTETS: usize = 8192;

/// The `[x400.strong]` table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// The file of our certificate and those between it and its authority, PEM.
    pub certificate: PathBuf,
    /// The file of its private key, PEM.
    pub key: PathBuf,
    /// The file of the certification authorities that vouch for the certificates of peers, PEM.
    pub authorities: Option<PathBuf>,
    /// How many seconds a token may be older or newer than our clock says.
    pub time_window: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            certificate: PathBuf::new(),
            key: PathBuf::new(),
            authorities: None,
            time_window: 300,
        }
    }
}

/// The `strong` of a peer: by which certificate it is known in the bind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct PeerStrong {
    /// The name that its certificate bears, if that is not the `mta` of the peer: an MTA name, a DNS
    /// name, or the whole subject, `CN=HUB,O=Example,C=GB`.
    pub name: Option<String>,
    /// The SHA-256 fingerprint of its certificate; of several, one.
    pub fingerprints: Vec<Fingerprint>,
    /// The domain of the peer, to be said in our tokens and found in its certificate.
    pub domain: Option<Domain>,
    /// Whether we bind to it with strong credentials.
    pub offer: bool,
    /// Whether it must bind with them; its password will do else.
    pub demand: bool,
}

impl Default for PeerStrong {
    fn default() -> Self {
        Self {
            name: None,
            fingerprints: Vec::new(),
            domain: None,
            offer: true,
            demand: true,
        }
    }
}

impl PeerStrong {
    /// Whether an authority must vouch for its certificate.
    #[must_use]
    pub fn needs_authorities(&self) -> bool {
        self.name.is_some() || self.fingerprints.is_empty()
    }
}

/// A management domain.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Domain {
    /// Its country, two letters.
    pub country: String,
    /// Its administration domain; one space where it has none.
    pub admd: String,
    /// Its private domain.
    pub prmd: Option<String>,
}

impl From<&Domain> for GlobalDomainIdentifier {
    fn from(domain: &Domain) -> Self {
        let prmd = domain.prmd.as_deref();
        Self {
            country_name: CountryName::Iso3166Alpha2Code(domain.country.as_str().into()),
            administration_domain_name: AdministrationDomainName::Printable(
                domain.admd.as_str().into(),
            ),
            private_domain_identifier: prmd
                .map(|prmd| PrivateDomainIdentifier::Printable(prmd.into())),
        }
    }
}

/// Whether two domains are the same: in capitals or not, letters or digits.
fn same_domain(one: &GlobalDomainIdentifier, other: &GlobalDomainIdentifier) -> bool {
    fn parts(domain: &GlobalDomainIdentifier) -> [&[u8]; 3] {
        [
            match &domain.country_name {
                CountryName::Iso3166Alpha2Code(text) => &text.0,
                CountryName::X121DccCode(text) => &text.0,
            },
            match &domain.administration_domain_name {
                AdministrationDomainName::Printable(text) => text.0.trim_ascii(),
                AdministrationDomainName::Numeric(text) => text.0.trim_ascii(),
            },
            match &domain.private_domain_identifier {
                Some(PrivateDomainIdentifier::Printable(text)) => &text.0,
                Some(PrivateDomainIdentifier::Numeric(text)) => &text.0,
                None => b"",
            },
        ]
    }
    let mut pairs = parts(one).into_iter().zip(parts(other));
    pairs.all(|(one, other)| one.eq_ignore_ascii_case(other))
}

/// Why strong credentials do not prove who gave them: which check failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// There are none.
    #[error("a password was given, where strong credentials are demanded")]
    Simple,
    /// A part of them is not there.
    #[error("the strong credentials have no {0}")]
    Absent(&'static str),
    /// A part of them is too large to be looked at.
    #[error("{what} has {octets} octets, where {most} are taken")]
    Size {
        /// Which part.
        what: &'static str,
        /// How many octets it has.
        octets: usize,
        /// How many it may have.
        most: usize,
    },
    /// More certificates than are looked at.
    #[error("{0} certificates came with the token, where {CERTIFICATES} are taken")]
    Count(usize),
    /// The token is none, or none that is understood.
    #[error("the token: {0}")]
    Token(String),
    /// The token is signed with an algorithm whose signatures can be forged.
    #[error(
        "the token is signed with {0}, which proves nothing any more: SHA-256 or better is taken"
    )]
    Weak(&'static str),
    /// The token is for another.
    #[error("the token is for {0}")]
    Recipient(String),
    /// The token is too old.
    #[error("the token is of {time}, more than {window:#} before now ({now})")]
    Old {
        /// When it was made.
        time: Timestamp,
        /// Now.
        now: Timestamp,
        /// How old it may be.
        window: SignedDuration,
    },
    /// The token is of the future.
    #[error("the token is of {time}, more than {window:#} after now ({now})")]
    Future {
        /// When it was made.
        time: Timestamp,
        /// Now.
        now: Timestamp,
        /// How new it may be.
        window: SignedDuration,
    },
    /// The certificate cannot be read.
    #[error("the certificate: {0}")]
    Certificate(String),
    /// The certificate is another than those configured.
    #[error("the fingerprint of the certificate is {0}, which is none of this peer's")]
    Fingerprint(Fingerprint),
    /// The certificate is somebody else's.
    #[error("the certificate is of {subject}, not of {wanted:?}")]
    Name {
        /// Its subject, and its other names.
        subject: String,
        /// Whose it should be.
        wanted: String,
    },
    /// The key of the certificate is for something else.
    #[error("the key of the certificate is not for this: {0}")]
    Usage(&'static str),
    /// Nobody vouches for the certificate.
    #[error("nobody vouches for the certificate: {0}")]
    Chain(String),
    /// The signature is not good.
    #[error("the signature of the token: {0}")]
    Signature(String),
    /// The token came before.
    #[error("the token, or one with its random number, came before")]
    Replayed,
    /// There were too many tokens of late.
    #[error("more than {} tokens came within the time window", seen::MOST)]
    Many,
}

/// Strong credentials as configured.
pub struct Strong {
    signer: Box<dyn Signer>,
    certificates: Certificates,
    authorities: Option<Vec<TrustAnchor<'static>>>,
    window: SignedDuration,
    random: &'static dyn SecureRandom,
    seen: Mutex<Seen>,
}

impl fmt::Debug for Strong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Strong(..)")
    }
}

impl Strong {
    /// Reads the files.
    ///
    /// # Errors
    /// One of them is not there, or not what it should be.
    pub fn new(config: &Config) -> Result<Self, tls::Error> {
        const TABLE: &str = "x400.strong";
        let unusable = |fault| tls::Error::Unusable {
            table: TABLE,
            fault,
        };
        let provider = ring::default_provider();
        let certificates = tls::certificates(TABLE, "certificate", &config.certificate)?;
        let key = tls::private_key(TABLE, &config.key)?;
        let key = provider
            .key_provider
            .load_private_key(key)
            .map_err(unusable)?;
        let certified = CertifiedKey::new(certificates, key);
        certified.keys_match().map_err(unusable)?;
        let octets: usize = certified.cert.iter().map(|one| one.len()).sum();
        if octets > OCTETS || certified.cert.len() > CERTIFICATES {
            return Err(unusable(rustls::Error::General(format!(
                "the certificates have {octets} octets, where a bind has room for {OCTETS}"
            ))));
        }
        let signer = certified.key.choose_scheme(token::OURS).ok_or_else(|| {
            unusable(rustls::Error::General(
                "the key is neither RSA, ECDSA of P-256 or P-384, nor Ed25519".to_owned(),
            ))
        })?;
        let authorities = match &config.authorities {
            None => None,
            Some(path) => {
                let found = tls::certificates(TABLE, "authorities", path)?;
                let anchors = found.iter().map(|authority| {
                    let anchor = webpki::anchor_from_trusted_cert(authority);
                    let fault = |fault| tls::at(TABLE, "authorities", path, &fault);
                    anchor.map(|anchor| anchor.to_owned()).map_err(fault)
                });
                Some(anchors.collect::<Result<_, _>>()?)
            }
        };
        Ok(Self {
            signer,
            certificates: wrapped(&certified.cert),
            authorities,
            window: SignedDuration::from_secs(config.time_window.into()),
            random: provider.secure_random,
            seen: Mutex::default(),
        })
    }

    /// What proves to a peer, at this moment, that we are who we say we are.
    ///
    /// # Errors
    /// Those of signing and of drawing a random number, of which none is expected.
    pub fn credentials(
        &self,
        peer: &Peer,
        now: Timestamp,
    ) -> Result<StrongCredentials, rustls::Error> {
        let mut random = [0; 16];
        self.random.fill(&mut random)?;
        let domain = peer
            .strong
            .as_ref()
            .and_then(|strong| strong.domain.as_ref());
        let recipient = TokenMTA {
            global_domain_identifier: domain.map(GlobalDomainIdentifier::from),
            mta_name: peer.mta.as_str().into(),
        };
        Ok(StrongCredentials {
            bind_token: Some(token::make(&*self.signer, recipient, now, &random)?),
            certificate: Some(self.certificates.clone()),
            ..StrongCredentials::default()
        })
    }

    /// Judges whether strong credentials are those of a peer, given to `us` at this moment. What costs
    /// little is looked at first; that they are used up is noted when all else is good.
    ///
    /// # Errors
    /// Which check failed.
    pub fn judge(
        &self,
        peer: &Peer,
        known_by: &PeerStrong,
        us: &Us<'_>,
        given: &StrongCredentials,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let token = given.bind_token.as_ref().ok_or(Fault::Absent("token"))?;
        let token = token::read(token)?;
        let certificates = given.certificate.as_ref();
        let certificates = unwrapped(certificates.ok_or(Fault::Absent("certificate"))?)?;
        let (first, between) = certificates
            .split_first()
            .ok_or(Fault::Absent("certificate"))?;
        us.judge(&token.recipient)?;
        token::timely(token.time, now, self.window)?;
        let fingerprint = Fingerprint::of(first);
        if !known_by.fingerprints.is_empty() && !known_by.fingerprints.contains(&fingerprint) {
            return Err(Fault::Fingerprint(fingerprint));
        }
        let subject = Subject::of(first)?;
        subject.judge_usage()?;
        let certificate = EndEntityCert::try_from(first).map_err(|fault| {
            Fault::Certificate(match fault {
                webpki::Error::UnsupportedCertVersion => "it is not of version 3".to_owned(),
                other => other.to_string(),
            })
        })?;
        if known_by.needs_authorities() {
            let domain = known_by.domain.as_ref().map(GlobalDomainIdentifier::from);
            let name = known_by.name.as_ref().unwrap_or(&peer.mta);
            subject.judge(name, domain.as_ref())?;
            let anchors = self.authorities.as_deref().unwrap_or_default();
            certificate::judge_chain(&certificate, between, anchors, now)?;
        }
        token.verify(&certificate)?;
        let until = token.time.checked_add(self.window).unwrap_or(now);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.note(&peer.name, &token.random, until, now)
    }
}

/// Whom a token for us is for.
#[derive(Debug, Clone, Copy)]
pub struct Us<'u> {
    /// Our MTA name towards the peer.
    pub mta: &'u str,
    /// Our domains; none: they are not known.
    pub domains: &'u [GlobalDomainIdentifier],
}

impl Us<'_> {
    /// Whether we are the recipient; one that names no domain may be in ours.
    fn judge(&self, recipient: &TokenMTA) -> Result<(), Fault> {
        if recipient.mta_name.0 != self.mta.as_bytes() {
            let name = String::from_utf8_lossy(&recipient.mta_name.0);
            let name: String = name.chars().take(64).collect();
            return Err(Fault::Recipient(format!("{name:?}, not {:?}", self.mta)));
        }
        let ours = |theirs| {
            self.domains
                .iter()
                .any(|domain| same_domain(domain, theirs))
        };
        match &recipient.global_domain_identifier {
            Some(theirs) if !self.domains.is_empty() && !ours(theirs) => Err(Fault::Recipient(
                format!("a {:?} in another domain", self.mta),
            )),
            _ => Ok(()),
        }
    }
}

/// Certificates as X.509 puts them together: ours, then the way to its authority.
fn wrapped(certificates: &[CertificateDer<'_>]) -> Certificates {
    let mut all = certificates
        .iter()
        .map(|one| Any(bytes::Bytes::copy_from_slice(one)));
    let first = all.next().unwrap_or_default();
    let path: Vec<_> = all.map(|one| SetOf(vec![one])).collect();
    Certificates {
        usercertificate: first,
        certificationpath: (!path.is_empty()).then_some(path),
        ..Certificates::default()
    }
}

/// The certificates that came, the first that of the peer; bounded.
fn unwrapped(certificates: &Certificates) -> Result<Vec<CertificateDer<'_>>, Fault> {
    let path = certificates.certificationpath.iter().flatten();
    let between = path.flat_map(|crossed| &crossed.0);
    let all: Vec<&Any> = std::iter::once(&certificates.usercertificate)
        .chain(between)
        .collect();
    if all.len() > CERTIFICATES {
        return Err(Fault::Count(all.len()));
    }
    let octets: usize = all.iter().map(|one| one.0.len()).sum();
    if octets > 2 * OCTETS {
        return Err(Fault::Size {
            what: "the chain of certificates",
            octets,
            most: 2 * OCTETS,
        });
    }
    Ok(all
        .into_iter()
        .map(|one| CertificateDer::from(&one.0[..]))
        .collect())
}

#[cfg(test)]
mod tests;
