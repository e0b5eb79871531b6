//! The client against peers that follow a script, one test for each trap.

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;
use crate::rfc822::envelope::{BodyType, Notify, Ret};
use crate::rfc822::{AddrSpec, Recipient};

/// A peer that plays `script`: `S: text` is said (as it stands, if in Rust's escapes), `C: text` is
/// expected to the letter, `B: n` expects n octets of whatever, `---` waits for a new connection,
/// `close` hangs up, `silent` waits for the client to go.
async fn peer(script: &str) -> (Destination, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = Destination::from(listener.local_addr().unwrap());
    let script: Vec<String> = script.lines().map(|line| line.trim().to_owned()).collect();
    let played = tokio::spawn(async move {
        let mut client = BufReader::new(listener.accept().await.unwrap().0);
        for line in script.iter().filter(|line| !line.is_empty()) {
            let (what, text) = line.split_once(':').unwrap_or((line, ""));
            let text = text.strip_prefix(' ').unwrap_or(text);
            match what {
                "S" => client
                    .get_mut()
                    .write_all((text.to_owned() + "\r\n").as_bytes())
                    .await
                    .unwrap(),
                "RAW" => {
                    let octets = text.replace("\\r", "\r").replace("\\n", "\n");
                    let octets = octets.chars().map(|c| u8::try_from(u32::from(c)).unwrap());
                    client
                        .get_mut()
                        .write_all(&octets.collect::<Vec<u8>>())
                        .await
                        .unwrap();
                }
                "C" => {
                    let mut said = String::new();
                    client.read_line(&mut said).await.unwrap();
                    assert_eq!(said, text.to_owned() + "\r\n");
                }
                "B" => {
                    let mut octets = vec![0; text.parse().unwrap()];
                    client.read_exact(&mut octets).await.unwrap();
                }
                "---" => client = BufReader::new(listener.accept().await.unwrap().0),
                "close" => client.get_mut().shutdown().await.unwrap(),
                "silent" => {
                    let mut rest = Vec::new();
                    let _ = client.read_to_end(&mut rest).await;
                }
                other => panic!("no such line in a script: {other}"),
            }
        }
    });
    (to, played)
}

fn client() -> Client {
    client_with(|_| ())
}

fn client_with(change: impl FnOnce(&mut Timeouts)) -> Client {
    let mut config = Config::default();
    change(&mut config.timeouts);
    Client::new("gw.example", &config)
}

fn envelope(recipients: &[&str]) -> Envelope {
    Envelope {
        reverse_path: Some("a@b.example".parse().unwrap()),
        recipients: recipients
            .iter()
            .map(|to| Recipient::new(to.parse().unwrap()))
            .collect(),
        ..Envelope::default()
    }
}

fn content() -> Octets {
    Octets::from(&b"Subject: x\r\n\r\ntext\r\n"[..])
}

/// Sends to the peer of `script`, which must be played to its end.
async fn sent(script: &str, envelope: &Envelope, content: &Octets) -> Vec<Outcome> {
    let (to, played) = peer(script).await;
    let client = client_with(|timeouts| {
        (timeouts.reply, timeouts.greeting, timeouts.data_termination) = (2, 2, 2);
    });
    let outcomes = client.send(&to, envelope, content).await;
    drop(client);
    played.await.expect("the script was played");
    outcomes
}

fn brief(outcomes: &[Outcome]) -> Vec<String> {
    let brief = outcomes.iter().map(|outcome| {
        let word = match outcome {
            Outcome::Delivered(_) => "delivered",
            Outcome::Later(_) => "later",
            Outcome::Never(_) => "never",
        };
        format!("{word} {}", outcome.answer().status)
    });
    brief.collect()
}

const TEXT: &str = "C: Subject: x\nC: \nC: text\nC: .\n";

#[tokio::test]
async fn s3_3_rfc3461_every_parameter_is_said_to_whom_offers_it() {
    let mut envelope = envelope(&["c@d.example"]);
    envelope.ret = Some(Ret::Hdrs);
    envelope.envid = Some("id 1+".into());
    envelope.body = BodyType::EightBitMime;
    envelope.recipients[0].notify = Some(Notify::SUCCESS_AND_FAILURE);
    envelope.recipients[0].orcpt = Some("x400;/C+3DGB/S+3DOne/".parse().unwrap());
    let script = format!(
        "S: 220 there\nC: EHLO gw.example\nS: 250-there\nS: 250-pipelining\nS: 250-dsn\n\
         S: 250-Size 1000\nS: 250-8BitMime\nS: 250 EnhancedStatusCodes\n\
         C: MAIL FROM:<a@b.example> SIZE=20 BODY=8BITMIME RET=HDRS ENVID=id+201+2B\n\
         C: RCPT TO:<c@d.example> NOTIFY=SUCCESS,FAILURE ORCPT=x400;/C+3DGB/S+3DOne/\n\
         C: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\n{TEXT}S: 250 2.6.0 queued as 1\n"
    );
    let outcomes = sent(&script, &envelope, &content()).await;
    let [Outcome::Delivered(answer)] = outcomes.as_slice() else {
        panic!("{outcomes:?}");
    };
    assert_eq!((answer.status, answer.dsn), (Status(2, 6, 0), true));
    assert_eq!(answer.text, "250 2.6.0 queued as 1");
    assert!(answer.peer.starts_with("127.0.0.1:"), "{}", answer.peer);
}

#[tokio::test]
async fn s4_1_1_1_helo_is_said_to_whom_knows_no_ehlo_and_nothing_more_than_it_knows() {
    let mut envelope = envelope(&["c@d.example", "e@f.example"]);
    envelope.ret = Some(Ret::Full);
    envelope.recipients[0].notify = Some(Notify::Never);
    let script = format!(
        "S: 220 there\nC: EHLO gw.example\nS: 500 what?\nC: HELO gw.example\nS: 250 hello\n\
         C: MAIL FROM:<a@b.example>\nS: 250 ok\nC: RCPT TO:<c@d.example>\nS: 250 ok\n\
         C: RCPT TO:<e@f.example>\nS: 450 busy\nC: DATA\nS: 354 go\n{TEXT}S: 250 done\n"
    );
    let outcomes = sent(&script, &envelope, &content()).await;
    assert_eq!(brief(&outcomes), ["delivered 2.0.0", "later 4.0.0"]);
    assert!(!outcomes[0].answer().dsn);
}

#[tokio::test]
async fn s3_2_helo_is_tried_anew_with_whom_hangs_up_at_ehlo() {
    let script = format!(
        "S: 220 there\nC: EHLO gw.example\nclose\n---\nS: 220 there\nC: HELO gw.example\nS: 250 hi\n\
         C: MAIL FROM:<a@b.example>\nS: 250 ok\nC: RCPT TO:<c@d>\nS: 250 ok\nC: DATA\nS: 354 go\n\
         {TEXT}S: 250 done\n"
    );
    assert_eq!(
        brief(&sent(&script, &envelope(&["c@d"]), &content()).await),
        ["delivered 2.0.0"]
    );
}

const OPENING: &str = "S: 220 there\nC: EHLO gw.example\nS: 250-there\nS: 250 PIPELINING\n";

#[tokio::test]
async fn rfc2920_each_recipient_has_its_own_outcome() {
    let script = format!(
        "{OPENING}C: MAIL FROM:<a@b.example>\nC: RCPT TO:<one@d>\nC: RCPT TO:<two@d>\n\
         C: RCPT TO:<three@d>\nC: RCPT TO:<four@d>\nC: DATA\nS: 250 ok\nS: 250 2.1.5 ok\n\
         S: 550-5.1.1 nobody\nS: 550 5.1.1 of that name\nS: 451 4.2.0 busy\nS: 552 too many\n\
         S: 354 go\n{TEXT}S: 250 2.0.0 queued\n"
    );
    let to = envelope(&["one@d", "two@d", "three@d", "four@d"]);
    let outcomes = sent(&script, &to, &content()).await;
    assert_eq!(
        brief(&outcomes),
        [
            "delivered 2.0.0",
            "never 5.1.1",
            "later 4.2.0",
            "later 4.5.3"
        ]
    );
    assert_eq!(outcomes[1].answer().text, "550 5.1.1 nobody of that name");
    assert_eq!(outcomes[1].answer().reply.as_ref().unwrap().code(), 550);
}

#[tokio::test]
async fn rfc2920_3_1_a_354_for_nobody_is_answered_with_a_lone_dot() {
    let script = format!(
        "{OPENING}C: MAIL FROM:<a@b.example>\nC: RCPT TO:<c@d>\nC: DATA\nS: 250 ok\nS: 550 no\n\
         S: 354 go\nC: .\nS: 554 nobody\n"
    );
    assert_eq!(
        brief(&sent(&script, &envelope(&["c@d"]), &content()).await),
        ["never 5.0.0"]
    );
}

#[tokio::test]
async fn s3_3_a_sender_refused_is_the_outcome_of_all_and_the_connection_stays() {
    let mail = "C: MAIL FROM:<a@b.example>\nC: RCPT TO:<c@d>\nC: RCPT TO:<e@f>\nC: DATA\n";
    let script = format!(
        "{OPENING}{mail}S: 550 5.7.1 not from you\nS: 503 no\nS: 503 no\nS: 503 no\nC: RSET\n\
         S: 250 ok\n{mail}S: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\n{TEXT}S: 250 ok\n"
    );
    let (to, played) = peer(&script).await;
    let client = client();
    let envelope = envelope(&["c@d", "e@f"]);
    let outcomes = client.send(&to, &envelope, &content()).await;
    assert_eq!(brief(&outcomes), ["never 5.7.1", "never 5.7.1"]);
    let outcomes = client.send(&to, &envelope, &content()).await;
    assert_eq!(brief(&outcomes), ["delivered 2.0.0", "delivered 2.0.0"]);
    played.await.unwrap();
}

#[tokio::test]
async fn s4_5_2_content_is_made_transparent_and_gains_no_line() {
    let script = format!(
        "{OPENING}C: MAIL FROM:<a@b.example>\nC: RCPT TO:<c@d>\nC: DATA\nS: 250 ok\nS: 250 ok\n\
         S: 354 go\nC: a\nC: ..\nC: ..b\nC: .\nS: 250 ok\nC: QUIT\nS: 221 bye\n"
    );
    let (to, played) = peer(&script).await;
    let client = client();
    let content = Octets::from(&b"a\n.\r\n.b\r\n"[..]);
    let outcomes = client.send(&to, &envelope(&["c@d"]), &content).await;
    client.close().await;
    assert_eq!(brief(&outcomes), ["delivered 2.0.0"]);
    played.await.unwrap();
}

#[tokio::test]
async fn rfc2156_long_and_quoted_local_parts_go_as_they_are() {
    let local = format!("/CN=Some \"One\"/O={}/", "x".repeat(300));
    let mut envelope = envelope(&[]);
    let to = AddrSpec::new(&local, "gw.example").unwrap();
    let quoted = local.replace('"', "\\\"");
    envelope.recipients = vec![Recipient::new(to)];
    envelope.reverse_path = None;
    let script = format!(
        "{OPENING}C: MAIL FROM:<>\nC: RCPT TO:<\"{quoted}\"@gw.example>\nC: DATA\nS: 250 ok\n\
         S: 250 ok\nS: 354 go\n{TEXT}S: 250 ok\n"
    );
    assert_eq!(
        brief(&sent(&script, &envelope, &content()).await),
        ["delivered 2.0.0"]
    );
}

#[tokio::test]
async fn s4_2_replies_are_read_however_they_are_written() {
    let long = "x".repeat(5000);
    let script = format!(
        "RAW: 220\\r\\n\nC: EHLO gw.example\nRAW: 250-there\\n250 SIZE\\n\n\
         C: MAIL FROM:<a@b.example> SIZE=20\nRAW: 250\\n\nC: RCPT TO:<c@d>\nRAW: 250 \u{e9}t\u{e9}\\r\\n\n\
         C: DATA\nRAW: 354\\r\\n\n{TEXT}S: 250 {long}\n"
    );
    let outcomes = sent(&script, &envelope(&["c@d"]), &content()).await;
    assert_eq!(brief(&outcomes), ["delivered 2.0.0"]);
    assert!((800..1000).contains(&outcomes[0].answer().text.len()));
}

#[tokio::test]
async fn s4_2_an_endless_reply_is_not_kept() {
    let script = format!("RAW: 220 {}\nsilent\n", "x".repeat(70_000));
    let outcomes = sent(&script, &envelope(&["c@d"]), &content()).await;
    assert_eq!(brief(&outcomes), ["later 4.4.2"]);
    assert!(
        outcomes[0].answer().text.contains("longer than"),
        "{}",
        outcomes[0].answer().text
    );
}

#[tokio::test]
async fn rfc6152_8_bit_content_is_not_given_to_whom_takes_none() {
    let mut envelope = envelope(&["c@d", "e@f"]);
    envelope.body = BodyType::EightBitMime;
    let script = format!("{OPENING}C: QUIT\nS: 221 bye\n");
    let (to, played) = peer(&script).await;
    let client = client();
    assert!(!client.capabilities(&to).await.unwrap().eight_bit_mime);
    let outcomes = client.send(&to, &envelope, &content()).await;
    assert_eq!(brief(&outcomes), ["never 5.6.3", "never 5.6.3"]);
    client.close().await;
    played.await.unwrap();
}

#[tokio::test]
async fn rfc1870_6_1_content_too_large_for_the_peer_is_not_tried() {
    let script = "S: 220 there\nC: EHLO gw.example\nS: 250-there\nS: 250 SIZE 10\n";
    assert_eq!(
        brief(&sent(script, &envelope(&["c@d"]), &content()).await),
        ["never 5.3.4"]
    );
}

#[tokio::test]
async fn rfc6531_addresses_beyond_ascii_need_smtputf8() {
    let script = format!(
        "{OPENING}C: MAIL FROM:<a@b.example>\nC: RCPT TO:<c@d>\nC: DATA\nS: 250 ok\nS: 250 ok\n\
         S: 354 go\n{TEXT}S: 250 ok\n"
    );
    let mut to = envelope(&["c@d"]);
    to.recipients.insert(
        0,
        Recipient::new(AddrSpec::new("\u{e9}", "d.example").unwrap()),
    );
    assert_eq!(
        brief(&sent(&script, &to, &content()).await),
        ["never 5.6.7", "delivered 2.0.0"]
    );
}

#[tokio::test]
async fn s4_5_3_2_silence_is_waited_out_and_no_longer() {
    let mail = "C: MAIL FROM:<a@b.example>\nC: RCPT TO:<c@d>\nC: DATA\n";
    let scripts = [
        "silent\n".to_owned(),
        "S: 220 there\nC: EHLO gw.example\nsilent\n".to_owned(),
        format!("{OPENING}C: MAIL FROM:<a@b.example>\nsilent\n"),
        format!("{OPENING}{mail}S: 250 ok\nS: 250 ok\nS: 354 go\n{TEXT}silent\n"),
    ];
    let waits = scripts.map(|script| {
        tokio::spawn(async move {
            let (to, _played) = peer(&script).await;
            let client = client_with(|timeouts| {
                (timeouts.reply, timeouts.greeting, timeouts.data_termination) = (1, 1, 1);
            });
            let outcomes = client.send(&to, &envelope(&["c@d"]), &content()).await;
            assert_eq!(brief(&outcomes), ["later 4.4.1"], "{script}");
        })
    });
    for wait in waits {
        wait.await.unwrap();
    }
}

#[tokio::test]
async fn s3_8_a_connection_that_grew_stale_is_replaced_unseen() {
    let mail = "C: MAIL FROM:<a@b.example>\nC: RCPT TO:<c@d>\nC: DATA\n";
    let good = format!("{mail}S: 250 ok\nS: 250 ok\nS: 354 go\n{TEXT}S: 250 ok\n");
    for end in [
        "S: 421 4.4.2 idle\nclose\n".to_owned(),
        format!("{mail}S: 421 late\nclose\n"),
    ] {
        let script = format!("{OPENING}{good}{end}---\n{OPENING}{good}");
        let (to, played) = peer(&script).await;
        let client = client();
        for _ in 0..2 {
            let outcomes = client.send(&to, &envelope(&["c@d"]), &content()).await;
            assert_eq!(brief(&outcomes), ["delivered 2.0.0"], "{end}");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        played.await.unwrap();
    }
}

#[tokio::test]
async fn s4_5_3_2_6_a_peer_lost_after_the_dot_is_tried_again() {
    let mail = "C: MAIL FROM:<a@b.example>\nC: RCPT TO:<c@d>\nC: RCPT TO:<e@f>\nC: DATA\n";
    let script =
        format!("{OPENING}{mail}S: 250 ok\nS: 550 no\nS: 250 ok\nS: 354 go\n{TEXT}close\n");
    let outcomes = sent(&script, &envelope(&["c@d", "e@f"]), &content()).await;
    assert_eq!(brief(&outcomes), ["never 5.0.0", "later 4.4.2"]);
}

#[tokio::test]
async fn s4_2_5_the_reply_to_the_content_decides() {
    let mail = "C: MAIL FROM:<a@b.example>\nC: RCPT TO:<c@d>\nC: DATA\n";
    for (reply, expected) in [
        ("554 5.6.0 no", "never 5.6.0"),
        ("452 4.3.1 full", "later 4.3.1"),
        ("554 4.6.0 contradiction", "never 5.0.0"),
        ("354 again", "later 4.5.0"),
        ("999 nonsense", "later 4.4.2"),
    ] {
        let script = format!("{OPENING}{mail}S: 250 ok\nS: 250 ok\nS: 354 go\n{TEXT}S: {reply}\n");
        let outcomes = sent(&script, &envelope(&["c@d"]), &content()).await;
        assert_eq!(brief(&outcomes), [expected], "{reply}");
        assert!(
            !outcomes[0].answer().text.contains(char::is_control),
            "{outcomes:?}"
        );
    }
    let script = format!("{OPENING}{mail}S: 250 ok\nS: 250 ok\nS: 451 no\nC: RSET\nS: 250 ok\n");
    assert_eq!(
        brief(&sent(&script, &envelope(&["c@d"]), &content()).await),
        ["later 4.0.0"]
    );
}

#[tokio::test]
async fn s4_2_5_what_is_said_while_the_content_goes_is_heard() {
    let script = format!(
        "{OPENING}C: MAIL FROM:<a@b.example>\nC: RCPT TO:<c@d>\nC: DATA\nS: 250 ok\nS: 250 ok\n\
         S: 354 go\nB: 100000\nS: 552 5.3.4 enough\nclose\nsilent\n"
    );
    let large = Octets::from(b"0123456789\r\n".repeat(20_000));
    let outcomes = sent(&script, &envelope(&["c@d"]), &large).await;
    assert_eq!(brief(&outcomes), ["never 5.3.4"]);
}

#[tokio::test]
async fn s3_1_who_turns_us_away_at_the_door_may_be_open_later() {
    for (greeting, expected) in [
        ("554 not now", "later 4.3.2"),
        ("421 busy", "later 4.3.2"),
        ("521 no mail", "never 5.3.2"),
    ] {
        let outcomes = sent(&format!("S: {greeting}\n"), &envelope(&["c@d"]), &content()).await;
        assert_eq!(brief(&outcomes), [expected]);
        assert!(outcomes[0].answer().text.contains(greeting));
    }
}

#[tokio::test]
async fn who_cannot_be_reached_is_tried_later() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = Destination::from(listener.local_addr().unwrap());
    drop(listener);
    let outcomes = client().send(&to, &envelope(&["c@d"]), &content()).await;
    assert_eq!(brief(&outcomes), ["later 4.4.1"]);
    assert!(outcomes[0].answer().reply.is_none());
}

#[tokio::test]
async fn rfc2920_3_1_large_groups_are_cut_so_that_nobody_waits_for_the_other() {
    let names: Vec<String> = (0..250).map(|number| format!("r{number}@d")).collect();
    let rcpt: Vec<String> = names
        .iter()
        .map(|name| format!("C: RCPT TO:<{name}>\n"))
        .collect();
    let ok = |count| "S: 250 ok\n".repeat(count);
    let script = format!(
        "{OPENING}C: MAIL FROM:<a@b.example>\n{}{}{}{}{}C: DATA\n{}S: 354 go\n{TEXT}S: 250 ok\n",
        rcpt[..99].concat(),
        ok(100),
        rcpt[99..199].concat(),
        ok(100),
        rcpt[199..].concat(),
        ok(51),
    );
    let to = envelope(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let outcomes = sent(&script, &to, &content()).await;
    assert!(outcomes.len() == 250 && brief(&outcomes).iter().all(|o| o == "delivered 2.0.0"));
}

#[tokio::test]
async fn idle_connections_are_let_go_with_a_goodbye() {
    let script = format!(
        "{OPENING}C: MAIL FROM:<a@b.example>\nC: RCPT TO:<c@d>\nC: DATA\nS: 250 ok\nS: 250 ok\n\
         S: 354 go\n{TEXT}S: 250 ok\nC: QUIT\nS: 221 bye\n"
    );
    let (to, played) = peer(&script).await;
    let client = client_with(|timeouts| timeouts.idle = 1);
    client.send(&to, &envelope(&["c@d"]), &content()).await;
    played.await.unwrap();
}
