//! Interpersonal messages and notifications: P2 and P22 (X.420).

include!(concat!(env!("OUT_DIR"), "/ipms.rs"));

impl IPMSExtension {
    /// An extension of this name and value.
    #[must_use]
    pub fn new<T: Ber>(name: ObjectIdentifier, value: &T) -> Self {
        Self {
            r#type: name,
            value: Some(Any::of(value)),
        }
    }
}

/// The value of the extension of this name: `None` if it is not there.
#[must_use]
pub fn extension<T: Ber>(
    extensions: &[IPMSExtension],
    name: &ObjectIdentifier,
) -> Option<Result<T, DecodeError>> {
    let extension = extensions.iter().find(|field| field.r#type == *name)?;
    Some(extension.value.clone().unwrap_or_default().decode())
}

impl MessageBodyPart {
    /// The forwarded message, whose own forwarded messages stay undecoded.
    ///
    /// # Errors
    /// If it is none.
    pub fn ipm(&self) -> Result<IPM, DecodeError> {
        self.data.decode()
    }
}

impl ExtendedBodyPart {
    /// What kind of body part it is: the name of its data.
    #[must_use]
    pub fn kind(&self) -> Option<&ObjectIdentifier> {
        self.data.direct_reference.as_ref()
    }

    /// The parameters: `None` if there are none.
    #[must_use]
    pub fn parameters<T: Ber>(&self) -> Option<Result<T, DecodeError>> {
        self.parameters.as_ref().map(ExternalValue::decode)
    }

    /// The data.
    ///
    /// # Errors
    /// If it is no `T`.
    pub fn data<T: Ber>(&self) -> Result<T, DecodeError> {
        self.data.decode()
    }
}
