//! The envelope of a mail to be converted: what was stated, else what came with it, else its header.

use bytes::Bytes;
use mixgate::gateway::rules::Rules;
use mixgate::mixer::address::explain::{self, Written};
use mixgate::octets;
use mixgate::rfc822::address::AddressList;
use mixgate::rfc822::{AddrSpec, Envelope, Header, Recipient};

use crate::cli::exit::Failure;

/// The fields that name recipients; those of the last resending win.
const RECIPIENTS: [&str; 5] = ["Resent-To", "Resent-Cc", "To", "Cc", "Bcc"];
/// The fields that name the sender, the best first.
const SENDERS: [&str; 3] = ["Return-Path", "Sender", "From"];

/// What the command line states of the envelope.
pub struct Stated {
    /// The reverse-path, if one is stated; the null one is one.
    reverse_path: Option<Option<AddrSpec>>,
    recipients: Vec<Recipient>,
    /// Who gets what is for nobody.
    postmaster: Recipient,
}

impl Stated {
    /// Reads `--from` and `--rcpt`.
    ///
    /// # Errors
    /// If one of them is no address.
    pub fn of(from: &Option<String>, rcpt: &[String], rules: &Rules) -> Result<Self, Failure> {
        let reverse_path = from.as_deref().map(|from| match from {
            "" | "<>" => Ok(None),
            from => mailbox(from, rules).map(Some),
        });
        let recipient = |to: &String| mailbox(to, rules).map(Recipient::new);
        Ok(Self {
            reverse_path: reverse_path.transpose()?,
            recipients: rcpt.iter().map(recipient).collect::<Result<_, _>>()?,
            postmaster: recipient(&rules.config.gateway.postmaster)?,
        })
    }

    /// The envelope of a mail.
    ///
    /// # Errors
    /// If it is no mail.
    pub fn complete(&self, mail: &Bytes, came: Option<Envelope>) -> Result<Envelope, Failure> {
        let mut envelope = match came {
            Some(envelope) => envelope,
            None => of_header(mail)?,
        };
        if let Some(stated) = &self.reverse_path {
            envelope.reverse_path.clone_from(stated);
        }
        if !self.recipients.is_empty() {
            envelope.recipients.clone_from(&self.recipients);
        }
        if envelope.recipients.is_empty() {
            envelope.recipients.push(self.postmaster.clone());
        }
        Ok(envelope)
    }
}

/// A mailbox, or an O/R address as one of ours.
fn mailbox(text: &str, rules: &Rules) -> Result<AddrSpec, Failure> {
    match explain::read(text)
        .map_err(|fault| Failure::Data(format!("`{text}` is no address: {fault}")))?
    {
        Written::Mailbox(mailbox) => Ok(mailbox),
        Written::OrAddress(address) => AddrSpec::new(
            address.attributes.to_string(),
            rules.config.gateway.name.clone(),
        )
        .map_err(|error| Failure::Data(format!("{text}: {error}"))),
    }
}

/// The envelope a header suggests.
fn of_header(mail: &Bytes) -> Result<Envelope, Failure> {
    let (header, _) = Header::split(mail)
        .map_err(|error| Failure::Data(format!("octet 0: {error} (RFC 5322 section 2.2)")))?;
    if let Some(found) = no_mail(mail, &header) {
        return Err(Failure::Data(found));
    }
    let list = |name: &str| header.merged(name).map(|value| AddressList::parse(&value));
    let first = |name: &&str| {
        list(name)?
            .mailboxes()
            .next()
            .map(|mailbox| mailbox.address.clone())
    };
    let mut recipients: Vec<Recipient> = Vec::new();
    for name in RECIPIENTS {
        for mailbox in list(name).iter().flat_map(AddressList::mailboxes) {
            if !recipients
                .iter()
                .any(|known| known.forward_path.is_same_mailbox(&mailbox.address))
            {
                recipients.push(Recipient::new(mailbox.address.clone()));
            }
        }
        if name == "Resent-Cc" && !recipients.is_empty() {
            break;
        }
    }
    Ok(Envelope {
        reverse_path: SENDERS.iter().find_map(first),
        recipients,
        ..Envelope::default()
    })
}

/// What tells that octets are no mail: there are none, or before the first header field there are
/// controls that text has not.
fn no_mail(mail: &Bytes, header: &Header) -> Option<String> {
    let in_text =
        |octet: &u8| !octet.is_ascii_control() || b"\t\n\x0c\r\x0e\x0f\x1b".contains(octet);
    let first = header.fields.first();
    let first = first.and_then(|field| octets::offset(mail, &field.raw));
    let before = mail.get(..first.unwrap_or(mail.len())).unwrap_or_default();
    let (at, found): (usize, _) = match before.iter().zip(0..).find(|(octet, _)| !in_text(octet)) {
        Some((octet, at)) => (
            at,
            format!("the control {octet:#04x}, and no header field before it"),
        ),
        None if mail.is_empty() => (0, "nothing".to_owned()),
        None => return None,
    };
    Some(format!(
        "octet {at}: expected a mail (RFC 5322 section 3.5), found {found}"
    ))
}

/// Where the value of the field begins whose address a refusal is about.
pub fn place(mail: &Bytes, refusal: &str) -> Option<usize> {
    let (header, _) = Header::split(mail).ok()?;
    let names = |field: &mixgate::rfc822::Field| {
        SENDERS.iter().chain(&RECIPIENTS).any(|name| field.is(name))
            && AddressList::parse(&field.raw)
                .mailboxes()
                .any(|mailbox| refusal.starts_with(&mailbox.address.to_string()))
    };
    let field = header.fields.iter().find(|field| names(field))?;
    octets::offset(mail, &field.raw)
}
