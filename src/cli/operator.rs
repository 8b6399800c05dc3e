//! The person at the terminal.

use std::io::{self, IsTerminal as _, Write as _};

use futures_util::future::BoxFuture;

use crate::run::operator::{Answer, Operator};

/// Asks on standard error, reads from standard input.
pub(super) struct AtTerminal;

impl Operator for AtTerminal {
    fn is_there(&self) -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    fn ask<'a>(&'a self, what: &'a str, word: &'a str) -> BoxFuture<'a, Answer> {
        Box::pin(async move {
            let question = format!("\n{what}\nType `{word}` to go on: ");
            let typed = tokio::task::spawn_blocking(move || line(&question)).await;
            match typed {
                Ok(Ok(answer)) if answer.trim() == word => Answer::Yes,
                _ => Answer::No,
            }
        })
    }
}

fn line(question: &str) -> io::Result<String> {
    let mut err = io::stderr();
    err.write_all(question.as_bytes())?;
    err.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(answer)
}
