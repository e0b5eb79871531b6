//! Names, descriptors and identifiers as this direction needs them: mapped by [`crate::mixer::address`],
//! what they leave behind noted in the ledger.

use super::Work;
use crate::asn1::mts::ORName;
use crate::asn1::types::ObjectIdentifier;
use crate::mixer::address::{Attributes, Role, envelope, wire};
use crate::mixer::basic;
use crate::mixer::outcome::Unconverted;
use crate::rfc822::Mailbox;

/// The O/R address of a name as attributes.
pub(super) fn attributes(name: &ORName) -> Attributes {
    wire::attributes(&name.address()).0
}

/// The O/R address of a name as text.
pub(super) fn text(name: &ORName) -> String {
    attributes(name).to_string()
}

/// `object-identifier` (section 3.3.7).
pub(super) fn object_identifier(identifier: &ObjectIdentifier) -> String {
    let arcs: Option<Vec<_>> = identifier
        .arcs()
        .into_iter()
        .map(|arc| u32::try_from(arc).ok())
        .collect();
    match arcs {
        Some(arcs) => basic::object_identifier(arcs.into_iter().map(|arc| ("", arc))),
        None => identifier
            .arcs()
            .iter()
            .map(|arc| format!("({arc})"))
            .collect::<Vec<_>>()
            .join(" "),
    }
}

/// A name as a mailbox, its directory name in a comment; what is left behind is noted.
///
/// # Errors
/// If the address cannot be said, or answers are missing.
pub(super) fn name(work: &mut Work<'_>, name: &ORName, role: Role) -> Result<Mailbox, Unconverted> {
    let mapped = envelope::shown(work.context, name, role)?;
    Ok(work.noted(mapped))
}
