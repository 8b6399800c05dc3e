//! Preflight: all checks before the first change, and what they add up to (DESIGN 5). Pure.

use super::event::ErrorRecord;
use super::exit::Exit;
use crate::step::{Block, Effect, Lift, Standing, Step};

/// A step of the run with its judgement.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The step.
    pub step: Step,
    /// Recorded done by an earlier execution: not judged again.
    pub done: bool,
    /// Its standing; of no meaning where done.
    pub standing: Standing,
}

/// What is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every step is met.
    NothingToDo,
    /// Go on at the step of that index.
    Go {
        /// Index of the first step neither met nor overtaken.
        first: usize,
    },
    /// Nothing may be changed.
    No {
        /// Exit status.
        exit: Exit,
        /// Index of the first step that is in the way.
        at: usize,
        /// Every reason.
        error: ErrorRecord,
    },
}

/// True where a later step that is met makes it moot (`steps.md` 1.6).
pub fn is_overtaken(checked: &[Checked], index: usize) -> bool {
    checked[index + 1..].iter().any(|later| {
        (later.done || later.standing.is_satisfied())
            && later.step.overtakes().contains(&checked[index].step)
    })
}

/// Adds up. `may_ask` says whether somebody can be asked for consent during the run; `consents`
/// that the options gave it already.
pub fn verdict(checked: &[Checked], consents: bool, may_ask: bool) -> Verdict {
    let met = |index: usize| {
        let it = &checked[index];
        it.done || it.standing.is_satisfied() || is_overtaken(checked, index)
    };
    let Some(first) = (0..checked.len()).find(|index| !met(*index)) else {
        return Verdict::NothingToDo;
    };
    // A step that is met now may have to act later only by what an earlier one does to it; that it
    // is blocked then is found in its turn.
    let open: Vec<usize> = (first..checked.len())
        .filter(|index| !met(*index))
        .collect();
    let will_run = |id: &str| open.iter().any(|index| checked[*index].step.id() == id);
    let counts = |block: &&Block| {
        block
            .cleared_by
            .as_deref()
            .is_none_or(|step| !will_run(step))
    };
    let mut blocks: Vec<(usize, &Block)> = Vec::new();
    let mut unknown: Vec<(usize, &str)> = Vec::new();
    for index in &open {
        match &checked[*index].standing {
            Standing::Blocked { blocks: all } => {
                blocks.extend(all.iter().filter(counts).map(|block| (*index, block)));
            }
            Standing::Unknown { what } => unknown.push((*index, what)),
            Standing::Satisfied { .. } | Standing::Pending { .. } => {}
        }
    }
    // What two steps see alike is one problem.
    let mut seen: Vec<&str> = Vec::new();
    blocks.retain(|(_, block)| {
        let new = !seen.contains(&block.why.as_str());
        seen.push(&block.why);
        new
    });
    let mut seen: Vec<&str> = Vec::new();
    unknown.retain(|(_, what)| {
        let new = !seen.contains(what);
        seen.push(what);
        new
    });
    if let Some((at, _)) = blocks.first() {
        let hard = blocks
            .iter()
            .any(|(_, block)| matches!(block.lift, Lift::Site | Lift::Override));
        let exit = if hard { Exit::Blocked } else { Exit::NoConsent };
        let problems = blocks
            .iter()
            .map(|(index, block)| (*index, block.why.as_str(), block.hint.as_str()))
            .chain(unknown.iter().map(|(index, what)| (*index, *what, "")));
        return Verdict::No {
            exit,
            at: *at,
            error: add_up(checked, problems),
        };
    }
    if let Some((at, _)) = unknown.first() {
        let problems = unknown.iter().map(|(index, what)| {
            let hint = match checked[*index].step {
                // Users wait for no mirror (`procedure.md`, "leaves out" 5).
                Step::InstallMirror => {
                    "see that what does not answer is up; or go on without a mirror: --runbook FILE, without this step"
                }
                _ => "see that what does not answer is up and reachable from here",
            };
            (*index, *what, hint)
        });
        return Verdict::No {
            exit: Exit::Refused,
            at: *at,
            error: add_up(checked, problems),
        };
    }
    let irreversible = open
        .iter()
        .find(|index| checked[**index].step.info().effect == Effect::Irreversible);
    if let (Some(at), false, false) = (irreversible, consents, may_ask) {
        let step = checked[*at].step;
        return Verdict::No {
            exit: Exit::NoConsent,
            at: *at,
            error: ErrorRecord {
                what: format!("step `{}`", step.id()),
                why: "it cannot be undone, and nobody is there to consent".to_owned(),
                hint: "consent with --yes, or run it at a terminal".to_owned(),
                ..ErrorRecord::default()
            },
        };
    }
    Verdict::Go { first }
}

/// All problems as one error: the first in its own words, the others listed.
fn add_up<'a>(
    checked: &[Checked],
    problems: impl Iterator<Item = (usize, &'a str, &'a str)>,
) -> ErrorRecord {
    let problems: Vec<(usize, &str, &str)> = problems.collect();
    let steps: Vec<&str> = {
        let mut ids: Vec<&str> = problems
            .iter()
            .map(|(index, _, _)| checked[*index].step.id())
            .collect();
        ids.dedup();
        ids
    };
    let join = |texts: Vec<String>| match texts.as_slice() {
        [only] => only.clone(),
        several => several
            .iter()
            .enumerate()
            .map(|(index, text)| format!("({}) {text}", index + 1))
            .collect::<Vec<_>>()
            .join("; "),
    };
    ErrorRecord {
        what: match steps.as_slice() {
            [only] => format!("step `{only}`"),
            several => format!("steps `{}`", several.join("`, `")),
        },
        why: join(
            problems
                .iter()
                .map(|(_, why, _)| (*why).to_owned())
                .collect(),
        ),
        hint: join(
            problems
                .iter()
                .map(|(_, _, hint)| (*hint).to_owned())
                .filter(|hint| !hint.is_empty())
                .collect(),
        ),
        ..ErrorRecord::default()
    }
}
