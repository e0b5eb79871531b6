//! Message data as it goes over the wire (RFC 5321 sections 2.3.8 and 4.5.2).

/// Where in a line the content stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    LineStart,
    Within,
    /// A CR has come and is held back until the next octet tells what it is.
    Return,
}

/// Adds transparency, and makes each bare CR or LF the line end it would be taken for somewhere.
#[derive(Debug)]
pub struct Stuffing {
    at: At,
}

impl Default for Stuffing {
    fn default() -> Self {
        Self { at: At::LineStart }
    }
}

impl Stuffing {
    /// Appends `content` to `wire`.
    pub fn push(&mut self, content: &[u8], wire: &mut Vec<u8>) {
        let mut rest = content;
        while let Some((&octet, after)) = rest.split_first() {
            if self.at == At::Return {
                self.at = At::LineStart;
                wire.extend_from_slice(b"\r\n");
                if octet == b'\n' {
                    rest = after;
                }
                continue;
            }
            match octet {
                b'\r' => self.at = At::Return,
                b'\n' => {
                    self.at = At::LineStart;
                    wire.extend_from_slice(b"\r\n");
                }
                _ => {
                    if self.at == At::LineStart && octet == b'.' {
                        wire.push(b'.');
                    }
                    self.at = At::Within;
                    let end = rest.iter().position(|o| *o == b'\r' || *o == b'\n');
                    let (run, tail) = rest
                        .split_at_checked(end.unwrap_or(rest.len()))
                        .unwrap_or((rest, b""));
                    wire.extend_from_slice(run);
                    rest = tail;
                    continue;
                }
            }
            rest = after;
        }
    }

    /// Appends the end of the message: of its last line, if that is open, and the single dot.
    pub fn end(self, wire: &mut Vec<u8>) {
        if self.at != At::LineStart {
            wire.extend_from_slice(b"\r\n");
        }
        wire.extend_from_slice(b".\r\n");
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use proptest::prelude::*;

    use super::*;
    use crate::smtp::lines::DataLines;

    fn stuffed(content: &[u8], step: usize) -> Vec<u8> {
        let (mut stuffing, mut wire) = (Stuffing::default(), Vec::new());
        content
            .chunks(step)
            .for_each(|piece| stuffing.push(piece, &mut wire));
        stuffing.end(&mut wire);
        wire
    }

    #[test]
    fn s4_5_2_dots_are_doubled_and_the_end_adds_no_empty_line() {
        for step in 1..9 {
            assert_eq!(
                stuffed(b".a\r\n..\r\nb.\r\n", step),
                b"..a\r\n...\r\nb.\r\n.\r\n"
            );
            assert_eq!(stuffed(b"open", step), b"open\r\n.\r\n");
            assert_eq!(stuffed(b"", step), b".\r\n");
        }
    }

    #[test]
    fn s2_3_8_bare_line_ends_never_leave() {
        for step in 1..9 {
            assert_eq!(
                stuffed(b"a\n.\nb\r.\rc", step),
                b"a\r\n..\r\nb\r\n..\r\nc\r\n.\r\n"
            );
            assert_eq!(stuffed(b"a\r\r\n", step), b"a\r\n\r\n.\r\n");
            assert_eq!(stuffed(b"a\r", step), b"a\r\n.\r\n");
        }
    }

    proptest! {
        #[test]
        fn our_own_server_reads_what_was_sent(content in "[.\r\na]{0,60}", step in 1_usize..9) {
            let mut wire = BytesMut::from(&*stuffed(content.as_bytes(), step));
            let mut lines = DataLines::default();
            let read = lines.next(&mut wire);
            prop_assert!(lines.ended() && lines.fault().is_none() && wire.is_empty());
            let mut canonical = content.replace("\r\n", "\n").replace('\r', "\n");
            if !canonical.is_empty() && !canonical.ends_with('\n') {
                canonical.push('\n');
            }
            prop_assert_eq!(read.to_vec(), canonical.replace('\n', "\r\n").into_bytes());
        }
    }
}
