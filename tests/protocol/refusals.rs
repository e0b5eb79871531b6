//! Captured refusals of a real MTA, replayed to our client: what `mixgate peer ping` says of them.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use libtest_mimic::{Failed, Trial};
use mixgate::gateway::peers::render_pinged;
use mixgate::x400::{Client, Config, Directory, Peer};

use crate::capture::{self, Side};
use crate::corpus::Corpus;

/// The captures, and what is said of each.
const REFUSALS: [(&str, &str); 2] = [
    (
        "x400/mta/10-badauth88.pcap",
        "FAILED at MTA bind: the peer refused our MTA bind: authentication-error",
    ),
    (
        "x400/mta/14-badtsel.pcap",
        "FAILED at transport (RFC 1006): the peer disconnected: normal disconnect (PP Service nosuch not found)",
    ),
];

pub fn trials(corpus: &Corpus) -> Vec<Trial> {
    let trial = |(capture, says): (&'static str, &'static str)| {
        let name = format!("a_real_refusal_is_explained of {capture}");
        corpus.trial(&name, move |root| explained(root, capture, says))
    };
    REFUSALS.into_iter().map(trial).collect()
}

fn explained(root: &Path, name: &str, says: &str) -> Result<(), Failed> {
    let conversations = capture::conversations(root, name)?;
    // The MTA is the one that refuses: the others are its own, from program to program.
    let refused = conversations.iter().find(|conversation| {
        let answers = conversation.flow.iter();
        let answers = answers.filter(|(side, _)| *side == Side::Responder);
        answers
            .clone()
            .any(|(_, octets)| matches!(octets.get(5), Some(0x80)) || octets.get(7) == Some(&0x0c))
    });
    let refused = refused.ok_or_else(|| format!("{name}: nobody refuses"))?;
    let answers = refused.flow.iter();
    let answers: Vec<Vec<u8>> = answers
        .filter(|(side, _)| *side == Side::Responder)
        .map(|(_, octets)| octets.to_vec())
        .collect();
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    let mta = std::thread::spawn(move || -> std::io::Result<()> {
        let (mut stream, _) = listener.accept()?;
        for mut answer in answers {
            let mut asked = [0; 4096];
            if stream.read(&mut asked)? == 0 {
                break;
            }
            // CC and DR name the reference of the call they answer.
            if let [3, 0, _, _, _, 0xd0 | 0x80, high, low, ..] = answer.as_mut_slice() {
                (*high, *low) = (asked[8], asked[9]);
            }
            stream.write_all(&answer)?;
        }
        stream.read_to_end(&mut Vec::new()).map(drop)
    });
    let config = Config {
        peer: vec![Peer {
            name: "hub".to_owned(),
            connect: vec![address],
            mta: "MTA-B".to_owned(),
            ..Peer::default()
        }],
        ..Config::default()
    };
    let client = Client::new(Arc::new(Directory::new(config, "GW")?));
    let runtime = tokio::runtime::Runtime::new()?;
    let pinged = runtime.block_on(client.ping("hub")).ok_or("no hub")?;
    let text = render_pinged("hub", &pinged);
    drop(runtime);
    mta.join().expect("the MTA ends")?;
    let shown = text
        .split_once(": FAILED")
        .map(|(_, rest)| format!("FAILED{rest}"));
    match shown {
        Some(shown) if shown.starts_with(&format!("{says}\n")) => Ok(()),
        _ => Err(text.into()),
    }
}
