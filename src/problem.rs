//! What is wrong with a file that a person wrote: every problem at once, each with its line, its
//! key and what to do.

use std::fmt;

use strsim::damerau_levenshtein;

pub(crate) mod toml;

/// One thing that is wrong with a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line in the file, from 1; the table's line for a key that is missing.
    pub line: usize,
    /// Column in that line, in characters, from 1.
    pub column: usize,
    /// Dotted path of the key, as in `sql.auth.password`; empty where no key is known.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The line as it is written, where the text is no TOML: shown with a mark below its column.
    pub source: Option<String>,
}

/// Everything that is wrong with one file, in the order of its lines.
///
/// Displays as one block a problem: `site.toml:12: sql.backup: what`, and below it `  hint: …`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Problems {
    /// Name of the file, as it was given.
    pub file: String,
    /// At least one, sorted by line and column.
    pub problems: Vec<Problem>,
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.problems.iter().enumerate() {
            if n > 0 {
                writeln!(f)?;
            }
            write!(f, "{}:{}: ", self.file, problem.line)?;
            if !problem.key.is_empty() {
                write!(f, "{}: ", problem.key)?;
            }
            write!(f, "{}", problem.what)?;
            if let Some(source) = &problem.source {
                let column = problem.column - 1;
                write!(f, "\n  {source}\n  {:column$}^", "")?;
            }
            if let Some(hint) = &problem.hint {
                write!(f, "\n  hint: {hint}")?;
            }
        }
        Ok(())
    }
}

/// The name among `known` that `given` was probably meant to be.
pub(crate) fn nearest<'k>(given: &str, known: &[&'k str]) -> Option<&'k str> {
    let given = given.to_lowercase();
    // A third of the letters may be wrong: more is another word.
    let limit = (given.chars().count() / 3).max(1);
    known
        .iter()
        .map(|name| (damerau_levenshtein(&given, &name.to_lowercase()), *name))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_shows_its_file_line_key_and_hint() {
        let problem = |line, key: &str, hint: Option<&str>| Problem {
            line,
            column: 1,
            key: key.to_owned(),
            what: "is wrong".to_owned(),
            hint: hint.map(str::to_owned),
            source: None,
        };
        let marked = Problem {
            column: 5,
            source: Some("a = b".to_owned()),
            ..problem(1, "", None)
        };
        let problems = Problems {
            file: "site.toml".to_owned(),
            problems: vec![marked, problem(12, "sql.backup", Some("mend it"))],
        };
        assert_eq!(
            problems.to_string(),
            "site.toml:1: is wrong\n  a = b\n      ^\nsite.toml:12: sql.backup: is wrong\n  hint: mend it"
        );
    }

    #[test]
    fn a_slip_finds_its_word_and_another_word_finds_none() {
        let known = ["primary", "primary_mirror", "backup"];
        assert_eq!(nearest("primry", &known), Some("primary"));
        assert_eq!(nearest("Backup", &known), Some("backup"));
        assert_eq!(nearest("witness", &known), None);
        assert_eq!(nearest("", &known), None);
    }
}
