//! Strong credentials in the bind: OpenSSL makes keys and certificates, checks the signature of our
//! token and signs one that we take; tshark reads the bind.

use std::fs;
use std::path::Path;

use libtest_mimic::{Failed, Trial};
use mixgate::asn1;
use mixgate::asn1::mts::{Credentials, StrongCredentials};
use mixgate::x400::Peer;
use mixgate::x400::strong::{Config, Domain, Fault, PeerStrong, Strong, Us};

use super::capture::Capture;
use super::postfix::{command, free_port, wait_for};
use super::program::{Running, mixgate, output};

pub fn trials() -> Vec<Trial> {
    vec![
        super::trial(
            "x411_8_5_9_openssl_verifies_our_tokens",
            &["openssl"],
            verified,
        ),
        super::trial(
            "x411_8_5_9_a_token_openssl_has_signed_is_taken",
            &["openssl"],
            signed,
        ),
        super::trial(
            "tshark_reads_a_bind_with_strong_credentials",
            &["openssl", "tshark"],
            bound,
        ),
    ]
}

/// Runs openssl in a folder, its arguments parted by blanks; what it writes.
fn openssl(folder: &Path, arguments: &str) -> Result<Vec<u8>, Failed> {
    let mut program = command("openssl");
    program.current_dir(folder).args(arguments.split(' '));
    let said = output(program)?;
    match said.status.success() {
        true => Ok(said.stdout),
        false => Err(format!("openssl {arguments}: {said:?}").into()),
    }
}

/// The kinds of keys: how openssl makes one, and how its signatures are told from others.
const KINDS: [(&str, &str); 3] = [
    ("rsa:2048", "sha256WithRSAEncryption"),
    ("ec -pkeyopt ec_paramgen_curve:P-256", "ecdsa-with-SHA256"),
    ("ed25519", "ED25519"),
];

/// An authority, and an MTA with a key of this kind, as docs/x400.md says to make them.
fn certify(folder: &Path, mta: &str, kind: &str) -> Result<(), Failed> {
    if !folder.join("ca.pem").exists() {
        openssl(
            folder,
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj \
             /O=Example/CN=Authority -keyout ca.key -out ca.pem",
        )?;
    }
    let extensions = format!(
        "keyUsage = critical, digitalSignature\n\
         subjectAltName = otherName:2.6.5.6.0;SEQUENCE:mta\n\
         [mta]\n\
         domain = IMPLICIT:3A,SEQUENCE:domain\n\
         name = IA5STRING:{mta}\n\
         [domain]\n\
         country = EXPLICIT:1A,PRINTABLESTRING:GB\n\
         admd = \"EXPLICIT:2A,PRINTABLESTRING: \"\n\
         prmd = PRINTABLESTRING:EXAMPLE\n"
    );
    fs::write(folder.join(format!("{mta}.ext")), extensions)?;
    openssl(
        folder,
        &format!(
            "req -newkey {kind} -nodes -subj /O=Example/OU=Mail -keyout {mta}.key -out {mta}.csr"
        ),
    )?;
    openssl(
        folder,
        &format!(
            "x509 -req -in {mta}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 825 \
             -extfile {mta}.ext -out {mta}.pem"
        ),
    )?;
    openssl(
        folder,
        &format!("x509 -in {mta}.pem -noout -pubkey -out {mta}.pub"),
    )?;
    openssl(
        folder,
        &format!("x509 -in {mta}.pem -outform DER -out {mta}.der"),
    )?;
    Ok(())
}

/// The configuration of an MTA that `certify` has made.
fn config(folder: &Path, mta: &str) -> Config {
    Config {
        certificate: folder.join(format!("{mta}.pem")),
        key: folder.join(format!("{mta}.key")),
        authorities: Some(folder.join("ca.pem")),
        ..Config::default()
    }
}

fn peer(mta: &str) -> Peer {
    Peer {
        name: mta.to_lowercase(),
        mta: mta.to_owned(),
        strong: Some(PeerStrong {
            domain: Some(Domain {
                country: "GB".to_owned(),
                admd: " ".to_owned(),
                prmd: Some("EXAMPLE".to_owned()),
            }),
            ..PeerStrong::default()
        }),
        ..Peer::default()
    }
}

/// What the HUB gave, as GW judges it now.
fn judge(strong: &Strong, given: &StrongCredentials) -> Result<(), Fault> {
    let hub = peer("HUB");
    let known_by = hub.strong.as_ref().expect("it is strong");
    let us = Us {
        mta: "GW",
        domains: &[],
    };
    strong.judge(&hub, known_by, &us, given, jiff::Timestamp::now())
}

/// The first value of octets in DER, and its contents; what follows it.
fn value(octets: &[u8]) -> (&[u8], &[u8], &[u8]) {
    let (header, length) = match octets[1] {
        short @ 0..=0x80 => (2, usize::from(short)),
        0x81 => (3, usize::from(octets[2])),
        0x82 => (4, usize::from(u16::from_be_bytes([octets[2], octets[3]]))),
        other => panic!("a length of {other:02x}"),
    };
    let (value, rest) = octets.split_at(header + length);
    (value, &value[header..], rest)
}

/// openssl reads our token, and finds that our key has made its signature.
fn verified() -> Result<(), Failed> {
    for (kind, algorithm) in KINDS {
        let folder = tempfile::tempdir()?;
        let folder = folder.path();
        certify(folder, "GW", kind)?;
        certify(folder, "HUB", kind)?;
        let strong = Strong::new(&config(folder, "HUB"))?;
        let given = strong.credentials(&peer("GW"), jiff::Timestamp::now())?;
        let token = &given.bind_token.as_ref().expect("a token").token.0;
        let (_, contents, _) = value(token);
        let (data, _, rest) = value(contents);
        let (_, _, signature) = value(rest);
        let (_, bits, rest) = value(signature);
        assert_eq!((bits[0], rest.len()), (0, 0));
        fs::write(folder.join("token"), token)?;
        fs::write(folder.join("data"), data)?;
        fs::write(folder.join("signature"), &bits[1..])?;
        let read = openssl(folder, "asn1parse -inform DER -in token")?;
        let read = String::from_utf8(read)?;
        for line in [
            "IA5STRING         :GW",
            "UTCTIME",
            "PRINTABLESTRING   :EXAMPLE",
            algorithm,
        ] {
            assert!(read.contains(line), "no {line} in {read}");
        }
        let verify = match kind {
            "ed25519" => "pkeyutl -verify -pubin -inkey HUB.pub -rawin -in data -sigfile signature",
            _ => "dgst -sha256 -verify HUB.pub -signature signature data",
        };
        openssl(folder, verify)?;
        fs::write(folder.join("data"), [data, b"."].concat())?;
        assert!(openssl(folder, verify).is_err(), "a test that can fail");
        let gw = Strong::new(&config(folder, "GW"))?;
        assert_eq!(judge(&gw, &given), Ok(()), "{kind}");
    }
    Ok(())
}

/// A value of DER: `parts`, one after another.
fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let contents = parts.concat();
    let length = u16::try_from(contents.len()).expect("short");
    let [high, low] = length.to_be_bytes();
    let header = match length {
        0..128 => vec![tag, low],
        128..256 => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    [header, contents].concat()
}

/// What openssl signs over octets put together by hand is taken, unless its digest is a broken one or
/// its key too short.
fn signed() -> Result<(), Failed> {
    let rsa = |last: u8| -> Vec<u8> {
        let oid = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, last];
        tlv(0x30, &[&tlv(6, &[&oid]), &[5, 0]])
    };
    let ecdsa = |last: u8| -> Vec<u8> {
        let oid = [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, last];
        tlv(0x30, &[&tlv(6, &[&oid])])
    };
    let curve = |name: &str| format!("ec -pkeyopt ec_paramgen_curve:{name}");
    for (kind, digest, algorithm, refused) in [
        ("rsa:2048".to_owned(), "sha256", rsa(11), ""),
        ("rsa:3072".to_owned(), "sha384", rsa(12), ""),
        ("rsa:2048".to_owned(), "sha512", rsa(13), ""),
        (curve("P-256"), "sha256", ecdsa(2), ""),
        (curve("P-256"), "sha384", ecdsa(3), ""),
        (curve("P-384"), "sha256", ecdsa(2), ""),
        (curve("P-384"), "sha384", ecdsa(3), ""),
        (
            "rsa:2048".to_owned(),
            "sha1",
            rsa(5),
            "sha1WithRSAEncryption, which proves nothing",
        ),
        (
            "rsa:2048".to_owned(),
            "md5",
            rsa(4),
            "md5WithRSAEncryption, which proves nothing",
        ),
        (
            "rsa:1024".to_owned(),
            "sha256",
            rsa(11),
            "RSA keys are taken from 2048 bits on",
        ),
        ("rsa:2048".to_owned(), "sha512", rsa(11), "has not made it"),
    ] {
        let folder = tempfile::tempdir()?;
        let folder = folder.path();
        certify(folder, "GW", "ec -pkeyopt ec_paramgen_curve:P-256")?;
        certify(folder, "HUB", &kind)?;
        let time = jiff::Timestamp::now().strftime("%y%m%d%H%M%SZ").to_string();
        let mta = tlv(0xa3, &[&tlv(0x16, &[b"GW"])]);
        let random = tlv(3, &[&[0], b"0123456789"]);
        let signed_data = tlv(0xa0, &[&[0x80, 1, 1], &tlv(0xa1, &[&random])]);
        let time = tlv(0x17, &[time.as_bytes()]);
        let data = tlv(0x30, &[&algorithm, &mta, &time, &signed_data]);
        fs::write(folder.join("data"), &data)?;
        openssl(
            folder,
            &format!("dgst -{digest} -sign HUB.key -out signature data"),
        )?;
        let signature = tlv(3, &[&[0], &fs::read(folder.join("signature"))?]);
        let token = tlv(0x30, &[&data, &algorithm, &signature]);
        let token = tlv(0xa0, &[&[0x80, 4, 0x56, 3, 6, 0], &tlv(0xa1, &[&token])]);
        let certificates = tlv(0xa1, &[&fs::read(folder.join("HUB.der"))?]);
        let given: Credentials = asn1::decode(&tlv(0xa0, &[&token, &certificates]).into())?;
        let Credentials::Strong(given) = given else {
            return Err(format!("{given:?}").into());
        };
        let gw = Strong::new(&config(folder, "GW"))?;
        match judge(&gw, &given) {
            Ok(()) => assert_eq!(refused, "", "{kind} {digest}"),
            Err(fault) => {
                let said = fault.to_string();
                assert!(
                    !refused.is_empty() && said.contains(refused),
                    "{kind} {digest}: {said}"
                );
            }
        }
    }
    Ok(())
}

/// A gateway that calls another, or is called by it.
fn configure(folder: &Path, us: &str, them: &str, port: u16) -> Result<String, Failed> {
    let (x400, connect) = match us {
        "HUB" => (port, 1),
        _ => (0, port),
    };
    let text = format!(
        r#"[gateway]
name = "{us}.example.org"
mta = "{us}"
domain = "/PRMD=EXAMPLE/ADMD= /C=GB/"
address = "/O={us}/PRMD=EXAMPLE/ADMD= /C=GB/"
postmaster = "postmaster@internet.example"
[queue]
store = "sqlite://{folder}/{us}.db"
[control]
socket = "{folder}/{us}.sock"
[smtp]
listen = ["127.0.0.1:0"]
relay = "127.0.0.1:1"
[x400]
listen = ["127.0.0.1:{x400}"]
[x400.strong]
certificate = "{us}.pem"
key = "{us}.key"
authorities = "ca.pem"
[[x400.peer]]
name = "{them}"
connect = ["127.0.0.1:{connect}"]
mta = "{them}"
routes = ["/PRMD=*/ADMD={them}/C=GB/"]
strong = {{ domain = {{ country = "GB", admd = " ", prmd = "EXAMPLE" }} }}
"#,
        folder = folder.display(),
    );
    let file = folder.join(format!("{us}.toml"));
    fs::write(&file, text)?;
    Ok(file.display().to_string())
}

/// Two gateways know each other by strong credentials, and tshark reads all of the bind; one with
/// another authority is refused, and told what it means.
fn bound() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    certify(folder, "GW", KINDS[0].0)?;
    certify(folder, "HUB", KINDS[1].0)?;
    let port = free_port();
    let hub = configure(folder, "HUB", "GW", port)?;
    let gw = configure(folder, "GW", "HUB", port)?;
    let ping = || -> Result<String, Failed> {
        let said = output(mixgate(&["peer", "ping", "HUB", "--config", &gw]))?;
        Ok(String::from_utf8(said.stdout)?)
    };
    let mut running = Running::start(&["serve", "--config", &hub])?;
    running.address("x400=[");
    let capture = Capture::start(&folder.join("bind.pcap"), port)?;
    let said = ping()?;
    let captured = capture.stop(1);
    assert!(!said.contains("FAILED"), "{said}");
    captured.shows(0, 1)?;
    let binds = "p1.MTABindArgument || p1.MTABindResult";
    let names = captured.values(binds, "p1.mta_name");
    // Whom the token is for, and who has the certificate.
    assert_eq!(names, ["HUB", "GW", "GW", "HUB"]);
    for (field, count) in [
        ("p1.AsymmetricToken_element", 2),
        ("p1.asymmetric_token_data_element", 2),
        ("x509af.userCertificate_element", 2),
    ] {
        assert_eq!(captured.frames(field).len(), count, "{field}");
    }
    // Another authority of the same name, and a certificate that it has issued.
    fs::remove_file(folder.join("ca.pem"))?;
    certify(folder, "GW", KINDS[0].0)?;
    let said = ping()?;
    assert!(said.contains("FAILED at MTA bind"), "{said}");
    assert!(said.contains("our strong credentials"), "{said}");
    wait_for("the reason in the log", || {
        let said = running.said();
        said.contains("is not signed by our authority of the name it gives")
            .then_some(())
    });
    running.stop();
    Ok(())
}
