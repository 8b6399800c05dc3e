//! Renderings: of a plan before a run, of a run while it goes and ever after. All of them are
//! folded from records or made from a plan; none knows the executor, and none prints by itself.

pub mod account;
pub mod downtime;
pub mod duration;
pub mod error;
pub mod figures;
pub mod html;
pub mod json;
pub mod layout;
pub mod markdown;
pub mod next;
pub mod plan;
pub mod show;
pub mod terminal;

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::Value;

use crate::run::event::{Record, StepOutcome};
use crate::step::Effect;

/// A journal as a reader that only shows takes it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lines {
    /// Every line that is JSON, of known kind or not, in order.
    pub values: Vec<Value>,
    /// Numbers of the lines that are none, from 1.
    pub unreadable: Vec<usize>,
}

impl Lines {
    /// The records among them, those of unknown kinds left out.
    pub fn records(&self) -> Vec<Record> {
        let known = |value: &Value| serde_json::from_value(value.clone()).ok();
        self.values.iter().filter_map(known).collect()
    }
}

/// Reads a journal to show it: nothing is verified and nothing is refused. What acts on a journal
/// reads it with [`crate::run::journal::read`].
pub fn read_lines(bytes: &[u8]) -> Lines {
    let mut lines = Lines::default();
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        match serde_json::from_slice(line) {
            Ok(value) => lines.values.push(value),
            Err(_) if line.is_empty() => {}
            Err(_) => lines.unreadable.push(index + 1),
        }
    }
    lines
}

/// The outcome of a step in words.
pub fn outcome_words(outcome: StepOutcome) -> &'static str {
    match outcome {
        StepOutcome::Done => "done",
        StepOutcome::DoneBefore => "done before",
        StepOutcome::Overtaken => "overtaken",
        StepOutcome::Undone => "undone",
        StepOutcome::Stopped => "stopped",
        StepOutcome::Unknown => "unknown",
        StepOutcome::NotReached => "not reached",
        StepOutcome::Left => "left out",
    }
}

/// How far a step can be undone, in words.
pub fn effect_words(effect: Effect) -> &'static str {
    match effect {
        Effect::ReadOnly => "read-only",
        Effect::Reversible => "reversible",
        Effect::Irreversible => "irreversible",
    }
}

/// A text from outside as one line that cannot steer a terminal: line breaks and tabs become
/// spaces, other control characters are spelled out.
pub(crate) fn one_line(text: &str) -> Cow<'_, str> {
    if !text.chars().any(steers) {
        return Cow::Borrowed(text.trim_end());
    }
    let mut line = String::with_capacity(text.len());
    for c in text.replace("\r\n", "\n").trim_end().chars() {
        match c {
            '\n' | '\r' | '\t' => line.push(' '),
            // Writing to a String cannot fail.
            c if steers(c) => drop(write!(line, "{}", c.escape_unicode())),
            c => line.push(c),
        }
    }
    Cow::Owned(line)
}

/// Lines of a text from outside, without what steers a terminal.
pub(crate) fn many_lines(text: &str) -> String {
    let lines: Vec<_> = text.split('\n').map(one_line).collect();
    lines.join("\n")
}

/// JSON that says the same and cannot steer a terminal.
pub(crate) fn plain_json(json: &str) -> String {
    let mut plain = String::with_capacity(json.len());
    for c in json.chars() {
        // Below U+0020 JSON has line breaks only, and those are its own. The others stand in texts.
        if steers(c) && c != '\n' {
            // Writing to a String cannot fail.
            let _ = write!(plain, "\\u{:04x}", u32::from(c));
        } else {
            plain.push(c);
        }
    }
    plain
}

/// Control characters, and those that turn the direction of what follows.
fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
pub(crate) mod sample;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_reader_that_shows_keeps_what_it_does_not_know() {
        let lines = read_lines(b"{\"event\":\"step_dreamt\"}\nnot json\n\n{\"seq\":2");
        assert_eq!(lines.values.len(), 1);
        assert_eq!(lines.unreadable, [2, 4]);
        assert_eq!(lines.records(), []);
    }

    #[test]
    fn json_and_lines_that_cannot_steer_say_the_same() {
        let text = "a\u{7}b\u{1b}[2J\u{7f}\u{9b}\u{202e}c";
        let json = serde_json::to_string_pretty(&vec![text]).unwrap_or_default();
        let plain = plain_json(&json);
        assert!(!plain.chars().any(|c| steers(c) && c != '\n'), "{plain}");
        let back: Result<Vec<String>, _> = serde_json::from_str(&plain);
        assert_eq!(back.ok(), Some(vec![text.to_owned()]));
        assert_eq!(many_lines("a\u{7}\n  b\n"), "a\\u{7}\n  b\n");
    }

    #[test]
    fn every_record_of_a_journal_is_shown() {
        let records = sample::stopped_run();
        let bytes: Vec<u8> = records
            .iter()
            .flat_map(|record| [serde_json::to_vec(record).unwrap_or_default(), vec![b'\n']])
            .flatten()
            .collect();
        let lines = read_lines(&bytes);
        assert_eq!(lines.records(), records);
        assert_eq!(lines.unreadable, [0_usize; 0]);
    }

    #[test]
    fn the_sample_runs_are_runs() {
        let (first, second) = sample::resumed_run();
        for mut records in [sample::stopped_run(), [first, second].concat()] {
            for (seq, record) in (1..).zip(&mut records) {
                record.seq = seq;
            }
            let state = crate::run::fold::fold(&records).map(|state| state.ended);
            assert!(matches!(state, Ok(Some(_))), "{state:?}");
        }
    }

    #[test]
    fn a_text_from_outside_cannot_steer_a_terminal() {
        assert_eq!(one_line("a\r\nb\tc\n"), "a b c");
        assert_eq!(one_line("\u{1b}[2J\u{202e}x"), "\\u{1b}[2J\\u{202e}x");
        assert_eq!(one_line("größer"), "größer");
    }

    proptest! {
        #[test]
        fn no_text_leaves_a_control_character_in_a_line(text in any::<String>()) {
            prop_assert!(!one_line(&text).chars().any(steers));
        }
    }
}
