//! Bodies: MIME parts to and from body parts (RFC 2157).

pub mod equivalence;
pub mod text;
