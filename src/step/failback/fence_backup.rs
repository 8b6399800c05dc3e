//! `fence-backup`: the end of the log WITH NORECOVERY. From here nothing can be written on the backup,
//! and it can follow the primary without a second full copy (`steps.md` 6.2; `sql-server.md` 9).

pub(in crate::step) mod undo;

use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use crate::model::states::DatabaseState;
use crate::model::{Instance, Lsn, Role, quote};
use crate::site::{Limits, Site};
use crate::step::before::Before;
use crate::step::between::Between;
use crate::step::command::{Command, Values};
use crate::step::downtime::Downtime;
use crate::step::hands::{Hands, StepError};
use crate::step::observe::Observed;
use crate::step::observe::backups::verified;
use crate::step::observe::database::{Database, RedoStart, database, last_log_backup, redo_start};
use crate::step::observe::pool::{self, Service};
use crate::step::observe::sessions::{RunningRestore, restores};
use crate::step::observe::sets::{SetHeader, sets};
use crate::step::shared::file_hole;
use crate::step::shared::{
    Holders, active_block, address, full_path, is_restored, mirrored_block, only_set, tail_path,
};
use crate::step::{Block, Context, Effect, Info, Kind, Standing, Step};

/// Which command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::step) enum Key {
    Fence,
}

pub(in crate::step) struct FenceBackup;

/// The database, and this run's two files.
#[derive(Debug, Serialize)]
pub struct Facts {
    name: String,
    path: String,
    database: Observed<Database>,
    holders: Holders,
    restores: Observed<Vec<RunningRestore>>,
    service: Observed<Service>,
    full: Observed<Vec<SetHeader>>,
    tail: Observed<Vec<SetHeader>>,
    /// Whether its data is sound; of a right tail only.
    verified: Observed<()>,
    /// What was backed up of the log since the full backup.
    between: Between,
    /// Where the copy on the primary must go on; of one that waits for the log.
    redo: Observed<RedoStart>,
    /// O4: where the end of the log would begin.
    begins: Observed<Lsn>,
    /// The end of the log is restored on the primary: it did join.
    restored: Observed<bool>,
}

impl Facts {
    /// The tail, where it is whole.
    fn own(&self) -> Option<&SetHeader> {
        let full = only_set(&self.full, 1, &self.name)?;
        only_set(&self.tail, 2, &self.name)
            .filter(|tail| tail.force_offline && tail.family == full.family)
    }

    /// The same, where it joins what is restored before it.
    fn whole(&self) -> Option<&SetHeader> {
        let full = only_set(&self.full, 1, &self.name)?;
        let joins = |tail: &&SetHeader| {
            self.restored.seen() == Some(&true)
                || tail.first_lsn <= self.between.reach(full.last_lsn)
        };
        self.own().filter(joins)
    }

    /// Why an end of the log that is taken now would not join.
    fn would_not_join(&self) -> Option<Block> {
        let full = only_set(&self.full, 1, &self.name)?;
        let redo = self.redo.seen().map_or(full.last_lsn, |redo| redo.lsn);
        let from = redo.max(full.last_lsn);
        self.between.in_the_way(from, self.begins.seen().copied())
    }
}

impl Kind for FenceBackup {
    type Facts = Facts;
    type Undo = undo::Facts;
    type Key = Key;

    const INFO: Info = Info {
        id: "fence-backup",
        vendor: None,
        title: "Take the end of the log and close the backup's chat database: nothing can be written there any more",
        effect: Effect::Reversible,
        checks: &[
            "not mirrored, nobody holds it, nobody is active, no RESTORE runs",
            "the log goes on from the full backup without a gap, by LSN: a log backup that somebody took since is there for the primary",
            "the backup's chat database is RESTORING",
            "the file is a tail taken WITH NORECOVERY that joins the full backup, and VERIFYONLY finds it sound",
        ],
    };

    fn limit(limits: &Limits) -> Option<Duration> {
        limits.restore
    }

    fn downtime(_site: &Site, seeded: bool) -> Option<Downtime> {
        Some(Downtime::of(
            0,
            if seeded {
                "the log that was written since `ship-log`, which is small"
            } else {
                "the end of the log, which is small"
            },
        ))
    }

    fn commands(site: &Site) -> Vec<(Self::Key, Command)> {
        vec![
            Command::tsql(
                Role::Backup,
                &address(site, Role::Backup),
                format!(
                    "BACKUP LOG {} TO DISK = {{tail}} WITH INIT, CHECKSUM, NORECOVERY, STATS = 5;",
                    quote::identifier(site.database.chat.as_str())
                ),
                vec![file_hole(site, "tail")],
            )
            .long()
            .keyed(Key::Fence),
        ]
    }

    async fn observe(cx: Context<'_>) -> Facts {
        let access = cx.access;
        let backup = Instance::chat(Role::Backup);
        let name = &cx.site.database.chat;
        let path = tail_path(cx);
        let mut facts = Facts {
            name: name.to_string(),
            database: database(access, backup, name).await,
            holders: Holders::of(cx, backup).await,
            restores: restores(access, backup, name).await,
            service: pool::service(access, &cx.site.pool.fqdn).await,
            full: sets(access, backup, &full_path(cx)).await,
            tail: sets(access, backup, &path).await,
            verified: Observed::Absent,
            between: Between::unasked(),
            redo: redo_of_copy(cx).await,
            begins: last_log_backup(access, backup, name).await,
            restored: is_restored(cx).await,
            path,
        };
        if let Some(full) = only_set(&facts.full, 1, &facts.name) {
            facts.between = Between::beyond(cx, full.last_lsn).await;
        }
        if facts.whole().is_some() {
            facts.verified = verified(access, backup, &facts.path).await;
        }
        facts
    }

    fn judge(facts: &Facts) -> Standing {
        let unknown = facts.database.unknown().or(facts.full.unknown());
        if let Some(why) = unknown.or(facts.tail.unknown()) {
            return Standing::unknown(why);
        }
        let Some(row) = facts.database.seen() else {
            return Standing::Blocked {
                blocks: vec![Block::site(
                    "no-database",
                    "the backup has no chat database",
                    "see `[sql] backup` and `[database] chat`",
                )],
            };
        };
        if row.state == DatabaseState::Restoring && row.mirroring.is_none() {
            return judge_closed(facts);
        }
        if let Some(why) = facts.holders.all.unknown().or(facts.service.unknown()) {
            return Standing::unknown(why);
        }
        if let Some(why) = facts.restores.unknown() {
            return Standing::unknown(why);
        }
        let mut blocks: Vec<Block> = mirrored_block(row).into_iter().collect();
        if blocks.is_empty() && !row.serves() {
            blocks.push(Block::site(
                "backup-not-serving",
                format!("the backup's chat database is {}", row.state),
                "see the SQL Server error log of that instance",
            ));
        }
        if only_set(&facts.full, 1, &facts.name).is_none() {
            blocks.push(
                Block::site(
                    "no-full-backup",
                    "this run's full backup is not there",
                    "run `back-up-database` first",
                )
                .cleared_by(Step::BackUpDatabase),
            );
        }
        if let Some(why) = facts.between.unknown() {
            return Standing::unknown(why);
        }
        blocks.extend(facts.would_not_join());
        blocks.extend(facts.holders.blocks());
        blocks.extend(active_block(&facts.service));
        blocks.extend(facts.restores.seen().into_iter().flatten().map(|restore| {
            Block::site(
                "restore-runs",
                format!(
                    "a {} holds the database: session {}",
                    restore.command,
                    restore.by.describe()
                ),
                "wait until it ends",
            )
        }));
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
        hands
            .send_at(cx.access, Instance::chat(Role::Backup), Key::Fence, &values)
            .await
    }
}

/// Where the primary's copy goes on, where it waits for the log.
async fn redo_of_copy(cx: Context<'_>) -> Observed<RedoStart> {
    if !cx.seeded {
        return Observed::Absent;
    }
    redo_start(
        cx.access,
        Instance::chat(Role::Primary),
        &cx.site.database.chat,
    )
    .await
}

/// It is RESTORING: by this run's tail, or by something else.
fn judge_closed(facts: &Facts) -> Standing {
    let blocked = |id, why: String, hint: &'static str| Standing::Blocked {
        blocks: vec![Block::site(id, why, hint)],
    };
    let Some(tail) = facts.whole() else {
        if let Some(why) = facts.between.unknown() {
            return Standing::unknown(why);
        }
        if let Some(tail) = facts.own() {
            return blocked(
                "tail-does-not-join",
                format!(
                    "the end of the log begins at LSN {}, and what is there before it ends earlier: somebody took a log backup in between, and it is gone",
                    tail.first_lsn
                ),
                "bring chat back where it was with `pchadr abort`: nothing is lost; stop what takes those log backups, then begin a new failback",
            );
        }
        return blocked(
            "closed-without-tail",
            "the backup's chat database is RESTORING, and this run's end of its log is not there, or not whole"
                .to_owned(),
            "see what closed it; RESTORE DATABASE … WITH RECOVERY on the backup brings it back, as long as no other database of its family serves",
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
            "bring the backup's database back with RESTORE DATABASE … WITH RECOVERY, then begin again",
        ),
    }
}
