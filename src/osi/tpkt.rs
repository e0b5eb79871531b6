//! TPKT framing: one TPDU a packet on a TCP connection, of bounded size (RFC 1006 section 6).

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// The only version of the packet header (RFC 1006 section 6).
const VERSION: u8 = 3;
/// How the records of TLS begin that a server may send first: no version, but known for what they are.
pub const TLS_ALERT: u8 = 21;
/// The same, of its handshake.
pub const TLS_HANDSHAKE: u8 = 22;
/// Octets of a packet header: version, reserved, length (2).
pub const HEADER: usize = 4;
/// The shortest packet: a header and the three octets of a data TPDU without user data.
const SHORTEST: usize = 7;
/// The longest packet, header included: the length field has 16 bits.
pub const LONGEST: usize = 65_535;

/// Why a stream of octets is not a stream of packets; the connection cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The first octet of a packet is not 3.
    #[error("TPKT version is {0}, not 3 (RFC 1006 section 6)")]
    Version(u8),
    /// The length field is below the minimum of seven octets.
    #[error("TPKT length {0} is below the minimum of 7 (RFC 1006 section 6)")]
    TooShort(u16),
    /// The length field is above what this end allows.
    #[error("TPKT length {length} exceeds the limit of {limit} octets")]
    TooLong {
        /// The length the header claims, header included.
        length: u16,
        /// The limit of the reader.
        limit: usize,
    },
}

/// Cuts a stream of octets into TPDUs; holds at most one unfinished packet and what was just fed.
#[derive(Debug)]
pub struct Reader {
    buffer: BytesMut,
    limit: usize,
}

impl Reader {
    /// A reader refusing packets longer than `limit` octets, header included.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            limit: limit.min(LONGEST),
        }
    }

    /// Refuses, from the next packet on, those longer than `limit` octets, header included.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit.min(LONGEST);
    }

    /// Takes octets as they came from the network.
    pub fn feed(&mut self, octets: &[u8]) {
        self.buffer.extend_from_slice(octets);
    }

    /// The next whole TPDU, `None` until more octets come.
    ///
    /// # Errors
    /// The octets are no packet; the reader will not recover.
    pub fn next_tpdu(&mut self) -> Result<Option<Bytes>, Error> {
        let mut header = self.buffer.as_ref();
        if let Some(&version) = header.first()
            && version != VERSION
        {
            return Err(Error::Version(version));
        }
        if header.len() < HEADER {
            return Ok(None);
        }
        header.advance(2);
        let length = header.get_u16();
        let whole = usize::from(length);
        if whole < SHORTEST {
            return Err(Error::TooShort(length));
        }
        if whole > self.limit {
            return Err(Error::TooLong {
                length,
                limit: self.limit,
            });
        }
        if self.buffer.len() < whole {
            return Ok(None);
        }
        let mut packet = self.buffer.split_to(whole);
        packet.advance(HEADER);
        Ok(Some(packet.freeze()))
    }

    /// Whether the stream stands between two packets.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }
}

/// Appends one packet holding a TPDU given in two parts; `false` (and nothing written) when it is too long.
#[must_use]
pub fn write(out: &mut BytesMut, head: &[u8], rest: &[u8]) -> bool {
    let Ok(length) = u16::try_from(HEADER + head.len() + rest.len()) else {
        return false;
    };
    out.put_u8(VERSION);
    out.put_u8(0);
    out.put_u16(length);
    out.put_slice(head);
    out.put_slice(rest);
    true
}
