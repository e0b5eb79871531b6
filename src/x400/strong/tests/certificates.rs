//! Certificates of every kind beside a token that is good.

use std::path::PathBuf;

use rcgen::{CustomExtension, ExtendedKeyUsagePurpose, KeyUsagePurpose};

use super::*;

#[test]
fn x509_certificates_nobody_vouches_for_are_refused() {
    let world = World::new();
    let (foreign, other) = authority("Other");
    let theirs = of_hub().signed_by(&world.key, &other).unwrap();
    says(
        world.judge_certificates(&[&theirs]),
        "none of our authorities",
    );
    says(
        world.judge_certificates(&[&theirs, &foreign]),
        "none of our authorities",
    );
    let (_, namesake) = authority("Authority");
    let theirs = of_hub().signed_by(&world.key, &namesake).unwrap();
    says(
        world.judge_certificates(&[&theirs]),
        "not signed by our authority",
    );
    let own = of_hub().self_signed(&world.key).unwrap();
    says(world.judge_certificates(&[&own]), "none of our authorities");
    let mut expired = of_hub();
    expired.not_after = rcgen::date_time_ymd(2026, 11, 22);
    says(
        world.judge_certificates(&[&world.issue(expired)]),
        "has expired 2026-11-22",
    );
    let mut early = of_hub();
    early.not_before = rcgen::date_time_ymd(2026, 11, 23);
    says(
        world.judge_certificates(&[&world.issue(early)]),
        "from 2026-11-23",
    );
    let mut above = of_hub();
    above.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    says(
        world.judge_certificates(&[&world.issue(above)]),
        "of an authority",
    );
    // One authority between.
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params
        .distinguished_name
        .push(DnType::OrganizationName, "Between");
    let key = KeyPair::generate().unwrap();
    let between = params.signed_by(&key, &world.authority).unwrap();
    let theirs = of_hub()
        .signed_by(&world.key, &Issuer::new(params, key))
        .unwrap();
    assert_eq!(world.judge_certificates(&[&theirs, &between]), Ok(()));
    says(
        world.judge_certificates(&[&theirs]),
        "none of our authorities",
    );
}

#[test]
fn x509_9_2_2_3_keys_for_other_purposes_are_refused() {
    let world = World::new();
    for (usage, purpose, taken) in [
        (vec![KeyUsagePurpose::DigitalSignature], None, true),
        (vec![KeyUsagePurpose::ContentCommitment], None, true),
        (vec![KeyUsagePurpose::KeyEncipherment], None, false),
        (vec![], Some(ExtendedKeyUsagePurpose::ServerAuth), true),
        (vec![], Some(ExtendedKeyUsagePurpose::ClientAuth), true),
        (vec![], Some(ExtendedKeyUsagePurpose::EmailProtection), true),
        (vec![], Some(ExtendedKeyUsagePurpose::Any), true),
        (vec![], Some(ExtendedKeyUsagePurpose::TimeStamping), false),
    ] {
        let mut params = of_hub();
        params.key_usages = usage;
        params.extended_key_usages = purpose.into_iter().collect();
        let judged = world.judge_certificates(&[&world.issue(params)]);
        match taken {
            true => assert_eq!(judged, Ok(())),
            false => says(judged, "is not for this"),
        }
    }
}

#[test]
fn x402_a_certificate_bears_the_name_of_its_mta() {
    // subjectAltName: otherName id-san-mta-name, { C=GB ADMD=" " PRMD=EXAMPLE, "RELAY" }.
    let mta_name = tlv(
        0x30,
        &[
            &hex("6314610413024742620313012013074558414d504c45"),
            &tlv(0x16, &[b"RELAY"]),
        ],
    );
    let other_name = tlv(0xa0, &[&hex("060456050600"), &tlv(0xa0, &[&mta_name])]);
    let mut params = of_hub();
    let names = tlv(0x30, &[&other_name, &tlv(0x82, &[b"hub.example.org"])]);
    params.custom_extensions = vec![CustomExtension::from_oid_content(&[2, 5, 29, 17], names)];
    let mut world = World::new();
    let certificate = world.issue(params);
    let domain = |prmd: &str| Domain {
        country: "GB".to_owned(),
        admd: " ".to_owned(),
        prmd: Some(prmd.to_owned()),
    };
    for (name, in_domain, taken) in [
        (Some("HUB"), None, true),
        (Some("hub"), None, false),
        (Some("RELAY"), None, true),
        (Some("RELAY"), Some(domain("example")), true),
        (Some("RELAY"), Some(domain("OTHER")), false),
        (Some("Hub.Example.ORG"), None, true),
        (Some("example.org"), None, false),
        (Some("cn=HUB, o=example"), None, true),
        (Some("CN=HUB"), None, false),
        (None, None, true),
    ] {
        world.peer.strong = Some(PeerStrong {
            name: name.map(str::to_owned),
            domain: in_domain,
            ..PeerStrong::default()
        });
        let judged = world.judge_certificates(&[&certificate]);
        match taken {
            true => assert_eq!(judged, Ok(()), "{name:?}"),
            false => says(
                judged,
                "is of \"CN=HUB,O=Example\" [\"hub.example.org\", \"RELAY\"]",
            ),
        }
    }
    world.peer.strong = Some(PeerStrong {
        fingerprints: vec!["00".repeat(32).parse().unwrap()],
        name: Some("HUB".to_owned()),
        ..PeerStrong::default()
    });
    says(
        world.judge_certificates(&[&certificate]),
        "none of this peer's",
    );
}

#[test]
fn what_cannot_work_is_told_when_it_is_read() {
    let world = World::new();
    let path = |name: &str| -> PathBuf { world.folder.path().join(name) };
    let ours = Config {
        certificate: path("gw"),
        key: path("gw.key"),
        authorities: Some(path("authority")),
        ..Config::default()
    };
    let alone = Config {
        authorities: None,
        ..ours.clone()
    };
    let told = |change: fn(&mut Peer), ours: Option<&Config>| {
        let mut peer = world.peer.clone();
        change(&mut peer);
        peer.check_strong(ours).unwrap_err().to_string()
    };
    assert!(world.peer.check_strong(Some(&ours)).is_ok());
    assert!(told(|_| {}, None).contains("[x400.strong]"));
    assert!(told(|_| {}, Some(&alone)).contains("authorities"));
    assert!(told(|peer| peer.mta.clear(), Some(&ours)).contains("needs mta"));
    let of_1984 = |peer: &mut Peer| peer.mode = crate::x400::config::Mode::Of1984;
    assert!(told(of_1984, Some(&ours)).contains("mode normal"));
    std::fs::write(path("hub.key"), world.key.serialize_pem()).unwrap();
    for (wrong, says) in [
        (
            Config {
                key: path("hub.key"),
                ..ours.clone()
            },
            "certificate and key",
        ),
        (
            Config {
                key: path("gw"),
                ..ours.clone()
            },
            "[x400.strong] key",
        ),
        (
            Config {
                certificate: path("gw.key"),
                ..ours.clone()
            },
            "no certificate",
        ),
        (
            Config {
                authorities: Some(path("nowhere")),
                ..ours
            },
            "[x400.strong] authorities",
        ),
    ] {
        let said = Strong::new(&wrong).unwrap_err().to_string();
        assert!(said.contains(says), "{said}");
    }
}
