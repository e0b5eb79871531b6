//! What a peer offers, and MAIL and RCPT with the parameters it so takes (RFC 5321 section 2.2,
//! RFC 1870, RFC 6152, RFC 3461).

use crate::rfc822::envelope::{BodyType, MAX_ENVID, MAX_ORCPT, Ret, xtext};
use crate::rfc822::{Envelope, Recipient};
use crate::smtp::reply::Reply;

/// What a peer offered in its reply to EHLO.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// `PIPELINING` (RFC 2920).
    pub pipelining: bool,
    /// `8BITMIME` (RFC 6152).
    pub eight_bit_mime: bool,
    /// `DSN` (RFC 3461).
    pub dsn: bool,
    /// `ENHANCEDSTATUSCODES` (RFC 2034).
    pub enhanced_status_codes: bool,
    /// `SMTPUTF8` (RFC 6531).
    pub smtputf8: bool,
    /// `SIZE` (RFC 1870): offered, and the largest message if one was named; 0 names none.
    pub size: Option<Option<u64>>,
}

impl Capabilities {
    /// Reads the keywords after the first line of a reply to EHLO, in any case.
    #[must_use]
    pub fn read(reply: &Reply) -> Self {
        let mut offers = Self::default();
        for line in reply.lines().iter().skip(1) {
            // "SIZE=1000" is how some servers of old write it.
            let mut words = line.split([' ', '=']);
            let keyword = words.next().unwrap_or_default();
            match keyword.to_ascii_uppercase().as_str() {
                "PIPELINING" => offers.pipelining = true,
                "8BITMIME" => offers.eight_bit_mime = true,
                "DSN" => offers.dsn = true,
                "ENHANCEDSTATUSCODES" => offers.enhanced_status_codes = true,
                "SMTPUTF8" => offers.smtputf8 = true,
                "SIZE" => offers.size = Some(words.next().and_then(|size| size.parse().ok())),
                _ => {}
            }
        }
        offers
    }

    /// `MAIL FROM` with the parameters the peer self.
    pub(super) fn mail(&self, envelope: &Envelope, length: u64) -> String {
        let from = envelope.reverse_path.as_ref();
        let mut command = match from {
            Some(from) => format!("MAIL FROM:<{from}>"),
            None => "MAIL FROM:<>".to_owned(),
        };
        if self.size.is_some() {
            command.push_str(&format!(" SIZE={length}"));
        }
        if self.eight_bit_mime && envelope.body == BodyType::EightBitMime {
            command.push_str(" BODY=8BITMIME");
        }
        let to = envelope.recipients.iter().map(|to| &to.forward_path);
        let beyond_ascii = from.into_iter().chain(to).any(|path| !path.is_ascii());
        if self.smtputf8 && (beyond_ascii || envelope.smtputf8) {
            command.push_str(" SMTPUTF8");
        }
        if self.dsn {
            match envelope.ret {
                Some(Ret::Full) => command.push_str(" RET=FULL"),
                Some(Ret::Hdrs) => command.push_str(" RET=HDRS"),
                None => {}
            }
            let envid = envelope.envid.as_deref().map(xtext);
            if let Some(envid) = envid.filter(|envid| (1..=MAX_ENVID).contains(&envid.len())) {
                command.push_str(&format!(" ENVID={envid}"));
            }
        }
        command + "\r\n"
    }

    /// `RCPT TO` with the parameters the peer self.
    pub(super) fn rcpt(&self, recipient: &Recipient) -> String {
        let mut command = format!("RCPT TO:<{}>", recipient.forward_path);
        if self.dsn {
            if let Some(notify) = recipient.notify {
                command.push_str(&format!(" NOTIFY={notify}"));
            }
            let orcpt = recipient.orcpt.as_ref().map(ToString::to_string);
            if let Some(orcpt) = orcpt.filter(|orcpt| orcpt.len() <= MAX_ORCPT) {
                command.push_str(&format!(" ORCPT={orcpt}"));
            }
        }
        command + "\r\n"
    }
}
