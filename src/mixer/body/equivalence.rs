//! Which media type is which body part: the registry of RFC 2157 as a table, both directions.
//!
//! RFC 2157 sections 5.3, 5.4 and 6, appendix B; RFC 2158, 2159, 2160 for images and PostScript.

use crate::asn1::types::ObjectIdentifier;

/// `{ mixer }`: 1.3.6.1.7.1 (RFC 2156 appendix D).
macro_rules! mixer {
    ($($arc:literal),*) => { &[1, 3, 6, 1, 7, 1, $($arc),*] };
}
/// The attachments of the Electronic Messaging Association: 2.16.840.1.113694.2.2.1.
macro_rules! ema {
    ($arc:literal) => {
        &[2, 16, 840, 1, 113_694, 2, 2, 1, $arc]
    };
}

/// An object identifier by its arcs.
pub type Oid = &'static [u64];

/// The identifier with these arcs.
#[must_use]
pub fn identifier(arcs: &[u64]) -> ObjectIdentifier {
    // Every table of this file holds arcs of identifiers.
    ObjectIdentifier::from_arcs(arcs).unwrap_or_default()
}

/// Whether an identifier has these arcs.
#[must_use]
pub fn is(identifier: &ObjectIdentifier, arcs: &[u64]) -> bool {
    let arcs = arcs.iter().map(|arc| u128::from(*arc));
    identifier.arcs().into_iter().eq(arcs)
}

/// `id-hex-multipart-message`, of RFC 1495: read, not written.
pub const MULTIPART_MESSAGE_V1: Oid = mixer!(1, 2);
/// `id-hex-multipart-message-v2`.
pub const MULTIPART_MESSAGE_V2: Oid = mixer!(1, 3);
/// `id-mime-bp-data`: any MIME part in an extended body part.
pub const MIME_BP_DATA: Oid = mixer!(2, 1, 1);
/// `id-mime-bp-parameters`.
pub const MIME_BP_PARAMETERS: Oid = mixer!(2, 2, 1);
/// `id-mime-ftbp-data`: the application reference of any MIME part in a file-transfer body part.
pub const MIME_FTBP_DATA: Oid = mixer!(2, 1, 5);
/// `id-rfc-822-field-list` (RFC 2156 appendix D).
pub const RFC_822_FIELD_LIST: Oid = mixer!(3, 2);
/// What senders wrote instead: RFC 1327 appendix D, and the same with an arc cut to 32 bits.
pub const RFC_822_FIELD_LIST_OLD: [Oid; 2] = [
    &[0, 9, 2342, 234_219_200, 300, 200, 1],
    &[0, 9, 2342, 2_290_966_316, 200, 1],
];
/// `id-dsn-header-list`.
pub const DSN_HEADER_LIST: Oid = mixer!(3, 3);
/// `id-dsn-field-list`.
pub const DSN_FIELD_LIST: Oid = mixer!(3, 4);
/// `eit-mixer`: a MIXER conversion has been made.
pub const EIT_MIXER: Oid = mixer!(3, 5);
/// GeneralText as an extended body part, and its parameters.
pub const GENERAL_TEXT: Oid = &[2, 6, 1, 4, 11];
/// `id-ep-general-text`.
pub const GENERAL_TEXT_PARAMETERS: Oid = &[2, 6, 1, 11, 11];
/// The file-transfer body part, and its parameters.
pub const FILE_TRANSFER: Oid = &[2, 6, 1, 4, 12];
/// `id-ep-file-transfer`.
pub const FILE_TRANSFER_PARAMETERS: Oid = &[2, 6, 1, 11, 12];
/// The encoded information type of a file-transfer body part.
pub const EIT_FILE_TRANSFER: Oid = &[2, 6, 1, 12, 0];
/// `id-cs-eit-authority`: a registration number appended makes the encoded information type of a
/// character set.
pub const EIT_CHARACTER_SET: Oid = &[1, 0, 10021, 7, 1, 0];

/// The body part on the X.400 side of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// file-transfer-body-part with this application reference.
    File(Oid),
    /// An extended body part whose data, under this identifier, is the octets of the content.
    Octets(Oid),
}

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Equivalence {
    /// Type and subtype in lower case.
    pub media: (&'static str, &'static str),
    /// The body part.
    pub body: Body,
    /// Where it is defined.
    pub section: &'static str,
    /// Whether mail goes out this way; otherwise the row is only read.
    pub sent: bool,
}

const fn row(
    media: (&'static str, &'static str),
    body: Body,
    section: &'static str,
    sent: bool,
) -> Equivalence {
    Equivalence {
        media,
        body,
        section,
        sent,
    }
}

/// The types that are equivalent to a body part of octets.
///
/// Text, messages and multiparts are equivalent to structured body parts and have files of their
/// own: `text` (6.1, 6.2, 6.7), `message` (6.5, 6.6).
pub const EQUIVALENCES: &[Equivalence] = &[
    row(
        ("application", "octet-stream"),
        Body::File(ema!(1)),
        "RFC 2157 6.4",
        true,
    ),
    row(
        ("application", "octet-stream"),
        Body::File(&[1, 2, 840, 1, 113_694, 2, 2, 1, 1]),
        "RFC 2157 6.4",
        false,
    ),
    row(
        ("application", "postscript"),
        Body::File(mixer!(2, 1, 6)),
        "RFC 2160 6",
        true,
    ),
    row(
        ("application", "postscript"),
        Body::Octets(mixer!(2, 1, 2)),
        "RFC 2160 5",
        false,
    ),
    row(("image", "jpeg"), Body::File(ema!(6)), "RFC 2158 3.2", true),
    row(
        ("image", "jpeg"),
        Body::Octets(mixer!(2, 1, 3)),
        "RFC 2158 3.1",
        false,
    ),
    row(("image", "gif"), Body::File(ema!(4)), "RFC 2158 3.4", true),
    row(
        ("image", "gif"),
        Body::Octets(mixer!(2, 1, 4)),
        "RFC 2158 3.3",
        false,
    ),
];

/// How a part of this type is sent in a file-transfer body part: the application reference and the
/// section. Types without a row are encapsulated under `id-mime-ftbp-data` (RFC 2157 section 3.1.1).
#[must_use]
pub fn file_of(kind: &str, subtype: &str) -> (Oid, &'static str) {
    EQUIVALENCES
        .iter()
        .filter(|row| row.sent && row.media == (kind, subtype))
        .find_map(|row| match row.body {
            Body::File(reference) => Some((reference, row.section)),
            Body::Octets(_) => None,
        })
        .unwrap_or((MIME_FTBP_DATA, "RFC 2157 3.1.1"))
}

/// The row of a file-transfer body part that came in, by its application reference.
#[must_use]
pub fn of_file(reference: &ObjectIdentifier) -> Option<&'static Equivalence> {
    EQUIVALENCES
        .iter()
        .find(|row| matches!(row.body, Body::File(arcs) if is(reference, arcs)))
}

/// The row of an extended body part of octets that came in, by the identifier of its data.
#[must_use]
pub fn of_octets(data: &ObjectIdentifier) -> Option<&'static Equivalence> {
    EQUIVALENCES
        .iter()
        .find(|row| matches!(row.body, Body::Octets(arcs) if is(data, arcs)))
}

/// Character sets of mail and the registration numbers of the sets in them (RFC 2157 section 6.2).
///
/// The last row is ours: UTF-8 as registration 196.
pub const CHARACTER_SETS: &[(&str, &[u16])] = &[
    ("iso-8859-1", &[6, 100]),
    ("iso-8859-2", &[6, 101]),
    ("iso-8859-3", &[6, 109]),
    ("iso-8859-4", &[6, 110]),
    ("iso-8859-5", &[6, 144]),
    ("iso-8859-6", &[6, 127]),
    ("iso-8859-7", &[6, 126]),
    ("iso-8859-8", &[6, 138]),
    ("iso-8859-9", &[6, 148]),
    ("iso-2022-jp", &[6, 14, 42, 87]),
    ("utf-8", &[196]),
];

/// The character set of mail that holds exactly these registered sets; numbers in any order.
#[must_use]
pub fn charset_of(numbers: &[u32]) -> Option<&'static str> {
    let mut numbers = numbers.to_vec();
    numbers.sort_unstable();
    numbers.dedup();
    CHARACTER_SETS
        .iter()
        .find(|(_, sets)| {
            sets.iter()
                .map(|set| u32::from(*set))
                .eq(numbers.iter().copied())
        })
        .map(|(charset, _)| *charset)
}

/// The registered sets of a character set of mail.
#[must_use]
pub fn sets_of(charset: &str) -> Option<&'static [u16]> {
    CHARACTER_SETS
        .iter()
        .find(|(name, _)| *name == charset)
        .map(|(_, sets)| *sets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s2157_appendix_b_identifiers() {
        assert_eq!(MIME_BP_DATA, [1, 3, 6, 1, 7, 1, 2, 1, 1]);
        assert_eq!(MIME_FTBP_DATA, [1, 3, 6, 1, 7, 1, 2, 1, 5]);
        assert_eq!(MULTIPART_MESSAGE_V2, [1, 3, 6, 1, 7, 1, 1, 3]);
        assert_eq!(EIT_MIXER, [1, 3, 6, 1, 7, 1, 3, 5]);
    }

    #[test]
    fn s2157_5_3_what_is_sent_comes_back_as_the_same_type() {
        for (kind, subtype) in [
            ("image", "gif"),
            ("image", "jpeg"),
            ("application", "postscript"),
        ] {
            let (reference, _) = file_of(kind, subtype);
            let back = of_file(&identifier(reference)).expect("a row");
            assert_eq!(back.media, (kind, subtype));
        }
        assert_eq!(file_of("video", "mpeg"), (MIME_FTBP_DATA, "RFC 2157 3.1.1"));
    }

    #[test]
    fn s2157_6_2_character_sets() {
        assert_eq!(charset_of(&[100, 6]), Some("iso-8859-1"));
        assert_eq!(charset_of(&[6, 42, 14, 87]), Some("iso-2022-jp"));
        assert_eq!(charset_of(&[6, 100, 101]), None);
        assert_eq!(sets_of("iso-8859-9"), Some(&[6, 148][..]));
    }
}
