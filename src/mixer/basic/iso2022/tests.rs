//! Tests of code extension: golden octets, what strangers send, and the way back.

use proptest::prelude::*;

use super::*;

fn general(octets: &[u8]) -> String {
    decode(octets, Start::General).text
}

#[test]
fn s2157_6_2_the_sequences_of_latin_1_are_removed() {
    // The prefix that RFC 2157 prints, its C1 designation in both spellings.
    for c1 in [b"\x1B!A", b"\x1B\"A"] {
        let mut octets = b"\x1B(B\x1B-A".to_vec();
        octets.extend_from_slice(c1);
        octets.extend_from_slice(b"\x1B~Gr\xFC\xDFe\r\n");
        let decoded = decode(&octets, Start::General);
        assert_eq!((decoded.text.as_str(), decoded.exact), ("Grüße\r\n", true));
    }
}

#[test]
fn a_sender_may_leave_out_the_designation_it_declares() {
    assert_eq!(decode(b"Gr\xFC\xDFe", Start::Declared(100)).text, "Grüße");
    let bare = decode(b"Gr\xFC\xDFe", Start::General);
    assert_eq!(
        (bare.text.as_str(), bare.exact),
        ("Gr\u{FFFD}\u{FFFD}e", false)
    );
}

#[test]
fn shift_in_is_ls0_and_shift_out_is_ls1() {
    assert_eq!(general(b"\x1B-La\x0E0\x0Fb"), "aАb");
}

#[test]
fn single_shifts_count_for_one_character() {
    assert_eq!(general(b"\x1B.F\x1BNae\x8Ea"), "αeα");
    assert_eq!(
        general(b"a\x8Eb"),
        "a\u{8E}b",
        "nothing designated: a control"
    );
}

#[test]
fn two_octet_sets_left_and_right() {
    assert_eq!(general(b"\x1B$BF|K\\\x1B(B!"), "日本!");
    assert_eq!(general(b"\x1B$)B\x1B~\xC6\xFC\xCB\xDC"), "日本");
    assert!(
        !decode(b"\x1B$BF", Start::General).exact,
        "half a character"
    );
}

#[test]
fn utf8_until_it_is_left() {
    assert_eq!(
        general(b"a\x1B%G\xE2\x82\xAC\x1B[1m\x1B%@b"),
        "a€\u{1B}[1mb"
    );
    assert_eq!(general(b"\x1B%/I\xE2\x82\xAC"), "€");
    assert!(!decode(b"\x1B%G\xE2", Start::General).exact);
}

#[test]
fn teletex_accents_stand_before_their_letters() {
    let teletex = |octets: &[u8]| decode(octets, Start::Teletex).text;
    assert_eq!(teletex(b"M\xC8uller \xC2e\xFB \xA4 $ #"), "Müller éß $ $ #");
    assert_eq!(teletex(b"\x1B)v\xCFc"), "č");
    assert_eq!(teletex(b"\xC2 \xC8"), "´¨", "by themselves, and at the end");
    assert_eq!(teletex(b"\xC8q"), "q\u{308}", "no composed form");
}

#[test]
fn golden_octets() {
    let latin = encode("Gr\u{FC}\u{DF}e", &[100], true).expect("Latin-1");
    assert_eq!(latin.octets, b"Gr\x1B-A\x1B~\xFC\xDFe");
    assert_eq!(latin.sets, BTreeSet::from([6, 100]));
    let teletex = encode("é", &[103], false).expect("T.61");
    assert_eq!(
        teletex.octets, b"\x1B)v\xC2e",
        "RFC 2157 appendix C: designate 103 before use"
    );
    let mixed = encode("éД", &[103, 144], false).expect("two sets");
    assert_eq!(mixed.octets, b"\x1B)v\xC2e\x1B-L\xB4");
    assert_eq!(encode("€", &[100], true), None);
    assert_eq!(
        encode("\u{1B}[1m", &[100], true),
        None,
        "an escape of the text is no escape of ours"
    );
    assert_eq!(encode_utf8("€").octets, b"\x1B%G\xE2\x82\xAC");
}

#[test]
fn strange_sequences_cost_only_themselves() {
    for octets in [
        &b"a\x1B"[..],
        b"a\x1B(",
        b"a\x1B\x80b",
        b"a\x1B(\x19",
        b"a\x1B$)",
        b"a\x1B(!b",
    ] {
        let decoded = decode(octets, Start::General);
        assert!(
            !decoded.exact && decoded.text.starts_with('a'),
            "{octets:02x?}"
        );
    }
}

proptest! {
    #[test]
    fn any_octets_can_be_read(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&octets, Start::General);
        let _ = decode(&octets, Start::Teletex);
    }

    #[test]
    fn latin_text_comes_back(text in "[ -~\u{A0}-\u{FF}\r\n]{0,60}") {
        let encoded = encode(&text, &[100], true).expect("Latin-1");
        prop_assert_eq!(general(&encoded.octets), text);
    }

    #[test]
    fn what_can_be_written_in_t61_comes_back(text in "[ -~\u{A0}-\u{17F}\u{391}-\u{3C9}\u{410}-\u{44F}日本語]{0,40}") {
        if let Some(encoded) = encode(&text, &[103, 126, 144, 87], false) {
            let decoded = decode(&encoded.octets, Start::Teletex);
            prop_assert_eq!(decoded.text, text);
        }
    }
}
