//! P1 and all it holds: shown and converted without panic, whatever it is; what decodes is written,
//! and that is read and written again the same (an empty optional list is read, but not written).
#![no_main]

mod context;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use mixgate::asn1::mta::MtsApdu;
use mixgate::asn1::{self, show};
use mixgate::mixer::address::mcgam::Tables;
use mixgate::mixer::to_rfc822;

fuzz_target!(|octets: &[u8]| {
    let octets = Bytes::copy_from_slice(octets);
    if let Ok(shown) = show::decode_any(&octets, None) {
        let _ = shown.to_notation();
    }
    if let Ok(apdu) = asn1::decode::<MtsApdu>(&octets) {
        let written = asn1::encode(&apdu);
        let again = asn1::decode::<MtsApdu>(&written).map(|again| asn1::encode(&again));
        assert_eq!(again.as_ref(), Ok(&written));
    }
    let converted = context::with(&Tables::default(), |context| to_rfc822::message(context, &octets));
    if let Ok(mail) = converted {
        assert_eq!(mail.mail.to_bytes().len() as u64, mail.mail.len());
    }
});
