//! `pchadr completions`, `pchadr man`: made from the command line itself, so that they know what it knows.

use std::io::Write;

use clap_complete::Shell;

use super::error::{Failure, output};
use super::options::{CompletionsOptions, ManOptions};
use crate::run::exit::Exit;

/// Prints what makes a shell complete the words of `line`.
///
/// # Errors
/// That `out` takes nothing.
pub fn completions(
    options: &CompletionsOptions,
    line: &clap::Command,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    // What nobody types is not completed.
    let typed = line.get_subcommands().filter(|it| !it.is_hide_set());
    let mut line = clap::Command::new("pchadr")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommands(typed.cloned());
    let shell: Shell = options.shell.into();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut line, "pchadr", &mut script);
    out.write_all(&script).map_err(output)?;
    Ok(Exit::Done)
}

/// Prints the manual page of the program, or of one of its commands.
///
/// # Errors
/// That there is no such command; that `out` takes nothing.
pub fn man(
    options: &ManOptions,
    mut line: clap::Command,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    // Gives each command its whole name.
    line.build();
    let mut command = &line;
    for word in &options.command {
        let found = command.find_subcommand(word);
        command = found.ok_or_else(|| no_command(command, word))?;
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone())
        .render(&mut page)
        .map_err(output)?;
    out.write_all(&page).map_err(output)?;
    Ok(Exit::Done)
}

fn no_command(command: &clap::Command, word: &str) -> Failure {
    let known = command.get_subcommands().filter(|it| !it.is_hide_set());
    let known: Vec<&str> = known.map(clap::Command::get_name).collect();
    let why = if known.is_empty() {
        "it has no commands of its own".to_owned()
    } else {
        format!("there are {}", known.join(", "))
    };
    Failure::new(
        Exit::Usage,
        format!("`{}` has no command `{word}`", command.get_name()),
        why,
        "name one of them, or none for the page of the program",
    )
}
