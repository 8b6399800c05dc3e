//! `restore-database`, B4: the chat database on the primary, from this run's full backup and the end
//! of the log (`steps.md` 6; `sql-server.md` 6.3, 6.4).

mod blocks;
mod commands;
mod mend;
mod rest;
pub(in crate::step) mod undo;

use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use crate::model::states::DatabaseState;
use crate::model::{Instance, Lsn, Problem, Role};
use crate::site::{Limits, Site};
use crate::step::between::Between;
use crate::step::command::{Command, Values};
use crate::step::downtime::Downtime;
use crate::step::hands::{Hands, StepError};
use crate::step::next::{Door, Next, Patience, Sending, send_by_looks};
use crate::step::observe::Observed;
use crate::step::observe::backups::{
    ListedFile, PlacedFile, listed_files, logins, placed_files, restored_from, restored_sets,
    verified,
};
use crate::step::observe::database::{
    Content, Database, Lineage, RedoStart, content, database, lineage, orphans, redo_start,
};
use crate::step::observe::instance::{Identity, identity};
use crate::step::observe::sets::{SetHeader, sets};
use crate::step::observe::space::{certificates, encryptor};
use crate::step::placement::{Incoming, targets};
use crate::step::shared::{Holders, file_name, full_path, only_set, tail_path};
use crate::step::without_mirror::primary_side;
use crate::step::{Block, Context, Effect, Info, Kind, Standing};
use blocks::{closed_block, full_blocks, target_blocks, version_blocks};
pub(in crate::step) use commands::Key;
pub(in crate::step) use commands::log_values;
pub(super) use commands::{full, log};
use mend::Wanted;
pub(in crate::step) use rest::{Rest, holds_another, rest};

pub(in crate::step) struct RestoreDatabase;

/// The primary's database, this run's two files, and how the database was before.
#[derive(Debug, Serialize)]
pub struct Facts {
    name: String,
    primary: Observed<Identity>,
    /// The other instances that must be of the same version.
    others: Vec<(Role, Observed<Identity>)>,
    database: Observed<Database>,
    files: Observed<Vec<PlacedFile>>,
    holders: Holders,
    /// O4, O15 of a serving database.
    lineage: Observed<Lineage>,
    content: Observed<Content>,
    /// Newest set that was restored there.
    newest: Observed<Option<String>>,
    /// The full backup that it was restored from.
    base: Observed<Option<String>>,
    /// Where its next log must begin; absent where it is not RESTORING.
    redo: Observed<RedoStart>,
    /// What it lacks before the end of the log.
    between: Between,
    full: Observed<Vec<SetHeader>>,
    tail: Observed<Vec<SetHeader>>,
    listed: Observed<Vec<ListedFile>>,
    /// What the archive has of the database that stands there now.
    archived: Observed<Vec<SetHeader>>,
    archive_verified: Observed<()>,
    /// The backup's database: closed, or else two would be writable.
    backup: Observed<Database>,
    /// Its family, while it or its mirror serves.
    backup_family: Option<String>,
    wanted: Wanted,
    /// Certificate that the backup's database is encrypted by; read before a file can tell.
    encryptor: Observed<String>,
    /// Certificates of the primary, and of its mirror.
    certificates: Vec<(Role, Observed<Vec<String>>)>,
    orphans: Observed<Vec<String>>,
    logins: Observed<Vec<String>>,
}

/// How far the primary's database is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nothing of this run is there.
    Before,
    /// The full backup is restored, and perhaps log that follows it.
    Full,
    /// The end of the log too.
    Tail,
    /// It recovers.
    Starting,
    /// It serves.
    Serves,
}

impl Facts {
    /// The next thing to do.
    fn next(&self, cx: Context<'_>) -> Next<Key> {
        let Standing::Pending { what, .. } = RestoreDatabase::judge(self) else {
            return Next::Nothing("done, or in the way".to_owned());
        };
        let text = |name: &str, value: String| (name.to_owned(), json!(value));
        let opens = |row: &Database| row.serves() && row.collation.is_none();
        let (key, values) = match self.stage() {
            Stage::Before => (Key::Full, self.full_values(cx)),
            Stage::Full => match self.between.next(self.redo()) {
                Ok(None) => (Key::Tail, Values::from([text("tail", tail_path(cx))])),
                Ok(Some(log)) => (Key::Log, log_values(&log.path, log.position)),
                Err(_) => return Next::Nothing(what),
            },
            Stage::Tail => (Key::Recover, Values::new()),
            Stage::Serves if !self.row().is_some_and(opens) => match mend::next(self) {
                Some(mend) => mend.command(),
                None => return Next::Nothing(what),
            },
            Stage::Starting | Stage::Serves => return Next::Wait("recovery runs".to_owned()),
        };
        Next::Send(Sending {
            what,
            to: Door::Sql(Instance::chat(Role::Primary)),
            key,
            values,
        })
    }

    /// What the full backup is restored with.
    pub(super) fn full_values(&self, cx: Context<'_>) -> Values {
        let moves = self.moves().unwrap_or_default();
        Values::from([
            ("file".to_owned(), json!(full_path(cx))),
            ("moves".to_owned(), json!(moves)),
        ])
    }

    /// Why how far it is cannot be told.
    pub(super) fn unknown(&self) -> Option<&Problem> {
        let unknown = self.primary.unknown().or(self.database.unknown());
        let unknown = unknown.or(self.newest.unknown()).or(self.base.unknown());
        unknown.or(self.full.unknown()).or(self.tail.unknown())
    }

    /// Where the log must go on: of a copy that waits for it, else behind the full backup.
    pub(super) fn redo(&self) -> Lsn {
        let full = || self.full_set().map_or(Lsn::ZERO, |set| set.last_lsn);
        self.redo.seen().map_or_else(full, |redo| redo.lsn)
    }

    /// What the copy lacks before the end of the log.
    pub(super) fn between(&self) -> &Between {
        &self.between
    }

    /// Whether a set is of the full backup's family.
    pub(super) fn is_of_family(&self, set: &SetHeader) -> bool {
        self.full_set()
            .is_some_and(|full| full.family == set.family)
    }

    /// Nothing of this run is there: whether what stands there may be written over.
    pub(super) fn judge_before(
        &self,
        more: Vec<Block>,
        pending: impl FnOnce() -> Standing,
    ) -> Standing {
        let mut blocks = version_blocks(self);
        blocks.extend(target_blocks(self));
        blocks.extend(full_blocks(self));
        blocks.extend(more);
        Standing::unless(blocks, || match self.moves() {
            None => Standing::not_seen(
                self.listed.unknown().or(self.files.unknown()),
                "where the files of the database go",
            ),
            Some(_) => pending(),
        })
    }

    fn full_set(&self) -> Option<&SetHeader> {
        only_set(&self.full, 1, &self.name)
    }

    fn tail_set(&self) -> Option<&SetHeader> {
        only_set(&self.tail, 2, &self.name).filter(|set| set.force_offline)
    }

    fn row(&self) -> Option<&Database> {
        self.database.seen()
    }

    pub(super) fn stage(&self) -> Stage {
        let is = |seen: &Observed<Option<String>>, set: Option<&SetHeader>| {
            let seen = seen.seen().and_then(|set| set.as_deref());
            let set = set.and_then(|set| set.set.as_deref());
            seen.zip(set)
                .is_some_and(|(seen, set)| seen.eq_ignore_ascii_case(set))
        };
        let Some(row) = self.row() else {
            return Stage::Before;
        };
        if is(&self.newest, self.tail_set()) {
            match row.state {
                DatabaseState::Restoring if row.mirroring.is_none() => Stage::Tail,
                DatabaseState::Recovering => Stage::Starting,
                DatabaseState::Online
                | DatabaseState::Restoring
                | DatabaseState::RecoveryPending
                | DatabaseState::Suspect
                | DatabaseState::Emergency
                | DatabaseState::Offline => Stage::Serves,
            }
        } else if is(&self.base, self.full_set())
            && row.state == DatabaseState::Restoring
            && row.mirroring.is_none()
        {
            Stage::Full
        } else {
            Stage::Before
        }
    }

    /// Where every file of the backup goes.
    fn moves(&self) -> Option<Vec<(String, String)>> {
        let listed = self.listed.seen().filter(|files| !files.is_empty())?;
        let incoming: Vec<Incoming<'_>> = listed
            .iter()
            .map(|file| Incoming {
                name: &file.name,
                path: &file.path,
                log: file.kind == "L",
            })
            .collect();
        let names = listed.iter().map(|file| file.name.clone());
        Some(names.zip(targets(&incoming, self.files.seen()?)?).collect())
    }
}

impl Kind for RestoreDatabase {
    type Facts = Facts;
    type Undo = undo::Facts;
    type Key = Key;

    const INFO: Info = Info {
        id: "restore-database",
        vendor: Some("B4"),
        title: "Restore the chat database on the primary: what stands there is written over",
        effect: Effect::Irreversible,
        checks: &[
            "the target is the site's primary, of the same SQL Server version as its mirror and the backup",
            "what stands there is kept, or a fresh installation; it is not mirrored, nobody holds it",
            "the backup's chat database is closed: never two writable ones",
            "ONLINE, MULTI_USER, read-write, FULL; the newest set restored there is this run's end of the log",
            "owner, TRUSTWORTHY, Service Broker and users as they were",
        ],
    };

    fn limit(limits: &Limits) -> Option<Duration> {
        limits.restore
    }

    fn settle(limits: &Limits) -> Duration {
        limits.step
    }

    fn downtime(_site: &Site, seeded: bool) -> Option<Downtime> {
        Some(if seeded {
            Downtime::of(
                0,
                "the end of the log is restored on the primary, then recovery",
            )
        } else {
            Downtime::of(1, "it is restored on the primary, then recovery")
        })
    }

    fn commands(site: &Site) -> Vec<(Self::Key, Command)> {
        commands::list(site)
    }

    async fn observe(cx: Context<'_>) -> Facts {
        observe(cx).await
    }

    fn judge(facts: &Facts) -> Standing {
        if let Some(why) = facts.unknown() {
            return Standing::unknown(why);
        }
        match facts.stage() {
            Stage::Serves => judge_serving(facts),
            // Not underway: owner, options and users may be left to mend behind it.
            Stage::Starting => Standing::pending("recovery runs"),
            Stage::Before => {
                let closed = closed_block(facts).into_iter().collect();
                facts.judge_before(closed, || pending(facts))
            }
            Stage::Full => judge_waiting(facts),
            Stage::Tail => {
                let mut blocks = full_blocks(facts);
                blocks.extend(closed_block(facts));
                Standing::unless(blocks, || pending(facts))
            }
        }
    }

    async fn act(cx: Context<'_>, _facts: &Facts, hands: &Hands<'_, Key>) -> Result<(), StepError> {
        let patience = Patience {
            not_shown: "see the SQL Server error log of the primary",
            wait: None,
            shows: None,
        };
        send_by_looks(cx, hands, patience, || async {
            let facts = observe(cx).await;
            Ok(facts.next(cx))
        })
        .await
    }
}

pub(super) async fn observe(cx: Context<'_>) -> Facts {
    let access = cx.access;
    let primary = Instance::chat(Role::Primary);
    let name = &cx.site.database.chat;
    let row = database(access, primary, name).await;
    let serves = row
        .seen()
        .is_some_and(|row| row.serves() && row.collation.is_some());
    let mut others = Vec::new();
    let sides = primary_side(cx).await;
    let mirror = sides.iter().filter(|role| **role != Role::Primary);
    for role in mirror.chain([&Role::Backup]) {
        others.push((*role, identity(access, Instance::chat(*role)).await));
    }
    let full = full_path(cx);
    let mut facts = Facts {
        name: name.to_string(),
        primary: identity(access, primary).await,
        others,
        files: placed_files(access, primary, name).await,
        holders: Holders::of(cx, primary).await,
        lineage: Observed::Absent,
        content: Observed::Absent,
        newest: restored_sets(access, primary, name)
            .await
            .map(|rows| rows.into_iter().next()),
        base: restored_from(access, primary, name).await,
        redo: redo_start(access, primary, name).await,
        between: Between::unasked(),
        full: sets(access, primary, &full).await,
        tail: sets(access, primary, &tail_path(cx)).await,
        listed: Observed::Absent,
        archived: Observed::Absent,
        archive_verified: Observed::Absent,
        backup: database(access, Instance::chat(Role::Backup), name).await,
        backup_family: None,
        wanted: Wanted::of(cx.saved).certificate_is_there(cx.terms.overrides(mend::certificate())),
        encryptor: encryptor(access, Instance::chat(Role::Backup), name).await,
        certificates: Vec::new(),
        orphans: Observed::Absent,
        logins: logins(access, primary).await,
        database: row,
    };
    for role in [Role::Backup, Role::BackupMirror] {
        let instance = Instance::chat(role);
        if access.sql.has(instance) && facts.backup_family.is_none() {
            let lineage = lineage(access, instance, name).await;
            facts.backup_family = lineage.seen().and_then(|it| it.family.clone());
        }
    }
    for role in sides {
        let there = certificates(access, Instance::chat(role)).await;
        facts.certificates.push((role, there));
    }
    if facts.stage() == Stage::Full {
        facts.between = Between::beyond(cx, facts.redo()).await;
    }
    if facts.full_set().is_some() {
        facts.listed = listed_files(access, primary, &full).await;
    }
    if serves {
        facts.orphans = orphans(access, primary, name).await;
        if facts.stage() == Stage::Before {
            facts.lineage = lineage(access, primary, name).await;
            facts.content = content(access, primary, name).await;
            if let Some(archive) = &cx.site.shares.archive {
                let path = archive.join(&file_name(cx, Role::Primary.key()));
                facts.archived = sets(access, primary, &path).await;
                if only_set(&facts.archived, 1, name.as_str()).is_some() {
                    facts.archive_verified = verified(access, primary, &path).await;
                }
            }
        }
    }
    facts
}

/// The copy waits for the log: all that it lacks is there, and nothing is written behind it.
fn judge_waiting(facts: &Facts) -> Standing {
    if let Some(why) = facts.between.unknown() {
        return Standing::unknown(why);
    }
    let mut blocks = full_blocks(facts);
    blocks.extend(closed_block(facts));
    if blocks.is_empty() {
        let begins = facts.tail_set().map(|tail| tail.first_lsn);
        blocks.extend(facts.between.in_the_way(facts.redo(), begins));
    }
    Standing::unless(blocks, || pending(facts))
}

fn pending(facts: &Facts) -> Standing {
    let what = match facts.stage() {
        Stage::Before => "restore the full backup and the end of the log, recover",
        Stage::Full => "restore the end of the log, recover",
        Stage::Tail | Stage::Starting | Stage::Serves => "recover",
    };
    Standing::pending(format!("{what}; {}", facts.wanted.describe()))
}

fn judge_serving(facts: &Facts) -> Standing {
    let Some(row) = facts.row() else {
        return Standing::unknown("the primary's chat database");
    };
    if crate::step::shared::is_mirror(row) {
        return Standing::satisfied("restored; its mirror is the principal at the moment");
    }
    if row.serves() && row.collation.is_none() {
        return Standing::pending("it takes no connections yet");
    }
    if facts
        .backup
        .seen()
        .is_some_and(|row| row.serves() && row.mirroring.is_none())
    {
        return Standing::Blocked {
            blocks: vec![Block::site(
                "two-writable",
                "the primary's and the backup's chat databases are both writable",
                "let nobody use the backup's; see who recovered it",
            )],
        };
    }
    if let Some(why) = facts.orphans.unknown().or(facts.logins.unknown()) {
        return Standing::unknown(why);
    }
    if let Some(mend) = mend::next(facts) {
        return Standing::pending(mend.describe());
    }
    if !row.is_sound() {
        return Standing::Blocked {
            blocks: vec![Block::site(
                "unsound",
                format!("it is {}, but {}", row.state, row.unsound().join(", ")),
                "mend that with ALTER DATABASE, then go on",
            )],
        };
    }
    let left = mend::left_over(facts);
    Standing::satisfied(if left.is_empty() {
        "restored and ONLINE, with owner, options and users as they were".to_owned()
    } else {
        format!("restored and ONLINE; {}", left.join("; "))
    })
}
