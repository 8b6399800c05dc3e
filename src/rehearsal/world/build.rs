//! Makes the world of a site: first as it stands in the normal state, then what went wrong.

mod shipping;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::civil::DateTime;

use super::database::{DataFile, Database, Mirroring, User, UserAccess};
use super::events::Event;
use super::instance::{DiskVolume, SqlInstance};
use super::logs::Lineage;
use super::msdb::{JobKind, Msdb};
use super::options::{Backup, PrimarySide, Start, WorldOptions};
use super::practice::Waiting;
use super::{Guids, Names, Shared, State, World, at_or, chat, utc};
use crate::model::states::{DatabaseState, MirroringRole, MirroringState};
use crate::model::{Instance, Lsn, Role};
use crate::rehearsal::backup_set::Guid;
use crate::site::Site;

/// A group that every chat database knows as a user, and every instance as a login.
const SERVICES: &str = r"LITWAREINC\RTCComponentUniversalServices";

pub(super) fn server_names(site: &Site) -> BTreeMap<Instance, String> {
    let mut names: BTreeMap<Instance, String> = BTreeMap::new();
    for (n, (key, server)) in site.sql.instances.iter().enumerate() {
        let address = server.host.parse::<std::net::IpAddr>().is_ok();
        let label = chat::first_label(&server.host).to_uppercase();
        let on = |machine: &str| match &server.instance {
            Some(instance) => format!("{machine}\\{instance}"),
            None => machine.to_owned(),
        };
        let mut name = on(&label);
        // Two roles with one name would be one instance (`steps.md` 1.4).
        if address || label == "LOCALHOST" || names.values().any(|other| *other == name) {
            name = on(&format!("SQL{}", n + 1));
        }
        names.insert(*key, name);
    }
    names
}

pub(super) fn world(site: &Site, options: &WorldOptions) -> Shared {
    let at = (options.now)();
    let mut build = Build {
        site,
        names: server_names(site),
        now: utc(at),
        guids: Guids::new(options.seed),
        instances: BTreeMap::new(),
        options,
    };
    build.empty_instances();
    let lineage = Lineage::of(&options.logs, &mut build.guids, build.now);
    build.primary_side(&lineage);
    build.backup_side(&lineage);
    let Build {
        guids, instances, ..
    } = build;
    let mut state = State {
        instances,
        files: options.files.clone(),
        service: options.service,
        history: Vec::new(),
        headers_asked: 0,
        damage: 3183,
        faults: options.faults.clone(),
        answer_102_to_everything: options.answer_102_to_everything,
        unknown: Vec::new(),
        guids,
        logs: options.logs.clone(),
        due: Vec::new(),
        names: Names {
            chat: site.database.chat.as_str().to_owned(),
            compliance: site
                .database
                .compliance
                .as_ref()
                .map(|c| c.as_str().to_owned()),
            primary_servers: site.pool.primary_servers.clone(),
            mirror_share: site.shares.mirror.as_ref().map(|m| m.as_str().to_owned()),
            servers: site.sql.instances.clone(),
        },
        chat: None,
        idle: options.idle_hold_on.then(Vec::new),
        replication: options.replication,
        told: Vec::new(),
        mirror_stalls: options.mirror_stalls,
        readers_return: options.readers_return,
        schedules: options.schedules,
        jobs_late: Duration::ZERO,
        waiting: Vec::new(),
        writable: None,
        two_writable: Vec::new(),
    };
    if let Some(log) = &options.late {
        let path = site.shares.backup.join(&log.name);
        state.waiting.push(Waiting {
            instance: Instance::chat(Role::Backup),
            contains: "RESTORE LOG",
            event: Event::Lands(Box::new(log.clone()), path),
            later: Duration::ZERO,
        });
    }
    what_went_wrong(site, options, &mut state, at);
    Arc::new(World {
        state: Mutex::new(state),
        now: options.now.clone(),
        password: options.password.clone(),
        hook: options.hook.clone(),
    })
}

fn what_went_wrong(site: &Site, options: &WorldOptions, state: &mut State, at: jiff::Timestamp) {
    match (options.start, options.primary) {
        (Start::Normal, _) => {
            let active = site.pool.normal.iter().map(|s| s.as_str().to_owned());
            state.chat = Some((active.collect(), false));
        }
        (Start::Disaster | Start::FailedOver, PrimarySide::Down) => {
            state.down(Role::Primary);
            state.down(Role::PrimaryMirror);
        }
        (Start::Disaster | Start::FailedOver, PrimarySide::Alive) => {
            state.down(Role::PrimaryMirror);
        }
        (Start::Disaster | Start::FailedOver, PrimarySide::Fresh | PrimarySide::Unchanged) => {}
    }
    let all: Vec<(Instance, Guid)> = state
        .instances
        .iter()
        .flat_map(|(key, i)| i.msdb.jobs.iter().map(|j| (*key, j.id)))
        .collect();
    for (instance, job) in all {
        state.arm(instance, &job, at);
    }
    let backup = Instance::chat(Role::Backup);
    let jobs: Vec<(Guid, JobKind)> = state
        .instances
        .get(&backup)
        .map(|i| i.msdb.jobs.iter().map(|j| (j.id, j.kind)).collect())
        .unwrap_or_default();
    for (id, kind) in jobs {
        let runs = match kind {
            JobKind::Copy => options.copy_job_runs,
            JobKind::Restore => options.restore_job_runs,
            JobKind::Backup | JobKind::Own => false,
        };
        if runs {
            state.start_job(backup, &id, at);
        }
    }
    let chat = state.names.chat.clone();
    if let Some(server) = state.instances.get_mut(&backup) {
        for host in &options.chat_sessions {
            let spid = server.free_spid();
            let host = chat::net_bios(host);
            server
                .processes
                .insert(spid, chat::chat_process(spid, &host, &chat, at));
        }
    }
    state.advance(at);
}

struct Build<'a> {
    site: &'a Site,
    names: BTreeMap<Instance, String>,
    now: DateTime,
    guids: Guids,
    instances: BTreeMap<Instance, SqlInstance>,
    options: &'a WorldOptions,
}

impl Build<'_> {
    fn empty_instances(&mut self) {
        for (key, server) in &self.site.sql.instances {
            let mut instance = SqlInstance {
                key: if key.compliance {
                    format!("compliance.{}", key.role.key())
                } else {
                    key.role.key().to_owned()
                },
                host: server.host.clone(),
                instance_name: server.instance.clone(),
                server_name: self.names[key].clone(),
                nameless: self.options.nameless && *key == Instance::chat(Role::Backup),
                up: true,
                agent: self.options.agent,
                version: self.options.version,
                collation: self.options.collation.clone(),
                sysadmin: self.options.sysadmin,
                sees_databases: true,
                german: false,
                databases: Vec::new(),
                endpoint: true,
                volumes: volumes(),
                certificates: Vec::new(),
                msdb: Msdb::default(),
                processes: BTreeMap::new(),
                locks: BTreeMap::new(),
                logins: ["sa", r"NT SERVICE\SQLSERVERAGENT", SERVICES]
                    .map(str::to_owned)
                    .to_vec(),
                standby_shows_redo: self.options.standby_shows_redo,
                knows_ignore_monitor: self.options.knows_ignore_monitor,
                monitor_dead: self.options.monitor_dead,
                agent_started: at_or(self.now, -30 * 24 * 3600),
            };
            for (id, name) in (1..).zip(["master", "tempdb", "model", "msdb"]) {
                let lineage = invented(&mut self.guids, self.now);
                let mut database = database(name, id, &lineage, &mut self.guids);
                database.model = if name == "model" { 1 } else { 3 };
                instance.databases.push(database);
            }
            self.instances.insert(*key, instance);
        }
    }

    fn has(&self, role: Role) -> bool {
        self.instances.contains_key(&Instance::chat(role))
    }

    fn chat(&self) -> String {
        self.site.database.chat.as_str().to_owned()
    }

    fn add(&mut self, instance: Instance, mut database: Database) {
        if let Some(server) = self.instances.get_mut(&instance) {
            database.id = server.free_database_id();
            server.databases.push(database);
        }
    }

    /// Where `mgccomp` of a role is.
    fn compliance(&self, role: Role) -> Instance {
        let own = Instance::compliance(role);
        if self.instances.contains_key(&own) {
            own
        } else {
            Instance::chat(role)
        }
    }

    fn primary_side(&mut self, lineage: &Lineage) {
        let name = self.chat();
        let fresh =
            self.options.start != Start::Normal && self.options.primary == PrimarySide::Fresh;
        let mut mgc = if fresh {
            let other = invented(&mut self.guids, self.now);
            database(&name, 0, &other, &mut self.guids)
        } else {
            let mut mgc = database(&name, 0, lineage, &mut self.guids);
            if let Some(last) = self.options.logs.last() {
                mgc.roll_to(&last.set);
                mgc.state = DatabaseState::Online;
            }
            mgc.messages += self.options.unshipped;
            mgc.write_log(24);
            mgc
        };
        mgc.trustworthy = !fresh;
        mgc.broker = true;
        self.pair(Role::Primary, Role::PrimaryMirror, mgc, !fresh);
        if let Some(compliance) = self.site.database.compliance.clone() {
            for role in [Role::Primary, Role::Backup] {
                let own = invented(&mut self.guids, self.now);
                let mut database = database(compliance.as_str(), 0, &own, &mut self.guids);
                database.compliance = true;
                let held = self.compliance(role);
                if role == Role::Primary {
                    let mirror = self.compliance(Role::PrimaryMirror);
                    self.pair_at(held, mirror, database, !fresh);
                } else {
                    database.waiting = self.options.waiting;
                    self.add(held, database);
                }
            }
        }
        if fresh {
            return;
        }
        for role in [Role::Primary, Role::PrimaryMirror] {
            self.primary_half(role);
        }
    }

    fn pair(&mut self, principal: Role, mirror: Role, database: Database, mirrored: bool) {
        self.pair_at(
            Instance::chat(principal),
            Instance::chat(mirror),
            database,
            mirrored,
        );
    }

    /// A database on one instance, and its mirror on another where the site has it.
    fn pair_at(&mut self, from: Instance, to: Instance, mut database: Database, mirrored: bool) {
        let (Some(a), Some(b)) = (self.instances.get(&from), self.instances.get(&to)) else {
            self.add(from, database);
            return;
        };
        if mirrored {
            let guid = self.guids.next();
            let side = |role, partner, other: &SqlInstance| Mirroring {
                guid,
                role,
                state: MirroringState::Synchronized,
                partner,
                partner_name: format!("TCP://{}:5022", other.host),
                partner_instance: other.server_name.clone(),
            };
            let copy = Database {
                state: DatabaseState::Restoring,
                redo_start: database.log_end,
                mirroring: Some(side(MirroringRole::Mirror, from, a)),
                guid: self.guids.next(),
                ..database.clone()
            };
            database.mirroring = Some(side(MirroringRole::Principal, to, b));
            self.add(to, copy);
        }
        self.add(from, database);
    }

    fn backup_side(&mut self, lineage: &Lineage) {
        let key = Instance::chat(Role::Backup);
        let name = self.chat();
        let options = self.options;
        if self.has(Role::BackupMirror)
            && let Some(state) = options.leftover
        {
            let mut leftover = database(&name, 0, lineage, &mut self.guids);
            leftover.state = state;
            self.add(Instance::chat(Role::BackupMirror), leftover);
        }
        let restored = match options.backup {
            Backup::Missing => return,
            Backup::CreatedEmpty => {
                let other = invented(&mut self.guids, self.now);
                let empty = database(&name, 0, &other, &mut self.guids);
                self.add(key, empty);
                return;
            }
            Backup::Recovered => options.logs.len(),
            _ => options.restored.min(options.logs.len()),
        };
        let mut mgc = database(&name, 0, lineage, &mut self.guids);
        mgc.state = DatabaseState::Restoring;
        mgc.owner.clone_from(&options.owner);
        if let Some(orphan) = &options.orphan {
            mgc.users.push(User {
                name: orphan.clone(),
                kind: "S",
                sid: SqlInstance::sid(&format!("{orphan}@another instance")),
            });
        }
        for log in &options.logs[..restored] {
            mgc.roll_to(&log.set);
        }
        match options.backup {
            Backup::Standby => {
                mgc.state = DatabaseState::Online;
                mgc.standby = true;
            }
            Backup::Recovered | Backup::RecoveredEarly => {
                let (fork, guid) = (self.guids.next(), self.guids.next());
                mgc.recover(fork, guid, "sa");
                mgc.state = DatabaseState::Online;
            }
            _ => {}
        }
        self.add(key, mgc);
        if !options.msdb_purged {
            self.restore_history(key, lineage, restored);
        }
        if matches!(options.backup, Backup::Secondary | Backup::Standby) {
            self.secondary_half(key, restored);
        }
    }
}

/// Reinstalls the instances of a role: the primary gets the databases of the topology, empty.
pub(super) fn empty(state: &mut State, role: Role, now: jiff::Timestamp) {
    let at = utc(now);
    let chat = state.names.chat.clone();
    let compliance = state.names.compliance.clone();
    let own = Instance::compliance(role);
    let held = if state.instances.contains_key(&own) {
        own
    } else {
        Instance::chat(role)
    };
    let mut guids = state.guids.clone();
    for instance in [Instance::chat(role), own] {
        if let Some(server) = state.instances.get_mut(&instance) {
            server.databases.retain(|database| database.id <= 4);
            server.msdb = Msdb::default();
        }
    }
    if role == Role::Primary {
        let names = std::iter::once((Instance::chat(role), chat, false))
            .chain(compliance.map(|name| (held, name, true)));
        for (instance, name, is_compliance) in names {
            let lineage = invented(&mut guids, at);
            let mut fresh = database(&name, 0, &lineage, &mut guids);
            fresh.compliance = is_compliance;
            fresh.broker = !is_compliance;
            if let Some(server) = state.instances.get_mut(&instance) {
                fresh.id = server.free_database_id();
                server.databases.push(fresh);
            }
        }
    }
    state.guids = guids;
}

fn invented(guids: &mut Guids, now: DateTime) -> Lineage {
    Lineage {
        messages: 0,
        ..Lineage::of(&[], guids, now)
    }
}

/// The disks of every machine: one for the system, one for data.
fn volumes() -> Vec<DiskVolume> {
    [(r"C:\", 80_u64 << 30), (r"E:\", 400 << 30)]
        .map(|(mount, free)| DiskVolume {
            mount: mount.to_owned(),
            total: 500 << 30,
            free,
        })
        .to_vec()
}

/// A database, ONLINE, at the beginning of its log.
fn database(name: &str, id: i64, lineage: &Lineage, guids: &mut Guids) -> Database {
    let start = lineage.start;
    Database {
        name: name.to_owned(),
        id,
        state: DatabaseState::Online,
        standby: false,
        access: UserAccess::Multi,
        model: 1,
        owner: Some("sa".to_owned()),
        trustworthy: false,
        broker: false,
        created: lineage.created,
        origin: lineage.created,
        level: lineage.level,
        version: lineage.version,
        family: lineage.family,
        guid: guids.next(),
        first_fork: lineage.fork,
        fork: lineage.fork,
        fork_point: None,
        redo_start: start,
        log_start: start,
        log_end: Lsn::new(start.vlf, start.block.saturating_add(8), 1),
        checkpoint: start,
        base: start,
        interrupted: None,
        files: vec![
            DataFile {
                id: 1,
                name: format!("{name}_data"),
                path: format!(r"E:\SQLData\{name}.mdf"),
                bytes: 16 << 20,
                log: false,
            },
            DataFile {
                id: 2,
                name: format!("{name}_log"),
                path: format!(r"E:\SQLLog\{name}.ldf"),
                bytes: 16 << 20,
                log: true,
            },
        ],
        unused: 0,
        mirroring: None,
        messages: lineage.messages,
        waiting: 0,
        users: vec![User {
            name: SERVICES.to_owned(),
            kind: "G",
            sid: SqlInstance::sid(SERVICES),
        }],
        compliance: false,
        encrypted: None,
    }
}
