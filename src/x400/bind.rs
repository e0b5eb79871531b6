//! The MTA bind: what two MTAs say to each other before the first transfer (X.411 clause 12.1.1,
//! X.419 clause 9.1.1).

use bytes::Bytes;

use super::config::Mode;
use crate::asn1::mta::{
    AuthenticatedArgument, AuthenticatedResult, MTABindApdu, MTABindArgument, MTABindError,
    MTABindResult,
};
use crate::asn1::mts::{Credentials, Password, StrongCredentials};
use crate::asn1::types::{IA5String, Null, OctetString};
use crate::asn1::{self, Ber};

/// What one side says of itself.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Bind {
    /// Its MTA name; empty if it says nothing of itself.
    pub mta: String,
    /// Its password; empty if it gives none.
    pub password: Vec<u8>,
    /// Its strong credentials, which are given in place of a password.
    pub strong: Option<StrongCredentials>,
}

impl std::fmt::Debug for Bind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bind({:?}, ..)", self.mta)
    }
}

/// Octets that are no bind, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// They cannot be read.
    #[error("MTA bind: {0}")]
    Decode(#[from] asn1::DecodeError),
    /// A protected password, which no MTA may give.
    #[error("MTA bind: a protected password is for users of the MTS")]
    Credentials,
    /// Another operation than the one that belongs here.
    #[error("MTA bind: {0} is not what belongs here")]
    Operation(&'static str),
}

/// MTABindArgument, in normal mode tagged as `bind-invoke`.
#[must_use]
pub fn argument(mode: Mode, bind: &Bind) -> Bytes {
    let argument = if bind.mta.is_empty() {
        MTABindArgument::Unauthenticated(Null)
    } else {
        MTABindArgument::Authenticated(AuthenticatedArgument {
            initiator_name: bind.mta.as_str().into(),
            initiator_credentials: credentials(mode, bind),
            ..AuthenticatedArgument::default()
        })
    };
    match mode {
        Mode::Normal => asn1::encode(&MTABindApdu::BindInvoke(argument)),
        Mode::X410 | Mode::Of1984 => asn1::encode(&argument),
    }
}

/// MTABindResult, in normal mode tagged as `bind-result`.
#[must_use]
pub fn result(mode: Mode, bind: &Bind) -> Bytes {
    let result = if bind.mta.is_empty() {
        MTABindResult::Unauthenticated(Null)
    } else {
        MTABindResult::Authenticated(AuthenticatedResult {
            responder_name: bind.mta.as_str().into(),
            responder_credentials: credentials(mode, bind),
            ..AuthenticatedResult::default()
        })
    };
    match mode {
        Mode::Normal => asn1::encode(&MTABindApdu::BindResult(result)),
        Mode::X410 | Mode::Of1984 => asn1::encode(&result),
    }
}

/// A bind error, tagged as `bind-error`; only normal mode has room for one.
#[must_use]
pub fn error(error: MTABindError) -> Bytes {
    asn1::encode(&MTABindApdu::BindError(error))
}

/// Reads what the initiator says; its tag may be missing, as in X.410 mode.
///
/// # Errors
/// The octets are no bind argument, or one with credentials that are not spoken here.
pub fn read_argument(octets: &Bytes) -> Result<Bind, Error> {
    let argument = match tagged(octets)? {
        Some(MTABindApdu::BindInvoke(argument)) => argument,
        Some(_) => return Err(Error::Operation("a bind result or error")),
        None => asn1::decode(octets)?,
    };
    match argument {
        MTABindArgument::Unauthenticated(_) => Ok(Bind::default()),
        MTABindArgument::Authenticated(argument) => {
            bind(&argument.initiator_name.0, argument.initiator_credentials)
        }
    }
}

/// Reads what the responder says; its tag may be missing, as in X.410 mode.
///
/// # Errors
/// The octets are no bind result, or one with credentials that are not spoken here.
pub fn read_result(octets: &Bytes) -> Result<Bind, Error> {
    let result = match tagged(octets)? {
        Some(MTABindApdu::BindResult(result)) => result,
        Some(_) => return Err(Error::Operation("a bind argument or error")),
        None => asn1::decode(octets)?,
    };
    match result {
        MTABindResult::Unauthenticated(_) => Ok(Bind::default()),
        MTABindResult::Authenticated(result) => {
            bind(&result.responder_name.0, result.responder_credentials)
        }
    }
}

/// Reads why a bind was refused; its tag may be missing, as deployed systems leave it out.
///
/// # Errors
/// The octets are no bind error.
pub fn read_error(octets: &Bytes) -> Result<MTABindError, Error> {
    match tagged(octets)? {
        Some(MTABindApdu::BindError(error)) => Ok(error),
        Some(_) => Err(Error::Operation("a bind argument or result")),
        None => Ok(asn1::decode(octets)?),
    }
}

/// The operation that a tag announces; `None` without one.
fn tagged(octets: &Bytes) -> Result<Option<MTABindApdu>, Error> {
    let tag = asn1::types::Any(octets.clone()).tag();
    if MTABindApdu::accepts(tag) {
        Ok(Some(asn1::decode(octets)?))
    } else {
        Ok(None)
    }
}

/// Strong credentials, or a password: characters in 1984, octets since.
fn credentials(mode: Mode, bind: &Bind) -> Credentials {
    if let Some(strong) = &bind.strong {
        return Credentials::Strong(strong.clone());
    }
    let password = bind.password.as_slice();
    Credentials::Simple(match mode {
        Mode::Normal | Mode::X410 => Password::OctetString(OctetString::from(password)),
        Mode::Of1984 => Password::Ia5String(IA5String(Bytes::copy_from_slice(password))),
    })
}

/// A name and what goes with it: strong credentials, or a password in either string type.
fn bind(name: &Bytes, credentials: Credentials) -> Result<Bind, Error> {
    let (password, strong) = match credentials {
        Credentials::Simple(Password::OctetString(octets)) => (octets.0, None),
        Credentials::Simple(Password::Ia5String(text)) => (text.0, None),
        Credentials::Strong(strong) => (Bytes::new(), Some(strong)),
        Credentials::Protected(_) => return Err(Error::Credentials),
    };
    Ok(Bind {
        mta: String::from_utf8_lossy(name).into_owned(),
        password: password.into(),
        strong,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::octets::hex;

    #[test]
    fn x419_9_1_1_binds_of_deployed_systems() {
        let argument_octets = hex("b013a11180054d54412d41a1080406706173732d61");
        let said = Bind {
            mta: "MTA-A".to_owned(),
            password: b"pass-a".to_vec(),
            ..Bind::default()
        };
        assert_eq!(read_argument(&argument_octets).unwrap(), said);
        assert_eq!(
            argument(Mode::Normal, &said),
            argument_octets,
            "a capture of an independent MTA"
        );
        // The same MTA without the tag in X.410 mode, and with a text in 1984.
        for (mode, octets) in [
            (Mode::X410, "a11180054d54412d41a1080406706173732d61"),
            (Mode::Of1984, "a11180054d54412d41a1081606706173732d61"),
        ] {
            assert_eq!(argument(mode, &said), hex(octets));
            assert_eq!(read_argument(&hex(octets)).unwrap(), said);
        }
        let answer = hex("b113a11180054d54412d42a1080406706173732d62");
        let said = Bind {
            mta: "MTA-B".to_owned(),
            password: b"pass-b".to_vec(),
            ..Bind::default()
        };
        assert_eq!(read_result(&answer).unwrap(), said);
        assert_eq!(result(Mode::Normal, &said), answer);
        for (mode, octets) in [
            (Mode::X410, "a11180054d54412d42a1080406706173732d62"),
            (Mode::Of1984, "a11180054d54412d42a1081606706173732d62"),
        ] {
            assert_eq!(result(mode, &said), hex(octets));
            assert_eq!(read_result(&hex(octets)).unwrap(), said);
        }
        // A password as IA5String, in normal mode too.
        let said = read_argument(&hex("b00aa108800141a103160178")).unwrap();
        assert_eq!(
            (said.mta.as_str(), said.password.as_slice()),
            ("A", &b"x"[..])
        );
    }

    #[test]
    fn x411_12_1_1_3_bind_errors() {
        assert_eq!(
            read_error(&hex("020102")).unwrap(),
            MTABindError::AUTHENTICATION_ERROR
        );
        let busy = error(MTABindError::BUSY);
        assert_eq!(busy, hex("b203020100"));
        assert_eq!(read_error(&busy).unwrap(), MTABindError::BUSY);
    }

    #[test]
    fn an_mta_without_a_name_binds_unauthenticated() {
        let nobody = argument(Mode::Normal, &Bind::default());
        assert_eq!(nobody, hex("b0020500"));
        assert_eq!(read_argument(&nobody).unwrap(), Bind::default());
        assert_eq!(
            read_result(&result(Mode::Of1984, &Bind::default())).unwrap(),
            Bind::default()
        );
    }

    #[test]
    fn what_is_no_bind_is_told() {
        assert!(matches!(
            read_argument(&hex("b1020500")),
            Err(Error::Operation(_))
        ));
        assert!(read_argument(&hex("b00ca10a800141a105a003310000")).is_err());
        let protected = read_argument(&hex("b009a107800141a102a100"));
        assert!(
            matches!(protected, Err(Error::Credentials)),
            "{protected:?}"
        );
        assert!(matches!(read_argument(&hex("")), Err(Error::Decode(_))));
        assert!(
            !format!(
                "{:?}",
                Bind {
                    mta: "A".into(),
                    password: b"secret".to_vec(),
                    strong: None,
                }
            )
            .contains("secret")
        );
    }
}
