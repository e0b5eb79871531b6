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

/// Where `slice` begins in `whole`; `None` if it lies elsewhere, a copy for one.
#[must_use]
pub fn offset(whole: &Bytes, slice: &Bytes) -> Option<usize> {
    let at = slice.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
    let end = at.checked_add(slice.len())?;
    (end <= whole.len()).then_some(at)
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

impl Reader {
    /// The next octets, whole lines of base64 if more are to come: shared where a chunk is long.
    fn stretch(&mut self) -> Bytes {
        if self.chunk.is_empty() {
            self.chunk = self.chunks.next().unwrap_or_default();
        }
        let lines = self.chunk.len().min(STEP) / LINE * LINE;
        if lines > 0 {
            return self.chunk.split_to(lines);
        }
        let mut stretch = Vec::new();
        // Reading an `Octets` from memory cannot fail.
        let _ = self.take(STEP as u64).read_to_end(&mut stretch);
        stretch.into()
    }
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

/// Whether `octet` is a character of the base64 alphabet; without branches, for the compiler to
/// look at many at once.
fn in_alphabet(octet: u8) -> bool {
    let letter = (octet | 0x20).wrapping_sub(b'a') < 26;
    let digit = octet.wrapping_sub(b'0') < 10;
    letter | digit | (octet == b'+') | (octet == b'/')
}

/// How many octets the base64 `text` decodes to.
fn base64_decoded_length(text: &[u8]) -> u64 {
    let whole_octets = |characters: u64| characters / 4 * 3 + characters % 4 * 6 / 8;
    let mut length = 0;
    let mut from = 0;
    for to in memchr::memchr_iter(b'=', text).chain([text.len()]) {
        length += whole_octets(characters_in(text.get(from..to).unwrap_or_default()));
        from = to + 1;
    }
    length
}

/// How many characters of the alphabet are in `run`.
fn characters_in(run: &[u8]) -> u64 {
    // At most 255 at a time, so that the counts fit octets.
    let count = |block: &[u8]| -> u8 { block.iter().map(|&o| u8::from(in_alphabet(o))).sum() };
    run.chunks(192).map(|block| u64::from(count(block))).sum()
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
    let decoded = decode_lines(&stretch, quantum).unwrap_or_else(|| decode_any(&stretch, quantum));
    Some(decoded.into())
}

/// Decodes a stretch of lines of the alphabet, padding at most at its end; else `None`, and
/// `quantum` stays as it was.
fn decode_lines(stretch: &[u8], quantum: &mut Vec<u8>) -> Option<Vec<u8>> {
    let mut characters = Vec::with_capacity(quantum.len() + stretch.len());
    characters.extend_from_slice(quantum);
    let mut from = 0;
    for to in memchr::memchr_iter(b'\n', stretch).chain([stretch.len()]) {
        let line = stretch.get(from..to)?;
        characters.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        from = to + 1;
    }
    let (whole, rest) = characters.split_at(characters.len() / 4 * 4);
    if !rest.iter().copied().all(in_alphabet) {
        return None;
    }
    let mut decoded = vec![0; whole.len() / 4 * 3];
    let length = LENIENT.decode_slice(whole, &mut decoded).ok()?;
    decoded.truncate(length);
    quantum.clear();
    quantum.extend_from_slice(rest);
    Some(decoded)
}

/// Decodes any stretch.
fn decode_any(stretch: &[u8], quantum: &mut Vec<u8>) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(stretch.len() / 4 * 3 + 3);
    for (index, run) in stretch.split(|&octet| octet == b'=').enumerate() {
        if index > 0 {
            decoded.extend(flush(quantum).unwrap_or_default());
        }
        quantum.extend(run.iter().copied().filter(|&octet| in_alphabet(octet)));
        let rest = quantum.split_off(quantum.len() / 4 * 4);
        decode_characters(quantum, &mut decoded);
        *quantum = rest;
    }
    decoded
}

/// Decodes characters of the alphabet onto `decoded`.
fn decode_characters(characters: &[u8], decoded: &mut Vec<u8>) {
    // They cannot be refused: they are of the alphabet, and never one alone in a quantum.
    let _ = LENIENT.decode_vec(characters, decoded);
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
    decode_characters(quantum, &mut decoded);
    quantum.clear();
    Some(decoded.into())
}

/// Encodes the next stretch of `source` as lines.
fn encode_step(source: &mut Reader) -> Option<Bytes> {
    let stretch = source.stretch();
    if stretch.is_empty() {
        return None;
    }
    let length = base64_lines_length(stretch.len() as u64);
    let mut lines = vec![0; usize::try_from(length).unwrap_or(0)];
    for (octets, line) in stretch.chunks(LINE).zip(lines.chunks_mut(LINE / 3 * 4 + 2)) {
        let written = STANDARD.encode_slice(octets, line).unwrap_or(0);
        let (_, end) = line.split_at_mut(written);
        end.copy_from_slice(b"\r\n");
    }
    Some(lines.into())
}

/// The octets that hexadecimal digits say; what stands between digits is passed over.
#[cfg(test)]
pub(crate) fn hex(text: &str) -> Bytes {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(16)).collect();
    let pairs = digits.chunks(2);
    pairs
        .map(|pair| u8::try_from(pair[0] << 4 | pair[1]).unwrap())
        .collect()
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

    /// Bit by bit, a run between paddings at a time.
    fn decoded_slowly(text: &str) -> Vec<u8> {
        let value = |octet: u8| match octet {
            b'A'..=b'Z' => Some(octet - b'A'),
            b'a'..=b'z' => Some(octet - b'a' + 26),
            b'0'..=b'9' => Some(octet - b'0' + 52),
            b'+' => Some(62),
            b'/' => Some(63),
            _ => None,
        };
        let run = |run: &str| {
            let bits = run.bytes().filter_map(value);
            let bits = bits.flat_map(|value| (0..6).rev().map(move |bit| value >> bit & 1 == 1));
            let bits: Vec<bool> = bits.collect();
            let octets = bits.chunks_exact(8);
            octets
                .map(|bits| bits.iter().fold(0, |octet, &bit| octet * 2 + u8::from(bit)))
                .collect::<Vec<u8>>()
        };
        text.split('=').flat_map(run).collect()
    }

    #[test]
    fn quanta_may_lie_across_stretches() {
        let line = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9w\r\n";
        for start in ["", "Q", "QU", "QUI", " ", "QUI=", "QQ==\r\n"] {
            for end in ["", "Q", "QU", "QUI=", "QQ==\r\n", "=", "QQ==QUJD"] {
                let text = format!("{start}{}{end}", line.repeat(STEP / line.len() + 2));
                assert!(decoded(&text) == decoded_slowly(&text), "{start:?} {end:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn base64_is_decoded_as_bit_by_bit(text in "([A-Za-z0-9+/]{1,9}|[A-Za-z0-9+/]{4}|\r\n|=|==| ){0,40}") {
            prop_assert_eq!(decoded(&text), decoded_slowly(&text));
        }

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
