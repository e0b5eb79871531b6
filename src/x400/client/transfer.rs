//! A transfer over an open association.

use super::super::apdu::{Apdu, Wrapped};
use super::pool::Association;
use crate::osi::rtse::{Indication, Request};

/// Why a transfer over an association failed.
pub(super) enum Failure {
    /// The peer, or this side, did not carry the transfer through.
    NotTransferred {
        transient: bool,
        explanation: String,
    },
    /// The association broke when all was sent, before the peer answered.
    InDoubt(String),
    /// The association broke before that.
    Broken(String),
}
impl Association {
    /// Transfers one APDU.
    pub(super) async fn transfer(&mut self, apdu: Apdu) -> Result<(), Failure> {
        let local = |explanation: String| Failure::NotTransferred {
            transient: true,
            explanation,
        };
        let mut wrapped = Wrapped::open(apdu, self.link.user_context())
            .await
            .map_err(|fault| local(format!("the APDU cannot be read: {fault}")))?;
        self.link
            .request(Request::Transfer)
            .map_err(|misuse| Failure::Broken(misuse.to_string()))?;
        let mut unreadable = None;
        while let Some(told) = self.link.next().await {
            let request = match told {
                Indication::Pull { octets } => match wrapped.next(octets).await {
                    Ok((octets, last)) => Request::Octets { octets, last },
                    Err(fault) => {
                        unreadable = Some(format!("the APDU cannot be read: {fault}"));
                        Request::TransferStop
                    }
                },
                Indication::TransferConfirm(Ok(())) => return Ok(()),
                Indication::TransferConfirm(Err(not)) if not.in_doubt => {
                    return Err(Failure::InDoubt(not.explanation));
                }
                Indication::TransferConfirm(Err(not)) if self.link.is_over() => {
                    return Err(Failure::Broken(not.explanation));
                }
                Indication::TransferConfirm(Err(not)) => {
                    return Err(match unreadable {
                        Some(explanation) => local(explanation),
                        None => Failure::NotTransferred {
                            transient: not.transient,
                            explanation: not.explanation,
                        },
                    });
                }
                Indication::PAbort { explanation } | Indication::UAbort { explanation } => {
                    return Err(Failure::Broken(explanation));
                }
                _ => continue,
            };
            self.link
                .request(request)
                .map_err(|misuse| Failure::Broken(misuse.to_string()))?;
        }
        Err(Failure::Broken("the connection was lost".to_owned()))
    }
}
