//! What happens by itself: recovery ends, mirrors get in step, jobs run, chat servers connect.

use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::files::FileView;
use super::instance::{Kind, Process, Running};
use super::msdb::{JobKind, RestoreRow};
use super::{MadeLog, State, World, after, join, utc};
use crate::model::states::{DatabaseState, MirroringState};
use crate::model::{Instance, Role};
use crate::rehearsal::backup_set::{Form, Guid, SetKind};
use crate::rehearsal::engine::agent;

/// Something that will happen.
pub(super) struct Due {
    pub(super) at: Timestamp,
    pub(super) event: Event,
}

#[derive(Clone)]
pub(super) enum Event {
    /// RECOVERING ends.
    Recovered(Instance, String),
    /// A mirroring session is in step.
    Synchronized(Guid),
    /// The schedule of a job comes round.
    Scheduled(Instance, Guid),
    /// A run of a backup or copy job ends.
    JobEnds(Instance, Guid),
    /// A restore job, in this session, is through with a file.
    FileRestored(Instance, Guid, i64, Box<MadeLog>),
    /// What was lost is there again, as it was.
    Returns(Role),
    /// The Agent starts a job that it was asked to start.
    Started(Instance, Guid),
    /// A log backup that was on its way is on the share.
    Lands(Box<MadeLog>, String),
}

impl World {
    /// The instances of a role, which are down, are up again so much later, as they were: who gives a
    /// data center up does not stop others from mending it.
    pub fn returns(&self, role: Role, later: Duration) {
        let at = after(self.now(), later);
        self.with(|state| state.later(at, Event::Returns(role)));
    }
}

impl State {
    pub(super) fn later(&mut self, at: Timestamp, event: Event) {
        self.due.push(Due { at, event });
    }

    /// Lets everything happen that is due by `now`, in order of time.
    pub(super) fn advance(&mut self, now: Timestamp) {
        while let Some(next) = (0..self.due.len())
            .filter(|i| self.due[*i].at <= now)
            .min_by_key(|i| (self.due[*i].at, *i))
        {
            let Due { at, event } = self.due.remove(next);
            self.happen(at, event);
        }
        self.refresh_chat(now);
    }

    fn happen(&mut self, at: Timestamp, event: Event) {
        match event {
            Event::Recovered(instance, name) => {
                if let Some(database) = self
                    .instances
                    .get_mut(&instance)
                    .and_then(|i| i.database_mut(&name))
                    .filter(|d| d.state == DatabaseState::Recovering)
                {
                    database.state = DatabaseState::Online;
                }
            }
            Event::Synchronized(guid) => {
                for server in self.instances.values_mut() {
                    for mirroring in server
                        .databases
                        .iter_mut()
                        .filter_map(|d| d.mirroring.as_mut())
                    {
                        if mirroring.guid == guid
                            && mirroring.state == MirroringState::Synchronizing
                        {
                            mirroring.state = MirroringState::Synchronized;
                        }
                    }
                }
            }
            Event::Scheduled(instance, job) => self.scheduled(instance, &job, at),
            Event::JobEnds(instance, job) => self.job_ends(instance, &job, at),
            Event::FileRestored(instance, job, spid, log) => {
                self.file_restored(instance, &job, spid, &log, at);
            }
            Event::Returns(role) => self.up(role, at),
            Event::Started(instance, job) => {
                let jobs = self.instances.get(&instance).filter(|it| it.up && it.agent);
                if jobs.is_some_and(|it| it.msdb.job(&job).is_some_and(|it| !it.is_running())) {
                    self.start_job(instance, &job, at);
                }
            }
            Event::Lands(log, path) => self.land(*log, &path),
        }
    }

    /// Lets a job's schedule come round, where schedules are kept in this world.
    pub(in crate::rehearsal) fn arm(&mut self, instance: Instance, id: &Guid, now: Timestamp) {
        let Some(minutes) = self
            .instances
            .get(&instance)
            .and_then(|i| i.msdb.job(id))
            .and_then(|j| j.schedule.minutes())
            .filter(|_| self.schedules)
        else {
            return;
        };
        let at = after(now, Duration::from_mins(minutes));
        self.later(at, Event::Scheduled(instance, *id));
    }

    fn scheduled(&mut self, instance: Instance, id: &Guid, at: Timestamp) {
        let ready = self.instances.get(&instance).is_some_and(|server| {
            server.up
                && server.agent
                && server.msdb.job(id).is_some_and(|j| {
                    j.enabled && j.targeted && j.schedule.enabled && !j.is_running()
                })
        });
        self.arm(instance, id, at);
        if ready {
            self.start_job(instance, id, at);
        }
    }

    /// Begins a run of a job (`sp_start_job`, or its schedule).
    pub(in crate::rehearsal) fn start_job(&mut self, instance: Instance, id: &Guid, at: Timestamp) {
        let service = self.service;
        let Some(job) = self
            .instances
            .get_mut(&instance)
            .and_then(|i| i.msdb.job_mut(id))
        else {
            return;
        };
        job.started = Some(utc(at));
        job.stopped = None;
        match job.kind {
            JobKind::Backup | JobKind::Own => {
                self.later(after(at, service.media), Event::JobEnds(instance, *id));
            }
            JobKind::Copy => self.later(after(at, service.copy_job), Event::JobEnds(instance, *id)),
            JobKind::Restore => self.next_file(instance, id, at),
        }
        self.advance(at);
    }

    /// Breaks a run off (`sp_stop_job`): the process is killed (`sql-server.md` 1.2).
    pub(in crate::rehearsal) fn stop_job(&mut self, instance: Instance, id: &Guid, at: Timestamp) {
        self.due.retain(|due| match &due.event {
            Event::JobEnds(i, job) | Event::FileRestored(i, job, ..) => *i != instance || job != id,
            _ => true,
        });
        let Some(server) = self.instances.get_mut(&instance) else {
            return;
        };
        if server
            .msdb
            .job(id)
            .is_some_and(|j| j.kind == JobKind::Restore)
        {
            let jobs: Vec<i64> = server
                .processes
                .values()
                .filter(|p| p.kind == Kind::Job)
                .map(|p| p.spid)
                .collect();
            for spid in jobs {
                server.end(spid);
            }
        }
        if let Some(job) = server.msdb.job_mut(id) {
            job.stopped = Some(utc(at));
        }
    }

    fn job_ends(&mut self, instance: Instance, id: &Guid, at: Timestamp) {
        let Some(job) = self
            .instances
            .get_mut(&instance)
            .filter(|i| i.up)
            .and_then(|i| i.msdb.job_mut(id))
        else {
            return;
        };
        job.stopped = Some(utc(at));
        match job.kind {
            JobKind::Copy => self.copy_files(instance, id, at),
            JobKind::Backup => self.backup_job(instance, id, at),
            JobKind::Restore => {}
            JobKind::Own => agent::run_step(self, instance, id, at),
        }
    }

    /// A copy job copies every file that its folder lacks.
    fn copy_files(&mut self, instance: Instance, id: &Guid, at: Timestamp) {
        let files = self.files.clone();
        let Some(server) = self.instances.get_mut(&instance) else {
            return;
        };
        let viewer = server.key.clone();
        let Some(secondary) = server
            .msdb
            .secondaries
            .iter_mut()
            .find(|s| s.copy_job == *id)
        else {
            return;
        };
        for log in &self.logs {
            let to = join(&secondary.destination, &log.name);
            if files.open(&viewer, &to).is_ok() {
                continue;
            }
            let from = join(&secondary.source, &log.name);
            let Ok(view) = files.open(&viewer, &from) else {
                continue;
            };
            if files.write_backup(&viewer, &to, view, true).is_ok() {
                secondary.last_copied_file = Some(to);
                secondary.last_copied = Some(utc(at));
            }
        }
    }

    /// A backup job backs up the log of its database, unless it is not ONLINE (32008).
    fn backup_job(&mut self, instance: Instance, id: &Guid, at: Timestamp) {
        let guid = self.guids.next();
        let files = self.files.clone();
        let Some(server) = self.instances.get_mut(&instance) else {
            return;
        };
        let (viewer, name, version) = (
            server.key.clone(),
            server.server_name.clone(),
            server.version,
        );
        let Some(row) = server.msdb.primaries.iter().position(|p| p.job == *id) else {
            return;
        };
        let (database, share) = {
            let primary = &server.msdb.primaries[row];
            (primary.database.clone(), primary.share.clone())
        };
        let Some(mut set) = server
            .database(&database)
            .filter(|d| d.serves())
            .map(|d| d.backup_set(SetKind::Log, 1, &name, version, utc(at)))
        else {
            return;
        };
        set.set_guid = guid;
        let file = format!("{database}_{}.trn", set.started.strftime("%Y%m%d%H%M%S"));
        let path = join(&share, &file);
        let size = 64 * 1024;
        if files
            .write_backup(&viewer, &path, FileView::of(vec![set.clone()], size), false)
            .is_err()
        {
            return;
        }
        if let Some(database) = server.database_mut(&database) {
            database.log_start = set.last_lsn;
            // A backup writes into the log itself.
            database.write_log(1);
        }
        server
            .msdb
            .record_set(&set, &path, "NT SERVICE\\SQLSERVERAGENT", size);
        let primary = &mut server.msdb.primaries[row];
        primary.last_backup_file = Some(path);
        primary.last_backup = Some(utc(at));
        self.logs.push(MadeLog {
            name: file,
            set,
            size,
            form: Form::default(),
        });
    }

    /// A restore job begins with the next file, or ends.
    pub(super) fn next_file(&mut self, instance: Instance, id: &Guid, at: Timestamp) {
        let Some((log, path, target)) = self.waiting_file(instance, id) else {
            if let Some(job) = self
                .instances
                .get_mut(&instance)
                .and_then(|i| i.msdb.job_mut(id))
            {
                job.stopped = Some(utc(at));
            }
            return;
        };
        let takes = self.service.for_bytes(log.size);
        let Some(server) = self.instances.get_mut(&instance) else {
            return;
        };
        let spid = server.free_spid();
        server.processes.insert(
            spid,
            Process {
                spid,
                kind: Kind::Job,
                login_time: at,
                login_name: "NT SERVICE\\SQLSERVERAGENT".to_owned(),
                host_name: machine(&server.server_name),
                program_name: "Microsoft SQL Server Log Shipping".to_owned(),
                database: "master".to_owned(),
                running: Some(Running {
                    command: "RESTORE LOG",
                    started: at,
                    takes,
                    target: Some(target),
                    restores: Some((log.set.set_guid, path)),
                }),
                transactions: 0,
                context: None,
                xact_abort: false,
                german: false,
                token: CancellationToken::new(),
            },
        );
        self.later(
            after(at, takes),
            Event::FileRestored(instance, *id, spid, Box::new(log)),
        );
    }

    /// The next file of a restore job: log, path, database.
    fn waiting_file(&self, instance: Instance, id: &Guid) -> Option<(MadeLog, String, String)> {
        let server = self.instances.get(&instance)?;
        let secondary = server
            .msdb
            .secondaries
            .iter()
            .find(|s| s.restore_job == *id)?;
        let name = self.names.chat.clone();
        let database = server
            .database(&name)
            .filter(|d| d.state == DatabaseState::Restoring || d.standby)?;
        if !server.users_of(&name, 0).is_empty() {
            return None;
        }
        self.logs.iter().find_map(|log| {
            let path = join(&secondary.destination, &log.name);
            let fits = log.set.first_lsn <= database.redo_start
                && database.redo_start < log.set.last_lsn
                && log.set.family == database.family
                && super::database::fork_fits(database, &log.set);
            (fits && self.files.open(&server.key, &path).is_ok())
                .then(|| (log.clone(), path, name.clone()))
        })
    }

    fn file_restored(
        &mut self,
        instance: Instance,
        id: &Guid,
        spid: i64,
        log: &MadeLog,
        at: Timestamp,
    ) {
        let name = self.names.chat.clone();
        let Some(server) = self.instances.get_mut(&instance) else {
            return;
        };
        let Some(running) = server
            .processes
            .get_mut(&spid)
            .filter(|p| p.kind == Kind::Job)
            .and_then(|p| p.running.take())
        else {
            // Its session was killed meanwhile: the job has failed.
            if let Some(job) = server.msdb.job_mut(id) {
                job.stopped = Some(utc(at));
            }
            return;
        };
        server.end(spid);
        let path = running.restores.map(|(_, path)| path).unwrap_or_default();
        if let Some(database) = server.database_mut(&name) {
            database.roll_to(&log.set);
        }
        let set_id =
            server
                .msdb
                .record_set(&log.set, &path, "NT SERVICE\\SQLSERVERAGENT", log.size);
        server.msdb.record_restore(RestoreRow {
            id: 0,
            date: utc(at),
            database: name.clone(),
            user: "NT SERVICE\\SQLSERVERAGENT".to_owned(),
            backup_set_id: set_id,
            kind: "L",
            replace: false,
            recovery: false,
        });
        for row in server
            .msdb
            .secondaries
            .iter_mut()
            .flat_map(|s| &mut s.databases)
            .filter(|d| d.database.to_lowercase() == name.to_lowercase())
        {
            row.last_restored_file = Some(path.clone());
            row.last_restored = Some(utc(at));
        }
        self.next_file(instance, id, at);
    }
}

fn machine(server_name: &str) -> String {
    server_name
        .split('\\')
        .next()
        .unwrap_or_default()
        .to_owned()
}
