//! The message transfer system's own types (X.411 figure 2), and what to do with them by hand.

use super::native::ExtensionForm;

include!(concat!(env!("OUT_DIR"), "/mts.rs"));

impl ORName {
    /// The address, without a directory name.
    #[must_use]
    pub fn address(&self) -> ORAddress {
        ORAddress {
            built_in_standard_attributes: self.built_in_standard_attributes.clone(),
            built_in_domain_defined_attributes: self.built_in_domain_defined_attributes.clone(),
            extension_attributes: self.extension_attributes.clone(),
            unknown: self.unknown.clone(),
        }
    }
}

impl From<ORAddress> for ORName {
    fn from(address: ORAddress) -> Self {
        Self {
            built_in_standard_attributes: address.built_in_standard_attributes,
            built_in_domain_defined_attributes: address.built_in_domain_defined_attributes,
            extension_attributes: address.extension_attributes,
            directory_name: None,
            unknown: address.unknown,
        }
    }
}

impl ExtensionAttribute {
    /// The attribute of this number (X.411 figure 2 part 23) and value.
    #[must_use]
    pub fn new<T: Ber>(number: i64, value: &T) -> Self {
        Self {
            extension_attribute_type: number,
            extension_attribute_value: Any::of(value),
            unknown: Vec::new(),
        }
    }
}

impl ORAddress {
    /// The value of the extension attribute of this number, if it is there and is a `T`.
    #[must_use]
    pub fn extension<T: Ber>(&self, number: i64) -> Option<T> {
        let attribute = self
            .extension_attributes
            .iter()
            .flatten()
            .find(|attribute| attribute.extension_attribute_type == number)?;
        attribute.extension_attribute_value.decode().ok()
    }
}

impl ExtensionField {
    /// The extension of this number and value, which nobody must understand.
    #[must_use]
    pub fn new<T: Ber>(number: i64, value: &T) -> Self {
        Self {
            r#type: ExtensionType::standard(number),
            value: Some(Any::of(value)),
            ..Self::default()
        }
    }

    /// The same field, to be understood by those whose bit of [`Criticality`] is given.
    #[must_use]
    pub fn critical(mut self, who: u32) -> Self {
        self.criticality = Criticality::of(&[who]);
        self
    }

    /// The number of the extension, if the Recommendations number it.
    #[must_use]
    pub fn number(&self) -> Option<i64> {
        self.r#type.number()
    }

    /// The value, if it is a `T`.
    ///
    /// # Errors
    /// If it is none; an absent value is NULL.
    pub fn decode<T: Ber>(&self) -> Result<T, DecodeError> {
        self.value.clone().unwrap_or_default().decode()
    }
}

/// Finds the extension of this number.
#[must_use]
pub fn extension(extensions: &Extensions, number: i64) -> Option<&ExtensionField> {
    extensions
        .iter()
        .find(|field| field.number() == Some(number))
}

/// Tags the types of extension fields as a peer wants them.
pub fn tag_extensions(extensions: &mut Extensions, form: ExtensionForm) {
    for field in extensions.iter_mut() {
        field.r#type = std::mem::take(&mut field.r#type).in_form(form);
    }
}
