//! The management shell of the lab: the line protocol over loopback TCP, for whoever knows the token.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use crate::access::powershell::Launch;
use crate::rehearsal::cmdlets::{Cmdlets, RehearsedPowerShell};

/// Longest token in bytes.
pub const TOKEN_LIMIT: usize = 128;

/// How long a client may take to say who it is.
const INTRODUCTION: Duration = Duration::from_secs(10);

/// A port that is not served yet.
pub(super) struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

/// The shell, while it is not dropped.
pub(super) struct Shell(JoinHandle<()>);

impl Shell {
    pub(super) async fn bind() -> io::Result<Bound> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        Ok(Bound { listener, address })
    }
}

impl Bound {
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn serve(self, cmdlets: Arc<Cmdlets>, token: String) -> Shell {
        Shell(tokio::spawn(accept(
            self.listener,
            RehearsedPowerShell(cmdlets),
            token,
        )))
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn accept(listener: TcpListener, shell: RehearsedPowerShell, token: String) {
    let shell = Arc::new(shell);
    let token: Arc<str> = token.into();
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let _ = stream.set_nodelay(true);
                    clients.spawn(serve(stream, Arc::clone(&shell), Arc::clone(&token)));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            Some(_) = clients.join_next() => {}
        }
    }
}

/// One client: a PowerShell of its own. A wrong token is answered by the end of the connection.
async fn serve(mut client: TcpStream, shell: Arc<RehearsedPowerShell>, token: Arc<str>) {
    let said = timeout(INTRODUCTION, first_line(&mut client)).await;
    if !matches!(said, Ok(Ok(line)) if same(&line, token.as_bytes())) {
        return;
    }
    if let Ok(mut process) = shell.launch().await {
        // Either end may go at any time.
        let _ = copy_bidirectional(&mut client, &mut process.stream).await;
    }
}

/// The first line without its end. Nothing behind it is taken from the stream.
async fn first_line(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    loop {
        match client.read_u8().await? {
            b'\n' => return Ok(line),
            byte if line.len() < TOKEN_LIMIT => line.push(byte),
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

/// Compares in a time that does not tell how much is right.
fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}
