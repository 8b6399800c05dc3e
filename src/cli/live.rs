//! The run on the real site: the same executor behind the live doors (`design.md` 5, 9).

use std::io::{self, Write};

use tokio_util::sync::CancellationToken;

use super::Environment;
use super::configuration::{self, Known};
use super::doors::doors;
use super::error::{Failure, output, refused};
use super::log;
use super::operator::AtTerminal;
use super::options::{Output, RunOptions};
use super::ports;
use super::rehearse::terminal;
use super::runs::{archive, none_unfinished, note, run_id, same_site, tell_unreadable, unfinished};
use super::stop;
use crate::access::Access;
use crate::access::sql::{LockError, SiteLock};
use crate::model::{Document, Problem, Role};
use crate::plan::Plan;
use crate::report::json::JsonLines;
use crate::report::markdown::Markdown;
use crate::report::next::write_next;
use crate::run::archive::{Archive, Found, Unreadable};
use crate::run::event::{Outcome, RunFinished};
use crate::run::executor::undo::NotUndone;
use crate::run::executor::{Execution, Way, Who};
use crate::run::exit::Exit;
use crate::run::journal::JournalError;
use crate::run::ledger::RunLedger;
use crate::run::operator::Operator as _;
use crate::run::recorder::Sink;
use crate::run::resume::{PlanChange, compare, known};
use crate::run::stored::{SiteIdentity, StoredPlan};
use crate::run::writer::{self, Writer};
use crate::site::Site;
use crate::status::Status;
use crate::step::ledger::Ledger as _;
use crate::step::saved::Saved;
use crate::step::terms::AcceptedLoss;

/// Runs a plan on the real site, or goes on with a run.
///
/// # Errors
/// What keeps the run from beginning; nothing was changed then.
pub fn command(
    site: &Site,
    plan: &Plan,
    options: &RunOptions,
    environment: &Environment,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    go(site, plan, options, environment, out, Way::On)
}

/// Takes a run forth or back.
pub(super) fn go(
    site: &Site,
    plan: &Plan,
    options: &RunOptions,
    environment: &Environment,
    out: &mut dyn Write,
    way: Way,
) -> anyhow::Result<Exit> {
    let archive = archive(site, environment)?;
    let known = match saved_elsewhere(site)? {
        Some(saved) => Known::of(saved),
        None => configuration::newest(site, &archive),
    };
    tell_unreadable(&known.unreadable);
    let access_parts = doors(site, ports::known(site, &archive))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let ended = runtime.block_on(async {
        let access = access_parts.open();
        access.sql.write_for(&site.pool.fqdn, None);
        let lock = lock(site, &access).await?;
        // Under the lock: an unfinished run may be one that goes on at this moment, elsewhere.
        let earlier = earlier(site, plan, options, &archive, way, &known.unreadable)?;
        let live = Live {
            site,
            plan,
            options,
            archive: &archive,
            access: &access,
            lock: Ok(lock),
            known,
            way,
        };
        let finished = Box::pin(live.run(earlier)).await?;
        let is_done = finished.outcome == Outcome::Done;
        let status = Status::observe(site, &access).await;
        if options.output == Output::Human {
            status.write_human(out).map_err(output)?;
            if is_done {
                write_next(plan.direction, out).map_err(output)?;
            }
            out.flush().map_err(output)?;
        }
        // A failback that is done has just set it up again.
        if is_done && let Err(error) = configuration::keep(site, &access, &status, &archive).await {
            note()(&configuration::not_kept(&error));
        }
        if let Err(error) = ports::keep(site, &access, &archive) {
            note()(&ports::not_kept(&error));
        }
        Ok(Exit::of(finished.exit))
    });
    // A prompt that nobody answered must not keep the program.
    runtime.shutdown_background();
    ended
}

struct Live<'a> {
    site: &'a Site,
    plan: &'a Plan,
    options: &'a RunOptions,
    archive: &'a Archive,
    access: &'a Access,
    lock: Result<SiteLock, LockError>,
    known: Known,
    way: Way,
}

impl Live<'_> {
    async fn run(&self, earlier: Option<Earlier>) -> anyhow::Result<RunFinished> {
        let run = match &earlier {
            Some(earlier) => earlier.run.clone(),
            None => run_id(self.access.clock.now(), &self.plan.runbook)?,
        };
        let config = self
            .options
            .config
            .as_ref()
            .map_or_else(String::new, |path| format!(" --config {}", path.display()));
        let resume = match self.way {
            Way::On => format!("pchadr {}{config} --resume={run}", self.plan.runbook),
            Way::Back => format!("pchadr abort{config}"),
        };
        self.access.sql.write_for(&self.site.pool.fqdn, Some(&run));
        let store = match &earlier {
            Some(_) => self.archive.open(&run, note()).map_err(Failure::from)?,
            None => self.archive.create(&run, note()).map_err(Failure::from)?,
        };
        let ledger = RunLedger::open(store, self.access.clock, self.sinks())?;
        ledger.keep(Document::Plan, &StoredPlan::of(self.plan)?.to_json()?)?;
        ledger.keep(Document::Site, &SiteIdentity::to_json(self.site)?)?;
        let _log = log::keep(&self.archive.folder(&run).join(log::LOG), &mut note());
        let stop = CancellationToken::new();
        stop::watch(stop.clone(), resume.clone());
        let mut terms = self.options.rehearsal.terms();
        if terms.accepted.is_none() && self.way == Way::On {
            // What was agreed to stays agreed to, while no more is lost by it.
            let state = ledger.state();
            terms.accepted = state
                .and_then(|it| it.accepted_end())
                .map(AcceptedLoss::Lsn);
        }
        let guard = Writer::new(
            &self.lock,
            (self.site, self.plan),
            self.access,
            &terms,
            &ledger,
        );
        let execution = Execution {
            site: self.site,
            plan: self.plan,
            access: self.access,
            terms: &terms,
            operator: &AtTerminal,
            guard: &guard,
            pause: self.options.pause,
            ledger: &ledger,
            stop: &stop,
            run: &run,
            who: who(),
            saved_elsewhere: self.known.saved.as_ref(),
            unreadable: &self.known.told(),
            resume_command: Some(resume),
        };
        let change = earlier.and_then(|earlier| earlier.change);
        let taken = execution.take_way(self.way, change).await;
        taken.map_err(not_undone)
    }

    fn sinks(&self) -> Vec<Box<dyn Sink>> {
        let stdout = || Box::new(io::stdout());
        vec![match self.options.output {
            Output::Human => Box::new(terminal()),
            Output::Json => Box::new(JsonLines::new(stdout())),
            Output::Markdown => Box::new(Markdown::new(stdout(), Some(self.plan.clone()))),
        }]
    }
}

/// The run to go on with.
struct Earlier {
    run: String,
    /// The plan differs from the one that it began with, in steps that are still to do.
    change: Option<PlanChange>,
}

/// Finds the run to go on with, or sees that none is unfinished.
fn earlier(
    site: &Site,
    plan: &Plan,
    options: &RunOptions,
    archive: &Archive,
    way: Way,
    told: &[Unreadable],
) -> anyhow::Result<Option<Earlier>> {
    let found = match &options.resume {
        None => {
            let mut runs = unfinished(site, archive);
            tell_unreadable(runs.unreadable.iter().filter(|it| !told.contains(it)));
            return match runs.read.pop() {
                None => Ok(None),
                Some(found) if found.state.goes_back_only() => Err(refused(
                    "a run of this site is not finished",
                    &format!("the undoing of run {} stopped part-way", found.run),
                    "finish it with `pchadr abort`, then begin a new run",
                )
                .into()),
                Some(found) => Err(refused(
                    "a run of this site is not finished",
                    &format!("run {} stopped part-way", found.run),
                    &format!("go on with it: add --resume={}", found.run),
                )
                .into()),
            };
        }
        Some(run) if !run.is_empty() => archive.find(run).map_err(Failure::from)?,
        Some(_) => {
            let mut runs = unfinished(site, archive);
            let newest = runs.read.pop().ok_or_else(|| {
                refused(
                    "there is no run to go on with",
                    &none_unfinished(&runs),
                    "leave out --resume to begin a run",
                )
            })?;
            tell_unreadable(runs.unreadable.iter().filter(|it| !told.contains(it)));
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
    if found.state.is_finished() {
        return Err(refused(
            &format!("run {} is finished", found.run),
            "there is nothing left of it to go on with",
            "leave out --resume to begin a run",
        )
        .into());
    }
    if way == Way::On && found.state.goes_back_only() {
        return Err(refused(
            &format!("run {} cannot go on", found.run),
            "its undoing has begun: what it backed up does not join what is written since",
            "finish that with `pchadr abort`, then begin a new failback",
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
    if let Some(change) = &change {
        agree_to(change, options)?;
    }
    Ok(Some(Earlier {
        run: found.run,
        change,
    }))
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

fn not_undone(error: NotUndone) -> anyhow::Error {
    match error {
        NotUndone::Refused(problem) => Failure::from(problem).into(),
        NotUndone::NoConsent(_) => Failure::new(
            Exit::NoConsent,
            "abort".to_owned(),
            error.to_string(),
            "nothing was sent; consent at a terminal, or with --yes".to_owned(),
        )
        .into(),
        NotUndone::Journal(JournalError::TakenOver) => Failure {
            exit: Exit::Held,
            problem: Problem {
                what: "this run".to_owned(),
                ..writer::taken_over()
            },
        }
        .into(),
        NotUndone::Journal(error) => error.into(),
    }
}

/// A plan that changed is shown, and agreed to.
fn agree_to(change: &PlanChange, options: &RunOptions) -> anyhow::Result<()> {
    let mut err = io::stderr();
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

fn saved_elsewhere(site: &Site) -> anyhow::Result<Option<Saved>> {
    let Some(path) = &site.log_shipping.saved else {
        return Ok(None);
    };
    let what = format!("the saved log-shipping configuration `{}`", path.display());
    let bytes = std::fs::read(path).map_err(|error| {
        refused(
            &what,
            &error.to_string(),
            "see `[log_shipping] saved` of the site file",
        )
    })?;
    let saved = Saved::read(&bytes).map_err(|unread| {
        refused(
            &what,
            &unread.to_string(),
            &format!(
                "{}; or see `[log_shipping] saved` of the site file",
                unread.remedy()
            ),
        )
    })?;
    Ok(Some(saved))
}

/// Takes the lock of the site on the instance that survives.
async fn lock(site: &Site, access: &Access) -> anyhow::Result<SiteLock> {
    writer::lock(site, access).await.map_err(|error| {
        let exit = match error {
            LockError::Held { .. } => Exit::Held,
            _ => Exit::Refused,
        };
        Failure {
            exit,
            problem: Problem {
                what: format!("the lock of the site on the {}", Role::Backup),
                ..Problem::from(&error)
            },
        }
        .into()
    })
}

fn who() -> Who {
    let named = |names: &[&str]| {
        names
            .iter()
            .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
            .unwrap_or_else(|| "not known".to_owned())
    };
    Who {
        tool: format!("pchadr {}", env!("CARGO_PKG_VERSION")),
        host: gethostname::gethostname().to_string_lossy().into_owned(),
        user: named(&["USERNAME", "USER", "LOGNAME"]),
    }
}
