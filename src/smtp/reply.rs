//! Replies (RFC 5321 section 4.2) and their enhanced status codes (RFC 2034, RFC 3463).
//!
//! The text of a reply often quotes a stranger. It is cleaned where a [`Reply`] is made, so that
//! nothing in it can end a line, begin another reply or reach a terminal as a control sequence.

use std::fmt;

use crate::rfc822::Status;

/// The longest line of a reply, CRLF included (RFC 5321 section 4.5.3.1.5).
const MAX_LINE: usize = 512;
/// The most lines of a reply we make or keep of a peer's.
const MAX_LINES: usize = 50;

/// A reply: a code of three digits, an enhanced status, and text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    code: u16,
    status: Option<Status>,
    lines: Vec<String>,
}

impl Reply {
    /// A reply with an enhanced status; `text` is cut into lines at its line feeds.
    ///
    /// A code outside 200 to 599 becomes 451, for there is no such reply.
    #[must_use]
    pub fn new(code: u16, status: Status, text: &str) -> Self {
        Self::with(code, Some(status), text)
    }

    /// A reply that has no enhanced status: greeting, HELO, EHLO and 354 (RFC 2034 section 3).
    #[must_use]
    pub fn plain(code: u16, text: &str) -> Self {
        Self::with(code, None, text)
    }

    fn with(code: u16, status: Option<Status>, text: &str) -> Self {
        let prefix = 4 + status.map_or(0, |status| status.to_string().len() + 1);
        let lines = wrapped(text, MAX_LINE - 2 - prefix);
        let code = if (200..600).contains(&code) {
            code
        } else {
            451
        };
        Self {
            code,
            status,
            lines,
        }
    }

    /// What a peer said: its lines, of which the first may begin with an enhanced status that is
    /// taken off where it agrees with the code (RFC 2034 section 4).
    #[must_use]
    pub fn received<'a>(code: u16, lines: impl IntoIterator<Item = &'a str>) -> Self {
        let mut status = None;
        let mut text = String::new();
        for (number, line) in lines.into_iter().take(MAX_LINES).enumerate() {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            let said: Option<Status> = word.parse().ok();
            let agrees = said.is_some_and(|said| u16::from(said.0) == code / 100);
            if number == 0 && agrees {
                status = said;
            }
            if number > 0 {
                text.push('\n');
            }
            let repeated = agrees && status == said;
            text.push_str(if repeated { rest } else { line });
        }
        Self::with(code, status, &text)
    }

    /// The three digits.
    #[must_use]
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The enhanced status, if the reply has one.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        self.status
    }

    /// The lines of text, without code and status.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// The text in one line.
    #[must_use]
    pub fn text(&self) -> String {
        self.lines.join(" ")
    }

    /// 2yz or 3yz.
    #[must_use]
    pub fn is_positive(&self) -> bool {
        self.code < 400
    }

    /// 4yz: the same may succeed later (RFC 5321 section 4.2.1).
    #[must_use]
    pub fn is_transient(&self) -> bool {
        (400..500).contains(&self.code)
    }

    /// 5yz: the same will never succeed.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.code >= 500
    }

    /// The lines as they go over the wire, each ended by CRLF.
    #[must_use]
    pub fn to_wire(&self) -> Vec<u8> {
        let mut wire = Vec::new();
        let mut lines = self.lines.iter().peekable();
        while let Some(line) = lines.next() {
            let mark = if lines.peek().is_some() { '-' } else { ' ' };
            let status = self
                .status
                .map_or(String::new(), |status| format!("{status} "));
            wire.extend_from_slice(format!("{}{mark}{status}{line}\r\n", self.code).as_bytes());
        }
        wire
    }
}

impl fmt::Display for Reply {
    /// One line: `550 5.1.1 no such user`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(status) = self.status {
            write!(f, " {status}")?;
        }
        write!(f, " {}", self.text())
    }
}

/// `text` in lines of at most `width` octets of printable US-ASCII, at least one line.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for line in text.split('\n') {
        let mut rest: &str = &clean(line);
        while rest.len() > width {
            let (head, _) = rest.split_at_checked(width).unwrap_or((rest, ""));
            let at = head.rfind(' ').filter(|at| *at > 0).unwrap_or(width);
            let (head, tail) = rest.split_at_checked(at).unwrap_or((rest, ""));
            lines.push(head.trim_end().to_owned());
            rest = tail.trim_start();
        }
        lines.push(rest.to_owned());
        if lines.len() >= MAX_LINES {
            break;
        }
    }
    lines.truncate(MAX_LINES);
    lines
}

/// Printable US-ASCII: blanks for tabs, nothing for CR at the end, `?` for all else.
fn clean(line: &str) -> String {
    let printable = |c: char| match c {
        ' '..='~' => c,
        '\t' => ' ',
        _ => '?',
    };
    line.trim_end_matches('\r').chars().map(printable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wire(reply: &Reply) -> String {
        String::from_utf8(reply.to_wire()).unwrap()
    }

    #[test]
    fn s4_2_1_every_line_of_a_reply_has_the_code_and_all_but_the_last_a_hyphen() {
        let reply = Reply::plain(250, "gw.example\nPIPELINING\nSIZE 1000");
        assert_eq!(
            wire(&reply),
            "250-gw.example\r\n250-PIPELINING\r\n250 SIZE 1000\r\n"
        );
        assert_eq!(wire(&Reply::plain(250, "")), "250 \r\n");
    }

    #[test]
    fn rfc2034_3_every_line_has_the_status() {
        let reply = Reply::new(550, Status(5, 1, 1), "no such user\nask postmaster");
        assert_eq!(
            wire(&reply),
            "550-5.1.1 no such user\r\n550 5.1.1 ask postmaster\r\n"
        );
        assert_eq!(reply.to_string(), "550 5.1.1 no such user ask postmaster");
    }

    #[test]
    fn rfc2034_4_a_status_counts_where_it_agrees_with_the_code() {
        let agreeing = Reply::received(550, ["5.1.1 no such user", "5.1.1 at all"]);
        assert_eq!(
            agreeing,
            Reply::new(550, Status(5, 1, 1), "no such user\nat all")
        );
        let other = Reply::received(450, ["5.1.1 no such user"]);
        assert_eq!(
            (other.status(), other.text()),
            (None, "5.1.1 no such user".into())
        );
        assert_eq!(
            Reply::received(250, ["2.0.0"]).status(),
            Some(Status(2, 0, 0))
        );
    }

    #[test]
    fn nothing_a_stranger_says_creates_a_line() {
        let reply = Reply::new(550, Status(5, 1, 1), "<a\r250 ok\u{1b}[31m\u{0}é>: no");
        assert_eq!(wire(&reply), "550 5.1.1 <a?250 ok?[31m??>: no\r\n");
    }

    #[test]
    fn s4_5_3_1_5_long_text_is_cut_into_lines() {
        let reply = Reply::new(550, Status(5, 1, 1), &"word ".repeat(300));
        assert!(reply.lines().len() > 2);
        assert!(
            wire(&reply)
                .split_inclusive("\r\n")
                .all(|line| line.len() <= MAX_LINE)
        );
        assert_eq!(reply.text().trim(), "word ".repeat(300).trim());
    }

    proptest! {
        #[test]
        fn every_reply_is_well_formed(code in any::<u16>(), text in any::<String>()) {
            let reply = Reply::received(code, text.split('\n'));
            let wire = wire(&reply);
            let code = reply.code().to_string();
            prop_assert!((200..600).contains(&reply.code()));
            prop_assert!(wire.ends_with("\r\n"));
            let lines: Vec<&str> = wire.strip_suffix("\r\n").unwrap().split("\r\n").collect();
            for (number, line) in lines.iter().enumerate() {
                let mark = if number + 1 == lines.len() { " " } else { "-" };
                prop_assert!(line.starts_with(&(code.clone() + mark)), "{}", line);
                prop_assert!(line.len() + 2 <= MAX_LINE);
                prop_assert!(line.bytes().all(|octet| (b' '..=b'~').contains(&octet)));
            }
        }
    }
}
