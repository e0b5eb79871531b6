//! Calls that fail in every way there is, against liars that speak octets written by hand: what
//! `mixgate peer ping` says of each is, as a whole, what `docs/x400.md` says of it.

mod ways;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mixgate::gateway::peers::render_pinged;
use mixgate::x400::config::{Mode, Selector};
use mixgate::x400::tls::{self, PeerTls};
use mixgate::x400::{Client, Config, Directory, Peer};
use rcgen::generate_simple_self_signed;
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, pem::PemObject as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::octets::octets;
use ways::{Answer, Then, Way, ways};

/// The octets of an answer.
fn said(answer: &Answer) -> Vec<u8> {
    let packet = |tpdu: Vec<u8>| {
        let length = u16::try_from(tpdu.len() + 4).unwrap();
        [&[3, 0][..], &length.to_be_bytes(), &tpdu].concat()
    };
    match answer {
        Answer::Raw(notation) => octets(notation),
        Answer::Tpdu(notation) => packet(octets(notation)),
        Answer::Tsdu(notation) => packet([&[2, 0xf0, 0x80][..], &octets(notation)].concat()),
    }
}

/// A liar of one call.
async fn liar(way: &Way) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (answers, then) = (way.answers.clone(), way.then);
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        for answer in answers {
            // Each thing the caller says fits a segment of TCP.
            if stream.read(&mut [0; 4096]).await.unwrap() == 0 {
                return;
            }
            stream.write_all(&said(&answer)).await.unwrap();
        }
        match then {
            Then::Waits => drop(stream.read_to_end(&mut Vec::new()).await),
            // What is read is not answered by a reset.
            Then::HangsUp => drop(stream.read(&mut [0; 4096]).await),
        }
    });
    address
}

/// Somebody who calls the hub in one mode, over TLS or not.
fn caller(folder: &Path, connect: &str, mode: Mode, over_tls: bool) -> Client {
    let selector = |text: &str| Selector(text.to_owned().into());
    let fingerprint = ["AB"; 32].join(":").parse().unwrap();
    let hub = Peer {
        name: "hub".to_owned(),
        connect: vec![connect.to_owned()],
        mta: "HUB".to_owned(),
        mode,
        peer_password_file: Some(folder.join("password")),
        t_selector: selector("P1"),
        s_selector: selector("S1"),
        p_selector: selector("Q1"),
        tls: over_tls.then(|| PeerTls {
            name: None,
            fingerprints: vec![fingerprint],
        }),
        ..Peer::default()
    };
    let config = Config {
        peer: vec![hub],
        open_timeout: 1,
        transfer_timeout: 1,
        tls: over_tls.then(|| tls::Config {
            listen: Vec::new(),
            certificate: folder.join("certificate"),
            key: folder.join("key"),
            authorities: None,
        }),
        ..Config::default()
    };
    Client::new(Arc::new(Directory::new(config, "GW").unwrap()))
}

/// What `peer ping` says of the hub, in one line, without the address.
async fn pinged(client: &Client, address: &str) -> String {
    let pinged = client.ping("hub").await.unwrap();
    let text = render_pinged("hub", &pinged);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let relay = format!("hub at {address} [{address}]: FAILED at ");
    let name = format!("hub at {address}: FAILED at ");
    let text = text.strip_prefix(&relay).or(text.strip_prefix(&name));
    text.unwrap_or_else(|| panic!("{pinged:?}")).to_owned()
}

/// What the page says: what is shown for each way, without the words that vary.
fn documented() -> BTreeMap<String, String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/x400.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, page) = page
        .split_once("## Every way in which a call can fail")
        .unwrap();
    let rows = page.lines().filter_map(|line| {
        let cells = line.strip_prefix("| ")?.strip_suffix(" |")?;
        let cells: Vec<_> = cells.split(" | ").map(str::to_owned).collect();
        let is_head = ["---", "the peer", "advice"].contains(&cells[0].as_str());
        (!is_head).then_some(cells)
    });
    let rows: Vec<_> = rows.collect();
    let advice: BTreeMap<_, _> = rows
        .iter()
        .filter_map(|row| match row.as_slice() {
            [key, text] => Some((key.as_str(), text.as_str())),
            _ => None,
        })
        .collect();
    let mut used = BTreeSet::new();
    let mut shown = BTreeMap::new();
    for row in &rows {
        if let [keys, failed, advised] = row.as_slice()
            && let Some(text) = advice.get(advised.as_str())
        {
            used.insert(advised.as_str());
            for key in keys.split(", ") {
                let text = format!("{failed} {text}");
                assert_eq!(
                    shown.insert(key.to_owned(), text),
                    None,
                    "{key} stands twice"
                );
            }
        }
    }
    let unused: Vec<_> = advice.keys().filter(|key| !used.contains(*key)).collect();
    assert!(unused.is_empty(), "advice for nothing: {unused:?}");
    shown
}

#[tokio::test]
async fn every_way_in_which_a_call_can_fail_is_explained_as_documented() {
    let folder = tempfile::tempdir().unwrap();
    let certified = generate_simple_self_signed(vec!["gw.example.org".to_owned()]).unwrap();
    for (name, text) in [
        ("password", "secret\n".to_owned()),
        ("certificate", certified.cert.pem()),
        ("key", certified.signing_key.serialize_pem()),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let mut calls = JoinSet::new();
    let mut call = |key: &str, address: &str, mode: Mode, over_tls: bool| {
        let client = caller(folder.path(), address, mode, over_tls);
        let (key, address) = (key.to_owned(), address.to_owned());
        calls.spawn(async move { (key, pinged(&client, &address).await) });
    };
    // Where nobody can lie.
    let full = full().await;
    let other = another_certificate().await;
    for (key, address, over_tls) in [
        ("no such name", "mta.nowhere.invalid:102", false),
        ("nobody listens", "127.0.0.1:1", false),
        ("no way", "255.255.255.255:102", false),
        ("nobody answers", &full.0.to_string(), false),
        ("TLS: another certificate", &other.to_string(), true),
    ] {
        call(key, address, Mode::Normal, over_tls);
    }
    for way in ways() {
        let address = liar(&way).await.to_string();
        call(&way.key, &address, way.mode, way.over_tls);
    }
    let documented = documented();
    let mut tried = BTreeSet::new();
    let mut wrong = Vec::new();
    while let Some(called) = calls.join_next().await {
        let (key, shown) = called.unwrap();
        let expected = documented.get(&key).map_or("", String::as_str);
        // The system's own words vary.
        let is_right = match expected.split_once("…") {
            Some((begins, ends)) => shown.starts_with(begins) && shown.ends_with(ends),
            None => shown == expected,
        };
        if !is_right {
            wrong.push(format!("{key}\n  shown: {shown}\n  docs:  {expected}"));
        }
        assert!(tried.insert(key.clone()), "{key} is tried twice");
    }
    wrong.sort();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let untried: Vec<_> = documented
        .keys()
        .filter(|key| !tried.contains(*key))
        .collect();
    assert!(untried.is_empty(), "documented, and not tried: {untried:?}");
}

/// A port that takes no further connection, and what keeps it so.
async fn full() -> (SocketAddr, TcpListener, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut held = Vec::new();
    loop {
        let connect = TcpStream::connect(address);
        match tokio::time::timeout(Duration::from_millis(300), connect).await {
            Ok(stream) => held.push(stream.unwrap()),
            Err(_) => return (address, listener, held),
        }
    }
}

/// A peer over TLS with another certificate than is configured.
async fn another_certificate() -> SocketAddr {
    let made = generate_simple_self_signed(vec!["hub.example.org".to_owned()]).unwrap();
    let key = PrivateKeyDer::from_pem_slice(made.signing_key.serialize_pem().as_bytes()).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        if let Ok(mut stream) = acceptor.accept(stream).await {
            let _ = stream.read(&mut [0; 4096]).await;
        }
    });
    address
}
