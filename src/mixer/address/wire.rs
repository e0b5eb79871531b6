//! O/R addresses between their ASN.1 and their attributes in text.
//!
//! RFC 2156 section 4.1.1: which attribute of MTS.ORAddress each key stands for, and how printable
//! and teletex forms of one attribute share a key.

use super::attributes::{Attribute, Attributes, Key};
use super::psap;
use super::syntax::{self, DomainDefined, Forms};
use crate::asn1::Ber;
use crate::asn1::mts::{
    AdministrationDomainName, BuiltInDomainDefinedAttribute, CountryName, E1634Address,
    ExtendedNetworkAddress, ExtensionAttribute, ORAddress, PDSParameter, PersonalName,
    PhysicalDeliveryCountryName, PostalCode, PresentationAddress, PrivateDomainName,
    TeletexDomainDefinedAttribute, TeletexPersonalName, TerminalType, UnformattedPostalAddress,
};
use crate::asn1::types::{Any, NumericString, PrintableString, SetOf, TeletexString};
use crate::mixer::basic::teletex;
use crate::mixer::outcome::Note;

const COMMON_NAME: i64 = 1;
const TELETEX_COMMON_NAME: i64 = 2;
const TELETEX_ORGANIZATION_NAME: i64 = 3;
const TELETEX_PERSONAL_NAME: i64 = 4;
const TELETEX_ORGANIZATIONAL_UNIT_NAMES: i64 = 5;
const TELETEX_DOMAIN_DEFINED_ATTRIBUTES: i64 = 6;
const PDS_NAME: i64 = 7;
const PHYSICAL_DELIVERY_COUNTRY_NAME: i64 = 8;
const POSTAL_CODE: i64 = 9;
const UNFORMATTED_POSTAL_ADDRESS: i64 = 16;
const EXTENDED_NETWORK_ADDRESS: i64 = 22;
const TERMINAL_TYPE: i64 = 23;

/// The attributes that are a PDSParameter each.
const PDS_PARAMETERS: &[(Key, i64)] = &[
    (Key::PdOffice, 10),
    (Key::PdOfficeNum, 11),
    (Key::PdExtAddress, 12),
    (Key::PdPn, 13),
    (Key::PdO, 14),
    (Key::PdExtDelivery, 15),
    (Key::PdStreet, 17),
    (Key::PdBox, 18),
    (Key::PdRestante, 19),
    (Key::PdUnique, 20),
    (Key::PdLocal, 21),
];

/// The attributes of `address`, and notes of what has no key.
#[must_use]
pub fn attributes(address: &ORAddress) -> (Attributes, Vec<Note>) {
    let mut reader = Reader {
        address,
        attributes: Attributes::new(),
        read: Vec::new(),
    };
    reader.hierarchy();
    reader.personal_name();
    reader.others();
    reader.postal();
    reader.domain_defined();
    let strange = address.extension_attributes.iter().flat_map(|set| &set.0);
    let notes = strange
        .filter(|attribute| !reader.read.contains(&attribute.extension_attribute_type))
        .map(|attribute| Note {
            what: format!("extension-attribute {}", attribute.extension_attribute_type),
            place: "RFC 2156 has no key for it".to_owned(),
            section: "4.1.1",
            lost: true,
        })
        .collect();
    (reader.attributes, notes)
}

struct Reader<'a> {
    address: &'a ORAddress,
    attributes: Attributes,
    /// The extension attributes that were understood.
    read: Vec<i64>,
}

fn octets(string: &(impl AsRef<[u8]> + ?Sized)) -> Vec<u8> {
    string.as_ref().to_vec()
}

impl Reader<'_> {
    fn extension<T: Ber>(&mut self, number: i64) -> Option<T> {
        let value = self.address.extension(number)?;
        self.read.push(number);
        Some(value)
    }

    /// Adds a value that has one form only.
    fn plain(&mut self, key: Key, value: Option<&[u8]>) {
        if let Some(value) = value {
            self.attributes.push(key, teletex::to_text(value));
        }
    }

    /// Adds a value that has two forms, if either is there.
    fn both(&mut self, key: Key, printable: Option<Vec<u8>>, teletex: Option<Vec<u8>>) {
        if printable.is_some() || teletex.is_some() {
            self.attributes
                .push(key, Forms { printable, teletex }.text());
        }
    }

    fn hierarchy(&mut self) {
        let standard = &self.address.built_in_standard_attributes;
        self.plain(
            Key::C,
            standard.country_name.as_ref().map(|country| match country {
                CountryName::Iso3166Alpha2Code(code) => code.as_ref(),
                CountryName::X121DccCode(code) => code.as_ref(),
            }),
        );
        let admd = standard.administration_domain_name.as_ref();
        self.plain(
            Key::Admd,
            admd.map(|domain| match domain {
                AdministrationDomainName::Printable(name) => name.as_ref(),
                AdministrationDomainName::Numeric(name) => name.as_ref(),
            }),
        );
        self.plain(
            Key::Prmd,
            standard
                .private_domain_name
                .as_ref()
                .map(|domain| match domain {
                    PrivateDomainName::Printable(name) => name.as_ref(),
                    PrivateDomainName::Numeric(name) => name.as_ref(),
                }),
        );
        let teletex = self.extension::<TeletexString>(TELETEX_ORGANIZATION_NAME);
        self.both(
            Key::O,
            standard.organization_name.as_ref().map(octets),
            teletex.as_ref().map(octets),
        );
        let units = standard
            .organizational_unit_names
            .as_deref()
            .unwrap_or_default();
        let teletex: Vec<TeletexString> = self
            .extension(TELETEX_ORGANIZATIONAL_UNIT_NAMES)
            .unwrap_or_default();
        for index in 0..units.len().max(teletex.len()) {
            let printable = units.get(index).map(octets);
            self.both(Key::Ou, printable, teletex.get(index).map(octets));
        }
    }

    fn personal_name(&mut self) {
        let name = self
            .address
            .built_in_standard_attributes
            .personal_name
            .as_ref();
        let teletex = self.extension::<TeletexPersonalName>(TELETEX_PERSONAL_NAME);
        let teletex = teletex.as_ref();
        self.both(
            Key::S,
            name.map(|n| octets(&n.surname)),
            teletex.map(|n| octets(&n.surname)),
        );
        let given = |n: &PersonalName| n.given_name.as_ref().map(octets);
        let teletex_given = teletex.and_then(|n| n.given_name.as_ref().map(octets));
        self.both(Key::G, name.and_then(given), teletex_given);
        let initials = |n: &PersonalName| n.initials.as_ref().map(octets);
        let teletex_initials = teletex.and_then(|n| n.initials.as_ref().map(octets));
        self.both(Key::I, name.and_then(initials), teletex_initials);
        let qualifier = |n: &PersonalName| n.generation_qualifier.as_ref().map(octets);
        let teletex_qualifier = teletex.and_then(|n| n.generation_qualifier.as_ref().map(octets));
        self.both(Key::Gq, name.and_then(qualifier), teletex_qualifier);
    }

    fn others(&mut self) {
        let standard = &self.address.built_in_standard_attributes;
        self.plain(
            Key::X121,
            standard.network_address.as_ref().map(AsRef::as_ref),
        );
        self.plain(
            Key::TId,
            standard.terminal_identifier.as_ref().map(AsRef::as_ref),
        );
        self.plain(
            Key::UaId,
            standard.numeric_user_identifier.as_ref().map(AsRef::as_ref),
        );
        let common: Option<PrintableString> = self.extension(COMMON_NAME);
        let teletex: Option<TeletexString> = self.extension(TELETEX_COMMON_NAME);
        self.both(
            Key::Cn,
            common.as_ref().map(octets),
            teletex.as_ref().map(octets),
        );
        match self.extension(EXTENDED_NETWORK_ADDRESS) {
            Some(ExtendedNetworkAddress::E1634Address(number)) => {
                self.plain(Key::NetNum, Some(number.number.as_ref()));
                self.plain(Key::NetSub, number.sub_address.as_ref().map(AsRef::as_ref));
            }
            Some(ExtendedNetworkAddress::PsapAddress(psap)) => {
                let text = psap::PresentationAddress {
                    p_selector: psap.p_selector.as_ref().map(octets),
                    s_selector: psap.s_selector.as_ref().map(octets),
                    t_selector: psap.t_selector.as_ref().map(octets),
                    n_addresses: psap.n_addresses.0.iter().map(octets).collect(),
                };
                self.attributes.push(Key::NetPsap, text.to_string());
            }
            None => {}
        }
        if let Some(TerminalType(number)) = self.extension(TERMINAL_TYPE) {
            let named = syntax::TERMINAL_TYPES
                .iter()
                .find(|(_, n)| i64::from(*n) == number);
            let label = named.map_or("", |(name, _)| name);
            self.attributes.push(Key::TTy, format!("{label}({number})"));
        }
    }

    fn postal(&mut self) {
        let service: Option<PrintableString> = self.extension(PDS_NAME);
        self.plain(Key::PdService, service.as_ref().map(AsRef::as_ref));
        let country: Option<PhysicalDeliveryCountryName> =
            self.extension(PHYSICAL_DELIVERY_COUNTRY_NAME);
        self.plain(
            Key::PdC,
            country.as_ref().map(|country| match country {
                PhysicalDeliveryCountryName::Iso3166Alpha2Code(code) => code.as_ref(),
                PhysicalDeliveryCountryName::X121DccCode(code) => code.as_ref(),
            }),
        );
        let code: Option<PostalCode> = self.extension(POSTAL_CODE);
        self.plain(
            Key::PdCode,
            code.as_ref().map(|code| match code {
                PostalCode::PrintableCode(code) => code.as_ref(),
                PostalCode::NumericCode(code) => code.as_ref(),
            }),
        );
        for (key, number) in PDS_PARAMETERS {
            if let Some(parameter) = self.extension::<PDSParameter>(*number) {
                let printable = parameter.printable_string.as_ref().map(octets);
                self.both(
                    *key,
                    printable,
                    parameter.teletex_string.as_ref().map(octets),
                );
            }
        }
        let address = self.extension::<UnformattedPostalAddress>(UNFORMATTED_POSTAL_ADDRESS);
        if let Some(address) = address {
            let lines = address.printable_address.iter().flatten();
            let lines: Vec<String> = lines.map(|line| teletex::to_text(line.as_ref())).collect();
            let mut text = lines.join("|");
            if let Some(teletex) = &address.teletex_string {
                text.push('*');
                text.push_str(&teletex::to_text(teletex.as_ref()));
            }
            self.attributes.push(Key::PdAddress, text);
        }
    }

    /// Printable attributes in their order, each with the teletex attribute of its type; then the
    /// teletex attributes that are left.
    fn domain_defined(&mut self) {
        let printable = self
            .address
            .built_in_domain_defined_attributes
            .iter()
            .flatten();
        let mut teletex: Vec<Option<TeletexDomainDefinedAttribute>> = self
            .extension::<Vec<_>>(TELETEX_DOMAIN_DEFINED_ATTRIBUTES)
            .unwrap_or_default()
            .into_iter()
            .map(Some)
            .collect();
        for attribute in printable {
            let same_type = |other: &&mut Option<TeletexDomainDefinedAttribute>| {
                let other = other.as_ref().map(|other| other.r#type.as_ref());
                other.is_some_and(|t: &[u8]| t.eq_ignore_ascii_case(attribute.r#type.as_ref()))
            };
            let other = teletex.iter_mut().find(same_type).and_then(Option::take);
            let of_type = Forms {
                printable: Some(octets(&attribute.r#type)),
                teletex: None,
            };
            let of_value = Forms {
                printable: Some(octets(&attribute.value)),
                teletex: other.map(|other| octets(&other.value)),
            };
            self.attributes
                .push_domain_defined(of_type.text(), of_value.text());
        }
        for attribute in teletex.into_iter().flatten() {
            let text = |octets: Vec<u8>| Forms {
                printable: None,
                teletex: Some(octets),
            };
            let of_type = text(octets(&attribute.r#type)).text();
            let of_value = text(octets(&attribute.value)).text();
            self.attributes.push_domain_defined(of_type, of_value);
        }
    }
}

/// The address that `attributes` make. Values that do not conform to their encoding are left out:
/// [`syntax::fault`] finds them beforehand.
#[must_use]
pub fn or_address(attributes: &Attributes) -> ORAddress {
    let mut address = ORAddress::default();
    let mut extensions = Extensions(Vec::new());
    write_hierarchy(attributes, &mut address, &mut extensions);
    write_personal_name(attributes, &mut address, &mut extensions);
    write_others(attributes, &mut address, &mut extensions);
    write_postal(attributes, &mut extensions);
    write_domain_defined(attributes, &mut address, &mut extensions);
    if !extensions.0.is_empty() {
        extensions
            .0
            .sort_by_key(|attribute| attribute.extension_attribute_type);
        address.extension_attributes = Some(SetOf(extensions.0));
    }
    address
}

/// The extension attributes written so far.
struct Extensions(Vec<ExtensionAttribute>);

impl Extensions {
    fn add<T: Ber>(&mut self, number: i64, value: Option<T>) {
        if let Some(value) = value {
            self.0.push(ExtensionAttribute {
                extension_attribute_type: number,
                extension_attribute_value: Any::of(&value),
                unknown: Vec::new(),
            });
        }
    }
}

/// The forms of the value of `key`.
fn forms(attributes: &Attributes, key: Key) -> Forms {
    attributes
        .get(key)
        .and_then(syntax::forms)
        .unwrap_or_default()
}

/// The value of `key` as octets.
fn plain(attributes: &Attributes, key: Key) -> Option<Vec<u8>> {
    attributes.get(key).and_then(syntax::printable_octets)
}

/// Whether the value is written as a NumericString: digits and only digits (section 4.1.1).
fn is_number(octets: &[u8]) -> bool {
    !octets.is_empty() && octets.iter().all(u8::is_ascii_digit)
}

fn write_hierarchy(attributes: &Attributes, address: &mut ORAddress, extensions: &mut Extensions) {
    let standard = &mut address.built_in_standard_attributes;
    standard.country_name = plain(attributes, Key::C).map(|value| match is_number(&value) {
        true => CountryName::X121DccCode(value.into()),
        false => CountryName::Iso3166Alpha2Code(value.into()),
    });
    standard.administration_domain_name =
        plain(attributes, Key::Admd).map(|value| match is_number(&value) {
            true => AdministrationDomainName::Numeric(value.into()),
            false => AdministrationDomainName::Printable(value.into()),
        });
    standard.private_domain_name =
        plain(attributes, Key::Prmd).map(|value| match is_number(&value) {
            true => PrivateDomainName::Numeric(value.into()),
            false => PrivateDomainName::Printable(value.into()),
        });
    let organization = forms(attributes, Key::O);
    standard.organization_name = organization.printable.map(PrintableString::from);
    extensions.add(
        TELETEX_ORGANIZATION_NAME,
        organization.teletex.map(TeletexString::from),
    );
    let units: Vec<Forms> = attributes.all(Key::Ou).filter_map(syntax::forms).collect();
    // A sequence has no holes: where one unit lacks the printable form, teletex carries them all.
    if !units.is_empty() && units.iter().all(|unit| unit.printable.is_some()) {
        let names = units.iter().filter_map(|unit| unit.printable.clone());
        standard.organizational_unit_names = Some(names.map(Into::into).collect());
    }
    if units.iter().any(|unit| unit.teletex.is_some()) {
        let names = units
            .into_iter()
            .filter_map(|unit| unit.teletex.or(unit.printable));
        let names: Vec<TeletexString> = names.map(Into::into).collect();
        extensions.add(TELETEX_ORGANIZATIONAL_UNIT_NAMES, Some(names));
    }
}

fn write_personal_name(
    attributes: &Attributes,
    address: &mut ORAddress,
    extensions: &mut Extensions,
) {
    let [surname, given, initials, qualifier] =
        [Key::S, Key::G, Key::I, Key::Gq].map(|key| forms(attributes, key));
    let printable = |forms: &Forms| forms.printable.clone().map(PrintableString::from);
    let has_printable = surname.printable.is_some();
    if let Some(surname) = printable(&surname) {
        address.built_in_standard_attributes.personal_name = Some(PersonalName {
            surname,
            given_name: printable(&given),
            initials: printable(&initials),
            generation_qualifier: printable(&qualifier),
            ..PersonalName::default()
        });
    }
    let all = [&surname, &given, &initials, &qualifier];
    if all.iter().any(|forms| forms.teletex.is_some()) {
        // Without a printable surname there is no printable name: teletex carries all of it.
        let teletex = |forms: Forms| {
            let stand_in = forms.printable.filter(|_| !has_printable);
            forms.teletex.or(stand_in).map(TeletexString::from)
        };
        let stand_in = surname.printable.clone().map(TeletexString::from);
        extensions.add(
            TELETEX_PERSONAL_NAME,
            Some(TeletexPersonalName {
                surname: teletex(surname).or(stand_in).unwrap_or_default(),
                given_name: teletex(given),
                initials: teletex(initials),
                generation_qualifier: teletex(qualifier),
                ..TeletexPersonalName::default()
            }),
        );
    }
}

fn write_others(attributes: &Attributes, address: &mut ORAddress, extensions: &mut Extensions) {
    let standard = &mut address.built_in_standard_attributes;
    standard.network_address = plain(attributes, Key::X121).map(NumericString::from);
    standard.terminal_identifier = plain(attributes, Key::TId).map(PrintableString::from);
    standard.numeric_user_identifier = plain(attributes, Key::UaId).map(NumericString::from);
    let common = forms(attributes, Key::Cn);
    extensions.add(COMMON_NAME, common.printable.map(PrintableString::from));
    extensions.add(TELETEX_COMMON_NAME, common.teletex.map(TeletexString::from));
    let number = plain(attributes, Key::NetNum).map(|number| {
        ExtendedNetworkAddress::E1634Address(E1634Address {
            number: number.into(),
            sub_address: plain(attributes, Key::NetSub).map(Into::into),
        })
    });
    let network = number.or_else(|| {
        let psap = attributes.get(Key::NetPsap).and_then(psap::parse)?;
        Some(ExtendedNetworkAddress::PsapAddress(PresentationAddress {
            p_selector: psap.p_selector.map(Into::into),
            s_selector: psap.s_selector.map(Into::into),
            t_selector: psap.t_selector.map(Into::into),
            n_addresses: SetOf(psap.n_addresses.into_iter().map(Into::into).collect()),
        }))
    });
    extensions.add(EXTENDED_NETWORK_ADDRESS, network);
    let terminal = attributes.get(Key::TTy).and_then(syntax::terminal_type);
    extensions.add(
        TERMINAL_TYPE,
        terminal.map(|number| TerminalType(i64::from(number))),
    );
}

fn write_postal(attributes: &Attributes, extensions: &mut Extensions) {
    let service = plain(attributes, Key::PdService).map(PrintableString::from);
    extensions.add(PDS_NAME, service);
    let country = plain(attributes, Key::PdC).map(|value| match is_number(&value) {
        true => PhysicalDeliveryCountryName::X121DccCode(value.into()),
        false => PhysicalDeliveryCountryName::Iso3166Alpha2Code(value.into()),
    });
    extensions.add(PHYSICAL_DELIVERY_COUNTRY_NAME, country);
    let code = plain(attributes, Key::PdCode).map(|value| match is_number(&value) {
        true => PostalCode::NumericCode(value.into()),
        false => PostalCode::PrintableCode(value.into()),
    });
    extensions.add(POSTAL_CODE, code);
    for (key, number) in PDS_PARAMETERS {
        let parameter = attributes
            .get(*key)
            .and_then(syntax::forms)
            .map(|forms| PDSParameter {
                printable_string: forms.printable.map(PrintableString::from),
                teletex_string: forms.teletex.map(TeletexString::from),
                ..PDSParameter::default()
            });
        extensions.add(*number, parameter);
    }
    let postal = attributes.get(Key::PdAddress).map(|value| {
        let (lines, teletex) = value
            .split_once('*')
            .map_or((value, None), |(l, t)| (l, Some(t)));
        let lines = Some(lines).filter(|lines| !lines.is_empty()).map(|lines| {
            let octets = lines.split('|').filter_map(syntax::printable_octets);
            octets.map(Into::into).collect()
        });
        UnformattedPostalAddress {
            printable_address: lines,
            teletex_string: teletex.and_then(teletex::from_text).map(Into::into),
            ..UnformattedPostalAddress::default()
        }
    });
    extensions.add(UNFORMATTED_POSTAL_ADDRESS, postal);
}

fn write_domain_defined(
    attributes: &Attributes,
    address: &mut ORAddress,
    extensions: &mut Extensions,
) {
    let is_dd = |attribute: &&Attribute| attribute.key == Key::Dd;
    let pairs: Vec<DomainDefined> = attributes
        .iter()
        .filter(is_dd)
        .filter_map(syntax::domain_defined)
        .collect();
    let printable: Vec<BuiltInDomainDefinedAttribute> = pairs
        .iter()
        .filter_map(|pair| pair.printable.clone())
        .map(|(of_type, value)| BuiltInDomainDefinedAttribute {
            r#type: of_type.into(),
            value: value.into(),
        })
        .collect();
    if !printable.is_empty() {
        address.built_in_domain_defined_attributes = Some(printable);
    }
    let teletex: Vec<TeletexDomainDefinedAttribute> = pairs
        .into_iter()
        .filter_map(|pair| pair.teletex)
        .map(|(of_type, value)| TeletexDomainDefinedAttribute {
            r#type: of_type.into(),
            value: value.into(),
        })
        .collect();
    let teletex = Some(teletex).filter(|attributes| !attributes.is_empty());
    extensions.add(TELETEX_DOMAIN_DEFINED_ATTRIBUTES, teletex);
}
