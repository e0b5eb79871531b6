//! Both ways on one association, read by tshark: who asks for the turn, and who gives it.

use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use libtest_mimic::Failed;
use mixgate::x400::source;
use mixgate::x400::{
    Apdu, Arrived, Caller, Client, Config, Directory, Handler, Outcome, Peer, Refusal, Server,
    Spool,
};
use tokio::runtime::Runtime;

use super::capture::{Capture, Captured};
use super::p1::{MESSAGES, exchange};

/// Takes everything and keeps nothing.
struct Taker;

impl Handler for Taker {
    type Spool = Self;

    async fn begin(&self, _: &Caller) -> Result<Self, Refusal> {
        Ok(Self)
    }

    async fn commit(&self, _: &Caller, _: Self, _: Arrived) -> Result<(), Refusal> {
        Ok(())
    }
}

impl Spool for Taker {
    async fn write(&mut self, _: Bytes) -> io::Result<()> {
        Ok(())
    }
}

/// An MTA with one peer, listening.
async fn mta(name: &str, peer: &str, connect: Vec<String>) -> io::Result<(Server<Taker>, Client)> {
    let config = Config {
        listen: vec!["127.0.0.1:0".to_owned()],
        peer: vec![Peer {
            name: peer.to_owned(),
            mta: peer.to_owned(),
            accept_from: vec!["127.0.0.1".parse().expect("a network")],
            connect,
            two_way_alternate: true,
            ..Peer::default()
        }],
        ..Config::default()
    };
    let directory = Arc::new(Directory::new(config, name).map_err(io::Error::other)?);
    let server = Server::bind(Arc::clone(&directory), Arc::new(Taker)).await?;
    let client = Client::new(directory).with(&server);
    Ok((server, client))
}

async fn send(client: &Client, to: &str, apdu: &Path) -> Result<(), Failed> {
    match client.transfer(to, Apdu::File(apdu.to_owned())).await {
        Outcome::Delivered { .. } => Ok(()),
        other => Err(format!("{other:?}").into()),
    }
}

pub fn tshark_reads_both_ways() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let dump = folder.path().join("dump");
    exchange(folder.path(), Some(&dump), source::Options::default())?;
    let apdus = std::fs::read_dir(&dump)?.map(|entry| Ok(entry?.path()));
    let apdus = apdus.collect::<io::Result<Vec<_>>>()?;
    let file = folder.path().join("turns.pcap");
    let captured: Captured = Runtime::new()?.block_on(async {
        let (hub, from_hub) = mta("HUB", "GW", Vec::new()).await?;
        let to = hub.addresses()[0];
        let (gateway, from_gateway) = mta("GW", "HUB", vec![to.to_string()]).await?;
        let capture = Capture::start(&file, to.port())?;
        tokio::spawn(hub.run(std::future::pending()));
        tokio::spawn(gateway.run(std::future::pending()));
        for apdu in &apdus {
            send(&from_gateway, "HUB", apdu).await?;
            send(&from_hub, "GW", apdu).await?;
        }
        from_gateway.close().await;
        Ok::<_, Failed>(capture.stop(1))
    })?;
    captured.shows(usize::try_from(2 * MESSAGES)?, 1)?;
    let modes = captured.values("rtse.rtorq_apdu_element", "rtse.dialogueMode");
    if modes != ["1"] {
        return Err(format!("dialogue modes {modes:?}").into());
    }
    // Each but the first asks with the priority of a normal message; in the end the turn is asked for
    // to release, unless it has come back by itself.
    let asked = captured.values("rtse", "rtse.rttp_apdu");
    let normal = asked.iter().filter(|priority| *priority == "2").count();
    let given = captured.frames("ses.type == 21").len();
    let got = captured.frames("ses.type == 22").len();
    let turns = usize::try_from(2 * MESSAGES - 1)?;
    if normal != turns || asked.len() > turns + 1 || given < turns || got != given {
        return Err(format!("asked with {asked:?}, given {given}, got {got}").into());
    }
    Ok(())
}
