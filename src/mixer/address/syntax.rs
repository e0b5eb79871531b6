//! What values mean and which sets of attributes make an address: encodings, forms, bounds.
//!
//! RFC 2156 section 4.1.1 (encodings), section 4.3.4 Stage I steps 5, 6, 7 and 9; X.402 clause 18.5
//! (forms of O/R addresses); the bounds of X.411 annex B.

use super::attributes::{Attribute, Attributes, Encoding, Key};
use super::fault::Fault;
use super::psap;
use crate::mixer::basic::printable::is_numeric;
use crate::mixer::basic::teletex;

/// The clause of the encodings.
const ENCODINGS: &str = "4.1.1";
/// The clause of the bounds.
const BOUNDS: &str = "X.411 annex B";

/// The terminal types X.402 names, with their numbers (RFC 2156 section 4.1.1).
pub const TERMINAL_TYPES: &[(&str, u32)] = &[
    ("tlx", 3),
    ("ttx", 4),
    ("g3fax", 5),
    ("g4fax", 6),
    ("ia5", 7),
    ("vtx", 8),
];

/// The printable and the teletex form of a value, each if it is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forms {
    /// Octets of a PrintableString.
    pub printable: Option<Vec<u8>>,
    /// Octets of a TeletexString.
    pub teletex: Option<Vec<u8>>,
}

/// The octets of a PrintableString from its text.
///
/// Systems put characters beyond the repertoire into PrintableStrings. Where RFC 2156 has no text
/// for them they stand as `{095}`, as in teletex strings, so that a reply meets the same octets.
#[must_use]
pub fn printable_octets(text: &str) -> Option<Vec<u8>> {
    teletex::from_text(text)
        .filter(|octets| octets.iter().all(|octet| (0x20..0x7f).contains(octet)))
}

/// The text of a PrintableString; `None` if it holds control or 8-bit octets.
#[must_use]
pub fn printable_text(octets: &[u8]) -> Option<String> {
    let plain = octets.iter().all(|octet| (0x20..0x7f).contains(octet));
    plain.then(|| teletex::to_text(octets))
}

/// The forms of a `teletex-and-or-ps`.
#[must_use]
pub fn forms(value: &str) -> Option<Forms> {
    let Some((printable, teletex)) = value.split_once('*') else {
        return Some(Forms {
            printable: Some(printable_octets(value)?),
            teletex: None,
        });
    };
    let printable = match printable {
        "" => None,
        text => Some(printable_octets(text)?),
    };
    Some(Forms {
        printable,
        teletex: Some(teletex::from_text(teletex)?),
    })
}

impl Forms {
    /// The `teletex-and-or-ps` of these forms (RFC 2156 sections 3.3.4 and 4.1.1): the teletex form
    /// stays out where it says no more than the printable one.
    #[must_use]
    pub fn text(&self) -> String {
        let teletex = self.teletex.as_deref().map(teletex::to_text);
        match (self.printable.as_deref(), teletex) {
            (None, None) => String::new(),
            (None, Some(teletex)) if teletex.is_empty() || teletex.contains('{') => {
                format!("*{teletex}")
            }
            (None, Some(teletex)) => teletex,
            (Some(printable), teletex) => match (printable_text(printable), teletex) {
                (Some(printable), Some(teletex)) if printable != teletex => {
                    format!("{printable}*{teletex}")
                }
                (Some(printable), _) => printable,
                // No PrintableString at all: what it holds is told as teletex octets.
                (None, Some(teletex)) => format!("*{teletex}"),
                (None, None) => format!("*{}", teletex::to_text(printable)),
            },
        }
    }
}

/// The number of a `T-TY`: `ia5(7)`, `(7)`, `7`, or a name X.402 knows.
#[must_use]
pub fn terminal_type(value: &str) -> Option<u32> {
    let named = TERMINAL_TYPES
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(value.trim()));
    let number = |text: &str| text.trim().parse::<u16>().ok().map(u32::from);
    match (named, value.split_once('(')) {
        (Some((_, number)), _) => Some(*number),
        (None, Some((_, rest))) => number(rest.strip_suffix(')')?),
        (None, None) => number(value),
    }
}

/// Why a value is not of the encoding its key demands (Stage I step 5).
#[must_use]
pub fn fault(attribute: &Attribute) -> Option<Fault> {
    let value = attribute.value.as_str();
    let fits = match attribute.key.row().encoding {
        Encoding::Printable => printable_octets(value).is_some(),
        Encoding::Numeric => is_numeric(value),
        Encoding::TeletexAndOrPrintable if attribute.key == Key::Dd => {
            return domain_defined_fault(attribute);
        }
        Encoding::TeletexAndOrPrintable => forms(value).is_some(),
        Encoding::PostalAddress => {
            let (lines, teletex) = value.split_once('*').unwrap_or((value, ""));
            lines
                .split('|')
                .all(|line| printable_octets(line).is_some())
                && teletex::from_text(teletex).is_some()
        }
        Encoding::PresentationAddress => psap::parse(value).is_some(),
        Encoding::LabelledInteger => terminal_type(value).is_some(),
    };
    (!fits).then(|| {
        let what = match attribute.key.row().encoding {
            Encoding::Printable => "a printable string",
            Encoding::Numeric => "a string of digits",
            Encoding::TeletexAndOrPrintable => "a printable string, optionally with `*teletex`",
            Encoding::PostalAddress => "lines separated by `|`, optionally with `*teletex`",
            Encoding::PresentationAddress => "a presentation address (RFC 1278)",
            Encoding::LabelledInteger => "a terminal type such as ia5(7)",
        };
        let name = attribute.key.row().name;
        let text = format!("`{value}` is not a value of {name}: {what}");
        Fault::of(attribute, ENCODINGS, text)
    })
}

/// The octets of a type and of its value.
pub type TypeAndValue = (Vec<u8>, Vec<u8>);

/// The type and value of a domain-defined attribute, aligned: the printable pair, the teletex pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainDefined {
    /// Type and value as PrintableStrings.
    pub printable: Option<TypeAndValue>,
    /// Type and value as TeletexStrings.
    pub teletex: Option<TypeAndValue>,
}

/// Reads a domain-defined attribute; type and value have the same encoding (section 4.1.3), and a
/// type written in printable characters only serves both.
#[must_use]
pub fn domain_defined(attribute: &Attribute) -> Option<DomainDefined> {
    let of_type = forms(&attribute.dd_type)?;
    let of_value = forms(&attribute.value)?;
    let teletex_type = of_type.teletex.clone().or(of_type.printable.clone());
    let printable = match (of_type.printable, of_value.printable) {
        (Some(of_type), Some(of_value)) => Some((of_type, of_value)),
        // A type in teletex only: a plain value is its teletex value.
        (None, Some(plain)) if of_value.teletex.is_none() => {
            return Some(DomainDefined {
                printable: None,
                teletex: Some((teletex_type?, plain)),
            });
        }
        (None, Some(_)) => return None,
        (_, None) => None,
    };
    Some(DomainDefined {
        printable,
        teletex: match of_value.teletex {
            Some(of_value) => Some((teletex_type?, of_value)),
            None => None,
        },
    })
}

/// Why a domain-defined attribute is none.
fn domain_defined_fault(attribute: &Attribute) -> Option<Fault> {
    let text = match attribute.dd_type.as_str() {
        "" => "a domain-defined attribute without a type".to_owned(),
        _ if domain_defined(attribute).is_some() => return None,
        dd_type => {
            let value = &attribute.value;
            format!("`{dd_type}` and `{value}` are no type and value of one encoding")
        }
    };
    Some(Fault::of(attribute, "4.1.3", text))
}

/// Whether an address of the mnemonic form may have `key`.
#[must_use]
pub fn is_mnemonic(key: Key) -> bool {
    key.in_hierarchy() || matches!(key, Key::Cn | Key::S | Key::G | Key::I | Key::Gq | Key::Dd)
}

/// Why `attributes` cannot stand together in any address: extended-network-address is either a
/// number with its sub-address, or a presentation address (X.402 clause 18.3.7).
#[must_use]
pub fn contradiction(attributes: &Attributes) -> Option<Fault> {
    let find = |key| attributes.iter().find(|attribute| attribute.key == key);
    let number = find(Key::NetNum);
    let (attribute, text) = match (number, find(Key::NetSub), find(Key::NetPsap)) {
        (None, Some(sub), _) => (sub, "NET-SUB without the NET-NUM it belongs to"),
        (Some(_), _, Some(psap)) => (psap, "NET-PSAP beside NET-NUM: an address has one of them"),
        _ => return None,
    };
    Some(Fault::of(attribute, "X.402 18.3.7", text))
}

/// The forms of O/R addresses (X.402 clause 18.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A name below a domain.
    Mnemonic,
    /// The number of a user agent.
    Numeric,
    /// A postal address.
    Postal,
    /// The network address of a terminal.
    Terminal,
}

/// The form that `attributes` have all of; what deployed systems send mixes forms, so that more than
/// that may be there.
#[must_use]
pub fn form(attributes: &Attributes) -> Option<Form> {
    let has = |key| attributes.has(key);
    let is_name = |key: Key| is_mnemonic(key) && key > Key::Admd;
    if has(Key::X121) || has(Key::NetNum) || has(Key::NetPsap) {
        Some(Form::Terminal)
    } else if !has(Key::C) || !has(Key::Admd) {
        None
    } else if has(Key::UaId) {
        Some(Form::Numeric)
    } else if has(Key::PdC) && has(Key::PdCode) {
        Some(Form::Postal)
    } else {
        let mut keys = attributes.iter().map(|attribute| attribute.key);
        keys.any(is_name).then_some(Form::Mnemonic)
    }
}

/// Why `attributes` are no complete address (Stage I step 6).
#[must_use]
pub fn incomplete(attributes: &Attributes) -> Option<Fault> {
    let contradiction = contradiction(attributes);
    if let Some(fault) = contradiction.or_else(|| no_surname(attributes)) {
        return Some(fault);
    }
    let has = |key| attributes.has(key);
    let text = match form(attributes) {
        Some(_) => return None,
        None if !has(Key::C) || !has(Key::Admd) => {
            "no country (C) or no administration domain (ADMD)"
        }
        None if has(Key::TId) || has(Key::TTy) => {
            "a terminal without a network address (X121, NET-NUM or NET-PSAP)"
        }
        None if attributes.iter().any(|attribute| attribute.key > Key::Admd) => {
            "a postal address without its country (PD-C) or postal code (PD-CODE)"
        }
        None => "nothing below the administration domain",
    };
    Some(Fault::new("X.402 18.5", text))
}

/// Why the personal name is none: it has no surname (X.402 clause 18.3.12).
fn no_surname(attributes: &Attributes) -> Option<Fault> {
    let is_part = |key| matches!(key, Key::G | Key::I | Key::Gq);
    let part = attributes.iter().find(|part| is_part(part.key))?;
    let fault = || {
        Fault::of(
            part,
            "X.402 18.3.12",
            "a personal name without a surname (S)",
        )
    };
    (!attributes.has(Key::S)).then(fault)
}

/// Whether `attributes` become an address of mnemonic form once a domain adds the top of the
/// hierarchy (Stage I step 7).
#[must_use]
pub fn may_be_mnemonic(attributes: &Attributes) -> bool {
    attributes
        .iter()
        .all(|attribute| is_mnemonic(attribute.key))
        && no_surname(attributes).is_none()
}

/// Why `attributes` exceed a bound of X.411 annex B (Stage I step 9).
#[must_use]
pub fn out_of_bounds(attributes: &Attributes) -> Option<Fault> {
    for (key, what) in [
        (Key::Ou, "organizational units"),
        (Key::Dd, "domain-defined attributes"),
    ] {
        if let Some(fifth) = attributes.iter().filter(|part| part.key == key).nth(4) {
            return Some(Fault::of(fifth, BOUNDS, format!("more than four {what}")));
        }
    }
    attributes.iter().find_map(attribute_out_of_bounds)
}

/// Why `attribute` exceeds a bound.
#[must_use]
pub fn attribute_out_of_bounds(attribute: &Attribute) -> Option<Fault> {
    let row = attribute.key.row();
    let (most_printable, most_teletex) = row.bound;
    let too_long = |octets: Option<&Vec<u8>>, most: usize| octets.is_some_and(|o| o.len() > most);
    let over = match row.encoding {
        Encoding::TeletexAndOrPrintable if attribute.key == Key::Dd => {
            const MOST_TYPE: usize = 8;
            let pair = domain_defined(attribute)?;
            let over = |pair: &Option<TypeAndValue>| {
                pair.as_ref()
                    .is_some_and(|(t, v)| t.len() > MOST_TYPE || v.len() > most_printable)
            };
            over(&pair.printable) || over(&pair.teletex)
        }
        Encoding::TeletexAndOrPrintable => {
            let forms = forms(&attribute.value)?;
            too_long(forms.printable.as_ref(), most_printable)
                || too_long(forms.teletex.as_ref(), most_teletex)
        }
        Encoding::PostalAddress => {
            const MOST_LINES: usize = 6;
            let (lines, teletex) = attribute
                .value
                .split_once('*')
                .unwrap_or((&attribute.value, ""));
            lines.split('|').count() > MOST_LINES
                || lines
                    .split('|')
                    .any(|line| too_long(printable_octets(line).as_ref(), most_printable))
                || too_long(teletex::from_text(teletex).as_ref(), most_teletex)
        }
        Encoding::Printable => {
            too_long(printable_octets(&attribute.value).as_ref(), most_printable)
        }
        Encoding::Numeric => attribute.value.len() > most_printable,
        Encoding::PresentationAddress | Encoding::LabelledInteger => false,
    };
    over.then(|| {
        let text = format!("the value of {} is longer than X.411 allows", row.name);
        Fault::of(attribute, BOUNDS, text)
    })
}

/// Whether two addresses are one: case and spacing do not count, nor does whether the ADMD is a
/// single space or of no length (X.402 clause 18.4).
#[must_use]
pub fn equivalent(one: &Attributes, other: &Attributes) -> bool {
    let plain = |attribute: &Attribute| {
        (
            attribute.key,
            attribute.dd_type.to_ascii_lowercase(),
            super::prefix::squeezed(attribute.key, &attribute.value).to_ascii_lowercase(),
        )
    };
    one.len() == other.len() && one.iter().map(plain).eq(other.iter().map(plain))
}
