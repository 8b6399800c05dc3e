//! The simulated SQL Server instances of a site: their state, and what happens by itself in it.
//!
//! The world is one value behind a lock that is never held across an await. Nothing runs in the
//! background: what is due by now (a mirror that is in step, a job that ends) happens when somebody
//! looks. The rules are those of `reference/sql-server.md`; each stands where it is applied.

mod build;
mod chat;
pub mod database;
mod events;
pub mod files;
mod force;
pub mod history;
pub mod instance;
pub mod logs;
mod mirror;
pub mod msdb;
pub mod options;
mod practice;
pub mod summary;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::model::{Fqdn, Instance, Role, SqlServer};
use crate::rehearsal::backup_set::Guid;
use crate::rehearsal::tsql::guard_end;
use crate::site::Site;
use events::Due;
use instance::SqlInstance;

pub use chat::Idle;
pub use files::{FileView, Files};
pub use history::{Executed, FaultKind, Outcome, SqlFault};
pub use logs::{LogRecipe, MadeLog};
pub use options::{Backup, Now, PrimarySide, ServiceTimes, Start, WorldOptions};
pub use summary::Summary;

/// A world that several doors share.
pub type Shared = Arc<World>;

/// The instances of a site.
pub struct World {
    state: Mutex<State>,
    now: Now,
    pub(super) password: Option<String>,
    hook: Option<history::Hook>,
}

/// All that the lock guards.
pub struct State {
    /// The instances.
    pub instances: BTreeMap<Instance, SqlInstance>,
    /// Where backup files are.
    pub files: Arc<dyn Files>,
    /// How long things take.
    pub service: ServiceTimes,
    /// What was executed.
    pub history: Vec<Executed>,
    /// How often RESTORE HEADERONLY ran.
    pub headers_asked: usize,
    /// By which error a RESTORE tells damaged data (`sql-server.md` 2.5).
    pub damage: u32,
    /// Faults that wait.
    pub faults: Vec<SqlFault>,
    /// Every batch is error 102.
    pub answer_102_to_everything: bool,
    /// Statements, procedures and objects that the world does not know.
    pub unknown: Vec<String>,
    /// Makes GUIDs.
    pub guids: Guids,
    /// Log backups of the chat database, oldest first, by their file names.
    pub(super) logs: Vec<MadeLog>,
    due: Vec<Due>,
    names: Names,
    chat: Option<(Vec<String>, bool)>,
    /// Services whose sessions stay; `None` where idle servers leave.
    idle: Option<Vec<Idle>>,
    /// What the store replicates meanwhile: when chat servers know it, active ones, failed over.
    told: Vec<(Timestamp, (Vec<String>, bool))>,
    /// How long that takes (`skype-powershell.md` 1.4).
    pub replication: Duration,
    mirror_stalls: bool,
    readers_return: u32,
    schedules: bool,
    /// How long after it is asked the Agent starts a job (`sql-server.md` 1.2).
    pub jobs_late: Duration,
    waiting: Vec<practice::Waiting>,
    writable: Option<Vec<(Instance, Guid)>>,
    two_writable: Vec<String>,
}

/// What the world keeps of the site.
struct Names {
    chat: String,
    compliance: Option<String>,
    primary_servers: Vec<Fqdn>,
    mirror_share: Option<String>,
    servers: BTreeMap<Instance, SqlServer>,
}

impl World {
    /// Builds the world of a site.
    pub fn build(site: &Site, options: &WorldOptions) -> Shared {
        build::world(site, options)
    }

    /// Log backups for a world; [`LogRecipe`] says which.
    pub fn make_logs(recipe: &LogRecipe) -> Vec<MadeLog> {
        recipe.make()
    }

    /// `@@SERVERNAME` of every instance that a site has.
    pub fn server_names(site: &Site) -> BTreeMap<Instance, String> {
        build::server_names(site)
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        (self.now)()
    }

    /// Looks at the world, or changes it, after all that is due by now has happened.
    pub fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        let now = self.now();
        let mut state = self.lock();
        state.advance(now);
        let seen = look(&mut state);
        state.watch_writable();
        seen
    }

    /// Lets happen what is due by now.
    pub fn tick(&self) {
        self.with(|_| ());
    }

    /// True when an instance answers; a dial to any other is refused.
    pub fn is_up(&self, instance: Instance) -> bool {
        self.with(|state| state.instances.get(&instance).is_some_and(|i| i.up))
    }

    /// Takes the instances of a role down: connections break, partners see it.
    pub fn down(&self, role: Role) {
        self.with(|state| state.down(role));
    }

    /// Brings the instances of a role up again, as they were.
    pub fn up(&self, role: Role) {
        let now = self.now();
        self.with(|state| state.up(role, now));
    }

    /// The primary data center is rebuilt: its instances answer again, with fresh, empty databases as
    /// Topology Builder makes them, nothing mirrored, nothing shipped.
    pub fn rebuild(&self) {
        let now = self.now();
        self.with(|state| {
            for role in [Role::Primary, Role::PrimaryMirror] {
                state.down(role);
                build::empty(state, role, now);
                state.up(role, now);
            }
        });
    }

    /// `Install-CsMirrorDatabase`: mirrors the database of `database_type` (`PersistentChat`,
    /// `PersistentChatCompliance`) from the named principal to its mirror of the topology.
    ///
    /// # Errors
    /// A sentence, as the cmdlet would say it.
    pub fn install_mirror(
        &self,
        primary_fqdn: &str,
        primary_instance: Option<&str>,
        database_type: &str,
        drop_existing: bool,
    ) -> Result<(), String> {
        let now = self.now();
        self.with(|state| {
            state.install_mirror(
                primary_fqdn,
                primary_instance,
                database_type,
                drop_existing,
                now,
            )
        })
    }

    /// The same between two instances of the site, named by their entries, over a share.
    ///
    /// # Errors
    /// A sentence, as the cmdlet would say it.
    pub fn set_up_mirror(
        &self,
        compliance: bool,
        principal: &SqlServer,
        mirror: &SqlServer,
        share: &str,
        drop_existing: bool,
    ) -> Result<(), String> {
        let now = self.now();
        self.with(|state| {
            let [from, to] = [principal, mirror].map(|server| {
                state
                    .find(compliance, |known| known.same(server))
                    .ok_or_else(|| format!("SQL instance \"{server}\" is not known here."))
            });
            state.mirror(compliance, from?, to?, share, drop_existing, now)
        })
    }

    /// Says whether an instance, named by its entry, holds a database that serves and has no mirror.
    pub fn can_be_principal(&self, compliance: bool, server: &SqlServer) -> bool {
        self.with(|state| {
            let found = state.find(compliance, |known| known.same(server));
            let name = if compliance {
                state.names.compliance.as_deref()
            } else {
                Some(state.names.chat.as_str())
            };
            found
                .and_then(|instance| state.instances.get(&instance))
                .filter(|instance| instance.up)
                .zip(name)
                .and_then(|(instance, name)| instance.database(name))
                .is_some_and(|database| database.serves() && database.mirroring.is_none())
        })
    }

    /// Says whether an instance, named by its entry, holds a chat database that serves.
    pub fn serves_chat(&self, server: &SqlServer) -> bool {
        self.with(|state| {
            let found = state.find(false, |known| known.same(server));
            let instance = found.and_then(|instance| state.instances.get(&instance));
            let up = instance.filter(|instance| instance.up);
            up.and_then(|it| it.database(&state.names.chat))
                .is_some_and(database::Database::serves)
        })
    }

    /// `Invoke-CsDatabaseFailover`: makes the other partner, `to`, principal; `force` where the
    /// principal is lost.
    ///
    /// # Errors
    /// A sentence, as the cmdlet would say it.
    pub fn fail_over(&self, compliance: bool, to: &SqlServer, force: bool) -> Result<(), String> {
        self.with(|state| {
            let to = state
                .find(compliance, |known| known.same(to))
                .ok_or_else(|| format!("SQL instance \"{to}\" is not known here."))?;
            state.fail_over(compliance, to, force)
        })
    }

    /// Every mirror that is getting in step is in step.
    pub fn synchronize(&self) {
        self.with(State::synchronize);
    }

    /// Users write `messages` into the chat database that serves on `instance`.
    pub fn write_messages(&self, instance: Instance, messages: u64) {
        self.with(|state| {
            let name = state.names.chat.clone();
            if let Some(database) = state
                .instances
                .get_mut(&instance)
                .and_then(|i| i.database_mut(&name))
                .filter(|d| d.serves())
            {
                database.messages += messages;
                database.write_log(40);
            }
        });
    }

    /// All that was executed.
    pub fn history(&self) -> Vec<Executed> {
        self.with(|state| state.history.clone())
    }

    /// All that was asked and is not known; a rehearsal with any of it has failed.
    pub fn unknown(&self) -> Vec<String> {
        self.with(|state| state.unknown.clone())
    }

    /// Every moment at which a chat database became writable while another of its family was, in
    /// words. What the world began with does not count.
    pub fn two_writable(&self) -> Vec<String> {
        self.tick();
        self.with(|state| state.two_writable.clone())
    }

    /// The state, without GUIDs, dates and session ids.
    pub fn summary(&self) -> Summary {
        self.with(|state| summary::summary(state))
    }

    /// Writes a batch into the history and tells the hook.
    pub(super) fn record(
        &self,
        instance: Instance,
        spid: i64,
        text: &str,
        effect: bool,
        outcome: Outcome,
    ) {
        let now = self.now();
        let executed = {
            let mut state = self.lock();
            let (guard, text) = text.split_at(if effect { guard_end(text) } else { 0 });
            let executed = Executed {
                seq: state.history.len() as u64 + 1,
                instance,
                spid,
                guard: guard.to_owned(),
                text: text.to_owned(),
                effect,
                outcome,
            };
            state.history.push(executed.clone());
            state.wake(&executed, now);
            executed
        };
        if let Some(hook) = &self.hook {
            hook(&executed);
        }
    }

    /// The state as it is; used where nothing that is due may interfere.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The chat database's name.
    pub fn chat_name(&self) -> &str {
        &self.names.chat
    }

    /// Notes something that the world does not know.
    pub fn not_known(&mut self, what: impl Into<String>) {
        self.unknown.push(what.into());
    }

    /// The fault that strikes a batch, if any.
    pub(in crate::rehearsal) fn strike(
        &mut self,
        instance: Instance,
        text: &str,
    ) -> Option<FaultKind> {
        history::strike(&mut self.faults, instance, text)
    }

    /// A database that began to recover will be ONLINE.
    pub(in crate::rehearsal) fn recovered_later(
        &mut self,
        instance: Instance,
        name: &str,
        now: Timestamp,
    ) {
        let at = after(now, self.service.recovering);
        self.later(at, events::Event::Recovered(instance, name.to_owned()));
        self.advance(now);
    }

    /// Notes a chat database that became writable while another of its family was.
    fn watch_writable(&mut self) {
        let chat = &self.names.chat;
        let now: Vec<(Instance, Guid)> = self
            .instances
            .iter()
            .filter(|(_, server)| server.up)
            .filter_map(|(key, server)| {
                let found = server
                    .databases
                    .iter()
                    .find(|it| it.serves() && it.name.eq_ignore_ascii_case(chat))?;
                Some((*key, found.family))
            })
            .collect();
        let before = self.writable.replace(now.clone());
        let Some(before) = before.filter(|before| *before != now) else {
            return;
        };
        let count = |all: &[(Instance, Guid)], family: &Guid| {
            let of_it = all.iter().filter(|it| it.1 == *family);
            of_it.count()
        };
        for (here, family) in now.iter().filter(|it| !before.contains(it)) {
            // Partners that change their parts are as many as before.
            if count(&now, family) <= count(&before, family) {
                continue;
            }
            let others = now.iter().filter(|it| it.1 == *family && it.0 != *here);
            for (there, _) in others {
                self.two_writable
                    .push(format!("the {here}, while the {there} was"));
            }
        }
    }

    fn down(&mut self, role: Role) {
        for instance in [Instance::chat(role), Instance::compliance(role)] {
            if let Some(server) = self.instances.get_mut(&instance) {
                server.up = false;
                let spids: Vec<i64> = server.processes.keys().copied().collect();
                for spid in spids {
                    server.kill(spid);
                    server.end(spid);
                }
                for job in &mut server.msdb.jobs {
                    // A row of an earlier Agent session says nothing (`sql-server.md` 1.4).
                    job.started = None;
                    job.stopped = None;
                }
            }
        }
        self.partners_changed(role);
    }

    fn up(&mut self, role: Role, now: Timestamp) {
        for instance in [Instance::chat(role), Instance::compliance(role)] {
            if let Some(server) = self.instances.get_mut(&instance) {
                server.up = true;
                server.agent_started = utc(now);
            }
        }
        self.partners_back(role, now);
        self.refresh_chat(now);
    }
}

/// Makes GUIDs that follow from a seed.
#[derive(Clone, Debug)]
pub struct Guids(u64);

impl Guids {
    /// Starts at a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn word(&mut self) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The next one, of version 4.
    #[expect(clippy::should_implement_trait, reason = "it never ends")]
    pub fn next(&mut self) -> Guid {
        let mut guid = [0; 16];
        guid[..8].copy_from_slice(&self.word().to_be_bytes());
        guid[8..].copy_from_slice(&self.word().to_be_bytes());
        guid[6] = guid[6] & 0x0f | 0x40;
        guid[8] = guid[8] & 0x3f | 0x80;
        guid
    }
}

/// A moment in UTC, as all simulated servers keep it.
pub fn utc(at: Timestamp) -> DateTime {
    TimeZone::UTC.to_datetime(at)
}

/// A moment so many seconds later; the same one where the calendar ends.
pub(super) fn at_or(at: DateTime, seconds: i64) -> DateTime {
    at.checked_add(jiff::SignedDuration::from_secs(seconds))
        .unwrap_or(at)
}

/// A moment later.
pub(super) fn after(at: Timestamp, wait: Duration) -> Timestamp {
    at.saturating_add(wait).unwrap_or(at)
}

/// Joins a folder and a name with the folder's own separator.
pub(super) fn join(folder: &str, name: &str) -> String {
    let separator = if folder.starts_with('/') { '/' } else { '\\' };
    if folder.ends_with(separator) {
        format!("{folder}{name}")
    } else {
        format!("{folder}{separator}{name}")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests;
