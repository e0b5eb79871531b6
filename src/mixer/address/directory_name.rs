//! Directory names as text for comments: `CN=Jane Doe, O=Example, C=GB`.
//!
//! RFC 2156 section 4.5, with the string form of RFC 1485. Text is all a mail can hold of them.

use crate::asn1::mts::Name;
use crate::asn1::types::{
    Any, BMPString, IA5String, NumericString, ObjectIdentifier, PrintableString, SetOf,
    TeletexString, UTF8String, UniversalString,
};
use crate::mixer::basic::teletex;

/// The keywords of RFC 1485 for attribute types of X.520, by the last arc below 2.5.4.
const KEYWORDS: &[(u128, &str)] = &[
    (3, "CN"),
    (4, "SN"),
    (5, "serialNumber"),
    (6, "C"),
    (7, "L"),
    (8, "ST"),
    (9, "STREET"),
    (10, "O"),
    (11, "OU"),
    (12, "title"),
    (42, "givenName"),
    (43, "initials"),
    (44, "generationQualifier"),
];

/// The text of a distinguished name, the most specific part first; `None` if it is none.
#[must_use]
pub fn text(name: &Name) -> Option<String> {
    let parts: Vec<SetOf<Vec<Any>>> = name.decode().ok()?;
    let parts: Option<Vec<String>> = parts.iter().rev().map(|part| relative(&part.0)).collect();
    parts
        .map(|parts| parts.join(", "))
        .filter(|text| !text.is_empty())
}

/// One relative distinguished name: `CN=Jane Doe + serialNumber=1`.
fn relative(assertions: &[Vec<Any>]) -> Option<String> {
    let assertions: Option<Vec<String>> = assertions.iter().map(|pair| assertion(pair)).collect();
    assertions.map(|assertions| assertions.join(" + "))
}

/// One attribute type and value.
fn assertion(pair: &[Any]) -> Option<String> {
    let [of_type, value, ..] = pair else {
        return None;
    };
    let arcs = of_type.decode::<ObjectIdentifier>().ok()?.arcs();
    let keyword = match arcs.as_slice() {
        [2, 5, 4, last] => KEYWORDS
            .iter()
            .find(|(arc, _)| arc == last)
            .map(|(_, word)| *word),
        _ => None,
    };
    let keyword = keyword.map_or_else(
        || {
            let arcs: Vec<String> = arcs.iter().map(u128::to_string).collect();
            format!("OID.{}", arcs.join("."))
        },
        str::to_owned,
    );
    Some(format!("{keyword}={}", quoted(&string(value))))
}

/// The characters of a directory string; octets in hexadecimal for anything else.
fn string(value: &Any) -> String {
    let lossy = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    if let Ok(text) = value.decode::<PrintableString>() {
        return lossy(text.as_ref());
    }
    if let Ok(text) = value.decode::<UTF8String>() {
        return lossy(text.as_ref());
    }
    if let Ok(text) = value.decode::<TeletexString>() {
        return teletex::to_human(text.as_ref());
    }
    if let Ok(text) = value.decode::<IA5String>() {
        return lossy(text.as_ref());
    }
    if let Ok(text) = value.decode::<NumericString>() {
        return lossy(text.as_ref());
    }
    if let Ok(text) = value.decode::<BMPString>() {
        let units = text
            .as_ref()
            .chunks_exact(2)
            .filter_map(|pair| pair.try_into().ok());
        let units: Vec<u16> = units.map(u16::from_be_bytes).collect();
        return String::from_utf16_lossy(&units);
    }
    if let Ok(text) = value.decode::<UniversalString>() {
        let codes = text
            .as_ref()
            .chunks_exact(4)
            .filter_map(|four| four.try_into().ok());
        return codes
            .map(|four| char::from_u32(u32::from_be_bytes(four)).unwrap_or('\u{fffd}'))
            .collect();
    }
    let hex: String = value.0.iter().map(|octet| format!("{octet:02x}")).collect();
    format!("#{hex}")
}

/// A value as RFC 1485 writes it: in quotes if it holds a character that separates.
fn quoted(text: &str) -> String {
    let text: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let special = |c: char| ",=+<>#;\"\\\n".contains(c);
    if text.is_empty() || text.contains(special) || text.trim() != text {
        return format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(parts: &[(&[u64], Any)]) -> Name {
        let parts: Vec<SetOf<Vec<Any>>> = parts
            .iter()
            .map(|(arcs, value)| {
                let of_type = ObjectIdentifier::from_arcs(arcs).unwrap();
                SetOf(vec![vec![Any::of(&of_type), value.clone()]])
            })
            .collect();
        Any::of(&parts)
    }

    #[test]
    fn s4_5_a_directory_name_is_text() {
        let printable = |text: &str| Any::of(&PrintableString::from(text));
        let jane = name(&[
            (&[2, 5, 4, 6], printable("GB")),
            (&[2, 5, 4, 10], printable("Example, Ltd")),
            (
                &[2, 5, 4, 3],
                Any::of(&TeletexString::from(&b"J\xc8urgen"[..])),
            ),
            (&[1, 2, 3], Any::of(&7_i64)),
        ]);
        assert_eq!(
            text(&jane).as_deref(),
            Some("OID.1.2.3=\"#020107\", CN=Jürgen, O=\"Example, Ltd\", C=GB")
        );
        assert_eq!(text(&printable("no name")), None);
        assert_eq!(text(&name(&[])), None);
    }
}
