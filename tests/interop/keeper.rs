//! A receiver for mixgate's SMTP server that keeps what comes.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use mixgate::rfc822::{Envelope, Recipient, Status};
use mixgate::smtp::{Accepted, Config, Receiver, Reply, Server, SessionInfo, Sink};

/// One message that came.
#[derive(Debug, Clone)]
pub struct Kept {
    pub session: SessionInfo,
    pub envelope: Envelope,
    pub content: Vec<u8>,
}

/// Keeps messages; recipients called `nobody` are refused.
#[derive(Default)]
pub struct Keeper(Mutex<Vec<Kept>>);

impl Keeper {
    pub fn kept(&self) -> Vec<Kept> {
        self.0.lock().unwrap().clone()
    }
}

pub struct Keeping {
    keeper: Arc<Keeper>,
    kept: Kept,
}

pub struct Keepers(pub Arc<Keeper>);

impl Receiver for Keepers {
    type Sink = Keeping;

    async fn recipient(&self, _: &SessionInfo, _: &Envelope, to: &Recipient) -> Result<(), Reply> {
        match to.forward_path.local() {
            "nobody" => Err(Reply::new(550, Status(5, 1, 1), "nobody of that name")),
            _ => Ok(()),
        }
    }

    async fn data(&self, session: &SessionInfo, envelope: Envelope) -> Result<Keeping, Reply> {
        Ok(Keeping {
            keeper: Arc::clone(&self.0),
            kept: Kept {
                session: session.clone(),
                envelope,
                content: Vec::new(),
            },
        })
    }
}

impl Sink for Keeping {
    async fn write(&mut self, octets: Bytes) -> Result<(), Reply> {
        self.kept.content.extend_from_slice(&octets);
        Ok(())
    }

    async fn end(self) -> Result<Accepted, Reply> {
        let mut all = self.keeper.0.lock().unwrap();
        all.push(self.kept);
        Ok(Accepted {
            id: format!("K{}", all.len()),
        })
    }
}

/// Starts a server on a free port of loopback; it runs as long as the runtime.
pub async fn serve() -> (SocketAddr, Arc<Keeper>) {
    let keeper = Arc::new(Keeper::default());
    let config = Config {
        listen: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
        ..Config::default()
    };
    let receiver = Arc::new(Keepers(Arc::clone(&keeper)));
    let server = Server::bind("gw.example", config, receiver)
        .await
        .expect("a free port");
    let address = server.addresses()[0];
    tokio::spawn(server.run(std::future::pending()));
    (address, keeper)
}
