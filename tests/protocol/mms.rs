//! Clients of another application that call our server: captured ones of MMS (ISO 9506) are refused by
//! association control, in order; tshark reads the refusal, and the log says why.

use std::fmt::Write as _;
use std::io::{Read as _, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use libtest_mimic::{Failed, Trial};
use mixgate::x400::{self, Arrived, Caller, Directory, Handler, Refusal, RefusalReason, Server};
use tokio::runtime::Builder;
use tokio::sync::oneshot;

use crate::capture::{self, Side};
use crate::corpus::Corpus;

/// The captures in which an MMS client calls, with the P-selector it calls and the last octets of its
/// application context name (1.0.9506.2.3, and that of the draft, 1.0.9506.1.1).
const CALLS: [(&str, &str, &str); 5] = [
    ("osi/iti-iec61850_get_name_list.pcap", "00000001", "0203"),
    ("osi/iti-iec61850_read.pcap", "00000001", "0203"),
    ("osi/iti-iec61850_release.pcap", "00000001", "0203"),
    ("osi/iti-iec61850_write.pcap", "00000001", "0203"),
    ("osi/mms.pcap.gz", "00000002", "0101"),
];

pub fn trials(corpus: &Corpus) -> Vec<Trial> {
    let trial = |(capture, selector, context): (&'static str, &'static str, &'static str)| {
        let name = format!("x227_7_1_4_1_mms_is_refused_politely of {capture}");
        corpus.trial(&name, move |root| {
            refused(root, capture, &refusal(selector, context))
        })
    };
    CALLS.into_iter().map(trial).collect()
}

/// The refusal, as octets: DT; REFUSE (the transport connection goes; duplex; refused by the user, who
/// says), CPR (ACSE is taken; MMS is an abstract syntax not supported), AARE (rejected for good by the
/// user: application-context-name-not-supported).
fn refusal(selector: &str, context: &str) -> String {
    let octets = format!(
        "0300004e 02f080 0c45 110101 14020002 323c 02 3039 8304 {selector} \
         a511 3007 800100 8102 5101 3006 800102 820101 \
         611e 301c 020101 a017 6115 a107 0605 28ca22{context} a203 020101 a305 a103 020102"
    );
    octets.replace(' ', "")
}

/// A user that gets nothing.
struct Nobody;

impl x400::Spool for Nobody {
    async fn write(&mut self, _: Bytes) -> std::io::Result<()> {
        Ok(())
    }
}

impl Handler for Nobody {
    type Spool = Self;

    async fn begin(&self, _: &Caller) -> Result<Self, Refusal> {
        Ok(Self)
    }

    async fn commit(&self, _: &Caller, _: Self, _: Arrived) -> Result<(), Refusal> {
        Err(Refusal {
            reason: RefusalReason::Unrecoverable,
            explanation: "nobody is here".to_owned(),
        })
    }
}

/// What was logged.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Plays the client of each conversation up to the answer to its association request.
fn refused(root: &Path, name: &str, expected: &str) -> Result<(), Failed> {
    let conversations = capture::conversations(root, name)?;
    let calls = conversations.iter().filter(|conversation| {
        let first = conversation.flow.first();
        first.is_some_and(|(side, octets)| *side == Side::Initiator && octets.starts_with(&[3, 0]))
    });
    let mut played = 0;
    for conversation in calls {
        let said = conversation.flow.iter();
        let said = said.filter(|(side, _)| *side == Side::Initiator);
        let mut said: Bytes = said.flat_map(|(_, octets)| octets.clone()).collect();
        let mut packet = || said.split_to(usize::from(u16::from_be_bytes([said[2], said[3]])));
        let log = Log::default();
        let flow = call(&log, [packet(), packet()])?;
        let answer = flow
            .last()
            .map(|(_, octets)| hex(octets))
            .unwrap_or_default();
        if answer != expected {
            return Err(format!("{}: {answer}, not {expected}", conversation.name).into());
        }
        let log = String::from_utf8(log.0.lock().unwrap().clone())?;
        let lines: Vec<_> = log.lines().collect();
        let [line] = lines.as_slice() else {
            return Err(format!("not one line: {log}").into());
        };
        if !line.contains("application context 1.0.9506.") || !line.contains("is not spoken here") {
            return Err((*line).into());
        }
        witness(&flow)?;
        played += 1;
    }
    if played == 0 {
        return Err(format!("{name}: nobody calls").into());
    }
    Ok(())
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}

/// Says these to a server of ours; what was said in turn. The server closes when the caller has.
fn call(log: &Log, said: [Bytes; 2]) -> Result<Vec<(Side, Bytes)>, Failed> {
    // The server is to run on this thread alone, where its log is taken down.
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .finish();
    let config = x400::Config {
        listen: vec!["127.0.0.1:0".to_owned()],
        ..x400::Config::default()
    };
    let directory = Arc::new(Directory::new(config, "GW")?);
    let server = runtime.block_on(Server::bind(directory, Arc::new(Nobody)))?;
    let address = *server.addresses().first().ok_or("no address")?;
    let (stop, stopped) = oneshot::channel();
    let caller = std::thread::spawn(move || {
        let flow = conversation(address, said);
        let _ = stop.send(());
        flow
    });
    tracing::subscriber::with_default(subscriber, || {
        runtime.block_on(server.run(async { drop(stopped.await) }));
    });
    Ok(caller.join().expect("a caller that ends")?)
}

/// Says each when the one before is answered, then hangs up and waits until the other side has, too.
fn conversation(address: SocketAddr, said: [Bytes; 2]) -> std::io::Result<Vec<(Side, Bytes)>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut flow = Vec::new();
    for octets in said {
        stream.write_all(&octets)?;
        flow.push((Side::Initiator, octets));
        let mut head = [0; 4];
        stream.read_exact(&mut head)?;
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let mut packet = vec![0; length];
        packet[..4].copy_from_slice(&head);
        stream.read_exact(&mut packet[4..])?;
        flow.push((Side::Responder, packet.into()));
    }
    stream.shutdown(std::net::Shutdown::Write)?;
    assert_eq!(stream.read(&mut [0; 16])?, 0, "no more is said");
    Ok(flow)
}

/// tshark finds no fault in the conversation, and reads the reason in it.
fn witness(flow: &[(Side, Bytes)]) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("call.pcap");
    std::fs::write(&file, pcap(flow))?;
    let output = Command::new("tshark")
        .args(["-V", "-r"])
        .arg(&file)
        .output()
        .map_err(|fault| format!("tshark: {fault}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    for words in [
        "REFUSE (RF) SPDU",
        "result: rejected-permanent (1)",
        "service-user: application-context-name-not-supported (2)",
        "provider-reason: abstract-syntax-not-supported (1)",
    ] {
        if !text.contains(words) {
            return Err(format!("tshark does not read {words:?}: {text}").into());
        }
    }
    for words in ["Malformed", "BER Error", "Expert Info (Error"] {
        if text.contains(words) {
            return Err(format!("tshark finds {words:?}: {text}").into());
        }
    }
    Ok(())
}

/// A capture of a conversation over IPv4; nobody counts its checksums.
fn pcap(flow: &[(Side, Bytes)]) -> Vec<u8> {
    let number = |number: usize| u32::try_from(number).unwrap();
    let mut file = Vec::new();
    // Version 2.4, whole packets, raw IP.
    for word in [0xa1b2_c3d4_u32, 0x0002_0004, 0, 0, 65_535, 101] {
        file.extend(word.to_be_bytes());
    }
    let mut sent = [1_u32, 1];
    for (side, octets) in flow {
        let (ours, theirs) = match side {
            Side::Initiator => (0, 1),
            Side::Responder => (1, 0),
        };
        let (hosts, ports) = ([[10, 0, 0, 1], [10, 0, 0, 2]], [40_000_u16, 102]);
        let total = u16::try_from(40 + octets.len()).unwrap().to_be_bytes();
        let (sequence, confirmed) = (sent[ours].to_be_bytes(), sent[theirs].to_be_bytes());
        let packet = [
            &[0x45, 0][..],
            &total,
            &[0, 0, 0x40, 0, 64, 6, 0, 0],
            &hosts[ours],
            &hosts[theirs],
            &ports[ours].to_be_bytes(),
            &ports[theirs].to_be_bytes(),
            &sequence,
            &confirmed,
            &[0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0],
            octets,
        ]
        .concat();
        for word in [0, 0, number(packet.len()), number(packet.len())] {
            file.extend(word.to_be_bytes());
        }
        file.extend(packet);
        sent[ours] += number(octets.len());
    }
    file
}
