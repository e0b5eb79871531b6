//! The styles in which people and other systems write O/R addresses, each told by its looks.
//!
//! RFC 2156 section 4.1.3 and F.401 annex B, with what surrounds them in practice: `X400:` of proxy
//! addresses, `x400;` of notifications (RFC 3464), quotes, `\;` of exported directories, and both
//! orders of RFC 1506. Beside these the styles of Telemail and Envoy, Exchange's IMCEAX400, and the
//! points of mapping tables (RFC 2156 appendix F.3). All tolerance is here: [`or_address::parse`],
//! by which local parts are judged, has none.

use std::fmt;

use super::attributes::Attributes;
use super::fault::Fault;
use super::imcea;
use super::or_address::{self, Letter, Rules, letters};
use super::prefix::Prefix;
use crate::mixer::outcome::Note;

/// A style of writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// `/S=Smith/O=Org/…/C=GB/`.
    StdOr,
    /// `S=Smith; O=Org; …; C=GB`.
    Labels,
    /// `IMCEAX400-c=GB+3B…@host`.
    Imceax400,
    /// `(C:gb, A:admd, "RFC-822":"…")`.
    Telemail,
    /// `[RFC-822="…"]PRMD/ADMD/GB`.
    Envoy,
    /// `O$Org.PRMD$….C$GB`.
    Point,
}

impl fmt::Display for Style {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StdOr => "std-or-address (RFC 2156 section 4.1.3)",
            Self::Labels => "labels and semicolons (F.401 annex B)",
            Self::Imceax400 => "IMCEAX400 of Exchange",
            Self::Telemail => "labels in parentheses (Telemail)",
            Self::Envoy => "attributes in brackets before the domains (Envoy)",
            Self::Point => "a point of a mapping table (RFC 2156 appendix F.3)",
        })
    }
}

/// What a text says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// How it is written.
    pub style: Style,
    /// The address.
    pub attributes: Attributes,
    /// What was left out, or understood beyond the rules of the style.
    pub notes: Vec<Note>,
}

/// What may stand before an address.
const PREFIXES: &[&str] = &["X400:", "X.400:", "x400;"];

/// Reads an O/R address in any style.
///
/// # Errors
/// Says where the text leaves the style it is of.
pub fn read(text: &str) -> Result<Reading, Fault> {
    or_address::too_long(text)?;
    let end = text.trim_end();
    // A space may be all of the last value: `C=GB; A= `.
    let space = usize::from(end.ends_with('=') && text.len() > end.len());
    let text = text.get(..end.len() + space).unwrap_or(end);
    let mut bare = text.trim_start();
    let prefix = PREFIXES.iter().find(|prefix| {
        let head = bare.get(..prefix.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(prefix))
    });
    bare = bare
        .get(prefix.map_or(0, |prefix| prefix.len())..)
        .unwrap_or(bare);
    bare = bare.trim_start();
    let mut offset = text.len() - bare.len();
    if let Some(inside) = bare
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
    {
        bare = inside;
        offset += 1;
    }
    if let Some((letters, host)) = imcea::read(bare, offset)? {
        let mut reading = plain(&letters)?;
        reading.style = Style::Imceax400;
        let host = Some(host).filter(|host| !host.is_empty());
        let host = host.map(|host| left_out("the gateway that made it", host));
        reading.notes.extend(host);
        return Ok(reading);
    }
    if let Some(inside) = bare
        .strip_prefix('(')
        .and_then(|rest| rest.strip_suffix(')'))
    {
        return telemail(&letters(inside, offset + 1));
    }
    if let Some((inside, domains)) = bare.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        let after = offset + 2 + inside.len();
        return envoy(&letters(inside, offset + 1), &letters(domains, after));
    }
    if bare.contains('$') && !bare.contains('=') {
        let point: Prefix = bare.parse().map_err(|fault: Fault| fault.further(offset))?;
        return Ok(Reading {
            style: Style::Point,
            attributes: point.attributes(),
            notes: Vec::new(),
        });
    }
    plain(&unescaped(&letters(bare, offset))).or_else(|fault| {
        let (local, host) = bare.rsplit_once('@').ok_or_else(|| fault.clone())?;
        let mut reading = plain(&letters(local.trim_end(), offset)).map_err(|_| fault.clone())?;
        let written = |key| {
            reading
                .attributes
                .iter()
                .any(|part| part.key == key && part.span.is_some())
        };
        // Below a domain of its own it would be another address.
        if !written(super::Key::C) || !written(super::Key::Admd) || host.contains(['=', ';', '/']) {
            return Err(fault);
        }
        reading
            .notes
            .push(left_out("the gateway it was sent by", host));
        Ok(reading)
    })
}

/// A note of what is no part of the address.
fn left_out(what: &str, text: &str) -> Note {
    Note {
        what: format!("{what}, `{text}`"),
        place: "no part of the O/R address".to_owned(),
        section: "4.1.3",
        lost: false,
    }
}

/// Reads labels, with `/` and `;` between them, or with `;` alone: then `/` and `=` may stand in
/// values. Where neither can be read, the one that came further tells why.
fn plain(letters: &[Letter]) -> Result<Reading, Fault> {
    let rules = |slash_separates| Rules {
        slash_separates,
        tolerant: true,
    };
    let has = |wanted: char| letters.iter().any(|letter| letter.character == wanted);
    let reading = |style: Style, (attributes, notes): (Attributes, Vec<Note>)| Reading {
        style,
        attributes,
        notes,
    };
    let slashed = letters.first().is_some_and(|first| first.character == '/');
    match or_address::read(letters, rules(true)) {
        Ok(read) if slashed || !has(';') => Ok(reading(Style::StdOr, read)),
        Ok(read) => Ok(reading(Style::Labels, read)),
        Err(fault) if slashed => Err(fault),
        Err(fault) => match or_address::read(letters, rules(false)) {
            Ok(read) => Ok(reading(Style::Labels, read)),
            Err(other) if other.offset() > fault.offset() => Err(other),
            Err(_) => Err(fault),
        },
    }
}

/// `\;` as exports of directories write it, as `;`.
fn unescaped(letters: &[Letter]) -> Vec<Letter> {
    let mut plain: Vec<Letter> = Vec::with_capacity(letters.len());
    for letter in letters {
        match plain.last_mut() {
            Some(last) if last.character == '\\' && letter.character == ';' => {
                *last = Letter {
                    start: last.start,
                    ..*letter
                };
            }
            _ => plain.push(*letter),
        }
    }
    plain
}

/// Reads what stands in the parentheses of Telemail: a comma separates, a colon follows the
/// keyword, either side may be quoted, and a mailbox may have a name before it.
fn telemail(inside: &[Letter]) -> Result<Reading, Fault> {
    let mut labels: Vec<Letter> = Vec::with_capacity(inside.len());
    let (mut quoted, mut value, mut names) = (false, None, Vec::new());
    for letter in inside {
        let as_character = |character| Letter {
            character,
            ..*letter
        };
        match (letter.character, value) {
            ('"', _) => quoted = !quoted,
            (',', _) if !quoted => {
                value = None;
                labels.push(as_character(';'));
            }
            (':', None) if !quoted => {
                labels.push(as_character('='));
                value = Some(labels.len());
            }
            ('<', Some(start)) => {
                let name: String = labels
                    .drain(start..)
                    .map(|letter| letter.character)
                    .collect();
                names.extend(Some(name.trim().to_owned()).filter(|name| !name.is_empty()));
            }
            ('>', Some(_)) => {}
            _ => labels.push(*letter),
        }
    }
    let mut reading = plain(&labels)?;
    reading.style = Style::Telemail;
    reading.notes.extend(
        names
            .iter()
            .map(|name| left_out("the name of the mailbox", name)),
    );
    Ok(reading)
}

/// Reads what stands in the brackets of Envoy, and the domains after them: PRMD/ADMD/country.
fn envoy(inside: &[Letter], domains: &[Letter]) -> Result<Reading, Fault> {
    let mut labels: Vec<Letter> = inside.to_vec();
    labels.retain(|letter| letter.character != '"');
    let parts: Vec<&[Letter]> = domains.split(|letter| letter.character == '/').collect();
    if parts.len() != 3 {
        let (start, end) = (domains.first(), domains.last());
        let span = start.map_or(0, |letter| letter.start)..end.map_or(0, |letter| letter.end);
        return Err(Fault::at(
            span,
            "4.1.3",
            "expected PRMD/ADMD/country after the brackets",
        ));
    }
    for (keyword, part) in [";PRMD=", ";ADMD=", ";C="].into_iter().zip(parts) {
        let start = part.first().map_or(0, |letter| letter.start);
        labels.extend(keyword.chars().map(|character| Letter {
            character,
            start,
            end: start,
        }));
        labels.extend(part);
    }
    let mut reading = plain(&labels)?;
    reading.style = Style::Envoy;
    Ok(reading)
}
