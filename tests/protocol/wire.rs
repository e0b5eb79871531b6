//! TPKT, TPDUs and SPDUs taken apart and put together by hand (RFC 1006, X.224 section 13, X.225
//! section 8), and captured conversations said again in other words.

use bytes::Bytes;

use crate::capture::{Conversation, Side};

/// A packet of a conversation that is no DT TPDU, or a TSDU put together from DT TPDUs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// The whole packet: CR, CC or DR.
    Packet(Vec<u8>),
    /// A TSDU.
    Tsdu(Vec<u8>),
}

/// Takes the octets of one side apart.
#[derive(Debug, Default)]
pub struct Packets {
    octets: Vec<u8>,
    tsdu: Vec<u8>,
    /// The longest packet so far.
    pub longest: usize,
}

impl Packets {
    /// What is complete with these octets.
    pub fn push(&mut self, octets: &[u8]) -> Vec<Said> {
        self.octets.extend_from_slice(octets);
        let mut said = Vec::new();
        while let [3, 0, high, low, ..] = self.octets[..] {
            let length = usize::from(u16::from_be_bytes([high, low]));
            if self.octets.len() < length {
                break;
            }
            let packet = self.octets[..length].to_vec();
            self.octets.drain(..length);
            if let [_, _, _, _, 2, 0xf0, end, data @ ..] = &packet[..] {
                self.longest = self.longest.max(length);
                self.tsdu.extend_from_slice(data);
                if *end == 0x80 {
                    said.push(Said::Tsdu(std::mem::take(&mut self.tsdu)));
                }
            } else {
                said.push(Said::Packet(packet));
            }
        }
        said
    }
}

/// A TSDU in packets whose DT TPDUs hold pieces of it.
pub fn packets<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut pieces = pieces.into_iter().peekable();
    while let Some(piece) = pieces.next() {
        let length = u16::try_from(piece.len() + 7).expect("a packet");
        let end = if pieces.peek().is_none() { 0x80 } else { 0 };
        octets.extend_from_slice(&[3, 0]);
        octets.extend_from_slice(&length.to_be_bytes());
        octets.extend_from_slice(&[2, 0xf0, end]);
        octets.extend_from_slice(piece);
    }
    octets
}

/// A TSDU in packets with TPDUs of at most so many octets.
pub fn sized(tsdu: &[u8], tpdu_size: usize) -> Vec<u8> {
    packets(tsdu.chunks(tpdu_size - 3))
}

/// A CR or CC packet with another TPDU size: the power of two, or none at all.
pub fn with_tpdu_size(packet: &[u8], power: Option<u8>) -> Vec<u8> {
    let (fixed, mut rest) = packet[4..].split_at(7);
    let mut tpdu = fixed.to_vec();
    while let [code, length, ..] = *rest {
        let (parameter, after) = rest.split_at(2 + usize::from(length));
        if code != 0xc0 {
            tpdu.extend_from_slice(parameter);
        }
        rest = after;
    }
    if let Some(power) = power {
        tpdu.extend_from_slice(&[0xc0, 1, power]);
    }
    tpdu[0] = u8::try_from(tpdu.len() - 1).expect("a short TPDU");
    let length = u16::try_from(tpdu.len() + 4).expect("a packet");
    [&[3, 0][..], &length.to_be_bytes(), &tpdu].concat()
}

/// An SPDU, or a parameter group: identifier and parameters, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spdu {
    pub identifier: u8,
    pub parameters: Vec<(u8, Vec<u8>)>,
    /// What follows the parameters of a DATA TRANSFER.
    pub information: Vec<u8>,
}

/// Which form of length indicator to write (X.225 section 8.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Indicators {
    /// One octet, as long as that will do.
    Short,
    /// 255 and two octets, everywhere.
    Long,
}

/// The data of the user, in CONNECT and most others, and where CONNECT has more than 512 octets.
pub const USER_DATA: u8 = 193;
const EXTENDED_USER_DATA: u8 = 194;
pub const SERIAL_NUMBER: u8 = 42;
const CONNECT: u8 = 13;

impl Spdu {
    pub fn new(identifier: u8) -> Self {
        Self {
            identifier,
            parameters: Vec::new(),
            information: Vec::new(),
        }
    }

    /// The SPDUs of a TSDU.
    pub fn read(tsdu: &[u8]) -> Result<Vec<Self>, String> {
        let (mut first, rest) = Self::read_first(tsdu)?;
        if !matches!(first.identifier, 1 | 2) {
            first.information = rest.to_vec();
            return Ok(vec![first]);
        }
        if rest.is_empty() {
            return Ok(vec![first]);
        }
        let (mut second, rest) = Self::read_first(rest)?;
        second.information = rest.to_vec();
        Ok(vec![first, second])
    }

    fn read_first(octets: &[u8]) -> Result<(Self, &[u8]), String> {
        let (identifier, mut field, rest) = counted(octets)?;
        let mut spdu = Self::new(identifier);
        while !field.is_empty() {
            let (code, value, after) = counted(field)?;
            spdu.parameters.push((code, value.to_vec()));
            field = after;
        }
        Ok((spdu, rest))
    }

    /// Its octets.
    pub fn write(&self, indicators: Indicators) -> Vec<u8> {
        let mut field = Vec::new();
        for (code, value) in &self.parameters {
            match code {
                // The groups connection identifier and connect/accept item.
                1 | 5 => {
                    let group = [&[*code, 0xff][..], &length(value), value].concat();
                    let (group, _) = Self::read_first(&group).expect("a group");
                    field.extend(group.write(indicators));
                }
                _ => field.extend(count(*code, value, indicators)),
            }
        }
        let mut octets = count(self.identifier, &field, indicators);
        octets.extend_from_slice(&self.information);
        octets
    }

    pub fn parameter(&self, code: u8) -> Option<&[u8]> {
        let found = self.parameters.iter().find(|(other, _)| *other == code);
        found.map(|(_, value)| value.as_slice())
    }

    /// Puts a parameter in the place of the one of its code, or after all others.
    pub fn set(&mut self, code: u8, value: Vec<u8>) {
        match self.parameters.iter_mut().find(|(other, _)| *other == code) {
            Some(parameter) => parameter.1 = value,
            None => self.parameters.push((code, value)),
        }
    }

    /// The data of the user: in a parameter, or as the information of a DATA TRANSFER.
    pub fn user_data(&self) -> &[u8] {
        self.parameter(USER_DATA).unwrap_or(&self.information)
    }

    /// Other data of the user.
    pub fn set_user_data(&mut self, data: Vec<u8>) {
        if self.parameter(USER_DATA).is_none() {
            self.information = data;
            return;
        }
        let beyond = self.identifier == CONNECT && data.len() > 512;
        self.set(USER_DATA, data);
        if beyond {
            for (code, _) in &mut self.parameters {
                if *code == USER_DATA {
                    *code = EXTENDED_USER_DATA;
                }
            }
        }
    }

    /// The serial number, in decimal digits.
    pub fn serial(&self) -> Result<u32, String> {
        let digits = self.parameter(SERIAL_NUMBER).ok_or("no serial number")?;
        let digits = std::str::from_utf8(digits).map_err(|fault| fault.to_string())?;
        digits
            .parse()
            .map_err(|_| format!("serial number {digits}"))
    }
}

/// The SPDUs of a TSDU, one after another.
pub fn tsdu(spdus: &[Spdu], indicators: Indicators) -> Vec<u8> {
    let spdus: Vec<_> = spdus.iter().map(|spdu| spdu.write(indicators)).collect();
    spdus.concat()
}

/// An identifier, the value counted after it, and what follows.
fn counted(octets: &[u8]) -> Result<(u8, &[u8], &[u8]), String> {
    let (identifier, length, rest) = match *octets {
        [identifier, 0xff, high, low, ref rest @ ..] => (
            identifier,
            usize::from(u16::from_be_bytes([high, low])),
            rest,
        ),
        [identifier, length, ref rest @ ..] => (identifier, usize::from(length), rest),
        _ => return Err(format!("no identifier and length in {octets:02x?}")),
    };
    let (value, rest) = rest.split_at_checked(length).ok_or("a cut parameter")?;
    Ok((identifier, value, rest))
}

fn count(identifier: u8, value: &[u8], indicators: Indicators) -> Vec<u8> {
    match u8::try_from(value.len()) {
        Ok(short) if short < 0xff && indicators == Indicators::Short => {
            [&[identifier, short][..], value].concat()
        }
        _ => [&[identifier, 0xff][..], &length(value), value].concat(),
    }
}

fn length(value: &[u8]) -> [u8; 2] {
    u16::try_from(value.len())
        .expect("a short value")
        .to_be_bytes()
}

impl Conversation {
    /// The packets and TSDUs of one side.
    pub fn said(&self, side: Side) -> Vec<Said> {
        let mut packets = Packets::default();
        let said = self.flow.iter().filter(|(by, _)| *by == side);
        said.flat_map(|(_, octets)| packets.push(octets)).collect()
    }

    /// The flow, with what one side said put in other words: octets for each packet or TSDU.
    pub fn reworded(
        &self,
        side: Side,
        words: impl Fn(&Said) -> Result<Vec<u8>, String>,
    ) -> Result<Vec<(Side, Bytes)>, String> {
        let mut packets = Packets::default();
        let mut flow = Vec::new();
        for (by, octets) in &self.flow {
            if *by != side {
                flow.push((*by, octets.clone()));
                continue;
            }
            for said in packets.push(octets) {
                flow.push((side, Bytes::from(words(&said)?)));
            }
        }
        Ok(flow)
    }
}
