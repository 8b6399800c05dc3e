//! How wide the windows are that the program writes to.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _};

use terminal_size::{Width, terminal_size_of};

use crate::report::layout::{Columns, Page};

/// The windows behind the streams that a command is given; none behind those of a test.
#[derive(Clone, Copy, Debug)]
pub struct Windows {
    /// Behind the output.
    pub out: Columns,
    /// Behind everything else.
    pub err: Columns,
}

impl Default for Windows {
    fn default() -> Self {
        Self {
            out: || None,
            err: || None,
        }
    }
}

impl Windows {
    /// Those of this process.
    pub fn of_process() -> Self {
        Self {
            out: of_stdout,
            err: of_stderr,
        }
    }
}

/// Standard error, in lines that fit where it is a terminal.
pub(super) fn stderr() -> Page<io::Stderr> {
    Page::new(io::stderr(), of_stderr)
}

fn of_stdout() -> Option<usize> {
    let out = io::stdout();
    out.is_terminal()
        .then(|| terminal_size_of(&out))
        .flatten()
        .map(columns)
}

fn of_stderr() -> Option<usize> {
    let err = io::stderr();
    err.is_terminal()
        .then(|| terminal_size_of(&err))
        .flatten()
        .map(columns)
}

fn columns((Width(columns), _): (Width, terminal_size::Height)) -> usize {
    usize::from(columns)
}

/// Commands whose output is a file's text.
const WRITERS: [&str; 4] = ["init", "schema", "completions", "man"];

/// Whether the words of a command line ask for lines that a person reads; what a program reads is never
/// wrapped.
pub(super) fn is_read(args: &[OsString]) -> bool {
    let words: Vec<&str> = args.iter().skip(1).filter_map(|it| it.to_str()).collect();
    let other = |word: &&str| word.starts_with("--output=") && *word != "--output=human";
    let asked = words
        .windows(2)
        .any(|it| it[0] == "--output" && it[1] != "human");
    let writes = words.first().is_some_and(|it| WRITERS.contains(it))
        || words.starts_with(&["runs", "report"]);
    !asked && !writes && !words.iter().any(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_person_reads_is_wrapped() {
        let read = |line: &str| {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            is_read(&words)
        };
        assert!(read("pchadr status --config init"));
        assert!(read("pchadr status --output human"));
        for line in [
            "pchadr status --output json",
            "pchadr failover --dry-run --output=markdown",
            "pchadr init",
            "pchadr schema site",
            "pchadr runs report --config site.toml",
        ] {
            assert!(!read(line), "{line}");
        }
    }
}
