//! The run to go on with, or that there is none: what stands in the records before anything is sent.

use std::io::{self, Write};
use std::path::Path;

use super::approval;
use super::error::{Failure, refused};
use super::operator::AtTerminal;
use super::options::RunOptions;
use super::runs::from as from_step;
use super::runs::{
    NOT_KNOWN, Open, RECORD_LOST, config_option, parted, refuse_lost, same_site, tell_unreadable,
    unfinished,
};
use super::screen;
use crate::model::commands::quoted;
use crate::model::{Direction, Document};
use crate::plan::Plan;
use crate::run::archive::{Archive, ArchiveError, Found, Unreadable};
use crate::run::event::Continues;
use crate::run::executor::undo::{gives_way_to_a_failover, refusal};
use crate::run::executor::{Continued, Way};
use crate::run::exit::Exit;
use crate::run::operator::Operator as _;
use crate::run::resume::{PlanChange, compare, known};
use crate::site::Site;
use crate::step::saved::Saved;

/// How an execution begins.
pub(super) enum Begin {
    /// With a new run.
    Anew {
        /// What the record says of runs that nobody can tell of, and that are left behind.
        beside: Option<String>,
        /// The part of a failover that it continues.
        continued: Option<Box<Continued>>,
    },
    /// With a run that is there.
    On(Earlier),
}

/// The run to go on with.
pub(super) struct Earlier {
    /// Its id.
    pub(super) run: String,
    /// The plan differs from the one that it began with, in steps that are still to do.
    pub(super) change: Option<PlanChange>,
}

/// Finds the run to go on with, or sees that none is unfinished.
///
/// # Errors
/// What keeps the execution from beginning.
pub(super) fn earlier(
    site: &Site,
    plan: &Plan,
    options: &RunOptions,
    archive: &Archive,
    way: Way,
    told: &[Unreadable],
) -> anyhow::Result<Begin> {
    let config = options.config.as_deref();
    let found = match &options.resume {
        None => {
            let mut runs = unfinished(site, archive);
            // What comes back is closed while the failover waits for that; a failback whose first
            // data center is lost again is closed by the failover.
            let waits = |found: &Found| match plan.direction {
                Direction::Fence => found.state.runbook == Direction::Failover.key(),
                // A switch that is planned begins on a site where nothing is under way.
                Direction::Failover => !plan.is_planned() && gives_way_to_a_failover(&found.state),
                Direction::Failback => false,
            };
            runs.unfinished.retain(|found| !waits(found));
            return match runs.unfinished.pop() {
                None => {
                    let beside = begin_anew(&runs, options)?;
                    runs.tell(config, told);
                    let continued = continued(site, plan, archive, config)?;
                    Ok(Begin::Anew {
                        beside,
                        continued: continued.map(Box::new),
                    })
                }
                Some(found) if found.state.goes_back_only() => Err(refused(
                    "a run of this site is not finished",
                    &format!("the undoing of run {} stopped part-way", found.run),
                    &format!(
                        "finish it with `pchadr abort{}`, then begin a new run",
                        config_option(config)
                    ),
                )
                .into()),
                Some(found) => Err(refused(
                    "a run of this site is not finished",
                    &format!("run {} stopped part-way", found.run),
                    &ways_on(&found, config),
                )
                .into()),
            };
        }
        Some(run) if !run.is_empty() => archive.find(run).map_err(|error| match error {
            ArchiveError::Lost(lost) => refuse_lost(&lost, config),
            other @ (ArchiveError::Folder { .. } | ArchiveError::NoRun { .. }) => other.into(),
        })?,
        Some(_) => {
            let mut runs = unfinished(site, archive);
            let is_ours = |found: &Found| found.state.runbook == plan.runbook;
            runs.unfinished.retain(is_ours);
            let none = (
                "there is no run to go on with",
                "leave out --resume to begin a run",
            );
            let newest = runs.newest(config, none)?;
            runs.tell(config, told);
            newest
        }
    };
    see_documents(&found)?;
    if !same_site(site, &found) || found.state.runbook != plan.runbook {
        return Err(refused(
            &format!("run {} cannot go on here", found.run),
            "it is of another pool, of other instances or databases, or of another runbook",
            "name the site file that it began with",
        )
        .into());
    }
    let parted = way == Way::Back && found.state.left_to_later().is_some();
    if found.state.is_finished() && !parted {
        let rest = found.state.left_to_later().map(|rest| {
            let command = from_step("failover", &config_option(config), &rest.id);
            format!("take the rest with a run of its own: {command}")
        });
        return Err(refused(
            &format!("run {} is finished", found.run),
            "there is nothing left of it to go on with",
            rest.as_deref()
                .unwrap_or("leave out --resume to begin a run"),
        )
        .into());
    }
    if way == Way::On && found.state.goes_back_only() {
        return Err(refused(
            &format!("run {} cannot go on", found.run),
            "its undoing has begun: what it backed up does not join what is written since",
            &format!(
                "finish that with `pchadr abort{}`, then begin a new failback",
                config_option(config)
            ),
        )
        .into());
    }
    known(&found.state).map_err(Failure::from)?;
    let change = compare(&found, plan).map_err(|why| {
        refused(
            &format!("run {} cannot go on with this plan", found.run),
            &why,
            "go on with the site file and the runbook that it began with",
        )
    })?;
    if way == Way::On {
        approval::goes_on(&found, change.is_some(), options)?;
    }
    if let Some(change) = &change {
        agree_to(change, options)?;
    }
    Ok(Begin::On(Earlier {
        run: found.run,
        change,
    }))
}

/// The part of a failover that a new run continues: the newest that ended as `--until` said, with no run
/// behind it that took the rest. With `--from` there must be one, and it did all that comes before.
fn continued(
    site: &Site,
    plan: &Plan,
    archive: &Archive,
    config: Option<&Path>,
) -> Result<Option<Continued>, Failure> {
    if plan.direction != Direction::Failover {
        return Ok(None);
    }
    let parted = parted(site, archive);
    if let Some(from) = &plan.from {
        let what = format!("--from {from}");
        let Some(earlier) = &parted else {
            return Err(refused(
                &what,
                "no run of this site ended as --until said, with its rest still to do",
                "leave out --from: what is done already is seen, and not done again",
            ));
        };
        let mut before = plan.ids().take_while(|id| id != from);
        if let Some(open) = before.find(|id| !earlier.state.is_done(id)) {
            return Err(refused(
                &what,
                &format!(
                    "run {} did not do `{open}`, which comes before",
                    earlier.run
                ),
                &format!(
                    "begin there: {}",
                    from_step("failover", &config_option(config), open)
                ),
            ));
        }
    }
    Ok(parted.map(|earlier| {
        let kept = archive.newest(
            Document::LogShipping,
            |found| found.run == earlier.run,
            Saved::read,
        );
        Continued {
            line: Continues {
                run: earlier.run,
                from: plan.from.clone(),
            },
            saved: kept.read.into_iter().next(),
        }
    }))
}

/// What goes on with an unfinished run, and what undoes it where it can be undone.
fn ways_on(found: &Found, config: Option<&Path>) -> String {
    let (runbook, run) = (quoted(&found.state.runbook), quoted(&found.run));
    let config = config_option(config);
    let on = format!("go on with it: pchadr {runbook}{config} --resume={run}");
    match refusal(&found.state) {
        None if gives_way_to_a_failover(&found.state) => format!(
            "{on}; or undo it: pchadr abort{config}; or, where the first data center is lost for good by now, move chat to the second one: pchadr failover{config}"
        ),
        None => format!("{on}; or undo it: pchadr abort{config}"),
        Some(_) if gives_way_to_a_failover(&found.state) => format!(
            "{on}; or, where the first data center is lost for good again, move chat to the second one: pchadr failover{config}"
        ),
        Some(_) => on,
    }
}

/// A new run beside one that nobody can tell of is begun for a reason only. What the record says of
/// those that are left behind.
fn begin_anew(runs: &Open, options: &RunOptions) -> Result<Option<String>, Failure> {
    let Some(newest) = runs.lost.last() else {
        return Ok(None);
    };
    let overrides = &options.rehearsal.overrides;
    if !overrides.iter().any(|(id, _)| id == RECORD_LOST) {
        return Err(refuse_lost(newest, options.config.as_deref()));
    }
    let left: Vec<String> = runs
        .lost
        .iter()
        .map(|lost| format!("run {}, whole up to record {}", lost.run, lost.whole))
        .collect();
    Ok(Some(format!(" ({}: {NOT_KNOWN})", left.join("; "))))
}

/// A run goes on only with the plan and the site that it keeps: both are written anew.
fn see_documents(found: &Found) -> anyhow::Result<()> {
    let kept = [
        (found.plan.first().is_some(), &found.plan.unreadable),
        (found.site.first().is_some(), &found.site.unreadable),
    ];
    for (is_read, unreadable) in kept {
        match unreadable.first() {
            Some(it) if !is_read => {
                return Err(refused(
                    &format!("run {} cannot go on", found.run),
                    &it.to_string(),
                    &it.remedy,
                )
                .into());
            }
            _ => tell_unreadable(unreadable),
        }
    }
    Ok(())
}

/// A plan that changed is shown, and agreed to.
fn agree_to(change: &PlanChange, options: &RunOptions) -> anyhow::Result<()> {
    let mut err = screen::stderr();
    writeln!(
        err,
        "the plan is not the one that the run began with:\n{}",
        change.difference
    )?;
    if options.rehearsal.yes {
        return Ok(());
    }
    let refuse = |why: &str| {
        Failure::new(
            Exit::NoConsent,
            "the changed plan".to_owned(),
            why.to_owned(),
            "consent with --yes, or go on with the site file that the run began with".to_owned(),
        )
    };
    if !AtTerminal.is_there() {
        return Err(refuse("nobody is there to agree to it").into());
    }
    write!(err, "Type `yes` to go on with it: ")?;
    err.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    if answer.trim() == "yes" {
        Ok(())
    } else {
        Err(refuse("the operator did not agree to it").into())
    }
}
