//! Mail to X.400: parsed and converted without panic, and what comes of it is P1.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use mixgate::asn1;
use mixgate::asn1::mta::MtsApdu;
use mixgate::mixer::address::mcgam::Tables;
use mixgate::mixer::context::{Context, Gateway, PeerProfile};
use mixgate::mixer::to_x400;
use mixgate::rfc822::{Envelope, Recipient};

fuzz_target!(|octets: &[u8]| {
    let (gateway, peer, tables) = (Gateway::default(), PeerProfile::default(), Tables::default());
    let context = Context {
        id: "01J00000000000000000000000".into(),
        now: jiff::Timestamp::UNIX_EPOCH.to_zoned(jiff::tz::TimeZone::UTC),
        gateway: &gateway,
        tables: &tables,
        peer: &peer,
    };
    let Ok(recipient) = "user@internet.example".parse() else { return };
    let envelope = Envelope {
        recipients: vec![Recipient::new(recipient)],
        ..Envelope::default()
    };
    let mail = Bytes::copy_from_slice(octets);
    if let Ok(message) = to_x400::message(&context, &envelope, &mail) {
        assert!(asn1::decode::<MtsApdu>(&message.apdu.to_bytes()).is_ok());
    }
});
