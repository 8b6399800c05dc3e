//! Undoes `stop-backup-jobs`: first the backup is given every log backup of the primary that log
//! shipping does not bring by itself (the end of the log, which has no name of a job; the one that the
//! set-up of the mirror takes, on another share), then the jobs are enabled again, and it stays a
//! secondary (`sql-server.md` 9).

use serde::Serialize;
use serde_json::json;

use crate::model::{Instance, Lsn, Role, SharePath, quote};
use crate::site::Site;
use crate::step::before::Before;
use crate::step::command::{Command, Hole, HoleType, Values};
use crate::step::fence::disable_backup_jobs::{undo as jobs, update};
use crate::step::lost::roles;
use crate::step::next::{Door, Next, Sending};
use crate::step::observe::Observed;
use crate::step::observe::backups::{LogBackup, log_backups};
use crate::step::observe::database::{Database, RedoStart, database, redo_start};
use crate::step::shared::address;
use crate::step::undo::Back;
use crate::step::{Context, Standing};

/// Which command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::step) enum Key {
    Follow,
    Enable(Role),
}

/// What is looked at.
#[derive(Debug, Serialize)]
pub(in crate::step) struct Facts {
    jobs: jobs::Facts,
    /// O14 of the primary.
    logs: Observed<Vec<LogBackup>>,
    backup: Observed<Database>,
    redo: Observed<RedoStart>,
    #[serde(skip)]
    shares: Vec<SharePath>,
}

impl Back for Facts {
    type Key = Key;

    fn commands(site: &Site) -> Vec<(Key, Command)> {
        let follow = Command::tsql(
            Role::Backup,
            &address(site, Role::Backup),
            format!(
                "RESTORE LOG {} FROM DISK = {{log}} WITH FILE = {{position}}, NORECOVERY, STATS = 5;",
                quote::identifier(site.database.chat.as_str())
            ),
            vec![
                Hole::new(
                    "log",
                    HoleType::Text,
                    "the log backup, by the primary's msdb, on its share",
                    site.shares
                        .backup
                        .join("mgc-planned-20261124-0315-tail.trn"),
                ),
                Hole::new("position", HoleType::Integer, "its place in the file", 1),
            ],
        )
        .each("log backup of the primary beyond the backup's redo start, in the order of LSNs")
        .long()
        .keyed(Key::Follow);
        let enable = |role| {
            let each =
                format!("disabled log-shipping backup job of the {role}, unless it was kept so");
            update(site, role, true).each(each).keyed(Key::Enable(role))
        };
        std::iter::once(follow)
            .chain(roles(site).map(enable))
            .collect()
    }

    async fn observe(cx: Context<'_>, before: Option<&Before>) -> Self {
        let (access, name) = (cx.access, &cx.site.database.chat);
        let (primary, backup) = (Instance::chat(Role::Primary), Instance::chat(Role::Backup));
        let shares = &cx.site.shares;
        Self {
            jobs: jobs::Facts::observe(cx, before).await,
            logs: log_backups(access, primary, name).await,
            backup: database(access, backup, name).await,
            redo: redo_start(access, backup, name).await,
            shares: std::iter::once(&shares.backup)
                .chain(&shares.mirror)
                .cloned()
                .collect(),
        }
    }

    fn next(&self) -> Result<Next<Key>, Standing> {
        let mut left = None;
        match self.to_follow() {
            Follow::This(log) => {
                return Ok(Next::Send(Sending {
                    what: format!(
                        "apply `{}` to the backup, which stays a secondary",
                        log.device
                    ),
                    to: Door::Sql(Instance::chat(Role::Backup)),
                    key: Key::Follow,
                    values: Values::from([
                        ("log".to_owned(), json!(self.on_share(&log.device))),
                        ("position".to_owned(), json!(log.position)),
                    ]),
                }));
            }
            Follow::Nothing => {}
            Follow::Torn(why) => left = Some(why),
        }
        Ok(match self.jobs.next()? {
            Next::Send(sending) => Next::Send(Sending {
                what: sending.what,
                to: sending.to,
                key: Key::Enable(sending.key),
                values: sending.values,
            }),
            Next::Wait(what) => Next::Wait(what),
            Next::Nothing(why) => Next::Nothing(match left {
                Some(left) => format!("{why}; {left}: see `pchadr check failover`"),
                None => why,
            }),
        })
    }
}

/// What the backup is to be given.
enum Follow<'a> {
    This(&'a LogBackup),
    Nothing,
    /// Log shipping goes on, and will say that it lacks something.
    Torn(String),
}

impl Facts {
    fn to_follow(&self) -> Follow<'_> {
        let restores = |row: &Database| !row.serves();
        if !self.backup.seen().is_some_and(restores) {
            return Follow::Nothing;
        }
        let (Some(logs), Some(redo)) = (self.logs.seen(), self.redo.seen()) else {
            return Follow::Torn("whether the backup lacks a log backup cannot be seen".to_owned());
        };
        match next_of(logs, redo.lsn) {
            Some(log) if log.first_lsn > redo.lsn => Follow::Torn(format!(
                "the backup lacks the log between LSN {} and {}",
                redo.lsn, log.first_lsn
            )),
            Some(log) => Follow::This(log),
            None => Follow::Nothing,
        }
    }

    /// The file as every instance sees it: a primary may write to the share by a path of its own.
    fn on_share(&self, device: &str) -> String {
        let at = device.rfind(['\\', '/']);
        let folder = at.map_or("", |at| &device[..at]);
        let file = at.map_or(device, |at| &device[at + 1..]);
        let is_known = |share: &SharePath| share.as_str().eq_ignore_ascii_case(folder);
        match self.shares.first() {
            Some(share) if !self.shares.iter().any(is_known) => share.join(file),
            Some(_) | None => device.to_owned(),
        }
    }
}

/// The log backup that a database needs next; of several the one that reaches furthest.
fn next_of(logs: &[LogBackup], redo: Lsn) -> Option<&LogBackup> {
    let beyond = || logs.iter().filter(|log| log.last_lsn > redo);
    let joins = beyond().filter(|log| log.first_lsn <= redo);
    let joining = joins.max_by_key(|log| log.last_lsn);
    joining.or_else(|| beyond().min_by_key(|log| log.first_lsn))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(first: u32, last: u32) -> LogBackup {
        LogBackup {
            first_lsn: Lsn::new(40, first, 1),
            last_lsn: Lsn::new(40, last, 1),
            position: 1,
            copy_only: false,
            device: String::new(),
        }
    }

    #[test]
    fn the_backup_is_given_the_log_that_joins_what_it_has_and_what_it_has_is_left_out() {
        let logs = [log(30, 40), log(10, 20), log(20, 30)];
        let next = |redo| next_of(&logs, Lsn::new(40, redo, 1)).map(|it| it.first_lsn.block);
        assert_eq!(next(20), Some(20));
        assert_eq!(next(25), Some(20));
        assert_eq!(next(40), None);
        // A gap is seen, not jumped over.
        assert_eq!(next(5), Some(10));
    }
}
