//! `--plan-out` saves a plan to be approved, `--approved` runs only that one, `pchadr plan verify` says
//! whether it still stands (`design.md` 8, "Approval").

mod save;
mod verify;

use std::fs;
use std::path::Path;

use super::Environment;
use super::doors::doors;
use super::error::{Failure, refused};
use super::options::RunOptions;
use super::rehearse::{RehearsalError, Stage, refusal};
use super::{ports, runs};
use crate::access::Access;
use crate::approval::drift::{Drift, hold};
use crate::approval::facts::{Thing, observe};
use crate::approval::{Approval, Approved, Chosen};
use crate::model::Remedy;
use crate::model::commands::{quoted, site_option};
use crate::plan::Plan;
use crate::rehearsal::simulated::Recipe;
use crate::run::archive::Found;
use crate::run::exit::Exit;
use crate::runbook::Direction;
use crate::site::Site;

pub(super) use save::save;
pub use verify::verify;

/// Reads an approval.
///
/// # Errors
/// That it cannot be read, or is none.
pub(super) fn read(file: &Path) -> anyhow::Result<Approved> {
    let what = format!("the approved plan `{}`", file.display());
    let bytes = fs::read(file).map_err(|error| {
        let hint = "name the file that --plan-out saved, and see that you may read it";
        Failure::new(Exit::Usage, what.clone(), error.to_string(), hint)
    })?;
    let read = Approved::read(bytes);
    Ok(read
        .map_err(|unread| Failure::new(Exit::Usage, what, unread.to_string(), unread.remedy()))?)
}

/// The plan of an approval, as its steps and the site file give it now.
///
/// # Errors
/// That it is of another direction; those of [`Plan::bind`].
pub(super) fn plan_of(
    approved: &Approved,
    direction: Direction,
    site: &Site,
) -> anyhow::Result<Plan> {
    let approval = &approved.approval;
    let runbook = approval.to_runbook().filter(|it| it.direction == direction);
    let runbook = runbook.ok_or_else(|| {
        let why = format!(
            "it is a plan of a {}, not of a {direction}",
            approval.runbook
        );
        let hint = "name a plan that was saved for this command";
        Failure::new(Exit::Usage, "the approved plan", why, hint)
    })?;
    let plan = Plan::bind(&runbook, site)?;
    Ok(plan.part(approval.from.as_deref(), approval.until.as_deref())?)
}

/// Sees that program, site file and plan are those that were approved. Connects to nothing.
///
/// # Errors
/// What differs, each by its name.
pub(super) fn see_plan(
    approved: &Approved,
    plan: &Plan,
    site: &Site,
    simulated: bool,
) -> Result<(), Failure> {
    let drift = approved.approval.differs(plan, site, simulated);
    refuse(approved, &drift, simulated)
}

/// Sees that the site is what it was when the plan was approved. What is not seen is told, and is no
/// reason to refuse: a failover begins when half of the site is dead.
///
/// # Errors
/// What differs, fact by fact.
pub(super) async fn see_site(
    approved: &Approved,
    site: &Site,
    access: &Access,
) -> Result<(), Failure> {
    let now = Box::pin(observe(site, access)).await;
    see(approved, &now, false)
}

fn see(approved: &Approved, now: &[Thing], simulated: bool) -> Result<(), Failure> {
    let held = hold(&approved.approval.facts, now);
    for line in held.told() {
        runs::note()(&line);
    }
    refuse(approved, &held.drift, simulated)
}

/// The same of the simulated site that a recipe makes.
///
/// # Errors
/// That it cannot be simulated; what differs.
pub(super) fn see_rehearsed(
    approved: &Approved,
    site: &Site,
    recipe: &Recipe,
) -> anyhow::Result<()> {
    let now = on_stage(site, recipe, async |access: &Access| {
        observe(site, access).await
    })?;
    Ok(see(approved, &now, true)?)
}

/// Looks at the site that a recipe makes.
fn on_stage<T>(
    site: &Site,
    recipe: &Recipe,
    look: impl AsyncFnOnce(&Access) -> T,
) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()?;
    let looked: Result<T, RehearsalError> = runtime.block_on(async {
        let stage = Stage::build(site, recipe)?;
        let seen = look(&stage.access).await;
        let unknown = stage.simulated.unknown();
        if unknown.is_empty() {
            Ok(seen)
        } else {
            Err(RehearsalError::Unknown(unknown))
        }
    });
    Ok(looked.map_err(|error| refusal(&error))?)
}

/// Looks at the real site.
fn on_site<T>(
    site: &Site,
    environment: &Environment,
    look: impl AsyncFnOnce(&Access) -> T,
) -> anyhow::Result<T> {
    let ports = match runs::archive(site, environment) {
        Ok(archive) => ports::known(site, &archive),
        // It is only read from there where named instances were seen.
        Err(_) => std::collections::BTreeMap::new(),
    };
    let doors = doors(site, ports)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let seen = runtime.block_on(async {
        let access = doors.open();
        look(&access).await
    });
    // A share that hangs must not keep the program.
    runtime.shutdown_background();
    Ok(seen)
}

fn refuse(approved: &Approved, drift: &[Drift], simulated: bool) -> Result<(), Failure> {
    if drift.is_empty() {
        return Ok(());
    }
    let why = format!(
        "it was saved at {:.0}, and {} since",
        approved.approval.made,
        differs(drift.len())
    );
    let mut failure = Failure::new(
        Exit::Blocked,
        "the approved plan does not stand any more",
        why,
        ways(&approved.approval, simulated),
    );
    failure.problem.evidence = drift.iter().map(ToString::to_string).collect();
    Err(failure)
}

fn differs(things: usize) -> String {
    if things == 1 {
        "one thing differs".to_owned()
    } else {
        format!("{things} things differ")
    }
}

/// What makes a new approval, and what goes without one; a rehearsal names rehearsals.
fn ways(approval: &Approval, simulated: bool) -> Vec<Remedy> {
    let mut command = chosen(approval);
    if simulated {
        command.push_str(" --rehearse");
    }
    vec![
        Remedy::to_do("where that is as it should be, save a new plan and have it approved"),
        Remedy::Command(
            format!("{command} --plan-out {}", quoted(&fresh(&approval.runbook))).into(),
        ),
        Remedy::to_do("or, where nobody is there to approve one, run without an approval"),
        Remedy::Command(command.into()),
    ]
}

/// The command that chooses the plan of an approval. Its words are those of a file, which somebody else
/// may have written.
fn chosen(approval: &Approval) -> String {
    let runbook = Direction::find(&approval.runbook).map_or("failover", Direction::key);
    let mut command = format!("pchadr {runbook}");
    command.push_str(&site_option());
    let Chosen {
        runbook_file,
        service_first,
        resume,
    } = &approval.chosen;
    if let Some(run) = resume {
        command = format!("{command} --resume={}", quoted(run));
    } else {
        for (option, step) in [("--from", &approval.from), ("--until", &approval.until)] {
            if let Some(step) = step {
                command = format!("{command} {option} {}", quoted(step));
            }
        }
    }
    if *service_first {
        command.push_str(" --service-first");
    }
    if let Some(file) = runbook_file {
        command = format!("{command} --runbook {}", quoted(file));
    }
    command
}

/// The command that runs an approved plan.
fn runs_it(approval: &Approval, config: Option<&Path>, file: &Path) -> String {
    let runbook = Direction::find(&approval.runbook).map_or("failover", Direction::key);
    let resume = approval.chosen.resume.as_ref();
    let resume = resume.map(|run| format!(" --resume={}", quoted(run)));
    format!(
        "pchadr {runbook}{}{}{} --approved {}",
        runs::config_option(config),
        resume.unwrap_or_default(),
        if approval.simulated {
            " --rehearse"
        } else {
            ""
        },
        quoted(&whole(file))
    )
}

/// The name of a file that is not there yet: an approved plan is never written over.
fn fresh(runbook: &str) -> String {
    let runbook = Direction::find(runbook).map_or("failover", Direction::key);
    let mut names = (1_u32..).map(|n| match n {
        1 => format!("{runbook}-plan.json"),
        n => format!("{runbook}-plan-{n}.json"),
    });
    let free = names.find(|name| !Path::new(name).exists());
    free.unwrap_or_default()
}

/// Whether a run may go on: one that began under an approval goes on with no other plan that is not
/// approved too, and one that began without is not made an approved one by its end.
///
/// # Errors
/// Why not, and what saves the plan that it would go on with.
pub(super) fn goes_on(found: &Found, changed: bool, options: &RunOptions) -> Result<(), Failure> {
    let under = options.approval.approved.is_some();
    match (&found.state.approved, under) {
        (None, true) => Err(refused(
            &format!("run {} has no approval", found.run),
            "it began without one: what it has sent was not approved",
            "leave out --approved to go on with it",
        )),
        (Some(_), false) if changed => {
            let runbook = found.state.runbook.as_str();
            let file = options.runbook.as_ref().map(|file| whole(file));
            let mut command = format!(
                "pchadr {}{} --resume={}",
                quoted(runbook),
                runs::config_option(options.config.as_deref()),
                quoted(&found.run)
            );
            if let Some(file) = file {
                command = format!("{command} --runbook {}", quoted(&file));
            }
            let save = format!("{command} --plan-out {}", quoted(&fresh(runbook)));
            Err(Failure::new(
                Exit::Blocked,
                format!("run {} cannot go on with this plan", found.run),
                "it runs an approved plan, and this is another one",
                vec![
                    Remedy::to_do("go on with the site file and the runbook that were approved"),
                    Remedy::to_do(
                        "or save this plan and have it approved, then go on with --approved",
                    ),
                    Remedy::Command(save.into()),
                ],
            ))
        }
        (None, false) | (Some(_), true | false) => Ok(()),
    }
}

fn whole(file: &Path) -> String {
    let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    file.display().to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
