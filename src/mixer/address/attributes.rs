//! The attributes of an O/R address on the text side: keys, encodings, order.
//!
//! RFC 2156 section 4.1.1 (the key table and the alternatives of F.401 annex B) and section 4.3.3
//! (component ordering). Values are kept in the textual encoding the table names, without the `$`
//! quoting, which belongs to [`super::or_address`].

use std::hash::{Hash, Hasher};
use std::ops::Range;

/// What an attribute is. The order is that of the hierarchy: the most significant first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// country-name.
    C,
    /// administration-domain-name.
    Admd,
    /// private-domain-name.
    Prmd,
    /// organization-name and its teletex form.
    O,
    /// An organizational-unit-name and its teletex form; the first is the most significant.
    Ou,
    /// physical-delivery-country-name.
    PdC,
    /// postal-code.
    PdCode,
    /// pds-name.
    PdService,
    /// physical-delivery-office-name.
    PdOffice,
    /// physical-delivery-office-number.
    PdOfficeNum,
    /// physical-delivery-organization-name.
    PdO,
    /// physical-delivery-personal-name.
    PdPn,
    /// extension-OR-address-components.
    PdExtAddress,
    /// extension-physical-delivery-address-components.
    PdExtDelivery,
    /// unformatted-postal-address.
    PdAddress,
    /// street-address.
    PdStreet,
    /// post-office-box-address.
    PdBox,
    /// poste-restante-address.
    PdRestante,
    /// unique-postal-name.
    PdUnique,
    /// local-postal-attributes.
    PdLocal,
    /// extended-network-address, e163-4-address, number.
    NetNum,
    /// extended-network-address, e163-4-address, sub-address.
    NetSub,
    /// extended-network-address, psap-address, in the text of RFC 1278.
    NetPsap,
    /// network-address.
    X121,
    /// terminal-identifier.
    TId,
    /// terminal-type.
    TTy,
    /// numeric-user-identifier.
    UaId,
    /// common-name and its teletex form.
    Cn,
    /// personal-name, generation-qualifier, and its teletex form.
    Gq,
    /// personal-name, surname, and its teletex form.
    S,
    /// personal-name, initials, and its teletex form.
    I,
    /// personal-name, given-name, and its teletex form.
    G,
    /// A domain-defined-attribute and its teletex form; the first is the most significant.
    Dd,
}

/// How the value of an attribute is written (RFC 2156 section 4.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// `P`: a PrintableString.
    Printable,
    /// `N`: a NumericString.
    Numeric,
    /// `P/T`: `printable*teletex`, either part may be missing.
    TeletexAndOrPrintable,
    /// `UPA`: lines separated by a vertical bar, then optionally `*teletex`.
    PostalAddress,
    /// `X`: a presentation address (RFC 1278).
    PresentationAddress,
    /// `I`: an integer with a label.
    LabelledInteger,
}

/// The most characters of the value of a domain-defined attribute (X.411 annex B).
pub const DDA_VALUE: usize = 128;

/// One row of the key table.
#[derive(Debug)]
pub struct KeyRow {
    /// The attribute.
    pub key: Key,
    /// The keyword, as generated.
    pub name: &'static str,
    /// Keywords recognised and never generated.
    pub alternatives: &'static [&'static str],
    /// How the value is written.
    pub encoding: Encoding,
    /// The bounds of the value in characters: of the printable form, of the teletex form.
    pub bound: (usize, usize),
    /// Whether X.400 (1984) has it (RFC 2156 appendix B).
    pub in_1984: bool,
}

/// The key table of RFC 2156 section 4.1.1, most significant first; bounds of X.411 annex B.
pub const KEYS: &[KeyRow] = {
    use Encoding::{
        LabelledInteger as I, Numeric as N, PostalAddress as Upa, PresentationAddress as X,
        Printable as P, TeletexAndOrPrintable as PT,
    };
    const fn row(
        key: Key,
        name: &'static str,
        alternatives: &'static [&'static str],
        encoding: Encoding,
        bound: (usize, usize),
        in_1984: bool,
    ) -> KeyRow {
        KeyRow {
            key,
            name,
            alternatives,
            encoding,
            bound,
            in_1984,
        }
    }
    &[
        row(Key::C, "C", &[], P, (3, 0), true),
        row(Key::Admd, "ADMD", &["A"], P, (16, 0), true),
        row(Key::Prmd, "PRMD", &["P"], P, (16, 0), true),
        row(Key::O, "O", &[], PT, (64, 64), true),
        row(Key::Ou, "OU", &[], PT, (32, 32), true),
        row(Key::PdC, "PD-C", &[], P, (3, 0), false),
        row(Key::PdCode, "PD-CODE", &["PD-PC"], P, (16, 0), false),
        row(Key::PdService, "PD-SERVICE", &["PD-SN"], P, (16, 0), false),
        row(Key::PdOffice, "PD-OFFICE", &["PD-OF"], PT, (30, 30), false),
        row(
            Key::PdOfficeNum,
            "PD-OFFICE-NUM",
            &["PD-OFFICE NUMBER", "PD-OFN"],
            PT,
            (30, 30),
            false,
        ),
        row(Key::PdO, "PD-O", &[], PT, (30, 30), false),
        row(Key::PdPn, "PD-PN", &[], PT, (30, 30), false),
        row(
            Key::PdExtAddress,
            "PD-EXT-ADDRESS",
            &["PD-EA"],
            PT,
            (30, 30),
            false,
        ),
        row(
            Key::PdExtDelivery,
            "PD-EXT-DELIVERY",
            &["PD-ED"],
            PT,
            (30, 30),
            false,
        ),
        row(
            Key::PdAddress,
            "PD-ADDRESS",
            &["PD-A"],
            Upa,
            (30, 180),
            false,
        ),
        row(Key::PdStreet, "PD-STREET", &["PD-S"], PT, (30, 30), false),
        row(Key::PdBox, "PD-BOX", &["PD-B"], PT, (30, 30), false),
        row(
            Key::PdRestante,
            "PD-RESTANTE",
            &["PD-R"],
            PT,
            (30, 30),
            false,
        ),
        row(Key::PdUnique, "PD-UNIQUE", &["PD-U"], PT, (30, 30), false),
        row(Key::PdLocal, "PD-LOCAL", &["PD-L"], PT, (30, 30), false),
        row(Key::NetNum, "NET-NUM", &["E.164"], N, (15, 0), false),
        row(Key::NetSub, "NET-SUB", &[], N, (40, 0), false),
        row(
            Key::NetPsap,
            "NET-PSAP",
            &["PSAP"],
            X,
            (usize::MAX, 0),
            false,
        ),
        row(Key::X121, "X121", &["X.121"], N, (16, 0), true),
        row(Key::TId, "T-ID", &[], P, (24, 0), true),
        row(Key::TTy, "T-TY", &[], I, (usize::MAX, 0), false),
        row(Key::UaId, "UA-ID", &["N-ID"], N, (32, 0), true),
        row(Key::Cn, "CN", &[], PT, (64, 64), false),
        row(Key::Gq, "GQ", &["Q"], PT, (3, 3), true),
        row(Key::S, "S", &[], PT, (40, 40), true),
        row(Key::I, "I", &[], PT, (5, 5), true),
        row(Key::G, "G", &[], PT, (16, 16), true),
        row(Key::Dd, "DD", &["DDA"], PT, (128, 128), true),
    ]
};

impl Key {
    /// The row of the key table.
    #[must_use]
    pub fn row(self) -> &'static KeyRow {
        // The table holds every key once, in the order of `Key`; a test says so.
        static EMPTY: KeyRow = KeyRow {
            key: Key::C,
            name: "",
            alternatives: &[],
            encoding: Encoding::Printable,
            bound: (0, 0),
            in_1984: false,
        };
        KEYS.get(self as usize).unwrap_or(&EMPTY)
    }

    /// The key a keyword names, whatever its case; alternatives count.
    #[must_use]
    pub fn of_keyword(keyword: &str) -> Option<Key> {
        KEYS.iter()
            .find(|row| {
                row.name.eq_ignore_ascii_case(keyword)
                    || row
                        .alternatives
                        .iter()
                        .any(|alternative| alternative.eq_ignore_ascii_case(keyword))
            })
            .map(|row| row.key)
    }

    /// Whether the attribute belongs to the hierarchy that domains can name (section 4.2).
    #[must_use]
    pub fn in_hierarchy(self) -> bool {
        self <= Key::Ou
    }

    /// Whether several values may stand in one address.
    #[must_use]
    pub fn repeats(self) -> bool {
        matches!(self, Key::Ou | Key::Dd)
    }
}

/// One attribute. Where it was written is no part of what it is: it does not count in comparisons.
#[derive(Debug, Clone)]
pub struct Attribute {
    /// What it is.
    pub key: Key,
    /// The type of a domain-defined attribute; empty for all others.
    pub dd_type: String,
    /// The value, in the encoding of the key table.
    pub value: String,
    /// The octets of the text, keyword and value, that it was read from, if it was.
    pub span: Option<Range<usize>>,
}

impl PartialEq for Attribute {
    fn eq(&self, other: &Self) -> bool {
        (self.key, &self.dd_type, &self.value) == (other.key, &other.dd_type, &other.value)
    }
}

impl Eq for Attribute {}

impl Hash for Attribute {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.key, &self.dd_type, &self.value).hash(state);
    }
}

impl Attribute {
    /// An attribute other than a domain-defined one.
    #[must_use]
    pub fn new(key: Key, value: impl Into<String>) -> Self {
        Self {
            key,
            dd_type: String::new(),
            value: value.into(),
            span: None,
        }
    }

    /// A domain-defined attribute.
    #[must_use]
    pub fn domain_defined(dd_type: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            key: Key::Dd,
            dd_type: dd_type.into(),
            value: value.into(),
            span: None,
        }
    }

    /// The same attribute, read from these octets of a text.
    #[must_use]
    pub fn written_at(self, span: Range<usize>) -> Self {
        Self {
            span: Some(span),
            ..self
        }
    }
}

/// The attributes of an O/R address, most significant first.
///
/// Organizational units and domain-defined attributes keep the order of their SEQUENCE.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Attributes(Vec<Attribute>);

impl Attributes {
    /// No attributes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// All of them, most significant first.
    pub fn iter(&self) -> std::slice::Iter<'_, Attribute> {
        self.0.iter()
    }

    /// The value of `key`, the most significant if it repeats.
    #[must_use]
    pub fn get(&self, key: Key) -> Option<&str> {
        self.all(key).next()
    }

    /// All values of `key`, most significant first.
    pub fn all(&self, key: Key) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |attribute| attribute.key == key)
            .map(|attribute| attribute.value.as_str())
    }

    /// Whether `key` is there.
    #[must_use]
    pub fn has(&self, key: Key) -> bool {
        self.get(key).is_some()
    }

    /// The value of the domain-defined attribute of type `dd_type`, whatever its case.
    #[must_use]
    pub fn domain_defined(&self, dd_type: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|attribute| {
                attribute.key == Key::Dd && attribute.dd_type.eq_ignore_ascii_case(dd_type)
            })
            .map(|attribute| attribute.value.as_str())
    }

    /// Adds a value in its place: after all that are as significant.
    pub fn push(&mut self, key: Key, value: impl Into<String>) {
        self.place(Attribute::new(key, value));
    }

    /// Adds a domain-defined attribute, less significant than those already there.
    pub fn push_domain_defined(&mut self, dd_type: impl Into<String>, value: impl Into<String>) {
        self.place(Attribute::domain_defined(dd_type, value));
    }

    /// Adds a value as domain-defined attributes of as many of these types, in turn, as it needs;
    /// whether they hold all of it.
    pub fn push_continued<'t>(
        &mut self,
        dd_types: impl IntoIterator<Item = &'t str>,
        value: &str,
    ) -> bool {
        let mut left = value;
        for dd_type in dd_types {
            let (now, later) = left.split_at_checked(DDA_VALUE).unwrap_or((left, ""));
            self.push_domain_defined(dd_type, now);
            left = later;
            if left.is_empty() {
                return true;
            }
        }
        false
    }

    /// Adds an attribute in its place.
    pub fn place(&mut self, attribute: Attribute) {
        let at = self.0.partition_point(|other| other.key <= attribute.key);
        self.0.insert(at, attribute);
    }

    /// Removes the attributes for which `unwanted` holds.
    pub fn remove(&mut self, mut unwanted: impl FnMut(&Attribute) -> bool) {
        self.0.retain(|attribute| !unwanted(attribute));
    }
}

impl<'a> IntoIterator for &'a Attributes {
    type Item = &'a Attribute;
    type IntoIter = std::slice::Iter<'a, Attribute>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl FromIterator<Attribute> for Attributes {
    fn from_iter<I: IntoIterator<Item = Attribute>>(attributes: I) -> Self {
        let mut placed = Self::new();
        for attribute in attributes {
            placed.place(attribute);
        }
        placed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4_1_1_every_key_stands_once_and_in_order() {
        for (index, row) in KEYS.iter().enumerate() {
            assert_eq!(row.key as usize, index, "{}", row.name);
            assert_eq!(row.key.row().name, row.name);
            assert_eq!(
                Key::of_keyword(&row.name.to_ascii_lowercase()),
                Some(row.key)
            );
            for alternative in row.alternatives {
                assert_eq!(Key::of_keyword(alternative), Some(row.key), "{alternative}");
            }
        }
        assert_eq!(KEYS.len(), Key::Dd as usize + 1);
    }
}
