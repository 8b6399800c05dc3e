//! The lab (`design.md` 10): the simulated site on real sockets, over real folders, on the wall clock.
//!
//! One port of 127.0.0.1 for each instance, one more for the Skype cmdlets, and a folder that holds
//! all that a client needs: `site.toml`, the authority, the password, the shares.

mod event;
mod folder;
mod guard;
mod port;
mod shares;
mod shell;
mod site_file;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::civil::DateTime;

pub use event::{Event, Target, UnknownEvent};
pub use folder::{FolderError, MARK};
pub use shell::TOKEN_LIMIT;

use super::assembly::{Assembly, Parts, SINCE_LAST_LOG, SINCE_LOSS, lay_logs};
use super::cmdlets::{Cmdlets, Pool};
use super::manner::{Keys, NoKeys};
use super::simulated::{Changes, Times};
use super::tds::Encryption;
use super::trouble::Scene;
use super::world::{self, Files, Now, Shared, Start};
use crate::access::Clock;
use crate::model::{Instance, SqlServer};
use crate::site::Site;
use folder::Folder;
use guard::Guarded;
use port::{Port, Terms};
use shares::{Shares, whole_second};
use shell::Shell;

/// The only login that the lab's instances know.
pub const USER: &str = "pchadr";

/// Bytes of a log backup: small, since clients copy them in full.
const LOG_BYTES: u64 = 256 * 1024;

/// What lab to open.
#[derive(Clone)]
pub struct Options {
    /// Its folder; made where it is missing.
    pub folder: PathBuf,
    /// How the site stands.
    pub state: Start,
    /// What the instances do about encryption.
    pub encryption: Encryption,
    /// How long things take.
    pub times: Times,
    /// Log backups on the share.
    pub logs: usize,
    /// They are written so that only an instance can read them.
    pub compressed: bool,
    /// GUIDs and LSNs follow from it.
    pub seed: u64,
    /// Password of [`USER`].
    pub password: String,
    /// What a client of the cmdlets says first: one line, at most [`TOKEN_LIMIT`] bytes.
    pub token: String,
    /// Makes the log-shipping configuration that [`Start::FailedOver`] has saved, of the lab's own
    /// site: the bytes of its file.
    pub saved: fn(&Site) -> io::Result<Vec<u8>>,
    /// The stand-in for PowerShell; it gets `lab-shell`, an address and the token's file.
    pub shell: PathBuf,
}

/// Why a lab cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// Its folder is somebody else's, or in use.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A file of it cannot be written, or a port cannot be had.
    #[error("{0}: {1}")]
    Io(String, #[source] io::Error),
    /// No certificates, or no TLS with them.
    #[error(transparent)]
    NoKeys(#[from] NoKeys),
    /// What was written is no site file: the site or the folder has a name that cannot stand there.
    #[error("the lab's site file would not load: {0}")]
    SiteFile(String),
}

/// An instance as clients find it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which.
    pub instance: Instance,
    /// `127.0.0.1,port`
    pub address: SqlServer,
    /// It listens.
    pub up: bool,
}

/// An open lab. Dropped, it listens no more; its folder stays.
pub struct Lab {
    folder: Folder,
    world: Shared,
    shares: Arc<Shares>,
    pool: Arc<Mutex<Pool>>,
    cmdlets: Arc<Cmdlets>,
    ports: BTreeMap<Instance, Port>,
    /// Kept: dropped, it ends.
    _shell: Shell,
    /// How many of the unknown statements were told.
    told: usize,
    lost_at: Option<DateTime>,
}

impl Lab {
    /// Opens a lab of `site`, and writes its site file when all listen. Call inside a runtime with
    /// I/O and time; everything runs in tasks of it.
    ///
    /// # Errors
    /// Nothing of the folder is touched when it is somebody else's; else what was written stays.
    pub async fn open(site: &Site, clock: Clock, options: &Options) -> Result<Self, LabError> {
        let folder = Folder::take(&options.folder)?;
        let now: Now = Arc::new(move || clock.now());

        let keys = Arc::new(Keys::new(now(), options.encryption)?);
        let wrote = |what: &str| {
            let what = what.to_owned();
            move |error| LabError::Io(what, error)
        };
        folder
            .write(folder::AUTHORITY, keys.authority().as_bytes(), false)
            .map_err(wrote("the authority cannot be written"))?;
        for (name, text) in [
            (folder::PASSWORD, &options.password),
            (folder::TOKEN, &options.token),
        ] {
            folder
                .write(name, text.as_bytes(), true)
                .map_err(wrote("a secret cannot be written"))?;
        }

        let no_port = wrote("no port of 127.0.0.1 can be had");
        let mut ports = BTreeMap::new();
        for instance in site.sql.instances.keys() {
            let port = Port::reserve().map_err(wrote("no port of 127.0.0.1 can be had"))?;
            ports.insert(*instance, port);
        }
        let shell = Shell::bind().await.map_err(no_port)?;

        let text = site_file::text(site, &folder, &ports, shell.address(), options);
        // The simulated site is the one that clients will read, not the one it was made after.
        let own = Site::parse(&text, folder::SITE, folder.path()).map_err(|problems| {
            let first = problems.problems.first();
            let told = first.map(|problem| format!("{}: {}", problem.key, problem.what));
            LabError::SiteFile(told.unwrap_or_default())
        })?;
        if options.state == Start::FailedOver {
            let saved =
                (options.saved)(&own).and_then(|bytes| folder.write(folder::SAVED, &bytes, false));
            saved.map_err(wrote("the saved configuration cannot be written"))?;
        }
        let (built, shares, lost_at) =
            build(&own, &now, &folder, options).map_err(wrote("a log backup cannot be written"))?;

        for (instance, port) in &mut ports {
            let server = Guarded::new(built.world.server(*instance), USER, &options.password);
            port.serve(Terms {
                server: Arc::new(server),
                keys: Arc::clone(&keys),
                manner: Arc::default(),
            });
            if built.world.is_up(*instance) {
                port.up().map_err(wrote("a port cannot be listened at"))?;
            }
        }
        let shell = shell.serve(Arc::clone(&built.cmdlets), options.token.clone());
        folder
            .publish(&text)
            .map_err(wrote("the site file cannot be written"))?;
        Ok(Self {
            folder,
            world: built.world,
            shares,
            pool: built.pool,
            cmdlets: built.cmdlets,
            ports,
            _shell: shell,
            told: 0,
            lost_at,
        })
    }

    /// Its folder, absolute.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The site file that leads to it.
    pub fn site_file(&self) -> PathBuf {
        self.folder.path().join(folder::SITE)
    }

    /// The file with the password of [`USER`].
    pub fn password_file(&self) -> PathBuf {
        self.folder.path().join(folder::PASSWORD)
    }

    /// The authority that signed the instances' certificates.
    pub fn authority_file(&self) -> PathBuf {
        self.folder.path().join(folder::AUTHORITY)
    }

    /// Its instances.
    pub fn places(&self) -> Vec<Place> {
        let place = |(instance, port): (&Instance, &Port)| Place {
            instance: *instance,
            address: port.address(),
            up: port.is_up(),
        };
        self.ports.iter().map(place).collect()
    }

    /// When the primary data center was lost, UTC; `None` where it was not.
    pub fn lost_at(&self) -> Option<DateTime> {
        self.lost_at
    }

    /// Changes the world.
    ///
    /// # Errors
    /// When a port can no longer be listened at: another program has taken it meanwhile.
    pub async fn happen(&mut self, event: Event) -> io::Result<()> {
        let (target, up) = match event {
            Event::Down(target) => (target, false),
            Event::Up(target) => (target, true),
            Event::RebuildPrimary => return self.rebuild_primary().await,
            Event::Share { open } => {
                self.shares.close(!open);
                return Ok(());
            }
            Event::Store { up } => {
                let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
                pool.store.reachable = up;
                return Ok(());
            }
            Event::Answer(role, manner) => {
                for instance in [Instance::chat(role), Instance::compliance(role)] {
                    if let Some(port) = self.ports.get(&instance) {
                        port.answer(manner);
                    }
                }
                return Ok(());
            }
            Event::Practice(trouble) => {
                let events = trouble.begin_in_lab(&Scene {
                    world: &self.world,
                    cmdlets: &self.cmdlets,
                });
                for event in events {
                    Box::pin(self.happen(event)).await?;
                }
                return Ok(());
            }
        };
        if let Target::DataCenter { primary } = target {
            let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
            pool.set_alive(primary, up);
        }
        for role in target.roles() {
            if up {
                self.world.up(*role);
            }
            for instance in [Instance::chat(*role), Instance::compliance(*role)] {
                let Some(port) = self.ports.get_mut(&instance) else {
                    continue;
                };
                if up {
                    port.up()?;
                } else {
                    port.down().await?;
                }
            }
            // The listeners go first: what is lost says no last words.
            if !up {
                self.world.down(*role);
            }
        }
        Ok(())
    }

    /// Loses the primary data center where it is not lost, and installs it anew.
    async fn rebuild_primary(&mut self) -> io::Result<()> {
        let primary = Target::DataCenter { primary: true };
        Box::pin(self.happen(Event::Down(primary))).await?;
        self.world.rebuild();
        Box::pin(self.happen(Event::Up(primary))).await
    }

    /// Ports listen whose instances came back by themselves.
    ///
    /// # Errors
    /// As for [`Self::happen`].
    pub fn follow(&mut self) -> io::Result<()> {
        for (instance, port) in &mut self.ports {
            if self.world.is_up(*instance) {
                port.up()?;
            }
        }
        Ok(())
    }

    /// Lets happen in the world what is due, and tells what it was asked since the last call and
    /// does not know.
    pub fn unknown(&mut self) -> Vec<String> {
        let all = self.world.unknown();
        let new = all.get(self.told..).unwrap_or_default().to_vec();
        self.told = all.len();
        new
    }
}

/// The simulated site behind the sockets, and when its primary data center was lost.
fn build(
    site: &Site,
    now: &Now,
    folder: &Folder,
    options: &Options,
) -> io::Result<(Parts, Arc<Shares>, Option<DateTime>)> {
    // Headers know whole seconds.
    let opened = whole_second(world::utc(now()));
    let lost_at = opened.saturating_sub(SINCE_LOSS);
    let assembly = Assembly {
        site,
        start: options.state,
        times: options.times,
        seed: options.seed,
    };
    let last = match options.state {
        Start::Normal => opened,
        Start::Disaster | Start::FailedOver => lost_at,
    };
    let mut logs = assembly.logs(options.logs, last.saturating_sub(SINCE_LAST_LOG), LOG_BYTES);
    for log in &mut logs {
        log.form.opaque = options.compressed;
    }
    // In a disaster many are still on the share only; before it, log shipping is at its end.
    let shipped = match options.state {
        Start::Normal => (logs.len().saturating_sub(2), logs.len().saturating_sub(1)),
        Start::Disaster | Start::FailedOver => (logs.len() / 8, logs.len() / 4),
    };
    let shares = Arc::new(Shares::new(
        &folder.shares(),
        Path::new(site.shares.backup.as_str()),
    )?);
    let files = Arc::clone(&shares) as Arc<dyn Files>;
    let mut world = assembly.options(Arc::clone(now), files, logs, shipped);
    world.schedules = true;
    lay_logs(site, &world.logs, world.copied, |path, log| {
        shares.lay(
            Path::new(path),
            vec![log.set.clone()],
            log.size,
            log.form,
            true,
        )
    })?;
    let parts = assembly.build(&world, Arc::new(Changes::default()));
    if options.state == Start::FailedOver {
        parts.world.synchronize();
    }
    let disaster = options.state == Start::Disaster;
    Ok((parts, shares, disaster.then_some(lost_at)))
}
