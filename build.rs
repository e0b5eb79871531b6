//! Generates the wire types of `src/asn1` from the profile modules in `asn1/`.

use std::error::Error;
use std::path::Path;

#[path = "build/generate.rs"]
mod generate;
#[path = "build/names.rs"]
mod names;
#[path = "build/notation.rs"]
mod notation;
#[path = "build/profile.rs"]
mod profile;
#[path = "build/structure.rs"]
mod structure;
#[path = "build/types.rs"]
mod types;
#[path = "build/values.rs"]
mod values;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=asn1");
    println!("cargo::rerun-if-changed=build");
    let out = std::env::var("OUT_DIR")?;
    for (stem, code) in generate::modules(Path::new("asn1"))? {
        std::fs::write(Path::new(&out).join(stem).with_extension("rs"), code)?;
    }
    Ok(())
}
