//! A real MTA of a capture, played with other sizes, orders and forms than it used: its octets
//! changed by hand, and paced by what our end says (X.228 clauses 7.3 and 7.4, X.225 section 8).

use bytes::Bytes;
use mixgate::osi::rtse::Request;
use mixgate::osi::stack::Network;

use crate::ber::{Lengths, Node};
use crate::capture::{Conversation, Side};
use crate::end::{End, Terms, end};
use crate::wire::{self, Indicators, Packets, Said, Spdu};

// SPDU identifiers (X.225 section 8.3).
pub const DATA_TRANSFER: u8 = 1;
const FINISH: u8 = 9;
const DISCONNECT: u8 = 10;
pub const CONNECT: u8 = 13;
pub const ACCEPT: u8 = 14;
const ACTIVITY_END: u8 = 41;
const ACTIVITY_END_ACK: u8 = 42;
pub const ACTIVITY_START: u8 = 45;
const MINOR_SYNC_POINT: u8 = 49;
const MINOR_SYNC_ACK: u8 = 50;

/// The way from a CP or CPA to the RTORQ or RTOAC: normal mode parameters, user data, PDV list,
/// single ASN.1 type, AARQ or AARE, user information, EXTERNAL, single ASN.1 type.
const RTORQ: [u8; 9] = [0xa2, 0x61, 0x30, 0xa0, 0x60, 0xbe, 0x28, 0xa0, 0xb0];
const RTOAC: [u8; 9] = [0xa2, 0x61, 0x30, 0xa0, 0x61, 0xbe, 0x28, 0xa0, 0xb1];
/// What stands before the RTTR in data, and after it: ends of three indefinite lengths.
const BEFORE: [u8; 9] = [0x61, 0x80, 0x30, 0x80, 2, 1, 3, 0xa0, 0x80];
const AFTER: [u8; 6] = [0; 6];

/// A checkpoint size in units of 1024 octets, and a window size; `None`: left out, which is 3.
pub type Sizes = (u8, Option<u8>);

/// When a point is confirmed, once the window is full; in the end, what is left is confirmed after
/// the end of the activity has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// The oldest point.
    Oldest,
    /// The newest, and so all.
    Newest,
}

/// Changes to the opening of an association: to its CP or CPA.
pub type Reword<'a> = &'a dyn Fn(&mut Node) -> Result<(), String>;

/// What both sides of a captured conversation say, to be said again.
pub struct Script {
    pub conversation: Conversation,
    /// CR and CC.
    transport: Vec<(Side, Vec<u8>)>,
    /// The first TSDU with each SPDU of category 1 or 2.
    sentences: Vec<(Side, Vec<Spdu>)>,
}

impl Script {
    pub fn of(conversation: Conversation) -> Result<Self, String> {
        let (mut transport, mut sentences) = (Vec::new(), Vec::<(Side, Vec<Spdu>)>::new());
        for side in [Side::Initiator, Side::Responder] {
            for said in conversation.said(side) {
                match said {
                    Said::Packet(packet) => transport.push((side, packet)),
                    Said::Tsdu(tsdu) => {
                        let spdus = Spdu::read(&tsdu)?;
                        let same = |(by, other): &(Side, Vec<Spdu>)| {
                            *by == side && last(other) == last(&spdus)
                        };
                        if !sentences.iter().any(same) {
                            sentences.push((side, spdus));
                        }
                    }
                }
            }
        }
        Ok(Self {
            conversation,
            transport,
            sentences,
        })
    }

    /// The TSDU in which a side says this SPDU, taken apart.
    fn sentence(&self, side: Side, identifier: u8) -> Result<Vec<Spdu>, String> {
        let said =
            |(by, spdus): &&(Side, Vec<Spdu>)| *by == side && last(spdus) == Some(identifier);
        let found = self.sentences.iter().find(said);
        let (_, spdus) = found.ok_or_else(|| format!("{side:?} never says {identifier}"))?;
        Ok(spdus.clone())
    }
}

/// The identifier of the last SPDU.
fn last(spdus: &[Spdu]) -> Option<u8> {
    spdus.last().map(|spdu| spdu.identifier)
}

/// One side of a captured conversation, and how it is played.
pub struct Double<'a> {
    pub script: &'a Script,
    /// What it says of checkpoints and window.
    pub sizes: Sizes,
    pub pace: Pace,
    /// Which TPDU size it states, as a power of two; `None`: none, which is 65531 (RFC 1006).
    pub tpdu_size: Option<u8>,
    pub reword: Reword<'a>,
}

/// What happened on an association.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Checkpoint and window size agreed on.
    pub agreed: (usize, usize),
    /// Minor synchronization points.
    pub points: usize,
    /// Their acknowledgements.
    pub acknowledgements: usize,
    /// The longest packet with data that our end wrote.
    pub longest: usize,
}

/// Our end, and the other end of the line to it.
struct Line {
    end: End,
    packets: Packets,
    read: usize,
}

impl Line {
    /// Says octets to our end; gives what it answers.
    fn say(&mut self, octets: Vec<u8>) -> Result<Vec<Spdu>, String> {
        self.end.network(Network::Octets(octets.into()));
        self.heard()
    }

    /// What our end has written since the last time: the SPDUs, but for those of category 0.
    fn heard(&mut self) -> Result<Vec<Spdu>, String> {
        if !self.end.faults.is_empty() {
            return Err(format!("{:?}", self.end.faults));
        }
        let mut heard = Vec::new();
        for octets in &self.end.written[self.read..] {
            for said in self.packets.push(octets) {
                match said {
                    Said::Tsdu(tsdu) => heard.extend(Spdu::read(&tsdu)?.pop()),
                    Said::Packet(packet) => heard.push(Spdu {
                        information: packet,
                        ..Spdu::new(0)
                    }),
                }
            }
        }
        self.read = self.end.written.len();
        Ok(heard)
    }
}

impl Double<'_> {
    /// The double of a conversation as it was, but for the sizes.
    pub fn new(script: &Script, sizes: Sizes, pace: Pace) -> Double<'_> {
        Double {
            script,
            sizes,
            pace,
            tpdu_size: Some(0x0b),
            reword: &|_| Ok(()),
        }
    }

    /// A TSDU in packets, as the agreed TPDU size wants them.
    fn packets(&self, spdus: &[Spdu]) -> Vec<u8> {
        let size = self.tpdu_size.map_or(65531, |power| 1 << power);
        wire::sized(&wire::tsdu(spdus, Indicators::Short), size)
    }

    fn say(&self, side: Side, identifier: u8) -> Result<Vec<u8>, String> {
        Ok(self.packets(&self.script.sentence(side, identifier)?))
    }

    /// A point, its confirmation or the end of an activity, with this serial number.
    fn serial(&self, side: Side, identifier: u8, serial: usize) -> Result<Vec<u8>, String> {
        // Small captures have no points; but for the identifier they look as the ends do.
        let model = match side {
            Side::Initiator => ACTIVITY_END,
            Side::Responder => ACTIVITY_END_ACK,
        };
        let mut spdus = self.script.sentence(side, model)?;
        let last = spdus.last_mut().ok_or("no SPDU")?;
        last.identifier = identifier;
        last.set(wire::SERIAL_NUMBER, serial.to_string().into_bytes());
        Ok(self.packets(&spdus))
    }

    /// CR or CC with the TPDU size.
    fn transport(&self, side: Side) -> Result<Vec<u8>, String> {
        let found = self.script.transport.iter().find(|(by, _)| *by == side);
        let (_, packet) = found.ok_or("no CR and no CC")?;
        Ok(wire::with_tpdu_size(packet, self.tpdu_size))
    }

    /// CN or AC with the sizes.
    fn opening(&self, side: Side) -> Result<Vec<u8>, String> {
        let (identifier, path) = match side {
            Side::Initiator => (CONNECT, RTORQ),
            Side::Responder => (ACCEPT, RTOAC),
        };
        let mut spdus = self.script.sentence(side, identifier)?;
        let last = spdus.last_mut().ok_or("no SPDU")?;
        let mut ppdu = Node::read(last.user_data())?;
        let apdu = ppdu.at(&path)?;
        apdu.nodes_mut()?
            .retain(|node| !matches!(node.identifier[..], [0x80 | 0x81]));
        if let Some(window) = self.sizes.1 {
            apdu.set(0x81, &[window])?;
        }
        apdu.set(0x80, &[self.sizes.0])?;
        (self.reword)(&mut ppdu)?;
        last.set_user_data(ppdu.write(Lengths::AsTheyCame));
        Ok(self.packets(&spdus))
    }

    /// Plays the initiator to our responder: it opens, transfers `payload` if there is any, with a
    /// point after every checkpoint's worth, waits for confirmations as the window wants, and
    /// releases. Gives what arrived.
    pub fn send(&self, payload: &[u8], terms: &Terms) -> Result<(Seen, Bytes), String> {
        let terms = Terms {
            slow: true,
            ..terms.clone()
        };
        let us = Side::Initiator;
        let (end, _) = end(
            &self.script.conversation,
            &Bytes::new(),
            Side::Responder,
            &terms,
        )?;
        let mut line = Line {
            end,
            packets: Packets::default(),
            read: 0,
        };
        let [cc] = &line.say(self.transport(us)?)?[..] else {
            return Err("no CC".into());
        };
        let stated = wire::with_tpdu_size(&cc.information, self.tpdu_size);
        if cc.information != stated {
            return Err(format!("{cc:02x?} for a CC with {:?}", self.tpdu_size));
        }
        let [accept] = &line.say(self.opening(us)?)?[..] else {
            return Err("no ACCEPT".into());
        };
        let agreed = sizes(accept, &RTOAC)?;
        let mut seen = Seen {
            agreed,
            ..Seen::default()
        };
        if !payload.is_empty() {
            self.transfer(payload, &mut line, &mut seen)?;
        }
        let [disconnect] = &line.say(self.say(us, FINISH)?)?[..] else {
            return Err("no DISCONNECT".into());
        };
        let taken = (usize::from(!payload.is_empty()), true);
        let end = line.end;
        if disconnect.identifier != DISCONNECT || (end.transfers, end.closed) != taken {
            return Err(format!("{disconnect:02x?}, {} transfers", end.transfers));
        }
        seen.longest = line.packets.longest;
        Ok((seen, end.arrived.into()))
    }

    fn transfer(&self, payload: &[u8], line: &mut Line, seen: &mut Seen) -> Result<(), String> {
        let us = Side::Initiator;
        let (checkpoint, window) = seen.agreed;
        let segment = match checkpoint {
            0 => payload.len(),
            units => units * 1024,
        };
        let silent = |heard: Vec<Spdu>| match heard[..] {
            [] => Ok(()),
            _ => Err(format!("{heard:02x?} before anything is secured")),
        };
        silent(line.say(self.say(us, ACTIVITY_START)?)?)?;
        let mut data = self.script.sentence(us, DATA_TRANSFER)?;
        let segments: Vec<&[u8]> = payload.chunks(segment).collect();
        let mut confirmed = 0;
        for (at, octets) in segments.iter().enumerate() {
            if at > 0 {
                seen.points += 1;
                silent(line.say(self.serial(us, MINOR_SYNC_POINT, seen.points)?)?)?;
            }
            if seen.points - confirmed == window {
                match self.pace {
                    Pace::Oldest => line.end.secure(1),
                    Pace::Newest => line.end.secure_newest(),
                }
                confirmed = self.confirmations(line.heard()?, confirmed, seen)?;
                if confirmed == seen.points - window {
                    return Err("the window stays full".into());
                }
            }
            let spdu = data.last_mut().ok_or("no SPDU")?;
            spdu.information = framed(octets);
            silent(line.say(self.packets(&data))?)?;
        }
        // The end may come while points are open, as it does in the captures.
        silent(line.say(self.serial(us, ACTIVITY_END, seen.points + 1)?)?)?;
        match self.pace {
            Pace::Oldest => line.end.secure(usize::MAX),
            Pace::Newest => line.end.secure_newest(),
        }
        confirmed = self.confirmations(line.heard()?, confirmed, seen)?;
        if confirmed != seen.points {
            return Err(format!("{confirmed} of {} points confirmed", seen.points));
        }
        line.end.take_apdu();
        match &line.heard()?[..] {
            [spdu] if spdu.identifier == ACTIVITY_END_ACK => match spdu.serial()? {
                serial if serial as usize == seen.points + 1 => Ok(()),
                serial => Err(format!("the end has serial number {serial}")),
            },
            other => Err(format!("{other:02x?} for the end of the activity")),
        }
    }

    /// Takes confirmations, each of a later point than the one before; gives the last.
    fn confirmations(
        &self,
        heard: Vec<Spdu>,
        mut confirmed: usize,
        seen: &mut Seen,
    ) -> Result<usize, String> {
        for spdu in heard {
            let serial = spdu.serial()? as usize;
            if spdu.identifier != MINOR_SYNC_ACK || serial <= confirmed || serial > seen.points {
                return Err(format!("{spdu:02x?} after point {confirmed}"));
            }
            confirmed = serial;
            seen.acknowledgements += 1;
        }
        Ok(confirmed)
    }

    /// Plays the responder to our initiator, which sends an APDU if there is any: it answers with
    /// the sizes, confirms points only when our end stands still, and the end last. Gives the
    /// payload that came.
    pub fn take(&self, apdu: &Bytes, terms: &Terms) -> Result<(Seen, Bytes), String> {
        let us = Side::Responder;
        let (end, open) = end(&self.script.conversation, apdu, Side::Initiator, terms)?;
        let mut line = Line {
            end,
            packets: Packets::default(),
            read: 0,
        };
        line.end.ask(Request::Open(Box::new(open)));
        line.heard()?;
        let [connect] = &line.say(self.transport(us)?)?[..] else {
            return Err("no CONNECT".into());
        };
        let proposed = sizes(connect, &RTORQ)?;
        let window = self.sizes.1.unwrap_or(3).into();
        let mut seen = Seen {
            agreed: (proposed.0.min(self.sizes.0.into()), proposed.1.min(window)),
            ..Seen::default()
        };
        let mut heard = line.say(self.opening(us)?)?;
        let (mut payload, mut confirmed, mut ended) = (Vec::new(), 0, false);
        loop {
            for spdu in &heard {
                match spdu.identifier {
                    ACTIVITY_START => {}
                    DATA_TRANSFER => {
                        let octets = unframed(&spdu.information)?;
                        let longest = match seen.agreed.0 {
                            0 => usize::MAX,
                            units => units * 1024,
                        };
                        if octets.len() > longest {
                            return Err(format!("a segment of {} octets", octets.len()));
                        }
                        payload.extend_from_slice(&octets);
                    }
                    MINOR_SYNC_POINT | ACTIVITY_END => {
                        let end = spdu.identifier == ACTIVITY_END;
                        if spdu.serial()? as usize != seen.points + 1 {
                            return Err(format!("{spdu:02x?} after {} points", seen.points));
                        }
                        seen.points += usize::from(!end);
                        ended = end;
                    }
                    FINISH => {
                        line.say(self.say(us, DISCONNECT)?)?;
                        let end = line.end;
                        if (end.transfers, end.closed) != (usize::from(ended), true) {
                            return Err(format!("{} transfers", end.transfers));
                        }
                        seen.longest = line.packets.longest;
                        return Ok((seen, payload.into()));
                    }
                    _ => return Err(format!("{spdu:02x?}")),
                }
                if seen.points - confirmed > seen.agreed.1 {
                    return Err(format!("{} points open", seen.points - confirmed));
                }
            }
            let open = seen.points - confirmed;
            if !ended && open != seen.agreed.1 {
                return Err(format!("stands still with {open} points open"));
            }
            heard = Vec::new();
            while confirmed < seen.points {
                confirmed = match self.pace {
                    Pace::Oldest => confirmed + 1,
                    Pace::Newest => seen.points,
                };
                seen.acknowledgements += 1;
                heard.extend(line.say(self.serial(us, MINOR_SYNC_ACK, confirmed)?)?);
                if !ended {
                    break;
                }
            }
            if ended {
                let end = self.serial(us, ACTIVITY_END_ACK, seen.points + 1)?;
                heard.extend(line.say(end)?);
            }
        }
    }
}

/// Checkpoint and window size that a CONNECT or ACCEPT states, or their defaults.
fn sizes(spdu: &Spdu, path: &[u8]) -> Result<(usize, usize), String> {
    let mut ppdu = Node::read(spdu.user_data())?;
    let apdu = ppdu.at(path)?;
    let mut number = |identifier, default| match apdu.at(&[identifier]) {
        Ok(node) => node
            .string()
            .iter()
            .fold(0, |sum, octet| sum << 8 | usize::from(*octet)),
        Err(_) => default,
    };
    Ok((number(0x80, 0), number(0x81, 3)))
}

/// An RTTR in the data the captured systems send.
fn framed(octets: &[u8]) -> Vec<u8> {
    let rttr = Node {
        identifier: vec![4],
        indefinite: false,
        value: crate::ber::Value::Primitive(octets.to_vec()),
    };
    [&BEFORE[..], &rttr.write(Lengths::Shortest), &AFTER].concat()
}

/// The octets of the RTTR in data.
fn unframed(data: &[u8]) -> Result<Vec<u8>, String> {
    Ok(Node::read(data)?.at(&[0x30, 0xa0, 0x04])?.string())
}
