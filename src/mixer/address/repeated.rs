//! Addresses that turn on themselves: one world's address inside the other's, at this gateway.
//!
//! RFC 2156 section 4.4.1: a recipient that comes back to the world it came from after being
//! unwrapped is relayed there, and no message is converted for it.

use super::attributes::Attributes;
use super::{syntax, to_rfc822, to_x400};
use crate::mixer::context::Context;
use crate::rfc822::address::AddrSpec;

/// The most wrappings taken off one address.
const MOST: usize = 8;

/// Where an X.400 recipient really is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unwrapped<Own, Other> {
    /// In the world it came from: the innermost address. Nothing is to be converted.
    SameWorld(Own),
    /// In the other world: the innermost address.
    OtherWorld(Other),
}

/// Takes the wrappings off an X.400 recipient that holds an Internet address; `None` if it is none
/// or wraps itself without end.
#[must_use]
pub fn or_address(
    context: &Context<'_>,
    address: &Attributes,
) -> Option<Unwrapped<Attributes, AddrSpec>> {
    let mut address = address.clone();
    for _ in 0..MOST {
        let mailbox = to_rfc822::mapping_a(context, &address)?.ok()?;
        let Ok(inner) = to_x400::stage_1(context, &mailbox) else {
            return Some(Unwrapped::OtherWorld(mailbox));
        };
        if syntax::equivalent(&inner.value, &address) {
            return None;
        }
        if to_rfc822::mapping_a(context, &inner.value).is_none() {
            return Some(Unwrapped::SameWorld(inner.value));
        }
        address = inner.value;
    }
    None
}

/// Takes the wrappings off an Internet recipient that holds an O/R address for this very gateway;
/// `None` if it holds none, or wraps itself without end.
#[must_use]
pub fn mailbox(
    context: &Context<'_>,
    mailbox: &AddrSpec,
) -> Option<Unwrapped<AddrSpec, Attributes>> {
    let outer = to_x400::stage_1(context, mailbox).ok()?;
    // A source route through another gateway is not for us to shorten.
    let rest: Attributes = outer
        .value
        .iter()
        .filter(|attribute| attribute.key != super::Key::Dd)
        .cloned()
        .collect();
    let held = to_rfc822::mapping_a(context, &outer.value);
    if held.is_none() || !syntax::equivalent(&rest, &context.gateway.address) {
        return Some(Unwrapped::OtherWorld(outer.value));
    }
    match or_address(context, &outer.value)? {
        Unwrapped::SameWorld(address) => Some(Unwrapped::OtherWorld(address)),
        Unwrapped::OtherWorld(mailbox) => Some(Unwrapped::SameWorld(mailbox)),
    }
}
