//! Trace fields of mail: who received it, and when (RFC 5322 section 3.6.7, RFC 2156 section 5.1.6).

use crate::mixer::basic::time::Time;
use crate::rfc822::{Field, date};

/// What RFC 2156 section 5.1.6 takes of a `Received` field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The word after `by`.
    pub by: Option<String>,
    /// The date after the last semicolon.
    pub at: Option<Time>,
    /// How many MIXER conversions its comments speak of (RFC 2156 section 5.3.7).
    pub conversions: u32,
}

/// Reads a `Received` field.
#[must_use]
pub fn parse(field: &Field) -> Received {
    let text = field.text();
    let (stated, at) = match text.rsplit_once(';') {
        Some((before, after)) => (before, after),
        None => (text.as_str(), ""),
    };
    let (bare, comments) = split_comments(stated);
    let mut words = bare.split_ascii_whitespace();
    let by = words
        .find(|word| word.eq_ignore_ascii_case("by"))
        .and_then(|_| words.next());
    let conversions = comments
        .iter()
        .filter(|comment| {
            let comment = comment.to_ascii_lowercase();
            comment.contains("mixer") && comment.contains("conver")
        })
        .count();
    Received {
        by: by
            .map(|word| word.trim_matches(['"', ',']).to_owned())
            .filter(|word| !word.is_empty()),
        at: date::parse(at.as_bytes()).map(|zoned| Time::from(&zoned)),
        conversions: u32::try_from(conversions).unwrap_or(u32::MAX),
    }
}

/// The text without its comments, and the outermost comments.
fn split_comments(text: &str) -> (String, Vec<String>) {
    let (mut bare, mut comments, mut comment) = (String::new(), Vec::new(), String::new());
    let mut depth = 0_u32;
    for character in text.chars() {
        match character {
            '(' => {
                depth += 1;
                bare.push(' ');
            }
            ')' if depth > 0 => {
                depth -= 1;
                if depth == 0 {
                    comments.push(std::mem::take(&mut comment));
                }
            }
            other if depth > 0 => comment.push(other),
            other => bare.push(other),
        }
    }
    (bare, comments)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rfc822::Header;
    use bytes::Bytes;

    fn read(text: &'static str) -> Received {
        let (header, _) = Header::split(&Bytes::from(text)).expect("a header");
        parse(&header.fields[0])
    }

    #[test]
    fn s5_1_6_the_example() {
        let received = read(
            "Received: from computer-science.nottingham.ac.uk by\r\n   vs6.Cs.Ucl.AC.UK via Janet with NIFTP  id aa03794;\r\n   28 Mar 89 16:38 GMT\r\n",
        );
        assert_eq!(received.by.as_deref(), Some("vs6.Cs.Ucl.AC.UK"));
        assert_eq!(
            received.at.map(|at| at.to_utc_time()).as_deref(),
            Some("890328163800+0000")
        );
    }

    #[test]
    fn s5_1_5_conversions_are_told_by_comments() {
        let received = read(
            "Received: from a (b (by c)) by gw.example.org with X.400 (MIXER conversion following RFC 2156); Mon, 1 Jan 2024 00:00:00 +0100 (CET)\r\n",
        );
        assert_eq!(
            (received.by.as_deref(), received.conversions),
            (Some("gw.example.org"), 1)
        );
        assert!(received.at.is_some());
    }

    #[test]
    fn strange_trace_is_no_error() {
        for text in [
            "Received:\r\n",
            "Received: by\r\n",
            "Received: ((((;\r\n",
            "Received: ))) by ;;;\r\n",
        ] {
            let received = read(text);
            assert_eq!((received.at, received.conversions), (None, 0));
        }
    }
}
