//! Header fields as they came: names, raw values, order, and lines that are no field (RFC 5322 2.2).

use std::borrow::Cow;

use bytes::Bytes;

use super::{charset, words};

/// The most lines of one header; more is refused.
pub const MAX_HEADER_LINES: usize = 20_000;
/// The most octets of one header; more is refused.
pub const MAX_HEADER_OCTETS: usize = 4 * 1024 * 1024;

/// One field: a name and the octets after its colon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The name as written, without blanks before the colon.
    pub name: String,
    /// The octets between the colon and the last line end, folds included.
    pub raw: Bytes,
}

impl Field {
    /// Whether the field bears `name`, whatever the case.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// The value unfolded (RFC 5322 section 2.2.3), without blanks around it.
    #[must_use]
    pub fn value(&self) -> Cow<'_, [u8]> {
        let trimmed = self.raw.trim_ascii();
        if trimmed
            .iter()
            .any(|&octet| octet == b'\r' || octet == b'\n')
        {
            Cow::Owned(
                trimmed
                    .iter()
                    .copied()
                    .filter(|&octet| octet != b'\r' && octet != b'\n')
                    .collect(),
            )
        } else {
            Cow::Borrowed(trimmed)
        }
    }

    /// The value unfolded, as characters: UTF-8 (RFC 6532), else ISO 8859-1; encoded words stand.
    #[must_use]
    pub fn text(&self) -> String {
        charset::of_header(&self.value()).into_owned()
    }

    /// The value unfolded, its encoded words decoded (RFC 2047 section 5 (1)).
    #[must_use]
    pub fn decoded(&self) -> String {
        words::decode(&self.text())
    }
}

/// The fields of a message or a part, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header {
    /// The fields.
    pub fields: Vec<Field>,
    /// Lines among the fields that are none.
    pub malformed: Vec<Bytes>,
}

/// A header exceeds its bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// More than [`MAX_HEADER_LINES`].
    #[error("expected a header of at most {MAX_HEADER_LINES} lines, found more")]
    Lines,
    /// More than [`MAX_HEADER_OCTETS`].
    #[error("expected a header of at most {MAX_HEADER_OCTETS} octets, found more")]
    Octets,
}

impl Header {
    /// The first field of that name.
    #[must_use]
    pub fn first(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.is(name))
    }

    /// All fields of that name, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Field> {
        self.fields.iter().filter(move |field| field.is(name))
    }

    /// The values of all fields of that name, as one list (RFC 2156 section 5.1.3 merges them).
    #[must_use]
    pub fn merged(&self, name: &str) -> Option<Vec<u8>> {
        let values: Vec<_> = self.all(name).map(Field::value).collect();
        (!values.is_empty()).then(|| values.join(&b", "[..]))
    }

    /// Splits a message into its header and its body.
    ///
    /// Lines end in LF or CRLF. The header ends at an empty line, at the end, or before the first
    /// line that is no field if no field follows it, or a line that begins with `--`, so that no text
    /// is lost; other lines among the fields that are none are kept as malformed.
    ///
    /// # Errors
    /// If the header exceeds its bounds.
    pub fn split(message: &Bytes) -> Result<(Self, Bytes), HeaderError> {
        let mut header = Self::default();
        // Malformed lines since the last field, and where the first of them stands.
        let mut doubtful: Vec<Bytes> = Vec::new();
        let mut doubtful_at = None;
        let mut at = 0;
        let mut lines = 0;
        loop {
            let rest = message.get(at..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
            let end = field_end(rest);
            let octets = rest.get(..end).unwrap_or_default();
            if matches!(octets, b"\n" | b"\r\n") {
                at += end;
                break;
            }
            lines += octets
                .iter()
                .filter(|&&octet| octet == b'\n')
                .count()
                .max(1);
            let line = message.slice(at..at + end);
            match field_of(&line) {
                Some(field) => {
                    header.malformed.append(&mut doubtful);
                    doubtful_at = None;
                    header.fields.push(field);
                }
                None => {
                    doubtful_at.get_or_insert(at);
                    // A delimiter of a multipart: the empty line before the body is missing.
                    if line.starts_with(b"--") {
                        break;
                    }
                    doubtful.push(line);
                }
            }
            at += end;
            if lines > MAX_HEADER_LINES || at > MAX_HEADER_OCTETS {
                // A body without an empty line before it is no header that is too long.
                if doubtful_at.is_some() {
                    break;
                }
                return Err(if lines > MAX_HEADER_LINES {
                    HeaderError::Lines
                } else {
                    HeaderError::Octets
                });
            }
        }
        match doubtful_at {
            Some(body) => Ok((header, message.slice(body..))),
            None => Ok((header, message.slice(at..))),
        }
    }
}

/// The length of the first field of `text`: its line and the lines that continue it.
fn field_end(text: &[u8]) -> usize {
    let mut end = 0;
    loop {
        let rest = text.get(end..).unwrap_or_default();
        let Some(line) = rest.iter().position(|&octet| octet == b'\n') else {
            return text.len();
        };
        let empty = end == 0 && matches!(rest.get(..line), Some(b"" | b"\r"));
        end += line + 1;
        if empty || !matches!(text.get(end), Some(b' ' | b'\t')) {
            return end;
        }
    }
}

/// The field a line (with the lines that continue it) is.
fn field_of(line: &Bytes) -> Option<Field> {
    let colon = line.iter().position(|&octet| octet == b':')?;
    let name = line.get(..colon)?.trim_ascii_end();
    if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) {
        return None;
    }
    let mut end = line.len();
    if line.ends_with(b"\n") {
        end -= 1;
        if line.get(..end)?.ends_with(b"\r") {
            end -= 1;
        }
    }
    Some(Field {
        name: String::from_utf8_lossy(name).into_owned(),
        raw: line.slice(colon + 1..end),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(message: &str) -> (Vec<(String, String)>, usize, String) {
        let (header, body) = Header::split(&Bytes::from(message.to_owned())).unwrap();
        let fields = header
            .fields
            .iter()
            .map(|field| (field.name.clone(), field.text()))
            .collect();
        (
            fields,
            header.malformed.len(),
            String::from_utf8(body.to_vec()).unwrap(),
        )
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn rfc5322_2_2_3_folded_fields_are_unfolded() {
        for end in ["\n", "\r\n"] {
            let message = "A:  one\n\t two \nb : x\n\n\nbody\n".replace('\n', end);
            let (fields, malformed, body) = split(&message);
            assert_eq!(fields, pairs(&[("A", "one\t two"), ("b", "x")]));
            assert_eq!((malformed, body), (0, format!("{end}body{end}")));
        }
    }

    #[test]
    fn lines_that_are_no_field_are_kept() {
        let (fields, malformed, body) = split("From x Mon\nA: 1\nnonsense\nB: 2\n\nbody");
        assert_eq!((fields, malformed), (pairs(&[("A", "1"), ("B", "2")]), 2));
        assert_eq!(body, "body");
    }

    #[test]
    fn a_body_without_an_empty_line_before_it_is_a_body() {
        assert_eq!(
            split("A: 1\nhello\nworld\n\nmore"),
            (pairs(&[("A", "1")]), 0, "hello\nworld\n\nmore".into())
        );
        assert_eq!(
            split("A: 1\ntext\n--b\nB: 2\n\nx"),
            (pairs(&[("A", "1")]), 0, "text\n--b\nB: 2\n\nx".into())
        );
        assert_eq!(split("hello"), (pairs(&[]), 0, "hello".into()));
        assert_eq!(split(""), (pairs(&[]), 0, String::new()));
    }

    #[test]
    fn rfc2156_5_1_3_fields_of_one_name_are_merged() {
        let (header, _) = Header::split(&Bytes::from_static(b"To: a@b\nX: 1\nto: c@d\n")).unwrap();
        assert_eq!(header.merged("TO").as_deref(), Some(&b"a@b, c@d"[..]));
        assert_eq!(header.merged("Cc"), None);
    }

    #[test]
    fn a_header_is_bounded() {
        let lines = Bytes::from("A: b\n".repeat(MAX_HEADER_LINES + 1));
        assert_eq!(Header::split(&lines).err(), Some(HeaderError::Lines));
        let octets = Bytes::from(format!("A: {}\nB: c\n", "x".repeat(MAX_HEADER_OCTETS)));
        assert_eq!(Header::split(&octets).err(), Some(HeaderError::Octets));
        let text = Bytes::from("no field here\n".repeat(MAX_HEADER_LINES * 2));
        assert_eq!(
            Header::split(&text).unwrap().1,
            text,
            "a body is not bounded"
        );
    }
}
