//! What now: the end of `pchadr status`. A run under way or stopped and what goes on with it, what does not
//! go on for ever as it is, the next command, what was not seen.

use std::io::Write;
use std::path::Path;

use super::check::plain;
use super::earlier::earlier;
use super::error::{Failure, output};
use super::failover::built_in;
use crate::access::Access;
use crate::access::sql::{LockError, site_resource};
use crate::check::what_runs_out;
use crate::model::commands::spelled;
use crate::model::states::{DatabaseState, PoolState};
use crate::model::{Direction, Instance, Problem, Role, WayOn};
use crate::plan::Plan;
use crate::report::one_line;
use crate::run::archive::Archive;
use crate::run::executor::Way;
use crate::site::Site;
use crate::status::Status;

/// Says all of it.
///
/// # Errors
/// That `out` takes nothing.
pub(super) async fn tell(
    site: &Site,
    access: &Access,
    status: &Status,
    archive: Result<&Archive, &anyhow::Error>,
    config: Option<&Path>,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let mut line = |label: &str, text: &str| {
        writeln!(out, "{label:15} {}", one_line(&spelled(text))).map_err(output)
    };
    let held = held(site, access, status).await;
    let stopped = match (&held, archive) {
        (None, Ok(archive)) => stopped(site, archive, config)?,
        (Some(_), _) | (None, Err(_)) => None,
    };
    if let Some(held) = &held {
        line("under way", &held.to_string())?;
    }
    if let Some(stopped) = &stopped {
        line("stopped", &stopped.to_string())?;
        line("", &stopped.hint(WayOn::Resume))?;
    }
    if reachable(status, Role::Backup) {
        for it in what_runs_out(site, access, status).await {
            line("runs out", &it.why)?;
        }
    }
    if held.is_none() && stopped.is_none() && status.two.is_none() {
        line("next", next(site, status))?;
    }
    let not_seen = status.not_seen();
    if !not_seen.is_empty() {
        line("not seen", &format!("{} (status 3)", not_seen.join(", ")))?;
    }
    Ok(())
}

/// The run that goes on at this moment, here or elsewhere; `None` also where that cannot be seen.
pub(super) async fn held(site: &Site, access: &Access, status: &Status) -> Option<Problem> {
    if !reachable(status, Role::Backup) {
        return None;
    }
    let backup = Instance::chat(Role::Backup);
    let resource = site_resource(&site.pool.fqdn);
    let holders = access.sql.site_holders(backup, &resource).await.ok()?;
    let held = LockError::Held {
        server: access.sql.server(backup).to_owned(),
        holders,
    };
    match &held {
        LockError::Held { holders, .. } if holders.is_empty() => None,
        LockError::Held { .. }
        | LockError::Lost(_)
        | LockError::Sql(_)
        | LockError::Code { .. } => Some(Problem::from(&held)),
    }
}

/// An earlier run that keeps a new one from beginning, as that would be refused.
fn stopped(
    site: &Site,
    archive: &Archive,
    config: Option<&Path>,
) -> anyhow::Result<Option<Problem>> {
    let direction = Direction::Failover;
    let plan = Plan::bind(&built_in(direction, direction.built_in())?, site)?;
    let typed = plain(config.map(Path::to_owned));
    let refused = earlier(site, &plan, &typed, archive, Way::On, &[]).err();
    Ok(refused.and_then(|error| Some(error.downcast_ref::<Failure>()?.problem.clone())))
}

fn reachable(status: &Status, role: Role) -> bool {
    let instance = status.instances.get(role.key());
    instance.is_some_and(|it| it.reachable)
}

fn serves(site: &Site, status: &Status, role: Role) -> bool {
    let instance = status.instances.get(role.key());
    let database = instance.and_then(|it| it.databases.get(site.database.chat.as_str()));
    database.is_some_and(|it| it.state == DatabaseState::Online && !it.standby)
}

/// The command that comes next, by where the pool and its database are.
fn next(site: &Site, status: &Status) -> &'static str {
    let any = |roles: [Role; 2]| roles.into_iter().any(|role| serves(site, status, role));
    let first = any([Role::Primary, Role::PrimaryMirror]);
    let second = any([Role::Backup, Role::BackupMirror]);
    let state = status.pool.state.as_deref();
    let is = |pool: PoolState| state == Some(&*pool.to_string());
    if is(PoolState::FailedOver) {
        if reachable(status, Role::Primary) {
            "`pchadr check failback` says whether the pool can be brought home"
        } else {
            "rebuild the first data center; then `pchadr check failback` says whether the pool can be brought home"
        }
    } else if second && is(PoolState::Normal) {
        "the backup's database serves, and the pool is not failed over: `pchadr failover` takes the rest"
    } else if second && !first {
        "the backup's database serves, and the pool does not tell where it is: see that the Central Management Store answers"
    } else if first {
        "`pchadr check failover` says whether the site is ready for a disaster"
    } else {
        "if the first data center is lost: `pchadr failover` looks at everything before it changes anything, and says what is in its way"
    }
}
