//! The file transfer body part (X.420 and ISO 8571-4).

include!(concat!(env!("OUT_DIR"), "/ftbp.rs"));
