//! Dates of header fields (RFC 5322 sections 3.3 and 4.3); the offset from UTC is kept.

use jiff::Zoned;
use jiff::fmt::rfc2822::DateTimeParser;

use super::charset;

/// Reads the value of a date field: comments, two-digit years and zone names included; `None` if it
/// is no date. A wrong day of the week is tolerated.
#[must_use]
pub fn parse(value: &[u8]) -> Option<Zoned> {
    let unfolded: String = charset::of_header(value)
        .chars()
        .map(|c| if c == '\r' || c == '\n' { ' ' } else { c })
        .collect();
    let text = unfolded.trim();
    let parser = DateTimeParser::new().relaxed_weekday(true);
    if let Ok(date) = parser.parse_zoned(text) {
        return Some(date);
    }
    // Without its comments, and with the zone or the day's comma that real mail forgets.
    let bare = without_comments(text);
    let bare = bare.trim();
    let day_after_name = bare
        .split_once(' ')
        .filter(|(name, _)| name.bytes().all(|octet| octet.is_ascii_alphabetic()));
    let candidates = [
        bare.to_owned(),
        format!("{bare} -0000"),
        day_after_name.map_or(String::new(), |(_, after)| after.trim().to_owned()),
        first_words(bare, 6),
        first_words(bare, 5),
    ];
    candidates
        .iter()
        .find_map(|text| parser.parse_zoned(text).ok())
}

/// Writes a date as section 3.3 of RFC 5322 has it, with its offset; `None` before the year 0.
#[must_use]
pub fn print(date: &Zoned) -> Option<String> {
    jiff::fmt::rfc2822::to_string(date).ok()
}

fn first_words(text: &str, count: usize) -> String {
    text.split_ascii_whitespace()
        .take(count)
        .collect::<Vec<_>>()
        .join(" ")
}

fn without_comments(text: &str) -> String {
    let mut depth = 0_usize;
    let mut bare = String::new();
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if depth == 0 => bare.push(c),
            _ => {}
        }
    }
    bare
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(value: &str) -> Option<String> {
        parse(value.as_bytes()).and_then(|date| print(&date))
    }

    #[test]
    fn rfc5322_3_3_the_offset_is_kept() {
        let date = "Fri, 21 Nov 1997 09:55:06 -0600";
        assert_eq!(round(date).as_deref(), Some(date));
    }

    #[test]
    fn rfc5322_4_3_obsolete_forms() {
        assert_eq!(
            round("21 Nov 97 09:55:06 GMT").as_deref(),
            Some("Fri, 21 Nov 1997 09:55:06 +0000")
        );
        assert_eq!(
            round("1 Jan 98 12:00 EST").as_deref(),
            Some("Thu, 1 Jan 1998 12:00:00 -0500")
        );
        assert_eq!(
            round("Fri, 21 Nov 1997 09(comment):   55  :  06 -0600").as_deref(),
            Some("Fri, 21 Nov 1997 09:55:06 -0600")
        );
    }

    #[test]
    fn what_real_mail_forgets_is_tolerated() {
        let date = Some("Fri, 21 Nov 1997 09:55:06 +0100");
        assert_eq!(round("Mon, 21 Nov 1997 09:55:06 +0100").as_deref(), date);
        assert_eq!(
            round("Fri, 21 Nov 1997\r\n 09:55:06 +0100 (MET)").as_deref(),
            date
        );
        assert_eq!(
            round("Fri, 21 Nov 1997 09:55:06 +0100 MET DST").as_deref(),
            date
        );
    }

    #[test]
    fn no_date_is_none() {
        for value in [
            "",
            "yesterday",
            "Fri, 31 Feb 1997 09:55:06 +0100",
            "((((",
            "99999999999999999999",
        ] {
            assert_eq!(round(value), None, "{value}");
        }
    }
}
