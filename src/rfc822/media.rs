//! Media types, dispositions and their parameters (RFC 2045 section 5, RFC 2183, RFC 2231).

use mail_parser::decoders::quoted_printable::quoted_printable_decode_char;

use super::{charset, words};

/// The most octets of a value that are looked at.
const MAX_VALUE: usize = 64 * 1024;
/// The most parameters, continuations counted singly.
const MAX_PARAMETERS: usize = 500;

/// A value with parameters: `text/plain; charset=utf-8`, or `attachment; filename=a.txt`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MediaType {
    /// The type in lower case, or the disposition.
    pub kind: String,
    /// The subtype in lower case; empty for a disposition.
    pub subtype: String,
    /// The parameters: names in lower case; values unquoted, RFC 2231 and encoded words decoded.
    pub parameters: Vec<(String, String)>,
}

impl MediaType {
    /// A type without parameters.
    #[must_use]
    pub fn new(kind: &str, subtype: &str) -> Self {
        Self {
            kind: kind.to_ascii_lowercase(),
            subtype: subtype.to_ascii_lowercase(),
            parameters: Vec::new(),
        }
    }

    /// The same with one more parameter.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.parameters
            .push((name.to_ascii_lowercase(), value.into()));
        self
    }

    /// Reads the value of `Content-Type` or `Content-Disposition`, folded or not; `None` if it has
    /// not even a type.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        // Unfolding takes the line end and leaves the blank after it.
        let mut octets: Vec<u8> = Vec::new();
        for (at, &octet) in value.iter().enumerate().take(MAX_VALUE) {
            let after = value.get(at + 1);
            match octet {
                b'\r' if after == Some(&b'\n') => {}
                b'\n' if matches!(after, Some(b' ' | b'\t')) => {}
                b'\r' | b'\n' => octets.push(b' '),
                other => octets.push(other),
            }
        }
        let mut reader = Reader { rest: &octets };
        let kind = reader.token();
        let subtype = if reader.special(b'/') {
            reader.token()
        } else {
            Vec::new()
        };
        if kind.is_empty() {
            return None;
        }
        let mut parameters = Vec::new();
        while !reader.rest.is_empty() && parameters.len() < MAX_PARAMETERS {
            // What is neither a name nor a value is skipped up to the next semicolon.
            reader.special(b';');
            let name = lower(&reader.token());
            if name.is_empty() || !reader.special(b'=') {
                reader.until(b';');
                continue;
            }
            let value = reader.value(name.starts_with("name") || name.starts_with("filename"));
            parameters.push((name, value));
        }
        Some(Self {
            kind: lower(&kind),
            subtype: lower(&subtype),
            parameters: joined(parameters),
        })
    }

    /// The value of the parameter of that name, given in lower case.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether it is `kind/subtype`, both given in lower case.
    #[must_use]
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind == kind && self.subtype == subtype
    }
}

impl std::fmt::Display for MediaType {
    /// The type without its parameters.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.subtype.is_empty() {
            f.write_str(&self.kind)
        } else {
            write!(f, "{}/{}", self.kind, self.subtype)
        }
    }
}

fn lower(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).to_ascii_lowercase()
}

/// Reads the pieces of a value.
struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// Skips blanks and comments.
    fn skip(&mut self) {
        let mut depth = 0_usize;
        while let Some(&octet) = self.rest.first() {
            match octet {
                b'(' => depth += 1,
                b')' => depth = depth.saturating_sub(1),
                b'\\' if depth > 0 => {
                    self.next();
                }
                b' ' | b'\t' => {}
                _ if depth > 0 => {}
                _ => break,
            }
            self.next();
        }
    }

    /// Skips blanks and comments, and that special; whether it was there.
    fn special(&mut self, special: u8) -> bool {
        self.skip();
        let there = self.rest.first() == Some(&special);
        if there {
            self.next();
        }
        there
    }

    /// Skips to that octet.
    fn until(&mut self, octet: u8) {
        while self.rest.first().is_some_and(|&first| first != octet) {
            self.next();
        }
    }

    fn token(&mut self) -> Vec<u8> {
        self.skip();
        let length = self
            .rest
            .iter()
            .position(|octet| b" \t;=/()\"".contains(octet))
            .unwrap_or(self.rest.len());
        let (token, rest) = self.rest.split_at(length);
        self.rest = rest;
        token.to_vec()
    }

    /// A quoted string, or what stands unquoted: up to a blank, a semicolon or a comment, or, for a
    /// name of a file, up to the semicolon only.
    fn value(&mut self, of_file: bool) -> Vec<u8> {
        self.skip();
        let mut value = Vec::new();
        if self.special(b'"') {
            while let Some(octet) = self.next() {
                match octet {
                    b'"' => break,
                    b'\\' => value.extend(self.next()),
                    other => value.push(other),
                }
            }
            return value;
        }
        let ends: &[u8] = if of_file { b";" } else { b"; \t(" };
        let length = self
            .rest
            .iter()
            .position(|octet| ends.contains(octet))
            .unwrap_or(self.rest.len());
        let (unquoted, rest) = self.rest.split_at(length);
        self.rest = rest;
        unquoted.trim_ascii().to_vec()
    }
}

/// Parameters with their continuations joined and their encodings undone (RFC 2231 sections 3 and
/// 4); the first of a name counts, and an extended form before a plain one.
fn joined(parameters: Vec<(String, Vec<u8>)>) -> Vec<(String, String)> {
    let mut joined: Vec<(String, String)> = Vec::new();
    let mut segments: Vec<(String, u32, bool, Vec<u8>)> = Vec::new();
    for (name, value) in parameters {
        match name.split_once('*') {
            Some((base, "")) => segments.push((base.to_owned(), 0, true, value)),
            Some((base, number)) => {
                let encoded = number.ends_with('*');
                match number.trim_end_matches('*').parse() {
                    Ok(number) => segments.push((base.to_owned(), number, encoded, value)),
                    Err(_) => continue,
                }
            }
            // "=?" in a value is against RFC 2047 section 5, and common.
            None if !joined.iter().any(|(known, _)| *known == name) => {
                joined.push((name, words::decode(charset::of_header(&value).trim_end())));
            }
            None => {}
        }
    }
    segments.sort_by(|one, other| (&one.0, one.1).cmp(&(&other.0, other.1)));
    for of_one_name in segments.chunk_by(|one, other| one.0 == other.0) {
        let Some((name, ..)) = of_one_name.first() else {
            continue;
        };
        let mut charset = String::new();
        let mut octets = Vec::new();
        let mut before = None;
        for (index, (_, number, encoded, value)) in of_one_name.iter().enumerate() {
            if before == Some(number) {
                continue;
            }
            before = Some(number);
            let mut value = value.as_slice();
            if index == 0
                && *encoded
                && let [of_charset, _language, text] = value
                    .splitn(3, |&octet| octet == b'\'')
                    .collect::<Vec<_>>()
                    .as_slice()
            {
                charset = lower(of_charset);
                value = text;
            }
            octets.extend(if *encoded {
                percent_decoded(value)
            } else {
                value.to_vec()
            });
        }
        let text = charset::decode(&charset, &octets).map_or_else(
            || charset::of_header(&octets).into_owned(),
            |decoded| decoded.text,
        );
        joined.retain(|(known, _)| known != name);
        joined.push((name.clone(), text));
    }
    joined
}

fn percent_decoded(value: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(value.len());
    let mut rest = value;
    while let [first, after @ ..] = rest {
        rest = after;
        if *first == b'%'
            && let [high, low, after @ ..] = after
            && let Some(octet) = quoted_printable_decode_char(*high, *low)
        {
            octets.push(octet);
            rest = after;
        } else {
            octets.push(*first);
        }
    }
    octets
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parameter(value: &str, name: &str) -> Option<String> {
        MediaType::parse(value.as_bytes())?
            .parameter(name)
            .map(str::to_owned)
    }

    #[test]
    fn rfc2045_5_1_type_and_parameters() {
        let media = MediaType::parse(b"Text/PLAIN; Charset=\"us-ascii\" (Plain text)").unwrap();
        assert!(media.is("text", "plain"));
        assert_eq!(media.parameter("charset"), Some("us-ascii"));
        assert_eq!(media.to_string(), "text/plain");
    }

    #[test]
    fn a_value_folded_after_the_equals_sign_is_kept() {
        assert_eq!(
            parameter("multipart/mixed; boundary=\r\n \"xx\"", "boundary").as_deref(),
            Some("xx")
        );
    }

    #[test]
    fn rfc2231_3_and_4_continued_and_encoded_values() {
        let value = "application/x-stuff; title*0*=us-ascii'en'This%20is%20even%20more%20; title*1*=%2A%2A%2Afun%2A%2A%2A%20; title*2=\"isn't it!\"";
        assert_eq!(
            parameter(value, "title").as_deref(),
            Some("This is even more ***fun*** isn't it!")
        );
        assert_eq!(
            parameter("attachment; filename*=UTF-8''na%C3%AFve.txt", "filename").as_deref(),
            Some("naïve.txt")
        );
    }

    #[test]
    fn encoded_words_in_file_names_are_decoded() {
        assert_eq!(
            parameter(
                "attachment; filename=\"=?utf-8?Q?na=C3=AFve.txt?=\"",
                "filename"
            )
            .as_deref(),
            Some("naïve.txt")
        );
    }

    #[test]
    fn rfc2231_4_1_a_character_may_be_split_between_continuations() {
        let value = "attachment; filename*1*=%A9.txt; filename*0*=utf-8''%C3; filename=fallback";
        assert_eq!(parameter(value, "filename").as_deref(), Some("é.txt"));
    }

    #[test]
    fn careless_values_are_read() {
        for (value, name, expected) in [
            (
                "attachment; filename=my file (1).txt; size=3",
                "filename",
                "my file (1).txt",
            ),
            (
                "text/plain; charset=utf-8 (or so) ; format=flowed",
                "format",
                "flowed",
            ),
            ("text/plain charset=utf-8", "charset", "utf-8"),
            ("text/plain;; ; charset = utf-8", "charset", "utf-8"),
            (
                "multipart/mixed; =x; boundary=\"a\\\"b;c",
                "boundary",
                "a\"b;c",
            ),
        ] {
            assert_eq!(parameter(value, name).as_deref(), Some(expected), "{value}");
        }
        assert_eq!(MediaType::parse(b" ; charset=x"), None);
    }

    proptest! {
        #[test]
        fn any_value_is_read(value in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'*'), Just(b'='), Just(b';'), Just(b'"'), Just(b'?'), Just(b'/'), Just(b'0'), Just(b'a'), Just(b'(')], 0..60)) {
            let _ = MediaType::parse(&value);
        }
    }
}
