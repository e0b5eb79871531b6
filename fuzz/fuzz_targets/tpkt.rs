//! Octets on a TCP connection: packets, TPDUs and the transport machine that answers them.
#![no_main]

use std::time::Instant;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use mixgate::osi::transport::{Config, Indication, Network, Outgoing, Request, Transport};

fuzz_target!(|octets: &[u8]| {
    let now = Instant::now();
    let mut responder = Transport::new(Config { max_tsdu: 1000, ..Config::default() }, now);
    // So small that no packet comes before what the one before it asks was answered.
    for chunk in octets.chunks(7) {
        for event in responder.network(Network::Octets(Bytes::copy_from_slice(chunk)), now) {
            match event {
                Outgoing::Indication(Indication::Connect { .. }) => drop(responder.request(Request::Accept, now)),
                Outgoing::Indication(Indication::Data(tsdu)) => assert!(tsdu.len() <= 1000),
                _ => {}
            }
        }
    }
});
