//! What is in the way of applying the chain (`sql-server.md` 2.3, 2.5). A set that is damaged, of
//! another family or on another fork is in no chain (`Kin`).

use jiff::civil::DateTime;
use serde::Serialize;

use super::Facts;
use crate::model::chain::Gap;
use crate::step::observe::Observed;
use crate::step::observe::folders::{Chain, Unread, named};
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
    let in_gap = |it: &&Unread| {
        it.lsns
            .is_none_or(|(first, last)| first < gap.before && last > gap.after)
    };
    let may_fill = named(chain.unreadable.iter().filter(in_gap));
    if !may_fill.is_empty() {
        why = format!("{why}; it may be {may_fill}");
    }
    let unfit = named(chain.unfit.iter().filter(in_gap));
    if !unfit.is_empty() {
        why = format!("{why}; what lies there cannot be applied: {unfit}");
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

/// A gap, and what the instance cannot read.
pub(super) fn chain_blocks(facts: &Facts, chain: &Chain) -> Vec<Block> {
    let mut blocks = Vec::new();
    if let (Some(gap), false) = (chain.gaps.first(), facts.accepts_gap)
        // What is not copied yet may fill it.
        && chain.pending.is_empty()
    {
        blocks.push(gap_block(chain, *gap));
    }
    for End { path, copied, set } in &facts.ends {
        match set {
            Observed::Absent if *copied => blocks.push(Block::site(
                "unread-by-instance",
                format!("the backup instance finds no such set in `{path}`"),
                "see who changed that file; copy it again from the share",
            )),
            Observed::Unknown(why) if *copied => blocks.push(Block::site(
                "unread-by-instance",
                why.about(format!("the backup instance cannot read `{path}`")),
                "give its service account the right to read the copy folder; see `[shares] copy_local`",
            )),
            // Not copied yet: the instance need not reach the share. What cannot be applied is in no
            // chain.
            Observed::Absent | Observed::Unknown(_) | Observed::Seen(_) => {}
        }
    }
    blocks
}
