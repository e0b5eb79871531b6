//! Enhanced status codes (RFC 3463): `class.subject.detail`.

use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A status, `class.subject.detail`: class 2 is success, 4 may pass, 5 is for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Status(pub u8, pub u16, pub u16);

/// The text is no status of RFC 3463.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a status `class.subject.detail` (RFC 3463 section 2)")]
pub struct NotAStatus;

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

impl FromStr for Status {
    type Err = NotAStatus;

    fn from_str(text: &str) -> Result<Self, NotAStatus> {
        let mut numbers = text.trim().split('.').map(|number| {
            let digits =
                (1..=3).contains(&number.len()) && number.bytes().all(|d| d.is_ascii_digit());
            digits
                .then(|| number.parse().ok())
                .flatten()
                .ok_or(NotAStatus)
        });
        let mut next = || numbers.next().unwrap_or(Err(NotAStatus));
        let (class, subject, detail): (u16, u16, u16) = (next()?, next()?, next()?);
        if numbers.next().is_some() {
            return Err(NotAStatus);
        }
        match class {
            2 => Ok(Self(2, subject, detail)),
            4 => Ok(Self(4, subject, detail)),
            5 => Ok(Self(5, subject, detail)),
            _ => Err(NotAStatus),
        }
    }
}

impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3463_2_class_subject_detail() {
        assert_eq!("5.1.10".parse(), Ok(Status(5, 1, 10)));
        assert_eq!(Status(4, 4, 7).to_string(), "4.4.7");
        for text in [
            "", "5", "5.1", "5.1.1.1", "3.1.1", "5.x.1", "5.1.1000", "5.+1.1", "5..1",
        ] {
            assert_eq!(text.parse::<Status>(), Err(NotAStatus), "{text}");
        }
    }
}
