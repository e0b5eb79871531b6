//! RFC 2156 sections 4.5 to 4.7: directory names in fields, identifiers of the MTS.

use mixgate::asn1::ipms::{ORDescriptor, RecipientSpecifier};
use mixgate::asn1::mts::{Name, ORName};
use mixgate::asn1::types::{Any, ObjectIdentifier, PrintableString, SetOf};
use mixgate::mixer::address::{Role, descriptor, envelope, identifier, wire};
use mixgate::rfc822::Header;

use crate::world::{World, addr, or};

/// `CN=Jane Doe, C=GB`.
fn jane() -> Name {
    let part = |arc: u64, value: &str| {
        let of_type = ObjectIdentifier::from_arcs(&[2, 5, 4, arc]).expect("arcs");
        SetOf(vec![vec![
            Any::of(&of_type),
            Any::of(&PrintableString::from(value)),
        ]])
    };
    Any::of(&vec![part(6, "GB"), part(3, "Jane Doe")])
}

fn named() -> ORName {
    let address = or("/RFC-822=jane(a)example.org/O=Gateway/PRMD=EXAMPLE/ADMD= /C=GB/");
    ORName {
        directory_name: Some(jane()),
        ..ORName::from(wire::or_address(&address))
    }
}

#[test]
fn s4_6_2_2_a_directory_name_stands_in_a_comment_after_the_address() {
    let world = World::with_pairs(&[]);
    let shown = envelope::shown(&world.context(), &named(), Role::Heading).expect("shown");
    assert_eq!(
        shown.value.to_string(),
        "jane@example.org (CN=Jane Doe, C=GB)"
    );
    // The envelope has no place for it.
    let path = envelope::reverse_path(&world.context(), &named()).expect("a path");
    assert_eq!(
        path.expect("of someone").value.to_string(),
        "jane@example.org"
    );
}

#[test]
fn s4_7_2_a_directory_name_stands_in_a_comment_of_its_field() {
    let world = World::with_pairs(&[]);
    let descriptor = ORDescriptor {
        formal_name: Some(named()),
        free_form_name: Some(b"Jane".to_vec().into()),
        telephone_number: Some("+44-1".into()),
        ..ORDescriptor::default()
    };
    let address = descriptor::to_address(&world.context(), &descriptor).expect("an address");
    assert_eq!(
        address.value.to_string(),
        "Jane <jane@example.org> (Tel +44-1) (CN=Jane Doe, C=GB)"
    );
    let recipient = RecipientSpecifier {
        recipient: ORDescriptor {
            formal_name: Some(named()),
            ..ORDescriptor::default()
        },
        reply_requested: true,
        ..RecipientSpecifier::default()
    };
    let address = descriptor::to_recipient(&world.context(), &recipient).expect("an address");
    assert_eq!(
        address.value.to_string(),
        "jane@example.org (CN=Jane Doe, C=GB) (Reply requested)"
    );
}

#[test]
fn s4_6_1_the_null_reverse_path_has_an_originator_and_comes_back() {
    let world = World::with_pairs(&[]);
    let nobody = envelope::originator(&world.context(), None).expect("an originator");
    assert_eq!(
        wire::attributes(&nobody.value.address()).0.to_string(),
        "/RFC-822=MAILER-DAEMON(a)gw.example.org/O=Gateway/PRMD=EXAMPLE/ADMD= /C=GB/"
    );
    let path = envelope::reverse_path(&world.context(), &nobody.value).expect("a path");
    assert!(path.is_none());
    assert!(
        envelope::reverse_path(&world.context(), &ORName::default())
            .expect("a path")
            .is_none()
    );
    let other = addr("MAILER-DAEMON@example.org");
    let other = envelope::originator(&world.context(), Some(&other)).expect("an originator");
    assert!(
        envelope::reverse_path(&world.context(), &other.value)
            .expect("a path")
            .is_some()
    );
}

#[test]
fn s4_6_3_a_message_id_becomes_the_mts_identifier_where_that_is_configured() {
    let mut world = World::with_pairs(&[("example.org", "O$Example.PRMD$P.ADMD$A.C$GB")]);
    let header = |text: &str| {
        Header::split(&bytes::Bytes::copy_from_slice(text.as_bytes()))
            .expect("a header")
            .0
    };
    let of = |world: &World, text: &str| {
        let identifier = identifier::of_mail(&world.context(), &header(text)).expect("one");
        identifier::mts_msg_id(&identifier)
    };
    let mail = "Message-ID: <a_b@example.org>\n\n";
    let own = "[/PRMD=MIXGATE/ADMD= /C=XX/;01J00000000000000000000000]";
    assert_eq!(of(&world, mail), own);
    world.gateway.message_id_as_mts_identifier = true;
    assert_eq!(of(&world, mail), "[/PRMD=P/ADMD=A/C=GB/;<a_b@example.org>]");
    // 32 characters at most; a domain that no table has is ours.
    let long = "Message-Id: <a-rather-long-identifier@host.invalid>\n\n";
    assert_eq!(
        of(&world, long),
        "[/PRMD=EXAMPLE/ADMD= /C=GB/;<a-rather-long-identifier@host.i]"
    );
    assert_eq!(of(&world, &format!("resent-from: a@b.c\n{mail}")), own);
    assert_eq!(of(&world, "Subject: none\n\n"), own);
    assert_eq!(of(&world, "Message-ID: \n\n"), own);
}

#[test]
fn s5_3_3_2_an_mts_identifier_is_written_and_read() {
    let text = "[/PRMD=HMG/ADMD=GOLD 400/C=GB/;PC1000-910530172027-57D8]";
    let identifier = identifier::of_mts_msg_id(text).expect("an identifier");
    assert_eq!(identifier::mts_msg_id(&identifier), text);
    for no in ["", "[]", "[/C=GB/;]", "[;x]", "/C=GB/;x", "[/PRMD=p/;x]"] {
        assert!(identifier::of_mts_msg_id(no).is_none(), "{no}");
    }
}
