//! Listening sockets, and a task for each connection they accept.

use std::fmt::Display;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::task::Poll;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};
use tracing::{error, info, warn};

/// How long to wait after a connection could not be accepted.
const AFTER_FAILURE: Duration = Duration::from_millis(100);

/// The sockets a server listens on.
#[derive(Debug)]
pub struct Listeners(Vec<TcpListener>);

impl Listeners {
    /// Listens on every address; `key` is where the configuration names them, for a fault.
    ///
    /// # Errors
    /// If one of the addresses cannot be listened on.
    pub async fn bind<A: ToSocketAddrs + Display + Sync>(
        key: &str,
        addresses: &[A],
    ) -> io::Result<Self> {
        let mut listeners = Vec::new();
        for address in addresses {
            let listener = TcpListener::bind(address).await.map_err(|fault| {
                io::Error::new(fault.kind(), format!("{key} {address}: {fault}"))
            })?;
            listeners.push(listener);
        }
        Ok(Self(listeners))
    }

    /// The addresses listened on, ports chosen by the system included.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let addresses = self.0.iter().map(TcpListener::local_addr);
        addresses.filter_map(Result::ok).collect()
    }

    /// Gives each connection to `admit`, which may spawn a task for it, until `stop` is ready. The
    /// receiver `admit` is given turns true then, and the tasks have `grace` to end.
    pub async fn serve(
        self,
        stop: impl Future<Output = ()> + Send,
        grace: Duration,
        mut admit: impl FnMut(TcpStream, SocketAddr, &mut JoinSet<()>, watch::Receiver<bool>) + Send,
    ) {
        let (stopping, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        // Out of descriptors, or a connection that went away: neither lasts, and one line says it.
        let mut failing = false;
        tokio::pin!(stop);
        let mut turn = 0;
        loop {
            // Each is the first to be asked in its turn: a crowd at one leaves the others open.
            turn += 1;
            tokio::select! {
                accepted = self.accept(turn) => match accepted {
                    Ok((stream, from)) => {
                        if std::mem::take(&mut failing) {
                            info!("connections are accepted again");
                        }
                        admit(stream, from, &mut tasks, stopped.clone());
                    }
                    Err(fault) => {
                        if !std::mem::replace(&mut failing, true) {
                            warn!(%fault, "no connection could be accepted");
                        }
                        sleep(AFTER_FAILURE).await;
                    }
                },
                Some(ended) = tasks.join_next() => log_panic(ended),
                () = &mut stop => break,
            }
        }
        drop(self);
        stopping.send_replace(true);
        let finish = async {
            while let Some(ended) = tasks.join_next().await {
                log_panic(ended);
            }
        };
        if timeout(grace, finish).await.is_err() {
            warn!(connections = tasks.len(), "connections were cut off");
        }
    }

    /// The next connection on any of them, the first to be asked counted round from `turn`; waits
    /// for ever if there are none.
    async fn accept(&self, turn: usize) -> io::Result<(TcpStream, SocketAddr)> {
        std::future::poll_fn(|context| {
            let number = self.0.len();
            let round = self
                .0
                .iter()
                .cycle()
                .skip(turn % number.max(1))
                .take(number);
            let mut polled = round.map(|listener| listener.poll_accept(context));
            polled.find(Poll::is_ready).unwrap_or(Poll::Pending)
        })
        .await
    }
}

fn log_panic(ended: Result<(), JoinError>) {
    if let Err(fault) = ended
        && fault.is_panic()
    {
        error!(%fault, "a connection ended in a fault of ours");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_crowd_at_one_listener_leaves_the_other_open() {
        let listeners = Listeners::bind("listen", &["127.0.0.1:0", "127.0.0.1:0"]).await;
        let listeners = listeners.unwrap();
        let [crowded, quiet] = listeners.addresses()[..] else {
            panic!("two listeners");
        };
        let mut callers = Vec::new();
        for _ in 0..4 {
            callers.push(TcpStream::connect(crowded).await.unwrap());
        }
        callers.push(TcpStream::connect(quiet).await.unwrap());
        let mut taken = Vec::new();
        for turn in 0..4 {
            let (stream, _) = listeners.accept(turn).await.unwrap();
            taken.push(stream.local_addr().unwrap());
        }
        assert!(taken.contains(&quiet), "{taken:?}");
    }
}
