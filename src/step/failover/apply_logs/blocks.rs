//! What is in the way of applying the chain: gap, fork, family, damage (`sql-server.md` 2.3, 2.5).

use jiff::civil::DateTime;
use serde::Serialize;

use super::Facts;
use crate::model::chain::Gap;
use crate::step::observe::Observed;
use crate::step::observe::folders::{Chain, named};
use crate::step::observe::sets::SetHeader;
use crate::step::{Block, Lift};

/// One end of the chain, as the instance reads it.
#[derive(Debug, Serialize)]
pub(super) struct End {
    pub(super) path: String,
    /// True in the copy folder, which the instance must be able to read.
    pub(super) copied: bool,
    pub(super) set: Observed<SetHeader>,
}

/// A log backup that is certainly missing, for one behind it is there; with the files that may be it.
fn gap_block(chain: &Chain, gap: Gap) -> Block {
    let by = |server: Option<&str>, time: Option<DateTime>| {
        let time = time.map_or_else(String::new, |it| format!(", {it}"));
        let server = server.map_or_else(String::new, |it| format!(", of {it}"));
        format!("{time}{server}")
    };
    let last = by(chain.last_server.as_deref(), chain.last_finished);
    let next = chain
        .behind_gap
        .as_ref()
        .map_or_else(String::new, |(server, time)| by(Some(server), *time));
    let mut why = format!(
        "a log backup is missing: the chain ends at LSN {}{last}; it goes on at LSN {}{next}",
        gap.after, gap.before
    );
    let may_fill = chain.unreadable.iter().filter(|it| {
        it.lsns
            .is_none_or(|(first, last)| first < gap.before && last > gap.after)
    });
    let named = named(may_fill);
    if !named.is_empty() {
        why = format!("{why}; it may be {named}");
    }
    Block::site(
        "gap",
        why,
        format!(
            "find it, also in the mirror share and on the old primary; if it is lost, accept the loss with --accept-loss-after {}",
            gap.after
        ),
    )
    .lifted_by(Lift::Loss)
}

/// Gap, fork, family, damage.
pub(super) fn chain_blocks(facts: &Facts, chain: &Chain) -> Vec<Block> {
    let mut blocks = Vec::new();
    if let (Some(gap), false) = (chain.gaps.first(), facts.accepts_gap)
        // What is not copied yet may fill it.
        && chain.pending.is_empty()
    {
        blocks.push(gap_block(chain, *gap));
    }
    for End { path, copied, set } in &facts.ends {
        let set = match set {
            Observed::Seen(set) => set,
            Observed::Absent if *copied => {
                blocks.push(Block::site(
                    "unread-by-instance",
                    format!("the backup instance finds no such set in `{path}`"),
                    "see who changed that file; copy it again from the share",
                ));
                continue;
            }
            Observed::Unknown(why) if *copied => {
                blocks.push(Block::site(
                    "unread-by-instance",
                    why.about(format!("the backup instance cannot read `{path}`")),
                    "give its service account the right to read the copy folder; see `[shares] copy_local`",
                ));
                continue;
            }
            // Not copied yet: the instance need not reach the share.
            Observed::Absent | Observed::Unknown(_) => continue,
        };
        if set.damaged {
            blocks.push(Block::site(
                "damaged",
                format!("`{path}` is damaged: the instance says so of its header"),
                "find another copy of that log backup",
            ));
        }
        let differs = |a: &Option<String>, b: &Option<String>| {
            a.as_ref()
                .zip(b.as_ref())
                .is_some_and(|(a, b)| !a.eq_ignore_ascii_case(b))
        };
        if differs(&set.family, &facts.family) {
            blocks.push(Block::site(
                "other-family",
                format!("`{path}` is of another database of the same name: its family differs"),
                "see who writes to the share; the old primary may have been rebuilt",
            ));
        }
    }
    let redo_fork = facts.files.redo.seen().and_then(|redo| redo.fork.clone());
    if let (Some(end), Some(redo_fork)) = (facts.ends.first(), redo_fork)
        && let Some(first) = end.set.seen()
        && first
            .first_fork
            .as_ref()
            .is_some_and(|fork| !fork.eq_ignore_ascii_case(&redo_fork))
    {
        blocks.push(Block::site(
            "other-fork",
            format!(
                "`{}` is on another recovery fork than the backup's database (4330)",
                end.path
            ),
            "the source was recovered from a backup since; seed the secondary again",
        ));
    }
    blocks
}
