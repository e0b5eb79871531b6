//! The three scenes: mail to X.400, X.400 to mail, and a failure that comes back.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use bytes::Bytes;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use mixgate::asn1::mta::MtsApdu;
use mixgate::asn1::{self, show};
use mixgate::gateway::report::transfer::{Reporter, about};
use mixgate::gateway::report::{Fate, Told};
use mixgate::gateway::rules::{Rules, refusal};
use mixgate::gateway::subject::Subject;
use mixgate::mixer::address::Attributes;
use mixgate::mixer::outcome::{Ledger, Unconverted};
use mixgate::mixer::{domain, to_rfc822, to_x400};
use mixgate::octets::Octets;
use mixgate::queue::ItemId;
use mixgate::rfc822::address::Mailbox;
use mixgate::rfc822::{
    AddrSpec, Entity, Envelope, Fields, Mail, MediaType, Recipient, Status, dsn,
};
use mixgate::smtp;
use sha2::{Digest as _, Sha256};

use super::ipm::Letter;
use super::neighbours::{MailServer, X400Mta};
use super::{ADA, GATEWAY_ADDRESS, MTA, paint};
use crate::cli::exit::{Failure, Outcome};

/// A user of the X.400 organisation, as the Internet knows him.
const JO: &str = "Jo.Smith@sales.example.org";
/// The same user's O/R address.
const JO_ADDRESS: &str = "/G=Jo/S=Smith/O=Sales/PRMD=ORG/ADMD=HUB/C=GB/";
/// Somebody the X.400 MTA does not know.
const NOBODY: &str = "nobody@sales.example.org";

/// Mail with an attachment goes to X.400.
pub async fn mail_to_x400(
    folder: &Path,
    rules: &Rules,
    smtp: SocketAddr,
    mta: &mut X400Mta,
) -> Outcome {
    paint::scene(1, "mail with an attachment, to X.400");
    let file = orders();
    let (envelope, mail) = letter(
        JO,
        "Orders of the week",
        "Dear Jo,\r\n\r\nthe orders are attached.\r\n\r\nAda\r\n",
        Some(&file),
    )?;
    keep(folder, "1-sent.eml", &mail)?;
    paint::block(
        "sent",
        &[
            format!("MAIL FROM:<{ADA}>  RCPT TO:<{JO}>"),
            "Subject: Orders of the week".to_owned(),
            format!("a text, and orders.csv of {} octets", file.len()),
        ],
    );
    let begun = Instant::now();
    hand_in(smtp, &envelope, &mail).await?;
    let apdu = mta.next().await?;
    let took = begun.elapsed();
    keep(folder, "1-received.ber", &apdu)?;

    let context = rules.context(ItemId::generate(), Timestamp::now(), "hub");
    let told = to_x400::message(&context, &envelope, &mail).map_err(not_converted)?;
    paint::block("mapped", &mappings(&told.ledger));
    paint::block("received", &p1(&apdu)?);
    let shown =
        show::decode_any(&apdu, None).map_err(|error| Failure::Internal(error.to_string()))?;
    let hash = hexadecimal(&Sha256::digest(&file));
    if !shown.to_json().to_string().contains(&hash) {
        return Err(Failure::Internal(
            "the file that arrived is not the file that was sent".to_owned(),
        ));
    }
    paint::well(&format!(
        "in {} ms; the file is the same, octet for octet",
        took.as_millis()
    ));
    Ok(())
}

/// An interpersonal message with a file goes to the Internet.
pub async fn x400_to_mail(
    folder: &Path,
    rules: &Rules,
    mail: &mut MailServer,
    mta: &X400Mta,
) -> Outcome {
    paint::scene(2, "an interpersonal message with a file, to the Internet");
    let file = orders();
    let from = address(JO_ADDRESS)?;
    let to = address(&format!(
        "/DD.RFC-822={}{GATEWAY_ADDRESS}",
        ADA.replace('@', "(a)")
    ))?;
    let letter = Letter {
        from: &from,
        name: "Jo Smith",
        to: &to,
        subject: "Re: Orders of the week",
        text: "Dear Ada,\r\n\r\nconfirmed, with prices.\r\n\r\nJo\r\n",
        file: ("confirmed.csv", &file),
    };
    let apdu = letter.apdu("HUB-0042", Timestamp::now()).to_bytes();
    keep(folder, "2-sent.ber", &apdu)?;
    paint::block("sent", &p1(&apdu)?);
    let begun = Instant::now();
    mta.send(apdu.clone()).await?;
    let arrived = mail.next().await?;
    let took = begun.elapsed();
    keep(folder, "2-received.eml", &arrived.octets)?;

    let context = rules.context(ItemId::generate(), Timestamp::now(), "smtp");
    let told = to_rfc822::message(&context, &apdu).map_err(not_converted)?;
    paint::block("mapped", &mappings(&told.ledger));
    paint::block("received", &internet(&arrived.envelope, &arrived.octets)?);
    let same = parsed(&arrived.octets)?
        .root
        .leaves()
        .any(|leaf| leaf.decoded().to_bytes() == file);
    if !same {
        return Err(Failure::Internal(
            "the file that arrived is not the file that was sent".to_owned(),
        ));
    }
    paint::well(&format!(
        "in {} ms; the file is the same, octet for octet",
        took.as_millis()
    ));
    Ok(())
}

/// Mail to somebody unknown comes back as a notification.
pub async fn failure_comes_back(
    folder: &Path,
    smtp: SocketAddr,
    mail: &mut MailServer,
    mta: &mut X400Mta,
) -> Outcome {
    paint::scene(3, "a failure that comes back");
    let (envelope, octets) = letter(NOBODY, "Are you there?", "Hello?\r\n", None)?;
    keep(folder, "3-sent.eml", &octets)?;
    paint::block(
        "sent",
        &[
            format!("MAIL FROM:<{ADA}>  RCPT TO:<{NOBODY}>"),
            "Subject: Are you there?".to_owned(),
        ],
    );
    let begun = Instant::now();
    hand_in(smtp, &envelope, &octets).await?;
    let apdu = mta.next().await?;
    let report = not_delivered(&apdu)?;
    keep(folder, "3-report.ber", &report)?;
    paint::block(
        "refused",
        &[
            format!("the MTA {MTA} has no such user: it returns a non-delivery report,"),
            paint::failed("unable-to-transfer (1), unrecognised-OR-name (0)"),
        ],
    );
    mta.send(report).await?;
    let arrived = mail.next().await?;
    let took = begun.elapsed();
    keep(folder, "3-received.eml", &arrived.octets)?;
    let returned = parsed(&arrived.octets)?;
    let status = dsn::read(&returned)
        .map_err(|error| Failure::Internal(format!("what came back is no notification: {error}")))?
        .status;
    let mut lines = internet(&arrived.envelope, &arrived.octets)?;
    for recipient in &status.recipients {
        lines.push(format!("Final-Recipient: {}", recipient.final_recipient));
        lines.push(format!(
            "Action: {}   Status: {}",
            recipient.action.as_str(),
            recipient.status
        ));
        lines.extend(
            recipient
                .diagnostic_code
                .iter()
                .map(|code| format!("Diagnostic-Code: {code}")),
        );
    }
    paint::block("returned", &lines);
    if !status
        .recipients
        .iter()
        .any(|recipient| recipient.status == Status(5, 1, 1))
    {
        return Err(Failure::Internal(
            "the notification does not say 5.1.1".to_owned(),
        ));
    }
    paint::well(&format!("in {} ms Ada knows", took.as_millis()));
    Ok(())
}

/// The report of an MTA that knows none of the recipients of a message.
fn not_delivered(apdu: &Bytes) -> Result<Bytes, Failure> {
    let unreadable = |error: asn1::DecodeError| Failure::Internal(error.to_string());
    let MtsApdu::Message(message) = asn1::decode(apdu).map_err(unreadable)? else {
        return Err(Failure::Internal("the gateway sent no message".to_owned()));
    };
    let told: Vec<Told> = message
        .envelope
        .per_recipient_fields
        .iter()
        .filter_map(|fields| u32::try_from(fields.originally_specified_recipient_number).ok())
        .map(|number| Told {
            number,
            fate: Fate::Failed,
            status: Status(5, 1, 1),
            codes: Some((1, Some(0))),
            text: "No such user".to_owned(),
            relay: None,
        })
        .collect();
    let reporter = Reporter {
        domain: domain::of_address(&address(JO_ADDRESS)?).unwrap_or_default(),
        mta: MTA.to_owned(),
    };
    let now = Timestamp::now();
    let subject = Subject::from(message.envelope);
    let content = || Some(message.content);
    let report = about(&subject, &reporter, "HUB-0043", &told, content, now, now)
        .ok_or_else(|| Failure::Internal("the gateway asked for no report".to_owned()))?;
    Ok(asn1::encode(&report))
}

/// A mail of Ada's.
fn letter(
    to: &str,
    subject: &str,
    text: &str,
    file: Option<&Bytes>,
) -> Result<(Envelope, Bytes), Failure> {
    let (ada, to) = (mailbox(ADA)?, mailbox(to)?);
    let mut header = Fields::new();
    let now: Zoned = Timestamp::now().to_zoned(TimeZone::system());
    header.date("Date", &now);
    header.mailboxes("From", &[Mailbox::named("Ada Lovelace", ada.clone())]);
    header.mailboxes("To", &[Mailbox::new(to.clone())]);
    header.text("Subject", subject);
    header.structured(
        "Message-ID",
        &format!("<{}@internet.example>", ItemId::generate()),
    );
    let text = Entity::unicode(text);
    let content = match file {
        Some(file) => {
            let kind = MediaType::new("text", "csv").with("name", "orders.csv");
            let file = Entity::binary(kind, Octets::from(file.clone()));
            Entity::multipart(MediaType::new("multipart", "mixed"), vec![text, file])
        }
        None => text,
    };
    let envelope = Envelope {
        reverse_path: Some(ada),
        recipients: vec![Recipient::new(to)],
        ..Envelope::default()
    };
    Ok((envelope, content.write(&header).to_bytes()))
}

/// Hands a mail to the gateway over SMTP.
async fn hand_in(smtp: SocketAddr, envelope: &Envelope, mail: &Bytes) -> Outcome {
    let client = smtp::client::Client::new("mail.internet.example", &smtp::Config::default());
    let outcomes = client
        .send(&smtp.into(), envelope, &Octets::from(mail.clone()))
        .await;
    client.close().await;
    match outcomes.first() {
        Some(smtp::Outcome::Delivered(_)) => Ok(()),
        Some(other) => Err(Failure::Unavailable(format!(
            "the gateway refused a mail: {}",
            other.answer()
        ))),
        None => Err(Failure::Internal("a mail without recipients".to_owned())),
    }
}

/// What went where, one line each.
fn mappings(ledger: &Ledger) -> Vec<String> {
    let section = |section: &str| match section.starts_with("RFC") {
        true => section.to_owned(),
        false => format!("RFC 2156 {section}"),
    };
    let mut lines = Vec::new();
    for recipient in &ledger.recipients {
        let to = recipient.mapped.as_deref().unwrap_or("refused");
        lines.push(recipient.address.clone());
        lines.push(paint::mapping("", to, &section(recipient.section)));
    }
    for field in &ledger.fields {
        lines.push(paint::mapping(
            &field.from,
            &field.to,
            &section(field.section),
        ));
    }
    for part in &ledger.parts {
        lines.push(paint::mapping(&part.from, &part.to, &section(part.section)));
    }
    lines
}

/// A P1 message, as its recipient sees it.
fn p1(apdu: &Bytes) -> Result<Vec<String>, Failure> {
    let unreadable = |error: asn1::DecodeError| Failure::Internal(error.to_string());
    let shown = show::decode_any(apdu, None).map_err(unreadable)?.to_json();
    let MtsApdu::Message(message) = asn1::decode(apdu).map_err(unreadable)? else {
        return Err(Failure::Internal("no message".to_owned()));
    };
    let envelope = message.envelope;
    let mut lines = vec![
        format!(
            "P1 message {}",
            mixgate::gateway::wire::identifier_text(&envelope.message_identifier)
        ),
        format!(
            "from {}",
            mixgate::gateway::wire::attributes(&envelope.originator_name)
        ),
    ];
    for fields in &envelope.per_recipient_fields {
        lines.push(format!(
            "to   {}",
            mixgate::gateway::wire::attributes(&fields.recipient_name)
        ));
    }
    let summary = shown.get("summary");
    if let Some(subject) = summary
        .and_then(|summary| summary.get("subject"))
        .and_then(|s| s.as_str())
    {
        lines.push(format!("subject \"{subject}\""));
    }
    let parts = summary
        .and_then(|summary| summary.get("body-parts"))
        .and_then(|parts| parts.as_array());
    for part in parts.into_iter().flatten() {
        let word = |key: &str| {
            part.get(key)
                .and_then(|value| value.as_str())
                .unwrap_or_default()
        };
        let length = part
            .get("length")
            .and_then(serde_json::Value::as_u64)
            .unwrap_or_default();
        lines.push(format!(
            "body part {} {} ({length} octets)",
            word("type"),
            word("file-name")
        ));
    }
    Ok(lines)
}

/// A mail, as its recipient sees it.
fn internet(envelope: &Envelope, octets: &Bytes) -> Result<Vec<String>, Failure> {
    let mail = parsed(octets)?;
    let from = envelope
        .reverse_path
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default();
    let to: Vec<String> = envelope
        .recipients
        .iter()
        .map(|to| to.forward_path.to_string())
        .collect();
    let mut lines = vec![format!("MAIL FROM:<{from}>  RCPT TO:<{}>", to.join(">, <"))];
    for name in ["From", "To", "Subject"] {
        let fields = mail.header().all(name);
        lines.extend(fields.map(|field| format!("{name}: {}", field.decoded().trim())));
    }
    for leaf in mail.root.leaves() {
        let kind = format!("{}/{}", leaf.media_type.kind, leaf.media_type.subtype);
        let name = leaf.file_name().unwrap_or_default();
        lines.push(format!(
            "part {kind} {name} ({} octets)",
            leaf.decoded().len()
        ));
    }
    Ok(lines)
}

fn parsed(octets: &Bytes) -> Result<Mail, Failure> {
    Mail::parse(octets.clone()).map_err(|error| Failure::Internal(error.to_string()))
}

/// A file worth sending.
fn orders() -> Bytes {
    let mut csv = String::from("item,pieces,price\r\n");
    for (item, pieces) in [("gear wheel", 12), ("spindle", 7), ("punched card", 1000)] {
        csv.push_str(&format!("{item},{pieces},\u{20ac} {}\r\n", pieces * 3));
    }
    csv.into()
}

fn address(text: &str) -> Result<Attributes, Failure> {
    text.parse()
        .map_err(|error| Failure::Internal(format!("{text}: {error}")))
}

fn mailbox(text: &str) -> Result<AddrSpec, Failure> {
    text.parse()
        .map_err(|error| Failure::Internal(format!("{text}: {error}")))
}

fn not_converted(unconverted: Unconverted) -> Failure {
    Failure::Internal(refusal(unconverted).to_string())
}

fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn keep(folder: &Path, name: &str, octets: &[u8]) -> Outcome {
    let path = folder.join(name);
    std::fs::write(&path, octets)
        .map_err(|error| Failure::CannotCreate(format!("{}: {error}", path.display())))
}
