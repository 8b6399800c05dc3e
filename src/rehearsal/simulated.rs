//! The simulated site, put together: instances, folders, pool, and the doors to them.

mod doors;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::backup_file;
use super::cmdlets::{self, Cmdlets, Pool, RehearsedPowerShell, Witness};
use super::folders::{FolderEffect, Folders, OsError, Volume};
use super::world::{
    Backup, Executed, LogRecipe, MadeLog, Outcome, PrimarySide, ServiceTimes, Shared, Start, World,
    WorldOptions,
};
pub(super) use doors::WorldDatabases;
use doors::{Engines, SimulatedDial};

use crate::access::powershell::Launch;
use crate::access::sql::Dial;
use crate::model::states::PoolState;
use crate::model::{Instance, Role};
use crate::site::Site;

/// Time between the last log backup and the loss of the data center.
const SINCE_LAST_LOG: Duration = Duration::from_mins(7);

/// Time between the loss and the beginning of the rehearsal.
const SINCE_LOSS: Duration = Duration::from_mins(20);

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
}

impl Recipe {
    /// Failed over, with the primary data center rebuilt.
    pub fn failed_over(logs: Logs) -> Self {
        Self {
            start: Start::FailedOver,
            ..Self::disaster(logs)
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
    /// What changed it.
    pub changes: Changes,
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
        let logs = logs(site, recipe)?;
        let last = logs
            .iter()
            .map(|log| log.set.finished)
            .max()
            .unwrap_or_else(first_day);
        let lost_at = last.saturating_add(signed(SINCE_LAST_LOG));
        let begins = lost_at.saturating_add(signed(SINCE_LOSS));
        let begins = TimeZone::UTC
            .to_timestamp(begins)
            .unwrap_or(Timestamp::UNIX_EPOCH);
        let clock = crate::access::Clock::simulated(begins);
        let now: super::world::Now = Arc::new(move || clock.now());

        let changes = Changes::default();
        let folders = folders(site, recipe.times, &now, &changes);
        let (restored, copied) = match recipe.logs {
            // Some are applied, some only copied, the others still on the share.
            Logs::Made(count) => (count / 8, count / 4),
            Logs::Real(_) => (0, 0),
        };
        let mut options = WorldOptions::new(Arc::clone(&now), Arc::new(Engines(folders.clone())));
        options.start = recipe.start;
        options.seed = recipe.seed;
        options.logs.clone_from(&logs);
        options.restored = restored;
        options.copied = copied;
        options.unshipped = 5;
        options.service = match recipe.times {
            Times::Real => ServiceTimes::REAL,
            Times::Zero => ServiceTimes::ZERO,
        };
        let seen = changes.clone();
        options.hook = Some(Arc::new(move |executed: &Executed| {
            if executed.effect && executed.outcome == Outcome::Done {
                seen.push(Change::Sql(executed.clone()));
            }
        }));
        if recipe.start == Start::FailedOver {
            options.primary = PrimarySide::Fresh;
            options.backup = Backup::Recovered;
            options.copied = logs.len();
        }
        (recipe.vary)(&mut options);
        let copied = options.copied;
        lay_files(site, &folders, &recipe.logs, &options.logs, copied)?;
        let world = World::build(site, &options);

        let mut pool = Pool::from_site(site);
        match recipe.start {
            Start::Normal => {}
            Start::Disaster => pool.set_alive(true, false),
            Start::FailedOver => after_failover(site, &world, &mut pool),
        }
        let pool = Arc::new(Mutex::new(pool));
        let cmdlets = Arc::new(Cmdlets::new(
            Arc::clone(&pool),
            Arc::new(WorldDatabases(Arc::clone(&world))),
            Arc::new(changes.clone()),
            match recipe.times {
                Times::Real => cmdlets::ServiceTimes::real(),
                Times::Zero => cmdlets::ServiceTimes::ZERO,
            },
        ));
        Ok(Self {
            world,
            folders,
            pool,
            cmdlets,
            changes,
            begins,
            lost_at,
        })
    }

    /// Door to its instances. One that is down never answers: that is what a dead host looks like.
    pub fn dial(&self) -> Arc<dyn Dial> {
        Arc::new(SimulatedDial(Arc::clone(&self.world)))
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

/// What F5 to F7 left: the pool, its servers, and the backup's chat database mirrored.
pub(super) fn after_failover(site: &Site, world: &Shared, pool: &mut Pool) {
    mirror_backup(site, world);
    pool.set_state(PoolState::FailedOver);
    let active = site.pool.failed_over.iter().map(ToString::to_string);
    pool.set_active(active.collect());
    world.chat_servers_changed(pool.active(), true);
}

/// What F6 left: the backup's chat database, mirrored to the backup mirror.
fn mirror_backup(site: &Site, world: &Shared) {
    if let (Some(backup), Some(mirror), Some(share)) = (
        site.chat(Role::Backup),
        site.chat(Role::BackupMirror),
        &site.shares.mirror,
    ) && let Err(why) = world.set_up_mirror(false, backup, mirror, share.as_str(), false)
    {
        // A variant without a database to mirror; the steps say so.
        world.with(|state| state.not_known(why));
    }
}

/// A fixed day: the same rehearsal on every machine, whatever its clock.
fn first_day() -> DateTime {
    jiff::civil::date(2026, 1, 14).at(2, 33, 0, 0)
}

fn signed(duration: Duration) -> jiff::SignedDuration {
    jiff::SignedDuration::try_from(duration).unwrap_or(jiff::SignedDuration::MAX)
}

fn logs(site: &Site, recipe: &Recipe) -> Result<Vec<MadeLog>, NoSite> {
    let names = World::server_names(site);
    let server = |role| {
        names
            .get(&Instance::chat(role))
            .cloned()
            .unwrap_or_default()
    };
    match &recipe.logs {
        Logs::Made(count) => {
            let mut made = LogRecipe::new(
                site.database.chat.as_str(),
                &server(Role::Primary),
                *count,
                first_day(),
            );
            made.seed = recipe.seed;
            made.bytes = 4 * 1024 * 1024;
            made.empty_every = 9;
            Ok(World::make_logs(&made))
        }
        Logs::Real(files) => {
            let mut guids = super::world::Guids::new(recipe.seed);
            let (family, fork) = (guids.next(), guids.next());
            let mut logs: Vec<MadeLog> = files
                .iter()
                .filter_map(|file| {
                    let set = backup_file::set_of(&file.head, &file.tail, file.size, family, fork)?;
                    Some(MadeLog {
                        name: file.name.clone(),
                        set,
                        size: file.size,
                    })
                })
                .filter(|log| {
                    log.set.kind == super::backup_set::SetKind::Log
                        && site.database.chat.is(&log.set.database)
                })
                .collect();
            logs.sort_by_key(|log| (log.set.first_lsn, log.set.last_lsn));
            for (index, log) in logs.iter_mut().enumerate() {
                log.set.messages = 100 + index as u64;
            }
            if logs.is_empty() {
                return Err(NoSite::NoLogs(site.database.chat.to_string()));
            }
            Ok(logs)
        }
    }
}

/// Lays the log backups on the share, and the first of them in the copy folder.
fn lay_files(
    site: &Site,
    folders: &Folders,
    given: &Logs,
    logs: &[MadeLog],
    copied: usize,
) -> Result<(), NoSite> {
    let refused = |path: &str, OsError(number): OsError| NoSite::NoFile(path.to_owned(), number);
    for (index, log) in logs.iter().enumerate() {
        let places = [&site.shares.backup, &site.shares.copy];
        let wanted = if index < copied { 2 } else { 1 };
        for folder in &places[..wanted] {
            let path = folder.join(&log.name);
            folders
                .put_backup(&path, vec![log.set.clone()], log.size)
                .map_err(|error| refused(&path, error))?;
        }
    }
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
    for (name, path) in named {
        let host = path.unc_host().unwrap_or("this machine");
        let mut volume = Volume::new(name, path.as_str(), host);
        if name == "copy" {
            volume
                .aliases
                .push((Role::Backup.key().to_owned(), shares.copy_local.to_string()));
        }
        if times == Times::Real {
            volume.latency = Duration::from_millis(3);
            volume.throughput = Some(60_000_000);
        }
        folders.add(volume);
    }
    folders
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Lists only grow by whole entries, whoever panicked meanwhile.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Addresses of a site's instances, as messages name them.
pub fn addresses(site: &Site) -> BTreeMap<Instance, String> {
    site.sql
        .instances
        .iter()
        .map(|(instance, server)| (*instance, server.to_string()))
        .collect()
}
