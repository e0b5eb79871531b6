//! What a reader of mail would ask of an interpersonal message: its subject, and each part with its
//! type, its file name, its size and its text.

use serde_json::{Map, json};

use super::value::{Value, characters, identifier_name};

/// How many messages within one another are told.
const LEVELS: usize = 64;

/// The summary of the interpersonal message that `value` is or carries; `None` if there is none.
pub(super) fn of(value: &Value) -> Option<serde_json::Value> {
    let message = find_message(value, LEVELS)?;
    Some(summary(message, LEVELS))
}

/// The outermost IPM within `value`.
fn find_message(value: &Value, levels: usize) -> Option<&Value> {
    let levels = levels.checked_sub(1)?;
    if value.member("heading").is_some() && value.member("body").is_some() {
        return Some(value);
    }
    match value {
        Value::Choice(_, inner) | Value::Explained(_, inner) => find_message(inner, levels),
        Value::Members(members) => members
            .iter()
            .filter(|(name, _)| matches!(*name, "content" | "returned-content" | "encoding"))
            .find_map(|(_, inner)| find_message(inner, levels)),
        _ => None,
    }
}

/// The subject and the parts of an IPM.
fn summary(message: &Value, levels: usize) -> serde_json::Value {
    let mut object = Map::new();
    let subject = message
        .member("heading")
        .and_then(|heading| heading.member("subject"));
    if let Some(subject) = subject {
        object.insert("subject".into(), subject.to_json());
    }
    let parts = match message.member("body") {
        Some(Value::List(parts)) => parts.as_slice(),
        _ => &[],
    };
    let parts: Vec<_> = parts.iter().map(|part| body_part(part, levels)).collect();
    object.insert("body-parts".into(), parts.into());
    object.into()
}

/// One body part: its type and what is in it.
fn body_part(part: &Value, levels: usize) -> serde_json::Value {
    let Value::Choice(kind, inner) = part else {
        return serde_json::Value::Null;
    };
    let mut object = Map::new();
    let mut data = inner.member("data").unwrap_or(inner);
    let mut kind = (*kind).to_owned();
    if kind == "extended" {
        if let Some(Value::Identifier(name)) = data.member("direct-reference") {
            let known = identifier_name(name).map(|name| name.trim_start_matches("id-et-"));
            kind = known.unwrap_or(name).to_owned();
            object.insert("identifier".into(), json!(name));
        }
        if let Some(encoding) = data.member("encoding") {
            data = encoding;
        }
    }
    object.insert("type".into(), json!(kind));
    file(inner, &mut object);
    contents(data, levels, &mut object);
    object.into()
}

/// The name and the size a file transfer body part says its file has.
fn file(part: &Value, object: &mut Map<String, serde_json::Value>) {
    let attributes = part
        .member("parameters")
        .and_then(|parameters| parameters.member("encoding"))
        .and_then(|encoding| encoding.member("file-attributes"));
    let Some(attributes) = attributes else {
        return;
    };
    if let Some(Value::Choice(_, pathname)) = attributes.member("pathname")
        && let Value::List(names) = pathname.as_ref()
    {
        let names: Vec<_> = names.iter().map(Value::to_json).collect();
        let name = match names.as_slice() {
            [name] => name.clone(),
            _ => names.into(),
        };
        object.insert("file-name".into(), name);
    }
    if let Some(Value::Choice("actual-values", size)) = attributes.member("object-size") {
        object.insert("size".into(), size.to_json());
    }
}

/// The text, the octets or the message that a body part holds.
fn contents(data: &Value, levels: usize, object: &mut Map<String, serde_json::Value>) {
    match data {
        Value::Choice(_, inner) => contents(inner, levels, object),
        Value::Explained(_, inner) => match (find_message(data, 2), levels.checked_sub(1)) {
            (Some(message), Some(levels)) => {
                object.insert("message".into(), summary(message, levels));
            }
            _ => contents(inner, levels, object),
        },
        Value::Text(kind, octets) => {
            object.insert("length".into(), json!(octets.len()));
            if characters(kind, octets).is_some() {
                object.insert("text".into(), data.to_json());
            } else {
                object.insert("octets".into(), data.to_json());
            }
        }
        Value::Octets(octets) | Value::Any(octets) => {
            object.insert("length".into(), json!(octets.len()));
            object.insert("sha256".into(), json!(super::value::sha256(octets)));
        }
        Value::List(pieces) => {
            let octets: Option<Vec<_>> = pieces.iter().map(piece).collect();
            let Some(octets) = octets else { return };
            object.insert("pieces".into(), json!(octets.len()));
            let whole = octets.concat();
            object.insert("length".into(), json!(whole.len()));
            object.insert("sha256".into(), json!(super::value::sha256(&whole)));
        }
        _ => {}
    }
}

/// The octets of one EXTERNAL of a file.
fn piece(external: &Value) -> Option<bytes::Bytes> {
    match external.member("encoding")? {
        Value::Choice(_, inner) => match inner.as_ref() {
            Value::Octets(octets) => Some(octets.clone()),
            Value::Any(octets) => {
                let any = super::types::Any(octets.clone());
                Some(any.string_octets().unwrap_or_else(|| octets.clone()))
            }
            Value::Text(_, octets) => Some(octets.clone()),
            Value::Explained(_, inner) => match inner.as_ref() {
                Value::Octets(octets) | Value::Text(_, octets) => Some(octets.clone()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}
