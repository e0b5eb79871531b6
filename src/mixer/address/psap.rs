//! Presentation addresses as text: selectors and network addresses (RFC 1278).
//!
//! Only the concrete binary forms are written and read (`'3a'H/NS+a433bb93c1`, `#12/NS+…`): they hold
//! every address, while the others need tables of a network. Several network addresses are
//! separated by a vertical bar, since the low line of RFC 1278 cannot stand in an O/R address.

/// The selectors and network addresses of a presentation address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PresentationAddress {
    /// Presentation selector.
    pub p_selector: Option<Vec<u8>>,
    /// Session selector.
    pub s_selector: Option<Vec<u8>>,
    /// Transport selector.
    pub t_selector: Option<Vec<u8>>,
    /// Network addresses in concrete binary form.
    pub n_addresses: Vec<Vec<u8>>,
}

/// The most network addresses read.
const MOST_NETWORK_ADDRESSES: usize = 8;

/// Reads a presentation address.
#[must_use]
pub fn parse(text: &str) -> Option<PresentationAddress> {
    let mut parts = text.rsplit('/');
    let networks = parts.next()?;
    let mut address = PresentationAddress::default();
    for network in networks.split(['|', '_']) {
        let octets = unhex(
            network
                .strip_prefix("NS+")
                .or_else(|| network.strip_prefix("ns+"))?,
        )?;
        address.n_addresses.push(octets);
    }
    if address.n_addresses.len() > MOST_NETWORK_ADDRESSES {
        return None;
    }
    // From the right: transport, session, presentation; a selector before them must be there too.
    for place in [
        &mut address.t_selector,
        &mut address.s_selector,
        &mut address.p_selector,
    ] {
        match parts.next() {
            Some(text) => *place = Some(selector(text)?),
            None => break,
        }
    }
    parts.next().is_none().then_some(address)
}

/// Reads a selector: hexadecimal, a number of 16 bits, IA5 in quotes, or nothing.
fn selector(text: &str) -> Option<Vec<u8>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    if let Some(number) = text.strip_prefix('#') {
        return Some(number.parse::<u16>().ok()?.to_be_bytes().to_vec());
    }
    if let Some(ia5) = text.strip_prefix('"') {
        return Some(ia5.strip_suffix('"')?.as_bytes().to_vec());
    }
    unhex(text.strip_prefix('\'')?.strip_suffix("'H")?)
}

impl std::fmt::Display for PresentationAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let selectors = [&self.p_selector, &self.s_selector, &self.t_selector];
        for selector in selectors
            .into_iter()
            .skip_while(|selector| selector.is_none())
        {
            match selector {
                Some(octets) if !octets.is_empty() => write!(f, "'{}'H/", hex(octets))?,
                _ => f.write_str("/")?,
            }
        }
        let networks: Vec<String> = self
            .n_addresses
            .iter()
            .map(|octets| format!("NS+{}", hex(octets)))
            .collect();
        f.write_str(&networks.join("|"))
    }
}

/// Octets in lower-case hexadecimal.
fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// The octets of hexadecimal digits, at least one octet.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    let pairs = digits.chunks_exact(2);
    if digits.is_empty() || !pairs.remainder().is_empty() {
        return None;
    }
    pairs
        .map(|pair| match pair {
            [high, low] => Some(high << 4 | low),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc1278_selectors_and_networks() {
        let address = parse("\"256\"/NS+a433bb93c1_NS+aa3106").unwrap();
        assert_eq!(address.t_selector.as_deref(), Some(&b"256"[..]));
        assert_eq!(address.to_string(), "'323536'H/NS+a433bb93c1|NS+aa3106");
        assert_eq!(parse(&address.to_string()), Some(address));
        let address = parse("#63//#12/NS+aa").unwrap();
        assert_eq!(address.p_selector, Some(vec![0, 63]));
        assert_eq!(address.s_selector, Some(vec![]));
        assert_eq!(address.to_string(), "'003f'H//'000c'H/NS+aa");
        for wrong in ["", "NS+", "NS+a", "a/NS+aa", "////NS+aa", "TELEX+00728722"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
