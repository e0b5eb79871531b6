//! The guard before every decode: one pass over tags and lengths, without recursion, that bounds
//! what a stranger's octets can cost and notes where indefinite lengths end (X.690 section 8.1).

use super::error::DecodeError;
use super::tlv::{self, HeaderError, Tag};

/// What a decode may be asked to bear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many values may lie within one another.
    pub depth: usize,
    /// How many values there may be in all, segments of constructed strings apart.
    pub elements: usize,
    /// How many segments of constructed strings there may be in all.
    pub segments: usize,
    /// How many octets there may be in all.
    pub octets: usize,
}

impl Limits {
    /// The limits of [`super::decode`]: no message seen in the field comes near them.
    pub const DEFAULT: Self = Self {
        depth: 512,
        elements: 250_000,
        segments: 8_000_000,
        octets: 1 << 31,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What the guard learnt: how long the first value is, and where indefinite lengths within it end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outline {
    /// How many octets the value takes, its header included.
    pub length: usize,
    /// For each value of indefinite length, by position: where its contents begin and end.
    ends: Vec<(usize, usize)>,
}

impl Outline {
    /// Where the contents end that begin at `start`, if their length is indefinite.
    pub(super) fn end_of(&self, start: usize) -> Option<usize> {
        let found = self.ends.binary_search_by_key(&start, |&(start, _)| start);
        self.ends.get(found.ok()?).map(|&(_, end)| end)
    }
}

/// A constructed value that is being walked.
struct Open {
    /// Where it ends; `None` if its length is indefinite.
    end: Option<usize>,
    /// What nothing within may pass: the end of the innermost value of definite length.
    bound: usize,
    /// Its place in [`Outline::ends`], if its length is indefinite.
    noted: usize,
    /// Whether values within are segments of a string.
    string: bool,
}

/// Walks the first value of `input` and says how it lies.
///
/// # Errors
/// The offset of the first octet that no encoding could have there, or at which a limit is passed.
pub fn check(input: &[u8], limits: &Limits) -> Result<Outline, DecodeError> {
    walk(input, limits).map_err(|error| error.by("X.690 clause 8.1"))
}

/// The walk itself.
fn walk(input: &[u8], limits: &Limits) -> Result<Outline, DecodeError> {
    if input.len() > limits.octets {
        return Err(DecodeError::new(
            limits.octets,
            format!("at most {} octets", limits.octets),
            format!("{}", input.len()),
        ));
    }
    let mut outline = Outline::default();
    let mut open: Vec<Open> = Vec::new();
    let (mut at, mut elements, mut segments) = (0_usize, 0_usize, 0_usize);
    loop {
        // Close what ends here.
        while let Some(inner) = open.last() {
            let closed = match inner.end {
                Some(end) => at == end,
                None if input
                    .get(at..)
                    .is_some_and(|rest| rest.starts_with(&[0, 0])) =>
                {
                    if let Some(noted) = outline.ends.get_mut(inner.noted) {
                        noted.1 = at;
                    }
                    at += 2;
                    true
                }
                None => false,
            };
            if !closed {
                break;
            }
            open.pop();
        }
        if open.is_empty() && elements > 0 {
            outline.length = at;
            return Ok(outline);
        }
        let bound = open.last().map_or(input.len(), |value| value.bound);
        let rest = input.get(at..bound).unwrap_or_default();
        let header = tlv::read_header(rest).map_err(|error| misfit(at, error, rest))?;
        if header.tag == Tag::NONE {
            return Err(DecodeError::new(at, "a value", "end-of-contents octets"));
        }
        let in_string = open.last().is_some_and(|value| value.string);
        if in_string {
            segments += 1;
        } else {
            elements += 1;
        }
        if elements > limits.elements || segments > limits.segments {
            let limit = if in_string {
                limits.segments
            } else {
                limits.elements
            };
            return Err(DecodeError::new(
                at,
                format!("at most {limit} values"),
                "more",
            ));
        }
        let contents = at + header.size;
        let end = match header.length {
            Some(length) => Some(
                contents
                    .checked_add(length)
                    .filter(|&end| end <= bound)
                    .ok_or_else(|| {
                        let left = bound.saturating_sub(contents);
                        DecodeError::new(
                            at,
                            format!("{length} octets of {}", header.tag),
                            format!("{left}"),
                        )
                    })?,
            ),
            None => None,
        };
        match end {
            Some(end) if !header.constructed => at = end,
            _ => {
                if open.len() >= limits.depth {
                    return Err(DecodeError::new(
                        at,
                        format!("at most {} values within one another", limits.depth),
                        "more",
                    ));
                }
                let noted = outline.ends.len();
                if end.is_none() {
                    outline.ends.push((contents, contents));
                }
                let string = in_string || matches!(header.tag, Tag::OCTET_STRING | Tag::BIT_STRING);
                open.push(Open {
                    end,
                    bound: end.unwrap_or(bound),
                    noted,
                    string,
                });
                at = contents;
            }
        }
    }
}

/// The error of octets that are no header.
fn misfit(at: usize, error: HeaderError, rest: &[u8]) -> DecodeError {
    let found = match (error, rest.first()) {
        (HeaderError::Truncated, _) | (_, None) => String::new(),
        (_, Some(first)) => format!("{first:02x}"),
    };
    DecodeError::new(at, error.to_string(), found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn passes(input: &[u8]) -> Result<Outline, DecodeError> {
        check(input, &Limits::DEFAULT)
    }

    fn refused(input: &[u8]) -> (usize, String) {
        let error = passes(input).expect_err("refused");
        (error.offset, error.expected.into_owned())
    }

    #[test]
    fn x690_8_1_3_6_indefinite_lengths_end_where_their_end_of_contents_is() {
        // SEQUENCE { SEQUENCE { INTEGER 1 } OCTET STRING '0000'H }, then an INTEGER: by hand.
        let input = [
            0x30, 0x80, 0x30, 0x80, 2, 1, 1, 0, 0, 4, 2, 0, 0, 0, 0, 2, 1, 2,
        ];
        let outline = passes(&input).expect("well formed");
        assert_eq!(outline.length, 15);
        assert_eq!(outline.end_of(2), Some(13));
        assert_eq!(outline.end_of(4), Some(7));
        assert_eq!(outline.end_of(11), None);
    }

    #[test]
    fn lengths_that_pass_their_bounds_are_refused_where_they_stand() {
        assert_eq!(refused(&[]).0, 0);
        assert_eq!(
            refused(&[0x30, 5, 2, 1, 1]),
            (0, "5 octets of SEQUENCE".into())
        );
        assert_eq!(
            refused(&[0x30, 3, 2, 5, 1, 0, 0, 0, 0]),
            (2, "5 octets of INTEGER".into()),
            "a member may not leave its SEQUENCE although the octets are there"
        );
        assert_eq!(refused(&[0x30, 0x80, 2, 1, 1]).0, 5, "no end-of-contents");
        assert_eq!(refused(&[0x30, 2, 0, 0]), (2, "a value".into()));
        assert_eq!(refused(&[0, 0]), (0, "a value".into()));
        assert_eq!(refused(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]).0, 0);
        assert_eq!(
            refused(&[0x30, 0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]).0,
            0,
            "no sum may overflow"
        );
        assert_eq!(
            refused(&[0x30, 3, 0x30, 0x80, 0]).0,
            4,
            "end-of-contents cut in two"
        );
    }

    #[test]
    fn a_million_levels_cost_nothing() {
        let mut bomb = [0x30, 0x80].repeat(1_000_000);
        let (offset, expected) = refused(&bomb);
        assert_eq!(offset, 2 * Limits::DEFAULT.depth);
        assert!(expected.contains("within one another"), "{expected}");
        bomb.truncate(2 * Limits::DEFAULT.depth);
        bomb.extend([0, 0].repeat(Limits::DEFAULT.depth));
        assert!(passes(&bomb).is_ok(), "at the limit");
    }

    #[test]
    fn elements_and_segments_are_counted_apart() {
        let limits = Limits {
            elements: 4,
            segments: 3,
            ..Limits::DEFAULT
        };
        let elements = [0x30, 6, 5, 0, 5, 0, 5, 0];
        assert!(check(&elements, &limits).is_ok());
        let too_many = [0x30, 8, 5, 0, 5, 0, 5, 0, 5, 0];
        assert_eq!(check(&too_many, &limits).expect_err("five").offset, 8);
        let segments = [0x24, 6, 4, 0, 4, 0, 4, 0];
        assert!(check(&segments, &limits).is_ok());
        let too_many = [0x24, 8, 4, 0, 4, 0, 4, 0, 4, 0];
        assert_eq!(check(&too_many, &limits).expect_err("four").offset, 8);
        let small = Limits {
            octets: 3,
            ..limits
        };
        assert_eq!(check(&segments, &small).expect_err("eight").offset, 3);
    }

    proptest! {
        #[test]
        fn any_octets_are_passed_or_refused(input in proptest::collection::vec(any::<u8>(), 0..200)) {
            match passes(&input) {
                Ok(outline) => prop_assert!(outline.length <= input.len()),
                Err(error) => prop_assert!(error.offset <= input.len()),
            }
        }

        #[test]
        fn nested_values_are_passed(forms in proptest::collection::vec(any::<bool>(), 0..100)) {
            let mut input = vec![5, 0];
            for indefinite in forms {
                let mut outer = if indefinite {
                    tlv::open_header(Tag::SEQUENCE)
                } else {
                    tlv::header(Tag::SEQUENCE, true, input.len() as u64)
                };
                outer.append(&mut input);
                outer.extend(if indefinite { &[0, 0][..] } else { &[] });
                input = outer;
            }
            prop_assert_eq!(passes(&input).map(|outline| outline.length), Ok(input.len()));
        }
    }
}
