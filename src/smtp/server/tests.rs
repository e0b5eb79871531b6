//! The server over loopback sockets.

use std::sync::Mutex;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

use super::*;
use crate::rfc822::{Envelope, Recipient};
use crate::smtp::Accepted;

/// Keeps what comes; a sink's fate is noted when it is dropped.
#[derive(Default)]
struct Keeper {
    kept: Mutex<Vec<(SessionInfo, Envelope, Vec<u8>)>>,
    dropped: Notify,
    /// When set, a message is durable only once this is notified.
    durable: Option<Notify>,
    /// When set, no more octets than this fit.
    room: Option<usize>,
}

struct Keeping {
    keeper: Arc<Keeper>,
    info: SessionInfo,
    envelope: Envelope,
    octets: Vec<u8>,
}

struct Keepers(Arc<Keeper>);

impl Receiver for Keepers {
    type Sink = Keeping;

    async fn recipient(&self, _: &SessionInfo, _: &Envelope, to: &Recipient) -> Result<(), Reply> {
        match to.forward_path.local() {
            "nobody" => Err(Reply::new(550, Status(5, 1, 1), "nobody there")),
            _ => Ok(()),
        }
    }

    async fn data(&self, info: &SessionInfo, envelope: Envelope) -> Result<Keeping, Reply> {
        Ok(Keeping {
            keeper: Arc::clone(&self.0),
            info: info.clone(),
            envelope,
            octets: Vec::new(),
        })
    }
}

impl Sink for Keeping {
    async fn write(&mut self, octets: bytes::Bytes) -> Result<(), Reply> {
        self.octets.extend_from_slice(&octets);
        match self.keeper.room {
            Some(room) if self.octets.len() > room => {
                Err(Reply::new(452, Status(4, 3, 1), "disk full"))
            }
            _ => Ok(()),
        }
    }

    async fn end(mut self) -> Result<Accepted, Reply> {
        if let Some(durable) = &self.keeper.durable {
            durable.notified().await;
        }
        let item = (
            self.info.clone(),
            std::mem::take(&mut self.envelope),
            std::mem::take(&mut self.octets),
        );
        self.keeper.kept.lock().unwrap().push(item);
        Ok(Accepted { id: "KEPT".into() })
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        self.keeper.dropped.notify_one();
    }
}

struct Running {
    address: SocketAddr,
    keeper: Arc<Keeper>,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
}

async fn running(keeper: Keeper, change: impl FnOnce(&mut Config)) -> Running {
    let mut config = Config {
        listen: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
        ..Config::default()
    };
    change(&mut config);
    let keeper = Arc::new(keeper);
    let receiver = Arc::new(Keepers(Arc::clone(&keeper)));
    let server = Server::bind("gw.example", config, receiver).await.unwrap();
    let address = server.addresses()[0];
    let (stop, stopped) = oneshot::channel();
    let ended = tokio::spawn(server.run(async {
        let _ = stopped.await;
    }));
    Running {
        address,
        keeper,
        stop,
        ended,
    }
}

/// A client that says what it is told to say.
struct Person(BufReader<TcpStream>);

impl Person {
    async fn at(address: SocketAddr) -> Self {
        Self(BufReader::new(TcpStream::connect(address).await.unwrap()))
    }

    /// The next reply; empty when the server has gone.
    async fn hear(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let mut line = String::new();
            let read = timeout(Duration::from_secs(5), self.0.read_line(&mut line)).await;
            if read.expect("a reply in time").unwrap_or(0) == 0 {
                return reply;
            }
            reply.push_str(&line);
            if line.as_bytes()[3] == b' ' {
                return reply;
            }
        }
    }

    async fn say(&mut self, text: &str) -> String {
        self.0.get_mut().write_all(text.as_bytes()).await.unwrap();
        self.hear().await
    }

    /// Connects and goes as far as 354.
    async fn ready_to_send(address: SocketAddr) -> Self {
        let mut person = Self::at(address).await;
        assert!(person.hear().await.starts_with("220 "));
        assert!(person.say("EHLO me.example\r\n").await.starts_with("250-"));
        assert!(person.say("MAIL FROM:<a@b>\r\n").await.starts_with("250 "));
        assert!(person.say("RCPT TO:<c@d>\r\n").await.starts_with("250 "));
        assert!(person.say("DATA\r\n").await.starts_with("354 "));
        person
    }
}

#[tokio::test]
async fn a_message_is_kept_as_it_was_sent() {
    let server = running(Keeper::default(), |_| ()).await;
    let mut person = Person::ready_to_send(server.address).await;
    let content = "Subject: large\r\n\r\n".to_owned() + &"..0123456789\r\n".repeat(100_000);
    let reply = person.say(&(content.clone() + ".\r\n")).await;
    assert_eq!(reply, "250 2.0.0 KEPT is safe with us\r\n");
    assert!(person.say("QUIT\r\n").await.starts_with("221 2.0.0 "));
    assert_eq!(person.hear().await, "");
    let kept = server.keeper.kept.lock().unwrap();
    let (info, envelope, octets) = &kept[0];
    assert_eq!(
        (info.helo.as_str(), info.protocol),
        ("me.example", Protocol::Esmtp)
    );
    assert!(info.trusted && info.peer.ip().is_loopback() && info.local == server.address);
    assert_eq!(envelope.recipients.len(), 1);
    assert!(octets == content.replace("\r\n..", "\r\n.").as_bytes());
}

#[tokio::test]
async fn s6_1_250_is_said_only_when_the_message_is_durable() {
    let keeper = Keeper {
        durable: Some(Notify::new()),
        ..Keeper::default()
    };
    let server = running(keeper, |_| ()).await;
    let mut person = Person::ready_to_send(server.address).await;
    person.0.get_mut().write_all(b"x\r\n.\r\n").await.unwrap();
    let early = timeout(Duration::from_millis(200), person.0.fill_buf()).await;
    assert!(early.is_err(), "nothing is said before: {early:?}");
    server.keeper.durable.as_ref().unwrap().notify_one();
    assert!(person.hear().await.starts_with("250 2.0.0 "));
}

#[tokio::test]
async fn a_message_whose_client_goes_away_is_forgotten() {
    let server = running(Keeper::default(), |_| ()).await;
    let mut person = Person::ready_to_send(server.address).await;
    person
        .0
        .get_mut()
        .write_all(b"half a message\r\n")
        .await
        .unwrap();
    drop(person);
    timeout(Duration::from_secs(5), server.keeper.dropped.notified())
        .await
        .unwrap();
    assert!(server.keeper.kept.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_the_sink_refuses_is_told_at_the_end() {
    let server = running(
        Keeper {
            room: Some(1000),
            ..Keeper::default()
        },
        |_| (),
    )
    .await;
    for _ in 0..2 {
        let mut person = Person::ready_to_send(server.address).await;
        let long = "0123456789\r\n".repeat(50_000) + ".\r\n";
        assert_eq!(person.say(&long).await, "452 4.3.1 disk full\r\n");
        assert!(person.say("MAIL FROM:<>\r\n").await.starts_with("250 "));
    }
    let mut person = Person::ready_to_send(server.address).await;
    let short = "0123456789\r\n".repeat(100) + ".\r\n";
    assert_eq!(person.say(&short).await, "452 4.3.1 disk full\r\n");
    assert!(server.keeper.kept.lock().unwrap().is_empty());
}

#[tokio::test]
async fn s7_8_connections_are_bounded() {
    let server = running(Keeper::default(), |config| {
        config.limits.connections = 3;
        config.limits.connections_per_address = 2;
        config.trusted.clear();
    })
    .await;
    let mut one = Person::at(server.address).await;
    let mut two = Person::at(server.address).await;
    let mut three = Person::at(server.address).await;
    assert!(one.hear().await.starts_with("220 "));
    assert!(two.hear().await.starts_with("220 "));
    let refusal = three.hear().await;
    assert!(
        refusal.starts_with("421 4.7.0 Too many connections from"),
        "{refusal}"
    );
    assert!(one.say("QUIT\r\n").await.starts_with("221 ") && one.hear().await.is_empty());
    drop(one);
    let admitted = async {
        loop {
            if Person::at(server.address)
                .await
                .hear()
                .await
                .starts_with("220 ")
            {
                break;
            }
        }
    };
    timeout(Duration::from_secs(5), admitted)
        .await
        .expect("a place becomes free");
}

#[tokio::test]
async fn s4_5_3_2_a_client_that_falls_silent_is_let_go() {
    let server = running(Keeper::default(), |config| {
        config.timeouts.command = 1;
        config.timeouts.data_block = 1;
    })
    .await;
    let mut silent = Person::at(server.address).await;
    let mut trickling = Person::at(server.address).await;
    let mut sending = Person::ready_to_send(server.address).await;
    silent.hear().await;
    trickling.hear().await;
    let trickle = async {
        for _ in 0..4 {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let _ = trickling.0.get_mut().write_all(b"N").await;
        }
        trickling.hear().await
    };
    let (silent, trickling, sending) = tokio::join!(silent.hear(), trickle, sending.hear());
    for reply in [silent, trickling, sending] {
        assert!(reply.starts_with("421 4.4.2 "), "{reply}");
    }
}

#[tokio::test]
async fn s3_8_a_stopping_server_finishes_what_it_is_sent() {
    let server = running(Keeper::default(), |_| ()).await;
    let mut idle = Person::at(server.address).await;
    idle.hear().await;
    let mut sending = Person::ready_to_send(server.address).await;
    server.stop.send(()).unwrap();
    assert!(idle.hear().await.starts_with("421 4.3.2 "));
    assert!(
        sending
            .say("x\r\n.\r\n")
            .await
            .starts_with("250 2.0.0 KEPT")
    );
    assert!(sending.hear().await.starts_with("421 4.3.2 "));
    drop((idle, sending));
    timeout(Duration::from_secs(5), server.ended)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(server.keeper.kept.lock().unwrap().len(), 1);
    assert!(TcpStream::connect(server.address).await.is_err());
}
