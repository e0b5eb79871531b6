//! The parts of a type: tags, types without a name of their own, values of DEFAULT.

use proc_macro2::{Literal, TokenStream};
use quote::quote;
use rasn_compiler::prelude::TaggingEnvironment;
use rasn_compiler::prelude::ir::{ASN1Type, ASN1Value, AsnTag, TagClass};

use crate::names::{constant_name, type_name};
use crate::types::Written;

/// A tag.
pub fn tag(tag: &AsnTag) -> TokenStream {
    let number = Literal::u64_unsuffixed(tag.id);
    match tag.tag_class {
        TagClass::Universal => quote!(Tag::universal(#number)),
        TagClass::Application => quote!(Tag::application(#number)),
        TagClass::Private => quote!(Tag::private(#number)),
        TagClass::ContextSpecific => quote!(Tag::context(#number)),
    }
}

/// How a member is tagged, in Rust and in the notation.
pub fn tagging(member: Option<&AsnTag>) -> Result<(TokenStream, String), String> {
    let Some(member) = member else {
        return Ok((quote!(Tagging::Own), String::new()));
    };
    let class = match member.tag_class {
        TagClass::Universal => "UNIVERSAL ",
        TagClass::Application => "APPLICATION ",
        TagClass::Private => "PRIVATE ",
        TagClass::ContextSpecific => "",
    };
    let own = tag(member);
    match member.environment {
        TaggingEnvironment::Implicit => Ok((
            quote!(Tagging::Implicit(#own)),
            format!("[{class}{}] ", member.id),
        )),
        TaggingEnvironment::Explicit => Ok((
            quote!(Tagging::Explicit(#own)),
            format!("[{class}{}] EXPLICIT ", member.id),
        )),
        TaggingEnvironment::Automatic => Err("automatic tags".into()),
    }
}

/// The Rust type of a type without a name of its own.
pub fn rust_type(ty: &ASN1Type) -> Written {
    Ok(match ty {
        ASN1Type::Null => quote!(Null),
        ASN1Type::Boolean(_) => quote!(bool),
        ASN1Type::Integer(integer) if integer.distinguished_values.is_none() => quote!(i64),
        ASN1Type::BitString(bits) if bits.distinguished_values.is_none() => quote!(BitString),
        ASN1Type::OctetString(_) => quote!(OctetString),
        ASN1Type::ObjectIdentifier(_) => quote!(ObjectIdentifier),
        ASN1Type::UTCTime(_) => quote!(UTCTime),
        ASN1Type::GeneralizedTime(_) => quote!(GeneralizedTime),
        ASN1Type::Any => quote!(Any),
        ASN1Type::CharacterString(string) => {
            let name = type_name(&format!("{:?}", string.ty));
            quote!(#name)
        }
        ASN1Type::ElsewhereDeclaredType(other) => {
            let name = type_name(&other.identifier);
            quote!(#name)
        }
        ASN1Type::SequenceOf(list) | ASN1Type::SetOf(list) => {
            if list.element_tag.is_some() {
                return Err("a tagged element of a SEQUENCE OF or SET OF: name its type".into());
            }
            let element = rust_type(&list.element_type)?;
            if matches!(ty, ASN1Type::SetOf(_)) {
                quote!(SetOf<#element>)
            } else {
                quote!(Vec<#element>)
            }
        }
        _ => {
            return Err(format!(
                "an inner type that must have a name of its own: {}",
                notation(ty)
            ));
        }
    })
}

/// A type as the notation writes it.
pub fn notation(ty: &ASN1Type) -> String {
    match ty {
        ASN1Type::SequenceOf(list) => format!("SEQUENCE OF {}", notation(&list.element_type)),
        ASN1Type::SetOf(list) => format!("SET OF {}", notation(&list.element_type)),
        ASN1Type::Any => "ANY".into(),
        ASN1Type::ElsewhereDeclaredType(other) => other.identifier.clone(),
        other => other.as_str().into_owned(),
    }
}

/// A DEFAULT, in Rust.
pub fn default_value(value: &ASN1Value, ty: &ASN1Type, rust: &TokenStream) -> Written {
    let named = matches!(ty, ASN1Type::ElsewhereDeclaredType(_));
    Ok(match value {
        ASN1Value::Boolean(false) => quote!(<#rust>::default()),
        ASN1Value::Boolean(true) if named => quote!(true),
        ASN1Value::Boolean(true) => quote!(true),
        ASN1Value::Integer(value) | ASN1Value::LinkedIntValue { value, .. } => {
            let value = Literal::i128_unsuffixed(*value);
            if named {
                quote!(#rust(#value))
            } else {
                quote!(#value)
            }
        }
        ASN1Value::EnumeratedValue {
            enumerable: name, ..
        }
        | ASN1Value::ElsewhereDeclaredValue {
            identifier: name, ..
        }
        | ASN1Value::LinkedElsewhereDefinedValue {
            identifier: name, ..
        } => {
            let constant = constant_name(name);
            quote!(<#rust>::#constant)
        }
        ASN1Value::LinkedNestedValue { value, .. } => default_value(value, ty, rust)?,
        ASN1Value::SequenceOrSet(list) if list.is_empty() => quote!(<#rust>::default()),
        ASN1Value::LinkedStructLikeValue(list) if list.is_empty() => quote!(<#rust>::default()),
        ASN1Value::LinkedArrayLikeValue(list) if list.is_empty() => quote!(<#rust>::default()),
        ASN1Value::Null => quote!(<#rust>::default()),
        ASN1Value::BitString(bits) if !bits.contains(&true) => quote!(<#rust>::default()),
        ASN1Value::BitStringNamedBits(list) if list.is_empty() => quote!(<#rust>::default()),
        other => return Err(format!("a DEFAULT that is not understood: {other:?}")),
    })
}
