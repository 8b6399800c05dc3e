//! What BACKUP and RESTORE statements have in common: names, devices, sets, the time they take.

use super::batch::{Batch, Failure};
use crate::model::Instance;
use crate::rehearsal::backup_set::{BackupSet, Guid};
use crate::rehearsal::message::{message, system_error};
use crate::rehearsal::tsql::Media;
use crate::rehearsal::value::{Datum, ServerError};
use crate::rehearsal::world::instance::{Running, SqlInstance};
use crate::rehearsal::world::{FileView, State, World};

/// A statement with its variables filled in.
pub(super) struct Device {
    pub(super) database: String,
    pub(super) path: String,
    pub(super) position: i64,
}

impl Batch<'_> {
    pub(super) fn device(&mut self, media: &Media) -> Result<Device, Failure> {
        let database = match &media.database {
            Some(name) => self.text(name)?,
            None => String::new(),
        };
        let path = match &media.disk {
            Some(disk) => self.text(disk)?,
            None => String::new(),
        };
        let position = match media.value("FILE") {
            Some(file) => match self.value(file)?.1 {
                Datum::Int(n) => n,
                _ => 0,
            },
            None => 1,
        };
        Ok(Device {
            database,
            path,
            position,
        })
    }

    /// Opens a backup file as this instance's engine sees it. Errors: 3201, 3241.
    pub(super) fn open_file(&self, path: &str) -> Result<FileView, ServerError> {
        self.world.with(|state| {
            let viewer = state
                .instances
                .get(&self.instance)
                .map(|i| i.key.clone())
                .unwrap_or_default();
            let view = state
                .files
                .open(&viewer, path)
                .map_err(|os| message(3201, &[path, &system_error(os)]))?;
            if view.sets.is_empty() {
                return Err(message(3241, &[path]));
            }
            Ok(view)
        })
    }

    /// One set of a file. Errors: 3201, 3241, 3132, 4038.
    pub(super) fn open_set(&self, device: &Device) -> Result<(FileView, BackupSet), ServerError> {
        let view = self.open_file(&device.path)?;
        let (_, stripes) = view.form.stripe;
        if stripes > 1 {
            return Err(message(3132, &[&stripes.to_string(), "1"]));
        }
        let set = view
            .sets
            .iter()
            .find(|s| i64::from(s.position) == device.position)
            .cloned()
            .map(|set| BackupSet {
                damaged: set.damaged || view.damaged,
                ..set
            })
            .ok_or_else(|| message(4038, &[&device.position.to_string(), &device.path]))?;
        Ok((view, set))
    }

    /// Watches over what this session now runs.
    pub(super) fn ongoing(&self) -> Ongoing<'_> {
        Ongoing {
            world: self.world,
            instance: self.instance,
            spid: self.spid,
        }
    }

    /// Error 3021 inside a transaction.
    pub(super) fn no_transaction(&self) -> Result<(), ServerError> {
        let open = self.world.with(|state| {
            state
                .instances
                .get(&self.instance)
                .and_then(|i| i.processes.get(&self.spid))
                .is_some_and(|p| p.transactions > 0)
        });
        if open {
            Err(message(3021, &[]))
        } else {
            Ok(())
        }
    }

    pub(super) fn finished(&mut self, media: &Media, what: &str, size: u64) {
        if media.has("STATS") {
            self.reply.info(&message(3211, &["100"]));
        }
        let pages = (size / 8192).to_string();
        self.reply.info(&message(3014, &[what, &pages, "0.100"]));
        self.done(None);
    }
}

impl State {
    /// How this build tells that the data of a set are damaged (`sql-server.md` 2.5).
    pub(super) fn damage(&self, device: &Device) -> ServerError {
        let (path, database) = (device.path.as_str(), device.database.as_str());
        match self.damage {
            3183 => message(3183, &["1127", database]),
            3203 => message(3203, &[path, &system_error(13)]),
            9004 => message(9004, &[database]),
            other => message(other, &[path]),
        }
    }

    /// An instance. Errors: 596.
    pub(super) fn instance(&mut self, key: Instance) -> Result<&mut SqlInstance, ServerError> {
        let found = self.instances.get_mut(&key);
        found.ok_or_else(|| message(596, &[]))
    }
}

/// The telling error, and 3013 behind it.
pub(super) fn abnormal(what: &str) -> impl Fn(ServerError) -> Failure + '_ {
    move |error| vec![error, message(3013, &[what])]
}

/// The same for a failure that may have more than one error.
pub(super) fn abnormal_all(what: &str, mut failure: Failure) -> Failure {
    failure.push(message(3013, &[what]));
    failure
}

/// Marks what a session runs. Errors: 3110, 3102, 3104, 3101 as RESTORE demands its database alone.
pub(super) fn demand_alone(
    server: &SqlInstance,
    database: &str,
    spid: i64,
) -> Result<(), ServerError> {
    if !server.sysadmin {
        return Err(message(3110, &[database]));
    }
    let uses = server
        .processes
        .get(&spid)
        .is_some_and(|p| p.database.to_lowercase() == database.to_lowercase());
    if uses {
        return Err(message(3102, &[database]));
    }
    if server
        .database(database)
        .is_some_and(|d| d.mirroring.is_some())
    {
        return Err(message(3104, &[database]));
    }
    if !server.users_of(database, spid).is_empty() {
        return Err(message(3101, &[]));
    }
    Ok(())
}

/// Begins a statement that takes time: from now on others see it run.
pub(super) fn begin(
    server: &mut SqlInstance,
    spid: i64,
    command: &'static str,
    takes: std::time::Duration,
    now: jiff::Timestamp,
    target: Option<String>,
    restores: Option<(Guid, String)>,
) {
    if let Some(process) = server.processes.get_mut(&spid) {
        process.running = Some(Running {
            command,
            started: now,
            takes,
            target,
            restores,
        });
    }
}

/// Breaks off what its session runs, when it is dropped.
pub(super) struct Ongoing<'a> {
    pub(super) world: &'a World,
    pub(super) instance: Instance,
    pub(super) spid: i64,
}

impl Ongoing<'_> {
    /// Ends it without breaking off: the caller has seen to its effect, or to its failure.
    pub(super) fn end(server: &mut SqlInstance, spid: i64) {
        if let Some(process) = server.processes.get_mut(&spid) {
            process.running = None;
        }
    }
}

impl Drop for Ongoing<'_> {
    fn drop(&mut self) {
        if let Some(server) = self.world.lock().instances.get_mut(&self.instance) {
            server.abandon(self.spid);
        }
    }
}
