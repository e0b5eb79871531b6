//! How fast mail becomes X.400 and X.400 becomes mail, beside mail-parser and a copy in the same run.
//!
//! Throughput counts decoded octets. A conversion starts from the octets of the whole message, so
//! parsing is part of it, and ends when every octet it gives was copied out, chunk by chunk.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark that fails may end"
)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mixgate::asn1;
use mixgate::asn1::mta::MtsApdu;
use mixgate::mixer::address::mcgam::Tables;
use mixgate::mixer::context::{Context, Gateway, PeerProfile};
use mixgate::mixer::{to_rfc822, to_x400};
use mixgate::octets::Octets;
use mixgate::rfc822::{Envelope, envelope::Recipient};

/// Decoded octets of the small inputs.
const SMALL: usize = 10_000;
/// Decoded octets of the large input.
const LARGE: usize = 10_000_000;

/// A gateway and what it may know.
struct World {
    gateway: Gateway,
    tables: Tables,
    peer: PeerProfile,
}

impl World {
    fn new(name: &str, point: &str) -> Self {
        Self {
            gateway: Gateway {
                name: name.to_owned(),
                mta: name.to_owned(),
                domain: format!("/PRMD={point}/ADMD= /C=GB/").parse().unwrap(),
                address: format!("/O=Gateway/PRMD={point}/ADMD= /C=GB/")
                    .parse()
                    .unwrap(),
                ..Gateway::default()
            },
            tables: Tables::default(),
            peer: PeerProfile::default(),
        }
    }

    fn context(&self) -> Context<'_> {
        Context {
            id: "01J00000000000000000000000".into(),
            now: "2026-01-02T03:04:05+01:00[+01:00]".parse().unwrap(),
            gateway: &self.gateway,
            tables: &self.tables,
            peer: &self.peer,
        }
    }
}

/// The same octets in every run (xorshift).
fn noise(count: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut octets = Vec::with_capacity(count + 8);
    while octets.len() < count {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        octets.extend_from_slice(&state.to_le_bytes());
    }
    octets.truncate(count);
    octets
}

/// `count` octets of text in UTF-8, some of its letters outside ASCII.
fn prose(count: usize) -> String {
    const WORDS: [&str; 12] = [
        "the", "message", "is", "carried", "to", "Zürich", "by", "a", "gateway", "that", "naïve",
        "readers",
    ];
    let mut text = String::new();
    for (&octet, place) in noise(count).iter().zip(1..) {
        text.push_str(WORDS[usize::from(octet) % WORDS.len()]);
        text.push_str(if place % 11 == 0 { "\r\n" } else { " " });
        if text.len() >= count {
            break;
        }
    }
    while text.len() > count - 2 || !text.is_char_boundary(text.len()) {
        text.pop();
    }
    text.push_str("\r\n");
    text
}

/// Octets as lines of base64.
fn base64(octets: &[u8]) -> String {
    let mut lines = String::new();
    for line in octets.chunks(57) {
        STANDARD.encode_string(line, &mut lines);
        lines.push_str("\r\n");
    }
    lines
}

/// The header of ordinary mail, up to the fields of its content.
fn header() -> String {
    "Received: from mail.example.org (mail.example.org [192.0.2.25])\r\n\
     \tby mx.example.net (Postfix) with ESMTPS id 4F5A21C0A7\r\n\
     \tfor <recipient@example.net>; Fri, 2 Jan 2026 02:03:01 +0000 (UTC)\r\n\
     Received: from [192.0.2.77] (unknown [192.0.2.77])\r\n\
     \tby mail.example.org (Postfix) with ESMTPSA id 7C11B40D\r\n\
     \tfor <recipient@example.net>; Fri, 2 Jan 2026 02:02:58 +0000 (UTC)\r\n\
     From: =?utf-8?q?J=C3=BCrgen?= Sender <sender@example.org>\r\n\
     To: \"Recipient, Rita\" <recipient@example.net>, other@example.net\r\n\
     Cc: Third Person <third@example.com>\r\n\
     Subject: =?utf-8?q?Conversion_of_a_message_to_Z=C3=BCrich?= and back\r\n\
     Date: Fri, 2 Jan 2026 03:02:57 +0100\r\n\
     Message-ID: <20260102020257.7C11B40D@example.org>\r\n\
     In-Reply-To: <20260101101010.AAAA@example.net>\r\n\
     References: <20251231101010.BBBB@example.net> <20260101101010.AAAA@example.net>\r\n\
     User-Agent: Example/1.0\r\n\
     X-Mailer-Note: carried along\r\n\
     MIME-Version: 1.0\r\n"
        .to_owned()
}

fn text(count: usize) -> String {
    let mut part = "Content-Type: text/plain; charset=utf-8\r\n\
                    Content-Transfer-Encoding: 8bit\r\n\r\n"
        .to_owned();
    part.push_str(&prose(count));
    part
}

fn file(name: &str, media: &str, octets: &[u8]) -> String {
    format!(
        "Content-Type: {media}; name=\"{name}\"\r\n\
         Content-Disposition: attachment; filename=\"{name}\"\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{}",
        base64(octets)
    )
}

fn multipart(parts: &[String]) -> String {
    let mut mail = header();
    mail.push_str("Content-Type: multipart/mixed; boundary=\"=-parted-=\"\r\n\r\n");
    for part in parts {
        write!(mail, "--=-parted-=\r\n{part}\r\n").unwrap();
    }
    mail.push_str("--=-parted-=--\r\n");
    mail
}

/// Each input by its name: the mail, and the octets of its contents decoded.
fn inputs() -> [(&'static str, Bytes, usize); 3] {
    let half = SMALL / 2;
    [
        ("10 KB text", (header() + &text(SMALL)).into(), SMALL),
        (
            "10 KB multipart",
            multipart(&[
                text(half),
                file("picture.png", "image/png", &noise(half / 2)),
                file("table.ods", "application/octet-stream", &noise(half / 2)),
            ])
            .into(),
            SMALL,
        ),
        (
            "10 MB attachment",
            multipart(&[
                text(1000),
                file("film.bin", "application/octet-stream", &noise(LARGE)),
            ])
            .into(),
            LARGE + 1000,
        ),
    ]
}

/// The envelope of a mail for `count` recipients.
fn envelope(count: usize) -> Envelope {
    let recipient = |number| {
        let name = format!("recipient{number}@example.net");
        Recipient::new(name.parse().unwrap())
    };
    Envelope {
        reverse_path: Some("sender@example.org".parse().unwrap()),
        recipients: (0..count).map(recipient).collect(),
        ..Envelope::default()
    }
}

/// Copies all octets out, as a socket takes them, and says how many there were.
fn drain(octets: &Octets, into: &mut [u8]) -> usize {
    let mut count = 0;
    for chunk in octets.chunks() {
        for piece in chunk.chunks(into.len()) {
            into[..piece.len()].copy_from_slice(piece);
            black_box(&mut *into);
            count += piece.len();
        }
    }
    count
}

fn convert(criterion: &mut Criterion) {
    let (here, there) = (
        World::new("here.example", "Here"),
        World::new("there.example", "There"),
    );
    let (here, there) = (here.context(), there.context());
    let envelope = envelope(1);
    let mut socket = vec![0; 64 * 1024];
    for (name, mail, decoded) in inputs() {
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(decoded as u64));
        if decoded > SMALL {
            group.sample_size(10);
        }
        let apdu = to_x400::message(&here, &envelope, &mail)
            .unwrap()
            .apdu
            .to_bytes();
        let back = to_rfc822::message(&there, &apdu).unwrap().mail.to_bytes();
        assert!(
            apdu.len() >= decoded && back.len() >= decoded,
            "{name}: nothing is lost"
        );

        group.bench_function("to X.400", |bencher| {
            bencher.iter(|| {
                let made = to_x400::message(&here, &envelope, &mail).unwrap();
                drain(&made.apdu, &mut socket)
            });
        });
        group.bench_function("to mail", |bencher| {
            bencher.iter(|| {
                let made = to_rfc822::message(&there, &apdu).unwrap();
                drain(&made.mail, &mut socket)
            });
        });
        group.bench_function("reference: mail-parser", |bencher| {
            let parser = mail_parser::MessageParser::default();
            bencher.iter(|| parser.parse(&mail).unwrap().parts.len());
        });
        group.bench_function("reference: copy", |bencher| {
            let mut copy = vec![0; decoded];
            bencher.iter(|| {
                copy.copy_from_slice(black_box(&mail[..decoded]));
                black_box(&mut copy);
            });
        });
        group.finish();
    }
}

/// A message of ten recipients with little in it: its transfer envelope.
fn p1_envelope(criterion: &mut Criterion) {
    let here = World::new("here.example", "Here");
    let mail = Bytes::from(header() + &text(100));
    let made = to_x400::message(&here.context(), &envelope(10), &mail).unwrap();
    let octets = made.apdu.to_bytes();
    let apdu: MtsApdu = asn1::decode(&octets).unwrap();
    assert_eq!(asn1::encode(&apdu), octets);

    let mut group = criterion.benchmark_group("P1 envelope, 10 recipients");
    group.throughput(Throughput::Bytes(octets.len() as u64));
    group.bench_function("decode", |bencher| {
        bencher.iter(|| asn1::decode::<MtsApdu>(&octets).unwrap());
    });
    group.bench_function("encode", |bencher| bencher.iter(|| asn1::encode(&apdu)));
    group.bench_function("reference: copy", |bencher| {
        let mut copy = vec![0; octets.len()];
        bencher.iter(|| {
            copy.copy_from_slice(black_box(&octets));
            black_box(&mut copy);
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .sample_size(30)
        .without_plots();
    targets = convert, p1_envelope
}
criterion_main!(benches);
