//! IMCEAX400: an O/R address in the local part of a mailbox, as Exchange encapsulates it.
//!
//! Of no Recommendation: `IMCEAX400-c=US+3Ba=+20+3Bp=MS+3Bs=user+3B@host`. Letters, digits, `=` and
//! `-` stand as they are, the low line for a slash, and all else as `+` and two hexadecimal digits.

use super::attributes::Attributes;
use super::fault::Fault;
use super::or_address::{self, Letter, letters};
use crate::rfc822::address::AddrSpec;

/// What it begins with.
const PREFIX: &str = "IMCEAX400-";

/// The address in `text`, decoded, and the host that follows it; `None` if the text is no IMCEAX400.
///
/// # Errors
/// A `+` is not followed by the digits of a printable character.
pub(super) fn read(text: &str, offset: usize) -> Result<Option<(Vec<Letter>, &str)>, Fault> {
    let head = text.get(..PREFIX.len());
    if !head.is_some_and(|head| head.eq_ignore_ascii_case(PREFIX)) {
        return Ok(None);
    }
    let body = text.get(PREFIX.len()..).unwrap_or_default();
    let (body, host) = body.rsplit_once('@').unwrap_or((body, ""));
    let mut decoded = Vec::with_capacity(body.len());
    let mut rest = letters(body, offset + PREFIX.len()).into_iter();
    while let Some(letter) = rest.next() {
        let character = match letter.character {
            '_' => '/',
            '+' => {
                let digit = |letter: Option<Letter>| letter?.character.to_digit(16);
                let (high, low) = (digit(rest.next()), digit(rest.next()));
                let octet = high
                    .zip(low)
                    .and_then(|(high, low)| char::from_u32(high * 16 + low));
                octet
                    .filter(|c| c.is_ascii_graphic() || *c == ' ')
                    .ok_or_else(|| {
                        let text = "`+` without two hexadecimal digits of a printable character";
                        Fault::at(letter.start..letter.end, "IMCEAX400", text)
                    })?
            }
            character => character,
        };
        let end = rest.as_slice().first().map(|next| next.start);
        decoded.push(Letter {
            character,
            start: letter.start,
            end: end.unwrap_or(offset + PREFIX.len() + body.len()),
        });
    }
    Ok(Some((decoded, host)))
}

/// The mailbox at `host` in which Exchange carries this address; `None` if no mailbox can.
///
/// The country comes first and a semicolon last, as Exchange writes it. Exchange does not quote: `$` is used only where
/// the address would not come back without.
#[must_use]
pub fn write(attributes: &Attributes, host: &str) -> Option<AddrSpec> {
    let quoted: Vec<String> = or_address::f401_pairs(attributes)
        .into_iter()
        .rev()
        .collect();
    let plain = quoted.iter().map(|pair| pair.replace('$', ""));
    let texts = [plain.collect::<Vec<_>>(), quoted].map(|pairs| pairs.join(";") + ";");
    let text = texts
        .into_iter()
        .find(|text| or_address::parse_input(text).as_ref() == Ok(attributes))?;
    let mut local = PREFIX.to_owned();
    for c in text.chars() {
        match c {
            '/' => local.push('_'),
            '=' | '-' => local.push(c),
            c if c.is_ascii_alphanumeric() => local.push(c),
            c => local.push_str(&format!("+{:02X}", u32::from(c))),
        }
    }
    AddrSpec::new(local, host).ok()
}
