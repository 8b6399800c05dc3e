//! The rows and jobs of log shipping, and the history behind them.

use jiff::civil::DateTime;

use super::super::logs::Lineage;
use super::super::msdb::{
    Job, JobKind, Primary, RestoreRow, Schedule, Secondary, SecondaryDatabase,
};
use super::super::options::Backup;
use super::super::{at_or, join};
use super::{Build, database, invented};
use crate::model::states::DatabaseState;
use crate::model::{Instance, Role};
use crate::rehearsal::backup_set::{BackupSet, Guid, SetKind};
use crate::rehearsal::world::Guids;
use crate::rehearsal::world::database::Database;

impl Build<'_> {
    pub(super) fn primary_half(&mut self, role: Role) {
        let key = Instance::chat(role);
        let name = self.chat();
        let Some(backup) = self.names.get(&Instance::chat(Role::Backup)).cloned() else {
            return;
        };
        let (id, job) = (self.guids.next(), self.guids.next());
        let share = self.site.shares.backup.as_str().to_owned();
        let now = self.now;
        let Some(server) = self.instances.get_mut(&key) else {
            return;
        };
        server.msdb.jobs.push(new_job(
            job,
            &id,
            JobKind::Backup,
            &format!("LSBackup_{name}"),
            &server.server_name.clone(),
            now,
        ));
        let mut last = None;
        for log in &self.options.logs {
            if log.set.server == server.server_name {
                let path = join(&share, &log.name);
                server
                    .msdb
                    .record_set(&log.set, &path, r"NT SERVICE\SQLSERVERAGENT", log.size);
                last = Some((path, log.set.finished));
            }
        }
        server.msdb.primaries.push(Primary {
            id,
            database: name.clone(),
            directory: share.clone(),
            share,
            retention: 4320,
            job,
            monitor_server: self
                .options
                .monitor
                .clone()
                .unwrap_or_else(|| server.server_name.clone()),
            monitor_security: true,
            last_backup_file: last.as_ref().map(|(path, _)| path.clone()),
            last_backup: last.map(|(_, at)| at),
            compression: 2,
            backup_threshold: 60,
            threshold_alert_enabled: true,
            history_retention: 5760,
            secondaries: vec![(backup, name)],
        });
    }

    /// The seed, and every log that was restored.
    pub(super) fn restore_history(&mut self, key: Instance, lineage: &Lineage, restored: usize) {
        let name = self.chat();
        let copies = self.site.shares.copy_local.as_str().to_owned();
        let primary = self
            .names
            .get(&Instance::chat(Role::Primary))
            .cloned()
            .unwrap_or_default();
        let seed = seed_set(
            &name,
            &primary,
            self.options.version,
            lineage,
            self.guids.next(),
        );
        let Some(server) = self.instances.get_mut(&key) else {
            return;
        };
        let path = join(&copies, &format!("{name}_seed.bak"));
        let id = server.msdb.record_set(&seed, &path, "sa", 64 << 20);
        server.msdb.record_restore(RestoreRow {
            id: 0,
            date: at_or(seed.finished, 600),
            database: name.clone(),
            user: "sa".to_owned(),
            backup_set_id: id,
            kind: "D",
            replace: true,
            recovery: false,
        });
        for log in &self.options.logs[..restored] {
            let agent = r"NT SERVICE\SQLSERVERAGENT";
            let path = join(&copies, &log.name);
            let id = server.msdb.record_set(&log.set, &path, agent, log.size);
            server.msdb.record_restore(RestoreRow {
                id: 0,
                date: at_or(log.set.finished, 600).min(self.now),
                database: name.clone(),
                user: agent.to_owned(),
                backup_set_id: id,
                kind: "L",
                replace: false,
                recovery: false,
            });
        }
    }

    pub(super) fn secondary_half(&mut self, key: Instance, restored: usize) {
        let name = self.chat();
        let primary = self
            .names
            .get(&Instance::chat(Role::Primary))
            .cloned()
            .unwrap_or_default();
        let (id, copy, restore) = (self.guids.next(), self.guids.next(), self.guids.next());
        let copies = self.site.shares.copy_local.as_str().to_owned();
        let options = self.options;
        let row = |database: &str, last: Option<(String, DateTime)>| SecondaryDatabase {
            database: database.to_owned(),
            last_restored: last.as_ref().map(|(_, at)| *at),
            last_restored_file: last.map(|(file, _)| file),
            restore_delay: 0,
            restore_all: true,
            standby: options.backup == Backup::Standby,
            disconnect_users: false,
            restore_threshold: 45,
            threshold_alert_enabled: true,
            history_retention: 5760,
        };
        let now = self.now;
        // The dates are those of the last operation (`sql-server.md` 1.5): a job that is far behind
        // has a new one too.
        let last = |n: usize| {
            let log = n.checked_sub(1).and_then(|i| options.logs.get(i));
            log.map(|log| (join(&copies, &log.name), now))
        };
        let mut databases = vec![row(&name, last(restored))];
        databases.extend(options.siblings.iter().map(|sibling| row(sibling, None)));
        let newest = last(options.copied.max(restored).min(options.logs.len()));
        let siblings: Vec<Database> = options
            .siblings
            .iter()
            .map(|sibling| {
                let own = invented(&mut self.guids, now);
                let mut database = database(sibling, 0, &own, &mut self.guids);
                database.state = DatabaseState::Restoring;
                database
            })
            .collect();
        for sibling in siblings {
            self.add(key, sibling);
        }
        let Some(server) = self.instances.get_mut(&key) else {
            return;
        };
        for (job, kind, word) in [
            (copy, JobKind::Copy, "LSCopy"),
            (restore, JobKind::Restore, "LSRestore"),
        ] {
            let title = format!("{word}_{primary}_{name}");
            let mut job = new_job(job, &id, kind, &title, &server.server_name.clone(), now);
            job.enabled = !options.jobs_disabled;
            server.msdb.jobs.push(job);
        }
        server.msdb.secondaries.push(Secondary {
            id,
            primary_server: primary,
            primary_database: name,
            source: options
                .source
                .clone()
                .unwrap_or_else(|| self.site.shares.backup.as_str().to_owned()),
            destination: copies.clone(),
            file_retention: 4320,
            copy_job: copy,
            restore_job: restore,
            monitor_server: options
                .monitor
                .clone()
                .unwrap_or_else(|| server.server_name.clone()),
            monitor_security: true,
            last_copied: newest.as_ref().map(|(_, at)| *at),
            last_copied_file: newest.map(|(file, _)| file),
            databases,
        });
    }
}

/// An Agent job of log shipping, idle and enabled.
fn new_job(
    id: Guid,
    owner_id: &Guid,
    kind: JobKind,
    name: &str,
    server: &str,
    now: DateTime,
) -> Job {
    let date = i64::from(now.year()) * 10_000 + i64::from(now.month()) * 100 + i64::from(now.day());
    let last = at_or(now, -900);
    Job {
        id,
        name: name.to_owned(),
        kind,
        enabled: true,
        owner: "sa".to_owned(),
        description: "Log shipping".to_owned(),
        step_name: "Log shipping job step.".to_owned(),
        targeted: true,
        command: kind.command(owner_id, server),
        schedule: Schedule {
            id: i64::from(id[0]) * 100 + kind.category_id(),
            name: match kind {
                JobKind::Backup => format!("LSBackupSchedule_{server}1"),
                JobKind::Copy => "DefaultCopyJobSchedule".to_owned(),
                JobKind::Restore | JobKind::Own => "DefaultRestoreJobSchedule".to_owned(),
            },
            enabled: true,
            freq_type: 4,
            freq_interval: 1,
            freq_subday_type: 4,
            freq_subday_interval: 15,
            freq_recurrence_factor: 0,
            start_date: date,
            end_date: 99_991_231,
            start_time: 0,
            end_time: 235_900,
        },
        started: Some(last),
        stopped: Some(at_or(last, 20)),
    }
}

/// The full backup from which the backup was seeded.
fn seed_set(
    name: &str,
    server: &str,
    version: (u8, u8, u16),
    lineage: &Lineage,
    set_guid: Guid,
) -> BackupSet {
    let mut guids = Guids::new(0);
    let database = database(name, 0, lineage, &mut guids);
    let taken = at_or(lineage.created, 24 * 3600);
    BackupSet {
        set_guid,
        last_lsn: lineage.start,
        files: database
            .files
            .iter()
            .map(|f| (f.name.clone(), f.path.clone(), f.bytes))
            .collect(),
        ..database.backup_set(SetKind::Full, 1, server, version, taken)
    }
}
