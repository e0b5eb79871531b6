//! Text: `text/plain` to and from ia5-text, GeneralText and teletex.
//!
//! RFC 2157 sections 6.1, 6.2 and 6.7; RFC 1502 for the choice of character set. What fits ASCII is
//! IA5; what fits one part of ISO 8859 is GeneralText of that; all else is GeneralText that
//! announces UTF-8 (registration 196), which is ours. Line ends are CR LF on both sides.

use bytes::Bytes;

use super::equivalence;
use crate::mixer::basic::iso2022::{self, Encoder, Start, UTF8};
use crate::octets::Octets;
use crate::rfc822::{Part, charset, mail};

/// ASCII on the left: ESC 2/8 4/2. Some systems refuse GeneralText without it.
const ASCII_ON_THE_LEFT: &[u8] = b"\x1B(B";
/// Locking shift one right.
const LS1R: &[u8] = b"\x1B~";
/// UTF-8 announced: ESC 2/5 4/7.
const ANNOUNCE_UTF8: &[u8] = b"\x1B%G";

/// Text as X.400 carries it.
#[derive(Debug, Clone)]
pub struct Text {
    /// Which body part.
    pub form: Form,
    /// Whether every octet of the mail was legal in its character set.
    pub lossless: bool,
}

/// The body part of a text.
#[derive(Debug, Clone)]
pub enum Form {
    /// ia5-text.
    Ia5(Octets),
    /// GeneralText: the octets and the registered sets that occur.
    General(Octets, Vec<u16>),
}

/// Text as mail carries it: character set and octets.
#[derive(Debug, Clone)]
pub struct MailText {
    /// Its IANA name.
    pub charset: &'static str,
    /// The octets.
    pub octets: Octets,
    /// Whether every octet of the string was understood.
    pub lossless: bool,
}

/// The text of a `text/plain` part; `None` if its character set is not known.
///
/// `general` says whether the neighbour reads GeneralText; `None` too if it does not and is needed.
#[must_use]
pub fn to_x400(part: &Part, general: bool) -> Option<Text> {
    let octets = part.decoded();
    let ascii = octets.chunks().all(|chunk| chunk.is_ascii());
    let name = part.media_type.parameter("charset").unwrap_or("us-ascii");
    let name = name.trim().to_ascii_lowercase();
    let lossless = true;
    if ascii && !is_stateful(&name) {
        let form = Form::Ia5(with_crlf(octets));
        return Some(Text { form, lossless });
    }
    if !general && !ascii {
        return None;
    }
    if let Some(form) = as_it_stands(&name, &octets) {
        return Some(Text { form, lossless });
    }
    let decoded = part.text().or_else(|| guess(&octets.to_bytes()))?;
    // The one sequence that has a meaning within UTF-8: it leaves it.
    if decoded.text.contains("\u{1B}%@") {
        return None;
    }
    let form = of_unicode(&crlf(&decoded.text), &name);
    if !general && !matches!(form, Form::Ia5(_)) {
        return None;
    }
    Some(Text {
        form,
        lossless: decoded.lossless,
    })
}

/// Unicode as X.400 carries it; `preferred` is tried first if it names a part of ISO 8859.
#[must_use]
pub fn of_unicode(text: &str, preferred: &str) -> Form {
    if text.is_ascii() {
        return Form::Ia5(Octets::from(text.to_owned().into_bytes()));
    }
    let parts = equivalence::CHARACTER_SETS
        .iter()
        .filter(|(name, _)| name.starts_with("iso-8859"));
    let (first, rest): (Vec<_>, Vec<_>) = parts.partition(|(name, _)| *name == preferred);
    for (_, sets) in first.into_iter().chain(rest) {
        let right = sets.last().copied().unwrap_or_default();
        if let Some(octets) = in_set(text, right) {
            let mut general = prefix(right);
            general.extend_from_slice(&octets);
            return Form::General(Octets::from(general), sets.to_vec());
        }
    }
    Form::General(Octets::from(iso2022::encode_utf8(text).octets), vec![UTF8])
}

/// The octets of text in ASCII and one set on the right, without sequences.
fn in_set(text: &str, right: u16) -> Option<Vec<u8>> {
    let mut encoder = Encoder::designated(right);
    text.chars()
        .try_for_each(|character| encoder.push(character))?;
    Some(encoder.into_octets())
}

/// ASCII designated on the left, a set designated and invoked on the right.
fn prefix(right: u16) -> Vec<u8> {
    let mut octets = ASCII_ON_THE_LEFT.to_vec();
    let set = iso2022::sets::by_number(right).and_then(|place| iso2022::sets::SETS.get(place));
    octets.extend(set.map(|set| set.designate(true)).unwrap_or_default());
    octets.extend_from_slice(LS1R);
    octets
}

/// Text whose octets need no change: ISO 8859, UTF-8 and ISO-2022-JP as they stand in mail, if they
/// hold nothing that the sequences of GeneralText would turn into something else.
fn as_it_stands(name: &str, octets: &Octets) -> Option<Form> {
    let is_free_of = |strangers: &[u8]| {
        octets
            .chunks()
            .all(|chunk| !chunk.iter().any(|octet| strangers.contains(octet)))
    };
    let sets = equivalence::sets_of(name)?;
    let mut general = match name {
        "utf-8" => {
            let whole = octets.to_bytes();
            let marked = whole.starts_with("\u{FEFF}".as_bytes()) || whole.contains(&0x1B);
            (std::str::from_utf8(&whole).is_ok() && !marked).then_some(())?;
            Octets::from(ANNOUNCE_UTF8)
        }
        "iso-2022-jp" => {
            let whole = octets.to_bytes();
            let ours = iso2022::decode(&whole, Start::General);
            let theirs = charset::decode(name, &whole)?;
            (ours.exact && theirs.lossless && ours.text == theirs.text).then_some(())?;
            Octets::new()
        }
        _ => {
            let right = sets.last().copied()?;
            (is_free_of(&[0x1B, 0x0E, 0x0F, 0x8E, 0x8F])
                && charset::decode(name, &octets.to_bytes())?.lossless)
                .then_some(())?;
            Octets::from(prefix(right))
        }
    };
    general.append(with_crlf(octets.clone()));
    Some(Form::General(general, sets.to_vec()))
}

/// Whether octets below 128 may mean something else than ASCII in this character set.
fn is_stateful(name: &str) -> bool {
    let starts = [
        "iso-2022",
        "utf-7",
        "utf7",
        "unicode-1-1-utf-7",
        "utf-16",
        "utf16",
        "utf-32",
        "utf32",
        "ucs-",
        "iso-10646",
        "hz",
        "teletex",
        "t.61",
        "csutf7",
        "csiso2022",
    ];
    starts.iter().any(|start| name.starts_with(start))
}

/// Text of a character set nobody knows: UTF-8 if it is that; otherwise there is no telling.
fn guess(octets: &Bytes) -> Option<charset::Decoded> {
    let text = std::str::from_utf8(octets).ok()?;
    Some(charset::Decoded {
        text: text.to_owned(),
        lossless: true,
    })
}

/// ia5-text as mail.
///
/// Eight-bit octets break the standard and occur: UTF-8 if they are that, else ISO 8859-1
/// (RFC 1428).
#[must_use]
pub fn of_ia5(octets: Octets) -> MailText {
    let ascii = octets.chunks().all(|chunk| chunk.is_ascii());
    let charset = if ascii {
        "us-ascii"
    } else if std::str::from_utf8(&octets.to_bytes()).is_ok() {
        "utf-8"
    } else {
        "iso-8859-1"
    };
    MailText {
        charset,
        octets: with_crlf(octets),
        lossless: true,
    }
}

/// GeneralText as mail: in the character set that the declared sets make up, if they make up one
/// and hold the text; else in UTF-8.
#[must_use]
pub fn of_general(octets: Octets, declared: &[u32]) -> MailText {
    let whole = octets.to_bytes();
    let named = equivalence::charset_of(declared);
    if named == Some("iso-2022-jp")
        && charset::decode("iso-2022-jp", &whole).is_some_and(|decoded| decoded.lossless)
    {
        return MailText {
            charset: "iso-2022-jp",
            octets: with_crlf(octets),
            lossless: true,
        };
    }
    let right = declared
        .iter()
        .filter_map(|number| u16::try_from(*number).ok())
        .find(|n| *n != 6);
    let decoded = iso2022::decode(&whole, right.map_or(Start::General, Start::Declared));
    let mut mail = of_decoded(
        decoded.text,
        named.filter(|name| name.starts_with("iso-8859")),
    );
    mail.lossless = decoded.exact;
    mail
}

/// Teletex pages as mail: each ends in a form feed (RFC 2157 section 6.7), in a character set that
/// readers have.
#[must_use]
pub fn of_teletex<'a>(pages: impl IntoIterator<Item = &'a [u8]>) -> MailText {
    let mut text = String::new();
    let mut lossless = true;
    for page in pages {
        let decoded = iso2022::decode(page, Start::Teletex);
        lossless &= decoded.exact;
        text.push_str(&decoded.text);
        if !text.ends_with('\u{C}') {
            text.push('\u{C}');
        }
    }
    let mut mail = of_decoded(text, Some("iso-8859-1"));
    mail.lossless = lossless;
    mail
}

/// Unicode as mail: ASCII, else the named part of ISO 8859 if it holds it, else UTF-8.
fn of_decoded(text: String, named: Option<&'static str>) -> MailText {
    let in_named = named.filter(|_| !text.is_ascii()).and_then(|name| {
        let right = equivalence::sets_of(name)?.last().copied()?;
        Some((name, in_set(&text, right)?))
    });
    let (charset, octets) = match in_named {
        _ if text.is_ascii() => ("us-ascii", text.into_bytes()),
        Some((name, octets)) => (name, octets),
        None => ("utf-8", text.into_bytes()),
    };
    MailText {
        charset,
        octets: with_crlf(Octets::from(octets)),
        lossless: true,
    }
}

/// Lines that end in CR LF: the octets themselves if they already do.
#[must_use]
pub fn with_crlf(octets: Octets) -> Octets {
    // The last octet of the chunk before.
    let mut before = 0;
    let bare = octets.chunks().any(|chunk| {
        let last = std::mem::replace(&mut before, chunk.last().copied().unwrap_or_default());
        let mut ends = memchr::memchr_iter(b'\n', &chunk);
        ends.any(|end| match end.checked_sub(1) {
            Some(at) => chunk.get(at) != Some(&b'\r'),
            None => last != b'\r',
        })
    });
    if !bare {
        return octets;
    }
    Octets::from(mail::with_crlf(&octets.to_bytes()).into_owned())
}

/// Lines of text that end in CR LF.
fn crlf(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\n', "\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rfc822::Mail;
    use proptest::prelude::*;

    fn part(charset: &str, octets: &[u8]) -> Part {
        let mut mail = format!("Content-Type: text/plain; charset={charset}\r\n\r\n").into_bytes();
        mail.extend_from_slice(octets);
        Mail::parse(Bytes::from(mail)).expect("a mail").root
    }

    fn general(charset: &str, octets: &[u8]) -> (Vec<u8>, Vec<u16>) {
        match to_x400(&part(charset, octets), true).expect("text").form {
            Form::General(octets, sets) => (octets.to_bytes().to_vec(), sets),
            Form::Ia5(octets) => (octets.to_bytes().to_vec(), Vec::new()),
        }
    }

    fn back(octets: Vec<u8>, sets: &[u16]) -> (&'static str, Vec<u8>) {
        let sets: Vec<u32> = sets.iter().map(|set| u32::from(*set)).collect();
        let mail = match sets.is_empty() {
            true => of_ia5(Octets::from(octets)),
            false => of_general(Octets::from(octets), &sets),
        };
        (mail.charset, mail.octets.to_bytes().to_vec())
    }

    #[test]
    fn s2157_6_1_ascii_is_ia5_text() {
        for charset in ["us-ascii", "utf-8", "iso-8859-15", "x-unknown"] {
            assert_eq!(
                general(charset, b"plain\n"),
                (b"plain\r\n".to_vec(), vec![]),
                "{charset}"
            );
        }
        assert_eq!(
            back(b"plain\r\n".to_vec(), &[]),
            ("us-ascii", b"plain\r\n".to_vec())
        );
        assert_eq!(
            back(b"Gr\xFC\xDFe".to_vec(), &[]).0,
            "iso-8859-1",
            "eight bits in IA5"
        );
    }

    #[test]
    fn s2157_6_2_golden_octets_of_latin_1() {
        let (octets, sets) = general("iso-8859-1", b"Gr\xFC\xDFe\r\n");
        assert_eq!(
            octets, b"\x1B(B\x1B-A\x1B~Gr\xFC\xDFe\r\n",
            "ESC 28 42, ESC 2D 41, ESC 7E"
        );
        assert_eq!(sets, [6, 100]);
        assert_eq!(
            back(octets, &sets),
            ("iso-8859-1", b"Gr\xFC\xDFe\r\n".to_vec())
        );
        let (from_utf8, sets) = general("windows-1252", b"Gr\xFC\xDFe\r\n");
        assert_eq!(from_utf8, b"\x1B(B\x1B-A\x1B~Gr\xFC\xDFe\r\n");
        assert_eq!(sets, [6, 100]);
    }

    #[test]
    fn s2157_6_2_each_part_of_iso_8859() {
        for (charset, octets, right, last) in [
            ("iso-8859-2", &b"\xB1"[..], 101, b'B'),
            ("iso-8859-3", b"\xA1", 109, b'C'),
            ("iso-8859-4", b"\xA2", 110, b'D'),
            ("iso-8859-5", b"\xB4", 144, b'L'),
            ("iso-8859-6", b"\xC7", 127, b'G'),
            ("iso-8859-7", b"\xE1", 126, b'F'),
            ("iso-8859-8", b"\xE0", 138, b'H'),
            ("iso-8859-9", b"\xFE", 148, b'M'),
        ] {
            let (encoded, sets) = general(charset, octets);
            assert_eq!(
                encoded,
                [b"\x1B(B\x1B-", &[last][..], b"\x1B~", octets].concat(),
                "{charset}"
            );
            assert_eq!(sets, [6, right]);
            assert_eq!(back(encoded, &sets), (charset, octets.to_vec()));
        }
    }

    #[test]
    fn s2157_6_2_japanese_stands_as_it_is() {
        let (octets, sets) = general("ISO-2022-JP", b"\x1B$BF|K\\\x1B(B\r\n");
        assert_eq!(
            (octets.as_slice(), sets.as_slice()),
            (&b"\x1B$BF|K\\\x1B(B\r\n"[..], &[6, 14, 42, 87][..])
        );
        assert_eq!(back(octets.clone(), &sets), ("iso-2022-jp", octets));
    }

    #[test]
    fn text_beyond_iso_8859_announces_utf8() {
        let (octets, sets) = general("utf-8", "“€”\n".as_bytes());
        assert_eq!(octets, [b"\x1B%G", "“€”\r\n".as_bytes()].concat());
        assert_eq!(sets, [196]);
        assert_eq!(
            back(octets, &sets),
            ("utf-8", "“€”\r\n".as_bytes().to_vec())
        );
        let (octets, sets) = general("windows-1252", b"\x93x\x94");
        assert_eq!(back(octets, &sets), ("utf-8", "“x”".as_bytes().to_vec()));
    }

    #[test]
    fn an_escape_in_the_text_is_not_taken_for_a_sequence() {
        let (octets, sets) = general("iso-8859-1", b"\x1B[1m\xE9");
        assert_eq!(
            back(octets, &sets),
            ("utf-8", "\u{1B}[1mé".as_bytes().to_vec())
        );
        assert!(
            to_x400(&part("utf-8", "\u{1B}%@é".as_bytes()), true).is_none(),
            "it leaves UTF-8"
        );
    }

    #[test]
    fn an_unknown_character_set_is_no_text() {
        assert!(to_x400(&part("x-klingon", b"\xE9\xFF"), true).is_none());
        assert!(
            to_x400(&part("iso-8859-1", b"\xE9"), false).is_none(),
            "no GeneralText there"
        );
        let broken = to_x400(&part("utf-8", b"a\xFFb"), true).expect("text");
        assert!(!broken.lossless);
    }

    #[test]
    fn s2157_6_7_pages_end_in_form_feeds() {
        let mail = of_teletex([&b"M\xC8uller\r\n"[..], b"two\x0C"]);
        assert_eq!(
            (mail.charset, mail.octets.to_bytes().as_ref()),
            ("iso-8859-1", &b"M\xFCller\r\n\x0Ctwo\x0C"[..])
        );
    }

    proptest! {
        #[test]
        fn text_comes_back(text in "[ -~\r\né–Жאλ日\u{FEFF}\u{85}]{0,50}") {
            let text = crlf(&text);
            let form = of_unicode(&text, "");
            let (octets, sets) = match form {
                Form::Ia5(octets) => (octets, vec![]),
                Form::General(octets, sets) => (octets, sets),
            };
            let (charset, octets) = back(octets.to_bytes().to_vec(), &sets);
            prop_assert_eq!(charset::decode(charset, &octets).expect("known").text, text.strip_prefix('\u{FEFF}').unwrap_or(&text));
        }
    }
}
