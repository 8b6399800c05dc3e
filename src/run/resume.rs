//! Going on with a run under the plan as it is now (`design.md` 5, "Resume"). Pure.

use super::archive::Found;
use super::event::StepLine;
use super::fold::RunState;
use super::stored::StoredPlan;
use crate::model::{Direction, Problem};
use crate::plan::{Plan, PlannedStep};
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
    /// Every step now, where they are others.
    pub steps: Option<Vec<StepLine>>,
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
/// Why the run must not go on: what differs is a step that has begun, or the order of those.
pub fn compare(found: &Found, plan: &Plan) -> Result<Option<PlanChange>, String> {
    if found.state.plan_digest == plan.digest {
        return Ok(None);
    }
    let state = &found.state;
    let begun = state.begun().iter().map(|step| step.id.as_str());
    let count = state.begun().len();
    if !plan.ids().take(count).eq(begun) {
        return Err("steps that have begun are not in it, or not in that order".to_owned());
    }
    let others = !plan
        .ids()
        .eq(state.steps.iter().map(|step| step.id.as_str()));
    let before = found
        .plan
        .first()
        .ok_or("the plan that it began with was not kept")?;
    let after = StoredPlan::of(plan).map_err(|error| error.to_string())?;
    let mut lines = Vec::new();
    for step in &after.steps {
        let then = before.steps.iter().find(|then| then.id == step.id);
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
    let gone = before
        .steps
        .iter()
        .filter(|then| plan.step(&then.id).is_none());
    lines.extend(gone.map(|then| format!("  {}: left out", then.id)));
    if others {
        let coming: Vec<&str> = plan.ids().skip(count).collect();
        lines.push(format!("  to come: {}", coming.join(", ")));
    }
    if lines.is_empty() {
        lines.push("  nothing that is sent".to_owned());
    }
    Ok(Some(PlanChange {
        from: found.state.plan_digest.clone(),
        to: plan.digest.clone(),
        difference: lines.join("\n"),
        steps: others.then(|| lines_of(plan)),
    }))
}

/// The steps of a plan as a record lists them.
pub fn lines_of(plan: &Plan) -> Vec<StepLine> {
    let line = |step: &PlannedStep| StepLine {
        id: step.id.clone(),
        vendor: step.vendor.map(str::to_owned),
        title: step.title.clone(),
        stage: step.stage,
        effect: step.effect.into(),
    };
    plan.steps.iter().map(line).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::WayOn;
    use crate::run::event::{ClockKind, Event, FORMAT, RunStarted};
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
            until: None,
            continues: None,
            approved: None,
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
