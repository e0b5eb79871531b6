//! Transfers taken apart, in every segmentation.

use proptest::prelude::*;

use super::*;
use crate::octets;

const BOUNDS: Bounds = Bounds {
    apdu: 10_000,
    envelope: 1_000,
    depth: 16,
};

fn hex(text: &str) -> Vec<u8> {
    octets::hex(text).into()
}

/// Reads a transfer cut into pieces of so many octets.
fn read(transfer: &[u8], piece: usize) -> Result<(Vec<u8>, Arrived), Fault> {
    let mut reader = Reader::new(BOUNDS);
    let mut apdu = Vec::new();
    for piece in transfer.chunks(piece) {
        for octets in reader.push(Bytes::copy_from_slice(piece))? {
            apdu.extend_from_slice(&octets);
        }
    }
    Ok((apdu, reader.finish()?))
}

/// A message of indefinite lengths with its content in two segments, as deployed systems send it.
const MESSAGE: &str =
    "a0 80 31 80 64 02 13 00 a2 80 31 00 00 00 00 00 24 80 04 03 616263 04 02 6465 00 00 00 00";
/// Its envelope.
const ENVELOPE: &str = "31 80 64 02 13 00 a2 80 31 00 00 00 00 00";

#[test]
fn x419_9_every_wrapping_and_length_form() {
    let message = hex(MESSAGE);
    let definite = hex("a0 0b 31 04 64 02 13 00 04 03 616263");
    for apdu in [&message, &definite] {
        let length = u8::try_from(apdu.len()).unwrap();
        let wrappings = [
            [
                &hex("28 80 02 01 05 a0 80"),
                apdu.as_slice(),
                &hex("00 00 00 00"),
            ]
            .concat(),
            [&[0x28, length + 5, 2, 1, 5, 0xa0, length], apdu.as_slice()].concat(),
            [
                &hex("28 80 06 04 56000207 a0 80"),
                apdu.as_slice(),
                &hex("00 00 00 00"),
            ]
            .concat(),
            [
                &[0x28, 0x80, 2, 1, 5, 0x81, length],
                apdu.as_slice(),
                &[0, 0],
            ]
            .concat(),
            [
                &[0x28, 0x80, 2, 1, 5, 0xa1, 0x80, 4, 1, 0xa0, 4, length - 1],
                &apdu[1..],
                &[0; 4],
            ]
            .concat(),
            apdu.clone(),
        ];
        for transfer in wrappings {
            for piece in [1, 2, 3, 7, 1000] {
                let (read, arrived) = read(&transfer, piece).unwrap();
                assert_eq!(read, *apdu);
                assert_eq!(arrived.kind, ApduKind::Message);
                assert_eq!(arrived.octets, apdu.len() as u64);
                let envelope = if apdu == &message {
                    hex(ENVELOPE)
                } else {
                    hex("31 04 64 02 13 00")
                };
                assert_eq!(arrived.envelope, envelope);
            }
        }
    }
}

#[test]
fn x411_12_2_1_the_envelope_of_a_probe_is_all_of_it() {
    let probe = hex("a2 80 64 02 13 00 a2 80 31 00 00 00 00 00");
    let (_, arrived) = read(&probe, 5).unwrap();
    assert_eq!(
        (arrived.kind, arrived.envelope),
        (ApduKind::Probe, Bytes::from(probe))
    );
    let report = hex("a1 0a 31 02 0500 31 04 a0023000");
    let (_, arrived) = read(&report, 5).unwrap();
    assert_eq!(
        (arrived.kind, arrived.envelope),
        (ApduKind::Report, hex("31 02 0500").into())
    );
}

#[test]
fn what_we_write_we_read() {
    for context in [5, 127, 128, 65_535, u32::MAX] {
        for encoding in [Encoding::SingleAsn1Type, Encoding::OctetAligned] {
            let message = hex(MESSAGE);
            let (before, after) = around(context, encoding, message.len() as u64);
            let transfer = [&before[..], &message, &after].concat();
            assert_eq!(read(&transfer, 4).unwrap().0, message);
        }
    }
    let (before, after) = around(5, Encoding::OctetAligned, 300);
    assert_eq!(
        (&before[..], &after[..]),
        (&hex("28 80 02 01 05 81 82 01 2c")[..], &[0, 0][..])
    );
    assert_eq!(prefix(5), hex("28 80 02 01 05 a0 80"), "as captured");
}

#[test]
fn what_is_no_transfer_is_told_with_its_offset() {
    for (octets, says) in [
        ("30 80", "expected an EXTERNAL"),
        ("28 80 04 01 05", "expected the encoding of an EXTERNAL"),
        ("28 80 02 01 05 a0 80 31 80", "expected an MTS-APDU"),
        ("28 80 02 01 05 a0 80 80 01 00", "expected an MTS-APDU"),
        ("a0 03 31 80 00 00", "longer than what it lies in"),
        (
            "a0 80 31 05 04 04 61 62 63 64",
            "longer than what it lies in",
        ),
        ("a0 05 31 00 00 00 00", "end-of-contents"),
        ("a0 02 31 00 01", "octets after the MTS-APDU"),
        (
            "28 80 02 01 05 a0 80 a0 02 31 00 00 00 00 00 00 00 00 00",
            "octets after the MTS-APDU",
        ),
        ("a0 80 31 80", "ends within"),
        ("a0 00", "ends within"),
        ("", "ends within"),
        ("28 80 02 01 05", "ends within"),
    ] {
        for piece in [1, 100] {
            let fault = read(&hex(octets), piece).unwrap_err();
            assert!(fault.what.contains(says), "{octets}: {fault}");
            assert!(
                fault.offset <= octets.len() as u64 / 2 + 1,
                "{octets}: {fault}"
            );
        }
    }
}

#[test]
fn a_stranger_is_bounded() {
    let content = [&hex("a0 80 31 00 04 82 7fff")[..], &[0; 0x7fff]].concat();
    assert!(
        read(&content, 100)
            .unwrap_err()
            .what
            .contains("more than 10000 octets")
    );
    let envelope = [&hex("a0 80 31 80 04 82 0500")[..], &[0; 0x500]].concat();
    assert!(
        read(&envelope, 100)
            .unwrap_err()
            .what
            .contains("envelope of more than 1000")
    );
    let deep = [&hex("a0 80")[..], &[0x31, 0x80].repeat(100)].concat();
    assert!(
        read(&deep, 100)
            .unwrap_err()
            .what
            .contains("more than 16 elements")
    );
    let long_header = [&hex("a0 80 1f")[..], &[0xff; 100]].concat();
    assert!(read(&long_header, 1).is_err());
}

proptest! {
    #[test]
    fn no_octets_do_harm(octets in proptest::collection::vec(any::<u8>(), 0..200), piece in 1..9_usize) {
        let _ = read(&octets, piece);
        let wrapped = [&hex("28 80 02 01 05 a0 80 a0 80")[..], &octets].concat();
        let _ = read(&wrapped, piece);
    }

    #[test]
    fn a_cut_transfer_is_never_whole(at in 0..39_usize) {
        let transfer = [&prefix(5)[..], &hex(MESSAGE)].concat();
        let at = at.min(transfer.len() - 1);
        prop_assert!(read(&transfer[..at], 3).is_err());
    }
}
