//! What an address becomes on the other side, by which rule, and whether it comes back: the
//! `address` command.
//!
//! RFC 2156 sections 4.3.4 and 4.3.5, told to a person or to a program.

use std::fmt;
use std::ops::Range;

use serde::Serialize;

use super::fault::carets;
use super::styles::Style;
use super::{Attributes, Fault, Role, or_address, styles, syntax, to_rfc822, to_x400};
use crate::mixer::context::Context;
use crate::mixer::outcome::{Note, Refusal, Unconverted};
use crate::rfc822::address::{AddrSpec, AddressList};

/// An address as a person writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// A mailbox: `jane@example.org`, `Jane <jane@example.org>`.
    Mailbox(AddrSpec),
    /// An O/R address: `/S=Jane/…/`, `S=Jane; …`, `X400:…`.
    OrAddress(styles::Reading),
}

/// Reads an address in any textual form.
///
/// # Errors
/// The text is neither a mailbox nor an O/R address; says where it stops being the likelier one.
pub fn read(text: &str) -> Result<Written, Fault> {
    if let Ok(mailbox) = text.trim().parse() {
        return Ok(Written::Mailbox(mailbox));
    }
    let fault = match styles::read(text) {
        Ok(reading) => return Ok(Written::OrAddress(reading)),
        Err(fault) => fault,
    };
    let list = AddressList::parse(text.as_bytes());
    let mut mailboxes = list.mailboxes();
    match (mailboxes.next(), mailboxes.next()) {
        (Some(mailbox), None) if list.malformed.is_empty() => {
            Ok(Written::Mailbox(mailbox.address.clone()))
        }
        _ if text.contains('@') && !text.contains('=') => Err(Fault::new(
            "RFC 5322 3.4.1",
            "no mailbox: expected local-part@domain",
        )),
        _ => Err(fault),
    }
}

/// What was asked of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// The O/R address of a mailbox.
    ToX400,
    /// The mailbox of an O/R address.
    ToSmtp,
}

/// The answer for one address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// The address as it was given.
    pub address: String,
    /// The way it was mapped.
    pub direction: Direction,
    /// The address on the other side; absent when refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mapped: Option<String>,
    /// The O/R address of the two in the form of F.401 annex B.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub f401: Option<String>,
    /// The rule that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The clause of RFC 2156.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub section: Option<&'static str>,
    /// What the mapped address becomes on the way back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reverse: Option<String>,
    /// Whether the way back leads to the address given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reversible: Option<bool>,
    /// What was carried aside or left behind, and what a closer look says.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// Further facts, for a person.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
    /// Why there is no mapped address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refused>,
}

/// Why an address has none on the other side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Refused {
    /// The text is no address.
    Unreadable {
        /// What is wrong.
        text: String,
        /// The clause it offends; one without the name of a text is a section of RFC 2156.
        section: &'static str,
        /// The octets at fault.
        #[serde(skip_serializing_if = "Option::is_none")]
        span: Option<Range<usize>>,
    },
    /// It cannot be mapped.
    Refusal(Refusal),
    /// A name service has to be asked first.
    Missing {
        /// What was asked.
        text: String,
    },
}

impl Answer {
    fn new(address: &str, direction: Direction) -> Self {
        Self {
            address: address.to_owned(),
            direction,
            mapped: None,
            f401: None,
            rule: None,
            section: None,
            reverse: None,
            reversible: None,
            notes: Vec::new(),
            details: Vec::new(),
            refused: None,
        }
    }

    fn unreadable(mut self, fault: Fault) -> Self {
        self.refused = Some(Refused::Unreadable {
            text: fault.text,
            section: fault.clause,
            span: fault.span,
        });
        self
    }

    fn refused(mut self, error: Unconverted) -> Self {
        self.refused = Some(match error {
            Unconverted::Refused(refusal) => Refused::Refusal(refusal),
            Unconverted::Missing(questions) => Refused::Missing {
                text: format!("{} answers of name services are missing", questions.len()),
            },
        });
        self
    }
}

/// The O/R address of what `text` names; an O/R address is given back in the form we write.
#[must_use]
pub fn to_x400(context: &Context<'_>, text: &str) -> Answer {
    let mut answer = Answer::new(text, Direction::ToX400);
    let mailbox = match read(text) {
        Ok(Written::Mailbox(mailbox)) => mailbox,
        Ok(Written::OrAddress(reading)) => {
            answer.mapped = Some(reading.attributes.to_string());
            answer.f401 = Some(or_address::f401(&reading.attributes));
            answer.notes = reading.notes;
            answer.rule = Some("an O/R address already".to_owned());
            answer.section = Some("4.1.3");
            return answer;
        }
        Err(fault) => return answer.unreadable(fault),
    };
    match to_x400::map(context, &mailbox, Role::Recipient) {
        Err(error) => answer.refused(error),
        Ok(mapped) => {
            if let Ok(back) = to_rfc822::map(context, &mapped.value, Role::Recipient) {
                answer.reversible = Some(back.value.is_same_mailbox(&mailbox));
                answer.reverse = Some(back.value.to_string());
            }
            answer.mapped = Some(mapped.value.to_string());
            answer.f401 = Some(or_address::f401(&mapped.value));
            answer.rule = Some(mapped.rule);
            answer.section = Some(mapped.section);
            answer.notes = mapped.notes;
            answer
        }
    }
}

/// The mailbox of what `text` names; a mailbox that holds an O/R address is mapped as that.
#[must_use]
pub fn to_smtp(context: &Context<'_>, text: &str) -> Answer {
    let mut answer = Answer::new(text, Direction::ToSmtp);
    let (attributes, mut notes) = match read(text) {
        Ok(Written::OrAddress(reading)) => (reading.attributes, reading.notes),
        Ok(Written::Mailbox(mailbox)) => match to_x400::map(context, &mailbox, Role::Recipient) {
            Ok(mapped) => (mapped.value, Vec::new()),
            Err(error) => return answer.refused(error),
        },
        Err(fault) => return answer.unreadable(fault),
    };
    answer.f401 = Some(or_address::f401(&attributes));
    match to_rfc822::map(context, &attributes, Role::Recipient) {
        Err(error) => answer.refused(error),
        Ok(mapped) => {
            if let Ok(back) = to_x400::map(context, &mapped.value, Role::Recipient) {
                answer.reversible = Some(syntax::equivalent(&back.value, &attributes));
                answer.reverse = Some(back.value.to_string());
            }
            answer.mapped = Some(mapped.value.to_string());
            answer.rule = Some(mapped.rule);
            answer.section = Some(mapped.section);
            notes.extend(mapped.notes);
            answer.notes = notes;
            answer
        }
    }
}

/// All that can be said of what `text` names: its parts, its faults, why a mailbox is no O/R
/// address, and the mapping to the other side.
#[must_use]
pub fn explain(context: &Context<'_>, text: &str) -> Answer {
    match read(text) {
        Ok(Written::Mailbox(mailbox)) => {
            let mut answer = to_x400(context, text);
            let encapsulated = styles::read(text).ok();
            let encapsulated = encapsulated.filter(|reading| reading.style == Style::Imceax400);
            answer.details.extend(encapsulated.map(|reading| {
                let labels = or_address::f401(&reading.attributes);
                format!("{}: {labels}", reading.style)
            }));
            match to_x400::stage_1(context, &mailbox) {
                Ok(mapped) => {
                    answer
                        .details
                        .push("Stage I: an O/R address is encoded in it".to_owned());
                    answer.details.extend(parts(&mapped.value));
                }
                Err(genuine) => answer.details.push(format!(
                    "Stage I: a genuine Internet address, because {}",
                    genuine.why
                )),
            }
            answer
        }
        Ok(Written::OrAddress(reading)) => {
            let mut answer = to_smtp(context, text);
            let attributes = &reading.attributes;
            answer.details.push(format!("written as {}", reading.style));
            answer.details.extend(parts(attributes));
            let faults = attributes.iter().filter_map(syntax::fault);
            let faults = faults.chain(syntax::incomplete(attributes));
            let faults = faults.chain(syntax::out_of_bounds(attributes));
            let told = faults.map(|fault| format!("fault: {fault} ({})", fault.clause));
            answer.details.extend(told);
            answer
        }
        Err(_) => to_smtp(context, text),
    }
}

/// The attributes, one a line, most significant first.
fn parts(attributes: &Attributes) -> Vec<String> {
    attributes
        .iter()
        .map(|attribute| {
            let name = attribute.key.row().name;
            let dot = if attribute.dd_type.is_empty() {
                ""
            } else {
                "."
            };
            format!("{name}{dot}{} = `{}`", attribute.dd_type, attribute.value)
        })
        .collect()
}

impl fmt::Display for Answer {
    /// A few lines for a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.address)?;
        if let Some(Refused::Unreadable { span, .. }) = &self.refused {
            let carets = span.clone().and_then(|span| carets(&self.address, span));
            carets.map_or(Ok(()), |carets| writeln!(f, "{carets}"))?;
        }
        if let Some(mapped) = &self.mapped {
            writeln!(f, "  -> {mapped}")?;
        }
        match &self.refused {
            Some(Refused::Unreadable { text, section, .. }) => {
                writeln!(f, "  refused: {text} ({section})")?;
            }
            Some(Refused::Missing { text }) => writeln!(f, "  refused: {text}")?,
            Some(Refused::Refusal(refusal)) => writeln!(f, "  refused: {refusal}")?,
            None => {}
        }
        if let Some(f401) = &self.f401 {
            writeln!(f, "     X.400: {f401}")?;
        }
        if let (Some(rule), Some(section)) = (&self.rule, self.section) {
            writeln!(f, "     rule:  {rule} (RFC 2156 section {section})")?;
        }
        if let Some(reverse) = &self.reverse {
            let verdict = if self.reversible == Some(true) {
                "the same"
            } else {
                "NOT the same"
            };
            writeln!(f, "     back:  {reverse} ({verdict})")?;
        }
        for note in &self.notes {
            writeln!(
                f,
                "     note:  {}: {} ({})",
                note.what, note.place, note.section
            )?;
        }
        for detail in &self.details {
            writeln!(f, "     {detail}")?;
        }
        Ok(())
    }
}
