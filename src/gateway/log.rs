//! What the log says: constant events in the past tense, a closed set of fields.
//!
//! One line for each outcome of each recipient. Octets of strangers are escaped ([`shown`]);
//! contents and passwords are never logged.

use std::fmt;

use crate::queue::{IdentifierKind, Item, Settled};

/// The longest text of a stranger that a log line quotes, in characters.
const LONGEST: usize = 300;

/// A text of a stranger, safe in a line: quoted, what would steer a terminal escaped, cut where it is
/// too long.
pub struct Shown<'a>(&'a str);

/// Makes a stranger's text safe in a log line.
#[must_use]
pub fn shown(text: &str) -> Shown<'_> {
    Shown(text)
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        let mut characters = self.0.chars();
        for character in characters.by_ref().take(LONGEST) {
            let steers = matches!(
                character,
                '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            );
            if character.is_control() || steers || character == '"' || character == '\\' {
                write!(f, "{}", character.escape_default())?;
            } else {
                write!(f, "{character}")?;
            }
        }
        if characters.next().is_some() {
            f.write_str("…")?;
        }
        f.write_str("\"")
    }
}

/// The direction of a delivery, as the log names it.
#[must_use]
pub fn direction(item: &Item, route: &str) -> &'static str {
    use crate::queue::Origin;
    match (&item.origin, route == super::route::SMTP) {
        (Origin::Mail(_), false) => "to_x400",
        (Origin::Transfer(_), true) => "to_rfc822",
        (Origin::Mail(_), true) => "smtp_to_smtp",
        (Origin::Transfer(_), false) => "x400_to_x400",
    }
}

/// Logs what became of one recipient: one line.
pub fn outcome(item: &Item, route: &str, settled: &Settled, delay: f64) {
    use crate::queue::Outcome;
    let recipient = item
        .recipients
        .iter()
        .find(|recipient| recipient.number == settled.number);
    let recipient = recipient
        .map(|recipient| recipient.address.as_str())
        .unwrap_or_default();
    macro_rules! line {
        ($level:ident, $event:literal) => {
            tracing::$level!(
                id = %item.id,
                direction = direction(item, route),
                peer = %shown(&item.peer),
                route = %shown(route),
                recipient = %shown(recipient),
                relay = %shown(settled.relay.as_deref().unwrap_or_default()),
                delay = %format_args!("{delay:.3}"),
                status = settled.status.as_deref().unwrap_or_default(),
                message_id = %shown(item.identifier(IdentifierKind::MessageId).unwrap_or_default()),
                mts_identifier = %shown(item.identifier(IdentifierKind::MtsIdentifier).unwrap_or_default()),
                text = %shown(&settled.text),
                $event
            )
        };
    }
    match settled.outcome {
        Outcome::Delivered => line!(info, "delivered"),
        Outcome::Deferred { .. } => line!(warn, "deferred"),
        Outcome::Failed => line!(warn, "refused"),
        Outcome::Expired => line!(warn, "expired"),
        Outcome::Held => line!(warn, "quarantined"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_a_stranger_says_breaks_a_line() {
        assert_eq!(
            shown("a\r\nb\u{1b}[2J\u{202e}é").to_string(),
            "\"a\\r\\nb\\u{1b}[2J\\u{202e}é\""
        );
        assert_eq!(
            shown(&"x".repeat(400)).to_string().chars().count(),
            LONGEST + 3
        );
    }
}
