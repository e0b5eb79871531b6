//! A transfer that broke off, pinned so that it goes on with the very octets it began with.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::super::apdu::{Apdu, Wrapped, Wrapping};
use crate::osi::rtse::{Activity, Resumption};
use crate::osi::spdu::ConnectionIdentifier;

/// How many octets are hashed at a time.
const PIECE: usize = 256 * 1024;
/// How many octets the peer confirms before what is kept of a transfer under way is brought up to date.
const STRIDE: u64 = 1024 * 1024;

/// Where a [`Pinned`] is kept while its transfer is under way, should this process end before that does.
pub trait Keep: fmt::Debug + Send + Sync {
    /// Keeps it in place of the one before; ready when it is durable.
    ///
    /// # Errors
    /// Why it is not, in words.
    fn keep(&self, pinned: Pinned) -> Keeping<'_>;
}

/// What [`Keep::keep`] returns.
pub type Keeping<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>>;

/// From where a transfer to a peer can be resumed, and the hash of what is transferred: other octets
/// are sent from their start, in an activity of their own. As text it can be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    pub(super) peer: String,
    pub(super) hash: [u8; 32],
    pub(super) resumption: Box<Resumption>,
}

impl Pinned {
    /// A transfer to a peer that may have it, and of which no more is known.
    #[must_use]
    pub fn in_doubt_at(peer: &str) -> Self {
        let (connection, identifier) = Default::default();
        Self {
            peer: peer.to_owned(),
            hash: [0; 32],
            resumption: Box::new(Resumption {
                activity: Activity {
                    connection,
                    identifier,
                },
                point: 0,
                octets: 0,
                ended: true,
            }),
        }
    }

    /// Whether the peer may have it whole.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        self.resumption.ended
    }

    /// The peer's name; nobody else knows of the transfer.
    #[must_use]
    pub fn peer(&self) -> &str {
        &self.peer
    }

    /// How many octets the peer has confirmed.
    #[must_use]
    pub fn octets(&self) -> u64 {
        self.resumption.octets
    }
}

/// The hash of an APDU as it is transferred, wrapped like this.
pub(super) async fn hash(apdu: Apdu, wrapping: Option<Wrapping>) -> io::Result<[u8; 32]> {
    let mut wrapped = Wrapped::open(apdu, wrapping).await?;
    let mut hash = Sha256::new();
    loop {
        let (octets, last) = wrapped.next(PIECE).await?;
        hash.update(&octets);
        if last {
            return Ok(hash.finalize().into());
        }
        tokio::task::yield_now().await;
    }
}

/// A transfer under way, as it is pinned: after each [`STRIDE`], and before its last octets leave.
pub(super) struct Pinning<'a> {
    pub(super) peer: &'a str,
    pub(super) apdu: &'a Apdu,
    pub(super) wrapping: Option<Wrapping>,
    pub(super) keep: Option<Arc<dyn Keep>>,
    /// The hash of the APDU, once it was wanted.
    pub(super) hash: Option<[u8; 32]>,
    /// How many octets were confirmed when it was last kept.
    pub(super) kept: u64,
}

impl Pinning<'_> {
    /// What can be resumed from there.
    pub(super) async fn pinned(&mut self, resumption: Box<Resumption>) -> io::Result<Pinned> {
        let hash = match self.hash {
            Some(hash) => hash,
            None => hash(self.apdu.clone(), self.wrapping).await?,
        };
        self.hash = Some(hash);
        Ok(Pinned {
            peer: self.peer.to_owned(),
            hash,
            resumption,
        })
    }

    /// Keeps what is to be kept before more octets leave. With the `last` of them the peer may have it
    /// all; of what it has confirmed no point of by then, nothing is kept.
    pub(super) async fn keep(
        &mut self,
        resumption: Option<Box<Resumption>>,
        last: bool,
    ) -> Result<(), String> {
        let (Some(keep), Some(mut resumption)) = (self.keep.clone(), resumption) else {
            return Ok(());
        };
        if !last && resumption.octets < self.kept.saturating_add(STRIDE) {
            return Ok(());
        }
        resumption.ended |= last;
        self.kept = resumption.octets;
        let pinned = self.pinned(resumption).await;
        keep.keep(pinned.map_err(|fault| fault.to_string())?).await
    }
}

/// A [`Pinned`] as text.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    peer: String,
    hash: [u8; 32],
    /// Reference, common reference, additional reference.
    connection: [Vec<u8>; 3],
    activity: Vec<u8>,
    point: u32,
    octets: u64,
    ended: bool,
}

impl fmt::Display for Pinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Resumption {
            activity,
            point,
            octets,
            ended,
        } = &*self.resumption;
        let connection = &activity.connection;
        let form = Form {
            peer: self.peer.clone(),
            hash: self.hash,
            connection: [
                connection.ss_user_reference.to_vec(),
                connection.common_reference.to_vec(),
                connection.additional_reference.to_vec(),
            ],
            activity: activity.identifier.to_vec(),
            point: *point,
            octets: *octets,
            ended: *ended,
        };
        f.write_str(&serde_json::to_string(&form).map_err(|_| fmt::Error)?)
    }
}

impl FromStr for Pinned {
    type Err = serde_json::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form: Form = serde_json::from_str(text)?;
        let [reference, common, additional] = form.connection;
        let connection = ConnectionIdentifier {
            ss_user_reference: reference.into(),
            common_reference: common.into(),
            additional_reference: additional.into(),
        };
        let activity = Activity {
            connection,
            identifier: form.activity.into(),
        };
        Ok(Self {
            peer: form.peer,
            hash: form.hash,
            resumption: Box::new(Resumption {
                activity,
                point: form.point,
                octets: form.octets,
                ended: form.ended,
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::octets::Octets;
    use crate::x400::transfer::Encoding;

    #[tokio::test]
    async fn what_is_pinned_comes_back_from_text_and_other_octets_have_another_hash() {
        let apdu = |text: &'static str| Apdu::Octets(Octets::from(text.as_bytes()));
        let wrapping = |encoding| {
            Some(Wrapping {
                user_context: 5,
                encoding,
            })
        };
        let single = wrapping(Encoding::SingleAsn1Type);
        let first = hash(apdu("one"), single).await.unwrap();
        assert_eq!(first, hash(apdu("one"), single).await.unwrap());
        for (text, wrapping) in [
            ("two", single),
            ("one", None),
            ("one", wrapping(Encoding::OctetAligned)),
        ] {
            assert_ne!(first, hash(apdu(text), wrapping).await.unwrap());
        }
        let pinned = Pinned {
            peer: "hub \"x\"".to_owned(),
            hash: first,
            resumption: Box::new(Resumption {
                activity: Activity {
                    connection: ConnectionIdentifier {
                        ss_user_reference: "\u{4}\u{2}GW".into(),
                        common_reference: "\u{17}\u{d}261122045628Z".into(),
                        additional_reference: Default::default(),
                    },
                    identifier: "\u{2}\u{1}\u{7}".into(),
                },
                point: 3,
                octets: 3 * 63 * 1024,
                ended: true,
            }),
        };
        assert_eq!(pinned.to_string().parse::<Pinned>().unwrap(), pinned);
        assert!("{}".parse::<Pinned>().is_err());
    }
}
