//! What a conversion may know besides the message: who we are, the time, the identifier, the tables.
//!
//! RFC 2156 leaves these to the gateway: its own names (sections 4.3.4, 4.3.5, 5.1.6), the mappings
//! it uses (4.2), and the choices appendix G asks it to state. A conversion reads nothing else, so
//! the same message under the same context gives the same octets.

use serde::{Deserialize, Serialize};

use super::address::Attributes;
use super::address::mcgam::Tables;

/// Everything a conversion may know besides the message.
#[derive(Debug, Clone)]
pub struct Context<'a> {
    /// The identifier of the queue item: a ULID in text. New identifiers and boundaries derive from it.
    pub id: String,
    /// The time of conversion, with the offset of the place.
    pub now: jiff::Zoned,
    /// Who we are.
    pub gateway: &'a Gateway,
    /// The mapping tables.
    pub tables: &'a Tables,
    /// What the X.400 neighbour on the other end wants.
    pub peer: &'a PeerProfile,
}

/// Who the gateway is: table `[gateway]` of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Gateway {
    /// Its Internet domain; encapsulated O/R addresses live under it.
    pub name: String,
    /// Its X.400 MTA name.
    pub mta: String,
    /// Its global domain identifier: country, ADMD, PRMD.
    pub domain: Attributes,
    /// The O/R address under which encapsulated Internet addresses live.
    pub address: Attributes,
    /// Whom a person may ask.
    pub postmaster: String,
    /// Further Internet domains of ours; an O/R address under them is as good as under `name`.
    pub other_domains: Vec<String>,
    /// The type of the domain-defined attribute that carries an Internet address (section 4.3.5).
    /// A gateway to a closed system may take a private one.
    pub dda_type: String,
}

impl Default for Gateway {
    /// A gateway of no place: reserved domain, reserved country.
    fn default() -> Self {
        let attributes = |pairs: &[(super::address::Key, &str)]| {
            pairs
                .iter()
                .map(|(key, value)| super::address::Attribute::new(*key, *value))
                .collect::<Attributes>()
        };
        use super::address::Key::{Admd, C, O, Prmd};
        Self {
            name: "gateway.invalid".into(),
            mta: "MIXGATE".into(),
            domain: attributes(&[(C, "XX"), (Admd, " "), (Prmd, "MIXGATE")]),
            address: attributes(&[(C, "XX"), (Admd, " "), (Prmd, "MIXGATE"), (O, "Gateway")]),
            postmaster: "postmaster@gateway.invalid".into(),
            other_domains: Vec::new(),
            dda_type: "RFC-822".into(),
        }
    }
}

impl Gateway {
    /// Whether `domain` is one of ours, whatever its case.
    #[must_use]
    pub fn is_ours(&self, domain: &str) -> bool {
        let domain = domain.strip_suffix('.').unwrap_or(domain);
        std::iter::once(&self.name)
            .chain(&self.other_domains)
            .any(|ours| ours.eq_ignore_ascii_case(domain))
    }
}

/// What an X.400 neighbour can read, and wants: keys of `[[x400.peer]]` or of a profile.
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
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_reads_as_printed() {
        let gateway: Gateway = toml::from_str(
            r#"
            name = "gw.example.org"
            mta = "GW"
            domain = "/PRMD=EXAMPLE/ADMD= /C=GB/"
            address = "/O=Gateway/PRMD=EXAMPLE/ADMD= /C=GB/"
            postmaster = "postmaster@example.org"
            other-domains = ["x400.example.org"]
            "#,
        )
        .unwrap();
        assert_eq!(gateway.domain.to_string(), "/PRMD=EXAMPLE/ADMD= /C=GB/");
        assert!(gateway.is_ours("X400.Example.org."));
        let defaults = toml::to_string(&Gateway::default()).unwrap();
        assert_eq!(
            toml::from_str::<Gateway>(&defaults).unwrap(),
            Gateway::default()
        );
        assert!(toml::from_str::<Gateway>("nmae = 'x'").is_err());
    }
}
