//! The certificate that comes with a token: whose it is, what its key is for, who vouches for it
//! (X.509 clauses 7 and 9, RFC 5280 section 6, X.402 annex: mta-name); no I/O.

use std::time::Duration;

use jiff::Timestamp;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{
    EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter, RequiredEkuNotFoundContext,
};

use super::Fault;
use crate::asn1;
use crate::asn1::mts::{CertifiedMTAName, GlobalDomainIdentifier};
use crate::asn1::oids;
use crate::asn1::tlv::Tag;
use crate::asn1::types::{Any, ObjectIdentifier};
use crate::asn1::x509::{Certificate, DistinguishedName, GeneralName, GeneralNames, KeyUsage};

/// What a certificate says.
#[derive(Debug)]
pub(super) struct Subject {
    /// Its subject as RFC 4514 writes it: `CN=HUB,O=Example,C=GB`.
    text: String,
    common_name: Option<String>,
    dns_names: Vec<String>,
    mta_names: Vec<CertifiedMTAName>,
    /// What the key is for; `None`: anything.
    usage: Option<KeyUsage>,
}

impl Subject {
    /// Reads a certificate.
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Result<Self, Fault> {
        let octets = bytes::Bytes::copy_from_slice(certificate);
        let unreadable = |fault: asn1::DecodeError| Fault::Certificate(fault.to_string());
        let certificate: Certificate = asn1::decode(&octets).map_err(unreadable)?;
        let mut subject = Self {
            text: text(&certificate.tobesigned.subject),
            common_name: attributes(&certificate.tobesigned.subject)
                .find(|(kind, _)| *kind == &oids::ID_AT_COMMONNAME)
                .map(|(_, value)| characters(value)),
            dns_names: Vec::new(),
            mta_names: Vec::new(),
            usage: None,
        };
        for extension in certificate.tobesigned.extensions.unwrap_or_default() {
            let value = &extension.extnvalue.0;
            if extension.extnid == oids::ID_CE_KEYUSAGE {
                subject.usage = Some(asn1::decode(value).map_err(unreadable)?);
            } else if extension.extnid == oids::ID_CE_SUBJECTALTNAME {
                let names: GeneralNames = asn1::decode(value).map_err(unreadable)?;
                for name in names {
                    match name {
                        GeneralName::DNSName(name) => {
                            let name = String::from_utf8_lossy(&name.0).into_owned();
                            subject.dns_names.push(name);
                        }
                        GeneralName::OtherName(name) if name.type_id == oids::ID_SAN_MTA_NAME => {
                            let name = name.value.decode().map_err(unreadable)?;
                            subject.mta_names.push(name);
                        }
                        _ => {}
                    }
                }
            }
        }
        Ok(subject)
    }

    /// Whether it is of `name`: an MTA name (that of X.402, in `domain` if that is given, or the
    /// common name), a DNS name, or the whole subject.
    pub(super) fn judge(
        &self,
        name: &str,
        domain: Option<&GlobalDomainIdentifier>,
    ) -> Result<(), Fault> {
        let is_mta = |known: &CertifiedMTAName| {
            let here = domain.is_none_or(|domain| super::same_domain(domain, &known.domain));
            known.mta_name.0 == name.as_bytes() && here
        };
        let mut dns = self.dns_names.iter();
        if self.mta_names.iter().any(is_mta)
            || self.common_name.as_deref() == Some(name)
            || dns.any(|known| known.eq_ignore_ascii_case(name))
            || (name.contains('=') && normal(&self.text) == normal(name))
        {
            return Ok(());
        }
        let mta =
            |known: &CertifiedMTAName| String::from_utf8_lossy(&known.mta_name.0).into_owned();
        let mut others = self.dns_names.clone();
        others.extend(self.mta_names.iter().map(mta));
        Err(Fault::Name {
            subject: format!("{:?} {:?}", self.text, others)
                .chars()
                .take(300)
                .collect(),
            wanted: name.to_owned(),
        })
    }

    /// Whether its key is for signatures (X.509 clause 9.2.2.3).
    pub(super) fn judge_usage(&self) -> Result<(), Fault> {
        let signs = |usage: &KeyUsage| {
            usage.contains(KeyUsage::DIGITALSIGNATURE)
                || usage.contains(KeyUsage::CONTENTCOMMITMENT)
        };
        match self.usage.as_ref().is_none_or(signs) {
            true => Ok(()),
            false => Err(Fault::Usage("keyUsage has no digitalSignature")),
        }
    }
}

/// Whether `anchors` vouch at this moment for a certificate by those `between`.
pub(super) fn judge_chain(
    certificate: &EndEntityCert<'_>,
    between: &[CertificateDer<'_>],
    anchors: &[TrustAnchor<'_>],
    now: Timestamp,
) -> Result<(), Fault> {
    use webpki::Error;
    let seconds = u64::try_from(now.as_second()).unwrap_or(0);
    let verified = certificate.verify_for_usage(
        ring::default_provider()
            .signature_verification_algorithms
            .all,
        anchors,
        between,
        UnixTime::since_unix_epoch(Duration::from_secs(seconds)),
        Purpose,
        None,
        None,
    );
    let day = |time: UnixTime| {
        let at = i64::try_from(time.as_secs()).ok();
        let at = at.and_then(|at| Timestamp::from_second(at).ok());
        at.unwrap_or_default().to_string()
    };
    Err(match verified {
        Ok(_) => return Ok(()),
        Err(Error::CertExpired { not_after, .. }) => Fault::Chain(format!(
            "it, or one above it, has expired {}",
            day(not_after)
        )),
        Err(Error::CertNotValidYet { not_before, .. }) => Fault::Chain(format!(
            "it, or one above it, holds from {} on",
            day(not_before)
        )),
        Err(Error::UnknownIssuer) => Fault::Chain(
            "none of our authorities has issued it, nor one above it that came with it".to_owned(),
        ),
        Err(Error::InvalidSignatureForPublicKey) => Fault::Chain(
            "it, or one above it, is not signed by our authority of the name it gives".to_owned(),
        ),
        Err(Error::CaUsedAsEndEntity) => {
            Fault::Chain("it is that of an authority, not of an MTA".to_owned())
        }
        Err(Error::RequiredEkuNotFoundContext(_)) => {
            Fault::Usage("extendedKeyUsage has no purpose an MTA could have")
        }
        Err(Error::UnsupportedSignatureAlgorithmContext(_)) => Fault::Chain(
            "it, or one above it, is signed with an algorithm that is not taken, as SHA-1 and MD5 \
             are not"
                .to_owned(),
        ),
        Err(other) => Fault::Chain(other.to_string().chars().take(200).collect()),
    })
}

/// The purposes of a key that an MTA may have: none said, any, or those of TLS and mail. X.411 names
/// none of its own.
struct Purpose;

impl ExtendedKeyUsageValidator for Purpose {
    fn validate(&self, purposes: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        const ANY: &[usize] = &[2, 5, 29, 37, 0];
        const MAIL: &[usize] = &[1, 3, 6, 1, 5, 5, 7, 3, 4];
        const TAKEN: [&[usize]; 4] = [
            ANY,
            webpki::KeyUsage::CLIENT_AUTH_REPR,
            webpki::KeyUsage::SERVER_AUTH_REPR,
            MAIL,
        ];
        let mut present = Vec::new();
        for purpose in purposes {
            let purpose = purpose?.to_decoded_oid();
            if TAKEN.contains(&purpose.as_slice()) {
                return Ok(());
            }
            present.push(purpose);
        }
        match present.is_empty() {
            true => Ok(()),
            false => Err(webpki::Error::RequiredEkuNotFoundContext(
                RequiredEkuNotFoundContext {
                    required: webpki::KeyUsage::client_auth(),
                    present,
                },
            )),
        }
    }
}

/// What each step of a name says, the root first.
fn attributes(name: &DistinguishedName) -> impl Iterator<Item = (&ObjectIdentifier, &Any)> {
    let steps = name.iter().flat_map(|step| &step.0);
    steps.map(|attribute| (&attribute.r#type, &attribute.value))
}

/// Attribute types that have a short name (RFC 4514 section 3).
static SHORT: [(ObjectIdentifier, &str); 9] = [
    (oids::ID_AT_COMMONNAME, "CN"),
    (oids::ID_AT_LOCALITYNAME, "L"),
    (oids::ID_AT_STATEORPROVINCENAME, "ST"),
    (oids::ID_AT_ORGANIZATIONNAME, "O"),
    (oids::ID_AT_ORGANIZATIONALUNITNAME, "OU"),
    (oids::ID_AT_COUNTRYNAME, "C"),
    (oids::ID_AT_STREETADDRESS, "STREET"),
    (oids::ID_DOMAINCOMPONENT, "DC"),
    (oids::ID_USERID, "UID"),
];

/// A name as RFC 4514 writes it.
fn text(name: &DistinguishedName) -> String {
    let mut steps = Vec::new();
    for step in name.iter().rev() {
        let said = step.0.iter().map(|attribute| {
            let short = SHORT.iter().find(|(kind, _)| *kind == attribute.r#type);
            let kind = match short {
                Some((_, short)) => (*short).to_owned(),
                None => attribute.r#type.to_string(),
            };
            let mut value = String::new();
            for character in characters(&attribute.value).chars() {
                if matches!(character, ',' | '+' | '"' | '\\' | '<' | '>' | ';') {
                    value.push('\\');
                }
                value.push(character);
            }
            format!("{kind}={value}")
        });
        steps.push(said.collect::<Vec<_>>().join("+"));
    }
    steps.join(",")
}

/// The characters of a directory string.
fn characters(value: &Any) -> String {
    let octets = value.string_octets().unwrap_or_default();
    match value.tag() == Tag::universal(30) {
        true => {
            let (pairs, _) = octets.as_chunks::<2>();
            let units: Vec<u16> = pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect();
            String::from_utf16_lossy(&units)
        }
        false => String::from_utf8_lossy(&octets).into_owned(),
    }
}

/// A name without what does not tell names apart: capitals, blanks beside its separators.
fn normal(text: &str) -> String {
    let is_separator = |c: char| matches!(c, ',' | '=' | '+');
    let lower = text.trim().to_lowercase();
    let mut normal = String::new();
    for part in lower.split_inclusive(is_separator) {
        let (word, separator) = match part.char_indices().next_back() {
            Some((at, last)) if is_separator(last) => part.split_at(at),
            _ => (part, ""),
        };
        normal.push_str(word.trim());
        normal.push_str(separator);
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asn1::types::SetOf;
    use crate::asn1::x509::AttributeTypeAndValue;
    use crate::octets::hex;

    #[test]
    fn rfc_4514_names_are_written_and_compared() {
        let step = |kind: ObjectIdentifier, value: &str| {
            SetOf(vec![AttributeTypeAndValue {
                r#type: kind,
                value: Any(hex(value)),
            }])
        };
        let name = vec![
            step(oids::ID_AT_COUNTRYNAME, "13024742"),
            step(oids::ID_AT_ORGANIZATIONNAME, "0c04412c4220"),
            step(oids::ID_AT_SERIALNUMBER, "130137"),
            step(oids::ID_AT_COMMONNAME, "1e060048005500e9"),
        ];
        let written = text(&name);
        assert_eq!(written, "CN=HUé,2.5.4.5=7,O=A\\,B ,C=GB");
        assert_eq!(
            normal("cn = hUÉ, 2.5.4.5=7, o=A\\,B , C= gb "),
            normal(&written)
        );
        assert_ne!(normal("CN=HUé,O=A\\,B,C=GB"), normal(&written));
    }
}
