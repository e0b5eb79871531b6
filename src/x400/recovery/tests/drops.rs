//! Three messages over a link that is lost at any octet: none is lost, none comes twice, and nothing
//! confirmed is sent again.

use std::time::Instant;

use super::super::super::association::contexts;
use super::super::Progress;
use super::*;
use crate::osi::presentation::Address;
use crate::osi::rtse::{
    Dialogue, Indication, Mode, NotTransferred, Open, OpenResponse, Refusal, Request, Resumption,
};
use crate::osi::stack::{Config, Network, Outgoing, Stack};

const A: usize = 0;
const B: usize = 1;
/// How many octets arrive at a time: so few that answers cross what is on its way.
const PIECE: usize = 300;

/// One exchange: what both ends remember from association to association.
struct Exchange {
    mode: Mode,
    /// Which end sends.
    sender: usize,
    messages: Vec<Bytes>,
    now: Instant,
    associations: u8,
    // The sender's.
    sent: usize,
    /// How many octets were given of the one under way.
    given: usize,
    resumption: Option<Box<Resumption>>,
    /// Whether one was in doubt with no point confirmed: then only the queue can tell.
    doubted: bool,
    // The receiver's.
    receiving: Option<(Vec<Activity>, Progress, Vec<u8>)>,
    kept: Option<(Vec<Activity>, Progress, Vec<u8>)>,
    completed: Option<Vec<Activity>>,
    taken: Vec<Vec<u8>>,
    seen: Seen,
}

/// What happened.
#[derive(Debug, Default, Clone, Copy)]
struct Seen {
    octets: usize,
    resumed: usize,
    completed: usize,
    duplicates: usize,
}

/// One association on one connection.
struct Link {
    ends: [Stack; 2],
    wire: [VecDeque<Bytes>; 2],
    told: [VecDeque<Indication>; 2],
    /// After how many octets it is lost.
    left: usize,
    lost: bool,
}

impl Exchange {
    fn new(mode: &Mode, sender: usize, lengths: [usize; 3]) -> Self {
        let message = |length: usize, start: usize| -> Bytes {
            (start..start + length)
                .map(|at| u8::try_from(at * 7 % 251).unwrap())
                .collect()
        };
        Self {
            mode: mode.clone(),
            sender,
            messages: (0..3).map(|at| message(lengths[at], at)).collect(),
            now: Instant::now(),
            associations: 0,
            sent: 0,
            given: 0,
            resumption: None,
            doubted: false,
            receiving: None,
            kept: None,
            completed: None,
            taken: Vec::new(),
            seen: Seen::default(),
        }
    }

    /// Opens an association and goes on until all is done, or the connection is lost.
    fn associate(&mut self, left: usize) {
        self.associations += 1;
        let config = Config::new(contexts());
        let stack = || Stack::new(config.clone(), self.now);
        let mut link = Link {
            ends: [stack(), stack()],
            wire: Default::default(),
            told: Default::default(),
            left,
            lost: false,
        };
        let open = Open {
            mode: self.mode.clone(),
            called: Address::default(),
            calling: Address::default(),
            checkpoint_size: 1,
            window_size: 2,
            dialogue: Dialogue::TwoWayAlternate,
            initiator_has_turn: self.sender == A,
            identifier: activity(self.associations, 0).connection,
            user_data: Bytes::from_static(b"\x04\x05hello"),
        };
        self.ask(&mut link, A, Request::Open(Box::new(open)));
        while link.flow(self.sender, self.now, &mut self.seen)
            || link.told.iter().any(|told| !told.is_empty())
        {
            for end in [A, B] {
                while let Some(told) = link.told[end].pop_front() {
                    self.hear(&mut link, end, told);
                }
            }
        }
    }

    fn ask(&mut self, link: &mut Link, end: usize, request: Request) {
        let out = link.ends[end].request(request, self.now).expect("allowed");
        link.take(end, out);
    }

    /// Sends the next message, or what is missing of the last.
    fn send(&mut self, link: &mut Link) {
        let request = match self.resumption.clone() {
            _ if self.sent == self.messages.len() => match self.sender {
                A => Request::Close,
                _ => Request::TurnGive,
            },
            Some(resumption) => {
                self.given = usize::try_from(resumption.octets).unwrap();
                Request::Resume(resumption)
            }
            None => {
                self.given = 0;
                Request::Transfer
            }
        };
        self.ask(link, self.sender, request);
    }

    fn hear(&mut self, link: &mut Link, end: usize, told: Indication) {
        let answer = match told {
            Indication::Open(_) => {
                let accept = Request::OpenResponse(OpenResponse::Accept {
                    checkpoint_size: 1,
                    window_size: 2,
                    user_data: Bytes::from_static(b"\x04\x07welcome"),
                });
                self.ask(link, B, accept);
                if self.sender == B {
                    self.send(link);
                }
                return;
            }
            Indication::OpenConfirm(Ok(_)) if self.sender == A => return self.send(link),
            Indication::Pull { octets } => {
                let message = &self.messages[self.sent];
                let to = message.len().min(self.given + octets);
                let octets = message.slice(self.given..to);
                self.given = to;
                let last = to == message.len();
                Request::Octets { octets, last }
            }
            Indication::TransferConfirm(outcome) => {
                self.confirmed(&outcome);
                if link.lost {
                    return;
                }
                return self.send(link);
            }
            Indication::TurnGive => Request::Close,
            Indication::Close => Request::CloseResponse,
            told => match self.receive(told) {
                Some(answer) => answer,
                None => return,
            },
        };
        self.ask(link, end, answer);
    }

    fn confirmed(&mut self, outcome: &Result<(), NotTransferred>) {
        match outcome {
            Ok(()) => {
                self.sent += 1;
                self.resumption = None;
            }
            Err(not) => {
                self.doubted |= not.in_doubt && not.resumption.is_none();
                self.resumption.clone_from(&not.resumption);
            }
        }
    }

    /// All came, once, and in order.
    fn check(&self, cut: usize) {
        let context = format!("{:?}, {}, {cut}", self.mode, self.sender);
        assert_eq!(self.taken, self.messages, "{context}");
        assert_eq!(self.sent, 3, "{context}");
        assert!(self.seen.duplicates == 0 || self.doubted, "{context}");
    }

    /// What the receiver answers, if anything.
    fn receive(&mut self, told: Indication) -> Option<Request> {
        match told {
            Indication::TransferBegin { activity } => {
                self.completed = None;
                self.receiving = Some((vec![activity], Progress::default(), Vec::new()));
            }
            Indication::TransferResume {
                old,
                activity,
                point,
            } => {
                self.seen.resumed += 1;
                let is_completed = self
                    .completed
                    .as_ref()
                    .is_some_and(|names| names.contains(&old));
                if is_completed {
                    self.seen.completed += 1;
                    return Some(Request::TransferRefuse(Refusal::Completed));
                }
                let (mut names, mut progress, data) =
                    self.kept.take().expect("what was confirmed is kept");
                assert!(names.contains(&old));
                let at = progress.resume(point).expect("a point that was confirmed");
                // Where the sender goes on, no octet confirmed is sent again.
                let resumption = self.resumption.as_ref().unwrap();
                assert_eq!((resumption.point, resumption.octets), (point, at));
                names.push(activity);
                self.completed = None;
                self.receiving = Some((names, progress, data));
            }
            Indication::Octets(octets) => {
                let (_, progress, data) = self.receiving.as_mut().unwrap();
                data.extend_from_slice(&progress.push(octets));
            }
            Indication::Checkpoint { point } => {
                self.receiving.as_mut().unwrap().1.point(point);
                return Some(Request::Secured { point });
            }
            Indication::Transfer => {
                let (names, _, data) = self.receiving.take().unwrap();
                self.completed = Some(names);
                // As the queue's duplicate key has it.
                match self.taken.contains(&data) {
                    true => self.seen.duplicates += 1,
                    false => self.taken.push(data),
                }
                return Some(Request::TransferResponse);
            }
            Indication::TransferInterrupted { .. } => self.kept = self.receiving.take(),
            Indication::TransferDiscarded { .. } => self.receiving = None,
            _ => {}
        }
        None
    }
}

impl Link {
    fn take(&mut self, end: usize, out: Vec<Outgoing>) {
        for event in out {
            match event {
                Outgoing::Indication(indication) => self.told[end].push_back(indication),
                Outgoing::Octets(octets) => self.wire[1 - end].push_back(octets),
                Outgoing::Close => {}
            }
        }
    }

    /// Delivers what is on its way to one end, as far as the connection lives; whether anything was.
    /// Answers to `first` come before what is on its way to the other end.
    fn flow(&mut self, first: usize, now: Instant, seen: &mut Seen) -> bool {
        let ends = [first, 1 - first];
        let Some(end) = ends.into_iter().find(|&end| !self.wire[end].is_empty()) else {
            return false;
        };
        if self.lost {
            return false;
        }
        let mut octets = self.wire[end].pop_front().unwrap();
        if octets.len() > PIECE {
            self.wire[end].push_front(octets.split_off(PIECE));
        }
        octets.truncate(self.left);
        self.left -= octets.len();
        seen.octets += octets.len();
        let out = self.ends[end].network(Network::Octets(octets), now);
        self.take(end, out);
        if self.left == 0 {
            self.lost = true;
            for end in [A, B] {
                let out = self.ends[end].network(Network::Closed, now);
                self.take(end, out);
            }
        }
        true
    }
}

/// The two modes of RTSE.
fn modes() -> [Mode; 2] {
    let application_protocol = 12;
    [
        Mode::Normal(contexts()),
        Mode::X410 {
            application_protocol,
        },
    ]
}

/// Loses the link at every octet of an exchange.
fn at_every_octet(mode: &Mode, sender: usize) {
    let lengths = [10, 2060, 5];
    let mut whole = Exchange::new(mode, sender, lengths);
    whole.associate(usize::MAX);
    assert_eq!(whole.taken, whole.messages);
    let (mut resumed, mut completed) = (0, 0);
    for cut in 1..whole.seen.octets {
        let mut exchange = Exchange::new(mode, sender, lengths);
        exchange.associate(cut);
        exchange.associate(usize::MAX);
        exchange.check(cut);
        resumed += exchange.seen.resumed;
        completed += exchange.seen.completed;
    }
    assert!(resumed > 1000 && completed > 10, "{resumed}, {completed}");
}

#[test]
fn x228_7_8_a_link_lost_at_every_octet_in_normal_mode_as_initiator() {
    at_every_octet(&modes()[0], A);
}

#[test]
fn x228_7_8_a_link_lost_at_every_octet_in_normal_mode_as_responder() {
    at_every_octet(&modes()[0], B);
}

#[test]
fn x228_7_8_a_link_lost_at_every_octet_in_x410_mode_as_initiator() {
    at_every_octet(&modes()[1], A);
}

#[test]
fn x228_7_8_a_link_lost_at_every_octet_in_x410_mode_as_responder() {
    at_every_octet(&modes()[1], B);
}

#[test]
fn x228_7_8_links_lost_again_and_again() {
    for mode in modes() {
        for sender in [A, B] {
            for cut in (1..4000).step_by(61) {
                let mut exchange = Exchange::new(&mode, sender, [1030, 4000, 2060]);
                for time in 1..=4 {
                    exchange.associate(1 + cut * 31 * time % 4000);
                }
                exchange.associate(usize::MAX);
                exchange.check(cut);
            }
        }
    }
}
