//! Undoing (DESIGN 8, `abort`): before the point of no return a step of a failover can be undone by
//! commands that stand in the plan beside its own. It observes first, so that it can be repeated.

use serde::Serialize;

use super::command::Command;
use super::configure_log_shipping::secondary::{Half, Part};
use super::hands::{Hands, StepError};
use super::{Context, Standing, Step};
use crate::site::Site;

/// What undoing a step observed.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Undo {
    /// There is nothing to undo.
    Nothing {
        /// Why.
        because: &'static str,
    },
    /// The backup's half of log shipping.
    Shipping(Box<Shipping>),
}

/// The backup's half of log shipping, as it stands.
#[derive(Serialize)]
#[serde(transparent)]
pub struct Shipping(Half);

impl Step {
    /// What undoing it may send, in order; numbered behind its own commands.
    pub fn undo_commands(self, site: &Site) -> Vec<Command> {
        self.part()
            .map_or_else(Vec::new, |part| part.commands(site))
    }

    /// Reads what is left to undo of it.
    pub async fn observe_undo(self, cx: Context<'_>) -> Undo {
        match self.part() {
            Some(part) => Undo::Shipping(Box::new(Shipping(part.observe(cx).await))),
            None => Undo::Nothing {
                because: self.why_nothing(),
            },
        }
    }

    fn part(self) -> Option<Part> {
        match self {
            Step::DropLogShipping => Some(Part::Rows),
            Step::StopLogShippingJobs => Some(Part::Jobs),
            _ => None,
        }
    }

    fn why_nothing(self) -> &'static str {
        match self {
            Step::CopyBackups => "nothing to undo: copies of log backups do no harm",
            Step::ApplyLogs => {
                "nothing to undo: applied log backups do no harm, the restore job goes on behind them"
            }
            Step::EndConnections => "nothing to undo: whoever was cut off signs in again",
            _ => "nothing to undo",
        }
    }
}

impl Undo {
    /// Where the undoing stands: satisfied when nothing is left of the step.
    pub fn judge(&self) -> Standing {
        match self {
            Self::Nothing { because } => Standing::satisfied(*because),
            Self::Shipping(it) => it.0.judge(),
        }
    }

    /// Undoes what is left. Success is not decided here: the next observation decides.
    ///
    /// # Errors
    /// Whatever the site said first.
    pub async fn act(&self, cx: Context<'_>, hands: &Hands<'_>) -> Result<(), StepError> {
        match self {
            Self::Nothing { .. } => Ok(()),
            Self::Shipping(it) => it.0.act(cx, hands).await,
        }
    }
}
