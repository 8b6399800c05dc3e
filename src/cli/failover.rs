//! `pchadr failover` moves the pool to its second data center, `pchadr failback` home again, and `pchadr
//! fence` closes what came back in the first.

use std::fs;
use std::io::Write;
use std::path::Path;

use super::error::{Failure, output};
use super::options::{Output, Part, RunOptions};
use super::{Environment, abort, approval, live, rehearse, runs};
use crate::plan::{NoPlan, Plan};
use crate::report;
use crate::run::archive::Found;
use crate::run::exit::Exit;
use crate::run::resume::known;
use crate::runbook::{self, Direction, Runbook};
use crate::site::Site;
use crate::step::Step;

/// Prints the plan, or runs it.
///
/// # Errors
/// Those of the command line, of the site file and of the runbook; that `out` takes nothing.
pub fn command(
    direction: Direction,
    options: &RunOptions,
    environment: &Environment,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let site = Site::load(&environment.site_file(options.config.as_deref())?)?;
    let goes_on = goes_on(direction, options, &site, environment)?;
    let approved = &options.approval.approved;
    let approved = approved.as_ref().map(|file| approval::read(file));
    let approved = approved.transpose()?;
    let plan = if let Some(approved) = &approved {
        approval::plan_of(approved, direction, &site)?
    } else {
        match (&goes_on, &options.runbook) {
            // The command that goes on need not name the file, which may be on another machine.
            (Some(found), None) => abort::plan_of(found, direction, &site)?,
            (Some(found), Some(file)) => {
                let state = &found.state;
                let from = state.continues.as_ref().and_then(|it| it.from.as_deref());
                Plan::bind(&of_file(direction, file)?, &site)?.part(from, state.until.as_deref())?
            }
            (None, file) => {
                let part = &options.part;
                let runbook = match file {
                    Some(file) => of_file(direction, file)?,
                    None if part.planned => built_in(direction, runbook::FAILOVER_PLANNED)?,
                    None if part.service_first => built_in(direction, service_first(direction))?,
                    // In the order in which the part before it was taken.
                    None => match parted_before(part, &site, environment) {
                        Some(before) => abort::runbook(&before, direction),
                        None => built_in(direction, direction.built_in())?,
                    },
                };
                let plan = Plan::bind(&runbook, &site)?;
                let parted = plan.part(part.from.as_deref(), part.until.as_deref());
                parted.map_err(|error| no_part(part, &error))?
            }
        }
    };
    if let Some(file) = &options.approval.plan_out {
        return approval::save(file, &plan, &site, options, environment, out);
    }
    if let Some(approved) = &approved {
        approval::see_plan(approved, &plan, &site, options.rehearsal.rehearse)?;
    }
    let approved = approved.as_ref();
    if options.rehearsal.rehearse {
        let (form, options) = (options.output, &options.rehearsal);
        return rehearse::command(&site, &plan, options, approved, form, out);
    }
    if !options.dry_run {
        return live::command(&site, &plan, options, approved, environment, out);
    }
    print(&plan, &site, options.output, out)?;
    Ok(Exit::Done)
}

/// The run that goes on.
fn goes_on(
    direction: Direction,
    options: &RunOptions,
    site: &Site,
    environment: &Environment,
) -> anyhow::Result<Option<Found>> {
    let Some(run) = &options.resume else {
        return Ok(None);
    };
    let archive = runs::archive(site, environment)?;
    let is_its = |found: &Found| found.state.runbook == direction.key();
    let found = if run.is_empty() {
        let mut unfinished = runs::unfinished(site, &archive).unfinished;
        unfinished.retain(is_its);
        unfinished.pop()
    } else {
        archive.find(run).ok().filter(is_its)
    };
    // A run that cannot be found, or has steps that are not known, is told later, in full.
    Ok(found.filter(|found| known(&found.state).is_ok()))
}

/// Prints a plan: the whole of a dry run.
fn print(plan: &Plan, site: &Site, form: Output, out: &mut dyn Write) -> anyhow::Result<()> {
    match form {
        Output::Human => report::plan::human(plan, out),
        Output::Json => report::plan::json(plan, out),
        Output::Markdown => report::plan::markdown(plan, site.pool.fqdn.as_str(), out),
    }
    .map_err(output)
}

/// The run whose rest is taken.
fn parted_before(part: &Part, site: &Site, environment: &Environment) -> Option<Found> {
    part.from.as_ref()?;
    // A place that is missing, and steps that are not known, are told later: a plan needs neither.
    let archive = runs::archive(site, environment).ok()?;
    runs::parted(site, &archive).filter(|found| known(&found.state).is_ok())
}

/// The order in which users come first; a fence has no other order than its own.
fn service_first(direction: Direction) -> &'static str {
    match direction {
        Direction::Failover => runbook::FAILOVER_SERVICE_FIRST,
        Direction::Failback => runbook::FAILBACK_SERVICE_FIRST,
        Direction::Fence => runbook::FENCE,
    }
}

/// Says which of the two options names no part of the plan.
fn no_part(part: &Part, error: &NoPlan) -> Failure {
    let named = [("--from", &part.from), ("--until", &part.until)];
    let named = named
        .iter()
        .filter_map(|(option, step)| Some(format!("{option} {}", step.as_ref()?)));
    Failure::new(
        Exit::Usage,
        named.collect::<Vec<_>>().join(" "),
        error.to_string(),
        "name a step of the runbook, as `--dry-run` shows them".to_owned(),
    )
}

fn known_steps(direction: Direction) -> Vec<&'static str> {
    Step::of(direction).iter().map(|step| step.id()).collect()
}

pub(super) fn built_in(direction: Direction, text: &str) -> anyhow::Result<Runbook> {
    let known = known_steps(direction);
    Ok(Runbook::parse(text, "the built-in runbook", &known)?)
}

/// The runbook of that file.
fn of_file(direction: Direction, file: &Path) -> anyhow::Result<Runbook> {
    let known = known_steps(direction);
    let name = file.display().to_string();
    let refused = |why: String, hint: &str| {
        Failure::new(
            Exit::Usage,
            format!("the runbook `{name}` cannot be used"),
            why,
            hint.to_owned(),
        )
    };
    let text = fs::read_to_string(file).map_err(|error| {
        refused(
            error.to_string(),
            "check its path, that you may read it, and that it is saved as UTF-8",
        )
    })?;
    let runbook = Runbook::parse(&text, &name, &known)?;
    if runbook.direction != direction {
        let why = format!("it is a runbook for {}", runbook.direction);
        let hint = format!("name a runbook with `runbook = \"{direction}\"`");
        return Err(refused(why, &hint).into());
    }
    Ok(runbook)
}
