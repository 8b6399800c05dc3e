//! Preflight: all checks before the first change, and what they add up to (`design.md` 5). Pure.

use super::exit::Exit;
use crate::model::{Lsn, Problem, Remedy, WayOn};
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
    /// The step before it that has work again, where one has: it is done first.
    pub back_to: Option<Step>,
    /// Where the chain ends, of the step that gives up what was written after it.
    pub end: Option<Lsn>,
    /// It may be left out: what is in its way holds nothing back.
    pub may_leave: bool,
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
    No(No),
}

/// Why nothing may be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct No {
    /// Exit status.
    pub exit: Exit,
    /// The first step that is in the way.
    pub at: Step,
    /// Every step that is.
    pub what: String,
    /// Every reason.
    pub problem: Problem,
}

/// True where a later step that is met makes it moot (`steps.md` 1.6).
pub fn is_overtaken(checked: &[Checked], index: usize) -> bool {
    checked[index + 1..].iter().any(|later| {
        (later.done || later.standing.is_satisfied())
            && later.step.overtakes().contains(&checked[index].step)
    })
}

/// Index of each step that is neither met nor overtaken.
pub fn open(checked: &[Checked]) -> Vec<usize> {
    let met = |index: usize| {
        let it = &checked[index];
        it.done || it.standing.is_satisfied() || is_overtaken(checked, index)
    };
    (0..checked.len()).filter(|index| !met(*index)).collect()
}

/// The steps among them that are work for a run: what may be left out and cannot be done is none, so two
/// such are no work for one another.
pub fn work(checked: &[Checked]) -> Vec<Step> {
    let open = open(checked).into_iter().map(|at| &checked[at]);
    let is_work = |it: &&Checked| {
        it.step.optional().is_none() || matches!(it.standing, Standing::Pending { .. })
    };
    open.filter(is_work).map(|it| it.step).collect()
}

/// The blocks of a step that count before the run: what a step that is open too will clear does not.
pub fn counting<'a>(checked: &'a [Checked], open: &[usize], index: usize) -> Vec<&'a Block> {
    let will_run = |id: &str| open.iter().any(|index| checked[*index].step.id() == id);
    let counts = |block: &&Block| {
        block
            .cleared_by
            .as_deref()
            .is_none_or(|step| !will_run(step) && checked[index].back_to.is_none())
    };
    match &checked[index].standing {
        Standing::Blocked { blocks } => blocks.iter().filter(counts).collect(),
        Standing::Unknown(_) | Standing::Satisfied { .. } | Standing::Pending { .. } => Vec::new(),
    }
}

/// Adds up. `may_ask` says whether somebody can be asked for consent during the run; `consents`
/// that the options gave it already.
pub fn verdict(checked: &[Checked], consents: bool, may_ask: bool) -> Verdict {
    // A step that is met now may have to act later only by what an earlier one does to it; that it
    // is blocked then is found in its turn.
    let open = open(checked);
    let Some(first) = open.first().copied() else {
        return Verdict::NothingToDo;
    };
    let mut blocks: Vec<(Step, &Block)> = Vec::new();
    let mut unknown: Vec<(Step, &Problem)> = Vec::new();
    for index in &open {
        let step = checked[*index].step;
        if checked[*index].may_leave {
            continue;
        }
        match &checked[*index].standing {
            Standing::Blocked { .. } => {
                let counting = counting(checked, &open, *index);
                blocks.extend(counting.into_iter().map(|block| (step, block)));
            }
            Standing::Unknown(problem) => unknown.push((step, problem)),
            Standing::Satisfied { .. } | Standing::Pending { .. } => {}
        }
    }
    let hard = |block: &Block| match block.lift {
        Lift::Site | Lift::Override => true,
        Lift::Loss | Lift::Consent => false,
    };
    let exit = match blocks.as_slice() {
        [] => Exit::Refused,
        blocks if blocks.iter().any(|(_, block)| hard(block)) => Exit::Blocked,
        _ => Exit::NoConsent,
    };
    let problems = blocks
        .into_iter()
        .map(|(step, block)| (step, block.problem.clone()))
        .chain(
            unknown
                .into_iter()
                .map(|(step, problem)| (step, problem.clone().with_remedy())),
        );
    if let Some(no) = add_up(exit, problems) {
        return Verdict::No(no);
    }
    let irreversible = open
        .iter()
        .map(|index| checked[*index].step)
        .find(|step| step.info().effect == Effect::Irreversible);
    if let (Some(at), false, false) = (irreversible, consents, may_ask) {
        return Verdict::No(No {
            exit: Exit::NoConsent,
            at,
            what: format!("step `{}`", at.id()),
            problem: Problem::new(
                "it cannot be undone, and nobody is there to consent",
                "consent with --yes, or run it at a terminal",
            ),
        });
    }
    Verdict::Go { first }
}

/// What was seen of all of them, each line once.
pub(super) fn seen<'a>(problems: impl Iterator<Item = &'a Problem>) -> Vec<String> {
    let mut seen: Vec<String> = Vec::new();
    for line in problems.flat_map(|problem| &problem.evidence) {
        if !seen.contains(line) {
            seen.push(line.clone());
        }
    }
    seen
}

/// All problems as one: a single one as it is, several numbered, each with its own remedy.
fn add_up(exit: Exit, problems: impl Iterator<Item = (Step, Problem)>) -> Option<No> {
    let mut different: Vec<(Step, Problem)> = Vec::new();
    for (step, problem) in problems {
        // What two steps see alike is one problem.
        if different
            .iter()
            .all(|(_, it)| it.reason() != problem.reason() || it.place != problem.place)
        {
            different.push((step, problem));
        }
    }
    let at = different.first()?.0;
    let mut steps: Vec<&str> = different.iter().map(|(step, _)| step.id()).collect();
    steps.dedup();
    let mut problem = Problem::default();
    if let [(_, only)] = different.as_slice() {
        problem = only.clone();
    } else {
        let numbered = |text: String, index: usize| format!("({}) {text}", index + 1);
        let whys = different.iter().enumerate();
        let whys: Vec<String> = whys
            .map(|(n, (_, it))| numbered(it.to_string(), n))
            .collect();
        problem.why = whys.join("; ");
        problem.evidence = seen(different.iter().map(|(_, it)| it));
        // The way on is the run's to name, once.
        problem.remedies = different
            .iter()
            .enumerate()
            .map(|(n, (_, it))| (n, it.hint(WayOn::Resume)))
            .filter(|(_, hint)| !hint.is_empty())
            .map(|(n, hint)| Remedy::to_do(numbered(hint, n)))
            .collect();
    }
    Some(No {
        exit,
        at,
        what: match steps.as_slice() {
            [only] => format!("step `{only}`"),
            several => format!("steps `{}`", several.join("`, `")),
        },
        problem,
    })
}
