//! What the operator agreed to, on the record; one question covers the outage of a failback.

use super::{Checked, Execution};
use crate::model::Lsn;
use crate::run::event::Event;
use crate::run::journal::JournalError;
use crate::step::Step;
use crate::step::downtime::Downtime;

impl Execution<'_> {
    /// Records what the options allowed, before anything rests on it.
    pub(super) fn record_terms(&self, checked: &[Checked]) -> Result<(), JournalError> {
        // A planned failover loses nothing, and nothing can be accepted.
        if self.plan.is_planned() {
            return self.record_overrides(checked);
        }
        let recovers = checked
            .iter()
            .find(|it| it.step == Step::RecoverDatabase && !it.done && !it.standing.is_satisfied());
        if let Some(recovers) = recovers {
            let (what, by) = match (&self.terms.accepted, self.terms.rehearsal) {
                (Some(loss), _) => (
                    format!("what was written after {loss} is lost"),
                    format!("--accept-loss-after {loss}"),
                ),
                (None, true) => (
                    "what was written after the end of the chain is lost".to_owned(),
                    "rehearsal".to_owned(),
                ),
                (None, false) => return self.record_overrides(checked),
            };
            self.consent(Step::RecoverDatabase, what, by, recovers.end)?;
        }
        self.record_overrides(checked)
    }

    pub(super) fn record_overrides(&self, checked: &[Checked]) -> Result<(), JournalError> {
        let Some(first) = checked.iter().find(|it| !it.done) else {
            return Ok(());
        };
        for (id, reason) in &self.terms.overrides {
            let what = format!("interlock {id}: {reason}");
            self.consent(first.step, what, "--override".to_owned(), None)?;
        }
        Ok(())
    }

    pub(super) fn consent(
        &self,
        step: Step,
        what: String,
        by: String,
        end: Option<Lsn>,
    ) -> Result<(), JournalError> {
        self.ledger.record(Event::Consent {
            step: step.id().to_owned(),
            what,
            by,
            end,
        })
    }

    /// Whether the one question before the outage covers a step: nothing more is asked inside it.
    pub(super) fn is_agreed_to_with_the_outage(&self, step: Step) -> bool {
        let steps = self.plan.steps.iter().map(|planned| planned.step);
        let mut from = steps.skip_while(|it| !it.begins_downtime());
        let Some(first) = from.next() else {
            return false;
        };
        let is_given = self.ledger.state().is_some_and(|state| {
            let mut consents = state.consents.iter();
            consents.any(|given| given.step == first.id())
        });
        is_given && from.any(|it| it == step)
    }

    /// What the question before the outage says of it.
    pub(super) fn downtime(&self) -> String {
        let parts = self.plan.steps.iter();
        let parts: Vec<&Downtime> = parts.filter_map(|it| it.downtime.as_ref()).collect();
        let moves: u32 = parts.iter().map(|it| it.moves).sum();
        let waits: u64 = parts.iter().filter_map(|it| it.wait_seconds).sum();
        let (until, turn) = if self.plan.is_planned() {
            ("`set-active-servers`", "recover-database")
        } else {
            ("`set-pool-state`", "set-active-servers")
        };
        format!(
            "chat is down from here until {until}: {moves} × size of the database / throughput, {} min allowed for waiting, and what the commands themselves take; this is the one question of the outage, and covers the steps in it; until `{turn}` it can be undone",
            waits.div_ceil(60)
        )
    }
}
