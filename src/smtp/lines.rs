//! Command lines and message data out of octets (RFC 5321 sections 2.3.8 and 4.5.2), strictly.
//!
//! Only CRLF ends a line and only CRLF `.` CRLF ends a message. Where two implementations read line
//! ends differently, a message can smuggle another one past the first (and with it any sender), so
//! a bare CR or LF is never taken for a line end and never handed on.

use bytes::{BufMut, Bytes, BytesMut};

/// What is wrong with line ends or lengths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LineFault {
    /// LF without CR before it.
    #[error("bare LF: lines end in CRLF (RFC 5321 section 2.3.8)")]
    BareLineFeed,
    /// CR without LF after it.
    #[error("bare CR: lines end in CRLF (RFC 5321 section 2.3.8)")]
    BareCarriageReturn,
    /// A command line of more octets than allowed.
    #[error("the line is too long")]
    TooLong,
}

/// Cuts command lines out of what comes.
#[derive(Debug)]
pub struct CommandLines {
    limit: usize,
    scanned: usize,
    skipping: bool,
}

impl CommandLines {
    /// Lines of at most `limit` octets, CRLF included.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            scanned: 0,
            skipping: false,
        }
    }

    /// The next line of `input` without its CRLF; `None` until its end has come.
    ///
    /// A line that is too long is dropped as it comes, so `input` never holds more than the limit
    /// and one reading; it and a line that a bare LF ends are faults, not lines.
    pub fn next(&mut self, input: &mut BytesMut) -> Option<Result<BytesMut, LineFault>> {
        let unseen = input.get(self.scanned..).unwrap_or_default();
        let Some(end) = unseen.iter().position(|octet| *octet == b'\n') else {
            self.scanned = input.len();
            if input.len() > self.limit {
                self.skipping = true;
                self.scanned = 0;
                input.clear();
            }
            return None;
        };
        let mut line = input.split_to(self.scanned + end + 1);
        self.scanned = 0;
        if std::mem::take(&mut self.skipping) || line.len() > self.limit {
            return Some(Err(LineFault::TooLong));
        }
        if !line.ends_with(b"\r\n") {
            return Some(Err(LineFault::BareLineFeed));
        }
        line.truncate(line.len() - 2);
        if line.contains(&b'\r') {
            return Some(Err(LineFault::BareCarriageReturn));
        }
        Some(Ok(line))
    }
}

/// Where in a line the data stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// After CRLF, or before the first octet.
    LineStart,
    /// After the first octet of a line.
    Within,
    /// After CR.
    Return,
    /// After a `.` that began the line.
    Dot,
    /// After such a `.` and CR.
    DotReturn,
    /// After CRLF `.` CRLF.
    End,
}

/// Undoes the transparency of message data and finds its end (4.5.2).
#[derive(Debug)]
pub struct DataLines {
    at: At,
    fault: Option<LineFault>,
}

impl Default for DataLines {
    fn default() -> Self {
        Self {
            at: At::LineStart,
            fault: None,
        }
    }
}

impl DataLines {
    /// Takes what `input` holds of the message, up to and including its end, and gives the content
    /// in it.
    pub fn next(&mut self, input: &mut BytesMut) -> Bytes {
        let octets = std::mem::take(input);
        let mut content = BytesMut::with_capacity(octets.len() + 2);
        let mut taken = 0;
        while self.at != At::End {
            let rest = octets.get(taken..).unwrap_or_default();
            let Some(&octet) = rest.first() else { break };
            if self.at == At::Within {
                let run = rest.iter().position(|o| *o == b'\r' || *o == b'\n');
                let (run, _) = rest
                    .split_at_checked(run.unwrap_or(rest.len()))
                    .unwrap_or((rest, b""));
                if !run.is_empty() {
                    content.put_slice(run);
                    taken += run.len();
                    continue;
                }
            }
            taken += 1;
            self.at = self.step(octet, &mut content);
        }
        let mut rest = octets;
        let _ = rest.split_to(taken.min(rest.len()));
        *input = rest;
        content.freeze()
    }

    fn step(&mut self, octet: u8, content: &mut BytesMut) -> At {
        match (self.at, octet) {
            (At::DotReturn, b'\n') => At::End,
            (At::Return, b'\n') => {
                content.put_slice(b"\r\n");
                At::LineStart
            }
            (At::Return | At::DotReturn, _) => {
                self.fault = self.fault.or(Some(LineFault::BareCarriageReturn));
                self.at = At::Within;
                self.step(octet, content)
            }
            (At::LineStart, b'.') => At::Dot,
            (At::Dot, b'\r') => At::DotReturn,
            (_, b'\r') => At::Return,
            (_, b'\n') => {
                self.fault = self.fault.or(Some(LineFault::BareLineFeed));
                At::Within
            }
            (_, octet) => {
                content.put_u8(octet);
                At::Within
            }
        }
    }

    /// Whether the end of the message has come.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.at == At::End
    }

    /// The first fault; the message must then be refused, for its content is not what was sent.
    #[must_use]
    pub fn fault(&self) -> Option<LineFault> {
        self.fault
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(wire: &[u8], step: usize) -> (Vec<u8>, DataLines, Vec<u8>) {
        let (mut data, mut content, mut input) =
            (DataLines::default(), Vec::new(), BytesMut::new());
        for piece in wire.chunks(step) {
            input.extend_from_slice(piece);
            if !data.ended() {
                content.extend_from_slice(&data.next(&mut input));
            }
        }
        (content, data, input.to_vec())
    }

    #[test]
    fn s4_5_2_transparency_is_undone_at_every_line() {
        for step in 1..12 {
            let (content, data, rest) = read(b"..a\r\n.b\r\nc.\r\n...\r\n.\r\nQUIT\r\n", step);
            assert_eq!(content, b".a\r\nb\r\nc.\r\n..\r\n", "{step}");
            assert!(data.ended() && data.fault().is_none());
            assert_eq!(rest, b"QUIT\r\n");
        }
    }

    #[test]
    fn s4_5_2_an_empty_message_ends() {
        let (content, data, _) = read(b".\r\n", 2);
        assert_eq!(
            (content.as_slice(), data.ended(), data.fault()),
            (&b""[..], true, None)
        );
    }

    #[test]
    fn s4_1_1_4_no_other_sequence_ends_a_message() {
        for (smuggled, fault) in [
            (&b"a\n.\nMAIL FROM:<x@y>\r\n"[..], LineFault::BareLineFeed),
            (b"a\n.\r\nMAIL FROM:<x@y>\r\n", LineFault::BareLineFeed),
            (b"a\r\n.\nMAIL FROM:<x@y>\r\n", LineFault::BareLineFeed),
            (b"a\r.\rMAIL FROM:<x@y>\r\n", LineFault::BareCarriageReturn),
            (
                b"a\r\n.\rMAIL FROM:<x@y>\r\n",
                LineFault::BareCarriageReturn,
            ),
            (
                b"a\r.\r\nMAIL FROM:<x@y>\r\n",
                LineFault::BareCarriageReturn,
            ),
            (
                b"a\r\n.\r\r\nMAIL FROM:<x@y>\r\n",
                LineFault::BareCarriageReturn,
            ),
            (
                b"a\n\r\n.\x00\r\nMAIL FROM:<x@y>\r\n",
                LineFault::BareLineFeed,
            ),
        ] {
            for step in 1..8 {
                let (_, data, _) = read(smuggled, step);
                assert!(!data.ended(), "{smuggled:?}");
                assert_eq!(data.fault(), Some(fault), "{smuggled:?}");
            }
        }
    }

    #[test]
    fn s4_5_3_1_4_long_lines_cost_only_themselves() {
        let mut lines = CommandLines::new(10);
        let mut input = BytesMut::from(&b"NOOP 45678901"[..]);
        assert!(lines.next(&mut input).is_none() && input.is_empty());
        input.extend_from_slice(b"NOOP\r\nQUIT\r\n");
        assert_eq!(lines.next(&mut input), Some(Err(LineFault::TooLong)));
        assert_eq!(
            lines.next(&mut input),
            Some(Ok(BytesMut::from(&b"QUIT"[..])))
        );
        assert_eq!(lines.next(&mut input), None);
    }

    #[test]
    fn s2_3_8_bare_line_ends_in_commands_are_faults() {
        let mut lines = CommandLines::new(100);
        let mut input = BytesMut::from(&b"NOOP\nRS\rET\r\nQUIT\r\r\n"[..]);
        assert_eq!(lines.next(&mut input), Some(Err(LineFault::BareLineFeed)));
        assert_eq!(
            lines.next(&mut input),
            Some(Err(LineFault::BareCarriageReturn))
        );
        assert_eq!(
            lines.next(&mut input),
            Some(Err(LineFault::BareCarriageReturn))
        );
    }

    proptest! {
        #[test]
        fn data_reads_the_same_in_any_pieces(
            wire in "[.\r\na]{0,40}",
            step in 1_usize..9,
        ) {
            let (content, data, rest) = read(wire.as_bytes(), step);
            let (whole, all, left) = read(wire.as_bytes(), 1000);
            prop_assert_eq!(&content, &whole);
            prop_assert_eq!((data.ended(), data.fault()), (all.ended(), all.fault()));
            prop_assert_eq!(rest, left);
            let text = String::from_utf8(content).unwrap().replace("\r\n", "");
            prop_assert!(!text.contains(['\r', '\n']), "only CRLF is handed on");
        }
    }
}
