//! What a conversion may know besides the message: who we are, the time, the identifier, the tables.
//!
//! RFC 2156 leaves these to the gateway: its own names (sections 4.3.4, 4.3.5, 5.1.6), the mappings
//! it uses (4.2), and the choices appendix G asks it to state. A conversion reads nothing else, so
//! the same message under the same context gives the same octets.

use serde::{Deserialize, Serialize};

use super::address::Attributes;
use super::address::mcgam::Tables;
use super::domain;
use crate::asn1::mts::GlobalDomainIdentifier;

pub use super::profile::{Attachments, ContentType, Edition, ExtensionType, PeerProfile};

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

impl Context<'_> {
    /// The type of the domain-defined attribute in which the neighbour wants Internet addresses.
    #[must_use]
    pub fn dda_type(&self) -> &str {
        let wanted = self.peer.dda_type.as_deref();
        wanted.unwrap_or(&self.gateway.dda_type)
    }

    /// The global domain identifier by which the neighbour knows us; `None` if it names no country.
    #[must_use]
    pub fn domain(&self) -> Option<GlobalDomainIdentifier> {
        domain::of_address(self.peer.domain.as_ref().unwrap_or(&self.gateway.domain))
    }
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
    /// Further global domain identifiers of ours: what passed one of them was here.
    pub other_global_domains: Vec<Attributes>,
    /// The O/R address under which encapsulated Internet addresses live.
    pub address: Attributes,
    /// Whom a person may ask.
    pub postmaster: String,
    /// Further Internet domains of ours; an O/R address under them is as good as under `name`.
    pub other_domains: Vec<String>,
    /// The type of the domain-defined attribute that carries an Internet address (section 4.3.5).
    /// A gateway to a closed system may take a private one.
    pub dda_type: String,
    /// Whether the MTS identifier is made of the Message-ID where there is one (section 5.1.6), not of
    /// the queue's. Off: copies of a mail that come by several ways would have the same.
    pub message_id_as_mts_identifier: bool,
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
            other_global_domains: Vec::new(),
            address: attributes(&[(C, "XX"), (Admd, " "), (Prmd, "MIXGATE"), (O, "Gateway")]),
            postmaster: "postmaster@gateway.invalid".into(),
            other_domains: Vec::new(),
            dda_type: "RFC-822".into(),
            message_id_as_mts_identifier: false,
        }
    }
}

impl Gateway {
    /// Every global domain identifier of ours.
    pub fn global_domains(&self) -> impl Iterator<Item = &Attributes> {
        std::iter::once(&self.domain).chain(&self.other_global_domains)
    }

    /// Whether `domain` is one of ours, whatever its case.
    #[must_use]
    pub fn is_ours(&self, domain: &str) -> bool {
        let domain = domain.strip_suffix('.').unwrap_or(domain);
        std::iter::once(&self.name)
            .chain(&self.other_domains)
            .any(|ours| ours.eq_ignore_ascii_case(domain))
    }
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
