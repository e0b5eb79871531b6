//! A message as a tree of parts (RFC 2045, RFC 2046), each a range of the octets that came in.
//!
//! The structure is found here rather than by mail-parser (decision 8 of docs/architecture.md):
//! a body stays a slice of the message and is decoded when it is written. Delimiters of an outer
//! multipart win over inner ones, so a missing inner end costs nothing.

use std::borrow::Cow;

use bytes::Bytes;
use mail_parser::decoders::quoted_printable::quoted_printable_decode_char;

use super::charset::{self, Decoded};
use super::field::{Header, HeaderError};
use super::media::MediaType;
use super::words;
use crate::octets::{self, Octets};

/// The most parts of one message, multiparts and nested messages included.
pub const MAX_PARTS: usize = 10_000;
/// The deepest nesting of multiparts and messages.
pub const MAX_DEPTH: usize = 60;

/// A message.
#[derive(Debug, Clone)]
pub struct Mail {
    /// The message itself: its header, and its content as that of a part.
    pub root: Part,
}

/// A message exceeds the bounds of what is read, in the part that begins at `octet`; for a part
/// that was encoded, where the message begins that holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// Its header, or that of a part, is too large.
    #[error("octet {octet}: {source}")]
    Header {
        /// Where the header begins.
        octet: usize,
        /// What is too large.
        source: HeaderError,
    },
    /// More than [`MAX_PARTS`].
    #[error("octet {octet}: expected a message of at most {MAX_PARTS} parts, found more")]
    Parts {
        /// Where the first of too many begins, or the multipart that has it.
        octet: usize,
    },
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("octet {octet}: expected parts nested no deeper than {MAX_DEPTH}, found more")]
    Depth {
        /// Where the part begins that is too deep.
        octet: usize,
    },
}

/// A part: a header and what it describes.
#[derive(Debug, Clone)]
pub struct Part {
    /// The fields.
    pub header: Header,
    /// `Content-Type`, or what it defaults to (RFC 2045 section 5.2).
    pub media_type: MediaType,
    /// Whether `Content-Type` is there and can be read.
    pub typed: bool,
    /// `Content-Transfer-Encoding`.
    pub transfer_encoding: TransferEncoding,
    /// Header and body as they came; the part of a nested message that was encoded: decoded.
    pub raw: Bytes,
    /// The body as it came.
    pub body: Bytes,
    /// What the body holds.
    pub content: Content,
}

/// What a body holds.
#[derive(Debug, Clone)]
pub enum Content {
    /// Octets.
    Leaf,
    /// Parts between boundaries; a multipart without any delimiter is a leaf instead.
    Multipart {
        /// What stands before the first delimiter.
        preamble: Bytes,
        /// The parts.
        parts: Vec<Part>,
        /// What stands after the last delimiter.
        epilogue: Bytes,
    },
    /// A message (`message/rfc822`, `message/global`).
    Message(Box<Part>),
}

/// The values of `Content-Transfer-Encoding`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransferEncoding {
    /// Lines of US-ASCII; the default.
    SevenBit,
    /// Lines of octets.
    EightBit,
    /// Octets.
    Binary,
    /// RFC 2045 section 6.8.
    Base64,
    /// RFC 2045 section 6.7.
    QuotedPrintable,
    /// The lines of uuencode, under one of its four names.
    Uuencode,
    /// Another; the body cannot be decoded.
    Other(String),
}

impl Mail {
    /// Reads a message; lines end in LF or CRLF.
    ///
    /// Every message has a reading: what is malformed is kept where it stands.
    ///
    /// # Errors
    /// If the message exceeds [`MAX_PARTS`], [`MAX_DEPTH`] or the bounds of a header.
    pub fn parse(message: Bytes) -> Result<Self, MailError> {
        let mut parser = Parser {
            message: message.clone(),
            octet: 0,
            parts: 0,
        };
        let root = parser.part(message, false, 0)?;
        Ok(Self { root })
    }

    /// The fields of the message.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.root.header
    }

    /// Whether the message says it is MIME (RFC 2045 section 4).
    #[must_use]
    pub fn is_mime(&self) -> bool {
        self.root.header.first("MIME-Version").is_some()
    }
}

impl Part {
    /// The body with its transfer encoding undone, lazily for base64.
    ///
    /// A body whose encoding is unknown is given as it came.
    #[must_use]
    pub fn decoded(&self) -> Octets {
        match self.transfer_encoding {
            TransferEncoding::Base64 => {
                let mut octets = Octets::new();
                octets.push_base64_text(self.body.clone());
                octets
            }
            TransferEncoding::QuotedPrintable => Octets::from(decode_quoted_printable(&self.body)),
            TransferEncoding::Uuencode => Octets::from(decode_uuencode(&self.body)),
            _ => Octets::from(self.body.clone()),
        }
    }

    /// The text of a `text` part: decoded by its character set, US-ASCII if it names none.
    ///
    /// `None` if the character set is not known. Octets above 127 without a name for them are read
    /// as UTF-8 if they are that, else as ISO 8859-1 (RFC 1428), and called lossy.
    #[must_use]
    pub fn text(&self) -> Option<Decoded> {
        let octets = self.decoded().to_bytes();
        let charset = self.media_type.parameter("charset").unwrap_or("us-ascii");
        let decoded = charset::decode(charset, &octets)?;
        if !decoded.lossless && !octets.is_ascii() && charset.eq_ignore_ascii_case("us-ascii") {
            let text = charset::of_header(&octets).into_owned();
            return Some(Decoded {
                text,
                lossless: false,
            });
        }
        Some(decoded)
    }

    /// `Content-Disposition`, if there is one.
    #[must_use]
    pub fn disposition(&self) -> Option<MediaType> {
        MediaType::parse(&self.header.first("Content-Disposition")?.raw)
    }

    /// The file name the part bears: of its disposition, else of its type; never a path of
    /// directories (RFC 2183 section 2.3 leaves cleaning to whoever writes files).
    #[must_use]
    pub fn file_name(&self) -> Option<String> {
        let named = self
            .disposition()
            .and_then(|disposition| disposition.parameter("filename").map(str::to_owned));
        named
            .or_else(|| self.media_type.parameter("name").map(str::to_owned))
            .filter(|name| !name.is_empty())
    }

    /// `Content-ID` without its angle brackets.
    #[must_use]
    pub fn content_id(&self) -> Option<String> {
        let text = self.header.first("Content-ID")?.text();
        let id = text
            .trim()
            .trim_start_matches('<')
            .trim_end_matches('>')
            .trim();
        (!id.is_empty()).then(|| id.to_owned())
    }

    /// `Content-Description`, its encoded words decoded.
    #[must_use]
    pub fn description(&self) -> Option<String> {
        let text = words::decode(&self.header.first("Content-Description")?.text());
        (!text.is_empty()).then_some(text)
    }

    /// The parts directly inside: of a multipart, or the one message.
    #[must_use]
    pub fn children(&self) -> &[Part] {
        match &self.content {
            Content::Leaf => &[],
            Content::Multipart { parts, .. } => parts,
            Content::Message(message) => std::slice::from_ref(message),
        }
    }

    /// All leaves at and below this part, in order.
    pub fn leaves(&self) -> impl Iterator<Item = &Part> {
        let mut waiting = vec![self];
        std::iter::from_fn(move || {
            loop {
                let part = waiting.pop()?;
                if matches!(part.content, Content::Leaf) {
                    return Some(part);
                }
                waiting.extend(part.children().iter().rev());
            }
        })
    }
}

/// Counts parts while it reads them.
struct Parser {
    message: Bytes,
    /// Where the part at hand begins in the message.
    octet: usize,
    parts: usize,
}

impl Parser {
    fn part(&mut self, raw: Bytes, in_digest: bool, depth: usize) -> Result<Part, MailError> {
        let octet = octets::offset(&self.message, &raw).unwrap_or(self.octet);
        self.octet = octet;
        self.parts += 1;
        if self.parts > MAX_PARTS {
            return Err(MailError::Parts { octet });
        }
        if depth > MAX_DEPTH {
            return Err(MailError::Depth { octet });
        }
        let (header, body) =
            Header::split(&raw).map_err(|source| MailError::Header { octet, source })?;
        let transfer_encoding = transfer_encoding(&header);
        let given = header
            .first("Content-Type")
            .and_then(|field| MediaType::parse(&field.raw));
        let given = given.filter(|media| !media.subtype.is_empty());
        let typed = given.is_some();
        let media_type = given.unwrap_or_else(|| match in_digest {
            true => MediaType::new("message", "rfc822"),
            false => MediaType::new("text", "plain"),
        });
        let mut part = Part {
            header,
            media_type,
            typed,
            transfer_encoding,
            raw,
            body,
            content: Content::Leaf,
        };
        part.content = self.content(&part, depth)?;
        Ok(part)
    }

    fn content(&mut self, part: &Part, depth: usize) -> Result<Content, MailError> {
        let media = &part.media_type;
        if media.kind == "multipart" {
            let boundary = media
                .parameter("boundary")
                .filter(|boundary| !boundary.is_empty());
            let sliced = boundary.and_then(|boundary| slices(&part.body, boundary.as_bytes()));
            let Some(Slices {
                preamble,
                parts,
                epilogue,
            }) = sliced
            else {
                return Ok(Content::Leaf);
            };
            if self.parts + parts.len() > MAX_PARTS {
                return Err(MailError::Parts { octet: self.octet });
            }
            let in_digest = media.subtype == "digest";
            let parts = parts
                .into_iter()
                .map(|raw| self.part(raw, in_digest, depth + 1));
            let parts = parts.collect::<Result<_, _>>()?;
            return Ok(Content::Multipart {
                preamble,
                parts,
                epilogue,
            });
        }
        if media.is("message", "rfc822") || media.is("message", "global") {
            // RFC 2046 section 5.2.1 forbids an encoding here; it occurs all the same.
            let inner = match part.transfer_encoding {
                TransferEncoding::Other(_) => return Ok(Content::Leaf),
                _ => part.decoded().to_bytes(),
            };
            return Ok(Content::Message(Box::new(self.part(
                inner,
                false,
                depth + 1,
            )?)));
        }
        Ok(Content::Leaf)
    }
}

fn transfer_encoding(header: &Header) -> TransferEncoding {
    let Some(field) = header.first("Content-Transfer-Encoding") else {
        return TransferEncoding::SevenBit;
    };
    let value = field.text().to_ascii_lowercase();
    let word = value
        .split(|c: char| c.is_ascii_whitespace() || c == ';' || c == '(')
        .next()
        .unwrap_or_default();
    match word.trim_matches('"') {
        "7bit" | "" => TransferEncoding::SevenBit,
        "8bit" => TransferEncoding::EightBit,
        "binary" => TransferEncoding::Binary,
        "base64" => TransferEncoding::Base64,
        "quoted-printable" => TransferEncoding::QuotedPrintable,
        "uuencode" | "x-uuencode" | "uue" | "x-uue" => TransferEncoding::Uuencode,
        other => TransferEncoding::Other(other.to_owned()),
    }
}

/// What lies between the delimiters of a multipart.
struct Slices {
    preamble: Bytes,
    parts: Vec<Bytes>,
    epilogue: Bytes,
}

/// Cuts the body of a multipart (RFC 2046 section 5.1.1); `None` if it holds no delimiter.
fn slices(body: &Bytes, boundary: &[u8]) -> Option<Slices> {
    let boundary = boundary.trim_ascii_end();
    let dashed = [b"--", boundary].concat();
    let finder = memchr::memmem::Finder::new(&dashed);
    let mut preamble = None;
    let mut parts = Vec::new();
    // Where the part being read begins.
    let mut from = 0;
    let mut at = 0;
    while let Some(found) = finder.find(body.get(at..)?) {
        let start = at + found;
        let length = memchr::memchr(b'\n', body.get(start..)?).map(|end| end + 1);
        at = length.map_or(body.len(), |length| start + length);
        let begins_line = start
            .checked_sub(1)
            .is_none_or(|before| body.get(before) == Some(&b'\n'));
        if !begins_line {
            continue;
        }
        if let Some(close) = delimiter(body.get(start..at)?, boundary) {
            let before = body.slice(from..without_line_end(body, from, start));
            if preamble.is_none() {
                preamble = Some(before);
            } else {
                parts.push(before);
            }
            from = at;
            if close {
                if parts.is_empty() {
                    return None;
                }
                return Some(Slices {
                    preamble: preamble?,
                    parts,
                    epilogue: body.slice(from..),
                });
            }
        }
    }
    let preamble = preamble?;
    // The closing delimiter is missing: the last part reaches to the end.
    parts.push(body.slice(from..));
    Some(Slices {
        preamble,
        parts,
        epilogue: Bytes::new(),
    })
}

/// Whether `line` is a delimiter of that boundary, and whether it is the closing one.
fn delimiter(line: &[u8], boundary: &[u8]) -> Option<bool> {
    let after = line.strip_prefix(b"--")?.strip_prefix(boundary)?;
    match after.strip_prefix(b"--") {
        // Some senders run the epilogue into the closing delimiter; blanks only count here.
        Some(after) if after.trim_ascii().is_empty() => Some(true),
        _ => after.trim_ascii().is_empty().then_some(false),
    }
}

/// Where the content that starts at `from` ends if a delimiter line begins at `to`.
fn without_line_end(body: &[u8], from: usize, to: usize) -> usize {
    let content = body.get(from..to).unwrap_or_default();
    let content = content.strip_suffix(b"\n").map_or(content, |content| {
        content.strip_suffix(b"\r").unwrap_or(content)
    });
    from + content.len()
}

/// Undoes quoted-printable (RFC 2045 section 6.7); what breaks its rules stands as it is.
fn decode_quoted_printable(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    for line in text.split_inclusive(|&octet| octet == b'\n') {
        let content = line.strip_suffix(b"\n").map_or(line, |content| {
            content.strip_suffix(b"\r").unwrap_or(content)
        });
        let end = line.get(content.len()..).unwrap_or_default();
        let mut rest = content;
        // Blanks at the end of a line were added on the way.
        while let Some(shorter) = rest.strip_suffix(b" ").or_else(|| rest.strip_suffix(b"\t")) {
            rest = shorter;
        }
        let soft = rest.strip_suffix(b"=");
        let mut rest = soft.unwrap_or(rest);
        while let [first, after @ ..] = rest {
            rest = after;
            if *first == b'='
                && let [high, low, after @ ..] = after
                && let Some(octet) = quoted_printable_decode_char(*high, *low)
            {
                decoded.push(octet);
                rest = after;
            } else {
                decoded.push(*first);
            }
        }
        if soft.is_none() {
            decoded.extend_from_slice(end);
        }
    }
    decoded
}

/// Undoes uuencode (POSIX): the lines between `begin` and `end`; other lines are skipped.
fn decode_uuencode(text: &[u8]) -> Vec<u8> {
    let lines = text
        .split(|&octet| octet == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let mut lines = lines.skip_while(|line| !line.starts_with(b"begin "));
    lines.next();
    let mut decoded = Vec::with_capacity(text.len() / 4 * 3);
    let six_bits = |character: Option<&u8>| {
        u32::from(character.map_or(0, |&octet| octet.wrapping_sub(b' ') & 63))
    };
    for line in lines.take_while(|line| *line != b"end") {
        let Some((&first, characters)) = line.split_first() else {
            continue;
        };
        let mut left = usize::from(first.wrapping_sub(b' ') & 63);
        for four in characters.chunks(4) {
            let bits = (0..4).fold(0, |bits, at| bits << 6 | six_bits(four.get(at)));
            let [_, octets @ ..] = bits.to_be_bytes();
            let taken = octets.len().min(left);
            decoded.extend(octets.iter().take(taken));
            left -= taken;
        }
    }
    decoded
}

/// The body of a part as lines that end in CRLF.
#[must_use]
pub fn with_crlf(octets: &[u8]) -> Cow<'_, [u8]> {
    let bare = |&at: &usize| !octets.get(..at).unwrap_or_default().ends_with(b"\r");
    let Some(first) = memchr::memchr_iter(b'\n', octets).find(bare) else {
        return Cow::Borrowed(octets);
    };
    let mut written = Vec::with_capacity(octets.len() + octets.len() / 32);
    let mut from = 0;
    for at in memchr::memchr_iter(b'\n', octets).filter(|at| *at >= first) {
        written.extend_from_slice(octets.get(from..at).unwrap_or_default());
        written.extend_from_slice(if bare(&at) { b"\r\n" } else { b"\n" });
        from = at + 1;
    }
    written.extend_from_slice(octets.get(from..).unwrap_or_default());
    Cow::Owned(written)
}

#[cfg(test)]
mod tests;
