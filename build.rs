//! Generates the wire types of `src/asn1` from the profile modules in `asn1/`.

use std::path::Path;

#[path = "build/generate.rs"]
mod generate;
#[path = "build/names.rs"]
mod names;

fn main() {
    println!("cargo::rerun-if-changed=asn1");
    println!("cargo::rerun-if-changed=build");
    let out = std::env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    match generate::modules(Path::new("asn1")) {
        Ok(modules) => {
            for (stem, code) in modules {
                let path = Path::new(&out).join(stem).with_extension("rs");
                std::fs::write(path, code).expect("OUT_DIR can be written");
            }
        }
        Err(error) => {
            println!("cargo::error={error}");
            std::process::exit(1);
        }
    }
}
