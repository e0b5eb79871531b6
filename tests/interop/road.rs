//! The whole road: Postfix, `serve`, and the test MTAs as child processes, with tshark on the wire.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use libtest_mimic::{Failed, Trial};
use mixgate::octets::Octets;
use mixgate::rfc822::envelope::BodyType;
use mixgate::rfc822::{Envelope, Recipient};
use mixgate::smtp::{Client, Config, Destination, Outcome};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::runtime::Runtime;

use super::capture::Capture;
use super::postfix::{Postfix, Setup, free_port, wait_for};
use super::program::{self, GATEWAY_ADDRESS, Gateway, MTA, mixgate, output};
use super::trial;

pub fn trials() -> Vec<Trial> {
    vec![
        trial(
            "postfix_relays_through_serve_to_p1_sink",
            &["postfix", "tshark"],
            postfix_relays_through_serve_to_p1_sink,
        ),
        trial(
            "p1_source_sends_through_serve_into_postfix",
            &["postfix", "tshark"],
            p1_source_sends_through_serve_into_postfix,
        ),
    ]
}

/// Who writes from the Internet.
const ADA: &str = "ada@internet.example";
/// Who reads in X.400, by table 1.
const JO: &str = "Jo.Smith@sales.example.org";

/// A mail: its subject as it is meant, its octets, its text, and its files.
struct Sent {
    subject: String,
    /// The subject in T.61, where that is not ASCII.
    teletex: &'static [u8],
    mail: String,
    text: &'static str,
    files: Vec<(&'static str, Vec<u8>)>,
}

/// Octets that have every value and no pattern that a short period would hide.
fn noise(length: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..length).map(next).collect()
}

fn base64_lines(octets: &[u8]) -> String {
    let text = BASE64.encode(octets);
    let lines = text.as_bytes().chunks(76);
    let lines = lines.map(|line| String::from_utf8_lossy(line) + "\n");
    lines.collect()
}

/// The mails that Postfix relays. No file is empty: tshark 4.0 takes an EXTERNAL without an octet in
/// it for cut off.
fn mails() -> Vec<Sent> {
    let head = |subject: &str, rest: &str| {
        format!(
            "From: Ada Lovelace <{ADA}>\nTo: {JO}\nSubject: {subject}\n\
             Date: Mon, 02 Nov 2026 10:00:00 +0100\nMIME-Version: 1.0\n{rest}\n"
        )
    };
    let mixed = |text_type: &str, text: &str, files: &[(&str, &str, &[u8])]| {
        let mut mail = format!(
            "Content-Type: multipart/mixed; boundary=\"=_b\"\n\n--=_b\n{text_type}\n\n{text}\n"
        );
        for (name, kind, octets) in files {
            mail += &format!(
                "--=_b\nContent-Type: {kind}\nContent-Transfer-Encoding: base64\n\
                 Content-Disposition: attachment; filename=\"{name}\"\n\n{}",
                base64_lines(octets)
            );
        }
        mail + "--=_b--\n"
    };
    let ascii = "Content-Type: text/plain; charset=us-ascii";
    let eight_bit = "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit";
    let greek = "Größe, naïveté, Ελληνικά";
    let every: Vec<u8> = (0..=255).collect();
    let (image, large) = (noise(20_000, 1), noise(300_000, 2));
    let sent = |subject: &str, mail: String, text, files| Sent {
        subject: subject.to_owned(),
        teletex: if subject.is_ascii() {
            b""
        } else {
            b"Gr\x1b)v\xc8u\xfbe"
        },
        mail,
        text,
        files,
    };
    vec![
        sent(
            "Only text",
            head("Only text", ascii) + "Dear Jo,\n\n.a dot\n",
            "Dear Jo,\r\n\r\n.a dot",
            vec![],
        ),
        sent(
            "One file",
            head(
                "One file",
                mixed(
                    ascii,
                    "It is attached.",
                    &[("every.bin", "application/octet-stream", &every)],
                )
                .trim_end(),
            ),
            "It is attached.",
            vec![("every.bin", every.clone())],
        ),
        sent(
            "Two files",
            head(
                "Two files",
                mixed(
                    ascii,
                    "Both are attached.",
                    &[
                        ("plan.png", "image/png", &image),
                        ("one.bin", "application/octet-stream", b"\0"),
                    ],
                )
                .trim_end(),
            ),
            "Both are attached.",
            vec![("plan.png", image.clone()), ("one.bin", vec![0])],
        ),
        sent(
            "Eight bits",
            head("Eight bits", eight_bit) + greek + "\n",
            greek,
            vec![],
        ),
        sent(
            "Grüße",
            head(
                "=?utf-8?Q?Gr=C3=BC=C3=9Fe?=",
                mixed(eight_bit, greek, &[("a.bin", "application/pdf", &every)]).trim_end(),
            ),
            greek,
            vec![("a.bin", every.clone())],
        ),
        sent(
            "Large",
            head(
                "Large",
                mixed(
                    ascii,
                    "It is large.",
                    &[("large.bin", "application/octet-stream", &large)],
                )
                .trim_end(),
            ),
            "It is large.",
            vec![("large.bin", large.clone())],
        ),
    ]
}

/// Hands mails to an SMTP server, for Jo.
fn hand_in(to: SocketAddr, mails: &[Sent]) -> Result<(), Failed> {
    Runtime::new()?.block_on(async {
        let client = Client::new("internet.example", &Config::default());
        for Sent { mail, .. } in mails {
            let envelope = Envelope {
                reverse_path: Some(ADA.parse()?),
                recipients: vec![Recipient::new(JO.parse()?)],
                body: BodyType::EightBitMime,
                ..Envelope::default()
            };
            let octets = Octets::from(mail.replace('\n', "\r\n").into_bytes());
            let outcomes = client
                .send(&Destination::from(to), &envelope, &octets)
                .await;
            if !matches!(outcomes.as_slice(), [Outcome::Delivered(_)]) {
                return Err(Failed::from(format!("{outcomes:?}")));
            }
        }
        client.close().await;
        Ok(())
    })
}

fn postfix_relays_through_serve_to_p1_sink() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let dump = folder.path().join("dump");
    let (sink, hub) = program::sink(&dump)?;
    let capture = Capture::start(&folder.path().join("p1.pcap"), hub.port())?;
    // Nothing is to go this way.
    let nowhere = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let gateway = Gateway::start(folder.path(), nowhere, hub)?;
    let postfix = Postfix::start(&Setup {
        relay: Some(gateway.smtp),
        ..Setup::default()
    })?;
    let mails = mails();
    hand_in(postfix.address(), &mails)?;
    let began = std::time::Instant::now();
    let files = loop {
        let files = dumped(&dump);
        if files.len() >= mails.len() {
            break files;
        }
        assert!(
            began.elapsed() < super::postfix::PATIENCE,
            "{} of {} came; serve says:\n{}\nPostfix says:\n{}",
            files.len(),
            mails.len(),
            gateway.running.said(),
            postfix.log()
        );
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    gateway.running.stop();
    sink.stop();
    let captured = capture.stop(1);

    let mut decoded: Vec<Value> = Vec::new();
    for file in &files {
        decoded.push(decode(file)?);
    }
    assert_eq!(dumped(&dump).len(), mails.len(), "one each, and no more");
    let summaries: Vec<&Value> = decoded.iter().map(|apdu| &apdu["summary"]).collect();
    for sent in &mails {
        let named = |apdu: &&&Value| {
            let subject = &apdu["subject"];
            match subject["hex"].as_str() {
                Some(octets) => octets.eq_ignore_ascii_case(&hexadecimal(sent.teletex)),
                None => *subject == sent.subject,
            }
        };
        let [summary] = summaries.iter().filter(named).collect::<Vec<_>>()[..] else {
            return Err(format!("{} is not there once: {summaries:#?}", sent.subject).into());
        };
        arrived(sent, summary)?;
    }
    let associations = captured.frames("acse && p1").len() / 2;
    captured.shows(mails.len(), associations)?;
    // What tshark saw is what was kept.
    let kept: BTreeSet<String> = decoded.iter().map(local_identifier).collect();
    assert_eq!(kept.len(), mails.len());
    let seen = captured.values("p22", "p1.local_identifier");
    assert_eq!(
        seen.iter().cloned().collect::<BTreeSet<_>>(),
        kept,
        "{seen:?}"
    );
    Ok(())
}

/// The files of APDUs that are whole.
fn dumped(folder: &Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let files = entries.map(|entry| entry.unwrap().path());
    files
        .filter(|file| file.extension().is_some_and(|end| end == "ber"))
        .collect()
}

/// What `mixgate decode --json` says.
fn decode(file: &Path) -> Result<Value, Failed> {
    let done = output(mixgate(&["decode", "--json", &file.display().to_string()]))?;
    if !done.status.success() {
        return Err(String::from_utf8_lossy(&done.stderr).into_owned().into());
    }
    Ok(serde_json::from_slice(&done.stdout)?)
}

/// Whether an interpersonal message has the text and the files of a mail, in its order.
fn arrived(sent: &Sent, summary: &Value) -> Result<(), Failed> {
    let parts = summary["body-parts"].as_array().ok_or("no body parts")?;
    let wrong = |what: &str| Failed::from(format!("{}: {what}: {summary:#}", sent.subject));
    if parts.len() != 1 + sent.files.len() {
        return Err(wrong("another number of body parts"));
    }
    // What is beyond IA5 is shown by its octets, after the escape sequence for UTF-8.
    let text = &parts[0]["text"];
    let octets = parts[0]["octets"]["hex"].as_str().unwrap_or_default();
    // The last line end belongs to the text, or to the boundary behind it.
    let right = ["", "\r\n"].iter().any(|end| {
        let octets_sent = format!("\u{1b}%G{}{end}", sent.text);
        *text == format!("{}{end}", sent.text)
            || octets.eq_ignore_ascii_case(&hexadecimal(octets_sent.as_bytes()))
    });
    if !right {
        return Err(wrong("not the text"));
    }
    for (part, (name, octets)) in parts[1..].iter().zip(&sent.files) {
        let sum = hexadecimal(&Sha256::digest(octets));
        if part["file-name"] != *name || part["sha256"] != sum {
            return Err(wrong("not the file"));
        }
    }
    Ok(())
}

fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// The local identifier in the identifier of a message.
fn local_identifier(apdu: &Value) -> String {
    find(apdu, "message-identifier")
        .and_then(|identifier| find(identifier, "local-identifier"))
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("no identifier in {apdu:#}"))
        .to_owned()
}

/// The first member of that name, at any depth.
fn find<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    match value {
        Value::Object(members) => members
            .get(name)
            .or_else(|| members.values().find_map(|inner| find(inner, name))),
        Value::Array(items) => items.iter().find_map(|inner| find(inner, name)),
        _ => None,
    }
}

/// The mailbox in which the messages of X.400 end.
const MAILBOX: &str = "ada@mail.example";

fn p1_source_sends_through_serve_into_postfix() -> Result<(), Failed> {
    // How many messages of how many octets of text.
    let batches = [(4, 100), (3, 4096), (2, 100_000), (1, 400_000)];
    let messages: usize = batches.iter().map(|(count, _)| count).sum();
    let folder = tempfile::tempdir()?;
    let postfix = Postfix::start(&Setup {
        mailboxes: &[MAILBOX],
        ..Setup::default()
    })?;
    // Nothing is to go this way.
    let nowhere = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let gateway = Gateway::start(folder.path(), postfix.address(), nowhere)?;
    let capture = Capture::start(&folder.path().join("p1.pcap"), gateway.x400.port())?;
    let recipient = format!(
        "/DD.RFC-822={}{GATEWAY_ADDRESS}",
        MAILBOX.replace('@', "(a)")
    );
    for (count, size) in batches {
        let mut source = mixgate(&["p1-source", "--mta", MTA]);
        source
            .args(["--to", &gateway.x400.to_string(), "--rcpt", &recipient])
            .args([
                "--messages",
                &count.to_string(),
                "--size",
                &size.to_string(),
            ]);
        let done = output(source)?;
        if !done.status.success() {
            let said = String::from_utf8_lossy(&done.stderr);
            return Err(format!("{said}\n{}", gateway.running.said()).into());
        }
    }
    let mails = postfix.wait_for_mail(MAILBOX, messages);
    wait_for("the end of the deliveries", || {
        let said = gateway.running.said();
        (said.matches("delivered").count() >= messages).then_some(())
    });
    gateway.running.stop();
    let captured = capture.stop(batches.len());

    let mut found: Vec<_> = mails.iter().map(|mail| subject_and_text(mail)).collect();
    let of_batch = |&(count, size): &(usize, usize)| {
        (0..count).map(move |number| (format!("Test message {number}"), text(size)))
    };
    let mut expected: Vec<_> = batches.iter().flat_map(of_batch).collect();
    expected.sort();
    found.sort();
    for (found, expected) in found.iter().zip(&expected) {
        assert!(
            found == expected,
            "{} octets {found:.300?}, not {} {expected:.300?}",
            found.1.len(),
            expected.1.len()
        );
    }
    assert_eq!(found.len(), messages);
    captured.shows(messages, batches.len())?;
    let seen = captured.values("p22", "p1.local_identifier");
    let different: BTreeSet<&String> = seen.iter().collect();
    assert_eq!(
        (seen.len(), different.len()),
        (messages, messages),
        "{seen:?}"
    );
    Ok(())
}

/// The subject and the text of a mail from a source.
fn subject_and_text(mail: &[u8]) -> (String, String) {
    let read = mail_parser::MessageParser::default()
        .parse(mail)
        .expect("a mail");
    let from = read.header_raw("From").unwrap_or_default();
    assert!(
        from.contains("/S=Source/PRMD=MIXGATE/ADMD= /C=GB/") && from.contains("@gw.example.org"),
        "{from}"
    );
    let text = read.body_text(0).expect("a text").replace("\r\n", "\n");
    let subject = read.subject().unwrap_or_default().to_owned();
    (subject, text.trim_end_matches('\n').to_owned())
}

/// The text of so many octets that a source makes, in lines as they are stored here.
fn text(size: usize) -> String {
    let line = "The quick brown fox jumps over the lazy dog, as it has done before.\r\n";
    let mut text = line.repeat(size.div_ceil(line.len()));
    text.truncate(size);
    text.replace("\r\n", "\n").trim_end_matches('\n').to_owned()
}
