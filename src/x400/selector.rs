//! The selectors of an address, as the configuration writes them (X.650 clause 5); no I/O.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// A transport, session or presentation selector: text, or `0x` and hexadecimal digits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Selector(pub Bytes);

impl TryFrom<String> for Selector {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let octets = match text.strip_prefix("0x") {
            None => text.clone().into_bytes(),
            Some(digits) => hexadecimal(digits).ok_or_else(|| {
                format!("{text:?} is not 0x and an even number of hexadecimal digits")
            })?,
        };
        if octets.len() > 32 {
            return Err(format!(
                "{text:?} is longer than the 32 octets of a selector"
            ));
        }
        Ok(Self(octets.into()))
    }
}

impl From<Selector> for String {
    fn from(selector: Selector) -> Self {
        match std::str::from_utf8(&selector.0) {
            Ok(text) if text.chars().all(|c| c.is_ascii_graphic()) && !text.starts_with("0x") => {
                text.to_owned()
            }
            _ => selector
                .0
                .iter()
                .fold("0x".to_owned(), |text, octet| format!("{text}{octet:02x}")),
        }
    }
}

/// The octets that hexadecimal digits stand for.
pub(super) fn hexadecimal(digits: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = digits
        .chars()
        .map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok()))
        .collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty()
        .then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}
