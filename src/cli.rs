//! The command line: takes it apart, runs one command, tells how it went. One command a file: load,
//! call, render.

pub mod abort;
pub mod approval;
pub mod check;
pub mod defect;
pub mod failover;
pub mod init;
pub mod lab;
pub mod lab_shell;
pub mod live;
pub mod logs;
pub mod options;
mod ports;
pub mod records;
pub mod rehearse;
pub mod schema;
pub mod shell;
pub mod state;
pub mod status;

mod account;
mod configuration;
mod doors;
mod earlier;
mod error;
mod log;
mod now;
mod operator;
mod runs;
pub mod screen;
mod stop;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::model::commands;
use crate::report::layout::Page;
use crate::run::exit::Exit;
use crate::runbook::Direction;
use crate::site::{NotFound, Site};
use check::CheckCommand;
use lab::LabOptions;
use lab_shell::LabShellOptions;
use options::{
    AbortOptions, CompletionsOptions, FailbackOptions, FailoverOptions, FenceOptions, InitOptions,
    LogsOptions, ManOptions, PlanCommand, RunsCommand, SchemaOptions, StatusOptions,
};
use state::StatePlaces;

/// Run the failover and the failback of a stretched Persistent Chat pool: reviewed, rehearsed, resumable, recorded
#[derive(Debug, Parser)]
#[command(version)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

/// What can be typed.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Move the pool to its second data center
    Failover(FailoverOptions),
    /// Bring the pool home to its first data center
    Failback(FailbackOptions),
    /// Close the chat database of a first data center that came back after a failover
    Fence(FenceOptions),
    /// Undo what the last run changed, before its point of no return
    Abort(AbortOptions),
    /// Show the log chain of folders of log backups, read from the files alone
    Logs(LogsOptions),
    /// Show where the pool, its databases, mirrors and log shipping stand
    Status(StatusOptions),
    /// See whether the site is ready for a failover or a failback, and what is missing
    Check {
        /// For which.
        #[command(subcommand)]
        command: CheckCommand,
    },
    /// List the runs of the site, show and report one, verify their records
    Runs {
        /// What about them.
        #[command(subcommand)]
        command: RunsCommand,
    },
    /// See whether a saved plan still stands
    Plan {
        /// What about it.
        #[command(subcommand)]
        command: PlanCommand,
    },
    /// Serve a simulated site on this machine, to try everything on
    Lab(LabOptions),
    /// Write a new site file, every key explained
    Init(InitOptions),
    /// Print what an editor completes a site file or a runbook from, as JSON Schema
    Schema(SchemaOptions),
    /// Print a script that completes the words of a command line
    Completions(CompletionsOptions),
    /// Print the manual page of the program, or of one of its commands
    Man(ManOptions),
    /// Answer as PowerShell does, for the lab
    #[command(hide = true)]
    LabShell(LabShellOptions),
}

/// What the program is started with beside its arguments; read once, in `main`.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `PCHADR_CONFIG`: the site file.
    pub config: Option<OsString>,
    /// `%ProgramData%`, which only Windows has.
    pub program_data: Option<OsString>,
    /// Where runs are kept.
    pub state: StatePlaces,
    /// How wide what is written to is.
    pub windows: screen::Windows,
}

impl Environment {
    /// Reads that of this process.
    pub fn of_process() -> Self {
        Self {
            config: std::env::var_os("PCHADR_CONFIG"),
            program_data: std::env::var_os("ProgramData"),
            state: StatePlaces {
                explicit: std::env::var_os("PCHADR_STATE"),
                program_data: std::env::var_os("ProgramData"),
                xdg_state: std::env::var_os("XDG_STATE_HOME"),
                home: std::env::var_os("HOME"),
            },
            windows: screen::Windows::of_process(),
        }
    }

    /// Which site file is meant; `explicit` is what `--config` says.
    fn site_file(&self, explicit: Option<&Path>) -> Result<PathBuf, NotFound> {
        let file = Site::find(
            explicit,
            self.config.as_deref(),
            self.program_data.as_deref(),
        )?;
        commands::name_site(&file);
        Ok(file)
    }
}

/// The command that `args` spell, the program's name first.
///
/// # Errors
/// A command line that is wrong, and `--help`: what to tell.
pub fn typed(args: impl IntoIterator<Item = OsString>) -> Result<Command, clap::Error> {
    Line::try_parse_from(args).map(|line| line.command)
}

/// Runs the command that `args` spell, the program's name first. Data goes to `out`, everything
/// else to `err`; an error goes to both where the output is to be JSON.
///
/// A command line that is wrong, and `--help`, are told on the process's own streams: the parser
/// knows which of them is a terminal.
pub fn run(
    args: impl IntoIterator<Item = OsString>,
    environment: &Environment,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Exit {
    let args: Vec<OsString> = args.into_iter().collect();
    let windows = environment.windows;
    let columns = if screen::is_read(&args) {
        windows.out
    } else {
        || None
    };
    let out: &mut dyn Write = &mut Page::new(out, columns);
    let err: &mut dyn Write = &mut Page::new(err, windows.err);
    let wants_data = error::wants_data(&args);
    let command = match typed(args) {
        Ok(command) => command,
        Err(told) => {
            if wants_data && told.use_stderr() {
                error::tell_usage_data(&told.render().to_string(), out);
            }
            // Nobody is left to tell it to when that fails.
            let _ = told.print();
            return if told.use_stderr() {
                Exit::Usage
            } else {
                Exit::Done
            };
        }
    };
    let ended = match &command {
        Command::Failover(options) => {
            let options = options.clone().whole();
            failover::command(Direction::Failover, &options, environment, out)
        }
        Command::Failback(options) => {
            let options = options.clone().whole();
            failover::command(Direction::Failback, &options, environment, out)
        }
        Command::Fence(options) => {
            failover::command(Direction::Fence, &options.into(), environment, out)
        }
        Command::Abort(options) => abort::command(options, environment, out, err),
        Command::Logs(options) => logs::command(options, environment, out, err),
        Command::Check { command } => check::command(command, environment, out),
        Command::Runs { command } => records::command(command, environment, out),
        Command::Plan {
            command: PlanCommand::Verify(options),
        } => approval::verify(options, environment, out),
        Command::Status(options) => status::command(options, environment, out),
        Command::Lab(options) => lab::command(options, out, err),
        Command::Init(options) => init::command(options, out),
        Command::Schema(options) => schema::command(options, out),
        Command::Completions(options) => shell::completions(options, &Line::command(), out),
        Command::Man(options) => shell::man(options, Line::command(), out),
        Command::LabShell(options) => lab_shell::command(options, out),
    };
    let ended = ended.and_then(|exit| {
        out.flush().map_err(error::output)?;
        Ok(exit)
    });
    ended.unwrap_or_else(|failure| {
        if wants_data {
            error::tell_data(&failure, out);
        }
        error::tell(&failure, err)
    })
}
