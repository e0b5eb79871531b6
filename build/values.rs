//! The values of a module: upper bounds, and object identifiers that may be stated in any order.

use std::collections::BTreeMap;

use proc_macro2::{Literal, TokenStream};
use quote::quote;
use rasn_compiler::prelude::ir::{ASN1Value, ObjectIdentifierValue, ToplevelValueDefinition};

use crate::names::constant_name;
use crate::types::{Written, documentation};

/// The object identifiers of a module, which may be stated in any order.
#[derive(Default)]
pub struct Identifiers {
    stated: BTreeMap<String, (TokenStream, ObjectIdentifierValue)>,
}

impl Identifiers {
    /// A value assignment: a number at once, an object identifier later.
    pub fn value(&mut self, definition: &ToplevelValueDefinition) -> Written {
        let doc = documentation(&definition.name, &definition.comments);
        let name = constant_name(&definition.name);
        match &definition.value {
            ASN1Value::Integer(value) | ASN1Value::LinkedIntValue { value, .. } => {
                let value = Literal::i128_unsuffixed(*value);
                Ok(quote!(#doc pub const #name: usize = #value;))
            }
            ASN1Value::ObjectIdentifier(value) => {
                self.stated
                    .insert(definition.name.clone(), (doc, value.clone()));
                Ok(TokenStream::new())
            }
            other => Err(format!("a value that is not understood: {other:?}")),
        }
    }

    /// The object identifiers as constants, and a table of their names.
    pub fn resolve(&self) -> Written {
        let mut code = TokenStream::new();
        let mut rows = TokenStream::new();
        for (name, (doc, value)) in &self.stated {
            let mut contents = Vec::new();
            match self.arcs(value, 0)?.as_slice() {
                [first, second, rest @ ..] => {
                    base128(first * 40 + second, &mut contents);
                    rest.iter().for_each(|&arc| base128(arc, &mut contents));
                }
                _ => return Err(format!("{name} has too few arcs")),
            }
            let constant = constant_name(name);
            let contents = contents.iter().map(|&octet| Literal::u8_unsuffixed(octet));
            rows.extend(quote!((#name, #constant),));
            code.extend(quote! {
                #doc
                pub const #constant: ObjectIdentifier = ObjectIdentifier::from_contents(&[#(#contents),*]);
            });
        }
        if !self.stated.is_empty() {
            code.extend(quote! {
                #[doc = " Every object identifier of this module with its name, in order of name."]
                pub const ALL: &[(&str, ObjectIdentifier)] = &[#rows];
            });
        }
        Ok(code)
    }

    /// The arcs of an object identifier, with those it builds on.
    fn arcs(&self, value: &ObjectIdentifierValue, depth: usize) -> Result<Vec<u128>, String> {
        let mut arcs = Vec::new();
        for arc in &value.0 {
            match (arc.number, arc.name.as_deref()) {
                (Some(number), _) => arcs.push(number),
                (None, Some("itu-t" | "ccitt")) if arcs.is_empty() => arcs.push(0),
                (None, Some("iso")) if arcs.is_empty() => arcs.push(1),
                (None, Some("joint-iso-itu-t" | "joint-iso-ccitt")) if arcs.is_empty() => {
                    arcs.push(2)
                }
                (None, Some(name)) if arcs.is_empty() && depth < 32 => {
                    let (_, root) = self
                        .stated
                        .get(name)
                        .ok_or_else(|| format!("{name} is not stated"))?;
                    arcs = self.arcs(root, depth + 1)?;
                }
                _ => return Err(format!("an arc that is not understood: {arc:?}")),
            }
        }
        Ok(arcs)
    }
}

/// Appends an arc in groups of seven bits.
fn base128(arc: u128, contents: &mut Vec<u8>) {
    let low = |arc: u128| {
        let [.., low] = arc.to_be_bytes();
        low & 0x7f
    };
    let mut groups = vec![low(arc)];
    let mut rest = arc >> 7;
    while rest > 0 {
        groups.push(low(rest) | 0x80);
        rest >>= 7;
    }
    contents.extend(groups.iter().rev());
}
