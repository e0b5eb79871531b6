//! BER as trees of octets, taken apart and put together by hand (X.690 section 8.1): it knows no
//! type, and nothing of `mixgate::asn1`.

/// A value: its identifier octets, how its length came, and what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub identifier: Vec<u8>,
    pub indefinite: bool,
    pub value: Value,
}

/// What a value holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Primitive(Vec<u8>),
    Constructed(Vec<Node>),
}

/// Which form of length to write (X.690 section 8.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lengths {
    /// Indefinite where it came so, else definite and as short as may be.
    AsTheyCame,
    /// Definite, as short as may be.
    Shortest,
    /// Definite, in the long form with four octets, the first of which say nothing.
    Long,
    /// Indefinite wherever that is allowed.
    Indefinite,
}

impl Node {
    /// The one value that these octets are.
    pub fn read(octets: &[u8]) -> Result<Self, String> {
        match Self::read_first(octets)? {
            (node, []) => Ok(node),
            (_, rest) => Err(format!("{} octets after a value", rest.len())),
        }
    }

    /// The first value of these octets, and what follows it.
    pub fn read_first(octets: &[u8]) -> Result<(Self, &[u8]), String> {
        let mut size = 1;
        if octets.first().ok_or("no octets")? & 0x1f == 0x1f {
            while octets.get(size).ok_or("a cut tag")? & 0x80 != 0 {
                size += 1;
            }
            size += 1;
        }
        let (identifier, rest) = octets.split_at(size);
        let (&first, rest) = rest.split_first().ok_or("a cut length")?;
        let (length, rest) = match first {
            0x80 => (None, rest),
            0..0x80 => (Some(usize::from(first)), rest),
            _ => {
                let (length, rest) = rest
                    .split_at_checked(usize::from(first & 0x7f))
                    .ok_or("a cut length")?;
                let number = |sum, octet: &u8| sum << 8 | usize::from(*octet);
                (Some(length.iter().fold(0, number)), rest)
            }
        };
        let (mut inside, mut after) = match length {
            Some(length) => rest.split_at_checked(length).ok_or("a cut value")?,
            None => (rest, &rest[rest.len()..]),
        };
        let value = if identifier[0] & 0x20 == 0 {
            Value::Primitive(inside.to_vec())
        } else {
            let mut nodes = Vec::new();
            while !inside.is_empty() && (length.is_some() || !inside.starts_with(&[0, 0])) {
                let (node, rest) = Self::read_first(inside)?;
                nodes.push(node);
                inside = rest;
            }
            if length.is_none() {
                after = inside.strip_prefix(&[0, 0]).ok_or("no end of contents")?;
            }
            Value::Constructed(nodes)
        };
        let node = Self {
            identifier: identifier.to_vec(),
            indefinite: length.is_none(),
            value,
        };
        Ok((node, after))
    }

    /// Its octets, with lengths of one form.
    pub fn write(&self, lengths: Lengths) -> Vec<u8> {
        let contents = match &self.value {
            Value::Primitive(octets) => octets.clone(),
            Value::Constructed(nodes) => {
                let nodes: Vec<_> = nodes.iter().map(|node| node.write(lengths)).collect();
                nodes.concat()
            }
        };
        let constructed = matches!(self.value, Value::Constructed(_));
        let length = match lengths {
            Lengths::Indefinite if constructed => vec![0x80],
            Lengths::AsTheyCame if self.indefinite => vec![0x80],
            Lengths::Long => long(contents.len(), 4),
            _ if contents.len() < 0x80 => long(contents.len(), 1)[1..].to_vec(),
            _ => {
                let octets = (1..4).find(|octets| contents.len() < 1 << (8 * octets));
                long(contents.len(), octets.unwrap_or(4))
            }
        };
        let end: &[u8] = if length == [0x80] { &[0, 0] } else { &[] };
        [&self.identifier, &length, &contents, end].concat()
    }

    /// The values within; none within a primitive one.
    pub fn nodes(&self) -> &[Self] {
        match &self.value {
            Value::Primitive(_) => &[],
            Value::Constructed(nodes) => nodes,
        }
    }

    /// The values within, to change.
    pub fn nodes_mut(&mut self) -> Result<&mut Vec<Self>, String> {
        match &mut self.value {
            Value::Primitive(_) => Err(format!("{:02x?} is primitive", self.identifier)),
            Value::Constructed(nodes) => Ok(nodes),
        }
    }

    /// The octets of a string, in one piece however it came.
    pub fn string(&self) -> Vec<u8> {
        match &self.value {
            Value::Primitive(octets) => octets.clone(),
            Value::Constructed(nodes) => {
                let pieces: Vec<_> = nodes.iter().map(Self::string).collect();
                pieces.concat()
            }
        }
    }

    /// What a path of identifier octets leads to, from within this value.
    pub fn at(&mut self, path: &[u8]) -> Result<&mut Self, String> {
        path.iter().try_fold(self, |node, step| {
            let nodes = node.nodes_mut()?;
            let found = nodes.iter_mut().find(|node| node.identifier == [*step]);
            found.ok_or_else(|| format!("no {step:02x} on the path {path:02x?}"))
        })
    }

    /// Puts a primitive member in the place of the one of its identifier, or before all others.
    pub fn set(&mut self, identifier: u8, octets: &[u8]) -> Result<(), String> {
        let value = Value::Primitive(octets.to_vec());
        if let Ok(member) = self.at(&[identifier]) {
            member.value = value;
            return Ok(());
        }
        let member = Self {
            identifier: vec![identifier],
            indefinite: false,
            value,
        };
        self.nodes_mut()?.insert(0, member);
        Ok(())
    }
}

/// A length in the long form, with so many octets.
fn long(length: usize, octets: usize) -> Vec<u8> {
    let number = length.to_be_bytes();
    let mut form = vec![0x80 | u8::try_from(octets).expect("a few")];
    form.extend_from_slice(&number[number.len() - octets..]);
    form
}
