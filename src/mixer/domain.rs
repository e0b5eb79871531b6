//! Global domain identifiers: country, ADMD and PRMD, of attributes and as text.
//!
//! RFC 2156 section 5.3.3.2.

use super::address::{Attributes, Key, or_address};
use super::basic::printable::is_numeric;
use crate::asn1::mts::{
    AdministrationDomainName, CountryName, GlobalDomainIdentifier, PrivateDomainIdentifier,
};

/// The identifier of the domain an address lies in; `None` if it names no country.
///
/// Without an ADMD that is a single space, which stands for any (section 4.1.3).
#[must_use]
pub fn of_address(address: &Attributes) -> Option<GlobalDomainIdentifier> {
    let numeric = |value: &str| is_numeric(value) && !value.trim().is_empty();
    let country = address.get(Key::C).filter(|country| !country.is_empty())?;
    let country = country.to_ascii_uppercase();
    let admd = address
        .get(Key::Admd)
        .filter(|admd| !admd.is_empty())
        .unwrap_or(" ");
    let prmd = address.get(Key::Prmd).filter(|prmd| !prmd.is_empty());
    Some(GlobalDomainIdentifier {
        country_name: if numeric(&country) {
            CountryName::X121DccCode(country.as_str().into())
        } else {
            CountryName::Iso3166Alpha2Code(country.as_str().into())
        },
        administration_domain_name: if numeric(admd) {
            AdministrationDomainName::Numeric(admd.into())
        } else {
            AdministrationDomainName::Printable(admd.into())
        },
        private_domain_identifier: prmd.map(|prmd| {
            if numeric(prmd) {
                PrivateDomainIdentifier::Numeric(prmd.into())
            } else {
                PrivateDomainIdentifier::Printable(prmd.into())
            }
        }),
    })
}

/// The domain as attributes of an address.
#[must_use]
pub fn attributes(domain: &GlobalDomainIdentifier) -> Attributes {
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    let mut attributes = Attributes::new();
    let country = match &domain.country_name {
        CountryName::Iso3166Alpha2Code(code) => code.as_bytes(),
        CountryName::X121DccCode(code) => code.as_bytes(),
    };
    attributes.push(Key::C, text(country));
    let admd = match &domain.administration_domain_name {
        AdministrationDomainName::Printable(name) => name.as_bytes(),
        AdministrationDomainName::Numeric(name) => name.as_bytes(),
    };
    attributes.push(Key::Admd, text(admd));
    if let Some(prmd) = &domain.private_domain_identifier {
        let prmd = match prmd {
            PrivateDomainIdentifier::Printable(name) => name.as_bytes(),
            PrivateDomainIdentifier::Numeric(name) => name.as_bytes(),
        };
        attributes.push(Key::Prmd, text(prmd));
    }
    attributes
}

/// `global-id`: `/PRMD=HMG/ADMD=GOLD 400/C=GB/`.
#[must_use]
pub fn text(domain: &GlobalDomainIdentifier) -> String {
    attributes(domain).to_string()
}

/// Reads `global-id`.
#[must_use]
pub fn parse(text: &str) -> Option<GlobalDomainIdentifier> {
    of_address(&or_address::parse(text.trim()).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s5_3_3_2_text_of_domains() {
        for stated in ["/PRMD=HMG/ADMD=GOLD 400/C=GB/", "/ADMD= /C=DE/"] {
            let domain = parse(stated).expect("a domain");
            assert_eq!(text(&domain), stated);
        }
        let numeric = parse("/PRMD=12/ADMD=3/C=262/").expect("a domain");
        assert!(matches!(numeric.country_name, CountryName::X121DccCode(_)));
        assert!(matches!(
            numeric.private_domain_identifier,
            Some(PrivateDomainIdentifier::Numeric(_))
        ));
        assert_eq!(parse("/PRMD=x/"), None, "no country");
    }
}
