//! `ship-log`: the log since B3 is backed up and restored on the primary while chat serves, so that what
//! is left for the end of the log is small (`steps.md` 6.10). What others backed up meanwhile belongs to
//! it.

use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use super::restore_database::{self, Stage};
use crate::model::{Instance, Lsn, Role, quote};
use crate::site::{Limits, Site};
use crate::step::between::Log;
use crate::step::command::{Command, Values};
use crate::step::hands::{Hands, StepError};
use crate::step::next::{Door, Next, Patience, Sending, send_by_looks};
use crate::step::observe::Observed;
use crate::step::observe::database::{Database, database};
use crate::step::observe::sets::{SetHeader, sets};
use crate::step::shared::{address, file_hole, log_path, mirror_block, only_set};
use crate::step::undo::Nothing;
use crate::step::{Block, Context, Effect, Info, Kind, Standing, Step};

/// Which command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::step) enum Key {
    BackUp,
    Restore,
}

pub(in crate::step) struct ShipLog;

/// The copy, and this run's log backup.
#[derive(Debug, Serialize)]
pub struct Facts {
    name: String,
    path: String,
    copy: restore_database::Facts,
    backup: Observed<Database>,
    log: Observed<Vec<SetHeader>>,
}

/// What is to do.
#[derive(Debug, PartialEq)]
enum Action {
    BackUp,
    Restore(String, i64),
}

impl Facts {
    fn own(&self) -> Option<&SetHeader> {
        only_set(&self.log, 2, &self.name).filter(|set| self.copy.is_of_family(set))
    }

    /// The next thing to do; `None` when the copy has the log up to this run's log backup.
    fn next(&self) -> Result<Option<Action>, Standing> {
        if let Some(why) = self.copy.unknown().or(self.log.unknown()) {
            return Err(Standing::unknown(why));
        }
        match self.copy.stage() {
            Stage::Before => {
                return Err(blocked(
                    Block::site(
                        "not-seeded",
                        "the primary has no copy that waits for the log",
                        "run `seed-primary` first",
                    )
                    .cleared_by(Step::SeedPrimary),
                ));
            }
            Stage::Full => {}
            Stage::Tail | Stage::Starting | Stage::Serves => return Ok(None),
        }
        let between = self.copy.between();
        if let Some(why) = between.unknown() {
            return Err(Standing::unknown(why));
        }
        let redo = self.copy.redo();
        match between.next(redo) {
            Err(block) => return Err(blocked(*block)),
            Ok(Some(Log { path, position, .. })) => {
                return Ok(Some(Action::Restore(path.clone(), *position)));
            }
            Ok(None) => {}
        }
        match self.own() {
            Some(set) if set.last_lsn <= redo => Ok(None),
            Some(_) => Ok(Some(Action::Restore(self.path.clone(), 1))),
            None => self.may_back_up().map(|()| Some(Action::BackUp)),
        }
    }

    fn may_back_up(&self) -> Result<(), Standing> {
        let row = match &self.backup {
            Observed::Seen(row) => row,
            Observed::Unknown(why) => return Err(Standing::unknown(why)),
            Observed::Absent => {
                return Err(blocked(Block::site(
                    "no-database",
                    "the backup has no chat database",
                    "see `[sql] backup` and `[database] chat`",
                )));
            }
        };
        match mirror_block(row) {
            Some(block) => Err(blocked(block)),
            None if row.serves() => Ok(()),
            None => Err(blocked(Block::site(
                "backup-not-serving",
                format!("the backup's chat database is {}", row.state),
                "see `pchadr status`; a run that was stopped goes on with --resume",
            ))),
        }
    }

    /// Where the log ends that the copy has.
    fn end(&self) -> Option<Lsn> {
        self.own().map(|set| set.last_lsn)
    }
}

fn blocked(block: Block) -> Standing {
    Standing::Blocked {
        blocks: vec![block],
    }
}

impl Kind for ShipLog {
    type Facts = Facts;
    type Undo = Nothing<Self>;
    type Key = Key;

    const INFO: Info = Info {
        id: "ship-log",
        vendor: None,
        title: "Back up the log that was written meanwhile, and restore it on the primary: the end of the log becomes small",
        effect: Effect::Reversible,
        checks: &[
            "the primary has the copy of this run's full backup, RESTORING",
            "log backups that others took since are restored too; one that is gone, or that the primary cannot read, stops the run while chat serves",
            "the primary has the log up to this run's log backup",
        ],
    };

    fn limit(limits: &Limits) -> Option<Duration> {
        limits.restore
    }

    fn why_nothing(cx: Context<'_>) -> String {
        format!(
            "nothing to undo: `{}` stays where it was written, and the copy on the primary as it is",
            log_path(cx)
        )
    }

    fn commands(site: &Site) -> Vec<(Self::Key, Command)> {
        vec![
            Command::tsql(
                Role::Backup,
                &address(site, Role::Backup),
                format!(
                    "BACKUP LOG {} TO DISK = {{log}} WITH FORMAT, CHECKSUM, STATS = 5;",
                    quote::identifier(site.database.chat.as_str())
                ),
                vec![file_hole(site, "log")],
            )
            .long()
            .keyed(Key::BackUp),
            restore_database::log(site).keyed(Key::Restore),
        ]
    }

    async fn observe(cx: Context<'_>) -> Facts {
        let backup = Instance::chat(Role::Backup);
        let name = &cx.site.database.chat;
        let path = log_path(cx);
        Facts {
            name: name.to_string(),
            backup: database(cx.access, backup, name).await,
            log: sets(cx.access, backup, &path).await,
            // Last: what is backed up is there for it.
            copy: restore_database::observe(cx).await,
            path,
        }
    }

    fn judge(facts: &Facts) -> Standing {
        match facts.next() {
            Err(standing) => standing,
            Ok(None) => Standing::satisfied(match facts.end() {
                Some(lsn) => format!("the primary has the log up to LSN {lsn}"),
                None => "the primary has the log".to_owned(),
            }),
            Ok(Some(Action::BackUp)) => Standing::pending(format!(
                "back up the log to `{}`, and restore it on the primary",
                facts.path
            )),
            Ok(Some(Action::Restore(path, _))) => {
                Standing::pending(format!("restore `{path}` on the primary"))
            }
        }
    }

    async fn act(cx: Context<'_>, _facts: &Facts, hands: &Hands<'_, Key>) -> Result<(), StepError> {
        let patience = Patience {
            not_shown: "see the SQL Server error logs of the primary and of the backup",
            wait: None,
            shows: None,
        };
        send_by_looks(cx, hands, patience, || async {
            let facts = Self::observe(cx).await;
            let Some(action) = facts.next()? else {
                return Ok(Next::Nothing("the primary has the log".to_owned()));
            };
            let (what, role, key, values) = match action {
                Action::BackUp => (
                    "back up the log".to_owned(),
                    Role::Backup,
                    Key::BackUp,
                    Values::from([("log".to_owned(), json!(facts.path))]),
                ),
                Action::Restore(path, position) => (
                    format!("restore `{path}`"),
                    Role::Primary,
                    Key::Restore,
                    restore_database::log_values(&path, position),
                ),
            };
            Ok(Next::Send(Sending {
                what,
                to: Door::Sql(Instance::chat(role)),
                key,
                values,
            }))
        })
        .await
    }
}
