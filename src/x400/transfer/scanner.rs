//! Follows the elements of an MTS-APDU as it streams by: where it ends, that it stays within bounds,
//! and which octets are its envelope (X.690 clause 8.1, X.411 clause 12.2.1).

use bytes::{Bytes, BytesMut};

use crate::asn1::tlv::{self, Header, HeaderError, Tag};
use crate::x400::handler::ApduKind;

/// What an APDU may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// How many octets it may have.
    pub apdu: u64,
    /// How many octets its envelope may have.
    pub envelope: usize,
    /// How many elements may lie within one another.
    pub depth: usize,
}

/// Follows one APDU.
#[derive(Debug)]
pub(super) struct Scanner {
    bounds: Bounds,
    /// How many octets were seen.
    at: u64,
    /// Octets of a header that is not complete.
    header: BytesMut,
    /// The constructed elements we are in: where each ends, if its length is definite.
    open: Vec<Option<u64>>,
    /// How many octets of a primitive element are still to come.
    skip: u64,
    kind: Option<ApduKind>,
    envelope: BytesMut,
    /// Whether the octets seen belong to the envelope.
    capturing: bool,
    /// Whether the envelope has been seen.
    captured: bool,
    complete: bool,
}

impl Scanner {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            at: 0,
            header: BytesMut::new(),
            open: Vec::new(),
            skip: 0,
            kind: None,
            envelope: BytesMut::new(),
            capturing: false,
            captured: false,
            complete: false,
        }
    }

    /// Whether the last octet of the APDU was seen.
    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    /// Whether the last octet of its envelope was seen.
    pub(super) fn has_envelope(&self) -> bool {
        self.captured
    }

    /// Whether more octets were seen than an APDU may have.
    pub(super) fn is_too_long(&self) -> bool {
        self.at > self.bounds.apdu
    }

    /// Which APDU it was, its envelope, and how many octets were seen.
    pub(super) fn finish(self) -> Option<(ApduKind, Bytes, u64)> {
        let kind = self.kind.filter(|_| self.captured)?;
        Some((kind, self.envelope.freeze(), self.at))
    }

    /// Takes octets; says how many of them belong to the APDU.
    pub(super) fn push(&mut self, octets: &[u8]) -> Result<usize, String> {
        let mut rest = octets;
        while !rest.is_empty() && !self.complete {
            let in_contents = self.skip > 0;
            let here = match in_contents {
                true => usize::try_from(self.skip)
                    .unwrap_or(usize::MAX)
                    .min(rest.len()),
                false => 1,
            };
            let Some((taken, left)) = rest.split_at_checked(here) else {
                break;
            };
            rest = left;
            self.at += here as u64;
            if self.is_too_long() {
                return Err(format!(
                    "an MTS-APDU of more than {} octets",
                    self.bounds.apdu
                ));
            }
            if in_contents {
                self.capture(taken)?;
                self.skip -= here as u64;
                if self.skip == 0 {
                    self.ended();
                }
                continue;
            }
            self.header.extend_from_slice(taken);
            match tlv::read_header(&self.header) {
                Ok(header) => self.begin(header)?,
                Err(HeaderError::Truncated) => {}
                Err(error) => return Err(format!("expected {error} (X.690 8.1)")),
            }
        }
        Ok(octets.len() - rest.len())
    }

    /// A whole header has been seen.
    fn begin(&mut self, header: Header) -> Result<(), String> {
        let octets = self.header.split();
        let bound = self.open.iter().rev().find_map(|end| *end);
        let length = header.length.unwrap_or(0) as u64;
        if bound.is_some_and(|bound| length > bound.saturating_sub(self.at) || self.at > bound) {
            return Err(format!("{} is longer than what it lies in", header.tag));
        }
        if header.tag == Tag::NONE {
            if self.open.last() != Some(&None) {
                return Err("end-of-contents octets where no indefinite length ends".to_owned());
            }
            self.capture(&octets)?;
            self.open.pop();
            self.ended();
            return Ok(());
        }
        match self.open.len() {
            0 => {
                let kind = ApduKind::of(header.tag).filter(|_| header.constructed);
                let unknown = || format!("expected an MTS-APDU (X.419 9.2), found {}", header.tag);
                self.kind = Some(kind.ok_or_else(unknown)?);
                self.capturing = kind == Some(ApduKind::Probe);
            }
            1 => self.capturing |= !self.captured,
            depth if depth >= self.bounds.depth => {
                return Err(format!("more than {depth} elements within one another"));
            }
            _ => {}
        }
        self.capture(&octets)?;
        if header.constructed {
            let end = header
                .length
                .map(|length| self.at.saturating_add(length as u64));
            self.open.push(end);
            self.close();
        } else if length > 0 {
            self.skip = length;
        } else {
            self.ended();
        }
        Ok(())
    }

    /// An element has ended that lies directly in the innermost open one.
    fn ended(&mut self) {
        let level = usize::from(self.kind != Some(ApduKind::Probe));
        if self.capturing && self.open.len() == level {
            self.capturing = false;
            self.captured = true;
        }
        self.complete = self.open.is_empty();
        self.close();
    }

    /// Closes the innermost open element if its length says that it ends here.
    fn close(&mut self) {
        if self.open.last() == Some(&Some(self.at)) {
            self.open.pop();
            self.ended();
        }
    }

    /// Keeps octets of the envelope.
    fn capture(&mut self, octets: &[u8]) -> Result<(), String> {
        if self.capturing {
            if self.envelope.len() + octets.len() > self.bounds.envelope {
                return Err(format!(
                    "an envelope of more than {} octets",
                    self.bounds.envelope
                ));
            }
            self.envelope.extend_from_slice(octets);
        }
        Ok(())
    }
}
