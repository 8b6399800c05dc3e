//! `--rehearse`: the same executor and drivers over the simulated site (`design.md` 10).

use std::io::{IsTerminal as _, Read as _, Seek as _, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use indicatif::ProgressDrawTarget;

use tokio_util::sync::CancellationToken;

use super::error::{Failure, output};
use super::options::{Output, RehearsalLogs, RehearsalOptions};
use super::runs::{rest, ways};
use super::screen;
use crate::access::powershell::PowerShellDoor;
use crate::access::secret::Password;
use crate::access::sql::{DoorLimits, LockError, SignIn, SqlDoor};
use crate::access::{Access, Clock};
use crate::model::commands::site_option;
use crate::model::header::END_BYTES;
use crate::plan::Plan;
use crate::rehearsal::simulated::{Logs, NoSite, RealLog, Recipe, SimulatedSite, addresses};
use crate::rehearsal::trouble::Trouble;
use crate::rehearsal::world::Start;
use crate::report::json::JsonLines;
use crate::report::markdown::Markdown;
use crate::report::next::Next;
use crate::report::terminal::Terminal;
use crate::run::event::{Outcome, RunFinished};
use crate::run::executor::undo::NotUndone;
use crate::run::executor::{Continued, Execution, Way, Who};
use crate::run::exit::Exit;
use crate::run::journal::JournalError;
use crate::run::ledger::RunLedger;
use crate::run::operator::Nobody;
use crate::run::recorder::Sink;
use crate::run::store::{MemoryStore, Store};
use crate::run::writer::{self, Writer};
use crate::runbook::Direction;
use crate::site::Site;
use crate::status::Status;
use crate::step::saved::Saved;
use crate::step::terms::Terms;

/// Log backups of a rehearsal that names none.
pub(super) const LOGS: usize = 24;

/// `--rehearse`.
///
/// # Errors
/// When the rehearsal cannot be held, or showed nothing that can be trusted.
pub fn command(
    site: &Site,
    plan: &Plan,
    options: &RehearsalOptions,
    form: Output,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let logs = match &options.rehearse_logs {
        None => Logs::Made(LOGS),
        Some(RehearsalLogs::Simulated(count)) => Logs::Made(usize::try_from(*count)?),
        Some(RehearsalLogs::Folder(folder)) => {
            Logs::Real(real_logs(Path::new(folder)).map_err(|cause| {
                Failure::new(
                    Exit::Usage,
                    format!("the log backups of `{folder}` cannot be rehearsed"),
                    cause.to_string(),
                    "name a folder that holds log backups and that you may read".to_owned(),
                )
            })?)
        }
    };
    let mut recipe = match plan.direction {
        Direction::Failover if plan.is_planned() => Recipe::in_step(logs),
        Direction::Failover => Recipe::disaster(logs),
        Direction::Failback => Recipe::failed_over(logs),
        Direction::Fence => Recipe::returned(logs),
    };
    recipe.seed = options.seed.unwrap_or(recipe.seed);
    for trouble in &options.with {
        if !trouble.runbooks.contains(&plan.direction) {
            return Err(elsewhere(trouble, plan.direction).into());
        }
    }
    recipe.with.clone_from(&options.with);
    let sink: Box<dyn Sink> = match form {
        Output::Human => Box::new(terminal()),
        Output::Json => Box::new(JsonLines::new(Box::new(std::io::stdout()))),
        Output::Markdown => Box::new(Markdown::new(
            Box::new(std::io::stdout()),
            Some(plan.clone()),
        )),
    };
    let mut end = Vec::new();
    let store = Box::new(MemoryStore::default());
    let held = run(
        site,
        plan,
        options.terms(),
        &recipe,
        store,
        vec![sink],
        &mut end,
    );
    // Records say all that a program needs; people see where the site stands.
    if form == Output::Human {
        out.write_all(&end).map_err(output)?;
    }
    let finished = held.map_err(|error| refusal(&error))?;
    tell_practiced(&recipe, finished.resume.is_some(), &mut screen::stderr()).map_err(output)?;
    Ok(Exit::of(finished.exit))
}

/// Trouble that a runbook never meets.
fn elsewhere(trouble: &Trouble, direction: Direction) -> Failure {
    let known: Vec<&str> = Trouble::of(direction).map(|it| it.name).collect();
    Failure::new(
        Exit::Usage,
        format!("`--with {}`", trouble.name),
        format!("that is no trouble of a {direction}"),
        format!("name one of: {}", known.join(", ")),
    )
}

/// Says at the end what was practiced, and that a rehearsal leaves nothing to go on with.
fn tell_practiced(recipe: &Recipe, stopped: bool, out: &mut dyn Write) -> std::io::Result<()> {
    if recipe.with.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    for (index, trouble) in recipe.with.iter().enumerate() {
        let label = if index == 0 { "practiced" } else { "" };
        writeln!(out, "{label:16}{}: {}", trouble.name, trouble.what)?;
    }
    if stopped {
        writeln!(
            out,
            "{:16}a rehearsal keeps no record: on the real site the command above goes on",
            ""
        )?;
    }
    Ok(())
}

/// The run as it goes, on standard error: live where that is a terminal.
pub(super) fn terminal() -> Terminal {
    let writer = Box::new(screen::stderr());
    if std::io::stderr().is_terminal() {
        let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        let color = !dumb && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Terminal::live(writer, color, ProgressDrawTarget::stderr())
    } else {
        Terminal::piped(writer)
    }
}

pub(super) fn refusal(error: &RehearsalError) -> Failure {
    let (exit, hint) = match error {
        RehearsalError::NoSite(_) => (
            Exit::Usage,
            "see `[database] chat` of the site file, and the folder",
        ),
        RehearsalError::Unknown(_) => (
            Exit::Defect,
            "this is a defect of the simulated site or of a step; the real site was not touched",
        ),
        RehearsalError::Journal(_) | RehearsalError::Runtime(_) => {
            (Exit::Defect, "the real site was not touched; try again")
        }
    };
    Failure::new(
        exit,
        "the rehearsal".to_owned(),
        error.to_string(),
        hint.to_owned(),
    )
}

/// The two ends of every file of a folder, for a rehearsal with real log backups.
///
/// # Errors
/// When the folder or one of its files cannot be read.
pub fn real_logs(folder: &Path) -> std::io::Result<Vec<RealLog>> {
    let mut logs = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let size = entry.metadata()?.len();
        if !entry.file_type()?.is_file() {
            continue;
        }
        let file = std::fs::File::open(entry.path())?;
        let length = size.min(END_BYTES as u64);
        let end = |from: SeekFrom| {
            (&file).seek(from)?;
            let mut bytes = Vec::new();
            (&file).take(length).read_to_end(&mut bytes)?;
            Ok::<_, std::io::Error>(bytes)
        };
        let head = end(SeekFrom::Start(0))?;
        let tail = end(SeekFrom::Start(size - length))?;
        logs.push(RealLog {
            name: entry.file_name().to_string_lossy().into_owned(),
            head,
            tail,
            size,
        });
    }
    logs.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(logs)
}

/// Why a rehearsal could not be held, or cannot be trusted.
#[derive(Debug, thiserror::Error)]
pub enum RehearsalError {
    /// The site cannot be simulated.
    #[error(transparent)]
    NoSite(#[from] NoSite),
    /// The record could not be kept, in memory.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The simulation was asked what it does not know: what it showed proves nothing.
    #[error("the simulated site was asked what it does not know: {}", .0.join("; "))]
    Unknown(Vec<String>),
    /// No runtime.
    #[error("no runtime for the rehearsal: {0}")]
    Runtime(#[from] std::io::Error),
}

/// A simulated site with its doors: all that an execution needs of a rehearsal.
pub struct Stage {
    /// The site.
    pub simulated: SimulatedSite,
    /// The doors to it.
    pub access: Access,
}

impl Stage {
    /// Builds the simulated site and opens its doors. Call inside a paused runtime.
    ///
    /// # Errors
    /// When the site cannot be simulated.
    pub fn build(site: &Site, recipe: &Recipe) -> Result<Self, NoSite> {
        let simulated = SimulatedSite::build(site, recipe)?;
        let access = doors(site, &simulated);
        Ok(Self { simulated, access })
    }

    /// Opens fresh doors to the same site: what a second process has.
    pub fn reopen(&mut self, site: &Site) {
        self.access = Access {
            clock: self.access.clock,
            ..doors(site, &self.simulated)
        };
    }
}

fn doors(site: &Site, simulated: &SimulatedSite) -> Access {
    // The simulated site asks for no secret, and none is read for it.
    let sign_in = SignIn::clear("pchadr", Password::new("rehearsal".to_owned()));
    let limits = DoorLimits {
        connect: site.limits.connect,
        login: site.limits.login,
        query: site.limits.query,
    };
    Access {
        sql: Arc::new(
            SqlDoor::new(simulated.dial(), addresses(site), sign_in, limits)
                .of_execution(simulated.next_execution()),
        ),
        powershell: Arc::new(PowerShellDoor::new(
            simulated.launch(),
            &site.powershell.module,
            site.limits.powershell,
            0x7265_6865_6172_7365,
        )),
        shares: Arc::new(simulated.folders.clone()),
        headers: Arc::default(),
        clock: Clock::simulated(simulated.begins),
    }
}

/// The log-shipping configuration that the simulated site had before the failover, as a check would
/// have kept it: read from the same site in its normal state. Call inside a paused runtime.
///
/// # Errors
/// When the site cannot be simulated.
pub async fn saved_before(site: &Site, recipe: &Recipe) -> Result<Option<Saved>, NoSite> {
    let normal = Recipe {
        start: Start::Normal,
        vary: |_| (),
        with: Vec::new(),
        ..recipe.clone()
    };
    let stage = Stage::build(site, &normal)?;
    Ok(Saved::observe(site, &stage.access, "before", |_| true).await)
}

/// Runs a plan on a stage.
///
/// # Errors
/// When the record cannot be written.
pub async fn execute(
    site: &Site,
    plan: &Plan,
    terms: &Terms,
    access: &Access,
    store: Box<dyn Store>,
    sinks: Vec<Box<dyn Sink>>,
) -> Result<RunFinished, JournalError> {
    execute_with(site, plan, terms, access, None, store, sinks).await
}

/// The same with a saved log-shipping configuration at hand: what a failback rebuilds from.
///
/// # Errors
/// When the record cannot be written.
pub async fn execute_with(
    site: &Site,
    plan: &Plan,
    terms: &Terms,
    access: &Access,
    saved: Option<&Saved>,
    store: Box<dyn Store>,
    sinks: Vec<Box<dyn Sink>>,
) -> Result<RunFinished, JournalError> {
    let part = Part {
        site,
        plan,
        terms,
        access,
        saved,
        run: "rehearsal",
    };
    part.execute(store, sinks).await
}

/// A run on a stage.
#[derive(Clone, Copy)]
pub struct Part<'a> {
    /// The site.
    pub site: &'a Site,
    /// The plan.
    pub plan: &'a Plan,
    /// What is consented to.
    pub terms: &'a Terms,
    /// The doors of the stage.
    pub access: &'a Access,
    /// A saved log-shipping configuration.
    pub saved: Option<&'a Saved>,
    /// Its id.
    pub run: &'a str,
}

impl Part<'_> {
    /// Begins it, or goes on with what the store holds.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub async fn execute(
        &self,
        store: Box<dyn Store>,
        sinks: Vec<Box<dyn Sink>>,
    ) -> Result<RunFinished, JournalError> {
        self.execute_behind(store, sinks, None).await
    }

    /// The same behind a part of a failover that was taken before.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub async fn execute_behind(
        &self,
        store: Box<dyn Store>,
        sinks: Vec<Box<dyn Sink>>,
        part: Option<&Continued>,
    ) -> Result<RunFinished, JournalError> {
        let executed = Box::pin(self.take_way(store, sinks, Way::On, part)).await;
        executed.map_err(|error| match error {
            NotUndone::Journal(error) => error,
            // Only an abort is refused so.
            other => JournalError::Refused {
                seq: 0,
                reason: other.to_string(),
            },
        })
    }

    /// Undoes what the run in the store changed.
    ///
    /// # Errors
    /// When there is no way back, or the record cannot be written.
    pub async fn abort(&self, store: Box<dyn Store>) -> Result<RunFinished, NotUndone> {
        Box::pin(self.take_way(store, Vec::new(), Way::Back, None)).await
    }

    async fn take_way(
        &self,
        store: Box<dyn Store>,
        sinks: Vec<Box<dyn Sink>>,
        way: Way,
        part: Option<&Continued>,
    ) -> Result<RunFinished, NotUndone> {
        let stop = CancellationToken::new();
        let sql = &self.access.sql;
        sql.write_for(&self.site.pool.fqdn, Some(self.run));
        let lock = writer::lock(self.site, self.access).await;
        if let Err(held @ LockError::Held { .. }) = &lock {
            return Err(NotUndone::Refused(held.into()));
        }
        let ledger = RunLedger::open(store, self.access.clock, sinks)?;
        let writer = Writer::new(
            &lock,
            (self.site, self.plan),
            self.access,
            self.terms,
            &ledger,
        );
        let (resume, forth) = ways(&self.plan.runbook, &site_option(), self.run, way);
        let execution = Execution {
            site: self.site,
            plan: self.plan,
            access: self.access,
            terms: self.terms,
            operator: &Nobody,
            guard: &writer,
            pause: false,
            ledger: &ledger,
            stop: &stop,
            run: self.run,
            who: Who {
                tool: format!("pchadr {}", env!("CARGO_PKG_VERSION")),
                host: "simulated".to_owned(),
                user: "simulated".to_owned(),
            },
            saved_elsewhere: self.saved,
            unreadable: &[],
            resume_command: Some(resume),
            forth_command: Some(forth),
            continued: part,
            rest_command: rest(self.plan, &site_option()),
        };
        execution.take_way(way, None).await
    }
}

/// Holds a rehearsal from its beginning to its end, and writes where the site stands after it.
///
/// # Errors
/// When it cannot be held, or when it asked what the simulation does not know.
pub fn run(
    site: &Site,
    plan: &Plan,
    mut terms: Terms,
    recipe: &Recipe,
    store: Box<dyn Store>,
    sinks: Vec<Box<dyn Sink>>,
    end: &mut dyn Write,
) -> Result<RunFinished, RehearsalError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()?;
    runtime.block_on(async {
        let saved = if recipe.start == Start::FailedOver {
            saved_before(site, recipe).await?
        } else {
            None
        };
        let stage = Stage::build(site, recipe)?;
        terms.rehearsal = true;
        terms.disaster_at = terms.disaster_at.or(Some(stage.simulated.lost_at));
        let access = &stage.access;
        let finished =
            execute_with(site, plan, &terms, access, saved.as_ref(), store, sinks).await?;
        let status = Status::observe(site, &stage.access).await;
        status.write_human(end)?;
        if finished.outcome == Outcome::Done {
            let without = finished.without(plan.direction);
            let again = format!("pchadr failover{}", site_option());
            Next::of(
                plan,
                site.database.compliance.as_ref(),
                site.log_backups_to(),
            )
            .write(&without, &again, end)?;
        }
        let unknown = stage.simulated.unknown();
        if unknown.is_empty() {
            Ok(finished)
        } else {
            Err(RehearsalError::Unknown(unknown))
        }
    })
}
