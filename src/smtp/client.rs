//! The client: gives a message to a peer and says for each recipient how it ended.
//!
//! Connections are kept for the next message to the same destination. The commands and replies go
//! through lettre's connection, the content through a second handle to its stream.

mod connection;
mod offers;
mod stuffing;
mod tap;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::Semaphore;
use tokio::time::Instant;
use tracing::{debug, info};

use crate::octets::Octets;
use crate::rfc822::{Envelope, Status};

use self::connection::{Connection, Fault};
pub use self::offers::Capabilities;
use super::config::{Config, Destination, Timeouts};
use super::reply::Reply;

/// Messages given over one connection before it is closed.
const MESSAGES: u32 = 1000;

/// How it ended for one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The peer has taken responsibility.
    Delivered(Answer),
    /// Not now: try again later.
    Later(Answer),
    /// Never: the originator is to be told.
    Never(Answer),
}

impl Outcome {
    /// What lies behind the outcome.
    #[must_use]
    pub fn answer(&self) -> &Answer {
        match self {
            Self::Delivered(answer) | Self::Later(answer) | Self::Never(answer) => answer,
        }
    }
}

/// What lies behind an [`Outcome`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The enhanced status, the peer's own where it gave one; its class agrees with the outcome.
    pub status: Status,
    /// What the peer replied, if it was a reply that decided.
    pub reply: Option<Reply>,
    /// What happened, in one line: the reply, or what went wrong.
    pub text: String,
    /// The peer: `mail.example.org:25`, once connected `mail.example.org[192.0.2.1]:25`.
    pub peer: String,
    /// Whether the peer took the DSN parameters (RFC 3461); if not, who delivers to it answers
    /// NOTIFY=SUCCESS with a "relayed" notification (section 5.2.2).
    pub dsn: bool,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.peer, self.text)
    }
}

impl From<Fault> for Answer {
    fn from(fault: Fault) -> Self {
        Self {
            status: fault.status,
            text: match &fault.reply {
                Some(reply) => format!("{}: {reply}", fault.text),
                None => fault.text,
            },
            reply: fault.reply,
            peer: fault.peer,
            dsn: false,
        }
    }
}

impl From<Fault> for Outcome {
    fn from(fault: Fault) -> Self {
        let answer = Answer::from(fault);
        if answer.status.0 == 5 {
            Self::Never(answer)
        } else {
            Self::Later(answer)
        }
    }
}

/// Gives messages to peers.
pub struct Client {
    name: String,
    timeouts: Timeouts,
    connections: usize,
    places: Mutex<HashMap<Destination, Arc<Place>>>,
}

/// The connections to one destination.
struct Place {
    /// One permit for each connection that may be open at a time.
    permits: Semaphore,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    /// Connections and since when they are idle, the longest first.
    connections: Vec<(Connection, Instant)>,
    /// Whether somebody looks after them.
    watched: bool,
}

impl Client {
    /// A client that calls itself `name` in EHLO.
    #[must_use]
    pub fn new(name: impl Into<String>, config: &Config) -> Self {
        Self {
            name: name.into(),
            timeouts: config.timeouts.clone(),
            connections: config.limits.outgoing.max(1),
            places: Mutex::default(),
        }
    }

    /// Gives the message to `to`; one outcome for each recipient of `envelope`, in their order.
    ///
    /// The parameters of the envelope are said where the peer offers them; its `size` is not looked
    /// at. If its body is 8-bit and the peer takes none, the outcome is [`Outcome::Never`] with
    /// status 5.6.3: ask [`Client::capabilities`] first where the content could be converted.
    pub async fn send(
        &self,
        to: &Destination,
        envelope: &Envelope,
        content: &Octets,
    ) -> Vec<Outcome> {
        let place = self.place(to);
        // The semaphore is never closed.
        let _permit = place.permits.acquire().await;
        let outcomes = match self.attempt(&place, to, envelope, content).await {
            Ok(outcomes) => outcomes,
            Err(fault) => vec![Outcome::from(fault); envelope.recipients.len()],
        };
        for (recipient, outcome) in envelope.recipients.iter().zip(&outcomes) {
            debug!(recipient = %recipient.forward_path, ?outcome, "answered");
        }
        outcomes
    }

    /// What `to` offers, over a connection that is kept for the message.
    ///
    /// # Errors
    /// If it cannot be reached.
    pub async fn capabilities(&self, to: &Destination) -> Result<Capabilities, Answer> {
        let place = self.place(to);
        let _permit = place.permits.acquire().await;
        let connection = match place.take(&self.timeouts) {
            Some(connection) => connection,
            None => Connection::open(to, &self.name, &self.timeouts).await?,
        };
        let capabilities = connection.capabilities.clone();
        place.put(connection, &self.timeouts);
        Ok(capabilities)
    }

    /// Says goodbye on all idle connections.
    pub async fn close(&self) {
        let places: Vec<_> = {
            let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            places.drain().map(|(_, place)| place).collect()
        };
        for place in places {
            for (connection, _) in place.idle(|idle| std::mem::take(&mut idle.connections)) {
                connection.quit().await;
            }
        }
    }

    async fn attempt(
        &self,
        place: &Arc<Place>,
        to: &Destination,
        envelope: &Envelope,
        content: &Octets,
    ) -> Result<Vec<Outcome>, Fault> {
        while let Some(mut connection) = place.take(&self.timeouts) {
            match connection.transact(envelope, content).await {
                Ok(outcomes) => {
                    place.put(connection, &self.timeouts);
                    return Ok(outcomes);
                }
                // It grew stale while it was idle: nothing has happened yet.
                Err(fault) => info!(peer = fault.peer, text = fault.text, "reconnecting"),
            }
        }
        let mut connection = Connection::open(to, &self.name, &self.timeouts).await?;
        let outcomes = connection.transact(envelope, content).await?;
        place.put(connection, &self.timeouts);
        Ok(outcomes)
    }

    fn place(&self, to: &Destination) -> Arc<Place> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let place = places.entry(to.clone()).or_insert_with(|| {
            Arc::new(Place {
                permits: Semaphore::new(self.connections),
                idle: Mutex::default(),
            })
        });
        Arc::clone(place)
    }
}

impl Place {
    fn idle<T>(&self, f: impl FnOnce(&mut Idle) -> T) -> T {
        f(&mut self.idle.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The connection that was used last, if it is still good.
    fn take(&self, timeouts: &Timeouts) -> Option<Connection> {
        let span = Timeouts::span(timeouts.idle);
        self.idle(|idle| {
            while let Some((connection, since)) = idle.connections.pop() {
                if since.elapsed() < span && connection.is_ready() {
                    return Some(connection);
                }
            }
            None
        })
    }

    /// Keeps a connection for the next message, or lets it go.
    fn put(self: &Arc<Self>, connection: Connection, timeouts: &Timeouts) {
        if !connection.usable || connection.messages >= MESSAGES || timeouts.idle == 0 {
            tokio::spawn(connection.quit());
            return;
        }
        let watched = self.idle(|idle| {
            idle.connections.push((connection, Instant::now()));
            std::mem::replace(&mut idle.watched, true)
        });
        if !watched {
            tokio::spawn(watch(Arc::downgrade(self), timeouts.clone()));
        }
    }
}

/// Says goodbye on connections that were idle for too long, until none is left.
async fn watch(place: Weak<Place>, timeouts: Timeouts) {
    let span = Timeouts::span(timeouts.idle);
    loop {
        tokio::time::sleep(span).await;
        let Some(place) = place.upgrade() else {
            return;
        };
        let (old, over) = place.idle(|idle| {
            let fresh = idle
                .connections
                .iter()
                .position(|(_, since)| since.elapsed() < span);
            let old: Vec<_> = match fresh {
                Some(fresh) => idle.connections.drain(..fresh).collect(),
                None => std::mem::take(&mut idle.connections),
            };
            idle.watched = !idle.connections.is_empty();
            (old, !idle.watched)
        });
        for (connection, _) in old {
            connection.quit().await;
        }
        if over {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
