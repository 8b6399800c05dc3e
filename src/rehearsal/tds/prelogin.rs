//! PRELOGIN: the first exchange, in which client and server agree on encryption (`tds.md` 2.1).

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};

use super::packet::{Wire, kind};
use super::reader::{Malformed, Reader};

/// Version that clients are told: SQL Server 2014 SP3 (12.0.6024). Major, minor, build.
pub(super) const VERSION: [u8; 4] = [12, 0, 0x17, 0x88];

/// The server has no encryption: the answer to whatever a client proposes.
const NOT_SUPPORTED: u8 = 2;

mod option {
    pub(super) const VERSION: u8 = 0;
    pub(super) const ENCRYPTION: u8 = 1;
    pub(super) const INSTANCE: u8 = 2;
    pub(super) const THREAD: u8 = 3;
    pub(super) const MARS: u8 = 4;
    pub(super) const FEDERATED: u8 = 6;
    pub(super) const END: u8 = 0xFF;
}

/// Answers the client's PRELOGIN; `false` when it went away instead.
pub(super) async fn negotiate<S>(wire: &mut Wire<S>) -> io::Result<bool>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Some(message) = wire.message().await? else {
        return Ok(false);
    };
    if message.kind != kind::PRELOGIN {
        return Err(Malformed("it does not begin with PRELOGIN").into());
    }
    let asked = options(&message.body)?;
    wire.send(&answer(asked.contains(&option::FEDERATED)))
        .await?;
    Ok(true)
}

/// The options that a PRELOGIN holds, each seen to lie inside it.
fn options(body: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut table = Reader::new(body);
    let mut found = Vec::new();
    loop {
        match table.u8()? {
            option::END => return Ok(found),
            option => {
                let offset = table.u16_big_endian()?;
                let length = table.u16_big_endian()?;
                let mut data = Reader::new(body);
                data.take(offset.into())?;
                data.take(length.into())?;
                found.push(option);
            }
        }
    }
}

fn answer(federated: bool) -> Vec<u8> {
    let [major, minor, high, low] = VERSION;
    let mut options: Vec<(u8, &[u8])> = vec![
        (option::ENCRYPTION, &[NOT_SUPPORTED]),
        (option::INSTANCE, &[0]),
        (option::THREAD, &[]),
        (option::MARS, &[0]),
    ];
    if federated {
        options.push((option::FEDERATED, &[0]));
    }
    let version = [major, minor, high, low, 0, 0];
    options.insert(0, (option::VERSION, &version));

    let mut table = Vec::new();
    let mut data = Vec::new();
    let begin = options.len() * 5 + 1;
    for (option, value) in options {
        // Seven options of at most six bytes: both numbers fit in one byte.
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
