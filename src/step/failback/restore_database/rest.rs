//! What is left of the restore where the backup is lost for good, and nobody can ask it: the primary and
//! this run's files alone tell.

use super::{Facts, Stage};
use crate::model::Lsn;
use crate::step::observe::database::Database;
use crate::step::observe::sets::SetHeader;

/// What is left of the restore, whatever became of the backup.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::step) enum Rest {
    /// All: where each file goes, and the log that follows.
    All {
        moves: Vec<(String, String)>,
        log: Log,
    },
    /// The log, where there is any, and recovery.
    Log(Log),
    Recovery,
    Nothing,
    /// The files are not seen, or not whole.
    Unknown,
}

/// The log that follows what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::step) struct Log {
    /// The run's log backup that was taken while chat served.
    pub(in crate::step) shipped: bool,
    /// The end of the log.
    pub(in crate::step) tail: bool,
}

impl Log {
    /// Behind that LSN; `None` where a log backup of somebody else is missing in between, which
    /// only the backup could name.
    fn behind(redo: Lsn, shipped: Option<&SetHeader>, tail: Option<&SetHeader>) -> Option<Self> {
        let goes_on = |set: &SetHeader, at: Lsn| set.first_lsn <= at;
        let shipped = shipped.filter(|set| set.last_lsn > redo);
        match (shipped, tail) {
            (_, Some(tail)) if goes_on(tail, redo) => Some(Self {
                shipped: false,
                tail: true,
            }),
            (Some(log), Some(tail)) => (goes_on(log, redo) && goes_on(tail, log.last_lsn))
                .then_some(Self {
                    shipped: true,
                    tail: true,
                }),
            (None, Some(_)) => None,
            (log, None) => Some(Self {
                shipped: log.is_some_and(|log| goes_on(log, redo)),
                tail: false,
            }),
        }
    }
}

/// Looks at the primary and at this run's files alone. `shipped`: the run's log backup, where it is there.
pub(in crate::step) fn rest(facts: &Facts, shipped: Option<&SetHeader>) -> Rest {
    let shipped = shipped.filter(|set| facts.is_of_family(set));
    let log = || Log::behind(facts.redo(), shipped, facts.tail_set());
    match facts.stage() {
        Stage::Serves | Stage::Starting => Rest::Nothing,
        Stage::Tail => Rest::Recovery,
        Stage::Full => log().map_or(Rest::Unknown, Rest::Log),
        Stage::Before => {
            let full = facts.full_set();
            let log = full.and_then(|full| Log::behind(full.last_lsn, shipped, facts.tail_set()));
            match (facts.moves(), log) {
                (Some(moves), Some(log)) => Rest::All { moves, log },
                _ => Rest::Unknown,
            }
        }
    }
}

/// Whether the primary serves what was there before, and that is no fresh installation.
pub(in crate::step) fn holds_another(facts: &Facts) -> bool {
    facts.stage() == Stage::Before
        && facts.row().is_some_and(Database::serves)
        && !facts.content.is_absent()
}
