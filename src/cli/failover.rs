//! `pchadr failover` moves the pool to its second data center, `pchadr failback` home again, and `pchadr
//! fence` closes what came back in the first.

use std::fs;
use std::io::Write;
use std::path::Path;

use super::error::{Failure, output};
use super::options::{Output, RunOptions};
use super::{Environment, abort, live, rehearse, runs};
use crate::plan::Plan;
use crate::report;
use crate::run::archive::Found;
use crate::run::exit::Exit;
use crate::run::resume::known;
use crate::runbook::{Direction, Runbook};
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
    let runbook = match begun_with(direction, options, &site, environment)? {
        Some(begun_with) => begun_with,
        None => runbook(direction, options.runbook.as_deref())?,
    };
    let plan = Plan::bind(&runbook, &site)?;
    if options.rehearsal.rehearse {
        return rehearse::command(&site, &plan, &options.rehearsal, options.output, out);
    }
    if !options.dry_run {
        return live::command(&site, &plan, options, environment, out);
    }
    print(&plan, &site, options.output, out)?;
    Ok(Exit::Done)
}

/// The runbook of the run that goes on: the command that says so need not name the file, which may be
/// on another machine.
fn begun_with(
    direction: Direction,
    options: &RunOptions,
    site: &Site,
    environment: &Environment,
) -> anyhow::Result<Option<Runbook>> {
    let (Some(run), None) = (&options.resume, &options.runbook) else {
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
    let found = found.filter(|found| known(&found.state).is_ok());
    Ok(found.map(|found| abort::runbook(&found, direction)))
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

/// The runbook of that file, or the built-in one.
fn runbook(direction: Direction, file: Option<&Path>) -> anyhow::Result<Runbook> {
    let known: Vec<&str> = Step::of(direction).iter().map(|step| step.id()).collect();
    let Some(file) = file else {
        let text = direction.built_in();
        return Ok(Runbook::parse(text, "the built-in runbook", &known)?);
    };
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
