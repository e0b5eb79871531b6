//! Bind tokens: asymmetric tokens of X.411 clause 8.5.9, whose signed data are a random number, made
//! and looked at; no I/O.
//!
//! A signature is over the DER of what is signed. What came is judged by the octets that came, not by
//! our own encoding of what they mean: a sender that signs its BER as it sends it is understood, and
//! nothing that we would write otherwise can make a signature good or bad.

use bytes::Bytes;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use rustls::pki_types::SignatureVerificationAlgorithm;
use rustls::sign::Signer;
use webpki::EndEntityCert;

use super::Fault;
use crate::asn1::mts::{
    AsymmetricToken, AsymmetricTokenData, RandomNumber, Token, TokenData, TokenMTA, TokenName,
};
use crate::asn1::oids;
use crate::asn1::types::{Any, BitString, Null, ObjectIdentifier, UTCTime};
use crate::asn1::x509::AlgorithmIdentifier;
use crate::asn1::{self, DecodeError};

/// How many octets a token may have: one signed with RSA of 8192 bits has some 1200.
const LONGEST: usize = 4096;

/// How many octets a random number may have, at least and at most.
const RANDOM: std::ops::RangeInclusive<usize> = 4..=128;

/// The type of token data that are a random number (X.411 figure 2, `bind-token-signed-data`).
const BIND_TOKEN_SIGNED_DATA: i64 = 1;

/// A signature algorithm that is taken, and those of the library that it comes to.
struct Algorithm {
    identifier: ObjectIdentifier,
    name: &'static str,
    scheme: rustls::SignatureScheme,
    /// Whether its parameters are NULL; they are absent else.
    null: bool,
    verify: &'static [&'static dyn SignatureVerificationAlgorithm],
}

static ALGORITHMS: [Algorithm; 6] = [
    Algorithm {
        identifier: oids::SHA256WITHRSAENCRYPTION,
        name: "sha256WithRSAEncryption",
        scheme: rustls::SignatureScheme::RSA_PKCS1_SHA256,
        null: true,
        verify: &[webpki::ring::RSA_PKCS1_2048_8192_SHA256],
    },
    Algorithm {
        identifier: oids::SHA384WITHRSAENCRYPTION,
        name: "sha384WithRSAEncryption",
        scheme: rustls::SignatureScheme::RSA_PKCS1_SHA384,
        null: true,
        verify: &[webpki::ring::RSA_PKCS1_2048_8192_SHA384],
    },
    Algorithm {
        identifier: oids::SHA512WITHRSAENCRYPTION,
        name: "sha512WithRSAEncryption",
        scheme: rustls::SignatureScheme::RSA_PKCS1_SHA512,
        null: true,
        verify: &[webpki::ring::RSA_PKCS1_2048_8192_SHA512],
    },
    Algorithm {
        identifier: oids::ECDSA_WITH_SHA256,
        name: "ecdsa-with-SHA256",
        scheme: rustls::SignatureScheme::ECDSA_NISTP256_SHA256,
        null: false,
        verify: &[
            webpki::ring::ECDSA_P256_SHA256,
            webpki::ring::ECDSA_P384_SHA256,
        ],
    },
    Algorithm {
        identifier: oids::ECDSA_WITH_SHA384,
        name: "ecdsa-with-SHA384",
        scheme: rustls::SignatureScheme::ECDSA_NISTP384_SHA384,
        null: false,
        verify: &[
            webpki::ring::ECDSA_P256_SHA384,
            webpki::ring::ECDSA_P384_SHA384,
        ],
    },
    Algorithm {
        identifier: oids::ID_ED25519,
        name: "Ed25519",
        scheme: rustls::SignatureScheme::ED25519,
        null: false,
        verify: &[webpki::ring::ED25519],
    },
];

/// Algorithms by which nobody is known any more: whose signatures can be forged.
const BROKEN: [(ObjectIdentifier, &str); 7] = [
    (oids::MD2WITHRSAENCRYPTION, "md2WithRSAEncryption"),
    (oids::MD5WITHRSAENCRYPTION, "md5WithRSAEncryption"),
    (oids::MD5WITHRSA, "md5WithRSA"),
    (oids::SHA1WITHRSAENCRYPTION, "sha1WithRSAEncryption"),
    (oids::SHA_1WITHRSAENCRYPTION, "sha-1WithRSAEncryption"),
    (oids::ECDSA_WITH_SHA1, "ecdsa-with-SHA1"),
    (oids::ID_DSA_WITH_SHA1, "id-dsa-with-sha1"),
];

/// The schemes we sign with, by kind of key.
pub(super) const OURS: &[rustls::SignatureScheme] = &[
    rustls::SignatureScheme::RSA_PKCS1_SHA256,
    rustls::SignatureScheme::ECDSA_NISTP256_SHA256,
    rustls::SignatureScheme::ECDSA_NISTP384_SHA384,
    rustls::SignatureScheme::ED25519,
];

/// Makes a token for an MTA.
pub(super) fn make(
    signer: &dyn Signer,
    recipient: TokenMTA,
    time: Timestamp,
    random: &[u8],
) -> Result<Token, rustls::Error> {
    let scheme = signer.scheme();
    let algorithm = ALGORITHMS.iter().find(|known| known.scheme == scheme);
    let algorithm = algorithm.ok_or_else(|| {
        rustls::Error::General(format!("{scheme:?} has no name in X.509 that is used here"))
    })?;
    let algorithm = AlgorithmIdentifier {
        algorithm: algorithm.identifier.clone(),
        parameters: algorithm.null.then(|| Any::of(&Null)),
    };
    let random = RandomNumber {
        octets: Bytes::copy_from_slice(random),
        unused: 0,
    };
    let time = time.strftime("%y%m%d%H%M%SZ").to_string();
    let data = asn1::encode(&AsymmetricTokenData {
        signature_algorithm_identifier: algorithm.clone(),
        name: TokenName::Mta(recipient),
        time: UTCTime::from(time.as_str()),
        signed_data: Some(TokenData {
            r#type: BIND_TOKEN_SIGNED_DATA,
            value: Any::of(&random),
        }),
        encryption_algorithm_identifier: None,
        encrypted_data: None,
    });
    let token = AsymmetricToken {
        signature: BitString {
            octets: signer.sign(&data)?.into(),
            unused: 0,
        },
        tobesigned: Any(data),
        algorithmidentifier: algorithm,
    };
    Ok(Token {
        token_type_identifier: oids::ID_TOK_ASYMMETRICTOKEN,
        token: Any::of(&token),
        ..Token::default()
    })
}

/// A token as it came, read and not yet believed.
pub(super) struct Given {
    token: AsymmetricToken,
    algorithm: &'static Algorithm,
    /// Whom it is for.
    pub(super) recipient: TokenMTA,
    /// When it was made, as it says.
    pub(super) time: Timestamp,
    /// Its random number.
    pub(super) random: Bytes,
}

/// Reads a token.
pub(super) fn read(token: &Token) -> Result<Given, Fault> {
    if token.token.0.len() > LONGEST {
        return Err(Fault::Size {
            what: "the token",
            octets: token.token.0.len(),
            most: LONGEST,
        });
    }
    if token.token_type_identifier != oids::ID_TOK_ASYMMETRICTOKEN {
        return Err(Fault::Token(format!(
            "its type is {}, not that of asymmetric tokens",
            token.token_type_identifier
        )));
    }
    let unreadable = |fault: DecodeError| Fault::Token(fault.to_string());
    let token: AsymmetricToken = token.token.decode().map_err(unreadable)?;
    let data: AsymmetricTokenData = token.tobesigned.decode().map_err(unreadable)?;
    let algorithm = known(&token.algorithmidentifier)?;
    if data.signature_algorithm_identifier.algorithm != algorithm.identifier {
        return Err(Fault::Token(
            "it names one algorithm in what is signed and another beside it".to_owned(),
        ));
    }
    let TokenName::Mta(recipient) = data.name else {
        return Err(Fault::Recipient("a user, not an MTA".to_owned()));
    };
    let random: RandomNumber = match data.signed_data {
        Some(data) if data.r#type == BIND_TOKEN_SIGNED_DATA => {
            data.value.decode().map_err(unreadable)?
        }
        _ => return Err(Fault::Token("it has no random number".to_owned())),
    };
    if !RANDOM.contains(&random.octets.len()) {
        let (least, most) = (RANDOM.start(), RANDOM.end());
        return Err(Fault::Token(format!(
            "its random number has {} octets, where {least} to {most} are taken",
            random.octets.len()
        )));
    }
    let time = String::from_utf8_lossy(&data.time.0).into_owned();
    let time = moment(&time)
        .ok_or_else(|| Fault::Token(format!("its time {:?} is no UTCTime", time.escape_debug())))?;
    Ok(Given {
        token,
        algorithm,
        recipient,
        time,
        random: random.octets,
    })
}

impl Given {
    /// Whether the key of this certificate has signed it.
    pub(super) fn verify(&self, certificate: &EndEntityCert<'_>) -> Result<(), Fault> {
        use webpki::Error::UnsupportedSignatureAlgorithmForPublicKeyContext as OtherKey;
        let AsymmetricToken {
            tobesigned: Any(signed),
            signature,
            ..
        } = &self.token;
        let name = self.algorithm.name;
        for algorithm in self.algorithm.verify {
            return match certificate.verify_signature(*algorithm, signed, &signature.octets) {
                Ok(()) if signature.unused == 0 => Ok(()),
                Err(OtherKey(_)) => continue,
                _ => Err(Fault::Signature(format!(
                    "the key of the certificate has not made it ({name}{}{})",
                    match self.algorithm.null {
                        true => "; RSA keys are taken from 2048 bits on",
                        false => "",
                    },
                    match self.is_der() {
                        true => "",
                        false => "; what is signed is not in DER, perhaps its DER was signed",
                    }
                ))),
            };
        }
        Err(Fault::Signature(format!(
            "it is one of {name}, and the key of the certificate is of another kind"
        )))
    }

    /// Whether what is signed came as we would write it.
    fn is_der(&self) -> bool {
        let Any(octets) = &self.token.tobesigned;
        let data: Result<AsymmetricTokenData, _> = asn1::decode(octets);
        data.is_ok_and(|data| asn1::encode(&data) == octets)
    }
}

/// The algorithm of this name, if it is taken.
fn known(identifier: &AlgorithmIdentifier) -> Result<&'static Algorithm, Fault> {
    let AlgorithmIdentifier {
        algorithm,
        parameters,
    } = identifier;
    let known = ALGORITHMS
        .iter()
        .find(|known| known.identifier == *algorithm);
    if let Some(known) = known {
        let null = Any::of(&Null);
        return match parameters.as_ref().is_none_or(|given| *given == null) {
            true => Ok(known),
            false => Err(Fault::Token(format!("{} with parameters", known.name))),
        };
    }
    Err(
        match BROKEN.iter().find(|(broken, _)| broken == algorithm) {
            Some((_, name)) => Fault::Weak(name),
            None => Fault::Token(format!("its signature algorithm {algorithm} is unknown")),
        },
    )
}

/// The moment that a UTCTime says: `YYMMDDhhmm`, perhaps seconds, then `Z` or an offset.
fn moment(text: &str) -> Option<Timestamp> {
    let (digits, zone) = text.split_at_checked(text.find(['Z', '+', '-'])?)?;
    let field = |at: usize| digits.get(at..at + 2)?.parse::<i8>().ok();
    let seconds = match digits.len() {
        10 => 0,
        12 => field(10)?,
        _ => return None,
    };
    let century = if field(0)? < 50 { 2000 } else { 1900 };
    let civil = DateTime::new(
        century + i16::from(field(0)?),
        field(2)?,
        field(4)?,
        field(6)?,
        field(8)?,
        seconds,
        0,
    );
    let offset = match zone.split_at_checked(1)? {
        ("Z", "") => Offset::UTC,
        (sign, offset) if offset.len() == 4 => {
            let number = |at: usize| offset.get(at..at + 2)?.parse::<i32>().ok();
            let seconds = number(0)? * 3600 + number(2)? * 60;
            Offset::from_seconds(if sign == "-" { -seconds } else { seconds }).ok()?
        }
        _ => return None,
    };
    let zoned = civil.ok()?.to_zoned(TimeZone::fixed(offset)).ok()?;
    Some(zoned.timestamp())
}

/// Whether a token made at `time` is neither too old nor of the future, `now`.
pub(super) fn timely(time: Timestamp, now: Timestamp, window: SignedDuration) -> Result<(), Fault> {
    let age = now.duration_since(time);
    if age > window {
        Err(Fault::Old { time, now, window })
    } else if age < -window {
        Err(Fault::Future { time, now, window })
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x411_8_5_4_the_time_of_a_token_in_every_form() {
        let at = |text: &str| moment(text).map(|at| at.to_string());
        for (text, is) in [
            ("261122045628Z", "2026-11-22T04:56:28Z"),
            ("2611220456Z", "2026-11-22T04:56:00Z"),
            ("261122045628+0130", "2026-11-22T03:26:28Z"),
            ("2611220456-0800", "2026-11-22T12:56:00Z"),
            ("960229235959Z", "1996-02-29T23:59:59Z"),
        ] {
            assert_eq!(at(text).as_deref(), Some(is), "{text}");
        }
        for wrong in [
            "",
            "Z",
            "261122045628",
            "261322045628Z",
            "2611220456281Z",
            "261122045628Z0",
            "261122045628+01",
            "261122045628+9999",
            "2 1122045628Z",
            "éé1122045628Z",
            "+",
        ] {
            assert_eq!(at(wrong), None, "{wrong}");
        }
    }
}
