//! A hostile peer: the whole stack up to where it begins to lie, then octets by hand.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use mixgate::osi::rtse::{Indication, NotTransferred, RTSE_CONTEXT, Request};
use mixgate::osi::spdu::{self, Spdu};
use mixgate::osi::stack::{Network, Outgoing, Stack};
use mixgate::x400::config::Mode;
use mixgate::x400::transfer::prefix;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::world::{MODES, PATIENCE, World};

/// CR of class 0, without parameters.
pub const CR: &[u8] = b"\x03\0\0\x0b\x06\xe0\0\0\0\x01\0";

/// A connection to the server.
pub struct Raw {
    stream: TcpStream,
    /// Where it calls from.
    pub from: SocketAddr,
    stack: Stack,
    mode: Mode,
    told: VecDeque<Indication>,
}

impl Raw {
    /// A TCP connection, nothing said.
    pub async fn connected(world: &World) -> Self {
        Self::connected_in(world, Mode::Normal).await
    }

    async fn connected_in(world: &World, mode: Mode) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((world.caller(), 0).into()).unwrap();
        let stream = socket.connect(world.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let place = MODES.iter().position(|known| *known == mode).unwrap();
        let hostile = &world.hostile[place];
        Self {
            from: stream.local_addr().unwrap(),
            stream,
            stack: Stack::new(hostile.stack(hostile.config().peer.first()), Instant::now()),
            mode,
            told: VecDeque::new(),
        }
    }

    /// A transport connection is open.
    pub async fn on_transport(world: &World) -> Self {
        let mut raw = Self::connected(world).await;
        raw.say(CR).await;
        let mut packet = [0; 6];
        raw.stream.read_exact(&mut packet).await.unwrap();
        assert_eq!(packet[5], 0xd0, "CC");
        let rest = usize::from(u16::from_be_bytes([packet[2], packet[3]])) - packet.len();
        raw.stream.read_exact(&mut vec![0; rest]).await.unwrap();
        raw
    }

    /// An association is open.
    pub async fn associated(world: &World, mode: Mode) -> Self {
        let mut raw = Self::connected_in(world, mode).await;
        let place = MODES.iter().position(|known| *known == mode).unwrap();
        let hostile = &world.hostile[place];
        let open = hostile
            .open(&hostile.config().peer[0], "261122045628Z")
            .unwrap();
        raw.ask(Request::Open(Box::new(open))).await;
        match raw.next().await {
            Indication::OpenConfirm(Ok(_)) => raw,
            other => panic!("{other:?}"),
        }
    }

    /// A transfer has begun.
    pub async fn transferring(world: &World, mode: Mode) -> Self {
        let mut raw = Self::associated(world, mode).await;
        raw.ask(Request::Transfer).await;
        raw
    }

    /// Makes a transfer of these octets, as P1 wraps them if that is asked; why it is refused.
    pub async fn refused(&mut self, apdu: &[u8], is_wrapped: bool) -> NotTransferred {
        let prefix = match self.stack.rtse().user_context() {
            Some(context) if is_wrapped => prefix(context),
            _ => Bytes::new(),
        };
        let mut octets = Bytes::from([&prefix, apdu].concat());
        loop {
            match self.next().await {
                Indication::Pull { octets: most } => {
                    let octets = Request::Octets {
                        octets: octets.split_to(most.min(octets.len())),
                        last: most >= octets.len(),
                    };
                    self.ask(octets).await;
                }
                Indication::TransferConfirm(Err(refused)) => return refused,
                other => panic!("{other:?}"),
            }
        }
    }

    /// Sends octets of the transfer under way, in one segment of RTSE.
    pub async fn segment(&mut self, octets: &[u8]) {
        let wrap = |head: &[u8], inside: &[u8]| {
            let length = u8::try_from(inside.len()).unwrap();
            [head, &[length], inside].concat()
        };
        let string = wrap(&[4], octets);
        let context = u8::try_from(RTSE_CONTEXT).unwrap();
        let value = [&[2, 1, context][..], &wrap(&[0xa0], &string)].concat();
        let data = Spdu::DataTransfer {
            enclosure: None,
            data: match self.mode {
                Mode::Normal => wrap(&[0x61], &wrap(&[0x30], &value)).into(),
                Mode::X410 | Mode::Of1984 => Bytes::copy_from_slice(octets),
            },
        };
        let tokens = Spdu::GiveTokens {
            tokens: None,
            user_data: Bytes::new(),
        };
        self.spdus(&[tokens, data]).await;
    }

    /// Asks the stack, and sends what it says.
    pub async fn ask(&mut self, request: Request) {
        if let Ok(out) = self.stack.request(request, Instant::now()) {
            self.take(out).await;
        }
    }

    async fn take(&mut self, out: Vec<Outgoing>) {
        let mut octets = BytesMut::new();
        for event in out {
            match event {
                Outgoing::Indication(indication) => self.told.push_back(indication),
                Outgoing::Octets(said) => octets.extend_from_slice(&said),
                Outgoing::Close => {}
            }
        }
        self.say(&octets).await;
    }

    /// The next thing the stack tells.
    pub async fn next(&mut self) -> Indication {
        loop {
            if let Some(told) = self.told.pop_front() {
                return told;
            }
            let mut octets = BytesMut::new();
            let read = timeout(PATIENCE, self.stream.read_buf(&mut octets)).await;
            let event = match read.expect("the server says nothing") {
                Ok(1..) => Network::Octets(octets.freeze()),
                _ => Network::Closed,
            };
            let out = self.stack.network(event, Instant::now());
            self.take(out).await;
        }
    }

    /// Octets as they are; the server may have gone.
    pub async fn say(&mut self, octets: &[u8]) {
        let _ = self.stream.write_all(octets).await;
    }

    /// A TSDU in one DT TPDU.
    pub async fn tsdu(&mut self, tsdu: &[u8]) {
        self.say(&data(tsdu, true)).await;
    }

    /// SPDUs in one TSDU.
    pub async fn spdus(&mut self, spdus: &[Spdu]) {
        self.tsdu(&spdu::encode(spdus)).await;
    }

    /// Octets one by one, so long after one another, until the server gives up.
    pub async fn drip(&mut self, octets: impl IntoIterator<Item = u8>, pause: Duration) {
        for octet in octets {
            self.say(&[octet]).await;
            tokio::time::sleep(pause).await;
            if self.is_given_up() {
                return;
            }
        }
        panic!("the server takes whatever comes");
    }

    /// Whether the server has said anything of its own accord, or closed.
    pub fn is_given_up(&self) -> bool {
        let read = self.stream.try_read(&mut [0; 4096]);
        !matches!(read, Err(fault) if fault.kind() == ErrorKind::WouldBlock)
    }

    /// Waits until the server closes the connection, in time.
    pub async fn closed(&mut self) {
        let closed = async { while matches!(self.stream.read(&mut [0; 4096]).await, Ok(1..)) {} };
        let closed = timeout(PATIENCE, closed).await;
        assert!(closed.is_ok(), "the server does not close");
    }
}

/// Octets of a TSDU in a DT TPDU and its packet.
pub fn data(octets: &[u8], last: bool) -> Vec<u8> {
    let length = u16::try_from(octets.len() + 7).unwrap();
    let end = if last { 0x80 } else { 0 };
    [&[3, 0][..], &length.to_be_bytes(), &[2, 0xf0, end], octets].concat()
}
