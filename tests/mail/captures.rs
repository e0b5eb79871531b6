//! What real MTAs sent (`MIXGATE_CORPUS/x400/mta`) as mail: sender, recipient, subject, text.

use std::path::Path;

use bytes::Bytes;
use libtest_mimic::Failed;
use mixgate::mixer::address::mcgam::Tables;
use mixgate::mixer::context::{Context, Gateway, PeerProfile};
use mixgate::mixer::to_rfc822::{self, Kind, ToRfc822};
use mixgate::rfc822::{Mail, Status, date, dsn};

fn convert(folder: &Path, file: &str) -> Result<ToRfc822, Failed> {
    let apdu = Bytes::from(std::fs::read(folder.join(file))?);
    let gateway = Gateway {
        name: "gw.example".into(),
        ..Gateway::default()
    };
    let (tables, peer) = (Tables::default(), PeerProfile::default());
    let now = date::parse(b"Sun, 22 Nov 2026 07:00:00 +0000").ok_or("a date")?;
    let context = Context {
        id: "01K0".into(),
        now,
        gateway: &gateway,
        tables: &tables,
        peer: &peer,
    };
    to_rfc822::message(&context, &apdu).map_err(|fault| format!("{file}: {fault}").into())
}

fn expect(what: &str, found: Option<&str>, expected: &str) -> Result<(), Failed> {
    if found == Some(expected) {
        Ok(())
    } else {
        Err(format!("{what}: {found:?}, not {expected:?}").into())
    }
}

/// Messages of all three protocols, one line each: file, recipient, subject, first line.
const MESSAGES: &[(&str, &str, &str, &str)] = &[
    (
        "01-plain88-1.p1-message.ber",
        "/S=bob/O=B/PRMD=PPTEST/ADMD=NET/C=GB/@gw.example",
        "Plain IPM test over P1(88)",
        "Hello Bob,",
    ),
    (
        "02-dr88-1.p1-message.ber",
        "/S=nobody/O=B/PRMD=PPTEST/ADMD=NET/C=GB/@gw.example",
        "To unknown user",
        "Hello Bob,",
    ),
    (
        "03-plain84-1.p1-message.ber",
        "/S=bob/O=B84/PRMD=PPTEST/ADMD=NET/C=GB/@gw.example",
        "Plain over P1(84)",
        "Hello Bob,",
    ),
    (
        "04-plain-x410-1.p1-message.ber",
        "/S=bob/O=BX410/PRMD=PPTEST/ADMD=NET/C=GB/@gw.example",
        "Plain over P1(88) X.410 mode",
        "Hello Bob,",
    ),
    (
        "06-large88-1.p1-message.ber",
        "/S=bob/O=B/PRMD=PPTEST/ADMD=NET/C=GB/@gw.example",
        "Large message 300KB over P1(88)",
        "000000 The quick brown fox jumps over the lazy dog 0123456789",
    ),
];

pub fn captured_messages_become_mail(folder: &Path) -> Result<(), Failed> {
    let alice = "/S=alice/O=A/PRMD=PPTEST/ADMD=NET/C=GB/@gw.example";
    for (file, recipient, subject, first_line) in MESSAGES {
        let done = convert(folder, file)?;
        let sender = done.envelope.reverse_path.as_ref().map(ToString::to_string);
        expect(file, sender.as_deref(), alice)?;
        let recipients: Vec<_> = done
            .envelope
            .recipients
            .iter()
            .map(|one| one.forward_path.to_string())
            .collect();
        expect(file, Some(&recipients.join(" ")), recipient)?;
        let mail = Mail::parse(done.mail.to_bytes())?;
        let header = mail.header();
        expect(
            file,
            header.first("Subject").map(|field| field.text()).as_deref(),
            subject,
        )?;
        expect(
            file,
            header.first("From").map(|field| field.text()).as_deref(),
            &format!("Alice Sender <{alice}>"),
        )?;
        let text = mail.root.text().ok_or("text")?.text;
        expect(file, text.lines().next(), first_line)?;
        let lost: Vec<_> = done.ledger.notes.iter().filter(|note| note.lost).collect();
        expect(file, Some(&format!("{lost:?}")), "[]")?;
    }
    Ok(())
}

pub fn captured_reports_become_notifications(folder: &Path) -> Result<(), Failed> {
    for file in ["02-dr88-2.p1-report.ber", "03-plain84-3.p1-report.ber"] {
        let done = convert(folder, file)?;
        if done.kind != Kind::Report || done.envelope.reverse_path.is_some() {
            return Err(format!(
                "{file}: {:?} from {:?}",
                done.kind, done.envelope.reverse_path
            )
            .into());
        }
        let mail = Mail::parse(done.mail.to_bytes())?;
        let read = dsn::read(&mail)?;
        let [failed] = read.status.recipients.as_slice() else {
            return Err(format!("{file}: {:?}", read.status.recipients).into());
        };
        let last = failed.final_recipient.to_string();
        expect(
            file,
            Some(&last),
            "x400; /S=nobody/O=B/PRMD=PPTEST/ADMD=NET/C=GB/",
        )?;
        expect(
            file,
            Some(&failed.status.to_string()),
            &Status(5, 1, 1).to_string(),
        )?;
        let returned = read.returned.and_then(|part| part.children().first());
        let subject = returned
            .and_then(|message| message.header.first("Subject"))
            .map(|field| field.text());
        expect(file, subject.as_deref(), "To unknown user")?;
    }
    Ok(())
}
