//! TLS on both sides, and by whose certificates.

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tokio::net::TcpListener;

use super::super::failure::Step;
use super::super::tls::{self, PeerTls};
use super::*;

/// Certificates, as files and otherwise.
pub(super) struct Certificates {
    folder: tempfile::TempDir,
    authority: Issuer<'static, KeyPair>,
}

impl Certificates {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(folder.path().join("authority"), certificate.pem()).unwrap();
        Self {
            folder,
            authority: Issuer::new(params, key),
        }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A certificate of this name, vouched for or not; our configuration with it.
    pub(super) fn config(&self, file: &str, name: &str, vouched: bool) -> tls::Config {
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = match vouched {
            true => params.signed_by(&key, &self.authority).unwrap(),
            false => params.self_signed(&key).unwrap(),
        };
        std::fs::write(self.path(file), certificate.pem()).unwrap();
        std::fs::write(self.path(&format!("{file}.key")), key.serialize_pem()).unwrap();
        tls::Config {
            listen: vec!["127.0.0.1:0".to_owned()],
            certificate: self.path(file),
            key: self.path(&format!("{file}.key")),
            authorities: Some(self.path("authority")),
        }
    }

    /// The fingerprint of a certificate, as another program shows it.
    fn fingerprint(&self, file: &str) -> String {
        use sha2::Digest as _;
        let certificate = CertificateDer::from_pem_file(self.path(file)).unwrap();
        let digest = sha2::Sha256::digest(&certificate);
        digest.iter().map(|octet| format!("{octet:02x}")).collect()
    }
}

fn named(name: &str) -> Option<PeerTls> {
    Some(PeerTls {
        name: Some(name.to_owned()),
        ..PeerTls::default()
    })
}

fn pinned(fingerprint: &str) -> Option<PeerTls> {
    Some(PeerTls {
        name: None,
        fingerprints: vec![fingerprint.parse().unwrap()],
    })
}

/// A server and a client with TLS between them, as changed.
async fn over_tls(
    change: impl Fn(&Certificates, &mut Config, &mut Config),
) -> (Certificates, Running) {
    let files = Certificates::new();
    let running = running(|server, client| {
        server.tls = Some(files.config("hub", "hub.example.org", true));
        client.tls = Some(files.config("gw", "gw.example.org", true));
        server.peer[0].tls = named("gw.example.org");
        client.peer[0].tls = named("hub.example.org");
        change(&files, server, client);
    })
    .await;
    let mut ours = running.client.directory().config().clone();
    let tls = running.addresses.last().unwrap().to_string();
    if ours.peer[0].tls.is_some() {
        ours.peer[0].connect = vec![tls];
    }
    let client = Client::new(Arc::new(Directory::new(ours, "GW").unwrap()));
    let running = Running {
        client: Arc::new(client),
        ..running
    };
    (files, running)
}

#[tokio::test]
async fn a_peer_is_known_by_the_name_in_its_certificate_or_by_its_fingerprint() {
    for pins in [false, true] {
        let (_files, running) = over_tls(|files, server, client| {
            if pins {
                // Nobody vouches for these, and nobody need.
                let gw = files.config("gw", "gw.example.org", false);
                let hub = files.config("hub", "hub.example.org", false);
                client.tls = Some(tls::Config {
                    authorities: None,
                    ..gw
                });
                server.tls = Some(tls::Config {
                    authorities: None,
                    ..hub
                });
                server.peer[0].tls = pinned(&files.fingerprint("gw"));
                client.peer[0].tls = pinned(&files.fingerprint("hub").to_uppercase());
            }
        })
        .await;
        for length in [1, 300_000] {
            let octets = apdu(length);
            let sent = octets.to_bytes();
            let outcome = running.client.transfer("hub", Apdu::Octets(octets)).await;
            assert!(matches!(outcome, Outcome::Delivered { .. }), "{outcome:?}");
            let (from, arrived, _) = running.keeper.arrived.lock().unwrap().pop().unwrap();
            assert_eq!(from.peer.as_deref(), Some("gw"));
            assert_eq!(arrived, sent);
        }
    }
}

#[tokio::test]
async fn a_caller_with_another_certificate_or_none_is_refused() {
    for way in ["name", "authority", "fingerprint", "plain"] {
        let (_files, running) = over_tls(|files, server, client| match way {
            "name" => client.tls = Some(files.config("gw", "else.example.org", true)),
            "authority" => client.tls = Some(files.config("gw", "gw.example.org", false)),
            "fingerprint" => server.peer[0].tls = pinned(&files.fingerprint("hub")),
            _ => client.peer[0].tls = None,
        })
        .await;
        let failure = running.ping().await.unwrap_err();
        assert_eq!(failure.step, Step::Bind, "{way}: {failure:?}");
        assert!(failure.what.contains("authentication-error"), "{failure:?}");
    }
}

#[tokio::test]
async fn a_responder_with_another_certificate_hears_no_password() {
    for way in ["name", "authority", "fingerprint"] {
        let (_files, running) = over_tls(|files, server, client| match way {
            "name" => client.peer[0].tls = named("other.example.org"),
            "authority" => server.tls = Some(files.config("hub", "hub.example.org", false)),
            _ => client.peer[0].tls = pinned(&files.fingerprint("gw")),
        })
        .await;
        let failure = running.ping().await.unwrap_err();
        assert_eq!(failure.step, Step::Tls, "{way}: {failure:?}");
        assert!(failure.what.contains("fingerprint"), "{failure:?}");
        assert!(failure.advice.contains("do not trust it"), "{failure:?}");
    }
}

#[tokio::test]
async fn tls_that_does_not_come_about_is_explained() {
    // A service that is not TLS.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plain = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"220 mail ESMTP\r\n").await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    });
    // A peer whose authority is not ours.
    let theirs = Certificates::new();
    let config = theirs.config("hub", "hub.example.org", true);
    let read = |path| CertificateDer::from_pem_file(path).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(read(theirs.path("authority"))).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
        Arc::new(roots),
        Arc::clone(&provider),
    );
    let server = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(
            vec![read(config.certificate)],
            PrivateKeyDer::from_pem_file(config.key).unwrap(),
        )
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(server));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let strict = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        assert!(acceptor.accept(stream).await.is_err());
    });
    let hub = theirs.fingerprint("hub");
    for (address, advice) in [(plain, "does not speak TLS"), (strict, "our certificate")] {
        let (_files, running) = over_tls(|_, _, client| client.peer[0].tls = pinned(&hub)).await;
        let mut config = running.client.directory().config().clone();
        config.peer[0].connect = vec![address];
        let client = Client::new(Arc::new(Directory::new(config, "GW").unwrap()));
        let pinged = client.ping("hub").await.unwrap().pop().unwrap();
        let failure = pinged.failure.unwrap();
        assert_eq!(failure.step, Step::Tls, "{failure:?}");
        assert!(failure.advice.contains(advice), "{failure:?}");
    }
}

#[tokio::test]
async fn silence_and_noise_on_the_tls_port_are_cut_off() {
    let (_files, running) = over_tls(|_, server, _| server.open_timeout = 1).await;
    let address = running.addresses.last().unwrap();
    for octets in [
        &b""[..],
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x03\x00\x00\x0b\x06\xe0\0\0\0\x01\0",
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(octets).await.unwrap();
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        let ended = tokio::time::timeout(Duration::from_secs(10), read).await;
        assert!(ended.is_ok(), "it is cut off");
        assert_ne!(answer.first(), Some(&3), "nothing of RFC 1006 outside TLS");
    }
}

#[test]
fn what_cannot_work_is_told_when_it_is_read() {
    let files = Certificates::new();
    let ours = files.config("gw", "gw.example.org", true);
    let alone = tls::Config {
        authorities: None,
        ..ours.clone()
    };
    let peer = |tls| Peer {
        tls,
        ..Peer::default()
    };
    let told =
        |peer: &Peer, ours: Option<&tls::Config>| peer.check_tls(ours).unwrap_err().to_string();
    assert!(told(&peer(named("a.example")), None).contains("[x400.tls]"));
    assert!(told(&peer(named("a.example")), Some(&alone)).contains("authorities"));
    assert!(told(&peer(Some(PeerTls::default())), Some(&ours)).contains("fingerprints"));
    assert!(peer(named("a.example")).check_tls(Some(&ours)).is_ok());
    assert!(peer(None).check_tls(None).is_ok());
    assert!(tls::Tls::new(&ours).is_ok());
    for wrong in [
        tls::Config {
            key: files.path("gw"),
            ..ours.clone()
        },
        tls::Config {
            certificate: files.path("gw.key"),
            ..ours.clone()
        },
        tls::Config {
            certificate: files.path("authority"),
            ..ours.clone()
        },
        tls::Config {
            authorities: Some(files.path("nowhere")),
            ..ours
        },
    ] {
        assert!(tls::Tls::new(&wrong).is_err(), "{wrong:?}");
    }
    let colons = ["AB"; 32].join(":");
    let fingerprint: tls::Fingerprint = colons.parse().unwrap();
    assert_eq!(fingerprint.to_string(), colons);
    for wrong in ["", "ab", &"AB:".repeat(33), &"xy".repeat(32)] {
        assert!(wrong.parse::<tls::Fingerprint>().is_err(), "{wrong}");
    }
}
