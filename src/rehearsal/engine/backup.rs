//! BACKUP of a database or a log (`sql-server.md` 6.1, 9).

use std::time::Duration;

use jiff::Timestamp;

use super::batch::{Batch, Failure, wait};
use super::media::{Device, Ongoing, abnormal, begin};
use super::restore::login;
use crate::model::states::{DatabaseState, MirroringRole};
use crate::model::{Instance, Lsn};
use crate::rehearsal::backup_set::{BackupSet, SetKind};
use crate::rehearsal::catalog::open;
use crate::rehearsal::message::{message, system_error};
use crate::rehearsal::tsql::{Media, Subject};
use crate::rehearsal::value::ServerError;
use crate::rehearsal::world::FileView;
use crate::rehearsal::world::instance::SqlInstance;
use crate::rehearsal::world::{State, utc};

impl Batch<'_> {
    pub(super) async fn backup(&mut self, media: &Media) -> Result<(), Failure> {
        let log = media.subject == Subject::Log;
        let what = if log { "BACKUP LOG" } else { "BACKUP DATABASE" };
        let device = self.device(media)?;
        let takes = self
            .begin_backup(media, &device, what)
            .map_err(abnormal(what))?;
        let ongoing = self.ongoing();
        wait(takes).await;
        let (at, now) = ((self.instance, self.spid), self.world.now());
        let ended = self
            .world
            .with(|state| end_backup(state, at, now, media, &device));
        drop(ongoing);
        let size = ended.map_err(abnormal(what))?;
        self.finished(media, what, size);
        Ok(())
    }

    fn begin_backup(
        &mut self,
        media: &Media,
        device: &Device,
        what: &'static str,
    ) -> Result<Duration, ServerError> {
        self.no_transaction()?;
        let now = self.world.now();
        let (instance, spid) = (self.instance, self.spid);
        let name = &device.database;
        let log = media.subject == Subject::Log;
        self.world.with(|state| {
            let service = state.service;
            let server = state.instance(instance)?;
            may_begin(server, spid, media, name)?;
            let Some(database) = server.database(name) else {
                return Err(message(911, &[name]));
            };
            let bytes = if log {
                64 * 1024
            } else {
                database.data_bytes()
            };
            let takes = service.for_bytes(bytes);
            let target = media.has("NORECOVERY").then(|| database.name.clone());
            begin(server, spid, what, takes, now, target, None);
            Ok(takes)
        })
    }
}

/// Whether a backup may begin.
pub(super) fn may_begin(
    server: &SqlInstance,
    spid: i64,
    media: &Media,
    name: &str,
) -> Result<(), ServerError> {
    let log = media.subject == Subject::Log;
    let Some(database) = server.database(name) else {
        return Err(message(911, &[name]));
    };
    if let Some(mirroring) = &database.mirroring {
        if mirroring.role == MirroringRole::Mirror {
            return Err(message(3059, &[]));
        }
        // A mirrored database does not go RESTORING (`sql-server.md` 5, 12).
        if media.has("NORECOVERY") {
            return Err(message(1468, &[name]));
        }
    }
    if database.standby {
        return Err(message(3036, &[name]));
    }
    if database.state != DatabaseState::Online {
        open(server, name, spid)?;
    }
    if log && database.model == 3 {
        return Err(message(4208, &[]));
    }
    if log && database.base == Lsn::ZERO {
        return Err(message(4214, &[]));
    }
    if server.processes.values().any(|p| {
        p.spid != spid
            && p.running
                .as_ref()
                .is_some_and(|r| r.target.as_ref().is_some_and(|t| database.is(t)))
    }) {
        return Err(message(3023, &[]));
    }
    if media.has("NORECOVERY") {
        let uses = server
            .processes
            .get(&spid)
            .is_some_and(|p| database.is(&p.database));
        if uses || !server.users_of(name, spid).is_empty() {
            return Err(message(3101, &[]));
        }
    }
    Ok(())
}

/// Writes the set, and has its effect. Gives the bytes of the set.
pub(super) fn end_backup(
    state: &mut State,
    (instance, spid): (Instance, i64),
    now: Timestamp,
    media: &Media,
    device: &Device,
) -> Result<u64, ServerError> {
    let guid = state.guids.next();
    let files = state.files.clone();
    let server = state.instance(instance)?;
    Ongoing::end(server, spid);
    let (viewer, server_name, version) = (
        server.key.clone(),
        server.server_name.clone(),
        server.version,
    );
    let login = login(server, spid);
    let tail = media.has("NORECOVERY");
    let log = media.subject == Subject::Log;
    let Some(database) = server.database_mut(&device.database) else {
        return Err(message(911, &[&device.database]));
    };
    let overwrite = media.has("INIT") || media.has("FORMAT");
    // NOINIT is the default: the sets that are there stay (`sql-server.md` 6.1).
    let held = if overwrite {
        None
    } else {
        files.open(&viewer, &device.path).ok()
    }
    .unwrap_or_default();
    let position = u16::try_from(held.sets.len() + 1).unwrap_or(u16::MAX);
    let kind = if log { SetKind::Log } else { SetKind::Full };
    let mut set = database.backup_set(kind, position, &server_name, version, utc(now));
    set.set_guid = guid;
    set.checksums = media.has("CHECKSUM");
    set.copy_only = media.has("COPY_ONLY");
    set.force_offline = tail;
    if !log {
        set.files = database
            .files
            .iter()
            .map(|f| (f.name.clone(), f.path.clone(), f.bytes))
            .collect();
    }
    let size = if log {
        64 * 1024
    } else {
        database.data_bytes()
    };
    let sets = held.sets.into_iter().chain([set.clone()]).collect();
    files
        .write_backup(
            &viewer,
            &device.path,
            FileView::of(sets, held.size + size),
            true,
        )
        .map_err(|os| message(3201, &[&device.path, &system_error(os)]))?;
    apply(database, &set, tail);
    server.msdb.record_set(&set, &device.path, &login, size);
    Ok(size)
}

/// What a backup changes in its database.
fn apply(database: &mut crate::rehearsal::world::database::Database, set: &BackupSet, tail: bool) {
    match set.kind {
        SetKind::Log if !set.copy_only => database.log_start = set.last_lsn,
        SetKind::Full if !set.copy_only => database.base = set.checkpoint_lsn,
        _ => {}
    }
    if tail {
        database.redo_start = set.last_lsn;
        database.state = DatabaseState::Restoring;
    } else {
        // A backup writes into the log itself.
        database.write_log(1);
    }
}
