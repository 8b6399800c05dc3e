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
use crate::model::{Instance, Lsn, Problem, Role};
use crate::site::{Limits, Site};
use crate::step::backup_database::{BackupDatabase, Look, classify, look};
use crate::step::command::{Command, Hole, HoleType, Values};
use crate::step::hands::{Hands, StepError};
use crate::step::ledger::Unit;
use crate::step::observe::Observed;
use crate::step::observe::database::{RedoStart, redo_start};
use crate::step::observe::folders::{Chain, chain, copies, share};
use crate::step::undo::Nothing;
use crate::step::{Block, Context, Earlier, Effect, Info, Kind, Lift, Standing, Step};

/// Which command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::step) enum Key {
    Copy,
}

/// Interlock: the share is called lost by a person.
pub(in crate::step) const SHARE_LOST: &str = "share-lost";

pub(in crate::step) struct CopyBackups;

/// The two folders, from redo start on.
#[derive(Debug, Serialize)]
pub struct Facts {
    pub(in crate::step) database: String,
    pub(in crate::step) look: Look,
    pub(in crate::step) redo: Observed<RedoStart>,
    pub(in crate::step) share: Observed<usize>,
    pub(in crate::step) copies: Observed<usize>,
    pub(in crate::step) chain: Option<Chain>,
    pub(in crate::step) share_called_lost: bool,
}

/// Reads both folders and the redo start. The redo start of a STANDBY database may be NULL: then
/// the last log of its history counts (`sql-server.md` 2.2).
pub(in crate::step) async fn observe(cx: Context<'_>) -> Facts {
    let access = cx.access;
    let share = share(access, cx.site).await;
    let copies = match copies(access, cx.site).await {
        // With the share lost it is all there is, and a folder that may not be read looks like this.
        Observed::Seen(folder) if folder.names.is_empty() && share.seen().is_none() => {
            Observed::unseen(format!(
                "`{}` looks empty; a folder that may not be read looks the same",
                cx.site.shares.copy
            ))
        }
        other @ (Observed::Seen(_) | Observed::Absent | Observed::Unknown(_)) => other,
    };
    let look = look(cx, Some(&share)).await;
    let redo = redo_start(access, Instance::chat(Role::Backup), &cx.site.database.chat).await;
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
    let start = redo.seen().map_or(Lsn::ZERO, |redo| redo.lsn);
    let chain = redo.seen().map(|_| chain(cx.site, &share, &copies, start));
    Facts {
        database: cx.site.database.chat.to_string(),
        look,
        redo,
        share: share.map(|folder| folder.files.len()),
        copies: copies.map(|folder| folder.files.len()),
        chain,
        share_called_lost: cx.terms.overrides(SHARE_LOST),
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
        vec![
            Command::copy(
                site.shares.backup.join("{source}"),
                site.shares.copy.join("{target}"),
                vec![
                    Hole::new(
                        "source",
                        HoleType::Name,
                        "name of the set's file in the share",
                        "mgc_20261124031500.trn",
                    ),
                    Hole::new(
                        "target",
                        HoleType::Name,
                        "the same name; with the set's FirstLSN where the copy folder has that name with other content",
                        "mgc_20261124031500.trn",
                    ),
                ],
            )
            .each("set of the chain from redo start on that the copy folder lacks, in LSN order").keyed(Key::Copy),
        ]
    }

    async fn observe(cx: Context<'_>) -> Facts {
        observe(cx).await
    }

    fn judge(facts: &Facts) -> Standing {
        if let Err(standing) = facts.judge_database() {
            return standing;
        }
        if let Some(why) = facts.copies_unknown() {
            return Standing::unknown(why);
        }
        let blocks: Vec<Block> = facts.share_block().into_iter().collect();
        Standing::unless(blocks, || {
            let missing: Vec<_> = facts.chain.iter().flat_map(Chain::to_copy).collect();
            if missing.is_empty() {
                Standing::satisfied(if facts.share.seen().is_some() {
                    "the copy folder has every log backup of the chain"
                } else {
                    "the share is called lost: the copy folder is all there is"
                })
            } else {
                let bytes: u64 = missing.iter().map(|set| set.size).sum();
                Standing::pending(format!(
                    "copy {}, {}",
                    count(missing.len(), "log backup"),
                    size(bytes)
                ))
            }
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

async fn copy_all(cx: Context<'_>, facts: &Facts, hands: &Hands<'_, Key>) -> Result<(), StepError> {
    let Some(chain) = &facts.chain else {
        return Ok(());
    };
    let each: Vec<(Values, u64)> = chain
        .to_copy()
        .filter_map(|set| {
            let source = set.in_share.clone()?;
            let target = chain.copy_name(set)?;
            let values = Values::from([
                ("source".to_owned(), json!(source)),
                ("target".to_owned(), json!(target)),
            ]);
            Some((values, set.size))
        })
        .collect();
    if each.is_empty() {
        return Ok(());
    }
    let values: Vec<Values> = each.iter().map(|(values, _)| values.clone()).collect();
    hands.announce_each(Key::Copy, &values)?;
    let total: u64 = each.iter().map(|(_, size)| size).sum();
    let done = std::sync::atomic::AtomicU64::new(0);
    let done = &done;
    let copy = &cx.site.copy;
    let copies = Copies::new(&*cx.access.shares, copy.verify, copy.parallel, hands.stop);
    let copies = &copies;
    let each = values.into_iter().map(|values| async move {
        hands.check_stop()?;
        let (from, to) = hands.copy_paths(Key::Copy, &values)?;
        let name = values["target"].as_str().unwrap_or_default();
        let before = std::sync::atomic::AtomicU64::new(0);
        let progress = |offset: u64| {
            use std::sync::atomic::Ordering::Relaxed;
            let moved = offset.saturating_sub(before.swap(offset, Relaxed));
            let sum = done.fetch_add(moved, Relaxed) + moved;
            hands.progress(sum, total, Unit::Bytes, name);
        };
        copies.copy(&from, &to, &progress).await?;
        if let (Some(handoff), Some(source)) = (hands.handoff, values["source"].as_str()) {
            handoff.land(source, name);
        }
        Ok::<(), StepError>(())
    });
    // In order of the chain, so that what is applied first lands first. Every copier ends before
    // the step does: an error lets the others finish the file they are in.
    let results: Vec<Result<(), StepError>> = futures_util::stream::iter(each)
        .buffered(copies.at_once())
        .collect()
        .await;
    results.into_iter().collect()
}
