//! The job that backs up the log of the chat database after a failover: what it is called, what it
//! does, and what an instance has of it (`steps.md` 5.8; `sql-server.md` 1.9).

use serde::Serialize;

use super::Context;
use super::command::Command;
use super::observe::Observed;
use super::observe::instance::{Presence, presence};
use super::observe::own_job::{Row, own_job};
use super::shared::address;
use crate::model::{Instance, Role, quote};
use crate::site::{LogBackups, Site};

/// The instances that may serve the chat database after a failover.
pub(in crate::step) fn roles(site: &Site) -> impl Iterator<Item = Role> {
    let both = [Role::Backup, Role::BackupMirror].into_iter();
    both.filter(|role| site.chat(*role).is_some())
}

/// Name of the job. A name of a job has 128 characters at most.
pub(in crate::step) fn name(site: &Site) -> String {
    let database: String = site.database.chat.as_str().chars().take(50).collect();
    format!("pchadr log backups of {database}")
}

/// By which the job is known to be this pool's.
pub(in crate::step) fn description(site: &Site) -> String {
    format!(
        "Made by pchadr: log backups of {} of the pool {}",
        site.database.chat, site.pool.fqdn
    )
}

/// What its step does. It asks itself whether the database is one that can be backed up: a mirror, or
/// a database that log shipping restores, is RESTORING.
pub(in crate::step) fn text(site: &Site, to: &LogBackups) -> String {
    let plain = |c: char| if c.is_alphanumeric() { c } else { '_' };
    let database = site.database.chat.as_str();
    let file: String = database.chars().map(plain).collect();
    let path = quote::literal(&to.folder.join(&format!("{file}_")));
    format!(
        "DECLARE @file nvarchar(400) = {path} + REPLACE(CAST(SERVERPROPERTY(N'ServerName') AS nvarchar(128)), N'\\', N'_') \
         + N'_' + REPLACE(REPLACE(REPLACE(CONVERT(nvarchar(19), SYSUTCDATETIME(), 126), N'-', N''), N':', N''), N'T', N'') + N'.trn'; \
         IF EXISTS (SELECT 1 FROM sys.databases WHERE name = {} AND state = 0 AND is_in_standby = 0 AND recovery_model <> 3) \
         BACKUP LOG {} TO DISK = @file WITH CHECKSUM;",
        quote::literal(database),
        quote::identifier(database)
    )
}

/// An instance, and what it has of the job.
#[derive(Debug, Serialize)]
pub(in crate::step) struct Side {
    pub(in crate::step) role: Role,
    pub(in crate::step) presence: Presence,
    pub(in crate::step) job: Observed<Vec<Row>>,
    /// What it is said to be where it is this pool's.
    own: String,
}

impl Side {
    pub(in crate::step) async fn look(cx: Context<'_>, role: Role) -> Self {
        let at = Instance::chat(role);
        let presence = presence(cx.access, at).await;
        let job = if let Presence::Answers(_) = presence {
            own_job(cx.access, at, &name(cx.site)).await
        } else {
            Observed::Absent
        };
        Self {
            role,
            presence,
            job,
            own: description(cx.site),
        }
    }

    pub(in crate::step) fn answers(&self) -> bool {
        match self.presence {
            Presence::Answers(_) => true,
            Presence::Dead(_) | Presence::Lives(_) | Presence::Unseen(_) => false,
        }
    }

    pub(in crate::step) fn rows(&self) -> &[Row] {
        self.job.seen().map(Vec::as_slice).unwrap_or_default()
    }

    /// A job of that name is there, and is not ours.
    pub(in crate::step) fn is_foreign(&self) -> bool {
        let own = |row: &Row| row.description.as_deref() == Some(self.own.as_str());
        !self.rows().iter().all(own)
    }

    /// The rows of the job, where it is ours.
    pub(in crate::step) fn own_rows(&self) -> &[Row] {
        if self.is_foreign() { &[] } else { self.rows() }
    }

    pub(in crate::step) fn at(&self) -> Instance {
        Instance::chat(self.role)
    }
}

/// The command that says whether the job's schedule counts.
pub(in crate::step) fn enable(site: &Site, role: Role, on: bool) -> Command {
    let job = quote::literal(&name(site));
    let text = format!(
        "EXEC msdb.dbo.sp_update_job @job_name = {job}, @enabled = {};",
        i32::from(on)
    );
    Command::tsql(role, &address(site, role), text, Vec::new())
}
