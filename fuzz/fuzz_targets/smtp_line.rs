//! Octets at an SMTP session whose owner accepts everything: replies keep their form, content its
//! line ends, and nothing follows a farewell. An octet 255 parts one reading from the next.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use mixgate::smtp::session::{Incoming, Outgoing, Session};
use mixgate::smtp::{Accepted, Limits, Protocol, SessionInfo};

fuzz_target!(|octets: &[u8]| {
    let here = std::net::SocketAddr::from(([127, 0, 0, 1], 25));
    let info = SessionInfo {
        peer: here,
        local: here,
        trusted: octets.len() % 2 == 0,
        helo: String::new(),
        protocol: Protocol::Smtp,
    };
    let limits = Limits { message_size: 1000, line: 600, recipients: 5, ..Limits::default() };
    let mut session = Session::new("gw.example", limits, info);
    let mut content = Vec::new();
    let readings = octets.split(|octet| *octet == 255).map(BytesMut::from).map(Incoming::Octets);
    for reading in std::iter::once(Incoming::Connected).chain(readings) {
        let mut next = Some(reading);
        while let Some(incoming) = next.take() {
            for outgoing in session.handle(incoming) {
                next = match outgoing {
                    Outgoing::Reply(reply) => {
                        let wire = reply.to_wire();
                        assert!(wire.ends_with(b"\r\n") && wire.is_ascii());
                        next
                    }
                    Outgoing::Mail(_) | Outgoing::Recipient(_) => Some(Incoming::Decided(Ok(()))),
                    Outgoing::Data(envelope) => {
                        assert!((1..=5).contains(&envelope.recipients.len()));
                        content.clear();
                        Some(Incoming::Decided(Ok(())))
                    }
                    Outgoing::Content(more) => {
                        content.extend_from_slice(&more);
                        next
                    }
                    Outgoing::End => {
                        assert!(content.is_empty() || content.ends_with(b"\r\n"));
                        let text = String::from_utf8_lossy(&content).replace("\r\n", "");
                        assert!(content.len() <= 1000 && !text.contains(['\r', '\n']));
                        Some(Incoming::Ended(Ok(Accepted { id: "1".to_owned() })))
                    }
                    Outgoing::Abandon => next,
                    Outgoing::Close => return,
                };
            }
        }
    }
});
