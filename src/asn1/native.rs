//! Types whose encodings a profile module cannot state: those that came in more than one form.

use super::codec::{Ber, Element, Writer};
use super::error::DecodeError;
use super::tlv::Tag;
use super::types::{Any, ObjectIdentifier};
use super::value::Value;

/// Which extension an `ExtensionField` is (X.411 figure 2 part 12).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ExtensionType {
    /// One that the Recommendations number.
    StandardExtension(i64, ExtensionForm),
    /// One that somebody else names.
    PrivateExtension(ObjectIdentifier, ExtensionForm),
}

/// How the type of an extension field is tagged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum ExtensionForm {
    /// The explicit tag that systems of 1988 send: `a0 03 02 01 nn`.
    Explicit,
    /// The implicit tag of 1992 and later: `80 01 nn`.
    #[default]
    Implicit,
}

impl ExtensionType {
    /// The extension of this number, tagged as systems of 1992 and later do.
    #[must_use]
    pub const fn standard(number: i64) -> Self {
        Self::StandardExtension(number, ExtensionForm::Implicit)
    }

    /// The extension of this name, tagged as systems of 1992 and later do.
    #[must_use]
    pub const fn private(identifier: ObjectIdentifier) -> Self {
        Self::PrivateExtension(identifier, ExtensionForm::Implicit)
    }

    /// The same extension, tagged otherwise.
    #[must_use]
    pub fn in_form(self, form: ExtensionForm) -> Self {
        match self {
            Self::StandardExtension(number, _) => Self::StandardExtension(number, form),
            Self::PrivateExtension(identifier, _) => Self::PrivateExtension(identifier, form),
        }
    }

    /// The number, if the Recommendations number it.
    #[must_use]
    pub fn number(&self) -> Option<i64> {
        match self {
            Self::StandardExtension(number, _) => Some(*number),
            Self::PrivateExtension(..) => None,
        }
    }
}

impl Default for ExtensionType {
    fn default() -> Self {
        Self::standard(0)
    }
}

/// The tag of a numbered extension.
const STANDARD: Tag = Tag::context(0);
/// The tag of a named extension.
const PRIVATE: Tag = Tag::context(3);

/// Reads what is under the tag of an extension type, in either form.
fn either<T: Ber>(element: &Element<'_>) -> Result<(T, ExtensionForm), DecodeError> {
    if !element.constructed {
        return Ok((T::read(element)?, ExtensionForm::Implicit));
    }
    let inner = element.only(T::NAME)?;
    if !T::accepts(inner.tag) {
        return Err(inner.not(T::NAME));
    }
    Ok((T::read(&inner)?, ExtensionForm::Explicit))
}

impl Ber for ExtensionType {
    const NAME: &'static str = "ExtensionType";
    const TAG: Tag = Tag::NONE;

    fn accepts(tag: Tag) -> bool {
        tag == STANDARD || tag == PRIVATE
    }

    fn read(element: &Element<'_>) -> Result<Self, DecodeError> {
        if element.tag == PRIVATE {
            let (identifier, form) = either(element)?;
            return Ok(Self::PrivateExtension(identifier, form));
        }
        let (number, form) = either(element)?;
        Ok(Self::StandardExtension(number, form))
    }

    fn write(&self, _: Tag, to: &mut Writer) {
        match self {
            Self::StandardExtension(number, ExtensionForm::Implicit) => number.write(STANDARD, to),
            Self::PrivateExtension(identifier, ExtensionForm::Implicit) => {
                identifier.write(PRIVATE, to);
            }
            Self::StandardExtension(number, ExtensionForm::Explicit) => {
                to.constructed(STANDARD, |to| number.write(Tag::INTEGER, to));
            }
            Self::PrivateExtension(identifier, ExtensionForm::Explicit) => {
                to.constructed(PRIVATE, |to| identifier.write(Tag::OBJECT_IDENTIFIER, to));
            }
        }
    }

    fn show(&self) -> Value {
        match self {
            Self::StandardExtension(number, _) => {
                Value::Choice("standard-extension", Box::new(number.show()))
            }
            Self::PrivateExtension(identifier, _) => {
                Value::Choice("private-extension", Box::new(identifier.show()))
            }
        }
    }
}

/// What a user of the RTSE says at RT-OPEN (X.228, `ConnectionData`): absent, it is a NULL under
/// an implicit tag.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct OpenData(pub Option<Any>);

impl Ber for OpenData {
    const NAME: &'static str = "OpenData";
    const TAG: Tag = Tag::NULL;

    fn read(element: &Element<'_>) -> Result<Self, DecodeError> {
        if element.constructed {
            let inner = element.only(Self::NAME)?;
            return Ok(Self(Some(Any(inner.whole()))));
        }
        match element.primitive(Self::NAME)? {
            [] => Ok(Self(None)),
            _ => Err(element.bad("no contents of NULL")),
        }
    }

    fn write(&self, tag: Tag, to: &mut Writer) {
        match &self.0 {
            None => to.primitive(tag, &[]),
            Some(data) => to.constructed(tag, |to| data.write(Tag::NONE, to)),
        }
    }

    fn show(&self) -> Value {
        self.0.as_ref().map_or(Value::Null, Ber::show)
    }
}
