//! The run on the real site: the same executor behind the live doors (`design.md` 5, 9).

use std::io::{self, Write};
use std::path::Path;

use tokio_util::sync::CancellationToken;

use super::Environment;
use super::approval;
use super::configuration::{self, Known};
use super::doors::doors;
use super::earlier::{Begin, earlier};
use super::error::{Failure, output, refused};
use super::log;
use super::operator::AtTerminal;
use super::options::{Output, RunOptions};
use super::ports;
use super::rehearse::terminal;
use super::runs::{
    RECORD_LOST, archive, config_option, note, rest, run_id, tell_unreadable, unfinished, ways,
};
use super::stop;
use crate::access::Access;
use crate::access::sql::{LockError, SiteLock};
use crate::approval::Approved;
use crate::model::{Document, Problem, Remedy, Role};
use crate::plan::Plan;
use crate::report::json::JsonLines;
use crate::report::markdown::Markdown;
use crate::report::next::Next;
use crate::run::archive::Archive;
use crate::run::event::{Outcome, RunFinished};
use crate::run::executor::undo::NotUndone;
use crate::run::executor::{Execution, Way, Who};
use crate::run::exit::Exit;
use crate::run::journal::JournalError;
use crate::run::ledger::RunLedger;
use crate::run::orphaned;
use crate::run::recorder::Sink;
use crate::run::stored::{SiteIdentity, StoredPlan};
use crate::run::writer::{self, Writer};
use crate::site::Site;
use crate::status::Status;
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
    approved: Option<&Approved>,
    environment: &Environment,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    go(site, plan, options, approved, environment, out, Way::On)
}

/// Takes a run forth or back.
pub(super) fn go(
    site: &Site,
    plan: &Plan,
    options: &RunOptions,
    approved: Option<&Approved>,
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
        let lock = lock(site, &access, &archive).await?;
        // Under the lock: an unfinished run may be one that goes on at this moment, elsewhere.
        let begin = earlier(site, plan, options, &archive, way, &known.unreadable)?;
        if let (Begin::Anew { .. }, Some(approved)) = (&begin, approved) {
            // What a run has changed is no drift: it is looked at before the first one alone.
            Box::pin(approval::see_site(approved, site, &access)).await?;
        }
        let live = Live {
            site,
            plan,
            options,
            approved,
            archive: &archive,
            access: &access,
            lock: Ok(lock),
            known,
            way,
        };
        let finished = Box::pin(live.run(begin)).await?;
        let is_done = finished.outcome == Outcome::Done;
        let status = Status::observe(site, &access).await;
        if options.output == Output::Human {
            status.write_human(out).map_err(output)?;
            if is_done {
                let without = finished.without(plan.direction);
                let config = super::runs::config_option(options.config.as_deref());
                let again = format!("pchadr failover{config}");
                let next = Next::of(
                    plan,
                    site.database.compliance.as_ref(),
                    site.log_backups_to(),
                );
                next.write(&without, &again, out).map_err(output)?;
            }
            writeln!(out).map_err(output)?;
            tell_record(&finished.run, options, &archive, out).map_err(output)?;
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
    approved: Option<&'a Approved>,
    archive: &'a Archive,
    access: &'a Access,
    lock: Result<SiteLock, LockError>,
    known: Known,
    way: Way,
}

impl Live<'_> {
    async fn run(&self, begin: Begin) -> anyhow::Result<RunFinished> {
        let run = match &begin {
            Begin::On(earlier) => earlier.run.clone(),
            Begin::Anew { .. } => run_id(self.access.clock.now(), &self.plan.runbook)?,
        };
        let config = config_option(self.options.config.as_deref());
        let (resume, forth) = ways(&self.plan.runbook, &config, &run, self.way);
        self.access.sql.write_for(&self.site.pool.fqdn, Some(&run));
        let store = match &begin {
            Begin::On(_) => self.archive.open(&run, note()),
            Begin::Anew { .. } => self.archive.create(&run, note()),
        };
        let store = store.map_err(Failure::from)?;
        let folder = self.archive.folder(&run);
        let ledger = RunLedger::open(store, self.access.clock, self.sinks())
            .map_err(|error| unwritten(&error, &folder))?;
        let plan = StoredPlan::of(self.plan)?.to_json()?;
        let site = SiteIdentity::to_json(self.site)?;
        let mut documents = vec![(Document::Plan, plan), (Document::Site, site)];
        if let Some(approved) = self.approved_anew(&begin) {
            documents.push((Document::Approval, approved.bytes.clone()));
        }
        for (document, bytes) in documents {
            ledger
                .keep_of_run(document, &bytes)
                .map_err(|error| unwritten(&error, &folder))?;
        }
        if let Some(elsewhere) = ledger
            .state()
            .and_then(|it| it.powershell_elsewhere(&who().host))
        {
            note()(&elsewhere);
        }
        let _log = log::keep(&folder.join(log::LOG), &mut note());
        let stop = CancellationToken::new();
        stop::watch(stop.clone(), resume.clone())?;
        let mut terms = self.options.rehearsal.terms();
        terms.approved = self.approved.map(|it| it.digest.clone());
        if let Begin::Anew {
            beside: Some(beside),
            ..
        } = &begin
            && let Some(reason) = terms.overrides.get_mut(RECORD_LOST)
        {
            reason.push_str(beside);
        }
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
            resume_command: Some(resume.clone()),
            forth_command: Some(forth),
            continued: match &begin {
                Begin::On(_) => None,
                Begin::Anew { continued, .. } => continued.as_deref(),
            },
            rest_command: rest(self.plan, &config),
        };
        let change = match &begin {
            Begin::On(earlier) => earlier.change.clone(),
            Begin::Anew { .. } => None,
        };
        let taken = execution.take_way(self.way, change).await;
        taken.map_err(|error| {
            let acted = ledger.state().is_some_and(|state| state.has_acted());
            match error {
                NotUndone::Journal(JournalError::TakenOver) => taken_over().into(),
                NotUndone::Journal(error) if acted => stopped(&error, &folder, resume).into(),
                NotUndone::Journal(error) => unwritten(&error, &folder).into(),
                other @ (NotUndone::Refused(_) | NotUndone::NoConsent(_)) => not_undone(other),
            }
        })
    }

    /// The approval that the run begins under, or goes on under with another plan. Where the plan is the
    /// same, the approval that it began under stays the one that it kept.
    fn approved_anew(&self, begin: &Begin) -> Option<&Approved> {
        let is_new = match begin {
            Begin::Anew { .. } => true,
            Begin::On(earlier) => earlier.change.is_some(),
        };
        self.approved.filter(|_| is_new)
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

/// Where the record of the run lies, and what prints it.
fn tell_record(
    run: &str,
    options: &RunOptions,
    archive: &Archive,
    out: &mut dyn Write,
) -> io::Result<()> {
    let config = config_option(options.config.as_deref());
    writeln!(out, "record          {}", archive.folder(run).display())?;
    writeln!(
        out,
        "report          pchadr runs report{config} {run} --output html"
    )
}

/// The record of a run cannot be written, and nothing was sent.
fn unwritten(error: &dyn std::fmt::Display, folder: &Path) -> Failure {
    let see = format!("see to room and rights of `{}`", folder.display());
    refused("the record of the run", &error.to_string(), &see)
}

/// The record of a run cannot be written any more, not even its end.
fn stopped(error: &JournalError, folder: &Path, resume: String) -> Failure {
    Failure::new(
        Exit::Stopped,
        "the record of the run",
        format!("{error}; nothing more was sent, and the run stopped there"),
        vec![
            Remedy::to_do(format!("see to room and rights of `{}`", folder.display())),
            Remedy::Command(resume.into()),
        ],
    )
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
        NotUndone::Journal(error) => error.into(),
    }
}

/// Another run goes on from here.
fn taken_over() -> Failure {
    Failure {
        exit: Exit::Held,
        problem: Problem {
            what: "this run".to_owned(),
            ..writer::taken_over()
        },
    }
}

pub(super) fn saved_elsewhere(site: &Site) -> anyhow::Result<Option<Saved>> {
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
///
/// # Errors
/// Who holds it, or why it cannot be had: then with what brings chat into service by hand.
async fn lock(site: &Site, access: &Access, archive: &Archive) -> anyhow::Result<SiteLock> {
    let error = match writer::lock(site, access).await {
        Ok(lock) => return Ok(lock),
        Err(error) => error,
    };
    let mut problem = Problem {
        what: format!("the lock of the site on the {}", Role::Backup),
        ..Problem::from(&error)
    };
    let exit = match error {
        LockError::Held { .. } => Exit::Held,
        LockError::Lost(_) | LockError::Sql(_) | LockError::Code { .. } => {
            if let Some(found) = unfinished(site, archive).unfinished.pop() {
                let ways = orphaned::ways(site, access, &found.state).await;
                problem.remedies.extend(ways);
            }
            Exit::Refused
        }
    };
    Err(Failure { exit, problem }.into())
}

fn who() -> Who {
    // From the system: variables of the environment are whatever somebody set.
    let user = whoami::username().unwrap_or_else(|_| "not known".to_owned());
    Who {
        tool: format!("pchadr {}", env!("CARGO_PKG_VERSION")),
        host: gethostname::gethostname().to_string_lossy().into_owned(),
        user,
    }
}
