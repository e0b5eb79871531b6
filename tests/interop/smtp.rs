//! The SMTP server and client with Postfix, smtp-source, smtp-sink and swaks.

use std::net::SocketAddr;
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use mixgate::octets::Octets;
use mixgate::rfc822::envelope::{BodyType, Notify, Ret};
use mixgate::rfc822::{AddrSpec, Envelope, Recipient};
use mixgate::smtp::{Client, Config, Destination, Outcome, Protocol};
use tokio::runtime::Runtime;

use super::keeper::{self, Kept};
use super::postfix::{Postfix, Setup, SmtpSink, command, wait_for};
use super::trial;

pub fn trials() -> Vec<Trial> {
    vec![
        trial(
            "smtp_source_fills_our_server",
            &["smtp-source"],
            smtp_source_fills_our_server,
        ),
        trial(
            "smtp_source_must_say_helo",
            &["smtp-source"],
            smtp_source_must_say_helo,
        ),
        trial(
            "our_client_fills_smtp_sink",
            &["smtp-sink"],
            our_client_fills_smtp_sink,
        ),
        trial(
            "smtp_sink_that_speaks_no_esmtp",
            &["smtp-sink"],
            smtp_sink_that_speaks_no_esmtp,
        ),
        trial(
            "smtp_sink_that_refuses",
            &["smtp-sink"],
            smtp_sink_that_refuses,
        ),
        trial(
            "postfix_delivers_what_we_send",
            &["postfix"],
            postfix_delivers_what_we_send,
        ),
        trial(
            "postfix_refuses_one_recipient",
            &["postfix"],
            postfix_refuses_one_recipient,
        ),
        trial("postfix_relays_to_us", &["postfix"], postfix_relays_to_us),
        trial("swaks_sends_a_message", &["swaks"], swaks_sends_a_message),
        trial("swaks_pipelines", &["swaks"], swaks_pipelines),
        trial("swaks_is_refused", &["swaks"], swaks_is_refused),
    ]
}

/// Runs on a runtime whose servers end with it.
fn on_runtime<T>(work: impl Future<Output = T>) -> T {
    Runtime::new().expect("a runtime").block_on(work)
}

fn client() -> Arc<Client> {
    Arc::new(Client::new("gw.example", &Config::default()))
}

fn address(text: &str) -> AddrSpec {
    text.parse()
        .unwrap_or_else(|fault| panic!("{text}: {fault}"))
}

fn envelope(from: &str, to: &[&str]) -> Envelope {
    Envelope {
        reverse_path: Some(address(from)),
        recipients: to.iter().map(|to| Recipient::new(address(to))).collect(),
        ..Envelope::default()
    }
}

fn content(text: &str) -> Octets {
    Octets::from(text.replace('\n', "\r\n").into_bytes())
}

fn all_delivered(outcomes: &[Outcome]) -> bool {
    outcomes
        .iter()
        .all(|outcome| matches!(outcome, Outcome::Delivered(_)))
}

/// Runs a program beside the runtime.
async fn run(mut program: std::process::Command) -> Output {
    let done = tokio::task::spawn_blocking(move || program.output());
    let done = tokio::time::timeout(Duration::from_secs(60), done).await;
    done.expect("the program ends")
        .expect("no panic")
        .expect("the program runs")
}

async fn smtp_source(options: &[&str], to: SocketAddr) -> Output {
    let mut source = command("smtp-source");
    source
        .args(options)
        .args(["-f", "a@x.example", "-t", "b@y.example"])
        .arg(to.to_string());
    run(source).await
}

fn smtp_source_fills_our_server() -> Result<(), Failed> {
    on_runtime(async {
        let (server, keeper) = keeper::serve().await;
        let done = smtp_source(&["-s", "10", "-m", "300", "-l", "4096", "-r", "3"], server).await;
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
        let kept = keeper.kept();
        assert_eq!(kept.len(), 300);
        for Kept {
            session,
            envelope,
            content,
        } in &kept
        {
            assert_eq!(
                (session.protocol, envelope.recipients.len()),
                (Protocol::Smtp, 3)
            );
            assert!(
                content.len() >= 4096 && content.ends_with(b"\r\n"),
                "{}",
                content.len()
            );
        }
    });
    Ok(())
}

fn smtp_source_must_say_helo() -> Result<(), Failed> {
    on_runtime(async {
        let (server, keeper) = keeper::serve().await;
        // -o: no HELO.
        let done = smtp_source(&["-o", "-m", "1"], server).await;
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(said.contains("503 5.5.1 Say EHLO first"), "{said}");
        assert!(keeper.kept().is_empty());
    });
    Ok(())
}

/// Sends `count` messages over several connections at once.
async fn send_many(to: SocketAddr, count: usize) {
    let (client, to) = (client(), Destination::from(to));
    let sending = (0..count).map(|number| {
        let (client, to) = (Arc::clone(&client), to.clone());
        tokio::spawn(async move {
            let from = format!("m{number}@x.example");
            let text = format!(
                "Subject: {number}\n\n.leading dot\n{}",
                "text\n".repeat(800)
            );
            let envelope = envelope(&from, &["b@y.example", "c@y.example"]);
            client.send(&to, &envelope, &content(&text)).await
        })
    });
    for sent in sending.collect::<Vec<_>>() {
        let outcomes = sent.await.expect("no panic");
        assert!(
            outcomes.len() == 2 && all_delivered(&outcomes),
            "{outcomes:?}"
        );
    }
    client.close().await;
}

fn our_client_fills_smtp_sink() -> Result<(), Failed> {
    let sink = SmtpSink::start(&[])?;
    on_runtime(send_many(sink.address(), 200));
    let dumps = wait_for("200 messages", || {
        Some(sink.dumps()).filter(|all| all.len() == 200)
    });
    for number in [0, 57, 199] {
        let mail = format!("X-Mail-Args: <m{number}@x.example>");
        let dump = dumps
            .iter()
            .find(|dump| dump.contains(&mail))
            .expect("the message");
        assert!(dump.contains("X-Rcpt-Args: <c@y.example>"), "{dump}");
        assert!(dump.contains(&format!("Subject: {number}")) && dump.contains("\n.leading dot"));
    }
    Ok(())
}

fn smtp_sink_that_speaks_no_esmtp() -> Result<(), Failed> {
    let sink = SmtpSink::start(&["-e"])?;
    on_runtime(send_many(sink.address(), 5));
    let dumps = wait_for("5 messages", || {
        Some(sink.dumps()).filter(|all| all.len() == 5)
    });
    assert!(
        dumps
            .iter()
            .all(|dump| dump.contains("X-Client-Proto: SMTP"))
    );
    Ok(())
}

fn smtp_sink_that_refuses() -> Result<(), Failed> {
    for (options, later) in [
        (["-q", "RCPT"], true),
        (["-r", "RCPT"], true),
        (["-f", "RCPT"], false),
        (["-q", "DATA"], true),
        (["-f", "DATA"], false),
        (["-r", "MAIL"], true),
        (["-q", "."], true),
        (["-r", "."], true),
        (["-f", "."], false),
        (["-f", "CONNECT"], true),
    ] {
        let sink = SmtpSink::start_refusing(&options)?;
        on_runtime(async {
            let (client, to) = (client(), Destination::from(sink.address()));
            for _ in 0..2 {
                let envelope = envelope("a@x.example", &["b@y.example", "c@y.example"]);
                let outcomes = client.send(&to, &envelope, &content("x\n")).await;
                assert_eq!(outcomes.len(), 2);
                for outcome in outcomes {
                    let is_later = matches!(outcome, Outcome::Later(_));
                    let is_never = matches!(outcome, Outcome::Never(_));
                    assert!(
                        if later { is_later } else { is_never },
                        "{options:?}: {outcome:?}"
                    );
                }
            }
            client.close().await;
        });
    }
    Ok(())
}

fn postfix_delivers_what_we_send() -> Result<(), Failed> {
    let postfix = Postfix::start(&Setup {
        mailboxes: &["@mail.example", "sender@back.example"],
        ..Setup::default()
    })?;
    on_runtime(async {
        let (client, to) = (client(), Destination::from(postfix.address()));
        let mut envelope = envelope("sender@back.example", &["\"/CN=Some One/\"@mail.example"]);
        envelope.envid = Some("our id 7".into());
        envelope.ret = Some(Ret::Hdrs);
        envelope.body = BodyType::EightBitMime;
        envelope.recipients[0].notify = Some(Notify::SUCCESS_AND_FAILURE);
        envelope.recipients[0].orcpt = Some("x400;/C+3DGB/S+3DOne/".parse().unwrap());
        let text = "Subject: gr\u{fc}n\nMessage-ID: <1@x>\n\n.dot\n..dots\nf\u{fc}r\n";
        let outcomes = client.send(&to, &envelope, &content(text)).await;
        let [Outcome::Delivered(answer)] = outcomes.as_slice() else {
            panic!("{outcomes:?}");
        };
        assert!(
            answer.dsn && answer.text.starts_with("250 2.0.0 Ok: queued as "),
            "{answer}"
        );
    });
    let mail = postfix.wait_for_mail("@mail.example", 1).remove(0);
    let mail = String::from_utf8(mail)?;
    assert!(mail.ends_with("\n\n.dot\n..dots\nf\u{fc}r\n"), "{mail}");
    assert!(
        mail.contains("Delivered-To: \"/CN=Some One/\"@mail.example"),
        "{mail}"
    );
    // That Postfix understood the parameters, its notification of delivery shows.
    let report = postfix.wait_for_mail("sender@back.example", 1).remove(0);
    let report = String::from_utf8(report)?;
    for line in [
        "Original-Envelope-Id: our id 7",
        "Original-Recipient: x400;/C=GB/S=One/",
    ] {
        let encoded = line
            .replace(' ', "+20")
            .replace("/C=", "/C+3D")
            .replace("/S=", "/S+3D");
        let wire = encoded.replace(":+20", ": ");
        assert!(
            report.contains(line) || report.contains(&wire),
            "{line}: {report}"
        );
    }
    assert!(report.contains("Action: delivered"), "{report}");
    Ok(())
}

fn postfix_refuses_one_recipient() -> Result<(), Failed> {
    let postfix = Postfix::start(&Setup {
        mailboxes: &["one@mail.example", "two@mail.example"],
        ..Setup::default()
    })?;
    on_runtime(async {
        let (client, to) = (client(), Destination::from(postfix.address()));
        let offers = client.capabilities(&to).await.expect("Postfix answers");
        assert!(offers.pipelining && offers.eight_bit_mime && offers.dsn && offers.size.is_some());
        for _ in 0..3 {
            let to_all = [
                "one@mail.example",
                "nobody@mail.example",
                "two@mail.example",
            ];
            let outcomes = client
                .send(&to, &envelope("a@x.example", &to_all), &content("x\n"))
                .await;
            let [
                Outcome::Delivered(_),
                Outcome::Never(refused),
                Outcome::Delivered(_),
            ] = outcomes.as_slice()
            else {
                panic!("{outcomes:?}");
            };
            assert_eq!(refused.status.to_string(), "5.1.1");
            assert!(refused.text.contains("nobody@mail.example"), "{refused}");
        }
        let none = envelope("a@x.example", &["nobody@mail.example"]);
        let outcomes = client.send(&to, &none, &content("x\n")).await;
        assert!(
            matches!(outcomes.as_slice(), [Outcome::Never(_)]),
            "{outcomes:?}"
        );
        client.close().await;
    });
    postfix.wait_for_mail("one@mail.example", 3);
    postfix.wait_for_mail("two@mail.example", 3);
    let connections = postfix.log().matches(": connect from").count();
    assert_eq!(
        connections,
        2,
        "the test's own and one of the client:\n{}",
        postfix.log()
    );
    Ok(())
}

fn postfix_relays_to_us() -> Result<(), Failed> {
    on_runtime(async {
        let (server, keeper) = keeper::serve().await;
        let postfix = tokio::task::spawn_blocking(move || {
            Postfix::start(&Setup {
                relay: Some(server),
                mailboxes: &["sender@back.example"],
                ..Setup::default()
            })
        });
        let postfix = postfix.await.unwrap().expect("Postfix starts");
        let client = client();
        let to = Destination::from(postfix.address());
        let recipients = [
            "\"/S=One/ADMD= /C=GB/\"@gw.example",
            "nobody@gw.example",
            "c@gw.example",
        ];
        let mut envelope = envelope("sender@back.example", &recipients);
        envelope.envid = Some("our id 8".into());
        envelope.ret = Some(Ret::Full);
        envelope.recipients[0].notify = Some(Notify::Never);
        envelope.recipients[2].notify = Some(Notify::SUCCESS_AND_FAILURE);
        envelope.recipients[2].orcpt = Some("rfc822;orig+2Binal@gw.example".parse().unwrap());
        let lines = "0123456789".repeat(7) + "\n.\n";
        let text = format!(
            "Subject: relayed\nMessage-ID: <2@x>\n\n{}",
            lines.repeat(20_000)
        );
        let outcomes = client.send(&to, &envelope, &content(&text)).await;
        assert!(
            outcomes.len() == 3 && all_delivered(&outcomes),
            "{outcomes:?}"
        );

        let (postfix, kept) = tokio::task::spawn_blocking(move || {
            let kept = wait_for("the message", || {
                Some(keeper.kept()).filter(|all| !all.is_empty())
            });
            // Our refusal of one recipient comes back to the sender.
            let report = postfix.wait_for_mail("sender@back.example", 1).remove(0);
            let report = String::from_utf8_lossy(&report).into_owned();
            assert!(report.contains("550 5.1.1 nobody of that name"), "{report}");
            (postfix, kept)
        })
        .await
        .unwrap();
        let [
            Kept {
                session,
                envelope,
                content: octets,
            },
        ] = kept.as_slice()
        else {
            panic!("{} messages; Postfix says:\n{}", kept.len(), postfix.log());
        };
        assert_eq!(
            (session.helo.as_str(), session.protocol),
            ("postfix.example", Protocol::Esmtp)
        );
        assert_eq!(envelope.reverse_path, Some(address("sender@back.example")));
        assert_eq!(
            (envelope.ret, envelope.envid.as_deref()),
            (Some(Ret::Full), Some("our id 8"))
        );
        assert!(
            envelope.size.is_some_and(|size| size > 1_400_000),
            "{:?}",
            envelope.size
        );
        let [one, c] = envelope.recipients.as_slice() else {
            panic!("{envelope:?}");
        };
        assert_eq!(one.forward_path.local(), "/S=One/ADMD= /C=GB/");
        assert_eq!(one.notify, Some(Notify::Never));
        assert_eq!(c.notify, Some(Notify::SUCCESS_AND_FAILURE));
        let orcpt = c.orcpt.as_ref().expect("ORCPT");
        assert_eq!(
            (&*orcpt.address_type, &*orcpt.address),
            ("rfc822", "orig+inal@gw.example")
        );
        let at = octets
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .expect("a body")
            + 4;
        assert!(octets[at..] == *lines.repeat(20_000).replace('\n', "\r\n").as_bytes());
        tokio::task::spawn_blocking(move || drop(postfix))
            .await
            .unwrap();
    });
    Ok(())
}

async fn swaks(to: SocketAddr, options: &[&str]) -> Output {
    let mut swaks = command("swaks");
    swaks.args([
        "--server",
        &to.to_string(),
        "--helo",
        "swaks.example",
        "--timeout",
        "20",
    ]);
    swaks.args(options);
    run(swaks).await
}

const PLAIN: &[&str] = &["--from", "a@x.example", "--to", "b@y.example"];

fn swaks_sends_a_message() -> Result<(), Failed> {
    on_runtime(async {
        let (server, keeper) = keeper::serve().await;
        let body = ["--header", "Subject: swaks", "--body", ".dot\\n..\\n"];
        let done = swaks(server, &[PLAIN, &body].concat()).await;
        let said = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success(), "{said}");
        assert!(said.contains("<-  250 2.0.0 K1 is safe with us"), "{said}");
        let kept = keeper.kept();
        let text = String::from_utf8_lossy(&kept[0].content);
        assert!(
            text.contains("Subject: swaks\r\n") && text.contains("\r\n.dot\r\n..\r\n"),
            "{text}"
        );
        assert_eq!(kept[0].session.helo, "swaks.example");
    });
    Ok(())
}

fn swaks_pipelines() -> Result<(), Failed> {
    on_runtime(async {
        let (server, keeper) = keeper::serve().await;
        let options = [
            "--pipeline",
            "--to",
            "b@y.example,nobody@y.example,\"q q\"@y.example",
        ];
        let done = swaks(server, &[PLAIN, &options].concat()).await;
        let said = String::from_utf8_lossy(&done.stdout);
        assert!(said.contains("<** 550 5.1.1 nobody of that name"), "{said}");
        let kept = keeper.kept();
        assert_eq!(kept.len(), 1, "{said}");
        assert_eq!(kept[0].envelope.recipients.len(), 2, "{said}");
    });
    Ok(())
}

fn swaks_is_refused() -> Result<(), Failed> {
    on_runtime(async {
        let (server, keeper) = keeper::serve().await;
        for (options, reply) in [
            ("--from a@x.example --to nobody@y.example", "550 5.1.1 "),
            ("--from no\u{e9}@x.example --to b@y.example", "500 5.5.2 "),
            ("--from a@x.example --to @y.example", "501 5.1.3 "),
        ] {
            let words: Vec<&str> = options.split(' ').collect();
            let done = swaks(server, &words).await;
            let said = String::from_utf8_lossy(&done.stdout);
            assert!(
                !done.status.success() && said.contains(reply),
                "{options:?}: {said}"
            );
        }
        assert!(keeper.kept().is_empty());
    });
    Ok(())
}
