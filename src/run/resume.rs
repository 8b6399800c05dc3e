//! Going on with a run under the plan as it is now (`design.md` 5, "Resume"). Pure.

use super::archive::Found;
use super::fold::RunState;
use super::stored::StoredPlan;
use crate::model::{Direction, Problem};
use crate::plan::Plan;
use crate::step::Step;

/// A plan that changed since the run began, in steps that are still to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanChange {
    /// Digest before.
    pub from: String,
    /// Digest now.
    pub to: String,
    /// What differs, a line a step.
    pub difference: String,
}

/// The direction of a run and its steps, by the names in its record.
///
/// # Errors
/// The names that this version does not know: nothing can be said of what they stand for.
pub fn known(state: &RunState) -> Result<(Direction, Vec<Step>), Problem> {
    let refuse = |why: String| Problem {
        what: format!("run {} is of another version of pchadr", state.run),
        ..Problem::new(
            why,
            "go on with it, or undo it, with the version that began it: its record names it",
        )
    };
    let direction = Direction::find(&state.runbook)
        .ok_or_else(|| refuse(format!("this version has no runbook `{}`", state.runbook)))?;
    let (mut steps, mut unknown) = (Vec::new(), Vec::new());
    for entry in &state.steps {
        match Step::find(direction, &entry.id) {
            Some(step) => steps.push(step),
            None => unknown.push(entry.id.as_str()),
        }
    }
    if unknown.is_empty() {
        Ok((direction, steps))
    } else {
        Err(refuse(format!(
            "this version has no step `{}` of a {direction}",
            unknown.join("`, no step `")
        )))
    }
}

/// Compares the plan with the one that the run began with. `None` where they are the same.
///
/// # Errors
/// Why the run must not go on: the order of the steps differs, or a step that is finished does.
pub fn compare(found: &Found, plan: &Plan) -> Result<Option<PlanChange>, String> {
    if found.state.plan_digest == plan.digest {
        return Ok(None);
    }
    let ids: Vec<&str> = found
        .state
        .steps
        .iter()
        .map(|step| step.id.as_str())
        .collect();
    if !plan
        .steps
        .iter()
        .map(|step| step.id.as_str())
        .eq(ids.iter().copied())
    {
        return Err("its steps, or their order, are others".to_owned());
    }
    let before = found
        .plan
        .first()
        .ok_or("the plan that it began with was not kept")?;
    let after = StoredPlan::of(plan).map_err(|error| error.to_string())?;
    let mut lines = Vec::new();
    for (index, step) in after.steps.iter().enumerate() {
        let then = before.steps.get(index);
        let differing = match then {
            Some(then) if then == step => continue,
            Some(then) => then.differing(step).join(", "),
            None => "new".to_owned(),
        };
        if found.state.is_done(&step.id) {
            return Err(format!("step `{}` is finished, and differs now", step.id));
        }
        lines.push(format!("  {}: {differing}", step.id));
    }
    if lines.is_empty() {
        lines.push("  nothing that is sent".to_owned());
    }
    Ok(Some(PlanChange {
        from: found.state.plan_digest.clone(),
        to: plan.digest.clone(),
        difference: lines.join("\n"),
    }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::WayOn;
    use crate::run::event::{ClockKind, Event, FORMAT, RunStarted, StepLine};
    use crate::run::executor::undo::{refusal, to_undo};
    use crate::step::Effect;

    fn run(runbook: &str, ids: &[&str]) -> RunState {
        let line = |id: &&str| StepLine {
            id: (*id).to_owned(),
            vendor: None,
            title: String::new(),
            stage: 1,
            effect: Effect::Reversible.into(),
        };
        RunState::begin(&Event::RunStarted(RunStarted {
            format: FORMAT,
            run: "r1".to_owned(),
            runbook: runbook.to_owned(),
            plan_digest: String::new(),
            site_digest: String::new(),
            pool: "pchat.litwareinc.com".to_owned(),
            tool: "pchadr 9.0.0".to_owned(),
            host: String::new(),
            user: String::new(),
            clock: ClockKind::Simulated,
            steps: ids.iter().map(line).collect(),
        }))
        .unwrap()
    }

    #[test]
    fn a_record_with_a_step_that_this_version_does_not_know_is_refused_with_its_name() {
        let state = run("failover", &["save-log-shipping", "warm-cache", "tea"]);
        for error in [
            known(&state).unwrap_err(),
            refusal(&state).unwrap(),
            to_undo(&state).unwrap_err(),
        ] {
            assert!(
                error.why.contains("no step `warm-cache`, no step `tea`"),
                "{error:?}"
            );
            assert!(!error.why.contains("save-log-shipping"), "{error:?}");
            assert!(
                error
                    .hint(WayOn::Resume)
                    .contains("the version that began it"),
                "{error:?}"
            );
        }
    }

    #[test]
    fn a_record_of_another_runbook_is_never_taken_for_a_failover() {
        let state = run("switchover", &["save-log-shipping"]);
        for error in [known(&state).unwrap_err(), refusal(&state).unwrap()] {
            assert!(error.why.contains("no runbook `switchover`"), "{error:?}");
        }
    }
}
