//! PRELOGIN: the first exchange, in which client and server agree on encryption (`tds.md` 2.1).

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::rustls::ServerConfig;

use super::Encryption;
use super::packet::{Wire, kind};
use super::reader::{Malformed, Reader};
use super::tls::{self, Channel, Framing};

/// Version that clients are told: SQL Server 2014 SP3 (12.0.6024). Major, minor, build.
pub(super) const VERSION: [u8; 4] = [12, 0, 0x17, 0x88];

mod option {
    pub(super) const VERSION: u8 = 0;
    pub(super) const ENCRYPTION: u8 = 1;
    pub(super) const INSTANCE: u8 = 2;
    pub(super) const THREAD: u8 = 3;
    pub(super) const MARS: u8 = 4;
    pub(super) const FEDERATED: u8 = 6;
    pub(super) const END: u8 = 0xFF;
}

/// Values of ENCRYPTION.
mod encryption {
    pub(super) const OFF: u8 = 0;
    pub(super) const ON: u8 = 1;
    pub(super) const NOT_SUPPORTED: u8 = 2;
    pub(super) const REQUIRED: u8 = 3;
    /// Set beside the value by a client that has a certificate: nobody asks it for one.
    pub(super) const CERTIFICATE: u8 = 0x80;
}

/// A connection on which the login comes next.
pub(super) struct Opened<S> {
    pub(super) wire: Wire<Channel<S>>,
    /// TLS ends behind the login.
    pub(super) login_only: bool,
}

/// What client and server agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Agreed {
    Clear,
    LoginOnly,
    Everything,
    Refused,
}

/// Agrees with the client on encryption and shakes hands; `None` when the client went away, or was
/// refused for want of encryption.
pub(super) async fn negotiate<S>(
    stream: S,
    encryption: Encryption,
    config: Option<Arc<ServerConfig>>,
) -> io::Result<Option<Opened<S>>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let config = || {
        let wanting = "a server with encryption needs a certificate";
        let wanting = || io::Error::new(io::ErrorKind::InvalidInput, wanting);
        config.clone().ok_or_else(wanting)
    };
    if encryption != Encryption::NotSupported {
        config()?; // before anything is said
    }
    let mut wire = Wire::new(Channel::clear(stream));
    if encryption == Encryption::Strict {
        match wire.first_byte().await? {
            None => return Ok(None),
            Some(tls::HANDSHAKE) => {}
            Some(_) => {
                wire.close().await?;
                return Ok(None);
            }
        }
        wire = tls::secure(wire, config()?, Framing::Bare).await?;
    }
    let Some(message) = wire.message().await? else {
        return Ok(None);
    };
    if message.kind != kind::PRELOGIN {
        return Err(Malformed("it does not begin with PRELOGIN").into());
    }
    let asked = Asked::decode(&message.body)?;
    let (said, agreed) = agree(encryption, asked.encryption)?;
    wire.send(&answer(said, asked.federated)).await?;
    match agreed {
        Agreed::Clear => {}
        Agreed::LoginOnly | Agreed::Everything => {
            wire = tls::secure(wire, config()?, Framing::Packets).await?;
        }
        Agreed::Refused => {
            wire.close().await?;
            return Ok(None);
        }
    }
    Ok(Some(Opened {
        wire,
        login_only: agreed == Agreed::LoginOnly,
    }))
}

/// The table of `tds.md` 2.1: what the server answers, and what it means.
fn agree(ours: Encryption, asked: u8) -> Result<(u8, Agreed), Malformed> {
    use encryption::{CERTIFICATE, NOT_SUPPORTED, OFF, ON, REQUIRED};

    Ok(match (ours, asked & !CERTIFICATE) {
        // In strict mode all of this is inside TLS already.
        (Encryption::NotSupported | Encryption::Strict, _)
        | (Encryption::Optional, NOT_SUPPORTED) => (NOT_SUPPORTED, Agreed::Clear),
        (Encryption::Optional, OFF) => (OFF, Agreed::LoginOnly),
        (Encryption::Required, OFF) => (REQUIRED, Agreed::Everything),
        (Encryption::Required, NOT_SUPPORTED) => (REQUIRED, Agreed::Refused),
        (_, ON | REQUIRED) => (ON, Agreed::Everything),
        _ => return Err(Malformed("it asks for an unknown kind of encryption")),
    })
}

/// What matters of a client's PRELOGIN.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    /// Of a client that says nothing: that it has none.
    encryption: u8,
    federated: bool,
}

impl Asked {
    /// Reads the options, each seen to lie inside the message.
    fn decode(body: &[u8]) -> Result<Self, Malformed> {
        let mut asked = Self {
            encryption: encryption::NOT_SUPPORTED,
            federated: false,
        };
        let mut table = Reader::new(body);
        loop {
            let option = table.u8()?;
            if option == option::END {
                return Ok(asked);
            }
            let offset = table.u16_big_endian()?;
            let length = table.u16_big_endian()?;
            let mut data = Reader::new(body);
            data.take(offset.into())?;
            let mut data = Reader::new(data.take(length.into())?);
            match option {
                option::ENCRYPTION => asked.encryption = data.u8()?,
                option::FEDERATED => asked.federated = true,
                _ => {}
            }
        }
    }
}

fn answer(said: u8, federated: bool) -> Vec<u8> {
    let [major, minor, high, low] = VERSION;
    let version = [major, minor, high, low, 0, 0];
    let said = [said];
    let mut options: Vec<(u8, &[u8])> = vec![
        (option::VERSION, &version),
        (option::ENCRYPTION, &said),
        (option::INSTANCE, &[0]),
        (option::THREAD, &[]),
        (option::MARS, &[0]),
    ];
    if federated {
        options.push((option::FEDERATED, &[0]));
    }

    let mut table = Vec::new();
    let mut data = Vec::new();
    let begin = options.len() * 5 + 1;
    for (option, value) in options {
        // Six options of at most six bytes: both numbers fit in one byte.
        let offset = u16::try_from(begin + data.len()).unwrap_or(u16::MAX);
        let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
        table.push(option);
        table.extend_from_slice(&offset.to_be_bytes());
        table.extend_from_slice(&length.to_be_bytes());
        data.extend_from_slice(value);
    }
    table.push(option::END);
    table.append(&mut data);
    table
}
