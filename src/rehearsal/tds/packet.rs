//! Packets: reassembly of what comes in, division of what goes out (`tds.md` 2.1).

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::reader::Malformed;

/// Packet size until a login agrees on another.
pub(super) const DEFAULT_PACKET_SIZE: usize = 4096;
pub(super) const HEADER: usize = 8;
/// A message longer than this is refused: nothing a rehearsal is asked comes near.
const LONGEST_MESSAGE: usize = 64 << 20;

/// Packet types.
pub(super) mod kind {
    pub(crate) const BATCH: u8 = 0x01;
    pub(crate) const RPC: u8 = 0x03;
    pub(crate) const RESPONSE: u8 = 0x04;
    pub(crate) const ATTENTION: u8 = 0x06;
    pub(crate) const BULK: u8 = 0x07;
    pub(crate) const TRANSACTION: u8 = 0x0E;
    pub(crate) const LOGIN: u8 = 0x10;
    pub(crate) const SSPI: u8 = 0x11;
    pub(crate) const PRELOGIN: u8 = 0x12;
}

/// Status bits.
const END_OF_MESSAGE: u8 = 0x01;
const IGNORE: u8 = 0x02;
const RESET: u8 = 0x08 | 0x10;

/// One packet.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Packet {
    /// One of [`kind`].
    pub(super) kind: u8,
    status: u8,
    body: Vec<u8>,
}

/// A message: the bodies of its packets, joined.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// One of [`kind`].
    pub(super) kind: u8,
    /// The bytes behind the headers.
    pub(super) body: Vec<u8>,
    /// The client took the message back in its last packet.
    pub(super) ignored: bool,
    /// The session is to be as new before this request.
    pub(super) reset: bool,
}

/// A byte stream as a stream of packets.
#[derive(Debug)]
pub(super) struct Wire<S> {
    stream: S,
    /// Bytes read and not yet taken as a packet.
    inbox: Vec<u8>,
    packet_size: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            inbox: Vec::new(),
            packet_size: DEFAULT_PACKET_SIZE,
        }
    }

    /// Divides answers into packets of so many bytes from now on.
    pub(super) fn set_packet_size(&mut self, size: usize) {
        self.packet_size = size;
    }

    /// The next packet; `None` when the client has gone. A dropped future loses nothing.
    pub(super) async fn packet(&mut self) -> io::Result<Option<Packet>> {
        loop {
            if let Some(packet) = take_packet(&mut self.inbox)? {
                return Ok(Some(packet));
            }
            self.inbox.reserve(DEFAULT_PACKET_SIZE);
            if self.stream.read_buf(&mut self.inbox).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// The next message; `None` when the client has gone. An Attention ends an unfinished message
    /// and stands for it.
    pub(super) async fn message(&mut self) -> io::Result<Option<Message>> {
        let mut message: Option<Message> = None;
        while let Some(packet) = self.packet().await? {
            let message = match &mut message {
                Some(begun) if begun.kind == packet.kind => begun,
                Some(_) if packet.kind != kind::ATTENTION => {
                    return Err(Malformed("two messages are mixed").into());
                }
                other => other.insert(Message {
                    kind: packet.kind,
                    body: Vec::new(),
                    ignored: false,
                    reset: packet.status & RESET != 0,
                }),
            };
            if message.body.len() + packet.body.len() > LONGEST_MESSAGE {
                return Err(Malformed("a message is too long").into());
            }
            message.body.extend_from_slice(&packet.body);
            if packet.status & END_OF_MESSAGE != 0 {
                return Ok(Some(Message {
                    kind: message.kind,
                    body: std::mem::take(&mut message.body),
                    ignored: packet.status & IGNORE != 0,
                    reset: message.reset,
                }));
            }
        }
        Ok(None)
    }

    /// The byte that comes next, left where it is; `None` when the client has gone.
    pub(super) async fn first_byte(&mut self) -> io::Result<Option<u8>> {
        if self.inbox.is_empty() {
            self.stream.read_buf(&mut self.inbox).await?;
        }
        Ok(self.inbox.first().copied())
    }

    /// Sends one whole answer.
    pub(super) async fn send(&mut self, body: &[u8]) -> io::Result<()> {
        let mut packet = Vec::with_capacity(self.packet_size);
        let mut rest = Some(body);
        let mut id = 1_u8;
        while let Some(left) = rest {
            packet.clear();
            rest = put_packet(&mut packet, kind::RESPONSE, id, left, self.packet_size);
            self.stream.write_all(&packet).await?;
            id = id.wrapping_add(1);
        }
        self.stream.flush().await
    }

    /// The same over another stream, which goes on where this one is.
    pub(super) fn map<T>(self, stream: impl FnOnce(S) -> T) -> Wire<T> {
        Wire {
            stream: stream(self.stream),
            inbox: self.inbox,
            packet_size: self.packet_size,
        }
    }

    /// The stream, and the bytes read from it and not yet taken.
    pub(super) fn into_parts(self) -> (S, Vec<u8>) {
        (self.stream, self.inbox)
    }

    /// Says that nothing more will come.
    pub(super) async fn close(&mut self) -> io::Result<()> {
        self.stream.shutdown().await
    }
}

/// Puts as much of a message into one packet as fits; gives what is left for the next.
pub(super) fn put_packet<'a>(
    out: &mut Vec<u8>,
    kind: u8,
    id: u8,
    message: &'a [u8],
    packet_size: usize,
) -> Option<&'a [u8]> {
    let (now, later) = message.split_at(message.len().min(packet_size - HEADER));
    let length = u16::try_from(now.len() + HEADER).unwrap_or(u16::MAX);
    out.extend_from_slice(&[kind, u8::from(later.is_empty())]);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&[0, 0, id, 0]);
    out.extend_from_slice(now);
    (!later.is_empty()).then_some(later)
}

/// Takes a packet off the front, if it is there to its end.
fn take_packet(inbox: &mut Vec<u8>) -> Result<Option<Packet>, Malformed> {
    let Some(&[kind, status, high, low, ..]) = inbox.first_chunk::<HEADER>() else {
        return match inbox.first() {
            Some(&kind) if !known(kind) => Err(Malformed("a packet has no known type")),
            _ => Ok(None),
        };
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if !known(kind) {
        return Err(Malformed("a packet has no known type"));
    }
    if length < HEADER {
        return Err(Malformed("a packet is shorter than its header"));
    }
    if inbox.len() < length {
        return Ok(None);
    }
    let body = inbox.drain(..length).skip(HEADER).collect();
    Ok(Some(Packet { kind, status, body }))
}

fn known(kind: u8) -> bool {
    use kind::{ATTENTION, BATCH, BULK, LOGIN, PRELOGIN, RPC, SSPI, TRANSACTION};
    [
        BATCH,
        RPC,
        ATTENTION,
        BULK,
        TRANSACTION,
        LOGIN,
        SSPI,
        PRELOGIN,
    ]
    .contains(&kind)
}
