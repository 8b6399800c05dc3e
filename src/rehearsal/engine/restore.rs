//! RESTORE of a database or a log (`sql-server.md` 2.3 to 2.5, 4, 6.3).

use std::time::Duration;

use jiff::Timestamp;

use super::batch::{Batch, Failure, wait};
use super::media::{Device, Ongoing, abnormal, abnormal_all, begin, demand_alone};
use crate::model::states::DatabaseState;
use crate::rehearsal::backup_set::{BackupSet, SetKind};
use crate::rehearsal::message::message;
use crate::rehearsal::tsql::{Media, Subject};
use crate::rehearsal::value::ServerError;
use crate::rehearsal::world::database::{DataFile, Database, fork_fits};
use crate::rehearsal::world::instance::SqlInstance;
use crate::rehearsal::world::msdb::RestoreRow;
use crate::rehearsal::world::{State, utc};

impl Batch<'_> {
    pub(super) async fn restore(&mut self, media: &Media) -> Result<(), Failure> {
        match (media.subject, &media.disk) {
            (Subject::Log, _) => self.restore_log(media).await,
            (Subject::Database, Some(_)) => self.restore_database(media).await,
            (Subject::Database, None) => self.recover(media).await,
            _ => self.media_info(media).await,
        }
    }

    async fn restore_log(&mut self, media: &Media) -> Result<(), Failure> {
        const WHAT: &str = "RESTORE LOG";
        let device = self.device(media)?;
        let ready = self.begin_log(&device);
        let (set, size, takes) = ready.map_err(abnormal(WHAT))?;
        self.through(media, WHAT, size, takes, |batch, state| {
            if set.damaged {
                return Err(state.damage(&device));
            }
            let database = restoring(state.instance(batch.instance)?, &device)?;
            // Restoring the last set again is harmless and moves nothing (`sql-server.md` 2.3).
            if set.last_lsn > database.redo_start {
                database.roll_to(&set);
            } else {
                database.interrupted = None;
                database.state = DatabaseState::Restoring;
                database.standby = false;
            }
            if media.has("STANDBY") {
                // Readable until the next log (`sql-server.md` 2.3).
                database.state = DatabaseState::Online;
                database.standby = true;
            }
            batch.restored(state, media, &device, &set, size)
        })
        .await
    }

    /// Waits until a statement that was begun is through, ends it, and answers.
    async fn through(
        &mut self,
        media: &Media,
        what: &str,
        size: u64,
        takes: Duration,
        end: impl FnOnce(&Self, &mut State) -> Result<(), ServerError> + Send,
    ) -> Result<(), Failure> {
        let ongoing = self.ongoing();
        wait(takes).await;
        let ended = self.world.with(|state| {
            Ongoing::end(running(state, self)?, self.spid);
            end(self, state)
        });
        drop(ongoing);
        ended.map_err(abnormal(what))?;
        self.finished(media, what, size);
        Ok(())
    }

    /// Writes a restore into the history, and recovers its database where that is asked for.
    fn restored(
        &self,
        state: &mut State,
        media: &Media,
        device: &Device,
        set: &BackupSet,
        size: u64,
    ) -> Result<(), ServerError> {
        let now = self.world.now();
        let recovery = !media.has("NORECOVERY") && !media.has("STANDBY");
        let server = state.instance(self.instance)?;
        let login = login(server, self.spid);
        let name = restoring(server, device)?.name.clone();
        let id = server.msdb.record_set(set, &device.path, &login, size);
        server.msdb.record_restore(RestoreRow {
            id: 0,
            date: utc(now),
            database: name.clone(),
            user: login.clone(),
            backup_set_id: id,
            kind: set.kind.letter(),
            replace: media.subject == Subject::Database && media.has("REPLACE"),
            recovery,
        });
        if recovery {
            state.recover(self.instance, &name, &login, now);
        }
        Ok(())
    }

    /// All that is checked before the first byte; from here on the database is held.
    fn begin_log(&mut self, device: &Device) -> Result<(BackupSet, u64, Duration), ServerError> {
        self.no_transaction()?;
        let (view, set) = self.open_set(device)?;
        let now = self.world.now();
        let name = &device.database;
        let (instance, spid) = (self.instance, self.spid);
        self.world.with(|state| {
            let takes = state.service.for_bytes(view.size);
            let server = state.instance(instance)?;
            let Some(database) = server.database(name) else {
                return Err(message(3118, &[name]));
            };
            demand_alone(server, name, spid)?;
            if set.kind != SetKind::Log {
                let kind = if set.kind == SetKind::Full {
                    "BACKUP DATABASE"
                } else {
                    "BACKUP DATABASE WITH DIFFERENTIAL"
                };
                return Err(message(3135, &[&device.path, kind]));
            }
            if set.software.0 > server.version.0 {
                return Err(too_new(&set, server));
            }
            if set.family != database.family {
                return Err(message(3154, &[name]));
            }
            if database.state != DatabaseState::Restoring && !database.standby {
                return Err(message(3117, &[]));
            }
            check_position(database, &set)?;
            let held = Some((set.set_guid, device.path.clone()));
            let target = Some(database.name.clone());
            begin(server, spid, "RESTORE LOG", takes, now, target, held);
            Ok((set.clone(), view.size, takes))
        })
    }

    /// `RESTORE DATABASE x WITH RECOVERY | NORECOVERY`, without FROM.
    async fn recover(&mut self, media: &Media) -> Result<(), Failure> {
        const WHAT: &str = "RESTORE DATABASE";
        let device = self.device(media)?;
        let keep = media.has("NORECOVERY");
        let takes = self.begin_recovery(&device, keep).map_err(abnormal(WHAT))?;
        self.through(media, WHAT, 0, takes, |batch, state| {
            let server = state.instance(batch.instance)?;
            let login = login(server, batch.spid);
            let database = restoring(server, &device)?;
            if keep {
                database.state = DatabaseState::Restoring;
                database.standby = false;
            } else {
                let name = database.name.clone();
                state.recover(batch.instance, &name, &login, batch.world.now());
            }
            Ok(())
        })
        .await
    }

    fn begin_recovery(&mut self, device: &Device, keep: bool) -> Result<Duration, ServerError> {
        self.no_transaction()?;
        let now = self.world.now();
        let name = &device.database;
        let (instance, spid) = (self.instance, self.spid);
        self.world.with(|state| {
            let takes = if keep {
                state.service.command
            } else {
                state.service.recovery
            };
            let server = state.instance(instance)?;
            let Some(database) = server.database(name) else {
                return Err(message(3118, &[name]));
            };
            if database.serves() {
                return Err(message(3153, &[]));
            }
            demand_alone(server, name, spid)?;
            if database.state != DatabaseState::Restoring && !database.standby {
                return Err(message(3101, &[]));
            }
            if !keep && database.interrupted.is_some() {
                return Err(message(4333, &[]));
            }
            let target = Some(database.name.clone());
            begin(server, spid, "RESTORE DATABASE", takes, now, target, None);
            Ok(takes)
        })
    }

    /// `RESTORE DATABASE x FROM DISK = …`.
    async fn restore_database(&mut self, media: &Media) -> Result<(), Failure> {
        const WHAT: &str = "RESTORE DATABASE";
        let device = self.device(media)?;
        let mut moves = Vec::new();
        for option in &media.options {
            if let ("MOVE", Some(from), Some(to)) =
                (option.name.as_str(), &option.value, &option.to)
            {
                moves.push((self.text(from)?, self.text(to)?));
            }
        }
        let begun = self.begin_database(media, &device, &moves);
        let (set, size, takes) = begun.map_err(|failure| abnormal_all(WHAT, failure))?;
        self.through(media, WHAT, size, takes, |batch, state| {
            let damage = state.damage(&device);
            let database = restoring(state.instance(batch.instance)?, &device)?;
            if set.damaged {
                database.interrupted = Some((set.set_guid, device.path.clone()));
                return Err(damage);
            }
            database.roll_to(&set);
            database.base = set.checkpoint_lsn;
            batch.restored(state, media, &device, &set, size)
        })
        .await
    }

    /// Checks, and from here on what was there is lost (`sql-server.md` 6.3).
    fn begin_database(
        &mut self,
        media: &Media,
        device: &Device,
        moves: &[(String, String)],
    ) -> Result<(BackupSet, u64, Duration), Failure> {
        self.no_transaction().map_err(|e| vec![e])?;
        let (view, set) = self.open_set(device).map_err(|e| vec![e])?;
        let now = self.world.now();
        let name = &device.database;
        let (instance, spid) = (self.instance, self.spid);
        self.world.with(|state| {
            let takes = state.service.for_bytes(view.size);
            let guid = state.guids.next();
            let kin = kin(state, &set);
            let server = state.instance(instance).map_err(|e| vec![e])?;
            demand_alone(server, name, spid).map_err(|e| vec![e])?;
            if set.kind != SetKind::Full {
                return Err(vec![message(3135, &[&device.path, "BACKUP LOG"])]);
            }
            if set.software.0 > server.version.0 {
                return Err(vec![too_new(&set, server)]);
            }
            if media.has("CHECKSUM") && !set.checksums {
                return Err(vec![message(3187, &[])]);
            }
            if let Some(existing) = server.database(name).filter(|_| !media.has("REPLACE")) {
                if existing.family != set.family {
                    return Err(vec![message(3154, &[name])]);
                }
                if existing.serves() && existing.model == 1 {
                    return Err(vec![message(3159, &[name])]);
                }
            }
            let files = placed(server, name, &set, moves)?;
            let existing = server.database(name).cloned();
            let login = login(server, spid);
            let id = existing
                .as_ref()
                .map_or_else(|| server.free_database_id(), |d| d.id);
            let fresh = Database {
                name: existing
                    .as_ref()
                    .map_or_else(|| name.clone(), |d| d.name.clone()),
                id,
                state: DatabaseState::Restoring,
                model: 1,
                // The login that restores owns it (`sql-server.md` 6.4).
                owner: Some(login),
                trustworthy: false,
                broker: false,
                created: utc(now),
                origin: set.database_created,
                level: set.compatibility_level,
                version: set.database_version,
                family: set.family,
                guid,
                files,
                mirroring: None,
                messages: 0,
                waiting: 0,
                ..kin.or(existing).ok_or_else(|| vec![message(3119, &[])])?
            };
            server.databases.retain(|d| !d.is(name));
            server.databases.push(fresh);
            server.databases.sort_by_key(|d| d.id);
            let target = Some(name.clone());
            let held = Some((set.set_guid, device.path.clone()));
            begin(server, spid, "RESTORE DATABASE", takes, now, target, held);
            Ok((set.clone(), view.size, takes))
        })
    }
}

impl State {
    /// Recovers a database: the fork begins at this instant, ONLINE follows.
    pub(super) fn recover(
        &mut self,
        instance: crate::model::Instance,
        name: &str,
        login: &str,
        now: Timestamp,
    ) {
        let (fork, guid) = (self.guids.next(), self.guids.next());
        if let Some(database) = self
            .instances
            .get_mut(&instance)
            .and_then(|i| i.database_mut(name))
        {
            database.recover(fork, guid, login);
        }
        self.recovered_later(instance, name, now);
    }
}

/// The instance of a session that still runs what it began. Errors: 596 when it was ended.
fn running<'s>(
    state: &'s mut State,
    batch: &Batch<'_>,
) -> Result<&'s mut SqlInstance, ServerError> {
    state
        .instances
        .get_mut(&batch.instance)
        .filter(|server| {
            server
                .processes
                .get(&batch.spid)
                .is_some_and(|p| p.running.is_some())
        })
        .ok_or_else(|| message(596, &[]))
}

/// The database that a statement restores. Errors: 3118.
fn restoring<'s>(
    server: &'s mut SqlInstance,
    device: &Device,
) -> Result<&'s mut Database, ServerError> {
    let found = server.database_mut(&device.database);
    found.ok_or_else(|| message(3118, &[&device.database]))
}

pub(super) fn login(server: &SqlInstance, spid: i64) -> String {
    server
        .processes
        .get(&spid)
        .map(|p| p.login_name.clone())
        .unwrap_or_default()
}

fn too_new(set: &BackupSet, server: &SqlInstance) -> ServerError {
    let show = |(major, minor, build): (u8, u8, u16)| format!("{major:02}.{minor:02}.{build:04}");
    message(3169, &[&show(set.software), &show(server.version)])
}

/// Where a log stands to a database (`sql-server.md` 2.3, 2.5). Errors: 4319, 4330, 4305, 4326.
fn check_position(database: &Database, set: &BackupSet) -> Result<(), ServerError> {
    if let Some((guid, path)) = &database.interrupted
        && *guid != set.set_guid
    {
        return Err(message(4319, &[path]));
    }
    let redo = database.redo_start;
    if set.first_lsn > redo {
        return Err(message(
            4305,
            &[&set.first_lsn.to_string(), &redo.to_string()],
        ));
    }
    if set.last_lsn < redo {
        return Err(message(
            4326,
            &[&set.last_lsn.to_string(), &redo.to_string()],
        ));
    }
    if !fork_fits(database, set) {
        return Err(message(4330, &[]));
    }
    Ok(())
}

/// A database of the family of a set, anywhere: what travels inside a backup (users, options).
fn kin(state: &State, set: &BackupSet) -> Option<Database> {
    state
        .instances
        .values()
        .flat_map(|i| &i.databases)
        .find(|d| d.family == set.family)
        .cloned()
}

/// The files of a set where they go. Errors: 3234, 3156 with 3119.
fn placed(
    server: &SqlInstance,
    name: &str,
    set: &BackupSet,
    moves: &[(String, String)],
) -> Result<Vec<DataFile>, Failure> {
    for (logical, _) in moves {
        if !set
            .files
            .iter()
            .any(|(known, ..)| known.eq_ignore_ascii_case(logical))
        {
            return Err(vec![message(3234, &[logical, name])]);
        }
    }
    let mut files = Vec::new();
    for (id, (logical, path, bytes)) in (1_i64..).zip(&set.files) {
        let path = moves
            .iter()
            .find(|(from, _)| from.eq_ignore_ascii_case(logical))
            .map_or(path, |(_, to)| to);
        let taken = server
            .databases
            .iter()
            .any(|d| !d.is(name) && d.files.iter().any(|f| f.path.eq_ignore_ascii_case(path)));
        if taken {
            return Err(vec![message(3156, &[logical, path]), message(3119, &[])]);
        }
        files.push(DataFile {
            id,
            name: logical.clone(),
            path: path.clone(),
            bytes: *bytes,
            log: path.to_lowercase().ends_with(".ldf"),
        });
    }
    Ok(files)
}
