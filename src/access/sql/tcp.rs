//! Real sockets: names, ports, addresses.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::browser::{self, Answer};
use super::error::{Failure, Life};
use super::{Dial, Peer};
use crate::access::ByteStream;
use crate::model::{Instance, SqlServer};

/// A silent peer is asked for a sign of life after this time, …
const IDLE: Duration = Duration::from_secs(30);
/// … again after each of these, …
const INTERVAL: Duration = Duration::from_secs(10);
/// … and given up after so many: a cut cable is noticed within a minute.
const PROBES: u32 = 3;

/// Dials instances over TCP.
pub struct Tcp {
    servers: BTreeMap<Instance, SqlServer>,
    limit: Duration,
    browser_port: u16,
    /// Ports of named instances as an earlier look found them.
    recorded: BTreeMap<Instance, u16>,
    /// Ports as last found.
    ports: Mutex<BTreeMap<Instance, u16>>,
}

impl Tcp {
    /// Dials these. `limit` is for the name, and once more for the connection: a slow name must not
    /// make a living instance look dead. The port has a limit of its own.
    pub fn new(servers: BTreeMap<Instance, SqlServer>, limit: Duration) -> Self {
        Self {
            servers,
            limit,
            browser_port: browser::PORT,
            recorded: BTreeMap::new(),
            ports: Mutex::default(),
        }
    }

    /// With the ports at which named instances were last seen: tried where no browser answers.
    pub(super) fn with_recorded(mut self, ports: BTreeMap<Instance, u16>) -> Self {
        self.recorded = ports;
        self
    }

    /// With a browser that listens elsewhere.
    #[cfg(test)]
    pub(super) fn with_browser(mut self, port: u16) -> Self {
        self.browser_port = port;
        self
    }

    /// How long a dial takes at most, with that limit.
    pub(super) fn longest(limit: Duration) -> Duration {
        2 * limit + 2 * browser::WAIT + Duration::from_secs(1)
    }

    async fn reach(&self, instance: Instance) -> Result<TcpStream, Failure> {
        let server = self.servers.get(&instance).ok_or(Failure::NoInstance)?;
        let addresses = resolve(&server.host, self.limit).await?;
        let (port, recorded) = match self.port(server, &addresses).await {
            Ok(port) => (port, false),
            Err(failure @ Failure::BrowserSilent { .. }) => match self.recorded.get(&instance) {
                Some(port) => (*port, true),
                None => return Err(failure),
            },
            Err(failure) => return Err(failure),
        };
        self.ports
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(instance, port);
        let connected = connect(&server.host, &addresses, port, self.limit).await;
        let stream = connected.map_err(|failure| {
            if recorded && matches!(failure, Failure::ConnectionRefused { .. }) {
                // Its host lives, and a named instance may take another port at each start.
                let (host, refused) = (server.host.clone(), Some(port));
                return Failure::BrowserSilent { host, refused };
            }
            failure
        })?;
        keep_alive(&stream);
        Ok(stream)
    }

    /// The stated port wins; a named instance without one is asked for.
    async fn port(&self, server: &SqlServer, addresses: &[IpAddr]) -> Result<u16, Failure> {
        let (None, Some(instance)) = (server.port, &server.instance) else {
            return Ok(server.port.unwrap_or(1433));
        };
        let host = server.host.clone();
        let instance = instance.clone();
        match browser::find(addresses, self.browser_port, &instance, browser::WAIT).await {
            Answer::Port(port) => Ok(port),
            Answer::NoTcp => Err(Failure::NoTcp { instance }),
            Answer::NotListed(known) => Err(Failure::NotListed {
                host,
                instance,
                known,
            }),
            Answer::Silent => Err(Failure::BrowserSilent {
                host,
                refused: None,
            }),
        }
    }
}

impl Dial for Tcp {
    fn dial(&self, instance: Instance) -> BoxFuture<'_, io::Result<Box<dyn ByteStream>>> {
        Box::pin(async move {
            let stream = self.reach(instance).await.map_err(io::Error::other)?;
            Ok(Box::new(stream) as Box<dyn ByteStream>)
        })
    }

    fn knock<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<()>> {
        Box::pin(async move {
            let addresses = resolve(host, self.limit).await.map_err(io::Error::other)?;
            let connected = connect(host, &addresses, port, self.limit).await;
            connected.map(drop).map_err(io::Error::other)
        })
    }

    fn peer(&self, instance: Instance) -> Option<Peer> {
        let server = self.servers.get(&instance)?;
        let ports = self.ports.lock().unwrap_or_else(PoisonError::into_inner);
        Some(Peer {
            host: server.host.clone(),
            port: *ports.get(&instance)?,
        })
    }
}

/// Every address of a host, each once.
async fn addresses(host: &str) -> Result<Vec<IpAddr>, Failure> {
    let not_found = |why: String| Failure::NameNotFound {
        host: host.to_owned(),
        why,
    };
    let found = tokio::net::lookup_host((host, 0))
        .await
        .map_err(|cause| not_found(cause.to_string()))?;
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in found.map(|socket| socket.ip()) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        return Err(not_found("the answer was empty".to_owned()));
    }
    Ok(addresses)
}

/// The addresses of a host, within a limit.
async fn resolve(host: &str, limit: Duration) -> Result<Vec<IpAddr>, Failure> {
    let answer = tokio::time::timeout(limit, addresses(host)).await;
    answer.unwrap_or_else(|_| {
        Err(Failure::NameNotFound {
            host: host.to_owned(),
            why: format!("no answer within {} s", limit.as_secs_f64()),
        })
    })
}

/// Connects to all addresses at once and keeps the first that answers: a dead one costs nothing
/// where another lives. Of several failures the one is told that speaks most for life.
async fn connect(
    host: &str,
    addresses: &[IpAddr],
    port: u16,
    limit: Duration,
) -> Result<TcpStream, Failure> {
    let end = Instant::now() + limit;
    let timed_out = || Failure::ConnectTimedOut {
        waited_for: format!("`{host}` on port {port}"),
        limit,
    };
    let mut connecting: FuturesUnordered<_> = addresses
        .iter()
        .map(|address| {
            let address = SocketAddr::new(*address, port);
            async move {
                match timeout_at(end, TcpStream::connect(address)).await {
                    Ok(Ok(stream)) => Ok(stream),
                    Ok(Err(cause)) => Err(of_connect(&cause, address)),
                    Err(_) => Err(timed_out()),
                }
            }
        })
        .collect();
    let mut failures = Vec::new();
    while let Some(answer) = connecting.next().await {
        match answer {
            Ok(stream) => return Ok(stream),
            Err(failure) => failures.push(failure),
        }
    }
    let told = failures
        .into_iter()
        .max_by_key(|failure| match failure.life() {
            // A refusal tells more than silence: the host is up.
            Life::Dead => u8::from(matches!(failure, Failure::ConnectionRefused { .. })),
            Life::Unknown => 2,
            Life::Lives => 3,
        });
    Err(told.unwrap_or_else(timed_out))
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the kinds of another library, which grow"
)]
fn of_connect(cause: &io::Error, address: SocketAddr) -> Failure {
    let told = format!("{address}: {cause}");
    match cause.kind() {
        io::ErrorKind::ConnectionRefused => Failure::ConnectionRefused {
            address: address.to_string(),
        },
        io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::TimedOut => Failure::Unreachable(told),
        // Somebody took it and let it go.
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => Failure::Cut(told),
        // No descriptor, no port, no right, no network of its own.
        _ => Failure::NotTried(told),
    }
}

/// The driver sets neither. Without keep-alive a stalled network without a reset is waited for for
/// ever (`sql-server.md` 10.2).
fn keep_alive(stream: &TcpStream) {
    let probes = TcpKeepalive::new()
        .with_time(IDLE)
        .with_interval(INTERVAL)
        .with_retries(PROBES);
    let set = SockRef::from(stream)
        .set_tcp_keepalive(&probes)
        .and_then(|()| stream.set_nodelay(true));
    if let Err(cause) = set {
        // The connection works without; the step's own limits still hold.
        tracing::warn!(%cause, "TCP keep-alive could not be set");
    }
}
