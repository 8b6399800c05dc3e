//! The next command, from the facts alone: what is there already is never sent again.

use super::Facts;
use super::blocks::blocks;
use super::compare::path;
use super::look::Half;
use super::wanted::{Wanted, WantedJob, WantedPrimary};
use crate::model::states::MirroringState;
use crate::model::{Lsn, Problem, Role};
use crate::step::observe::backups::LogBackup;
use crate::step::observe::log_shipping::{Job, Schedule};
use crate::step::shared::{is_mirror, is_principal};
use crate::step::without_mirror::interlock;
use crate::step::{Block, Standing};

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Action {
    /// Wait for what runs.
    Wait(String),
    /// Apply a log backup of the primary to the backup: file, position.
    FollowLog(String, i64),
    /// Make a primary half.
    AddPrimary(Role),
    /// Give a job a schedule.
    AddSchedule(Role, String, Schedule),
    /// Enable a job and give it its owner.
    Enable(Role, String, String),
    /// Point a primary half at a secondary: server, database.
    AddPointer(Role, String, String),
    /// Make the secondary half.
    AddSecondary,
    /// Put the database under it.
    AddSecondaryDatabase,
    /// Make the primary mirror the principal.
    ToMirror,
    /// Make the primary the principal again.
    ToPrimary,
    /// Start a job: its id, its name.
    Start(Role, String, String),
}

impl Action {
    pub(super) fn describe(&self, facts: &Facts) -> String {
        match self {
            Self::Wait(what) => what.clone(),
            Self::FollowLog(path, _) => {
                format!("apply `{path}` to the backup, then set up log shipping")
            }
            Self::AddPrimary(role) => format!(
                "set up log shipping on the {role}{}",
                if facts
                    .wanted
                    .as_ref()
                    .is_some_and(|wanted| wanted.half(*role).assumed)
                {
                    ", whose half was never seen: as the console makes it"
                } else {
                    ", as saved"
                }
            ),
            Self::AddSchedule(role, _, schedule) => {
                format!("add the schedule {} on the {role}", schedule.name)
            }
            Self::Enable(role, ..) => format!("enable the jobs of the {role}"),
            Self::AddPointer(role, server, _) => format!("point the {role} at {server}"),
            Self::AddSecondary | Self::AddSecondaryDatabase => {
                "set up log shipping on the backup, as saved".to_owned()
            }
            Self::ToMirror => "make the primary mirror the principal, for its half".to_owned(),
            Self::ToPrimary => "make the primary the principal again".to_owned(),
            Self::Start(_, _, name) => format!("start the job {name}"),
        }
    }
}

type Next = Result<Option<Action>, Standing>;

fn blocked(block: Block) -> Standing {
    Standing::Blocked {
        blocks: vec![block],
    }
}

/// The next thing to do; `None` when all is as it should be.
pub(super) fn next(facts: &Facts) -> Next {
    let blocks = blocks(facts);
    if !blocks.is_empty() {
        return Err(Standing::Blocked { blocks });
    }
    let silent = |half: &&Half| half.database.unknown().is_some();
    if let Some(why) = facts.half(Role::PrimaryMirror).filter(silent) {
        let why = why.database.unknown().cloned().unwrap_or_default();
        return Err(blocked(interlock(why)));
    }
    if let Some(why) = unknown(facts) {
        return Err(Standing::unknown(why));
    }
    let Some(wanted) = &facts.wanted else {
        return Err(Standing::unknown("the names of the servers"));
    };
    if let Some(action) = follow(facts)? {
        return Ok(Some(action));
    }
    if let Some(action) = primary_half(facts, Role::Primary, wanted)? {
        return Ok(Some(action));
    }
    if let Some(action) = secondary_half(facts, wanted)? {
        return Ok(Some(action));
    }
    if let Some(action) = mirror_half(facts, wanted)? {
        return Ok(Some(action));
    }
    cycle(facts, wanted)
}

fn unknown(facts: &Facts) -> Option<&Problem> {
    for half in &facts.halves {
        let of = half.identity.unknown().or(half.database.unknown());
        let of = of.or(half.rows.unknown()).or(half.jobs.unknown());
        let of = of.or(half.schedules.unknown()).or(half.logins.unknown());
        if let Some(why) = of.or(half.logs.unknown()) {
            return Some(why);
        }
    }
    facts.secondary.unknown().or(facts.redo.unknown())
}

fn in_share(facts: &Facts, log: &LogBackup) -> bool {
    let folder = log
        .device
        .rfind(['\\', '/'])
        .map_or("", |end| &log.device[..end]);
    facts
        .shipped
        .iter()
        .any(|share| path(share) == path(folder))
}

/// Log backups of either principal beyond where the backup stands, in LSN order.
fn beyond(facts: &Facts, redo: Lsn) -> Vec<&LogBackup> {
    let mut logs: Vec<&LogBackup> = facts
        .halves
        .iter()
        .filter_map(|half| half.logs.seen())
        .flatten()
        .filter(|log| log.last_lsn > redo)
        .collect();
    logs.sort_by_key(|log| (log.first_lsn, log.last_lsn));
    logs
}

/// The backup follows by itself what lies on the share; what lies elsewhere is applied here.
fn follow(facts: &Facts) -> Next {
    let Some(redo) = facts.redo.seen().map(|redo| redo.lsn) else {
        return Err(Standing::unknown("where the backup's next log must begin"));
    };
    let beyond = beyond(facts, redo);
    let Some(first) = beyond.first() else {
        return Ok(None);
    };
    if first.first_lsn > redo {
        return Err(blocked(Block::site(
            "torn-chain",
            format!(
                "the primary's oldest log backup begins at LSN {}, the backup needs one that begins at {redo}",
                first.first_lsn
            ),
            "see who took log backups of the primary (msdb.dbo.backupset there); bring the missing one, or seed the backup again from a full backup",
        )));
    }
    if in_share(facts, first) {
        return Ok(None);
    }
    if let Some(holder) = facts.sessions.seen().and_then(|all| all.first()) {
        return Err(blocked(Block::site(
            "sessions",
            format!(
                "a session holds the backup's database: {}",
                holder.describe()
            ),
            "have it closed: a restore needs the database alone (3101)",
        )));
    }
    Ok(Some(Action::FollowLog(
        first.device.clone(),
        first.position,
    )))
}

fn job_of<'a>(half: &'a Half, id: &str) -> Option<&'a Job> {
    half.jobs
        .seen()?
        .iter()
        .find(|job| job.id.eq_ignore_ascii_case(id))
}

/// Schedules, owner, enabled: of a job that is there.
fn job_steps(half: &Half, id: &str, wanted: &WantedJob) -> Next {
    let Some(job) = job_of(half, id) else {
        return Err(blocked(Block::site(
            "job-missing",
            format!(
                "a log-shipping row of the {} names a job that is not there",
                half.role
            ),
            "remove that configuration (sp_delete_log_shipping_…), then go on",
        )));
    };
    let there: Vec<&Schedule> = half
        .schedules
        .seen()
        .into_iter()
        .flatten()
        .filter(|schedule| schedule.job.eq_ignore_ascii_case(id))
        .collect();
    let same = |one: &Schedule, other: &Schedule| {
        Schedule {
            job: other.job.clone(),
            ..one.clone()
        } == *other
    };
    if let Some(missing) = wanted
        .schedules
        .iter()
        .find(|schedule| !there.iter().any(|other| same(schedule, other)))
    {
        return Ok(Some(Action::AddSchedule(
            half.role,
            job.id.clone(),
            missing.clone(),
        )));
    }
    if !wanted.enabled {
        return Ok(None);
    }
    // An owner without a login there cannot own it.
    let known = |owner: &&String| {
        half.logins
            .seen()
            .into_iter()
            .flatten()
            .any(|login| login.eq_ignore_ascii_case(owner))
    };
    let own = job.owner.clone().unwrap_or_else(|| "sa".to_owned());
    let owner = wanted.owner.as_ref().filter(known).unwrap_or(&own);
    if !job.enabled || !own.eq_ignore_ascii_case(owner) {
        return Ok(Some(Action::Enable(
            half.role,
            job.id.clone(),
            owner.clone(),
        )));
    }
    Ok(None)
}

fn primary_half(facts: &Facts, role: Role, wanted: &Wanted) -> Next {
    let Some(half) = facts.half(role) else {
        return Ok(None);
    };
    let wanted: &WantedPrimary = wanted.half(role);
    let rows = half.rows.seen().map_or(&[][..], Vec::as_slice);
    let Some(row) = rows.first() else {
        return Ok(Some(Action::AddPrimary(role)));
    };
    if let Some(action) = job_steps(half, &row.backup_job, &wanted.job)? {
        return Ok(Some(action));
    }
    let missing = wanted.secondaries.iter().find(|(server, database)| {
        !rows.iter().any(|row| {
            let is = |one: &Option<String>, other: &str| {
                one.as_ref()
                    .is_some_and(|one| one.to_lowercase() == other.to_lowercase())
            };
            is(&row.secondary_server, server) && is(&row.secondary_database, database)
        })
    });
    Ok(
        missing
            .map(|(server, database)| Action::AddPointer(role, server.clone(), database.clone())),
    )
}

pub(super) fn secondary_half(facts: &Facts, wanted: &Wanted) -> Next {
    let Some(half) = facts.half(Role::Backup) else {
        return Ok(None);
    };
    let rows = facts.secondary.seen().map_or(&[][..], Vec::as_slice);
    let Some(row) = rows.first() else {
        return Ok(Some(Action::AddSecondary));
    };
    // Not enabled before the database is under it: the jobs would find nothing to do.
    let scheduled = |action: &Option<Action>| matches!(action, Some(Action::AddSchedule(..)));
    let copy = job_steps(half, &row.copy_job, &wanted.backup.copy)?;
    let restore = job_steps(half, &row.restore_job, &wanted.backup.restore)?;
    if scheduled(&copy) {
        return Ok(copy);
    }
    if scheduled(&restore) {
        return Ok(restore);
    }
    let ours = wanted.backup.row.database.as_deref().map(str::to_lowercase);
    let is_ours = |name: &str| Some(name.to_lowercase()) == ours;
    if !rows
        .iter()
        .any(|row| row.database.as_deref().is_some_and(is_ours))
    {
        return Ok(Some(Action::AddSecondaryDatabase));
    }
    Ok(copy.or(restore))
}

/// The mirror's half is made while it is the principal, then the primary is that again.
fn mirror_half(facts: &Facts, wanted: &Wanted) -> Next {
    let Some(mirror) = facts.half(Role::PrimaryMirror) else {
        return Ok(None);
    };
    let Some(row) = mirror.database.seen() else {
        return Err(Standing::unknown("the primary mirror's chat database"));
    };
    let missing = primary_half(facts, Role::PrimaryMirror, wanted)?;
    let state = row.mirroring.as_ref().and_then(|it| it.state);
    let in_step = |action: Action| match state {
        Some(MirroringState::Synchronized) => Ok(Some(action)),
        Some(MirroringState::Synchronizing | MirroringState::PendingFailover) => Ok(Some(
            Action::Wait("the primary and its mirror get in step".to_owned()),
        )),
        _ => Err(blocked(Block::site(
            "mirror-broken",
            "the primary and its mirror are not in step",
            "see the error logs of both instances",
        ))),
    };
    match missing {
        Some(_) if is_mirror(row) => in_step(Action::ToMirror),
        Some(action) if is_principal(row) && row.serves() => Ok(Some(action)),
        Some(_) => Ok(Some(Action::Wait(
            "the primary mirror becomes the principal".to_owned(),
        ))),
        None if is_principal(row) => in_step(Action::ToPrimary),
        None => Ok(None),
    }
}

/// One log backup, from the primary to the backup's database.
fn cycle(facts: &Facts, wanted: &Wanted) -> Next {
    let (Some(primary), Some(backup)) = (facts.half(Role::Primary), facts.half(Role::Backup))
    else {
        return Ok(None);
    };
    let Some(row) = facts.secondary.seen().and_then(|rows| rows.first()) else {
        return Ok(None);
    };
    let restored = row.last_restored_file.is_some();
    // A delay that is wanted keeps the file waiting: that it was copied is all there is to see.
    let delayed = wanted
        .backup
        .row
        .restore_delay
        .is_some_and(|delay| delay > 0);
    if restored || (delayed && row.last_copied_file.is_some()) {
        return Ok(None);
    }
    for half in [primary, backup] {
        let running = half
            .jobs
            .seen()
            .into_iter()
            .flatten()
            .find(|job| job.started_and_not_stopped);
        if let Some(job) = running {
            return Ok(Some(Action::Wait(format!("the job {} runs", job.name))));
        }
    }
    let start = |half: &Half, id: &str| match job_of(half, id) {
        Some(job) => Ok(Some(Action::Start(
            half.role,
            job.id.clone(),
            job.name.clone(),
        ))),
        None => Err(Standing::unknown("the jobs of log shipping")),
    };
    let redo = facts.redo.seen().map_or(Lsn::ZERO, |redo| redo.lsn);
    if !beyond(facts, redo).iter().any(|log| in_share(facts, log)) {
        let job = primary
            .rows
            .seen()
            .and_then(|rows| rows.first())
            .map(|row| row.backup_job.clone());
        return start(primary, &job.unwrap_or_default());
    }
    if row.last_copied_file.is_none() {
        return start(backup, &row.copy_job);
    }
    start(backup, &row.restore_job)
}
