//! TSDUs one after the other (each after two octets of length) at a session machine whose user
//! accepts and confirms everything.
#![no_main]

use std::time::Instant;

use bytes::{Buf, Bytes};
use libfuzzer_sys::fuzz_target;
use mixgate::osi::session::{Accept, Config, Indication, Outgoing, Request, Session};
use mixgate::osi::transport;

fuzz_target!(|octets: &[u8]| {
    let now = Instant::now();
    let mut octets = Bytes::copy_from_slice(octets);
    let mut session = Session::new(Config { max_ssdu: 1000, ..Config::default() });
    let call = transport::Indication::Connect { called: Bytes::new(), calling: Bytes::new() };
    drop(session.indication(call, now));
    while let Ok(length) = octets.try_get_u16() {
        let tsdu = octets.split_to(usize::from(length).min(octets.len()));
        for event in session.indication(transport::Indication::Data(tsdu), now) {
            if let Outgoing::Indication(indication) = event
                && let Some(answer) = answer(indication)
            {
                drop(session.request(answer, now));
            }
        }
    }
    drop(session.tick(now + Config::default().connect_timeout));
});

fn answer(indication: Indication) -> Option<Request> {
    Some(match indication {
        Indication::Connect { connect, .. } => Request::Accept(Box::new(Accept {
            identifier: connect.identifier,
            responding: Bytes::new(),
            functional_units: connect.functional_units,
            initial_serial: connect.initial_serial,
            token_setting: connect.token_setting,
            tokens_wanted: Default::default(),
            user_data: connect.user_data,
        })),
        Indication::MinorSync { serial, user_data, .. } => Request::MinorSyncAck { serial, user_data },
        Indication::ActivityInterrupt { user_data, .. } => Request::ActivityInterruptAck(user_data),
        Indication::ActivityDiscard { user_data, .. } => Request::ActivityDiscardAck(user_data),
        Indication::ActivityEnd { user_data, .. } => Request::ActivityEndAck(user_data),
        Indication::Data(data) if data.starts_with(b"!") => {
            Request::UserException { reason: mixgate::osi::spdu::ExceptionReason::NON_SPECIFIC, user_data: data }
        }
        Indication::ControlGive => Request::ControlGive,
        Indication::Release(user_data) => Request::ReleaseAck(user_data),
        _ => return None,
    })
}
