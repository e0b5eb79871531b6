//! A point in the O/R address hierarchy, in the syntax of the mapping tables:
//! `PRMD$UK\.AC.ADMD$GOLD 400.C$GB`.
//!
//! RFC 2156 section 4.2 and appendix F.3 (`dmn-or-address`): levels stand as the labels of a domain
//! do, the most significant on the right; `@` says that a level is omitted.

use std::fmt;
use std::str::FromStr;

use super::attributes::{Attribute, Attributes, Key};
use super::fault::Fault;
use crate::mixer::basic::printable::is_ps_char;

/// One level: an attribute with a value, or the statement that it is omitted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Level {
    /// The attribute.
    pub key: Key,
    /// The type of a domain-defined attribute; empty for all others.
    pub dd_type: String,
    /// Its value; `None` if the level is omitted, which differs from a null value.
    pub value: Option<String>,
}

/// Levels, the most significant first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Prefix(Vec<Level>);

/// The deepest hierarchy: C, ADMD, PRMD, O and four OUs.
pub const DEEPEST: usize = 8;

impl Prefix {
    /// A point of these levels, the most significant first.
    #[must_use]
    pub fn new(levels: Vec<Level>) -> Self {
        Self(levels)
    }

    /// The levels, most significant first.
    #[must_use]
    pub fn levels(&self) -> &[Level] {
        &self.0
    }

    /// The levels of the hierarchy that `address` has, omitted ones included; nothing below a value
    /// that has no plain printable form. Values are squeezed for lookup (section 4.3.5 B.1).
    #[must_use]
    pub fn of(address: &Attributes) -> Self {
        let mut levels = Vec::with_capacity(DEEPEST);
        let mut push = |key: Key, value: Option<&str>| -> bool {
            let plain = value.is_none_or(|value| value.chars().all(is_ps_char));
            if plain {
                levels.push(Level {
                    key,
                    dd_type: String::new(),
                    value: value.map(|value| squeezed(key, value)),
                });
            }
            plain
        };
        let _ = address.has(Key::C)
            && [Key::C, Key::Admd, Key::Prmd, Key::O]
                .into_iter()
                .all(|key| push(key, address.get(key)))
            && address
                .all(Key::Ou)
                .take(DEEPEST - 4)
                .all(|unit| push(Key::Ou, Some(unit)));
        Self(levels)
    }

    /// The first `depth` levels.
    #[must_use]
    pub fn cut(&self, depth: usize) -> &[Level] {
        self.0.get(..depth).unwrap_or(&self.0)
    }

    /// The attributes that are there.
    #[must_use]
    pub fn attributes(&self) -> Attributes {
        self.0
            .iter()
            .filter_map(|level| {
                Some(Attribute {
                    key: level.key,
                    dd_type: level.dd_type.clone(),
                    value: level.value.clone()?,
                    span: None,
                })
            })
            .collect()
    }

    /// Why this is no point of the hierarchy that MCGAMs may name (appendix F.3 a and b).
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let mut expected = [Key::C, Key::Admd, Key::Prmd, Key::O].into_iter();
        for level in &self.0 {
            let key = expected.next().unwrap_or(Key::Ou);
            if level.key != key {
                return Some(format!(
                    "{} where {} should stand: no level may be skipped, an omitted one is written `{}$@`",
                    level.key.row().name,
                    key.row().name,
                    key.row().name,
                ));
            }
            if level.value.is_none() && matches!(level.key, Key::C | Key::Ou) {
                return Some(format!("{} cannot be omitted", level.key.row().name));
            }
        }
        (self.0.len() > DEEPEST).then(|| "more than four organizational units".to_owned())
    }
}

/// The hash key of levels: what differs only in case or spacing has one key.
#[must_use]
pub fn lookup_key(levels: &[Level]) -> String {
    let mut key = String::new();
    for level in levels {
        key.push_str(level.key.row().name);
        if level.key == Key::Dd {
            key.push('~');
            key.push_str(&level.dd_type.to_ascii_lowercase());
        }
        match &level.value {
            Some(value) => {
                key.push('$');
                key.push_str(&squeezed(level.key, value).to_ascii_lowercase());
            }
            None => key.push('@'),
        }
        key.push('\n');
    }
    key
}

/// A value as lookups see it: no space at its ends, single spaces inside, and the ADMD of no length
/// is a single space (section 4.3.5 B.1).
#[must_use]
pub fn squeezed(key: Key, value: &str) -> String {
    let words: Vec<&str> = value.split(' ').filter(|word| !word.is_empty()).collect();
    if words.is_empty() && key == Key::Admd {
        return " ".to_owned();
    }
    words.join(" ")
}

impl FromStr for Prefix {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let mut levels: Vec<Level> = Vec::new();
        let mut start = 0;
        let mut level = String::new();
        let mut characters = text.char_indices();
        while let Some((offset, c)) = characters.next() {
            match c {
                '\\' => match characters.next() {
                    Some((_, quoted)) if is_ps_char(quoted) => level.push(quoted),
                    _ => return Err(fault(offset, "`\\` quotes nothing")),
                },
                '.' => {
                    levels.push(read_level(start, &std::mem::take(&mut level))?);
                    start = offset + 1;
                }
                c if is_ps_char(c) || "{}*$~@".contains(c) => level.push(c),
                c => {
                    return Err(fault(
                        offset,
                        format!("the character {c:?} cannot stand in an O/R address"),
                    ));
                }
            }
        }
        levels.push(read_level(start, &level)?);
        levels.reverse();
        Ok(Self(levels))
    }
}

/// A fault at `offset`.
fn fault(offset: usize, text: impl Into<String>) -> Fault {
    Fault::at(offset..offset + 1, "appendix F.3", text)
}

/// Reads `KEY$value`, `KEY$@` or `~type$value`.
fn read_level(start: usize, text: &str) -> Result<Level, Fault> {
    let (keyword, value) = text
        .split_once('$')
        .ok_or_else(|| fault(start, format!("`{text}` is not of the form KEY$value")))?;
    let keyword = keyword.trim();
    let (key, dd_type) = match keyword.strip_prefix('~') {
        Some(dd_type) => (Key::Dd, dd_type.to_owned()),
        None => (
            Key::of_keyword(keyword)
                .filter(|key| *key != Key::Dd)
                .ok_or_else(|| fault(start, format!("`{keyword}` is no keyword")))?,
            String::new(),
        ),
    };
    if value.contains(['$', '~']) || (value != "@" && value.contains('@')) {
        return Err(fault(start, format!("`{value}` is no value")));
    }
    Ok(Level {
        key,
        dd_type,
        value: (value != "@").then(|| value.to_owned()),
    })
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, level) in self.0.iter().rev().enumerate() {
            if index > 0 {
                f.write_str(".")?;
            }
            if level.key == Key::Dd {
                write!(f, "~{}", level.dd_type.replace('.', "\\."))?;
            } else {
                f.write_str(level.key.row().name)?;
            }
            let value = level.value.as_deref().unwrap_or("@");
            write!(f, "${}", value.replace('.', "\\."))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn app_f_3_the_example_usage_reads_and_writes() {
        let role: Prefix = r"~ROLE$Big\.Chief.ADMD$ATT.C$US".parse().unwrap();
        assert_eq!(role.to_string(), r"~ROLE$Big\.Chief.ADMD$ATT.C$US");
        let last = role.levels().last().unwrap();
        assert_eq!(
            (last.dd_type.as_str(), last.value.as_deref()),
            ("ROLE", Some("Big.Chief"))
        );
        let omitted: Prefix = "PRMD$DEC.ADMD$@.C$US".parse().unwrap();
        assert_eq!(omitted.levels()[1].value, None);
        assert_eq!(omitted.fault(), None);
        assert_eq!(omitted.attributes().to_string(), "/PRMD=DEC/C=US/");
        assert_eq!(omitted.to_string(), "PRMD$DEC.ADMD$@.C$US");
    }

    #[test]
    fn app_f_3_b_no_level_is_skipped() {
        let fault = |text: &str| text.parse::<Prefix>().unwrap().fault();
        assert!(fault("O$Xerox.ADMD$ATT.C$US").unwrap().contains("PRMD$@"));
        assert!(fault("OU$a.OU$b.OU$c.OU$d.OU$e.O$f.PRMD$g.ADMD$h.C$US").is_some());
        assert_eq!(fault("OU$a.O$f.PRMD$g.ADMD$ .C$US"), None);
    }

    #[test]
    fn app_f_3_faults_say_where() {
        for (text, offset) in [
            ("PRMD$a.XX$b.C$GB", 7),
            ("PRMD$a.ADMD", 7),
            ("PRMD$a_b", 6),
            ("PRMD$a\\", 6),
            ("O$a@b", 0),
        ] {
            assert_eq!(
                text.parse::<Prefix>().unwrap_err().offset(),
                offset,
                "{text}"
            );
        }
    }
}
