//! One type assignment as one Rust type with its codec.

use proc_macro2::{Literal, TokenStream};
use quote::quote;
use rasn_compiler::prelude::TaggingEnvironment;
use rasn_compiler::prelude::ir::{
    ASN1Type, AsnTag, Choice, DistinguishedValue, Enumerated, ToplevelTypeDefinition,
};

use crate::names::{constant_name, type_name, variant_name};
use crate::notation::{notation, rust_type, tag, tagging};

/// Rust, or why there is none.
pub type Written = Result<TokenStream, String>;

/// A type assignment.
pub fn type_definition(definition: &ToplevelTypeDefinition) -> Written {
    if definition.parameterization.is_some() {
        return Err("a parameterized type".into());
    }
    let doc = documentation(&definition.name, &definition.comments);
    let head = Head {
        name: &definition.name,
        tag: definition.tag.as_ref(),
        doc,
    };
    match &definition.ty {
        ASN1Type::Sequence(members) => head.structure(members, false),
        ASN1Type::Set(members) => head.structure(members, true),
        ASN1Type::Choice(choice) => head.choice(choice),
        ASN1Type::Enumerated(enumerated) => head.enumerated(enumerated),
        ASN1Type::Integer(integer) if integer.distinguished_values.is_some() => {
            let names = integer.distinguished_values.as_deref().unwrap_or_default();
            head.number(names, &quote!(Tag::INTEGER))
        }
        ASN1Type::BitString(bits) if bits.distinguished_values.is_some() => {
            head.bits(bits.distinguished_values.as_deref().unwrap_or_default())
        }
        other => head.plain(other),
    }
}

/// The documentation of a type: what its comment says.
pub fn documentation(name: &str, comments: &str) -> TokenStream {
    let comment = comments.split_whitespace().collect::<Vec<_>>().join(" ");
    let comment = comment.trim_start_matches('-').trim();
    let text = if comment.is_empty() {
        format!(" `{name}`.")
    } else {
        format!(" `{name}`: {comment}")
    };
    quote!(#[doc = #text])
}

/// What every type assignment has.
pub struct Head<'a> {
    pub name: &'a str,
    pub tag: Option<&'a AsnTag>,
    pub doc: TokenStream,
}

impl Head<'_> {
    /// The type's own tag, or `otherwise`.
    pub fn own_tag(&self, otherwise: TokenStream) -> TokenStream {
        self.tag.map_or(otherwise, tag)
    }

    /// Whether the type's own tag stands around another.
    pub fn is_explicit(&self) -> bool {
        self.tag
            .is_some_and(|tag| tag.environment == TaggingEnvironment::Explicit)
    }

    /// A CHOICE.
    fn choice(&self, choice: &Choice) -> Written {
        let (name, text, doc) = (type_name(self.name), self.name, &self.doc);
        let mut variants = TokenStream::new();
        let (mut accepts, mut reads, mut writes, mut shows) = (
            TokenStream::new(),
            TokenStream::new(),
            TokenStream::new(),
            TokenStream::new(),
        );
        let mut implicit = TokenStream::new();
        for option in &choice.options {
            let (variant, option_name) = (variant_name(&option.name), &option.name);
            let ty = rust_type(&option.ty)?;
            let (tagging, shown_tag) = tagging(option.tag.as_ref())?;
            let doc = format!(" `{} {shown_tag}{}`", option.name, notation(&option.ty));
            if tagging.to_string().contains("Implicit") {
                implicit.extend(quote!(const _: () = implicit::<#ty>();));
            }
            variants.extend(quote!(#[doc = #doc] #variant(#ty),));
            accepts.extend(quote!(if #tagging.accepts::<#ty>(tag) { return true; }));
            reads.extend(quote! {
                if let Some(value) = element.alternative(#tagging, #option_name)? {
                    return Ok(Self::#variant(value));
                }
            });
            writes.extend(quote!(Self::#variant(value) => #tagging.write(value, to),));
            shows.extend(quote!(Self::#variant(value) => Value::Choice(#option_name, Box::new(value.show())),));
        }
        let otherwise = if choice.extensible.is_some() {
            variants.extend(quote!(
                #[doc = " An alternative of a later edition, as it came."]
                Unknown(Any),
            ));
            writes.extend(quote!(Self::Unknown(value) => value.write(Tag::NONE, to),));
            shows.extend(
                quote!(Self::Unknown(value) => Value::Choice("unknown", Box::new(value.show())),),
            );
            accepts = quote!(let _ = tag; true);
            quote!(Ok(Self::Unknown(Any(element.whole()))))
        } else {
            accepts.extend(quote!(false));
            quote!(Err(element.not(Self::NAME)))
        };
        let first = choice
            .options
            .first()
            .map(|option| variant_name(&option.name))
            .ok_or("no alternatives")?;
        let own = self.own_tag(quote!(Tag::NONE));
        let (accepts, read, write) = match self.tag {
            None => (
                quote!(fn accepts(tag: Tag) -> bool { #accepts }),
                quote!(#reads #otherwise),
                quote!(let _ = tag; match self { #writes }),
            ),
            Some(_) if self.is_explicit() => (
                TokenStream::new(),
                quote!(let element = &element.only(Self::NAME)?; #reads #otherwise),
                quote!(to.constructed(tag, |to| match self { #writes });),
            ),
            Some(_) => return Err("a tagged CHOICE must say EXPLICIT".into()),
        };
        Ok(quote! {
            #doc
            #[derive(Debug, Clone, PartialEq, Eq, Hash)]
            #[allow(clippy::large_enum_variant, reason = "a CHOICE is what its alternatives are")]
            pub enum #name { #variants }
            #implicit
            impl Default for #name {
                fn default() -> Self { Self::#first(Default::default()) }
            }
            impl Ber for #name {
                const NAME: &'static str = #text;
                const TAG: Tag = #own;
                #accepts
                fn read(element: &Element<'_>) -> Result<Self, DecodeError> { #read }
                fn write(&self, tag: Tag, to: &mut Writer) { #write }
                fn show(&self) -> Value { match self { #shows } }
            }
        })
    }

    /// An ENUMERATED: a number, since later editions add names.
    fn enumerated(&self, enumerated: &Enumerated) -> Written {
        let names: Vec<_> = enumerated
            .members
            .iter()
            .map(|member| DistinguishedValue {
                name: member.name.clone(),
                value: member.index,
            })
            .collect();
        self.number(&names, &quote!(Tag::ENUMERATED))
    }

    /// A number with names.
    fn number(&self, names: &[DistinguishedValue], universal: &TokenStream) -> Written {
        if self.is_explicit() {
            return Err("an explicit tag on a number: name the inner type".into());
        }
        let (name, text, doc) = (type_name(self.name), self.name, &self.doc);
        let own = self.own_tag(universal.clone());
        let constants = names.iter().map(|named| {
            let constant = constant_name(&named.name);
            let doc = format!(" `{}`", named.name);
            let value = Literal::i128_unsuffixed(named.value);
            quote!(#[doc = #doc] pub const #constant: Self = Self(#value);)
        });
        let arms = names.iter().map(|named| {
            let (value, name) = (Literal::i128_unsuffixed(named.value), &named.name);
            quote!(#value => Some(#name),)
        });
        Ok(quote! {
            #doc
            #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
            pub struct #name(pub i64);
            impl #name {
                #(#constants)*
                #[doc = " The name of the number, if it has one."]
                #[must_use]
                pub fn name(self) -> Option<&'static str> {
                    match self.0 { #(#arms)* _ => None }
                }
            }
            impl Ber for #name {
                const NAME: &'static str = #text;
                const TAG: Tag = #own;
                fn read(element: &Element<'_>) -> Result<Self, DecodeError> {
                    i64::read(element).map(Self)
                }
                fn write(&self, tag: Tag, to: &mut Writer) { self.0.write(tag, to); }
                fn show(&self) -> Value { Value::Integer(self.0, self.name()) }
            }
        })
    }

    /// A BIT STRING with names.
    fn bits(&self, names: &[DistinguishedValue]) -> Written {
        if self.is_explicit() {
            return Err("an explicit tag on a BIT STRING: name the inner type".into());
        }
        let (name, text, doc) = (type_name(self.name), self.name, &self.doc);
        let own = self.own_tag(quote!(Tag::BIT_STRING));
        let constants = names.iter().map(|named| {
            let constant = constant_name(&named.name);
            let doc = format!(" Bit `{}`", named.name);
            let value = Literal::i128_unsuffixed(named.value);
            quote!(#[doc = #doc] pub const #constant: u32 = #value;)
        });
        let arms = names.iter().map(|named| {
            let (value, name) = (Literal::i128_unsuffixed(named.value), &named.name);
            quote!(#value => Some(#name),)
        });
        Ok(quote! {
            #doc
            #[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
            pub struct #name(pub BitString);
            impl #name {
                #(#constants)*
                #[doc = " Whole octets in which these bits are one and all others zero."]
                #[must_use]
                pub fn of(ones: &[u32]) -> Self { Self(BitString::of(ones)) }
                #[doc = " Whether this bit is one; a bit beyond the end is zero."]
                #[must_use]
                pub fn contains(&self, bit: u32) -> bool { self.0.contains(bit) }
            }
            impl Ber for #name {
                const NAME: &'static str = #text;
                const TAG: Tag = #own;
                fn read(element: &Element<'_>) -> Result<Self, DecodeError> {
                    BitString::read(element).map(Self)
                }
                fn write(&self, tag: Tag, to: &mut Writer) { self.0.write(tag, to); }
                fn show(&self) -> Value {
                    let names = self.0.ones().map(|bit| match bit { #(#arms)* _ => None }).collect();
                    Value::Bits { octets: self.0.octets.clone(), unused: self.0.unused, names }
                }
            }
        })
    }

    /// Any other type: another name for it, or with a tag of its own a type of its own.
    fn plain(&self, ty: &ASN1Type) -> Written {
        let (name, text, doc) = (type_name(self.name), self.name, &self.doc);
        let inner = rust_type(ty)?;
        let Some(own) = self.tag else {
            return Ok(quote!(#doc pub type #name = #inner;));
        };
        let (own, (tagging, _)) = (tag(own), tagging(self.tag)?);
        let explicit = self.is_explicit();
        let check = (!explicit).then(|| quote!(const _: () = implicit::<#inner>();));
        let read = if explicit {
            quote! {
                match element.alternative(#tagging, Self::NAME)? {
                    Some(value) => Ok(Self(value)),
                    None => Err(element.not(Self::NAME)),
                }
            }
        } else {
            quote!(<#inner>::read(element).map(Self))
        };
        let write = if explicit {
            quote!(to.constructed(tag, |to| self.0.write(<#inner>::TAG, to));)
        } else {
            quote!(self.0.write(tag, to);)
        };
        Ok(quote! {
            #doc
            #[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
            pub struct #name(pub #inner);
            #check
            impl std::ops::Deref for #name {
                type Target = #inner;
                fn deref(&self) -> &#inner { &self.0 }
            }
            impl<T: Into<#inner>> From<T> for #name {
                fn from(value: T) -> Self { Self(value.into()) }
            }
            impl Ber for #name {
                const NAME: &'static str = #text;
                const TAG: Tag = #own;
                fn read(element: &Element<'_>) -> Result<Self, DecodeError> { #read }
                fn write(&self, tag: Tag, to: &mut Writer) { #write }
                fn show(&self) -> Value { self.0.show() }
                fn is_empty_list(&self) -> bool { self.0.is_empty_list() }
            }
        })
    }
}
