//! What mail-parser makes of mail, beside ours: the evidence for what it is not used for.
//!
//! Each row is an input, what mail-parser gives, and what is right. Should a row of theirs change, the
//! library has mended it: look again at decision 8 of docs/architecture.md.

use std::borrow::Cow;

use bytes::Bytes;
use mail_parser::decoders::charsets::map::charset_decoder;
use mail_parser::parsers::MessageStream;
use mail_parser::{MessageParser, PartType};
use mixgate::rfc822::mail::Part;
use mixgate::rfc822::{AddressList, Header, Mail, MediaType, charset, date, words};

fn ours(mail: &str) -> Mail {
    Mail::parse(Bytes::from(mail.to_owned())).unwrap()
}

fn leaves(mail: &str) -> Vec<Bytes> {
    let leaf = |part: &Part| part.decoded().to_bytes();
    ours(mail).root.leaves().map(leaf).collect()
}

/// The contents of the parts that are no multiparts.
fn their_leaves(mail: &str) -> Vec<Vec<u8>> {
    let read = MessageParser::default().parse(mail).unwrap();
    let leaves = read.parts.iter().filter(|part| !part.is_multipart());
    leaves.map(|part| part.contents().to_vec()).collect()
}

#[test]
fn bodies_are_decoded_while_parsing() {
    let mail = "Content-Type: image/png\nContent-Transfer-Encoding: base64\n\naGk=\n";
    let read = MessageParser::default().parse(mail).unwrap();
    let body = &read.root_part().body;
    assert!(matches!(
        body,
        PartType::InlineBinary(Cow::Owned(_)) | PartType::Binary(Cow::Owned(_))
    ));
    let root = ours(mail).root;
    assert!(root.raw.as_ptr_range().contains(&root.body.as_ptr()));
}

#[test]
fn rfc2046_5_1_1_a_delimiter_begins_its_line() {
    let mail = "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nsee --b\nthere\n--b--\n";
    assert_eq!(their_leaves(mail), [b"see "]);
    assert_eq!(leaves(mail), ["see --b\nthere"]);
}

#[test]
fn lines_that_are_no_field_are_text() {
    let mail = "A: 1\nhello\nworld\n\nmore\n";
    let read = MessageParser::default().parse(mail).unwrap();
    assert_eq!(read.body_text(0).as_deref(), Some("more\n"));
    assert_eq!(leaves(mail), ["hello\nworld\n\nmore\n"]);
    let mail = "From x Mon 10:20:30\nA: 1\n\n";
    let read = MessageParser::default().parse(mail).unwrap();
    assert_eq!(read.headers()[0].name(), "From x Mon 10");
    assert_eq!(ours(mail).header().malformed.len(), 1);
}

fn their_parameter(value: &str, name: &str) -> Option<String> {
    let line = format!("{value}\n");
    let read = MessageStream::new(line.as_bytes()).parse_content_type();
    let read = read.into_content_type().unwrap();
    read.attribute(name).map(str::to_owned)
}

#[test]
fn rfc2045_5_1_and_rfc2231_parameters() {
    for (value, name, theirs, right) in [
        // Folded after the equals sign.
        ("a/b; boundary=\r\n \"xx\"", "boundary", None, "xx"),
        // RFC 2231 section 4.1: the first segment names the character set of all.
        (
            "a/b; name*0*=iso-8859-1''%E9; name*1*=t%E9",
            "name",
            Some("ét\u{FFFD}"),
            "été",
        ),
        // A character in two segments.
        (
            "a/b; name*0*=utf-8''%C3; name*1*=%A9",
            "name",
            Some("\u{FFFD}\u{FFFD}"),
            "é",
        ),
        // A plain form for readers that know no other.
        (
            "a/b; name=e; name*0*=utf-8''%C3%A9; name*1=.txt",
            "name",
            Some("e.txt"),
            "é.txt",
        ),
        (
            "a/b; name=\"=?utf-8?Q?a.?= =?utf-8?Q?txt?=\"",
            "name",
            Some("a. txt"),
            "a.txt",
        ),
        ("a/b; name=a (1).txt", "name", Some("a"), "a (1).txt"),
        ("a/b name=c", "name", None, "c"),
    ] {
        assert_eq!(their_parameter(value, name).as_deref(), theirs, "{value}");
        let media = MediaType::parse(value.as_bytes()).unwrap();
        assert_eq!(media.parameter(name), Some(right), "{value}");
    }
}

#[test]
fn rfc2047_words() {
    for (text, theirs, right) in [
        // Of a character set nobody knows.
        ("=?x-none?Q?=E9?=", "\u{FFFD}", "=?x-none?Q?=E9?="),
        // A character in two words.
        ("=?utf-8?Q?=C3?= =?utf-8?Q?=A9?=", "\u{FFFD}\u{FFFD}", "é"),
        // An incomplete quote.
        ("=?utf-8?Q?100=?=", "100", "=?utf-8?Q?100=?="),
        ("=?iso-8859-1?Q?=80?=", "€", "\u{80}"),
        ("a  b", "a  b", "a  b"),
    ] {
        let line = format!("{text}\n");
        let read = MessageStream::new(line.as_bytes()).parse_unstructured();
        assert_eq!(read.into_text().unwrap(), theirs, "{text}");
        assert_eq!(words::decode(text), right, "{text}");
    }
}

#[test]
fn rfc2045_6_7_what_breaks_the_rules_of_quoted_printable_stands() {
    for (text, theirs) in [("a=4\nb", "a\nK"), ("a==41b", ""), ("a \rb", "a b")] {
        let (_, read) = MessageStream::new(text.as_bytes()).decode_quoted_printable_mime(b"");
        assert_eq!(String::from_utf8_lossy(&read), theirs, "{text}");
    }
    let body = |text: &str| {
        leaves(&format!(
            "Content-Transfer-Encoding: quoted-printable\n\n{text}"
        ))
    };
    assert_eq!(body("a=4\nb"), ["a=4\nb"]);
    assert_eq!(body("a==41b"), ["a=Ab"]);
    assert_eq!(body("a \rb"), ["a \rb"]);
}

#[test]
fn rfc2152_what_ends_a_shift_is_text() {
    let theirs = charset_decoder(b"utf-7").unwrap();
    assert_eq!(theirs(b"A+ImIDkQ."), "A\u{2262}\u{391}");
    assert_eq!(theirs(b"1 +- 1"), "1 +- 1");
    assert_eq!(theirs(b"+ZeVnLIqe"), "");
    for (octets, right) in [
        (b"A+ImIDkQ.".as_slice(), "A\u{2262}\u{391}."),
        (b"1 +- 1", "1 + 1"),
        (b"+ZeVnLIqe", "日本語"),
    ] {
        assert_eq!(charset::decode("utf-7", octets).unwrap().text, right);
    }
}

#[test]
fn rfc5322_3_4_1_quoted_local_parts() {
    for (text, theirs, right) in [
        ("\"/CN=Some One/\"@gw", "@gw", "\"/CN=Some One/\"@gw"),
        ("<\"a\\\"b\"@c>", "\"a\"b\"@c", "\"a\\\"b\"@c"),
        ("<@x,@y:a@b>", "@x,@y:a@b", "a@b"),
        ("x @ y . z", "x @ y . z", "x@y.z"),
    ] {
        let line = format!("{text}\n");
        let read = MessageStream::new(line.as_bytes()).parse_address();
        let address = read.as_address().and_then(|list| list.first()).unwrap();
        assert_eq!(address.address(), Some(theirs), "{text}");
        let list = AddressList::parse(text.as_bytes());
        let mailboxes: Vec<_> = list.mailboxes().map(|m| m.address.to_string()).collect();
        assert_eq!(mailboxes, [right], "{text}");
    }
}

#[test]
fn rfc5322_4_3_obsolete_dates() {
    let text = "1 Jan 98 12:00 EST";
    let line = format!("{text}\n");
    let read = MessageStream::new(line.as_bytes()).parse_date();
    assert!(
        read.as_datetime()
            .is_none_or(|date| !date.is_valid() || date.tz_hour != 5)
    );
    assert!(date::parse(text.as_bytes()).is_some());
}

#[test]
fn a_header_is_bounded() {
    let many = "A: b\n".repeat(mixgate::rfc822::field::MAX_HEADER_LINES + 1);
    assert!(MessageParser::default().parse_headers(&many).is_some());
    assert!(Header::split(&Bytes::from(many)).is_err());
}

#[test]
fn rfc2046_5_2_1_a_message_in_a_message_in_a_multipart() {
    let inner = "Content-Type: message/rfc822\n\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b--\n";
    let mail = format!(
        "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: message/rfc822\n\n{inner}\n--a\n\ntwo\n--a--\n"
    );
    let theirs = their_leaves(&mail);
    assert!(!theirs.iter().any(|leaf| leaf.starts_with(b"two")));
    assert_eq!(leaves(&mail), ["one", "two"]);
}
