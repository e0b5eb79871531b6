//! What both endpoints know of IP: ranges of addresses, listening sockets, connections per address.

mod count;
mod listen;

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

pub use count::{Count, Counts};
pub use listen::Listeners;

/// Serialised as text.
macro_rules! serde_as_text {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use serde_as_text;

/// A range of addresses: `10.0.0.0/8`, `2001:db8::/32`, `192.0.2.1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// The addresses whose first `prefix` bits are those of `address`; more bits than there are
    /// count as all.
    #[must_use]
    pub fn new(address: IpAddr, prefix: u8) -> Self {
        let address = address.to_canonical();
        let bits = if address.is_ipv4() { 32 } else { 128 };
        Self {
            address,
            prefix: prefix.min(bits),
        }
    }

    /// Whether every address of its family is in the range.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.prefix == 0
    }

    /// Whether `address` is in the range; an IPv4 address mapped into IPv6 is an IPv4 address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let differ = match (self.address, address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                (ours.to_bits() ^ theirs.to_bits()).leading_zeros()
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                (ours.to_bits() ^ theirs.to_bits()).leading_zeros()
            }
            _ => return false,
        };
        differ >= u32::from(self.prefix)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

serde_as_text!(Network);

/// A text is no [`Network`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address or range of addresses (192.0.2.1, 10.0.0.0/8, 2001:db8::/32)")]
pub struct NotANetwork(String);

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let fault = || NotANetwork(text.to_owned());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| fault())?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix
                .parse::<u8>()
                .ok()
                .filter(|p| *p <= bits)
                .ok_or_else(fault)?,
            None => bits,
        };
        let canonical = address.to_canonical();
        // Of an IPv4 address mapped into IPv6 the bits before it count for nothing.
        let mapped = if canonical == address { 0 } else { 96 };
        Ok(Self {
            address: canonical,
            prefix: prefix.checked_sub(mapped).ok_or_else(fault)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_holds_the_addresses_that_begin_as_it_does() {
        let network: Network = "192.0.2.0/24".parse().unwrap();
        assert!(
            network.contains([192, 0, 2, 9].into()) && !network.contains([192, 0, 3, 9].into())
        );
        assert!(network.contains("::ffff:192.0.2.9".parse().unwrap()));
        let one: Network = "2001:db8::1".parse().unwrap();
        assert!(one.contains("2001:db8::1".parse().unwrap()));
        assert!(!one.contains("2001:db8::2".parse().unwrap()));
        let mapped: Network = "::ffff:192.0.2.0/120".parse().unwrap();
        assert_eq!(mapped, network);
        for (everything, other) in [("0.0.0.0/0", "::1"), ("::/0", "192.0.2.1")] {
            let everything: Network = everything.parse().unwrap();
            assert!(everything.is_everything() && !network.is_everything());
            assert!(!everything.contains(other.parse().unwrap()));
        }
        for text in [
            "10.0.0.0/33",
            "10.0.0/8",
            "10/8",
            "::/129",
            "::ffff:192.0.2.0/24",
            "x",
            "10.0.0.0/-1",
        ] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
        assert_eq!(
            Network::new("::ffff:10.0.0.1".parse().unwrap(), 128).to_string(),
            "10.0.0.1/32"
        );
    }
}
