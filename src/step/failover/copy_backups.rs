//! `copy-backups`, F2: the log backups that the copy folder lacks (`steps.md` 4, 5.4).

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use futures_util::StreamExt as _;
use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use crate::access::copy::Copies;
use crate::model::words::count;
use crate::model::words::size;
use crate::model::{Instance, Problem, Role};
use crate::site::{Limits, Site};
use crate::step::backup_database::{BackupDatabase, Look, classify, look};
use crate::step::command::{Command, Hole, HoleType, Values};
use crate::step::hands::{Hands, StepError};
use crate::step::ledger::Unit;
use crate::step::observe::Observed;
use crate::step::observe::database::{RedoStart, redo_start};
use crate::step::observe::folders::{
    Chain, Folder, Kin, SignOfLife, ToCopy, chain, folders, sign_of_life,
};
use crate::step::observe::log_shipping::secondary;
use crate::step::observe::space::share_room;
use crate::step::undo::Nothing;
use crate::step::{Block, Context, Earlier, Effect, Info, Kind, Lift, Standing, Step};

/// Which command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::step) enum Key {
    Copy,
    CopyFrom,
}

/// Interlock: the share is called lost by a person.
pub(in crate::step) const SHARE_LOST: &str = "share-lost";

/// Interlock: the copy folder has too little room by the sizes of the files.
const ROOM: &str = "share-room";

pub(in crate::step) struct CopyBackups;

/// The folders, from redo start on.
#[derive(Debug, Serialize)]
pub struct Facts {
    pub(in crate::step) database: String,
    pub(in crate::step) look: Look,
    pub(in crate::step) redo: Observed<RedoStart>,
    /// Names in `[shares] backup`.
    pub(in crate::step) share: Observed<usize>,
    /// Names in the copy folder.
    pub(in crate::step) copies: Observed<usize>,
    pub(in crate::step) chain: Option<Chain>,
    pub(in crate::step) share_called_lost: bool,
    /// The newest log backup that was finished after the run began.
    pub(in crate::step) life: Option<SignOfLife>,
    /// Bytes left in the copy folder, as this machine is told; asked for by this step alone.
    pub(in crate::step) room: Observed<u64>,
    pub(in crate::step) room_is_accepted: bool,
}

/// Reads all folders and the redo start. The redo start of a STANDBY database may be NULL: then
/// the last log of its history counts (`sql-server.md` 2.2).
pub(in crate::step) async fn observe(cx: Context<'_>) -> Facts {
    let access = cx.access;
    let backup = Instance::chat(Role::Backup);
    let rows = secondary(access, backup, &cx.site.database.chat).await;
    let rows = match rows.seen() {
        Some(rows) if !rows.is_empty() => rows.as_slice(),
        // Removed by F1, and kept before that.
        Some(_) | None => cx.saved_rows(),
    };
    let mut seen = folders(access, cx.site, rows).await;
    let share_is_known = seen
        .sources
        .first()
        .is_some_and(|(_, it)| it.seen().is_some());
    if seen.copies.seen().is_some_and(|it| it.files.is_empty()) && !share_is_known {
        // With the share lost it is all there is, and a folder that may not be read looks like this.
        seen.copies = Observed::unseen(format!(
            "`{}` looks empty; a folder that may not be read looks the same",
            cx.site.shares.copy
        ));
    }
    let look = look(cx, Some(&seen)).await;
    let redo = redo_start(access, backup, &cx.site.database.chat).await;
    let redo = match redo {
        Observed::Absent => look
            .history
            .seen()
            .and_then(|rows| rows.iter().find_map(|row| row.last_lsn))
            .filter(|_| look.database.seen().is_some_and(|row| row.standby))
            .map_or(Observed::Absent, |lsn| {
                Observed::Seen(RedoStart { lsn, fork: None })
            }),
        other @ (Observed::Seen(_) | Observed::Unknown(_)) => other,
    };
    let mut life = None;
    let chain = match redo.seen() {
        Some(redo) => {
            let history = look.history.seen().map_or(&[][..], Vec::as_slice);
            let kin = Kin::of(history, redo);
            let kin = kin.ask(access, cx.site, &seen, redo.lsn).await;
            life = cx
                .began
                .and_then(|began| sign_of_life(cx.site, &seen, &kin, began));
            Some(chain(cx.site, &seen, redo.lsn, &kin))
        }
        None => None,
    };
    let names = |folder: Observed<Folder>| folder.map(|folder| folder.files.len());
    let share = seen.sources.into_iter().next();
    Facts {
        database: cx.site.database.chat.to_string(),
        look,
        redo,
        share: share.map_or(Observed::Absent, |(_, folder)| names(folder)),
        copies: names(seen.copies),
        chain,
        share_called_lost: cx.terms.overrides(SHARE_LOST),
        life,
        room: Observed::Absent,
        room_is_accepted: cx.terms.overrides(ROOM),
    }
}

impl Facts {
    /// Why the copy folder is unknown: it may hold what the share has no more.
    pub(in crate::step) fn copies_unknown(&self) -> Option<&Problem> {
        self.copies.unknown()
    }

    /// Whether the share is known, or called lost by a person.
    pub(in crate::step) fn share_block(&self) -> Option<Block> {
        let why = self.share.unknown()?;
        (!self.share_called_lost).then(|| {
            Block::site(
                SHARE_LOST,
                why.about("the share of the log backups cannot be read").or(format!(
                    "bring it back; if it is lost for good, say so with --override {SHARE_LOST}=REASON, and accept the loss with --accept-loss-after"
                )),
                "",
            )
            .lifted_by(Lift::Override)
        })
    }

    /// Bytes of what must be copied.
    fn needed_bytes(&self) -> u64 {
        let files = self.chain.iter().flat_map(|chain| &chain.to_copy);
        files.filter(|it| it.needed).map(|it| it.size).sum()
    }

    /// Too little room for them. A folder that takes them all the same compresses, or is another volume.
    fn room_block(&self) -> Option<Block> {
        let (free, needed) = (*self.room.seen()?, self.needed_bytes());
        if free >= needed || self.room_is_accepted {
            return None;
        }
        let block = Block::site(
            ROOM,
            format!(
                "the copy folder has {} free, and the log backups that it lacks are {}",
                size(free),
                size(needed)
            ),
            format!(
                "make room there; or, if they fit all the same, say so with --override {ROOM}=REASON"
            ),
        );
        Some(block.lifted_by(Lift::Override))
    }

    /// The standing that follows from what the database is, before any file counts.
    pub(in crate::step) fn judge_database(&self) -> Result<(), Standing> {
        let class = classify(&self.look);
        if let Some(block) = class.block(&self.database) {
            return Err(Standing::Blocked {
                blocks: vec![block],
            });
        }
        if class.is_recovered() {
            return Err(Standing::satisfied("the database is recovered"));
        }
        if let BackupDatabase::Unknown(why) = class {
            return Err(Standing::unknown(why));
        }
        if class == BackupDatabase::Starting {
            return Err(Standing::unknown("the database is still starting"));
        }
        match &self.redo {
            Observed::Seen(_) => Ok(()),
            Observed::Unknown(why) => Err(Standing::unknown(why)),
            Observed::Absent => Err(Standing::unknown(
                "where the next log must begin: neither sys.master_files nor the restore history says it",
            )),
        }
    }
}

impl Kind for CopyBackups {
    type Facts = Facts;
    type Undo = Nothing<Self>;
    type Key = Key;

    const INFO: Info = Info {
        id: "copy-backups",
        vendor: Some("F2"),
        title: "Copy the log backups that the copy folder lacks",
        effect: Effect::Reversible,
        checks: &[
            "room in the copy folder for what it lacks",
            "share and copy folder are read; an empty or unreadable share is never taken for `nothing to copy`",
            "every set of the chain beyond redo start lies whole in the copy folder: size, header, closing copy",
        ],
    };

    const AFTER: Earlier = Earlier::These(&[Step::StopLogShippingJobs]);

    fn limit(_limits: &Limits) -> Option<Duration> {
        None
    }

    fn why_nothing(_cx: Context<'_>) -> String {
        "nothing to undo: copies of log backups do no harm".to_owned()
    }

    fn commands(site: &Site) -> Vec<(Self::Key, Command)> {
        let target = || {
            Hole::new(
                "target",
                HoleType::Name,
                "the same name, ending in .trn; with the set's FirstLSN where the copy folder has that name with other content",
                "mgc_20261124031500.trn",
            )
        };
        let source = || {
            Hole::new(
                "source",
                HoleType::Name,
                "name of the file",
                "mgc_20261124031500.trn",
            )
        };
        let folder = Hole::new(
            "folder",
            HoleType::Name,
            "the folder where it lies: the one that log shipping's row names, one of `[shares] extra`, or the copy folder for a whole work file (.wrk)",
            r"\\fs2\old-logs",
        );
        vec![
            Command::copy(
                site.shares.backup.join("{source}"),
                site.shares.copy.join("{target}"),
                vec![source(), target()],
            )
            .each("set of the chain from redo start on that the copy folder lacks, in LSN order; then each file of which only an instance can tell what it holds")
            .keyed(Key::Copy),
            Command::copy(
                "{folder}{source}".to_owned(),
                site.shares.copy.join("{target}"),
                vec![folder, source(), target()],
            )
            .each("the same, where it lies in another folder")
            .keyed(Key::CopyFrom),
        ]
    }

    async fn observe(cx: Context<'_>) -> Facts {
        let mut facts = observe(cx).await;
        if facts.needed_bytes() > 0 {
            let folder = cx.site.shares.copy.as_str();
            facts.room = share_room(cx.access, folder, cx.site.limits.query).await;
        }
        facts
    }

    fn judge(facts: &Facts) -> Standing {
        if let Err(standing) = facts.judge_database() {
            return standing;
        }
        if let Some(why) = facts.copies_unknown() {
            return Standing::unknown(why);
        }
        let mut blocks: Vec<Block> = facts.share_block().into_iter().collect();
        blocks.extend(facts.room_block());
        Standing::unless(blocks, || {
            let Some(chain) = facts.chain.as_ref().filter(|it| !it.to_copy.is_empty()) else {
                return Standing::satisfied(if facts.share.seen().is_some() {
                    "the copy folder has every log backup of the chain"
                } else {
                    "the share is called lost: the copy folder is all there is"
                });
            };
            let bytes: u64 = chain.to_copy.iter().map(|file| file.size).sum();
            let opaque = match chain.pending.len() {
                0 => String::new(),
                some => format!(
                    "; of {}, only the backup instance can tell what it holds, once it is copied",
                    count(some, "file")
                ),
            };
            let room = match &facts.room {
                Observed::Unknown(why) => format!("; room in the copy folder was not seen: {why}"),
                Observed::Seen(_) | Observed::Absent => String::new(),
            };
            Standing::pending(format!(
                "copy {}, {}{opaque}{room}",
                count(chain.to_copy.len(), "log backup"),
                size(bytes)
            ))
        })
    }

    async fn act(cx: Context<'_>, facts: &Facts, hands: &Hands<'_, Key>) -> Result<(), StepError> {
        let result = copy_all(cx, facts, hands).await;
        if let Some(handoff) = hands.handoff {
            handoff.close();
        }
        result
    }
}

/// Rounds of copies: what lands late, or what only the instance could tell, is looked for again.
pub(in crate::step) const ROUNDS: usize = 3;

async fn copy_all(cx: Context<'_>, facts: &Facts, hands: &Hands<'_, Key>) -> Result<(), StepError> {
    let mut fresh;
    let mut chain = facts.chain.as_ref();
    for _ in 0..ROUNDS {
        let Some(files) = chain
            .map(|chain| &chain.to_copy)
            .filter(|it| !it.is_empty())
        else {
            break;
        };
        copy_files(cx, files, hands).await?;
        hands.check_stop()?;
        fresh = observe(cx).await;
        chain = fresh.chain.as_ref();
    }
    Ok(())
}

async fn copy_files(
    cx: Context<'_>,
    files: &[ToCopy],
    hands: &Hands<'_, Key>,
) -> Result<(), StepError> {
    let each: Vec<(Key, Values)> = files.iter().map(|file| values(cx.site, file)).collect();
    for key in [Key::Copy, Key::CopyFrom] {
        let values = each.iter().filter(|(of, _)| *of == key);
        let values: Vec<Values> = values.map(|(_, values)| values.clone()).collect();
        if !values.is_empty() {
            hands.announce_each(key, &values)?;
        }
    }
    let total: u64 = files.iter().map(|file| file.size).sum();
    let done = std::sync::atomic::AtomicU64::new(0);
    let done = &done;
    let copy = &cx.site.copy;
    let copier = Copies::new(&*cx.access.shares, copy.verify, copy.parallel, hands.stop);
    let copier = copier.behind(hands);
    let copier = &copier;
    let moves = each.into_iter().map(|(key, values)| async move {
        hands.check_stop()?;
        let (from, to) = hands.copy_paths(key, &values)?;
        let name = values["target"].as_str().unwrap_or_default();
        let before = std::sync::atomic::AtomicU64::new(0);
        let progress = |offset: u64| {
            use std::sync::atomic::Ordering::Relaxed;
            let moved = offset.saturating_sub(before.swap(offset, Relaxed));
            let sum = done.fetch_add(moved, Relaxed) + moved;
            hands.progress(sum, total, Unit::Bytes, name);
        };
        copier.copy(&from, &to, &progress).await?;
        if let Some(handoff) = hands.handoff {
            handoff.land(name);
        }
        Ok::<(), StepError>(())
    });
    // In order of the chain, so that what is applied first lands first. Every copier ends before
    // the step does: an error lets the others finish the file they are in.
    let results: Vec<Result<(), StepError>> = futures_util::stream::iter(moves)
        .buffered(copier.at_once())
        .collect()
        .await;
    for (file, result) in files.iter().zip(results) {
        match result {
            Err(StepError::Copy(refusal)) if !file.needed && !refusal.is_stop() => {
                // Its error is its own: it is named before anything is given up.
                let path = file.source.folder.join(&file.source.name);
                cx.access.headers.keep_not_copied(path, refusal.to_string());
            }
            other => other?,
        }
    }
    Ok(())
}

fn values(site: &Site, file: &ToCopy) -> (Key, Values) {
    let mut values = Values::from([
        ("source".to_owned(), json!(file.source.name)),
        ("target".to_owned(), json!(file.target)),
    ]);
    if file.source.folder == site.shares.backup {
        (Key::Copy, values)
    } else {
        values.insert("folder".to_owned(), json!(file.source.folder.join("")));
        (Key::CopyFrom, values)
    }
}

/// What sends a run back to its copying.
pub(in crate::step) fn left_to_copy(files: usize) -> String {
    format!(
        "{} to copy that the copy folder lacks",
        count(files, "file")
    )
}
