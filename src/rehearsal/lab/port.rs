//! A TCP port of 127.0.0.1 that an instance keeps while it is down, too.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::task::{JoinHandle, JoinSet};

use crate::model::SqlServer;
use crate::rehearsal::cmdlets::lock;
use crate::rehearsal::manner::{self, Keys, Manner};
use crate::rehearsal::tds::Server;

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

/// Whom it serves, and how.
#[derive(Clone)]
pub(super) struct Terms {
    pub(super) server: Arc<dyn Server>,
    pub(super) keys: Arc<Keys>,
    /// How it answers; a new connection asks.
    pub(super) manner: Arc<Mutex<Manner>>,
}

pub(super) struct Port {
    number: u16,
    terms: Option<Terms>,
    state: State,
}

enum State {
    /// Bound and not listening: a connection is refused, and nobody else gets the port.
    Reserved(TcpSocket),
    Listening(JoinHandle<()>),
    /// Between the two, or it could not be bound again.
    Free,
}

impl Port {
    /// Takes a free port.
    pub(super) fn reserve() -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        Ok(Self {
            number: socket.local_addr()?.port(),
            terms: None,
            state: State::Reserved(socket),
        })
    }

    /// Says what to serve when it listens.
    pub(super) fn serve(&mut self, terms: Terms) {
        self.terms = Some(terms);
    }

    pub(super) fn address(&self) -> SqlServer {
        SqlServer {
            host: Ipv4Addr::LOCALHOST.to_string(),
            instance: None,
            port: Some(self.number),
        }
    }

    /// From now on it answers so; what is connected goes on.
    pub(super) fn answer(&self, manner: Manner) {
        if let Some(terms) = &self.terms {
            *lock(&terms.manner) = manner;
        }
    }

    pub(super) fn is_up(&self) -> bool {
        matches!(self.state, State::Listening(_))
    }

    /// Begins to listen; nothing where it does.
    pub(super) fn up(&mut self) -> io::Result<()> {
        let (Some(terms), false) = (self.terms.clone(), self.is_up()) else {
            return Ok(());
        };
        let socket = match std::mem::replace(&mut self.state, State::Free) {
            State::Reserved(socket) => socket,
            _ => self.bind()?,
        };
        // What is connected now and lingers later does not keep us from the port.
        socket.set_reuseaddr(cfg!(unix))?;
        let listener = socket.listen(BACKLOG)?;
        self.state = State::Listening(tokio::spawn(accept(listener, terms)));
        Ok(())
    }

    /// Listens no more, and breaks what is connected.
    pub(super) async fn down(&mut self) -> io::Result<()> {
        let State::Listening(task) = &mut self.state else {
            return Ok(());
        };
        task.abort();
        // The sockets are closed when it has ended.
        let _ = task.await;
        self.state = State::Free;
        for _ in 0..20 {
            match self.bind() {
                Ok(socket) => {
                    self.state = State::Reserved(socket);
                    return Ok(());
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
        self.state = State::Reserved(self.bind()?);
        Ok(())
    }

    fn bind(&self) -> io::Result<TcpSocket> {
        let socket = TcpSocket::new_v4()?;
        // For connections that linger; on Windows it would let others listen at the same port.
        socket.set_reuseaddr(cfg!(unix))?;
        socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, self.number)))?;
        // And nobody else gets it.
        socket.set_reuseaddr(false)?;
        Ok(socket)
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        if let State::Listening(task) = &self.state {
            task.abort();
        }
    }
}

/// Serves whoever comes. Its connections end with it.
async fn accept(listener: TcpListener, terms: Terms) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    // Answers are small: none waits for another.
                    let _ = stream.set_nodelay(true);
                    let Terms { server, keys, manner } = terms.clone();
                    let manner = *lock(&manner);
                    connections.spawn(async move {
                        // How the connection ended is seen at its other end.
                        let _ = manner::serve(manner, server, stream, &keys).await;
                    });
                }
                // No descriptor is free, or the client has gone: others may come.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}
