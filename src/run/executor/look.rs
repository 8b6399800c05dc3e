//! A look at a step, and its judgement.

use std::time::Duration;

use serde::Serialize;
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use super::Execution;
use crate::model::{Lsn, Problem};
use crate::run::event::Event;
use crate::run::journal::JournalError;
use crate::step::hands::StepError;
use crate::step::ledger::{LOOK, Ledger as _, Progress, Unit};
use crate::step::{Facts, Standing, Step};

/// How often a look that takes long is shown.
const SHOWN_EVERY: Duration = Duration::from_secs(1);

impl Execution<'_> {
    /// Looks at a step and judges it, on the record.
    pub(super) async fn check(&self, step: Step) -> Result<(Facts, Standing), JournalError> {
        let (facts, standing) = self.look(step).await;
        self.record_checked(step, &standing, &facts)?;
        Ok((facts, standing))
    }

    /// The same before the run, with what a verdict wants: the standing, the step before it that has
    /// work again, and where the chain ends. All such looks have one limit; a cmdlet or a share that
    /// hangs costs it once, not once a step.
    pub(super) async fn check_until(
        &self,
        step: Step,
        deadline: Instant,
    ) -> Result<(Standing, Option<Step>, Option<Lsn>), JournalError> {
        let Ok((facts, standing)) = timeout_at(deadline, self.look(step)).await else {
            let limit = self.site.limits.preflight.as_secs();
            let why = format!("the checks before the run did not end within {limit} s");
            let remedy = "see what does not answer: pchadr status; or raise `[limits] preflight`";
            let problem = Problem::new(&*why, remedy);
            let standing = Standing::Unknown(problem);
            self.record_checked(step, &standing, &json!({ "because": why }))?;
            return Ok((standing, None, None));
        };
        self.record_checked(step, &standing, &facts)?;
        let back_to = facts.back_to().map(|(step, _)| step);
        Ok((standing, back_to, facts.end_of_chain()))
    }

    /// The same without a record.
    pub(super) async fn look(&self, step: Step) -> (Facts, Standing) {
        let _round = self.access.sql.round();
        let saved = self.saved();
        let known = saved.as_ref().ok().and_then(Option::as_ref);
        // On the heap: the futures of ten steps are too large for a small stack.
        let mut looking = Box::pin(step.observe(self.context(step, known)));
        let facts = loop {
            tokio::select! {
                biased;
                facts = &mut looking => break facts,
                () = tokio::time::sleep(SHOWN_EVERY) => self.show_look(),
            }
        };
        let standing = match &saved {
            Ok(_) => facts.judge(),
            // What cannot be read is not "nothing was kept".
            Err(error) => unreadable(error),
        };
        (facts, standing)
    }

    /// Shows how far a long look is.
    fn show_look(&self) {
        if let Some((done, total)) = self.access.headers.asking() {
            self.ledger.progress(Progress {
                step: LOOK.to_owned(),
                done,
                total,
                unit: Unit::Files,
                detail: "asked of the backup instance".to_owned(),
            });
        }
    }

    pub(super) fn record_checked(
        &self,
        step: Step,
        standing: &Standing,
        facts: &impl Serialize,
    ) -> Result<(), JournalError> {
        self.ledger.record(Event::StepChecked {
            id: step.id().to_owned(),
            standing: standing.clone().into(),
            facts: serde_json::to_value(facts).unwrap_or_default(),
        })
    }
}

/// Where a step stands while what this run kept cannot be read.
fn unreadable(error: &StepError) -> Standing {
    Standing::Unknown(error.problem())
}
