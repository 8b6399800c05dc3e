//! The options of what people keep: runs and their reports, and what shells, editors and manuals take.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{CONFIG, TableForm};

/// `pchadr schema`, as typed.
#[derive(Debug, Args)]
pub struct SchemaOptions {
    /// Print the schema of this kind of file
    #[arg(value_enum, value_name = "FILE")]
    pub of: SchemaOf,
}

/// The files that people write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SchemaOf {
    /// The site file.
    Site,
    /// A runbook.
    Runbook,
}

/// `pchadr completions`, as typed.
#[derive(Debug, Args)]
pub struct CompletionsOptions {
    /// Print the script of this shell
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: ShellName,
}

/// The shells that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ShellName {
    /// GNU Bash.
    Bash,
    /// Z shell.
    Zsh,
    /// fish.
    Fish,
    /// PowerShell.
    Powershell,
}

impl From<ShellName> for clap_complete::Shell {
    fn from(shell: ShellName) -> Self {
        match shell {
            ShellName::Bash => Self::Bash,
            ShellName::Zsh => Self::Zsh,
            ShellName::Fish => Self::Fish,
            ShellName::Powershell => Self::PowerShell,
        }
    }
}

/// `pchadr man`, as typed.
#[derive(Debug, Args)]
pub struct ManOptions {
    /// Print the page of this command, as in `runs report`
    #[arg(value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// `pchadr runs`, as typed.
#[derive(Debug, Subcommand)]
pub enum RunsCommand {
    /// List the runs of the site, each with where it stands
    List(RunsOptions),
    /// Show what a run did: RUN, or the last one of the site
    Show(ShowOptions),
    /// Print the report of a run as one page: RUN, or the last one of the site
    Report(ReportOptions),
    /// Verify the record of RUN, or of every run of the site
    Verify(VerifyOptions),
}

/// How a report is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ReportOutput {
    /// One page that needs nothing else.
    #[default]
    Html,
    /// For a ticket.
    Markdown,
}

/// `pchadr runs show`, as typed.
#[derive(Debug, Args)]
pub struct ShowOptions {
    /// Show this run
    #[arg(value_name = "RUN")]
    pub run: Option<String>,

    /// The rest.
    #[command(flatten)]
    pub options: RunsOptions,
}

/// `pchadr runs report`, as typed.
#[derive(Debug, Args)]
pub struct ReportOptions {
    /// Report this run
    #[arg(value_name = "RUN")]
    pub run: Option<String>,

    /// The site file; without it, see [`crate::site::Site::find`].
    #[arg(long, value_name = "FILE", help = CONFIG)]
    pub config: Option<PathBuf>,

    /// Print in FORM: html or markdown
    #[arg(
        long,
        value_enum,
        value_name = "FORM",
        default_value_t,
        hide_possible_values = true
    )]
    pub output: ReportOutput,
}

/// What every command of `pchadr runs` takes.
#[derive(Debug, Args)]
pub struct RunsOptions {
    /// The site file; without it, see [`crate::site::Site::find`].
    #[arg(long, value_name = "FILE", help = CONFIG)]
    pub config: Option<PathBuf>,

    /// The form.
    #[command(flatten)]
    pub form: TableForm,
}

/// `pchadr runs verify`, as typed.
#[derive(Debug, Args)]
pub struct VerifyOptions {
    /// Verify this run alone
    #[arg(value_name = "RUN")]
    pub run: Option<String>,

    /// The rest.
    #[command(flatten)]
    pub options: RunsOptions,
}
