//! Opening an association: the connection, the layers on it, and the bind.

use std::net::SocketAddr;
use std::time::Duration;

use jiff::Timestamp;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tracing::info;

use super::super::association;
use super::super::config::Peer;
use super::super::link::Link;
use super::Client;
use super::pool::Association;
use crate::osi::rtse::{Indication, Request};

impl Client {
    /// Opens an association at the first of the peer's addresses that grants one.
    pub(super) async fn associate(
        &self,
        peer: &Peer,
    ) -> Result<Association, (Option<SocketAddr>, String)> {
        let mut failed = (
            None,
            format!("peer {:?} has no address to connect to", peer.name),
        );
        let patience = Duration::from_secs(self.directory.config().open_timeout);
        for address in &peer.connect {
            let stream = match timeout(patience, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => stream,
                Ok(Err(fault)) => {
                    failed = (None, format!("{address}: {fault}"));
                    continue;
                }
                Err(_) => {
                    failed = (
                        None,
                        format!("{address}: no connection within {patience:?}"),
                    );
                    continue;
                }
            };
            let relay = stream.peer_addr().ok();
            match self.open(peer, stream).await {
                Ok(association) => return Ok(association),
                Err(explanation) => failed = (relay, format!("{address}: {explanation}")),
            }
        }
        Err(failed)
    }

    /// Opens an association on a connection.
    async fn open(&self, peer: &Peer, stream: TcpStream) -> Result<Association, String> {
        let relay = stream.peer_addr().map_err(|fault| fault.to_string())?;
        let mut link =
            Link::new(stream, self.directory.stack(false)).map_err(|fault| fault.to_string())?;
        let now = Timestamp::now().strftime("%y%m%d%H%M%SZ").to_string();
        let open = self.directory.open(peer, &now);
        link.request(Request::Open(Box::new(open)))
            .map_err(|misuse| misuse.to_string())?;
        while let Some(told) = link.next().await {
            match told {
                Indication::OpenConfirm(Ok(opened)) => {
                    let judged = self.directory.judge_responder(peer, &opened.user_data);
                    if let Err(explanation) = judged {
                        let abort = Request::Abort {
                            explanation: explanation.clone(),
                        };
                        link.request(abort).map_err(|misuse| misuse.to_string())?;
                        tokio::spawn(link.finish());
                        return Err(explanation);
                    }
                    info!(peer = peer.name, %relay, "association opened");
                    return Ok(Association { link, relay });
                }
                Indication::OpenConfirm(Err(refused)) => {
                    tokio::spawn(link.finish());
                    return Err(association::refusal(&refused));
                }
                _ => {}
            }
        }
        Err("the connection was lost".to_owned())
    }
}
