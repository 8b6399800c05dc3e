//! The first data center, taken for lost while it lives: what a forced failover would meet there.

use std::io;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::{ByteStream, Dial, Failure, Peer, SqlDoor};
use crate::model::{Instance, Role};

/// Why nothing there takes a connection.
const TAKEN: &str = "its data center is taken for lost";

/// A network without its first data center.
struct Lost(Arc<dyn Dial>);

fn silent<T>() -> io::Result<T> {
    Err(io::Error::other(Failure::Unreachable(TAKEN.to_owned())))
}

impl Dial for Lost {
    fn dial(&self, instance: Instance) -> BoxFuture<'_, io::Result<Box<dyn ByteStream>>> {
        match instance.role {
            Role::Primary | Role::PrimaryMirror => Box::pin(async { silent() }),
            Role::Backup | Role::BackupMirror => self.0.dial(instance),
        }
    }

    /// Nothing is knocked at but what the site file places there.
    fn knock<'a>(&'a self, _host: &'a str, _port: u16) -> BoxFuture<'a, io::Result<()>> {
        Box::pin(async { silent() })
    }

    fn peer(&self, instance: Instance) -> Option<Peer> {
        self.0.peer(instance)
    }
}

impl SqlDoor {
    /// A door to the same site without its first data center, with connections of its own.
    #[must_use]
    pub fn without_first(&self) -> Self {
        Self::new(
            Arc::new(Lost(Arc::clone(&self.dial))),
            self.servers.clone(),
            self.sign_in.clone(),
            self.limits,
        )
    }
}
