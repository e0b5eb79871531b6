//! Messages and parts as they are written (RFC 2045, RFC 2046): transfer encodings, boundaries.
//!
//! Large contents stay [`Octets`]: base64 is applied when they are written. A boundary is chosen
//! such that nothing that is written as it stands can hold it.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::charset;
use super::mail::with_crlf;
use super::media::MediaType;
use super::write::Fields;
use crate::octets::Octets;

/// What every boundary begins with. Neither base64 nor quoted-printable can hold `=_`.
const BOUNDARY: &str = "=_mixgate-";
/// The longest line, without its end (RFC 5321 section 4.5.3.1.6).
const MAX_LINE: usize = 998;

/// Something to be written as a message or a part of one.
#[derive(Debug, Clone)]
pub struct Entity {
    /// Fields of the part besides `Content-Type` and `Content-Transfer-Encoding`.
    pub fields: Fields,
    media_type: MediaType,
    body: Body,
}

/// The body of an entity.
#[derive(Debug, Clone)]
enum Body {
    /// Written as it stands, CRLF at line ends; whether octets above 127 are in it.
    Plain { octets: Octets, eight_bit: bool },
    /// Already quoted-printable.
    QuotedPrintable(Bytes),
    /// Written as base64.
    Base64(Octets),
    /// Parts.
    Multipart(Vec<Entity>),
    /// A message: its header and what it holds.
    Message(Fields, Box<Entity>),
    /// Header and body of the part as they stand; `fields` and `media_type` are not written.
    Raw { octets: Octets, eight_bit: bool },
}

/// Octets that cannot be written without a transfer encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotPlain {
    /// A NUL octet, or a CR without LF.
    #[error("a NUL, or a CR that ends no line (RFC 2045 section 2.8)")]
    Binary,
    /// A line longer than 998 octets.
    #[error("a line of more than {MAX_LINE} octets (RFC 5322 section 2.1.1)")]
    LongLine,
}

impl Entity {
    /// Text of a character set: as it stands if it is lines of US-ASCII, else quoted-printable, or
    /// base64 if most of it would be quoted. Lone LF and lone CR end lines too.
    #[must_use]
    pub fn text(media_type: MediaType, octets: impl Into<Bytes>) -> Self {
        let octets: Bytes = octets.into();
        let lines = match with_crlf(&octets) {
            std::borrow::Cow::Borrowed(_) => octets,
            std::borrow::Cow::Owned(lines) => Bytes::from(lines),
        };
        let body = match plain(&lines) {
            Ok(false) => Body::Plain {
                octets: Octets::from(lines),
                eight_bit: false,
            },
            _ => {
                let quoted = lines
                    .iter()
                    .filter(|octet| !matches!(octet, b' '..=b'~' | b'\t' | b'\r' | b'\n'))
                    .count();
                if quoted * 3 > lines.len() {
                    Body::Base64(Octets::from(lines))
                } else {
                    Body::QuotedPrintable(quote(&lines).into())
                }
            }
        };
        Self {
            fields: Fields::new(),
            media_type,
            body,
        }
    }

    /// `text/plain` of Unicode text: US-ASCII, ISO 8859-1 or UTF-8, the first that holds it.
    #[must_use]
    pub fn unicode(text: &str) -> Self {
        let (charset, octets) = smallest_charset(text);
        Self::text(
            MediaType::new("text", "plain").with("charset", charset),
            octets,
        )
    }

    /// Octets, written as base64.
    #[must_use]
    pub fn binary(media_type: MediaType, octets: Octets) -> Self {
        Self {
            fields: Fields::new(),
            media_type,
            body: Body::Base64(octets),
        }
    }

    /// A multipart of that subtype; its boundary is chosen when it is written.
    #[must_use]
    pub fn multipart(mut media_type: MediaType, parts: Vec<Entity>) -> Self {
        media_type.parameters.retain(|(name, _)| name != "boundary");
        Self {
            fields: Fields::new(),
            media_type,
            body: Body::Multipart(parts),
        }
    }

    /// `message/rfc822` of a message with that header and content.
    #[must_use]
    pub fn message(header: Fields, content: Entity) -> Self {
        Self {
            fields: Fields::new(),
            media_type: MediaType::new("message", "rfc822"),
            body: Body::Message(header, Box::new(content)),
        }
    }

    /// A part whose body is written as it stands, such as a whole message in `message/rfc822`.
    ///
    /// # Errors
    /// If the octets cannot travel so; [`Entity::binary`] always can.
    pub fn verbatim(media_type: MediaType, octets: Octets) -> Result<Self, NotPlain> {
        let (octets, eight_bit) = lines(octets)?;
        Ok(Self {
            fields: Fields::new(),
            media_type,
            body: Body::Plain { octets, eight_bit },
        })
    }

    /// A whole part, header and body, as it stands.
    ///
    /// # Errors
    /// If the octets cannot travel so.
    pub fn raw(octets: Octets) -> Result<Self, NotPlain> {
        let (octets, eight_bit) = lines(octets)?;
        let body = Body::Raw { octets, eight_bit };
        Ok(Self {
            fields: Fields::new(),
            media_type: MediaType::new("text", "plain"),
            body,
        })
    }

    /// The media type.
    #[must_use]
    pub fn media_type(&self) -> &MediaType {
        &self.media_type
    }

    /// The same under another media type; a multipart keeps its own boundary.
    #[must_use]
    pub fn with_media_type(self, mut media_type: MediaType) -> Self {
        media_type.parameters.retain(|(name, _)| name != "boundary");
        Self { media_type, ..self }
    }

    /// Whether octets above 127 will be written, so that the road must be 8BITMIME (RFC 6152).
    #[must_use]
    pub fn is_eight_bit(&self) -> bool {
        match &self.body {
            Body::Plain { eight_bit, .. } | Body::Raw { eight_bit, .. } => *eight_bit,
            Body::QuotedPrintable(_) | Body::Base64(_) => false,
            Body::Multipart(parts) => parts.iter().any(Self::is_eight_bit),
            Body::Message(_, content) => content.is_eight_bit(),
        }
    }

    /// Whether it is US-ASCII text that means the same without any MIME field (RFC 2157 section 6.1).
    #[must_use]
    pub fn is_bare_text(&self) -> bool {
        let charset = self.media_type.parameter("charset").unwrap_or("us-ascii");
        self.media_type.is("text", "plain")
            && self.media_type.parameters.len() <= 1
            && charset.eq_ignore_ascii_case("us-ascii")
            && self.fields.is_empty()
            && matches!(
                self.body,
                Body::Plain {
                    eight_bit: false,
                    ..
                }
            )
    }

    /// The message: `header`, `MIME-Version` and the fields of the entity, an empty line, the body.
    /// Lines end in CRLF.
    #[must_use]
    pub fn write(&self, header: &Fields) -> Octets {
        let mut taken = BTreeSet::new();
        self.taken_boundaries(&mut taken);
        let mut boundaries = Boundaries { next: 0, taken };
        let mut written = Octets::from(header.as_str().to_owned());
        self.write_message_into(&mut written, &mut boundaries);
        written
    }

    fn write_message_into(&self, written: &mut Octets, boundaries: &mut Boundaries) {
        if !matches!(self.body, Body::Raw { .. }) {
            written.push(&b"MIME-Version: 1.0\r\n"[..]);
        }
        self.write_into(written, boundaries);
    }

    fn write_into(&self, written: &mut Octets, boundaries: &mut Boundaries) {
        let mut media_type = self.media_type.clone();
        let eight_bit = if self.is_eight_bit() {
            Some("8bit")
        } else {
            None
        };
        let mut boundary = String::new();
        let encoding = match &self.body {
            Body::Raw { octets, .. } => return written.append(octets.clone()),
            Body::Plain { .. } | Body::Message(..) => eight_bit,
            Body::Multipart(_) => {
                boundary = boundaries.choose();
                media_type
                    .parameters
                    .push(("boundary".to_owned(), boundary.clone()));
                eight_bit
            }
            Body::QuotedPrintable(_) => Some("quoted-printable"),
            Body::Base64(_) => Some("base64"),
        };
        let mut fields = Fields::new();
        fields.media("Content-Type", &media_type);
        if let Some(encoding) = encoding {
            fields.structured("Content-Transfer-Encoding", encoding);
        }
        fields.append(self.fields.clone());
        written.push(format!("{}\r\n", fields.as_str()));
        match &self.body {
            Body::Raw { octets, .. } | Body::Plain { octets, .. } => written.append(octets.clone()),
            Body::QuotedPrintable(text) => written.push(text.clone()),
            Body::Base64(octets) => written.push_base64_lines(octets.clone()),
            Body::Message(header, content) => {
                written.push(header.as_str().to_owned());
                content.write_message_into(written, boundaries);
            }
            Body::Multipart(parts) => {
                for part in parts {
                    written.push(format!("--{boundary}\r\n"));
                    part.write_into(written, boundaries);
                    // The CRLF before a delimiter belongs to the delimiter.
                    if !part.ends_in_line_end() {
                        written.push(&b"\r\n"[..]);
                    }
                }
                written.push(format!("--{boundary}--\r\n"));
            }
        }
    }

    /// Whether what is written ends in a CRLF that is not part of the content.
    fn ends_in_line_end(&self) -> bool {
        match &self.body {
            Body::Base64(octets) => !octets.is_empty(),
            Body::Multipart(_) => true,
            Body::Message(_, content) => content.ends_in_line_end(),
            Body::Plain { .. } | Body::QuotedPrintable(_) | Body::Raw { .. } => false,
        }
    }

    /// The numbers of boundaries of ours in what is written as it stands.
    fn taken_boundaries(&self, taken: &mut BTreeSet<u64>) {
        match &self.body {
            Body::Plain { octets, .. } | Body::Raw { octets, .. } => find_boundaries(octets, taken),
            Body::QuotedPrintable(_) | Body::Base64(_) => {}
            Body::Multipart(parts) => parts.iter().for_each(|part| part.taken_boundaries(taken)),
            Body::Message(_, content) => content.taken_boundaries(taken),
        }
    }
}

/// Chooses boundaries that are not taken.
struct Boundaries {
    next: u64,
    taken: BTreeSet<u64>,
}

impl Boundaries {
    fn choose(&mut self) -> String {
        loop {
            self.next += 1;
            if !self.taken.contains(&self.next) {
                return format!("{BOUNDARY}{}_", self.next);
            }
        }
    }
}

/// Finds the lines that begin like a boundary of ours.
fn find_boundaries(octets: &Octets, taken: &mut BTreeSet<u64>) {
    // A line may be cut by the end of a chunk; its beginning is all that matters.
    let mut begun: Vec<u8> = Vec::new();
    let mut look = |line: &[u8]| {
        let number = line
            .strip_prefix(b"--")
            .and_then(|line| line.strip_prefix(BOUNDARY.as_bytes()));
        let number = number.and_then(|rest| rest.split(|&octet| octet == b'_').next());
        let number: Option<u64> =
            number.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        taken.extend(number);
    };
    for chunk in octets.chunks() {
        for line in chunk.split_inclusive(|&octet| octet == b'\n') {
            if begun.is_empty() && line.ends_with(b"\n") {
                look(line);
                continue;
            }
            let room = 64_usize.saturating_sub(begun.len());
            begun.extend(line.iter().take(room));
            if line.ends_with(b"\n") {
                look(&begun);
                begun.clear();
            }
        }
    }
    look(&begun);
}

/// The octets with CRLF at line ends, and whether some are above 127; as given if they are so.
fn lines(octets: Octets) -> Result<(Octets, bool), NotPlain> {
    let whole = octets.to_bytes();
    let canonical = match with_crlf(&whole) {
        std::borrow::Cow::Borrowed(_) => octets,
        std::borrow::Cow::Owned(lines) => Octets::from(lines),
    };
    let eight_bit = plain(&canonical.to_bytes())?;
    Ok((canonical, eight_bit))
}

/// Whether lines that end in CRLF can be written as they stand, and hold octets above 127.
fn plain(lines: &[u8]) -> Result<bool, NotPlain> {
    let ends_line = |at: usize| lines.get(at + 1) == Some(&b'\n');
    if memchr::memchr(0, lines).is_some() || !memchr::memchr_iter(b'\r', lines).all(ends_line) {
        return Err(NotPlain::Binary);
    }
    let mut from = 0;
    for to in memchr::memchr_iter(b'\n', lines).chain([lines.len()]) {
        let line = lines.get(from..to).unwrap_or_default();
        if line.strip_suffix(b"\r").unwrap_or(line).len() > MAX_LINE {
            return Err(NotPlain::LongLine);
        }
        from = to + 1;
    }
    Ok(!lines.is_ascii())
}

/// The smallest of US-ASCII, ISO 8859-1 and UTF-8 that holds `text`, and its octets.
fn smallest_charset(text: &str) -> (&'static str, Vec<u8>) {
    if text.is_ascii() {
        return ("us-ascii", text.as_bytes().to_vec());
    }
    let latin: Option<Vec<u8>> = text
        .chars()
        .map(|c| u8::try_from(u32::from(c)).ok())
        .collect();
    match latin {
        Some(octets)
            if charset::decode("iso-8859-1", &octets).is_some_and(|back| back.text == text) =>
        {
            ("iso-8859-1", octets)
        }
        _ => ("utf-8", text.as_bytes().to_vec()),
    }
}

/// Quoted-printable of lines that end in CRLF (RFC 2045 section 6.7).
fn quote(lines: &[u8]) -> Vec<u8> {
    const WIDTH: usize = 75;
    let mut written = Vec::with_capacity(lines.len() + lines.len() / 8);
    for whole in lines.split_inclusive(|&octet| octet == b'\n') {
        let line = whole.strip_suffix(b"\r\n").unwrap_or(whole);
        // Mail software alters lines that begin with a dot or "From ".
        let fragile = line.starts_with(b".") || line.starts_with(b"From ");
        let plain = |&octet: &u8| octet.is_ascii_graphic() && octet != b'=' || octet == b' ';
        if !fragile && line.len() <= WIDTH && !line.ends_with(b" ") && line.iter().all(plain) {
            written.extend_from_slice(whole);
            continue;
        }
        let mut used = 0;
        for (at, &octet) in line.iter().enumerate() {
            let last = at + 1 == line.len();
            let as_is = match octet {
                b' ' | b'\t' => !last,
                b'=' => false,
                b'.' | b'F' if at == 0 && fragile => false,
                other => other.is_ascii_graphic(),
            };
            let needed = if as_is { 1 } else { 3 };
            if used + needed > WIDTH {
                written.extend_from_slice(b"=\r\n");
                used = 0;
            }
            if as_is {
                written.push(octet);
            } else {
                let digit = |value: u8| match value {
                    0..=9 => b'0' + value,
                    _ => b'A' - 10 + value,
                };
                written.extend([b'=', digit(octet >> 4), digit(octet & 0xF)]);
            }
            used += needed;
        }
        if whole.len() > line.len() {
            written.extend_from_slice(b"\r\n");
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rfc822::mail::{Content, Mail};
    use proptest::prelude::*;

    fn octet_stream() -> MediaType {
        MediaType::new("application", "octet-stream")
    }

    fn read(written: &Octets) -> Mail {
        assert_eq!(written.len(), written.to_bytes().len() as u64);
        Mail::parse(written.to_bytes()).unwrap()
    }

    #[test]
    fn rfc2046_5_1_1_no_part_can_end_a_multipart() {
        let hostile = "--=_mixgate-1_\r\nSubject: x\r\n--=_mixgate-2_--\r\n";
        let parts = vec![
            Entity::unicode(hostile),
            Entity::verbatim(MediaType::new("text", "plain"), Octets::from(hostile)).unwrap(),
            Entity::raw(Octets::from(format!("X: y\r\n\r\n{hostile}"))).unwrap(),
            Entity::binary(octet_stream(), Octets::from(hostile)),
            Entity::multipart(
                MediaType::new("multipart", "mixed"),
                vec![Entity::unicode(hostile)],
            ),
        ];
        let mail =
            Entity::multipart(MediaType::new("multipart", "mixed"), parts).write(&Fields::new());
        let read = read(&mail);
        let leaves: Vec<_> = read
            .root
            .leaves()
            .map(|leaf| leaf.decoded().to_bytes())
            .collect();
        assert_eq!(leaves, vec![Bytes::from(hostile); 5]);
    }

    #[test]
    fn a_boundary_cut_by_chunks_is_found() {
        let mut octets = Octets::new();
        for piece in ["x\r\n-", "-=_mix", "gate-1", "23_\r\n", "--=_mixgate-7"] {
            octets.push(piece);
        }
        let mut taken = BTreeSet::new();
        find_boundaries(&octets, &mut taken);
        assert_eq!(taken, BTreeSet::from([7, 123]));
    }

    #[test]
    fn rfc2045_6_7_what_is_no_line_of_ascii_is_quoted() {
        for (text, written) in [
            ("plain\n", "plain\r\n"),
            ("1=2 \u{e9}", "1=3D2 =E9"),
            (".\u{e9}\r\n", "=2E=E9\r\n"),
            ("From \u{e9}", "=46rom =E9"),
            ("\u{e9} \r\n", "=E9=20\r\n"),
        ] {
            let mail = Entity::unicode(text).write(&Fields::new()).to_bytes();
            let body = Mail::parse(mail).unwrap().root.body;
            assert_eq!(body, written);
        }
        let long = Entity::unicode(&"x".repeat(2000))
            .write(&Fields::new())
            .to_bytes();
        assert!(
            long.split(|&octet| octet == b'\n')
                .all(|line| line.len() <= 78)
        );
    }

    #[test]
    fn rfc2045_2_8_binary_cannot_travel_as_it_stands() {
        let raw = |octets: &'static [u8]| Entity::raw(Octets::from(octets)).err();
        assert_eq!(raw(b"a: b\r\n\r\n\0"), Some(NotPlain::Binary));
        assert_eq!(raw(b"a: b\rc\r\n"), Some(NotPlain::Binary));
        assert_eq!(raw(b"a\r"), Some(NotPlain::Binary));
        assert_eq!(raw(b"a: b\n\nc"), None);
        assert!(
            Entity::raw(Octets::from(&b"a: b\r\n\r\n\xE9"[..]))
                .unwrap()
                .is_eight_bit()
        );
        let long = Octets::from("x".repeat(999));
        assert_eq!(
            Entity::verbatim(octet_stream(), long).err(),
            Some(NotPlain::LongLine)
        );
    }

    #[test]
    fn rfc2046_5_2_1_a_message_holds_a_message() {
        let mut header = Fields::new();
        header.text("Subject", "inner");
        let inner = Entity::multipart(
            MediaType::new("multipart", "mixed"),
            vec![Entity::unicode("a\n")],
        );
        let mail = Entity::message(header, inner).write(&Fields::new());
        let read = read(&mail);
        let Content::Message(message) = &read.root.content else {
            panic!("{:?}", read.root)
        };
        assert_eq!(message.header.first("Subject").unwrap().text(), "inner");
        assert_eq!(message.children()[0].decoded().to_bytes(), &b"a\r\n"[..]);
    }

    proptest! {
        #[test]
        fn parts_return_octet_for_octet(contents in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 1..5)) {
            let parts = contents.iter().map(|octets| Entity::binary(octet_stream(), Octets::from(octets.clone()))).collect();
            let mail = Entity::multipart(MediaType::new("multipart", "mixed"), parts).write(&Fields::new());
            let read = read(&mail);
            let leaves: Vec<Vec<u8>> = read.root.leaves().map(|leaf| leaf.decoded().to_bytes().to_vec()).collect();
            prop_assert_eq!(leaves, contents);
        }

        #[test]
        fn text_returns(text in "([^\\p{C}]|\r\n){0,300}") {
            let mail = Entity::multipart(MediaType::new("multipart", "mixed"), vec![Entity::unicode(&text)]).write(&Fields::new());
            let read = read(&mail);
            let leaf = read.root.leaves().next().unwrap();
            prop_assert_eq!(leaf.text().unwrap().text, text);
        }
    }
}
