//! A SEQUENCE or SET as a Rust structure: members in any order in a SET, unknown elements kept.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use rasn_compiler::prelude::ir::{ASN1Type, ASN1Value, Optionality, SequenceOrSet};

use crate::names::{field_name, type_name};
use crate::notation::{default_value, notation, rust_type, tagging};
use crate::types::{Head, Written};

impl Head<'_> {
    /// A SEQUENCE or SET.
    pub fn structure(&self, body: &SequenceOrSet, set: bool) -> Written {
        if !body.components_of.is_empty() {
            return Err("COMPONENTS OF".into());
        }
        if self.is_explicit() {
            return Err("an explicit tag on a SEQUENCE or SET: name the inner type".into());
        }
        let (name, text, doc) = (type_name(self.name), self.name, &self.doc);
        let open = set || body.extensible.is_some();
        let mut fields = TokenStream::new();
        let mut members = Vec::new();
        for member in &body.members {
            let field = field_name(&member.name);
            let ty = member_type(&member.ty, &member.optionality)?;
            let (tagging, shown_tag) = tagging(member.tag.as_ref())?;
            let suffix = match &member.optionality {
                Optionality::Required => "",
                Optionality::Optional => " OPTIONAL",
                Optionality::Default(_) => " DEFAULT",
            };
            let doc = format!(
                " `{} {shown_tag}{}{suffix}`",
                member.name,
                notation(&member.ty)
            );
            let default = match &member.optionality {
                Optionality::Default(value) => Some(default_value(value, &member.ty, &ty)?),
                _ => None,
            };
            let field_type = match member.optionality {
                Optionality::Optional => quote!(Option<#ty>),
                _ => quote!(#ty),
            };
            fields.extend(quote!(#[doc = #doc] pub #field: #field_type,));
            members.push((
                field,
                member.name.as_str(),
                ty,
                tagging,
                &member.optionality,
                default,
            ));
        }
        let (unknown_field, unknown_write) = if open {
            (
                quote!(#[doc = " Elements of later editions, as they came."] pub unknown: Vec<Any>,),
                quote!(for value in self.unknown.iter().rev() {
                    value.write(Tag::NONE, to);
                }),
            )
        } else {
            (TokenStream::new(), TokenStream::new())
        };
        let implicit = members
            .iter()
            .filter(|(_, _, _, tagging, ..)| tagging.to_string().contains("Implicit"))
            .map(|(_, _, ty, ..)| quote!(const _: () = implicit::<#ty>();));
        let read = if set {
            let slots = members
                .iter()
                .map(|(field, ..)| quote!(let mut #field = None;));
            let fills = members.iter().map(|(field, text, _, tagging, ..)| {
                quote!(if member.fill(#tagging, #text, &mut #field)? { continue; })
            });
            let takes = members
                .iter()
                .map(
                    |(field, text, _, tagging, optionality, default)| match optionality {
                        Optionality::Required => {
                            quote!(#field: members.needed(#field, #tagging, #text)?)
                        }
                        Optionality::Optional => quote!(#field),
                        Optionality::Default(_) => quote!(#field: #field.unwrap_or(#default)),
                    },
                );
            quote! {
                #(#slots)*
                let mut unknown = Vec::new();
                let mut members = element.members(Self::NAME)?;
                while let Some(member) = members.next()? {
                    #(#fills)*
                    unknown.push(Any(member.whole()));
                }
                Ok(Self { #(#takes,)* unknown })
            }
        } else {
            let takes = members
                .iter()
                .map(
                    |(field, text, _, tagging, optionality, default)| match optionality {
                        Optionality::Required => quote!(#field: members.required(#tagging, #text)?),
                        Optionality::Optional => quote!(#field: members.optional(#tagging, #text)?),
                        Optionality::Default(_) => {
                            quote!(#field: members.optional(#tagging, #text)?.unwrap_or(#default))
                        }
                    },
                );
            let rest = open.then(|| quote!(unknown: members.rest()?,));
            let mutable = (open || !members.is_empty()).then(|| quote!(mut));
            quote! {
                let #mutable members = element.members(Self::NAME)?;
                let value = Self { #(#takes,)* #rest };
                members.finish(Self::NAME)?;
                Ok(value)
            }
        };
        // Where unknown elements follow in a SEQUENCE nothing is left out: one of them could be
        // taken for it.
        let (empty, all) = match open && !set {
            true => (
                quote!(!self.unknown.is_empty()),
                quote!(!self.unknown.is_empty() ||),
            ),
            false => (quote!(false), TokenStream::new()),
        };
        let writes = members
            .iter()
            .rev()
            .map(
                |(field, _, _, tagging, optionality, default)| match optionality {
                    Optionality::Required => quote!(#tagging.write(&self.#field, to);),
                    Optionality::Optional => {
                        quote!(to.optional(#tagging, self.#field.as_ref(), #empty);)
                    }
                    Optionality::Default(_) => {
                        quote!(if #all self.#field != #default { #tagging.write(&self.#field, to); })
                    }
                },
            );
        let shows = members.iter().map(
            |(field, text, _, _, optionality, default)| match optionality {
                Optionality::Required => quote!(shown.push((#text, self.#field.show()));),
                Optionality::Optional => {
                    quote!(if let Some(value) = &self.#field { shown.push((#text, value.show())); })
                }
                Optionality::Default(_) => {
                    quote!(if self.#field != #default { shown.push((#text, self.#field.show())); })
                }
            },
        );
        let show_unknown = open.then(|| {
            quote!(for value in &self.unknown {
                shown.push(("unknown", value.show()));
            })
        });
        let always = members
            .iter()
            .all(|(.., optionality, _)| matches!(optionality, Optionality::Required));
        let show = if always && !open {
            let members = members
                .iter()
                .map(|(field, text, ..)| quote!((#text, self.#field.show())));
            quote!(Value::Members(vec![#(#members),*]))
        } else {
            quote! {
                let mut shown = Vec::new();
                #(#shows)*
                #show_unknown
                Value::Members(shown)
            }
        };
        let own = self.own_tag(if set {
            quote!(Tag::SET)
        } else {
            quote!(Tag::SEQUENCE)
        });
        let defaults = default_impl(
            &members
                .iter()
                .map(|(field, .., default)| (field.clone(), default.clone()))
                .collect::<Vec<_>>(),
            open,
        );
        let (derive, default_impl) = match defaults {
            None => (quote!(Default,), TokenStream::new()),
            Some(body) => (
                TokenStream::new(),
                quote!(impl Default for #name { fn default() -> Self { #body } }),
            ),
        };
        Ok(quote! {
            #doc
            #[derive(Debug, Clone, #derive PartialEq, Eq, Hash)]
            pub struct #name { #fields #unknown_field }
            #default_impl
            #(#implicit)*
            #[allow(clippy::vec_init_then_push, clippy::bool_comparison, reason = "one form for all members")]
            impl Ber for #name {
                const NAME: &'static str = #text;
                const TAG: Tag = #own;
                fn read(element: &Element<'_>) -> Result<Self, DecodeError> { #read }
                fn write(&self, tag: Tag, to: &mut Writer) {
                    to.constructed(tag, |to| { #unknown_write #(#writes)* });
                }
                fn show(&self) -> Value { #show }
            }
        })
    }
}

/// Types whose values are large and mostly absent: optional members of them are boxed, so that
/// what holds them stays small.
const BOXED: [&str; 2] = ["OtherMessageDeliveryFields", "IPM"];

/// The Rust type of a member.
fn member_type(ty: &ASN1Type, optionality: &Optionality<ASN1Value>) -> Written {
    let rust = rust_type(ty)?;
    let boxed = BOXED.contains(&notation(ty).as_str());
    Ok(match optionality {
        Optionality::Optional if boxed => quote!(Box<#rust>),
        _ => rust,
    })
}

/// The body of `Default::default`, if deriving it would not give the members their DEFAULT.
fn default_impl(members: &[(Ident, Option<TokenStream>)], open: bool) -> Option<TokenStream> {
    let differs = |default: &Option<TokenStream>| {
        default
            .as_ref()
            .is_some_and(|value| !value.to_string().ends_with(":: default ()"))
    };
    if !members.iter().any(|(_, default)| differs(default)) {
        return None;
    }
    let fields = members.iter().map(|(field, default)| {
        let value = default
            .clone()
            .unwrap_or_else(|| quote!(Default::default()));
        quote!(#field: #value)
    });
    let unknown = open.then(|| quote!(unknown: Vec::new()));
    Some(quote!(Self { #(#fields,)* #unknown }))
}
