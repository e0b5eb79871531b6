//! The file transfer body part (X.420 and ISO 8571-4).

use crate::octets::Octets;

include!(concat!(env!("OUT_DIR"), "/ftbp.rs"));

/// The octets of a file, put together without a copy.
///
/// An EXTERNAL that holds an ASN.1 value gives the contents of an OCTET STRING or character string,
/// and the whole encoding of anything else.
#[must_use]
pub fn file_octets(data: &FileTransferData) -> Octets {
    use super::external::Encoding;
    let mut file = Octets::new();
    for piece in data {
        match &piece.encoding {
            Encoding::OctetAligned(octets) => file.push(octets.0.clone()),
            Encoding::Arbitrary(bits) => file.push(bits.octets.clone()),
            Encoding::SingleASN1Type(value) => match value.string_octets() {
                Some(octets) => file.push(octets),
                None => file.push(value.0.clone()),
            },
        }
    }
    file
}
