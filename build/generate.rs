//! From the profile modules to Rust: rasn-compiler reads the notation, this writes the types.
//!
//! What the compiler warns about, and notation a profile module must not use (it would be
//! mistranslated or lose octets), fails the build: see `asn1/README.md`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use proc_macro2::{Literal, TokenStream};
use quote::quote;
use rasn_compiler::prelude::ir::{
    ASN1Type, ASN1Value, AsnTag, Choice, DistinguishedValue, Enumerated, ModuleHeader,
    ObjectIdentifierValue, Optionality, SequenceOrSet, TagClass, ToplevelTypeDefinition,
    ToplevelValueDefinition,
};
use rasn_compiler::prelude::{
    Backend, Compiler, ExtensibilityEnvironment, GeneratedModule, GeneratorError,
    GeneratorErrorType, TaggingEnvironment, ToplevelDefinition,
};

use crate::names::{constant_name, field_name, type_name, variant_name};

/// Notation that a profile module must not use, and what to write instead.
const BANNED: [(&str, &str); 7] = [
    ("COMPONENTS OF", "write the components out"),
    ("INSTANCE OF", "write EXTERNAL's members out"),
    ("EXTERNAL", "use our ExternalValue"),
    ("EMBEDDED PDV", "nothing in X.400 has it"),
    ("CLASS", "write the open type as ANY"),
    ("WITH COMPONENTS", "state the type itself"),
    ("AUTOMATIC TAGS", "X.400 tags by hand"),
];

/// Translates every module in `folder`: by stem, its Rust.
pub fn modules(folder: &Path) -> Result<BTreeMap<String, String>, Box<dyn Error>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "asn1")
        {
            paths.push(path);
        }
    }
    paths.sort();
    let mut compiler = None;
    for path in paths {
        let text = std::fs::read_to_string(&path)?;
        check(&text).map_err(|problem| format!("{}: {problem}", path.display()))?;
        compiler = Some(match compiler {
            None => Compiler::<Writer, _>::new().add_asn_by_path(path),
            Some(more) => add(more, path),
        });
    }
    let compiled = compiler.ok_or("no modules")?.compile_to_string()?;
    if let Some(warning) = compiled.warnings.first() {
        return Err(format!("rasn-compiler warns: {warning:?}").into());
    }
    let mut modules = BTreeMap::new();
    for module in compiled
        .generated
        .split(BREAK)
        .filter(|text| !text.trim().is_empty())
    {
        let (stem, code) = module.split_once('\n').ok_or("a module without a name")?;
        let file = syn::parse_file(code).map_err(|error| format!("{stem}: {error}"))?;
        modules.insert(stem.trim().to_owned(), prettyplease::unparse(&file));
    }
    Ok(modules)
}

/// Adds another module to those the compiler reads.
fn add(
    compiler: Compiler<Writer, rasn_compiler::prelude::CompilerSourcesSet>,
    path: PathBuf,
) -> Compiler<Writer, rasn_compiler::prelude::CompilerSourcesSet> {
    compiler.add_asn_by_path(path)
}

/// Refuses banned notation and names that are assigned twice (the compiler drops one silently).
fn check(text: &str) -> Result<(), String> {
    let mut assigned = std::collections::BTreeSet::new();
    for (index, line) in text.lines().enumerate() {
        let notation = line.split("--").next().unwrap_or_default();
        let words: Vec<&str> = notation.split_whitespace().collect();
        for (banned, instead) in BANNED {
            let banned_words: Vec<&str> = banned.split(' ').collect();
            if words
                .windows(banned_words.len())
                .any(|window| window == banned_words)
            {
                return Err(format!("line {}: {banned} is banned: {instead}", index + 1));
            }
        }
        let name = words.first().copied().unwrap_or_default();
        let assignment = words.get(1).is_some_and(|&word| word == "::=")
            || (words.contains(&"::=") && name.starts_with(char::is_lowercase));
        if assignment && !line.starts_with(char::is_whitespace) && !assigned.insert(name) {
            return Err(format!("line {}: {name} is assigned twice", index + 1));
        }
    }
    Ok(())
}

/// What separates modules in the compiler's output; the stem follows on the same line.
const BREAK: &str = "//// ";

/// The backend: writes one module of ASN.1 as one module of Rust.
#[derive(Debug, Default)]
pub struct Writer {
    config: (),
}

type Written = Result<TokenStream, String>;

impl Backend for Writer {
    type Config = ();
    const FILE_EXTENSION: &'static str = ".rs";

    fn generate_module(
        &mut self,
        definitions: Vec<ToplevelDefinition>,
    ) -> Result<GeneratedModule, GeneratorError> {
        let failed =
            |details: String| GeneratorError::new(None, &details, GeneratorErrorType::Unsupported);
        let Some(header) = definitions.first().and_then(header) else {
            return Ok(GeneratedModule::empty());
        };
        let header = header.borrow();
        let stem = header.name.to_lowercase();
        let imports = header.imports.iter().map(|import| {
            let module = field_name(&import.global_module_reference.module_reference);
            let names = import.types.iter().map(|name| {
                if name.starts_with(char::is_uppercase) {
                    type_name(name)
                } else {
                    constant_name(name)
                }
            });
            quote!(use super::#module::{#(#names),*};)
        });
        let mut code = quote! {
            #[allow(unused_imports)] // not every module has every kind of type
            use super::{
                codec::{Ber, Element, Tagging, Writer, implicit}, error::DecodeError, tlv::Tag,
                types::*, value::Value,
            };
            #(#imports)*
        };
        let mut identifiers = Identifiers::default();
        for definition in &definitions {
            let (name, written) = match definition {
                ToplevelDefinition::Type(definition) => {
                    (&definition.name, type_definition(definition))
                }
                ToplevelDefinition::Value(definition) => {
                    (&definition.name, identifiers.value(definition))
                }
                other => {
                    return Err(failed(format!(
                        "{stem}: {} is no type or value",
                        other.name()
                    )));
                }
            };
            code.extend(written.map_err(|problem| failed(format!("{stem}: {name}: {problem}")))?);
        }
        code.extend(
            identifiers
                .resolve()
                .map_err(|problem| failed(format!("{stem}: {problem}")))?,
        );
        Ok(GeneratedModule {
            generated: Some(format!("{BREAK}{stem}\n{code}\n")),
            warnings: Vec::new(),
        })
    }

    fn generate(&self, _: ToplevelDefinition) -> Result<String, GeneratorError> {
        Ok(String::new())
    }

    fn config(&self) -> &() {
        &self.config
    }

    fn from_config(_: ()) -> Self {
        Self::default()
    }

    fn new(_: (), _: TaggingEnvironment, _: ExtensibilityEnvironment) -> Self {
        Self::default()
    }
}

/// The header of the module a definition is in.
fn header(definition: &ToplevelDefinition) -> Option<Rc<RefCell<ModuleHeader>>> {
    match definition {
        ToplevelDefinition::Type(definition) => definition.module_header.clone(),
        ToplevelDefinition::Value(definition) => definition.module_header.clone(),
        _ => None,
    }
}

/// A type assignment.
fn type_definition(definition: &ToplevelTypeDefinition) -> Written {
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
fn documentation(name: &str, comments: &str) -> TokenStream {
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
struct Head<'a> {
    name: &'a str,
    tag: Option<&'a AsnTag>,
    doc: TokenStream,
}

impl Head<'_> {
    /// The type's own tag, or `otherwise`.
    fn own_tag(&self, otherwise: TokenStream) -> TokenStream {
        self.tag.map_or(otherwise, tag)
    }

    /// Whether the type's own tag stands around another.
    fn is_explicit(&self) -> bool {
        self.tag
            .is_some_and(|tag| tag.environment == TaggingEnvironment::Explicit)
    }

    /// A SEQUENCE or SET.
    fn structure(&self, body: &SequenceOrSet, set: bool) -> Written {
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
            let ty = rust_type(&member.ty)?;
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
        let implicit = members.iter().filter_map(|(_, _, ty, tagging, ..)| {
            tagging
                .to_string()
                .contains("Implicit")
                .then(|| quote!(const _: () = implicit::<#ty>();))
        });
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
        let writes = members
            .iter()
            .rev()
            .map(
                |(field, _, _, tagging, optionality, default)| match optionality {
                    Optionality::Required => quote!(#tagging.write(&self.#field, to);),
                    Optionality::Optional => quote!(to.optional(#tagging, self.#field.as_ref());),
                    Optionality::Default(_) => {
                        quote!(if self.#field != #default { #tagging.write(&self.#field, to); })
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
            impl Ber for #name {
                const NAME: &'static str = #text;
                const TAG: Tag = #own;
                fn read(element: &Element<'_>) -> Result<Self, DecodeError> { #read }
                fn write(&self, tag: Tag, to: &mut Writer) {
                    to.constructed(tag, |to| { #unknown_write #(#writes)* });
                }
                fn show(&self) -> Value {
                    let mut shown = Vec::new();
                    #(#shows)*
                    #show_unknown
                    Value::Members(shown)
                }
            }
        })
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

/// The body of `Default::default`, if deriving it would not give the members their DEFAULT.
fn default_impl(
    members: &[(proc_macro2::Ident, Option<TokenStream>)],
    open: bool,
) -> Option<TokenStream> {
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

/// A tag.
fn tag(tag: &AsnTag) -> TokenStream {
    let number = Literal::u64_unsuffixed(tag.id);
    match tag.tag_class {
        TagClass::Universal => quote!(Tag::universal(#number)),
        TagClass::Application => quote!(Tag::application(#number)),
        TagClass::Private => quote!(Tag::private(#number)),
        TagClass::ContextSpecific => quote!(Tag::context(#number)),
    }
}

/// How a member is tagged, in Rust and in the notation.
fn tagging(member: Option<&AsnTag>) -> Result<(TokenStream, String), String> {
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
fn rust_type(ty: &ASN1Type) -> Written {
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
fn notation(ty: &ASN1Type) -> String {
    match ty {
        ASN1Type::SequenceOf(list) => format!("SEQUENCE OF {}", notation(&list.element_type)),
        ASN1Type::SetOf(list) => format!("SET OF {}", notation(&list.element_type)),
        ASN1Type::Any => "ANY".into(),
        ASN1Type::ElsewhereDeclaredType(other) => other.identifier.clone(),
        other => other.as_str().into_owned(),
    }
}

/// A DEFAULT, in Rust.
fn default_value(value: &ASN1Value, ty: &ASN1Type, rust: &TokenStream) -> Written {
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

/// The object identifiers of a module, which may be stated in any order.
#[derive(Default)]
struct Identifiers {
    stated: BTreeMap<String, (TokenStream, ObjectIdentifierValue)>,
}

impl Identifiers {
    /// A value assignment: a number at once, an object identifier later.
    fn value(&mut self, definition: &ToplevelValueDefinition) -> Written {
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
    fn resolve(&self) -> Written {
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
    let mut groups = vec![u8::try_from(arc & 0x7f).expect("seven bits")];
    let mut rest = arc >> 7;
    while rest > 0 {
        groups.push(u8::try_from(rest & 0x7f).expect("seven bits") | 0x80);
        rest >>= 7;
    }
    contents.extend(groups.iter().rev());
}
