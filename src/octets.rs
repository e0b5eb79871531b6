//! A content in pieces: octets of our own, ranges of the original, and transfer encodings applied
//! only when the content is written.
//!
//! A conversion never makes a second copy of a large content: it returns [`Octets`], whose length
//! is known and whose pieces borrow (by reference count) from the message that came in.

use std::collections::VecDeque;
use std::io::{self, Read};

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use bytes::{Buf, Bytes, BytesMut};

/// Octets of a line of base64 before encoding: 57 octets become 76 characters (RFC 2045 6.8).
const LINE: usize = 57;
/// How many source octets a lazily encoded or decoded piece turns over at a time.
const STEP: usize = LINE * 1024;

/// Decodes what mail carries: the padding of the last quantum may be missing.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// One piece of an [`Octets`].
#[derive(Debug, Clone)]
enum Piece {
    /// Octets as they stand.
    Plain(Bytes),
    /// Base64 text to be decoded: alphabet characters count, all else is skipped.
    Base64Text(Bytes),
    /// Octets to be written as base64 lines of 76 characters, each ended by CRLF.
    Base64Lines(Octets),
}

/// A sequence of octets held as pieces; cheap to clone, its length known.
#[derive(Debug, Clone, Default)]
pub struct Octets {
    pieces: Vec<Piece>,
    length: u64,
}

impl Octets {
    /// No octets.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many octets will be written.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Appends octets as they stand.
    pub fn push(&mut self, octets: impl Into<Bytes>) {
        let octets = octets.into();
        if !octets.is_empty() {
            self.length += octets.len() as u64;
            self.pieces.push(Piece::Plain(octets));
        }
    }

    /// Appends all of `other`.
    pub fn append(&mut self, other: Octets) {
        self.length += other.length;
        self.pieces.extend(other.pieces);
    }

    /// Appends what the base64 `text` encodes (RFC 2045 section 6.8), decoded when written.
    ///
    /// Characters outside the alphabet are skipped, padding ends a quantum, and an incomplete last
    /// quantum gives the whole octets it holds.
    pub fn push_base64_text(&mut self, text: Bytes) {
        let length = base64_decoded_length(&text);
        if length > 0 {
            self.length += length;
            self.pieces.push(Piece::Base64Text(text));
        }
    }

    /// Appends `content` as base64 lines of 76 characters, each ended by CRLF, encoded when written.
    pub fn push_base64_lines(&mut self, content: Octets) {
        let length = base64_lines_length(content.length);
        if length > 0 {
            self.length += length;
            self.pieces.push(Piece::Base64Lines(content));
        }
    }

    /// The octets, a bounded chunk at a time.
    #[must_use]
    pub fn chunks(&self) -> Chunks {
        Chunks {
            pieces: self.pieces.iter().cloned().collect(),
            turning: None,
        }
    }

    /// The octets as a blocking reader.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader {
            chunks: self.chunks(),
            chunk: Bytes::new(),
        }
    }

    /// All octets in one run: shared when there is a single plain piece, else copied.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        if let [Piece::Plain(octets)] = self.pieces.as_slice() {
            return octets.clone();
        }
        let mut whole = BytesMut::with_capacity(usize::try_from(self.length).unwrap_or(0));
        self.chunks()
            .for_each(|chunk| whole.extend_from_slice(&chunk));
        whole.freeze()
    }
}

impl<T: Into<Bytes>> From<T> for Octets {
    fn from(octets: T) -> Self {
        let mut whole = Self::new();
        whole.push(octets);
        whole
    }
}

/// The chunks of an [`Octets`], in order; none is empty.
#[derive(Debug)]
pub struct Chunks {
    pieces: VecDeque<Piece>,
    turning: Option<Turning>,
}

/// A piece that is being turned over.
#[derive(Debug)]
enum Turning {
    Decoding { text: Bytes, quantum: Vec<u8> },
    Encoding { source: Box<Reader> },
}

impl Iterator for Chunks {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        loop {
            let chunk = match &mut self.turning {
                Some(Turning::Decoding { text, quantum }) => decode_step(text, quantum),
                Some(Turning::Encoding { source }) => encode_step(source),
                None => match self.pieces.pop_front()? {
                    Piece::Plain(octets) => return Some(octets),
                    Piece::Base64Text(text) => {
                        self.turning = Some(Turning::Decoding {
                            text,
                            quantum: Vec::new(),
                        });
                        continue;
                    }
                    Piece::Base64Lines(content) => {
                        self.turning = Some(Turning::Encoding {
                            source: Box::new(content.reader()),
                        });
                        continue;
                    }
                },
            };
            match chunk {
                Some(chunk) if chunk.is_empty() => {}
                Some(chunk) => return Some(chunk),
                None => self.turning = None,
            }
        }
    }
}

/// A blocking reader over an [`Octets`].
#[derive(Debug)]
pub struct Reader {
    chunks: Chunks,
    chunk: Bytes,
}

impl Read for Reader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.chunk.is_empty() {
            match self.chunks.next() {
                Some(chunk) => self.chunk = chunk,
                None => return Ok(0),
            }
        }
        let taken = into.len().min(self.chunk.len());
        let (filled, _) = into.split_at_mut(taken);
        self.chunk.copy_to_slice(filled);
        Ok(taken)
    }
}

/// Whether `octet` is a character of the base64 alphabet.
fn in_alphabet(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || octet == b'+' || octet == b'/'
}

/// How many octets the base64 `text` decodes to.
fn base64_decoded_length(text: &[u8]) -> u64 {
    let whole_octets = |characters: u64| characters / 4 * 3 + characters % 4 * 6 / 8;
    let mut length = 0;
    for run in text.split(|&octet| octet == b'=') {
        length += whole_octets(run.iter().filter(|&&octet| in_alphabet(octet)).count() as u64);
    }
    length
}

/// How many octets `length` octets take as base64 lines.
fn base64_lines_length(length: u64) -> u64 {
    length.div_ceil(3) * 4 + length.div_ceil(LINE as u64) * 2
}

/// Decodes the next stretch of `text`; `quantum` holds characters that wait for more.
fn decode_step(text: &mut Bytes, quantum: &mut Vec<u8>) -> Option<Bytes> {
    if text.is_empty() {
        return flush(quantum);
    }
    let stretch = text.split_to(STEP.min(text.len()));
    let mut decoded = Vec::with_capacity(stretch.len() / 4 * 3 + 3);
    for (index, run) in stretch.split(|&octet| octet == b'=').enumerate() {
        if index > 0 {
            decoded.extend(flush(quantum).unwrap_or_default());
        }
        for line in run.split(|&octet| octet == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if quantum.is_empty() && line.len() % 4 == 0 && decode_line(line, &mut decoded) {
                continue;
            }
            quantum.extend(line.iter().copied().filter(|&octet| in_alphabet(octet)));
            let whole = quantum.len() / 4 * 4;
            let rest = quantum.split_off(whole);
            decode_line(quantum, &mut decoded);
            *quantum = rest;
        }
    }
    Some(decoded.into())
}

/// Decodes characters of the alphabet onto `decoded`; false, and nothing added, if others are there.
fn decode_line(line: &[u8], decoded: &mut Vec<u8>) -> bool {
    let before = decoded.len();
    let done = LENIENT.decode_vec(line, decoded).is_ok();
    if !done {
        decoded.truncate(before);
    }
    done
}

/// The octets of an incomplete quantum; `None` when there are no characters left.
fn flush(quantum: &mut Vec<u8>) -> Option<Bytes> {
    // A single character holds no whole octet.
    if quantum.len() % 4 == 1 {
        quantum.pop();
    }
    if quantum.is_empty() {
        return None;
    }
    let mut decoded = Vec::new();
    decode_line(quantum, &mut decoded);
    quantum.clear();
    Some(decoded.into())
}

/// Encodes the next stretch of `source` as lines.
fn encode_step(source: &mut Reader) -> Option<Bytes> {
    let mut stretch = Vec::with_capacity(STEP);
    // Reading an `Octets` from memory cannot fail.
    let read = source
        .by_ref()
        .take(STEP as u64)
        .read_to_end(&mut stretch)
        .unwrap_or(0);
    if read == 0 {
        return None;
    }
    let mut lines = Vec::with_capacity(read / LINE * 78 + 80);
    let mut characters = [0; LINE / 3 * 4];
    for line in stretch.chunks(LINE) {
        let written = STANDARD.encode_slice(line, &mut characters).unwrap_or(0);
        lines.extend_from_slice(characters.get(..written).unwrap_or_default());
        lines.extend_from_slice(b"\r\n");
    }
    Some(lines.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decoded(text: &str) -> Vec<u8> {
        let mut octets = Octets::new();
        octets.push_base64_text(Bytes::copy_from_slice(text.as_bytes()));
        let whole = octets.to_bytes();
        assert_eq!(
            octets.len(),
            whole.len() as u64,
            "the length said and the length written"
        );
        whole.to_vec()
    }

    #[test]
    fn rfc2045_6_8_characters_outside_the_alphabet_are_skipped() {
        assert_eq!(decoded("aGVs\r\n b*G8=\r\n"), b"hello");
        assert_eq!(decoded("aGVsbG8"), b"hello", "padding may be missing");
        assert_eq!(
            decoded("aGk=aGk="),
            b"hihi",
            "padding ends a quantum, not the content"
        );
        assert_eq!(
            decoded("aGkab"),
            b"hi\x1a",
            "a lone character holds no octet"
        );
        assert_eq!(decoded(""), b"");
    }

    #[test]
    fn pieces_are_written_in_order() {
        let mut octets = Octets::from(&b"begin "[..]);
        octets.push_base64_text(Bytes::from_static(b"aGk="));
        octets.push_base64_lines(Octets::from(&b" there"[..]));
        assert_eq!(octets.to_bytes(), &b"begin hiIHRoZXJl\r\n"[..]);
        assert_eq!(octets.len(), 18);
    }

    proptest! {
        #[test]
        fn lines_decode_to_what_was_encoded(content in proptest::collection::vec(any::<u8>(), 0..8_000)) {
            let mut lines = Octets::new();
            lines.push_base64_lines(Octets::from(content.clone()));
            let text = lines.to_bytes();
            prop_assert_eq!(lines.len(), text.len() as u64);
            prop_assert!(text.split(|&o| o == b'\n').all(|line| line.len() <= 77));
            let mut back = Octets::new();
            back.push_base64_text(text);
            prop_assert_eq!(back.len(), content.len() as u64);
            prop_assert_eq!(back.to_bytes(), Bytes::from(content));
        }

        #[test]
        fn any_text_decodes_to_the_length_said(text in proptest::collection::vec(any::<u8>(), 0..500)) {
            let mut octets = Octets::new();
            octets.push_base64_text(Bytes::from(text));
            prop_assert_eq!(octets.len(), octets.to_bytes().len() as u64);
        }
    }
}
