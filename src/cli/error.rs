//! The boundary: what failed, why and what to do, and how the program ends.

use std::fmt;
use std::io::{self, ErrorKind, Write};

use crate::model::{IntoRemedies, Problem, WayOn};
use crate::plan::NoPlan;
use crate::problem::Problems;
use crate::report::error::write_error;
use crate::report::{count, one_line};
use crate::run::event::ErrorRecord;
use crate::run::exit::Exit;
use crate::site::{LoadError, NotFound};

/// A failure that a command tells in its own words.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) exit: Exit,
    pub(super) problem: Problem,
}

impl From<Problem> for Failure {
    /// Before anything was changed.
    fn from(problem: Problem) -> Self {
        Self {
            exit: Exit::Refused,
            problem,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem.what)
    }
}

impl std::error::Error for Failure {}

/// A failure before anything was changed.
pub(super) fn refused(what: &str, why: &str, hint: &str) -> Failure {
    Failure::from(told(what.to_owned(), why, hint.to_owned()))
}

impl Failure {
    /// `what` failed, why, and what to do about it.
    pub(super) fn new(
        exit: Exit,
        what: impl Into<String>,
        why: impl Into<Problem>,
        mend: impl IntoRemedies,
    ) -> Self {
        Self {
            exit,
            problem: told(what.into(), why, mend),
        }
    }
}

fn told(what: String, why: impl Into<Problem>, mend: impl IntoRemedies) -> Problem {
    Problem {
        what,
        remedies: mend.into_remedies(),
        ..why.into()
    }
}

fn usage(what: String, why: impl Into<Problem>, mend: &'static str) -> Failure {
    Failure {
        exit: Exit::Usage,
        problem: told(what, why, mend),
    }
}

/// The failure of data that cannot be written.
pub(super) fn output(error: io::Error) -> anyhow::Error {
    anyhow::Error::new(error).context("cannot write to the standard output")
}

/// Writes an error to `err` in its three parts and says how the program ends.
///
/// A reader of the output that went away, as `head` does, is no error: nothing is written.
pub(super) fn tell(error: &anyhow::Error, err: &mut dyn Write) -> Exit {
    // What cannot be written to `err` has no other place to go.
    if let Some(problems) = problems(error) {
        let _ = write_problems(problems, err);
        return Exit::Usage;
    }
    if is_broken_pipe(error) {
        return Exit::Done;
    }
    let Failure { exit, problem } = describe(error);
    let record = ErrorRecord::of(&problem.what, &problem, WayOn::Resume);
    let _ = write_error(&record, err);
    exit
}

/// Every problem of a site file or a runbook.
fn problems(error: &anyhow::Error) -> Option<&Problems> {
    match error.downcast_ref::<LoadError>() {
        Some(LoadError::Problems(problems)) => Some(problems),
        _ => error.downcast_ref(),
    }
}

fn write_problems(problems: &Problems, err: &mut dyn Write) -> io::Result<()> {
    let number = problems.problems.len();
    writeln!(
        err,
        "error: {} {} in `{}`",
        if number == 1 { "there is" } else { "there are" },
        count(number, "problem"),
        one_line(&problems.file)
    )?;
    for line in problems.to_string().lines() {
        writeln!(err, "{}", one_line(line))?;
    }
    Ok(())
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
    })
}

fn describe(error: &anyhow::Error) -> Failure {
    if let Some(LoadError::Read { path, source }) = error.downcast_ref() {
        return usage(
            format!("the site file `{}` cannot be read", path.display()),
            source.to_string(),
            "check its path, and that you may read it",
        );
    }
    if let Some(NotFound { looked }) = error.downcast_ref() {
        let mut places = vec![
            "--config is not given".to_owned(),
            "PCHADR_CONFIG is not set".to_owned(),
        ];
        places.extend(
            looked
                .iter()
                .map(|path| format!("`{}` is not there", path.display())),
        );
        return usage(
            "there is no site file".to_owned(),
            places.join(", "),
            "name one with --config FILE; `pchadr init` writes an example",
        );
    }
    if let Some(no_plan) = error.downcast_ref::<NoPlan>() {
        return usage(
            "the runbook gives no plan".to_owned(),
            no_plan.to_string(),
            "mend the runbook, or leave --runbook out and take the built-in one",
        );
    }
    match error.downcast_ref::<Failure>() {
        Some(failure) => Failure {
            exit: failure.exit,
            problem: failure.problem.clone(),
        },
        // What nobody has words for has changed nothing: what changes something has its own end.
        None => Failure::from(told(error.to_string(), causes(error), "")),
    }
}

fn causes(error: &anyhow::Error) -> String {
    let causes: Vec<String> = error.chain().skip(1).map(ToString::to_string).collect();
    causes.join(": ")
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;
    use crate::problem::Problem;

    fn told(error: impl Into<anyhow::Error>) -> (Exit, String) {
        let mut text = Vec::new();
        let exit = tell(&error.into(), &mut text);
        (exit, String::from_utf8_lossy(&text).into_owned())
    }

    fn two_problems() -> Problems {
        let problem = |line, key: &str, hint: Option<&str>| Problem {
            line,
            column: 1,
            key: key.to_owned(),
            what: "is wrong".to_owned(),
            hint: hint.map(str::to_owned),
        };
        Problems {
            file: "site.toml".to_owned(),
            problems: vec![
                problem(3, "a", Some("mend it")),
                problem(9, "\u{1b}[2J", None),
            ],
        }
    }

    #[test]
    fn all_problems_of_a_file_are_told_at_once_and_cannot_steer_a_terminal() {
        let expected = "\
error: there are 2 problems in `site.toml`
site.toml:3: a: is wrong
  hint: mend it
site.toml:9: \\u{1b}[2J: is wrong
";
        let problems = two_problems();
        assert_eq!(
            told(problems.clone()),
            (Exit::Usage, expected.to_owned()),
            "of a runbook"
        );
        assert_eq!(
            told(LoadError::Problems(problems)),
            (Exit::Usage, expected.to_owned()),
            "of a site file"
        );
    }

    #[test]
    fn a_reader_that_went_away_is_no_error() {
        let gone = || io::Error::from(ErrorKind::BrokenPipe);
        assert_eq!(told(gone()), (Exit::Done, String::new()));
        assert_eq!(told(output(gone())), (Exit::Done, String::new()));
    }

    #[test]
    fn a_full_disk_is_told_with_its_causes() {
        let error = io::Error::other("no space left");
        let expected = "\
error: cannot write to the standard output
  why:        no space left
";
        assert_eq!(told(output(error)), (Exit::Refused, expected.to_owned()));
    }

    #[test]
    fn every_configuration_failure_ends_with_status_2_and_says_what_to_do() {
        let missing = NotFound {
            looked: vec!["site.toml".into(), "/etc/pchadr/site.toml".into()],
        };
        let unreadable = LoadError::Read {
            path: "site.toml".into(),
            source: io::Error::other("no right"),
        };
        let no_plan = NoPlan::Manual("call-them".to_owned());
        for error in [missing.into(), unreadable.into(), anyhow!(no_plan)] {
            let (exit, text) = told(error);
            assert_eq!(exit, Exit::Usage, "{text}");
            for part in ["error: ", "\n  why:  ", "\n  what to do: "] {
                assert!(text.contains(part), "{part} is missing: {text}");
            }
        }
    }
}
