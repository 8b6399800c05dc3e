//! Undoes `close-primary`: the primary's database is recovered; it holds all that its end of the log
//! holds. As for the backup of a failback, every other database is looked at right before (rule 2).

use std::time::Duration;

use serde::Serialize;

use super::super::tail_path;
use crate::model::Role;
use crate::site::{Limits, Site};
use crate::step::before::Before;
use crate::step::command::Command;
use crate::step::failback::fence_backup::undo::{Facts, Key, commands, look};
use crate::step::next::Next;
use crate::step::undo::Back;
use crate::step::{Context, Standing};

/// What is looked at.
#[derive(Serialize)]
#[serde(transparent)]
pub(in crate::step) struct Undo(Facts);

impl Back for Undo {
    type Key = Key;

    fn limit(limits: &Limits) -> Option<Duration> {
        <Facts as Back>::limit(limits)
    }

    fn settle(limits: &Limits) -> Duration {
        <Facts as Back>::settle(limits)
    }

    fn commands(site: &Site) -> Vec<(Key, Command)> {
        commands(site, Role::Primary)
    }

    async fn observe(cx: Context<'_>, before: Option<&Before>) -> Self {
        let files = [(tail_path(cx), 2)];
        Self(look(cx, before, Role::Primary, &files).await)
    }

    fn next(&self) -> Result<Next<Key>, Standing> {
        self.0.next()
    }
}
