//! Names of ASN.1 turned into names of Rust.

use proc_macro2::{Ident, Span};

/// The name of a type: `MTS-APDU` is `MtsApdu`, and a name without hyphens stays as it is.
pub fn type_name(name: &str) -> Ident {
    let mut rust = String::new();
    if !name.contains('-') {
        rust.push_str(name);
    }
    for part in name.split('-').filter(|_| name.contains('-')) {
        let shouted = part.chars().all(|c| !c.is_ascii_lowercase());
        let rest = part.get(1..).unwrap_or_default();
        rust.push_str(&part.get(..1).unwrap_or_default().to_uppercase());
        rust.push_str(&if shouted {
            rest.to_lowercase()
        } else {
            rest.to_owned()
        });
    }
    Ident::new(&rust, Span::call_site())
}

/// The name of a member: `replied-to-IPM` is `replied_to_ipm`.
pub fn field_name(name: &str) -> Ident {
    let rust = name.replace('-', "_").to_lowercase();
    match rust.as_str() {
        "type" | "abstract" | "final" | "ref" | "mod" | "use" => {
            Ident::new_raw(&rust, Span::call_site())
        }
        _ => Ident::new(&rust, Span::call_site()),
    }
}

/// The name of an alternative: `iso-3166-alpha2-code` is `Iso3166Alpha2Code`.
pub fn variant_name(name: &str) -> Ident {
    let mut rust = String::new();
    for part in name.split('-') {
        rust.push_str(&part.get(..1).unwrap_or_default().to_uppercase());
        rust.push_str(part.get(1..).unwrap_or_default());
    }
    Ident::new(&rust, Span::call_site())
}

/// The name of a value: `non-urgent` is `NON_URGENT`.
pub fn constant_name(name: &str) -> Ident {
    Ident::new(&name.replace('-', "_").to_uppercase(), Span::call_site())
}
