//! The boundary: what failed, why and what to do, and how the program ends.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, ErrorKind, Write};

use serde::Serialize;

use crate::model::words::count;
use crate::model::{IntoRemedies, Problem, WayOn};
use crate::plan::NoPlan;
use crate::problem::Problems;
use crate::report::error::write_error;
use crate::report::{one_line, plain_json};
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

/// Whether the words of a command line ask for data. Asked of the words, so that a command line that is
/// wrong is told as data too.
pub(super) fn wants_data(args: &[OsString]) -> bool {
    let mut words = args.iter().map(|word| word.to_str().unwrap_or_default());
    while let Some(word) = words.next() {
        match word {
            "--" => return false,
            "--output" if words.next() == Some("json") => return true,
            "--output=json" => return true,
            _ => {}
        }
    }
    false
}

/// An error as a document: what `--output json` prints where a command has no other data.
#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    exit: u8,
    error: ErrorRecord,
    /// The file that a person wrote, where it is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    /// Everything that is wrong with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<InFile<'a>>,
}

#[derive(Serialize)]
struct InFile<'a> {
    line: usize,
    column: usize,
    key: &'a str,
    what: &'a str,
    hint: Option<&'a str>,
}

/// Writes an error to `out` as one JSON document in one line.
///
/// A reader of the output that went away is no error: nothing is written.
pub(super) fn tell_data(error: &anyhow::Error, out: &mut dyn Write) {
    if is_broken_pipe(error) {
        return;
    }
    let problems = problems(error);
    let (exit, record) = if let Some(problems) = problems {
        let record = ErrorRecord {
            what: heading(problems),
            ..ErrorRecord::default()
        };
        (Exit::Usage, record)
    } else {
        let Failure { exit, problem } = describe(error);
        let record = ErrorRecord::of(&problem.what, &problem, WayOn::Resume);
        (exit, record)
    };
    let in_file = problems.iter().flat_map(|problems| &problems.problems);
    write_data(
        &Document {
            version: 1,
            exit: exit.code(),
            error: record,
            file: problems.map(|problems| problems.file.as_str()),
            problems: in_file
                .map(|it| InFile {
                    line: it.line,
                    column: it.column,
                    key: &it.key,
                    what: &it.what,
                    hint: it.hint.as_deref(),
                })
                .collect(),
        },
        out,
    );
}

/// The same for a command line that is wrong, in the words of its parser.
pub(super) fn tell_usage_data(told: &str, out: &mut dyn Write) {
    let error = ErrorRecord {
        what: "the command line".to_owned(),
        why: told.trim_end().to_owned(),
        hint: "see pchadr --help".to_owned(),
        ..ErrorRecord::default()
    };
    write_data(
        &Document {
            version: 1,
            exit: Exit::Usage.code(),
            error,
            file: None,
            problems: Vec::new(),
        },
        out,
    );
}

fn write_data(document: &Document<'_>, out: &mut dyn Write) {
    let json = serde_json::to_string(document).unwrap_or_default();
    // What cannot be written is told on the standard error all the same.
    let _ = writeln!(out, "{}", plain_json(&json)).and_then(|()| out.flush());
}

/// Every problem of a site file or a runbook.
fn problems(error: &anyhow::Error) -> Option<&Problems> {
    match error.downcast_ref::<LoadError>() {
        Some(LoadError::Problems(problems)) => Some(problems),
        _ => error.downcast_ref(),
    }
}

fn write_problems(problems: &Problems, err: &mut dyn Write) -> io::Result<()> {
    writeln!(err, "error: {}", one_line(&heading(problems)))?;
    for line in problems.to_string().lines() {
        writeln!(err, "{}", one_line(line))?;
    }
    Ok(())
}

/// `there are 2 problems in …`
fn heading(problems: &Problems) -> String {
    let number = problems.problems.len();
    let there = if number == 1 { "there is" } else { "there are" };
    format!(
        "{there} {} in `{}`",
        count(number, "problem"),
        problems.file
    )
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
            source: None,
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
    fn data_is_asked_for_in_both_spellings_and_not_behind_the_end_of_the_options() {
        let asked = |words: &[&str]| {
            let words: Vec<OsString> = words.iter().map(Into::into).collect();
            wants_data(&words)
        };
        assert!(asked(&["pchadr", "status", "--output", "json"]));
        assert!(asked(&["pchadr", "status", "--output=json", "--bogus"]));
        for words in [
            &["pchadr", "status"][..],
            &["pchadr", "status", "--output", "human"],
            &["pchadr", "logs", "--", "--output=json"],
            &["pchadr", "init", "json"],
        ] {
            assert!(!asked(words), "{words:?}");
        }
    }

    #[test]
    fn an_error_as_data_has_its_three_parts_or_every_problem_of_the_file() {
        let data = |error: anyhow::Error| {
            let mut text = Vec::new();
            tell_data(&error, &mut text);
            let text = String::from_utf8_lossy(&text).into_owned();
            assert_eq!(text.lines().count(), 1, "{text}");
            serde_json::from_str::<serde_json::Value>(&text).unwrap_or_default()
        };
        let of_file = data(two_problems().into());
        assert_eq!(of_file["exit"], 2);
        assert_eq!(
            of_file["error"]["what"],
            "there are 2 problems in `site.toml`"
        );
        assert_eq!(of_file["problems"][0]["line"], 3);
        assert_eq!(of_file["problems"][0]["hint"], "mend it");
        let told = data(refused("it failed", "for that", "do this").into());
        assert_eq!(told["exit"], 1);
        let part = |key: &str| told["error"][key].as_str().unwrap_or_default();
        assert_eq!(
            ["what", "why", "hint"].map(part),
            ["it failed", "for that", "do this"]
        );
        assert_eq!(told.get("problems"), None);
        let mut nothing = Vec::new();
        tell_data(&io::Error::from(ErrorKind::BrokenPipe).into(), &mut nothing);
        assert!(nothing.is_empty());
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
