//! Captures (classic pcap, Ethernet, IPv4, TCP) as conversations: who wrote which octets, in order.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use bytes::{Bytes, BytesMut};
use mixgate::osi::tpkt;
use mixgate::osi::transport::tpdu::Tpdu;

/// Who opened the TCP connection, and who answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Initiator,
    Responder,
}

/// One TCP connection of a capture.
#[derive(Debug, Clone)]
pub struct Conversation {
    /// The capture and the place of the connection in it, from 1.
    pub name: String,
    /// Octets in the order in which they came to be complete.
    pub flow: Vec<(Side, Bytes)>,
}

impl Conversation {
    /// The TPDUs in their packets.
    pub fn tpdus(&self) -> Result<Vec<(Side, Tpdu)>, String> {
        let mut readers = [
            tpkt::Reader::new(tpkt::LONGEST),
            tpkt::Reader::new(tpkt::LONGEST),
        ];
        let mut tpdus = Vec::new();
        for (side, octets) in &self.flow {
            let reader = &mut readers[*side as usize];
            reader.feed(octets);
            while let Some(tpdu) = reader
                .next_tpdu()
                .map_err(|fault| format!("{}: {fault}", self.name))?
            {
                let tpdu = Tpdu::decode(tpdu).map_err(|fault| format!("{}: {fault}", self.name))?;
                tpdus.push((*side, tpdu));
            }
        }
        if !readers.iter().all(tpkt::Reader::is_empty) {
            return Err(format!("{}: ends within a packet", self.name));
        }
        Ok(tpdus)
    }

    /// The TSDUs, put together from DT TPDUs.
    pub fn tsdus(&self) -> Result<Vec<(Side, Bytes)>, String> {
        let mut parts = [BytesMut::new(), BytesMut::new()];
        let mut tsdus = Vec::new();
        for (side, tpdu) in self.tpdus()? {
            if let Tpdu::Data { end_of_tsdu, data } = tpdu {
                let part = &mut parts[side as usize];
                part.extend_from_slice(&data);
                if end_of_tsdu {
                    tsdus.push((side, part.split().freeze()));
                }
            }
        }
        Ok(tsdus)
    }
}

/// Every capture below a folder, by name: `x400/mta/01-plain88.pcap`.
pub fn all(root: &Path) -> Result<Vec<(String, Vec<Conversation>)>, String> {
    let mut found = Vec::new();
    for folder in ["x400", "x400/mta", "osi"] {
        for entry in
            std::fs::read_dir(root.join(folder)).map_err(|fault| format!("{folder}: {fault}"))?
        {
            let path = entry.map_err(|fault| fault.to_string())?.path();
            if let Some(file) = path.file_name().and_then(|file| file.to_str())
                && (file.ends_with(".pcap") || file.ends_with(".pcap.gz"))
            {
                let name = format!("{folder}/{file}");
                let conversations = conversations(root, &name)?;
                found.push((name, conversations));
            }
        }
    }
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(found)
}

/// The conversations of one capture, in the order in which they began.
pub fn conversations(root: &Path, name: &str) -> Result<Vec<Conversation>, String> {
    let octets = read(&root.join(name)).map_err(|fault| format!("{name}: {fault}"))?;
    let mut open: HashMap<[Endpoint; 2], usize> = HashMap::new();
    let mut found: Vec<Tcp> = Vec::new();
    for frame in frames(&octets).ok_or_else(|| format!("{name}: not a classic pcap"))? {
        let Some(segment) = tcp(frame) else { continue };
        let mut ends = [segment.from, segment.to];
        ends.sort_unstable();
        let begins = segment.syn && !segment.ack;
        let place = match open.get(&ends) {
            Some(place) if !begins || found[*place].first == segment.sequence => *place,
            _ => {
                found.push(Tcp {
                    initiator: segment.from,
                    first: segment.sequence,
                    halves: [Half::default(), Half::default()],
                    flow: vec![],
                });
                open.insert(ends, found.len() - 1);
                found.len() - 1
            }
        };
        found[place].take(&segment);
    }
    let named = found
        .into_iter()
        .filter(|tcp| !tcp.flow.is_empty())
        .enumerate();
    Ok(named
        .map(|(index, tcp)| Conversation {
            name: format!("{name} #{}", index + 1),
            flow: tcp.flow,
        })
        .collect())
}

fn read(path: &PathBuf) -> Result<Vec<u8>, String> {
    if path.extension().is_some_and(|extension| extension == "gz") {
        let output = Command::new("gzip")
            .arg("-dc")
            .arg(path)
            .output()
            .map_err(|fault| format!("gzip: {fault}"))?;
        return Ok(output.stdout);
    }
    std::fs::read(path).map_err(|fault| fault.to_string())
}

/// The frames of a classic pcap file of either byte order, Ethernet only.
fn frames(file: &[u8]) -> Option<Vec<&[u8]>> {
    let (header, mut rest) = file.split_at_checked(24)?;
    let number = |octets: &[u8]| -> Option<usize> {
        let octets: [u8; 4] = octets.try_into().ok()?;
        let number = match header.first_chunk()? {
            [0xd4, 0xc3, 0xb2, 0xa1] | [0x4d, 0x3c, 0xb2, 0xa1] => u32::from_le_bytes(octets),
            [0xa1, 0xb2, 0xc3, 0xd4] | [0xa1, 0xb2, 0x3c, 0x4d] => u32::from_be_bytes(octets),
            _ => return None,
        };
        usize::try_from(number).ok()
    };
    if number(&header[20..24])? != 1 {
        return None;
    }
    let mut frames = Vec::new();
    while !rest.is_empty() {
        let (record, after) = rest.split_at_checked(16)?;
        let (frame, after) = after.split_at_checked(number(&record[8..12])?)?;
        frames.push(frame);
        rest = after;
    }
    Some(frames)
}

type Endpoint = ([u8; 4], u16);

struct Segment<'a> {
    from: Endpoint,
    to: Endpoint,
    sequence: u32,
    syn: bool,
    ack: bool,
    data: &'a [u8],
}

/// The TCP segment of an Ethernet frame, if there is one over IPv4.
fn tcp(frame: &[u8]) -> Option<Segment<'_>> {
    let (ethernet, packet) = frame.split_at_checked(14)?;
    if ethernet[12..14] != [0x08, 0x00] || packet.first()? >> 4 != 4 || *packet.get(9)? != 6 {
        return None;
    }
    // Frames are padded to 60 octets: the packet says how long it is.
    let total = usize::from(u16::from_be_bytes([*packet.get(2)?, *packet.get(3)?]));
    let header = usize::from(packet[0] & 0x0f) * 4;
    let source: [u8; 4] = packet.get(12..16)?.try_into().ok()?;
    let destination: [u8; 4] = packet.get(16..20)?.try_into().ok()?;
    let segment = packet.get(header..total)?;
    let data = segment.get(usize::from(segment.get(12)? >> 4) * 4..)?;
    Some(Segment {
        from: (source, u16::from_be_bytes([segment[0], segment[1]])),
        to: (destination, u16::from_be_bytes([segment[2], segment[3]])),
        sequence: u32::from_be_bytes(segment[4..8].try_into().ok()?),
        syn: segment[13] & 0x02 != 0,
        ack: segment[13] & 0x10 != 0,
        data,
    })
}

/// One direction: the next sequence number, and segments that came before their turn.
#[derive(Default)]
struct Half {
    next: Option<u32>,
    early: Vec<(u32, Vec<u8>)>,
}

struct Tcp {
    initiator: Endpoint,
    first: u32,
    halves: [Half; 2],
    flow: Vec<(Side, Bytes)>,
}

impl Tcp {
    fn take(&mut self, segment: &Segment<'_>) {
        let side = if segment.from == self.initiator {
            Side::Initiator
        } else {
            Side::Responder
        };
        let half = &mut self.halves[side as usize];
        let sequence = segment.sequence.wrapping_add(u32::from(segment.syn));
        let next = half.next.get_or_insert(sequence);
        half.early.push((sequence, segment.data.to_vec()));
        // A segment's turn is when its octets reach up to the next one; sequence numbers wrap.
        let seen = |next: u32, sequence: u32| next.wrapping_sub(sequence) as usize;
        while let Some(turn) = half
            .early
            .iter()
            .position(|(sequence, data)| seen(*next, *sequence) <= data.len())
        {
            let (sequence, data) = half.early.swap_remove(turn);
            let fresh = &data[seen(*next, sequence)..];
            if !fresh.is_empty() {
                *next = next.wrapping_add(u32::try_from(fresh.len()).unwrap());
                self.flow.push((side, Bytes::copy_from_slice(fresh)));
            }
        }
    }
}
