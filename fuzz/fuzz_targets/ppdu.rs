//! TSDUs one after the other (each after two octets of length) at the whole stack of a responder
//! whose user accepts, confirms and takes everything.
#![no_main]

use std::time::Instant;

use bytes::{Buf, Bytes};
use libfuzzer_sys::fuzz_target;
use mixgate::osi::rtse::{Indication, OpenResponse, Refusal, Request};
use mixgate::osi::stack::{Config, Network, Outgoing, Stack};
use mixgate::x400::association;

/// A connection request of class 0.
const CR: &[u8] = &[3, 0, 0, 11, 6, 0xe0, 0, 0, 0, 1, 0];

fuzz_target!(|octets: &[u8]| {
    let now = Instant::now();
    let mut octets = Bytes::copy_from_slice(octets);
    let mut stack = Stack::new(Config::new(association::contexts()), now);
    feed(&mut stack, Bytes::from_static(CR), now);
    while let Ok(length) = octets.try_get_u16() {
        let tsdu = octets.split_to(usize::from(length).min(octets.len()).min(65_000));
        let Ok(packet) = u16::try_from(tsdu.len() + 7) else { continue };
        let [high, low] = packet.to_be_bytes();
        feed(&mut stack, [&[3, 0, high, low, 2, 0xf0, 0x80], &tsdu[..]].concat().into(), now);
    }
    feed(&mut stack, Bytes::new(), now);
    drop(stack.network(Network::Closed, now));
});

fn feed(stack: &mut Stack, octets: Bytes, now: Instant) {
    let mut events = stack.network(Network::Octets(octets), now);
    while !events.is_empty() {
        let mut next = Vec::new();
        for event in events {
            if let Outgoing::Indication(indication) = event
                && let Some(answer) = answer(indication)
                && let Ok(more) = stack.request(answer, now)
            {
                next.extend(more);
            }
        }
        events = next;
    }
}

fn answer(indication: Indication) -> Option<Request> {
    Some(match indication {
        Indication::Open(open) => Request::OpenResponse(OpenResponse::Accept {
            checkpoint_size: 63,
            window_size: 3,
            user_data: open.user_data,
        }),
        Indication::Checkpoint { point } => Request::Secured { point },
        Indication::Octets(octets) if octets.starts_with(b"!") => {
            Request::TransferRefuse(Refusal::Unrecoverable)
        }
        Indication::Transfer => Request::TransferResponse,
        Indication::TurnGive => Request::Transfer,
        Indication::Pull { octets } => {
            Request::Octets { octets: vec![0; octets].into(), last: true }
        }
        Indication::Close => Request::CloseResponse,
        _ => return None,
    })
}
