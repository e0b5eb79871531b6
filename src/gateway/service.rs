//! A running gateway: both servers and the way out over one queue, started and stopped together.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::accept::mail::MailIn;
use super::accept::transfer::TransferIn;
use super::control::{Control, Handler};
use super::deliver::Deliverer;
use super::peers::{self, Peers};
use super::reload::Reloaded;
use super::rules::Rules;
use super::{Gateway, clock};
use crate::mixer::domain;
use crate::queue::{Store, commands};
use crate::{smtp, x400};

/// A gateway that runs until it is stopped.
#[derive(Debug)]
pub struct Service {
    gateway: Arc<Gateway>,
    /// Where SMTP is listened for.
    pub smtp: Vec<SocketAddr>,
    /// Where P1 is listened for.
    pub x400: Vec<SocketAddr>,
    /// Where P1 is listened for over TLS.
    pub x400_tls: Vec<SocketAddr>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Service {
    /// Listens and delivers by `rules` over `store`.
    ///
    /// # Errors
    /// When an address cannot be listened on.
    pub async fn start(rules: Rules, store: Arc<dyn Store>) -> io::Result<Self> {
        let gateway = Arc::new(Gateway::new(rules, store));
        let rules = gateway.rules();
        let config = &rules.config;
        let mail = Arc::new(MailIn(Arc::clone(&gateway)));
        let smtp_server =
            smtp::server::Server::bind(config.gateway.name.clone(), config.smtp.clone(), mail)
                .await?;
        let directory = x400::Directory::new(config.x400.clone(), &config.gateway.mta);
        let directory = directory.map_err(io::Error::other)?;
        let ours = config.gateway.global_domains();
        let directory = directory.in_domains(ours.filter_map(domain::of_address));
        let directory = Arc::new(directory);
        let transfers = Arc::new(TransferIn(Arc::clone(&gateway)));
        let x400_server = x400::server::Server::bind(Arc::clone(&directory), transfers).await?;
        let client = Arc::new(x400::Client::new(directory).with(&x400_server));
        let peers = Arc::new(Peers::new(&gateway, Arc::clone(&client)));
        peers.restore()?;
        let control = Control::bind(&config.control.socket)
            .await
            .map_err(|error| {
                let socket = config.control.socket.display();
                io::Error::new(error.kind(), format!("[control] socket {socket}: {error}"))
            })?;
        let deliverer = Arc::new(Deliverer::new(Arc::clone(&gateway), client));
        let (stop, stopped) = watch::channel(false);
        let (smtp, x400) = (smtp_server.addresses(), x400_server.addresses());
        let x400_tls = x400_server.tls_addresses();
        let tasks = vec![
            tokio::spawn(smtp_server.run(until(stopped.clone()))),
            tokio::spawn(x400_server.run(until(stopped.clone()))),
            tokio::spawn(deliverer.run(stopped.clone())),
            tokio::spawn({
                let operator = Arc::new(Operator {
                    gateway: Arc::clone(&gateway),
                    peers,
                });
                async move { control.serve(operator, until(stopped)).await }
            }),
        ];
        Ok(Self {
            gateway,
            smtp,
            x400,
            x400_tls,
            stop,
            tasks,
        })
    }

    /// What its parts share.
    #[must_use]
    pub fn gateway(&self) -> &Arc<Gateway> {
        &self.gateway
    }

    /// Takes nothing more in, finishes what is under way, and ends.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a part of the gateway ended badly");
            }
        }
    }
}

/// Answers what operators ask of a running gateway.
#[derive(Debug)]
struct Operator {
    gateway: Arc<Gateway>,
    peers: Arc<Peers>,
}

/// What may be asked of a running gateway.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asked {
    /// To take the configuration again.
    Reload,
    /// Of the neighbours.
    Peer(peers::Request),
    /// Of the queue.
    #[serde(untagged)]
    Queue(Box<commands::Request>),
}

/// What it answers; who has asked knows which.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Answered {
    Reload(Reloaded),
    Peer(peers::Response),
    Queue(commands::Response),
}

impl Handler for Operator {
    type Request = Asked;
    type Response = Answered;

    async fn handle(&self, asked: Asked) -> Answered {
        let (store, rules) = (self.gateway.store(), self.gateway.rules());
        match asked {
            Asked::Reload => Answered::Reload(self.gateway.reload().await),
            Asked::Peer(request) => Answered::Peer(self.peers.handle(request).await),
            Asked::Queue(request) => {
                self.peers.forgive(&request).await;
                let (schedule, now) = (rules.schedule(), clock::now());
                Answered::Queue(commands::handle(&**store, schedule, *request, now).await)
            }
        }
    }
}

/// Ready when `stopped` turns true.
async fn until(mut stopped: watch::Receiver<bool>) {
    // An error means the service is gone, which is as good.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}
