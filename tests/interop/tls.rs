//! TLS under RFC 1006, with OpenSSL at the other end: as caller and as the one called.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use libtest_mimic::{Failed, Trial};

use super::postfix::{command, free_port, wait_for};
use super::program::{Running, mixgate, output};

/// A transport connection request, as RFC 1006 frames it.
const REQUEST: &[u8] = b"\x03\x00\x00\x0b\x06\xe0\x00\x00\x00\x01\x00";

pub fn trials() -> Vec<Trial> {
    vec![
        super::trial(
            "openssl_calls_over_tls_with_a_certificate_only",
            &["openssl"],
            called,
        ),
        super::trial(
            "openssl_is_called_over_tls_if_it_has_the_right_certificate",
            &["openssl"],
            calling,
        ),
    ]
}

/// Makes a certificate and its key; their files and its fingerprint.
fn certificate(folder: &Path, name: &str) -> Result<(PathBuf, PathBuf, String), Failed> {
    let (file, key) = (folder.join(name), folder.join(format!("{name}.key")));
    let made = command("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"])
        .args(["-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-subj", &format!("/CN={name}")])
        .args(["-addext", &format!("subjectAltName=DNS:{name}.example.org")])
        .arg("-out")
        .arg(&file)
        .arg("-keyout")
        .arg(&key)
        .output()?;
    assert!(made.status.success(), "{made:?}");
    let shown = command("openssl")
        .args(["x509", "-noout", "-fingerprint", "-sha256", "-in"])
        .arg(&file)
        .output()?;
    let shown = String::from_utf8(shown.stdout)?;
    let (_, fingerprint) = shown.trim().split_once('=').ok_or("no fingerprint")?;
    Ok((file, key, fingerprint.to_owned()))
}

/// A configuration of a gateway that listens for TLS at one port and calls the hub at another.
fn configure(folder: &Path, listen: u16, hub: u16, fingerprint: &str) -> Result<String, Failed> {
    let text = format!(
        r#"[gateway]
name = "gw.example.org"
mta = "GW"
domain = "/PRMD=EXAMPLE/ADMD= /C=GB/"
address = "/O=Gateway/PRMD=EXAMPLE/ADMD= /C=GB/"
postmaster = "postmaster@internet.example"
[queue]
store = "sqlite://{folder}/queue.db"
[control]
socket = "{folder}/control.sock"
[smtp]
listen = ["127.0.0.1:0"]
relay = "127.0.0.1:1"
[x400]
listen = ["127.0.0.1:0"]
open-timeout = 3
[x400.tls]
listen = ["127.0.0.1:{listen}"]
certificate = "gw"
key = "gw.key"
[[x400.peer]]
name = "hub"
connect = ["127.0.0.1:{hub}"]
mta = "HUB"
routes = ["/PRMD=*/ADMD=HUB/C=GB/"]
tls = {{ fingerprints = ["{fingerprint}"] }}
"#,
        folder = folder.display(),
    );
    let file = folder.join("mixgate.toml");
    fs::write(&file, text)?;
    Ok(file.display().to_string())
}

/// s_client gets a transport connection if it shows a certificate.
fn called() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    let (gateway, _, _) = certificate(folder, "gw")?;
    let (file, key, fingerprint) = certificate(folder, "hub")?;
    let config = configure(folder, 0, 1, &fingerprint)?;
    let mut running = Running::start(&["serve", "--config", &config])?;
    let port = running.address("x400_tls=[").port();
    fs::write(folder.join("request"), REQUEST)?;
    for version in ["-tls1_2", "-tls1_3"] {
        for shows in [true, false] {
            let mut client = command("openssl");
            client
                .args(["s_client", "-quiet", "-verify_return_error", version])
                .args(["-connect", &format!("127.0.0.1:{port}"), "-CAfile"])
                .arg(&gateway);
            if shows {
                client.arg("-cert").arg(&file).arg("-key").arg(&key);
            }
            client.stdin(fs::File::open(folder.join("request"))?);
            let said = output(client)?;
            let answer = said.stdout.get(..6);
            let granted = answer.is_some_and(|head| head[..2] == [3, 0] && head[5] == 0xd0);
            assert_eq!(granted, shows, "{version} {said:?}");
        }
    }
    running.stop();
    Ok(())
}

/// s_server sees our certificate and our call, unless its own is not the one configured.
fn calling() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    let (gateway, _, ours) = certificate(folder, "gw")?;
    let (file, key, theirs) = certificate(folder, "hub")?;
    for (fingerprint, step) in [(theirs, "FAILED at transport"), (ours, "FAILED at TLS")] {
        let port = free_port();
        let config = configure(folder, free_port(), port, &fingerprint)?;
        let mut server = command("openssl")
            .args(["s_server", "-quiet", "-Verify", "1", "-verify_return_error"])
            .args(["-accept", &format!("127.0.0.1:{port}"), "-CAfile"])
            .arg(&gateway)
            .arg("-cert")
            .arg(&file)
            .arg("-key")
            .arg(&key)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut stdout = server.stdout.take().ok_or("no pipe")?;
        let heard = Arc::new(Mutex::new(Vec::new()));
        let reader = std::thread::spawn({
            let heard = Arc::clone(&heard);
            move || {
                let mut octets = [0; 1024];
                while let Ok(count @ 1..) = stdout.read(&mut octets) {
                    heard.lock().unwrap().extend_from_slice(&octets[..count]);
                }
            }
        });
        let said = wait_for("openssl to listen", || {
            let said = output(mixgate(&["peer", "ping", "hub", "--config", &config])).ok()?;
            let text = String::from_utf8_lossy(&said.stdout).into_owned();
            (!text.contains("Connection refused")).then_some(text)
        });
        server.kill()?;
        server.wait()?;
        reader.join().expect("no panic");
        assert!(said.contains(step), "{said}");
        let heard = heard.lock().unwrap();
        let request = heard
            .get(..6)
            .is_some_and(|head| head[..2] == [3, 0] && head[5] == 0xe0);
        assert_eq!(request, step.ends_with("transport"), "{heard:?}");
    }
    Ok(())
}
