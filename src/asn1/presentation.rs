//! What the presentation layer sends, in normal and in X.410 mode (X.226).

include!(concat!(env!("OUT_DIR"), "/presentation.rs"));
