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
        depth: 64,
        elements: 400_000,
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
