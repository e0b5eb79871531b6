//! A transfer in pieces of any size: what is read must not depend on where it is cut.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use mixgate::x400::transfer::{Bounds, Reader};
use mixgate::x400::{ApduKind, Arrived};

type Read = Result<(Vec<u8>, Arrived), mixgate::x400::transfer::Fault>;

fuzz_target!(|octets: &[u8]| {
    let Some((&piece, transfer)) = octets.split_first() else { return };
    let (whole, cut) = (read(transfer, usize::MAX), read(transfer, usize::from(piece).max(1)));
    assert_eq!(whole.is_ok(), cut.is_ok());
    if let (Ok(whole), Ok(cut)) = (whole, cut) {
        assert_eq!(whole, cut);
        assert!(whole.1.kind != ApduKind::Probe || whole.1.envelope == whole.0);
    }
});

fn read(transfer: &[u8], piece: usize) -> Read {
    let mut reader = Reader::new(Bounds { apdu: 10_000, envelope: 1_000, depth: 32 });
    let mut apdu = Vec::new();
    for piece in transfer.chunks(piece.min(transfer.len()).max(1)) {
        apdu.extend(reader.push(Bytes::copy_from_slice(piece))?.concat());
    }
    Ok((apdu, reader.finish()?))
}
