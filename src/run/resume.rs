//! Going on with a run under the plan as it is now (DESIGN 5, "Resume"). Pure.

use super::archive::Found;
use super::stored::StoredPlan;
use crate::plan::Plan;

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
