//! From the profile modules to Rust: rasn-compiler reads the notation, this writes the modules.
//!
//! What the compiler warns about, and notation a profile module must not use, fails the build: see
//! `asn1/README.md`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use quote::quote;
use rasn_compiler::prelude::ir::ModuleHeader;
use rasn_compiler::prelude::{
    Backend, Compiler, CompilerSourcesSet, ExtensibilityEnvironment, GeneratedModule,
    GeneratorError, GeneratorErrorType, TaggingEnvironment, ToplevelDefinition,
};

use crate::names::{constant_name, field_name, type_name};
use crate::profile::check;
use crate::types::type_definition;
use crate::values::Identifiers;

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
    compiler: Compiler<Writer, CompilerSourcesSet>,
    path: PathBuf,
) -> Compiler<Writer, CompilerSourcesSet> {
    compiler.add_asn_by_path(path)
}

/// What separates modules in the compiler's output; the stem follows on the same line.
const BREAK: &str = "//// ";

/// The backend: writes one module of ASN.1 as one module of Rust.
#[derive(Debug, Default)]
pub struct Writer {
    config: (),
}

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
