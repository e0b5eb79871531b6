//! The whole stack, both ends in memory, with a virtual clock.

mod association;
mod hostile;
mod pace;
mod recovery;
mod transfer;

use std::collections::VecDeque;

use super::super::presentation::{Address, Oid};
use super::super::rtse::{
    Activity, Contexts, Dialogue, Indication, Mode, NotTransferred, Open, OpenResponse, Refusal,
    Request, Resumption,
};
use super::super::spdu::ConnectionIdentifier;
use super::*;

const A: usize = 0;
const B: usize = 1;

/// Two stacks and what lies between them.
struct Pair {
    ends: [Stack; 2],
    /// Octets on their way to an end.
    wire: [VecDeque<Bytes>; 2],
    /// What an end has told its user.
    told: [VecDeque<Indication>; 2],
    closed: [bool; 2],
    now: Instant,
    /// How many octets are delivered at a time.
    piece: usize,
}

fn contexts() -> Contexts {
    Contexts {
        application_context: Oid::from_contents(&[0x56, 0, 1, 6]),
        rtse: Oid::from_contents(&[0x56, 0, 2, 12]),
        user: Oid::from_contents(&[0x56, 0, 2, 7]),
    }
}

/// Both modes.
fn modes() -> [Mode; 2] {
    let application_protocol = 12;
    [
        Mode::Normal(contexts()),
        Mode::X410 {
            application_protocol,
        },
    ]
}

fn open(checkpoint_size: u8, window_size: u8) -> Open {
    open_in(&Mode::Normal(contexts()), checkpoint_size, window_size)
}

fn open_in(mode: &Mode, checkpoint_size: u8, window_size: u8) -> Open {
    Open {
        mode: mode.clone(),
        called: Address {
            t: "there".into(),
            ..Address::default()
        },
        calling: Address::default(),
        checkpoint_size,
        window_size,
        dialogue: Dialogue::Monologue,
        initiator_has_turn: true,
        identifier: ConnectionIdentifier {
            ss_user_reference: Bytes::from_static(b"\x04\x02vm"),
            common_reference: Bytes::from_static(b"\x17\x0d261122045628Z"),
            additional_reference: Bytes::new(),
        },
        user_data: Bytes::from_static(b"\x04\x05hello"),
    }
}

fn accept(checkpoint_size: u8, window_size: u8) -> Request {
    let user_data = Bytes::from_static(b"\x04\x07welcome");
    Request::OpenResponse(OpenResponse::Accept {
        checkpoint_size,
        window_size,
        user_data,
    })
}

impl Pair {
    fn new() -> Self {
        Self::of(Config::new(contexts()), Config::new(contexts()))
    }

    fn of(a: Config, b: Config) -> Self {
        let now = Instant::now();
        Self {
            ends: [Stack::new(a, now), Stack::new(b, now)],
            wire: Default::default(),
            told: Default::default(),
            closed: [false; 2],
            now,
            piece: usize::MAX,
        }
    }

    /// A pair with an open association.
    fn opened(proposed: (u8, u8), taken: (u8, u8)) -> Self {
        Self::opened_in(&Mode::Normal(contexts()), proposed, taken)
    }

    fn opened_in(mode: &Mode, proposed: (u8, u8), taken: (u8, u8)) -> Self {
        let mut pair = Self::new();
        let open = open_in(mode, proposed.0, proposed.1);
        pair.ask(A, Request::Open(Box::new(open)));
        assert!(matches!(pair.next(B), Some(Indication::Open(_))));
        pair.ask(B, accept(taken.0, taken.1));
        assert!(matches!(pair.next(A), Some(Indication::OpenConfirm(Ok(_)))));
        pair
    }

    fn ask(&mut self, end: usize, request: Request) {
        let out = self.ends[end]
            .request(request, self.now)
            .expect("a request that is allowed");
        self.take(end, out);
        self.flow();
    }

    fn take(&mut self, end: usize, out: Vec<Outgoing>) {
        for event in out {
            match event {
                Outgoing::Indication(indication) => self.told[end].push_back(indication),
                Outgoing::Octets(octets) => self.wire[1 - end].push_back(octets),
                Outgoing::Close => self.closed[end] = true,
            }
        }
    }

    /// Delivers octets until nothing moves.
    fn flow(&mut self) {
        while let Some(end) = (0..2).find(|&end| !self.wire[end].is_empty()) {
            let mut octets = self.wire[end].pop_front().unwrap();
            let rest = octets.split_off(self.piece.min(octets.len()));
            if !rest.is_empty() {
                self.wire[end].push_front(rest);
            }
            let out = self.ends[end].network(Network::Octets(octets), self.now);
            self.take(end, out);
        }
        for end in [A, B] {
            if self.closed[end] {
                let out = self.ends[1 - end].network(Network::Closed, self.now);
                self.take(1 - end, out);
            }
        }
    }

    /// Lets time pass up to the next deadline; false if there is none.
    fn wait(&mut self) -> bool {
        let Some(deadline) = self.ends.iter().filter_map(Stack::deadline).min() else {
            return false;
        };
        self.now = self.now.max(deadline);
        for end in [A, B] {
            let out = self.ends[end].tick(self.now);
            self.take(end, out);
        }
        self.flow();
        true
    }

    fn next(&mut self, end: usize) -> Option<Indication> {
        self.told[end].pop_front()
    }

    /// Transfers an APDU from one end; gives what arrived when the receiver is to answer.
    fn transfer(&mut self, from: usize, apdu: &[u8]) -> Vec<u8> {
        let (mut sent, mut arrived) = (0, Vec::new());
        self.ask(from, Request::Transfer);
        loop {
            let mut moved = false;
            if let Some(indication) = self.next(from) {
                let Indication::Pull { octets } = indication else {
                    panic!("{indication:?}")
                };
                let end = apdu.len().min(sent + octets);
                let octets = Bytes::copy_from_slice(&apdu[sent..end]);
                sent = end;
                self.ask(
                    from,
                    Request::Octets {
                        octets,
                        last: sent == apdu.len(),
                    },
                );
                moved = true;
            }
            while let Some(indication) = self.next(1 - from) {
                moved = true;
                match indication {
                    Indication::TransferBegin { .. } => {}
                    Indication::Octets(octets) => arrived.extend_from_slice(&octets),
                    Indication::Checkpoint { point } => {
                        self.ask(1 - from, Request::Secured { point });
                    }
                    Indication::Transfer => return arrived,
                    other => panic!("{other:?}"),
                }
            }
            assert!(
                moved,
                "the transfer stands still at {sent} of {}",
                apdu.len()
            );
        }
    }

    fn close(&mut self) {
        self.ask(A, Request::Close);
        assert_eq!(self.next(B), Some(Indication::Close));
        self.ask(B, Request::CloseResponse);
        assert_eq!(self.next(A), Some(Indication::CloseConfirm));
        assert_eq!(self.told, [VecDeque::new(), VecDeque::new()]);
        assert!(
            self.closed[A] || self.closed[B],
            "somebody closes the connection"
        );
    }
}

fn octets(length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| u8::try_from(at * 7 % 251).unwrap())
        .collect()
}
