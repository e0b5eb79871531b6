//! Addresses of the envelope: SMTP originator and recipients as MTS names, MTS names as mailboxes
//! with what only a comment can hold.
//!
//! RFC 2156 section 4.6.1, section 4.6.2.1 and section 4.6.2.2.

use super::{Mapped, Role, directory_name, to_rfc822, to_x400};
use crate::asn1::mts::{ORName, Redirection, RedirectionReason};
use crate::mixer::basic::time::Time;
use crate::mixer::context::Context;
use crate::mixer::outcome::Unconverted;
use crate::rfc822::address::{AddrSpec, Mailbox};

/// The MTS originator of a reverse-path.
///
/// The null reverse-path has no equivalent: X.400 must name an originator. The local part
/// `MAILER-DAEMON` at this gateway stands for it, which asks for no reports.
///
/// # Errors
/// The address does not fit into an O/R address.
pub fn originator(
    context: &Context<'_>,
    reverse_path: Option<&AddrSpec>,
) -> Result<Mapped<ORName>, Unconverted> {
    let mapped = match reverse_path {
        Some(address) => to_x400::or_address(context, address, Role::ReturnPath)?,
        None => {
            let daemon = null_originator(context)?;
            let mapped = to_x400::or_address(context, &daemon, Role::ReturnPath)?;
            Mapped {
                rule: format!("null reverse-path, {}", mapped.rule),
                ..mapped
            }
        }
    };
    Ok(mapped.map(ORName::from))
}

/// The mailbox that stands for the null reverse-path.
fn null_originator(context: &Context<'_>) -> Result<AddrSpec, Unconverted> {
    AddrSpec::new("MAILER-DAEMON", context.gateway.name.as_str())
        .map_err(|error| super::refusal(Role::ReturnPath, "4.6.1", error.to_string()).into())
}

/// The reverse-path of an MTS originator; `None` is the null reverse-path, for one that stands for
/// it or has no address.
///
/// # Errors
/// The address does not fit into a mailbox.
pub fn reverse_path(
    context: &Context<'_>,
    originator: &ORName,
) -> Result<Option<Mapped<AddrSpec>>, Unconverted> {
    let address = originator.address();
    if address == crate::asn1::mts::ORAddress::default() {
        return Ok(None);
    }
    let mapped = to_rfc822::mailbox(context, &address, Role::ReturnPath)?;
    let null = null_originator(context).is_ok_and(|null| null.is_same_mailbox(&mapped.value));
    Ok(Some(mapped).filter(|_| !null))
}

/// The MTS recipient of a forward-path.
///
/// # Errors
/// The address does not fit into an O/R address, or claims to hold one and does not.
pub fn recipient(
    context: &Context<'_>,
    forward_path: &AddrSpec,
) -> Result<Mapped<ORName>, Unconverted> {
    let mapped = to_x400::or_address(context, forward_path, Role::Recipient)?;
    Ok(mapped.map(ORName::from))
}

/// A name of the MTS as a header field shows it (X400-Originator, X400-Recipients): the mailbox, and
/// its directory name in a comment.
///
/// # Errors
/// The address does not fit into a mailbox.
pub fn shown(
    context: &Context<'_>,
    name: &ORName,
    role: Role,
) -> Result<Mapped<Mailbox>, Unconverted> {
    let mapped = to_rfc822::mailbox(context, &name.address(), role)?;
    Ok(mapped.map(|address| {
        let mut mailbox = Mailbox::new(address);
        let directory_name = name.directory_name.as_ref().and_then(directory_name::text);
        mailbox.comments.extend(directory_name);
        mailbox
    }))
}

/// The comment that tells how a message was redirected (`redirect-comment`), without parentheses.
///
/// # Errors
/// An address that does not fit into a mailbox.
pub fn redirect_comment(
    context: &Context<'_>,
    history: &[Redirection],
) -> Result<Option<String>, Unconverted> {
    let mut comment = String::new();
    for redirection in history {
        let intended = &redirection.intended_recipient_name;
        let mailbox = shown(context, &intended.intended_recipient, Role::Heading)?.value;
        let time = intended
            .redirection_time
            .as_str()
            .and_then(Time::from_utc_time);
        let date = time.map_or_else(|| "an unknown date".to_owned(), |time| time.to_date_time());
        let reason = reason(redirection.redirection_reason);
        comment.push_str(&if comment.is_empty() {
            format!("Originally To: {mailbox} Redirected on {date} To: {reason}")
        } else {
            format!(" {mailbox} Redirected Again on {date} To: {reason}")
        });
    }
    Ok(Some(comment).filter(|comment| !comment.is_empty()))
}

/// `redirection-reason` of section 4.6.2.2.
#[must_use]
pub fn reason(reason: RedirectionReason) -> &'static str {
    match reason {
        RedirectionReason::RECIPIENT_ASSIGNED_ALTERNATE_RECIPIENT => {
            "Recipient Assigned Alternate Recipient"
        }
        RedirectionReason::ORIGINATOR_REQUESTED_ALTERNATE_RECIPIENT => {
            "Originator Requested Alternate Recipient"
        }
        RedirectionReason::RECIPIENT_MD_ASSIGNED_ALTERNATE_RECIPIENT => {
            "Recipient MD Assigned Alternate Recipient"
        }
        RedirectionReason::DIRECTORY_LOOK_UP => "Directory Look Up",
        RedirectionReason::ALIAS => "Alias",
        _ => "Unknown Reason",
    }
}
