//! An APDU to be transferred, read a bounded piece at a time from memory or from a file.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;

use bytes::{Bytes, BytesMut};
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use super::transfer::{self, Encoding};
use crate::octets::{Chunks, Octets};

/// How many octets are passed over at a time.
const SKIPPED: usize = 256 * 1024;

/// A bare MTS-APDU: where its octets are.
#[derive(Debug, Clone)]
pub enum Apdu {
    /// In memory, in pieces.
    Octets(Octets),
    /// In a file, all of it.
    File(PathBuf),
}

/// What stands around an APDU in normal mode.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wrapping {
    /// The presentation context of P1.
    pub(super) user_context: u32,
    pub(super) encoding: Encoding,
}

/// The octets of a transfer, wrapped as RTSE carries them.
#[derive(Debug)]
pub(super) struct Wrapped {
    /// Octets that were read and not given.
    ready: VecDeque<Bytes>,
    length: usize,
    from: From,
    /// What follows the APDU.
    suffix: Bytes,
}

#[derive(Debug)]
enum From {
    Octets(Chunks),
    File(File),
    /// Everything was read.
    End,
}

impl Wrapped {
    /// The transfer of an APDU wrapped like this; in X.410 mode it goes bare (X.419 clause 9).
    pub(super) async fn open(apdu: Apdu, wrapping: Option<Wrapping>) -> io::Result<Self> {
        let (from, length) = match apdu {
            Apdu::Octets(octets) => (From::Octets(octets.chunks()), octets.len()),
            Apdu::File(path) => {
                let file = File::open(path).await?;
                let length = file.metadata().await?.len();
                (From::File(file), length)
            }
        };
        let around = wrapping.map(|wrapping| {
            let Wrapping {
                user_context,
                encoding,
            } = wrapping;
            transfer::around(user_context, encoding, length)
        });
        let (prefix, suffix) = around.unwrap_or_default();
        Ok(Self {
            suffix,
            length: prefix.len(),
            ready: VecDeque::from([prefix]),
            from,
        })
    }

    /// Passes over so many octets, or all there are.
    pub(super) async fn skip(&mut self, mut octets: u64) -> io::Result<()> {
        while octets > 0 {
            let most = usize::try_from(octets).unwrap_or(usize::MAX).min(SKIPPED);
            let (skipped, last) = self.next(most).await?;
            octets -= skipped.len() as u64;
            if last {
                break;
            }
        }
        Ok(())
    }

    /// The next octets, at most so many, and whether they are the last.
    pub(super) async fn next(&mut self, most: usize) -> io::Result<(Bytes, bool)> {
        while self.length < most {
            let octets = match &mut self.from {
                From::Octets(chunks) => chunks.next(),
                From::File(file) => {
                    let mut octets = BytesMut::with_capacity(most);
                    file.read_buf(&mut octets).await?;
                    Some(octets.freeze()).filter(|octets| !octets.is_empty())
                }
                From::End => break,
            };
            let octets = octets.unwrap_or_else(|| {
                self.from = From::End;
                self.suffix.clone()
            });
            self.length += octets.len();
            self.ready.push_back(octets);
        }
        let mut piece = BytesMut::with_capacity(most.min(self.length));
        while let Some(mut octets) = self.ready.pop_front() {
            let rest = octets.split_off(octets.len().min(most - piece.len()));
            piece.extend_from_slice(&octets);
            if !rest.is_empty() {
                self.ready.push_front(rest);
                break;
            }
        }
        self.length -= piece.len();
        let last = self.length == 0 && matches!(self.from, From::End);
        Ok((piece.freeze(), last))
    }
}
