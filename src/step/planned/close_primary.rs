//! `close-primary`: the end of the primary's log WITH NORECOVERY. From here nothing can be written there
//! any more, and what was written is in that file: the run goes back to `copy-backups` and `apply-logs`
//! with it (`steps.md` 6.8; `sql-server.md` 9).

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
pub(in crate::step) mod undo;

use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use super::tail_path;
use crate::model::states::DatabaseState;
use crate::model::{Instance, Lsn, Remedy, Role, quote};
use crate::site::{Limits, Site};
use crate::step::before::Before;
use crate::step::command::{Command, Hole, HoleType, Values};
use crate::step::downtime::Downtime;
use crate::step::earlier::Earlier;
use crate::step::failover::copy_backups;
use crate::step::hands::{Hands, StepError};
use crate::step::observe::Observed;
use crate::step::observe::backups::verified;
use crate::step::observe::database::{Database, RedoStart, database, last_log_backup, redo_start};
use crate::step::observe::pool::{self, Service};
use crate::step::observe::sets::{SetHeader, sets};
use crate::step::shared::{Holders, active_block, address, only_set};
use crate::step::{Block, Context, Effect, Info, Kind, Standing, Step};

/// Which command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::step) enum Key {
    Close,
}

pub(in crate::step) struct ClosePrimary;

/// The primary's database, who holds it, and this run's file.
#[derive(Debug, Serialize)]
pub struct Facts {
    name: String,
    path: String,
    database: Observed<Database>,
    holders: Holders,
    service: Observed<Service>,
    /// O4: where the end of the log would begin.
    begins: Observed<Lsn>,
    /// Where the chain on the share ends; `None` where that is not known.
    reaches: Option<Lsn>,
    /// Where a closed database would go on: where its log ended.
    redo: Observed<RedoStart>,
    tail: Observed<Vec<SetHeader>>,
    /// Whether its data is sound; of a right file only.
    verified: Observed<()>,
}

impl Facts {
    /// This run's end of the log, where it is what closed the primary: it ends where the database does.
    fn own(&self) -> Option<&SetHeader> {
        let redo = self.redo.seen()?.lsn;
        only_set(&self.tail, 2, &self.name)
            .filter(|tail| tail.force_offline && tail.last_lsn == redo)
    }
}

impl Kind for ClosePrimary {
    type Facts = Facts;
    type Undo = undo::Undo;
    type Key = Key;

    const INFO: Info = Info {
        id: "close-primary",
        vendor: None,
        title: "Take the end of the primary's log, which closes its chat database; the run goes back to copy and apply it",
        effect: Effect::Reversible,
        checks: &[
            "not mirrored, nobody holds it, nobody is active",
            "each log backup that the primary took is on the share: the end of the log joins them, by LSN",
            "the primary's chat database is RESTORING",
            "the file was taken WITH NORECOVERY, ends where the primary's database does, and VERIFYONLY finds it sound",
        ],
    };

    const AFTER: Earlier = Earlier::These(&[Step::UnmirrorPrimary]);

    fn limit(limits: &Limits) -> Option<Duration> {
        limits.restore
    }

    fn downtime(_site: &Site, _seeded: bool) -> Option<Downtime> {
        Some(Downtime::of(
            0,
            "the log since the last log backup, which is small",
        ))
    }

    fn commands(site: &Site) -> Vec<(Key, Command)> {
        let text = format!(
            "BACKUP LOG {} TO DISK = {{tail}} WITH FORMAT, CHECKSUM, NORECOVERY, STATS = 5;",
            quote::identifier(site.database.chat.as_str())
        );
        let tail = Hole::new(
            "tail",
            HoleType::Text,
            format!(
                "<database>-planned-<run id>-tail.trn on the log-shipping share, `{}`",
                site.shares.backup
            ),
            site.shares
                .backup
                .join("mgc-planned-20261124-0315-tail.trn"),
        );
        let server = address(site, Role::Primary);
        vec![
            Command::tsql(Role::Primary, &server, text, vec![tail])
                .long()
                .keyed(Key::Close),
        ]
    }

    async fn observe(cx: Context<'_>) -> Facts {
        let access = cx.access;
        let primary = Instance::chat(Role::Primary);
        let name = &cx.site.database.chat;
        let path = tail_path(cx);
        // In this order: a log backup that ends in between is on the share by then.
        let database = database(access, primary, name).await;
        let begins = last_log_backup(access, primary, name).await;
        let reaches = match database.seen() {
            Some(row) if row.serves() => copy_backups::observe(cx).await.chain.map(|it| it.to),
            Some(_) | None => None,
        };
        let mut facts = Facts {
            name: name.to_string(),
            database,
            holders: Holders::of(cx, primary).await,
            service: pool::service(access, &cx.site.pool.fqdn).await,
            begins,
            reaches,
            redo: redo_start(access, primary, name).await,
            tail: sets(access, primary, &path).await,
            verified: Observed::Absent,
            path,
        };
        if facts.own().is_some() {
            facts.verified = verified(access, primary, &facts.path).await;
        }
        facts
    }

    fn judge(facts: &Facts) -> Standing {
        if let Some(why) = facts.database.unknown().or(facts.tail.unknown()) {
            return Standing::unknown(why);
        }
        let Some(row) = facts.database.seen() else {
            return blocked(
                "no-database",
                "the primary has no chat database".to_owned(),
                "see `[sql] primary` and `[database] chat`",
            );
        };
        if row.state == DatabaseState::Restoring && row.mirroring.is_none() {
            return judge_closed(facts);
        }
        if let Some(why) = facts.holders.all.unknown().or(facts.service.unknown()) {
            return Standing::unknown(why);
        }
        let mut blocks = Vec::new();
        if row.mirroring.is_some() {
            let block = Block::site(
                "mirrored",
                "the primary's chat database is mirrored: it refuses to end its log",
                "run `remove-mirroring` first",
            );
            blocks.push(block.cleared_by(Step::UnmirrorPrimary));
        }
        if !row.serves() {
            blocks.push(Block::site(
                "primary-not-serving",
                format!("the primary's chat database is {}", row.state),
                "a planned switch begins where the primary serves; see the SQL Server error log of that instance, and where it is lost: `pchadr failover`",
            ));
        } else if only_set(&facts.tail, 2, &facts.name).is_some() {
            // FORMAT, which a torn file needs (`sql-server.md` 6.1), would write over it.
            blocks.push(Block::site(
                "end-of-log-there",
                format!(
                    "`{}` holds an end of the log of this run, and the primary serves: it was opened again since",
                    facts.path
                ),
                vec![
                    Remedy::to_do(
                        "undo the run, which gives that log to the backup, and begin a new one",
                    ),
                    Remedy::Command("pchadr abort".into()),
                ],
            ));
        } else if let Err(standing) = joins(facts, &mut blocks) {
            return standing;
        }
        blocks.extend(facts.holders.blocks());
        blocks.extend(active_block(&facts.service));
        Standing::unless(blocks, || {
            Standing::pending(format!(
                "take the end of the log to `{}`, which closes the database",
                facts.path
            ))
        })
    }

    async fn act(cx: Context<'_>, facts: &Facts, hands: &Hands<'_, Key>) -> Result<(), StepError> {
        Before::note(hands, |before| before.chat = facts.database.seen().cloned())?;
        let values = Values::from([("tail".to_owned(), json!(facts.path))]);
        let primary = Instance::chat(Role::Primary);
        hands.send_at(cx.access, primary, Key::Close, &values).await
    }
}

fn blocked(id: &'static str, why: String, hint: &'static str) -> Standing {
    Standing::Blocked {
        blocks: vec![Block::site(id, why, hint)],
    }
}

/// Whether the end of the log would join what is on the share.
fn joins(facts: &Facts, blocks: &mut Vec<Block>) -> Result<(), Standing> {
    if let Some(why) = facts.begins.unknown() {
        return Err(Standing::unknown(why));
    }
    let Some(begins) = facts.begins.seen() else {
        blocks.push(Block::site(
            "no-log-backups",
            "the primary takes no log backups of its chat database: its recovery model is SIMPLE, or no full backup was taken since it was changed",
            "see its recovery model, and log shipping with `pchadr check failover`",
        ));
        return Ok(());
    };
    let Some(reaches) = facts.reaches else {
        return Err(Standing::unknown("where the log backups on the share end"));
    };
    if *begins > reaches {
        blocks.push(Block::site(
            "log-elsewhere",
            format!(
                "the primary's last log backup ends at LSN {begins}, and what the backup can be given from the share ends at {reaches}: somebody took a log backup to another place, or a file is missing; the end of the log would not join"
            ),
            "bring the missing file to the log-shipping share (msdb.dbo.backupset of the primary names it), stop what takes those log backups, then go on",
        ));
    }
    Ok(())
}

/// It is RESTORING: by this run's end of the log, or by something else.
fn judge_closed(facts: &Facts) -> Standing {
    if let Some(why) = facts.redo.unknown() {
        return Standing::unknown(why);
    }
    let Some(tail) = facts.own() else {
        return blocked(
            "closed-without-tail",
            "the primary's chat database is RESTORING, and this run's end of its log is not there, not whole, or ends elsewhere"
                .to_owned(),
            "see what closed it; RESTORE DATABASE … WITH RECOVERY on the primary brings it back, as long as no other database of its family serves",
        );
    };
    match &facts.verified {
        Observed::Seen(()) => Standing::satisfied(format!(
            "closed at LSN {}; the end of the log is in `{}`, verified",
            tail.last_lsn, facts.path
        )),
        Observed::Unknown(why) => Standing::unknown(why),
        Observed::Absent => blocked(
            "tail-damaged",
            format!("`{}` is damaged", facts.path),
            "bring chat back where it was with `pchadr abort`: nothing is lost",
        ),
    }
}
