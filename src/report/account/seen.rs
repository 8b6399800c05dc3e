//! What was seen and said along the way: looks before and after a step, what spoke against it, what its
//! cmdlets said, and every execution of the run.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::run::event::{ErrorRecord, RunFinished, StoredBlock, StoredLift, StoredStanding};

/// A look at the site for a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// When.
    pub at: Timestamp,
    /// What it said of the step.
    pub standing: StoredStanding,
    /// What was observed: the evidence.
    pub facts: Value,
}

/// From when to when a step acted in one execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its beginning.
    pub from: Timestamp,
    /// Its end; `None` where no end is recorded.
    pub to: Option<Timestamp>,
    /// True where the step was undone.
    pub undoes: bool,
}

/// Something that was said against a step, or by what it sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// When it was said first.
    pub at: Timestamp,
    /// Step.
    pub step: String,
    /// `blocked`, `loss`, `consent`, `interlock`, `unknown`, `error`, `warning`.
    pub kind: &'static str,
    /// In words.
    pub what: String,
    /// What was to do about it; empty where nothing was said.
    pub hint: String,
}

/// One execution of a run: its beginning, and every resume.
#[derive(Clone, Debug, PartialEq)]
pub struct Execution {
    /// When it began.
    pub began: Timestamp,
    /// When its last record was written.
    pub last: Timestamp,
    /// Machine.
    pub host: String,
    /// User.
    pub user: String,
    /// Program; `None` where the record does not say.
    pub tool: Option<String>,
    /// How it ended; `None` where no end is recorded.
    pub finished: Option<RunFinished>,
}

impl Execution {
    /// What went wrong in it.
    pub fn error(&self) -> Option<&ErrorRecord> {
        self.finished.as_ref()?.error.as_ref()
    }
}

/// What kind of warning a block is.
pub(super) fn kind(block: &StoredBlock) -> &'static str {
    match block.lift {
        StoredLift::Site => "blocked",
        StoredLift::Loss => "loss",
        StoredLift::Consent => "consent",
        StoredLift::Override => "interlock",
    }
}

/// What a judgement says in one line.
pub fn standing_words(standing: &StoredStanding) -> String {
    match standing {
        StoredStanding::Satisfied { why } => why.clone(),
        StoredStanding::Pending { what, .. } => format!("to do: {what}"),
        StoredStanding::Blocked { blocks } => {
            let whys: Vec<&str> = blocks.iter().map(|block| block.why.as_str()).collect();
            format!("blocked: {}", whys.join("; "))
        }
        StoredStanding::Unknown { what, .. } => format!("not known: {what}"),
    }
}

/// The leaves of facts, each by its path: `files.chain.to`. That a value was seen is not said at each.
pub fn leaves(facts: &Value) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    collect("", facts, &mut found);
    found
}

fn collect(path: &str, value: &Value, found: &mut BTreeMap<String, String>) {
    let below = |key: &str| match (path, key) {
        (path, "seen") if !path.is_empty() => path.to_owned(),
        ("", key) => key.to_owned(),
        (path, key) => format!("{path}.{key}"),
    };
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, inner) in map {
                collect(&below(key), inner, found);
            }
        }
        Value::Array(items) if !items.is_empty() && items.iter().any(|it| !is_plain(it)) => {
            for (index, inner) in items.iter().enumerate() {
                collect(&below(&(index + 1).to_string()), inner, found);
            }
        }
        Value::Array(items) => {
            let texts: Vec<String> = items.iter().map(plain).collect();
            let text = if texts.is_empty() {
                "none".to_owned()
            } else {
                texts.join(", ")
            };
            found.insert(path.to_owned(), text);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            found.insert(path.to_owned(), plain(value));
        }
    }
}

fn is_plain(value: &Value) -> bool {
    !value.is_object() && !value.is_array()
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Object(_) | Value::Array(_) => value.to_string(),
    }
}

/// What differs between two looks: path, before, after; where one side has no such path, nothing.
pub fn changes(before: &Value, after: &Value) -> Vec<(String, Option<String>, Option<String>)> {
    let (mut before, mut after) = (leaves(before), leaves(after));
    let mut paths: Vec<String> = before.keys().chain(after.keys()).cloned().collect();
    paths.sort();
    paths.dedup();
    let pairs = paths.into_iter().map(|path| {
        let (was, is) = (before.remove(&path), after.remove(&path));
        (path, was, is)
    });
    pairs.filter(|(_, was, is)| was != is).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn facts_become_paths_and_what_differs_between_two_looks_is_told() {
        let before = json!({"database": {"seen": {"state": "RESTORING", "owner": "sa"}},
            "jobs": {"seen": [{"id": 7}]}, "sessions": "absent", "hosts": ["a", "b"]});
        let after = json!({"database": {"seen": {"state": "ONLINE", "owner": "sa"}},
            "jobs": {"seen": []}, "sessions": "absent", "hosts": ["a", "b"]});
        let paths: Vec<String> = leaves(&before).into_keys().collect();
        assert_eq!(
            paths,
            [
                "database.owner",
                "database.state",
                "hosts",
                "jobs.1.id",
                "sessions"
            ]
        );
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            changes(&before, &after),
            [
                (
                    "database.state".to_owned(),
                    some("RESTORING"),
                    some("ONLINE")
                ),
                ("jobs".to_owned(), None, some("none")),
                ("jobs.1.id".to_owned(), some("7"), None),
            ]
        );
    }
}
