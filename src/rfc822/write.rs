//! Header fields as they are written (RFC 5322 section 2.2): folded, US-ASCII, nothing smuggled in.
//!
//! Every string of a stranger that becomes part of a header passes through [`Fields`]: control
//! characters become blanks, what is not US-ASCII becomes encoded words (RFC 2047) or extended
//! parameters (RFC 2231), so no value can begin a line of its own.

use jiff::Zoned;

use super::address::{Address, Mailbox, quoted};
use super::field::Field;
use super::media::MediaType;
use super::{charset, date, words};

/// Where lines are folded if they can be (RFC 5322 section 2.1.1).
const LINE: usize = 76;
/// The longest word of a line; a longer one is written as encoded words where that is allowed.
const LONGEST_WORD: usize = 900;

/// Fields being written, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields {
    lines: String,
    names: Vec<String>,
}

/// A stranger's field that cannot be written as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no field name (RFC 5322 section 2.2)")]
pub struct NotAFieldName(pub String);

impl Fields {
    /// No fields.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a field of that name was written, whatever the case.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.names
            .iter()
            .any(|known| known.eq_ignore_ascii_case(name))
    }

    /// Whether there is no field.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The fields as written: lines ended by CRLF.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.lines
    }

    /// A field of unstructured text (RFC 5322 section 3.2.5): line ends become fold points, other
    /// control characters blanks; the text becomes encoded words if it needs them.
    pub fn text(&mut self, name: &'static str, text: &str) {
        self.line(name, &unstructured(text));
    }

    /// A field of structured text composed by the caller: control characters become blanks, and
    /// what is not US-ASCII becomes `?`.
    pub fn structured(&mut self, name: &'static str, text: &str) {
        let safe = text.chars().map(|c| match c {
            c if c.is_ascii_control() => ' ',
            c if c.is_ascii() => c,
            _ => '?',
        });
        self.line(name, &safe.collect::<String>());
    }

    /// A field of addresses; an empty list writes an empty field.
    pub fn addresses<'a>(
        &mut self,
        name: &'static str,
        addresses: impl IntoIterator<Item = &'a Address>,
    ) {
        let entries: Vec<_> = addresses.into_iter().map(ToString::to_string).collect();
        self.structured(name, &entries.join(", "));
    }

    /// A field of mailboxes.
    pub fn mailboxes<'a>(
        &mut self,
        name: &'static str,
        mailboxes: impl IntoIterator<Item = &'a Mailbox>,
    ) {
        let entries: Vec<_> = mailboxes.into_iter().map(ToString::to_string).collect();
        self.structured(name, &entries.join(", "));
    }

    /// A date field; a date outside the years 0 to 9999 is not written.
    pub fn date(&mut self, name: &'static str, at: &Zoned) {
        if let Some(text) = date::print(at) {
            self.line(name, &text);
        }
    }

    /// A field of a media type or disposition with its parameters.
    pub fn media(&mut self, name: &'static str, media: &MediaType) {
        let token = |text: &str| {
            if is_token(text) {
                text.to_owned()
            } else {
                "x-unknown".to_owned()
            }
        };
        let mut text = token(&media.kind);
        if !media.subtype.is_empty() {
            text = format!("{text}/{}", token(&media.subtype));
        }
        for (name, value) in &media.parameters {
            if is_token(name) && !name.contains(['*', '\'', '%']) {
                text.push_str(&parameter(name, value));
            }
        }
        self.line(name, &text);
    }

    /// A field of a stranger, name and value as they came: folds are kept as blanks, octets that
    /// are not US-ASCII become encoded words, control characters blanks.
    ///
    /// # Errors
    /// If the name is none.
    pub fn foreign(&mut self, name: &str, value: &[u8]) -> Result<(), NotAFieldName> {
        let is_name = !name.is_empty()
            && name.len() <= 200
            && name
                .bytes()
                .all(|octet| octet.is_ascii_graphic() && octet != b':');
        if !is_name {
            return Err(NotAFieldName(name.escape_default().to_string()));
        }
        let text = charset::of_header(value);
        let unfolded: String = text
            .trim()
            .chars()
            .filter(|&c| c != '\r' && c != '\n')
            .collect();
        // Encoded words of the sender stay as they are.
        let safe = match unfolded.is_ascii() {
            true => unfolded
                .chars()
                .map(|c| if c.is_ascii_control() { ' ' } else { c })
                .collect(),
            false => words::encode_phrase(&unfolded),
        };
        self.line(name, &safe);
        Ok(())
    }

    /// A field as it came, by the rules of [`Fields::foreign`].
    ///
    /// # Errors
    /// If its name is none.
    pub fn field(&mut self, field: &Field) -> Result<(), NotAFieldName> {
        self.foreign(&field.name, &field.raw)
    }

    /// Appends fields written elsewhere.
    pub fn append(&mut self, other: Fields) {
        self.lines.push_str(&other.lines);
        self.names.extend(other.names);
    }

    /// Writes a line of a safe value, folding it before blanks and at its line feeds.
    fn line(&mut self, name: &str, value: &str) {
        let start = self.lines.len();
        self.lines.push_str(name);
        self.lines.push(':');
        let mut used = self.lines.len() - start;
        let mut first = true;
        for piece in value
            .trim()
            .split('\n')
            .filter(|piece| !piece.trim().is_empty())
        {
            let mut forced = !first;
            // Words with the blanks before them; the first of a piece gets exactly one.
            let mut rest = piece.trim();
            while !rest.is_empty() {
                let blanks = rest.len() - rest.trim_start_matches(' ').len();
                let (before, after) = rest.split_at(blanks);
                let (word, after) = after.split_at(after.find(' ').unwrap_or(after.len()));
                let before = if before.is_empty() { " " } else { before };
                let fits = used + before.len() + word.len() <= LINE;
                if forced || !(fits || first) {
                    self.lines.push_str("\r\n");
                    used = 0;
                }
                (forced, first) = (false, false);
                self.lines.push_str(before);
                self.lines.push_str(word);
                used += before.len() + word.len();
                rest = after;
            }
        }
        self.lines.push_str("\r\n");
        self.names.push(name.to_owned());
    }
}

/// `text` as unstructured text: line ends are line feeds, everything else is printable US-ASCII.
fn unstructured(text: &str) -> String {
    let unix = text.replace("\r\n", "\n").replace('\r', "\n");
    let printable: String = unix
        .chars()
        .map(|c| if c.is_control() && c != '\n' { ' ' } else { c })
        .collect();
    let plain = printable.is_ascii()
        && !printable.contains("=?")
        && printable
            .split([' ', '\n'])
            .all(|word| word.len() <= LONGEST_WORD);
    if plain {
        printable
    } else {
        words::encode_phrase(&printable)
    }
}

/// Whether `text` is a token of RFC 2045 section 5.1.
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 200
        && text
            .chars()
            .all(|c| c.is_ascii_graphic() && !"()<>@,;:\\\"/[]?=".contains(c))
}

/// `; name=value`: a token, a quoted string, or the extended form of RFC 2231.
fn parameter(name: &str, value: &str) -> String {
    let printable = value.chars().all(|c| c.is_ascii() && !c.is_ascii_control());
    if printable && !value.contains("=?") && name.len() + value.len() <= LINE - 6 {
        let value = if is_token(value) {
            value.to_owned()
        } else {
            quoted(value)
        };
        return format!("; {name}={value}");
    }
    // Segments of whole characters, each fit for a line.
    let mut segments = vec![String::from("UTF-8''")];
    for character in value.chars() {
        let encoded: String = if character.is_ascii_alphanumeric() || "-._~".contains(character) {
            character.to_string()
        } else {
            character
                .to_string()
                .bytes()
                .map(|octet| format!("%{octet:02X}"))
                .collect()
        };
        match segments.last_mut() {
            Some(last) if last.len() + encoded.len() + name.len() <= LINE - 10 => {
                last.push_str(&encoded)
            }
            _ => segments.push(encoded),
        }
    }
    if let [only] = segments.as_slice() {
        return format!("; {name}*={only}");
    }
    let numbered = segments.iter().enumerate();
    numbered
        .map(|(number, segment)| format!("; {name}*{number}*={segment}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rfc822::Header;
    use bytes::Bytes;
    use proptest::prelude::*;

    fn written(write: impl Fn(&mut Fields)) -> String {
        let mut fields = Fields::new();
        write(&mut fields);
        fields.as_str().to_owned()
    }

    /// Fields must read back as exactly the names that were written.
    fn names(text: &str) -> Vec<String> {
        let (header, body) = Header::split(&Bytes::from(text.to_owned())).unwrap();
        assert!(body.is_empty() && header.malformed.is_empty(), "{text:?}");
        header.fields.into_iter().map(|field| field.name).collect()
    }

    #[test]
    fn rfc5322_2_2_3_long_lines_are_folded_at_blanks() {
        let text = written(|fields| fields.text("Subject", &"word ".repeat(40)));
        assert!(text.lines().all(|line| line.len() <= 78), "{text}");
        let (header, _) = Header::split(&Bytes::from(text)).unwrap();
        assert_eq!(header.fields[0].text(), "word ".repeat(40).trim());
    }

    #[test]
    fn rfc2156_5_3_4_line_ends_of_a_subject_become_fold_points() {
        assert_eq!(
            written(|fields| fields.text("Subject", "one\r\ntwo")),
            "Subject: one\r\n two\r\n"
        );
        assert_eq!(
            written(|fields| fields.text("Subject", "one\r\n\r\n \r\nBcc: x")),
            "Subject: one\r\n Bcc: x\r\n"
        );
    }

    #[test]
    fn no_value_begins_a_line() {
        for hostile in [
            "a\r\nBcc: b",
            "a\nBcc: b",
            "a\rBcc: b",
            "\0",
            "a\u{85}Bcc: b",
            "a\u{2028}b",
            "\r\n\r\nbody",
            " ",
            "",
        ] {
            let mailbox = Mailbox {
                name: Some(hostile.into()),
                address: "a@b".parse().unwrap(),
                comments: vec![hostile.into()],
            };
            let media = MediaType::new("text", "plain")
                .with("name", hostile)
                .with(hostile, "x");
            let text = written(|fields| {
                fields.text("Subject", hostile);
                fields.structured("Keywords", hostile);
                fields.mailboxes("To", [&mailbox]);
                fields.media("Content-Type", &media);
                fields.foreign("X-Other", hostile.as_bytes()).unwrap();
                assert!(hostile.is_empty() || fields.foreign(hostile, b"x").is_err());
            });
            assert_eq!(
                names(&text),
                ["Subject", "Keywords", "To", "Content-Type", "X-Other"],
                "{hostile:?}"
            );
            assert!(text.is_ascii() && !text.contains('\0'), "{text:?}");
        }
    }

    #[test]
    fn rfc2231_long_and_foreign_parameter_values() {
        let media = MediaType::new("attachment", "").with("filename", "naïve \"x\".txt");
        assert_eq!(
            written(|fields| fields.media("Content-Disposition", &media)),
            "Content-Disposition: attachment; filename*=UTF-8''na%C3%AFve%20%22x%22.txt\r\n"
        );
        let long = MediaType::new("attachment", "").with("filename", "a b".repeat(100));
        let text = written(|fields| fields.media("Content-Disposition", &long));
        assert!(text.lines().all(|line| line.len() <= 78), "{text}");
        let read = MediaType::parse(text.trim_start_matches("Content-Disposition:").as_bytes());
        assert_eq!(read, Some(long));
    }

    proptest! {
        #[test]
        fn any_text_is_one_field(text in any::<String>()) {
            let lines = written(|fields| fields.text("Subject", &text));
            prop_assert_eq!(names(&lines), ["Subject"]);
            prop_assert!(lines.is_ascii());
        }

        #[test]
        fn printable_text_returns(text in "[^\\p{C}\\s]([^\\p{C}]{0,150}[^\\p{C}\\s])?") {
            let lines = written(|fields| fields.text("Subject", &text));
            let (header, _) = Header::split(&Bytes::from(lines)).unwrap();
            prop_assert_eq!(header.fields[0].decoded(), text);
        }

        #[test]
        fn parameters_return(value in "[^\\p{C}]{1,100}") {
            let media = MediaType::new("attachment", "").with("filename", value.trim());
            prop_assume!(!value.trim().is_empty());
            let lines = written(|fields| fields.media("X", &media));
            let read = MediaType::parse(lines.trim_start_matches("X:").as_bytes());
            prop_assert_eq!(read, Some(media));
        }
    }
}
