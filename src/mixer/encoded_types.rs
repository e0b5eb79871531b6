//! Encoded information types: what kinds of content a message holds, and their text.
//!
//! RFC 2156 section 5.3.3.1; the types themselves are those of X.411 clause 8.5.6.

use std::collections::BTreeSet;

use super::basic;
use super::body::equivalence;
use crate::asn1::mts::{BuiltInEncodedInformationTypes, EncodedInformationTypes};
use crate::asn1::types::{ObjectIdentifier, SetOf};

/// The built-in types, by bit, as text.
const BUILT_IN: [&str; 10] = [
    "Undefined",
    "Telex",
    "IA5-Text",
    "G3-Fax",
    "TIF0",
    "Teletex",
    "Videotex",
    "Voice",
    "SFD",
    "TIF1",
];

/// The types of a content: a set that grows as its parts are converted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EncodedTypes {
    built_in: BTreeSet<u32>,
    extended: BTreeSet<ObjectIdentifier>,
}

impl EncodedTypes {
    /// Adds a built-in type by its bit.
    pub fn add_built_in(&mut self, bit: u32) {
        self.built_in.insert(bit);
    }

    /// Adds a type by its object identifier.
    pub fn add(&mut self, arcs: &[u64]) {
        self.extended.insert(equivalence::identifier(arcs));
    }

    /// Adds the type of a registered character set (RFC 2157 section 6.2).
    pub fn add_character_set(&mut self, number: u16) {
        let mut arcs = equivalence::EIT_CHARACTER_SET.to_vec();
        arcs.push(u64::from(number));
        self.add(&arcs);
    }

    /// Adds all of `other`.
    pub fn extend(&mut self, other: Self) {
        self.built_in.extend(other.built_in);
        self.extended.extend(other.extended);
    }

    /// Whether `eit-mixer` is among them.
    #[must_use]
    pub fn is_mixer(&self) -> bool {
        self.extended
            .contains(&equivalence::identifier(equivalence::EIT_MIXER))
    }

    /// Whether there are types besides `eit-mixer` that only systems of 1988 know.
    #[must_use]
    pub fn has_extended_parts(&self) -> bool {
        self.extended.len() > usize::from(self.is_mixer())
    }

    /// The element of an envelope.
    #[must_use]
    pub fn element(&self) -> EncodedInformationTypes {
        let bits: Vec<u32> = self.built_in.iter().copied().collect();
        let extended: SetOf<_> = self.extended.iter().cloned().collect();
        EncodedInformationTypes {
            built_in_encoded_information_types: BuiltInEncodedInformationTypes::of(&bits),
            extended_encoded_information_types: (!extended.is_empty()).then_some(extended),
            ..EncodedInformationTypes::default()
        }
    }

    /// The types of an element; parameters of built-in types are left behind.
    #[must_use]
    pub fn of_element(element: &EncodedInformationTypes) -> Self {
        let types = &element.built_in_encoded_information_types;
        Self {
            built_in: types.0.ones().take(64).collect(),
            extended: element
                .extended_encoded_information_types
                .iter()
                .flatten()
                .cloned()
                .collect(),
        }
    }

    /// `encoded-info`: `IA5-Text, (1) (3) (6) (1) (7) (1) (3) (5)`.
    #[must_use]
    pub fn text(&self) -> String {
        let built_in = self.built_in.iter().map(|bit| {
            let name = usize::try_from(*bit)
                .ok()
                .and_then(|bit| BUILT_IN.get(bit).copied());
            name.unwrap_or("Undefined").to_owned()
        });
        let extended = self.extended.iter().map(|identifier| {
            let arcs = identifier.arcs();
            let arcs = arcs.iter().map(|arc| format!("({arc})"));
            arcs.collect::<Vec<_>>().join(" ")
        });
        built_in.chain(extended).collect::<Vec<_>>().join(", ")
    }

    /// Reads `encoded-info`, names in any case; `None` if an element is neither name nor identifier.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut types = Self::default();
        for word in text
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty())
        {
            let named = BUILT_IN
                .iter()
                .zip(0..)
                .find(|(name, _)| is_named(name, word));
            match named {
                Some((_, bit)) => types.add_built_in(bit),
                None => {
                    let arcs = basic::parse_object_identifier(word)?;
                    let arcs: Vec<u64> = arcs.into_iter().map(u64::from).collect();
                    types.extended.insert(ObjectIdentifier::from_arcs(&arcs)?);
                }
            }
        }
        Some(types)
    }
}

/// Whether `word` names a built-in type; RFC 2156 itself also prints `ia5` and `g3fax`.
fn is_named(name: &str, word: &str) -> bool {
    let plain = |text: &str| text.replace('-', "").to_ascii_lowercase();
    let (name, word) = (plain(name), plain(word));
    name == word || name.strip_suffix("text") == Some(word.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s5_3_3_1_text_and_element() {
        let mut types = EncodedTypes::default();
        types.add_built_in(2);
        types.add(equivalence::EIT_MIXER);
        types.add_character_set(100);
        assert!(types.is_mixer());
        let text = types.text();
        assert_eq!(
            text,
            "IA5-Text, (1) (0) (10021) (7) (1) (0) (100), (1) (3) (6) (1) (7) (1) (3) (5)"
        );
        assert_eq!(EncodedTypes::parse(&text), Some(types.clone()));
        assert_eq!(EncodedTypes::of_element(&types.element()), types);
    }

    #[test]
    fn s5_3_3_1_spellings_of_examples() {
        let types = EncodedTypes::parse("ia5, undefined, g3fax, 1.3.6.1.7.1.3.5").expect("types");
        assert_eq!(
            types.text(),
            "Undefined, IA5-Text, G3-Fax, (1) (3) (6) (1) (7) (1) (3) (5)"
        );
        assert_eq!(EncodedTypes::parse("nonsense"), None);
    }
}
