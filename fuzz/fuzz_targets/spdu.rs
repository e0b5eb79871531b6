//! TSDUs as SPDUs: what is read is written, and read again, the same.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use mixgate::osi::spdu::{decode, encode};

fuzz_target!(|octets: &[u8]| {
    if let Ok(spdus) = decode(&Bytes::copy_from_slice(octets)) {
        assert_eq!(decode(&encode(&spdus)).as_ref(), Ok(&spdus));
    }
});
