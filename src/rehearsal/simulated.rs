//! The simulated site, put together: instances, folders, pool, and the doors to them.

mod doors;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::assembly::{Assembly, Parts, SINCE_LAST_LOG, SINCE_LOSS, lay_logs};
use super::backup_file;
use super::backup_set::{Form, SetKind};
use super::cmdlets::{Cmdlets, Pool, RehearsedPowerShell, Witness, lock};
use super::folders::{FolderEffect, Folders, OsError, Volume};
use super::lab::{Event, Target};
use super::manner::Keys;
use super::network::Network;
use super::trouble::Trouble;
use super::world::{Executed, MadeLog, Outcome, PrimarySide, Shared, Start, WorldOptions};
pub use doors::Manners;
use doors::SimulatedDial;
pub(super) use doors::WorldDatabases;

use crate::access::powershell::Launch;
use crate::access::sql::Dial;
use crate::model::{Instance, Role};
use crate::site::Site;

/// Bytes of a log backup.
const LOG_BYTES: u64 = 4 * 1024 * 1024;

/// Which log backups the site has.
#[derive(Clone, Debug)]
pub enum Logs {
    /// So many, made up.
    Made(usize),
    /// Real ones: name, first bytes, last bytes, size.
    Real(Vec<RealLog>),
}

/// A real file.
#[derive(Clone, Debug)]
pub struct RealLog {
    /// Its name.
    pub name: String,
    /// Its first bytes, [`backup_file::END`] at most.
    pub head: Vec<u8>,
    /// Its last bytes, likewise.
    pub tail: Vec<u8>,
    /// Its size.
    pub size: u64,
}

/// How long things take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// As on a middling site.
    Real,
    /// No time at all.
    Zero,
}

/// What site to build.
#[derive(Clone)]
pub struct Recipe {
    /// Its log backups.
    pub logs: Logs,
    /// How long things take.
    pub times: Times,
    /// A seed replays a rehearsal exactly.
    pub seed: u64,
    /// How it stands.
    pub start: Start,
    /// Changes to the options of the world: the variants that tests need.
    pub vary: fn(&mut WorldOptions),
    /// What goes wrong there.
    pub with: Vec<&'static Trouble>,
}

impl Recipe {
    /// The normal state, with log shipping one log backup behind.
    pub fn in_step(logs: Logs) -> Self {
        Self {
            start: Start::Normal,
            vary: |options| {
                options.copied = options.logs.len();
                options.restored = options.logs.len().saturating_sub(1);
            },
            ..Self::disaster(logs)
        }
    }

    /// Failed over, with the primary data center rebuilt.
    pub fn failed_over(logs: Logs) -> Self {
        Self {
            start: Start::FailedOver,
            ..Self::disaster(logs)
        }
    }

    /// Failed over, with the primary data center back as it was.
    pub fn returned(logs: Logs) -> Self {
        Self {
            vary: |options| options.primary = PrimarySide::Unchanged,
            ..Self::failed_over(logs)
        }
    }

    /// A disaster with so many log backups.
    pub fn disaster(logs: Logs) -> Self {
        Self {
            logs,
            times: Times::Real,
            seed: 1,
            start: Start::Disaster,
            vary: |_| (),
            with: Vec::new(),
        }
    }
}

/// Why a site cannot be simulated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoSite {
    /// A folder of real log backups holds none of the chat database.
    #[error("none of the files is a readable log backup of `{0}`")]
    NoLogs(String),
    /// A file cannot be laid where the site file says.
    #[error("`{0}` cannot be laid on the simulated shares: system error {1}")]
    NoFile(String, u32),
}

/// Something that changed the simulated site.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A batch with effects.
    Sql(Executed),
    /// A cmdlet.
    Cmdlet {
        /// Its name.
        cmdlet: String,
        /// Its parameters as they were sent.
        parameters: Value,
    },
    /// A file.
    File(FolderEffect),
}

/// Every change, in order, by whomever.
#[derive(Clone, Default)]
pub struct Changes(Arc<Mutex<Vec<Change>>>);

impl Changes {
    /// All so far.
    pub fn all(&self) -> Vec<Change> {
        lock(&self.0).clone()
    }

    fn push(&self, change: Change) {
        lock(&self.0).push(change);
    }
}

impl Witness for Changes {
    fn effect(&self, cmdlet: &str, parameters: &Value) {
        self.push(Change::Cmdlet {
            cmdlet: cmdlet.to_owned(),
            parameters: parameters.clone(),
        });
    }
}

/// The simulated site.
pub struct SimulatedSite {
    /// Its instances.
    pub world: Shared,
    /// Its shares.
    pub folders: Folders,
    /// Its pool.
    pub pool: Arc<Mutex<Pool>>,
    /// Its management shell.
    pub cmdlets: Arc<Cmdlets>,
    /// How its instances answer.
    pub manners: Manners,
    /// What carries statements to them.
    pub network: Network,
    /// Their certificates; none where no client wants any.
    pub keys: Arc<Keys>,
    /// What changed it.
    pub changes: Changes,
    executions: AtomicU64,
    /// When it begins, UTC.
    pub begins: Timestamp,
    /// When the primary data center was lost; all simulated servers keep UTC.
    pub lost_at: DateTime,
}

impl SimulatedSite {
    /// Builds a site. Call inside the runtime whose clock is its time.
    ///
    /// # Errors
    /// When the given files hold no log backup of the site's chat database.
    pub fn build(site: &Site, recipe: &Recipe) -> Result<Self, NoSite> {
        let assembly = Assembly {
            site,
            start: recipe.start,
            times: recipe.times,
            seed: recipe.seed,
        };
        let (logs, shipped) = match &recipe.logs {
            // Some are applied, some only copied, the others still on the share.
            Logs::Made(count) => (
                assembly.logs(*count, first_day(), LOG_BYTES),
                (count / 8, count / 4),
            ),
            Logs::Real(files) => (read_logs(site, files, recipe.seed)?, (0, 0)),
        };
        let last = logs.iter().map(|log| log.set.finished).max();
        let lost_at = last
            .unwrap_or_else(first_day)
            .saturating_add(SINCE_LAST_LOG);
        let begins = TimeZone::UTC
            .to_timestamp(lost_at.saturating_add(SINCE_LOSS))
            .unwrap_or(Timestamp::UNIX_EPOCH);
        let clock = crate::access::Clock::simulated(begins);
        let now: super::world::Now = Arc::new(move || clock.now());

        let changes = Changes::default();
        let folders = folders(site, recipe.times, &now, &changes);
        let files = Arc::new(folders.clone());
        let mut options = assembly.options(now, files, logs, shipped);
        let seen = changes.clone();
        options.hook = Some(Arc::new(move |executed: &Executed| {
            if executed.effect && executed.outcome == Outcome::Done {
                seen.push(Change::Sql(executed.clone()));
            }
        }));
        (recipe.vary)(&mut options);
        for trouble in &recipe.with {
            trouble.build(&mut options);
        }
        lay_files(site, &folders, &recipe.logs, &options)?;
        let Parts {
            world,
            pool,
            cmdlets,
        } = assembly.build(&options, Arc::new(changes.clone()));
        let simulated = Self {
            world,
            folders,
            pool,
            cmdlets,
            manners: Manners::default(),
            network: Network::default(),
            keys: Arc::new(Keys::none()),
            changes,
            executions: AtomicU64::new(0),
            begins,
            lost_at,
        };
        for trouble in &recipe.with {
            trouble.begin(&simulated);
        }
        Ok(simulated)
    }

    /// Something happens there, as in a lab.
    pub fn happen(&self, event: Event) {
        match event {
            Event::Down(target) | Event::Up(target) => {
                let up = matches!(event, Event::Up(_));
                if let Target::DataCenter { primary } = target {
                    lock(&self.pool).set_alive(primary, up);
                }
                for role in target.roles() {
                    if up {
                        self.world.up(*role);
                    } else {
                        self.world.down(*role);
                    }
                }
            }
            Event::Share { open } => {
                let instances = self.world.with(|state| {
                    let servers = state.instances.values();
                    servers.map(|it| it.key.clone()).collect::<Vec<_>>()
                });
                self.folders.change("backup", |share| {
                    share.denied.clear();
                    if !open {
                        share.denied.extend(instances);
                    }
                });
            }
            Event::Store { up } => lock(&self.pool).store.reachable = up,
            Event::RebuildPrimary => self.world.rebuild(),
            Event::Answer(role, manner) => {
                for instance in [Instance::chat(role), Instance::compliance(role)] {
                    self.manners.set(instance, manner);
                }
            }
            Event::Practice(trouble) => trouble.begin(self),
        }
    }

    /// A number for an execution of the program there, which no other has.
    pub fn next_execution(&self) -> u64 {
        self.executions.fetch_add(1, Ordering::Relaxed)
    }

    /// Door to its instances. One that is down never answers: that is what a dead host looks like.
    pub fn dial(&self) -> Arc<dyn Dial> {
        Arc::new(SimulatedDial {
            world: Arc::clone(&self.world),
            pool: Arc::clone(&self.pool),
            manners: self.manners.clone(),
            network: self.network.clone(),
            keys: Arc::clone(&self.keys),
        })
    }

    /// Door to its management shell.
    pub fn launch(&self) -> Arc<dyn Launch> {
        Arc::new(RehearsedPowerShell(Arc::clone(&self.cmdlets)))
    }

    /// What was asked that the simulation does not know: a rehearsal with any of it has failed.
    pub fn unknown(&self) -> Vec<String> {
        self.world.unknown()
    }
}

/// A fixed day: the same rehearsal on every machine, whatever its clock.
fn first_day() -> DateTime {
    jiff::civil::date(2026, 1, 14).at(2, 33, 0, 0)
}

/// Reads the log backups of the chat database among real files.
fn read_logs(site: &Site, files: &[RealLog], seed: u64) -> Result<Vec<MadeLog>, NoSite> {
    let mut guids = super::world::Guids::new(seed);
    let (family, fork) = (guids.next(), guids.next());
    let chat = &site.database.chat;
    let mut logs: Vec<MadeLog> = files
        .iter()
        .filter_map(|file| {
            let set = backup_file::set_of(&file.head, &file.tail, file.size, family, fork)?;
            Some(MadeLog {
                name: file.name.clone(),
                set,
                size: file.size,
                form: Form::default(),
            })
        })
        .filter(|log| log.set.kind == SetKind::Log && chat.is(&log.set.database))
        .collect();
    logs.sort_by_key(|log| (log.set.first_lsn, log.set.last_lsn));
    for (index, log) in logs.iter_mut().enumerate() {
        log.set.messages = 100 + index as u64;
    }
    if logs.is_empty() {
        return Err(NoSite::NoLogs(chat.to_string()));
    }
    Ok(logs)
}

fn lay_files(
    site: &Site,
    folders: &Folders,
    given: &Logs,
    options: &WorldOptions,
) -> Result<(), NoSite> {
    let refused = |path: &str, OsError(number): OsError| NoSite::NoFile(path.to_owned(), number);
    let logs = &options.logs;
    lay_logs(site, logs, options.copied, |path, log| {
        let laid = folders.put_formed(path, vec![log.set.clone()], log.size, log.form);
        laid.map_err(|error| refused(path, error))
    })?;
    // Files that are no log backups of this database lie on the share too: they must not disturb.
    if let Logs::Real(files) = given {
        for file in files {
            if !logs.iter().any(|log| log.name == file.name) {
                let path = site.shares.backup.join(&file.name);
                folders
                    .put_bytes(&path, &file.head)
                    .map_err(|error| refused(&path, error))?;
            }
        }
    }
    Ok(())
}

fn folders(site: &Site, times: Times, now: &super::world::Now, changes: &Changes) -> Folders {
    let seen = changes.clone();
    let folders =
        Folders::new(Arc::clone(now)).with_hook(Arc::new(move |effect: &FolderEffect| {
            seen.push(Change::File(effect.clone()));
        }));
    let shares = &site.shares;
    let mut named = vec![("backup", &shares.backup), ("copy", &shares.copy)];
    named.extend(shares.mirror.as_ref().map(|path| ("mirror", path)));
    named.extend(shares.archive.as_ref().map(|path| ("archive", path)));
    named.extend(
        site.log_backups
            .iter()
            .map(|log| ("log backups", &log.folder)),
    );
    for (name, path) in named {
        let host = path.unc_host().unwrap_or("this machine");
        let mut volume = Volume::new(name, path.as_str(), host);
        if name == "copy" {
            volume
                .aliases
                .push((Role::Backup.key().to_owned(), shares.copy_local.to_string()));
        }
        if name == "log backups" {
            // A folder of a drive is there on both instances of the second data center.
            for role in [Role::Backup, Role::BackupMirror] {
                let alias = (role.key().to_owned(), path.to_string());
                volume.aliases.push(alias);
            }
        }
        if times == Times::Real {
            volume.latency = Duration::from_millis(3);
            volume.throughput = Some(60_000_000);
        }
        folders.add(volume);
    }
    folders
}

/// Addresses of a site's instances, as messages name them.
pub fn addresses(site: &Site) -> BTreeMap<Instance, String> {
    site.sql
        .instances
        .iter()
        .map(|(instance, server)| (*instance, server.to_string()))
        .collect()
}
