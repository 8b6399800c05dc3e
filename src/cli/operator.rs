//! The person at the terminal.

use std::io::{self, IsTerminal as _, Write as _};

use futures_util::future::BoxFuture;

use super::screen;
use crate::report::one_line;
use crate::run::operator::{Answer, Operator};

/// Asks on standard error, reads from standard input.
pub(super) struct AtTerminal;

impl Operator for AtTerminal {
    fn is_there(&self) -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    fn ask<'a>(&'a self, what: &'a str, word: &'a str) -> BoxFuture<'a, Answer> {
        Box::pin(async move {
            // What servers said stands in it.
            let what: Vec<_> = what.lines().map(shown).collect();
            let what = what.join("\n");
            let question = format!("\n{what}\nType `{word}` to go on: ");
            let typed = tokio::task::spawn_blocking(move || line(&question)).await;
            match typed {
                Ok(Ok(answer)) if answer.trim() == word => Answer::Yes,
                _ => Answer::No,
            }
        })
    }
}

/// A line without what a terminal would obey; its indentation stays.
fn shown(line: &str) -> String {
    let text = line.trim_start();
    let indent = &line[..line.len() - text.len()];
    format!("{indent}{}", one_line(text))
}

fn line(question: &str) -> io::Result<String> {
    let mut err = screen::stderr();
    err.write_all(question.as_bytes())?;
    err.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(answer)
}
