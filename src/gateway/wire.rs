//! O/R names and identifiers of P1 in the text the queue and the log keep.

use crate::asn1::mts::{MTSIdentifier, ORName};
use crate::mixer::address::{self, Attributes};
use crate::mixer::domain;

/// The address in an O/R name.
#[must_use]
pub fn attributes(name: &ORName) -> Attributes {
    address::wire::attributes(&name.address()).0
}

/// The O/R name of an address.
#[must_use]
pub fn name(address: &Attributes) -> ORName {
    address::wire::or_address(address).into()
}

/// `[/PRMD=…/ADMD=…/C=…/;local]`: an MTS identifier (RFC 2156 section 4.7.3).
#[must_use]
pub fn identifier_text(identifier: &MTSIdentifier) -> String {
    let local = String::from_utf8_lossy(identifier.local_identifier.as_bytes());
    format!(
        "[{};{local}]",
        domain::text(&identifier.global_domain_identifier)
    )
}
