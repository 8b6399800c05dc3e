//! `recover-database`, F4: the point of no return. Looks at everything once more before it
//! (`steps.md` 3, 4; `sql-server.md` 4).

mod commands;
mod evidence;
mod fence;
mod lag;
mod loss;
mod planned;
mod primary;
mod recovered;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
mod times;

use std::time::Duration;

use futures_util::future::join_all;
use serde::Serialize;
use serde_json::json;

use crate::model::states::DatabaseState;
use crate::model::words::count;
use crate::model::{Instance, Lsn, Role};
use crate::site::{Limits, Site};
use crate::step::backup_database::{BackupDatabase, classify};
use crate::step::command::{Command, Values};
use crate::step::failover::copy_backups::{self, left_to_copy};
use crate::step::hands::{Hands, StepError};
use crate::step::ledger::Unit;
use crate::step::observe::Observed;
use crate::step::observe::database::{Database, database, login, orphans};
use crate::step::observe::instance::{Identity, agent_runs, identity, services};
use crate::step::observe::log_shipping::{Job, jobs_of_rows, secondary};
use crate::step::observe::sessions::{Holder, RunningRestore, restores, sessions};
use crate::step::observe::sets::{SetHeader, set_facts};
use crate::step::terms::Terms;
use crate::step::undo::Nothing;
use crate::step::{Block, Context, Earlier, Effect, Info, Kind, Standing, Step};
use commands::Key;
use evidence::{Host, NewestLog};
use fence::Fence;
use lag::Lag;
pub(in crate::step) use loss::accepts;
use planned::Planned;
use primary::{PrimarySide, look_at_primary};
use recovered::judge_recovered;
use times::Times;

/// The database is recovered already (`sql-server.md` 4).
const ALREADY_RECOVERED: u32 = 3153;

pub(in crate::step) struct RecoverDatabase;

/// Everything that is looked at before the point of no return.
#[derive(Debug, Serialize)]
pub struct Facts {
    files: copy_backups::Facts,
    /// What the instance says of the last set of the chain.
    last_set: Observed<SetHeader>,
    jobs: Observed<Vec<Job>>,
    agent_runs: Option<bool>,
    restores: Observed<Vec<RunningRestore>>,
    sessions: Observed<Vec<Holder>>,
    primary_side: Vec<PrimarySide>,
    /// The other hosts of the primary data center that the site names.
    hosts: Vec<Host>,
    newest_log: Observed<NewestLog>,
    fence: Fence,
    times: Times,
    lag: Lag,
    accepted: Option<String>,
    loss_is_accepted: bool,
    overrides: Vec<String>,
    /// True once this run has begun to recover it.
    ours: bool,
    /// The primary's database as it was kept, where it is known.
    wanted: Option<Database>,
    /// Whether its owner has a login here; another cannot be the owner.
    owner_has_login: bool,
    orphans: Observed<Vec<String>>,
    identity: Observed<Identity>,
    /// Of a planned failover: the primary, as the run left it.
    #[serde(skip_serializing_if = "Option::is_none")]
    planned: Option<Planned>,
}

impl Facts {
    fn class(&self) -> BackupDatabase {
        let class = classify(&self.files.look);
        // What this run recovered needs no history to tell it from a drill.
        let ours = self.ours && self.row().is_some_and(Database::serves);
        if ours && class != BackupDatabase::InService {
            BackupDatabase::Recovered
        } else {
            class
        }
    }

    fn row(&self) -> Option<&Database> {
        self.files.look.database.seen()
    }

    /// True where nothing was written after the last set: a tail taken WITH NORECOVERY, of this
    /// family.
    fn nothing_is_lost(&self) -> bool {
        let family = self.family();
        self.files.chain.as_ref().is_some_and(|chain| {
            chain.is_plain()
                && self.last_set.seen().is_some_and(|set| {
                    let ours = set.family.as_deref().zip(family);
                    set.force_offline
                        && !set.damaged
                        && ours.is_none_or(|(set, ours)| set.eq_ignore_ascii_case(ours))
                })
        })
    }

    /// Family of the database: O5's, for O4 shows none while RESTORING (`steps.md`, The chain).
    fn family(&self) -> Option<&str> {
        let rows = self.files.look.history.seen()?;
        rows.iter().find_map(|row| row.family.as_deref())
    }

    /// The owner to set: that of the primary, where it has a login here and this is another.
    fn owner_to_set(&self, row: &Database) -> Option<&str> {
        let wanted = self.wanted.as_ref()?.owner.as_deref()?;
        let same = row
            .owner
            .as_ref()
            .is_some_and(|owner| owner.eq_ignore_ascii_case(wanted));
        (self.owner_has_login && !same).then_some(wanted)
    }
}

impl Kind for RecoverDatabase {
    type Facts = Facts;
    type Undo = Nothing<Self>;
    type Key = Key;

    const INFO: Info = Info {
        id: "recover-database",
        vendor: Some("F4"),
        title: "Bring the backup's chat database online: from here no log can be added",
        effect: Effect::Irreversible,
        checks: &[
            "share and copy folder anew: no set of the chain is left to apply",
            "what the chain does not have is accepted as lost",
            "no primary-side database of this family, or holding messages, serves",
            "jobs disabled and idle, no RESTORE, no session",
            "ONLINE, MULTI_USER, read-write, FULL, with a collation",
        ],
    };

    const AFTER: Earlier = Earlier::These(&[
        Step::StopLogShippingJobs,
        Step::CopyBackups,
        Step::ApplyLogs,
        Step::StandDown,
        Step::StopBackupJobs,
        Step::UnmirrorPrimary,
        Step::ClosePrimary,
        Step::EndConnections,
    ]);
    const OVERTAKES: Earlier = Earlier::These(&[
        Step::CopyBackups,
        Step::ApplyLogs,
        Step::StandDown,
        Step::StopBackupJobs,
        Step::UnmirrorPrimary,
        Step::ClosePrimary,
        Step::EndConnections,
    ]);
    const POINT_OF_NO_RETURN: bool = true;

    fn limit(limits: &Limits) -> Option<Duration> {
        limits.restore
    }

    fn settle(limits: &Limits) -> Duration {
        limits.step
    }

    fn end_of_chain(facts: &Facts) -> Option<Lsn> {
        let chain = facts.files.chain.as_ref()?;
        chain.pending.is_empty().then_some(chain.to)
    }

    fn evidence(facts: &Facts) -> Vec<String> {
        evidence::table(facts)
    }

    /// From the end of the last set to the moment of the disaster, never to the present (`steps.md`
    /// 2).
    fn loss_seconds(facts: &Facts, terms: &Terms) -> Option<i64> {
        if facts.nothing_is_lost() {
            return Some(0);
        }
        let end = facts.files.chain.as_ref()?.last_finished?;
        let lost = terms.disaster_at?.duration_since(end);
        // In the hour that comes twice nobody can tell.
        Some(lost.as_secs()).filter(|seconds| *seconds >= 0)
    }

    fn commands(site: &Site) -> Vec<(Key, Command)> {
        commands::list(site)
    }

    async fn observe(cx: Context<'_>) -> Facts {
        let access = cx.access;
        let backup = Instance::chat(Role::Backup);
        let name = &cx.site.database.chat;
        let files = copy_backups::observe(cx).await;
        let last_set = match files.chain.as_ref().and_then(|chain| chain.last.as_ref()) {
            Some((path, fingerprint, position)) => {
                set_facts(access, path, *fingerprint, *position).await
            }
            None => Observed::Absent,
        };
        let rows = secondary(access, backup, name).await;
        let jobs = jobs_of_rows(access, backup, &rows, cx.saved_rows()).await;
        let serves = files.look.database.seen().filter(|row| row.serves());
        let looks = [Role::Primary, Role::PrimaryMirror].into_iter();
        let looks = looks.filter_map(|role| Some(look_at_primary(cx, role, cx.site.chat(role)?)));
        let others = evidence::others(cx.site, access, serves.is_some());
        // At once: a dead data center costs one limit.
        let (primary_side, (hosts, newest_log)) = tokio::join!(join_all(looks), others);
        let loss_is_accepted = files
            .chain
            .as_ref()
            .is_some_and(|chain| accepts(cx.terms, chain));
        let serves = serves.is_some_and(|row| row.collation.is_some());
        let wanted = cx
            .saved
            .and_then(|saved| saved.primary.as_ref())
            .and_then(|half| half.database.clone());
        let owner_has_login = match wanted.as_ref().and_then(|row| row.owner.as_deref()) {
            Some(owner) => login(access, backup, owner).await.seen().is_some(),
            None => false,
        };
        Facts {
            last_set,
            jobs,
            agent_runs: agent_runs(&services(access, backup).await),
            restores: restores(access, backup, name).await,
            sessions: sessions(access, backup, name).await,
            primary_side,
            hosts,
            newest_log,
            fence: Fence::of(cx.site, access.clock.now()),
            times: Times::look(access, cx.terms, backup).await,
            lag: Lag::look(
                access,
                backup,
                rows.seen()
                    .filter(|it| !it.is_empty())
                    .map_or(cx.saved_rows(), Vec::as_slice),
            )
            .await,
            accepted: cx.terms.accepted.map(|loss| loss.to_string()),
            loss_is_accepted,
            overrides: cx.terms.overrides.keys().cloned().collect(),
            ours: cx.started,
            wanted,
            owner_has_login,
            orphans: if serves {
                orphans(access, backup, name).await
            } else {
                Observed::Absent
            },
            identity: identity(access, backup).await,
            planned: Planned::look(cx).await,
            files,
        }
    }

    fn judge(facts: &Facts) -> Standing {
        let class = facts.class();
        if let Some(block) = class.block(&facts.files.database) {
            return Standing::Blocked {
                blocks: vec![block],
            };
        }
        if class.is_recovered() {
            return judge_recovered(facts);
        }
        if let BackupDatabase::Unknown(why) = &class {
            return Standing::unknown(why);
        }
        if class == BackupDatabase::Starting {
            return Standing::underway("recovery runs");
        }
        if let Some(why) = facts.files.copies_unknown() {
            return Standing::unknown(why);
        }
        let (Some(chain), Some(restores), Some(sessions)) = (
            facts.files.chain.as_ref(),
            facts.restores.seen(),
            facts.sessions.seen(),
        ) else {
            let why = facts
                .files
                .redo
                .unknown()
                .or(facts.restores.unknown())
                .or(facts.sessions.unknown());
            return Standing::not_seen(why, "where the chain begins");
        };
        if let Some(why) = facts.jobs.unknown() {
            return Standing::unknown(why);
        }
        let mut blocks: Vec<Block> = facts.files.share_block().into_iter().collect();
        if class == BackupDatabase::Standby {
            blocks.push(
                Block::site(
                    "standby",
                    "the database is in STANDBY: its readers could come back at any moment",
                    "run `apply-logs` first: it makes it RESTORING, also where no log is left",
                )
                .cleared_by(Step::ApplyLogs),
            );
        }
        if !chain.to_copy.is_empty() {
            blocks.push(
                Block::site(
                    "not-copied",
                    left_to_copy(chain.to_copy.len()),
                    "run `copy-backups` first",
                )
                .cleared_by(Step::CopyBackups),
            );
        }
        if !chain.sets.is_empty() {
            blocks.push(
                Block::site(
                    "logs-left",
                    format!(
                        "{} of the chain still to apply, up to LSN {}",
                        count(chain.sets.len(), "log backup"),
                        chain.to
                    ),
                    "run `apply-logs` first; where this run has done it, apply them by hand WITH NORECOVERY",
                )
                .cleared_by(Step::ApplyLogs),
            );
        }
        match planned::loss_and_primary(facts, chain) {
            Ok(found) => blocks.extend(found),
            Err(standing) => return standing,
        }
        let agent = facts.agent_runs != Some(false);
        if facts
            .jobs
            .seen()
            .into_iter()
            .flatten()
            .any(|job| job.enabled || (agent && job.started_and_not_stopped))
        {
            blocks.push(
                Block::site(
                    "jobs-not-idle",
                    "a copy or restore job is enabled or runs",
                    "run `stop-log-shipping-jobs` first",
                )
                .cleared_by(Step::StopLogShippingJobs),
            );
        }
        blocks.extend(restores.iter().map(|restore| {
            Block::site(
                "restore-runs",
                format!(
                    "a {} holds the database: session {}",
                    restore.command,
                    restore.by.describe()
                ),
                "wait until it ends",
            )
            .cleared_by(Step::StopLogShippingJobs)
        }));
        if restores.is_empty() && !sessions.is_empty() {
            blocks.push(
                Block::site(
                    "sessions",
                    format!("{} hold the database", count(sessions.len(), "session")),
                    "run `end-connections` first",
                )
                .cleared_by(Step::EndConnections),
            );
        }
        Standing::unless(blocks, || {
            let wrote = facts.last_set.seen().and_then(|set| set.major);
            let wrote = wrote.or(chain.last_major.map(i64::from));
            let upgrade = match (facts.identity.seen(), wrote) {
                (Some(identity), Some(wrote)) if i64::from(identity.major) > wrote => {
                    "; it is upgraded to this version, and cannot go back to the primary (3169)"
                }
                _ => "",
            };
            let mut left: Vec<String> = chain
                .left_out
                .iter()
                .take(3)
                .map(|(path, reason)| format!("`{path}` ({reason})"))
                .collect();
            if let more @ 1.. = chain.left_out.len() - left.len() {
                left.push(format!("{} more", count(more, "file")));
            }
            let left = match left.as_slice() {
                [] => String::new(),
                left => format!("; left out: {}", left.join(", ")),
            };
            Standing::pending(format!("recover it at LSN {}{upgrade}{left}", chain.to))
        })
    }

    fn back_to(facts: &Facts) -> Option<(Step, String)> {
        let chain = facts.files.chain.as_ref()?;
        if facts.class().is_recovered() {
            return None;
        }
        match (chain.to_copy.len(), chain.sets.len()) {
            (0, 0) => None,
            (0, sets) => {
                let sets = count(sets, "log backup");
                Some((
                    Step::ApplyLogs,
                    format!("{sets} landed since and can be applied"),
                ))
            }
            (files, _) => Some((Step::CopyBackups, left_to_copy(files))),
        }
    }

    async fn act(cx: Context<'_>, facts: &Facts, hands: &Hands<'_, Key>) -> Result<(), StepError> {
        let backup = Instance::chat(Role::Backup);
        let name = &cx.site.database.chat;
        // The operator may have taken minutes to consent: nothing older than this is evidence now
        // (`steps.md` 1.3).
        let fresh;
        let facts = if facts.class().is_recovered() {
            facts
        } else {
            fresh = Self::observe(cx).await;
            match Self::judge(&fresh) {
                Standing::Pending { .. } => {}
                Standing::Satisfied { .. } => return Ok(()),
                Standing::Unknown(problem) => {
                    return Err(StepError::other(problem, ""));
                }
                Standing::Blocked { blocks } => {
                    let why: Vec<String> = blocks.iter().map(Block::why).collect();
                    return Err(StepError::other(
                        format!("the site changed meanwhile: {}", why.join("; ")),
                        "look at it",
                    ));
                }
            }
            &fresh
        };
        let mut session = Box::pin(cx.access.sql.open(backup)).await?;
        if !facts.class().is_recovered() {
            match hands.send(&mut session, Key::Recover, &Values::new()).await {
                Err(StepError::Sql(error)) if error.number() == Some(ALREADY_RECOVERED) => {}
                other => {
                    other?;
                }
            }
        }
        let row = loop {
            match database(cx.access, backup, name).await {
                Observed::Seen(row) if row.serves() && row.collation.is_some() => break row,
                // ONLINE without a collation takes no connections yet (`sql-server.md` 4).
                Observed::Seen(row) if row.serves() || row.state == DatabaseState::Recovering => {}
                // The next observation says what it is.
                Observed::Seen(_) | Observed::Absent | Observed::Unknown(_) => return Ok(()),
            }
            hands.progress(0, 0, Unit::Waiting, "recovery runs");
            tokio::time::sleep(cx.site.limits.poll).await;
        };
        if row.user_access != 0 {
            hands
                .send(&mut session, Key::MultiUser, &Values::new())
                .await?;
        }
        if let Some(owner) = facts.owner_to_set(&row) {
            let values = Values::from([("owner".to_owned(), json!(owner))]);
            match hands.send(&mut session, Key::Owner, &values).await {
                // Users do not wait for an owner; the next observation reports it.
                Err(StepError::Sql(error)) if error.number().is_some() => {}
                other => {
                    other?;
                }
            }
        }
        Ok(())
    }
}
