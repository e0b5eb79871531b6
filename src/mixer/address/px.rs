//! MCGAMs in the domain name system: O/R addresses as domain names, and PX records.
//!
//! RFC 2163. A PX record holds a domain and the O/R address it is equivalent to; whether it is asked
//! for by domain or by O/R address decides which table of RFC 2156 it stands for (`table 1` of RFC 2163
//! is table 2 of RFC 2156 and the other way round; here as everywhere the names are those of RFC 2156).

use std::fmt::{self, Write as _};
use std::str::FromStr;

use super::mcgam::{TableKind, is_domain_syntax};
use super::prefix::{Level, Prefix};
use super::syntax;
use crate::mixer::basic::printable::is_ps_char;

/// The type of a PX record (section 4).
pub const TYPE: u16 = 26;

/// The preference to use where nothing asks for another (section 4.1).
pub const USUAL_PREFERENCE: u16 = 50;

/// Names asked for one domain or address at most: the name itself and wildcards above it.
pub const MOST_NAMES: usize = 16;

/// The label under a country that holds its O/R addresses (section 3).
const TREE: &str = "X42D";

/// The attributes that have a label.
const KEYWORDS: [&str; 5] = ["C", "ADMD", "PRMD", "O", "OU"];

/// Octets a label and a name in text may have (RFC 1035 section 2.3.4).
const LONGEST_LABEL: usize = 63;
const LONGEST_NAME: usize = 253;

/// What cannot stand in a PX record, or be read from one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text} (RFC 2163 section {section})")]
pub struct Fault {
    /// What is wrong and where.
    pub text: String,
    /// The clause.
    pub section: &'static str,
}

fn fault(section: &'static str, text: impl Into<String>) -> Fault {
    let text = text.into();
    Fault { text, section }
}

/// The domain syntax of an O/R address (section 4.2), without the final dot:
/// `OU-sales-b-dept-d.O.PRMD-ACME.ADMDb.C-GB`.
///
/// # Errors
/// Levels that have no label: domain-defined attributes, values beyond `PrintableString`, empty ones, and
/// such as grow too long.
pub fn to_domain(levels: &[Level]) -> Result<String, Fault> {
    let labels: Vec<String> = levels.iter().rev().map(label).collect::<Result<_, _>>()?;
    bounded(labels.join("."))
}

/// The name under which the domain of an O/R address is found (section 4.2.3), without the final dot:
/// `ADMD-acme.X42D.fr`.
///
/// # Errors
/// Those of [`to_domain`], and an address that begins with no country of two letters.
pub fn owner(levels: &[Level]) -> Result<String, Fault> {
    let [country, below @ ..] = levels else {
        return Err(fault("4.2.3", "no country"));
    };
    let code = country.value.as_deref().unwrap_or_default();
    if country.key.row().name != "C"
        || code.len() != 2
        || !code.bytes().all(|octet| octet.is_ascii_alphabetic())
    {
        let text = format!("`{code}` is no country of two letters");
        return Err(fault("4.2.3", text));
    }
    let mut name = to_domain(below)?;
    if !name.is_empty() {
        name.push('.');
    }
    let _ = write!(name, "{TREE}.{}", code.to_ascii_lowercase());
    bounded(name)
}

/// The O/R address in domain syntax `name`, with or without the final dot.
///
/// # Errors
/// What [`to_domain`] does not write, and points that no mapping may name (RFC 2156 appendix F.3).
pub fn from_domain(name: &str) -> Result<Prefix, Fault> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let levels: Vec<String> = name.split('.').map(level).collect::<Result<_, _>>()?;
    let prefix: Prefix = levels
        .join(".")
        .parse()
        .map_err(|error: super::Fault| fault("4.2", error.text))?;
    match prefix.fault() {
        Some(text) => Err(fault("4.2", text)),
        None => Ok(prefix),
    }
}

/// The O/R address whose domain is found under `name`, with or without the final dot.
///
/// # Errors
/// A name that is not under `X42D` of a country, and those of [`from_domain`].
pub fn from_owner(name: &str) -> Result<Prefix, Fault> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let mut ends = name.rsplitn(3, '.');
    let (country, tree, below) = (ends.next(), ends.next(), ends.next());
    match (country, tree) {
        (Some(country), Some(tree)) if tree.eq_ignore_ascii_case(TREE) => {
            let dot = if below.is_some() { "." } else { "" };
            from_domain(&format!("{}{dot}C-{country}", below.unwrap_or_default()))
        }
        _ => Err(fault("4.2.3", format!("`{name}` is not under {TREE}"))),
    }
}

/// The names to ask for the O/R address equivalent to `domain`, the best first.
///
/// Section 5 means one question to be enough; but a wildcard covers neither its own parent nor a name
/// that has any record or child (RFC 4592 section 2.2.1), and mail domains have. So the wildcards above are asked for
/// by their own names.
///
/// Labels that no mapping may use, and what is below them, are left away, and then the name itself, which stands
/// for exactly its domain.
#[must_use]
pub fn names_of_domain(domain: &str) -> Vec<String> {
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    let labels: Vec<&str> = domain.split('.').collect();
    let fit = labels
        .iter()
        .rev()
        .take_while(|label| is_domain_syntax(label));
    let unfit = labels.len() - fit.count();
    match labels.get(unfit..) {
        None | Some([]) => Vec::new(),
        Some(labels) => {
            let names = upward(&labels.join("."), "").into_iter();
            names.skip(usize::from(unfit > 0)).collect()
        }
    }
}

/// The names to ask for the domain equivalent to the O/R address `levels`, the best first. Levels too deep
/// for the name system are left away, and then the name itself, which stands for exactly its address.
#[must_use]
pub fn names_of_address(levels: &[Level]) -> Vec<String> {
    for depth in (1..=levels.len()).rev() {
        let Ok(name) = owner(levels.get(..depth).unwrap_or_default()) else {
            continue;
        };
        let own = usize::from(depth < levels.len());
        return upward(&name, TREE).into_iter().skip(own).collect();
    }
    Vec::new()
}

/// `name`, and the wildcards from the one below it to the one below `last`, which is a label, or below the
/// root's children.
fn upward(name: &str, last: &str) -> Vec<String> {
    let mut names = vec![name.to_owned()];
    let mut above = Some(name);
    while let Some(name) = above {
        names.push(format!("*.{name}"));
        above = match name.split_once('.') {
            Some((label, _)) if !last.is_empty() && label.eq_ignore_ascii_case(last) => None,
            Some((_, parent)) => Some(parent),
            None => None,
        };
    }
    names.retain(|name| name.len() <= LONGEST_NAME);
    // Of a name this deep the most general wildcards are kept, which zones are likely to hold.
    let over = names.len().saturating_sub(MOST_NAMES);
    names.drain(1..=over);
    names
}

/// `name`, if the name system takes it.
fn bounded(name: String) -> Result<String, Fault> {
    if let Some(label) = name.split('.').find(|label| label.len() > LONGEST_LABEL) {
        let text = format!("the label `{label}` has more than {LONGEST_LABEL} octets");
        return Err(fault("4.2", text));
    }
    if name.len() > LONGEST_NAME {
        let text = format!("the name `{name}` has more than {LONGEST_NAME} octets");
        return Err(fault("4.2", text));
    }
    Ok(name)
}

/// Flow chart 1 (section 4.2.2): the label of a level.
fn label(level: &Level) -> Result<String, Fault> {
    let keyword = level.key.row().name;
    if !KEYWORDS.contains(&keyword) {
        return Err(fault("4.2", format!("{keyword} has no label")));
    }
    let value = match level.value.as_deref() {
        None => return Ok(keyword.to_owned()),
        Some(" ") => return Ok(format!("{keyword}b")),
        // An ADMD of no length is the blank one (X.402 18.3.1).
        Some("") if keyword == "ADMD" => return Ok(format!("{keyword}b")),
        Some("") => return Err(fault("4.2.1", format!("{keyword} has no value"))),
        Some(value) => value,
    };
    let mut label = format!("{keyword}-");
    for c in value.chars() {
        match c {
            '-' => label.push_str("-h-"),
            '.' => label.push_str("-d-"),
            ' ' => label.push_str("-b-"),
            c if c.is_ascii_alphanumeric() => label.push(c),
            c if is_ps_char(c) => {
                let _ = write!(label, "-{:03}-", u32::from(c));
            }
            c => {
                let text = format!("{c:?} in {keyword} is not of PrintableString");
                return Err(fault("4.2.1", text));
            }
        }
    }
    if label.ends_with('-') {
        label.pop();
    }
    Ok(label)
}

/// Flow chart 2 (section 4.2.2): the level of a label, in the text of the tables.
fn level(label: &str) -> Result<String, Fault> {
    let (start, value) = match label.split_once('-') {
        Some((start, value)) => (start, Some(value)),
        None => (label, None),
    };
    let keyword = |text: &str| {
        KEYWORDS
            .into_iter()
            .find(|known| known.eq_ignore_ascii_case(text))
    };
    let blank = start.strip_suffix(['b', 'B']).and_then(keyword);
    match (keyword(start), value, blank) {
        (Some(keyword), None, _) => Ok(format!("{keyword}$@")),
        (Some(keyword), Some(value), _) => Ok(format!("{keyword}${}", unescaped(label, value)?)),
        (None, None, Some(keyword)) => Ok(format!("{keyword}$ ")),
        _ => Err(fault("4.2", format!("`{label}` names no attribute"))),
    }
}

/// The value after the keyword of `label`, a dot in it quoted; read from left to right.
fn unescaped(label: &str, mut rest: &str) -> Result<String, Fault> {
    let mut value = String::new();
    let wrong = |what: &str| fault("4.2.1", format!("{what} in `{label}`"));
    while let Some(c) = rest.chars().next() {
        let Some(escape) = rest.strip_prefix('-') else {
            if !c.is_ascii_alphanumeric() {
                return Err(wrong(&format!("{c:?}")));
            }
            value.push(c);
            rest = rest.strip_prefix(c).unwrap_or_default();
            continue;
        };
        // The hyphen that ends the label is left away.
        let (code, after) = escape.split_once('-').unwrap_or((escape, ""));
        match code {
            "h" | "H" => value.push('-'),
            "d" | "D" => value.push_str("\\."),
            "b" | "B" => value.push(' '),
            code => match code.parse().ok().map(char::from_u32) {
                Some(Some(c)) if code.len() == 3 && is_ps_char(c) => {
                    value.extend((c == '.').then_some('\\'));
                    value.push(c);
                }
                _ => {
                    return Err(wrong(&format!(
                        "`-{code}-`, which stands for no character,"
                    )));
                }
            },
        }
        rest = after;
    }
    if value.is_empty() {
        return Err(wrong("no value"));
    }
    Ok(value)
}

/// What a PX record holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Which of several to take first: the lowest.
    pub preference: u16,
    domain: String,
    address: Prefix,
    /// MAPX400 without the flag of gateways.
    name: String,
    gateway: bool,
}

impl Record {
    /// A record of these, `gateway` if one of the two is the gateway preferred for the other
    /// (section 4.4).
    ///
    /// # Errors
    /// A domain that mappings may not use, an address that has no domain syntax or is none.
    pub fn new(
        preference: u16,
        domain: &str,
        address: Prefix,
        gateway: bool,
    ) -> Result<Self, Fault> {
        let domain = domain.strip_suffix('.').unwrap_or(domain);
        if !domain.split('.').all(is_domain_syntax) || domain.len() > LONGEST_NAME {
            return Err(fault("4", format!("`{domain}` is no domain of mail")));
        }
        let attributes = address.attributes();
        let encoding = || attributes.iter().find_map(syntax::fault);
        let unfit = || encoding().or_else(|| syntax::out_of_bounds(&attributes));
        let wrong = address.fault().or_else(|| unfit().map(|fault| fault.text));
        if let Some(text) = wrong {
            return Err(fault("4.2", text));
        }
        Ok(Self {
            preference,
            domain: domain.to_owned(),
            name: to_domain(address.levels())?,
            address,
            gateway,
        })
    }

    /// MAP822: the domain, without the final dot.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// MAPX400: the O/R address.
    #[must_use]
    pub fn address(&self) -> &Prefix {
        &self.address
    }

    /// Whether this names a gateway (tables 3 and 4) and no equivalence.
    #[must_use]
    pub fn gateway(&self) -> bool {
        self.gateway
    }

    /// Reads RDATA.
    ///
    /// # Errors
    /// What is no PX record, compressed names (a message allows them, but here they point at octets that are
    /// not at hand), and those of [`Record::new`] and [`from_domain`].
    pub fn decode(rdata: &[u8]) -> Result<Self, Fault> {
        let (preference, rest) = rdata
            .split_first_chunk::<2>()
            .ok_or_else(|| fault("4", "RDATA ends in the preference"))?;
        let (domain, rest) = read_name(rest, "MAP822")?;
        let (name, rest) = read_name(rest, "MAPX400")?;
        if !rest.is_empty() {
            return Err(fault("4", format!("{} octets after MAPX400", rest.len())));
        }
        Self::of_names(u16::from_be_bytes(*preference), &domain, &name)
    }

    /// RDATA, its names uncompressed.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let flag = if self.gateway { "G" } else { "" };
        let mut rdata = self.preference.to_be_bytes().to_vec();
        for name in [[self.domain.as_str(), ""], [self.name.as_str(), flag]] {
            let labels = name.iter().flat_map(|part| part.split('.'));
            for label in labels.filter(|label| !label.is_empty()) {
                // `bounded` and `is_domain_syntax` hold labels to 63 octets.
                rdata.push(u8::try_from(label.len()).unwrap_or_default());
                rdata.extend_from_slice(label.as_bytes());
            }
            rdata.push(0);
        }
        rdata
    }

    fn of_names(preference: u16, domain: &str, name: &str) -> Result<Self, Fault> {
        let name = name.strip_suffix('.').unwrap_or(name);
        let flagged = name.strip_suffix(".G").or_else(|| name.strip_suffix(".g"));
        let address = from_domain(flagged.unwrap_or(name))?;
        Self::new(preference, domain, address, flagged.is_some())
    }
}

/// Reads a name, and gives what stands after it.
fn read_name<'o>(octets: &'o [u8], what: &str) -> Result<(String, &'o [u8]), Fault> {
    let mut name = String::new();
    let mut rest = octets;
    loop {
        let ends = || fault("4", format!("RDATA ends in {what}"));
        let (&length, after) = rest.split_first().ok_or_else(ends)?;
        if length == 0 {
            return Ok((name, after));
        }
        if length >= 0xC0 {
            return Err(fault("4", format!("{what} is compressed")));
        }
        if usize::from(length) > LONGEST_LABEL {
            return Err(fault("4", format!("{what} has a label of unknown kind")));
        }
        let (label, after) = after
            .split_at_checked(usize::from(length))
            .ok_or_else(ends)?;
        for &octet in label {
            if !octet.is_ascii_alphanumeric() && octet != b'-' {
                let text = format!("{what} has the octet {octet:#04x} in a label");
                return Err(fault("4.2", text));
            }
            name.push(char::from(octet));
        }
        name.push('.');
        if name.len() > LONGEST_NAME + 1 {
            let text = format!("{what} has more than {LONGEST_NAME} octets");
            return Err(fault("4", text));
        }
        rest = after;
    }
}

/// RDATA as zone files have it: `50 ab.fr. PRMD-ab.ADMD-ac.C-fr.`
impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (preference, domain, name) = (self.preference, &self.domain, &self.name);
        let flag = if self.gateway { "G." } else { "" };
        write!(f, "{preference} {domain}. {name}.{flag}")
    }
}

impl FromStr for Record {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let mut words = text.split_whitespace();
        let (Some(preference), Some(domain), Some(name), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            let text = format!("`{text}` is not of the form PREFERENCE MAP822 MAPX400");
            return Err(fault("4", text));
        };
        let preference = preference
            .parse()
            .map_err(|_| fault("4", format!("`{preference}` is no preference")))?;
        Self::of_names(preference, domain, name)
    }
}

/// The line of a zone file for a line of a table (section 4.3): `*.ab.fr. IN PX 50 ab.fr.
/// PRMD-ab.ADMD-ac.C-fr.`
///
/// # Errors
/// Those of [`Record::new`] and [`owner`].
pub fn zone_line(kind: TableKind, domain: &str, address: Prefix) -> Result<String, Fault> {
    let gateway = matches!(kind, TableKind::Gate1 | TableKind::Gate2);
    let record = Record::new(USUAL_PREFERENCE, domain, address, gateway)?;
    let owner = match kind {
        TableKind::Table1 | TableKind::Gate1 => record.domain.clone(),
        TableKind::Table2 | TableKind::Gate2 => owner(record.address.levels())?,
    };
    let owner = bounded(format!("*.{owner}"))?;
    Ok(format!("{owner}. IN PX {record}"))
}

#[cfg(test)]
mod tests;
