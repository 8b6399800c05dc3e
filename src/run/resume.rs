//! Going on with a run under the plan as it is now (DESIGN 5, "Resume"). Pure.

use serde_json::Value;

use super::archive::Found;
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
    let before: Value = found
        .plan
        .as_deref()
        .and_then(|bytes| serde_json::from_slice(bytes).ok())
        .ok_or("the plan that it began with was not kept")?;
    let mut lines = Vec::new();
    for (index, step) in plan.steps.iter().enumerate() {
        let now = serde_json::to_value(step).map_err(|error| error.to_string())?;
        let then = &before["steps"][index];
        if *then == now {
            continue;
        }
        if found.state.is_done(&step.id) {
            return Err(format!("step `{}` is finished, and differs now", step.id));
        }
        lines.push(format!(
            "  {}: {}",
            step.id,
            differing(then, &now).join(", ")
        ));
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

/// Names of the fields that differ.
fn differing(then: &Value, now: &Value) -> Vec<String> {
    now.as_object()
        .into_iter()
        .flatten()
        .filter(|(key, value)| then.get(key) != Some(value))
        .map(|(key, _)| key.clone())
        .collect()
}
