//! Wire types of the Recommendations, generated from `/asn1`, and the guard before every decode.

use bytes::Bytes;

use crate::octets::Octets;

pub mod acse;
pub mod bounds;
pub mod codec;
pub mod compose;
pub mod error;
mod explain;
pub mod external;
pub mod ftbp;
pub mod guard;
pub mod ipms;
pub mod mta;
pub mod mts;
pub mod native;
pub mod oids;
pub mod presentation;
pub mod rfc2156;
pub mod rtse;
pub mod show;
pub mod strings;
mod summary;
pub mod tlv;
pub mod types;
pub mod value;
pub mod x509;

pub use codec::Ber;
pub use error::DecodeError;
pub use guard::Limits;

/// Reads a value of type `T` that takes all of `input`.
///
/// Large contents of the value share the octets of `input`.
///
/// # Errors
/// If `input` is not one value of that type, or passes [`Limits::DEFAULT`].
pub fn decode<T: Ber>(input: &Bytes) -> Result<T, DecodeError> {
    decode_within(input, &Limits::DEFAULT)
}

/// Reads a value of type `T` that takes all of `input`, within `limits`.
///
/// # Errors
/// If `input` is not one value of that type, or passes the limits.
pub fn decode_within<T: Ber>(input: &Bytes, limits: &Limits) -> Result<T, DecodeError> {
    let (value, rest) = decode_first(input, limits)?;
    match rest.first() {
        None => Ok(value),
        Some(octet) => Err(DecodeError::new(
            input.len() - rest.len(),
            format!("nothing after {}", T::NAME),
            format!("{octet:02x}"),
        )),
    }
}

/// Reads a value of type `T` at the start of `input`, and says what follows it.
///
/// # Errors
/// If `input` does not begin with a value of that type, or passes the limits.
pub fn decode_first<T: Ber>(input: &Bytes, limits: &Limits) -> Result<(T, Bytes), DecodeError> {
    let source = codec::Source::new(input.clone(), limits)?;
    let element = source.element()?;
    match element.alternative(codec::Tagging::Own, T::NAME)? {
        Some(value) => Ok((value, input.slice(source.length()..))),
        None => Err(element.not(T::NAME)),
    }
}

/// Writes a value in definite lengths.
#[must_use]
pub fn encode<T: Ber>(value: &T) -> Bytes {
    encode_octets(value).to_bytes()
}

/// Writes a value in definite lengths; large contents stay where they are.
#[must_use]
pub fn encode_octets<T: Ber>(value: &T) -> Octets {
    let mut writer = codec::Writer::default();
    value.write(T::TAG, &mut writer);
    writer.into_octets()
}

#[cfg(test)]
#[path = "../../build/profile.rs"]
mod profile;

#[cfg(test)]
mod tests;
