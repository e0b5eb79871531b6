//! Mail to X.400: parsed and converted without panic, and what comes of it is P1.
#![no_main]

mod context;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use mixgate::asn1;
use mixgate::asn1::mta::MtsApdu;
use mixgate::mixer::address::mcgam::Tables;
use mixgate::mixer::to_x400;
use mixgate::rfc822::{Envelope, Recipient};

fuzz_target!(|octets: &[u8]| {
    let Ok(recipient) = "user@internet.example".parse() else { return };
    let envelope = Envelope {
        recipients: vec![Recipient::new(recipient)],
        ..Envelope::default()
    };
    let mail = Bytes::copy_from_slice(octets);
    let converted = context::with(&Tables::default(), |context| to_x400::message(context, &envelope, &mail));
    if let Ok(message) = converted {
        assert!(asn1::decode::<MtsApdu>(&message.apdu.to_bytes()).is_ok());
    }
});
