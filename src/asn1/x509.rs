//! Certificates, as far as they are looked into (X.509).

include!(concat!(env!("OUT_DIR"), "/x509.rs"));
