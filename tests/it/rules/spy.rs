//! Doors that note every byte on its way out, and how much of the journal was durable then.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use pchadr::access::powershell::{Launch, Launched, PowerShellDoor, ProcessId};
use pchadr::access::secret::Password;
use pchadr::access::shares::{Answer, Ends, Entry, Shares};
use pchadr::access::sql::{Dial, DoorLimits, SignIn, SqlDoor};
use pchadr::access::{Access, ByteStream};
use pchadr::cli::rehearse::Stage;
use pchadr::model::Instance;
use pchadr::rehearsal::simulated::addresses;
use pchadr::run::store::MemoryStore;
use pchadr::site::Site;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Something that left.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Left {
    /// A connection to an instance was opened.
    Dialed(Instance),
    /// Bytes to an instance, or to the management shell.
    Bytes(Vec<u8>),
    /// A file was looked at, or a folder listed.
    Looked(String),
    /// Bytes of a file were copied.
    Copied {
        /// Source.
        from: String,
        /// Where to.
        to: String,
    },
    /// A file was made, renamed, written or removed.
    Changed(String),
}

/// All that left, with the durable length of the journal at that moment.
#[derive(Clone)]
pub(crate) struct Spy {
    left: Arc<Mutex<Vec<(usize, Left)>>>,
    store: MemoryStore,
}

impl Spy {
    pub(crate) fn new(store: &MemoryStore) -> Self {
        Self {
            left: Arc::default(),
            store: store.clone(),
        }
    }

    pub(crate) fn left(&self) -> Vec<(usize, Left)> {
        self.left.lock().expect("the notes").clone()
    }

    fn note(&self, left: Left) {
        let synced = self.store.synced();
        self.left.lock().expect("the notes").push((synced, left));
    }

    /// Doors to a stage, with this spy in each.
    pub(crate) fn doors(&self, site: &Site, stage: &Stage) -> Access {
        let sign_in = SignIn::clear("pchadr", Password::new("rehearsal".to_owned()));
        let limits = DoorLimits {
            connect: site.limits.connect,
            login: site.limits.login,
            query: site.limits.query,
        };
        let dial = SpyDial(self.clone(), stage.simulated.dial());
        let launch = SpyLaunch(self.clone(), stage.simulated.launch());
        let shares = SpyShares(self.clone(), stage.access.shares.clone());
        Access {
            sql: Arc::new(SqlDoor::new(
                Arc::new(dial),
                addresses(site),
                sign_in,
                limits,
            )),
            powershell: Arc::new(PowerShellDoor::new(
                Arc::new(launch),
                &site.powershell.module,
                site.limits.powershell,
                7,
            )),
            shares: Arc::new(shares),
            headers: Arc::default(),
            clock: stage.access.clock,
        }
    }
}

struct SpyDial(Spy, Arc<dyn Dial>);

impl Dial for SpyDial {
    fn dial(&self, instance: Instance) -> BoxFuture<'_, io::Result<Box<dyn ByteStream>>> {
        Box::pin(async move {
            self.0.note(Left::Dialed(instance));
            let inner = self.1.dial(instance).await?;
            Ok(Box::new(SpyStream(self.0.clone(), inner)) as Box<dyn ByteStream>)
        })
    }

    fn knock<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<()>> {
        self.1.knock(host, port)
    }
}

struct SpyLaunch(Spy, Arc<dyn Launch>);

impl Launch for SpyLaunch {
    fn launch(&self) -> BoxFuture<'_, io::Result<Launched>> {
        Box::pin(async move {
            let Launched { stream, process } = self.1.launch().await?;
            Ok(Launched {
                stream: Box::new(SpyStream(self.0.clone(), stream)),
                process,
            })
        })
    }

    fn is_there(&self, process: &ProcessId) -> bool {
        self.1.is_there(process)
    }

    fn end(&self, process: &ProcessId) {
        self.1.end(process);
    }
}

struct SpyStream(Spy, Box<dyn ByteStream>);

impl AsyncRead for SpyStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.1).poll_read(cx, buffer)
    }
}

impl AsyncWrite for SpyStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.note(Left::Bytes(bytes.to_vec()));
        Pin::new(&mut self.1).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.1).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.1).poll_shutdown(cx)
    }
}

struct SpyShares(Spy, Arc<dyn Shares>);

impl SpyShares {
    fn looked(&self, path: &str) {
        self.0.note(Left::Looked(path.to_owned()));
    }

    fn changed(&self, path: &str) {
        self.0.note(Left::Changed(path.to_owned()));
    }
}

impl Shares for SpyShares {
    fn list<'a>(&'a self, folder: &'a str) -> Answer<'a, Vec<Entry>> {
        self.looked(folder);
        self.1.list(folder)
    }

    fn free<'a>(&'a self, folder: &'a str) -> Answer<'a, u64> {
        self.looked(folder);
        self.1.free(folder)
    }

    fn ends<'a>(&'a self, path: &'a str, bytes: usize) -> Answer<'a, Ends> {
        self.looked(path);
        self.1.ends(path, bytes)
    }

    fn read<'a>(&'a self, path: &'a str) -> Answer<'a, Vec<u8>> {
        self.looked(path);
        self.1.read(path)
    }

    fn digest<'a>(&'a self, path: &'a str) -> Answer<'a, [u8; 32]> {
        self.looked(path);
        self.1.digest(path)
    }

    fn create<'a>(&'a self, path: &'a str) -> Answer<'a, ()> {
        self.changed(path);
        self.1.create(path)
    }

    fn append_from<'a>(
        &'a self,
        from: &'a str,
        offset: u64,
        length: u64,
        to: &'a str,
    ) -> Answer<'a, u64> {
        self.0.note(Left::Copied {
            from: from.to_owned(),
            to: to.to_owned(),
        });
        self.1.append_from(from, offset, length, to)
    }

    fn settle<'a>(&'a self, from: &'a str, to: &'a str) -> Answer<'a, ()> {
        self.changed(to);
        self.1.settle(from, to)
    }

    fn remove<'a>(&'a self, path: &'a str) -> Answer<'a, ()> {
        self.changed(path);
        self.1.remove(path)
    }

    fn write<'a>(&'a self, path: &'a str, bytes: &'a [u8]) -> Answer<'a, ()> {
        self.changed(path);
        self.1.write(path, bytes)
    }
}
