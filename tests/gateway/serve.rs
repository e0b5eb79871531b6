//! How `serve` ends, that one gateway has a queue to itself, and the queue as operators list it.

use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::audit::{Auditor, Way};
use crate::kills::drained;
use crate::neighbours::{self, MailUser, MtaUser, Neighbours};
use crate::world::{PATIENCE, World, free_address};

/// A person who speaks SMTP.
pub struct Telnet(BufReader<TcpStream>);

impl Telnet {
    pub async fn connect(world: &World) -> Self {
        let stream = TcpStream::connect(world.smtp).await.unwrap();
        let mut telnet = Self(BufReader::new(stream));
        assert_eq!(telnet.answer().await, "220");
        telnet
    }

    /// The code of the next reply.
    async fn answer(&mut self) -> String {
        loop {
            let mut line = String::new();
            let read = timeout(PATIENCE, self.0.read_line(&mut line)).await;
            read.expect("no answer").unwrap();
            if line.as_bytes().get(3) != Some(&b'-') {
                return line.chars().take(3).collect();
            }
        }
    }

    pub async fn say(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).await.unwrap();
    }

    pub async fn ask(&mut self, line: &str, code: &str) {
        self.say(&format!("{line}\r\n")).await;
        assert_eq!(self.answer().await, code, "{line}");
    }
}

#[tokio::test]
async fn sigterm_finishes_what_is_under_way() {
    let auditor = Arc::new(Auditor::default());
    let neighbours = Neighbours::start(&auditor).await;
    let world = World::new(neighbours.mail, neighbours.mtas);
    let mut serve = world.serve(None).await;

    // On its way out: a mail that its receiver is slow to answer for.
    neighbours.delay.store(1500, Ordering::Relaxed);
    let out = auditor.message(Way::ToMail, false, 400);
    assert!(MtaUser::new(world.x400, &auditor).hand_in(&out).await);
    while auditor.arrivals(&out) == (0, 0) {
        sleep(Duration::from_millis(5)).await;
    }
    // On its way in: a mail of which half has come.
    let coming = auditor.message(Way::ToX400, false, 400);
    let (_, mail) = neighbours::mail(&coming);
    let mail = String::from_utf8(mail.to_bytes().to_vec()).unwrap();
    let (first, second) = mail.split_at(mail.len() / 2);
    let mut person = Telnet::connect(&world).await;
    person.ask("EHLO person.example", "250").await;
    person.ask("MAIL FROM:<ada@internet.example>", "250").await;
    person
        .ask("RCPT TO:<Jo.Smith@sales.example.org>", "250")
        .await;
    person.ask("DATA", "354").await;
    person.say(first).await;
    auditor.begins(&coming);

    serve.terminate();
    sleep(Duration::from_millis(200)).await;
    person.say(second).await;
    person.say("\r\n.\r\n").await;
    assert_eq!(person.answer().await, "250", "{}", world.log());
    auditor.ends(&coming, true);
    drop(person);
    assert!(serve.ended().await.success(), "{}", world.log());
    assert!(TcpStream::connect(world.smtp).await.is_err());
    assert!(!world.path("control.sock").exists());

    // What went out is recorded, and does not go again; what came in goes when it is back.
    let waiting = world.waiting().await;
    let waits = waiting
        .iter()
        .any(|item| item.identifiers[0].value.contains(&out.token));
    assert!(!waits, "{waiting:?}");
    neighbours.delay.store(0, Ordering::Relaxed);
    let mut serve = world.serve(None).await;
    drained(&auditor).await;
    serve.terminate();
    assert!(serve.ended().await.success(), "{}", world.log());
    let (sum, faults) = auditor.close();
    assert!(
        faults.is_empty() && sum.duplicates == 0,
        "{sum:?} {faults:?}"
    );
}

#[tokio::test]
async fn a_second_gateway_on_the_same_queue_is_refused() {
    let auditor = Arc::new(Auditor::default());
    let neighbours = Neighbours::start(&auditor).await;
    let world = World::new(neighbours.mail, neighbours.mtas);
    let _serve = world.serve(None).await;
    let second = world.run(&["serve"]).await;
    assert_eq!(second.status.code(), Some(75), "{second:?}");
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(
        said.contains("queue.db") && said.contains("in use"),
        "{said}"
    );
    // The first is as well as before.
    let message = auditor.message(Way::ToX400, false, 400);
    assert!(MailUser::new(world.smtp, &auditor).hand_in(&message).await);
    drained(&auditor).await;
    assert_eq!(auditor.arrivals(&message), (1, 0));
}

#[tokio::test]
async fn queue_list_is_the_same_from_the_gateway_and_from_the_store() {
    let auditor = Arc::new(Auditor::default());
    // Nobody listens on the other side: what comes stays.
    let world = World::new(free_address(), [free_address(), free_address()]);
    assert_eq!(
        listed(&world.run(&["queue", "list", "--json"]).await),
        [""; 0]
    );
    let serve = world.serve(None).await;
    assert_eq!(
        listed(&world.run(&["queue", "list", "--json"]).await),
        [""; 0]
    );
    let ada = MailUser::new(world.smtp, &auditor);
    for _ in 0..3 {
        assert!(ada.hand_in(&auditor.message(Way::ToX400, false, 400)).await);
    }
    let running = listed(&world.run(&["queue", "list", "--json"]).await);
    assert_eq!(running.len(), 3);

    // A store that is locked, and no gateway where the command looks for one.
    world.configure(
        "elsewhere.toml",
        "elsewhere.sock",
        free_address(),
        [free_address(), free_address()],
    );
    let elsewhere = world.path("elsewhere.toml");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_mixgate"));
    command
        .args(["queue", "list", "--json", "--config"])
        .arg(&elsewhere);
    let locked = command.output().unwrap();
    assert_eq!(locked.status.code(), Some(75), "{locked:?}");
    assert!(locked.stdout.is_empty() && !locked.stderr.is_empty());

    let unknown = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    let errors: [(&[&str], i32); 3] = [
        (&["queue", "show", unknown], 66),
        (&["queue", "show", "seven"], 64),
        (&["queue", "list", "--colour"], 64),
    ];
    for (arguments, code) in errors {
        let failed = world.run(arguments).await;
        assert_eq!(
            failed.status.code(),
            Some(code),
            "{arguments:?}: {failed:?}"
        );
        assert!(failed.stdout.is_empty() && !failed.stderr.is_empty());
    }
    serve.kill();
    assert_eq!(
        listed(&world.run(&["queue", "list", "--json"]).await),
        running
    );
    let unknown = world.run(&["queue", "show", unknown]).await;
    assert_eq!(unknown.status.code(), Some(66), "{unknown:?}");
    std::fs::write(world.path("mixgate.toml"), "[queue]\nstore = 7\n").unwrap();
    let failed = world.run(&["queue", "list"]).await;
    assert_eq!(failed.status.code(), Some(78), "{failed:?}");
}

/// The ids a list has, one JSON object a line.
fn listed(output: &Output) -> Vec<String> {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let lines = std::str::from_utf8(&output.stdout).unwrap().lines();
    lines
        .map(|line| {
            let item: Value = serde_json::from_str(line).unwrap();
            assert_eq!(item["recipients"][0]["state"], "queued", "{line}");
            assert_eq!(item["sender"], "ada@internet.example", "{line}");
            item["id"].as_str().unwrap().to_owned()
        })
        .collect()
}
