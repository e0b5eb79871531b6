//! Tokens put together by hand, octet by octet, with nothing of our encoder, and judged.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SigningKey as _};

use super::*;
use crate::asn1;
use crate::asn1::mts::Credentials;
use crate::octets::hex;

mod certificates;

/// A value of a tag: `parts`, one after another.
fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let contents = parts.concat();
    let length = u16::try_from(contents.len()).unwrap();
    let [high, low] = length.to_be_bytes();
    let header = match length {
        0..128 => vec![tag, low],
        128..256 => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    [header, contents].concat()
}

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

const ECDSA_WITH_SHA256: &str = "300a06082a8648ce3d040302";
const ECDSA_WITH_SHA384: &str = "300a06082a8648ce3d040303";
const ED25519: &str = "300506032b6570";
const SHA1_WITH_RSA: &str = "300d06092a864886f70d0101050500";

/// Strong credentials before they are written down.
struct Draft {
    /// The octets of the AlgorithmIdentifier in what is signed and beside it.
    algorithms: [&'static str; 2],
    mta: &'static str,
    /// The octets of a GlobalDomainIdentifier.
    domain: &'static str,
    time: &'static str,
    random: Vec<u8>,
    /// In place of a name of an MTA.
    name: Option<&'static str>,
    /// What is signed, if not this.
    signed: Option<Vec<u8>>,
    certificates: Vec<Vec<u8>>,
}

impl Draft {
    fn new(certificate: &rcgen::Certificate) -> Self {
        Self {
            algorithms: [ECDSA_WITH_SHA256; 2],
            mta: "GW",
            domain: "",
            time: "261122120000Z",
            random: b"a random number.".to_vec(),
            name: None,
            signed: None,
            certificates: vec![certificate.der().to_vec()],
        }
    }

    /// What is to be signed.
    fn data(&self) -> Vec<u8> {
        let mta = tlv(
            0xa3,
            &[&hex(self.domain), &tlv(0x16, &[self.mta.as_bytes()])],
        );
        let random = tlv(0x03, &[&[0], &self.random]);
        let signed_data = tlv(0xa0, &[&hex("800101"), &tlv(0xa1, &[&random])]);
        let name = self.name.map_or(mta, |name| hex(name).to_vec());
        let time = tlv(0x17, &[self.time.as_bytes()]);
        tlv(
            0x30,
            &[&hex(self.algorithms[0]), &name, &time, &signed_data],
        )
    }

    /// The token, signed.
    fn token(&self, key: &KeyPair) -> Vec<u8> {
        let data = self.data();
        let signature = key.sign(self.signed.as_ref().unwrap_or(&data)).unwrap();
        let signature = tlv(0x03, &[&[0], &signature]);
        let token = tlv(0x30, &[&data, &hex(self.algorithms[1]), &signature]);
        tlv(0xa0, &[&hex("800456030600"), &tlv(0xa1, &[&token])])
    }

    /// The credentials, read.
    fn read(&self, key: &KeyPair) -> StrongCredentials {
        read(&tlv(0xa0, &[&self.token(key), &self.path()]))
    }

    /// The certificates.
    fn path(&self) -> Vec<u8> {
        let mut all = self.certificates.iter();
        let first = all.next().unwrap();
        let between: Vec<_> = all.map(|one| tlv(0x31, &[one])).collect();
        let path = match between.is_empty() {
            true => Vec::new(),
            false => tlv(0x30, &[&between.concat()]),
        };
        tlv(0xa1, &[first, &path])
    }
}

fn read(octets: &[u8]) -> StrongCredentials {
    match asn1::decode(&octets.to_vec().into()).unwrap() {
        Credentials::Strong(strong) => strong,
        other => panic!("{other:?}"),
    }
}

/// An authority, the gateway GW, and its peer HUB.
struct World {
    folder: tempfile::TempDir,
    authority: Issuer<'static, KeyPair>,
    key: KeyPair,
    peer: Peer,
    strong: Strong,
}

fn authority(name: &str) -> (rcgen::Certificate, Issuer<'static, KeyPair>) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
        .distinguished_name
        .push(DnType::OrganizationName, name);
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap(), Issuer::new(params, key))
}

/// The certificate of an MTA before it is issued: O=Example, CN=HUB.
fn of_hub() -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::OrganizationName, "Example");
    params.distinguished_name.push(DnType::CommonName, "HUB");
    params
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, authority) = authority("Authority");
        let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text);
        write("authority", certificate.pem()).unwrap();
        let key = KeyPair::generate().unwrap();
        let ours = CertificateParams::new(vec!["gw.example.org".to_owned()]).unwrap();
        let ours = ours.signed_by(&key, &authority).unwrap();
        write("gw", ours.pem()).unwrap();
        write("gw.key", key.serialize_pem()).unwrap();
        let config = Config {
            certificate: folder.path().join("gw"),
            key: folder.path().join("gw.key"),
            authorities: Some(folder.path().join("authority")),
            ..Config::default()
        };
        Self {
            strong: Strong::new(&config).unwrap(),
            authority,
            folder,
            key: KeyPair::generate().unwrap(),
            peer: Peer {
                name: "hub".to_owned(),
                mta: "HUB".to_owned(),
                strong: Some(PeerStrong::default()),
                ..Peer::default()
            },
        }
    }

    fn issue(&self, params: CertificateParams) -> rcgen::Certificate {
        params.signed_by(&self.key, &self.authority).unwrap()
    }

    fn draft(&self) -> Draft {
        Draft::new(&self.issue(of_hub()))
    }

    fn judge(&self, given: &StrongCredentials) -> Result<(), Fault> {
        let domain = Domain {
            country: "GB".to_owned(),
            admd: " ".to_owned(),
            prmd: Some("Example".to_owned()),
        };
        let us = Us {
            mta: "GW",
            domains: &[(&domain).into()],
        };
        let known_by = self.peer.strong.as_ref().unwrap();
        self.strong.judge(&self.peer, known_by, &us, given, now())
    }

    /// Judges the peer's own token with other certificates and a random number of its own.
    fn judge_certificates(&self, certificates: &[&rcgen::Certificate]) -> Result<(), Fault> {
        let draft = Draft {
            certificates: certificates.iter().map(|one| one.der().to_vec()).collect(),
            random: ring_random(),
            ..self.draft()
        };
        self.judge(&draft.read(&self.key))
    }
}

fn ring_random() -> Vec<u8> {
    let mut random = vec![0; 16];
    ring::default_provider()
        .secure_random
        .fill(&mut random)
        .unwrap();
    random
}

/// That a fault has these words.
fn says(judged: Result<(), Fault>, words: &str) {
    let said = judged.unwrap_err().to_string();
    assert!(said.contains(words), "{said:?} does not say {words:?}");
}

#[test]
fn x411_8_5_9_a_token_put_together_by_hand_is_taken_once() {
    let world = World::new();
    let given = world.draft().read(&world.key);
    assert_eq!(world.judge(&given), Ok(()));
    assert_eq!(world.judge(&given), Err(Fault::Replayed));
    let other = Draft {
        time: "261122120100Z",
        ..world.draft()
    };
    let same_number = world.judge(&other.read(&world.key));
    assert_eq!(same_number, Err(Fault::Replayed), "in a token of its own");
}

#[test]
fn x411_8_5_9_keys_of_every_kind_sign_tokens() {
    for (kind, algorithm) in [
        (&rcgen::PKCS_ECDSA_P384_SHA384, ECDSA_WITH_SHA384),
        (&rcgen::PKCS_ED25519, ED25519),
    ] {
        let mut world = World::new();
        world.key = KeyPair::generate_for(kind).unwrap();
        let draft = Draft {
            algorithms: [algorithm; 2],
            ..world.draft()
        };
        assert_eq!(world.judge(&draft.read(&world.key)), Ok(()), "{algorithm}");
    }
}

#[test]
fn x411_12_1_1_what_we_make_another_gateway_takes() {
    let (ours, theirs) = (World::new(), World::new());
    let mut to_gw = ours.peer.clone();
    to_gw.mta = "GW".to_owned();
    to_gw.strong = Some(PeerStrong {
        domain: Some(Domain {
            country: "gb".to_owned(),
            admd: String::new(),
            prmd: Some("EXAMPLE".to_owned()),
        }),
        ..PeerStrong::default()
    });
    let given = ours.strong.credentials(&to_gw, now()).unwrap();
    let mut pinned = theirs;
    let shown = std::fs::read(ours.folder.path().join("gw")).unwrap();
    let shown = rustls::pki_types::pem::PemObject::from_pem_slice(&shown).unwrap();
    pinned.peer.strong = Some(PeerStrong {
        fingerprints: vec![Fingerprint::of(&shown)],
        ..PeerStrong::default()
    });
    let written = asn1::encode(&Credentials::Strong(given.clone()));
    assert_eq!(read(&written), given);
    assert_eq!(
        pinned.judge(&given),
        Ok(()),
        "nobody vouches, and nobody need"
    );
    let again = ours.strong.credentials(&to_gw, now()).unwrap();
    assert_eq!(
        pinned.judge(&again),
        Ok(()),
        "each token has a number of its own"
    );
}

#[test]
fn x411_8_5_9_tokens_for_another_are_refused() {
    let world = World::new();
    let judge = |draft: Draft| world.judge(&draft.read(&world.key));
    let mta = |mta| Draft {
        mta,
        ..world.draft()
    };
    says(judge(mta("HUB")), "is for \"HUB\", not \"GW\"");
    says(judge(mta("gw")), "not \"GW\"");
    says(judge(mta("")), "not \"GW\"");
    let domain = |domain| Draft {
        domain,
        ..world.draft()
    };
    // C=GB, ADMD a blank, PRMD=OTHER; then PRMD=EXAMPLE.
    says(
        judge(domain("6312610413024742620313012013054f54484552")),
        "in another domain",
    );
    assert_eq!(
        judge(domain("6314610413024742620313012013074558414d504c45")),
        Ok(())
    );
    let user = Draft {
        name: Some("60023000"),
        ..world.draft()
    };
    says(judge(user), "a user, not an MTA");
}

#[test]
fn x509_tokens_of_the_past_and_of_the_future_are_refused() {
    let world = World::new();
    for (time, says_so) in [
        ("261122115459Z", "before now"),
        ("261121120000Z", "before now"),
        ("261122120501Z", "after now"),
        ("361122120000Z", "after now"),
        ("261122120000", "no UTCTime"),
        ("261122125500+0500", "before now"),
    ] {
        let draft = Draft {
            time,
            ..world.draft()
        };
        says(world.judge(&draft.read(&world.key)), says_so);
    }
    for time in [
        "261122115500Z",
        "261122120500Z",
        "2611221200Z",
        "261122170000+0500",
    ] {
        let draft = Draft {
            time,
            random: ring_random(),
            ..world.draft()
        };
        assert_eq!(world.judge(&draft.read(&world.key)), Ok(()), "{time}");
    }
}

#[test]
fn x509_signatures_by_another_key_or_of_something_else_are_refused() {
    let world = World::new();
    let other = KeyPair::generate().unwrap();
    says(world.judge(&world.draft().read(&other)), "has not made it");
    let draft = Draft {
        signed: Some(b"something else".to_vec()),
        ..world.draft()
    };
    says(world.judge(&draft.read(&world.key)), "has not made it");
    let other = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let draft = Draft {
        algorithms: [ED25519; 2],
        ..world.draft()
    };
    says(world.judge(&draft.read(&other)), "of another kind");
}

#[test]
fn x690_a_signature_over_octets_in_ber_is_judged_by_the_octets_that_came() {
    let world = World::new();
    let draft = world.draft();
    let der = draft.data();
    // The same in an indefinite length.
    let inner = der.get(2..).unwrap();
    let ber = [&[0x30, 0x80], inner, &[0, 0]].concat();
    for (signed, taken) in [(&ber, true), (&der, false)] {
        let signature = tlv(0x03, &[&[0], &world.key.sign(signed).unwrap()]);
        let token = tlv(0x30, &[&ber, &hex(ECDSA_WITH_SHA256), &signature]);
        let token = tlv(0xa0, &[&hex("800456030600"), &tlv(0xa1, &[&token])]);
        let judged = world.judge(&read(&tlv(0xa0, &[&token, &draft.path()])));
        match taken {
            true => assert_eq!(judged, Ok(())),
            false => says(judged, "not in DER"),
        }
    }
}

#[test]
fn signature_algorithms_that_prove_nothing_are_refused() {
    let world = World::new();
    for (algorithms, says_so) in [
        (
            [SHA1_WITH_RSA; 2],
            "sha1WithRSAEncryption, which proves nothing",
        ),
        (
            ["300d06092a864886f70d0101040500"; 2],
            "md5WithRSAEncryption, which",
        ),
        (["300906072a8648ce3d0401"; 2], "ecdsa-with-SHA1, which"),
        (
            [SHA1_WITH_RSA, ECDSA_WITH_SHA256],
            "one algorithm in what is signed",
        ),
        (["300406022a03"; 2], "1.2.3 is unknown"),
        (["300d06082a8648ce3d040302020105"; 2], "with parameters"),
    ] {
        let draft = Draft {
            algorithms,
            ..world.draft()
        };
        says(world.judge(&draft.read(&world.key)), says_so);
    }
}

#[test]
fn tokens_that_are_cut_or_lack_something_are_refused() {
    let world = World::new();
    let draft = world.draft();
    let whole = draft.read(&world.key);
    let Any(octets) = &whole.bind_token.as_ref().unwrap().token;
    for length in 0..octets.len() {
        let mut cut = whole.clone();
        cut.bind_token.as_mut().unwrap().token = Any(octets.slice(..length));
        assert!(
            matches!(world.judge(&cut), Err(Fault::Token(_))),
            "{length}"
        );
    }
    let mut other = whole.clone();
    other.bind_token.as_mut().unwrap().token_type_identifier = crate::asn1::oids::ID_MTS;
    says(world.judge(&other), "asymmetric");
    let without = |change: fn(&mut StrongCredentials)| {
        let mut given = whole.clone();
        change(&mut given);
        world.judge(&given)
    };
    says(without(|given| given.bind_token = None), "no token");
    says(without(|given| given.certificate = None), "no certificate");
    for length in [0, 3, 129] {
        let draft = Draft {
            random: vec![7; length],
            ..world.draft()
        };
        says(world.judge(&draft.read(&world.key)), "random number has");
    }
}

#[test]
fn tokens_and_chains_that_are_too_large_are_refused_unread() {
    let world = World::new();
    let draft = Draft {
        random: vec![7; 5000],
        ..world.draft()
    };
    says(world.judge(&draft.read(&world.key)), "the token has");
    let one = world.draft().certificates;
    let many = Draft {
        certificates: vec![one.concat(); 11],
        ..world.draft()
    };
    says(world.judge(&many.read(&world.key)), "11 certificates");
    let large = Draft {
        certificates: [one, vec![tlv(0x04, &[&[0; 17_000]])]].concat(),
        ..world.draft()
    };
    says(
        world.judge(&large.read(&world.key)),
        "chain of certificates has",
    );
}
