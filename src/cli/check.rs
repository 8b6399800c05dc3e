//! `pchadr check`: whether the site is ready to be switched, and what is missing.

use std::io::{self, IsTerminal as _, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Environment;
use super::configuration::{self, Known};
use super::doors::doors;
use super::earlier::earlier;
use super::error::{Failure, output};
use super::failover::built_in;
use super::live::saved_elsewhere;
use super::now;
use super::options::{
    ApprovalOptions, CONFIG, LogsOutput, Output, Part, RehearsalOptions, RunOptions, TableForm,
};
use super::ports;
use super::rehearse::{LOGS, RehearsalError, Stage, refusal, saved_before};
use super::runs;
use crate::access::Access;
use crate::check::{Check, Item, Look, State};
use crate::model::{Direction, Problem, Remedy};
use crate::plan::Plan;
use crate::rehearsal::simulated::{Logs, Recipe};
use crate::rehearsal::world::Start;
use crate::report::{many_lines, plain_json};
use crate::run::archive::Archive;
use crate::run::executor::Way;
use crate::run::exit::Exit;
use crate::site::Site;
use crate::status::Status;
use crate::step::Step;
use crate::step::saved::Saved;

/// `pchadr check`, as typed.
#[derive(Debug, Subcommand)]
pub enum CheckCommand {
    /// Whether a failover could begin: planned, and forced, were the first data center lost now
    Failover(CheckFailoverOptions),
    /// Whether a failback could begin
    Failback(CheckOptions),
}

/// What both take.
#[derive(Debug, Args)]
pub struct CheckOptions {
    /// The site file; without it, see [`crate::site::Site::find`].
    #[arg(long, value_name = "FILE", help = CONFIG)]
    pub config: Option<PathBuf>,

    /// Print nothing when all is well, else only what is not: for a scheduler
    #[arg(long)]
    pub quiet: bool,

    /// Look at a simulated site: connect to nothing
    #[arg(long)]
    pub rehearse: bool,

    /// The form.
    #[command(flatten)]
    pub form: TableForm,
}

/// `pchadr check failover`, as typed.
#[derive(Debug, Args)]
pub struct CheckFailoverOptions {
    /// What a failback takes too.
    #[command(flatten)]
    both: CheckOptions,

    /// Have the exit status follow the verdict on a planned switch
    #[arg(long)]
    planned: bool,
}

/// Looks at the site and says whether it is ready.
///
/// # Errors
/// Those of the site file and of the sign-in; that `out` takes nothing.
pub fn command(
    command: &CheckCommand,
    environment: &Environment,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let (direction, options, planned) = match command {
        CheckCommand::Failover(it) => (Direction::Failover, &it.both, it.planned),
        CheckCommand::Failback(it) => (Direction::Failback, it, false),
    };
    let site = Site::load(&environment.site_file(options.config.as_deref())?)?;
    let plan = Plan::bind(&built_in(direction, direction.built_in())?, &site)?;
    let check = if options.rehearse {
        rehearsed(&site, &plan).map_err(|error| refusal(&error))?
    } else {
        live(&site, &plan, options, environment)?
    };
    write(&check, options, planned, out).map_err(output)?;
    Ok(exit(&check, planned))
}

/// The status that the verdict asked about gives.
pub fn exit(check: &Check, planned: bool) -> Exit {
    if check.asked(planned).is_ready() {
        Exit::Done
    } else {
        Exit::Blocked
    }
}

/// Writes what was seen; names of servers and files cannot steer a terminal.
fn write(
    check: &Check,
    options: &CheckOptions,
    planned: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    if options.quiet && check.is_well(planned) {
        return Ok(());
    }
    let mut bytes = Vec::new();
    let plain = match options.form.output {
        LogsOutput::Human => {
            check.write_human(options.quiet, &mut bytes)?;
            many_lines(&String::from_utf8_lossy(&bytes))
        }
        LogsOutput::Json => {
            check.write_json(&mut bytes)?;
            plain_json(&String::from_utf8_lossy(&bytes))
        }
    };
    out.write_all(plain.as_bytes())
}

/// Takes the look through these doors. `record` is what earlier runs say, `passed` hears of each step.
pub async fn look(
    site: &Site,
    plan: &Plan,
    access: &Access,
    saved: Option<&Saved>,
    record: Vec<Item>,
) -> Check {
    let status = Box::pin(Status::observe(site, access)).await;
    let look = Look {
        site,
        plan,
        access,
        status: &status,
        saved,
        unreadable: &[],
        record,
    };
    Box::pin(look.take(|_| ())).await
}

/// A look at the simulated site: in its normal state for a failover, failed over and the first data center
/// rebuilt for a failback.
fn rehearsed(site: &Site, plan: &Plan) -> Result<Check, RehearsalError> {
    let mut recipe = Recipe::failed_over(Logs::Made(LOGS));
    if plan.direction == Direction::Failover {
        recipe.start = Start::Normal;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()?;
    runtime.block_on(async {
        let saved = saved_before(site, &recipe).await?;
        let stage = Stage::build(site, &recipe)?;
        let check = look(site, plan, &stage.access, saved.as_ref(), Vec::new()).await;
        let unknown = stage.simulated.unknown();
        if unknown.is_empty() {
            Ok(check)
        } else {
            Err(RehearsalError::Unknown(unknown))
        }
    })
}

fn live(
    site: &Site,
    plan: &Plan,
    options: &CheckOptions,
    environment: &Environment,
) -> anyhow::Result<Check> {
    let archive = runs::archive(site, environment);
    let ports = match &archive {
        Ok(archive) => ports::known(site, archive),
        Err(_) => std::collections::BTreeMap::new(),
    };
    let doors = doors(site, ports)?;
    let elsewhere = saved_elsewhere(site)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let tells =
        io::stderr().is_terminal() && !options.quiet && options.form.output == LogsOutput::Human;
    let checked = runtime.block_on(async {
        let access = doors.open();
        let status = Box::pin(Status::observe(site, &access)).await;
        let mut record = Vec::new();
        let known = match &archive {
            Ok(archive) => {
                // First, so that what is judged is what is kept.
                let kept = configuration::keep(site, &access, &status, archive).await;
                record.extend(match now::held(site, &access, &status).await {
                    Some(held) => vec![site_held(&held)],
                    None => earlier_runs(site, plan, options, archive),
                });
                let known = match elsewhere {
                    Some(saved) => Known::of(saved),
                    None => configuration::newest(site, archive),
                };
                if plan.direction == Direction::Failover {
                    record.push(configuration_kept(&known, kept.err()));
                }
                known
            }
            Err(error) => {
                record.push(no_place(error));
                Known {
                    saved: elsewhere,
                    unreadable: Vec::new(),
                }
            }
        };
        let look = Look {
            site,
            plan,
            access: &access,
            status: &status,
            saved: known.saved.as_ref(),
            unreadable: &known.told(),
            record,
        };
        let check = Box::pin(look.take(|step| tell(tells, step))).await;
        if let Ok(archive) = &archive
            && let Err(error) = ports::keep(site, &access, archive)
        {
            runs::note()(&ports::not_kept(&error));
        }
        check
    });
    // A share that hangs must not keep the program.
    runtime.shutdown_background();
    Ok(checked)
}

/// Whoever waits at a terminal sees how far it is.
fn tell(tells: bool, step: Step) {
    if tells {
        runs::note()(&format!("looked at {}", step.id()));
    }
}

/// A run goes on at this moment, perhaps elsewhere.
fn site_held(held: &Problem) -> Item {
    let what = "no run holds the site";
    Item::new("site-held", State::Blocked, what, held)
}

/// What keeps a new run from beginning, and what an earlier one left to it.
fn earlier_runs(site: &Site, plan: &Plan, options: &CheckOptions, archive: &Archive) -> Vec<Item> {
    let mut items = Vec::new();
    let typed = plain(options.config.clone());
    if let Err(error) = earlier(site, plan, &typed, archive, Way::On, &[]) {
        let open = runs::unfinished(site, archive);
        let (id, state) = if open.unfinished.is_empty() && !open.lost.is_empty() {
            (runs::RECORD_LOST, State::Interlock)
        } else {
            ("unfinished-run", State::Blocked)
        };
        items.push(Item::new(
            id,
            state,
            "no earlier run is unfinished",
            told(&error),
        ));
    }
    if plan.direction == Direction::Failover
        && let Some(found) = runs::parted(site, archive)
    {
        let rest = found.state.left_to_later().map_or("", |step| &step.id);
        let why = format!("run {} is done as far as it was to go", found.run);
        let config = runs::config_option(options.config.as_deref());
        let command = runs::from("failover", &config, rest);
        let mend = vec![
            Remedy::to_do("take the rest"),
            Remedy::Command(command.into()),
        ];
        let what = "the failover is whole, or not begun";
        items.push(Item::new(
            "taken-in-part",
            State::Warning,
            what,
            Problem::new(why, mend),
        ));
    }
    items
}

/// A run as typed without a word but the site file.
pub(super) fn plain(config: Option<PathBuf>) -> RunOptions {
    RunOptions {
        config,
        runbook: None,
        dry_run: false,
        output: Output::default(),
        resume: None,
        pause: false,
        rehearsal: RehearsalOptions::default(),
        approval: ApprovalOptions::default(),
        part: Part::default(),
    }
}

/// Whether a failback could rebuild log shipping.
fn configuration_kept(known: &Known, failed: Option<io::Error>) -> Item {
    let id = "configuration-kept";
    let what = "the configuration of log shipping is kept, that of the primary side too";
    let half = known.saved.as_ref().and_then(|saved| {
        let half = saved.primary.as_ref().or(saved.primary_mirror.as_ref())?;
        Some(half.taken_at.unwrap_or(saved.taken_at))
    });
    match (half, failed) {
        (_, Some(error)) => {
            let why = format!("it is not kept in both places: {error}");
            let mend = "see to room and rights of the state folder and of `[run] mirror`";
            Item::new(id, State::Warning, what, Problem::new(why, mend))
        }
        (Some(at), None) => Item::ok(id, what, format!("as it was read at {at:.0}")),
        (None, None) => {
            let why = "the primary side's half is not kept, and goes with the first data center: a failback could not set up its schedules and thresholds as they were";
            let mend = "check again while the primary answers";
            Item::new(id, State::Warning, what, Problem::new(why, mend))
        }
    }
}

/// No run could begin.
fn no_place(error: &anyhow::Error) -> Item {
    let what = "the record of a run has a place";
    Item::new("no-record", State::Blocked, what, told(error))
}

fn told(error: &anyhow::Error) -> Problem {
    match error.downcast_ref::<Failure>() {
        Some(failure) => failure.problem.clone(),
        None => Problem::from(format!("{error:#}")),
    }
}
