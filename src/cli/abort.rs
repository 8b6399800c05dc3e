//! `pchadr abort` undoes what the last unfinished run of the site changed.

use std::io::Write;

use super::Environment;
use super::error::Failure;
use super::live;
use super::options::{AbortOptions, ApprovalOptions, Part, RehearsalOptions, RunOptions};
use super::runs;
use crate::plan::{NoPlan, Plan};
use crate::report;
use crate::run::archive::Found;
use crate::run::executor::Way;
use crate::run::executor::undo::{refusal, to_undo};
use crate::run::exit::Exit;
use crate::run::resume::known;
use crate::runbook::{Direction, Runbook, RunbookStep, RunbookStepKind};
use crate::site::Site;

/// Finds the run, shows what undoes it, and undoes it; then the parts of the failover before it.
///
/// # Errors
/// What keeps it from beginning; nothing was changed then.
pub fn command(
    options: &AbortOptions,
    environment: &Environment,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let site = Site::load(&environment.site_file(options.config.as_deref())?)?;
    let archive = runs::archive(&site, environment)?;
    let mut runs = runs::unfinished(&site, &archive);
    let none = (
        "there is no run to undo",
        "see where the site stands: pchadr status",
    );
    let found = match (runs.unfinished.is_empty(), runs::parted(&site, &archive)) {
        // Done as far as it was to go, and nothing was begun behind it.
        (true, Some(parted)) if runs.lost.iter().all(|lost| lost.run < parted.run) => parted,
        (true | false, _) => runs.newest(options.config.as_deref(), none)?,
    };
    runs.tell(options.config.as_deref(), &[]);
    let mut exit = undo(&found, &site, options, environment, out, err)?;
    // The part before it is there again, done as far as it was to go.
    while exit == Exit::Done
        && let Some(before) = runs::parted(&site, &archive)
        && before.state.runbook == found.state.runbook
        && refusal(&before.state).is_none()
    {
        exit = undo(&before, &site, options, environment, out, err)?;
    }
    Ok(exit)
}

fn undo(
    found: &Found,
    site: &Site,
    options: &AbortOptions,
    environment: &Environment,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> anyhow::Result<Exit> {
    if let Some(error) = refusal(&found.state) {
        return Err(Failure::from(error).into());
    }
    let (direction, _) = known(&found.state).map_err(Failure::from)?;
    let plan = plan_of(found, direction, site)?;
    let changed = to_undo(&found.state).map_err(Failure::from)?;
    let changed: Vec<&str> = changed.iter().map(|step| step.id()).collect();
    // What is agreed to must be seen first; where nobody can see it, the run goes on all the same.
    let _ = report::plan::undo(&plan, &found.run, &changed, err);
    let options = RunOptions {
        config: options.config.clone(),
        runbook: None,
        dry_run: false,
        output: options.output,
        resume: Some(found.run.clone()),
        pause: false,
        rehearsal: RehearsalOptions {
            yes: options.yes,
            overrides: options.overrides.clone(),
            ..RehearsalOptions::default()
        },
        approval: ApprovalOptions::default(),
        part: Part::default(),
    };
    live::go(site, &plan, &options, None, environment, out, Way::Back)
}

/// The plan of a run, whatever file its runbook came from.
///
/// # Errors
/// Those of [`Plan::bind`].
pub(super) fn plan_of(found: &Found, direction: Direction, site: &Site) -> Result<Plan, NoPlan> {
    let state = &found.state;
    let from = state.continues.as_ref().and_then(|it| it.from.as_deref());
    Plan::bind(&runbook(found, direction), site)?.part(from, state.until.as_deref())
}

/// The runbook of a run.
pub(super) fn runbook(found: &Found, direction: Direction) -> Runbook {
    let steps = found.state.steps.iter();
    Runbook {
        name: found.state.runbook.clone(),
        direction,
        title: String::new(),
        steps: steps
            .map(|step| RunbookStep {
                id: step.id.clone(),
                kind: RunbookStepKind::BuiltIn,
            })
            .collect(),
    }
}
