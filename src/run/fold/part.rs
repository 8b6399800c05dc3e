//! Which steps a run takes: a part of its plan, and those of a plan that changed.

use super::{RunState, StepEntry, StepState};
use crate::run::event::{Outcome, StepLine};

impl RunState {
    /// The step that a resume goes on with: the first that is not done, of those that the run takes.
    pub fn next(&self) -> Option<&StepEntry> {
        self.taken().iter().find(|step| !step.is_done())
    }

    /// The steps that the run takes: all, or those up to the one that it ends behind.
    fn taken(&self) -> &[StepEntry] {
        let last = self.until.as_ref();
        let last = last.and_then(|id| self.steps.iter().position(|step| step.id == *id));
        &self.steps[..last.map_or(self.steps.len(), |index| index + 1)]
    }

    /// The first of the steps that are left to a later run, where this one is done as far as it was
    /// to go.
    pub fn left_to_later(&self) -> Option<&StepEntry> {
        let ended = self.ended == Some(Outcome::Done);
        self.steps.get(self.taken().len()).filter(|_| ended)
    }

    /// The steps of a plan that differs in steps not begun yet: those that have begun stay first.
    fn with_steps(&self, lines: &[StepLine]) -> Result<Vec<StepEntry>, String> {
        let begun = self.begun();
        if !begun
            .iter()
            .map(|step| &step.id)
            .eq(lines.iter().take(begun.len()).map(|line| &line.id))
        {
            return Err("`plan_changed` in steps that have begun".to_owned());
        }
        let mut steps = begun.to_vec();
        for line in &lines[begun.len()..] {
            if steps.iter().any(|step| step.id == line.id) {
                return Err(format!("step `{}` is listed twice", line.id));
            }
            steps.push(StepEntry::untouched(line, self.executions));
        }
        let until = self.until.as_ref();
        match until.filter(|id| !steps.iter().any(|step| step.id == **id)) {
            Some(id) => Err(format!("`plan_changed` to a plan without step `{id}`")),
            None => Ok(steps),
        }
    }

    /// The steps up to the last that has begun or ended.
    pub fn begun(&self) -> &[StepEntry] {
        let begun = |step: &StepEntry| step.started || step.state != StepState::Untouched;
        let last = self.steps.iter().rposition(begun);
        &self.steps[..last.map_or(0, |index| index + 1)]
    }

    pub(super) fn change_plan(
        &mut self,
        from: &str,
        to: &str,
        steps: Option<&[StepLine]>,
    ) -> Result<(), String> {
        if from != self.plan_digest {
            return Err(format!(
                "`plan_changed` from `{from}`, but the plan is `{}`",
                self.plan_digest
            ));
        }
        if let Some(lines) = steps {
            self.steps = self.with_steps(lines)?;
        }
        to.clone_into(&mut self.plan_digest);
        // Agreed to before the resume is recorded, or after: both ways the two digests meet.
        to.clone_into(&mut self.announced);
        Ok(())
    }
}
