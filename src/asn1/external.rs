//! A value of a type that is named beside it: EXTERNAL (X.680 clause 37, X.690 clause 8.18).

include!(concat!(env!("OUT_DIR"), "/external.rs"));

impl ExternalValue {
    /// A value whose type `name` names.
    #[must_use]
    pub fn new<T: Ber>(name: ObjectIdentifier, value: &T) -> Self {
        Self {
            direct_reference: Some(name),
            encoding: Encoding::SingleASN1Type(Any::of(value)),
            ..Self::default()
        }
    }

    /// A value of the presentation context `context`.
    #[must_use]
    pub fn in_context<T: Ber>(context: i64, value: &T) -> Self {
        Self {
            indirect_reference: Some(context),
            encoding: Encoding::SingleASN1Type(Any::of(value)),
            ..Self::default()
        }
    }

    /// The value; octet-aligned, it is the octets of an encoding.
    ///
    /// # Errors
    /// If it is no `T`.
    pub fn decode<T: Ber>(&self) -> Result<T, DecodeError> {
        match &self.encoding {
            Encoding::SingleASN1Type(value) => value.decode(),
            Encoding::OctetAligned(octets) => super::decode(&octets.0),
            Encoding::Arbitrary(bits) => super::decode(&bits.octets),
        }
    }
}
