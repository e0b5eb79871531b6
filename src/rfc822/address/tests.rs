//! Addresses as RFC 5322, RFC 822 and RFC 5321 write them, and as people do.

use super::*;
use proptest::prelude::*;

fn spec(text: &str) -> AddrSpec {
    text.parse()
        .unwrap_or_else(|fault| panic!("{text}: {fault}"))
}

/// The list as it would be written, and its malformed entries.
fn list(value: &str) -> (Vec<String>, Vec<String>) {
    let list = AddressList::parse(value.as_bytes());
    (
        list.addresses.iter().map(ToString::to_string).collect(),
        list.malformed,
    )
}

fn one(value: &str) -> Mailbox {
    let list = AddressList::parse(value.as_bytes());
    match (list.addresses.as_slice(), list.malformed.as_slice()) {
        ([Address::Mailbox(mailbox)], []) => mailbox.clone(),
        other => panic!("{value}: {other:?}"),
    }
}

#[test]
fn rfc5321_4_1_2_a_quoted_local_part_means_what_it_quotes() {
    let address = spec("\"/CN=Some One/\"@gw.example");
    assert_eq!(
        (address.local(), address.domain()),
        ("/CN=Some One/", "gw.example")
    );
    assert_eq!(address.to_string(), "\"/CN=Some One/\"@gw.example");
    let address = spec(r#""a\"\\b"@c"#);
    assert_eq!(address.local(), r#"a"\b"#);
    assert_eq!(address.to_string(), r#""a\"\\b"@c"#);
    assert_eq!(
        spec("\"plain\"@c").to_string(),
        "plain@c",
        "quotes only where they are needed"
    );
    assert_eq!(spec("\"\"@c").to_string(), "\"\"@c");
    assert_eq!(spec("\"a@b\"@c").local(), "a@b");
    assert_eq!(spec("/C=GB/S=x/@gw").local(), "/C=GB/S=x/");
}

#[test]
fn rfc5321_4_1_2_paths() {
    assert_eq!(AddrSpec::from_path("<>"), Ok(None));
    assert_eq!(AddrSpec::from_path("<a@b>"), Ok(Some(spec("a@b"))));
    assert_eq!(
        AddrSpec::from_path("<@x.example,@[192.0.2.1]:a@b>"),
        Ok(Some(spec("a@b")))
    );
    assert_eq!(
        AddrSpec::from_path("<Postmaster>")
            .unwrap()
            .unwrap()
            .to_string(),
        "Postmaster"
    );
    for path in [
        "a@b",
        "<a@b",
        "<a>",
        "<a b@c>",
        "<@x a@b>",
        "<@:a@b>",
        "<a@>",
        "<@b>",
        "<a@b c>",
        "<a@b\r\nX>",
        "<\"a\r\n\"@b>",
        "<a@b>>",
    ] {
        assert!(AddrSpec::from_path(path).is_err(), "{path}");
    }
}

#[test]
fn no_control_character_is_in_an_address() {
    assert_eq!(AddrSpec::new("a\r\nRCPT", "b"), Err(AddressError::Control));
    assert_eq!(AddrSpec::new("a\0", "b"), Err(AddressError::Control));
    for domain in [
        "", "b>", "b c", "b\r\n", "a..b", ".", "[1", "[]", "[a]b]", "b,c",
    ] {
        assert_eq!(
            AddrSpec::new("a", domain),
            Err(AddressError::Domain(domain.into())),
            "{domain}"
        );
    }
    assert_eq!(
        AddrSpec::new("a".repeat(MAX_ADDR_SPEC), "b"),
        Err(AddressError::TooLong)
    );
}

#[test]
fn rfc5322_3_4_mailboxes_and_groups() {
    let mailbox = one("Joe Q. Public <john.q.public@example.com>");
    assert_eq!(mailbox.name.as_deref(), Some("Joe Q. Public"));
    let (written, malformed) = list(
        "\"Giant; \\\"Big\\\" Box\" <sysservices@example.net>, A Group:Ed Jones <joe@where.test>,joe@where.test;,\r\n boss@nil.test, Undisclosed recipients:;",
    );
    assert_eq!(malformed, [""; 0]);
    assert_eq!(
        written,
        [
            "\"Giant; \\\"Big\\\" Box\" <sysservices@example.net>",
            "A Group: Ed Jones <joe@where.test>, joe@where.test;",
            "boss@nil.test",
            "Undisclosed recipients:;"
        ]
    );
}

#[test]
fn rfc5322_a_5_comments_and_folds() {
    let mailbox = one("Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>");
    assert_eq!(mailbox.address, spec("pete@silly.test"));
    assert_eq!(
        mailbox.comments,
        ["A nice ) chap", "his account", "his host"]
    );
    assert_eq!(
        mailbox.to_string(),
        "Pete <pete@silly.test> (A nice \\) chap) (his account) (his host)"
    );
    assert_eq!(
        one("jdoe@machine.example (John (the) Doe)").comments,
        ["John (the) Doe"]
    );
}

#[test]
fn rfc5322_4_4_obsolete_forms() {
    assert_eq!(
        one("Mary <@machine.tld,@[10.0.0.1]:mary@example.net>").address,
        spec("mary@example.net")
    );
    assert_eq!(
        one("jdoe@test   . example").address,
        spec("jdoe@test.example")
    );
    assert_eq!(one("x @ y . z").address, spec("x@y.z"));
    assert_eq!(one("\"a b\".c@d").address.local(), "a b.c");
    assert_eq!(list(",, a@b ,").0, ["a@b"]);
    assert_eq!(
        one("Dr. A. Smith <a@b>").name.as_deref(),
        Some("Dr. A. Smith")
    );
}

#[test]
fn a_bare_quoted_local_part_is_an_address() {
    assert_eq!(one("\"/CN=Some One/\"@gw").address.local(), "/CN=Some One/");
    assert_eq!(one("x@[192.0.2.1]").address.domain(), "[192.0.2.1]");
}

#[test]
fn rfc2047_5_3_names_are_decoded_and_encoded() {
    let mailbox =
        one("=?utf-8?Q?Andr=C3?= =?utf-8?Q?=A9?= Pirard <a@b> (=?iso-8859-1?q?=E9t=E9?=)");
    assert_eq!(mailbox.name.as_deref(), Some("André Pirard"));
    assert_eq!(mailbox.comments, ["été"]);
    assert_eq!(
        mailbox.to_string(),
        "=?ISO-8859-1?Q?Andr=E9_Pirard?= <a@b> (=?ISO-8859-1?B?6XTp?=)"
    );
    assert_eq!(
        one("\"=?utf-8?Q?x=C3=A9?=\" <a@b>").name.as_deref(),
        Some("xé")
    );
}

#[test]
fn a_malformed_entry_costs_only_itself() {
    let (written, malformed) = list("a@b, no address, <c@d>, <e@f> g, @h, i@, <>, j@k");
    assert_eq!(written, ["a@b", "c@d", "j@k"]);
    assert_eq!(malformed.len(), 5, "{malformed:?}");
    assert_eq!(list("").0, [""; 0]);
    assert!(!list(&"(".repeat(100)).1.is_empty());
}

#[test]
fn hostile_lists_are_bounded() {
    let list = AddressList::parse("a@b,".repeat(MAX_ADDRESSES + 10).as_bytes());
    assert_eq!(
        (list.addresses.len(), list.malformed.len()),
        (MAX_ADDRESSES, 1)
    );
    let _ = AddressList::parse("<".repeat(100_000).as_bytes());
    let _ = AddressList::parse("a:".repeat(100_000).as_bytes());
}

proptest! {
    #[test]
    fn addresses_return(local in "[^\\p{C}]{0,30}", domain in "[a-z0-9]{1,5}(\\.[a-z]{1,5}){0,2}") {
        let address = AddrSpec::new(local, domain).unwrap();
        prop_assert_eq!(address.to_string().parse::<AddrSpec>(), Ok(address.clone()));
        prop_assert_eq!(AddrSpec::from_path(&format!("<{address}>")), Ok(Some(address.clone())));
        prop_assert_eq!(one(&address.to_string()).address, address);
    }

    #[test]
    fn mailboxes_return(name in "[^\\p{C}\\s]([^\\p{C}\\s]| [^\\p{C}\\s]){0,20}", comment in "[^\\p{C}\\s]([^\\p{C}\\s]| [^\\p{C}\\s]){0,20}") {
        let mailbox = Mailbox { name: Some(name), address: spec("a@b"), comments: vec![comment] };
        prop_assert_eq!(one(&mailbox.to_string()), mailbox);
    }

    #[test]
    fn any_octets_are_a_list(octets in proptest::collection::vec(prop_oneof![any::<u8>(), proptest::sample::select(b"<>@,;:.\"\\()[] a".to_vec())], 0..60)) {
        let list = AddressList::parse(&octets);
        for mailbox in list.mailboxes() {
            prop_assert!(mailbox.address.to_string().parse::<AddrSpec>().is_ok());
        }
    }
}
