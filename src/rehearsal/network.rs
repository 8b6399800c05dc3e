//! The network between the program and the instances, where it is late: what a program sent can be
//! held back, and delivered when the program sleeps, or is no more. The kernel of a machine goes on
//! sending what a dead process left, and a network that was cut delivers when it is whole again;
//! the server knows nothing of either, for its end of the connection lives (`sql-server.md` 8).

use std::sync::{Arc, Mutex};

use tokio::io::{
    AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, duplex, split,
};
use tokio_util::sync::CancellationToken;

use super::cmdlets::lock;
use crate::model::Instance;

/// Bytes that it holds, and reads at once.
const PIPE: usize = 64 * 1024;

/// Every connection of a simulated site.
#[derive(Clone, Default)]
pub struct Network(Arc<Mutex<Vec<Hold>>>);

struct Hold {
    instance: Instance,
    /// As it is sent: UTF-16.
    contains: Vec<u8>,
    held: Held,
}

/// A statement that is to be held back, or is.
#[derive(Clone, Default)]
pub struct Held {
    caught: CancellationToken,
    delivery: CancellationToken,
}

impl Held {
    /// True once the statement was sent, and is held back.
    pub fn is_caught(&self) -> bool {
        self.caught.is_cancelled()
    }

    /// Delivers it, whatever became of who sent it.
    pub fn deliver(&self) {
        self.delivery.cancel();
    }
}

impl Network {
    /// Holds back the first statement for an instance that contains a text, on connections that are
    /// opened from now on, with all that follows it there.
    pub fn hold(&self, instance: Instance, contains: &str) -> Held {
        let held = Held::default();
        lock(&self.0).push(Hold {
            instance,
            contains: contains.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            held: held.clone(),
        });
        held
    }

    /// The server's end of a connection, led through this network.
    pub(super) fn lead(&self, instance: Instance, theirs: DuplexStream) -> DuplexStream {
        if lock(&self.0).iter().all(|it| it.instance != instance) {
            return theirs;
        }
        let (near, far) = duplex(PIPE);
        let network = self.clone();
        tokio::spawn(async move { network.relay(instance, theirs, near).await });
        far
    }

    async fn relay(&self, instance: Instance, client: DuplexStream, server: DuplexStream) {
        let (from_client, to_client) = split(client);
        let (from_server, to_server) = split(server);
        tokio::join!(
            self.there(instance, from_client, to_server),
            back(from_server, to_client)
        );
    }

    async fn there(
        &self,
        instance: Instance,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
    ) {
        let mut bytes = vec![0; PIPE];
        let mut was_held = false;
        while let Ok(read @ 1..) = from.read(&mut bytes).await {
            if let Some(held) = self.catch(instance, &bytes[..read]) {
                held.caught.cancel();
                held.delivery.cancelled().await;
                was_held = true;
            }
            if to.write_all(&bytes[..read]).await.is_err() {
                return;
            }
        }
        // A machine that lost its power does not say that it goes.
        if !was_held {
            let _ = to.shutdown().await;
        }
    }

    fn catch(&self, instance: Instance, sent: &[u8]) -> Option<Held> {
        let mut holds = lock(&self.0);
        let at = holds.iter().position(|it| {
            it.instance == instance
                && !it.held.is_caught()
                && sent
                    .windows(it.contains.len())
                    .any(|part| part == it.contains)
        })?;
        Some(holds.remove(at).held)
    }
}

/// Passes on what the server says; where nobody takes it any more, it is lost.
async fn back(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
    let mut bytes = vec![0; PIPE];
    let mut is_there = true;
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        is_there = is_there && to.write_all(&bytes[..read]).await.is_ok();
    }
    let _ = to.shutdown().await;
}
