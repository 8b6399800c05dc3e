//! `apply-logs`, F3: every log backup beyond redo start, in LSN order (`steps.md` 4, 5.5, 5.6;
//! `sql-server.md` 2.3 to 2.5).

mod blocks;
mod refusal;
mod standby;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use crate::access::sql::{Session, SqlError};
use crate::model::words::count;
use crate::model::words::size;
use crate::model::{Instance, Lsn, Remedy, Role, quote};
use crate::site::{Limits, Site};
use crate::step::backup_database::{BackupDatabase, classify};
use crate::step::command::{Command, Hole, HoleType, Values};
use crate::step::failover::copy_backups::{self, left_to_copy};
use crate::step::hands::{Hands, StepError};
use crate::step::ledger::Unit;
use crate::step::observe::Observed;
use crate::step::observe::database::redo_start;
use crate::step::observe::folders::{Chain, Set};
use crate::step::observe::sessions::{Holder, RunningRestore, restores, sessions};
use crate::step::observe::sets::set_facts;
use crate::step::shared::address;
use crate::step::undo::Nothing;
use crate::step::{Block, Context, Earlier, Effect, Info, Kind, Lift, Standing, Step};
use blocks::{End, chain_blocks};
use refusal::{Refusal, refusal};
use standby::leave_standby;

/// Which command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::step) enum Key {
    LeaveStandby,
    Kill,
    RestoreLog,
}

/// Who may hold a database without a session that can be ended.
const NOBODY_ELSE: &str = "wait until it is free: a background task may hold it (AUTO_UPDATE_STATISTICS_ASYNC), or a session that was just ended";

/// Sets between two looks at the redo start (`steps.md` 4).
const LOOK_EVERY: usize = 100;

/// Interlock of a kind: sessions that read a STANDBY database are ended.
const STANDBY_SESSIONS: &str = "standby-sessions";

pub(in crate::step) struct ApplyLogs;

/// The chain, and what could be in its way.
#[derive(Debug, Serialize)]
pub struct Facts {
    files: copy_backups::Facts,
    /// What the instance says of the first and the last set.
    ends: Vec<End>,
    restores: Observed<Vec<RunningRestore>>,
    sessions: Observed<Vec<Holder>>,
    accepts_gap: bool,
    consents: bool,
}

impl Facts {
    fn sets(&self) -> &[Set] {
        self.files.chain.as_ref().map_or(&[], |chain| &chain.sets)
    }

    fn is_standby(&self) -> bool {
        classify(&self.files.look) == BackupDatabase::Standby
    }
}

impl Kind for ApplyLogs {
    type Facts = Facts;
    type Undo = Nothing<Self>;
    type Key = Key;

    const INFO: Info = Info {
        id: "apply-logs",
        vendor: Some("F3"),
        title: "Apply the log backups to the backup's chat database, in LSN order",
        effect: Effect::Reversible,
        checks: &[
            "the chain from redo start on has no gap; fork, family and damage as the instance reads them",
            "no RESTORE holds the database; a STANDBY database is made RESTORING first, or where no log is left; whoever holds it then is ended",
            "redo start reaches the LastLSN of the last set, after a fresh look at the share",
        ],
    };

    const AFTER: Earlier = Earlier::These(&[Step::StopLogShippingJobs, Step::CopyBackups]);
    const ALONGSIDE: Option<Step> = Some(Step::CopyBackups);

    fn limit(_limits: &Limits) -> Option<Duration> {
        None
    }

    fn why_nothing(_cx: Context<'_>) -> String {
        "nothing to undo: applied log backups do no harm, the restore job goes on behind them"
            .to_owned()
    }

    fn commands(site: &Site) -> Vec<(Self::Key, Command)> {
        let database = quote::identifier(site.database.chat.as_str());
        let server = address(site, Role::Backup);
        let sample = site.shares.copy_local.join("mgc_20261124031500.trn");
        vec![
            Command::tsql(
                Role::Backup,
                &server,
                format!(
                    "ALTER DATABASE {database} SET SINGLE_USER WITH ROLLBACK IMMEDIATE; RESTORE DATABASE {database} WITH NORECOVERY;"
                ),
                Vec::new(),
            )
            .when("the database is in STANDBY; again after 3101 or 5064, when those that hold it were ended").long().keyed(Key::LeaveStandby),
            Command::tsql(
                Role::Backup,
                &server,
                "IF EXISTS (SELECT 1 FROM sys.dm_exec_sessions WHERE session_id = {session_id} AND CONVERT(varchar(33), login_time, 126) = {login_time}) KILL {session_id};",
                vec![
                    Hole::new(
                        "session_id",
                        HoleType::Integer,
                        "session_id of the session",
                        57,
                    ),
                    Hole::new(
                        "login_time",
                        HoleType::Text,
                        "login_time of the session, as it was listed",
                        "2026-11-24T03:00:00",
                    ),
                ],
            )
            .each("session that holds the STANDBY database after 3101 or 5064, those that run a RESTORE and our own excepted").keyed(Key::Kill),
            Command::tsql(
                Role::Backup,
                &server,
                format!(
                    "RESTORE LOG {database} FROM DISK = {{file}} WITH FILE = {{position}}, NORECOVERY;"
                ),
                vec![
                    Hole::new(
                        "file",
                        HoleType::Text,
                        "the set's file in the copy folder, as the instance sees it",
                        sample,
                    ),
                    Hole::new(
                        "position",
                        HoleType::Integer,
                        "place of the set in its file",
                        1,
                    ),
                ],
            )
            .each("set of the chain from redo start on that is not empty, in LSN order").long().keyed(Key::RestoreLog),
        ]
    }

    async fn observe(cx: Context<'_>) -> Facts {
        let access = cx.access;
        let backup = Instance::chat(Role::Backup);
        let name = &cx.site.database.chat;
        let files = copy_backups::observe(cx).await;
        let ends: Vec<Set> = match files.chain.as_ref().map(|chain| chain.sets.as_slice()) {
            None | Some([]) => Vec::new(),
            Some([only]) => vec![only.clone()],
            Some([first, .., last]) => vec![first.clone(), last.clone()],
        };
        let mut seen = Vec::new();
        for set in ends {
            let path = engine_path(cx.site, &set);
            seen.push(End {
                set: set_facts(access, &path, set.fingerprint, set.position).await,
                copied: set.in_copy.is_some(),
                path,
            });
        }
        let accepts_gap = files.chain.as_ref().is_some_and(|chain| {
            crate::step::failover::recover_database::accepts(cx.terms, chain) && !chain.whole
        });
        Facts {
            files,
            ends: seen,
            restores: restores(access, backup, name).await,
            sessions: sessions(access, backup, name).await,
            accepts_gap,
            consents: cx.terms.consents(),
        }
    }

    fn judge(facts: &Facts) -> Standing {
        if let Err(standing) = facts.files.judge_database() {
            return standing;
        }
        if let Some(why) = facts.files.copies_unknown() {
            return Standing::unknown(why);
        }
        let (Some(chain), Some(restores)) = (facts.files.chain.as_ref(), facts.restores.seen())
        else {
            return Standing::not_seen(facts.restores.unknown(), "the chain");
        };
        let mut blocks: Vec<Block> = facts.files.share_block().into_iter().collect();
        blocks.extend(chain_blocks(facts, chain));
        blocks.extend(restores.iter().map(|restore| {
            Block::site(
                "restore-runs",
                format!(
                    "a {} holds the chat database: session {}",
                    restore.command,
                    restore.by.describe()
                ),
                "wait until it ends, or stop its job",
            )
            .cleared_by(Step::StopLogShippingJobs)
        }));
        let standby = facts.is_standby();
        if standby && !facts.consents {
            let Some(sessions) = facts.sessions.seen() else {
                return Standing::not_seen(facts.sessions.unknown(), "its sessions");
            };
            if !sessions.is_empty() {
                blocks.push(
                    Block::site(
                        STANDBY_SESSIONS,
                        format!(
                            "{} read the STANDBY database and must be ended",
                            count(sessions.len(), "session")
                        ),
                        "consent with --yes, or end them first",
                    )
                    .lifted_by(Lift::Consent),
                );
            }
        }
        Standing::unless(blocks, || match facts.sets() {
            // Left also where no log remains: from then on nobody can come back before recovery.
            [] if standby => Standing::pending("make the STANDBY database RESTORING"),
            [] => Standing::satisfied(match chain.last_finished {
                Some(time) => format!("applied up to LSN {}, {time}", chain.to),
                None => format!("applied up to LSN {}", chain.to),
            }),
            sets => Standing::pending(format!(
                "apply {}, LSN {} to {}, {}{}",
                count(sets.len(), "log backup"),
                chain.from,
                chain.to,
                size(sets.iter().map(|set| set.size).sum()),
                if standby {
                    ", STANDBY first made RESTORING"
                } else {
                    ""
                }
            )),
        })
    }

    fn back_to(facts: &Facts) -> Option<(Step, String)> {
        let files = facts.files.chain.as_ref()?.to_copy.len();
        (files > 0).then(|| (Step::CopyBackups, left_to_copy(files)))
    }

    async fn act(cx: Context<'_>, facts: &Facts, hands: &Hands<'_, Key>) -> Result<(), StepError> {
        let mut session = Box::pin(cx.access.sql.open(Instance::chat(Role::Backup))).await?;
        if facts.is_standby() {
            leave_standby(cx, hands, &mut session).await?;
        }
        let mut fresh;
        let mut chain = facts.files.chain.as_ref();
        for _ in 0..=copy_backups::ROUNDS {
            let sets = chain.filter(|chain| !chain.sets.is_empty());
            let sound = match sets {
                Some(chain) => apply_sets(cx, chain, hands, &mut session).await?,
                None => true,
            };
            if sound {
                // What landed late, or what only the instance could tell, is applied too.
                let Some(handoff) = hands.handoff else { break };
                handoff.wait_closed().await;
            }
            hands.check_stop()?;
            fresh = copy_backups::observe(cx).await;
            chain = fresh.chain.as_ref();
            let copied = |set: &Set| set.in_copy.is_some();
            if chain.is_none_or(|chain| !chain.sets.first().is_some_and(copied)) {
                break;
            }
        }
        Ok(())
    }
}

/// False where a file cannot be applied: it is kept in mind, and the chain is another.
async fn apply_sets<'a>(
    cx: Context<'a>,
    chain: &Chain,
    hands: &Hands<'_, Key>,
    session: &mut Session<'a>,
) -> Result<bool, StepError> {
    let sets: Vec<(&Set, Values)> = chain
        .sets
        .iter()
        .map(|set| (set, values(cx.site, set)))
        .collect();
    let each: Vec<Values> = sets.iter().map(|(_, values)| values.clone()).collect();
    hands.announce_each(Key::RestoreLog, &each)?;
    let total = sets.len() as u64;
    for (index, (set, values)) in sets.iter().enumerate() {
        hands.check_stop()?;
        wait_for_file(hands, set).await?;
        let show = |detail: String| hands.progress(index as u64, total, Unit::Files, detail);
        let lsn = set.first_lsn;
        show(format!("LSN {lsn}"));
        // A large one takes its time; then it is shown how far it is.
        let part = |percent: u64| show(format!("LSN {lsn}, {percent} % of this one"));
        let mut refused = apply(hands, session, values, &part).await?;
        if let Some(error) = &refused
            && refusal(error) == Refusal::Again
            && stands(cx, set).await
        {
            show(format!("LSN {lsn}, again after: {error}"));
            tokio::time::sleep(cx.site.limits.poll).await;
            *session = Box::pin(cx.access.sql.open(Instance::chat(Role::Backup))).await?;
            hands.announce(Key::RestoreLog, values)?;
            refused = apply(hands, session, values, &part).await?;
        }
        if let Some(error) = refused {
            return set_aside(cx, set, session, error).await.map(|()| false);
        }
        if (index + 1) % LOOK_EVERY == 0 {
            confirm(cx, set.last_lsn).await?;
        }
    }
    hands.progress(total, total, Unit::Files, format!("LSN {}", chain.to));
    Ok(true)
}

/// Keeps in mind that a file cannot be applied: another copy of it may be sound; where there is none,
/// the chain ends before it, and its loss has to be accepted. An error that is not about the file
/// remains one.
async fn set_aside<'a>(
    cx: Context<'a>,
    set: &Set,
    session: &mut Session<'a>,
    error: SqlError,
) -> Result<(), StepError> {
    let why = match refusal(&error) {
        Refusal::Damaged => error.to_string(),
        Refusal::Again if stands(cx, set).await => format!("it cannot be applied: {error}"),
        Refusal::Again | Refusal::Other => return Err(error.into()),
    };
    let name = set.copy_name().unwrap_or_default();
    let path = cx.site.shares.copy.join(name);
    cx.access.headers.keep_damaged(path, set.fingerprint, why);
    // Some of these errors end their connection.
    *session = Box::pin(cx.access.sql.open(Instance::chat(Role::Backup))).await?;
    Ok(())
}

/// Whether redo start still lies before the end of a set.
async fn stands(cx: Context<'_>, set: &Set) -> bool {
    let backup = Instance::chat(Role::Backup);
    let redo = redo_start(cx.access, backup, &cx.site.database.chat).await;
    redo.seen().is_some_and(|redo| redo.lsn < set.last_lsn)
}

/// Where the instance reads a set: in the copy folder, or, before it is copied, in the share.
fn engine_path(site: &Site, set: &Set) -> String {
    match (&set.in_copy, &set.source) {
        (Some(name), _) => site.shares.copy_local.join(name),
        (None, Some(source)) => source.folder.join(&source.name),
        (None, None) => String::new(),
    }
}

fn values(site: &Site, set: &Set) -> Values {
    let name = set.copy_name().unwrap_or_default();
    let file = site.shares.copy_local.join(name);
    Values::from([
        ("file".to_owned(), json!(file)),
        ("position".to_owned(), json!(set.position)),
    ])
}

/// Waits until `copy-backups` has landed the file, where both run together.
async fn wait_for_file(hands: &Hands<'_, Key>, set: &Set) -> Result<(), StepError> {
    let (None, Some(name)) = (&set.in_copy, set.copy_name()) else {
        return Ok(());
    };
    let Some(handoff) = hands.handoff else {
        return Err(StepError::other(
            format!("`{name}` is not in the copy folder, and this run has done its copying"),
            Remedy::GoOn,
        ));
    };
    if handoff.wait(name).await {
        return Ok(());
    }
    Err(StepError::other(
        format!("`{name}` was not copied"),
        "see the error of copy-backups",
    ))
}

/// Applies one set; answers the error of one that was refused. 4326: already applied. 3009: applied,
/// only its history row is missing. 4319: a restore was interrupted before; the same set again
/// completes it (`sql-server.md` 2.5).
async fn apply(
    hands: &Hands<'_, Key>,
    session: &mut Session<'_>,
    values: &Values,
    show: &(dyn Fn(u64) + Send + Sync),
) -> Result<Option<SqlError>, StepError> {
    match hands
        .send_shown(session, Key::RestoreLog, values, show)
        .await
    {
        Err(StepError::Sql(error)) => match error.number() {
            Some(4326 | 3009) => Ok(None),
            Some(_) => Ok(Some(error)),
            None => Err(error.into()),
        },
        other => other.map(|_| None),
    }
}

/// Redo start must have followed.
async fn confirm(cx: Context<'_>, reached: Lsn) -> Result<(), StepError> {
    let backup = Instance::chat(Role::Backup);
    match redo_start(cx.access, backup, &cx.site.database.chat).await {
        Observed::Seen(redo) if redo.lsn >= reached => Ok(()),
        Observed::Seen(redo) => Err(StepError::other(
            format!(
                "the restores said done, but redo start is {} and not {reached}",
                redo.lsn
            ),
            "see the SQL Server error log",
        )),
        Observed::Absent => Err(StepError::other(
            "the database is no longer RESTORING",
            "see who recovered it",
        )),
        Observed::Unknown(why) => Err(StepError::other(why, "")),
    }
}
