//! TLS under TDS (`tds.md` 2.1): in TDS 7 a handshake inside packets and bare records behind it,
//! in TDS 8 (strict) a plain TLS stream from the first byte.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::server::NoServerSessionStorage;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{self, ServerConfig};
use tokio_rustls::server::TlsStream;

use super::Encryption;
use super::packet::{DEFAULT_PACKET_SIZE, HEADER, Wire, kind, put_packet};
use super::reader::Malformed;
use crate::rehearsal::certificate::Certificate;

/// First byte of a client that begins with TLS.
pub(super) const HANDSHAKE: u8 = 0x16;

/// Name of the protocol inside, said in a strict handshake.
const TDS_8: &[u8] = b"tds/8.0";

/// Makes what [`serve_with`](super::serve_with) needs for an encryption; `None` where that is none.
///
/// # Errors
/// When the certificate and its key do not belong together.
pub fn config(
    encryption: Encryption,
    certificate: &Certificate,
) -> Result<Option<Arc<ServerConfig>>, rustls::Error> {
    let versions: &[&rustls::SupportedProtocolVersion] = match encryption {
        Encryption::NotSupported => return Ok(None),
        // A server of TLS 1.3 sends tickets when the client has stopped looking into packets.
        Encryption::Optional | Encryption::Required => &[&TLS12],
        Encryption::Strict => &[&TLS12, &TLS13],
    };
    // The provider is named: a process-wide one is not a library's to choose.
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)?
        .with_no_client_auth()
        .with_single_cert(certificate.chain.clone(), certificate.key.clone_key())?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    if encryption == Encryption::Strict {
        config.alpn_protocols = vec![TDS_8.to_vec()];
    }
    Ok(Some(Arc::new(config)))
}

/// How the handshake travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// As it is.
    Bare,
    /// Inside packets of type PRELOGIN.
    Packets,
}

/// Shakes hands over a connection that is clear so far.
pub(super) async fn secure<S>(
    wire: Wire<Channel<S>>,
    config: Arc<ServerConfig>,
    framing: Framing,
) -> io::Result<Wire<Channel<S>>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (channel, ahead) = wire.into_parts();
    let mut carrier = channel.carrier();
    carrier.ahead = ahead;
    carrier.framing = framing;
    match TlsAcceptor::from(config)
        .accept(carrier)
        .into_fallible()
        .await
    {
        Ok(mut tls) => {
            tls.get_mut().0.framing = Framing::Bare;
            Ok(Wire::new(Channel::Tls(Box::new(tls))))
        }
        Err((error, mut carrier)) => {
            // The alert that says why still waits for a flush.
            let _ = carrier.shutdown().await;
            Err(error)
        }
    }
}

/// A client's byte stream, in clear or through TLS.
pub(super) enum Channel<S> {
    Clear(Carrier<S>),
    Tls(Box<TlsStream<Carrier<S>>>),
}

impl<S> Channel<S> {
    pub(super) fn clear(stream: S) -> Self {
        Self::Clear(Carrier {
            stream,
            framing: Framing::Bare,
            ahead: Vec::new(),
            header: Vec::new(),
            left: 0,
            flight: Vec::new(),
            packets: Vec::new(),
        })
    }

    /// Takes the stream out of TLS, without a word to the client: it does the same.
    pub(super) fn end_tls(self) -> Self {
        Self::Clear(self.carrier())
    }

    fn carrier(self) -> Carrier<S> {
        match self {
            Self::Clear(carrier) => carrier,
            Self::Tls(tls) => tls.into_inner().0,
        }
    }
}

/// What TLS runs over: the stream, with the handshake taken out of packets and put into them.
pub(super) struct Carrier<S> {
    stream: S,
    framing: Framing,
    /// Bytes that were read before there was TLS.
    ahead: Vec<u8>,
    /// Of the packet that comes in: what is there of its header.
    header: Vec<u8>,
    /// Of the same: how many bytes behind the header are still to come.
    left: usize,
    /// Handshake bytes that go out with the next flush.
    flight: Vec<u8>,
    /// Packets on their way out.
    packets: Vec<u8>,
}

impl<S: AsyncRead + Unpin> Carrier<S> {
    /// Reads at most so many bytes; 0 = the end.
    fn poll_some(
        &mut self,
        context: &mut Context<'_>,
        limit: usize,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        let limit = limit.min(buffer.remaining());
        if !self.ahead.is_empty() {
            let taken = limit.min(self.ahead.len());
            buffer.put_slice(&self.ahead[..taken]);
            self.ahead.drain(..taken);
            return Poll::Ready(Ok(taken));
        }
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(limit));
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut part))?;
        let read = part.filled().len();
        buffer.advance(read);
        Poll::Ready(Ok(read))
    }

    /// Reads the header of the next packet of the handshake; `false` at the end of the stream.
    fn poll_header(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut space = [0; HEADER];
        while self.header.len() < HEADER {
            let mut part = ReadBuf::new(&mut space);
            if ready!(self.poll_some(context, HEADER - self.header.len(), &mut part))? == 0 {
                return Poll::Ready(Ok(false));
            }
            self.header.extend_from_slice(part.filled());
        }
        let &[kind, _, high, low, ..] = self.header.as_slice() else {
            return Poll::Ready(Ok(false));
        };
        self.left = usize::from(u16::from_be_bytes([high, low])).saturating_sub(HEADER);
        self.header.clear();
        Poll::Ready(if kind == kind::PRELOGIN {
            Ok(true)
        } else {
            Err(Malformed("a TLS handshake is not inside PRELOGIN").into())
        })
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Carrier<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.framing == Framing::Bare {
            return self.poll_some(context, usize::MAX, buffer).map_ok(drop);
        }
        while self.left == 0 {
            if !ready!(self.poll_header(context))? {
                return Poll::Ready(Ok(()));
            }
        }
        let left = self.left;
        self.left -= ready!(self.poll_some(context, left, buffer))?;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Carrier<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.framing {
            Framing::Bare => Pin::new(&mut self.stream).poll_write(context, bytes),
            Framing::Packets => {
                self.flight.extend_from_slice(bytes);
                Poll::Ready(Ok(bytes.len()))
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let flight = std::mem::take(&mut this.flight);
        let mut rest = (!flight.is_empty()).then_some(flight.as_slice());
        let mut id = 1_u8;
        while let Some(left) = rest {
            rest = put_packet(
                &mut this.packets,
                kind::PRELOGIN,
                id,
                left,
                DEFAULT_PACKET_SIZE,
            );
            id = id.wrapping_add(1);
        }
        while !this.packets.is_empty() {
            let written = ready!(Pin::new(&mut this.stream).poll_write(context, &this.packets))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            this.packets.drain(..written);
        }
        Pin::new(&mut this.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush(context))?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Channel<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(carrier) => Pin::new(carrier).poll_read(context, buffer),
            Self::Tls(tls) => match ready!(Pin::new(tls).poll_read(context, buffer)) {
                // Clients go away without taking leave of TLS: that is no error.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(())),
                read => Poll::Ready(read),
            },
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Channel<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Clear(carrier) => Pin::new(carrier).poll_write(context, bytes),
            Self::Tls(tls) => Pin::new(tls).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(carrier) => Pin::new(carrier).poll_flush(context),
            Self::Tls(tls) => Pin::new(tls).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(carrier) => Pin::new(carrier).poll_shutdown(context),
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(context),
        }
    }
}
