//! What an X.400 neighbour can read, and wants: profiles as data, layer upon layer.
//!
//! A profile says what we send. What deployed systems send is read whoever sends it, so no profile
//! can make us deaf; docs/peers.md lists both, and how to write a profile after reading a capture.

mod fit;

#[cfg(test)]
mod quirks;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use fit::INTERNAL_TRACE_INFORMATION;

use super::address::Attributes;
use crate::asn1::native::ExtensionForm;

/// The profiles that come with the gateway, by name.
pub const SHIPPED: &[(&str, &str)] = &[
    (
        "exchange-5.5",
        include_str!("../../mappings/peers/exchange-5.5.toml"),
    ),
    (
        "m-switch",
        include_str!("../../mappings/peers/m-switch.toml"),
    ),
    ("pp", include_str!("../../mappings/peers/pp.toml")),
];

/// What an X.400 neighbour can read, and wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct PeerProfile {
    /// How the type of an extension field is written (`1988` is what the first systems read).
    pub extension_type: ExtensionType,
    /// The content type of IPMs.
    pub content: ContentType,
    /// The edition of X.400 it speaks (appendix B governs `1984`).
    pub edition: Edition,
    /// The body part that carries what has no equivalence (RFC 2157 section 5).
    pub attachments: Attachments,
    /// Whether text in ISO 8859 repertoires goes as GeneralText; otherwise it goes as an attachment.
    pub general_text: bool,
    /// Whether per-message and per-recipient extension fields may be sent at all.
    pub extensions: bool,
    /// The type of the domain-defined attribute for Internet addresses, if not that of
    /// `[gateway] dda-type`; `MSXENCAP` stands for that attribute, which says `SMTP`, and one of
    /// that type.
    pub dda_type: Option<String>,
    /// By which of our global domain identifiers it knows us, if not by `[gateway] domain`.
    pub domain: Option<Attributes>,
    /// Which trace it is shown (section 5.1.6 leaves that to the MTA).
    pub tracing: Tracing,
    /// What it wants otherwise in the address of an originator; the first that applies is done.
    pub originator: Vec<Substitution>,
}

impl Default for PeerProfile {
    fn default() -> Self {
        Self {
            extension_type: ExtensionType::default(),
            content: ContentType::default(),
            edition: Edition::default(),
            attachments: Attachments::default(),
            general_text: true,
            extensions: true,
            dda_type: None,
            domain: None,
            tracing: Tracing::default(),
            originator: Vec::new(),
        }
    }
}

impl PeerProfile {
    /// The profile that these layers make up: each key is as the last layer that has it says.
    ///
    /// # Errors
    /// None, as each layer alone is a profile; the type does not know that.
    pub fn of<'a>(layers: impl IntoIterator<Item = &'a Layer>) -> Result<Self, toml::de::Error> {
        let mut table = toml::Table::new();
        for Layer(keys) in layers {
            table.extend(keys.clone());
        }
        table.try_into()
    }

    /// How extension types are written.
    #[must_use]
    pub fn form(&self) -> ExtensionForm {
        match self.extension_type {
            ExtensionType::Explicit => ExtensionForm::Explicit,
            ExtensionType::Implicit => ExtensionForm::Implicit,
        }
    }
}

/// Some keys of a profile: those of a file, or those that one peer has otherwise.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "toml::Table", into = "toml::Table")]
pub struct Layer(toml::Table);

impl Layer {
    /// Reads a file.
    ///
    /// # Errors
    /// A key that no profile has, or a value it cannot have; the error knows the place.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str::<PeerProfile>(text)?;
        text.parse().map(Self)
    }

    /// The profile of this name that comes with the gateway.
    #[must_use]
    pub fn shipped(name: &str) -> Option<Result<Self, toml::de::Error>> {
        let mut shipped = SHIPPED.iter();
        let (_, text) = shipped.find(|(known, _)| *known == name)?;
        Some(Self::parse(text))
    }
}

impl TryFrom<toml::Table> for Layer {
    type Error = toml::de::Error;

    fn try_from(table: toml::Table) -> Result<Self, Self::Error> {
        table.clone().try_into::<PeerProfile>()?;
        Ok(Self(table))
    }
}

impl From<Layer> for toml::Table {
    fn from(layer: Layer) -> Self {
        layer.0
    }
}

/// How `ExtensionField.type` is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExtensionType {
    /// An explicitly tagged INTEGER (`a0 03 02 01 nn`).
    #[serde(rename = "1988")]
    Explicit,
    /// The later standard-extension choice (`80 01 nn`).
    #[default]
    #[serde(rename = "1992")]
    Implicit,
}

/// The content type under which IPMs travel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ContentType {
    /// 2 where nothing of 1988 is used, else 22 (section 5.1.3).
    #[default]
    Auto,
    /// Always 22.
    #[serde(rename = "p22")]
    P22,
    /// Always 2.
    #[serde(rename = "p2")]
    P2,
}

/// The edition of X.400 a neighbour speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Edition {
    /// X.400 (1984): no extensions, no teletex addresses, no common name.
    #[serde(rename = "1984")]
    Of1984,
    /// X.400 (1988) and later.
    #[default]
    #[serde(rename = "1988")]
    Of1988,
}

/// The body part that carries a MIME part without an equivalence (RFC 2157 section 3.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attachments {
    /// file-transfer-body-part.
    #[default]
    Ftbp,
    /// An externally defined MIME body part (body part 15).
    Bp15,
    /// bilaterally-defined (body part 14): the content alone.
    Bp14,
    /// IA5 text in the form of RFC 1496.
    Ia5,
}

/// Which trace a neighbour is shown. Our own domain always stays in the trace of domains: by it a
/// message that comes back is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tracing {
    /// All of it.
    #[default]
    All,
    /// Of MTAs only those of our own domain.
    LocalInternal,
    /// No trace of MTAs.
    Nointernal,
    /// No trace of MTAs, and of domains our own alone: an ADMD may refuse mail of others.
    Admd,
}

/// What is written in place of some attributes of an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Substitution {
    /// The attributes an address must have, whatever their case.
    pub from: Attributes,
    /// What it has in their place.
    pub to: Attributes,
}
