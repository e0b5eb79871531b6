//! Messages as trees: the examples of RFC 2046, and what real senders make of them.

use super::*;

fn mail(text: &str) -> Mail {
    Mail::parse(Bytes::from(text.to_owned())).unwrap()
}

/// The leaves: type and decoded octets as text.
fn leaves(text: &str) -> Vec<(String, String)> {
    let leaf = |part: &Part| {
        let octets = part.decoded().to_bytes().to_vec();
        (
            part.media_type.to_string(),
            String::from_utf8(octets).unwrap(),
        )
    };
    mail(text).root.leaves().map(leaf).collect()
}

fn of(leaves: &[(&str, &str)]) -> Vec<(String, String)> {
    leaves
        .iter()
        .map(|(media, text)| ((*media).to_owned(), (*text).to_owned()))
        .collect()
}

#[test]
fn rfc2046_5_1_1_parts_between_delimiters() {
    let text = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"simple boundary\"\n\npreamble\n--simple boundary\n\nimplicitly typed\nno line end at its end\n--simple boundary  \nContent-type: text/plain; charset=us-ascii\n\nends in a line end\n\n--simple boundary--\nepilogue\n";
    for end in ["\n", "\r\n"] {
        let text = text.replace('\n', end);
        let mail = mail(&text);
        let Content::Multipart {
            preamble,
            parts,
            epilogue,
        } = &mail.root.content
        else {
            panic!("{mail:?}")
        };
        assert_eq!(preamble, "preamble");
        assert_eq!(epilogue, format!("epilogue{end}").as_bytes());
        assert_eq!(
            parts[0].body,
            format!("implicitly typed{end}no line end at its end").as_bytes()
        );
        assert_eq!(parts[1].body, format!("ends in a line end{end}").as_bytes());
        assert!(mail.is_mime() && !parts[0].typed && parts[1].typed);
    }
}

#[test]
fn rfc2046_5_1_2_an_outer_delimiter_ends_inner_parts() {
    let text = "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/alternative; boundary=ab\n\n--ab\n\none\n--ab\n\ntwo\n--a\n\nthree\n";
    assert_eq!(
        leaves(text),
        of(&[
            ("text/plain", "one"),
            ("text/plain", "two"),
            ("text/plain", "three\n")
        ])
    );
}

#[test]
fn rfc2046_5_1_5_parts_of_a_digest_are_messages() {
    let text = "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: x\n\nbody\n--b--\n";
    let mail = mail(text);
    let part = &mail.root.children()[0];
    assert!(part.media_type.is("message", "rfc822"));
    assert_eq!(
        part.children()[0].header.first("subject").unwrap().text(),
        "x"
    );
}

#[test]
fn a_multipart_without_delimiters_is_a_leaf() {
    for body in ["no delimiter", "--b--\n"] {
        let text = format!("Content-Type: multipart/mixed; boundary=b\n\n{body}");
        assert_eq!(leaves(&text), of(&[("multipart/mixed", body)]));
    }
    assert_eq!(
        leaves("Content-Type: multipart/mixed\n\n--b\n\nx"),
        of(&[("multipart/mixed", "--b\n\nx")])
    );
}

#[test]
fn transfer_encodings_are_undone() {
    for (encoding, body, decoded) in [
        ("base64", "aGVs\nbG8=\n", "hello"),
        ("BASE64 (comment)", "aGVsbG8=", "hello"),
        ("quoted-printable", "a=3Db =\r\nc  \r\nd=\r\n", "a=b c\r\nd"),
        ("quoted-printable", "=3 =zz = =", "=3 =zz = "),
        ("x-uuencode", "begin 644 x\n%:&5L;&\\\n`\nend\n", "hello"),
        ("8bit", "é\n", "é\n"),
        ("x-other", "aGVsbG8=", "aGVsbG8="),
    ] {
        let text = format!("Content-Transfer-Encoding: {encoding}\n\n{body}");
        assert_eq!(leaves(&text), of(&[("text/plain", decoded)]), "{encoding}");
    }
}

#[test]
fn a_message_in_base64_is_read_all_the_same() {
    let text = "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogeAoKYm9keQ==\n";
    assert_eq!(leaves(text), of(&[("text/plain", "body")]));
}

#[test]
fn names_of_parts() {
    let mail = mail(
        "Content-Type: application/pdf; name=\"type.pdf\"\nContent-Disposition: attachment;\n filename*=utf-8''%C3%A9.pdf\nContent-ID: <id@x>\nContent-Description: =?utf-8?Q?=C3=A9?=\n\nx",
    );
    assert_eq!(mail.root.file_name().as_deref(), Some("é.pdf"));
    assert_eq!(mail.root.content_id().as_deref(), Some("id@x"));
    assert_eq!(mail.root.description().as_deref(), Some("é"));
}

#[test]
fn text_is_decoded_by_its_character_set() {
    let text = |head: &str, body: &[u8]| {
        let message = [head.as_bytes(), b"\n\n", body].concat();
        Mail::parse(Bytes::from(message)).unwrap().root.text()
    };
    let decoded = |text: &str, lossless| {
        Some(Decoded {
            text: text.to_owned(),
            lossless,
        })
    };
    assert_eq!(
        text("Content-Type: text/plain; charset=iso-8859-1", b"\xE9"),
        decoded("é", true)
    );
    assert_eq!(text("Subject: x", b"\xE9"), decoded("é", false));
    assert_eq!(text("Subject: x", b"\xC3\xA9"), decoded("é", false));
    assert_eq!(text("Content-Type: text/plain; charset=t.61", b"a"), None);
}

#[test]
fn parts_are_ranges_of_the_message() {
    let message = Bytes::from("Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b--\n");
    let mail = Mail::parse(message.clone()).unwrap();
    assert!(
        message
            .as_ptr_range()
            .contains(&mail.root.children()[0].body.as_ptr())
    );
}

#[test]
fn a_message_is_bounded() {
    let parts = format!(
        "Content-Type: multipart/mixed; boundary=b\n\n{}",
        "--b\n\n".repeat(MAX_PARTS + 1)
    );
    assert_eq!(
        Mail::parse(Bytes::from(parts)).err(),
        Some(MailError::Parts { octet: 0 })
    );
    let level = "Content-Type: message/rfc822\n\n";
    let deep = Mail::parse(Bytes::from(level.repeat(MAX_DEPTH + 2)));
    let octet = level.len() * (MAX_DEPTH + 1);
    assert_eq!(deep.err(), Some(MailError::Depth { octet }));
    let mut deep = String::new();
    for level in 0..MAX_DEPTH + 2 {
        deep.push_str(&format!(
            "Content-Type: multipart/mixed; boundary=b{level}\n\n--b{level}\n"
        ));
    }
    assert!(matches!(
        Mail::parse(Bytes::from(deep)).err(),
        Some(MailError::Depth { octet }) if octet > 0
    ));
}

#[test]
fn lines_are_made_to_end_in_crlf() {
    assert_eq!(with_crlf(b"a\nb\r\n\n"), &b"a\r\nb\r\n\r\n"[..]);
    assert_eq!(with_crlf(b"\n"), &b"\r\n"[..]);
    assert!(matches!(with_crlf(b"a\r\nb\r"), Cow::Borrowed(_)));
}
