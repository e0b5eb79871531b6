//! TLS under RFC 1006: the certificate we show, and those by which peers are known.
//!
//! Both sides show a certificate. The handshake proves only that its bearer has the key; whose it must
//! be is known when the peer has said its name, so it is judged then: by its fingerprint, by a name in
//! it for which a certification authority vouches (RFC 6125, RFC 5280), or by both.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    ClientConfig, DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig,
    SignatureScheme,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use crate::network::serde_as_text;

/// The `[x400.tls]` table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// Addresses to listen on for calls over TLS, `host:port`.
    pub listen: Vec<String>,
    /// The file of our certificate and those between it and its authority, PEM.
    pub certificate: PathBuf,
    /// The file of its private key, PEM.
    pub key: PathBuf,
    /// The file of the certification authorities that vouch for the names of peers, PEM.
    pub authorities: Option<PathBuf>,
}

/// The `tls` of a peer: it is called over TLS and calls over TLS only, with this certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct PeerTls {
    /// A DNS name or IP address that its certificate bears.
    pub name: Option<String>,
    /// The SHA-256 fingerprint of its certificate; of several, one.
    pub fingerprints: Vec<Fingerprint>,
}

/// The SHA-256 of a certificate: 64 hexadecimal digits, with colons or without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of a certificate.
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Self {
        Self(Sha256::digest(certificate).into())
    }
}

/// The text is no fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no SHA-256 fingerprint: 64 hexadecimal digits are expected, as openssl x509 \
         -fingerprint -sha256 shows them"
)]
pub struct NoFingerprint(String);

impl FromStr for Fingerprint {
    type Err = NoFingerprint;

    fn from_str(text: &str) -> Result<Self, NoFingerprint> {
        let digits: String = text.chars().filter(|c| *c != ':').collect();
        let octets = super::config::hexadecimal(&digits);
        let octets = octets.and_then(|octets| octets.try_into().ok());
        octets
            .map(Self)
            .ok_or_else(|| NoFingerprint(text.chars().take(100).collect()))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, octet) in self.0.iter().enumerate() {
            let colon = if place == 0 { "" } else { ":" };
            write!(f, "{colon}{octet:02X}")?;
        }
        Ok(())
    }
}

serde_as_text!(Fingerprint);

/// A fault in what `[x400.tls]`, or `[x400.strong]`, names.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read, or holds nothing of the kind.
    #[error("[{table}] {key} {}: {fault}", path.display())]
    File {
        /// In which table the key stands.
        table: &'static str,
        /// Which key names the file.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: String,
    },
    /// The certificate and the key cannot be used, perhaps not together.
    #[error("[{table}] certificate and key: {fault}")]
    Unusable {
        /// In which table they stand.
        table: &'static str,
        /// Why not.
        fault: rustls::Error,
    },
}

/// The table of the configuration that is read here.
const TABLE: &str = "x400.tls";

impl From<rustls::Error> for Error {
    fn from(fault: rustls::Error) -> Self {
        Self::Unusable {
            table: TABLE,
            fault,
        }
    }
}

/// TLS as configured.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    connector: TlsConnector,
    /// How the name in a certificate is vouched for, as a client and as a server.
    authorities: Option<(Arc<WebPkiServerVerifier>, Arc<dyn ClientCertVerifier>)>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls(..)")
    }
}

/// Which end of a connection a certificate stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Whoever called.
    Caller,
    /// Whoever answered.
    Responder,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// One of them is not there, or not what it should be.
    pub fn new(config: &Config) -> Result<Self, Error> {
        let provider = Arc::new(ring::default_provider());
        let certificates = certificates(TABLE, "certificate", &config.certificate)?;
        let key = private_key(TABLE, &config.key)?;
        let bearer = Arc::new(Bearer(Arc::clone(&provider)));
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(Arc::clone(&bearer) as Arc<dyn ClientCertVerifier>)
            .with_single_cert(certificates.clone(), key.clone_key())?;
        let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(bearer)
            .with_client_auth_cert(certificates, key)?;
        let authorities = match &config.authorities {
            None => None,
            Some(path) => {
                let fault = |fault: &dyn ToString| at(TABLE, "authorities", path, fault);
                let mut roots = RootCertStore::empty();
                for certificate in self::certificates(TABLE, "authorities", path)? {
                    roots.add(certificate).map_err(|error| fault(&error))?;
                }
                let roots = Arc::new(roots);
                let responders = WebPkiServerVerifier::builder_with_provider(
                    Arc::clone(&roots),
                    Arc::clone(&provider),
                );
                let callers = WebPkiClientVerifier::builder_with_provider(roots, provider);
                Some((
                    responders.build().map_err(|error| fault(&error))?,
                    callers.build().map_err(|error| fault(&error))?,
                ))
            }
        };
        Ok(Self {
            acceptor: Arc::new(server).into(),
            connector: Arc::new(client).into(),
            authorities,
        })
    }

    /// Answers a caller.
    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        Ok(self.acceptor.accept(stream).await?.into())
    }

    /// Calls a peer.
    pub(super) async fn connect(
        &self,
        stream: TcpStream,
        peer: &PeerTls,
    ) -> io::Result<TlsStream<TcpStream>> {
        let address = stream.peer_addr()?.ip();
        let name = peer
            .name
            .as_ref()
            .map(|name| ServerName::try_from(name.clone()));
        let name = match name {
            Some(name) => name.map_err(io::Error::other)?,
            None => ServerName::from(address),
        };
        Ok(self.connector.connect(name, stream).await?.into())
    }

    /// Whether a certificate (with those that lead to its authority) is the peer's.
    ///
    /// # Errors
    /// Why it is not, in words.
    pub(super) fn judge(
        &self,
        peer: &PeerTls,
        shown: &[CertificateDer<'_>],
        side: Side,
    ) -> Result<(), String> {
        let (first, between) = shown
            .split_first()
            .ok_or("no certificate was shown, for the call is not over TLS")?;
        let fingerprint = Fingerprint::of(first);
        if !peer.fingerprints.is_empty() && !peer.fingerprints.contains(&fingerprint) {
            return Err(format!(
                "the fingerprint of the certificate is {fingerprint}, which is none of this peer's"
            ));
        }
        let Some(text) = &peer.name else {
            return match peer.fingerprints.is_empty() {
                true => Err("the peer's tls says neither name nor fingerprints".to_owned()),
                false => Ok(()),
            };
        };
        let wrong = |fault: &dyn fmt::Display| {
            format!("the certificate (fingerprint {fingerprint}) is not one of {text}: {fault}")
        };
        let (responders, callers) = self
            .authorities
            .as_ref()
            .ok_or_else(|| wrong(&"[x400.tls] authorities names nobody to vouch for it"))?;
        let name = ServerName::try_from(text.as_str()).map_err(|error| wrong(&error))?;
        let now = UnixTime::now();
        match side {
            Side::Responder => responders
                .verify_server_cert(first, between, &name, &[], now)
                .map(|_| ()),
            Side::Caller => callers
                .verify_client_cert(first, between, now)
                .and_then(|_| {
                    let parsed = ParsedCertificate::try_from(first)?;
                    rustls::client::verify_server_name(&parsed, &name)
                }),
        }
        .map_err(|error| wrong(&error))
    }
}

/// The certificates of a file, one at least.
pub(super) fn certificates(
    table: &'static str,
    key: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, Error> {
    let read = || CertificateDer::pem_file_iter(path)?.collect::<Result<Vec<_>, _>>();
    let fault = |fault: rustls::pki_types::pem::Error| at(table, key, path, &fault);
    match read().map_err(fault)? {
        found if found.is_empty() => Err(at(table, key, path, &"there is no certificate in it")),
        found => Ok(found),
    }
}

/// The private key of a file.
pub(super) fn private_key(
    table: &'static str,
    path: &Path,
) -> Result<PrivateKeyDer<'static>, Error> {
    PrivateKeyDer::from_pem_file(path).map_err(|fault| at(table, "key", path, &fault))
}

/// The error of a file.
pub(super) fn at(
    table: &'static str,
    key: &'static str,
    path: &Path,
    fault: &dyn ToString,
) -> Error {
    Error::File {
        table,
        key,
        path: path.to_owned(),
        fault: fault.to_string(),
    }
}

/// Takes every certificate whose bearer proves that it has the key; whose it is, is judged later.
#[derive(Debug)]
struct Bearer(Arc<CryptoProvider>);

impl ServerCertVerifier for Bearer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for Bearer {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        ServerCertVerifier::verify_tls12_signature(self, message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        ServerCertVerifier::verify_tls13_signature(self, message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ServerCertVerifier::supported_verify_schemes(self)
    }
}
