//! Personal names as people write them: `Marshall.T.Rose` (RFC 2156 section 4.1.2, `encoded-pn`).

use super::attributes::{Attribute, Attributes, Key};
use crate::mixer::basic::printable::is_printable;

/// The components of an `encoded-pn`; `None` if `text` is none.
///
/// A first component of two or more characters is the given name, single letters are initials, and
/// the rest is the surname, which may hold full stops after its second character.
#[must_use]
pub fn parse(text: &str) -> Option<PersonalName> {
    let mut name = PersonalName::default();
    let mut rest = text;
    if let Some((first, after)) = rest.split_once('.')
        && first.chars().count() >= 2
        && !after.is_empty()
    {
        name.given = first.to_owned();
        rest = after;
    }
    while let Some((first, after)) = rest.split_once('.') {
        let mut letters = first.chars();
        match (letters.next(), letters.next()) {
            (Some(initial), None) if initial.is_ascii_alphabetic() && !after.is_empty() => {
                name.initials.push(initial);
                rest = after;
            }
            _ => break,
        }
    }
    name.surname = rest.to_owned();
    let dotted_at = rest.chars().take(2).position(|c| c == '.');
    (!rest.is_empty() && dotted_at.is_none()).then_some(name)
}

/// What an `encoded-pn` holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PersonalName {
    /// given-name, or nothing.
    pub given: String,
    /// initials without full stops, or nothing.
    pub initials: String,
    /// surname.
    pub surname: String,
}

impl PersonalName {
    /// The name as attributes.
    #[must_use]
    pub fn attributes(self) -> Vec<Attribute> {
        let mut parts = vec![Attribute::new(Key::S, self.surname)];
        if !self.initials.is_empty() {
            parts.push(Attribute::new(Key::I, self.initials));
        }
        if !self.given.is_empty() {
            parts.push(Attribute::new(Key::G, self.given));
        }
        parts
    }
}

/// The components that the value of `PN` gives: an `encoded-pn`, then optionally `*` and its
/// teletex form (section 4.1.3).
///
/// # Errors
/// Says what is wrong with the name.
pub fn parse_value(value: &str) -> Result<Vec<Attribute>, String> {
    let not_a_name = || format!("`{value}` is no personal name");
    let (printable, teletex) = match value.split_once('*') {
        Some((printable, teletex)) => (printable, Some(parse(teletex).ok_or_else(not_a_name)?)),
        None => (value, None),
    };
    let Some(teletex) = teletex else {
        return Ok(parse(printable).ok_or_else(not_a_name)?.attributes());
    };
    let printable = if printable.is_empty() {
        PersonalName::default()
    } else {
        parse(printable).ok_or_else(not_a_name)?
    };
    let both = |printable: String, teletex: String| {
        if teletex.is_empty() {
            printable
        } else {
            format!("{printable}*{teletex}")
        }
    };
    Ok(PersonalName {
        given: both(printable.given, teletex.given),
        initials: both(printable.initials, teletex.initials),
        surname: both(printable.surname, teletex.surname),
    }
    .attributes())
}

/// The `encoded-pn` of `left` if it holds nothing but a personal name that the form can carry
/// and give back.
#[must_use]
pub fn encode(left: &Attributes) -> Option<String> {
    let mut name = PersonalName::default();
    for attribute in left {
        let component = match attribute.key {
            Key::G => &mut name.given,
            Key::I => &mut name.initials,
            Key::S => &mut name.surname,
            _ => return None,
        };
        // Null components have no place in the form.
        if attribute.value.is_empty() || !is_printable(&attribute.value) {
            return None;
        }
        component.clone_from(&attribute.value);
    }
    let mut text = String::new();
    if !name.given.is_empty() {
        text.push_str(&name.given);
        text.push('.');
    }
    for initial in name.initials.chars() {
        text.push(initial);
        text.push('.');
    }
    text.push_str(&name.surname);
    // The conditions of section 4.1.2 all serve one end: the text must give the name back.
    (parse(&text) == Some(name)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(given: &str, initials: &str, surname: &str) -> PersonalName {
        PersonalName {
            given: given.into(),
            initials: initials.into(),
            surname: surname.into(),
        }
    }

    #[test]
    fn s4_1_2_worked_examples_map_both_ways() {
        for (text, expected) in [
            ("Marshall.Rose", name("Marshall", "", "Rose")),
            ("M.T.Rose", name("", "MT", "Rose")),
            ("Marshall.M.T.Rose", name("Marshall", "MT", "Rose")),
            ("Rose", name("", "", "Rose")),
            ("Marshall.van.Rose", name("Marshall", "", "van.Rose")),
        ] {
            assert_eq!(parse(text).as_ref(), Some(&expected), "{text}");
            let left: Attributes = expected.attributes().into_iter().collect();
            assert_eq!(encode(&left).as_deref(), Some(text));
        }
    }

    #[test]
    fn s4_1_2_what_would_not_come_back_is_not_encoded() {
        for parts in [
            name("J", "", "Smith"),
            name("Jean.Luc", "", "Picard"),
            name("", "J1", "Smith"),
            name("", "", "von.Berg"),
            name("", "", "a.b"),
            name("Ann", "", ".b"),
            name("", "", ""),
        ] {
            let left: Attributes = parts.clone().attributes().into_iter().collect();
            assert_eq!(encode(&left), None, "{parts:?}");
        }
        let mut titled: Attributes = name("Ann", "", "Rose").attributes().into_iter().collect();
        titled.push(Key::Gq, "III");
        assert_eq!(encode(&titled), None);
    }
}
