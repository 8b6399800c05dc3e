//! The log between this run's full backup and the end of the log: what a copy on the primary still
//! lacks, whoever backed it up (`steps.md` 6.2, O14).

use serde::Serialize;

use crate::model::{Instance, Lsn, Problem, Role};
use crate::step::observe::Observed;
use crate::step::observe::backups::log_backups;
use crate::step::observe::sets::{SetHeader, sets};
use crate::step::shared::tail_path;
use crate::step::{Block, Context};

/// Log backups of the second data center beyond a point, oldest first; the end of the log is none of
/// them.
#[derive(Debug, Serialize)]
pub(super) struct Between {
    logs: Observed<Vec<Log>>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Log {
    /// Who took it.
    role: Role,
    first_lsn: Lsn,
    last_lsn: Lsn,
    pub(super) path: String,
    pub(super) position: i64,
    /// Whether the primary reads it.
    read: Observed<()>,
}

impl Between {
    /// Nothing is asked: there is no copy that could lack any.
    pub(super) fn unasked() -> Self {
        Self {
            logs: Observed::Absent,
        }
    }

    /// Those that end beyond that LSN.
    pub(super) async fn beyond(cx: Context<'_>, lsn: Lsn) -> Self {
        let name = &cx.site.database.chat;
        let end = tail_path(cx);
        let mut logs = Vec::new();
        for role in [Role::Backup, Role::BackupMirror] {
            let at = Instance::chat(role);
            if !cx.access.sql.has(at) {
                continue;
            }
            let taken = match log_backups(cx.access, at, name).await {
                Observed::Seen(taken) => taken,
                Observed::Absent => continue,
                // What only a lost mirror could tell shows as a gap.
                Observed::Unknown(_) if role == Role::BackupMirror => continue,
                Observed::Unknown(why) => {
                    return Self {
                        logs: Observed::Unknown(why),
                    };
                }
            };
            for log in taken {
                if log.last_lsn <= lsn || log.device.eq_ignore_ascii_case(&end) {
                    continue;
                }
                let primary = Instance::chat(Role::Primary);
                let seen = sets(cx.access, primary, &log.device).await;
                let is_it = |sets: &[SetHeader]| {
                    let mut sets = sets.iter();
                    sets.any(|set: &SetHeader| {
                        set.position == log.position && set.last_lsn == log.last_lsn
                    })
                };
                logs.push(Log {
                    role,
                    first_lsn: log.first_lsn,
                    last_lsn: log.last_lsn,
                    path: log.device.clone(),
                    position: log.position,
                    read: match seen {
                        Observed::Seen(sets) if is_it(&sets) => Observed::Seen(()),
                        Observed::Seen(_) | Observed::Absent => Observed::Absent,
                        Observed::Unknown(why) => Observed::Unknown(why),
                    },
                });
            }
        }
        logs.sort_by_key(|log| (log.first_lsn, log.last_lsn));
        Self {
            logs: Observed::Seen(logs),
        }
    }

    /// Why it is not known.
    pub(super) fn unknown(&self) -> Option<&Problem> {
        self.logs.unknown()
    }

    /// How far the log goes on from an LSN without a gap, by what was backed up, wherever it is.
    pub(super) fn reach(&self, from: Lsn) -> Lsn {
        let logs = self.logs.seen().into_iter().flatten();
        logs.fold(from, |at, log| {
            if log.first_lsn <= at {
                at.max(log.last_lsn)
            } else {
                at
            }
        })
    }

    /// What a copy needs next whose next log must begin at that LSN; `None` where it lacks none of
    /// them.
    ///
    /// # Errors
    /// Why that cannot be had.
    pub(super) fn next(&self, redo: Lsn) -> Result<Option<&Log>, Box<Block>> {
        let mut logs = self.logs.seen().into_iter().flatten();
        let Some(log) = logs.find(|log| log.last_lsn > redo) else {
            return Ok(None);
        };
        if log.first_lsn > redo {
            return Err(Box::new(torn(redo, log.first_lsn)));
        }
        match &log.read {
            Observed::Seen(()) => Ok(Some(log)),
            Observed::Absent => Err(Box::new(log.out_of_reach("is not there for the primary"))),
            Observed::Unknown(why) => Err(Box::new(
                log.out_of_reach(&format!("cannot be read by the primary: {why}")),
            )),
        }
    }

    /// Why a log that begins at that LSN would not join a copy at `from`; `None` where it joins.
    pub(super) fn in_the_way(&self, from: Lsn, begins: Option<Lsn>) -> Option<Block> {
        let mut at = from;
        loop {
            match self.next(at) {
                Ok(Some(log)) => at = log.last_lsn,
                Ok(None) => break,
                Err(block) => return Some(*block),
            }
        }
        let begins = begins.filter(|begins| *begins > at)?;
        Some(torn(at, begins))
    }
}

impl Log {
    fn out_of_reach(&self, what: &str) -> Block {
        Block::site(
            "log-elsewhere",
            format!(
                "somebody took a log backup on the {} since this run's full backup, and `{}` {what}: without it nothing that follows joins",
                self.role, self.path
            ),
            "stop whatever takes these log backups, and bring that file back; or undo this run with `pchadr abort`, and begin a new failback",
        )
    }
}

/// A log is missing.
fn torn(at: Lsn, begins: Lsn) -> Block {
    Block::site(
        "log-missing",
        format!(
            "the log that follows this run's full backup is known up to LSN {at}, and goes on at LSN {begins}: a log backup in between is gone, or was left nowhere (NUL)"
        ),
        "stop whatever takes log backups of the second data center's chat database; then undo this run with `pchadr abort`, and begin a new failback",
    )
}
