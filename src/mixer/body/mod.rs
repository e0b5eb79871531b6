//! Bodies: MIME parts to and from body parts (RFC 2157).
//!
//! | RFC 2157 section | file |
//! | --- | --- |
//! | 2.1, 5.3 | to_x400.rs |
//! | 2.2, 5.4 | to_rfc822.rs |
//! | 2.3, 3.1.1, 3.3, 6.4 | file.rs |
//! | 3.1.2, 3.1.3, 3.1.4, 3.2, 7 | encapsulate.rs |
//! | 5.2, 5.3, App. B | equivalence.rs |
//! | 6.1, 6.2, 6.7 | text.rs |
//! | 6.5, 6.6 | message.rs |

pub mod encapsulate;
pub mod equivalence;
pub mod file;
pub mod message;
pub mod text;
pub mod to_rfc822;
pub mod to_x400;
