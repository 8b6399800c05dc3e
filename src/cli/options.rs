//! What can be typed, and what the program makes of it.

mod approval;
mod kept;

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use jiff::civil::DateTime;

use crate::rehearsal::trouble::{TROUBLES, Trouble};
use crate::step::terms::{AcceptedLoss, INTERLOCKS, Terms, time};

pub use approval::{ApprovalOptions, PlanCommand, VerifyPlanOptions};
pub use kept::{
    CompletionsOptions, ManOptions, ReportOptions, ReportOutput, RunsCommand, RunsOptions,
    SchemaOf, SchemaOptions, ShellName, ShowOptions, VerifyOptions,
};

pub(super) const CONFIG: &str =
    "Read the site from FILE [default: $PCHADR_CONFIG, ./site.toml or the machine's own]";

/// How a plan or a run is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Human,
    /// For programs.
    Json,
    /// For a ticket.
    Markdown,
}

/// How log chains are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogsOutput {
    /// Tables.
    #[default]
    Human,
    /// For programs.
    Json,
}

/// What `pchadr failover` and `pchadr failback` take.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = format!("{}\n\n{}", interlocks(), troubles()))]
pub struct RunOptions {
    /// The site file; without it, see [`crate::site::Site::find`].
    #[arg(long, value_name = "FILE", help = CONFIG)]
    pub config: Option<PathBuf>,

    /// Take the steps of FILE instead of the built-in runbook
    #[arg(long, value_name = "FILE")]
    pub runbook: Option<PathBuf>,

    /// Print the plan: connect to nothing, change nothing
    #[arg(long)]
    pub dry_run: bool,

    /// Print in FORM: human, json or markdown
    #[arg(
        long,
        value_enum,
        value_name = "FORM",
        default_value_t,
        hide_possible_values = true
    )]
    pub output: Output,

    /// Go on with RUN, or with the unfinished run of the site
    #[arg(long, value_name = "RUN", num_args = 0..=1, require_equals = true, default_missing_value = "", conflicts_with_all = ["dry_run", "rehearse"])]
    pub resume: Option<String>,

    /// Ask before every step
    #[arg(long, conflicts_with_all = ["dry_run", "rehearse"])]
    pub pause: bool,

    /// What only a rehearsal takes, and what the operator allows.
    #[command(flatten)]
    pub rehearsal: RehearsalOptions,

    /// Whether a plan is saved to be approved, or an approved one is run.
    #[command(flatten)]
    pub approval: ApprovalOptions,

    /// Which part of the runbook is taken; a failover alone can be parted.
    #[arg(skip)]
    pub part: Part,
}

/// `pchadr failover`, as typed.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = format!("{}\n\n{}", interlocks(), troubles()))]
pub struct FailoverOptions {
    /// What a failback takes too.
    #[command(flatten)]
    run: RunOptions,

    /// Which part.
    #[command(flatten)]
    part: Part,
}

impl FailoverOptions {
    /// As one.
    pub fn whole(self) -> RunOptions {
        RunOptions {
            part: self.part,
            ..self.run
        }
    }
}

/// `pchadr failback`, as typed.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = format!("{}\n\n{}", interlocks(), troubles()))]
pub struct FailbackOptions {
    /// What a failover takes too.
    #[command(flatten)]
    run: RunOptions,

    /// Serve users before the primary's mirror and log shipping are set up (B6, B7 before B5); the plan says what is at risk
    #[arg(long, conflicts_with_all = ["runbook", "resume"])]
    service_first: bool,
}

impl FailbackOptions {
    /// As one.
    pub fn whole(self) -> RunOptions {
        let part = Part {
            service_first: self.service_first,
            ..Part::default()
        };
        RunOptions { part, ..self.run }
    }
}

/// The part of a failover that a run takes, as typed.
#[derive(Clone, Debug, Default, Args)]
pub struct Part {
    /// Serve users before the mirror is set up (F7 before F6); the plan says what is at risk
    #[arg(long, conflicts_with_all = ["runbook", "resume", "approved"])]
    pub service_first: bool,

    /// Switch while the primary lives: nothing is lost, chat is down for minutes
    #[arg(long, conflicts_with_all = ["runbook", "resume", "service_first", "until", "from", "accept_loss_after", "disaster_at", "with"])]
    pub planned: bool,

    /// End behind STEP, done; the rest is for a later run (--from)
    #[arg(long, value_name = "STEP", conflicts_with_all = ["resume", "approved"])]
    pub until: Option<String>,

    /// Go on from STEP where an earlier run ended as --until said
    #[arg(long, value_name = "STEP", conflicts_with_all = ["resume", "rehearse", "approved"])]
    pub from: Option<String>,
}

/// The options of a rehearsal, as typed.
#[derive(Clone, Debug, Default, Args)]
pub struct RehearsalOptions {
    /// Run against a simulated site: connect to nothing, change nothing
    #[arg(long, conflicts_with = "dry_run")]
    pub rehearse: bool,

    /// Rehearse with N simulated log backups, or with the real ones of folder DIR
    #[arg(long, value_name = "N|DIR", requires = "rehearse")]
    pub rehearse_logs: Option<RehearsalLogs>,

    /// Repeat the rehearsal of this seed exactly
    #[arg(long, value_name = "N", requires = "rehearse")]
    pub seed: Option<u64>,

    /// Let KIND of trouble (see --help) strike the rehearsal; may be repeated
    #[arg(long = "with", value_name = "KIND", requires = "rehearse", value_parser = trouble)]
    pub with: Vec<&'static Trouble>,

    /// Accept the loss of what was written after TIME, after LSN, or after the end of the chain
    #[arg(long, value_name = "TIME|LSN|end-of-chain")]
    pub accept_loss_after: Option<AcceptedLoss>,

    /// Override the interlock ID (see --help), for a reason that is recorded
    #[arg(long = "override", value_name = "ID=REASON", value_parser = interlock)]
    pub overrides: Vec<(String, String)>,

    /// Give every consent except loss and interlocks
    #[arg(long)]
    pub yes: bool,

    /// State when the first data center was lost, by the clock of its servers
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub disaster_at: Option<DateTime>,
}

impl RehearsalOptions {
    /// What the operator allowed. Of two reasons for one interlock the later counts.
    pub fn terms(&self) -> Terms {
        Terms {
            rehearsal: self.rehearse,
            yes: self.yes,
            accepted: self.accept_loss_after,
            overrides: self.overrides.iter().cloned().collect(),
            disaster_at: self.disaster_at,
            approved: None,
        }
    }
}

/// The log backups of a rehearsal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RehearsalLogs {
    /// That many, simulated.
    Simulated(u32),
    /// The real ones of a folder.
    Folder(String),
}

/// Says that a number of log backups is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write a number up to {max}, or a folder, as in `./{0}` where its name is a number", max = u32::MAX)]
pub struct NoLogs(String);

impl FromStr for RehearsalLogs {
    type Err = NoLogs;

    fn from_str(text: &str) -> Result<Self, NoLogs> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(Self::Folder(text.to_owned()));
        }
        text.parse()
            .map(Self::Simulated)
            .map_err(|_| NoLogs(text.to_owned()))
    }
}

/// The interlocks, for the long help of what takes `--override`.
fn interlocks() -> String {
    let lines = INTERLOCKS.map(|(id, what)| format!("  {id:<23}  {what}"));
    format!(
        "Interlocks, each overridden with --override ID=REASON:\n{}",
        lines.join("\n")
    )
}

/// The kinds of trouble, for the long help of what rehearses.
fn troubles() -> String {
    let lines: Vec<String> = TROUBLES
        .iter()
        .map(|it| match it.runbooks {
            [only] => format!("  {:<18}  {} ({only} only)", it.name, it.what),
            _ => format!("  {:<18}  {}", it.name, it.what),
        })
        .collect();
    format!(
        "Trouble, each practiced with --rehearse --with KIND:\n{}",
        lines.join("\n")
    )
}

fn trouble(text: &str) -> Result<&'static Trouble, String> {
    Trouble::named(text).ok_or_else(|| {
        let known: Vec<&str> = TROUBLES.iter().map(|it| it.name).collect();
        format!("there is no such trouble; there are {}", known.join(", "))
    })
}

fn moment(text: &str) -> Result<DateTime, String> {
    time(text).map_err(|why| format!("it {why}"))
}

fn interlock(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((id, reason)) if !id.trim().is_empty() && !reason.trim().is_empty() => {
            if !INTERLOCKS.iter().any(|(known, _)| *known == id.trim()) {
                let known = INTERLOCKS.map(|(id, _)| id).join(", ");
                return Err(format!(
                    "there is no interlock `{}`; there are {known}",
                    id.trim()
                ));
            }
            Ok((id.trim().to_owned(), reason.trim().to_owned()))
        }
        _ => Err("write the interlock's id, `=` and a reason, which is recorded".to_owned()),
    }
}

/// `pchadr fence`, as typed.
#[derive(Debug, Args)]
pub struct FenceOptions {
    /// The site file; without it, see [`crate::site::Site::find`].
    #[arg(long, value_name = "FILE", help = CONFIG)]
    pub config: Option<PathBuf>,

    /// Print the plan: connect to nothing, change nothing
    #[arg(long)]
    pub dry_run: bool,

    /// Print in FORM: human, json or markdown
    #[arg(
        long,
        value_enum,
        value_name = "FORM",
        default_value_t,
        hide_possible_values = true
    )]
    pub output: Output,

    /// Go on with RUN, or with the unfinished fence of the site
    #[arg(long, value_name = "RUN", num_args = 0..=1, require_equals = true, default_missing_value = "", conflicts_with_all = ["dry_run", "rehearse"])]
    pub resume: Option<String>,

    /// Run against a simulated site: connect to nothing, change nothing
    #[arg(long, conflicts_with = "dry_run")]
    pub rehearse: bool,

    /// Repeat the rehearsal of this seed exactly
    #[arg(long, value_name = "N", requires = "rehearse")]
    pub seed: Option<u64>,

    /// Give every consent
    #[arg(long)]
    pub yes: bool,
}

impl From<&FenceOptions> for RunOptions {
    fn from(typed: &FenceOptions) -> Self {
        Self {
            config: typed.config.clone(),
            runbook: None,
            dry_run: typed.dry_run,
            output: typed.output,
            resume: typed.resume.clone(),
            pause: false,
            rehearsal: RehearsalOptions {
                rehearse: typed.rehearse,
                seed: typed.seed,
                yes: typed.yes,
                ..RehearsalOptions::default()
            },
            approval: ApprovalOptions::default(),
            part: Part::default(),
        }
    }
}

/// `pchadr abort`, as typed.
#[derive(Debug, Args)]
#[command(after_long_help = interlocks())]
pub struct AbortOptions {
    /// The site file; without it, see [`crate::site::Site::find`].
    #[arg(long, value_name = "FILE", help = CONFIG)]
    pub config: Option<PathBuf>,

    /// Print in FORM: human, json or markdown
    #[arg(
        long,
        value_enum,
        value_name = "FORM",
        default_value_t,
        hide_possible_values = true
    )]
    pub output: Output,

    /// Undo without asking
    #[arg(long)]
    pub yes: bool,

    /// Override the interlock ID, for a reason that is recorded
    #[arg(long = "override", value_name = "ID=REASON", value_parser = interlock)]
    pub overrides: Vec<(String, String)>,
}

/// The form of what `logs` and `status` print.
#[derive(Debug, Args)]
pub struct TableForm {
    /// Print in FORM: human or json
    #[arg(
        long,
        value_enum,
        value_name = "FORM",
        default_value_t,
        hide_possible_values = true
    )]
    pub output: LogsOutput,
}

/// `pchadr logs`, as typed.
#[derive(Debug, Args)]
pub struct LogsOptions {
    /// Read these folders [default: the site's two shares]
    #[arg(value_name = "DIR")]
    pub dirs: Vec<String>,

    /// The site file; without it, see [`crate::site::Site::find`].
    #[arg(long, value_name = "FILE", conflicts_with_all = ["dirs", "against"], help = CONFIG)]
    pub config: Option<PathBuf>,

    /// Ask the backup instance of the site file SITE which log it needs, and say what of it is there
    #[arg(long, value_name = "SITE")]
    pub against: Option<PathBuf>,

    /// The form.
    #[command(flatten)]
    pub form: TableForm,
}

/// `pchadr init`, as typed.
#[derive(Debug, Args)]
pub struct InitOptions {
    /// Write this file
    #[arg(value_name = "FILE", default_value = "site.toml")]
    pub file: PathBuf,
}

/// `pchadr status`, as typed.
#[derive(Debug, Args)]
pub struct StatusOptions {
    /// The site file; without it, see [`crate::site::Site::find`].
    #[arg(long, value_name = "FILE", help = CONFIG)]
    pub config: Option<PathBuf>,

    /// The form.
    #[command(flatten)]
    pub form: TableForm,
}

#[cfg(test)]
mod tests;
