//! Address lists of header fields (RFC 5322 sections 3.4 and 4.4, RFC 822 section 6).
//!
//! Lists are read leniently, entry by entry: one malformed entry costs only itself.

use super::{AddrSpec, Address, Mailbox, quoted};
use crate::rfc822::{charset, words};

/// The most addresses read from one field; what follows is reported as malformed.
pub const MAX_ADDRESSES: usize = 20_000;
/// The deepest nesting of comments.
const MAX_COMMENT_DEPTH: usize = 50;

/// What an address list says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddressList {
    /// The entries that could be read, in order.
    pub addresses: Vec<Address>,
    /// The text of entries that could not.
    pub malformed: Vec<String>,
}

impl AddressList {
    /// Reads the value of an address field: folded or not, with comments, groups, source routes
    /// (removed) and the obsolete forms of RFC 5322 section 4.4.
    #[must_use]
    pub fn parse(value: &[u8]) -> Self {
        let text = charset::of_header(value);
        let mut reader = Reader {
            rest: text.chars(),
            depth_exceeded: false,
        };
        let mut list = Self::default();
        let mut group: Option<(String, Vec<Mailbox>)> = None;
        let mut count = 0;
        loop {
            let (entry, end) = reader.entry();
            count += 1;
            if count > MAX_ADDRESSES {
                list.malformed
                    .push(format!("more than {MAX_ADDRESSES} addresses"));
                break;
            }
            match (end, entry.tokens.is_empty()) {
                (Some(':'), _) if group.is_none() => {
                    let name = entry.phrase(&entry.tokens);
                    group = Some((name, Vec::new()));
                    continue;
                }
                (_, true) => {}
                _ => match (entry.mailbox(), &mut group) {
                    (Some(mailbox), Some((_, members))) => members.push(mailbox),
                    (Some(mailbox), None) => list.addresses.push(Address::Mailbox(mailbox)),
                    (None, _) => list.malformed.push(entry.text()),
                },
            }
            if matches!(end, Some(';') | None)
                && let Some((name, members)) = group.take()
            {
                list.addresses.push(Address::Group { name, members });
            }
            if end.is_none() {
                break;
            }
        }
        if reader.depth_exceeded {
            list.malformed
                .push(format!("comments nested deeper than {MAX_COMMENT_DEPTH}"));
        }
        list
    }

    /// The mailboxes of all entries, those in groups too.
    pub fn mailboxes(&self) -> impl Iterator<Item = &Mailbox> {
        self.addresses.iter().flat_map(Address::mailboxes)
    }
}

/// A lexical token of an address entry.
#[derive(Debug, Clone, PartialEq)]
enum Token {
    Atom(String),
    Quoted(String),
    Literal(String),
    Special(char),
}

/// The tokens of one entry, and the comments between them.
#[derive(Debug, Default)]
struct Entry {
    tokens: Vec<Token>,
    comments: Vec<String>,
}

impl Entry {
    /// The mailbox of the entry, if it is one.
    fn mailbox(&self) -> Option<Mailbox> {
        let angle = self
            .tokens
            .iter()
            .position(|token| *token == Token::Special('<'));
        let (name, spec) = match angle {
            Some(at) => {
                let (before, after) = self.tokens.split_at(at);
                let end = after
                    .iter()
                    .position(|token| *token == Token::Special('>'))?;
                // Nothing may follow the closing bracket.
                (end + 1 == after.len()).then_some(())?;
                let name = Some(self.phrase(before)).filter(|name| !name.is_empty());
                (name, after.get(1..end)?)
            }
            None => (None, self.tokens.as_slice()),
        };
        let spec = match spec.first()? {
            Token::Special('@') => {
                let colon = spec
                    .iter()
                    .position(|token| *token == Token::Special(':'))?;
                spec.get(colon + 1..)?
            }
            _ => spec,
        };
        let at = spec
            .iter()
            .rposition(|token| *token == Token::Special('@'))?;
        let (local, domain) = spec.split_at(at);
        let address = AddrSpec::new(words_and_dots(local)?, domain_of(domain.get(1..)?)?).ok()?;
        Some(Mailbox {
            name,
            address,
            comments: self.comments.clone(),
        })
    }

    /// A phrase: words set apart by one blank, encoded words decoded.
    fn phrase(&self, tokens: &[Token]) -> String {
        let mut text = String::new();
        // Encoded words that follow each other are decoded as one.
        let mut encoded = String::new();
        for token in tokens {
            match token {
                // Many senders quote their encoded words.
                Token::Atom(word) | Token::Quoted(word) if words::is_encoded_word(word) => {
                    if !encoded.is_empty() {
                        encoded.push(' ');
                    }
                    encoded.push_str(word);
                }
                token => {
                    add_word(&mut text, &words::decode(&std::mem::take(&mut encoded)));
                    match token {
                        Token::Atom(word) | Token::Quoted(word) | Token::Literal(word) => {
                            add_word(&mut text, word);
                        }
                        Token::Special(special) => text.push(*special),
                    }
                }
            }
        }
        add_word(&mut text, &words::decode(&encoded));
        text
    }

    /// The entry as text, for a report of what is malformed.
    fn text(&self) -> String {
        let mut text = String::new();
        for token in &self.tokens {
            let word = match token {
                Token::Atom(word) => word.clone(),
                Token::Quoted(word) => quoted(word),
                Token::Literal(word) => word.clone(),
                Token::Special(special) => special.to_string(),
            };
            if !text.is_empty() && !matches!(token, Token::Special(_)) {
                text.push(' ');
            }
            text.push_str(&word);
        }
        text
    }
}

/// Appends a word to a phrase.
fn add_word(text: &mut String, word: &str) {
    if !text.is_empty() && !word.is_empty() {
        text.push(' ');
    }
    text.push_str(word);
}

/// `word *("." word)`, dots anywhere tolerated, two words in a row not.
fn words_and_dots(tokens: &[Token]) -> Option<String> {
    let mut text = String::new();
    let mut word_before = false;
    for token in tokens {
        match token {
            Token::Atom(word) | Token::Quoted(word) if !word_before => {
                text.push_str(word);
                word_before = true;
            }
            Token::Special('.') => {
                text.push('.');
                word_before = false;
            }
            _ => return None,
        }
    }
    (!tokens.is_empty()).then_some(text)
}

/// `atom *("." atom)` or a literal.
fn domain_of(tokens: &[Token]) -> Option<String> {
    if let [Token::Literal(literal)] = tokens {
        return Some(literal.clone());
    }
    tokens
        .iter()
        .all(|token| matches!(token, Token::Atom(_) | Token::Special('.')))
        .then_some(())?;
    words_and_dots(tokens)
}

/// Reads entries off an address field.
struct Reader<'a> {
    rest: std::str::Chars<'a>,
    depth_exceeded: bool,
}

impl Reader<'_> {
    /// The next entry and the special that ended it: `,`, `;`, `:` of a group; `None` at the end.
    fn entry(&mut self) -> (Entry, Option<char>) {
        let mut entry = Entry::default();
        let mut inside_angle = false;
        while let Some(next) = self.rest.next() {
            match next {
                '(' => entry.comments.push(self.comment()),
                '"' => entry.tokens.push(Token::Quoted(self.quoted())),
                '[' => entry.tokens.push(Token::Literal(self.literal())),
                ',' | ':' if inside_angle => entry.tokens.push(Token::Special(next)),
                ',' | ';' | ':' => return (entry, Some(next)),
                '<' | '>' => {
                    inside_angle = next == '<';
                    entry.tokens.push(Token::Special(next));
                }
                '@' | '.' | ')' | ']' => entry.tokens.push(Token::Special(next)),
                next if next.is_whitespace() || next.is_control() => {}
                next => entry.tokens.push(Token::Atom(self.atom(next))),
            }
        }
        (entry, None)
    }

    fn atom(&mut self, first: char) -> String {
        let mut atom = String::from(first);
        while let Some(next) = self.rest.clone().next() {
            if next.is_whitespace() || next.is_control() || "()<>[]:;@,.\"".contains(next) {
                break;
            }
            atom.push(next);
            self.rest.next();
        }
        atom
    }

    /// What a quoted string means; line ends of folds are gone.
    fn quoted(&mut self) -> String {
        let mut text = String::new();
        while let Some(next) = self.rest.next() {
            match next {
                '"' => break,
                '\\' => text.extend(self.rest.next()),
                '\r' | '\n' => {}
                other => text.push(other),
            }
        }
        text
    }

    /// A domain literal with its brackets.
    fn literal(&mut self) -> String {
        let mut text = String::from("[");
        for next in self.rest.by_ref() {
            if !next.is_whitespace() {
                text.push(next);
            }
            if next == ']' {
                break;
            }
        }
        text
    }

    /// What a comment says; inner comments keep their parentheses.
    fn comment(&mut self) -> String {
        let mut text = String::new();
        let mut depth = 1;
        while let Some(next) = self.rest.next() {
            match next {
                '\\' => {
                    text.extend(self.rest.next());
                    continue;
                }
                '\r' | '\n' => continue,
                '(' if depth == MAX_COMMENT_DEPTH => self.depth_exceeded = true,
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                break;
            }
            text.push(next);
        }
        words::decode(text.trim())
    }
}
