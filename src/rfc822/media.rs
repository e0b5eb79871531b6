//! Media types, dispositions and their parameters (RFC 2045 section 5, RFC 2183, RFC 2231).

use mail_parser::parsers::MessageStream;

/// The most octets of a value that are looked at.
const MAX_VALUE: usize = 64 * 1024;

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
        // Unfolded first: the parser loses a value that is folded after `=`.
        let mut unfolded: Vec<u8> = value
            .iter()
            .take(MAX_VALUE)
            .map(|&octet| {
                if octet == b'\r' || octet == b'\n' {
                    b' '
                } else {
                    octet
                }
            })
            .collect();
        unfolded.push(b'\n');
        let parsed = MessageStream::new(&unfolded).parse_content_type();
        let parsed = parsed.as_content_type()?;
        let lower = |text: &str| text.trim().to_ascii_lowercase();
        let mut parameters: Vec<(String, String)> = Vec::new();
        for attribute in parsed.attributes.iter().flatten() {
            let name = lower(&attribute.name);
            // The first of a name counts.
            if !parameters.iter().any(|(known, _)| *known == name) {
                parameters.push((name, attribute.value.trim_end().to_owned()));
            }
        }
        Some(Self {
            kind: lower(&parsed.c_type),
            subtype: parsed.c_subtype.as_deref().map(lower).unwrap_or_default(),
            parameters,
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

    proptest! {
        #[test]
        fn any_value_is_read(value in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'*'), Just(b'='), Just(b';'), Just(b'"'), Just(b'?'), Just(b'/'), Just(b'0'), Just(b'a'), Just(b'(')], 0..60)) {
            let _ = MediaType::parse(&value);
        }
    }
}
