//! The backup's half alone, put back as this run saved it: what undoes the first steps of a failover
//! (`steps.md` 5.2, 5.3). The primary need not answer.
//!
//! Rows and schedules are one step's to undo, the jobs' being enabled another's: a job that was
//! disabled before the run stays disabled.

use serde::Serialize;

use super::commands::backup_half;
use super::compare::foreign_rows;
use super::look::half;
use super::next::{Action, secondary_half};
use super::wanted::{Names, Wanted};
use super::{Facts, Key, to_do};
use crate::model::states::DatabaseState;
use crate::model::{Instance, Problem, Role};
use crate::site::Site;
use crate::step::command::Command;
use crate::step::next::Next;
use crate::step::observe::Observed;
use crate::step::observe::database::Database;
use crate::step::observe::log_shipping::secondary;
use crate::step::{Block, Context, Standing};

/// Which part of the half a step is answerable for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::step) enum Part {
    /// The rows, and the schedules of their jobs.
    Rows,
    /// That the jobs are enabled.
    Jobs,
}

/// The backup's half, and whether this run saved it.
#[derive(Debug, Serialize)]
pub(in crate::step) struct Half {
    part: Part,
    kept: bool,
    #[serde(flatten)]
    facts: Facts,
}

impl Part {
    fn has(self, key: Key) -> bool {
        match key {
            Key::AddSecondary(_) | Key::AddSecondaryDatabase => self == Self::Rows,
            Key::AddSchedule(role) => self == Self::Rows && role == Role::Backup,
            Key::Enable(role) => self == Self::Jobs && role == Role::Backup,
            Key::FollowLog
            | Key::AddPrimary(..)
            | Key::AddPointer(_)
            | Key::ToMirror
            | Key::ToPrimary
            | Key::Start(_) => false,
        }
    }

    fn table(self, site: &Site) -> impl Iterator<Item = (Key, Command)> {
        let all = backup_half(site).into_iter();
        all.filter(move |(key, _)| self.has(*key))
    }

    /// What it may send, in order.
    pub(in crate::step) fn commands(self, site: &Site) -> Vec<(Key, Command)> {
        let told_for_undoing = |(key, mut command): (Key, Command)| {
            if key == Key::Enable(Role::Backup) {
                command = command.each("copy or restore job that was enabled before the run");
            }
            for hole in &mut command.holes {
                if hole.name == "primary_server" {
                    // The primary may be lost.
                    "primary_server of the row, as saved".clone_into(&mut hole.rule);
                }
            }
            command.keyed(key)
        };
        self.table(site).map(told_for_undoing).collect()
    }

    /// Reads the backup.
    pub(in crate::step) async fn observe(self, cx: Context<'_>) -> Half {
        let backup = Instance::chat(Role::Backup);
        let name = &cx.site.database.chat;
        let rows = secondary(cx.access, backup, name).await;
        let half = half(cx, Role::Backup, &rows).await;
        let own = half.identity.seen();
        let own = own.and_then(|identity| identity.at_servername.clone());
        let saved = cx.saved.filter(|saved| saved.run == cx.run);
        let first = saved.and_then(|saved| saved.backup.rows.first());
        let wanted = first.zip(own.as_deref()).and_then(|(row, backup)| {
            let names = Names {
                database: name.as_str(),
                // As its rows spell it: it may be lost.
                primary: &row.primary_server,
                primary_mirror: None,
                backup,
            };
            let mut wanted = Wanted::of(saved, &names)?;
            let jobs = saved.map_or(&[][..], |saved| &saved.backup.jobs);
            for job in [&mut wanted.backup.copy, &mut wanted.backup.restore] {
                let saved = jobs.iter().find(|saved| saved.name == job.name);
                job.enabled = saved.is_some_and(|saved| saved.enabled);
            }
            Some(wanted)
        });
        Half {
            part: self,
            kept: first.is_some(),
            facts: Facts {
                name: name.to_string(),
                halves: vec![half],
                secondary: rows,
                redo: Observed::Absent,
                sessions: Observed::Absent,
                restored: Observed::Absent,
                shipped: Vec::new(),
                wanted,
                unreadable: cx.unreadable.to_vec(),
                started: cx.started,
            },
        }
    }
}

impl Half {
    /// The next thing to do, from the facts alone; an error says why nothing may be done.
    pub(in crate::step) fn next(&self) -> Result<Next<Key>, Standing> {
        let Some(action) = self.missing()? else {
            return Ok(Next::Nothing(
                match self.part {
                    Part::Rows => "log shipping stands on the backup as it was saved",
                    Part::Jobs => "the copy and restore jobs are enabled as they were",
                }
                .to_owned(),
            ));
        };
        Ok(to_do(&self.facts, &action))
    }

    fn missing(&self) -> Result<Option<Action>, Standing> {
        if !self.kept {
            return Err(blocked(
                "not-kept",
                "this run has not kept the log-shipping configuration: nobody can tell how it was",
                "set log shipping up by hand",
            ));
        }
        if let Some(why) = self.unknown() {
            return Err(Standing::unknown(why));
        }
        let backup = self.facts.half(Role::Backup);
        if !backup.is_some_and(|half| half.database.seen().is_some_and(follows)) {
            return Err(blocked(
                "not-restoring",
                "the backup's chat database is not RESTORING: it can follow no log any more",
                "go on with the failover",
            ));
        }
        let foreign = foreign_rows(&self.facts);
        if !foreign.is_empty() {
            return Err(Standing::Blocked { blocks: foreign });
        }
        let Some(wanted) = &self.facts.wanted else {
            return Err(blocked(
                "not-kept",
                "what this run kept of the log-shipping configuration lacks the chat database or a job",
                "set log shipping up by hand",
            ));
        };
        let action = secondary_half(&self.facts, wanted)?;
        let enables = matches!(action, Some(Action::Enable(..)));
        match (self.part, enables) {
            // Not before the rows stand: they are the earlier thing to undo.
            (Part::Jobs, false) if action.is_some() => Err(blocked(
                "rows-missing",
                "log shipping does not stand on the backup as it was saved",
                "see who removed it; set it up by hand",
            )),
            (Part::Rows, true) => Ok(None),
            _ => Ok(action),
        }
    }

    fn unknown(&self) -> Option<&Problem> {
        let half = self.facts.half(Role::Backup)?;
        let of = half.identity.unknown().or(half.database.unknown());
        let of = of.or(half.jobs.unknown()).or(half.schedules.unknown());
        of.or(half.logins.unknown())
            .or(self.facts.secondary.unknown())
    }
}

fn follows(row: &Database) -> bool {
    row.state == DatabaseState::Restoring || row.standby
}

fn blocked(id: &str, why: &str, hint: &'static str) -> Standing {
    Standing::Blocked {
        blocks: vec![Block::site(id, why, hint)],
    }
}
