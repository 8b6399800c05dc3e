//! A planned failover recovers the backup only where it has all that the primary ever wrote: the primary
//! is closed, by the end of its log, and the backup's redo start is where that ended (`steps.md` 6.8).
//! Nothing overrides that, and no loss can be accepted.

use serde::Serialize;

use super::Facts;
use super::loss::loss_block;
use super::primary::{SERVES, primary_blocks};
use crate::model::states::DatabaseState;
use crate::model::{Instance, Role};
use crate::step::observe::Observed;
use crate::step::observe::database::{Database, RedoStart, database, redo_start};
use crate::step::observe::folders::Chain;
use crate::step::observe::instance::Presence;
use crate::step::shared::ONE_INSTANCE;
use crate::step::{Block, Context, Standing, Step};

/// What would be lost, and what of the primary side forbids recovery; an error says what is not known.
pub(super) fn loss_and_primary(facts: &Facts, chain: &Chain) -> Result<Vec<Block>, Standing> {
    if let Some(planned) = &facts.planned {
        return planned.blocks(facts, chain);
    }
    let mut blocks = Vec::new();
    if !facts.nothing_is_lost() && !facts.loss_is_accepted {
        blocks.push(loss_block(facts, chain));
    }
    blocks.extend(facts.times.blocks(chain.last_finished));
    blocks.extend(primary_blocks(facts));
    Ok(blocks)
}

/// The primary, as it was left.
#[derive(Debug, Serialize)]
pub(super) struct Planned {
    primary: Observed<Database>,
    /// Where its log ended, once it is closed.
    ended: Observed<RedoStart>,
}

impl Planned {
    /// `None` where the failover is not planned.
    pub(super) async fn look(cx: Context<'_>) -> Option<Self> {
        if !cx.planned {
            return None;
        }
        let (at, name) = (Instance::chat(Role::Primary), &cx.site.database.chat);
        Some(Self {
            ended: redo_start(cx.access, at, name).await,
            primary: database(cx.access, at, name).await,
        })
    }

    /// What forbids recovery; an error says what is not known.
    fn blocks(&self, facts: &Facts, chain: &Chain) -> Result<Vec<Block>, Standing> {
        let blocks = primary_blocks(facts).into_iter();
        let mut blocks: Vec<Block> = blocks.filter(|it| it.id == ONE_INSTANCE).collect();
        let row = match &self.primary {
            Observed::Unknown(why) => return Err(Standing::unknown(why)),
            Observed::Absent => {
                return Err(Standing::unknown("the chat database of the primary"));
            }
            Observed::Seen(row) => row,
        };
        if row.serves() {
            let block = Block::site(
                "primary-not-closed",
                "the primary's chat database serves: its log has not ended",
                "run `close-primary` first",
            );
            blocks.push(block.cleared_by(Step::ClosePrimary));
            return Ok(blocks);
        }
        if row.state != DatabaseState::Restoring || row.mirroring.is_some() {
            blocks.push(Block::site(
                "primary-not-closed",
                format!(
                    "the primary's chat database is {}: this run does not leave it so",
                    row.state
                ),
                "see the SQL Server error log of that instance, and who changed it",
            ));
        }
        blocks.extend(mirror(facts)?);
        let Some(ended) = self.ended.seen() else {
            return Err(Standing::not_seen(
                self.ended.unknown(),
                "where the primary's log ended",
            ));
        };
        let waits = !chain.to_copy.is_empty() || !chain.sets.is_empty();
        let stands = facts.files.redo.seen().map(|redo| redo.lsn);
        let is_whole = facts.nothing_is_lost() && chain.to == ended.lsn;
        if !is_whole || !(waits || stands == Some(ended.lsn)) {
            blocks.push(Block::site(
                "not-to-the-end",
                format!(
                    "the primary's log ended at LSN {}, and what the backup has or can be given ends at {}: something would be lost, and a planned failover loses nothing",
                    ended.lsn, chain.to
                ),
                "see which log backup is not on the share, and bring it there; or bring chat back where it was with `pchadr abort`: nothing is lost",
            ));
        }
        Ok(blocks)
    }
}

/// The primary's mirror kept a copy, RESTORING; it must not have been opened.
fn mirror(facts: &Facts) -> Result<Option<Block>, Standing> {
    let mut sides = facts.primary_side.iter();
    let Some(side) = sides.find(|side| side.role == Role::PrimaryMirror) else {
        return Ok(None);
    };
    match (&side.presence, &side.database) {
        (Presence::Lives(why) | Presence::Unseen(why), _)
        | (Presence::Answers(_), Observed::Unknown(why)) => Err(Standing::unknown(why.about(
            format!("whether the chat database of the {} serves", side.role),
        ))),
        (Presence::Answers(_), Observed::Seen(row)) if row.serves() => Ok(Some(Block::site(
            SERVES,
            format!(
                "the chat database of the {} is ONLINE: there would be two writable ones",
                side.role
            ),
            "see who opened it and what it holds; this cannot be overridden",
        ))),
        (Presence::Answers(_), Observed::Seen(row)) if row.mirroring.is_some() => {
            Ok(Some(Block::site(
                "mirror-not-told",
                format!(
                    "the {} takes itself for a mirror, and can be made the principal",
                    side.role
                ),
                "remove its mirroring there (SET PARTNER OFF)",
            )))
        }
        // A copy that `remove-mirroring` saw unmirrored stays RESTORING, whatever becomes of its instance.
        (Presence::Dead(_), _) | (Presence::Answers(_), Observed::Seen(_) | Observed::Absent) => {
            Ok(None)
        }
    }
}
