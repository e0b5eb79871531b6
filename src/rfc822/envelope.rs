//! The SMTP envelope: who sends, who receives, what they ask of the road (RFC 5321, RFC 3461).
//!
//! Parameter values stand decoded here; [`xtext`] and [`from_xtext`] are the wire form of RFC 3461
//! section 4. The serialised form is the one of `envelope.toml`.

use serde::{Deserialize, Serialize};

use super::address::AddrSpec;

/// The longest `ENVID` on the wire (RFC 3461 section 4.4).
pub const MAX_ENVID: usize = 100;
/// The longest `ORCPT` on the wire (RFC 3461 section 4.2).
pub const MAX_ORCPT: usize = 500;

/// What MAIL FROM and RCPT TO said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Envelope {
    /// The reverse-path; absent for the null path `<>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverse_path: Option<AddrSpec>,
    /// `RET`: what of the content a notification of failure returns (RFC 3461 section 4.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ret: Option<Ret>,
    /// `ENVID`, decoded (RFC 3461 section 4.4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub envid: Option<String>,
    /// `BODY` (RFC 6152).
    #[serde(default)]
    pub body: BodyType,
    /// `SMTPUTF8` was given (RFC 6531).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub smtputf8: bool,
    /// `SIZE` as declared, in octets (RFC 1870).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// `MT-PRIORITY`, -9 to 9 (RFC 6710).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i8>,
    /// The recipients, in the order they were given.
    #[serde(default)]
    pub recipients: Vec<Recipient>,
}

/// One RCPT TO.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Recipient {
    /// The forward-path, its source route removed (RFC 5321 appendix F.2).
    pub forward_path: AddrSpec,
    /// `NOTIFY` (RFC 3461 section 4.1); absent when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify: Option<Notify>,
    /// `ORCPT` (RFC 3461 section 4.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orcpt: Option<OriginalRecipient>,
}

impl Recipient {
    /// A recipient without parameters.
    #[must_use]
    pub fn new(forward_path: AddrSpec) -> Self {
        Self {
            forward_path,
            notify: None,
            orcpt: None,
        }
    }
}

/// The values of `RET`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ret {
    /// The whole message.
    Full,
    /// Its header only.
    Hdrs,
}

/// The values of `BODY`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum BodyType {
    /// Lines of US-ASCII.
    #[default]
    #[serde(rename = "7bit")]
    SevenBit,
    /// Lines that may hold octets above 127 (RFC 6152).
    #[serde(rename = "8bitmime")]
    EightBitMime,
}

/// The values of `NOTIFY`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notify {
    /// No notification at all, whatever happens.
    Never,
    /// Notifications of these outcomes; at least one is set.
    On {
        /// Delivery.
        success: bool,
        /// Non-delivery.
        failure: bool,
        /// Delay.
        delay: bool,
    },
}

impl Notify {
    /// `SUCCESS,FAILURE`.
    pub const SUCCESS_AND_FAILURE: Self = Self::On {
        success: true,
        failure: true,
        delay: false,
    };
    /// `FAILURE`.
    pub const FAILURE: Self = Self::On {
        success: false,
        failure: true,
        delay: false,
    };

    /// Whether a notification of delivery is asked for.
    #[must_use]
    pub fn success(self) -> bool {
        matches!(self, Self::On { success: true, .. })
    }

    /// Whether a notification of non-delivery is asked for.
    #[must_use]
    pub fn failure(self) -> bool {
        matches!(self, Self::On { failure: true, .. })
    }

    /// Whether a notification of delay is asked for.
    #[must_use]
    pub fn delay(self) -> bool {
        matches!(self, Self::On { delay: true, .. })
    }
}

/// A parameter value breaks its grammar.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// `NOTIFY` is neither `NEVER` nor a list of the three outcomes.
    #[error("NOTIFY must be NEVER or a list of SUCCESS, FAILURE, DELAY (RFC 3461 section 4.1)")]
    Notify,
    /// `ORCPT` is not an address type, `;` and an address.
    #[error("ORCPT must be an address type, ';' and an address in xtext (RFC 3461 section 4.2)")]
    OriginalRecipient,
    /// Not xtext.
    #[error("not xtext at octet {0} (RFC 3461 section 4)")]
    Xtext(usize),
}

impl std::str::FromStr for Notify {
    type Err = ParameterError;

    fn from_str(text: &str) -> Result<Self, ParameterError> {
        if text.eq_ignore_ascii_case("NEVER") {
            return Ok(Self::Never);
        }
        let (mut success, mut failure, mut delay) = (false, false, false);
        for word in text.split(',') {
            match word.to_ascii_uppercase().as_str() {
                "SUCCESS" => success = true,
                "FAILURE" => failure = true,
                "DELAY" => delay = true,
                _ => return Err(ParameterError::Notify),
            }
        }
        Ok(Self::On {
            success,
            failure,
            delay,
        })
    }
}

impl std::fmt::Display for Notify {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self::On {
            success,
            failure,
            delay,
        } = *self
        else {
            return f.write_str("NEVER");
        };
        let words = [(success, "SUCCESS"), (failure, "FAILURE"), (delay, "DELAY")];
        let mut between = "";
        for (_, word) in words.iter().filter(|(set, _)| *set) {
            write!(f, "{between}{word}")?;
            between = ",";
        }
        Ok(())
    }
}

/// The original recipient of `ORCPT`: an address type and an address, decoded.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OriginalRecipient {
    /// `rfc822`, `x400`, `utf-8` …, as it came.
    pub address_type: String,
    /// The address, xtext undone.
    pub address: String,
}

impl std::str::FromStr for OriginalRecipient {
    type Err = ParameterError;

    /// Reads the wire form, `type ";" xtext`.
    fn from_str(text: &str) -> Result<Self, ParameterError> {
        let (address_type, address) = text
            .split_once(';')
            .ok_or(ParameterError::OriginalRecipient)?;
        let of_atom = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
        if address_type.is_empty() || address.is_empty() || !address_type.chars().all(of_atom) {
            return Err(ParameterError::OriginalRecipient);
        }
        // `utf-8` addresses (RFC 6533) use a wider encoding of which xtext is the larger part.
        let address = from_xtext(address)?;
        Ok(Self {
            address_type: address_type.to_owned(),
            address,
        })
    }
}

impl std::fmt::Display for OriginalRecipient {
    /// Writes the wire form, `type ";" xtext`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{};{}", self.address_type, xtext(&self.address))
    }
}

/// Serialised as the wire text.
macro_rules! serde_as_text {
    ($type:ty) => {
        impl Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
serde_as_text!(Notify);
serde_as_text!(OriginalRecipient);

/// `text` as xtext (RFC 3461 section 4): octets outside `!` to `~`, `+` and `=` become `+XX`.
#[must_use]
pub fn xtext(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for octet in text.bytes() {
        if (b'!'..=b'~').contains(&octet) && octet != b'+' && octet != b'=' {
            written.push(char::from(octet));
        } else {
            written.push_str(&format!("+{octet:02X}"));
        }
    }
    written
}

/// What xtext says.
///
/// # Errors
/// Where `text` is not xtext: an octet outside `!` to `~`, a `+` without two hexadecimal digits
/// (lower case is tolerated), or octets that are no UTF-8.
pub fn from_xtext(text: &str) -> Result<String, ParameterError> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes().enumerate();
    while let Some((at, octet)) = rest.next() {
        let fault = ParameterError::Xtext(at);
        match octet {
            b'+' => {
                let mut digit = || {
                    let (_, octet) = rest.next()?;
                    char::from(octet)
                        .to_digit(16)
                        .and_then(|digit| u8::try_from(digit).ok())
                };
                match (digit(), digit()) {
                    (Some(high), Some(low)) => octets.push(high * 16 + low),
                    _ => return Err(fault),
                }
            }
            // "=" may not stand in xtext, but harms nobody and real senders let it.
            b'!'..=b'~' => octets.push(octet),
            _ => return Err(fault),
        }
    }
    String::from_utf8(octets)
        .map_err(|fault| ParameterError::Xtext(fault.utf8_error().valid_up_to()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rfc3461_4_xtext() {
        assert_eq!(xtext("/C=GB/ +x"), "/C+3DGB/+20+2Bx");
        assert_eq!(from_xtext("/C+3DGB/+20+2Bx"), Ok("/C=GB/ +x".to_owned()));
        assert_eq!(from_xtext("a+3"), Err(ParameterError::Xtext(1)));
        assert_eq!(from_xtext("a b"), Err(ParameterError::Xtext(1)));
        assert_eq!(from_xtext("+FF"), Err(ParameterError::Xtext(0)));
    }

    #[test]
    fn rfc3461_4_1_notify_is_never_or_a_list() {
        assert_eq!("never".parse(), Ok(Notify::Never));
        assert_eq!("FAILURE,success".parse(), Ok(Notify::SUCCESS_AND_FAILURE));
        for text in ["", "NEVER,FAILURE", "SUCCESS,", "ALWAYS"] {
            assert_eq!(
                text.parse::<Notify>(),
                Err(ParameterError::Notify),
                "{text}"
            );
        }
        assert_eq!(Notify::SUCCESS_AND_FAILURE.to_string(), "SUCCESS,FAILURE");
    }

    #[test]
    fn rfc3461_4_2_orcpt_of_x400() {
        let orcpt: OriginalRecipient = "x400;/S+3DOne/C+3DGB/".parse().unwrap();
        assert_eq!(
            (orcpt.address_type.as_str(), orcpt.address.as_str()),
            ("x400", "/S=One/C=GB/")
        );
        assert_eq!(orcpt.to_string(), "x400;/S+3DOne/C+3DGB/");
        assert!("rfc822".parse::<OriginalRecipient>().is_err());
        assert!(";a@b".parse::<OriginalRecipient>().is_err());
    }

    #[test]
    fn an_envelope_is_what_its_toml_says() {
        let envelope = Envelope {
            reverse_path: Some("\"/CN=Some One/\"@gw.example".parse().unwrap()),
            ret: Some(Ret::Hdrs),
            envid: Some("id 1".into()),
            size: Some(10),
            recipients: vec![Recipient {
                forward_path: "a@b.example".parse().unwrap(),
                notify: Some(Notify::FAILURE),
                orcpt: Some("rfc822;c@d".parse().unwrap()),
            }],
            ..Envelope::default()
        };
        let text = toml::to_string(&envelope).unwrap();
        assert_eq!(
            toml::from_str::<Envelope>(&text).unwrap(),
            envelope,
            "{text}"
        );
    }

    proptest! {
        #[test]
        fn rfc3461_4_xtext_returns(text in any::<String>()) {
            prop_assert_eq!(from_xtext(&xtext(&text)), Ok(text));
        }
    }
}
