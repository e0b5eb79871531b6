//! Client and server on loopback.

mod modes;
mod recovery;

use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::config::Selector;
use super::*;
use crate::octets::Octets;

mod associations;
mod failures;
mod rts;
mod strong;
mod tls;
mod turns;

/// Keeps what arrives, or refuses it.
#[derive(Default)]
struct Keeper {
    arrived: Mutex<Vec<(Caller, Bytes, Arrived)>>,
    refuse: Mutex<Option<RefusalReason>>,
    begun: AtomicUsize,
    /// How often a peer was ready to be sent to.
    opened: AtomicUsize,
    /// Milliseconds it takes to keep an APDU.
    delay: AtomicU64,
}

struct Memory(Vec<u8>);

impl Spool for Memory {
    async fn write(&mut self, octets: Bytes) -> io::Result<()> {
        if octets.windows(9).any(|word| word == b"disk full") {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.extend_from_slice(&octets);
        Ok(())
    }
}

impl Handler for Keeper {
    type Spool = Memory;

    async fn opened(&self, _: &Caller) {
        self.opened.fetch_add(1, Ordering::Relaxed);
    }

    async fn begin(&self, _: &Caller) -> Result<Memory, Refusal> {
        self.begun.fetch_add(1, Ordering::Relaxed);
        Ok(Memory(Vec::new()))
    }

    async fn commit(&self, from: &Caller, spool: Memory, arrived: Arrived) -> Result<(), Refusal> {
        let delay = self.delay.load(Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(delay)).await;
        match *self.refuse.lock().unwrap() {
            Some(reason) => Err(Refusal {
                reason,
                explanation: "as told".to_owned(),
            }),
            None => {
                self.arrived
                    .lock()
                    .unwrap()
                    .push((from.clone(), spool.0.into(), arrived));
                Ok(())
            }
        }
    }
}

/// A server that runs, and what its client needs.
struct Running {
    keeper: Arc<Keeper>,
    directory: Arc<Directory>,
    addresses: Vec<std::net::SocketAddr>,
    client: Arc<Client>,
    stop: oneshot::Sender<()>,
    ended: tokio::task::JoinHandle<()>,
    _passwords: tempfile::TempDir,
}

async fn running(change: impl Fn(&mut Config, &mut Config)) -> Running {
    let folder = tempfile::tempdir().unwrap();
    let [gw, hub] = ["gw", "hub"].map(|name| {
        let path = folder.path().join(name);
        std::fs::write(&path, format!("password of {name}\n")).unwrap();
        path
    });
    let of_gw = Peer {
        name: "gw".to_owned(),
        mta: "GW".to_owned(),
        password_file: Some(hub.clone()),
        peer_password_file: Some(gw.clone()),
        ..Peer::default()
    };
    let of_hub = Peer {
        name: "hub".to_owned(),
        mta: "HUB".to_owned(),
        t_selector: Selector("P1".into()),
        password_file: Some(gw),
        peer_password_file: Some(hub),
        ..Peer::default()
    };
    let mut server = Config {
        listen: vec!["127.0.0.1:0".to_owned()],
        peer: vec![of_gw],
        checkpoint_size: 2,
        ..Config::default()
    };
    let mut client = Config {
        peer: vec![of_hub],
        ..Config::default()
    };
    change(&mut server, &mut client);
    let keeper = Arc::new(Keeper::default());
    let directory = Arc::new(Directory::new(server, "HUB").unwrap());
    let server = Server::bind(Arc::clone(&directory), Arc::clone(&keeper))
        .await
        .unwrap();
    // A first address where nobody listens: the next one is tried.
    let mut addresses = server.addresses();
    addresses.extend(server.tls_addresses());
    client.peer[0].connect = vec!["127.0.0.1:1".to_owned(), addresses[0].to_string()];
    let client = Arc::new(Client::new(Arc::new(Directory::new(client, "GW").unwrap())));
    let (stop, stopped) = oneshot::channel();
    let ended = tokio::spawn(server.run(async { drop(stopped.await) }));
    Running {
        keeper,
        directory,
        addresses,
        client,
        stop,
        ended,
        _passwords: folder,
    }
}

impl Running {
    /// Opens an association, releases it, and tells where that was.
    async fn ping(&self) -> Result<std::net::SocketAddr, failure::Failure> {
        let pinged = self.client.ping("hub").await.unwrap().pop().unwrap();
        match pinged.failure {
            None => Ok(pinged.relay.unwrap()),
            Some(failure) => Err(failure),
        }
    }
}

fn apdu(length: usize) -> Octets {
    let content: Vec<u8> = (0..length)
        .map(|at| u8::try_from(at % 253).unwrap())
        .collect();
    let envelope = crate::asn1::mta::MessageTransferEnvelope::default();
    crate::asn1::compose::message(&envelope, content.into())
}

fn explanation(outcome: Outcome) -> String {
    match outcome {
        Outcome::Later { explanation, .. } | Outcome::NoAssociation { explanation, .. } => {
            explanation
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn transfers_of_many_sizes_from_memory_and_file() {
    let running = running(|_, _| {}).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("apdu");
    for length in [0, 1, 2000, 2048, 100_000, 1_000_000] {
        let octets = apdu(length);
        std::fs::write(&path, octets.to_bytes()).unwrap();
        for apdu in [Apdu::Octets(octets.clone()), Apdu::File(path.clone())] {
            let outcome = running.client.transfer("hub", apdu).await;
            assert!(matches!(outcome, Outcome::Delivered { .. }), "{outcome:?}");
            let (from, arrived, what) = running.keeper.arrived.lock().unwrap().pop().unwrap();
            assert_eq!(arrived, octets.to_bytes());
            assert_eq!(
                (from.peer.as_deref(), from.mta.as_str()),
                (Some("gw"), "GW")
            );
            assert_eq!(from.association, 0, "one warm association carries all");
            assert_eq!((what.kind, what.octets), (ApduKind::Message, octets.len()));
            let envelope = crate::asn1::mta::MessageTransferEnvelope::default();
            assert_eq!(what.envelope, crate::asn1::encode(&envelope));
        }
    }
    running.client.close().await;
    running.stop.send(()).unwrap();
    running.ended.await.unwrap();
}

#[tokio::test]
async fn many_at_once_share_few_associations() {
    let running = running(|_, client| client.peer[0].max_associations = Some(3)).await;
    let transfers = (0..40).map(|at| running.client.transfer("hub", Apdu::Octets(apdu(at * 500))));
    let mut outcomes = Vec::new();
    let mut set: Vec<_> = transfers.map(Box::pin).collect();
    std::future::poll_fn(|context| {
        set.retain_mut(|transfer| match transfer.as_mut().poll(context) {
            std::task::Poll::Ready(outcome) => {
                outcomes.push(outcome);
                false
            }
            std::task::Poll::Pending => true,
        });
        if set.is_empty() {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    assert!(
        outcomes
            .iter()
            .all(|outcome| matches!(outcome, Outcome::Delivered { .. }))
    );
    let arrived = running.keeper.arrived.lock().unwrap();
    assert_eq!(arrived.len(), 40);
    assert!(arrived.iter().all(|(from, ..)| from.association < 3));
}

#[tokio::test]
async fn a_refusal_is_later_or_never_and_costs_one_transfer() {
    let running = running(|_, _| {}).await;
    for (reason, never) in [
        (RefusalReason::ReceivingAbilityJeopardized, false),
        (RefusalReason::LocalError, false),
        (RefusalReason::Unrecoverable, true),
    ] {
        *running.keeper.refuse.lock().unwrap() = Some(reason);
        let outcome = running
            .client
            .transfer("hub", Apdu::Octets(apdu(5000)))
            .await;
        assert_eq!(
            matches!(outcome, Outcome::Never { .. }),
            never,
            "{outcome:?}"
        );
        assert_eq!(
            matches!(outcome, Outcome::Later { .. }),
            !never,
            "{outcome:?}"
        );
        *running.keeper.refuse.lock().unwrap() = None;
        let outcome = running.client.transfer("hub", Apdu::Octets(apdu(10))).await;
        assert!(matches!(outcome, Outcome::Delivered { .. }), "{outcome:?}");
    }
}

#[tokio::test]
async fn x228_7_4_a_transfer_in_doubt_is_not_sent_again_on_another_association() {
    let running = running(|_, _| {}).await;
    // The second transfer has a warm association, which could be taken for a stale one.
    for begun in [1, 3] {
        *running.keeper.refuse.lock().unwrap() = Some(RefusalReason::Abort);
        let outcome = running
            .client
            .transfer("hub", Apdu::Octets(apdu(5000)))
            .await;
        assert!(matches!(outcome, Outcome::InDoubt { .. }), "{outcome:?}");
        assert_eq!(running.keeper.begun.load(Ordering::Relaxed), begun);
        *running.keeper.refuse.lock().unwrap() = None;
        let outcome = running.client.transfer("hub", Apdu::Octets(apdu(10))).await;
        assert!(matches!(outcome, Outcome::Delivered { .. }), "{outcome:?}");
    }
}

#[tokio::test]
async fn what_is_no_apdu_or_too_large_is_never() {
    let running = running(|server, _| {
        server.max_apdu = 10_000;
        server.max_envelope = 500;
    })
    .await;
    for octets in [
        Octets::from(&b"hello"[..]),
        apdu(10_000),
        Octets::from([&b"\xa2\x82\x02\x00\x04\x82\x01\xfc"[..], &[0; 508]].concat()),
        Octets::new(),
    ] {
        let outcome = running.client.transfer("hub", Apdu::Octets(octets)).await;
        assert!(matches!(outcome, Outcome::Never { .. }), "{outcome:?}");
    }
    let missing = Apdu::File("/nowhere/apdu".into());
    let why = explanation(running.client.transfer("hub", missing).await);
    assert!(why.contains("cannot be read"), "{why}");
    assert!(running.keeper.arrived.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_spool_that_fails_is_later() {
    let running = running(|_, _| {}).await;
    let envelope = crate::asn1::mta::MessageTransferEnvelope::default();
    let octets = crate::asn1::compose::message(&envelope, Octets::from(&b"disk full"[..]));
    let outcome = running.client.transfer("hub", Apdu::Octets(octets)).await;
    assert!(matches!(outcome, Outcome::Later { .. }), "{outcome:?}");
    assert!(running.keeper.arrived.lock().unwrap().is_empty());
}

#[tokio::test]
async fn strangers_and_wrong_passwords_are_refused() {
    for (change, says) in [
        (1, "authentication-error"),
        (2, "authentication-error"),
        (3, "authentication-error"),
        (4, "answered"),
        (5, "password"),
    ] {
        let running = running(|server, client| match change {
            1 => client.peer[0].our_mta = Some("NOBODY".to_owned()),
            2 => client.peer[0].password_file = None,
            3 => server.peer[0].accept_from = vec!["192.0.2.0/24".parse().unwrap()],
            4 => client.peer[0].mta = "OTHER".to_owned(),
            _ => server.peer[0].password_file = None,
        })
        .await;
        let why = explanation(running.client.transfer("hub", Apdu::Octets(apdu(1))).await);
        assert!(why.contains(says), "{change}: {why}");
        assert!(running.ping().await.is_err());
        assert_eq!(running.keeper.begun.load(Ordering::Relaxed), 0);
    }
}

#[tokio::test]
async fn an_association_is_released_when_idle_and_replaced_when_the_server_was_restarted() {
    let running = running(|_, client| client.idle_timeout = 1).await;
    for expected in [0, 0, 1] {
        let outcome = running.client.transfer("hub", Apdu::Octets(apdu(1))).await;
        assert!(matches!(outcome, Outcome::Delivered { .. }), "{outcome:?}");
        let (from, ..) = running.keeper.arrived.lock().unwrap().pop().unwrap();
        if from.association == 0
            && expected == 0
            && running.keeper.begun.load(Ordering::Relaxed) > 1
        {
            tokio::time::sleep(Duration::from_millis(1300)).await;
        }
        assert_eq!(from.association, expected);
    }
    running.stop.send(()).unwrap();
    running.ended.await.unwrap();
    let why = explanation(running.client.transfer("hub", Apdu::Octets(apdu(1))).await);
    assert!(why.contains("refused"), "nobody listens any more: {why}");
}

#[tokio::test]
async fn noise_is_cut_off() {
    let running = running(|server, _| server.open_timeout = 1).await;
    let address = running.ping().await.unwrap();
    let mut noise = TcpStream::connect(address).await.unwrap();
    noise.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = noise.read_to_end(&mut answer).await;
    assert!(answer.is_empty());
    // Silence is cut off as well, in time.
    let mut silence = TcpStream::connect(address).await.unwrap();
    let read = tokio::time::timeout(Duration::from_secs(5), silence.read_to_end(&mut answer));
    assert!(read.await.is_ok());
}

/// A connection from another address of this machine, on which a CR TPDU was sent.
async fn caller(from: [u8; 4], to: std::net::SocketAddr) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    let mut stream = socket.connect(to).await.unwrap();
    let request = b"\x03\0\0\x0b\x06\xe0\0\0\0\x01\0";
    stream.write_all(request).await.unwrap();
    stream
}

/// The first TPDU of the answer: its code, and the reason if it is DR.
async fn answered(stream: &mut TcpStream) -> (u8, Option<u8>) {
    let mut packet = [0; 11];
    stream.read_exact(&mut packet).await.unwrap();
    (packet[5], (packet[5] == DR).then_some(packet[10]))
}

const CC: u8 = 0xd0;
const DR: u8 = 0x80;

#[tokio::test]
async fn x224_13_5_3_a_flood_from_one_address_is_refused_and_another_is_served() {
    let running = running(|server, _| server.max_connections_per_address = 3).await;
    let to = running.ping().await.unwrap();
    let mut flood = Vec::new();
    for number in 0..20 {
        let mut stream = caller([127, 0, 0, 2], to).await;
        let expected = match number {
            0..3 => (CC, None),
            _ => (DR, Some(1)), // congestion at TSAP
        };
        assert_eq!(answered(&mut stream).await, expected, "{number}");
        flood.push(stream);
    }
    let outcome = running.client.transfer("hub", Apdu::Octets(apdu(1))).await;
    assert!(matches!(outcome, Outcome::Delivered { .. }), "{outcome:?}");
    // Whoever goes makes room.
    drop(flood);
    let served = async {
        while answered(&mut caller([127, 0, 0, 2], to).await).await.0 != CC {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), served)
        .await
        .unwrap();
}

#[tokio::test]
async fn half_open_connections_do_not_stand_in_the_way_of_a_neighbour() {
    let running = running(|server, _| {
        server.max_half_open = 2;
        server.max_associations = 1;
        server.peer[0].accept_from = vec!["127.0.0.1".parse().unwrap()];
    })
    .await;
    let to = running.ping().await.unwrap();
    let mut strangers = Vec::new();
    for number in 2..5 {
        let mut stream = caller([127, 0, 0, number], to).await;
        let expected = if number < 4 { CC } else { DR };
        assert_eq!(answered(&mut stream).await.0, expected, "{number}");
        strangers.push(stream);
    }
    let outcome = running.client.transfer("hub", Apdu::Octets(apdu(1))).await;
    assert!(matches!(outcome, Outcome::Delivered { .. }), "{outcome:?}");
}

#[tokio::test]
async fn open_timeout_counts_from_the_connection_to_the_bind() {
    let running = running(|server, _| server.open_timeout = 1).await;
    let to = running.ping().await.unwrap();
    let mut stream = TcpStream::connect(to).await.unwrap();
    let begun = std::time::Instant::now();
    tokio::time::sleep(Duration::from_millis(850)).await;
    // A transport connection wins a caller nothing.
    stream
        .write_all(b"\x03\0\0\x0b\x06\xe0\0\0\0\x01\0")
        .await
        .unwrap();
    assert_eq!(answered(&mut stream).await.0, CC);
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
    assert!(
        begun.elapsed() < Duration::from_millis(1700),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn a_source_sends_into_a_sink() {
    let folder = tempfile::tempdir().unwrap();
    let dump = folder.path().join("dump");
    let fail = vec!["later/7".parse().unwrap(), "drop/10".parse().unwrap()];
    let sink = sink::Sink::bind(sink::Options {
        listen: vec!["127.0.0.1:0".to_owned()],
        mta: "SINK".to_owned(),
        dump: Some(dump.clone()),
        fail,
        ..sink::Options::default()
    })
    .await
    .unwrap();
    let to = sink.addresses()[0].to_string();
    let (stop, stopped) = oneshot::channel::<()>();
    let ended = tokio::spawn(sink.run(async { drop(stopped.await) }));
    let options = source::Options {
        to,
        messages: Some(20),
        size: 3000,
        sessions: 3,
        ..source::Options::default()
    };
    let summary = source::run(options, |_| {}).await.unwrap();
    assert_eq!(
        (
            summary.delivered,
            summary.later,
            summary.in_doubt,
            summary.never
        ),
        (16, 2, 2, 0),
        "{summary:?}"
    );
    stop.send(()).unwrap();
    let counted = ended.await.unwrap();
    assert_eq!(counted.messages, summary.delivered);
    assert_eq!(counted.octets, summary.octets);
    assert_eq!(counted.refused, 4, "{counted:?}");
    let mut kept = 0;
    for entry in std::fs::read_dir(dump).unwrap() {
        let octets: Bytes = std::fs::read(entry.unwrap().path()).unwrap().into();
        crate::asn1::decode::<crate::asn1::mta::MtsApdu>(&octets).expect("a bare APDU");
        kept += 1;
    }
    assert_eq!(kept, counted.messages);
}

#[test]
fn ways_to_fail_are_read() {
    for (text, every) in [
        ("busy", 1),
        ("later/3", 3),
        ("never", 1),
        ("drop=4096/2", 2),
        ("cut", 1),
        ("full/9", 9),
        ("bind=unacceptable-dialogue-mode/2", 2),
    ] {
        assert_eq!(text.parse::<sink::Fail>().unwrap().every, every);
    }
    let delay: sink::Fail = "delay=0.5/2".parse().unwrap();
    assert_eq!(
        delay,
        sink::Fail {
            how: sink::How::Delay(Duration::from_millis(500)),
            every: 2
        }
    );
    for text in [
        "",
        "sometimes",
        "later/0",
        "later/x",
        "delay",
        "delay=-1",
        "busy=1",
        "bind=tired",
        "later=few",
    ] {
        assert!(text.parse::<sink::Fail>().is_err(), "{text}");
    }
}
