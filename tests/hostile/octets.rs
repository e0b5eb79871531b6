//! Octets written by hand: hexadecimal digits, `'text'`, and lengths counted for the writer.

/// Reads the notation: `30(0201 05)` is an element of BER with the length of what the parentheses hold,
/// `0c[3201 85]` the same with a length as session units have it (X.225 clause 8.2.5).
pub fn octets(notation: &str) -> Vec<u8> {
    let mut rest = notation.as_bytes();
    let octets = read(&mut rest);
    assert!(rest.is_empty(), "too many closing brackets: {notation}");
    octets
}

/// Up to the bracket that closes what was opened before, or the end.
fn read(rest: &mut &[u8]) -> Vec<u8> {
    let mut octets = Vec::new();
    while let Some((first, after)) = rest.split_first() {
        *rest = after;
        match first {
            b' ' | b'\n' => {}
            b')' | b']' => return octets,
            b'(' => {
                let inner = read(rest);
                let length = inner.len();
                match u8::try_from(length).unwrap() {
                    short @ ..0x80 => octets.push(short),
                    long => octets.extend([0x81, long]),
                }
                octets.extend(inner);
            }
            b'[' => {
                let inner = read(rest);
                octets.push(u8::try_from(inner.len()).unwrap());
                octets.extend(inner);
            }
            b'\'' => {
                let end = rest.iter().position(|octet| *octet == b'\'').unwrap();
                octets.extend(&rest[..end]);
                *rest = &rest[end + 1..];
            }
            digit => {
                let digits = [*digit, rest[0]];
                *rest = &rest[1..];
                let digits = std::str::from_utf8(&digits).unwrap();
                octets.push(u8::from_str_radix(digits, 16).unwrap());
            }
        }
    }
    octets
}

#[test]
fn lengths_are_counted() {
    assert_eq!(octets("30(0201 05) 'A'"), [0x30, 3, 2, 1, 5, 0x41]);
    let long = format!("04({})", "00".repeat(200));
    assert_eq!(octets(&long)[..3], [4, 0x81, 200]);
    assert_eq!(
        octets(&format!("c1[{}]", "00".repeat(200)))[..2],
        [0xc1, 200]
    );
}
