//! Undoes `drop-log-shipping`: the rows of the backup's half of log shipping, and the schedules of
//! their jobs (`steps.md` 5.2, 5.3).

use serde::Serialize;

use crate::site::Site;
use crate::step::before::Before;
use crate::step::command::Command;
use crate::step::failback::configure_log_shipping::Key;
use crate::step::failback::configure_log_shipping::secondary::{Half, Part};
use crate::step::next::Next;
use crate::step::undo::Back;
use crate::step::{Context, Standing};

/// What is looked at.
#[derive(Serialize)]
#[serde(transparent)]
pub(in crate::step) struct Facts(Half);

impl Back for Facts {
    type Key = Key;

    fn commands(site: &Site) -> Vec<(Self::Key, Command)> {
        Part::Rows.commands(site)
    }

    async fn observe(cx: Context<'_>, _before: Option<&Before>) -> Self {
        Self(Part::Rows.observe(cx).await)
    }

    fn next(&self) -> Result<Next<Key>, Standing> {
        self.0.next()
    }
}
