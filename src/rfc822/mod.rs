//! Internet messages: envelope (RFC 5321), fields and addresses (RFC 5322), MIME (RFC 2045).
//!
//! | what | file |
//! | --- | --- |
//! | the SMTP envelope with its DSN parameters (RFC 5321, RFC 3461) | [`envelope`] |
//! | addresses and address lists (RFC 5322 3.4, RFC 5321 4.1.2) | [`address`] |
//! | header fields as they came (RFC 5322 2.2) | [`field`] |
//! | dates (RFC 5322 3.3 and 4.3) | [`date`] |
//! | encoded words (RFC 2047) | [`words`] |
//! | character sets of mail text | [`charset`] |
//! | media types and their parameters (RFC 2045 5, RFC 2231) | [`media`] |
//! | a message as a tree of parts (RFC 2045, RFC 2046) | [`mail`] |
//! | header fields as they are written (RFC 5322 2.2, RFC 2231) | [`mod@write`] |
//! | messages and parts as they are written (RFC 2045, RFC 2046) | [`entity`] |
//! | delivery status notifications (RFC 3464) | [`dsn`] |
//! | status codes (RFC 3463) | [`status`] |
//!
//! Nothing here knows X.400. Octets of strangers are bounded before they are looked at.

pub mod address;
pub mod charset;
pub mod date;
pub mod dsn;
pub mod entity;
pub mod envelope;
pub mod field;
pub mod mail;
pub mod media;
pub mod status;
pub mod words;
pub mod write;

pub use address::{AddrSpec, Address, AddressList, Mailbox};
pub use entity::Entity;
pub use envelope::{Envelope, Recipient};
pub use field::{Field, Header};
pub use mail::{Mail, Part};
pub use media::MediaType;
pub use status::Status;
pub use write::Fields;
