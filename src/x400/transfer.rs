//! What an RTSE transfer carries: an MTS-APDU, in normal mode within an EXTERNAL (X.419 clause 9,
//! X.208 clause 32); taken apart and put together as it streams, without I/O.

pub mod relay;
mod scanner;

use bytes::{Buf, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use super::handler::{ApduKind, Arrived};
use crate::asn1::tlv::{self, Class, HeaderError, Tag};

pub use scanner::Bounds;
use scanner::Scanner;

/// Octets that are not a transfer; always the sender's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("octet {offset} of the transfer: {what}")]
pub struct Fault {
    /// Where, in octets from the start of the transfer.
    pub offset: u64,
    /// What is wrong, and by which clause.
    pub what: String,
    /// It is that there are more octets than an APDU may have.
    pub is_too_long: bool,
}

/// How the EXTERNAL of a transfer holds the APDU. Either is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// As a single ASN.1 type: so everybody reads it whom we know of.
    #[default]
    SingleAsn1Type,
    /// As octets.
    OctetAligned,
}

/// The octets before and after an APDU of so many, wrapped like this.
#[must_use]
pub fn around(user_context: u32, encoding: Encoding, length: u64) -> (Bytes, Bytes) {
    match encoding {
        Encoding::SingleAsn1Type => (prefix(user_context), SUFFIX),
        Encoding::OctetAligned => {
            let mut octets = external(user_context);
            octets.extend_from_slice(&tlv::header(OCTET_ALIGNED, false, length));
            (octets.freeze(), SUFFIX.slice(..2))
        }
    }
}

/// The octets before an APDU: an EXTERNAL of indefinite length whose indirect reference is the
/// presentation context of P1, holding a single ASN.1 type.
#[must_use]
pub fn prefix(user_context: u32) -> Bytes {
    let mut octets = external(user_context);
    octets.extend_from_slice(&tlv::open_header(SINGLE_TYPE));
    octets.freeze()
}

/// An EXTERNAL up to its encoding.
fn external(user_context: u32) -> BytesMut {
    let mut octets = BytesMut::new();
    octets.extend_from_slice(&tlv::open_header(EXTERNAL));
    // INTEGER is two's complement: a zero octet keeps the number positive (X.690 8.3.3).
    let number = std::iter::once(0).chain(user_context.to_be_bytes());
    let mut number: Vec<u8> = number.collect();
    while let [0, next, ..] = number.as_slice()
        && *next < 0x80
    {
        number.remove(0);
    }
    octets.extend_from_slice(&tlv::header(Tag::INTEGER, false, number.len() as u64));
    octets.extend_from_slice(&number);
    octets
}

/// The octets after an APDU: the ends of the two indefinite lengths.
pub const SUFFIX: Bytes = Bytes::from_static(&[0; 4]);

const EXTERNAL: Tag = Tag {
    class: Class::Universal,
    number: 8,
};
const SINGLE_TYPE: Tag = Tag::context(0);
const OCTET_ALIGNED: Tag = Tag::context(1);

/// Takes a transfer apart as its octets come.
#[derive(Debug)]
pub struct Reader {
    state: State,
    /// Octets of a header that is not complete.
    header: BytesMut,
    /// How many octets of the transfer were taken.
    taken: u64,
    scanner: Scanner,
}

/// Where in the EXTERNAL the reader stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before everything.
    Start,
    /// At a member before the encoding.
    Members,
    /// Within a member of no interest, so many octets before its end.
    Skipping(u64),
    /// Within the APDU.
    Apdu,
    /// Within a segment of an octet-aligned encoding, so many octets before its end.
    Segment(u64),
    /// Between two segments of an octet-aligned encoding.
    Segments,
    /// After the APDU.
    Tail,
}

impl Reader {
    /// A reader at the start of a transfer.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self {
            state: State::Start,
            header: BytesMut::new(),
            taken: 0,
            scanner: Scanner::new(bounds),
        }
    }

    /// Takes the next octets of the transfer; gives those that belong to the bare APDU.
    ///
    /// # Errors
    /// The octets are no transfer, or pass a bound; the reader is of no further use.
    pub fn push(&mut self, mut octets: Bytes) -> Result<Vec<Bytes>, Fault> {
        let mut apdu = Vec::new();
        while !octets.is_empty() {
            match self.state {
                State::Apdu => {
                    let of_apdu = self
                        .scanner
                        .push(&octets)
                        .map_err(|what| self.fault(what))?;
                    self.taken += of_apdu as u64;
                    apdu.push(octets.split_to(of_apdu));
                    if self.scanner.is_complete() {
                        self.state = State::Tail;
                    }
                }
                State::Segment(left) => {
                    let here = usize::try_from(left)
                        .unwrap_or(usize::MAX)
                        .min(octets.len());
                    let segment = octets.split_to(here);
                    let of_apdu = self
                        .scanner
                        .push(&segment)
                        .map_err(|what| self.fault(what))?;
                    if of_apdu < here {
                        return Err(self.fault("octets after the MTS-APDU"));
                    }
                    self.taken += here as u64;
                    apdu.push(segment);
                    self.state = match left - here as u64 {
                        0 if self.scanner.is_complete() => State::Tail,
                        0 => State::Segments,
                        left => State::Segment(left),
                    };
                }
                State::Skipping(left) => {
                    let here = usize::try_from(left)
                        .unwrap_or(usize::MAX)
                        .min(octets.len());
                    octets.advance(here);
                    self.taken += here as u64;
                    self.state = match left - here as u64 {
                        0 => State::Members,
                        left => State::Skipping(left),
                    };
                }
                State::Tail => {
                    // The ends of indefinite lengths, at most one each of EXTERNAL, encoding and
                    // octet string.
                    if let Some(at) = octets.iter().position(|&octet| octet != 0) {
                        self.taken += at as u64;
                        return Err(self.fault("octets after the MTS-APDU"));
                    }
                    self.header.extend_from_slice(&octets);
                    self.taken += octets.len() as u64;
                    octets.clear();
                    if self.header.len() > 6 {
                        return Err(self.fault("octets after the MTS-APDU"));
                    }
                }
                State::Start | State::Members | State::Segments => self.header(&mut octets)?,
            }
        }
        apdu.retain(|octets| !octets.is_empty());
        Ok(apdu)
    }

    /// Takes the next octet of a header, and acts on the header if that was its last.
    fn header(&mut self, octets: &mut Bytes) -> Result<(), Fault> {
        if self.state == State::Start
            && self.header.is_empty()
            && octets.first().is_some_and(|first| first & 0xc0 == 0x80)
        {
            // The bare APDU, as in X.410 mode.
            self.state = State::Apdu;
            return Ok(());
        }
        self.header.extend_from_slice(&octets.split_to(1));
        self.taken += 1;
        let header = match tlv::read_header(&self.header) {
            Ok(header) => header,
            Err(HeaderError::Truncated) => return Ok(()),
            Err(error) => return Err(self.fault(format!("expected {error} (X.690 8.1)"))),
        };
        self.header.clear();
        self.state = match (self.state, header.tag, header.length) {
            (State::Start, EXTERNAL, _) if header.constructed => State::Members,
            (State::Start, tag, _) => {
                return Err(self.fault(format!("expected an EXTERNAL or an MTS-APDU, found {tag}")));
            }
            (State::Members, SINGLE_TYPE, _) if header.constructed => State::Apdu,
            (State::Members, OCTET_ALIGNED, Some(length)) if !header.constructed => {
                State::Segment(length as u64)
            }
            (State::Members, OCTET_ALIGNED, _) => State::Segments,
            (State::Segments, Tag::OCTET_STRING, Some(length)) if !header.constructed => {
                State::Segment(length as u64)
            }
            // Direct reference, indirect reference, descriptor: what they say is known already.
            (State::Members, Tag::OBJECT_IDENTIFIER | Tag::INTEGER | DESCRIPTOR, Some(length))
                if length <= 256 && !header.constructed =>
            {
                State::Skipping(length as u64)
            }
            (_, tag, _) => {
                return Err(
                    self.fault(format!("expected the encoding of an EXTERNAL, found {tag}"))
                );
            }
        };
        if self.state == State::Skipping(0) {
            self.state = State::Members;
        }
        Ok(())
    }

    /// The transfer is complete.
    ///
    /// # Errors
    /// Its octets are not.
    pub fn finish(self) -> Result<Arrived, Fault> {
        let cut_short = self.cut_short();
        let is_whole = self.is_whole();
        let arrived = self.arrived().filter(|_| is_whole);
        arrived.ok_or(cut_short)
    }

    /// Whether the last octet of the APDU has arrived.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.state == State::Tail
    }

    /// The fault of a transfer that ends here, and should not.
    #[must_use]
    pub fn cut_short(&self) -> Fault {
        self.fault("the transfer ends within the MTS-APDU")
    }

    /// What arrived, whole or not, if its envelope did.
    #[must_use]
    pub fn arrived(self) -> Option<Arrived> {
        let (kind, envelope, octets) = self.scanner.finish()?;
        Some(Arrived {
            kind,
            envelope,
            octets,
        })
    }

    /// Whether the envelope has arrived.
    #[must_use]
    pub fn has_envelope(&self) -> bool {
        self.scanner.has_envelope()
    }

    fn fault(&self, what: impl Into<String>) -> Fault {
        Fault {
            offset: self.taken,
            what: what.into(),
            is_too_long: self.scanner.is_too_long(),
        }
    }
}

const DESCRIPTOR: Tag = Tag {
    class: Class::Universal,
    number: 7,
};

impl ApduKind {
    /// Which APDU a tag begins (X.419 clause 9.2).
    #[must_use]
    pub fn of(tag: Tag) -> Option<Self> {
        match tag {
            tag if tag == Tag::context(0) => Some(Self::Message),
            tag if tag == Tag::context(1) => Some(Self::Report),
            tag if tag == Tag::context(2) => Some(Self::Probe),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
