//! Addresses and address lists (RFC 5322 sections 3.4 and 4.4, RFC 822 section 6, RFC 5321 4.1.2).
//!
//! An [`AddrSpec`] keeps what the local part means (`/CN=Some One/`, not `"/CN=Some One/"`) and is
//! quoted again where it is written.

use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::words;

mod list;

pub use list::{AddressList, MAX_ADDRESSES};

/// The longest address, in octets; X.400 addresses exceed the 256 of RFC 5321 4.5.3.1.3.
pub const MAX_ADDR_SPEC: usize = 2048;

/// A mailbox address, `local-part@domain`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AddrSpec {
    local: String,
    domain: String,
}

/// The text is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// An octet that may not stand in an address.
    #[error("a control character in the local part (RFC 5322 section 3.4.1)")]
    Control,
    /// The domain is neither dot-separated names nor a literal in brackets.
    #[error("`{0}` is no domain (RFC 5321 section 4.1.2)")]
    Domain(String),
    /// Neither a dot-string nor a quoted string before `@`.
    #[error("no local part, `@` and domain (RFC 5321 section 4.1.2)")]
    Form,
    /// Longer than [`MAX_ADDR_SPEC`].
    #[error("longer than {MAX_ADDR_SPEC} octets")]
    TooLong,
}

impl AddrSpec {
    /// An address of what its local part means (without quotes) and its domain.
    ///
    /// An empty domain is allowed for the local part `postmaster` only (RFC 5321 section 4.1.1.3).
    ///
    /// # Errors
    /// If the local part holds a control character, the domain is none, or both are too long.
    pub fn new(local: impl Into<String>, domain: impl Into<String>) -> Result<Self, AddressError> {
        let (local, domain) = (local.into(), domain.into());
        if local.len() + domain.len() >= MAX_ADDR_SPEC {
            return Err(AddressError::TooLong);
        }
        if local.chars().any(char::is_control) {
            return Err(AddressError::Control);
        }
        let bare_postmaster = domain.is_empty() && local.eq_ignore_ascii_case("postmaster");
        if !bare_postmaster && !is_domain(&domain) {
            return Err(AddressError::Domain(domain));
        }
        Ok(Self { local, domain })
    }

    /// What the local part means: quotes and quoting backslashes are gone.
    #[must_use]
    pub fn local(&self) -> &str {
        &self.local
    }

    /// The domain, or a literal with its brackets.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Whether the address can be written without SMTPUTF8 (RFC 6531).
    #[must_use]
    pub fn is_ascii(&self) -> bool {
        self.local.is_ascii() && self.domain.is_ascii()
    }

    /// Whether both name one mailbox: domains compare without case, local parts with it.
    #[must_use]
    pub fn is_same_mailbox(&self, other: &Self) -> bool {
        self.local == other.local && self.domain.eq_ignore_ascii_case(&other.domain)
    }

    /// Reads a path of RFC 5321 section 4.1.2 with its angle brackets; `<>` is `None`.
    ///
    /// A source route is read and removed (RFC 5321 appendix F.2).
    ///
    /// # Errors
    /// If the text is no path.
    pub fn from_path(path: &str) -> Result<Option<Self>, AddressError> {
        let inside = path
            .strip_prefix('<')
            .and_then(|path| path.strip_suffix('>'));
        match inside.ok_or(AddressError::Form)? {
            "" => Ok(None),
            inside => {
                let mailbox = match inside.strip_prefix('@') {
                    Some(route) => {
                        let (route, mailbox) = route.split_once(':').ok_or(AddressError::Form)?;
                        if let Some(hop) = route.split(",@").find(|hop| !is_domain(hop)) {
                            return Err(AddressError::Domain(hop.to_owned()));
                        }
                        mailbox
                    }
                    None => inside,
                };
                if mailbox.eq_ignore_ascii_case("postmaster") {
                    return Self::new(mailbox, "").map(Some);
                }
                mailbox.parse().map(Some)
            }
        }
    }
}

impl FromStr for AddrSpec {
    type Err = AddressError;

    /// Reads exactly `local-part@domain`, without comments or blanks around its parts.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.len() > MAX_ADDR_SPEC {
            return Err(AddressError::TooLong);
        }
        if text.eq_ignore_ascii_case("postmaster") {
            return Self::new(text, "");
        }
        let Some(quoted) = text.strip_prefix('"') else {
            let (local, domain) = text.rsplit_once('@').ok_or(AddressError::Form)?;
            let of_local = |c: char| is_atext(c) || c == '.';
            if local.is_empty() || !local.chars().all(of_local) {
                return Err(AddressError::Form);
            }
            return Self::new(local, domain);
        };
        let mut local = String::new();
        let mut rest = quoted.chars();
        loop {
            match rest.next().ok_or(AddressError::Form)? {
                '"' => break,
                '\\' => local.push(rest.next().ok_or(AddressError::Form)?),
                other => local.push(other),
            }
        }
        let domain = rest.as_str().strip_prefix('@').ok_or(AddressError::Form)?;
        Self::new(local, domain)
    }
}

impl std::fmt::Display for AddrSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let dot_atom = self
            .local
            .split('.')
            .all(|atom| !atom.is_empty() && atom.chars().all(is_atext));
        if dot_atom {
            f.write_str(&self.local)?;
        } else {
            f.write_str(&quoted(&self.local))?;
        }
        if !self.domain.is_empty() {
            write!(f, "@{}", self.domain)?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for AddrSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "<{self}>")
    }
}

impl Serialize for AddrSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AddrSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A mailbox as a header field names it: phrase, address, comments.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Mailbox {
    /// The phrase before `<`, unquoted, its encoded words decoded.
    pub name: Option<String>,
    /// The address.
    pub address: AddrSpec,
    /// The comments anywhere in the entry, without their parentheses, encoded words decoded.
    pub comments: Vec<String>,
}

impl Mailbox {
    /// A mailbox without name and comments.
    #[must_use]
    pub fn new(address: AddrSpec) -> Self {
        Self {
            name: None,
            address,
            comments: Vec::new(),
        }
    }

    /// A mailbox with a name, unless that is empty.
    #[must_use]
    pub fn named(name: impl Into<String>, address: AddrSpec) -> Self {
        let name = Some(name.into()).filter(|name| !name.is_empty());
        Self {
            name,
            address,
            comments: Vec::new(),
        }
    }
}

impl std::fmt::Display for Mailbox {
    /// Writes the entry as a header field holds it: names and comments that are not US-ASCII become
    /// encoded words, control characters blanks.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{} <{}>", phrase(name), self.address)?,
            None if self.address.domain.is_empty() => write!(f, "<{}>", self.address)?,
            None => write!(f, "{}", self.address)?,
        }
        for text in &self.comments {
            write!(f, " {}", comment(text))?;
        }
        Ok(())
    }
}

/// One entry of an address list.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// A mailbox.
    Mailbox(Mailbox),
    /// A group, `name: members;`.
    Group {
        /// The name, unquoted, its encoded words decoded.
        name: String,
        /// The members; often none.
        members: Vec<Mailbox>,
    },
}

impl Address {
    /// The mailboxes of the entry.
    #[must_use]
    pub fn mailboxes(&self) -> &[Mailbox] {
        match self {
            Self::Mailbox(mailbox) => std::slice::from_ref(mailbox),
            Self::Group { members, .. } => members,
        }
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Mailbox(mailbox) => mailbox.fmt(f),
            Self::Group { name, members } => {
                write!(f, "{}:", phrase(name))?;
                for (index, member) in members.iter().enumerate() {
                    write!(f, "{}{member}", if index == 0 { " " } else { ", " })?;
                }
                f.write_str(";")
            }
        }
    }
}

/// A character of an atom (RFC 5322 section 3.2.3), or one above US-ASCII (RFC 6532).
fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || "!#$%&'*+-/=?^_`{|}~".contains(c)
        || (!c.is_ascii() && !c.is_control() && !c.is_whitespace())
}

/// Dot-separated names, or a literal in brackets.
fn is_domain(text: &str) -> bool {
    if let Some(literal) = text.strip_prefix('[') {
        let inside = literal.strip_suffix(']');
        return inside.is_some_and(|inside| {
            !inside.is_empty()
                && inside
                    .chars()
                    .all(|c| c.is_ascii_graphic() && !"[]\\".contains(c))
        });
    }
    text.split('.')
        .all(|name| !name.is_empty() && name.chars().all(is_atext))
}

/// `text` as a quoted string.
pub(crate) fn quoted(text: &str) -> String {
    let mut written = String::from("\"");
    for c in text.chars() {
        if c == '"' || c == '\\' {
            written.push('\\');
        }
        written.push(c);
    }
    written.push('"');
    written
}

/// `name` as a phrase: atoms, a quoted string or encoded words, whichever it needs.
fn phrase(name: &str) -> String {
    let atoms = !name.is_empty()
        && name
            .split(' ')
            .all(|word| !word.is_empty() && word.chars().all(|c| c.is_ascii() && is_atext(c)));
    // "=?" in a quoted string is harmless by the book, and decoded all the same by many readers.
    if words::needs_encoding(name) {
        words::encode_phrase(name)
    } else if atoms {
        name.to_owned()
    } else {
        quoted(name)
    }
}

/// `text` as a comment with its parentheses.
fn comment(text: &str) -> String {
    if words::needs_encoding(text) {
        return format!("({})", words::encode_phrase(text));
    }
    let mut written = String::from("(");
    for c in text.chars() {
        if "()\\".contains(c) {
            written.push('\\');
        }
        written.push(c);
    }
    written.push(')');
    written
}

#[cfg(test)]
mod tests;
